/* Cut, heal and close in the order in which they act: contactors and channels of links. */
#include <math.h>
#include <string.h>

#include "script_check.h"

const struct script_proc *
script_links_dead_end(const struct script_build *b, const struct script_state *s, uint32_t link,
                      const char **id)
{
	const struct topo_link *l = &b->topo->links[link];
	uint32_t node = s->procs[l->a].down ? l->a : l->b;
	*id = b->topo->nodes[node].id;
	return s->procs[node].down ? &s->procs[node] : NULL;
}

static bool
concerns(const struct script_action *a, int part)
{
	return isnan(a->with.only) || a->with.only == part + 1;
}

/* The part that the action is left with: both, one, or none (false). */
bool
script_links_leave(struct script_action *a, const bool part[CUTS])
{
	a->with.only = part[0] && part[1] ? NAN : part[0] ? CUT_POWER : CUT_CHANNEL;
	return part[0] || part[1];
}

/* The end of its lease goes with an action that is dropped. */
static void
drop_end(struct script_build *b, const struct script_action *a)
{
	char id[TOPO_ID_MAX];
	snprintf(id, sizeof id, "%.27s.end", a->id);
	for (size_t i = 0; i < b->n_actions; i++)
		if (b->flags[i] & SCRIPT_LEASE_END && b->actions[i].target == a->target &&
		    b->actions[i].line == a->line && !strcmp(b->actions[i].id, id))
			b->flags[i] |= SCRIPT_DROPPED;
}

/* A cut of what is cut already counts for its lease, and is left with the rest. */
static bool
check_cut(struct script_build *b, struct script_state *s, struct script_action *a,
          const struct yamldoc_node *at, bool by_node)
{
	static const char *const what[CUTS] = { "", "the channel of " };
	const char *id = b->topo->links[a->target].id;
	bool act[CUTS] = { false }, said = false;
	for (int part = 0; part < CUTS; part++) {
		struct script_cut *c = &s->cut[a->target][part];
		if (!concerns(a, part))
			continue;
		bool open = c->cut || (part == CUT_POWER - 1 && s->open[a->target]);
		if (open && !by_node && !said && !b->replay)
			decode_error(&b->d, at, "cut: %slink '%s' is %s at that time", what[part],
			             id, part == CUT_POWER - 1 ? "open" : "cut");
		said = said || (open && !by_node);
		act[part] = !open || b->replay;
		if (open && !c->cut)
			continue;
		c->cut = true;
		if (isnan(a->for_s))
			c->stays = true;
		else
			c->leases++;
	}
	return script_links_leave(a, act);
}

/* A lease ends with the last one, and not while a cut without a lease lasts. */
static bool
check_cut_end(struct script_state *s, struct script_action *a)
{
	bool act[CUTS] = { false };
	for (int part = 0; part < CUTS; part++) {
		struct script_cut *c = &s->cut[a->target][part];
		if (!concerns(a, part) || !c->cut || c->leases == 0)
			continue;
		act[part] = --c->leases == 0 && !c->stays;
		if (act[part])
			c->cut = false;
	}
	return script_links_leave(a, act);
}

static bool
check_heal(struct script_build *b, struct script_state *s, struct script_action *a,
           const struct yamldoc_node *at, bool by_node)
{
	const char *id = b->topo->links[a->target].id;
	bool act[CUTS] = { false };
	for (int part = 0; part < CUTS; part++) {
		struct script_cut *c = &s->cut[a->target][part];
		act[part] = concerns(a, part) && (c->cut || b->replay);
		if (act[part])
			*c = (struct script_cut){ 0 };
	}
	if (act[0] || act[1])
		return script_links_leave(a, act);
	if (by_node)
		return false;
	if (s->open[a->target] && concerns(a, CUT_POWER - 1))
		decode_error(&b->d, at, "heal: link '%s' starts open; use close", id);
	else
		decode_error(&b->d, at,
		             "heal: link '%s' is closed at that time; there is no cut of it before",
		             id);
	return true;
}

static void
check_joins(struct script_build *b, const struct script_action *a, const struct yamldoc_node *at)
{
	const struct topo_link *l = &b->topo->links[a->target];
	script_check_join(b, at, l->a, script_action_name(a->kind));
	script_check_join(b, at, l->b, script_action_name(a->kind));
}

/* Returns false when the action has to be dropped: a lease ended on a link that is gone anyway. */
bool
script_links_check(struct script_build *b, struct script_state *s, struct script_action *a,
           const struct yamldoc_node *at, unsigned flags)
{
	const struct topo_link *l = &b->topo->links[a->target];
	const char *node, *what = script_action_name(a->kind);
	const struct script_proc *dead = script_links_dead_end(b, s, a->target, &node);
	bool by_node = flags & SCRIPT_BY_NODE;
	if (flags & SCRIPT_DROPPED)
		return false;
	if (flags & SCRIPT_LEASE_END) {
		if (!check_cut_end(s, a) || (dead && a->with.only != CUT_CHANNEL))
			return false;
		if (a->with.only != CUT_CHANNEL)
			check_joins(b, a, at);
		return true;
	}
	if (dead && by_node) {
		drop_end(b, a);
		return false;
	}
	if (dead && !b->replay) {
		decode_error(&b->d, at,
		             "%s: node '%s' of link '%s' is down at that time (action '%s')", what,
		             node, l->id, dead->by);
		return true;
	}
	if (a->kind == SCRIPT_CUT)
		return check_cut(b, s, a, at, by_node);
	if (a->kind == SCRIPT_HEAL && !check_heal(b, s, a, at, by_node))
		return false;
	if (a->kind == SCRIPT_CLOSE) {
		if (!s->cut[a->target][CUT_POWER - 1].cut && !s->open[a->target] && !b->replay)
			decode_error(&b->d, at, "close: link '%s' is closed at that time", l->id);
		memset(s->cut[a->target], 0, sizeof s->cut[a->target]);
		s->open[a->target] = false;
	}
	if (a->with.only != CUT_CHANNEL)
		check_joins(b, a, at);
	return true;
}
