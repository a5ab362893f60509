#include "steady.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "skyline.h"

/* Range of a set-point, as in the firmware (docs/models/control.md). */
#define SET_MIN_V 45.0
#define SET_MAX_V 50.5
/* A state of rest is found when shares agree to this and the mean voltage to this many volts. */
#define TOL_X 1e-9
#define TOL_V 1e-9
#define NEWTON_MAX 40

struct steady_work {
	struct skyline *graph;
	uint32_t *island, *stack, *feeds; /* per node */
	double *weight, *rhs, *respond;   /* respond: one row of voltages per feed */
	double *a, *b;                    /* (feeds + 1) equations */
};

static size_t
steady_degree(const struct steady *s, size_t node)
{
	const struct topo_node *n = &s->topo->nodes[node];
	size_t d = 0;
	for (size_t i = 0; i < n->n_links; i++)
		d += loadflow_link_live(s->flow, n->links[i]);
	return d;
}

/* Numbers the islands of what lives; returns how many. */
static uint32_t
steady_islands(struct steady *s)
{
	const struct topo *t = s->topo;
	struct steady_work *w = s->w;
	uint32_t n = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		w->island[i] = UINT32_MAX;
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (w->island[i] != UINT32_MAX || !loadflow_node_live(s->flow, i))
			continue;
		uint32_t top = 0;
		w->stack[top++] = i;
		w->island[i] = n;
		while (top) {
			const struct topo_node *node = &t->nodes[w->stack[--top]];
			for (size_t l = 0; l < node->n_links; l++) {
				const struct topo_link *k = &t->links[node->links[l]];
				uint32_t to = &t->nodes[k->a] == node ? k->b : k->a;
				if (loadflow_link_live(s->flow, node->links[l]) &&
				    w->island[to] == UINT32_MAX) {
					w->island[to] = n;
					w->stack[top++] = to;
				}
			}
		}
		n++;
	}
	return n;
}

/* Whether all nodes of the island are under consensus with gains; says so when only some are. */
static bool
steady_consensus(struct steady *s, uint32_t island)
{
	bool some = false, all = true;
	for (size_t i = 0; i < s->topo->n_nodes; i++) {
		const struct node_params *p = &s->topo->nodes[i].p;
		if (s->w->island[i] != island)
			continue;
		bool one = p->control == CONTROL_CONSENSUS;
		some = some || one;
		all = all && one && p->kv_per_s > 0 && p->kc_per_s > 0 && p->ki_v_per_s > 0;
	}
	s->plain = s->plain || (some && !all);
	return all;
}

static double
steady_weight(const struct steady *s, size_t node)
{
	const struct node_params *p = &s->topo->nodes[node].p;
	size_t d = steady_degree(s, node);
	return d ? (double)d * p->kv_per_s / p->kc_per_s : p->kv_per_s;
}

/* Feeds that share, of one island; and the weights of its voltages. */
static size_t
steady_gather(struct steady *s, uint32_t island)
{
	struct steady_work *w = s->w;
	size_t n = 0;
	for (uint32_t i = 0; i < s->topo->n_nodes; i++) {
		w->weight[i] = 0;
		if (w->island[i] != island)
			continue;
		bool feed = loadflow_feed_live(s->flow, i);
		if (!feed || s->feed[i] == STEADY_CONTROLS)
			w->weight[i] = steady_weight(s, i);
		if (feed && s->feed[i] == STEADY_CONTROLS)
			w->feeds[n++] = i;
	}
	return n;
}

/* Gauss with partial pivoting, rows of n + 1 numbers. False: singular. */
static bool
steady_eliminate(double *a, double *b, size_t n)
{
	for (size_t c = 0; c < n; c++) {
		size_t best = c;
		for (size_t r = c + 1; r < n; r++)
			if (fabs(a[r * n + c]) > fabs(a[best * n + c]))
				best = r;
		if (!(fabs(a[best * n + c]) > 0))
			return false;
		for (size_t k = 0; best != c && k < n; k++) {
			double x = a[c * n + k];
			a[c * n + k] = a[best * n + k];
			a[best * n + k] = x;
		}
		double x = b[c];
		b[c] = b[best];
		b[best] = x;
		for (size_t r = c + 1; r < n; r++) {
			double f = a[r * n + c] / a[c * n + c];
			if (f == 0)
				continue;
			for (size_t k = c; k < n; k++)
				a[r * n + k] -= f * a[c * n + k];
			b[r] -= f * b[c];
		}
	}
	for (size_t c = n; c-- > 0;) {
		for (size_t k = c + 1; k < n; k++)
			b[c] -= a[c * n + k] * b[k];
		b[c] /= a[c * n + c];
	}
	return true;
}

struct steady_island {
	uint32_t number;
	size_t n; /* feeds that share */
	double x;
};

/* Share and voltage errors of the last flow; x becomes the mean share. */
static bool
steady_at_rest(struct steady *s, struct steady_island *d, double *v_err)
{
	const struct loadflow *l = s->flow;
	double sum_i = 0, sum_r = 0, err_x = 0, wsum = 0;
	for (size_t k = 0; k < d->n; k++) {
		sum_i += l->feed_a[s->w->feeds[k]];
		sum_r += s->topo->nodes[s->w->feeds[k]].p.feed.i_rated_a;
	}
	d->x = sum_i / sum_r;
	for (size_t k = 0; k < d->n; k++) {
		uint32_t f = s->w->feeds[k];
		double x = l->feed_a[f] / s->topo->nodes[f].p.feed.i_rated_a;
		err_x = fmax(err_x, fabs(x - d->x));
	}
	*v_err = 0;
	for (size_t i = 0; i < s->topo->n_nodes; i++)
		if (s->w->weight[i] > 0) {
			*v_err += s->w->weight[i] * (s->topo->nodes[i].p.v_nom_v - l->v_v[i]);
			wsum += s->w->weight[i];
		}
	return err_x <= TOL_X && fabs(*v_err) <= TOL_V * wsum;
}

/* One Newton step of the set-points; a feed that does not conduct is set to where it would. */
static bool
steady_improve(struct steady *s, const struct steady_island *d, double v_err)
{
	const struct topo *t = s->topo;
	struct loadflow *l = s->flow;
	struct steady_work *w = s->w;
	size_t n = d->n, m = n + 1, nodes = t->n_nodes;
	bool off = false;
	for (size_t k = 0; k < n; k++) {
		const struct feed_params *p = &t->nodes[w->feeds[k]].p.feed;
		double i = l->feed_a[w->feeds[k]];
		if (i <= 0 || i >= p->i_max_a)
			off = true;
	}
	for (size_t k = 0; off && k < n; k++) {
		const struct feed_params *p = &t->nodes[w->feeds[k]].p.feed;
		double i = fmin(d->x * p->i_rated_a, 0.999 * p->i_max_a);
		l->v_set_v[w->feeds[k]] = l->v_v[w->feeds[k]] + p->r_d_ohm * i;
	}
	if (off)
		return true;
	memset(w->a, 0, m * m * sizeof *w->a);
	for (size_t k = 0; k < n; k++)
		loadflow_respond(l, w->feeds[k], w->respond + k * nodes);
	for (size_t r = 0; r < n; r++) {
		uint32_t f = w->feeds[r];
		const struct feed_params *p = &t->nodes[f].p.feed;
		for (size_t k = 0; k < n; k++) {
			double g = 1 / t->nodes[w->feeds[k]].p.feed.r_d_ohm;
			w->a[r * m + k] = ((r == k) - g * w->respond[k * nodes + f]) / p->r_d_ohm;
		}
		w->a[r * m + n] = -p->i_rated_a;
		w->b[r] = d->x * p->i_rated_a - l->feed_a[f];
	}
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < nodes; i++)
			w->a[n * m + k] += w->weight[i] * w->respond[k * nodes + i] /
			                   t->nodes[w->feeds[k]].p.feed.r_d_ohm;
	w->b[n] = v_err;
	if (!steady_eliminate(w->a, w->b, m))
		return false;
	for (size_t k = 0; k < n; k++)
		l->v_set_v[w->feeds[k]] += w->b[k];
	return true;
}

/* Takes feeds out of the sharing that cannot carry their part, or (once the island rests) whose
 * set-point is clamped; true: there was one. */
static bool
steady_limit(struct steady *s, const struct steady_island *d, bool rests)
{
	bool found = false;
	for (size_t k = 0; k < d->n; k++) {
		uint32_t f = s->w->feeds[k];
		const struct feed_params *p = &s->topo->nodes[f].p.feed;
		double *set = &s->flow->v_set_v[f];
		if (d->x * p->i_rated_a >= p->i_max_a)
			s->feed[f] = STEADY_LIMIT;
		else if (rests && *set >= SET_MAX_V)
			s->feed[f] = STEADY_HIGH;
		else if (rests && *set <= SET_MIN_V)
			s->feed[f] = STEADY_LOW;
		else
			continue;
		*set = s->feed[f] == STEADY_LOW ? SET_MIN_V : SET_MAX_V;
		found = true;
	}
	return found;
}

/* More than the island draws comes over converters: no set-point of a feed has a part in it. */
static bool
steady_idle(struct steady *s, const struct steady_island *d, double v_err)
{
	const struct topo *t = s->topo;
	double dv = -INFINITY;
	if (d->x > 0 || v_err >= 0)
		return false;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		if (s->w->island[i] == d->number)
			dv = fmax(dv, SET_MIN_V - (p->has_feed ? p->feed.v0_v : p->v_nom_v));
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		if (s->w->island[i] == d->number)
			s->dv_v[i] = dv;
	for (size_t k = 0; k < d->n; k++) {
		uint32_t f = s->w->feeds[k];
		s->feed[f] = STEADY_IDLE;
		s->flow->v_set_v[f] = fmax(t->nodes[f].p.feed.v0_v + dv, SET_MIN_V);
	}
	return true;
}

static bool
steady_island(struct steady *s, uint32_t number, struct loadflow_verdict *v)
{
	struct steady_island d = { .number = number };
	struct loadflow *l = s->flow;
	for (;;) {
		double v_err = 0;
		bool rests = false;
		d.n = steady_gather(s, number);
		if (!d.n)
			return l->solved;
		bool fewer = false;
		for (int i = 0; i < NEWTON_MAX && !rests && !fewer; i++) {
			rests = steady_at_rest(s, &d, &v_err);
			if (!rests && steady_idle(s, &d, v_err)) {
				fewer = true;
				break;
			}
			/* What the loads take tells early which parts nobody can carry. */
			fewer = steady_limit(s, &d, rests);
			if (rests || fewer)
				break;
			if (!steady_improve(s, &d, v_err))
				return false;
			for (size_t k = 0; k < d.n; k++) {
				double *set = &l->v_set_v[s->w->feeds[k]];
				*set = fmin(fmax(*set, 0), 2 * SET_MAX_V);
			}
			loadflow_solve(l, l->fault, l->index, v);
			if (!l->solved)
				return false;
		}
		if (!rests && !fewer)
			return false;
		if (!fewer)
			break;
		loadflow_solve(l, l->fault, l->index, v);
		if (!l->solved)
			return false;
	}
	for (size_t i = 0; i < s->topo->n_nodes; i++)
		if (s->w->island[i] == number) {
			s->x[i] = d.x;
			s->shares[i] = true;
		}
	return true;
}

/* dv from the Laplacian of the living links, one node of each island held at 0, then levelled. */
static bool
steady_corrections(struct steady *s, uint32_t n_islands)
{
	const struct topo *t = s->topo;
	struct steady_work *w = s->w;
	skyline_clear(w->graph);
	for (uint32_t i = 0, held = 0; i < t->n_nodes; i++) {
		bool first = w->island[i] == held && held < n_islands;
		held += first;
		if (first || w->island[i] == UINT32_MAX)
			skyline_add(w->graph, i, i, 1);
		w->rhs[i] = 0;
		if (!s->shares[i] || !steady_degree(s, i))
			continue;
		if (!loadflow_feed_live(s->flow, i) || s->feed[i] == STEADY_CONTROLS)
			w->rhs[i] = steady_weight(s, i) * (t->nodes[i].p.v_nom_v - s->flow->v_v[i]);
	}
	for (uint32_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		if (!loadflow_link_live(s->flow, i) || w->island[k->a] == UINT32_MAX)
			continue;
		skyline_add(w->graph, k->a, k->a, 1);
		skyline_add(w->graph, k->b, k->b, 1);
		skyline_add(w->graph, k->a, k->b, -1);
	}
	if (!skyline_factor(w->graph))
		return false;
	skyline_solve(w->graph, w->rhs);
	for (uint32_t number = 0; number < n_islands; number++) {
		double sum = 0, part = 0;
		for (uint32_t i = 0; i < t->n_nodes; i++) {
			if (w->island[i] != number || s->feed[i] != STEADY_CONTROLS)
				continue;
			const struct node_params *p = &t->nodes[i].p;
			double d = (double)steady_degree(s, i), q = (d > 0 ? d : 1) / p->ki_v_per_s;
			sum += q * (s->flow->v_set_v[i] - p->feed.v0_v - w->rhs[i]);
			part += q;
		}
		for (uint32_t i = 0; i < t->n_nodes; i++) {
			if (w->island[i] != number || !s->shares[i])
				continue;
			s->dv_v[i] = w->rhs[i] + (part > 0 ? sum / part : 0);
			if (s->feed[i] == STEADY_CONTROLS)
				s->di_v[i] =
					s->flow->v_set_v[i] - t->nodes[i].p.feed.v0_v - s->dv_v[i];
		}
	}
	return true;
}

void
steady_solve(struct steady *s, enum loadflow_fault fault, uint32_t index,
             struct loadflow_verdict *v)
{
	struct loadflow *l = s->flow;
	const struct topo *t = s->topo;
	for (size_t i = 0; i < t->n_nodes; i++)
		l->v_set_v[i] = t->nodes[i].p.feed.v0_v;
	loadflow_solve(l, fault, index, v);
	s->solved = l->solved;
	s->plain = false;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct feed_params *p = &t->nodes[i].p.feed;
		bool feed = loadflow_feed_live(l, i);
		s->dv_v[i] = s->di_v[i] = 0;
		s->x[i] = feed ? l->feed_a[i] / p->i_rated_a : 0;
		s->shares[i] = false;
		s->feed[i] = feed ? STEADY_CONTROLS : STEADY_NONE;
	}
	if (!l->solved)
		return;
	uint32_t n = steady_islands(s), lost = UINT32_MAX;
	for (uint32_t i = 0; i < n && s->solved; i++)
		if (steady_consensus(s, i) && !steady_island(s, i, v)) {
			s->solved = false;
			lost = i;
		}
	/* Without consensus a feed is limited where its droop alone is. */
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct feed_params *p = &t->nodes[i].p.feed;
		if (s->feed[i] == STEADY_CONTROLS && !s->shares[i] &&
		    (l->feed_a[i] <= 0 || l->feed_a[i] >= p->i_max_a))
			s->feed[i] = l->feed_a[i] > 0 ? STEADY_LIMIT : STEADY_LOW;
	}
	if (s->solved)
		s->solved = steady_corrections(s, n);
	if (s->solved)
		return;
	v->problem = LOADFLOW_NO_SOLUTION;
	for (uint32_t i = (uint32_t)t->n_nodes; i-- > 0;)
		if (lost != UINT32_MAX && s->w->island[i] == lost)
			v->at = i;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
steady_work_create(const struct topo *t, struct steady_work **ret, struct err *err)
{
	size_t n = t->n_nodes + 1, feeds = 0;
	struct steady_work *w = calloc(1, sizeof *w);
	uint32_t(*edges)[2] = calloc(t->n_links + 1, sizeof *edges);
	int rc = ERR_NOMEM;
	*ret = w;
	if (!w || !edges)
		goto out;
	for (size_t i = 0; i < t->n_nodes; i++)
		feeds += t->nodes[i].p.has_feed;
	w->island = calloc(n, sizeof *w->island);
	w->stack = calloc(n, sizeof *w->stack);
	w->feeds = calloc(n, sizeof *w->feeds);
	w->weight = calloc(n, sizeof *w->weight);
	w->rhs = calloc(n, sizeof *w->rhs);
	w->respond = calloc(n * (feeds + 1), sizeof *w->respond);
	w->a = calloc((feeds + 1) * (feeds + 1), sizeof *w->a);
	w->b = calloc(feeds + 1, sizeof *w->b);
	if (!w->island || !w->stack || !w->feeds || !w->weight || !w->rhs || !w->respond || !w->a ||
	    !w->b)
		goto out;
	for (size_t i = 0; i < t->n_links; i++) {
		edges[i][0] = t->links[i].a;
		edges[i][1] = t->links[i].b;
	}
	rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &w->graph, NULL);
out:
	free(edges);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

int
steady_create(const struct topo *t, struct steady **ret, struct err *err)
{
	struct steady *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "out of memory");
	size_t n = t->n_nodes + 1;
	s->topo = t;
	s->dv_v = calloc(n, sizeof *s->dv_v);
	s->di_v = calloc(n, sizeof *s->di_v);
	s->x = calloc(n, sizeof *s->x);
	s->feed = calloc(n, sizeof *s->feed);
	s->shares = calloc(n, sizeof *s->shares);
	bool ok = s->dv_v && s->di_v && s->x && s->feed && s->shares;
	int rc = ok ? steady_work_create(t, &s->w, err) : err_set(err, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = loadflow_create(t, &s->flow, err);
	if (rc) {
		steady_destroy(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void
steady_destroy(struct steady **ps)
{
	struct steady *s = *ps;
	if (!s)
		return;
	*ps = NULL;
	if (s->w) {
		skyline_destroy(&s->w->graph);
		free(s->w->island);
		free(s->w->stack);
		free(s->w->feeds);
		free(s->w->weight);
		free(s->w->rhs);
		free(s->w->respond);
		free(s->w->a);
		free(s->w->b);
	}
	free(s->w);
	loadflow_destroy(&s->flow);
	free(s->dv_v);
	free(s->di_v);
	free(s->x);
	free(s->feed);
	free(s->shares);
	free(s);
}
