/* The actions of a timeline: entries, times, targets; the table is in action.h. */
#include <math.h>
#include <string.h>

#include "script_build.h"
#include "sensor_name.h"

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

/* ---- targets --------------------------------------------------------------------------------- */

struct script_action *
script_build_add(struct script_build *b, const struct yamldoc_node *place, unsigned flags)
{
	if (b->n_actions == SCRIPT_ACTIONS_MAX) {
		decode_error(&b->d, place, "more than %d actions", SCRIPT_ACTIONS_MAX);
		return NULL;
	}
	b->places[b->n_actions] = place;
	b->flags[b->n_actions] = flags;
	return &b->actions[b->n_actions++];
}

static void
wrong_target(struct script_build *b, const struct yamldoc_node *v, const struct action *r)
{
	const struct topo *t = b->topo;
	const char *names[TOPO_NODES_MAX + TOPO_LINKS_MAX + TOPO_MODULES_MAX];
	size_t n = 0;
	for (size_t i = 0; r->on & ON_NODE && i < t->n_nodes; i++)
		names[n++] = t->nodes[i].id;
	for (size_t i = 0; r->on & ON_MODULE && i < t->n_modules; i++)
		names[n++] = t->modules[i].id;
	for (size_t i = 0; r->on & ON_LINK && i < t->n_links; i++)
		names[n++] = t->links[i].id;
	const char *wanted = r->on == ON_NODE     ? "a node"
	                     : r->on == ON_RELAY  ? "the relay: target: relay"
	                     : r->on == ON_MODULE ? "a module"
	                     : r->on == ON_LINK   ? "a link"
	                     : r->on & ON_LINK    ? "a link or a node"
	                                          : "a node or a module";
	const char *is = topo_find_node(t, v->text) >= 0     ? "a node"
	                 : topo_find_link(t, v->text) >= 0   ? "a link"
	                 : topo_find_module(t, v->text) >= 0 ? "a module"
	                                                     : NULL;
	struct diag *g;
	if (is)
		g = decode_error(&b->d, v, "target: '%s' is %s, but '%s' acts on %s", v->text, is,
		                 r->name, wanted);
	else
		g = decode_error(&b->d, v,
		                 "target: there is no '%.60s' in mesh '%s'; '%s' acts on %s",
		                 v->text, t->name, r->name, wanted);
	decode_suggest(g, v->text, names, n, "names");
}

static struct script_action *
add_action(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *place,
           enum script_target target_kind, uint32_t target, unsigned flags)
{
	const struct action *r = &action_table[e->row];
	struct script_action *a = script_build_add(b, place, flags);
	if (!a)
		return NULL;
	*a = (struct script_action){
		.at_ns = e->at_ns,
		.k = e->at_ns / b->topo->step_ns,
		.kind = (enum script_kind)e->row,
		.target_kind = target_kind,
		.target = target,
		.with = e->with,
		.for_s = e->for_s,
		.sensor = -1,
		.ends = e->end,
		.line = e->place->line,
	};
	memcpy(a->id, e->id, sizeof a->id);
	int64_t period = b->topo->port_period;
	if (r->rule == RULE_BEGIN_LIFE)
		a->k = (a->k + period - 1) / period * period;
	return a;
}

static bool
has_lease_end(const struct script_entry *e)
{
	const struct action *r = &action_table[e->row];
	return e->for_ns >= 0 && (r->rule != RULE_FAULT || r->undo);
}

/* The end of a lease is an action of its own, unless the core ends it by itself. */
static void
add_lease_end(struct script_build *b, const struct script_entry *e,
              const struct script_action *begin)
{
	struct script_action *end = script_build_add(b, e->place, SCRIPT_LEASE_END);
	if (!end)
		return;
	*end = *begin;
	snprintf(end->id, sizeof end->id, "%.27s.end", begin->id);
	end->kind = begin->kind == SCRIPT_CUT      ? SCRIPT_HEAL
	            : begin->kind == SCRIPT_PLUG   ? SCRIPT_UNPLUG
	            : begin->kind == SCRIPT_UNPLUG ? SCRIPT_PLUG
	                                           : begin->kind;
	end->ends = action_table[begin->kind].rule == RULE_FAULT;
	end->at_ns = begin->at_ns + e->for_ns;
	end->k = end->at_ns / b->topo->step_ns;
	end->for_s = NAN;
	end->with.level_w = NAN; /* load: set by the check, which knows the level before */
}

/* A swap is an unplug, and the plug of the other module after the gap. */
static void
add_other(struct script_build *b, const struct script_entry *e, struct script_action *out)
{
	const struct topo *t = b->topo;
	int module = topo_find_module(t, e->with.to);
	if (!e->with.to[0])
		return; /* that has been said */
	if (module < 0) {
		const char *names[TOPO_MODULES_MAX];
		for (size_t i = 0; i < t->n_modules; i++)
			names[i] = t->modules[i].id;
		decode_suggest(decode_error(&b->d, e->with_place,
		                            "with.to: there is no module '%s' in mesh '%s'",
		                            e->with.to, t->name),
		               e->with.to, names, t->n_modules, "modules");
		return;
	}
	out->kind = SCRIPT_UNPLUG;
	struct script_action *in = script_build_add(b, e->place, 0);
	if (!in)
		return;
	*in = *out;
	snprintf(in->id, sizeof in->id, "%.28s.in", out->id);
	in->kind = SCRIPT_PLUG;
	in->target = (uint32_t)t->n_nodes + (uint32_t)module;
	in->at_ns += (int64_t)(e->with.gap_s * 1e9 + 0.5);
	in->k = in->at_ns / t->step_ns;
}

/* Which end of the link alone is meant; an error when the node is none of them. */
static void
set_toward(struct script_build *b, const struct script_entry *e, struct script_action *a)
{
	const struct topo *t = b->topo;
	const struct topo_link *l = &t->links[a->target];
	if (!e->with.toward[0])
		return;
	if (!strcmp(e->with.toward, t->nodes[l->a].id))
		a->toward = l->a + 1;
	else if (!strcmp(e->with.toward, t->nodes[l->b].id))
		a->toward = l->b + 1;
	else
		decode_error(&b->d, e->with_place,
		             "with.toward: '%s' is not an end of link '%s' (%s, %s)",
		             e->with.toward, l->id, t->nodes[l->a].id, t->nodes[l->b].id);
}

/* The sensor that a bias, or a node's stuck reading, is at. */
static void
set_sensor(struct script_build *b, const struct script_entry *e, struct script_action *a)
{
	const struct topo *t = b->topo;
	char names[SENSOR_NAMES_MAX][SENSOR_NAME_MAX];
	const char *list[SENSOR_NAMES_MAX];
	if (a->target_kind != TARGET_PROC || script_sensor(t, a))
		return;
	size_t n = sensor_names(t, a->target, names);
	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	struct diag *d = decode_error(&b->d, yamldoc_get(e->with_place, "sensor"),
	                              "with.sensor: node '%s' has no sensor '%s'%s",
	                              t->nodes[a->target].id, e->with.sensor,
	                              t->nodes[a->target].p.sensors_realistic
	                                      ? ""
	                                      : " (with ideal sensors it has none at terminals)");
	decode_suggest(d, e->with.sensor, list, n, "sensors");
}

/* A node stands for all its links; those that start open are not among them. Two nodes of one entry
 * may share a link: it is one target. */
static void
add_links_of(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v,
             uint32_t node)
{
	const struct topo *t = b->topo;
	for (size_t i = 0; i < t->nodes[node].n_links; i++) {
		uint32_t l = t->nodes[node].links[i];
		bool there = t->links[l].p.open;
		for (size_t j = b->n_actions; j-- > 0 && b->actions[j].line == e->place->line;)
			there = there ||
			        (b->actions[j].target == l && !strcmp(b->actions[j].id, e->id));
		struct script_action *a =
			there ? NULL : add_action(b, e, v, TARGET_LINK, l, SCRIPT_BY_NODE);
		if (!a)
			continue;
		set_toward(b, e, a);
		if (has_lease_end(e))
			add_lease_end(b, e, a);
	}
}

/* Cuts between groups; nodes that are in none are a group of their own. */
static void
add_partition(struct script_build *b, const struct script_entry *e)
{
	const struct topo *t = b->topo;
	const struct yamldoc_node *list = e->target;
	unsigned group[TOPO_NODES_MAX] = { 0 };
	bool nested = list->kind == YAMLDOC_LIST && list->n && list->items[0]->kind == YAMLDOC_LIST;
	size_t n_groups = nested ? list->n : 1, errors = b->d.diags->n_errors;
	for (size_t g = 0; g < n_groups; g++) {
		const struct yamldoc_node *one = nested ? list->items[g] : list;
		size_t n = one->kind == YAMLDOC_LIST ? one->n : 1;
		for (size_t i = 0; i < n; i++) {
			const struct yamldoc_node *v =
				one->kind == YAMLDOC_LIST ? one->items[i] : one;
			int node = v->kind == YAMLDOC_SCALAR ? topo_find_node(t, v->text) : -1;
			if (v->kind != YAMLDOC_SCALAR)
				decode_error(&b->d, v, "target: the id of a node is wanted, not %s",
				             yamldoc_what(v));
			else if (node < 0)
				wrong_target(b, v, &action_table[e->row]);
			else if (group[node])
				decode_error(&b->d, v, "target: '%s' is in two places", v->text);
			else
				group[node] = (unsigned)g + 1;
		}
	}
	size_t found = 0;
	for (uint32_t l = 0; l < t->n_links; l++) {
		if (group[t->links[l].a] == group[t->links[l].b] || t->links[l].p.open)
			continue;
		struct script_action *a = add_action(b, e, list, TARGET_LINK, l, SCRIPT_BY_NODE);
		if (!a)
			return;
		found++;
		a->kind = SCRIPT_CUT;
		if (e->for_ns >= 0)
			add_lease_end(b, e, a);
	}
	if (!found && b->d.diags->n_errors == errors)
		decode_error(&b->d, list, "partition: no closed link leaves this group of nodes");
}

static void
add_target(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v)
{
	const struct action *r = &action_table[e->row];
	const struct topo *t = b->topo;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "target: an id is wanted, not %s", yamldoc_what(v));
		return;
	}
	if (r->on == ON_RELAY && !strcmp(v->text, "relay")) {
		add_action(b, e, v, TARGET_RELAY, 0, 0);
		return;
	}
	int node = r->on & ON_NODE ? topo_find_node(t, v->text) : -1;
	int module = r->on & ON_MODULE ? topo_find_module(t, v->text) : -1;
	int link = r->on & ON_LINK ? topo_find_link(t, v->text) : -1;
	if (node < 0 && module < 0 && link < 0) {
		wrong_target(b, v, r);
		return;
	}
	if (link < 0 && r->on & ON_LINK) {
		add_links_of(b, e, v, (uint32_t)node);
		return;
	}
	uint32_t proc = node >= 0 ? (uint32_t)node : (uint32_t)t->n_nodes + (uint32_t)module;
	struct script_action *a = link >= 0 ? add_action(b, e, v, TARGET_LINK, (uint32_t)link, 0)
	                                    : add_action(b, e, v, TARGET_PROC, proc, 0);
	if (!a)
		return;
	script_by_hand_read(b, a);
	if (link >= 0)
		set_toward(b, e, a);
	if (a->kind == SCRIPT_CLOSE && e->with.end[0]) {
		const struct topo_link *l = &t->links[link];
		a->resistor_end = !strcmp(e->with.end, t->nodes[l->a].id)   ? 1
		                  : !strcmp(e->with.end, t->nodes[l->b].id) ? 2
		                                                            : 0;
		if (!a->resistor_end)
			decode_error(&b->d, e->with_place,
			             "with.at: '%s' is not an end of link '%s' (%s, %s)",
			             e->with.end, l->id, t->nodes[l->a].id, t->nodes[l->b].id);
	}
	set_sensor(b, e, a);
	if (a->kind == SCRIPT_SWAP)
		add_other(b, e, a);
	if (has_lease_end(e))
		add_lease_end(b, e, a);
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
		size_t n = e->target->kind == YAMLDOC_LIST ? e->target->n : 1;
		size_t keep = b->n_actions;
		if (e->row == SCRIPT_PARTITION) {
			add_partition(b, e);
			n = 1;
		}
		for (size_t j = 0; j < n && e->row != SCRIPT_PARTITION; j++)
			add_target(b, e,
			           e->target->kind == YAMLDOC_LIST ? e->target->items[j]
			                                           : e->target);
		if (at == AT_OPEN)
			miss(b, e, keep);
		if (at != AT_KNOWN)
			b->n_actions = keep;
		if (e->target->kind == YAMLDOC_LIST && n == 0)
			decode_error(&b->d, e->target, "target: the list is empty");
	}
}
