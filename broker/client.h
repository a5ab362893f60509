/*
 * client.h - asks a running mesh for something and waits for its answer (docs/commands.md).
 *
 * One request at a time. It goes to the relay first, and to the supervisor itself when there is no
 * relay or it does not answer; it is sent again until there is an answer, always with the same id,
 * so it is acted on once. Waiting ends early when the supervisor's process has gone.
 */
#ifndef VL_CLIENT_H
#define VL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "procfs.h"

struct client;

/* supervisor NULL: its life is not watched. */
int client_open(const char *sock_dir, const struct procfs_id *supervisor, struct client **ret,
                struct err *);
void client_close(struct client **);

/* An argument: text, or a number when text is NULL. A NaN is left out. */
struct client_arg {
	const char *key, *text;
	double number;
};

struct client_reply {
	bool ok;
	int code; /* exit status of the verb that asked */
	char text[512];
	uint8_t *bytes;      /* the whole reply */
	const uint8_t *data; /* its `data`, inside bytes; NULL: none */
	size_t data_len;
};

/* ERR_TIMEOUT: no answer in time; ERR_PEER: the supervisor is gone; ERR_PROTO: no sense in the
 * answer. */
int client_ask(struct client *, const char *verb, const struct client_arg *, size_t n_args,
               double timeout_s, struct client_reply *, struct err *);
void client_reply_free(struct client_reply *);
/* An integer in the reply's data, e.g. "step". */
int64_t client_reply_int(const struct client_reply *, const char *key, int64_t otherwise);

#endif
