#include "solver_loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

enum { COMMANDS_MAX = 64 };

struct loop_chan {
	bool port, live;
	uint32_t peer, peer_chan; /* process, its channel */
};

struct loop_proc {
	const struct core_ops *ops;
	void *core; /* NULL: not yet started again */
	struct slice *slice;
	bool node;
	uint32_t life;
	int64_t start_k, kill_k, restart_k;
	size_t n;
	struct loop_chan *chans;
	struct core_in *in;
	struct core_msg *msg[2]; /* by parity of the step */
	struct core_msg **out[2];
	struct core_msg *offer;
	struct core_events events;
	size_t n_cmds;
	struct core_cmd cmds[COMMANDS_MAX];
	size_t n_fields;
	const struct rec_field *fields;
	union rec_word *frame;
	int64_t frame_k;
};

struct solver_loop {
	const struct topo *topo;
	int64_t k;
	uint32_t n_procs;
	struct loop_proc *procs;
};

static int
proc_make(struct solver_loop *l, uint32_t index, struct err *err)
{
	struct loop_proc *p = &l->procs[index];
	int rc = slice_from_topo(l->topo, index, &p->slice, err);

	if (rc < 0)
		return rc;
	size_t n = p->n = p->slice->n_chans;
	p->chans = calloc(n + 1, sizeof *p->chans);
	p->in = calloc(n + 1, sizeof *p->in);
	p->offer = calloc(n + 1, sizeof *p->offer);
	for (int par = 0; par < 2; par++) {
		p->msg[par] = calloc(n + 1, sizeof *p->msg[par]);
		p->out[par] = calloc(n + 1, sizeof *p->out[par]);
		assert(p->msg[par] && p->out[par]);
		for (size_t c = 0; c < n; c++)
			p->out[par][c] = &p->msg[par][c];
	}
	assert(p->chans && p->in && p->offer);
	p->kill_k = p->restart_k = INT64_MAX;
	p->life = 1;
	rc = p->ops->create(p->slice, &p->core, err);
	if (rc < 0)
		return rc;
	p->fields = p->ops->fields(p->core, &p->n_fields);
	p->frame = calloc(p->n_fields, sizeof *p->frame);
	assert(p->frame);
	p->frame_k = -1;
	return 0;
}

static void
connect_chans(struct solver_loop *l)
{
	for (uint32_t i = 0; i < l->n_procs; i++) {
		struct loop_proc *p = &l->procs[i];
		for (uint32_t c = 0; c < p->n; c++) {
			const struct slice_chan *sc = &p->slice->chans[c];
			const struct loop_proc *q = &l->procs[sc->peer];
			uint32_t d = 0;
			while (q->slice->chans[d].edge != sc->edge)
				d++;
			p->chans[c] = (struct loop_chan){ .port = sc->kind == CHAN_PORT,
				                          .live = true,
				                          .peer = sc->peer,
				                          .peer_chan = d };
		}
	}
}

int
solver_loop_create(const struct topo *topo, const struct core_ops *node_ops,
                   const struct core_ops *module_ops, struct solver_loop **ret, struct err *err)
{
	struct solver_loop *l = calloc(1, sizeof *l);
	int rc = 0;

	assert(l);
	l->topo = topo;
	l->n_procs = (uint32_t)(topo->n_nodes + topo->n_modules);
	l->procs = calloc(l->n_procs, sizeof *l->procs);
	assert(l->procs);
	for (uint32_t i = 0; i < l->n_procs && rc >= 0; i++) {
		l->procs[i].node = i < topo->n_nodes;
		l->procs[i].ops = l->procs[i].node ? node_ops : module_ops;
		rc = proc_make(l, i, err);
	}
	if (rc < 0) {
		solver_loop_destroy(&l);
		return rc;
	}
	connect_chans(l);
	*ret = l;
	return 0;
}

void
solver_loop_destroy(struct solver_loop **pl)
{
	struct solver_loop *l = *pl;

	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_procs; i++) {
		struct loop_proc *p = &l->procs[i];
		if (p->core)
			p->ops->destroy(&p->core);
		slice_destroy(&p->slice);
		for (int par = 0; par < 2; par++) {
			free(p->msg[par]);
			free(p->out[par]);
		}
		free(p->chans);
		free(p->in);
		free(p->offer);
		free(p->frame);
	}
	free(l->procs);
	free(l);
	*pl = NULL;
}

int64_t
solver_loop_k(const struct solver_loop *l)
{
	return l->k;
}

void
solver_loop_command(struct solver_loop *l, uint32_t proc, int64_t k, struct core_cmd cmd)
{
	struct loop_proc *p = &l->procs[proc];
	size_t at = p->n_cmds;

	assert(k >= l->k && p->n_cmds < COMMANDS_MAX);
	cmd.k = k;
	while (at > 0 && p->cmds[at - 1].k > k) {
		p->cmds[at] = p->cmds[at - 1];
		at--;
	}
	p->cmds[at] = cmd;
	p->n_cmds++;
}

void
solver_loop_link_command(struct solver_loop *l, uint32_t link, int64_t k, struct core_cmd cmd,
                         int resistor_end)
{
	for (int end = 0; end < 2; end++) {
		uint32_t proc = end == 0 ? l->topo->links[link].a : l->topo->links[link].b;
		const struct slice *s = l->procs[proc].slice;
		cmd.chan = 0;
		while (s->chans[cmd.chan].edge != link)
			cmd.chan++;
		if (resistor_end)
			cmd.c = resistor_end == end + 1 ? 1 : -1;
		solver_loop_command(l, proc, k, cmd);
	}
}

void
solver_loop_kill(struct solver_loop *l, uint32_t proc, int64_t k)
{
	assert(k >= 2 && k > l->k);
	l->procs[proc].kill_k = k;
}

void
solver_loop_start(struct solver_loop *l, uint32_t proc, int64_t j)
{
	struct loop_proc *p = &l->procs[proc];

	assert(j > p->kill_k && j % l->topo->port_period == 0);
	p->restart_k = j;
}

static bool
makes_step(const struct loop_proc *p, int64_t k)
{
	return p->core && k < p->kill_k - 1;
}

/* The successor takes over the voltages of the last frame. */
static void
restart(struct solver_loop *l, uint32_t index)
{
	struct loop_proc *p = &l->procs[index];
	struct err err = ERR_INIT;

	assert(!solver_loop_alive(l, index));
	p->slice->restarted = true;
	p->slice->incarnation = ++p->life;
	p->slice->start_k = p->start_k = l->k;
	p->slice->init_v_v = solver_loop_get(l, index, p->node ? "v" : "v_in");
	if (p->node)
		p->slice->init_v_sc_v = solver_loop_get(l, index, "v_sc");
	p->ops->destroy(&p->core);
	int rc = p->ops->create(p->slice, &p->core, &err);
	assert(rc >= 0);
	p->fields = p->ops->fields(p->core, &p->n_fields);
	p->kill_k = p->restart_k = INT64_MAX;
	p->frame_k = -1;
	for (size_t c = 0; c < p->n; c++)
		p->chans[c].live = false;
}

/* Slow part of a channel: joins and deaths. */
static void
arrive(struct solver_loop *l, struct loop_proc *p, size_t c, bool port_step)
{
	struct loop_chan *ch = &p->chans[c];
	const struct loop_proc *q = &l->procs[ch->peer];
	int64_t k = l->k;

	if (ch->port && !port_step)
		return;
	if (ch->live && k >= q->kill_k) {
		ch->live = false;
		p->in[c] = (struct core_in){ .kind = CORE_IN_GONE,
			                     .rx = q->kill_k - 2,
			                     .peer_inc = q->life };
	} else if (!ch->live && q->core && k < q->kill_k && k >= q->start_k) {
		ch->live = true;
		p->in[c].kind = CORE_IN_JOIN;
		p->in[c].peer_inc = q->life;
		if (ch->port && !p->node) {
			p->in[c].kind = CORE_IN_MSG;
			p->in[c].msg = &q->offer[ch->peer_chan];
		}
	} else if (ch->live &&
	           !(ch->port && p->node && k - q->start_k < (int64_t)l->topo->port_period) &&
	           !(ch->port && p->node && k - p->start_k < (int64_t)l->topo->port_period) &&
	           (k > q->start_k || (ch->port && !p->node))) {
		p->in[c].kind = CORE_IN_MSG;
		p->in[c].msg = ch->port && !p->node ? &q->offer[ch->peer_chan]
		                                    : &q->msg[(k - 1) & 1][ch->peer_chan];
	}
}

static void
offers(struct solver_loop *l)
{
	for (uint32_t i = 0; i < l->topo->n_nodes; i++) {
		struct loop_proc *p = &l->procs[i];
		if (!p->core || l->k > p->kill_k - 1)
			continue;
		for (size_t c = l->topo->nodes[i].n_links; c < p->n; c++)
			p->ops->offer(p->core, l->k, c, &p->offer[c]);
	}
}

static void
proc_step(struct solver_loop *l, struct loop_proc *p, bool port_step)
{
	size_t n_cmds = 0, stale = 0;

	for (size_t c = 0; c < p->n; c++) {
		p->in[c] = (struct core_in){ .kind = CORE_IN_IDLE };
		arrive(l, p, c, port_step);
	}
	while (stale < p->n_cmds && p->cmds[stale].k < l->k)
		stale++;
	while (stale + n_cmds < p->n_cmds && p->cmds[stale + n_cmds].k == l->k)
		n_cmds++;
	p->events.n = 0;
	p->ops->step(p->core, l->k, p->in, p->out[l->k & 1], p->cmds + stale, n_cmds, &p->events);
	p->n_cmds -= stale + n_cmds;
	if (stale + n_cmds)
		memmove(p->cmds, p->cmds + stale + n_cmds, p->n_cmds * sizeof p->cmds[0]);
}

void
solver_loop_step(struct solver_loop *l)
{
	bool port_step = l->k % l->topo->port_period == 0;

	if (port_step)
		offers(l);
	for (uint32_t i = 0; i < l->n_procs; i++)
		if (makes_step(&l->procs[i], l->k))
			proc_step(l, &l->procs[i], port_step);
		else
			l->procs[i].events.n = 0;
	l->k++;
	for (uint32_t i = 0; i < l->n_procs; i++)
		if (l->procs[i].restart_k == l->k)
			restart(l, i);
}

bool
solver_loop_alive(const struct solver_loop *l, uint32_t proc)
{
	return l->k < l->procs[proc].kill_k;
}

bool
solver_loop_made_step(const struct solver_loop *l, uint32_t proc)
{
	const struct loop_proc *p = &l->procs[proc];

	return l->k > p->start_k && l->k < p->kill_k;
}

uint32_t
solver_loop_life(const struct solver_loop *l, uint32_t proc)
{
	return l->procs[proc].life;
}

const union rec_word *
solver_loop_frame(struct solver_loop *l, uint32_t proc)
{
	struct loop_proc *p = &l->procs[proc];

	if (p->frame_k != l->k)
		p->ops->frame(p->core, p->frame);
	p->frame_k = l->k;
	return p->frame;
}

const struct rec_field *
solver_loop_fields(const struct solver_loop *l, uint32_t proc, size_t *n)
{
	*n = l->procs[proc].n_fields;
	return l->procs[proc].fields;
}

int
solver_loop_field(const struct solver_loop *l, uint32_t proc, const char *name)
{
	const struct loop_proc *p = &l->procs[proc];

	for (size_t i = 0; i < p->n_fields; i++)
		if (strcmp(p->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

double
solver_loop_get(struct solver_loop *l, uint32_t proc, const char *name)
{
	int i = solver_loop_field(l, proc, name);

	assert(i >= 0);
	return solver_loop_frame(l, proc)[i].f;
}

const struct core_events *
solver_loop_events(const struct solver_loop *l, uint32_t proc)
{
	return &l->procs[proc].events;
}
