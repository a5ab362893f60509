/*
 * Shedding and restoring: the times of the firmware, and a mesh in overload: by priority, no more
 * than needed, no collapse, no back and forth, everything back after.
 */
#include "nodes/node_protect.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define MS INT64_C(1000000)

static struct node_protect p;
static struct node_port ports[3];
static int now_ms;

/* Three ports with priorities 7, 3 and 5, all owned. */
static void
begin(void)
{
	static const uint32_t priority[] = { 7, 3, 5 };

	static const double rank[] = { 2.0 / 3, 0, 1.0 / 3 };
	struct slice_chan chans[5] = { { .kind = CHAN_LINK }, { .kind = CHAN_LINK } };
	struct slice s = { .n_chans = 5, .chans = chans, .feeds_w = 3000 };
	s.node.trip.port_uv_v = 36;

	for (size_t i = 0; i < 3; i++) {
		chans[2 + i] = (struct slice_chan){ .kind = CHAN_PORT,
			                            .priority = priority[i],
			                            .shed_rank = rank[i] };
		node_port_init(&ports[i], (int32_t)i, true, true, 36);
	}
	node_protect_init(&p, &s, MS, 48);
	now_ms = 0;
}

/* Runs until a port gets an order, which the module carries out; the time is now_ms. -1: none. */
static int
next_order(double v, double v_per_s, double loading, int ms, uint32_t *order)
{
	for (int i = 0; i < ms; i++) {
		node_protect_step(&p, ports, v + v_per_s * i * 1e-3, loading);
		now_ms++;
		for (int n = 0; n < 3; n++)
			if (ports[n].order) {
				*order = ports[n].order;
				ports[n].shed = ports[n].order == OFFER_SHED;
				ports[n].order = 0;
				return n;
			}
	}
	return -1;
}

START_TEST(test_thresholds)
{
	static const struct {
		double v, loading;
		int from_ms; /* 0: never */
	} rows[] = { { 43.51, 1.09, 0 }, { 43.49, 0, 2 },    { 48, 1.11, 2000 },
		     { 48, 1.21, 200 },  { 48, 1.19, 2000 }, { 46, 1.0, 0 } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t order = 0;
		begin();
		int port = next_order(rows[i].v, 0, rows[i].loading, 5000, &order);
		ck_assert_int_eq(port, rows[i].from_ms ? 1 : -1); /* the lowest priority */
		if (rows[i].from_ms) {
			ck_assert_uint_eq(order, OFFER_SHED);
			ck_assert_int_eq(now_ms, rows[i].from_ms);
		}
	}
}
END_TEST

START_TEST(test_order_and_rate)
{
	static const int shed[] = { 1, 2, 0 }, at_ms[] = { 2, 53, 104 };
	uint32_t order;

	begin();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(next_order(43, 0, 1.25, 1000, &order), shed[i]);
		ck_assert_int_eq(now_ms, at_ms[i]);
	}
	ck_assert_int_eq(next_order(43, 0, 1.25, 1000, &order), -1);
	/* The other way round, each after its own second of calm. */
	for (int i = 2; i >= 0; i--) {
		int from_ms = now_ms;
		ck_assert_int_eq(next_order(47, 0, 0.5, 5000, &order), shed[i]);
		ck_assert_uint_eq(order, OFFER_RESTORE);
		ck_assert_int_eq(now_ms - from_ms, 1000);
	}
}
END_TEST

START_TEST(test_waits_while_the_bus_rises)
{
	uint32_t order;

	begin();
	ck_assert_int_eq(next_order(43, 0, 1.25, 10, &order), 1);
	ck_assert_int_eq(next_order(42.5, -1, 1.25, 1000, &order), 2); /* it falls */
	ck_assert_int_eq(next_order(42.1, 1, 1.25, 1000, &order), -1); /* 50 mV in 50 ms */
	ck_assert_int_eq(next_order(43, 0.1, 1.25, 1000, &order), 0);  /* 10 mV: it does not */
}
END_TEST

START_TEST(test_hysteresis)
{
	uint32_t order;

	begin();
	ck_assert_int_eq(next_order(43, 0, 0, 10, &order), 1);
	ck_assert_int_eq(next_order(46.4, 0, 0.5, 10000, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.96, 10000, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.94, 900, &order), -1);
	ck_assert_int_eq(next_order(46, 0, 0.94, 1, &order), -1); /* begins again */
	ck_assert_int_eq(next_order(47, 0, 0.94, 999, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.94, 1, &order), 1);
	/* Shed again at once: twice the wait, and again. */
	for (int wait_ms = 2000; wait_ms <= 8000; wait_ms *= 2) {
		ck_assert_int_eq(next_order(43, 0, 1, 100, &order), 1);
		int from_ms = now_ms;
		ck_assert_int_eq(next_order(47, 0, 0.5, 20000, &order), 1);
		ck_assert_int_eq(now_ms - from_ms, wait_ms);
	}
	/* Ten good seconds, and it is forgotten. */
	ck_assert_int_eq(next_order(48, 0, 0.5, 10001, &order), -1);
	ck_assert_int_eq(next_order(43, 0, 1, 100, &order), 1);
	int from_ms = now_ms;
	ck_assert_int_eq(next_order(47, 0, 0.5, 20000, &order), 1);
	ck_assert_int_eq(now_ms - from_ms, 1000);
}
END_TEST

/* A lower priority elsewhere goes first; word of it dies out when nobody has it any more. */
START_TEST(test_lower_elsewhere)
{
	const uint32_t two = 16u << WAVE_TURN_SHIFT | 30u << WAVE_TURN_HOPS_SHIFT;
	uint32_t order;

	begin();
	node_protect_hear(&p, 1, two);
	ck_assert_int_eq(next_order(43.4, 0, 1.25, 500, &order), -1);
	ck_assert_uint_eq(node_protect_flags(&p),
	                  16u << WAVE_TURN_SHIFT | 31u << WAVE_TURN_HOPS_SHIFT);
	node_protect_hear(&p, 1, node_protect_flags(&p)); /* its echo: too far */
	ck_assert_int_eq(next_order(43.4, 0, 1.25, 60, &order), 1);
	node_protect_hear(&p, 1, two);
	ck_assert_int_eq(next_order(43.4, 0, 1.25, 500, &order), -1);
	node_protect_forget(&p, 1);
	ck_assert_int_eq(next_order(43.4, 0, 1.25, 60, &order), 2);
}
END_TEST

START_TEST(test_only_what_it_decides)
{
	uint32_t order;

	begin();
	ports[1].owner = ports[2].owner = false;
	ck_assert_int_eq(next_order(43, 0, 1.25, 10, &order), 0);
	ck_assert_int_eq(next_order(43, 0, 1.25, 500, &order), -1);
	ports[2].orphan = true;
	ck_assert_int_eq(next_order(43, 0, 1.25, 60, &order), 2);
}
END_TEST

/* Faster than turns: all whose stage is above the bus, however long ago the last one was shed. */
START_TEST(test_stages)
{
	uint32_t order;

	begin();
	p.known.key = 0; /* it is never this node's turn */
	node_protect_hear(&p, 0, 0);
	ck_assert_int_eq(next_order(43.3, 0, 0, 30, &order), -1);
	ck_assert_int_eq(next_order(43.2, 0, 0, 30, &order), 1);
	ck_assert_int_eq(next_order(42.6, 0, 0, 5, &order), -1);
	node_protect_step(&p, ports, 41.7, 0);
	ck_assert_uint_eq(ports[0].order, OFFER_SHED);
	ck_assert_uint_eq(ports[2].order, OFFER_SHED);
	begin();
	/* One low reading is not enough, and a bus that comes up is not in need. */
	node_protect_hear(&p, 0, 0);
	ck_assert_int_eq(next_order(43, 0, 0, 1, &order), -1);
	ck_assert_int_eq(next_order(44, 0, 0, 1, &order), -1);
	ck_assert_int_eq(next_order(41, 0, 0, 1, &order), -1);
	ck_assert_int_eq(next_order(41.1, 30, 0, 70, &order), -1);
}
END_TEST

/* A bus in a short: what lives on its other input stays on, what does not is shed. */
START_TEST(test_lives_on_the_other_input)
{
	uint32_t order;

	begin();
	ports[0].v_in_v = ports[1].v_in_v = 47.5;
	ports[2].v_in_v = 20;
	ck_assert_int_eq(next_order(20, 0, 1.25, 10, &order), 2);
	ck_assert_int_eq(next_order(20, 0, 1.25, 5000, &order), -1);
	ports[0].v_in_v = 20;
	ck_assert_int_eq(next_order(20, 0, 1.25, 100, &order), 0);
	/* The other bus is as low: an overload as any. */
	begin();
	ports[0].v_in_v = ports[1].v_in_v = ports[2].v_in_v = 43.2;
	ck_assert_int_eq(next_order(43, 0, 1.25, 100, &order), 1);
}
END_TEST

/* Feeds of 3 kW: what wants 600 W adds 0.2. */
START_TEST(test_room)
{
	uint32_t order;

	begin();
	ck_assert_int_eq(next_order(43, 0, 1.25, 10, &order), 1);
	ports[1].wants_w = 600;
	ck_assert_int_eq(next_order(47, 0, 0.86, 3000, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.84, 3000, &order), 1);
	/* It was too much: from 0.84 to 1.24 with 600 W are 1.5 kW. */
	ck_assert_int_eq(next_order(47, 0, 1.24, 1000, &order), 1);
	ck_assert_uint_eq(order, OFFER_SHED);
	ck_assert_int_eq(next_order(47, 0, 0.67, 30000, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.63, 10, &order), 1);
	/* That is forgotten, for feeds come back. */
	ck_assert_int_eq(next_order(47, 0, 1.04, 11000, &order), -1);
	ck_assert_int_eq(next_order(43, 0, 1.04, 100, &order), 1);
	ck_assert_int_eq(next_order(47, 0, 0.8, 20000, &order), -1);
	ck_assert_int_eq(next_order(47, 0, 0.8, 40000, &order), 1);
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static struct small_mesh m;
static struct solver_loop *loop;
static int n_shed, n_restored, order_of[8];
static bool is_shed[8];
static double shed_j; /* demand of modules that are shed, by their events */

/* A ring of four with one feed of 62.5 A (78 A at most) and dual-fed modules of 1 kW, priority i.
 */
static void
ring(size_t n_modules, enum control_kind control)
{
	small_mesh_init(&m, 4);
	small_mesh_feed(&m, 0, 62.5);
	for (uint32_t i = 0; i < 4; i++) {
		m.nodes[i].p.control = control;
		small_mesh_link(&m, i, (i + 1) % 4);
	}
	for (uint32_t i = 0; i < n_modules; i++) {
		int a = (int)((i + 3) % 4);
		small_mesh_module(&m, 1000, a, (a + 1) % 4);
		m.modules[i].p.priority = i;
	}
	struct err err = ERR_INIT;
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
	n_shed = n_restored = 0;
	shed_j = 0;
	for (int i = 0; i < 8; i++)
		is_shed[i] = false;
}

static double
least_v(int64_t to_k)
{
	double least = 1e9;

	while (solver_loop_k(loop) < to_k) {
		solver_loop_step(loop);
		for (uint32_t i = 0; i < 4; i++)
			if (solver_loop_alive(loop, i))
				least = fmin(least, solver_loop_get(loop, i, "v_min"));
		for (uint32_t i = 0; i < m.topo.n_modules; i++) {
			const struct core_events *ev = solver_loop_events(loop, 4 + i);
			for (size_t e = 0; e < ev->n; e++) {
				if (ev->e[e].code == EV_SHED && n_shed < 8) {
					order_of[n_shed++] = (int)i;
					is_shed[i] = true;
				}
				if (ev->e[e].code == EV_RESTORED) {
					n_restored++;
					is_shed[i] = false;
				}
			}
			if (is_shed[i])
				shed_j += 1e-4 * solver_loop_get(loop, 4 + i, "demand");
		}
	}
	return least;
}

static double
unserved(void)
{
	double sum = 0;

	for (uint32_t i = 0; i < m.topo.n_modules; i++)
		sum += solver_loop_get(loop, 4 + i, "unserved_j");
	return sum;
}

/* 6 kW from a feed of 3.75 kW for 5 s: the two or three lowest go, in order, and no more. */
START_TEST(test_overload_in_a_mesh)
{
	ring(6, CONTROL_CONSENSUS);
	for (uint32_t i = 0; i < 6; i++)
		m.modules[i].p.load_w.p[0] = (struct pwl_point){ .level = 1000 };
	solver_loop_destroy(&loop);
	struct pwl_point back[6][2];
	for (int i = 0; i < 6; i++) {
		back[i][0] = (struct pwl_point){ .level = 1000 };
		back[i][1] = (struct pwl_point){ .at_ns = 5000 * MS, .level = 300 };
		m.modules[i].p.load_w = (struct pwl){ .n = 2, .p = back[i] };
	}
	struct err err = ERR_INIT;
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
	n_shed = n_restored = 0;
	shed_j = 0;
	for (int i = 0; i < 8; i++)
		is_shed[i] = false;
	ck_assert_double_gt(least_v(50000), 42);
	ck_assert_int_ge(n_shed, 3); /* 3 kW are within the rating of 3 kW x 1.1, 4 kW are not */
	ck_assert_int_le(n_shed, 4);
	for (int i = 0; i < n_shed; i++)
		ck_assert_int_eq(order_of[i], i);
	ck_assert_int_eq(n_restored, 0);
	for (uint32_t i = 0; i < 6; i++) {
		bool off = (int)i < n_shed;
		ck_assert_double_eq(solver_loop_get(loop, 4 + i, "shed"), off);
		ck_assert_double_eq(solver_loop_get(loop, 4 + i, "served"), !off);
		ck_assert_double_eq(solver_loop_get(loop, 4 + i, "demand"), 1000);
	}
	/* 1.8 kW from now on: all come back, none goes again. */
	int before = n_shed;
	ck_assert_double_gt(least_v(150000), 43.5);
	ck_assert_int_eq(n_restored, before);
	ck_assert_int_eq(n_shed, before);
	ck_assert_double_eq_tol(unserved(), shed_j, 1e-6 * shed_j);
	ck_assert_double_ge(shed_j, 3 * 4.5 * 1000);
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_double_eq_tol(solver_loop_get(loop, 4 + i, "p"), 300, 1e-6);
	solver_loop_destroy(&loop);
}
END_TEST

/* The owner dies with its module shed: the other node restores it. */
START_TEST(test_orphan_is_restored)
{
	ring(5, CONTROL_CONSENSUS);
	least_v(30000);
	ck_assert_int_ge(n_shed, 1);
	ck_assert_double_eq(solver_loop_get(loop, 4, "shed"), 1);
	solver_loop_kill(loop, 3, 30002); /* owns module 0 and 4 */
	for (uint32_t i = 1; i < 4; i++) {
		struct core_cmd off = { .kind = CMD_LOAD, .chan = -1, .a = 0, .b = NAN, .c = NAN };
		solver_loop_command(loop, i == 3 ? 0 : i, 30002, off);
	}
	solver_loop_kill(loop, 8, 30002); /* 1 kW less: the rest is within the rating */
	solver_loop_kill(loop, 7, 30002);
	least_v(90000);
	ck_assert_double_eq(solver_loop_get(loop, 4, "owner"), -1);
	ck_assert_double_eq(solver_loop_get(loop, 4, "shed"), 0);
	ck_assert_double_eq_tol(solver_loop_get(loop, 4, "p"), 1000, 1e-6);
	solver_loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_protect");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_thresholds);
	tcase_add_test(tc, test_order_and_rate);
	tcase_add_test(tc, test_waits_while_the_bus_rises);
	tcase_add_test(tc, test_hysteresis);
	tcase_add_test(tc, test_lower_elsewhere);
	tcase_add_test(tc, test_only_what_it_decides);
	tcase_add_test(tc, test_stages);
	tcase_add_test(tc, test_lives_on_the_other_input);
	tcase_add_test(tc, test_room);
	tcase_add_test(tc, test_overload_in_a_mesh);
	tcase_add_test(tc, test_orphan_is_restored);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
