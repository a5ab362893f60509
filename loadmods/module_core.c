/*
 * module_core.c - a compute module as a core (core.h): inputs, converter and class, frames.
 *
 * Step k: offers at port steps, N sub-steps of class and input capacitor, answers at the ends of
 * port periods. Nothing here allocates or makes a system call after create(). The slice must
 * outlive the core.
 */
#include "core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcu.h"
#include "module_class.h"
#include "module_hotswap.h"
#include "module_input.h"
#include "slice.h"

/* Unplugged, a module empties its input capacitor: safe to touch within a tenth of a second. */
#define BLEED_S 20e-3
/* A load at the input counts as served down to this voltage. */
#define SERVED_V 40.0

struct module_core {
	const struct slice *slice;
	const struct module_params *params;
	const struct module_class_ops *ops;
	double dt_s;
	struct module_input input;
	struct module_load load;
	int32_t owner; /* input, -1: none */
	uint32_t epoch;
	bool served, unserved; /* of the last step; EV_UNSERVED 1 was the last one */
	bool shed;             /* by order of the owner */
	bool plugged;
	struct mcu mcu;
	struct answer said; /* of the firmware, when it last ran */
	struct module_hotswap hotswap;
	double v_min_v, v_max_v, p_w;
	double useful_j, loss_j, unserved_j;
	size_t n_fields;
	struct rec_field *fields;
};

/* ---- frame ------------------------------------------------------------------------------- */

/* Order and meaning: docs/recorder.md. */
static const struct {
	const char *name, *unit;
} module_fields[] = {
	{ "v_in", "V" }, { "v_in_min", "V" }, { "v_in_max", "V" }, { "v", "V" }, { "i", "A" },
	{ "p", "W" }, { "demand", "W" }, { "served", "1" }, { "owner", "1" }, { "epoch", "1" },
	{ "phase", "1" }, { "temp", "degC" }, { "throughput", "1" }, { "errors", "1" },
	{ "useful_j", "J" }, { "loss_j", "J" }, { "stored_j", "J" }, { "unserved_j", "J" },
	{ "shed", "1" }, { "plugged", "1" },
}, in_fields[] = {
	{ "live", "1" }, { "i", "A" }, { "taken_j", "J" },
};
enum {
	N_MODULE = sizeof module_fields / sizeof module_fields[0],
	N_IN = sizeof in_fields / sizeof in_fields[0],
};

static bool
module_core_is_on(const struct module_core *c)
{
	return c->plugged && !c->shed;
}

static int
module_core_make_fields(struct module_core *c)
{
	size_t n = 0;

	c->n_fields = N_MODULE + c->input.n * N_IN;
	c->fields = calloc(c->n_fields, sizeof *c->fields);
	if (!c->fields)
		return -1;
	for (size_t i = 0; i < N_MODULE; i++, n++) {
		snprintf(c->fields[n].name, sizeof c->fields[n].name, "%s", module_fields[i].name);
		snprintf(c->fields[n].unit, sizeof c->fields[n].unit, "%s", module_fields[i].unit);
		c->fields[n].type = 'f';
	}
	for (size_t j = 0; j < c->input.n; j++)
		for (size_t i = 0; i < N_IN; i++, n++) {
			snprintf(c->fields[n].name, sizeof c->fields[n].name, "in.%s.%s",
			         c->slice->chans[j].peer_id, in_fields[i].name);
			snprintf(c->fields[n].unit, sizeof c->fields[n].unit, "%s",
			         in_fields[i].unit);
			c->fields[n].type = 'f';
		}
	return 0;
}

static const struct rec_field *
module_core_fields(const void *core, size_t *n)
{
	const struct module_core *c = core;

	*n = c->n_fields;
	return c->fields;
}

static void
module_core_frame(const void *core, union rec_word *w)
{
	const struct module_core *c = core;
	const struct module_load *l = &c->load;
	const double own[N_MODULE] = {
		c->input.v_v,
		c->v_min_v,
		c->v_max_v,
		l->rail_v,
		l->rail_a,
		c->p_w,
		c->plugged ? l->demand_w : 0,
		c->served && module_core_is_on(c) && !c->hotswap.starting,
		c->owner,
		c->epoch,
		l->phase,
		l->temp_c,
		l->throughput,
		l->errors,
		c->useful_j,
		c->loss_j + c->input.loss_j,
		module_input_stored_j(&c->input),
		c->unserved_j,
		c->shed,
		c->plugged,
	};

	memcpy(w, own, sizeof own);
	w += N_MODULE;
	for (size_t j = 0; j < c->input.n; j++) {
		const struct module_port *p = &c->input.port[j];
		(w++)->f = p->live;
		(w++)->f = p->i_sum_a / c->slice->substeps;
		(w++)->f = p->taken_j;
	}
}

/* ---- life -------------------------------------------------------------------------------- */

static void
module_core_destroy(void **core)
{
	struct module_core *c = *core;

	if (!c)
		return;
	free(c->fields);
	free(c);
	*core = NULL;
}

/* In its slot or not, at the begin of this life: by the topology, and by what the script did since.
 */
static void
module_core_find_plug(struct module_core *c)
{
	const struct slice *s = c->slice;

	c->plugged = c->params->plugged;
	for (size_t i = 0; i < s->n_cmds && s->cmds[i].k < s->start_k; i++)
		if (s->cmds[i].kind == CMD_PLUG || s->cmds[i].kind == CMD_UNPLUG)
			c->plugged = s->cmds[i].kind == CMD_PLUG;
}

static int
module_core_create(const struct slice *s, void **core, struct err *err)
{
	struct module_core *c = calloc(1, sizeof *c);

	assert(s->kind == PROC_MODULE && s->step_ns > 0 && s->n_chans <= TOPO_FEEDS_MAX);
	if (!c)
		return err_set(err, ERR_NOMEM, "module %s: out of memory", s->id);
	c->slice = s;
	c->params = &s->module;
	c->ops = module_class_of(s->module.class);
	assert(c->ops);
	c->dt_s = (double)s->step_ns * 1e-9 / s->substeps;
	module_core_find_plug(c);
	bool empty = !c->plugged && s->start_k == 0;
	module_input_init(&c->input, &s->module, s->n_chans, c->dt_s, empty ? 0 : s->init_v_v);
	if (module_core_make_fields(c) < 0) {
		free(c);
		return err_set(err, ERR_NOMEM, "module %s: out of memory", s->id);
	}
	c->owner = -1;
	for (size_t j = 0; j < s->n_chans; j++) {
		assert(s->chans[j].kind == CHAN_PORT && s->chans[j].input == j);
		c->input.port[j].live = s->start_k == 0;
		if (s->chans[j].owner && s->start_k == 0) {
			c->owner = (int32_t)j;
			c->epoch = 1;
		}
	}
	c->load.useful = 1;
	c->load.rail_ok = true;
	c->served = true;
	c->ops->init(&c->load, &s->module, c->dt_s, s->restarted);
	module_hotswap_init(&c->hotswap, &s->module, c->dt_s);
	mcu_init(&c->mcu, &s->module.mcu, s->step_ns);
	if (c->ops->at_input)
		c->load.rail_v = c->input.v_v;
	c->v_min_v = c->v_max_v = c->input.v_v;
	*core = c;
	return 0;
}

/* ---- step -------------------------------------------------------------------------------- */

static void
module_core_port_open(struct module_core *c, int64_t k, size_t j, int64_t rx,
                      struct core_events *ev)
{
	struct module_port *p = &c->input.port[j];

	p->live = p->on = p->offered = false;
	p->period_j = 0;
	if (c->owner == (int32_t)j)
		c->owner = -1; /* the rail keeps its last reference */
	core_event_add(ev, k, EV_PORT_OPEN, (int32_t)j, OPEN_DEATH, (double)rx, 0, 0);
}

static void
module_core_port_join(struct module_core *c, int64_t k, size_t j, const struct core_in *in,
                      struct core_events *ev)
{
	/* A newcomer may take its predecessor's place in one step. */
	if (c->input.port[j].live)
		module_core_port_open(c, k, j, in->rx, ev);
	c->input.port[j].live = true;
	c->input.port[j].period_j = 0;
	core_event_add(ev, k, EV_PORT_CLOSE, (int32_t)j, 0, 0, 0, 0);
}

/* Orders count from the owner, and without one from any input. */
static void
module_core_order(struct module_core *c, int64_t k, size_t j, uint32_t flags,
                  struct core_events *ev)
{
	if ((c->owner >= 0 && c->owner != (int32_t)j) || !mcu_runs(&c->mcu))
		return;
	if (flags & OFFER_SHED && !c->shed) {
		c->shed = true;
		core_event_add(ev, k, EV_SHED, -1, c->params->priority, 0, 0, 0);
	} else if (flags & OFFER_RESTORE && c->shed) {
		c->shed = false;
		module_hotswap_order(&c->hotswap);
		core_event_add(ev, k, EV_RESTORED, -1, c->params->priority, 0, 0, 0);
	}
}

static void
module_core_offer(struct module_core *c, int64_t k, size_t j, const struct offer *o,
                  struct core_events *ev)
{
	struct module_port *p = &c->input.port[j];

	p->offered = o->flags & OFFER_ON;
	p->v_v = o->v_v;
	p->i_offer_a = o->i_max_a;
	if (!(o->flags & OFFER_OWNER) || o->epoch < c->epoch || !mcu_runs(&c->mcu))
		return;
	/* An owner that comes back with its old epoch takes nothing over. */
	if (c->epoch > 0 && o->epoch > c->epoch)
		core_event_add(ev, k, EV_OWNER, -1, (double)j, o->epoch, 0, 0);
	c->owner = (int32_t)j;
	c->epoch = o->epoch;
	if (c->ops->reference)
		c->ops->reference(&c->load, o->v_ref_v);
}

static void
module_core_inputs(struct module_core *c, int64_t k, const struct core_in *in,
                   struct core_events *ev)
{
	for (size_t j = 0; j < c->input.n; j++) {
		switch (in[j].kind) {
		case CORE_IN_IDLE:
			break;
		case CORE_IN_GONE:
			module_core_port_open(c, k, j, in[j].rx, ev);
			break;
		case CORE_IN_JOIN:
			module_core_port_join(c, k, j, &in[j], ev);
			break;
		case CORE_IN_MSG:
			/* The first offer of a life comes in the step in which the port joins. */
			if (!c->input.port[j].live || in[j].peer_inc)
				module_core_port_join(c, k, j, &in[j], ev);
			module_core_offer(c, k, j, &in[j].msg->offer, ev);
			break;
		}
	}
	for (size_t j = 0; j < c->input.n; j++)
		if (in[j].kind == CORE_IN_MSG)
			module_core_order(c, k, j, in[j].msg->offer.flags, ev);
	for (size_t j = 0; j < c->input.n; j++)
		c->input.port[j].on = c->input.port[j].offered && module_core_is_on(c) &&
		                      (j == 0 || c->params->oring == SWITCH_ON);
}

/* A module that is off, or waits: nothing is drawn. */
static void
module_core_rest(struct module_core *c)
{
	struct module_load *l = &c->load;

	l->rail_a = l->throughput = 0;
	l->rail_v = c->ops->at_input ? c->input.v_v : 0;
}

/* Whether the load draws in this sub-step: the module is on and not still starting. */
static bool
module_core_draws(struct module_core *c)
{
	if (!module_core_is_on(c))
		return false;
	if (!c->hotswap.starting)
		return true;
	if (!module_hotswap_start(&c->hotswap, &c->input))
		return false;
	if (c->ops->restart)
		c->ops->restart(&c->load);
	return true;
}

static void
module_core_substep(struct module_core *c, size_t s)
{
	struct module_load *l = &c->load;
	bool on = module_core_is_on(c), draws = module_core_draws(c);
	double p_j, g_j, bleed_s = c->plugged ? 0 : c->input.c_in_f / BLEED_S;

	/* What hangs on the input itself says what it would take also while it waits. */
	if (draws || c->ops->at_input)
		c->ops->demand(l, c->params, c->input.v_v, s);
	if (!draws)
		module_core_rest(c);
	double vm = module_input_step(&c->input, draws ? l->p_w : 0, draws ? l->g_s : bleed_s, &p_j,
	                              &g_j);
	if (!c->plugged) {
		c->loss_j += g_j;
		g_j = 0;
	}
	c->p_w += p_j + g_j;
	c->useful_j += p_j * l->useful + g_j;
	c->loss_j += p_j - p_j * l->useful;
	if (on && c->ops->at_input) {
		l->rail_v = c->input.v_v;
		l->rail_a = (p_j + g_j) / (c->dt_s * (vm > 0 ? vm : 1));
		l->rail_ok = c->input.v_v >= SERVED_V || l->demand_w <= 0;
	}
	if (!draws && l->demand_w > 0)
		l->rail_ok = false;
	if (l->rail_ok && draws)
		c->hotswap.ordered = false;
	if (c->shed || (on && !(l->rail_ok && mcu_runs(&c->mcu)) && !c->hotswap.ordered)) {
		c->served = false;
		c->unserved_j += l->demand_w * c->dt_s;
	}
	if (c->input.v_v < c->v_min_v)
		c->v_min_v = c->input.v_v;
	if (c->input.v_v > c->v_max_v)
		c->v_max_v = c->input.v_v;
}

static void
module_core_plant(struct module_core *c, int64_t k)
{
	const size_t n = c->slice->substeps;

	for (size_t j = 0; j < c->input.n; j++)
		c->input.port[j].i_sum_a = 0;
	c->served = true;
	c->p_w = 0;
	c->v_min_v = 1e300;
	c->v_max_v = -1e300;
	if (module_core_is_on(c))
		module_hotswap_begin(&c->hotswap, &c->input);
	c->ops->begin(&c->load, c->params, k * c->slice->step_ns, c->dt_s, n);
	for (size_t s = 0; s < n; s++)
		module_core_substep(c, s);
	c->p_w /= c->dt_s * (double)n;
}

static void
module_core_answer(struct module_core *c, size_t j, struct answer *a)
{
	struct module_port *p = &c->input.port[j];

	/* Measured by the firmware. */
	if (mcu_runs(&c->mcu))
		c->said = (struct answer){
			.phase = c->load.phase,
			.v_in_v = c->input.v_v,
			.v_v = c->load.rail_v,
			.i_a = c->load.rail_a,
			.p_w = c->shed ? c->load.demand_w : c->p_w,
			.throughput = c->load.throughput,
			.errors = c->load.errors,
		};
	*a = c->said;
	a->flags = (c->served ? ANSWER_SERVED : 0u) | (c->shed ? ANSWER_SHED : 0u) |
	           (c->plugged ? 0u : ANSWER_OUT) | (c->owner < 0 ? ANSWER_ORPHAN : 0u);
	a->energy_j = p->period_j;
	p->period_j = 0;
}

/* A reset takes the reference of the rail to that of the topology; what is computed begins again when
 * the firmware has booted. */
static void
module_core_mcu(struct module_core *c, enum mcu_change change)
{
	if (change == MCU_RESETS)
		c->ops->reset(&c->load, c->params);
	c->ops->hang(&c->load, !mcu_runs(&c->mcu));
}

static void
module_core_command(struct module_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	core_event_fault(ev, cmd, 0);
	switch (cmd->kind) {
	case CMD_LOAD:
	case CMD_SURGE:
	case CMD_UNSURGE:
		if (c->ops->command)
			c->ops->command(&c->load, cmd, c->slice->step_ns);
		break;
	case CMD_HANG:
	case CMD_UNHANG:
		if (c->ops->hang)
			module_core_mcu(c, mcu_command(&c->mcu, cmd, ev));
		break;
	case CMD_PLUG:
		if (c->plugged)
			break;
		/* Without power in between nothing hangs. */
		if (c->ops->hang && !mcu_runs(&c->mcu)) {
			mcu_init(&c->mcu, &c->params->mcu, c->slice->step_ns);
			core_event_add(ev, cmd->k, EV_MCU_UP, -1, 0, 0, 0, 0);
			module_core_mcu(c, MCU_RESETS);
		}
		c->plugged = true;
		c->shed = false;
		module_hotswap_order(&c->hotswap);
		break;
	case CMD_UNPLUG:
		c->plugged = false;
		c->shed = false;
		break;
	default:
		break;
	}
}

static void
module_core_step(void *core, int64_t k, const struct core_in *in, struct core_msg *const *out,
                 const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	struct module_core *c = core;

	for (size_t i = 0; i < n_cmds; i++)
		module_core_command(c, &cmds[i], ev);
	if (!mcu_runs(&c->mcu))
		module_core_mcu(c, mcu_step(&c->mcu, k, ev));
	module_core_inputs(c, k, in, ev);
	module_core_plant(c, k);
	if ((k + 1) % c->slice->port_period == 0)
		for (size_t j = 0; j < c->input.n; j++)
			module_core_answer(c, j, &out[j]->answer);
	if (c->served == c->unserved) {
		c->unserved = !c->served;
		core_event_add(ev, k, EV_UNSERVED, -1, c->unserved, 0, 0, 0);
	}
}

const struct core_ops module_core_ops = {
	.kind = "module",
	.create = module_core_create,
	.destroy = module_core_destroy,
	.fields = module_core_fields,
	.frame = module_core_frame,
	.step = module_core_step,
};
