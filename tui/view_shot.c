/* From what was heard to a snapshot: freshness, states, sums. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view_store.h"

static int
shot_room(void **rows, size_t *cap, size_t n, size_t size, struct err *err)
{
	if (n <= *cap)
		return 0;
	void *p = realloc(*rows, n * size);
	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory");
	*rows = p;
	*cap = n;
	return 0;
}

void
shot_free(struct shot *s)
{
	free(s->nodes);
	free(s->links);
	free(s->modules);
	free(s->events);
	*s = (struct shot){ .n_nodes = 0 };
}

static enum shot_fresh
shot_fresh_of(int64_t heard_ns, int64_t wall_ns)
{
	if (heard_ns == INT64_MIN || wall_ns - heard_ns > VIEW_LOST_NS)
		return FRESH_LOST;
	return wall_ns - heard_ns > VIEW_STALE_NS ? FRESH_STALE : FRESH_OK;
}

/* The supervisor's word counts while it speaks of the incarnation that was last heard. */
static enum shot_state
shot_state_of(const struct view_proc *p, int64_t wall_ns)
{
	enum shot_fresh fresh = shot_fresh_of(p->wall_ns, wall_ns);
	bool word = p->status[0] && (p->wall_ns == INT64_MIN || p->status_inc >= p->inc);
	static const struct {
		const char *status;
		enum shot_state state;
	} words[] = {
		{ "dead", PROC_DEAD },       { "parked", PROC_DEAD },   { "stopped", PROC_STOPPED },
		{ "spawned", PROC_JOINING }, { "ready", PROC_JOINING }, { "done", PROC_DONE },
	};
	for (size_t i = 0; word && i < sizeof words / sizeof *words; i++) {
		/* Telemetry may be ahead of a status that is asked for once a second. */
		bool outrun = words[i].state == PROC_JOINING && fresh == FRESH_OK &&
		              p->state != TELEM_READY && p->status_inc == p->inc;
		if (strcmp(p->status, words[i].status) == 0 && !outrun)
			return words[i].state;
	}
	if (p->wall_ns == INT64_MIN)
		return PROC_UNKNOWN;
	if (fresh != FRESH_OK)
		return PROC_SUSPECT;
	return p->state == TELEM_READY  ? PROC_JOINING
	       : p->state == TELEM_DONE ? PROC_DONE
	                                : PROC_OK;
}

static void
shot_sparks(const struct view_spark *s, int64_t wall_ns, double out[VIEW_SPARK])
{
	int64_t newest = wall_ns / 1000000000;
	for (int i = 0; i < VIEW_SPARK; i++) {
		int64_t slot = newest - (VIEW_SPARK - 1) + i;
		bool held = s->slot != INT64_MIN && slot <= s->slot &&
		            slot > s->slot - VIEW_SPARK && slot >= 0;
		out[i] = held ? s->v[slot % VIEW_SPARK] : NAN;
	}
}

static void
shot_node_of(const struct view_node *n, int64_t wall_ns, struct shot_node *o)
{
	*o = (struct shot_node){
		.state = shot_state_of(&n->proc, wall_ns),
		.fresh = shot_fresh_of(n->proc.wall_ns, wall_ns),
		.inc = n->proc.inc,
		.has_at = n->has_at,
		.has_feed = n->has_feed,
		.at_x = n->at_x,
		.at_y = n->at_y,
		.v_v = n->v_v,
		.v_min_v = n->v_min_v,
		.v_max_v = n->v_max_v,
		.soc = NAN,
		.sc_v = NAN,
		.sc_p_w = n->sc_p_w,
		.conv_v = n->conv_v,
		.conv_i_a = n->conv_i_a,
		.conv_p_w = n->conv_p_w,
		.i_a = 0,
		.p_w = 0,
		.feed_i_a = NAN,
		.feed_p_w = NAN,
		.loading = NAN,
		.load_w = n->load_w,
		.temp_c = n->temp_c,
		.calib_rank = n->calib_rank,
		.calib_unknowns = n->calib_unknowns,
		.served = n->served,
	};
	snprintf(o->id, sizeof o->id, "%s", n->proc.id);
	if (o->state == PROC_DEAD)
		o->fresh = FRESH_LOST;
	if (n->has_feed) {
		o->feed_i_a = n->feed_i_a;
		o->feed_p_w = n->feed_i_a * n->v_v;
		o->loading = n->loading;
	}
	if (n->has_sc) {
		o->sc_v = n->v_sc_v;
		o->soc = isnan(n->sc_soc)
		                 ? n->v_sc_v * n->v_sc_v / (n->nominal_v * n->nominal_v)
		                 : n->sc_soc;
	}
	shot_sparks(&n->spark, wall_ns, o->spark_v);
	if (o->fresh == FRESH_LOST)
		o->v_v = o->v_min_v = o->v_max_v = o->soc = o->sc_v = o->sc_p_w =
			o->conv_v = o->conv_i_a = o->conv_p_w = o->feed_i_a = o->feed_p_w = o->loading =
			o->load_w = o->temp_c = o->calib_rank = o->calib_unknowns = NAN;
}

/* One link, and what it does to the sums of its nodes. */
static void
shot_link_of(const struct view *v, const struct view_link *l, int64_t wall_ns, struct shot *s,
             struct shot_link *o)
{
	*o = (struct shot_link){
		.state = -1,
		.i_a = NAN,
		.p_w = NAN,
		.conv_v = NAN,
		.conv_i_a = NAN,
		.conv_p_w = NAN,
		.conv_set_w = NAN,
		.frames_sent = NAN,
		.frames_lost = NAN,
		.i_max_a = l->i_max_a,
		.fraction = NAN,
	};
	snprintf(o->id, sizeof o->id, "%s", l->id);
	snprintf(o->a_id, sizeof o->a_id, "%s", l->end_id[0]);
	snprintf(o->b_id, sizeof o->b_id, "%s", l->end_id[1]);
	int at[2];
	for (int e = 0; e < 2; e++)
		at[e] = l->end_id[e][0] ? view_find(&v->node_of, l->end_id[e]) : -1;
	o->a = at[0];
	o->b = at[1];
	for (int e = 1; e >= 0; e--) { /* end a has the last word */
		const struct view_end *end = &l->end[e];
		enum shot_fresh fresh = shot_fresh_of(end->wall_ns, wall_ns);
		struct shot_node *n = at[e] >= 0 ? &s->nodes[at[e]] : NULL;
		if (fresh == FRESH_LOST || (n && n->fresh == FRESH_LOST))
			continue;
		if (n) {
			n->i_a += end->i_a;
			n->p_w += end->p_w;
		}
		if (!isnan(end->conv_set_w)) {
			double to_b = e == 0 ? 1 : -1;
			o->conv_v = end->conv_v;
			o->conv_i_a = to_b * end->conv_i_a;
			o->conv_p_w = to_b * end->conv_p_w;
			o->conv_set_w = to_b * end->conv_set_w;
		}
		if (!isnan(end->frames_sent)) {
			o->frames_sent = (isnan(o->frames_sent) ? 0 : o->frames_sent) + end->frames_sent;
			o->frames_lost = (isnan(o->frames_lost) ? 0 : o->frames_lost) + end->frames_lost;
			o->deaf = o->deaf || end->adjacent == 0;
		}
		if (fresh < o->fresh)
			continue;
		o->fresh = fresh;
		o->i_a = e == 0 ? end->i_a : -end->i_a;
		o->p_w = e == 0 ? end->p_w : -end->p_w;
		o->state = end->state;
	}
}

static void
shot_module_of(const struct view *v, const struct view_module *m, int64_t wall_ns,
               struct shot_module *o)
{
	*o = (struct shot_module){
		.state = shot_state_of(&m->proc, wall_ns),
		.fresh = shot_fresh_of(m->proc.wall_ns, wall_ns),
		.inc = m->proc.inc,
		.v_in_v = m->v_in_v,
		.v_v = m->v_v,
		.p_w = m->p_w,
		.demand_w = m->demand_w,
		.temp_degc = m->temp_degc,
		.throughput = m->throughput,
		.errors = m->errors,
		.phase = m->phase,
		.epoch = m->epoch,
		.served = m->served,
		.owner = -1,
	};
	snprintf(o->id, sizeof o->id, "%s", m->proc.id);
	if (o->state == PROC_DEAD)
		o->fresh = FRESH_LOST;
	if (o->fresh == FRESH_LOST) {
		o->v_in_v = o->v_v = o->p_w = o->demand_w = o->temp_degc = o->throughput =
			o->errors = NAN;
		o->phase = o->epoch = NAN;
		return;
	}
	if (m->owner >= 0) {
		snprintf(o->owner_id, sizeof o->owner_id, "%s", m->input[m->owner]);
		o->owner = view_find(&v->node_of, o->owner_id);
	}
}

static void
shot_owns(struct shot *s)
{
	for (size_t n = 0; n < s->n_nodes; n++) {
		struct shot_node *node = &s->nodes[n];
		size_t used = 0, left = 0;
		for (size_t i = 0; i < s->n_modules; i++) {
			const char *id = s->modules[i].id;
			if (s->modules[i].owner != (int)n)
				continue;
			if (used + strlen(id) + sizeof " +9999" > sizeof node->owns || left) {
				left++;
				continue;
			}
			used += (size_t)snprintf(node->owns + used, sizeof node->owns - used,
			                         "%s%s", used ? " " : "", id);
		}
		if (left)
			snprintf(node->owns + used, sizeof node->owns - used, " +%zu", left);
	}
}

/* ---- sums ---------------------------------------------------------------------------------- */

static void
shot_add(double *sum, double x)
{
	if (!isnan(x))
		*sum = isnan(*sum) ? x : *sum + x;
}

static void
shot_sums(const struct view *v, struct shot *s)
{
	struct shot_head *h = &s->head;
	h->gen_w = h->load_w = h->loss_w = h->unserved_w = h->unserved_j = h->v_min_v = h->v_max_v =
		NAN;
	h->t_ns = h->k = 0;
	for (size_t i = 0; i < v->n_nodes; i++) {
		const struct view_proc *p = &v->nodes[i].proc;
		const struct shot_node *n = &s->nodes[i];
		shot_add(&h->unserved_j, p->account[ACCOUNT_UNSERVED].j);
		if (n->fresh == FRESH_LOST)
			continue;
		double source = p->account[ACCOUNT_SOURCE].w, useful = p->account[ACCOUNT_USEFUL].w;
		shot_add(&h->gen_w, isnan(source) ? n->feed_p_w : source);
		shot_add(&h->load_w, isnan(useful) ? n->load_w : useful);
		shot_add(&h->loss_w, p->account[ACCOUNT_LOSS].w);
		shot_add(&h->unserved_w, p->account[ACCOUNT_UNSERVED].w);
		h->v_min_v = fmin(h->v_min_v, n->v_min_v);
		h->v_max_v = fmax(h->v_max_v, n->v_max_v);
		h->nodes_up += n->state != PROC_DEAD && n->state != PROC_SUSPECT;
	}
	for (size_t i = 0; i < v->n_modules; i++) {
		const struct view_proc *p = &v->modules[i].proc;
		const struct shot_module *m = &s->modules[i];
		shot_add(&h->unserved_j, p->account[ACCOUNT_UNSERVED].j);
		if (m->fresh == FRESH_LOST)
			continue;
		double useful = p->account[ACCOUNT_USEFUL].w;
		shot_add(&h->load_w, isnan(useful) ? m->p_w : useful);
		shot_add(&h->loss_w, p->account[ACCOUNT_LOSS].w);
		shot_add(&h->unserved_w, p->account[ACCOUNT_UNSERVED].w);
		h->modules_served += m->served && m->fresh == FRESH_OK;
		h->procs_up += m->state != PROC_DEAD && m->state != PROC_SUSPECT;
	}
	h->procs_up += h->nodes_up;
	h->procs = v->n_nodes + v->n_modules;
}

/* |i| over the limit, or the fuse rating; over the highest |i| for links without one. */
static void
shot_fractions(struct shot *s)
{
	double highest = 0;
	s->head.worst_link = -1;
	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].fresh != FRESH_LOST)
			highest = fmax(highest, fabs(s->links[i].i_a));
	for (size_t i = 0; i < s->n_links; i++) {
		struct shot_link *l = &s->links[i];
		if (l->fresh == FRESH_LOST)
			continue;
		double over = isnan(l->i_max_a) ? highest : l->i_max_a;
		l->fraction = over > 0 ? fabs(l->i_a) / over : 0;
		s->head.links_closed += l->state == 2;
		int worst = s->head.worst_link;
		if (!isnan(l->i_max_a) && (worst < 0 || l->fraction > s->links[worst].fraction))
			s->head.worst_link = (int)i;
	}
}

static size_t
shot_root(const size_t *up, size_t i)
{
	while (up[i] != i)
		i = up[i];
	return i;
}

/* Parts of the mesh that closed links hold together. */
static int
shot_islands(struct shot *s, struct err *err)
{
	size_t *up = calloc(s->n_nodes + 1, sizeof *up);
	bool *linked = calloc(s->n_nodes + 1, sizeof *linked),
	     *tied = calloc(s->n_nodes + 1, sizeof *tied);
	int rc = up && linked && tied ? 0 : err_set(err, ERR_NOMEM, "out of memory");
	if (rc)
		goto out;
	for (size_t i = 0; i < s->n_nodes; i++)
		up[i] = i;
	for (size_t i = 0; i < s->n_links; i++) {
		const struct shot_link *l = &s->links[i];
		if (l->a < 0 || l->b < 0)
			continue;
		linked[l->a] = linked[l->b] = true;
		if (l->state <= 0 || l->fresh == FRESH_LOST)
			continue;
		tied[l->a] = tied[l->b] = true;
		size_t a = shot_root(up, (size_t)l->a), b = shot_root(up, (size_t)l->b);
		up[a > b ? a : b] = a > b ? b : a;
	}
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct shot_node *n = &s->nodes[i];
		if (n->fresh == FRESH_LOST || n->state == PROC_DEAD)
			continue;
		s->head.islands += up[i] == i;
		if (n->state == PROC_OK && linked[i] && !tied[i])
			n->state = PROC_ISLAND;
	}
out:
	free(up);
	free(linked);
	free(tied);
	return rc;
}

/* ---- head ---------------------------------------------------------------------------------- */

static void
shot_clock(const struct view_proc *p, enum shot_fresh fresh, struct shot_head *h, size_t counts[])
{
	if (fresh == FRESH_LOST)
		return;
	if (p->t_ns > h->t_ns) {
		h->t_ns = p->t_ns;
		h->k = p->k;
	}
	if (isnan(h->speed))
		h->speed = p->speed;
	if (p->state < TELEM_STATE_END_)
		counts[p->state]++;
}

static void
shot_head_of(struct view *v, int64_t wall_ns, struct shot *s)
{
	struct shot_head *h = &s->head;
	size_t counts[TELEM_STATE_END_] = { 0 };
	memcpy(h->mesh, v->mesh, sizeof h->mesh);
	h->speed = h->asked = h->pace = NAN;
	h->nominal_v = v->nominal_v;
	h->has_seed = v->has_seed;
	h->seed = v->seed;
	h->overruns = v->overruns;
	h->messages = v->messages;
	h->lost = v->lost;
	h->bad = v->bad;
	for (size_t i = 0; i < v->n_nodes; i++)
		shot_clock(&v->nodes[i].proc, s->nodes[i].fresh, h, counts);
	for (size_t i = 0; i < v->n_modules; i++)
		shot_clock(&v->modules[i].proc, s->modules[i].fresh, h, counts);
	if (shot_fresh_of(v->status_wall_ns, wall_ns) != FRESH_LOST) {
		snprintf(h->state, sizeof h->state, "%s", v->status);
		if (!isnan(v->status_speed))
			h->speed = v->status_speed;
		h->asked = v->status_asked;
		h->pace = v->status_pace;
	} else {
		/* The rarest word first: one running process is enough to call the mesh running. */
		static const enum telem_state order[] = { TELEM_RUNNING, TELEM_PAUSED, TELEM_HELD,
			                                  TELEM_BLOCKED, TELEM_READY,  TELEM_DONE };
		snprintf(h->state, sizeof h->state, "no data");
		for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
			if (!counts[order[i]])
				continue;
			snprintf(h->state, sizeof h->state, "%s", telem_state_text(order[i]));
			break;
		}
	}
	if (v->rate_wall_ns == INT64_MIN || wall_ns - v->rate_wall_ns >= 1000000000) {
		if (v->rate_wall_ns != INT64_MIN)
			v->rate_per_s = (double)(v->messages - v->rate_messages) * 1e9 /
			                (double)(wall_ns - v->rate_wall_ns);
		v->rate_wall_ns = wall_ns;
		v->rate_messages = v->messages;
	}
	h->messages_per_s = v->rate_per_s;
}

static void
shot_bus(const struct view *v, int64_t wall_ns, struct shot *s)
{
	int64_t newest = wall_ns / VIEW_BUS_SLOT_NS;
	for (int i = 0; i < VIEW_BUS; i++) {
		int64_t slot = newest - (VIEW_BUS - 1) + i;
		bool held = v->bus_slot != INT64_MIN && slot <= v->bus_slot &&
		            slot > v->bus_slot - VIEW_BUS && slot >= 0;
		s->bus_min_v[i] = held ? v->bus_min_v[slot % VIEW_BUS] : NAN;
		s->bus_max_v[i] = held ? v->bus_max_v[slot % VIEW_BUS] : NAN;
	}
}

int
view_sample(struct view *v, int64_t wall_ns, struct shot *s, struct err *err)
{
	if (shot_room((void **)&s->nodes, &s->cap_nodes, v->n_nodes, sizeof *s->nodes, err) ||
	    shot_room((void **)&s->links, &s->cap_links, v->n_links, sizeof *s->links, err) ||
	    shot_room((void **)&s->modules, &s->cap_modules, v->n_modules, sizeof *s->modules,
	              err) ||
	    shot_room((void **)&s->events, &s->cap_events, v->n_events, sizeof *s->events, err))
		return ERR_NOMEM;
	s->head = (struct shot_head){ .worst_link = -1 };
	s->n_nodes = v->n_nodes;
	s->n_links = v->n_links;
	s->n_modules = v->n_modules;
	s->n_events = v->n_events;
	for (size_t i = 0; i < v->n_nodes; i++)
		shot_node_of(&v->nodes[i], wall_ns, &s->nodes[i]);
	for (size_t i = 0; i < v->n_links; i++)
		shot_link_of(v, &v->links[i], wall_ns, s, &s->links[i]);
	for (size_t i = 0; i < v->n_modules; i++)
		shot_module_of(v, &v->modules[i], wall_ns, &s->modules[i]);
	for (size_t i = 0; i < v->n_events; i++)
		s->events[i] = v->events[(v->first_event + i) % VIEW_EVENTS];
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].fresh == FRESH_LOST)
			s->nodes[i].i_a = s->nodes[i].p_w = NAN;
	shot_owns(s);
	shot_sums(v, s);
	shot_fractions(s);
	shot_head_of(v, wall_ns, s);
	shot_bus(v, wall_ns, s);
	return shot_islands(s, err);
}
