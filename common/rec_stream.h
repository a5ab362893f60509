/*
 * rec_stream.h - one file of the flight recorder (or the same bytes in memory), append only.
 *
 * Internal to the recorder: rec.c makes two of them (frames, events), rec_file.c reads them.
 *
 * Layout, little-endian: struct rec_disk, n_fields times struct rec_field, zeros up to a multiple
 * of 4096, then frames of n_fields 8-byte words. count and first are the only bytes of the header
 * that change; they are left out of hashes.
 *
 * File. The file is made under a temporary name and linked to its own when the header is complete,
 * so that a file with the right name always has a header. Frames go through one mapped window of
 * one segment that starts at the page of the last frame, so frames may straddle segments; all that
 * is mapped has been allocated before, so writing cannot raise SIGBUS.
 *
 * Buffered file. The same file, but frames gather in a buffer that is written up to each multiple
 * of REC_BUFFER in the file, and count follows what was written. Readers of the file never see half
 * a frame here either.
 *
 * Memory. Blocks that hold a whole number of frames and never move.
 */
#ifndef VL_REC_STREAM_H
#define VL_REC_STREAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "rec.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the recorder writes words as they are");

enum {
	REC_VERSION = 1,
	REC_PAGE = 4096,              /* B; headers are padded to it, windows start at a multiple */
	REC_SEGMENT_FRAMES = 1 << 20, /* B */
	REC_SEGMENT_EVENTS = 1 << 16, /* B; smaller: events are rare, and a mesh has many files */
	REC_BLOCK_FRAMES = 1 << 16,   /* B, in memory */
	REC_BLOCK_EVENTS = 1 << 12,
	REC_BUFFER = 1 << 15, /* B; those of a mesh together should stay in the cache */
	REC_FIELDS_MAX = 4096,
};
#define REC_MAGIC "VLREC\r\n\032" /* 8 bytes, damaged by any text conversion */

enum rec_what { REC_FRAMES = 1, REC_EVENTS = 2 };

struct rec_disk {
	char magic[8];
	uint32_t version, what; /* REC_VERSION, enum rec_what */
	_Atomic uint64_t count; /* frames ever committed */
	_Atomic uint64_t first; /* frames before it were dropped */
	uint64_t head_bytes;
	uint32_t n_fields, substeps;
	uint32_t port_period, incarnation;
	int64_t step_ns, start_k;
	uint64_t seed;
	uint8_t topo_hash[32];
	char kind[8], id[32], mesh[32];
	uint64_t zero;
};
/* The bytes that hashes skip. */
enum { REC_SKIP_FROM = 16, REC_SKIP_TO = 32 };
_Static_assert(sizeof(struct rec_disk) == 192, "layout of the file");
_Static_assert(offsetof(struct rec_disk, count) == REC_SKIP_FROM, "layout of the file");
_Static_assert(offsetof(struct rec_disk, head_bytes) == REC_SKIP_TO, "layout of the file");
_Static_assert(sizeof(struct rec_field) == 88, "layout of the file");

/* The event frame: k, code, chan as integers, then a, b, c, d. */
enum { REC_EVENT_WORDS = 7 };
extern const struct rec_field rec_event_fields[REC_EVENT_WORDS];

/* Size of a header with so many fields. */
static inline uint64_t
rec_head_bytes(size_t n_fields)
{
	uint64_t n = sizeof(struct rec_disk) + (uint64_t)n_fields * sizeof(struct rec_field);
	return (n + REC_PAGE - 1) / REC_PAGE * REC_PAGE;
}

struct rec_stream {
	uint64_t count, first, keep; /* frames */
	uint64_t frame_bytes, head_bytes;
	char *next;            /* place of the next frame */
	char *room_end;        /* end of what may be written without making room */
	char *scratch;         /* takes frames after a failure */
	struct rec_disk *disk; /* header: mapped (its first page), or heap */
	int failed;            /* the code of the first failure */
	/* file */
	int fd;
	char *path;
	char *window; /* NULL: memory */
	uint64_t window_off, window_len, taken_end, segment;
	uint64_t dropped_end; /* bytes from the header up to here were given back */
	/* buffered file */
	char *buffer; /* NULL: not buffered */
	uint64_t buffer_off, written_end; /* bytes of the file: start of the buffer, what is there */
	/* memory */
	char **blocks;
	size_t n_blocks, cap_blocks, per_block, first_block;
};

/* path == NULL: memory. keep: frames, or REC_BUFFERED. */
int rec_stream_create(const char *path, const struct rec_head *, enum rec_what,
                      const struct rec_field *, size_t n_fields, uint64_t keep,
                      struct rec_stream **ret, struct err *);
void rec_stream_destroy(struct rec_stream **);

/* Slow half of the commit: makes room for one more frame. */
int rec_stream_room(struct rec_stream *, struct err *);

static inline int
rec_stream_commit(struct rec_stream *s, struct err *err)
{
	if (__builtin_expect(s->failed, 0))
		return rec_stream_room(s, err);
	s->count++;
	if (s->window) /* others see the header only there */
		atomic_store_explicit(&s->disk->count, s->count, memory_order_release);
	s->next += s->frame_bytes;
	if (__builtin_expect(s->next + s->frame_bytes <= s->room_end, 1))
		return 0;
	return rec_stream_room(s, err);
}

/* Writes out what a buffer holds. */
int rec_stream_flush(struct rec_stream *, struct err *);

/* The last committed frame; NULL when there is none. */
const char *rec_stream_last(const struct rec_stream *);

const struct rec_stream *rec_frames_of(const struct rec *);
const struct rec_stream *rec_events_of(const struct rec *);

#endif
