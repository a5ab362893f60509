/*
 * module_cpu.h - class cpu: the port converter with its rail, and typical silicon behind it.
 *
 * docs/models/module.md. Converter, per sub-step: the reference is followed with a slew of 10
 * mV/us; duty = round(v_cmd n_turns/v_in) in 12 bits (line feed-forward); the rail follows duty
 * v_in/n_turns with 50 us and drops by R_ll I. Silicon: dynamic and leakage power from the rail,
 * delay by the alpha-power law, timing errors, a thermal RC. Values of the table are those of
 * typical silicon: no spread, no ageing, no noise. Slow quantities are evaluated every 10 ms,
 * leakage every step.
 */
#ifndef VL_MODULE_CPU_H
#define VL_MODULE_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct module_cpu {
	double n_turns, dt_s;
	double lag; /* dt over the converter's response */
	double uv_v;    /* of the input; init sets the default */
	double v_ref_v; /* reference that it was given */
	double v_cmd_v; /* after the slew limit */
	double v_int_v; /* behind the converter's response */
	/* of the workload */
	double fr, act, mu, k_droop;
	/* results */
	double rail_v, i_a, p_w, conv_loss_w, demand_w;
	double leak_w; /* leakage at v_nom's slope: p_leak exp(..) */
	double temp_c, throughput, errors;
	bool rail_ok;
	bool hung; /* its firmware, with what it computes */
};

/* v_ref NaN: nominal. A restarted one ramps up from 0. */
void module_cpu_init(struct module_cpu *, double n_turns, double v_ref_v, double dt_s,
                     bool restarted);
void module_cpu_reference(struct module_cpu *, double v_ref_v);
/* The reference as at the begin; v_ref as of module_cpu_init(). */
void module_cpu_reset(struct module_cpu *, double v_ref_v);
/* Nothing is computed any more, or again. While it hangs the clock runs and nothing retires: it takes
 * the activity of the idle phase. The rail stays at its reference. */
void module_cpu_hang(struct module_cpu *, bool hung);
void module_cpu_begin(struct module_cpu *, uint32_t phase, int64_t t_ns, double step_s);
void module_cpu_step(struct module_cpu *, double v_in_v);

#endif
