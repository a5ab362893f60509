#include "channel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Draws of one frame: the n-th frame's are those from n DRAWS on. */
enum draw {
	DRAW_STATE,
	DRAW_LOSS,
	DRAW_JITTER,
	DRAW_DOUBLE,
	DRAW_DOUBLE_JITTER,
	DRAW_REORDER,
	DRAW_DAMAGE,
	DRAW_FLIPS, /* their number, then the places of up to FLIPS_MAX */
	DRAWS = 32
};
enum {
	FLIPS_MAX = 5, /* what CRC-32C is sure to find, see frame.h */
	ROOM_LEAST = 256,
	ROOM_MOST = 1 << 16,
};

static double
draw(const struct channel *c, uint32_t seq, enum draw which)
{
	struct rng r = c->rng;
	r.n = (uint64_t)seq * DRAWS + which;
	return rng_unit(&r);
}

/* bits/rate, rounded up. */
static int64_t
line_ns(const struct channel_params *p, double bytes)
{
	if (!(p->rate_bit_s > 0))
		return 0;
	double ns = bytes * 8e9 / p->rate_bit_s;
	int64_t whole = (int64_t)ns;
	return whole + ((double)whole < ns);
}

static int64_t
jitter_ns(const struct channel *c, uint32_t seq, enum draw which)
{
	if (c->p.jitter_ns == 0)
		return 0;
	return (int64_t)(draw(c, seq, which) * (double)(c->p.jitter_ns + 1));
}

size_t
channel_room(const struct channel_params *p, double frames_per_s)
{
	double under_way_s = (double)(p->queue_ns + line_ns(p, CHANNEL_FRAME_MAX) + p->delay_ns +
	                              p->jitter_ns + p->reorder_ns) *
	                     1e-9;
	double frames = 2 * frames_per_s * under_way_s; /* each may be doubled */
	if (frames > ROOM_MOST - ROOM_LEAST)
		return ROOM_MOST;
	return ROOM_LEAST + (size_t)frames;
}

int
channel_init(struct channel *c, const struct channel_params *p, size_t room, uint64_t seed,
             const char *link, uint32_t incarnation, uint32_t direction)
{
	*c = (struct channel){ .p = *p, .cap = room };
	rng_init(&c->rng, seed, link, incarnation, RNG_CHANNEL, direction);
	c->ring = calloc(room, sizeof *c->ring);
	return c->ring ? 0 : -1;
}

void
channel_free(struct channel *c)
{
	free(c->ring);
	c->ring = NULL;
}

bool
channel_is_ideal(const struct channel_params *p)
{
	return !(p->rate_bit_s > 0) && p->delay_ns == 0 && p->jitter_ns == 0 && !(p->loss > 0) &&
	       !(p->burst_enter > 0) && !(p->duplicate > 0) && !(p->reorder > 0) &&
	       !(p->corrupt > 0);
}

void
channel_change(struct channel *c, const struct channel_params *p, int64_t t_ns)
{
	bool flood = p->flood_bit_s != c->p.flood_bit_s || p->flood_bytes != c->p.flood_bytes;

	channel_flood(c, t_ns);
	c->p = *p;
	if (flood) {
		c->flood_from_ns = t_ns;
		c->flood_n = 0;
	}
	if (!(p->burst_enter > 0))
		c->bad = false;
}

/* ---- the sender's line ---------------------------------------------------------------------- */

int64_t
channel_wait_ns(const struct channel *c, int64_t t_ns)
{
	return c->free_ns > t_ns ? c->free_ns - t_ns : 0;
}

/* Takes the line from when it is free; false: the queue is full. */
static bool
channel_line(struct channel *c, int64_t t_ns, double bytes)
{
	int64_t wait = channel_wait_ns(c, t_ns);
	if (wait > c->p.queue_ns)
		return false;
	c->free_ns = t_ns + wait + line_ns(&c->p, bytes);
	return true;
}

void
channel_flood(struct channel *c, int64_t t_ns)
{
	if (!(c->p.flood_bit_s > 0))
		return;
	double gap_ns = c->p.flood_bytes * 8e9 / c->p.flood_bit_s;
	for (;;) {
		int64_t at = c->flood_from_ns + (int64_t)((double)c->flood_n * gap_ns);
		if (at > t_ns)
			return;
		c->flood_n++;
		c->n.flooded += channel_line(c, at, c->p.flood_bytes);
	}
}

/* ---- on the way ----------------------------------------------------------------------------- */

/* Gilbert and Elliott: lost by the state that the frame meets, then one step of the chain. */
static bool
channel_loses(struct channel *c, uint32_t seq)
{
	const struct channel_params *p = &c->p;
	double share = c->bad ? p->burst_loss : p->loss;
	bool lost = share > 0 && draw(c, seq, DRAW_LOSS) < share;

	if (p->burst_enter > 0 &&
	    draw(c, seq, DRAW_STATE) < (c->bad ? p->burst_leave : p->burst_enter))
		c->bad = !c->bad;
	return lost;
}

/* Flips one to FLIPS_MAX different bits. */
static void
channel_damage(struct channel *c, uint32_t seq, struct channel_frame *f)
{
	unsigned places[FLIPS_MAX], bits = 8u * f->len;
	unsigned n = 1 + (unsigned)(draw(c, seq, DRAW_FLIPS) * FLIPS_MAX);

	for (unsigned i = 0; i < n; i++) {
		enum draw which = (enum draw)(DRAW_FLIPS + 1 + i);
		unsigned at = (unsigned)(draw(c, seq, which) * (bits - i));
		/* The at-th of those that are still whole; places are kept ascending. */
		unsigned j = 0;
		for (; j < i && at >= places[j]; j++)
			at++;
		memmove(&places[j + 1], &places[j], (i - j) * sizeof *places);
		places[j] = at;
		f->bytes[at / 8] ^= (uint8_t)(1u << at % 8);
	}
	c->n.damaged++;
}

static void
channel_insert(struct channel *c, const struct channel_frame *f)
{
	if (c->pending == c->cap) {
		c->n.lost++;
		c->n.no_room++;
		return;
	}
	/* Most come last; who overtakes, overtakes few. */
	size_t at = c->pending++;
	for (; at > 0; at--) {
		const struct channel_frame *before = &c->ring[(c->head + at - 1) % c->cap];
		if (before->arrival_ns <= f->arrival_ns)
			break;
		c->ring[(c->head + at) % c->cap] = *before;
	}
	c->ring[(c->head + at) % c->cap] = *f;
}

/* A frame, or its copy, at t on the sender's line. */
static void
channel_send(struct channel *c, int64_t t_ns, struct channel_frame f, enum draw jitter, bool held)
{
	if (!channel_line(c, t_ns, f.len)) {
		c->n.lost++;
		c->n.no_room++;
		return;
	}
	f.arrival_ns = c->free_ns + c->p.delay_ns + jitter_ns(c, f.seq, jitter);
	if (held)
		f.arrival_ns += c->p.reorder_ns;
	/* Jitter and a shorter delay do not make frames overtake each other. */
	if (f.arrival_ns < c->last_ns)
		f.arrival_ns = c->last_ns;
	if (!held)
		c->last_ns = f.arrival_ns;
	channel_insert(c, &f);
}

uint32_t
channel_offer(struct channel *c, int64_t t_ns, const uint8_t *bytes, size_t len)
{
	const struct channel_params *p = &c->p;
	struct channel_frame f = { .seq = ++c->seq, .len = (uint8_t)len };

	assert(len > 0 && len <= CHANNEL_FRAME_MAX);
	memcpy(f.bytes, bytes, len);
	channel_flood(c, t_ns);
	c->n.sent++;
	bool lost = channel_loses(c, f.seq);
	if (c->cut || lost) {
		/* Lost behind the line, which it took all the same. */
		if (!c->cut)
			(void)channel_line(c, t_ns, (double)len);
		c->n.lost++;
		return f.seq;
	}
	bool twice = p->duplicate > 0 && draw(c, f.seq, DRAW_DOUBLE) < p->duplicate;
	bool held = p->reorder > 0 && draw(c, f.seq, DRAW_REORDER) < p->reorder;
	const struct channel_frame whole = f;
	if (p->corrupt > 0 && draw(c, f.seq, DRAW_DAMAGE) < p->corrupt)
		channel_damage(c, f.seq, &f);
	c->n.held_back += held;
	channel_send(c, t_ns, f, DRAW_JITTER, held);
	if (twice) {
		c->n.doubled++;
		channel_send(c, t_ns, whole, DRAW_DOUBLE_JITTER, false);
	}
	return f.seq;
}

const struct channel_frame *
channel_take(struct channel *c, int64_t t_ns)
{
	const struct channel_frame *f = &c->ring[c->head];

	if (c->pending == 0 || f->arrival_ns > t_ns)
		return NULL;
	c->head = (c->head + 1) % c->cap;
	c->pending--;
	c->n.delivered++;
	return f;
}

void
channel_flush(struct channel *c)
{
	c->n.lost += c->pending;
	c->pending = 0;
	c->last_ns = 0;
	c->free_ns = 0;
}
