/* What `plan` says of pre-charges that cannot bring in a node with its loads, against the mesh: the
 * limit from both sides, where the bus stops, when it is given up, and that the next one comes
 * through. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "nodes/node_link.h"
#include "plan_precharge.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

static struct topo *t;
static struct solver_loop *loop;

/* b begins dark, and its link to a live bus closes at 10 ms. */
#define MESH                                                                              \
	"voltloom: 1\nmesh: { name: m, control: none }\n"                                 \
	"defaults: { node: { supercap: none } }\nnodes:\n"                                \
	"  - { id: a, feed: { v0: 48V, i_rated: 60A, droop: 1mOhm } }\n"                  \
	"  - { id: b, initial: 0V, %s }\n"                                                \
	"links: [ { id: l1, between: [a, b], open: true, precharge_time: 500ms, %s } ]\n" \
	"modules: [ %s ]\n"

static void
begin(const char *what, const char *link, const char *modules)
{
	char text[1024];
	struct err err = ERR_INIT;
	struct core_cmd heal = { .kind = CMD_HEAL, .a = NAN, .b = NAN, .c = NAN };

	snprintf(text, sizeof text, MESH, what, link, modules);
	t = mesh_text(text);
	ck_assert_msg(solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err) == 0,
	              "%s", err.text);
	solver_loop_link_command(loop, 0, 100, heal, 0);
}

static void
end(void)
{
	solver_loop_destroy(&loop);
	topo_destroy(&t);
}

/* Steps until the link is as wanted; seconds since its pre-charge began. */
static double
until(enum node_link_state wanted, double at_most_s)
{
	int64_t from = solver_loop_k(loop);
	while ((double)(solver_loop_k(loop) - from) * 1e-4 < at_most_s) {
		solver_loop_step(loop);
		if (solver_loop_get(loop, 1, "link.l1.state") == wanted)
			break;
	}
	return (double)(solver_loop_k(loop) - from) * 1e-4;
}

static bool
closed(void)
{
	return solver_loop_get(loop, 1, "link.l1.state") == LINK_END_CLOSED;
}

/* 3 % on either side of the limit, by load, converter and module. A module starts late, at 36 V,
 * with a ramp of 10 ms: a little above the limit it may find the link bypassed. */
START_TEST(limit)
{
	static const char *const kinds[] = { "load: [[0s, %.2fW, 0s]]",
		                             "converter: { v_ref: 12V, p_fixed: 0W, r: 0.1mOhm, "
		                             "load: [[0s, %.3fA, 0s]] }",
		                             NULL };
	struct plan_precharge p;
	char what[200] = "shedding: off", module[200] = "";
	double r = 0.5 + 10e-3, limit_w = 47 / r;

	for (int side = -1; side <= 1; side += 2) {
		double w = limit_w * (side > 0 && !kinds[_i] ? 1.3 : 1 + 0.03 * side);
		if (kinds[_i])
			snprintf(what, sizeof what, kinds[_i], _i ? w / 12 : w);
		else
			snprintf(module, sizeof module,
			         "{ id: m, feeds: [b], class: fixed, power: %.2fW }", w);
		begin(what, "r: 10mOhm", module);
		ck_assert_int_eq(plan_precharge_of(t, 1, &p), side > 0);
		until(LINK_END_CLOSED, 0.4);
		ck_assert_msg(closed() == (side < 0), "%g W", w);
		if (side > 0) {
			ck_assert_double_eq_tol(p.limit_w, limit_w, 1e-9 * limit_w);
			ck_assert_double_eq_tol(p.power_w, w, 0.01 * w);
			ck_assert_double_eq_tol(solver_loop_get(loop, 1, "v"), p.stops_v, 0.02);
		}
		end();
	}
}
END_TEST

/* In time, by heat from the upper and the lower branch; then without the load, which comes on. */
START_TEST(given_up)
{
	static const struct {
		const char *what, *link;
		double stops_v, after_s;
	} cases[] = {
		/* v (48 - v) = 400 x 0.51 */
		{ "load: [[0s, 400W, 0s]]", "r: 10mOhm", 43.2873, 0.5 },
		/* 48/(1 + 0.51 x 2000/1296), 41.5 A: 860 W less 50 W for 100 J */
		{ "load: [[0s, 2kW, 0s]]", "r: 10mOhm, precharge_energy: 100J", 26.858, 0.12 },
		{ "converter: { v_ref: 12V, load: [[0s, 20A, 0s]] }", "r: 10mOhm", NAN, 0.5 },
	};
	struct plan_precharge p;

	begin(cases[_i].what, cases[_i].link, "");
	ck_assert(plan_precharge_of(t, 1, &p));
	if (!isnan(cases[_i].stops_v))
		ck_assert_double_eq_tol(p.stops_v, cases[_i].stops_v, 0.01);
	ck_assert_double_eq_tol(p.given_up_s, cases[_i].after_s, 0.03 * cases[_i].after_s);
	until(LINK_END_PRECHARGE, 0.05);
	double last_v = 0, after_s = 0;
	while (solver_loop_get(loop, 1, "link.l1.state") == LINK_END_PRECHARGE) {
		last_v = solver_loop_get(loop, 1, "v");
		solver_loop_step(loop);
		after_s += 1e-4;
		ck_assert(after_s < 1 && !closed());
	}
	ck_assert_double_eq_tol(last_v, p.stops_v, 0.05); /* droop of 1 mOhm */
	/* Charging 20 mF to it costs the resistor some 20 J more. */
	ck_assert_msg(after_s <= p.given_up_s * 1.01 && after_s >= 0.75 * p.given_up_s,
	              "plan %.4f s, run %.4f s", p.given_up_s, after_s);
	double pause_s = until(LINK_END_PRECHARGE, 2), in_s = until(LINK_END_CLOSED, 1);
	ck_assert_double_eq_tol(pause_s, 1, 0.01);
	ck_assert(closed() && in_s < 0.2);
	until(LINK_END_OPEN, 0.3);
	ck_assert(closed());
	ck_assert_double_eq(solver_loop_get(loop, 1, "served"), 1);
	end();
}
END_TEST

START_TEST(left_out)
{
	struct plan_precharge p;
	t = mesh_file("rack8"); /* modules have another input */
	for (uint32_t i = 0; i < t->n_nodes; i++)
		ck_assert(!plan_precharge_of(t, i, &p));
	topo_destroy(&t);
	/* The module is shed in the dark. */
	begin("c_bus: 20mF", "r: 10mOhm", "{ id: m, feeds: [b], class: fixed, power: 300W }");
	ck_assert(!plan_precharge_of(t, 1, &p));
	until(LINK_END_CLOSED, 0.4);
	ck_assert(closed());
	end();
	t = mesh_file("peak"); /* converters hold the buses up */
	for (uint32_t i = 0; i < t->n_nodes; i++)
		ck_assert(!plan_precharge_of(t, i, &p));
	topo_destroy(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan_precharge");
	TCase *c = tcase_create("plan_precharge");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, limit, 0, 3);
	tcase_add_loop_test(c, given_up, 0, 3);
	tcase_add_test(c, left_out);
	suite_add_tcase(s, c);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
