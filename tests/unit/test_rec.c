/* The flight recorder: what was committed can be read, also after SIGKILL, damage or a full disk.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "rec.h"
#include "sha256.h"

enum { N_FIELDS = 53 }; /* 424 B: no divisor of a page or a segment */

static struct rec_field fields[N_FIELDS];
static struct rec_head head;
static char dir[256];

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-rec-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	memset(&head, 0, sizeof head);
	strcpy(head.kind, "node");
	strcpy(head.id, "n1");
	strcpy(head.mesh, "rec-test");
	head.incarnation = 1;
	head.substeps = 10;
	head.port_period = 1;
	head.step_ns = 100000;
	head.start_k = 7;
	head.seed = 42;
	for (int i = 0; i < N_FIELDS; i++) {
		snprintf(fields[i].name, sizeof fields[i].name, "link.l%d.i", i);
		strcpy(fields[i].unit, i ? "A" : "1");
		fields[i].type = i ? 'f' : 'i';
	}
}

static void
teardown(void)
{
	char path[512];
	static const char *const names[] = { "node.n1.1.frames", "node.n1.1.events", "cut.frames",
		                             "cut.events" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	/* Fails when anything else, such as a temporary file, was left behind. */
	ck_assert_int_eq(rmdir(dir), 0);
}

static const char *
in_dir(const char *name)
{
	static char path[2][512];
	static int turn;
	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

/* Word i of frame k, a value that is different for every (k, i). */
static double
value(int64_t k, int i)
{
	return (double)k * 1000 + i + 0.25;
}

static void
put_frame(union rec_word *w, int64_t k)
{
	w[0].i = k;
	for (int i = 1; i < N_FIELDS; i++)
		w[i].f = value(k, i);
}

static void
write_frames(struct rec *r, int64_t from, int64_t to)
{
	struct err err = ERR_INIT;
	for (int64_t k = from; k < to; k++) {
		put_frame(rec_next(r), k);
		if (rec_commit(r, &err))
			ck_abort_msg("%s", err.text);
		if (k % 100 == 0) {
			struct core_event e = { .k = k,
				                .code = EV_LINK_OPEN,
				                .chan = 1,
				                .a = 1,
				                .b = (double)k,
				                .c = NAN,
				                .d = -0.5 };
			ck_assert_int_eq(rec_event(r, &e, &err), 0);
		}
	}
}

static void
check_frames(const struct rec_file *f, int64_t from, int64_t to)
{
	for (int64_t k = from; k < to; k++) {
		const union rec_word *w = rec_file_frame(f, k);
		union rec_word want[N_FIELDS];
		put_frame(want, k);
		/* One assertion per failure: Check makes a system call for each that it sees. */
		if (!w || memcmp(w, want, sizeof want))
			ck_abort_msg("frame %lld is %s", (long long)k, w ? "wrong" : "missing");
	}
}

static struct rec *
create(const char *where, uint64_t keep)
{
	struct rec *r = NULL;
	struct err err = ERR_INIT;
	int rc = rec_create(where, &head, fields, N_FIELDS, keep, &r, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return r;
}

static struct rec_file *
open_frames(void)
{
	struct rec_file *f = NULL;
	struct err err = ERR_INIT;
	int rc = rec_file_open(in_dir("node.n1.1.frames"), &f, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return f;
}

static unsigned char *
slurp(const char *path, size_t *n)
{
	FILE *fp = fopen(path, "rb");
	ck_assert_ptr_nonnull(fp);
	fseek(fp, 0, SEEK_END);
	*n = (size_t)ftell(fp);
	rewind(fp);
	unsigned char *p = malloc(*n + 1);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(p, 1, *n, fp), *n);
	fclose(fp);
	return p;
}

static void
spill(const char *path, const void *p, size_t n)
{
	FILE *fp = fopen(path, "wb");
	ck_assert_ptr_nonnull(fp);
	ck_assert_uint_eq(fwrite(p, 1, n, fp), n);
	ck_assert_int_eq(fclose(fp), 0);
}

/* Written in large pieces: the same bytes, and a reader sees whole frames that were written. */
START_TEST(test_buffered)
{
	struct err err = ERR_INIT;
	struct rec *r = create(dir, 0);
	write_frames(r, 7, 1007);
	rec_destroy(&r);
	size_t n[2], m[2];
	unsigned char *want[2] = { slurp(in_dir("node.n1.1.frames"), &n[0]),
		                   slurp(in_dir("node.n1.1.events"), &n[1]) };
	ck_assert_int_eq(unlink(in_dir("node.n1.1.frames")), 0);
	ck_assert_int_eq(unlink(in_dir("node.n1.1.events")), 0);

	r = create(dir, REC_BUFFERED);
	ck_assert_ptr_null(rec_last(r));
	write_frames(r, 7, 8);
	struct rec_file *f = open_frames();
	ck_assert_int_eq(rec_file_last_k(f), 6);
	ck_assert_int_eq(rec_flush(r, &err), 0);
	ck_assert_int_eq(rec_file_refresh(f, &err), 0);
	ck_assert_int_eq(rec_file_last_k(f), 7);
	/* At every fill of the buffer the last frame is still there to be read. */
	for (int64_t k = 8; k < 1007; k++) {
		write_frames(r, k, k + 1);
		ck_assert_int_eq(rec_last_k(r), k);
		if (rec_last(r)[0].i != k)
			ck_abort_msg("frame %lld is not the last", (long long)k);
		if (k % 97 == 0)
			ck_assert_int_eq(rec_flush(r, &err), 0);
	}
	ck_assert_int_eq(rec_file_refresh(f, &err), 0);
	ck_assert_int_ge(rec_file_last_k(f), 1007 - 97);
	check_frames(f, 7, rec_file_last_k(f) + 1);
	rec_file_close(&f);
	rec_destroy(&r);
	unsigned char *got[2] = { slurp(in_dir("node.n1.1.frames"), &m[0]),
		                  slurp(in_dir("node.n1.1.events"), &m[1]) };
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(n[i], m[i]);
		ck_assert_int_eq(memcmp(want[i], got[i], n[i]), 0);
		free(want[i]);
		free(got[i]);
	}
}
END_TEST

/* 8000 frames of 424 B are 3.2 MiB: frames straddle every border of a segment. */
START_TEST(test_file_is_memory)
{
	struct err err = ERR_INIT;
	struct rec *file = create(dir, 0), *mem = create(NULL, 0);
	ck_assert_int_eq(rec_last_k(file), 6);
	ck_assert_ptr_null(rec_last(file));
	for (int64_t k = 7; k < 8007; k += 1000) {
		write_frames(file, k, k + 1000);
		write_frames(mem, k, k + 1000);
		ck_assert_int_eq(rec_last_k(file), k + 999);
		ck_assert_int_eq(rec_last(file)[0].i, k + 999);
		ck_assert_int_eq(rec_last(mem)[0].i, k + 999);
	}
	struct rec_file *live = open_frames(), *in_mem = NULL;
	check_frames(live, 7, 8007);
	rec_file_close(&live);
	ck_assert_int_eq(rec_file_of(mem, &in_mem, &err), 0);
	check_frames(in_mem, 7, 8007);
	rec_destroy(&file);
	struct rec_file *f = open_frames();
	ck_assert_int_eq(rec_file_first_k(f), 7);
	ck_assert_int_eq(rec_file_last_k(f), 8006);
	ck_assert_ptr_null(rec_file_frame(f, 6));
	ck_assert_ptr_null(rec_file_frame(f, 8007));
	ck_assert_ptr_null(rec_file_frame(f, INT64_MIN));
	ck_assert_ptr_null(rec_file_frame(f, INT64_MAX));
	check_frames(f, 7, 8007);
	ck_assert_int_eq(rec_file_field(f, "link.l52.i"), 52);
	ck_assert_int_eq(rec_file_field(f, "link.l53.i"), -1);
	ck_assert_uint_eq(rec_file_n_events(f), 80);
	const struct core_event *e = rec_file_event(f, 79);
	ck_assert_int_eq(e->k, 8000);
	ck_assert_uint_eq(e->code, EV_LINK_OPEN);
	ck_assert_int_eq(e->chan, 1);
	ck_assert(e->b == 8000 && isnan(e->c) && e->d == -0.5);
	ck_assert_int_eq(memcmp(rec_file_head(f), &head, sizeof head), 0);

	/* The hash is that of the file's own bytes without count and first (bytes 16 to 31). */
	static const char *const names[] = { "node.n1.1.frames", "node.n1.1.events" };
	static const size_t frame_bytes[] = { 8 * N_FIELDS, 56 }, n_frames[] = { 8000, 80 };
	for (int i = 0; i < 2; i++) {
		uint8_t a[32], b[32], c[32];
		size_t n;
		unsigned char *p = slurp(in_dir(names[i]), &n);
		ck_assert_uint_eq(n % 4096, n_frames[i] * frame_bytes[i] % 4096);
		memmove(p + 16, p + 32, n - 32);
		ck_assert_int_eq(sha256_of(p, n - 16, a, &err), 0);
		free(p);
		ck_assert_int_eq(rec_file_sha256(f, i, b, &err), 0);
		ck_assert_int_eq(rec_file_sha256(in_mem, i, c, &err), 0);
		ck_assert_int_eq(memcmp(a, b, 32), 0);
		ck_assert_int_eq(memcmp(a, c, 32), 0);
	}
	rec_file_close(&f);
	rec_file_close(&in_mem);
	rec_destroy(&mem);
}
END_TEST

START_TEST(test_refresh)
{
	struct err err = ERR_INIT;
	struct rec *r = create(dir, 0);
	struct rec_file *f = open_frames();
	ck_assert_int_eq(rec_file_last_k(f), 6);
	for (int64_t k = 7; k < 9007; k += 900) {
		write_frames(r, k, k + 900);
		ck_assert_ptr_null(rec_file_frame(f, k));
		ck_assert_int_eq(rec_file_refresh(f, &err), 0);
		ck_assert_int_eq(rec_file_last_k(f), k + 899);
		check_frames(f, k, k + 900);
	}
	/* Ending the writer cuts the file to its length under the reader. */
	rec_destroy(&r);
	ck_assert_int_eq(rec_file_refresh(f, &err), 0);
	check_frames(f, 7, 9007);
	rec_file_close(&f);
}
END_TEST

START_TEST(test_sigkill)
{
	int fd[2];
	ck_assert_int_eq(pipe(fd), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct rec *r = NULL;
		if (rec_create(dir, &head, fields, N_FIELDS, 0, &r, NULL))
			_exit(1);
		for (int64_t k = 7;; k++) {
			put_frame(rec_next(r), k);
			if (rec_commit(r, NULL))
				_exit(2);
			if (k == 3000 && write(fd[1], "x", 1) != 1)
				_exit(3);
			/* Bounded, should nobody kill it. */
			if (k == 200000)
				pause();
		}
	}
	char c;
	ck_assert_int_eq(read(fd[0], &c, 1), 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(fd[0]);
	close(fd[1]);
	struct rec_file *f = open_frames();
	ck_assert_int_ge(rec_file_last_k(f), 3000);
	check_frames(f, 7, rec_file_last_k(f) + 1);
	ck_assert_ptr_null(rec_file_frame(f, rec_file_last_k(f) + 1));
	rec_file_close(&f);
}
END_TEST

START_TEST(test_full)
{
	struct err err = ERR_INIT;
	struct rlimit old, small;
	struct sigaction ign = { .sa_handler = SIG_IGN }, was;
	ck_assert_int_eq(sigaction(SIGXFSZ, &ign, &was), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 3 << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct rec *r = create(dir, 0);
	int rc = 0;
	int64_t k = 7;
	for (; !rc && k < 20000; k++) {
		put_frame(rec_next(r), k);
		rc = rec_commit(r, &err);
	}
	ck_assert_int_eq(rc, ERR_FULL);
	ck_assert_ptr_nonnull(strstr(err.text, "node.n1.1.frames"));
	ck_assert_ptr_nonnull(strstr(err.text, "4194304"));
	/* Less than one segment was left unused. */
	ck_assert_int_ge((k - 7) * 8 * N_FIELDS, 1 << 20);
	/* It stays an error, and harms nothing. */
	put_frame(rec_next(r), k);
	ck_assert_int_eq(rec_commit(r, &err), ERR_FULL);
	ck_assert_int_eq(rec_last_k(r), k - 1);
	ck_assert_int_eq(rec_last(r)[0].i, k - 1);
	rec_destroy(&r);

	/* No room for the very first segment: no file is left. */
	head.incarnation = 2;
	small.rlim_cur = 100000; /* room for events, not for frames */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(rec_create(dir, &head, fields, N_FIELDS, 0, &r, &err), ERR_FULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(sigaction(SIGXFSZ, &was, NULL), 0);
	ck_assert_int_eq(access(in_dir("node.n1.2.frames"), F_OK), -1);
	ck_assert_int_eq(access(in_dir("node.n1.2.events"), F_OK), -1);

	struct rec_file *f = open_frames();
	ck_assert_int_eq(rec_file_last_k(f), k - 1);
	check_frames(f, 7, k);
	rec_file_close(&f);
}
END_TEST

static void
check_keep(struct rec *r, uint64_t keep)
{
	struct err err = ERR_INIT;
	struct rec_file *f = NULL;
	write_frames(r, 7, 30007);
	int64_t first = rec_first_k(r), last = rec_last_k(r);
	ck_assert_int_eq(last, 30006);
	ck_assert_int_ge(last - first + 1, (int64_t)keep);
	/* No more than two segments of 1 MiB too many. */
	ck_assert_int_le((last - first + 1 - (int64_t)keep) * 8 * N_FIELDS, 2 << 20);
	ck_assert_int_eq(rec_file_of(r, &f, &err), 0);
	ck_assert(rec_file_partial(f));
	ck_assert_int_eq(rec_file_first_k(f), first);
	ck_assert_ptr_null(rec_file_frame(f, first - 1));
	ck_assert_ptr_null(rec_file_frame(f, 7));
	check_frames(f, first, last + 1);
	ck_assert_uint_eq(rec_file_n_events(f), 300); /* events stay */
	uint8_t sum[32];
	ck_assert_int_eq(rec_file_sha256(f, false, sum, &err), 0);
	rec_file_close(&f);
}

START_TEST(test_keep)
{
	struct rec *file = create(dir, 4000), *mem = create(NULL, 4000);
	check_keep(mem, 4000);
	rec_destroy(&mem);
	check_keep(file, 4000);
	struct stat st;
	ck_assert_int_eq(stat(in_dir("node.n1.1.frames"), &st), 0);
	/* 12.7 MB were written; at most 1.7 MB + 4 segments are still taken. */
	ck_assert_int_ge(st.st_size, 30000 * 8 * N_FIELDS);
	ck_assert_int_le(st.st_blocks * 512, 4000 * 8 * N_FIELDS + (4 << 20));
	rec_destroy(&file);
	struct rec_file *f = open_frames();
	ck_assert(rec_file_partial(f));
	check_frames(f, rec_file_first_k(f), 30007);
	rec_file_close(&f);
}
END_TEST

static void
poke(int fd, size_t at, unsigned char c)
{
	if (pwrite(fd, &c, 1, (off_t)at) != 1)
		ck_abort_msg("pwrite");
}

/* Opens the pair "cut.*"; when that works, reads all that it offers. */
static int
try_cut(struct err *err)
{
	struct rec_file *f = NULL;
	int rc = rec_file_open(in_dir("cut.frames"), &f, err);
	if (rc) {
		return !f && strlen(err->text) > 10 ? rc : -1;
	}
	uint8_t sum[32];
	size_t n;
	rec_file_fields(f, &n);
	double total = 0;
	for (int64_t k = rec_file_first_k(f); k <= rec_file_last_k(f); k++)
		total += rec_file_frame(f, k)[n - 1].f;
	(void)total;
	rc = rec_file_sha256(f, false, sum, err);
	rec_file_close(&f);
	return rc;
}

START_TEST(test_damage)
{
	struct err err = ERR_INIT;
	struct rec *r = create(dir, 0);
	write_frames(r, 7, 107);
	rec_destroy(&r);
	size_t nf, ne;
	unsigned char *pf = slurp(in_dir("node.n1.1.frames"), &nf);
	unsigned char *pe = slurp(in_dir("node.n1.1.events"), &ne);
	spill(in_dir("cut.frames"), pf, nf);
	spill(in_dir("cut.events"), pe, ne);
	ck_assert_int_eq(try_cut(&err), 0);

	/* Any shorter file is refused. */
	static const size_t lengths[] = { 0, 1, 16, 191, 192, 4095, 4096, 4864, 8191, 8192, 9000 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		spill(in_dir("cut.frames"), pf, lengths[i]);
		ck_assert_msg(try_cut(&err) == ERR_INPUT, "length %zu", lengths[i]);
	}
	spill(in_dir("cut.frames"), pf, nf - 1);
	ck_assert_int_eq(try_cut(&err), ERR_INPUT);
	spill(in_dir("cut.frames"), pf, nf);
	spill(in_dir("cut.events"), pe, ne - 1);
	ck_assert_int_eq(try_cut(&err), ERR_INPUT);
	ck_assert_int_eq(unlink(in_dir("cut.events")), 0);
	ck_assert_int_lt(try_cut(&err), 0);
	spill(in_dir("cut.events"), pf, nf); /* frames in the place of events */
	ck_assert_int_eq(try_cut(&err), ERR_INPUT);
	spill(in_dir("cut.events"), pe, ne);

	/* A byte of the header set to any of three values: refused or readable, never a crash. The
	 * magic number, version, count (upper bytes), sizes, step, first field must be refused. */
	static const unsigned char flips[] = { 0xff, 0x80, 0x01 };
	int fd = open(in_dir("cut.frames"), O_WRONLY);
	ck_assert_int_ge(fd, 0);
	for (size_t at = 0; at < 192 + 88 + 8; at++) {
		for (size_t i = 0; i < 3; i++) {
			poke(fd, at, pf[at] ^ flips[i]);
			int rc = try_cut(&err);
			bool must = at < 16 || (at >= 17 && at < 24) || (at >= 25 && at < 44);
			if (must && rc != ERR_INPUT)
				ck_abort_msg("byte %zu is accepted", at);
			poke(fd, at, pf[at]);
		}
	}
	close(fd);
	ck_assert_int_eq(try_cut(&err), 0);
	/* Every byte of the events file. */
	fd = open(in_dir("cut.events"), O_WRONLY);
	ck_assert_int_ge(fd, 0);
	for (size_t at = 0; at < ne; at++) {
		poke(fd, at, pe[at] ^ 0xff);
		int rc = try_cut(&err);
		if (at >= 192 && at < 4096 && rc != ERR_INPUT)
			ck_abort_msg("byte %zu is accepted", at);
		poke(fd, at, pe[at]);
	}
	close(fd);
	ck_assert_int_eq(try_cut(&err), 0);
	free(pf);
	free(pe);
}
END_TEST

START_TEST(test_refused)
{
	struct err err = ERR_INIT;
	struct rec *r = create(dir, 0), *second = NULL;
	write_frames(r, 7, 17);
	/* The same incarnation again must not overwrite the first. */
	ck_assert_int_eq(rec_create(dir, &head, fields, N_FIELDS, 0, &second, &err), ERR_IO);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(err.text, "node.n1.1"));
	write_frames(r, 17, 27);
	rec_destroy(&r);
	struct rec_file *f = open_frames();
	check_frames(f, 7, 27);
	rec_file_close(&f);
	ck_assert_int_eq(rec_create(in_dir("none"), &head, fields, N_FIELDS, 0, &second, &err),
	                 ERR_IO);
	ck_assert_ptr_null(second);
	ck_assert_int_lt(rec_file_open(in_dir("none.frames"), &f, &err), 0);
	ck_assert_int_lt(rec_file_open(dir, &f, &err), 0);
	ck_assert_ptr_null(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rec");
	TCase *t = tcase_create("rec");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_file_is_memory);
	tcase_add_test(t, test_buffered);
	tcase_add_test(t, test_refresh);
	tcase_add_test(t, test_sigkill);
	tcase_add_test(t, test_full);
	tcase_add_test(t, test_keep);
	tcase_add_test(t, test_damage);
	tcase_add_test(t, test_refused);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
