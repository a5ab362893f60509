#include "node_hw.h"

#include <math.h>

#include "node_conv.h"
#include "node_store.h"
#include "slice.h"

/* Derating counts as over this far below the temperature at which it begins. */
#define DERATE_HYSTERESIS_K 2.0

static double
node_hw_lost_j(const struct node_hw *h, const struct node_plant *p)
{
	double j = h->precharge_j;

	for (size_t i = 0; i < p->n_convs; i++)
		j += p->convs[i].loss_j;
	if (p->store)
		j += p->store->conv.loss_j;
	return j;
}

void
node_hw_init(struct node_hw *h, const struct slice *s, const struct node_hw_parts *parts)
{
	struct node_plant *p = parts->plant;
	const struct trip_params *t = &s->node.trip;
	size_t n_ports = s->n_chans - parts->n_links;

	*h = (struct node_hw){ .ambient_c = s->node.thermal.ambient_c, .feed_part = 1 };
	node_thermal_init(&h->thermal, &s->node, (double)s->step_ns * 1e-9, s->init_temp_c);
	h->temp = (struct node_sensor){ .ideal = true, .gain = 1, .value = s->init_temp_c };
	node_trip_init(&h->trip, &s->node, s->step_ns, p->v_v,
	               p->n_convs > 0 || p->store || n_ports > 0);
	for (size_t i = 0; i < p->n_convs; i++) {
		p->convs[i].off_v = t->uv_v;
		p->convs[i].on_v = t->uv_clear_v;
	}
	if (p->store) {
		p->store->conv.off_v = t->uv_v;
		p->store->conv.on_v = t->uv_clear_v;
	}
}

void
node_hw_command(struct node_hw *h, const struct core_cmd *cmd)
{
	const bool ends = cmd->kind == CMD_UNDERATE;

	h->feed_part = ends || isnan(cmd->a) ? 1 : cmd->a;
	h->thermal.p.ambient_c = ends || isnan(cmd->b) ? h->ambient_c : cmd->b;
}

static void
node_hw_allow_conv(struct node_conv *c, double part, bool off)
{
	c->tripped = off;
	c->i_lim_a = c->i_full_a * part;
}

static void
node_hw_allow(struct node_hw *h, int64_t k, struct node_plant *p, struct core_events *ev)
{
	const bool off = node_trip_off(&h->trip);
	const double warm = node_thermal_part(&h->thermal, h->temp.value), feed = off ? 0 : warm * h->feed_part;
	const double least = warm < feed || off ? warm : feed;
	const bool cool = h->temp.value < h->thermal.p.derate_c - DERATE_HYSTERESIS_K;

	if (p->feed.i_rated_a > 0 && feed != p->feed.part)
		node_feed_allow(&p->feed, feed);
	for (size_t i = 0; i < p->n_convs; i++)
		node_hw_allow_conv(&p->convs[i], warm, off);
	if (p->store)
		node_hw_allow_conv(&p->store->conv, warm, off);
	if (h->derated ? least == 1 && cool : least < 1) {
		h->derated = !h->derated;
		core_event_add(ev, k, EV_DERATED, -1, h->derated, least, 0, 0);
	}
}

void
node_hw_step(struct node_hw *h, int64_t k, const struct node_hw_parts *parts,
             struct core_events *ev)
{
	struct node_plant *p = parts->plant;

	for (size_t i = 0; i < parts->n_links; i++) {
		const struct node_link *l = &parts->links[i];
		if (l->state == LINK_END_PRECHARGE)
			h->precharge_j += l->loss_step_j * (l->r_ohm - l->r_half_ohm) / l->r_ohm;
	}
	node_thermal_step(&h->thermal, node_hw_lost_j(h, p), p->feed_avg_a,
	                  node_trip_off(&h->trip));
	(void)node_sensor_read(&h->temp, k + 1, h->thermal.temp_c);
	node_trip_step(&h->trip, k, p->v_min_v, p->v_max_v, h->thermal.temp_c, ev);
	node_hw_allow(h, k, p, ev);
}
