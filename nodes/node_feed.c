#include "node_feed.h"

#include <assert.h>
#include <math.h>

void
node_feed_init(struct node_feed *f, const struct feed_params *p, double dt_s)
{
	*f = (struct node_feed){ .lag = true, .keep = 1, .ceil_v = INFINITY };
	if (!p)
		return;
	assert(p->r_d_ohm > 0 && p->i_max_a > 0 && p->i_rated_a > 0 && p->tau_s >= 0);
	f->v0_v = f->v_set_v = p->v0_v;
	f->i_max_a = p->i_max_a;
	f->i_rated_a = p->i_rated_a;
	f->e_max_v = f->e_full_v = p->i_max_a * p->r_d_ohm;
	f->part = 1;
	f->lag = p->tau_s > 0;
	if (f->lag) {
		double a = dt_s / (2 * p->tau_s);
		f->ka_s = a / ((1 + a) * p->r_d_ohm);
		f->keep = 1 / (1 + a);
	} else {
		f->ka_s = 1 / p->r_d_ohm;
		f->keep = 0;
	}
}

void
node_feed_allow(struct node_feed *f, double part)
{
	assert(part >= 0 && part <= 1);
	f->part = part;
	f->e_max_v = f->e_full_v * part;
	if (!(part > 0))
		f->i_a = 0;
}

void
node_feed_lose(struct node_feed *f)
{
	f->ceil_v = 0;
	f->i_a = 0;
}

bool
node_feed_limited(const struct node_feed *f, double v)
{
	double e = f->v_set_v - v;

	return !(e > 0 && e < f->e_max_v) || f->ceil_v < f->v_set_v;
}
