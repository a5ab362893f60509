/* From the text of an expression to its tree. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "expr_build.h"
#include "signals.h"

struct reader {
	struct expr *e;
	const struct runview *names;
	const char *text;
	size_t at; /* of the next token */
	size_t length;
	unsigned depth;
	struct expr_fault *fault;
	bool bad;
};

static const struct {
	const char *name;
	enum expr_op op;
} calls[] = { { "min", OP_MIN }, { "max", OP_MAX },       { "mean", OP_MEAN },
	      { "sum", OP_SUM }, { "spread", OP_SPREAD }, { "abs", OP_ABS } };
enum { N_CALLS = sizeof calls / sizeof *calls };

__attribute__((format(printf, 4, 5))) static int
fail(struct reader *r, size_t at, size_t length, const char *fmt, ...)
{
	va_list ap;
	if (r->bad)
		return -1;
	r->bad = true;
	r->fault->at = at;
	r->fault->length = length ? length : 1;
	r->fault->help[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(r->fault->text, sizeof r->fault->text, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- tokens -----------------------------------------------------------------------------------
 */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
in_name(char c, bool id)
{
	return is_letter(c) || is_digit(c) || c == '_' || (id && (c == '-' || c == '*'));
}

static size_t
word_length(const char *p)
{
	/* node.n-1.v: only the parts that are ids, the second and the fourth, may hold a '-'. */
	size_t n = 0;
	for (unsigned part = 0; part < 5; part++) {
		while (in_name(p[n], part % 2 == 1))
			n++;
		if (p[n] != '.')
			break;
		n++;
	}
	return n;
}

static size_t
number_length(const char *p)
{
	size_t n = 0;
	while (is_digit(p[n]) || p[n] == '.')
		n++;
	if (p[n] == 'e' && (is_digit(p[n + 1]) || (p[n + 1] == '-' && is_digit(p[n + 2]))))
		for (n += 2; is_digit(p[n]);)
			n++;
	while (is_letter(p[n]) || is_digit(p[n]) || p[n] == '%' || (unsigned char)p[n] >= 0x80)
		n++;
	return n;
}

/* Finds the token at `at` or behind it; length 0: the end. */
static void
look(struct reader *r)
{
	while (strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
		r->at++;
	const char *p = r->text + r->at;
	if (!*p)
		r->length = 0;
	else if (is_letter(*p))
		r->length = word_length(p);
	else if (is_digit(*p))
		r->length = number_length(p);
	else if (strchr("<>=!", *p))
		r->length = p[1] == '=' ? 2 : 1;
	else
		for (r->length = 1; ((unsigned char)p[r->length] & 0xc0) == 0x80;)
			r->length++;
}

static void
take(struct reader *r)
{
	r->at += r->length;
	look(r);
}

static bool
is(const struct reader *r, const char *token)
{
	return r->length && strlen(token) == r->length &&
	       !strncmp(r->text + r->at, token, r->length);
}

static int
unexpected(struct reader *r, const char *wanted)
{
	if (!r->length)
		return fail(r, strlen(r->text), 1, "the expression ends where %s is wanted",
		            wanted);
	return fail(r, r->at, r->length, "'%.*s' where %s is wanted",
	            (int)(r->length < 60 ? r->length : 60), r->text + r->at, wanted);
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

static int
add(struct reader *r, enum expr_op op, int left, int right, size_t from)
{
	struct expr *e = r->e;
	if (e->n == EXPR_NODES_MAX)
		return fail(r, from, 1, "more than %d numbers, names and operators",
		            EXPR_NODES_MAX);
	size_t to = r->at;
	while (to > from && strchr(" \t\r\n", r->text[to - 1]))
		to--;
	e->nodes[e->n] = (struct expr_node){ .op = op,
		                             .unit = UNIT_NONE,
		                             .left = left,
		                             .right = right,
		                             .next = -1,
		                             .pattern = -1,
		                             .at = from,
		                             .length = to - from };
	return (int)e->n++;
}

static struct expr_node *
node(struct reader *r, int i)
{
	return &r->e->nodes[i];
}

void
expr_span(const struct expr *e, int i, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)e->nodes[i].length, e->text + e->nodes[i].at);
}

static int
want_value(struct reader *r, int i)
{
	if (i >= 0 && node(r, i)->is_test)
		return fail(r, node(r, i)->at, node(r, i)->length,
		            "a condition stands where a value is wanted");
	return i;
}

static int
want_test(struct reader *r, int i)
{
	if (i >= 0 && !node(r, i)->is_test) {
		char text[60];
		expr_span(r->e, i, text, sizeof text);
		return fail(r, node(r, i)->at, node(r, i)->length,
		            "'%s' is a value, not a condition: compare it with a bound", text);
	}
	return i;
}

/* Both sides of a sum or comparison are of one quantity. */
static int
same_unit(struct reader *r, int a, int b, const char *what)
{
	enum unit u = node(r, a)->unit, w = node(r, b)->unit;
	if (u == w || u == EXPR_MIXED || w == EXPR_MIXED)
		return 0;
	int bare = w == UNIT_NONE && node(r, b)->op == OP_NUMBER   ? b
	           : u == UNIT_NONE && node(r, a)->op == OP_NUMBER ? a
	                                                           : -1;
	if (bare >= 0) {
		enum unit wanted = bare == b ? u : w;
		char text[40];
		expr_span(r->e, bare, text, sizeof text);
		return fail(r, node(r, bare)->at, node(r, bare)->length,
		            "'%s' has no unit: %s is wanted, like %s%s", text,
		            unit_quantity(wanted), text, unit_symbol(wanted));
	}
	return fail(r, node(r, b)->at, node(r, b)->length, "%s %s %s %s", what, unit_quantity(u),
	            strcmp(what, "compares") ? "and" : "with", unit_quantity(w));
}

static enum unit
product(enum unit a, enum unit b)
{
	if (a == UNIT_NONE || b == UNIT_NONE)
		return a == UNIT_NONE ? b : a;
	if ((a == UNIT_VOLT && b == UNIT_AMPERE) || (a == UNIT_AMPERE && b == UNIT_VOLT))
		return UNIT_WATT;
	if ((a == UNIT_WATT && b == UNIT_SECOND) || (a == UNIT_SECOND && b == UNIT_WATT))
		return UNIT_JOULE;
	return EXPR_MIXED;
}

static enum unit
quotient(enum unit a, enum unit b)
{
	if (b == UNIT_NONE || a == b)
		return a == b ? UNIT_NONE : a;
	if (a == UNIT_WATT && b == UNIT_VOLT)
		return UNIT_AMPERE;
	if (a == UNIT_WATT && b == UNIT_AMPERE)
		return UNIT_VOLT;
	if (a == UNIT_VOLT && b == UNIT_AMPERE)
		return UNIT_OHM;
	if (a == UNIT_JOULE && b == UNIT_SECOND)
		return UNIT_WATT;
	return EXPR_MIXED;
}

/* ---- grammar ----------------------------------------------------------------------------------
 */

static int read_or(struct reader *);

static int
read_number(struct reader *r)
{
	char text[64], why[UNIT_WHY_MAX];
	size_t from = r->at, length = r->length;
	double v = 0;
	if (length >= sizeof text)
		return fail(r, from, length, "too long for a number");
	memcpy(text, r->text + from, length);
	text[length] = '\0';
	unsigned u = 0;
	while (u < UNIT_END_ && unit_parse(text, (enum unit)u, &v, why))
		u++;
	if (u == UNIT_END_) {
		size_t digits = strspn(text, "0123456789.");
		return fail(r, from, length, "'%s': '%s' is not a unit (V A W Ohm F H s J %%)",
		            text, text + digits);
	}
	take(r);
	int i = add(r, OP_NUMBER, -1, -1, from);
	if (i >= 0) {
		node(r, i)->value = v;
		node(r, i)->unit = u == UNIT_PERCENT ? UNIT_NONE : (enum unit)u;
	}
	return i;
}

/* Error texts of signals.h read "signal 'X': no ...; did you mean 'Y'?". */
static int
bad_signal(struct reader *r, size_t from, size_t length, const struct err *err)
{
	const char *help = strstr(err->text, "; did you mean");
	size_t n = help ? (size_t)(help - err->text) : strlen(err->text);
	fail(r, from, length, "%.*s", (int)n, err->text);
	if (help)
		snprintf(r->fault->help, sizeof r->fault->help, "%s", help + 2);
	return -1;
}

static int
read_signal(struct reader *r)
{
	char name[EXPR_TEXT_MAX];
	size_t from = r->at, length = r->length;
	struct signal_list *l = NULL;
	struct err err = ERR_INIT;
	memcpy(name, r->text + from, length);
	name[length] = '\0';
	if (signal_select(r->names, name, &l, &err))
		return bad_signal(r, from, length, &err);
	enum unit u = UNIT_NONE;
	for (unsigned i = 1; signal_count(l) && i < UNIT_END_; i++)
		if (!strcmp(signal_unit(l, 0), unit_symbol((enum unit)i)))
			u = (enum unit)i;
	signal_destroy(&l);
	take(r);
	int i = add(r, OP_SIGNAL, -1, -1, from);
	if (i >= 0)
		node(r, i)->unit = u;
	return i;
}

/* The signal with `*` below a node, not looking into folds; -2: two different ones. */
static int
find_pattern(struct reader *r, int i)
{
	if (i < 0)
		return -1;
	const struct expr_node *n = node(r, i);
	if (n->op == OP_SIGNAL)
		return memchr(r->text + n->at, '*', n->length) ? i : -1;
	if (n->op >= OP_MIN && n->op <= OP_SPREAD)
		return -1;
	int a = find_pattern(r, n->left), b = find_pattern(r, n->right);
	if (a == -2 || b == -2)
		return -2;
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	const struct expr_node *p = node(r, a), *q = node(r, b);
	return p->length == q->length && !memcmp(r->text + p->at, r->text + q->at, p->length) ? a
	                                                                                      : -2;
}

static int
read_arguments(struct reader *r, enum expr_op op, int *first)
{
	int last = -1;
	for (;;) {
		int i = want_value(r, read_or(r));
		if (i < 0)
			return -1;
		int p = op == OP_ABS ? -1 : find_pattern(r, i);
		if (p == -2)
			return fail(r, node(r, i)->at, node(r, i)->length,
			            "two different names with '*' in one argument");
		node(r, i)->pattern = p;
		if (last < 0)
			*first = i;
		else if (same_unit(r, *first, i, "mixes"))
			return -1;
		else if (op == OP_ABS)
			return fail(r, node(r, i)->at, node(r, i)->length, "abs() takes one value");
		else
			node(r, last)->next = i;
		last = i;
		if (!is(r, ","))
			break;
		take(r);
	}
	if (!is(r, ")"))
		return unexpected(r, "')'");
	take(r);
	return 0;
}

static int
read_call(struct reader *r)
{
	const char *names[N_CALLS];
	char word[EXPR_TEXT_MAX];
	size_t from = r->at, length = r->length;
	int op = -1, first = -1;
	memcpy(word, r->text + from, length);
	word[length] = '\0';
	for (int c = 0; c < N_CALLS; c++) {
		names[c] = calls[c].name;
		if (!strcmp(word, calls[c].name))
			op = (int)calls[c].op;
	}
	take(r);
	if (op < 0) {
		const char *near = diag_nearest(word, names, N_CALLS);
		fail(r, from, length,
		     is(r, "(") ? "there is no function '%.60s'"
		                : "'%.60s' is neither a number nor a signal like node.n1.v",
		     word);
		if (near)
			snprintf(r->fault->help, sizeof r->fault->help, "did you mean '%s'?", near);
		else
			snprintf(r->fault->help, sizeof r->fault->help,
			         "functions: min max mean sum spread abs; groups of signals: node "
			         "feed link module mesh");
		return -1;
	}
	if (!is(r, "("))
		return unexpected(r, "'('");
	take(r);
	if (read_arguments(r, (enum expr_op)op, &first))
		return -1;
	int i = add(r, (enum expr_op)op, first, -1, from);
	if (i >= 0)
		node(r, i)->unit = op == OP_SPREAD ? UNIT_NONE : node(r, first)->unit;
	return i;
}

static int
read_factor(struct reader *r)
{
	size_t from = r->at;
	if (is(r, "-")) {
		take(r);
		int i = want_value(r, read_factor(r));
		int n = i < 0 ? -1 : add(r, OP_NEGATE, i, -1, from);
		if (n >= 0)
			node(r, n)->unit = node(r, i)->unit;
		return n;
	}
	if (is(r, "(")) {
		if (++r->depth > EXPR_DEPTH_MAX)
			return fail(r, from, 1, "brackets nested deeper than %d", EXPR_DEPTH_MAX);
		take(r);
		int i = read_or(r);
		if (i >= 0 && !is(r, ")"))
			return unexpected(r, "')'");
		r->depth--;
		take(r);
		return i;
	}
	if (r->length && is_digit(r->text[from]))
		return read_number(r);
	if (r->length && is_letter(r->text[from])) {
		if (is(r, "and") || is(r, "or") || is(r, "not"))
			return unexpected(r, "a value");
		if (memchr(r->text + from, '.', r->length))
			return read_signal(r);
		if (++r->depth > EXPR_DEPTH_MAX)
			return fail(r, from, 1, "brackets nested deeper than %d", EXPR_DEPTH_MAX);
		int i = read_call(r);
		r->depth--;
		return i;
	}
	return unexpected(r, "a value");
}

static int
read_term(struct reader *r)
{
	size_t from = r->at;
	int a = read_factor(r);
	while (a >= 0 && (is(r, "*") || is(r, "/"))) {
		bool times = is(r, "*");
		take(r);
		int b = want_value(r, read_factor(r));
		if (b < 0 || want_value(r, a) < 0)
			return -1;
		int i = add(r, times ? OP_MUL : OP_DIV, a, b, from);
		if (i >= 0)
			node(r, i)->unit = times ? product(node(r, a)->unit, node(r, b)->unit)
			                         : quotient(node(r, a)->unit, node(r, b)->unit);
		a = i;
	}
	return a;
}

static int
read_sum(struct reader *r)
{
	size_t from = r->at;
	int a = read_term(r);
	while (a >= 0 && (is(r, "+") || is(r, "-"))) {
		bool plus = is(r, "+");
		take(r);
		int b = want_value(r, read_term(r));
		if (b < 0 || want_value(r, a) < 0 ||
		    same_unit(r, a, b, plus ? "adds" : "subtracts"))
			return -1;
		int i = add(r, plus ? OP_ADD : OP_SUB, a, b, from);
		if (i >= 0)
			node(r, i)->unit = node(r, a)->unit;
		a = i;
	}
	return a;
}

static int
comparison(const struct reader *r)
{
	static const struct {
		const char *text;
		enum expr_op op;
	} ops[] = { { "<", OP_LT },  { "<=", OP_LE }, { ">", OP_GT },
		    { ">=", OP_GE }, { "==", OP_EQ }, { "!=", OP_NE } };
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (is(r, ops[i].text))
			return (int)ops[i].op;
	return -1;
}

static int
read_test(struct reader *r)
{
	size_t from = r->at;
	int a = read_sum(r);
	int op = comparison(r);
	if (a >= 0 && is(r, "="))
		return fail(r, r->at, 1, "'=' compares nothing; write '=='");
	if (a < 0 || op < 0)
		return a;
	take(r);
	int b = want_value(r, read_sum(r));
	if (b < 0 || want_value(r, a) < 0 || same_unit(r, a, b, "compares"))
		return -1;
	if (comparison(r) >= 0)
		return fail(r, r->at, r->length, "two comparisons in a row; join them with 'and'");
	if (find_pattern(r, a) != -1 || find_pattern(r, b) != -1) {
		int p = find_pattern(r, a) != -1 ? a : b;
		char text[80];
		expr_span(r->e, p, text, sizeof text);
		fail(r, node(r, p)->at, node(r, p)->length,
		     "'%s' stands for several signals: fold them into one value", text);
		snprintf(r->fault->help, sizeof r->fault->help,
		         "min(%s), max(), mean(), sum() or spread()", text);
		return -1;
	}
	int i = add(r, (enum expr_op)op, a, b, from);
	if (i >= 0)
		node(r, i)->is_test = true;
	return i;
}

static int
read_not(struct reader *r)
{
	size_t from = r->at;
	if (!is(r, "not"))
		return read_test(r);
	if (++r->depth > EXPR_DEPTH_MAX)
		return fail(r, from, 1, "nested deeper than %d", EXPR_DEPTH_MAX);
	take(r);
	int a = want_test(r, read_not(r));
	r->depth--;
	int i = a < 0 ? -1 : add(r, OP_NOT, a, -1, from);
	if (i >= 0)
		node(r, i)->is_test = true;
	return i;
}

static int
read_and(struct reader *r)
{
	size_t from = r->at;
	int a = read_not(r);
	while (a >= 0 && is(r, "and")) {
		take(r);
		int b = want_test(r, read_not(r));
		if (b < 0 || want_test(r, a) < 0)
			return -1;
		a = add(r, OP_AND, a, b, from);
		if (a >= 0)
			node(r, a)->is_test = true;
	}
	return a;
}

static int
read_or(struct reader *r)
{
	size_t from = r->at;
	int a = read_and(r);
	while (a >= 0 && is(r, "or")) {
		take(r);
		int b = want_test(r, read_and(r));
		if (b < 0 || want_test(r, a) < 0)
			return -1;
		a = add(r, OP_OR, a, b, from);
		if (a >= 0)
			node(r, a)->is_test = true;
	}
	return a;
}

static int
read_all(struct reader *r, enum expr_kind kind)
{
	look(r);
	int root = read_or(r);
	if (root < 0)
		return -1;
	if (r->length)
		return unexpected(r, "an operator");
	if (kind == EXPR_CONDITION)
		return want_test(r, root);
	root = want_value(r, root);
	if (root >= 0 && find_pattern(r, root) != -1)
		return fail(r, 0, strlen(r->text),
		            "a name with '*' stands for several signals: fold them into one value");
	return root;
}

int
expr_parse(const char *text, enum expr_kind kind, const struct runview *names, struct expr **ret,
           struct expr_fault *fault)
{
	struct reader r = { .names = names, .text = text, .fault = fault };
	if (strlen(text) >= EXPR_TEXT_MAX) {
		fail(&r, 0, 1, "longer than %d characters", EXPR_TEXT_MAX - 1);
		return ERR_INPUT;
	}
	r.e = calloc(1, sizeof *r.e);
	if (!r.e)
		return ERR_NOMEM;
	snprintf(r.e->text, sizeof r.e->text, "%s", text);
	r.e->root = read_all(&r, kind);
	if (r.e->root < 0) {
		expr_destroy(&r.e);
		return ERR_INPUT;
	}
	*ret = r.e;
	return 0;
}

void
expr_destroy(struct expr **e)
{
	free(*e);
	*e = NULL;
}

const char *
expr_text(const struct expr *e)
{
	return e->text;
}

enum unit
expr_unit(const struct expr *e)
{
	return e->nodes[e->root].unit;
}
