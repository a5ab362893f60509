/*
 * node_trim.h - self-calibration in a node: between its sensors (node_sense.h), the estimator
 * (node_calib.h) and STATE.
 *
 * There is one in a node with `calibration: on`; every call takes NULL where there is none, and
 * does nothing.
 */
#ifndef VL_NODE_TRIM_H
#define VL_NODE_TRIM_H

#include "core.h"
#include "node_sense.h"

struct node_trim;

/* *ret is NULL when the node does not calibrate. */
int node_trim_create(const struct slice *, const struct node_sense *, size_t n_links,
                     struct node_trim **ret, struct err *);
void node_trim_destroy(struct node_trim **);

/* Frame k ends a control period: readings, then an exchange with what was heard. */
void node_trim_step(struct node_trim *, int64_t k, const struct node_sense *, struct core_events *);
/* STATE of neighbour l. */
void node_trim_hear(struct node_trim *, size_t l, const struct wave *);
/* Link l is open. */
void node_trim_forget(struct node_trim *, size_t l);
/* Its neighbour has died: the next one has other sensors. */
void node_trim_reborn(struct node_trim *, size_t l);
/* Into the STATE to neighbour l. */
void node_trim_say(const struct node_trim *, size_t l, struct wave *);
/* The factor of readings of the feed. */
double node_trim_feed(const struct node_trim *);

/* Fields of the recorder: none without a trim. */
enum { NODE_TRIM_FIELDS = 5 };
extern const struct node_trim_field {
	const char *name, *unit;
} node_trim_fields[NODE_TRIM_FIELDS];
void node_trim_frame(const struct node_trim *, double values[NODE_TRIM_FIELDS]);

#endif
