/*
 * script_build.h - the workshop of script_load(): what its stages share. Not for users of script.h.
 *
 *   script.c           head of the file, result
 *   action.h           table of actions
 *   script_actions.c   entries of the timeline; times
 *   script_targets.c   what they are aimed at
 *   script_params.c    ${name}
 *   script_check.c     what cannot happen in this order (a start without a kill), leases
 *   script_links.c     the same for links
 *   script_heal.c      the end of a drill
 *   script_suits.c     what an action needs of its target
 *   script_when.c      actions that wait for a condition
 *   script_by_hand.c   deaths that nobody scripted
 *   script_text.c      values with ${names} inside, errors at a place in them
 *   script_event.c     patterns of events, moments
 *   script_compare.c   the other run of `compare`
 *   script_blast.c     blast_radius
 *   script_expect.c    steady_state, abort_if, expect
 */
#ifndef VL_SCRIPT_BUILD_H
#define VL_SCRIPT_BUILD_H

#include "decode.h"
#include "drill.h"
#include "script.h"
#include "topo.h"

enum {
	SCRIPT_ENTRIES_MAX = 1024, /* entries of one timeline */
	SCRIPT_ACTIONS_MAX = 8192, /* actions with all their targets and lease ends */
	SCRIPT_TEXT_MAX = 256,     /* of a value after ${} */
};

enum script_flag {
	SCRIPT_LEASE_END = 1, /* ends what a `for:` began */
	SCRIPT_BY_NODE = 2,   /* one of all links of a node: dropped where there is nothing to do */
	SCRIPT_HEALS = 4,     /* added at the end of a drill */
	SCRIPT_DROPPED = 8,   /* has nothing to do */
};

/* One entry of the timeline. */
struct script_entry {
	const struct yamldoc_node *place, *at, *target, *with_place, *for_place;
	char id[TOPO_ID_MAX];
	int row; /* enum script_kind, -1: bad */
	struct action_with with;
	double for_s;
	int64_t for_ns; /* -1: none */
	const struct yamldoc_node *end_place;
	bool end;       /* of what an earlier action began */
	int64_t at_ns;
	enum script_at { AT_UNKNOWN, AT_BUSY, AT_KNOWN, AT_BAD, AT_OPEN } at_state;
	const struct yamldoc_node *within_place, *after;
	int64_t within_ns;
	struct script_when *when; /* NULL: its time is in the file */
};

struct script_build {
	struct decoder d; /* first */
	const struct topo *topo;
	const struct script_options *options;
	const struct yamldoc_node *params, *matrix, *recover;
	int64_t duration_ns, recover_ns; /* duration: INT64_MAX when not given */
	struct script_entry entries[SCRIPT_ENTRIES_MAX];
	size_t n_entries;
	struct script_action actions[SCRIPT_ACTIONS_MAX];
	const struct yamldoc_node *places[SCRIPT_ACTIONS_MAX]; /* of the actions, for messages */
	unsigned flags[SCRIPT_ACTIONS_MAX];                    /* enum script_flag */
	size_t n_actions;
	const char *path;             /* of the file */
	const struct runview *names;  /* of the mesh's signals */
	int64_t settled_ns;           /* end of the steady state before the first action */
	bool lenient; /* some condition has not fired: what cannot happen then is missed, no error */
	size_t n_whens, n_missed;
	struct script_when *whens; /* room for all entries */
	struct script_missed *missed;
	size_t n_last;
	struct script_last *last;
	bool unhealed; /* time.heal is off */
	bool replay;   /* what does nothing is done all the same */
	bool timed; /* the actions are in order and their steps are known */
};

/* A scalar with its parameters put in, and where each character stands in the file. */
struct script_text {
	char s[EXPR_TEXT_MAX];
	size_t n, from[EXPR_TEXT_MAX];
	const struct yamldoc_node *node;
};

/* Appends; counts from the end of the list are never given back. NULL: full, with an error. */
struct script_action *script_build_add(struct script_build *, const struct yamldoc_node *place,
                                       unsigned flags);
/* The same tree with its ${names} replaced; NULL after an error. */
const struct yamldoc_node *script_build_expand(struct script_build *, const struct yamldoc_node *);
void script_build_timeline(struct script_build *, const struct yamldoc_node *list);
/* Orders the actions by step and checks the sequence; drops lease ends that find their link dead.
 */
void script_build_check(struct script_build *);
/* The value of a parameter; NULL after an error at `at`. */
const char *script_build_parameter(struct script_build *, const struct yamldoc_node *at,
                                   const char *name);
/* Checks `matrix` and the parameters from outside; fills n_combinations and chosen. */
void script_build_matrix(struct script_build *, struct script *);
/* After the timeline. */
void script_build_expect(struct script_build *, const struct yamldoc_node *root, struct script *);

/* ---- script_targets.c ----------------------------------------------------------------------- */

/* Adds the actions of an entry; false: its list of targets is empty. */
bool script_targets_add(struct script_build *, const struct script_entry *);

/* ---- script_when.c -------------------------------------------------------------------------- */

/* `raw` is the entry without its parameters put in. Reads "when CONDITION" of `at`. */
void script_when_read(struct script_build *, struct script_entry *, const struct yamldoc_node *raw);
/* The time of such an entry; `from` is what `after` says (AT_OPEN: what it waits for is open). */
enum script_at script_when_resolve(struct script_build *, struct script_entry *, enum script_at from,
                                   int64_t from_ns);
/* An action that does not take place. */
void script_when_miss(struct script_build *, const struct script_action *, const char *why);
/* Why the actions of an open entry are missed. */
void script_when_why(const struct script_entry *, char text[200]);

/* ---- script_by_hand.c ----------------------------------------------------------------------- */

/* Takes `last_sent` of a kill whose step is known. */
void script_by_hand_read(struct script_build *, struct script_action *);

/* ---- script_text.c -------------------------------------------------------------------------- */

bool script_text_expand(struct script_build *, const struct yamldoc_node *, const char *key,
                        struct script_text *ret);
/* An error at a place inside a scalar. */
struct diag *script_text_error(struct script_build *, const struct script_text *, size_t at,
                               size_t length, const char *text);
/* NULL after an error. */
struct expr *script_text_expr(struct script_build *, const struct runview *names,
                              const struct script_text *, enum expr_kind);

/* ---- script_event.c ------------------------------------------------------------------------- */

/* Whether the first word, of n bytes, is the name of an event. */
bool script_event_starts(const char *text, size_t n);
/* A pattern: its words are checked, and joined by single spaces. */
bool script_event_read(struct script_build *, const struct script_text *,
                       char ret[DRILL_EVENT_MAX]);
/* "700ms", "kill", "kill + 5ms", "joined subject=n3"; `v` NULL: nothing is done. */
bool script_event_moment(struct script_build *, const struct yamldoc_node *v, const char *key,
                         struct drill_moment *);

/* ---- script_compare.c ----------------------------------------------------------------------- */

/* `path`: of the drill file, for paths in it. */
void script_compare_read(struct script_build *, const struct yamldoc_node *against, const char *path,
                         struct drill_check *);

/* ---- script_blast.c ------------------------------------------------------------------------- */

void script_blast_read(struct script_build *, const struct yamldoc_node *);

/* Reference of the actions for docs/drills.md. */
extern const struct schema script_schema_entry, script_schema_time, script_schema_root,
	script_schema_gate, script_schema_blast, script_schema_expect;
void script_print_reference(FILE *);
/* The words before and after the tables (script_doc.c). */
void script_print_preface(FILE *);
void script_print_meaning(FILE *);

#endif
