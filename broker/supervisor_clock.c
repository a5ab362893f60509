/* What is due by the wall clock: all ready, nobody silent, the end in order, speed, the relay. */
#include "supervisor_priv.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t MS_NS = 1000000;
static const int64_t PROGRESS_NS = 250 * 1000000LL;
static const int64_t READY_BASE_NS = 10 * 1000000000LL; /* all ready after this ... */
static const int64_t READY_EACH_NS = 50 * 1000000LL;    /* ... plus this per process */
static const int64_t STOP_NS = 5 * 1000000000LL;        /* an orderly stop may take this long */
static const int64_t SILENCE_MIN_NS = 2 * 1000000000LL; /* a loaded host delays reports */
static const int64_t RELAY_REST_NS = 200 * 1000000LL;   /* between two starts of the relay */
static const int64_t ADAPT_NS = 1000 * 1000000LL;
static const int64_t QUIET_NS = 500 * 1000000LL; /* five reports missing: it hangs */

static volatile sig_atomic_t interrupted, interrupts;

void
supervisor_interrupt(int signo)
{
	interrupted = signo;
	interrupts++;
}

void
supervisor_clock_begin(struct supervisor *s)
{
	interrupted = interrupts = 0;
	s->begin_ns = supervisor_now_ns();
}

void
supervisor_clock_started(void *arg)
{
	struct supervisor *s = arg;
	s->started_ns = s->adapt_ns = s->adapt_at_ns = supervisor_now_ns();
	s->adapt_k = 0;
	s->res->ready_s = (double)(s->started_ns - s->begin_ns) * 1e-9;
	for (uint32_t i = 0; i < s->n; i++)
		s->children[i].alive_ns = s->started_ns;
	if (s->par->on_ready)
		s->par->on_ready(s->par->arg, s->n, s->n, s->res->ready_s);
}

int64_t
supervisor_clock_stall_limit(const struct supervisor *s)
{
	const struct topo *t = s->par->topo;
	if (t->stall_ns > 0)
		return t->stall_ns;
	if (!(s->speed > 0))
		return 10000 * MS_NS;
	double ns = 20.0 * (double)t->step_ns / s->speed;
	return ns > 250e6 ? (int64_t)ns : 250 * MS_NS;
}

/* ---- the relay --------------------------------------------------------------------------------
 */

int
supervisor_clock_start_relay(struct supervisor *s, struct err *err)
{
	char program[PATH_BYTES], log[PATH_BYTES], ppid[16];
	snprintf(program, sizeof program, "%s/voltloom-relay", s->par->bin_dir);
	snprintf(log, sizeof log, "%s/log/relay.log", s->par->run_dir);
	snprintf(ppid, sizeof ppid, "%ld", (long)getpid());
	char *argv[] = { program,
		         (char *)"--dir",
		         (char *)(uintptr_t)s->par->sock_dir,
		         (char *)"--ppid",
		         ppid,
		         NULL };
	if (spawn_process(program, argv, log, 0, &s->relay.at, err) < 0)
		return err->code;
	s->relay.up = true;
	s->relay_ns = supervisor_now_ns();
	if (supervisor_watch(s, s->relay.at.pidfd, supervisor_tag(0, TAG_RELAY)) < 0)
		return err_sys(err, ERR_IO, "epoll");
	return 0;
}

void
supervisor_clock_reap_relay(struct supervisor *s)
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
	supervisor_say(s, "relay: %s; it comes back", how);
}

void
supervisor_clock_stop_relay(struct supervisor *s)
{
	if (!s->relay.up)
		return;
	pidfd_send_signal(s->relay.at.pidfd, SIGKILL, NULL, 0);
	waitpid(s->relay.at.pid, NULL, 0);
	close(s->relay.at.pidfd);
	s->relay.up = false;
}

/* The relay takes part in no step: it dies when some process is known to be at the step of the
 * action or beyond. */
static void
kill_relay(struct supervisor *s)
{
	const struct script *script = s->par->script;
	int64_t highest = -1;
	if (!script || s->relay_next >= script->n || !super_started(s->super))
		return;
	for (uint32_t i = 0; i < s->n; i++)
		highest = s->children[i].k > highest ? s->children[i].k : highest;
	for (; s->relay_next < script->n; s->relay_next++) {
		const struct script_action *a = &script->actions[s->relay_next];
		if (a->target_kind != TARGET_RELAY)
			continue;
		if (a->k > highest || !s->relay.up || s->relay.at.pid == s->relay_killed)
			return;
		if (pidfd_send_signal(s->relay.at.pidfd, SIGKILL, NULL, 0))
			return;
		s->relay_killed = s->relay.at.pid;
		s->res->relay_kills++;
		supervisor_say(s, "relay: SIGKILL, scripted, step %" PRId64, a->k);
	}
}

/* ---- the end ----------------------------------------------------------------------------------
 */

void
supervisor_clock_stop(struct supervisor *s)
{
	struct err err = ERR_INIT;
	if (s->stopping)
		return;
	s->stopping = true;
	s->stop_ns = supervisor_now_ns();
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
		supervisor_child_kill(s, i, SIGKILL, "not stopped in time");
}

static void
check_stop(struct supervisor *s, int64_t now)
{
	const char *what;
	if (interrupted && !s->stopping) {
		s->res->exit_status = 128 + interrupted;
		supervisor_say(s, "stopping (%s)",
		               interrupted == SIGINT ? "interrupted" : "terminated");
		supervisor_clock_stop(s);
	}
	if (super_ended(s->super) && !s->stop_ns)
		s->stop_ns = now;
	bool late = s->stop_ns && now - s->stop_ns > STOP_NS;
	if ((late || interrupts > 1) && !s->killed_all) {
		int who = super_blocker(s->super, &what);
		if (super_started(s->super)) {
			if (who >= 0)
				supervisor_blame(s, "not cleanly ended: %s %s",
				                 supervisor_id(s, (uint32_t)who), what);
			else
				supervisor_blame(
					s, "not cleanly ended: processes stayed after the end");
		}
		kill_all(s);
	}
}

/* A mesh whose processes have all failed does not go on by itself. One that was killed by hand may.
 */
static void
check_failed(struct supervisor *s)
{
	if (s->failed && super_started(s->super) && !s->stopping && supervisor_all_gone(s))
		supervisor_clock_stop(s);
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

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
			n += (size_t)snprintf(who + n, sizeof who - n, " %s", supervisor_id(s, i));
	}
	err_set(&s->err, ERR_TIMEOUT,
	        "%zu of %" PRIu32 " processes are not ready after %.1f s:%s%s", missing, s->n,
	        (double)(now - s->begin_ns) * 1e-9, who, missing > 8 ? " ..." : "");
}

/* Who says nothing to us for too long is named, also when nobody waits for it. */
static void
check_silence(struct supervisor *s, int64_t now)
{
	int64_t limit = supervisor_clock_stall_limit(s) > SILENCE_MIN_NS
	                        ? supervisor_clock_stall_limit(s)
	                        : SILENCE_MIN_NS;
	if (!super_started(s->super))
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		if (c->up && now - c->alive_ns > limit && !c->planned_exit)
			supervisor_child_condemn(s, i, "the supervisor");
	}
}

/* To what this host holds; up again goes on request only. */
static void
lower_speed(struct supervisor *s, double held)
{
	static const double factors[] = { 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001 };
	if (!s->par->adapt_speed || held >= 0.9 * s->speed)
		return;
	for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
		if (factors[i] >= s->speed || (factors[i] > 0.95 * held && factors[i] > 0.001))
			continue;
		struct sup_msg m = { .act = ACT_SPEED, .x = factors[i], .edge = -1 };
		if (super_command(s->super, &m, 0, NULL) == 0) {
			supervisor_say(s, "speed lowered to x%g: this host held x%.2g of x%g",
			               factors[i], held, s->speed);
			s->speed = factors[i];
			s->pace = 0; /* that was another speed */
		}
		return;
	}
}

static void
measure_pace(struct supervisor *s, int64_t now)
{
	if (!super_started(s->super) || now - s->adapt_ns < ADAPT_NS)
		return;
	int64_t k = supervisor_mesh_k(s, true), at_ns = now;
	bool disturbed = s->disturbed;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct child *c = &s->children[i];
		disturbed |= c->up && (c->stopped || now - c->alive_ns > QUIET_NS);
		/* A report is up to a tenth of this interval old. */
		if (c->up && c->k == k && c->alive_ns < at_ns)
			at_ns = c->alive_ns;
	}
	const int64_t dt = at_ns - s->adapt_at_ns, dk = k - s->adapt_k;
	s->disturbed = false;
	s->adapt_ns = now;
	s->adapt_at_ns = at_ns;
	s->adapt_k = k;
	s->pace = 0;
	if (disturbed || k < 0 || dk <= 0 || dt <= 0 || super_paused(s->super) ||
	    super_holding(s->super) || s->stopping)
		return;
	s->pace = (double)dk * (double)s->par->topo->step_ns / (double)dt;
	if (s->speed > 0)
		lower_speed(s, s->pace);
}

void
supervisor_clock_look(struct supervisor *s)
{
	int64_t now = supervisor_now_ns();
	check_failed(s);
	check_ready(s, now);
	check_silence(s, now);
	check_stop(s, now);
	measure_pace(s, now);
	kill_relay(s);
	if (s->par->relay && !s->relay.up && !s->stopping && now - s->relay_ns > RELAY_REST_NS) {
		struct err err = ERR_INIT;
		s->relay_ns = now;
		if (supervisor_clock_start_relay(s, &err) < 0)
			supervisor_say(s, "relay: %s", err.text);
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (s->children[i].up && s->children[i].n_words)
			supervisor_child_flush(&s->children[i]);
	if (s->par->on_progress && super_started(s->super) && now - s->progress_ns >= PROGRESS_NS) {
		s->progress_ns = now;
		s->par->on_progress(s->par->arg, supervisor_mesh_k(s, true), s->par->end_k,
		                    s->speed, super_paused(s->super));
	}
}
