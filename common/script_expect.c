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
	const struct yamldoc_node *expr, *op[DRILL_KINDS_], *compare, *from, *after, *until, *min,
		*max;
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
	{ .key = "compare",
	  .type = FIELD_CUSTOM,
	  .doc = "a figure against another run",
	  .effect = EFFECT_REFUSED,
	  .effect_text = "comparing with another run is not available in this release" },
	CUSTOM("from", take_from,
	       "begin of the window: a time, an action (kill + 5ms), or an event"),
	CUSTOM("after", take_after, "the same as from"),
	CUSTOM("until", take_until, "end of the window; without it the end of the duration"),
	LASTS("within", within_ns, "length of the window"),
	LASTS("for", for_ns, "the same as within, for always and never"),
	LASTS("hold", hold_ns, "settles: how long it goes on; without it to the end"),
	CUSTOM("min", take_min, "metric: lowest value that is good"),
	CUSTOM("max", take_max, "metric: highest value that is good"),
};
const struct schema script_schema_expect = { "expect", "One expectation: one operator, a window.",
	                                     fields_expect,
	                                     sizeof fields_expect / sizeof *fields_expect };

struct blast {
	const struct yamldoc_node *max, *protect;
	uint32_t max_nodes_down;
};

static void
take_max_down(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct blast *r = target;
	if (decode_whole(d, f->key, v, 0, TOPO_NODES_MAX, &r->max_nodes_down))
		r->max = v;
}

static void
take_protect(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct blast *)target)->protect = v;
}

static const struct field fields_blast[] = {
	CUSTOM("max_nodes_down", take_max_down, "nodes that may be down at the same time"),
	CUSTOM("protect", take_protect, "ids that no action may be aimed at"),
};
const struct schema script_schema_blast = {
	"blast_radius", "What the timeline may do at most; checked before anything runs.",
	fields_blast, sizeof fields_blast / sizeof *fields_blast
};

/* ---- texts with parameters --------------------------------------------------------------------
 */

/* A scalar with its parameters put in, and where each character stands in the file. */
struct text {
	char s[EXPR_TEXT_MAX];
	size_t n, from[EXPR_TEXT_MAX];
	const struct yamldoc_node *node;
};

static bool
put(struct script_build *b, struct text *t, const char *s, size_t n, size_t from, bool moves)
{
	for (size_t i = 0; i < n; i++) {
		if (t->n + 1 >= sizeof t->s) {
			decode_error(&b->d, t->node,
			             "longer than %d characters with its parameters",
			             EXPR_TEXT_MAX - 1);
			return false;
		}
		t->from[t->n] = from + (moves ? i : 0);
		t->s[t->n++] = s[i];
	}
	t->s[t->n] = '\0';
	t->from[t->n] = from + (moves ? n : 0);
	return true;
}

static bool
expand(struct script_build *b, const struct yamldoc_node *v, const char *key, struct text *t)
{
	*t = (struct text){ .node = v };
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "%s: a text is wanted, not %s", key, yamldoc_what(v));
		return false;
	}
	for (const char *p = v->text; *p;) {
		const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
		char name[TOPO_ID_MAX];
		size_t from = (size_t)(p - v->text);
		if (end && (size_t)(end - p - 2) < sizeof name) {
			snprintf(name, sizeof name, "%.*s", (int)(end - p - 2), p + 2);
			const char *value = script_build_parameter(b, v, name);
			if (!value || !put(b, t, value, strlen(value), from, false))
				return false;
			p = end + 1;
		} else if (put(b, t, p, 1, from, true)) {
			p++;
		} else {
			return false;
		}
	}
	if (t->n == 0) {
		decode_error(&b->d, v, "%s: nothing is there", key);
		return false;
	}
	return true;
}

/* Length in characters, or 0 when the text is not in the file as it is here (folded, escapes). */
static size_t
plain_length(const struct yamldoc_node *v)
{
	size_t n = 0;
	for (const char *p = v->text; *p; p++) {
		if (*p == '\n')
			return 0;
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	return n + (v->quoted ? 2 : 0) == v->length ? n : 0;
}

/* An error at a place inside a scalar. */
static struct diag *
error_at(struct script_build *b, const struct text *t, size_t at, size_t length, const char *text)
{
	struct yamldoc_node n = *t->node;
	at = at < t->n ? at : t->n;
	size_t end = at + length < t->n ? at + length : t->n;
	if (plain_length(t->node)) {
		unsigned column = 0, wide = 0;
		for (size_t i = 0; i < t->from[end] || i < t->from[at] + 1; i++) {
			bool starts = ((unsigned char)t->node->text[i] & 0xc0) != 0x80;
			column += i < t->from[at] && starts;
			wide += i >= t->from[at] && starts;
			if (!t->node->text[i])
				break;
		}
		n.column += column + (t->node->quoted ? 1 : 0);
		n.length = wide ? wide : 1;
	}
	return decode_error(&b->d, &n, "%s", text);
}

static struct expr *
read_expr(struct script_build *b, const struct runview *names, const struct text *t,
          enum expr_kind kind)
{
	struct expr *e = NULL;
	struct expr_fault fault = { 0 };
	int rc = expr_parse(t->s, kind, names, &e, &fault);
	if (rc == ERR_NOMEM)
		b->d.nomem = true;
	if (rc != ERR_INPUT)
		return e;
	struct diag *g = error_at(b, t, fault.at, fault.length, fault.text);
	if (g && fault.help[0])
		diag_help(g, "%s", fault.help);
	return NULL;
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* Names that drills know and this release does not record. */
static const char *const later[] = { "adjacency.down", "node.dead", "handback",   "fuse.trip",
	                             "shed",           "restored",  "calibrated", "exit" };
static const char *const keys[] = { "subject", "link",  "port",  "module", "node",
	                            "channel", "cause", "rx",    "stage",  "kind",
	                            "to",      "epoch", "state", "reason", "incarnation" };
enum { N_KEYS = sizeof keys / sizeof *keys, N_LATER = sizeof later / sizeof *later };

static bool
starts_event(const char *text, size_t n)
{
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++)
		if (strlen(event_name(c)) == n && !strncmp(text, event_name(c), n))
			return true;
	for (size_t i = 0; i < N_LATER; i++)
		if (strlen(later[i]) == n && !strncmp(text, later[i], n))
			return true;
	return false;
}

static bool
check_event_name(struct script_build *b, const struct text *t, size_t at, size_t n)
{
	const char *names[EV_END_];
	char word[64], text[160];
	size_t known = 0;
	snprintf(word, sizeof word, "%.*s", (int)n, t->s + at);
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++) {
		names[known++] = event_name(c);
		if (!strcmp(event_name(c), word))
			return true;
	}
	bool is_later = false;
	for (size_t i = 0; i < N_LATER; i++)
		is_later = is_later || !strcmp(later[i], word);
	snprintf(text, sizeof text,
	         is_later ? "event '%s' is not recorded in this release" : "there is no event '%s'",
	         word);
	struct diag *g = error_at(b, t, at, n, text);
	decode_suggest(g, is_later ? "" : word, names, known, "events");
	return false;
}

/* Ids of what a key names; values of other keys are words of the recorder. */
static bool
check_event_value(struct script_build *b, const struct text *t, size_t at, const char *key,
                  const char *value)
{
	const struct topo *topo = b->topo;
	const char *names[TOPO_NODES_MAX + TOPO_MODULES_MAX + TOPO_LINKS_MAX];
	size_t n = 0, all = strlen(value);
	bool subject = !strcmp(key, "subject");
	if (subject || !strcmp(key, "node") || !strcmp(key, "to"))
		for (size_t i = 0; i < topo->n_nodes; i++)
			names[n++] = topo->nodes[i].id;
	if (subject || !strcmp(key, "module"))
		for (size_t i = 0; i < topo->n_modules; i++)
			names[n++] = topo->modules[i].id;
	if (!strcmp(key, "link"))
		for (size_t i = 0; i < topo->n_links; i++)
			names[n++] = topo->links[i].id;
	if (!strcmp(key, "cause")) {
		static const char *const causes[] = { "death", "cut", "fuse" };
		for (size_t i = 0; i < 3; i++)
			names[n++] = causes[i];
	}
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], value))
			return true;
	char text[200];
	snprintf(text, sizeof text, "%s: there is no '%.60s'", key, value);
	struct diag *g = error_at(b, t, at, all, text);
	decode_suggest(g, value, names, n, "names");
	return false;
}

static bool
check_event_word(struct script_build *b, const struct text *t, size_t at, size_t n)
{
	char word[DRILL_EVENT_MAX], text[DRILL_EVENT_MAX + 80];
	snprintf(word, sizeof word, "%.*s", (int)n, t->s + at);
	char *eq = strchr(word, '=');
	size_t value_at = eq ? (size_t)(eq - word) + 1 : 0;
	if (!eq || eq == word || !eq[1]) {
		snprintf(text, sizeof text, "'%s': key=value or key!=value is wanted", word);
		error_at(b, t, at, n, text);
		return false;
	}
	*eq = '\0';
	if (eq[-1] == '!')
		eq[-1] = '\0';
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i], word))
			return check_event_value(b, t, at + value_at, word, word + value_at);
	snprintf(text, sizeof text, "events have no key '%.60s'", word);
	decode_suggest(error_at(b, t, at, strlen(word), text), word, keys, N_KEYS, "keys");
	return false;
}

/* The pattern from `at` on: its words are checked, single spaces between them. */
static bool
read_event(struct script_build *b, const struct text *t, char ret[DRILL_EVENT_MAX])
{
	size_t len = 0, word = 0;
	bool good = true;
	for (const char *p = t->s + strspn(t->s, " "); *p; word++) {
		size_t n = strcspn(p, " "), at = (size_t)(p - t->s);
		if (len + n + 2 > DRILL_EVENT_MAX) {
			error_at(b, t, 0, t->n, "the pattern of an event is too long");
			return false;
		}
		good = (word ? check_event_word(b, t, at, n) : check_event_name(b, t, at, n)) &&
		       good;
		len += (size_t)snprintf(ret + len, DRILL_EVENT_MAX - len, "%s%.*s", word ? " " : "",
		                        (int)n, p);
		p += n + strspn(p + n, " ");
	}
	return good;
}

/* ---- moments ----------------------------------------------------------------------------------
 */

struct work {
	struct script_build *b;
	struct script *s;
	struct drill_checks *c;
	const struct runview *names;
	bool timed;
};

/* Begin of the first step in which an action of that name acts; false: no such action. */
static bool
action_time(const struct work *w, const char *id, int64_t *ns)
{
	bool found = false;
	for (size_t i = 0; w->timed && i < w->b->n_actions; i++) {
		int64_t t = w->b->actions[i].k * w->b->topo->step_ns;
		if (strcmp(w->b->actions[i].id, id) != 0 || (found && t >= *ns))
			continue;
		*ns = t;
		found = true;
	}
	/* With errors in the timeline only names are known. */
	for (size_t i = 0; !w->timed && i < w->b->n_entries; i++)
		if (!strcmp(w->b->entries[i].id, id)) {
			*ns = 0;
			found = true;
		}
	return found;
}

static bool
unknown_moment(struct work *w, const struct text *t, const char *key, const char *word)
{
	const char *names[SCRIPT_ENTRIES_MAX + EV_END_];
	char text[200];
	size_t n = 0;
	for (size_t i = 0; i < w->b->n_entries; i++)
		names[n++] = w->b->entries[i].id;
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++)
		names[n++] = event_name(c);
	snprintf(text, sizeof text, "%s: there is no action and no event '%s'", key, word);
	decode_suggest(error_at(w->b, t, 0, strlen(word), text), word, names, n,
	               "actions and events");
	return false;
}

/* "700ms", "kill", "kill + 5ms", "joined subject=n3" */
static bool
read_moment(struct work *w, const struct yamldoc_node *v, const char *key, struct drill_moment *m)
{
	struct text t;
	char word[TOPO_ID_MAX + 16], why[UNIT_WHY_MAX], text[UNIT_WHY_MAX + 80];
	if (!v)
		return true;
	if (!expand(w->b, v, key, &t))
		return false;
	snprintf(m->text, sizeof m->text, "%.*s", DRILL_EVENT_MAX - 1, t.s);
	m->kind = MOMENT_TIME;
	size_t n = strcspn(t.s, " +");
	if (t.s[0] >= '0' && t.s[0] <= '9') {
		if (!unit_parse_ns(t.s, &m->ns, why))
			return true;
		snprintf(text, sizeof text, "%s: %s", key, why);
		error_at(w->b, &t, 0, t.n, text);
		return false;
	}
	snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), t.s);
	if (!action_time(w, word, &m->ns)) {
		if (!starts_event(t.s, n))
			return unknown_moment(w, &t, key, word);
		m->kind = MOMENT_EVENT;
		return read_event(w->b, &t, m->event);
	}
	const char *op = t.s + n + strspn(t.s + n, " ");
	int64_t offset = 0;
	if (*op && *op != '+' && *op != '-') {
		snprintf(text, sizeof text,
		         "%s: after '%s' comes '+' or '-' and a time, like %s + 50ms", key, word,
		         word);
		error_at(w->b, &t, (size_t)(op - t.s), 1, text);
		return false;
	}
	if (*op && unit_parse_ns(op + 1 + strspn(op + 1, " "), &offset, why)) {
		snprintf(text, sizeof text, "%s: %s", key, why);
		error_at(w->b, &t, (size_t)(op - t.s), strlen(op), text);
		return false;
	}
	m->ns += *op == '-' ? -offset : offset;
	return true;
}

/* ---- expectations -----------------------------------------------------------------------------
 */

/* Which keys of the window go with an operator. */
enum { KEY_BEGIN = 1, KEY_UNTIL = 2, KEY_WITHIN = 4, KEY_FOR = 8, KEY_HOLD = 16, KEY_RANGE = 32 };
static const unsigned allowed[DRILL_KINDS_] = {
	[DRILL_ALWAYS] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_FOR,
	[DRILL_NEVER] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_FOR,
	[DRILL_EVENTUALLY] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN,
	[DRILL_SETTLES] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN | KEY_HOLD,
	[DRILL_EVENT] = KEY_BEGIN | KEY_UNTIL | KEY_WITHIN,
	[DRILL_METRIC] = KEY_UNTIL | KEY_RANGE,
};

static void
check_keys(struct work *w, const struct yamldoc_node *v, enum drill_kind kind)
{
	static const struct {
		const char *key;
		unsigned flag;
	} window[] = { { "from", KEY_BEGIN },    { "after", KEY_BEGIN }, { "until", KEY_UNTIL },
		       { "within", KEY_WITHIN }, { "for", KEY_FOR },     { "hold", KEY_HOLD },
		       { "min", KEY_RANGE },     { "max", KEY_RANGE } };
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
		struct text t;
		struct expr *figure = NULL;
		if (!bounds[i] || !expand(w->b, bounds[i], key, &t))
			continue;
		char why[UNIT_WHY_MAX], text[UNIT_WHY_MAX + 16];
		enum unit u = c->expr ? expr_unit(c->expr) : UNIT_NONE;
		bool percent = u == UNIT_NONE && strchr(t.s, '%');
		expr_destroy(&figure);
		if (c->expr && u < UNIT_END_ &&
		    unit_parse(t.s, percent ? UNIT_PERCENT : u, ret[i], why)) {
			snprintf(text, sizeof text, "%s: %s", key, why);
			error_at(w->b, &t, 0, t.n, text);
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
		if (!yamldoc_get(v, "compare")) {
			struct diag *g =
				decode_error(&w->b->d, v, "an expectation needs an operator");
			decode_suggest(g, "", kind_names, DRILL_KINDS_, "operators");
		}
		return false;
	}
	c->kind = (enum drill_kind)found;
	return true;
}

static void
read_operand(struct work *w, const struct yamldoc_node *v, struct drill_check *c)
{
	struct text t;
	if (!expand(w->b, v, kind_names[c->kind], &t))
		return;
	snprintf(c->text, sizeof c->text, "%s", t.s);
	size_t at = strspn(t.s, " "), n = strcspn(t.s + at, " ");
	bool event =
		c->kind == DRILL_EVENT || (c->kind == DRILL_NEVER && starts_event(t.s + at, n));
	if (event)
		read_event(w->b, &t, c->event);
	else
		c->expr = read_expr(w->b, w->names, &t,
		                    c->kind == DRILL_METRIC ? EXPR_FIGURE : EXPR_CONDITION);
}

/* A window of which nothing, or not all, lies in the run. */
static void
check_window(struct work *w, const struct yamldoc_node *v, const struct drill_check *c)
{
	int64_t end = w->b->duration_ns, to = end;
	if (!w->timed || end == INT64_MAX || c->from.kind == MOMENT_EVENT)
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
	struct entry e = { .within_ns = -1, .for_ns = -1, .hold_ns = -1 };
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
	read_moment(w, e.from ? e.from : e.after, e.from ? "from" : "after", &c->from);
	read_moment(w, e.until, "until", &c->until);
	if (c->kind == DRILL_METRIC)
		read_range(w, v, &e, c);
	if (w->b->d.diags->n_errors == before)
		check_window(w, v, c);
}

static void
read_gate(struct work *w, const struct yamldoc_node *v, size_t number)
{
	struct drill_gate *g = &w->c->gates[w->c->n_gates];
	struct entry e = { .for_ns = 0 };
	struct text t;
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
	else if (expand(w->b, e.expr, "expr", &t))
		g->expr = read_expr(w->b, w->names, &t, EXPR_CONDITION);
	int64_t end = w->s->settle_ns + g->for_ns;
	int64_t first = w->b->duration_ns;
	for (size_t i = 0; w->timed && i < w->b->n_actions; i++)
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

/* ---- blast radius -----------------------------------------------------------------------------
 */

static bool
is_target(const struct script_build *b, const struct script_action *a, const char *id)
{
	const struct topo *t = b->topo;
	if (a->target_kind == TARGET_LINK) {
		const struct topo_link *l = &t->links[a->target];
		return !strcmp(l->id, id);
	}
	return a->target < t->n_nodes ? !strcmp(t->nodes[a->target].id, id)
	                              : !strcmp(t->modules[a->target - t->n_nodes].id, id);
}

static void
check_protected(struct work *w, const struct yamldoc_node *v)
{
	const struct topo *t = w->b->topo;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&w->b->d, v, "protect: an id is wanted, not %s", yamldoc_what(v));
		return;
	}
	if (topo_find_node(t, v->text) < 0 && topo_find_link(t, v->text) < 0 &&
	    topo_find_module(t, v->text) < 0) {
		decode_error(&w->b->d, v, "protect: there is no '%.60s' in mesh '%s'", v->text,
		             t->name);
		return;
	}
	for (size_t i = 0; w->timed && i < w->b->n_actions; i++)
		if (is_target(w->b, &w->b->actions[i], v->text)) {
			decode_error(&w->b->d, w->b->places[i],
			             "action '%s' is aimed at '%s', which "
			             "blast_radius protects",
			             w->b->actions[i].id, v->text);
			return;
		}
}

static void
check_down(struct work *w, uint32_t most)
{
	const struct script_build *b = w->b;
	uint32_t down = 0;
	for (size_t i = 0; w->timed && i < b->n_actions; i++) {
		const struct script_action *a = &b->actions[i];
		if (a->target_kind != TARGET_PROC || a->target >= b->topo->n_nodes)
			continue;
		if (a->kind == SCRIPT_START || a->kind == SCRIPT_CONT)
			down--;
		if (a->kind != SCRIPT_KILL && a->kind != SCRIPT_STOP)
			continue;
		if (++down <= most)
			continue;
		decode_error(
			&w->b->d, b->places[i],
			"action '%s' takes down node %u at the same time; blast_radius allows %u",
			a->id, down, most);
		return;
	}
}

static void
read_blast(struct work *w, const struct yamldoc_node *v)
{
	struct blast r = { .max_nodes_down = UINT32_MAX };
	if (!v)
		return;
	if (v->kind != YAMLDOC_MAP) {
		decode_error(&w->b->d, v, "blast_radius: a mapping is wanted, not %s",
		             yamldoc_what(v));
		return;
	}
	const struct yamldoc_node *x = script_build_expand(w->b, v);
	if (!x)
		return;
	decode_map(&w->b->d, &script_schema_blast, "blast_radius", x, &r);
	if (r.max)
		check_down(w, r.max_nodes_down);
	if (!r.protect)
		return;
	if (r.protect->kind != YAMLDOC_LIST)
		decode_error(&w->b->d, r.protect, "protect: a list of ids is wanted, not %s",
		             yamldoc_what(r.protect));
	for (size_t i = 0; r.protect->kind == YAMLDOC_LIST && i < r.protect->n; i++)
		check_protected(w, r.protect->items[i]);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

void
script_build_expect(struct script_build *b, const struct yamldoc_node *root, bool timed,
                    struct script *s)
{
	struct runview *names = NULL;
	struct work w = { .b = b, .s = s, .timed = timed };
	struct err err = ERR_INIT;
	if (!b->options->drill)
		return;
	w.c = s->checks = calloc(1, sizeof *w.c);
	if (!w.c || runview_of(b->topo, NULL, 0, &names, &err)) {
		b->d.nomem = true;
		return;
	}
	w.names = names;
	read_list(&w, yamldoc_get(root, "steady_state"), "steady_state", DRILL_GATES_MAX,
	          read_gate);
	read_list(&w, yamldoc_get(root, "expect"), "expect", DRILL_CHECKS_MAX, read_check);
	read_blast(&w, yamldoc_get(root, "blast_radius"));
	const struct yamldoc_node *abort_if = yamldoc_get(root, "abort_if");
	struct text t;
	if (abort_if && expand(b, abort_if, "abort_if", &t))
		w.c->abort_if = read_expr(b, names, &t, EXPR_CONDITION);
	runview_close(&names);
}
