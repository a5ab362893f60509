/*
 * telem.h - live telemetry: what a running process tells whoever listens. Lossy by design.
 *
 * A process publishes its recorder frame as multipart [topic][MessagePack map] through the relay:
 *   t1.node.<id>    t1.module.<id>    one map per process: every field that belongs to no link
 *   t1.link.<id>                      one per link of a node, from each end (key `end`)
 *   t1.event                          one per event
 * Keys are the recorder's field names with their unit in lower case at the end (`v` in V is `v_v`,
 * `stored_j` stays). The grammar for users is docs/telemetry.md.
 *
 * Publishing never blocks and never fails: with no relay, no subscriber or a full queue the
 * message is gone. While nobody subscribes nothing is packed. Not thread-safe.
 */
#ifndef VL_TELEM_H
#define VL_TELEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rec.h"
#include "topo.h"

enum {
	TELEM_PERIOD_MS = 100,  /* shortest wall time between two frames of one process */
	TELEM_KEY_MAX = 96,     /* bytes of a key with its NUL: field name, '_', unit */
	TELEM_VALUES_MAX = 256, /* keys of one message: a node with all its ports has about 120 */
	TELEM_TOPIC_MAX = 64,   /* bytes of a topic with its NUL */
	TELEM_MESSAGE_MAX = 65536, /* bytes of a map that is read */
};

/* What the process is doing. */
#define TELEM_STATE_TABLE(X)                                                  \
	X(TELEM_READY, "ready") /* greeted, waits for the start */            \
	X(TELEM_RUNNING, "running")                                           \
	X(TELEM_PAUSED, "paused")                                             \
	X(TELEM_HELD, "held")       /* between HOLD and AGREE of a command */ \
	X(TELEM_BLOCKED, "blocked") /* waits for a peer */                    \
	X(TELEM_DONE, "done")       /* at its last step */

enum telem_state {
#define X(code, text) code,
	TELEM_STATE_TABLE(X)
#undef X
		TELEM_STATE_END_ /* read from a message: a word that this version does not know */
};
const char *telem_state_text(enum telem_state);

/* ---- publishing ---------------------------------------------------------------------------- */

struct telem;

struct telem_params {
	void *zmq_ctx;                  /* outlives the struct telem */
	const char *endpoint;           /* "ipc://<sock_dir>/relay.pub"; connected to */
	const struct rec_head *head;    /* copied */
	const struct rec_field *fields; /* copied; as of core_ops.fields() */
	size_t n_fields;
	const struct slice_chan *chans; /* names of the channels in events; copied; may be NULL */
	size_t n_chans;
};

int telem_create(const struct telem_params *, struct telem **ret, struct err *);
void telem_destroy(struct telem **); /* does not linger */

/* True when somebody listens and the last frame is TELEM_PERIOD_MS of wall time old; then counts as
 * published. Costs a comparison when called too early. */
bool telem_due(struct telem *, int64_t wall_ns);
/* Frame k, now. The caller keeps the pace (telem_due), except on pause and single steps. */
void telem_publish(struct telem *, int64_t k, const union rec_word *frame, double speed,
                   enum telem_state);
void telem_event(struct telem *, const struct core_event *, double speed, enum telem_state);

/* ---- reading ------------------------------------------------------------------------------- */

enum telem_kind { TELEM_NODE, TELEM_MODULE, TELEM_LINK, TELEM_EVENT };

struct telem_value {
	char key[TELEM_KEY_MAX];
	char type; /* 'f', 'i', 's'; a boolean is an 'i' */
	double f;  /* the number, also of an 'i' */
	int64_t i;
	char s[64]; /* printable ASCII, cut */
};

struct telem_msg {
	enum telem_kind kind;
	char id[TOPO_ID_MAX]; /* of the node, module or link; "" for events */
	int64_t t_ns, k, seq;
	uint32_t inc;
	double speed; /* 0: as fast as it goes */
	enum telem_state state;
	size_t n; /* the other keys */
	struct telem_value v[TELEM_VALUES_MAX];
};

/* ERR_PROTO when the message is not one of docs/telemetry.md: unknown topic, malformed, a common
 * key missing or of the wrong type, over a limit. Nested values are passed over. *ret is scratch
 * space of the caller; on failure its content is undefined. */
int telem_parse(const void *topic, size_t topic_len, const void *data, size_t len,
                struct telem_msg *ret, struct err *);
const struct telem_value *telem_find(const struct telem_msg *, const char *key);
double telem_number(const struct telem_msg *, const char *key, double otherwise);
const char *telem_text(const struct telem_msg *, const char *key); /* "" when missing */

#endif
