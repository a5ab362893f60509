#include "skyline.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct skyline {
	uint32_t n;
	uint32_t *place; /* row of an unknown */
	uint32_t *first; /* per row: its first column inside the envelope */
	size_t *start;   /* per row: a[start + column - first] */
	double *a;       /* lower triangle, row by row; after factoring L, with D on the diagonal */
	double *x;
};

/* Neighbour lists of the graph, as one array. */
struct graph {
	uint32_t *start, *to;
};

static int
graph_make(uint32_t n, uint32_t (*edges)[2], size_t n_edges, struct graph *g)
{
	g->start = calloc((size_t)n + 2, sizeof *g->start);
	g->to = calloc(2 * n_edges + 1, sizeof *g->to);
	if (!g->start || !g->to)
		return ERR_NOMEM;
	for (size_t e = 0; e < n_edges; e++)
		for (int s = 0; s < 2; s++)
			g->start[edges[e][s] + 2]++;
	for (uint32_t i = 2; i <= n + 1; i++)
		g->start[i] += g->start[i - 1];
	/* start[i + 1] moves to the end of list i while it is filled. */
	for (size_t e = 0; e < n_edges; e++)
		for (int s = 0; s < 2; s++)
			g->to[g->start[edges[e][s] + 1]++] = edges[e][1 - s];
	return 0;
}

static uint32_t
degree(const struct graph *g, uint32_t i)
{
	return g->start[i + 1] - g->start[i];
}

/* Reverse Cuthill-McKee; ties by number, so the order is the same everywhere. */
static void
order(const struct graph *g, uint32_t n, uint32_t *queue, uint32_t *place)
{
	const uint32_t none = UINT32_MAX;
	uint32_t head = 0, tail = 0;
	for (uint32_t i = 0; i < n; i++)
		place[i] = none;
	while (tail < n) {
		if (head == tail) { /* a new island: begin at its node of least degree */
			uint32_t best = none;
			for (uint32_t i = 0; i < n; i++)
				if (place[i] == none &&
				    (best == none || degree(g, i) < degree(g, best)))
					best = i;
			place[best] = 0;
			queue[tail++] = best;
		}
		uint32_t i = queue[head++], from = tail;
		for (uint32_t e = g->start[i]; e < g->start[i + 1]; e++) {
			uint32_t j = g->to[e], k = tail;
			if (place[j] != none)
				continue;
			place[j] = 0;
			tail++;
			for (; k > from &&
			       (degree(g, queue[k - 1]) > degree(g, j) ||
			        (degree(g, queue[k - 1]) == degree(g, j) && queue[k - 1] > j));
			     k--)
				queue[k] = queue[k - 1];
			queue[k] = j;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		place[queue[i]] = n - 1 - i;
}

int
skyline_create(uint32_t n, uint32_t (*edges)[2], size_t n_edges, struct skyline **ret,
               struct err *err)
{
	struct graph g = { NULL, NULL };
	struct skyline *s = calloc(1, sizeof *s);
	uint32_t *queue = calloc((size_t)n + 1, sizeof *queue);
	int rc = ERR_NOMEM;
	if (!s || !queue || graph_make(n, edges, n_edges, &g))
		goto out;
	s->n = n;
	s->place = calloc((size_t)n + 1, sizeof *s->place);
	s->first = calloc((size_t)n + 1, sizeof *s->first);
	s->start = calloc((size_t)n + 1, sizeof *s->start);
	s->x = calloc((size_t)n + 1, sizeof *s->x);
	if (!s->place || !s->first || !s->start || !s->x)
		goto out;
	order(&g, n, queue, s->place);
	for (uint32_t i = 0; i < n; i++)
		s->first[i] = i;
	for (size_t e = 0; e < n_edges; e++) {
		uint32_t i = s->place[edges[e][0]], j = s->place[edges[e][1]];
		uint32_t row = i > j ? i : j, col = i > j ? j : i;
		s->first[row] = col < s->first[row] ? col : s->first[row];
	}
	size_t size = 0;
	for (uint32_t i = 0; i < n; i++) {
		s->start[i] = size;
		size += i - s->first[i] + 1;
	}
	s->a = calloc(size + 1, sizeof *s->a);
	s->start[n] = size;
	rc = s->a ? 0 : ERR_NOMEM;
out:
	free(queue);
	free(g.start);
	free(g.to);
	if (rc)
		skyline_destroy(&s);
	else
		*ret = s;
	return rc ? err_set(err, rc, "out of memory") : 0;
}

void
skyline_destroy(struct skyline **s)
{
	if (!*s)
		return;
	free((*s)->place);
	free((*s)->first);
	free((*s)->start);
	free((*s)->a);
	free((*s)->x);
	free(*s);
	*s = NULL;
}

static double *
at(struct skyline *s, uint32_t row, uint32_t col)
{
	return &s->a[s->start[row] + col - s->first[row]];
}

void
skyline_clear(struct skyline *s)
{
	memset(s->a, 0, s->start[s->n] * sizeof *s->a);
}

void
skyline_add(struct skyline *s, uint32_t i, uint32_t j, double value)
{
	uint32_t r = s->place[i], c = s->place[j];
	uint32_t row = r > c ? r : c, col = r > c ? c : r;
	assert(col >= s->first[row]);
	*at(s, row, col) += value;
}

bool
skyline_factor(struct skyline *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		double *li = &s->a[s->start[i]];
		uint32_t fi = s->first[i];
		/* w(j) = a(i,j) - sum over k < j of w(k) l(j,k), then l(i,j) = w(j)/d(j). */
		for (uint32_t j = fi; j < i; j++) {
			const double *lj = &s->a[s->start[j]];
			uint32_t fj = s->first[j], k = fi > fj ? fi : fj;
			double w = li[j - fi];
			for (; k < j; k++)
				w -= li[k - fi] * lj[k - fj];
			li[j - fi] = w;
		}
		double d = li[i - fi];
		for (uint32_t j = fi; j < i; j++) {
			double l = li[j - fi] / *at(s, j, j);
			d -= l * li[j - fi];
			li[j - fi] = l;
		}
		if (!(d > 0) || !isfinite(d))
			return false;
		li[i - fi] = d;
	}
	return true;
}

void
skyline_solve(struct skyline *s, double *x)
{
	for (uint32_t i = 0; i < s->n; i++)
		s->x[s->place[i]] = x[i];
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = s->first[i]; k < i; k++)
			s->x[i] -= *at(s, i, k) * s->x[k];
	for (uint32_t i = 0; i < s->n; i++)
		s->x[i] /= *at(s, i, i);
	for (uint32_t i = s->n; i-- > 0;)
		for (uint32_t k = s->first[i]; k < i; k++)
			s->x[k] -= *at(s, i, k) * s->x[i];
	for (uint32_t i = 0; i < s->n; i++)
		x[i] = s->x[s->place[i]];
}
