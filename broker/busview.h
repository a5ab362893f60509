/*
 * busview.h - the bus voltages of a mesh right now, from its flight recorder.
 *
 * Works beside the processes that write, and after them. Follows nodes through their incarnations;
 * a node that has not recorded anything yet is left out.
 */
#ifndef VL_BUSVIEW_H
#define VL_BUSVIEW_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "topo.h"

struct busview;

/* Borrows topo. The files may come later. */
int busview_create(const struct topo *, const char *run_dir, struct busview **ret, struct err *);
void busview_destroy(struct busview **);

struct busview_now {
	size_t n;             /* nodes that have recorded something */
	int64_t min_k, max_k; /* last frames, lowest and highest; -1: none */
	double lo_v, hi_v;    /* NaN: none */
};
/* Reads what was recorded since. Nodes whose record ended before the others' do not count for V. */
void busview_look(struct busview *, struct busview_now *);

#endif
