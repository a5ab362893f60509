/*
 * graph_layout.h - where the parts of a drawn mesh go.
 */
#ifndef VL_GRAPH_LAYOUT_H
#define VL_GRAPH_LAYOUT_H

#include "err.h"
#include "topo.h"

struct graph_box {
	double x, y, w, h; /* px, around its middle */
};

struct graph_layout {
	const struct topo *topo;
	double w, h, top;                                   /* picture; room above the drawing */
	struct graph_box *nodes, *feeds, *modules, *labels; /* labels: of links */
	double *shift; /* per link: px to its left, when there are several between two nodes */
	size_t n_boxes;
	struct graph_box *boxes; /* all that is placed so far */
};

/* Sizes of the parts, px. */
#define GRAPH_NODE_W 92.0
#define GRAPH_NODE_H 42.0
#define GRAPH_FEED_W 104.0
#define GRAPH_FEED_H 36.0
#define GRAPH_MODULE_W 78.0
#define GRAPH_MODULE_H 36.0
#define GRAPH_LABEL_W 92.0
#define GRAPH_LABEL_H 18.0

/* `top`, `bottom`: px to leave free. */
int graph_layout_create(const struct topo *, double top, double bottom, struct graph_layout **ret,
                        struct err *);
void graph_layout_destroy(struct graph_layout **);
/* Ends of a link between the middles of its nodes, shifted. */
void graph_layout_link(const struct graph_layout *, size_t link, double *x1, double *y1, double *x2,
                       double *y2);

#endif
