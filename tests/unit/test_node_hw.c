/* Temperature, derating and trips: closed forms, thresholds, and what they do to a mesh. */
#include "nodes/node_hw.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define STEP_NS 100000
#define STEP_S 1e-4

static struct node_params params = {
	.thermal = { .ambient_c = 20,
	             .r_th_k_w = 0.5,
	             .c_th_j_k = 2,
	             .derate_c = 80,
	             .max_c = 100,
	             .least = 0.4,
	             .restart_c = 70 },
	.trip = { .ov_v = 57,
	          .ov_clear_v = 54,
	          .uv_v = 36,
	          .uv_clear_v = 40,
	          .ov_delay_ns = 300000,
	          .restart_ns = 1000000 },
};

/* ---- temperature ----------------------------------------------------------------------------- */

/* A constant loss: T = T_a + P R (1 - exp(-t/RC)); the midpoint rule is off by less than
 * (dt/tau)^2. */
START_TEST(test_step_response)
{
	struct node_thermal t;
	const double p_w = 100, tau_s = 1;

	node_thermal_init(&t, &params, STEP_S, 20);
	for (int64_t k = 1; k <= 30000; k++) {
		node_thermal_step(&t, p_w * STEP_S * (double)k, 0, false);
		if (k % 5000 == 0)
			ck_assert_double_eq_tol(
				t.temp_c, 20 + 50 * (1 - exp(-STEP_S * (double)k / tau_s)), 1e-6);
	}
	ck_assert_double_eq_tol(t.heat_w, p_w, 1e-6);
}
END_TEST

/* Nothing is lost: T falls to the ambient with R C, in one go as in steps. */
START_TEST(test_cools)
{
	struct node_thermal t, u;

	node_thermal_init(&t, &params, STEP_S, 90);
	u = t;
	node_thermal_cool(&t, 0);
	ck_assert_double_eq(t.temp_c, 90);
	node_thermal_cool(&t, 12345);
	ck_assert_double_eq_tol(t.temp_c, 20 + 70 * exp(-STEP_S * 12345), 1e-6);
	for (int k = 0; k < 12345; k++)
		node_thermal_step(&u, 0, 0, true);
	ck_assert_double_eq_tol(t.temp_c, u.temp_c, 1e-10);
	node_thermal_cool(&t, INT64_C(1) << 40); /* years */
	ck_assert_double_eq_tol(t.temp_c, 20, 1e-12);
}
END_TEST

/* The feed's stage at its rating has the efficiency of the table (97.6 % at 2 kW), and none when it
 * is off. */
START_TEST(test_feed_heat)
{
	struct node_params p = params;
	struct node_thermal t;

	p.has_feed = true;
	p.feed.i_rated_a = 2000 / 48.0;
	node_thermal_init(&t, &p, STEP_S, 20);
	node_thermal_step(&t, 0, p.feed.i_rated_a, false);
	ck_assert_double_eq_tol(2000 / (2000 + t.heat_w), 0.976, 1e-3);
	node_thermal_step(&t, 0, 0, false);
	ck_assert_double_eq_tol(t.heat_w, 0.006 * 2000, 1e-9);
	node_thermal_step(&t, 0, 0, true);
	ck_assert_double_eq(t.heat_w, 0);
}
END_TEST

START_TEST(test_derating_line)
{
	static const double rows[][2] = { { -10, 1 },  { 80, 1 },    { 85, 0.85 },
		                          { 90, 0.7 }, { 100, 0.4 }, { 130, 0.4 } };
	struct node_thermal t;

	node_thermal_init(&t, &params, STEP_S, 20);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		t.temp_c = rows[i][0];
		ck_assert_double_eq_tol(node_thermal_part(&t, t.temp_c), rows[i][1], 1e-12);
	}
}
END_TEST

/* ---- trips ----------------------------------------------------------------------------------- */

static struct node_trip trip;
static struct core_events events;

/* Steps with a voltage and a temperature; returns the step of the first event, or -1. */
static int64_t
steps(int64_t *k, int n, double v, double temp_c)
{
	for (int i = 0; i < n; i++) {
		events.n = 0;
		node_trip_step(&trip, (*k)++, v, v, temp_c, &events);
		if (events.n)
			return *k - 1;
	}
	return -1;
}

static void
said(uint32_t code, double cause)
{
	ck_assert_uint_eq(events.n, 1);
	ck_assert_uint_eq(events.e[0].code, code);
	ck_assert_double_eq(events.e[0].a, cause);
}

START_TEST(test_over_voltage)
{
	int64_t k = 0;

	node_trip_init(&trip, &params, STEP_NS, 48, true);
	ck_assert_int_eq(steps(&k, 100, 56.9, 25), -1);
	ck_assert_int_eq(steps(&k, 2, 57.1, 25), -1); /* shorter than the delay of three steps */
	ck_assert_int_eq(steps(&k, 1, 56.9, 25), -1);
	int64_t from = k;
	ck_assert_int_eq(steps(&k, 9, 57.1, 25), from + 2);
	said(EV_TRIP, TRIP_OV);
	ck_assert(node_trip_off(&trip));
	ck_assert_int_eq(steps(&k, 100, 55, 25), -1); /* between the two: stays off */
	ck_assert_int_eq(steps(&k, 9, 53, 25), -1);
	ck_assert_int_eq(steps(&k, 1, 54.5, 25), -1); /* the quiet time begins anew */
	from = k;
	ck_assert_int_eq(steps(&k, 20, 53, 25), from + 9);
	said(EV_TRIP_CLEAR, TRIP_OV);
	ck_assert(!node_trip_off(&trip));
}
END_TEST

START_TEST(test_under_voltage_and_heat)
{
	int64_t k = 0;

	node_trip_init(&trip, &params, STEP_NS, 0, true); /* black: no event until it is up */
	ck_assert_int_eq(steps(&k, 5, 10, 25), -1);
	ck_assert_int_ge(steps(&k, 1, 40, 25), 0);
	said(EV_TRIP_CLEAR, TRIP_UV);
	ck_assert_int_ge(steps(&k, 1, 35.9, 25), 0);
	said(EV_TRIP, TRIP_UV);
	ck_assert(!node_trip_off(&trip));
	ck_assert_int_ge(steps(&k, 1, 41, 25), 0);
	ck_assert_int_eq(steps(&k, 5, 48, 99.9), -1);
	ck_assert_int_ge(steps(&k, 1, 48, 100), 0);
	said(EV_TRIP, TRIP_OT);
	ck_assert(node_trip_off(&trip));
	ck_assert_int_eq(steps(&k, 5, 48, 70.1), -1);
	ck_assert_int_ge(steps(&k, 1, 48, 70), 0);
	said(EV_TRIP_CLEAR, TRIP_OT);
	node_trip_init(&trip, &params, STEP_NS, 0, false); /* nothing to switch off: not told */
	ck_assert_int_eq(steps(&k, 5, 10, 25), -1);
	ck_assert_int_eq(steps(&k, 5, 48, 25), -1);
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static struct small_mesh m;
static struct solver_loop *loop;

static void
start(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
}

/* Ring of four with two feeds of 50 A and 3.4 kW. */
static void
make_ring(void)
{
	small_mesh_init(&m, 4);
	for (uint32_t i = 0; i < 4; i++) {
		m.nodes[i].p.control = CONTROL_CONSENSUS;
		small_mesh_link(&m, i, (i + 1) % 4);
		small_mesh_load(&m, i, 850);
	}
	small_mesh_feed(&m, 0, 50);
	small_mesh_feed(&m, 2, 50);
}

static size_t
run(int64_t until, uint32_t proc, uint32_t code)
{
	size_t n = 0;

	while (solver_loop_k(loop) < until) {
		solver_loop_step(loop);
		const struct core_events *ev = solver_loop_events(loop, proc);
		for (size_t i = 0; i < ev->n; i++)
			n += ev->e[i].code == code;
	}
	return n;
}

/* Half of a feed: the other takes over, both at the same part of what is there; back when the lease
 * ends. */
START_TEST(test_derated_feed)
{
	struct core_cmd cmd = { .kind = CMD_DERATE, .chan = -1, .a = 0.6, .b = NAN, .c = NAN };

	make_ring();
	start();
	ck_assert_uint_eq(run(20000, 0, EV_DERATED), 0);
	solver_loop_command(loop, 0, 20000, cmd);
	ck_assert_uint_eq(run(60000, 0, EV_DERATED), 1);
	double a = solver_loop_get(loop, 0, "feed_i"), b = solver_loop_get(loop, 2, "feed_i");
	ck_assert_double_eq(solver_loop_get(loop, 0, "available"), 0.6);
	ck_assert_double_eq_tol(a / b, 0.6, 0.006);
	ck_assert_double_eq_tol(solver_loop_get(loop, 0, "loading"), a / 30, 1e-12);
	cmd.kind = CMD_UNDERATE;
	solver_loop_command(loop, 0, 60000, cmd);
	ck_assert_uint_eq(run(100000, 0, EV_DERATED), 1);
	a = solver_loop_get(loop, 0, "feed_i"), b = solver_loop_get(loop, 2, "feed_i");
	ck_assert_double_eq_tol(a / b, 1, 0.01);
	solver_loop_destroy(&loop);
}
END_TEST

/* A hot stage: it trips, cools, returns; the current is zero while it is off, the other feed and
 * the supercapacitors carry the mesh. */
START_TEST(test_heat_trip)
{
	make_ring();
	for (uint32_t i = 0; i < 4; i++)
		small_mesh_load(&m, i, 400);
	m.nodes[0].p.thermal = (struct thermal_params){ .ambient_c = 70,
		                                        .r_th_k_w = 2,
		                                        .c_th_j_k = 0.1,
		                                        .derate_c = 100,
		                                        .max_c = 101,
		                                        .least = 0.9,
		                                        .restart_c = 75 };
	start();
	bool off = false;
	size_t trips = 0, clears = 0;
	for (int64_t k = 0; k < 20000; k++) {
		solver_loop_step(loop);
		const struct core_events *ev = solver_loop_events(loop, 0);
		for (size_t i = 0; i < ev->n; i++) {
			trips += ev->e[i].code == EV_TRIP && ev->e[i].a == TRIP_OT;
			clears += ev->e[i].code == EV_TRIP_CLEAR && ev->e[i].a == TRIP_OT;
		}
		off = trips > clears;
		if (off)
			ck_assert_double_eq(solver_loop_get(loop, 0, "feed_i"), 0);
		ck_assert_double_ge(solver_loop_get(loop, 0, "v"), 45);
		ck_assert_double_le(solver_loop_get(loop, 0, "temp"), 101.1);
	}
	ck_assert_uint_ge(trips, 1);
	ck_assert_uint_ge(clears, 1);
	solver_loop_destroy(&loop);
}
END_TEST

/* A feed that is set far too high: its bus trips it, and never sees 58 V. */
START_TEST(test_over_voltage_mesh)
{
	double v_max = 0;
	size_t trips = 0;

	make_ring();
	for (uint32_t i = 0; i < 4; i++) {
		m.nodes[i].p.control = CONTROL_NONE;
		small_mesh_load(&m, i, 20);
	}
	m.nodes[0].p.feed.v0_v = 60;
	start();
	for (int64_t k = 0; k < 20000; k++) {
		solver_loop_step(loop);
		const struct core_events *ev = solver_loop_events(loop, 0);
		for (size_t i = 0; i < ev->n; i++)
			trips += ev->e[i].code == EV_TRIP && ev->e[i].a == TRIP_OV;
		for (uint32_t n = 0; n < 4; n++)
			v_max = fmax(v_max, solver_loop_get(loop, n, "v_max"));
	}
	ck_assert_uint_ge(trips, 1);
	ck_assert_double_ge(v_max, 57);
	ck_assert_double_le(v_max, 57.2); /* one step at 62.5 A into 20 mF is 0.3 V at most */
	solver_loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_hw");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_step_response);
	tcase_add_test(tc, test_cools);
	tcase_add_test(tc, test_feed_heat);
	tcase_add_test(tc, test_derating_line);
	tcase_add_test(tc, test_over_voltage);
	tcase_add_test(tc, test_under_voltage_and_heat);
	tcase_add_test(tc, test_derated_feed);
	tcase_add_test(tc, test_heat_trip);
	tcase_add_test(tc, test_over_voltage_mesh);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
