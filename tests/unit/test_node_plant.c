/* The bus against closed solutions: RC discharge, constant power from a capacitor, droop,
 * brown-out. */
#include "nodes/node_plant.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DT 1e-5
#define N 10

static const double none[N];

static void
make(struct node_plant *p, double c_f, double v_v)
{
	struct node_params np = { .c_bus_f = c_f };

	node_plant_init(p, &np, DT, N, v_v, 0);
}

static void
run(struct node_plant *p, double load_w, double pay_w, int steps)
{
	double w[N], vm[N];

	for (int s = 0; s < N; s++)
		w[s] = load_w;
	for (int k = 0; k < steps; k++)
		node_plant_step(p, none, w, pay_w, vm);
}

/* v = V0 exp(-t/RC); the midpoint rule is off by (dt/RC)^2/12 of the exponent. */
START_TEST(test_short_discharges)
{
	struct node_plant p;
	const double r = 0.2, rc = r * 20e-3, t = 5e-3;

	make(&p, 20e-3, 48);
	p.g_fault = 1 / r;
	run(&p, 0, 0, 50);
	double v = 48 * exp(-t / rc);
	ck_assert_double_eq_tol(p.v_v, v, v * (t / rc) * (DT / rc) * (DT / rc) / 10);
	ck_assert_double_eq_tol(p.fault_j, 0.5 * 20e-3 * (48 * 48 - p.v_v * p.v_v), 1e-11);
}
END_TEST

/* The energy of the capacitor falls by P t, so v = sqrt(V0^2 - 2 P t/C): exact for this rule. */
START_TEST(test_constant_power)
{
	struct node_plant p;

	make(&p, 20e-3, 48);
	run(&p, 500, 0, 80);
	ck_assert_double_eq_tol(p.v_v, sqrt(48 * 48 - 2 * 500 * 8e-3 / 20e-3), 1e-11);
	ck_assert_double_eq_tol(p.useful_j, 500 * 8e-3, 1e-12);
	ck_assert(p.served);
	ck_assert_double_eq(p.unserved_j, 0);
}
END_TEST

/* Below V_uv the load is the conductance P/V_uv^2. */
START_TEST(test_brown_out)
{
	struct node_plant p;
	const double g = 500 / (36.0 * 36.0), t = 5e-3;

	make(&p, 20e-3, 30);
	run(&p, 500, 0, 50);
	ck_assert_double_eq_tol(p.v_v, 30 * exp(-t * g / 20e-3), 1e-7);
	ck_assert(!p.served);
	ck_assert_double_eq_tol(p.unserved_j, 500 * t, 1e-12);
}
END_TEST

/* In the steady state (V_set - v)/R_d = P/v. */
START_TEST(test_droop)
{
	struct node_plant p;
	struct node_params np = { .c_bus_f = 20e-3,
		                  .has_feed = true,
		                  .has_sc = true,
		                  .c_sc_f = 0.1,
		                  .r_sc_ohm = 20e-3,
		                  .feed = { .v0_v = 48.5,
		                            .r_d_ohm = 15.36e-3,
		                            .i_rated_a = 62.5,
		                            .i_max_a = 78.125,
		                            .tau_s = 1e-3 } };
	double v = 0.5 * (48.5 + sqrt(48.5 * 48.5 - 4 * 15.36e-3 * 1000));

	node_plant_init(&p, &np, DT, N, 48, 48);
	run(&p, 1000, 0, 3000);
	ck_assert_double_eq_tol(p.v_v, v, 1e-9);
	ck_assert_double_eq_tol(p.v_sc_v, v, 1e-9);
	ck_assert_double_eq_tol(p.feed.i_a, 1000 / v, 1e-6);
	/* Overload: the limit holds, the rest comes out of the capacitors. */
	run(&p, 5000, 0, 200);
	ck_assert_double_eq_tol(p.feed.i_a, 78.125, 1e-3);
	double stored = node_plant_stored_j(&p), source = p.source_j, used = p.useful_j + p.loss_j;
	run(&p, 5000, 0, 1);
	ck_assert_double_eq_tol(p.source_j - source,
	                        p.useful_j + p.loss_j - used + node_plant_stored_j(&p) - stored,
	                        1e-11);
}
END_TEST

/* Two capacitors over the ESR: v - v_sc decays with R (C Csc/(C + Csc)), charge stays. */
START_TEST(test_supercapacitor)
{
	struct node_plant p;
	struct node_params np = {
		.c_bus_f = 20e-3, .has_sc = true, .c_sc_f = 60e-3, .r_sc_ohm = 0.1
	};

	node_plant_init(&p, &np, DT, N, 50, 40);
	run(&p, 0, 0, 15);
	ck_assert_double_eq_tol(p.v_v - p.v_sc_v, 10 * exp(-1.5e-3 / (0.1 * 15e-3)), 2e-5);
	ck_assert_double_eq_tol(20e-3 * p.v_v + 60e-3 * p.v_sc_v, 1 + 2.4, 1e-12);
}
END_TEST

/* A string that is open keeps its charge; half its capacitance is half its energy, which is booked. */
START_TEST(test_supercapacitor_opens_and_ages)
{
	struct node_plant p;
	const struct node_params np = {
		.c_bus_f = 20e-3, .has_sc = true, .c_sc_f = 60e-3, .r_sc_ohm = 0.1
	};

	node_plant_init(&p, &np, DT, N, 50, 40);
	double begun_j = node_plant_stored_j(&p);
	node_plant_open_sc(&p, true);
	run(&p, 0, 0, 15);
	ck_assert_double_eq_tol(p.v_v, 50, 1e-12);
	ck_assert_double_eq(p.v_sc_v, 40);
	ck_assert_double_eq_tol(node_plant_age_sc(&p, 0.5, 3), 0.5 * 30e-3 * 1600, 1e-12);
	ck_assert_double_eq_tol(node_plant_stored_j(&p) + p.abandoned_j, begun_j, 1e-12);
	ck_assert_double_eq(p.v_sc_v, 40); /* ageing does not close it */
	run(&p, 0, 0, 1);
	ck_assert_double_eq(p.v_sc_v, 40);
	/* 30 mF over 0.3 Ohm to 20 mF: 0.3 x 12 mF = 3.6 ms. */
	node_plant_open_sc(&p, false);
	run(&p, 0, 0, 15);
	ck_assert_double_eq_tol(p.v_v - p.v_sc_v, 10 * exp(-1.5e-3 / (0.3 * 12e-3)), 2e-5);
	ck_assert_double_eq_tol(node_plant_stored_j(&p) + p.abandoned_j + p.loss_j, begun_j, 1e-9);
	/* What is not given stays; made new, the energy comes back. */
	double v = p.v_sc_v, booked_j = p.abandoned_j;
	ck_assert_double_eq(node_plant_age_sc(&p, NAN, 5), 0);
	ck_assert_double_eq(p.abandoned_j, booked_j);
	ck_assert_double_eq_tol(node_plant_age_sc(&p, 1, 1), -0.5 * 30e-3 * v * v, 1e-12);
}
END_TEST

START_TEST(test_pays_ports)
{
	struct node_plant p;

	make(&p, 20e-3, 48);
	run(&p, 0, 300, 10);
	ck_assert_double_eq(p.paid_part, 1);
	ck_assert_double_eq_tol(node_plant_stored_j(&p), 0.5 * 20e-3 * 48 * 48 - 0.3, 1e-11);
	/* Above the floor the full power is paid, below V_uv as well. */
	make(&p, 20e-3, 30);
	run(&p, 0, 300, 1);
	ck_assert_double_eq(p.paid_part, 1);
	make(&p, 20e-3, 6);
	run(&p, 0, 300, 1);
	ck_assert_double_eq_tol(p.paid_part, 0.25, 0.01); /* (6 V/12 V)^2 */
}
END_TEST

START_TEST(test_lends_capacitance)
{
	struct node_plant p;

	make(&p, 20e-3, 48);
	double before = node_plant_stored_j(&p);
	ck_assert_double_eq_tol(node_plant_lend(&p, 5e-3), 0.5 * 5e-3 * 48 * 48, 1e-12);
	ck_assert_double_eq_tol(p.c_r_f, 15e-3, 1e-15);
	ck_assert_double_eq_tol(before - node_plant_stored_j(&p), 0.5 * 5e-3 * 48 * 48, 1e-12);
	ck_assert_double_eq_tol(p.abandoned_j, 0, 1e-14);
	/* More than there is: the bus keeps its floor, the difference is booked. */
	double lent = node_plant_lend(&p, 20e-3);
	ck_assert_double_eq_tol(p.c_r_f, NODE_C_MIN * 20e-3, 1e-15);
	ck_assert_double_eq_tol(before - node_plant_stored_j(&p),
	                        lent + 0.5 * 5e-3 * 48 * 48 + p.abandoned_j, 1e-11);
	node_plant_unlend(&p, 20e-3);
	node_plant_unlend(&p, 5e-3);
	ck_assert_double_eq_tol(node_plant_stored_j(&p), before, 1e-11);
	ck_assert_double_eq_tol(p.abandoned_j, 0, 1e-11);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_plant");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_short_discharges);
	tcase_add_test(tc, test_constant_power);
	tcase_add_test(tc, test_brown_out);
	tcase_add_test(tc, test_droop);
	tcase_add_test(tc, test_supercapacitor);
	tcase_add_test(tc, test_supercapacitor_opens_and_ages);
	tcase_add_test(tc, test_pays_ports);
	tcase_add_test(tc, test_lends_capacitance);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
