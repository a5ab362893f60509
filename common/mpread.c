#include "mpread.h"

#include <assert.h>
#include <string.h>

void
mpread_init(struct mpread *r, const void *data, size_t len)
{
	r->p = data;
	r->end = r->p + len;
}

static int
mpread_bad(struct mpread *r)
{
	r->p = r->end;
	return -1;
}

/* `n` bytes, big-endian. */
static bool
mpread_be(struct mpread *r, unsigned n, uint64_t *ret)
{
	if ((size_t)(r->end - r->p) < n)
		return false;
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | *r->p++;
	*ret = v;
	return true;
}

static int
mpread_bytes(struct mpread *r, struct mp_token *t, enum mp_type type, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->p))
		return mpread_bad(r);
	t->type = type;
	t->s = (const char *)r->p;
	t->n = (uint32_t)n;
	r->p += n;
	return 0;
}

/* Every element needs a byte at least. */
static int
mpread_many(struct mpread *r, struct mp_token *t, enum mp_type type, uint64_t n)
{
	uint64_t least = type == MP_MAP ? 2 * n : n;
	if (least > (uint64_t)(r->end - r->p))
		return mpread_bad(r);
	t->type = type;
	t->n = (uint32_t)n;
	return 0;
}

static int
mpread_uint(struct mpread *r, struct mp_token *t, unsigned bytes)
{
	if (!mpread_be(r, bytes, &t->u))
		return mpread_bad(r);
	t->type = t->u > INT64_MAX ? MP_UINT : MP_INT;
	t->i = t->u > INT64_MAX ? INT64_MAX : (int64_t)t->u;
	return 0;
}

static int
mpread_sint(struct mpread *r, struct mp_token *t, unsigned bytes)
{
	uint64_t u;
	if (!mpread_be(r, bytes, &u))
		return mpread_bad(r);
	unsigned shift = 64 - 8 * bytes;
	t->type = MP_INT;
	t->i = (int64_t)(u << shift) >> shift;
	return 0;
}

static int
mpread_float(struct mpread *r, struct mp_token *t, unsigned bytes)
{
	uint64_t u;
	if (!mpread_be(r, bytes, &u))
		return mpread_bad(r);
	t->type = MP_FLOAT;
	if (bytes == 4) {
		uint32_t w = (uint32_t)u;
		float f;
		memcpy(&f, &w, sizeof f);
		t->f = (double)f;
	} else {
		memcpy(&t->f, &u, sizeof t->f);
	}
	return 0;
}

/* A length of `bytes` bytes, then bytes or elements; an ext has its type byte in between. */
static int
mpread_sized(struct mpread *r, struct mp_token *t, enum mp_type type, unsigned bytes)
{
	uint64_t n;
	if (!mpread_be(r, bytes, &n))
		return mpread_bad(r);
	if (type == MP_ARRAY || type == MP_MAP)
		return mpread_many(r, t, type, n);
	return mpread_bytes(r, t, type, type == MP_EXT ? n + 1 : n);
}

int
mpread_next(struct mpread *r, struct mp_token *t)
{
	memset(t, 0, sizeof *t);
	if (r->p >= r->end)
		return mpread_bad(r);
	unsigned c = *r->p++;
	if (c <= 0x7f || c >= 0xe0) {
		t->type = MP_INT;
		t->i = (int8_t)c;
		return 0;
	}
	if (c <= 0x8f)
		return mpread_many(r, t, MP_MAP, c & 0x0f);
	if (c <= 0x9f)
		return mpread_many(r, t, MP_ARRAY, c & 0x0f);
	if (c <= 0xbf)
		return mpread_bytes(r, t, MP_STR, c & 0x1f);
	switch (c) {
	case 0xc0:
		t->type = MP_NIL;
		return 0;
	case 0xc2:
	case 0xc3:
		t->type = MP_BOOL;
		t->b = c & 1;
		return 0;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		return mpread_sized(r, t, MP_BIN, 1u << (c - 0xc4));
	case 0xc7:
	case 0xc8:
	case 0xc9:
		return mpread_sized(r, t, MP_EXT, 1u << (c - 0xc7));
	case 0xca:
	case 0xcb:
		return mpread_float(r, t, c == 0xca ? 4 : 8);
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		return mpread_uint(r, t, 1u << (c - 0xcc));
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return mpread_sint(r, t, 1u << (c - 0xd0));
	case 0xd4:
	case 0xd5:
	case 0xd6:
	case 0xd7:
	case 0xd8:
		return mpread_bytes(r, t, MP_EXT, (1u << (c - 0xd4)) + 1);
	case 0xd9:
	case 0xda:
	case 0xdb:
		return mpread_sized(r, t, MP_STR, 1u << (c - 0xd9));
	case 0xdc:
	case 0xdd:
		return mpread_sized(r, t, MP_ARRAY, 2u << (c - 0xdc));
	case 0xde:
	case 0xdf:
		return mpread_sized(r, t, MP_MAP, 2u << (c - 0xde));
	default:
		return mpread_bad(r); /* 0xc1 is never used */
	}
}

static int
mpread_skip_depth(struct mpread *r, const struct mp_token *t, unsigned depth)
{
	if (t->type != MP_ARRAY && t->type != MP_MAP)
		return 0;
	if (depth == 0)
		return mpread_bad(r);
	uint64_t n = t->type == MP_MAP ? 2 * (uint64_t)t->n : t->n;
	for (uint64_t i = 0; i < n; i++) {
		struct mp_token sub;
		if (mpread_next(r, &sub) || mpread_skip_depth(r, &sub, depth - 1))
			return -1;
	}
	return 0;
}

int
mpread_skip_rest(struct mpread *r, const struct mp_token *t)
{
	return mpread_skip_depth(r, t, MPREAD_DEPTH_MAX);
}

int
mpread_skip(struct mpread *r)
{
	struct mp_token t;
	return mpread_next(r, &t) ? -1 : mpread_skip_rest(r, &t);
}

double
mp_number(const struct mp_token *t, double otherwise)
{
	switch (t->type) {
	case MP_INT:
		return (double)t->i;
	case MP_UINT:
		return (double)t->u;
	case MP_FLOAT:
		return t->f;
	case MP_BOOL:
		return t->b;
	default:
		return otherwise;
	}
}

int64_t
mp_int(const struct mp_token *t, int64_t otherwise)
{
	if (t->type == MP_INT || t->type == MP_UINT)
		return t->i;
	return otherwise;
}

bool
mp_is(const struct mp_token *t, const char *text)
{
	return t->type == MP_STR && t->n == strlen(text) && memcmp(t->s, text, t->n) == 0;
}

bool
mp_text(const struct mp_token *t, char *buf, size_t size)
{
	assert(size > 0);
	buf[0] = '\0';
	if (t->type != MP_STR)
		return false;
	size_t n = t->n < size - 1 ? t->n : size - 1;
	for (size_t i = 0; i < n; i++)
		buf[i] = t->s[i] >= 0x20 && t->s[i] < 0x7f ? t->s[i] : '?';
	buf[n] = '\0';
	return true;
}
