#include "overload.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "books.h"
#include "core.h"
#include "rng.h"
#include "solver_loop.h"

#define SETTLE_S 0.5
#define RAMP_S 0.5
/* Per module that was shed: a second of calm and what it takes to tell; and the first second. */
#define PER_MODULE_S 1.2
#define AFTER_S 2.0

struct module {
	double base_w, over_w;
	bool shed;
	int64_t shed_k;
	unsigned sheds;
	int shed_field, unserved_field;
};

struct overload {
	const struct topo *t;
	const struct overload_case *c;
	struct overload_result *r;
	struct solver_loop *loop;
	struct books *books;
	struct module *m;
	struct pwl_point *levels;
	int *v_min, *v_max, *unserved;
	double built_in_w;
	int64_t event_k, end_k;
};

static void *
many(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);
	assert(p);
	return p;
}

/* Watts that the feeds can give: all, or without those that are lost (the last `lost`). */
static double
overload_feeds_w(const struct topo *t, bool rated, size_t lost)
{
	double sum = 0;
	size_t n = 0, seen = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		n += t->nodes[i].p.has_feed;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		if (!p->has_feed || seen++ >= n - lost)
			continue;
		sum += t->nominal_v * (rated ? p->feed.i_rated_a : p->feed.i_max_a);
	}
	return sum;
}

/* N-2 where two remain, else N-1. */
static size_t
overload_lost(const struct topo *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		n += t->nodes[i].p.has_feed;
	assert(n >= 2);
	return n > 2 ? 2 : 1;
}

/* Levels of the modules before and during the overload, shares of the seed. */
static void
overload_levels(struct overload *o, struct topo *t)
{
	const size_t lost = o->c->how == OVERLOAD_FEEDS ? overload_lost(t) : 0;
	double over_w = o->c->factor * overload_feeds_w(t, false, lost) - o->built_in_w;
	double base_w = OVERLOAD_BASE * overload_feeds_w(t, true, 0) - o->built_in_w, sum = 0;
	struct rng r;

	if (o->c->how == OVERLOAD_FEEDS)
		base_w = over_w;
	rng_init(&r, o->c->seed, "overload", 1, RNG_SENSOR_NOISE, 0);
	for (size_t i = 0; i < t->n_modules; i++) {
		o->m[i].over_w = 0.5 + rng_unit(&r);
		sum += o->m[i].over_w;
		t->modules[i].p.priority = (uint32_t)(rng_unit(&r) * 10);
	}
	assert(base_w > 0 && over_w > 0);
	for (size_t i = 0; i < t->n_modules; i++) {
		struct module_params *p = &t->modules[i].p;
		double share = o->m[i].over_w / sum;
		o->m[i].over_w = share * over_w;
		o->m[i].base_w = share * base_w;
		p->class = MODULE_FIXED;
		o->levels[i] = (struct pwl_point){ .level = o->m[i].base_w };
		p->load_w = (struct pwl){ .n = 1, .p = &o->levels[i] };
	}
	o->r->over_w = over_w + o->built_in_w - overload_feeds_w(t, false, lost);
}

static void
overload_fields(struct overload *o)
{
	const size_t n = o->t->n_nodes;

	for (uint32_t i = 0; i < n; i++) {
		o->v_min[i] = solver_loop_field(o->loop, i, "v_min");
		o->v_max[i] = solver_loop_field(o->loop, i, "v_max");
	}
	for (uint32_t i = 0; i < o->t->n_modules; i++)
		o->m[i].unserved_field = solver_loop_field(o->loop, (uint32_t)n + i, "unserved_j");
}

static void
overload_load(struct overload *o, int64_t k, bool over)
{
	const double ramp_s = o->c->how == OVERLOAD_RAMP && over ? RAMP_S : 0;

	for (uint32_t i = 0; i < o->t->n_modules; i++) {
		struct core_cmd cmd = { .kind = CMD_LOAD,
			                .chan = -1,
			                .b = ramp_s,
			                .c = NAN,
			                .a = over ? o->m[i].over_w : o->m[i].base_w };
		solver_loop_command(o->loop, (uint32_t)o->t->n_nodes + i, k, cmd);
	}
}

static void
overload_feeds(struct overload *o, int64_t k, bool over)
{
	size_t lost = overload_lost(o->t);

	for (uint32_t i = (uint32_t)o->t->n_nodes; i-- > 0 && lost > 0;) {
		if (!o->t->nodes[i].p.has_feed)
			continue;
		struct core_cmd cmd = { .kind = over ? CMD_FEED_LOSS : CMD_FEED_BACK,
			                .chan = -1,
			                .a = NAN,
			                .b = NAN,
			                .c = NAN };
		solver_loop_command(o->loop, i, k, cmd);
		lost--;
	}
}

/* What module i demands in step k. */
static double
overload_demand_w(const struct overload *o, size_t i, int64_t k)
{
	const struct module *m = &o->m[i];

	if (o->c->how == OVERLOAD_FEEDS)
		return m->base_w;
	if (k < o->event_k || k >= o->end_k)
		return m->base_w;
	double s = ((double)(k - o->event_k) + 0.5) * topo_step_s(o->t);
	if (o->c->how == OVERLOAD_STEP || s >= RAMP_S)
		return m->over_w;
	return m->base_w + (m->over_w - m->base_w) * s / RAMP_S;
}

static void
overload_judge(struct overload *o, size_t i)
{
	const struct topo_module *a = &o->t->modules[i];
	bool own = false, mesh = false;

	for (size_t j = 0; j < o->t->n_modules; j++) {
		const struct topo_module *b = &o->t->modules[j];
		/* Not what went in the same moment. */
		if (o->m[j].shed || b->p.priority >= a->p.priority)
			continue;
		mesh = true;
		own = own || b->feeds[0] == a->feeds[0];
	}
	o->r->wrong_own += own;
	o->r->wrong_mesh += mesh;
}

static void
overload_events(struct overload *o)
{
	const int64_t k = solver_loop_k(o->loop) - 1;
	const double step_s = topo_step_s(o->t);
	bool went[TOPO_MODULES_MAX] = { false };

	for (uint32_t i = 0; i < o->t->n_modules; i++) {
		const struct core_events *ev =
			solver_loop_events(o->loop, (uint32_t)o->t->n_nodes + i);
		for (size_t e = 0; e < ev->n; e++) {
			struct module *m = &o->m[i];
			if (ev->e[e].code == EV_SHED) {
				m->shed = went[i] = true;
				m->sheds++;
				o->r->n_shed++;
				o->r->shed_s = (double)(k - o->event_k) * step_s;
			} else if (ev->e[e].code == EV_RESTORED) {
				m->shed = false;
				o->r->n_restored++;
				o->r->restored_s = (double)(k - o->end_k) * step_s;
			}
		}
	}
	for (uint32_t i = 0; i < o->t->n_modules; i++) {
		if (went[i])
			overload_judge(o, i);
		if (o->m[i].shed)
			o->r->shed_j += overload_demand_w(o, i, k) * step_s;
		if (o->m[i].sheds > o->r->most_sheds)
			o->r->most_sheds = o->m[i].sheds;
	}
}

static void
overload_step(struct overload *o)
{
	solver_loop_step(o->loop);
	books_after(o->books);
	for (uint32_t i = 0; i < o->t->n_nodes; i++) {
		const union rec_word *w = solver_loop_frame(o->loop, i);
		o->r->least_v = fmin(o->r->least_v, w[o->v_min[i]].f);
		o->r->highest_v = fmax(o->r->highest_v, w[o->v_max[i]].f);
	}
	overload_events(o);
}

static void
overload_to(struct overload *o, int64_t k)
{
	while (solver_loop_k(o->loop) < k)
		overload_step(o);
}

static void
overload_prepare(struct topo *t, const struct overload_case *c)
{
	for (size_t i = 0; i < t->n_nodes && !c->supercap; i++)
		t->nodes[i].p.has_sc = t->nodes[i].p.has_store = false;
}

static void
overload_close(struct overload *o)
{
	struct overload_result *r = o->r;
	struct books_sums sums = books_sums(o->books);

	for (uint32_t i = 0; i < o->t->n_modules; i++) {
		const union rec_word *w = solver_loop_frame(o->loop, (uint32_t)o->t->n_nodes + i);
		r->unserved_j += w[o->m[i].unserved_field].f;
		r->off += o->m[i].shed;
	}
	r->residual = fmax(sums.residual, sums.worst_core);
	r->finite = sums.finite;
	books_destroy(&o->books);
	solver_loop_destroy(&o->loop);
	free(o->m);
	free(o->levels);
	free(o->v_min);
	free(o->v_max);
}

void
overload_run(struct topo *t, const struct overload_case *c, struct overload_result *r)
{
	struct err err = ERR_INIT;
	struct overload o = { .t = t, .c = c, .r = r };
	const double per_s = 1 / topo_step_s(t);

	*r = (struct overload_result){ .least_v = INFINITY, .n_modules = (unsigned)t->n_modules };
	o.m = many(t->n_modules, sizeof *o.m);
	o.levels = many(t->n_modules, sizeof *o.levels);
	o.v_min = many(t->n_nodes, sizeof *o.v_min);
	o.v_max = many(t->n_nodes, sizeof *o.v_max);
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct pwl *w = &t->nodes[i].p.load_w;
		o.built_in_w += w->n ? w->p[w->n - 1].level : 0;
	}
	overload_prepare(t, c);
	overload_levels(&o, t);
	int rc = solver_loop_create(t, &node_core_ops, &module_core_ops, &o.loop, &err);
	assert(rc >= 0);
	o.books = books_create(t, o.loop);
	overload_fields(&o);
	o.event_k = (int64_t)(SETTLE_S * per_s) + 3 * (int64_t)(c->seed % 7);
	o.end_k = o.event_k + (int64_t)(OVERLOAD_FOR_S * per_s);
	for (int over = 1; over >= 0; over--) {
		int64_t k = over ? o.event_k : o.end_k;
		if (c->how == OVERLOAD_FEEDS)
			overload_feeds(&o, k, over);
		else
			overload_load(&o, k, over);
	}
	overload_to(&o, o.end_k);
	overload_to(&o, o.end_k + (int64_t)((AFTER_S + PER_MODULE_S * r->n_shed) * per_s));
	overload_close(&o);
}
