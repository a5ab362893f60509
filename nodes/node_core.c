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

#include "link_conv.h"
#include "node_comm.h"
#include "node_control.h"
#include "node_conv.h"
#include "node_hw.h"
#include "node_link.h"
#include "node_mcu.h"
#include "node_plant.h"
#include "node_port.h"
#include "node_protect.h"
#include "node_sense.h"
#include "node_store.h"
#include "node_trim.h"
#include "pwl.h"
#include "slice.h"
#include "surge.h"
#include "topo_rules.h"

struct node_core {
	const struct slice *slice;
	double step_s, dt_s, dt_ns;
	bool started;        /* a step has been made */
	int64_t k;           /* of the frame */
	int64_t hello_k;     /* steps between two HELLO */
	bool unserved;       /* EV_UNSERVED 1 was the last one */
	int64_t fault_end_k; /* the fault clears itself in this step */
	size_t n_links, n_ports;
	struct node_plant plant;
	struct node_hw hw;
	struct node_mcu mcu;
	struct node_control control;
	struct node_protect protect;
	struct node_trim *trim; /* NULL: sensors are taken as they are */
	struct node_sense sense; /* all that the firmware sees of the plant */
	struct pwl_track load, conv_load, ceil;
	bool brownout; /* `ceil` acts on the feed */
	bool held;     /* loads are off until a link is bypassed */
	struct surge surge;
	bool own_conv; /* the last of convs has the node's own output and load */
	struct node_core_end {
		struct node_conv *conv; /* NULL: this link ends at the bus */
		struct pwl_track power; /* its set-point */
	} *ends;                        /* n_links */
	struct node_conv *convs;        /* plant.n_convs */
	struct node_conv *convs_before; /* as many: their state before the step */
	struct node_store store, store_before; /* if plant.store */
	struct node_sensor sense_sc;           /* its converter's output */
	struct node_link *links;
	struct node_comm *comms; /* n_links */
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
	{ "abandoned_j", "J" }, { "unserved_j", "J" }, { "v_meas", "V" }, { "feed_i_meas", "A" },
	{ "temp", "degC" }, { "available", "1" },
	{ "feed_state", "1" },
}, link_fields[] = {
	{ "state", "1" }, { "i", "A" }, { "i_avg", "A" }, { "net_j", "J" }, { "wave_j", "J" },
	{ "loss_j", "J" },
}, port_fields[] = {
	{ "live", "1" }, { "p", "W" }, { "paid_j", "J" }, { "account_j", "J" },
}, conv_fields[] = {
	{ "conv_vo", "V" }, { "conv_i", "A" }, { "conv_p", "W" }, { "conv_source_j", "J" }, { "conv_useful_j", "J" },
	{ "conv_loss_j", "J" }, { "conv_stored_j", "J" },
}, store_fields[] = {
	{ "sc_p", "W" }, { "sc_i", "A" }, { "sc_soc", "1" }, { "sc_slow_p", "W" },
	{ "sc_loss_j", "J" }, { "sc_stored_j", "J" },
}, end_fields[] = {
	{ "conv_vo", "V" }, { "conv_i", "A" }, { "conv_p", "W" }, { "conv_set_p", "W" }, { "conv_loss_j", "J" },
};
enum {
	N_NODE = sizeof node_fields / sizeof node_fields[0],
	N_LINK = sizeof link_fields / sizeof link_fields[0],
	N_PORT = sizeof port_fields / sizeof port_fields[0],
	N_CONV = sizeof conv_fields / sizeof conv_fields[0],
	N_STORE = sizeof store_fields / sizeof store_fields[0],
	N_END = sizeof end_fields / sizeof end_fields[0],
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

/* What its sensor read; the feed's is among the node's own. */
static void
node_core_terminal_field(struct node_core *c, const struct node_terminal *t)
{
	const struct slice_chan *chans = c->slice->chans;

	switch (t->kind) {
	case TERMINAL_FEED:
		break;
	case TERMINAL_SUPERCAP:
		node_core_field(c, NULL, NULL, "sc_i_meas", "A");
		break;
	case TERMINAL_LOAD:
		node_core_field(c, NULL, NULL, "load_i_meas", "A");
		break;
	case TERMINAL_CONV:
		if (t->index == c->slice->n_convs)
			node_core_field(c, NULL, NULL, "conv_in_i_meas", "A");
		else
			node_core_field(c, "link", chans[c->slice->convs[t->index].chan].id,
			                "in_i_meas", "A");
		break;
	case TERMINAL_LINK:
		node_core_field(c, "link", chans[t->index].id, "i_meas", "A");
		break;
	case TERMINAL_PORT:
		node_core_field(c, "port", chans[c->n_links + t->index].peer_id, "i_meas", "A");
		break;
	}
}

static int
node_core_make_fields(struct node_core *c)
{
	const struct slice_chan *chans = c->slice->chans;

	c->fields = calloc(N_NODE + c->n_links * (N_LINK + NODE_COMM_FIELDS) +
	                           c->n_ports * N_PORT + N_CONV + N_STORE +
	                           c->slice->n_convs * N_END + c->sense.n + NODE_TRIM_FIELDS,
	                   sizeof *c->fields);
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
	for (size_t i = 0; c->own_conv && i < N_CONV; i++)
		node_core_field(c, NULL, NULL, conv_fields[i].name, conv_fields[i].unit);
	for (size_t i = 0; c->slice->node.has_store && i < N_STORE; i++)
		node_core_field(c, NULL, NULL, store_fields[i].name, store_fields[i].unit);
	for (size_t e = 0; e < c->slice->n_convs; e++)
		for (size_t i = 0; i < N_END; i++)
			node_core_field(c, "link", chans[c->slice->convs[e].chan].id,
			                end_fields[i].name, end_fields[i].unit);
	for (size_t t = 0; t < c->sense.n; t++)
		node_core_terminal_field(c, &c->sense.terminals[t]);
	for (size_t l = 0; l < c->n_links; l++)
		for (size_t i = 0; c->comms[l].recorded && i < NODE_COMM_FIELDS; i++)
			node_core_field(c, "link", chans[l].id, node_comm_fields[i].name,
			                node_comm_fields[i].unit);
	for (size_t i = 0; c->trim && i < NODE_TRIM_FIELDS; i++)
		node_core_field(c, NULL, NULL, node_trim_fields[i].name, node_trim_fields[i].unit);
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

struct node_sums {
	double source_j, useful_j, loss_j, stored_j, line_j, abandoned_j, unserved_j;
	bool served;
};

/* Of the bus and its converters. */
static struct node_sums
node_core_sums(const struct node_core *c)
{
	const struct node_plant *p = &c->plant;
	struct node_sums s = { .source_j = p->source_j,
		               .useful_j = p->useful_j,
		               .loss_j = p->loss_j,
		               .stored_j = node_plant_stored_j(p),
		               .line_j = p->line_j,
		               .abandoned_j = p->abandoned_j,
		               .unserved_j = p->unserved_j,
		               .served = p->served };

	for (size_t i = 0; i < p->n_convs; i++) {
		const struct node_conv *v = &c->convs[i];
		s.source_j += v->source_j;
		s.useful_j += v->useful_j;
		s.loss_j += v->loss_j;
		s.stored_j += node_conv_stored_j(v);
		s.line_j += v->out.line_j;
		s.abandoned_j += v->out.abandoned_j;
		s.unserved_j += v->unserved_j;
		s.served = s.served && v->served;
	}
	if (p->store) {
		s.loss_j += node_store_loss_j(p->store);
		s.stored_j += node_store_stored_j(p->store);
		s.abandoned_j += p->store->abandoned_j;
	}
	return s;
}

static void
node_core_frame(const void *core, union rec_word *w)
{
	const struct node_core *c = core;
	const struct node_plant *p = &c->plant;
	const struct node_feed *f = &p->feed;
	const struct node_sums s = node_core_sums(c);
	const double own[N_NODE] = {
		p->v_v,          p->v_min_v,
		p->v_max_v,      p->store ? p->store->v_v : p->v_sc_v,
		c->control.dv_v, c->control.di_v,
		c->control.x,    f->i_a,
		p->feed_avg_a,   node_feed_available_a(f) > 0 ? f->i_a / node_feed_available_a(f) : 0,
		p->load_p_w,     s.served,
		p->g_fault,      s.source_j,
		s.useful_j,      s.loss_j,
		p->fault_j,      s.stored_j,
		s.line_j,        s.abandoned_j,
		s.unserved_j,    c->sense.v.value,
		c->sense.feed_a, c->hw.thermal.temp_c,
		f->part,         node_feed_on(f) ? 1 + c->control.limited : 0,
	};

	w = put(w, own, N_NODE);
	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		w = put(w, (double[N_LINK]){ l->state, l->i_a, l->i_avg_a, l->net_j, l->wave_j, l->loss_j },
		        N_LINK);
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct node_port *o = &c->ports[i];
		w = put(w, (double[N_PORT]){ o->live, o->p_w, o->paid_j, o->account_j }, N_PORT);
	}
	if (c->own_conv) {
		const struct node_conv *v = &c->convs[p->n_convs - 1];
		w = put(w,
		        (double[N_CONV]){ v->out.v_v, v->i_a, node_conv_out_w(v), v->source_j, v->useful_j,
		                          v->loss_j, node_conv_stored_j(v) },
		        N_CONV);
	}
	if (p->store) {
		const struct node_store *o = p->store;
		w = put(w,
		        (double[N_STORE]){ o->give_w, o->string_a, node_store_soc(o), o->slow_w,
		                           node_store_loss_j(o), node_store_stored_j(o) },
		        N_STORE);
	}
	for (size_t i = 0; i < c->slice->n_convs; i++) {
		const struct node_conv *v = &c->convs[i];
		w = put(w,
		        (double[N_END]){ v->out.v_v, v->i_a,
		                         v->out.v_v * c->links[c->slice->convs[i].chan].i_a, v->power_w[c->slice->substeps - 1],
		                         v->loss_j },
		        N_END);
	}
	for (size_t t = 0; t < c->sense.n; t++)
		if (c->sense.terminals[t].kind != TERMINAL_FEED)
			w = put(w, &c->sense.terminals[t].sensor.value, 1);
	for (size_t i = 0; i < c->n_links; i++) {
		double v[NODE_COMM_FIELDS];
		if (!c->comms[i].recorded)
			continue;
		node_comm_frame(&c->comms[i], c->k, v);
		w = put(w, v, NODE_COMM_FIELDS);
	}
	if (c->trim) {
		double values[NODE_TRIM_FIELDS];
		node_trim_frame(c->trim, values);
		w = put(w, values, NODE_TRIM_FIELDS);
	}
}

/* ---- life -------------------------------------------------------------------------------- */

static void
node_core_destroy(void **core)
{
	struct node_core *c = *core;

	if (!c)
		return;
	for (size_t i = 0; c->comms && i < c->n_links; i++)
		node_comm_free(&c->comms[i]);
	free(c->comms);
	free(c->links);
	free(c->ports);
	free(c->convs);
	free(c->convs_before);
	free(c->ends);
	free(c->fields);
	node_trim_destroy(&c->trim);
	node_sense_free(&c->sense);
	free(c);
	*core = NULL;
}

/* The bus at which a link ends: the node's, or its converter's output. */
static struct node_plant *
node_core_bus(struct node_core *c, size_t link)
{
	return c->ends[link].conv ? &c->ends[link].conv->out : &c->plant;
}

/* Its voltages at the midpoints of this step; vm: those of the node's bus. */
static const double *
node_core_vm(const struct node_core *c, size_t link, const double *vm)
{
	return c->ends[link].conv ? c->ends[link].conv->vo_m : vm;
}

static void
node_core_init_convs(struct node_core *c)
{
	const struct slice *s = c->slice;
	struct node_conv *v = c->convs;

	for (size_t i = 0; i < s->n_convs; i++, v++) {
		const struct slice_conv *p = &s->convs[i];
		const struct slice_chan *ch = &s->chans[p->chan];
		struct node_core_end *e = &c->ends[p->chan];
		struct link_conv_state at = { .out_v = s->init_v_v };
		/* `initial: steady`: it has followed its set-point all along. */
		if (s->start_k == 0 && s->node.steady && ch->link.i_init_a != 0)
			at = link_conv_at(&p->conv, ch->link.r_ohm, pwl_at(&p->power_w, 0), true,
			                  s->init_v_v, ch->peer_v_init_v);
		node_conv_init(v, NODE_CONV_LINK, &p->conv, c->dt_s, s->substeps, at.out_v);
		v->i_a = at.inductor_a;
		e->conv = v;
		pwl_track_init(&e->power, &p->power_w);
	}
	if (c->own_conv) {
		/* While a node was dead its load has emptied the output. */
		node_conv_init(v, NODE_CONV_LOAD, &s->node.conv, c->dt_s, s->substeps,
		               s->start_k == 0 ? s->node.conv.v_ref_v : 0);
		pwl_track_init(&c->conv_load, &s->node.conv.load_a);
	}
	c->plant.convs = c->convs;
	c->plant.n_convs = s->n_convs + c->own_conv;
	if (!s->node.has_store)
		return;
	node_store_init(&c->store, &s->node.store, c->dt_s, s->substeps, s->node.c_bus_f,
	                s->init_v_v, s->init_v_sc_v);
	node_sensor_init(&c->sense_sc, SENSOR_SC_V, 0, s, s->init_v_sc_v);
	c->plant.store = &c->store;
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
			               c->dt_s, s->substeps, ch->peer_v_init_v,
			               node_core_bus(c, i));
		else {
			node_port_init(&c->ports[i - c->n_links], (int32_t)i, ch->owner,
			               first_life);
			node_protect_add(&c->protect, ch->priority);
		}
	}
}

/* `initial: steady`: currents, firmware and accounts as if it had always been so. */
static void
node_core_init_steady(struct node_core *c)
{
	const struct slice *s = c->slice;
	const struct node_params *p = &s->node;

	c->control.dv_v = p->dv_init_v;
	c->control.di_v = p->di_init_v;
	c->control.x = p->x_init;
	c->plant.feed.i_a = c->plant.feed_avg_a = p->feed_init_a;
	if (p->has_feed)
		c->plant.feed.v_set_v += p->dv_init_v + p->di_init_v;
	double demand_w = pwl_track_level(&c->load, 0, 0);
	if (c->own_conv)
		demand_w += conv_input_w(&p->conv, p->v_nom_v, pwl_track_level(&c->conv_load, 0, 0));
	for (size_t i = 0; i < s->n_chans; i++) {
		const struct slice_chan *ch = &s->chans[i];
		if (i >= c->n_links) {
			c->ports[i - c->n_links].account_j =
				ch->p_init_w * c->step_s * s->port_period;
			demand_w += ch->p_init_w;
		} else if (ch->link.i_init_a != 0)
			node_link_carry(&c->links[i],
			                ch->is_a ? ch->link.i_init_a : -ch->link.i_init_a,
			                node_core_bus(c, i)->v_v);
	}
	if (c->plant.store)
		node_store_settle(c->plant.store, demand_w);
}

static struct node_sense_view
node_core_view(const struct node_core *c, const double *vm, const double *load_w)
{
	return (struct node_sense_view){ .plant = &c->plant,
		                         .convs = c->convs,
		                         .links = c->links,
		                         .n_links = c->n_links,
		                         .ports = c->ports,
		                         .n_ports = c->n_ports,
		                         .vm = vm,
		                         .load_w = load_w };
}

static int
node_core_init_sense(struct node_core *c)
{
	const struct node_sense_view view = node_core_view(c, NULL, NULL);
	bool behind[TOPO_DEGREE_MAX];

	for (size_t i = 0; i < c->n_links; i++)
		behind[i] = c->ends[i].conv != NULL;
	return node_sense_init(&c->sense, c->slice, c->control.period_k, &view, behind);
}

static int
node_core_init_comms(struct node_core *c)
{
	const struct slice *s = c->slice;

	c->k = s->start_k > 0 ? s->start_k : 0;
	c->hello_k = 1; /* a node without links */
	for (size_t i = 0; i < c->n_links; i++) {
		if (node_comm_init(&c->comms[i], s, i, c->control.period_k, s->start_k == 0) < 0)
			return -1;
		c->hello_k = c->comms[i].hello_k; /* the same for all */
	}
	return 0;
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
	c->comms = calloc(c->n_links ? c->n_links : 1, sizeof *c->comms);
	c->ports = calloc(c->n_ports ? c->n_ports : 1, sizeof *c->ports);
	c->own_conv = s->node.has_conv;
	c->convs = calloc(s->n_convs + 1, sizeof *c->convs);
	c->convs_before = calloc(s->n_convs + 1, sizeof *c->convs_before);
	c->ends = calloc(c->n_links + 1, sizeof *c->ends);
	c->step_s = (double)s->step_ns * 1e-9;
	c->dt_s = c->step_s / s->substeps;
	c->dt_ns = (double)s->step_ns / s->substeps;
	node_control_init(&c->control, &s->node, c->n_links, c->step_s, s->start_k != 0);
	if (!c->links || !c->comms || !c->ports || !c->convs || !c->convs_before || !c->ends ||
	    node_core_init_comms(c) < 0) {
		void *p = c;
		node_core_destroy(&p);
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	}
	c->fault_end_k = INT64_MAX;
	node_plant_init(&c->plant, &s->node, c->dt_s, s->substeps, s->init_v_v, s->init_v_sc_v);
	node_protect_init(&c->protect, c->control.period_k * s->step_ns, c->n_links, s->index,
	                  s->init_v_v);
	pwl_track_init(&c->load, &s->node.load_w);
	pwl_track_init(&c->ceil, NULL);
	node_core_init_convs(c);
	node_core_init_chans(c);
	if (s->start_k == 0 && s->node.steady)
		node_core_init_steady(c);
	const struct node_hw_parts parts = { &c->plant, c->links, c->n_links };
	node_hw_init(&c->hw, s, &parts);
	node_mcu_init(&c->mcu, &s->node.mcu, s->step_ns);
	if (node_core_init_sense(c) < 0 ||
	    node_trim_create(s, &c->sense, c->n_links, &c->trim, err) < 0 ||
	    node_core_make_fields(c) < 0) {
		void *p = c;
		node_core_destroy(&p);
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	}
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
		node_comm_command(&c->comms[cmd->chan], k, cmd);
		if (node_comm_only(cmd))
			continue;
		if (cmd->kind == CMD_CUT)
			c->links[cmd->chan].cut = true;
		else if (cmd->kind == CMD_HEAL || cmd->kind == CMD_CLOSE)
			c->links[cmd->chan].cut = false;
	}
}

/* What a command does to the supercapacitor, in parallel or behind its converter; returns the energy
 * that is booked as abandoned. */
static double
node_core_supercap_command(struct node_core *c, const struct core_cmd *cmd)
{
	struct node_store *s = c->plant.store;
	bool opens = cmd->kind == CMD_SC_OPEN, ages = cmd->kind == CMD_AGE;

	if (!s && !(c->plant.c_sc_f > 0))
		return 0;
	if (ages || cmd->kind == CMD_UNAGE) {
		double c_part = ages ? cmd->a : 1, esr_part = ages ? cmd->b : 1;
		return s ? node_store_age(s, c_part, esr_part)
		         : node_plant_age_sc(&c->plant, c_part, esr_part);
	}
	if (s)
		node_store_open(s, opens);
	else
		node_plant_open_sc(&c->plant, opens);
	return 0;
}

/* A reset takes the set-point to its default; firmware that starts knows nothing of before, and takes
 * up with its neighbours like that of a node that returns. */
static void
node_core_mcu(struct node_core *c, enum node_mcu_change change)
{
	const struct slice *s = c->slice;

	if (change == MCU_RESETS)
		c->plant.feed.v_set_v = c->plant.feed.v0_v;
	if (change != MCU_STARTS)
		return;
	node_control_init(&c->control, &s->node, c->n_links, c->step_s, true);
	node_protect_init(&c->protect, c->control.period_k * s->step_ns, c->n_links, s->index,
	                  c->plant.v_v);
	for (size_t p = 0; p < c->n_ports; p++) {
		node_protect_add(&c->protect, s->chans[c->n_links + p].priority);
		c->ports[p].order = 0;
	}
}

/* CMD_BIAS, CMD_STUCK and their ends. */
static void
node_core_sensor_command(struct node_core *c, const struct core_cmd *cmd)
{
	const bool begins = cmd->kind == CMD_BIAS || cmd->kind == CMD_STUCK;
	struct node_sensor *feed = node_sense_feed(&c->sense);

	if (cmd->kind == CMD_BIAS || cmd->kind == CMD_UNBIAS) {
		node_sensor_bias(&c->sense.v, begins && !isnan(cmd->a) ? cmd->a : 0, 0);
		if (feed)
			node_sensor_bias(feed, begins && !isnan(cmd->b) ? cmd->b : 0,
			                 begins && !isnan(cmd->c) ? cmd->c : 0);
		return;
	}
	c->sense.v.stuck = begins && !(cmd->a == 1);
	if (feed)
		feed->stuck = begins && cmd->a == 1;
}

static void
node_core_feed_command(struct node_core *c, const struct core_cmd *cmd)
{
	struct node_feed *f = &c->plant.feed;
	const int64_t at_ns = cmd->k * c->slice->step_ns;

	c->brownout = cmd->kind == CMD_BROWNOUT || cmd->kind == CMD_SAG;
	f->ceil_v = INFINITY;
	if (cmd->kind == CMD_FEED_LOSS) {
		node_feed_lose(f);
	} else if (c->brownout) {
		pwl_track_set(&c->ceil, at_ns, f->v_set_v, 0);
		pwl_track_set(&c->ceil, at_ns, cmd->a, cmd->b > 0 ? cmd->b * 1e9 : 0);
	}
}

static void
node_core_bus_command(struct node_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	double booked_j = 0;

	switch (cmd->kind) {
	case CMD_AGE:
	case CMD_SC_CLOSE:
	case CMD_SC_OPEN:
	case CMD_UNAGE:
		booked_j = node_core_supercap_command(c, cmd);
		break;
	case CMD_BIAS:
	case CMD_STUCK:
	case CMD_UNBIAS:
	case CMD_UNSTUCK:
		node_core_sensor_command(c, cmd);
		break;
	case CMD_HANG:
	case CMD_UNHANG:
		node_core_mcu(c, node_mcu_command(&c->mcu, cmd, ev));
		break;
	case CMD_DERATE:
	case CMD_UNDERATE:
		node_hw_command(&c->hw, cmd);
		break;
	case CMD_LOAD:
		pwl_track_set(&c->load, cmd->k * c->slice->step_ns, cmd->a,
		              cmd->b > 0 ? cmd->b * 1e9 : 0);
		break;
	case CMD_SURGE:
	case CMD_UNSURGE:
		surge_command(&c->surge, cmd, c->slice->step_ns);
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
	case CMD_BROWNOUT:
	case CMD_FEED_BACK:
	case CMD_FEED_LOSS:
	case CMD_SAG:
	case CMD_UNBROWNOUT:
	case CMD_UNSAG:
		node_core_feed_command(c, cmd);
		break;
	default:
		break;
	}
	core_event_add(ev, cmd->k, EV_FAULT, -1, cmd->kind, cmd->a, cmd->b, booked_j);
}

/* A node without a feed that gave a pre-charge up, and has no closed link, keeps its loads off: the
 * resistor then charges the bus instead of feeding them. */
static bool
node_core_holds(const struct node_core *c)
{
	bool stuck = false;

	for (size_t l = 0; l < c->n_links; l++) {
		if (c->links[l].state == LINK_END_CLOSED)
			return false;
		stuck = stuck || node_link_is_stuck(&c->links[l]);
	}
	return stuck && !node_feed_on(&c->plant.feed);
}

/* The contactors of a link, its channel, or both. */
static void
node_core_link_command(struct node_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	size_t l = (size_t)cmd->chan;

	if (node_comm_only(cmd))
		core_event_add(ev, cmd->k, EV_FAULT, cmd->chan, cmd->kind, cmd->a, cmd->b, cmd->c);
	else
		node_link_command(&c->links[l], node_core_bus(c, l), cmd, ev);
	node_comm_command(&c->comms[l], cmd->k, cmd);
}

static void
node_core_inputs(struct node_core *c, int64_t k, const struct core_in *in,
                 const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	bool first = !c->started && k > 0;

	if (first)
		node_core_catch_up(c, k);
	c->started = true;
	node_core_mcu(c, node_mcu_step(&c->mcu, k, ev));
	for (size_t l = 0; l < c->n_links; l++)
		node_link_input(&c->links[l], node_core_bus(c, l), k, first, &in[l], ev);
	if (k == c->fault_end_k) {
		c->plant.g_fault = 0;
		c->fault_end_k = INT64_MAX;
	}
	for (size_t i = 0; i < n_cmds; i++) {
		assert(cmds[i].k == k && cmds[i].chan < (int32_t)c->n_links);
		if (cmds[i].chan < 0)
			node_core_bus_command(c, &cmds[i], ev);
		else
			node_core_link_command(c, &cmds[i], ev);
	}
	for (size_t l = 0; l < c->n_links; l++)
		node_link_announced(&c->links[l], node_core_bus(c, l), k, ev);
	c->held = node_core_holds(c);
	if (k % c->slice->port_period == 0)
		for (size_t p = 0; p < c->n_ports; p++)
			node_port_input(&c->ports[p], k, &in[c->n_links + p], c->plant.v_v,
			                c->step_s * c->slice->port_period, ev);
}

/* What is held off is demanded and not served. */
static void
node_core_hold(struct node_core *c, double *load_w, double *lost_j)
{
	for (size_t s = 0; s < c->slice->substeps; s++) {
		*lost_j += load_w[s] * c->dt_s;
		load_w[s] = 0;
	}
}

/* What a link is to the converter at its end. */
static void
node_core_line_end(struct node_core *c, size_t i)
{
	const struct node_link *l = &c->links[i];
	struct node_conv *v = c->ends[i].conv;
	bool open = l->state == LINK_END_OPEN;

	for (size_t s = 0; s < c->slice->substeps; s++) {
		bool lit = !open && s < l->dark_s;
		v->line_s[s] = lit ? l->g_s : 0;
		v->load_a[s] = lit ? -l->g_s * l->h[s] : 0;
	}
	v->closed = l->state == LINK_END_CLOSED;
	v->v_ref_v = l->live && l->heard ? l->peer_v_v : c->plant.v_v;
}

/* What the links are to the bus: conductance, and per sub-step sum of g h and the conductance that
 * blown fuses have taken away. */
static void
node_core_lines(struct node_core *c, double *gh, double *dark)
{
	const size_t n = c->slice->substeps;
	double g_links = 0;

	for (size_t s = 0; s < n; s++)
		gh[s] = 0;
	c->plant.g_dark = NULL;
	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		if (c->ends[i].conv) {
			node_core_line_end(c, i);
			continue;
		}
		if (l->state == LINK_END_OPEN)
			continue;
		g_links += l->g_s;
		for (size_t s = 0; s < l->dark_s; s++)
			gh[s] += l->g_s * l->h[s];
		if (l->dark_s >= n)
			continue;
		for (size_t s = 0; s < n; s++)
			dark[s] = (c->plant.g_dark ? dark[s] : 0) +
			          (s < l->dark_s ? 0 : l->g_s);
		c->plant.g_dark = dark;
	}
	c->plant.g_links = g_links;
}

/* Trips the fuses that these voltages blow first; false: none. */
static bool
node_core_fuses(struct node_core *c, int64_t k, const double *vm, struct core_events *ev)
{
	size_t first = SIZE_MAX, at[TOPO_DEGREE_MAX], may = 0;
	enum fuse_element element[TOPO_DEGREE_MAX];
	double i_a[TOPO_DEGREE_MAX];

	for (size_t i = 0; i < c->n_links; i++)
		may += node_link_may_trip(&c->links[i]);
	if (!may)
		return false;
	for (size_t i = 0; i < c->n_links; i++) {
		at[i] = SIZE_MAX;
		if (node_link_trips(&c->links[i], node_core_vm(c, i, vm), &at[i], &element[i],
		                    &i_a[i]) &&
		    at[i] < first)
			first = at[i];
	}
	for (size_t i = 0; i < c->n_links && first < SIZE_MAX; i++) {
		if (at[i] != first)
			continue;
		node_link_trip(&c->links[i], first);
		core_event_add(ev, k, EV_FUSE, (int32_t)i, element[i], i_a[i], (double)first, 0);
	}
	return first < SIZE_MAX;
}

/* Plant and waves; from the sub-step after a fuse has tripped they are made anew without its link. */
static void
node_core_plant(struct node_core *c, int64_t k, double *vm, double *load_w,
                struct core_msg *const *out, struct core_events *ev)
{
	const struct node_plant before = c->plant;
	const size_t n = c->slice->substeps, convs_size = c->plant.n_convs * sizeof *c->convs;
	double gh[TOPO_SUBSTEPS_MAX], dark[TOPO_SUBSTEPS_MAX], pay_w = 0, held_j = 0;

	for (size_t p = 0; p < c->n_ports; p++)
		pay_w += c->ports[p].pay_w;
	if (c->brownout)
		c->plant.feed.ceil_v = pwl_track_level(&c->ceil, (k + 1) * c->slice->step_ns, 0);
	pwl_track_fill(&c->load, k * c->slice->step_ns, c->dt_ns, n, load_w);
	if (c->surge.on)
		surge_add(&c->surge, k * c->slice->step_ns, c->dt_ns, n, load_w);
	if (c->held)
		node_core_hold(c, load_w, &held_j);
	if (c->own_conv)
		pwl_track_fill(&c->conv_load, k * c->slice->step_ns, c->dt_ns, n,
		               c->convs[c->plant.n_convs - 1].load_a);
	for (size_t i = 0; i < c->n_links; i++)
		if (c->ends[i].conv)
			pwl_track_fill(&c->ends[i].power, k * c->slice->step_ns, c->dt_ns, n,
			               c->ends[i].conv->power_w);
	if (convs_size)
		memcpy(c->convs_before, c->convs, convs_size);
	if (c->plant.store)
		c->store_before = c->store;
	for (;;) {
		node_core_lines(c, gh, dark);
		node_plant_step(&c->plant, gh, load_w, pay_w, vm);
		for (size_t i = 0; i < c->n_links; i++)
			node_link_wave(&c->links[i], node_core_vm(c, i, vm),
			               node_core_bus(c, i)->v_v, out[i]->wave.m);
		if (!node_core_fuses(c, k, vm, ev))
			break;
		c->plant = before;
		if (convs_size)
			memcpy(c->convs, c->convs_before, convs_size);
		if (c->plant.store)
			c->store = c->store_before;
	}
	c->plant.unserved_j += held_j;
	if (held_j > 0)
		c->plant.served = false;
	for (size_t i = 0; i < c->n_links; i++) {
		node_link_end(&c->links[i]);
		c->plant.loss_j += c->links[i].loss_step_j;
		c->links[i].loss_j += c->links[i].loss_step_j;
	}
	for (size_t p = 0; p < c->n_ports; p++)
		node_port_pay(&c->ports[p], c->plant.paid_part, c->step_s);
}

/* As the firmware knows it: the reading, and what it has learnt of the sensor. */
static double
node_core_feed_a(const struct node_core *c)
{
	return c->sense.feed_a * node_trim_feed(c->trim);
}

static void
node_core_firmware(struct node_core *c)
{
	bool closed[TOPO_DEGREE_MAX] = { false }, waiting = false;

	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		/* A converter's link carries its power whatever the control says. */
		closed[i] = l->live && l->state != LINK_END_OPEN && !c->ends[i].conv;
		if (l->live && !l->cut && !(l->peer_flags & WAVE_CUT))
			waiting = true;
	}
	node_control_step(&c->control, &c->plant.feed, c->sense.v.value, node_core_feed_a(c), closed,
	                  waiting);
	for (size_t i = 0; i < c->n_links; i++)
		if (node_control_lost(&c->control, i))
			node_protect_forget(&c->protect, i);
}

/* Loading of the own feed, or what the neighbours' frames say of theirs. */
static double
node_core_loading(const struct node_core *c)
{
	const struct node_feed *f = &c->plant.feed;

	return node_feed_on(f) ? node_core_feed_a(c) / node_feed_available_a(f)
	                       : node_control_loading(&c->control);
}

static void
node_core_forget(struct node_core *c, size_t i)
{
	node_control_forget(&c->control, i);
	node_protect_forget(&c->protect, i);
	node_trim_forget(c->trim, i);
}

/* STATE of neighbour i; it counts while the link carries power. */
static void
node_core_hear_state(struct node_core *c, size_t i, int64_t k, const struct wave *w)
{
	const struct node_link *l = &c->links[i];

	if (l->state == LINK_END_OPEN || l->closed_k >= k)
		return;
	node_control_hear(&c->control, i, w, l->closed_k > 0 || c->comms[i].regained);
	if (w->flags & WAVE_STATE)
		node_protect_hear(&c->protect, i, w->flags);
	node_trim_hear(c->trim, i, w);
}

/* Without firmware that runs they are gone. */
static void
node_core_hear_frames(struct node_core *c, size_t i, int64_t k, bool runs)
{
	const struct frame *f;

	while ((f = node_comm_next(&c->comms[i], k)) != NULL) {
		if (f->type == FRAME_HELLO || !runs)
			continue;
		struct wave w = { .flags = f->flags, .has_calib = f->type == FRAME_CALIB };
		w.st_v_v = f->v_v;
		w.st_dv_v = f->dv_v;
		w.st_x = f->x;
		w.cal_window = f->cal_window;
		w.cal_i_a = f->cal_i_a;
		w.cal_e = f->cal_e;
		node_core_hear_state(c, i, k, &w);
	}
}

static void
node_core_hear(struct node_core *c, int64_t k, const struct core_in *in, struct core_events *ev)
{
	bool hello = k % c->hello_k == 0, runs = node_mcu_runs(&c->mcu);

	for (size_t i = 0; i < c->n_links; i++) {
		struct node_comm *m = &c->comms[i];
		if (in[i].kind == CORE_IN_GONE || in[i].kind == CORE_IN_JOIN)
			node_trim_reborn(c->trim, i);
		if (c->links[i].state == LINK_END_OPEN)
			node_core_forget(c, i);
		if (m->emulates || in[i].kind == CORE_IN_JOIN) {
			node_comm_input(m, k, &in[i]);
			node_core_hear_frames(c, i, k, runs);
		} else if (in[i].kind == CORE_IN_MSG && runs) {
			const struct wave *w = &in[i].msg->wave;
			bool state = w->flags & WAVE_STATE;
			if (hello || state)
				node_comm_heard(m, k, state);
			if (state)
				node_core_hear_state(c, i, k, w);
		}
		if (runs && !node_comm_check(m, k, ev))
			node_core_forget(c, i);
	}
}

static void
node_core_messages(struct node_core *c, int64_t k, bool state, struct core_msg *const *out)
{
	bool may_close = node_mcu_runs(&c->mcu);

	for (size_t i = 0; i < c->n_links; i++)
		if (node_link_is_closing(&c->links[i]))
			may_close = false;
	for (size_t i = 0; i < c->n_links; i++) {
		struct node_link *l = &c->links[i];
		struct wave *w = &out[i]->wave;

		w->st_v_v = w->st_dv_v = w->st_x = 0;
		w->has_calib = false;
		node_link_message(l, node_core_bus(c, i), k, may_close, w);
		if (l->closing)
			may_close = false;
		if (state && !c->ends[i].conv && node_control_state(&c->control, c->sense.v.value, w))
			w->flags |= node_protect_flags(&c->protect);
		if (w->flags & WAVE_STATE)
			node_trim_say(c->trim, i, w);
	}
}

static void
node_core_served(struct node_core *c, int64_t k, struct core_events *ev)
{
	bool served = c->plant.served;

	for (size_t i = 0; i < c->plant.n_convs; i++)
		served = served && c->convs[i].served;
	if (served != c->unserved)
		return;
	c->unserved = !served;
	core_event_add(ev, k, EV_UNSERVED, -1, c->unserved, 0, 0, 0);
}

/* What the firmware does in step k. */
static void
node_core_sense_and_act(struct node_core *c, int64_t k, bool due, const double *vm,
                        const double *load_w, struct core_events *ev)
{
	const struct node_sense_view view = node_core_view(c, vm, load_w);
	const bool period = (k + 1) % c->control.period_k == 0;

	node_sense_step(&c->sense, k + 1, &view);
	if (c->plant.store)
		(void)node_sensor_read(&c->sense_sc, k + 1, c->store.conv.out.v_v);
	if (period)
		node_trim_step(c->trim, k + 1, &c->sense, ev);
	if (due)
		node_core_firmware(c);
	if (c->plant.store && period)
		node_store_manage(&c->store, c->control.tc_s, c->sense.v.value, c->sense_sc.value);
	if (period && c->slice->node.shedding == SWITCH_ON)
		node_protect_step(&c->protect, c->ports, c->sense.v.value, node_core_loading(c));
}

static void
node_core_step(void *core, int64_t k, const struct core_in *in, struct core_msg *const *out,
               const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	struct node_core *c = core;
	double vm[TOPO_SUBSTEPS_MAX], load_w[TOPO_SUBSTEPS_MAX];
	const struct node_hw_parts parts = { &c->plant, c->links, c->n_links };

	node_core_inputs(c, k, in, cmds, n_cmds, ev);
	const bool runs = node_mcu_runs(&c->mcu), due = runs && node_control_due(&c->control, k);
	node_core_hear(c, k, in, ev);
	node_core_plant(c, k, vm, load_w, out, ev);
	node_hw_step(&c->hw, k, &parts, ev);
	if (runs)
		node_core_sense_and_act(c, k, due, vm, load_w, ev);
	node_core_messages(c, k, due, out);
	node_core_served(c, k, ev);
	c->k = k + 1;
}

static void
node_core_offer(const void *core, int64_t k, size_t chan, struct core_msg *out)
{
	const struct node_core *c = core;

	assert(chan >= c->n_links && k % c->slice->port_period == 0);
	node_port_offer(&c->ports[chan - c->n_links], c->plant.v_v, &out->offer);
	if (c->held)
		out->offer.flags &= ~(uint32_t)OFFER_ON;
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
