/* Firmware that hangs: watchdog and boot to the step, what goes on meanwhile, and what comes after;
 * faults of sensors. */
#include "common/mcu.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "nodes/node_sensor.h"
#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define STEP_NS 100000

/* ---- states ---------------------------------------------------------------------------------- */

static struct mcu mcu;
static struct core_events events;

static void
command(uint32_t kind, int64_t k)
{
	const struct core_cmd cmd = { .k = k, .kind = kind, .chan = -1 };

	events.n = 0;
	(void)mcu_command(&mcu, &cmd, &events);
}

/* Steps k to `until`; returns the step of the first event, whose code must be `code`. */
static int64_t
until_event(int64_t k, int64_t until, uint32_t code)
{
	for (; k < until; k++) {
		events.n = 0;
		(void)mcu_step(&mcu, k, &events);
		if (!events.n)
			continue;
		ck_assert_uint_eq(events.e[0].code, code);
		return k;
	}
	return -1;
}

START_TEST(test_watchdog)
{
	const struct mcu_params p = { .watchdog_ns = 50000000, .boot_ns = 2050000 };

	mcu_init(&mcu, &p, STEP_NS);
	ck_assert_int_eq(until_event(0, 1000, 0), -1);
	command(CMD_UNHANG, 1000); /* nothing hangs */
	ck_assert(events.n == 0 && mcu_runs(&mcu));
	command(CMD_HANG, 1000);
	ck_assert(events.n == 1 && events.e[0].code == EV_HANG && !mcu_runs(&mcu));
	command(CMD_HANG, 1100); /* hangs already: the watchdog counts on */
	ck_assert_uint_eq(events.n, 0);
	ck_assert_int_eq(until_event(1001, 9999, EV_WATCHDOG), 1500);
	ck_assert_double_eq(events.e[0].a, 1);
	ck_assert(!mcu_runs(&mcu));
	ck_assert_int_eq(until_event(1501, 9999, EV_MCU_UP), 1521); /* 20.5 steps, rounded up */
	ck_assert(mcu_runs(&mcu));
}
END_TEST

START_TEST(test_no_watchdog)
{
	const struct mcu_params p = { .watchdog_ns = 0, .boot_ns = 0 };

	mcu_init(&mcu, &p, STEP_NS);
	command(CMD_HANG, 5);
	ck_assert_int_eq(until_event(6, 1000000, 0), -1);
	command(CMD_UNHANG, 1000000);
	ck_assert(events.n == 1 && events.e[0].code == EV_WATCHDOG && events.e[0].a == 0);
	ck_assert_int_eq(until_event(1000001, 1000009, EV_MCU_UP), 1000001);
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static struct small_mesh m;
static struct solver_loop *loop;

/* Ring of four, two feeds, consensus. */
static void
make_ring(bool realistic, int64_t watchdog_ns)
{
	struct err err = ERR_INIT;

	small_mesh_init(&m, 4);
	for (uint32_t i = 0; i < 4; i++) {
		m.nodes[i].p.control = CONTROL_CONSENSUS;
		m.nodes[i].p.sensors_realistic = realistic;
		m.nodes[i].p.mcu.watchdog_ns = watchdog_ns;
		small_mesh_link(&m, i, (i + 1) % 4);
		small_mesh_load(&m, i, 600 + 100 * i);
	}
	small_mesh_feed(&m, 0, 50);
	small_mesh_feed(&m, 2, 40);
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, NULL, &loop, &err), 0);
}

static void
run(int64_t until)
{
	while (solver_loop_k(loop) < until)
		solver_loop_step(loop);
}

static double
get(uint32_t n, const char *name)
{
	return solver_loop_get(loop, n, name);
}

static void
tell(uint32_t n, int64_t k, uint32_t kind, double a, double b, double c)
{
	const struct core_cmd cmd = { .kind = kind, .chan = -1, .a = a, .b = b, .c = c };

	solver_loop_command(loop, n, k, cmd);
}

/* While it hangs: its correction and readings are frozen, its droop follows the bus; the others
 * still share among themselves. After: shares as before, with the plant as it was. */
START_TEST(test_hang)
{
	make_ring(false, 100000000);
	run(20000);
	double di = get(0, "di"), dv = get(0, "dv"), v_meas = get(0, "v_meas");
	tell(0, 20000, CMD_HANG, NAN, NAN, NAN);
	tell(1, 20100, CMD_LOAD, 1200, 0, NAN);
	run(20990);
	ck_assert_double_eq(get(0, "di"), di);
	ck_assert_double_eq(get(0, "dv"), dv);
	ck_assert_double_eq(get(0, "v_meas"), v_meas);
	/* The droop law, in the steady state: i = (v_set - v)/R_d. */
	double v_set = 48.5 + dv + di;
	ck_assert_double_eq_tol(get(0, "feed_i"), (v_set - get(0, "v")) / (0.02 * 48 / 50), 0.2);
	run(21000 + 199);
	ck_assert_double_eq(get(0, "di"), di); /* resets at 21000, boots until 21200 */
	run(21203);
	ck_assert_double_ne(get(0, "v_meas"), v_meas);
	run(60000);
	ck_assert_double_eq_tol(get(0, "loading"), get(2, "loading"), 0.005 * get(2, "loading"));
	for (uint32_t n = 0; n < 4; n++)
		ck_assert_double_eq_tol(get(n, "v"), 48, 0.5);
	solver_loop_destroy(&loop);
}
END_TEST

/* A node whose firmware is silent for good is no anchor: its neighbours' corrections go their own
 * way and hold the mean of their own voltages. */
START_TEST(test_silent_is_no_anchor)
{
	make_ring(false, 0);
	run(20000);
	tell(3, 20000, CMD_HANG, NAN, NAN, NAN);
	tell(0, 20500, CMD_LOAD, 1500, 0, NAN);
	run(60000);
	double mean = (get(0, "v") + get(1, "v") * 2 + get(2, "v")) / 4; /* chain 0-1-2 */
	ck_assert_double_eq_tol(mean, 48, 5e-3);
	ck_assert_double_eq_tol(get(0, "loading"), get(2, "loading"), 0.01 * get(2, "loading"));
	solver_loop_destroy(&loop);
}
END_TEST

/* With ideal sensors a bias is exact; the mesh holds the degree-weighted mean of the readings. */
START_TEST(test_bias_and_stuck)
{
	make_ring(false, 100000000);
	run(20000);
	tell(1, 20000, CMD_BIAS, 0.4, NAN, NAN);
	run(50000);
	ck_assert_double_eq(get(1, "v_meas"), get(1, "v") + 0.4);
	double sum = 0;
	for (uint32_t n = 0; n < 4; n++)
		sum += get(n, "v_meas") / 4;
	ck_assert_double_eq_tol(sum, 48, 2e-3);
	tell(1, 50000, CMD_UNBIAS, NAN, NAN, NAN);
	tell(2, 50000, CMD_STUCK, 1, NAN, NAN);
	double stuck_a = get(2, "feed_i_meas");
	tell(3, 50500, CMD_LOAD, 1500, 0, NAN);
	run(52000);
	ck_assert_double_eq(get(1, "v_meas"), get(1, "v"));
	ck_assert_double_eq(get(2, "feed_i_meas"), stuck_a);
	ck_assert_double_ge(fabs(get(2, "feed_i") - stuck_a), 1);
	tell(2, 52000, CMD_UNSTUCK, NAN, NAN, NAN);
	run(52010);
	ck_assert_double_eq(get(2, "feed_i_meas"), get(2, "feed_i"));
	solver_loop_destroy(&loop);
}
END_TEST

/* A realistic sensor of the feed current with a gain fault of 10 %. */
START_TEST(test_realistic_bias)
{
	make_ring(true, 100000000);
	run(20000);
	tell(0, 20000, CMD_BIAS, NAN, 2, 0.1);
	run(40000);
	double sum = 0, true_a = 0;
	for (int i = 0; i < 2000; i++) {
		run(40000 + i + 1);
		sum += get(0, "feed_i_meas") / 2000;
		true_a += get(0, "feed_i_avg") / 2000;
	}
	/* Gain within 1 %, offset within 125 mA, noise of 400 readings. */
	ck_assert_double_eq_tol(sum, 1.1 * true_a + 2, 0.011 * true_a + 0.022 + 0.125 + 0.03);
	solver_loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mcu");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_watchdog);
	tcase_add_test(tc, test_no_watchdog);
	tcase_add_test(tc, test_hang);
	tcase_add_test(tc, test_silent_is_no_anchor);
	tcase_add_test(tc, test_bias_and_stuck);
	tcase_add_test(tc, test_realistic_bias);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
