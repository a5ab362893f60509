/* Export and events of a run directory: the exact text, for values that are known. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/events.h"
#include "broker/export.h"
#include "core.h"
#include "diag.h"
#include "runview.h"

static const char mesh[] =
	"voltloom: 1\n"
	"mesh: { name: two, step: 100us, substeps: 10, seed: 5, nominal: 48V }\n"
	"nodes:\n"
	"  - id: b1\n"
	"    feed: { v0: 48.5V, droop: 15.36mOhm, i_rated: 62.5A, i_max: 78.125A, tau: 1ms }\n"
	"  - { id: a2 }\n"
	"links:\n"
	"  - { id: l1, between: [b1, a2], r: 20mOhm, l: 2uH }\n"
	"modules:\n"
	"  - { id: m1, class: fixed, power: 250W, feeds: [a2] }\n";

static char dir[256], rec_dir[300], mesh_path[300];
static struct topo *topo;
static struct rec *recs[4];

static const struct rec_field node_fields[] = {
	{ "v", "V", 'f' },
	{ "feed_i", "A", 'f' },
	{ "link.l1.i", "A", 'f' },
	{ "link.l1.state", "1", 'f' },
};
static const struct rec_field module_fields[] = { { "v_in", "V", 'f' }, { "served", "1", 'i' } };

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	struct diag_list diags;
	struct err err = ERR_INIT;
	snprintf(dir, sizeof dir, "%s/vl-export-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(rec_dir, sizeof rec_dir, "%s/rec", dir);
	snprintf(mesh_path, sizeof mesh_path, "%s/mesh.yaml", dir);
	ck_assert_int_eq(mkdir(rec_dir, 0755), 0);
	FILE *f = fopen(mesh_path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(mesh, f);
	ck_assert_int_eq(fclose(f), 0);
	diag_list_init(&diags);
	int rc = topo_load(mesh_path, &diags, &topo, &err);
	if (rc)
		diag_print(&diags, stderr, DIAG_TEXT);
	ck_assert_msg(!rc, "%s", err.text);
	diag_list_free(&diags);
}

static void
teardown(void)
{
	for (size_t i = 0; i < sizeof recs / sizeof *recs; i++)
		rec_destroy(&recs[i]);
	topo_destroy(&topo);
	static const char *const names[] = { "node.b1.1", "node.a2.1", "node.a2.2", "module.m1.1" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s.frames", rec_dir, names[i]);
		unlink(path);
		snprintf(path, sizeof path, "%s/%s.events", rec_dir, names[i]);
		unlink(path);
	}
	unlink(mesh_path);
	rmdir(rec_dir);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct rec *
begin(const char *kind, const char *id, uint32_t incarnation, int64_t start_k)
{
	struct rec_head h = { .incarnation = incarnation,
		              .substeps = topo->substeps,
		              .port_period = topo->port_period,
		              .step_ns = topo->step_ns,
		              .start_k = start_k,
		              .seed = 5 };
	struct rec *r = NULL;
	struct err err = ERR_INIT;
	bool node = !strcmp(kind, "node");
	strcpy(h.kind, kind);
	strcpy(h.id, id);
	strcpy(h.mesh, topo->name);
	memcpy(h.topo_hash, topo->hash, sizeof h.topo_hash);
	int rc = rec_create(rec_dir, &h, node ? node_fields : module_fields, node ? 4 : 2, 0, &r,
	                    &err);
	ck_assert_msg(!rc, "%s", err.text);
	return r;
}

static void
node_frame(struct rec *r, double v, double feed_i, double link_i, double state)
{
	union rec_word *w = rec_next(r);
	w[0].f = v;
	w[1].f = feed_i;
	w[2].f = link_i;
	w[3].f = state;
	ck_assert_int_eq(rec_commit(r, NULL), 0);
}

static void
event(struct rec *r, int64_t k, uint32_t code, int32_t chan, double a, double b, double c, double d)
{
	struct core_event e = { k, code, chan, a, b, c, d };
	ck_assert_int_eq(rec_event(r, &e, NULL), 0);
}

/* Ten frames; a2 is dead in 5..7, and back in frame 8. */
static void
make_run(void)
{
	recs[0] = begin("node", "b1", 1, 0);
	recs[1] = begin("node", "a2", 1, 0);
	recs[3] = begin("module", "m1", 1, 0);
	for (int k = 0; k <= 10; k++) {
		node_frame(recs[0], 48 + k / 3.0, -k * 1e-12, k < 6 ? 10 + k : 0, k < 6 ? 2 : 0);
		if (k == 5)
			recs[2] = begin("node", "a2", 2, 8);
		if (k < 5)
			node_frame(recs[1], 47.5, 0, -10.0, 2);
		if (k >= 8)
			node_frame(recs[2], 123456789.125, 0, -0.0, 0);
		union rec_word *w = rec_next(recs[3]);
		w[0].f = 47;
		w[1].i = k != 6;
		ck_assert_int_eq(rec_commit(recs[3], NULL), 0);
	}
	event(recs[1], 4, EV_PARK, -1, 0, 0, 0, 0);
	event(recs[0], 5, EV_FAULT, -1, CMD_SHORT, 0.2, NAN, 0);
	event(recs[0], 6, EV_LINK_OPEN, 0, OPEN_DEATH, 4, 0.5, -0.25);
	event(recs[0], 9, EV_LINK_CLOSE, 0, 1, 0, 0, 0);
	event(recs[2], 8, EV_JOINED, -1, 2, 0, 0, 0);
	event(recs[2], 9, EV_LINK_CLOSE, 0, 1, 0, 0, 0);
	event(recs[3], 5, EV_PORT_OPEN, 0, OPEN_DEATH, -1, 0, 0);
	event(recs[3], 5, EV_OWNER, -1, 0, 2, 0, 0);
	event(recs[3], 6, EV_UNSERVED, -1, 1, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		rec_destroy(&recs[i]); /* m1 is still being written */
}

static char *
run_export(const struct export_params *p, int want, struct err *err)
{
	struct runview *v = NULL;
	char *text = NULL;
	size_t n;
	ck_assert_msg(!runview_open(dir, &v, err), "%s", err->text);
	FILE *f = open_memstream(&text, &n);
	int rc = export_csv(v, p, f, err);
	fclose(f);
	ck_assert_msg(rc == want, "%s", err->text);
	runview_close(&v);
	return text;
}

static void
check_export(const struct export_params *p, const char *want)
{
	struct err err = ERR_INIT;
	char *text = run_export(p, 0, &err);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(test_csv)
{
	make_run();
	check_export(
		&(struct export_params){ .signals = "node.*.v,link.*.i,feed.*.i,module.*.served",
	                                 .every_ns = 200000,
	                                 .to_ns = -1 },
		"t_s,node.b1.v,node.a2.v,link.l1.i,feed.b1.i,module.m1.served\n"
		"0,48,47.5,10,0,1\n"
		"0.0002,48.6666667,47.5,11,-2e-12,1\n"
		"0.0004,49.3333333,47.5,12,-4e-12,1\n"
		"0.0006,50,,0,-6e-12,0\n"
		"0.0008,50.6666667,123456789,0,-8e-12,1\n"
		"0.001,51.3333333,123456789,0,-1e-11,1\n");
	/* An interval that does not divide the run, a part of it, and every step. */
	check_export(
		&(struct export_params){ .signals = "link.l1.i", .every_ns = 700000, .to_ns = -1 },
		"t_s,link.l1.i\n0,10\n0.0007,0\n");
	check_export(&(struct export_params){ .signals = "module.m1.v_in",
	                                      .from_ns = 250000,
	                                      .to_ns = 450000 },
	             "t_s,module.m1.v_in\n0.0003,47\n0.0004,47\n");
	check_export(&(struct export_params){ .signals = "link.l1.i",
	                                      .from_ns = 400000,
	                                      .to_ns = 500000 },
	             "t_s,link.l1.i\n0.0004,12\n0.0005,15\n");
}
END_TEST

START_TEST(test_csv_refused)
{
	struct err err = ERR_INIT;
	make_run();
	free(run_export(
		&(struct export_params){ .signals = "node.*.v", .every_ns = 150000, .to_ns = -1 },
		ERR_USAGE, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "not a multiple of the step, 100000 ns"));
	free(run_export(&(struct export_params){ .signals = "node.b2.v", .to_ns = -1 },
	                ERR_NOTFOUND, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "did you mean 'b1'"));
	free(run_export(&(struct export_params){ .signals = "", .to_ns = -1 }, ERR_NOTFOUND, &err));
	free(run_export(&(struct export_params){ .signals = "module.m1.p", .to_ns = -1 },
	                ERR_NOTFOUND, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "'m1' did not record 'p'"));
	struct runview *v = NULL;
	ck_assert_int_eq(runview_open(dir, &v, &err), 0);
	FILE *full = fopen("/dev/full", "w");
	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(export_csv(v,
	                            &(struct export_params){ .signals = "node.*.v", .to_ns = -1 },
	                            full, &err),
	                 ERR_FULL);
	fclose(full);
	runview_close(&v);
}
END_TEST

START_TEST(test_time)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 1, "0.000000001" },
		{ 100000, "0.0001" },
		{ 1000000000, "1" },
		{ 12500000000, "12.5" },
		{ -100000, "-0.0001" },
		{ 20000000000, "20" },
		{ INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char buf[EXPORT_TIME_MAX];
		export_time(rows[i].ns, buf);
		ck_assert_str_eq(buf, rows[i].text);
	}
}
END_TEST

static char *
run_events(const char *wanted, bool json)
{
	struct runview *v = NULL;
	struct events *e = NULL;
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t n;
	ck_assert_msg(!runview_open(dir, &v, &err), "%s", err.text);
	ck_assert_int_eq(events_collect(v, &e, &err), 0);
	FILE *f = open_memstream(&text, &n);
	ck_assert_int_eq(events_print(e, 0, wanted, json, f, &err), 0);
	fclose(f);
	FILE *full = fopen("/dev/full", "w");
	ck_assert_int_eq(events_print(e, 0, NULL, json, full, &err), ERR_FULL);
	fclose(full);
	events_destroy(&e);
	runview_close(&v);
	return text;
}

START_TEST(test_events)
{
	make_run();
	char *text = run_events(NULL, false);
	ck_assert_str_eq(text, "0.0004 s  step 4  a2.1  park subject=a2\n"
	                       "0.0005 s  step 5  b1.1  fault.fired node=b1 kind=short r_ohm=0.2\n"
	                       "0.0005 s  step 5  m1.1  port.open port=m1.a2 cause=death\n"
	                       "0.0005 s  step 5  m1.1  takeover module=m1 to=a2 epoch=2\n"
	                       "0.0006 s  step 6  b1.1  link.open link=l1 cause=death rx=4 "
	                       "wave_j=0.5 booked_j=-0.25\n"
	                       "0.0006 s  step 6  m1.1  unserved subject=m1 state=begins\n"
	                       "0.0008 s  step 8  a2.2  joined subject=a2 incarnation=2\n"
	                       "0.0009 s  step 9  b1.1  link.close link=l1 stage=precharge\n"
	                       "0.0009 s  step 9  a2.2  link.close link=l1 stage=precharge\n");
	free(text);
	text = run_events("link.close subject=a2", false);
	ck_assert_str_eq(text, "0.0009 s  step 9  a2.2  link.close link=l1 stage=precharge\n");
	free(text);
	text = run_events("link.open link=l", false); /* whole words only */
	ck_assert_str_eq(text, "");
	free(text);
	text = run_events("cause=death link.open", true);
	ck_assert_str_eq(text,
	                 "{\"t_ns\":600000,\"step\":6,\"proc\":\"b1\",\"life\":1,"
	                 "\"event\":\"link.open\",\"link\":\"l1\",\"cause\":\"death\",\"rx\":4,"
	                 "\"wave_j\":0.5,\"booked_j\":-0.25}\n");
	free(text);
}
END_TEST

START_TEST(test_run_dir)
{
	struct runview *v = NULL;
	struct err err = ERR_INIT;
	ck_assert_int_eq(runview_open(dir, &v, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "nothing was recorded"));
	make_run();
	ck_assert_int_eq(runview_open(dir, &v, &err), 0);
	ck_assert_uint_eq(runview_n_lives(v, 1), 2);
	ck_assert_int_eq(runview_life_at(v, 1, 4), 0);
	ck_assert_int_eq(runview_life_at(v, 1, 5), -1);
	ck_assert_int_eq(runview_life_at(v, 1, 8), 1);
	ck_assert_int_eq(runview_last_k(v), 10);
	ck_assert_int_eq(runview_first_k(v), 0);
	ck_assert(!runview_partial(v) && runview_seed(v) == 5);
	ck_assert(runview_find(v, "m1") == 2 && runview_find(v, "l1") == -1);
	/* The trace is that of the files, however they are read. */
	uint8_t a[32], b[32];
	ck_assert_int_eq(runview_trace(v, a, &err), 0);
	runview_close(&v);
	rec_destroy(&recs[3]);
	ck_assert_int_eq(runview_open(dir, &v, &err), 0);
	ck_assert_int_eq(runview_trace(v, b, &err), 0);
	ck_assert_int_eq(memcmp(a, b, 32), 0);
	runview_close(&v);

	/* Damage is named by file. */
	char path[512];
	snprintf(path, sizeof path, "%s/node.a2.1.frames", rec_dir);
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(runview_open(dir, &v, &err),
	                 0); /* 4096 + 5 frames of 32 B are below 5000 */
	runview_close(&v);
	ck_assert_int_eq(truncate(path, 4200), 0);
	ck_assert_int_eq(runview_open(dir, &v, &err), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "node.a2.1.frames"));
	unlink(mesh_path);
	ck_assert_int_lt(runview_open(dir, &v, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "mesh.yaml"));
	ck_assert_ptr_null(v);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("export");
	TCase *t = tcase_create("export");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_csv);
	tcase_add_test(t, test_csv_refused);
	tcase_add_test(t, test_time);
	tcase_add_test(t, test_events);
	tcase_add_test(t, test_run_dir);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
