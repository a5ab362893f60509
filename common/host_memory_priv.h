/*
 * host_memory_priv.h - what the files of host_memory share: host_memory.c (processes, deliveries,
 * schedules) and host_memory_pair.c (queues, socket pairs, what the transport does with messages).
 *
 * Nobody else includes this header.
 */
#ifndef VL_HOST_MEMORY_PRIV_H
#define VL_HOST_MEMORY_PRIV_H

#include "host_memory.h"

/* A queue of equal items that keeps its memory. */
struct fifo {
	size_t n, item, cap, head;
	char *mem;
};

/* One socket pair: (edge, both incarnations); side 0 is the lower process index. */
struct pair {
	uint32_t edge, inc[2];
	uint32_t chan[2]; /* of the edge at each side, once that side is open */
	bool open[2], dead[2], joined, told[2];
	struct fifo to[2]; /* messages for side i */
};

/* Where a channel's messages to one incarnation of its peer go. Pairs live as long as the host, and
 * this as long as the process, so what was found once stays right. */
struct outlet {
	struct pair *pair; /* NULL: not asked for yet */
	uint32_t inc;      /* of the peer */
	int to;            /* the peer's side */
	bool placed;       /* the payload of the next message is with the peer already */
	struct mem_proc *peer;
};

/* Which host and process a callback of the engine belongs to. */
struct io_arg {
	struct host_memory *h;
	uint32_t proc;
	struct outlet outlets[]; /* per channel: the last incarnation that was sent to */
};

struct mem_proc {
	struct proc *p;
	struct slice *slice;
	bool alive, stopped, dying; /* dying: death not yet told to the supervisor */
	int64_t last_frame;
	struct fifo words, reports; /* struct sup_msg */
	struct io_arg *io;          /* lives as long as the process */
};

struct host_memory {
	struct memory_params par;
	struct super *super;
	uint32_t n;
	struct mem_proc *procs;
	size_t n_edges;
	struct pair ***pairs; /* per edge: array of pointers */
	size_t *n_pairs;
	struct rec **recs;
	size_t n_recs;
	uint64_t rng, acted, bad;
	uint64_t neglect_left; /* decisions until the next choice of who is neglected */
	uint32_t neglect_proc, neglect_kind; /* n, DECISION_KINDS_: nobody, nothing */
	memory_acted *on_acted;
	void *acted_arg;
	bool moved; /* something happened since the last look */
	memory_chaos *chaos;
	void *chaos_arg;
	struct err err;
};

static inline uint64_t
host_memory_rnd(struct host_memory *h)
{
	/* splitmix64: a counter and a mix, so that one seed gives one schedule. */
	uint64_t z = h->rng += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline void *
memory_fifo_peek(struct fifo *f)
{
	return f->n ? f->mem + f->head * f->item : NULL;
}

static inline void
memory_fifo_drop(struct fifo *f)
{
	f->head = (f->head + 1) % f->cap;
	f->n--;
}

/* The first failure is kept, and ends the run. */
void host_memory_fail(struct host_memory *, int code, const char *text);

/* Copies the item in; NULL: out of memory, which has failed the run. */
void *memory_fifo_put(struct host_memory *, struct fifo *, const void *item);

/* Callbacks of the engine (struct proc_io): arg is a struct io_arg. */
void host_memory_pair_socket(void *arg, size_t chan, uint32_t inc);
void host_memory_pair_close(void *arg, size_t chan, uint32_t inc);
void host_memory_pair_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *);
struct core_msg *host_memory_pair_room(void *arg, size_t chan, uint32_t inc);
/* The word of death must not overtake what the transport knows: see proc_supervisor(). */
void host_memory_pair_tell_connected(struct host_memory *, uint32_t proc, const struct sup_msg *);
/* Hands in messages and losses of a process; channels begin at `pick`. False: nothing was there. */
bool host_memory_pair_deliver(struct host_memory *, uint32_t proc, bool one, uint64_t pick);
/* All ends of a process that dies; lossy: what it sent last may be lost. */
void host_memory_pair_end(struct host_memory *, uint32_t proc, bool lossy);
void host_memory_pair_free_all(struct host_memory *);

#endif
