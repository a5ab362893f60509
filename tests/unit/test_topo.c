/* From topology files to meshes: defaults, merging, generators, rules, hash, and the files that
 * ship. */
#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "topo.h"
#include "topo_doc.h"
#include "topo_rules.h"

static char dir[256], path[512];
static struct diag_list l;
static struct topo *t;

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-topo-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/t.yaml", dir);
	diag_list_init(&l);
	t = NULL;
}

static void
teardown(void)
{
	topo_destroy(&t);
	diag_list_free(&l);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
load(const char *text)
{
	struct err err = ERR_INIT;
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	topo_destroy(&t);
	diag_list_free(&l);
	return topo_load(path, &l, &t, &err);
}

static void
load_ok(const char *text)
{
	int rc = load(text);
	ck_assert_msg(rc == 0, "%u: %s", l.n ? l.d[0].line : 0, l.n ? l.d[0].text : "?");
}

static bool
told(enum diag_level level, const char *part)
{
	for (size_t i = 0; i < l.n; i++)
		if (l.d[i].level == level && strstr(l.d[i].text, part))
			return true;
	return false;
}

static const struct topo_node *
node(const char *id)
{
	int i = topo_find_node(t, id);
	ck_assert_msg(i >= 0, "%s", id);
	return &t->nodes[i];
}

static const struct topo_link *
link_(const char *id)
{
	int i = topo_find_link(t, id);
	ck_assert_msg(i >= 0, "%s", id);
	return &t->links[i];
}

#define HEAD "voltloom: 1\nmesh: { name: x, control: droop }\n"

START_TEST(defaults)
{
	load_ok("voltloom: 1\n"
	        "nodes: [ { id: a, feed: { i_rated: 50A } }, { id: b } ]\n"
	        "links: [ { between: [b, a] } ]\n"
	        "modules: [ { id: m, class: cpu, feeds: [b, a] } ]\n");
	ck_assert_str_eq(t->name, "t"); /* the file's name */
	ck_assert_int_eq(t->step_ns, 100000);
	ck_assert_uint_eq(t->substeps, 10);
	ck_assert_uint_eq(t->port_period, 1);
	ck_assert(t->nominal_v == 48 && t->record_keep_s == 30 && t->stall_ns == 0);
	const struct node_params *a = &node("a")->p, *b = &node("b")->p;
	ck_assert(a->c_bus_f == 0.02 && a->has_sc && a->c_sc_f == 1 && a->r_sc_ohm == 0.02);
	ck_assert(a->v_init_v == 48 && a->control == CONTROL_CONSENSUS);
	ck_assert(a->kv_per_s == 8 && a->kc_per_s == 400 && a->ki_v_per_s == 60);
	ck_assert(a->has_feed && !b->has_feed);
	/* 2 % of 48 V at 50 A is 19.2 mOhm; the limit is 1.25 times the rating. */
	ck_assert_double_eq_tol(a->feed.r_d_ohm, 19.2e-3, 1e-15);
	ck_assert_double_eq_tol(a->feed.i_max_a, 62.5, 1e-12);
	ck_assert(a->feed.v0_v == 48.5 && a->feed.tau_s == 1e-3);
	const struct topo_link *k =
		link_("a-b"); /* the lower node first, the direction as written */
	ck_assert(k->a == 1 && k->b == 0);
	ck_assert(k->p.l_h == 2e-6 && k->p.l_eff_h == 2e-6 && k->p.fuse_a == 150 &&
	          k->p.fuse_i2t_a2s == 22500 && k->p.precharge_ohm == 0.5);
	ck_assert(!k->p.open && !k->tcp);
	const struct topo_module *m = &t->modules[0];
	ck_assert(m->p.class == MODULE_CPU && m->p.c_in_f == 1e-3 && m->p.r_port_ohm == 0.05 &&
	          m->p.n_turns == 4);
	ck_assert(m->p.priority == 5 && m->p.plugged && isnan(m->p.v_ref_v) && m->p.n_phases == 0);
	ck_assert_uint_eq(t->n_ports, 2);
	ck_assert_str_eq(t->ports[0].id, "m.b");
	ck_assert_str_eq(t->ports[1].id, "m.a");
	ck_assert(t->ports[1].input == 1 && m->ports[1] == 1 && t->nodes[0].ports[0] == 1);
}
END_TEST

START_TEST(every_key)
{
	/* All keys that act in this release, and those that are only noted. */
	load_ok("voltloom: 1\n"
	        "mesh: { name: full-1, step: 50us, substeps: 5, port_period: 2, seed: "
	        "18446744073709551615, nominal: 50V,\n"
	        "  control: droop, sensors: realistic, calibration: on, gains: { kv: 1, kc: 2, ki: "
	        "3 },\n"
	        "  sensor_errors: { voltage_gain: 0.2%, current_gain: 2%, voltage_offset: 1mV, "
	        "current_offset: 2mA,\n"
	        "    noise: 0.25, current_range: 100A, refresh: 200us }, transport: "
	        "tcp, record: { keep: 5s },\n"
	        "  stall: 300ms, allow_l_inflation: true }\n"
	        "nodes:\n"
	        "  - { id: a, at: [-1.5, 2], initial: 47V, c_bus: 10mF, control: none, gains: { "
	        "kc: 7 },\n"
	        "      feed: { v0: 49V, droop: 15.36mOhm, i_rated: 62.5A, i_max: 78.125A, tau: 2ms "
	        "},\n"
	        "      supercap: { c: 2F, esr: 10mOhm }, load: [[0ms, 100W, 1ms], [300ms, 1kW, "
	        "100us]] }\n"
	        "  - { id: b, supercap: none, allow_l_inflation: no }\n"
	        "links:\n"
	        "  - { id: l1, between: [a, b], r: 20mOhm, l: 3uH, fuse: none, precharge: 1Ohm, "
	        "transport: ipc }\n"
	        "  - { id: l2, between: [a, b], fuse: 80A, fuse_i2t: 5kA2s, open: true,\n"
	        "      channel: { rate: 100Mbit, delay: 1us, loss: 5%, burst: { enter: 1%, leave: "
	        "50% }, jitter: 2ms,\n"
	        "        duplicate: 2%, reorder: 3%, reorder_by: 3ms, corrupt: 4%, queue: 5ms } }\n"
	        "modules:\n"
	        "  - { id: m1, class: fixed, load: [[0ms, 50W, 1ms]], feeds: [a, b], c_in: 2mF, "
	        "r_port: 60mOhm, priority: 9 }\n"
	        "  - { id: m2, class: resistive, resistance: 10Ohm, feeds: [b] }\n"
	        "  - { id: m3, class: cpu, v_ref: 900mV, n_turns: 5, agent: fit, plugged: true, "
	        "feeds: [a],\n"
	        "      workload: { phases: [[compute, 5s], [memory, 200ms], [idle, 1s]] } }\n"
	        "  - { id: m4, class: fixed, power: 250W, feeds: [b] }\n");
	ck_assert_uint_eq(t->seed, UINT64_MAX);
	ck_assert(t->sensors_realistic && t->record_keep_s == 5 && t->stall_ns == 300000000);
	const struct topo_node *a = node("a"), *b = node("b");
	ck_assert(a->has_at && a->at_x == -1.5 && a->at_y == 2 && !b->has_at);
	ck_assert(a->p.v_init_v == 47 && b->p.v_init_v == 50 && a->p.v_nom_v == 50);
	ck_assert(a->p.control == CONTROL_NONE && b->p.control == CONTROL_DROOP);
	ck_assert(a->p.kv_per_s == 1 && a->p.kc_per_s == 7 && a->p.ki_v_per_s == 3 &&
	          b->p.kc_per_s == 2);
	ck_assert(a->p.c_sc_f == 2 && !b->p.has_sc && b->p.c_sc_f == 0);
	ck_assert(a->p.feed.r_d_ohm == 0.01536 && a->p.feed.i_max_a == 78.125 &&
	          a->p.feed.tau_s == 2e-3);
	ck_assert_uint_eq(a->p.load_w.n, 2);
	ck_assert(a->p.load_w.p[1].at_ns == 300000000 && a->p.load_w.p[1].level == 1000 &&
	          a->p.load_w.p[1].ramp_ns == 100000);
	ck_assert(link_("l1")->p.fuse_a == 0 && !link_("l1")->tcp && link_("l2")->tcp);
	ck_assert(link_("l2")->p.open && link_("l2")->p.fuse_a == 80 &&
	          link_("l1")->p.precharge_ohm == 1);
	ck_assert(link_("l2")->p.fuse_i2t_a2s == 5000 && link_("l1")->p.fuse_i2t_a2s == 0);
	const struct topo_module *m = t->modules;
	ck_assert(m[0].p.r_port_ohm == 0.06 && m[0].p.priority == 9 &&
	          m[0].p.load_w.p[0].level == 50);
	ck_assert(m[1].p.class == MODULE_RESISTIVE && m[1].p.r_load_ohm == 10);
	ck_assert(m[2].p.v_ref_v == 0.9 && m[2].p.n_turns == 5 && m[2].p.n_phases == 3);
	ck_assert(m[2].p.phases[1].phase == 1 && m[2].p.phases[1].for_ns == 200000000);
	ck_assert(m[3].p.load_w.n == 1 && m[3].p.load_w.p[0].level == 250 &&
	          m[3].p.load_w.p[0].ramp_ns == 0);
	const struct channel_params *c = &link_("l2")->p.channel;
	ck_assert(link_("l2")->p.has_channel && !link_("l1")->p.has_channel);
	ck_assert(c->rate_bit_s == 1e8 && c->delay_ns == 1000 && c->loss == 0.05);
	ck_assert(c->burst_enter == 0.01 && c->burst_leave == 0.5 && c->burst_loss == 1);
	ck_assert(c->jitter_ns == 2000000 && c->duplicate == 0.02 && c->reorder == 0.03 &&
	          c->reorder_ns == 3000000 && c->corrupt == 0.04 && c->queue_ns == 5000000);
	ck_assert(link_("l1")->p.channel.rate_bit_s == 0);
	ck_assert(told(DIAG_NOTE, "agents are parsed but do not act"));
	ck_assert(t->nodes[0].p.sensors_realistic && t->nodes[1].p.sensors_realistic);
	ck_assert(t->nodes[0].p.calibrates && t->nodes[1].p.calibrates);
	/* Nothing at node b that could get warm: 40 K at the least losses, and 300 s. */
	ck_assert_double_eq_tol(b->p.thermal.r_th_k_w, 4, 1e-12);
	ck_assert_double_eq_tol(b->p.thermal.c_th_j_k, 75, 1e-9);
	/* a has a feed of 3 kW that loses 2.43 % at its rating. */
	ck_assert_double_eq_tol(a->p.thermal.r_th_k_w, 40 / (0.0243 * 3000), 1e-9);
	ck_assert(a->p.thermal.max_c == 105 && a->p.trip.ov_v == 57 && a->p.trip.uv_v == 36);
	ck_assert(b->p.sensor.v_gain == 0.002 && b->p.sensor.i_gain == 0.02 &&
	          b->p.sensor.v_offset_v == 1e-3 && b->p.sensor.i_offset_a == 2e-3);
	ck_assert(b->p.sensor.noise_lsb == 0.25 && b->p.sensor.i_range_a == 100 &&
	          b->p.sensor.refresh_ns == 200000);
	ck_assert_uint_eq(l.n, 1); /* one per kind */
	ck_assert_uint_eq(node("a")->n_links, 2);
	ck_assert_uint_eq(node("b")->n_ports, 3);
}
END_TEST

START_TEST(merging)
{
	load_ok(HEAD "defaults:\n"
	             "  node: { c_bus: 30mF, supercap: { c: 3F }, load: [[0ms, 10W, 1ms]] }\n"
	             "  link: { r: 7mOhm }\n"
	             "  module: { class: fixed, power: 5W, priority: 3 }\n"
	             "generate: { ring: 4 }\n"
	             "nodes:\n"
	             "  - { id: n2, feed: { i_rated: 62.5A }, supercap: { esr: 5mOhm } }\n"
	             "  - { id: n3, supercap: none, c_bus: 40mF, at: [9, 9] }\n"
	             "  - { id: extra, load: [] }\n"
	             "links:\n"
	             "  - { id: n1-n2, l: 5uH }\n"
	             "  - { between: [n4, n3], id: second, r: 9mOhm }\n"
	             "  - { between: [extra, n1] }\n"
	             "modules:\n"
	             "  - { id: m1, feeds: [n1] }\n"
	             "  - { id: m2, feeds: [n2], load: [[1ms, 8W, 0s]] }\n");
	ck_assert_uint_eq(t->n_nodes, 5);
	ck_assert_uint_eq(t->n_links, 6);
	const struct topo_node *n2 = node("n2"), *n3 = node("n3");
	ck_assert(n2->p.c_bus_f == 0.03 && n2->p.c_sc_f == 3 && n2->p.r_sc_ohm == 0.005 &&
	          n2->p.has_feed);
	ck_assert(n2->has_at && n2->p.load_w.n == 1); /* its place is the generated one */
	ck_assert(!n3->p.has_sc && n3->p.c_bus_f == 0.04 && n3->at_x == 9);
	ck_assert(node("extra")->p.load_w.n == 0 && node("extra")->p.c_sc_f == 3);
	ck_assert(link_("n1-n2")->p.l_h == 5e-6 && link_("n1-n2")->p.r_ohm == 7e-3);
	ck_assert(link_("n2-n3")->p.l_h == 2e-6 && link_("second")->p.r_ohm == 9e-3);
	ck_assert_int_ge(topo_find_link(t, "n1-extra"), 0);
	ck_assert(t->modules[0].p.load_w.p[0].level == 5 && t->modules[0].p.priority == 3);
	ck_assert(t->modules[1].p.load_w.p[0].level == 8);
}
END_TEST

/* Loads a generated mesh with one strong feed and counts. */
static void
generated(const char *what, size_t nodes, size_t links)
{
	char text[300];
	snprintf(text, sizeof text,
	         HEAD "defaults: { node: { c_bus: 200mF } }\ngenerate: { %s }\n"
	              "nodes: [ { id: n1, feed: { i_rated: 1kA } } ]\n",
	         what);
	load_ok(text);
	ck_assert_msg(t->n_nodes == nodes && t->n_links == links, "%s: %zu nodes, %zu links", what,
	              t->n_nodes, t->n_links);
	bool seen[TOPO_NODES_MAX] = { false };
	for (size_t i = 0; i < nodes; i++) {
		char id[32];
		snprintf(id, sizeof id, "n%zu", i + 1);
		ck_assert_str_eq(t->nodes[i].id, id);
		ck_assert(t->nodes[i].has_at);
		for (size_t j = 0; j < i; j++)
			ck_assert(hypot(t->nodes[i].at_x - t->nodes[j].at_x,
			                t->nodes[i].at_y - t->nodes[j].at_y) > 0.5 ||
			          nodes > 200);
	}
	/* Named after its ends, the lower first; each pair once; one piece. */
	seen[0] = true;
	for (size_t round = 0; round < nodes; round++)
		for (size_t i = 0; i < links; i++)
			if (seen[t->links[i].a] || seen[t->links[i].b])
				seen[t->links[i].a] = seen[t->links[i].b] = true;
	for (size_t i = 0; i < nodes; i++)
		ck_assert(seen[i]);
	for (size_t i = 0; i < links; i++) {
		char id[64];
		ck_assert_uint_lt(t->links[i].a, t->links[i].b);
		snprintf(id, sizeof id, "n%u-n%u", t->links[i].a + 1, t->links[i].b + 1);
		ck_assert_str_eq(t->links[i].id, id);
	}
}

START_TEST(generators)
{
	generated("ring: 3", 3, 3);
	generated("ring: 8", 8, 8);
	generated("grid: [4, 6]", 24, 4 * 5 + 3 * 6);
	generated("grid: [1, 5]", 5, 4);
	generated("grid: [1, 1]", 1, 0);
	generated("torus: [4, 4]", 16, 32);
	generated("torus: [3, 5]", 15, 30);
	generated("torus: [2, 4]", 8, 8 + 4); /* no second link between the two rows */
	generated("torus: [1, 4]", 4, 4);
	generated("full: 2", 2, 1);
	generated("full: 25", 25, 300);
	load_ok(HEAD "generate: { torus: [4, 4] }\nnodes: [ { id: n6, feed: { i_rated: 1A } } ]\n");
	for (size_t i = 0; i < 16; i++)
		ck_assert_uint_eq(t->nodes[i].n_links, 4);
	ck_assert(node("n7")->at_x == 2 && node("n7")->at_y == 1);
}
END_TEST

START_TEST(kappa)
{
	/* T^2/(2 L) = 1e-8/(2 x 1 uH) = 5 mF per line: two of them take half of 20 mF, four all of
	 * it. */
	const char *mesh = HEAD
		"nodes: [ { id: a, feed: { i_rated: 1A } }, { id: b, c_bus: 100mF } ]\nlinks:\n%s";
	char text[600], links[400] = "";
	double join;
	for (int n = 1; n <= 4; n++) {
		size_t len = strlen(links);
		snprintf(links + len, sizeof links - len,
		         "  - { id: l%d, between: [a, b], l: 1uH }\n", n);
		snprintf(text, sizeof text, mesh, links);
		int rc = load(text);
		if (n == 4) {
			ck_assert_int_eq(rc, ERR_INPUT);
			ck_assert(told(DIAG_ERROR, "kappa 1 is above 0.95"));
			break;
		}
		ck_assert_int_eq(rc, 0);
		ck_assert_double_eq_tol(topo_kappa(t, 0, &join), 0.25 * n, 1e-12);
		ck_assert_double_eq_tol(join, 0.25 * (n + 1), 1e-12);
		ck_assert(told(DIAG_NOTE, "kappa") == (n == 3)); /* exactly 0.5 is still good */
	}
	/* With inflation: L_eff up until kappa is 0.95, L itself stays. */
	snprintf(text, sizeof text,
	         HEAD "nodes: [ { id: a, feed: { i_rated: 1A }, allow_l_inflation: true }, { id: "
	              "b, c_bus: 100mF } ]\n"
	              "links:\n%s",
	         links);
	load_ok(text);
	ck_assert_double_eq_tol(topo_kappa(t, 0, NULL), 0.95, 1e-12);
	for (size_t i = 0; i < t->n_links; i++) {
		ck_assert(t->links[i].p.l_h == 1e-6);
		ck_assert_double_eq_tol(t->links[i].p.l_eff_h, 1e-6 / 0.95, 1e-18);
	}
	ck_assert(told(DIAG_NOTE, "inductance of its links raised"));
}
END_TEST

/* n dual-fed modules between two nodes; port_period and supercap as given. */
static int
ports(int n, int period, const char *supercap, const char *r_port)
{
	char text[4000];
	int len = snprintf(text, sizeof text,
	                   "voltloom: 1\nmesh: { name: x, control: droop, port_period: %d }\n"
	                   "defaults: { node: { supercap: %s }, module: { class: fixed, power: 1W, "
	                   "r_port: %s } }\n"
	                   "nodes: [ { id: a, feed: { i_rated: 10A } }, { id: b } ]\nlinks: [ { "
	                   "between: [a, b] } ]\nmodules:\n",
	                   period, supercap, r_port);
	for (int i = 0; i < n; i++)
		len += snprintf(text + len, sizeof text - (size_t)len,
		                "  - { id: m%d, feeds: [a, b] }\n", i);
	return load(text);
}

START_TEST(port_rules)
{
	/* T_p/(C_bus R_port) = 100 us/(20 mF x 50 mOhm) = 0.1 per dual-fed port; 0.5 in all is the
	 * limit, exactly met by five; 0.25 with a longer period and no supercapacitor. */
	ck_assert_int_eq(ports(5, 1, "{ c: 1F }", "50mOhm"), 0);
	ck_assert_int_eq(ports(6, 1, "{ c: 1F }", "50mOhm"), ERR_INPUT);
	ck_assert_int_eq(ports(5, 1, "none", "50mOhm"), 0);
	ck_assert_int_eq(ports(1, 5, "{ c: 1F }", "50mOhm"), 0);
	ck_assert_int_eq(ports(1, 5, "none", "50mOhm"), ERR_INPUT);
	ck_assert_int_eq(ports(1, 5, "none", "100mOhm"), 0);
	ck_assert_int_eq(ports(2, 5, "none", "100mOhm"), ERR_INPUT);
	ck_assert(told(DIAG_ERROR, "would chatter"));
	/* C_in 1 mF each: ten are half of 20 mF. */
	ck_assert_int_eq(ports(10, 1, "{ c: 1F }", "100mOhm"), 0);
	ck_assert_int_eq(ports(11, 1, "{ c: 1F }", "200mOhm"), ERR_INPUT);
	ck_assert(told(DIAG_ERROR, "more than half of c_bus"));
	/* n dt/(2 C_in) = 2 x 10 us/2 mF = 10 mOhm. */
	ck_assert_int_eq(ports(1, 1, "{ c: 1F }", "10mOhm"), 0); /* both rules met exactly */
	ck_assert(!told(DIAG_ERROR, "below n_inputs"));
	ports(1, 1, "{ c: 1F }", "9.99mOhm");
	ck_assert(told(DIAG_ERROR, "r_port 9.99 mOhm is below n_inputs dt/(2 c_in) = 10 mOhm"));
}
END_TEST

START_TEST(islands)
{
	ck_assert_int_eq(load(HEAD
	                      "nodes: [ { id: a, feed: { i_rated: 1A } }, { id: b }, { id: c } ]\n"
	                      "links: [ { between: [b, c] } ]\n"),
	                 ERR_INPUT);
	ck_assert(told(DIAG_ERROR, "node 'b' and 1 more: an island without a feed"));
	/* Over a link that starts open the feed comes later: allowed, but said. */
	load_ok(HEAD "nodes: [ { id: a, feed: { i_rated: 1A } }, { id: b } ]\nlinks: [ { between: "
	             "[a, b], open: true } ]\n");
	ck_assert(told(DIAG_WARNING, "no feed until a link that starts open is closed"));
}
END_TEST

START_TEST(constant_power)
{
	/* Feed node: stable below C V^2/tau = 1 mF x 48^2/1 ms = 2304 W; a warning from half of
	 * that on. */
	const char *mesh = HEAD "nodes: [ { id: a, supercap: none, c_bus: 1mF, feed: { i_rated: "
				"100A }, load: [[0s, %dW, 0s]] } ]\n";
	char text[400];
	snprintf(text, sizeof text, mesh, 1150);
	load_ok(text);
	ck_assert(!told(DIAG_WARNING, "constant power"));
	snprintf(text, sizeof text, mesh, 1160);
	load_ok(text);
	ck_assert(told(DIAG_WARNING, "stable below c_bus V^2/tau = 2304 W"));
	/* Behind a cable: R C V^2/L = 5 mOhm x 5 mF x 2304/20 uH = 2880 W. */
	mesh = HEAD "nodes: [ { id: a, feed: { i_rated: 100A } }, { id: b, supercap: %s, c_bus: "
		    "5mF, load: [[0s, 1500W, 0s]] } ]\n"
		    "links: [ { id: k, between: [a, b], r: 5mOhm, l: 20uH } ]\n";
	snprintf(text, sizeof text, mesh, "none");
	load_ok(text);
	ck_assert(told(DIAG_WARNING, "over link 'k' alone; stable below 2880 W"));
	snprintf(text, sizeof text, mesh, "{ c: 1F }"); /* 50 S of damping against 0.65 S */
	load_ok(text);
	ck_assert(!told(DIAG_WARNING, "constant power"));
}
END_TEST

#define HASH_MESH(mesh, c, p, extra)                                   \
	"voltloom: 1\nmesh: { " mesh " }\nnodes: [ { id: a, c_bus: " c \
	", feed: { i_rated: 62.5A } },"                                \
	" { id: b, load: [[0ms, " p ", 1ms]] " extra                   \
	" } ]\nlinks: [ { id: l, between: [a, b] } ]\n"

static void
hash_of(const char *text, uint8_t *hash)
{
	load_ok(text);
	memcpy(hash, t->hash, 32);
}

START_TEST(hash)
{
	uint8_t a[32], b[32];
	hash_of(HASH_MESH("name: x, seed: 1", "20mF", "100W", ""), a);
	/* Spelling, name, seed, place on the map, what is recorded: all the same mesh. */
	hash_of(HASH_MESH("seed: 2, name: y, record: { keep: 9s }, transport: tcp, step: 0.1ms",
	                  "0.02F", "0.1kW", ", at: [1, 2]"),
	        b);
	ck_assert_mem_eq(a, b, 32);
	/* 1 W, 1 ns, another id: another mesh. */
	hash_of(HASH_MESH("name: x", "20mF", "101W", ""), b);
	ck_assert_mem_ne(a, b, 32);
	hash_of(HASH_MESH("name: x, step: 50us", "20mF", "100W", ""), b);
	ck_assert_mem_ne(a, b, 32);
	hash_of(HASH_MESH("name: x", "20.0000000001mF", "100W", ""), b);
	ck_assert_mem_ne(a, b, 32);
	hash_of(HASH_MESH("name: x, control: none", "20mF", "100W", ""), b);
	ck_assert_mem_ne(a, b, 32);
}
END_TEST

START_TEST(shipped)
{
	/* Every file in topologies/ loads without an error, and has the size that its name
	 * promises. */
	static const struct {
		const char *name;
		size_t nodes, links, feeds, modules;
	} rows[] = { { "pair", 2, 1, 1, 1 },          { "tri3", 3, 3, 2, 0 },
		     { "rack8", 8, 12, 3, 10 },       { "grid24", 24, 38, 4, 8 },
		     { "torus100", 100, 200, 10, 0 }, { "ring200", 200, 200, 20, 0 } };
	char pattern[4200];
	const char *src = getenv("VL_SRC");
	struct err err = ERR_INIT;
	glob_t g;
	snprintf(pattern, sizeof pattern, "%s/topologies/*.yaml", src ? src : ".");
	ck_assert_int_eq(glob(pattern, 0, NULL, &g), 0);
	ck_assert_uint_ge(g.gl_pathc, sizeof rows / sizeof *rows);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		topo_destroy(&t);
		diag_list_free(&l);
		ck_assert_msg(topo_load(g.gl_pathv[i], &l, &t, &err) == 0, "%s", err.text);
		ck_assert(!told(DIAG_WARNING, ""));
		for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
			size_t feeds = 0;
			for (size_t k = 0; k < t->n_nodes; k++)
				feeds += t->nodes[k].p.has_feed;
			if (!strcmp(rows[j].name, t->name))
				ck_assert_msg(t->n_nodes == rows[j].nodes &&
				                      t->n_links == rows[j].links &&
				                      feeds == rows[j].feeds &&
				                      t->n_modules == rows[j].modules,
				              "%s", t->name);
		}
		if (!strcmp(t->name, "rack8"))
			for (size_t k = 0; k < t->n_modules; k++)
				ck_assert_uint_eq(t->modules[k].n_feeds, 2);
	}
	globfree(&g);
}
END_TEST

START_TEST(curve)
{
	struct pwl_point p[] = { { 1000, 100, 10 }, { 2000, 0, 30 } };
	const struct pwl c = { 2, p };
	ck_assert_double_eq(pwl_at(&c, 0), 0);
	ck_assert_double_eq(pwl_at(&c, 1000), 0);
	ck_assert_double_eq(pwl_at(&c, 1050), 5);
	ck_assert_double_eq(pwl_at(&c, 1100), 10);
	ck_assert_double_eq(pwl_at(&c, 1999), 10);
	ck_assert_double_eq(pwl_at(&c, 2000), 30);
	ck_assert_double_eq(pwl_peak(&c), 30);
}
END_TEST

START_TEST(cpu_power)
{
	/* The module table says 136.9 W at the nominal 1 V and 103.4 W at 0.884 V, compute phase.
	 */
	struct module_params m = { .class = MODULE_CPU, .v_ref_v = NAN };
	ck_assert_double_eq_tol(module_peak_w(&m, 48), 136.9, 0.05);
	m.v_ref_v = 0.884;
	ck_assert_double_eq_tol(module_peak_w(&m, 48), 103.4,
	                        0.3); /* its voltage is given to 1 mV */
	m = (struct module_params){ .class = MODULE_RESISTIVE, .r_load_ohm = 10 };
	ck_assert_double_eq(module_peak_w(&m, 48), 230.4);
}
END_TEST

/* What `print` writes. */
static char *
printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(f);
	print(f);
	fclose(f);
	return text;
}

static void
same_as_file(const char *name, void (*print)(FILE *))
{
	char file[4300], *want = printed(print);
	const char *src = getenv("VL_SRC");
	snprintf(file, sizeof file, "%s/docs/%s", src ? src : ".", name);
	FILE *f = fopen(file, "r");
	ck_assert_msg(f != NULL, "%s", file);
	size_t len = strlen(want);
	char *got = calloc(1, len + 2);
	ck_assert_ptr_nonnull(got);
	size_t n = fread(got, 1, len + 1, f);
	fclose(f);
	ck_assert_msg(n == len && !strcmp(got, want),
	              "%s is not what the tables say: write it again", file);
	free(got);
	free(want);
}

START_TEST(reference)
{
	/* The pages in docs/ are what the tables say today. */
	static const char *const keys[] = { "\"c_bus\"",   "\"supercap\"", "\"port_period\"",
		                            "\"r_port\"",  "\"between\"",  "\"fuse\"",
		                            "\"workload\"" };
	same_as_file("topology.md", topo_print_reference);
	same_as_file("drills.md", drill_print_reference);
	char *schema = printed(topo_print_json_schema);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		ck_assert_msg(strstr(schema, keys[i]) != NULL, "%s", keys[i]);
	free(schema);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("topo");
	TCase *c = tcase_create("meshes");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, defaults);
	tcase_add_test(c, every_key);
	tcase_add_test(c, merging);
	tcase_add_test(c, generators);
	tcase_add_test(c, kappa);
	tcase_add_test(c, port_rules);
	tcase_add_test(c, islands);
	tcase_add_test(c, constant_power);
	tcase_add_test(c, hash);
	tcase_add_test(c, shipped);
	tcase_add_test(c, curve);
	tcase_add_test(c, cpu_power);
	tcase_add_test(c, reference);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
