/*
 * Faults of single sensors, and what the mesh makes of them: a stuck terminal is outvoted by
 * Kirchhoff's law, a wrong thermometer derates or lets a thermostat trip, a supercapacitor's
 * management works with what it reads.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "core.h"
#include "rng.h"
#include "sensor_name.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

static struct topo *t;
static struct solver_loop *loop;

static void
begin(const char *text)
{
	struct err err = ERR_INIT;
	t = mesh_text(text);
	ck_assert_msg(solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err) == 0,
	              "%s", err.text);
}

static void
teardown(void)
{
	solver_loop_destroy(&loop);
	topo_destroy(&t);
}

static void
command(uint32_t node, enum core_cmd_kind kind, const char *sensor, double a, double b)
{
	int64_t k = solver_loop_k(loop);
	struct core_sensor s = { CORE_SENSOR_V, 0 };
	ck_assert(!sensor || sensor_find(t, node, sensor, &s));
	solver_loop_command(loop, node, k,
	                    (struct core_cmd){ .k = k,
	                                       .kind = kind,
	                                       .chan = sensor ? core_sensor_chan(s) : -1,
	                                       .a = a,
	                                       .b = b,
	                                       .c = NAN });
}

static double
now_s(void)
{
	return (double)solver_loop_k(loop) * topo_step_s(t);
}

static void
run_to(double at_s)
{
	while (now_s() < at_s - 1e-9)
		solver_loop_step(loop);
}

/* Loads go to random levels until then; the worst difference of the feeds' loadings just before a
 * change. */
static double
varying_to(double at_s)
{
	static struct rng r;
	static bool seeded;
	double worst = 0;
	if (!seeded)
		rng_init(&r, 7, "loads", 1, 99, 0);
	seeded = true;
	while (now_s() < at_s - 1e-9) {
		command((uint32_t)(4 * (0.5 + 0.5 * rng_sym(&r))) % 4, CMD_LOAD, NULL,
		        300 + 250 * rng_sym(&r), 1e-3);
		run_to(now_s() + 0.1);
		worst = fmax(worst, fabs(solver_loop_get(loop, 0, "loading") -
		                         solver_loop_get(loop, 2, "loading")));
	}
	return worst;
}

START_TEST(stuck_terminal)
{
	/* Its node says that nothing can be observed after 40 windows of 50 ms that do not add up,
	 * and goes on with the gains of the data sheet; neighbours keep theirs; the feeds go on
	 * sharing. When it moves again the gains are found again. */
	begin("voltloom: 1\nmesh: { name: m, sensors: realistic, calibration: on, seed: 5,\n"
	      "  sensor_errors: { current_offset: 0A, voltage_offset: 0V } }\n"
	      "defaults: { node: { supercap: none } }\nnodes:\n"
	      "  - { id: a, feed: { i_rated: 30A }, load: [[0s, 200W, 0s]] }\n"
	      "  - { id: b, load: [[0s, 400W, 0s]] }\n"
	      "  - { id: c, feed: { i_rated: 30A }, load: [[0s, 300W, 0s]] }\n"
	      "  - { id: d, load: [[0s, 250W, 0s]] }\n"
	      "links:\n  - { id: l1, between: [a, b] }\n  - { id: l2, between: [b, c] }\n"
	      "  - { id: l3, between: [c, d] }\n  - { id: l4, between: [d, a] }\n");
	varying_to(8);
	ck_assert_double_eq(solver_loop_get(loop, 1, "calib_rank"), 2);
	double sound = varying_to(10), a = solver_loop_get(loop, 0, "calib_feed"),
	       c = solver_loop_get(loop, 2, "calib_feed");
	command(1, CMD_STUCK, "link.l2", NAN, NAN);
	run_to(10.01);
	double held = solver_loop_get(loop, 1, "link.l2.i_meas");
	double broken = 0, rank = 2;
	while (rank > 0 && now_s() < 18) {
		broken = fmax(broken, varying_to(now_s() + 0.1));
		rank = solver_loop_get(loop, 1, "calib_rank");
	}
	ck_assert_double_eq(rank, 0);
	ck_assert_double_ge(now_s(), 12);
	ck_assert_double_eq(solver_loop_get(loop, 1, "link.l2.i_meas"), held);
	ck_assert_double_ge(solver_loop_get(loop, 0, "calib_rank"), 2);
	ck_assert_double_eq_tol(solver_loop_get(loop, 0, "calib_feed"), a, 1e-3);
	ck_assert_double_eq_tol(solver_loop_get(loop, 2, "calib_feed"), c, 1e-3);
	ck_assert_msg(broken <= sound + 5e-3, "%g, was %g", broken, sound);
	command(1, CMD_UNSTUCK, "link.l2", NAN, NAN);
	varying_to(now_s() + 8);
	ck_assert_double_eq(solver_loop_get(loop, 1, "calib_rank"), 2);
	teardown();
}
END_TEST

/* 2 A too much at one end, where offsets are known to be none: nothing adds up any more at that
 * node. Its feed goes back to the gain of the data sheet; the other one keeps what is known of it.
 */
START_TEST(biased_terminal)
{
	begin("voltloom: 1\nmesh: { name: m, sensors: realistic, calibration: on, seed: 6,\n"
	      "  sensor_errors: { current_offset: 0A, voltage_offset: 0V } }\n"
	      "defaults: { node: { supercap: none } }\nnodes:\n"
	      "  - { id: a, feed: { i_rated: 30A }, load: [[0s, 200W, 0s]] }\n"
	      "  - { id: b, load: [[0s, 400W, 0s]] }\n"
	      "  - { id: c, feed: { i_rated: 30A }, load: [[0s, 300W, 0s]] }\n"
	      "  - { id: d, load: [[0s, 250W, 0s]] }\n"
	      "links:\n  - { id: l1, between: [a, b] }\n  - { id: l2, between: [b, c] }\n"
	      "  - { id: l3, between: [c, d] }\n  - { id: l4, between: [d, a] }\n");
	varying_to(10);
	double a = solver_loop_get(loop, 0, "calib_feed"),
	       c = solver_loop_get(loop, 2, "calib_feed");
	double meas = solver_loop_get(loop, 0, "link.l4.i_meas");
	command(0, CMD_BIAS, "link.l4", NAN, 2);
	run_to(10.01);
	ck_assert_double_eq_tol(solver_loop_get(loop, 0, "link.l4.i_meas"), meas + 2, 0.5);
	varying_to(12.2);
	ck_assert_double_eq(solver_loop_get(loop, 0, "calib_rank"), 0);
	ck_assert_double_eq(solver_loop_get(loop, 0, "calib_feed"), 1);
	ck_assert(fabs(a - 1) > 1e-3);
	ck_assert_double_eq_tol(solver_loop_get(loop, 2, "calib_feed"), c, 2e-3);
	teardown();
}
END_TEST

START_TEST(thermometer)
{
	begin("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	      "  - { id: a, feed: { i_rated: 30A }, load: [[0s, 900W, 0s]] }\n"
	      "  - { id: b, feed: { i_rated: 30A } }\nlinks: [ { id: l1, between: [a, b] } ]\n");
	run_to(1);
	ck_assert_double_eq(solver_loop_get(loop, 0, "available"), 1);
	command(0, CMD_BIAS, "temp", 70, NAN); /* 25 + 70 = 95 degC: half way from 85 to 105 */
	run_to(3);
	double part = solver_loop_get(loop, 0, "available");
	double want = 1 - 0.5 * (solver_loop_get(loop, 0, "temp") + 70 - 85) / 20;
	ck_assert_double_eq_tol(part, want, 1e-6);
	/* Shares by what is there. */
	double ia = solver_loop_get(loop, 0, "feed_i"), ib = solver_loop_get(loop, 1, "feed_i");
	ck_assert_double_eq_tol(ia / part, ib, 0.03 * ib);
	/* A sensor at 200 degC derates to the least; the thermostat knows better. */
	command(0, CMD_BIAS, "temp", 175, NAN);
	run_to(5);
	ck_assert_double_eq(solver_loop_get(loop, 0, "available"), 0.5);
	ck_assert_double_gt(solver_loop_get(loop, 0, "feed_i"), 1);
	/* Stuck at what it is, in air of 120 degC: no derating, and the thermostat trips at 105. */
	command(0, CMD_UNBIAS, "temp", NAN, NAN);
	run_to(5.1);
	command(0, CMD_STUCK, "temp", NAN, NAN);
	command(0, CMD_DERATE, NULL, NAN, 120);
	double hottest = 0;
	bool tripped = false;
	for (; !tripped && now_s() < 600; solver_loop_step(loop)) {
		const struct core_events *ev = solver_loop_events(loop, 0);
		for (size_t i = 0; i < ev->n; i++)
			tripped = tripped || (ev->e[i].code == EV_TRIP && ev->e[i].a == TRIP_OT);
		hottest = fmax(hottest, solver_loop_get(loop, 0, "temp"));
		if (!tripped && hottest > 86)
			ck_assert_double_eq(solver_loop_get(loop, 0, "available"), 1);
	}
	ck_assert(tripped);
	ck_assert_double_eq_tol(hottest, 105, 0.1);
	teardown();
}
END_TEST

START_TEST(string_voltage)
{
	/* A string that reads full while it empties: the tapers do not come, and it is drawn down
	 * to v_min by the hardware's limit of the terminal voltage, kp (v_o - v_min). */
	begin("voltloom: 1\nmesh: { name: m, control: none }\nnodes:\n"
	      "  - { id: a, feed: { v0: 40V, i_rated: 1A }, supercap: { c: 0.5F, esr: 10mOhm, "
	      "converter: {} }, load: [[0s, 600W, "
	      "0s]] }\n");
	run_to(0.01);
	command(0, CMD_STUCK, "sc_v", NAN, NAN);
	double lowest = 100;
	for (; now_s() < 2; solver_loop_step(loop))
		lowest = fmin(lowest, solver_loop_get(loop, 0, "v_sc"));
	ck_assert_double_ge(lowest, 20 - 0.1);
	double soc_stuck = solver_loop_get(loop, 0, "sc_soc");
	teardown();
	begin("voltloom: 1\nmesh: { name: m, control: none }\nnodes:\n"
	      "  - { id: a, feed: { v0: 40V, i_rated: 1A }, supercap: { c: 0.5F, esr: 10mOhm, "
	      "converter: {} }, load: [[0s, 600W, "
	      "0s]] }\n");
	run_to(2);
	ck_assert_double_lt(soc_stuck, solver_loop_get(loop, 0, "sc_soc"));
	teardown();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sensor_faults");
	TCase *c = tcase_create("sensor_faults");
	tcase_set_timeout(c, 100);
	tcase_add_test(c, stuck_terminal);
	tcase_add_test(c, biased_terminal);
	tcase_add_test(c, thermometer);
	tcase_add_test(c, string_voltage);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
