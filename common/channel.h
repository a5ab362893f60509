/*
 * channel.h - the emulated communication channel of one link in one direction, in plant time.
 *
 * Model, equations and sources: docs/models/channel.md. A frame that is offered at t waits behind
 * what was offered before it, is sent in bits/rate, and arrives `delay` and up to `jitter` later,
 * in the order of sending unless `reorder` holds it back. On the way it may be lost (independently,
 * and in bursts after Gilbert and Elliott), doubled, or damaged. All times are whole nanoseconds.
 * Random numbers are counted by frame, so that a setting which is switched on does not shift the
 * draws of the others.
 *
 * It lives at the receiver, which sees every frame of the direction. Nothing is allocated after
 * channel_init(). Every frame is counted once: sent + doubled = delivered + lost + pending, at any
 * time.
 */
#ifndef VL_CHANNEL_H
#define VL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"
#include "topo.h"

enum { CHANNEL_FRAME_MAX = 44 }; /* B of a frame */

struct channel_frame {
	int64_t arrival_ns;
	uint32_t seq; /* of the frames offered, from 1; a copy has its original's */
	uint8_t len;
	uint8_t bytes[CHANNEL_FRAME_MAX];
};

/* Cumulative, but for `pending` of channel_pending(). */
struct channel_counts {
	uint64_t sent;      /* offered by the sender */
	uint64_t doubled;   /* copies that were made */
	uint64_t delivered; /* handed out, copies and damaged ones with them */
	uint64_t lost;      /* all that never arrives: lost on the way, cut, no room, flushed */
	uint64_t no_room;   /* of these: the queue was full */
	uint64_t held_back; /* sent late on purpose (reorder) */
	uint64_t damaged;   /* had bits flipped */
	uint64_t flooded;   /* frames of foreign traffic that took a part of the rate */
};

struct channel {
	struct channel_params p;
	bool cut; /* nothing that is offered arrives; what is under way does */
	struct rng rng;
	bool bad;              /* state of the burst model */
	int64_t free_ns;       /* the sender's line is free again */
	int64_t last_ns;       /* latest arrival of a frame that keeps the order */
	int64_t flood_from_ns; /* start of the foreign traffic */
	uint64_t flood_n;      /* its frames so far */
	struct channel_counts n;
	uint32_t seq;
	size_t cap, head, pending;
	struct channel_frame *ring; /* by arrival, then in the order of insertion */
};

/* Room for the frames that can be under way with these parameters, at `frames_per_s` offered. */
size_t channel_room(const struct channel_params *, double frames_per_s);
/* key: seed, id of the link, incarnation of the receiver, direction. -1: no memory. */
int channel_init(struct channel *, const struct channel_params *, size_t room, uint64_t seed,
                 const char *link, uint32_t incarnation, uint32_t direction);
void channel_free(struct channel *);

/* From t on; frames under way keep their arrival. */
void channel_change(struct channel *, const struct channel_params *, int64_t t_ns);
/* Frames are offered in the order of t. Returns the number that the frame got. */
uint32_t channel_offer(struct channel *, int64_t t_ns, const uint8_t *bytes, size_t len);
/* The number that channel_offer() will give next: it is packed into the frame. */
static inline uint32_t
channel_next_seq(const struct channel *c)
{
	return c->seq + 1;
}
/* The next frame that has arrived by t, NULL: none. Valid until the next call. */
const struct channel_frame *channel_take(struct channel *, int64_t t_ns);
/* All that is under way is lost. */
void channel_flush(struct channel *);
/* Takes foreign traffic up to t into the queue; channel_offer() does it as well. */
void channel_flood(struct channel *, int64_t t_ns);
/* How long a frame that is offered at t waits for the line. */
int64_t channel_wait_ns(const struct channel *, int64_t t_ns);

/* Neither time nor chance: a frame arrives when it is offered. */
bool channel_is_ideal(const struct channel_params *);

#endif
