/*
 * node_calib.h - self-calibration of a node's current sensors, with its neighbours only.
 *
 * docs/models/calibration.md. Every terminal t has a sensor that reads g_t i_t; wanted are e_t with
 * 1/g_t = 1 + e_t. What is known, over windows of CALIB_WINDOW_S:
 *   (1) at the bus         sum (1 + e_t) r_t + C dv/dt = o              r_t: readings, out of the
 * bus (2) along a link       (1 + e_a) r_a + (1 + e_b) r_b = o'           at its two ends (3)
 * before any reading e_t ~ N(0, s^2), s from the tolerance of the sensors (1) and (2) leave a
 * common factor open in each island, (3) settles it: in an island that has agreed, the sum of e
 * over all its terminals is 0, so mean(1/g) = 1. o and o' take up what offsets there are.
 *
 * (1) is estimated by this node (node_rls.h over e and o), (2) by both ends of the link alike, from
 * the same two numbers per window, which travel in STATE. The nodes then agree: once per control
 * period each solves its own e for what its neighbours said of theirs, and goes half of the way
 * (block Jacobi; converges for every mesh, as the sum of squares of (1)-(3) is convex and couples
 * neighbours pairwise).
 *
 * A window counts only under excitation: when what it would add to what is known exceeds
 * CALIB_EXCITED. Then old knowledge in its direction fades. The rank is the number of independent
 * combinations of the e of this bus that (1) gives better than CALIB_KNOWN; with m terminals that
 * have carried current m - 1 are to be had, and below that the node says "not observable".
 */
#ifndef VL_NODE_CALIB_H
#define VL_NODE_CALIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "topo.h"

/* Long against the refresh of the sensors (noise) and the settling of the bus, short against what
 * loads do. */
#define CALIB_WINDOW_S 0.05
/* Least phi^T P phi/sigma^2 of a window that is used: below it it adds less than a part of 1000. */
#define CALIB_EXCITED 1e-3
/* What a window that is used keeps of what was known along it: 1000 of them, 50 s, are remembered.
 */
#define CALIB_KEEP 0.999
/* Standard deviation at which a combination of gains counts as known: a fifth of the 0.5 % to which
 * the feeds are to share. */
#define CALIB_KNOWN 1e-3

struct calib_params {
	size_t n; /* terminals */
	size_t n_links;
	const bool *on_bus;             /* n; false: a link behind its converter */
	const size_t *terminal_of_link; /* n_links */
	size_t feed;                    /* its terminal; n: none */
	double c_bus_f;
	double i_gain, i_offset_a;   /* largest errors */
	double i_noise_a, v_noise_v; /* of one reading, standard deviation */
	double refresh_s, tc_s;      /* between two readings; control period */
	int64_t period_k;            /* control period, steps */
	double excited, keep;        /* CALIB_EXCITED, CALIB_KEEP */
};

/* What travels in STATE to one neighbour. */
struct calib_word {
	double window; /* number of the window that i_a is of; 0: of none */
	double i_a;    /* reading at this end, mean over the window, out of the node */
	double e;      /* of this end */
};

struct node_calib;

/* The arrays of the parameters are copied. */
int node_calib_create(const struct calib_params *, struct node_calib **ret, struct err *);
void node_calib_destroy(struct node_calib **);

/* A control period ended at frame k: mean readings of the terminals, A out of the bus (of links
 * without what charges the line), rise of the bus voltage over it. */
void node_calib_period(struct node_calib *, int64_t k, const double *mean_a, double slope_v_s);
/* Link l opened: nothing is known of the neighbour until it is heard again. `reborn`: the sensor at
 * its end is another one. */
void node_calib_forget(struct node_calib *, size_t l, bool reborn);
void node_calib_hear(struct node_calib *, size_t l, const struct calib_word *);
/* Once per control period, after hearing: one exchange. */
void node_calib_agree(struct node_calib *);
void node_calib_say(const struct node_calib *, size_t l, struct calib_word *);

/* 1/g of a terminal, as estimated. */
double node_calib_factor(const struct node_calib *, size_t terminal);

struct calib_report {
	size_t rank, unknowns; /* observable: rank = unknowns */
	bool observable;
	double excitation; /* of the last window */
	double feed;       /* 1/g of the feed's sensor; 1 without a feed */
	double sigma;      /* standard deviation of that against the mean of the links' 1/g, by
	                    * (1) and (3); without a feed the largest of the links' own */
	uint64_t windows;  /* whole ones so far; of them used, idle, odd: */
	uint64_t used, idle, odd; /* used, without excitation, refused as outliers */
};
void node_calib_report(const struct node_calib *, struct calib_report *);

#endif
