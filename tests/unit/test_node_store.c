/*
 * A supercapacitor behind its converter on a bus that is held at 48 V: discharge and charge against
 * closed solutions and the differential equation, its limits, the management's time constants, and
 * the books when the string opens and ages.
 */
#include "nodes/node_store.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DT 1e-5
#define N 10
#define PERIOD 100 /* sub-steps between two runs of the management: 1 ms */
#define BUS_V 48.0

static struct store_params
params(bool lossy)
{
	return (struct store_params){ .c_f = 1,
		                      .esr_ohm = lossy ? 20e-3 : 1e-7,
		                      .conv = { .l_h = 10e-6,
		                                .r_ohm = lossy ? 16e-3 : 0,
		                                .c_out_f = 2e-3,
		                                .v_ref_v = 48,
		                                .kp = 30,
		                                .kc = 0.25,
		                                .p_fixed_w = lossy ? 11 : 0,
		                                .i_lim_a = 75,
		                                .k_sw_s = lossy ? 22e-9 : 0,
		                                .c_oss_f = lossy ? 4e-9 : 0,
		                                .f_sw_hz = 200e3 },
		                      .v_min_v = 20,
		                      .v_max_v = 48,
		                      .target = 0.8,
		                      .p_max_w = 1500,
		                      .restore_w = 0,
		                      .smooth_s = 20,
		                      .hold_v = 46,
		                      .damp_s = 0 };
}

static void
make(struct node_store *s, const struct store_params *p, double v_v)
{
	node_store_init(s, p, DT, N, 20e-3, BUS_V, v_v);
}

/* The bus at `bus_v`; managed: the firmware runs too. Returns the energy that the bus got. */
static double
run(struct node_store *s, double demand_w, double bus_v, double for_s, bool managed)
{
	double g, j, given_j = 0;
	long n = lround(for_s / DT);

	for (long i = 0; i < n; i++) {
		s->demand_w = demand_w;
		g = j = 0;
		node_store_begin(s, (size_t)(i % N), bus_v, &g, &j);
		node_store_end(s, (size_t)(i % N), bus_v);
		/* The current of the bus solver is the one that is booked. */
		if (!(fabs(g * bus_v - j - s->conv.in_a) < 1e-9))
			ck_abort_msg("sub-step %ld: %g A, not %g", i, g * bus_v - j, s->conv.in_a);
		given_j -= s->conv.in_a * bus_v * DT;
		if (managed && i % PERIOD == PERIOD - 1)
			node_store_manage(s, PERIOD * DT, bus_v, s->conv.out.v_v);
	}
	return given_j;
}

/* Nothing is lost: v^2 = v0^2 - 2 P t/C, both ways. */
START_TEST(test_lossless)
{
	const struct store_params p = params(false);
	struct node_store s;

	for (int sign = -1; sign <= 1; sign += 2) {
		make(&s, &p, sign > 0 ? 44 : 30);
		double begun_j = node_store_stored_j(&s), v2 = s.v_v * s.v_v;
		double given_j = run(&s, sign * 500, BUS_V, 0.5, false);
		ck_assert_double_eq_tol(given_j, sign * 250, 0.5);
		/* What the inductor and the output capacitor hold is part of it. */
		ck_assert_double_eq_tol(s.v_v, sqrt(v2 - sign * 2 * 250 / 1.002), 0.02);
		ck_assert_double_eq_tol(begun_j - node_store_stored_j(&s),
		                        given_j + node_store_loss_j(&s), 1e-8);
	}
}
END_TEST

/* P = i (v - (ESR + R) i - K_sw f V) out, P = i (v + (ESR + R) i + K_sw f V) in; C dv/dt = -i. */
static double
slope(double v, double p_w)
{
	const double r = 36e-3, sw_v = 22e-9 * 200e3 * BUS_V;
	double e = p_w > 0 ? v - sw_v : v + sw_v;
	return -(e - sqrt(e * e - 4 * r * p_w)) / (2 * r);
}

static double
runge_kutta(double v, double p_w, double t_s)
{
	const int n = 2000;
	double h = t_s / n;
	for (int i = 0; i < n; i++) {
		double a = slope(v, p_w), b = slope(v + h / 2 * a, p_w);
		double c = slope(v + h / 2 * b, p_w), d = slope(v + h * c, p_w);
		v += h / 6 * (a + 2 * b + 2 * c + d);
	}
	return v;
}

START_TEST(test_losses)
{
	const struct store_params p = params(true);
	struct node_store s;

	for (int sign = -1; sign <= 1; sign += 2) {
		make(&s, &p, sign > 0 ? 44 : 30);
		double begun_j = node_store_stored_j(&s), v0 = s.v_v;
		double given_j = run(&s, sign * 500, BUS_V, 0.5, false);
		/* What is lost at rest the bus pays: P_q + C_oss f V^2/2. */
		double idle_w = 11 + 0.5 * 4e-9 * 200e3 * BUS_V * BUS_V;
		ck_assert_double_eq_tol(given_j, (sign * 500 - idle_w) * 0.5, 0.01 * 250);
		ck_assert_double_eq_tol(s.v_v, runge_kutta(v0, sign * 500, 0.5), 0.03);
		ck_assert_double_eq_tol(begun_j - node_store_stored_j(&s),
		                        given_j + node_store_loss_j(&s), 1e-8);
	}
}
END_TEST

/* Neither is it emptied below v_min nor filled above v_max, at its terminals, and the current holds
 * its limit; at the end nothing flows. */
START_TEST(test_limits)
{
	struct store_params p = params(true);
	struct node_store s;

	p.p_max_w = 3000;
	for (int sign = -1; sign <= 1; sign += 2) {
		double i_max = 0, least = 48, most = 20;
		make(&s, &p, sign > 0 ? 30 : 40);
		s.give_max_w = s.take_max_w = p.p_max_w; /* before the management has looked */
		for (int i = 0; i < 5000; i++) {
			/* 20 kW, and ever more: the mesh is never told that it carries it */
			run(&s, sign * 20e3, BUS_V, 1e-3, i > 100);
			s.slow_w = 0;
			i_max = fmax(i_max, fabs(s.conv.i_a));
			least = fmin(least, s.conv.out.v_v);
			most = fmax(most, s.conv.out.v_v);
		}
		ck_assert_double_le(i_max, 75 * 1.01);
		ck_assert_double_ge(i_max, 60);
		ck_assert_double_ge(least, 20 - 1e-3);
		ck_assert_double_le(most, 48 + 1e-3);
		ck_assert_double_le(fabs(s.conv.i_a), 0.5);
		ck_assert(sign > 0 ? s.v_v < 20.5 : s.v_v > 47.5);
	}
}
END_TEST

/* What the bus lacks below `hold` it gets; above 54 V it gets nothing. */
START_TEST(test_bus_limits)
{
	const struct store_params p = params(true);
	struct node_store s;

	make(&s, &p, 40);
	ck_assert_double_ge(run(&s, 0, 45.5, 0.02, true), 0.02 * 500);
	make(&s, &p, 40);
	ck_assert_double_le(run(&s, 1000, 54.5, 0.02, true), 0);
	/* Nothing is taken from a low bus, and nothing happens on a dark one. */
	make(&s, &p, 30);
	ck_assert_double_ge(run(&s, -1000, 45.9, 0.02, true), -0.02 * 50);
	make(&s, &p, 40);
	ck_assert_double_eq_tol(run(&s, 1000, 20, 0.02, true), 0, 1e-9);
	ck_assert_double_eq(s.v_v, 40);
}
END_TEST

/* A changed load goes over to the mesh with exp(-t/smooth). */
START_TEST(test_hands_over)
{
	struct store_params p = params(false);
	struct node_store s;

	p.c_f = 1000; /* its charge hardly moves */
	make(&s, &p, 44);
	node_store_settle(&s, 300);
	run(&s, 300, BUS_V, 0.01, true);
	ck_assert_double_eq_tol(s.give_w, 0, 1e-6);
	run(&s, 700, BUS_V, 0.01, true);
	ck_assert_double_eq_tol(s.give_w, 400, 1);
	run(&s, 700, BUS_V, 4.99, true);
	ck_assert_double_eq_tol(s.give_w, 400 * exp(-5.0 / 20), 1);
	ck_assert_double_eq_tol(s.slow_w, 700 - 400 * exp(-5.0 / 20), 1);
}
END_TEST

/* 600 J below the target with at most 100 W: 200 J are left after 4 s, then exp(-t/2 s). */
START_TEST(test_restores)
{
	struct store_params p = params(false);
	struct node_store s;
	double target_j = 400.0 / 2 * 5 + 0.8 * 0.5 * 5 * (48.0 * 48 - 400);

	p.c_f = 5;
	p.restore_w = 100;
	make(&s, &p, sqrt(2 * (target_j - 600) / 5));
	run(&s, 0, BUS_V, 4, true);
	ck_assert_double_eq_tol(0.5 * 5 * s.v_v * s.v_v, target_j - 200, 8);
	ck_assert_double_eq_tol(s.give_w, -100, 3);
	run(&s, 0, BUS_V, 4, true);
	ck_assert_double_eq_tol(0.5 * 5 * s.v_v * s.v_v, target_j - 200 * exp(-2), 3);
	/* Not from a bus that has to be held up itself. */
	make(&s, &p, 30);
	run(&s, 0, 46, 0.05, true);
	ck_assert_double_eq_tol(s.give_w, 0, 1);
}
END_TEST

/* Remaining energy tapers: what is left after t is exp(-t/0.25 s), and the mesh has taken over. */
START_TEST(test_tapers)
{
	const struct store_params p = params(false);
	struct node_store s;

	make(&s, &p, 24);
	node_store_settle(&s, 0);
	run(&s, 1000, BUS_V, 0.25, true);
	double left_j = 0.5 * (s.v_v * s.v_v - 400);
	run(&s, 1000, BUS_V, 0.25, true);
	/* The filter of the sensed voltage lags by 50 ms: t/(0.25 s - 0.05 s) at the most. */
	ck_assert_double_le(0.5 * (s.v_v * s.v_v - 400), left_j * exp(-1));
	ck_assert_double_ge(0.5 * (s.v_v * s.v_v - 400), left_j * exp(-1.5));
	ck_assert_double_eq_tol(s.slow_w + s.give_w, 1000, 50);
	ck_assert_double_ge(s.v_v, 20);
}
END_TEST

/* The bus voltage falls by 0.2 V in one step: what a capacitor of damp x 100 ms gives. */
START_TEST(test_damps)
{
	struct store_params p = params(false);
	struct node_store s;

	p.damp_s = 50;
	make(&s, &p, 44);
	node_store_settle(&s, 0);
	run(&s, 0, BUS_V, 0.001, false);
	run(&s, 0, BUS_V - 0.2, 0.001, false);
	ck_assert_double_eq_tol(s.give_w, 50 * 0.2 * exp(-0.01) * 47.8, 3);
	run(&s, 0, BUS_V - 0.2, 0.1, false);
	ck_assert_double_eq_tol(s.give_w, 50 * 0.2 * exp(-1.01) * 47.8, 3);
}
END_TEST

/* A bus that was short for 5 ms, or dark for 2 s, is not taken for a change of what the mesh
 * carries. */
START_TEST(test_short_leaves_no_mark)
{
	struct store_params p = params(true);
	struct node_store s;

	p.damp_s = 50;
	for (int i = 0; i < 2; i++) {
		make(&s, &p, 40);
		node_store_settle(&s, 300);
		run(&s, 300, BUS_V, 0.1, true);
		run(&s, i ? 0 : 300, i ? 0 : 39, i ? 2 : 0.005, true);
		/* 1500 W for 5 ms over 0.5 s; the load of a dark bus over 20 s. */
		ck_assert_double_eq_tol(s.slow_w, i ? 300 * exp(-2.0 / 20) : 285, 3);
		run(&s, 300, 44, 0.02, true);
		ck_assert_double_ge(s.give_w, 500);
		run(&s, 300, BUS_V, 0.5, true);
		ck_assert_double_le(fabs(s.give_w + 12), 300 - 300 * exp(-2.0 / 20) + 65);
	}
}
END_TEST

/* Full, and the load has dropped for good: what cannot be taken goes to the mesh, and the charge
 * comes down towards its target at once, instead of waiting for `smooth`. */
START_TEST(test_full_string_comes_down)
{
	struct store_params p = params(false);
	struct node_store s;

	p.restore_w = 50;
	make(&s, &p, 47.9);
	node_store_settle(&s, 600);
	run(&s, 100, BUS_V, 1, true);
	ck_assert_double_le(s.v_v, 48);
	double begun_j = 0.5 * s.v_v * s.v_v;
	run(&s, 100, BUS_V, 8, true);
	/* At least a third of the power for it: with what is left of the change the string is
	 * filled in its taper, 20 s long. */
	ck_assert_double_ge(begun_j - 0.5 * s.v_v * s.v_v, 8 * 50 / 3.0);
	ck_assert_double_eq_tol(s.slow_w, 100, 40);
}
END_TEST

/* An open string keeps its charge; nothing flows; closed again it goes on. */
START_TEST(test_string_opens)
{
	const struct store_params p = params(true);
	struct node_store s;

	make(&s, &p, 40);
	run(&s, 500, BUS_V, 0.01, true);
	double begun_j = node_store_stored_j(&s), lost_j = node_store_loss_j(&s);
	node_store_open(&s, true);
	double v = s.v_v, given_j = run(&s, 500, BUS_V, 0.05, true);
	ck_assert_double_eq(s.v_v, v);
	ck_assert_double_le(fabs(s.conv.i_a), 0.1);
	ck_assert_double_eq(s.string_a, 0);
	node_store_open(&s, false);
	given_j += run(&s, 900, BUS_V, 0.05, true);
	ck_assert_double_ge(s.give_w, 200);
	ck_assert_double_eq_tol(begun_j - node_store_stored_j(&s),
	                        given_j + node_store_loss_j(&s) - lost_j, 1e-8);
}
END_TEST

/* 30 % of the capacitance go at 40 V: 240 J are gone with it, and come back when it is made new. */
START_TEST(test_ages)
{
	const struct store_params p = params(true);
	struct node_store s;

	make(&s, &p, 40);
	double begun_j = node_store_stored_j(&s);
	ck_assert_double_eq_tol(node_store_age(&s, 0.7, 2), 0.5 * 0.3 * 1600, 1e-9);
	ck_assert_double_eq_tol(node_store_stored_j(&s) + s.abandoned_j, begun_j, 1e-9);
	/* Twice the ESR, 70 % of the capacitance. */
	node_store_settle(&s, 0);
	double given_j = run(&s, 500, BUS_V, 0.1, true);
	ck_assert_double_eq_tol(begun_j - node_store_stored_j(&s) - s.abandoned_j,
	                        given_j + node_store_loss_j(&s), 1e-8);
	double v = s.v_v;
	ck_assert_double_lt(v, 40 - 1.4 * (40 - runge_kutta(40, 500, 0.1)));
	ck_assert_double_gt(v, 40 - 1.5 * (40 - runge_kutta(40, 500, 0.1)));
	ck_assert_double_eq_tol(node_store_age(&s, 1, 1), -0.5 * 0.3 * v * v, 1e-9);
	ck_assert_double_eq_tol(s.abandoned_j, 240 - 0.5 * 0.3 * v * v, 1e-9);
}
END_TEST

/* An ESR four times what the firmware thinks, of a large string: the limits do not swing. */
START_TEST(test_aged_is_stable)
{
	struct store_params p = params(true);
	struct node_store s;
	double least = 1e9, most = -1e9;

	p.c_f = 100;
	make(&s, &p, 22);
	node_store_age(&s, 0.6, 4);
	node_store_settle(&s, 0);
	run(&s, 1000, BUS_V, 0.3, true);
	for (int i = 0; i < 100; i++) {
		run(&s, 1000, BUS_V, 1e-3, true);
		least = fmin(least, s.give_w);
		most = fmax(most, s.give_w);
	}
	ck_assert_double_ge(least, 100);
	ck_assert_double_le(most - least, 0.25 * most);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("node_store");
	TCase *tc = tcase_create("node_store");

	tcase_add_test(tc, test_lossless);
	tcase_add_test(tc, test_losses);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_bus_limits);
	tcase_add_test(tc, test_hands_over);
	tcase_add_test(tc, test_restores);
	tcase_add_test(tc, test_tapers);
	tcase_add_test(tc, test_damps);
	tcase_add_test(tc, test_short_leaves_no_mark);
	tcase_add_test(tc, test_full_string_comes_down);
	tcase_add_test(tc, test_string_opens);
	tcase_add_test(tc, test_ages);
	tcase_add_test(tc, test_aged_is_stable);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
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
