#include "super_fsm.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS_MAX = 64 };

/* One life of a process as the script has it. */
struct life {
	int64_t start_k, kill_k; /* kill_k INT64_MAX: lives on */
	bool stop;               /* ends with SIGSTOP instead of SIGKILL */
};

struct member {
	enum super_status status;
	uint32_t inc;
	int64_t last_frame;
	int64_t floor_k;         /* the next by-hand life starts above */
	int64_t start_k;         /* first step of this life's clock: 0, scripted or agreed; -1: not known */
	bool held_due, acted_due; /* owes HELD, ACTED to the current command */
	int64_t held_k;
	uint64_t start_token;
	size_t n_lives;
	struct life *lives; /* lives[inc - 1] */
};

struct queued {
	struct sup_msg msg;
	uint64_t token;
};

enum phase { IDLE, HOLDING, AGREED };

struct super {
	const struct topo *topo;
	const struct script *script;
	int64_t end_k;
	uint64_t seed;
	struct super_io io;
	uint32_t n;
	struct member *m;
	bool started, stopping, paused, bye;
	uint32_t next_cmd;
	enum phase phase;
	struct queued cur;
	int64_t cur_s, last_s; /* S of the current command; of the last one, -1: none yet */
	size_t n_queue;
	struct queued queue[COMMANDS_MAX];
	bool busy, again; /* progress() is not re-entered */
};

/* ---- names --------------------------------------------------------------------------------- */

const char *
super_proc_id(const struct topo *t, uint32_t proc)
{
	return proc < t->n_nodes ? t->nodes[proc].id : t->modules[proc - t->n_nodes].id;
}

int
super_find(const struct topo *t, const char *id)
{
	int i = topo_find_node(t, id);
	if (i >= 0)
		return i;
	i = topo_find_module(t, id);
	return i < 0 ? -1 : i + (int)t->n_nodes;
}

const char *
super_status_name(enum super_status s)
{
	static const char *const names[] = { "none", "spawned", "ready", "running",
		                             "done", "parked",  "stopped", "dead" };
	return names[s];
}

/* ---- members --------------------------------------------------------------------------------- */

static bool
alive(const struct member *m)
{
	return m->status >= SUPER_SPAWNED && m->status <= SUPER_DONE;
}

/* Takes part in commands. */
static bool
takes_part(const struct member *m)
{
	return m->status >= SUPER_SPAWNED && m->status <= SUPER_RUNNING;
}

/* ---- script -> lives and commands ------------------------------------------------------------- */

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

static int
plan_lives(struct super *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (add_life(&s->m[i], 0, err) < 0)
			return err->code;
	for (size_t i = 0; s->script && i < s->script->n; i++) {
		const struct script_action *a = &s->script->actions[i];
		if (a->target_kind != TARGET_PROC || a->k >= s->end_k)
			continue;
		struct member *m = &s->m[a->target];
		if (a->kind == SCRIPT_KILL || a->kind == SCRIPT_STOP) {
			m->lives[m->n_lives - 1].kill_k = a->k;
			m->lives[m->n_lives - 1].stop = a->kind == SCRIPT_STOP;
		} else if (a->kind == SCRIPT_START || a->kind == SCRIPT_CONT) {
			if (add_life(m, a->k, err) < 0)
				return err->code;
		}
	}
	return 0;
}

static const struct life *
life_of(const struct super *s, uint32_t proc, uint32_t inc)
{
	const struct member *m = &s->m[proc];
	return inc >= 1 && inc <= m->n_lives ? &m->lives[inc - 1] : NULL;
}

static bool
script_command(const struct script_action *a, const struct slice *sl, struct core_cmd *cmd)
{
	static const int kinds[] = { [SCRIPT_CUT] = CMD_CUT,   [SCRIPT_HEAL] = CMD_HEAL,
		                     [SCRIPT_CLOSE] = CMD_CLOSE, [SCRIPT_LOAD] = CMD_LOAD,
		                     [SCRIPT_SHORT] = CMD_SHORT };
	if (a->kind < SCRIPT_CUT)
		return false;
	*cmd = (struct core_cmd){ .k = a->k, .kind = (uint32_t)kinds[a->kind], .chan = -1 };
	if (a->target_kind == TARGET_PROC) {
		cmd->a = a->kind == SCRIPT_LOAD ? a->level_w : a->r_ohm;
		cmd->b = a->kind == SCRIPT_LOAD ? a->ramp_s : a->for_s;
		return a->target == sl->index;
	}
	cmd->a = a->precharge_ohm;
	cmd->b = a->bypass_s;
	cmd->c = a->resistor_end == 0 ? NAN : a->resistor_end == 1 ? 1 : -1;
	for (size_t c = 0; c < sl->n_chans; c++) {
		if (sl->chans[c].kind != CHAN_LINK || sl->chans[c].edge != a->target)
			continue;
		cmd->chan = (int32_t)c;
		if (!sl->chans[c].is_a)
			cmd->c = -cmd->c;
		return true;
	}
	return false;
}

static int
fill_commands(const struct super *s, struct slice *sl, struct err *err)
{
	if (!s->script || s->script->n == 0)
		return 0;
	sl->cmds = calloc(s->script->n, sizeof *sl->cmds);
	if (!sl->cmds)
		return err_set(err, ERR_NOMEM, "out of memory");
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
				sl->starts[sl->n_starts++] = (struct slice_start){
					.chan = (uint32_t)c, .peer_inc = inc, .j = m->lives[inc - 1].start_k
				};
		/* A living peer whose clock may lie ahead of this one's. */
		if (alive(m) && m->start_k > 0)
			sl->starts[sl->n_starts++] = (struct slice_start){
				.chan = (uint32_t)c, .peer_inc = m->inc, .j = m->start_k
			};
	}
	return 0;
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static void
each_neighbour(const struct super *s, uint32_t proc, void (*fn)(void *arg, uint32_t peer), void *arg)
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
	if (alive(&n->s->m[peer]))
		n->s->io.send(n->s->io.arg, peer, &n->msg);
}

/* It lives and dies by the script, or is yet to live and die, by step j. Scripted starters run ahead
 * to their first step: they must not join what was never there. */
static void
neighbour_must_die(void *arg, uint32_t peer)
{
	struct notice *n = arg;
	const struct member *m = &n->s->m[peer];
	const struct life *now = life_of(n->s, peer, m->inc), *next = life_of(n->s, peer, m->inc + 1);
	if (alive(m) && now && now->kill_k <= n->j)
		n->wait = true;
	if (!alive(m) && next && next->kill_k <= n->j)
		n->wait = true;
}

/* A process that is spawned under a command is born held, or gets S before it may start: words are
 * read in order, and a scripted starter waits for START. */
static void
first_words(struct super *s, uint32_t proc)
{
	struct member *m = &s->m[proc];
	struct sup_msg msg = s->cur.msg;

	if (s->paused) /* born paused: at a step that is past for it */
		s->io.send(s->io.arg, proc,
		           &(struct sup_msg){ .type = SM_AGREE, .act = ACT_PAUSE, .k = -1, .edge = -1 });
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

static int
spawn(struct super *s, uint32_t proc, struct err *err)
{
	struct member *m = &s->m[proc];
	struct slice *sl = NULL;
	uint32_t inc = m->inc + 1;
	int rc = slice_from_topo(s->topo, proc, &sl, err);
	if (rc < 0)
		return rc;
	const struct life *l = life_of(s, proc, inc);
	sl->incarnation = inc;
	sl->seed = s->seed;
	sl->start_k = l ? l->start_k : -1;
	sl->kill_k = l ? l->kill_k : INT64_MAX;
	sl->end_k = s->end_k;
	for (size_t c = 0; c < sl->n_chans; c++) {
		const struct member *p = &s->m[sl->chans[c].peer];
		bool first = !s->started && p->status == SUPER_NONE;
		sl->chans[c].peer_inc = first ? 1 : alive(p) ? p->inc : 0;
		sl->chans[c].peer_runs = p->status == SUPER_RUNNING || p->status == SUPER_DONE;
	}
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

/* ---- commands --------------------------------------------------------------------------------- */

static bool
touches_channel(const struct sup_msg *m)
{
	return m->act == ACT_START || m->act == ACT_FAULT;
}

static void
hold(struct super *s)
{
	s->cur = s->queue[0];
	memmove(&s->queue[0], &s->queue[1], --s->n_queue * sizeof s->queue[0]);
	s->cur.msg.cmd = ++s->next_cmd;
	s->phase = HOLDING;
	for (uint32_t i = 0; i < s->n; i++) {
		struct member *m = &s->m[i];
		m->held_k = -1;
		m->held_due = takes_part(m);
		m->acted_due = false;
		if (m->held_due)
			s->io.send(s->io.arg, i,
			           &(struct sup_msg){ .type = SM_HOLD, .cmd = s->cur.msg.cmd });
	}
}

static int64_t
agreed_step(struct super *s)
{
	int64_t high = s->last_s, period = s->topo->port_period;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct member *m = &s->m[i];
		if (m->last_frame > high) /* of the dead too: no life begins in what is past */
			high = m->last_frame;
		if (m->status == SUPER_RUNNING && m->held_k > high)
			high = m->held_k;
	}
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		/* Every neighbour has opened its end to the predecessor by then. One step more: a
		 * process can be killed between its last message and the frame that goes with it. */
		const struct member *m = &s->m[s->cur.msg.starters[i]];
		int64_t f = (m->last_frame > m->floor_k ? m->last_frame : m->floor_k) + period + 1;
		if (f > high)
			high = f;
	}
	int64_t step = high + 1;
	if (touches_channel(&s->cur.msg))
		step = (step + period - 1) / period * period;
	return step;
}

static void
gather_starters(struct super *s)
{
	struct sup_msg *m = &s->cur.msg;
	m->n_starters = 0;
	for (uint32_t i = 0; i < s->n && m->n_starters < SUP_STARTERS_MAX; i++)
		if (s->m[i].status == SUPER_READY && !life_of(s, i, s->m[i].inc))
			m->starters[m->n_starters++] = i;
}

static void
agree(struct super *s)
{
	if (s->cur.msg.act == ACT_START)
		gather_starters(s);
	s->phase = AGREED;
	s->cur_s = s->last_s = agreed_step(s);
	s->cur.msg.type = SM_AGREE;
	s->cur.msg.k = s->cur_s;
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		struct member *m = &s->m[s->cur.msg.starters[i]];
		m->status = SUPER_RUNNING;
		m->start_k = s->cur_s;
		/* Should it die before its first frame, its successor starts above S all the same. */
		m->floor_k = s->cur_s;
	}
	if (s->cur.msg.act == ACT_STOP) {
		s->stopping = true;
		if (s->cur_s < s->end_k)
			s->end_k = s->cur_s;
	}
	if (s->cur.msg.act == ACT_PAUSE)
		s->paused = true;
	if (s->cur.msg.act == ACT_NONE || s->cur.msg.act == ACT_STOP || s->cur_s >= s->end_k)
		s->paused = false;
	for (uint32_t i = 0; i < s->n; i++) {
		s->m[i].acted_due = takes_part(&s->m[i]);
		if (alive(&s->m[i]))
			s->io.send(s->io.arg, i, &s->cur.msg);
	}
}

/* A scripted life that begins at S or before and has not been spawned yet: it is to act, too. */
static bool
life_ahead(const struct super *s, uint32_t proc)
{
	const struct member *m = &s->m[proc];
	const struct life *next = life_of(s, proc, m->inc + 1);
	return next && m->status >= SUPER_PARKED && next->start_k < s->end_k &&
	       next->start_k <= s->cur_s;
}

static bool
any_due(const struct super *s, bool acted)
{
	for (uint32_t i = 0; acted && i < s->n; i++)
		if (life_ahead(s, i))
			return true;
	for (uint32_t i = 0; i < s->n; i++)
		if (takes_part(&s->m[i]) && (acted ? s->m[i].acted_due : s->m[i].held_due))
			return true;
	return false;
}

static void
finish_command(struct super *s)
{
	s->phase = IDLE;
	if (!s->io.acted)
		return;
	if (s->cur.token)
		s->io.acted(s->io.arg, s->cur.token, s->cur_s);
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		struct member *m = &s->m[s->cur.msg.starters[i]];
		uint64_t token = m->start_token;
		m->start_token = 0;
		if (token)
			s->io.acted(s->io.arg, token, s->cur_s);
	}
}

static bool
queue_start(struct super *s)
{
	for (size_t i = 0; i < s->n_queue; i++)
		if (s->queue[i].msg.act == ACT_START)
			return true;
	if (s->n_queue == COMMANDS_MAX)
		return false;
	s->queue[s->n_queue++] = (struct queued){ .msg = { .act = ACT_START, .edge = -1 } };
	return true;
}

static bool
newcomer_waits(const struct super *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->m[i].status == SUPER_READY && !life_of(s, i, s->m[i].inc))
			return true;
	return false;
}

/* ---- progress --------------------------------------------------------------------------------- */

static bool
start_is_due(const struct super *s, uint32_t proc)
{
	const struct member *m = &s->m[proc];
	const struct life *next = life_of(s, proc, m->inc + 1);
	return next && next->start_k < s->end_k &&
	       (m->status == SUPER_DEAD || m->status == SUPER_STOPPED);
}

static void
scripted_starts(struct super *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->bye || !start_is_due(s, i))
			continue;
		struct notice n = { .s = s, .j = life_of(s, i, s->m[i].inc + 1)->start_k };
		each_neighbour(s, i, neighbour_must_die, &n);
		if (n.wait)
			continue;
		if (s->m[i].status == SUPER_STOPPED) {
			s->m[i].status = SUPER_PARKED; /* it dies next, and is spawned then */
			s->io.signal(s->io.arg, i, SUPER_SIGCONT);
			s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_RETIRE });
		} else {
			struct err err = ERR_INIT;
			if (spawn(s, i, &err) < 0)
				s->m[i].n_lives = s->m[i].inc; /* out of memory: it stays dead */
		}
	}
}

static void
check_start(struct super *s)
{
	if (s->started)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->m[i].status != SUPER_READY)
			return;
	s->started = true;
	for (uint32_t i = 0; i < s->n; i++) {
		s->m[i].status = SUPER_RUNNING;
		s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_START });
	}
	if (s->io.started)
		s->io.started(s->io.arg);
}

static void
check_end(struct super *s)
{
	bool finite = s->stopping || s->end_k != INT64_MAX;
	if (s->bye || !s->started || !finite || s->phase != IDLE || s->n_queue)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (takes_part(&s->m[i]) || s->m[i].status == SUPER_PARKED || start_is_due(s, i))
			return;
	s->bye = true;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->m[i].status == SUPER_DONE)
			s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_BYE });
		else if (s->m[i].status == SUPER_STOPPED)
			s->io.signal(s->io.arg, i, SUPER_SIGKILL);
	}
}

static void
progress_once(struct super *s)
{
	check_start(s);
	if (!s->started)
		return;
	if (s->phase == HOLDING && !any_due(s, false))
		agree(s);
	if (s->phase == AGREED && !any_due(s, true))
		finish_command(s);
	if (s->phase == IDLE && newcomer_waits(s))
		queue_start(s);
	if (s->phase == IDLE && s->n_queue) {
		hold(s);
		s->again = true;
	}
	scripted_starts(s);
	check_end(s);
}

static void
progress(struct super *s)
{
	s->again = true;
	if (s->busy)
		return;
	s->busy = true;
	while (s->again) {
		s->again = false;
		progress_once(s);
	}
	s->busy = false;
}

/* ---- inputs ------------------------------------------------------------------------------------ */

int
super_create(const struct topo *topo, const struct script *script, int64_t end_k, uint64_t seed,
             const struct super_io *io, struct super **ret, struct err *err)
{
	struct super *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "supervisor: out of memory");
	s->topo = topo;
	s->script = script;
	s->end_k = end_k;
	s->last_s = -1;
	s->seed = seed;
	s->io = *io;
	s->n = (uint32_t)(topo->n_nodes + topo->n_modules);
	s->m = calloc(s->n, sizeof *s->m);
	int rc = s->m ? plan_lives(s, err) : err_set(err, ERR_NOMEM, "supervisor: out of memory");
	if (rc < 0) {
		super_destroy(&s);
		return rc;
	}
	for (uint32_t i = 0; i < s->n; i++)
		s->m[i].last_frame = s->m[i].floor_k = -1;
	*ret = s;
	return 0;
}

void
super_destroy(struct super **sp)
{
	struct super *s = *sp;
	if (!s)
		return;
	for (uint32_t i = 0; s->m && i < s->n; i++)
		free(s->m[i].lives);
	free(s->m);
	free(s);
	*sp = NULL;
}

int
super_begin(struct super *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n; i++) {
		int rc = spawn(s, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
super_report(struct super *s, uint32_t proc, uint32_t inc, const struct sup_msg *msg)
{
	struct member *m = &s->m[proc];
	if (m->inc != inc || !alive(m))
		return;
	switch (msg->type) {
	case SM_READY:
		m->status = SUPER_READY;
		if (s->started && life_of(s, proc, inc))
			m->status = SUPER_RUNNING;
		break;
	case SM_HELD:
		if (s->phase == HOLDING && msg->cmd == s->cur.msg.cmd) {
			m->held_due = false;
			m->held_k = msg->k;
		}
		break;
	case SM_ACTED:
		if (msg->cmd == s->cur.msg.cmd)
			m->acted_due = false;
		break;
	case SM_PARKED: {
		const struct life *l = life_of(s, proc, inc);
		bool stop = l && l->stop;
		m->status = stop ? SUPER_STOPPED : SUPER_PARKED;
		m->last_frame = msg->k;
		s->io.signal(s->io.arg, proc, stop ? SUPER_SIGSTOP : SUPER_SIGKILL);
		if (stop) {
			/* Its word of death: for its peers it is dead. */
			struct notice n = { .s = s,
				            .msg = { .type = SM_DEATH, .proc = proc, .inc = inc } };
			each_neighbour(s, proc, tell_neighbour, &n);
		}
		break;
	}
	case SM_DONE:
		m->status = SUPER_DONE;
		m->last_frame = msg->k;
		break;
	default:
		return;
	}
	progress(s);
}

void
super_death(struct super *s, uint32_t proc, int64_t last_frame)
{
	struct member *m = &s->m[proc];
	assert(m->status != SUPER_NONE && m->status != SUPER_DEAD);
	m->status = SUPER_DEAD;
	if (last_frame > m->last_frame)
		m->last_frame = last_frame;
	struct notice n = { .s = s, .msg = { .type = SM_DEATH, .proc = proc, .inc = m->inc } };
	each_neighbour(s, proc, tell_neighbour, &n);
	progress(s);
}

int
super_command(struct super *s, const struct sup_msg *cmd, uint64_t token, struct err *err)
{
	if (!s->started)
		return err_set(err, ERR_STATE, "the mesh has not started yet");
	if (s->stopping || s->bye)
		return err_set(err, ERR_STATE, "the mesh is stopping");
	if (s->n_queue == COMMANDS_MAX)
		return err_set(err, ERR_LIMIT, "%d commands are waiting already", COMMANDS_MAX);
	s->queue[s->n_queue++] = (struct queued){ .msg = *cmd, .token = token };
	progress(s);
	return 0;
}

int
super_start(struct super *s, uint32_t proc, uint64_t token, struct err *err)
{
	struct member *m = &s->m[proc];
	const char *id = super_proc_id(s->topo, proc);
	if (!s->started || s->stopping || s->bye)
		return err_set(err, ERR_STATE, "%s: the mesh is not running", id);
	if (m->status != SUPER_DEAD)
		return err_set(err, ERR_STATE, "%s is %s: only a dead process can be started", id,
		               super_status_name(m->status));
	for (uint32_t i = 0; i < s->n; i++)
		if (start_is_due(s, i))
			return err_set(err, ERR_STATE, "%s: first the drill starts %s, at step %lld", id,
			               super_proc_id(s->topo, i),
			               (long long)life_of(s, i, s->m[i].inc + 1)->start_k);
	int rc = spawn(s, proc, err);
	if (rc == 0)
		m->start_token = token;
	progress(s);
	return rc;
}

/* ---- what the host wants to know ------------------------------------------------------------------ */

enum super_status
super_status(const struct super *s, uint32_t proc)
{
	return s->m[proc].status;
}

uint32_t
super_incarnation(const struct super *s, uint32_t proc)
{
	return s->m[proc].inc;
}

int64_t
super_last_frame(const struct super *s, uint32_t proc)
{
	return s->m[proc].last_frame;
}

bool
super_started(const struct super *s)
{
	return s->started;
}

bool
super_paused(const struct super *s)
{
	return s->paused && s->phase == IDLE;
}

bool
super_holding(const struct super *s)
{
	return s->phase != IDLE;
}

bool
super_death_is_scripted(const struct super *s, uint32_t proc)
{
	return s->m[proc].status == SUPER_PARKED || s->m[proc].status == SUPER_STOPPED;
}

bool
super_ended(const struct super *s)
{
	return s->bye;
}

int
super_blocker(const struct super *s, const char **what)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct member *m = &s->m[i];
		*what = !s->started && m->status == SUPER_SPAWNED ? "is not ready" :
		        s->phase == HOLDING && takes_part(m) && m->held_due ? "does not answer HOLD" :
		        s->phase == AGREED && takes_part(m) && m->acted_due ? "has not acted" :
		                                                              NULL;
		if (*what)
			return (int)i;
	}
	return -1;
}

uint32_t
super_n_procs(const struct super *s)
{
	return s->n;
}
