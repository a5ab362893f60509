#include "status.h"

#include <stdlib.h>
#include <string.h>

#include "mpread.h"

/* One row per key: where the value goes. */
enum field_kind { FIELD_TEXT, FIELD_INT64, FIELD_REAL, FIELD_PID, FIELD_U32 };
struct field {
	const char *key;
	enum field_kind kind;
	size_t at, size;
};
#define TEXT(type, m)                                                                 \
	{                                                                             \
#m, FIELD_TEXT, offsetof(struct type, m), sizeof((struct type *)0)->m \
	}
#define NUMBER(type, kind, m)                         \
	{                                             \
#m, kind, offsetof(struct type, m), 0 \
	}

static const struct field status_fields[] = {
	TEXT(status, mesh),
	TEXT(status, state),
	TEXT(status, topology),
	TEXT(status, run_dir),
	NUMBER(status, FIELD_PID, pid),
	NUMBER(status, FIELD_INT64, seed),
	NUMBER(status, FIELD_INT64, overruns),
	NUMBER(status, FIELD_INT64, k),
	NUMBER(status, FIELD_INT64, t_ns),
	NUMBER(status, FIELD_INT64, step_ns),
	NUMBER(status, FIELD_INT64, end_k),
	NUMBER(status, FIELD_REAL, speed),
	NUMBER(status, FIELD_REAL, asked),
	NUMBER(status, FIELD_REAL, pace),
};
static const struct field proc_fields[] = {
	TEXT(status_proc, id),
	TEXT(status_proc, kind),
	TEXT(status_proc, state),
	TEXT(status_proc, exit),
	NUMBER(status_proc, FIELD_PID, pid),
	NUMBER(status_proc, FIELD_U32, incarnation),
	NUMBER(status_proc, FIELD_INT64, k),
};

static void
store(const struct field *f, void *base, const struct mp_token *v)
{
	char *to = (char *)base + f->at;
	int64_t i = v->type == MP_UINT ? (int64_t)v->u : mp_int(v, 0); /* seeds use all 64 bits */
	switch (f->kind) {
	case FIELD_TEXT:
		mp_text(v, to, f->size);
		break;
	case FIELD_INT64:
		memcpy(to, &i, sizeof i);
		break;
	case FIELD_REAL:
		*(double *)(void *)to = mp_number(v, 0);
		break;
	case FIELD_PID:
		*(pid_t *)(void *)to = (pid_t)i;
		break;
	case FIELD_U32:
		*(uint32_t *)(void *)to = (uint32_t)i;
		break;
	}
}

static int read_procs(struct mpread *, const struct mp_token *, struct status *);

/* Reads a map into `base`; "processes" is followed where `s` is given. */
static int
read_map(struct mpread *rd, const struct mp_token *map, const struct field *fields, size_t n,
         void *base, struct status *s)
{
	if (map->type != MP_MAP)
		return -1;
	for (uint32_t i = 0; i < map->n; i++) {
		struct mp_token key, v;
		if (mpread_next(rd, &key) || mpread_next(rd, &v))
			return -1;
		if (s && mp_is(&key, "processes")) {
			if (read_procs(rd, &v, s))
				return -1;
			continue;
		}
		for (size_t j = 0; j < n; j++) {
			if (mp_is(&key, fields[j].key))
				store(&fields[j], base, &v);
		}
		if (mpread_skip_rest(rd, &v))
			return -1;
	}
	return 0;
}

static int
read_procs(struct mpread *rd, const struct mp_token *list, struct status *s)
{
	if (list->type != MP_ARRAY || s->procs)
		return -1;
	s->procs = calloc(list->n ? list->n : 1, sizeof *s->procs);
	if (!s->procs)
		return -1;
	for (uint32_t i = 0; i < list->n; i++) {
		struct mp_token map;
		if (mpread_next(rd, &map) ||
		    read_map(rd, &map, proc_fields, sizeof proc_fields / sizeof *proc_fields,
		             &s->procs[i], NULL))
			return -1;
		s->n++;
	}
	return 0;
}

int
status_ask(struct client *c, double timeout_s, struct status **ret, struct err *err)
{
	struct client_reply r;
	struct status *s = NULL;
	int rc = client_ask(c, "status", NULL, 0, timeout_s, &r, err);
	if (rc)
		return rc;
	if (!r.ok) {
		rc = err_set(err, ERR_PEER, "%s", r.text);
		goto out;
	}
	s = calloc(1, sizeof *s);
	if (!s) {
		rc = err_set(err, ERR_NOMEM, "out of memory");
		goto out;
	}
	struct mpread rd;
	struct mp_token map;
	mpread_init(&rd, r.data, r.data_len);
	if (!r.data || mpread_next(&rd, &map) ||
	    read_map(&rd, &map, status_fields, sizeof status_fields / sizeof *status_fields, s,
	             s)) {
		rc = err_set(err, ERR_PROTO, "the status of the mesh makes no sense");
		goto out;
	}
	*ret = s;
	s = NULL;
out:
	status_destroy(&s);
	client_reply_free(&r);
	return rc;
}

void
status_destroy(struct status **ps)
{
	if (*ps) {
		free((*ps)->procs);
		free(*ps);
		*ps = NULL;
	}
}
