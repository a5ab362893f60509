/*
 * The converter against closed solutions: its steady states up, down and backwards, its loss table,
 * its limits, and the energy it takes from the bus.
 */
#include "nodes/node_conv.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DT 1e-5
#define N 10

static const double none[N];

struct bench {
	struct node_plant bus;
	struct node_conv conv;
};

static struct conv_params
params(double v_ref_v)
{
	return (struct conv_params){ .l_h = 10e-6,
		                     .r_ohm = 16e-3,
		                     .c_out_f = 2e-3,
		                     .v_ref_v = v_ref_v,
		                     .kp = 15,
		                     .ki = 10000,
		                     .kc = 0.25,
		                     .p_fixed_w = 11,
		                     .i_lim_a = 60,
		                     .k_sw_s = 22e-9,
		                     .c_oss_f = 4e-9,
		                     .f_sw_hz = 200e3 };
}

/* A bus that hardly moves. */
static void
make(struct bench *b, const struct conv_params *p, double c_bus_f, double bus_v)
{
	const struct node_params np = { .c_bus_f = c_bus_f };

	node_plant_init(&b->bus, &np, DT, N, bus_v, 0);
	node_conv_init(&b->conv, NODE_CONV_LOAD, p, DT, N, p->v_ref_v);
	b->bus.convs = &b->conv;
	b->bus.n_convs = 1;
}

static void
run(struct bench *b, double load_a, int steps)
{
	double vm[N];

	for (int s = 0; s < N; s++)
		b->conv.load_a[s] = load_a;
	for (int k = 0; k < steps; k++)
		node_plant_step(&b->bus, none, none, 0, vm);
}

static double
stored_j(const struct bench *b)
{
	return node_plant_stored_j(&b->bus) + node_conv_stored_j(&b->conv);
}

/* Down, up, and around the bus voltage, both directions: the output is at its reference, and the
 * inductor carries load x max(1, v_o/v_in) but for the drop on R. */
START_TEST(test_steady_states)
{
	const double refs[] = { 12, 24, 47, 48, 48.3, 50, 58 }, loads[] = { 0, 3, 20, -15 };

	for (size_t r = 0; r < sizeof refs / sizeof refs[0]; r++)
		for (size_t l = 0; l < sizeof loads / sizeof loads[0]; l++) {
			struct conv_params p = params(refs[r]);
			struct bench b;
			make(&b, &p, 1e4, 48);
			run(&b, loads[l], 300);
			double i = b.conv.i_a, vx = refs[r] * b.conv.d2;
			ck_assert_double_eq_tol(b.conv.out.v_v, refs[r], 1e-6);
			ck_assert_double_eq_tol(b.conv.d2 * i, loads[l], 1e-5);
			/* the inductor's mean voltage is nothing */
			ck_assert_double_eq_tol(b.conv.d1 * b.bus.v_v, vx + p.r_ohm * i, 1e-4);
			ck_assert(refs[r] < 47.5 ? b.conv.d2 == 1 : b.conv.d1 == 1 || i <= 0);
		}
}
END_TEST

struct eff_row {
	double v_ref_v, rated_w, r_ohm, p_fixed_w, k_sw_s, c_oss_f;
	double part, percent;
};

/* Stated efficiencies of the two converters of docs/models/converter.md. */
static const struct eff_row eff_rows[] = {
	{ 48, 2000, 16e-3, 11, 22e-9, 4e-9, 0.02, 76.8 },
	{ 48, 2000, 16e-3, 11, 22e-9, 4e-9, 0.10, 93.9 },
	{ 48, 2000, 16e-3, 11, 22e-9, 4e-9, 0.50, 97.7 },
	{ 48, 2000, 16e-3, 11, 22e-9, 4e-9, 1.00, 97.6 },
	{ 12, 600, 5e-3, 2.6, 8e-9, 3e-9, 0.02, 78 },
	{ 12, 600, 5e-3, 2.6, 8e-9, 3e-9, 0.10, 94 },
	{ 12, 600, 5e-3, 2.6, 8e-9, 3e-9, 0.50, 97.3 },
	{ 12, 600, 5e-3, 2.6, 8e-9, 3e-9, 1.00, 96.8 },
};
enum { N_EFF = sizeof eff_rows / sizeof eff_rows[0] };

/* Energy out over energy in, both metered at the terminals over 20 ms after settling. */
static double
efficiency(const struct eff_row *e, int direction)
{
	struct conv_params p = params(e->v_ref_v);
	struct bench b;

	p.r_ohm = e->r_ohm;
	p.p_fixed_w = e->p_fixed_w;
	p.k_sw_s = e->k_sw_s;
	p.c_oss_f = e->c_oss_f;
	make(&b, &p, 1e3, 48);
	/* Backwards the rated power is what arrives at the bus. */
	double load_a = e->part * e->rated_w / e->v_ref_v;
	if (direction < 0)
		load_a /= -e->percent / 100;
	run(&b, load_a, 500);
	double bus_j = node_plant_stored_j(&b.bus), out_j = b.conv.useful_j - b.conv.source_j;
	run(&b, load_a, 200);
	bus_j -= node_plant_stored_j(&b.bus);
	out_j = b.conv.useful_j - b.conv.source_j - out_j;
	return direction > 0 ? out_j / bus_j : bus_j / out_j;
}

START_TEST(test_efficiency)
{
	const struct eff_row *e = &eff_rows[_i % N_EFF];
	int direction = _i < N_EFF ? 1 : -1;

	double got = 100 * efficiency(e, direction);
	ck_assert_msg(fabs(got - e->percent) <= 0.5,
	              "%g V, %g %% load, direction %d: %.2f %%, stated %g %%", e->v_ref_v,
	              100 * e->part, direction, got, e->percent);
}
END_TEST

/* Whatever happens, the bus loses what the converter stores, burns and delivers. */
START_TEST(test_energy)
{
	struct conv_params p = params(30);
	struct bench b;
	double worst = 0;

	make(&b, &p, 20e-3, 48);
	double before = stored_j(&b);
	for (int k = 0; k < 400; k++) {
		run(&b, k % 40 < 20 ? 25 : k % 3 ? -10 : 2, 1);
		double now = stored_j(&b) + b.conv.useful_j + b.conv.loss_j - b.conv.source_j;
		worst = fmax(worst, fabs(now - before));
	}
	ck_assert_double_le(worst, 1e-12 * before);
	ck_assert_double_gt(b.conv.useful_j, 10);
	ck_assert_double_gt(b.conv.source_j, 1);
}
END_TEST

/* Overload: the inductor keeps to its limit, the output sinks; afterwards it comes back without the
 * integrator having run away. */
START_TEST(test_current_limit)
{
	struct conv_params p = params(12);
	struct bench b;
	double i_max = 0, v_max = 0;

	make(&b, &p, 1e4, 48);
	run(&b, 10, 100);
	double unserved_j = b.conv.unserved_j;
	for (int k = 0; k < 300; k++) {
		run(&b, 90, 1);
		i_max = fmax(i_max, b.conv.i_a);
	}
	/* below half of its reference the load is 90 A/6 V: 60 A are reached at 4 V */
	ck_assert_double_eq_tol(b.conv.out.v_v, 4, 1e-3);
	ck_assert_double_eq_tol(b.conv.i_a, 60, 1e-3);
	ck_assert_double_le(i_max, 60 * 1.01);
	ck_assert(!b.conv.served);
	/* all of it but the first moments, until the output has fallen by 3 % */
	ck_assert_double_eq_tol(b.conv.unserved_j - unserved_j, 90 * 12 * 30e-3, 0.05);
	for (int k = 0; k < 200; k++) {
		run(&b, 10, 1);
		v_max = fmax(v_max, b.conv.out.v_v);
	}
	ck_assert_double_eq_tol(b.conv.out.v_v, 12, 1e-6);
	ck_assert_double_le(v_max, 12 * NODE_CONV_HIGH);
	ck_assert(b.conv.served);
	run(&b, -90, 300);
	ck_assert_double_eq_tol(b.conv.i_a, -60, 0.1);
	ck_assert_double_le(b.conv.out.v_v, 12 * 1.25); /* the source stops */
}
END_TEST

/* A source of 480 W at the output of a converter whose bus has no load: within 10 ms the bus would be at
 * 54 V. It stays there, the output rises until the source stops, and all of it comes back. */
START_TEST(test_source_and_idle_bus)
{
	struct conv_params p = params(24);
	struct bench b;
	double bus_v = 0;

	make(&b, &p, 20e-3, 48);
	for (int k = 0; k < 2000; k++) {
		run(&b, -20, 1);
		bus_v = fmax(bus_v, b.bus.v_v);
	}
	ck_assert_double_ge(bus_v, 53);
	ck_assert_double_le(bus_v, 54.5);
	ck_assert_double_le(b.conv.out.v_v, 24 * 1.25);
	run(&b, 5, 100);
	ck_assert_double_eq_tol(b.conv.out.v_v, 24, 0.1);
	ck_assert_double_lt(b.bus.v_v, 54);
}
END_TEST

/* Off below 36 V, on again above 40 V; an empty bus is left alone. */
START_TEST(test_under_voltage)
{
	struct conv_params p = params(12);
	struct bench b;

	make(&b, &p, 20e-3, 48);
	run(&b, 30, 300); /* 360 W on 20 mF: 48 -> 36 V takes 28 ms */
	ck_assert(!b.conv.on);
	ck_assert_double_le(b.bus.v_v, 36);
	ck_assert_double_eq_tol(b.conv.i_a, 0, 1e-3);
	double bus_v = b.bus.v_v;
	run(&b, 30, 100);
	ck_assert_double_eq_tol(b.bus.v_v, bus_v, 1e-9);
	ck_assert_double_le(b.conv.out.v_v, 0.1);
	b.bus.v_v = 39.9;
	run(&b, 0, 1);
	ck_assert(!b.conv.on);
	b.bus.v_v = 48;
	run(&b, 10, 300);
	ck_assert(b.conv.on);
	ck_assert_double_eq_tol(b.conv.out.v_v, 12, 1e-6);
	make(&b, &p, 20e-3, 0);
	run(&b, 30, 300);
	ck_assert_double_eq_tol(b.bus.v_v, 0, 1e-6);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_conv");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_steady_states);
	tcase_add_loop_test(tc, test_efficiency, 0, 2 * N_EFF);
	tcase_add_test(tc, test_energy);
	tcase_add_test(tc, test_current_limit);
	tcase_add_test(tc, test_source_and_idle_bus);
	tcase_add_test(tc, test_under_voltage);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
