/*
 * Line feed-forward in a whole mesh: a load pulls a bus down by 1 V within 100 us, the rail of a
 * module on it stays.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

enum { PULL_K = 2000, AFTER = 200 };

/* Two nodes, a feed and a module of class cpu at each; both without supercapacitor. Worst distance
 * of the rail from its reference (less the load line), and how far the bus moved. */
static void
pull(double pull_w, double *rail_v, double *bus_v)
{
	struct small_mesh m;
	struct solver_loop *l = NULL;
	struct err err = ERR_INIT;

	small_mesh_init(&m, 2);
	for (uint32_t i = 0; i < 2; i++) {
		small_mesh_feed(&m, i, 50);
		m.nodes[i].p.has_sc = false;
		small_mesh_load(&m, i, 300);
		small_mesh_module(&m, 0, (int)i, -1);
		m.modules[i].p.class = MODULE_CPU;
	}
	small_mesh_link(&m, 0, 1);
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, &module_core_ops, &l, &err),
	                 0);
	solver_loop_command(l, 0, PULL_K,
	                    (struct core_cmd){ .kind = CMD_LOAD, .chan = -1, .a = pull_w, .b = 0 });
	solver_loop_command(l, 0, PULL_K + 1,
	                    (struct core_cmd){ .kind = CMD_LOAD, .chan = -1, .a = 300, .b = 0 });
	while (solver_loop_k(l) < PULL_K)
		solver_loop_step(l);
	double before_v = solver_loop_get(l, 0, "v");
	*rail_v = *bus_v = 0;
	for (int k = 0; k < AFTER; k++) {
		solver_loop_step(l);
		double rail = solver_loop_get(l, 2, "v") + 1e-4 * solver_loop_get(l, 2, "i");
		*rail_v = fmax(*rail_v, fabs(rail - 1.0));
		*bus_v = fmax(*bus_v, before_v - solver_loop_get(l, 0, "v"));
		ck_assert_double_eq(solver_loop_get(l, 2, "served"), 1);
	}
	solver_loop_destroy(&l);
}

START_TEST(test_bus_pulled_down)
{
	/* 48 V x 20 mF x 1 V in 100 us: 9.6 kW, and what link, feed and module add. */
	for (double w = 9500; w < 12000; w += 250) {
		double rail_v, bus_v;
		pull(w, &rail_v, &bus_v);
		ck_assert_double_ge(bus_v, 0.85);
		ck_assert_msg(rail_v <= 2e-3, "%g W: rail off by %g mV", w, 1e3 * rail_v);
	}
	double rail_v, bus_v;
	pull(11000, &rail_v, &bus_v);
	ck_assert_double_ge(bus_v, 1.0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("feed_forward");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_bus_pulled_down);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
