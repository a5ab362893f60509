/*
 * drill.h - what a drill expects beside its timeline: steady state, bounds, expectations.
 *
 * Read by script_load_with() (script_expect.c); grammar: docs/drills.md. All times are plant time
 * in nanoseconds. An action's moment is the start of the step in which it acts.
 *
 * A frame k is the sample of ((k-1)T, kT]; frame 0 that of t = 0. A window [a, b] holds the frames
 * whose sample lies in it.
 */
#ifndef VL_DRILL_H
#define VL_DRILL_H

#include "expr.h"
#include "topo.h"

enum { DRILL_CHECKS_MAX = 256, DRILL_GATES_MAX = 64, DRILL_PROTECT_MAX = 64 };
enum { DRILL_EVENT_MAX = 200 }; /* bytes of an event's pattern */

enum drill_kind {
	DRILL_ALWAYS,     /* the condition holds in every sample of the window, at its worse end */
	DRILL_NEVER,      /* it holds in no part of any; or: the event is not in the window */
	DRILL_EVENTUALLY, /* it holds in one whole sample */
	DRILL_SETTLES,    /* it begins to hold within the window and goes on for `hold` */
	DRILL_EVENT,      /* the event is in the window */
	DRILL_METRIC,     /* the figure at the end of the window is in [min, max] */
	DRILL_COMPARE,    /* the figure at the end of the window, against that of another run */
	DRILL_KINDS_,
};
const char *drill_kind_name(enum drill_kind);

/* MOMENT_NEVER: an action that does not take place. */
/* What a figure is compared with: the same figure, at the same time, of the same seed, of */
enum drill_against {
	AGAINST_AGENT,    /* not in this release */
	AGAINST_CONTROL,  /* this drill with another control */
	AGAINST_DRILL,    /* another drill; without `until` at the end of each */
	AGAINST_TIMELINE, /* this drill without its timeline */
	AGAINST_NOTHING,
};

enum drill_moment_kind { MOMENT_NONE, MOMENT_TIME, MOMENT_EVENT, MOMENT_NEVER };
struct drill_moment {
	enum drill_moment_kind kind;
	bool found;                  /* TIME: of an action whose time is not in the file */
	int64_t ns;                  /* TIME; EVENT: offset to the first match */
	char event[DRILL_EVENT_MAX]; /* EVENT: pattern */
	char text[DRILL_EVENT_MAX];  /* as written */
};

struct drill_check {
	char id[TOPO_ID_MAX];
	enum drill_kind kind;
	struct expr *expr;           /* NULL: event */
	char event[DRILL_EVENT_MAX]; /* pattern: "link.open link=l1 cause!=cut" */
	struct drill_moment from, until;
	int64_t within_ns, hold_ns; /* -1: none */
	double min, max;            /* metric; NaN: none */
	enum drill_against against; /* compare */
	int against_control;        /* enum control_kind */
	char against_path[1024];
	char against_text[100];     /* "control: droop" */
	double max_ratio;
	char text[EXPR_TEXT_MAX];   /* the condition, figure or event */
	unsigned line;
};

struct drill_gate {
	char id[TOPO_ID_MAX];
	struct expr *expr;
	int64_t for_ns;
	unsigned line;
};

struct drill_checks {
	size_t n_gates, n_checks;
	struct drill_gate gates[DRILL_GATES_MAX];
	struct drill_check checks[DRILL_CHECKS_MAX];
	struct expr *abort_if; /* NULL: none */
};
void drill_checks_destroy(struct drill_checks **);

#endif
