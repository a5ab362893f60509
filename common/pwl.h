/*
 * pwl.h - the level of a piecewise-linear curve while time goes on, with changes by hand.
 *
 * The curve itself (struct pwl, topo.h): from the level at `at`, reach `level` after `ramp`; before
 * the first point the level is 0; a point inside the ramp of the one before starts from the level
 * reached there. A track follows a curve forwards in time, so that a level costs nothing while it
 * is constant. pwl_track_set() acts like a point put into the curve: later points still act.
 *
 * The track borrows the curve. Times are whole nanoseconds plus a fraction in nanoseconds.
 */
#ifndef VL_PWL_H
#define VL_PWL_H

#include "topo.h"

struct pwl_track {
	const struct pwl *curve; /* may be NULL: level 0 until set */
	size_t next;             /* first point that has not begun */
	int64_t at_ns;           /* begin of the segment that acts */
	double ramp_ns;          /* its length */
	double from, to;         /* its levels */
};

void pwl_track_init(struct pwl_track *, const struct pwl *curve);
/* Level at t_ns + frac_ns; the sum must not go back in time between calls. */
double pwl_track_level(struct pwl_track *, int64_t t_ns, double frac_ns);
/* From the level at t_ns on, go to `level` within ramp_ns. */
void pwl_track_set(struct pwl_track *, int64_t t_ns, double level, double ramp_ns);
/* Levels at the midpoints of the n parts of [t_ns, t_ns + n part_ns]. */
void pwl_track_fill(struct pwl_track *, int64_t t_ns, double part_ns, size_t n, double *levels);

#endif
