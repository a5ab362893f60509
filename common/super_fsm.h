/*
 * super_fsm.h - the pure half of the supervisor: incarnations, joins, two-phase commands, the end.
 *
 * No process, socket or clock here. A host (broker/supervisor.c with real processes, host_memory)
 * feeds in reports and deaths and carries out what comes back. Rules: docs/link-life.md.
 *
 * Commands run one at a time: HOLD to every living process; when all have reported HELD{k}, AGREE{S}
 * with S = highest k + 1 (rounded up to a port step when it touches a port or a link); the next
 * HOLD goes out when all have reported ACTED, or are done, parked or dead.
 */
#ifndef VL_SUPER_FSM_H
#define VL_SUPER_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "script.h"
#include "slice.h"
#include "topo.h"
#include "wire.h"

enum super_status {
	SUPER_NONE,
	SUPER_SPAWNED,
	SUPER_READY,
	SUPER_RUNNING,
	SUPER_DONE,
	SUPER_PARKED,  /* scripted victim: nothing more comes from it */
	SUPER_STOPPED, /* parked, then SIGSTOP by the script */
	SUPER_DEAD,
};

enum super_signal { SUPER_SIGKILL, SUPER_SIGSTOP, SUPER_SIGCONT };

struct super_io {
	void *arg;
	void (*send)(void *arg, uint32_t proc, const struct sup_msg *);
	/* Takes the slice over. Restart voltages, seed and so on are the host's to fill in. */
	void (*spawn)(void *arg, uint32_t proc, struct slice *);
	void (*signal)(void *arg, uint32_t proc, enum super_signal);
	/* A command has acted everywhere, at step s. `token` as given with the request; may be NULL. */
	void (*acted)(void *arg, uint64_t token, int64_t s);
	/* The clock starts: every process is ready. May be NULL. */
	void (*started)(void *arg);
};

struct super;

int super_create(const struct topo *, const struct script *, int64_t end_k, uint64_t seed,
                 const struct super_io *, struct super **ret, struct err *);
void super_destroy(struct super **);

/* Spawns everything. */
int super_begin(struct super *, struct err *);
void super_report(struct super *, uint32_t proc, uint32_t inc, const struct sup_msg *);
/* The process has been reaped. last_frame: of its recorder, -1 when it has none. */
void super_death(struct super *, uint32_t proc, int64_t last_frame);
/* Queues a command: cmd->act and its parameters; token comes back with acted(). ERR_LIMIT, ERR_STATE. */
int super_command(struct super *, const struct sup_msg *cmd, uint64_t token, struct err *);
/* Spawns the next incarnation of a dead process; it starts by an ACT_START of its own. The token
 * comes back with that command's acted(). */
int super_start(struct super *, uint32_t proc, uint64_t token, struct err *);

enum super_status super_status(const struct super *, uint32_t proc);
uint32_t super_incarnation(const struct super *, uint32_t proc);
int64_t super_last_frame(const struct super *, uint32_t proc);
bool super_started(const struct super *);
bool super_paused(const struct super *);
bool super_holding(const struct super *);
/* True when `proc`, not yet dead, was to die by the script. */
bool super_death_is_scripted(const struct super *, uint32_t proc);
/* BYE has been sent (or nobody is left to send it to). */
bool super_ended(const struct super *);
/* A living process that keeps the current command or the start from going on, -1: none. */
int super_blocker(const struct super *, const char **what);
uint32_t super_n_procs(const struct super *);
const char *super_proc_id(const struct topo *, uint32_t proc);
/* Process index by id, -1: none. */
int super_find(const struct topo *, const char *id);
const char *super_status_name(enum super_status);

#endif
