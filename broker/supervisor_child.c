/* Children: how they are spawned, what they are told and report, and how they end by name. */
#include "supervisor_priv.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "procfs.h"
#include "rec.h"
#include "restart.h"
#include "slice.h"
#include "supchan.h"

/* A silent process that the host shows at work, or waiting for a disk, is given this long: as in free-running meshes. */
#define BUSY_NS INT64_C(10000000000)

/* ---- spawning ---------------------------------------------------------------------------------
 */

static void
log_path(const struct supervisor *s, uint32_t proc, uint32_t inc, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/log/%s.%" PRIu32 ".log", s->par->run_dir,
	         supervisor_id(s, proc), inc);
}

static void
rec_path(const struct supervisor *s, uint32_t proc, uint32_t inc, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/rec/%s.%s.%" PRIu32 ".frames", s->par->run_dir,
	         proc < s->par->topo->n_nodes ? "node" : "module", supervisor_id(s, proc), inc);
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
	char *argv[] = { program,
		         (char *)"--slice",
		         slice_path,
		         (char *)"--dir",
		         (char *)(uintptr_t)s->par->sock_dir,
		         (char *)"--rec",
		         rec,
		         (char *)"--fd",
		         fd,
		         (char *)"--ppid",
		         ppid,
		         (char *)"--speed",
		         speed,
		         (char *)"--cpu",
		         cpu,
		         (char *)"--keep",
		         keep,
		         s->par->relay ? (char *)"--telemetry" : NULL,
		         NULL };
	if (spawn_process(program, argv, log, 1, &c->at, err) < 0)
		return err->code;
	s->disturbed = c->up = true;
	c->inc = slice->incarnation;
	c->k = -1;
	c->alive_ns = supervisor_now_ns();
	c->cause[0] = c->reason[0] = 0;
	c->stopped = c->planned_exit = false;
	c->n_words = 0;
	if (supervisor_watch(s, c->at.fd, supervisor_tag(proc, TAG_FD)) < 0 ||
	    supervisor_watch(s, c->at.pidfd, supervisor_tag(proc, TAG_PIDFD)) < 0)
		return err_sys(err, ERR_IO, "epoll");
	return 0;
}

void
supervisor_child_spawn(void *arg, uint32_t proc, struct slice *slice)
{
	struct supervisor *s = arg;
	struct child *c = &s->children[proc];
	struct err err = ERR_INIT;
	if (c->plug)
		slice->module.plugged = c->plug == CMD_PLUG;
	for (size_t i = 0; i < s->n_done && !s->err.code; i++)
		if (slice_tell(slice, &s->done[i], &err) < 0)
			s->err = err;
	if (!s->err.code && spawn_child(s, proc, slice, &err) < 0) {
		/* A live mesh does without a newcomer that cannot be started. */
		if (s->par->adapt_speed && super_started(s->super) && !c->up) {
			snprintf(c->exit, sizeof c->exit, "%.*s", (int)sizeof c->exit - 1,
			         err.text);
			c->inc = slice->incarnation;
			c->stillborn = true;
		} else {
			s->err = err;
			err_wrap(&s->err, "%s", supervisor_id(s, proc));
		}
	}
	slice_destroy(&slice);
}

/* ---- words and signals ------------------------------------------------------------------------
 */

void
supervisor_child_flush(struct child *c)
{
	size_t done = 0;
	while (done < c->n_words && supchan_send(c->at.fd, &c->words[done], false) == 0)
		done++;
	c->n_words -= done;
	memmove(c->words, c->words + done, c->n_words * sizeof *c->words);
}

void
supervisor_child_send(void *arg, uint32_t proc, const struct sup_msg *m)
{
	struct supervisor *s = arg;
	struct child *c = &s->children[proc];
	if (!c->up)
		return;
	if (m->type == SM_BYE || m->type == SM_RETIRE)
		c->planned_exit = true;
	if (c->n_words)
		supervisor_child_flush(c);
	if (c->n_words == 0 && supchan_send(c->at.fd, m, false) == 0)
		return;
	struct sup_msg *w = realloc(c->words, (c->n_words + 1) * sizeof *w);
	if (!w) {
		err_set(&s->err, ERR_NOMEM, "%s: out of memory", supervisor_id(s, proc));
		return;
	}
	c->words = w;
	c->words[c->n_words++] = *m;
}

void
supervisor_child_kill(struct supervisor *s, uint32_t proc, int signo, const char *cause)
{
	struct child *c = &s->children[proc];
	if (!c->up)
		return;
	if (signo == SIGKILL && !c->cause[0])
		snprintf(c->cause, sizeof c->cause, "%s", cause);
	pidfd_send_signal(c->at.pidfd, signo, NULL, 0);
}

void
supervisor_child_signal(void *arg, uint32_t proc, enum super_signal sig)
{
	struct supervisor *s = arg;
	static const int signos[] = { SIGKILL, SIGSTOP, SIGCONT };
	supervisor_child_kill(s, proc, signos[sig],
	                      super_ended(s->super) ? "at the end" : "scripted");
	if (sig == SUPER_SIGSTOP)
		supervisor_say(s, "%s: SIGSTOP, scripted, step %" PRId64, supervisor_id(s, proc),
		               super_last_frame(s->super, proc) + 1);
}

/* It has said something that we have not read yet; or it works or waits for a disk, and the host lets it not. A
 * process that turns in a circle looks the same, hence only for so long. */
static bool
supervisor_child_lives(const struct supervisor *s, const struct child *c)
{
	struct pollfd said = { .fd = c->at.fd, .events = POLLIN };
	char state = 0;

	if (c->at.fd >= 0 && poll(&said, 1, 0) == 1 && said.revents & POLLIN)
		return true;
	return supervisor_now_ns() - c->alive_ns < BUSY_NS && s->speed > 0 &&
	       procfs_stat(c->at.pid, NULL, NULL, &state) && (state == 'R' || state == 'D');
}

/* Silent both to a neighbour and to us. SIGKILL works on a stopped process too. */
void
supervisor_child_condemn(struct supervisor *s, uint32_t proc, const char *by)
{
	struct child *c = &s->children[proc];
	char cause[CAUSE_BYTES];
	if (!c->up || c->cause[0] || super_death_is_scripted(s->super, proc) ||
	    supervisor_child_lives(s, c))
		return;
	snprintf(cause, sizeof cause, "stalled, accused by %s", by);
	if (s->speed > 0) {
		supervisor_child_kill(s, proc, SIGKILL, cause);
		return;
	}
	if (!s->killed_all)
		err_set(&s->err, ERR_PEER,
		        "%s hangs: silent for %.1f s (accused by %s), step %" PRId64,
		        supervisor_id(s, proc), (double)(supervisor_now_ns() - c->alive_ns) * 1e-9,
		        by, c->k);
}

/* ---- reports ----------------------------------------------------------------------------------
 */

static void
hear_report(struct supervisor *s, uint32_t proc, const struct sup_msg *m)
{
	struct child *c = &s->children[proc];
	c->alive_ns = supervisor_now_ns();
	if (m->k >= 0)
		c->k = m->k;
	if (m->type == SM_ALIVE || m->type == SM_DONE) {
		c->overruns = m->overruns;
		c->late = m->late;
	}
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
		    c->alive_ns - who->alive_ns > supervisor_clock_stall_limit(s) * 4 / 5)
			supervisor_child_condemn(s, m->proc, supervisor_id(s, proc));
		break;
	}
	case SM_FAILED:
		memcpy(c->reason, m->text, sizeof c->reason);
		break;
	case SM_REFUSED:
		err_set(&s->err, ERR_PROTO, "%s refuses %s: it belongs to another mesh or build",
		        supervisor_id(s, proc), m->proc < s->n ? supervisor_id(s, m->proc) : "?");
		break;
	default:
		super_report(s->super, proc, c->inc, m);
	}
}

void
supervisor_child_hear(struct supervisor *s, uint32_t proc)
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

/* ---- deaths -----------------------------------------------------------------------------------
 */

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
		supervisor_blame(s, "%s: %s", supervisor_id(s, proc), c->exit);
	} else if (!c->planned_exit && !s->killed_all) {
		supervisor_say(s, "%s: %s", supervisor_id(s, proc), c->exit);
	}
}

void
supervisor_child_reap(struct supervisor *s, uint32_t proc)
{
	struct child *c = &s->children[proc];
	struct rusage ru;
	int status;

	supervisor_child_hear(s, proc); /* its last reports come before its death */
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
	if (c->overruns > s->res->overruns)
		s->res->overruns = c->overruns;

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
		err_set(&s->err, ERR_PEER, "%s ended before the mesh started: %s",
		        supervisor_id(s, proc), c->exit);
		return;
	}
	super_death(s->super, proc, last);
	supervisor_request_death(s, proc, last);
}

/* Not from within supervisor_child_spawn(): the engine is in the middle of announcing them. */
void
supervisor_child_bury_stillborn(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		if (!c->stillborn)
			continue;
		c->stillborn = false;
		supervisor_blame(s, "%s: %s", supervisor_id(s, i), c->exit);
		super_death(s->super, i, -1);
		supervisor_request_death(s, i, -1);
	}
}
