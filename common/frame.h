/*
 * frame.h - control frames: what one node's firmware tells a neighbour's, as bytes on the channel.
 *
 * Little-endian: type u8 | version u8 | length u16 | sender incarnation u32 | sequence u32 |
 * payload | CRC-32C u32 over all that precedes it. Payload of HELLO: none. Of STATE: flags u32,
 * then v, dv, x as binary64. Of CALIB (a node that calibrates its sensors): window, current, gain as binary64. Of
 * OFFSET (where links have limits): offset, level as binary64.
 *
 * CRC-32C: the Castagnoli polynomial 0x1EDC6F41, reflected, initial value and final xor all ones
 * (Castagnoli, Braeuer, Herrmann, IEEE Trans. Commun. 41(6), 1993; RFC 3720, B.4). Up to 5243 bits
 * its Hamming distance is at least 6 (Koopman, DSN 2002): of frames this short no damage of one to
 * five bits passes.
 */
#ifndef VL_FRAME_H
#define VL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum frame_type { FRAME_NONE, FRAME_HELLO, FRAME_STATE, FRAME_CALIB, FRAME_OFFSET, FRAME_TYPES_ };

struct frame {
	enum frame_type type;
	uint32_t from_inc, seq;
	uint32_t flags; /* STATE: of enum wave_flag, WAVE_STATE and what belongs to it */
	double v_v, dv_v, x;               /* STATE */
	double cal_window, cal_i_a, cal_e; /* CALIB, as in struct wave */
	double offset, level;              /* OFFSET, likewise */
};

enum { FRAME_MAX = 44 }; /* B, the longest */

/* Returns the length. */
size_t frame_pack(const struct frame *, uint8_t buf[FRAME_MAX]);
/* ERR_PROTO with what is wrong; *ret is then undefined. Values are finite. */
int frame_unpack(const uint8_t *buf, size_t len, struct frame *ret, struct err *);

/* CRC-32C of `len` bytes. */
uint32_t frame_crc(const uint8_t *buf, size_t len);

#endif
