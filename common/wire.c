#include "wire.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

enum { WIRE_MAGIC = 0x564c, WIRE_VERSION = 2, HEADER_BYTES = 24 };

static const char *const type_names[LM_TYPES_] = { "none", "greet", "greetok", "park",  "parked",
	                                           "wave", "offer", "answer",  "wait" };

const char *
link_msg_name(enum link_msg_type t)
{
	return t < LM_TYPES_ ? type_names[t] : "?";
}

/* One table of the payload doubles after the header: offset in struct link_msg. Waves append their
 * m[]; offers and answers have a second word of flags first (epoch, phase). */
#define D(field) offsetof(struct link_msg, core.field)
static const size_t wave_doubles[] = { D(wave.v_v), D(wave.c_r_f), D(wave.st_v_v), D(wave.st_dv_v),
	                               D(wave.st_x) };
/* Behind the m[] of a wave, when its sender calibrates: the length tells. */
static const size_t calib_doubles[] = { D(wave.cal_window), D(wave.cal_i_a), D(wave.cal_e) };
enum { CALIB_DOUBLES = sizeof calib_doubles / sizeof *calib_doubles };
/* And behind these, where links have limits. */
static const size_t offset_doubles[] = { D(wave.st_offset), D(wave.st_level) };
enum { OFFSET_DOUBLES = sizeof offset_doubles / sizeof *offset_doubles };
static const size_t offer_doubles[] = { D(offer.v_v), D(offer.i_max_a), D(offer.v_ref_v) };
static const size_t answer_doubles[] = { D(answer.energy_j), D(answer.v_in_v), D(answer.v_v),
	                                 D(answer.i_a),      D(answer.p_w),    D(answer.throughput),
	                                 D(answer.errors) };

static const struct payload {
	size_t n;
	const size_t *at;
	size_t word;  /* offset of the extra u32, 0: none */
	size_t flags; /* offset of the u32 that travels in the header's flags, 0: none */
} payload_table[LM_TYPES_] = {
	[LM_WAVE] = { 5, wave_doubles, 0, D(wave.flags) },
	[LM_OFFER] = { 3, offer_doubles, D(offer.epoch), D(offer.flags) },
	[LM_ANSWER] = { 7, answer_doubles, D(answer.phase), D(answer.flags) },
};

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static uint8_t *
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return le64toh(v);
}

static uint64_t
bits_at(const struct link_msg *m, size_t offset)
{
	uint64_t v;
	memcpy(&v, (const char *)m + offset, 8);
	return v;
}

static size_t
payload_bytes(enum link_msg_type type, uint32_t substeps)
{
	const struct payload *pl = &payload_table[type];
	if (type == LM_GREET)
		return 32 + 8 + 4 + 4;
	return 8 * pl->n + (pl->word ? 8 : 0) + (type == LM_WAVE ? 8 * substeps : 0);
}

size_t
wire_pack(const struct link_msg *m, uint32_t substeps, uint8_t buf[WIRE_MSG_MAX])
{
	const struct payload *pl = &payload_table[m->type];
	uint8_t *p = buf;
	uint32_t flags = 0;

	assert(m->type > LM_NONE && m->type < LM_TYPES_ && substeps <= TOPO_SUBSTEPS_MAX);
	if (pl->flags)
		memcpy(&flags, (const char *)m + pl->flags, 4);
	p[0] = WIRE_MAGIC & 0xff;
	p[1] = WIRE_MAGIC >> 8;
	p[2] = WIRE_VERSION;
	p[3] = (uint8_t)m->type;
	p = put32(p + 4, m->from_inc);
	p = put32(p, m->to_inc);
	p = put32(p, flags);
	p = put64(p, (uint64_t)m->step);
	if (m->type == LM_GREET) {
		memcpy(p, m->hello.topo_hash, 32);
		p = put64(p + 32, (uint64_t)m->hello.step_ns);
		p = put32(p, m->hello.substeps);
		p = put32(p, m->hello.port_period);
	}
	if (pl->word) {
		uint32_t word;
		memcpy(&word, (const char *)m + pl->word, 4);
		p = put32(p, word);
		p = put32(p, 0);
	}
	for (size_t i = 0; i < pl->n; i++)
		p = put64(p, bits_at(m, pl->at[i]));
	for (uint32_t i = 0; m->type == LM_WAVE && i < substeps; i++)
		p = put64(p, bits_at(m, offsetof(struct link_msg, core.wave.m) + 8 * i));
	for (size_t i = 0; m->type == LM_WAVE && m->core.wave.has_calib && i < CALIB_DOUBLES; i++)
		p = put64(p, bits_at(m, calib_doubles[i]));
	for (size_t i = 0; m->type == LM_WAVE && m->core.wave.has_offset && i < OFFSET_DOUBLES; i++)
		p = put64(p, bits_at(m, offset_doubles[i]));
	return (size_t)(p - buf);
}

static int
get_double(struct link_msg *m, size_t offset, const uint8_t *p, bool nan_ok, struct err *err)
{
	uint64_t v = get64(p);
	double d;
	memcpy(&d, &v, 8);
	if (!isfinite(d) && !(nan_ok && isnan(d)))
		return err_set(err, ERR_PROTO, "%s of step %lld: a value is not finite",
		               type_names[m->type], (long long)m->step);
	memcpy((char *)m + offset, &d, 8);
	return 0;
}

/* What a wave has behind its m[]; false: no wave is that long. */
static bool
get_extras(struct wave *w, size_t extra)
{
	w->has_calib = extra >= 8 * CALIB_DOUBLES;
	extra -= w->has_calib ? 8 * CALIB_DOUBLES : 0;
	w->has_offset = extra == 8 * OFFSET_DOUBLES;
	return extra == 0 || w->has_offset;
}

static int
get_header(const uint8_t *buf, size_t len, uint32_t substeps, struct link_msg *m, struct err *err)
{
	if (len < HEADER_BYTES)
		return err_set(err, ERR_PROTO, "%zu bytes are too short for a message", len);
	if (buf[0] != (WIRE_MAGIC & 0xff) || buf[1] != WIRE_MAGIC >> 8)
		return err_set(err, ERR_PROTO, "magic %02x%02x is wrong", buf[1], buf[0]);
	if (buf[2] != WIRE_VERSION)
		return err_set(err, ERR_PROTO, "version %u, expected %u", buf[2], WIRE_VERSION);
	if (buf[3] == LM_NONE || buf[3] >= LM_TYPES_)
		return err_set(err, ERR_PROTO, "type %u is unknown", buf[3]);
	m->type = (enum link_msg_type)buf[3];
	m->from_inc = get32(buf + 4);
	m->to_inc = get32(buf + 8);
	m->step = (int64_t)get64(buf + 16);
	if (m->step < -1)
		return err_set(err, ERR_PROTO, "%s: step %lld is negative", type_names[m->type],
		               (long long)m->step);
	size_t want = HEADER_BYTES + payload_bytes(m->type, substeps);
	bool fits = len == want;
	if (m->type == LM_WAVE)
		fits = len >= want && get_extras(&m->core.wave, len - want);
	if (!fits)
		return err_set(err, ERR_PROTO, "%s has %zu bytes, expected %zu", type_names[m->type], len,
		               want);
	return 0;
}

/* What may stand behind the m[] of a wave; 0 where it is not there. */
static int
get_extra(struct link_msg *m, bool there, const size_t *at, size_t n, const uint8_t **p,
          struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		memset((char *)m + at[i], 0, 8);
		if (!there)
			continue;
		if (rc == 0)
			rc = get_double(m, at[i], *p, false, err);
		*p += 8;
	}
	return rc;
}

int
wire_unpack(const uint8_t *buf, size_t len, uint32_t substeps, struct link_msg *m, struct err *err)
{
	int rc = get_header(buf, len, substeps, m, err);
	if (rc < 0)
		return rc;
	const struct payload *pl = &payload_table[m->type];
	const uint8_t *p = buf + HEADER_BYTES;
	uint32_t flags = get32(buf + 12);
	if (pl->flags)
		memcpy((char *)m + pl->flags, &flags, 4);
	else if (flags)
		return err_set(err, ERR_PROTO, "%s: flags %08x are unknown", type_names[m->type], flags);
	if (m->type == LM_GREET) {
		memcpy(m->hello.topo_hash, p, 32);
		m->hello.step_ns = (int64_t)get64(p + 32);
		m->hello.substeps = get32(p + 40);
		m->hello.port_period = get32(p + 44);
	}
	if (pl->word) {
		uint32_t word = get32(p);
		memcpy((char *)m + pl->word, &word, 4);
		if (get32(p + 4))
			return err_set(err, ERR_PROTO, "%s: padding is not zero", type_names[m->type]);
		p += 8;
	}
	for (size_t i = 0; rc == 0 && i < pl->n; i++, p += 8)
		rc = get_double(m, pl->at[i], p,
		                m->type == LM_OFFER && pl->at[i] == D(offer.v_ref_v), err);
	for (uint32_t i = 0; rc == 0 && m->type == LM_WAVE && i < substeps; i++, p += 8)
		rc = get_double(m, offsetof(struct link_msg, core.wave.m) + 8 * i, p, false, err);
	if (m->type != LM_WAVE)
		return rc;
	if (rc == 0)
		rc = get_extra(m, m->core.wave.has_calib, calib_doubles, CALIB_DOUBLES, &p, err);
	if (rc == 0)
		rc = get_extra(m, m->core.wave.has_offset, offset_doubles, OFFSET_DOUBLES, &p, err);
	return rc;
}

const char *
sup_msg_name(unsigned type)
{
	static const char *const names[SM_TYPES_] = {
		"none",  "start", "announce", "death",  "hold", "agree",  "bye",   "retire",
		"ready", "held",  "acted",    "parked", "done", "accuse", "alive", "refused", "failed",
	};
	return type < SM_TYPES_ ? names[type] : "?";
}
