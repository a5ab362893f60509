/*
 * Self-calibration on currents that are made up but obey Kirchhoff: against the truth, against the
 * least squares of the whole island solved at once by LAPACK, and where nothing can be known.
 */
#include "nodes/node_calib.h"

#include <check.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

enum { NODES_MAX = 8, LINKS_MAX = 12, TERM_MAX = 8, PERIODS = 50, ALL_MAX = 64 };

/* Terminals of a node: feed (if it has one), two loads, links. */
struct net {
	size_t n, n_links;
	size_t end[LINKS_MAX][2];      /* nodes */
	size_t end_term[LINKS_MAX][2]; /* terminal there */
	size_t end_link[LINKS_MAX][2]; /* number of the link there */
	bool feed[NODES_MAX], open[LINKS_MAX];
	size_t terms[NODES_MAX], links[NODES_MAX];
	double g[NODES_MAX][TERM_MAX];
	double i[NODES_MAX][TERM_MAX]; /* true, out of the bus */
	double noise_a, offset_a, off[NODES_MAX][TERM_MAX];
	struct node_calib *c[NODES_MAX];
	int64_t k;
	struct rng rng;
};

static struct net net;

static void
teardown(void)
{
	for (size_t i = 0; i < net.n; i++)
		node_calib_destroy(&net.c[i]);
}

/* A ring of n nodes with a chord, feeds at every third. */
static void
make(size_t n, double noise_a, double offset_a, double keep, double excited)
{
	size_t of_link[NODES_MAX][TERM_MAX];
	const bool on_bus[TERM_MAX] = { true, true, true, true, true, true, true, true };
	struct err err = ERR_INIT;

	memset(&net, 0, sizeof net);
	net.n = n;
	net.noise_a = noise_a;
	net.offset_a = offset_a;
	rng_init(&net.rng, 3, "net", 1, RNG_SENSOR_NOISE, 0);
	for (size_t i = 0; i < n; i++) {
		net.feed[i] = i % 3 == 0;
		net.terms[i] = 2 + net.feed[i];
	}
	for (size_t l = 0; l < (n > 2 ? n : 1) + (n > 3); l++) {
		net.end[l][0] = l < n ? l : 0;
		net.end[l][1] = l < n ? (l + 1) % n : n / 2;
		for (int e = 0; e < 2; e++) {
			size_t i = net.end[l][e];
			of_link[i][net.links[i]] = net.end_term[l][e] = net.terms[i]++;
			net.end_link[l][e] = net.links[i]++;
		}
		net.n_links++;
	}
	for (size_t i = 0; i < n; i++) {
		struct calib_params p = {
			.n = net.terms[i],
			.n_links = net.links[i],
			.on_bus = on_bus,
			.terminal_of_link = of_link[i],
			.feed = net.feed[i] ? 0 : net.terms[i],
			.c_bus_f = 20e-3,
			.i_gain = 0.01,
			.i_offset_a = offset_a,
			.i_noise_a = noise_a,
			.refresh_s = 1e-3,
			.tc_s = 1e-3,
			.period_k = 10,
			.excited = excited,
			.keep = keep,
		};
		ck_assert_int_eq(node_calib_create(&p, &net.c[i], &err), 0);
		for (size_t t = 0; t < net.terms[i]; t++) {
			net.g[i][t] = 1 + 0.01 * rng_sym(&net.rng);
			net.off[i][t] = offset_a * rng_sym(&net.rng);
		}
	}
}

/* Currents of the links and the first load are free; the last terminal of a node without feed, its
 * second load, or the feed, closes the sum. */
static void
draw(double mean_a, double swing_a)
{
	for (size_t l = 0; l < net.n_links; l++) {
		double a = net.open[l] ? 0 : mean_a / 2 + swing_a * rng_sym(&net.rng);
		net.i[net.end[l][0]][net.end_term[l][0]] = a;
		net.i[net.end[l][1]][net.end_term[l][1]] = -a;
	}
	for (size_t i = 0; i < net.n; i++) {
		size_t free = net.feed[i] ? 2 : 1, first = net.feed[i];
		double sum = 0;
		for (size_t t = first; t < first + free; t++)
			net.i[i][t] = mean_a + swing_a * rng_sym(&net.rng);
		size_t last = net.feed[i] ? 0 : 1;
		for (size_t t = 0; t < net.terms[i]; t++)
			sum += t == last ? 0 : net.i[i][t];
		net.i[i][last] = -sum;
	}
}

static void
exchange(void)
{
	for (size_t l = 0; l < net.n_links; l++) {
		struct calib_word w[2];
		if (net.open[l])
			continue;
		for (int e = 0; e < 2; e++)
			node_calib_say(net.c[net.end[l][e]], net.end_link[l][e], &w[e]);
		for (int e = 0; e < 2; e++)
			node_calib_hear(net.c[net.end[l][e]], net.end_link[l][e], &w[!e]);
	}
	for (size_t i = 0; i < net.n; i++)
		node_calib_agree(net.c[i]);
}

/* One window with these currents. */
static void
window(void)
{
	for (int p = 0; p < PERIODS; p++) {
		net.k += 10;
		for (size_t i = 0; i < net.n; i++) {
			double r[TERM_MAX];
			for (size_t t = 0; t < net.terms[i]; t++)
				r[t] = net.g[i][t] * net.i[i][t] + net.off[i][t] +
				       net.noise_a * rng_normal(&net.rng);
			node_calib_period(net.c[i], net.k, r, 0);
		}
		exchange();
	}
}

/* Exchanges until nothing moves any more. */
static void
settle(void)
{
	for (int i = 0; i < 20000; i++)
		exchange();
}

/* Mean of 1/g over the island: the nodes with in[i]. */
static double
mean_factor(const bool *in, bool estimated)
{
	double sum = 0, n = 0;

	for (size_t i = 0; i < net.n; i++)
		for (size_t t = 0; t < net.terms[i] && in[i]; t++) {
			sum += estimated ? node_calib_factor(net.c[i], t) : 1 / net.g[i][t];
			n++;
		}
	return sum / n;
}

/* Largest error of g (1 + e), up to the common factor of the island. */
static double
worst(const bool *in)
{
	double q = mean_factor(in, false), w = 0;

	for (size_t i = 0; i < net.n; i++)
		for (size_t t = 0; t < net.terms[i] && in[i]; t++)
			w = fmax(w, fabs(net.g[i][t] * node_calib_factor(net.c[i], t) * q - 1));
	return w;
}

static const bool everybody[NODES_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1 };

START_TEST(finds_the_gains)
{
	/* 10 mA of noise per reading and 10 A of swing for 30 s; offsets too. */
	make(8, 0.01, _i ? 0.125 : 0, CALIB_KEEP, CALIB_EXCITED);
	ck_assert_double_ge(worst(everybody), 5e-3); /* as built */
	for (int w = 0; w < 600; w++) {
		draw(5, 10);
		window();
	}
	ck_assert_double_le(worst(everybody), 3e-4);
	settle();
	ck_assert_double_eq_tol(mean_factor(everybody, true), 1, 1e-9);
	for (size_t i = 0; i < net.n; i++) {
		struct calib_report r;
		node_calib_report(net.c[i], &r);
		ck_assert_uint_eq(r.rank, net.terms[i] - 1);
		ck_assert_uint_eq(r.unknowns, net.terms[i] - 1);
		ck_assert(r.observable);
		ck_assert_double_le(r.sigma, 5e-4);
		ck_assert_uint_eq(r.odd, 0);
	}
}
END_TEST

/* All rows of an island, scaled by their sigma, for LAPACK. */
static double rows[20000][ALL_MAX], rhs[20000];
static size_t n_rows, first_of[NODES_MAX], unknowns;

static void
row(void)
{
	memset(rows[n_rows], 0, sizeof rows[0]);
	rhs[n_rows++] = 0;
	ck_assert_uint_lt(n_rows, 19000);
}

START_TEST(is_the_least_squares_of_the_island)
{
	/* No forgetting, every window used, no offsets: what the nodes agree on is the one solution
	 * of (1)-(3) over the whole island, which LAPACK finds from all readings at once. No noise
	 * in the readings of this test beyond what gains do: the equations have a residual anyway,
	 * since gains of opposite ends are only nearly antisymmetric. */
	const double prior = 0.01 / sqrt(3), i_noise = 1.0;
	make(5, i_noise, 0, 1, 0);
	net.noise_a = 0;
	n_rows = unknowns = 0;
	for (size_t i = 0; i < net.n; i++) {
		first_of[i] = unknowns;
		unknowns += net.terms[i];
	}
	double i_w = i_noise / sqrt(PERIODS), model = 2e-3;
	for (int w = 0; w < 40; w++) {
		draw(5, 3);
		window();
		for (size_t i = 0; i < net.n; i++) {
			double total = 0,
			       s = sqrt((double)net.terms[i] * i_w * i_w + model * model);
			for (size_t t = 0; t < net.terms[i]; t++)
				total += net.g[i][t] * net.i[i][t];
			row();
			for (size_t t = 0; t < net.terms[i]; t++)
				rows[n_rows - 1][first_of[i] + t] =
					(net.g[i][t] * net.i[i][t] - total / (double)net.terms[i]) /
					s;
			rhs[n_rows - 1] = -total / s;
		}
		for (size_t l = 0; l < net.n_links; l++) {
			double r[2], s = sqrt(2 * i_w * i_w + model * model);
			size_t at[2];
			for (int e = 0; e < 2; e++) {
				size_t i = net.end[l][e], t = net.end_term[l][e];
				r[e] = net.g[i][t] * net.i[i][t];
				at[e] = first_of[i] + t;
			}
			/* The first window of a link is not a whole one. */
			if (w < 1)
				continue;
			row();
			rows[n_rows - 1][at[0]] = (r[0] - r[1]) / 2 / s;
			rows[n_rows - 1][at[1]] = -(r[0] - r[1]) / 2 / s;
			rhs[n_rows - 1] = -(r[0] + r[1]) / s;
		}
	}
	for (size_t u = 0; u < unknowns; u++) {
		row();
		rows[n_rows - 1][u] = 1 / prior;
	}
	settle();
	ck_assert_int_eq(LAPACKE_dgels(LAPACK_ROW_MAJOR, 'N', (int)n_rows, (int)unknowns, 1,
	                               rows[0], ALL_MAX, rhs, 1),
	                 0);
	for (size_t i = 0; i < net.n; i++)
		for (size_t t = 0; t < net.terms[i]; t++)
			ck_assert_double_eq_tol(node_calib_factor(net.c[i], t) - 1,
			                        rhs[first_of[i] + t], 2e-8);
}
END_TEST

START_TEST(not_observable)
{
	/* Constant currents: one equation per bus. Currents in fixed proportions: no more than
	 * that. The rank says so, and no factor leaves what the tolerance allows. */
	make(6, 0.07, 0.125, CALIB_KEEP, CALIB_EXCITED);
	draw(5, 10);
	double fixed[NODES_MAX][TERM_MAX];
	memcpy(fixed, net.i, sizeof fixed);
	for (int w = 0; w < 400; w++) {
		double a = _i ? 0.5 + rng_unit(&net.rng) : 1;
		for (size_t i = 0; i < net.n; i++)
			for (size_t t = 0; t < net.terms[i]; t++)
				net.i[i][t] = a * fixed[i][t];
		window();
	}
	for (size_t i = 0; i < net.n; i++) {
		struct calib_report r;
		node_calib_report(net.c[i], &r);
		ck_assert_uint_le(r.rank, 1);
		ck_assert(!r.observable);
		ck_assert_double_ge(r.sigma, 1e-3);
		for (size_t t = 0; t < net.terms[i]; t++)
			ck_assert_double_eq_tol(node_calib_factor(net.c[i], t), 1, 0.02);
	}
}
END_TEST

START_TEST(quiet_forgets_nothing)
{
	/* After calibration a night without any current that changes, long against the memory: same
	 * rank, same factors within what noise does. */
	struct calib_report before, after;
	make(4, 0.07, 0, CALIB_KEEP, CALIB_EXCITED);
	for (int w = 0; w < 300; w++) {
		draw(5, 10);
		window();
	}
	double was = worst(everybody);
	node_calib_report(net.c[0], &before);
	memset(net.i, 0, sizeof net.i);
	for (int w = 0; w < 5000; w++)
		window();
	node_calib_report(net.c[0], &after);
	ck_assert_double_le(worst(everybody), was + 1e-5);
	ck_assert_uint_eq(after.rank, before.rank);
	ck_assert_uint_eq(after.used, before.used);
	ck_assert_uint_ge(after.idle, 5000);
}
END_TEST

START_TEST(islands)
{
	/* The ring falls apart into two islands: each has mean(1/g) = 1 of its own, and gets there
	 * by itself; together again there is one mean. */
	static const bool left[NODES_MAX] = { 1, 1, 1, 0, 0, 0 },
			  right[NODES_MAX] = { 0, 0, 0, 1, 1, 1 };
	make(6, 0.02, 0, CALIB_KEEP, CALIB_EXCITED);
	for (int w = 0; w < 200; w++) {
		draw(5, 10);
		window();
	}
	double l0 = mean_factor(left, true), r0 = mean_factor(right, true);
	ck_assert_double_ge(fabs(l0 - r0), 1e-4);
	ck_assert_double_eq_tol((l0 * 10 + r0 * 10) / 20, 1, 1e-3);
	for (size_t l = 0; l < net.n_links; l++) {
		bool a = left[net.end[l][0]], b = left[net.end[l][1]];
		net.open[l] = a != b;
		for (int e = 0; e < 2 && a != b; e++)
			node_calib_forget(net.c[net.end[l][e]], net.end_link[l][e], false);
	}
	for (int w = 0; w < 200; w++) {
		draw(5, 10);
		window();
	}
	settle();
	ck_assert_double_eq_tol(mean_factor(left, true), 1, 1e-9);
	ck_assert_double_eq_tol(mean_factor(right, true), 1, 1e-9);
	ck_assert_double_le(worst(left), 3e-4);
	ck_assert_double_le(worst(right), 3e-4);
	memset(net.open, 0, sizeof net.open);
	for (int w = 0; w < 100; w++) {
		draw(5, 10);
		window();
	}
	settle();
	ck_assert_double_eq_tol(mean_factor(everybody, true), 1, 1e-9);
	ck_assert_double_le(worst(everybody), 3e-4);
}
END_TEST

START_TEST(follows_a_change)
{
	/* A sensor that breaks to 3 % is found again within the memory; a short that no sensor sees
	 * is taken for what it is. */
	struct calib_report r;
	make(4, 0.02, 0, CALIB_KEEP, CALIB_EXCITED);
	for (int w = 0; w < 400; w++) {
		draw(5, 10);
		window();
	}
	double was = worst(everybody);
	draw(5, 10);
	net.i[1][0] += 200;
	window();
	ck_assert_double_le(worst(everybody), was + 5e-5);
	node_calib_report(net.c[1], &r);
	ck_assert_uint_eq(r.odd, 1);
	net.g[0][0] = 1.03;
	for (int w = 0; w < 3000; w++) {
		draw(5, 10);
		window();
	}
	ck_assert_double_le(worst(everybody), 1e-3);
}
END_TEST

START_TEST(another_sensor_at_the_far_end)
{
	make(2, 0.02, 0, CALIB_KEEP, CALIB_EXCITED);
	for (int life = 0; life < 2; life++) {
		for (int w = 0; w < 400; w++) {
			draw(5, 10);
			window();
		}
		ck_assert_double_le(worst(everybody), 3e-4);
		if (life)
			break;
		/* Node 1 begins anew with other sensors; the link is one terminal of node 0. */
		for (size_t t = 0; t < net.terms[1]; t++)
			net.g[1][t] = 1 + 0.01 * rng_sym(&net.rng);
		struct err err = ERR_INIT;
		const bool on_bus[3] = { true, true, true };
		const size_t of_link[1] = { 2 };
		struct calib_params p = { .n = 3,
			                  .n_links = 1,
			                  .on_bus = on_bus,
			                  .terminal_of_link = of_link,
			                  .feed = 3,
			                  .c_bus_f = 20e-3,
			                  .i_gain = 0.01,
			                  .i_noise_a = 0.02,
			                  .refresh_s = 1e-3,
			                  .tc_s = 1e-3,
			                  .period_k = 10,
			                  .excited = CALIB_EXCITED,
			                  .keep = CALIB_KEEP };
		node_calib_destroy(&net.c[1]);
		ck_assert_int_eq(node_calib_create(&p, &net.c[1], &err), 0);
		node_calib_forget(net.c[0], 0, true);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_calib");
	TCase *c = tcase_create("node_calib");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_loop_test(c, finds_the_gains, 0, 2);
	tcase_add_test(c, is_the_least_squares_of_the_island);
	tcase_add_loop_test(c, not_observable, 0, 2);
	tcase_add_test(c, quiet_forgets_nothing);
	tcase_add_test(c, islands);
	tcase_add_test(c, follows_a_change);
	tcase_add_test(c, another_sensor_at_the_far_end);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
