/*
 * The relayed estimate of the loading: nodes without a feed of their own take over 0.8 of the mean
 * difference to their neighbours once per exchange. Its error must contract with the spectral
 * radius of that iteration, which is made here from the topology alone and solved by LAPACK.
 */
#include <check.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "nodes/node_control.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

/* Part of the difference that is taken over: docs/models/control.md. */
#define TAKEN 0.8
#define TOLERANCE 0.10

static struct topo *t;
static struct node_control *controls;
static struct node_feed *feeds;
static struct solver_loop *loop;

static void
setup(void)
{
	t = NULL;
	controls = NULL;
	feeds = NULL;
	loop = NULL;
}

static void
teardown(void)
{
	solver_loop_destroy(&loop);
	free(controls);
	free(feeds);
	topo_destroy(&t);
}

static uint32_t
peer(uint32_t node, size_t l)
{
	const struct topo_link *k = &t->links[t->nodes[node].links[l]];
	return k->a == node ? k->b : k->a;
}

/* Largest modulus of an eigenvalue of 1 - 0.8 (1 - D^-1 A) over the nodes without feed. */
static double
spectral_radius(void)
{
	size_t n = 0, *at = calloc(t->n_nodes, sizeof *at);
	double rho = 0;
	ck_assert_ptr_nonnull(at);
	for (size_t i = 0; i < t->n_nodes; i++)
		at[i] = t->nodes[i].p.has_feed ? SIZE_MAX : n++;
	double *a = calloc(n * n, sizeof *a), *wr = calloc(2 * n, sizeof *wr);
	ck_assert(a && wr);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (at[i] == SIZE_MAX)
			continue;
		a[at[i] * (n + 1)] = 1 - TAKEN;
		for (size_t l = 0; l < t->nodes[i].n_links; l++)
			if (at[peer(i, l)] != SIZE_MAX)
				a[at[i] * n + at[peer(i, l)]] +=
					TAKEN / (double)t->nodes[i].n_links;
	}
	ck_assert_int_eq(LAPACKE_dgeev(LAPACK_ROW_MAJOR, 'N', 'N', (int)n, a, (int)n, wr, wr + n,
	                               NULL, 1, NULL, 1),
	                 0);
	for (size_t i = 0; i < n; i++)
		rho = fmax(rho, hypot(wr[i], wr[n + i]));
	free(a);
	free(wr);
	free(at);
	return rho;
}

/* The rate is compared, too: a factor near 1 would be near another one whatever the rate. */
static void
compare(double factor, double rho, const char *what)
{
	ck_assert_msg(fabs(factor - rho) <= TOLERANCE * rho,
	              "%s: factor %.6f, spectral radius %.6f", what, factor, rho);
	ck_assert_msg(fabs(log(factor) - log(rho)) <= -TOLERANCE * log(rho),
	              "%s: %.6f per exchange, spectral radius %.6f", what, log(factor), log(rho));
}

/* ---- the firmware alone
 * -------------------------------------------------------------------------- */

/* One exchange: all say, then all act. Feeds carry half of their rating. */
static void
exchange(void)
{
	static const bool closed[TOPO_DEGREE_MAX] = {
		true, true, true, true, true, true, true, true
	};
	struct wave *said = calloc(t->n_nodes, sizeof *said);

	ck_assert_ptr_nonnull(said);
	for (size_t i = 0; i < t->n_nodes; i++)
		ck_assert(node_control_state(&controls[i], 0, 48, &said[i]));
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		ck_assert_uint_le(t->nodes[i].n_links, 8);
		for (size_t l = 0; l < t->nodes[i].n_links; l++)
			node_control_hear(&controls[i], l, &said[peer(i, l)], false);
		node_control_step(&controls[i], &feeds[i], 48, 0.5 * feeds[i].i_rated_a, closed,
		                  true);
	}
	free(said);
}

/* Largest error of the estimates: all feeds say 0.5. */
static double
error(void)
{
	double e = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (!t->nodes[i].p.has_feed)
			e = fmax(e, fabs(controls[i].x - 0.5));
	return e;
}

static const char *const meshes[] = { "rack8", "grid24", "torus100", "pair" };

START_TEST(firmware)
{
	t = mesh_file(meshes[_i]);
	double rho = spectral_radius();
	controls = calloc(t->n_nodes, sizeof *controls);
	feeds = calloc(t->n_nodes, sizeof *feeds);
	ck_assert(controls && feeds);
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node_params *p = &t->nodes[i].p;
		p->control = CONTROL_DROOP; /* the set-points stay */
		node_control_init(&controls[i], p, t->nodes[i].n_links, topo_step_s(t), false);
		node_feed_init(&feeds[i], p->has_feed ? &p->feed : NULL, 1e-5);
	}
	/* So many exchanges until faster modes are gone: e^-3 of the slowest; then over as many. */
	int n = (int)(3 / -log(rho)) + 1;
	for (int i = 0; i < n; i++)
		exchange();
	double before = error();
	for (int i = 0; i < n; i++)
		exchange();
	ck_assert_double_gt(error(), 1e-9); /* not rounding */
	compare(pow(error() / before, 1 / (double)n), rho, meshes[_i]);
}
END_TEST

/* ---- in a running mesh
 * ---------------------------------------------------------------------------- */

START_TEST(mesh)
{
	/* A path of eleven relays behind one feed; the plant has settled long before the estimate
	 * at the far end. An exchange is a control period of 1 ms. */
	char text[4096];
	int n = snprintf(text, sizeof text,
	                 "voltloom: 1\nmesh: { name: path, control: droop }\n"
	                 "defaults: { node: { supercap: none } }\nnodes:\n"
	                 "  - { id: n0, feed: { i_rated: 50A }, load: [[0s, 1kW, 0s]] }\n");
	for (int i = 1; i < 12; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "  - { id: n%d }\n", i);
	n += snprintf(text + n, sizeof text - (size_t)n, "links:\n");
	for (int i = 1; i < 12; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
		              "  - { between: [n%d, n%d], r: 10mOhm }\n", i - 1, i);
	struct err err = ERR_INIT;
	t = mesh_text(text);
	double rho = spectral_radius(), from[2];
	ck_assert_int_eq(solver_loop_create(t, &node_core_ops, NULL, &loop, &err), 0);
	for (int part = 0; part < 2; part++) {
		for (int k = 0; k < 4000; k++)
			solver_loop_step(loop);
		from[part] = fabs(solver_loop_get(loop, 0, "x") - solver_loop_get(loop, 11, "x"));
	}
	ck_assert_double_gt(from[1], 1e-6);
	compare(pow(from[1] / from[0], 1 / 400.0), rho, "path");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("relay");
	TCase *c = tcase_create("relay");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, firmware, 0, sizeof meshes / sizeof *meshes);
	tcase_add_test(c, mesh);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
