/* The end of a drill: leases end with it, and what the timeline left broken is healed. */
#include <math.h>
#include <string.h>

#include "script_check.h"
#include "topo_rules.h"

/* Leases that would outlive the drill end with it. */
void
script_heal_leases(struct script_build *b)
{
	for (size_t i = 0; i < b->n_actions; i++) {
		struct script_action *a = &b->actions[i];
		double left_s = (double)(b->duration_ns - a->at_ns) * 1e-9;
		if (b->flags[i] & SCRIPT_LEASE_END && a->at_ns > b->duration_ns) {
			a->at_ns = b->duration_ns;
			a->k = a->at_ns / b->topo->step_ns;
		}
		const struct action *r = &action_table[a->kind];
		if (r->rule != RULE_FAULT || r->undo)
			continue;
		if (isnan(a->for_s))
			decode_error(&b->d, b->places[i],
			             "%s: in a drill a %s has to end; give it 'for:'", r->name,
			             r->name);
		else if (a->for_s > left_s)
			a->for_s = left_s;
	}
}

static struct script_action *
heal(struct script_build *b, enum script_kind kind, enum script_target target_kind, uint32_t target,
     const char *id)
{
	struct script_action *a = script_build_add(b, b->recover, SCRIPT_HEALS);
	if (!a)
		return NULL;
	int64_t period = b->topo->port_period;
	bool rounded = action_table[kind].rule == RULE_BEGIN_LIFE;
	/* In the step behind the last sample that is judged: a new life begins with a frame. */
	int64_t at_ns = b->duration_ns + b->topo->step_ns;
	*a = (struct script_action){
		.at_ns = at_ns,
		.k = at_ns / b->topo->step_ns,
		.kind = kind,
		.target_kind = target_kind,
		.target = target,
		.with = action_no_with,
		.for_s = NAN,
		.sensor = -1,
	};
	if (rounded)
		a->k = (a->k + period - 1) / period * period;
	snprintf(a->id, sizeof a->id, "heal.%.26s", id);
	return a;
}

/* What the timeline left broken. */
void
script_heal_all(struct script_build *b, const struct script_state *s)
{
	const struct topo *t = b->topo;
	const char *node;
	for (uint32_t i = 0; i < t->n_links; i++) {
		bool power = s->cut[i][CUT_POWER - 1].cut, channel = s->cut[i][CUT_CHANNEL - 1].cut;
		if (!power && !channel)
			continue;
		if (power && script_links_dead_end(b, s, i, &node)) {
			decode_error(&b->d, NULL,
			             "link '%s' is cut and its node '%s' is down at the end: "
			             "neither can "
			             "be healed; heal the link before its node goes down",
			             t->links[i].id, node);
			continue;
		}
		struct script_action *a = heal(b, SCRIPT_HEAL, TARGET_LINK, i, t->links[i].id);
		if (a)
			script_links_leave(a, (bool[CUTS]){ power, channel });
	}
	for (uint32_t i = 0; i < t->n_nodes + t->n_modules; i++)
		if (s->procs[i].down)
			heal(b, s->procs[i].stopped ? SCRIPT_CONT : SCRIPT_START, TARGET_PROC, i,
			     script_check_id(t, i));
	for (uint32_t i = 0; i < t->n_nodes + t->n_modules; i++) {
		double level = pwl_at(script_check_curve(t, i), b->duration_ns);
		if (s->procs[i].down || isnan(s->level_w[i]) || s->level_w[i] == level)
			continue;
		struct script_action *a = heal(b, SCRIPT_LOAD, TARGET_PROC, i, script_check_id(t, i));
		if (a)
			a->with.level_w = level;
	}
	for (uint32_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		uint32_t proc = (uint32_t)t->n_nodes + i;
		if (s->plugged[i] != m->p.plugged && !s->procs[proc].down)
			heal(b, m->p.plugged ? SCRIPT_PLUG : SCRIPT_UNPLUG, TARGET_PROC, proc,
			     m->id);
	}
	size_t n_faults = (t->n_nodes + t->n_modules + t->n_links) * SCRIPT_KINDS_;
	for (size_t i = 0; i < n_faults + s->n_sensors; i++) {
		const struct script_action *f =
			i < n_faults ? s->faults[i] : s->sensors[i - n_faults];
		bool down = f && f->target_kind == TARGET_PROC && s->procs[f->target].down;
		if (!f || down || !action_table[f->kind].undo)
			continue;
		struct script_action *a = heal(b, f->kind, f->target_kind, f->target, f->id);
		if (a) {
			a->ends = true;
			a->toward = f->toward;
			a->sensor = f->sensor;
		}
	}
}
