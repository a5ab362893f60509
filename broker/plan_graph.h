/*
 * plan_graph.h - `voltloom plan --graph`: the mesh as a drawing, with the currents of the load flow
 * at rest (common/steady.h, every load at its highest).
 *
 * Places: `at:` of the nodes when all have one, else a layout from springs that is the same every
 * time. Feeds, modules and labels go to the nearest free place. Widths of links grow with current;
 * colours say how near a current is to the fuse.
 */
#ifndef VL_PLAN_GRAPH_H
#define VL_PLAN_GRAPH_H

#include <stdio.h>

#include "err.h"
#include "topo.h"

int plan_graph_dot(const struct topo *, FILE *, struct err *);
int plan_graph_svg(const struct topo *, FILE *, struct err *);

#endif
