/*
 * super_priv.h - what the files of super_fsm share.
 *
 *   super_fsm.c       creation, reports and deaths, start and end, what the host wants to know
 *   super_lives.c     lives that the script gives each process; what a new life is told
 *   super_commands.c  two-phase commands, one at a time
 *
 * Nobody else includes this header.
 */
#ifndef VL_SUPER_PRIV_H
#define VL_SUPER_PRIV_H

#include "super_fsm.h"

enum { COMMANDS_MAX = 64 };

/* One life of a process as the script has it. */
struct life {
	int64_t start_k, kill_k; /* kill_k INT64_MAX: lives on */
	bool stop;               /* ends with SIGSTOP instead of SIGKILL */
};

struct member {
	enum super_status status;
	uint32_t inc;
	int64_t last_frame;
	int64_t floor_k; /* the next by-hand life starts above */
	int64_t start_k; /* first step of this life's clock: 0, scripted or agreed; -1: not known */
	bool held_due, acted_due; /* owes HELD, ACTED to the current command */
	int64_t held_k;
	uint64_t start_token;
	size_t n_lives;
	struct life *lives; /* lives[inc - 1] */
};

struct queued {
	struct sup_msg msg;
	uint64_t token;
};

enum phase { IDLE, HOLDING, AGREED };

struct super {
	const struct topo *topo;
	const struct script *script;
	int64_t end_k;
	uint64_t seed;
	struct super_io io;
	uint32_t n;
	struct member *m;
	bool started, stopping, paused, bye;
	uint32_t next_cmd;
	enum phase phase;
	struct queued cur;
	int64_t cur_s, last_s; /* S of the current command; of the last one, -1: none yet */
	size_t n_queue;
	struct queued queue[COMMANDS_MAX];
	bool busy, again; /* progress() is not re-entered */
};

static inline bool
super_alive(const struct member *m)
{
	return m->status >= SUPER_SPAWNED && m->status <= SUPER_DONE;
}

/* Takes part in commands. */
static inline bool
super_takes_part(const struct member *m)
{
	return m->status >= SUPER_SPAWNED && m->status <= SUPER_RUNNING;
}

/* ---- super_lives.c -------------------------------------------------------------------------- */

/* Turns the script into lives[] of every member. */
int super_lives_plan(struct super *, struct err *);
/* The life that the script gives to this incarnation, NULL: none. */
const struct life *super_lives_of(const struct super *, uint32_t proc, uint32_t inc);
/* The next life: its slice, its neighbours' word, its first words. */
int super_lives_spawn(struct super *, uint32_t proc, struct err *);
/* SM_DEATH to all neighbours. */
void super_lives_tell_death(struct super *, uint32_t proc);
/* The script starts it, and its predecessor is dead or stopped. */
bool super_lives_start_is_due(const struct super *, uint32_t proc);
/* Spawns all that are due and need not wait for a neighbour's death. */
void super_lives_scripted_starts(struct super *);

/* ---- super_commands.c ----------------------------------------------------------------------- */

/* Takes the current command a phase further, or the next one up. */
void super_commands_progress(struct super *);

#endif
