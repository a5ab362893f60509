/*
 * batch.h - the view as plain text or JSON on stdout, without a terminal.
 */
#ifndef VL_BATCH_H
#define VL_BATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "feed.h"
#include "glyph.h"
#include "input.h"
#include "view.h"

struct batch_params {
	int64_t n;           /* snapshots, 0: until stopped */
	int64_t interval_ns; /* wall time between them */
	bool json;           /* one object per line */
	enum glyph_tier tier;
	int width;                         /* columns of the text */
	const volatile sig_atomic_t *stop; /* set by a signal */
};

/* The first snapshot waits until every process has been heard twice and the supervisor once, for
 * BATCH_PATIENCE_NS at most. ERR_TIMEOUT when nobody was heard at all. */
#define BATCH_PATIENCE_NS INT64_C(1500000000)
int batch_run(struct feed *, struct view *, const struct batch_params *, struct err *);

#endif
