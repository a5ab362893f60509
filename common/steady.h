/*
 * steady.h - load flow with the corrections of the distributed control: where a mesh comes to rest.
 *
 * Under `consensus` (docs/models/control.md) an island rests when all its controlling feeds carry
 * the same share x of their ratings and
 *     sum over nodes of d kv/kc (v_nom - v) = 0        d: closed links of the node,
 * limited feeds left out of that sum. Then dv solves the graph's Laplacian
 *     sum_j (dv_i - dv_j) = d_i kv_i/kc_i (v_nom - v_i)
 * and di = set-point - v0 - dv. What is left free, an equal amount moved from dv to di, is fixed by
 * sum d di/ki = 0 over the controlling feeds: that sum is what sharing never changes. Feeds at
 * I_max or at a clamp of the set-point are taken out of the sharing, one round after another. Where
 * converters of links bring an island more than it draws, its voltage is where they stop, above
 * nominal; its feeds are idle, and the control has gone down until the first node of the island is at
 * its clamp (which each node may pass by what (v_nom - v) kv/kc is between neighbours).
 *
 * Under `droop` and `none` dv = di = 0 and this is the plain load flow. An island in which nodes
 * under consensus meet others, or have a gain of 0, is treated so too, and `plain` says it.
 */
#ifndef VL_STEADY_H
#define VL_STEADY_H

#include "err.h"
#include "loadflow.h"
#include "topo.h"

enum steady_feed { STEADY_NONE, STEADY_CONTROLS, STEADY_LIMIT, STEADY_HIGH, STEADY_LOW, STEADY_IDLE };

struct steady_work;

struct steady {
	const struct topo *topo;
	struct loadflow *flow; /* its loads may be changed before a solve */
	/* Of the last solve, per node. */
	double *dv_v, *di_v, *x;
	enum steady_feed *feed; /* CONTROLS: takes part in sharing; else what holds it */
	bool *shares;           /* in an island that rests under consensus */
	bool solved;            /* a state of rest exists */
	bool plain; /* some island is not as its nodes' control would have it, see above */
	struct steady_work *w;
};

int steady_create(const struct topo *, struct steady **ret, struct err *);
void steady_destroy(struct steady **);
/* As loadflow_solve(); the currents and voltages are in s->flow. */
void steady_solve(struct steady *, enum loadflow_fault, uint32_t index, struct loadflow_verdict *);

#endif
