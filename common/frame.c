#include "frame.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

enum { VERSION = 1, HEAD_BYTES = 12, STATE_BYTES = 4 + 3 * 8, CALIB_BYTES = 3 * 8, OFFSET_BYTES = 2 * 8,
       CRC_BYTES = 4 };

static const size_t payload_bytes[FRAME_TYPES_] = { [FRAME_STATE] = STATE_BYTES,
	                                           [FRAME_CALIB] = CALIB_BYTES,
	                                           [FRAME_OFFSET] = OFFSET_BYTES };

/* Four bits at a time: 0x82f63b78, the polynomial with its bits reversed, divided by each nibble.
 */
static const uint32_t crc_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t
frame_crc(const uint8_t *buf, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= buf[i];
		crc = crc >> 4 ^ crc_table[crc & 15];
		crc = crc >> 4 ^ crc_table[crc & 15];
	}
	return ~crc;
}

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint8_t *
put_real(uint8_t *p, double x)
{
	uint64_t v;
	memcpy(&v, &x, 8);
	v = htole64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

static double
get_real(const uint8_t *p)
{
	uint64_t v;
	double x;
	memcpy(&v, p, 8);
	v = le64toh(v);
	memcpy(&x, &v, 8);
	return x;
}

size_t
frame_pack(const struct frame *f, uint8_t buf[FRAME_MAX])
{
	assert(f->type > FRAME_NONE && f->type < FRAME_TYPES_);
	size_t len = HEAD_BYTES + payload_bytes[f->type] + CRC_BYTES;
	uint8_t *p = buf;

	*p++ = (uint8_t)f->type;
	*p++ = VERSION;
	*p++ = (uint8_t)len;
	*p++ = 0;
	p = put32(p, f->from_inc);
	p = put32(p, f->seq);
	if (f->type == FRAME_STATE) {
		p = put32(p, f->flags);
		p = put_real(p, f->v_v);
		p = put_real(p, f->dv_v);
		p = put_real(p, f->x);
	} else if (f->type == FRAME_CALIB) {
		p = put_real(p, f->cal_window);
		p = put_real(p, f->cal_i_a);
		p = put_real(p, f->cal_e);
	} else if (f->type == FRAME_OFFSET) {
		p = put_real(p, f->offset);
		p = put_real(p, f->level);
	}
	put32(p, frame_crc(buf, (size_t)(p - buf)));
	return len;
}

int
frame_unpack(const uint8_t *buf, size_t len, struct frame *f, struct err *err)
{
	if (len < HEAD_BYTES + CRC_BYTES || len > FRAME_MAX)
		return err_set(err, ERR_PROTO, "frame: %zu bytes are not a frame", len);
	if (get32(buf + len - CRC_BYTES) != frame_crc(buf, len - CRC_BYTES))
		return err_set(err, ERR_PROTO, "frame: the checksum is wrong");
	if (buf[0] == FRAME_NONE || buf[0] >= FRAME_TYPES_)
		return err_set(err, ERR_PROTO, "frame: type %u is unknown", buf[0]);
	if (buf[1] != VERSION)
		return err_set(err, ERR_PROTO, "frame: version %u, expected %u", buf[1], VERSION);
	size_t want = HEAD_BYTES + payload_bytes[buf[0]] + CRC_BYTES;
	if (len != want || buf[2] != len || buf[3] != 0)
		return err_set(err, ERR_PROTO, "frame: %zu bytes, expected %zu", len, want);
	*f = (struct frame){ .type = (enum frame_type)buf[0],
		             .from_inc = get32(buf + 4),
		             .seq = get32(buf + 8) };
	const uint8_t *p = buf + HEAD_BYTES;
	if (f->type == FRAME_STATE) {
		f->flags = get32(p);
		f->v_v = get_real(p + 4);
		f->dv_v = get_real(p + 12);
		f->x = get_real(p + 20);
	} else if (f->type == FRAME_CALIB) {
		f->cal_window = get_real(p);
		f->cal_i_a = get_real(p + 8);
		f->cal_e = get_real(p + 16);
	} else if (f->type == FRAME_OFFSET) {
		f->offset = get_real(p);
		f->level = get_real(p + 8);
	}
	const double reals[] = { f->v_v, f->dv_v, f->x, f->cal_window, f->cal_i_a, f->cal_e,
		                 f->offset, f->level };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		if (!isfinite(reals[i]))
			return err_set(err, ERR_PROTO, "frame: a value is not finite");
	return 0;
}
