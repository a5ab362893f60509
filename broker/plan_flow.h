/*
 * plan_flow.h - `voltloom plan --flow`: the load flow of a mesh and of every single failure.
 *
 * Every load at its highest. Two states of each case: "at once", with the set-points as they are
 * without the control's corrections (common/loadflow.h), and "at rest", after the control has done
 * what it can (common/steady.h). A failure is carried when both are, and when at rest all limits of
 * links are held: by converters, or by feeds (plan_limit.h).
 */
#ifndef VL_PLAN_FLOW_H
#define VL_PLAN_FLOW_H

#include <stdio.h>

#include "err.h"
#include "plan_limit.h"
#include "steady.h"

struct plan_flow_case {
	enum loadflow_fault kind;
	uint32_t index;
	struct loadflow_verdict at_once, at_rest;
	bool carried;
	uint32_t link_at; /* the link with the largest current over its fuse (or, without, in A) */
	struct plan_limit_result limits;
	double link_a, link_part; /* of link_at: current; part of the fuse, NaN without a fuse */
};

struct plan_flow {
	const struct topo *topo;
	struct steady *steady; /* at rest, nothing failed */
	struct plan_limit *limit; /* likewise */
	double feed_w, cable_w, port_w, load_w, module_w;
	double conv_w; /* lost in converters at link ends */
	struct plan_flow_case base;
	size_t n_cases, n_carried;
	struct plan_flow_case *cases; /* nodes, closed links, feeds */
};

/* `topo` must outlive it. */
int plan_flow_create(const struct topo *, struct plan_flow **ret, struct err *);
void plan_flow_destroy(struct plan_flow **);

int plan_flow_print(const struct topo *, FILE *, struct err *);
int plan_flow_json(const struct topo *, FILE *, struct err *);

/* What a fault takes away: "node", "link", "feed", and its id. */
const char *plan_fault_kind(enum loadflow_fault);
const char *plan_fault_name(const struct topo *, enum loadflow_fault, uint32_t index);

#endif
