/*
 * node_conv.h - an averaged bidirectional 4-switch converter between the bus and an output.
 *
 * Model (docs/models/converter.md), continuous conduction; d1, d2 high-side duties of the input and
 * the output leg, I positive from the bus to the output:
 *   L dI/dt = d1 v_in - d2 v_o - R I,   C_o dv_o/dt = d2 I - i_out
 *   i_in = d1 I + P_q/v_in + K_sw f |I| + C_oss v_sw f/2
 * by the implicit midpoint rule; the duties and the switching losses are those of the sub-step's
 * start. The midpoint current is affine in the bus voltage, so it goes into the bus solver's G and
 * J.
 *
 * The output is a small bus of its own (struct node_plant): C_o is its capacitor. It has a load, or
 * is the end of a link; then lines take their capacitance from it, and the converter sets the power
 * into the link while that is closed, and holds the far bus's voltage while it is not. Or it has a
 * supercapacitor, whose charge management (node_store.h) gives the reference of the current.
 */
#ifndef VL_NODE_CONV_H
#define VL_NODE_CONV_H

#include "node_plant.h"
#include "pwl.h"
#include "topo.h"

/* The output counts as served within these parts of its reference. */
#define NODE_CONV_LOW 0.97
#define NODE_CONV_HIGH 1.05

enum node_conv_kind { NODE_CONV_LOAD, NODE_CONV_LINK, NODE_CONV_STORE };

struct node_conv {
	/* fixed */
	enum node_conv_kind kind;
	double dt_s, l_h, r_ohm, kp_s, ki, kc_ohm, i_lim_a;
	double i_full_a; /* i_lim at full rating */
	double off_v, on_v; /* input under-voltage lock-out */
	double p_fixed_w;
	double k_sw; /* K_sw f: input current per ampere of I */
	double c_sw; /* C_oss f/2, S */
	double v_ref_v;
	double link_limit_a; /* NODE_CONV_LINK: largest current into or out of the link; 0: none */
	struct node_plant out;
	/* of this step, per sub-step */
	double load_a[TOPO_SUBSTEPS_MAX]; /* drawn from the output; negative: a source */
	/* NODE_CONV_LINK: set-point; g of the link end, in load_a stands -g h; closed: follow
	 * power_w, else hold v_ref_v. NODE_CONV_STORE: g of the string, in load_a stands -g v_sc */
	double power_w[TOPO_SUBSTEPS_MAX], line_s[TOPO_SUBSTEPS_MAX];
	double vo_m[TOPO_SUBSTEPS_MAX]; /* output at the midpoints, made by the step */
	bool closed;
	double i_ref_a; /* NODE_CONV_STORE: reference of the current, per sub-step */
	bool tripped; /* switched off by the node */
	/* state */
	bool on;
	double i_a, q_a;
	/* of the sub-step: i_m = at0_a + per_v_s v_m; v_o,m = vo0_v + ci_ohm i_m */
	double d1, d2, loss_a, at0_a, per_v_s, vo0_v, ci_ohm, face_a, face_s, demand_w;
	double in_a; /* out of the bus at the midpoint */
	/* of the last step */
	double in_avg_a; /* out of the bus */
	bool served;
	/* cumulative */
	double source_j, useful_j, loss_j, unserved_j;
};

/* vo_v: the output's first voltage. */
void node_conv_init(struct node_conv *, enum node_conv_kind, const struct conv_params *,
                    double dt_s, size_t n, double vo_v);

/* Begins sub-step s with the bus at bus_v: the converter's current out of the bus at the midpoint
 * is *g_s v_m - *j_a; both are added. */
void node_conv_begin(struct node_conv *, size_t s, double bus_v, double *g_s, double *j_a);
/* Ends it, with the bus at vm_v at the midpoint. */
void node_conv_end(struct node_conv *, size_t s, double vm_v);

double node_conv_stored_j(const struct node_conv *);
/* Into its load, with the output and the load's face of the last sub-step; negative: a source. */
double node_conv_out_w(const struct node_conv *);

#endif
