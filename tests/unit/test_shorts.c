/* Shorts against closed forms of their circuits. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "shorts.h"
#include "tests/support/mesh_text.h"

static struct topo *t;
static struct shorts *s;
static struct shorts_link links[4];
static struct shorts_result r;

static void
setup(void)
{
	t = NULL;
	s = NULL;
	r = (struct shorts_result){ .links = links };
}

static void
teardown(void)
{
	shorts_destroy(&s);
	topo_destroy(&t);
}

static void
mesh(const char *text)
{
	struct err err = ERR_INIT;
	t = mesh_text(text);
	ck_assert_msg(shorts_create(t, &s, &err) == 0, "%s", err.text);
}

#define HEAD "voltloom: 1\nmesh: { name: m, control: none }\n"

START_TEST(capacitor)
{
	size_t at_limit;
	/* C = 20 mF into 10 mOhm beside a feed whose 10 A limit is reached at once (tau 0):
	 * i(0) = V/r; then v = (V - 10 r) e^(-t/rC) + 10 r. Integral of i^2 over 100 ms. */
	mesh(HEAD
	     "nodes:\n  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: 1mOhm, "
	     "i_rated: 10A, i_max: 10A, tau: 0s } }\n");
	shorts_run(s, 0, 10e-3, false, &r);
	double tau = 10e-3 * 20e-3, peak = 4800;
	ck_assert_double_eq_tol(r.fault_peak_a, peak, 1e-9 * peak);
	double i0 = peak - 10, i2t = i0 * i0 * tau / 2 + 2 * i0 * 10 * tau + 100 * 0.1;
	ck_assert_double_eq_tol(r.fault_i2t_a2s, i2t, 0.02 * i2t); /* a sum of ends, steps tau/50 */
	ck_assert_double_eq_tol(shorts_at_rest(s, 0, 10e-3, &at_limit), 10, 1e-6);
	ck_assert_uint_eq(at_limit, 1);
}
END_TEST

START_TEST(cable)
{
	/* 20 mF through 10 mOhm and 10 uH into 10 mOhm: damped oscillation, i = V/(w L) e^(-at)
	 * sin wt. The shorted bus' own 10 uF is gone in 0.1 us. Feed of 1 Ohm: not felt in 1 ms. */
	mesh(HEAD "nodes:\n  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: 1Ohm, "
	          "i_rated: 10A, tau: 1ms } }\n  - { id: b, supercap: none, c_bus: 1mF }\n"
	          "links: [ { id: l, between: [a, b], r: 10mOhm, l: 10uH, fuse: 150A } ]\n");
	shorts_run(s, 1, 10e-3, false, &r);
	double l = 10e-6, a = 20e-3 / (2 * l), w = sqrt(1 / (l * 20e-3) - a * a);
	double at = atan2(w, a) / w, peak = 48 / (w * l) * exp(-a * at) * sin(w * at);
	/* 1 mF at the short (10 us) delays the rise by some 10 us and lowers nothing else. */
	ck_assert_double_eq_tol(links[0].peak_a, peak, 0.02 * peak);
	ck_assert_double_eq_tol(links[0].peak_at_s, at, 20e-6);
	ck_assert_int_eq(links[0].trip, SHORTS_HOLDS);
	ck_assert_double_eq_tol(r.links_peak_a, links[0].peak_a, 1e-9);
	/* With its fuse: i = 150 A after about L i/V = 31 us and those 10 us; b is low by then. */
	shorts_run(s, 1, 10e-3, true, &r);
	ck_assert_int_eq(links[0].trip, SHORTS_FAST);
	ck_assert_double_eq_tol(links[0].trip_s, 31e-6 + 10e-6, 6e-6);
	ck_assert(links[0].peak_a >= 150 && links[0].peak_a <= 150 + 48 / l * 4e-6);
	ck_assert(r.v_min_v > 47.9); /* a lost next to nothing */
}
END_TEST

START_TEST(heat)
{
	/* A feed of 200 A behind 100 mOhm: the sound bus stays above 36 V, the shorted one not
	 * below 36 V either, with 1 Ohm. Then only I^2t can trip: (i^2 - 20^2) t = 10 A2s at i = 44
	 * A. */
	mesh("voltloom: 1\nmesh: { name: m, control: none, step: 10us }\nnodes:\n"
	     "  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: 10mOhm, i_rated: "
	     "200A, tau: 0s } }\n  - { id: b, supercap: none, c_bus: 1mF }\n"
	     "links: [ { id: l, between: [a, b], r: 100mOhm, l: 2uH, fuse: 20A, fuse_i2t: "
	     "10A2s } ]\n");
	shorts_run(s, 1, 1, true, &r);
	double i = 48 / 1.11, at = 10 / (i * i - 400);
	ck_assert_int_eq(links[0].trip, SHORTS_I2T);
	ck_assert_double_eq_tol(links[0].trip_a, i, 0.01 * i);
	ck_assert_double_eq_tol(links[0].trip_s, at, 0.03 * at);
}
END_TEST

START_TEST(rack)
{
	/* Supercapacitors and three feeds: what comes to rest is what the feeds can give. */
	size_t at_limit;
	struct err err = ERR_INIT;
	struct shorts_link *all = calloc(12, sizeof *all);
	t = mesh_file("rack8");
	ck_assert_int_eq(shorts_create(t, &s, &err), 0);
	double rest = shorts_at_rest(s, 2, 10e-3, &at_limit);
	ck_assert_uint_eq(at_limit, 3);
	ck_assert(rest > 0.9 * 3 * 39.0625 && rest <= 3 * 39.0625);
	r.links = all;
	shorts_run(s, 2, 10e-3, true, &r);
	for (size_t i = 0; i < 12; i++) {
		bool own = t->links[i].a == 2 || t->links[i].b == 2;
		ck_assert_int_eq(all[i].trip != SHORTS_HOLDS, own);
	}
	ck_assert(r.v_min_v > 47);
	free(all);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shorts");
	TCase *c = tcase_create("shorts");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, capacitor);
	tcase_add_test(c, cable);
	tcase_add_test(c, heat);
	tcase_add_test(c, rack);
	suite_add_tcase(suite, c);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
