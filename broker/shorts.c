#include "shorts.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "skyline.h"

/* Below this voltage constant power is a conductance, and the fast element of a fuse acts. */
#define V_UV 36.0
/* The first milliseconds, in which capacitors discharge, in short steps; then long ones. */
#define EARLY_S 4e-3
#define EARLY_DT_MAX 4e-6
#define EARLY_DT_MIN 0.5e-6
#define LATE_DT 40e-6

struct shorts {
	const struct topo *t;
	struct steady *steady; /* before the fault */
	struct loadflow *flow; /* with the fault, at rest */
	struct skyline *m;
	double *v, *ic, *feed_a, *sc_hist, *sc_a, *rhs; /* per node */
	double *link_a, *link_hist, *heat;              /* per link */
	bool *open;
	double *port_w; /* per node: what its ports draw */
	double dt, g_fault;
	uint32_t node;
};

/* ---- companion models ------------------------------------------------------------------------ */

static double
link_g(const struct shorts *s, size_t i)
{
	const struct link_params *p = &s->t->links[i].p;
	return s->open[i] ? 0 : 1 / (p->r_ohm + 2 * p->l_eff_h / s->dt);
}

static double
supercap_g(const struct shorts *s, const struct node_params *p)
{
	return p->has_sc ? 1 / (p->r_sc_ohm + s->dt / (2 * p->c_sc_f)) : 0;
}

static void
shorts_factor(struct shorts *s)
{
	const struct topo *t = s->t;
	skyline_clear(s->m);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		skyline_add(s->m, i, i,
		            2 * p->c_bus_f / s->dt + supercap_g(s, p) +
		                    (i == s->node ? s->g_fault : 0));
	}
	for (uint32_t i = 0; i < t->n_links; i++) {
		double g = link_g(s, i);
		skyline_add(s->m, t->links[i].a, t->links[i].a, g);
		skyline_add(s->m, t->links[i].b, t->links[i].b, g);
		skyline_add(s->m, t->links[i].a, t->links[i].b, -g);
	}
	bool ok = skyline_factor(s->m);
	assert(ok); /* conductances and capacitors only */
	(void)ok;
}

static double
load_a(double p_w, double v)
{
	return v >= V_UV ? p_w / v : p_w * v / (V_UV * V_UV);
}

/* Moves the feed of a node on by dt; its current. */
static double
feed_next(struct shorts *s, size_t i)
{
	const struct feed_params *f = &s->t->nodes[i].p.feed;
	double target = (s->steady->flow->v_set_v[i] - s->v[i]) / f->r_d_ohm;
	target = fmin(fmax(target, 0), f->i_max_a);
	/* One step behind, a stiff feed without lag would swing up against the capacitor. */
	double stiff_s = 10 * s->dt * s->dt / (f->r_d_ohm * s->t->nodes[i].p.c_bus_f);
	double tau_s = fmax(f->tau_s, stiff_s);
	s->feed_a[i] += (target - s->feed_a[i]) * -expm1(-s->dt / tau_s);
	return s->feed_a[i];
}

static void
shorts_step(struct shorts *s)
{
	const struct topo *t = s->t;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		s->rhs[i] = 2 * p->c_bus_f / s->dt * s->v[i] + s->ic[i] -
		            load_a(s->steady->flow->load_w[i], s->v[i]);
		if (s->v[i] >= V_UV)
			s->rhs[i] -= s->port_w[i] / s->v[i];
		if (p->has_feed)
			s->rhs[i] += feed_next(s, i);
		s->sc_hist[i] += p->has_sc ? s->dt / (2 * p->c_sc_f) * s->sc_a[i] : 0;
		s->rhs[i] += supercap_g(s, p) * s->sc_hist[i];
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		s->link_hist[i] =
			link_g(s, i) * (s->v[k->a] - s->v[k->b] +
		                        (2 * k->p.l_eff_h / s->dt - k->p.r_ohm) * s->link_a[i]);
		s->rhs[k->a] -= s->link_hist[i];
		s->rhs[k->b] += s->link_hist[i];
	}
	skyline_solve(s->m, s->rhs);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		double v = s->rhs[i];
		s->ic[i] = 2 * p->c_bus_f / s->dt * (v - s->v[i]) - s->ic[i];
		/* sc_hist becomes the voltage inside: half a step was added before. */
		s->sc_a[i] = supercap_g(s, p) * (v - s->sc_hist[i]);
		s->sc_hist[i] += p->has_sc ? s->dt / (2 * p->c_sc_f) * s->sc_a[i] : 0;
		s->v[i] = v;
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		s->link_a[i] = s->link_hist[i] + link_g(s, i) * (s->v[k->a] - s->v[k->b]);
	}
}

/* ---- fuses and results ----------------------------------------------------------------------- */

static enum shorts_trip
fuse_trips(struct shorts *s, size_t i)
{
	const struct topo_link *k = &s->t->links[i];
	double a = s->link_a[i], rated = k->p.fuse_a;
	if (!(rated > 0) || s->open[i])
		return SHORTS_HOLDS;
	s->heat[i] = fmax(0, s->heat[i] + (a * a - rated * rated) * s->dt);
	if (fabs(a) > rated && s->v[a > 0 ? k->b : k->a] < V_UV)
		return SHORTS_FAST;
	return k->p.fuse_i2t_a2s > 0 && s->heat[i] >= k->p.fuse_i2t_a2s ? SHORTS_I2T : SHORTS_HOLDS;
}

static void
link_open(struct shorts *s, size_t i)
{
	const struct topo_link *k = &s->t->links[i];
	/* What flowed through the cable now flows into, or out of, the capacitors at its ends. */
	s->ic[k->a] += s->link_a[i];
	s->ic[k->b] -= s->link_a[i];
	s->link_a[i] = 0;
	s->open[i] = true;
}

static void
shorts_look(struct shorts *s, double at_s, bool fuses, struct shorts_result *r)
{
	const struct topo *t = s->t;
	double into = 0, fault = s->g_fault * s->v[s->node];
	bool opened = false;
	for (size_t i = 0; i < t->n_links; i++) {
		struct shorts_link *l = &r->links[i];
		double a = s->link_a[i];
		into += t->links[i].b == s->node ? a : 0;
		into -= t->links[i].a == s->node ? a : 0;
		l->i2t_a2s += a * a * s->dt;
		if (fabs(a) > l->peak_a) {
			l->peak_a = fabs(a);
			l->peak_at_s = at_s;
		}
		if (!fuses)
			continue;
		enum shorts_trip trip = fuse_trips(s, i);
		if (trip == SHORTS_HOLDS)
			continue;
		l->trip = trip;
		l->trip_s = at_s;
		l->trip_a = a;
		link_open(s, i);
		opened = true;
	}
	r->fault_i2t_a2s += fault * fault * s->dt;
	if (into > r->links_peak_a) {
		r->links_peak_a = into;
		r->links_peak_s = at_s;
	}
	if (opened)
		shorts_factor(s);
}

static void
shorts_begin(struct shorts *s, uint32_t node, double r_ohm)
{
	const struct topo *t = s->t;
	const struct loadflow *l = s->steady->flow;
	s->node = node;
	s->g_fault = 1 / r_ohm;
	for (size_t i = 0; i < t->n_nodes; i++) {
		bool live = loadflow_node_live(l, i);
		s->v[i] = live ? l->v_v[i] : 0;
		s->ic[i] = s->sc_a[i] = 0;
		s->feed_a[i] = l->feed_a[i];
		s->sc_hist[i] = t->nodes[i].p.has_sc ? s->v[i] : 0;
		s->port_w[i] = 0;
	}
	/* The capacitor takes up the fault's current at once. */
	s->ic[node] = -s->g_fault * s->v[node];
	for (size_t i = 0; i < t->n_links; i++) {
		s->open[i] = !loadflow_link_live(l, i) || !loadflow_node_live(l, t->links[i].a);
		s->link_a[i] = l->link_a[i];
		s->heat[i] = 0;
	}
	for (size_t i = 0; i < t->n_ports; i++)
		s->port_w[t->ports[i].node] += l->port_a[i] * s->v[t->ports[i].node];
}

void
shorts_run(struct shorts *s, uint32_t node, double r_ohm, bool fuses, struct shorts_result *r)
{
	const struct topo *t = s->t;
	struct shorts_link *links = r->links;
	memset(links, 0, t->n_links * sizeof *links);
	shorts_begin(s, node, r_ohm);
	*r = (struct shorts_result){ .links = links,
		                     .v_min_v = INFINITY,
		                     .fault_peak_a = s->g_fault * s->v[node] };
	double tau = r_ohm * t->nodes[node].p.c_bus_f, at_s = 0;
	s->dt = fmin(EARLY_DT_MAX, fmax(EARLY_DT_MIN, tau / 10));
	shorts_factor(s);
	for (size_t n = (size_t)(EARLY_S / s->dt + 0.5); n > 0; n--) {
		at_s += s->dt;
		shorts_step(s);
		shorts_look(s, at_s, fuses, r);
	}
	s->dt = LATE_DT;
	shorts_factor(s);
	while (at_s < SHORTS_WINDOW_S) {
		at_s += s->dt;
		shorts_step(s);
		shorts_look(s, at_s, fuses, r);
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		if (i != node && loadflow_node_live(s->steady->flow, i))
			r->v_min_v = fmin(r->v_min_v, s->v[i]);
}

double
shorts_at_rest(struct shorts *s, uint32_t node, double r_ohm, size_t *feeds_at_limit)
{
	const struct topo *t = s->t;
	struct loadflow *l = s->flow;
	struct loadflow_verdict w;
	loadflow_reset(l);
	for (size_t i = 0; i < t->n_nodes; i++)
		l->v_set_v[i] = s->steady->flow->v_set_v[i];
	l->fault_g_s[node] = 1 / r_ohm;
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	*feeds_at_limit = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed && l->feed_a[i] >= t->nodes[i].p.feed.i_max_a)
			++*feeds_at_limit;
	if (!loadflow_node_live(l, node))
		return 0;
	return l->solved ? l->v_v[node] / r_ohm : NAN;
}

const struct steady *
shorts_before(const struct shorts *s)
{
	return s->steady;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
shorts_alloc(struct shorts *s, struct err *err)
{
	const struct topo *t = s->t;
	size_t n = t->n_nodes + 1, k = t->n_links + 1;
	uint32_t(*edges)[2] = calloc(k, sizeof *edges);
	s->v = calloc(7 * n, sizeof *s->v);
	s->link_a = calloc(3 * k, sizeof *s->link_a);
	s->open = calloc(k, sizeof *s->open);
	int rc = edges && s->v && s->link_a && s->open ? 0 : ERR_NOMEM;
	if (!rc) {
		s->ic = s->v + n;
		s->feed_a = s->ic + n;
		s->sc_hist = s->feed_a + n;
		s->sc_a = s->sc_hist + n;
		s->rhs = s->sc_a + n;
		s->port_w = s->rhs + n;
		s->link_hist = s->link_a + k;
		s->heat = s->link_hist + k;
		for (size_t i = 0; i < t->n_links; i++) {
			edges[i][0] = t->links[i].a;
			edges[i][1] = t->links[i].b;
		}
		rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &s->m, NULL);
	}
	free(edges);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

int
shorts_create(const struct topo *t, struct shorts **ret, struct err *err)
{
	struct loadflow_verdict w;
	char text[160];
	struct shorts *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "out of memory");
	s->t = t;
	int rc = shorts_alloc(s, err);
	if (!rc)
		rc = steady_create(t, &s->steady, err);
	if (!rc)
		rc = loadflow_create(t, &s->flow, err);
	if (!rc) {
		steady_solve(s->steady, LOADFLOW_BASE, 0, &w);
		if (!s->steady->solved)
			rc = err_set(err, ERR_INPUT, "%s: no state before the fault: %s", t->name,
			             loadflow_text(s->steady->flow, &w, text, sizeof text));
	}
	if (rc) {
		shorts_destroy(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void
shorts_destroy(struct shorts **ps)
{
	struct shorts *s = *ps;
	if (!s)
		return;
	*ps = NULL;
	steady_destroy(&s->steady);
	loadflow_destroy(&s->flow);
	skyline_destroy(&s->m);
	free(s->v);
	free(s->link_a);
	free(s->open);
	free(s);
}
