/*
 * skyline.h - symmetric sparse matrix, factored as L D L^T inside its envelope.
 *
 * Rows and columns are reordered by reverse Cuthill-McKee, so that a ring has a band of two and a
 * 10 x 10 torus one of about thirty. Unknowns are numbered as the caller numbers them.
 */
#ifndef VL_SKYLINE_H
#define VL_SKYLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct skyline;

/* n unknowns; edges: pairs (i, j) that may be non-zero, each once or more often. */
int skyline_create(uint32_t n, uint32_t (*edges)[2], size_t n_edges, struct skyline **ret,
                   struct err *);
void skyline_destroy(struct skyline **);
void skyline_clear(struct skyline *);
/* Adds to (i, j) and (j, i), which must be one of the edges or on the diagonal. */
void skyline_add(struct skyline *, uint32_t i, uint32_t j, double value);
/* Replaces the matrix by its factors. False: not positive definite. */
bool skyline_factor(struct skyline *);
/* x: right-hand side in, solution out. */
void skyline_solve(struct skyline *, double *x);

#endif
