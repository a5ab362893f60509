/*
 * topo_rules.h - small formulas on a resolved mesh that the checks and the plan share.
 *
 * Line model and rules: docs/models/link.md, docs/models/bus.md. The consumption of a cpu module is
 * the steady state of its power equations (docs/models/module.md) at 35 degC ambient, compute phase.
 */
#ifndef VL_TOPO_RULES_H
#define VL_TOPO_RULES_H

#include "topo.h"

#define TOPO_KAPPA_GOOD 0.5
#define TOPO_KAPPA_MAX 0.95
#define TOPO_RULE_SLACK 1e-9 /* relative; a rule met exactly in decimals is met */

/* Capacitance dC = T^2/(2 L_eff) that the line takes from each end's bus capacitor, F. */
double topo_line_c_f(int64_t step_ns, double l_eff_h);

/* Share of the node's bus capacitor that its lines take (not those that begin at a converter);
 * *join: with the largest line twice, as while a returning node hosts it. */
double topo_kappa(const struct topo *, size_t node, double *join);

double pwl_peak(const struct pwl *);             /* highest level, 0 without points */
double pwl_at(const struct pwl *, int64_t t_ns); /* level at a time */

/* Current of the converter's inductor when its output delivers out_a, with v_in_v at its input. */
double conv_inductor_a(const struct conv_params *, double v_in_v, double out_a);
/* Power that a node's own converter draws from a bus at v_in_v (docs/models/converter.md). */
double conv_input_w(const struct conv_params *, double v_in_v, double out_a);

/* Highest power that a module draws at its input, W; class resistive: at v_nom. */
double module_peak_w(const struct module_params *, double v_nom_v);

/* Losses of a feed's own stage (docs/models/hardware.md): P_r (q + k x + r x^2), x the current over the
 * rating, P_r = 48 V times the rating. Those of the 2 kW converter of docs/models/converter.md. */
#define THERMAL_FEED_V 48.0
#define THERMAL_FEED_Q 0.006
#define THERMAL_FEED_K 0.0044
#define THERMAL_FEED_R 0.0139
/* Without a given r_th: rise with everything at its rating, and the least losses reckoned with; without
 * c_th: time constant of a heat sink in moving air. */
#define THERMAL_RISE_K 40.0
#define THERMAL_LEAST_W 10.0
#define THERMAL_TAU_S 300.0
/* Losses of a converter at its current limit and 48 V. */
double conv_full_loss_w(const struct conv_params *);

/* Voltage of a string that is at its target. */
double store_target_v(const struct store_params *);
/* Of a supercapacitor's charge management (docs/models/supercap.md): its damping leaves alone what is
 * slower than this; it makes up the distance from its target with this time constant; and it gives
 * what energy is left, and fills what room is left, no faster than within this time. */
#define STORE_DAMP_TAU_S 0.1
#define STORE_RESTORE_TAU_S 2.0
#define STORE_TAPER_S 0.25

#endif
