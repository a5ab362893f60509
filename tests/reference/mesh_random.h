/*
 * mesh_random.h - random meshes with random faults, reproducible from a seed.
 */
#ifndef VL_MESH_RANDOM_H
#define VL_MESH_RANDOM_H

#include "tests/support/solver_loop.h"
#include "topo.h"

struct mesh_random {
	uint64_t state;
	struct topo topo;
	bool as_built;
};

/* A connected mesh of 3 to 24 nodes within the validity limits of docs/models. as_built: also within
 * the ranges of docs/models/link.md, 5 to 50 mOhm and 2 to 5 uH, with a fuse in every link. */
struct mesh_random *mesh_random_create(uint64_t seed, bool feeds, bool as_built);
void mesh_random_destroy(struct mesh_random **);
uint64_t mesh_random_below(struct mesh_random *, uint64_t n);
double mesh_random_in(struct mesh_random *, double lo, double hi);
/* Kills, restarts, cuts, heals, closes, shorts, load steps within the next `steps` steps. */
void mesh_random_script(struct mesh_random *, struct solver_loop *, int64_t steps);

#endif
