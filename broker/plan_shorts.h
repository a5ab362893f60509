/*
 * plan_shorts.h - `voltloom plan --faults`: a short at every bus in turn, by shorts.h.
 *
 * Two runs per bus: fuses holding (prospective currents and I^2t), and fuses acting (which trip,
 * when, and whether they leave the rest of the mesh in service). Cleared: all links of the bus are
 * off, but for those with a converter at this bus that brings nothing. Selective: no other fuse
 * tripped.
 */
#ifndef VL_PLAN_SHORTS_H
#define VL_PLAN_SHORTS_H

#include <stdio.h>

#include "err.h"
#include "topo.h"

#define PLAN_SHORTS_R 10e-3    /* ohm; an arc or a loose busbar rather than a bolted short */
#define PLAN_SHORTS_R_MIN 1e-4 /* ohm */

int plan_shorts_print(const struct topo *, double r_ohm, FILE *, struct err *);
int plan_shorts_json(const struct topo *, double r_ohm, FILE *, struct err *);

#endif
