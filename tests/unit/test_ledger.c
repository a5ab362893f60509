/* The energy ledger closes on any honest run, agrees with its other side, and fails on a dishonest
 * one. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "tests/support/play.h"

/* Some 1000 additions of numbers below 100 J, each rounded to 2^-53. */
#define ROUNDING_J 1e-11

enum { N1, N2, N3, M1, M2 };
enum { L1, L2, L3 };

static struct play *play;

static void
teardown(void)
{
	if (play)
		play_destroy(play);
	play = NULL;
}

static struct runview *
view(void)
{
	struct rec *const *recs;
	struct runview *v = NULL;
	struct err err = ERR_INIT;
	size_t n = play_recs(play, &recs);
	ck_assert_msg(!runview_of(play_topo(play), recs, n, &v, &err), "%s", err.text);
	return v;
}

static struct ledger
at_end(double *worst, int64_t *worst_k)
{
	struct ledger l;
	struct err err = ERR_INIT;
	struct runview *v = view();
	ck_assert_msg(!ledger_run(v, 1, &l, worst, worst_k, &err), "%s", err.text);
	runview_close(&v);
	ck_assert_int_eq(l.k, play_k(play));
	return l;
}

/* Closes at every frame, and each part is what the play knows. */
static struct ledger
honest(void)
{
	double worst;
	int64_t worst_k;
	struct ledger l = at_end(&worst, &worst_k);
	ck_assert_msg(worst < 1e-12, "residual %g at frame %lld", worst, (long long)worst_k);
	ck_assert_double_eq_tol(l.abandoned_wave_j, play_lost_j(play), ROUNDING_J);
	ck_assert_double_eq_tol(l.in_flight_j, play_flight_j(play), ROUNDING_J);
	ck_assert_double_eq_tol(l.stored_j, play_stored_j(play), ROUNDING_J);
	ck_assert_double_eq_tol(l.abandoned_stored_j, play_buried_j(play), ROUNDING_J);
	return l;
}

START_TEST(test_plain)
{
	play = play_create(NULL, 1);
	play_to(play, 500);
	struct ledger l = honest();
	ck_assert(l.source_j > 50 && l.useful_j > 20 && l.loss_j > 5 && l.fault_j > 2);
	ck_assert_double_eq(l.abandoned_wave_j, 0);
	ck_assert_double_eq(ledger_abandoned_j(&l), 0);
	ck_assert_double_eq_tol(l.in_transit_j, -play_owed_j(play, true), ROUNDING_J);
	ck_assert(l.unserved_j > 0.5 && l.unserved_j < 2.5); /* 5 x 500 x mean 0.5 mJ */
	ck_assert_double_eq(l.scale_j, fmax(l.source_j, l.stored0_j + l.in_flight0_j));
	ck_assert_double_eq_tol(l.in_flight0_j, 4 * 0.03, 1e-15); /* l3 begins open */
}
END_TEST

START_TEST(test_any_order)
{
	struct ledger a, b;
	struct ledger_scan *s = NULL;
	play = play_create(NULL, 1);
	play_to(play, 50);
	play_kill(play, N2);
	play_to(play, 100);
	struct runview *v = view();
	ck_assert_int_eq(ledger_create(v, &s, NULL), 0);
	ledger_at(s, 70, &a);
	ledger_at(s, 20, &b);
	ck_assert(b.residual < 1e-12 && b.abandoned_wave_j == 0);
	ledger_at(s, 70, &b);
	ck_assert_int_eq(memcmp(&a.source_j, &b.source_j, sizeof a.source_j), 0);
	ck_assert_double_eq(a.abandoned_wave_j, b.abandoned_wave_j);
	ledger_destroy(&s);
	runview_close(&v);
}
END_TEST

START_TEST(test_cut)
{
	play = play_create(NULL, 1);
	play_to(play, 40);
	double last = play_flight_j(play);
	play_cut(play, L1);
	play_cut(play, L2);
	play_to(play, 90);
	struct ledger l = honest();
	/* All waves on the way at the cut are lost, and each end took its capacitance back. */
	ck_assert_double_eq_tol(l.abandoned_wave_j, last, ROUNDING_J);
	ck_assert_double_eq_tol(l.abandoned_booked_j, -4 * 0.03, ROUNDING_J);
	ck_assert_double_eq(l.in_flight_j, 0);
	play_close(play, L1, 1, PLAY_BOTH);
	play_to(play, 91);
	/* Two links of n3 in one step, as a hand may do. */
	play_close(play, L3, 0, PLAY_BOTH);
	play_close(play, L2, 1, PLAY_BOTH);
	play_to(play, 140);
	honest();
}
END_TEST

START_TEST(test_kill)
{
	play = play_create(NULL, 1);
	play_to(play, 30);
	play_close(play, L3, 0, PLAY_BOTH);
	play_to(play, 60);
	play_kill(play, N2);
	play_to(play, 100);
	struct ledger l = honest();
	ck_assert(l.abandoned_stored_j > 10 && l.abandoned_wave_j > 4 * 0.01);
	/* n2 was the second feed of m1: what it still owed is gone. */
	ck_assert_double_eq_tol(l.abandoned_port_j, -play_owed_j(play, false), ROUNDING_J);
	ck_assert_double_eq_tol(l.in_transit_j, -play_owed_j(play, true), ROUNDING_J);
	play_restart(play, N2);
	play_to(play, 101);
	l = honest();
	ck_assert_double_eq_tol(l.abandoned_stored_j, 0, ROUNDING_J);
	play_to(play, 105);
	play_close(play, L1, 1, PLAY_BOTH);
	play_to(play, 109);
	play_close(play, L2, 0, PLAY_BOTH);
	play_to(play, 200);
	honest();
}
END_TEST

/* Neighbours in the same step, and one step after the other, in both orders. */
START_TEST(test_kill_two)
{
	for (int gap = -2; gap <= 2; gap++) {
		teardown();
		play = play_create(NULL, 1);
		play_to(play, 50);
		play_kill(play, gap < 0 ? N2 : N1);
		play_to(play, 50 + abs(gap));
		play_kill(play, gap < 0 ? N1 : N2);
		play_to(play, 80);
		honest();
		play_kill(play, M1);
		play_kill(play, N3);
		play_to(play, 90);
		play_restart(play, N3);
		play_restart(play, M1);
		play_to(play, 120);
		honest();
	}
}
END_TEST

START_TEST(test_module)
{
	for (uint32_t period = 1; period <= 5; period += 4) {
		teardown();
		play = play_create(NULL, period);
		play_to(play, 52);
		play_kill(play, M1);
		play_to(play, 67);
		honest();
		play_to(play, 70);
		play_restart(play, M1);
		play_to(play, 83);
		honest();
		/* Dead and alive again before the node has noticed. */
		play_to(play, 100);
		play_kill(play, M1);
		play_to(play, 105);
		play_restart(play, M1);
		play_to(play, 106);
		honest();
		play_to(play, 150);
		play_kill(play, N1);
		play_kill(play, M2);
		play_to(play, 155);
		play_restart(play, N1);
		play_to(play, 177);
		honest();
	}
}
END_TEST

/* A life that follows the old one without a gap: both ends see the death and the newcomer in one
 * step. */
START_TEST(test_no_gap)
{
	play = play_create(NULL, 1);
	play_to(play, 50);
	play_kill(play, M1);
	play_to(play, 51);
	play_restart(play, M1);
	play_to(play, 60);
	play_kill(play, N2);
	play_to(play, 61);
	play_restart(play, N2);
	play_to(play, 90);
	honest();
}
END_TEST

/* One end closes and the other is killed just before. */
START_TEST(test_half_closed)
{
	static const enum play_who who[] = { PLAY_HOST_ONLY, PLAY_OTHER_ONLY };
	for (int i = 0; i < 2; i++) {
		teardown();
		play = play_create(NULL, 1);
		play_to(play, 50);
		/* l3 is n3 to n1, hosted by n3. */
		play_kill(play, who[i] == PLAY_HOST_ONLY ? N1 : N3);
		play_close(play, L3, 0, who[i]);
		play_to(play, 70);
		honest();
	}
}
END_TEST

static const struct {
	enum play_cheat cheat;
	double lo_j, hi_j; /* of the residual at the end */
	const char *link, *port;
} cheats[] = {
	{ PLAY_LOSE_WAVE, 0.01, 0.02, "l1", NULL },
	{ PLAY_TWICE_WAVE, -0.02, -0.01, "l1", NULL },
	{ PLAY_LOSE_ANSWER, -0.05, -0.01, NULL, "m1.n1" },
	{ PLAY_ALTER_TAKEN, PLAY_CHEAT_J, PLAY_CHEAT_J, NULL, NULL },
	{ PLAY_ALTER_PAID, PLAY_CHEAT_J, PLAY_CHEAT_J, NULL, NULL },
	{ PLAY_ALTER_SOURCE, PLAY_CHEAT_J, PLAY_CHEAT_J, NULL, NULL },
};

START_TEST(test_cheats)
{
	double worst;
	int64_t worst_k;
	play = play_create(NULL, 1);
	play_to(play, 20);
	play_cheat(play, cheats[_i].cheat);
	play_to(play, 60);
	struct ledger l = at_end(&worst, &worst_k);
	/* The sign, too: what vanished is source without a use. */
	ck_assert_double_ge(l.residual_j, cheats[_i].lo_j - ROUNDING_J);
	ck_assert_double_le(l.residual_j, cheats[_i].hi_j + ROUNDING_J);
	ck_assert_double_eq_tol(l.residual, fabs(l.residual_j) / l.scale_j, 1e-15);
	ck_assert(worst >= l.residual && worst > 1e-9);
	ck_assert_int_gt(worst_k, 20);
	if (cheats[_i].link) {
		ck_assert_str_eq(l.link_id, cheats[_i].link);
		ck_assert(l.link_residual > 1e-5);
	} else {
		ck_assert(l.link_residual < 1e-12);
	}
	if (cheats[_i].port) {
		ck_assert_str_eq(l.port_id, cheats[_i].port);
		ck_assert(l.port_residual > 1e-5);
	} else {
		ck_assert(l.port_residual < 1e-12);
	}
}
END_TEST

/* An altered wave shows while it is on its way; for good when it is one that was never taken in. */
START_TEST(test_altered_wave)
{
	double worst;
	int64_t worst_k;
	play = play_create(NULL, 1);
	play_to(play, 20);
	play_cheat(play, PLAY_ALTER_WAVE);
	play_to(play, 40);
	struct ledger l = at_end(&worst, &worst_k);
	ck_assert(l.residual < 1e-12);
	ck_assert_int_eq(worst_k, 21);
	ck_assert_double_eq_tol(worst * l.scale_j, PLAY_CHEAT_J, ROUNDING_J);
	play_cheat(play, PLAY_ALTER_WAVE);
	play_to(play, 41);
	play_cut(play, L1);
	play_to(play, 60);
	l = at_end(&worst, &worst_k);
	ck_assert_double_eq_tol(l.residual_j, -PLAY_CHEAT_J, ROUNDING_J);
	ck_assert_str_eq(l.link_id, "l1");
	ck_assert_double_eq_tol(l.link_residual * l.scale_j, PLAY_CHEAT_J, ROUNDING_J);
}
END_TEST

START_TEST(test_refused)
{
	struct err err = ERR_INIT;
	struct ledger l;
	double worst;
	int64_t worst_k;
	struct rec *const *recs;
	struct runview *v = NULL;
	play = play_create(NULL, 1);
	play_to(play, 10);
	size_t n = play_recs(play, &recs);
	/* A process whose recorder is missing. */
	ck_assert_int_eq(runview_of(play_topo(play), recs, n - 1, &v, &err), 0);
	ck_assert_int_eq(ledger_run(v, 1, &l, &worst, &worst_k, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "m2"));
	runview_close(&v);
	/* A recorder that is there twice, or of another topology. */
	struct rec *twice[2] = { recs[0], recs[0] };
	ck_assert_int_eq(runview_of(play_topo(play), twice, 2, &v, &err), ERR_INPUT);
	play_topo_rw(play)->hash[5] ^= 1;
	ck_assert_int_eq(runview_of(play_topo(play), recs, n, &v, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "another topology"));
	ck_assert_ptr_null(v);
}
END_TEST

START_TEST(test_print)
{
	struct ledger l = { .k = 7,
		            .source_j = 12.5,
		            .residual_j = -0.25,
		            .scale_j = 50,
		            .residual = 0.005,
		            .link_id = "l1",
		            .link_residual = 1e-12 };
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	ledger_print(f, &l);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "energy at frame 7\n"));
	ck_assert_ptr_nonnull(strstr(text, "source                             12.5 J\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "residual 0.005 of 50 J; worst link l1 1e-12, worst port - 0\n"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ledger");
	TCase *t = tcase_create("ledger");
	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_plain);
	tcase_add_test(t, test_any_order);
	tcase_add_test(t, test_cut);
	tcase_add_test(t, test_kill);
	tcase_add_test(t, test_kill_two);
	tcase_add_test(t, test_module);
	tcase_add_test(t, test_no_gap);
	tcase_add_test(t, test_half_closed);
	tcase_add_loop_test(t, test_cheats, 0, (int)(sizeof cheats / sizeof *cheats));
	tcase_add_test(t, test_altered_wave);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_print);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
