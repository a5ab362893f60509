#include "module_input.h"

#include <assert.h>

#define NEWTON_TOL_V 1e-8
#define NEWTON_MAX 40
#define SLOPE_FLOOR 0.05

void
module_input_init(struct module_input *m, const struct module_params *p, size_t n_ports,
                  double dt_s, double v_v)
{
	assert(n_ports <= TOPO_FEEDS_MAX && p->c_in_f > 0 && p->r_port_ohm > 0 && dt_s > 0 &&
	       p->v_uv_v > 0);
	*m = (struct module_input){ .c_in_f = p->c_in_f,
		                    .g_port_s = 1 / p->r_port_ohm,
		                    .dt_s = dt_s,
		                    .c2_s = 2 * p->c_in_f / dt_s,
		                    .uv_v = p->v_uv_v,
		                    .v_v = v_v,
		                    .n = n_ports };
}

double
module_input_stored_j(const struct module_input *m)
{
	return 0.5 * m->c_in_f * m->v_v * m->v_v;
}

/* Current of input j at v; adds its slope. */
static inline double
port_current(const struct module_input *m, const struct module_port *p, double v, double *slope)
{
	double i = (p->v_v - v) * m->g_port_s;

	if (!p->on || i <= 0)
		return 0;
	if (i >= p->i_max_a)
		return p->i_max_a;
	*slope += m->g_port_s;
	return i;
}

static double
module_input_solve(const struct module_input *m, double p_w, double g_s)
{
	const double c2 = m->c2_s, floor_s = SLOPE_FLOOR * c2;
	double x = m->v_v;

	for (int it = 0; it < NEWTON_MAX; it++) {
		double slope = c2 + g_s, f = c2 * (x - m->v_v) + g_s * x;
		for (size_t j = 0; j < m->n; j++)
			f -= port_current(m, &m->port[j], x, &slope);
		if (x >= m->uv_v) {
			double q = 1 / x;
			f += p_w * q;
			slope -= p_w * q * q;
		} else {
			const double p_s = p_w / (m->uv_v * m->uv_v);
			f += p_s * x;
			slope += p_s;
		}
		if (slope < floor_s)
			slope = floor_s;
		double dx = f / slope;
		x -= dx;
		if (dx < NEWTON_TOL_V && dx > -NEWTON_TOL_V)
			return x;
	}
	assert(!"the input solver did not converge");
	return x;
}

double
module_input_step(struct module_input *m, double p_w, double g_s, double *p_j, double *g_j)
{
	const double x = module_input_solve(m, p_w, g_s), dt = m->dt_s;
	double slope = 0;

	for (size_t j = 0; j < m->n; j++) {
		struct module_port *p = &m->port[j];
		double i = port_current(m, p, x, &slope), e = p->v_v * i * dt;
		p->i_sum_a += i;
		p->period_j += e;
		p->taken_j += e;
		m->loss_j += (p->v_v - x) * i * dt;
	}
	m->v_v = 2 * x - m->v_v;
	*p_j = (x >= m->uv_v ? p_w : p_w * x * x / (m->uv_v * m->uv_v)) * dt;
	*g_j = g_s * x * x * dt;
	return x;
}
