/* The publishing half of telem.h; telem_read.c is the other. */
#include "telem.h"

#include <assert.h>
#include <ctype.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core.h"
#include "slice.h"

enum {
	TELEM_SNDHWM =
		256, /* messages towards a slow relay: 10 frames of a node of the highest degree */
	TELEM_RECONNECT_MS = 100, /* the relay may be away for a while; nobody waits for it */
	TELEM_SUBS_PER_CALL =
		64, /* subscriptions taken per call, so that a flood cannot hold the step */
};

/* Keys of every message; a field of this name gets its group in front ("link_state"). */
static const char *const common_keys[] = { "t_ns", "k", "seq", "inc", "speed", "state" };

static const char *const state_texts[] = {
#define X(code, text) text,
	TELEM_STATE_TABLE(X)
#undef X
};

struct telem_key {
	size_t word; /* index in the frame */
	char type;
	char key[TELEM_KEY_MAX];
};

/* One message per frame: the process itself (group 0), then its links. */
struct telem_group {
	char topic[TELEM_TOPIC_MAX];
	size_t n;
	struct telem_key *keys;
	int i_word; /* links: word of the current, for p_w; -1: none */
	int v_word; /* links: word of a converter's output at this end; -1: it ends at the bus */
};

struct telem {
	void *sock;
	struct rec_head head;
	int v_word; /* word of the bus voltage, -1: none */
	size_t n_groups;
	struct telem_group *groups;
	size_t n_chans;
	char (*chan_ids)[2 * TOPO_ID_MAX];
	msgpack_sbuffer buf; /* grows to the longest message, then stays */
	int64_t seq, event_seq;
	int64_t last_wall_ns;
	bool published;
	long subscriptions;
};

const char *
telem_state_text(enum telem_state state)
{
	return (unsigned)state < TELEM_STATE_END_ ? state_texts[state] : "?";
}

/* ---- names --------------------------------------------------------------------------------- */

static bool
telem_is_common(const char *key)
{
	for (size_t i = 0; i < sizeof common_keys / sizeof *common_keys; i++)
		if (strcmp(key, common_keys[i]) == 0)
			return true;
	return false;
}

/* "i" in "A" -> "i_a"; "stored_j" in "J" stays; "state" in "1" of a link -> "link_state". */
static void
telem_key_name(const char *name, const char *unit, bool of_link, char key[TELEM_KEY_MAX])
{
	char suffix[sizeof((struct rec_field *)0)->unit + 1] = "";
	if (unit[0] && strcmp(unit, "1") != 0) {
		suffix[0] = '_';
		for (size_t i = 0; unit[i]; i++) {
			suffix[i + 1] = (char)tolower((unsigned char)unit[i]);
			suffix[i + 2] = '\0';
		}
	}
	size_t n = strlen(name), s = strlen(suffix);
	bool has = s && n > s && strcmp(name + n - s, suffix) == 0;
	snprintf(key, TELEM_KEY_MAX, "%s%s", name, has ? "" : suffix);
	if (telem_is_common(key))
		snprintf(key, TELEM_KEY_MAX, "%s_%s%s", of_link ? "link" : "proc", name,
		         has ? "" : suffix);
}

/* Splits "link.<id>.<rest>"; false when the field belongs to no link. */
static bool
telem_link_field(const char *name, char id[TOPO_ID_MAX], const char **rest)
{
	if (strncmp(name, "link.", 5) != 0)
		return false;
	const char *dot = strchr(name + 5, '.');
	if (!dot || dot == name + 5 || dot - (name + 5) >= TOPO_ID_MAX)
		return false;
	memcpy(id, name + 5, (size_t)(dot - (name + 5)));
	id[dot - (name + 5)] = '\0';
	*rest = dot + 1;
	return true;
}

static int
telem_group_add(struct telem_group *g, size_t word, const char *name, const struct rec_field *field,
                bool of_link, struct err *err)
{
	struct telem_key *keys = realloc(g->keys, (g->n + 1) * sizeof *keys);
	if (!keys)
		return err_set(err, ERR_NOMEM, "telemetry: out of memory");
	g->keys = keys;
	struct telem_key *key = &keys[g->n++];
	key->word = word;
	key->type = field->type;
	telem_key_name(name, field->unit, of_link, key->key);
	return 0;
}

static struct telem_group *
telem_group_of(struct telem *t, const char *topic, struct err *err)
{
	for (size_t i = 0; i < t->n_groups; i++)
		if (strcmp(t->groups[i].topic, topic) == 0)
			return &t->groups[i];
	struct telem_group *groups = realloc(t->groups, (t->n_groups + 1) * sizeof *groups);
	if (!groups) {
		err_set(err, ERR_NOMEM, "telemetry: out of memory");
		return NULL;
	}
	t->groups = groups;
	struct telem_group *g = &groups[t->n_groups++];
	*g = (struct telem_group){ .i_word = -1, .v_word = -1 };
	snprintf(g->topic, sizeof g->topic, "%s", topic);
	return g;
}

static int
telem_sort_fields(struct telem *t, const struct telem_params *p, struct err *err)
{
	char topic[TELEM_TOPIC_MAX], id[TOPO_ID_MAX];
	snprintf(topic, sizeof topic, "t1.%.7s.%.31s", p->head->kind, p->head->id);
	if (!telem_group_of(t, topic, err))
		return ERR_NOMEM;
	for (size_t i = 0; i < p->n_fields; i++) {
		const char *name = p->fields[i].name;
		bool of_link = telem_link_field(name, id, &name);
		struct telem_group *g = t->groups;
		if (of_link) {
			snprintf(topic, sizeof topic, "t1.link.%s", id);
			g = telem_group_of(t, topic, err);
			if (!g)
				return ERR_NOMEM;
			if (strcmp(name, "i") == 0)
				g->i_word = (int)i;
			else if (strcmp(name, "conv_vo") == 0)
				g->v_word = (int)i;
		} else if (strcmp(name, "v") == 0) {
			t->v_word = (int)i;
		}
		int rc = telem_group_add(g, i, name, &p->fields[i], of_link, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int
telem_copy_chans(struct telem *t, const struct telem_params *p, struct err *err)
{
	if (!p->chans || p->n_chans == 0)
		return 0;
	t->chan_ids = calloc(p->n_chans, sizeof *t->chan_ids);
	if (!t->chan_ids)
		return err_set(err, ERR_NOMEM, "telemetry: out of memory");
	t->n_chans = p->n_chans;
	for (size_t i = 0; i < p->n_chans; i++)
		snprintf(t->chan_ids[i], sizeof t->chan_ids[i], "%s", p->chans[i].id);
	return 0;
}

/* ---- socket -------------------------------------------------------------------------------- */

static int
telem_connect(struct telem *t, const struct telem_params *p, struct err *err)
{
	/* XPUB is PUB that tells who subscribes. */
	t->sock = zmq_socket(p->zmq_ctx, ZMQ_XPUB);
	if (!t->sock)
		return err_set(err, ERR_IO, "telemetry socket: %s", zmq_strerror(zmq_errno()));
	/* IMMEDIATE: when the relay dies its queue goes with it, instead of being sent to the next
	 * one. */
	const struct {
		int name, value;
	} options[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_SNDHWM, TELEM_SNDHWM },
		{ ZMQ_IMMEDIATE, 1 },
		{ ZMQ_RECONNECT_IVL, TELEM_RECONNECT_MS },
	};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (zmq_setsockopt(t->sock, options[i].name, &options[i].value, sizeof(int)))
			return err_set(err, ERR_IO, "telemetry socket option: %s",
			               zmq_strerror(zmq_errno()));
	if (zmq_connect(t->sock, p->endpoint))
		return err_set(err, ERR_IO, "telemetry to %s: %s", p->endpoint,
		               zmq_strerror(zmq_errno()));
	return 0;
}

int
telem_create(const struct telem_params *p, struct telem **ret, struct err *err)
{
	assert(p->zmq_ctx && p->endpoint && p->head && (p->fields || !p->n_fields));
	struct telem *t = calloc(1, sizeof *t);
	if (!t)
		return err_set(err, ERR_NOMEM, "telemetry: out of memory");
	msgpack_sbuffer_init(&t->buf);
	t->head = *p->head;
	t->v_word = -1;
	int rc = telem_sort_fields(t, p, err);
	if (!rc)
		rc = telem_copy_chans(t, p, err);
	if (!rc)
		rc = telem_connect(t, p, err);
	if (rc) {
		telem_destroy(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void
telem_destroy(struct telem **pt)
{
	struct telem *t = *pt;
	if (!t)
		return;
	if (t->sock)
		zmq_close(t->sock);
	for (size_t i = 0; i < t->n_groups; i++)
		free(t->groups[i].keys);
	free(t->groups);
	free(t->chan_ids);
	msgpack_sbuffer_destroy(&t->buf);
	free(t);
	*pt = NULL;
}

/* Whether anybody listens. */
static bool
telem_heard(struct telem *t)
{
	for (int i = 0; i < TELEM_SUBS_PER_CALL; i++) {
		unsigned char first;
		int n = zmq_recv(t->sock, &first, 1, ZMQ_DONTWAIT);
		if (n < 0)
			break;
		if (n > 0 && first == 1)
			t->subscriptions++;
		else if (n > 0 && first == 0 && t->subscriptions > 0)
			t->subscriptions--;
	}
	return t->subscriptions > 0;
}

bool
telem_due(struct telem *t, int64_t wall_ns)
{
	if (t->published && wall_ns - t->last_wall_ns < (int64_t)TELEM_PERIOD_MS * 1000000)
		return false;
	t->published = true;
	t->last_wall_ns = wall_ns;
	return telem_heard(t);
}

/* ---- packing ------------------------------------------------------------------------------- */

static void
telem_pack_str(msgpack_packer *pk, const char *s)
{
	size_t n = strlen(s);
	msgpack_pack_str(pk, n);
	msgpack_pack_str_body(pk, s, n);
}

static void
telem_pack_int(msgpack_packer *pk, const char *key, int64_t value)
{
	telem_pack_str(pk, key);
	msgpack_pack_int64(pk, value);
}

static void
telem_pack_double(msgpack_packer *pk, const char *key, double value)
{
	telem_pack_str(pk, key);
	msgpack_pack_double(pk, value);
}

static void
telem_pack_text(msgpack_packer *pk, const char *key, const char *value)
{
	telem_pack_str(pk, key);
	telem_pack_str(pk, value);
}

/* Opens a map of the common keys and `more` others. */
static void
telem_pack_common(struct telem *t, msgpack_packer *pk, size_t more, int64_t k, int64_t seq,
                  double speed, enum telem_state state)
{
	msgpack_sbuffer_clear(&t->buf);
	msgpack_packer_init(pk, &t->buf, msgpack_sbuffer_write);
	msgpack_pack_map(pk, sizeof common_keys / sizeof *common_keys + more);
	telem_pack_int(pk, "t_ns", k * t->head.step_ns);
	telem_pack_int(pk, "k", k);
	telem_pack_int(pk, "seq", seq);
	telem_pack_int(pk, "inc", t->head.incarnation);
	telem_pack_double(pk, "speed", speed);
	telem_pack_text(pk, "state", telem_state_text(state));
}

static void
telem_send(struct telem *t, const char *topic)
{
	if (zmq_send(t->sock, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return;
	zmq_send(t->sock, t->buf.data, t->buf.size, ZMQ_DONTWAIT);
}

void
telem_publish(struct telem *t, int64_t k, const union rec_word *frame, double speed,
              enum telem_state state)
{
	if (!telem_heard(t))
		return;
	t->seq++;
	for (size_t g = 0; g < t->n_groups; g++) {
		const struct telem_group *group = &t->groups[g];
		int v_word = group->v_word >= 0 ? group->v_word : t->v_word;
		bool power = group->i_word >= 0 && v_word >= 0;
		msgpack_packer pk;
		telem_pack_common(t, &pk, group->n + 1 + power, k, t->seq, speed, state);
		if (g == 0)
			telem_pack_text(&pk, "mesh", t->head.mesh);
		else
			telem_pack_text(&pk, "end", t->head.id);
		for (size_t i = 0; i < group->n; i++) {
			const struct telem_key *key = &group->keys[i];
			if (key->type == 'i')
				telem_pack_int(&pk, key->key, frame[key->word].i);
			else
				telem_pack_double(&pk, key->key, frame[key->word].f);
		}
		if (power)
			telem_pack_double(&pk, "p_w", frame[v_word].f * frame[group->i_word].f);
		telem_send(t, group->topic);
	}
}

void
telem_event(struct telem *t, const struct core_event *e, double speed, enum telem_state state)
{
	if (!telem_heard(t))
		return;
	const char *chan = "";
	if (e->chan >= 0 && (size_t)e->chan < t->n_chans)
		chan = t->chan_ids[e->chan];
	const struct {
		const char *key;
		double value;
	} numbers[] = { { "a", e->a }, { "b", e->b }, { "c", e->c }, { "d", e->d } };
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "kind", t->head.kind },
		{ "proc", t->head.id },
		{ "event", event_name(e->code) },
		{ "key", event_key(e->code) },
		{ "name", chan },
	};
	enum {
		N_NUMBERS = sizeof numbers / sizeof *numbers,
		N_TEXTS = sizeof texts / sizeof *texts
	};
	msgpack_packer pk;
	telem_pack_common(t, &pk, N_TEXTS + N_NUMBERS, e->k, ++t->event_seq, speed, state);
	for (size_t i = 0; i < N_TEXTS; i++)
		telem_pack_text(&pk, texts[i].key, texts[i].value);
	for (size_t i = 0; i < N_NUMBERS; i++)
		telem_pack_double(&pk, numbers[i].key, numbers[i].value);
	telem_send(t, "t1.event");
}
