#include "graph_layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nearest neighbours are this far apart; with modules there has to be room between them. */
#define PITCH 190.0
#define PITCH_BARE 150.0
#define MARGIN 24.0
#define SHIFT 22.0

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool
all_placed(const struct topo *t)
{
	for (size_t i = 0; i < t->n_nodes; i++)
		if (!t->nodes[i].has_at)
			return false;
	return true;
}

/* Springs between linked nodes, repulsion between all, from a circle; steps shrink to nothing
 * (T. Fruchterman and E. Reingold, Software: Practice and Experience 21, 1991). */
static void
springs(const struct topo *t, struct graph_box *b, double *dx, double *dy)
{
	const int rounds = 400;
	size_t n = t->n_nodes;
	for (size_t i = 0; i < n; i++) {
		double a = 2 * M_PI * (double)i / (double)n - M_PI / 2, r = (double)n / (2 * M_PI);
		b[i].x = r * cos(a);
		b[i].y = r * sin(a);
	}
	for (int round = 0; round < rounds; round++) {
		double most = 0.3 * (1 - (double)round / rounds);
		memset(dx, 0, n * sizeof *dx);
		memset(dy, 0, n * sizeof *dy);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++) {
				double x = b[i].x - b[j].x, y = b[i].y - b[j].y;
				double q = x * x + y * y + 1e-6;
				dx[i] += i == j ? 0 : x / q;
				dy[i] += i == j ? 0 : y / q;
			}
		for (size_t l = 0; l < t->n_links; l++) {
			size_t p = t->links[l].a, q = t->links[l].b;
			double x = b[p].x - b[q].x, y = b[p].y - b[q].y, d = hypot(x, y);
			dx[p] -= x * d;
			dy[p] -= y * d;
			dx[q] += x * d;
			dy[q] += y * d;
		}
		for (size_t i = 0; i < n; i++) {
			double d = hypot(dx[i], dy[i]), f = d > most ? most / d : 1;
			b[i].x += dx[i] * f;
			b[i].y += dy[i] * f;
		}
	}
}

static int
place_nodes(struct graph_layout *g, struct err *err)
{
	const struct topo *t = g->topo;
	struct graph_box *b = g->nodes;
	double near = INFINITY;
	if (all_placed(t)) {
		for (size_t i = 0; i < t->n_nodes; i++) {
			b[i].x = t->nodes[i].at_x;
			b[i].y = t->nodes[i].at_y;
		}
	} else {
		double *room = calloc(2 * t->n_nodes + 1, sizeof *room);
		if (!room)
			return err_set(err, ERR_NOMEM, "out of memory");
		springs(t, b, room, room + t->n_nodes);
		free(room);
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		for (size_t j = 0; j < i; j++) {
			double d = hypot(b[i].x - b[j].x, b[i].y - b[j].y);
			near = d > 1e-6 && d < near ? d : near;
		}
	double scale = (t->n_modules ? PITCH : PITCH_BARE) / (isfinite(near) ? near : 1);
	for (size_t i = 0; i < t->n_nodes; i++) {
		b[i].x *= scale;
		b[i].y *= scale;
		b[i].w = GRAPH_NODE_W;
		b[i].h = GRAPH_NODE_H;
		g->boxes[g->n_boxes++] = b[i];
	}
	return 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool
overlap(const struct graph_box *a, const struct graph_box *b, double gap)
{
	return fabs(a->x - b->x) < (a->w + b->w) / 2 + gap &&
	       fabs(a->y - b->y) < (a->h + b->h) / 2 + gap;
}

/* The segment meets the box (Liang and Barsky). */
static bool
crosses(double x1, double y1, double x2, double y2, const struct graph_box *b)
{
	double from = 0, to = 1, p[4] = { x1 - x2, x2 - x1, y1 - y2, y2 - y1 };
	double q[4] = { x1 - (b->x - b->w / 2), b->x + b->w / 2 - x1, y1 - (b->y - b->h / 2),
		        b->y + b->h / 2 - y1 };
	for (int i = 0; i < 4; i++) {
		if (p[i] == 0) {
			if (q[i] < 0)
				return false;
			continue;
		}
		double r = q[i] / p[i];
		if (p[i] < 0)
			from = fmax(from, r);
		else
			to = fmin(to, r);
	}
	return from <= to;
}

/* How bad a place is: nothing may overlap; every link under it costs. INFINITY: taken. */
static double
cost(const struct graph_layout *g, const struct graph_box *b)
{
	double sum = 0;
	for (size_t i = 0; i < g->n_boxes; i++)
		if (overlap(b, &g->boxes[i], 6))
			return INFINITY;
	for (size_t i = 0; i < g->topo->n_links; i++) {
		double x1, y1, x2, y2;
		graph_layout_link(g, i, &x1, &y1, &x2, &y2);
		sum += crosses(x1, y1, x2, y2, b) ? 60 : 0;
	}
	return sum;
}

/* Length of what would be drawn from b to the nodes, and what it would cross. */
static double
tether(const struct graph_layout *g, const struct graph_box *b, const uint32_t *to, size_t n)
{
	double sum = 0;
	for (size_t k = 0; k < n; k++) {
		const struct graph_box *node = &g->nodes[to[k]];
		sum += 0.5 * hypot(b->x - node->x, b->y - node->y);
		for (size_t i = 0; i < g->n_boxes; i++) {
			const struct graph_box *o = &g->boxes[i];
			if (o->x == node->x && o->y == node->y)
				continue;
			sum += crosses(b->x, b->y, node->x, node->y, o) ? 80 : 0;
		}
	}
	return sum;
}

/* The best of places on circles around (x, y); outward ones, seen from the middle, first. */
static void
place(struct graph_layout *g, struct graph_box *b, double x, double y, double out,
      const uint32_t *to, size_t n_to)
{
	const double ring = 16;
	double best = INFINITY;
	struct graph_box at = *b, found = *b;
	for (int r = 0; r < 40 && (isinf(best) || r * ring < best); r++)
		for (int a = 0; a < 24; a++) {
			double turn = (a % 2 ? 1 : -1) * ((a + 1) / 2) * M_PI / 12;
			at.x = x + r * ring * cos(out + turn);
			at.y = y + r * ring * sin(out + turn);
			double c = cost(g, &at) + tether(g, &at, to, n_to) + r * ring * 0.3 +
			           8 * fabs(turn);
			if (c < best - 1e-9) {
				best = c;
				found = at;
			}
		}
	*b = found;
	g->boxes[g->n_boxes++] = found;
}

/* Above a link that lies flat, on any other one: text is wide, and would hide a flat link. */
static void
label_at(const struct graph_layout *g, size_t i, double f, struct graph_box *b)
{
	double x1, y1, x2, y2;
	graph_layout_link(g, i, &x1, &y1, &x2, &y2);
	bool flat = fabs(y2 - y1) < 0.4 * fabs(x2 - x1);
	b->x = x1 + f * (x2 - x1);
	b->y = y1 + f * (y2 - y1) - (flat ? GRAPH_LABEL_H * 0.75 : 0);
}

static void
place_labels(struct graph_layout *g)
{
	enum { PLACES = 7 };
	static const double along[PLACES] = { 0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75 };
	for (size_t i = 0; i < g->topo->n_links; i++) {
		struct graph_box *b = &g->labels[i];
		bool free_ = false;
		b->w = GRAPH_LABEL_W;
		b->h = GRAPH_LABEL_H;
		for (size_t k = 0; k < PLACES && !free_; k++) {
			label_at(g, i, along[k], b);
			free_ = true;
			for (size_t o = 0; o < g->n_boxes; o++)
				free_ = free_ && !overlap(b, &g->boxes[o], 6);
		}
		if (!free_)
			label_at(g, i, 0.5, b);
		g->boxes[g->n_boxes++] = *b;
	}
}

static void
place_rest(struct graph_layout *g)
{
	const struct topo *t = g->topo;
	double mx = 0, my = 0;
	for (size_t i = 0; i < t->n_nodes; i++) {
		mx += g->nodes[i].x / (double)t->n_nodes;
		my += g->nodes[i].y / (double)t->n_nodes;
	}
	place_labels(g);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct graph_box *n = &g->nodes[i];
		if (!t->nodes[i].p.has_feed)
			continue;
		g->feeds[i].w = GRAPH_FEED_W;
		g->feeds[i].h = GRAPH_FEED_H;
		place(g, &g->feeds[i], n->x, n->y, atan2(n->y - my, n->x - mx), &i, 1);
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		double x = 0, y = 0;
		for (size_t j = 0; j < m->n_feeds; j++) {
			x += g->nodes[m->feeds[j]].x / (double)m->n_feeds;
			y += g->nodes[m->feeds[j]].y / (double)m->n_feeds;
		}
		g->modules[i].w = GRAPH_MODULE_W;
		g->modules[i].h = GRAPH_MODULE_H;
		place(g, &g->modules[i], x, y, atan2(y - my, x - mx), m->feeds, m->n_feeds);
	}
}

/* Several links between the same two nodes go side by side. */
static void
shift_links(struct graph_layout *g)
{
	const struct topo *t = g->topo;
	for (size_t i = 0; i < t->n_links; i++) {
		size_t before = 0, all = 0;
		for (size_t j = 0; j < t->n_links; j++) {
			const struct topo_link *p = &t->links[i], *q = &t->links[j];
			bool same =
				(p->a == q->a && p->b == q->b) || (p->a == q->b && p->b == q->a);
			all += same;
			before += same && j < i;
		}
		double at = ((double)before - (double)(all - 1) / 2) * SHIFT;
		g->shift[i] = t->links[i].a < t->links[i].b ? at : -at;
	}
}

void
graph_layout_link(const struct graph_layout *g, size_t link, double *x1, double *y1, double *x2,
                  double *y2)
{
	const struct graph_box *a = &g->nodes[g->topo->links[link].a];
	const struct graph_box *b = &g->nodes[g->topo->links[link].b];
	double dx = b->x - a->x, dy = b->y - a->y, d = hypot(dx, dy);
	double sx = d > 0 ? dy / d * g->shift[link] : 0, sy = d > 0 ? -dx / d * g->shift[link] : 0;
	*x1 = a->x + sx;
	*y1 = a->y + sy;
	*x2 = b->x + sx;
	*y2 = b->y + sy;
}

/* Moves all to positive places and sizes the picture. */
static void
frame(struct graph_layout *g, double top, double bottom)
{
	const struct topo *t = g->topo;
	double x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY;
	for (size_t i = 0; i < g->n_boxes; i++) {
		const struct graph_box *b = &g->boxes[i];
		x0 = fmin(x0, b->x - b->w / 2);
		y0 = fmin(y0, b->y - b->h / 2);
		x1 = fmax(x1, b->x + b->w / 2);
		y1 = fmax(y1, b->y + b->h / 2);
	}
	const double narrowest = 640; /* the legend */
	double wide = x1 - x0 + 2 * MARGIN, dx = MARGIN - x0, dy = MARGIN + top - y0;
	g->w = fmax(wide, narrowest);
	dx += (g->w - wide) / 2;
	g->h = y1 - y0 + 2 * MARGIN + top + bottom;
	g->top = top;
	for (size_t i = 0; i < t->n_nodes; i++) {
		g->nodes[i].x += dx;
		g->nodes[i].y += dy;
		g->feeds[i].x += dx;
		g->feeds[i].y += dy;
	}
	for (size_t i = 0; i < t->n_links; i++) {
		g->labels[i].x += dx;
		g->labels[i].y += dy;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		g->modules[i].x += dx;
		g->modules[i].y += dy;
	}
}

int
graph_layout_create(const struct topo *t, double top, double bottom, struct graph_layout **ret,
                    struct err *err)
{
	struct graph_layout *g = calloc(1, sizeof *g);
	if (!g)
		return err_set(err, ERR_NOMEM, "out of memory");
	g->topo = t;
	g->nodes = calloc(t->n_nodes + 1, sizeof *g->nodes);
	g->feeds = calloc(t->n_nodes + 1, sizeof *g->feeds);
	g->modules = calloc(t->n_modules + 1, sizeof *g->modules);
	g->labels = calloc(t->n_links + 1, sizeof *g->labels);
	g->shift = calloc(t->n_links + 1, sizeof *g->shift);
	g->boxes = calloc(2 * t->n_nodes + t->n_modules + t->n_links + 1, sizeof *g->boxes);
	int rc = 0;
	if (!g->nodes || !g->feeds || !g->modules || !g->labels || !g->shift || !g->boxes)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = place_nodes(g, err);
	if (rc) {
		graph_layout_destroy(&g);
		return rc;
	}
	shift_links(g);
	place_rest(g);
	frame(g, top, bottom);
	*ret = g;
	return 0;
}

void
graph_layout_destroy(struct graph_layout **pg)
{
	struct graph_layout *g = *pg;
	if (!g)
		return;
	*pg = NULL;
	free(g->nodes);
	free(g->feeds);
	free(g->modules);
	free(g->labels);
	free(g->shift);
	free(g->boxes);
	free(g);
}
