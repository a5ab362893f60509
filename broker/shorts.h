/*
 * shorts.h - what a short at one bus does: currents over time, and which fuses trip.
 *
 * The mesh as lumped elements from its state of rest with every load at its highest (common/
 * steady.h): bus capacitors, supercapacitors behind their ESR, cables R and L, feeds with droop,
 * limit and lag at their set-points of rest, converters at link ends and of supercapacitors with
 * their limits (shorts_conv.h), constant power above 36 V (P v/36^2 below), what ports
 * draw (nothing below 36 V; ideal diodes let no module feed a fault). From t = 0 a resistor hangs
 * on the bus. Trapezoidal rule with companion conductances (H. W. Dommel, IEEE Trans. PAS-88, 1969)
 * and one factoring per step size; loads and feeds follow one step behind. No travelling waves: the
 * figures do not depend on the mesh's step.
 *
 * Fuses by docs/models/protection.md: fast when |i| exceeds the rating and the side that it flows
 * to is below 36 V; or heat, the integral of i^2 - rating^2, not below 0, reaches fuse_i2t. A fuse
 * that trips cuts its link off at once.
 */
#ifndef VL_SHORTS_H
#define VL_SHORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "shorts_conv.h"
#include "steady.h"
#include "topo.h"

#define SHORTS_WINDOW_S 0.1

enum shorts_trip { SHORTS_HOLDS, SHORTS_FAST, SHORTS_I2T };

struct shorts_link {
	double peak_a, peak_at_s; /* largest |i| */
	double i2t_a2s;           /* over the window */
	double end_a;             /* at its end, a -> b */
	enum shorts_trip trip;    /* only when fuses act */
	double trip_s, trip_a;
};

/* What a converter brings to its own bus. */
struct shorts_source {
	double peak_a, peak_at_s, end_a;
};

/* One bus shorted. */
struct shorts_result {
	double fault_peak_a;               /* at t = 0: the bus capacitor into the resistor */
	double links_peak_a, links_peak_s; /* largest sum of what the links bring to the bus */
	double fault_end_a;                /* at the end of the window */
	double fault_i2t_a2s;
	double v_min_v;            /* lowest other bus at the end */
	struct shorts_link *links;     /* of the whole mesh; owned by the caller */
	struct shorts_source *sources; /* the same, of all converters; NULL: not asked for */
};

struct shorts;

int shorts_create(const struct topo *, struct shorts **ret, struct err *);
void shorts_destroy(struct shorts **);
const struct steady *shorts_before(const struct shorts *);
/* Converters at link ends, in the order of links, then those of supercapacitors. */
const struct shorts_conv *shorts_convs(const struct shorts *, size_t *n);
/* A short of r_ohm at `node`, fuses holding or acting. r->links has room for all links,
 * r->sources for all converters. */
void shorts_run(struct shorts *, uint32_t node, double r_ohm, bool fuses, struct shorts_result *r);
/* Where it comes to rest with fuses holding, A into the fault; feeds_at_limit: how many. NaN: no
 * state of rest. */
double shorts_at_rest(struct shorts *, uint32_t node, double r_ohm, size_t *feeds_at_limit);

#endif
