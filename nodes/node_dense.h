/*
 * node_dense.h - small dense symmetric matrices: Cholesky factor, solution, inverse, eigenvalues.
 *
 * Row-major n x n, for n of a few tens; memory is the caller's. Only additions, multiplications,
 * divisions and square roots in a fixed order: the same bits from every compiler.
 */
#ifndef VL_NODE_DENSE_H
#define VL_NODE_DENSE_H

#include <stdbool.h>
#include <stddef.h>

/* a = l l^T, l lower triangular (its upper part is not touched); l may be a. false: a is not
 * positive definite in double precision, l is then undefined. */
bool node_dense_cholesky(size_t n, const double *a, double *l);
/* Solves l l^T x = b; x may be b. */
void node_dense_solve(size_t n, const double *l, const double *b, double *x);
/* Only the first half: l y = b, so that y^T y = b^T a^-1 b; y may be b. */
void node_dense_forward(size_t n, const double *l, const double *b, double *y);
/* inverse = (l l^T)^-1, whole. `work` has n words. */
void node_dense_inverse(size_t n, const double *l, double *inverse, double *work);
/* Eigenvalues of the symmetric a, ascending, by cyclic Jacobi rotations; destroys a. */
void node_dense_eigenvalues(size_t n, double *a, double *values);

#endif
