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
/* The loops over a converter's voltages act a step behind. */
#define LATE_DT_CONV 10e-6

struct shorts {
	const struct topo *t;
	struct steady *steady; /* before the fault */
	struct loadflow *flow; /* with the fault, at rest */
	struct skyline *m;
	size_t n;                          /* unknowns: nodes, then outputs of links' converters */
	double *v, *ic, *rhs;              /* per unknown */
	double *feed_a, *sc_hist, *sc_a;   /* per node */
	double *link_a, *link_hist, *heat; /* per link */
	uint32_t (*ends)[2];               /* per link: unknowns at a and b */
	bool *open;
	struct shorts_conv *convs;
	size_t n_convs;
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

/* Unknown of the output of a link's converter. */
static uint32_t
conv_out(const struct shorts *s, size_t i)
{
	return (uint32_t)(s->t->n_nodes + i);
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
		skyline_add(s->m, s->ends[i][0], s->ends[i][0], g);
		skyline_add(s->m, s->ends[i][1], s->ends[i][1], g);
		skyline_add(s->m, s->ends[i][0], s->ends[i][1], -g);
	}
	for (size_t i = 0; i < s->n - t->n_nodes; i++)
		skyline_add(s->m, conv_out(s, i), conv_out(s, i),
		            2 * s->convs[i].p->c_out_f / s->dt);
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

/* Out of the bus into what is at the node, without links and converters. */
static double
drawn_a(const struct shorts *s, size_t i)
{
	double a = load_a(s->steady->flow->load_w[i], s->v[i]);
	return s->v[i] >= V_UV ? a + s->port_w[i] / s->v[i] : a;
}

static void
convs_step(struct shorts *s)
{
	for (size_t i = 0; i < s->n_convs; i++) {
		struct shorts_conv *c = &s->convs[i];
		uint32_t n = c->bus, out = conv_out(s, i);
		if (c->store) {
			shorts_conv_step(c, s->dt, s->v[n], 0, drawn_a(s, n) * s->v[n]);
		} else {
			c->closed = !s->open[c->link];
			shorts_conv_step(c, s->dt, s->v[n], s->v[out], 0);
			s->rhs[out] = 2 * c->p->c_out_f / s->dt * s->v[out] + s->ic[out] + c->out_a;
		}
		s->rhs[n] -= c->in_a;
	}
}

/* Voltages and currents after the step from its solution. */
static void
shorts_take(struct shorts *s)
{
	const struct topo *t = s->t;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		double v = s->rhs[i];
		s->ic[i] = 2 * p->c_bus_f / s->dt * (v - s->v[i]) - s->ic[i];
		/* sc_hist becomes the voltage inside: half a step was added before. */
		s->sc_a[i] = supercap_g(s, p) * (v - s->sc_hist[i]);
		s->sc_hist[i] += p->has_sc ? s->dt / (2 * p->c_sc_f) * s->sc_a[i] : 0;
		s->v[i] = v;
	}
	for (size_t i = 0; i < s->n - t->n_nodes; i++) {
		uint32_t out = conv_out(s, i);
		double v = s->rhs[out];
		s->ic[out] = 2 * s->convs[i].p->c_out_f / s->dt * (v - s->v[out]) - s->ic[out];
		s->v[out] = v;
	}
	for (size_t i = 0; i < t->n_links; i++) {
		s->link_a[i] = s->link_hist[i] +
		               link_g(s, i) * (s->v[s->ends[i][0]] - s->v[s->ends[i][1]]);
	}
}

static void
shorts_step(struct shorts *s)
{
	const struct topo *t = s->t;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		s->rhs[i] = 2 * p->c_bus_f / s->dt * s->v[i] + s->ic[i] - drawn_a(s, i);
		if (p->has_feed)
			s->rhs[i] += feed_next(s, i);
		s->sc_hist[i] += p->has_sc ? s->dt / (2 * p->c_sc_f) * s->sc_a[i] : 0;
		s->rhs[i] += supercap_g(s, p) * s->sc_hist[i];
	}
	convs_step(s);
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		const uint32_t a = s->ends[i][0], b = s->ends[i][1];
		s->link_hist[i] =
			link_g(s, i) * (s->v[a] - s->v[b] +
		                        (2 * k->p.l_eff_h / s->dt - k->p.r_ohm) * s->link_a[i]);
		s->rhs[a] -= s->link_hist[i];
		s->rhs[b] += s->link_hist[i];
	}
	skyline_solve(s->m, s->rhs);
	shorts_take(s);
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
	if (fabs(a) > rated && s->v[s->ends[i][a > 0]] < V_UV)
		return SHORTS_FAST;
	return k->p.fuse_i2t_a2s > 0 && s->heat[i] >= k->p.fuse_i2t_a2s ? SHORTS_I2T : SHORTS_HOLDS;
}

static void
link_open(struct shorts *s, size_t i)
{
	/* What flowed through the cable now flows into, or out of, the capacitors at its ends. */
	s->ic[s->ends[i][0]] += s->link_a[i];
	s->ic[s->ends[i][1]] -= s->link_a[i];
	s->link_a[i] = 0;
	s->open[i] = true;
}

static void
look_sources(const struct shorts *s, double at_s, struct shorts_result *r)
{
	for (size_t i = 0; i < s->n_convs && r->sources; i++) {
		struct shorts_source *q = &r->sources[i];
		q->end_a = -s->convs[i].in_a;
		if (q->end_a > q->peak_a) {
			q->peak_a = q->end_a;
			q->peak_at_s = at_s;
		}
	}
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
		into += s->ends[i][1] == s->node ? a : 0;
		into -= s->ends[i][0] == s->node ? a : 0;
		l->end_a = a;
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
	for (size_t i = 0; i < s->n_convs; i++)
		if (s->convs[i].bus == s->node && !s->convs[i].store)
			into -= s->convs[i].in_a;
	r->fault_i2t_a2s += fault * fault * s->dt;
	r->fault_end_a = fault;
	look_sources(s, at_s, r);
	if (into > r->links_peak_a) {
		r->links_peak_a = into;
		r->links_peak_s = at_s;
	}
	if (opened)
		shorts_factor(s);
}

static void
convs_begin(struct shorts *s)
{
	const struct loadflow *l = s->steady->flow;
	for (size_t i = 0; i < s->n_convs; i++) {
		struct shorts_conv *c = &s->convs[i];
		uint32_t n = c->bus, out = conv_out(s, i);
		if (c->store) {
			shorts_conv_begin(c, s->v[n], 0, 0, drawn_a(s, n) * s->v[n]);
			continue;
		}
		const struct link_conv_state *rest = &l->conv[c->link];
		bool at_a = s->t->links[c->link].a == n;
		c->set_w = at_a ? l->conv_w[c->link] : -l->conv_w[c->link];
		s->ic[out] = 0;
		s->v[out] = loadflow_node_live(l, n) ? rest->out_v : 0;
		shorts_conv_begin(c, s->v[n], s->v[out], rest->inductor_a, 0);
	}
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
		s->open[i] = t->links[i].p.open || !loadflow_node_live(l, t->links[i].a) ||
		             !loadflow_node_live(l, t->links[i].b);
		s->link_a[i] = l->link_a[i];
		s->heat[i] = 0;
	}
	for (size_t i = 0; i < t->n_ports; i++)
		s->port_w[t->ports[i].node] += l->port_a[i] * s->v[t->ports[i].node];
	convs_begin(s);
}

void
shorts_run(struct shorts *s, uint32_t node, double r_ohm, bool fuses, struct shorts_result *r)
{
	const struct topo *t = s->t;
	struct shorts_link *links = r->links;
	struct shorts_source *sources = r->sources;
	memset(links, 0, t->n_links * sizeof *links);
	for (size_t i = 0; i < s->n_convs && sources; i++)
		sources[i] = (struct shorts_source){ 0 };
	shorts_begin(s, node, r_ohm);
	*r = (struct shorts_result){ .links = links,
		                     .sources = sources,
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
	s->dt = s->n_convs ? LATE_DT_CONV : LATE_DT;
	shorts_factor(s);
	while (at_s < SHORTS_WINDOW_S - 0.5 * s->dt) {
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

const struct shorts_conv *
shorts_convs(const struct shorts *s, size_t *n)
{
	*n = s->n_convs;
	return s->convs;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Converters, and the unknowns at the ends of links. */
static void
shorts_place(struct shorts *s)
{
	const struct topo *t = s->t;
	s->n = t->n_nodes;
	for (uint32_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		s->ends[i][0] = k->a;
		s->ends[i][1] = k->b;
		if (!k->has_conv)
			continue;
		s->ends[i][k->conv.node == k->b] = (uint32_t)s->n++;
		s->convs[s->n_convs++] = shorts_conv_of_link(&k->conv, i);
	}
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		if (p->has_store)
			s->convs[s->n_convs++] = shorts_conv_of_store(&p->store, i, p->c_bus_f);
	}
}

static int
shorts_alloc(struct shorts *s, struct err *err)
{
	const struct topo *t = s->t;
	size_t n = t->n_nodes + 1, k = t->n_links + 1, all = n + k;
	s->v = calloc(3 * all + 4 * n, sizeof *s->v);
	s->link_a = calloc(3 * k, sizeof *s->link_a);
	s->open = calloc(k, sizeof *s->open);
	s->ends = calloc(k, sizeof *s->ends);
	s->convs = calloc(all, sizeof *s->convs);
	if (!s->v || !s->link_a || !s->open || !s->ends || !s->convs)
		return err_set(err, ERR_NOMEM, "out of memory");
	s->ic = s->v + all;
	s->rhs = s->ic + all;
	s->feed_a = s->rhs + all;
	s->sc_hist = s->feed_a + n;
	s->sc_a = s->sc_hist + n;
	s->port_w = s->sc_a + n;
	s->link_hist = s->link_a + k;
	s->heat = s->link_hist + k;
	shorts_place(s);
	return skyline_create((uint32_t)s->n, s->ends, t->n_links, &s->m, err);
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
	free(s->ends);
	free(s->convs);
	free(s);
}
