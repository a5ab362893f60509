/*
 * drill_from.h - a drill file from the flight recorder of a run: what was done to it, at the steps
 * at which it acted, so that the drill has the same trace.
 *
 * Everything comes from the record, not from a log of commands: faults from the events of who took
 * them, births from the lives, deaths from last frames. A death that nobody scripted (SIGKILL by
 * hand, a hang that the supervisor ended, a crash) reaches each neighbour at another step; what
 * each of them had got is in its event of the opening, and becomes `last_sent`. What has no effect
 * on the plant (pause, speed, a hang that ended in time) leaves nothing.
 */
#ifndef VL_DRILL_FROM_H
#define VL_DRILL_FROM_H

#include <stdio.h>

#include "runview.h"

struct drill_from {
	size_t n_actions, n_deaths; /* n_deaths: those that nobody scripted */
	bool partial;               /* early frames were dropped: the trace cannot be compared */
};

/* `topology` and `run_dir` as they shall stand in the file. ERR_INPUT with a sentence: something in
 * the run cannot be scripted. */
int drill_from_write(const struct runview *, const char *run_dir, const char *topology, FILE *,
                     struct drill_from *ret, struct err *);

struct verb_call;
/* `drill --from RUN [-o FILE]`: writes the file, plays it in memory and says whether the trace is
 * that of the run. Exit status. */
int drill_from_verb(struct verb_call *, const char *run, const char *out);

#endif
