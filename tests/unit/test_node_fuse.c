/*
 * Fuses: the curve, the estimate of the far bus, and a fuse in a mesh: which one opens, when, and
 * what it leaves behind.
 */
#include "nodes/node_fuse.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "nodes/node_link.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define DT_S 1e-5

static struct small_mesh m;
static struct solver_loop *loop;

/* ---- the element alone ----------------------------------------------------------------------- */

/* Steps of ten sub-steps with a constant current into a sink at sink_v; returns the time at which
 * it trips, or -1. */
static double
trip_s(struct node_fuse *f, double i, double sink_v, double for_s, enum fuse_element *element)
{
	const double zc = 20e-3, r = 5e-3, g = 1 / (zc + r);
	double vm[10], h[10], i_a = 0;

	for (int s = 0; s < 10; s++) {
		h[s] = i < 0 ? sink_v - i * (zc + r) : sink_v - i * (zc - r);
		vm[s] = h[s] + i / g;
	}
	const struct node_fuse_view v = { vm, h, g, zc, r, 10 };
	for (int k = 0; k < (int)(for_s / (10 * DT_S)); k++) {
		if (node_fuse_may(f, 10 * i * i)) {
			size_t s = node_fuse_find(f, &v, element, &i_a);
			if (s < 10) {
				ck_assert_double_eq_tol(i_a, i, 1e-9 * fabs(i));
				return (10 * k + (double)s + 1) * DT_S;
			}
		}
		node_fuse_end(f, 10 * i * i, 10);
	}
	return -1;
}

static struct node_fuse
fuse(double i_n_a, double i2t_a2s)
{
	const struct link_params p = { .fuse_a = i_n_a, .fuse_i2t_a2s = i2t_a2s };
	struct node_fuse f;

	node_fuse_init(&f, &p, DT_S);
	return f;
}

START_TEST(test_curve)
{
	static const double over[] = { 1.1, 1.5, 2, 5, 10 };

	for (size_t n = 0; n < sizeof over / sizeof *over; n++)
		for (int sign = -1; sign <= 1; sign += 2) {
			enum fuse_element element;
			struct node_fuse f = fuse(100, 5000);
			/* (i^2 - I_n^2) t = I2t, to the end of the sub-step */
			double i = over[n] * 100, want = 5000 / (i * i - 100 * 100);
			double t = trip_s(&f, sign * i, 48, 4, &element);
			ck_assert_int_eq(element, FUSE_I2T);
			ck_assert_double_ge(t, want - 1e-9);
			ck_assert_double_le(t, want + 2 * DT_S);
		}
}
END_TEST

START_TEST(test_holds_its_rating)
{
	enum fuse_element element;
	struct node_fuse f = fuse(100, 5000), none = fuse(0, 0);

	ck_assert_double_lt(trip_s(&f, 100, 48, 10, &element), 0);
	/* 1.5 I_n for half of its time, then half the rating: it cools with I_n^2 - i^2. */
	double half = 0.5 * 5000 / (150 * 150 - 100 * 100);
	ck_assert_double_lt(trip_s(&f, 150, 48, half, &element), 0);
	double heat = f.heat_a2s;
	ck_assert_double_eq_tol(heat, 2500, 20);
	ck_assert_double_lt(trip_s(&f, 50, 48, 0.1, &element), 0);
	ck_assert_double_eq_tol(f.heat_a2s, heat - 0.1 * 7500, 1e-6);
	ck_assert_double_lt(trip_s(&f, 50, 48, 5, &element), 0);
	ck_assert_double_eq(f.heat_a2s, 0);
	ck_assert_double_lt(trip_s(&none, 1e5, 0, 1, &element), 0);
}
END_TEST

START_TEST(test_fast_element)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		enum fuse_element element;
		struct node_fuse f = fuse(100, 5000);
		ck_assert_double_eq(trip_s(&f, sign * 101, 35.9, 1, &element), DT_S);
		ck_assert_int_eq(element, FUSE_FAST);
		ck_assert_double_lt(trip_s(&f, sign * 99, 10, 1, &element), 0);
		ck_assert_double_lt(trip_s(&f, sign * 101, 36.1, 0.1, &element), 0);
	}
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static void
start(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
}

static const struct core_event *
event(uint32_t node, uint32_t code)
{
	const struct core_events *ev = solver_loop_events(loop, node);

	for (size_t i = 0; i < ev->n; i++)
		if (ev->e[i].code == code)
			return &ev->e[i];
	return NULL;
}

static void
run_to(int64_t k)
{
	while (solver_loop_k(loop) < k)
		solver_loop_step(loop);
}

/* What a fuse takes for the far bus is the far bus: seen in the steady state, both directions. */
START_TEST(test_far_voltage)
{
	const double zc = 2e-6 / 1e-4, r = 5e-3;

	small_mesh_init(&m, 2);
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_load(&m, 1, 1500);
	small_mesh_link(&m, 0, 1);
	start();
	run_to(30000);
	double v[2] = { solver_loop_get(loop, 0, "v"), solver_loop_get(loop, 1, "v") };
	for (uint32_t n = 0; n < 2; n++) {
		double i = solver_loop_get(loop, n, "link.l0.i");
		double h = v[n] - i * (zc + r);
		ck_assert_double_eq_tol(h + i * (zc - r), v[!n], 1e-4);
	}
	ck_assert_double_gt(v[0] - v[1], 0.2);
	solver_loop_destroy(&loop);
}
END_TEST

/* A chain n0 - n1 - n2, feed at n0; a bolted short at n2 isolates n2 alone. */
static void
chain(double fuse_a)
{
	small_mesh_init(&m, 3);
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_load(&m, 1, 200);
	for (uint32_t l = 0; l < 2; l++) {
		small_mesh_link(&m, l, l + 1);
		m.links[l].p.fuse_a = fuse_a;
		m.links[l].p.fuse_i2t_a2s = fuse_a * fuse_a;
	}
}

static void
short_at(uint32_t node, int64_t k, double ohm)
{
	struct core_cmd cmd = { .kind = CMD_SHORT, .chan = -1, .a = ohm, .b = NAN, .c = NAN };

	solver_loop_command(loop, node, k, cmd);
}

START_TEST(test_bolted_short)
{
	chain(150);
	start();
	short_at(2, 200, 1e-3);
	run_to(200);
	double i0 = solver_loop_get(loop, 1, "link.l1.i");
	ck_assert_double_lt(fabs(i0), 10);
	run_to(201);
	/* The fuse on the shorted bus sees it first, in that very step. */
	const struct core_event *e = event(2, EV_FUSE);
	ck_assert(e && e->k == 200 && e->chan == 0 && e->a == FUSE_FAST && e->b < -150);
	ck_assert_double_eq(solver_loop_get(loop, 2, "link.l1.i"), 0);
	ck_assert_double_eq(solver_loop_get(loop, 2, "link.l1.state"), LINK_END_CLOSED);
	run_to(202);
	for (uint32_t n = 1; n < 3; n++) {
		e = event(n, EV_LINK_OPEN);
		ck_assert(e && e->k == 201 && e->a == OPEN_FUSE);
		ck_assert_double_eq(solver_loop_get(loop, n, "link.l1.state"), LINK_END_OPEN);
	}
	run_to(5000);
	ck_assert_double_eq(solver_loop_get(loop, 0, "link.l0.state"), LINK_END_CLOSED);
	ck_assert_double_gt(solver_loop_get(loop, 1, "v"), 47.5);
	ck_assert_double_lt(solver_loop_get(loop, 2, "v"), 1e-3);
	solver_loop_destroy(&loop);
}
END_TEST

/* The bus that is shorted dies with it: then the fuse of the survivor is not needed, and not blown.
 */
START_TEST(test_no_fuse_without_current)
{
	chain(150);
	start();
	solver_loop_kill(loop, 2, 200);
	short_at(2, 150, 5);
	run_to(1000);
	ck_assert_double_eq(solver_loop_get(loop, 1, "link.l1.state"), LINK_END_OPEN);
	ck_assert_double_gt(solver_loop_get(loop, 1, "v"), 47.5);
	solver_loop_destroy(&loop);
}
END_TEST

/* Overload without a short: I2t alone, after the time that its curve says for this current. */
START_TEST(test_overload_trips_by_i2t)
{
	chain(20);
	m.links[0].p.fuse_a = 0;
	small_mesh_load(&m, 2, 48 * 30);
	start();
	int64_t k = 0;
	double heat = 0;
	while (!event(1, EV_FUSE) && !event(2, EV_FUSE)) {
		ck_assert_int_lt(k, 60000);
		solver_loop_step(loop);
		double i = solver_loop_get(loop, 1, "link.l1.i_avg");
		heat += (i * i - 400) * 1e-4;
		heat = heat > 0 ? heat : 0;
		k++;
	}
	const struct core_event *e = event(1, EV_FUSE) ? event(1, EV_FUSE) : event(2, EV_FUSE);
	ck_assert_double_eq(e->a, FUSE_I2T);
	ck_assert_double_eq_tol(heat, 400, 2);
	ck_assert_int_gt(k, 4000); /* 30 A: 0.8 s at the least */
	solver_loop_destroy(&loop);
}
END_TEST

/* It stays open, also for a peer that dies and returns, until it is healed. */
START_TEST(test_stays_open)
{
	struct core_cmd heal = { .kind = CMD_HEAL, .a = NAN, .b = NAN, .c = NAN };
	struct core_cmd clear = { .kind = CMD_UNSHORT, .chan = -1, .a = NAN, .b = NAN, .c = NAN };

	for (int64_t kill = 201; kill < 205; kill++) {
		chain(150);
		start();
		short_at(2, 200, 1e-3);
		solver_loop_command(loop, 2, 230, clear);
		solver_loop_kill(loop, 1, kill);
		solver_loop_start(loop, 1, kill + 100);
		solver_loop_link_command(loop, 1, 1000, heal, 0);
		run_to(1000);
		for (uint32_t n = 1; n < 3; n++)
			ck_assert_double_eq(solver_loop_get(loop, n, "link.l1.state"), 0);
		ck_assert_double_eq(solver_loop_get(loop, 1, "link.l0.state"), LINK_END_CLOSED);
		run_to(1100);
		for (uint32_t n = 1; n < 3; n++)
			ck_assert_double_gt(solver_loop_get(loop, n, "link.l1.state"), 0);
		solver_loop_destroy(&loop);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_fuse");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_curve);
	tcase_add_test(tc, test_holds_its_rating);
	tcase_add_test(tc, test_fast_element);
	tcase_add_test(tc, test_far_voltage);
	tcase_add_test(tc, test_bolted_short);
	tcase_add_test(tc, test_no_fuse_without_current);
	tcase_add_test(tc, test_overload_trips_by_i2t);
	tcase_add_test(tc, test_stays_open);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
