/* Records of channels: how they come and go, and the messages that they take in. */
#include "proc_priv.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- records ------------------------------------------------------------------------------ */

static enum link_kind
kind_of(const struct proc *p, size_t chan)
{
	if (p->s->chans[chan].kind == CHAN_LINK)
		return LINK_KIND_LINK;
	return p->s->kind == PROC_NODE ? LINK_KIND_NODE_PORT : LINK_KIND_MODULE_PORT;
}

struct edge_rec *
proc_channel_find(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge *e = &p->edges[chan];
	for (size_t i = 0; i < e->n; i++)
		if (e->rec[i]->r.peer_inc == inc)
			return e->rec[i];
	return NULL;
}

void
proc_channel_send(struct proc *p, size_t chan, uint32_t inc, enum link_msg_type type, int64_t step)
{
	struct link_msg m = {
		.type = type, .from_inc = p->s->incarnation, .to_inc = inc, .step = step
	};
	if (type == LM_GREET) {
		memcpy(m.hello.topo_hash, p->s->topo_hash, sizeof m.hello.topo_hash);
		m.hello.step_ns = p->s->step_ns;
		m.hello.substeps = p->s->substeps;
		m.hello.port_period = p->s->port_period;
	}
	p->io.send(p->io.arg, chan, inc, &m);
}

void
proc_channel_carry_out(struct proc *p, size_t chan, const struct edge_rec *e, unsigned actions)
{
	uint32_t inc = e->r.peer_inc;
	if (actions & LA_SOCKET)
		p->io.socket(p->io.arg, chan, inc);
	if (actions & LA_GREET)
		proc_channel_send(p, chan, inc, LM_GREET, p->k);
	if (actions & LA_GREETOK)
		proc_channel_send(p, chan, inc, LM_GREETOK, p->k);
	if (actions & LA_PARKED)
		proc_channel_send(p, chan, inc, LM_PARKED, p->k);
	if (actions & LA_CLOSE)
		p->io.close(p->io.arg, chan, inc);
	if (actions & LA_BAD)
		p->bad++;
}

static void
push(struct proc *p, struct edge_rec *e, const struct link_msg *m, bool placed)
{
	if (e->n >= INBOX_MAX - 1) { /* one slot may be in use by the step under way */
		p->bad++;
		return;
	}
	struct slot *s = &e->in[e->order[e->n++]];
	s->step = m->step;
	if (placed)
		return;
	if (m->type == LM_WAVE)
		memcpy(&s->msg, &m->core,
		       offsetof(struct wave, m) + p->s->substeps * sizeof(double));
	else if (m->type == LM_OFFER)
		s->msg.offer = m->core.offer;
	else
		s->msg.answer = m->core.answer;
}

/* What was stashed before J was known is checked against J now. */
static void
unstash(struct proc *p, struct edge_rec *e)
{
	const uint8_t n = e->n;
	uint8_t kept = 0;
	for (uint8_t i = 0; i < n; i++) {
		const uint8_t slot = e->order[i];
		const struct link_arg at = { .k = e->in[slot].step };
		if (link_fsm(&e->r, LE_DATA, &at) & LA_TAKE) {
			e->order[i] = e->order[kept];
			e->order[kept++] = slot;
		} else {
			p->bad++;
		}
	}
	e->n = kept;
}

/* The step from which this process takes part, -1: not known yet. */
int64_t
proc_channel_own_j(const struct proc *p)
{
	return p->first >= 0 ? p->first : p->s->start_k;
}

/* J of a channel is the later of both ends' first steps, once both are known. */
void
proc_channel_settle(struct proc *p, struct edge_rec *e, enum link_event event)
{
	int64_t own = proc_channel_own_j(p);
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

void
proc_channel_drop(struct edge *e, size_t i)
{
	free(e->rec[i]);
	memmove(&e->rec[i], &e->rec[i + 1], (e->n - i - 1) * sizeof(struct edge_rec *));
	e->n--;
}

void
proc_channel_free(struct edge *e)
{
	if (e->rec != e->own)
		free((void *)e->rec);
	e->rec = NULL;
	e->cap = 0;
}

static struct edge_rec *
new_rec(struct proc *p, struct edge *e)
{
	struct edge_rec *r = aligned_alloc(_Alignof(struct edge_rec), sizeof *r);
	struct edge_rec **rec = e->rec;

	if (e->n == e->cap) {
		uint32_t cap = e->cap ? 2 * e->cap : EDGE_OWN_RECS;
		rec = e->cap ? malloc(cap * sizeof(struct edge_rec *)) : e->own;
		if (rec) {
			if (e->n)
				memcpy((void *)rec, (void *)e->rec, e->n * sizeof(struct edge_rec *));
			proc_channel_free(e);
			e->rec = rec;
			e->cap = cap;
		}
	}
	if (!r || !rec) {
		struct err err = ERR_INIT;
		err_set(&err, ERR_NOMEM, "process %s: out of memory", p->s->id);
		proc_fail(p, &err);
		free(r);
		return NULL;
	}
	e->rec[e->n++] = r;
	return r;
}

void
proc_channel_announce(struct proc *p, size_t chan, uint32_t inc, bool runs)
{
	struct edge *e = &p->edges[chan];
	if (proc_channel_find(p, chan, inc))
		return;
	/* Lives that ended before they began make room. */
	for (size_t i = e->n; i-- > 1;)
		if (e->rec[i]->r.state == LINK_OPEN)
			proc_channel_drop(e, i);
	struct edge_rec *r = new_rec(p, e);
	if (!r)
		return;
	e->last_inc = inc;
	/* Before the first clock starts, all that there is will start at 0. */
	bool first = p->s->start_k == 0 && p->first < 0;
	*r = (struct edge_rec){ .peer_j = runs || first ? 0 : -1, .heard_ns = p->now_ns };
	for (uint8_t i = 0; i < INBOX_MAX; i++)
		r->order[i] = i;
	for (size_t i = 0; i < p->s->n_starts; i++) {
		const struct slice_start *st = &p->s->starts[i];
		if (st->chan == chan && st->peer_inc == inc)
			r->peer_j = st->j;
	}
	link_rec_init(&r->r, kind_of(p, chan), p->s->port_period, inc);
	proc_channel_carry_out(p, chan, r, link_fsm(&r->r, LE_ANNOUNCE, NULL));
	proc_channel_settle(p, r, first ? LE_START : LE_SCRIPTED);
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

static void
receive(struct proc *p, size_t chan, struct edge_rec *e, uint32_t inc, const struct link_msg *m,
        bool placed)
{
	unsigned actions = 0;

	if (!e || m->from_inc != inc || m->to_inc != p->inc) {
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
			push(p, e, m, placed);
	}
	if (actions & ~(unsigned)(LA_TAKE | LA_STASH))
		proc_channel_carry_out(p, chan, e, actions);
}

void
proc_receive(struct proc *p, size_t chan, uint32_t inc, const struct link_msg *m)
{
	receive(p, chan, proc_channel_find(p, chan, inc), inc, m, false);
}

struct core_msg *
proc_room(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = proc_channel_find(p, chan, inc);
	return e && e->n < INBOX_MAX - 1 ? &e->in[e->order[e->n]].msg : NULL;
}

void
proc_receive_placed(struct proc *p, size_t chan, uint32_t inc, const struct link_msg *m)
{
	receive(p, chan, proc_channel_find(p, chan, inc), inc, m, true);
}

bool
proc_can_receive(const struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = proc_channel_find((struct proc *)(uintptr_t)p, chan, inc);
	return !e || e->n < INBOX_MAX - 1;
}

bool
proc_try_receive(struct proc *p, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct edge_rec *e = proc_channel_find(p, chan, inc);
	if (e && e->n >= INBOX_MAX - 1)
		return false;
	receive(p, chan, e, inc, m, false);
	return true;
}

void
proc_connected(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = proc_channel_find(p, chan, inc);
	if (e)
		e->r.connected = true;
}

void
proc_disconnected(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = proc_channel_find(p, chan, inc);
	if (e)
		proc_channel_carry_out(p, chan, e, link_fsm(&e->r, LE_DISCONNECTED, NULL));
}

void
proc_greet_again(struct proc *p, size_t chan, uint32_t inc)
{
	struct edge_rec *e = proc_channel_find(p, chan, inc);
	if (e && !e->greeted && e->r.state != LINK_OPEN && !e->r.gone)
		proc_channel_send(p, chan, inc, LM_GREET, p->k);
}
