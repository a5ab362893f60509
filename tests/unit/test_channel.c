/*
 * The emulated channel against theory: counts within the bounds of their distributions, times in
 * closed form, and what must hold for every frame. Bounds are 5 standard deviations of the exact
 * distribution, so that a wrong share fails and chance does not (p < 1e-6 per bound).
 */
#include "channel.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define MS INT64_C(1000000)
#define SIGMAS 5.0

static struct channel c;
static uint8_t bytes[CHANNEL_FRAME_MAX];

static void
setup(void)
{
	memset(&c, 0, sizeof c);
	struct frame f = {
		.type = FRAME_STATE, .from_inc = 1, .seq = 7, .v_v = 48.1, .dv_v = -0.5, .x = 0.25
	};
	ck_assert_uint_eq(frame_pack(&f, bytes), CHANNEL_FRAME_MAX);
}

static void
teardown(void)
{
	channel_free(&c);
}

static void
begin_seed(struct channel_params p, uint64_t seed, size_t room)
{
	ck_assert_int_eq(channel_init(&c, &p, room, seed, "l1", 1, 0), 0);
}

static void
begin(struct channel_params p)
{
	begin_seed(p, 42, 4096);
}

static void
offer(int64_t t_ns)
{
	channel_offer(&c, t_ns, bytes, sizeof bytes);
}

static void
check_books(void)
{
	ck_assert_uint_eq(c.n.sent + c.n.doubled, c.n.delivered + c.n.lost + c.pending);
}

/* A binomial count is within SIGMAS of n p. */
static void
check_share(uint64_t count, double n, double p)
{
	double sigma = sqrt(n * p * (1 - p));
	ck_assert_msg(fabs((double)count - n * p) <= SIGMAS * sigma + 0.5,
	              "%llu of %g, expected %g +- %g", (unsigned long long)count, n, n * p, sigma);
}

START_TEST(ideal)
{
	begin((struct channel_params){ .queue_ns = MS });
	ck_assert(channel_is_ideal(&c.p));
	for (int64_t t = 0; t < 1000; t++) {
		offer(t * MS);
		const struct channel_frame *f = channel_take(&c, t * MS);
		ck_assert_ptr_nonnull(f);
		ck_assert_int_eq(f->arrival_ns, t * MS);
		ck_assert_mem_eq(f->bytes, bytes, sizeof bytes);
		ck_assert_ptr_null(channel_take(&c, t * MS));
	}
	check_books();
}
END_TEST

/* k frames offered at once leave one behind the other: arrival j = j ceil(8e9 B/rate) + delay. */
START_TEST(rate)
{
	static const double rates[] = { 1e6, 1e7, 3e7, 1e8, 7.7e8 };
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		int64_t line = (int64_t)ceil(8e9 * sizeof bytes / rates[r]);
		begin((struct channel_params){
			.rate_bit_s = rates[r], .delay_ns = 12345, .queue_ns = 1000 * MS });
		for (int burst = 0; burst < 3; burst++) {
			int64_t t = burst * 100 * MS;
			for (int j = 0; j < 20; j++) {
				ck_assert_int_eq(channel_wait_ns(&c, t), j * line);
				offer(t);
			}
			for (int j = 1; j <= 20; j++) {
				ck_assert_ptr_null(channel_take(&c, t + j * line + 12345 - 1));
				const struct channel_frame *f =
					channel_take(&c, t + j * line + 12345);
				ck_assert_ptr_nonnull(f);
				ck_assert_int_eq(f->arrival_ns, t + j * line + 12345);
			}
		}
		check_books();
		channel_free(&c);
	}
}
END_TEST

/* Offered faster than the line: the queue takes floor(queue/line) + 1 waiting frames and the one on
 * the line, the rest is dropped; behind that the line is never idle. */
START_TEST(queue)
{
	const int64_t line = 8 * 44 * 1000; /* 1 Mbit/s */
	begin((struct channel_params){ .rate_bit_s = 1e6, .queue_ns = 4 * line });
	for (int i = 0; i < 10; i++)
		offer(0);
	ck_assert_uint_eq(c.n.no_room, 5);
	ck_assert_int_eq(channel_wait_ns(&c, 0), 5 * line);
	check_books();
	uint64_t got = 0;
	for (int64_t t = 0; t < 10000; t++) {
		offer(t * line / 2);
		while (channel_take(&c, t * line / 2))
			got++;
		check_books();
	}
	/* Twice the rate is offered: one frame per line time comes out. */
	ck_assert_uint_ge(got, 4995);
	ck_assert_uint_le(got, 5001);
}
END_TEST

START_TEST(loss)
{
	static const double shares[] = { 0.001, 0.05, 0.5, 0.97 };
	const int n = 200000;
	for (uint64_t seed = 1; seed <= 3; seed++)
		for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
			begin_seed((struct channel_params){ .loss = shares[i] }, seed, 64);
			for (int64_t t = 0; t < n; t++) {
				offer(t);
				(void)channel_take(&c, t);
			}
			check_share(c.n.lost, n, shares[i]);
			check_books();
			channel_free(&c);
		}
	begin((struct channel_params){ .loss = 1 });
	for (int64_t t = 0; t < 1000; t++)
		offer(t);
	ck_assert_uint_eq(c.n.lost, 1000);
}
END_TEST

/* Losses are independent: the runs test of Wald and Wolfowitz. */
START_TEST(loss_is_independent)
{
	const int n = 200000;
	double lost = 0, runs = 1;
	bool before = false;
	begin((struct channel_params){ .loss = 0.3 });
	for (int64_t t = 0; t < n; t++) {
		uint64_t was = c.n.lost;
		offer(t);
		bool now = c.n.lost > was;
		(void)channel_take(&c, t);
		lost += now;
		runs += t > 0 && now != before;
		before = now;
	}
	double good = n - lost, mean = 2 * lost * good / n + 1;
	double sigma = sqrt((mean - 1) * (mean - 2) / (n - 1));
	ck_assert_double_le(fabs(runs - mean), SIGMAS * sigma);
}
END_TEST

/* Gilbert: with loss 1 in the bad state and 0 in the good one, runs of losses are geometric with
 * mean 1/leave, and the share of losses is enter/(enter + leave). */
START_TEST(bursts)
{
	static const double enter[] = { 0.001, 0.01, 0.05 }, leave[] = { 0.1, 0.25, 0.5 };
	const int n = 1000000;
	for (size_t i = 0; i < 3; i++) {
		double runs = 0, lost = 0, squares = 0, length = 0;
		begin((struct channel_params){
			.burst_enter = enter[i], .burst_leave = leave[i], .burst_loss = 1 });
		for (int64_t t = 0; t < n; t++) {
			uint64_t was = c.n.lost;
			offer(t);
			if (c.n.lost > was) {
				length++;
				lost++;
			} else if (length > 0) {
				runs++;
				squares += length * length;
				length = 0;
			}
			(void)channel_take(&c, t);
		}
		/* Of a geometric length: mean 1/q, variance (1 - q)/q^2. */
		double q = leave[i], mean = (lost - length) / runs;
		double sigma = sqrt((1 - q) / (q * q) / runs);
		ck_assert_msg(fabs(mean - 1 / q) <= SIGMAS * sigma, "%g, expected %g +- %g", mean,
		              1 / q, sigma);
		double var = squares / runs - mean * mean;
		ck_assert_double_eq_tol(var, (1 - q) / (q * q), 0.15 * (1 - q) / (q * q));
		/* Correlated samples: the variance is that of independent ones times (1 + r)/(1 -
		 * r) with r = 1 - enter - leave. */
		double share = enter[i] / (enter[i] + q), r = 1 - enter[i] - q;
		sigma = sqrt(n * share * (1 - share) * (1 + r) / (1 - r));
		ck_assert_double_le(fabs(lost - n * share), SIGMAS * sigma);
		channel_free(&c);
	}
}
END_TEST

/* Elliott: losses in both states. */
START_TEST(bursts_of_elliott)
{
	const int n = 1000000;
	const double enter = 0.02, leave = 0.1, good = 0.01, bad = 0.6;
	begin((struct channel_params){
		.loss = good, .burst_enter = enter, .burst_leave = leave, .burst_loss = bad });
	for (int64_t t = 0; t < n; t++) {
		offer(t);
		(void)channel_take(&c, t);
	}
	double in_bad = enter / (enter + leave), share = in_bad * bad + (1 - in_bad) * good;
	double r = 1 - enter - leave;
	double between = in_bad * (1 - in_bad) * (bad - good) * (bad - good);
	double sigma = sqrt(n * (share * (1 - share) + 2 * between * r / (1 - r)));
	ck_assert_double_le(fabs((double)c.n.lost - n * share), SIGMAS * sigma);
	check_books();
}
END_TEST

/* Uniform in [0, J]: bounds, mean J/2, variance J^2/12, and the order is kept. */
START_TEST(jitter)
{
	const int n = 100000;
	const int64_t j = 2 * MS, delay = 5 * MS, gap = 10 * MS; /* too far apart to meet */
	double sum = 0, squares = 0, lo = INFINITY, hi = 0;
	begin((struct channel_params){ .delay_ns = delay, .jitter_ns = j });
	for (int64_t i = 0; i < n; i++) {
		offer(i * gap);
		const struct channel_frame *f = channel_take(&c, (i + 1) * gap - 1);
		ck_assert_ptr_nonnull(f);
		double x = (double)(f->arrival_ns - i * gap - delay);
		ck_assert(x >= 0 && x <= (double)j);
		sum += x;
		squares += x * x;
		lo = x < lo ? x : lo;
		hi = x > hi ? x : hi;
	}
	double mean = sum / n, var = squares / n - mean * mean, all = (double)j;
	ck_assert_double_le(fabs(mean - all / 2), SIGMAS * all / sqrt(12.0 * n));
	ck_assert_double_eq_tol(var, all * all / 12, 0.02 * all * all / 12);
	ck_assert_double_le(lo, 1e-3 * all);
	ck_assert_double_ge(hi, (1 - 1e-3) * all);
}
END_TEST

START_TEST(jitter_keeps_the_order)
{
	uint32_t last = 0;
	int64_t arrival = 0;
	begin((struct channel_params){ .jitter_ns = 5 * MS });
	for (int64_t i = 0; i < 20000; i++) {
		const struct channel_frame *f;
		offer(i * MS / 10);
		while ((f = channel_take(&c, i * MS / 10))) {
			ck_assert_uint_eq(f->seq, last + 1);
			ck_assert_int_ge(f->arrival_ns, arrival);
			last = f->seq;
			arrival = f->arrival_ns;
		}
		check_books();
	}
}
END_TEST

/* A shorter delay in the middle of a run lets nothing overtake either. */
START_TEST(change_keeps_the_order)
{
	struct channel_params p = { .delay_ns = 3 * MS };
	uint32_t last = 0;
	begin(p);
	for (int64_t i = 0; i < 100; i++) {
		const struct channel_frame *f;
		if (i == 50) {
			p.delay_ns = 0;
			channel_change(&c, &p, i * MS / 2);
		}
		offer(i * MS / 2);
		while ((f = channel_take(&c, i * MS / 2)))
			ck_assert_uint_eq(f->seq, ++last);
	}
	ck_assert_uint_eq(last, 100);
}
END_TEST

/* Only frames that were held back come behind later ones, as often as asked for, and by no more
 * than they were held back. */
START_TEST(reorder)
{
	const int n = 100000;
	const int64_t gap = MS / 2, by = 2 * MS;
	uint32_t highest = 0;
	uint64_t late = 0;
	begin((struct channel_params){ .delay_ns = MS, .reorder = 0.1, .reorder_ns = by });
	for (int64_t i = 0; i < n + 10; i++) {
		const struct channel_frame *f;
		if (i < n)
			offer(i * gap);
		while ((f = channel_take(&c, i * gap))) {
			int64_t sent = (int64_t)(f->seq - 1) * gap;
			bool held = f->arrival_ns == sent + MS + by;
			ck_assert(held || f->arrival_ns == sent + MS);
			if (f->seq < highest) {
				ck_assert(held);
				late++;
				ck_assert_uint_le(highest - f->seq, (uint32_t)(by / gap));
			} else {
				highest = f->seq;
			}
		}
	}
	check_share(c.n.held_back, n, 0.1);
	/* Of two next to each other that are both held back, the first is overtaken all the same by
	 * one of the next three unless all four are: late = held back but for 1 in 10^4 or less. */
	ck_assert_uint_le(late, c.n.held_back);
	ck_assert_uint_ge(late, c.n.held_back - c.n.held_back / 200);
	ck_assert_uint_eq(c.pending, 0);
	check_books();
}
END_TEST

START_TEST(duplicate)
{
	const int n = 100000;
	uint64_t got = 0, twice = 0;
	uint32_t last = 0;
	begin((struct channel_params){ .rate_bit_s = 1e9, .duplicate = 0.03, .queue_ns = MS });
	for (int64_t i = 0; i < n; i++) {
		const struct channel_frame *f;
		offer(i * MS);
		while ((f = channel_take(&c, i * MS + MS / 2))) {
			got++;
			twice += f->seq == last;
			last = f->seq;
			ck_assert_mem_eq(f->bytes, bytes, sizeof bytes);
		}
	}
	check_share(c.n.doubled, n, 0.03);
	ck_assert_uint_eq(got, n + c.n.doubled);
	ck_assert_uint_eq(twice, c.n.doubled);
	check_books();
}
END_TEST

/* One to five bits, different ones; the checksum finds every single damage. */
START_TEST(corrupt)
{
	const int n = 200000;
	uint64_t by_flips[6] = { 0 }, damaged = 0;
	struct err err = ERR_INIT;
	struct frame f;
	begin((struct channel_params){ .corrupt = 0.5 });
	for (int64_t i = 0; i < n; i++) {
		offer(i);
		const struct channel_frame *x = channel_take(&c, i);
		unsigned flips = 0;
		for (size_t b = 0; b < sizeof bytes; b++)
			flips += (unsigned)__builtin_popcount(x->bytes[b] ^ bytes[b]);
		ck_assert_uint_le(flips, 5);
		by_flips[flips]++;
		damaged += flips > 0;
		ck_assert_int_eq(frame_unpack(x->bytes, x->len, &f, &err) == 0, flips == 0);
	}
	ck_assert_uint_eq(damaged, c.n.damaged);
	check_share(damaged, n, 0.5);
	for (int i = 1; i <= 5; i++)
		check_share(by_flips[i], (double)damaged, 0.2);
}
END_TEST

/* Constant foreign traffic of rate F on a line of rate R: it takes F/R of the line. Below R a frame
 * waits at most for the one foreign frame on the line; above R the queue stays full and our own
 * frames are mostly dropped. */
START_TEST(flood)
{
	const double r = 1e8;
	const int64_t frame = 400 * 8 * 10; /* ns at 100 Mbit/s */
	int64_t worst = 0;
	begin((struct channel_params){
		.rate_bit_s = r, .queue_ns = 10 * MS, .flood_bit_s = 0.9 * r, .flood_bytes = 400 });
	for (int64_t i = 0; i < 2000; i++) {
		int64_t t = i * MS + i * 37;
		channel_flood(&c, t);
		int64_t wait = channel_wait_ns(&c, t);
		worst = wait > worst ? wait : worst;
		offer(t);
		while (channel_take(&c, t))
			;
	}
	ck_assert_int_le(worst, 2 * frame);
	ck_assert_int_gt(worst, frame / 2);
	ck_assert_uint_eq(c.n.lost, 0);
	/* 2 s of 0.9 R in frames of 3200 bits. */
	ck_assert_double_eq_tol((double)c.n.flooded, 2.0 * 0.9 * r / 3200, 30);
	channel_free(&c);

	begin((struct channel_params){
		.rate_bit_s = r, .queue_ns = 2 * MS, .flood_bit_s = 2 * r, .flood_bytes = 400 });
	for (int64_t i = 0; i < 2000; i++)
		offer(i * MS);
	/* The wait grows with (F - R)/R until the queue is full: at 2 ms. */
	ck_assert_int_ge(channel_wait_ns(&c, 1999 * MS), 2 * MS - frame);
	ck_assert_int_le(channel_wait_ns(&c, 1999 * MS), 2 * MS + frame);
	ck_assert_uint_gt(c.n.no_room, 500);
	check_books();
	/* The line carries R, and no more. */
	double carried =
		(double)c.n.flooded * 3200 + (double)(c.n.sent - c.n.no_room) * 8 * sizeof bytes;
	ck_assert_double_eq_tol(carried, 2.0 * r, 0.01 * r);
}
END_TEST

START_TEST(cut)
{
	begin((struct channel_params){ .delay_ns = 2 * MS });
	offer(0);
	c.cut = true;
	offer(1 * MS);
	const struct channel_frame *f = channel_take(&c, 10 * MS);
	ck_assert_ptr_nonnull(f); /* was under way */
	ck_assert_uint_eq(f->seq, 1);
	ck_assert_ptr_null(channel_take(&c, 10 * MS));
	c.cut = false;
	offer(11 * MS);
	offer(12 * MS);
	channel_flush(&c);
	ck_assert_ptr_null(channel_take(&c, 100 * MS));
	ck_assert_uint_eq(c.n.lost, 3);
	check_books();
}
END_TEST

START_TEST(no_room)
{
	begin_seed((struct channel_params){ .delay_ns = 1000 * MS }, 1, 64);
	for (int64_t i = 0; i < 100; i++)
		offer(i);
	ck_assert_uint_eq(c.pending, 64);
	ck_assert_uint_eq(c.n.no_room, 36);
	check_books();
	/* What channel_room() gives is enough. */
	struct channel_params p = { .rate_bit_s = 1e6,
		                    .delay_ns = 300 * MS,
		                    .jitter_ns = 100 * MS,
		                    .reorder = 0.5,
		                    .reorder_ns = 50 * MS,
		                    .duplicate = 1,
		                    .queue_ns = 10 * MS };
	channel_free(&c);
	begin_seed(p, 1, channel_room(&p, 4000));
	for (int64_t i = 0; i < 8000; i++) {
		offer(i * MS / 4);
		while (channel_take(&c, i * MS / 4))
			;
		ck_assert_uint_lt(c.pending, c.cap);
		check_books();
	}
}
END_TEST

/* The same key gives the same frames; another direction, life or seed does not; and a setting that
 * is switched on leaves the draws of the others alone. */
START_TEST(streams)
{
	struct channel_params p = { .loss = 0.5 };
	uint8_t lost[5][64] = { { 0 } };
	for (int run = 0; run < 5; run++) {
		struct channel_params q = p;
		if (run == 4) {
			q.jitter_ns = MS;
			q.duplicate = 0.5;
			q.corrupt = 0.5;
		}
		ck_assert_int_eq(channel_init(&c, &q, 4096, 7, "l1", run == 3 ? 2 : 1, run == 2),
		                 0);
		for (int i = 0; i < 64; i++) {
			uint64_t was = c.n.lost;
			offer(i);
			lost[run][i] = c.n.lost > was;
		}
		channel_free(&c);
	}
	ck_assert_mem_eq(lost[0], lost[1], 64);
	ck_assert_mem_ne(lost[0], lost[2], 64);
	ck_assert_mem_ne(lost[0], lost[3], 64);
	ck_assert_mem_eq(lost[0], lost[4], 64);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ideal);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, queue);
	tcase_add_test(tc, loss);
	tcase_add_test(tc, loss_is_independent);
	tcase_add_test(tc, bursts);
	tcase_add_test(tc, bursts_of_elliott);
	tcase_add_test(tc, jitter);
	tcase_add_test(tc, jitter_keeps_the_order);
	tcase_add_test(tc, change_keeps_the_order);
	tcase_add_test(tc, reorder);
	tcase_add_test(tc, duplicate);
	tcase_add_test(tc, corrupt);
	tcase_add_test(tc, flood);
	tcase_add_test(tc, cut);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, streams);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
