/* Requests to a mesh: routes, repeats, late and malformed answers, a supervisor that dies. */
#include <check.h>
#include <math.h>
#include <msgpack.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "client.h"
#include "mpread.h"
#include "status.h"

static char dir[200];
static struct err err;

/* A supervisor that answers as told: a ROUTER in a thread. */
struct fake {
	const char *name; /* "sup.cmd", "relay.cmd" */
	unsigned deaf;    /* requests that it does not answer */
	const char *raw;  /* answers with these bytes; NULL: a proper answer */
	size_t raw_len;
	bool refuses, late, with_status;
	/* what it saw */
	unsigned seen;
	bool ids_equal;
	char id[64], verb[32], target[32];
	double level;
	bool has_ramp;
	void *ctx, *router, *stop;
	pthread_t thread;
};

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-cl-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	err = (struct err)ERR_INIT;
}

static void
teardown(void)
{
	char path[256];
	snprintf(path, sizeof path, "%s/sup.cmd", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/relay.cmd", dir);
	unlink(path);
	rmdir(dir);
}

static void
text(msgpack_packer *pk, const char *s)
{
	msgpack_pack_str(pk, strlen(s));
	msgpack_pack_str_body(pk, s, strlen(s));
}

static void
pack_answer(const struct fake *f, const char *id, msgpack_sbuffer *buf)
{
	msgpack_packer pk;
	msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 5);
	text(&pk, "id");
	text(&pk, id);
	text(&pk, "ok");
	f->refuses ? msgpack_pack_false(&pk) : msgpack_pack_true(&pk);
	text(&pk, "code");
	msgpack_pack_int(&pk, f->refuses ? 64 : 0);
	text(&pk, "text");
	text(&pk, f->refuses ? "no link 'l9'" : "done");
	text(&pk, "data");
	msgpack_pack_map(&pk, f->with_status ? 5 : 2);
	text(&pk, "before");
	msgpack_pack_array(&pk, 1);
	msgpack_pack_map(&pk, 0);
	text(&pk, "step");
	msgpack_pack_int64(&pk, 4711);
	if (!f->with_status)
		return;
	text(&pk, "seed");
	msgpack_pack_uint64(&pk, UINT64_MAX);
	text(&pk, "state");
	text(&pk, "running");
	text(&pk, "processes");
	msgpack_pack_array(&pk, 1);
	msgpack_pack_map(&pk, 3);
	text(&pk, "id");
	text(&pk, "n1");
	text(&pk, "pid");
	msgpack_pack_int(&pk, 123);
	text(&pk, "incarnation");
	msgpack_pack_int(&pk, 2);
}

static void
note_request(struct fake *f, const void *data, size_t len)
{
	struct mpread rd;
	struct mp_token map, key, v;
	char id[64] = "";
	mpread_init(&rd, data, len);
	ck_assert_int_eq(mpread_next(&rd, &map), 0);
	ck_assert_int_eq(map.type, MP_MAP);
	f->has_ramp = false;
	for (uint32_t i = 0; i < map.n; i++) {
		ck_assert_int_eq(mpread_next(&rd, &key) | mpread_next(&rd, &v), 0);
		if (mp_is(&key, "id"))
			mp_text(&v, id, sizeof id);
		else if (mp_is(&key, "verb"))
			mp_text(&v, f->verb, sizeof f->verb);
		else if (mp_is(&key, "target"))
			mp_text(&v, f->target, sizeof f->target);
		else if (mp_is(&key, "level_w"))
			f->level = mp_number(&v, NAN);
		else if (mp_is(&key, "ramp_s"))
			f->has_ramp = true;
	}
	f->ids_equal = f->seen == 0 || strcmp(id, f->id) == 0;
	snprintf(f->id, sizeof f->id, "%s", id);
	f->seen++;
}

static void
serve_one(struct fake *f)
{
	uint8_t route[64], data[4096];
	int n_route = zmq_recv(f->router, route, sizeof route, 0);
	int n = zmq_recv(f->router, data, sizeof data, 0);
	ck_assert(n_route > 0 && n > 0 && n <= (int)sizeof data);
	note_request(f, data, (size_t)n);
	if (f->seen <= f->deaf)
		return;
	msgpack_sbuffer buf;
	if (f->late) { /* the answer to a request of before comes first */
		msgpack_sbuffer_init(&buf);
		pack_answer(f, "another", &buf);
		zmq_send(f->router, route, (size_t)n_route, ZMQ_SNDMORE);
		zmq_send(f->router, buf.data, buf.size, 0);
		msgpack_sbuffer_destroy(&buf);
	}
	msgpack_sbuffer_init(&buf);
	pack_answer(f, f->id, &buf);
	zmq_send(f->router, route, (size_t)n_route, ZMQ_SNDMORE);
	if (f->raw)
		zmq_send(f->router, f->raw, f->raw_len, 0);
	else
		zmq_send(f->router, buf.data, buf.size, 0);
	msgpack_sbuffer_destroy(&buf);
}

static void *
serve(void *arg)
{
	struct fake *f = arg;
	for (;;) {
		zmq_pollitem_t items[] = { { f->router, 0, ZMQ_POLLIN, 0 },
			                   { f->stop, 0, ZMQ_POLLIN, 0 } };
		zmq_poll(items, 2, -1);
		if (items[1].revents)
			return NULL;
		serve_one(f);
	}
}

static void
fake_begin(struct fake *f)
{
	char endpoint[256];
	f->ctx = zmq_ctx_new();
	f->router = zmq_socket(f->ctx, ZMQ_ROUTER);
	f->stop = zmq_socket(f->ctx, ZMQ_PAIR);
	snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", dir, f->name);
	ck_assert_int_eq(zmq_bind(f->router, endpoint), 0);
	ck_assert_int_eq(zmq_bind(f->stop, "inproc://stop"), 0);
	ck_assert_int_eq(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void
fake_end(struct fake *f)
{
	void *s = zmq_socket(f->ctx, ZMQ_PAIR);
	int linger = 1000;
	ck_assert_int_eq(zmq_connect(s, "inproc://stop"), 0);
	zmq_send(s, "", 0, 0);
	pthread_join(f->thread, NULL);
	zmq_setsockopt(f->router, ZMQ_LINGER, &linger, sizeof linger);
	zmq_close(s);
	zmq_close(f->router);
	zmq_close(f->stop);
	zmq_ctx_term(f->ctx);
}

static int
ask(const struct procfs_id *sup, double timeout_s, struct client_reply *r)
{
	const struct client_arg args[] = { { "target", "n4", 0 },
		                           { "level_w", NULL, 250 },
		                           { "ramp_s", NULL, NAN } };
	struct client *c = NULL;
	int rc = client_open(dir, sup, &c, &err);
	ck_assert_int_eq(rc, 0);
	rc = client_ask(c, "load", args, 3, timeout_s, r, &err);
	client_close(&c);
	ck_assert_ptr_null(c);
	return rc;
}

START_TEST(test_answer)
{
	struct fake f = { .name = "sup.cmd" };
	struct client_reply r;
	fake_begin(&f);
	ck_assert_int_eq(ask(NULL, 10, &r), 0);
	ck_assert(r.ok);
	ck_assert_str_eq(r.text, "done");
	ck_assert_int_eq(client_reply_int(&r, "step", -1), 4711);
	ck_assert_int_eq(client_reply_int(&r, "none", -1), -1);
	client_reply_free(&r);
	fake_end(&f);
	ck_assert_str_eq(f.verb, "load");
	ck_assert_str_eq(f.target, "n4");
	ck_assert(f.level == 250.0);
	ck_assert(!f.has_ramp);
}
END_TEST

START_TEST(test_refusal)
{
	struct fake f = { .name = "relay.cmd", .refuses = true, .late = true };
	struct client_reply r;
	fake_begin(&f);
	ck_assert_int_eq(ask(NULL, 10, &r), 0);
	ck_assert(!r.ok);
	ck_assert_int_eq(r.code, 64);
	ck_assert_str_eq(r.text, "no link 'l9'");
	client_reply_free(&r);
	fake_end(&f);
}
END_TEST

/* The request is sent again, with the same id. */
START_TEST(test_repeat)
{
	struct fake f = { .name = "sup.cmd", .deaf = 1 };
	struct client_reply r;
	fake_begin(&f);
	ck_assert_int_eq(ask(NULL, 20, &r), 0);
	client_reply_free(&r);
	fake_end(&f);
	ck_assert_uint_ge(f.seen, 2);
	ck_assert(f.ids_equal);
}
END_TEST

/* A relay that is deaf: the supervisor is asked itself, with the same id. */
START_TEST(test_deaf_relay)
{
	struct fake relay = { .name = "relay.cmd", .deaf = 1000 }, sup = { .name = "sup.cmd" };
	struct client_reply r;
	fake_begin(&relay);
	fake_begin(&sup);
	ck_assert_int_eq(ask(NULL, 20, &r), 0);
	client_reply_free(&r);
	fake_end(&relay);
	fake_end(&sup);
	ck_assert_uint_ge(relay.seen, 1);
	ck_assert_uint_eq(sup.seen, 1);
	ck_assert_str_eq(relay.id, sup.id);
}
END_TEST

START_TEST(test_nobody)
{
	struct client_reply r;
	ck_assert_int_eq(ask(NULL, 0.3, &r), ERR_TIMEOUT);
	/* a process that has ended: no need to wait */
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	struct procfs_id sup = { .pid = pid };
	procfs_stat(pid, &sup.starttime, NULL, NULL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(ask(&sup, 600, &r), ERR_PEER);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
} bad[] = {
	{ "", 0 },
	{ "\xc1", 1 },
	{ "\x80", 1 },
	{ "\x93\x01\x02\x03", 4 },
	{ "\x82\xa2id", 4 },
	{ "\xdf\xff\xff\xff\xff", 5 },
	{ "\x81\xa2ok\xc3", 5 },
	{ "\x81\x01\x02", 3 },
	{ "\x81\xa4"
	  "data\xdd\x00\x00\xff\xff",
	  11 },
};

/* Nothing that comes back may be taken for an answer, or crash. */
START_TEST(test_malformed)
{
	struct fake f = { .name = "sup.cmd", .raw = bad[_i].bytes, .raw_len = bad[_i].len };
	struct client_reply r;
	fake_begin(&f);
	int rc = ask(NULL, 0.5, &r);
	ck_assert(rc == ERR_PROTO || rc == ERR_TIMEOUT);
	fake_end(&f);
	ck_assert_uint_ge(f.seen, 1);
}
END_TEST

START_TEST(test_status)
{
	struct fake f = { .name = "sup.cmd", .with_status = true };
	struct client *c = NULL;
	struct status *s = NULL;
	fake_begin(&f);
	ck_assert_int_eq(client_open(dir, NULL, &c, &err), 0);
	ck_assert_int_eq(status_ask(c, 10, &s, &err), 0);
	client_close(&c);
	fake_end(&f);
	ck_assert_str_eq(f.verb, "status");
	ck_assert(s->seed == UINT64_MAX);
	ck_assert_str_eq(s->state, "running");
	ck_assert_uint_eq(s->n, 1);
	ck_assert_str_eq(s->procs[0].id, "n1");
	ck_assert_int_eq(s->procs[0].pid, 123);
	ck_assert_uint_eq(s->procs[0].incarnation, 2);
	status_destroy(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client");
	TCase *t = tcase_create("client");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_answer);
	tcase_add_test(t, test_refusal);
	tcase_add_test(t, test_repeat);
	tcase_add_test(t, test_deaf_relay);
	tcase_add_test(t, test_nobody);
	tcase_add_loop_test(t, test_malformed, 0, sizeof bad / sizeof *bad);
	tcase_add_test(t, test_status);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
