/* Signals by name: which, in which order, with which values, and what is said about names that are
 * not. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "signals.h"
#include "tests/support/play.h"

enum { N1, N2, N3, M1, M2 };

static struct play *play;
static struct runview *view;

static void
teardown(void)
{
	runview_close(&view);
	if (play)
		play_destroy(play);
	play = NULL;
}

static void
look(void)
{
	struct rec *const *recs;
	struct err err = ERR_INIT;
	size_t n = play_recs(play, &recs);
	runview_close(&view);
	ck_assert_msg(!runview_of(play_topo(play), recs, n, &view, &err), "%s", err.text);
}

static void
setup(void)
{
	play = play_create(NULL, 1);
	play_to(play, 20);
	look();
}

static struct signal_list *
pick(const char *names)
{
	struct signal_list *l = NULL;
	struct err err = ERR_INIT;
	ck_assert_msg(!signal_select(view, names, &l, &err), "%s", err.text);
	return l;
}

static void
check_names(const char *names, const char *want)
{
	char got[1024] = "";
	struct signal_list *l = pick(names);
	for (size_t i = 0; i < signal_count(l); i++) {
		strcat(got, i ? " " : "");
		strcat(got, signal_name(l, i));
	}
	ck_assert_str_eq(got, want);
	signal_destroy(&l);
	ck_assert_ptr_null(l);
}

START_TEST(test_names)
{
	check_names("node.*.v", "node.n1.v node.n2.v node.n3.v");
	check_names("link.*.i,node.n2.v_min", "link.l1.i link.l2.i link.l3.i node.n2.v_min");
	/* Only n1 has a feed. */
	check_names("feed.*.i feed.n1.loading", "feed.n1.i feed.n1.loading");
	check_names("module.*.i_in.*", "module.m1.i_in.n1 module.m1.i_in.n2 module.m2.i_in.n3");
	check_names("module.*.i_in.n2", "module.m1.i_in.n2");
	check_names(" node.n3.v , node.*.v", "node.n3.v node.n1.v node.n2.v");
	check_names("link.*2.open", "link.l2.open");
	check_names("mesh.unserved_j,mesh.energy_residual", "mesh.unserved_j mesh.energy_residual");
	check_names("", "");
	struct signal_list *l = pick("node.n1.v,link.l1.i,module.m1.temp,mesh.source_j");
	ck_assert_str_eq(signal_unit(l, 0), "V");
	ck_assert_str_eq(signal_unit(l, 1), "A");
	ck_assert_str_eq(signal_unit(l, 2), "degC");
	ck_assert_str_eq(signal_unit(l, 3), "J");
	signal_destroy(&l);
}
END_TEST

static const struct {
	const char *name, *says;
} wrong[] = {
	{ "nod.n1.v", "no group 'nod'; did you mean 'node'?" },
	{ "node.n1.vmin", "no quantity 'vmin'; did you mean 'v_min'?" },
	{ "node.n11.v", "no node 'n11'; did you mean 'n1'?" },
	{ "link.l4.i", "no link 'l4'; did you mean" },
	{ "module.x*.v", "no module 'x*'" },
	{ "feed.n2.i", "this node has no feed" },
	{ "module.m2.i_in.n1", "this module is not fed by that node" },
	{ "module.m1.i_in", "expected module.<id>.i_in.<node>" },
	{ "node.n1", "expected node.<id>.<quantity>" },
	{ "node", "expected node.<id>.<quantity>" },
	{ "node.n1.v.x", "expected node.<id>.v" },
	{ "mesh.los_j", "no quantity 'los_j'; did you mean 'loss_j'?" },
	{ "mesh.loss_j.x", "expected mesh.loss_j" },
	{ "a.b.c.d.e", "too many parts" },
	{ "node.n1.v,node.n9.q", "no quantity 'q'" },
};

START_TEST(test_wrong)
{
	struct signal_list *l = NULL;
	struct err err = ERR_INIT;
	ck_assert_int_eq(signal_select(view, wrong[_i].name, &l, &err), ERR_NOTFOUND);
	ck_assert_msg(strstr(err.text, wrong[_i].says) != NULL, "%s", err.text);
	ck_assert_ptr_null(l);
	char longer[4000];
	memset(longer, 'n', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	ck_assert_int_eq(signal_select(view, longer, &l, &err), ERR_NOTFOUND);
}
END_TEST

/* The field as the recorder has it, for comparison. */
static double
raw(int proc, const char *field, int64_t k)
{
	double x;
	int f = runview_field(view, (size_t)proc, field);
	ck_assert_int_ge(f, 0);
	ck_assert(runview_value(view, (size_t)proc, f, k, &x));
	return x;
}

START_TEST(test_values)
{
	double x;
	struct signal_list *l =
		pick("node.n2.v,feed.n1.i,link.l3.i,link.l1.i,link.l1.i_avg,module.m1.v_in,"
	             "link.l1.open,link.l3.open");
	static const struct {
		int proc;
		const char *field;
	} plain[] = { { N2, "v" },  { N1, "feed_i" }, { -1, NULL },
		      { -1, NULL }, { -1, NULL },     { M1, "v_in" } };
	for (int64_t k = 0; k <= 20; k++) {
		for (size_t i = 0; i < 6; i++) {
			ck_assert(signal_at(l, i, k, &x));
			if (plain[i].field)
				ck_assert_double_eq(x, raw(plain[i].proc, plain[i].field, k));
		}
		/* l1 is n1 to n2: half of what leaves n1 less what leaves n2. */
		signal_at(l, 3, k, &x);
		ck_assert_double_eq(x, (raw(N1, "link.l1.i", k) - raw(N2, "link.l1.i", k)) / 2);
		signal_at(l, 4, k, &x);
		ck_assert_double_eq(x, (raw(N1, "link.l1.i_avg", k) - raw(N2, "link.l1.i_avg", k)) /
		                               2);
		/* l3 begins open, l1 closed. */
		signal_at(l, 2, k, &x);
		ck_assert(x == 0 && !signbit(x));
		ck_assert(signal_at(l, 6, k, &x) && x == 0);
		ck_assert(signal_at(l, 7, k, &x) && x == 1);
	}
	ck_assert(!signal_at(l, 0, 21, &x));
	ck_assert(!signal_at(l, 0, -1, &x));
	signal_destroy(&l);
}
END_TEST

START_TEST(test_dead)
{
	double x;
	play_kill(play, N1);
	play_to(play, 30);
	play_kill(play, N2);
	play_kill(play, M1);
	play_to(play, 40);
	play_restart(play, N1);
	play_to(play, 50);
	look();
	struct signal_list *l =
		pick("node.n1.v,node.n2.v,link.l1.i,link.l1.open,module.m1.p,link.l2.i");
	/* n1 is dead in 21..39, n2 from 31 on; frames 20 and 30 are the last ones. */
	ck_assert(signal_at(l, 0, 20, &x) && !signal_at(l, 0, 21, &x) && !signal_at(l, 0, 39, &x));
	ck_assert(signal_at(l, 0, 40, &x) && x == raw(N1, "v", 40) && signal_at(l, 0, 50, &x));
	ck_assert(signal_at(l, 1, 30, &x) && !signal_at(l, 1, 31, &x));
	ck_assert(signal_at(l, 4, 30, &x) && !signal_at(l, 4, 31, &x));
	/* l1: n2, its end b, goes on for one step with n1's last wave, then it is open. */
	ck_assert(signal_at(l, 2, 21, &x));
	ck_assert_double_eq(x, -raw(N2, "link.l1.i", 21));
	ck_assert(x != 0 && signal_at(l, 3, 21, &x) && x == 1);
	ck_assert(signal_at(l, 2, 22, &x) && x == 0 && !signbit(x));
	ck_assert(!signal_at(l, 2, 35, &x) && !signal_at(l, 3, 35, &x));
	ck_assert(signal_at(l, 2, 45, &x) && x == 0);
	/* l2: n2 is its end a. */
	ck_assert(signal_at(l, 5, 31, &x));
	ck_assert_double_eq(x, -raw(N3, "link.l2.i", 31));
	signal_destroy(&l);
}
END_TEST

START_TEST(test_mesh)
{
	struct signal_list *l =
		pick("mesh.energy_residual,mesh.unserved_j,mesh.source_j,mesh.loss_j");
	struct ledger_scan *s = NULL;
	struct ledger want;
	double x;
	ck_assert_int_eq(ledger_create(view, &s, NULL), 0);
	for (int64_t k = 0; k <= 20; k += 5) {
		ledger_at(s, k, &want);
		ck_assert(signal_at(l, 0, k, &x) && x == want.residual);
		ck_assert(signal_at(l, 1, k, &x) && x == want.unserved_j);
		ck_assert(signal_at(l, 2, k, &x) && x == want.source_j);
		ck_assert(signal_at(l, 3, k, &x) && x == want.loss_j);
	}
	ck_assert(!signal_at(l, 0, 21, &x));
	ck_assert_double_eq(want.source_j, raw(N1, "source_j", 20) + raw(N2, "source_j", 20) +
	                                           raw(N3, "source_j", 20));
	ledger_destroy(&s);
	signal_destroy(&l);
}
END_TEST

/* What is appended later is seen after a refresh. */
START_TEST(test_refresh)
{
	double x;
	struct signal_list *l = pick("node.n1.v,mesh.source_j");
	play_to(play, 33);
	ck_assert(!signal_at(l, 0, 33, &x) && runview_last_k(view) == 20);
	ck_assert_int_eq(runview_refresh(view, NULL), 0);
	ck_assert(signal_at(l, 0, 33, &x) && runview_last_k(view) == 33);
	ck_assert(signal_at(l, 1, 33, &x) && x > 0);
	signal_destroy(&l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("signal");
	TCase *t = tcase_create("signal");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_names);
	tcase_add_loop_test(t, test_wrong, 0, (int)(sizeof wrong / sizeof *wrong));
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_dead);
	tcase_add_test(t, test_mesh);
	tcase_add_test(t, test_refresh);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
