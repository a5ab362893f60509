#include "node_dense.h"

#include <math.h>

/* Jacobi converges quadratically: some six sweeps are enough for n of a few tens. */
#define SWEEPS_MAX 30
/* Off-diagonal entries below this part of the diagonal's are rounding. */
#define NEGLIGIBLE 1e-15

bool
node_dense_cholesky(size_t n, const double *a, double *l)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++) {
			double sum = a[i * n + j];
			for (size_t k = 0; k < j; k++)
				sum -= l[i * n + k] * l[j * n + k];
			if (j < i) {
				l[i * n + j] = sum / l[j * n + j];
				continue;
			}
			if (!(sum > 0))
				return false;
			l[i * n + i] = sqrt(sum);
		}
	}
	return true;
}

void
node_dense_forward(size_t n, const double *l, const double *b, double *y)
{
	for (size_t i = 0; i < n; i++) {
		double sum = b[i];
		for (size_t k = 0; k < i; k++)
			sum -= l[i * n + k] * y[k];
		y[i] = sum / l[i * n + i];
	}
}

void
node_dense_solve(size_t n, const double *l, const double *b, double *x)
{
	node_dense_forward(n, l, b, x);
	for (size_t i = n; i-- > 0;) {
		double sum = x[i];
		for (size_t k = i + 1; k < n; k++)
			sum -= l[k * n + i] * x[k];
		x[i] = sum / l[i * n + i];
	}
}

void
node_dense_inverse(size_t n, const double *l, double *inverse, double *work)
{
	for (size_t j = 0; j < n; j++) {
		for (size_t i = 0; i < n; i++)
			work[i] = i == j;
		node_dense_solve(n, l, work, work);
		for (size_t i = 0; i < n; i++)
			inverse[i * n + j] = work[i];
	}
}

/* Turns rows and columns p, q so that a[p][q] becomes 0. */
static void
node_dense_rotate(size_t n, double *a, size_t p, size_t q)
{
	double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
	double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
	double c = 1 / sqrt(t * t + 1), s = t * c;

	for (size_t k = 0; k < n; k++) {
		double x = a[k * n + p], y = a[k * n + q];
		a[k * n + p] = c * x - s * y;
		a[k * n + q] = s * x + c * y;
	}
	for (size_t k = 0; k < n; k++) {
		double x = a[p * n + k], y = a[q * n + k];
		a[p * n + k] = c * x - s * y;
		a[q * n + k] = s * x + c * y;
	}
}

void
node_dense_eigenvalues(size_t n, double *a, double *values)
{
	bool turned = true;

	for (int sweep = 0; turned && sweep < SWEEPS_MAX; sweep++) {
		turned = false;
		for (size_t p = 0; p + 1 < n; p++)
			for (size_t q = p + 1; q < n; q++) {
				double scale = sqrt(fabs(a[p * n + p])) * sqrt(fabs(a[q * n + q]));
				if (!(fabs(a[p * n + q]) > NEGLIGIBLE * scale))
					continue;
				node_dense_rotate(n, a, p, q);
				turned = true;
			}
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = i;
		for (; at > 0 && values[at - 1] > a[i * n + i]; at--)
			values[at] = values[at - 1];
		values[at] = a[i * n + i];
	}
}
