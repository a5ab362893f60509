/*
 * node_core.c - a converter node as a core (core.h): order of things within one step.
 *
 * Step k: what the channels hand in (openings, joins, announced closings), commands, port accounts,
 * N sub-steps of the plant, the waves, firmware when due, then the messages. Nothing here allocates
 * or makes a system call.
 */
#include "node_core.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Voltages at which a link ends, at the midpoints of this step; vm: those of the node's bus. */
static const double *
node_core_vm(const struct node_core *c, size_t link, const double *vm)
{
	return c->ends[link] ? c->ends[link]->vo_m : vm;
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

static void
node_core_inputs(struct node_core *c, int64_t k, const struct core_in *in,
                 const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	bool first = !c->started && k > 0;

	if (first) {
		node_command_catch_up(c, k);
		node_thermal_cool(&c->hw.thermal, k - c->slice->init_temp_k);
	}
	c->started = true;
	node_command_mcu(c, mcu_step(&c->mcu, k, ev));
	for (size_t l = 0; l < c->n_links; l++)
		node_link_input(&c->links[l], node_core_bus(c, l), k, first, &in[l], ev);
	if (k == c->fault_end_k) {
		c->plant.g_fault = 0;
		c->fault_end_k = INT64_MAX;
	}
	for (size_t i = 0; i < n_cmds; i++) {
		assert(cmds[i].k == k && cmds[i].chan < (int32_t)c->n_links);
		if (cmds[i].chan < 0)
			node_command_bus(c, &cmds[i], ev);
		else
			node_command_link(c, &cmds[i], ev);
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
	struct node_conv *v = c->ends[i];
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
		if (c->ends[i]) {
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

/* Keeps, and brings back, what a step changes before a fuse is judged. */
static void
node_core_keep(struct node_core *c, struct node_plant_mark *mark)
{
	*mark = node_plant_keep(&c->plant);
	if (c->plant.n_convs)
		memcpy(c->convs_before, c->convs, c->plant.n_convs * sizeof *c->convs);
	if (c->plant.store)
		c->store_before = c->store;
}

static void
node_core_back(struct node_core *c, const struct node_plant_mark *mark)
{
	node_plant_back(&c->plant, mark);
	if (c->plant.n_convs)
		memcpy(c->convs, c->convs_before, c->plant.n_convs * sizeof *c->convs);
	if (c->plant.store)
		c->store = c->store_before;
}

/* What is asked for in step k, of the bus and of its converters. Returns what is held off. */
static double
node_core_demand(struct node_core *c, int64_t k, double *load_w)
{
	const size_t n = c->slice->substeps;
	const int64_t t_ns = k * c->slice->step_ns;
	double held_j = 0;

	if (c->brownout)
		c->plant.feed.ceil_v = pwl_track_level(&c->ceil, t_ns + c->slice->step_ns, 0);
	pwl_track_fill(&c->load, t_ns, c->dt_ns, n, load_w);
	if (c->surge.on)
		surge_add(&c->surge, t_ns, c->dt_ns, n, load_w);
	if (c->held)
		node_core_hold(c, load_w, &held_j);
	if (c->own_conv) {
		struct node_conv *own = &c->convs[c->plant.n_convs - 1];
		pwl_track_fill(&c->conv_load, t_ns, c->dt_ns, n, own->load_a);
		own->tripped = own->tripped || c->held; /* the hardware judges anew after the step */
	}
	for (size_t i = 0; i < c->n_links; i++)
		if (c->ends[i])
			pwl_track_fill(&c->powers[i], t_ns, c->dt_ns, n, c->ends[i]->power_w);
	return held_j;
}

/* Plant and waves; from the sub-step after a fuse has tripped they are made anew without its link. */
static void
node_core_plant(struct node_core *c, int64_t k, double *vm, double *load_w,
                struct core_msg *const *out, struct core_events *ev)
{
	double gh[TOPO_SUBSTEPS_MAX], dark[TOPO_SUBSTEPS_MAX], pay_w = 0;
	const double held_j = node_core_demand(c, k, load_w);
	struct node_plant_mark mark;

	for (size_t p = 0; p < c->n_ports; p++)
		pay_w += c->ports[p].pay_w;
	if (c->fused)
		node_core_keep(c, &mark);
	for (;;) {
		node_core_lines(c, gh, dark);
		node_plant_step(&c->plant, gh, load_w, pay_w, vm);
		for (size_t i = 0; i < c->n_links; i++)
			node_link_wave(&c->links[i], node_core_vm(c, i, vm),
			               node_core_bus(c, i)->v_v, out[i]->wave.m);
		if (!c->fused || !node_core_fuses(c, k, vm, ev))
			break;
		node_core_back(c, &mark);
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

/* Mean current of link i out of this node, as its sensor says; of the line's own capacitor nothing is
 * taken off where the sensor is ideal. */
static double
node_core_link_a(const struct node_core *c, size_t i)
{
	for (size_t t = 0; t < c->sense.n; t++)
		if (c->sense.terminals[t].kind == TERMINAL_LINK && c->sense.terminals[t].index == i)
			return node_sensor_current(&c->sense, t);
	return c->links[i].i_avg_a;
}

static void
node_core_limits(struct node_core *c, int64_t k, struct core_events *ev)
{
	bool holds = node_control_rests(&c->control) || c->control.kind != CONTROL_CONSENSUS;

	for (size_t i = 0; i < c->n_links; i++) {
		struct node_limit *l = &c->limits[i];
		if (!node_limit_acts(l))
			continue;
		if (c->links[i].state == LINK_END_OPEN)
			node_limit_forget(l, k, ev);
		else
			node_limit_step(l, k, c->control.tc_s, node_core_link_a(c, i), holds, ev);
		c->control.price[i] = l->w;
	}
}

static void
node_core_firmware(struct node_core *c, int64_t k, struct core_events *ev)
{
	bool closed[TOPO_DEGREE_MAX] = { false }, waiting = false;

	for (size_t i = 0; i < c->n_links; i++) {
		const struct node_link *l = &c->links[i];
		/* A converter's link carries its power whatever the control says. */
		closed[i] = l->live && l->state != LINK_END_OPEN && !c->ends[i];
		if (l->live && !l->cut && !(l->peer_flags & WAVE_CUT))
			waiting = true;
	}
	node_control_step(&c->control, &c->plant.feed, c->sense.v.value, node_core_feed_a(c), closed,
	                  waiting);
	/* New prices act here when they do at the neighbour that is told now: in the next period. */
	if (c->control.offsets)
		node_core_limits(c, k, ev);
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
		struct wave w = { .flags = f->flags,
			          .has_calib = f->type == FRAME_CALIB,
			          .has_offset = f->type == FRAME_OFFSET,
			          .st_offset = f->offset,
			          .st_level = f->level };
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
	bool hello = k % c->hello_k == 0, runs = mcu_runs(&c->mcu);

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
	bool may_close = mcu_runs(&c->mcu);

	for (size_t i = 0; i < c->n_links; i++)
		if (node_link_is_closing(&c->links[i]))
			may_close = false;
	for (size_t i = 0; i < c->n_links; i++) {
		struct node_link *l = &c->links[i];
		struct wave *w = &out[i]->wave;

		w->st_v_v = w->st_dv_v = w->st_x = 0;
		w->has_calib = w->has_offset = false;
		node_link_message(l, node_core_bus(c, i), k, may_close, w);
		if (l->closing)
			may_close = false;
		if (state && !c->ends[i] && node_control_state(&c->control, i, c->sense.v.value, w))
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
		node_core_firmware(c, k, ev);
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
	const bool runs = mcu_runs(&c->mcu), due = runs && node_control_due(&c->control, k);
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
	.create = node_create,
	.destroy = node_destroy,
	.fields = node_record_fields,
	.frame = node_record_frame,
	.offer = node_core_offer,
	.step = node_core_step,
};
