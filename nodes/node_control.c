#include "node_control.h"

#include <assert.h>

#include "link_limit.h"

#define PERIOD_S 1e-3
/* Part of the mean difference that a relay takes over per period. */
#define RELAY_GAIN LINK_LIMIT_RELAY
/* Part of di that a limited feed gives up per 1 ms. */
#define BLEED 0.01
#define SET_MIN_V 45.0
#define SET_MAX_V 50.5
/* A link that closes in a running mesh comes in over this time. */
#define FADE_S 0.2
/* A joiner waits this many periods for a neighbour's state. */
#define ADOPT_PERIODS 50
/* A neighbour that says nothing for this many periods does not count. */
#define SILENT_PERIODS 10

void
node_control_init(struct node_control *c, const struct node_params *p, size_t n_links,
                  double step_s, bool joiner)
{
	assert(n_links <= TOPO_DEGREE_MAX);
	*c = (struct node_control){
		.kind = p->control,
		.kv_per_s = p->kv_per_s,
		.kc_per_s = p->kc_per_s,
		.ki_v_per_s = p->ki_v_per_s,
		.v_nom_v = p->v_nom_v,
		.has_feed = p->has_feed,
		.v0_v = p->has_feed ? p->feed.v0_v : p->v_nom_v,
		.n_links = n_links,
		.limited = !p->has_feed,
		.offsets = p->offsets,
		.adopting = joiner,
	};
	c->period_k = (int64_t)(PERIOD_S / step_s + 0.5);
	if (c->period_k < 1)
		c->period_k = 1;
	c->tc_s = (double)c->period_k * step_s;
}

void
node_control_forget(struct node_control *c, size_t l)
{
	c->peer[l] = (struct node_control_peer){ .known = false };
}

void
node_control_hear(struct node_control *c, size_t l, const struct wave *w, bool fade)
{
	struct node_control_peer *p = &c->peer[l];

	if (w->has_offset) {
		p->offset = w->st_offset;
		p->level = w->st_level;
	}
	if (!(w->flags & WAVE_STATE))
		return;
	p->dv_v = w->st_dv_v;
	p->x = w->st_x;
	p->age = (w->flags & WAVE_AGE_MASK) >> WAVE_AGE_SHIFT;
	p->v_v = w->st_v_v;
	if (!p->known)
		p->fade_s = (fade || p->lost) && !c->adopting ? FADE_S : 0;
	p->known = true;
	p->lost = false;
	p->silent = 0;
}

struct neighbours {
	size_t n;
	double ddv_v, dx, doffset, dlevel; /* means of the differences */
	double v_v, dv_v, x, offset, level; /* means */
	uint32_t age;     /* the freshest word of a feed */
};

/* kc w = 1/(time left): the difference to a neighbour that stands still falls in a straight line. */
static double
node_control_weight(const struct node_control *c, const struct node_control_peer *p)
{
	double left = c->kc_per_s * p->fade_s;

	return left > 1 ? 1 / left : 1;
}

/* What neighbour l says of offsets; `weight`: as of its x. */
static void
node_control_gather_offset(const struct node_control *c, size_t l, double weight,
                           struct neighbours *nb)
{
	const struct node_control_peer *p = &c->peer[l];
	double offset = p->offset - c->price[l];

	if (!c->offsets)
		return;
	nb->offset += offset;
	nb->level += p->level;
	nb->doffset += weight * (offset - c->offset);
	nb->dlevel += weight * (p->level - c->level);
}

static struct neighbours
node_control_gather(struct node_control *c, const bool *closed)
{
	struct neighbours nb = { .age = NODE_CONTROL_AGE_NONE };

	for (size_t l = 0; l < c->n_links; l++) {
		struct node_control_peer *p = &c->peer[l];
		if (p->known && ++p->silent > SILENT_PERIODS)
			*p = (struct node_control_peer){ .lost = true };
		if (!closed[l] || !p->known)
			continue;
		nb.n++;
		nb.v_v += p->v_v;
		nb.dv_v += p->dv_v;
		nb.x += p->x;
		nb.ddv_v += node_control_weight(c, p) * (p->dv_v - c->dv_v);
		nb.dx += (1 - p->fade_s / FADE_S) * (p->x - c->x);
		node_control_gather_offset(c, l, 1 - p->fade_s / FADE_S, &nb);
		p->fade_s -= c->tc_s;
		if (p->fade_s < 0)
			p->fade_s = 0;
		if (p->age < nb.age)
			nb.age = p->age;
	}
	if (nb.n) {
		double q = 1 / (double)nb.n;
		nb.v_v *= q;
		nb.dv_v *= q;
		nb.x *= q;
		nb.ddv_v *= q;
		nb.dx *= q;
		nb.offset *= q;
		nb.level *= q;
		nb.doffset *= q;
		nb.dlevel *= q;
	}
	return nb;
}

/* Takes new dv and di, holding what would go further beyond the clamp. */
static void
node_control_integrate(struct node_control *c, double dv_v, double di_v)
{
	double set_v = c->v0_v + dv_v + di_v;
	bool high = set_v > SET_MAX_V, low = set_v < SET_MIN_V;

	if (!(high && dv_v > c->dv_v) && !(low && dv_v < c->dv_v))
		c->dv_v = dv_v;
	if (!(high && di_v > c->di_v) && !(low && di_v < c->di_v))
		c->di_v = di_v;
}

static void
node_control_consensus(struct node_control *c, const struct neighbours *nb, bool controls,
                       double bus_v)
{
	double dv_v = c->dv_v + c->tc_s * c->kc_per_s * nb->ddv_v, di_v = c->di_v;

	if (controls || !c->has_feed)
		dv_v += c->tc_s * c->kv_per_s * (c->v_nom_v - bus_v);
	if (controls)
		di_v += c->tc_s * c->ki_v_per_s * (c->offsets ? nb->dlevel : nb->dx);
	else
		di_v -= BLEED * (c->tc_s / PERIOD_S) * di_v;
	node_control_integrate(c, dv_v, di_v);
}

/* The feed begins with a loading of x on a bus at v_v. */
static void
node_control_rejoin(struct node_control *c, struct node_feed *f, double v_v, double x)
{
	double set_v = v_v + x * node_feed_available_a(f) * (f->e_full_v / f->i_max_a);

	set_v = set_v > SET_MAX_V ? SET_MAX_V : set_v < SET_MIN_V ? SET_MIN_V : set_v;
	c->di_v = set_v - c->v0_v - c->dv_v;
	f->v_set_v = set_v;
}

/* A joiner takes over what its neighbours have agreed on; its feed begins with their loading, not
 * with what is left when their di is not there. */
static void
node_control_adopt(struct node_control *c, struct node_feed *f, struct neighbours *nb)
{
	nb->ddv_v = nb->dx = nb->doffset = nb->dlevel = 0; /* of what it has now */
	c->x = nb->x;
	c->offset = nb->offset;
	c->level = nb->level;
	if (c->kind != CONTROL_CONSENSUS)
		return;
	c->dv_v = nb->dv_v;
	if (c->has_feed)
		node_control_rejoin(c, f, nb->v_v, nb->x);
}

static void
node_control_offset(struct node_control *c, const struct neighbours *nb)
{
	const double most = LINK_LIMIT_OFFSET_MAX;

	c->offset += RELAY_GAIN * nb->doffset;
	c->offset -= LINK_LIMIT_LEAK * c->offset;
	if (!c->limited)
		c->level = c->x - (c->offset > most ? most : c->offset < -most ? -most : c->offset);
	else
		c->level += RELAY_GAIN * nb->dlevel;
}

static double
node_control_set_v(const struct node_control *c, bool *clipped)
{
	double set_v = c->v0_v + c->dv_v + c->di_v;

	*clipped = set_v >= SET_MAX_V || set_v <= SET_MIN_V;
	if (set_v > SET_MAX_V)
		return SET_MAX_V;
	return set_v < SET_MIN_V ? SET_MIN_V : set_v;
}

void
node_control_step(struct node_control *c, struct node_feed *f, double bus_v, double feed_a,
                  const bool *closed, bool waiting)
{
	struct neighbours nb = node_control_gather(c, closed);
	bool clipped;

	if (c->adopting) {
		if (nb.n > 0)
			node_control_adopt(c, f, &nb);
		/* Two newcomers side by side would wait for each other. */
		c->adopting = nb.n == 0 && waiting && ++c->waited < ADOPT_PERIODS;
	}
	bool on = c->has_feed && node_feed_on(f);
	if (on && c->lost && c->kind == CONTROL_CONSENSUS)
		node_control_rejoin(c, f, bus_v, c->x);
	c->lost = c->has_feed && !on;
	c->age = on ? 0 : nb.age < NODE_CONTROL_AGE_NONE ? nb.age + 1 : NODE_CONTROL_AGE_NONE;
	(void)node_control_set_v(c, &clipped);
	c->limited = !c->has_feed || clipped || node_feed_limited(f, bus_v);
	if (node_control_rests(c))
		return;
	if (!c->limited)
		c->x = feed_a / node_feed_available_a(f);
	else
		c->x += RELAY_GAIN * nb.dx;
	if (c->offsets)
		node_control_offset(c, &nb);
	if (c->kind != CONTROL_CONSENSUS)
		return;
	node_control_consensus(c, &nb, !c->limited, bus_v);
	if (c->has_feed)
		f->v_set_v = node_control_set_v(c, &clipped);
}

bool
node_control_state(const struct node_control *c, size_t l, double bus_v, struct wave *w)
{
	if (c->adopting)
		return false;
	w->flags |= WAVE_STATE | (c->limited ? WAVE_LIMIT : 0u) | c->age << WAVE_AGE_SHIFT;
	w->st_v_v = bus_v;
	w->st_dv_v = c->dv_v;
	w->st_x = c->x;
	w->has_offset = c->offsets;
	w->st_offset = c->offset + c->price[l];
	w->st_level = c->level;
	return true;
}
