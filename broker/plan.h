/*
 * plan.h - what can be said about a mesh without running it: `voltloom plan` and `voltloom
 * validate`.
 *
 * kappa (share of the bus capacitor that the lines take), hold-up time from 48 to 43.2 V, static
 * load flow with every load at its highest, and the same with each single node, link and feed lost.
 * Formulas: docs/plan.md, common/loadflow.h.
 */
#ifndef VL_PLAN_H
#define VL_PLAN_H

#include <stdio.h>

#include "diag.h"
#include "err.h"
#include "loadflow.h"
#include "topo.h"

struct plan_node {
	double kappa, kappa_join;
	double power_w;  /* built-in load and modules that it owns, at their highest */
	double holdup_s; /* 48 -> 43.2 V from its own capacitors; INFINITY without power */
};

struct plan_fault {
	enum loadflow_fault kind;
	uint32_t index; /* node or link */
	struct loadflow_verdict verdict;
};

struct plan {
	const struct topo *topo;
	struct plan_node *nodes;
	struct loadflow *flow; /* the base case */
	struct loadflow_verdict base;
	size_t n_faults, n_not_carried;
	struct plan_fault *faults; /* nodes, links that are closed, feeds */
};

/* Hold-up time of one bus, s: C_b and C_sc (with its ESR) at constant power P. */
double plan_holdup_s(const struct node_params *, double power_w);

/* `topo` must outlive the plan. */
int plan_create(const struct topo *, struct plan **ret, struct err *);
void plan_destroy(struct plan **);

/* Text for people; JSON (one object) for programs. */
int plan_print(const struct topo *, FILE *, struct err *);
int plan_json(const struct topo *, FILE *, struct err *);

/* The part of `validate` that needs the load flow: a warning when the base case is not carried. */
int plan_check(const struct topo *, struct diag_list *, struct err *);

#endif
