/*
 * map.h - where nodes and links are on the map: boxes at the places that the topology gives, lines
 * routed between them.
 *
 * Places come from `at`: first by rank (every distinct x a column, every distinct y a row), then to
 * scale, with the largest kind of box that leaves room for lines. Lines take the cheapest way
 * (Dijkstra over cells and directions): around boxes, straight rather than bent, across other
 * lines rather than along them.
 */
#ifndef VL_MAP_H
#define VL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "view.h"

struct map_box {
	int x, y, w, h; /* cells; w = 0: not on the map */
};

struct map_step {
	int16_t x, y;
	uint8_t from, to; /* GLYPH_SIDE_*: where the line enters and leaves this cell, from end a to
	                     end b */
};

struct map {
	int w, h;
	uint64_t key; /* of what it was made from */
	bool fits;
	size_t n_nodes, n_links, n_steps, cap_steps;
	struct map_box *boxes; /* by shot node */
	size_t *first; /* by shot link, and one more: its steps; none when it could not be routed */
	struct map_step *steps;
	uint8_t *cells; /* w * h: sides of all lines, MAP_BOX */
};
enum { MAP_BOX = 0x80 };

/* Makes the map anew when size, nodes or links have changed. A map that is all zero is an empty
 * one. `fits` is false when the boxes have no room. */
int map_make(struct map *, const struct shot *, int w, int h, struct err *);
void map_free(struct map *);

#endif
