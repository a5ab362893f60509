/*
 * Class cpu: converter limits from their definition; input power at nominal voltage against the
 * published figures of the parameter table (136.9, 72.8 and 23.0 W for compute, memory and idle).
 */
#include "loadmods/module_class.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DT 1e-5
#define STEP 1e-4

static void
run(struct module_cpu *c, uint32_t phase, double v_in_v, int64_t *t_ns, int steps)
{
	for (int k = 0; k < steps; k++) {
		module_cpu_begin(c, phase, *t_ns, STEP);
		for (int s = 0; s < 10; s++)
			module_cpu_step(c, v_in_v);
		*t_ns += 100000;
	}
}

START_TEST(test_published_power)
{
	static const double p_in_w[] = { 136.9, 72.8, 23.0 };
	struct module_cpu c;
	int64_t t_ns = 0;

	module_cpu_init(&c, 4, NAN, DT, false);
	/* The table gives 1.00 V at the module: make up for the load line; thermal settling 5 tau.
	 */
	for (int i = 0; i < 15; i++) {
		run(&c, (uint32_t)_i, 48, &t_ns, 10000);
		module_cpu_reference(&c, c.v_ref_v + 1.0 - c.rail_v);
	}
	ck_assert_double_eq_tol(c.rail_v, 1.0, 1.5e-3);
	ck_assert_double_eq_tol(c.p_w + c.conv_loss_w, p_in_w[_i], 0.01 * p_in_w[_i]);
	ck_assert_double_lt(c.errors, 1e-9);
}
END_TEST

/* 48 V/4/4096 = 2.93 mV per step of the duty: the rail sits within half of that. */
START_TEST(test_duty_has_12_bits)
{
	struct module_cpu c;
	int64_t t_ns = 0;
	double last = 0;
	int jumps = 0;

	module_cpu_init(&c, 4, 0.9, DT, false);
	for (int i = 0; i < 100; i++) {
		module_cpu_reference(&c, 0.9 + 1e-4 * i);
		run(&c, PHASE_IDLE, 48, &t_ns, 20);
		double d = c.v_int_v - (0.9 + 1e-4 * i);
		ck_assert_double_le(fabs(d), 0.5 * 48.0 / 4 / 4096 + 1e-6);
		if (i > 0 && fabs(c.v_int_v - last) > 1e-3) {
			ck_assert_double_eq_tol(c.v_int_v - last, 48.0 / 4 / 4096, 1e-5);
			jumps++;
		}
		last = c.v_int_v;
	}
	ck_assert_int_ge(jumps, 3);
}
END_TEST

/* Feed-forward: the input may move, the rail does not. */
START_TEST(test_line_regulation)
{
	struct module_cpu c;
	int64_t t_ns = 0;

	module_cpu_init(&c, 4, NAN, DT, false);
	run(&c, PHASE_COMPUTE, 51, &t_ns, 50);
	ck_assert_double_eq_tol(c.v_int_v, 1.0, 51.0 / 4 / 4096);
	ck_assert(c.rail_ok);
	run(&c, PHASE_COMPUTE, 40, &t_ns, 50);
	ck_assert_double_eq_tol(c.v_int_v, 1.0, 51.0 / 4 / 4096);
	/* In deep brown-out it is not served. */
	run(&c, PHASE_COMPUTE, 30, &t_ns, 50);
	ck_assert(!c.rail_ok);
}
END_TEST

/* The bus steps by 1 V within 100 us, from anywhere and to either side: the rail keeps to its
 * reference within 2 mV all the time. Half a step of the duty are 1.6 mV of it, so it moves by one
 * step (3.1 mV at 51 V) at most; without feed-forward it would move by 1/48 of it, 20 mV. */
START_TEST(test_bus_step)
{
	static const double refs_v[] = { 0.6, 0.85, 1.0 };
	double off_v = 0, moved_v = 0;

	for (int i = 0; i < 3 * 2 * 150; i++) {
		double v_v = 46 + 0.0271 * (i / 6), to_v = i % 2 ? v_v + 1 : v_v - 1;
		struct module_cpu c;
		int64_t t_ns = 0;
		module_cpu_init(&c, 4, refs_v[i / 2 % 3], DT, false);
		run(&c, PHASE_COMPUTE, v_v, &t_ns, 20);
		double before_v = c.v_int_v;
		module_cpu_begin(&c, PHASE_COMPUTE, t_ns, STEP);
		for (int s = 0; s < 200; s++) {
			double part = s < 10 ? s / 10.0 : 1;
			module_cpu_step(&c, v_v + part * (to_v - v_v));
			off_v = fmax(off_v, fabs(c.v_int_v - c.v_ref_v));
			moved_v = fmax(moved_v, fabs(c.v_int_v - before_v));
			ck_assert(c.rail_ok);
		}
	}
	ck_assert_double_le(off_v, 2e-3);
	ck_assert_double_le(moved_v, 51.1 / 4 / 4096);
	ck_assert_double_ge(moved_v, 1e-3); /* it did have to change its duty */
}
END_TEST

START_TEST(test_slew)
{
	struct module_cpu c;
	int64_t t_ns = 0;

	module_cpu_init(&c, 4, 0.6, DT, false);
	module_cpu_begin(&c, PHASE_IDLE, 0, STEP);
	module_cpu_reference(&c, 1.0);
	for (int s = 1; s <= 4; s++) {
		module_cpu_step(&c, 48);
		ck_assert_double_eq_tol(c.v_cmd_v, 0.6 + s * 0.1, 1e-12); /* 10 mV/us x 10 us */
	}
	run(&c, PHASE_IDLE, 48, &t_ns, 10);
	ck_assert(c.rail_ok);
}
END_TEST

/* One decade of errors per 1.5 % of speed: a lower rail errs more, far below it is all errors. */
START_TEST(test_errors_fall_with_voltage)
{
	static const double refs[] = { 1.0, 0.9, 0.87, 0.85, 0.8 };
	double last = 0;

	for (size_t i = 0; i < 5; i++) {
		struct module_cpu c;
		int64_t t_ns = 0;
		module_cpu_init(&c, 4, refs[i], DT, false);
		run(&c, PHASE_COMPUTE, 48, &t_ns, 201);
		ck_assert_double_ge(c.errors, last);
		last = c.errors;
	}
	ck_assert_double_gt(last, 1e-3);
}
END_TEST

START_TEST(test_classes)
{
	static const char *names[] = { "fixed", "cpu", "resistive" };

	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(module_class_of((enum module_class)i)->name, names[i]);
	ck_assert_ptr_null(module_class_of((enum module_class)3));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module_cpu");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, test_published_power, 0, 3);
	tcase_add_test(tc, test_duty_has_12_bits);
	tcase_add_test(tc, test_line_regulation);
	tcase_add_test(tc, test_bus_step);
	tcase_add_test(tc, test_slew);
	tcase_add_test(tc, test_errors_fall_with_voltage);
	tcase_add_test(tc, test_classes);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
