/* The trace: one number for a run, that of its recorder bytes in an order of its own. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "rec.h"
#include "sha256.h"

enum { N = 6, WORDS = 3 };

static const struct rec_field fields[WORDS] = { { "v", "V", 'f' },
	                                        { "i", "A", 'f' },
	                                        { "n", "1", 'i' } };

/* In the order of the trace: "n10" is before "n2" in byte order, "-" before "1". */
static const struct {
	const char *kind, *id;
	uint32_t incarnation;
} order[N] = {
	{ "node", "n-1", 1 }, { "node", "n1", 1 }, { "node", "n1", 2 },
	{ "node", "n10", 1 }, { "node", "n2", 1 }, { "module", "a", 1 },
};

static struct rec *recs[N];
static struct rec_file *files[N];
static int64_t alter_k;
static int alter_rec;

static void
make(void)
{
	struct err err = ERR_INIT;
	for (int i = 0; i < N; i++) {
		struct rec_head h = { .incarnation = order[i].incarnation,
			              .substeps = 10,
			              .port_period = 1,
			              .step_ns = 100000,
			              .start_k = i,
			              .seed = 3 };
		strcpy(h.kind, order[i].kind);
		strcpy(h.id, order[i].id);
		strcpy(h.mesh, "m");
		ck_assert_int_eq(rec_create(NULL, &h, fields, WORDS, 0, &recs[i], &err), 0);
		for (int64_t k = 0; k < 5000; k++) {
			union rec_word *w = rec_next(recs[i]);
			w[0].f = (double)k * 0.5;
			w[1].f = (double)i;
			w[2].i = i == alter_rec && k == alter_k ? k + 1 : k;
			if (rec_commit(recs[i], &err))
				ck_abort_msg("%s", err.text);
		}
		struct core_event e = { .k = i, .code = EV_JOINED, .chan = -1, .a = 1 };
		ck_assert_int_eq(rec_event(recs[i], &e, &err), 0);
		ck_assert_int_eq(rec_file_of(recs[i], &files[i], &err), 0);
	}
}

static void
clear(void)
{
	for (int i = 0; i < N; i++) {
		rec_file_close(&files[i]);
		rec_destroy(&recs[i]);
	}
}

static void
setup(void)
{
	alter_rec = -1;
	make();
}

START_TEST(test_order)
{
	struct err err = ERR_INIT;
	uint8_t all[2 * N][32], want[32], got[32];
	/* By hand: frames before events of each, in the order above. */
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(rec_file_sha256(files[i], false, all[2 * i], &err), 0);
		ck_assert_int_eq(rec_file_sha256(files[i], true, all[2 * i + 1], &err), 0);
	}
	ck_assert_int_eq(sha256_of(all, sizeof all, want, &err), 0);
	unsigned random = 1;
	for (int turn = 0; turn < 50; turn++) {
		struct rec_file *mixed[N];
		memcpy(mixed, files, sizeof mixed);
		for (int i = N - 1; i > 0; i--) {
			random = random * 1103515245 + 12345;
			int j = (int)(random >> 16) % (i + 1);
			struct rec_file *f = mixed[i];
			mixed[i] = mixed[j];
			mixed[j] = f;
		}
		ck_assert_int_eq(rec_trace(mixed, N, got, &err), 0);
		ck_assert_int_eq(memcmp(got, want, 32), 0);
	}
}
END_TEST

/* One bit in one of 30000 frames, or one more frame or event, is another trace. */
START_TEST(test_sensitive)
{
	struct err err = ERR_INIT;
	uint8_t before[32], after[32];
	ck_assert_int_eq(rec_trace(files, N, before, &err), 0);
	clear();
	make();
	ck_assert_int_eq(rec_trace(files, N, after, &err), 0);
	ck_assert_int_eq(memcmp(before, after, 32), 0);
	clear();
	alter_rec = 3;
	alter_k = 2500;
	make();
	ck_assert_int_eq(rec_trace(files, N, after, &err), 0);
	ck_assert_int_ne(memcmp(before, after, 32), 0);
	clear();
	alter_rec = -1;
	make();
	struct core_event e = { .k = 9, .code = EV_JOINED, .chan = -1 };
	ck_assert_int_eq(rec_event(recs[1], &e, &err), 0);
	/* Not before the reader has looked again. */
	ck_assert_int_eq(rec_trace(files, N, after, &err), 0);
	ck_assert_int_eq(memcmp(before, after, 32), 0);
	ck_assert_int_eq(rec_file_refresh(files[1], &err), 0);
	ck_assert_int_eq(rec_trace(files, N, after, &err), 0);
	ck_assert_int_ne(memcmp(before, after, 32), 0);
	ck_assert_int_eq(rec_trace(files, N - 1, after, &err), 0);
	ck_assert_int_ne(memcmp(before, after, 32), 0);
}
END_TEST

START_TEST(test_twice)
{
	struct err err = ERR_INIT;
	uint8_t sum[32];
	struct rec_file *twice[] = { files[0], files[1], files[0] };
	ck_assert_int_eq(rec_trace(twice, 3, sum, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "n-1"));
}
END_TEST

/* FIPS 180-4 examples, as published by NIST: "abc", the empty message, a million times "a". */
START_TEST(test_sha256)
{
	struct err err = ERR_INIT;
	uint8_t sum[32];
	char hex[SHA256_HEX];
	ck_assert_int_eq(sha256_of("abc", 3, sum, &err), 0);
	sha256_hex(sum, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert_int_eq(sha256_of("", 0, sum, &err), 0);
	sha256_hex(sum, hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	struct sha256 s;
	char a[1000];
	memset(a, 'a', sizeof a);
	ck_assert_int_eq(sha256_begin(&s, &err), 0);
	for (int i = 0; i < 1000; i++)
		sha256_add(&s, a, sizeof a);
	sha256_end(&s, sum);
	sha256_hex(sum, hex);
	ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trace");
	TCase *t = tcase_create("trace");
	tcase_add_checked_fixture(t, setup, clear);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_order);
	tcase_add_test(t, test_sensitive);
	tcase_add_test(t, test_twice);
	tcase_add_test(t, test_sha256);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
