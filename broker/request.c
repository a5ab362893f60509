#include "request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "mpread.h"

enum { ANSWERS_KEPT = 64, REQUEST_BYTES_MAX = 4096, CODE_USAGE = 64 };

/* An answer that can be sent again, or a request under way (bytes NULL). */
struct answer {
	char id[REQUEST_ID_MAX];
	char *bytes;
	size_t len;
};

struct request_box {
	void *s;
	struct answer kept[ANSWERS_KEPT]; /* ring */
	size_t next;
};

int
request_box_create(void *ctx, const char *dir, struct request_box **ret, struct err *err)
{
	struct request_box *b = calloc(1, sizeof *b);
	char endpoint[256];
	int linger = 500; /* ms: the last answers of a run still go out */

	if (!b)
		return err_set(err, ERR_NOMEM, "requests: out of memory");
	snprintf(endpoint, sizeof endpoint, "ipc://%s/sup.cmd", dir);
	b->s = zmq_socket(ctx, ZMQ_ROUTER);
	if (!b->s || zmq_setsockopt(b->s, ZMQ_LINGER, &linger, sizeof linger) < 0 ||
	    zmq_bind(b->s, endpoint) < 0) {
		int rc = err_set(err, ERR_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
		request_box_destroy(&b);
		return rc;
	}
	*ret = b;
	return 0;
}

void
request_box_destroy(struct request_box **bp)
{
	struct request_box *b = *bp;
	if (!b)
		return;
	if (b->s)
		zmq_close(b->s);
	for (size_t i = 0; i < ANSWERS_KEPT; i++)
		free(b->kept[i].bytes);
	free(b);
	*bp = NULL;
}

void *
request_box_socket(struct request_box *b)
{
	return b->s;
}

/* ---- parsing -------------------------------------------------------------------------------- */

#define NUMBER(field) { #field, offsetof(struct request, field), 0 }
#define TEXT(field) { #field, offsetof(struct request, field), sizeof((struct request *)0)->field }
static const struct {
	const char *key;
	size_t at, size; /* size 0: a number */
} keys[] = {
	TEXT(id),          TEXT(verb),     TEXT(target),   NUMBER(precharge_ohm),
	NUMBER(bypass_s),  NUMBER(level_w), NUMBER(ramp_s), NUMBER(r_ohm),
	NUMBER(for_s),     NUMBER(factor),  NUMBER(only),   NUMBER(loss),
	NUMBER(delay_s),   NUMBER(jitter_s), NUMBER(end),
	TEXT(action),      TEXT(with),
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static void
set_key(struct request *r, const struct mp_token *key, const struct mp_token *value)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!mp_is(key, keys[i].key))
			continue;
		char *at = (char *)r + keys[i].at;
		double number = mp_number(value, NAN);
		if (keys[i].size)
			mp_text(value, at, keys[i].size);
		else
			memcpy(at, &number, sizeof number);
	}
}

static bool
parse(struct request *r, const void *data, size_t len)
{
	struct mpread in;
	struct mp_token map, key, value;

	r->id[0] = r->verb[0] = r->target[0] = r->action[0] = r->with[0] = 0;
	r->precharge_ohm = r->bypass_s = r->level_w = r->ramp_s = r->r_ohm = r->for_s = NAN;
	r->factor = r->only = r->loss = r->delay_s = r->jitter_s = r->end = NAN;
	mpread_init(&in, data, len);
	if (mpread_next(&in, &map) < 0 || map.type != MP_MAP)
		return false;
	for (uint32_t i = 0; i < map.n; i++) {
		if (mpread_next(&in, &key) < 0 || mpread_next(&in, &value) < 0)
			return false;
		set_key(r, &key, &value);
		if (mpread_skip_rest(&in, &value) < 0)
			return false;
	}
	return r->id[0] && r->verb[0];
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void
send_back(struct request_box *b, const struct request *r, const void *data, size_t len)
{
	for (size_t i = 0; i < r->n_hops; i++)
		if (zmq_send(b->s, r->hop[i], r->hop_len[i], ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
			return;
	zmq_send(b->s, data, len, ZMQ_DONTWAIT);
}

static struct answer *
kept(struct request_box *b, const char *id)
{
	for (size_t i = 0; i < ANSWERS_KEPT; i++)
		if (b->kept[i].id[0] && strcmp(b->kept[i].id, id) == 0)
			return &b->kept[i];
	return NULL;
}

static void
pack_str(msgpack_packer *pk, const char *s)
{
	msgpack_pack_str(pk, strlen(s));
	msgpack_pack_str_body(pk, s, strlen(s));
}

void
request_answer(struct request_box *b, const struct request *r, bool ok, int code, const char *text,
               void (*pack)(void *, msgpack_packer *), void *arg)
{
	msgpack_sbuffer buf;
	msgpack_packer pk;

	msgpack_sbuffer_init(&buf);
	msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, pack ? 5 : 4);
	pack_str(&pk, "id");
	pack_str(&pk, r->id);
	pack_str(&pk, "ok");
	ok ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk);
	pack_str(&pk, "code");
	msgpack_pack_int(&pk, code);
	pack_str(&pk, "text");
	pack_str(&pk, text);
	if (pack) {
		pack_str(&pk, "data");
		pack(arg, &pk);
	}
	send_back(b, r, buf.data, buf.size);
	struct answer *a = kept(b, r->id);
	if (a) {
		free(a->bytes);
		a->len = buf.size;
		a->bytes = msgpack_sbuffer_release(&buf);
	}
	msgpack_sbuffer_destroy(&buf);
}

/* ---- receiving ---------------------------------------------------------------------------------- */

/* One multipart message: hops into r, the last part into buf. -1: none; 0: not for us. */
static int
receive(struct request_box *b, struct request *r, uint8_t *buf, size_t size)
{
	int n, more = 1, len = 0;
	size_t more_size = sizeof more;

	r->n_hops = 0;
	for (bool fits = true;;) {
		n = zmq_recv(b->s, buf, size, ZMQ_DONTWAIT);
		if (n < 0)
			return -1;
		if (zmq_getsockopt(b->s, ZMQ_RCVMORE, &more, &more_size) < 0)
			return -1;
		if (!more) {
			len = fits && (size_t)n <= size ? n : 0;
			return len;
		}
		if (r->n_hops < REQUEST_HOPS_MAX && n <= REQUEST_ROUTE_MAX) {
			memcpy(r->hop[r->n_hops], buf, (size_t)n);
			r->hop_len[r->n_hops++] = (size_t)n;
		} else {
			fits = false;
		}
	}
}

bool
request_next(struct request_box *b, struct request *r)
{
	uint8_t buf[REQUEST_BYTES_MAX];
	int n;

	while ((n = receive(b, r, buf, sizeof buf)) >= 0) {
		if (n == 0 || !parse(r, buf, (size_t)n)) {
			request_answer(b, r, false, CODE_USAGE, "the request makes no sense", NULL, NULL);
			continue;
		}
		struct answer *a = kept(b, r->id);
		if (a) {
			if (a->bytes)
				send_back(b, r, a->bytes, a->len);
			continue;
		}
		a = &b->kept[b->next++ % ANSWERS_KEPT];
		free(a->bytes);
		*a = (struct answer){ 0 };
		snprintf(a->id, sizeof a->id, "%s", r->id);
		return true;
	}
	return false;
}
