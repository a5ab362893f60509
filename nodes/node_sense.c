#include "node_sense.h"

#include <assert.h>
#include <stdlib.h>

#include "node_conv.h"
#include "node_store.h"
#include "slice.h"

static void
node_sense_add(struct node_sense *s, const struct slice *slice, enum node_terminal_kind kind,
               size_t index, double x)
{
	struct node_terminal *t = &s->terminals[s->n];
	const bool feed = kind == TERMINAL_FEED;

	*t = (struct node_terminal){ .kind = kind, .index = index, .on_bus = true };
	/* Streams by kind and index: a terminal keeps its own whatever else there is. */
	node_sensor_init(&t->sensor, feed ? SENSOR_FEED_I : SENSOR_TERMINAL_I,
	                 (uint32_t)(kind << 8 | index), slice, x);
	t->mean_a = feed ? -x : x;
	s->n++;
}

int
node_sense_init(struct node_sense *s, const struct slice *slice, int64_t period_k,
                const struct node_sense_view *w, const bool *behind)
{
	const struct node_plant *p = w->plant;

	assert(period_k >= 1);
	*s = (struct node_sense){ .period_k = period_k,
		                  .tc_s = (double)period_k * (double)slice->step_ns * 1e-9,
		                  .feed_a = p->feed.i_a,
		                  .v_was_v = p->v_v };
	node_sensor_init(&s->feed, SENSOR_FEED_I, 0, slice, p->feed.i_a);
	node_sensor_init(&s->v, SENSOR_BUS_V, 0, slice, p->v_v);
	if (!slice->node.sensors_realistic)
		return 0;
	s->terminals = calloc(3 + p->n_convs + w->n_links + w->n_ports, sizeof *s->terminals);
	if (!s->terminals)
		return -1;
	if (slice->node.has_feed)
		node_sense_add(s, slice, TERMINAL_FEED, 0, p->feed.i_a);
	if (slice->node.has_sc || slice->node.has_store)
		node_sense_add(s, slice, TERMINAL_SUPERCAP, 0, 0);
	node_sense_add(s, slice, TERMINAL_LOAD, 0, 0); /* a script may give it one */
	for (size_t i = 0; i < p->n_convs; i++)
		node_sense_add(s, slice, TERMINAL_CONV, i, 0);
	for (size_t i = 0; i < w->n_links; i++) {
		struct node_terminal *t = &s->terminals[s->n];
		node_sense_add(s, slice, TERMINAL_LINK, i, w->links[i].i_avg_a);
		t->on_bus = !behind[i];
		t->dc_f = behind[i] ? 0 : w->links[i].dc_f;
	}
	for (size_t i = 0; i < w->n_ports; i++)
		node_sense_add(s, slice, TERMINAL_PORT, i, 0);
	return 0;
}

void
node_sense_free(struct node_sense *s)
{
	free(s->terminals);
	s->terminals = NULL;
}

struct node_sensor *
node_sense_feed(struct node_sense *s)
{
	if (s->n == 0)
		return &s->feed;
	return s->terminals[0].kind == TERMINAL_FEED ? &s->terminals[0].sensor : NULL;
}

/* Means over a step of what constant power draws, per watt: of the load and of ports. */
struct draws {
	double load_a, per_w;
};

static struct draws
node_sense_draws(const struct node_sense_view *w)
{
	struct draws d = { 0, 0 };
	const size_t n = w->plant->n;

	for (size_t s = 0; s < n; s++) {
		const double x = w->vm[s];
		d.load_a += x >= NODE_V_UV_V ? w->load_w[s] / x
		                             : w->load_w[s] * x / (NODE_V_UV_V * NODE_V_UV_V);
		d.per_w +=
			x >= NODE_PAY_FLOOR_V ? 1 / x : x / (NODE_PAY_FLOOR_V * NODE_PAY_FLOOR_V);
	}
	d.load_a /= (double)n;
	d.per_w /= (double)n;
	return d;
}

/* True mean current of a terminal over the last step. */
static double
node_sense_true(const struct node_terminal *t, const struct node_sense_view *w,
                const struct draws *d)
{
	const struct node_plant *p = w->plant;

	switch (t->kind) {
	case TERMINAL_FEED:
		return p->feed_avg_a;
	case TERMINAL_SUPERCAP:
		return p->store ? p->store->conv.in_avg_a : p->sc_avg_a;
	case TERMINAL_LOAD:
		return d->load_a;
	case TERMINAL_CONV:
		return w->convs[t->index].in_avg_a;
	case TERMINAL_LINK:
		return w->links[t->index].i_avg_a;
	case TERMINAL_PORT:
		return w->ports[t->index].pay_w * d->per_w;
	}
	assert(!"kind of a terminal");
	return 0;
}

/* Ends a control period. */
static void
node_sense_means(struct node_sense *s, const struct node_sense_view *w)
{
	s->slope_v_s = (s->v.value - s->v_was_v) / s->tc_s;
	s->v_was_v = s->v.value;
	s->periods++;
	for (size_t i = 0; i < s->n; i++) {
		struct node_terminal *t = &s->terminals[i];
		double mean = t->n ? t->sum_a / t->n : t->sensor.value;

		if (t->kind == TERMINAL_FEED)
			mean = -mean;
		else if (t->dc_f > 0 && w->links[t->index].state == LINK_END_CLOSED)
			mean -= t->dc_f * s->slope_v_s;
		t->mean_a = mean;
		t->sum_a = 0;
		t->n = 0;
	}
}

void
node_sense_step(struct node_sense *s, int64_t k, const struct node_sense_view *w)
{
	(void)node_sensor_read(&s->v, k, w->plant->v_v);
	if (s->n == 0) {
		s->feed_a = node_sensor_read(&s->feed, k, w->plant->feed.i_a);
		return;
	}
	const struct draws d = node_sense_draws(w);
	for (size_t i = 0; i < s->n; i++) {
		struct node_terminal *t = &s->terminals[i];
		double a = node_sensor_read(&t->sensor, k, node_sense_true(t, w, &d));
		if (t->kind == TERMINAL_FEED)
			s->feed_a = a;
		if (!node_sensor_due(&t->sensor, k))
			continue;
		t->sum_a += a;
		t->n++;
	}
	if (k % s->period_k == 0)
		node_sense_means(s, w);
}
