/*
 * The stages of a process: arguments, slice, core and recorder (proc_create), sockets as the engine
 * asks for them (io_socket), then one loop: proc_run() until it is blocked or its budget is used up,
 * receive() on the fast path, look_around() on the slow one, pace() between steps of paced runs.
 */
#include "host_zmq.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "proc.h"
#include "slice.h"
#include "supchan.h"
#include "telem.h"
#include "wire.h"

enum {
	POLL_MAX = 512,         /* sockets that a sleep looks at; what is left is seen by the next tick */
	OUTBOX_MAX = 16,        /* messages kept while the transport has no peer yet */
	HWM = 64,               /* low water marks hide DISCONNECTED behind a full pipe */
	RECONNECT_MS = 5,
	FAST_TIMEOUT_MS = 20,   /* a channel that is silent this long sends us to the slow path */
	COMMAND_STEPS = 10,     /* on the fast path the supervisor is heard every so many steps */
	ALIVE_MS = 100,         /* report to the supervisor */
	EXIT_FAILED = 70,
	EXIT_ORPHANED = 76,
};

static const int64_t MS_NS = 1000000;
/* A paced process may be this far ahead of the clock: one wake-up then serves many steps. */
static const int64_t PACE_AHEAD_NS = 2000000;
/* Later than this, the missed time is given up (and counted) instead of caught up. */
static const int64_t PACE_LATE_NS = 20000000;

struct sock {
	void *s, *mon;
	uint32_t inc;
	bool lost;      /* DISCONNECTED seen */
	bool told;      /* and handed to the engine */
	bool joined;
	size_t n_out;
	size_t out_len[OUTBOX_MAX];
	uint8_t (*out)[WIRE_MSG_MAX]; /* OUTBOX_MAX of them, made when first needed */
};

/* Lives of one peer that have a socket: usually one, while one joins two. */
struct channel {
	size_t n, cap;
	struct sock *sock;
};

struct host {
	struct slice *slice;
	struct proc *p;
	void *ctx;
	struct channel *chans;
	const char *dir, *rec_dir, *slice_path;
	int fd; /* to the supervisor */
	double speed;
	int64_t stall_ns;
	uint64_t keep;
	int cpu;
	pid_t parent;
	bool orphaned;
	/* pace */
	int64_t t0_ns, k0, speed_k;
	uint64_t overruns;
	/* wall time */
	int64_t alive_ns, greet_ns;
	struct telem *telem;
	bool telemetry;
	int64_t paused_k; /* published last while paused */
	uint64_t bad_wire;
	double cpu0_s; /* at the start of the clock */
	struct err err;
};

static int64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPU of this process so far, all its threads. */
static double
cpu_s(void)
{
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static void
fail(struct host *h, int code, const char *what)
{
	if (!h->err.code)
		err_set(&h->err, code, "%s: %s", what, zmq_strerror(errno));
}

/* ---- sockets ------------------------------------------------------------------------------- */

static struct sock *
sock_find(struct host *h, size_t chan, uint32_t inc)
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

/* Incarnations in the order of the process indices: both ends make the same name. */
static void
endpoint_name(const struct host *h, const struct slice_chan *c, uint32_t inc, char *buf, size_t size)
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
	if (zmq_socket_monitor(s->s, mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) < 0)
		return -1;
	s->mon = zmq_socket(h->ctx, ZMQ_PAIR);
	if (!s->mon || zmq_connect(s->mon, mon) < 0)
		return -1;
	return 0;
}

static void
io_socket(void *arg, size_t chan, uint32_t inc)
{
	struct host *h = arg;
	struct channel *c = &h->chans[chan];
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 2;
		struct sock *grown = realloc(c->sock, cap * sizeof *grown);
		if (!grown) {
			fail(h, ERR_NOMEM, "socket");
			return;
		}
		c->sock = grown;
		c->cap = cap;
	}
	struct sock *s = &c->sock[c->n++];
	*s = (struct sock){ .inc = inc };
	if (sock_open(h, s, chan) < 0 || sock_attach(h, s, &h->slice->chans[chan]) < 0)
		fail(h, ERR_IO, h->slice->chans[chan].id);
}

static void
io_close(void *arg, size_t chan, uint32_t inc)
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

static void
io_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct host *h = arg;
	struct sock *s = sock_find(h, chan, inc);
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
		fail(h, ERR_NOMEM, "outbox");
		return;
	}
	memcpy(s->out[s->n_out], buf, len);
	s->out_len[s->n_out++] = len;
}

static void
io_report(void *arg, const struct sup_msg *m)
{
	struct host *h = arg;
	struct sup_msg copy = *m;
	copy.overruns = h->overruns;
	if (m->type == SM_DONE)
		copy.x = cpu_s() - h->cpu0_s;
	if (supchan_send(h->fd, &copy, true) < 0)
		h->orphaned = true;
}

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
static bool
receive(struct host *h, size_t chan, struct sock *s, bool wait)
{
	uint8_t buf[WIRE_MSG_MAX];
	int n = zmq_recv(s->s, buf, sizeof buf, wait ? 0 : ZMQ_DONTWAIT);
	if (n < 0)
		return false;
	take(h, chan, s, buf, (size_t)n);
	return true;
}

/* ---- the slow path ---------------------------------------------------------------------------- */

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

	while ((s = sock_find(h, chan, inc)) && proc_can_receive(h->p, chan, inc) &&
	       receive(h, chan, s, false))
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
	while ((s = sock_find(h, chan, inc)) && proc_can_receive(h->p, chan, inc) &&
	       receive(h, chan, s, false))
		;
	if (s && proc_can_receive(h->p, chan, inc)) {
		s->told = true;
		proc_disconnected(h->p, chan, inc);
	}
	return true;
}

static bool
drain_all(struct host *h)
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

static bool
hear_supervisor(struct host *h)
{
	struct sup_msg m;
	bool any = false;
	for (;;) {
		switch (supchan_recv(h->fd, &m)) {
		case SUPCHAN_MSG:
			if (proc_state(h->p) < PROC_RUNNING)
				h->cpu0_s = cpu_s();
			/* The word of a death must not overtake what its socket still holds. */
			if (m.type == SM_DEATH)
				drain_all(h);
			proc_supervisor(h->p, &m);
			any = true;
			break;
		case SUPCHAN_EMPTY:
			return any;
		case SUPCHAN_BAD:
			h->bad_wire++;
			break;
		case SUPCHAN_EOF:
			h->orphaned = true;
			return true;
		}
	}
}

/* A mesh that never waits long never takes the slow path: newcomers are heard all the same. */
static void
hear_newcomers(struct host *h, int64_t now)
{
	if (now - h->greet_ns < FAST_TIMEOUT_MS * MS_NS)
		return;
	h->greet_ns = now;
	drain_all(h);
	for (size_t c = 0; c < h->slice->n_chans; c++)
		for (size_t i = 0; i < h->chans[c].n; i++) {
			struct sock *s = &h->chans[c].sock[i];
			const struct slice_chan *sc = &h->slice->chans[c];
			if (sc->tcp && !sc->binds && !s->joined)
				sock_attach(h, s, sc);
			proc_greet_again(h->p, c, s->inc);
		}
}

static enum telem_state
state_word(const struct host *h)
{
	if (proc_paused(h->p))
		return TELEM_PAUSED;
	if (proc_held(h->p))
		return TELEM_HELD;
	switch (proc_state(h->p)) {
	case PROC_GREETING:
	case PROC_READY:
		return TELEM_READY;
	case PROC_RUNNING:
		return proc_blocked_on(h->p, NULL) >= 0 ? TELEM_BLOCKED : TELEM_RUNNING;
	default:
		return TELEM_DONE;
	}
}

static void
tell_telemetry(struct host *h, int64_t now)
{
	struct rec *rec = proc_rec(h->p);
	if (!h->telem || !rec || rec_last_k(rec) < rec_first_k(rec))
		return;
	bool due = telem_due(h->telem, now);
	if (!due && (!proc_paused(h->p) || h->paused_k == proc_k(h->p)))
		return;
	if (proc_paused(h->p))
		h->paused_k = proc_k(h->p);
	telem_publish(h->telem, rec_last_k(rec), rec_last(rec), h->speed, state_word(h));
}

static void
io_event(void *arg, const struct core_event *e)
{
	struct host *h = arg;
	if (h->telem)
		telem_event(h->telem, e, h->speed, state_word(h));
}

static void
start_telemetry(struct host *h)
{
	struct rec *rec = proc_rec(h->p);
	char endpoint[256];
	if (!h->telemetry || h->telem || !rec)
		return;
	snprintf(endpoint, sizeof endpoint, "ipc://%s/relay.pub", h->dir);
	struct telem_params par = { .zmq_ctx = h->ctx,
		                    .endpoint = endpoint,
		                    .head = rec_head(rec),
		                    .chans = h->slice->chans,
		                    .n_chans = h->slice->n_chans };
	par.fields = rec_fields(rec, &par.n_fields);
	/* Telemetry is for eyes: without it the mesh runs all the same. */
	struct err err = ERR_INIT;
	if (telem_create(&par, &h->telem, &err) < 0)
		fprintf(stderr, "no telemetry: %s\n", err.text);
}

static int64_t
stall_limit(const struct host *h)
{
	if (h->slice->stall_ns > 0)
		return h->slice->stall_ns;
	if (!(h->speed > 0))
		return 10000 * MS_NS;
	int64_t steps = (int64_t)(20.0 * (double)h->slice->step_ns / h->speed);
	return steps > 250 * MS_NS ? steps : 250 * MS_NS;
}

/* What is due by the wall clock, on either path. */
static void
tick(struct host *h)
{
	int64_t now = now_ns();
	proc_tick(h->p, now, stall_limit(h));
	if (now - h->alive_ns >= ALIVE_MS * MS_NS) {
		h->alive_ns = now;
		struct sup_msg m = { .type = SM_ALIVE, .k = proc_k(h->p), .overruns = h->overruns };
		supchan_send(h->fd, &m, false);
	}
	start_telemetry(h);
	tell_telemetry(h, now);
	hear_newcomers(h, now);
}

static void
sleep_on_all(struct host *h, int64_t timeout_ns)
{
	zmq_pollitem_t items[POLL_MAX];
	size_t n = 0;
	items[n++] = (zmq_pollitem_t){ .fd = h->fd, .events = ZMQ_POLLIN };
	for (size_t c = 0; c < h->slice->n_chans; c++)
		for (size_t i = 0; i < h->chans[c].n && n + 2 <= POLL_MAX; i++) {
			struct sock *s = &h->chans[c].sock[i];
			if (proc_can_receive(h->p, c, s->inc))
				items[n++] = (zmq_pollitem_t){ .socket = s->s, .events = ZMQ_POLLIN };
			items[n++] = (zmq_pollitem_t){ .socket = s->mon, .events = ZMQ_POLLIN };
		}
	int64_t ms = (timeout_ns + MS_NS - 1) / MS_NS;
	zmq_poll(items, (int)n, ms < FAST_TIMEOUT_MS ? (long)ms : FAST_TIMEOUT_MS);
}

/* Takes from all channels; sleeps until something comes when nothing was there. */
static void
look_around(struct host *h, int64_t timeout_ns)
{
	bool any = hear_supervisor(h);
	any |= drain_all(h);
	tick(h);
	if (!any && timeout_ns > 0 && !h->orphaned)
		sleep_on_all(h, timeout_ns);
}

/* ---- pace --------------------------------------------------------------------------------------- */

static void
anchor(struct host *h)
{
	h->t0_ns = now_ns();
	h->k0 = proc_k(h->p);
}

/* How many steps may be computed now; sleeps when there are none. */
static int64_t
allowance(struct host *h)
{
	int64_t since_k;
	double agreed = proc_speed(h->p, &since_k);
	if (agreed >= 0 && since_k != h->speed_k) {
		h->speed = agreed;
		h->speed_k = since_k;
		anchor(h);
	}
	if (!(h->speed > 0) || proc_state(h->p) != PROC_RUNNING)
		return COMMAND_STEPS;
	double step_ns = (double)h->slice->step_ns / h->speed;
	int64_t now = now_ns();
	int64_t due = h->t0_ns + (int64_t)((double)(proc_k(h->p) - h->k0) * step_ns);
	if (now - due > PACE_LATE_NS) {
		h->overruns += (uint64_t)((double)(now - due) / step_ns);
		anchor(h);
		due = now;
	}
	int64_t steps = 1 + (int64_t)((double)(now + PACE_AHEAD_NS - due) / step_ns);
	if (due <= now)
		return steps < COMMAND_STEPS ? steps : COMMAND_STEPS;
	int64_t left = due - now;
	if (left > FAST_TIMEOUT_MS * MS_NS) {
		look_around(h, left);
		return 0;
	}
	struct timespec t = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	tick(h);
	return steps < COMMAND_STEPS ? steps : COMMAND_STEPS;
}

/* ---- the loop ------------------------------------------------------------------------------------ */

static bool
blocked(struct host *h)
{
	uint32_t inc = 0;
	int chan = proc_blocked_on(h->p, &inc);
	struct sock *s = chan < 0 ? NULL : sock_find(h, (size_t)chan, inc);
	if (!s || s->lost || s->n_out)
		return false;
	return receive(h, (size_t)chan, s, true);
}

static int
loop(struct host *h)
{
	struct err err = ERR_INIT;
	int64_t heard_k = -1;

	while (!h->orphaned && !h->err.code) {
		bool was_stopped = proc_held(h->p) || proc_paused(h->p) ||
		                   proc_state(h->p) != PROC_RUNNING;
		int64_t steps = was_stopped ? 1 : allowance(h);
		switch (proc_run(h->p, steps, &err)) {
		case PROC_ENDED:
			return proc_exit_status(h->p);
		case PROC_FAILED:
			h->err = err;
			break;
		case PROC_BLOCKED:
			if (!blocked(h))
				look_around(h, FAST_TIMEOUT_MS * MS_NS);
			break;
		case PROC_WAITING:
			look_around(h, FAST_TIMEOUT_MS * MS_NS);
			break;
		case PROC_PACED:
			break;
		}
		if (proc_k(h->p) - heard_k >= COMMAND_STEPS) {
			heard_k = proc_k(h->p);
			hear_supervisor(h);
			tick(h);
		}
		if (was_stopped)
			anchor(h);
	}
	return h->orphaned ? EXIT_ORPHANED : EXIT_FAILED;
}

static void
pin(const struct host *h)
{
	cpu_set_t set;
	if (h->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)h->cpu, &set);
	sched_setaffinity(0, sizeof set, &set); /* only a matter of speed */
}

static int
run(struct host *h, const struct core_ops *ops)
{
	struct proc_io io = { .arg = h,
		              .socket = io_socket,
		              .close = io_close,
		              .send = io_send,
		              .report = io_report,
		              .event = io_event };
	int status = EXIT_FAILED;

	h->ctx = zmq_ctx_new();
	if (slice_read(h->slice_path, &h->slice, &h->err) < 0)
		goto out;
	h->chans = calloc(h->slice->n_chans ? h->slice->n_chans : 1, sizeof *h->chans);
	if (!h->ctx || !h->chans) {
		err_set(&h->err, ERR_NOMEM, "%s: out of memory", h->slice->id);
		goto out;
	}
	if (proc_create(h->slice, ops, &io, h->rec_dir, h->keep, &h->p, &h->err) < 0)
		goto out;
	pin(h);
	proc_open(h->p);
	status = loop(h);
out:
	if (h->err.code) {
		fprintf(stderr, "voltloom-%s %s: %s\n", ops->kind, h->slice ? h->slice->id : "?",
		        h->err.text);
		struct sup_msg m = { .type = SM_FAILED, .k = -1 };
		snprintf(m.text, sizeof m.text, "%.*s", SUP_TEXT_MAX - 1, h->err.text);
		supchan_send(h->fd, &m, false);
	}
	telem_destroy(&h->telem);
	for (size_t c = 0; h->chans && c < h->slice->n_chans; c++)
		for (size_t i = 0; i < h->chans[c].n; i++)
			sock_close(&h->chans[c].sock[i]);
	for (size_t c = 0; h->chans && c < h->slice->n_chans; c++)
		free(h->chans[c].sock);
	proc_destroy(&h->p);
	slice_destroy(&h->slice);
	free(h->chans);
	if (h->ctx)
		zmq_ctx_term(h->ctx);
	return status;
}

/* ---- arguments ------------------------------------------------------------------------------------- */

static int
usage(const char *name)
{
	fprintf(stderr,
	        "%s is started by voltloom, not by hand.\n"
	        "usage: %s --slice FILE --dir SOCKET_DIR --rec DIR --fd N --ppid PID\n"
	        "          [--speed X] [--cpu N] [--keep FRAMES] [--telemetry]\n",
	        name, name);
	return 64;
}

static bool
parse(struct host *h, int argc, char **argv)
{
	static const struct option options[] = {
		{ "slice", required_argument, NULL, 's' }, { "dir", required_argument, NULL, 'd' },
		{ "rec", required_argument, NULL, 'r' },   { "fd", required_argument, NULL, 'f' },
		{ "ppid", required_argument, NULL, 'p' },  { "speed", required_argument, NULL, 'x' },
		{ "cpu", required_argument, NULL, 'c' },   { "keep", required_argument, NULL, 'k' },
		{ "telemetry", no_argument, NULL, 't' },
		{ 0 },
	};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			h->slice_path = optarg;
			break;
		case 'd':
			h->dir = optarg;
			break;
		case 'r':
			h->rec_dir = optarg;
			break;
		case 'f':
			h->fd = atoi(optarg);
			break;
		case 'p':
			h->parent = (pid_t)atol(optarg);
			break;
		case 'x':
			h->speed = strtod(optarg, NULL);
			break;
		case 'c':
			h->cpu = atoi(optarg);
			break;
		case 't':
			h->telemetry = true;
			break;
		case 'k':
			h->keep = strtoull(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return h->slice_path && h->dir && h->rec_dir && h->fd >= 3 && h->parent > 1;
}

int
host_zmq_main(int argc, char **argv, const struct core_ops *ops)
{
	struct host h = { .fd = -1, .cpu = -1, .speed_k = -1, .paused_k = -1 };

	if (!parse(&h, argc, argv))
		return usage(argv[0]);
	/* First of all: no life without the supervisor, also if it died before this line. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != h.parent)
		return EXIT_ORPHANED;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is the supervisor's business */
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that cannot grow is an error with a path */
	return run(&h, ops);
}
