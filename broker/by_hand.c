#include "by_hand.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "pool.h"
#include "sensor_name.h"
#include "yamldoc.h"

static bool refuse(char why[BY_HAND_WHY_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static bool
refuse(char why[BY_HAND_WHY_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, BY_HAND_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

bool
by_hand_can(enum script_kind kind)
{
	return action_table[kind].command && kind != SCRIPT_PARTITION;
}

/* Why there is no such action, and which is near. */
static bool
no_action(const char *name, char why[BY_HAND_WHY_MAX])
{
	const char *names[SCRIPT_KINDS_];
	size_t n = 0;
	for (int i = 0; i < SCRIPT_KINDS_; i++) {
		if (by_hand_can((enum script_kind)i))
			names[n++] = action_table[i].name;
		else if (!strcmp(action_table[i].name, name))
			return refuse(why,
			              action_table[i].rule == RULE_LINK ? "%s: cut its links one by one"
			              : action_table[i].rule == RULE_PLUG
			                      ? "%s: an unplug, then a plug of the other one"
			                      : "%s has a verb of its own",
			              name);
	}
	const char *near = diag_nearest(name, names, n);
	return near ? refuse(why, "no action '%s'; did you mean '%s'?", name, near)
	            : refuse(why, "no action '%s'", name);
}

static bool
first_said(const struct diag_list *l, const char *action, char why[BY_HAND_WHY_MAX])
{
	for (size_t i = 0; i < l->n; i++) {
		const struct diag *d = &l->d[i];
		if (d->level == DIAG_ERROR)
			return refuse(why, "%s: %s%s%s%s", action, d->text, d->help ? " (" : "",
			              d->help ? d->help : "", d->help ? ")" : "");
	}
	return true;
}

/* The parameters, by the schema that a drill file is read by. */
static bool
decode_with(const struct by_hand *h, struct script_action *a, char why[BY_HAND_WHY_MAX])
{
	const struct action_params *p = &action_params[a->kind];
	const char *name = action_table[a->kind].name, *text = h->with[0] ? h->with : "{}";
	struct diag_list diags;
	struct yamldoc *doc = NULL;
	struct pool pool = { NULL };
	struct err err = ERR_INIT;
	bool good = false;
	diag_list_init(&diags);
	if (yamldoc_parse("with", text, strlen(text), &diags, &doc, &err)) {
		if (first_said(&diags, name, why))
			refuse(why, "%s: %s", name, err.text);
		goto out;
	}
	struct decoder d = { .doc = doc, .diags = &diags, .pool = &pool };
	const struct yamldoc_node *root = yamldoc_root(doc);
	a->with = action_no_with;
	decode_defaults(&d, p->with, &a->with);
	if (root->kind != YAMLDOC_MAP)
		refuse(why, "%s: parameters are wanted like power=400W", name);
	else if (root->n > 0 && p->with->n == 0)
		refuse(why, "%s takes no parameters", name);
	else {
		decode_map(&d, p->with, name, root, &a->with);
		good = first_said(&diags, name, why);
	}
	for (size_t i = 0; good && i < ACTION_NEEDS_MAX && p->needs[i].key; i++)
		if (!yamldoc_get(root, p->needs[i].key))
			good = refuse(why, "%s: '%s=' is missing: %s", name, p->needs[i].key,
			              p->needs[i].what);
out:
	yamldoc_destroy(&doc);
	pool_free(&pool);
	diag_list_free(&diags);
	return good;
}

static bool
find_target(const struct topo *t, const struct by_hand *h, struct script_action *a,
            char why[BY_HAND_WHY_MAX])
{
	int on = action_table[a->kind].on;
	int link = topo_find_link(t, h->target), node = topo_find_node(t, h->target),
	    module = topo_find_module(t, h->target);
	if (on & ON_LINK) {
		if (link < 0)
			return refuse(why, "%s: no link '%s' in %s", h->action, h->target, t->name);
		a->target_kind = TARGET_LINK;
		a->target = (uint32_t)link;
		return true;
	}
	a->target_kind = TARGET_PROC;
	if (on & ON_NODE && node >= 0)
		a->target = (uint32_t)node;
	else if (on & ON_MODULE && module >= 0)
		a->target = (uint32_t)t->n_nodes + (uint32_t)module;
	else
		return refuse(why, "%s: no %s '%s' in %s", h->action,
		              on & ON_NODE && on & ON_MODULE ? "node or module"
		              : on & ON_NODE                 ? "node"
		                                             : "module",
		              h->target, t->name);
	return true;
}

/* Of a link with that end: 1 a, 2 b; 0: no end of that name is given; -1: it is none of them. */
static int
end_of(const struct topo *t, const struct script_action *a, const char *node)
{
	const struct topo_link *l = &t->links[a->target];
	return !node[0]                           ? 0
	       : !strcmp(node, t->nodes[l->a].id) ? 1
	       : !strcmp(node, t->nodes[l->b].id) ? 2
	                                          : -1;
}

static bool
check_time(const struct by_hand *h, const struct script_action *a, char why[BY_HAND_WHY_MAX])
{
	bool takes = false;
	for (size_t i = 0; i < ACTION_WORDS; i++)
		takes = takes || action_params[a->kind].words[i] == ACTION_LEASE;
	if (takes && !(h->for_s > 0))
		return refuse(why, "%s: how long? The time is missing", h->action);
	if (!takes && !isnan(h->for_s))
		return refuse(why, "%s: it does not end by itself by hand; end it with a command",
		              h->action);
	if (a->with.delay_s > BY_HAND_DELAY_MAX_S || a->with.jitter_s > BY_HAND_DELAY_MAX_S ||
	    a->with.by_s > BY_HAND_DELAY_MAX_S)
		return refuse(why, "%s: by hand a delay is at most %g s", h->action,
		              BY_HAND_DELAY_MAX_S);
	return true;
}

static bool
no_sensor(const struct topo *t, const struct script_action *a, char why[BY_HAND_WHY_MAX])
{
	char names[SENSOR_NAMES_MAX][SENSOR_NAME_MAX];
	const char *list[SENSOR_NAMES_MAX], *name = a->with.sensor;
	size_t n = sensor_names(t, a->target, names);
	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	const char *near = diag_nearest(name, list, n);
	return refuse(why, "%s: node '%s' has no sensor '%s'%s%s%s%s", action_table[a->kind].name,
	              t->nodes[a->target].id, name, near ? "; did you mean '" : "", near ? near : "",
	              near ? "'?" : "",
	              near || t->nodes[a->target].p.sensors_realistic
	                      ? ""
	                      : " (with ideal sensors it has none at terminals)");
}

bool
by_hand_command(const struct topo *t, const struct by_hand *h, struct sup_msg *ret,
                char why[BY_HAND_WHY_MAX])
{
	struct script_action a = { .kind = SCRIPT_KINDS_, .for_s = h->for_s, .sensor = -1 };
	for (int i = 0; i < SCRIPT_KINDS_; i++)
		if (!strcmp(action_table[i].name, h->action) && by_hand_can((enum script_kind)i))
			a.kind = (enum script_kind)i;
	if (a.kind == SCRIPT_KINDS_)
		return no_action(h->action, why);
	const struct action *r = &action_table[a.kind];
	a.with = action_no_with;
	if (!find_target(t, h, &a, why))
		return false;
	if (h->end && !r->undo)
		return refuse(why, "%s has no end by hand", h->action);
	bool sensor = a.kind == SCRIPT_BIAS || a.kind == SCRIPT_STUCK;
	a.ends = h->end;
	if (h->end && ((h->with[0] && !sensor) || !isnan(h->for_s)))
		return refuse(why, "%s: its end takes no parameters", h->action);
	if ((!h->end || sensor) && !decode_with(h, &a, why))
		return false;
	if (!script_sensor(t, &a))
		return no_sensor(t, &a, why);
	if (!h->end && (!check_time(h, &a, why) || !script_suits(t, &a, why)))
		return false;
	bool link = a.target_kind == TARGET_LINK;
	int resistor = link ? end_of(t, &a, a.with.end) : 0,
	    toward = link ? end_of(t, &a, a.with.toward) : 0;
	if (resistor < 0 || toward < 0)
		return refuse(why, "%s: '%s' is not an end of link '%s'", h->action,
		              resistor < 0 ? a.with.end : a.with.toward, h->target);
	*ret = (struct sup_msg){ .act = ACT_FAULT,
		                 .fault = h->end ? r->undo : r->command,
		                 .edge = link ? (int32_t)a.target : a.sensor,
		                 .proc = link ? 0 : a.target };
	double *words[ACTION_WORDS] = { &ret->a, &ret->b, &ret->c, &ret->d, &ret->e, &ret->f };
	for (size_t i = 0; i < ACTION_WORDS; i++)
		*words[i] = h->end ? NAN : action_word(a.kind, &a.with, a.for_s, i);
	if (resistor)
		ret->c = resistor == 1 ? 1 : -1;
	if (toward) {
		const struct topo_link *l = &t->links[a.target];
		ret->toward = (toward == 1 ? l->a : l->b) + 1;
	}
	return true;
}
