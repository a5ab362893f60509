/*
 * node_port.h - the node's side of a port: what its module took and what the bus has paid.
 *
 * The module integrates the port (loadmods/module_input.h) against the offered voltage and reports
 * the energy that it took from this input per port period T_p. That energy goes on the account; the
 * bus pays account/T_p as constant power over the next period. Below uv_v nothing is offered or
 * paid. Model: docs/models/port.md.
 */
#ifndef VL_NODE_PORT_H
#define VL_NODE_PORT_H

#include "core.h"

/* Rating of a port's hot-swap stage: several times the largest module. */
#define NODE_PORT_I_MAX_A 200.0

struct node_port {
	int32_t chan;
	bool owner; /* this node owns the module */
	bool live;
	double uv_v;
	bool shed, orphan, out; /* as the module last answered; out: unplugged */
	uint32_t order; /* enum offer_flag: OFFER_SHED or OFFER_RESTORE until the module has done it
	                 */
	double v_in_v;  /* the module's input capacitor, as it last answered; 0: not heard */
	double wants_w; /* what it takes, or shed, what it would */
	double account_j, paid_j;
	double pay_w; /* owed power of this period */
	double p_w;   /* paid in the last step, mean */
};

/* uv_v: bus voltage below which it neither offers nor pays. */
void node_port_init(struct node_port *, int32_t chan, bool owner, bool live, double uv_v);
void node_port_offer(const struct node_port *, double bus_v, struct offer *);
/* At a port step: takes the answer of the period that ended; period_s is T_p. */
void node_port_input(struct node_port *, int64_t k, const struct core_in *, double bus_v,
                     double period_s, struct core_events *);
/* After a plant step of step_s: `part` of the owed power was paid. */
void node_port_pay(struct node_port *, double part, double step_s);

#endif
