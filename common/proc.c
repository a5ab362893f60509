#include "proc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	INBOX_MAX = 4, /* neighbours are at most one step apart: two messages can wait */
	FAULTS_MAX = 4, /* agreed and not yet acted: commands go one at a time */
	EXIT_RETIRED = 75, /* a stopped process that was woken after its successor was asked for */
};

struct slot {
	int64_t step;
	struct core_msg msg;
};

/* One (edge, incarnation of the peer). */
struct edge_rec {
	struct link_rec r;
	bool greeted;    /* GREETOK received */
	int64_t peer_j;  /* first step of the peer's clock as far as it matters here, -1: unknown */
	int64_t heard_ns;
	size_t head, n;
	struct slot in[INBOX_MAX];
};

struct edge {
	size_t n, cap;
	struct edge_rec **rec; /* rec[0] is worked off first */
	uint32_t last_inc;     /* newest incarnation that was announced */
	struct core_in older;  /* what JOIN replaced in this step: GONE of an older life, or nothing */
};

struct proc {
	const struct slice *s;
	const struct core_ops *ops;
	void *core;
	struct proc_io io;
	struct rec *rec;
	char *rec_dir;
	uint64_t keep_frames;
	size_t n;

	enum proc_state state;
	int exit_status;
	int64_t k, end, first; /* first: step at which the clock began, -1: not yet */
	bool go;           /* a scripted starter may begin */
	int64_t arrived_k; /* arrive() is complete for this k */
	size_t next_chan;  /* channels below are resolved for step k */
	int blocked_on;
	struct edge *edges;
	struct core_in *in;
	struct link_msg *out;
	struct core_msg **out_core;
	struct core_events events;
	size_t next_cmd; /* of slice->cmds */
	struct core_cmd *cmds; /* those of the step under way */
	size_t n_faults;
	struct core_cmd faults[FAULTS_MAX]; /* agreed by command, ascending k */

	bool held, paused, stays_paused, pending;
	struct sup_msg cmd; /* pending until k = cmd.k */
	double speed;
	int64_t speed_k;
	uint64_t bad;

	bool accused;
	int64_t now_ns, since_ns, wait_ns, accused_ns;
	int64_t since_k;
	int since_chan;
	struct err err;
};

static void
fail(struct proc *p, const struct err *err)
{
	if (!p->err.code)
		p->err = *err;
}

/* ---- records ------------------------------------------------------------------------------ */

static enum link_kind
kind_of(const struct proc *p, size_t chan)
{
	if (p->s->chans[chan].kind == CHAN_LINK)
		return LINK_KIND_LINK;
	return p->s->kind == PROC_NODE ? LINK_KIND_NODE_PORT : LINK_KIND_MODULE_PORT;
}

static struct edge_rec *
find(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge *e = &p->edges[chan];
	for (size_t i = 0; i < e->n; i++)
		if (e->rec[i]->r.peer_inc == inc)
			return e->rec[i];
	return NULL;
}

static void
send_type(struct proc *p, size_t chan, uint32_t inc, enum link_msg_type type, int64_t step)
{
	struct link_msg m = { .type = type, .from_inc = p->s->incarnation, .to_inc = inc, .step = step };
	if (type == LM_GREET) {
		memcpy(m.hello.topo_hash, p->s->topo_hash, sizeof m.hello.topo_hash);
		m.hello.step_ns = p->s->step_ns;
		m.hello.substeps = p->s->substeps;
		m.hello.port_period = p->s->port_period;
	}
	p->io.send(p->io.arg, chan, inc, &m);
}

static void
carry_out(struct proc *p, size_t chan, const struct edge_rec *e, unsigned actions)
{
	uint32_t inc = e->r.peer_inc;
	if (actions & LA_SOCKET)
		p->io.socket(p->io.arg, chan, inc);
	if (actions & LA_GREET)
		send_type(p, chan, inc, LM_GREET, p->k);
	if (actions & LA_GREETOK)
		send_type(p, chan, inc, LM_GREETOK, p->k);
	if (actions & LA_PARKED)
		send_type(p, chan, inc, LM_PARKED, p->k);
	if (actions & LA_CLOSE)
		p->io.close(p->io.arg, chan, inc);
	if (actions & LA_BAD)
		p->bad++;
}

static void
push(struct proc *p, struct edge_rec *e, const struct link_msg *m)
{
	if (e->n >= INBOX_MAX - 1) { /* one slot may be in use by the step under way */
		p->bad++;
		return;
	}
	struct slot *s = &e->in[(e->head + e->n++) % INBOX_MAX];
	s->step = m->step;
	if (m->type == LM_WAVE)
		memcpy(&s->msg, &m->core, offsetof(struct wave, m) + p->s->substeps * sizeof(double));
	else if (m->type == LM_OFFER)
		s->msg.offer = m->core.offer;
	else
		s->msg.answer = m->core.answer;
}

/* What was stashed before J was known is checked against J now. */
static void
unstash(struct proc *p, struct edge_rec *e)
{
	size_t n = e->n, kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct slot *s = &e->in[(e->head + i) % INBOX_MAX];
		if (link_fsm(&e->r, LE_DATA, &(struct link_arg){ .k = s->step }) & LA_TAKE) {
			if (kept != i)
				e->in[(e->head + kept) % INBOX_MAX] = *s;
			kept++;
		} else {
			p->bad++;
		}
	}
	e->n = kept;
}

/* The step from which this process takes part, -1: not known yet. */
static int64_t
own_j(const struct proc *p)
{
	return p->first >= 0 ? p->first : p->s->start_k;
}

/* J of a channel is the later of both ends' first steps, once both are known. */
static void
settle(struct proc *p, struct edge_rec *e, enum link_event event)
{
	int64_t own = own_j(p);
	struct link_arg a = { .k = own > e->peer_j ? own : e->peer_j,
		              .starts = own >= 0 && e->peer_j >= 0 };
	if (e->r.state != LINK_GREETING && e->r.state != LINK_READY)
		return;
	if (!a.starts && event == LE_SCRIPTED)
		return;
	link_fsm(&e->r, event, &a);
	if (e->r.state == LINK_LIVE)
		unstash(p, e);
}

static void
drop_rec(struct edge *e, size_t i)
{
	free(e->rec[i]);
	memmove(&e->rec[i], &e->rec[i + 1], (e->n - i - 1) * sizeof(struct edge_rec *));
	e->n--;
}

static struct edge_rec *
new_rec(struct proc *p, struct edge *e)
{
	struct edge_rec *r = calloc(1, sizeof *r);
	struct edge_rec **rec = e->rec;

	if (e->n == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 2;
		rec = realloc(e->rec, cap * sizeof(struct edge_rec *));
		if (rec) {
			e->rec = rec;
			e->cap = cap;
		}
	}
	if (!r || !rec) {
		struct err err = ERR_INIT;
		err_set(&err, ERR_NOMEM, "process %s: out of memory", p->s->id);
		fail(p, &err);
		free(r);
		return NULL;
	}
	e->rec[e->n++] = r;
	return r;
}

static void
announce(struct proc *p, size_t chan, uint32_t inc, bool runs)
{
	struct edge *e = &p->edges[chan];
	if (find(p, chan, inc))
		return;
	/* Lives that ended before they began make room. */
	for (size_t i = e->n; i-- > 1;)
		if (e->rec[i]->r.state == LINK_OPEN)
			drop_rec(e, i);
	struct edge_rec *r = new_rec(p, e);
	if (!r)
		return;
	e->last_inc = inc;
	/* Before the first clock starts, all that there is will start at 0. */
	bool first = p->s->start_k == 0 && p->first < 0;
	*r = (struct edge_rec){ .peer_j = runs || first ? 0 : -1, .heard_ns = p->now_ns };
	for (size_t i = 0; i < p->s->n_starts; i++) {
		const struct slice_start *st = &p->s->starts[i];
		if (st->chan == chan && st->peer_inc == inc)
			r->peer_j = st->j;
	}
	link_rec_init(&r->r, kind_of(p, chan), p->s->port_period, inc);
	carry_out(p, chan, r, link_fsm(&r->r, LE_ANNOUNCE, NULL));
	settle(p, r, first ? LE_START : LE_SCRIPTED);
}

/* ---- creation ----------------------------------------------------------------------------- */

static int
make_rec(struct proc *p, int64_t start_k, struct err *err)
{
	const struct slice *s = p->s;
	struct rec_head h = { .incarnation = s->incarnation,
		              .substeps = s->substeps,
		              .port_period = s->port_period,
		              .step_ns = s->step_ns,
		              .start_k = start_k,
		              .seed = s->seed };
	memcpy(h.kind, p->ops->kind, strlen(p->ops->kind) + 1);
	memcpy(h.id, s->id, sizeof h.id);
	memcpy(h.mesh, s->mesh, sizeof h.mesh);
	memcpy(h.topo_hash, s->topo_hash, sizeof h.topo_hash);
	size_t n;
	const struct rec_field *f = p->ops->fields(p->core, &n);
	return rec_create(p->rec_dir, &h, f, n, p->keep_frames, &p->rec, err);
}

int
proc_create(const struct slice *s, const struct core_ops *ops, const struct proc_io *io,
            const char *rec_dir, uint64_t keep_frames, struct proc **ret, struct err *err)
{
	struct proc *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(err, ERR_NOMEM, "process %s: out of memory", s->id);
	p->s = s;
	p->ops = ops;
	p->io = *io;
	p->n = s->n_chans;
	p->end = s->end_k;
	p->k = s->start_k;
	p->first = -1;
	p->arrived_k = -1;
	p->blocked_on = -1;
	p->speed = -1;
	p->keep_frames = keep_frames;
	size_t n = p->n ? p->n : 1;
	p->edges = calloc(n, sizeof *p->edges);
	p->in = calloc(n, sizeof *p->in);
	p->out = calloc(n, sizeof *p->out);
	p->out_core = calloc(n, sizeof(struct core_msg *));
	p->cmds = calloc(s->n_cmds + FAULTS_MAX, sizeof *p->cmds);
	p->rec_dir = rec_dir ? strdup(rec_dir) : NULL;
	int rc = 0;
	if (!p->cmds || !p->edges || !p->in || !p->out || !p->out_core || (rec_dir && !p->rec_dir))
		rc = err_set(err, ERR_NOMEM, "process %s: out of memory", s->id);
	for (size_t c = 0; rc == 0 && c < p->n; c++) {
		p->out_core[c] = &p->out[c].core;
		p->out[c].from_inc = s->incarnation;
	}
	if (rc == 0)
		rc = ops->create(s, &p->core, err);
	if (rc == 0 && s->start_k >= 0)
		rc = make_rec(p, s->start_k, err);
	if (rc < 0) {
		proc_destroy(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
proc_destroy(struct proc **pp)
{
	struct proc *p = *pp;
	if (!p)
		return;
	if (p->core)
		p->ops->destroy(&p->core);
	rec_destroy(&p->rec);
	free(p->rec_dir);
	for (size_t c = 0; p->edges && c < p->n; c++) {
		while (p->edges[c].n)
			drop_rec(&p->edges[c], p->edges[c].n - 1);
		free((void *)p->edges[c].rec);
	}
	free(p->edges);
	free(p->cmds);
	free(p->in);
	free(p->out);
	free((void *)p->out_core);
	free(p);
	*pp = NULL;
}

void
proc_open(struct proc *p)
{
	for (size_t c = 0; c < p->n; c++)
		if (p->s->chans[c].peer_inc)
			announce(p, c, p->s->chans[c].peer_inc, p->s->chans[c].peer_runs);
}

/* ---- reports ------------------------------------------------------------------------------ */

static void
report(struct proc *p, enum sup_msg_type type, uint32_t cmd)
{
	struct sup_msg m = { .type = type, .cmd = cmd, .k = p->k };
	if (p->state < PROC_RUNNING)
		m.k = -1;
	p->io.report(p->io.arg, &m);
}

static int
record_frame(struct proc *p)
{
	struct err err = ERR_INIT;
	p->ops->frame(p->core, rec_next(p->rec));
	int rc = rec_commit(p->rec, &err);
	if (rc < 0)
		fail(p, &err);
	return rc;
}

static void
record_event(struct proc *p, const struct core_event *e)
{
	struct err err = ERR_INIT;
	if (p->rec && rec_event(p->rec, e, &err) < 0)
		fail(p, &err);
	if (p->io.event)
		p->io.event(p->io.arg, e);
}

static void
start(struct proc *p, int64_t j)
{
	struct err err = ERR_INIT;
	p->k = p->first = j;
	if (j >= p->end) {
		p->state = PROC_DONE;
		report(p, SM_DONE, 0);
		return;
	}
	p->state = PROC_RUNNING;
	if (!p->rec && make_rec(p, j, &err) < 0) {
		fail(p, &err);
		return;
	}
	record_frame(p);
	if (j > 0)
		record_event(p, &(struct core_event){ .k = j, .code = EV_JOINED, .chan = -1,
		                                      .a = p->s->incarnation });
}

/* ---- messages ----------------------------------------------------------------------------- */

static bool
hello_fits(const struct proc *p, const struct hello *h)
{
	return memcmp(h->topo_hash, p->s->topo_hash, sizeof h->topo_hash) == 0 &&
	       h->step_ns == p->s->step_ns && h->substeps == p->s->substeps &&
	       h->port_period == p->s->port_period;
}

static enum link_msg_type
data_type(const struct link_rec *r)
{
	static const enum link_msg_type types[] = { [LINK_KIND_LINK] = LM_WAVE,
		                                    [LINK_KIND_NODE_PORT] = LM_ANSWER,
		                                    [LINK_KIND_MODULE_PORT] = LM_OFFER };
	return types[r->kind];
}

void
proc_receive(struct proc *p, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct edge_rec *e = find(p, chan, inc);
	unsigned actions = 0;

	if (!e || m->from_inc != inc || m->to_inc != p->s->incarnation) {
		p->bad++;
		return;
	}
	e->heard_ns = p->now_ns;
	switch (m->type) {
	case LM_GREET:
		if (!hello_fits(p, &m->hello)) {
			p->bad++;
			struct sup_msg r = { .type = SM_REFUSED, .proc = p->s->chans[chan].peer };
			p->io.report(p->io.arg, &r);
			return;
		}
		actions = link_fsm(&e->r, LE_GREET, NULL);
		break;
	case LM_GREETOK:
		e->greeted = true;
		actions = link_fsm(&e->r, LE_GREETOK, NULL);
		break;
	case LM_PARK:
		actions = link_fsm(&e->r, LE_PARK, &(struct link_arg){ .k = m->step });
		break;
	case LM_PARKED:
		actions = link_fsm(&e->r, LE_PARKED, NULL);
		break;
	case LM_WAIT:
		break;
	default:
		if (m->type != data_type(&e->r)) {
			p->bad++;
			return;
		}
		actions = link_fsm(&e->r, LE_DATA, &(struct link_arg){ .k = m->step });
		if (actions & (LA_TAKE | LA_STASH))
			push(p, e, m);
	}
	carry_out(p, chan, e, actions);
}

bool
proc_can_receive(const struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = find((struct proc *)(uintptr_t)p, chan, inc);
	return !e || e->n < INBOX_MAX - 1;
}

void
proc_connected(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = find(p, chan, inc);
	if (e)
		e->r.connected = true;
}

void
proc_disconnected(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = find(p, chan, inc);
	if (e)
		carry_out(p, chan, e, link_fsm(&e->r, LE_DISCONNECTED, NULL));
}

void
proc_greet_again(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = find(p, chan, inc);
	if (e && !e->greeted && e->r.state != LINK_OPEN && !e->r.gone)
		send_type(p, chan, inc, LM_GREET, p->k);
}

/* ---- words of the supervisor -------------------------------------------------------------- */

static bool
among(const struct sup_msg *m, uint32_t proc)
{
	for (uint32_t i = 0; i < m->n_starters; i++)
		if (m->starters[i] == proc)
			return true;
	return false;
}

/* The newest record of a channel, or NULL. */
static struct edge_rec *
newest(struct proc *p, size_t chan)
{
	struct edge *e = &p->edges[chan];
	return e->n ? e->rec[e->n - 1] : NULL;
}

static void
agree_start(struct proc *p, const struct sup_msg *m)
{
	bool self = p->state == PROC_READY && p->s->start_k < 0 && among(m, p->s->index);

	if (self)
		start(p, m->k);
	if (m->k >= p->end)
		return;
	for (size_t c = 0; c < p->n; c++) {
		struct edge_rec *e = newest(p, c);
		if (!e)
			continue;
		if (among(m, p->s->chans[c].peer) && e->peer_j < 0)
			e->peer_j = m->k;
		settle(p, e, LE_AGREE);
	}
}

/* Turns an agreed fault into a command of this core, if it concerns it. */
static void
agree_fault(struct proc *p, const struct sup_msg *m)
{
	struct core_cmd cmd = { .k = m->k, .kind = m->fault, .chan = -1, .a = m->a, .b = m->b, .c = m->c };
	bool mine = m->edge < 0 && m->proc == p->s->index;

	for (size_t c = 0; m->edge >= 0 && c < p->n; c++) {
		if (p->s->chans[c].edge != (uint32_t)m->edge)
			continue;
		mine = true;
		cmd.chan = (int32_t)c;
		if (!p->s->chans[c].is_a)
			cmd.c = -cmd.c;
	}
	assert(p->n_faults < FAULTS_MAX); /* one command at a time */
	if (mine)
		p->faults[p->n_faults++] = cmd;
}

/* Nothing is left to wait for: the command lies past this process's time, or before it. */
static void
act_at_once(struct proc *p, const struct sup_msg *m, bool before)
{
	if (m->act == ACT_SPEED) {
		p->speed = m->x;
		p->speed_k = p->k;
	}
	p->paused = before && (m->act == ACT_PAUSE || p->stays_paused);
	report(p, SM_ACTED, m->cmd);
}

static void
agree(struct proc *p, const struct sup_msg *m)
{
	if (p->state == PROC_PARKING || p->state == PROC_PARKED || p->state == PROC_EXIT)
		return;
	int64_t end = p->end;
	/* Only a resume or the stop ends a pause; other commands take it along to S. */
	p->stays_paused = p->paused && m->act != ACT_NONE && m->act != ACT_STOP;
	p->held = p->paused = false;
	if (m->act == ACT_STOP && m->k < p->end)
		p->end = m->k;
	if (m->act == ACT_START)
		agree_start(p, m);
	/* A newcomer without a clock has none to wait for; a scripted one has, before it begins. */
	int64_t k = p->state >= PROC_RUNNING ? p->k : own_j(p);
	if (p->state == PROC_DONE || k < 0 || m->k >= end || m->k < k) {
		/* Only a starter can be above S: S lies above what all others reported. */
		assert(p->state != PROC_RUNNING || m->k >= k || p->s->start_k > 0);
		act_at_once(p, m, p->state != PROC_DONE && m->k < end);
		return;
	}
	assert(!p->pending);
	if (m->act == ACT_FAULT)
		agree_fault(p, m);
	p->cmd = *m;
	p->pending = true;
}

static void
act(struct proc *p)
{
	p->pending = false;
	p->paused = p->stays_paused;
	switch (p->cmd.act) {
	case ACT_PAUSE:
		p->paused = true;
		break;
	case ACT_SPEED:
		p->speed = p->cmd.x;
		p->speed_k = p->k;
		break;
	default:
		break;
	}
	report(p, SM_ACTED, p->cmd.cmd);
}

/* The first clock starts for all at 0; a scripted starter is told that every earlier word about
 * agreed commands has reached it. */
static void
started(struct proc *p)
{
	if (p->s->start_k > 0) {
		p->go = true;
		return;
	}
	if (p->state == PROC_READY || p->state == PROC_GREETING)
		start(p, 0);
}

void
proc_supervisor(struct proc *p, const struct sup_msg *m)
{
	switch (m->type) {
	case SM_START:
		started(p);
		break;
	case SM_ANNOUNCE:
		if (p->state == PROC_PARKING || p->state == PROC_PARKED)
			break;
		for (size_t c = 0; c < p->n; c++)
			if (p->s->chans[c].peer == m->proc)
				announce(p, c, m->inc, false);
		break;
	case SM_DEATH:
		for (size_t c = 0; c < p->n; c++) {
			struct edge_rec *e = p->s->chans[c].peer == m->proc ? find(p, c, m->inc) : NULL;
			if (e)
				carry_out(p, c, e, link_fsm(&e->r, LE_DEATH, NULL));
		}
		break;
	case SM_HOLD:
		if (p->state == PROC_PARKING || p->state == PROC_PARKED || p->state == PROC_DONE)
			break;
		p->held = true;
		report(p, SM_HELD, m->cmd);
		break;
	case SM_AGREE:
		agree(p, m);
		break;
	case SM_BYE:
		p->state = PROC_EXIT;
		break;
	case SM_RETIRE:
		p->state = PROC_EXIT;
		p->exit_status = EXIT_RETIRED;
		break;
	default:
		p->bad++;
	}
}

/* ---- steps -------------------------------------------------------------------------------- */

static bool
all_greeted(const struct proc *p)
{
	for (size_t c = 0; c < p->n; c++) {
		const struct edge *e = &p->edges[c];
		for (size_t i = 0; i < e->n; i++)
			if (!e->rec[i]->greeted && e->rec[i]->r.state != LINK_OPEN && !e->rec[i]->r.gone &&
			    !e->rec[i]->r.park)
				return false;
	}
	return true;
}

static void
become_ready(struct proc *p)
{
	p->state = PROC_READY;
	report(p, SM_READY, 0);
}

/* A scripted starter goes by itself, unless a command is under way or the mesh is paused. */
static bool
may_start(const struct proc *p)
{
	return p->go && p->s->start_k > 0 && !p->held && !p->paused;
}

/* A scripted start of the peer lies behind, and it has not been announced: wait for it. */
static bool
awaits_scripted(const struct proc *p, size_t chan)
{
	for (size_t i = 0; i < p->s->n_starts; i++) {
		const struct slice_start *st = &p->s->starts[i];
		if (st->chan == chan && st->j <= p->k && st->peer_inc > p->edges[chan].last_inc)
			return true;
	}
	return false;
}

static void
offer(struct proc *p, size_t chan)
{
	struct edge_rec *e = p->edges[chan].rec[0];
	struct link_msg *m = &p->out[chan];

	if (e->r.kind != LINK_KIND_NODE_PORT || e->r.state != LINK_LIVE || p->k < e->r.j ||
	    p->k % link_period(&e->r) != 0)
		return;
	p->ops->offer(p->core, p->k, chan, &m->core);
	m->type = LM_OFFER;
	m->to_inc = e->r.peer_inc;
	m->step = p->k;
	p->io.send(p->io.arg, chan, e->r.peer_inc, m);
}

static bool
later_reached(const struct proc *p, const struct edge *e)
{
	for (size_t i = 1; i < e->n; i++)
		if (e->rec[i]->r.state == LINK_LIVE && p->k >= e->rec[i]->r.j)
			return true;
	return false;
}

/* The first record is worked off; a later one whose J is reached takes its place. */
static bool
arrive_chan(struct proc *p, size_t chan)
{
	struct edge *e = &p->edges[chan];
	struct core_in *in = &p->in[chan];
	const struct link_arg at = { .k = p->k };

	if (awaits_scripted(p, chan))
		return false;
	while (later_reached(p, e)) {
		struct edge_rec *old = e->rec[0];
		unsigned actions = link_fsm(&old->r, LE_LATER, &at);
		if (!(actions & LA_READY))
			return false;
		if (actions & LA_GONE)
			*in = (struct core_in){ .kind = CORE_IN_GONE,
				                .rx = old->r.rx,
				                .peer_inc = old->r.peer_inc };
		carry_out(p, chan, old, actions);
		drop_rec(e, 0);
	}
	if (e->n == 0)
		return true;
	struct edge_rec *r = e->rec[0];
	if (!r->r.joined && r->r.state == LINK_LIVE && p->k >= r->r.j) {
		unsigned actions = link_fsm(&r->r, LE_JOIN, &at);
		carry_out(p, chan, r, actions);
		e->older = *in;
		if (actions & LA_JOIN) { /* rx stays that of an older life that ends here */
			in->kind = CORE_IN_JOIN;
			in->peer_inc = r->r.peer_inc;
		}
	}
	offer(p, chan);
	return true;
}

static bool
arrive(struct proc *p)
{
	if (p->arrived_k == p->k)
		return true;
	for (; p->next_chan < p->n; p->next_chan++)
		if (!arrive_chan(p, p->next_chan)) {
			p->blocked_on = (int)p->next_chan;
			return false;
		}
	p->arrived_k = p->k;
	p->next_chan = 0;
	return true;
}

static bool
take(struct proc *p, size_t chan, struct edge_rec *e)
{
	int64_t want = p->k - link_lag(&e->r);
	while (e->n) {
		struct slot *s = &e->in[e->head];
		e->head = (e->head + 1) % INBOX_MAX;
		e->n--;
		if (s->step == want) {
			/* The slot stays untouched until the step is done: at most
			 * INBOX_MAX - 1 messages are let in. */
			p->in[chan].kind = CORE_IN_MSG;
			p->in[chan].msg = &s->msg;
			return true;
		}
	}
	return false;
}

static bool
gather(struct proc *p)
{
	for (; p->next_chan < p->n; p->next_chan++) {
		size_t c = p->next_chan;
		struct edge *e = &p->edges[c];
		if (e->n == 0)
			continue;
		struct link_rec *r = &e->rec[0]->r;
		unsigned actions = link_fsm(r, LE_NEED, &(struct link_arg){ .k = p->k });
		if (!(actions & LA_READY)) {
			p->blocked_on = (int)c;
			return false;
		}
		if (actions & LA_USE) {
			bool found = take(p, c, e->rec[0]);
			assert(found);
		}
		if (actions & LA_GONE) {
			/* Gone before its first offer came: for the core it never joined. */
			bool joins = p->in[c].kind == CORE_IN_JOIN;
			p->in[c] = joins ? e->older
			                 : (struct core_in){ .kind = CORE_IN_GONE,
				                             .rx = r->rx,
				                             .peer_inc = r->peer_inc };
			carry_out(p, c, e->rec[0], actions);
		}
	}
	return true;
}

/* Commands that act at k: scripted and agreed ones. Returns how many stand in p->cmds. */
static size_t
commands(struct proc *p)
{
	size_t n = 0;
	while (p->next_cmd < p->s->n_cmds && p->s->cmds[p->next_cmd].k <= p->k) {
		const struct core_cmd *c = &p->s->cmds[p->next_cmd++];
		if (c->k == p->k)
			p->cmds[n++] = *c;
	}
	size_t kept = 0;
	for (size_t i = 0; i < p->n_faults; i++) {
		if (p->faults[i].k <= p->k)
			p->cmds[n++] = p->faults[i];
		else
			p->faults[kept++] = p->faults[i];
	}
	p->n_faults = kept;
	return n;
}

static void
send_results(struct proc *p)
{
	for (size_t c = 0; c < p->n; c++) {
		const struct edge *e = &p->edges[c];
		if (e->n == 0 || e->rec[0]->r.state != LINK_LIVE || p->k < e->rec[0]->r.j)
			continue;
		const struct link_rec *r = &e->rec[0]->r;
		struct link_msg *m = &p->out[c];
		if (r->kind == LINK_KIND_LINK) {
			m->type = LM_WAVE;
			m->step = p->k;
		} else if (r->kind == LINK_KIND_MODULE_PORT) {
			m->type = LM_ANSWER;
			m->step = p->k + 1 - link_period(r);
			if ((p->k + 1) % link_period(r) != 0 || m->step < r->j)
				continue;
		} else {
			continue;
		}
		m->to_inc = r->peer_inc;
		p->io.send(p->io.arg, c, r->peer_inc, m);
	}
}

static int
step(struct proc *p)
{
	size_t n_cmds = 0;

	if (p->next_cmd < p->s->n_cmds || p->n_faults)
		n_cmds = commands(p);
	p->events.n = 0;
	p->ops->step(p->core, p->k, p->in, p->out_core, p->cmds, n_cmds, &p->events);
	memset(p->in, 0, p->n * sizeof *p->in); /* CORE_IN_IDLE */
	send_results(p);
	p->k++;
	p->next_chan = 0;
	for (size_t i = 0; i < p->events.n; i++)
		record_event(p, &p->events.e[i]);
	if (record_frame(p) < 0)
		return -1;
	return 0;
}

/* ---- the scripted victim ------------------------------------------------------------------ */

static void
park(struct proc *p)
{
	p->state = PROC_PARKING;
	record_event(p, &(struct core_event){ .k = p->k, .code = EV_PARK, .chan = -1 });
	for (size_t c = 0; c < p->n; c++)
		for (size_t i = 0; i < p->edges[c].n; i++) {
			struct edge_rec *e = p->edges[c].rec[i];
			if (e->r.state != LINK_OPEN && e->r.state != LINK_NONE)
				send_type(p, c, e->r.peer_inc, LM_PARK, p->k);
		}
}

static void
check_parked(struct proc *p)
{
	for (size_t c = 0; c < p->n; c++)
		for (size_t i = 0; i < p->edges[c].n; i++) {
			const struct link_rec *r = &p->edges[c].rec[i]->r;
			if (r->state == LINK_LIVE && !r->answered && !r->park && !r->gone) {
				p->blocked_on = (int)c;
				return;
			}
		}
	p->state = PROC_PARKED;
	report(p, SM_PARKED, 0);
}

/* ---- the loop ----------------------------------------------------------------------------- */

/* Anything that keeps the process from its next step; PROC_PACED: nothing. */
static enum proc_result
before_step(struct proc *p)
{
	switch (p->state) {
	case PROC_GREETING:
		if (!all_greeted(p))
			return PROC_WAITING;
		become_ready(p);
		return before_step(p);
	case PROC_READY:
		if (!may_start(p))
			return PROC_WAITING;
		start(p, p->s->start_k);
		return before_step(p);
	case PROC_PARKED:
	case PROC_DONE:
		return PROC_WAITING;
	case PROC_EXIT:
		return PROC_ENDED;
	case PROC_PARKING:
		check_parked(p);
		return PROC_WAITING;
	case PROC_RUNNING:
		break;
	}
	if (p->pending && p->k == p->cmd.k)
		act(p);
	if (p->k >= p->end) {
		p->state = PROC_DONE;
		report(p, SM_DONE, 0);
		return PROC_WAITING;
	}
	if (p->held || p->paused)
		return PROC_WAITING;
	return PROC_PACED;
}

enum proc_result
proc_run(struct proc *p, int64_t max_steps, struct err *err)
{
	for (int64_t left = max_steps;;) {
		p->blocked_on = -1;
		enum proc_result r = before_step(p);
		if (p->err.code) {
			if (err)
				*err = p->err;
			return PROC_FAILED;
		}
		if (r != PROC_PACED)
			return r;
		if (p->state != PROC_RUNNING)
			continue;
		if (!arrive(p))
			return PROC_BLOCKED;
		if (p->k == p->s->kill_k - 1) {
			park(p);
			continue;
		}
		if (left-- <= 0)
			return PROC_PACED;
		if (!gather(p))
			return PROC_BLOCKED;
		if (step(p) < 0)
			continue;
	}
}

/* ---- wall time ---------------------------------------------------------------------------- */

static void
tell_waiting(struct proc *p)
{
	for (size_t c = 0; c < p->n; c++)
		for (size_t i = 0; i < p->edges[c].n; i++) {
			const struct link_rec *r = &p->edges[c].rec[i]->r;
			if ((int)c != p->since_chan && r->connected && !r->gone && !r->park &&
			    (r->state == LINK_LIVE || r->state == LINK_READY))
				send_type(p, c, r->peer_inc, LM_WAIT, p->k);
		}
}

/* The record whose peer this process waits for, NULL: none that could be named. */
static const struct edge_rec *
awaited(const struct proc *p)
{
	if (p->blocked_on < 0)
		return NULL;
	const struct edge *e = &p->edges[p->blocked_on];
	for (size_t i = 0; i < e->n; i++) {
		const struct link_rec *r = &e->rec[i]->r;
		if (r->state != LINK_OPEN)
			return r->gone || r->park ? NULL : e->rec[i];
	}
	return NULL;
}

static void
accuse(struct proc *p, const struct edge_rec *e, int64_t stall_ns)
{
	int64_t heard = e->heard_ns > p->since_ns ? e->heard_ns : p->since_ns;
	if (p->now_ns - heard <= stall_ns || (p->accused && p->now_ns - p->accused_ns <= stall_ns))
		return;
	p->accused = true;
	p->accused_ns = p->now_ns;
	struct sup_msg m = { .type = SM_ACCUSE,
		             .proc = p->s->chans[p->blocked_on].peer,
		             .inc = e->r.peer_inc,
		             .k = p->k };
	p->io.report(p->io.arg, &m);
}

void
proc_tick(struct proc *p, int64_t now_ns, int64_t stall_ns)
{
	p->now_ns = now_ns;
	if (p->k != p->since_k || p->blocked_on != p->since_chan) {
		p->since_k = p->k;
		p->since_chan = p->blocked_on;
		p->since_ns = p->wait_ns = now_ns;
		return;
	}
	bool waits = p->blocked_on >= 0 || p->held || p->state == PROC_PARKING ||
	             p->state == PROC_GREETING;
	if (!waits || now_ns - p->since_ns <= stall_ns / 5)
		return;
	if (now_ns - p->wait_ns >= stall_ns / 5) {
		p->wait_ns = now_ns;
		tell_waiting(p);
	}
	const struct edge_rec *e = awaited(p);
	if (e && !p->held && !p->paused)
		accuse(p, e, stall_ns);
}

/* ---- what the host wants to know ------------------------------------------------------------ */

int
proc_blocked_on(const struct proc *p, uint32_t *inc)
{
	if (p->blocked_on >= 0 && inc)
		*inc = p->edges[p->blocked_on].n ? p->edges[p->blocked_on].rec[0]->r.peer_inc : 0;
	return p->blocked_on;
}

enum proc_state
proc_state(const struct proc *p)
{
	return p->state;
}

int
proc_exit_status(const struct proc *p)
{
	return p->exit_status;
}

int64_t
proc_k(const struct proc *p)
{
	return p->k;
}

bool
proc_held(const struct proc *p)
{
	return p->held;
}

bool
proc_paused(const struct proc *p)
{
	return p->paused;
}

double
proc_speed(const struct proc *p, int64_t *since_k)
{
	if (since_k)
		*since_k = p->speed_k;
	return p->speed;
}

struct rec *
proc_rec(struct proc *p)
{
	return p->rec;
}

struct rec *
proc_take_rec(struct proc *p)
{
	struct rec *r = p->rec;
	p->rec = NULL;
	return r;
}

const struct slice *
proc_slice(const struct proc *p)
{
	return p->s;
}

uint64_t
proc_bad_messages(const struct proc *p)
{
	return p->bad;
}

const struct link_rec *
proc_link(const struct proc *p, size_t chan)
{
	return p->edges[chan].n ? &p->edges[chan].rec[0]->r : NULL;
}
