/*
 * Recursive least squares against LAPACK: the batch solution, the covariance, eigenvalues; and
 * forgetting against what it is defined to do.
 */
#include "nodes/node_rls.h"

#include <check.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/node_dense.h"
#include "rng.h"

enum { N_MAX = 12, ROWS_MAX = 400 };

static struct rng rng;
static double memory[4 * N_MAX * N_MAX + 8 * N_MAX];

static void
setup(void)
{
	rng_init(&rng, 7, "rls", 1, RNG_SENSOR_NOISE, 0);
}

/* A symmetric positive definite matrix with condition number about `cond`. */
static void
random_definite(size_t n, double cond, double *a)
{
	double g[N_MAX * N_MAX];

	for (size_t i = 0; i < n * n; i++)
		g[i] = rng_sym(&rng);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			a[i * n + j] = i == j ? 1 / cond : 0;
			for (size_t k = 0; k < n; k++)
				a[i * n + j] += g[i * n + k] * g[j * n + k] / (double)n;
		}
}

START_TEST(dense)
{
	for (size_t n = 1; n <= N_MAX; n++) {
		double a[N_MAX * N_MAX], l[N_MAX * N_MAX] = { 0 }, lap[N_MAX * N_MAX];
		double inverse[N_MAX * N_MAX], work[N_MAX], values[N_MAX], want[N_MAX];
		random_definite(n, 1e6, a);
		ck_assert(node_dense_cholesky(n, a, l));
		memcpy(lap, a, sizeof lap);
		ck_assert_int_eq(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (int)n, lap, (int)n), 0);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j <= i; j++)
				ck_assert_double_eq_tol(l[i * n + j], lap[i * n + j], 1e-9);
		node_dense_inverse(n, l, inverse, work);
		ck_assert_int_eq(LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', (int)n, lap, (int)n), 0);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j <= i; j++)
				ck_assert_double_eq_tol(inverse[i * n + j], lap[i * n + j],
				                        1e-7 * fabs(lap[i * n + i]) + 1e-7);
		memcpy(lap, a, sizeof lap);
		ck_assert_int_eq(
			LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', (int)n, lap, (int)n, want), 0);
		node_dense_eigenvalues(n, a, values);
		for (size_t i = 0; i < n; i++)
			ck_assert_double_eq_tol(values[i], want[i], 1e-13 * want[n - 1] * 10);
	}
}
END_TEST

START_TEST(not_definite)
{
	double a[4] = { 1, 2, 2, 1 }, l[4], none[1] = { NAN };
	ck_assert(!node_dense_cholesky(2, a, l));
	ck_assert(!node_dense_cholesky(1, none, l));
}
END_TEST

START_TEST(batch)
{
	/* With keep = 1: the least-squares solution of all rows over their sigma, and the prior as
	 * one more row each. */
	for (size_t n = 1; n <= N_MAX; n += 3) {
		static double a[(ROWS_MAX + N_MAX) * N_MAX], b[ROWS_MAX + N_MAX];
		double prior[N_MAX], phi[N_MAX];
		struct node_rls r;
		const size_t rows = 30 + 10 * n;
		for (size_t i = 0; i < n; i++)
			prior[i] = 0.5 + rng_unit(&rng);
		node_rls_init(&r, n, prior, memory);
		memset(a, 0, sizeof a);
		memset(b, 0, sizeof b);
		for (size_t k = 0; k < rows; k++) {
			double sigma = 0.01 + rng_unit(&rng), y = 3 * rng_sym(&rng);
			for (size_t i = 0; i < n; i++) {
				phi[i] = rng_sym(&rng);
				a[k * n + i] = phi[i] / sigma;
			}
			b[k] = y / sigma;
			node_rls_observe(&r, phi, y, sigma, 1);
		}
		for (size_t i = 0; i < n; i++)
			a[(rows + i) * n + i] = 1 / prior[i];
		node_rls_solve(&r);
		double q = node_rls_variance(&r, phi);
		/* Normal equations for the variance, before dgels destroys a. */
		double normal[N_MAX * N_MAX] = { 0 }, x[N_MAX];
		int pivot[N_MAX];
		for (size_t k = 0; k < rows + n; k++)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < n; j++)
					normal[i * n + j] += a[k * n + i] * a[k * n + j];
		memcpy(x, phi, sizeof x);
		ck_assert_int_eq(
			LAPACKE_dgesv(LAPACK_ROW_MAJOR, (int)n, 1, normal, (int)n, pivot, x, 1), 0);
		double want = 0;
		for (size_t i = 0; i < n; i++)
			want += x[i] * phi[i];
		ck_assert_double_eq_tol(q, want, 1e-10 * want);
		ck_assert_int_eq(LAPACKE_dgels(LAPACK_ROW_MAJOR, 'N', (int)(rows + n), (int)n, 1, a,
		                               (int)n, b, 1),
		                 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_double_eq_tol(r.x[i], b[i], 1e-9);
	}
}
END_TEST

START_TEST(forgets_one_parameter)
{
	/* One parameter: plain exponential forgetting, the weighted mean by hand. */
	static const double prior[1] = { 1000 };
	struct node_rls r;
	double sum = 1 / (prior[0] * prior[0]), top = 0;
	node_rls_init(&r, 1, prior, memory);
	for (int k = 0; k < 200; k++) {
		double phi = 1 + rng_unit(&rng), y = 5 * phi + 0.1 * rng_normal(&rng);
		node_rls_observe(&r, &phi, y, 0.1, 0.95);
		sum = 0.95 * sum + phi * phi / 0.01;
		top = 0.95 * top + phi * y / 0.01;
	}
	node_rls_solve(&r);
	ck_assert_double_eq_tol(r.x[0], top / sum, 1e-12);
	ck_assert_double_eq_tol(r.info[0], sum, 1e-9 * sum);
}
END_TEST

START_TEST(forgets_only_what_it_sees)
{
	/* Ten thousand windows along one direction leave the others as they were: the estimate and
	 * the variance of what is orthogonal in the information; the covariance stays bounded. */
	static const double prior[3] = { 1, 1, 1 };
	static const double x[3] = { 0.3, -0.2, 0.1 };
	struct node_rls r;
	node_rls_init(&r, 3, prior, memory);
	for (int k = 0; k < 300; k++) {
		double phi[3] = { k % 3 == 0, k % 3 == 1, k % 3 == 2 };
		node_rls_observe(&r, phi, x[k % 3], 0.1, 0.99);
	}
	node_rls_solve(&r);
	double e1[3] = { 0, 1, 0 }, before = node_rls_variance(&r, e1), was = r.x[1];
	for (int k = 0; k < 10000; k++) {
		double phi[3] = { 1, 0, 0 };
		node_rls_observe(&r, phi, 0.5, 0.1, 0.99); /* it has changed */
	}
	node_rls_solve(&r);
	ck_assert_double_eq_tol(r.x[0], 0.5, 1e-9);
	ck_assert_double_eq_tol(r.x[1], was, 1e-12);
	ck_assert_double_eq_tol(node_rls_variance(&r, e1), before, 1e-12);
	double e0[3] = { 1, 0, 0 };
	/* 1/(1 - keep) observations of variance sigma^2. */
	ck_assert_double_eq_tol(node_rls_variance(&r, e0), 0.01 * 0.01, 1e-6);
}
END_TEST

START_TEST(bounded)
{
	/* Random directions for long: positive definite throughout, and the estimate follows. */
	double prior[6], x[6];
	struct node_rls r;
	for (int i = 0; i < 6; i++) {
		prior[i] = 1;
		x[i] = rng_sym(&rng);
	}
	node_rls_init(&r, 6, prior, memory);
	for (int k = 0; k < 20000; k++) {
		double phi[6], y = 0;
		for (int i = 0; i < 6; i++) {
			phi[i] = rng_sym(&rng) * (i % 2 ? 1 : 1e-3);
			y += phi[i] * x[i];
		}
		node_rls_observe(&r, phi, y, 0.01, 0.99);
		if (k % 1000 == 0)
			node_rls_solve(&r);
	}
	node_rls_solve(&r);
	for (int i = 0; i < 6; i++)
		ck_assert_double_eq_tol(r.x[i], x[i], i % 2 ? 1e-6 : 0.05);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_rls");
	TCase *c = tcase_create("node_rls");
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, dense);
	tcase_add_test(c, not_definite);
	tcase_add_test(c, batch);
	tcase_add_test(c, forgets_one_parameter);
	tcase_add_test(c, forgets_only_what_it_sees);
	tcase_add_test(c, bounded);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
