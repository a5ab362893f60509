/*
 * node_thermal.h - temperature of a node's power stages, and what they may still carry at it.
 *
 * docs/models/hardware.md. One body: C_th dT/dt = P - (T - T_ambient)/R_th, by the implicit
 * midpoint rule per step. P: losses of the converters, of pre-charge resistors, and of the feed's
 * own stage, which lies before the point where the energy ledger begins: P_r (q + k x + r x^2), x =
 * i/I_rated. Up to T_derate everything may carry its limits; from there to T_max linearly down to a
 * part.
 */
#ifndef VL_NODE_THERMAL_H
#define VL_NODE_THERMAL_H

#include "topo.h"

struct node_thermal {
	struct thermal_params p;
	double step_s, feed_w, feed_rated_a; /* feed_w: 48 V times its rating */
	double half_step; /* T/2 over the time constant */
	double temp_c, heat_w;               /* heat: of the last step */
	double lost_j;                       /* losses at the end of the last step */
};

void node_thermal_init(struct node_thermal *, const struct node_params *, double step_s,
                       double temp_c);

/* Ends a step. lost_j: all that the converters and pre-charge resistors have lost so far; feed_a:
 * mean of the step, off: its stage was switched off. */
void node_thermal_step(struct node_thermal *, double lost_j, double feed_a, bool off);

/* `steps` in which nothing was lost: its process was dead. */
void node_thermal_cool(struct node_thermal *, int64_t steps);

/* Part of the current limits that is left at this temperature, 0 to 1. */
static inline double
node_thermal_part(const struct node_thermal *t, double temp_c)
{
	double over = temp_c - t->p.derate_c;

	if (!(over > 0))
		return 1;
	over /= t->p.max_c - t->p.derate_c;
	return over < 1 ? 1 - (1 - t->p.least) * over : t->p.least;
}

#endif
