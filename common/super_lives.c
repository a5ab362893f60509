/* Lives: which the script gives to whom, and what a process that begins one is told. */
#include "super_priv.h"

#include <math.h>
#include <stdlib.h>

/* ---- script -> lives and commands -------------------------------------------------------------
 */

static int
add_life(struct member *m, int64_t start_k, struct err *err)
{
	struct life *l = realloc(m->lives, (m->n_lives + 1) * sizeof *l);
	if (!l)
		return err_set(err, ERR_NOMEM, "out of memory");
	m->lives = l;
	m->lives[m->n_lives++] = (struct life){ .start_k = start_k, .kill_k = INT64_MAX };
	return 0;
}

int
super_lives_plan(struct super *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (add_life(&s->m[i], 0, err) < 0)
			return err->code;
	for (size_t i = 0; s->script && i < s->script->n; i++) {
		const struct script_action *a = &s->script->actions[i];
		if (a->target_kind != TARGET_PROC || a->k >= s->end_k)
			continue;
		struct member *m = &s->m[a->target];
		if (action_table[a->kind].rule == RULE_END_LIFE) {
			m->lives[m->n_lives - 1].kill_k = a->k;
			m->lives[m->n_lives - 1].stop = a->kind == SCRIPT_STOP;
		} else if (action_table[a->kind].rule == RULE_BEGIN_LIFE) {
			if (add_life(m, a->k, err) < 0)
				return err->code;
		}
	}
	return 0;
}

const struct life *
super_lives_of(const struct super *s, uint32_t proc, uint32_t inc)
{
	const struct member *m = &s->m[proc];
	return inc >= 1 && inc <= m->n_lives ? &m->lives[inc - 1] : NULL;
}

static bool
script_command(const struct script_action *a, const struct slice *sl, struct core_cmd *cmd)
{
	const struct action *r = &action_table[a->kind];
	if (!r->command || a->target_kind == TARGET_RELAY)
		return false;
	*cmd = (struct core_cmd){ .k = a->k, .kind = a->ends ? r->undo : r->command, .chan = -1 };
	double *words[ACTION_WORDS] = { &cmd->a, &cmd->b, &cmd->c, &cmd->d, &cmd->e, &cmd->f };
	for (size_t i = 0; i < ACTION_WORDS; i++)
		*words[i] = a->ends ? NAN : action_word(a->kind, &a->with, a->for_s, i);
	if (a->target_kind == TARGET_PROC) {
		cmd->chan = a->sensor;
		return a->target == sl->index;
	}
	if (a->kind == SCRIPT_CLOSE)
		cmd->c = a->resistor_end == 0 ? NAN : a->resistor_end == 1 ? 1 : -1;
	for (size_t c = 0; c < sl->n_chans; c++) {
		if (sl->chans[c].kind != CHAN_LINK || sl->chans[c].edge != a->target)
			continue;
		cmd->chan = (int32_t)c;
		if (a->toward && sl->index != a->toward - 1)
			return false;
		if (a->kind == SCRIPT_CLOSE && !sl->chans[c].is_a)
			cmd->c = -cmd->c;
		return true;
	}
	return false;
}

/* In a file that repeats a run, commands of a channel were given by hand: nobody knew of them before. */
static void
mark_uncounted(const struct script *script, struct slice *sl)
{
	for (size_t c = 0; script->replay && c < sl->n_chans; c++) {
		sl->chans[c].uncounted = true;
		for (size_t i = 0; i < script->n_counted; i++)
			if (sl->chans[c].kind == CHAN_LINK && sl->chans[c].edge == script->counted[i])
				sl->chans[c].uncounted = false;
	}
}

static int
fill_commands(const struct super *s, struct slice *sl, struct err *err)
{
	if (!s->script || s->script->n == 0)
		return 0;
	sl->cmds = calloc(s->script->n, sizeof *sl->cmds);
	if (!sl->cmds)
		return err_set(err, ERR_NOMEM, "out of memory");
	mark_uncounted(s->script, sl);
	for (size_t i = 0; i < s->script->n; i++)
		if (script_command(&s->script->actions[i], sl, &sl->cmds[sl->n_cmds]))
			sl->n_cmds++;
	return 0;
}

static int
fill_starts(const struct super *s, struct slice *sl, struct err *err)
{
	size_t n = 0;
	for (size_t c = 0; c < sl->n_chans; c++)
		n += s->m[sl->chans[c].peer].n_lives + 1; /* one more: a living peer */
	sl->starts = calloc(n ? n : 1, sizeof *sl->starts);
	if (!sl->starts)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t c = 0; c < sl->n_chans; c++) {
		const struct member *m = &s->m[sl->chans[c].peer];
		for (uint32_t inc = m->inc + 1; inc <= m->n_lives; inc++)
			if (inc > 1)
				sl->starts[sl->n_starts++] =
					(struct slice_start){ .chan = (uint32_t)c,
					                      .peer_inc = inc,
					                      .j = m->lives[inc - 1].start_k };
		/* A living peer whose clock may lie ahead of this one's. */
		if (super_alive(m) && m->start_k > 0)
			sl->starts[sl->n_starts++] = (struct slice_start){ .chan = (uint32_t)c,
				                                           .peer_inc = m->inc,
				                                           .j = m->start_k };
	}
	return 0;
}

/* How far a victim's messages went when its death was not scripted. */
static void
take_last_sent(const struct super *s, struct slice *sl)
{
	for (size_t i = 0; s->script && i < s->script->n_last; i++) {
		const struct script_last *l = &s->script->last[i];
		if (l->proc != sl->index || l->kill_k != sl->kill_k)
			continue;
		sl->by_hand = true;
		for (size_t c = 0; c < sl->n_chans; c++)
			if (sl->chans[c].edge == l->edge)
				sl->chans[c].last_sent = l->step;
	}
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static void
each_neighbour(const struct super *s, uint32_t proc, void (*fn)(void *arg, uint32_t peer),
               void *arg)
{
	const struct topo *t = s->topo;
	if (proc >= t->n_nodes) {
		const struct topo_module *m = &t->modules[proc - t->n_nodes];
		for (size_t i = 0; i < m->n_feeds; i++)
			fn(arg, m->feeds[i]);
		return;
	}
	const struct topo_node *n = &t->nodes[proc];
	for (size_t i = 0; i < n->n_links; i++) {
		const struct topo_link *l = &t->links[n->links[i]];
		fn(arg, l->a == proc ? l->b : l->a);
	}
	for (size_t i = 0; i < n->n_ports; i++)
		fn(arg, (uint32_t)t->n_nodes + t->ports[n->ports[i]].module);
}

struct notice {
	const struct super *s;
	struct sup_msg msg;
	int64_t j;
	bool wait;
};

static void
tell_neighbour(void *arg, uint32_t peer)
{
	struct notice *n = arg;
	if (super_alive(&n->s->m[peer]))
		n->s->io.send(n->s->io.arg, peer, &n->msg);
}

void
super_lives_tell_death(struct super *s, uint32_t proc)
{
	struct notice n = { .s = s,
		            .msg = { .type = SM_DEATH, .proc = proc, .inc = s->m[proc].inc } };
	each_neighbour(s, proc, tell_neighbour, &n);
}

/* It lives and dies by the script, or is yet to live and die, by step j. Scripted starters run
 * ahead to their first step: they must not join what was never there. */
static void
neighbour_must_die(void *arg, uint32_t peer)
{
	struct notice *n = arg;
	const struct member *m = &n->s->m[peer];
	const struct life *now = super_lives_of(n->s, peer, m->inc),
			  *next = super_lives_of(n->s, peer, m->inc + 1);
	if (super_alive(m) && now && now->kill_k <= n->j)
		n->wait = true;
	if (!super_alive(m) && next && next->kill_k <= n->j)
		n->wait = true;
}

/* ---- starts ---------------------------------------------------------------------------------- */

/* A process that is spawned under a command is born held, or gets S before it may start: words are
 * read in order, and a scripted starter waits for START. */
static void
first_words(struct super *s, uint32_t proc)
{
	struct member *m = &s->m[proc];
	struct sup_msg msg = s->cur.msg;

	if (s->paused) /* born paused: at a step that is past for it */
		s->io.send(s->io.arg, proc,
		           &(struct sup_msg){
				   .type = SM_AGREE, .act = ACT_PAUSE, .k = -1, .edge = -1 });
	if (s->phase == HOLDING) {
		m->held_due = true;
		s->io.send(s->io.arg, proc, &(struct sup_msg){ .type = SM_HOLD, .cmd = msg.cmd });
	} else if (s->phase == AGREED) {
		m->acted_due = true;
		msg.n_starters = 0; /* its slice says when they start */
		s->io.send(s->io.arg, proc, &msg);
	}
	if (m->start_k > 0)
		s->io.send(s->io.arg, proc, &(struct sup_msg){ .type = SM_START });
}

int
super_lives_spawn(struct super *s, uint32_t proc, struct err *err)
{
	struct member *m = &s->m[proc];
	struct slice *sl = NULL;
	uint32_t inc = m->inc + 1;
	int rc = slice_from_topo(s->topo, proc, &sl, err);
	if (rc < 0)
		return rc;
	const struct life *l = super_lives_of(s, proc, inc);
	sl->incarnation = inc;
	sl->seed = s->seed;
	sl->start_k = l ? l->start_k : -1;
	sl->kill_k = l ? l->kill_k : INT64_MAX;
	sl->end_k = s->end_k;
	for (size_t c = 0; c < sl->n_chans; c++) {
		const struct member *p = &s->m[sl->chans[c].peer];
		bool first = !s->started && p->status == SUPER_NONE;
		sl->chans[c].peer_inc = first ? 1 : super_alive(p) ? p->inc : 0;
		sl->chans[c].peer_runs = p->status == SUPER_RUNNING || p->status == SUPER_DONE;
	}
	take_last_sent(s, sl);
	rc = fill_commands(s, sl, err);
	if (rc == 0)
		rc = fill_starts(s, sl, err);
	if (rc < 0) {
		slice_destroy(&sl);
		return rc;
	}
	m->inc = inc;
	m->status = SUPER_SPAWNED;
	m->start_k = sl->start_k;
	m->held_due = m->acted_due = false;
	if (s->started) {
		struct notice n = { .s = s,
			            .msg = { .type = SM_ANNOUNCE, .proc = proc, .inc = inc } };
		each_neighbour(s, proc, tell_neighbour, &n);
	}
	s->io.spawn(s->io.arg, proc, sl);
	if (s->started)
		first_words(s, proc);
	return 0;
}

bool
super_lives_start_is_due(const struct super *s, uint32_t proc)
{
	const struct member *m = &s->m[proc];
	const struct life *next = super_lives_of(s, proc, m->inc + 1);
	return next && next->start_k < s->end_k &&
	       (m->status == SUPER_DEAD || m->status == SUPER_STOPPED);
}

void
super_lives_scripted_starts(struct super *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->bye || !super_lives_start_is_due(s, i))
			continue;
		struct notice n = { .s = s, .j = super_lives_of(s, i, s->m[i].inc + 1)->start_k };
		each_neighbour(s, i, neighbour_must_die, &n);
		if (n.wait)
			continue;
		if (s->m[i].status == SUPER_STOPPED) {
			s->m[i].status = SUPER_PARKED; /* it dies next, and is spawned then */
			s->io.signal(s->io.arg, i, SUPER_SIGCONT);
			s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_RETIRE });
		} else {
			struct err err = ERR_INIT;
			if (super_lives_spawn(s, i, &err) < 0)
				s->m[i].n_lives = s->m[i].inc; /* out of memory: it stays dead */
		}
	}
}
