/*
 * node_protect.h - firmware of a node that sheds its modules in overload and restores them after.
 *
 * docs/models/protection.md. Every 1 ms, from what the node senses:
 *   overload  v < 43.5 V for 2 ms, or loading > 1.1 for 2 s, or loading > 1.2 for 200 ms
 *   calm      v > 46.5 V and loading < 0.95
 * In overload and while the bus does not rise (25 mV in 50 to 100 ms) one module is shed at a time,
 * the lowest priority first; after a second of calm one is restored, the highest first, if there is
 * room for what it would take. Looks at the bus are 50 ms apart. One that has to be shed again
 * within 10 s of its return waits twice as long the next time, at most 64 s, and its node knows
 * better how much there is.
 *
 * Stages: where a low bus falls on, all modules of the node go whose stage is above it, whoever's
 * turn it is. A module that lives on its other input is left alone.
 *
 * Whose turn it is the nodes find out between neighbours: STATE frames carry the least key that the
 * sender knows, with its distance in links; a key that nobody has any more dies out at 31 links.
 * Key: priority (to restore: 100 - priority), then the node's index modulo 8. When the turn
 * changes, all wait for what that does to the bus.
 *
 * The node decides for the modules that it owns, and for those whose owner is gone. It tells the
 * module with its offers (OFFER_SHED, OFFER_RESTORE) until the module's answer agrees; the module
 * is what remembers, so both of its nodes know, and an owner that returns finds it. An order that a
 * module has not carried out after 50 ms (its firmware hangs) is withdrawn: it is the next one's
 * turn, and that module is asked again after a second.
 */
#ifndef VL_NODE_PROTECT_H
#define VL_NODE_PROTECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node_port.h"
#include "topo.h"

struct node_protect_turn {
	uint32_t key, hops;
	bool restore;
};

struct node_protect_port {
	uint32_t priority;
	double shed_v;    /* bus voltage of its stage */
	bool shed;        /* as the module last said */
	int64_t wait_ns;  /* calm that it needs before it is restored */
	int64_t on_ns;    /* since it was restored */
	int64_t asked_ns; /* since an order that it has not carried out */
	int64_t deaf_ns;  /* left until it is asked again */
	double before;    /* loading when it was restored */
};

struct node_protect {
	int64_t period_ns;
	int64_t low_ns, over_ns, high_ns, calm_ns; /* how long this has lasted */
	int64_t since_ns;                          /* since the last order or change of turn */
	int64_t look_ns;                           /* since the last look at the bus */
	double mark_v[2];                          /* bus at the last look, and at the one before */
	double last_v;                             /* in the period before */
	double ports_v;                            /* below it ports give nothing */
	double feeds_w;                            /* of the whole mesh by the topology, rated */
	double learnt_w;                           /* less than that, by a return that failed */
	int64_t learnt_ns;                         /* for how long that counts */
	uint32_t tie;                              /* index modulo 8 */
	size_t n_links;
	struct node_protect_turn peer[TOPO_DEGREE_MAX]; /* what the neighbours said */
	struct node_protect_turn known;                 /* what this node says */
	size_t n;
	struct node_protect_port port[TOPO_PORTS_MAX];
};

struct slice;

/* Ports in the order of the slice, which is that of `ports` below. */
void node_protect_init(struct node_protect *, const struct slice *, int64_t period_ns,
                       double bus_v);
/* Flags of a message with STATE of neighbour l; and link l opened. */
void node_protect_hear(struct node_protect *, size_t l, uint32_t wave_flags);
void node_protect_forget(struct node_protect *, size_t l);
/* Flags for a message with STATE. */
uint32_t node_protect_flags(const struct node_protect *);
/* Every period. loading: of the node's feed, or what it knows of the others'; 0: not known. */
void node_protect_step(struct node_protect *, struct node_port *ports, double bus_v,
                       double loading);

#endif
