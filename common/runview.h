/*
 * runview.h - all that was recorded of one run as one object, over processes, lives and steps.
 *
 * A process (index: nodes, then modules, as in the topology) has a life per incarnation. The frame
 * of a process at step k is that of the life whose first_k <= k <= last_k; between two lives, and
 * after the last one, it is dead and has none. A scripted kill at K leaves K-1 as the last frame.
 *
 * Made from a run directory (mesh.yaml, rec/), also of a run that goes on, or from recorders in
 * memory. Read only; not for several threads.
 */
#ifndef VL_RUNVIEW_H
#define VL_RUNVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rec.h"
#include "topo.h"

struct runview;

/* Loads <run_dir>/mesh.yaml and opens <run_dir>/rec/ *.frames. Refuses files that are damaged, of
 * another mesh or topology, and a run without any. */
int runview_open(const char *run_dir, struct runview **ret, struct err *);
/* Borrows `topo` and what the recorders hold; both must outlive the view. */
int runview_of(const struct topo *topo, struct rec *const *recs, size_t n, struct runview **ret,
               struct err *);
void runview_close(struct runview **);
/* Takes in frames, events and (for a run directory) lives that came since. Frames that were handed
 * out before are no longer valid. */
int runview_refresh(struct runview *, struct err *);

const struct topo *runview_topo(const struct runview *);
uint64_t runview_seed(const struct runview *);
bool runview_partial(const struct runview *);    /* early frames were dropped */
int64_t runview_first_k(const struct runview *); /* lowest frame of any life */
int64_t runview_last_k(const struct runview *);  /* highest frame of any life: the end of the run */

size_t runview_n_procs(const struct runview *);
const char *runview_id(const struct runview *, size_t proc);
/* Index of a process by id, or -1. */
int runview_find(const struct runview *, const char *id);

size_t runview_n_lives(const struct runview *, size_t proc);
/* By incarnation, ascending. */
struct rec_file *runview_life(const struct runview *, size_t proc, size_t life);
/* The life that has frame k; -1: none. */
int runview_life_at(const struct runview *, size_t proc, int64_t k);
/* Word `field` of frame k; false: no such frame. */
bool runview_value(const struct runview *, size_t proc, int field, int64_t k, double *ret);
/* Frames from k on that lie one behind the other in memory, `words` apart. NULL: the process has no
 * frame k; then n is how long that stays so. Valid until runview_refresh(). */
struct runview_run {
	const union rec_word *w; /* frame k */
	int64_t n;               /* >= 1 */
	size_t words;
};
struct runview_run runview_run(const struct runview *, size_t proc, int64_t k);
/* Changes with each runview_refresh(). */
uint64_t runview_generation(const struct runview *);
/* Index of a field of this process, the same in all of its lives; -1: it has none of that name. */
int runview_field(const struct runview *, size_t proc, const char *name);
const struct rec_field *runview_fields(const struct runview *, size_t proc, size_t *n);

/* The trace of the whole run (rec_trace). A thread may do this while others read the view. */
int runview_trace(const struct runview *, uint8_t out[32], struct err *);

#endif
