/*
 * The stages of a process: creation, greeting (proc_open), ready, then step after step
 * (proc_step.c) until the end, the script or the supervisor (proc_words.c) says otherwise.
 */
#include "proc.h"

#include <stdlib.h>
#include <string.h>

#include "proc_priv.h"

void
proc_fail(struct proc *p, const struct err *err)
{
	if (!p->err.code)
		p->err = *err;
}

void
proc_report(struct proc *p, enum sup_msg_type type, uint32_t cmd)
{
	struct sup_msg m = { .type = type, .cmd = cmd, .k = p->k };
	if (p->state < PROC_RUNNING)
		m.k = -1;
	p->io.report(p->io.arg, &m);
}

/* ---- creation ----------------------------------------------------------------------------- */

int
proc_create(const struct slice *s, const struct core_ops *ops, const struct proc_io *io,
            const char *rec_dir, uint64_t keep_frames, struct proc **ret, struct err *err)
{
	struct proc *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(err, ERR_NOMEM, "process %s: out of memory", s->id);
	p->s = s;
	p->inc = s->incarnation;
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
		p->placed.from_inc = s->incarnation;
	}
	if (rc == 0)
		rc = ops->create(s, &p->core, err);
	if (rc == 0 && s->start_k >= 0)
		rc = proc_step_make_rec(p, s->start_k, err);
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
			proc_channel_drop(&p->edges[c], p->edges[c].n - 1);
		proc_channel_free(&p->edges[c]);
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
			proc_channel_announce(p, c, p->s->chans[c].peer_inc,
			                      p->s->chans[c].peer_runs);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static bool
all_greeted(const struct proc *p)
{
	for (size_t c = 0; c < p->n; c++) {
		const struct edge *e = &p->edges[c];
		for (size_t i = 0; i < e->n; i++)
			if (!e->rec[i]->greeted && e->rec[i]->r.state != LINK_OPEN &&
			    !e->rec[i]->r.gone && !e->rec[i]->r.park)
				return false;
	}
	return true;
}

static void
become_ready(struct proc *p)
{
	p->state = PROC_READY;
	proc_report(p, SM_READY, 0);
}

/* A scripted starter goes by itself, unless a command is under way or the mesh is paused. */
static bool
may_start(const struct proc *p)
{
	return p->go && p->s->start_k > 0 && !p->held && !p->paused;
}

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
		proc_step_start(p, p->s->start_k);
		return before_step(p);
	case PROC_PARKED:
	case PROC_DONE:
		return PROC_WAITING;
	case PROC_EXIT:
		return PROC_ENDED;
	case PROC_PARKING:
		proc_step_check_parked(p);
		return PROC_WAITING;
	case PROC_RUNNING:
		break;
	}
	if (p->pending && p->k == p->cmd.k)
		proc_words_act(p);
	if (p->k >= p->end) {
		p->state = PROC_DONE;
		proc_report(p, SM_DONE, 0);
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
		if (!proc_step_arrive(p))
			return PROC_BLOCKED;
		if (p->k == p->s->kill_k - 1) {
			proc_step_park(p);
			continue;
		}
		if (left-- <= 0)
			return PROC_PACED;
		if (!proc_step_gather(p))
			return PROC_BLOCKED;
		if (proc_step_compute(p) < 0)
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
				proc_channel_send(p, c, r->peer_inc, LM_WAIT, p->k);
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
proc_tick(struct proc *p, int64_t wall_ns, int64_t stall_ns)
{
	/* On a host that froze or starved it nobody can say what did not come meanwhile. */
	const int64_t gap = wall_ns - p->looked_ns, most = stall_ns / 5;
	p->looked_ns = wall_ns;
	p->now_ns += gap < most ? gap : most;
	const int64_t now_ns = p->now_ns;
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

/* ---- what the host wants to know ---------------------------------------------------------- */

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
