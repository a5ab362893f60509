/*
 * topo_steady.h - `initial: steady`: the state of a mesh at t = 0 from its load flow.
 */
#ifndef VL_TOPO_STEADY_H
#define VL_TOPO_STEADY_H

#include "topo.h"

/* For nodes with `steady`: bus and supercapacitor, feed and firmware (common/steady.h, with the
 * loads of t = 0); links between two of them carry their current; modules that only such nodes feed
 * begin with what they draw. Without a state of rest, or with one
 * below 45 V, an error goes to `diags`: ERR_INPUT. Does
 * nothing without such nodes. */
int topo_steady(struct topo *, struct diag_list *diags, struct err *);

#endif
