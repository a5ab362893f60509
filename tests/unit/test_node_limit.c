/* The price of a limited link by itself: integral, zero, bounds, direction, events. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "node_limit.h"

#define TC_S 1e-3
#define GAIN 0.5
#define MOST 2.0
#define LIMIT_A 10.0

static const struct link_params link = { .limit_a = LIMIT_A,
	                                 .limit_gain_per_s = GAIN,
	                                 .limit_max = MOST };
static struct node_limit l;
static struct core_events ev;
static int64_t k;

static void
setup(void)
{
	node_limit_init(&l, &link, 3, true);
	ev = (struct core_events){ .n = 0 };
	k = 0;
}

static void
run(double i_a, double time_s)
{
	for (int n = (int)(time_s / TC_S + 0.5); n > 0; n--, k++)
		node_limit_step(&l, k, TC_S, i_a, false, &ev);
}

/* Events of a kind so far; the last one is in *at. */
static size_t
events(uint32_t code, struct core_event *at)
{
	size_t n = 0;

	for (size_t i = 0; i < ev.n; i++)
		if (ev.e[i].code == code) {
			*at = ev.e[i];
			n++;
		}
	return n;
}

START_TEST(below)
{
	run(9.99, 1);
	run(-9.99, 1);
	ck_assert_double_eq(l.w, 0);
	ck_assert_double_eq(l.q, 0);
	ck_assert_uint_eq(ev.n, 0);
}
END_TEST

START_TEST(integral_and_zero)
{
	/* 50 % over: q' = GAIN e; the part in proportion is GAIN e/10 on top of it. Either way. */
	for (int s = 1; s >= -1; s -= 2) {
		setup();
		run(s * 15, 1);
		ck_assert_double_eq_tol(l.q, GAIN * 0.5, 1e-9);
		ck_assert_double_eq_tol(l.w, s * (GAIN * 0.5 + GAIN * 0.5 / 10), 1e-9);
		/* At the limit it stays. */
		run(s * LIMIT_A, 0.5);
		double q = l.q;
		run(s * LIMIT_A, 1);
		ck_assert_double_eq_tol(l.q, q, 1e-6);
		ck_assert_double_eq_tol(l.w, s * q, 1e-6);
	}
}
END_TEST

START_TEST(smooth)
{
	/* A spike of 5 ms at twice the limit: one time constant is 20 ms. */
	run(5, 0.1);
	run(20, 5e-3);
	ck_assert_double_eq_tol(l.i_a, 20 - 15 * pow(1 - TC_S / 0.02, 5), 1e-9);
	ck_assert_double_eq(l.w, 0);
}
END_TEST

START_TEST(no_wind_up)
{
	/* Far over for a minute: the price stops at its largest. Back below, it is gone after the time
	 * that its integral takes, and the direction is free again. */
	run(100, 60);
	ck_assert_double_eq(l.q, MOST);
	ck_assert_double_eq(l.w, MOST);
	run(5, 0.2); /* the low-pass */
	double left_s = l.q / (GAIN * 0.5);
	run(5, left_s + 0.01);
	ck_assert_double_eq(l.q, 0);
	ck_assert_double_eq(l.w, 0);
	run(-15, 0.5);
	ck_assert_double_lt(l.w, 0);
}
END_TEST

START_TEST(reversal)
{
	/* What flows the other way now is not over in the old direction: the old price goes first, and
	 * never takes the other sign while it does. */
	run(15, 2);
	double q = l.q;
	ck_assert_double_gt(q, 0.4);
	for (int n = 0; n < 3000 && l.q > 0; n++) {
		run(-15, TC_S);
		ck_assert(l.w >= 0 || l.q == 0);
		ck_assert_double_le(l.q, q + 0.02);
	}
	run(-15, 1);
	ck_assert_double_lt(l.w, -GAIN * 0.4);
}
END_TEST

START_TEST(told)
{
	struct core_event e = { .k = -1 };

	run(15, 1.9);
	ck_assert_uint_eq(events(EV_LINK_LIMITED, &e), 1);
	ck_assert(e.chan == 3 && e.a == 1 && e.b > LIMIT_A && e.c == LIMIT_A && e.k < 100);
	ck_assert_uint_eq(events(EV_LINK_OVER, &e), 0);
	run(15, 0.2);
	ck_assert_uint_eq(events(EV_LINK_OVER, &e), 1);
	ck_assert(e.a == 1 && e.k >= 1990 && e.k <= 2010);
	/* A dip of 0.1 s does not end it, staying below does; the price's end waits for a second. */
	run(10.1, 0.15);
	run(15, 1);
	ck_assert_uint_eq(events(EV_LINK_OVER, &e), 1);
	run(5, 0.5);
	ck_assert_uint_eq(events(EV_LINK_OVER, &e), 2);
	ck_assert_double_eq(e.a, 0);
	run(5, 10);
	ck_assert_uint_eq(events(EV_LINK_LIMITED, &e), 2);
	ck_assert_double_eq(e.a, 0);
	ck_assert_uint_eq(ev.n, 4);
}
END_TEST

START_TEST(opens)
{
	struct core_event e;

	run(15, 3);
	node_limit_forget(&l, k, &ev);
	ck_assert_double_eq(l.w, 0);
	ck_assert_double_eq(l.q, 0);
	ck_assert_uint_eq(events(EV_LINK_OVER, &e), 2);
	ck_assert_uint_eq(events(EV_LINK_LIMITED, &e), 2);
	node_limit_forget(&l, k, &ev);
	ck_assert_uint_eq(ev.n, 4);
}
END_TEST

START_TEST(holds)
{
	run(15, 0.5);
	double w = l.w;
	for (int n = 0; n < 1000; n++)
		node_limit_step(&l, k, TC_S, 15, true, &ev);
	ck_assert_double_eq(l.w, w);
}
END_TEST

START_TEST(nothing_to_hold)
{
	const struct link_params none = { .limit_a = 0 }, conv = { .limit_a = 5 };

	node_limit_init(&l, &link, 0, false); /* end b */
	ck_assert(!node_limit_acts(&l));
	node_limit_init(&l, &conv, 0, true);
	ck_assert(!node_limit_acts(&l));
	node_limit_init(&l, &none, 0, true);
	ck_assert(!node_limit_acts(&l));
	run(1000, 5);
	node_limit_forget(&l, k, &ev);
	ck_assert_double_eq(l.w, 0);
	ck_assert_uint_eq(ev.n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_limit");
	TCase *c = tcase_create("node_limit");
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, below);
	tcase_add_test(c, integral_and_zero);
	tcase_add_test(c, smooth);
	tcase_add_test(c, no_wind_up);
	tcase_add_test(c, reversal);
	tcase_add_test(c, told);
	tcase_add_test(c, opens);
	tcase_add_test(c, holds);
	tcase_add_test(c, nothing_to_hold);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
