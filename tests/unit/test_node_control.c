/*
 * Droop and consensus: what the steady state must be (equal loading, mean voltage 48 V), and how
 * the firmware holds still where it has nothing to go by.
 */
#include "nodes/node_control.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

static struct small_mesh m;
static struct solver_loop *loop;

/* A ring of six with feeds of unequal rating at n0, n2, n3. */
static void
ring(enum control_kind control)
{
	static const double loads_w[] = { 100, 900, 0, 300, 1200, 500 };
	struct err err = ERR_INIT;

	small_mesh_init(&m, 6);
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_feed(&m, 2, 31.25);
	small_mesh_feed(&m, 3, 41.7);
	for (uint32_t i = 0; i < 6; i++) {
		small_mesh_load(&m, i, loads_w[i]);
		small_mesh_link(&m, i, (i + 1) % 6);
		m.nodes[i].p.control = control;
	}
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, NULL, &loop, &err), 0);
}

static void
run(int64_t steps)
{
	while (steps-- > 0)
		solver_loop_step(loop);
}

static double
spread(void)
{
	static const uint32_t feeds[] = { 0, 2, 3 };
	double lo = INFINITY, hi = 0, sum = 0;

	for (int i = 0; i < 3; i++) {
		double x = solver_loop_get(loop, feeds[i], "loading");
		lo = x < lo ? x : lo;
		hi = x > hi ? x : hi;
		sum += x;
	}
	return (hi - lo) / (sum / 3);
}

START_TEST(test_consensus_shares)
{
	double v = 0;

	ring(CONTROL_CONSENSUS);
	run(30000);
	ck_assert_double_le(spread(), 0.002);
	/* A ring has equal degrees: the plain mean is held at 48 V. */
	for (uint32_t i = 0; i < 6; i++)
		v += solver_loop_get(loop, i, "v") / 6;
	ck_assert_double_eq_tol(v, 48, 2e-3);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_droop_alone_does_not_share)
{
	ring(CONTROL_DROOP);
	run(20000);
	ck_assert_double_ge(spread(), 0.02);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_double_eq(solver_loop_get(loop, i, "dv"), 0);
		ck_assert_double_eq(solver_loop_get(loop, i, "di"), 0);
	}
	solver_loop_destroy(&loop);
}
END_TEST

/* A lost feed must not drive the integrators of the others to their stops. */
START_TEST(test_lost_feed)
{
	ring(CONTROL_CONSENSUS);
	run(10000);
	solver_loop_kill(loop, 2, 10010);
	run(20000);
	double a = solver_loop_get(loop, 0, "loading"), b = solver_loop_get(loop, 3, "loading");
	ck_assert_double_eq_tol(a, b, 0.01 * a);
	ck_assert_double_le(fabs(solver_loop_get(loop, 0, "di")), 1);
	solver_loop_destroy(&loop);
}
END_TEST

/* The returning node takes the others' dv over, so that nothing jumps. */
START_TEST(test_joiner_adopts)
{
	ring(CONTROL_CONSENSUS);
	run(10000);
	solver_loop_kill(loop, 1, 10010);
	solver_loop_start(loop, 1, 10500);
	run(600);
	double dv = solver_loop_get(loop, 1, "dv");
	double a = solver_loop_get(loop, 0, "dv"), b = solver_loop_get(loop, 2, "dv");
	ck_assert_double_gt(fabs(a), 0.02);
	ck_assert_double_eq_tol(dv, 0.5 * (a + b), 5e-3);
	solver_loop_destroy(&loop);
}
END_TEST

/* An island that no feed reaches freezes instead of integrating its sagging voltage. */
START_TEST(test_island_freezes)
{
	struct core_cmd cut = { .kind = CMD_CUT, .a = NAN, .b = NAN, .c = NAN };

	ring(CONTROL_CONSENSUS);
	run(5000);
	solver_loop_link_command(loop, 3, 5000, cut, 0);
	solver_loop_link_command(loop, 5, 5000, cut, 0);
	run(2600);
	double dv = solver_loop_get(loop, 4, "dv");
	run(1000);
	ck_assert_double_lt(solver_loop_get(loop, 4, "v"), 47);
	ck_assert_double_eq(solver_loop_get(loop, 4, "dv"), dv);
	solver_loop_destroy(&loop);
}
END_TEST

static struct node_control c;
static struct node_feed f;

static void
single(void)
{
	struct node_params p = { .control = CONTROL_CONSENSUS,
		                 .has_feed = true,
		                 .kv_per_s = 8,
		                 .kc_per_s = 400,
		                 .ki_v_per_s = 60,
		                 .v_nom_v = 48,
		                 .feed = { 48.5, 15.36e-3, 62.5, 78.125, 1e-3 } };

	node_control_init(&c, &p, 1, 1e-4, false);
	node_feed_init(&f, &p.feed, 1e-5);
}

START_TEST(test_period_is_1_ms)
{
	int due = 0;

	single();
	for (int64_t k = 0; k < 1000; k++)
		due += node_control_due(&c, k);
	ck_assert_int_eq(due, 100);
	ck_assert(node_control_due(&c, 9));
}
END_TEST

/* kv (48 - v) Tc per period: 8/s x 1 V x 1 ms = 8 mV. */
START_TEST(test_voltage_integrator)
{
	static const bool closed[1] = { false };

	single();
	for (int i = 1; i <= 5; i++) {
		node_control_step(&c, &f, 47.7, f.i_a, closed, false);
		ck_assert_double_eq_tol(c.dv_v, i * 8 * 0.3 * 1e-3, 1e-12);
		ck_assert_double_eq_tol(f.v_set_v, 48.5 + c.dv_v, 1e-12);
	}
}
END_TEST

/* At its limit a feed leaves kv out and gives up di by 1 % per ms. */
START_TEST(test_limited_feed_bleeds)
{
	static const bool closed[1] = { false };

	single();
	c.di_v = 1;
	for (int i = 0; i < 100; i++)
		node_control_step(&c, &f, 40, f.i_a, closed, false);
	ck_assert(c.limited);
	ck_assert_double_eq(c.dv_v, 0);
	ck_assert_double_eq_tol(c.di_v, pow(0.99, 100), 1e-12);
}
END_TEST

START_TEST(test_clamp)
{
	static const bool closed[1] = { false };

	single();
	for (int i = 0; i < 5000; i++)
		node_control_step(&c, &f, f.v_set_v - 0.5, f.i_a, closed, false);
	ck_assert_double_le(f.v_set_v, 50.5);
	ck_assert_double_le(48.5 + c.dv_v + c.di_v, 50.5 + 1e-12);
	c.dv_v = c.di_v = 0;
	for (int i = 0; i < 5000; i++)
		node_control_step(&c, &f, 51, f.i_a, closed, false);
	ck_assert_double_ge(f.v_set_v, 45);
}
END_TEST

/* A node at its clamp follows its neighbours back, not further out. */
START_TEST(test_clamp_and_neighbours)
{
	static const bool closed[1] = { true };
	struct wave w = { .flags = WAVE_STATE, .st_dv_v = 0.5, .st_v_v = 48 };

	single();
	c.dv_v = 2.2; /* the set-point is at its upper clamp */
	for (int i = 0; i < 50; i++) {
		node_control_hear(&c, 0, &w, false);
		node_control_step(&c, &f, 47, f.i_a, closed, false);
	}
	ck_assert_double_eq_tol(c.dv_v, 0.5, 0.05);
	w.st_dv_v = 3;
	for (int i = 0; i < 200; i++) {
		node_control_hear(&c, 0, &w, false);
		node_control_step(&c, &f, 47, f.i_a, closed, false);
	}
	ck_assert_double_le(48.5 + c.dv_v + c.di_v, 50.5);
}
END_TEST

/* A feed that joins or comes back gives at once what its neighbours give: v_set = v + R_d x I. */
START_TEST(test_bumpless)
{
	static const bool closed[1] = { true };
	struct wave w = { .flags = WAVE_STATE, .st_dv_v = 1.5, .st_x = 0.5, .st_v_v = 47.6 };

	single();
	c.kv_per_s = c.ki_v_per_s = 0;
	c.adopting = true;
	node_control_hear(&c, 0, &w, true);
	node_control_step(&c, &f, 47.2, f.i_a, closed, true);
	ck_assert_double_eq_tol(f.v_set_v, 47.6 + 15.36e-3 * 0.5 * 62.5, 1e-9);
	ck_assert_double_eq_tol(c.dv_v, 1.5, 1e-12);
	/* Without its source it relays x and has no current; back again it begins with x. */
	node_feed_lose(&f);
	w.st_x = 0.3;
	for (int i = 0; i < 300; i++) {
		node_control_hear(&c, 0, &w, false);
		node_control_step(&c, &f, 47.6, 0, closed, false);
	}
	ck_assert(c.limited && c.lost);
	ck_assert_double_eq_tol(c.x, 0.3, 1e-6);
	f.ceil_v = INFINITY;
	node_control_step(&c, &f, 47.6, 0, closed, false);
	ck_assert_double_eq_tol(f.v_set_v, 47.6 + 15.36e-3 * 0.3 * 62.5, 1e-6);
}
END_TEST

/* A node whose feed is lost counts as none: word of a live feed grows old there too. */
START_TEST(test_lost_feed_is_no_word)
{
	static const bool closed[1] = { false };

	single();
	node_feed_lose(&f);
	for (int i = 0; i < NODE_CONTROL_AGE_NONE + 1; i++)
		node_control_step(&c, &f, 47, 0, closed, false);
	ck_assert_uint_eq(c.age, NODE_CONTROL_AGE_NONE);
	double dv_v = c.dv_v;
	node_control_step(&c, &f, 47, 0, closed, false);
	ck_assert_double_eq(c.dv_v, dv_v);
}
END_TEST

/* A difference to a new neighbour comes in over 200 ms, not at once. */
START_TEST(test_merging_fades_in)
{
	static const bool closed[1] = { true };
	struct wave w = { .flags = WAVE_STATE, .st_dv_v = 1 };

	single();
	c.kv_per_s = 0;
	for (int i = 0; i < 100; i++) {
		node_control_hear(&c, 0, &w, true);
		node_control_step(&c, &f, 48, f.i_a, closed, false);
	}
	ck_assert_double_eq_tol(c.dv_v, 0.5, 0.03); /* half of the way after half of the time */
	for (int i = 0; i < 150; i++) {
		node_control_hear(&c, 0, &w, true);
		node_control_step(&c, &f, 48, f.i_a, closed, false);
	}
	ck_assert_double_eq_tol(c.dv_v, 1, 0.01);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_control");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_consensus_shares);
	tcase_add_test(tc, test_droop_alone_does_not_share);
	tcase_add_test(tc, test_lost_feed);
	tcase_add_test(tc, test_joiner_adopts);
	tcase_add_test(tc, test_island_freezes);
	tcase_add_test(tc, test_period_is_1_ms);
	tcase_add_test(tc, test_voltage_integrator);
	tcase_add_test(tc, test_limited_feed_bleeds);
	tcase_add_test(tc, test_clamp);
	tcase_add_test(tc, test_clamp_and_neighbours);
	tcase_add_test(tc, test_bumpless);
	tcase_add_test(tc, test_lost_feed_is_no_word);
	tcase_add_test(tc, test_merging_fades_in);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
