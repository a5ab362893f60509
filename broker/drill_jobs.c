#include "drill_jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOOK_MS = 100,    /* progress and watchdogs */
	WATCHDOG_S = 600, /* of a case whose file names none */
	GRACE_S = 20,     /* from being asked to end until SIGKILL */
};

/* In memory that all share. */
struct shared {
	atomic_size_t next; /* case that nobody has taken yet */
	struct slot {
		_Atomic int64_t taken; /* case, -1: none */
		_Atomic double done, since_s;
	} slots[];
};

struct worker {
	pid_t pid;
	int fd;    /* records; -1: gone */
	char *buf; /* what came of the next record */
	size_t n, cap;
	double asked_s; /* when it was told to end; 0: not */
	bool late;
};

struct pool {
	const struct drill_order *o;
	struct term *talk;
	size_t n_cases, n_done, n_workers;
	struct shared *shared;
	size_t shared_size;
	struct worker *workers;
	struct drill_record *records; /* by case; parts[PART_TITLE] NULL: not yet */
	bool *have;
	size_t n_told; /* handed to `done` */
	drill_done *done;
	void *arg;
	struct progress progress;
	bool stopping;
};

/* ---- in the worker ----------------------------------------------------------------------------
 */

struct wire_head {
	size_t total; /* bytes of the record with this head */
	struct drill_record record;
	size_t length[PARTS_];
};

static bool
put_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static bool
send_record(int fd, const struct drill_record *r)
{
	struct wire_head h;
	memset(&h, 0, sizeof h);
	h.total = sizeof h;
	h.record = *r;
	for (int i = 0; i < PARTS_; i++) {
		h.length[i] = r->parts[i] ? strlen(r->parts[i]) : 0;
		h.total += h.length[i];
	}
	bool ok = put_all(fd, &h, sizeof h);
	for (int i = 0; ok && i < PARTS_; i++)
		ok = put_all(fd, r->parts[i], h.length[i]);
	return ok;
}

struct work_progress {
	struct slot *slot;
	struct progress *progress; /* NULL: the parent shows it */
};

static void
work_at(void *arg, double done)
{
	struct work_progress *p = arg;
	atomic_store_explicit(&p->slot->done, done, memory_order_relaxed);
}

static _Noreturn void
work(struct pool *p, size_t self, int fd, pid_t parent)
{
	struct slot *slot = &p->shared->slots[self];
	struct work_progress at = { .slot = slot };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	/* Ctrl-C reaches the parent, which tells the workers. */
	setpgid(0, 0);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	/* The recorders of the next case use the pages of the one before: no faults, no zeroing. */
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	struct term talk = *p->talk;
	if (p->n_cases > 1)
		talk.quiet = true;
	talk.live = talk.live && p->n_cases == 1;
	for (;;) {
		size_t i = atomic_fetch_add(&p->shared->next, 1);
		struct drill_record r;
		if (i >= p->n_cases)
			break;
		atomic_store(&slot->since_s, term_now_s());
		atomic_store(&slot->done, 0);
		atomic_store(&slot->taken, (int64_t)i);
		drill_case_run(p->o, i, &talk, work_at, &at, &r);
		if (!send_record(fd, &r))
			_exit(1);
		bool over = r.verdict == DRILL_INTERRUPTED;
		drill_record_free(&r);
		if (over)
			break;
	}
	_exit(0);
}

/* ---- in the parent ----------------------------------------------------------------------------
 */

static int
start_worker(struct pool *p, size_t self, struct err *err)
{
	int fd[2];
	struct worker *w = &p->workers[self];
	if (pipe2(fd, O_CLOEXEC))
		return err_sys(err, ERR_IO, "cannot make a pipe");
	fflush(NULL);
	atomic_store(&p->shared->slots[self].taken, -1);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		close(fd[0]);
		work(p, self, fd[1], parent);
	}
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return err_sys(err, ERR_IO, "cannot start a worker");
	}
	w->pid = pid;
	w->fd = fd[0];
	w->n = 0;
	w->asked_s = 0;
	w->late = false;
	return 0;
}

static void
tell_in_order(struct pool *p)
{
	for (; p->n_told < p->n_cases && p->have[p->n_told]; p->n_told++) {
		struct drill_record *r = &p->records[p->n_told];
		term_live_end(p->talk);
		p->done(p->arg, r);
		drill_record_free(r);
	}
}

static void
take_record(struct pool *p, const struct drill_record *r)
{
	if (r->index >= p->n_cases || p->have[r->index])
		return;
	p->records[r->index] = *r;
	p->have[r->index] = true;
	p->n_done++;
	tell_in_order(p);
}

/* The case that a worker had when it went. */
static void
lose_case(struct pool *p, size_t self, int status)
{
	struct slot *slot = &p->shared->slots[self];
	struct drill_record r;
	char why[160];
	int64_t i = atomic_load(&slot->taken);
	if (i < 0 || p->have[i])
		return;
	double wall = term_now_s() - atomic_load(&slot->since_s);
	if (p->stopping)
		snprintf(why, sizeof why, "interrupted");
	else if (p->workers[self].late)
		snprintf(why, sizeof why, "watchdog: not finished after %.3g s of wall time", wall);
	else if (WIFSIGNALED(status))
		snprintf(why, sizeof why, "the process that ran it died of signal %d",
		         WTERMSIG(status));
	else
		snprintf(why, sizeof why, "the process that ran it ended with status %d",
		         WEXITSTATUS(status));
	drill_case_lost(p->o, (size_t)i, p->stopping ? DRILL_INTERRUPTED : DRILL_ERROR, why, wall,
	                &r);
	take_record(p, &r);
}

/* What the watchdog ended says that it was interrupted; the verdict is another. */
static void
lose_late(struct pool *p, const struct worker *w, struct drill_record *r)
{
	char why[80];
	size_t index = r->index;
	double wall = r->wall_s;
	snprintf(why, sizeof why, "watchdog: not finished after %.3g s of wall time",
	         w->asked_s - atomic_load(&p->shared->slots[w - p->workers].since_s));
	drill_record_free(r);
	drill_case_lost(p->o, index, DRILL_ERROR, why, wall, r);
}

/* Takes the records that are complete. */
static void
take_records(struct pool *p, struct worker *w)
{
	size_t at = 0;
	struct wire_head h;
	while (w->n - at >= sizeof h) {
		memcpy(&h, w->buf + at, sizeof h);
		if (w->n - at < h.total)
			break;
		char *text = w->buf + at + sizeof h;
		struct drill_record r = h.record;
		for (int i = 0; i < PARTS_; i++) {
			r.parts[i] = strndup(text, h.length[i]);
			text += h.length[i];
		}
		if (w->late && r.verdict == DRILL_INTERRUPTED)
			lose_late(p, w, &r);
		take_record(p, &r);
		at += h.total;
	}
	memmove(w->buf, w->buf + at, w->n - at);
	w->n -= at;
}

static int
read_worker(struct pool *p, size_t self, struct err *err)
{
	enum { CHUNK = 1 << 16 };
	struct worker *w = &p->workers[self];
	if (w->cap - w->n < CHUNK) {
		char *buf = realloc(w->buf, w->n + 2 * CHUNK);
		if (!buf)
			return err_set(err, ERR_NOMEM, "out of memory");
		w->buf = buf;
		w->cap = w->n + 2 * CHUNK;
	}
	ssize_t n = read(w->fd, w->buf + w->n, CHUNK);
	if (n > 0) {
		w->n += (size_t)n;
		take_records(p, w);
		return 0;
	}
	if (n < 0 && errno == EINTR)
		return 0;
	int status = 0;
	close(w->fd);
	w->fd = -1;
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	lose_case(p, self, status);
	bool more = atomic_load(&p->shared->next) < p->n_cases && !p->stopping;
	return more ? start_worker(p, self, err) : 0;
}

static double
watchdog_s(const struct pool *p, int64_t i)
{
	const struct script *s = p->o->units[(size_t)i / (size_t)p->o->n_seeds].script;
	return s->watchdog_ns > 0 ? (double)s->watchdog_ns * 1e-9 : WATCHDOG_S;
}

static void
look_at_clock(struct pool *p)
{
	double now = term_now_s();
	if (term_signal() && !p->stopping) {
		p->stopping = true;
		atomic_store(&p->shared->next, p->n_cases);
		for (size_t i = 0; i < p->n_workers; i++) {
			if (p->workers[i].pid > 0)
				kill(p->workers[i].pid, term_signal());
			p->workers[i].asked_s = now;
		}
	}
	for (size_t i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];
		struct slot *slot = &p->shared->slots[i];
		int64_t taken = atomic_load(&slot->taken);
		if (w->pid <= 0 || taken < 0 || p->have[taken])
			continue;
		if (!w->late && !p->stopping &&
		    now - atomic_load(&slot->since_s) > watchdog_s(p, taken)) {
			w->late = true;
			w->asked_s = now;
			kill(w->pid, p->o->memory ? SIGKILL : SIGTERM);
		}
		if (w->asked_s > 0 && now - w->asked_s > GRACE_S)
			kill(w->pid, SIGKILL);
	}
}

static void
show_progress(struct pool *p)
{
	double done = (double)p->n_done;
	char detail[64];
	for (size_t i = 0; i < p->n_workers; i++) {
		int64_t taken = atomic_load(&p->shared->slots[i].taken);
		if (p->workers[i].pid > 0 && taken >= 0 && !p->have[taken])
			done += atomic_load(&p->shared->slots[i].done);
	}
	if (p->n_cases == 1 && !p->o->memory)
		return; /* the mesh shows its own */
	snprintf(detail, sizeof detail, "%zu of %zu runs", p->n_done, p->n_cases);
	progress_at(&p->progress, done / (double)p->n_cases, p->n_cases > 1 ? detail : "");
}

static int
loop(struct pool *p, struct err *err)
{
	struct pollfd *fds = calloc(p->n_workers, sizeof *fds);
	if (!fds)
		return err_set(err, ERR_NOMEM, "out of memory");
	int rc = 0;
	for (;;) {
		size_t alive = 0;
		for (size_t i = 0; i < p->n_workers; i++) {
			fds[i] = (struct pollfd){ .fd = p->workers[i].fd, .events = POLLIN };
			alive += p->workers[i].fd >= 0;
		}
		if (!alive)
			break;
		int n = poll(fds, p->n_workers, LOOK_MS);
		for (size_t i = 0; n > 0 && !rc && i < p->n_workers; i++)
			if (fds[i].revents)
				rc = read_worker(p, i, err);
		if (rc)
			break;
		look_at_clock(p);
		show_progress(p);
	}
	free(fds);
	return rc;
}

static void
stop_workers(struct pool *p)
{
	for (size_t i = 0; p->workers && i < p->n_workers; i++) {
		if (p->workers[i].pid > 0) {
			kill(p->workers[i].pid, SIGKILL);
			while (waitpid(p->workers[i].pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
		if (p->workers[i].fd >= 0)
			close(p->workers[i].fd);
		free(p->workers[i].buf);
	}
}

static int
prepare(struct pool *p, struct err *err)
{
	p->n_workers = p->o->jobs < p->n_cases ? p->o->jobs : p->n_cases;
	p->n_workers = p->n_workers ? p->n_workers : 1;
	p->shared_size = sizeof *p->shared + p->n_workers * sizeof p->shared->slots[0];
	p->workers = calloc(p->n_workers, sizeof *p->workers);
	p->records = calloc(p->n_cases, sizeof *p->records);
	p->have = calloc(p->n_cases, sizeof *p->have);
	p->shared = mmap(NULL, p->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                 -1, 0);
	if (p->shared == MAP_FAILED)
		p->shared = NULL;
	if (!p->workers || !p->records || !p->have || !p->shared)
		return err_set(err, ERR_NOMEM, "drill: out of memory");
	for (size_t i = 0; i < p->n_workers; i++)
		p->workers[i].fd = -1;
	return 0;
}

int
drill_jobs_run(const struct drill_order *o, struct term *talk, drill_done *done, void *arg,
               struct err *err)
{
	struct pool p = {
		.o = o, .talk = talk, .n_cases = drill_order_cases(o), .done = done, .arg = arg
	};
	int rc = prepare(&p, err);
	term_catch_signals(NULL);
	progress_begin(&p.progress, talk, "drill");
	for (size_t i = 0; !rc && i < p.n_workers; i++)
		rc = start_worker(&p, i, err);
	if (!rc)
		rc = loop(&p, err);
	progress_end(&p.progress);
	stop_workers(&p);
	for (size_t i = p.n_told; p.records && i < p.n_cases; i++)
		drill_record_free(&p.records[i]);
	if (p.shared)
		munmap(p.shared, p.shared_size);
	free(p.workers);
	free(p.records);
	free(p.have);
	return rc;
}
