/* The reading half of telem.h: what comes is anybody's, so every length and type is checked. */
#include "telem.h"

#include <ctype.h>
#include <string.h>

#include "mpread.h"

static int
telem_parse_topic(const char *topic, size_t len, struct telem_msg *ret, struct err *err)
{
	static const struct {
		const char *prefix;
		enum telem_kind kind;
	} kinds[] = {
		{ "t1.node.", TELEM_NODE },
		{ "t1.module.", TELEM_MODULE },
		{ "t1.link.", TELEM_LINK },
	};
	ret->id[0] = '\0';
	if (len == 8 && memcmp(topic, "t1.event", 8) == 0) {
		ret->kind = TELEM_EVENT;
		return 0;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t n = strlen(kinds[i].prefix);
		if (len <= n || memcmp(topic, kinds[i].prefix, n) != 0)
			continue;
		if (len - n >= sizeof ret->id)
			return err_set(err, ERR_PROTO,
			               "telemetry topic is longer than an id of %zu bytes",
			               sizeof ret->id - 1);
		for (size_t c = n; c < len; c++)
			if (!isalnum((unsigned char)topic[c]) && topic[c] != '_' && topic[c] != '-')
				return err_set(err, ERR_PROTO, "telemetry topic with a bad id");
		memcpy(ret->id, topic + n, len - n);
		ret->id[len - n] = '\0';
		ret->kind = kinds[i].kind;
		return 0;
	}
	return err_set(err, ERR_PROTO, "unknown telemetry topic");
}

/* A common key: its bit when the value has the right type, 0 otherwise. */
static unsigned
telem_parse_common(struct telem_msg *m, const struct mp_token *key, const struct mp_token *value)
{
	char text[16];
	bool is_int = value->type == MP_INT && value->i >= 0;
	if (mp_is(key, "t_ns") && is_int)
		return m->t_ns = value->i, 1u << 0;
	if (mp_is(key, "k") && is_int)
		return m->k = value->i, 1u << 1;
	if (mp_is(key, "seq") && is_int)
		return m->seq = value->i, 1u << 2;
	if (mp_is(key, "inc") && is_int && value->i <= UINT32_MAX)
		return m->inc = (uint32_t)value->i, 1u << 3;
	if (mp_is(key, "speed")) {
		m->speed = mp_number(value, -1);
		return m->speed >= 0 && m->speed < 1e9 ? 1u << 4 : 0;
	}
	if (mp_is(key, "state") && mp_text(value, text, sizeof text)) {
		m->state = TELEM_STATE_END_;
		for (unsigned i = 0; i < TELEM_STATE_END_; i++)
			if (strcmp(text, telem_state_text(i)) == 0)
				m->state = i;
		return 1u << 5;
	}
	return 0;
}

static int
telem_parse_value(struct telem_msg *m, const struct mp_token *key, const struct mp_token *value,
                  struct err *err)
{
	if (m->n == TELEM_VALUES_MAX)
		return err_set(err, ERR_PROTO, "telemetry map of more than %d keys",
		               (int)TELEM_VALUES_MAX);
	struct telem_value *v = &m->v[m->n];
	mp_text(key, v->key, sizeof v->key);
	v->s[0] = '\0';
	v->i = 0;
	switch (value->type) {
	case MP_INT:
	case MP_UINT:
	case MP_BOOL:
		v->type = 'i';
		v->i = value->type == MP_BOOL ? value->b : value->i;
		v->f = mp_number(value, 0);
		break;
	case MP_FLOAT:
		v->type = 'f';
		v->f = value->f;
		break;
	case MP_STR:
		v->type = 's';
		v->f = 0;
		mp_text(value, v->s, sizeof v->s);
		break;
	default:
		return 0; /* nothing that this version knows */
	}
	m->n++;
	return 0;
}

int
telem_parse(const void *topic, size_t topic_len, const void *data, size_t len,
            struct telem_msg *ret, struct err *err)
{
	int rc = telem_parse_topic(topic, topic_len, ret, err);
	if (rc)
		return rc;
	if (len > TELEM_MESSAGE_MAX)
		return err_set(err, ERR_PROTO, "telemetry map of more than %d bytes",
		               (int)TELEM_MESSAGE_MAX);
	struct mpread r;
	struct mp_token map, key, value;
	mpread_init(&r, data, len);
	if (mpread_next(&r, &map) || map.type != MP_MAP)
		return err_set(err, ERR_PROTO, "telemetry that is no MessagePack map");
	ret->n = 0;
	unsigned seen = 0;
	for (uint32_t i = 0; i < map.n; i++) {
		if (mpread_next(&r, &key) || key.type != MP_STR || key.n == 0 ||
		    key.n >= TELEM_KEY_MAX)
			return err_set(err, ERR_PROTO, "telemetry map with a bad key");
		if (mpread_next(&r, &value) || mpread_skip_rest(&r, &value))
			return err_set(err, ERR_PROTO, "telemetry map with a bad value");
		unsigned bit = telem_parse_common(ret, &key, &value);
		seen |= bit;
		if (!bit && (rc = telem_parse_value(ret, &key, &value, err)))
			return rc;
	}
	if (r.p != r.end)
		return err_set(err, ERR_PROTO, "telemetry map with bytes behind its end");
	if (seen != (1u << 6) - 1)
		return err_set(err, ERR_PROTO,
		               "telemetry without one of t_ns, k, seq, inc, speed, state");
	return 0;
}

const struct telem_value *
telem_find(const struct telem_msg *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].key, key) == 0)
			return &m->v[i];
	return NULL;
}

double
telem_number(const struct telem_msg *m, const char *key, double otherwise)
{
	const struct telem_value *v = telem_find(m, key);
	return v && v->type != 's' ? v->f : otherwise;
}

const char *
telem_text(const struct telem_msg *m, const char *key)
{
	const struct telem_value *v = telem_find(m, key);
	return v ? v->s : "";
}
