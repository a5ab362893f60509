/* Timelines: steps, order, leases, targets, parameters. What is refused: tests/bad/drills. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "script.h"

static char dir[256], mesh_path[512], path[512];
static struct diag_list l;
static struct topo *t;
static struct script *s;

static void
put(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static void
load_mesh(int period)
{
	char text[1000];
	struct err err = ERR_INIT;
	snprintf(text, sizeof text,
	         "voltloom: 1\nmesh: { name: sq, control: droop, port_period: %d }\nnodes:\n"
	         "  - { id: n1, feed: { i_rated: 62.5A } }\n"
	         "  - { id: n2, load: [[0ms, 40W, 0s], [1s, 60W, 200ms]] }\n  - { id: n3 }\n  - { "
	         "id: n4 }\n"
	         "links:\n  - { id: l1, between: [n1, n2] }\n  - { id: l2, between: [n2, n3] }\n"
	         "  - { id: l3, between: [n3, n4] }\n  - { id: l4, between: [n4, n1] }\n"
	         "  - { id: l5, between: [n1, n3], open: true }\n"
	         "modules: [ { id: m1, class: cpu, feeds: [n1, n2] } ]\n",
	         period);
	put(mesh_path, text);
	topo_destroy(&t);
	ck_assert_int_eq(topo_load(mesh_path, &l, &t, &err), 0);
	diag_list_free(&l);
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-script-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(mesh_path, sizeof mesh_path, "%s/mesh.yaml", dir);
	snprintf(path, sizeof path, "%s/d.yaml", dir);
	diag_list_init(&l);
	t = NULL;
	s = NULL;
	load_mesh(1);
}

static void
teardown(void)
{
	script_destroy(&s);
	topo_destroy(&t);
	diag_list_free(&l);
	unlink(mesh_path);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* `head` and entries of a timeline, each in braces. */
static int
load(const char *head, const char *entries)
{
	char text[4000];
	struct err err = ERR_INIT;
	snprintf(text, sizeof text, "drill: 1\n%stimeline:\n%s", head, entries);
	put(path, text);
	script_destroy(&s);
	diag_list_free(&l);
	return script_load(path, t, &l, &s, &err);
}

static void
load_ok(const char *head, const char *entries)
{
	int rc = load(head, entries);
	ck_assert_msg(rc == 0, "%u: %s", l.n ? l.d[0].line : 0, l.n ? l.d[0].text : "?");
}

/* One action of the result, as text. */
static const char *
show(size_t i)
{
	static char buf[200];
	ck_assert_uint_lt(i, s->n);
	const struct script_action *a = &s->actions[i];
	const char *id = a->target_kind == TARGET_LINK ? t->links[a->target].id
	                 : a->target < t->n_nodes      ? t->nodes[a->target].id
	                                               : t->modules[a->target - t->n_nodes].id;
	snprintf(buf, sizeof buf, "%s %s %s @%lld", a->id, script_action_name(a->kind), id,
	         (long long)a->k);
	return buf;
}

START_TEST(steps)
{
	/* floor(t/T) in integers: 0.3 s is step 3000, although 0.3/1e-4 is below 3000 in doubles.
	 */
	load_ok("",
	        "  - { id: a, at: 0.3s, do: kill, target: n4 }\n"
	        "  - { id: b, at: 300.0999ms, do: kill, target: m1 }\n"
	        "  - { id: c, at: 100us, do: cut, target: l1 }\n"
	        "  - { id: d, at: 0s, do: load, target: n2, with: { level: 1kW, ramp: 5ms } }\n");
	ck_assert_uint_eq(s->n, 4);
	ck_assert_str_eq(show(0), "d load n2 @0");
	ck_assert(s->actions[0].with.level_w == 1000 && s->actions[0].with.ramp_s == 5e-3 &&
	          isnan(s->actions[0].for_s));
	ck_assert_str_eq(show(1), "c cut l1 @1");
	ck_assert_str_eq(show(2), "a kill n4 @3000");
	ck_assert_str_eq(show(3), "b kill m1 @3000");
	ck_assert_int_eq(s->actions[3].at_ns, 300099900);
	ck_assert_uint_eq(s->actions[0].line, 6);
}
END_TEST

START_TEST(port_steps)
{
	/* Starts wait for a port step; what is on one stays there. */
	load_mesh(5);
	load_ok("", "  - { at: 1s, do: kill, target: n3 }\n  - { at: 1s, do: stop, target: n4 }\n"
	            "  - { at: 1.1001s, do: start, target: n3 }\n  - { at: 1.1s, do: cont, target: "
	            "n4 }\n");
	ck_assert_str_eq(show(0), "a1 kill n3 @10000");
	ck_assert_str_eq(show(1), "a2 stop n4 @10000");
	ck_assert_str_eq(show(2), "a4 cont n4 @11000");
	ck_assert_str_eq(show(3), "a3 start n3 @11005");
}
END_TEST

START_TEST(relative)
{
	/* Also to what comes later in the file, over several steps, and backwards. */
	load_ok("", "  - { id: c, at: b - 10ms, do: cut, target: l2 }\n"
	            "  - { id: b, at: kill-1 + 50ms, do: cut, target: l3 }\n"
	            "  - { id: kill-1, at: 700ms, do: kill, target: m1 }\n"
	            "  - { at: kill-1, do: load, target: n1, with: { level: 1W } }\n"
	            "  - { at: kill-1+1ms, do: load, target: n1, with: { level: 2W } }\n");
	ck_assert_str_eq(show(0), "kill-1 kill m1 @7000");
	ck_assert_str_eq(show(1), "a4 load n1 @7000");
	ck_assert_str_eq(show(2), "a5 load n1 @7010");
	ck_assert_str_eq(show(3), "c cut l2 @7400");
	ck_assert_str_eq(show(4), "b cut l3 @7500");
}
END_TEST

START_TEST(leases)
{
	load_ok("",
	        "  - { id: x, at: 1s, do: cut, target: l1, for: 20ms }\n"
	        "  - { id: y, at: 1.05s, do: load, target: n2, with: { level: 500W }, for: 50ms }\n"
	        "  - { id: z, at: 1.06s, do: short, target: n3, with: { r: 200mOhm }, for: 5ms }\n"
	        "  - { id: p, at: 2s, do: load, target: n2, with: { level: 300W } }\n"
	        "  - { id: q, at: 2.1s, do: load, target: n2, with: { level: 900W }, for: 10ms "
	        "}\n");
	ck_assert_uint_eq(s->n, 8);
	ck_assert_str_eq(show(1), "x.end heal l1 @10200");
	ck_assert_str_eq(show(3), "z short n3 @10600");
	ck_assert(s->actions[3].with.r_ohm == 0.2 && s->actions[3].for_s == 5e-3);
	/* Back to the topology's curve: half way from 40 to 60 W at 1.1 s, 100 ms into the ramp. */
	ck_assert_str_eq(show(4), "y.end load n2 @11000");
	ck_assert_double_eq_tol(s->actions[4].with.level_w, 50, 1e-9);
	/* Back to the load action before. */
	ck_assert_str_eq(show(7), "q.end load n2 @21100");
	ck_assert_double_eq(s->actions[7].with.level_w, 300);
}
END_TEST

START_TEST(lease_of_the_dead)
{
	/* The cut's end finds its node dead: dropped, and the restart is not held up by it. */
	load_ok("", "  - { id: x, at: 1s, do: cut, target: l1, for: 20ms }\n  - { id: k, at: "
	            "1.01s, do: kill, target: n2 }\n"
	            "  - { at: 2s, do: start, target: n2 }\n");
	ck_assert_uint_eq(s->n, 3);
	ck_assert_str_eq(show(2), "a3 start n2 @20000");
}
END_TEST

START_TEST(targets)
{
	load_ok("", "  - { id: two, at: 1s, do: kill, target: [n2, m1] }\n"
	            "  - { id: all, at: 2s, do: cut, target: n4 }\n"
	            "  - { id: back, at: 3s, do: heal, target: n4 }\n"
	            "  - { id: con, at: 4s, do: close, target: l5, with: { precharge: 1Ohm, at: "
	            "n3, bypass: 400ms } }\n");
	ck_assert_uint_eq(s->n, 7);
	ck_assert_str_eq(show(0), "two kill n2 @10000");
	ck_assert_str_eq(show(1), "two kill m1 @10000");
	ck_assert_uint_eq(s->actions[1].target, 4); /* modules after nodes */
	ck_assert_str_eq(show(2), "all cut l3 @20000");
	ck_assert_str_eq(show(3), "all cut l4 @20000");
	ck_assert_str_eq(show(5), "back heal l4 @30000");
	const struct script_action *a = &s->actions[6];
	ck_assert(a->with.precharge_ohm == 1 && a->with.bypass_s == 0.4 && a->resistor_end == 2);
	/* A node's links of which one is cut already, or leads to the dead: the others. */
	load_ok("", "  - { at: 1s, do: cut, target: l1 }\n  - { at: 1s, do: kill, target: n4 }\n"
	            "  - { id: x, at: 2s, do: cut, target: [n2, n1] }\n");
	ck_assert_uint_eq(s->n, 3);
	ck_assert_str_eq(show(2), "x cut l2 @20000");
	ck_assert(isnan(s->actions[0].with.precharge_ohm) && s->actions[0].resistor_end == 0);
}
END_TEST

START_TEST(again)
{
	/* Down and up again, as often as one likes. */
	load_ok("", "  - { at: 1s, do: kill, target: n3 }\n  - { at: 2s, do: start, target: n3 }\n"
	            "  - { at: 3s, do: stop, target: n3 }\n  - { at: 4s, do: start, target: n3 }\n"
	            "  - { at: 5s, do: kill, target: n3 }\n");
	ck_assert_uint_eq(s->n, 5);
	ck_assert_int_eq(s->actions[3].kind, SCRIPT_START);
}
END_TEST

START_TEST(head)
{
	load_ok("name: my-drill\nseed: 7\ntime: { duration: 3s, settle: 500ms, speed: 0.2, "
	        "watchdog: 60s }\n"
	        "params: { who: n2, when: 1s }\nmatrix: { other: [n3] }\n"
	        "steady_state: []\nabort_if: \"max(node.*.v) > 58V\"\nexpect:\n  - { never: \"x\" "
	        "}\n",
	        "  - { id: k, at: \"${when}\", do: kill, target: \"${who}\" }\n"
	        "  - { at: \"k + 1ms\", do: kill, target: [\"${other}\"] }\n");
	ck_assert_str_eq(s->name, "my-drill");
	ck_assert(s->has_seed && s->seed == 7 && s->has_duration && s->duration_ns == 3000000000 &&
	          s->has_speed);
	ck_assert_double_eq(s->speed, 0.2);
	ck_assert_ptr_null(s->topology);
	ck_assert_str_eq(show(0), "k kill n2 @10000");
	ck_assert_str_eq(show(1), "a2 kill n3 @10010");
	ck_assert_uint_eq(l.n, 1);
	ck_assert_int_eq(l.d[0].level, DIAG_NOTE);
	ck_assert_str_eq(
		l.d[0].text,
		"`run` plays the timeline and does not evaluate: steady_state, abort_if, expect");
	load_ok("", "");
	ck_assert(!s->has_seed && !s->has_duration && !s->has_speed && s->n == 0);
	load_ok("time: { speed: max }\n", "");
	ck_assert(s->has_speed && s->speed == 0);
}
END_TEST

START_TEST(beyond_the_end)
{
	load_ok("time: { duration: 1s }\n", "  - { id: k, at: 1s, do: kill, target: n2 }\n");
	ck_assert_uint_eq(l.n, 1);
	ck_assert_int_eq(l.d[0].level, DIAG_WARNING);
	ck_assert_str_eq(l.d[0].text, "action 'k' at 1 s never acts: the run ends at 1 s");
}
END_TEST

START_TEST(topology)
{
	char want[600], *found = NULL;
	struct err err = ERR_INIT;
	load_ok("topology: mesh.yaml\n", "");
	snprintf(want, sizeof want, "%s/mesh.yaml", dir);
	ck_assert_str_eq(s->topology, want);
	ck_assert_str_eq(s->path, path);
	ck_assert_uint_eq(l.n, 0); /* the same file: nothing to say */
	ck_assert_int_eq(script_topology(path, &found, &err), 0);
	ck_assert_str_eq(found, want);
	free(found);
	load_ok("topology: d.yaml\n", "");
	ck_assert_uint_eq(l.n, 1);
	ck_assert_int_eq(l.d[0].level, DIAG_NOTE);
	load_ok("topology: /abs/x.yaml\n", "");
	ck_assert_str_eq(s->topology, "/abs/x.yaml");
	load_ok("", "");
	ck_assert_int_eq(script_topology(path, &found, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "'topology:', the path of the mesh, is missing"));
}
END_TEST

/* All actions of the result: id, what, link, the part that it is about, step. */
static void
want(const char *const *lines, size_t n)
{
	static const char *const parts[] = { "", "/power", "/channel" };
	for (size_t i = 0; i < n && i < s->n; i++) {
		const struct script_action *a = &s->actions[i];
		char text[200];
		snprintf(text, sizeof text, "%s %s%s %s @%lld", a->id, script_action_name(a->kind),
		         parts[isnan(a->with.only) ? 0 : (int)a->with.only],
		         t->links[a->target].id, (long long)a->k);
		ck_assert_str_eq(text, lines[i]);
	}
	ck_assert_uint_eq(s->n, n);
}

/* Cuts that overlap: a link heals with the last lease, part by part. */
START_TEST(cuts_overlap)
{
	load_ok("", "  - { id: p, at: 1s, do: partition, target: [n1], for: 2s }\n"
	            "  - { id: q, at: 2s, do: partition, target: [n1, n2], for: 2s }\n");
	static const char *const twice[] = { "p cut l1 @10000",      "p cut l4 @10000",
		                             "q cut l2 @20000",      "p.end heal l1 @30000",
		                             "q.end heal l2 @40000", "q.end heal l4 @40000" };
	want(twice, 6);
	load_ok("", "  - { id: c, at: 1s, do: cut, target: l1, with: { only: channel }, for: 3s }\n"
	            "  - { id: n, at: 2s, do: cut, target: n1, for: 1s }\n");
	static const char *const parts[] = {
		"c cut/channel l1 @10000", "n cut/power l1 @20000",
		"n cut l4 @20000",         "n.end heal/power l1 @30000",
		"n.end heal l4 @30000",    "c.end heal/channel l1 @40000"
	};
	want(parts, 6);
	/* Without a lease it stays, until it is healed; then the lease that was under way is over
	 * too. */
	load_ok("", "  - { id: c, at: 1s, do: partition, target: [n1] }\n"
	            "  - { id: d, at: 2s, do: partition, target: [n1], for: 1s }\n");
	static const char *const stays[] = { "c cut l1 @10000", "c cut l4 @10000" };
	want(stays, 2);
	load_ok("", "  - { id: c, at: 1s, do: cut, target: l1, for: 3s }\n"
	            "  - { id: h, at: 2s, do: heal, target: l1 }\n"
	            "  - { id: e, at: 3s, do: cut, target: l1 }\n");
	static const char *const healed[] = { "c cut l1 @10000", "h heal l1 @20000",
		                              "e cut l1 @30000" };
	want(healed, 3);
	/* A dead end: its links are left out, and so are the ends of those leases. */
	load_ok("", "  - { id: k, at: 500ms, do: kill, target: n2 }\n"
	            "  - { id: p, at: 1s, do: partition, target: [n1], for: 1s }\n"
	            "  - { id: s, at: 1500ms, do: start, target: n2 }\n"
	            "  - { id: c, at: 1600ms, do: cut, target: l1, for: 1s }\n");
	ck_assert_uint_eq(s->n, 6);
	ck_assert_str_eq(show(1), "p cut l4 @10000");
	ck_assert_str_eq(show(4), "p.end heal l4 @20000");
	ck_assert_str_eq(show(5), "c.end heal l1 @26000");
}
END_TEST

START_TEST(channel_targets)
{
	load_ok("", "  - { id: d, at: 1s, do: degrade, target: [n1, n2], with: { delay: 1ms } }\n"
	            "  - { id: f, at: 1s, do: corrupt, target: l1, with: { share: 1%, toward: n2 "
	            "}, for: 1s "
	            "}\n"
	            "  - { id: g, at: 2s, do: partition, target: [[n1, n2], [n3]] }\n");
	static const char *const all[] = { "d degrade l1 @10000", "d degrade l4 @10000",
		                           "d degrade l2 @10000", "f corrupt l1 @10000",
		                           "f.end corrupt l1 @20000", "g cut l2 @20000",
		                           "g cut l3 @20000",      "g cut l4 @20000" };
	want(all, 8);
	ck_assert(s->actions[0].with.delay_s == 1e-3 && isnan(s->actions[0].with.loss));
	ck_assert(!s->actions[0].toward && s->actions[3].toward == 2 && s->actions[4].toward == 2);
	ck_assert(s->actions[4].ends && !s->actions[3].ends);
}
END_TEST

START_TEST(rejoin_rule)
{
	/* kappa 0.75 runs, but a line hosted by one end for a moment does not fit: no heal, no
	 * start. */
	struct err err = ERR_INIT;
	put(mesh_path,
	    "voltloom: 1\nmesh: { name: k, control: droop }\nnodes:\n"
	    "  - { id: n1, feed: { i_rated: 62.5A } }\n  - { id: n2, c_bus: 10mF }\n  - { id: n3, "
	    "c_bus: 50mF }\n"
	    "links:\n  - { id: l1, between: [n1, n2] }\n  - { id: l2, between: [n2, n3] }\n"
	    "  - { id: l3, between: [n2, n3] }\n  - { id: l4, between: [n1, n3] }\n");
	topo_destroy(&t);
	ck_assert_int_eq(topo_load(mesh_path, &l, &t, &err), 0);
	ck_assert_int_eq(load("", "  - { at: 1s, do: cut, target: l1, for: 1s }\n"), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(l.d[0].text, "kappa_join 1 is above 0.95"));
	ck_assert_int_eq(load("", "  - { at: 1s, do: cut, target: l4, for: 1s }\n"), 0);
	ck_assert_int_eq(load("", "  - { at: 1s, do: kill, target: n2 }\n  - { at: 2s, do: start, "
	                          "target: n2 }\n"),
	                 ERR_INPUT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("script");
	TCase *c = tcase_create("timelines");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, steps);
	tcase_add_test(c, port_steps);
	tcase_add_test(c, relative);
	tcase_add_test(c, leases);
	tcase_add_test(c, lease_of_the_dead);
	tcase_add_test(c, targets);
	tcase_add_test(c, again);
	tcase_add_test(c, head);
	tcase_add_test(c, beyond_the_end);
	tcase_add_test(c, topology);
	tcase_add_test(c, cuts_overlap);
	tcase_add_test(c, channel_targets);
	tcase_add_test(c, rejoin_rule);
	suite_add_tcase(suite, c);
	SRunner *r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
