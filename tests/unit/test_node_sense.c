/* Sensors of all terminals: what they read against the true currents, and Kirchhoff's law. */
#include "nodes/node_sense.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/node_conv.h"
#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define LSB_A (512.0 / 4096)
#define LSB_V (64.0 / 4096)

/* ---- one node by hand ------------------------------------------------------------------------ */

/* 1 ms of constant currents while the bus rises at 20 V/s; errors are off, so readings are the true
 * values to half a step of the converter. */
START_TEST(test_terminals_by_hand)
{
	enum { N = 10 };
	const double slope = 20, c_line = 2.5e-3, v_bus = 48;
	struct slice slice = { .id = "n1", .incarnation = 1, .step_ns = 100000, .seed = 3 };
	struct node_plant plant = { .n = N, .v_v = v_bus };
	struct node_link links[2] = { { .state = LINK_END_CLOSED, .dc_f = c_line, .i_avg_a = 40 },
		                      { .state = LINK_END_OPEN, .dc_f = c_line } };
	struct node_port port = { .pay_w = 480 };
	double vm[N], load_w[N];
	const bool behind[2] = { false, false };
	struct node_sense_view view = { .plant = &plant,
		                        .links = links,
		                        .n_links = 2,
		                        .ports = &port,
		                        .n_ports = 1,
		                        .vm = vm,
		                        .load_w = load_w };
	struct node_sense s;

	slice.node.sensors_realistic = slice.node.has_feed = slice.node.has_sc = true;
	slice.node.sensor = (struct sensor_params){ .i_range_a = 256, .refresh_ns = 500000 };
	ck_assert_int_eq(node_sense_init(&s, &slice, 10, &view, behind), 0);
	ck_assert_uint_eq(s.n, 6);
	for (size_t i = 0; i < N; i++) {
		vm[i] = v_bus;
		load_w[i] = 960;
	}
	for (int64_t k = 1; k <= 20; k++) {
		plant.v_v += slope * 1e-4;
		plant.feed_avg_a = k % 5 == 0 ? 65 : 55; /* mean of five: 57 */
		plant.sc_avg_a = -3;
		node_sense_step(&s, k, &view);
	}
	static const struct {
		enum node_terminal_kind kind;
		double a;
	} want[] = { { TERMINAL_FEED, -57 }, { TERMINAL_SUPERCAP, -3 }, { TERMINAL_LOAD, 20 },
		     { TERMINAL_LINK, 40 },  { TERMINAL_LINK, 0 },      { TERMINAL_PORT, 10 } };
	for (size_t t = 0; t < s.n; t++) {
		/* The slope that firmware sees is off by a step of the voltage in a period. */
		bool line = want[t].kind == TERMINAL_LINK && want[t].a != 0;
		double tol = LSB_A / 2 + (line ? c_line * LSB_V / 1e-3 : 0);
		ck_assert_int_eq(s.terminals[t].kind, want[t].kind);
		ck_assert_double_eq_tol(node_sensor_current(&s, t),
		                        want[t].a - (line ? c_line * slope : 0), tol + 1e-9);
	}
	ck_assert_int_eq(s.periods, 2);
	node_sense_free(&s);
}
END_TEST

START_TEST(test_ideal_has_none)
{
	struct slice slice = { .id = "n1", .incarnation = 1, .step_ns = 100000 };
	struct node_plant plant = { .n = 1, .v_v = 48, .feed.i_a = 7 };
	const struct node_sense_view view = { .plant = &plant };
	struct node_sense s;

	slice.node.has_feed = slice.node.has_sc = true;
	ck_assert_int_eq(node_sense_init(&s, &slice, 10, &view, NULL), 0);
	ck_assert_uint_eq(s.n, 0);
	plant.v_v = 47.123456;
	plant.feed.i_a = 8.25;
	node_sense_step(&s, 1, &view);
	ck_assert_double_eq(s.v.value, 47.123456);
	ck_assert_double_eq(s.feed_a, 8.25);
	node_sense_free(&s);
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static struct small_mesh m;
static struct pwl_point conv_load = { .level = 12 };

/* Triangle with everything that a bus can have: feed, supercapacitor, load, converter, ports. */
static void
make_mesh(uint64_t seed, double gain)
{
	small_mesh_init(&m, 3);
	m.topo.seed = seed;
	for (uint32_t i = 0; i < 3; i++) {
		struct node_params *p = &m.nodes[i].p;
		p->control = CONTROL_CONSENSUS;
		p->sensors_realistic = true;
		p->sensor = (struct sensor_params){
			.i_gain = gain, .noise_lsb = 0.5, .i_range_a = 256, .refresh_ns = 500000
		};
		small_mesh_link(&m, i, (i + 1) % 3);
		small_mesh_load(&m, i, 300 + 250 * i);
	}
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_feed(&m, 1, 40);
	small_mesh_module(&m, 700, 0, 2);
	m.nodes[0].p.has_conv = true;
	m.nodes[0].p.conv = (struct conv_params){ .l_h = 4.7e-6,
		                                  .r_ohm = 5e-3,
		                                  .c_out_f = 2e-3,
		                                  .v_ref_v = 12,
		                                  .kp = 30,
		                                  .ki = 45000,
		                                  .kc = 0.25,
		                                  .p_fixed_w = 3.5,
		                                  .i_lim_a = 75,
		                                  .f_sw_hz = 200e3,
		                                  .load_a = { 1, &conv_load } };
}

/* Means of the recorded readings of process 0 over `steps`, in the order of `names`. */
static void
means(struct solver_loop *loop, int64_t steps, const char *const *names, size_t n, double *mean)
{
	memset(mean, 0, n * sizeof *mean);
	for (int64_t k = 0; k < steps; k++) {
		solver_loop_step(loop);
		for (size_t i = 0; i < n && (k + 1) % 5 == 0; i++)
			mean[i] += solver_loop_get(loop, 0, names[i]) / (double)(steps / 5);
	}
}

/* Without gain errors the readings at all terminals of a bus add up to what charges it: to the
 * statistics of noise (half a step) and rounding (a step over the root of 12). */
START_TEST(test_kirchhoff)
{
	static const char *const names[] = { "feed_i_meas",    "sc_i_meas",      "load_i_meas",
		                             "conv_in_i_meas", "link.l0.i_meas", "link.l2.i_meas",
		                             "port.m0.i_meas" };
	enum { N = sizeof names / sizeof *names, STEPS = 20000 };
	struct solver_loop *loop = NULL;
	struct err err = ERR_INIT;
	double mean[N], sum = 0;

	make_mesh(5, 0);
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
	for (int k = 0; k < 10000; k++)
		solver_loop_step(loop);
	double v = solver_loop_get(loop, 0, "v");
	means(loop, STEPS, names, N, mean);
	for (size_t i = 0; i < N; i++)
		sum += i == 0 ? -mean[i] : mean[i];
	double charge_a =
		m.nodes[0].p.c_bus_f * (solver_loop_get(loop, 0, "v") - v) / (STEPS * 1e-4);
	double sigma = LSB_A * sqrt((0.25 + 1.0 / 12) / (STEPS / 5) * N);
	ck_assert_double_ge(mean[0], 20); /* there is something to add up */
	ck_assert_double_ge(mean[3], 2);
	ck_assert_double_ge(mean[6], 2);
	ck_assert_double_eq_tol(sum + charge_a, 0, 5 * sigma);
	solver_loop_destroy(&loop);
}
END_TEST

/* Gains are drawn per terminal, within their range, and differ between seeds. */
START_TEST(test_gains)
{
	static const char *const names[] = { "link.l0.i_meas", "link.l0.i_avg", "load_i_meas" };
	double gain[2][2];

	for (uint64_t seed = 0; seed < 2; seed++) {
		struct solver_loop *loop = NULL;
		struct err err = ERR_INIT;
		double mean[3];
		make_mesh(seed + 3, 0.05);
		ck_assert_int_eq(
			solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
			0);
		for (int k = 0; k < 10000; k++)
			solver_loop_step(loop);
		means(loop, 20000, names, 3, mean);
		gain[seed][0] = mean[0] / mean[1];
		gain[seed][1] = mean[2] / (300 / solver_loop_get(loop, 0, "v"));
		for (int i = 0; i < 2; i++)
			ck_assert_double_eq_tol(gain[seed][i], 1, 0.055);
		ck_assert_double_ge(fabs(gain[seed][0] - gain[seed][1]), 1e-3);
		solver_loop_destroy(&loop);
	}
	ck_assert_double_ge(fabs(gain[0][0] - gain[1][0]), 1e-3);
	ck_assert_double_ge(fabs(gain[0][1] - gain[1][1]), 1e-3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_sense");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_terminals_by_hand);
	tcase_add_test(tc, test_ideal_has_none);
	tcase_add_test(tc, test_kirchhoff);
	tcase_add_test(tc, test_gains);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
