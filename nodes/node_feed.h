/*
 * node_feed.h - a source connected to a node's bus: droop, limit and first-order lag.
 *
 * Model (docs/models/feed.md): target = clip((v_set - v)/R_d, 0, I_max), tau di/dt = target - i, by
 * the implicit midpoint rule: i_m = (i + a target(v_m))/(1 + a), a = dt/(2 tau), i' = 2 i_m - i.
 * For tau = 0: i = i_m = target. Current is positive into the bus. A source that cannot hold v_set
 * has its ceiling in the place of it; without a source there is no current (contactor, diode).
 */
#ifndef VL_NODE_FEED_H
#define VL_NODE_FEED_H

#include "topo.h"

struct node_feed {
	double v0_v, i_max_a, i_rated_a;
	double v_set_v; /* v0 + dv + di, set by the control */
	double ceil_v;  /* what its source can hold at most; 0: it is gone */
	double ka_s;    /* a/((1 + a) R_d): slope of i_m over the voltage below v_set */
	double keep;    /* 1/(1 + a): part of i in i_m */
	double e_full_v; /* e_max at full rating */
	double part;    /* of rating and limit that it may use now; 0: off */
	double e_max_v; /* I_max R_d: droop at which the current limit is reached */
	bool lag;       /* tau > 0 */
	double i_a;     /* state */
};

/* NULL: no feed; such a feed delivers nothing. */
void node_feed_init(struct node_feed *, const struct feed_params *, double dt_s);

/* Current at the midpoint for a bus at v; *slope becomes -d(current)/dv. */
static inline double
node_feed_mid(const struct node_feed *f, double v, double *slope)
{
	double e = (f->v_set_v < f->ceil_v ? f->v_set_v : f->ceil_v) - v;

	*slope = 0;
	if (e <= 0)
		e = 0;
	else if (e >= f->e_max_v)
		e = f->e_max_v;
	else
		*slope = f->ka_s;
	return f->keep * f->i_a + f->ka_s * e;
}

/* Ends a sub-step whose midpoint current was i_m. */
static inline void
node_feed_end(struct node_feed *f, double i_m)
{
	f->i_a = f->lag ? 2 * i_m - f->i_a : i_m;
}

/* Of rating and limit; at 0 its output opens at once. */
void node_feed_allow(struct node_feed *, double part);

/* Rating that is there now. */
static inline double
node_feed_available_a(const struct node_feed *f)
{
	return f->i_rated_a * f->part;
}

/* The source is gone: the current is 0 from now on. */
void node_feed_lose(struct node_feed *);
static inline bool
node_feed_on(const struct node_feed *f)
{
	return node_feed_available_a(f) > 0 && f->ceil_v > 0;
}
/* The target is 0 or the limit at this bus voltage, or the source holds less than is asked of it:
 * the feed does not control. */
bool node_feed_limited(const struct node_feed *, double v);

#endif
