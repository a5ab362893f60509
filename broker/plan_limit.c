#include "plan_limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "link_limit.h"

/* Rounds of Gauss-Seidel: a mode that settles with a tenth per round is at 1e-9 after 200. */
#define ROUNDS 500
/* The feeds are current sources to within this many rounds of the load flow. */
#define PROOFS 4
/* What the shift factors missed by, since loads of constant power see other voltages, is taken in so often. */
#define PASSES 3

struct plan_limit {
	const struct topo *topo;
	struct link_limit *model;
	struct loadflow *proof;
	bool *links, *feeds; /* that take part */
	size_t n_max, n;     /* limited links; of these at hand */
	uint32_t *at;        /* n */
	double *move, *shift; /* n rows of nodes */
	double *response_a;  /* n x n: fall of one link's current per unit of the other's price */
	double *flow_a, *w;  /* n */
	double *bias_a;      /* n: by how much the load flow differs from the shift factors */
	double *fixed_a;     /* per node: change of a feed that is at a limit of its own; NaN: it is not */
	double *change_a;    /* per node: of its feed's current */
	double *lift_v;
};

bool
plan_limit_by_feeds(const struct topo_link *k)
{
	return k->p.limit_a > 0 && !k->has_conv;
}

int
plan_limit_create(const struct topo *t, struct plan_limit **ret, struct err *err)
{
	struct plan_limit *p = calloc(1, sizeof *p);
	size_t limited = 0, nodes = t->n_nodes + 1;
	int rc = ERR_NOMEM;

	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory");
	p->topo = t;
	for (size_t i = 0; i < t->n_links; i++)
		limited += plan_limit_by_feeds(&t->links[i]);
	p->n_max = limited;
	p->links = calloc(t->n_links + 1, sizeof *p->links);
	p->feeds = calloc(nodes, sizeof *p->feeds);
	p->at = calloc(limited + 1, sizeof *p->at);
	p->move = calloc((limited + 1) * nodes, sizeof *p->move);
	p->shift = calloc((limited + 1) * nodes, sizeof *p->shift);
	p->response_a = calloc(limited * limited + 1, sizeof *p->response_a);
	p->flow_a = calloc(limited + 1, sizeof *p->flow_a);
	p->w = calloc(limited + 1, sizeof *p->w);
	p->bias_a = calloc(limited + 1, sizeof *p->bias_a);
	p->fixed_a = calloc(nodes, sizeof *p->fixed_a);
	p->change_a = calloc(nodes, sizeof *p->change_a);
	p->lift_v = calloc(nodes, sizeof *p->lift_v);
	if (p->links && p->feeds && p->at && p->move && p->shift && p->response_a && p->flow_a && p->w && p->bias_a &&
	    p->fixed_a &&
	    p->change_a && p->lift_v)
		rc = loadflow_create(t, &p->proof, err);
	else
		(void)err_set(err, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = link_limit_create(t, &p->model, err);
	if (rc) {
		plan_limit_destroy(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
plan_limit_destroy(struct plan_limit **pp)
{
	struct plan_limit *p = *pp;

	if (!p)
		return;
	*pp = NULL;
	link_limit_destroy(&p->model);
	loadflow_destroy(&p->proof);
	free(p->links);
	free(p->feeds);
	free(p->at);
	free(p->move);
	free(p->shift);
	free(p->response_a);
	free(p->flow_a);
	free(p->w);
	free(p->bias_a);
	free(p->fixed_a);
	free(p->change_a);
	free(p->lift_v);
	free(p);
}

const double *
plan_limit_feed_a(const struct plan_limit *p)
{
	return p->proof->feed_a;
}

static double
rated_a(const struct plan_limit *p, size_t node)
{
	return p->topo->nodes[node].p.feed.i_rated_a;
}

/* The links at hand, and what prices on them do to the feeds that take part. */
static int
model(struct plan_limit *p, const struct steady *s, struct err *err)
{
	const struct topo *t = p->topo;

	for (size_t i = 0; i < t->n_links; i++)
		p->links[i] = loadflow_link_live(s->flow, i);
	for (size_t i = 0; i < t->n_nodes; i++)
		p->feeds[i] = s->feed[i] == STEADY_CONTROLS && s->shares[i] && isnan(p->fixed_a[i]);
	int rc = link_limit_set(p->model, p->links, p->feeds, err);
	if (rc)
		return rc;
	p->n = 0;
	for (uint32_t i = 0; i < t->n_links; i++) {
		if (!plan_limit_by_feeds(&t->links[i]) || !p->links[i])
			continue;
		size_t row = p->n * t->n_nodes, bytes = t->n_nodes * sizeof(double);
		memcpy(p->move + row, link_limit_move(p->model, i), bytes);
		memcpy(p->shift + row, link_limit_shift(p->model, i), bytes);
		p->at[p->n++] = i;
	}
	return 0;
}

/* Changes of feeds at their limits are made up by the others of their island, in proportion to their
 * ratings. */
static void
make_up(struct plan_limit *p)
{
	const uint32_t *island = link_limit_islands(p->model);
	const size_t n = p->topo->n_nodes;

	for (size_t i = 0; i < n; i++)
		p->change_a[i] = isnan(p->fixed_a[i]) ? 0 : p->fixed_a[i];
	for (size_t f = 0; f < n; f++) {
		double sum_a = 0;
		if (isnan(p->fixed_a[f]))
			continue;
		for (size_t i = 0; i < n; i++)
			sum_a += p->feeds[i] && island[i] == island[f] ? rated_a(p, i) : 0;
		for (size_t i = 0; i < n; i++)
			if (p->feeds[i] && island[i] == island[f])
				p->change_a[i] -= p->fixed_a[f] * rated_a(p, i) / sum_a;
	}
}

/* By how much the current of limited link l falls with these changes of the feeds. */
static double
falls(const struct plan_limit *p, size_t l, const double *change_a)
{
	const double *shift = p->shift + l * p->topo->n_nodes;
	double sum = 0;

	for (size_t i = 0; i < p->topo->n_nodes; i++)
		if (change_a[i] != 0)
			sum += shift[i] * change_a[i];
	return sum;
}

static void
respond(struct plan_limit *p)
{
	const size_t nodes = p->topo->n_nodes;

	for (size_t l = 0; l < p->n; l++)
		for (size_t m = 0; m < p->n; m++) {
			double sum_a = 0;
			for (size_t i = 0; i < nodes; i++)
				if (p->feeds[i])
					sum_a += p->shift[l * nodes + i] * p->move[m * nodes + i] *
					         rated_a(p, i);
			p->response_a[l * p->n + m] = sum_a;
		}
}

/* Price l to where its link is at its limit, or to 0; returns by how much it went. */
static double
price(struct plan_limit *p, size_t l)
{
	const struct link_params *k = &p->topo->links[p->at[l]].p;
	double g = p->response_a[l * p->n + l], old = p->w[l];

	if (!(g > 0))
		return 0;
	double to_hi = old + (p->flow_a[l] - k->limit_a) / g;
	double to_lo = old + (p->flow_a[l] + k->limit_a) / g;
	double w = to_hi > 0 ? to_hi : to_lo < 0 ? to_lo : 0;
	p->w[l] = fmin(fmax(w, -k->limit_max), k->limit_max);
	for (size_t m = 0; m < p->n; m++)
		p->flow_a[m] -= (p->w[l] - old) * p->response_a[m * p->n + l];
	return fabs(p->w[l] - old);
}

/* Prices, and what they change. */
static void
dispatch(struct plan_limit *p, const struct steady *s)
{
	const size_t nodes = p->topo->n_nodes;
	double most = 1;

	respond(p);
	for (size_t l = 0; l < p->n; l++) {
		p->w[l] = 0;
		p->flow_a[l] = s->flow->link_a[p->at[l]] + p->bias_a[l] - falls(p, l, p->change_a);
	}
	for (int round = 0; round < ROUNDS && most > 1e-12; round++) {
		most = 0;
		for (size_t l = 0; l < p->n; l++)
			most = fmax(most, price(p, l));
	}
	for (size_t l = 0; l < p->n; l++)
		for (size_t i = 0; i < nodes; i++)
			if (p->feeds[i])
				p->change_a[i] += p->w[l] * p->move[l * nodes + i] * rated_a(p, i);
}

/* Keeps the feed that is farthest beyond what it can give; true: there was one. */
static bool
keep(struct plan_limit *p, const struct steady *s)
{
	double most = 1e-9;
	size_t at = 0;

	for (size_t i = 0; i < p->topo->n_nodes; i++) {
		if (!p->feeds[i])
			continue;
		double a = s->flow->feed_a[i] + p->change_a[i], max_a = p->topo->nodes[i].p.feed.i_max_a;
		double beyond = fmax(-a, a - max_a) / rated_a(p, i);
		if (beyond > most) {
			most = beyond;
			at = i;
			p->fixed_a[i] = (a < 0 ? 0 : max_a) - s->flow->feed_a[i];
		}
	}
	for (size_t i = 0; i < p->topo->n_nodes && most > 1e-9; i++)
		if (p->feeds[i] && i != at)
			p->fixed_a[i] = NAN;
	return most > 1e-9;
}

/* Load flow with the feeds at these currents. */
static void
prove(struct plan_limit *p, const struct steady *s, struct loadflow_verdict *v)
{
	const struct topo *t = p->topo;
	struct loadflow *f = p->proof;

	for (size_t i = 0; i < t->n_nodes; i++) {
		f->v_set_v[i] = s->flow->v_set_v[i];
		p->lift_v[i] = p->change_a[i];
	}
	link_limit_lift(p->model, p->lift_v);
	for (size_t i = 0; i < t->n_nodes; i++)
		if (p->change_a[i] != 0)
			f->v_set_v[i] += p->lift_v[i] + t->nodes[i].p.feed.r_d_ohm * p->change_a[i];
	for (int round = 0; round < PROOFS; round++) {
		loadflow_solve(f, s->flow->fault, s->flow->index, v);
		if (!f->solved)
			return;
		double sum_a = 0, rated = 0;
		for (size_t i = 0; i < t->n_nodes; i++) {
			bool moved = p->change_a[i] != 0;
			p->lift_v[i] = moved ? s->flow->feed_a[i] + p->change_a[i] - f->feed_a[i] : 0;
			sum_a += p->lift_v[i];
			rated += moved ? rated_a(p, i) : 0;
		}
		/* What all of them miss together is another power of the loads: it stays. */
		for (size_t i = 0; i < t->n_nodes; i++)
			if (p->change_a[i] != 0) {
				p->lift_v[i] -= sum_a * rated_a(p, i) / rated;
				f->v_set_v[i] += t->nodes[i].p.feed.r_d_ohm * p->lift_v[i];
			}
		link_limit_lift(p->model, p->lift_v);
		for (size_t i = 0; i < t->n_nodes; i++)
			if (p->change_a[i] != 0)
				f->v_set_v[i] += p->lift_v[i];
	}
	loadflow_solve(f, s->flow->fault, s->flow->index, v);
}

static bool
is_over(const struct topo_link *k, double a)
{
	return fabs(a) > k->p.limit_a * (1 + PLAN_LIMIT_SLACK);
}

/* What the proof found, and how it was before. */
static void
judge(const struct plan_limit *p, const struct steady *s, bool solved, struct plan_limit_result *r)
{
	double most = -1;

	for (uint32_t i = 0; i < p->topo->n_links; i++) {
		const struct topo_link *k = &p->topo->links[i];
		if (!plan_limit_by_feeds(k))
			continue;
		double before = s->flow->link_a[i], after = solved ? p->proof->link_a[i] : before;
		bool over = is_over(k, before), unheld = is_over(k, after);
		r->n_over += over || unheld;
		r->n_unheld += unheld;
		/* What is not held comes before all that is. */
		double rank = unheld ? 1e6 + fabs(after) / k->p.limit_a : fabs(before) / k->p.limit_a;
		if ((over || unheld) && rank > most) {
			most = rank;
			r->link = i;
			r->before_a = before;
			r->after_a = after;
		}
	}
}

/* Prices, feeds at their limits, and the load flow that comes of it. */
static int
redispatch(struct plan_limit *p, const struct steady *s, struct loadflow_verdict *v,
           struct err *err)
{
	for (size_t i = 0; i < p->topo->n_nodes; i++)
		p->fixed_a[i] = NAN;
	do {
		int rc = model(p, s, err);
		if (rc)
			return rc;
		make_up(p);
		dispatch(p, s);
	} while (keep(p, s));
	prove(p, s, v);
	for (size_t l = 0; p->proof->solved && l < p->n; l++)
		p->bias_a[l] += p->proof->link_a[p->at[l]] - p->flow_a[l];
	return 0;
}

int
plan_limit_solve(struct plan_limit *p, const struct steady *s, struct plan_limit_result *r,
                 struct err *err)
{
	const struct topo *t = p->topo;
	struct loadflow_verdict v = { .problem = LOADFLOW_NO_SOLUTION };
	bool over = false;
	int rc = 0;

	*r = (struct plan_limit_result){ .v_min_v = NAN, .loading = NAN };
	memcpy(p->proof->feed_a, s->flow->feed_a, t->n_nodes * sizeof(double));
	for (size_t i = 0; s->solved && i < t->n_links; i++)
		over = over || (plan_limit_by_feeds(&t->links[i]) &&
		                is_over(&t->links[i], s->flow->link_a[i]));
	if (!over)
		return 0;
	for (size_t i = 0; i < p->n_max; i++)
		p->bias_a[i] = 0;
	for (int pass = 0; !rc && pass < PASSES; pass++)
		rc = redispatch(p, s, &v, err);
	if (rc)
		return rc;
	judge(p, s, p->proof->solved, r);
	r->v_min_v = v.v_min_v;
	r->loading = v.loading;
	return 0;
}
