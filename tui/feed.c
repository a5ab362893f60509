#include "feed.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "mpread.h"

enum {
	FEED_HWM = 50000,    /* messages between two screens of a mesh of 1000 nodes */
	FEED_BATCH = 100000, /* messages taken per call */
	FEED_RECONNECT_MS = 100,
	FEED_MESSAGE_MAX = 4 << 20, /* a status of the largest mesh */
	FEED_ID_MAX = 48,
};
#define FEED_ASK_NS INT64_C(1000000000)
#define FEED_GIVE_UP_NS INT64_C(10000000000)

/* A request that waits for its answer. */
struct feed_asked {
	char id[FEED_ID_MAX];
	int64_t first_ns, last_ns; /* sent */
	bool open;
	msgpack_sbuffer bytes;
};

struct feed {
	void *ctx, *sub, *cmd;
	struct telem_msg msg; /* scratch */
	uint64_t n_asked;
	struct feed_asked status, request;
	struct ui_request what;
	bool has_status, answered;
	struct feed_answer answer;
};

static int
feed_socket(struct feed *f, int type, const char *dir, const char *file, void **ret,
            struct err *err)
{
	char endpoint[256];
	int n = snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", dir, file);
	if (n < 0 || (size_t)n >= sizeof endpoint)
		return err_set(err, ERR_LIMIT, "%s: path is too long for a socket", dir);
	*ret = zmq_socket(f->ctx, type);
	if (!*ret)
		return err_set(err, ERR_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
	const struct {
		int name, value;
	} options[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_RCVHWM, FEED_HWM },
		{ ZMQ_RECONNECT_IVL, FEED_RECONNECT_MS },
	};
	int64_t max = FEED_MESSAGE_MAX;
	bool bad = zmq_setsockopt(*ret, ZMQ_MAXMSGSIZE, &max, sizeof max);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		bad = bad || zmq_setsockopt(*ret, options[i].name, &options[i].value, sizeof(int));
	if (type == ZMQ_SUB)
		bad = bad || zmq_setsockopt(*ret, ZMQ_SUBSCRIBE, "t1.", 3);
	bad = bad || zmq_connect(*ret, endpoint);
	return bad ? err_set(err, ERR_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno())) : 0;
}

int
feed_open(const char *sock_dir, struct feed **ret, struct err *err)
{
	struct feed *f = calloc(1, sizeof *f);
	if (!f)
		return err_set(err, ERR_NOMEM, "out of memory");
	msgpack_sbuffer_init(&f->status.bytes);
	msgpack_sbuffer_init(&f->request.bytes);
	f->ctx = zmq_ctx_new();
	int rc = f->ctx ? 0 : err_set(err, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = feed_socket(f, ZMQ_SUB, sock_dir, "relay.sub", &f->sub, err);
	if (!rc)
		rc = feed_socket(f, ZMQ_DEALER, sock_dir, "relay.cmd", &f->cmd, err);
	if (rc) {
		feed_close(&f);
		return rc;
	}
	*ret = f;
	return 0;
}

void
feed_close(struct feed **pf)
{
	struct feed *f = *pf;
	if (!f)
		return;
	if (f->sub)
		zmq_close(f->sub);
	if (f->cmd)
		zmq_close(f->cmd);
	if (f->ctx)
		zmq_ctx_term(f->ctx);
	msgpack_sbuffer_destroy(&f->status.bytes);
	msgpack_sbuffer_destroy(&f->request.bytes);
	free(f);
	*pf = NULL;
}

bool
feed_has_status(const struct feed *f)
{
	return f->has_status;
}

/* ---- requests ------------------------------------------------------------------------------ */

static void
feed_pack_text(msgpack_packer *pk, const char *key, const char *value)
{
	const char *const words[] = { key, value };
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(words[i]);
		msgpack_pack_str(pk, n);
		msgpack_pack_str_body(pk, words[i], n);
	}
}

static void
feed_ask(struct feed *f, struct feed_asked *a, const char *verb, const char *target, double level_w,
         int64_t wall_ns)
{
	bool level = !isnan(level_w);
	snprintf(a->id, sizeof a->id, "top-%ld-%" PRId64 "-%" PRIu64, (long)getpid(), wall_ns,
	         f->n_asked++);
	msgpack_packer pk;
	msgpack_sbuffer_clear(&a->bytes);
	msgpack_packer_init(&pk, &a->bytes, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 2u + (target[0] != '\0') + level);
	feed_pack_text(&pk, "id", a->id);
	feed_pack_text(&pk, "verb", verb);
	if (target[0])
		feed_pack_text(&pk, "target", target);
	if (level) {
		msgpack_pack_str(&pk, 7);
		msgpack_pack_str_body(&pk, "level_w", 7);
		msgpack_pack_double(&pk, level_w);
	}
	a->open = true;
	a->first_ns = wall_ns;
	a->last_ns = wall_ns;
	zmq_send(f->cmd, a->bytes.data, a->bytes.size, ZMQ_DONTWAIT);
}

bool
feed_request(struct feed *f, const struct ui_request *r, int64_t wall_ns)
{
	if (f->request.open)
		return false;
	f->what = *r;
	f->answered = false;
	feed_ask(f, &f->request, r->verb, r->target, r->level_w, wall_ns);
	return true;
}

static void
feed_answered(struct feed *f, bool ok, const char *text)
{
	f->request.open = false;
	f->answered = true;
	f->answer = (struct feed_answer){ .ok = ok, .then_quit = f->what.then_quit };
	memcpy(f->answer.verb, f->what.verb, sizeof f->answer.verb);
	memcpy(f->answer.target, f->what.target, sizeof f->answer.target);
	snprintf(f->answer.text, sizeof f->answer.text, "%s", text);
}

bool
feed_answer(struct feed *f, int64_t wall_ns, struct feed_answer *ret)
{
	if (f->request.open && wall_ns - f->request.first_ns > FEED_GIVE_UP_NS)
		feed_answered(f, false, "no answer");
	if (!f->answered)
		return false;
	f->answered = false;
	*ret = f->answer;
	return true;
}

/* {id, ok, code, text, data}; false: not for us, or no sense in it. */
static void
feed_reply(struct feed *f, struct view *v, const uint8_t *bytes, size_t len, int64_t wall_ns)
{
	struct mpread r;
	struct mp_token map, key, value;
	char id[FEED_ID_MAX] = "", text[128] = "";
	bool ok = false;
	const uint8_t *data = NULL;
	size_t data_len = 0;
	mpread_init(&r, bytes, len);
	if (mpread_next(&r, &map) || map.type != MP_MAP) {
		view_bad(v);
		return;
	}
	for (uint32_t i = 0; i < map.n; i++) {
		if (mpread_next(&r, &key)) {
			view_bad(v);
			return;
		}
		const uint8_t *at = r.p;
		if (mpread_next(&r, &value) || mpread_skip_rest(&r, &value)) {
			view_bad(v);
			return;
		}
		if (mp_is(&key, "id"))
			mp_text(&value, id, sizeof id);
		else if (mp_is(&key, "ok"))
			ok = value.type == MP_BOOL && value.b;
		else if (mp_is(&key, "text"))
			mp_text(&value, text, sizeof text);
		else if (mp_is(&key, "data")) {
			data = at;
			data_len = (size_t)(r.p - at);
		}
	}
	if (f->request.open && strcmp(id, f->request.id) == 0) {
		feed_answered(f, ok, text);
	} else if (f->status.open && strcmp(id, f->status.id) == 0) {
		f->status.open = false;
		if (ok && data && view_status(v, data, data_len, wall_ns, NULL) == 0)
			f->has_status = true;
		else
			view_bad(v);
	}
}

/* ---- taking -------------------------------------------------------------------------------- */

/* Receives one message of up to `max` parts, keeps none; returns the parts, 0 when there is none.
 */
static int
feed_parts(void *sock, zmq_msg_t parts[], int max)
{
	int n = 0;
	for (bool more = true; more;) {
		zmq_msg_t part;
		zmq_msg_init(&part);
		if (zmq_msg_recv(&part, sock, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&part);
			break;
		}
		more = zmq_msg_more(&part);
		if (n < max) {
			zmq_msg_init(&parts[n]);
			zmq_msg_move(&parts[n], &part);
		}
		n++;
		zmq_msg_close(&part);
	}
	return n;
}

static bool
feed_take_telem(struct feed *f, struct view *v, int64_t wall_ns)
{
	zmq_msg_t parts[2];
	int n = feed_parts(f->sub, parts, 2);
	if (n == 0)
		return false;
	if (n != 2 ||
	    telem_parse(zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0]), zmq_msg_data(&parts[1]),
	                zmq_msg_size(&parts[1]), &f->msg, NULL) ||
	    view_telem(v, &f->msg, wall_ns, NULL))
		view_bad(v);
	for (int i = 0; i < n && i < 2; i++)
		zmq_msg_close(&parts[i]);
	return true;
}

static bool
feed_take_reply(struct feed *f, struct view *v, int64_t wall_ns)
{
	zmq_msg_t part;
	int n = feed_parts(f->cmd, &part, 1);
	if (n == 0)
		return false;
	if (n == 1)
		feed_reply(f, v, zmq_msg_data(&part), zmq_msg_size(&part), wall_ns);
	else
		view_bad(v);
	zmq_msg_close(&part);
	return true;
}

void
feed_take(struct feed *f, struct view *v, int64_t wall_ns)
{
	for (int i = 0; i < FEED_BATCH && feed_take_telem(f, v, wall_ns); i++)
		;
	for (int i = 0; i < FEED_BATCH && feed_take_reply(f, v, wall_ns); i++)
		;
	if (f->status.first_ns == 0 || wall_ns - f->status.first_ns >= FEED_ASK_NS)
		feed_ask(f, &f->status, "status", "", NAN, wall_ns);
	if (f->request.open && wall_ns - f->request.last_ns >= FEED_ASK_NS) {
		f->request.last_ns = wall_ns;
		zmq_send(f->cmd, f->request.bytes.data, f->request.bytes.size, ZMQ_DONTWAIT);
	}
}

void
feed_wait(struct feed *f, int timeout_ms)
{
	zmq_pollitem_t items[] = {
		{ .socket = f->sub, .events = ZMQ_POLLIN },
		{ .socket = f->cmd, .events = ZMQ_POLLIN },
	};
	zmq_poll(items, 2, timeout_ms);
}
