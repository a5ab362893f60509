#include "view.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpread.h"
#include "view_store.h"

enum {
	VIEW_INDEX_FIRST = 64,
	VIEW_ROWS_FIRST = 16,
};

const char *
shot_state_text(enum shot_state state)
{
	static const char *const texts[] = {
#define X(code, text) text,
		PROC_STATE_TABLE(X)
#undef X
	};
	return (unsigned)state < PROC_STATE_END_ ? texts[state] : "?";
}

/* ---- ids ----------------------------------------------------------------------------------- */

static size_t
view_hash(const char *id)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static size_t
view_slot(const struct view_index *x, const char *id)
{
	size_t i = view_hash(id) & (x->cap - 1);
	while (x->slots[i].value && strcmp(x->slots[i].id, id) != 0)
		i = (i + 1) & (x->cap - 1);
	return i;
}

int
view_find(const struct view_index *x, const char *id)
{
	return x->cap ? (int)x->slots[view_slot(x, id)].value - 1 : -1;
}

static int
view_index_add(struct view_index *x, const char *id, size_t index, struct err *err)
{
	if (4 * (index + 1) > 3 * x->cap) {
		struct view_index bigger = { .cap = x->cap ? 2 * x->cap : VIEW_INDEX_FIRST };
		bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
		if (!bigger.slots)
			return err_set(err, ERR_NOMEM, "out of memory");
		for (size_t i = 0; i < x->cap; i++)
			if (x->slots[i].value)
				bigger.slots[view_slot(&bigger, x->slots[i].id)] = x->slots[i];
		free(x->slots);
		*x = bigger;
	}
	size_t i = view_slot(x, id);
	snprintf(x->slots[i].id, sizeof x->slots[i].id, "%s", id);
	x->slots[i].value = (uint32_t)index + 1;
	return 0;
}

/* A new row at the end of an array, all zero. */
static void *
view_row(void **rows, size_t *n, size_t *cap, size_t size, size_t max, struct view_index *x,
         const char *id, const char *what, struct err *err)
{
	if (*n >= max) {
		err_set(err, ERR_LIMIT, "telemetry of more than %zu %s", max, what);
		return NULL;
	}
	if (*n == *cap) {
		size_t bigger = *cap ? 2 * *cap : VIEW_ROWS_FIRST;
		void *p = realloc(*rows, bigger * size);
		if (!p) {
			err_set(err, ERR_NOMEM, "out of memory");
			return NULL;
		}
		*rows = p;
		*cap = bigger;
	}
	if (view_index_add(x, id, *n, err))
		return NULL;
	void *row = (char *)*rows + *n * size;
	memset(row, 0, size);
	(*n)++;
	return row;
}

static void
view_proc_init(struct view_proc *p, const char *id)
{
	snprintf(p->id, sizeof p->id, "%s", id);
	p->wall_ns = p->status_wall_ns = INT64_MIN;
	p->seq = -1;
	for (int i = 0; i < ACCOUNT_END_; i++)
		p->account[i] = (struct view_energy){ NAN, NAN };
}

struct view_node *
view_node_get(struct view *v, const char *id, struct err *err)
{
	int i = view_find(&v->node_of, id);
	if (i >= 0)
		return &v->nodes[i];
	struct view_node *n = view_row((void **)&v->nodes, &v->n_nodes, &v->cap_nodes, sizeof *n,
	                               TOPO_NODES_MAX, &v->node_of, id, "nodes", err);
	if (!n)
		return NULL;
	view_proc_init(&n->proc, id);
	n->v_v = n->v_min_v = n->v_max_v = n->v_sc_v = n->feed_i_a = n->loading = n->load_w = NAN;
	n->temp_c = NAN;
	n->sc_p_w = n->sc_soc = n->conv_v = n->conv_i_a = n->conv_p_w = NAN;
	n->calib_rank = n->calib_unknowns = NAN;
	n->nominal_v = v->nominal_v;
	n->served = true;
	n->spark.slot = INT64_MIN;
	for (int s = 0; s < VIEW_SPARK; s++)
		n->spark.v[s] = NAN;
	return n;
}

struct view_link *
view_link_get(struct view *v, const char *id, struct err *err)
{
	int i = view_find(&v->link_of, id);
	if (i >= 0)
		return &v->links[i];
	struct view_link *l = view_row((void **)&v->links, &v->n_links, &v->cap_links, sizeof *l,
	                               TOPO_LINKS_MAX, &v->link_of, id, "links", err);
	if (!l)
		return NULL;
	snprintf(l->id, sizeof l->id, "%s", id);
	l->i_max_a = NAN;
	for (int e = 0; e < 2; e++)
		l->end[e] = (struct view_end){
			.wall_ns = INT64_MIN, .i_a = NAN, .p_w = NAN, .state = -1
		};
	return l;
}

struct view_module *
view_module_get(struct view *v, const char *id, struct err *err)
{
	int i = view_find(&v->module_of, id);
	if (i >= 0)
		return &v->modules[i];
	struct view_module *m =
		view_row((void **)&v->modules, &v->n_modules, &v->cap_modules, sizeof *m,
	                 TOPO_MODULES_MAX, &v->module_of, id, "modules", err);
	if (!m)
		return NULL;
	view_proc_init(&m->proc, id);
	m->v_in_v = m->v_v = m->p_w = m->demand_w = m->temp_degc = NAN;
	m->throughput = m->errors = m->phase = m->epoch = NAN;
	m->served = true;
	m->owner = -1;
	return m;
}

/* ---- create -------------------------------------------------------------------------------- */

static int
view_take_topo(struct view *v, const struct topo *t, struct err *err)
{
	v->has_topo = true;
	v->nominal_v = t->nominal_v;
	snprintf(v->mesh, sizeof v->mesh, "%s", t->name);
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct view_node *n = view_node_get(v, t->nodes[i].id, err);
		if (!n)
			return ERR_NOMEM;
		n->proc.in_topo = true;
		n->has_at = t->nodes[i].has_at;
		n->at_x = t->nodes[i].at_x;
		n->at_y = t->nodes[i].at_y;
		n->has_feed = t->nodes[i].p.has_feed;
		n->has_sc = t->nodes[i].p.has_sc || t->nodes[i].p.has_store;
	}
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *tl = &t->links[i];
		struct view_link *l = view_link_get(v, tl->id, err);
		if (!l)
			return ERR_NOMEM;
		snprintf(l->end_id[0], sizeof l->end_id[0], "%s", t->nodes[tl->a].id);
		snprintf(l->end_id[1], sizeof l->end_id[1], "%s", t->nodes[tl->b].id);
		if (tl->p.fuse_a > 0)
			l->i_max_a = tl->p.fuse_a;
		if (tl->p.limit_a > 0)
			l->i_max_a = tl->p.limit_a;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *tm = &t->modules[i];
		struct view_module *m = view_module_get(v, tm->id, err);
		if (!m)
			return ERR_NOMEM;
		m->proc.in_topo = true;
		m->n_inputs = tm->n_feeds;
		for (size_t f = 0; f < tm->n_feeds; f++)
			snprintf(m->input[f], sizeof m->input[f], "%s", t->nodes[tm->feeds[f]].id);
	}
	return 0;
}

int
view_create(const struct topo *topo, struct view **ret, struct err *err)
{
	struct view *v = calloc(1, sizeof *v);
	if (!v)
		return err_set(err, ERR_NOMEM, "out of memory");
	v->nominal_v = 48; /* the usual rack bus, until the topology says otherwise */
	v->status_wall_ns = v->bus_slot = v->rate_wall_ns = INT64_MIN;
	v->status_speed = v->status_asked = v->status_pace = v->rate_per_s = NAN;
	v->overruns = -1;
	for (int i = 0; i < VIEW_BUS; i++)
		v->bus_min_v[i] = v->bus_max_v[i] = NAN;
	int rc = topo ? view_take_topo(v, topo, err) : 0;
	if (rc) {
		view_destroy(&v);
		return rc;
	}
	*ret = v;
	return 0;
}

void
view_destroy(struct view **pv)
{
	struct view *v = *pv;
	if (!v)
		return;
	free(v->nodes);
	free(v->links);
	free(v->modules);
	free(v->node_of.slots);
	free(v->link_of.slots);
	free(v->module_of.slots);
	free(v);
	*pv = NULL;
}

void
view_bad(struct view *v)
{
	v->bad++;
}

/* Heard twice, or never to be heard again. */
static bool
view_proc_complete(const struct view_proc *p)
{
	return p->heard_twice || strcmp(p->status, "dead") == 0;
}

bool
view_complete(const struct view *v)
{
	/* Only the topology and the supervisor know who there is. */
	bool complete = v->has_topo || v->status_wall_ns != INT64_MIN;
	for (size_t i = 0; complete && i < v->n_nodes; i++)
		complete = view_proc_complete(&v->nodes[i].proc);
	for (size_t i = 0; complete && i < v->n_modules; i++)
		complete = view_proc_complete(&v->modules[i].proc);
	return complete;
}

void
view_event(struct view *v, const struct shot_event *e)
{
	size_t at = (v->first_event + v->n_events) % VIEW_EVENTS;
	v->events[at] = *e;
	if (v->n_events < VIEW_EVENTS)
		v->n_events++;
	else
		v->first_event = (v->first_event + 1) % VIEW_EVENTS;
}
