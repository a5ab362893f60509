/*
 * Supercapacitors behind converters in whole meshes: topologies/peak.yaml, in which every load
 * doubles for a second; the same with the sensors of real hardware; and how long a node lives on
 * its own, against the plan.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ledger.h"
#include "plan.h"
#include "playback.h"
#include "tests/support/mesh_text.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define STEP_S 1e-4

static struct topo *t;
static struct playback play;

static void
setup(void)
{
	t = NULL;
	play = (struct playback){ 0 };
}

static void
teardown(void)
{
	playback_end(&play);
	topo_destroy(&t);
}

static void
run(double for_s)
{
	struct err err = ERR_INIT;
	struct memory_params p = { .topo = t,
		                   .end_k = lround(for_s / STEP_S),
		                   .seed = 1 };
	ck_assert_msg(playback_run(&play, &p, NULL, NULL, &err) == 0, "%s", err.text);
}

static double
value(size_t node, const char *name, int64_t k)
{
	int field = runview_field(play.view, node, name);
	double v;
	/* Asked a million times: an assertion that holds costs a system call, this does not. */
	if (!(field >= 0 && runview_value(play.view, node, field, k, &v)))
		ck_abort_msg("%s", name);
	return v;
}

/* Power of all feeds at frame k. */
static double
feeds_w(int64_t k)
{
	double sum = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		sum += value(i, "feed_i", k) * value(i, "v", k);
	return sum;
}

/* From the peak at 1 s until 10 s after its end: the largest over the mean. */
static double
peak_over_mean(void)
{
	double most = 0, sum = 0;
	int64_t first = 10000, last = 120000;
	for (int64_t k = first; k <= last; k++) {
		most = fmax(most, feeds_w(k));
		sum += feeds_w(k);
	}
	return most / (sum / (double)(last - first + 1));
}

static void
books(void)
{
	struct ledger end;
	struct err err = ERR_INIT;
	double worst;
	int64_t worst_k;
	ck_assert_msg(ledger_run(play.view, 997, &end, &worst, &worst_k, &err) == 0, "%s", err.text);
	ck_assert_msg(worst <= 1e-9, "residual %g at %lld", worst, (long long)worst_k);
	ck_assert(end.unserved_j == 0);
}

/* Feeds see at most 1.1 times the mean, every charge goes down by a quarter of the range or more
 * and is back within 5 % of its target 10 s after the peak. */
static void
check_peak(void)
{
	double ratio = peak_over_mean();
	ck_assert_msg(ratio <= 1.1, "feeds: %g of the mean", ratio);
	for (size_t i = 0; i < t->n_nodes; i++) {
		double least = value(i, "sc_soc", 20000), back = value(i, "sc_soc", 120000);
		ck_assert_msg(least <= 0.8 - 0.25, "%zu: %g", i, least);
		ck_assert_msg(fabs(back - 0.8) <= 0.05 * 0.8, "%zu: %g", i, back);
		for (int64_t k = 0; k <= 120000; k += 10) {
			double sc_v = value(i, "v_sc", k), least_v = value(i, "v_min", k);
			if (!(sc_v >= 20 && sc_v <= 48 && least_v >= 47))
				ck_abort_msg("%zu: v_sc %g, v_min %g at step %lld", i, sc_v, least_v,
				             (long long)k);
		}
	}
	books();
}

START_TEST(peak)
{
	t = mesh_file("peak");
	run(12);
	/* At rest before: the mesh was started so, the converters do no more than stay on. */
	for (int64_t k = 100; k < 10000; k += 100) {
		ck_assert_double_eq_tol(feeds_w(k), feeds_w(0), 0.5);
		for (size_t i = 0; i < t->n_nodes; i++)
			ck_assert_double_eq_tol(value(i, "sc_p", k), -11.9, 0.2);
	}
	check_peak();
}
END_TEST

START_TEST(peak_with_real_sensors)
{
	t = mesh_file("peak");
	for (size_t i = 0; i < t->n_nodes; i++)
		t->nodes[i].p.sensors_realistic = true;
	run(12);
	check_peak();
}
END_TEST

/* The same capacitors in parallel to their buses only follow them. */
START_TEST(peak_in_parallel)
{
	t = mesh_file("peak");
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node_params *p = &t->nodes[i].p;
		p->c_sc_f = p->store.c_f;
		p->r_sc_ohm = p->store.esr_ohm;
		p->has_sc = true;
		p->has_store = false;
	}
	run(12);
	ck_assert_double_ge(peak_over_mean(), 1.8);
	books();
}
END_TEST

/* One node without a feed: it lives as long as the plan says, and its bus stays above 45 V. */
START_TEST(holds_up)
{
	struct err err = ERR_INIT;
	struct solver_loop *l = NULL;
	struct small_mesh m;
	struct topo *made = mesh_file("peak");
	small_mesh_init(&m, 1);
	struct node_params *p = &m.nodes[0].p;
	p->has_sc = false;
	p->has_store = true;
	p->store = made->nodes[1].p.store;
	topo_destroy(&made);
	small_mesh_load(&m, 0, 600);
	double plan_s = plan_holdup_s(p, 600 + 12);
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &l, &err),
	                 0);
	double least = 48, s = 0;
	while (solver_loop_get(l, 0, "v") > 43.2 && s < 10) {
		solver_loop_step(l);
		s = (double)solver_loop_k(l) * STEP_S;
		if (s < 0.9 * plan_s)
			least = fmin(least, solver_loop_get(l, 0, "v_min"));
	}
	ck_assert_double_eq_tol(s, plan_s, 0.1 * plan_s);
	ck_assert_double_ge(plan_s, 1.5);
	ck_assert_double_ge(least, 45);
	/* Empty, it is left alone. */
	ck_assert_double_ge(solver_loop_get(l, 0, "v_sc"), 20);
	solver_loop_destroy(&l);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("peak");
	TCase *c = tcase_create("peak");
	tcase_set_timeout(c, 100);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, peak);
	tcase_add_test(c, peak_with_real_sensors);
	tcase_add_test(c, peak_in_parallel);
	tcase_add_test(c, holds_up);
	suite_add_tcase(s, c);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
