/*
 * The stages of a process: arguments, slice, core and recorder (proc_create), sockets as the engine
 * asks for them (host_zmq_sock.c), then one loop: proc_run() until it is blocked or its budget is
 * used up, blocked() on the fast path, look_around() on the slow one, allowance() between steps of
 * paced runs.
 */
#include "host_zmq.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "host_zmq_priv.h"
#include "supchan.h"

enum {
	COMMAND_STEPS = 10, /* on the fast path the supervisor is heard every so many steps */
	ALIVE_MS = 100,     /* report to the supervisor */
	EXIT_FAILED = 70,
	EXIT_ORPHANED = 76,
};

/* A paced process may be this far ahead of the clock: one wake-up then serves many steps. */
static const int64_t PACE_AHEAD_NS = 2000000;
/* Later than this, the missed time is given up (and counted) instead of caught up: more than what other
 * programs keep a core for at a time, no more than a report's period. */
static const int64_t PACE_LATE_NS = 100000000;

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

void
host_zmq_fail(struct host *h, int code, const char *what)
{
	if (!h->err.code)
		err_set(&h->err, code, "%s: %s", what, zmq_strerror(errno));
}

static void
io_report(void *arg, const struct sup_msg *m)
{
	struct host *h = arg;
	struct sup_msg copy = *m;
	copy.overruns = h->overruns;
	copy.late = h->late;
	if (m->type == SM_DONE)
		copy.x = cpu_s() - h->cpu0_s;
	if (supchan_send(h->fd, &copy, true) < 0)
		h->orphaned = true;
}

/* ---- what is due by the wall clock
 * --------------------------------------------------------------- */

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
				host_zmq_sock_drain_all(h);
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
	host_zmq_sock_drain_all(h);
	host_zmq_sock_greet_again(h);
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
		struct sup_msg m = { .type = SM_ALIVE,
			             .k = proc_k(h->p),
			             .overruns = h->overruns,
			             .late = h->late };
		supchan_send(h->fd, &m, false);
	}
	start_telemetry(h);
	tell_telemetry(h, now);
	hear_newcomers(h, now);
}

/* Takes from all channels; sleeps until something comes when nothing was there. */
static void
look_around(struct host *h, int64_t timeout_ns)
{
	bool any = hear_supervisor(h);
	any |= host_zmq_sock_drain_all(h);
	tick(h);
	if (!any && timeout_ns > 0 && !h->orphaned)
		host_zmq_sock_sleep(h, timeout_ns);
}

/* ---- pace
 * ---------------------------------------------------------------------------------------- */

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
		h->late = 0;
		anchor(h);
	}
	if (!(h->speed > 0) || proc_state(h->p) != PROC_RUNNING)
		return COMMAND_STEPS;
	double step_ns = (double)h->slice->step_ns / h->speed;
	int64_t now = now_ns();
	int64_t due = h->t0_ns + (int64_t)((double)(proc_k(h->p) - h->k0) * step_ns);
	if (now - due > PACE_LATE_NS) {
		const uint64_t late = (uint64_t)((double)(now - due) / step_ns);
		h->overruns += late;
		h->late += late;
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

/* ---- the loop
 * ------------------------------------------------------------------------------------ */

static bool
blocked(struct host *h)
{
	uint32_t inc = 0;
	int chan = proc_blocked_on(h->p, &inc);
	struct sock *s = chan < 0 ? NULL : host_zmq_sock_find(h, (size_t)chan, inc);
	if (!s || s->lost || s->n_out)
		return false;
	return host_zmq_sock_receive(h, (size_t)chan, s, true);
}

static int
loop(struct host *h)
{
	struct err err = ERR_INIT;
	int64_t heard_k = -1;

	while (!h->orphaned && !h->err.code) {
		bool was_stopped =
			proc_held(h->p) || proc_paused(h->p) || proc_state(h->p) != PROC_RUNNING;
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

/* Before the transport makes its threads, which inherit both. Only a matter of speed. */
static void
place(const struct host *h)
{
	cpu_set_t set;
	/* Without a pace only throughput counts: batches of work between two switches. */
	if (!(h->speed > 0))
		sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
	if (h->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)h->cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static int
run(struct host *h, const struct core_ops *ops)
{
	struct proc_io io = { .arg = h,
		              .socket = host_zmq_sock_make,
		              .close = host_zmq_sock_drop,
		              .send = host_zmq_sock_send,
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
	place(h);
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
	host_zmq_sock_close_all(h);
	proc_destroy(&h->p);
	slice_destroy(&h->slice);
	if (h->ctx)
		zmq_ctx_term(h->ctx);
	return status;
}

/* ---- arguments
 * ----------------------------------------------------------------------------------- */

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
		{ "slice", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'd' },
		{ "rec", required_argument, NULL, 'r' },
		{ "fd", required_argument, NULL, 'f' },
		{ "ppid", required_argument, NULL, 'p' },
		{ "speed", required_argument, NULL, 'x' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "keep", required_argument, NULL, 'k' },
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
