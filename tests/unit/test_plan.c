/* What `plan` says: hold-up times, kappa, single failures, in text and JSON. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

static struct topo *t;

static void
load(const char *name)
{
	char path[4300];
	const char *src = getenv("VL_SRC");
	struct diag_list d;
	struct err err = ERR_INIT;
	diag_list_init(&d);
	snprintf(path, sizeof path, "%s/topologies/%s.yaml", src ? src : ".", name);
	ck_assert_msg(topo_load(path, &d, &t, &err) == 0, "%s", err.text);
	diag_list_free(&d);
}

static void
setup(void)
{
	t = NULL;
}

static void
teardown(void)
{
	topo_destroy(&t);
}

START_TEST(holdup)
{
	struct node_params p = { .c_bus_f = 0.02, .has_sc = true, .c_sc_f = 1, .r_sc_ohm = 0.02 };
	/* 1 kW: the supercapacitor ends at 43.2 + 1000 x 0.02/43.2 = 43.66296 V:
	 * [0.02 (2304 - 1866.24) + (2304 - 1906.4544)]/2000 = 0.203150 s. */
	ck_assert_double_eq_tol(plan_holdup_s(&p, 1000), 0.203150, 1e-6);
	/* Integrated instead: discharge C_b and C_sc behind its ESR at constant power in small
	 * steps. */
	double vb = 48, vs = 48, s = 0, dt = 1e-6;
	while (vb > 43.2) {
		double i = (vs - vb) / p.r_sc_ohm;
		vs -= i * dt / p.c_sc_f;
		vb += (i - 1000 / vb) * dt / p.c_bus_f;
		s += dt;
	}
	/* The formula leaves out what the ESR burns. */
	ck_assert_double_eq_tol(plan_holdup_s(&p, 1000), s, 0.015 * s);
	p.has_sc = false;
	ck_assert_double_eq_tol(plan_holdup_s(&p, 1000), 0.02 * (2304 - 1866.24) / 2000, 1e-12);
	ck_assert(isinf(plan_holdup_s(&p, 0)));
	/* So much power that the ESR alone drops the bus below the limit: nothing from it. */
	p.has_sc = true;
	ck_assert_double_eq_tol(plan_holdup_s(&p, 20000), 0.02 * (2304 - 1866.24) / 40000, 1e-12);
}
END_TEST

START_TEST(rack8)
{
	struct plan *p = NULL;
	struct err err = ERR_INIT;
	load("rack8");
	ck_assert_int_eq(plan_create(t, &p, &err), 0);
	ck_assert_uint_eq(p->n_faults, 8 + 12 + 3);
	ck_assert_uint_eq(p->n_not_carried, 0);
	for (size_t i = 0; i < p->n_faults; i++) {
		ck_assert(p->faults[i].verdict.v_min_v >= 45);
		ck_assert(p->faults[i].verdict.loading <= 1.1);
	}
	for (size_t i = 0; i < t->n_nodes;
	     i++) /* two lines of 2 uH and one of 4 uH at 100 us on 20 mF */
		ck_assert_double_eq_tol(p->nodes[i].kappa, (2 * 2.5e-3 + 1.25e-3) / 20e-3, 1e-12);
	plan_destroy(&p);
}
END_TEST

START_TEST(pair)
{
	/* A mesh without redundancy: every single failure is named. */
	char *text = NULL;
	size_t size;
	struct err err = ERR_INIT;
	load("pair");
	FILE *f = open_memstream(&text, &size);
	ck_assert_int_eq(plan_print(t, f, &err), 0);
	fclose(f);
	ck_assert_ptr_nonnull(
		strstr(text, "\nwithout node n1: cannot be supplied: no feed reaches node n2\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nwithout node n2: module m1 loses its only input\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\nwithout link l1: cannot be supplied: no feed reaches node n2\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "\nwithout feed n1: cannot be supplied: no feed reaches node n2\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nsingle failures: 0 of 4 carried\n"));
	free(text);
}
END_TEST

START_TEST(json)
{
	char *text = NULL;
	size_t size;
	struct err err = ERR_INIT;
	load("tri3");
	FILE *f = open_memstream(&text, &size);
	ck_assert_int_eq(plan_json(t, f, &err), 0);
	fclose(f);
	int depth = 0;
	for (const char *p = text; *p; p++) { /* no text in it holds a bracket */
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		ck_assert(depth > 0 || p[1] == '\n' || p[1] == '\0');
	}
	ck_assert_int_eq(depth, 0);
	ck_assert_ptr_nonnull(strstr(text, "\"mesh\":\"tri3\""));
	ck_assert_ptr_nonnull(strstr(text, "\"kind\":\"feed\",\"id\":\"n3\",\"carried\":true"));
	free(text);
}
END_TEST

START_TEST(validate)
{
	struct diag_list d;
	struct err err = ERR_INIT;
	diag_list_init(&d);
	load("rack8");
	ck_assert_int_eq(plan_check(t, &d, &err), 0);
	ck_assert_uint_eq(d.n, 0);
	for (size_t i = 0; i < t->n_nodes; i++) /* ten times weaker feeds */
		t->nodes[i].p.feed.i_max_a /= 10;
	ck_assert_int_eq(plan_check(t, &d, &err), 0);
	ck_assert_uint_eq(d.n, 1);
	ck_assert_ptr_nonnull(
		strstr(d.d[0].text, "with every load at its highest: cannot be supplied"));
	diag_list_free(&d);
}
END_TEST

START_TEST(full_disk)
{
	struct err err = ERR_INIT;
	FILE *f = fopen("/dev/full", "w");
	if (!f)
		return;
	setvbuf(f, NULL, _IONBF, 0);
	load("pair");
	ck_assert_int_eq(plan_print(t, f, &err), ERR_IO);
	fclose(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan");
	TCase *c = tcase_create("plan");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, holdup);
	tcase_add_test(c, rack8);
	tcase_add_test(c, pair);
	tcase_add_test(c, json);
	tcase_add_test(c, validate);
	tcase_add_test(c, full_disk);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
