/*
 * Hardware in whole meshes: firmware that hangs, watchdogs and resets, trips by over- and
 * under-voltage and temperature, derating, ports whose bus is too low, deaths in between, at random
 * times. The books close in every step, nothing is NaN, and what is off is off
 * (docs/models/hardware.md).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "mesh.h"
#include "playback.h"
#include "tests/support/books.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

enum { STEPS = 3000, FIRST = 200 };

/* Converters of every kind: at a node, at a link, of a supercapacitor; modules of each class. */
static const char ring[] =
	"voltloom: 1\nmesh: { name: ring4 }\n"
	"defaults: { node: { load: [[0ms, 150W, 1ms]] }, link: { fuse: 150A } }\nnodes:\n"
	"  - { id: a, feed: { i_rated: 31.25A } }\n"
	"  - { id: b, converter: { v_ref: 12V, load: [[0s, 20A, 1ms]] } }\n"
	"  - { id: c, feed: { i_rated: 31.25A }, supercap: none }\n"
	"  - { id: d, supercap: { c: 2F, esr: 10mOhm, converter: {} } }\n"
	"links:\n  - { id: ab, between: [a, b] }\n  - { id: bc, between: [b, c] }\n"
	"  - { id: cd, between: [c, d] }\n  - { id: da, between: [d, a] }\n"
	"  - { id: ac, between: [a, c], converter: { at: a, power: [[0s, 150W, 1ms]] } }\n"
	"modules:\n  - { id: m1, class: cpu, feeds: [a, b] }\n"
	"  - { id: m2, class: fixed, power: 250W, feeds: [b, c] }\n"
	"  - { id: m3, class: resistive, resistance: 12Ohm, feeds: [d] }\n"
	"  - { id: m4, class: fixed, power: 200W, feeds: [c, d], priority: 2 }\n";

static struct topo *t;
static struct solver_loop *loop;
static struct books *books;
/* What happened, over all seeds. */
static unsigned n_trips[TRIP_OT + 1], n_resets, n_ups, n_derated, n_fuses, n_ports_off;

static void
teardown(void)
{
	books_destroy(&books);
	solver_loop_destroy(&loop);
	topo_destroy(&t);
}

static void
begin(void)
{
	struct err err = ERR_INIT;

	ck_assert_msg(solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err) == 0,
	              "%s", err.text);
	books = books_create(t, loop);
}

static double
in(uint64_t *rng, double lo, double hi)
{
	return lo + (hi - lo) * (double)(mesh_rnd(rng) >> 11) * 0x1p-53;
}

static void
command(uint32_t proc, int64_t k, uint32_t kind, double a, double b)
{
	struct core_cmd cmd = { .kind = kind, .chan = -1, .a = a, .b = b, .c = NAN };
	solver_loop_command(loop, proc, k, cmd);
}

/* Bodies that warm up in tens of milliseconds, watchdogs of that order or none, and now and then
 * feeds that are set too high, on buses that can rise. */
static void
make_nervous(uint64_t *rng)
{
	bool high = mesh_below(rng, 3) == 0;

	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node_params *p = &t->nodes[i].p;
		p->thermal.c_th_j_k = in(rng, 0.02, 0.1) / p->thermal.r_th_k_w;
		p->mcu.watchdog_ns = mesh_below(rng, 4) ? (int64_t)(in(rng, 5, 60) * 1e6) : 0;
		p->mcu.boot_ns = (int64_t)(in(rng, 1, 30) * 1e6);
		p->trip.restart_ns = (int64_t)(in(rng, 1, 50) * 1e6);
		p->has_sc = p->has_sc && !high;
		if (p->has_feed && high) {
			p->control = CONTROL_NONE;
			p->feed.v0_v = 60;
		}
	}
}

static void
upset(uint32_t node, uint64_t *rng)
{
	int64_t k = FIRST + mesh_below(rng, STEPS - 2 * FIRST);

	switch (mesh_below(rng, 5)) {
	case 0:
		command(node, k, CMD_HANG, NAN, NAN);
		if (mesh_below(rng, 2))
			command(node, k + mesh_below(rng, 900), CMD_UNHANG, NAN, NAN);
		break;
	case 1: /* hot air: over-temperature, and later cold air */
		command(node, k, CMD_DERATE, in(rng, 0.1, 1), in(rng, 60, 200));
		command(node, k + 300 + mesh_below(rng, 900), CMD_UNDERATE, NAN, NAN);
		break;
	case 2:
		command(node, k, CMD_SHORT, in(rng, 0.005, 0.5), in(rng, 1e-3, 0.1));
		break;
	case 3:
		command(node, k, CMD_LOAD, in(rng, 0, 1500), in(rng, 0, 0.02));
		break;
	default:
		if (mesh_below(rng, 2) == 0) {
			solver_loop_kill(loop, node, k);
			solver_loop_start(loop, node, k + 10 + mesh_below(rng, 500));
		}
	}
}

static void
count(const struct core_events *ev)
{
	for (size_t i = 0; i < ev->n; i++) {
		const struct core_event *e = &ev->e[i];
		if (e->code == EV_TRIP)
			n_trips[(int)e->a]++;
		n_resets += e->code == EV_WATCHDOG && e->a == 1;
		n_ups += e->code == EV_MCU_UP;
		n_derated += e->code == EV_DERATED && e->a == 1;
		n_fuses += e->code == EV_FUSE;
	}
}

/* Trips by over-voltage and temperature that are on, by the events. */
static void
note_trips(const struct core_events *ev, unsigned *off)
{
	for (size_t i = 0; i < ev->n; i++) {
		if (ev->e[i].a == TRIP_UV)
			continue;
		if (ev->e[i].code == EV_TRIP)
			*off |= 1u << (int)ev->e[i].a;
		else if (ev->e[i].code == EV_TRIP_CLEAR)
			*off &= ~(1u << (int)ev->e[i].a);
	}
}

static void
check_values(uint32_t proc, uint64_t seed)
{
	size_t n;
	const union rec_word *w = solver_loop_frame(loop, proc);
	const struct rec_field *f = solver_loop_fields(loop, proc, &n);

	for (size_t i = 0; i < n; i++)
		if (f[i].type == 'f' && !isfinite(w[i].f))
			ck_abort_msg("seed %d frame %d: %s of process %u is %g", (int)seed,
			             (int)solver_loop_k(loop), f[i].name, proc, w[i].f);
}

/* A feed whose stage is off gives nothing, a port on a low bus pays nothing, and no bus is above 58
 * V. */
static void
check_node(uint32_t node, unsigned off, double before_v)
{
	const struct topo_node *n = &t->nodes[node];
	char name[80];

	if (off && n->p.has_feed && solver_loop_get(loop, node, "feed_i_avg") != 0)
		ck_abort_msg("frame %d: %s is off and gives %g A", (int)solver_loop_k(loop), n->id,
		             solver_loop_get(loop, node, "feed_i_avg"));
	if (!(solver_loop_get(loop, node, "v_max") <= 58))
		ck_abort_msg("frame %d: %s at %g V", (int)solver_loop_k(loop), n->id,
		             solver_loop_get(loop, node, "v_max"));
	if (before_v >= 36)
		return;
	for (size_t p = 0; p < n->n_ports; p++) {
		snprintf(name, sizeof name, "port.%s.p",
		         t->modules[t->ports[n->ports[p]].module].id);
		n_ports_off++;
		if (solver_loop_get(loop, node, name) != 0)
			ck_abort_msg("frame %d: %s pays %g W at %g V", (int)solver_loop_k(loop),
			             name, solver_loop_get(loop, node, name), before_v);
	}
}

static void
run(struct topo *mesh, uint64_t seed)
{
	uint64_t rng = seed;
	unsigned off[64] = { 0 }, was_off[64] = { 0 };
	double before_v[64] = { 0 };

	t = mesh;
	make_nervous(&rng);
	begin();
	for (uint32_t i = 0; i < t->n_nodes; i++)
		for (uint32_t times = mesh_below(&rng, 3); times > 0; times--)
			upset(i, &rng);
	for (int k = 0; k < STEPS; k++) {
		for (uint32_t i = 0; i < t->n_nodes; i++)
			if (solver_loop_alive(loop, i))
				before_v[i] = solver_loop_get(loop, i, "v");
		solver_loop_step(loop);
		books_after(books);
		for (uint32_t i = 0; i < t->n_nodes + t->n_modules; i++) {
			if (!solver_loop_alive(loop, i))
				continue;
			check_values(i, seed);
			if (i >= t->n_nodes || !solver_loop_made_step(loop, i)) {
				if (i < t->n_nodes)
					off[i] = 0; /* a new life begins with everything on */
				continue;
			}
			count(solver_loop_events(loop, i));
			was_off[i] = off[i];
			note_trips(solver_loop_events(loop, i), &off[i]);
			check_node(i, was_off[i] & off[i], before_v[i]);
		}
		struct books_sums s = books_sums(books);
		if (!s.finite || !(s.residual <= 1e-9) || !(s.worst_core <= 1e-12))
			ck_abort_msg("seed %d step %d: residual %g, of a core %g", (int)seed, k,
			             s.residual, s.worst_core);
	}
	teardown();
}

static int
seeds(int few)
{
	return getenv("VL_NIGHTLY") ? 200 : few;
}

START_TEST(books_close)
{
	for (int i = 0; i < seeds(24); i++) {
		run(mesh_text(ring), 100 + (uint64_t)i);
		run(mesh_file(i % 2 ? "rack8" : "peak"), 500 + (uint64_t)i);
	}
	/* It did happen. */
	ck_assert_uint_ge(n_trips[TRIP_OV], 20);
	ck_assert_uint_ge(n_trips[TRIP_UV], 20);
	ck_assert_uint_ge(n_trips[TRIP_OT], 10);
	ck_assert_uint_ge(n_resets, 10);
	ck_assert_uint_ge(n_ups, 10);
	ck_assert_uint_ge(n_derated, 10);
	ck_assert_uint_ge(n_fuses, 10);
	ck_assert_uint_ge(n_ports_off, 1000);
}
END_TEST

/* Firmware that never comes back: the feed follows its droop from the set-point that it had, the
 * books of the control stand still, and the others carry on around it. */
START_TEST(droop_stays)
{
	t = mesh_file("rack8");
	uint32_t n1 = (uint32_t)topo_find_node(t, "n1");
	t->nodes[n1].p.mcu.watchdog_ns = 0;
	const double r_ohm = t->nodes[n1].p.feed.r_d_ohm, v0_v = t->nodes[n1].p.feed.v0_v;
	begin();
	while (solver_loop_k(loop) < 10000)
		solver_loop_step(loop);
	command(n1, 10000, CMD_HANG, NAN, NAN);
	/* A load beside it, at another time of the millisecond. */
	command((uint32_t)topo_find_node(t, "n2"), 12003, CMD_LOAD, 900, 0);
	const double dv = solver_loop_get(loop, n1, "dv"), di = solver_loop_get(loop, n1, "di");
	const double before_a = solver_loop_get(loop, n1, "feed_i");
	double most_a = 0;
	while (solver_loop_k(loop) < 20000) {
		solver_loop_step(loop);
		if (solver_loop_k(loop) <= 10001)
			continue;
		ck_assert_double_eq(solver_loop_get(loop, n1, "dv"), dv);
		ck_assert_double_eq(solver_loop_get(loop, n1, "di"), di);
		most_a = fmax(most_a, solver_loop_get(loop, n1, "feed_i"));
	}
	/* At rest, i = (v_set - v)/R_d. */
	double i_a = solver_loop_get(loop, n1, "feed_i"), v = solver_loop_get(loop, n1, "v");
	ck_assert_double_eq_tol(i_a, (v0_v + dv + di - v) / r_ohm, 0.05);
	ck_assert_double_gt(most_a, before_a + 3);
	/* The rest of the mesh shares what it leaves. */
	double x3 = solver_loop_get(loop, (uint32_t)topo_find_node(t, "n3"), "loading");
	double x6 = solver_loop_get(loop, (uint32_t)topo_find_node(t, "n6"), "loading");
	ck_assert_double_eq_tol(x3, x6, 0.02);
	ck_assert(isfinite(i_a) && i_a > 0);
}
END_TEST

/* A module on two nodes, one of which has too little: the other gives all, and takes its part
 * again. */
START_TEST(port_of_a_low_bus)
{
	t = mesh_file("rack8");
	uint32_t n4 = (uint32_t)topo_find_node(t, "n4"), n5 = (uint32_t)topo_find_node(t, "n5");
	uint32_t m4 = (uint32_t)t->n_nodes + (uint32_t)topo_find_module(t, "m4");
	begin();
	command(n4, 5003, CMD_SHORT, 5e-3, NAN);
	while (solver_loop_k(loop) < 8000) {
		solver_loop_step(loop);
		books_after(books);
	}
	ck_assert_double_lt(solver_loop_get(loop, n4, "v"), 36);
	ck_assert_double_eq(solver_loop_get(loop, n4, "port.m4.p"), 0);
	ck_assert_double_eq(solver_loop_get(loop, m4, "in.n4.i"), 0);
	ck_assert_double_eq_tol(solver_loop_get(loop, n5, "port.m4.p"), 300, 10);
	ck_assert_double_eq(solver_loop_get(loop, m4, "served"), 1);
	command(n4, 8001, CMD_UNSHORT, NAN, NAN);
	struct core_cmd heal = { .kind = CMD_HEAL, .a = NAN, .b = NAN, .c = NAN };
	for (size_t i = 0; i < t->nodes[n4].n_links; i++)
		solver_loop_link_command(loop, t->nodes[n4].links[i], 8002, heal, 0);
	while (solver_loop_k(loop) < 100000 && solver_loop_get(loop, m4, "in.n4.i") == 0) {
		solver_loop_step(loop);
		books_after(books);
	}
	ck_assert_double_ge(solver_loop_get(loop, n4, "v"), 36);
	ck_assert_double_gt(solver_loop_get(loop, m4, "in.n4.i"), 0);
	ck_assert_double_le(books_sums(books).residual, 1e-9);
}
END_TEST

/* A port that is set to give up at 45 V: the bus sags to 44, the other input has it all. */
START_TEST(port_threshold)
{
	t = mesh_file("rack8");
	uint32_t n4 = (uint32_t)topo_find_node(t, "n4");
	uint32_t m4 = (uint32_t)t->n_nodes + (uint32_t)topo_find_module(t, "m4");
	struct core_cmd cut = { .kind = CMD_CUT, .a = NAN, .b = NAN, .c = NAN };
	t->nodes[n4].p.trip.port_uv_v = 45;
	begin();
	for (size_t i = 0; i < t->nodes[n4].n_links; i++)
		solver_loop_link_command(loop, t->nodes[n4].links[i], 5000, cut, 0);
	/* Alone, its built-in 60 W draw its supercapacitor down; the module leaves it at 45 V. */
	bool given = false;
	while (solver_loop_k(loop) < 40000 && solver_loop_get(loop, n4, "v") > 44) {
		double v = solver_loop_get(loop, n4, "v");
		solver_loop_step(loop);
		books_after(books);
		given = given || (v > 45 && solver_loop_get(loop, m4, "in.n4.i") > 0);
		if (v < 45)
			ck_assert_double_eq(solver_loop_get(loop, m4, "in.n4.i"), 0);
		ck_assert_double_eq(solver_loop_get(loop, m4, "served"), 1);
	}
	ck_assert(given);
	ck_assert_double_le(solver_loop_get(loop, n4, "v"), 44.1);
	ck_assert_double_le(books_sums(books).residual, 1e-9);
}
END_TEST

/* Killed after a second, back a second later: it has cooled for as long as it was dead. */
START_TEST(dead_nodes_cool)
{
	enum { KILL_K = 10000, START_K = 20000 };
	struct err err = ERR_INIT;
	struct playback play = { 0 };
	struct script *script = mesh_script();

	t = mesh_file("rack8");
	uint32_t n3 = (uint32_t)topo_find_node(t, "n3");
	struct thermal_params *p = &t->nodes[n3].p.thermal;
	p->c_th_j_k = 2 / p->r_th_k_w;
	mesh_script_add(script, SCRIPT_KILL, n3, KILL_K);
	mesh_script_add(script, SCRIPT_START, n3, START_K);
	struct memory_params m = {
		.topo = t, .script = script, .end_k = START_K + 1000, .seed = 1
	};
	ck_assert_msg(playback_run(&play, &m, NULL, NULL, &err) == 0, "%s", err.text);
	int temp = runview_field(play.view, n3, "temp");
	double was, is, next;
	ck_assert(runview_value(play.view, n3, temp, KILL_K - 1, &was));
	ck_assert(!runview_value(play.view, n3, temp, START_K - 1, &is));
	ck_assert(runview_value(play.view, n3, temp, START_K, &is));
	ck_assert(runview_value(play.view, n3, temp, START_K + 1, &next));
	const double dead_s = (START_K - KILL_K + 1) * 1e-4;
	ck_assert_double_gt(was, p->ambient_c + 2);
	ck_assert_double_eq(is, was);
	/* What it loses at rest in 100 us warms it by a thousandth of a kelvin. */
	ck_assert_double_eq_tol(next, p->ambient_c + (was - p->ambient_c) * exp(-dead_s / 2), 2e-3);
	playback_end(&play);
	mesh_script_free(script);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hardware");
	TCase *c = tcase_create("hardware");
	tcase_set_timeout(c, getenv("VL_NIGHTLY") ? 3600 : 120);
	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_test(c, books_close);
	tcase_add_test(c, droop_stays);
	tcase_add_test(c, port_of_a_low_bus);
	tcase_add_test(c, port_threshold);
	tcase_add_test(c, dead_nodes_cool);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
