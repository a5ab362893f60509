/*
 * events.h - all recorded events of a run in plant-time order, as text or JSON lines.
 *
 * Order: step, then process (nodes, then modules, as in the topology), incarnation, place in its
 * file. Each end of a link reports for itself. One line of text is plant time, step, process and
 * incarnation, and the event as `name key=value ...`:
 *
 *   0.5 s  step 5000  n1.1  link.open link=l1 cause=death rx=4998 wave_j=2.9 booked_j=-2.8
 */
#ifndef VL_EVENTS_H
#define VL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core.h"
#include "err.h"
#include "runview.h"

struct events_item {
	size_t proc; /* index in the view */
	uint32_t incarnation;
	struct core_event e;
};

struct events;

/* Copies all events that the view holds now; borrows the view. */
int events_collect(const struct runview *, struct events **ret, struct err *);
void events_destroy(struct events **);
size_t events_count(const struct events *);
const struct events_item *events_item(const struct events *, size_t i);

enum { EVENTS_TEXT_MAX = 320 };
/* "link.open link=l1 cause=death ..." */
void events_text(const struct events *, size_t i, char buf[EVENTS_TEXT_MAX]);
/* True when each word of `wanted` ("link.open link=l1") is a word of the event's text or its
 * process
 * ("subject=n1"). */
bool events_match(const struct events *, size_t i, const char *wanted);

/* One item as a line; errors stay in the stream. */
void events_put(const struct events *, size_t i, bool json, FILE *out);
/* Items [from, count) that match `wanted` (NULL: all), one per line. ERR_IO, ERR_FULL: writing. */
int events_print(const struct events *, size_t from, const char *wanted, bool json, FILE *out,
                 struct err *);

#endif
