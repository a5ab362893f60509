#include "link_limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "skyline.h"

/* Crossover of the price's loop: below the slowest sharing of the meshes that come with the program
 * (7 1/s), so that a limit is reached within a second and without ringing. */
#define CROSSOVER_PER_S 5.0
/* Bounds of what gains are made for: response as a part of the ratings, and difference of two feeds
 * per unit of price. Below them a link cannot be moved, until the mesh is another one. */
#define RESPONSE_MIN 1e-4
#define SPREAD_MIN 0.01
/* A price that no two feeds feel apart, as yet. */
#define SPREAD_NONE 1e-6
/* Holds the level of the buses; part of the least conductance. */
#define GROUND 1e-6

struct link_limit {
	const struct topo *topo;
	struct skyline *graph, *cables;
	bool *links, *feeds; /* that take part */
	uint32_t *island;
	double *phi, *psi;
};

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
		if (!l->links[i])
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

/* An island has the number of its first node. */
static void
find_islands(struct link_limit *l)
{
	const struct topo *t = l->topo;

	for (uint32_t i = 0; i < t->n_nodes; i++)
		l->island[i] = i;
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < t->n_links; i++) {
			uint32_t *a = &l->island[t->links[i].a], *b = &l->island[t->links[i].b];
			if (!l->links[i] || *a == *b)
				continue;
			*a = *b = *a < *b ? *a : *b;
			more = true;
		}
	}
}

static int
factor(struct link_limit *l, struct err *err)
{
	find_islands(l);
	fill(l);
	if (skyline_factor(l->graph) && skyline_factor(l->cables))
		return 0;
	return err_set(err, ERR_INPUT, "%s: its links have no load flow", l->topo->name);
}

int
link_limit_set(struct link_limit *l, const bool *links, const bool *feeds, struct err *err)
{
	memcpy(l->links, links, l->topo->n_links * sizeof *links);
	for (size_t i = 0; i < l->topo->n_nodes; i++)
		l->feeds[i] = feeds[i] && l->topo->nodes[i].p.has_feed;
	return factor(l, err);
}

static int
make(struct link_limit *l, struct err *err)
{
	const struct topo *t = l->topo;
	uint32_t(*edges)[2] = calloc(t->n_links + 1, sizeof *edges);
	int rc = 0;

	l->links = calloc(t->n_links + 1, sizeof *l->links);
	l->feeds = calloc(t->n_nodes + 1, sizeof *l->feeds);
	l->island = calloc(t->n_nodes + 1, sizeof *l->island);
	l->phi = calloc(t->n_nodes + 1, sizeof *l->phi);
	l->psi = calloc(t->n_nodes + 1, sizeof *l->psi);
	if (!edges || !l->links || !l->feeds || !l->island || !l->phi || !l->psi)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; !rc && i < t->n_links; i++) {
		l->links[i] = !t->links[i].p.open && !t->links[i].has_conv;
		edges[i][0] = t->links[i].a;
		edges[i][1] = t->links[i].b;
	}
	for (size_t i = 0; !rc && i < t->n_nodes; i++)
		l->feeds[i] = t->nodes[i].p.has_feed;
	if (!rc)
		rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &l->graph, err);
	if (!rc)
		rc = skyline_create((uint32_t)t->n_nodes, edges, t->n_links, &l->cables, err);
	free(edges);
	return rc;
}

int
link_limit_create(const struct topo *t, struct link_limit **ret, struct err *err)
{
	struct link_limit *l = calloc(1, sizeof *l);

	if (!l)
		return err_set(err, ERR_NOMEM, "out of memory");
	l->topo = t;
	int rc = make(l, err);
	if (!rc)
		rc = factor(l, err);
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
	free(l->links);
	free(l->feeds);
	free(l->island);
	free(l->phi);
	free(l->psi);
	free(l);
}

const double *
link_limit_move(struct link_limit *l, size_t link)
{
	const struct topo *t = l->topo;
	const struct topo_link *k = &t->links[link];
	double rated_a = 0, mean = 0;

	memset(l->phi, 0, t->n_nodes * sizeof *l->phi);
	if (!l->links[link])
		return l->phi;
	l->phi[k->a] = -1;
	l->phi[k->b] = 1;
	skyline_solve(l->graph, l->phi);
	for (size_t i = 0; i < t->n_nodes; i++) {
		if (!l->feeds[i] || l->island[i] != l->island[k->a])
			continue;
		rated_a += t->nodes[i].p.feed.i_rated_a;
		mean += t->nodes[i].p.feed.i_rated_a * l->phi[i];
	}
	mean = rated_a > 0 ? mean / rated_a : 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		l->phi[i] = l->feeds[i] && l->island[i] == l->island[k->a] ? l->phi[i] - mean : 0;
	return l->phi;
}

const double *
link_limit_shift(struct link_limit *l, size_t link)
{
	const struct topo_link *k = &l->topo->links[link];

	memset(l->psi, 0, l->topo->n_nodes * sizeof *l->psi);
	if (!l->links[link])
		return l->psi;
	/* By reciprocity: voltage between the ends per ampere into each bus. */
	l->psi[k->a] = -1 / k->p.r_ohm;
	l->psi[k->b] = 1 / k->p.r_ohm;
	skyline_solve(l->cables, l->psi);
	return l->psi;
}

void
link_limit_lift(const struct link_limit *l, double *x)
{
	skyline_solve(l->cables, x);
}

const uint32_t *
link_limit_islands(const struct link_limit *l)
{
	return l->island;
}

double
link_limit_response_a(struct link_limit *l, size_t link)
{
	const struct topo *t = l->topo;
	const double *phi = link_limit_move(l, link), *psi = link_limit_shift(l, link);
	double sum_a = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		if (phi[i] != 0)
			sum_a += t->nodes[i].p.feed.i_rated_a * psi[i] * phi[i];
	return sum_a;
}

/* How far a price of 1 moves two feeds apart; where it moves none: 1, to have something. */
static double
spread(struct link_limit *l, size_t link)
{
	const double *phi = link_limit_move(l, link);
	double lo = 0, hi = 0;

	for (size_t i = 0; i < l->topo->n_nodes; i++) {
		lo = fmin(lo, phi[i]);
		hi = fmax(hi, phi[i]);
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
	k->p.limit_max = LINK_LIMIT_OFFSET_MAX / spread(l, index);
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
