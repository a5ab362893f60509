/*
 * small_mesh.h - a mesh of a few nodes for tests, with the default values of the topology file.
 */
#ifndef VL_SMALL_MESH_H
#define VL_SMALL_MESH_H

#include "topo.h"

enum { SMALL_MESH_MAX = 8 };

struct small_mesh {
	struct topo topo;
	struct topo_node nodes[SMALL_MESH_MAX];
	struct topo_link links[2 * SMALL_MESH_MAX];
	struct topo_module modules[SMALL_MESH_MAX];
	struct topo_port ports[2 * SMALL_MESH_MAX];
	struct pwl_point loads[SMALL_MESH_MAX + SMALL_MESH_MAX];
};

/* n nodes n0.. at 48 V, 20 mF, supercapacitor 1 F, no feed, no load, no control. */
void small_mesh_init(struct small_mesh *, size_t n);
void small_mesh_feed(struct small_mesh *, size_t node, double i_rated_a);
/* Constant from 0 on. */
void small_mesh_load(struct small_mesh *, size_t node, double w);
/* 10 mOhm, 2 uH; returns its index. */
uint32_t small_mesh_link(struct small_mesh *, uint32_t a, uint32_t b);
/* Class fixed; node b < 0: one input. */
uint32_t small_mesh_module(struct small_mesh *, double w, int a, int b);

#endif
