/* node_create.c - builds a node from its slice, at rest or in the steady state, and ends it. */
#include <assert.h>
#include <stdlib.h>

#include "link_conv.h"
#include "node_core.h"

void
node_destroy(void **core)
{
	struct node_core *c = *core;

	if (!c)
		return;
	for (size_t i = 0; c->comms && i < c->n_links; i++)
		node_comm_free(&c->comms[i]);
	free(c->comms);
	free(c->limits);
	free(c->links);
	free(c->ports);
	free(c->convs);
	free(c->convs_before);
	free((void *)c->ends);
	free(c->powers);
	free(c->fields);
	node_trim_destroy(&c->trim);
	node_sense_free(&c->sense);
	free(c);
	*core = NULL;
}

static void
node_create_convs(struct node_core *c)
{
	const struct slice *s = c->slice;
	struct node_conv *v = c->convs;

	for (size_t i = 0; i < s->n_convs; i++, v++) {
		const struct slice_conv *p = &s->convs[i];
		const struct slice_chan *ch = &s->chans[p->chan];
		struct link_conv_state at = { .out_v = s->init_v_v };
		/* `initial: steady`: it has followed its set-point all along. */
		if (s->start_k == 0 && s->node.steady && ch->link.i_init_a != 0)
			at = link_conv_at(&p->conv, &ch->link, pwl_at(&p->power_w, 0), true,
			                  s->init_v_v, ch->peer_v_init_v);
		node_conv_init(v, NODE_CONV_LINK, &p->conv, c->dt_s, s->substeps, at.out_v);
		v->i_a = at.inductor_a;
		v->link_limit_a = ch->link.limit_a;
		c->ends[p->chan] = v;
		pwl_track_init(&c->powers[p->chan], &p->power_w);
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
node_create_chans(struct node_core *c)
{
	const struct slice *s = c->slice;
	bool first_life = s->start_k == 0;

	for (size_t i = 0; i < s->n_chans; i++) {
		const struct slice_chan *ch = &s->chans[i];
		if (i < c->n_links) {
			node_limit_init(&c->limits[i], &ch->link, (int32_t)i, ch->is_a);
			node_link_init(&c->links[i], &ch->link, (int32_t)i, ch->is_a, first_life,
			               c->dt_s, s->substeps, ch->peer_v_init_v,
			               node_core_bus(c, i));
			c->fused = c->fused || ch->link.fuse_a > 0;
		} else {
			node_port_init(&c->ports[i - c->n_links], (int32_t)i, ch->owner,
			               first_life, s->node.trip.port_uv_v);
		}
	}
}

/* `initial: steady`: currents, firmware and accounts as if it had always been so. */
static void
node_create_steady(struct node_core *c)
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

static int
node_create_sense(struct node_core *c)
{
	const struct node_sense_view view = node_core_view(c, NULL, NULL);
	bool behind[TOPO_DEGREE_MAX];

	for (size_t i = 0; i < c->n_links; i++)
		behind[i] = c->ends[i] != NULL;
	return node_sense_init(&c->sense, c->slice, c->control.period_k, &view, behind);
}

static int
node_create_comms(struct node_core *c)
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

int
node_create(const struct slice *s, void **core, struct err *err)
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
	c->limits = calloc(c->n_links ? c->n_links : 1, sizeof *c->limits);
	c->ports = calloc(c->n_ports ? c->n_ports : 1, sizeof *c->ports);
	c->own_conv = s->node.has_conv;
	c->convs = calloc(s->n_convs + 1, sizeof *c->convs);
	c->convs_before = calloc(s->n_convs + 1, sizeof *c->convs_before);
	c->ends = calloc(c->n_links + 1, sizeof(struct node_conv *));
	c->powers = calloc(c->n_links + 1, sizeof *c->powers);
	c->step_s = (double)s->step_ns * 1e-9;
	c->dt_s = c->step_s / s->substeps;
	c->dt_ns = (double)s->step_ns / s->substeps;
	node_control_init(&c->control, &s->node, c->n_links, c->step_s, s->start_k != 0);
	if (!c->links || !c->comms || !c->limits || !c->ports || !c->convs || !c->convs_before ||
	    !c->ends || !c->powers || node_create_comms(c) < 0) {
		void *p = c;
		node_destroy(&p);
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	}
	c->fault_end_k = INT64_MAX;
	node_plant_init(&c->plant, &s->node, c->dt_s, s->substeps, s->init_v_v, s->init_v_sc_v);
	node_protect_init(&c->protect, s, c->control.period_k * s->step_ns, s->init_v_v);
	pwl_track_init(&c->load, &s->node.load_w);
	pwl_track_init(&c->ceil, NULL);
	node_create_convs(c);
	node_create_chans(c);
	if (s->start_k == 0 && s->node.steady)
		node_create_steady(c);
	const struct node_hw_parts parts = { &c->plant, c->links, c->n_links };
	node_hw_init(&c->hw, s, &parts);
	mcu_init(&c->mcu, &s->node.mcu, s->step_ns);
	if (node_create_sense(c) < 0 ||
	    node_trim_create(s, &c->sense, c->n_links, &c->trim, err) < 0 ||
	    node_record_init(c) < 0) {
		void *p = c;
		node_destroy(&p);
		return err_set(err, ERR_NOMEM, "node %s: out of memory", s->id);
	}
	*core = c;
	return 0;
}
