/*
 * overload.h - a mesh that is asked for more than its feeds can give, and then no more: one case of
 * the figures in docs/models/protection.md and docs/bench-overload.md.
 *
 * All modules become class fixed, with priorities and shares of the load drawn from the seed; at
 * first all loads together are OVERLOAD_BASE of the feeds' ratings. From the event on, modules and
 * built-in loads want `factor` times what the feeds that are left can give at most (I_max at the
 * nominal voltage): because their loads grow, at once or in a ramp of half a second, or because
 * feeds are lost (two, or one of two), with that demand all along. After OVERLOAD_FOR_S all is as
 * before, and it ends when everything has had time to return.
 *
 * The order is judged from the events alone: in the step in which a module is shed, none of lower
 * priority may be left with its owner.
 */
#ifndef VL_OVERLOAD_H
#define VL_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "topo.h"

#define OVERLOAD_BASE 0.6
#define OVERLOAD_FOR_S 4.0

enum overload_how { OVERLOAD_STEP, OVERLOAD_RAMP, OVERLOAD_FEEDS };

struct overload_case {
	enum overload_how how;
	double factor;
	bool supercap;
	uint64_t seed; /* priorities, shares, and when within a millisecond it happens */
};

struct overload_result {
	double least_v; /* lowest bus voltage, of all nodes and sub-steps */
	double highest_v;
	double over_w;                          /* demand above what the feeds can give */
	unsigned n_modules, n_shed, n_restored; /* events */
	unsigned most_sheds;                    /* of one module */
	unsigned off;                           /* modules that are shed at the end */
	unsigned wrong_own,
		wrong_mesh;        /* shed before one of lower priority: of its owner, of any */
	double shed_s;             /* from the event to the last order to shed */
	double restored_s;         /* from the end of the overload to the last return */
	double unserved_j, shed_j; /* recorded; demand of shed modules, summed here */
	double residual;
	bool finite;
};

/* `t` is changed: loads, priorities, supercapacitors. Takes 8 to 20 s of plant time. Ends the
 * process when the mesh does not run. */
void overload_run(struct topo *t, const struct overload_case *, struct overload_result *);

#endif
