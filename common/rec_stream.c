#include "rec_stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct rec_field rec_event_fields[REC_EVENT_WORDS] = {
	{ "k", "", 'i' }, { "code", "", 'i' }, { "chan", "", 'i' }, { "a", "", 'f' },
	{ "b", "", 'f' }, { "c", "", 'f' },    { "d", "", 'f' },
};

static void
head_fill(struct rec_disk *d, const struct rec_head *h, enum rec_what what,
          const struct rec_field *fields, size_t n_fields)
{
	memcpy(d->magic, REC_MAGIC, sizeof d->magic);
	d->version = REC_VERSION;
	d->what = what;
	d->head_bytes = rec_head_bytes(n_fields);
	d->n_fields = (uint32_t)n_fields;
	d->substeps = h->substeps;
	d->port_period = h->port_period;
	d->incarnation = h->incarnation;
	d->step_ns = h->step_ns;
	d->start_k = h->start_k;
	d->seed = h->seed;
	memcpy(d->topo_hash, h->topo_hash, sizeof d->topo_hash);
	/* Bytes behind a string's end must not depend on what was there before. */
	snprintf(d->kind, sizeof d->kind, "%s", h->kind);
	snprintf(d->id, sizeof d->id, "%s", h->id);
	snprintf(d->mesh, sizeof d->mesh, "%s", h->mesh);
	struct rec_field *to = (struct rec_field *)(d + 1);
	for (size_t i = 0; i < n_fields; i++) {
		snprintf(to[i].name, sizeof to[i].name, "%s", fields[i].name);
		snprintf(to[i].unit, sizeof to[i].unit, "%s", fields[i].unit);
		to[i].type = fields[i].type;
	}
}

static int
take_space(struct rec_stream *s, uint64_t end, struct err *err)
{
	end = (end + s->segment - 1) / s->segment * s->segment;
	if (end <= s->taken_end)
		return 0;
	int rc;
	do
		rc = posix_fallocate(s->fd, (off_t)s->taken_end, (off_t)(end - s->taken_end));
	while (rc == EINTR);
	if (rc) {
		int code = rc == ENOSPC || rc == EDQUOT || rc == EFBIG ? ERR_FULL : ERR_IO;
		return err_set(err, code, "%s: cannot take space up to %" PRIu64 " bytes: %s",
		               s->path, end, strerror(rc));
	}
	s->taken_end = end;
	return 0;
}

/* Maps one segment from the page of `off`, so that [off, off + 2 frames) is inside. */
static int
map_window(struct rec_stream *s, uint64_t off, struct err *err)
{
	uint64_t from = off / REC_PAGE * REC_PAGE;
	int rc = take_space(s, from + s->segment, err);
	if (rc)
		return rc;
	/* A given address must stay valid until the new window is there: map first, then unmap. */
	void *p = mmap(NULL, s->segment, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)from);
	if (p == MAP_FAILED)
		return err_sys(err, ERR_IO, "%s: mmap", s->path);
	if (s->window)
		munmap(s->window, s->window_len);
	s->window = p;
	s->window_off = from;
	s->window_len = s->segment;
	s->next = s->window + (s->head_bytes + s->count * s->frame_bytes - from);
	s->room_end = s->window + s->window_len;
	return 0;
}

/* Gives back whole segments before the frames that must be kept. */
static int
drop_segments(struct rec_stream *s, struct err *err)
{
	if (!s->keep || s->count <= s->keep)
		return 0;
	uint64_t need = s->head_bytes + (s->count - s->keep) * s->frame_bytes;
	uint64_t end = need / s->segment * s->segment;
	if (end <= s->dropped_end || end <= s->head_bytes)
		return 0;
	uint64_t first = (end - s->head_bytes + s->frame_bytes - 1) / s->frame_bytes;
	s->first = first;
	atomic_store_explicit(&s->disk->first, first, memory_order_release);
	if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->dropped_end,
	              (off_t)(end - s->dropped_end)))
		return err_sys(err, ERR_IO, "%s: cannot drop bytes %" PRIu64 " to %" PRIu64,
		               s->path, s->dropped_end, end);
	s->dropped_end = end;
	return 0;
}

static int
room_file(struct rec_stream *s, struct err *err)
{
	int rc = drop_segments(s, err);
	if (rc)
		return rc;
	return map_window(s, s->head_bytes + (s->count ? s->count - 1 : 0) * s->frame_bytes, err);
}

static int
write_at(struct rec_stream *s, const void *data, size_t n, uint64_t off, struct err *err)
{
	const char *p = data;
	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(s->fd, p + done, n - done, (off_t)(off + done));
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && (errno == EFBIG || errno == ENOSPC || errno == EDQUOT))
			return err_set(err, ERR_FULL, "%s: cannot write %zu bytes: %s", s->path, n,
			               strerror(errno));
		if (w <= 0)
			return err_sys(err, ERR_IO, "%s: cannot write %zu bytes", s->path, n);
		done += (size_t)w;
	}
	return 0;
}

/* Writes what the buffer holds before `end`, a place in the file, and counts the frames that are
 * whole now. */
static int
write_until(struct rec_stream *s, uint64_t end, struct err *err)
{
	int rc = write_at(s, s->buffer + (s->written_end - s->buffer_off), end - s->written_end,
	                  s->written_end, err);
	const uint64_t count = (end - s->head_bytes) / s->frame_bytes;
	if (!rc)
		rc = write_at(s, &count, sizeof count, offsetof(struct rec_disk, count), err);
	if (rc)
		s->failed = rc;
	else
		s->written_end = end;
	return rc;
}

int
rec_stream_flush(struct rec_stream *s, struct err *err)
{
	if (!s->buffer || s->failed)
		return 0;
	const uint64_t end = s->buffer_off + (uint64_t)(s->next - s->buffer);
	return end == s->written_end ? 0 : write_until(s, end, err);
}

/* The buffer is full when a frame has reached the next multiple of REC_BUFFER in the file: whole
 * aligned pieces cost the kernel half of what others do. */
static void
buffer_begin(struct rec_stream *s, uint64_t off, uint64_t next)
{
	const uint64_t full = (next / REC_BUFFER + 1) * REC_BUFFER;

	s->buffer_off = off;
	s->next = s->buffer + (next - off);
	s->room_end = s->buffer + (full - off) + s->frame_bytes - 1;
}

/* The buffer begins anew with its last frame, which may be half written and stays readable. */
static int
room_buffer(struct rec_stream *s, struct err *err)
{
	const uint64_t end = s->buffer_off + (uint64_t)(s->next - s->buffer);
	int rc = write_until(s, end / REC_BUFFER * REC_BUFFER, err);

	memmove(s->buffer, s->next - s->frame_bytes, s->frame_bytes);
	buffer_begin(s, end - s->frame_bytes, end);
	return rc;
}

static int
room_memory(struct rec_stream *s, struct err *err)
{
	if (s->keep && s->count > s->keep) {
		size_t until = (s->count - s->keep) / s->per_block;
		for (; s->first_block < until; s->first_block++) {
			free(s->blocks[s->first_block]);
			s->blocks[s->first_block] = NULL;
		}
		s->first = (uint64_t)s->first_block * s->per_block;
		atomic_store_explicit(&s->disk->first, s->first, memory_order_release);
	}
	if (s->n_blocks == s->cap_blocks) {
		size_t cap = s->cap_blocks ? 2 * s->cap_blocks : 16;
		char **p = realloc(s->blocks, cap * sizeof *p);
		if (!p)
			return err_set(err, ERR_NOMEM,
			               "recorder: out of memory at %" PRIu64 " frames", s->count);
		s->blocks = p;
		s->cap_blocks = cap;
	}
	char *b = malloc(s->per_block * s->frame_bytes);
	if (!b)
		return err_set(err, ERR_NOMEM, "recorder: out of memory at %" PRIu64 " frames",
		               s->count);
	s->blocks[s->n_blocks++] = b;
	s->next = b;
	s->room_end = b + s->per_block * s->frame_bytes;
	return 0;
}

int
rec_stream_room(struct rec_stream *s, struct err *err)
{
	if (s->failed)
		return err_set(err, s->failed, "%s: the recorder has failed before",
		               s->path ? s->path : "memory");
	int rc = s->buffer ? room_buffer(s, err)
	         : s->path ? room_file(s, err)
	                   : room_memory(s, err);
	if (rc) {
		s->failed = rc;
		s->next = s->scratch;
	}
	return rc;
}

const char *
rec_stream_last(const struct rec_stream *s)
{
	if (s->count == s->first)
		return NULL;
	if (s->buffer)
		return s->next == s->scratch ? s->buffer : s->next - s->frame_bytes;
	if (s->path) {
		uint64_t off = s->head_bytes + (s->count - 1) * s->frame_bytes;
		return s->window + (off - s->window_off);
	}
	uint64_t i = s->count - 1;
	return s->blocks[i / s->per_block] + i % s->per_block * s->frame_bytes;
}

/* The header is a mapping from here on, and frames go through the first window. */
static int
open_window(struct rec_stream *s, struct err *err)
{
	void *p = mmap(NULL, REC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, ERR_IO, "%s: mmap", s->path);
	free(s->disk);
	s->disk = p;
	s->window_len = 1; /* tells rec_stream_destroy() */
	return map_window(s, s->head_bytes, err);
}

static int
open_buffer(struct rec_stream *s, struct err *err)
{
	/* The last frame of the buffer before, what is left up to the multiple, and one more. */
	s->buffer = malloc(REC_BUFFER + 2 * s->frame_bytes);
	if (!s->buffer)
		return err_set(err, ERR_NOMEM, "%s: out of memory", s->path);
	s->written_end = s->head_bytes;
	buffer_begin(s, s->head_bytes, s->head_bytes);
	return 0;
}

/* Writes the header and the first window under a temporary name, then gives the file its own. */
static int
open_file(struct rec_stream *s, bool buffered, struct err *err)
{
	char *tmp = NULL;
	if (asprintf(&tmp, "%s.new", s->path) < 0)
		return err_set(err, ERR_NOMEM, "%s: out of memory", s->path);
	int rc;
	s->fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->fd < 0) {
		rc = err_sys(err, ERR_IO, "%s", s->path);
		goto out;
	}
	rc = buffered ? 0 : take_space(s, s->head_bytes + s->segment, err);
	if (!rc)
		rc = write_at(s, s->disk, s->head_bytes, 0, err);
	if (!rc)
		rc = buffered ? open_buffer(s, err) : open_window(s, err);
	if (!rc && link(tmp, s->path))
		rc = err_sys(err, ERR_IO, "%s", s->path);
	unlink(tmp);
out:
	free(tmp);
	return rc;
}

int
rec_stream_create(const char *path, const struct rec_head *head, enum rec_what what,
                  const struct rec_field *fields, size_t n_fields, uint64_t keep,
                  struct rec_stream **ret, struct err *err)
{
	assert(n_fields >= 1 && n_fields <= REC_FIELDS_MAX);
	struct rec_stream *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "recorder: out of memory");
	s->fd = -1;
	s->keep = keep == REC_BUFFERED ? 0 : keep;
	s->frame_bytes = n_fields * sizeof(union rec_word);
	s->head_bytes = rec_head_bytes(n_fields);
	s->dropped_end = s->head_bytes;
	s->segment = what == REC_FRAMES ? REC_SEGMENT_FRAMES : REC_SEGMENT_EVENTS;
	s->per_block = (what == REC_FRAMES ? REC_BLOCK_FRAMES : REC_BLOCK_EVENTS) / s->frame_bytes;
	assert(s->per_block >= 1);
	/* The window holds the last frame and the next one. */
	assert(2 * s->frame_bytes + REC_PAGE <= s->segment);
	int rc = 0;
	s->disk = calloc(1, s->head_bytes);
	s->scratch = calloc(1, s->frame_bytes);
	s->path = path ? strdup(path) : NULL;
	if (!s->disk || !s->scratch || (path && !s->path)) {
		rc = err_set(err, ERR_NOMEM, "recorder: out of memory");
	} else {
		head_fill(s->disk, head, what, fields, n_fields);
		rc = path ? open_file(s, keep == REC_BUFFERED, err) : room_memory(s, err);
	}
	if (rc) {
		rec_stream_destroy(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void
rec_stream_destroy(struct rec_stream **ps)
{
	struct rec_stream *s = *ps;
	if (!s)
		return;
	*ps = NULL;
	if (s->window)
		munmap(s->window, s->window_len);
	if (s->path && s->window_len)
		munmap(s->disk, REC_PAGE);
	else
		free(s->disk);
	/* Who must know of a failure calls rec_flush() before. */
	rec_stream_flush(s, NULL);
	if (s->fd >= 0) {
		/* Failing to shrink costs space only: readers go by the count. */
		if (!s->buffer &&
		    ftruncate(s->fd, (off_t)(s->head_bytes + s->count * s->frame_bytes)))
			errno = 0;
		close(s->fd);
	}
	for (size_t i = s->first_block; i < s->n_blocks; i++)
		free(s->blocks[i]);
	free(s->blocks);
	free(s->buffer);
	free(s->scratch);
	free(s->path);
	free(s);
}
