#include "layout.h"

#include <assert.h>

enum {
	LAYOUT_HEADER_H = 2,
	LAYOUT_FOOTER_H = 1,
	LAYOUT_FRAME = 2,       /* rows that a box takes */
	LAYOUT_TABLE_FRAME = 3, /* box and column titles */
	LAYOUT_PANE_MIN_H = 4,  /* the least with something to read */
	LAYOUT_BUS_H = 10,
	LAYOUT_MAP_H = 16,
};

static int
layout_min(int a, int b)
{
	return a < b ? a : b;
}

static int
layout_clamp(int x, int lo, int hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

/* Rows that a pane would like at this width. */
static int
layout_wants(enum pane_id p, int w, const struct layout_content *c)
{
	enum { MANY = 1000 };
	int columns = layout_clamp((w - LAYOUT_FRAME) / LAYOUT_LINK_W, 1, MANY);
	switch (p) {
	case PANE_NODES:
		return LAYOUT_TABLE_FRAME + (int)c->n_nodes;
	case PANE_MODULES:
		return LAYOUT_TABLE_FRAME + (int)c->n_modules;
	case PANE_LINKS:
		return LAYOUT_FRAME + ((int)c->n_links + columns - 1) / columns;
	case PANE_BUS:
		return LAYOUT_BUS_H;
	case PANE_MAP:
		return LAYOUT_MAP_H;
	default:
		return MANY;
	}
}

static void
layout_narrow(int w, int y, int h, const struct layout_content *c, struct layout *l)
{
	enum pane_id middle = c->map ? PANE_MAP : PANE_LINKS;
	/* The map needs more rows than a short window has left over. */
	if (middle == PANE_MAP && h < LAYOUT_MAP_H + 2 * LAYOUT_PANE_MIN_H)
		middle = PANE_LINKS;
	if (c->active != PANE_NODES && c->active != PANE_EVENTS)
		middle = c->active;
	if (h < 3 * LAYOUT_PANE_MIN_H) {
		l->pane[c->active] = (struct area){ 0, y, w, h };
		return;
	}
	int mid_want = layout_clamp(layout_wants(middle, w, c), LAYOUT_PANE_MIN_H, h);
	int nodes_want = layout_clamp(layout_wants(PANE_NODES, w, c), LAYOUT_PANE_MIN_H, h);
	int room = h - LAYOUT_PANE_MIN_H; /* events have the rest */
	int mid = mid_want, nodes = nodes_want;
	if (nodes + mid > room) {
		/* Each gets half at least of what it needs beyond that of the other. */
		nodes = layout_min(nodes_want, layout_clamp(room - mid_want, room / 2,
		                                            room - LAYOUT_PANE_MIN_H));
		mid = room - nodes;
	}
	l->pane[PANE_NODES] = (struct area){ 0, y, w, nodes };
	l->pane[middle] = (struct area){ 0, y + nodes, w, mid };
	l->pane[PANE_EVENTS] = (struct area){ 0, y + nodes + mid, w, h - nodes - mid };
}

static void
layout_wide(int w, int y, int h, const struct layout_content *c, struct layout *l)
{
	bool huge = w >= LAYOUT_HUGE_W;
	enum pane_id side = c->map ? PANE_MAP : PANE_LINKS;
	if (!huge && (c->active == PANE_LINKS || c->active == PANE_MAP))
		side = c->active;
	int left = huge ? w * 58 / 100 : w * 46 / 100; /* the node table has the more columns */
	int top_want = layout_wants(PANE_NODES, w, c);
	if (side == PANE_MAP)
		top_want = top_want > LAYOUT_MAP_H ? top_want : LAYOUT_MAP_H;
	int top = layout_clamp(top_want, 8, h * 9 / 20);
	if (side == PANE_MAP && huge)
		top = h * 9 / 20;
	int mid = layout_clamp(layout_wants(PANE_MODULES, w, c), 8, h * 7 / 20);
	int low = h - top - mid;
	l->pane[side] = (struct area){ 0, y, left, top };
	l->pane[PANE_NODES] = (struct area){ left, y, w - left, top };
	l->pane[PANE_MODULES] = (struct area){ 0, y + top, left, mid };
	l->pane[PANE_BUS] = (struct area){ left, y + top, w - left, mid };
	enum pane_id other = side == PANE_MAP ? PANE_LINKS : PANE_MAP;
	/* Beside the events when there is room, and when it is asked for. */
	if (huge && (other == PANE_LINKS || c->active == other)) {
		int part = other == PANE_LINKS ? 2 * LAYOUT_LINK_W + LAYOUT_FRAME : left;
		l->pane[other] = (struct area){ 0, y + top + mid, part, low };
		l->pane[PANE_EVENTS] = (struct area){ part, y + top + mid, w - part, low };
	} else {
		l->pane[PANE_EVENTS] = (struct area){ 0, y + top + mid, w, low };
	}
}

void
layout_make(int w, int h, const struct layout_content *c, struct layout *l)
{
	assert(w >= 0 && h >= 0 && c->active < PANE_END_);
	*l = (struct layout){ .too_small = w < LAYOUT_MIN_W || h < LAYOUT_MIN_H };
	if (l->too_small)
		return;
	int y = LAYOUT_HEADER_H, inner = h - LAYOUT_HEADER_H - LAYOUT_FOOTER_H;
	l->header = (struct area){ 0, 0, w, LAYOUT_HEADER_H };
	l->footer = (struct area){ 0, h - LAYOUT_FOOTER_H, w, LAYOUT_FOOTER_H };
	if (c->zoom)
		l->pane[c->active] = (struct area){ 0, y, w, inner };
	else if (w >= LAYOUT_WIDE_W && h >= LAYOUT_WIDE_H)
		layout_wide(w, y, inner, c, l);
	else
		layout_narrow(w, y, inner, c, l);
}
