/*
 * drill_eval.h - the verdict of a drill, from its flight recorder alone.
 *
 * Every fault must have left its trace (events, last frames), every condition is tested at every
 * frame of its window, see expr.h and drill.h. The same recorder bytes give the same outcome.
 *
 *   fail          a bound, an event or the steady state was violated
 *   aborted       abort_if held in some sample
 *   inconclusive  a fault did not fire, or a bound never had a sample
 */
#ifndef VL_DRILL_EVAL_H
#define VL_DRILL_EVAL_H

#include "drill.h"
#include "runview.h"
#include "script.h"
#include "summary.h"

enum drill_verdict {
	DRILL_PASS,
	DRILL_FAIL,
	DRILL_INCONCLUSIVE,
	DRILL_INVALID,
	DRILL_ERROR,
	DRILL_ABORTED,
	DRILL_INTERRUPTED,
};
const char *drill_verdict_name(enum drill_verdict); /* "pass" */

enum { DRILL_TEXT_MAX = 640, DRILL_LINE_MAX = 400 };

enum drill_item_kind { ITEM_BEFORE, ITEM_CHECK, ITEM_AFTER, ITEM_ABORT };
struct drill_item {
	enum drill_item_kind kind;
	const struct drill_check *check; /* ITEM_CHECK */
	const struct expr *expr;         /* NULL: event */
	char id[TOPO_ID_MAX + 8];
	const char *op; /* "always", "steady state before" */
	enum drill_verdict verdict;
	bool vacuous;
	int64_t from_k, to_k; /* frames of the window; to < from: it never began */
	int64_t n_samples;
	int64_t at_k, first_k; /* of what was observed; first violation; -1: none */
	bool has_value;
	double observed, bound;
	bool has_reference;
	double reference;     /* compare: the other run's value */
	const char *bound_op; /* ">=" */
	enum unit unit;
	char who[64];              /* signal that was observed, "" */
	char text[DRILL_TEXT_MAX]; /* one sentence */
};

struct drill_fault {
	const struct script_action *action;
	const char *target; /* id */
	const char *when;   /* the condition it waits for; NULL: none */
	bool proved, heals;
	char text[DRILL_LINE_MAX]; /* what proves it, or what is missing */
};

struct drill_outcome {
	enum drill_verdict verdict;
	size_t n_items, n_faults, n_proved;
	struct drill_item *items;
	struct drill_fault *faults;
	int64_t last_k;
	struct summary summary;
};

/* The figure of a compare in its other run at step k (-1: at its end). < 0: that could not be run.
 */
typedef int drill_figure(void *arg, const struct drill_check *, int64_t k, bool *has_value,
                         double *lo, double *hi, struct err *);

/* Borrows all; the outcome refers to the script and the view. `strict`: vacuous fails. `other` may
 * be NULL where nothing is compared. The trace in the summary is left to the caller:
 * summary_trace(). */
int drill_eval(const struct script *, const struct runview *, bool strict, drill_figure *other,
               void *arg, struct drill_outcome **ret, struct err *);
/* The one condition with that id, of what the view has: it may end before the drill does. Then a bound that is
 * broken is broken, and what only time can tell is inconclusive. */
int drill_eval_item(const struct script *, const struct runview *, bool strict, drill_figure *other,
                    void *arg, const char *id, struct drill_item *ret, struct err *);
void drill_outcome_destroy(struct drill_outcome **);

/* "42.3V", "0.021"; times as exact seconds: "0.7013 s". */
void drill_value(double value, enum unit, char buf[48]);
void drill_time(const struct topo *, int64_t k, char buf[48]);
const char *drill_target(const struct topo *, const struct script_action *);

#endif
