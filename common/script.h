/*
 * script.h - the timeline of a drill file, resolved against a mesh.
 *
 * Grammar: docs/drills.md. Times are whole nanoseconds of plant time from step 0. An action at t
 * acts from step floor(t/T) on; for a kill that step K is each neighbour's first step with the
 * link open; a start (and a cont) is rounded up to a port step.
 */
#ifndef VL_SCRIPT_H
#define VL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "action.h"
#include "err.h"
#include "expr.h"
#include "topo.h"

enum script_target { TARGET_PROC, TARGET_LINK, TARGET_RELAY };

struct script_action {
	char id[TOPO_ID_MAX]; /* given, or "a<n>" */
	int64_t at_ns, k;     /* k = floor(at/T), starts rounded up to a port step */
	enum script_kind kind;
	enum script_target target_kind;
	uint32_t target; /* process index (nodes, then modules), or link index */
	bool ends;       /* a RULE_FAULT: its end */
	struct action_with with;
	double for_s;     /* NaN without a lease; the end is an action of its own */
	bool by_hand;     /* kill: a death that nobody scripted, with its script_last */
	bool again;       /* of a file that repeats a run: it may well do nothing */
	uint32_t toward;            /* channel: the one end that gets it, process index + 1; 0: both */
	int32_t sensor;   /* bias, stuck: core_sensor_chan(); else -1 */
	int resistor_end; /* close: 0 the rule, 1 at link end a, 2 at end b */
	unsigned line;    /* in the drill file, for messages */
};

/* What an unscripted death had sent: `step` was the last message on that edge. */
struct script_last {
	uint32_t proc;
	int64_t kill_k;
	int64_t edge; /* links, then ports; -1: marks the death itself */
	int64_t step; /* -1: none */
};

enum script_when_state { WHEN_OPEN, WHEN_FIRED, WHEN_NEVER };

/*
 * `at: when CONDITION`. Nobody knows its time before the run; a rehearsal in memory finds it
 * (broker/drill_rehearse.h) and hands it in with script_options.fired_ns.
 */
struct script_when {
	char id[TOPO_ID_MAX];  /* of the action */
	size_t entry;          /* its place in the timeline, from 0 */
	struct expr *expr;     /* NULL: an event */
	char text[EXPR_TEXT_MAX]; /* condition, or pattern of an event */
	bool armed;            /* from_ns and until_ns are known */
	int64_t from_ns, until_ns;
	enum script_when_state state;
	int64_t k;             /* WHEN_FIRED: the frame that showed it; the action is at k + 1 */
};

/* An action that does not take place, and why. */
struct script_missed {
	struct script_action action; /* at_ns and k: -1 */
	char text[200];
};

struct script {
	char name[TOPO_ID_MAX * 2];
	char *path;
	char *topology; /* path relative to the drill file, resolved; may be NULL */
	bool has_seed, has_duration, has_speed;
	uint64_t seed;
	int64_t duration_ns;
	double speed;                   /* 0: max */
	int64_t settle_ns, watchdog_ns; /* watchdog: 0, none given */
	int64_t end_ns;        /* duration and, when something is healed after it, the recovery */
	size_t n_heal;         /* actions that only heal, "heal.<id>", at the end of the duration */
	size_t n_combinations; /* of the matrix; 1 without one */
	char chosen[256];      /* of this combination: "victim=n3 r=1Ohm" */
	struct drill_checks *checks; /* drill.h; NULL: nothing is expected */
	size_t n;
	struct script_action *actions; /* by k, then file order */
	size_t n_whens, n_missed, n_last;
	struct script_when *whens;
	struct script_missed *missed;
	struct script_last *last; /* of all kills that are by_hand */
	bool replay;              /* the file repeats a run */
	size_t n_counted;         /* replay: links whose frames that run counted for its script */
	uint32_t *counted;
};

/* How a file is read. */
struct script_options {
	bool drill;         /* for `voltloom drill`: healing, matrix, leases that end in time */
	size_t combination; /* of the matrix, < n_combinations */
	size_t n_params;
	char *const *params;    /* "name=value", over `params` and `matrix` of the file */
	/* Per entry of the timeline: when its condition fired, SCRIPT_FIRED_*. NULL: all open. */
	const int64_t *fired_ns;
	size_t n_fired;
	bool *beyond_blast;     /* may be NULL; set when blast_radius is violated */
};

enum { SCRIPT_FIRED_OPEN = -1, SCRIPT_FIRED_NEVER = -2 };

struct diag_list;

/* Names are resolved against `topo`. All problems go to `diags`; any error: ERR_INPUT. */
int script_load(const char *path, const struct topo *topo, struct diag_list *diags,
                struct script **ret, struct err *);
int script_load_with(const char *path, const struct topo *topo, const struct script_options *,
                     struct diag_list *diags, struct script **ret, struct err *);
/* Only finds `topology:` (resolved against the file's folder), for commands that are given a drill
 * alone. */
int script_topology(const char *path, char **ret, struct err *);
void script_destroy(struct script **);

enum { SCRIPT_WHY_MAX = 240 };
/* Whether the action, which does not end anything, finds at its target what it acts on and says enough;
 * false: `why`. */
bool script_suits(const struct topo *, const struct script_action *, char why[SCRIPT_WHY_MAX]);
/* Of bias and stuck: finds the sensor that `with` names (a->sensor; -1: v and i, of an end: all). False: the target has none of that
 * name. */
bool script_sensor(const struct topo *, struct script_action *);
const char *script_action_name(enum script_kind); /* "kill" */
void script_print_actions(FILE *);                /* for people, one action per line */
void script_print_actions_json(FILE *);           /* one object, see docs/drills.md */

#endif
