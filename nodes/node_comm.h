/*
 * node_comm.h - what the firmware hears of one neighbour: its control frames and their age.
 *
 * docs/models/channel.md. Every message of a link carries the frames that left in that step: HELLO
 * every 500 us (the message of a step whose end is a multiple of it), STATE when its flag is set.
 * They pass the emulated channel (common/channel.h) of this direction, whose checksum, sequence and
 * time decide what is heard and when. An ideal channel with nothing under way is passed by: then a
 * frame is heard in the step that brings the message, at no cost.
 *
 * The adjacency goes down when nothing has been heard for more than 6 HELLO periods, and up with
 * the next frame. STATE that is older than 6 control periods does not count any more. Neither knows
 * of the transport: a peer's death shows here like any silence.
 */
#ifndef VL_NODE_COMM_H
#define VL_NODE_COMM_H

#include "channel.h"
#include "core.h"
#include "frame.h"

struct node_comm_counts {
	uint64_t delivered; /* with a good checksum */
	uint64_t corrupt;   /* with a bad one: dropped */
	uint64_t late;      /* behind a later one, or a copy: dropped */
};

struct node_comm {
	/* What every step looks at comes first: one line of the cache. */
	bool recorded;     /* fixed: its counters are part of the frame */
	bool emulates;     /* frames go through the channel */
	bool up;           /* the neighbour is heard */
	bool state_known;  /* its last STATE is not too old */
	bool regained;     /* it was lost before */
	int64_t silence_k, stale_k; /* fixed, steps */
	int64_t heard_k, state_k;
	/* fixed */
	int32_t chan;
	int64_t step_ns, hello_k;  /* ns; steps */
	struct channel_params own; /* as in the topology */
	struct channel channel;
	uint32_t peer_inc;
	/* heard */
	uint32_t last_seq; /* of the peer's frames */
	int64_t down_k;
	struct node_comm_counts n;
	struct frame now; /* what node_comm_next() gave */
};

/* `first_life`: the peer is there from step 0. control_k: steps between two STATE. -1: no memory.
 */
int node_comm_init(struct node_comm *, const struct slice *, size_t chan, int64_t control_k,
                   bool first_life);
void node_comm_free(struct node_comm *);

/* What the channel hands in at step k: joins, and frames into the emulated channel. */
void node_comm_input(struct node_comm *, int64_t k, const struct core_in *);
/* The next frame to react to in step k, NULL: none. */
const struct frame *node_comm_next(struct node_comm *, int64_t k);
/* CMD_CUT, CMD_HEAL, CMD_CLOSE and the commands of the channel, at step k before its frames. */
void node_comm_command(struct node_comm *, int64_t k, const struct core_cmd *);

/* Frames of step k without emulation: whether the message says HELLO or STATE. */
static inline void
node_comm_heard(struct node_comm *c, int64_t k, bool state)
{
	c->heard_k = k;
	if (state) {
		c->state_k = k;
		c->state_known = true;
	}
}

/* Ages at step k, after the frames; false: the adjacency or STATE was lost just now. */
bool node_comm_judge(struct node_comm *, int64_t k, struct core_events *);
static inline bool
node_comm_check(struct node_comm *c, int64_t k, struct core_events *ev)
{
	bool fine = c->up && k - c->heard_k <= c->silence_k &&
	            (!c->state_known || k - c->state_k <= c->stale_k);
	return fine || node_comm_judge(c, k, ev);
}

/* Fields of the recorder, if `recorded`: NODE_COMM_FIELDS values. */
enum { NODE_COMM_FIELDS = 10 };
extern const struct node_comm_field {
	const char *name, *unit;
} node_comm_fields[NODE_COMM_FIELDS];
/* At t = k T. */
void node_comm_frame(const struct node_comm *, int64_t k, double values[NODE_COMM_FIELDS]);

#endif
