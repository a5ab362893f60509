/*
 * plan_limit.h - which limits of links the feeds can hold in a load flow at rest, and how.
 *
 * docs/models/limit.md, equation (4): shares y + p with prices w that are 0 at links within their limits.
 * Prices by projected Gauss-Seidel on the shift factors of the mesh as it is in that case; a feed that would
 * have to give less than nothing or more than its limit stays there, and the others do what is left.
 * The load flow is then solved again with the feeds at these currents: what it says is what counts.
 */
#ifndef VL_PLAN_LIMIT_H
#define VL_PLAN_LIMIT_H

#include "err.h"
#include "steady.h"

struct plan_limit;

struct plan_limit_result {
	uint32_t n_over;   /* links over their limits without prices, that no converter holds */
	uint32_t n_unheld; /* over them even so */
	/* Of these the one that is farthest over, with prices or, where all are held, without. */
	uint32_t link;
	double before_a, after_a; /* a -> b: all sharing equally; re-dispatched */
	double v_min_v; /* lowest bus of the re-dispatched mesh */
	double loading; /* highest of a feed there */
};

/* A link over its limit by this part counts as over it. */
#define PLAN_LIMIT_SLACK 5e-3

int plan_limit_create(const struct topo *, struct plan_limit **ret, struct err *);
void plan_limit_destroy(struct plan_limit **);
/* Of the last solve of `s`; nothing is over where that has no state of rest. */
int plan_limit_solve(struct plan_limit *, const struct steady *s, struct plan_limit_result *,
                     struct err *);
/* Feed currents of the last solve, per node: re-dispatched if something was over. */
const double *plan_limit_feed_a(const struct plan_limit *);
/* Whether feeds are to hold the limit of this link. */
bool plan_limit_by_feeds(const struct topo_link *);

#endif
