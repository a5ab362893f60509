/*
 * small_mesh.h - a mesh of a few nodes for tests, with the default values of the topology file.
 */
#ifndef VL_SMALL_MESH_H
#define VL_SMALL_MESH_H

#include "topo.h"

enum { SMALL_MESH_MAX = 8 };

/* Members of struct node_params: hardware and sensors of a node, as the topology file has them. */
/* clang-format off */
#define SMALL_MESH_HARDWARE                                                                        \
	.thermal = { .ambient_c = 25, .r_th_k_w = 0.5, .c_th_j_k = 600, .derate_c = 85,            \
	             .max_c = 105, .least = 0.5, .restart_c = 80 },                                \
	.trip = { .ov_v = 57, .ov_clear_v = 54, .uv_v = 36, .uv_clear_v = 40,                      \
	          .port_uv_v = 36, .restart_ns = 100000000 },                                      \
	.mcu = { .watchdog_ns = 100000000, .boot_ns = 20000000 },                                  \
	.sensor = { .v_gain = 1e-3, .i_gain = 10e-3, .v_offset_v = 64.0 / 4096,                    \
	            .i_offset_a = 512.0 / 4096, .noise_lsb = 0.5, .i_range_a = 256,                \
	            .refresh_ns = 500000 }
/* clang-format on */

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
