/*
 * Pre-charges that do not come through: the load behind the resistor draws more than leaves less than
 * 1 V across it. Given up in time or by heat, its load held off, tried again.
 */
#include "nodes/node_link.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

static struct small_mesh m;
static struct solver_loop *loop;

/* A 48 to 12 V converter of 600 W, and its load. */
#define CONV_V 12.0
static struct pwl_point conv_load;

static void
give_converter(struct node_params *p, double load_w)
{
	conv_load = (struct pwl_point){ .level = load_w / CONV_V };
	p->has_conv = true;
	p->conv = (struct conv_params){ .l_h = 10e-6,
		                        .r_ohm = 5e-3,
		                        .c_out_f = 2e-3,
		                        .v_ref_v = CONV_V,
		                        .kp = 15,
		                        .ki = 2000,
		                        .kc = 0.25,
		                        .p_fixed_w = 2.6,
		                        .i_lim_a = 75,
		                        .load_a = { .n = 1, .p = &conv_load } };
}

/* n0 with a feed, n1 with a load, on its bus or behind a converter, and without supercapacitor; the
 * link is cut from 100 ms to 200 ms: the load has emptied the bus by then. */
static void
begin_with(double load_w, bool converter, double precharge_s, double precharge_j)
{
	struct core_cmd cut = { .kind = CMD_CUT, .a = NAN, .b = NAN, .c = NAN };
	struct core_cmd heal = { .kind = CMD_HEAL, .a = NAN, .b = NAN, .c = NAN };
	struct err err = ERR_INIT;

	small_mesh_init(&m, 2);
	small_mesh_feed(&m, 0, 62.5);
	if (converter)
		give_converter(&m.nodes[1].p, load_w);
	else
		small_mesh_load(&m, 1, load_w);
	uint32_t l = small_mesh_link(&m, 0, 1);
	m.nodes[1].p.has_sc = false;
	m.links[l].p.precharge_s = precharge_s;
	m.links[l].p.precharge_j = precharge_j;
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, NULL, &loop, &err), 0);
	solver_loop_link_command(loop, l, 1000, cut, 0);
	solver_loop_link_command(loop, l, 2000, heal, 0);
}

static void
begin(double load_w, double precharge_s, double precharge_j)
{
	begin_with(load_w, false, precharge_s, precharge_j);
}

/* The next event of this kind at either end, by step `until`. */
static bool
next(uint32_t code, int64_t until, struct core_event *ret)
{
	while (solver_loop_k(loop) < until) {
		solver_loop_step(loop);
		for (uint32_t n = 0; n < 2; n++) {
			if (!solver_loop_made_step(loop, n))
				continue;
			const struct core_events *ev = solver_loop_events(loop, n);
			for (size_t i = 0; i < ev->n; i++)
				if (ev->e[i].code == code) {
					*ret = ev->e[i];
					return true;
				}
		}
	}
	return false;
}

static bool
closed(void)
{
	return solver_loop_get(loop, 1, "link.l0.state") == LINK_END_CLOSED;
}

/* 2 A through 0.5 Ohm are 1 V, 47 V there: up to about 94 W come through. */
START_TEST(light_load_comes_through)
{
	struct core_event e;

	begin(85, 0.5, 3000);
	ck_assert(!next(EV_PRECHARGE, 12000, &e));
	ck_assert(closed());
	ck_assert_double_gt(solver_loop_get(loop, 1, "v"), 47.5);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(heavy_load_waits_for_ever_without_a_limit)
{
	struct core_event e;

	begin(150, 0, 0);
	ck_assert(!next(EV_PRECHARGE, 30000, &e));
	ck_assert(!closed());
	/* R P/v across the resistor: v (v_feed - v) = R P. */
	double v = solver_loop_get(loop, 1, "v"), far = solver_loop_get(loop, 0, "v");
	ck_assert_double_eq_tol(v * (far - v) / 0.51, 150, 1);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(given_up_and_back)
{
	struct core_event e, open;

	begin(150, 0.5, 3000);
	ck_assert(next(EV_LINK_CLOSE, 12000, &open));
	int64_t closed_k = open.k;
	ck_assert(next(EV_PRECHARGE, 12000, &e));
	ck_assert(e.a == 1 && fabs(e.b) > 1 && e.d == 1);
	ck_assert_int_eq(e.k, closed_k + 5000);
	ck_assert_double_eq(solver_loop_get(loop, 0, "link.l0.state"), LINK_END_OPEN);
	ck_assert_double_eq(solver_loop_get(loop, 1, "link.l0.state"), LINK_END_OPEN);
	/* For a second nothing; the load is off, the bus stands. */
	double v = solver_loop_get(loop, 1, "v"), lost_j = solver_loop_get(loop, 1, "unserved_j");
	ck_assert(!next(EV_LINK_CLOSE, e.k + 9990, &open));
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "v"), v, 0.01);
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "unserved_j") - lost_j, 150, 0.5);
	/* Then it comes through, and the load is on again. */
	ck_assert(next(EV_LINK_CLOSE, e.k + 10100, &open) && open.a == 1);
	ck_assert(!next(EV_PRECHARGE, e.k + 20000, &e));
	ck_assert(closed());
	ck_assert_double_eq(solver_loop_get(loop, 1, "served"), 1);
	lost_j = solver_loop_get(loop, 1, "unserved_j");
	ck_assert(!next(EV_PRECHARGE, solver_loop_k(loop) + 2000, &e));
	ck_assert_double_eq(solver_loop_get(loop, 1, "unserved_j"), lost_j);
	solver_loop_destroy(&loop);
}
END_TEST

/* The same behind the node's converter: it is off, and its load gets what its output still has. */
START_TEST(load_of_a_converter_is_held_off)
{
	struct core_event e, open;

	begin_with(150, true, 0.5, 3000);
	ck_assert(next(EV_PRECHARGE, 12000, &e));
	ck_assert_double_eq(e.a, 1);
	ck_assert_double_eq(solver_loop_get(loop, 1, "link.l0.state"), LINK_END_OPEN);
	double v = solver_loop_get(loop, 1, "v"), lost_j = solver_loop_get(loop, 1, "unserved_j");
	double used_j = solver_loop_get(loop, 1, "conv_useful_j");
	ck_assert(!next(EV_LINK_CLOSE, e.k + 9990, &open));
	ck_assert_double_le(solver_loop_get(loop, 1, "conv_useful_j") - used_j,
	                    2e-3 * CONV_V * CONV_V / 2);
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "unserved_j") - lost_j, 150, 0.5);
	ck_assert_double_eq(solver_loop_get(loop, 1, "served"), 0);
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "v"), v, 0.1);
	ck_assert(next(EV_LINK_CLOSE, e.k + 10100, &open) && open.a == 1);
	ck_assert(!next(EV_PRECHARGE, e.k + 20000, &e));
	ck_assert(closed());
	ck_assert_double_eq(solver_loop_get(loop, 1, "served"), 1);
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "conv_p"), 150, 0.5);
	solver_loop_destroy(&loop);
}
END_TEST

/* A short at the far end: the full voltage across the resistor. P = 0.5 Ohm (v/0.5 Ohm)^2, some
 * 4.5 kW, so 100 J come after some 20 ms; then 1, 2, 4 s of rest. */
START_TEST(heat_and_pauses)
{
	struct core_cmd cmd = { .kind = CMD_SHORT, .chan = -1, .a = 1e-2, .b = NAN, .c = NAN };
	struct core_event e;
	int64_t last_k;

	begin(0, 10, 100);
	solver_loop_command(loop, 1, 2001, cmd);
	ck_assert(next(EV_PRECHARGE, 4000, &e));
	ck_assert(e.a == 2);
	ck_assert_double_ge(e.c, 100);
	ck_assert_double_le(e.c, 102);
	ck_assert_int_le(e.k, 2400);
	for (double pause_s = 1; pause_s < 5; pause_s *= 2) {
		ck_assert_double_eq(e.d, pause_s);
		last_k = e.k;
		ck_assert(next(EV_PRECHARGE, e.k + 100000, &e));
		ck_assert_int_ge(e.k, last_k + (int64_t)(pause_s * 1e4));
		ck_assert_int_le(e.k, last_k + (int64_t)(pause_s * 1e4) + 500);
	}
	solver_loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("precharge");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, light_load_comes_through);
	tcase_add_test(tc, heavy_load_waits_for_ever_without_a_limit);
	tcase_add_test(tc, given_up_and_back);
	tcase_add_test(tc, load_of_a_converter_is_held_off);
	tcase_add_test(tc, heat_and_pauses);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
