/*
 * Link ends: Kirchhoff and Ohm in the steady state, passivity, and the contactors' protocol: both
 * ends change in the same step, whatever is done to them.
 */
#include "nodes/node_link.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define DC_F (1e-4 * 1e-4 / (2 * 2e-6))

static struct small_mesh m;
static struct solver_loop *loop;

static void
start(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, NULL, &loop, &err), 0);
}

static int
state(uint32_t node, const char *field)
{
	return (int)solver_loop_get(loop, node, field);
}

/* Steps to frame k; both ends of l0 agree in every frame in which both live. */
static void
run_to(int64_t k)
{
	while (solver_loop_k(loop) < k) {
		solver_loop_step(loop);
		if (solver_loop_alive(loop, 0) && solver_loop_alive(loop, 1))
			ck_assert_int_eq(state(0, "link.l0.state"), state(1, "link.l0.state"));
	}
}

static void
command(uint32_t kind, int64_t k, double a, double b, int resistor_end)
{
	struct core_cmd cmd = { .kind = kind, .a = a, .b = b, .c = NAN };

	solver_loop_link_command(loop, 0, k, cmd, resistor_end);
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

/* Two nodes, one feed: n1 has 48 V and 500 W. */
static void
pair(void)
{
	small_mesh_init(&m, 2);
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_load(&m, 1, 500);
	small_mesh_link(&m, 0, 1);
}

START_TEST(test_ohm_and_kirchhoff)
{
	pair();
	start();
	run_to(20000);
	double va = solver_loop_get(loop, 0, "v"), vb = solver_loop_get(loop, 1, "v");
	double i = solver_loop_get(loop, 0, "link.l0.i");
	ck_assert_double_eq_tol(i, (va - vb) / 10e-3, 1e-4);
	ck_assert_double_eq_tol(solver_loop_get(loop, 1, "link.l0.i"), -i, 1e-4);
	ck_assert_double_eq_tol(i, 500 / vb, 1e-3);
	ck_assert_double_eq_tol(solver_loop_get(loop, 0, "feed_i"), i, 1e-3);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_cut_and_heal)
{
	pair();
	m.nodes[1].p.c_bus_f = 30e-3; /* the larger remaining capacitance hosts */
	start();
	command(CMD_CUT, 500, NAN, NAN, 0);
	command(CMD_HEAL, 700, NAN, NAN, 0);
	run_to(500);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_CLOSED);
	double va = solver_loop_get(loop, 0, "v"), vb = solver_loop_get(loop, 1, "v");
	run_to(501);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_OPEN);
	ck_assert_double_eq(solver_loop_get(loop, 0, "link.l0.i"), 0);
	const struct core_event *a = event(0, EV_LINK_OPEN), *b = event(1, EV_LINK_OPEN);
	ck_assert(a && b && a->k == 500 && b->k == 500);
	ck_assert_double_eq(a->a, OPEN_CUT);
	ck_assert_double_eq_tol(a->d, -0.5 * DC_F * va * va, 1e-9);
	ck_assert_double_eq_tol(b->d, -0.5 * DC_F * vb * vb, 1e-9);
	/* What a cut abandons is at least -dC (va - vb)^2/4. */
	ck_assert_double_ge(a->c + b->c + a->d + b->d, -DC_F * (va - vb) * (va - vb) / 4 - 1e-9);
	run_to(701);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_OPEN);
	run_to(702);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_PRECHARGE);
	ck_assert_double_eq(event(0, EV_LINK_CLOSE)->b, 0);
	ck_assert_double_eq(event(1, EV_LINK_CLOSE)->b, 1);
	run_to(3000);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_CLOSED);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_explicit_close)
{
	pair();
	m.links[0].p.open = true;
	start();
	command(CMD_CLOSE, 50, 0.25, 10e-3, 1);
	run_to(51);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_PRECHARGE);
	ck_assert_double_eq(event(0, EV_LINK_CLOSE)->b, 0); /* the resistor is at end a */
	ck_assert_double_eq(event(1, EV_LINK_CLOSE)->b, 1);
	/* The current follows the resistor. */
	run_to(100);
	double dv = solver_loop_get(loop, 0, "v") - solver_loop_get(loop, 1, "v");
	ck_assert_double_eq_tol(solver_loop_get(loop, 0, "link.l0.i"), dv / 0.26, 0.05 * dv / 0.26);
	run_to(150);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_PRECHARGE);
	run_to(151); /* bypass 10 ms after closing */
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_CLOSED);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_no_bypass_above_1_v)
{
	pair();
	m.links[0].p.open = true;
	m.nodes[1].p.v_init_v = 44;
	m.nodes[1].p.has_sc = false;
	m.nodes[1].p.load_w.n = 0;
	start();
	command(CMD_CLOSE, 50, NAN, NAN, 2);
	double dv = 9;
	while (state(0, "link.l0.state") != LINK_END_CLOSED) {
		dv = solver_loop_get(loop, 0, "v") - solver_loop_get(loop, 1, "v");
		run_to(solver_loop_k(loop) + 1);
		ck_assert_int_lt(solver_loop_k(loop), 2000);
	}
	/* 4 V decay to 1 V over 0.5 Ohm and 20 mF (5 mF of it hosted by the other end) in 14 ms. */
	ck_assert_double_le(dv, 1);
	ck_assert_double_ge(dv, 0.95);
	ck_assert_int_ge(solver_loop_k(loop), 50 + 100);
	ck_assert_int_le(solver_loop_k(loop), 50 + 200);
	solver_loop_destroy(&loop);
}
END_TEST

/* A commands' corner: a cut in the step in which an announced close would act. */
START_TEST(test_cut_meets_close)
{
	for (int64_t cut = 698; cut < 706; cut++) {
		pair();
		start();
		command(CMD_CUT, 500, NAN, NAN, 0);
		command(CMD_HEAL, 700, NAN, NAN, 0);
		command(CMD_CUT, cut, NAN, NAN, 0);
		command(CMD_HEAL, 800, NAN, NAN, 0);
		run_to(790);
		ck_assert_int_eq(state(0, "link.l0.state"),
		                 cut >= 700 ? LINK_END_OPEN : LINK_END_CLOSED);
		run_to(900);
		ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_CLOSED);
		solver_loop_destroy(&loop);
	}
}
END_TEST

/* Cut and closed in one step: the contactor opens, the waves under way are lost, then it closes. */
START_TEST(test_cut_and_close_in_one_step)
{
	pair();
	start();
	command(CMD_CUT, 500, NAN, NAN, 0);
	command(CMD_CLOSE, 500, 0.5, NAN, 1);
	run_to(501);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_OPEN);
	run_to(600);
	ck_assert_int_eq(state(0, "link.l0.state"), LINK_END_CLOSED);
	solver_loop_destroy(&loop);
}
END_TEST

/* A node that returns closes its links one after another and hosts each line itself. */
static void
star(void)
{
	small_mesh_init(&m, 4);
	small_mesh_feed(&m, 0, 62.5);
	for (uint32_t i = 1; i < 4; i++) {
		small_mesh_link(&m, 0, i);
		small_mesh_load(&m, i, 100);
	}
}

START_TEST(test_returning_node)
{
	int64_t closed_k[3] = { 0 }, bypassed_k[3] = { 0 };

	star();
	m.nodes[1].p.c_bus_f = 40e-3; /* would host by capacitance */
	start();
	solver_loop_kill(loop, 0, 300);
	solver_loop_start(loop, 0, 500);
	run_to(301);
	ck_assert_int_eq(state(1, "link.l0.state"), LINK_END_OPEN);
	ck_assert_double_eq(event(1, EV_LINK_OPEN)->a, OPEN_DEATH);
	ck_assert_double_eq(event(1, EV_LINK_OPEN)->b, 298);
	while (solver_loop_k(loop) < 700) {
		solver_loop_step(loop);
		const struct core_events *ev = solver_loop_events(loop, 0);
		for (size_t i = 0; i < ev->n; i++) {
			const struct core_event *e = &ev->e[i];
			if (e->code != EV_LINK_CLOSE)
				continue;
			if (e->a == 1) {
				closed_k[e->chan] = e->k;
				ck_assert_double_eq(e->b, 1);
			} else {
				bypassed_k[e->chan] = e->k;
			}
		}
	}
	for (int l = 0; l < 3; l++) {
		ck_assert_int_gt(closed_k[l], 500);
		ck_assert_int_gt(bypassed_k[l], closed_k[l]);
		if (l > 0)
			ck_assert_int_ge(closed_k[l], bypassed_k[l - 1]);
	}
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_cut_outlives_a_death)
{
	star();
	start();
	command(CMD_CUT, 200, NAN, NAN, 0);
	command(CMD_HEAL, 800, NAN, NAN, 0);
	solver_loop_kill(loop, 0, 300);
	solver_loop_start(loop, 0, 500);
	run_to(790);
	ck_assert_int_eq(state(1, "link.l0.state"), LINK_END_OPEN);
	ck_assert_int_eq(state(2, "link.l1.state"), LINK_END_CLOSED);
	run_to(900);
	ck_assert_int_eq(state(1, "link.l0.state"), LINK_END_CLOSED);
	solver_loop_destroy(&loop);
}
END_TEST

/* One end fed with random waves: the books close and it gives no more than it had and got. */
START_TEST(test_passive)
{
	static const struct link_params lp = { .r_ohm = 10e-3, .l_h = 2e-6, .l_eff_h = 2e-6 };
	struct node_params np = {
		.c_bus_f = 20e-3, .has_sc = true, .c_sc_f = 0.1, .r_sc_ohm = 0.02
	};
	struct node_plant p;
	struct node_link l;
	struct core_events ev = { 0 };
	struct core_msg msg = { 0 };
	double vm[10], gh[10], none[10] = { 0 }, got = 0, sent = 0;
	uint32_t x = 7;

	node_plant_init(&p, &np, 1e-5, 10, 48, 48);
	node_link_init(&l, &lp, 0, true, true, 1e-5, 10, 48, &p);
	double before = node_plant_stored_j(&p);
	const double q = 1e-5 / (4 * l.zc_ohm);
	for (int64_t k = 1; k < 2000; k++) {
		for (int s = 0; s < 10; s++) {
			x = x * 1664525u + 1013904223u;
			msg.wave.m[s] = -100 + 200 * ((double)x / 4294967296.0);
			got += msg.wave.m[s] * msg.wave.m[s] * q;
			gh[s] = l.g_s * msg.wave.m[s];
		}
		struct core_in in = { .kind = CORE_IN_MSG, .msg = &msg };
		double m_out[10];
		node_link_input(&l, &p, k, false, &in, &ev);
		p.g_links = l.g_s;
		node_plant_step(&p, gh, none, 0, vm);
		node_link_wave(&l, vm, p.v_v, m_out);
		node_link_end(&l);
		p.loss_j += l.loss_step_j;
		sent += l.wave_j;
		ck_assert_double_le(sent + node_plant_stored_j(&p), got + before + 1e-9);
		ck_assert_double_eq_tol(l.net_j + node_plant_stored_j(&p) + p.loss_j, before,
		                        1e-11 * (before + got));
	}
	ck_assert_double_gt(p.loss_j, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_link");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_ohm_and_kirchhoff);
	tcase_add_test(tc, test_cut_and_heal);
	tcase_add_test(tc, test_explicit_close);
	tcase_add_test(tc, test_no_bypass_above_1_v);
	tcase_add_test(tc, test_cut_meets_close);
	tcase_add_test(tc, test_cut_and_close_in_one_step);
	tcase_add_test(tc, test_returning_node);
	tcase_add_test(tc, test_cut_outlives_a_death);
	tcase_add_test(tc, test_passive);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
