/*
 * matrix.h - dense matrices, column by column (a[row + n column]), as LAPACK has them.
 */
#ifndef VL_MATRIX_H
#define VL_MATRIX_H

#include <stddef.h>

#include "err.h"

/* c = a b, all n x n; c is neither. Columns and entries that are zero cost nothing. */
void matrix_mul(size_t n, const double *a, const double *b, double *c);

/* a becomes exp(a): diagonal Pade approximant of order 6 with scaling and squaring (Golub and
 * Van Loan, Matrix Computations, algorithm 11.3.1). */
int matrix_exp(size_t n, double *a, struct err *);

/* Eigenvalues wr + j wi; a is destroyed. vl, vr: left and right eigenvectors as dgeev() packs
 * them (real and imaginary part in two columns), or NULL both. */
int matrix_eigen(size_t n, double *a, double *wr, double *wi, double *vl, double *vr, struct err *);

#endif
