/*
 * play.h - a run of the mesh of sample.h whose energies are dealt out like tokens: no physics, but
 * every joule that leaves one place arrives at another, by the rules of docs/recorder.md.
 *
 * It is the independent other side of the energy ledger: it knows what is stored, on its way and
 * lost, and can be told to cheat once. Frames have all fields of docs/recorder.md. Anything that
 * goes wrong here fails the test.
 */
#ifndef VL_TESTS_PLAY_H
#define VL_TESTS_PLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "rec.h"
#include "topo.h"

enum { PLAY_PROCS = 5, PLAY_LINKS = 3, PLAY_PORTS = 3, PLAY_RECS_MAX = 16 };

/* What happens wrongly in the next step, once, at node n2 and link l1, or port m1.n1. */
enum play_cheat {
	PLAY_FAIR,
	PLAY_LOSE_WAVE,    /* n2 does not get the wave that n1 sent */
	PLAY_TWICE_WAVE,   /* n2 gets it twice */
	PLAY_ALTER_WAVE,   /* n2 records wave_j 1 mJ too high */
	PLAY_LOSE_ANSWER,  /* n1 does not get the module's answer */
	PLAY_ALTER_TAKEN,  /* m1 meters 1 mJ too much, and tells n1 so */
	PLAY_ALTER_PAID,   /* n1 pays 1 mJ more than it records as paid */
	PLAY_ALTER_SOURCE, /* n2 records 1 mJ that came from nowhere */
};
#define PLAY_CHEAT_J 1e-3

struct play;

/* dir NULL: memory. port_period in steps. */
struct play *play_create(const char *dir, uint32_t port_period);
void play_destroy(struct play *);

const struct topo *play_topo(const struct play *);
struct topo *play_topo_rw(struct play *);
int64_t play_k(const struct play *); /* everything living has this frame */
size_t play_recs(const struct play *, struct rec *const **ret);

/* Steps until frame k. */
void play_to(struct play *, int64_t k);
void play_cheat(struct play *, enum play_cheat);
/* The frame that is there is the last one of this process. */
void play_kill(struct play *, int proc);
/* A new life with this frame as its first, ports live from here on, links open. */
void play_restart(struct play *, int proc);
/* Both ends open in the next step. */
void play_cut(struct play *, int link);
/* The ends close in the next step; `host` (0: end a) fills the line. One of them may not close,
 * because it is killed just before. */
enum play_who { PLAY_BOTH, PLAY_HOST_ONLY, PLAY_OTHER_ONLY };
void play_close(struct play *, int link, int host, enum play_who);

/* Energy of the waves that no end took in, of those that are on their way now, in the stores of the
 * living, and in those of the dead. */
double play_lost_j(const struct play *);
double play_flight_j(const struct play *);
double play_stored_j(const struct play *);
double play_buried_j(const struct play *);
/* Taken by modules and not paid by nodes: over ports with both sides live, and all others. */
double play_owed_j(const struct play *, bool live);

#endif
