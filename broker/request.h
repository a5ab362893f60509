/*
 * request.h - requests of clients to the supervisor and their answers (docs/commands.md): routing
 * envelopes, MessagePack, and the memory that keeps a repeated request from acting twice.
 */
#ifndef VL_REQUEST_H
#define VL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

#include "err.h"

enum { REQUEST_ID_MAX = 64, REQUEST_HOPS_MAX = 4, REQUEST_ROUTE_MAX = 64 };

struct request {
	char id[REQUEST_ID_MAX], verb[16], target[32];
	/* NaN when not given */
	double precharge_ohm, bypass_s, level_w, ramp_s, r_ohm, for_s, factor;
	double only, loss, delay_s, jitter_s, end;
	char action[24], with[256]; /* "do"; "" when not given */
	/* the way back */
	size_t n_hops;
	size_t hop_len[REQUEST_HOPS_MAX];
	uint8_t hop[REQUEST_HOPS_MAX][REQUEST_ROUTE_MAX];
};

struct request_box;

/* Binds ipc://<dir>/sup.cmd. */
int request_box_create(void *zmq_ctx, const char *dir, struct request_box **ret, struct err *err);
void request_box_destroy(struct request_box **);
void *request_box_socket(struct request_box *);

/* The next request, false: none. Requests that were answered before are answered again here;
 * those that are being worked on are passed over; malformed ones are answered with an error. */
bool request_next(struct request_box *, struct request *);
/* Answers it; `pack` (may be NULL) packs the value of `data`. */
void request_answer(struct request_box *, const struct request *, bool ok, int code, const char *text,
                    void (*pack)(void *arg, msgpack_packer *), void *arg);

#endif
