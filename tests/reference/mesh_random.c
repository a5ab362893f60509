#include "mesh_random.h"
#include "tests/support/small_mesh.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014): every seed gives a good stream. */
static uint64_t
next(struct mesh_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t
mesh_random_below(struct mesh_random *r, uint64_t n)
{
	return next(r) % n;
}

double
mesh_random_in(struct mesh_random *r, double lo, double hi)
{
	return lo + (hi - lo) * ((double)(next(r) >> 11) * 0x1p-53);
}

static void
make_curve(struct mesh_random *r, struct pwl *p, double min, double max)
{
	p->n = 1 + mesh_random_below(r, 3);
	p->p = calloc(p->n, sizeof *p->p);
	for (size_t i = 0; i < p->n; i++)
		p->p[i] = (struct pwl_point){
			.at_ns = (int64_t)(i * 20000000 + mesh_random_below(r, 20000000)),
			.ramp_ns = (int64_t)mesh_random_below(r, 1000000),
			.level = mesh_random_in(r, min, max),
		};
}

static void
make_load(struct mesh_random *r, struct pwl *p, double max_w)
{
	make_curve(r, p, 0, max_w);
}

/* Steps down or up; with feeds also with a source at its output. */
static void
make_conv(struct mesh_random *r, struct node_params *p, bool feeds)
{
	p->has_conv = true;
	p->conv = (struct conv_params){
		.l_h = mesh_random_in(r, 4e-6, 20e-6),
		.r_ohm = mesh_random_in(r, 0, 20e-3),
		.c_out_f = mesh_random_in(r, 1e-3, 5e-3),
		.v_ref_v = mesh_random_in(r, 5, 58),
		.kp = 10,
		.ki = 10000,
		.kc = 0.1,
		.p_fixed_w = mesh_random_in(r, 0, 11),
		.i_lim_a = mesh_random_in(r, 5, 75),
		.k_sw_s = mesh_random_in(r, 0, 22e-9),
		.c_oss_f = mesh_random_in(r, 0, 4e-9),
		.f_sw_hz = 200e3,
	};
	make_curve(r, &p->conv.load_a, feeds && mesh_random_below(r, 2) ? -20 : 0, 20);
}

/* Instead of a supercapacitor in parallel. */
static void
make_store(struct mesh_random *r, struct node_params *p)
{
	p->has_sc = false;
	p->has_store = true;
	p->store = (struct store_params){
		.c_f = p->c_sc_f,
		.esr_ohm = p->r_sc_ohm,
		.conv = { .l_h = mesh_random_in(r, 4e-6, 20e-6),
		          .r_ohm = mesh_random_in(r, 0, 20e-3),
		          .c_out_f = mesh_random_in(r, 1e-3, 5e-3),
		          .v_ref_v = 48,
		          .kp = mesh_random_in(r, 5, 40),
		          .kc = 0.2,
		          .p_fixed_w = mesh_random_in(r, 0, 11),
		          .i_lim_a = mesh_random_in(r, 5, 75),
		          .k_sw_s = mesh_random_in(r, 0, 22e-9),
		          .c_oss_f = mesh_random_in(r, 0, 4e-9),
		          .f_sw_hz = 200e3 },
		.v_min_v = 20,
		.v_max_v = mesh_random_in(r, 40, 56),
		.target = mesh_random_in(r, 0, 1),
		.v_init_v = mesh_random_in(r, 20, 40),
		.p_max_w = mesh_random_in(r, 100, 3000),
		.restore_w = mesh_random_in(r, 0, 300),
		.smooth_s = mesh_random_in(r, 0.01, 20),
		.hold_v = mesh_random_in(r, 44, 47.5),
		.damp_s = mesh_random_in(r, 0, 100),
	};
}

static void
make_node(struct mesh_random *r, struct topo_node *n, size_t i, bool feeds)
{
	static const enum control_kind kinds[] = { CONTROL_NONE, CONTROL_DROOP, CONTROL_CONSENSUS };

	snprintf(n->id, sizeof n->id, "n%zu", i);
	n->p = (struct node_params){
		.v_init_v = mesh_random_in(r, 47, 49),
		.c_bus_f = mesh_random_in(r, 20e-3, 40e-3),
		.has_sc = mesh_random_below(r, 3) > 0,
		.c_sc_f = mesh_random_in(r, 0.1, 2),
		.r_sc_ohm = mesh_random_in(r, 5e-3, 50e-3),
		.has_feed = feeds && (i == 0 || mesh_random_below(r, 3) == 0),
		.control = kinds[mesh_random_below(r, 3)],
		.kv_per_s = 8,
		.kc_per_s = 400,
		.ki_v_per_s = 60,
		.v_nom_v = 48,
		SMALL_MESH_HARDWARE,
	};
	double rated = mesh_random_in(r, 20, 80);
	n->p.feed = (struct feed_params){ .v0_v = 48.5,
		                          .r_d_ohm = 0.02 * 48 / rated,
		                          .i_rated_a = rated,
		                          .i_max_a = 1.25 * rated,
		                          .tau_s = mesh_random_below(r, 4) ? 1e-3 : 0 };
	make_load(r, &n->p.load_w, 500);
	if (mesh_random_below(r, 3) == 0)
		make_conv(r, &n->p, feeds);
	if (n->p.has_sc && mesh_random_below(r, 2) == 0)
		make_store(r, &n->p);
}

static void
make_link_conv(struct mesh_random *r, struct topo_link *l)
{
	l->has_conv = true;
	l->conv.node = mesh_random_below(r, 2) ? l->a : l->b;
	l->conv.conv = (struct conv_params){
		.l_h = mesh_random_in(r, 4e-6, 20e-6),
		.r_ohm = mesh_random_in(r, 0, 20e-3),
		.c_out_f = 10e-3,
		.kp = mesh_random_in(r, 5, 40),
		.kc = 0.2,
		.p_fixed_w = mesh_random_in(r, 0, 11),
		.i_lim_a = mesh_random_in(r, 5, 60),
		.k_sw_s = mesh_random_in(r, 0, 22e-9),
		.c_oss_f = mesh_random_in(r, 0, 4e-9),
		.f_sw_hz = 200e3,
	};
	make_curve(r, &l->conv.power_w, -1500, 1500);
}

static void
make_link(struct mesh_random *r, uint32_t a, uint32_t b)
{
	struct topo *t = &r->topo;
	struct topo_link *l = &t->links[t->n_links];

	if (t->nodes[a].n_links >= 4 || t->nodes[b].n_links >= 4)
		return;
	snprintf(l->id, sizeof l->id, "l%zu", t->n_links);
	l->a = a;
	l->b = b;
	l->p = (struct link_params){ .r_ohm = mesh_random_in(r, r->as_built ? 5e-3 : 2e-3, 50e-3),
		                     .l_h = mesh_random_in(r, 2e-6, r->as_built ? 5e-6 : 20e-6),
		                     .precharge_ohm = 0.5,
		                     .open = mesh_random_below(r, 8) == 0 };
	l->p.l_eff_h = l->p.l_h;
	if (mesh_random_below(r, 2) || r->as_built) {
		l->p.fuse_a = mesh_random_in(r, 20, 150);
		l->p.fuse_i2t_a2s = mesh_random_in(r, 1e-3, 1) * l->p.fuse_a * l->p.fuse_a;
	}
	if (mesh_random_below(r, 5) == 0)
		make_link_conv(r, l);
	t->nodes[a].links[t->nodes[a].n_links++] = (uint32_t)t->n_links;
	t->nodes[b].links[t->nodes[b].n_links++] = (uint32_t)t->n_links;
	t->n_links++;
}

static void
make_module(struct mesh_random *r)
{
	struct topo *t = &r->topo;
	struct topo_module *m = &t->modules[t->n_modules];

	snprintf(m->id, sizeof m->id, "m%zu", t->n_modules);
	m->p = (struct module_params){
		.class = (enum module_class)mesh_random_below(r, 3),
		.c_in_f = 1e-3,
.v_uv_v = 36,
		.r_port_ohm = t->port_period == 1 ? 50e-3 : 100e-3,
		.n_turns = 4,
		.v_ref_v = NAN,
		.plugged = true,
		.r_load_ohm = mesh_random_in(r, 10, 100),
	};
	make_load(r, &m->p.load_w, 300);
	m->n_feeds = 1 + mesh_random_below(r, 2);
	for (size_t f = 0; f < m->n_feeds; f++) {
		struct topo_port *p = &t->ports[t->n_ports];
		uint32_t node = (uint32_t)mesh_random_below(r, t->n_nodes);
		if (f == 1 && node == m->feeds[0])
			node = (node + 1) % (uint32_t)t->n_nodes;
		snprintf(p->id, sizeof p->id, "%s.%s", m->id, t->nodes[node].id);
		p->module = (uint32_t)t->n_modules;
		p->node = m->feeds[f] = node;
		p->input = (uint32_t)f;
		m->ports[f] = (uint32_t)t->n_ports;
		t->nodes[node].ports[t->nodes[node].n_ports++] = (uint32_t)t->n_ports++;
	}
	t->n_modules++;
}

struct mesh_random *
mesh_random_create(uint64_t seed, bool feeds, bool as_built)
{
	struct mesh_random *r = calloc(1, sizeof *r);

	assert(r);
	r->state = seed;
	r->as_built = as_built;
	struct topo *t = &r->topo;
	snprintf(t->name, sizeof t->name, "random");
	t->step_ns = 100000;
	t->substeps = mesh_random_below(r, 4) ? 10 : (uint32_t)(1 + mesh_random_below(r, 32));
	t->port_period = mesh_random_below(r, 2) ? 1 : 5;
	t->nominal_v = 48;
	t->n_nodes = 3 + mesh_random_below(r, 22);
	t->nodes = calloc(t->n_nodes, sizeof *t->nodes);
	t->links = calloc(3 * t->n_nodes, sizeof *t->links);
	t->modules = calloc(t->n_nodes, sizeof *t->modules);
	t->ports = calloc(2 * t->n_nodes, sizeof *t->ports);
	assert(t->nodes && t->links && t->modules && t->ports);
	for (size_t i = 0; i < t->n_nodes; i++)
		make_node(r, &t->nodes[i], i, feeds);
	for (uint32_t i = 0; i < t->n_nodes; i++)
		make_link(r, i, (i + 1) % (uint32_t)t->n_nodes);
	for (size_t i = 0; i < t->n_nodes; i++) {
		uint32_t a = (uint32_t)mesh_random_below(r, t->n_nodes);
		uint32_t b = (uint32_t)mesh_random_below(r, t->n_nodes);
		if (a != b)
			make_link(r, a, b);
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		if (mesh_random_below(r, 2))
			make_module(r);
	return r;
}

void
mesh_random_destroy(struct mesh_random **pr)
{
	struct topo *t = &(*pr)->topo;

	for (size_t i = 0; i < t->n_nodes; i++) {
		free(t->nodes[i].p.load_w.p);
		free(t->nodes[i].p.conv.load_a.p);
	}
	for (size_t i = 0; i < t->n_links; i++)
		free(t->links[i].conv.power_w.p);
	for (size_t i = 0; i < t->n_modules; i++)
		free(t->modules[i].p.load_w.p);
	free(t->nodes);
	free(t->links);
	free(t->modules);
	free(t->ports);
	free(*pr);
	*pr = NULL;
}

static void
script_link(struct mesh_random *r, struct solver_loop *l, int64_t k)
{
	static const uint32_t kinds[] = { CMD_CUT, CMD_HEAL, CMD_HEAL, CMD_CLOSE };
	struct core_cmd cmd = {
		.kind = kinds[mesh_random_below(r, 4)], .a = NAN, .b = NAN, .c = NAN
	};
	int end = 0;

	if (cmd.kind == CMD_CLOSE && mesh_random_below(r, 2)) {
		cmd.a = mesh_random_in(r, 0, 1);
		cmd.b = mesh_random_in(r, 0, 5e-3);
		end = 1 + (int)mesh_random_below(r, 2);
	}
	solver_loop_link_command(l, (uint32_t)mesh_random_below(r, r->topo.n_links), k, cmd, end);
}

static void
script_bus(struct mesh_random *r, struct solver_loop *l, int64_t k)
{
	uint32_t node = (uint32_t)mesh_random_below(r, r->topo.n_nodes);
	struct core_cmd cmd = { .kind = CMD_LOAD,
		                .chan = -1,
		                .a = mesh_random_in(r, 0, 800),
		                .b = mesh_random_in(r, 0, 1e-3),
		                .c = NAN };

	if (mesh_random_below(r, 2)) {
		cmd.kind = CMD_SHORT;
		/* Half of them bolted. */
		cmd.a = mesh_random_in(r, 1e-3, mesh_random_below(r, 2) ? 5e-3 : 0.5);
		cmd.b = mesh_random_in(r, 0, 5e-3);
	}
	solver_loop_command(l, node, k, cmd);
}

static void
script_supercap(struct mesh_random *r, struct solver_loop *l, int64_t k)
{
	static const uint32_t kinds[] = { CMD_AGE, CMD_UNAGE, CMD_SC_OPEN, CMD_SC_CLOSE };
	struct core_cmd cmd = { .kind = kinds[mesh_random_below(r, 4)],
		                .chan = -1,
		                .a = mesh_random_in(r, 0.1, 1),
		                .b = mesh_random_below(r, 3) ? mesh_random_in(r, 1, 10) : NAN,
		                .c = NAN };

	solver_loop_command(l, (uint32_t)mesh_random_below(r, r->topo.n_nodes), k, cmd);
}

void
mesh_random_script(struct mesh_random *r, struct solver_loop *l, int64_t steps)
{
	const uint32_t n_procs = (uint32_t)(r->topo.n_nodes + r->topo.n_modules);
	int64_t k0 = solver_loop_k(l);
	bool *used = calloc(n_procs, sizeof *used);

	assert(used);
	for (int i = 0; i < 12; i++) {
		int64_t k = k0 + (int64_t)mesh_random_below(r, (uint64_t)steps);
		script_link(r, l, k);
		if (i % 3 == 0)
			script_bus(r, l, k);
		if (i % 3 == 1)
			script_supercap(r, l, k);
	}
	for (int i = 0; i < 4; i++) {
		uint32_t p = (uint32_t)mesh_random_below(r, n_procs);
		int64_t k = k0 + 2 + (int64_t)mesh_random_below(r, (uint64_t)steps / 2);
		if (used[p])
			continue;
		used[p] = true;
		solver_loop_kill(l, p, k);
		if (mesh_random_below(r, 3)) {
			int64_t n = r->topo.port_period,
				j = k + 1 + (int64_t)mesh_random_below(r, 100);
			solver_loop_start(l, p, (j + n - 1) / n * n);
		}
	}
	free(used);
}
