/* A step: arrive at k, gather what it needs, compute, send, record. Order: docs/link-life.md. */
#include "proc_priv.h"

#include <assert.h>
#include <string.h>

/* ---- records of the run ------------------------------------------------------------------- */

int
proc_step_make_rec(struct proc *p, int64_t start_k, struct err *err)
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

static int
record_frame(struct proc *p)
{
	struct err err = ERR_INIT;
	p->ops->frame(p->core, rec_next(p->rec));
	int rc = rec_commit(p->rec, &err);
	if (rc < 0)
		proc_fail(p, &err);
	return rc;
}

static void
record_event(struct proc *p, const struct core_event *e)
{
	struct err err = ERR_INIT;
	if (p->rec && rec_event(p->rec, e, &err) < 0)
		proc_fail(p, &err);
	if (p->io.event)
		p->io.event(p->io.arg, e);
}

void
proc_step_start(struct proc *p, int64_t j)
{
	struct err err = ERR_INIT;
	p->k = p->first = j;
	if (j >= p->end) { /* it comes too late to live */
		rec_discard(&p->rec);
		p->k = p->end;
		p->state = PROC_DONE;
		proc_report(p, SM_DONE, 0);
		return;
	}
	p->state = PROC_RUNNING;
	if (!p->rec && proc_step_make_rec(p, j, &err) < 0) {
		proc_fail(p, &err);
		return;
	}
	record_frame(p);
	if (j > 0)
		record_event(
			p, &(struct core_event){
				   .k = j, .code = EV_JOINED, .chan = -1, .a = p->s->incarnation });
}

/* ---- arriving ----------------------------------------------------------------------------- */

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

/* An unscripted death is replayed: this message never arrived. */
static bool
withheld(const struct proc *p, size_t chan, int64_t step)
{
	return p->s->by_hand && step > p->s->chans[chan].last_sent;
}

static void
offer(struct proc *p, size_t chan)
{
	struct edge_rec *e = p->edges[chan].rec[0];
	struct link_msg *m = &p->out[chan];

	if (e->r.kind != LINK_KIND_NODE_PORT || p->k % p->s->port_period != 0 ||
	    e->r.state != LINK_LIVE || p->k < e->r.j)
		return;
	p->ops->offer(p->core, p->k, chan, &m->core);
	m->type = LM_OFFER;
	m->to_inc = e->r.peer_inc;
	m->step = p->k;
	if (withheld(p, chan, m->step))
		return;
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

	if (p->s->n_starts == 0 && e->n == 1 && e->rec[0]->r.joined) { /* nearly always */
		offer(p, chan);
		return true;
	}
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
		proc_channel_carry_out(p, chan, old, actions);
		proc_channel_drop(e, 0);
	}
	if (e->n == 0)
		return true;
	struct edge_rec *r = e->rec[0];
	if (!r->r.joined && r->r.state == LINK_LIVE && p->k >= r->r.j) {
		unsigned actions = link_fsm(&r->r, LE_JOIN, &at);
		proc_channel_carry_out(p, chan, r, actions);
		e->older = *in;
		if (actions & LA_JOIN) { /* rx stays that of an older life that ends here */
			in->kind = CORE_IN_JOIN;
			in->peer_inc = r->r.peer_inc;
		}
	}
	offer(p, chan);
	return true;
}

bool
proc_step_arrive(struct proc *p)
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

/* ---- computing ---------------------------------------------------------------------------- */

/* Its slot comes last: kept until the next one is dropped. */
static void
drop_oldest(struct edge_rec *e)
{
	const uint8_t oldest = e->order[0];

	e->n--;
	for (uint8_t i = 0; i < e->n; i++)
		e->order[i] = e->order[i + 1];
	e->order[e->n] = e->order[INBOX_MAX - 1];
	e->order[INBOX_MAX - 1] = oldest;
}

static bool
take(struct proc *p, size_t chan, struct edge_rec *e)
{
	int64_t want = p->k - link_lag(&e->r);
	while (e->n) {
		struct slot *s = &e->in[e->order[0]];
		drop_oldest(e);
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

bool
proc_step_gather(struct proc *p)
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
			proc_channel_carry_out(p, c, e->rec[0], actions);
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
send_results(struct proc *p, int64_t k)
{
	for (size_t c = 0; c < p->n; c++) {
		const struct edge *e = &p->edges[c];
		if (e->n == 0 || e->rec[0]->r.state != LINK_LIVE || k < e->rec[0]->r.j)
			continue;
		const struct link_rec *r = &e->rec[0]->r;
		const bool placed = p->out_core[c] != &p->out[c].core;
		struct link_msg *m = placed ? &p->placed : &p->out[c];
		if (r->kind == LINK_KIND_LINK) {
			m->type = LM_WAVE;
			m->step = k;
		} else if (r->kind == LINK_KIND_MODULE_PORT) {
			m->type = LM_ANSWER;
			m->step = k + 1 - link_period(r);
			if ((k + 1) % link_period(r) != 0 || m->step < r->j)
				continue;
		} else {
			continue;
		}
		m->to_inc = r->peer_inc;
		if (!withheld(p, c, m->step))
			p->io.send(p->io.arg, c, r->peer_inc, m);
	}
}

/* Waves go where their receiver will read them, if the host can say where that is. */
static void
place_waves(struct proc *p)
{
	for (size_t c = 0; c < p->n; c++) {
		const struct edge *e = &p->edges[c];
		if (e->n == 0 || e->rec[0]->r.kind != LINK_KIND_LINK)
			continue;
		const struct link_rec *r = &e->rec[0]->r;
		struct core_msg *room = NULL;
		if (r->state == LINK_LIVE && p->k >= r->j && !withheld(p, c, p->k))
			room = p->io.room(p->io.arg, c, r->peer_inc);
		p->out_core[c] = room ? room : &p->out[c].core;
	}
}

int
proc_step_compute(struct proc *p)
{
	size_t n_cmds = 0;

	if (p->next_cmd < p->s->n_cmds || p->n_faults)
		n_cmds = commands(p);
	p->events.n = 0;
	if (p->io.room && p->s->kind == PROC_NODE)
		place_waves(p);
	p->ops->step(p->core, p->k, p->in, p->out_core, p->cmds, n_cmds, &p->events);
	memset(p->in, 0, p->n * sizeof *p->in); /* CORE_IN_IDLE */
	p->k++;
	p->next_chan = 0;
	for (size_t i = 0; i < p->events.n; i++)
		record_event(p, &p->events.e[i]);
	/* Recorded before it is sent: else a kill in between leaves energy at a neighbour that no
	 * frame gave away. */
	if (record_frame(p) < 0)
		return -1;
	send_results(p, p->k - 1);
	return 0;
}

/* ---- the scripted victim ------------------------------------------------------------------ */

void
proc_step_park(struct proc *p)
{
	p->state = PROC_PARKING;
	if (!p->s->by_hand)
		record_event(p, &(struct core_event){ .k = p->k, .code = EV_PARK, .chan = -1 });
	for (size_t c = 0; c < p->n; c++)
		for (size_t i = 0; i < p->edges[c].n; i++) {
			struct edge_rec *e = p->edges[c].rec[i];
			if (e->r.state != LINK_OPEN && e->r.state != LINK_NONE)
				proc_channel_send(p, c, e->r.peer_inc, LM_PARK, p->k);
		}
}

void
proc_step_check_parked(struct proc *p)
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
	proc_report(p, SM_PARKED, 0);
}
