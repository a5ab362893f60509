/*
 * What a node hears: frames over an ideal and an emulated channel, ages, adjacency, commands.
 */
#include "nodes/node_comm.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

enum { T_NS = 100000, HELLO_K = 5, STATE_K = 10 };

static struct node_comm c;
static struct slice s;
static struct slice_chan chan;
static struct core_events ev;
static size_t heard, states;
static double last_x;

static void
setup(void)
{
	memset(&s, 0, sizeof s);
	memset(&chan, 0, sizeof chan);
	memset(&ev, 0, sizeof ev);
	strcpy(chan.id, "l1");
	chan.peer_inc = 1;
	chan.link.channel.queue_ns = 10000000;
	chan.link.channel.reorder_ns = 2000000;
	chan.link.channel.burst_leave = 0.25;
	chan.link.channel.burst_loss = 1;
	s.kind = PROC_NODE;
	s.incarnation = 1;
	s.seed = 42;
	s.step_ns = T_NS;
	s.n_chans = 1;
	s.chans = &chan;
	heard = states = 0;
	last_x = NAN;
}

static void
teardown(void)
{
	node_comm_free(&c);
}

static void
begin(bool first_life)
{
	ck_assert_int_eq(node_comm_init(&c, &s, 0, STATE_K, first_life), 0);
}

/* Step k as node_core does it; x: what STATE says, in the message of every STATE_K-th step. */
static void
step_with(int64_t k, enum core_in_kind kind, double x)
{
	struct core_msg msg;
	memset(&msg, 0, sizeof msg);
	bool state = k % STATE_K == 0;
	msg.wave.flags = state ? WAVE_STATE | WAVE_CLOSED | 7u << WAVE_AGE_SHIFT : WAVE_CLOSED;
	msg.wave.st_x = x;
	struct core_in in = { .kind = kind, .msg = &msg, .peer_inc = 2 };
	if (c.emulates || kind == CORE_IN_JOIN) {
		const struct frame *f;
		node_comm_input(&c, k, &in);
		while ((f = node_comm_next(&c, k))) {
			heard++;
			if (f->type != FRAME_STATE)
				continue;
			states++;
			last_x = f->x;
			/* The flags between the contactors stay where they are. */
			ck_assert_uint_eq(f->flags, WAVE_STATE | 7u << WAVE_AGE_SHIFT);
		}
	} else if (kind == CORE_IN_MSG && (state || k % HELLO_K == 0)) {
		node_comm_heard(&c, k, state);
		heard += 1 + state;
		states += state;
	}
	(void)node_comm_check(&c, k, &ev);
}

static void
run(int64_t from, int64_t to, enum core_in_kind kind)
{
	for (int64_t k = from; k < to; k++)
		step_with(k, kind, (double)k);
}

static void
command(int64_t k, uint32_t kind, double a, double b)
{
	struct core_cmd cmd = {
		.k = k, .kind = kind, .a = a, .b = b, .c = NAN, .d = NAN, .e = NAN, .f = NAN
	};
	node_comm_command(&c, k, &cmd);
}

START_TEST(ideal_is_passed_by)
{
	begin(true);
	run(1, 1001, CORE_IN_MSG);
	ck_assert(!c.emulates && c.up && ev.n == 0);
	ck_assert_uint_eq(heard, 200 + 100);
	ck_assert_uint_eq(c.channel.n.sent, 0);
}
END_TEST

/* A silent neighbour is lost after 6 HELLO and a step, and found again with the first frame. */
START_TEST(adjacency)
{
	begin(true);
	run(1, 101, CORE_IN_MSG);
	run(101, 131, CORE_IN_IDLE);
	ck_assert_uint_eq(ev.n, 0);
	run(131, 132, CORE_IN_IDLE); /* heard at 100, now 31 steps ago */
	ck_assert_uint_eq(ev.n, 1);
	ck_assert(ev.e[0].code == EV_ADJ_DOWN && ev.e[0].k == 131 && ev.e[0].chan == 0);
	ck_assert_double_eq_tol(ev.e[0].a, 31e-4, 1e-12);
	ck_assert(!c.up && !c.state_known && c.regained);
	run(132, 200, CORE_IN_IDLE);
	ck_assert_uint_eq(ev.n, 1);
	run(201, 206, CORE_IN_MSG);
	ck_assert_uint_eq(ev.n, 2);
	ck_assert(ev.e[1].code == EV_ADJ_UP && ev.e[1].k == 205 && c.up);
	ck_assert_double_eq_tol(ev.e[1].a, 74e-4, 1e-12);
}
END_TEST

/* HELLO goes on, STATE does not: after 6 periods it is too old to count. */
START_TEST(stale_state)
{
	begin(true);
	run(1, 101, CORE_IN_MSG);
	ck_assert(c.state_known);
	for (int64_t k = 101; k <= 160; k++) {
		node_comm_heard(&c, k, false);
		ck_assert(node_comm_check(&c, k, &ev));
	}
	node_comm_heard(&c, 161, false);
	ck_assert(!node_comm_check(&c, 161, &ev));
	ck_assert(!c.state_known && c.up && ev.n == 0);
}
END_TEST

START_TEST(newcomer)
{
	s.start_k = 500;
	begin(false);
	ck_assert(!c.up);
	run(500, 501, CORE_IN_JOIN);
	run(501, 506, CORE_IN_MSG);
	ck_assert_uint_eq(ev.n, 1);
	ck_assert(ev.e[0].code == EV_ADJ_UP && ev.e[0].k == 505);
	ck_assert_double_eq_tol(ev.e[0].a, 5e-4, 1e-12);
}
END_TEST

/* 2 ms later, to the step: what was offered at 10 T is heard in the first step at or behind it. */
START_TEST(delay)
{
	chan.link.has_channel = true;
	chan.link.channel.delay_ns = 2 * 1000000 + 1;
	begin(true);
	ck_assert(c.emulates && c.recorded);
	run(1, 31, CORE_IN_MSG);
	ck_assert_uint_eq(states, 0);
	run(31, 32, CORE_IN_MSG);
	ck_assert_uint_eq(states, 1);
	ck_assert(last_x == 10);
	run(32, 1001, CORE_IN_MSG);
	ck_assert_uint_eq(ev.n, 0);
	ck_assert_uint_eq(c.channel.pending, c.channel.n.sent - heard);
}
END_TEST

START_TEST(cut_and_heal)
{
	begin(true);
	run(1, 101, CORE_IN_MSG);
	command(101, CMD_CUT, CUT_POWER, NAN);
	ck_assert(!c.emulates);
	command(101, CMD_CUT, CUT_CHANNEL, NAN);
	run(101, 301, CORE_IN_MSG);
	ck_assert_uint_eq(ev.n, 1);
	ck_assert_int_eq(ev.e[0].k, 131);
	ck_assert_uint_eq(c.channel.n.lost, 40 + 20);
	command(301, CMD_HEAL, CUT_POWER, NAN);
	ck_assert(c.channel.cut);
	command(301, CMD_HEAL, NAN, NAN);
	run(301, 401, CORE_IN_MSG);
	ck_assert_uint_eq(ev.n, 2);
	ck_assert_int_eq(ev.e[1].k, 305);
	ck_assert(!c.emulates);
}
END_TEST

/* Each kind sets its own parameters and gives them back; the others stay. */
START_TEST(commands)
{
	chan.link.has_channel = true;
	chan.link.channel.loss = 0.01;
	chan.link.channel.corrupt = 0.02;
	begin(true);
	const struct channel_params *p = &c.channel.p;
	command(10, CMD_DEGRADE, 0.5, 1e-3);
	command(10, CMD_REORDER, 0.1, 3e-3);
	ck_assert(p->loss == 0.5 && p->delay_ns == 1000000 && p->reorder == 0.1 &&
	          p->reorder_ns == 3000000 && p->corrupt == 0.02);
	command(20, CMD_CORRUPT, 0.3, NAN);
	command(30, CMD_DEGRADE, NAN, NAN);
	ck_assert(p->loss == 0.01 && p->delay_ns == 0 && p->corrupt == 0.3 && p->reorder == 0.1);
	command(40, CMD_CORRUPT, NAN, NAN);
	command(40, CMD_REORDER, NAN, NAN);
	command(40, CMD_DUPLICATE, 0.2, NAN);
	ck_assert(p->duplicate == 0.2);
	command(50, CMD_DUPLICATE, NAN, NAN);
	ck_assert_int_eq(memcmp(p, &c.own, sizeof *p), 0);
}
END_TEST

/* Duplicates and late frames are dropped, damaged ones are counted; the books add up. */
START_TEST(books)
{
	chan.link.has_channel = true;
	chan.link.channel.rate_bit_s = 1e7;
	chan.link.channel.loss = 0.05;
	chan.link.channel.duplicate = 0.1;
	chan.link.channel.corrupt = 0.1;
	chan.link.channel.reorder = 0.1;
	chan.link.channel.jitter_ns = 300000;
	begin(true);
	for (int64_t k = 1; k < 20000; k++) {
		double v[NODE_COMM_FIELDS];
		size_t before = heard;
		double x = last_x;
		step_with(k, CORE_IN_MSG, (double)k);
		ck_assert(isnan(x) || last_x >= x); /* never back in time */
		node_comm_frame(&c, k, v);
		/* sent + doubled = delivered + corrupt + lost + pending */
		ck_assert_double_eq(v[0] + v[3], v[1] + v[4] + v[2] + v[6]);
		ck_assert_double_eq(v[1] - v[5], (double)heard);
		ck_assert(heard - before < 50);
	}
	ck_assert_uint_gt(c.n.late,
	                  800); /* 6000 frames, a tenth of them twice, a tenth held back */
	ck_assert_uint_gt(c.n.corrupt, 450);
	ck_assert_uint_eq(c.n.corrupt, c.channel.n.damaged);
}
END_TEST

/* What the old life had under way does not reach the firmware after the new one has joined. */
START_TEST(new_life)
{
	chan.link.has_channel = true;
	chan.link.channel.delay_ns = 5 * 1000000;
	begin(true);
	run(1, 200, CORE_IN_MSG);
	size_t before = heard;
	run(200, 201, CORE_IN_JOIN);
	ck_assert_uint_eq(c.channel.pending, 0);
	run(201, 251, CORE_IN_IDLE);
	ck_assert_uint_eq(heard, before);
	run(251, 400, CORE_IN_MSG);
	ck_assert_uint_gt(heard, before);
	ck_assert_uint_eq(c.n.late, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("node comm");
	TCase *tc = tcase_create("node comm");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ideal_is_passed_by);
	tcase_add_test(tc, adjacency);
	tcase_add_test(tc, stale_state);
	tcase_add_test(tc, newcomer);
	tcase_add_test(tc, delay);
	tcase_add_test(tc, cut_and_heal);
	tcase_add_test(tc, commands);
	tcase_add_test(tc, books);
	tcase_add_test(tc, new_life);
	suite_add_tcase(suite, tc);
	SRunner *sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
