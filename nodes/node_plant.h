/*
 * node_plant.h - the bus of one node: capacitor, supercapacitor, feed, load, ports, links, a fault.
 *
 * Model (docs/models/bus.md), implicit midpoint rule per sub-step dt, v_m the voltage at its
 * middle: G v_m - J - i_feed(v_m) + i_load(v_m) + i_port(v_m) = 0 G = 2 C_r/dt + g_sc + sum g +
 * g_fault,  g_sc = 1/(R_sc + dt/(2 C_sc)) J = (2 C_r/dt) v + g_sc v_sc + sum g h solved by Newton
 * from v, then v' = 2 v_m - v. C_r is C_bus without what is lent to lines. Loads are constant power
 * above V_uv and a conductance below it; what a port is owed is paid as constant power down to
 * NODE_PAY_FLOOR_V. Converters on the bus add to G and J (node_conv.h), also that
 * of a supercapacitor (node_store.h). The rule conserves energy
 * exactly; the ledger is kept beside.
 */
#ifndef VL_NODE_PLANT_H
#define VL_NODE_PLANT_H

#include "node_feed.h"
#include "topo.h"

struct node_conv;
struct node_store;

/* Constant-power loads become a conductance below this voltage (docs/models/bus.md). */
#define NODE_V_UV_V 36.0
/* A load counts as served down to this voltage. */
#define NODE_V_SERVED_V 40.0
/* Below this voltage a port's account is paid as a conductance: the rest stays on the account. */
#define NODE_PAY_FLOOR_V 12.0

struct node_plant {
	/* fixed */
	size_t n; /* sub-steps */
	double dt_s, c_bus_f;
	double c0_sc_f, r0_sc_ohm; /* when it was new */
	struct node_feed feed;
	size_t n_convs; /* converters on this bus (node_conv.h) */
	struct node_conv *convs;
	struct node_store *store; /* supercapacitor behind a converter (node_store.h); NULL: none */
	/* set by the core between steps */
	double lent_f;           /* nominal capacitance lent to lines */
	double c_r_f;            /* what is left in the bus */
	double g_links, g_fault; /* S */
	const double *g_dark;    /* part of g_links that is gone, per sub-step; NULL: nothing */
	/* state */
	double g_sc; /* S; 0: none, or its string is open */
	bool sc_open;
	double c_sc_f, r_sc_ohm;
	double v_v, v_sc_v;
	/* of the last step */
	double v_min_v, v_max_v, feed_avg_a, load_p_w;
	double sc_avg_a; /* into the supercapacitor */
	double paid_part; /* of what was owed to ports */
	bool served;
	/* cumulative ledger */
	double source_j, useful_j, loss_j, fault_j, line_j, abandoned_j, unserved_j;
};

void node_plant_init(struct node_plant *, const struct node_params *, double dt_s, size_t n,
                     double v_v, double v_sc_v);

/* Capacitance goes to a line at the bus voltage, or comes back from it; returns its energy. The bus
 * keeps at least NODE_C_MIN of C_bus: beyond that the lines are lent capacitance that the bus does
 * not have, and the energy is booked as abandoned (negative). */
#define NODE_C_MIN 0.02
double node_plant_lend(struct node_plant *, double c_f);
double node_plant_unlend(struct node_plant *, double c_f);

/* The string of the supercapacitor in parallel opens, and closes again; it keeps its charge. */
void node_plant_open_sc(struct node_plant *, bool open);
/* Its capacitance and ESR become these parts of what they were new (NaN: stay), at the same voltage.
 * Returns the energy that is gone with the capacitance; it is booked as abandoned. */
double node_plant_age_sc(struct node_plant *, double c_part, double esr_part);

double node_plant_stored_j(const struct node_plant *);

/* What node_plant_step() moves on rather than makes anew: kept before a step that may be repeated.
 * Its converters and their outputs are not in here. */
struct node_plant_mark {
	struct node_feed feed;
	double v_v, v_sc_v, source_j, useful_j, loss_j, fault_j, unserved_j;
};
static inline struct node_plant_mark
node_plant_keep(const struct node_plant *p)
{
	return (struct node_plant_mark){ .feed = p->feed,
		                         .v_v = p->v_v,
		                         .v_sc_v = p->v_sc_v,
		                         .source_j = p->source_j,
		                         .useful_j = p->useful_j,
		                         .loss_j = p->loss_j,
		                         .fault_j = p->fault_j,
		                         .unserved_j = p->unserved_j };
}
void node_plant_back(struct node_plant *, const struct node_plant_mark *);

/* Advances n sub-steps. gh: sum of g h over the closed links, load_w: demand, per sub-step; pay_w:
 * power owed to ports. vm receives the midpoint voltages. */
void node_plant_step(struct node_plant *, const double *gh, const double *load_w, double pay_w,
                     double *vm);

#endif
