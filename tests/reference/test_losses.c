/*
 * Where rack8's energy goes, from 20 to 100 % of its feeds' ratings: cables and feed paths from the
 * ledger of a settled window, and the efficiency from the feeds to the rails beside the ceiling
 * that the loss tables allow.
 *
 * The ceiling is computed, not run: cables I^2 R from the load flow (common/steady.h), port
 * resistances I^2 R from its currents, port converters a0 + a1 I + a2 I^2 at the rail's current.
 *
 * VL_LOSS_TABLE: file that gets the table.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadmods/module_class.h"
#include "steady.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"
#include "topo_rules.h"

#define SETTLED_S 1.5
#define WINDOW_S 0.1
/* docs/models/module.md: port converter of class cpu. */
#define A0_W 0.8
#define A1_V 0.030
#define A2_OHM 1.0e-4

static const double levels[] = { 0.2, 0.4, 0.6, 0.8, 1.0 };
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

enum { POINTS_MAX = 32 };
static struct workload_phase one_phase;
static struct pwl_point points[POINTS_MAX];

struct losses {
	double feed_w, path_part, cable_part; /* of a settled window; parts of the feeds' energy */
	double efficiency, ceiling;
	double left_part; /* what the window stored, of the feeds' energy */
};

static double
rated_w(const struct topo *t)
{
	double a = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		a += t->nodes[i].p.has_feed ? t->nodes[i].p.feed.i_rated_a : 0;
	return a * t->nominal_v;
}

/* The mesh's own memory is one block, in which loads may share their points. */
static void
hold(struct pwl *p, struct pwl_point *point, double w)
{
	*point = (struct pwl_point){ .level = w };
	*p = (struct pwl){ .n = 1, .p = point };
}

/* All loads constant: modules with silicon in one phase, the others scaled so that the feeds carry
 * `level` of their ratings. */
static void
load_mesh(struct topo *t, double level, uint32_t phase, double silicon_w)
{
	double fixed_w = 0, rest_w = level * rated_w(t);

	for (size_t i = 0; i < t->n_nodes; i++)
		fixed_w += pwl_peak(&t->nodes[i].p.load_w);
	for (size_t i = 0; i < t->n_modules; i++) {
		struct module_params *p = &t->modules[i].p;
		if (p->class == MODULE_FIXED) {
			fixed_w += pwl_peak(&p->load_w);
			continue;
		}
		ck_assert_int_eq(p->class, MODULE_CPU);
		rest_w -= silicon_w;
		one_phase = (struct workload_phase){ .phase = phase, .for_ns = 1000000000 };
		p->phases = &one_phase;
		p->n_phases = 1;
	}
	double scale = rest_w / fixed_w;
	ck_assert_double_gt(scale, 0);
	struct pwl_point *point = points;
	ck_assert_uint_le(t->n_nodes + t->n_modules, POINTS_MAX);
	for (size_t i = 0; i < t->n_nodes; i++)
		hold(&t->nodes[i].p.load_w, point++, scale * pwl_peak(&t->nodes[i].p.load_w));
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->modules[i].p.class == MODULE_FIXED)
			hold(&t->modules[i].p.load_w, point++,
			     scale * pwl_peak(&t->modules[i].p.load_w));
}

struct books {
	double source_j, useful_j, cable_j, node_loss_j, path_j, stored_j;
};

static double
rail_loss_w(struct solver_loop *l, const struct topo *t, size_t module)
{
	double i = solver_loop_get(l, (uint32_t)(t->n_nodes + module), "i");

	return t->modules[module].p.class == MODULE_CPU ? A0_W + A1_V * i + A2_OHM * i * i : 0;
}

static struct books
read_books(struct solver_loop *l, const struct topo *t)
{
	struct books b = { 0 };
	char name[80];

	for (uint32_t i = 0; i < t->n_nodes; i++) {
		b.source_j += solver_loop_get(l, i, "source_j");
		b.useful_j += solver_loop_get(l, i, "useful_j");
		b.node_loss_j += solver_loop_get(l, i, "loss_j");
		b.stored_j += solver_loop_get(l, i, "stored_j");
		for (size_t k = 0; k < t->nodes[i].n_links; k++) {
			snprintf(name, sizeof name, "link.%s.loss_j",
			         t->links[t->nodes[i].links[k]].id);
			b.cable_j += solver_loop_get(l, i, name);
		}
	}
	for (size_t m = 0; m < t->n_modules; m++) {
		uint32_t p = (uint32_t)(t->n_nodes + m);
		b.useful_j += solver_loop_get(l, p, "useful_j");
		b.path_j += solver_loop_get(l, p, "loss_j");
		b.stored_j += solver_loop_get(l, p, "stored_j");
	}
	b.path_j += b.node_loss_j;
	return b;
}

/* Powers at the rails and at built-in loads as they are now, and what the tables add to them. */
static double
ceiling(struct solver_loop *l, const struct topo *t)
{
	struct steady *s = NULL;
	struct err err = ERR_INIT;
	struct loadflow_verdict w;
	double useful_w = 0, loss_w = 0;

	ck_assert_int_eq(steady_create(t, &s, &err), 0);
	for (size_t m = 0; m < t->n_modules; m++) {
		uint32_t p = (uint32_t)(t->n_nodes + m);
		double at_rail_w = t->modules[m].p.class == MODULE_CPU
		                           ? solver_loop_get(l, p, "i") * solver_loop_get(l, p, "v")
		                           : t->modules[m].p.load_w.p[0].level;
		s->flow->module_w[m] = at_rail_w + rail_loss_w(l, t, m);
		useful_w += at_rail_w;
		loss_w += rail_loss_w(l, t, m);
	}
	steady_solve(s, LOADFLOW_BASE, 0, &w);
	ck_assert(s->solved);
	for (size_t i = 0; i < t->n_nodes; i++)
		useful_w += t->nodes[i].p.load_w.p[0].level;
	for (size_t k = 0; k < t->n_links; k++)
		loss_w += s->flow->link_a[k] * s->flow->link_a[k] * t->links[k].p.r_ohm;
	for (size_t k = 0; k < t->n_ports; k++)
		loss_w += s->flow->port_a[k] * s->flow->port_a[k] *
		          t->modules[t->ports[k].module].p.r_port_ohm;
	steady_destroy(&s);
	return useful_w / (useful_w + loss_w);
}

static struct losses
measure(double level)
{
	struct topo *t = mesh_file("rack8");
	/* At little load idle silicon; input powers from the parameter table. */
	bool little = level < 0.3;
	load_mesh(t, level, little ? PHASE_IDLE : PHASE_COMPUTE, little ? 23.0 : 136.9);
	struct solver_loop *l = NULL;
	struct err err = ERR_INIT;
	struct losses r;

	ck_assert_int_eq(solver_loop_create(t, &node_core_ops, &module_core_ops, &l, &err), 0);
	const double step_s = topo_step_s(t);
	while ((double)solver_loop_k(l) * step_s < SETTLED_S)
		solver_loop_step(l);
	struct books a = read_books(l, t);
	double rails_j = 0;
	while ((double)solver_loop_k(l) * step_s < SETTLED_S + WINDOW_S) {
		solver_loop_step(l);
		for (size_t m = 0; m < t->n_modules; m++)
			rails_j += rail_loss_w(l, t, m) * step_s;
	}
	struct books b = read_books(l, t);
	double source_j = b.source_j - a.source_j;
	r.feed_w = source_j / WINDOW_S;
	r.cable_part = (b.cable_j - a.cable_j) / source_j;
	/* All that is lost but for the port converters: cables, supercapacitors, port resistances. */
	r.path_part = (b.path_j - a.path_j - rails_j) / source_j;
	r.left_part = (b.stored_j - a.stored_j) / source_j;
	r.efficiency = (b.useful_j - a.useful_j) /
	               (b.useful_j - a.useful_j + b.path_j - a.path_j);
	r.ceiling = ceiling(l, t);
	solver_loop_destroy(&l);
	topo_destroy(&t);
	return r;
}

START_TEST(test_rack8)
{
	const double level = levels[_i];
	struct losses r = measure(level);

	/* It is the load that was asked for, and nothing else is going on. */
	ck_assert_double_eq_tol(r.feed_w, level * 3 * 31.25 * 48, 0.05 * r.feed_w);
	ck_assert_double_le(fabs(r.left_part), 2e-3);
	ck_assert_double_gt(r.cable_part, 0);
	ck_assert_double_le(r.path_part, 0.02);
	ck_assert_double_ge(r.path_part, r.cable_part);
	ck_assert_msg(fabs(r.efficiency - r.ceiling) <= 0.003, "%.0f %%: %.4f, ceiling %.4f",
	              100 * level, r.efficiency, r.ceiling);
}
END_TEST

START_TEST(test_table)
{
	FILE *f = fopen(getenv("VL_LOSS_TABLE"), "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "| load | feeds W | cables %% | cables and feed paths %% | feed to rail %% | "
	           "ceiling of the tables %% |\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < N_LEVELS; i++) {
		struct losses r = measure(levels[i]);
		fprintf(f, "| %.0f %% | %.0f | %.3f | %.3f | %.2f | %.2f |\n", 100 * levels[i],
		        r.feed_w, 100 * r.cable_part, 100 * r.path_part, 100 * r.efficiency,
		        100 * r.ceiling);
	}
	ck_assert_int_eq(fclose(f), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("losses");
	TCase *tc = tcase_create("rack8");
	tcase_set_timeout(tc, 120);
	if (getenv("VL_LOSS_TABLE"))
		tcase_add_test(tc, test_table);
	else
		tcase_add_loop_test(tc, test_rack8, 0, N_LEVELS);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
