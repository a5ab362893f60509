/*
 * proc_priv.h - what the files of proc share: one engine in four files.
 *
 *   proc.c          creation, the loop, wall time, what the host wants to know
 *   proc_channel.c  records of channels: their sockets, messages in and out
 *   proc_words.c    words of the supervisor: first starts, agreed commands
 *   proc_step.c     one step: arrive, gather, compute, send, record; the scripted victim's park
 *
 * Nobody else includes this header.
 */
#ifndef VL_PROC_PRIV_H
#define VL_PROC_PRIV_H

#include "proc.h"

enum {
	INBOX_MAX = 4,  /* neighbours are at most one step apart: two messages can wait */
	FAULTS_MAX = 4, /* agreed and not yet acted: commands go one at a time */
};

struct slot {
	int64_t step;
	struct core_msg msg;
};

/* One (edge, incarnation of the peer). */
struct edge_rec {
	_Alignas(64) struct link_rec r; /* with what follows in one line of the cache */
	/* order[0..n-1] wait, oldest first; then come the free slots, and last the one that the step
	 * under way may be reading. What was used last is used again first: it is in the cache. */
	uint8_t n, order[INBOX_MAX];
	bool greeted;   /* GREETOK received */
	int64_t heard_ns;
	int64_t peer_j; /* first step of the peer's clock as far as it matters here, -1: unknown */
	struct slot in[INBOX_MAX];
};

enum { EDGE_OWN_RECS = 2 };
struct edge {
	uint32_t n, cap;
	struct edge_rec **rec; /* rec[0] is worked off first */
	struct edge_rec *own[EDGE_OWN_RECS]; /* what `rec` is until there are more */
	uint32_t last_inc;     /* newest incarnation that was announced */
	struct core_in
		older; /* what JOIN replaced in this step: GONE of an older life, or nothing */
};

struct proc {
	/* What taking in a message looks at comes first: one line of the cache. */
	struct edge *edges;
	int64_t now_ns; /* wall time that it has watched: it stands still while the host is frozen */
	uint32_t inc; /* own incarnation */
	uint64_t bad;

	const struct slice *s;
	const struct core_ops *ops;
	void *core;
	struct proc_io io;
	struct rec *rec;
	char *rec_dir;
	uint64_t keep_frames;
	size_t n;

	enum proc_state state;
	int exit_status;
	int64_t k, end, first; /* first: step at which the clock began, -1: not yet */
	bool go;               /* a scripted starter may begin */
	int64_t arrived_k;     /* all arrived at this k */
	size_t next_chan;      /* channels below are resolved for step k */
	int blocked_on;
	struct core_in *in;
	struct link_msg *out;
	struct core_msg **out_core; /* into `out`, or where the receiver reads it */
	struct link_msg placed;     /* head of a message of the second kind */
	struct core_events events;
	size_t next_cmd;       /* of slice->cmds */
	struct core_cmd *cmds; /* those of the step under way */
	size_t n_faults;
	struct core_cmd faults[FAULTS_MAX]; /* agreed by command, ascending k */

	bool held, paused, stays_paused, pending;
	struct sup_msg cmd; /* pending until k = cmd.k */
	double speed;
	int64_t speed_k;

	bool accused;
	int64_t since_ns, wait_ns, accused_ns; /* as now_ns */
	int64_t looked_ns; /* wall time of the last tick */
	int64_t since_k;
	int since_chan;
	struct err err;
};

/* ---- proc.c --------------------------------------------------------------------------------- */

/* The first failure is kept, and ends proc_run(). */
void proc_fail(struct proc *, const struct err *);
/* A word to the supervisor, with the own step (-1: the clock has not begun). */
void proc_report(struct proc *, enum sup_msg_type, uint32_t cmd);

/* ---- proc_channel.c ------------------------------------------------------------------------- */

/* The record of a peer's incarnation, NULL: none. */
struct edge_rec *proc_channel_find(struct proc *, size_t chan, uint32_t inc);
/* A message without payload. */
void proc_channel_send(struct proc *, size_t chan, uint32_t inc, enum link_msg_type, int64_t step);
/* What link_fsm() asked for, as far as it concerns transport and counters. */
void proc_channel_carry_out(struct proc *, size_t chan, const struct edge_rec *, unsigned actions);
/* The step from which this process takes part, -1: not known yet. */
int64_t proc_channel_own_j(const struct proc *);
/* J of a channel is the later of both ends' first steps, once both are known. */
void proc_channel_settle(struct proc *, struct edge_rec *, enum link_event);
/* Frees record i. */
void proc_channel_drop(struct edge *, size_t i);
/* The list of records, when it is empty or was taken over. */
void proc_channel_free(struct edge *);
/* A new record, unless there is one of that incarnation. */
void proc_channel_announce(struct proc *, size_t chan, uint32_t inc, bool runs);

/* ---- proc_words.c --------------------------------------------------------------------------- */

/* The pending command, at its step. */
void proc_words_act(struct proc *);

/* ---- proc_step.c ---------------------------------------------------------------------------- */

int proc_step_make_rec(struct proc *, int64_t start_k, struct err *);
/* The clock begins at step j. */
void proc_step_start(struct proc *, int64_t j);
/* Joins and ends of lives at k, offers of k. False: blocked_on says on what. */
bool proc_step_arrive(struct proc *);
/* What step k needs from its channels. False: blocked_on says on what. */
bool proc_step_gather(struct proc *);
/* Step k, its results and frame k + 1. < 0: the recorder failed. */
int proc_step_compute(struct proc *);
/* The scripted victim: PARK on all channels; parked when all have answered. */
void proc_step_park(struct proc *);
void proc_step_check_parked(struct proc *);

#endif
