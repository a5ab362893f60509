/*
 * Random meshes under random faults: the ledger closes, nothing is NaN, no bus is above 58 V, and
 * without feeds energy only goes down. Meshes up to 24 nodes with converters at nodes, links and
 * supercapacitors, modules with one and two inputs; deaths and returns, cuts, closings, shorts,
 * fuses. The network's own conservation laws are the expectation.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "books.h"
#include "mesh_random.h"

#define STEPS 400
#define BUS_MAX_V 58.0

static double v_highest;

static int
seeds(void)
{
	const char *nightly = getenv("VL_NIGHTLY");

	return nightly && *nightly == '1' ? 2000 : 60;
}

/* Both ends of a link are in the same state in every frame that both made by a step. */
static unsigned
check_ends(const struct topo *t, struct solver_loop *l, const bool *stepped, uint64_t seed)
{
	char name[64];
	unsigned closed = 0;

	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		if (!stepped[k->a] || !stepped[k->b])
			continue;
		snprintf(name, sizeof name, "link.%s.state", k->id);
		double a = solver_loop_get(l, k->a, name), b = solver_loop_get(l, k->b, name);
		ck_assert_msg(a == b, "seed %llu frame %lld: %s is %g and %g",
		              (unsigned long long)seed, (long long)solver_loop_k(l), name, a, b);
		closed += a == 1;
	}
	return closed;
}

/* No number of a living process is NaN or infinite; in a mesh as it would be built no bus and no input
 * is above what 60 V parts bear. (A cable of 20 uH without a fuse, in which a short has left 1500 A,
 * does lift a bus of 20 mF above that.) */
static void
check_values(const struct mesh_random *r, struct solver_loop *l, uint64_t seed)
{
	const struct topo *t = &r->topo;

	for (uint32_t p = 0; p < t->n_nodes + t->n_modules; p++) {
		bool node = p < t->n_nodes;
		size_t n;
		if (!solver_loop_alive(l, p))
			continue;
		const union rec_word *w = solver_loop_frame(l, p);
		const struct rec_field *f = solver_loop_fields(l, p, &n);
		for (size_t i = 0; i < n; i++)
			/* Check writes to a pipe at each assertion. */
			if (f[i].type == 'f' && !isfinite(w[i].f))
				ck_abort_msg("seed %llu frame %lld: %s of process %u is %g",
				             (unsigned long long)seed,
				             (long long)solver_loop_k(l), f[i].name, p,
				             w[i].f);
		double v = solver_loop_get(l, p, node ? "v_max" : "v_in_max");
		v_highest = fmax(v_highest, v);
		if (r->as_built && !(v <= BUS_MAX_V))
			ck_abort_msg("seed %llu frame %lld: %g V at process %u",
			             (unsigned long long)seed, (long long)solver_loop_k(l), v, p);
	}
}

static unsigned n_closing, n_fuses, n_stores, n_link_convs, n_convs, n_dual;

static void
count_parts(const struct topo *t)
{
	for (size_t i = 0; i < t->n_nodes; i++) {
		n_stores += t->nodes[i].p.has_store;
		n_convs += t->nodes[i].p.has_conv;
	}
	for (size_t i = 0; i < t->n_links; i++)
		n_link_convs += t->links[i].has_conv;
	for (size_t i = 0; i < t->n_modules; i++)
		n_dual += t->modules[i].n_feeds == 2;
}

static void
count_fuses(const struct topo *t, struct solver_loop *l)
{
	for (uint32_t p = 0; p < t->n_nodes; p++) {
		const struct core_events *ev = solver_loop_events(l, p);
		for (size_t i = 0; i < ev->n; i++)
			n_fuses += ev->e[i].code == EV_LINK_OPEN && ev->e[i].a == OPEN_FUSE;
	}
}

static void
run(uint64_t seed, bool feeds)
{
	bool stepped[64];

	struct mesh_random *r = mesh_random_create(seed, feeds, seed % 2);
	struct solver_loop *l = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_eq(solver_loop_create(&r->topo, &node_core_ops, &module_core_ops, &l, &err),
	                 0);
	struct books *g = books_create(&r->topo, l);
	count_parts(&r->topo);
	double before = books_sums(g).stored0_j, scale = fmax(1, before);
	mesh_random_script(r, l, STEPS);
	for (int64_t k = 0; k < STEPS; k++) {
		solver_loop_step(l);
		books_after(g);
		for (uint32_t p = 0; p < r->topo.n_nodes; p++)
			stepped[p] = solver_loop_made_step(l, p);
		n_closing += check_ends(&r->topo, l, stepped, seed);
		count_fuses(&r->topo, l);
		check_values(r, l, seed);
		struct books_sums s = books_sums(g);
		double now = s.stored_j + s.flight_j + s.transit_j + s.abandoned_j;
		ck_assert_msg(s.finite, "seed %llu step %lld: not finite", (unsigned long long)seed,
		              (long long)k);
		ck_assert_msg(s.residual <= 1e-9, "seed %llu step %lld: residual %g",
		              (unsigned long long)seed, (long long)k, s.residual);
		ck_assert_msg(s.worst_core <= 1e-12, "seed %llu step %lld: core residual %g",
		              (unsigned long long)seed, (long long)k, s.worst_core);
		if (!feeds)
			ck_assert_msg(now <= before + 1e-12 * scale,
			              "seed %llu step %lld: energy grew by %g J",
			              (unsigned long long)seed, (long long)k, now - before);
		before = now;
	}
	books_destroy(&g);
	solver_loop_destroy(&l);
	mesh_random_destroy(&r);
}

START_TEST(test_ledger_closes_under_faults)
{
	for (int i = 0; i < seeds(); i++)
		run(1000 + (uint64_t)i, true);
	ck_assert_uint_gt(n_closing, 100); /* the faults did make links pre-charge */
	ck_assert_uint_gt(n_fuses, 60);
	/* and they had every part; some bus did rise */
	ck_assert_uint_gt(n_stores, 40);
	ck_assert_uint_gt(n_convs, 60);
	ck_assert_uint_gt(n_link_convs, 40);
	ck_assert_uint_gt(n_dual, 40);
	ck_assert_double_gt(v_highest, 50);
}
END_TEST

START_TEST(test_energy_only_falls_without_feeds)
{
	for (int i = 0; i < seeds(); i++)
		run(900000 + (uint64_t)i, false);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mesh_energy");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, test_ledger_closes_under_faults);
	tcase_add_test(tc, test_energy_only_falls_without_feeds);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
