#include "node_rls.h"

#include <assert.h>

#include "node_dense.h"

void
node_rls_init(struct node_rls *r, size_t n, const double *prior_sigma, double *memory)
{
	assert(n > 0);
	*r = (struct node_rls){
		.n = n,
		.info = memory,
		.factor = memory + n * n,
		.b = memory + 2 * n * n,
		.x = memory + 2 * n * n + n,
		.work = memory + 2 * n * n + 2 * n,
	};
	node_rls_reset(r, prior_sigma);
}

void
node_rls_reset(struct node_rls *r, const double *prior_sigma)
{
	for (size_t i = 0; i < r->n; i++) {
		assert(prior_sigma[i] > 0);
		for (size_t j = 0; j < r->n; j++)
			r->info[i * r->n + j] = i == j ? 1 / (prior_sigma[i] * prior_sigma[i]) : 0;
		r->b[i] = 0;
	}
	node_rls_solve(r);
}

void
node_rls_solve(struct node_rls *r)
{
	bool definite = node_dense_cholesky(r->n, r->info, r->factor);

	/* The prior keeps it so, and forgetting never takes more than a part. */
	assert(definite);
	node_dense_solve(r->n, r->factor, r->b, r->x);
}

double
node_rls_variance(struct node_rls *r, const double *phi)
{
	double sum = 0;

	node_dense_forward(r->n, r->factor, phi, r->work);
	for (size_t i = 0; i < r->n; i++)
		sum += r->work[i] * r->work[i];
	return sum;
}

double
node_rls_predict(const struct node_rls *r, const double *phi)
{
	double sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += phi[i] * r->x[i];
	return sum;
}

void
node_rls_observe(struct node_rls *r, const double *phi, double y, double sigma, double keep)
{
	const double w = 1 / (sigma * sigma);
	double *u = r->work, quad = 0, along = 0;

	assert(sigma > 0 && keep > 0 && keep <= 1);
	for (size_t i = 0; i < r->n; i++) {
		u[i] = 0;
		for (size_t j = 0; j < r->n; j++)
			u[i] += r->info[i * r->n + j] * phi[j];
		quad += phi[i] * u[i];
		along += phi[i] * r->b[i];
	}
	double forget = quad > 0 ? (1 - keep) / quad : 0;
	for (size_t i = 0; i < r->n; i++) {
		for (size_t j = 0; j <= i; j++) {
			double v =
				r->info[i * r->n + j] - forget * u[i] * u[j] + w * phi[i] * phi[j];
			r->info[i * r->n + j] = r->info[j * r->n + i] = v;
		}
		r->b[i] += w * phi[i] * y - forget * u[i] * along;
	}
}
