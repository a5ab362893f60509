/*
 * rec.h - the flight recorder: fixed-size frames, appended, survive SIGKILL.
 *
 * One frame file and one event file per process incarnation:
 *   <dir>/<kind>.<id>.<incarnation>.frames     <dir>/<kind>.<id>.<incarnation>.events
 * A file is a header (fixed part, then the field table; padded to a multiple of 4096 bytes) and
 * frames of 8-byte little-endian words. Frame i of the file is frame start_k + i of the run. The
 * header's count is stored (release) after each frame: frames above it do not exist. Space is
 * taken with posix_fallocate in 1 MiB segments ahead; only the current and the next segment are
 * mapped. With dir == NULL the same bytes go to memory.
 *
 * Only plant facts are in these files; see docs/recorder.md for field names and their meaning.
 */
#ifndef VL_REC_H
#define VL_REC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct core_event;

union rec_word {
	double f;
	int64_t i;
};

struct rec_field {
	char name[80]; /* "v", "link.l1.i", "port.m1.p" */
	char unit[7];  /* "V", "A", "W", "J", "1", "" */
	char type;     /* 'f' double, 'i' int64 */
};

/* What the header of both files says. */
struct rec_head {
	char kind[8]; /* "node", "module" */
	char id[32], mesh[32];
	uint32_t incarnation, substeps, port_period;
	int64_t step_ns, start_k;
	uint64_t seed;
	uint8_t topo_hash[32];
};

struct rec;

/* For keep_frames: keep everything, and write files in large pieces. What has not been written yet
 * dies with the process, so this is for hosts whose death ends the run anyway; readers see it after
 * rec_flush() or rec_destroy(). A fourth of the cost of the mapped window (page faults). */
#define REC_BUFFERED UINT64_MAX

/* keep_frames: 0 keeps everything; else at least that many of the last frames (whole segments go);
 * or REC_BUFFERED. */
int rec_create(const char *dir, const struct rec_head *, const struct rec_field *, size_t n_fields,
               uint64_t keep_frames, struct rec **ret, struct err *);
void rec_destroy(struct rec **);
/* The same, and its files go, too: as if nothing had been recorded. */
void rec_discard(struct rec **);

/* The words of the next frame, all to be filled in place, then rec_commit(). Neither allocates nor makes
 * a system call except when a segment ends. */
union rec_word *rec_next(struct rec *);
int rec_commit(struct rec *, struct err *);
int rec_event(struct rec *, const struct core_event *, struct err *);
/* What was committed is in the files; nothing to do unless REC_BUFFERED. */
int rec_flush(struct rec *, struct err *);

int64_t rec_first_k(const struct rec *); /* of the frames that are kept */
int64_t rec_last_k(const struct rec *);  /* -1 + start_k: none yet */
const union rec_word *rec_last(const struct rec *);
const struct rec_head *rec_head(const struct rec *);
const struct rec_field *rec_fields(const struct rec *, size_t *n);

/* ---- reading, from files (also of a running or dead process) or from a struct rec --------------- */

struct rec_file;
/* `path` is the .frames file; the .events file beside it is opened with it. */
int rec_file_open(const char *path, struct rec_file **ret, struct err *);
/* Borrows the memory of `rec`, which must outlive the rec_file. */
int rec_file_of(const struct rec *, struct rec_file **ret, struct err *);
void rec_file_close(struct rec_file **);
/* Takes in what was appended since. */
int rec_file_refresh(struct rec_file *, struct err *);

const struct rec_head *rec_file_head(const struct rec_file *);
const struct rec_field *rec_file_fields(const struct rec_file *, size_t *n);
int rec_file_field(const struct rec_file *, const char *name); /* index or -1 */
int64_t rec_file_first_k(const struct rec_file *);
int64_t rec_file_last_k(const struct rec_file *);
bool rec_file_partial(const struct rec_file *);                /* early segments were dropped */
/* NULL when frame k does not exist. */
const union rec_word *rec_file_frame(const struct rec_file *, int64_t k);
/* The same, and how many frames from k on lie one behind the other in memory (>= 1), the number of
 * fields apart. */
const union rec_word *rec_file_run(const struct rec_file *, int64_t k, int64_t *n);
size_t rec_file_n_events(const struct rec_file *);
const struct core_event *rec_file_event(const struct rec_file *, size_t i);

/* SHA-256 of header and committed frames (count left out) of the frames or the event file. */
int rec_file_sha256(const struct rec_file *, bool events, uint8_t out[32], struct err *);
/* trace: SHA-256 over the files' hashes, node before module, id in byte order, incarnation, frames
 * before events. `files` in any order. */
int rec_trace(struct rec_file *const *files, size_t n, uint8_t out[32], struct err *);

#endif
