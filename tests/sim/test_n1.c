/*
 * A fixed part of `make bench-n1`: a node killed, a link cut, a feed lost while its node lives, in
 * rack8 and grid24. No bus below 45 V, no module without power, and the sharing within its bounds:
 * 6 % at once, 3 % after 500 ms; and 1 % after 1 s where no workload steps.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "playback.h"
#include "tests/sim/mesh.h"
#include "tests/support/figure.h"
#include "tests/support/mesh_text.h"

enum { FAULT_K = 10000, HALF_K = 15000, LATE_K = 20000, END_K = 22000 };

static const struct {
	const char *mesh;
	enum script_kind kind;
	const char *target;
	bool still; /* no load steps after the failure */
} cases[] = {
	{ "rack8", SCRIPT_KILL, "n8", false },     { "rack8", SCRIPT_CUT, "l8", false },
	{ "rack8", SCRIPT_FEED_LOSS, "n3", false }, { "grid24", SCRIPT_KILL, "n11", true },
	{ "grid24", SCRIPT_CUT, "n5-n11", true },  { "grid24", SCRIPT_FEED_LOSS, "n2", true },
};

static struct topo *t;
static struct script *script;
static struct playback play;

static void
run(const char *mesh, enum script_kind kind, const char *target)
{
	struct err err = ERR_INIT;

	t = mesh_file(mesh);
	int at = kind == SCRIPT_CUT ? topo_find_link(t, target) : topo_find_node(t, target);
	ck_assert_int_ge(at, 0);
	script = mesh_script();
	mesh_script_add(script, kind, (uint32_t)at, FAULT_K);
	script->actions[0].target_kind = kind == SCRIPT_CUT ? TARGET_LINK : TARGET_PROC;
	struct memory_params p = { .topo = t,
		                   .script = script,
		                   .end_k = END_K,
		                   .seed = 1 };
	ck_assert_msg(playback_run(&play, &p, NULL, NULL, &err) == 0, "%s", err.text);
}

static void
teardown(void)
{
	playback_end(&play);
	mesh_script_free(script);
	script = NULL;
	topo_destroy(&t);
}

/* The figure's extreme from frame k on; every frame has one. */
static double
extreme(const char *figure, bool highest, int64_t k)
{
	return figure_extreme(play.view, figure, highest, k, END_K);
}

START_TEST(single_failure)
{
	const char *spread = "spread(feed.*.share)";

	run(cases[_i].mesh, cases[_i].kind, cases[_i].target);
	ck_assert_double_ge(extreme("min(node.*.v)", false, FAULT_K + 1), 45);
	ck_assert_double_eq(extreme("mesh.unserved_j", true, END_K), 0);
	/* The failure was there, and shows in the sharing. */
	double peak = extreme(spread, true, FAULT_K + 1);
	ck_assert_double_gt(peak, 1e-3);
	ck_assert_msg(peak <= 0.06, "peak %g", peak);
	ck_assert_double_le(extreme(spread, true, HALF_K), 0.03);
	if (cases[_i].still)
		ck_assert_double_le(extreme(spread, true, LATE_K), 0.01);
	if (cases[_i].kind == SCRIPT_FEED_LOSS) {
		char state[64];
		snprintf(state, sizeof state, "feed.%s.state", cases[_i].target);
		ck_assert_double_eq(extreme(state, true, FAULT_K + 1), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("n1");
	TCase *c = tcase_create("n1");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_loop_test(c, single_failure, 0, (int)(sizeof cases / sizeof *cases));
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
