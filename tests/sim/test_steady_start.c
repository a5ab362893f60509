/* `initial: steady`: nothing moves, and the energy that is under way from the start is in the
 * books. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ledger.h"
#include "loadflow.h"
#include "playback.h"
#include "tests/support/mesh_text.h"

static struct topo *t;
static struct playback play;

static void
setup(void)
{
	t = NULL;
	play = (struct playback){ 0 };
}

static void
teardown(void)
{
	playback_end(&play);
	topo_destroy(&t);
}

static void
run(const char *text, double for_s)
{
	struct err err = ERR_INIT;
	t = mesh_text(text);
	struct memory_params p = { .topo = t,
		                   .end_k = (int64_t)(for_s / topo_step_s(t) + 0.5),
		                   .seed = 1 };
	ck_assert_msg(playback_run(&play, &p, NULL, NULL, &err) == 0, "%s", err.text);
}

/* Largest departure of a field from its first frame. */
static double
moves(size_t proc, const char *name)
{
	int field = runview_field(play.view, proc, name);
	double first, v, most = 0;
	ck_assert_msg(field >= 0, "%s", name);
	ck_assert(runview_value(play.view, proc, field, 0, &first));
	for (int64_t k = 1; k <= runview_last_k(play.view); k++) {
		ck_assert(runview_value(play.view, proc, field, k, &v));
		most = fmax(most, fabs(v - first));
	}
	return most;
}

static void
check_still(void)
{
	struct ledger end;
	struct err err = ERR_INIT;
	double worst;
	int64_t worst_k;
	for (size_t i = 0; i < t->n_nodes; i++) {
		ck_assert_msg(moves(i, "v") < 1e-3, "%s.v moves by %g V", t->nodes[i].id,
		              moves(i, "v"));
		ck_assert(moves(i, "v_sc") < 1e-3);
		/* 1 mV across a cable of 10 mOhm. */
		ck_assert_msg(moves(i, "feed_i") < 0.1, "feed %s moves by %g A", t->nodes[i].id,
		              moves(i, "feed_i"));
	}
	for (size_t i = 0; i < t->n_links; i++) {
		char name[96];
		snprintf(name, sizeof name, "link.%s.i_avg", t->links[i].id);
		ck_assert_msg(moves(t->links[i].a, name) < 0.1, "%s moves by %g A", name,
		              moves(t->links[i].a, name));
	}
	for (size_t i = 0; i < t->n_modules; i++)
		ck_assert_msg(moves(t->n_nodes + i, "v_in") < 1e-3, "%s.v_in moves by %g V",
		              t->modules[i].id, moves(t->n_nodes + i, "v_in"));
	ck_assert_int_eq(ledger_run(play.view, 10, &end, &worst, &worst_k, &err), 0);
	ck_assert_msg(worst <= 1e-9, "residual %g at %lld", worst, (long long)worst_k);
	/* The line's energy at the start: L i^2/2 of the cable and dC v^2 of the two ends. */
	double flight = 0;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *l = &t->links[i];
		double dc = topo_step_s(t) * topo_step_s(t) / (2 * l->p.l_eff_h);
		double zc = l->p.l_eff_h / topo_step_s(t), a = l->p.i_init_a;
		double va = t->nodes[l->a].p.v_init_v - 0.5 * l->p.r_ohm * a;
		double vb = t->nodes[l->b].p.v_init_v + 0.5 * l->p.r_ohm * a;
		/* Behind the halves of R: waves u + Zc i and u - Zc i of either end. */
		flight += 0.5 * dc * (va + zc * a) * (va + zc * a) +
		          0.5 * dc * (vb - zc * a) * (vb - zc * a);
		ck_assert_double_eq_tol(va, vb, 1e-6); /* a lossless line has no drop */
	}
	ck_assert_double_eq_tol(end.in_flight0_j, flight, 1e-9 * fmax(flight, 1));
}

static const char mesh[] =
	"voltloom: 1\nmesh: { name: m, control: %s, port_period: %d }\n"
	"defaults: { node: { initial: steady }, link: { r: 10mOhm, l: 2uH } }\nnodes:\n"
	"  - { id: a, feed: { i_rated: 30A }, load: [[0s, 200W, 0s]] }\n"
	"  - { id: b, load: [[0s, 500W, 0s]] }\n"
	"  - { id: c, feed: { v0: 48.2V, i_rated: 20A }, supercap: none, load: [[0s, 100W, 0s]] }\n"
	"  - { id: d }\n"
	"links:\n  - { id: l1, between: [a, b] }\n  - { id: l2, between: [b, c] }\n"
	"  - { id: l3, between: [c, d] }\n  - { id: l4, between: [d, a] }\n"
	"modules:\n  - { id: m1, class: fixed, power: 150W, feeds: [a, b], r_port: 100mOhm }\n"
	"  - { id: m2, class: fixed, power: 80W, feeds: [d] }\n"
	"  - { id: m3, class: resistive, resistance: 50Ohm, feeds: [c] }\n";

START_TEST(still)
{
	static const char *const control[] = { "none", "droop", "consensus" };
	for (int i = 0; i < 6; i++) {
		char text[1600];
		snprintf(text, sizeof text, mesh, control[i / 2], i % 2 ? 2 : 1);
		run(text, 0.1);
		check_still();
		/* And it is a state with currents. */
		ck_assert(fabs(t->links[0].p.i_init_a) > 1);
		ck_assert(t->nodes[0].p.feed_init_a > 5);
		teardown();
	}
}
END_TEST

/* A triangle with a converter at an end of one link: `start` of the nodes, control, where it is,
 * between whom, power. */
static const char with_converter[] =
	"voltloom: 1\nmesh: { name: m, control: %s }\n"
	"defaults: { node: { initial: %s, supercap: none }, link: { r: 10mOhm, l: 2uH } }\nnodes:\n"
	"  - { id: a, feed: { i_rated: 30A }, load: [[0s, 300W, 0s]] }\n"
	"  - { id: b, load: [[0s, 200W, 0s]] }\n"
	"  - { id: c, feed: { i_rated: 30A }, load: [[0s, 200W, 0s]] }\n"
	"links:\n  - { id: l1, between: [a, b] }\n  - { id: l2, between: [b, c], r: 40mOhm }\n"
	"  - { id: l3, between: [%s], converter: { at: %s, power: [[0s, %gW, 0s]] } }\n";

START_TEST(converter_still)
{
	static const char *const control[] = { "none", "consensus" }, *const between[] = { "c, a", "a, c" };
	static const char *const fields[] = { "conv_vo", "conv_i", "i_avg" };
	for (int i = 0; i < 16; i++) {
		char text[1200], name[96];
		struct ledger end;
		struct err err = ERR_INIT;
		double worst, power_w = (i & 8 ? 200 : 500) * (i & 1 ? 1 : -1);
		int64_t worst_k;
		snprintf(text, sizeof text, with_converter, control[i / 2 % 2], "steady",
		         between[i / 4 % 2], "c", power_w);
		run(text, 0.1);
		for (size_t n = 0; n < t->n_nodes; n++) {
			/* In its first period the firmware knows no neighbours yet: kv Tc
			 * (v_nom - v) is 2 mV where the bus is 0.25 V off. */
			ck_assert_msg(moves(n, "v") < (i / 2 % 2 ? 2.5e-3 : 1e-3),
			              "%d: %s.v moves by %g V", i, t->nodes[n].id, moves(n, "v"));
			ck_assert(moves(n, "feed_i") < 0.2);
		}
		for (size_t f = 0; f < 3; f++) {
			snprintf(name, sizeof name, "link.l3.%s", fields[f]);
			/* Frame 0 has no mean current yet but the first one. */
			ck_assert_msg(moves(2, name) < 0.05, "%d: %s moves by %g", i, name,
			              moves(2, name));
		}
		ck_assert(fabs(t->links[2].p.i_init_a) > 3);
		ck_assert_int_eq(ledger_run(play.view, 10, &end, &worst, &worst_k, &err), 0);
		ck_assert_msg(worst <= 1e-9, "%d: residual %g", i, worst);
		teardown();
	}
}
END_TEST

/* From 48 V everywhere to where the load flow says, and what the converter takes is what it says. */
START_TEST(converter_settles)
{
	for (int i = 0; i < 4; i++) {
		char text[1200];
		struct loadflow *l = NULL;
		struct loadflow_verdict w;
		struct err err = ERR_INIT;
		double v;
		snprintf(text, sizeof text, with_converter, "none", "48V",
		         i & 1 ? "c, a" : "a, c", "c", i & 2 ? 500.0 : -500.0);
		run(text, 0.5);
		ck_assert_int_eq(loadflow_create(t, &l, &err), 0);
		loadflow_solve(l, LOADFLOW_BASE, 0, &w);
		ck_assert(l->solved);
		int64_t k = runview_last_k(play.view);
		for (size_t n = 0; n < t->n_nodes; n++) {
			ck_assert(runview_value(play.view, n, runview_field(play.view, n, "v"), k, &v));
			ck_assert_double_eq_tol(v, l->v_v[n], 1e-3);
			ck_assert(runview_value(play.view, n, runview_field(play.view, n, "feed_i"), k, &v));
			ck_assert_double_eq_tol(v, l->feed_a[n], 0.05);
		}
		ck_assert(runview_value(play.view, 2, runview_field(play.view, 2, "link.l3.conv_i"), k, &v));
		ck_assert_double_eq_tol(v, l->conv[2].inductor_a, 0.01);
		ck_assert(runview_value(play.view, 2, runview_field(play.view, 2, "link.l3.conv_vo"), k, &v));
		ck_assert_double_eq_tol(v, l->conv[2].out_v, 1e-3);
		loadflow_destroy(&l);
		teardown();
	}
}
END_TEST

/* Two islands; the converter between them brings one of them more than it draws, in either direction.
 * Its feed is idle, its voltage where the converter stops: from rest nothing moves, and from 48 V the
 * mesh goes there. */
static const char over[] =
	"voltloom: 1\nmesh: { name: m, control: consensus }\n"
	"defaults: { node: { initial: %s, supercap: none } }\nnodes:\n"
	"  - { id: a, feed: { i_rated: 60A }, load: [[0s, 400W, 0s]] }\n"
	"  - { id: b, load: [[0s, 300W, 0s]] }\n"
	"  - { id: c, load: [[0s, 300W, 0s]] }\n"
	"  - { id: d, feed: { v0: %s, i_rated: 40A }, load: [[0s, 100W, 0s]] }\n"
	"links:\n  - { id: l1, between: [a, b] }\n"
	"  - { id: l2, between: [b, c], converter: { at: b, power: [[0s, %gW, 0s]] } }\n"
	"  - { id: l3, between: [c, d] }\n";

START_TEST(idle)
{
	static const double powers[] = { 410, 1000, -900 };
	double v, dv[4], rest_v[4];
	char text[1200];
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof text, over, "steady", i & 1 ? "47.5V" : "48.5V", powers[i / 2]);
		run(text, 0.1);
		size_t feed = powers[i / 2] > 0 ? 3 : 0;
		for (size_t n = 0; n < 4; n++) {
			ck_assert_msg(moves(n, "v") < 2.5e-3, "%d: %s.v moves by %g V", i,
			              t->nodes[n].id, moves(n, "v"));
			rest_v[n] = t->nodes[n].p.v_init_v;
			dv[n] = t->nodes[n].p.dv_init_v;
		}
		ck_assert_double_eq(t->nodes[feed].p.feed_init_a, 0);
		ck_assert_double_eq(moves(feed, "feed_i"), 0);
		ck_assert(rest_v[feed] > 53 && rest_v[feed] < 54);
		teardown();
		snprintf(text, sizeof text, over, "48V", i & 1 ? "47.5V" : "48.5V", powers[i / 2]);
		run(text, 5);
		int64_t k = runview_last_k(play.view);
		for (size_t n = 0; n < 4; n++) {
			ck_assert(runview_value(play.view, n, runview_field(play.view, n, "v"), k, &v));
			ck_assert_double_eq_tol(v, rest_v[n], 1e-3);
			ck_assert(runview_value(play.view, n, runview_field(play.view, n, "dv"), k, &v));
			/* Past its clamp by kv/kc of 6 V; the other island by droop and di. */
			if ((n < 2) == (feed == 0))
				ck_assert_msg(fabs(v - dv[n]) < 0.15, "%d: dv of %s %g and %g V", i,
				              t->nodes[n].id, v, dv[n]);
		}
		teardown();
	}
}
END_TEST

START_TEST(own_voltage)
{
	t = mesh_text("voltloom: 1\nmesh: { name: m }\ndefaults: { node: { initial: steady } }\n"
	              "nodes:\n  - { id: a, feed: { i_rated: 20A } }\n"
	              "  - { id: b, initial: 47V, load: [[0s, 100W, 0s]] }\n"
	              "links: [ { id: l, between: [a, b] } ]\n");
	/* A voltage of its own wins over the default; the link then begins without current. */
	ck_assert(!t->nodes[1].p.steady && t->nodes[1].p.v_init_v == 47);
	ck_assert(t->nodes[0].p.steady && t->links[0].p.i_init_a == 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("steady_start");
	TCase *c = tcase_create("steady_start");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, still);
	tcase_add_test(c, converter_still);
	tcase_add_test(c, converter_settles);
	tcase_add_test(c, idle);
	tcase_add_test(c, own_voltage);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
