/*
 * The plant against ngspice on the same networks (data/, made by refgen.py; ref1, ref3 and ref9
 * came with their waveforms). Limits are stated accuracy, not what the run before gave.
 *
 * VL_REF_DATA: another folder with the cases; VL_REF_TABLE: file that gets the table of errors.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "refcase.h"

/* mV and A; 0: not limited. Where they come from: docs/models/accuracy.md, "Limits". */
static const struct limit {
	const char *name;
	double step_s;
	double bus_mv, bus_rms_mv, vin_mv, vin_rms_mv, link_a, vo_mv, il_a;
} limits[] = {
	{ "ref1_tri3_loadstep", 1e-4, 1.5, 0.05, 0, 0, 0.2, 0, 0 },
	{ "ref5_tri3_buck48to12", 1e-4, 1.5, 0.05, 0, 0, 0.2, 5, 0.2 },
	{ "ref3_ring8_linkcut", 1e-4, 1.5, 0.05, 0, 0, 0.5, 0, 0 },
	{ "ref9_tri3_dualfed_loadstep", 1e-4, 16, 0.9, 25, 1.5, 0.4, 0, 0 },
	{ "own_phase0", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase1", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase2", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase3", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase4", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase5", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase6", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase7", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase8", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_phase9", 1e-4, 40, 0, 70, 0, 0, 0, 0 },
	{ "own_takeover", 1e-4, 40, 0, 70, 0, 0.5, 0, 0 },
	{ "own_death", 1e-4, 1.5, 0.05, 0, 0, 0.5, 0, 0 },
	{ "own_close", 1e-4, 8, 0.35, 0, 0, 0.4, 0, 0 },
	{ "own_short", 1e-5, 7, 1.7, 0, 0, 0.65, 0, 0 },
	{ "own_blackstart", 1e-4, 1.5, 0.05, 0, 0, 0.2, 0, 0 },
	{ "own_fuse", 1e-5, 110, 6, 0, 0, 1.9, 0, 0 },
	{ "own_rejoin", 1e-4, 64, 2.8, 0, 0, 1.5, 0, 0 },
	{ "own_restart", 1e-4, 31, 2, 0, 0, 0.5, 0, 0 },
	{ "own_grid24", 1e-4, 1.5, 0.05, 0, 0, 0.2, 0, 0 },
	{ "own_conv_boost", 1e-4, 1.5, 0.1, 0, 0, 0.2, 5, 0.2 },
	{ "own_conv_buckboost", 1e-4, 1.5, 0.1, 0, 0, 0.2, 5, 0.2 },
	{ "own_conv_link", 1e-4, 3, 0.15, 0, 0, 0.2, 5, 0.2 },
	{ "own_conv_reverse", 1e-4, 1.5, 0.1, 0, 0, 0.2, 5, 0.2 },
	{ "own_switching_buck", 5e-5, 1.5, 0.3, 0, 0, 0.2, 26, 1.3 },
	{ "own_switching_boost", 5e-5, 1.5, 0.3, 0, 0, 0.2, 28, 1.6 },
	{ "own_supercap", 1e-4, 2, 0.5, 0, 0, 0.2, 10, 0.4 }, /* its firmware acts once a ms */
};
enum { N_LIMITS = sizeof limits / sizeof limits[0] };

static const char *
data_dir(char *buf, size_t size)
{
	const char *dir = getenv("VL_REF_DATA"), *src = getenv("VL_SRC");

	if (dir)
		return dir;
	snprintf(buf, size, "%s/tests/reference/data", src ? src : ".");
	return buf;
}

static struct refcase_result
run(const struct limit *l)
{
	char dir[512];
	struct refcase *r = refcase_read(data_dir(dir, sizeof dir), l->name, l->step_s, 10);
	struct refcase_result res = refcase_run(r, &node_core_ops, &module_core_ops);

	refcase_destroy(&r);
	return res;
}

static void
within(const char *name, const char *what, double value, double limit)
{
	if (limit > 0)
		ck_assert_msg(value <= limit, "%s: %s %.4g is above %.4g", name, what, value,
		              limit);
}

START_TEST(test_against_ngspice)
{
	const struct limit *l = &limits[_i];
	struct refcase_result r = run(l);

	ck_assert_uint_gt(r.bus.n, 300);
	within(l->name, "bus max mV", r.bus.max * 1e3, l->bus_mv);
	within(l->name, "bus rms mV", r.bus.rms * 1e3, l->bus_rms_mv);
	within(l->name, "module input max mV", r.vin.max * 1e3, l->vin_mv);
	within(l->name, "module input rms mV", r.vin.rms * 1e3, l->vin_rms_mv);
	within(l->name, "link max A", r.link.max, l->link_a);
	within(l->name, "converter output max mV", r.vo.max * 1e3, l->vo_mv);
	within(l->name, "inductor max A", r.il.max, l->il_a);
	ck_assert(l->vo_mv <= 0 || r.vo.n > 100);
	ck_assert_msg(r.n_untimely == 0, "%s: %u times a link was not in its state", l->name,
	              r.n_untimely);
}
END_TEST

/* Against a converter that switches, settled: half of the output's ripple (the samples of its
 * control lie anywhere in it), ngspice's own tolerance, and what kp makes of both. */
START_TEST(test_switching_settled)
{
	static const struct {
		const char *name;
		double vo_mv, il_a;
	} cases[] = { { "own_switching_buck", 0.95, 0.014 }, { "own_switching_boost", 3.6, 0.054 } };
	static const double windows_s[][2] = { { 0.007, 0.0079 }, { 0.015, 0.016 } };
	char dir[512];

	for (size_t i = 0; i < 4; i++) {
		struct refcase *r = refcase_read(data_dir(dir, sizeof dir), cases[i / 2].name, 5e-5, 10);
		r->from_s = windows_s[i % 2][0];
		r->to_s = windows_s[i % 2][1];
		struct refcase_result e = refcase_run(r, &node_core_ops, &module_core_ops);
		ck_assert_uint_gt(e.vo.n, 8);
		within(r->name, "settled output mV", e.vo.max * 1e3, cases[i / 2].vo_mv);
		within(r->name, "settled inductor A", e.il.max, cases[i / 2].il_a);
		refcase_destroy(&r);
	}
}
END_TEST

/* A comparison that cannot fail proves nothing: the same cases with one element 2 % off. */
START_TEST(test_planted_errors_are_seen)
{
	char dir[512];
	struct refcase *r = refcase_read(data_dir(dir, sizeof dir), limits[0].name, 1e-4, 10);

	r->topo.links[0].p.r_ohm *= 1.02;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).bus.max, 1.5e-3);
	r->topo.links[0].p.r_ohm /= 1.02;
	r->topo.nodes[1].p.load_w.p[1].at_ns += r->topo.step_ns;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).bus.max, 1.5e-3);
	refcase_destroy(&r);
}
END_TEST

/* At T = 100 us a bolted short is faster than the line. What is claimed there: the same fuses open,
 * the buses end at the same voltages, the fault burns the same energy. */
START_TEST(test_fuses_at_a_coarse_step)
{
	char dir[512];
	const double steps_s[] = { 1e-5, 1e-4 };
	double fault_j[2];

	for (int i = 0; i < 2; i++) {
		struct refcase *r =
			refcase_read(data_dir(dir, sizeof dir), "own_fuse", steps_s[i], 10);
		struct solver_loop *l = NULL;
		struct err err = ERR_INIT;
		ck_assert_int_eq(
			solver_loop_create(&r->topo, &node_core_ops, &module_core_ops, &l, &err),
			0);
		refcase_script(r, l);
		while (solver_loop_k(l) < (int64_t)(r->tend_s / steps_s[i] + 0.5))
			solver_loop_step(l);
		for (uint32_t n = 0; n < r->topo.n_nodes; n++)
			ck_assert_double_eq_tol(solver_loop_get(l, n, "v"),
			                        refcase_cell(r, r->n_rows - 1, 1 + n), 0.02);
		ck_assert_double_eq(solver_loop_get(l, 0, "link.l0.state"), 0);
		ck_assert_double_eq(solver_loop_get(l, 1, "link.l1.state"), 0);
		ck_assert_double_eq(solver_loop_get(l, 2, "link.l2.state"), 2);
		fault_j[i] = solver_loop_get(l, 1, "fault_j");
		solver_loop_destroy(&l);
		refcase_destroy(&r);
	}
	/* Of the first 30 us, in which the links still feed it, 100 us know nothing. */
	ck_assert_double_eq_tol(fault_j[1], fault_j[0], 0.02 * fault_j[0]);
}
END_TEST

/* The same for converters: a controller 5 % off, and a set-point 2 % off. */
START_TEST(test_planted_errors_in_converters_are_seen)
{
	char dir[512];
	struct refcase *r =
		refcase_read(data_dir(dir, sizeof dir), "ref5_tri3_buck48to12", 1e-4, 10);

	r->topo.nodes[1].p.conv.kp *= 0.95;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).vo.max, 5e-3);
	refcase_destroy(&r);
	r = refcase_read(data_dir(dir, sizeof dir), "own_conv_link", 1e-4, 10);
	r->topo.links[0].conv.power_w.p[1].level *= 1.02;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).il.max, 0.2);
	refcase_destroy(&r);
	r = refcase_read(data_dir(dir, sizeof dir), "own_supercap", 1e-4, 10);
	r->topo.nodes[1].p.store.smooth_s *= 1.1;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).bus.max, 2e-3);
	r->topo.nodes[1].p.store.smooth_s /= 1.1;
	r->topo.nodes[1].p.store.c_f *= 1.02;
	ck_assert_double_gt(refcase_run(r, &node_core_ops, &module_core_ops).vo.max, 10e-3);
	refcase_destroy(&r);
}
END_TEST

/* The line model's error falls with the step. */
START_TEST(test_error_falls_with_the_step)
{
	struct limit fine = { .name = "ref1_tri3_loadstep", .step_s = 2e-5 };
	double coarse_rms = run(&limits[0]).bus.rms, fine_rms = run(&fine).bus.rms;

	ck_assert_double_lt(fine_rms, 0.5 * coarse_rms);
}
END_TEST

static int
write_table(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f) {
		perror(path);
		return EXIT_FAILURE;
	}
	fprintf(f, "| case | T us | bus max mV | bus rms mV | module input max mV | rms mV | link "
	           "max A |"
	           " module current max A | converter output max mV | inductor max A |\n"
	           "|---|---|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < N_LIMITS; i++) {
		struct refcase_result r = run(&limits[i]);
		fprintf(f, "| %s | %.0f | %.3f | %.4f | ", limits[i].name, limits[i].step_s * 1e6,
		        r.bus.max * 1e3, r.bus.rms * 1e3);
		if (r.vin.n)
			fprintf(f, "%.2f | %.3f", r.vin.max * 1e3, r.vin.rms * 1e3);
		else
			fprintf(f, "- | -");
		fprintf(f, " | %.3f | ", r.link.max);
		if (r.iin.n)
			fprintf(f, "%.3f | ", r.iin.max);
		else
			fprintf(f, "- | ");
		if (r.vo.n)
			fprintf(f, "%.3f | %.3f |\n", r.vo.max * 1e3, r.il.max);
		else
			fprintf(f, "- | - |\n");
	}
	return fclose(f) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(void)
{
	const char *table = getenv("VL_REF_TABLE");

	if (table)
		return write_table(table);
	Suite *s = suite_create("reference");
	TCase *tc = tcase_create("ngspice");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_against_ngspice, 0, N_LIMITS);
	tcase_add_test(tc, test_switching_settled);
	tcase_add_test(tc, test_planted_errors_are_seen);
	tcase_add_test(tc, test_planted_errors_in_converters_are_seen);
	tcase_add_test(tc, test_error_falls_with_the_step);
	tcase_add_test(tc, test_fuses_at_a_coarse_step);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
