/*
 * json_out.h - writes JSON (RFC 8259) to a stream; nothing here reads it.
 *
 * Values are written in the order of the calls; the emitter keeps track of commas. A key is given
 * inside an object and NULL inside an array or at the top. Texts that are not UTF-8 get U+FFFD for
 * every bad byte. NaN and infinities, which JSON has not, become null. Numbers are written with the
 * fewest digits that read back to the same double. Errors stay in the stream (ferror).
 */
#ifndef VL_JSON_OUT_H
#define VL_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_OUT_DEPTH_MAX = 16 };

struct json_out {
	FILE *f;
	unsigned depth;
	char close[JSON_OUT_DEPTH_MAX];  /* what ends each level */
	bool filled[JSON_OUT_DEPTH_MAX]; /* the level has a value */
};

void json_out_init(struct json_out *, FILE *);
void json_out_object(struct json_out *, const char *key);
void json_out_array(struct json_out *, const char *key);
void json_out_end(
	struct json_out *); /* of the innermost object or array; the outermost ends the line */
void json_out_text(struct json_out *, const char *key, const char *text); /* NULL: null */
void json_out_int(struct json_out *, const char *key, int64_t);
void json_out_real(struct json_out *, const char *key, double);
void json_out_bool(struct json_out *, const char *key, bool);

#endif
