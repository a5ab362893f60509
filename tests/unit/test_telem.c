/* Telemetry: names of keys, what is published, what is refused; MessagePack read byte by byte. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core.h"
#include "mpread.h"
#include "slice.h"
#include "telem.h"

/* ---- MessagePack --------------------------------------------------------------------------- */

static int
one(const void *bytes, size_t len, struct mp_token *t)
{
	static unsigned char kept[64]; /* a token borrows from the bytes that were read */
	struct mpread r;
	ck_assert_uint_le(len, sizeof kept);
	memcpy(kept, bytes, len);
	mpread_init(&r, kept, len);
	return mpread_next(&r, t);
}
#define ONE(t, ...)                                 \
	one((const unsigned char[]){ __VA_ARGS__ }, \
	    sizeof((const unsigned char[]){ __VA_ARGS__ }), t)

/* Bytes from the tables of the MessagePack specification. */
START_TEST(mp_values)
{
	struct mp_token t;
	ck_assert_int_eq(ONE(&t, 0x7f), 0);
	ck_assert(t.type == MP_INT && t.i == 127);
	ck_assert_int_eq(ONE(&t, 0xe0), 0);
	ck_assert(t.type == MP_INT && t.i == -32);
	ck_assert_int_eq(ONE(&t, 0xcc, 0xff), 0);
	ck_assert(t.type == MP_INT && t.i == 255);
	ck_assert_int_eq(ONE(&t, 0xcd, 0x01, 0x00), 0);
	ck_assert(t.type == MP_INT && t.i == 256);
	ck_assert_int_eq(ONE(&t, 0xd0, 0x80), 0);
	ck_assert(t.type == MP_INT && t.i == -128);
	ck_assert_int_eq(ONE(&t, 0xd1, 0xff, 0xfe), 0);
	ck_assert(t.type == MP_INT && t.i == -2);
	ck_assert_int_eq(ONE(&t, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), 0);
	ck_assert(t.type == MP_INT && t.i == INT64_MIN);
	ck_assert_int_eq(ONE(&t, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0);
	ck_assert(t.type == MP_UINT && t.u == UINT64_MAX && t.i == INT64_MAX);
	ck_assert_int_eq(ONE(&t, 0xca, 0x3f, 0xc0, 0, 0), 0);
	ck_assert(t.type == MP_FLOAT && t.f == 1.5);
	ck_assert_int_eq(ONE(&t, 0xcb, 0xc0, 0x04, 0, 0, 0, 0, 0, 0), 0);
	ck_assert(t.type == MP_FLOAT && t.f == -2.5);
	ck_assert_int_eq(ONE(&t, 0xc0), 0);
	ck_assert(t.type == MP_NIL);
	ck_assert_int_eq(ONE(&t, 0xc3), 0);
	ck_assert(t.type == MP_BOOL && t.b);
	ck_assert_int_eq(ONE(&t, 0xa2, 'o', 'k'), 0);
	ck_assert(mp_is(&t, "ok") && !mp_is(&t, "o") && !mp_is(&t, "okay"));
	ck_assert_int_eq(ONE(&t, 0xda, 0x00, 0x01, 'x'), 0);
	ck_assert(mp_is(&t, "x"));
	ck_assert_int_eq(ONE(&t, 0xd6, 0x05, 1, 2, 3, 4), 0);
	ck_assert(t.type == MP_EXT && t.n == 5);
	ck_assert_int_eq(ONE(&t, 0xde, 0x00, 0x01, 0xa1, 'a', 0x01), 0);
	ck_assert(t.type == MP_MAP && t.n == 1);
}
END_TEST

START_TEST(mp_refuses)
{
	struct mp_token t;
	ck_assert_int_eq(one("", 0, &t), -1);
	ck_assert_int_eq(ONE(&t, 0xc1), -1);          /* never used */
	ck_assert_int_eq(ONE(&t, 0xcb, 0, 0, 0), -1); /* cut */
	ck_assert_int_eq(ONE(&t, 0xa5, 'a', 'b'), -1);
	ck_assert_int_eq(ONE(&t, 0xdb, 0xff, 0xff, 0xff, 0xff, 'a'), -1);
	ck_assert_int_eq(ONE(&t, 0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 'a', 1),
	                 -1); /* more pairs than bytes */
	ck_assert_int_eq(ONE(&t, 0xdd, 0x7f, 0xff, 0xff, 0xff, 1), -1);
	ck_assert_int_eq(ONE(&t, 0x93, 1, 2), -1);
}
END_TEST

START_TEST(mp_depth)
{
	unsigned char nested[MPREAD_DEPTH_MAX + 2];
	struct mpread r;
	for (size_t depth = 1; depth <= MPREAD_DEPTH_MAX + 1; depth++) {
		memset(nested, 0x91, depth);
		nested[depth] = 0x01;
		mpread_init(&r, nested, depth + 1);
		ck_assert_int_eq(mpread_skip(&r), depth <= MPREAD_DEPTH_MAX ? 0 : -1);
		ck_assert_ptr_eq(r.p, r.end);
	}
}
END_TEST

START_TEST(mp_words)
{
	struct mp_token t;
	char buf[4];
	ck_assert_int_eq(ONE(&t, 0xa5, 'a', '\n', 'c', 'd', 'e'), 0);
	ck_assert(mp_text(&t, buf, sizeof buf));
	ck_assert_str_eq(buf, "a?c");
	ck_assert_int_eq(ONE(&t, 0x05), 0);
	ck_assert(!mp_text(&t, buf, sizeof buf));
	ck_assert_str_eq(buf, "");
	ck_assert(mp_number(&t, NAN) == 5);
	ck_assert(mp_int(&t, -1) == 5);
}
END_TEST

/* ---- publishing ---------------------------------------------------------------------------- */

enum { F_V, F_FEED_I, F_STORED, F_SERVED, F_L1_STATE, F_L1_I, F_L1_AVG, F_L2_I, F_PORT_P, F_L2_VO, F_L2_SET, F_N };
static const struct rec_field fields[F_N] = {
	[F_V] = { "v", "V", 'f' },
	[F_FEED_I] = { "feed_i", "A", 'f' },
	[F_STORED] = { "stored_j", "J", 'f' },
	[F_SERVED] = { "served", "1", 'i' },
	[F_L1_STATE] = { "link.l1.state", "1", 'i' },
	[F_L1_I] = { "link.l1.i", "A", 'f' },
	[F_L1_AVG] = { "link.l1.i_avg", "A", 'f' },
	[F_L2_I] = { "link.l2.i", "A", 'f' },
	[F_PORT_P] = { "port.m1.p", "W", 'f' },
	[F_L2_VO] = { "link.l2.conv_vo", "V", 'f' },
	[F_L2_SET] = { "link.l2.conv_set_p", "W", 'f' },
};
static const struct rec_head head = {
	.kind = "node",
	.id = "n7",
	.mesh = "pair",
	.incarnation = 3,
	.step_ns = 100000,
};
static void *ctx, *sub;
static struct telem *telem;
static struct telem_msg msg;
static struct err err;

static void
setup(void)
{
	struct slice_chan chans[2];
	int linger = 0, timeout_ms = 5000;
	memset(chans, 0, sizeof chans);
	strcpy(chans[0].id, "l1");
	strcpy(chans[1].id, "m1.n7");
	ctx = zmq_ctx_new();
	sub = zmq_socket(ctx, ZMQ_SUB);
	zmq_setsockopt(sub, ZMQ_LINGER, &linger, sizeof linger);
	zmq_setsockopt(sub, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
	ck_assert_int_eq(zmq_bind(sub, "inproc://relay.pub"), 0);
	struct telem_params p = { .zmq_ctx = ctx,
		                  .endpoint = "inproc://relay.pub",
		                  .head = &head,
		                  .fields = fields,
		                  .n_fields = F_N,
		                  .chans = chans,
		                  .n_chans = 2 };
	ck_assert_int_eq(telem_create(&p, &telem, &err), 0);
}

static void
teardown(void)
{
	telem_destroy(&telem);
	ck_assert_ptr_null(telem);
	telem_destroy(&telem);
	zmq_close(sub);
	zmq_ctx_term(ctx);
}

/* A socket works off what the other end sent when it is looked at. */
static void
look(void)
{
	zmq_pollitem_t item = { .socket = sub, .events = ZMQ_POLLIN };
	zmq_poll(&item, 1, 1);
}

/* Until the subscription has come through. */
static void
subscribe(void)
{
	zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "t1.", 3);
	for (int64_t wall_ns = 0; !telem_due(telem, wall_ns); wall_ns += 200000000) {
		look();
		ck_assert_int_lt(wall_ns, INT64_C(1000000000000));
	}
}

static int
take(char topic[64])
{
	char body[4096];
	int n = zmq_recv(sub, topic, 63, 0);
	ck_assert_int_gt(n, 0);
	topic[n] = '\0';
	int m = zmq_recv(sub, body, sizeof body, 0);
	ck_assert_int_gt(m, 0);
	return telem_parse(topic, (size_t)n, body, (size_t)m, &msg, &err);
}

static void
frame_fill(union rec_word *w)
{
	w[F_V].f = 48.5;
	w[F_FEED_I].f = 12.25;
	w[F_STORED].f = 1164.0;
	w[F_SERVED].i = 1;
	w[F_L1_STATE].i = 2;
	w[F_L1_I].f = -4;
	w[F_L1_AVG].f = -3.5;
	w[F_L2_I].f = 5;
	w[F_L2_VO].f = 47;
	w[F_L2_SET].f = 240;
	w[F_PORT_P].f = 250;
}

START_TEST(publishes_by_topic)
{
	union rec_word w[F_N];
	char topic[64];
	frame_fill(w);
	subscribe();
	telem_publish(telem, 4711, w, 0.5, TELEM_PAUSED);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(topic, "t1.node.n7");
	ck_assert(msg.kind == TELEM_NODE && strcmp(msg.id, "n7") == 0);
	ck_assert(msg.k == 4711 && msg.t_ns == INT64_C(471100000) && msg.seq == 1 && msg.inc == 3);
	ck_assert(msg.speed == 0.5 && msg.state == TELEM_PAUSED);
	ck_assert_str_eq(telem_text(&msg, "mesh"), "pair");
	ck_assert(telem_number(&msg, "v_v", NAN) == 48.5);
	ck_assert(telem_number(&msg, "feed_i_a", NAN) == 12.25);
	ck_assert(telem_number(&msg, "stored_j", NAN) == 1164); /* the unit is not said twice */
	ck_assert(telem_number(&msg, "served", NAN) == 1);
	ck_assert(telem_find(&msg, "served")->type == 'i');
	ck_assert(telem_number(&msg, "port.m1.p_w", NAN) == 250);
	ck_assert_ptr_null(telem_find(&msg, "link.l1.i_a")); /* in its own topic */
	ck_assert_uint_eq(msg.n, 6);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(topic, "t1.link.l1");
	ck_assert(msg.kind == TELEM_LINK && msg.seq == 1 && msg.state == TELEM_PAUSED);
	ck_assert_str_eq(telem_text(&msg, "end"), "n7");
	ck_assert(telem_number(&msg, "link_state", NAN) == 2);
	ck_assert(telem_number(&msg, "i_a", NAN) == -4);
	ck_assert(telem_number(&msg, "i_avg_a", NAN) == -3.5);
	ck_assert(telem_number(&msg, "p_w", NAN) == -194); /* 48.5 V * -4 A */
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(topic, "t1.link.l2");
	ck_assert(telem_number(&msg, "p_w", NAN) == 235); /* at its converter: 47 V * 5 A */
	ck_assert(telem_number(&msg, "conv_vo_v", NAN) == 47);
	ck_assert(telem_number(&msg, "conv_set_p_w", NAN) == 240);
	telem_publish(telem, 4712, w, 0.5, TELEM_PAUSED);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_int_eq(msg.seq, 2);
}
END_TEST

START_TEST(publishes_events)
{
	char topic[64];
	struct core_event e = {
		.k = 5000, .code = EV_LINK_OPEN, .chan = 0, .a = OPEN_DEATH, .b = 4998, .c = NAN
	};
	subscribe();
	telem_event(telem, &e, 0, TELEM_RUNNING);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(topic, "t1.event");
	ck_assert(msg.kind == TELEM_EVENT && msg.id[0] == '\0' && msg.t_ns == 500000000 &&
	          msg.seq == 1);
	ck_assert_str_eq(telem_text(&msg, "event"), "link.open");
	ck_assert_str_eq(telem_text(&msg, "key"), "link");
	ck_assert_str_eq(telem_text(&msg, "name"), "l1");
	ck_assert_str_eq(telem_text(&msg, "proc"), "n7");
	ck_assert_str_eq(telem_text(&msg, "kind"), "node");
	ck_assert(telem_number(&msg, "b", NAN) == 4998);
	ck_assert(isnan(telem_number(&msg, "c", 0)));
	e.chan = -1;
	telem_event(telem, &e, 0, TELEM_RUNNING);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(telem_text(&msg, "name"), "");
	e.chan = 99; /* out of the table: no name, no harm */
	telem_event(telem, &e, 0, TELEM_RUNNING);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_str_eq(telem_text(&msg, "name"), "");
	ck_assert_int_eq(msg.seq, 3);
}
END_TEST

START_TEST(paces_and_stays_silent)
{
	union rec_word w[F_N];
	char topic[64];
	frame_fill(w);
	ck_assert(!telem_due(telem, 0)); /* nobody listens */
	telem_publish(telem, 1, w, 1, TELEM_RUNNING);
	subscribe();
	int64_t t = INT64_C(3000000000000);
	ck_assert(telem_due(telem, t));
	ck_assert(!telem_due(telem, t + 99999999));
	ck_assert(telem_due(telem, t + 100000000));
	ck_assert(!telem_due(telem, t + 100000001));
	telem_publish(telem, 2, w, 1, TELEM_RUNNING);
	ck_assert_int_eq(take(topic), 0);
	ck_assert_int_eq(msg.k, 2); /* what nobody heard was not sent and not numbered */
	ck_assert_int_eq(msg.seq, 1);
	zmq_setsockopt(sub, ZMQ_UNSUBSCRIBE, "t1.", 3);
	for (int i = 0; i < 5000 && telem_due(telem, t += 100000000); i++)
		look();
	ck_assert(!telem_due(telem, t += 100000000));
}
END_TEST

/* More than a queue can hold, nobody takes: all of it returns, and what is taken is whole. */
START_TEST(never_blocks)
{
	union rec_word w[F_N];
	char topic[64];
	frame_fill(w);
	subscribe();
	for (int k = 0; k < 5000; k++)
		telem_publish(telem, k, w, 1, TELEM_RUNNING);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(take(topic), 0);
}
END_TEST

/* ---- reading ------------------------------------------------------------------------------- */

/* {"t_ns": 1, "k": 2, "seq": 3, "inc": 1, "speed": 1.0 (float32), "state": "held", "v_v": 48} */
static const unsigned char good[] = {
	0x87, 0xa4, 't', '_', 'n',  's',  1,   0xa1, 'k', 2,   0xa3, 's',  'e',  'q', 3,  0xa3,
	'i',  'n',  'c', 1,   0xa5, 's',  'p', 'e',  'e', 'd', 0xca, 0x3f, 0x80, 0,   0,  0xa5,
	's',  't',  'a', 't', 'e',  0xa4, 'h', 'e',  'l', 'd', 0xa3, 'v',  '_',  'v', 48,
};

static int
parse(const char *topic, const void *data, size_t len)
{
	return telem_parse(topic, strlen(topic), data, len, &msg, &err);
}

START_TEST(reads_foreign)
{
	ck_assert_int_eq(parse("t1.module.m-1_x", good, sizeof good), 0);
	ck_assert(msg.kind == TELEM_MODULE && msg.state == TELEM_HELD && msg.speed == 1 &&
	          msg.n == 1);
	ck_assert_str_eq(msg.id, "m-1_x");
	unsigned char other[sizeof good];
	memcpy(other, good, sizeof good);
	memcpy(memchr(other, 'h', sizeof other), "HELD", 4); /* a word of a later version */
	ck_assert_int_eq(parse("t1.node.n1", other, sizeof other), 0);
	ck_assert(msg.state == TELEM_STATE_END_);
}
END_TEST

START_TEST(refuses_topics)
{
	static const char *const topics[] = {
		"",
		"t1",
		"t1.",
		"t1.node",
		"t1.node.",
		"t2.node.n1",
		"t1.node.a b",
		"t1.node.a.b",
		"t1.events",
		"t1.node.abcdefghijklmnopqrstuvwxyzabcdef",
		"t1.node.\xc3\xa4",
	};
	for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
		ck_assert_int_eq(parse(topics[i], good, sizeof good), ERR_PROTO);
}
END_TEST

START_TEST(refuses_bodies)
{
	unsigned char b[sizeof good + 1];
	for (size_t n = 0; n < sizeof good; n++) /* every cut */
		ck_assert_int_eq(parse("t1.node.n1", good, n), ERR_PROTO);
	memcpy(b, good, sizeof good);
	b[sizeof good] = 1;
	ck_assert_int_eq(parse("t1.node.n1", b, sizeof b), ERR_PROTO); /* something behind it */
	b[6] = 0xff;
	ck_assert_int_eq(parse("t1.node.n1", b, sizeof good), ERR_PROTO); /* t_ns: -1 */
	memcpy(b, good, sizeof good);
	b[1] = 0x01;
	ck_assert_int_eq(parse("t1.node.n1", b, sizeof good),
	                 ERR_PROTO); /* a key that is no text */
	memcpy(b, good, sizeof good);
	b[2] = 'T';
	ck_assert_int_eq(parse("t1.node.n1", b, sizeof good), ERR_PROTO); /* t_ns is missing */
}
END_TEST

START_TEST(limits_keys)
{
	static unsigned char b[3 + 4 * (TELEM_VALUES_MAX + 8) + sizeof good];
	for (unsigned more = TELEM_VALUES_MAX - 1; more <= TELEM_VALUES_MAX; more++) {
		unsigned pairs = 7 + more;
		size_t n = 0;
		b[n++] = 0xde;
		b[n++] = (unsigned char)(pairs >> 8);
		b[n++] = (unsigned char)pairs;
		memcpy(b + n, good + 1, sizeof good - 1);
		n += sizeof good - 1;
		for (unsigned i = 0; i < more; i++) {
			memcpy(b + n, "\xa2xy\x01", 4);
			n += 4;
		}
		ck_assert_int_eq(parse("t1.node.n1", b, n),
		                 more < TELEM_VALUES_MAX ? 0 : ERR_PROTO);
	}
}
END_TEST

/* Bytes changed at random: never a crash (run with sanitizers), never more than the limits. */
START_TEST(survives_noise)
{
	uint64_t x = 88172645463325252u; /* xorshift64 of Marsaglia */
	unsigned char b[sizeof good];
	unsigned taken = 0;
	for (int i = 0; i < 200000; i++) {
		memcpy(b, good, sizeof good);
		for (int j = 0; j < 3; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			b[x % sizeof b] = (unsigned char)(x >> 40);
		}
		if (parse("t1.link.l1", b, sizeof b) == 0) {
			taken++;
			ck_assert_uint_le(msg.n, TELEM_VALUES_MAX);
			ck_assert(msg.t_ns >= 0 && msg.speed >= 0);
		}
	}
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_lt(taken, 200000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("telem");
	TCase *mp = tcase_create("msgpack"), *pub = tcase_create("publish"),
	      *read = tcase_create("read");
	tcase_add_test(mp, mp_values);
	tcase_add_test(mp, mp_refuses);
	tcase_add_test(mp, mp_depth);
	tcase_add_test(mp, mp_words);
	tcase_add_checked_fixture(pub, setup, teardown);
	tcase_add_test(pub, publishes_by_topic);
	tcase_add_test(pub, publishes_events);
	tcase_add_test(pub, paces_and_stays_silent);
	tcase_add_test(pub, never_blocks);
	tcase_add_test(read, reads_foreign);
	tcase_add_test(read, refuses_topics);
	tcase_add_test(read, refuses_bodies);
	tcase_add_test(read, limits_keys);
	tcase_add_test(read, survives_noise);
	suite_add_tcase(s, mp);
	suite_add_tcase(s, pub);
	suite_add_tcase(s, read);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
