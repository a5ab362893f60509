#include "module_cpu.h"

#include <assert.h>
#include <math.h>

#include "module_class.h"
#include "module_input.h"

/* Port converter. */
#define DUTY_STEPS 4096.0 /* 12 bits */
#define SLEW_V_PER_S 10e3 /* 10 mV/us */
#define RESPONSE_S 50e-6
#define LOAD_LINE_OHM 1e-4 /* 14 mV at full load: half of what `served` allows */
#define RAIL_LOW 0.97
#define RAIL_HIGH 1.05
/* Below this rail nothing switches. */
#define RAIL_OFF_V 0.05
#define CONTROL_NS 10000000 /* slow quantities: every 10 ms */

/* Silicon and converter of class cpu, SI units. */
static const struct {
	double v_nom, f_nom, vth, alpha, v_poff, ceff, p_leak, kv, kt, p_fixed, r_pdn, droop, rth,
		tau;
	double delta_f, n_replay, a0, a1, a2, t_amb, vth_per_k;
} cpu = {
	.v_nom = 1.00,
	.f_nom = 3.5e9,
	.vth = 0.33,
	.alpha = 1.35,
	.v_poff = 0.855,
	.ceff = 3.0e-8,
	.p_leak = 20,
	.kv = 2.5,
	.kt = 0.020,
	.p_fixed = 6,
	.r_pdn = 1.5e-4,
	.droop = 0.025,
	.rth = 0.280,
	.tau = 3.0,
	.delta_f = 0.015,
	.n_replay = 12,
	.a0 = 0.8,
	.a1 = 0.030,
	.a2 = 1.0e-4,
	.t_amb = 35,
	.vth_per_k = 0.0007,
};

static const struct {
	double fr, act, mu, k_droop;
} cpu_phases[PHASE_END_] = {
	[PHASE_COMPUTE] = { 1.00, 1.00, 0.05, 1.0 },
	[PHASE_MEMORY] = { 0.85, 0.55, 0.60, 1.3 },
	[PHASE_IDLE] = { 0.45, 0.12, 0.10, 0.4 },
};

void
module_cpu_init(struct module_cpu *c, double n_turns, double v_ref_v, double dt_s, bool restarted)
{
	assert(n_turns > 0 && dt_s > 0);
	*c = (struct module_cpu){ .n_turns = n_turns,
		                  .dt_s = dt_s,
		                  .lag = dt_s / RESPONSE_S,
		                  .uv_v = MODULE_V_UV_V,
		                  .temp_c = cpu.t_amb,
		                  .v_ref_v = isnan(v_ref_v) ? cpu.v_nom : v_ref_v };
	if (!restarted)
		c->v_cmd_v = c->v_int_v = c->rail_v = c->v_ref_v;
	c->rail_ok = !restarted;
}

void
module_cpu_reference(struct module_cpu *c, double v_ref_v)
{
	if (!isnan(v_ref_v))
		c->v_ref_v = v_ref_v;
}

void
module_cpu_reset(struct module_cpu *c, double v_ref_v)
{
	c->v_ref_v = isnan(v_ref_v) ? cpu.v_nom : v_ref_v;
}

void
module_cpu_hang(struct module_cpu *c, bool hung)
{
	c->hung = hung;
	if (hung)
		c->throughput = c->errors = 0;
}

/* Module power at rail v with current i from before (static drop); typical silicon, fixed clock. */
static double
cpu_power(const struct module_cpu *c, double v, double i)
{
	double ve = v - cpu.r_pdn * i;

	if (v < RAIL_OFF_V || ve <= 0)
		return 0;
	return c->act * cpu.ceff * ve * ve * c->fr * cpu.f_nom + c->leak_w * (ve / cpu.v_nom) +
	       cpu.p_fixed * (0.3 + 0.7 * c->act);
}

static double
conv_loss(double i)
{
	return cpu.a0 + cpu.a1 * i + cpu.a2 * i * i;
}

static double
f_max(double v, double temp_c)
{
	double over = v - (cpu.vth - cpu.vth_per_k * (temp_c - 60));
	double k = cpu.f_nom * cpu.v_poff / pow(cpu.v_poff - cpu.vth, cpu.alpha);

	if (over <= 0)
		return 0;
	return k * pow(over, cpu.alpha) / v * pow((temp_c + 273.15) / 333.15, -1.2);
}

/* Throughput and correctable errors per operation. */
static void
module_cpu_metrics(struct module_cpu *c)
{
	double ve = c->rail_v - cpu.r_pdn * c->i_a, f = c->fr * cpu.f_nom;
	double vd = ve - cpu.droop * c->k_droop;

	c->errors = 1;
	c->throughput = 0;
	if (ve < RAIL_OFF_V || vd <= 0)
		return;
	double e = pow(10, -9 - (f_max(vd, c->temp_c) / f - 1) / cpu.delta_f);
	c->errors = e < 1 ? e : 1;
	c->throughput =
		c->act / ((1 - c->mu) * cpu.f_nom / f + c->mu) / (1 + cpu.n_replay * c->errors);
}

void
module_cpu_begin(struct module_cpu *c, uint32_t phase, int64_t t_ns, double step_s)
{
	assert(phase < PHASE_END_);
	c->fr = cpu_phases[phase].fr;
	c->act = cpu_phases[phase].act;
	c->mu = cpu_phases[phase].mu;
	c->k_droop = cpu_phases[phase].k_droop;

	double ve = c->rail_v - cpu.r_pdn * c->i_a;
	c->leak_w = cpu.p_leak * exp(cpu.kv * (ve - cpu.v_nom) + cpu.kt * (c->temp_c - 60));
	c->temp_c += (cpu.t_amb + cpu.rth * c->p_w - c->temp_c) * (step_s / cpu.tau);
	double p = cpu_power(c, c->v_ref_v, c->i_a);
	c->demand_w = p + conv_loss(p / c->v_ref_v);
	if (c->hung)
		c->act = cpu_phases[PHASE_IDLE].act;
	else if (t_ns % CONTROL_NS < (int64_t)(step_s * 1e9 + 0.5))
		module_cpu_metrics(c);
}

static double
quantised(double duty)
{
	double steps = duty * DUTY_STEPS + 0.5;

	if (!(steps >= 0))
		return 0;
	if (steps >= DUTY_STEPS)
		return (DUTY_STEPS - 1) / DUTY_STEPS;
	return (double)(int32_t)steps / DUTY_STEPS;
}

void
module_cpu_step(struct module_cpu *c, double v_in_v)
{
	double slew = SLEW_V_PER_S * c->dt_s, dv = c->v_ref_v - c->v_cmd_v;

	c->v_cmd_v += dv > slew ? slew : dv < -slew ? -slew : dv;
	double target = 0;
	if (v_in_v > 0) {
		target = quantised(c->v_cmd_v * c->n_turns / v_in_v) * v_in_v / c->n_turns;
		/* In brown-out the rail goes down with the input. */
		if (v_in_v < c->uv_v)
			target *= v_in_v / c->uv_v;
	}
	const double q = c->lag;
	c->v_int_v += (target - c->v_int_v) * q / (1 + 0.5 * q);
	c->rail_v = c->v_int_v - LOAD_LINE_OHM * c->i_a;
	c->p_w = cpu_power(c, c->rail_v, c->i_a);
	c->i_a = c->p_w > 0 ? c->p_w / c->rail_v : 0;
	c->conv_loss_w = conv_loss(c->i_a);
	c->rail_ok = c->rail_v >= RAIL_LOW * c->v_ref_v && c->rail_v <= RAIL_HIGH * c->v_ref_v;
}
