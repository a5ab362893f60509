/*
 * drill_eval_priv.h - what the files of the evaluation share.
 *
 *   drill_eval.c   windows, items, verdict
 *   drill_test.c   the operators: always, eventually, settles, metric, event
 *   drill_prove.c  whether what the timeline did is in the recorder (drill_prove.h)
 *   drill_find.c   patterns of events (drill_find.h)
 *
 * Nobody else includes this header.
 */
#ifndef VL_DRILL_EVAL_PRIV_H
#define VL_DRILL_EVAL_PRIV_H

#include "drill_eval.h"
#include "events.h"

struct drill_work {
	const struct script *s;
	const struct runview *view;
	const struct topo *topo;
	struct events *events;
	bool strict;
	drill_figure *other;
	void *arg;
	int64_t end_k; /* of the duration: where windows end */
	struct err *err;
};

struct drill_window {
	int64_t from_ns, to_ns;
	bool began, cut; /* cut: the drill ends before it */
};

/* Adds to the item's sentence. */
__attribute__((format(printf, 2, 3))) void drill_say(struct drill_item *, const char *fmt, ...);
/* Each fills all of the item but its window, it->from_k to it->to_k. < 0: err is filled. */
int drill_test_always(const struct drill_work *, struct drill_item *, bool negated);
int drill_test_eventually(const struct drill_work *, struct drill_item *);
/* hold_k: steps; -1: to the end. */
int drill_test_settles(const struct drill_work *, struct drill_item *, int64_t hold_k);
int drill_test_metric(const struct drill_work *, struct drill_item *);
int drill_test_compare(const struct drill_work *, struct drill_item *);
/* `wanted`: passes when it is there. */
void drill_test_event(const struct drill_work *, struct drill_item *, const struct drill_window *,
                      bool wanted);

#endif
