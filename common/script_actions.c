/* The actions of a timeline: entries and times; the table is in action.h. */
#include <math.h>
#include <string.h>

#include "script_build.h"

const char *
script_action_name(enum script_kind kind)
{
	return action_table[kind].name;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void
decode_do(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	(void)f;
	const char *names[SCRIPT_KINDS_];
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(d, v, "do: the name of an action is wanted, not %s", yamldoc_what(v));
		return;
	}
	for (int i = 0; i < SCRIPT_KINDS_; i++) {
		names[i] = action_table[i].name;
		if (!strcmp(action_table[i].name, v->text))
			e->row = i;
	}
	if (e->row >= 0)
		return;
	for (size_t i = 0; action_later[i]; i++)
		if (!strcmp(action_later[i], v->text)) {
			decode_error(d, v, "action '%s' is not available in this release", v->text);
			return;
		}
	struct diag *g = decode_error(d, v, "unknown action '%.40s'", v->text);
	const char *near = diag_nearest(v->text, names, SCRIPT_KINDS_);
	if (near)
		diag_help(g, "did you mean '%s'? (`voltloom drill --actions` lists them)", near);
	else
		diag_help(g, "`voltloom drill --actions` lists them");
}

static void
take_at(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct script_entry *)target)->at = v;
}

static void
take_target(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct script_entry *)target)->target = v;
}

static void
take_with(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct script_entry *)target)->with_place = v;
}

static void
take_after(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct script_entry *)target)->after = v;
}

static void
take_within(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	e->within_place = v;
	if (!decode_time(d, f->key, v, 0, INT64_C(1000000) * 1000000000, &e->within_ns))
		e->within_ns = -1;
}

static void
take_for(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	const int64_t max_ns = INT64_C(1000000) * 1000000000;
	e->for_place = v;
	if (decode_time(d, f->key, v, 1, max_ns, &e->for_ns))
		e->for_s = (double)e->for_ns * 1e-9;
}

static void
take_end(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	e->end_place = v;
	e->end = v->kind == YAMLDOC_SCALAR && !strcmp(v->text, "true");
	if (!e->end)
		decode_error(d, v, "%s: 'true' is wanted, or the key left out", f->key);
}

#define CUSTOM(k, fn, text)                                               \
	{                                                                 \
		.key = k, .type = FIELD_CUSTOM, .decode = fn, .doc = text \
	}
static const struct field fields_entry[] = {
	{ .key = "id",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct script_entry, id),
	  .doc = "name of the action; without it a1, a2, ... by its place in the list" },
	CUSTOM("at", take_at,
	       "plant time like 700ms, relative to another action: kill + 50ms, or `when "
	       "CONDITION`, "
	       "see below; required"),
	CUSTOM("within", take_within, "`at: when`: how long the condition is looked at; required"),
	CUSTOM("after", take_after,
	       "`at: when`: a time or an action from which on it is looked at; without it the end "
	       "of "
	       "the steady state"),
	CUSTOM("do", decode_do, "the action; required"),
	CUSTOM("target", take_target, "id of a node, module or link, or a list of them; required"),
	CUSTOM("with", take_with, "parameters of the action"),
	CUSTOM("for", take_for, "the action ends by itself after this time"),
	CUSTOM("end", take_end, "true: ends such a fault that an earlier action without `for` began"),
};
const struct schema script_schema_entry = { "timeline entry", "One scripted action.", fields_entry,
	                                    sizeof fields_entry / sizeof *fields_entry };

static void
decode_with(struct script_build *b, struct script_entry *e)
{
	const struct action *r = &action_table[e->row];
	const struct action_params *p = &action_params[e->row];
	char owner[64];
	snprintf(owner, sizeof owner, "'with' of action '%s'", r->name);
	e->with = action_no_with;
	decode_defaults(&b->d, p->with, &e->with);
	size_t before = b->d.diags->n_errors;
	if (e->end && !r->undo)
		decode_error(&b->d, e->end_place, "action '%s' takes no 'end'", r->name);
	else if (e->end && e->for_place)
		decode_error(&b->d, e->for_place, "the end of an action takes no 'for'");
	else if (e->end && e->with_place &&
	         (e->with_place->kind != YAMLDOC_MAP || e->with_place->n != 1 ||
	          (!yamldoc_get(e->with_place, "toward") && !yamldoc_get(e->with_place, "sensor"))))
		decode_error(&b->d, e->with_place,
		             "the end of an action takes no parameters but 'toward' of a channel, or "
		             "'sensor'");
	if (e->with_place && p->with->n == 0)
		decode_error(&b->d, e->with_place, "action '%s' takes no 'with'", r->name);
	else if (e->with_place)
		decode_map(&b->d, p->with, owner, e->with_place, &e->with);
	if (e->for_place && !r->may_last)
		decode_error(&b->d, e->for_place, "action '%s' takes no 'for'", r->name);
	if (b->d.diags->n_errors != before || e->end)
		return;
	for (size_t i = 0; i < ACTION_NEEDS_MAX && p->needs[i].key; i++)
		if (!e->with_place || !yamldoc_get(e->with_place, p->needs[i].key))
			decode_error(&b->d, e->place, "'with: { %s: ... }' is missing: %s",
			             p->needs[i].key, p->needs[i].what);
}

static void
load_entry(struct script_build *b, const struct yamldoc_node *v)
{
	struct script_entry *e = &b->entries[b->n_entries];
	*e = (struct script_entry){
		.place = v, .row = -1, .for_s = NAN, .for_ns = -1, .within_ns = -1
	};
	snprintf(e->id, sizeof e->id, "a%zu", ++b->n_entries);
	if (v->kind != YAMLDOC_MAP) {
		decode_error(
			&b->d, v,
			"an action is a mapping, like { at: 1s, do: kill, target: n3 }, not %s",
			yamldoc_what(v));
		return;
	}
	/* The name counts also when the rest is bad: others may refer to it. */
	const struct yamldoc_node *id = yamldoc_get(v, "id");
	if (id && id->kind == YAMLDOC_SCALAR && strlen(id->text) < sizeof e->id)
		snprintf(e->id, sizeof e->id, "%s", id->text);
	const struct yamldoc_node *x = script_build_expand(b, v);
	if (!x)
		return;
	static const char *const needed[] = { "at", "do", "target" };
	decode_map(&b->d, &script_schema_entry, "a timeline entry", x, e);
	for (size_t i = 0; i < 3; i++)
		if (!yamldoc_get(x, needed[i]))
			decode_error(&b->d, v, "'%s' is missing in action '%s'", needed[i], e->id);
	for (size_t i = 0; i + 1 < b->n_entries; i++)
		if (!strcmp(b->entries[i].id, e->id))
			decode_error(&b->d, id ? id : v, "id '%s' is there twice, first in line %u",
			             e->id, b->entries[i].place->line);
	if (e->row >= 0)
		decode_with(b, e);
	script_when_read(b, e, v);
}

/* ---- times ----------------------------------------------------------------------------------- */

static enum script_at resolve_at(struct script_build *, struct script_entry *);

/* "+ 50ms", "- 1ms", or nothing; `id` is what stands before it. */
static bool
read_offset(struct script_build *b, const struct yamldoc_node *v, const char *key, const char *op,
            const char *id, int64_t *ns)
{
	char why[UNIT_WHY_MAX];
	*ns = 0;
	op += strspn(op, " ");
	if (!*op)
		return true;
	bool minus = *op == '-';
	if (*op != '+' && !minus) {
		decode_error(&b->d, v, "%s: after '%s' comes '+' or '-' and a time, like %s + 50ms",
		             key, id, id);
		return false;
	}
	if (unit_parse_ns(op + 1 + strspn(op + 1, " "), ns, why)) {
		decode_error(&b->d, v, "%s: %s", key, why);
		return false;
	}
	*ns = minus ? -*ns : *ns;
	return true;
}

/* "kill", "kill + 50ms", "kill - 1ms" */
static enum script_at
resolve_relative(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v,
                 const char *key, int64_t *ns)
{
	const char *text = v->text;
	char id[TOPO_ID_MAX];
	size_t len = strcspn(text, "+ ");
	int64_t offset;
	if (len >= sizeof id) {
		decode_error(&b->d, v,
		             "%s: '%.60s' is neither a time like 700ms nor an action with one, "
		             "like kill + 50ms",
		             key, text);
		return AT_BAD;
	}
	memcpy(id, text, len);
	id[len] = '\0';
	struct script_entry *other = NULL;
	const char *names[SCRIPT_ENTRIES_MAX];
	for (size_t i = 0; i < b->n_entries; i++) {
		names[i] = b->entries[i].id;
		if (!strcmp(id, names[i]))
			other = &b->entries[i];
	}
	if (!other) {
		struct diag *g = decode_error(&b->d, v, "%s: there is no action '%s'", key, id);
		decode_suggest(g, id, names, b->n_entries, "actions");
		return AT_BAD;
	}
	if (!read_offset(b, v, key, text + len, id, &offset))
		return AT_BAD;
	if (other->at_state == AT_BUSY) {
		decode_error(&b->d, v, "%s: '%s' and '%s' wait for each other", key, e->id,
		             other->id);
		return AT_BAD;
	}
	enum script_at state = resolve_at(b, other);
	*ns = other->at_ns + offset;
	return state;
}

static enum script_at
resolve_time(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v,
             const char *key, int64_t *ns)
{
	const int64_t max_ns = INT64_C(1000000) * 1000000000;
	char why[UNIT_WHY_MAX];
	enum script_at state = AT_KNOWN;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "%s: a time is wanted, not %s", key, yamldoc_what(v));
		return AT_BAD;
	}
	if ((v->text[0] >= '0' && v->text[0] <= '9') || v->text[0] == '-') {
		if (unit_parse_ns(v->text, ns, why)) {
			decode_error(&b->d, v, "%s: %s", key, why);
			return AT_BAD;
		}
	} else {
		state = resolve_relative(b, e, v, key, ns);
	}
	if (state == AT_KNOWN && (*ns < 0 || *ns > max_ns)) {
		decode_error(&b->d, v, "%s: %.9g s is not in [0, 1e+06] s", key,
		             (double)*ns * 1e-9);
		return AT_BAD;
	}
	return state;
}

static enum script_at
resolve_at(struct script_build *b, struct script_entry *e)
{
	if (e->at_state != AT_UNKNOWN)
		return e->at_state;
	if (!e->at)
		return AT_BAD;
	e->at_state = AT_BUSY;
	if (e->when) {
		int64_t from_ns = b->settled_ns;
		enum script_at from = AT_KNOWN;
		if (e->after)
			from = resolve_time(b, e, e->after, "after", &from_ns);
		e->at_state = script_when_resolve(b, e, from, from_ns);
	} else {
		e->at_state = resolve_time(b, e, e->at, "at", &e->at_ns);
	}
	return e->at_state;
}

static void
miss(struct script_build *b, const struct script_entry *e, size_t from)
{
	char why[200];
	script_when_why(e, why);
	for (size_t i = from; i < b->n_actions; i++)
		if (!(b->flags[i] & SCRIPT_LEASE_END))
			script_when_miss(b, &b->actions[i], why);
}

void
script_build_timeline(struct script_build *b, const struct yamldoc_node *list)
{
	if (list->kind == YAMLDOC_SCALAR && !list->text[0])
		return; /* "timeline:" with nothing behind it */
	if (list->kind != YAMLDOC_LIST) {
		decode_error(&b->d, list, "timeline: a list of actions is wanted, not %s",
		             yamldoc_what(list));
		return;
	}
	if (list->n > SCRIPT_ENTRIES_MAX) {
		decode_error(&b->d, list, "timeline: %zu entries, at most %d", list->n,
		             SCRIPT_ENTRIES_MAX);
		return;
	}
	for (size_t i = 0; i < list->n && !b->d.nomem; i++)
		load_entry(b, list->items[i]);
	for (size_t i = 0; i < b->n_entries; i++) {
		struct script_entry *e = &b->entries[i];
		enum script_at at = resolve_at(b, e);
		if (e->row < 0 || !e->target)
			continue;
		/* Names are checked also when the time is bad. */
		size_t keep = b->n_actions;
		bool any = script_targets_add(b, e);
		if (at == AT_OPEN)
			miss(b, e, keep);
		if (at != AT_KNOWN)
			b->n_actions = keep;
		if (!any)
			decode_error(&b->d, e->target, "target: the list is empty");
	}
}
