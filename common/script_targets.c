/* What the actions of a timeline are aimed at: processes, links, groups of nodes; one action each. */
#include <math.h>
#include <string.h>

#include "script_build.h"
#include "sensor_name.h"

struct script_action *
script_build_add(struct script_build *b, const struct yamldoc_node *place, unsigned flags)
{
	if (b->n_actions == SCRIPT_ACTIONS_MAX) {
		decode_error(&b->d, place, "more than %d actions", SCRIPT_ACTIONS_MAX);
		return NULL;
	}
	b->places[b->n_actions] = place;
	b->flags[b->n_actions] = flags;
	return &b->actions[b->n_actions++];
}

static void
wrong_target(struct script_build *b, const struct yamldoc_node *v, const struct action *r)
{
	const struct topo *t = b->topo;
	const char *names[TOPO_NODES_MAX + TOPO_LINKS_MAX + TOPO_MODULES_MAX];
	size_t n = 0;
	for (size_t i = 0; r->on & ON_NODE && i < t->n_nodes; i++)
		names[n++] = t->nodes[i].id;
	for (size_t i = 0; r->on & ON_MODULE && i < t->n_modules; i++)
		names[n++] = t->modules[i].id;
	for (size_t i = 0; r->on & ON_LINK && i < t->n_links; i++)
		names[n++] = t->links[i].id;
	const char *wanted = r->on == ON_NODE     ? "a node"
	                     : r->on == ON_RELAY  ? "the relay: target: relay"
	                     : r->on == ON_MODULE ? "a module"
	                     : r->on == ON_LINK   ? "a link"
	                     : r->on & ON_LINK    ? "a link or a node"
	                                          : "a node or a module";
	const char *is = topo_find_node(t, v->text) >= 0     ? "a node"
	                 : topo_find_link(t, v->text) >= 0   ? "a link"
	                 : topo_find_module(t, v->text) >= 0 ? "a module"
	                                                     : NULL;
	struct diag *g;
	if (is)
		g = decode_error(&b->d, v, "target: '%s' is %s, but '%s' acts on %s", v->text, is,
		                 r->name, wanted);
	else
		g = decode_error(&b->d, v,
		                 "target: there is no '%.60s' in mesh '%s'; '%s' acts on %s",
		                 v->text, t->name, r->name, wanted);
	decode_suggest(g, v->text, names, n, "names");
}

static struct script_action *
add_action(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *place,
           enum script_target target_kind, uint32_t target, unsigned flags)
{
	const struct action *r = &action_table[e->row];
	struct script_action *a = script_build_add(b, place, flags);
	if (!a)
		return NULL;
	*a = (struct script_action){
		.at_ns = e->at_ns,
		.k = e->at_ns / b->topo->step_ns,
		.kind = (enum script_kind)e->row,
		.target_kind = target_kind,
		.target = target,
		.with = e->with,
		.for_s = e->for_s,
		.sensor = -1,
		.ends = e->end,
		.line = e->place->line,
	};
	memcpy(a->id, e->id, sizeof a->id);
	int64_t period = b->topo->port_period;
	if (r->rule == RULE_BEGIN_LIFE)
		a->k = (a->k + period - 1) / period * period;
	return a;
}

static bool
has_lease_end(const struct script_entry *e)
{
	const struct action *r = &action_table[e->row];
	return e->for_ns >= 0 && (r->rule != RULE_FAULT || r->undo);
}

/* The end of a lease is an action of its own, unless the core ends it by itself. */
static void
add_lease_end(struct script_build *b, const struct script_entry *e,
              const struct script_action *begin)
{
	struct script_action *end = script_build_add(b, e->place, SCRIPT_LEASE_END);
	if (!end)
		return;
	*end = *begin;
	snprintf(end->id, sizeof end->id, "%.27s.end", begin->id);
	end->kind = begin->kind == SCRIPT_CUT      ? SCRIPT_HEAL
	            : begin->kind == SCRIPT_PLUG   ? SCRIPT_UNPLUG
	            : begin->kind == SCRIPT_UNPLUG ? SCRIPT_PLUG
	                                           : begin->kind;
	end->ends = action_table[begin->kind].rule == RULE_FAULT;
	end->at_ns = begin->at_ns + e->for_ns;
	end->k = end->at_ns / b->topo->step_ns;
	end->for_s = NAN;
	end->with.level_w = NAN; /* load: set by the check, which knows the level before */
}

/* A swap is an unplug, and the plug of the other module after the gap. */
static void
add_other(struct script_build *b, const struct script_entry *e, struct script_action *out)
{
	const struct topo *t = b->topo;
	int module = topo_find_module(t, e->with.to);
	if (!e->with.to[0])
		return; /* that has been said */
	if (module < 0) {
		const char *names[TOPO_MODULES_MAX];
		for (size_t i = 0; i < t->n_modules; i++)
			names[i] = t->modules[i].id;
		decode_suggest(decode_error(&b->d, e->with_place,
		                            "with.to: there is no module '%s' in mesh '%s'",
		                            e->with.to, t->name),
		               e->with.to, names, t->n_modules, "modules");
		return;
	}
	out->kind = SCRIPT_UNPLUG;
	struct script_action *in = script_build_add(b, e->place, 0);
	if (!in)
		return;
	*in = *out;
	snprintf(in->id, sizeof in->id, "%.28s.in", out->id);
	in->kind = SCRIPT_PLUG;
	in->target = (uint32_t)t->n_nodes + (uint32_t)module;
	in->at_ns += (int64_t)(e->with.gap_s * 1e9 + 0.5);
	in->k = in->at_ns / t->step_ns;
}

/* Which end of the link alone is meant; an error when the node is none of them. */
static void
set_toward(struct script_build *b, const struct script_entry *e, struct script_action *a)
{
	const struct topo *t = b->topo;
	const struct topo_link *l = &t->links[a->target];
	if (!e->with.toward[0])
		return;
	if (!strcmp(e->with.toward, t->nodes[l->a].id))
		a->toward = l->a + 1;
	else if (!strcmp(e->with.toward, t->nodes[l->b].id))
		a->toward = l->b + 1;
	else
		decode_error(&b->d, e->with_place,
		             "with.toward: '%s' is not an end of link '%s' (%s, %s)",
		             e->with.toward, l->id, t->nodes[l->a].id, t->nodes[l->b].id);
}

/* The sensor that a bias, or a node's stuck reading, is at. */
static void
set_sensor(struct script_build *b, const struct script_entry *e, struct script_action *a)
{
	const struct topo *t = b->topo;
	char names[SENSOR_NAMES_MAX][SENSOR_NAME_MAX];
	const char *list[SENSOR_NAMES_MAX];
	if (a->target_kind != TARGET_PROC || script_sensor(t, a))
		return;
	size_t n = sensor_names(t, a->target, names);
	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	struct diag *d = decode_error(&b->d, yamldoc_get(e->with_place, "sensor"),
	                              "with.sensor: node '%s' has no sensor '%s'%s",
	                              t->nodes[a->target].id, e->with.sensor,
	                              t->nodes[a->target].p.sensors_realistic
	                                      ? ""
	                                      : " (with ideal sensors it has none at terminals)");
	decode_suggest(d, e->with.sensor, list, n, "sensors");
}

/* A node stands for all its links; those that start open are not among them. Two nodes of one entry
 * may share a link: it is one target. */
static void
add_links_of(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v,
             uint32_t node)
{
	const struct topo *t = b->topo;
	for (size_t i = 0; i < t->nodes[node].n_links; i++) {
		uint32_t l = t->nodes[node].links[i];
		bool there = t->links[l].p.open;
		for (size_t j = b->n_actions; j-- > 0 && b->actions[j].line == e->place->line;)
			there = there ||
			        (b->actions[j].target == l && !strcmp(b->actions[j].id, e->id));
		struct script_action *a =
			there ? NULL : add_action(b, e, v, TARGET_LINK, l, SCRIPT_BY_NODE);
		if (!a)
			continue;
		set_toward(b, e, a);
		if (has_lease_end(e))
			add_lease_end(b, e, a);
	}
}

/* Cuts between groups; nodes that are in none are a group of their own. */
static void
add_partition(struct script_build *b, const struct script_entry *e)
{
	const struct topo *t = b->topo;
	const struct yamldoc_node *list = e->target;
	unsigned group[TOPO_NODES_MAX] = { 0 };
	bool nested = list->kind == YAMLDOC_LIST && list->n && list->items[0]->kind == YAMLDOC_LIST;
	size_t n_groups = nested ? list->n : 1, errors = b->d.diags->n_errors;
	for (size_t g = 0; g < n_groups; g++) {
		const struct yamldoc_node *one = nested ? list->items[g] : list;
		size_t n = one->kind == YAMLDOC_LIST ? one->n : 1;
		for (size_t i = 0; i < n; i++) {
			const struct yamldoc_node *v =
				one->kind == YAMLDOC_LIST ? one->items[i] : one;
			int node = v->kind == YAMLDOC_SCALAR ? topo_find_node(t, v->text) : -1;
			if (v->kind != YAMLDOC_SCALAR)
				decode_error(&b->d, v, "target: the id of a node is wanted, not %s",
				             yamldoc_what(v));
			else if (node < 0)
				wrong_target(b, v, &action_table[e->row]);
			else if (group[node])
				decode_error(&b->d, v, "target: '%s' is in two places", v->text);
			else
				group[node] = (unsigned)g + 1;
		}
	}
	size_t found = 0;
	for (uint32_t l = 0; l < t->n_links; l++) {
		if (group[t->links[l].a] == group[t->links[l].b] || t->links[l].p.open)
			continue;
		struct script_action *a = add_action(b, e, list, TARGET_LINK, l, SCRIPT_BY_NODE);
		if (!a)
			return;
		found++;
		a->kind = SCRIPT_CUT;
		if (e->for_ns >= 0)
			add_lease_end(b, e, a);
	}
	if (!found && b->d.diags->n_errors == errors)
		decode_error(&b->d, list, "partition: no closed link leaves this group of nodes");
}

static void
add_target(struct script_build *b, const struct script_entry *e, const struct yamldoc_node *v)
{
	const struct action *r = &action_table[e->row];
	const struct topo *t = b->topo;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "target: an id is wanted, not %s", yamldoc_what(v));
		return;
	}
	if (r->on == ON_RELAY && !strcmp(v->text, "relay")) {
		add_action(b, e, v, TARGET_RELAY, 0, 0);
		return;
	}
	int node = r->on & ON_NODE ? topo_find_node(t, v->text) : -1;
	int module = r->on & ON_MODULE ? topo_find_module(t, v->text) : -1;
	int link = r->on & ON_LINK ? topo_find_link(t, v->text) : -1;
	if (node < 0 && module < 0 && link < 0) {
		wrong_target(b, v, r);
		return;
	}
	if (link < 0 && r->on & ON_LINK) {
		add_links_of(b, e, v, (uint32_t)node);
		return;
	}
	uint32_t proc = node >= 0 ? (uint32_t)node : (uint32_t)t->n_nodes + (uint32_t)module;
	struct script_action *a = link >= 0 ? add_action(b, e, v, TARGET_LINK, (uint32_t)link, 0)
	                                    : add_action(b, e, v, TARGET_PROC, proc, 0);
	if (!a)
		return;
	script_by_hand_read(b, a);
	if (link >= 0)
		set_toward(b, e, a);
	if (a->kind == SCRIPT_CLOSE && e->with.end[0]) {
		const struct topo_link *l = &t->links[link];
		a->resistor_end = !strcmp(e->with.end, t->nodes[l->a].id)   ? 1
		                  : !strcmp(e->with.end, t->nodes[l->b].id) ? 2
		                                                            : 0;
		if (!a->resistor_end)
			decode_error(&b->d, e->with_place,
			             "with.at: '%s' is not an end of link '%s' (%s, %s)",
			             e->with.end, l->id, t->nodes[l->a].id, t->nodes[l->b].id);
	}
	set_sensor(b, e, a);
	if (a->kind == SCRIPT_SWAP)
		add_other(b, e, a);
	if (has_lease_end(e))
		add_lease_end(b, e, a);
}

bool
script_targets_add(struct script_build *b, const struct script_entry *e)
{
	const struct yamldoc_node *list = e->target;
	bool many = list->kind == YAMLDOC_LIST;
	if (e->row == SCRIPT_PARTITION) {
		add_partition(b, e);
		return true;
	}
	for (size_t i = 0; i < (many ? list->n : 1); i++)
		add_target(b, e, many ? list->items[i] : list);
	return !many || list->n > 0;
}
