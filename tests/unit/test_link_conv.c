/*
 * A converter at an end of a link, in a mesh of two nodes with a feed each: it follows its
 * set-point through zero, holds its current limit and both buses' voltages, and survives an open
 * link.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "link_conv.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

struct pair {
	struct small_mesh m;
	struct pwl_point power[3];
	struct solver_loop *l;
};

/* Power 0, from 50 ms on p1_w, from 150 ms on p2_w; limit_a: of the link, 0: none. */
static void
make_limited(struct pair *p, double p1_w, double p2_w, bool feed1, double limit_a)
{
	struct err err = ERR_INIT;

	small_mesh_init(&p->m, 2);
	small_mesh_feed(&p->m, 0, 60);
	if (feed1)
		small_mesh_feed(&p->m, 1, 60);
	small_mesh_load(&p->m, 0, 700);
	small_mesh_load(&p->m, 1, 700);
	small_mesh_link(&p->m, 0, 1);
	p->power[0] = (struct pwl_point){ .level = 0 };
	p->power[1] = (struct pwl_point){ .at_ns = 50000000, .level = p1_w };
	p->power[2] = (struct pwl_point){ .at_ns = 150000000, .level = p2_w };
	struct topo_link *k = &p->m.links[0];
	k->p.fuse_a = 0;
	k->p.limit_a = limit_a;
	k->has_conv = true;
	k->conv.node = 0;
	k->conv.conv = (struct conv_params){ .l_h = 10e-6,
		                             .r_ohm = 16e-3,
		                             .c_out_f = 10e-3,
		                             .kp = 30,
		                             .kc = 0.25,
		                             .p_fixed_w = 11,
		                             .i_lim_a = 60,
		                             .k_sw_s = 22e-9,
		                             .c_oss_f = 4e-9,
		                             .f_sw_hz = 200e3 };
	k->conv.power_w = (struct pwl){ .n = 3, .p = p->power };
	p->l = NULL;
	ck_assert_int_eq(
		solver_loop_create(&p->m.topo, &node_core_ops, &module_core_ops, &p->l, &err), 0);
}

static void
make(struct pair *p, double p1_w, double p2_w, bool feed1)
{
	make_limited(p, p1_w, p2_w, feed1, 0);
}

static void
until(struct pair *p, double t_s)
{
	while ((double)solver_loop_k(p->l) * 1e-4 < t_s - 1e-9)
		solver_loop_step(p->l);
}

/* Into the link at the converter's output. */
static double
power_w(struct pair *p)
{
	return solver_loop_get(p->l, 0, "link.l0.conv_vo") *
	       solver_loop_get(p->l, 0, "link.l0.i_avg");
}

/* +500 W to -500 W: within 5 % after 50 ms at most (here after 5 ms), and it stays there. */
START_TEST(test_follows_through_zero)
{
	struct pair p;
	double worst = 0;

	make(&p, 500, -500, true);
	until(&p, 0.05);
	ck_assert_double_eq_tol(power_w(&p), 0, 5);
	until(&p, 0.055);
	for (; solver_loop_k(p.l) < 1500; solver_loop_step(p.l))
		worst = fmax(worst, fabs(power_w(&p) - 500));
	until(&p, 0.155);
	for (; solver_loop_k(p.l) < 3000; solver_loop_step(p.l))
		worst = fmax(worst, fabs(power_w(&p) + 500));
	ck_assert_double_le(worst, 0.05 * 500);
	solver_loop_destroy(&p.l);
}
END_TEST

/* More than the current limit allows: the limit holds, both ways. */
START_TEST(test_holds_its_limits)
{
	struct pair p;
	double i_max = 0, v_max = 0;

	make(&p, 20e3, -20e3, true);
	for (; solver_loop_k(p.l) < 3000; solver_loop_step(p.l)) {
		i_max = fmax(i_max, fabs(solver_loop_get(p.l, 0, "link.l0.conv_i")));
		v_max = fmax(v_max, solver_loop_get(p.l, 0, "link.l0.conv_vo"));
		v_max = fmax(v_max,
		             fmax(solver_loop_get(p.l, 0, "v"), solver_loop_get(p.l, 1, "v")));
	}
	ck_assert_double_le(i_max, 60 * 1.01);
	ck_assert_double_ge(i_max, 40);
	ck_assert_double_le(v_max, 56);
	solver_loop_destroy(&p.l);
}
END_TEST

/* A link limit of 12 A (some 580 W) below set-points of +-1 kW, through zero: 10 ms after a step the
 * cable carries 12 A, either way, and stays there; also while the far bus sags under a short of 0.5 Ohm. */
START_TEST(test_holds_the_links_limit)
{
	const double limit_a = 12;
	struct pair p;

	make_limited(&p, 1000, -1000, true, limit_a);
	until(&p, 0.06);
	for (; solver_loop_k(p.l) < 1500; solver_loop_step(p.l)) {
		int64_t k = solver_loop_k(p.l);
		if (k == 1000)
			solver_loop_command(p.l, 1, k,
			                    (struct core_cmd){ .k = k, .kind = CMD_SHORT, .chan = -1, .a = 0.5, .b = 20e-3 });
		/* C_o empties into a bus that falls: 25 A for some ms, then C_o dv/dt. */
		if ((k >= 1000 && k < 1100) || (k >= 1200 && k < 1300))
			continue;
		double i = solver_loop_get(p.l, 0, "link.l0.i_avg");
		ck_assert_msg(fabs(i - limit_a) <= 0.02 * limit_a, "%g A at %lld", i, (long long)k);
	}
	until(&p, 0.16);
	for (; solver_loop_k(p.l) < 3000; solver_loop_step(p.l))
		ck_assert_double_eq_tol(solver_loop_get(p.l, 0, "link.l0.i_avg"), -limit_a, 0.05);
	solver_loop_destroy(&p.l);
}
END_TEST

/* The same in the plan: what a settled converter carries, bucking and boosting, is the limit; below
 * it the limit does nothing. */
START_TEST(test_limit_at_rest)
{
	struct pair p;
	struct link_params with, without;

	make(&p, 0, 0, true);
	const struct conv_params *c = &p.m.links[0].conv.conv;
	with = without = p.m.links[0].p;
	with.limit_a = 12;
	for (double far_v = 46; far_v <= 50; far_v += 1)
		for (double w = -2000; w <= 2000; w += 100) {
			struct link_conv_state a = link_conv_at(c, &without, w, true, 48, far_v);
			struct link_conv_state b = link_conv_at(c, &with, w, true, 48, far_v);
			ck_assert_double_le(fabs(b.link_a), 12 + 1e-9);
			if (fabs(a.link_a) > 12) {
				ck_assert(b.limited);
				ck_assert_double_eq_tol(b.link_a, copysign(12, a.link_a), 1e-9);
			} else {
				ck_assert_double_eq(a.link_a, b.link_a);
			}
		}
	solver_loop_destroy(&p.l);
}
END_TEST

/* Node 1 lives from the link alone: 700 W hold its bus, more would lift it above the limit. */
START_TEST(test_limits_the_far_bus)
{
	struct pair p;

	make(&p, 1200, 1200, false);
	until(&p, 0.4);
	double v = solver_loop_get(p.l, 1, "v");
	ck_assert_double_ge(v, 44);
	ck_assert_double_le(v, 54.5);
	solver_loop_destroy(&p.l);
}
END_TEST

/* Cut under power: the output does not run away; it meets the far bus, so that the link can close.
 */
START_TEST(test_open_and_closed_again)
{
	struct pair p;

	make(&p, 1000, 1000, true);
	solver_loop_link_command(p.l, 0, 1000,
	                         (struct core_cmd){ .kind = CMD_CUT, .a = NAN, .b = NAN, .c = NAN },
	                         0);
	solver_loop_link_command(
		p.l, 0, 2000, (struct core_cmd){ .kind = CMD_HEAL, .a = NAN, .b = NAN, .c = NAN },
		0);
	until(&p, 0.1);
	ck_assert_double_eq_tol(power_w(&p), 1000, 50);
	double v_max = 0;
	for (; solver_loop_k(p.l) < 2000; solver_loop_step(p.l))
		v_max = fmax(v_max, solver_loop_get(p.l, 0, "link.l0.conv_vo"));
	ck_assert_double_le(v_max, 56);
	ck_assert_double_eq_tol(solver_loop_get(p.l, 0, "link.l0.conv_vo"),
	                        solver_loop_get(p.l, 1, "v"), 0.5);
	until(&p, 0.25);
	ck_assert_double_eq(solver_loop_get(p.l, 0, "link.l0.state"), 2);
	ck_assert_double_eq_tol(power_w(&p), 1000, 50);
	solver_loop_destroy(&p.l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("link_conv");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_follows_through_zero);
	tcase_add_test(tc, test_holds_its_limits);
	tcase_add_test(tc, test_holds_the_links_limit);
	tcase_add_test(tc, test_limit_at_rest);
	tcase_add_test(tc, test_limits_the_far_bus);
	tcase_add_test(tc, test_open_and_closed_again);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
