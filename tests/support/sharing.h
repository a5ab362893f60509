/*
 * sharing.h - how equally the feeds of a mesh share when their sensors are wrong, with and without
 * self-calibration: one seed of the figures in docs/bench-sharing.md.
 *
 * The built-in loads are as they are for a second; then that of one random node goes to a random
 * level every 100 ms (`varying_s` in all), and then all go back and stay. The modules do what they
 * do in the topology. Loadings and voltages are means over SHARING_MEAN_S, which is a whole number
 * of the periods of the modules of rack8.
 */
#ifndef VL_TESTS_SHARING_H
#define VL_TESTS_SHARING_H

#include <stdbool.h>
#include <stdint.h>

#include "topo.h"

#define SHARING_MEAN_S 0.3

struct sharing_case {
	uint64_t seed;
	bool calibrates;
	double varying_s;    /* 0: measured after the first second only */
	double current_gain; /* largest error, part */
	double current_offset_a;
	double zero_s; /* over which zeros are taken before the start; 0: not */
};

struct sharing_result {
	double gain_spread; /* max(g)/min(g) - 1 of the feeds' sensors */
	double first;       /* spread of the true loadings, (max - min)/mean, 1 s after the start */
	double spread;      /* the same at the end, 1 s after the last change of a load */
	double v_mean_part; /* degree-weighted mean of the measured voltages over the nominal, less
	                       1 */
	double rank, unknowns; /* summed over the nodes */
	double sigma;          /* largest of the feeds' nodes */
};

/* Sensors of `t` become realistic. Fails the test, or ends the process, when the mesh does not run.
 */
void sharing_run(struct topo *t, const struct sharing_case *, struct sharing_result *);

#endif
