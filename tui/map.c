#include "map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "glyph.h"
#include "map_route.h"

/* Largest product of links and cells that is routed: a fraction of a second, once per size. */
#define MAP_WORK_MAX 2000000

/* Kinds of boxes, the best first, with the room that lines need between them. */
static const struct {
	int w, h, gap_x, gap_y;
} kinds[] = {
	{ 9, 4, 7, 2 }, { 9, 4, 4, 1 }, { 13, 3, 4, 1 }, { 8, 3, 3, 1 }, { 6, 1, 3, 1 },
};

static uint64_t
map_key(const struct shot *s)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a over words */
	for (size_t i = 0; i < s->n_nodes; i++) {
		double at[3] = { s->nodes[i].at_x, s->nodes[i].at_y, s->nodes[i].has_at };
		for (int a = 0; a < 3; a++) {
			uint64_t word;
			memcpy(&word, &at[a], sizeof word);
			h = (h ^ word) * UINT64_C(1099511628211);
		}
	}
	for (size_t i = 0; i < s->n_links; i++) {
		uint64_t word = (uint64_t)(s->links[i].a + 1) << 32 | (uint64_t)(s->links[i].b + 1);
		h = (h ^ word) * UINT64_C(1099511628211);
	}
	return h;
}

void
map_free(struct map *m)
{
	free(m->boxes);
	free(m->first);
	free(m->steps);
	free(m->cells);
	*m = (struct map){ .fits = false };
}

/* ---- places -------------------------------------------------------------------------------- */

/* Distinct values of one coordinate, ascending; returns how many. */
static size_t
map_ranks(const struct shot *s, bool of_y, double *v)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_nodes; i++) {
		if (!s->nodes[i].has_at)
			continue;
		double x = of_y ? s->nodes[i].at_y : s->nodes[i].at_x;
		size_t at = 0;
		while (at < n && v[at] < x)
			at++;
		if (at < n && v[at] == x)
			continue;
		memmove(v + at + 1, v + at, (n - at) * sizeof *v);
		v[at] = x;
		n++;
	}
	return n;
}

/* From 0 (the first column) to 1 (the last). */
static double
map_part(const double *v, size_t n, double x, bool by_rank)
{
	if (n < 2)
		return 0.5;
	if (!by_rank)
		return (x - v[0]) / (v[n - 1] - v[0]);
	size_t at = 0;
	while (v[at] < x)
		at++;
	return (double)at / (double)(n - 1);
}

static bool
map_apart(const struct map_box *a, const struct map_box *b, int gap_x, int gap_y)
{
	/* Lines pass between boxes side by side, or one above the other. */
	return a->x + a->w + gap_x <= b->x || b->x + b->w + gap_x <= a->x ||
	       a->y + a->h + gap_y <= b->y || b->y + b->h + gap_y <= a->y;
}

static bool
map_try(struct map *m, const struct shot *s, const double *xs, size_t nx, const double *ys,
        size_t ny, size_t kind, bool by_rank)
{
	/* Lines may go around the outside: one cell at each edge when there is room for it. */
	int bw = kinds[kind].w, bh = kinds[kind].h, edge = m->w > 60 && m->h > 12;
	int room_x = m->w - bw - 2 * edge, room_y = m->h - bh - 2 * edge;
	if (room_x < 0 || room_y < 0)
		return false;
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct map_box *b = &m->boxes[i];
		*b = (struct map_box){ 0, 0, 0, 0 };
		if (!s->nodes[i].has_at)
			continue;
		b->x = edge + (int)lround(map_part(xs, nx, s->nodes[i].at_x, by_rank) * room_x);
		b->y = edge + (int)lround(map_part(ys, ny, s->nodes[i].at_y, by_rank) * room_y);
		b->w = bw;
		b->h = bh;
		for (size_t j = 0; j < i; j++)
			if (m->boxes[j].w &&
			    !map_apart(&m->boxes[j], b, kinds[kind].gap_x, kinds[kind].gap_y))
				return false;
	}
	return true;
}

static int
map_place(struct map *m, const struct shot *s, struct err *err)
{
	double *xs = calloc(s->n_nodes + 1, sizeof *xs), *ys = calloc(s->n_nodes + 1, sizeof *ys);
	int rc = xs && ys ? 0 : err_set(err, ERR_NOMEM, "map: out of memory");
	if (rc)
		goto out;
	size_t nx = map_ranks(s, false, xs), ny = map_ranks(s, true, ys);
	m->fits = false;
	for (size_t k = 0; nx && !m->fits && k < sizeof kinds / sizeof *kinds; k++)
		m->fits = map_try(m, s, xs, nx, ys, ny, k, true) ||
		          map_try(m, s, xs, nx, ys, ny, k, false);
out:
	free(xs);
	free(ys);
	return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int
map_alloc(struct map *m, const struct shot *s, int w, int h, struct err *err)
{
	map_free(m);
	m->w = w;
	m->h = h;
	m->n_nodes = s->n_nodes;
	m->n_links = s->n_links;
	m->boxes = calloc(s->n_nodes + 1, sizeof *m->boxes);
	m->first = calloc(s->n_links + 1, sizeof *m->first);
	m->cells = calloc((size_t)w * (size_t)h + 1, 1);
	if (!m->boxes || !m->first || !m->cells)
		return err_set(err, ERR_NOMEM, "map: out of memory");
	return 0;
}

int
map_make(struct map *m, const struct shot *s, int w, int h, struct err *err)
{
	uint64_t key = map_key(s);
	if (m->boxes && m->w == w && m->h == h && m->n_nodes == s->n_nodes &&
	    m->n_links == s->n_links && m->key == key)
		return 0;
	if (w < 1 || h < 1)
		return map_free(m), 0;
	int rc = map_alloc(m, s, w, h, err);
	if (!rc)
		rc = map_place(m, s, err);
	if (!rc && m->fits && (double)s->n_links * w * h > MAP_WORK_MAX)
		m->fits = false;
	if (!rc && m->fits)
		rc = map_route(m, s, err);
	if (rc) {
		map_free(m);
		return rc;
	}
	m->key = key;
	return 0;
}
