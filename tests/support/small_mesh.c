#include "small_mesh.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

void
small_mesh_init(struct small_mesh *m, size_t n)
{
	assert(n <= SMALL_MESH_MAX);
	*m = (struct small_mesh){ .topo = { .name = "small",
		                            .step_ns = 100000,
		                            .substeps = 10,
		                            .port_period = 1,
		                            .seed = 1,
		                            .nominal_v = 48 } };
	m->topo.nodes = m->nodes;
	m->topo.links = m->links;
	m->topo.modules = m->modules;
	m->topo.ports = m->ports;
	m->topo.n_nodes = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(m->nodes[i].id, sizeof m->nodes[i].id, "n%zu", i);
		m->nodes[i].p = (struct node_params){
			.v_init_v = 48,
			.c_bus_f = 20e-3,
			.has_sc = true,
			.c_sc_f = 1,
			.r_sc_ohm = 20e-3,
			.control = CONTROL_NONE,
			.kv_per_s = 8,
			.kc_per_s = 400,
			.ki_v_per_s = 60,
			.v_nom_v = 48,
			SMALL_MESH_HARDWARE,
		};
	}
}

void
small_mesh_feed(struct small_mesh *m, size_t node, double i_rated_a)
{
	m->nodes[node].p.has_feed = true;
	m->nodes[node].p.feed = (struct feed_params){ .v0_v = 48.5,
		                                      .r_d_ohm = 0.02 * 48 / i_rated_a,
		                                      .i_rated_a = i_rated_a,
		                                      .i_max_a = 1.25 * i_rated_a,
		                                      .tau_s = 1e-3 };
}

void
small_mesh_load(struct small_mesh *m, size_t node, double w)
{
	m->loads[node] = (struct pwl_point){ .level = w };
	m->nodes[node].p.load_w = (struct pwl){ .n = 1, .p = &m->loads[node] };
}

uint32_t
small_mesh_link(struct small_mesh *m, uint32_t a, uint32_t b)
{
	uint32_t i = (uint32_t)m->topo.n_links++;
	struct topo_link *l = &m->links[i];

	snprintf(l->id, sizeof l->id, "l%u", i);
	l->a = a;
	l->b = b;
	l->p = (struct link_params){
		.r_ohm = 10e-3, .l_h = 2e-6, .l_eff_h = 2e-6, .precharge_ohm = 0.5
	};
	m->nodes[a].links[m->nodes[a].n_links++] = i;
	m->nodes[b].links[m->nodes[b].n_links++] = i;
	return i;
}

uint32_t
small_mesh_module(struct small_mesh *m, double w, int a, int b)
{
	uint32_t i = (uint32_t)m->topo.n_modules++;
	struct topo_module *mod = &m->modules[i];
	const int feeds[TOPO_FEEDS_MAX] = { a, b };

	snprintf(mod->id, sizeof mod->id, "m%u", i);
	m->loads[SMALL_MESH_MAX + i] = (struct pwl_point){ .level = w };
	mod->p = (struct module_params){ .class = MODULE_FIXED,
		                         .c_in_f = 1e-3,
		                         .v_uv_v = 36,
		                         .r_port_ohm = 50e-3,
		                         .n_turns = 4,
		                         .v_ref_v = NAN,
		                         .r_load_ohm = 10,
		                         .priority = 5,
		                         .plugged = true,
		                         .load_w = { .n = 1, .p = &m->loads[SMALL_MESH_MAX + i] } };
	for (uint32_t f = 0; f < TOPO_FEEDS_MAX && feeds[f] >= 0; f++) {
		uint32_t port = (uint32_t)m->topo.n_ports++, node = (uint32_t)feeds[f];
		struct topo_port p = { .module = i, .node = node, .input = f };
		snprintf(p.id, sizeof p.id, "%s.%s", mod->id, m->nodes[node].id);
		m->ports[port] = p;
		mod->feeds[f] = node;
		mod->ports[f] = port;
		mod->n_feeds = f + 1;
		m->nodes[node].ports[m->nodes[node].n_ports++] = port;
	}
	return i;
}
