/* Tokens, nodes and units of an expression that is being read. */
#include "expr_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
expr_reader_fail(struct expr_reader *r, size_t at, size_t length, const char *fmt, ...)
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
void
expr_reader_look(struct expr_reader *r)
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

void
expr_reader_take(struct expr_reader *r)
{
	r->at += r->length;
	expr_reader_look(r);
}

bool
expr_reader_is(const struct expr_reader *r, const char *token)
{
	return r->length && strlen(token) == r->length &&
	       !strncmp(r->text + r->at, token, r->length);
}

bool
expr_reader_at_number(const struct expr_reader *r)
{
	return r->length && is_digit(r->text[r->at]);
}

bool
expr_reader_at_word(const struct expr_reader *r)
{
	return r->length && is_letter(r->text[r->at]);
}

int
expr_reader_unexpected(struct expr_reader *r, const char *wanted)
{
	if (!r->length)
		return expr_reader_fail(r, strlen(r->text), 1,
		                        "the expression ends where %s is wanted", wanted);
	return expr_reader_fail(r, r->at, r->length, "'%.*s' where %s is wanted",
	                        (int)(r->length < 60 ? r->length : 60), r->text + r->at, wanted);
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

int
expr_reader_add(struct expr_reader *r, enum expr_op op, int left, int right, size_t from)
{
	struct expr *e = r->e;
	if (e->n == EXPR_NODES_MAX)
		return expr_reader_fail(r, from, 1, "more than %d numbers, names and operators",
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

struct expr_node *
expr_reader_node(struct expr_reader *r, int i)
{
	return &r->e->nodes[i];
}

void
expr_span(const struct expr *e, int i, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)e->nodes[i].length, e->text + e->nodes[i].at);
}

int
expr_reader_want_value(struct expr_reader *r, int i)
{
	if (i >= 0 && expr_reader_node(r, i)->is_test)
		return expr_reader_fail(r, expr_reader_node(r, i)->at,
		                        expr_reader_node(r, i)->length,
		                        "a condition stands where a value is wanted");
	return i;
}

int
expr_reader_want_test(struct expr_reader *r, int i)
{
	if (i >= 0 && !expr_reader_node(r, i)->is_test) {
		char text[60];
		expr_span(r->e, i, text, sizeof text);
		return expr_reader_fail(
			r, expr_reader_node(r, i)->at, expr_reader_node(r, i)->length,
			"'%s' is a value, not a condition: compare it with a bound", text);
	}
	return i;
}

/* Both sides of a sum or comparison are of one quantity. */
int
expr_reader_same_unit(struct expr_reader *r, int a, int b, const char *what)
{
	enum unit u = expr_reader_node(r, a)->unit, w = expr_reader_node(r, b)->unit;
	if (u == w || u == EXPR_MIXED || w == EXPR_MIXED)
		return 0;
	int bare = w == UNIT_NONE && expr_reader_node(r, b)->op == OP_NUMBER   ? b
	           : u == UNIT_NONE && expr_reader_node(r, a)->op == OP_NUMBER ? a
	                                                                       : -1;
	if (bare >= 0) {
		enum unit wanted = bare == b ? u : w;
		char text[40];
		expr_span(r->e, bare, text, sizeof text);
		return expr_reader_fail(r, expr_reader_node(r, bare)->at,
		                        expr_reader_node(r, bare)->length,
		                        "'%s' has no unit: %s is wanted, like %s%s", text,
		                        unit_quantity(wanted), text, unit_symbol(wanted));
	}
	return expr_reader_fail(r, expr_reader_node(r, b)->at, expr_reader_node(r, b)->length,
	                        "%s %s %s %s", what, unit_quantity(u),
	                        strcmp(what, "compares") ? "and" : "with", unit_quantity(w));
}

enum unit
expr_reader_product(enum unit a, enum unit b)
{
	if (a == UNIT_NONE || b == UNIT_NONE)
		return a == UNIT_NONE ? b : a;
	if ((a == UNIT_VOLT && b == UNIT_AMPERE) || (a == UNIT_AMPERE && b == UNIT_VOLT))
		return UNIT_WATT;
	if ((a == UNIT_WATT && b == UNIT_SECOND) || (a == UNIT_SECOND && b == UNIT_WATT))
		return UNIT_JOULE;
	return EXPR_MIXED;
}

enum unit
expr_reader_quotient(enum unit a, enum unit b)
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
