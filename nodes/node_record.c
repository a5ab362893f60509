/* node_record.c - fields and frames of a node (docs/recorder.md), in the order of the tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_core.h"

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
node_record_field(struct node_core *c, const char *group, const char *id, const char *name,
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
node_record_terminal_field(struct node_core *c, const struct node_terminal *t)
{
	const struct slice_chan *chans = c->slice->chans;

	switch (t->kind) {
	case TERMINAL_FEED:
		break;
	case TERMINAL_SUPERCAP:
		node_record_field(c, NULL, NULL, "sc_i_meas", "A");
		break;
	case TERMINAL_LOAD:
		node_record_field(c, NULL, NULL, "load_i_meas", "A");
		break;
	case TERMINAL_CONV:
		if (t->index == c->slice->n_convs)
			node_record_field(c, NULL, NULL, "conv_in_i_meas", "A");
		else
			node_record_field(c, "link", chans[c->slice->convs[t->index].chan].id,
			                  "in_i_meas", "A");
		break;
	case TERMINAL_LINK:
		node_record_field(c, "link", chans[t->index].id, "i_meas", "A");
		break;
	case TERMINAL_PORT:
		node_record_field(c, "port", chans[c->n_links + t->index].peer_id, "i_meas", "A");
		break;
	}
}

int
node_record_init(struct node_core *c)
{
	const struct slice_chan *chans = c->slice->chans;

	c->fields = calloc(N_NODE + c->n_links * (N_LINK + NODE_COMM_FIELDS) +
	                           c->n_ports * N_PORT + N_CONV + N_STORE +
	                           c->slice->n_convs * N_END + c->sense.n + NODE_TRIM_FIELDS +
	                           1 + c->n_links * NODE_LIMIT_FIELDS,
	                   sizeof *c->fields);
	if (!c->fields)
		return -1;
	for (size_t i = 0; i < N_NODE; i++)
		node_record_field(c, NULL, NULL, node_fields[i].name, node_fields[i].unit);
	for (size_t l = 0; l < c->n_links; l++)
		for (size_t i = 0; i < N_LINK; i++)
			node_record_field(c, "link", chans[l].id, link_fields[i].name,
			                  link_fields[i].unit);
	for (size_t p = 0; p < c->n_ports; p++)
		for (size_t i = 0; i < N_PORT; i++)
			node_record_field(c, "port", chans[c->n_links + p].peer_id,
			                  port_fields[i].name, port_fields[i].unit);
	for (size_t i = 0; c->own_conv && i < N_CONV; i++)
		node_record_field(c, NULL, NULL, conv_fields[i].name, conv_fields[i].unit);
	for (size_t i = 0; c->slice->node.has_store && i < N_STORE; i++)
		node_record_field(c, NULL, NULL, store_fields[i].name, store_fields[i].unit);
	for (size_t e = 0; e < c->slice->n_convs; e++)
		for (size_t i = 0; i < N_END; i++)
			node_record_field(c, "link", chans[c->slice->convs[e].chan].id,
			                  end_fields[i].name, end_fields[i].unit);
	for (size_t t = 0; t < c->sense.n; t++)
		node_record_terminal_field(c, &c->sense.terminals[t]);
	for (size_t l = 0; l < c->n_links; l++)
		for (size_t i = 0; c->comms[l].recorded && i < NODE_COMM_FIELDS; i++)
			node_record_field(c, "link", chans[l].id, node_comm_fields[i].name,
			                  node_comm_fields[i].unit);
	for (size_t i = 0; c->trim && i < NODE_TRIM_FIELDS; i++)
		node_record_field(c, NULL, NULL, node_trim_fields[i].name, node_trim_fields[i].unit);
	if (c->control.offsets)
		node_record_field(c, NULL, NULL, "offset", "1");
	for (size_t l = 0; l < c->n_links; l++)
		for (size_t i = 0; node_limit_acts(&c->limits[l]) && i < NODE_LIMIT_FIELDS; i++)
			node_record_field(c, "link", chans[l].id, node_limit_fields[i].name,
			                  node_limit_fields[i].unit);
	return 0;
}

const struct rec_field *
node_record_fields(const void *core, size_t *n)
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
node_record_sums(const struct node_core *c)
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

void
node_record_frame(const void *core, union rec_word *w)
{
	const struct node_core *c = core;
	const struct node_plant *p = &c->plant;
	const struct node_feed *f = &p->feed;
	const struct node_sums s = node_record_sums(c);
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
	if (c->control.offsets)
		w = put(w, &c->control.offset, 1);
	for (size_t i = 0; i < c->n_links; i++)
		if (node_limit_acts(&c->limits[i]))
			w = put(w, &c->limits[i].w, NODE_LIMIT_FIELDS);
}
