/*
 * module_input.h - a module's inputs: ideal-diode ORing into one capacitor, and what is drawn from
 * it.
 *
 * docs/models/port.md. Input j: i_j = clip((V_j - v)/R_port, 0, I_max,j) while it is on, V_j the
 * voltage that its node offered for this port period. C_in dv/dt = sum i_j - p/v - G v, implicit
 * midpoint rule: 2 C_in/dt (v_m - v) = sum i_j(v_m) - i_load(v_m), solved by Newton, v' = 2 v_m -
 * v. Constant power above V_uv = 36 V, i = p v/V_uv^2 below. Energy closes to rounding: sum V_j i_j
 * dt = (V_j - v_m) i_j dt + drawn + change of stored.
 */
#ifndef VL_MODULE_INPUT_H
#define VL_MODULE_INPUT_H

#include "topo.h"

/* Default of its under-voltage V_uv. */
#define MODULE_V_UV_V 36.0

struct module_port {
	bool live, on;
	bool offered;        /* the node offers power; `on` also needs the module to want it */
	double v_v, i_offer_a; /* offer of this period */
	double i_max_a;        /* limit that acts: the offer's, or that of the hot-swap switch */
	double period_j;     /* taken in this port period */
	double taken_j;      /* cumulative */
	double i_sum_a;      /* over the sub-steps of this step */
};

struct module_input {
	double c_in_f, g_port_s, dt_s, uv_v;
	double c2_s; /* 2 C_in/dt */
	double v_v; /* state: the capacitor */
	size_t n;
	struct module_port port[TOPO_FEEDS_MAX];
	double loss_j; /* cumulative: R_port, diode and current limit */
};

void module_input_init(struct module_input *, const struct module_params *, size_t n_ports,
                       double dt_s, double v_v);
double module_input_stored_j(const struct module_input *);
/* One sub-step with a load of constant power p_w and a conductance g_s; returns the midpoint
 * voltage and the energy drawn by each. */
double module_input_step(struct module_input *, double p_w, double g_s, double *p_j, double *g_j);

#endif
