/*
 * host_memory.h - a whole mesh in this one process: the same cores, link_fsm and supervisor logic
 * as with real processes, the same recorder bytes.
 *
 * Schedules: seed 0 runs processes round robin (fast). Any other seed delivers messages, deaths
 * and words of the supervisor in an adversarial order drawn from that seed: any decision may come
 * next, and now and then one process, or one kind of delivery, is left out for a while.
 */
#ifndef VL_HOST_MEMORY_H
#define VL_HOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "err.h"
#include "proc.h"
#include "script.h"
#include "super_fsm.h"
#include "topo.h"

struct memory_params {
	const struct topo *topo;
	const struct script *script;      /* NULL: none */
	const struct core_ops *ops[2];    /* by enum proc_kind */
	int64_t end_k;
	uint64_t seed;                    /* of the mesh (recorded) */
	uint64_t schedule;                /* 0: round robin */
	const char *rec_dir;              /* NULL: record to memory */
};

struct host_memory;

/* Faults and commands from outside, for tests: called between two scheduling decisions. */
typedef void memory_chaos(void *arg, struct host_memory *);

int host_memory_create(const struct memory_params *, struct host_memory **ret, struct err *);
/* Runs to the end. `progress` may be NULL. */
int host_memory_run(struct host_memory *, void (*progress)(void *arg, int64_t k), void *arg, struct err *);
/* Called before each scheduling decision of a random schedule. */
void host_memory_set_chaos(struct host_memory *, memory_chaos *, void *arg);
/* SIGKILL: what it sent last may be lost. No effect on what is dead. */
void host_memory_kill(struct host_memory *, uint32_t proc);
int host_memory_start(struct host_memory *, uint32_t proc, struct err *);
int host_memory_command(struct host_memory *, const struct sup_msg *, struct err *);
const struct super *host_memory_super(const struct host_memory *);
/* Own step of a living process, -1: dead or not started. */
int64_t host_memory_k(const struct host_memory *, uint32_t proc);
/* Commands that have acted so far. */
uint64_t host_memory_acted(const struct host_memory *);
/* A living process, NULL: dead or not spawned. */
const struct proc *host_memory_proc(const struct host_memory *, uint32_t proc);
/* Called when a command has acted everywhere, at step s. Starts report with token 0. */
typedef void memory_acted(void *arg, struct host_memory *, uint64_t token, int64_t s);
void host_memory_set_acted(struct host_memory *, memory_acted *, void *arg);
/* Messages that were counted and dropped, in all processes so far. */
uint64_t host_memory_bad(const struct host_memory *);
/* The recorders of all incarnations, in no particular order; owned by the host. */
size_t host_memory_recs(const struct host_memory *, struct rec *const **ret);
void host_memory_destroy(struct host_memory **);

#endif
