/*
 * node_fuse.h - the e-fuse of one link end: when it trips within a step.
 *
 * docs/models/protection.md. Two elements, judged after each sub-step with its midpoint current i
 * (positive out of the node):
 *   fast   |i| > I_n while the side that i flows to is low: below NODE_V_UV_V. Into the node that
 * is the bus itself; out of it the far bus one line delay ago, as this end can know it: v_far = h +
 * i (Zc - R/2). I^2t   heat += (i^2 - I_n^2) dt, not below 0; trips at `i2t`. The sub-step that
 * shows it still carries its current; those after it carry none.
 */
#ifndef VL_NODE_FUSE_H
#define VL_NODE_FUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "topo.h"

enum fuse_element { FUSE_NONE, FUSE_FAST, FUSE_I2T };

struct node_fuse {
	double i_n_a, i_n2_a2; /* rating and its square; 0: no fuse */
	double i2t_a2s, dt_s;
	double heat_a2s; /* state */
};

/* What a fuse sees of a step: n sub-steps of the line's end. */
struct node_fuse_view {
	const double *vm, *h;      /* V */
	double g_s, zc_ohm, r_ohm; /* i = g (vm - h); Zc; the cable's resistance in the far end */
	size_t n;
};

void node_fuse_init(struct node_fuse *, const struct link_params *, double dt_s);

/* Whether a step with this sum of i^2 over its sub-steps can have tripped it at all. */
static inline bool
node_fuse_may(const struct node_fuse *f, double sum_ii)
{
	return f->i_n_a > 0 &&
	       (sum_ii > f->i_n2_a2 || f->heat_a2s + sum_ii * f->dt_s >= f->i2t_a2s);
}

/* First sub-step that trips it, or n; then *element says which, *i_a the current. */
size_t node_fuse_find(const struct node_fuse *, const struct node_fuse_view *,
                      enum fuse_element *element, double *i_a);

/* Ends a step of n sub-steps. */
static inline void
node_fuse_end(struct node_fuse *f, double sum_ii, size_t n)
{
	double heat = f->heat_a2s + (sum_ii - (double)n * f->i_n2_a2) * f->dt_s;

	f->heat_a2s = heat > 0 ? heat : 0;
}

#endif
