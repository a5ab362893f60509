#include "host_memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_memory_priv.h"
#include "restart.h"

/* Everything that can wait has waited this many fruitless decisions: a deadlock. */
enum { IDLE_ROUNDS_MAX = 3, IDLE_DECISIONS_MAX = 200000, RUN_STEPS_MAX = 4 };
enum { DECIDE_WORD, DECIDE_REPORT, DECIDE_LINK, DECIDE_RUN, DECISION_KINDS_ };
/* A neglect lasts up to this many decisions per process, and has this share (of 16) of leaks. */
enum { NEGLECT_DECISIONS_MAX = 64, NEGLECT_LEAKS = 1 };

void
host_memory_fail(struct host_memory *h, int code, const char *text)
{
	if (!h->err.code)
		err_set(&h->err, code, "%s", text);
}

static void
io_report(void *arg, const struct sup_msg *m)
{
	struct io_arg *a = arg;
	memory_fifo_put(a->h, &a->h->procs[a->proc].reports, m);
}

/* ---- processes --------------------------------------------------------------------------------
 */

static void
bury(struct host_memory *h, uint32_t proc, bool lossy)
{
	struct mem_proc *mp = &h->procs[proc];
	struct rec *rec = proc_take_rec(mp->p);

	struct err err = ERR_INIT;
	mp->last_frame = -1;
	if (rec && rec_flush(rec, &err) < 0)
		host_memory_fail(h, err.code, err.text);
	h->bad += proc_bad_messages(mp->p);
	if (rec) {
		struct rec **recs = realloc(h->recs, (h->n_recs + 1) * sizeof(struct rec *));
		if (!recs) {
			rec_destroy(&rec);
			host_memory_fail(h, ERR_NOMEM, "memory host: out of memory");
		} else {
			h->recs = recs;
			recs[h->n_recs++] = rec;
			if (rec_last_k(rec) >= rec_first_k(rec))
				mp->last_frame = rec_last_k(rec);
		}
	}
	host_memory_pair_end(h, proc, lossy);
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
		if (strcmp(head->id, s->id) != 0 ||
		    rec_last_k(h->recs[i]) < rec_first_k(h->recs[i]))
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
		host_memory_fail(h, err.code, err.text);
		return;
	}
	struct io_arg *a = calloc(1, sizeof *a + slice->n_chans * sizeof *a->outlets);
	if (!a) {
		host_memory_fail(h, ERR_NOMEM, "memory host: out of memory");
		return;
	}
	a->h = h;
	a->proc = proc;
	struct proc_io io = { .arg = a,
		              .socket = host_memory_pair_socket,
		              .close = host_memory_pair_close,
		              .send = host_memory_pair_send,
		              .room = h->par.schedule == 0 ? host_memory_pair_room : NULL,
		              .report = io_report };
	free(mp->io);
	mp->io = a;
	if (proc_create(slice, h->par.ops[slice->kind], &io, h->par.rec_dir, REC_BUFFERED, &mp->p, &err) <
	    0) {
		host_memory_fail(h, err.code, err.text);
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
		memory_fifo_put(h, &h->procs[proc].words, m);
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

/* ---- deliveries -------------------------------------------------------------------------------
 */

static bool
deliver_word(struct host_memory *h, uint32_t proc)
{
	struct mem_proc *mp = &h->procs[proc];
	struct sup_msg *m = mp->alive && !mp->stopped ? memory_fifo_peek(&mp->words) : NULL;
	if (!m)
		return false;
	struct sup_msg copy = *m;
	memory_fifo_drop(&mp->words);
	if (copy.type == SM_DEATH)
		host_memory_pair_tell_connected(h, proc, &copy);
	proc_supervisor(mp->p, &copy);
	return true;
}

/* Reports first, then the death: as a drained socket before waitid(). */
static bool
deliver_report(struct host_memory *h, uint32_t proc)
{
	struct mem_proc *mp = &h->procs[proc];
	struct sup_msg *m = memory_fifo_peek(&mp->reports);
	if (m) {
		struct sup_msg copy = *m;
		memory_fifo_drop(&mp->reports);
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
		host_memory_fail(h, ERR_PEER, text);
		return true;
	}
	super_death(h->super, proc, mp->last_frame);
	return true;
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
		host_memory_fail(h, err.code, err.text);
	if (r == PROC_ENDED) {
		bury(h, proc, false);
		return true;
	}
	return proc_k(mp->p) != k || proc_state(mp->p) != state;
}

/* ---- schedules --------------------------------------------------------------------------------
 */

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
		n += (size_t)snprintf(
			text + n, sizeof text - n, " %s.%u k=%lld state=%d on=%d%s", mp->slice->id,
			mp->slice->incarnation, (long long)proc_k(mp->p), proc_state(mp->p),
			proc_blocked_on(mp->p, NULL), proc_held(mp->p) ? " held" : "");
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
		if (host_memory_pair_deliver(h, i, false, 0))
			h->moved = true;
}

static bool
neglected(struct host_memory *h, uint32_t proc, uint32_t kind)
{
	if (h->neglect_left-- == 0) {
		h->neglect_left = host_memory_rnd(h) % (NEGLECT_DECISIONS_MAX * h->n);
		h->neglect_proc = (uint32_t)(host_memory_rnd(h) % (h->n + 1));
		h->neglect_kind = (uint32_t)(host_memory_rnd(h) % (DECISION_KINDS_ + 1));
	}
	bool hit = (h->neglect_proc == proc &&
	            (h->neglect_kind == DECISION_KINDS_ || h->neglect_kind == kind)) ||
	           (h->neglect_proc == h->n && h->neglect_kind == kind);
	return hit && host_memory_rnd(h) % 16 >= NEGLECT_LEAKS;
}

static void
random_decision(struct host_memory *h)
{
	uint64_t r = host_memory_rnd(h);
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
		h->moved |= host_memory_pair_deliver(h, i, true, host_memory_rnd(h));
		break;
	default:
		h->moved |= run_proc(h, i, 1 + (int64_t)(host_memory_rnd(h) % 2));
	}
}

int
host_memory_run(struct host_memory *h, void (*progress)(void *, int64_t), void *arg,
                struct err *err)
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

/* ---- creation, access -------------------------------------------------------------------------
 */

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
	struct super_io io = {
		.arg = h, .send = on_send, .spawn = on_spawn, .signal = on_signal, .acted = on_acted
	};
	int rc = 0;
	if (!h->procs || !h->pairs || !h->n_pairs)
		rc = err_set(err, ERR_NOMEM, "memory host: out of memory");
	for (uint32_t i = 0; rc == 0 && i < h->n; i++)
		h->procs[i].words.item = h->procs[i].reports.item = sizeof(struct sup_msg);
	if (rc == 0)
		rc = super_create(par->topo, par->script, par->end_k, par->seed, &io, &h->super,
		                  err);
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
	host_memory_pair_free_all(h);
	for (size_t i = 0; i < h->n_recs; i++)
		rec_destroy(&h->recs[i]);
	free((void *)h->recs);
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
