/*
 * err.h - how a function says that the world failed.
 *
 * A function that can fail for a reason outside the program returns 0 or a negative enum err_code
 * and fills a struct err with one sentence. Callers on the way up put their context in front with
 * err_wrap() until it reads like "rack8.yaml:12:5: feed.i_rated: -3 A is not in [0.1, 1000] A".
 * Programming mistakes are assert()s, which stay on in release builds.
 */
#ifndef VL_ERR_H
#define VL_ERR_H

#include <stddef.h>

/* code, exit status of the command that ends with it, text when nothing better is known */
#define ERR_TABLE(X)                                                                               \
	X(ERR_NOMEM, 4, "out of memory")                                                           \
	X(ERR_IO, 4, "input/output error")                                                         \
	X(ERR_FULL, 4, "no space left")                                                            \
	X(ERR_INPUT, 3, "bad input file")                                                          \
	X(ERR_USAGE, 64, "wrong arguments")                                                        \
	X(ERR_NOTFOUND, 64, "not found")                                                           \
	X(ERR_LIMIT, 3, "limit exceeded")                                                          \
	X(ERR_PROTO, 4, "protocol error")                                                          \
	X(ERR_PEER, 4, "peer failed")                                                              \
	X(ERR_TIMEOUT, 4, "timed out")                                                             \
	X(ERR_STATE, 4, "not possible in this state")

enum err_code {
	ERR_OK = 0,
	ERR_BASE_ = -1000,
#define X(code, status, text) code,
	ERR_TABLE(X)
#undef X
	ERR_END_
};

struct err {
	int code;       /* 0 or enum err_code */
	char text[768]; /* one sentence, no trailing newline */
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		.code = 0                                                                          \
	}

/* Both return the code, so that "return err_set(err, ERR_IO, ...)" reads well. `err` may be NULL.
 * err_sys() appends ": " and strerror(errno), and turns ENOSPC/ENOMEM into the matching code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_sys(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "<fmt>: " in front of the text that is there; returns its code. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *err_name(int code);
const char *err_default_text(int code);
int err_exit_status(int code); /* exit status of the table in `voltloom help exit-codes` */

#endif
