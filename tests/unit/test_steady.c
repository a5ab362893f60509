/* Load flow with the control at rest: its own conditions, and closed forms. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "steady.h"
#include "tests/support/mesh_text.h"

static struct topo *t;
static struct steady *s;
static struct loadflow_verdict w;

static void
setup(void)
{
	t = NULL;
	s = NULL;
}

static void
teardown(void)
{
	steady_destroy(&s);
	topo_destroy(&t);
}

static void
solve(struct topo *mesh)
{
	struct err err = ERR_INIT;
	steady_destroy(&s);
	topo_destroy(&t);
	t = mesh;
	ck_assert_int_eq(steady_create(t, &s, &err), 0);
	steady_solve(s, LOADFLOW_BASE, 0, &w);
}

/* dv/dt and di/dt of the firmware (docs/models/control.md) at what was found: all nothing. */
static void
check_rest(uint32_t dead)
{
	double level = 0;
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		double ddv = 0, dx = 0, n = 0;
		if (i == dead)
			continue;
		for (size_t l = 0; l < t->nodes[i].n_links; l++) {
			const struct topo_link *k = &t->links[t->nodes[i].links[l]];
			uint32_t j = k->a == i ? k->b : k->a;
			if (k->p.open || j == dead)
				continue;
			n++;
			ddv += s->dv_v[j] - s->dv_v[i];
			dx += s->x[j] - s->x[i];
		}
		double kv = p->has_feed && s->feed[i] != STEADY_CONTROLS ? 0 : p->kv_per_s;
		double rate = kv * (p->v_nom_v - s->flow->v_v[i]) + p->kc_per_s * ddv / n;
		ck_assert_double_eq_tol(rate, 0, 1e-6);
		ck_assert_double_eq_tol(dx, 0, 1e-12);
		if (s->feed[i] != STEADY_CONTROLS)
			continue;
		level += n * s->di_v[i] / p->ki_v_per_s;
		ck_assert_double_eq_tol(s->flow->feed_a[i] / p->feed.i_rated_a, s->x[i], 1e-8);
		/* Droop: the current that this set-point gives at this voltage. */
		ck_assert_double_eq_tol((p->feed.v0_v + s->dv_v[i] + s->di_v[i] - s->flow->v_v[i]) /
		                                p->feed.r_d_ohm,
		                        s->flow->feed_a[i], 1e-6);
	}
	ck_assert_double_eq_tol(level, 0, 1e-9);
}

START_TEST(one_node)
{
	/* One bus at nominal, whatever the load: 480 W are 10 A of 20 A. */
	solve(mesh_text("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	                "  - { id: a, feed: { i_rated: 20A }, load: [[0s, 480W, 0s]] }\n"));
	ck_assert(s->solved && w.problem == LOADFLOW_OK);
	ck_assert_double_eq_tol(s->flow->v_v[0], 48, 1e-9);
	ck_assert_double_eq_tol(s->x[0], 0.5, 1e-9);
	ck_assert_double_eq_tol(s->flow->v_set_v[0], 48 + 10 * 0.048, 1e-9);
}
END_TEST

START_TEST(two_feeds)
{
	/* Nothing between them but a cable: shares equal, 30 A and 10 A rated, so the smaller one
	 * brings a quarter, and the cable carries what its own bus does not take: mean of both
	 * voltages nominal (same degree), P1/v1 + P2/v2 = 4 i2. */
	solve(mesh_text("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	                "  - { id: a, feed: { v0: 48V, i_rated: 30A }, load: [[0s, 100W, 0s]] }\n"
	                "  - { id: b, feed: { v0: 49V, i_rated: 10A }, load: [[0s, 700W, 0s]] }\n"
	                "links: [ { id: l, between: [a, b], r: 20mOhm } ]\n"));
	ck_assert(s->solved);
	double v1 = 48, v2 = 48;
	for (int i = 0; i < 100; i++) { /* contracts by 0.02 * dP/dv */
		double all = 100 / v1 + 700 / v2, link = 0.75 * all - 100 / v1;
		v1 = 48 + 0.01 * link;
		v2 = 48 - 0.01 * link;
	}
	ck_assert_double_eq_tol(s->flow->v_v[0], v1, 1e-8);
	ck_assert_double_eq_tol(s->flow->v_v[1], v2, 1e-8);
	ck_assert_double_eq_tol(s->flow->feed_a[0], 3 * s->flow->feed_a[1], 1e-6);
	check_rest(UINT32_MAX);
}
END_TEST

START_TEST(meshes)
{
	static const char *const names[] = { "tri3", "rack8", "grid24", "torus100", "ring200" };
	for (size_t i = 0; i < 5; i++) {
		solve(mesh_file(names[i]));
		ck_assert_msg(s->solved && !s->plain, "%s", names[i]);
		check_rest(UINT32_MAX);
	}
	/* And without one node or feed. */
	solve(mesh_file("rack8"));
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		steady_solve(s, LOADFLOW_NODE, i, &w);
		ck_assert(s->solved && w.problem == LOADFLOW_OK);
		check_rest(i);
		if (!t->nodes[i].p.has_feed)
			continue;
		steady_solve(s, LOADFLOW_FEED, i, &w);
		ck_assert(s->solved && s->flow->feed_a[i] == 0 && s->feed[i] == STEADY_NONE);
	}
}
END_TEST

START_TEST(limits)
{
	/* 25 A are 1.25 of both ratings; one may give 10 A at most: it does, the other the rest. */
	solve(mesh_text(
		"voltloom: 1\nmesh: { name: m }\nnodes:\n"
		"  - { id: a, feed: { i_rated: 10A, i_max: 40A }, load: [[0s, 1200W, 0s]] }\n"
		"  - { id: b, feed: { i_rated: 10A, i_max: 10A } }\n"
		"links: [ { id: l, between: [a, b], r: 10mOhm } ]\n"));
	ck_assert(s->solved && s->feed[1] == STEADY_LIMIT && s->feed[0] == STEADY_CONTROLS);
	ck_assert_double_eq_tol(s->flow->feed_a[1], 10, 1e-9);
	ck_assert_double_eq_tol(s->flow->v_v[0], 48, 1e-8); /* the only one that pulls */
	ck_assert_double_eq_tol(s->flow->feed_a[0], 1200 / 48.0 - 10, 1e-6);
	/* More than both can give: no state of rest near nominal. */
	solve(mesh_text("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	                "  - { id: a, feed: { i_rated: 10A }, load: [[0s, 960W, 0s]] }\n"));
	ck_assert(w.problem != LOADFLOW_OK);
	/* Under droop it is the plain load flow. */
	solve(mesh_file("pair"));
	ck_assert(s->solved && s->dv_v[0] == 0 && s->flow->v_set_v[0] == t->nodes[0].p.feed.v0_v);
	/* Mixed: said, and treated as droop. */
	solve(mesh_text("voltloom: 1\nmesh: { name: m }\nnodes:\n"
	                "  - { id: a, feed: { i_rated: 30A } }\n"
	                "  - { id: b, control: droop, load: [[0s, 100W, 0s]] }\n"
	                "links: [ { id: l, between: [a, b] } ]\n"));
	ck_assert(s->solved && s->plain && s->dv_v[0] == 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("steady");
	TCase *c = tcase_create("steady");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_node);
	tcase_add_test(c, two_feeds);
	tcase_add_test(c, meshes);
	tcase_add_test(c, limits);
	suite_add_tcase(suite, c);
	SRunner *r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
