/*
 * mpread.h - reading MessagePack without allocating: one token after the other, bounds checked.
 *
 * For bytes that come from outside (telemetry, replies). A token borrows from the bytes that are
 * read. Array and map tokens announce n elements (n pairs), which follow as tokens; an announced
 * count that cannot fit in the bytes that are left is refused, so a loop over n is always bounded
 * by the size of the message. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
#ifndef VL_MPREAD_H
#define VL_MPREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MPREAD_DEPTH_MAX = 8 }; /* nesting that mpread_skip() follows */

enum mp_type {
	MP_NIL,
	MP_BOOL,
	MP_INT,
	MP_UINT,
	MP_FLOAT,
	MP_STR,
	MP_BIN,
	MP_ARRAY,
	MP_MAP,
	MP_EXT
};

struct mp_token {
	enum mp_type type;
	bool b;
	int64_t i; /* MP_INT; MP_UINT (above INT64_MAX) is in u */
	uint64_t u;
	double f;
	const char *s; /* MP_STR, MP_BIN, MP_EXT: n bytes, not NUL-terminated */
	uint32_t n;    /* bytes, elements or pairs */
};

struct mpread {
	const uint8_t *p, *end;
};

void mpread_init(struct mpread *, const void *data, size_t len);
/* 0, or -1: truncated or malformed; then the reader is at its end. */
int mpread_next(struct mpread *, struct mp_token *);
/* Passes over one whole value; -1 also when it is nested deeper than MPREAD_DEPTH_MAX. */
int mpread_skip(struct mpread *);
/* Passes over what an already read token announces. */
int mpread_skip_rest(struct mpread *, const struct mp_token *);

/* The number in a token (MP_INT, MP_UINT, MP_FLOAT, MP_BOOL), or `otherwise`. */
double mp_number(const struct mp_token *, double otherwise);
int64_t mp_int(const struct mp_token *, int64_t otherwise);
bool mp_is(const struct mp_token *, const char *text); /* MP_STR with these bytes */
/* Copies a MP_STR into buf (NUL-terminated, cut); bytes outside printable ASCII become '?'.
 * Returns false and makes buf "" when the token is no string. */
bool mp_text(const struct mp_token *, char *buf, size_t size);

#endif
