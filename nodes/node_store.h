/*
 * node_store.h - a supercapacitor behind a bidirectional converter on the bus, and its charge
 * management.
 *
 * Model (docs/models/supercap.md). The converter is that of node_conv.h; at its output capacitor
 * hangs the string: C dv_sc/dt = i, i = (v_o - v_sc)/ESR, by the implicit midpoint rule. Powers at
 * the bus are positive out of it into the string (charging) in the converter, and positive into
 * the bus (giving) in what the management says.
 *
 * Each sub-step the converter is told to give
 *   (demand - slow) + v damp (v_slow - v) + v hold_s max(0, hold_v - v) - restore
 * within its limits: the fast part of what this node's own load, ports and converter draw, what a
 * capacitor of damp x 100 ms in parallel would give, and what keeps the bus up. Every control
 * period the management moves `slow`, what the rest of the mesh is to carry, after the demand;
 * sets `restore` by the distance of the charge from its target; and tapers the limits where the
 * string gets empty or full. All of it is local to the node.
 */
#ifndef VL_NODE_STORE_H
#define VL_NODE_STORE_H

#include "node_conv.h"
#include "topo.h"

struct node_store {
	/* fixed */
	double dt_s, c0_f, r0_ohm;                 /* string as the firmware knows it */
	double v_min_v, v_max_v, target_j, full_j; /* energies above v_min */
	double p_max_w, restore_max_w, smooth_s, hold_v, hold_s, damp_s;
	struct node_conv conv;
	/* string */
	double c_f, r_ohm, g_s; /* g_s 0: open */
	double v_v;
	bool open;
	/* law */
	double demand_w; /* drawn at this node in the last sub-step, set by the plant */
	double slow_v, slow_w, restore_w, give_max_w, take_max_w;
	double sense_v; /* the management's voltage behind the ESR */
	double age_s;
	/* sums since the management last ran */
	double demand_sum_w, refused_sum_w, held_sum_w;
	size_t n_sum;
	/* of the last step: means of the power into the bus and of the string's current */
	double give_w, string_a;
	/* cumulative; abandoned: what ageing took out of the string (negative: put in) */
	double loss_j, abandoned_j;
};

/* c_bus_f, bus_v: of the node; v_sc_v: of the string, at the start of this life. */
void node_store_init(struct node_store *, const struct store_params *, double dt_s, size_t n,
                     double c_bus_f, double bus_v, double v_sc_v);

/* As node_conv_begin() and node_conv_end(); demand_w is set before. */
void node_store_begin(struct node_store *, size_t s, double bus_v, double *g_s, double *j_a);
void node_store_end(struct node_store *, size_t s, double vm_v);

/* Firmware, every period: terminal_v as sensed at the converter's output, bus_v at the bus. */
void node_store_manage(struct node_store *, double period_s, double bus_v, double terminal_v);
/* The rest of the mesh carries the whole demand from the start (`initial: steady`). */
void node_store_settle(struct node_store *, double demand_w);

/* The string opens, and closes again: what it holds, it keeps. */
void node_store_open(struct node_store *, bool open);
/* Capacitance and ESR become these parts of what they were new (NaN: stay), at the same voltage.
 * Returns the energy that is gone with the capacitance; it is booked as abandoned. */
double node_store_age(struct node_store *, double c_part, double esr_part);

double node_store_stored_j(const struct node_store *);
/* All that the converter and the string have lost. */
double node_store_loss_j(const struct node_store *);
/* Part of the usable energy: 0 at v_min, 1 at v_max. */
double node_store_soc(const struct node_store *);

#endif
