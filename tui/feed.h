/*
 * feed.h - the dashboard's line to a mesh: telemetry in, requests out, all through the relay.
 *
 * A client only: with the relay gone nothing is heard until it is back, and nothing is lost but
 * that. A request is sent again every second with the same id until it is answered, so it acts
 * once.
 */
#ifndef VL_FEED_H
#define VL_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "input.h"
#include "view.h"

struct feed;

struct feed_answer {
	bool ok;
	char verb[12], target[TOPO_ID_MAX];
	char text[128];
	bool then_quit;
};

int feed_open(const char *sock_dir, struct feed **ret, struct err *);
void feed_close(struct feed **);

/* Takes what has arrived into the view; asks for the status once a second. */
void feed_take(struct feed *, struct view *, int64_t wall_ns);
/* Waits for telemetry or an answer; returns early on a signal. */
void feed_wait(struct feed *, int timeout_ms);
/* True when the supervisor has answered at least once. */
bool feed_has_status(const struct feed *);

/* False while another request waits for its answer. */
bool feed_request(struct feed *, const struct ui_request *, int64_t wall_ns);
/* The answer to the last request, once; also when there was none for ten seconds. */
bool feed_answer(struct feed *, int64_t wall_ns, struct feed_answer *ret);

#endif
