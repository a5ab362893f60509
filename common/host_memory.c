#include "host_memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "restart.h"

/* Everything that can wait has waited this many fruitless decisions: a deadlock. */
enum { IDLE_ROUNDS_MAX = 3, IDLE_DECISIONS_MAX = 200000, RUN_STEPS_MAX = 4 };
enum { DECIDE_WORD, DECIDE_REPORT, DECIDE_LINK, DECIDE_RUN, DECISION_KINDS_ };
/* A neglect lasts up to this many decisions per process, and has this share (of 16) of leaks. */
enum { NEGLECT_DECISIONS_MAX = 64, NEGLECT_LEAKS = 1 };

/* A queue of equal items that keeps its memory. */
struct fifo {
	size_t item, cap, head, n;
	char *mem;
};

/* One socket pair: (edge, both incarnations); side 0 is the lower process index. */
struct pair {
	uint32_t edge, inc[2];
	bool open[2], dead[2], joined, told[2];
	struct fifo to[2]; /* messages for side i */
};

/* Which host and process a callback of the engine belongs to. */
struct io_arg {
	struct host_memory *h;
	uint32_t proc;
};

struct mem_proc {
	struct proc *p;
	struct slice *slice;
	bool alive, stopped, dying; /* dying: death not yet told to the supervisor */
	int64_t last_frame;
	struct fifo words, reports; /* struct sup_msg */
	struct io_arg *io;          /* lives as long as the process */
};

struct host_memory {
	struct memory_params par;
	struct super *super;
	uint32_t n;
	struct mem_proc *procs;
	size_t n_edges;
	struct pair ***pairs; /* per edge: array of pointers */
	size_t *n_pairs;
	struct rec **recs;
	size_t n_recs;
	uint64_t rng, acted, bad;
	uint64_t neglect_left;  /* decisions until the next choice of who is neglected */
	uint32_t neglect_proc, neglect_kind; /* n, DECISION_KINDS_: nobody, nothing */
	memory_acted *on_acted;
	void *acted_arg;
	bool moved; /* something happened since the last look */
	memory_chaos *chaos;
	void *chaos_arg;
	struct err err;
};

static void
fail(struct host_memory *h, int code, const char *text)
{
	if (!h->err.code)
		err_set(&h->err, code, "%s", text);
}

/* ---- queues -------------------------------------------------------------------------------- */

static void *
fifo_put(struct host_memory *h, struct fifo *f, const void *item)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 8;
		char *mem = malloc(cap * f->item);
		if (!mem) {
			fail(h, ERR_NOMEM, "memory host: out of memory");
			return NULL;
		}
		for (size_t i = 0; i < f->n; i++)
			memcpy(mem + i * f->item, f->mem + (f->head + i) % f->cap * f->item, f->item);
		free(f->mem);
		f->mem = mem;
		f->cap = cap;
		f->head = 0;
	}
	void *slot = f->mem + (f->head + f->n++) % f->cap * f->item;
	memcpy(slot, item, f->item);
	h->moved = true;
	return slot;
}

static void *
fifo_peek(struct fifo *f)
{
	return f->n ? f->mem + f->head * f->item : NULL;
}

static void
fifo_drop(struct fifo *f)
{
	f->head = (f->head + 1) % f->cap;
	f->n--;
}

static uint64_t
rnd(struct host_memory *h)
{
	/* splitmix64: a counter and a mix, so that one seed gives one schedule. */
	uint64_t z = h->rng += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- socket pairs --------------------------------------------------------------------------- */

static int
side_of(uint32_t self, uint32_t peer)
{
	return self < peer ? 0 : 1;
}

static struct pair *
pair_get(struct host_memory *h, uint32_t proc, size_t chan, uint32_t peer_inc)
{
	struct mem_proc *mp = &h->procs[proc];
	const struct slice_chan *c = &mp->slice->chans[chan];
	int side = side_of(proc, c->peer);
	uint32_t inc[2];
	inc[side] = mp->slice->incarnation;
	inc[1 - side] = peer_inc;
	struct pair **list = h->pairs[c->edge];
	size_t n = h->n_pairs[c->edge];
	for (size_t i = n; i-- > 0;)
		if (list[i]->inc[0] == inc[0] && list[i]->inc[1] == inc[1])
			return list[i];
	struct pair *p = calloc(1, sizeof *p);
	list = realloc(list, (n + 1) * sizeof(struct pair *));
	if (list)
		h->pairs[c->edge] = list;
	if (!p || !list) {
		free(p);
		fail(h, ERR_NOMEM, "memory host: out of memory");
		return NULL;
	}
	p->edge = c->edge;
	p->inc[0] = inc[0];
	p->inc[1] = inc[1];
	p->to[0].item = p->to[1].item = sizeof(struct link_msg);
	list[n] = p;
	h->n_pairs[c->edge]++;
	return p;
}

static void
io_socket(void *arg, size_t chan, uint32_t inc)
{
	struct io_arg *a = arg;
	struct pair *p = pair_get(a->h, a->proc, chan, inc);
	if (!p)
		return;
	int side = side_of(a->proc, a->h->procs[a->proc].slice->chans[chan].peer);
	p->open[side] = true;
	if (p->open[1 - side] && !p->dead[1 - side])
		p->joined = true;
	a->h->moved = true;
}

static void
io_close(void *arg, size_t chan, uint32_t inc)
{
	struct io_arg *a = arg;
	struct pair *p = pair_get(a->h, a->proc, chan, inc);
	if (!p)
		return;
	int side = side_of(a->proc, a->h->procs[a->proc].slice->chans[chan].peer);
	p->dead[side] = true;
	p->to[side].n = 0;
	a->h->moved = true;
}

static void
io_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct io_arg *a = arg;
	struct host_memory *h = a->h;
	const struct slice_chan *c = &h->procs[a->proc].slice->chans[chan];
	struct pair *p = pair_get(h, a->proc, chan, inc);
	if (!p)
		return;
	int to = 1 - side_of(a->proc, c->peer);
	if (p->dead[to])
		return;
	if (h->par.schedule == 0 && m->type >= LM_WAVE && m->type <= LM_ANSWER && p->open[to] &&
	    p->to[to].n == 0) {
		/* Round robin: the peer is not running, its inbox takes the message at once. */
		struct mem_proc *peer = &h->procs[c->peer];
		for (size_t i = 0; i < peer->slice->n_chans; i++)
			if (peer->slice->chans[i].edge == c->edge &&
			    proc_can_receive(peer->p, i, p->inc[1 - to])) {
				proc_receive(peer->p, i, p->inc[1 - to], m);
				h->moved = true;
				return;
			}
	}
	fifo_put(h, &p->to[to], m);
}

static void
io_report(void *arg, const struct sup_msg *m)
{
	struct io_arg *a = arg;
	fifo_put(a->h, &a->h->procs[a->proc].reports, m);
}

/* ---- processes -------------------------------------------------------------------------------- */

static void
bury(struct host_memory *h, uint32_t proc, bool lossy)
{
	struct mem_proc *mp = &h->procs[proc];
	struct rec *rec = proc_take_rec(mp->p);

	mp->last_frame = -1;
	h->bad += proc_bad_messages(mp->p);
	if (rec) {
		struct rec **recs = realloc(h->recs, (h->n_recs + 1) * sizeof(struct rec *));
		if (!recs) {
			rec_destroy(&rec);
			fail(h, ERR_NOMEM, "memory host: out of memory");
		} else {
			h->recs = recs;
			recs[h->n_recs++] = rec;
			if (rec_last_k(rec) >= rec_first_k(rec))
				mp->last_frame = rec_last_k(rec);
		}
	}
	for (size_t c = 0; c < mp->slice->n_chans; c++) {
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, mp->slice->chans[c].peer);
		for (size_t i = 0; i < h->n_pairs[edge]; i++) {
			struct pair *p = h->pairs[edge][i];
			if (p->inc[side] != mp->slice->incarnation)
				continue;
			p->dead[side] = true;
			struct fifo *f = &p->to[1 - side];
			if (lossy && f->n)
				f->n = (size_t)(rnd(h) % (f->n + 1));
			if (!p->joined)
				f->n = 0;
		}
	}
	proc_destroy(&mp->p);
	mp->alive = false;
	mp->dying = true;
	mp->words.n = 0;
	h->moved = true;
}

static int
resume(struct host_memory *h, struct slice *s, struct err *err)
{
	for (size_t i = h->n_recs; i-- > 0;) {
		const struct rec_head *head = rec_head(h->recs[i]);
		if (strcmp(head->id, s->id) != 0 || rec_last_k(h->recs[i]) < rec_first_k(h->recs[i]))
			continue;
		struct rec_file *f = NULL;
		int rc = rec_file_of(h->recs[i], &f, err);
		if (rc == 0)
			rc = restart_from(s, f, err);
		rec_file_close(&f);
		return rc;
	}
	return 0;
}

static void
on_spawn(void *arg, uint32_t proc, struct slice *slice)
{
	struct host_memory *h = arg;
	struct mem_proc *mp = &h->procs[proc];
	struct err err = ERR_INIT;

	slice_destroy(&mp->slice);
	mp->slice = slice;
	mp->reports.n = mp->words.n = 0;
	mp->stopped = false;
	if (slice->incarnation > 1 && resume(h, slice, &err) < 0) {
		fail(h, err.code, err.text);
		return;
	}
	struct io_arg *a = malloc(sizeof *a);
	if (!a) {
		fail(h, ERR_NOMEM, "memory host: out of memory");
		return;
	}
	*a = (struct io_arg){ .h = h, .proc = proc };
	struct proc_io io = { .arg = a,
		              .socket = io_socket,
		              .close = io_close,
		              .send = io_send,
		              .report = io_report };
	free(mp->io);
	mp->io = a;
	if (proc_create(slice, h->par.ops[slice->kind], &io, h->par.rec_dir, 0, &mp->p, &err) < 0) {
		fail(h, err.code, err.text);
		return;
	}
	mp->alive = true;
	proc_open(mp->p);
	h->moved = true;
}

static void
on_send(void *arg, uint32_t proc, const struct sup_msg *m)
{
	struct host_memory *h = arg;
	if (h->procs[proc].alive)
		fifo_put(h, &h->procs[proc].words, m);
}

static void
on_signal(void *arg, uint32_t proc, enum super_signal sig)
{
	struct host_memory *h = arg;
	struct mem_proc *mp = &h->procs[proc];
	if (!mp->alive)
		return;
	if (sig == SUPER_SIGKILL)
		bury(h, proc, false);
	else
		mp->stopped = sig == SUPER_SIGSTOP;
	h->moved = true;
}

static void
on_acted(void *arg, uint64_t token, int64_t s)
{
	struct host_memory *h = arg;
	h->acted++;
	if (h->on_acted)
		h->on_acted(h->acted_arg, h, token, s);
}

/* ---- deliveries ----------------------------------------------------------------------------------- */

/* The word of death must not overtake what the transport knows: see proc_supervisor(). */
static void
tell_connected(struct host_memory *h, uint32_t proc, const struct sup_msg *m)
{
	struct mem_proc *mp = &h->procs[proc];
	for (size_t c = 0; c < mp->slice->n_chans; c++) {
		if (mp->slice->chans[c].peer != m->proc)
			continue;
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, m->proc);
		for (size_t i = 0; i < h->n_pairs[edge]; i++) {
			const struct pair *p = h->pairs[edge][i];
			if (p->joined && p->inc[side] == mp->slice->incarnation &&
			    p->inc[1 - side] == m->inc)
				proc_connected(mp->p, c, m->inc);
		}
	}
}

static bool
deliver_word(struct host_memory *h, uint32_t proc)
{
	struct mem_proc *mp = &h->procs[proc];
	struct sup_msg *m = mp->alive && !mp->stopped ? fifo_peek(&mp->words) : NULL;
	if (!m)
		return false;
	struct sup_msg copy = *m;
	fifo_drop(&mp->words);
	if (copy.type == SM_DEATH)
		tell_connected(h, proc, &copy);
	proc_supervisor(mp->p, &copy);
	return true;
}

/* Reports first, then the death: as a drained socket before waitid(). */
static bool
deliver_report(struct host_memory *h, uint32_t proc)
{
	struct mem_proc *mp = &h->procs[proc];
	struct sup_msg *m = fifo_peek(&mp->reports);
	if (m) {
		struct sup_msg copy = *m;
		fifo_drop(&mp->reports);
		super_report(h->super, proc, mp->slice->incarnation, &copy);
		return true;
	}
	if (!mp->dying)
		return false;
	mp->dying = false;
	if (!super_started(h->super)) {
		char text[128];
		snprintf(text, sizeof text, "%s ended before the mesh started",
		         super_proc_id(h->par.topo, proc));
		fail(h, ERR_PEER, text);
		return true;
	}
	super_death(h->super, proc, mp->last_frame);
	return true;
}

static bool
deliver_link(struct host_memory *h, struct pair *p, int side, uint32_t proc, size_t chan)
{
	struct mem_proc *mp = &h->procs[proc];
	uint32_t peer_inc = p->inc[1 - side];

	if (!mp->alive || mp->stopped || !p->open[side] || p->dead[side] ||
	    mp->slice->incarnation != p->inc[side] || p->told[side])
		return false;
	struct link_msg *m = fifo_peek(&p->to[side]);
	if (m) {
		if (!p->joined || !proc_can_receive(mp->p, chan, peer_inc))
			return false;
		struct link_msg copy = *m;
		fifo_drop(&p->to[side]);
		proc_receive(mp->p, chan, peer_inc, &copy);
		return true;
	}
	if (!p->joined || !p->dead[1 - side])
		return false;
	p->told[side] = true;
	proc_connected(mp->p, chan, peer_inc);
	proc_disconnected(mp->p, chan, peer_inc);
	return true;
}

static bool
deliver_proc_links(struct host_memory *h, uint32_t proc, bool one, uint64_t pick)
{
	struct mem_proc *mp = &h->procs[proc];
	bool any = false;
	size_t n = mp->alive ? mp->slice->n_chans : 0;
	for (size_t i = 0; i < n; i++) {
		size_t c = (i + pick) % n;
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, mp->slice->chans[c].peer);
		size_t n_pairs = h->n_pairs[edge], first = n_pairs ? pick / (n ? n : 1) % n_pairs : 0;
		for (size_t j = 0; j < n_pairs; j++)
			while (deliver_link(h, h->pairs[edge][(j + first) % n_pairs], side, proc, c)) {
				any = true;
				if (one)
					return true;
			}
	}
	return any;
}

static bool
run_proc(struct host_memory *h, uint32_t proc, int64_t steps)
{
	struct mem_proc *mp = &h->procs[proc];
	if (!mp->alive || mp->stopped)
		return false;
	int64_t k = proc_k(mp->p);
	enum proc_state state = proc_state(mp->p);
	struct err err = ERR_INIT;
	enum proc_result r = proc_run(mp->p, steps, &err);
	if (r == PROC_FAILED)
		fail(h, err.code, err.text);
	if (r == PROC_ENDED) {
		bury(h, proc, false);
		return true;
	}
	return proc_k(mp->p) != k || proc_state(mp->p) != state;
}

/* ---- schedules --------------------------------------------------------------------------------------- */

static bool
finished(const struct host_memory *h)
{
	if (!super_ended(h->super))
		return false;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->procs[i].alive || h->procs[i].dying)
			return false;
	return true;
}

static int64_t
slowest(const struct host_memory *h)
{
	int64_t k = INT64_MAX;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->procs[i].alive && proc_k(h->procs[i].p) < k)
			k = proc_k(h->procs[i].p);
	return k == INT64_MAX ? 0 : k;
}

static int
deadlock(struct host_memory *h)
{
	char text[640];
	size_t n = 0;
	for (uint32_t i = 0; i < h->n && n < sizeof text - 64; i++) {
		struct mem_proc *mp = &h->procs[i];
		if (!mp->alive)
			continue;
		n += (size_t)snprintf(text + n, sizeof text - n, " %s.%u k=%lld state=%d on=%d%s",
		                      mp->slice->id, mp->slice->incarnation, (long long)proc_k(mp->p),
		                      proc_state(mp->p), proc_blocked_on(mp->p, NULL),
		                      proc_held(mp->p) ? " held" : "");
	}
	const char *what = "";
	int who = super_blocker(h->super, &what);
	return err_set(&h->err, ERR_STATE, "deadlock:%s; %s %s", n ? text : " nobody is alive",
	               who < 0 ? "" : super_proc_id(h->par.topo, (uint32_t)who), what ? what : "");
}

static void
round_robin(struct host_memory *h)
{
	for (uint32_t i = 0; i < h->n; i++) {
		while (deliver_word(h, i))
			h->moved = true;
		/* Data goes straight into the inboxes; only what could not is in a queue. */
		if (run_proc(h, i, RUN_STEPS_MAX))
			h->moved = true;
		while (deliver_report(h, i))
			h->moved = true;
	}
	if (h->moved)
		return;
	for (uint32_t i = 0; i < h->n; i++)
		if (deliver_proc_links(h, i, false, 0))
			h->moved = true;
}

static bool
neglected(struct host_memory *h, uint32_t proc, uint32_t kind)
{
	if (h->neglect_left-- == 0) {
		h->neglect_left = rnd(h) % (NEGLECT_DECISIONS_MAX * h->n);
		h->neglect_proc = (uint32_t)(rnd(h) % (h->n + 1));
		h->neglect_kind = (uint32_t)(rnd(h) % (DECISION_KINDS_ + 1));
	}
	bool hit = (h->neglect_proc == proc &&
	            (h->neglect_kind == DECISION_KINDS_ || h->neglect_kind == kind)) ||
	           (h->neglect_proc == h->n && h->neglect_kind == kind);
	return hit && rnd(h) % 16 >= NEGLECT_LEAKS;
}

static void
random_decision(struct host_memory *h)
{
	uint64_t r = rnd(h);
	uint32_t i = (uint32_t)(r >> 32) % h->n, kind = r % DECISION_KINDS_;
	if (neglected(h, i, kind))
		return;
	switch (kind) {
	case DECIDE_WORD:
		h->moved |= deliver_word(h, i);
		break;
	case DECIDE_REPORT:
		h->moved |= deliver_report(h, i);
		break;
	case DECIDE_LINK:
		h->moved |= deliver_proc_links(h, i, true, rnd(h));
		break;
	default:
		h->moved |= run_proc(h, i, 1 + (int64_t)(rnd(h) % 2));
	}
}

int
host_memory_run(struct host_memory *h, void (*progress)(void *, int64_t), void *arg, struct err *err)
{
	uint64_t idle = 0, rounds = 0;
	uint64_t idle_max = h->par.schedule ? IDLE_DECISIONS_MAX : IDLE_ROUNDS_MAX;
	int rc = super_begin(h->super, err);

	while (rc == 0 && !h->err.code && !finished(h)) {
		h->moved = false;
		if (h->chaos)
			h->chaos(h->chaos_arg, h);
		if (h->par.schedule)
			random_decision(h);
		else
			round_robin(h);
		idle = h->moved ? 0 : idle + 1;
		if (idle > idle_max)
			deadlock(h);
		if (progress && (++rounds & 255) == 0)
			progress(arg, slowest(h));
	}
	if (rc == 0 && h->err.code) {
		if (err)
			*err = h->err;
		rc = h->err.code;
	}
	return rc;
}

/* ---- creation, access --------------------------------------------------------------------------------- */

int
host_memory_create(const struct memory_params *par, struct host_memory **ret, struct err *err)
{
	struct host_memory *h = calloc(1, sizeof *h);
	if (!h)
		return err_set(err, ERR_NOMEM, "memory host: out of memory");
	h->par = *par;
	h->rng = par->schedule;
	h->n = (uint32_t)(par->topo->n_nodes + par->topo->n_modules);
	h->n_edges = par->topo->n_links + par->topo->n_ports;
	h->procs = calloc(h->n, sizeof *h->procs);
	h->pairs = calloc(h->n_edges ? h->n_edges : 1, sizeof *h->pairs);
	h->n_pairs = calloc(h->n_edges ? h->n_edges : 1, sizeof *h->n_pairs);
	struct super_io io = { .arg = h,
		               .send = on_send,
		               .spawn = on_spawn,
		               .signal = on_signal,
		               .acted = on_acted };
	int rc = 0;
	if (!h->procs || !h->pairs || !h->n_pairs)
		rc = err_set(err, ERR_NOMEM, "memory host: out of memory");
	for (uint32_t i = 0; rc == 0 && i < h->n; i++)
		h->procs[i].words.item = h->procs[i].reports.item = sizeof(struct sup_msg);
	if (rc == 0)
		rc = super_create(par->topo, par->script, par->end_k, par->seed, &io, &h->super, err);
	if (rc < 0) {
		host_memory_destroy(&h);
		return rc;
	}
	*ret = h;
	return 0;
}

void
host_memory_destroy(struct host_memory **hp)
{
	struct host_memory *h = *hp;
	if (!h)
		return;
	for (uint32_t i = 0; h->procs && i < h->n; i++) {
		proc_destroy(&h->procs[i].p);
		slice_destroy(&h->procs[i].slice);
		free(h->procs[i].words.mem);
		free(h->procs[i].reports.mem);
		free(h->procs[i].io);
	}
	for (size_t e = 0; h->pairs && h->n_pairs && e < h->n_edges; e++) {
		for (size_t i = 0; i < h->n_pairs[e]; i++) {
			free(h->pairs[e][i]->to[0].mem);
			free(h->pairs[e][i]->to[1].mem);
			free(h->pairs[e][i]);
		}
		free((void *)h->pairs[e]);
	}
	for (size_t i = 0; i < h->n_recs; i++)
		rec_destroy(&h->recs[i]);
	free((void *)h->recs);
	free((void *)h->pairs);
	free(h->n_pairs);
	free(h->procs);
	super_destroy(&h->super);
	free(h);
	*hp = NULL;
}

const struct proc *
host_memory_proc(const struct host_memory *h, uint32_t proc)
{
	return h->procs[proc].alive ? h->procs[proc].p : NULL;
}

void
host_memory_set_acted(struct host_memory *h, memory_acted *acted, void *arg)
{
	h->on_acted = acted;
	h->acted_arg = arg;
}

uint64_t
host_memory_bad(const struct host_memory *h)
{
	uint64_t bad = h->bad;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->procs[i].alive)
			bad += proc_bad_messages(h->procs[i].p);
	return bad;
}

size_t
host_memory_recs(const struct host_memory *h, struct rec *const **ret)
{
	*ret = h->recs;
	return h->n_recs;
}

void
host_memory_set_chaos(struct host_memory *h, memory_chaos *chaos, void *arg)
{
	h->chaos = chaos;
	h->chaos_arg = arg;
}

void
host_memory_kill(struct host_memory *h, uint32_t proc)
{
	assert(proc < h->n);
	if (h->procs[proc].alive)
		bury(h, proc, true);
}

int
host_memory_start(struct host_memory *h, uint32_t proc, struct err *err)
{
	return super_start(h->super, proc, 0, err);
}

int
host_memory_command(struct host_memory *h, const struct sup_msg *m, struct err *err)
{
	return super_command(h->super, m, 1, err);
}

const struct super *
host_memory_super(const struct host_memory *h)
{
	return h->super;
}

int64_t
host_memory_k(const struct host_memory *h, uint32_t proc)
{
	return h->procs[proc].alive ? proc_k(h->procs[proc].p) : -1;
}

uint64_t
host_memory_acted(const struct host_memory *h)
{
	return h->acted;
}
