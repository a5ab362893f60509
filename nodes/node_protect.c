#include "node_protect.h"

#include <assert.h>

#include "slice.h"

#define LOW_V 43.5
#define CALM_V 46.5
#define OVER 1.1
#define HIGH 1.2
#define CALM 0.95
#define MS INT64_C(1000000)
#define LOW_NS (2 * MS)
#define OVER_NS (2000 * MS)
#define HIGH_NS (200 * MS)
#define BETWEEN_NS (50 * MS)
#define CALM_NS (1000 * MS)
/* A module that is shed again this soon after it was restored waits twice as long. */
#define RELAPSE_NS (10000 * MS)
#define WAIT_MAX_NS (64000 * MS)
#define PRIORITY_MAX 100
/* A module that hears does what it is told within two port periods. */
#define DEAF_NS BETWEEN_NS
#define ASK_AGAIN_NS (1000 * MS)
/* Rise of the bus between two looks that says that enough has been shed. */
#define RISE_V 0.025
#define HOPS_MAX 31
#define TIES 8
/* Stages of under-voltage: the first module of the mesh at the top, the last at the bottom. */
#define STAGE_TOP_V 43.25
#define STAGE_SPAN_V 2.25
/* A bus that rises by this in a period has been relieved: far above the noise of a reading. */
#define RISES_V 0.025
/* A module whose input is that much above its owner's bus lives on its other input. */
#define ELSEWHERE_V 3.0
/* Loading that a return may lead to. */
#define ROOM 1.05
#define KEY_NONE (127 * TIES + 7)

static const struct node_protect_turn nobody = { .key = KEY_NONE };

static void
node_protect_add(struct node_protect *p, const struct slice_chan *ch)
{
	assert(p->n < TOPO_PORTS_MAX && ch->priority <= PRIORITY_MAX);
	p->port[p->n++] = (struct node_protect_port){
		.priority = ch->priority,
		.shed_v = STAGE_TOP_V - STAGE_SPAN_V * ch->shed_rank,
		.wait_ns = CALM_NS,
		.on_ns = RELAPSE_NS,
	};
}

void
node_protect_init(struct node_protect *p, const struct slice *s, int64_t period_ns, double bus_v)
{
	size_t n_links = 0;

	while (n_links < s->n_chans && s->chans[n_links].kind == CHAN_LINK)
		n_links++;
	assert(period_ns > 0 && n_links <= TOPO_DEGREE_MAX);
	*p = (struct node_protect){ .period_ns = period_ns,
		                    .since_ns = BETWEEN_NS,
		                    .mark_v = { bus_v, bus_v },
		                    .last_v = bus_v,
		                    .ports_v = s->node.trip.port_uv_v,
		                    .feeds_w = s->feeds_w,
		                    .tie = s->index % TIES,
		                    .n_links = n_links,
		                    .known = nobody };
	for (size_t l = 0; l < n_links; l++)
		p->peer[l] = nobody;
	for (size_t c = n_links; c < s->n_chans; c++)
		node_protect_add(p, &s->chans[c]);
}

/* ---- whose turn it is ------------------------------------------------------------------------ */

void
node_protect_hear(struct node_protect *p, size_t l, uint32_t wave_flags)
{
	assert(l < p->n_links);
	p->peer[l] = (struct node_protect_turn){
		.key = (wave_flags & WAVE_TURN_MASK) >> WAVE_TURN_SHIFT,
		.hops = (wave_flags & WAVE_TURN_HOPS_MASK) >> WAVE_TURN_HOPS_SHIFT,
		.restore = wave_flags & WAVE_TURN_RESTORE,
	};
}

void
node_protect_forget(struct node_protect *p, size_t l)
{
	assert(l < p->n_links);
	p->peer[l] = nobody;
}

uint32_t
node_protect_flags(const struct node_protect *p)
{
	return p->known.key << WAVE_TURN_SHIFT | p->known.hops << WAVE_TURN_HOPS_SHIFT |
	       (p->known.restore ? WAVE_TURN_RESTORE : 0);
}

static uint32_t
node_protect_key(const struct node_protect *p, size_t port, bool restore)
{
	if (port == p->n)
		return KEY_NONE;
	uint32_t priority = p->port[port].priority;
	return (restore ? PRIORITY_MAX - priority : priority) * TIES + p->tie;
}

static void
node_protect_mark(struct node_protect *p, double older_v, double bus_v)
{
	p->look_ns = 0;
	p->mark_v[0] = bus_v;
	p->mark_v[1] = older_v;
}

/* A key that nobody has any more dies out with its hops. */
static void
node_protect_look_around(struct node_protect *p, uint32_t own_key, bool restore, double bus_v)
{
	struct node_protect_turn was = p->known;

	p->known = (struct node_protect_turn){ .key = own_key, .restore = restore };
	for (size_t l = 0; l < p->n_links; l++) {
		struct node_protect_turn far = p->peer[l];
		if (far.restore != restore || far.hops++ >= HOPS_MAX)
			continue;
		if (far.key < p->known.key || (far.key == p->known.key && far.hops < p->known.hops))
			p->known = far;
	}
	if (was.restore != restore || was.key == p->known.key || was.key == KEY_NONE)
		return;
	node_protect_mark(p, bus_v, bus_v);
	p->since_ns = 0;
	if (p->calm_ns > 0)
		p->calm_ns = p->period_ns;
}

/* ---- decisions ------------------------------------------------------------------------------- */

/* How long a condition has lasted, in the period at hand. */
static int64_t
node_protect_lasts(const struct node_protect *p, bool now, int64_t ns)
{
	return now ? ns + p->period_ns : 0;
}

static void
node_protect_answers(struct node_protect *p, struct node_port *ports)
{
	for (size_t i = 0; i < p->n; i++) {
		struct node_protect_port *o = &p->port[i];
		o->asked_ns = ports[i].order ? o->asked_ns + p->period_ns : 0;
		o->deaf_ns = o->deaf_ns > p->period_ns ? o->deaf_ns - p->period_ns : 0;
		if (o->asked_ns >= DEAF_NS) {
			ports[i].order = 0;
			o->asked_ns = 0;
			o->deaf_ns = ASK_AGAIN_NS;
		}
		o->shed = ports[i].shed;
		if (!o->shed && o->on_ns < RELAPSE_NS)
			o->on_ns += p->period_ns;
		if (!o->shed && o->on_ns >= RELAPSE_NS)
			o->wait_ns = CALM_NS;
	}
}

static bool
node_protect_decides(const struct node_port *p)
{
	return p->live && !p->out && (p->owner || p->orphan);
}

/* Whether it hangs on this bus, so that to shed it could help. */
static bool
node_protect_burdens(const struct node_port *p, double bus_v)
{
	return !(p->v_in_v > bus_v + ELSEWHERE_V);
}

/* The module to be shed or restored next, or n. */
static size_t
node_protect_next(const struct node_protect *p, const struct node_port *ports, bool restore,
                  double bus_v)
{
	size_t pick = p->n;

	for (size_t i = 0; i < p->n; i++)
		if (node_protect_decides(&ports[i]) && p->port[i].shed == restore &&
		    p->port[i].deaf_ns == 0 &&
		    (restore || node_protect_burdens(&ports[i], bus_v)) &&
		    node_protect_key(p, i, restore) < node_protect_key(p, pick, restore))
			pick = i;
	return pick;
}

/* Whether the mesh can carry it again, as far as can be told: with what it wants now. */
static bool
node_protect_has_room(const struct node_protect *p, const struct node_port *port, double loading)
{
	const double feeds_w = p->learnt_ns > 0 ? p->learnt_w : p->feeds_w;

	return loading <= 0 || !(feeds_w > 0) || loading + port->wants_w / feeds_w <= ROOM;
}

/* It is shed again: what its return did to the loading tells how much there is. */
static void
node_protect_learn(struct node_protect *p, size_t i, double wants_w, double loading)
{
	const double rise = loading - p->port[i].before;

	if (!(rise > 0) || !(wants_w > 0))
		return;
	if (p->learnt_ns <= 0 || wants_w / rise < p->learnt_w)
		p->learnt_w = wants_w / rise;
	if (p->learnt_w > p->feeds_w)
		p->learnt_w = p->feeds_w;
	p->learnt_ns = WAIT_MAX_NS;
}

static void
node_protect_shed(struct node_protect *p, struct node_port *ports, size_t pick, double loading)
{
	struct node_protect_port *o = &p->port[pick];

	if (o->on_ns < RELAPSE_NS)
		node_protect_learn(p, pick, ports[pick].wants_w, loading);
	if (o->on_ns < RELAPSE_NS && o->wait_ns < WAIT_MAX_NS)
		o->wait_ns *= 2;
	ports[pick].order = OFFER_SHED;
}

static void
node_protect_restore(struct node_protect *p, struct node_port *ports, size_t pick, double loading)
{
	p->port[pick].before = loading;
	p->port[pick].on_ns = 0;
	ports[pick].order = OFFER_RESTORE;
}

/* The bus falls faster than turns can pass: everybody sheds what is below its stage. */
static bool
node_protect_stages(struct node_protect *p, struct node_port *ports, double bus_v, double loading)
{
	bool any = false;

	for (size_t i = 0; i < p->n; i++) {
		double v = ports[i].v_in_v > bus_v ? ports[i].v_in_v : bus_v;
		if (!node_protect_decides(&ports[i]) || p->port[i].shed || ports[i].order ||
		    p->port[i].deaf_ns > 0 || !(v < p->port[i].shed_v))
			continue;
		node_protect_shed(p, ports, i, loading);
		any = true;
	}
	return any;
}

void
node_protect_step(struct node_protect *p, struct node_port *ports, double bus_v, double loading)
{
	const bool jumps = bus_v > p->last_v + RISES_V;

	p->last_v = bus_v;
	/* Where ports give nothing no module can be what loads the feed. */
	if (bus_v < p->ports_v)
		loading = 0;
	p->low_ns = node_protect_lasts(p, bus_v < LOW_V, p->low_ns);
	p->over_ns = node_protect_lasts(p, loading > OVER, p->over_ns);
	p->high_ns = node_protect_lasts(p, loading > HIGH, p->high_ns);
	p->calm_ns = node_protect_lasts(p, bus_v > CALM_V && loading < CALM, p->calm_ns);
	p->since_ns += p->period_ns;
	p->look_ns += p->period_ns;
	if (p->learnt_ns > 0)
		p->learnt_ns -= p->period_ns;
	node_protect_answers(p, ports);
	bool restore = p->calm_ns > 0;
	size_t next = node_protect_next(p, ports, restore, bus_v);
	uint32_t key = node_protect_key(p, next, restore);
	node_protect_look_around(p, key, restore, bus_v);
	bool overload = p->low_ns >= LOW_NS || p->over_ns >= OVER_NS || p->high_ns >= HIGH_NS;
	bool rises = bus_v > p->mark_v[1] + RISE_V;
	bool turn = next < p->n && p->known.key == key && !ports[next].order &&
	            p->since_ns >= BETWEEN_NS;
	if (p->low_ns >= LOW_NS && !rises && !jumps &&
	    node_protect_stages(p, ports, bus_v, loading)) {
		node_protect_mark(p, bus_v, bus_v);
		p->since_ns = 0;
	} else if (turn && overload && !rises) {
		node_protect_shed(p, ports, next, loading);
		node_protect_mark(p, bus_v, bus_v);
		p->since_ns = 0;
	} else if (turn && restore && p->calm_ns >= p->port[next].wait_ns &&
	           node_protect_has_room(p, &ports[next], loading)) {
		node_protect_restore(p, ports, next, loading);
		p->since_ns = 0;
	} else if (p->look_ns >= BETWEEN_NS) {
		node_protect_mark(p, p->mark_v[0], bus_v);
	}
}
