/*
 * layout.h - where each pane goes: a pure function of the window's size and what there is to show.
 *
 * Narrow windows stack nodes, one middle pane (links, or the active one) and events; wide ones
 * (LAYOUT_WIDE_W x LAYOUT_WIDE_H up) have a row of map or links and nodes, a row of modules and
 * bus, and events, with the links list beside them from LAYOUT_HUGE_W columns on.
 */
#ifndef VL_LAYOUT_H
#define VL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "canvas.h"

enum {
	LAYOUT_MIN_W = 40,
	LAYOUT_MIN_H = 8, /* below: a line that says so */
	LAYOUT_WIDE_W = 100,
	LAYOUT_WIDE_H = 30,
	LAYOUT_HUGE_W = 160,
	LAYOUT_LINK_W = 25, /* columns of one link in the list */
};

enum pane_id { PANE_NODES, PANE_LINKS, PANE_MODULES, PANE_EVENTS, PANE_BUS, PANE_MAP, PANE_END_ };

struct layout_content {
	size_t n_nodes, n_links, n_modules;
	bool map; /* there are coordinates, and the map is wanted */
	enum pane_id active;
	bool zoom; /* the active pane takes it all */
};

struct layout {
	bool too_small;
	struct area header, footer;
	struct area pane[PANE_END_]; /* w = 0: not shown */
};

/* Areas are inside the window, do not overlap, and the active pane is always among them. */
void layout_make(int w, int h, const struct layout_content *, struct layout *ret);

#endif
