/*
 * The loop of a run: what children report (control sockets), their deaths (pidfds), requests of
 * clients, the clock. Every decision about who may start, hold or end is super_fsm's; these files
 * carry it out and give every exit a name. Map: supervisor_priv.h.
 */
#include "supervisor.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "supervisor_priv.h"

enum {
	POLL_MS = 50,
	EVENTS_MAX = 64, /* taken per look */
};

void
supervisor_say(struct supervisor *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (s->par->on_line)
		s->par->on_line(s->par->arg, line);
}

void
supervisor_blame(struct supervisor *s, const char *fmt, ...)
{
	char line[sizeof s->res->text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	s->res->clean = false;
	if (!s->res->text[0])
		memcpy(s->res->text, line, sizeof line);
	if (!s->res->exit_status)
		s->res->exit_status = EXIT_INFRASTRUCTURE;
	supervisor_say(s, "%s", line);
}

int
supervisor_watch(struct supervisor *s, int fd, uint64_t data)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = data };
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

int64_t
supervisor_mesh_k(const struct supervisor *s, bool slowest)
{
	int64_t k = slowest ? INT64_MAX : -1;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct child *c = &s->children[i];
		if (!c->up || c->k < 0 || super_status(s->super, i) > SUPER_DONE)
			continue;
		if (slowest ? c->k < k : c->k > k)
			k = c->k;
	}
	return k == INT64_MAX ? -1 : k;
}

bool
supervisor_all_gone(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->children[i].up)
			return false;
	return true;
}

/* ---- the loop ---------------------------------------------------------------------------------
 */

static void
hear_epoll(struct supervisor *s)
{
	struct epoll_event ev[EVENTS_MAX];
	int n = epoll_wait(s->epoll, ev, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++) {
		uint32_t proc = (uint32_t)(ev[i].data.u64 >> 2);
		switch (ev[i].data.u64 & 3) {
		case TAG_FD:
			supervisor_child_hear(s, proc);
			break;
		case TAG_PIDFD:
			supervisor_child_reap(s, proc);
			break;
		default:
			supervisor_clock_reap_relay(s);
		}
	}
}

static void
loop(struct supervisor *s)
{
	while (!s->err.code && !(super_ended(s->super) && supervisor_all_gone(s)) &&
	       !(s->killed_all && supervisor_all_gone(s))) {
		zmq_pollitem_t items[] = {
			{ .socket = request_box_socket(s->box), .events = ZMQ_POLLIN },
			{ .fd = s->epoll, .events = ZMQ_POLLIN },
		};
		if (zmq_poll(items, 2, POLL_MS) > 0) {
			hear_epoll(s);
			supervisor_request_serve(s);
		}
		supervisor_child_bury_stillborn(s);
		supervisor_clock_look(s);
	}
}

/* ---- set-up and end ---------------------------------------------------------------------------
 */

/* Whatever happened, nothing stays. */
static void
sweep(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		if (!c->up)
			continue;
		supervisor_child_kill(s, i, SIGKILL, "after an error");
		struct rusage ru;
		int status;
		if (wait4(c->at.pid, &status, 0, &ru) == c->at.pid) {
			close(c->at.pidfd);
			if (c->at.fd >= 0)
				close(c->at.fd);
			c->up = false;
		}
	}
	supervisor_clock_stop_relay(s);
}

static void
count(struct supervisor *s)
{
	s->res->n_procs = s->n;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->children[i].up)
			s->res->n_left++;
		else
			s->res->n_exited++;
	}
}

static int
set_up(struct supervisor *s, struct err *err)
{
	struct super_io io = { .arg = s,
		               .send = supervisor_child_send,
		               .spawn = supervisor_child_spawn,
		               .signal = supervisor_child_signal,
		               .acted = supervisor_request_acted,
		               .started = supervisor_clock_started };
	const struct supervisor_params *p = s->par;
	struct rlimit lim;

	/* Two descriptors per process. */
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* All processes at the same addresses share what the core has learned of their branches:
	 * docs/decisions/0004. */
	s->persona = personality(0xffffffff);
	if (s->persona >= 0)
		personality((unsigned long)s->persona | ADDR_NO_RANDOMIZE);
	sched_getaffinity(0, sizeof s->cpus, &s->cpus);
	s->n = (uint32_t)(p->topo->n_nodes + p->topo->n_modules);
	s->children = calloc(s->n, sizeof *s->children);
	s->ctx = zmq_ctx_new();
	if (!s->children || !s->ctx)
		return err_set(err, ERR_NOMEM, "supervisor: out of memory");
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return err_sys(err, ERR_IO, "epoll");
	if (request_box_create(s->ctx, p->sock_dir, &s->box, err) < 0)
		return err->code;
	if (super_create(p->topo, p->script, p->end_k, p->seed, &io, &s->super, err) < 0)
		return err->code;
	if (p->relay && supervisor_clock_start_relay(s, err) < 0)
		return err->code;
	return super_begin(s->super, err);
}

int
supervisor_run(const struct supervisor_params *par, struct supervisor_result *res, struct err *err)
{
	struct supervisor s = {
		.par = par, .res = res, .epoll = -1, .persona = -1, .speed = par->speed,
		.asked = par->speed
	};

	*res = (struct supervisor_result){ .clean = true, .last_k = -1 };
	supervisor_clock_begin(&s);
	int rc = set_up(&s, &s.err);
	if (rc == 0) {
		loop(&s);
		rc = s.err.code;
	}
	if (rc < 0) {
		supervisor_blame(&s, "%s", s.err.text);
		if (err)
			*err = s.err;
	}
	if (s.children)
		sweep(&s);
	if (s.persona >= 0)
		personality((unsigned long)s.persona);
	if (s.started_ns)
		res->wall_s = (double)(supervisor_now_ns() - s.started_ns) * 1e-9;
	if (s.children)
		count(&s);
	for (uint32_t i = 0; s.children && i < s.n; i++)
		free(s.children[i].words);
	super_destroy(&s.super);
	request_box_destroy(&s.box);
	if (s.epoll >= 0)
		close(s.epoll);
	if (s.ctx)
		zmq_ctx_term(s.ctx);
	free(s.children);
	free(s.done);
	return rc;
}
