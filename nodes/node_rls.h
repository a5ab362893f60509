/*
 * node_rls.h - recursive least squares in information form, with forgetting along what is seen.
 *
 * Unknown x of n parameters with prior x_i ~ N(0, s_i^2); an observation says y = phi^T x + e,
 * e ~ N(0, sigma^2). Kept are L = information matrix (inverse covariance, prior included) and
 * b = L x. One observation (docs/models/calibration.md):
 *
 *   L' = L - (1 - keep) (L phi)(L phi)^T/(phi^T L phi) + phi phi^T/sigma^2
 *   b' = b - (1 - keep) (L phi)(phi^T b)/(phi^T L phi) + phi y/sigma^2
 *
 * That is exponential forgetting of what is known along phi, and of nothing else: without
 * excitation nothing is forgotten (no wind-up), and keep = 1 is least squares with a prior,
 * exactly. The change of b follows from x' = x + L'^-1 phi e/sigma^2. Source of the forgetting: Cao
 * and Schwartz, Automatica 36 (2000) 1725-1731.
 */
#ifndef VL_NODE_RLS_H
#define VL_NODE_RLS_H

#include <stdbool.h>
#include <stddef.h>

struct node_rls {
	size_t n;
	double *info;   /* n x n */
	double *b;      /* n */
	double *factor; /* n x n, Cholesky factor of info, of the last solve */
	double *x;      /* n, of the last solve */
	double *work;   /* n */
};

/* Words of memory that an estimator of n parameters needs. */
static inline size_t
node_rls_words(size_t n)
{
	return 2 * n * n + 3 * n;
}
/* `memory` is the caller's, node_rls_words(n) of it, and outlives the estimator. */
void node_rls_init(struct node_rls *, size_t n, const double *prior_sigma, double *memory);
/* Back to the prior. */
void node_rls_reset(struct node_rls *, const double *prior_sigma);
/* Factor and estimate of what has been observed so far. */
void node_rls_solve(struct node_rls *);
/* phi^T L^-1 phi, of the last solve: variance of phi^T x. Over sigma^2 it is how much an
 * observation along phi adds to what is known: the measure of excitation. */
double node_rls_variance(struct node_rls *, const double *phi);
/* phi^T x of the last solve. */
double node_rls_predict(const struct node_rls *, const double *phi);
/* keep in (0, 1], sigma > 0. */
void node_rls_observe(struct node_rls *, const double *phi, double y, double sigma, double keep);

#endif
