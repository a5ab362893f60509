/* The account of a port: what was taken is paid over the next period, exactly. */
#include "nodes/node_port.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define T 1e-4
#define TP (5 * T)

static struct core_events ev;

static void
input(struct node_port *p, int64_t k, enum core_in_kind kind, double energy_j, double bus_v)
{
	struct core_msg msg = { .answer = { .energy_j = energy_j } };
	struct core_in in = { .kind = kind, .msg = kind == CORE_IN_MSG ? &msg : NULL, .rx = k - 1 };

	ev.n = 0;
	node_port_input(p, k, &in, bus_v, TP, &ev);
}

static void
period(struct node_port *p)
{
	for (int s = 0; s < 5; s++)
		node_port_pay(p, 1, T);
}

START_TEST(test_pays_what_was_taken)
{
	struct node_port p;

	node_port_init(&p, 3, true, true, 36);
	input(&p, 0, CORE_IN_IDLE, 0, 48);
	ck_assert_double_eq(p.pay_w, 0);
	period(&p);
	input(&p, 5, CORE_IN_MSG, 0.1, 48);
	ck_assert_double_eq_tol(p.pay_w, 200, 1e-12);
	period(&p);
	ck_assert_double_eq_tol(p.paid_j, 0.1, 1e-15);
	ck_assert_double_eq_tol(p.account_j, 0, 1e-15);
	input(&p, 10, CORE_IN_MSG, 0.2, 48);
	period(&p);
	ck_assert_double_eq_tol(p.paid_j, 0.3, 1e-15);
}
END_TEST

START_TEST(test_threshold_is_set)
{
	struct node_port p;
	struct offer o;

	node_port_init(&p, 3, true, true, 42);
	node_port_offer(&p, 41.9, &o);
	ck_assert_uint_eq(o.flags & OFFER_ON, 0);
	input(&p, 5, CORE_IN_MSG, 0.1, 41.9);
	ck_assert_double_eq(p.pay_w, 0);
	node_port_offer(&p, 42, &o);
	ck_assert_uint_eq(o.flags & OFFER_ON, OFFER_ON);
	input(&p, 10, CORE_IN_MSG, 0, 42);
	ck_assert_double_eq_tol(p.pay_w, 200, 1e-12);
}
END_TEST

START_TEST(test_keeps_account_in_brown_out)
{
	struct node_port p;
	struct offer o;

	node_port_init(&p, 3, true, true, 36);
	input(&p, 5, CORE_IN_MSG, 0.1, 35.9);
	ck_assert_double_eq(p.pay_w, 0);
	period(&p);
	ck_assert_double_eq(p.paid_j, 0);
	node_port_offer(&p, 35.9, &o);
	ck_assert_uint_eq(o.flags, OFFER_OWNER);
	input(&p, 10, CORE_IN_MSG, 0, 36.1);
	ck_assert_double_eq_tol(p.pay_w, 200, 1e-12);
	node_port_offer(&p, 36.1, &o);
	ck_assert_uint_eq(o.flags, OFFER_ON | OFFER_OWNER);
	ck_assert_double_eq(o.v_v, 36.1);
	ck_assert_uint_eq(o.epoch, 1);
	/* The bus paid a quarter in a dip: the rest stays on the account. */
	for (int s = 0; s < 5; s++)
		node_port_pay(&p, 0.25, T);
	ck_assert_double_eq_tol(p.account_j, 0.075, 1e-15);
}
END_TEST

START_TEST(test_opens_and_joins)
{
	struct node_port p;

	node_port_init(&p, 3, false, true, 36);
	input(&p, 5, CORE_IN_MSG, 0.1, 48);
	input(&p, 10, CORE_IN_GONE, 0, 48);
	ck_assert(!p.live);
	ck_assert_double_eq(p.pay_w, 0);
	ck_assert_double_eq_tol(p.account_j, 0.1, 1e-15);
	ck_assert_uint_eq(ev.n, 1);
	ck_assert_uint_eq(ev.e[0].code, EV_PORT_OPEN);
	ck_assert_int_eq(ev.e[0].chan, 3);
	ck_assert_double_eq(ev.e[0].a, OPEN_DEATH);
	ck_assert_double_eq(ev.e[0].b, 9);
	input(&p, 20, CORE_IN_JOIN, 0, 48);
	ck_assert(p.live);
	ck_assert_double_eq(p.account_j, 0);
	ck_assert_uint_eq(ev.e[0].code, EV_PORT_CLOSE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node_port");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_pays_what_was_taken);
	tcase_add_test(tc, test_threshold_is_set);
	tcase_add_test(tc, test_keeps_account_in_brown_out);
	tcase_add_test(tc, test_opens_and_joins);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
