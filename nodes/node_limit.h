/*
 * node_limit.h - firmware at end a of limited links: the price that makes the feeds re-dispatch until
 * the current is at its limit.
 *
 * docs/models/limit.md. Every control period Tc, with i the low-passed reading of the link's current,
 * s = +1 or -1 the direction in which it is over the limit L, e = (s i - L)/L:
 *   q <- clip(q + Tc k e, 0, w_max)            projected dual ascent, k: limit_gain_per_s
 *   w  = s clip(q + k e/z, 0, w_max)           a zero at z
 * s is free while w and q are 0. The price acts on the offsets p of the shares that all nodes exchange
 * (node_control.h): this end takes its neighbour's for w lower, and tells it its own as w higher. The
 * neighbour need not know of the limit, and the sum of what the two add is nothing.
 *
 * A link that opens, and firmware that starts, begin at w = 0. While no feed is known everything
 * holds. With a converter on the link, or at its end b, there is no price (gain 0).
 *
 * Events: link.limited when a price begins to act, and when it has been nothing for a second; link.over
 * when the current has been more than 2 % over its limit for 2 s, and when it no longer is.
 */
#ifndef VL_NODE_LIMIT_H
#define VL_NODE_LIMIT_H

#include <stdbool.h>

#include "core.h"

/* A current this far over the limit is over it. */
#define NODE_LIMIT_OVER 1.02

struct node_limit {
	/* fixed; gain 0: nothing to hold at this end */
	int32_t chan;
	double limit_a, gain_per_s, max;
	/* state */
	bool seen;     /* i_a has begun */
	double i_a;    /* low-passed, out of this node */
	double sign;   /* s; 0: free */
	double q, w;   /* w with its sign: positive asks for less current out of this node */
	double over_s; /* time over the limit, or no longer over it once `over` */
	double idle_s; /* time without a price */
	bool limited, over; /* the events that were told last */
};

void node_limit_init(struct node_limit *, const struct link_params *, int32_t chan, bool is_a);
static inline bool
node_limit_acts(const struct node_limit *l)
{
	return l->gain_per_s > 0;
}
/* The link is open; or the firmware starts. */
void node_limit_forget(struct node_limit *, int64_t k, struct core_events *);
/* Every control period: reading of the current out of this node. `holds`: nothing is known of feeds. */
void node_limit_step(struct node_limit *, int64_t k, double tc_s, double i_a, bool holds,
                     struct core_events *);

/* Fields of the recorder, at ends that hold a limit. */
enum { NODE_LIMIT_FIELDS = 1 };
extern const struct node_limit_field {
	const char *name, *unit;
} node_limit_fields[NODE_LIMIT_FIELDS];

#endif
