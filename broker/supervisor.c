/*
 * The loop of a run: what children report (control sockets), their deaths (pidfds), requests of
 * clients, the clock. Every decision about who may start, hold or end is super_fsm's; this file
 * carries it out and gives every exit a name.
 */
#include "supervisor.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "request.h"
#include "restart.h"
#include "slice.h"
#include "spawn.h"
#include "super_fsm.h"
#include "supchan.h"

enum {
	PENDING_MAX = 64,   /* requests under way */
	PATH_BYTES = 1024,
	POLL_MS = 50,
	EVENTS_MAX = 64,
	EXIT_INFRASTRUCTURE = 4,
	CODE_USAGE = 64,
};

static const int64_t MS_NS = 1000000;
static const int64_t PROGRESS_NS = 250 * 1000000LL;
static const int64_t READY_BASE_NS = 10 * 1000000000LL; /* all ready after this ... */
static const int64_t READY_EACH_NS = 50 * 1000000LL;    /* ... plus this per process */
static const int64_t STOP_NS = 5 * 1000000000LL;        /* an orderly stop may take this long */
static const int64_t SILENCE_MIN_NS = 2 * 1000000000LL; /* a loaded host delays reports */
static const int64_t RELAY_REST_NS = 200 * 1000000LL;   /* between two starts of the relay */
static const int64_t ADAPT_NS = 1000 * 1000000LL;
static const int64_t QUIET_NS = 500 * 1000000LL;        /* five reports missing: it hangs */

struct child {
	struct spawned at;
	bool up;
	uint32_t inc;
	int64_t k, alive_ns;
	uint64_t overruns;
	char cause[96]; /* why it was killed, "" when nobody asked for it */
	char reason[SUP_TEXT_MAX]; /* what it said when it failed, "" */
	char exit[384]; /* of the last incarnation that ended */
	bool stopped;   /* SIGSTOP by hand */
	size_t n_words;
	struct sup_msg *words; /* did not fit into its socket yet */
	bool planned_exit;
};

struct pending {
	bool used;
	uint64_t token;
	struct request req;
	int proc; /* kill, start: the process, else -1 */
};

struct supervisor {
	const struct supervisor_params *par;
	struct supervisor_result *res;
	struct super *super;
	void *ctx;
	struct request_box *box;
	int epoll;
	uint32_t n;
	struct child *children, relay;
	int64_t relay_ns;
	struct pending pending[PENDING_MAX];
	uint64_t next_token;
	double speed;
	int64_t begin_ns, started_ns, progress_ns, stop_ns, adapt_ns, adapt_k;
	bool disturbed; /* since adapt_ns a process hung, died or came: no measure of this host */
	bool stopping, killed_all;
	bool failed; /* a process ended that nobody had asked to */
	cpu_set_t cpus;
	int persona; /* to be restored, -1: unknown */
	struct err err;
};

static volatile sig_atomic_t interrupted, interrupts;

void
supervisor_interrupt(int signo)
{
	interrupted = signo;
	interrupts++;
}

static int64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char *
id_of(const struct supervisor *s, uint32_t proc)
{
	return super_proc_id(s->par->topo, proc);
}

static void
say(struct supervisor *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct supervisor *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (s->par->on_line)
		s->par->on_line(s->par->arg, line);
}

/* Something went wrong that nobody asked for: the run goes on, its result says so. */
static void
blame(struct supervisor *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
blame(struct supervisor *s, const char *fmt, ...)
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
	say(s, "%s", line);
}

/* ---- children -------------------------------------------------------------------------------- */

enum { TAG_FD, TAG_PIDFD, TAG_RELAY };

static uint64_t
tag(uint32_t proc, unsigned what)
{
	return (uint64_t)proc << 2 | what;
}

static int
watch(struct supervisor *s, int fd, uint64_t data)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = data };
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void
log_path(const struct supervisor *s, uint32_t proc, uint32_t inc, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/log/%s.%" PRIu32 ".log", s->par->run_dir, id_of(s, proc), inc);
}

static void
rec_path(const struct supervisor *s, uint32_t proc, uint32_t inc, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/rec/%s.%s.%" PRIu32 ".frames", s->par->run_dir,
	         proc < s->par->topo->n_nodes ? "node" : "module", id_of(s, proc), inc);
}

/* Contiguous blocks of the mesh share a core; a module runs beside the node that owns it. */
static int
cpu_for(const struct supervisor *s, uint32_t proc)
{
	const struct topo *t = s->par->topo;
	int n = CPU_COUNT(&s->cpus);
	uint32_t node = proc < t->n_nodes ? proc : t->modules[proc - t->n_nodes].feeds[0];
	int want = (int)((uint64_t)node * (unsigned)n / t->n_nodes);
	for (int c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET((unsigned)c, &s->cpus) && want-- == 0)
			return c;
	return -1;
}

static int
resume(struct supervisor *s, uint32_t proc, struct slice *slice, struct err *err)
{
	for (uint32_t inc = slice->incarnation - 1; inc >= 1; inc--) {
		char path[PATH_BYTES];
		struct rec_file *f = NULL;
		rec_path(s, proc, inc, path);
		if (rec_file_open(path, &f, NULL) < 0)
			continue;
		int rc = rec_file_last_k(f) < rec_file_first_k(f) ? 1 : restart_from(slice, f, err);
		rec_file_close(&f);
		if (rc <= 0)
			return rc;
	}
	return 0;
}

static int
spawn_child(struct supervisor *s, uint32_t proc, struct slice *slice, struct err *err)
{
	struct child *c = &s->children[proc];
	char program[PATH_BYTES], slice_path[PATH_BYTES], log[PATH_BYTES], rec[PATH_BYTES];
	char fd[16], ppid[16], speed[32], cpu[16], keep[32];

	if (slice->incarnation > 1 && resume(s, proc, slice, err) < 0)
		return err->code;
	slice->stall_ns = s->par->topo->stall_ns;
	snprintf(slice_path, sizeof slice_path, "%s/slices/%s.%" PRIu32 ".slice", s->par->run_dir,
	         slice->id, slice->incarnation);
	if (slice_write(slice, slice_path, err) < 0)
		return err->code;
	log_path(s, proc, slice->incarnation, log);
	snprintf(program, sizeof program, "%s/voltloom-%s", s->par->bin_dir,
	         slice->kind == PROC_NODE ? "node" : "module");
	snprintf(rec, sizeof rec, "%s/rec", s->par->run_dir);
	snprintf(fd, sizeof fd, "%d", SPAWN_FD);
	snprintf(ppid, sizeof ppid, "%ld", (long)getpid());
	snprintf(speed, sizeof speed, "%.17g", s->speed);
	snprintf(cpu, sizeof cpu, "%d", s->par->pin ? cpu_for(s, proc) : -1);
	snprintf(keep, sizeof keep, "%" PRIu64, s->par->keep_frames);
	char *argv[] = { program,   (char *)"--slice", slice_path, (char *)"--dir",
		         (char *)(uintptr_t)s->par->sock_dir,      (char *)"--rec", rec,
		         (char *)"--fd", fd,                   (char *)"--ppid", ppid,
		         (char *)"--speed", speed,             (char *)"--cpu", cpu,
		         (char *)"--keep", keep,
		         s->par->relay ? (char *)"--telemetry" : NULL, NULL };
	if (spawn_process(program, argv, log, 1, &c->at, err) < 0)
		return err->code;
	s->disturbed = c->up = true;
	c->inc = slice->incarnation;
	c->k = -1;
	c->alive_ns = now_ns();
	c->cause[0] = c->reason[0] = 0;
	c->stopped = c->planned_exit = false;
	c->n_words = 0;
	if (watch(s, c->at.fd, tag(proc, TAG_FD)) < 0 ||
	    watch(s, c->at.pidfd, tag(proc, TAG_PIDFD)) < 0)
		return err_sys(err, ERR_IO, "epoll");
	return 0;
}

static void
on_spawn(void *arg, uint32_t proc, struct slice *slice)
{
	struct supervisor *s = arg;
	if (!s->err.code && spawn_child(s, proc, slice, &s->err) < 0)
		err_wrap(&s->err, "%s", id_of(s, proc));
	slice_destroy(&slice);
}

static void
flush_words(struct child *c)
{
	size_t done = 0;
	while (done < c->n_words && supchan_send(c->at.fd, &c->words[done], false) == 0)
		done++;
	c->n_words -= done;
	memmove(c->words, c->words + done, c->n_words * sizeof *c->words);
}

static void
on_send(void *arg, uint32_t proc, const struct sup_msg *m)
{
	struct supervisor *s = arg;
	struct child *c = &s->children[proc];
	if (!c->up)
		return;
	if (m->type == SM_BYE || m->type == SM_RETIRE)
		c->planned_exit = true;
	if (c->n_words)
		flush_words(c);
	if (c->n_words == 0 && supchan_send(c->at.fd, m, false) == 0)
		return;
	struct sup_msg *w = realloc(c->words, (c->n_words + 1) * sizeof *w);
	if (!w) {
		err_set(&s->err, ERR_NOMEM, "%s: out of memory", id_of(s, proc));
		return;
	}
	c->words = w;
	c->words[c->n_words++] = *m;
}

static void
kill_child(struct supervisor *s, uint32_t proc, int signo, const char *cause)
{
	struct child *c = &s->children[proc];
	if (!c->up)
		return;
	if (signo == SIGKILL && !c->cause[0])
		snprintf(c->cause, sizeof c->cause, "%s", cause);
	pidfd_send_signal(c->at.pidfd, signo, NULL, 0);
}

static void
on_signal(void *arg, uint32_t proc, enum super_signal sig)
{
	struct supervisor *s = arg;
	static const int signos[] = { SIGKILL, SIGSTOP, SIGCONT };
	kill_child(s, proc, signos[sig], super_ended(s->super) ? "at the end" : "scripted");
	if (sig == SUPER_SIGSTOP)
		say(s, "%s: SIGSTOP, scripted, step %" PRId64, id_of(s, proc),
		    super_last_frame(s->super, proc) + 1);
}

/* ---- requests under way ---------------------------------------------------------------------- */

static struct pending *
pend(struct supervisor *s, const struct request *r, int proc)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (p->used)
			continue;
		*p = (struct pending){ .used = true, .token = ++s->next_token, .req = *r, .proc = proc };
		return p;
	}
	return NULL;
}

struct step_data {
	int64_t step;
	uint32_t inc;
};

static void
pack_key(msgpack_packer *pk, const char *key)
{
	msgpack_pack_str(pk, strlen(key));
	msgpack_pack_str_body(pk, key, strlen(key));
}

static void
pack_step(void *arg, msgpack_packer *pk)
{
	const struct step_data *d = arg;
	msgpack_pack_map(pk, d->inc ? 2 : 1);
	pack_key(pk, "step");
	msgpack_pack_int64(pk, d->step);
	if (d->inc) {
		pack_key(pk, "incarnation");
		msgpack_pack_uint32(pk, d->inc);
	}
}

static void
on_acted(void *arg, uint64_t token, int64_t step)
{
	struct supervisor *s = arg;
	char text[96];
	s->disturbed = true; /* the clock stood still for it */
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (!p->used || p->token != token)
			continue;
		p->used = false;
		struct step_data d = { .step = step };
		if (strcmp(p->req.verb, "start") == 0 && p->proc >= 0) {
			d.inc = super_incarnation(s->super, (uint32_t)p->proc);
			say(s, "%s: incarnation %" PRIu32 " starts, step %" PRId64, p->req.target, d.inc,
			    step);
		}
		if (strcmp(p->req.verb, "speed") == 0)
			s->speed = p->req.factor;
		snprintf(text, sizeof text, "%s %s: step %" PRId64, p->req.verb, p->req.target, step);
		request_answer(s->box, &p->req, true, 0, text, pack_step, &d);
	}
}

/* A process died: who waited for that, or for its start, hears it. */
static void
answer_death(struct supervisor *s, uint32_t proc, int64_t last_frame)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (!p->used || p->proc != (int)proc)
			continue;
		p->used = false;
		bool kill = strcmp(p->req.verb, "kill") == 0;
		struct step_data d = { .step = last_frame };
		request_answer(s->box, &p->req, kill, kill ? 0 : EXIT_INFRASTRUCTURE,
		               s->children[proc].exit, pack_step, &d);
	}
}

/* ---- deaths ------------------------------------------------------------------------------------ */

static void
name_exit(struct supervisor *s, uint32_t proc, int status, int64_t last_frame)
{
	struct child *c = &s->children[proc];
	char how[224], log[PATH_BYTES];
	bool expected = c->planned_exit && WIFEXITED(status);

	log_path(s, proc, c->inc, log);
	spawn_name_exit(status, log, how, sizeof how);
	if (c->cause[0] && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		int64_t step = strcmp(c->cause, "scripted") == 0 ? last_frame + 1 : last_frame;
		snprintf(c->exit, sizeof c->exit, "%s, %s, step %" PRId64, how, c->cause, step);
		expected = true;
	} else if (WIFSIGNALED(status)) {
		bool sent = WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM;
		snprintf(c->exit, sizeof c->exit, "%s%s, step %" PRId64, how,
		         sent ? ", from outside" : "", last_frame);
		/* On a live mesh a kill from another terminal is what people do. */
		if (s->par->adapt_speed && WTERMSIG(status) == SIGKILL)
			expected = true;
	} else if (c->reason[0]) {
		snprintf(c->exit, sizeof c->exit, "exit %d: %s", WEXITSTATUS(status), c->reason);
	} else {
		snprintf(c->exit, sizeof c->exit, "%s", how);
	}
	if (WIFEXITED(status) && c->planned_exit &&
	    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 75))
		expected = true;
	if (!expected) {
		s->failed = true;
		blame(s, "%s: %s", id_of(s, proc), c->exit);
	} else if (!c->planned_exit && !s->killed_all) {
		say(s, "%s: %s", id_of(s, proc), c->exit);
	}
}

static void
hear_child(struct supervisor *s, uint32_t proc);

static void
reap(struct supervisor *s, uint32_t proc)
{
	struct child *c = &s->children[proc];
	struct rusage ru;
	int status;

	hear_child(s, proc); /* its last reports come before its death */
	if (!c->up || wait4(c->at.pid, &status, WNOHANG, &ru) != c->at.pid)
		return;
	c->up = false;
	s->disturbed = true;
	close(c->at.pidfd);
	if (c->at.fd >= 0)
		close(c->at.fd);
	double cpu = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
	             1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	s->res->cpu_s += cpu;
	if (proc < s->par->topo->n_nodes)
		s->res->cpu_node_s += cpu;
	s->res->overruns += c->overruns;

	char path[PATH_BYTES];
	struct rec_file *f = NULL;
	int64_t last = -1;
	rec_path(s, proc, c->inc, path);
	if (rec_file_open(path, &f, NULL) == 0) {
		last = rec_file_last_k(f);
		rec_file_close(&f);
	}
	if (last > s->res->last_k)
		s->res->last_k = last;
	name_exit(s, proc, status, last);
	if (!super_started(s->super) && !s->stopping) {
		err_set(&s->err, ERR_PEER, "%s ended before the mesh started: %s", id_of(s, proc),
		        c->exit);
		return;
	}
	super_death(s->super, proc, last);
	answer_death(s, proc, last);
}

/* ---- reports -------------------------------------------------------------------------------------- */

static int64_t
stall_limit(const struct supervisor *s)
{
	const struct topo *t = s->par->topo;
	if (t->stall_ns > 0)
		return t->stall_ns;
	if (!(s->speed > 0))
		return 10000 * MS_NS;
	double ns = 20.0 * (double)t->step_ns / s->speed;
	return ns > 250e6 ? (int64_t)ns : 250 * MS_NS;
}

/* Silent both to a neighbour and to us. SIGKILL works on a stopped process too. */
static void
condemn(struct supervisor *s, uint32_t proc, const char *by)
{
	struct child *c = &s->children[proc];
	char cause[96];
	if (!c->up || c->cause[0] || super_death_is_scripted(s->super, proc))
		return;
	snprintf(cause, sizeof cause, "stalled, accused by %s", by);
	if (s->speed > 0) {
		kill_child(s, proc, SIGKILL, cause);
		return;
	}
	if (!s->killed_all)
		err_set(&s->err, ERR_PEER, "%s hangs: silent for %.1f s (accused by %s), step %" PRId64,
		        id_of(s, proc), (double)(now_ns() - c->alive_ns) * 1e-9, by, c->k);
}

static void
hear_report(struct supervisor *s, uint32_t proc, const struct sup_msg *m)
{
	struct child *c = &s->children[proc];
	c->alive_ns = now_ns();
	if (m->k >= 0)
		c->k = m->k;
	if (m->type == SM_ALIVE || m->type == SM_DONE)
		c->overruns = m->overruns;
	if (m->type == SM_DONE) {
		s->res->loop_s = (double)(c->alive_ns - s->started_ns) * 1e-9;
		s->res->cpu_loop_s += m->x;
		if (proc < s->par->topo->n_nodes)
			s->res->cpu_node_loop_s += m->x;
	}
	switch (m->type) {
	case SM_ACCUSE: {
		struct child *who = m->proc < s->n ? &s->children[m->proc] : NULL;
		if (who && who->up && who->inc == m->inc &&
		    c->alive_ns - who->alive_ns > stall_limit(s) * 4 / 5)
			condemn(s, m->proc, id_of(s, proc));
		break;
	}
	case SM_FAILED:
		memcpy(c->reason, m->text, sizeof c->reason);
		break;
	case SM_REFUSED:
		err_set(&s->err, ERR_PROTO, "%s refuses %s: it belongs to another mesh or build",
		        id_of(s, proc), m->proc < s->n ? id_of(s, m->proc) : "?");
		break;
	default:
		super_report(s->super, proc, c->inc, m);
	}
}

static void
hear_child(struct supervisor *s, uint32_t proc)
{
	struct child *c = &s->children[proc];
	struct sup_msg m;
	while (c->up && c->at.fd >= 0) {
		enum supchan_result r = supchan_recv(c->at.fd, &m);
		if (r == SUPCHAN_EMPTY)
			return;
		if (r == SUPCHAN_EOF) {
			epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->at.fd, NULL);
			close(c->at.fd);
			c->at.fd = -1;
			return;
		}
		if (r == SUPCHAN_MSG)
			hear_report(s, proc, &m);
	}
}

/* ---- the relay ---------------------------------------------------------------------------------------- */

static int
start_relay(struct supervisor *s, struct err *err)
{
	char program[PATH_BYTES], log[PATH_BYTES], ppid[16];
	snprintf(program, sizeof program, "%s/voltloom-relay", s->par->bin_dir);
	snprintf(log, sizeof log, "%s/log/relay.log", s->par->run_dir);
	snprintf(ppid, sizeof ppid, "%ld", (long)getpid());
	char *argv[] = { program, (char *)"--dir", (char *)(uintptr_t)s->par->sock_dir,
		         (char *)"--ppid", ppid, NULL };
	if (spawn_process(program, argv, log, 0, &s->relay.at, err) < 0)
		return err->code;
	s->relay.up = true;
	s->relay_ns = now_ns();
	if (watch(s, s->relay.at.pidfd, tag(0, TAG_RELAY)) < 0)
		return err_sys(err, ERR_IO, "epoll");
	return 0;
}

static void
reap_relay(struct supervisor *s)
{
	int status;
	if (!s->relay.up || waitpid(s->relay.at.pid, &status, WNOHANG) != s->relay.at.pid)
		return;
	close(s->relay.at.pidfd);
	s->relay.up = false;
	if (s->stopping || super_ended(s->super))
		return;
	char how[192], log[PATH_BYTES];
	snprintf(log, sizeof log, "%s/log/relay.log", s->par->run_dir);
	spawn_name_exit(status, log, how, sizeof how);
	say(s, "relay: %s; it comes back", how);
}

static void
stop_relay(struct supervisor *s)
{
	if (!s->relay.up)
		return;
	pidfd_send_signal(s->relay.at.pidfd, SIGKILL, NULL, 0);
	waitpid(s->relay.at.pid, NULL, 0);
	close(s->relay.at.pidfd);
	s->relay.up = false;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void
pack_text(msgpack_packer *pk, const char *key, const char *text)
{
	pack_key(pk, key);
	pack_key(pk, text);
}

static void
pack_integer(msgpack_packer *pk, const char *key, int64_t v)
{
	pack_key(pk, key);
	msgpack_pack_int64(pk, v);
}

static int64_t
mesh_k(const struct supervisor *s, bool slowest)
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

static const char *
state_text(const struct supervisor *s)
{
	return !super_started(s->super) ? "starting" :
	       s->stopping              ? "stopping" :
	       super_holding(s->super)  ? "held" :
	       super_paused(s->super)   ? "paused" :
	                                  "running";
}

static void
pack_process(const struct supervisor *s, msgpack_packer *pk, uint32_t i)
{
	const struct child *c = &s->children[i];
	enum super_status st = super_status(s->super, i);
	msgpack_pack_map(pk, 7);
	pack_text(pk, "id", id_of(s, i));
	pack_text(pk, "kind", i < s->par->topo->n_nodes ? "node" : "module");
	pack_integer(pk, "pid", c->up ? c->at.pid : 0);
	pack_integer(pk, "incarnation", c->inc);
	pack_text(pk, "state", c->up && c->stopped ? "stopped" : super_status_name(st));
	pack_integer(pk, "k", c->k);
	pack_text(pk, "exit", c->up ? "" : c->exit);
}

static void
pack_status(void *arg, msgpack_packer *pk)
{
	const struct supervisor *s = arg;
	const struct topo *t = s->par->topo;
	uint64_t overruns = 0;
	int64_t k = mesh_k(s, false);

	for (uint32_t i = 0; i < s->n; i++)
		overruns += s->children[i].overruns;
	msgpack_pack_map(pk, 13);
	pack_text(pk, "mesh", t->name);
	pack_key(pk, "seed");
	msgpack_pack_uint64(pk, s->par->seed);
	pack_text(pk, "topology", t->path ? t->path : "");
	pack_text(pk, "run_dir", s->par->run_dir);
	pack_integer(pk, "pid", getpid());
	pack_integer(pk, "k", k);
	pack_integer(pk, "t_ns", k < 0 ? 0 : k * t->step_ns);
	pack_integer(pk, "step_ns", t->step_ns);
	pack_integer(pk, "end_k", s->par->end_k);
	pack_key(pk, "speed");
	msgpack_pack_double(pk, s->speed);
	pack_text(pk, "state", state_text(s));
	pack_integer(pk, "overruns", (int64_t)overruns);
	pack_key(pk, "processes");
	msgpack_pack_array(pk, s->n);
	for (uint32_t i = 0; i < s->n; i++)
		pack_process(s, pk, i);
}

static void
refuse(struct supervisor *s, const struct request *r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
refuse(struct supervisor *s, const struct request *r, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	request_answer(s->box, r, false, CODE_USAGE, text, NULL, NULL);
}

static void
begin_stop(struct supervisor *s)
{
	struct err err = ERR_INIT;
	if (s->stopping)
		return;
	s->stopping = true;
	s->stop_ns = now_ns();
	if (super_ended(s->super))
		return;
	if (super_command(s->super, &(struct sup_msg){ .act = ACT_STOP, .edge = -1 }, 0, &err) < 0)
		s->stop_ns -= STOP_NS; /* not started yet: nothing to agree on */
}

static void
kill_all(struct supervisor *s)
{
	s->killed_all = true;
	for (uint32_t i = 0; i < s->n; i++)
		kill_child(s, i, SIGKILL, "not stopped in time");
}

/* Commands that all processes agree on. */
static void
command(struct supervisor *s, const struct request *r, struct sup_msg m)
{
	struct err err = ERR_INIT;
	struct pending *p = pend(s, r, -1);
	if (!p) {
		refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		return;
	}
	if (super_command(s->super, &m, p->token, &err) < 0) {
		p->used = false;
		refuse(s, r, "%s", err.text);
	}
}

static void
request_fault(struct supervisor *s, const struct request *r)
{
	static const struct {
		const char *verb;
		bool link;
		uint32_t kind;
	} table[] = { { "cut", true, CMD_CUT },     { "heal", true, CMD_HEAL },
		      { "close", true, CMD_CLOSE }, { "load", false, CMD_LOAD },
		      { "short", false, CMD_SHORT } };
	const struct topo *t = s->par->topo;
	struct sup_msg m = { .act = ACT_FAULT, .edge = -1, .a = NAN, .b = NAN, .c = NAN };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(r->verb, table[i].verb) != 0)
			continue;
		int target = table[i].link ? topo_find_link(t, r->target) : topo_find_node(t, r->target);
		if (target < 0) {
			refuse(s, r, "no %s '%s' in %s", table[i].link ? "link" : "node", r->target, t->name);
			return;
		}
		m.fault = table[i].kind;
		if (table[i].link)
			m.edge = target;
		else
			m.proc = (uint32_t)target;
	}
	m.a = m.fault == CMD_CLOSE ? r->precharge_ohm : m.fault == CMD_LOAD ? r->level_w : r->r_ohm;
	m.b = m.fault == CMD_CLOSE ? r->bypass_s : m.fault == CMD_LOAD ? r->ramp_s : r->for_s;
	if (m.fault == CMD_LOAD && !(r->level_w >= 0 && r->level_w <= 1e6))
		refuse(s, r, "load: level_w is not in [0, 1e6] W");
	else if (m.fault == CMD_SHORT && !(r->r_ohm >= 1e-6 && r->r_ohm <= 1e6))
		refuse(s, r, "short: r_ohm is not in [1e-6, 1e6] Ohm");
	else
		command(s, r, m);
}

static void
request_process(struct supervisor *s, const struct request *r)
{
	int proc = super_find(s->par->topo, r->target);
	struct err err = ERR_INIT;

	if (strcmp(r->verb, "kill") == 0 && strcmp(r->target, "relay") == 0 && s->par->relay) {
		if (s->relay.up)
			pidfd_send_signal(s->relay.at.pidfd, SIGKILL, NULL, 0);
		request_answer(s->box, r, true, 0, "relay: SIGKILL", NULL, NULL);
		return;
	}
	if (proc < 0) {
		refuse(s, r, "no node or module '%s' in %s", r->target, s->par->topo->name);
		return;
	}
	struct child *c = &s->children[proc];
	if (strcmp(r->verb, "start") == 0) {
		struct pending *p = pend(s, r, proc);
		if (!p)
			refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		else if (super_start(s->super, (uint32_t)proc, p->token, &err) < 0) {
			p->used = false;
			refuse(s, r, "%s", err.text);
		}
		return;
	}
	if (!c->up) {
		refuse(s, r, "%s is dead: %s", r->target, c->exit);
		return;
	}
	if (strcmp(r->verb, "kill") == 0) {
		if (pend(s, r, proc))
			kill_child(s, (uint32_t)proc, SIGKILL, "by hand");
		else
			refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		return;
	}
	c->stopped = strcmp(r->verb, "stop") == 0;
	kill_child(s, (uint32_t)proc, c->stopped ? SIGSTOP : SIGCONT, "");
	say(s, "%s: %s by hand, step %" PRId64, r->target, c->stopped ? "SIGSTOP" : "SIGCONT", c->k);
	request_answer(s->box, r, true, 0, c->stopped ? "stopped" : "continued", NULL, NULL);
}

static void
request_status(struct supervisor *s, const struct request *r)
{
	request_answer(s->box, r, true, 0, state_text(s), pack_status, s);
}

static void
request_down(struct supervisor *s, const struct request *r)
{
	begin_stop(s);
	request_answer(s->box, r, true, 0, "stopping", NULL, NULL);
}

static void
request_time(struct supervisor *s, const struct request *r)
{
	struct sup_msg m = { .act = ACT_NONE, .edge = -1 };
	bool paused = super_paused(s->super);

	if (strcmp(r->verb, "speed") == 0) {
		m.act = ACT_SPEED;
		m.x = r->factor;
		if (!(r->factor >= 0 && r->factor <= 1000)) {
			refuse(s, r, "speed: the factor is not in [0, 1000]");
			return;
		}
	} else if (strcmp(r->verb, "resume") != 0) {
		m.act = ACT_PAUSE;
		bool step = strcmp(r->verb, "step") == 0;
		if (step != paused) {
			refuse(s, r, step ? "step: pause first" : "the mesh is paused already");
			return;
		}
	} else if (!paused) {
		refuse(s, r, "the mesh is not paused");
		return;
	}
	command(s, r, m);
}

static void
serve(struct supervisor *s)
{
	static const struct {
		const char *verb;
		void (*fn)(struct supervisor *, const struct request *);
	} table[] = {
		{ "status", request_status }, { "kill", request_process }, { "start", request_process },
		{ "stop", request_process },  { "cont", request_process }, { "cut", request_fault },
		{ "heal", request_fault },    { "close", request_fault },  { "load", request_fault },
		{ "short", request_fault },   { "pause", request_time },   { "resume", request_time },
		{ "step", request_time },     { "speed", request_time },   { "down", request_down },
	};
	struct request r;
	while (request_next(s->box, &r)) {
		bool known = false;
		for (size_t i = 0; !known && i < sizeof table / sizeof *table; i++) {
			known = strcmp(r.verb, table[i].verb) == 0;
			if (known)
				table[i].fn(s, &r);
		}
		if (!known)
			refuse(s, &r, "unknown request '%s'", r.verb);
	}
}

/* ---- the clock --------------------------------------------------------------------------------------------- */

static void
on_started(void *arg)
{
	struct supervisor *s = arg;
	s->started_ns = s->adapt_ns = now_ns();
	s->adapt_k = 0;
	s->res->ready_s = (double)(s->started_ns - s->begin_ns) * 1e-9;
	for (uint32_t i = 0; i < s->n; i++)
		s->children[i].alive_ns = s->started_ns;
	if (s->par->on_ready)
		s->par->on_ready(s->par->arg, s->n, s->n, s->res->ready_s);
}

static void
check_ready(struct supervisor *s, int64_t now)
{
	int64_t limit = READY_BASE_NS + (int64_t)s->n * READY_EACH_NS;
	if (super_started(s->super) || now - s->begin_ns < limit || s->err.code)
		return;
	char who[200] = "";
	size_t n = 0, missing = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		if (super_status(s->super, i) == SUPER_READY)
			continue;
		if (missing++ < 8)
			n += (size_t)snprintf(who + n, sizeof who - n, " %s", id_of(s, i));
	}
	err_set(&s->err, ERR_TIMEOUT, "%zu of %" PRIu32 " processes are not ready after %.1f s:%s%s",
	        missing, s->n, (double)(now - s->begin_ns) * 1e-9, who, missing > 8 ? " ..." : "");
}

/* Who says nothing to us for too long is named, also when nobody waits for it. */
static void
check_silence(struct supervisor *s, int64_t now)
{
	int64_t limit = stall_limit(s) > SILENCE_MIN_NS ? stall_limit(s) : SILENCE_MIN_NS;
	if (!super_started(s->super))
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		if (c->up && now - c->alive_ns > limit && !c->planned_exit)
			condemn(s, i, "the supervisor");
	}
}

static void
check_stop(struct supervisor *s, int64_t now)
{
	const char *what;
	if (interrupted && !s->stopping) {
		s->res->exit_status = 128 + interrupted;
		say(s, "stopping (%s)", interrupted == SIGINT ? "interrupted" : "terminated");
		begin_stop(s);
	}
	if (super_ended(s->super) && !s->stop_ns)
		s->stop_ns = now;
	bool late = s->stop_ns && now - s->stop_ns > STOP_NS;
	if ((late || interrupts > 1) && !s->killed_all) {
		int who = super_blocker(s->super, &what);
		if (super_started(s->super)) {
			if (who >= 0)
				blame(s, "not cleanly ended: %s %s", id_of(s, (uint32_t)who), what);
			else
				blame(s, "not cleanly ended: processes stayed after the end");
		}
		kill_all(s);
	}
}

static void
adapt_speed(struct supervisor *s, int64_t now)
{
	static const double factors[] = { 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001 };
	if (!s->par->adapt_speed || !super_started(s->super) || now - s->adapt_ns < ADAPT_NS)
		return;
	int64_t k = mesh_k(s, true), dt = now - s->adapt_ns, dk = k - s->adapt_k;
	bool disturbed = s->disturbed;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct child *c = &s->children[i];
		disturbed |= c->up && (c->stopped || now - c->alive_ns > QUIET_NS);
	}
	s->disturbed = false;
	s->adapt_ns = now;
	s->adapt_k = k;
	if (disturbed || k < 0 || dk <= 0 || !(s->speed > 0) || super_paused(s->super) ||
	    super_holding(s->super) || s->stopping)
		return;
	double held = (double)dk * (double)s->par->topo->step_ns / (double)dt;
	if (held >= 0.9 * s->speed)
		return;
	for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
		if (factors[i] >= s->speed || (factors[i] > 0.95 * held && factors[i] > 0.001))
			continue;
		struct sup_msg m = { .act = ACT_SPEED, .x = factors[i], .edge = -1 };
		if (super_command(s->super, &m, 0, NULL) == 0) {
			say(s, "speed lowered to x%g: this host held x%.2g of x%g", factors[i], held,
			    s->speed);
			s->speed = factors[i];
		}
		return;
	}
}

static bool
all_gone(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->children[i].up)
			return false;
	return true;
}

/* A mesh whose processes have all failed does not go on by itself. One that was killed by hand may. */
static void
check_failed(struct supervisor *s)
{
	if (s->failed && super_started(s->super) && !s->stopping && all_gone(s))
		begin_stop(s);
}

static void
look_at_clock(struct supervisor *s)
{
	int64_t now = now_ns();
	check_failed(s);
	check_ready(s, now);
	check_silence(s, now);
	check_stop(s, now);
	adapt_speed(s, now);
	if (s->par->relay && !s->relay.up && !s->stopping && now - s->relay_ns > RELAY_REST_NS) {
		struct err err = ERR_INIT;
		s->relay_ns = now;
		if (start_relay(s, &err) < 0)
			say(s, "relay: %s", err.text);
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (s->children[i].up && s->children[i].n_words)
			flush_words(&s->children[i]);
	if (s->par->on_progress && super_started(s->super) && now - s->progress_ns >= PROGRESS_NS) {
		s->progress_ns = now;
		s->par->on_progress(s->par->arg, mesh_k(s, true), s->par->end_k, s->speed,
		                    super_paused(s->super));
	}
}

/* ---- the run -------------------------------------------------------------------------------------------------- */

static void
hear_epoll(struct supervisor *s)
{
	struct epoll_event ev[EVENTS_MAX];
	int n = epoll_wait(s->epoll, ev, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++) {
		uint32_t proc = (uint32_t)(ev[i].data.u64 >> 2);
		switch (ev[i].data.u64 & 3) {
		case TAG_FD:
			hear_child(s, proc);
			break;
		case TAG_PIDFD:
			reap(s, proc);
			break;
		default:
			reap_relay(s);
		}
	}
}

static void
loop(struct supervisor *s)
{
	while (!s->err.code && !(super_ended(s->super) && all_gone(s)) &&
	       !(s->killed_all && all_gone(s))) {
		zmq_pollitem_t items[] = {
			{ .socket = request_box_socket(s->box), .events = ZMQ_POLLIN },
			{ .fd = s->epoll, .events = ZMQ_POLLIN },
		};
		if (zmq_poll(items, 2, POLL_MS) > 0) {
			hear_epoll(s);
			serve(s);
		}
		look_at_clock(s);
	}
}

/* Whatever happened, nothing stays. */
static void
sweep(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		if (!c->up)
			continue;
		kill_child(s, i, SIGKILL, "after an error");
		struct rusage ru;
		int status;
		if (wait4(c->at.pid, &status, 0, &ru) == c->at.pid) {
			close(c->at.pidfd);
			if (c->at.fd >= 0)
				close(c->at.fd);
			c->up = false;
		}
	}
	stop_relay(s);
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
		               .send = on_send,
		               .spawn = on_spawn,
		               .signal = on_signal,
		               .acted = on_acted,
		               .started = on_started };
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
	if (p->relay && start_relay(s, err) < 0)
		return err->code;
	return super_begin(s->super, err);
}

int
supervisor_run(const struct supervisor_params *par, struct supervisor_result *res, struct err *err)
{
	struct supervisor s = { .par = par, .res = res, .epoll = -1, .persona = -1,
		                .speed = par->speed };

	*res = (struct supervisor_result){ .clean = true, .last_k = -1 };
	interrupted = interrupts = 0;
	s.begin_ns = now_ns();
	int rc = set_up(&s, &s.err);
	if (rc == 0) {
		loop(&s);
		rc = s.err.code;
	}
	if (rc < 0) {
		blame(&s, "%s", s.err.text);
		if (err)
			*err = s.err;
	}
	if (s.children)
		sweep(&s);
	if (s.persona >= 0)
		personality((unsigned long)s.persona);
	if (s.started_ns)
		res->wall_s = (double)(now_ns() - s.started_ns) * 1e-9;
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
	return rc;
}
