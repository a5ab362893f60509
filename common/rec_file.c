#include "rec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"
#include "rec_stream.h"
#include "sha256.h"

/* The reader's view of one stream. */
struct view {
	uint64_t count, first, frame_bytes;
	/* file */
	int fd;
	char *path;
	struct rec_disk *disk; /* mapped header, or the writer's in memory */
	char *data;            /* mapped frames, NULL when there are none */
	uint64_t data_off, data_len;
	/* memory */
	const struct rec_stream *stream;
};

struct rec_file {
	struct view frames, events;
	struct rec_head head;
	const struct rec_field *fields;
	size_t n_fields;
	struct core_event *list;
	size_t n_list, cap_list;
};

static int
bad(const struct view *v, struct err *err, const char *what)
{
	return err_set(err, ERR_INPUT, "%s: not a good recorder file: %s",
	               v->path ? v->path : "memory", what);
}

static bool
ended(const char *s, size_t size, bool may_be_empty)
{
	return memchr(s, '\0', size) && (may_be_empty || s[0]);
}

static int
check_head(const struct view *v, enum rec_what what, uint64_t size, struct err *err)
{
	const struct rec_disk *d = v->disk;
	if (memcmp(d->magic, REC_MAGIC, sizeof d->magic))
		return bad(v, err, "wrong magic number");
	if (d->version != REC_VERSION)
		return bad(v, err, "unknown version");
	if (d->what != (uint32_t)what)
		return bad(v, err,
		           what == REC_FRAMES ? "it does not hold frames"
		                              : "it does not hold events");
	if (!(d->n_fields >= 1 && d->n_fields <= REC_FIELDS_MAX))
		return bad(v, err, "number of fields");
	if (d->head_bytes != rec_head_bytes(d->n_fields) || d->head_bytes > size)
		return bad(v, err, "size of the header");
	if (!(d->substeps >= 1 && d->substeps <= TOPO_SUBSTEPS_MAX) || !d->port_period ||
	    !d->incarnation || d->step_ns <= 0 || d->start_k < 0 || d->start_k > INT64_MAX / 2)
		return bad(v, err, "a value in the header");
	if (!ended(d->kind, sizeof d->kind, false) || !ended(d->id, sizeof d->id, false) ||
	    !ended(d->mesh, sizeof d->mesh, true))
		return bad(v, err, "a name in the header");
	const struct rec_field *f = (const struct rec_field *)(d + 1);
	for (uint32_t i = 0; i < d->n_fields; i++)
		if (!ended(f[i].name, sizeof f[i].name, false) ||
		    !ended(f[i].unit, sizeof f[i].unit, true) ||
		    (f[i].type != 'f' && f[i].type != 'i'))
			return bad(v, err, "field table");
	/* A field table that is cut short shows as something behind its end. */
	const char *pad = (const char *)(f + d->n_fields), *end = (const char *)d + d->head_bytes;
	for (; pad < end; pad++)
		if (*pad)
			return bad(v, err, "padding of the header");
	if (what == REC_EVENTS && (d->n_fields != REC_EVENT_WORDS ||
	                           memcmp(f, rec_event_fields, sizeof rec_event_fields)))
		return bad(v, err, "fields of events");
	return 0;
}

/* Takes over count and first, and maps what lies between. */
static int
view_refresh(struct view *v, struct err *err)
{
	uint64_t count = atomic_load_explicit(&v->disk->count, memory_order_acquire);
	uint64_t first = atomic_load_explicit(&v->disk->first, memory_order_acquire);
	if (v->stream) {
		v->count = v->stream->count;
		v->first = v->stream->first;
		return 0;
	}
	struct stat st;
	if (fstat(v->fd, &st))
		return err_sys(err, ERR_IO, "%s", v->path);
	uint64_t room = ((uint64_t)st.st_size - v->disk->head_bytes) / v->frame_bytes;
	if ((uint64_t)st.st_size < v->disk->head_bytes || count > room)
		return bad(v, err, "shorter than its count of frames says");
	if (first > count || count < v->count || first < v->first)
		return bad(v, err, "count of frames");
	uint64_t from = (v->disk->head_bytes + first * v->frame_bytes) / REC_PAGE * REC_PAGE;
	uint64_t end = v->disk->head_bytes + count * v->frame_bytes;
	if (count > first && (!v->data || from != v->data_off || end > v->data_off + v->data_len)) {
		/* What is allocated already needs no new mapping later. */
		uint64_t len = (uint64_t)st.st_size - from;
		void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, v->fd, (off_t)from);
		if (p == MAP_FAILED)
			return err_sys(err, ERR_IO, "%s: mmap", v->path);
		if (v->data)
			munmap(v->data, v->data_len);
		v->data = p;
		v->data_off = from;
		v->data_len = len;
	}
	v->count = count;
	v->first = first;
	return 0;
}

static int
view_open(struct view *v, const char *path, enum rec_what what, struct err *err)
{
	v->path = strdup(path);
	if (!v->path)
		return err_set(err, ERR_NOMEM, "%s: out of memory", path);
	v->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (v->fd < 0)
		return err_sys(err, ERR_IO, "%s", path);
	struct stat st;
	if (fstat(v->fd, &st))
		return err_sys(err, ERR_IO, "%s", path);
	if (!S_ISREG(st.st_mode))
		return bad(v, err, "not a regular file");
	if (st.st_size < REC_PAGE)
		return bad(v, err, "shorter than a header");
	struct rec_disk d;
	ssize_t n = pread(v->fd, &d, sizeof d, 0);
	if (n != (ssize_t)sizeof d)
		return n < 0 ? err_sys(err, ERR_IO, "%s", path)
		             : bad(v, err, "shorter than a header");
	/* The length of the header must be believable before it is mapped. */
	if (d.n_fields > REC_FIELDS_MAX || rec_head_bytes(d.n_fields) > (uint64_t)st.st_size)
		return bad(v, err,
		           memcmp(d.magic, REC_MAGIC, sizeof d.magic) ? "wrong magic number"
		                                                      : "size of the header");
	void *p = mmap(NULL, rec_head_bytes(d.n_fields), PROT_READ, MAP_SHARED, v->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, ERR_IO, "%s: mmap", path);
	v->disk = p;
	int rc = check_head(v, what, (uint64_t)st.st_size, err);
	if (rc) {
		munmap(p, rec_head_bytes(d.n_fields));
		v->disk = NULL;
		return rc;
	}
	v->frame_bytes = v->disk->n_fields * sizeof(union rec_word);
	return view_refresh(v, err);
}

static void
view_close(struct view *v)
{
	if (!v->stream) {
		if (v->data)
			munmap(v->data, v->data_len);
		if (v->disk)
			munmap(v->disk, v->disk->head_bytes);
		if (v->fd >= 0)
			close(v->fd);
	}
	free(v->path);
}

static const union rec_word *
view_frame(const struct view *v, uint64_t i)
{
	if (i < v->first || i >= v->count)
		return NULL;
	const char *p;
	if (v->stream) {
		size_t per = v->stream->per_block;
		if (v->stream->path)
			return NULL;
		p = v->stream->blocks[i / per];
		if (!p)
			return NULL;
		p += i % per * v->frame_bytes;
	} else {
		p = v->data + (v->disk->head_bytes + i * v->frame_bytes - v->data_off);
	}
	return (const union rec_word *)(const void *)p;
}

static int
take_events(struct rec_file *f, struct err *err)
{
	const struct view *v = &f->events;
	if (v->count > f->cap_list) {
		size_t cap = v->count + v->count / 2;
		struct core_event *p = realloc(f->list, cap * sizeof *p);
		if (!p)
			return err_set(err, ERR_NOMEM, "%s: out of memory", f->head.id);
		f->list = p;
		f->cap_list = cap;
	}
	for (; f->n_list < v->count; f->n_list++) {
		const union rec_word *w = view_frame(v, f->n_list);
		if (!w || !(w[1].i > EV_NONE_ && w[1].i < EV_END_) || w[2].i < INT32_MIN ||
		    w[2].i > INT32_MAX)
			return bad(v, err, "an event");
		f->list[f->n_list] = (struct core_event){
			.k = w[0].i,
			.code = (uint32_t)w[1].i,
			.chan = (int32_t)w[2].i,
			.a = w[3].f,
			.b = w[4].f,
			.c = w[5].f,
			.d = w[6].f,
		};
	}
	return 0;
}

/* Both headers are good: they must be of the same life; takes over what they say. */
static int
take_head(struct rec_file *f, struct err *err)
{
	const struct rec_disk *d = f->frames.disk, *e = f->events.disk;
	if (strcmp(d->kind, e->kind) || strcmp(d->id, e->id) || d->incarnation != e->incarnation ||
	    d->start_k != e->start_k || d->step_ns != e->step_ns || d->seed != e->seed ||
	    memcmp(d->topo_hash, e->topo_hash, sizeof d->topo_hash))
		return bad(&f->events, err, "it does not belong to its file of frames");
	struct rec_head *h = &f->head;
	memcpy(h->kind, d->kind, sizeof h->kind);
	memcpy(h->id, d->id, sizeof h->id);
	memcpy(h->mesh, d->mesh, sizeof h->mesh);
	h->incarnation = d->incarnation;
	h->substeps = d->substeps;
	h->port_period = d->port_period;
	h->step_ns = d->step_ns;
	h->start_k = d->start_k;
	h->seed = d->seed;
	memcpy(h->topo_hash, d->topo_hash, sizeof h->topo_hash);
	f->fields = (const struct rec_field *)(d + 1);
	f->n_fields = d->n_fields;
	return take_events(f, err);
}

int
rec_file_open(const char *path, struct rec_file **ret, struct err *err)
{
	static const char suffix[] = ".frames";
	size_t n = strlen(path), m = sizeof suffix - 1;
	if (n <= m || strcmp(path + n - m, suffix))
		return err_set(err, ERR_INPUT, "%s: the name of a recorder file ends in %s", path,
		               suffix);
	struct rec_file *f = calloc(1, sizeof *f);
	char *events = malloc(n + 1);
	if (!f || !events) {
		free(f);
		free(events);
		return err_set(err, ERR_NOMEM, "%s: out of memory", path);
	}
	memcpy(events, path, n - m);
	strcpy(events + n - m, ".events");
	f->frames.fd = f->events.fd = -1;
	int rc = view_open(&f->frames, path, REC_FRAMES, err);
	if (!rc)
		rc = view_open(&f->events, events, REC_EVENTS, err);
	if (!rc)
		rc = take_head(f, err);
	free(events);
	if (rc) {
		rec_file_close(&f);
		return rc;
	}
	*ret = f;
	return 0;
}

static int
view_of(struct view *v, const struct rec_stream *s, struct err *err)
{
	v->stream = s;
	v->disk = s->disk;
	v->frame_bytes = s->frame_bytes;
	return view_refresh(v, err);
}

int
rec_file_of(const struct rec *rec, struct rec_file **ret, struct err *err)
{
	const struct rec_stream *frames = rec_frames_of(rec), *events = rec_events_of(rec);
	/* A recorder that writes to files has them: read those. */
	if (frames->path)
		return rec_file_open(frames->path, ret, err);
	struct rec_file *f = calloc(1, sizeof *f);
	if (!f)
		return err_set(err, ERR_NOMEM, "recorder: out of memory");
	f->frames.fd = f->events.fd = -1;
	int rc = view_of(&f->frames, frames, err);
	if (!rc)
		rc = view_of(&f->events, events, err);
	if (!rc)
		rc = take_head(f, err);
	if (rc) {
		rec_file_close(&f);
		return rc;
	}
	*ret = f;
	return 0;
}

void
rec_file_close(struct rec_file **pf)
{
	struct rec_file *f = *pf;
	if (!f)
		return;
	*pf = NULL;
	view_close(&f->frames);
	view_close(&f->events);
	free(f->list);
	free(f);
}

int
rec_file_refresh(struct rec_file *f, struct err *err)
{
	int rc = view_refresh(&f->frames, err);
	if (!rc)
		rc = view_refresh(&f->events, err);
	return rc ? rc : take_events(f, err);
}

const struct rec_head *
rec_file_head(const struct rec_file *f)
{
	return &f->head;
}

const struct rec_field *
rec_file_fields(const struct rec_file *f, size_t *n)
{
	*n = f->n_fields;
	return f->fields;
}

int
rec_file_field(const struct rec_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_fields; i++)
		if (!strcmp(f->fields[i].name, name))
			return (int)i;
	return -1;
}

int64_t
rec_file_first_k(const struct rec_file *f)
{
	return f->head.start_k + (int64_t)f->frames.first;
}

int64_t
rec_file_last_k(const struct rec_file *f)
{
	return f->head.start_k + (int64_t)f->frames.count - 1;
}

bool
rec_file_partial(const struct rec_file *f)
{
	return f->frames.first > 0 || f->events.first > 0;
}

const union rec_word *
rec_file_frame(const struct rec_file *f, int64_t k)
{
	return k < f->head.start_k ? NULL : view_frame(&f->frames, (uint64_t)(k - f->head.start_k));
}

const union rec_word *
rec_file_run(const struct rec_file *f, int64_t k, int64_t *n)
{
	const union rec_word *w = rec_file_frame(f, k);
	if (!w)
		return NULL;
	uint64_t i = (uint64_t)(k - f->head.start_k), left = f->frames.count - i;
	uint64_t run = f->frames.stream ? f->frames.stream->per_block : UINT64_MAX;
	*n = (int64_t)(left < run - i % run ? left : run - i % run);
	return w;
}

size_t
rec_file_n_events(const struct rec_file *f)
{
	return f->n_list;
}

const struct core_event *
rec_file_event(const struct rec_file *f, size_t i)
{
	return i < f->n_list ? &f->list[i] : NULL;
}

int
rec_file_sha256(const struct rec_file *f, bool events, uint8_t out[32], struct err *err)
{
	const struct view *v = events ? &f->events : &f->frames;
	struct sha256 sha;
	int rc = sha256_begin(&sha, err);
	if (rc)
		return rc;
	const char *head = (const char *)v->disk;
	sha256_add(&sha, head, REC_SKIP_FROM);
	sha256_add(&sha, head + REC_SKIP_TO, v->disk->head_bytes - REC_SKIP_TO);
	/* Frames are contiguous in a file, and in each block of memory. */
	uint64_t run = v->stream ? v->stream->per_block : UINT64_MAX;
	for (uint64_t i = v->first; i < v->count;) {
		uint64_t n = run - i % run;
		if (n > v->count - i)
			n = v->count - i;
		sha256_add(&sha, view_frame(v, i), n * v->frame_bytes);
		i += n;
	}
	sha256_end(&sha, out);
	return 0;
}
