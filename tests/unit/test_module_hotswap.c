/*
 * Hot-swap: the inrush into an empty module, black start of a mesh from 0 V, and that an input
 * never gives anything back.
 */
#include "loadmods/module_hotswap.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

static struct small_mesh m;
static struct solver_loop *loop;

static void
start(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &loop, &err),
	                 0);
}

/* One module of 480 W (10 A) at two stiff inputs, begun with an empty capacitor. */
START_TEST(test_inrush)
{
	static struct pwl_point level = { .level = 480 };
	struct module_params p = { .class = MODULE_FIXED,
		                   .c_in_f = 1e-3,
.v_uv_v = 36,
		                   .r_port_ohm = 50e-3,
		                   .load_w = { .n = 1, .p = &level } };
	struct module_hotswap h;
	struct module_input in;
	double charge = 0, peak = 0, t = 0, p_j, g_j;

	module_hotswap_init(&h, &p, 1e-5);
	ck_assert_double_eq(h.i_rated_a, 10);
	module_input_init(&in, &p, 2, 1e-5, 0);
	for (int j = 0; j < 2; j++) {
		in.port[j].live = in.port[j].on = true;
		in.port[j].v_v = 48;
		in.port[j].i_offer_a = 200;
	}
	module_hotswap_begin(&h, &in);
	ck_assert(h.starting && !h.ordered);
	while (!module_hotswap_start(&h, &in)) {
		in.port[0].i_sum_a = in.port[1].i_sum_a = 0;
		module_input_step(&in, 0, 0, &p_j, &g_j);
		double i = in.port[0].i_sum_a + in.port[1].i_sum_a;
		t += 1e-5;
		charge += i * 1e-5;
		peak = fmax(peak, i);
		ck_assert_double_le(i, 15 * fmin(1, t / 10e-3) + 1e-9);
		ck_assert_double_eq_tol(in.port[0].i_sum_a, in.port[1].i_sum_a, 1e-9);
		ck_assert_double_lt(t, 1);
	}
	ck_assert_double_ge(t, 10e-3 - 1e-9);
	ck_assert_double_le(t,
	                    10.1e-3); /* 48 mC are there after 8 ms of the ramp: 15 A t^2/20 ms */
	ck_assert_double_eq_tol(peak, 15 * 0.8, 0.2);
	ck_assert_double_eq_tol(charge, 1e-3 * in.v_v, 1e-9);
	ck_assert_double_ge(in.v_v, 47);
	ck_assert_double_eq(in.port[0].i_max_a, 200); /* the limit is the offer's again */
}
END_TEST

/* Three nodes from 0 V with two feeds; everything is finite, rises, and ends where it belongs. */
START_TEST(test_black_start)
{
	double before = 0, most = 0;
	bool on = false;

	small_mesh_init(&m, 3);
	for (uint32_t i = 0; i < 3; i++) {
		m.nodes[i].p.v_init_v = 0;
		m.nodes[i].p.control = CONTROL_CONSENSUS;
		small_mesh_load(&m, i, 100);
		small_mesh_link(&m, i, (i + 1) % 3);
		m.links[i].p.fuse_a = 150;
		m.links[i].p.fuse_i2t_a2s = 150 * 150;
	}
	small_mesh_feed(&m, 0, 62.5);
	small_mesh_feed(&m, 2, 31.25);
	uint32_t mod = 3 + small_mesh_module(&m, 480, 0, 1);
	start();
	for (int64_t k = 0; k < 40000; k++) {
		solver_loop_step(loop);
		double v = solver_loop_get(loop, 1, "v"), vin = solver_loop_get(loop, mod, "v_in");
		ck_assert(isfinite(v) && isfinite(vin));
		if (v < 47)
			ck_assert_double_ge(v,
			                    before - 0.02); /* a module that starts holds it up */
		before = v;
		ck_assert_double_le(solver_loop_get(loop, 0, "feed_i"), 78.125 + 1e-9);
		double i = solver_loop_get(loop, mod, "in.n0.i") +
		           solver_loop_get(loop, mod, "in.n1.i");
		ck_assert(i >= 0);
		most = fmax(most, i);
		if (!on && i > 0) {
			on = true;
			ck_assert_double_ge(solver_loop_get(loop, 0, "v"),
			                    36); /* offered from there on */
		}
		for (uint32_t n = 0; n < 3; n++) {
			const struct core_events *ev = solver_loop_events(loop, n);
			for (size_t e = 0; e < ev->n; e++)
				ck_assert(ev->e[e].code != EV_FUSE);
		}
		ck_assert_double_eq(solver_loop_get(loop, mod, "shed"), 0);
	}
	ck_assert_double_le(most, 1.5 * 10 + 1e-9);
	ck_assert_double_eq(solver_loop_get(loop, mod, "served"), 1);
	for (uint32_t n = 0; n < 3; n++)
		ck_assert_double_eq_tol(solver_loop_get(loop, n, "v"), 48, 0.3);
	solver_loop_destroy(&loop);
}
END_TEST

/* A module between a bus at 48 V and one at 45 V takes all from the higher, and the lower gets
 * nothing. */
START_TEST(test_no_reverse_current)
{
	small_mesh_init(&m, 2);
	small_mesh_feed(&m, 0, 62.5);
	m.nodes[1].p.v_init_v = 45;
	uint32_t mod = 2 + small_mesh_module(&m, 480, 0, 1);
	start();
	for (int64_t k = 0; k < 5000; k++) {
		solver_loop_step(loop);
		ck_assert_double_eq(solver_loop_get(loop, mod, "in.n1.i"), 0);
		ck_assert_double_eq(solver_loop_get(loop, 1, "v"), 45);
	}
	ck_assert_double_eq_tol(solver_loop_get(loop, mod, "in.n0.i"), 10, 0.2);
	solver_loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module_hotswap");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_inrush);
	tcase_add_test(tc, test_black_start);
	tcase_add_test(tc, test_no_reverse_current);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
