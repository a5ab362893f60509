/* Inputs of a module: the steady state of diode, resistor and constant power, and the books. */
#include "loadmods/module_input.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DT 1e-5

static void
make(struct module_input *m, size_t n, double v_v)
{
	struct module_params p = { .c_in_f = 1e-3, .r_port_ohm = 50e-3, .v_uv_v = 36 };

	module_input_init(m, &p, n, DT, v_v);
	for (size_t j = 0; j < n; j++) {
		m->port[j].live = m->port[j].on = true;
		m->port[j].i_max_a = 200;
	}
}

static void
run(struct module_input *m, double p_w, double g_s, int steps)
{
	double p_j, g_j;

	for (int i = 0; i < steps; i++) {
		m->port[0].i_sum_a = m->port[1].i_sum_a = 0;
		(void)module_input_step(m, p_w, g_s, &p_j, &g_j);
	}
}

/* (V - v)/R = P/v */
START_TEST(test_one_input)
{
	struct module_input m;

	make(&m, 1, 48);
	m.port[0].v_v = 48;
	run(&m, 500, 0, 5000);
	ck_assert_double_eq_tol(m.v_v, 0.5 * (48 + sqrt(48 * 48 - 4 * 0.05 * 500)), 1e-9);
}
END_TEST

/* Below V_uv: (V - v)/R = P v/V_uv^2; above it constant power. */
START_TEST(test_under_voltage_is_set)
{
	struct module_params p = { .c_in_f = 1e-3, .r_port_ohm = 50e-3, .v_uv_v = 30 };
	struct module_input m;

	module_input_init(&m, &p, 1, DT, 25);
	m.port[0].live = m.port[0].on = true;
	m.port[0].i_max_a = 200;
	m.port[0].v_v = 25;
	run(&m, 500, 0, 5000);
	ck_assert_double_eq_tol(m.v_v, 25 / (1 + 0.05 * 500 / 900), 1e-9);
	m.port[0].v_v = 34;
	run(&m, 500, 0, 5000);
	ck_assert_double_eq_tol(m.v_v, 0.5 * (34 + sqrt(34 * 34 - 4 * 0.05 * 500)), 1e-9);
}
END_TEST

/* Two inputs share by their voltages; when one is more than the drop lower, it gives nothing. */
START_TEST(test_oring)
{
	struct module_input m;

	make(&m, 2, 48);
	m.port[0].v_v = 48.1;
	m.port[1].v_v = 48.0;
	run(&m, 500, 0, 5000);
	double sum = m.port[0].i_sum_a + m.port[1].i_sum_a;
	ck_assert_double_eq_tol(m.port[0].i_sum_a - m.port[1].i_sum_a, 0.1 / 0.05, 1e-9);
	ck_assert_double_eq_tol(sum, 500 / m.v_v, 1e-9);
	m.port[1].v_v = 47;
	run(&m, 500, 0, 5000);
	ck_assert_double_eq(m.port[1].i_sum_a, 0);
	m.port[0].on = false; /* the other takes over */
	run(&m, 500, 0, 5000);
	ck_assert_double_eq(m.port[0].i_sum_a, 0);
	ck_assert_double_eq_tol(m.port[1].i_sum_a, 500 / m.v_v, 1e-9);
}
END_TEST

START_TEST(test_never_backwards)
{
	struct module_input m;

	make(&m, 2, 50);
	m.port[0].v_v = m.port[1].v_v = 40;
	run(&m, 0, 0, 100);
	ck_assert_double_eq(m.v_v, 50);
	ck_assert_double_eq(m.port[0].taken_j, 0);
}
END_TEST

START_TEST(test_current_limit)
{
	struct module_input m;

	make(&m, 1, 0);
	m.port[0].v_v = 48;
	m.port[0].i_max_a = 20;
	run(&m, 0, 0, 100); /* 20 A into 1 mF for 1 ms */
	ck_assert_double_eq_tol(m.v_v, 20 * 1e-3 / 1e-3, 1e-9);
}
END_TEST

/* taken = loss + drawn + change of stored, whatever happens. */
START_TEST(test_books_close)
{
	struct module_input m;
	double drawn = 0, p_j, g_j;
	uint32_t x = 12345;

	make(&m, 2, 44);
	double before = module_input_stored_j(&m);
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525u + 1013904223u;
		double r = (double)x / 4294967296.0;
		m.port[i & 1].v_v = 30 + 20 * r;
		m.port[i & 1].on = r > 0.1;
		(void)module_input_step(&m, 2000 * r, i % 3 ? 0 : r, &p_j, &g_j);
		ck_assert_double_ge(p_j, 0);
		drawn += p_j + g_j;
		double taken = m.port[0].taken_j + m.port[1].taken_j;
		ck_assert_double_eq_tol(taken,
		                        m.loss_j + drawn + module_input_stored_j(&m) - before,
		                        1e-12 * (1 + taken));
	}
	ck_assert_double_gt(drawn, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module_input");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_one_input);
	tcase_add_test(tc, test_under_voltage_is_set);
	tcase_add_test(tc, test_oring);
	tcase_add_test(tc, test_never_backwards);
	tcase_add_test(tc, test_current_limit);
	tcase_add_test(tc, test_books_close);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
