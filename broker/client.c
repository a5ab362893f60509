#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "mpread.h"
#include "rundir.h"
#include "term.h"

#define RELAY_PATIENCE_S 0.5 /* then the supervisor is asked itself */
#define REPEAT_S 1.0         /* a request that is not answered is sent again */
#define LOOK_MS 100          /* how often the supervisor's life is looked at */

enum { SOCKET_RELAY, SOCKET_SUPERVISOR, N_SOCKETS };

struct client {
	void *ctx, *socket[N_SOCKETS]; /* NULL: not connected */
	char sock_dir[RUNDIR_PATH_MAX];
	struct procfs_id supervisor;
	bool watched;
	uint32_t salt;
	unsigned n_asked;
};

static int
connect_to(struct client *c, int which, const char *name, struct err *err)
{
	char endpoint[RUNDIR_PATH_MAX + 32];
	int zero = 0;
	void *s = zmq_socket(c->ctx, ZMQ_DEALER);
	if (!s)
		return err_set(err, ERR_IO, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
	zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
	snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", c->sock_dir, name);
	if (zmq_connect(s, endpoint)) {
		err_set(err, ERR_IO, "cannot connect to %s: %s", endpoint,
		        zmq_strerror(zmq_errno()));
		zmq_close(s);
		return ERR_IO;
	}
	c->socket[which] = s;
	return 0;
}

int
client_open(const char *sock_dir, const struct procfs_id *supervisor, struct client **ret,
            struct err *err)
{
	char path[RUNDIR_PATH_MAX + 16];
	struct stat st;
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		return err_set(err, ERR_NOMEM, "out of memory");
	snprintf(c->sock_dir, sizeof c->sock_dir, "%s", sock_dir);
	if (supervisor) {
		c->supervisor = *supervisor;
		c->watched = true;
	}
	int rc = 0;
	c->ctx = zmq_ctx_new();
	if (!c->ctx)
		rc = err_set(err, ERR_IO, "cannot make a ZeroMQ context: %s",
		             zmq_strerror(zmq_errno()));
	else if (getrandom(&c->salt, sizeof c->salt, 0) != sizeof c->salt)
		rc = err_sys(err, ERR_IO, "no random number for a request");
	snprintf(path, sizeof path, "%s/relay.cmd", sock_dir);
	if (!rc && stat(path, &st) == 0)
		rc = connect_to(c, SOCKET_RELAY, "relay.cmd", err);
	else if (!rc)
		rc = connect_to(c, SOCKET_SUPERVISOR, "sup.cmd", err);
	if (rc)
		client_close(&c);
	else
		*ret = c;
	return rc;
}

void
client_close(struct client **pc)
{
	struct client *c = *pc;
	if (!c)
		return;
	for (int i = 0; i < N_SOCKETS; i++) {
		if (c->socket[i])
			zmq_close(c->socket[i]);
	}
	if (c->ctx)
		zmq_ctx_term(c->ctx);
	free(c);
	*pc = NULL;
}

static void
pack_text(msgpack_packer *pk, const char *s)
{
	size_t n = strlen(s);
	msgpack_pack_str(pk, n);
	msgpack_pack_str_body(pk, s, n);
}

static void
pack_request(msgpack_sbuffer *buf, const char *id, const char *verb, const struct client_arg *args,
             size_t n)
{
	msgpack_packer pk;
	size_t used = 0;
	msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
	for (size_t i = 0; i < n; i++)
		used += args[i].text || !isnan(args[i].number);
	msgpack_pack_map(&pk, 2 + used);
	pack_text(&pk, "id");
	pack_text(&pk, id);
	pack_text(&pk, "verb");
	pack_text(&pk, verb);
	for (size_t i = 0; i < n; i++) {
		if (!args[i].text && isnan(args[i].number))
			continue;
		pack_text(&pk, args[i].key);
		if (args[i].text)
			pack_text(&pk, args[i].text);
		else
			msgpack_pack_double(&pk, args[i].number);
	}
}

/* 1: the reply to `id`; 0: of another request (an answer that came late); negative: malformed. */
static int
parse_reply(const char *id, struct client_reply *r, size_t len, struct err *err)
{
	struct mpread rd;
	struct mp_token t, key;
	char got[64] = "";
	mpread_init(&rd, r->bytes, len);
	if (mpread_next(&rd, &t) || t.type != MP_MAP)
		return err_set(err, ERR_PROTO, "the reply is not a map");
	bool has_ok = false;
	for (uint32_t i = 0; i < t.n; i++) {
		struct mp_token v;
		if (mpread_next(&rd, &key) || key.type != MP_STR)
			return err_set(err, ERR_PROTO, "the reply is malformed");
		const uint8_t *from = rd.p;
		if (mpread_next(&rd, &v) || mpread_skip_rest(&rd, &v))
			return err_set(err, ERR_PROTO, "the reply is malformed");
		if (mp_is(&key, "id")) {
			mp_text(&v, got, sizeof got);
		} else if (mp_is(&key, "ok") && v.type == MP_BOOL) {
			r->ok = v.b;
			has_ok = true;
		} else if (mp_is(&key, "code")) {
			r->code = (int)mp_int(&v, 4);
		} else if (mp_is(&key, "text")) {
			mp_text(&v, r->text, sizeof r->text);
		} else if (mp_is(&key, "data") && v.type != MP_NIL) {
			r->data = from;
			r->data_len = (size_t)(rd.p - from);
		}
	}
	if (strcmp(got, id) != 0)
		return 0;
	return has_ok ? 1 : err_set(err, ERR_PROTO, "the reply does not say whether it is ok");
}

static int
take_reply(void *socket, const char *id, struct client_reply *r, struct err *err)
{
	zmq_msg_t msg;
	int rc = 0;
	zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT) >= 0 && !zmq_msg_more(&msg)) {
		size_t len = zmq_msg_size(&msg);
		memset(r, 0, sizeof *r);
		r->bytes = malloc(len ? len : 1);
		if (!r->bytes) {
			rc = err_set(err, ERR_NOMEM, "out of memory");
		} else {
			memcpy(r->bytes, zmq_msg_data(&msg), len);
			rc = parse_reply(id, r, len, err);
		}
		if (rc <= 0)
			client_reply_free(r);
	}
	zmq_msg_close(&msg);
	return rc;
}

static int
wait_reply(struct client *c, const char *id, struct client_reply *r, struct err *err)
{
	zmq_pollitem_t items[N_SOCKETS];
	int n = 0;
	for (int i = 0; i < N_SOCKETS; i++) {
		if (c->socket[i])
			items[n++] =
				(zmq_pollitem_t){ .socket = c->socket[i], .events = ZMQ_POLLIN };
	}
	if (zmq_poll(items, n, LOOK_MS) <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		int rc = items[i].revents ? take_reply(items[i].socket, id, r, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

int
client_ask(struct client *c, const char *verb, const struct client_arg *args, size_t n_args,
           double timeout_s, struct client_reply *r, struct err *err)
{
	char id[64];
	msgpack_sbuffer buf;
	double start = term_now_s(), sent = -INFINITY;
	int rc = 0;
	memset(r, 0, sizeof *r);
	snprintf(id, sizeof id, "%ld-%08" PRIx32 "-%u", (long)getpid(), c->salt, c->n_asked++);
	msgpack_sbuffer_init(&buf);
	pack_request(&buf, id, verb, args, n_args);
	while (rc == 0) {
		double now = term_now_s();
		if (now - start > timeout_s) {
			rc = err_set(err, ERR_TIMEOUT, "no answer to '%s' within %g s", verb,
			             timeout_s);
			break;
		}
		if (!c->socket[SOCKET_SUPERVISOR] && now - start > RELAY_PATIENCE_S) {
			rc = connect_to(c, SOCKET_SUPERVISOR, "sup.cmd", err);
			sent = -INFINITY;
		}
		if (now - sent > REPEAT_S) {
			for (int i = 0; i < N_SOCKETS; i++) {
				if (c->socket[i])
					zmq_send(c->socket[i], buf.data, buf.size, ZMQ_DONTWAIT);
			}
			sent = now;
		}
		if (!rc)
			rc = wait_reply(c, id, r, err);
		if (!rc && c->watched && !procfs_alive(&c->supervisor)) {
			rc = wait_reply(c, id, r, err); /* its last words */
			if (!rc)
				rc = err_set(err, ERR_PEER, "the supervisor (pid %ld) is gone",
				             (long)c->supervisor.pid);
		}
	}
	msgpack_sbuffer_destroy(&buf);
	return rc < 0 ? rc : 0;
}

void
client_reply_free(struct client_reply *r)
{
	free(r->bytes);
	r->bytes = NULL;
	r->data = NULL;
	r->data_len = 0;
}

int64_t
client_reply_int(const struct client_reply *r, const char *key, int64_t otherwise)
{
	struct mpread rd;
	struct mp_token t, v;
	if (!r->data)
		return otherwise;
	mpread_init(&rd, r->data, r->data_len);
	if (mpread_next(&rd, &t) || t.type != MP_MAP)
		return otherwise;
	for (uint32_t i = 0; i < t.n; i++) {
		struct mp_token k;
		if (mpread_next(&rd, &k) || mpread_next(&rd, &v))
			break;
		if (mp_is(&k, key))
			return mp_int(&v, otherwise);
		if (mpread_skip_rest(&rd, &v))
			break;
	}
	return otherwise;
}
