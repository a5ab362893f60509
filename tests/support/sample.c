#include "tests/support/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *
take(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		abort();
	return p;
}

static void
set_pwl(struct pwl *l, size_t n, double level)
{
	l->n = n;
	l->p = take(n, sizeof *l->p);
	for (size_t i = 0; i < n; i++)
		l->p[i] = (struct pwl_point){ (int64_t)i * 1000000, 1000 + (int64_t)i,
			                      level + (double)i };
}

static void
set_node(struct topo_node *n, const char *id, double v)
{
	strcpy(n->id, id);
	n->p.v_init_v = v;
	n->p.c_bus_f = 20e-3;
	n->p.control = CONTROL_CONSENSUS;
	n->p.calibrates = true;
	n->p.kv_per_s = 8;
	n->p.kc_per_s = 400;
	n->p.ki_v_per_s = 60;
	n->p.v_nom_v = 48;
}

static void
set_link(struct topo *t, uint32_t i, const char *id, uint32_t a, uint32_t b)
{
	struct topo_link *l = &t->links[i];
	strcpy(l->id, id);
	l->a = a;
	l->b = b;
	l->p.r_ohm = 10e-3 + i * 1e-3;
	l->p.l_h = 2e-6;
	l->p.l_eff_h = 2.5e-6;
	l->p.fuse_a = 150;
	l->p.fuse_i2t_a2s = 22500;
	l->p.precharge_ohm = 0.5;
	t->nodes[a].links[t->nodes[a].n_links++] = i;
	t->nodes[b].links[t->nodes[b].n_links++] = i;
}

static void
add_port(struct topo *t, uint32_t m, uint32_t input, uint32_t node)
{
	uint32_t i = (uint32_t)t->n_ports++;
	struct topo_port *p = &t->ports[i];
	strcpy(p->id, t->modules[m].id);
	strcat(p->id, ".");
	strcat(p->id, t->nodes[node].id);
	p->module = m;
	p->node = node;
	p->input = input;
	t->modules[m].feeds[input] = node;
	t->modules[m].ports[input] = i;
	t->modules[m].n_feeds++;
	t->nodes[node].ports[t->nodes[node].n_ports++] = i;
}

static void
set_modules(struct topo *t)
{
	struct module_params *m1 = &t->modules[0].p, *m2 = &t->modules[1].p;
	strcpy(t->modules[0].id, "m1");
	strcpy(t->modules[1].id, "m2");
	m1->class = MODULE_FIXED;
	m1->c_in_f = 1e-3;
	m1->r_port_ohm = 50e-3;
	m1->v_ref_v = NAN;
	m1->priority = 1;
	set_pwl(&m1->load_w, 2, 50);
	m2->class = MODULE_CPU;
	m2->c_in_f = 2e-3;
	m2->r_port_ohm = 60e-3;
	m2->v_ref_v = 0.9;
	m2->priority = 5;
	m1->n_turns = m2->n_turns = 4;
	m1->plugged = m2->plugged = true;
	m2->n_phases = 2;
	m2->phases = take(2, sizeof *m2->phases);
	m2->phases[0] = (struct workload_phase){ 0, 5000000000 };
	m2->phases[1] = (struct workload_phase){ 2, 1000000000 };
	add_port(t, 0, 0, 0);
	add_port(t, 0, 1, 1);
	add_port(t, 1, 0, 2);
}

struct topo *
sample_topo(void)
{
	struct topo *t = take(1, sizeof *t);
	strcpy(t->name, "sample");
	t->step_ns = 100000;
	t->substeps = 10;
	t->port_period = 1;
	t->seed = 42;
	t->nominal_v = 48;
	for (size_t i = 0; i < sizeof t->hash; i++)
		t->hash[i] = (uint8_t)(i * 7);
	t->n_nodes = t->n_links = 3;
	t->n_modules = 2;
	t->nodes = take(3, sizeof *t->nodes);
	t->links = take(3, sizeof *t->links);
	t->modules = take(2, sizeof *t->modules);
	t->ports = take(3, sizeof *t->ports);
	set_node(&t->nodes[0], "n1", 48);
	set_node(&t->nodes[1], "n2", 47.5);
	set_node(&t->nodes[2], "n3", 47);
	struct node_params *n1 = &t->nodes[0].p, *n3 = &t->nodes[2].p;
	n1->has_sc = true;
	n1->c_sc_f = 1;
	n1->r_sc_ohm = 20e-3;
	n1->has_feed = true;
	n1->feed = (struct feed_params){ 48.5, 15.36e-3, 62.5, 78.125, 1e-3 };
	set_pwl(&n1->load_w, 3, 100);
	n3->has_conv = true;
	n3->conv = (struct conv_params){ .l_h = 4.7e-6,
		                         .r_ohm = 5e-3,
		                         .c_out_f = 2e-3,
		                         .v_ref_v = 12,
		                         .kp = 30,
		                         .ki = 45000,
		                         .kc = 0.25,
		                         .p_fixed_w = 3.5,
		                         .i_lim_a = 75,
		                         .k_sw_s = 8e-9,
		                         .c_oss_f = 3e-9,
		                         .f_sw_hz = 200e3 };
	set_pwl(&n3->conv.load_a, 1, 10);
	set_link(t, 0, "l1", 0, 1);
	set_link(t, 1, "l2", 1, 2);
	set_link(t, 2, "l3", 2, 0);
	t->links[1].tcp = true;
	t->links[1].has_conv = true;
	t->links[1].conv.node = t->links[1].b;
	t->links[1].conv.conv = (struct conv_params){
		.l_h = 10e-6, .r_ohm = 16e-3, .c_out_f = 10e-3, .kp = 30, .kc = 0.25, .i_lim_a = 60
	};
	set_pwl(&t->links[1].conv.power_w, 2, 500);
	t->links[2].p.open = true;
	set_modules(t);
	return t;
}

void
sample_topo_free(struct topo *t)
{
	for (size_t i = 0; i < t->n_nodes; i++) {
		free(t->nodes[i].p.load_w.p);
		free(t->nodes[i].p.conv.load_a.p);
	}
	for (size_t i = 0; i < t->n_links; i++)
		free(t->links[i].conv.power_w.p);
	for (size_t i = 0; i < t->n_modules; i++) {
		free(t->modules[i].p.load_w.p);
		free(t->modules[i].p.phases);
	}
	free(t->nodes);
	free(t->links);
	free(t->modules);
	free(t->ports);
	free(t->path);
	free(t);
}
