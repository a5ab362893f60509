#include "modes.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "topo_rules.h"

/* The firmware (docs/models/control.md): its period, what a relay takes over, what a limited feed
 * gives up per period of 1 ms. */
#define PERIOD_S 1e-3
#define RELAY_GAIN 0.8
#define BLEED 0.01
/* Below this voltage constant power is a conductance (docs/models/bus.md). */
#define V_UV 36.0
/* An eigenvalue this close to 1 is one: rounding of the map is some 1e-12. */
#define CONSERVED_TOL 1e-8

enum { NO_STATE = -1 };

/* Where things are in the state vector; NO_STATE: nowhere. */
struct modes_work {
	struct modes *r;
	const struct topo *t;
	const struct loadflow *l;
	int *v, *sc, *fi, *dv, *di, *x; /* per node; sc: v_sc, or what the damping has followed */
	int *e;                         /* per node: energy in a string behind a converter */
	int *li, *mi;                   /* per link, per module */
	int *set;                       /* per node: input of its set-point */
	size_t n_plant, n_in, n;
	double *scale; /* state times scale is the square root of twice its energy */
	double *a;     /* plant and inputs, (n_plant + n_in)^2 */
	double *phi;   /* exp(a Tc) */
	double *map;   /* n x n */
};

/* ---- states ---------------------------------------------------------------------------------- */

static int
modes_add(struct modes_work *w, const char *id, const char *what, double scale)
{
	size_t i = w->n++;
	snprintf(w->r->names[i], sizeof w->r->names[i], "%s.%s", id, what);
	w->scale[i] = scale;
	return (int)i;
}

/* A port conducts when its current is not zero. */
static bool
port_on(const struct modes_work *w, uint32_t port)
{
	return w->l->port_a[port] > 0;
}

static bool
conducts(const struct modes_work *w, size_t node)
{
	const struct feed_params *f = &w->t->nodes[node].p.feed;
	return loadflow_feed_live(w->l, node) && w->l->feed_a[node] > 0 &&
	       w->l->feed_a[node] < f->i_max_a * (1 - 1e-9);
}

static void
modes_plant_states(struct modes_work *w)
{
	const struct topo *t = w->t;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		w->v[i] = w->sc[i] = w->e[i] = w->fi[i] = NO_STATE;
		if (!loadflow_node_live(w->l, i))
			continue;
		w->v[i] = modes_add(w, t->nodes[i].id, "v", sqrt(p->c_bus_f));
		if (p->has_sc)
			w->sc[i] = modes_add(w, t->nodes[i].id, "v_sc", sqrt(p->c_sc_f));
		if (p->has_store && p->store.damp_s > 0)
			w->sc[i] = modes_add(w, t->nodes[i].id, "v_slow",
			                     sqrt(p->store.damp_s * STORE_DAMP_TAU_S));
		if (p->has_store && p->store.restore_w > 0)
			w->e[i] = modes_add(w, t->nodes[i].id, "e_sc",
			                    1 / (sqrt(p->store.c_f) * store_target_v(&p->store)));
		if (p->has_feed && p->feed.tau_s > 0)
			w->fi[i] = modes_add(w, t->nodes[i].id, "i",
			                     sqrt(p->feed.tau_s * p->feed.r_d_ohm));
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		bool on = loadflow_link_live(w->l, i) && w->v[k->a] >= 0;
		w->li[i] = on ? modes_add(w, k->id, "i", sqrt(k->p.l_eff_h)) : NO_STATE;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		bool on = false;
		for (size_t j = 0; j < m->n_feeds; j++)
			on = on || port_on(w, m->ports[j]);
		w->mi[i] = on ? modes_add(w, m->id, "v_in", sqrt(m->p.c_in_f)) : NO_STATE;
	}
	w->n_plant = w->n;
}

/* A node speaks to its neighbours (STATE) and has firmware that moves. */
static bool
speaks(const struct modes_work *w, size_t i)
{
	return w->v[i] >= 0 && w->t->nodes[i].p.control != CONTROL_NONE;
}

static void
modes_control_states(struct modes_work *w)
{
	const struct topo *t = w->t;
	bool any = false;
	for (size_t i = 0; i < t->n_nodes; i++)
		any = any || (speaks(w, i) && t->nodes[i].p.control == CONTROL_CONSENSUS);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const char *id = t->nodes[i].id;
		bool feed = loadflow_feed_live(w->l, i);
		w->dv[i] = w->di[i] = w->x[i] = w->set[i] = NO_STATE;
		/* Shares mean something only where somebody acts on them. */
		if (!any || !speaks(w, i))
			continue;
		w->x[i] = modes_add(w, id, "x", 1);
		if (t->nodes[i].p.control != CONTROL_CONSENSUS)
			continue;
		w->dv[i] = modes_add(w, id, "dv", 1);
		if (feed)
			w->di[i] = modes_add(w, id, "di", 1);
		if (feed && conducts(w, i) && (w->r->steady->feed[i] == STEADY_CONTROLS))
			w->set[i] = (int)w->n_in++;
	}
}

/* ---- the plant ------------------------------------------------------------------------------- */

static double *
entry(struct modes_work *w, int row, int col)
{
	assert(row >= 0 && col >= 0);
	return &w->a[(size_t)row + (w->n_plant + w->n_in) * (size_t)col];
}

/* Adds g to d(state row)/dt per unit of state col, both in their scaled units; c: capacitance,
 * inductance of the row. */
static void
couple(struct modes_work *w, int row, int col, double g, double c)
{
	*entry(w, row, col) += g / c * w->scale[row] / w->scale[col];
}

/* A conductance between two voltages; b may be NO_STATE: to ground. */
static void
conductance(struct modes_work *w, int a, double c_a, int b, double c_b, double g)
{
	couple(w, a, a, -g, c_a);
	if (b < 0)
		return;
	couple(w, a, b, g, c_a);
	couple(w, b, b, -g, c_b);
	couple(w, b, a, g, c_b);
}

/* Slope of a constant-power load: negative above V_uv. */
static double
power_slope(double p_w, double v)
{
	return v >= V_UV ? -p_w / (v * v) : p_w / (V_UV * V_UV);
}

/* A supercapacitor behind its converter (docs/models/supercap.md, "Small signals"): a capacitor that
 * damps, and the string's energy, which the bus restores. */
static void
modes_store(struct modes_work *w, size_t i)
{
	const struct node_params *p = &w->t->nodes[i].p;
	double damp = p->store.damp_s, v = w->l->v_v[i];
	if (w->sc[i] >= 0)
		conductance(w, w->v[i], p->c_bus_f, w->sc[i], damp * STORE_DAMP_TAU_S, damp);
	if (w->e[i] < 0)
		return;
	couple(w, w->e[i], w->e[i], -1, STORE_RESTORE_TAU_S);
	couple(w, w->v[i], w->e[i], 1 / (STORE_RESTORE_TAU_S * v), p->c_bus_f);
	if (w->sc[i] < 0)
		return;
	couple(w, w->e[i], w->v[i], v * damp, 1);
	couple(w, w->e[i], w->sc[i], -v * damp, 1);
}

/* A converter at a link end: constant power at its bus, a source of it at the far one. */
static void
modes_link_conv(struct modes_work *w, size_t i)
{
	const struct topo_link *k = &w->t->links[i];
	uint32_t n = k->conv.node, far = n == k->a ? k->b : k->a;
	const struct link_conv_state *s = &w->l->conv[i];
	if (w->v[n] >= 0)
		conductance(w, w->v[n], w->t->nodes[n].p.c_bus_f, NO_STATE, 0,
		            power_slope(s->in_w, w->l->v_v[n]));
	if (w->v[far] >= 0 && !s->limited)
		conductance(w, w->v[far], w->t->nodes[far].p.c_bus_f, NO_STATE, 0,
		            power_slope(-s->link_a * w->l->v_v[far], w->l->v_v[far]));
}

static void
modes_bus(struct modes_work *w, size_t i)
{
	const struct node_params *p = &w->t->nodes[i].p;
	const struct feed_params *f = &p->feed;
	int v = w->v[i], in = w->set[i] >= 0 ? (int)w->n_plant + w->set[i] : NO_STATE;
	conductance(w, v, p->c_bus_f, NO_STATE, 0, power_slope(w->l->load_w[i], w->l->v_v[i]));
	if (p->has_sc)
		conductance(w, v, p->c_bus_f, w->sc[i], p->c_sc_f, 1 / p->r_sc_ohm);
	if (p->has_store)
		modes_store(w, i);
	if (!loadflow_feed_live(w->l, i))
		return;
	double g = conducts(w, i) ? 1 / f->r_d_ohm : 0;
	if (w->fi[i] < 0) {
		conductance(w, v, p->c_bus_f, NO_STATE, 0, g);
		if (in >= 0)
			*entry(w, v, in) += g / p->c_bus_f * w->scale[v];
		return;
	}
	couple(w, v, w->fi[i], 1, p->c_bus_f);
	couple(w, w->fi[i], w->fi[i], -1, f->tau_s);
	couple(w, w->fi[i], v, -g, f->tau_s);
	if (in >= 0)
		*entry(w, w->fi[i], in) += g / f->tau_s * w->scale[w->fi[i]];
}

static void
modes_plant(struct modes_work *w)
{
	const struct topo *t = w->t;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (w->v[i] >= 0)
			modes_bus(w, i);
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		int s = w->li[i];
		if (k->has_conv)
			modes_link_conv(w, i);
		if (s < 0)
			continue;
		couple(w, s, s, -k->p.r_ohm, k->p.l_eff_h);
		couple(w, s, w->v[k->a], 1, k->p.l_eff_h);
		couple(w, s, w->v[k->b], -1, k->p.l_eff_h);
		couple(w, w->v[k->a], s, -1, t->nodes[k->a].p.c_bus_f);
		couple(w, w->v[k->b], s, 1, t->nodes[k->b].p.c_bus_f);
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		int s = w->mi[i];
		if (s < 0)
			continue;
		double g = m->p.class == MODULE_RESISTIVE
		                   ? 1 / m->p.r_load_ohm
		                   : power_slope(w->l->module_w[i], w->l->module_v[i]);
		conductance(w, s, m->p.c_in_f, NO_STATE, 0, g);
		for (size_t j = 0; j < m->n_feeds; j++)
			if (port_on(w, m->ports[j]))
				conductance(w, s, m->p.c_in_f, w->v[m->feeds[j]],
				            t->nodes[m->feeds[j]].p.c_bus_f, 1 / m->p.r_port_ohm);
	}
}

/* ---- one period ------------------------------------------------------------------------------ */

static void
modes_map_add(struct modes_work *w, int row, int col, double value)
{
	w->map[(size_t)row + w->n * (size_t)col] += value;
}

/* Adds f times the plant state `from` at the end of the period, in its own unit, to a row. */
static void
modes_sample(struct modes_work *w, int row, int from, double f)
{
	size_t m = w->n_plant + w->n_in;
	f /= w->scale[from];
	for (size_t c = 0; c < w->n_plant; c++)
		modes_map_add(w, row, (int)c, f * w->phi[(size_t)from + m * c]);
	for (size_t i = 0; i < w->t->n_nodes; i++) {
		if (w->set[i] < 0)
			continue;
		double g = f * w->phi[(size_t)from + m * (w->n_plant + (size_t)w->set[i])];
		modes_map_add(w, row, w->dv[i], g);
		modes_map_add(w, row, w->di[i], g);
	}
}

/* Adds f times mean(y_j - y) over the neighbours that speak. */
static void
modes_mean(struct modes_work *w, int row, size_t node, const int *y, double f)
{
	const struct topo_node *n = &w->t->nodes[node];
	size_t count = 0;
	for (int pass = 0; pass < 2; pass++)
		for (size_t l = 0; l < n->n_links; l++) {
			const struct topo_link *k = &w->t->links[n->links[l]];
			size_t peer = k->a == node ? k->b : k->a;
			if (w->li[n->links[l]] < 0 || !speaks(w, peer))
				continue;
			if (pass == 0) {
				count++;
				continue;
			}
			/* A peer under droop says dv = 0. */
			if (y[peer] >= 0)
				modes_map_add(w, row, y[peer], f / (double)count);
			modes_map_add(w, row, y[node], -f / (double)count);
		}
}

static void
modes_firmware(struct modes_work *w, size_t i)
{
	const struct node_params *p = &w->t->nodes[i].p;
	bool feed = loadflow_feed_live(w->l, i), controls = w->set[i] >= 0;
	double tc = w->r->tc_s;
	if (feed && p->control == CONTROL_DROOP)
		controls = conducts(w, i);
	if (controls && w->fi[i] >= 0) {
		modes_sample(w, w->x[i], w->fi[i], 1 / p->feed.i_rated_a);
	} else if (controls) {
		double g = 1 / (p->feed.r_d_ohm * p->feed.i_rated_a);
		modes_sample(w, w->x[i], w->v[i], -g);
		if (w->dv[i] >= 0) {
			modes_map_add(w, w->x[i], w->dv[i], g);
			modes_map_add(w, w->x[i], w->di[i], g);
		}
	} else {
		modes_map_add(w, w->x[i], w->x[i], 1);
		modes_mean(w, w->x[i], i, w->x, RELAY_GAIN);
	}
	if (w->dv[i] < 0)
		return;
	modes_map_add(w, w->dv[i], w->dv[i], 1);
	modes_mean(w, w->dv[i], i, w->dv, tc * p->kc_per_s);
	if (controls || !feed)
		modes_sample(w, w->dv[i], w->v[i], -tc * p->kv_per_s);
	if (w->di[i] < 0)
		return;
	modes_map_add(w, w->di[i], w->di[i], controls ? 1 : 1 - BLEED * tc / PERIOD_S);
	if (controls)
		modes_mean(w, w->di[i], i, w->x, tc * p->ki_v_per_s);
}

static int
modes_make_map(struct modes_work *w, struct err *err)
{
	size_t m = w->n_plant + w->n_in;
	memcpy(w->phi, w->a, m * m * sizeof *w->phi);
	for (size_t i = 0; i < m * m; i++)
		w->phi[i] *= w->r->tc_s;
	int rc = matrix_exp(m, w->phi, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < w->n_plant; i++)
		modes_sample(w, (int)i, (int)i, w->scale[i]);
	for (size_t i = 0; i < w->t->n_nodes; i++)
		if (w->x[i] >= 0)
			modes_firmware(w, i);
	return 0;
}

/* ---- modes ----------------------------------------------------------------------------------- */

/* Participation |w_k v_k| of all states; vectors as dgeev packs them. */
static void
modes_take_part(size_t n, const double *vl, const double *vr, bool pair, struct mode *m)
{
	double sum = 0;
	for (size_t k = 0; k < n; k++)
		sum += hypot(vl[k], pair ? vl[k + n] : 0) * hypot(vr[k], pair ? vr[k + n] : 0);
	for (size_t k = 0; k < n; k++) {
		double p = hypot(vl[k], pair ? vl[k + n] : 0) * hypot(vr[k], pair ? vr[k + n] : 0) /
		           sum;
		size_t at = m->n_top;
		while (at > 0 && m->part[at - 1] < p)
			at--;
		if (at >= MODES_TOP)
			continue;
		if (m->n_top < MODES_TOP)
			m->n_top++;
		for (size_t q = m->n_top - 1; q > at; q--) {
			m->part[q] = m->part[q - 1];
			m->top[q] = m->top[q - 1];
		}
		m->part[at] = p;
		m->top[at] = k;
	}
}

/* Size of the mode in the differences of the feeds' shares after a step of current at the worst
 * bus: |w_v| max|x - mean x| / (|w^H v| |1 - q|). */
static double
modes_sharing(const struct modes_work *w, const double *vl, const double *vr, bool pair, double wr,
              double wi)
{
	size_t n = w->n, feeds = 0;
	double mean[2] = { 0, 0 }, dot[2] = { 0, 0 }, spread = 0, bus = 0;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < w->t->n_nodes; i++) {
			size_t x = (size_t)w->x[i];
			if (w->set[i] < 0)
				continue;
			if (pass == 0) {
				feeds++;
				mean[0] += vr[x];
				mean[1] += pair ? vr[x + n] : 0;
				continue;
			}
			spread = fmax(spread,
			              hypot(vr[x] - mean[0] / (double)feeds,
			                    (pair ? vr[x + n] : 0) - mean[1] / (double)feeds));
		}
	if (feeds < 2)
		return 0;
	for (size_t k = 0; k < n; k++) { /* conj(w) v */
		double li = pair ? vl[k + n] : 0, ri = pair ? vr[k + n] : 0;
		dot[0] += vl[k] * vr[k] + li * ri;
		dot[1] += vl[k] * ri - li * vr[k];
	}
	for (size_t i = 0; i < w->t->n_nodes; i++) {
		size_t v = (size_t)w->v[i];
		if (w->v[i] >= 0) /* a current acts on the scaled state by scale/C = 1/scale */
			bus = fmax(bus, hypot(vl[v], pair ? vl[v + n] : 0) / w->scale[v]);
	}
	return bus * spread / (hypot(dot[0], dot[1]) * hypot(1 - wr, wi));
}

/* Im(v^H A z / v^H v) over the plant states v of an eigenvector z: how fast it turns, 1/s. */
static double
modes_turning(const struct modes_work *w, const double *re, const double *im)
{
	size_t m = w->n_plant + w->n_in;
	double num = 0, den = 0;
	for (size_t r = 0; r < w->n_plant; r++)
		den += re[r] * re[r] + im[r] * im[r];
	for (size_t c = 0; c < w->n_plant; c++)
		for (size_t r = 0; r < w->n_plant; r++) {
			double a = w->a[r + m * c];
			if (a != 0) /* Im of conj(v_r) a v_c */
				num += a * (re[r] * im[c] - im[r] * re[c]);
		}
	return den > 0 ? num / den : 0;
}

static double
modes_plant_part(const struct modes_work *w, const double *vl, const double *vr, bool pair)
{
	double plant = 0, sum = 0;
	for (size_t k = 0; k < w->n; k++) {
		double p = hypot(vl[k], pair ? vl[k + w->n] : 0) *
		           hypot(vr[k], pair ? vr[k + w->n] : 0);
		sum += p;
		plant += k < w->n_plant ? p : 0;
	}
	return plant / sum;
}

/* The pole of eigenvalue q = wr + j wi of the map. */
static void
modes_pole(const struct modes_work *w, double wr, double wi, const double *vl, const double *vr,
           struct mode *m)
{
	double tc = w->r->tc_s, turn = atan2(wi, wr);
	m->damping_per_s = -log(hypot(wr, wi)) / tc;
	if (wi != 0 && modes_plant_part(w, vl, vr, true) > 0.5) {
		double rate = modes_turning(w, vr, vr + w->n);
		turn += 2 * M_PI * round((rate * tc - turn) / (2 * M_PI));
	}
	m->freq_hz = fabs(turn) / (2 * M_PI * tc);
	m->conserved = wi == 0 && fabs(wr - 1) < CONSERVED_TOL;
	m->sampled = true;
}

static int
modes_of_map(struct modes_work *w, struct err *err)
{
	size_t n = w->n;
	double *room = malloc((2 * n * n + 2 * n + 1) * sizeof *room);
	if (!room)
		return err_set(err, ERR_NOMEM, "out of memory");
	double *vl = room, *vr = vl + n * n, *wr = vr + n * n, *wi = wr + n;
	int rc = matrix_eigen(n, w->map, wr, wi, vl, vr, err);
	for (size_t i = 0; !rc && i < n; i++) {
		bool pair = wi[i] > 0;
		if (wi[i] < 0 || hypot(wr[i], wi[i]) < MODES_FAST)
			continue;
		struct mode *m = &w->r->m[w->r->n++];
		modes_pole(w, wr[i], wi[i], vl + n * i, vr + n * i, m);
		modes_take_part(n, vl + n * i, vr + n * i, pair, m);
		m->sharing = m->conserved
		                     ? 0
		                     : modes_sharing(w, vl + n * i, vr + n * i, pair, wr[i], wi[i]);
	}
	free(room);
	return rc;
}

/* What dies within a period, from the plant alone. */
static int
modes_of_plant(struct modes_work *w, struct err *err)
{
	size_t n = w->n_plant, m = n + w->n_in;
	double *room = malloc((3 * n * n + 2 * n + 1) * sizeof *room);
	if (!room)
		return err_set(err, ERR_NOMEM, "out of memory");
	double *a = room, *vl = a + n * n, *vr = vl + n * n, *wr = vr + n * n, *wi = wr + n;
	for (size_t c = 0; c < n; c++)
		memcpy(a + n * c, w->a + m * c, n * sizeof *a);
	int rc = matrix_eigen(n, a, wr, wi, vl, vr, err);
	for (size_t i = 0; !rc && i < n; i++) {
		if (wi[i] < 0 || exp(wr[i] * w->r->tc_s) >= MODES_FAST)
			continue;
		struct mode *d = &w->r->m[w->r->n++];
		d->damping_per_s = -wr[i];
		d->freq_hz = wi[i] / (2 * M_PI);
		modes_take_part(n, vl + n * i, vr + n * i, wi[i] > 0, d);
	}
	free(room);
	return rc;
}

static int
by_damping(const void *pa, const void *pb)
{
	const struct mode *a = pa, *b = pb;
	if (a->damping_per_s != b->damping_per_s)
		return a->damping_per_s < b->damping_per_s ? -1 : 1;
	if (a->freq_hz != b->freq_hz)
		return a->freq_hz < b->freq_hz ? -1 : 1;
	return (a->top[0] > b->top[0]) - (a->top[0] < b->top[0]);
}

static void
modes_order(struct modes *r)
{
	double most = 0;
	qsort(r->m, r->n, sizeof *r->m, by_damping);
	r->sharing = -1;
	for (size_t i = 0; i < r->n; i++) {
		r->m[i].sharing *= exp(-r->m[i].damping_per_s * MODES_SHARING_PERIODS * r->tc_s);
		most = fmax(most, r->m[i].sharing);
	}
	for (size_t i = 0; i < r->n; i++) {
		const struct mode *m = &r->m[i];
		r->m[i].sharing = most > 0 ? m->sharing / most : 0;
		r->n_growing += !m->conserved && m->damping_per_s < 0;
		if (r->sharing < 0 && m->sharing >= MODES_SHARING)
			r->sharing = (int)i;
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
modes_alloc(struct modes_work *w, struct err *err)
{
	const struct topo *t = w->t;
	size_t n = t->n_nodes + 1, most = 7 * n + t->n_links + t->n_modules;
	w->v = calloc(8 * n + t->n_links + t->n_modules, sizeof *w->v);
	w->scale = calloc(most, sizeof *w->scale);
	w->r->names = calloc(most, sizeof *w->r->names);
	w->r->m = calloc(2 * most, sizeof *w->r->m);
	if (!w->v || !w->scale || !w->r->names || !w->r->m)
		return err_set(err, ERR_NOMEM, "out of memory");
	w->sc = w->v + n;
	w->fi = w->sc + n;
	w->dv = w->fi + n;
	w->di = w->dv + n;
	w->x = w->di + n;
	w->set = w->x + n;
	w->e = w->set + n;
	w->li = w->e + n;
	w->mi = w->li + t->n_links;
	return 0;
}

static int
modes_compute(struct modes_work *w, struct err *err)
{
	modes_plant_states(w);
	modes_control_states(w);
	if (w->n > MODES_STATES_MAX)
		return err_set(err, ERR_LIMIT, "%zu states are more than %d, which takes too long",
		               w->n, MODES_STATES_MAX);
	size_t m = w->n_plant + w->n_in;
	w->r->n_states = w->n;
	w->r->n_plant = w->n_plant;
	w->a = calloc(m * m + 1, sizeof *w->a);
	w->phi = calloc(m * m + 1, sizeof *w->phi);
	w->map = calloc(w->n * w->n + 1, sizeof *w->map);
	if (!w->a || !w->phi || !w->map)
		return err_set(err, ERR_NOMEM, "out of memory");
	modes_plant(w);
	int rc = modes_make_map(w, err);
	if (!rc)
		rc = modes_of_map(w, err);
	if (!rc)
		rc = modes_of_plant(w, err);
	if (!rc)
		modes_order(w->r);
	return rc;
}

int
modes_create(const struct topo *t, struct modes **ret, struct err *err)
{
	struct modes *r = calloc(1, sizeof *r);
	struct modes_work w = { .r = r, .t = t };
	struct loadflow_verdict verdict;
	char text[160];
	if (!r)
		return err_set(err, ERR_NOMEM, "out of memory");
	r->topo = t;
	double step_s = topo_step_s(t), periods = floor(PERIOD_S / step_s + 0.5);
	r->tc_s = fmax(periods, 1) * step_s;
	int rc = steady_create(t, &r->steady, err);
	if (!rc) {
		steady_solve(r->steady, LOADFLOW_BASE, 0, &verdict);
		w.l = r->steady->flow;
		if (!r->steady->solved)
			rc = err_set(err, ERR_INPUT, "%s: no operating point: %s", t->name,
			             loadflow_text(w.l, &verdict, text, sizeof text));
	}
	if (!rc)
		rc = modes_alloc(&w, err);
	if (!rc)
		rc = modes_compute(&w, err);
	free(w.v);
	free(w.scale);
	free(w.a);
	free(w.phi);
	free(w.map);
	if (rc) {
		modes_destroy(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

void
modes_destroy(struct modes **pr)
{
	struct modes *r = *pr;
	if (!r)
		return;
	*pr = NULL;
	steady_destroy(&r->steady);
	free(r->names);
	free(r->m);
	free(r);
}
