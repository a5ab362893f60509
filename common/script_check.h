/*
 * script_check.h - what is known of a mesh while the actions of a timeline are walked through, in the order
 * in which they act. For script_check.c, script_links.c and script_heal.c only.
 */
#ifndef VL_SCRIPT_CHECK_H
#define VL_SCRIPT_CHECK_H

#include "script_build.h"

struct script_proc {
	bool down, stopped;
	int64_t since_k; /* last kill, stop or start; -1: runs since step 0 */
	const char *by;  /* id of the action that did it */
};

/* A link's contactors, or its channel: cut by actions that may overlap. */
struct script_cut {
	bool cut, stays; /* stays: by an action without a lease */
	size_t leases;   /* that have not ended */
};
enum { CUTS = 2 }; /* enum cut_only - 1 */

struct script_state {
	struct script_proc *procs;
	struct script_cut (*cut)[CUTS];       /* per link */
	bool *open;                          /* per link: open since the start */
	const struct script_action **faults; /* per target and kind: the latest */
	const struct script_action **sensors; /* those of sensors that have a name, the latest each */
	size_t n_sensors;
	bool *plugged;                       /* per module */
	double *level_w;  /* per process: level of the last load action, NaN: the file's curve */
	double *before_w; /* per process: level in force before the action that has a lease */
};

/* ---- script_check.c ------------------------------------------------------------------------- */

const char *script_check_id(const struct topo *, uint32_t proc);
const struct pwl *script_check_curve(const struct topo *, uint32_t proc);
/* An error where the links of a node cannot close while it runs. */
void script_check_join(struct script_build *, const struct yamldoc_node *at, uint32_t node,
                       const char *what);

/* ---- script_links.c ------------------------------------------------------------------------- */

/* The dead end of a link, NULL: both live; *id: its node. */
const struct script_proc *script_links_dead_end(const struct script_build *,
                                                const struct script_state *, uint32_t link,
                                                const char **id);
/* The part that the action is left with: both, one, or none (false). */
bool script_links_leave(struct script_action *, const bool part[CUTS]);
/* False when the action has to be dropped: a lease ended on a link that is gone anyway. */
bool script_links_check(struct script_build *, struct script_state *, struct script_action *,
                        const struct yamldoc_node *at, unsigned flags);

/* ---- script_heal.c -------------------------------------------------------------------------- */

/* Leases that would outlive the drill end with it. */
void script_heal_leases(struct script_build *);
/* Adds the actions that heal what the timeline left broken. */
void script_heal_all(struct script_build *, const struct script_state *);

#endif
