#include "map_route.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "glyph.h"

/* Prices of a way, in cells. */
enum {
	ROUTE_STEP = 2,
	ROUTE_BEND = 5,
	ROUTE_CROSS = 6, /* another line, at a right angle */
	ROUTE_SHARE =
		60, /* along another line, or bending on it: only when there is no other way */
	ROUTE_MIDDLE = 1, /* per cell away from the middle of a box's side */
};

enum { DIR_N, DIR_E, DIR_S, DIR_W, DIRS };
static const int dir_x[DIRS] = { 0, 1, 0, -1 }, dir_y[DIRS] = { -1, 0, 1, 0 };
static const uint8_t dir_side[DIRS] = { GLYPH_SIDE_N, GLYPH_SIDE_E, GLYPH_SIDE_S, GLYPH_SIDE_W };

static uint8_t
side_opposite(uint8_t side)
{
	return (uint8_t)((side << 2 | side >> 2) & 15);
}

struct route_item {
	int32_t cost;
	uint32_t state; /* cell * DIRS + direction of travel into the cell */
};

struct router {
	struct map *m;
	int32_t *cost;  /* by state */
	uint32_t *prev; /* by state; itself at the start */
	struct route_item *heap;
	size_t n, cap;
};

/* By cost, then by state: the same map whatever the order of insertion. */
static bool
route_before(const struct route_item *a, const struct route_item *b)
{
	return a->cost != b->cost ? a->cost < b->cost : a->state < b->state;
}

static int
route_push(struct router *r, int32_t cost, uint32_t state, uint32_t prev, struct err *err)
{
	if (cost >= r->cost[state])
		return 0;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 1024;
		struct route_item *heap = realloc(r->heap, cap * sizeof *heap);
		if (!heap)
			return err_set(err, ERR_NOMEM, "map: out of memory");
		r->heap = heap;
		r->cap = cap;
	}
	r->cost[state] = cost;
	r->prev[state] = prev;
	struct route_item item = { cost, state };
	size_t i = r->n++;
	for (; i && route_before(&item, &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = item;
	return 0;
}

static struct route_item
route_pop(struct router *r)
{
	struct route_item top = r->heap[0], last = r->heap[--r->n];
	size_t i = 0;
	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid >= r->n)
			break;
		if (kid + 1 < r->n && route_before(&r->heap[kid + 1], &r->heap[kid]))
			kid++;
		if (!route_before(&r->heap[kid], &last))
			break;
		r->heap[i] = r->heap[kid];
		i = kid;
	}
	if (r->n)
		r->heap[i] = last;
	return top;
}

static bool
route_inside(const struct map_box *b, int x, int y)
{
	return x >= b->x && x < b->x + b->w && y >= b->y && y < b->y + b->h;
}

/* A line does not end at the corner of a box. */
static bool
route_corner(const struct map_box *b, int x, int y)
{
	return b->h >= 3 && (x == b->x || x == b->x + b->w - 1) &&
	       (y == b->y || y == b->y + b->h - 1);
}

static int
route_off_middle(const struct map_box *b, int x, int y, int dir)
{
	int off = dir == DIR_N || dir == DIR_S ? 2 * x - (2 * b->x + b->w - 1)
	                                       : 2 * y - (2 * b->y + b->h - 1);
	return (off < 0 ? -off : off) / 2 * ROUTE_MIDDLE;
}

/* What it costs to pass a cell from `in` to `out` (directions of travel). */
static int32_t
route_cell_cost(const struct map *m, size_t cell, int in, int out)
{
	unsigned used = m->cells[cell] & 15, mine = side_opposite(dir_side[in]) | dir_side[out];
	int32_t cost = ROUTE_STEP + (in != out ? ROUTE_BEND : 0);
	if (!used)
		return cost;
	bool clean = in == out && !(used & mine);
	return cost + (clean ? ROUTE_CROSS : ROUTE_SHARE);
}

static int
route_start(struct router *r, const struct map_box *a, struct err *err)
{
	const struct map *m = r->m;
	for (int y = a->y - 1; y <= a->y + a->h; y++) {
		for (int x = a->x - 1; x <= a->x + a->w; x++) {
			if (x < 0 || y < 0 || x >= m->w || y >= m->h)
				continue;
			size_t cell = (size_t)y * (size_t)m->w + (size_t)x;
			if (m->cells[cell] & MAP_BOX)
				continue;
			for (int d = 0; d < DIRS; d++) {
				int from_x = x - dir_x[d], from_y = y - dir_y[d];
				if (!route_inside(a, from_x, from_y) ||
				    route_corner(a, from_x, from_y))
					continue;
				uint32_t state = (uint32_t)cell * DIRS + (uint32_t)d;
				int rc = route_push(r, route_off_middle(a, x, y, d), state, state,
				                    err);
				if (rc)
					return rc;
			}
		}
	}
	return 0;
}

/* Goes on from a state; steps that enter box b compete for *best. */
static int
route_expand(struct router *r, const struct route_item *item, const struct map_box *b,
             int32_t *best, uint32_t *best_state, int *best_out, struct err *err)
{
	const struct map *m = r->m;
	size_t cell = item->state / DIRS;
	int in = (int)(item->state % DIRS), x = (int)(cell % (size_t)m->w),
	    y = (int)(cell / (size_t)m->w);
	for (int out = 0; out < DIRS; out++) {
		int to_x = x + dir_x[out], to_y = y + dir_y[out];
		if (out == (in + 2) % DIRS || to_x < 0 || to_y < 0 || to_x >= m->w || to_y >= m->h)
			continue;
		int32_t cost = item->cost + route_cell_cost(m, cell, in, out);
		size_t to = (size_t)to_y * (size_t)m->w + (size_t)to_x;
		if (route_inside(b, to_x, to_y) && !route_corner(b, to_x, to_y)) {
			cost += route_off_middle(b, to_x, to_y, out);
			if (cost < *best) {
				*best = cost;
				*best_state = item->state;
				*best_out = out;
			}
			continue;
		}
		if (m->cells[to] & MAP_BOX)
			continue;
		int rc = route_push(r, cost, (uint32_t)to * DIRS + (uint32_t)out, item->state, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Writes the steps from a to b; the states are known from the end. */
static int
route_write(struct router *r, uint32_t state, int out, struct err *err)
{
	struct map *m = r->m;
	size_t n = 1;
	for (uint32_t s = state; r->prev[s] != s; s = r->prev[s])
		n++;
	if (m->n_steps + n > m->cap_steps) {
		size_t cap = 2 * (m->n_steps + n);
		struct map_step *steps = realloc(m->steps, cap * sizeof *steps);
		if (!steps)
			return err_set(err, ERR_NOMEM, "map: out of memory");
		m->steps = steps;
		m->cap_steps = cap;
	}
	for (size_t i = n; i-- > 0;) {
		size_t cell = state / DIRS;
		int in = (int)(state % DIRS);
		m->steps[m->n_steps + i] = (struct map_step){
			.x = (int16_t)(cell % (size_t)m->w),
			.y = (int16_t)(cell / (size_t)m->w),
			.from = side_opposite(dir_side[in]),
			.to = dir_side[out],
		};
		m->cells[cell] |= side_opposite(dir_side[in]) | dir_side[out];
		out = in;
		state = r->prev[state];
	}
	m->n_steps += n;
	return 0;
}

static int
route_link(struct router *r, const struct map_box *a, const struct map_box *b, struct err *err)
{
	size_t n_states = (size_t)r->m->w * (size_t)r->m->h * DIRS;
	int32_t best = INT32_MAX;
	uint32_t best_state = 0;
	int best_out = 0;
	for (size_t i = 0; i < n_states; i++)
		r->cost[i] = INT32_MAX;
	r->n = 0;
	int rc = route_start(r, a, err);
	while (!rc && r->n) {
		struct route_item item = route_pop(r);
		if (item.cost >= best)
			break;
		if (item.cost == r->cost[item.state])
			rc = route_expand(r, &item, b, &best, &best_state, &best_out, err);
	}
	if (!rc && best < INT32_MAX)
		rc = route_write(r, best_state, best_out, err);
	return rc;
}

int
map_route(struct map *m, const struct shot *s, struct err *err)
{
	size_t n_states = (size_t)m->w * (size_t)m->h * DIRS;
	struct router r = { .m = m,
		            .cost = calloc(n_states, sizeof *r.cost),
		            .prev = calloc(n_states, sizeof *r.prev) };
	int rc = r.cost && r.prev ? 0 : err_set(err, ERR_NOMEM, "map: out of memory");
	for (size_t i = 0; !rc && i < s->n_nodes; i++)
		for (int y = 0; y < m->boxes[i].h && m->boxes[i].w; y++)
			memset(&m->cells[(size_t)(m->boxes[i].y + y) * (size_t)m->w +
			                 (size_t)m->boxes[i].x],
			       MAP_BOX, (size_t)m->boxes[i].w);
	for (size_t i = 0; !rc && i < s->n_links; i++) {
		const struct shot_link *l = &s->links[i];
		m->first[i] = m->n_steps;
		if (l->a >= 0 && l->b >= 0 && m->boxes[l->a].w && m->boxes[l->b].w)
			rc = route_link(&r, &m->boxes[l->a], &m->boxes[l->b], err);
	}
	m->first[s->n_links] = m->n_steps;
	free(r.cost);
	free(r.prev);
	free(r.heap);
	return rc;
}
