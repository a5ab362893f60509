/*
 * mesh.h - meshes and timelines made by hand, without files, for the in-memory tests.
 */
#ifndef VL_TESTS_MESH_H
#define VL_TESTS_MESH_H

#include "script.h"
#include "topo.h"

/* All abort when there is no memory, and are freed with mesh_free(). Nodes n1.., links l1.., no
 * modules. */
struct topo *mesh_nodes(size_t n, uint32_t port_period);
void mesh_link(struct topo *, uint32_t a, uint32_t b);
/* second < 0: one feed. Returns the module's process index. */
uint32_t mesh_module(struct topo *, uint32_t first, int second);
void mesh_free(struct topo *);

struct topo *mesh_line(size_t n, uint32_t port_period);
struct topo *mesh_ring(size_t n, uint32_t port_period);
struct topo *mesh_torus(size_t w, size_t h, uint32_t port_period);
/* Three nodes, all linked, and a module on the first two. */
struct topo *mesh_triangle(uint32_t port_period);
/* One of the above, or a random connected graph, with random single- and dual-fed modules. */
struct topo *mesh_random(uint64_t seed);

uint32_t mesh_procs(const struct topo *);
/* Process indices next to `proc`; returns their number, at most `max`. */
size_t mesh_neighbours(const struct topo *, uint32_t proc, uint32_t *ret, size_t max);

/* Actions are kept sorted by k, then in the order in which they were added. */
struct script *mesh_script(void);
void mesh_script_add(struct script *, enum script_kind, uint32_t proc, int64_t k);
void mesh_script_free(struct script *);

/* The random numbers of a seed. */
uint64_t mesh_rnd(uint64_t *state);
uint32_t mesh_below(uint64_t *state, uint32_t n);

#endif
