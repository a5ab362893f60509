/* Which limits of links feeds can hold, by the load flow: closed forms, feeds at their own limits,
 * what cannot be held, islands. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "plan_limit.h"
#include "tests/support/mesh_text.h"

static struct topo *t;
static struct steady *s;
static struct plan_limit *p;
static struct plan_limit_result r;

static void
setup(void)
{
	t = NULL;
	s = NULL;
	p = NULL;
}

static void
teardown(void)
{
	plan_limit_destroy(&p);
	steady_destroy(&s);
	topo_destroy(&t);
}

static void
plan(const char *text, enum loadflow_fault fault, uint32_t index)
{
	struct err err = ERR_INIT;
	struct loadflow_verdict v;

	teardown();
	t = mesh_text(text);
	ck_assert_int_eq(steady_create(t, &s, &err), 0);
	ck_assert_int_eq(plan_limit_create(t, &p, &err), 0);
	steady_solve(s, fault, index, &v);
	ck_assert_msg(plan_limit_solve(p, s, &r, &err) == 0, "%s", err.text);
}

#define PATH(feed_c, limit)                                                                        \
	"voltloom: 1\nmesh: { name: m }\nnodes:\n"                                                 \
	"  - { id: a, feed: { i_rated: 30A }, load: [[0s, 200W, 0s]] }\n"                          \
	"  - { id: b, load: [[0s, 900W, 0s]] }\n"                                                  \
	"  - { id: c, feed: { " feed_c " }, load: [[0s, 100W, 0s]] }\n"                \
	"links:\n  - { id: ab, between: [a, b], limit: " limit " }\n"                              \
	"  - { id: bc, between: [b, c] }\n"

START_TEST(path)
{
	/* Feed a gives the limit and its own load, feed c the rest (Kirchhoff). */
	plan(PATH("i_rated: 20A", "8A"), LOADFLOW_BASE, 0);
	const double *a = plan_limit_feed_a(p);
	ck_assert(r.n_over == 1 && r.n_unheld == 0 && r.link == 0);
	ck_assert_double_gt(r.before_a, 9);
	ck_assert_double_eq_tol(r.after_a, 8, 1e-5);
	ck_assert_double_eq_tol(a[0], 8 + 200 / 48.0, 0.01);
	ck_assert_double_eq_tol(a[0] + a[2], 1200 / 48.0, 0.05);
	ck_assert_double_eq_tol(r.loading, a[2] / 20, 1e-6);
	/* Nothing over: nothing planned. */
	plan(PATH("i_rated: 20A", "20A"), LOADFLOW_BASE, 0);
	ck_assert(r.n_over == 0 && r.n_unheld == 0);
	ck_assert_double_eq(plan_limit_feed_a(p)[0], s->flow->feed_a[0]);
}
END_TEST

START_TEST(feed_at_its_limit)
{
	/* Feed c may give 11 A: (100 + 900) W/48 V - 11 A = 9.83 A remain for the link of 8 A. */
	plan(PATH("i_rated: 10A, i_max: 11A", "8A"), LOADFLOW_BASE, 0);
	ck_assert(r.n_over == 1 && r.n_unheld == 1);
	ck_assert_double_eq_tol(plan_limit_feed_a(p)[2], 11, 1e-3);
	ck_assert_double_eq_tol(r.after_a, 1000 / 48.0 - 11, 0.02);
	/* 13 A are enough: 12.83 A are wanted. */
	plan(PATH("i_rated: 11A, i_max: 13A", "8A"), LOADFLOW_BASE, 0);
	ck_assert(r.n_over == 1 && r.n_unheld == 0);
}
END_TEST

START_TEST(one_feed)
{
	/* Feed c lost: nothing can be moved. */
	plan(PATH("i_rated: 20A", "8A"), LOADFLOW_FEED, 2);
	ck_assert(r.n_over == 1 && r.n_unheld == 1);
	ck_assert_double_eq_tol(r.after_a, r.before_a, 1e-6);
	ck_assert_double_eq_tol(r.after_a, 1000 / 48.0, 0.1);
	/* Without node b it carries nothing. */
	plan(PATH("i_rated: 20A", "8A"), LOADFLOW_NODE, 1);
	ck_assert(r.n_over == 0);
}
END_TEST

START_TEST(islands)
{
	/* Two paths that know nothing of each other: only the feeds of the first are moved. */
	plan("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	     "  - { id: a, feed: { i_rated: 30A } }\n"
	     "  - { id: b, feed: { i_rated: 30A }, load: [[0s, 960W, 0s]] }\n"
	     "  - { id: c, feed: { i_rated: 30A } }\n"
	     "  - { id: d, feed: { i_rated: 30A }, load: [[0s, 480W, 0s]] }\n"
	     "links:\n  - { id: ba, between: [b, a], limit: 6A }\n"
	     "  - { id: cd, between: [c, d], limit: 6A }\n",
	     LOADFLOW_BASE, 0);
	const double *a = plan_limit_feed_a(p);
	ck_assert(r.n_over == 1 && r.n_unheld == 0 && r.link == 0);
	ck_assert_double_eq_tol(r.before_a, -10, 0.1);
	ck_assert_double_eq_tol(r.after_a, -6, 1e-5);
	ck_assert_double_eq_tol(a[0], 6, 1e-3);
	ck_assert_double_eq_tol(a[2], s->flow->feed_a[2], 1e-6);
	ck_assert_double_eq_tol(a[3], s->flow->feed_a[3], 1e-6);
}
END_TEST

START_TEST(several)
{
	/* A square with feeds at all corners and all the load at one: both of its links at 5 A, so its
	 * own feed gives the load less 10 A. Both prices end at it: p is the same at the other three (but
	 * for the leak), which share the 10 A equally. */
	plan("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	     "  - { id: a, feed: { i_rated: 30A }, load: [[0s, 1200W, 0s]] }\n"
	     "  - { id: b, feed: { i_rated: 30A } }\n  - { id: c, feed: { i_rated: 30A } }\n"
	     "  - { id: d, feed: { i_rated: 30A } }\n"
	     "links:\n  - { id: ab, between: [a, b], limit: 5A }\n"
	     "  - { id: bc, between: [b, c] }\n  - { id: cd, between: [c, d] }\n"
	     "  - { id: da, between: [d, a], limit: 5A }\n",
	     LOADFLOW_BASE, 0);
	const double *a = plan_limit_feed_a(p);
	ck_assert(r.n_over == 2 && r.n_unheld == 0);
	ck_assert_double_eq_tol(fabs(r.after_a), 5, 1e-4);
	ck_assert_double_eq_tol(a[0], 1200 / 48.0 - 10, 0.1);
	for (size_t i = 1; i < 4; i++)
		ck_assert_double_eq_tol(a[i], 10.0 / 3, 2e-3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("plan_limit");
	TCase *c = tcase_create("plan_limit");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, path);
	tcase_add_test(c, feed_at_its_limit);
	tcase_add_test(c, one_feed);
	tcase_add_test(c, islands);
	tcase_add_test(c, several);
	suite_add_tcase(suite, c);
	SRunner *sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
