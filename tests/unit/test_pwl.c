/* Levels of piecewise-linear curves: expected values are read off the definition. */
#include "pwl.h"

#include <check.h>
#include <stdlib.h>

#define NEAR 1e-12

static struct pwl_point points[] = {
	{ .at_ns = 1000, .level = 100, .ramp_ns = 1000 },
	{ .at_ns = 5000, .level = 40, .ramp_ns = 0 },
	{ .at_ns = 8000, .level = 140, .ramp_ns = 2000 },
	{ .at_ns = 9000, .level = 0, .ramp_ns = 1000 }, /* begins inside the ramp before, at 90 */
};
static const struct pwl curve = { .n = 4, .p = points };

START_TEST(test_levels)
{
	static const struct {
		int64_t t_ns;
		double frac_ns, level;
	} rows[] = {
		{ 0, 0, 0 },      { 1000, 0, 0 },     { 1000, 0.5, 0.05 }, { 1250, 0, 25 },
		{ 2000, 0, 100 }, { 4999, 0.5, 100 }, { 5000, 0, 40 },     { 8000, 0, 40 },
		{ 8500, 0, 65 },  { 9000, 0, 90 },    { 9500, 0, 45 },     { 10000, 0, 0 },
		{ 99999, 0, 0 },
	};
	struct pwl_track t;

	pwl_track_init(&t, &curve);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_double_eq_tol(pwl_track_level(&t, rows[i].t_ns, rows[i].frac_ns),
		                        rows[i].level, NEAR);
}
END_TEST

START_TEST(test_first_seen_late)
{
	struct pwl_track t;

	pwl_track_init(&t, &curve);
	ck_assert_double_eq_tol(pwl_track_level(&t, 9500, 0), 45, NEAR);
}
END_TEST

START_TEST(test_set_by_hand)
{
	struct pwl_track t;

	pwl_track_init(&t, &curve);
	pwl_track_set(&t, 1500, 0, 500); /* inside a ramp, at 50 */
	ck_assert_double_eq_tol(pwl_track_level(&t, 1750, 0), 25, NEAR);
	ck_assert_double_eq_tol(pwl_track_level(&t, 3000, 0), 0, NEAR);
	/* the curve's next point still acts */
	ck_assert_double_eq_tol(pwl_track_level(&t, 5000, 0), 40, NEAR);
	pwl_track_init(&t, NULL);
	ck_assert_double_eq_tol(pwl_track_level(&t, 7, 0), 0, NEAR);
	pwl_track_set(&t, 10, 300, 0);
	ck_assert_double_eq_tol(pwl_track_level(&t, 10, 0.1), 300, NEAR);
}
END_TEST

START_TEST(test_fill_is_level_at_midpoints)
{
	struct pwl_track a, b;
	double levels[10];

	pwl_track_init(&a, &curve);
	pwl_track_init(&b, &curve);
	for (int64_t t = 0; t < 12000; t += 1000) {
		pwl_track_fill(&a, t, 100, 10, levels);
		for (size_t s = 0; s < 10; s++)
			ck_assert_double_eq(levels[s],
			                    pwl_track_level(&b, t, 100 * ((double)s + 0.5)));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pwl");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_levels);
	tcase_add_test(tc, test_first_seen_late);
	tcase_add_test(tc, test_set_by_hand);
	tcase_add_test(tc, test_fill_is_level_at_midpoints);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
