/*
 * node_core.c - a converter node as a core (core.h): order of things within one step, and frames.
 *
 * Step k: what the channels hand in (openings, joins, announced closings), commands, port accounts,
 * N sub-steps of the plant, the waves, firmware when due, then the messages. Nothing here allocates
 * or makes a system call after create(). The slice must outlive the core.
 */
#include "core.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_control.h"
#include "node_link.h"
#include "node_plant.h"
#include "node_port.h"
#include "pwl.h"
#include "slice.h"

struct node_core {
	const struct slice *slice;
	double step_s, dt_s, dt_ns;
	bool started;        /* a step has been made */
	bool unserved;       /* EV_UNSERVED 1 was the last one */
	int64_t fault_end_k; /* the fault clears itself in this step */
	size_t n_links, n_ports;
	struct node_plant plant;
	struct node_control control;
	struct pwl_track load;
	struct node_link *links;
	struct node_port *ports;
	size_t n_fields;
	struct rec_field *fields;
};

/* ---- frame ------------------------------------------------------------------------------- */

/* Order and meaning: docs/recorder.md. */
static const struct {
	const char *name, *unit;
} node_fields[] = {
	{ "v", "V" }, { "v_min", "V" }, { "v_max", "V" }, { "v_sc", "V" }, { "dv", "V" }, { "di", "V" },
	{ "x", "1" }, { "feed_i", "A" }, { "feed_i_avg", "A" }, { "loading", "1" }, { "load_p", "W" },
	{ "served", "1" }, { "fault_g", "S" }, { "source_j", "J" }, { "useful_j", "J" },
	{ "loss_j", "J" }, { "fault_j", "J" }, { "stored_j", "J" }, { "line_j", "J" },
	{ "abandoned_j", "J" }, { "unserved_j", "J" },
}, link_fields[] = {
	{ "state", "1" }, { "i", "A" }, { "i_avg", "A" }, { "net_j", "J" }, { "wave_j", "J" },
}, port_fields[] = {
	{ "live", "1" }, { "p", "W" }, { "paid_j", "J" }, { "account_j", "J" },
};
enum {
	N_NODE = sizeof node_fields / sizeof node_fields[0],
	N_LINK = sizeof link_fields / sizeof link_fields[0],
	N_PORT = sizeof port_fields / sizeof port_fields[0],
};

static void
node_core_field(struct node_core *c, const char *group, const char *id, const char *name,
                const char *unit)
{
	struct rec_field *f = &c->fields[c->n_fields++];

	if (group)
		snprintf(f->name, sizeof f->name, "%s.%s.%s", group, id, name);
	else
		snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->unit, sizeof f->unit, "%s", unit);
	f->type = 'f';
}

static int
node_core_make_fields(struct node_core *c)
{
	const struct slice_chan *chans = c->slice->chans;

	c->fields = calloc(N_NODE + c->n_links * N_LINK + c->n_ports * N_PORT, sizeof *c->fields);
	if (!c->fields)
		return -1;
	for (size_t i = 0; i < N_NODE; i++)
		node_core_field(c, NULL, NULL, node_fields[i].name, node_fields[i].unit);
	for (size_t l = 0; l < c->n_links; l++)
		for (size_t i = 0; i < N_LINK; i++)
			node_core_field(c, "link", chans[l].id, link_fields[i].name,
			                link_fields[i].unit);
	for (size_t p = 0; p < c->n_ports; p++)
		for (size_t i = 0; i < N_PORT; i++)
			node_core_field(c, "port", chans[c->n_links + p].peer_id,
			                port_fields[i].name, port_fields[i].unit);
	return 0;
}

static const struct rec_field *
node_core_fields(const void *core, size_t *n)
{
	const struct node_core *c = core;

	*n = c->n_fields;
	return c->fields;
}

static union rec_word *
put(union rec_word *w, const double *v, size_t n)
{
	memcpy(w, v, n * sizeof *w);
	return w + n;
}

static void
node_core_frame(const void *core, union rec_word *w)
{
	const struct node_core *c = core;
	const struct node_plant *p = &c->plant;
	const struct node_feed *f = &p->feed;
	const double own[N_NODE] = {
		p->v_v,          p->v_min_v,
		p->v_max_v,      p->v_sc_v,
		c->control.dv_v, c->control.di_v,
		c->control.x,    f->i_a,
		p->feed_avg_a,   f->i_rated_a > 0 ? f->i_a / f->i_rated_a : 0,
		p->load_p_w,     p->served,
		p->g_fault,      p->source_j,
		p->useful_j,     p->loss_j,
		p->fault_j,      node_plant_stored_j(p),
		p->line_j,       p->abandoned_j,
		p->unserved_j,
	};

	w = put(w, own, N_NODE);
	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		w = put(w, (double[N_LINK]){ l->state, l->i_a, l->i_avg_a, l->net_j, l->wave_j },
		        N_LINK);
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct node_port *o = &c->ports[i];
		w = put(w, (double[N_PORT]){ o->live, o->p_w, o->paid_j, o->account_j }, N_PORT);
	}
}

/* ---- life -------------------------------------------------------------------------------- */

static void
node_core_destroy(void **core)
{
	struct node_core *c = *core;

	if (!c)
		return;
	free(c->links);
	free(c->ports);
	free(c->fields);
	free(c);
	*core = NULL;
}

static void
node_core_init_chans(struct node_core *c)
{
	const struct slice *s = c->slice;
	bool first_life = s->start_k == 0;

	for (size_t i = 0; i < s->n_chans; i++) {
		const struct slice_chan *ch = &s->chans[i];
		if (i < c->n_links)
			node_link_init(&c->links[i], &ch->link, (int32_t)i, ch->is_a, first_life,
			               c->dt_s, s->substeps, ch->peer_v_init_v, &c->plant);
		else
			node_port_init(&c->ports[i - c->n_links], (int32_t)i, ch->owner,
			               first_life);
	}
}

static int
node_core_create(const struct slice *s, void **core, struct err *err)
{
	struct node_core *c = calloc(1, sizeof *c);

	assert(s->kind == PROC_NODE && s->step_ns > 0 && s->port_period >= 1);
	if (!c)
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	c->slice = s;
	for (size_t i = 0; i < s->n_chans; i++)
		if (s->chans[i].kind == CHAN_LINK)
			c->n_links++;
	c->n_ports = s->n_chans - c->n_links;
	assert(c->n_links <= TOPO_DEGREE_MAX && c->n_ports <= TOPO_PORTS_MAX);
	c->links = calloc(c->n_links ? c->n_links : 1, sizeof *c->links);
	c->ports = calloc(c->n_ports ? c->n_ports : 1, sizeof *c->ports);
	if (!c->links || !c->ports || node_core_make_fields(c) < 0) {
		void *p = c;
		node_core_destroy(&p);
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	}
	c->step_s = (double)s->step_ns * 1e-9;
	c->dt_s = c->step_s / s->substeps;
	c->dt_ns = (double)s->step_ns / s->substeps;
	c->fault_end_k = INT64_MAX;
	node_plant_init(&c->plant, &s->node, c->dt_s, s->substeps, s->init_v_v, s->init_v_sc_v);
	node_control_init(&c->control, &s->node, c->n_links, c->step_s, s->start_k != 0);
	pwl_track_init(&c->load, &s->node.load_w);
	node_core_init_chans(c);
	*core = c;
	return 0;
}

/* ---- step -------------------------------------------------------------------------------- */

/* A newcomer learns what the script did to its links before it was born; what was done by hand its
 * peers tell it. */
static void
node_core_catch_up(struct node_core *c, int64_t k)
{
	for (size_t i = 0; i < c->slice->n_cmds && c->slice->cmds[i].k < k; i++) {
		const struct core_cmd *cmd = &c->slice->cmds[i];
		if (cmd->chan < 0 || (size_t)cmd->chan >= c->n_links)
			continue;
		if (cmd->kind == CMD_CUT)
			c->links[cmd->chan].cut = true;
		else if (cmd->kind == CMD_HEAL || cmd->kind == CMD_CLOSE)
			c->links[cmd->chan].cut = false;
	}
}

static void
node_core_bus_command(struct node_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	core_event_add(ev, cmd->k, EV_FAULT, -1, cmd->kind, cmd->a, cmd->b, 0);
	switch (cmd->kind) {
	case CMD_LOAD:
		pwl_track_set(&c->load, cmd->k * c->slice->step_ns, cmd->a,
		              cmd->b > 0 ? cmd->b * 1e9 : 0);
		break;
	case CMD_SHORT:
		assert(cmd->a > 0);
		c->plant.g_fault = 1 / cmd->a;
		c->fault_end_k = INT64_MAX;
		if (cmd->b > 0) {
			int64_t steps = (int64_t)(cmd->b / c->step_s + 0.5);
			c->fault_end_k = cmd->k + (steps > 0 ? steps : 1);
		}
		break;
	case CMD_UNSHORT:
		c->plant.g_fault = 0;
		c->fault_end_k = INT64_MAX;
		break;
	default:
		break;
	}
}

static void
node_core_inputs(struct node_core *c, int64_t k, const struct core_in *in,
                 const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	bool first = !c->started && k > 0;

	if (first)
		node_core_catch_up(c, k);
	c->started = true;
	for (size_t l = 0; l < c->n_links; l++)
		node_link_input(&c->links[l], &c->plant, k, first, &in[l], ev);
	if (k == c->fault_end_k) {
		c->plant.g_fault = 0;
		c->fault_end_k = INT64_MAX;
	}
	for (size_t i = 0; i < n_cmds; i++) {
		assert(cmds[i].k == k && cmds[i].chan < (int32_t)c->n_links);
		if (cmds[i].chan < 0)
			node_core_bus_command(c, &cmds[i], ev);
		else
			node_link_command(&c->links[cmds[i].chan], &c->plant, &cmds[i], ev);
	}
	for (size_t l = 0; l < c->n_links; l++)
		node_link_announced(&c->links[l], &c->plant, k, ev);
	if (k % c->slice->port_period == 0)
		for (size_t p = 0; p < c->n_ports; p++)
			node_port_input(&c->ports[p], k, &in[c->n_links + p], c->plant.v_v,
			                c->step_s * c->slice->port_period, ev);
}

static void
node_core_plant(struct node_core *c, int64_t k, double *vm)
{
	double gh[TOPO_SUBSTEPS_MAX] = { 0 }, load_w[TOPO_SUBSTEPS_MAX], pay_w = 0, g_links = 0;
	const size_t n = c->slice->substeps;

	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		if (l->state == LINK_END_OPEN)
			continue;
		g_links += l->g_s;
		for (size_t s = 0; s < n; s++)
			gh[s] += l->g_s * l->h[s];
	}
	for (size_t p = 0; p < c->n_ports; p++)
		pay_w += c->ports[p].pay_w;
	c->plant.g_links = g_links;
	pwl_track_fill(&c->load, k * c->slice->step_ns, c->dt_ns, n, load_w);
	node_plant_step(&c->plant, gh, load_w, pay_w, vm);
	for (size_t p = 0; p < c->n_ports; p++)
		node_port_pay(&c->ports[p], c->plant.paid_part, c->step_s);
}

static void
node_core_firmware(struct node_core *c)
{
	bool closed[TOPO_DEGREE_MAX] = { false }, waiting = false;

	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		closed[i] = l->live && l->state != LINK_END_OPEN;
		if (l->live && !l->cut && !(l->peer_flags & WAVE_CUT))
			waiting = true;
	}
	node_control_step(&c->control, &c->plant.feed, c->plant.v_v, closed, waiting);
}

static void
node_core_hear(struct node_core *c, int64_t k, const struct core_in *in)
{
	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		if (l->state == LINK_END_OPEN)
			node_control_forget(&c->control, i);
		else if (in[i].kind == CORE_IN_MSG && l->closed_k < k)
			node_control_hear(&c->control, i, &in[i].msg->wave, l->closed_k > 0);
	}
}

static void
node_core_messages(struct node_core *c, int64_t k, bool state, struct core_msg *const *out)
{
	bool may_close = true;

	for (size_t i = 0; i < c->n_links; i++)
		if (node_link_is_closing(&c->links[i]))
			may_close = false;
	for (size_t i = 0; i < c->n_links; i++) {
		struct node_link *l = &c->links[i];
		struct wave *w = &out[i]->wave;

		w->st_v_v = w->st_dv_v = w->st_x = 0;
		node_link_message(l, &c->plant, k, may_close, w);
		if (l->closing)
			may_close = false;
		if (state)
			(void)node_control_state(&c->control, c->plant.v_v, w);
	}
}

static void
node_core_served(struct node_core *c, int64_t k, struct core_events *ev)
{
	if (c->plant.served != c->unserved)
		return;
	c->unserved = !c->plant.served;
	core_event_add(ev, k, EV_UNSERVED, -1, c->unserved, 0, 0, 0);
}

static void
node_core_step(void *core, int64_t k, const struct core_in *in, struct core_msg *const *out,
               const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	struct node_core *c = core;
	double vm[TOPO_SUBSTEPS_MAX];
	bool due = node_control_due(&c->control, k);

	node_core_inputs(c, k, in, cmds, n_cmds, ev);
	node_core_hear(c, k, in);
	node_core_plant(c, k, vm);
	for (size_t i = 0; i < c->n_links; i++) {
		node_link_wave(&c->links[i], vm, c->plant.v_v, out[i]->wave.m);
		c->plant.loss_j += c->links[i].loss_step_j;
	}
	if (due)
		node_core_firmware(c);
	node_core_messages(c, k, due, out);
	node_core_served(c, k, ev);
}

static void
node_core_offer(const void *core, int64_t k, size_t chan, struct core_msg *out)
{
	const struct node_core *c = core;

	assert(chan >= c->n_links && k % c->slice->port_period == 0);
	node_port_offer(&c->ports[chan - c->n_links], c->plant.v_v, &out->offer);
}

const struct core_ops node_core_ops = {
	.kind = "node",
	.create = node_core_create,
	.destroy = node_core_destroy,
	.fields = node_core_fields,
	.frame = node_core_frame,
	.offer = node_core_offer,
	.step = node_core_step,
};
