/*
 * Expressions over signals: grammar, units, places of errors, and what a comparison says about
 * intervals, against numbers that were put into a recorder by hand.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "expr.h"
#include "rec.h"
#include "topo.h"

static struct topo *topo;
static struct rec *recs[4];
static struct runview *view;

static const char mesh[] = "voltloom: 1\n"
			   "mesh: { name: pair }\n"
			   "nodes:\n"
			   "  - { id: n1, feed: { i_rated: 10A } }\n"
			   "  - { id: n-2, feed: { i_rated: 10A } }\n"
			   "links:\n"
			   "  - { id: l1, between: [n1, n-2] }\n";

/* Frames 0..3 of n1; n-2 lives from frame 0 to 1 only. v, v_min, v_max, loading, state, i. */
static const double n1_rows[4][6] = { { 48, 47, 49, 0.4, 2, 5 },
	                              { 46, 45, 47, 0.4, 2, -7 },
	                              { 44, 43, 45, 0.5, 0, 3 },
	                              { 50, 50, 50, 0.0, 0, 0 } };
static const double n2_rows[2][6] = { { 40, 39, 41, 0.6, 2, -5 }, { 42, 42, 42, 0.4, 2, 7 } };

static void
record(struct rec **r, const char *id, const double rows[][6], size_t n)
{
	static const char *const names[] = { "v",       "v_min",         "v_max",
		                             "loading", "link.l1.state", "link.l1.i" };
	struct rec_field f[6];
	struct err err = ERR_INIT;
	memset(f, 0, sizeof f);
	for (int i = 0; i < 6; i++) {
		snprintf(f[i].name, sizeof f[i].name, "%s", names[i]);
		f[i].type = 'f';
	}
	struct rec_head h = { .kind = "node",
		              .mesh = "pair",
		              .incarnation = 1,
		              .substeps = topo->substeps,
		              .port_period = topo->port_period,
		              .step_ns = topo->step_ns };
	snprintf(h.id, sizeof h.id, "%s", id);
	memcpy(h.topo_hash, topo->hash, sizeof h.topo_hash);
	ck_assert_msg(rec_create(NULL, &h, f, 6, 0, r, &err) == 0, "%s", err.text);
	for (size_t k = 0; k < n; k++) {
		union rec_word *w = rec_next(*r);
		for (int i = 0; i < 6; i++)
			w[i].f = rows[k][i];
		ck_assert_int_eq(rec_commit(*r, &err), 0);
	}
}

static void
setup(void)
{
	char path[] = "/tmp/vl-expr-XXXXXX";
	int fd = mkstemp(path);
	struct diag_list l;
	struct err err = ERR_INIT;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, mesh, strlen(mesh)), (int)strlen(mesh));
	close(fd);
	diag_list_init(&l);
	ck_assert_msg(topo_load(path, &l, &topo, &err) == 0, "%s", err.text);
	diag_list_free(&l);
	unlink(path);
	record(&recs[0], "n1", n1_rows, 4);
	record(&recs[1], "n-2", n2_rows, 2);
	ck_assert_msg(runview_of(topo, recs, 2, &view, &err) == 0, "%s", err.text);
}

static void
teardown(void)
{
	runview_close(&view);
	rec_destroy(&recs[0]);
	rec_destroy(&recs[1]);
	topo_destroy(&topo);
}

static struct expr *
parsed(const char *text, enum expr_kind kind)
{
	struct expr *e = NULL;
	struct expr_fault fault = { 0 };
	ck_assert_msg(expr_parse(text, kind, view, &e, &fault) == 0, "%s: %zu: %s", text, fault.at,
	              fault.text);
	return e;
}

/* The figure at frame k, as "lo..hi", or "none". */
static const char *
figure(const char *text, int64_t k)
{
	static char buf[64];
	struct expr *e = parsed(text, EXPR_FIGURE);
	struct expr_eval *v = NULL;
	double lo, hi;
	ck_assert_int_eq(expr_bind(e, view, &v, NULL), 0);
	if (expr_figure(v, k, &lo, &hi))
		snprintf(buf, sizeof buf, "%.9g..%.9g", lo, hi);
	else
		snprintf(buf, sizeof buf, "none");
	expr_unbind(&v);
	expr_destroy(&e);
	return buf;
}

static char who[64]; /* of the last sample */

static struct expr_sample
sample(const char *text, int64_t k, bool negated)
{
	struct expr *e = parsed(text, EXPR_CONDITION);
	struct expr_eval *v = NULL;
	struct expr_sample s;
	ck_assert_int_eq(expr_bind(e, view, &v, NULL), 0);
	expr_test(v, k, negated, &s);
	snprintf(who, sizeof who, "%s", s.who ? s.who : "");
	expr_unbind(&v);
	expr_destroy(&e);
	return s;
}

#define FIGURE(text, k, want) ck_assert_str_eq(figure(text, k), want)
#define TRUTH(text, k, want) ck_assert_int_eq((int)sample(text, k, false).truth, want)

START_TEST(numbers)
{
	FIGURE("1V + 2V * 3", 0, "7..7");
	FIGURE("(1V + 2V) * 3", 0, "9..9");
	FIGURE("10V - 2V - 3V", 0, "5..5");
	FIGURE("8V / 2 / 2", 0, "2..2");
	FIGURE("-3mV", 0, "-0.003..-0.003");
	FIGURE("2V * 3A + 1W", 0, "7..7");
	FIGURE("50% + 0.25", 0, "0.75..0.75");
	FIGURE("1V / 0", 0, "none");
	FIGURE("max(3, 1, 2) - min(3, 1, 2)", 0, "2..2");
}
END_TEST

START_TEST(intervals)
{
	FIGURE("node.n1.v", 0, "47..49");
	FIGURE("node.n-2.v", 0, "39..41");
	FIGURE("node.n1.v - node.n-2.v", 0, "6..10");
	FIGURE("node.n1.v_min", 0, "47..47");
	FIGURE("-node.n1.v", 0, "-49..-47");
	FIGURE("abs(node.n1.v - 48V)", 0, "0..1");
	FIGURE("feed.n1.loading", 0, "0.4..0.4");
	FIGURE("node.n1.v * 2", 0, "94..98");
	FIGURE("100V / (node.n1.v - 46V)", 0, "33.3333333..100");
	FIGURE("100V / (node.n1.v - 48V)", 0, "none"); /* the divisor goes through 0 */
	/* The link's current is (i_a - i_b)/2, from n1 to n-2. */
	FIGURE("link.l1.i", 0, "5..5");
	FIGURE("link.l1.i", 1, "-7..-7");
}
END_TEST

START_TEST(folds)
{
	FIGURE("min(node.*.v)", 0, "39..41");
	FIGURE("max(node.*.v)", 0, "47..49");
	FIGURE("sum(node.*.v)", 0, "86..90");
	FIGURE("mean(node.*.v)", 0, "43..45");
	FIGURE("spread(feed.*.loading)", 0, "0.4..0.4"); /* (0.6 - 0.4)/0.5 */
	FIGURE("spread(feed.*.loading)", 1, "0..0");
	FIGURE("spread(feed.n1.loading)", 3, "0..0");
	/* A dead node is left out, and of the open link there is no current. */
	FIGURE("min(node.*.v)", 2, "43..45");
	FIGURE("node.n-2.v", 2, "none");
	FIGURE("max(node.n-*.v)", 2, "none");
	FIGURE("max(link.*.i)", 2, "none");
	FIGURE("max(link.*.open)", 2, "1..1");
	/* A fold goes through its argument for each match. */
	FIGURE("max(abs(node.*.v - 45V))", 0, "4..6");
	FIGURE("sum(node.*.v * 2, 1V)", 0, "173..181");
	FIGURE("max(min(node.*.v), 42V)", 0, "42..42");
}
END_TEST

START_TEST(truths)
{
	TRUTH("node.n1.v >= 47V", 0, EXPR_TRUE);
	TRUTH("node.n1.v > 47V", 0, EXPR_MAYBE);
	TRUTH("node.n1.v >= 48V", 0, EXPR_MAYBE);
	TRUTH("node.n1.v >= 49.1V", 0, EXPR_FALSE);
	TRUTH("node.n1.v > 49V", 0, EXPR_FALSE);
	TRUTH("47V <= node.n1.v", 0, EXPR_TRUE);
	TRUTH("node.n1.v < 49V", 0, EXPR_MAYBE);
	TRUTH("node.n1.v <= 49V", 0, EXPR_TRUE);
	TRUTH("node.n1.v == 48V", 0, EXPR_MAYBE);
	TRUTH("node.n1.v == 50V", 3, EXPR_TRUE);
	TRUTH("node.n1.v != 50V", 3, EXPR_FALSE);
	TRUTH("node.n1.v != 46V", 0, EXPR_TRUE);
	TRUTH("node.n-2.v > 1V", 2, EXPR_NONE);
	TRUTH("not node.n1.v >= 49.1V", 0, EXPR_TRUE);
	TRUTH("not (node.n1.v >= 48V)", 0, EXPR_MAYBE);
	TRUTH("not node.n-2.v > 1V", 2, EXPR_NONE);
}
END_TEST

START_TEST(logic)
{
	static const struct {
		const char *text;
		int value;
	} leaf[] = { { "node.n1.v >= 1V", EXPR_TRUE },
		     { "node.n1.v >= 99V", EXPR_FALSE },
		     { "node.n1.v >= 44V", EXPR_MAYBE },
		     { "node.n-2.v >= 1V", EXPR_NONE } };
	/* Kleene at frame 2; without a sample the result is open unless the other side decides. */
	for (int a = 0; a < 4; a++) {
		for (int b = 0; b < 4; b++) {
			char text[100];
			int x = leaf[a].value, y = leaf[b].value, want;
			snprintf(text, sizeof text, "%s and %s", leaf[a].text, leaf[b].text);
			want = x == EXPR_FALSE || y == EXPR_FALSE   ? EXPR_FALSE
			       : x == EXPR_NONE || y == EXPR_NONE   ? EXPR_NONE
			       : x == EXPR_MAYBE || y == EXPR_MAYBE ? EXPR_MAYBE
			                                            : EXPR_TRUE;
			TRUTH(text, 2, want);
			snprintf(text, sizeof text, "%s or %s", leaf[a].text, leaf[b].text);
			want = x == EXPR_TRUE || y == EXPR_TRUE     ? EXPR_TRUE
			       : x == EXPR_NONE || y == EXPR_NONE   ? EXPR_NONE
			       : x == EXPR_MAYBE || y == EXPR_MAYBE ? EXPR_MAYBE
			                                            : EXPR_FALSE;
			TRUTH(text, 2, want);
		}
	}
	/* `and` binds closer than `or`. */
	TRUTH("1 == 1 or 1 == 2 and 1 == 2", 0, EXPR_TRUE);
	TRUTH("(1 == 1 or 1 == 2) and 1 == 2", 0, EXPR_FALSE);
}
END_TEST

START_TEST(observed)
{
	struct expr_sample s = sample("min(node.*.v) >= 45V", 0, false);
	ck_assert_double_eq(s.observed, 39);
	ck_assert_double_eq(s.bound, 45);
	ck_assert_double_eq(s.margin, -6);
	ck_assert_str_eq(s.op, ">=");
	ck_assert_str_eq(who, "node.n-2.v");
	ck_assert_int_eq((int)s.unit, UNIT_VOLT);
	/* Of two bounds the one that is broken is shown; the constant is the bound on either side.
	 */
	s = sample("max(node.*.v) <= 60V and 45V <= min(node.*.v)", 0, false);
	ck_assert_double_eq(s.observed, 39);
	ck_assert_str_eq(s.op, ">=");
	/* never X is: not X always; the worse end is the other one. */
	s = sample("node.n1.v > 48V", 0, true);
	ck_assert_int_eq((int)s.truth, EXPR_MAYBE);
	ck_assert_double_eq(s.observed, 49);
	ck_assert_str_eq(s.op, "<=");
}
END_TEST

START_TEST(bounds)
{
	struct expr *e =
		parsed("min(node.*.v) >= 45V and max(node.n1.v) <= 50V and 1 == 1", EXPR_CONDITION);
	double lo, hi;
	ck_assert(expr_bounds(e, false, "node.", ".v", &lo, &hi));
	ck_assert_double_eq(lo, 45);
	ck_assert_double_eq(hi, 50);
	ck_assert(!expr_bounds(e, false, "link.", ".i", &lo, &hi));
	expr_destroy(&e);
	e = parsed("max(abs(link.*.i)) > 80A", EXPR_CONDITION);
	ck_assert(expr_bounds(e, true, "link.", ".i", &lo, &hi));
	ck_assert_double_eq(lo, -80);
	ck_assert_double_eq(hi, 80);
	expr_destroy(&e);
}
END_TEST

/* Text, place, and words that the message and its help hold. */
static const struct {
	const char *text;
	enum expr_kind kind;
	size_t at, length;
	const char *says, *help;
} bad[] = {
	{ "", EXPR_CONDITION, 0, 1, "ends where a value is wanted", "" },
	{ "min(node.*.v) >= 45", EXPR_CONDITION, 17, 2, "'45' has no unit", "" },
	{ "min(node.*.v) >= 45A", EXPR_CONDITION, 17, 3, "compares a voltage with a current", "" },
	{ "min(node.*.v) >= 45X", EXPR_CONDITION, 17, 3, "'X' is not a unit", "" },
	{ "min(node.*.v_mim) >= 45V", EXPR_CONDITION, 4, 12, "no quantity 'v_mim'",
	  "did you mean 'v_min'?" },
	{ "min(node.n9.v) >= 45V", EXPR_CONDITION, 4, 9, "no node 'n9'", "did you mean 'n1'?" },
	{ "min(nodes.*.v) >= 45V", EXPR_CONDITION, 4, 9, "no group 'nodes'",
	  "did you mean 'node'?" },
	{ "mim(node.*.v) >= 45V", EXPR_CONDITION, 0, 3, "no function 'mim'",
	  "did you mean 'min'?" },
	{ "voltage >= 45V", EXPR_CONDITION, 0, 7, "neither a number nor a signal", "functions:" },
	{ "node.*.v >= 45V", EXPR_CONDITION, 0, 8, "stands for several signals", "min(node.*.v)" },
	{ "node.n1.v", EXPR_CONDITION, 0, 9, "is a value, not a condition", "" },
	{ "node.n1.v >= 1V", EXPR_FIGURE, 0, 15, "a condition stands where a value", "" },
	{ "node.n1.v = 1V", EXPR_CONDITION, 10, 1, "write '=='", "" },
	{ "1V < node.n1.v < 2V", EXPR_CONDITION, 15, 1, "two comparisons in a row", "" },
	{ "(node.n1.v >= 1V", EXPR_CONDITION, 16, 1, "ends where ')' is wanted", "" },
	{ "node.n1.v >= 1V and", EXPR_CONDITION, 19, 1, "ends where a value is wanted", "" },
	{ "node.n1.v >= 1V 2V", EXPR_CONDITION, 16, 2, "where an operator is wanted", "" },
	{ "node.n1.v >= 1V ; 2V", EXPR_CONDITION, 16, 1, "';' where an operator is wanted", "" },
	{ "node.n1.v + 1A >= 1V", EXPR_CONDITION, 12, 2, "adds a voltage and a current", "" },
	{ "min() >= 1V", EXPR_CONDITION, 4, 1, "')' where a value is wanted", "" },
	{ "max(node.*.v - node.n-*.v) > 1V", EXPR_CONDITION, 4, 21, "two different names", "" },
	{ "min(node.*.v, feed.*.loading) > 1V", EXPR_CONDITION, 14, 14, "mixes a voltage", "" },
	{ "sum(node.*.v) and 1 == 1", EXPR_CONDITION, 0, 13, "is a value, not a condition", "" },
};

START_TEST(errors)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct expr *e = NULL;
		struct expr_fault f = { 0 };
		int rc = expr_parse(bad[i].text, bad[i].kind, view, &e, &f);
		ck_assert_msg(rc == ERR_INPUT && !e, "%s is accepted", bad[i].text);
		ck_assert_msg(strstr(f.text, bad[i].says) != NULL, "%s: %s", bad[i].text, f.text);
		ck_assert_msg(strstr(f.help, bad[i].help) != NULL, "%s: help: %s", bad[i].text,
		              f.help);
		ck_assert_msg(f.at == bad[i].at && f.length == bad[i].length, "%s: %zu+%zu",
		              bad[i].text, f.at, f.length);
	}
}
END_TEST

START_TEST(limits)
{
	char text[2 * EXPR_TEXT_MAX];
	struct expr *e = NULL;
	struct expr_fault f = { 0 };
	memset(text, '(', sizeof text);
	text[EXPR_TEXT_MAX - 1] = '\0';
	ck_assert_int_eq(expr_parse(text, EXPR_CONDITION, view, &e, &f), ERR_INPUT);
	ck_assert_msg(strstr(f.text, "nested") != NULL, "%s", f.text);
	memset(text, '-', sizeof text);
	text[EXPR_TEXT_MAX - 1] = '\0';
	ck_assert_int_eq(expr_parse(text, EXPR_CONDITION, view, &e, &f), ERR_INPUT);
	memset(text, ' ', sizeof text);
	text[sizeof text - 1] = '\0';
	ck_assert_int_eq(expr_parse(text, EXPR_CONDITION, view, &e, &f), ERR_INPUT);
	ck_assert_msg(strstr(f.text, "longer than") != NULL, "%s", f.text);
	strcpy(text, "1");
	for (int i = 0; i < EXPR_NODES_MAX / 2; i++)
		strcat(text, "+1");
	strcat(text, "> 1");
	ck_assert_int_eq(expr_parse(text, EXPR_CONDITION, view, &e, &f), ERR_INPUT);
	ck_assert_msg(strstr(f.text, "more than") != NULL, "%s", f.text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("expr");
	TCase *c = tcase_create("expr");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, numbers);
	tcase_add_test(c, intervals);
	tcase_add_test(c, folds);
	tcase_add_test(c, truths);
	tcase_add_test(c, logic);
	tcase_add_test(c, observed);
	tcase_add_test(c, bounds);
	tcase_add_test(c, errors);
	tcase_add_test(c, limits);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
