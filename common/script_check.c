/* Walks through the actions in the order in which they act and finds what cannot happen. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "script_check.h"
#include "topo_rules.h"

const char *
script_check_id(const struct topo *t, uint32_t proc)
{
	return proc < t->n_nodes ? t->nodes[proc].id : t->modules[proc - t->n_nodes].id;
}

const struct pwl *
script_check_curve(const struct topo *t, uint32_t proc)
{
	return proc < t->n_nodes ? &t->nodes[proc].p.load_w
	                         : &t->modules[proc - t->n_nodes].p.load_w;
}

static double
seconds(const struct script_build *b, int64_t k)
{
	return (double)k * topo_step_s(b->topo);
}

/* Where the latest fault of this kind at this target is kept. */
static const struct script_action **
fault_of(struct script_state *s, const struct topo *t, const struct script_action *a)
{
	if (a->sensor != -1) {
		for (size_t i = 0; i < s->n_sensors; i++) {
			const struct script_action *f = s->sensors[i];
			if (f && f->kind == a->kind && f->target == a->target && f->sensor == a->sensor)
				return &s->sensors[i];
		}
		assert(s->n_sensors < 2 * SCRIPT_ACTIONS_MAX); /* each action asks once */
		s->sensors[s->n_sensors] = NULL;
		return &s->sensors[s->n_sensors++];
	}
	size_t place =
		a->target_kind == TARGET_PROC ? a->target : t->n_nodes + t->n_modules + a->target;
	return &s->faults[place * SCRIPT_KINDS_ + a->kind];
}

static void
forget_faults(struct script_state *s, uint32_t proc)
{
	for (size_t i = 0; i < SCRIPT_KINDS_; i++)
		s->faults[(size_t)proc * SCRIPT_KINDS_ + i] = NULL;
	for (size_t i = 0; i < s->n_sensors; i++)
		if (s->sensors[i] && s->sensors[i]->target == proc)
			s->sensors[i] = NULL;
}

void
script_check_join(struct script_build *b, const struct yamldoc_node *at, uint32_t node, const char *what)
{
	double join;
	topo_kappa(b->topo, node, &join);
	if (b->replay)
		return;
	if (join > TOPO_KAPPA_MAX * (1 + TOPO_RULE_SLACK))
		decode_error(&b->d, at,
		             "%s: links of node '%s' cannot close while it runs: kappa_join %.3g "
		             "is above %g",
		             what, b->topo->nodes[node].id, join, TOPO_KAPPA_MAX);
}

static void
check_kill(struct script_build *b, struct script_state *s, const struct script_action *a,
           const struct yamldoc_node *at)
{
	const int64_t least = 2; /* the evidence needs the waves of steps K-2 and K-1 */
	struct script_proc *p = &s->procs[a->target];
	const char *id = script_check_id(b->topo, a->target), *what = script_action_name(a->kind);
	if (p->down) {
		decode_error(&b->d, at, "%s: '%s' is already down since %.9g s (action '%s')", what,
		             id, seconds(b, p->since_k), p->by);
		return;
	}
	int64_t born = p->since_k < 0 ? 0 : p->since_k;
	if (a->k < born + least)
		decode_error(
			&b->d, at,
			"%s: '%s' needs %lld whole steps before it, so %.9g s is the earliest time",
			what, id, (long long)least, seconds(b, born + least));
	*p = (struct script_proc){
		.down = true, .stopped = a->kind == SCRIPT_STOP, .since_k = a->k, .by = a->id
	};
}

static void
check_start(struct script_build *b, struct script_state *s, const struct script_action *a,
            const struct yamldoc_node *at)
{
	struct script_proc *p = &s->procs[a->target];
	const char *id = script_check_id(b->topo, a->target), *what = script_action_name(a->kind);
	if (!p->down) {
		decode_error(&b->d, at, "%s: '%s' runs; there is no kill or stop of it before",
		             what, id);
		return;
	}
	if (a->kind == SCRIPT_CONT && !p->stopped) {
		decode_error(&b->d, at,
		             "cont: '%s' was killed (action '%s'), not stopped; use start", id,
		             p->by);
		return;
	}
	if (a->k <= p->since_k)
		decode_error(&b->d, at, "%s: '%s' goes down in the same step (action '%s')", what,
		             id, p->by);
	if (a->target < b->topo->n_nodes) {
		const struct topo_node *n = &b->topo->nodes[a->target];
		script_check_join(b, at, a->target, what);
		for (size_t i = 0; i < n->n_links; i++)
			if (s->cut[n->links[i]][CUT_POWER - 1].cut && !b->replay)
				decode_error(
					&b->d, at,
					"%s: link '%s' of '%s' is cut at that time; heal it before",
					what, b->topo->links[n->links[i]].id, id);
	}
	*p = (struct script_proc){ .since_k = a->k, .by = a->id };
	forget_faults(s, a->target); /* of the old life */
	s->level_w[a->target] = NAN; /* the new life begins with the file's curve */
}

/* Returns false for a lease that ended on what is down anyway. */
static bool
check_up(struct script_build *b, const struct script_state *s, const struct script_action *a,
         const struct yamldoc_node *at, bool lease_end)
{
	const struct script_proc *p = &s->procs[a->target];
	if (p->down && !lease_end)
		decode_error(&b->d, at, "%s: '%s' is down at that time (action '%s')",
		             script_action_name(a->kind), script_check_id(b->topo, a->target), p->by);
	return !(p->down && lease_end);
}

static void
check_suits(struct script_build *b, const struct script_action *a, const struct yamldoc_node *at)
{
	char why[SCRIPT_WHY_MAX];
	if (!script_suits(b->topo, a, why))
		decode_error(&b->d, at, "%s", why);
}

/* Returns false when a lease ends on a module that is so already. */
static bool
check_plug(struct script_build *b, struct script_state *s, const struct script_action *a,
           const struct yamldoc_node *at, bool lease_end)
{
	bool in = a->kind == SCRIPT_PLUG, *plugged = &s->plugged[a->target - b->topo->n_nodes];
	if (!check_up(b, s, a, at, lease_end))
		return false;
	if (*plugged == in && lease_end)
		return false;
	if (*plugged == in && !b->replay)
		decode_error(&b->d, at, "%s: module '%s' is %s its slot at that time",
		             script_action_name(a->kind), script_check_id(b->topo, a->target),
		             in ? "in" : "not in");
	*plugged = in;
	return true;
}

static bool
check_level(struct script_build *b, struct script_state *s, struct script_action *a,
            const struct yamldoc_node *at, bool lease_end)
{
	uint32_t n = a->target;
	if (!check_up(b, s, a, at, lease_end))
		return false;
	if (!lease_end)
		check_suits(b, a, at);
	if (s->procs[n].down)
		return true;
	if (lease_end) {
		a->with.level_w = isnan(s->before_w[n]) ? pwl_at(script_check_curve(b->topo, n), a->at_ns)
		                                        : s->before_w[n];
	} else {
		s->before_w[n] = s->level_w[n];
	}
	s->level_w[n] = a->with.level_w;
	return true;
}

/* The last step at which a fault is there; without an end of its own that is known: for ever. */
static int64_t
fault_last_k(const struct script_build *b, const struct script_action *a)
{
	if (isnan(a->for_s))
		return INT64_MAX;
	return a->k + (int64_t)ceil(a->for_s / topo_step_s(b->topo)) - 1;
}

/* Actions on a feed come one at a time; a sag wants an end. */
static void
check_feed(struct script_build *b, struct script_state *s, const struct script_action *a,
           const struct yamldoc_node *at)
{
	static const enum script_kind kinds[] = { SCRIPT_BROWNOUT, SCRIPT_FEED_LOSS, SCRIPT_SAG };
	const char *what = script_action_name(a->kind);
	bool is = false;
	for (size_t i = 0; i < 3; i++)
		is = is || a->kind == kinds[i];
	if (!is)
		return;
	if (a->kind == SCRIPT_SAG && isnan(a->for_s))
		decode_error(&b->d, at, "sag: 'for:' is missing: a sag is over after some time");
	for (size_t i = 0; i < 3; i++) {
		struct script_action other = *a;
		other.kind = kinds[i];
		const struct script_action *latest = *fault_of(s, b->topo, &other);
		if (kinds[i] != a->kind && latest && a->k <= fault_last_k(b, latest))
			decode_error(&b->d, at, "%s: the feed of '%s' has a %s at that time "
			             "(action '%s')", what, b->topo->nodes[a->target].id,
			             script_action_name(kinds[i]), latest->id);
	}
}

static bool
check_fault(struct script_build *b, struct script_state *s, const struct script_action *a,
            const struct yamldoc_node *at, bool lease_end)
{
	const struct script_action **latest = fault_of(s, b->topo, a);
	bool link = a->target_kind == TARGET_LINK;
	if (a->ends) {
		bool there = *latest != NULL || b->replay;
		for (size_t i = 0; i < s->n_sensors && a->sensor == -1; i++) {
			const struct script_action *f = s->sensors[i];
			if (!f || f->kind != a->kind || f->target != a->target)
				continue;
			there = true; /* the end of all */
			s->sensors[i] = NULL;
		}
		if (!there && !lease_end)
			decode_error(&b->d, at, "%s: '%s' has none at that time that could end",
			             script_action_name(a->kind),
			             link ? b->topo->links[a->target].id
			                  : script_check_id(b->topo, a->target));
		*latest = NULL;
		return there;
	}
	if (!link)
		check_up(b, s, a, at, false);
	check_suits(b, a, at);
	if (!b->replay)
		check_feed(b, s, a, at);
	if (!b->replay && *latest && a->k <= fault_last_k(b, *latest))
		decode_error(&b->d, at, "%s: '%s' has one at that time (action '%s')",
		             script_action_name(a->kind),
		             link ? b->topo->links[a->target].id : script_check_id(b->topo, a->target),
		             (*latest)->id);
	*latest = a;
	return true;
}

static bool
check_action(struct script_build *b, struct script_state *s, size_t i)
{
	struct script_action *a = &b->actions[i];
	const struct yamldoc_node *at = b->places[i];
	switch (action_table[a->kind].rule) {
	case RULE_END_LIFE:
		check_kill(b, s, a, at);
		return true;
	case RULE_BEGIN_LIFE:
		check_start(b, s, a, at);
		return true;
	case RULE_LINK:
		return script_links_check(b, s, a, at, b->flags[i]);
	case RULE_LEVEL:
		return check_level(b, s, a, at, b->flags[i] & SCRIPT_LEASE_END);
	case RULE_FAULT:
		return check_fault(b, s, a, at, b->flags[i] & SCRIPT_LEASE_END);
	case RULE_RELAY:
		return true;
	case RULE_PLUG:
		return check_plug(b, s, a, at, b->flags[i] & SCRIPT_LEASE_END);
	}
	return true;
}

static void
order(struct script_build *b)
{
	/* Insertion keeps the order of the file among actions of one step; timelines are short and
	 * mostly in order already. */
	for (size_t i = 1; i < b->n_actions; i++) {
		struct script_action a = b->actions[i];
		const struct yamldoc_node *place = b->places[i];
		unsigned flags = b->flags[i];
		size_t j = i;
		for (; j > 0 && b->actions[j - 1].k > a.k; j--) {
			b->actions[j] = b->actions[j - 1];
			b->places[j] = b->places[j - 1];
			b->flags[j] = b->flags[j - 1];
		}
		b->actions[j] = a;
		b->places[j] = place;
		b->flags[j] = flags;
	}
}

static int
state_init(struct script_state *s, const struct topo *t)
{
	s->procs = calloc(t->n_nodes + t->n_modules + 1, sizeof *s->procs);
	s->cut = calloc(t->n_links + 1, sizeof *s->cut);
	s->open = calloc(t->n_links + 1, sizeof *s->open);
	s->sensors = calloc(2 * SCRIPT_ACTIONS_MAX, sizeof *s->sensors);
	s->faults = calloc((t->n_nodes + t->n_modules + t->n_links) * SCRIPT_KINDS_ + 1,
	                   sizeof *s->faults);
	s->plugged = calloc(t->n_modules + 1, sizeof *s->plugged);
	s->level_w = calloc(t->n_nodes + t->n_modules + 1, sizeof *s->level_w);
	s->before_w = calloc(t->n_nodes + t->n_modules + 1, sizeof *s->before_w);
	if (!s->procs || !s->cut || !s->open || !s->faults || !s->sensors || !s->plugged || !s->level_w ||
	    !s->before_w)
		return ERR_NOMEM;
	for (size_t i = 0; i < t->n_nodes + t->n_modules; i++)
		s->procs[i].since_k = -1;
	for (size_t i = 0; i < t->n_links; i++)
		s->open[i] = t->links[i].p.open;
	for (size_t i = 0; i < t->n_nodes + t->n_modules; i++)
		s->level_w[i] = s->before_w[i] = NAN;
	for (size_t i = 0; i < t->n_modules; i++)
		s->plugged[i] = t->modules[i].p.plugged;
	return 0;
}

static void
state_free(struct script_state *s)
{
	free(s->procs);
	free(s->cut);
	free(s->open);
	free((void *)s->faults);
	free((void *)s->sensors);
	free(s->plugged);
	free(s->level_w);
	free(s->before_w);
}

static void
check_in_time(struct script_build *b, size_t i)
{
	const struct script_action *a = &b->actions[i];
	bool drill = b->options->drill;
	if (a->at_ns < b->duration_ns || b->flags[i] & SCRIPT_LEASE_END)
		return;
	yamldoc_diag(b->d.doc, b->d.diags, drill ? DIAG_ERROR : DIAG_WARNING, b->places[i],
	             "action '%s' at %.9g s never acts: the %s ends at %.9g s", a->id,
	             (double)a->at_ns * 1e-9, drill ? "drill" : "run",
	             (double)b->duration_ns * 1e-9);
}

void
script_build_check(struct script_build *b)
{
	struct script_state s = { 0 };
	if (state_init(&s, b->topo)) {
		b->d.nomem = true;
		state_free(&s);
		return;
	}
	bool heals = b->options->drill && b->duration_ns != INT64_MAX && !b->unhealed;
	if (heals)
		script_heal_leases(b);
	order(b);
	size_t keep = 0, before = b->d.diags->n_errors;
	for (size_t i = 0; i < b->n_actions; i++) {
		size_t n = b->d.diags->n, errors = b->d.diags->n_errors;
		if (!check_action(b, &s, i))
			b->flags[i] |= SCRIPT_DROPPED;
		else
			check_in_time(b, i);
		if (!b->lenient || b->d.diags->n_errors == errors || b->d.diags->n == n)
			continue;
		/* It counts on something that has not fired. */
		if (!(b->flags[i] & SCRIPT_LEASE_END))
			script_when_miss(b, &b->actions[i], b->d.diags->d[n].text);
		diag_list_cut(b->d.diags, n);
		b->flags[i] |= SCRIPT_DROPPED;
	}
	if (heals && b->d.diags->n_errors == before)
		script_heal_all(b, &s);
	state_free(&s);
	for (size_t i = 0; i < b->n_actions; i++) {
		if (b->flags[i] & SCRIPT_DROPPED)
			continue;
		b->actions[keep] = b->actions[i];
		b->flags[keep] = b->flags[i];
		b->places[keep++] = b->places[i];
	}
	b->n_actions = keep;
}
