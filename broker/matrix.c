#include "matrix.h"

#include <assert.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void
matrix_mul(size_t n, const double *a, const double *b, double *c)
{
	memset(c, 0, n * n * sizeof *c);
	for (size_t j = 0; j < n; j++)
		for (size_t k = 0; k < n; k++) {
			double f = b[k + n * j];
			const double *col = a + n * k;
			double *to = c + n * j;
			if (f == 0)
				continue;
			for (size_t i = 0; i < n; i++)
				to[i] += f * col[i];
		}
}

static double
norm_1(size_t n, const double *a)
{
	double max = 0;
	for (size_t j = 0; j < n; j++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += fabs(a[i + n * j]);
		max = sum > max ? sum : max;
	}
	return max;
}

/* num/den of the approximant; x and y are room. */
static void
pade(size_t n, const double *a, double *num, double *den, double *x, double *y)
{
	enum { ORDER = 6 };
	double c = 1;
	memset(num, 0, n * n * sizeof *num);
	for (size_t i = 0; i < n; i++)
		num[i + n * i] = 1;
	memcpy(den, num, n * n * sizeof *den);
	memcpy(x, num, n * n * sizeof *x);
	for (int k = 1; k <= ORDER; k++) {
		c *= (double)(ORDER - k + 1) / ((2 * ORDER - k + 1) * k);
		matrix_mul(n, a, x, y);
		memcpy(x, y, n * n * sizeof *x);
		for (size_t i = 0; i < n * n; i++) {
			num[i] += c * x[i];
			den[i] += (k % 2 ? -c : c) * x[i];
		}
	}
}

int
matrix_exp(size_t n, double *a, struct err *err)
{
	double *room = malloc((4 * n * n + 1) * sizeof *room);
	lapack_int *pivot = malloc((n + 1) * sizeof *pivot);
	int rc = ERR_NOMEM, squarings = 0;
	if (!room || !pivot) {
		err_set(err, rc, "out of memory");
		goto out;
	}
	double *num = room, *den = room + n * n, *x = den + n * n, *y = x + n * n;
	double norm = norm_1(n, a);
	assert(isfinite(norm));
	for (; norm > 0.5; norm /= 2)
		squarings++;
	for (size_t i = 0; i < n * n; i++)
		a[i] = ldexp(a[i], -squarings);
	pade(n, a, num, den, x, y);
	if (LAPACKE_dgesv(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)n, den, (lapack_int)n, pivot,
	                  num, (lapack_int)n)) {
		rc = err_set(err, ERR_STATE, "matrix exponential: singular");
		goto out;
	}
	memcpy(a, num, n * n * sizeof *a);
	for (int i = 0; i < squarings; i++) {
		matrix_mul(n, a, a, x);
		memcpy(a, x, n * n * sizeof *a);
	}
	rc = 0;
out:
	free(room);
	free(pivot);
	return rc;
}

int
matrix_eigen(size_t n, double *a, double *wr, double *wi, double *vl, double *vr, struct err *err)
{
	char job = vl ? 'V' : 'N';
	double none;
	assert(!vl == !vr);
	lapack_int info = LAPACKE_dgeev(LAPACK_COL_MAJOR, job, job, (lapack_int)n, a, (lapack_int)n,
	                                wr, wi, vl ? vl : &none, vl ? (lapack_int)n : 1,
	                                vr ? vr : &none, vr ? (lapack_int)n : 1);
	if (info)
		return err_set(err, ERR_STATE, "eigenvalues: dgeev does not converge (%d)",
		               (int)info);
	return 0;
}
