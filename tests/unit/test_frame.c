/* Control frames: layout, checksum against its standard, and what is refused. */
#include "frame.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct frame state = { .type = FRAME_STATE,
	                            .from_inc = 3,
	                            .seq = 0x01020304,
	                            .flags = 0x80ff0010,
	                            .v_v = 47.9,
	                            .dv_v = -0.25,
	                            .x = 0.625 };

START_TEST(crc)
{
	/* RFC 3720, B.4, and the check value of the CRC catalogue for "123456789". */
	uint8_t b[32];
	memset(b, 0, sizeof b);
	ck_assert_uint_eq(frame_crc(b, 32), 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	ck_assert_uint_eq(frame_crc(b, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	ck_assert_uint_eq(frame_crc(b, 32), 0x46dd794e);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (uint8_t)(31 - i);
	ck_assert_uint_eq(frame_crc(b, 32), 0x113fdb5c);
	ck_assert_uint_eq(frame_crc((const uint8_t *)"123456789", 9), 0xe3069283);
}
END_TEST

START_TEST(round_trip)
{
	const struct frame hello = { .type = FRAME_HELLO, .from_inc = 1, .seq = 9 };
	uint8_t b[FRAME_MAX];
	struct frame f;
	struct err err = ERR_INIT;
	ck_assert_uint_eq(frame_pack(&hello, b), 16);
	ck_assert_int_eq(frame_unpack(b, 16, &f, &err), 0);
	ck_assert(f.type == FRAME_HELLO && f.from_inc == 1 && f.seq == 9);
	ck_assert_uint_eq(frame_pack(&state, b), 44);
	ck_assert_int_eq(frame_unpack(b, 44, &f, &err), 0);
	ck_assert(f.type == FRAME_STATE && f.from_inc == 3 && f.seq == state.seq);
	ck_assert(f.flags == state.flags && f.v_v == state.v_v && f.dv_v == state.dv_v &&
	          f.x == state.x);
	ck_assert_uint_eq(b[8], 4); /* little-endian */
	const struct frame offset = { .type = FRAME_OFFSET, .from_inc = 2, .seq = 7, .offset = -0.375, .level = 0.75 };
	ck_assert_uint_eq(frame_pack(&offset, b), 32);
	ck_assert_int_eq(frame_unpack(b, 32, &f, &err), 0);
	ck_assert(f.type == FRAME_OFFSET && f.seq == 7 && f.offset == -0.375 && f.level == 0.75);
}
END_TEST

/* Every damage of one and of two bits of both kinds of frame. */
START_TEST(damage)
{
	struct frame f;
	struct err err = ERR_INIT;
	for (int kind = 0; kind < 2; kind++) {
		struct frame from = state;
		uint8_t b[FRAME_MAX];
		if (kind)
			from.type = FRAME_HELLO;
		size_t len = frame_pack(&from, b), bits = 8 * len;
		for (size_t i = 0; i < bits; i++)
			for (size_t j = i; j < bits; j++) {
				b[i / 8] ^= (uint8_t)(1u << i % 8);
				if (j != i)
					b[j / 8] ^= (uint8_t)(1u << j % 8);
				ck_assert_int_lt(frame_unpack(b, len, &f, &err), 0);
				b[i / 8] ^= (uint8_t)(1u << i % 8);
				if (j != i)
					b[j / 8] ^= (uint8_t)(1u << j % 8);
			}
		ck_assert_int_eq(frame_unpack(b, len, &f, &err), 0);
	}
}
END_TEST

static void
seal(uint8_t *b, size_t len)
{
	uint32_t sum = frame_crc(b, len - 4);
	for (int i = 0; i < 4; i++)
		b[len - 4 + (size_t)i] = (uint8_t)(sum >> 8 * i);
}

/* With a right checksum, but not a frame of ours. */
START_TEST(refused)
{
	uint8_t b[FRAME_MAX];
	struct frame f;
	struct err err = ERR_INIT;
	size_t len = frame_pack(&state, b);
	for (size_t n = 0; n < len; n++)
		ck_assert_int_lt(frame_unpack(b, n, &f, &err), 0);
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} cases[] = { { 0, 0, "type" },    { 0, FRAME_TYPES_, "type" }, { 0, FRAME_HELLO, "bytes" },
		      { 1, 9, "version" }, { 2, 43, "bytes" },          { 3, 1, "bytes" } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		frame_pack(&state, b);
		b[cases[i].at] = cases[i].value;
		seal(b, len);
		ck_assert_int_lt(frame_unpack(b, len, &f, &err), 0);
		ck_assert_msg(strstr(err.text, cases[i].why) != NULL, "%s", err.text);
	}
	struct frame bad = state;
	bad.x = NAN;
	frame_pack(&bad, b);
	ck_assert_int_lt(frame_unpack(b, len, &f, &err), 0);
	bad = state;
	bad.v_v = INFINITY;
	frame_pack(&bad, b);
	ck_assert_int_lt(frame_unpack(b, len, &f, &err), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");

	tcase_add_test(tc, crc);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, damage);
	tcase_add_test(tc, refused);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
