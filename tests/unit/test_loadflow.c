/*
 * Static load flow: against closed forms, against the settled ends of ngspice runs, and the
 * factoring against plain elimination.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "loadflow.h"
#include "skyline.h"

static struct topo *t;
static struct loadflow *l;
static struct loadflow_verdict w;

static void
setup(void)
{
	t = NULL;
	l = NULL;
}

static void
teardown(void)
{
	loadflow_destroy(&l);
	topo_destroy(&t);
}

static void
load_file(const char *path)
{
	struct diag_list d;
	struct err err = ERR_INIT;
	diag_list_init(&d);
	loadflow_destroy(&l);
	topo_destroy(&t);
	ck_assert_msg(topo_load(path, &d, &t, &err) == 0, "%s: %s", err.text,
	              d.n ? d.d[0].text : "");
	diag_list_free(&d);
	ck_assert_int_eq(loadflow_create(t, &l, &err), 0);
}

static void
load_text(const char *text)
{
	char path[512];
	const char *tmp = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/vl-flow-XXXXXX", tmp ? tmp : "/tmp");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	load_file(path);
	unlink(path);
}

#define HEAD "voltloom: 1\nmesh: { control: none }\n"

START_TEST(one_feed_one_load)
{
	/* v^2 - V0 v + R P = 0 behind R = droop + cable; the higher root. */
	static const double power[] = { 1, 100, 1000, 3000 };
	for (size_t i = 0; i < 4; i++) {
		char text[400];
		snprintf(
			text, sizeof text,
			HEAD
			"nodes:\n  - { id: a, feed: { v0: 48.5V, droop: 10mOhm, i_rated: 100A } }\n"
			"  - { id: b, load: [[0s, %gW, 0s]] }\nlinks: [ { between: [a, b], r: "
		        "30mOhm } ]\n",
			power[i]);
		load_text(text);
		loadflow_solve(l, LOADFLOW_BASE, 0, &w);
		double v = (48.5 + sqrt(48.5 * 48.5 - 4 * 0.04 * power[i])) / 2;
		ck_assert(l->solved && w.problem == LOADFLOW_OK);
		ck_assert_double_eq_tol(l->v_v[1], v, 1e-8);
		ck_assert_double_eq_tol(l->feed_a[0], power[i] / v, 1e-6);
		ck_assert_double_eq_tol(l->link_a[0], power[i] / v, 1e-6);
	}
}
END_TEST

START_TEST(collapse)
{
	/* More than V0^2/(4 R) = 48.5^2/0.16 = 14.7 kW cannot be transferred at any voltage. */
	load_text(HEAD "nodes:\n  - { id: a, feed: { v0: 48.5V, droop: 10mOhm, i_rated: 1kA } }\n"
	               "  - { id: b, load: [[0s, 16kW, 0s]] }\nlinks: [ { between: [a, b], r: "
	               "30mOhm, fuse: none } ]\n");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert(w.problem == LOADFLOW_LOW || w.problem == LOADFLOW_NO_SOLUTION);
	/* Below 36 V the load is a resistor of 36^2/P: a divider. */
	double g = 16000 / 1296.0;
	ck_assert_double_eq_tol(l->v_v[1], 48.5 / (1 + 0.04 * g), 1e-6);
}
END_TEST

START_TEST(clipped_feed)
{
	/* The weaker feed gives its limit and not more, the other one the rest. */
	load_text(HEAD "nodes:\n  - { id: a, feed: { v0: 48V, droop: 10mOhm, i_rated: 200A } }\n"
	               "  - { id: b, feed: { v0: 50V, droop: 1mOhm, i_rated: 8A, i_max: 10A }, "
	               "load: [[0s, 2kW, 0s]] }\n"
	               "links: [ { between: [a, b], r: 10mOhm } ]\n");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert(l->solved);
	ck_assert_double_eq_tol(l->feed_a[1], 10, 1e-9);
	double v = l->v_v[1];
	ck_assert_double_eq_tol((48 - v) / 0.02 + 10, 2000 / v, 1e-6);
	ck_assert(w.problem == LOADFLOW_OVERLOAD && w.at == 1); /* 10 A of 8 A */
	ck_assert_double_eq_tol(w.value, 1.25, 1e-9);
}
END_TEST

START_TEST(oring)
{
	/* Two buses held by stiff feeds: the module takes from the higher one only, until its input
	 * has sunk to the lower one. 50 mOhm, 48.2 V and 48.0 V: with P both conduct when P > 48.0
	 * x 0.2/0.05 = 192 W. */
	const char *mesh =
		HEAD "nodes:\n  - { id: a, feed: { v0: 48.2V, droop: 0.1mOhm, i_rated: 1kA } }\n"
		     "  - { id: b, feed: { v0: 48V, droop: 0.1mOhm, i_rated: 1kA } }\n"
		     "modules: [ { id: m, class: fixed, power: %gW, feeds: [b, a] } ]\n";
	char text[500];
	snprintf(text, sizeof text, mesh, 150.0);
	load_text(text);
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert_double_eq(l->port_a[0], 0);
	ck_assert_double_eq_tol(l->port_a[1], 150 / l->module_v[0], 1e-6);
	snprintf(text, sizeof text, mesh, 600.0);
	load_text(text);
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	double u = l->module_v[0];
	ck_assert_double_eq_tol(l->port_a[0] + l->port_a[1], 600 / u, 1e-6);
	ck_assert_double_eq_tol(l->port_a[0], (l->v_v[1] - u) / 0.05, 1e-9);
	ck_assert(l->port_a[0] > 1 && l->port_a[1] > l->port_a[0] + 3.9);
	/* One input dies: the other carries all of it; a single feed left is still carried. */
	loadflow_solve(l, LOADFLOW_NODE, 0, &w);
	ck_assert_double_eq(l->port_a[1], 0);
	ck_assert_double_eq_tol(l->port_a[0], 600 / l->module_v[0], 1e-6);
	ck_assert_int_eq(w.problem, LOADFLOW_OK);
	ck_assert(isnan(l->v_v[0]));
}
END_TEST

START_TEST(resistive)
{
	/* A divider of droop, port and load: 48 V over 10 + 50 mOhm + 4 Ohm. */
	load_text(HEAD "nodes: [ { id: a, feed: { v0: 48V, droop: 10mOhm, i_rated: 20A } } ]\n"
	               "modules: [ { id: m, class: resistive, resistance: 4Ohm, feeds: [a] } ]\n");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert_double_eq_tol(l->port_a[0], 48 / 4.06, 1e-9);
	ck_assert_double_eq_tol(l->module_v[0], 48 / 4.06 * 4, 1e-9);
}
END_TEST

/* A converter between two stiff buses carries its power, up or down, either way; what leaves one
 * bus and arrives at the other are the closed forms of docs/models/converter.md. */
START_TEST(link_converter)
{
	static const double va[] = { 48.4, 47.6 }, powers[] = { 500, -500, 1500, 0 };
	for (int c = 0; c < 8; c++) {
		double a = va[c % 2], p = powers[c / 2];
		char text[900];
		snprintf(text, sizeof text,
		         HEAD "nodes:\n"
		              "  - { id: a, feed: { v0: %gV, droop: 0.1mOhm, i_rated: 1kA }, load: "
		              "[[0s, 2kW, 0s]] }\n"
		              "  - { id: b, feed: { v0: 48V, droop: 0.1mOhm, i_rated: 1kA }, load: "
		              "[[0s, 2kW, 0s]] }\n"
		              "links: [ { between: [b, a], converter: { at: a, power: [[0s, %gW, "
		              "0s]] } } ]\n",
		         a, -p);
		load_text(text);
		loadflow_solve(l, LOADFLOW_BASE, 0, &w);
		ck_assert(l->solved && w.problem == LOADFLOW_OK);
		double vin = l->v_v[0], vf = l->v_v[1], r = t->links[0].p.r_ohm;
		/* R i^2 + v_f i = P */
		double i = r > 0 ? (-vf + sqrt(vf * vf + 4 * r * p)) / (2 * r) : p / vf;
		double vo = vf + r * i, rc = 16e-3, il = i;
		if (vo + rc * i > vin)
			il = (vin - sqrt(vin * vin - 4 * rc * p)) / (2 * rc);
		double v_sw = vo + rc * il > vin ? fmax(vo, vin) : vin;
		double in = p + rc * il * il + 11 +
		            vin * 200e3 * (22e-9 * fabs(il) + 0.5 * 4e-9 * v_sw);
		ck_assert_double_eq_tol(l->link_a[0], -i, 1e-6); /* b is end a */
		ck_assert_double_eq_tol(l->conv[0].out_v, vo, 1e-9);
		ck_assert_double_eq_tol(l->conv[0].inductor_a, il, 1e-6);
		ck_assert_double_eq_tol(l->conv[0].in_w, in, 1e-6);
		ck_assert_double_eq_tol(l->feed_a[0], (2000 + in) / vin, 1e-6);
		ck_assert_double_eq_tol(l->feed_a[1], 2000 / vf - i, 1e-6);
		ck_assert(!l->conv[0].limited);
		/* Without the link, its converter still idles. */
		loadflow_solve(l, LOADFLOW_LINK, 0, &w);
		ck_assert_double_eq(l->link_a[0], 0);
		ck_assert_double_gt(l->conv[0].in_w, 11);
	}
	/* 60 A are all that it gives. */
	load_text(HEAD "nodes:\n  - { id: a, feed: { v0: 49V, droop: 0.1mOhm, i_rated: 1kA } }\n"
	               "  - { id: b, feed: { v0: 47V, droop: 0.1mOhm, i_rated: 1kA }, load: [[0s, "
	               "9kW, 0s]] }\nlinks: [ { between: [a, b], fuse: none, converter: { at: a, "
	               "power: [[0s, 8kW, 0s]] } } ]\n");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert(l->solved && l->conv[0].limited);
	ck_assert_double_eq_tol(l->link_a[0], t->links[0].conv.conv.i_lim_a, 1e-9);
}
END_TEST

START_TEST(verdicts)
{
	char text[200];
	load_text(HEAD
	          "nodes:\n  - { id: a, feed: { i_rated: 50A } }\n  - { id: b }\n"
	          "  - { id: c, load: [[0s, 100W, 0s]] }\n"
	          "links: [ { id: ab, between: [a, b] }, { id: bc, between: [b, c], fuse: 1A } ]\n"
	          "modules: [ { id: m, class: fixed, power: 10W, feeds: [b] } ]\n");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	ck_assert(w.problem == LOADFLOW_FUSE && w.at == 1); /* 2 A over a fuse of 1 A */
	ck_assert_str_eq(loadflow_text(l, &w, text, sizeof text),
	                 "link bc carries 2.1 A, its fuse is 1 A");
	loadflow_solve(l, LOADFLOW_NODE, 2, &w);
	ck_assert_int_eq(w.problem, LOADFLOW_OK); /* takes its load with it */
	loadflow_solve(l, LOADFLOW_LINK, 1, &w);
	ck_assert(w.problem == LOADFLOW_DARK && w.at == 2);
	loadflow_solve(l, LOADFLOW_FEED, 0, &w);
	ck_assert_int_eq(w.problem, LOADFLOW_DARK);
	loadflow_solve(l, LOADFLOW_NODE, 1, &w);
	ck_assert_int_eq(w.problem, LOADFLOW_DARK);
	load_text(HEAD "nodes: [ { id: a, feed: { i_rated: 50A } }, { id: b } ]\nlinks: [ { "
	               "between: [a, b] } ]\n"
	               "modules: [ { id: m, class: fixed, power: 10W, feeds: [b] } ]\n");
	loadflow_solve(l, LOADFLOW_NODE, 1, &w);
	ck_assert_int_eq(w.problem, LOADFLOW_MODULE_DARK);
	ck_assert_str_eq(loadflow_text(l, &w, text, sizeof text), "module m loses its only input");
}
END_TEST

/* Value of a column of a waveform file, `back` rows of 1 ms before its end. */
static double
value(const char *file, const char *name, int back)
{
	enum { ROWS = 2000 };
	static char rows[ROWS][400];
	char path[4300], head[400];
	const char *src = getenv("VL_SRC");
	int n = 0;
	snprintf(path, sizeof path, "%s/tests/reference/data/%s.csv", src ? src : ".", file);
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	ck_assert_ptr_nonnull(fgets(head, sizeof head, f));
	while (n < ROWS && fgets(rows[n], sizeof rows[n], f))
		n++;
	fclose(f);
	ck_assert_int_gt(n, back);
	char *h = head, *r = rows[n - 1 - back], *a, *b;
	while ((a = strsep(&h, ",\n")) && (b = strsep(&r, ",\n")))
		if (!strcmp(a, name))
			return atof(b);
	ck_abort_msg("%s: no column %s", file, name);
	return NAN;
}

/*
 * Where the last 100 ms tend to: three samples 50 ms apart of what is left, one decaying
 * exponential (the supercapacitors recharging, some 30 to 100 ms), extrapolated to its limit.
 */
static double
settled(const char *file, const char *name)
{
	double a = value(file, name, 100), b = value(file, name, 50), c = value(file, name, 0);
	double curve = c - 2 * b + a;
	return fabs(curve) < 1e-6 ? c : c - (c - b) * (c - b) / curve;
}

static void
load_reference(const char *name)
{
	char path[4300];
	const char *src = getenv("VL_SRC");
	snprintf(path, sizeof path, "%s/tests/reference/%s.yaml", src ? src : ".", name);
	load_file(path);
}

START_TEST(ngspice_ref1)
{
	load_reference("ref1_tri3_loadstep");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	char name[60];
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "v%d", i);
		ck_assert_double_eq_tol(l->v_v[i], settled("ref1_tri3_loadstep", name), 1e-4);
		snprintf(name, sizeof name, "i%d", i);
		ck_assert_double_eq_tol(l->link_a[i], settled("ref1_tri3_loadstep", name), 5e-3);
	}
	ck_assert_double_eq_tol(l->feed_a[0], settled("ref1_tri3_loadstep", "ifeed0"), 5e-3);
	ck_assert_double_eq_tol(l->feed_a[2], settled("ref1_tri3_loadstep", "ifeed2"), 5e-3);
}
END_TEST

START_TEST(ngspice_ref3)
{
	/* Link 0 is cut 0.2 s before the end; it would move buses by up to 60 mV. */
	load_reference("ref3_ring8_linkcut");
	loadflow_solve(l, LOADFLOW_LINK, 0, &w);
	char name[60];
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "v%d", i);
		ck_assert_double_eq_tol(l->v_v[i], settled("ref3_ring8_linkcut", name), 3e-3);
	}
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof name, "i%d", i);
		ck_assert_double_eq_tol(l->link_a[i], settled("ref3_ring8_linkcut", name), 0.1);
	}
	ck_assert_double_eq(l->link_a[0], 0);
}
END_TEST

START_TEST(ngspice_ref9)
{
	/* Only 50 ms after the last step: the supercapacitors still give some ampere. */
	load_reference("ref9_tri3_dualfed_loadstep");
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	char name[60];
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "vin%zu", i);
		ck_assert_double_eq_tol(l->module_v[i],
		                        value("ref9_tri3_dualfed_loadstep", name, 0), 0.03);
		for (size_t j = 0; j < t->modules[i].n_feeds; j++) {
			snprintf(name, sizeof name, "iin%zu_%zu", i, j);
			ck_assert_double_eq_tol(l->port_a[t->modules[i].ports[j]],
			                        value("ref9_tri3_dualfed_loadstep", name, 0), 0.12);
		}
	}
}
END_TEST

START_TEST(balance)
{
	/* Whatever is lost, in every shipped mesh with modules: the currents of each live bus add
	 * up to nothing. */
	static const char *const names[] = { "rack8", "grid24" };
	for (size_t m = 0; m < 2; m++) {
		char path[4300];
		const char *src = getenv("VL_SRC");
		snprintf(path, sizeof path, "%s/topologies/%s.yaml", src ? src : ".", names[m]);
		load_file(path);
		for (uint32_t k = 0; k < t->n_nodes + t->n_links; k++) {
			bool node = k < t->n_nodes;
			loadflow_solve(l, node ? LOADFLOW_NODE : LOADFLOW_LINK,
			               node ? k : k - (uint32_t)t->n_nodes, &w);
			ck_assert(l->solved);
			ck_assert_int_eq(w.problem, LOADFLOW_OK); /* rated for any single failure */
			for (size_t i = 0; i < t->n_nodes; i++) {
				if (isnan(l->v_v[i]))
					continue;
				double sum = l->feed_a[i] - l->load_w[i] / l->v_v[i];
				for (size_t j = 0; j < t->n_links; j++)
					sum += t->links[j].b == i   ? l->link_a[j]
					       : t->links[j].a == i ? -l->link_a[j]
					                            : 0;
				for (size_t j = 0; j < t->n_ports; j++)
					sum -= t->ports[j].node == i ? l->port_a[j] : 0;
				ck_assert_double_eq_tol(sum, 0, 1e-6);
			}
		}
	}
}
END_TEST

/* Numbers that look random and are the same everywhere. */
static double
next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (double)(*state >> 8) / (1 << 24);
}

START_TEST(skyline)
{
	enum { N = 30, EDGES = 60 };
	uint32_t seed = 1, edges[EDGES][2];
	for (int round = 0; round < 20; round++) {
		double a[N][N + 1] = { { 0 } }, x[N];
		struct skyline *s = NULL;
		struct err err = ERR_INIT;
		for (int e = 0; e < EDGES; e++)
			do {
				edges[e][0] = (uint32_t)(next(&seed) * N);
				edges[e][1] = (uint32_t)(next(&seed) * N);
			} while (edges[e][0] == edges[e][1]);
		ck_assert_int_eq(skyline_create(N, edges, EDGES, &s, &err), 0);
		skyline_clear(s);
		for (int e = 0; e < EDGES; e++) {
			uint32_t i = edges[e][0], j = edges[e][1];
			double g = 0.1 + next(&seed);
			skyline_add(s, i, i, g), skyline_add(s, j, j, g), skyline_add(s, i, j, -g);
			a[i][i] += g, a[j][j] += g, a[i][j] -= g, a[j][i] -= g;
		}
		for (uint32_t i = 0; i < N; i++) {
			skyline_add(s, i, i, 0.5);
			a[i][i] += 0.5;
			x[i] = a[i][N] = next(&seed) - 0.5;
		}
		ck_assert(skyline_factor(s));
		skyline_solve(s, x);
		for (int i = 0; i < N; i++)
			for (int k = 0; k < N; k++) {
				double f = k == i ? 0 : a[k][i] / a[i][i];
				for (int j = i; f != 0 && j <= N; j++)
					a[k][j] -= f * a[i][j];
			}
		for (int i = 0; i < N; i++)
			ck_assert_double_eq_tol(x[i], a[i][N] / a[i][i], 1e-12);
		skyline_clear(s);
		for (uint32_t i = 0; i < N; i++)
			skyline_add(s, i, i, i == 7 ? -1 : 1);
		ck_assert(!skyline_factor(s));
		skyline_destroy(&s);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loadflow");
	TCase *c = tcase_create("load flow");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_feed_one_load);
	tcase_add_test(c, collapse);
	tcase_add_test(c, clipped_feed);
	tcase_add_test(c, oring);
	tcase_add_test(c, resistive);
	tcase_add_test(c, link_converter);
	tcase_add_test(c, verdicts);
	tcase_add_test(c, ngspice_ref1);
	tcase_add_test(c, ngspice_ref3);
	tcase_add_test(c, ngspice_ref9);
	tcase_add_test(c, balance);
	tcase_add_test(c, skyline);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
