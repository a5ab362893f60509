#include "module_hotswap.h"

#include <assert.h>

#include "topo_rules.h"

#define RAMP_S 10e-3
#define OVER_RATED 1.5
#define GOOD_V 1.0
#define NOMINAL_V 48.0
/* A module that never draws anything still has to fill its capacitor. */
#define RATED_MIN_A 1.0
void
module_hotswap_init(struct module_hotswap *h, const struct module_params *p, double dt_s)
{
	assert(dt_s > 0);
	*h = (struct module_hotswap){ .i_rated_a = module_peak_w(p, NOMINAL_V) / NOMINAL_V,
		                      .dt_s = dt_s };
	if (!(h->i_rated_a >= RATED_MIN_A))
		h->i_rated_a = RATED_MIN_A;
}

void
module_hotswap_order(struct module_hotswap *h)
{
	h->starting = h->ordered = true;
	h->on_s = 0;
}

static size_t
module_hotswap_live(const struct module_input *m, double *highest_v)
{
	size_t n = 0;

	*highest_v = 0;
	for (size_t j = 0; j < m->n; j++) {
		if (!m->port[j].on)
			continue;
		n++;
		if (m->port[j].v_v > *highest_v)
			*highest_v = m->port[j].v_v;
	}
	return n;
}

void
module_hotswap_begin(struct module_hotswap *h, struct module_input *m)
{
	double v;

	for (size_t j = 0; j < m->n; j++)
		m->port[j].i_max_a = m->port[j].i_offer_a;
	if (h->starting || m->v_v >= m->uv_v || module_hotswap_live(m, &v) == 0)
		return;
	h->starting = true;
	h->ordered = false;
	h->on_s = 0;
}

bool
module_hotswap_start(struct module_hotswap *h, struct module_input *m)
{
	double highest_v, limit_a = OVER_RATED * h->i_rated_a;
	size_t n = module_hotswap_live(m, &highest_v);

	assert(h->starting);
	if (n == 0) {
		h->ordered = false;
		return false;
	}
	h->on_s += h->dt_s;
	if (h->on_s < RAMP_S)
		limit_a *= h->on_s / RAMP_S;
	h->starting = h->on_s < RAMP_S || m->v_v < highest_v - GOOD_V;
	for (size_t j = 0; j < m->n; j++) {
		double share_a = limit_a / (double)n, offer_a = m->port[j].i_offer_a;
		m->port[j].i_max_a = h->starting && share_a < offer_a ? share_a : offer_a;
	}
	return !h->starting;
}
