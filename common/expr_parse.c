/* From the text of an expression to its tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "expr_reader.h"
#include "signals.h"

static const struct {
	const char *name;
	enum expr_op op;
} calls[] = { { "min", OP_MIN }, { "max", OP_MAX },       { "mean", OP_MEAN },
	      { "sum", OP_SUM }, { "spread", OP_SPREAD }, { "abs", OP_ABS } };
enum { N_CALLS = sizeof calls / sizeof *calls };

static int read_or(struct expr_reader *);

static int
read_number(struct expr_reader *r)
{
	char text[64], why[UNIT_WHY_MAX];
	size_t from = r->at, length = r->length;
	double v = 0;
	if (length >= sizeof text)
		return expr_reader_fail(r, from, length, "too long for a number");
	memcpy(text, r->text + from, length);
	text[length] = '\0';
	unsigned u = 0;
	while (u < UNIT_END_ && unit_parse(text, (enum unit)u, &v, why))
		u++;
	if (u == UNIT_END_) {
		size_t digits = strspn(text, "0123456789.");
		return expr_reader_fail(r, from, length,
		                        "'%s': '%s' is not a unit (V A W Ohm F H s J %%)", text,
		                        text + digits);
	}
	expr_reader_take(r);
	int i = expr_reader_add(r, OP_NUMBER, -1, -1, from);
	if (i >= 0) {
		expr_reader_node(r, i)->value = v;
		expr_reader_node(r, i)->unit = u == UNIT_PERCENT ? UNIT_NONE : (enum unit)u;
	}
	return i;
}

/* Error texts of signals.h read "signal 'X': no ...; did you mean 'Y'?". */
static int
bad_signal(struct expr_reader *r, size_t from, size_t length, const struct err *err)
{
	const char *help = strstr(err->text, "; did you mean");
	size_t n = help ? (size_t)(help - err->text) : strlen(err->text);
	expr_reader_fail(r, from, length, "%.*s", (int)n, err->text);
	if (help)
		snprintf(r->fault->help, sizeof r->fault->help, "%s", help + 2);
	return -1;
}

static int
read_signal(struct expr_reader *r)
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
	expr_reader_take(r);
	int i = expr_reader_add(r, OP_SIGNAL, -1, -1, from);
	if (i >= 0)
		expr_reader_node(r, i)->unit = u;
	return i;
}

/* The signal with `*` below a node, not looking into folds; -2: two different ones. */
static int
find_pattern(struct expr_reader *r, int i)
{
	if (i < 0)
		return -1;
	const struct expr_node *n = expr_reader_node(r, i);
	if (n->op == OP_SIGNAL)
		return memchr(r->text + n->at, '*', n->length) ? i : -1;
	if (n->op >= OP_MIN && n->op <= OP_SPREAD)
		return -1;
	int a = find_pattern(r, n->left), b = find_pattern(r, n->right);
	if (a == -2 || b == -2)
		return -2;
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	const struct expr_node *p = expr_reader_node(r, a), *q = expr_reader_node(r, b);
	return p->length == q->length && !memcmp(r->text + p->at, r->text + q->at, p->length) ? a
	                                                                                      : -2;
}

static int
read_arguments(struct expr_reader *r, enum expr_op op, int *first)
{
	int last = -1;
	for (;;) {
		int i = expr_reader_want_value(r, read_or(r));
		if (i < 0)
			return -1;
		int p = op == OP_ABS ? -1 : find_pattern(r, i);
		if (p == -2)
			return expr_reader_fail(r, expr_reader_node(r, i)->at,
			                        expr_reader_node(r, i)->length,
			                        "two different names with '*' in one argument");
		expr_reader_node(r, i)->pattern = p;
		if (last < 0)
			*first = i;
		else if (expr_reader_same_unit(r, *first, i, "mixes"))
			return -1;
		else if (op == OP_ABS)
			return expr_reader_fail(r, expr_reader_node(r, i)->at,
			                        expr_reader_node(r, i)->length,
			                        "abs() takes one value");
		else
			expr_reader_node(r, last)->next = i;
		last = i;
		if (!expr_reader_is(r, ","))
			break;
		expr_reader_take(r);
	}
	if (!expr_reader_is(r, ")"))
		return expr_reader_unexpected(r, "')'");
	expr_reader_take(r);
	return 0;
}

static int
read_call(struct expr_reader *r)
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
	expr_reader_take(r);
	if (op < 0) {
		const char *near = diag_nearest(word, names, N_CALLS);
		expr_reader_fail(
			r, from, length,
			expr_reader_is(r, "(")
				? "there is no function '%.60s'"
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
	if (!expr_reader_is(r, "("))
		return expr_reader_unexpected(r, "'('");
	expr_reader_take(r);
	if (read_arguments(r, (enum expr_op)op, &first))
		return -1;
	int i = expr_reader_add(r, (enum expr_op)op, first, -1, from);
	if (i >= 0)
		expr_reader_node(r, i)->unit =
			op == OP_SPREAD ? UNIT_NONE : expr_reader_node(r, first)->unit;
	return i;
}

static int
read_factor(struct expr_reader *r)
{
	size_t from = r->at;
	if (expr_reader_is(r, "-")) {
		expr_reader_take(r);
		int i = expr_reader_want_value(r, read_factor(r));
		int n = i < 0 ? -1 : expr_reader_add(r, OP_NEGATE, i, -1, from);
		if (n >= 0)
			expr_reader_node(r, n)->unit = expr_reader_node(r, i)->unit;
		return n;
	}
	if (expr_reader_is(r, "(")) {
		if (++r->depth > EXPR_DEPTH_MAX)
			return expr_reader_fail(r, from, 1, "brackets nested deeper than %d",
			                        EXPR_DEPTH_MAX);
		expr_reader_take(r);
		int i = read_or(r);
		if (i >= 0 && !expr_reader_is(r, ")"))
			return expr_reader_unexpected(r, "')'");
		r->depth--;
		expr_reader_take(r);
		return i;
	}
	if (expr_reader_at_number(r))
		return read_number(r);
	if (expr_reader_at_word(r)) {
		if (expr_reader_is(r, "and") || expr_reader_is(r, "or") || expr_reader_is(r, "not"))
			return expr_reader_unexpected(r, "a value");
		if (memchr(r->text + from, '.', r->length))
			return read_signal(r);
		if (++r->depth > EXPR_DEPTH_MAX)
			return expr_reader_fail(r, from, 1, "brackets nested deeper than %d",
			                        EXPR_DEPTH_MAX);
		int i = read_call(r);
		r->depth--;
		return i;
	}
	return expr_reader_unexpected(r, "a value");
}

static int
read_term(struct expr_reader *r)
{
	size_t from = r->at;
	int a = read_factor(r);
	while (a >= 0 && (expr_reader_is(r, "*") || expr_reader_is(r, "/"))) {
		bool times = expr_reader_is(r, "*");
		expr_reader_take(r);
		int b = expr_reader_want_value(r, read_factor(r));
		if (b < 0 || expr_reader_want_value(r, a) < 0)
			return -1;
		int i = expr_reader_add(r, times ? OP_MUL : OP_DIV, a, b, from);
		if (i >= 0)
			expr_reader_node(r, i)->unit =
				times ? expr_reader_product(expr_reader_node(r, a)->unit,
			                                    expr_reader_node(r, b)->unit)
				      : expr_reader_quotient(expr_reader_node(r, a)->unit,
			                                     expr_reader_node(r, b)->unit);
		a = i;
	}
	return a;
}

static int
read_sum(struct expr_reader *r)
{
	size_t from = r->at;
	int a = read_term(r);
	while (a >= 0 && (expr_reader_is(r, "+") || expr_reader_is(r, "-"))) {
		bool plus = expr_reader_is(r, "+");
		expr_reader_take(r);
		int b = expr_reader_want_value(r, read_term(r));
		if (b < 0 || expr_reader_want_value(r, a) < 0 ||
		    expr_reader_same_unit(r, a, b, plus ? "adds" : "subtracts"))
			return -1;
		int i = expr_reader_add(r, plus ? OP_ADD : OP_SUB, a, b, from);
		if (i >= 0)
			expr_reader_node(r, i)->unit = expr_reader_node(r, a)->unit;
		a = i;
	}
	return a;
}

static int
comparison(const struct expr_reader *r)
{
	static const struct {
		const char *text;
		enum expr_op op;
	} ops[] = { { "<", OP_LT },  { "<=", OP_LE }, { ">", OP_GT },
		    { ">=", OP_GE }, { "==", OP_EQ }, { "!=", OP_NE } };
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (expr_reader_is(r, ops[i].text))
			return (int)ops[i].op;
	return -1;
}

static int
read_test(struct expr_reader *r)
{
	size_t from = r->at;
	int a = read_sum(r);
	int op = comparison(r);
	if (a >= 0 && expr_reader_is(r, "="))
		return expr_reader_fail(r, r->at, 1, "'=' compares nothing; write '=='");
	if (a < 0 || op < 0)
		return a;
	expr_reader_take(r);
	int b = expr_reader_want_value(r, read_sum(r));
	if (b < 0 || expr_reader_want_value(r, a) < 0 || expr_reader_same_unit(r, a, b, "compares"))
		return -1;
	if (comparison(r) >= 0)
		return expr_reader_fail(r, r->at, r->length,
		                        "two comparisons in a row; join them with 'and'");
	if (find_pattern(r, a) != -1 || find_pattern(r, b) != -1) {
		int p = find_pattern(r, a) != -1 ? a : b;
		char text[80];
		expr_span(r->e, p, text, sizeof text);
		expr_reader_fail(r, expr_reader_node(r, p)->at, expr_reader_node(r, p)->length,
		                 "'%s' stands for several signals: fold them into one value", text);
		snprintf(r->fault->help, sizeof r->fault->help,
		         "min(%s), max(), mean(), sum() or spread()", text);
		return -1;
	}
	int i = expr_reader_add(r, (enum expr_op)op, a, b, from);
	if (i >= 0)
		expr_reader_node(r, i)->is_test = true;
	return i;
}

static int
read_not(struct expr_reader *r)
{
	size_t from = r->at;
	if (!expr_reader_is(r, "not"))
		return read_test(r);
	if (++r->depth > EXPR_DEPTH_MAX)
		return expr_reader_fail(r, from, 1, "nested deeper than %d", EXPR_DEPTH_MAX);
	expr_reader_take(r);
	int a = expr_reader_want_test(r, read_not(r));
	r->depth--;
	int i = a < 0 ? -1 : expr_reader_add(r, OP_NOT, a, -1, from);
	if (i >= 0)
		expr_reader_node(r, i)->is_test = true;
	return i;
}

static int
read_and(struct expr_reader *r)
{
	size_t from = r->at;
	int a = read_not(r);
	while (a >= 0 && expr_reader_is(r, "and")) {
		expr_reader_take(r);
		int b = expr_reader_want_test(r, read_not(r));
		if (b < 0 || expr_reader_want_test(r, a) < 0)
			return -1;
		a = expr_reader_add(r, OP_AND, a, b, from);
		if (a >= 0)
			expr_reader_node(r, a)->is_test = true;
	}
	return a;
}

static int
read_or(struct expr_reader *r)
{
	size_t from = r->at;
	int a = read_and(r);
	while (a >= 0 && expr_reader_is(r, "or")) {
		expr_reader_take(r);
		int b = expr_reader_want_test(r, read_and(r));
		if (b < 0 || expr_reader_want_test(r, a) < 0)
			return -1;
		a = expr_reader_add(r, OP_OR, a, b, from);
		if (a >= 0)
			expr_reader_node(r, a)->is_test = true;
	}
	return a;
}

static int
read_all(struct expr_reader *r, enum expr_kind kind)
{
	expr_reader_look(r);
	int root = read_or(r);
	if (root < 0)
		return -1;
	if (r->length)
		return expr_reader_unexpected(r, "an operator");
	if (kind == EXPR_CONDITION)
		return expr_reader_want_test(r, root);
	root = expr_reader_want_value(r, root);
	if (root >= 0 && find_pattern(r, root) != -1)
		return expr_reader_fail(
			r, 0, strlen(r->text),
			"a name with '*' stands for several signals: fold them into one value");
	return root;
}

int
expr_parse(const char *text, enum expr_kind kind, const struct runview *names, struct expr **ret,
           struct expr_fault *fault)
{
	struct expr_reader r = { .names = names, .text = text, .fault = fault };
	if (strlen(text) >= EXPR_TEXT_MAX) {
		expr_reader_fail(&r, 0, 1, "longer than %d characters", EXPR_TEXT_MAX - 1);
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
