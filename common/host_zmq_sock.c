/* Sockets of the host: one DEALER and its monitor per channel and incarnation of the peer. */
#include "host_zmq_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
	POLL_MAX = 512, /* sockets that a sleep looks at; what is left is seen by the next tick */
	HWM = 64,       /* low water marks hide DISCONNECTED behind a full pipe */
	RECONNECT_MS = 5,
};

struct sock *
host_zmq_sock_find(struct host *h, size_t chan, uint32_t inc)
{
	struct channel *c = &h->chans[chan];
	for (size_t i = 0; i < c->n; i++)
		if (c->sock[i].inc == inc)
			return &c->sock[i];
	return NULL;
}

static void
sock_close(struct sock *s)
{
	/* The monitor first: without a reader its next event would block the I/O thread. */
	if (s->s) {
		zmq_socket_monitor(s->s, NULL, 0);
		zmq_close(s->s);
	}
	if (s->mon)
		zmq_close(s->mon);
	free(s->out);
	*s = (struct sock){ 0 };
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Incarnations in the order of the process indices: both ends make the same name. */
static void
endpoint_name(const struct host *h, const struct slice_chan *c, uint32_t inc, char *buf,
              size_t size)
{
	uint32_t mine = h->slice->incarnation;
	bool first = h->slice->index < c->peer;
	snprintf(buf, size, "%s/c%" PRIu32 ".%" PRIu32 ".%" PRIu32, h->dir, c->edge,
	         first ? mine : inc, first ? inc : mine);
}

/* tcp ports are the kernel's choice: the binding end leaves its endpoint in a file of that name. */
static int
tcp_bind(void *s, const char *name)
{
	char path[512], tmp[520], endpoint[128];
	size_t n = sizeof endpoint;
	if (zmq_bind(s, "tcp://127.0.0.1:*") < 0 ||
	    zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, endpoint, &n) < 0)
		return -1;
	snprintf(path, sizeof path, "%s", name);
	snprintf(tmp, sizeof tmp, "%s.tmp", path);
	FILE *f = fopen(tmp, "we");
	if (!f)
		return -1;
	int rc = fputs(endpoint, f) < 0 ? -1 : 0;
	if (fclose(f) != 0 || rc < 0)
		return -1;
	return rename(tmp, path);
}

/* 0 connected, 1 not there yet, -1 failed. */
static int
tcp_connect(void *s, const char *name)
{
	char endpoint[128];
	FILE *f = fopen(name, "re");
	if (!f)
		return errno == ENOENT ? 1 : -1;
	bool ok = fgets(endpoint, sizeof endpoint, f) != NULL;
	fclose(f);
	return !ok ? 1 : zmq_connect(s, endpoint);
}

static int
sock_attach(struct host *h, struct sock *s, const struct slice_chan *c)
{
	char name[256], endpoint[264];
	endpoint_name(h, c, s->inc, name, sizeof name);
	if (c->tcp)
		return c->binds ? tcp_bind(s->s, name) : tcp_connect(s->s, name);
	snprintf(endpoint, sizeof endpoint, "ipc://%s", name);
	return c->binds ? zmq_bind(s->s, endpoint) : zmq_connect(s->s, endpoint);
}

static int
sock_open(struct host *h, struct sock *s, size_t chan)
{
	static const struct {
		int option, value;
	} options[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_SNDHWM, HWM },
		{ ZMQ_RCVHWM, HWM },
		{ ZMQ_IMMEDIATE, 1 },
		{ ZMQ_RECONNECT_IVL, RECONNECT_MS },
		{ ZMQ_RCVTIMEO, FAST_TIMEOUT_MS },
	};
	char mon[64];

	s->s = zmq_socket(h->ctx, ZMQ_DEALER);
	if (!s->s)
		return -1;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (zmq_setsockopt(s->s, options[i].option, &options[i].value, sizeof(int)) < 0)
			return -1;
	snprintf(mon, sizeof mon, "inproc://m%zu.%" PRIu32, chan, s->inc);
	if (zmq_socket_monitor(s->s, mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) <
	    0)
		return -1;
	s->mon = zmq_socket(h->ctx, ZMQ_PAIR);
	if (!s->mon || zmq_connect(s->mon, mon) < 0)
		return -1;
	return 0;
}

void
host_zmq_sock_make(void *arg, size_t chan, uint32_t inc)
{
	struct host *h = arg;
	struct channel *c = &h->chans[chan];
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 2;
		struct sock *grown = realloc(c->sock, cap * sizeof *grown);
		if (!grown) {
			host_zmq_fail(h, ERR_NOMEM, "socket");
			return;
		}
		c->sock = grown;
		c->cap = cap;
	}
	struct sock *s = &c->sock[c->n++];
	*s = (struct sock){ .inc = inc };
	if (sock_open(h, s, chan) < 0 || sock_attach(h, s, &h->slice->chans[chan]) < 0)
		host_zmq_fail(h, ERR_IO, h->slice->chans[chan].id);
}

void
host_zmq_sock_drop(void *arg, size_t chan, uint32_t inc)
{
	struct host *h = arg;
	struct channel *c = &h->chans[chan];
	for (size_t i = 0; i < c->n; i++) {
		if (c->sock[i].inc != inc)
			continue;
		sock_close(&c->sock[i]);
		memmove(&c->sock[i], &c->sock[i + 1], (c->n - i - 1) * sizeof c->sock[0]);
		c->n--;
		return;
	}
}

void
host_zmq_sock_close_all(struct host *h)
{
	for (size_t c = 0; h->chans && c < h->slice->n_chans; c++) {
		for (size_t i = 0; i < h->chans[c].n; i++)
			sock_close(&h->chans[c].sock[i]);
		free(h->chans[c].sock);
	}
	free(h->chans);
	h->chans = NULL;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* True when the transport took the message or never will. */
static bool
sock_send(struct sock *s, const uint8_t *buf, size_t len)
{
	if (s->lost || zmq_send(s->s, buf, len, ZMQ_DONTWAIT) >= 0)
		return true;
	return errno != EAGAIN;
}

static void
sock_flush(struct sock *s)
{
	size_t done = 0;
	while (done < s->n_out && sock_send(s, s->out[done], s->out_len[done]))
		done++;
	if (done == 0)
		return;
	memmove(s->out, s->out + done, (s->n_out - done) * sizeof s->out[0]);
	memmove(s->out_len, s->out_len + done, (s->n_out - done) * sizeof s->out_len[0]);
	s->n_out -= done;
}

void
host_zmq_sock_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct host *h = arg;
	struct sock *s = host_zmq_sock_find(h, chan, inc);
	uint8_t buf[WIRE_MSG_MAX];

	if (!s)
		return;
	size_t len = wire_pack(m, h->slice->substeps, buf);
	if (s->n_out)
		sock_flush(s);
	if (s->n_out == 0 && sock_send(s, buf, len))
		return;
	/* A greeting is repeated anyway, a WAIT is worth nothing later. */
	if (m->type == LM_GREET || m->type == LM_WAIT || s->n_out == OUTBOX_MAX)
		return;
	if (!s->out)
		s->out = calloc(OUTBOX_MAX, sizeof *s->out);
	if (!s->out) {
		host_zmq_fail(h, ERR_NOMEM, "outbox");
		return;
	}
	memcpy(s->out[s->n_out], buf, len);
	s->out_len[s->n_out++] = len;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void
take(struct host *h, size_t chan, struct sock *s, const uint8_t *buf, size_t len)
{
	struct link_msg m;
	struct err err = ERR_INIT;
	int rc = wire_unpack(buf, len, h->slice->substeps, &m, &err);
	if (rc < 0) {
		if (h->bad_wire++ < 10)
			fprintf(stderr, "%s: dropped: %s\n", h->slice->chans[chan].id, err.text);
		return;
	}
	s->joined = true;
	proc_receive(h->p, chan, s->inc, &m);
}

/* One message of a channel; wait: up to FAST_TIMEOUT_MS. False: nothing came. */
bool
host_zmq_sock_receive(struct host *h, size_t chan, struct sock *s, bool wait)
{
	uint8_t buf[WIRE_MSG_MAX];
	int n = zmq_recv(s->s, buf, sizeof buf, wait ? 0 : ZMQ_DONTWAIT);
	if (n < 0)
		return false;
	take(h, chan, s, buf, (size_t)n);
	return true;
}

static bool
read_monitor(struct host *h, size_t chan, struct sock *s)
{
	uint8_t ev[6], name[256];
	bool any = false;
	while (zmq_recv(s->mon, ev, sizeof ev, ZMQ_DONTWAIT) == (int)sizeof ev) {
		uint16_t code;
		memcpy(&code, ev, 2);
		zmq_recv(s->mon, name, sizeof name, ZMQ_DONTWAIT);
		any = true;
		if (code == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
			s->joined = true;
			proc_connected(h->p, chan, s->inc);
			proc_greet_again(h->p, chan, s->inc);
		} else if (code == ZMQ_EVENT_DISCONNECTED && s->joined) {
			s->lost = true;
		}
	}
	return any;
}

/* Takes everything of one record that the engine lets in. The engine may close the socket. */
static bool
drain(struct host *h, size_t chan, uint32_t inc)
{
	bool any = false;
	struct sock *s;

	while ((s = host_zmq_sock_find(h, chan, inc)) && proc_can_receive(h->p, chan, inc) &&
	       host_zmq_sock_receive(h, chan, s, false))
		any = true;
	if (!s)
		return any;
	if (read_monitor(h, chan, s))
		any = true;
	if (s->n_out)
		sock_flush(s);
	if (!s->lost || s->told)
		return any;
	/* Once more: what came before DISCONNECTED counts. */
	while ((s = host_zmq_sock_find(h, chan, inc)) && proc_can_receive(h->p, chan, inc) &&
	       host_zmq_sock_receive(h, chan, s, false))
		;
	if (s && proc_can_receive(h->p, chan, inc)) {
		s->told = true;
		proc_disconnected(h->p, chan, inc);
	}
	return true;
}

bool
host_zmq_sock_drain_all(struct host *h)
{
	bool any = false;
	for (size_t c = 0; c < h->slice->n_chans; c++) {
		/* Backwards: draining a record may close its socket, never an earlier one. */
		for (size_t i = h->chans[c].n; i-- > 0;)
			if (i < h->chans[c].n)
				any |= drain(h, c, h->chans[c].sock[i].inc);
	}
	return any;
}

void
host_zmq_sock_greet_again(struct host *h)
{
	for (size_t c = 0; c < h->slice->n_chans; c++)
		for (size_t i = 0; i < h->chans[c].n; i++) {
			struct sock *s = &h->chans[c].sock[i];
			const struct slice_chan *sc = &h->slice->chans[c];
			if (sc->tcp && !sc->binds && !s->joined)
				sock_attach(h, s, sc);
			proc_greet_again(h->p, c, s->inc);
		}
}

void
host_zmq_sock_sleep(struct host *h, int64_t timeout_ns)
{
	zmq_pollitem_t items[POLL_MAX];
	size_t n = 0;
	items[n++] = (zmq_pollitem_t){ .fd = h->fd, .events = ZMQ_POLLIN };
	for (size_t c = 0; c < h->slice->n_chans; c++)
		for (size_t i = 0; i < h->chans[c].n && n + 2 <= POLL_MAX; i++) {
			struct sock *s = &h->chans[c].sock[i];
			if (proc_can_receive(h->p, c, s->inc))
				items[n++] =
					(zmq_pollitem_t){ .socket = s->s, .events = ZMQ_POLLIN };
			items[n++] = (zmq_pollitem_t){ .socket = s->mon, .events = ZMQ_POLLIN };
		}
	int64_t ms = (timeout_ns + MS_NS - 1) / MS_NS;
	zmq_poll(items, (int)n, ms < FAST_TIMEOUT_MS ? (long)ms : FAST_TIMEOUT_MS);
}
