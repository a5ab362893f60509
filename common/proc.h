/*
 * proc.h - one process of the mesh, without its transport: channels (link_fsm), core, recorder.
 *
 * Pure in the sense of core.h: no clock, no socket. A host feeds it messages and words of the
 * supervisor, calls proc_run() and carries out what comes back through struct proc_io. The same
 * engine runs in host_zmq (one per OS process) and host_memory (all of a mesh).
 */
#ifndef VL_PROC_H
#define VL_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "err.h"
#include "link_fsm.h"
#include "rec.h"
#include "slice.h"
#include "wire.h"

struct proc;

/* What the engine wants from its host. `inc` is the incarnation of the peer: it names the record. */
struct proc_io {
	void *arg;
	void (*socket)(void *arg, size_t chan, uint32_t inc); /* make the socket of a new record */
	void (*close)(void *arg, size_t chan, uint32_t inc);
	void (*send)(void *arg, size_t chan, uint32_t inc, const struct link_msg *);
	/* Where the payload of the next wave may be made at once; the next send() of this channel, if
	 * it comes before the next room(), finds it there and not in the message. NULL: nowhere. The
	 * pointer may be NULL, too: no host's need. */
	struct core_msg *(*room)(void *arg, size_t chan, uint32_t inc);
	void (*report)(void *arg, const struct sup_msg *);
	void (*event)(void *arg, const struct core_event *); /* just recorded; may be NULL */
};

enum proc_state {
	PROC_GREETING, /* waits for its channels */
	PROC_READY,    /* waits for START or AGREE */
	PROC_RUNNING,
	PROC_PARKING,  /* scripted victim: PARK is out, answers are awaited */
	PROC_PARKED,
	PROC_DONE,     /* at the end; answers, waits for BYE */
	PROC_EXIT,     /* BYE (status 0) or RETIRE (status 75) */
};

enum proc_result {
	PROC_BLOCKED,  /* needs a message on proc_blocked_on() */
	PROC_WAITING,  /* held, paused, ready, parked, done: something from anywhere */
	PROC_PACED,    /* budget of steps is used up */
	PROC_ENDED,    /* PROC_EXIT */
	PROC_FAILED,   /* the recorder failed: see err */
};

/* `rec_dir` NULL: memory. The engine owns core and recorder. The slice must outlive it. */
int proc_create(const struct slice *, const struct core_ops *, const struct proc_io *,
                const char *rec_dir, uint64_t keep_frames, struct proc **ret, struct err *);
void proc_destroy(struct proc **);

/* Announces the channels that the slice names as alive. Call once, before anything else. */
void proc_open(struct proc *);

/* Computes up to `max_steps` steps, as far as messages allow. */
enum proc_result proc_run(struct proc *, int64_t max_steps, struct err *);

/* A message from the record of peer incarnation `inc`. */
void proc_receive(struct proc *, size_t chan, uint32_t inc, const struct link_msg *);
/* LE_DISCONNECTED: only when everything that had arrived before was handed in. */
void proc_disconnected(struct proc *, size_t chan, uint32_t inc);
void proc_connected(struct proc *, size_t chan, uint32_t inc);
/* Before SM_DEATH is handed in, proc_connected() must have been called for each record of that peer
 * whose transport was ever connected: the word counts only for those that were not, so that it never
 * overtakes data. */
void proc_supervisor(struct proc *, const struct sup_msg *);
/* Wall time goes on; drives WAIT and accusations. Of the time since the last call at most a fifth of
 * stall_ns counts. */
void proc_tick(struct proc *, int64_t wall_ns, int64_t stall_ns);

/* The channel may take in another message of record `inc` now (false: leave it in the transport). */
bool proc_can_receive(const struct proc *, size_t chan, uint32_t inc);
/* proc_receive(), if proc_can_receive(). */
bool proc_try_receive(struct proc *, size_t chan, uint32_t inc, const struct link_msg *);
/* Where the payload of the next message of record `inc` will lie, NULL: it cannot be taken in now.
 * Until something else happens to this process it may be filled in there, for proc_receive_placed(),
 * which takes all but the payload from the message. */
struct core_msg *proc_room(struct proc *, size_t chan, uint32_t inc);
void proc_receive_placed(struct proc *, size_t chan, uint32_t inc, const struct link_msg *);
/* GREET has to be sent again until it is answered (the transport may have had no peer yet). */
void proc_greet_again(struct proc *, size_t chan, uint32_t inc);

int proc_blocked_on(const struct proc *, uint32_t *inc); /* channel, -1: none */
enum proc_state proc_state(const struct proc *);
int proc_exit_status(const struct proc *);
int64_t proc_k(const struct proc *);
bool proc_held(const struct proc *);
bool proc_paused(const struct proc *);
double proc_speed(const struct proc *, int64_t *since_k); /* factor agreed by command, < 0: none */
struct rec *proc_rec(struct proc *);    /* NULL before the start */
const struct slice *proc_slice(const struct proc *);
uint64_t proc_bad_messages(const struct proc *);
const struct link_rec *proc_link(const struct proc *, size_t chan); /* current record */
/* Hands the recorder over to the caller (host_memory keeps those of the dead). */
struct rec *proc_take_rec(struct proc *);

#endif
