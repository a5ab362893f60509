/*
 * map_route.h - lines between the boxes of a map; only for map.c.
 */
#ifndef VL_MAP_ROUTE_H
#define VL_MAP_ROUTE_H

#include "map.h"

/* Fills steps, first and cells from the boxes. A link that finds no way has no steps. */
int map_route(struct map *, const struct shot *, struct err *);

#endif
