/* Random streams and sensors: statistics, resolution, independence; and what they do to a mesh. */
#include "nodes/node_sensor.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

/* ---- streams --------------------------------------------------------------------------------- */

/* Mean and variance within five standard errors; 2^16 draws. */
START_TEST(test_moments)
{
	enum { N = 65536 };
	struct rng r;
	double unit = 0, normal = 0, square = 0, sym_min = 1, sym_max = -1;

	rng_init(&r, 42, "n1", 1, RNG_SENSOR_NOISE, 0);
	for (int i = 0; i < N; i++) {
		double u = rng_unit(&r), n = rng_normal(&r), s = rng_sym(&r);
		ck_assert(u >= 0 && u < 1);
		unit += u;
		normal += n;
		square += n * n;
		sym_min = fmin(sym_min, s);
		sym_max = fmax(sym_max, s);
	}
	ck_assert_double_eq_tol(unit / N, 0.5, 5 * sqrt(1.0 / 12 / N));
	ck_assert_double_eq_tol(normal / N, 0, 5 / sqrt(N));
	ck_assert_double_eq_tol(square / N, 1, 5 * sqrt(2.0 / N));
	ck_assert(sym_min < -0.999 && sym_max > 0.999 && sym_min >= -1 && sym_max < 1);
}
END_TEST

START_TEST(test_streams_are_apart)
{
	struct rng r[6];
	uint64_t first[6];

	rng_init(&r[0], 1, "n1", 1, RNG_SENSOR_NOISE, 0);
	rng_init(&r[1], 2, "n1", 1, RNG_SENSOR_NOISE, 0);
	rng_init(&r[2], 1, "n2", 1, RNG_SENSOR_NOISE, 0);
	rng_init(&r[3], 1, "n1", 2, RNG_SENSOR_NOISE, 0);
	rng_init(&r[4], 1, "n1", 1, RNG_SENSOR_TRIM, 0);
	rng_init(&r[5], 1, "n1", 1, RNG_SENSOR_NOISE, 1);
	for (int i = 0; i < 6; i++) {
		first[i] = rng_u64(&r[i]);
		for (int j = 0; j < i; j++)
			ck_assert(first[i] != first[j]);
	}
	/* By counter: the hundredth does not care how it was reached. */
	struct rng again;
	for (int i = 0; i < 98; i++)
		(void)rng_u64(&r[0]);
	rng_init(&again, 1, "n1", 1, RNG_SENSOR_NOISE, 0);
	again.n = 99;
	ck_assert(rng_u64(&r[0]) == rng_u64(&again));
}
END_TEST

/* ---- sensors --------------------------------------------------------------------------------- */

static struct slice slice = { .id = "n1",
	                      .incarnation = 1,
	                      .step_ns = 100000,
	                      .node.sensor = { .v_gain = 1e-3,
	                                       .i_gain = 10e-3,
	                                       .v_offset_v = 64.0 / 4096,
	                                       .i_offset_a = 512.0 / 4096,
	                                       .noise_lsb = 0.5,
	                                       .i_range_a = 256,
	                                       .refresh_ns = 500000 } };

static struct node_sensor
sensor(enum sensor_kind kind, uint64_t seed, bool realistic)
{
	struct node_sensor s;

	slice.seed = seed;
	slice.node.sensors_realistic = realistic;
	node_sensor_init(&s, kind, 0, &slice, 48);
	return s;
}

START_TEST(test_ideal)
{
	struct node_sensor s = sensor(SENSOR_BUS_V, 1, false);

	for (int64_t k = 1; k < 20; k++)
		ck_assert_double_eq(node_sensor_read(&s, k, 48 + 1e-9 * (double)k),
		                    48 + 1e-9 * (double)k);
}
END_TEST

/* Zeroed over 50 ms, 100 readings, a sensor reads nothing as the mean of what it then took: off by the
 * noise of that mean, half an LSB and its rounding over ten. Not zeroed it is off by its offset. */
START_TEST(test_zero)
{
	const double lsb = 512.0 / 4096, sigma = lsb * sqrt((0.25 + 1.0 / 12) / 100);
	double square[2] = { 0, 0 }, most = 0;

	for (uint64_t seed = 1; seed <= 200; seed++)
		for (int zeroed = 0; zeroed < 2; zeroed++) {
			slice.node.sensor.zero_ns = zeroed ? 50000000 : 0;
			struct node_sensor s = sensor(SENSOR_FEED_I, seed, true);
			/* A reading without noise would be whole steps. */
			double mean = 0;
			for (int i = 0; i < 2000; i++)
				mean += node_sensor_read(&s, 5 * i, 0) / 2000;
			square[zeroed] += mean * mean / 200;
			most = zeroed ? fmax(most, fabs(mean)) : most;
		}
	slice.node.sensor.zero_ns = 0;
	/* Variances over 200 seeds: within 4 standard errors of their own, sqrt(2/200) and less. */
	ck_assert_double_eq_tol(square[0], lsb * lsb / 3, 0.3 * lsb * lsb / 3);
	double want = sigma * sigma * (1 + 1.0 / 20);
	ck_assert_double_eq_tol(square[1], want, 0.4 * want);
	ck_assert_double_le(most, 5 * sigma);
}
END_TEST

/* Over many seeds: gains fill their range, readings are whole steps, noise has its size. */
START_TEST(test_errors_of_parts)
{
	static const struct {
		enum sensor_kind kind;
		double x, gain, lsb;
	} rows[] = { { SENSOR_BUS_V, 48, 1e-3, 64.0 / 4096 },
		     { SENSOR_FEED_I, 60, 10e-3, 512.0 / 4096 } };

	for (int n = 0; n < 2; n++) {
		double least = 1, most = -1, seen = 0;
		for (uint64_t seed = 1; seed <= 200; seed++) {
			struct node_sensor s = sensor(rows[n].kind, seed, true);
			double sum = 0, square = 0;
			for (int i = 0; i < 200; i++) {
				double v = node_sensor_read(&s, 5 * i, rows[n].x),
				       steps = v / rows[n].lsb;
				ck_assert_double_eq(steps, floor(steps));
				sum += v / 200;
				square += v * v / 200;
			}
			double err = (sum - s.offset) / rows[n].x - 1;
			least = fmin(least, err);
			most = fmax(most, err);
			seen += (square - sum * sum) / 200;
		}
		/* Half an LSB of noise and its rounding, LSB^2/12. */
		double var = (0.25 + 1.0 / 12) * rows[n].lsb * rows[n].lsb;
		ck_assert_double_eq_tol(seen, var, 0.05 * var);
		double slack = 0.15 * rows[n].lsb / rows[n].x;
		ck_assert_double_ge(least, -rows[n].gain - slack);
		ck_assert_double_le(least, -0.9 * rows[n].gain);
		ck_assert_double_le(most, rows[n].gain + slack);
		ck_assert_double_ge(most, 0.9 * rows[n].gain);
	}
}
END_TEST

START_TEST(test_refresh_and_range)
{
	struct node_sensor s = sensor(SENSOR_BUS_V, 3, true);
	double v = node_sensor_read(&s, 5, 40);

	for (int64_t k = 6; k < 10; k++)
		ck_assert_double_eq(node_sensor_read(&s, k, 50), v); /* held for 500 us */
	ck_assert_double_gt(node_sensor_read(&s, 10, 50), 49.8);
	ck_assert_double_eq(node_sensor_read(&s, 15, 80), 64 - 64.0 / 4096);
	ck_assert_double_eq(node_sensor_read(&s, 20, -5), 0);
	ck_assert_double_eq(node_sensor_read(&s, 25, NAN), 0);
}
END_TEST

/* ---- in a mesh ------------------------------------------------------------------------------- */

static struct small_mesh m;

/* Ring of six, three feeds, consensus, 3 s; returns the spread of the true loadings. */
static double
run(uint64_t seed, bool realistic, double *v_mean, double *trace)
{
	static const double rated[] = { 62.5, 40, 50 };
	struct solver_loop *loop = NULL;
	struct err err = ERR_INIT;
	double lo = 1e9, hi = 0, sum = 0;

	small_mesh_init(&m, 6);
	m.topo.seed = seed;
	for (uint32_t i = 0; i < 6; i++) {
		m.nodes[i].p.control = CONTROL_CONSENSUS;
		m.nodes[i].p.sensors_realistic = realistic;
		small_mesh_link(&m, i, (i + 1) % 6);
		if (i % 2 == 0)
			small_mesh_feed(&m, i, rated[i / 2]);
		small_mesh_load(&m, i, 400 + 100 * i);
	}
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_core_ops, NULL, &loop, &err), 0);
	*v_mean = *trace = 0;
	while (solver_loop_k(loop) < 30000) {
		solver_loop_step(loop);
		if (solver_loop_k(loop) % 100 == 0)
			*trace += solver_loop_get(loop, 3, "v") * (double)solver_loop_k(loop);
	}
	for (uint32_t i = 0; i < 6; i++) {
		double v = solver_loop_get(loop, i, "v"), x = solver_loop_get(loop, i, "loading");
		*v_mean += v / 6;
		if (!realistic)
			ck_assert_double_eq(solver_loop_get(loop, i, "v_meas"), v);
		if (i % 2)
			continue;
		lo = fmin(lo, x);
		hi = fmax(hi, x);
		sum += x / 3;
	}
	solver_loop_destroy(&loop);
	return (hi - lo) / sum;
}

START_TEST(test_mesh)
{
	double v, a, b, worst = 0;

	(void)run(1, true, &v, &a);
	(void)run(1, true, &v, &b);
	ck_assert_double_eq(a, b); /* the same seed, the same trace */
	(void)run(2, true, &v, &b);
	ck_assert_double_ne(a, b);
	(void)run(1, false, &v, &a);
	(void)run(2, false, &v, &b);
	ck_assert_double_eq(a, b); /* nothing random in ideal ones */
	/* Gains within +-1 % may spread the true loadings by 2 %, offsets of an LSB (125 mA of 40
	 * A) by 0.6 %; voltage errors of 0.1 % and an LSB move the mean by 65 mV at most. */
	for (uint64_t seed = 1; seed <= 8; seed++) {
		worst = fmax(worst, run(seed, true, &v, &a));
		ck_assert_double_eq_tol(v, 48, 0.065);
	}
	ck_assert_double_le(worst, 0.028);
	ck_assert_double_ge(worst, 0.002);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_sensor");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_moments);
	tcase_add_test(tc, test_streams_are_apart);
	tcase_add_test(tc, test_ideal);
	tcase_add_test(tc, test_zero);
	tcase_add_test(tc, test_errors_of_parts);
	tcase_add_test(tc, test_refresh_and_range);
	tcase_add_test(tc, test_mesh);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
