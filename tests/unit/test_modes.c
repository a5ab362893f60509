/* Modes of small meshes against closed forms; the matrix exponential. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "modes.h"
#include "tests/support/mesh_text.h"

static struct topo *t;
static struct modes *m;

static void
setup(void)
{
	t = NULL;
	m = NULL;
}

static void
teardown(void)
{
	modes_destroy(&m);
	topo_destroy(&t);
}

static void
compute(const char *text)
{
	struct err err = ERR_INIT;
	modes_destroy(&m);
	topo_destroy(&t);
	t = mesh_text(text);
	ck_assert_msg(modes_create(t, &m, &err) == 0, "%s", err.text);
}

/* There is a mode of this damping and frequency. */
static void
has(double damping, double freq, double tol)
{
	for (size_t i = 0; i < m->n; i++)
		if (fabs(m->m[i].damping_per_s - damping) <= tol * fabs(damping) &&
		    fabs(m->m[i].freq_hz - freq) <= tol * freq)
			return;
	for (size_t i = 0; i < m->n; i++)
		fprintf(stderr, "%zu: %.9g 1/s %.9g Hz\n", i, m->m[i].damping_per_s,
		        m->m[i].freq_hz);
	ck_abort_msg("no mode of %.9g 1/s, %.9g Hz", damping, freq);
}

/* Both roots of s^2 + b s + c = 0. */
static void
has_roots(double b, double c, double tol)
{
	double d = b * b / 4 - c;
	if (d < 0) {
		has(b / 2, sqrt(-d) / (2 * M_PI), tol);
		return;
	}
	has(b / 2 - sqrt(d), 0, tol);
	has(b / 2 + sqrt(d), 0, tol);
}

START_TEST(exponential)
{
	struct err err = ERR_INIT;
	/* Rotation by 100 rad with decay 3: exp = e^-3 [cos, sin; -sin, cos]. */
	double a[4] = { -3, -100, 100, -3 };
	ck_assert_int_eq(matrix_exp(2, a, &err), 0);
	ck_assert_double_eq_tol(a[0], exp(-3) * cos(100), 1e-13);
	ck_assert_double_eq_tol(a[1], -exp(-3) * sin(100), 1e-13);
	ck_assert_double_eq_tol(a[2], exp(-3) * sin(100), 1e-13);
	ck_assert_double_eq_tol(a[3], exp(-3) * cos(100), 1e-13);
	/* Nilpotent: the series ends. */
	double n[9] = { 0, 0, 0, 4, 0, 0, 5, 6, 0 };
	ck_assert_int_eq(matrix_exp(3, n, &err), 0);
	ck_assert_double_eq_tol(n[3], 4, 1e-14);
	ck_assert_double_eq_tol(n[6], 5 + 4 * 6 / 2.0, 1e-13);
	ck_assert_double_eq_tol(n[0], 1, 1e-15);
}
END_TEST

#define HEAD "voltloom: 1\nmesh: { name: m, control: none }\n"

START_TEST(capacitor)
{
	/* A feed without lag on a capacitor with constant power: (1/R_d - P/V^2)/C. 100 A rated:
	 * V = 48 + sqrt(...) solved by hand below. */
	compute(HEAD "nodes:\n  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: "
	             "10mOhm, i_rated: 100A, tau: 0s }, load: [[0s, 1kW, 0s]] }\n");
	double v = (48 + sqrt(48 * 48 - 4 * 0.01 * 1000)) / 2;
	ck_assert_uint_eq(m->n, 1);
	has((100 - 1000 / (v * v)) / 20e-3, 0, 1e-9);
	ck_assert_str_eq(m->names[m->m[0].top[0]], "a.v");
}
END_TEST

START_TEST(link_converter)
{
	/* Between two such buses: a load of what the converter takes at one, a source of P at the
	 * other. A lossless one of 2 kW and a cable that loses 17 mW. */
	compute(HEAD "nodes:\n  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: "
	             "10mOhm, i_rated: 100A, tau: 0s } }\n"
	             "  - { id: b, supercap: none, c_bus: 30mF, feed: { v0: 48V, droop: 10mOhm, "
	             "i_rated: 100A, tau: 0s }, load: [[0s, 3kW, 0s]] }\n"
	             "links: [ { between: [b, a], r: 10uOhm, fuse: none, converter: { at: a, r: "
	             "0Ohm, p_fixed: 0W, k_sw: 0s, c_oss: 0F, power: [[0s, -2kW, 0s]] } } ]\n");
	double va = (48 + sqrt(48 * 48 - 4 * 0.01 * 2000)) / 2;
	double vb = (48 + sqrt(48 * 48 - 4 * 0.01 * 1000)) / 2;
	ck_assert_uint_eq(m->n, 2);
	has((100 - 2000 / (va * va)) / 20e-3, 0, 1e-9);
	has((100 - 3000 / (vb * vb) + 2000 / (vb * vb)) / 30e-3, 0, 1e-6);
}
END_TEST

START_TEST(feed_lag)
{
	/* C dv/dt = i + P/V^2 v, tau di/dt = -v/R - i: s^2 + s (1/tau - g) + (1/R - P/V^2)/(C tau),
	 * g = P/(C V^2). */
	compute(HEAD "nodes:\n  - { id: a, supercap: none, c_bus: 20mF, feed: { v0: 48V, droop: "
	             "10mOhm, i_rated: 100A, tau: 1ms }, load: [[0s, 1kW, 0s]] }\n");
	double v = (48 + sqrt(48 * 48 - 4 * 0.01 * 1000)) / 2, g = 1000 / (20e-3 * v * v);
	has_roots(1000 - g, (100 - 1000 / (v * v)) / (20e-3 * 1e-3), 1e-8);
}
END_TEST

START_TEST(cable)
{
	/* A stiff bus, a cable, constant power behind it: s^2 + s (R/L - P/(C V^2)) + (1 - R
	 * P/V^2)/ (L C). 0.1 mOhm and 10 F in front change it by less than 1e-3. Rings at 1.1 kHz:
	 * above half the sampling rate, which the branch of the logarithm has to see. */
	compute(HEAD "nodes:\n  - { id: a, supercap: none, c_bus: 10F, feed: { v0: 48V, droop: "
	             "0.1mOhm, i_rated: 1kA, tau: 0s } }\n"
	             "  - { id: b, supercap: none, c_bus: 10mF, load: [[0s, 1kW, 0s]] }\n"
	             "links: [ { id: l, between: [a, b], r: 10mOhm, l: 2uH } ]\n");
	double v = m->steady->flow->v_v[1], g = 1000 / (v * v);
	has_roots(10e-3 / 2e-6 - g / 10e-3, (1 - 10e-3 * g) / (2e-6 * 10e-3), 2e-3);
	ck_assert_uint_eq(m->n_growing, 0);
	/* Beyond P = R C V^2/L = 1 mOhm x 1 mF x 48^2/(10 uH) = 230 W it grows. */
	const char *mesh = HEAD
		"nodes:\n  - { id: a, supercap: none, c_bus: 10F, feed: { v0: 48V, droop: 0.1mOhm, "
		"i_rated: 1kA, tau: 0s } }\n"
		"  - { id: b, supercap: none, c_bus: 1mF, load: [[0s, %gW, 0s]] }\n"
		"links: [ { id: l, between: [a, b], r: 1mOhm, l: 10uH } ]\n";
	char text[600];
	snprintf(text, sizeof text, mesh, 220.0);
	compute(text);
	ck_assert_uint_eq(m->n_growing, 0);
	snprintf(text, sizeof text, mesh, 240.0);
	compute(text);
	ck_assert_uint_eq(m->n_growing, 1);
}
END_TEST

START_TEST(supercap)
{
	/* C and C_sc through R_sc, no feed acts on it much: 1/R_sc (1/C + 1/C_sc) beside a feed of
	 * 10 Ohm. */
	compute(HEAD "nodes:\n  - { id: a, supercap: { c: 1F, esr: 20mOhm }, c_bus: 20mF, feed: { "
	             "v0: 52.8V, droop: 10Ohm, i_rated: 100A, tau: 0s }, load: [[0s, 10W, 0s]] "
	             "}\n");
	double v = (52.8 + sqrt(52.8 * 52.8 - 4 * 10 * 10)) / 2;
	double g = 50, gd = 0.1 - 10 / (v * v), c = 0.02, cs = 1;
	has_roots((g + gd) / c + g / cs, gd * g / (c * cs), 1e-8);
}
END_TEST

START_TEST(supercap_behind_converter)
{
	/* What it damps with acts like 50 S and 50 S x 0.1 s; without restoring nothing else moves. */
#define STORE "p_fixed: 0W, c_oss: 0F, damp: 50"
	compute(HEAD "nodes:\n  - { id: a, supercap: { c: 4F, converter: { " STORE
	             ", restore: 0W } }, c_bus: 20mF, feed: { v0: 52.8V, droop: 10Ohm, i_rated: "
	             "100A, tau: 0s }, load: [[0s, 10W, 0s]] }\n");
	double v = (52.8 + sqrt(52.8 * 52.8 - 4 * 10 * 10)) / 2;
	double g = 50, gd = 0.1 - 10 / (v * v), c = 0.02, cs = 5;
	ck_assert_uint_eq(m->n_states, 2);
	has_roots((g + gd) / c + g / cs, gd * g / (c * cs), 1e-8);
	/* The string's energy on a stiff bus: what is given is restored in 2 s. */
	compute(HEAD "nodes:\n  - { id: a, supercap: { c: 4F, converter: { " STORE
	             " } }, c_bus: 20mF, feed: { v0: 48V, droop: 0.1mOhm, i_rated: 100A, tau: "
	             "0s }, load: [[0s, 480W, 0s]] }\n");
	ck_assert_uint_eq(m->n_states, 3);
	has(0.5, 0, 1e-2);
	ck_assert_uint_eq(m->n_growing, 0);
}
END_TEST

START_TEST(firmware)
{
	/* One node alone under consensus: dv integrates kv (48 - v) once a millisecond. With a feed
	 * without lag on a stiff bus (C R_d much below T_c) v follows dv at once: v = dv up to the
	 * load, so dv' = dv - T_c kv v: q = 1 - T_c kv. di has nobody to agree with: q = 1. */
	compute("voltloom: 1\nmesh: { name: m }\nnodes:\n  - { id: a, supercap: none, c_bus: 1mF, "
	        "feed: { v0: 48V, droop: 1mOhm, i_rated: 100A, tau: 0s }, load: [[0s, 48W, 0s]] "
	        "}\n");
	/* R_d carries 1 A: v = 48 - 1 mV (1 - dP/dv R_d) ..., 2e-5 of dv. */
	has(-log(1 - 8e-3) / 1e-3, 0, 5e-5);
	size_t conserved = 0;
	for (size_t i = 0; i < m->n; i++)
		conserved += m->m[i].conserved;
	ck_assert_uint_eq(conserved, 1);
}
END_TEST

START_TEST(relay)
{
	/* Path a - b - c, feed at a only: b and c relay x. With x_a held by the load,
	 * [b; c] <- [b + 0.8((x_a + c)/2 - b); c + 0.8 (b - c)]: eigenvalues of [0.2 0.4; 0.8 0.2]:
	 * 0.2 +- sqrt(0.32). */
	compute("voltloom: 1\nmesh: { name: m, gains: { kv: 0.001, ki: 0.001 } }\nnodes:\n"
	        "  - { id: a, load: [[0s, 48W, 0s]], feed: { v0: 48V, droop: 1mOhm, i_rated: "
	        "100A, tau: 0s } }\n"
	        "  - { id: b }\n  - { id: c }\n"
	        "links: [ { between: [a, b] }, { between: [b, c] } ]\n");
	has(-log(0.2 + sqrt(0.32)) / 1e-3, 0, 1e-3);
	has(-log(sqrt(0.32) - 0.2) / 1e-3, 500, 1e-3);
	/* dv: Laplacian of the path, kc T_c = 0.4: q = 1 - 0.4 (1, 2). */
	has(-log(1 - 0.4) / 1e-3, 0, 1e-4);
	has(-log(1 - 0.8) / 1e-3, 0, 1e-4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("modes");
	TCase *c = tcase_create("modes");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, exponential);
	tcase_add_test(c, capacitor);
	tcase_add_test(c, link_converter);
	tcase_add_test(c, feed_lag);
	tcase_add_test(c, cable);
	tcase_add_test(c, supercap);
	tcase_add_test(c, supercap_behind_converter);
	tcase_add_test(c, firmware);
	tcase_add_test(c, relay);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
