#include "loadflow.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "skyline.h"
#include "topo_rules.h"

static const double v_uv = 36; /* V: below it a constant-power load behaves like a resistor */

struct loadflow_matrix {
	struct skyline *s;
	double *f, *step;
	bool *live; /* per node: a feed reaches it */
};

/* One module on its live inputs: input voltage, currents and their derivatives. */
struct oring {
	size_t n; /* live inputs */
	uint32_t node[TOPO_FEEDS_MAX], port[TOPO_FEEDS_MAX];
	double u, i[TOPO_FEEDS_MAX], didv[TOPO_FEEDS_MAX][TOPO_FEEDS_MAX];
};

static void
oring_solve(const struct topo_module *m, double power, const double *v, struct oring *o)
{
	double r = m->p.r_port_ohm;
	size_t hi = o->n == 2 && v[o->node[1]] > v[o->node[0]];
	double v1 = v[o->node[hi]], v2 = o->n == 2 ? v[o->node[1 - hi]] : -INFINITY;
	double g = m->p.class == MODULE_RESISTIVE ? 1 / m->p.r_load_ohm : power / (v_uv * v_uv);
	bool both = false, constant = m->p.class != MODULE_RESISTIVE;
	/* Constant power: the higher root of n u^2 - (sum V) u + r P = 0; without one, or below
	 * V_uv, a resistor. */
	double disc = v1 * v1 - 4 * r * power;
	double u = disc >= 0 ? (v1 + sqrt(disc)) / 2 : 0;
	if (constant && u < v2) {
		both = true;
		disc = (v1 + v2) * (v1 + v2) - 8 * r * power;
		u = disc >= 0 ? (v1 + v2 + sqrt(disc)) / 4 : 0;
	}
	if (!constant || u < v_uv) {
		constant = both = false;
		u = v1 / (1 + r * g);
		if (u < v2) {
			both = true;
			u = (v1 + v2) / (2 + r * g);
		}
	}
	double n = both ? 2 : 1, slope = constant ? -power / (u * u) : g,
	       dudv = 1 / (n + r * slope);
	o->u = u;
	memset(o->i, 0, sizeof o->i);
	memset(o->didv, 0, sizeof o->didv);
	for (size_t j = 0; j < o->n; j++) {
		if (!both && j != hi)
			continue;
		o->i[j] = (v[o->node[j]] - u) / r;
		for (size_t k = 0; k < o->n; k++)
			if (both || k == hi)
				o->didv[j][k] = ((j == k) - dudv) / r;
	}
}

static void
oring_inputs(const struct loadflow *l, const struct topo_module *m, struct oring *o)
{
	o->n = 0;
	for (size_t j = 0; j < m->n_feeds; j++)
		if (l->m->live[m->feeds[j]]) {
			o->node[o->n] = m->feeds[j];
			o->port[o->n++] = m->ports[j];
		}
}

/* ---- which nodes take part ------------------------------------------------------------------- */

static bool
link_closed(const struct loadflow *l, size_t i)
{
	const struct topo_link *k = &l->topo->links[i];
	if (k->p.open || (l->fault == LOADFLOW_LINK && l->index == i))
		return false;
	return l->fault != LOADFLOW_NODE || (k->a != l->index && k->b != l->index);
}

bool
loadflow_link_live(const struct loadflow *l, size_t i)
{
	/* A converter holds its power, not a voltage: the rest has to stand without it. */
	return !l->topo->links[i].has_conv && link_closed(l, i);
}

bool
loadflow_feed_live(const struct loadflow *l, size_t node)
{
	return l->topo->nodes[node].p.has_feed &&
	       !((l->fault == LOADFLOW_NODE || l->fault == LOADFLOW_FEED) && l->index == node);
}

bool
loadflow_node_live(const struct loadflow *l, size_t node)
{
	return l->m->live[node];
}

static void
find_live(struct loadflow *l)
{
	const struct topo *t = l->topo;
	bool *live = l->m->live;
	for (size_t i = 0; i < t->n_nodes; i++)
		live[i] = loadflow_feed_live(l, i);
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < t->n_links; i++) {
			const struct topo_link *k = &t->links[i];
			if (live[k->a] == live[k->b] || !loadflow_link_live(l, i))
				continue;
			live[k->a] = live[k->b] = more = true;
		}
	}
}

/* ---- equations ------------------------------------------------------------------------------- */

static double
feed_current(const struct feed_params *f, double v_set, double v, double *slope)
{
	double i = (v_set - v) / f->r_d_ohm;
	*slope = 0;
	if (i < 0)
		return 0;
	if (i >= f->i_max_a)
		return f->i_max_a;
	*slope = -1 / f->r_d_ohm;
	return i;
}

static double
load_current(double p, double v, double *slope)
{
	bool low = v < v_uv;
	*slope = low ? p / (v_uv * v_uv) : -p / (v * v);
	return low ? p * v / (v_uv * v_uv) : p / v;
}

static uint32_t
conv_far(const struct topo_link *k)
{
	return k->conv.node == k->a ? k->b : k->a;
}

static struct link_conv_state
conv_at(const struct loadflow *l, size_t i, double in_v, double far_v)
{
	const struct topo_link *k = &l->topo->links[i];
	double into_w = k->conv.node == k->a ? l->conv_w[i] : -l->conv_w[i];
	bool closed = link_closed(l, i) && l->m->live[conv_far(k)];
	return link_conv_at(&k->conv.conv, &k->p, into_w, closed, in_v, far_v);
}

/* What each side sees; slopes by differences, each side's against its own voltage. */
static void
assemble_conv(struct loadflow *l, size_t i, const double *v)
{
	const double h = 1e-6; /* V */
	const struct topo_link *k = &l->topo->links[i];
	struct loadflow_matrix *m = l->m;
	uint32_t n = k->conv.node, far = conv_far(k);
	if (!m->live[n])
		return;
	struct link_conv_state s = conv_at(l, i, v[n], v[far]);
	struct link_conv_state dn = conv_at(l, i, v[n] + h, v[far]);
	m->f[n] += s.in_w / v[n];
	skyline_add(m->s, n, n, (dn.in_w / (v[n] + h) - s.in_w / v[n]) / h);
	if (!m->live[far])
		return;
	struct link_conv_state df = conv_at(l, i, v[n], v[far] + h);
	m->f[far] -= s.link_a;
	skyline_add(m->s, far, far, (s.link_a - df.link_a) / h);
}

/* f = current that leaves each bus and does not come from anywhere, s = its derivative. */
static void
assemble(struct loadflow *l, const double *v)
{
	const struct topo *t = l->topo;
	struct loadflow_matrix *m = l->m;
	double slope;
	skyline_clear(m->s);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		m->f[i] = 0;
		if (!m->live[i]) {
			skyline_add(m->s, i, i, 1);
			continue;
		}
		m->f[i] = load_current(l->load_w[i], v[i], &slope) + l->fault_g_s[i] * v[i];
		double g = slope + l->fault_g_s[i];
		if (loadflow_feed_live(l, i)) {
			m->f[i] -= feed_current(&t->nodes[i].p.feed, l->v_set_v[i], v[i], &slope);
			g -= slope;
		}
		skyline_add(m->s, i, i, g);
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		if (k->has_conv)
			assemble_conv(l, i, v);
		if (!loadflow_link_live(l, i) || !m->live[k->a])
			continue;
		double g = 1 / k->p.r_ohm, i_a = g * (v[k->a] - v[k->b]);
		m->f[k->a] += i_a;
		m->f[k->b] -= i_a;
		skyline_add(m->s, k->a, k->a, g);
		skyline_add(m->s, k->b, k->b, g);
		skyline_add(m->s, k->a, k->b, -g);
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		struct oring o;
		oring_inputs(l, &t->modules[i], &o);
		if (!o.n)
			continue;
		oring_solve(&t->modules[i], l->module_w[i], v, &o);
		for (size_t j = 0; j < o.n; j++) {
			m->f[o.node[j]] += o.i[j];
			skyline_add(m->s, o.node[j], o.node[j], o.didv[j][j]);
		}
		if (o.n == 2)
			skyline_add(m->s, o.node[0], o.node[1], o.didv[0][1]);
	}
}

static double
largest(const double *x, size_t n)
{
	double max = 0;
	for (size_t i = 0; i < n; i++)
		max = fabs(x[i]) > max || isnan(x[i]) ? fabs(x[i]) : max;
	return max;
}

/* Start: every island at the voltage of its highest feed. */
static void
unloaded(struct loadflow *l)
{
	const struct topo *t = l->topo;
	double *v = l->v_v;
	for (size_t i = 0; i < t->n_nodes; i++)
		v[i] = loadflow_feed_live(l, i) ? l->v_set_v[i] : 0;
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < t->n_links; i++) {
			const struct topo_link *k = &t->links[i];
			if (v[k->a] == v[k->b] || !loadflow_link_live(l, i))
				continue;
			v[k->a] = v[k->b] = v[k->a] > v[k->b] ? v[k->a] : v[k->b];
			more = true;
		}
	}
}

/*
 * Follows C dv/dt = -f with linearly implicit steps that grow as the residual shrinks: from an
 * unloaded mesh to the operating point in which the real one would settle, at the end by Newton.
 */
static bool
settle(struct loadflow *l)
{
	enum { STEPS_MAX = 500 };
	const double c_f = 20e-3, first_s = 1e-3, tol_a = 1e-8, move_max_v = 2, gone_s = 1e-12,
		     far_s = 1e9;
	const struct topo *t = l->topo;
	struct loadflow_matrix *m = l->m;
	double h = first_s, before = INFINITY;
	unloaded(l);
	for (int step = 0; step < STEPS_MAX && h > gone_s; step++) {
		assemble(l, l->v_v);
		double f = largest(m->f, t->n_nodes);
		if (f < tol_a)
			return skyline_factor(m->s);
		if (f > 2 * before)
			h /= 16;
		before = f;
		for (uint32_t i = 0; i < t->n_nodes; i++)
			if (m->live[i])
				skyline_add(m->s, i, i, c_f / h);
		bool ok = skyline_factor(m->s);
		if (ok) {
			for (size_t i = 0; i < t->n_nodes; i++)
				m->step[i] = -m->f[i];
			skyline_solve(m->s, m->step);
			ok = largest(m->step, t->n_nodes) <= move_max_v;
		}
		if (!ok) {
			h /= 4;
			continue;
		}
		for (size_t i = 0; i < t->n_nodes; i++)
			l->v_v[i] += m->step[i];
		h = h < far_s ? h * 4 : h;
	}
	return false;
}

/* ---- solving --------------------------------------------------------------------------------- */

static void
fill_currents(struct loadflow *l)
{
	const struct topo *t = l->topo;
	double slope;
	for (size_t i = 0; i < t->n_nodes; i++)
		l->feed_a[i] = loadflow_feed_live(l, i)
		                       ? feed_current(&t->nodes[i].p.feed, l->v_set_v[i], l->v_v[i], &slope)
		                       : 0;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		bool live = loadflow_link_live(l, i) && l->m->live[k->a];
		l->link_a[i] = live ? (l->v_v[k->a] - l->v_v[k->b]) / k->p.r_ohm : 0;
		l->conv[i] = (struct link_conv_state){ 0 };
		if (!k->has_conv || !l->m->live[k->conv.node])
			continue;
		l->conv[i] = conv_at(l, i, l->v_v[k->conv.node], l->v_v[conv_far(k)]);
		l->link_a[i] = k->conv.node == k->a ? l->conv[i].link_a : -l->conv[i].link_a;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		struct oring o;
		oring_inputs(l, &t->modules[i], &o);
		for (size_t j = 0; j < t->modules[i].n_feeds; j++)
			l->port_a[t->modules[i].ports[j]] = 0;
		l->module_v[i] = NAN;
		if (!o.n)
			continue;
		oring_solve(&t->modules[i], l->module_w[i], l->v_v, &o);
		l->module_v[i] = o.u;
		for (size_t j = 0; j < o.n; j++)
			l->port_a[o.port[j]] = o.i[j];
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		if (!l->m->live[i])
			l->v_v[i] = NAN;
}

void
loadflow_solve(struct loadflow *l, enum loadflow_fault fault, uint32_t index,
               struct loadflow_verdict *w)
{
	l->fault = fault;
	l->index = index;
	find_live(l);
	l->solved = settle(l);
	fill_currents(l);
	loadflow_judge(l, w);
	/* Where most current finds no balance. */
	for (size_t i = 0; w->problem == LOADFLOW_NO_SOLUTION && i < l->topo->n_nodes; i++)
		if (l->m->live[i] && !(fabs(l->m->f[i]) <= fabs(l->m->f[w->at])))
			w->at = (uint32_t)i;
}

void
loadflow_respond(struct loadflow *l, uint32_t node, double *dv)
{
	assert(l->solved);
	memset(dv, 0, l->topo->n_nodes * sizeof *dv);
	dv[node] = 1;
	skyline_solve(l->m->s, dv);
}

void
loadflow_reset(struct loadflow *l)
{
	for (size_t i = 0; i < l->topo->n_nodes; i++) {
		l->v_set_v[i] = l->topo->nodes[i].p.feed.v0_v;
		l->fault_g_s[i] = 0;
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
make_matrix(struct loadflow *l, struct err *err)
{
	const struct topo *t = l->topo;
	size_t n_edges = 0;
	uint32_t(*edges)[2] = calloc(t->n_links + t->n_modules + 1, sizeof *edges);
	if (!edges)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < t->n_links; i++, n_edges++) {
		edges[n_edges][0] = t->links[i].a;
		edges[n_edges][1] = t->links[i].b;
	}
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->modules[i].n_feeds == 2) {
			edges[n_edges][0] = t->modules[i].feeds[0];
			edges[n_edges++][1] = t->modules[i].feeds[1];
		}
	int rc = skyline_create((uint32_t)t->n_nodes, edges, n_edges, &l->m->s, err);
	free(edges);
	return rc;
}

/* The level of the largest magnitude; of equal ones the first. */
static double
farthest(const struct pwl *p)
{
	double level = 0;
	for (size_t i = 0; i < p->n; i++)
		level = fabs(p->p[i].level) > fabs(level) ? p->p[i].level : level;
	return level;
}

int
loadflow_create(const struct topo *t, struct loadflow **ret, struct err *err)
{
	struct loadflow *l = calloc(1, sizeof *l);
	if (!l)
		return err_set(err, ERR_NOMEM, "out of memory");
	l->topo = t;
	l->v_v = calloc(t->n_nodes + 1, sizeof(double));
	l->feed_a = calloc(t->n_nodes + 1, sizeof(double));
	l->load_w = calloc(t->n_nodes + 1, sizeof(double));
	l->v_set_v = calloc(t->n_nodes + 1, sizeof(double));
	l->fault_g_s = calloc(t->n_nodes + 1, sizeof(double));
	l->link_a = calloc(t->n_links + 1, sizeof(double));
	l->conv = calloc(t->n_links + 1, sizeof *l->conv);
	l->conv_w = calloc(t->n_links + 1, sizeof(double));
	l->port_a = calloc(t->n_ports + 1, sizeof(double));
	l->module_v = calloc(t->n_modules + 1, sizeof(double));
	l->module_w = calloc(t->n_modules + 1, sizeof(double));
	l->m = calloc(1, sizeof *l->m);
	if (l->m) {
		l->m->f = calloc(t->n_nodes + 1, sizeof(double));
		l->m->step = calloc(t->n_nodes + 1, sizeof(double));
		l->m->live = calloc(t->n_nodes + 1, sizeof(bool));
	}
	bool ok = l->v_v && l->feed_a && l->v_set_v && l->fault_g_s && l->load_w && l->link_a && l->conv && l->conv_w && l->port_a && l->module_v &&
	          l->module_w && l->m && l->m->f && l->m->step && l->m->live;
	int rc = ok ? make_matrix(l, err) : err_set(err, ERR_NOMEM, "out of memory");
	if (rc) {
		loadflow_destroy(&l);
		return rc;
	}
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		l->load_w[i] = pwl_peak(&p->load_w);
		if (p->has_conv)
			l->load_w[i] +=
				conv_input_w(&p->conv, t->nominal_v, pwl_peak(&p->conv.load_a));
		if (p->has_store)
			l->load_w[i] += conv_input_w(&p->store.conv, t->nominal_v, 0);
	}
	for (size_t i = 0; i < t->n_links; i++)
		l->conv_w[i] = t->links[i].has_conv ? farthest(&t->links[i].conv.power_w) : 0;
	for (size_t i = 0; i < t->n_modules; i++)
		l->module_w[i] = module_peak_w(&t->modules[i].p, t->nominal_v);
	loadflow_reset(l);
	*ret = l;
	return 0;
}

void
loadflow_destroy(struct loadflow **lp)
{
	struct loadflow *l = *lp;
	if (!l)
		return;
	if (l->m) {
		skyline_destroy(&l->m->s);
		free(l->m->f);
		free(l->m->step);
		free(l->m->live);
	}
	free(l->m);
	free(l->v_v);
	free(l->feed_a);
	free(l->load_w);
	free(l->v_set_v);
	free(l->fault_g_s);
	free(l->link_a);
	free(l->conv);
	free(l->conv_w);
	free(l->port_a);
	free(l->module_v);
	free(l->module_w);
	free(l);
	*lp = NULL;
}
