/* What `plan --faults` says of meshes with converters at link ends and of supercapacitors, against
 * the mesh with that short: currents at a step of 10 us without fuses, and which fuses open at 100
 * us. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "shorts.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

/* %s: step, then fuse. Two islands that only a converter connects. */
#define ISLANDS                                                                                   \
	"voltloom: 1\nmesh: { name: m, control: droop, step: %s }\n"                              \
	"defaults: { node: { supercap: none, initial: steady }, link: { fuse: %s } }\nnodes:\n"   \
	"  - { id: a, feed: { i_rated: 60A }, load: [[0s, 400W, 0s]] }\n"                         \
	"  - { id: b, load: [[0s, 300W, 0s]] }\n"                                                 \
	"  - { id: c, load: [[0s, 300W, 0s]] }\n"                                                 \
	"  - { id: d, feed: { i_rated: 40A }, load: [[0s, 300W, 0s]] }\n"                         \
	"links:\n  - { id: l1, between: [a, b] }\n"                                               \
	"  - { id: l2, between: [b, c], converter: { at: b, i_lim: 60A, power: [[0s, 450W, 0s]] " \
	"} }\n"                                                                                   \
	"  - { id: l3, between: [c, d] }\n"
/* Supercapacitors behind converters hold the buses up while they can. */
#define STORES                                                                               \
	"voltloom: 1\nmesh: { name: m, control: droop, step: %s }\n"                         \
	"defaults: { node: { c_bus: 20mF, initial: steady, supercap: { c: 2F, esr: 10mOhm, " \
	"converter: { i_lim: 50A } } }, link: { fuse: %s } }\nnodes:\n"                      \
	"  - { id: a, feed: { i_rated: 20A }, load: [[0s, 300W, 0s]] }\n"                    \
	"  - { id: b, load: [[0s, 200W, 0s]] }\n"                                            \
	"  - { id: c, supercap: none, load: [[0s, 100W, 0s]] }\n"                            \
	"links:\n  - { id: l1, between: [a, b] }\n  - { id: l2, between: [b, c] }\n"         \
	"  - { id: l3, between: [c, a], r: 20mOhm }\n"
/* Both, and a set-point against the ends of the link. */
#define BOTH                                                                                      \
	"voltloom: 1\nmesh: { name: m, control: none, step: %s }\n"                               \
	"defaults: { node: { supercap: none, initial: steady }, link: { fuse: %s } }\nnodes:\n"   \
	"  - { id: a, feed: { i_rated: 40A }, load: [[0s, 200W, 0s]], supercap: { c: 1F, esr: "   \
	"20mOhm, converter: {} } }\n"                                                             \
	"  - { id: b, load: [[0s, 100W, 0s]] }\n"                                                 \
	"  - { id: c, feed: { i_rated: 40A }, load: [[0s, 200W, 0s]] }\n"                         \
	"links:\n  - { id: l1, between: [a, b] }\n"                                               \
	"  - { id: l2, between: [c, b], converter: { at: c, i_lim: 35A, power: [[0s, 900W, 0s]] " \
	"} }\n"

static const struct {
	const char *what, *mesh;
	uint32_t node;
	double r_ohm;
} cases[] = {
	{ "behind the converter", ISLANDS, 2, 20e-3 },
	{ "at the converter's bus", ISLANDS, 1, 20e-3 },
	{ "behind, soft", ISLANDS, 3, 0.5 },
	{ "supercapacitors, soft", STORES, 2, 0.5 },
	{ "supercapacitors, hard", STORES, 1, 20e-3 },
	{ "both, limited", BOTH, 1, 30e-3 },
	{ "both, soft", BOTH, 0, 0.6 },
};
#define N_CASES ((int)(sizeof cases / sizeof *cases))

static struct topo *t;
static struct solver_loop *loop;
static struct shorts *shorts;
static struct shorts_link links[4];
static struct shorts_source sources[4];
static struct shorts_result r;

static void
begin(int i, const char *step, const char *fuse)
{
	char text[2048];
	struct err err = ERR_INIT;

	snprintf(text, sizeof text, cases[i].mesh, step, fuse);
	t = mesh_text(text);
	ck_assert_msg(shorts_create(t, &shorts, &err) == 0, "%s", err.text);
	ck_assert_msg(solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err) == 0,
	              "%s", err.text);
	r = (struct shorts_result){ .links = links, .sources = sources };
	shorts_run(shorts, cases[i].node, cases[i].r_ohm, strcmp(fuse, "none") != 0, &r);
	/* Until the derivative of the bus voltage that rest knows is there. */
	while ((double)solver_loop_k(loop) * topo_step_s(t) < 0.05)
		solver_loop_step(loop);
	int64_t k = solver_loop_k(loop);
	solver_loop_command(
		loop, cases[i].node, k,
		(struct core_cmd){
			.k = k, .kind = CMD_SHORT, .chan = -1, .a = cases[i].r_ohm, .b = NAN });
}

static void
end(void)
{
	solver_loop_destroy(&loop);
	shorts_destroy(&shorts);
	topo_destroy(&t);
}

/* Out of end a of a link; of one with a converter at its other end. */
static double
link_a(uint32_t link)
{
	const struct topo_link *k = &t->links[link];
	char name[64];
	bool at_b = k->has_conv && k->conv.node == k->a;
	snprintf(name, sizeof name, "link.%s.i", k->id);
	return at_b ? -solver_loop_get(loop, k->b, name) : solver_loop_get(loop, k->a, name);
}

static double
source_a(size_t i)
{
	size_t n;
	const struct shorts_conv *c = &shorts_convs(shorts, &n)[i];
	double v = solver_loop_get(loop, c->bus, "v");
	return c->store && v > 1 ? solver_loop_get(loop, c->bus, "sc_p") / v : 0;
}

START_TEST(currents)
{
	double peak[4] = { 0 }, given[4] = { 0 }, fault_a = 0;
	size_t n_sources;

	begin(_i, "10us", "none");
	(void)shorts_convs(shorts, &n_sources);
	for (int64_t k = 0; k < 10000; k++) {
		solver_loop_step(loop);
		for (uint32_t i = 0; i < t->n_links; i++)
			peak[i] = fmax(peak[i], fabs(link_a(i)));
		for (size_t i = 0; i < n_sources; i++)
			given[i] = fmax(given[i], source_a(i));
	}
	fault_a = solver_loop_get(loop, cases[_i].node, "v") / cases[_i].r_ohm;
	ck_assert_msg(fabs(r.fault_end_a - fault_a) <= 0.02 * fault_a + 0.2,
	              "%s: %.2f A in the end, run %.2f A", cases[_i].what, r.fault_end_a, fault_a);
	for (uint32_t i = 0; i < t->n_links; i++) {
		ck_assert_msg(fabs(peak[i] - links[i].peak_a) <= 0.05 * peak[i] + 0.5,
		              "%s: %s plan %.1f A, run %.1f A", cases[_i].what, t->links[i].id,
		              links[i].peak_a, peak[i]);
		ck_assert_msg(fabs(link_a(i) - links[i].end_a) <= 0.02 * fabs(link_a(i)) + 0.2,
		              "%s: %s plan %.2f A in the end, run %.2f A", cases[_i].what,
		              t->links[i].id, links[i].end_a, link_a(i));
	}
	for (size_t i = 0; i < n_sources; i++) {
		size_t n;
		if (!shorts_convs(shorts, &n)[i].store)
			continue;
		ck_assert_msg(fabs(given[i] - sources[i].peak_a) <= 0.05 * given[i] + 0.5,
		              "%s: source %zu plan %.2f A, run %.2f A", cases[_i].what, i,
		              sources[i].peak_a, given[i]);
		ck_assert_msg(fabs(source_a(i) - sources[i].end_a) <=
		                      0.03 * fabs(source_a(i)) + 0.3,
		              "%s: source %zu plan %.2f A in the end, run %.2f A", cases[_i].what,
		              i, sources[i].end_a, source_a(i));
	}
	if (getenv("VL_SHOW"))
		printf("%-24s plan %8.2f A run %8.2f A; l2 peak %8.1f %8.1f end %7.2f %7.2f; "
		       "source "
		       "peak %6.2f %6.2f end %6.2f %6.2f\n",
		       cases[_i].what, r.fault_end_a, fault_a, links[1].peak_a, peak[1],
		       links[1].end_a, link_a(1), sources[0].peak_a, given[0], sources[0].end_a,
		       n_sources ? source_a(0) : 0);
	end();
}
END_TEST

START_TEST(fuses)
{
	begin(_i, "100us", "70A");
	while ((double)solver_loop_k(loop) * topo_step_s(t) < 0.15)
		solver_loop_step(loop);
	for (uint32_t i = 0; i < t->n_links; i++) {
		char name[64];
		snprintf(name, sizeof name, "link.%s.state", t->links[i].id);
		bool closed = solver_loop_get(loop, t->links[i].a, name) == 2; /* LINK_END_CLOSED */
		ck_assert_msg(closed == (links[i].trip == SHORTS_HOLDS), "%s: %s %s in the run",
		              cases[_i].what, t->links[i].id, closed ? "holds" : "is open");
		if (getenv("VL_SHOW"))
			printf("%-24s %s %s\n", cases[_i].what, t->links[i].id,
			       closed ? "holds" : "trips");
	}
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan_shorts");
	TCase *c = tcase_create("plan_shorts");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, currents, 0, N_CASES);
	tcase_add_loop_test(c, fuses, 0, N_CASES);
	suite_add_tcase(s, c);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
