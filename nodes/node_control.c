#include "node_control.h"

#include <assert.h>

#define PERIOD_S 1e-3
/* Part of the mean difference that a relay takes over per period. */
#define RELAY_GAIN 0.8
/* Part of di that a limited feed gives up per 1 ms. */
#define BLEED 0.01
#define SET_MIN_V 45.0
#define SET_MAX_V 50.5
/* A difference to a new neighbour comes in over this time. */
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

	if (!(w->flags & WAVE_STATE))
		return;
	p->dv_v = w->st_dv_v;
	p->x = w->st_x;
	p->age = (w->flags & WAVE_AGE_MASK) >> WAVE_AGE_SHIFT;
	if (!p->known && (fade || p->lost) && !c->adopting) {
		p->off_dv_v = p->dv_v - c->dv_v;
		p->off_x = p->x - c->x;
		p->ramp = 1;
	}
	p->known = true;
	p->lost = false;
	p->silent = 0;
}

struct neighbours {
	size_t n;
	double ddv_v, dx; /* means of the differences */
	double dv_v, x;   /* means */
	uint32_t age;     /* the freshest word of a feed */
};

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
		nb.dv_v += p->dv_v;
		nb.x += p->x;
		nb.ddv_v += p->dv_v - c->dv_v - p->ramp * p->off_dv_v;
		nb.dx += p->x - c->x - p->ramp * p->off_x;
		p->ramp -= c->tc_s / FADE_S;
		if (p->ramp < 0)
			p->ramp = 0;
		if (p->age < nb.age)
			nb.age = p->age;
	}
	if (nb.n) {
		double q = 1 / (double)nb.n;
		nb.dv_v *= q;
		nb.x *= q;
		nb.ddv_v *= q;
		nb.dx *= q;
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
		di_v += c->tc_s * c->ki_v_per_s * nb->dx;
	else
		di_v -= BLEED * (c->tc_s / PERIOD_S) * di_v;
	node_control_integrate(c, dv_v, di_v);
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
		if (nb.n > 0) {
			c->dv_v = c->kind == CONTROL_CONSENSUS ? nb.dv_v : 0;
			c->x = nb.x;
		}
		/* Two newcomers side by side would wait for each other. */
		c->adopting = nb.n == 0 && waiting && ++c->waited < ADOPT_PERIODS;
	}
	c->age = c->has_feed ? 0 : nb.age < NODE_CONTROL_AGE_NONE ? nb.age + 1 : NODE_CONTROL_AGE_NONE;
	(void)node_control_set_v(c, &clipped);
	c->limited = !c->has_feed || clipped || node_feed_limited(f, bus_v);
	if (c->age >= NODE_CONTROL_AGE_NONE || c->adopting)
		return;
	if (!c->limited)
		c->x = feed_a / node_feed_available_a(f);
	else
		c->x += RELAY_GAIN * nb.dx;
	if (c->kind != CONTROL_CONSENSUS)
		return;
	node_control_consensus(c, &nb, !c->limited, bus_v);
	if (c->has_feed)
		f->v_set_v = node_control_set_v(c, &clipped);
}

bool
node_control_state(const struct node_control *c, double bus_v, struct wave *w)
{
	if (c->adopting)
		return false;
	w->flags |= WAVE_STATE | (c->limited ? WAVE_LIMIT : 0u) | c->age << WAVE_AGE_SHIFT;
	w->st_v_v = bus_v;
	w->st_dv_v = c->dv_v;
	w->st_x = c->x;
	return true;
}
