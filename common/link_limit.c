#include "link_limit.h"

#include <math.h>
#include <stdlib.h>

#include "skyline.h"

/* Crossover of the price's loop: well below the slowest sharing of the meshes that come with the
 * program (7 1/s), so that a limit is reached within some seconds and without ringing. */
#define CROSSOVER_PER_S 5.0
/* Bounds of what gains are made for: response as a part of the ratings, and difference of two feeds
 * per unit of price. Below them a link cannot be moved, until the mesh is another one. */
#define RESPONSE_MIN 1e-4
#define SPREAD_MIN 0.01
/* A price that no two feeds feel apart, as yet. */
#define SPREAD_NONE 1e-6
/* Holds the level of the shift factors' potential; part of the least conductance. */
#define GROUND 1e-6

struct link_limit {
	const struct topo *topo;
	struct skyline *graph, *cables;
	double *phi, *psi;
};

static bool
carries(const struct topo_link *k)
{
	return !k->p.open && !k->has_conv;
}

static void
fill(struct link_limit *l)
{
	const struct topo *t = l->topo;
	const double leak = LINK_LIMIT_LEAK / (LINK_LIMIT_RELAY * (1 - LINK_LIMIT_LEAK));
	double least_s = INFINITY;

	skyline_clear(l->graph);
	skyline_clear(l->cables);
	for (size_t i = 0; i < t->n_links; i++)
		least_s = fmin(least_s, 1 / t->links[i].p.r_ohm);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		skyline_add(l->graph, i, i, leak);
		skyline_add(l->cables, i, i, isinf(least_s) ? 1 : GROUND * least_s);
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		if (!carries(k))
			continue;
		double g = 1 / k->p.r_ohm;
		skyline_add(l->graph, k->a, k->a, 1 + leak);
		skyline_add(l->graph, k->b, k->b, 1 + leak);
		skyline_add(l->graph, k->a, k->b, -1);
		skyline_add(l->cables, k->a, k->a, g);
		skyline_add(l->cables, k->b, k->b, g);
		skyline_add(l->cables, k->a, k->b, -g);
	}
}

int
link_limit_create(const struct topo *t, struct link_limit **ret, struct err *err)
{
	struct link_limit *l = calloc(1, sizeof *l);
	uint32_t(*edges)[2] = calloc(t->n_links + 1, sizeof *edges);
	int rc = 0;

	if (l) {
		l->topo = t;
		l->phi = calloc(t->n_nodes + 1, sizeof *l->phi);
		l->psi = calloc(t->n_nodes + 1, sizeof *l->psi);
	}
	if (!l || !edges || !l->phi || !l->psi)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; !rc && i < t->n_links; i++) {
		edges[i][0] = t->links[i].a;
		edges[i][1] = t->links[i].b;
	}
	if (!rc)
		rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &l->graph, err);
	if (!rc)
		rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &l->cables, err);
	free(edges);
	if (!rc) {
		fill(l);
		if (!skyline_factor(l->graph) || !skyline_factor(l->cables))
			rc = err_set(err, ERR_INPUT, "%s: its links have no load flow", t->name);
	}
	if (rc) {
		link_limit_destroy(&l);
		return rc;
	}
	*ret = l;
	return 0;
}

void
link_limit_destroy(struct link_limit **pl)
{
	struct link_limit *l = *pl;

	if (!l)
		return;
	*pl = NULL;
	skyline_destroy(&l->graph);
	skyline_destroy(&l->cables);
	free(l->phi);
	free(l->psi);
	free(l);
}

const double *
link_limit_offsets(struct link_limit *l, size_t link)
{
	const struct topo_link *k = &l->topo->links[link];

	for (size_t i = 0; i < l->topo->n_nodes; i++)
		l->phi[i] = 0;
	if (!carries(k))
		return l->phi;
	l->phi[k->a] = -1;
	l->phi[k->b] = 1;
	skyline_solve(l->graph, l->phi);
	return l->phi;
}

double
link_limit_response_a(struct link_limit *l, size_t link)
{
	const struct topo *t = l->topo;
	const struct topo_link *k = &t->links[link];
	const double *phi = link_limit_offsets(l, link);
	double rated_a = 0, mean = 0, sum_a = 0;

	if (!carries(k))
		return 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		l->psi[i] = 0;
	/* By reciprocity: voltage between the ends per ampere into each bus. */
	l->psi[k->a] = -1 / k->p.r_ohm;
	l->psi[k->b] = 1 / k->p.r_ohm;
	skyline_solve(l->cables, l->psi);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		if (!p->has_feed)
			continue;
		rated_a += p->feed.i_rated_a;
		mean += p->feed.i_rated_a * phi[i];
	}
	mean = rated_a > 0 ? mean / rated_a : 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			sum_a += t->nodes[i].p.feed.i_rated_a * l->psi[i] * (phi[i] - mean);
	return sum_a;
}

/* How far a price of 1 moves two feeds apart; where it moves none: 1, to have something. */
static double
spread(const struct link_limit *l)
{
	const struct topo *t = l->topo;
	double lo = INFINITY, hi = -INFINITY;

	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed) {
			lo = fmin(lo, l->phi[i]);
			hi = fmax(hi, l->phi[i]);
		}
	return hi - lo > SPREAD_NONE ? fmax(hi - lo, SPREAD_MIN) : 1;
}

static void
resolve(struct link_limit *l, struct topo_link *k, size_t index)
{
	double response_a = link_limit_response_a(l, index), rated_a = 0;

	for (size_t i = 0; i < l->topo->n_nodes; i++)
		if (l->topo->nodes[i].p.has_feed)
			rated_a += l->topo->nodes[i].p.feed.i_rated_a;
	response_a = fmax(response_a, RESPONSE_MIN * rated_a);
	k->p.limit_gain_per_s = CROSSOVER_PER_S * k->p.limit_a / response_a;
	k->p.limit_max = LINK_LIMIT_OFFSET_MAX / spread(l);
}

int
link_limit_resolve(struct topo *t, struct err *err)
{
	struct link_limit *l = NULL;
	bool any = false;

	for (size_t i = 0; i < t->n_links; i++)
		any = any || (t->links[i].p.limit_a > 0 && !t->links[i].has_conv);
	if (!any)
		return 0;
	int rc = link_limit_create(t, &l, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].p.limit_a > 0 && !t->links[i].has_conv)
			resolve(l, &t->links[i], i);
	for (size_t i = 0; i < t->n_nodes; i++)
		t->nodes[i].p.offsets = true;
	link_limit_destroy(&l);
	return 0;
}
