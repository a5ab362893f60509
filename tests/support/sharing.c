#include "sharing.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core.h"
#include "nodes/node_sensor.h"
#include "rng.h"
#include "slice.h"
#include "solver_loop.h"

/* A change of a load is this old when it is measured. */
#define SETTLE_S 1.0
#define CHANGE_S 0.1
#define LOAD_MIN_W 50.0
#define LOAD_SPAN_W 500.0

struct sharing {
	const struct topo *t;
	struct solver_loop *loop;
};

static void
sharing_to(struct sharing *s, double at_s)
{
	while ((double)solver_loop_k(s->loop) * topo_step_s(s->t) < at_s - 1e-9)
		solver_loop_step(s->loop);
}

static double
sharing_now(const struct sharing *s)
{
	return (double)solver_loop_k(s->loop) * topo_step_s(s->t);
}

static void
sharing_load(struct sharing *s, uint32_t node, double w)
{
	int64_t k = solver_loop_k(s->loop);
	struct core_cmd cmd = { .k = k, .kind = CMD_LOAD, .chan = -1, .a = w, .b = 1e-3 };
	solver_loop_command(s->loop, node, k, cmd);
}

/* Spread of the true loadings from now on. */
static double
sharing_measure(struct sharing *s, double *v_part)
{
	const struct topo *t = s->t;
	const int64_t n = (int64_t)(SHARING_MEAN_S / topo_step_s(t) + 0.5);
	double *x = calloc(t->n_nodes, sizeof *x), lo = INFINITY, hi = 0, sum = 0, v = 0,
	       degree = 0;
	size_t feeds = 0;

	assert(x);
	for (int64_t k = 0; k < n; k++) {
		solver_loop_step(s->loop);
		for (uint32_t i = 0; i < t->n_nodes; i++) {
			x[i] += solver_loop_get(s->loop, i, "loading") / (double)n;
			v += solver_loop_get(s->loop, i, "v_meas") / (double)n *
			     (double)t->nodes[i].n_links;
		}
	}
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		degree += (double)t->nodes[i].n_links;
		if (!t->nodes[i].p.has_feed)
			continue;
		feeds++;
		sum += x[i];
		lo = fmin(lo, x[i]);
		hi = fmax(hi, x[i]);
	}
	free(x);
	*v_part = v / degree / t->nominal_v - 1;
	return (hi - lo) / (sum / (double)feeds);
}

/* What the sensors of the feeds are, which no firmware can see. */
static double
sharing_gains(const struct topo *t)
{
	double lo = INFINITY, hi = 0;

	for (uint32_t i = 0; i < t->n_nodes; i++) {
		struct err err = ERR_INIT;
		struct slice *slice;
		struct node_sensor sensor;
		if (!t->nodes[i].p.has_feed)
			continue;
		int rc = slice_from_topo(t, i, &slice, &err);
		assert(rc >= 0);
		node_sensor_init(&sensor, SENSOR_FEED_I, 0, slice, 0);
		lo = fmin(lo, sensor.gain);
		hi = fmax(hi, sensor.gain);
		slice_destroy(&slice);
	}
	return hi / lo - 1;
}

static void
sharing_vary(struct sharing *s, const struct sharing_case *c)
{
	struct rng r;

	rng_init(&r, c->seed, "sharing", 1, RNG_SENSOR_NOISE, 0);
	for (double end = sharing_now(s) + c->varying_s; sharing_now(s) < end - 1e-9;) {
		uint32_t node = (uint32_t)(rng_unit(&r) * (double)s->t->n_nodes);
		sharing_load(s, node, LOAD_MIN_W + LOAD_SPAN_W * rng_unit(&r));
		sharing_to(s, sharing_now(s) + CHANGE_S);
	}
	for (uint32_t i = 0; i < s->t->n_nodes; i++) {
		const struct pwl *w = &s->t->nodes[i].p.load_w;
		sharing_load(s, i, w->n ? w->p[w->n - 1].level : 0);
	}
	sharing_to(s, sharing_now(s) + SETTLE_S);
}

static void
sharing_report(struct sharing *s, struct sharing_result *r)
{
	for (uint32_t i = 0; i < s->t->n_nodes; i++) {
		r->rank += solver_loop_get(s->loop, i, "calib_rank");
		r->unknowns += solver_loop_get(s->loop, i, "calib_unknowns");
		if (s->t->nodes[i].p.has_feed)
			r->sigma = fmax(r->sigma, solver_loop_get(s->loop, i, "calib_sigma"));
	}
}

void
sharing_run(struct topo *t, const struct sharing_case *c, struct sharing_result *r)
{
	struct sharing s = { .t = t };
	struct err err = ERR_INIT;

	t->seed = c->seed;
	t->sensors_realistic = true;
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node_params *p = &t->nodes[i].p;
		p->sensors_realistic = true;
		p->calibrates = c->calibrates;
		p->sensor.i_gain = c->current_gain;
		p->sensor.i_offset_a = c->current_offset_a;
		p->sensor.zero_ns = (int64_t)(c->zero_s * 1e9 + 0.5);
		p->sensor.v_gain = 1e-3;
		p->sensor.v_offset_v = 0;
	}
	*r = (struct sharing_result){ .gain_spread = sharing_gains(t) };
	int rc = solver_loop_create(t, &node_core_ops, &module_core_ops, &s.loop, &err);
	assert(rc >= 0);
	sharing_to(&s, SETTLE_S);
	r->first = r->spread = sharing_measure(&s, &r->v_mean_part);
	if (c->varying_s > 0) {
		sharing_vary(&s, c);
		r->spread = sharing_measure(&s, &r->v_mean_part);
	}
	if (c->calibrates)
		sharing_report(&s, r);
	solver_loop_destroy(&s.loop);
}
