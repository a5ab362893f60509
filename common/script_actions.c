/* The actions of a timeline: table, parameters, targets, times. */
#include <math.h>
#include <string.h>

#include "script_build.h"

/* ---- tables ---------------------------------------------------------------------------------- */

static const char *const signal_words[] = { "KILL", NULL };

#define NUMBER(k, m, u, l, h, d, text)                                                  \
	{                                                                               \
		.key = k, .type = FIELD_NUMBER, .unit = u,                              \
		.offset = offsetof(struct script_with, m), .lo = l, .hi = h, .dflt = d, \
		.doc = text                                                             \
	}

static const struct field with_kill[] = {
	{ .key = "signal",
	  .type = FIELD_WORD,
	  .offset = offsetof(struct script_with, signal),
	  .words = signal_words,
	  .dflt = "KILL",
	  .doc = "the signal" },
};
static const struct field with_cut[] = {
	{ .key = "only",
	  .type = FIELD_CUSTOM,
	  .doc = "power or channel",
	  .effect = EFFECT_REFUSED,
	  .effect_text = "cutting power or channel alone is not available in this release" },
};
static const struct field with_close[] = {
	NUMBER("precharge", precharge_ohm, UNIT_OHM, 1e-3, 100, NULL,
	       "resistor while the ends differ; without it the link's own"),
	{ .key = "at",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct script_with, end),
	  .doc = "the node at whose end the resistor is; without it the end with the smaller "
	         "capacitor" },
	NUMBER("bypass", bypass_s, UNIT_SECOND, 0, 100, NULL,
	       "the resistor is bypassed this long after closing and a difference of at most 1 V, "
	       "whichever is later"),
};
static const struct field with_load[] = {
	NUMBER("level", level_w, UNIT_WATT, 0, 1e5, NULL, "new level; required"),
	NUMBER("ramp", ramp_s, UNIT_SECOND, 0, 1000, "0s", "time to reach it"),
};
static const struct field with_short[] = {
	NUMBER("r", r_ohm, UNIT_OHM, 1e-4, 1e3, NULL, "resistance of the fault; required"),
};
static const struct schema schema_none = { .what = "with" };
#define WITH(name)                                                            \
	static const struct schema schema_##name = { "with", "", with_##name, \
		                                     sizeof with_##name / sizeof *with_##name }
WITH(kill);
WITH(cut);
WITH(close);
WITH(load);
WITH(short);

enum { ON_NODE = 1, ON_MODULE = 2, ON_LINK = 4 };

static const struct action_row {
	const char *name;
	enum script_kind kind;
	int on;
	bool may_last;
	const struct schema *with;
	const char *doc;
} rows[] = {
	{ "kill", SCRIPT_KILL, ON_NODE | ON_MODULE, false, &schema_kill,
	  "SIGKILL; from step K on every neighbour's link is open" },
	{ "stop", SCRIPT_STOP, ON_NODE | ON_MODULE, false, &schema_none,
	  "to its peers like a kill, then SIGSTOP" },
	{ "start", SCRIPT_START, ON_NODE | ON_MODULE, false, &schema_none,
	  "a new incarnation of what was killed or stopped" },
	{ "cont", SCRIPT_CONT, ON_NODE | ON_MODULE, false, &schema_none,
	  "ends a stop; acts like a start" },
	{ "cut", SCRIPT_CUT, ON_LINK | ON_NODE, true, &schema_cut,
	  "opens a link at both ends; on a node: all its closed links" },
	{ "heal", SCRIPT_HEAL, ON_LINK | ON_NODE, false, &schema_cut,
	  "closes a link that was cut; on a node: all its cut links" },
	{ "close", SCRIPT_CLOSE, ON_LINK, false, &schema_close, "closes a link that is open" },
	{ "load", SCRIPT_LOAD, ON_NODE, true, &schema_load,
	  "takes a node's built-in load to a level" },
	{ "short", SCRIPT_SHORT, ON_NODE, true, &schema_short,
	  "a resistance from the bus to ground" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* Actions that drills know and this release does not run. */
static const char *const later[] = { "hang",         "degrade",     "corrupt",   "duplicate",
	                             "reorder",      "partition",   "flood",     "surge",
	                             "ramp",         "sc_open",     "derate",    "brownout",
	                             "feed_loss",    "sag",         "age",       "bias",
	                             "stuck",        "plug",        "unplug",    "swap",
	                             "agent_freeze", "agent_reset", "relay_kill" };

const char *
script_action_name(enum script_kind kind)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].kind == kind)
			return rows[i].name;
	return "?";
}

/* ---- entries --------------------------------------------------------------------------------- */

static void
decode_do(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	(void)f;
	const char *names[N_ROWS + 32];
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(d, v, "do: the name of an action is wanted, not %s", yamldoc_what(v));
		return;
	}
	for (int i = 0; i < N_ROWS; i++) {
		names[i] = rows[i].name;
		if (!strcmp(rows[i].name, v->text))
			e->row = i;
	}
	if (e->row >= 0)
		return;
	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (!strcmp(later[i], v->text)) {
			struct diag *g = decode_error(
				d, v, "action '%s' is not available in this release", v->text);
			decode_suggest(g, "", names, N_ROWS, "actions");
			return;
		}
	struct diag *g = decode_error(d, v, "unknown action '%.40s'", v->text);
	decode_suggest(g, v->text, names, N_ROWS, "actions");
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
take_for(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct script_entry *e = target;
	const int64_t max_ns = INT64_C(1000000) * 1000000000;
	e->for_place = v;
	if (decode_time(d, f->key, v, 1, max_ns, &e->for_ns))
		e->for_s = (double)e->for_ns * 1e-9;
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
	       "plant time like 700ms, or relative to another action: kill + 50ms; required"),
	CUSTOM("do", decode_do, "the action; required"),
	CUSTOM("target", take_target, "id of a node, module or link, or a list of them; required"),
	CUSTOM("with", take_with, "parameters of the action"),
	CUSTOM("for", take_for, "the action ends by itself after this time"),
};
const struct schema script_schema_entry = { "timeline entry", "One scripted action.", fields_entry,
	                                    sizeof fields_entry / sizeof *fields_entry };

static void
decode_with(struct script_build *b, struct script_entry *e)
{
	const struct action_row *r = &rows[e->row];
	char owner[64];
	snprintf(owner, sizeof owner, "'with' of action '%s'", r->name);
	e->with = (struct script_with){
		.level_w = NAN, .r_ohm = NAN, .precharge_ohm = NAN, .bypass_s = NAN
	};
	decode_defaults(&b->d, r->with, &e->with);
	size_t before = b->d.diags->n_errors;
	if (e->with_place && r->with->n == 0)
		decode_error(&b->d, e->with_place, "action '%s' takes no 'with'", r->name);
	else if (e->with_place)
		decode_map(&b->d, r->with, owner, e->with_place, &e->with);
	if (e->for_place && !r->may_last)
		decode_error(&b->d, e->for_place, "action '%s' takes no 'for'", r->name);
	if (b->d.diags->n_errors != before)
		return;
	if (r->kind == SCRIPT_LOAD && isnan(e->with.level_w))
		decode_error(&b->d, e->place,
		             "'with: { level: ... }' is missing: the power to go to");
	if (r->kind == SCRIPT_SHORT && isnan(e->with.r_ohm))
		decode_error(&b->d, e->place,
		             "'with: { r: ... }' is missing: the resistance of the fault");
}

static void
load_entry(struct script_build *b, const struct yamldoc_node *v)
{
	struct script_entry *e = &b->entries[b->n_entries];
	*e = (struct script_entry){ .place = v, .row = -1, .for_s = NAN, .for_ns = -1 };
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
}

/* ---- times ----------------------------------------------------------------------------------- */

static bool resolve_at(struct script_build *, struct script_entry *);

/* "kill", "kill + 50ms", "kill - 1ms" */
static bool
resolve_relative(struct script_build *b, struct script_entry *e)
{
	const char *text = e->at->text, *op = strpbrk(text, "+ ");
	char id[TOPO_ID_MAX];
	size_t len = op ? (size_t)(op - text) : strlen(text);
	int64_t offset = 0;
	char why[UNIT_WHY_MAX];
	if (len >= sizeof id) {
		decode_error(&b->d, e->at,
		             "at: '%.60s' is neither a time like 700ms nor an action with one, "
		             "like kill + 50ms",
		             text);
		return false;
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
		struct diag *g = decode_error(&b->d, e->at, "at: there is no action '%s'", id);
		decode_suggest(g, id, names, b->n_entries, "actions");
		return false;
	}
	while (op && *op == ' ')
		op++;
	if (op && *op) {
		bool minus = *op == '-';
		if (*op != '+' && !minus) {
			decode_error(&b->d, e->at,
			             "at: after '%s' comes '+' or '-' and a time, like %s + 50ms",
			             id, id);
			return false;
		}
		for (op++; *op == ' ';)
			op++;
		if (unit_parse_ns(op, &offset, why)) {
			decode_error(&b->d, e->at, "at: %s", why);
			return false;
		}
		offset = minus ? -offset : offset;
	}
	if (other->at_state == AT_BUSY) {
		decode_error(&b->d, e->at, "at: '%s' and '%s' wait for each other", e->id,
		             other->id);
		return false;
	}
	if (!resolve_at(b, other))
		return false;
	e->at_ns = other->at_ns + offset;
	return true;
}

static bool
resolve_at(struct script_build *b, struct script_entry *e)
{
	const int64_t max_ns = INT64_C(1000000) * 1000000000;
	char why[UNIT_WHY_MAX];
	if (e->at_state == AT_KNOWN || e->at_state == AT_BAD || !e->at)
		return e->at_state == AT_KNOWN;
	e->at_state = AT_BUSY;
	bool ok = true;
	if (e->at->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, e->at, "at: a time is wanted, not %s", yamldoc_what(e->at));
		ok = false;
	} else if ((e->at->text[0] >= '0' && e->at->text[0] <= '9') || e->at->text[0] == '-') {
		if (unit_parse_ns(e->at->text, &e->at_ns, why)) {
			decode_error(&b->d, e->at, "at: %s", why);
			ok = false;
		}
	} else {
		ok = resolve_relative(b, e);
	}
	if (ok && (e->at_ns < 0 || e->at_ns > max_ns)) {
		decode_error(&b->d, e->at, "at: %.9g s is not in [0, 1e+06] s",
		             (double)e->at_ns * 1e-9);
		ok = false;
	}
	e->at_state = ok ? AT_KNOWN : AT_BAD;
	return ok;
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
wrong_target(struct script_build *b, const struct yamldoc_node *v, const struct action_row *r)
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
	const char *wanted = r->on == ON_NODE   ? "a node"
	                     : r->on == ON_LINK ? "a link"
	                     : r->on & ON_LINK  ? "a link or a node"
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
	const struct action_row *r = &rows[e->row];
	struct script_action *a = script_build_add(b, place, flags);
	if (!a)
		return NULL;
	*a = (struct script_action){
		.at_ns = e->at_ns,
		.k = e->at_ns / b->topo->step_ns,
		.kind = r->kind,
		.target_kind = target_kind,
		.target = target,
		.level_w = e->with.level_w,
		.ramp_s = e->with.ramp_s,
		.r_ohm = e->with.r_ohm,
		.for_s = e->for_s,
		.precharge_ohm = e->with.precharge_ohm,
		.bypass_s = e->with.bypass_s,
		.line = e->place->line,
	};
	memcpy(a->id, e->id, sizeof a->id);
	int64_t period = b->topo->port_period;
	if (r->kind == SCRIPT_START || r->kind == SCRIPT_CONT)
		a->k = (a->k + period - 1) / period * period;
	return a;
}

/* The end of a lease is an action of its own (a short ends by itself). */
static void
add_lease_end(struct script_build *b, const struct script_entry *e,
              const struct script_action *begin)
{
	struct script_action *end = script_build_add(b, e->place, SCRIPT_LEASE_END);
	if (!end)
		return;
	*end = *begin;
	snprintf(end->id, sizeof end->id, "%.27s.end", begin->id);
	end->kind = begin->kind == SCRIPT_CUT ? SCRIPT_HEAL : SCRIPT_LOAD;
	end->at_ns = begin->at_ns + e->for_ns;
	end->k = end->at_ns / b->topo->step_ns;
	end->for_s = NAN;
	end->level_w = NAN; /* load: set by the check, which knows the level before */
}

static void
add_target(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v)
{
	const struct action_row *r = &rows[e->row];
	const struct topo *t = b->topo;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "target: an id is wanted, not %s", yamldoc_what(v));
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
		/* A node stands for all its links; those that start open are not among them. */
		for (size_t i = 0; i < t->nodes[node].n_links; i++) {
			uint32_t l = t->nodes[node].links[i];
			struct script_action *a =
				t->links[l].p.open
					? NULL
					: add_action(b, e, v, TARGET_LINK, l, SCRIPT_BY_NODE);
			if (a && e->for_ns >= 0 && a->kind == SCRIPT_CUT)
				add_lease_end(b, e, a);
		}
		return;
	}
	uint32_t proc = node >= 0 ? (uint32_t)node : (uint32_t)t->n_nodes + (uint32_t)module;
	struct script_action *a = link >= 0 ? add_action(b, e, v, TARGET_LINK, (uint32_t)link, 0)
	                                    : add_action(b, e, v, TARGET_PROC, proc, 0);
	if (!a)
		return;
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
	if (e->for_ns >= 0 && a->kind != SCRIPT_SHORT)
		add_lease_end(b, e, a);
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
		bool timed = resolve_at(b, e);
		if (e->row < 0 || !e->target)
			continue;
		/* Names are checked also when the time is bad. */
		size_t n = e->target->kind == YAMLDOC_LIST ? e->target->n : 1;
		size_t keep = b->n_actions;
		for (size_t j = 0; j < n; j++)
			add_target(b, e,
			           e->target->kind == YAMLDOC_LIST ? e->target->items[j]
			                                           : e->target);
		if (!timed)
			b->n_actions = keep;
		if (e->target->kind == YAMLDOC_LIST && n == 0)
			decode_error(&b->d, e->target, "target: the list is empty");
	}
}

void
script_print_reference(FILE *f)
{
	fputs("| action | on | parameters (`with:`) | `for:` | what it does "
	      "|\n|---|---|---|---|---|\n",
	      f);
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct action_row *r = &rows[i];
		fprintf(f, "| `%s` |%s%s%s | ", r->name, r->on & ON_LINK ? " link" : "",
		        r->on & ON_NODE ? " node" : "", r->on & ON_MODULE ? " module" : "");
		for (size_t j = 0; j < r->with->n; j++) {
			const struct field *w = &r->with->fields[j];
			if (w->effect == EFFECT_ACTS)
				fprintf(f, "%s`%s`: %s%s%s%s", j ? "; " : "", w->key, w->doc,
				        w->dflt ? " (" : "", w->dflt ? w->dflt : "",
				        w->dflt ? ")" : "");
		}
		fprintf(f, " | %s | %s |\n", r->may_last ? "yes" : "", r->doc);
	}
}

void
script_print_actions(FILE *f)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct action_row *r = &rows[i];
		fprintf(f, "%-6s %-12s %s%s\n", r->name,
		        r->on == ON_NODE   ? "node"
		        : r->on == ON_LINK ? "link"
		        : r->on & ON_LINK  ? "link, node"
		                           : "node, module",
		        r->doc, r->may_last ? "; may have for:" : "");
		for (size_t j = 0; j < r->with->n; j++) {
			const struct field *w = &r->with->fields[j];
			if (w->effect == EFFECT_ACTS)
				fprintf(f, "         with %s: %s%s%s%s\n", w->key, w->doc,
				        w->dflt ? " (" : "", w->dflt ? w->dflt : "",
				        w->dflt ? ")" : "");
		}
	}
}
