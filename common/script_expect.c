/* What a drill file expects: steady_state, blast_radius, abort_if, expect. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "drill.h"
#include "script_build.h"

static const char *const kind_names[DRILL_KINDS_] = {
	[DRILL_ALWAYS] = "always",   [DRILL_NEVER] = "never", [DRILL_EVENTUALLY] = "eventually",
	[DRILL_SETTLES] = "settles", [DRILL_EVENT] = "event", [DRILL_METRIC] = "metric",
	[DRILL_COMPARE] = "compare",
};

const char *
drill_kind_name(enum drill_kind kind)
{
	return kind_names[kind];
}

void
drill_checks_destroy(struct drill_checks **pc)
{
	struct drill_checks *c = *pc;
	if (!c)
		return;
	*pc = NULL;
	for (size_t i = 0; i < c->n_gates; i++)
		expr_destroy(&c->gates[i].expr);
	for (size_t i = 0; i < c->n_checks; i++)
		expr_destroy(&c->checks[i].expr);
	expr_destroy(&c->abort_if);
	free(c);
}

/* ---- entries as written -----------------------------------------------------------------------
 */

enum { TAKE_GATE_EXPR, TAKE_OPERATORS = 1, TAKE_MAX_ = TAKE_OPERATORS + DRILL_KINDS_ };

/* The values that need the parameters, the signals or the timeline first. */
struct entry {
	char id[TOPO_ID_MAX];
	const struct yamldoc_node *expr, *op[DRILL_KINDS_], *from, *after, *until, *min, *max,
		*against;
	double max_ratio; /* NaN: not given */
	int64_t within_ns, for_ns, hold_ns;
};

#define TAKE(member)                                                          \
	static void take_##member(struct decoder *d, const struct field *f,   \
	                          const struct yamldoc_node *v, void *target) \
	{                                                                     \
		(void)d, (void)f;                                             \
		((struct entry *)target)->member = v;                         \
	}
TAKE(expr)
TAKE(from)
TAKE(after)
TAKE(until)
TAKE(min)
TAKE(max)
TAKE(against)

static void
take_op(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d;
	for (int i = 0; i < DRILL_KINDS_; i++)
		if (!strcmp(kind_names[i], f->key))
			((struct entry *)target)->op[i] = v;
}

#define CUSTOM(k, fn, text)                                               \
	{                                                                 \
		.key = k, .type = FIELD_CUSTOM, .decode = fn, .doc = text \
	}
#define LASTS(k, m, text)                                                             \
	{                                                                             \
		.key = k, .type = FIELD_TIME, .unit = UNIT_SECOND,                    \
		.offset = offsetof(struct entry, m), .lo = 0, .hi = 1e15, .doc = text \
	}
#define ID(text)                                                                                   \
	{                                                                                          \
		.key = "id", .type = FIELD_NAME, .offset = offsetof(struct entry, id), .doc = text \
	}

static const struct field fields_gate[] = {
	ID("name of the condition; without it s1, s2, ..."),
	CUSTOM("expr", take_expr, "the condition; required"),
	LASTS("for", for_ns, "how long it has to hold"),
};
const struct schema script_schema_gate = {
	"steady_state", "Holds at `settle` before the first action, and again after the healing.",
	fields_gate, sizeof fields_gate / sizeof *fields_gate
};

static const struct field fields_expect[] = {
	ID("name of the expectation; without it e1, e2, ..."),
	CUSTOM("always", take_op, "a condition that holds in every sample of the window"),
	CUSTOM("never", take_op, "a condition or an event that does not come in the window"),
	CUSTOM("eventually", take_op, "a condition that holds once in the window"),
	CUSTOM("settles", take_op, "a condition that holds from some time in the window on"),
	CUSTOM("event", take_op, "an event of the recorder that comes in the window"),
	CUSTOM("metric", take_op, "a figure at the end of the window; with min or max"),
	CUSTOM("compare", take_op,
	       "a figure against that of another run; with against and max_ratio"),
	CUSTOM("from", take_from,
	       "begin of the window: a time, an action (kill + 5ms), or an event"),
	CUSTOM("after", take_after, "the same as from"),
	CUSTOM("until", take_until, "end of the window; without it the end of the duration"),
	LASTS("within", within_ns, "length of the window"),
	LASTS("for", for_ns, "the same as within, for always and never"),
	LASTS("hold", hold_ns, "settles: how long it goes on; without it to the end"),
	CUSTOM("min", take_min, "metric: lowest value that is good"),
	CUSTOM("max", take_max, "metric: highest value that is good"),
	CUSTOM("against", take_against,
	       "compare: { control: droop } this drill with another control, { timeline: none } "
	       "without its "
	       "actions, { drill: FILE } another drill"),
	{ .key = "max_ratio",
	  .type = FIELD_NUMBER,
	  .offset = offsetof(struct entry, max_ratio),
	  .lo = 1e-6,
	  .hi = 1e6,
	  .doc = "compare: how many times the other figure is good" },
};
const struct schema script_schema_expect = { "expect", "One expectation: one operator, a window.",
	                                     fields_expect,
	                                     sizeof fields_expect / sizeof *fields_expect };

struct work {
	struct script_build *b;
	struct script *s;
	struct drill_checks *c;
	const struct runview *names;
};

/* ---- expectations -----------------------------------------------------------------------------
 */

/* Which keys of the window go with an operator. */
enum {
	KEY_BEGIN = 1,
	KEY_UNTIL = 2,
	KEY_WITHIN = 4,
	KEY_FOR = 8,
	KEY_HOLD = 16,
	KEY_RANGE = 32,
	KEY_OTHER = 64
};
static const unsigned allowed[DRILL_KINDS_] = {
	[DRILL_ALWAYS] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_FOR,
	[DRILL_NEVER] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_FOR,
	[DRILL_EVENTUALLY] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN,
	[DRILL_SETTLES] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_HOLD,
	[DRILL_EVENT] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN,
	[DRILL_METRIC] = KEY_UNTIL | KEY_RANGE,
	[DRILL_COMPARE] = KEY_UNTIL | KEY_OTHER,
};

static void
check_keys(struct work *w, const struct yamldoc_node *v, enum drill_kind kind)
{
	static const struct {
		const char *key;
		unsigned flag;
	} window[] = { { "from", KEY_BEGIN },     { "after", KEY_BEGIN }, { "until", KEY_UNTIL },
		       { "within", KEY_WITHIN },  { "for", KEY_FOR },     { "hold", KEY_HOLD },
		       { "min", KEY_RANGE },      { "max", KEY_RANGE },   { "against", KEY_OTHER },
		       { "max_ratio", KEY_OTHER } };
	unsigned seen = 0;
	for (size_t i = 0; i < v->n; i++) {
		const struct yamldoc_node *key = v->pairs[i].key;
		for (size_t j = 0; j < sizeof window / sizeof *window; j++) {
			if (strcmp(window[j].key, key->text) != 0)
				continue;
			unsigned ends = KEY_UNTIL | KEY_WITHIN | KEY_FOR, f = window[j].flag;
			if (!(allowed[kind] & f))
				decode_error(&w->b->d, key, "'%s' does not go with '%s'", key->text,
				             kind_names[kind]);
			else if (f == KEY_BEGIN && seen & f)
				decode_error(&w->b->d, key,
				             "'from' and 'after' both begin the window");
			else if (f & ends && seen & ends)
				decode_error(
					&w->b->d, key,
					"'%s' is a second end of the window; one of until, within "
					"and for",
					key->text);
			seen |= f;
		}
	}
}

static void
read_range(struct work *w, const struct yamldoc_node *v, const struct entry *e,
           struct drill_check *c)
{
	const struct yamldoc_node *bounds[] = { e->min, e->max };
	double *ret[] = { &c->min, &c->max };
	for (size_t i = 0; i < 2; i++) {
		const char *key = i ? "max" : "min";
		struct script_text t;
		struct expr *figure = NULL;
		if (!bounds[i] || !script_text_expand(w->b, bounds[i], key, &t))
			continue;
		char why[UNIT_WHY_MAX], text[UNIT_WHY_MAX + 16];
		enum unit u = c->expr ? expr_unit(c->expr) : UNIT_NONE;
		bool percent = u == UNIT_NONE && strchr(t.s, '%');
		expr_destroy(&figure);
		if (c->expr && u < UNIT_END_ &&
		    unit_parse(t.s, percent ? UNIT_PERCENT : u, ret[i], why)) {
			snprintf(text, sizeof text, "%s: %s", key, why);
			script_text_error(w->b, &t, 0, t.n, text);
		} else if (u >= UNIT_END_) {
			decode_error(&w->b->d, bounds[i], "%s: the figure has no unit with a name",
			             key);
		}
	}
	if (!e->min && !e->max)
		decode_error(&w->b->d, v, "a metric needs 'min' or 'max'");
	else if (c->min > c->max)
		decode_error(&w->b->d, e->min, "min is above max");
}

static void
read_other(struct work *w, const struct yamldoc_node *v, const struct entry *e,
           struct drill_check *c)
{
	c->max_ratio = e->max_ratio;
	if (!e->against)
		decode_error(&w->b->d, v, "a compare needs 'against': the run to compare with");
	else
		script_compare_read(w->b, e->against, w->b->path, c);
	if (!yamldoc_get(v, "max_ratio"))
		decode_error(
			&w->b->d, v,
			"a compare needs 'max_ratio': how many times the other figure is good");
}

static bool
choose_operator(struct work *w, const struct yamldoc_node *v, const struct entry *e,
                struct drill_check *c)
{
	int found = -1;
	for (int i = 0; i < DRILL_KINDS_; i++) {
		if (!e->op[i])
			continue;
		if (found >= 0) {
			decode_error(&w->b->d, e->op[i], "'%s' and '%s' in one expectation",
			             kind_names[found], kind_names[i]);
			return false;
		}
		found = i;
	}
	if (found < 0) {
		struct diag *g = decode_error(&w->b->d, v, "an expectation needs an operator");
		decode_suggest(g, "", kind_names, DRILL_KINDS_, "operators");
		return false;
	}
	c->kind = (enum drill_kind)found;
	return true;
}

static void
read_operand(struct work *w, const struct yamldoc_node *v, struct drill_check *c)
{
	struct script_text t;
	if (!script_text_expand(w->b, v, kind_names[c->kind], &t))
		return;
	snprintf(c->text, sizeof c->text, "%s", t.s);
	size_t at = strspn(t.s, " "), n = strcspn(t.s + at, " ");
	bool figure = c->kind == DRILL_METRIC || c->kind == DRILL_COMPARE;
	bool event = c->kind == DRILL_EVENT ||
	             (c->kind == DRILL_NEVER && script_event_starts(t.s + at, n));
	if (event)
		script_event_read(w->b, &t, c->event);
	else
		c->expr =
			script_text_expr(w->b, w->names, &t, figure ? EXPR_FIGURE : EXPR_CONDITION);
}

/* A window of which nothing, or not all, lies in the run. */
static void
check_window(struct work *w, const struct yamldoc_node *v, const struct drill_check *c)
{
	int64_t end = w->b->duration_ns, to = end;
	bool open = c->from.kind == MOMENT_EVENT || c->from.kind == MOMENT_NEVER ||
	            c->until.kind == MOMENT_NEVER || c->from.found || c->until.found;
	if (!w->b->timed || end == INT64_MAX || open)
		return;
	int64_t from = c->from.kind == MOMENT_TIME ? c->from.ns : 0;
	if (c->until.kind == MOMENT_TIME)
		to = c->until.ns;
	else if (c->within_ns >= 0)
		to = from + c->within_ns;
	int64_t last = to + (c->hold_ns > 0 ? c->hold_ns : 0);
	if (from < 0 || from >= end)
		decode_error(&w->b->d, v,
		             "the window begins at %.9g s; the drill lasts from 0 to %.9g s",
		             (double)from * 1e-9, (double)end * 1e-9);
	else if (last > end)
		decode_error(&w->b->d, v,
		             "the window ends at %.9g s%s, after the end of the drill at "
		             "%.9g s",
		             (double)last * 1e-9, c->hold_ns > 0 ? " with its 'hold'" : "",
		             (double)end * 1e-9);
	else if (to <= from)
		decode_error(&w->b->d, v, "the window from %.9g s to %.9g s is empty",
		             (double)from * 1e-9, (double)to * 1e-9);
}

static void
read_check(struct work *w, const struct yamldoc_node *v, size_t number)
{
	struct drill_check *c = &w->c->checks[w->c->n_checks];
	struct entry e = { .within_ns = -1, .for_ns = -1, .hold_ns = -1, .max_ratio = NAN };
	if (v->kind != YAMLDOC_MAP) {
		decode_error(
			&w->b->d, v,
			"an expectation is a mapping, like { always: \"min(node.*.v) >= 45V\" }, "
			"not %s",
			yamldoc_what(v));
		return;
	}
	w->c->n_checks++;
	*c = (struct drill_check){ .min = NAN, .max = NAN, .line = v->line };
	decode_map(&w->b->d, &script_schema_expect, "an expectation", v, &e);
	if (e.id[0])
		snprintf(c->id, sizeof c->id, "%s", e.id);
	else
		snprintf(c->id, sizeof c->id, "e%zu", number);
	for (size_t i = 0; i + 1 < w->c->n_checks; i++)
		if (!strcmp(w->c->checks[i].id, c->id))
			decode_error(&w->b->d, v, "id '%s' is there twice, first in line %u", c->id,
			             w->c->checks[i].line);
	if (!choose_operator(w, v, &e, c))
		return;
	size_t before = w->b->d.diags->n_errors;
	check_keys(w, v, c->kind);
	read_operand(w, e.op[c->kind], c);
	c->within_ns = e.within_ns >= 0 ? e.within_ns : e.for_ns;
	c->hold_ns = e.hold_ns;
	script_event_moment(w->b, e.from ? e.from : e.after, e.from ? "from" : "after", &c->from);
	script_event_moment(w->b, e.until, "until", &c->until);
	if (c->kind == DRILL_METRIC)
		read_range(w, v, &e, c);
	if (c->kind == DRILL_COMPARE)
		read_other(w, v, &e, c);
	if (w->b->d.diags->n_errors == before)
		check_window(w, v, c);
}

static void
read_gate(struct work *w, const struct yamldoc_node *v, size_t number)
{
	struct drill_gate *g = &w->c->gates[w->c->n_gates];
	struct entry e = { .for_ns = 0 };
	struct script_text t;
	if (v->kind != YAMLDOC_MAP) {
		decode_error(&w->b->d, v,
		             "a condition is a mapping, like { id: bus-ok, expr: \"min(node.*.v) "
		             ">= 47V\" "
		             "}, not %s",
		             yamldoc_what(v));
		return;
	}
	w->c->n_gates++;
	*g = (struct drill_gate){ .line = v->line };
	decode_map(&w->b->d, &script_schema_gate, "a condition of the steady state", v, &e);
	if (e.id[0])
		snprintf(g->id, sizeof g->id, "%s", e.id);
	else
		snprintf(g->id, sizeof g->id, "s%zu", number);
	g->for_ns = e.for_ns;
	for (size_t i = 0; i + 1 < w->c->n_gates; i++)
		if (!strcmp(w->c->gates[i].id, g->id))
			decode_error(&w->b->d, v, "id '%s' is there twice, first in line %u", g->id,
			             w->c->gates[i].line);
	if (!e.expr)
		decode_error(&w->b->d, v, "'expr' is missing");
	else if (script_text_expand(w->b, e.expr, "expr", &t))
		g->expr = script_text_expr(w->b, w->names, &t, EXPR_CONDITION);
	int64_t end = w->s->settle_ns + g->for_ns;
	int64_t first = w->b->duration_ns;
	for (size_t i = 0; w->b->timed && i < w->b->n_actions; i++)
		first = w->b->actions[i].at_ns < first ? w->b->actions[i].at_ns : first;
	if (end > first)
		decode_error(
			&w->b->d, v,
			"the steady state is looked at until %.9g s, after the first action at "
			"%.9g s",
			(double)end * 1e-9, (double)first * 1e-9);
}

static void
read_list(struct work *w, const struct yamldoc_node *list, const char *key, size_t most,
          void (*read)(struct work *, const struct yamldoc_node *, size_t))
{
	if (!list || (list->kind == YAMLDOC_SCALAR && !list->text[0]))
		return;
	if (list->kind != YAMLDOC_LIST) {
		decode_error(&w->b->d, list, "%s: a list is wanted, not %s", key,
		             yamldoc_what(list));
		return;
	}
	if (list->n > most) {
		decode_error(&w->b->d, list, "%s: %zu entries, at most %zu", key, list->n, most);
		return;
	}
	for (size_t i = 0; i < list->n && !w->b->d.nomem; i++)
		read(w, list->items[i], i + 1);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

void
script_build_expect(struct script_build *b, const struct yamldoc_node *root, struct script *s)
{
	struct work w = { .b = b, .s = s, .names = b->names };
	if (!b->options->drill)
		return;
	w.c = s->checks = calloc(1, sizeof *w.c);
	if (!w.c) {
		b->d.nomem = true;
		return;
	}
	read_list(&w, yamldoc_get(root, "steady_state"), "steady_state", DRILL_GATES_MAX,
	          read_gate);
	read_list(&w, yamldoc_get(root, "expect"), "expect", DRILL_CHECKS_MAX, read_check);
	script_blast_read(b, yamldoc_get(root, "blast_radius"));
	const struct yamldoc_node *abort_if = yamldoc_get(root, "abort_if");
	struct script_text t;
	if (abort_if && script_text_expand(b, abort_if, "abort_if", &t))
		w.c->abort_if = script_text_expr(b, b->names, &t, EXPR_CONDITION);
}
