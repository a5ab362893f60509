#include "topo_rules.h"

#include <math.h>

double
topo_line_c_f(int64_t step_ns, double l_eff_h)
{
	double t = (double)step_ns * 1e-9;
	return t * t / (2 * l_eff_h);
}

double
topo_kappa(const struct topo *t, size_t node, double *join)
{
	const struct topo_node *n = &t->nodes[node];
	double sum = 0, max = 0;
	for (size_t i = 0; i < n->n_links; i++) {
		const struct topo_link *l = &t->links[n->links[i]];
		if (l->has_conv && l->conv.node == node)
			continue;
		double dc = topo_line_c_f(t->step_ns, l->p.l_eff_h);
		sum += dc;
		max = dc > max ? dc : max;
	}
	if (join)
		*join = (sum + max) / n->p.c_bus_f;
	return sum / n->p.c_bus_f;
}

double
pwl_peak(const struct pwl *c)
{
	double max = 0;
	for (size_t i = 0; i < c->n; i++)
		max = c->p[i].level > max ? c->p[i].level : max;
	return max;
}

double
pwl_at(const struct pwl *c, int64_t t_ns)
{
	double level = 0;
	for (size_t i = 0; i < c->n && c->p[i].at_ns <= t_ns; i++) {
		const struct pwl_point *p = &c->p[i];
		int64_t into = t_ns - p->at_ns;
		if (into < p->ramp_ns)
			return level + (p->level - level) * ((double)into / (double)p->ramp_ns);
		level = p->level;
	}
	return level;
}

double
conv_inductor_a(const struct conv_params *c, double v_in_v, double out_a)
{
	return out_a * c->v_ref_v / fmin(c->v_ref_v, v_in_v);
}

double
conv_input_w(const struct conv_params *c, double v_in_v, double out_a)
{
	double i = conv_inductor_a(c, v_in_v, out_a), v_sw = fmax(v_in_v, c->v_ref_v);
	double switching_a = c->f_sw_hz * (c->k_sw_s * fabs(i) + 0.5 * c->c_oss_f * v_sw);
	return c->v_ref_v * out_a + c->r_ohm * i * i + c->p_fixed_w + switching_a * v_in_v;
}

double
conv_full_loss_w(const struct conv_params *p)
{
	const double i = p->i_lim_a, f = p->f_sw_hz, v = THERMAL_FEED_V;

	return p->p_fixed_w + (p->k_sw_s * f * i + 0.5 * p->c_oss_f * f * v) * v + p->r_ohm * i * i;
}

double
store_target_v(const struct store_params *o)
{
	double min2 = o->v_min_v * o->v_min_v;
	return sqrt(min2 + o->target * (o->v_max_v * o->v_max_v - min2));
}

/* Class cpu: values of the module table for typical silicon. */
static const struct {
	double v_nom_v, f_nom_hz, ceff_f, p_leak_w, kv_per_v, kt_per_k, p_fixed_w, r_pdn_ohm,
		rth_k_per_w;
	double a0_w, a1_v, a2_ohm; /* converter loss */
} cpu = {
	.v_nom_v = 1.0,
	.f_nom_hz = 3.5e9,
	.ceff_f = 3e-8,
	.p_leak_w = 20,
	.kv_per_v = 2.5,
	.kt_per_k = 0.02,
	.p_fixed_w = 6,
	.r_pdn_ohm = 1.5e-4,
	.rth_k_per_w = 0.28,
	.a0_w = 0.8,
	.a1_v = 0.03,
	.a2_ohm = 1e-4,
};

static double
cpu_peak_w(double v_rail)
{
	const double t_amb = 35, t_ref = 60; /* degC */
	const int rounds = 60;               /* the fixed point contracts by about 0.1 per round */
	double p = 0;
	if (isnan(v_rail))
		v_rail = cpu.v_nom_v;
	for (int i = 0; i < rounds; i++) {
		double ve = v_rail - cpu.r_pdn_ohm * p / v_rail;
		double temp = t_amb + cpu.rth_k_per_w * p;
		double leak =
			cpu.p_leak_w * (ve / cpu.v_nom_v) *
			exp(cpu.kv_per_v * (ve - cpu.v_nom_v) + cpu.kt_per_k * (temp - t_ref));
		p = cpu.ceff_f * ve * ve * cpu.f_nom_hz + leak + cpu.p_fixed_w;
	}
	double i = p / v_rail;
	return p + cpu.a0_w + cpu.a1_v * i + cpu.a2_ohm * i * i;
}

double
module_peak_w(const struct module_params *m, double v_nom_v)
{
	if (m->class == MODULE_CPU)
		return cpu_peak_w(m->v_ref_v);
	if (m->class == MODULE_RESISTIVE)
		return v_nom_v * v_nom_v / m->r_load_ohm;
	return pwl_peak(&m->load_w);
}
