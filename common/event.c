#include "core.h"

#include <assert.h>
#include <math.h>

static const struct {
	const char *name, *key;
} event_rows[] = { [EV_NONE_] = { "none", "" },
#define X(code, name, key) [code] = { name, key },
	           EVENT_TABLE(X)
#undef X
};

const char *
event_name(uint32_t code)
{
	return code < EV_END_ ? event_rows[code].name : "unknown";
}

const char *
event_key(uint32_t code)
{
	return code < EV_END_ ? event_rows[code].key : "";
}

void
core_event_add(struct core_events *list, int64_t k, uint32_t code, int32_t chan, double a, double b,
               double c, double d)
{
	assert(code > EV_NONE_ && code < EV_END_);
	if (list->n == CORE_EVENTS_MAX) {
		list->lost++;
		return;
	}
	list->e[list->n++] = (struct core_event){
		.k = k,
		.code = code,
		.chan = chan,
		.a = a,
		.b = b,
		.c = c,
		.d = d,
	};
}

void
core_event_fault(struct core_events *list, const struct core_cmd *cmd, double d)
{
	core_event_add(list, cmd->k, EV_FAULT, cmd->chan, cmd->kind, cmd->a, cmd->b, d);
	if (!isnan(cmd->c) || !isnan(cmd->d) || !isnan(cmd->e) || !isnan(cmd->f))
		core_event_add(list, cmd->k, EV_FAULT_MORE, cmd->chan, cmd->c, cmd->d, cmd->e,
		               cmd->f);
}
