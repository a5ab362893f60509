/* Words of the supervisor. Agreed commands wait here until their step: docs/link-life.md. */
#include "proc_priv.h"

#include <assert.h>
#include <math.h>

/* Exit status of a stopped process that was woken after its successor was asked for. */
enum { EXIT_RETIRED = 75 };

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
		proc_step_start(p, m->k);
	if (m->k >= p->end)
		return;
	for (size_t c = 0; c < p->n; c++) {
		struct edge_rec *e = newest(p, c);
		if (!e)
			continue;
		if (among(m, p->s->chans[c].peer) && e->peer_j < 0)
			e->peer_j = m->k;
		proc_channel_settle(p, e, LE_AGREE);
	}
}

/* Turns an agreed fault into a command of this core, if it concerns it. */
static void
agree_fault(struct proc *p, const struct sup_msg *m)
{
	assert(p->n_faults < FAULTS_MAX); /* one command at a time */
	if (slice_takes(p->s, m, &p->faults[p->n_faults]))
		p->n_faults++;
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
	proc_report(p, SM_ACTED, m->cmd);
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
	/* It waits at its scripted start, and the mesh ends before: it was never there. */
	if (m->act == ACT_STOP && p->state == PROC_RUNNING && p->s->start_k > 0 && m->k < p->first) {
		rec_discard(&p->rec);
		p->k = m->k;
		proc_report(p, SM_ACTED, m->cmd);
		p->state = PROC_DONE;
		proc_report(p, SM_DONE, 0);
		return;
	}
	/* A newcomer without a clock has none to wait for; a scripted one has, before it begins. */
	int64_t k = p->state >= PROC_RUNNING ? p->k : proc_channel_own_j(p);
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

void
proc_words_act(struct proc *p)
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
	proc_report(p, SM_ACTED, p->cmd.cmd);
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
		proc_step_start(p, 0);
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
				proc_channel_announce(p, c, m->inc, false);
		break;
	case SM_DEATH:
		for (size_t c = 0; c < p->n; c++) {
			struct edge_rec *e = p->s->chans[c].peer == m->proc
			                             ? proc_channel_find(p, c, m->inc)
			                             : NULL;
			if (e)
				proc_channel_carry_out(p, c, e, link_fsm(&e->r, LE_DEATH, NULL));
		}
		break;
	case SM_HOLD:
		if (p->state == PROC_PARKING || p->state == PROC_PARKED || p->state == PROC_DONE)
			break;
		p->held = true;
		proc_report(p, SM_HELD, m->cmd);
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
