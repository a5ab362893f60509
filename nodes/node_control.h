/*
 * node_control.h - firmware of a node: droop and consensus with its neighbours, every 1 ms.
 *
 * docs/models/control.md. Over live neighbours j (channel alive, link electrically closed):
 *   all nodes            dv += Tc [kv (v_nom - v) + kc mean(dv_j - dv)]
 *   controlling feeds    di += Tc ki mean(x_j - x), x = i/I_rated
 *   all others           x += 0.8 mean(x_j - x); feeds among them leave kv out and bleed di
 * Where links have limits, all nodes also exchange an offset p of their share (node_limit.h), and what
 * feeds agree on is the level y of what is without it:
 *   all nodes            p += 0.8 mean(p_j -+ w - p), then 1e-4 of it is given up
 *   controlling feeds    y = x - p, di += Tc ki mean(y_j - y)
 *   all others           y += 0.8 mean(y_j - y)
 * The feed's set-point is v0 + dv + di within [45, 50.5] V; integrators hold at that clamp. A joiner
 * takes dv and x from its neighbours before it sends STATE, its feed begins with their loading.
 * Where no live feed has been heard of for AGE_NONE periods everything freezes. A link that closes
 * in a running mesh comes in over 200 ms.
 */
#ifndef VL_NODE_CONTROL_H
#define VL_NODE_CONTROL_H

#include "core.h"
#include "node_feed.h"

/* Periods without word of a live feed: longer than a path through the largest ring takes. */
#define NODE_CONTROL_AGE_NONE 255

struct node_control_peer {
	bool known;     /* a STATE has arrived since the link closed */
	double v_v, dv_v, x; /* its last STATE */
	double offset, level; /* its offset, with its price of the link; and level */
	uint32_t age;
	uint32_t silent; /* periods without one */
	bool lost;       /* it was known, and has been silent for too long */
	double fade_s; /* time until it counts in full */
};

struct node_control {
	enum control_kind kind;
	int64_t period_k; /* steps */
	double tc_s;
	double kv_per_s, kc_per_s, ki_v_per_s, v_nom_v, v0_v;
	bool has_feed;
	bool lost;       /* its source is gone */
	bool adopting;   /* joiner that has not yet taken its neighbours' state */
	uint32_t waited; /* periods since then */
	bool limited;    /* feed off, at its limit or clipped, or none */
	uint32_t age;    /* periods since a live feed was heard of */
	double dv_v, di_v, x;
	bool offsets;    /* some link of the mesh has a limit that the feeds hold */
	double offset, level; /* p and y above; without limits 0 */
	double price[TOPO_DEGREE_MAX]; /* of this end's link; w above, positive: less current out */
	size_t n_links;
	struct node_control_peer peer[TOPO_DEGREE_MAX];
};

void node_control_init(struct node_control *, const struct node_params *, size_t n_links,
                       double step_s, bool joiner);
static inline bool
node_control_due(const struct node_control *c, int64_t k)
{
	return c->kind != CONTROL_NONE && (k + 1) % c->period_k == 0;
}
/* A link to neighbour l opened. */
void node_control_forget(struct node_control *, size_t l);
/* Neighbour l was known, and says nothing any more though its link is closed. */
static inline bool
node_control_lost(const struct node_control *c, size_t l)
{
	return c->peer[l].lost;
}
/* A message of neighbour l; `fade`: it is to come in slowly (the link closed while the mesh ran). */
void node_control_hear(struct node_control *, size_t l, const struct wave *, bool fade);
/* Firmware, when due: closed[l] says which links count, waiting that there is a live neighbour to
 * wait for. bus_v, feed_a: as sensed. Sets the set-point of the feed. */
void node_control_step(struct node_control *, struct node_feed *, double bus_v, double feed_a,
                       const bool *closed, bool waiting);
/* What is known of the feeds' loading; 0: nothing. */
static inline double
node_control_loading(const struct node_control *c)
{
	return c->kind == CONTROL_NONE || c->age >= NODE_CONTROL_AGE_NONE ? 0 : c->x;
}
/* It does nothing: no feed is known, or it has not yet begun. */
static inline bool
node_control_rests(const struct node_control *c)
{
	return c->age >= NODE_CONTROL_AGE_NONE || c->adopting;
}
/* Adds STATE to a message to neighbour l; false while this node does not count as live. */
bool node_control_state(const struct node_control *, size_t l, double bus_v, struct wave *);

#endif
