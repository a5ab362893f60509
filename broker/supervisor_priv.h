/*
 * supervisor_priv.h - what the files of the supervisor share.
 *
 *   supervisor.c          set-up, the loop, the sweep at the end
 *   supervisor_child.c    children: spawn, words and signals, reports, deaths, named exits
 *   supervisor_request.c  requests of clients: commands over the mesh, status
 *   supervisor_clock.c    what is due by the wall clock: ready, silence, stop, speed, relay
 *
 * Nobody else includes this header.
 */
#ifndef VL_SUPERVISOR_PRIV_H
#define VL_SUPERVISOR_PRIV_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "request.h"
#include "spawn.h"
#include "super_fsm.h"
#include "supervisor.h"

enum {
	PENDING_MAX = 64, /* requests under way */
	PATH_BYTES = 1024,
	CAUSE_BYTES = 96,
	EXIT_INFRASTRUCTURE = 4,
};

struct child {
	struct spawned at;
	bool up;
	uint32_t inc;
	int64_t k, alive_ns;
	uint64_t overruns, late; /* late: since the speed in force was agreed */
	char cause[CAUSE_BYTES];   /* why it was killed, "" when nobody asked for it */
	char reason[SUP_TEXT_MAX]; /* what it said when it failed, "" */
	char exit[384];            /* of the last incarnation that ended */
	bool stopped;              /* SIGSTOP by hand */
	uint32_t plug;             /* of a module: CMD_PLUG or CMD_UNPLUG, by hand; 0: neither */
	bool stillborn;            /* could not be started; its death is still to be told */
	size_t n_words;
	struct sup_msg *words; /* did not fit into its socket yet */
	bool planned_exit;
};

struct pending {
	bool used;
	uint64_t token;
	struct request req;
	int proc; /* kill, start: the process, else -1 */
	struct sup_msg msg; /* a command */
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
	size_t relay_next; /* of the script, its next kill or behind */
	pid_t relay_killed;
	struct pending pending[PENDING_MAX];
	uint64_t next_token;
	size_t n_done; /* commands by hand that have acted, for those who are born later */
	struct sup_msg *done;
	double speed, asked; /* in force; what was asked for, more if this host did not hold it */
	double pace;         /* what the mesh did of late, 0: not known */
	int64_t begin_ns, started_ns, progress_ns, stop_ns, adapt_ns;
	int64_t adapt_k, adapt_at_ns; /* the slowest of then, and when it said so */
	bool disturbed; /* since adapt_ns a process hung, died or came: no measure of this host */
	bool stopping, killed_all;
	bool failed; /* a process ended that nobody had asked to */
	cpu_set_t cpus;
	int persona; /* to be restored, -1: unknown */
	struct err err;
};

static inline int64_t
supervisor_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline const char *
supervisor_id(const struct supervisor *s, uint32_t proc)
{
	return super_proc_id(s->par->topo, proc);
}

/* Where an event of the loop comes from. */
enum { TAG_FD, TAG_PIDFD, TAG_RELAY };

static inline uint64_t
supervisor_tag(uint32_t proc, unsigned what)
{
	return (uint64_t)proc << 2 | what;
}

/* ---- supervisor.c --------------------------------------------------------------------------- */

void supervisor_say(struct supervisor *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Something went wrong that nobody asked for: the run goes on, its result says so. */
void supervisor_blame(struct supervisor *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int supervisor_watch(struct supervisor *, int fd, uint64_t tag);
/* Step of the slowest or the fastest process, -1: none has begun. */
int64_t supervisor_mesh_k(const struct supervisor *, bool slowest);
bool supervisor_all_gone(const struct supervisor *);

/* ---- supervisor_child.c --------------------------------------------------------------------- */

/* Callbacks of super_fsm. */
void supervisor_child_spawn(void *arg, uint32_t proc, struct slice *);
void supervisor_child_send(void *arg, uint32_t proc, const struct sup_msg *);
void supervisor_child_signal(void *arg, uint32_t proc, enum super_signal);
/* Sends the words that did not fit into its socket. */
void supervisor_child_flush(struct child *);
/* `cause`: why, for its named exit (SIGKILL only). */
void supervisor_child_kill(struct supervisor *, uint32_t proc, int signo, const char *cause);
/* Silent both to a neighbour and to us: killed when paced, the end of the run otherwise. */
void supervisor_child_condemn(struct supervisor *, uint32_t proc, const char *by);
/* Its socket, its pidfd can be read. */
void supervisor_child_hear(struct supervisor *, uint32_t proc);
void supervisor_child_reap(struct supervisor *, uint32_t proc);
/* Tells the deaths of those that could not be started. */
void supervisor_child_bury_stillborn(struct supervisor *);

/* ---- supervisor_request.c ------------------------------------------------------------------- */

void supervisor_request_serve(struct supervisor *);
/* Callback of super_fsm: a command has acted everywhere. */
void supervisor_request_acted(void *arg, uint64_t token, int64_t step);
/* A process died: who waited for that, or for its start, hears it. */
void supervisor_request_death(struct supervisor *, uint32_t proc, int64_t last_frame);

/* ---- supervisor_clock.c --------------------------------------------------------------------- */

void supervisor_clock_begin(struct supervisor *);
/* Callback of super_fsm: the clock of the mesh starts. */
void supervisor_clock_started(void *arg);
/* Everything that is due now. */
void supervisor_clock_look(struct supervisor *);
/* Begins the orderly end. */
void supervisor_clock_stop(struct supervisor *);
/* Wall time after which a silent process counts as stalled. */
int64_t supervisor_clock_stall_limit(const struct supervisor *);
int supervisor_clock_start_relay(struct supervisor *, struct err *);
void supervisor_clock_reap_relay(struct supervisor *);
void supervisor_clock_stop_relay(struct supervisor *);

#endif
