/* The wire format of link messages: what was packed comes back, and nothing else gets in. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { SUBSTEPS = 10, HEADER = 24, AT_TYPE = 3, AT_FLAGS = 12, AT_STEP = 16, CALIB_BYTES = 24, OFFSET_BYTES = 16 };

static struct link_msg
sample(enum link_msg_type type)
{
	struct link_msg m;
	memset(&m, 0, sizeof m);
	m.type = type;
	m.from_inc = 0x01020304;
	m.to_inc = 7;
	m.step = 123456789012;
	if (type == LM_GREET) {
		for (int i = 0; i < 32; i++)
			m.hello.topo_hash[i] = (uint8_t)(255 - i);
		m.hello.step_ns = 100000;
		m.hello.substeps = SUBSTEPS;
		m.hello.port_period = 5;
	} else if (type == LM_WAVE) {
		m.core.wave = (struct wave){ .flags = 0xdeadbeef,
			                     .v_v = 48.25,
			                     .c_r_f = -1e-300,
			                     .st_v_v = 47,
			                     .st_dv_v = 1.0 / 3,
			                     .st_x = -0.0 };
		for (int i = 0; i < SUBSTEPS; i++)
			m.core.wave.m[i] = 1 + i * 0.1;
	} else if (type == LM_OFFER) {
		m.core.offer = (struct offer){ 3, 9, 48.5, 12.5, (double)NAN };
	} else if (type == LM_ANSWER) {
		m.core.answer = (struct answer){ 2, 1, 0.125, 47.9, 0.9, 12, 10.8, 0.5, 3 };
	}
	return m;
}

static size_t
bytes_of(enum link_msg_type type)
{
	/* docs of wire.h: 24 of header; hello 32+8+4+4; 5 doubles and m[]; a word and its padding.
	 */
	static const size_t payload[LM_TYPES_] = { [LM_GREET] = 48,
		                                   [LM_WAVE] = 40 + 8 * SUBSTEPS,
		                                   [LM_OFFER] = 8 + 24,
		                                   [LM_ANSWER] = 8 + 56 };
	return HEADER + payload[type];
}

static bool
taken(const uint8_t *buf, size_t n, struct link_msg *m)
{
	struct err err = ERR_INIT;
	/* An exact copy on the heap: reading past the end is seen by sanitizers and valgrind. */
	uint8_t *copy = malloc(n ? n : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, buf, n);
	int rc = wire_unpack(copy, n, SUBSTEPS, m, &err);
	free(copy);
	ck_assert(rc == 0 || (rc == ERR_PROTO && err.text[0]));
	return rc == 0;
}

static bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

START_TEST(test_round_trip)
{
	uint8_t buf[WIRE_MSG_MAX], again[WIRE_MSG_MAX];
	for (int type = LM_GREET; type < LM_TYPES_; type++) {
		struct link_msg m = sample((enum link_msg_type)type), r;
		memset(&r, 0, sizeof r);
		size_t n = wire_pack(&m, SUBSTEPS, buf);
		ck_assert_uint_eq(n, bytes_of((enum link_msg_type)type));
		ck_assert_uint_le(n, WIRE_MSG_MAX);
		ck_assert(taken(buf, n, &r));
		ck_assert(r.type == m.type && r.from_inc == m.from_inc && r.to_inc == m.to_inc);
		ck_assert_int_eq(r.step, m.step);
		ck_assert_uint_eq(wire_pack(&r, SUBSTEPS, again), n);
		ck_assert_int_eq(memcmp(buf, again, n), 0);
	}
	struct link_msg m = sample(LM_WAVE), r;
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	ck_assert_uint_eq(r.core.wave.flags, 0xdeadbeef);
	ck_assert(r.core.wave.v_v == 48.25 && r.core.wave.c_r_f == -1e-300 &&
	          r.core.wave.st_v_v == 47);
	ck_assert(r.core.wave.st_dv_v == 1.0 / 3 && same_bits(r.core.wave.st_x, -0.0));
	for (int i = 0; i < SUBSTEPS; i++)
		ck_assert(r.core.wave.m[i] == 1 + i * 0.1);
	ck_assert(!r.core.wave.has_calib && r.core.wave.cal_e == 0);
	m = sample(LM_OFFER);
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	ck_assert(r.core.offer.flags == 3 && r.core.offer.epoch == 9 && r.core.offer.v_v == 48.5);
	ck_assert(r.core.offer.i_max_a == 12.5 && isnan(r.core.offer.v_ref_v));
	m = sample(LM_ANSWER);
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	ck_assert(r.core.answer.phase == 2 && r.core.answer.flags == 1);
	ck_assert(r.core.answer.energy_j == 0.125 && r.core.answer.v_in_v == 47.9);
	ck_assert(r.core.answer.v_v == 0.9 && r.core.answer.i_a == 12 && r.core.answer.p_w == 10.8);
	ck_assert(r.core.answer.throughput == 0.5 && r.core.answer.errors == 3);
	m = sample(LM_GREET);
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	ck_assert_int_eq(memcmp(&r.hello, &m.hello, sizeof m.hello), 0);
}
END_TEST

/* Where links have limits: one more word, alone or behind those of the calibration. */
START_TEST(test_offset)
{
	uint8_t buf[WIRE_MSG_MAX], again[WIRE_MSG_MAX];
	for (int calib = 0; calib <= 1; calib++) {
		struct link_msg m = sample(LM_WAVE), r;
		m.core.wave.has_offset = true;
		m.core.wave.st_offset = -0.375;
		m.core.wave.st_level = 0.75;
		m.core.wave.has_calib = calib;
		m.core.wave.cal_e = 7e-3;
		size_t n = wire_pack(&m, SUBSTEPS, buf);
		ck_assert_uint_eq(n, bytes_of(LM_WAVE) + OFFSET_BYTES + (calib ? CALIB_BYTES : 0));
		ck_assert(taken(buf, n, &r));
		ck_assert(r.core.wave.has_offset && r.core.wave.st_offset == -0.375 &&
		          r.core.wave.st_level == 0.75);
		ck_assert(r.core.wave.has_calib == calib);
		ck_assert(r.core.wave.cal_e == (calib ? 7e-3 : 0));
		ck_assert(r.core.wave.m[SUBSTEPS - 1] == m.core.wave.m[SUBSTEPS - 1]);
		ck_assert_uint_eq(wire_pack(&r, SUBSTEPS, again), n);
		ck_assert_int_eq(memcmp(buf, again, n), 0);
		for (size_t more = 1; more <= OFFSET_BYTES; more++)
			ck_assert(!taken(buf, n + more, &r) || (!calib && more == CALIB_BYTES - OFFSET_BYTES));
		m.core.wave.st_offset = INFINITY;
		ck_assert(!taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	}
	struct link_msg m = sample(LM_WAVE), r = { .core.wave.st_offset = 1 };
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
	ck_assert(!r.core.wave.has_offset && r.core.wave.st_offset == 0);
}
END_TEST

/* Of a sender that calibrates: three more words, which must be finite; nothing between. */
START_TEST(test_calibration)
{
	uint8_t buf[WIRE_MSG_MAX], again[WIRE_MSG_MAX];
	struct link_msg m = sample(LM_WAVE), r;
	m.core.wave.has_calib = true;
	m.core.wave.cal_window = 1234;
	m.core.wave.cal_i_a = -31.25;
	m.core.wave.cal_e = 7e-3;
	size_t n = wire_pack(&m, SUBSTEPS, buf);
	ck_assert_uint_eq(n, bytes_of(LM_WAVE) + CALIB_BYTES);
	ck_assert(taken(buf, n, &r));
	ck_assert(r.core.wave.has_calib && r.core.wave.cal_window == 1234);
	ck_assert(r.core.wave.cal_i_a == -31.25 && r.core.wave.cal_e == 7e-3);
	ck_assert(r.core.wave.m[SUBSTEPS - 1] == m.core.wave.m[SUBSTEPS - 1]);
	ck_assert_uint_eq(wire_pack(&r, SUBSTEPS, again), n);
	ck_assert_int_eq(memcmp(buf, again, n), 0);
	for (size_t len = bytes_of(LM_WAVE) + 1; len < n; len++)
		if (len != bytes_of(LM_WAVE) + OFFSET_BYTES)
			ck_assert(!taken(buf, len, &r));
	m.core.wave.cal_e = NAN;
	ck_assert(!taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
}
END_TEST

/* The layout is little-endian, whatever the machine. */
START_TEST(test_layout)
{
	static const uint8_t want[HEADER] = { 0x4c, 0x56, 2,    LM_PARK, 4,    3, 2, 1,
		                              7,    0,    0,    0,       0,    0, 0, 0,
		                              0x14, 0x1a, 0x99, 0xbe,    0x1c, 0, 0, 0 };
	uint8_t buf[WIRE_MSG_MAX];
	struct link_msg m = sample(LM_PARK);
	ck_assert_uint_eq(wire_pack(&m, SUBSTEPS, buf), HEADER);
	ck_assert_int_eq(memcmp(buf, want, HEADER), 0);
}
END_TEST

START_TEST(test_lengths)
{
	uint8_t buf[2 * WIRE_MSG_MAX];
	struct link_msg r;
	for (int type = LM_GREET; type < LM_TYPES_; type++) {
		struct link_msg m = sample((enum link_msg_type)type);
		memset(buf, 0, sizeof buf);
		size_t n = wire_pack(&m, SUBSTEPS, buf);
		for (size_t len = 0; len < sizeof buf; len++)
			ck_assert_msg(taken(buf, len, &r) ==
			                      (len == n ||
			                       (type == LM_WAVE &&
			                        (len == n + CALIB_BYTES || len == n + OFFSET_BYTES ||
			                         len == n + CALIB_BYTES + OFFSET_BYTES))),
			              "type %d, %zu bytes", type, len);
	}
}
END_TEST

START_TEST(test_header)
{
	uint8_t buf[WIRE_MSG_MAX];
	struct link_msg r;
	for (int type = LM_GREET; type < LM_TYPES_; type++) {
		struct link_msg m = sample((enum link_msg_type)type);
		size_t n = wire_pack(&m, SUBSTEPS, buf);
		bool flags = type == LM_WAVE || type == LM_OFFER || type == LM_ANSWER;
		for (int at = 0; at < HEADER; at++) {
			for (int x = 1; x < 256; x++) {
				buf[at] ^= (uint8_t)x;
				bool in = taken(buf, n, &r), same_size = false;
				if (at == AT_TYPE)
					same_size = buf[at] > LM_NONE && buf[at] < LM_TYPES_ &&
					            bytes_of((enum link_msg_type)buf[at]) == n;
				/* Magic, version, a type of another size, flags where there are
				 * none. */
				bool refused = (at < AT_TYPE) || (at == AT_TYPE && !same_size) ||
				               (at >= AT_FLAGS && at < AT_STEP && !flags) ||
				               (at == HEADER - 1 && (x & 0x80));
				ck_assert_msg(!refused || !in, "type %d, byte %d ^ %02x", type, at,
				              x);
				/* The rest arrives as it is, for the receiver to compare. */
				ck_assert(!in || r.type != m.type || at < 4 || at >= AT_FLAGS ||
				          r.from_inc != m.from_inc || r.to_inc != m.to_inc);
				ck_assert(!in || at < AT_STEP || r.step != m.step);
				buf[at] ^= (uint8_t)x;
			}
		}
		ck_assert(taken(buf, n, &r));
	}
}
END_TEST

static void
plant(uint8_t *buf, size_t at, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	for (int i = 0; i < 8; i++)
		buf[at + (size_t)i] = (uint8_t)(bits >> 8 * i);
}

/* No value may be infinite, and only "keep the reference" of an offer may be NaN. */
START_TEST(test_not_finite)
{
	const double bad[] = { (double)NAN, (double)INFINITY, -(double)INFINITY };
	uint8_t buf[WIRE_MSG_MAX];
	struct link_msg r;
	for (int type = LM_WAVE; type <= LM_ANSWER; type++) {
		struct link_msg m = sample((enum link_msg_type)type);
		size_t n = wire_pack(&m, SUBSTEPS, buf), first = HEADER + (type == LM_WAVE ? 0 : 8);
		for (size_t at = first; at < n; at += 8) {
			for (int i = 0; i < 3; i++) {
				wire_pack(&m, SUBSTEPS, buf);
				plant(buf, at, bad[i]);
				bool keep = type == LM_OFFER && at == n - 8 && i == 0;
				ck_assert_msg(taken(buf, n, &r) == keep, "type %d, byte %zu, %g",
				              type, at, bad[i]);
			}
		}
	}
	struct link_msg m = sample(LM_OFFER);
	size_t n = wire_pack(&m, SUBSTEPS, buf);
	buf[HEADER + 4] = 1;
	ck_assert(!taken(buf, n, &r)); /* padding */
	m = sample(LM_PARK);
	m.step = -1; /* a process that has not started */
	ck_assert(taken(buf, wire_pack(&m, SUBSTEPS, buf), &r) && r.step == -1);
	m.step = -2;
	ck_assert(!taken(buf, wire_pack(&m, SUBSTEPS, buf), &r));
}
END_TEST

START_TEST(test_names)
{
	for (int i = 0; i < LM_TYPES_; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(link_msg_name((enum link_msg_type)i),
			                 link_msg_name((enum link_msg_type)j));
	for (unsigned i = 0; i < SM_TYPES_; i++)
		for (unsigned j = 0; j < i; j++)
			ck_assert_str_ne(sup_msg_name(i), sup_msg_name(j));
	ck_assert_str_eq(sup_msg_name(SM_TYPES_), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");
	tcase_add_test(t, test_round_trip);
	tcase_add_test(t, test_calibration);
	tcase_add_test(t, test_offset);
	tcase_add_test(t, test_layout);
	tcase_add_test(t, test_lengths);
	tcase_add_test(t, test_header);
	tcase_add_test(t, test_not_finite);
	tcase_add_test(t, test_names);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
