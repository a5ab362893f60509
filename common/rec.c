#include "rec.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "rec_stream.h"

struct rec {
	struct rec_stream *frames, *events;
	struct rec_head head;
	struct rec_field *fields;
	size_t n_fields;
};

static int
stream_path(const char *dir, const struct rec_head *h, const char *suffix, char **ret,
            struct err *err)
{
	if (asprintf(ret, "%s/%s.%s.%" PRIu32 ".%s", dir, h->kind, h->id, h->incarnation, suffix) <
	    0) {
		*ret = NULL;
		return err_set(err, ERR_NOMEM, "%s: out of memory", dir);
	}
	return 0;
}

int
rec_create(const char *dir, const struct rec_head *head, const struct rec_field *fields,
           size_t n_fields, uint64_t keep_frames, struct rec **ret, struct err *err)
{
	char *frames = NULL, *events = NULL;
	int rc = 0;
	struct rec *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(err, ERR_NOMEM, "recorder: out of memory");
	r->head = *head;
	r->n_fields = n_fields;
	r->fields = malloc(n_fields * sizeof *fields);
	if (!r->fields) {
		rc = err_set(err, ERR_NOMEM, "recorder: out of memory");
		goto out;
	}
	memcpy(r->fields, fields, n_fields * sizeof *fields);
	if (dir) {
		rc = stream_path(dir, head, "events", &events, err);
		if (!rc)
			rc = stream_path(dir, head, "frames", &frames, err);
		if (rc)
			goto out;
	}
	/* Events first: who finds a file of frames finds both. */
	rc = rec_stream_create(events, head, REC_EVENTS, rec_event_fields, REC_EVENT_WORDS,
	                       keep_frames == REC_BUFFERED ? REC_BUFFERED : 0, &r->events, err);
	if (!rc) {
		rc = rec_stream_create(frames, head, REC_FRAMES, fields, n_fields, keep_frames,
		                       &r->frames, err);
		/* Made just now, by us: without frames it is of no use to anybody. */
		if (rc && events)
			unlink(events);
	}
	if (!rc) {
		*ret = r;
		r = NULL;
	}
out:
	rec_destroy(&r);
	free(frames);
	free(events);
	return rc;
}

void
rec_destroy(struct rec **pr)
{
	struct rec *r = *pr;
	if (!r)
		return;
	*pr = NULL;
	rec_stream_destroy(&r->frames);
	rec_stream_destroy(&r->events);
	free(r->fields);
	free(r);
}

void
rec_discard(struct rec **pr)
{
	struct rec *r = *pr;
	if (r && r->frames->path) {
		unlink(r->frames->path);
		unlink(r->events->path);
	}
	rec_destroy(pr);
}

union rec_word *
rec_next(struct rec *r)
{
	return (union rec_word *)(void *)r->frames->next;
}

int
rec_commit(struct rec *r, struct err *err)
{
	return rec_stream_commit(r->frames, err);
}

/* All NaNs are one: which one an operation makes depends on compiler and operand order. */
static double
one_nan(double x)
{
	return isnan(x) ? (double)NAN : x;
}

int
rec_event(struct rec *r, const struct core_event *e, struct err *err)
{
	union rec_word *w = (union rec_word *)(void *)r->events->next;
	w[0].i = e->k;
	w[1].i = e->code;
	w[2].i = e->chan;
	w[3].f = one_nan(e->a);
	w[4].f = one_nan(e->b);
	w[5].f = one_nan(e->c);
	w[6].f = one_nan(e->d);
	return rec_stream_commit(r->events, err);
}

int
rec_flush(struct rec *r, struct err *err)
{
	int rc = rec_stream_flush(r->frames, err);
	return rc ? rc : rec_stream_flush(r->events, err);
}

int64_t
rec_first_k(const struct rec *r)
{
	return r->head.start_k + (int64_t)r->frames->first;
}

int64_t
rec_last_k(const struct rec *r)
{
	return r->head.start_k + (int64_t)r->frames->count - 1;
}

const union rec_word *
rec_last(const struct rec *r)
{
	return (const union rec_word *)(const void *)rec_stream_last(r->frames);
}

const struct rec_head *
rec_head(const struct rec *r)
{
	return &r->head;
}

const struct rec_field *
rec_fields(const struct rec *r, size_t *n)
{
	*n = r->n_fields;
	return r->fields;
}

const struct rec_stream *
rec_frames_of(const struct rec *r)
{
	return r->frames;
}

const struct rec_stream *
rec_events_of(const struct rec *r)
{
	return r->events;
}
