#include "module_class.h"

/* Served by convention at 48 V: the demand of a resistive module. */
#define NOMINAL_V 48.0

static void
fixed_init(struct module_load *l, const struct module_params *p, double dt_s, bool restarted)
{
	(void)dt_s, (void)restarted;
	pwl_track_init(&l->track, &p->load_w);
}

static void
fixed_begin(struct module_load *l, const struct module_params *p, int64_t t_ns, double dt_s,
            size_t n)
{
	(void)p;
	pwl_track_fill(&l->track, t_ns, dt_s * 1e9, n, l->level_w);
	if (l->surge.on)
		surge_add(&l->surge, t_ns, dt_s * 1e9, n, l->level_w);
}

static void
fixed_command(struct module_load *l, const struct core_cmd *cmd, int64_t step_ns)
{
	if (cmd->kind == CMD_LOAD)
		pwl_track_set(&l->track, cmd->k * step_ns, cmd->a, cmd->b > 0 ? cmd->b * 1e9 : 0);
	else
		surge_command(&l->surge, cmd, step_ns);
}

static void
fixed_demand(struct module_load *l, const struct module_params *p, double v_in_v, size_t s)
{
	(void)p, (void)v_in_v;
	l->p_w = l->demand_w = l->level_w[s];
}

static void
resistive_init(struct module_load *l, const struct module_params *p, double dt_s, bool restarted)
{
	(void)dt_s, (void)restarted;
	l->g_s = 1 / p->r_load_ohm;
	l->demand_w = NOMINAL_V * NOMINAL_V * l->g_s;
}

static void
resistive_begin(struct module_load *l, const struct module_params *p, int64_t t_ns, double dt_s,
                size_t n)
{
	(void)l, (void)p, (void)t_ns, (void)dt_s, (void)n;
}

static void
resistive_demand(struct module_load *l, const struct module_params *p, double v_in_v, size_t s)
{
	(void)l, (void)p, (void)v_in_v, (void)s;
}

static void
cpu_init(struct module_load *l, const struct module_params *p, double dt_s, bool restarted)
{
	module_cpu_init(&l->cpu, p->n_turns, p->v_ref_v, dt_s, restarted);
	l->cpu.uv_v = p->v_uv_v;
	l->temp_c = l->cpu.temp_c;
}

/* The workload's phase at t; it repeats for ever. */
static uint32_t
phase_at(const struct module_params *p, int64_t t_ns)
{
	int64_t total = 0;

	for (size_t i = 0; i < p->n_phases; i++)
		total += p->phases[i].for_ns;
	if (total <= 0)
		return PHASE_COMPUTE;
	t_ns %= total;
	for (size_t i = 0; i < p->n_phases; i++) {
		if (t_ns < p->phases[i].for_ns)
			return p->phases[i].phase;
		t_ns -= p->phases[i].for_ns;
	}
	return PHASE_COMPUTE;
}

static void
cpu_begin(struct module_load *l, const struct module_params *p, int64_t t_ns, double dt_s, size_t n)
{
	if (!l->cpu.hung)
		l->phase = phase_at(p, t_ns);
	module_cpu_begin(&l->cpu, l->phase, t_ns, dt_s * (double)n);
	l->temp_c = l->cpu.temp_c;
	l->throughput = l->cpu.throughput;
	l->errors = l->cpu.errors;
	l->demand_w = l->cpu.demand_w;
}

static void
cpu_demand(struct module_load *l, const struct module_params *p, double v_in_v, size_t s)
{
	(void)p, (void)s;
	module_cpu_step(&l->cpu, v_in_v);
	l->p_w = l->cpu.p_w + l->cpu.conv_loss_w;
	l->useful = l->p_w > 0 ? l->cpu.p_w / l->p_w : 1;
	l->rail_ok = l->cpu.rail_ok;
	l->rail_v = l->cpu.rail_v;
	l->rail_a = l->cpu.i_a;
}

static void
cpu_hang(struct module_load *l, bool hung)
{
	module_cpu_hang(&l->cpu, hung);
}

static void
cpu_reset(struct module_load *l, const struct module_params *p)
{
	module_cpu_reset(&l->cpu, p->v_ref_v);
}

/* The rail begins at 0, the silicon is as warm as it was. */
static void
cpu_restart(struct module_load *l)
{
	double temp_c = l->cpu.temp_c, uv_v = l->cpu.uv_v;
	bool hung = l->cpu.hung;

	module_cpu_init(&l->cpu, l->cpu.n_turns, l->cpu.v_ref_v, l->cpu.dt_s, true);
	l->cpu.temp_c = temp_c;
	l->cpu.uv_v = uv_v;
	l->cpu.hung = hung;
}

static void
cpu_reference(struct module_load *l, double v_ref_v)
{
	module_cpu_reference(&l->cpu, v_ref_v);
}

static const struct module_class_ops module_classes[] = {
	[MODULE_FIXED] = { "fixed", true, fixed_init, fixed_begin, fixed_demand, NULL,
	                   fixed_command, NULL, NULL, NULL },
	[MODULE_CPU] = { "cpu", false, cpu_init, cpu_begin, cpu_demand, cpu_restart, NULL,
	                 cpu_reference, cpu_hang, cpu_reset },
	[MODULE_RESISTIVE] = { "resistive", true, resistive_init, resistive_begin, resistive_demand,
	                       NULL, NULL, NULL, NULL, NULL },
};

const struct module_class_ops *module_class_of(enum module_class class)
{
	if ((size_t) class >= sizeof module_classes / sizeof module_classes[0])
		return NULL;
	return &module_classes[class];
}
