/*
 * The life of links in memory: whole meshes of empty cores under random schedules, against the
 * properties of docs/link-life.md.
 *
 *   scripted   kills, stops, starts of a timeline only. A model of this file says from the timeline
 *              alone which channel opens and joins when, and with which last step received; every
 *              recorded event has to be in it and the other way round; and each random schedule
 *              gives the trace of the round-robin one.
 *   wild       the same and, at random moments, SIGKILLs, starts by hand, and commands.
 *
 * VL_NIGHTLY=1 runs more seeds. VL_LIFE=scripted:SEED or wild:SEED runs one alone and says what it
 * does.
 */
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_memory.h"
#include "rec.h"
#include "slice.h"
#include "tests/sim/empty_core.h"
#include "tests/sim/mesh.h"

enum { LIVES_MAX = 40, PROCS_MAX = 32, COMMANDS_MAX = 8, SCHEDULES = 3, EVENTS_MAX = 512 };
enum { SEEDS_SCRIPTED = 1500, SEEDS_WILD = 5000, NIGHTLY_FACTOR = 10 };

struct life {
	int64_t start, kill; /* kill INT64_MAX: not by the script */
	bool killed;         /* by a SIGKILL that no script knows */
	struct rec *rec;
};

struct proc_lives {
	size_t n;
	struct life life[LIVES_MAX];
};

/* What a run was asked to do by hand. */
struct issued {
	struct sup_msg msg;
	int64_t s; /* -1: has not acted */
};

struct run {
	uint64_t seed, rng, schedule;
	struct topo *topo;
	struct script *script;
	int64_t end_k;
	bool wild, verbose;
	struct proc_lives p[PROCS_MAX];
	struct host_memory *h;
	/* wild */
	uint32_t kills_left, starts_left, commands_left, rate;
	size_t n_issued, n_acted;
	struct issued issued[256];
	uint64_t decisions;
	bool paused;
	int64_t paused_sum; /* of all steps, while nothing may move */
	char wrong[512];
	uint8_t trace[32];
};

static void __attribute__((format(printf, 2, 3))) wrong(struct run *r, const char *fmt, ...)
{
	va_list ap;
	if (r->wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->wrong, sizeof r->wrong, fmt, ap);
	va_end(ap);
}

static const char *
name(const struct run *r, uint32_t proc)
{
	return super_proc_id(r->topo, proc);
}

/* ---- scenarios --------------------------------------------------------------------------------
 */

static int64_t
round_up(int64_t k, int64_t n)
{
	return (k + n - 1) / n * n;
}

/* One victim: killed (or stopped) at K, perhaps started again, perhaps killed again, ... */
static void
script_victim(struct run *r, uint32_t proc, int64_t first_kill)
{
	int64_t n = r->topo->port_period, k = first_kill;
	for (;;) {
		bool stop = mesh_below(&r->rng, 3) == 0;
		mesh_script_add(r->script, stop ? SCRIPT_STOP : SCRIPT_KILL, proc, k);
		if (mesh_below(&r->rng, 4) == 0)
			return;
		int64_t j = round_up(k + mesh_below(&r->rng, mesh_below(&r->rng, 2) ? 3 : 20), n);
		mesh_script_add(r->script, stop ? SCRIPT_CONT : SCRIPT_START, proc, j);
		if (mesh_below(&r->rng, 2))
			return;
		k = j + 1 + mesh_below(&r->rng, mesh_below(&r->rng, 2) ? 3 : 20);
	}
}

static void
make_script(struct run *r)
{
	uint32_t procs = mesh_procs(r->topo), near[TOPO_DEGREE_MAX + TOPO_PORTS_MAX];
	bool used[PROCS_MAX] = { false };
	r->script = mesh_script();
	for (uint32_t victims = mesh_below(&r->rng, 4); victims; victims--) {
		uint32_t a = mesh_below(&r->rng, procs);
		int64_t k =
			2 + mesh_below(&r->rng, mesh_below(&r->rng, 2) ? 8 : (uint32_t)r->end_k);
		if (used[a])
			continue;
		used[a] = true;
		script_victim(r, a, k);
		size_t n = mesh_neighbours(r->topo, a, near, sizeof near / sizeof *near);
		if (!n || mesh_below(&r->rng, 2))
			continue;
		uint32_t b = near[mesh_below(&r->rng, (uint32_t)n)];
		if (!used[b])
			script_victim(r, b,
			              k + mesh_below(&r->rng, 2)); /* K and K, or K and K + 1 */
		used[b] = true;
	}
}

static void
plan(struct run *r)
{
	for (uint32_t i = 0; i < mesh_procs(r->topo); i++) {
		r->p[i].n = 1;
		r->p[i].life[0] = (struct life){ .start = 0, .kill = INT64_MAX };
	}
	for (size_t i = 0; i < r->script->n; i++) {
		const struct script_action *a = &r->script->actions[i];
		struct proc_lives *p = &r->p[a->target];
		if (a->k >= r->end_k)
			continue;
		if (a->kind == SCRIPT_KILL || a->kind == SCRIPT_STOP) {
			p->life[p->n - 1].kill = a->k;
		} else if (p->n < LIVES_MAX) {
			p->life[p->n++] = (struct life){ .start = a->k, .kill = INT64_MAX };
		}
	}
}

static void
begin(struct run *r, uint64_t seed, bool wild)
{
	memset(r, 0, sizeof *r);
	r->seed = r->rng = seed;
	r->wild = wild;
	r->topo = mesh_random(mesh_rnd(&r->rng));
	r->end_k = 20 + mesh_below(&r->rng, 60);
	make_script(r);
	if (!wild)
		return;
	r->kills_left = mesh_below(&r->rng, 5);
	r->starts_left = mesh_below(&r->rng, 6);
	r->commands_left = mesh_below(&r->rng, COMMANDS_MAX);
	r->rate = 40u << mesh_below(&r->rng, 7);
}

static void
finish(struct run *r)
{
	host_memory_destroy(&r->h);
	mesh_free(r->topo);
	mesh_script_free(r->script);
}

/* ---- what holds at every moment -----------------------------------------------------------------
 */

static const struct link_rec *
end_of(const struct run *r, uint32_t proc, uint32_t edge)
{
	const struct proc *p = host_memory_proc(r->h, proc);
	const struct slice *s = p ? proc_slice(p) : NULL;
	for (size_t c = 0; s && c < s->n_chans; c++)
		if (s->chans[c].edge == edge)
			return proc_link(p, c);
	return NULL;
}

/* Both ends live, joined and running: at most one period apart. */
static void
check_distance(struct run *r, uint32_t edge, uint32_t a, uint32_t b, int64_t period)
{
	const struct link_rec *x = end_of(r, a, edge), *y = end_of(r, b, edge);
	if (!x || !y || x->state != LINK_LIVE || y->state != LINK_LIVE)
		return;
	const struct proc *p = host_memory_proc(r->h, a), *q = host_memory_proc(r->h, b);
	if (x->peer_inc != proc_slice(q)->incarnation || y->peer_inc != proc_slice(p)->incarnation)
		return;
	if (x->j != y->j) {
		wrong(r, "edge %u: J is %" PRId64 " at %s and %" PRId64 " at %s", edge, x->j,
		      name(r, a), y->j, name(r, b));
		return;
	}
	int64_t ka = proc_k(p), kb = proc_k(q), low = ka < kb ? ka : kb, high = ka < kb ? kb : ka;
	/* The later one may still be before J; then the other waits beyond J, within a period. */
	if (low < x->j)
		low = x->j;
	if (high - low > period && !x->park && !y->park)
		wrong(r, "edge %u: %s is at %" PRId64 ", %s at %" PRId64 ", J %" PRId64, edge,
		      name(r, a), ka, name(r, b), kb, x->j);
}

static void
check_now(struct run *r)
{
	const struct topo *t = r->topo;
	for (uint32_t i = 0; i < t->n_links; i++)
		check_distance(r, i, t->links[i].a, t->links[i].b, 1);
	for (uint32_t i = 0; i < t->n_ports; i++)
		check_distance(r, (uint32_t)t->n_links + i, t->ports[i].node,
		               (uint32_t)t->n_nodes + t->ports[i].module, t->port_period);
	const char *first;
	if (empty_core_violations(&first))
		wrong(r, "%s", first);
}

/* BYE goes out when all that live have reached their end. */
static void
check_bye(struct run *r)
{
	for (uint32_t i = 0; i < mesh_procs(r->topo); i++) {
		const struct proc *p = host_memory_proc(r->h, i);
		enum super_status s = super_status(host_memory_super(r->h), i);
		if (p && proc_state(p) != PROC_DONE && proc_state(p) != PROC_EXIT &&
		    s != SUPER_STOPPED)
			wrong(r, "BYE while %s is in state %d", name(r, i), proc_state(p));
	}
}

/* Nobody computes a step while the mesh is paused and no command is under way. */
static void
check_pause(struct run *r)
{
	const struct super *s = host_memory_super(r->h);
	bool paused = super_paused(s);
	int64_t sum = 0;
	for (uint32_t i = 0; paused && i < mesh_procs(r->topo); i++) {
		const struct proc *p = host_memory_proc(r->h, i);
		if (p && proc_state(p) == PROC_RUNNING)
			sum += proc_k(p);
		else if (p && proc_state(p) == PROC_READY && super_status(s, i) == SUPER_RUNNING)
			paused = false; /* a starter is about to begin, paused */
	}
	if (paused && r->paused && sum != r->paused_sum)
		wrong(r, "steps were computed in a pause");
	r->paused = paused;
	r->paused_sum = sum;
}

/* ---- what happens by hand
 * ------------------------------------------------------------------------ */

static void
issue(struct run *r, const struct sup_msg *m)
{
	if (r->n_issued == sizeof r->issued / sizeof *r->issued)
		return;
	/* It may act at once, when nobody is left to ask. */
	r->issued[r->n_issued++] = (struct issued){ .msg = *m, .s = -1 };
	if (host_memory_command(r->h, m, NULL) < 0)
		r->n_issued--;
	else if (r->verbose)
		printf("command %u\n", m->act);
}

static void
random_command(struct run *r)
{
	struct sup_msg m = { .edge = -1, .a = 1, .b = 2, .c = 1 };
	uint32_t edges = (uint32_t)(r->topo->n_links + r->topo->n_ports);
	switch (mesh_below(&r->rng, 12)) {
	case 0:
		m.act = ACT_STOP;
		break;
	case 1:
	case 2:
		m.act = ACT_SPEED;
		m.x = 0.5;
		break;
	case 3:
	case 4:
	case 5:
		m.act = ACT_PAUSE;
		break;
	case 6:
		m.act = ACT_NONE;
		break;
	default:
		m.act = ACT_FAULT;
		m.fault = CMD_CUT;
		if (mesh_below(&r->rng, 2) && edges)
			m.edge = (int32_t)mesh_below(&r->rng, edges);
		else
			m.proc = mesh_below(&r->rng, mesh_procs(r->topo));
	}
	issue(r, &m);
}

static void
on_acted(void *arg, struct host_memory *h, uint64_t token, int64_t s)
{
	struct run *r = arg;
	if (token != 1)
		return;
	if (r->n_acted == r->n_issued) {
		wrong(r, "a command acted that was not issued");
		return;
	}
	struct issued *i = &r->issued[r->n_acted++];
	i->s = s;
	if (i->msg.act != ACT_PAUSE)
		return;
	for (uint32_t p = 0; p < mesh_procs(r->topo); p++) {
		const struct proc *q = host_memory_proc(h, p);
		if (!q || proc_state(q) != PROC_RUNNING || s >= r->end_k || proc_held(q))
			continue;
		/* A scripted starter may wait beyond S, in its first steps. */
		if (proc_k(q) != s && proc_slice(q)->start_k <= s)
			wrong(r, "paused at %" PRId64 " but %s is at %" PRId64, s, name(r, p),
			      proc_k(q));
	}
}

static void
chaos(void *arg, struct host_memory *h)
{
	struct run *r = arg;
	const struct super *s = host_memory_super(h);
	uint32_t procs = mesh_procs(r->topo);

	r->decisions++;
	if ((r->decisions & 15) == 0)
		check_now(r);
	if (super_ended(s) && (r->decisions & 7) == 0)
		check_bye(r);
	if (!r->wild || !super_started(s))
		return;
	check_pause(r);
	if (super_paused(s) && mesh_below(&r->rng, r->rate) == 0)
		issue(r, &(struct sup_msg){ .act = mesh_below(&r->rng, 3) ? ACT_NONE : ACT_PAUSE,
		                            .edge = -1 });
	if (mesh_below(&r->rng, r->rate))
		return;
	r->paused = false;
	uint32_t i = mesh_below(&r->rng, procs);
	uint32_t inc = super_incarnation(s, i);
	switch (mesh_below(&r->rng, 3)) {
	case 0:
		if (!r->kills_left || !host_memory_proc(h, i) || super_ended(s) || inc > LIVES_MAX)
			break;
		r->kills_left--;
		r->p[i].life[inc - 1].killed = true;
		if (r->verbose)
			printf("kill %s.%u at %" PRId64 "\n", name(r, i), inc, host_memory_k(h, i));
		host_memory_kill(h, i);
		break;
	case 1:
		if (r->starts_left && inc < LIVES_MAX && host_memory_start(h, i, NULL) == 0) {
			r->starts_left--;
			r->p[i].life[inc] = (struct life){ .start = -1, .kill = INT64_MAX };
			if (r->p[i].n < inc + 1)
				r->p[i].n = inc + 1;
			if (r->verbose)
				printf("start %s.%u\n", name(r, i), inc + 1);
		}
		break;
	default:
		if (r->commands_left) {
			r->commands_left--;
			random_command(r);
		}
	}
}

/* ---- what must be true at the end
 * ------------------------------------------------------------------ */

static void
find_recs(struct run *r)
{
	struct rec *const *recs;
	size_t n = host_memory_recs(r->h, &recs);
	for (size_t i = 0; i < n; i++) {
		const struct rec_head *head = rec_head(recs[i]);
		uint32_t procs = mesh_procs(r->topo);
		for (uint32_t p = 0; p < procs; p++)
			if (strcmp(head->id, name(r, p)) == 0 && head->incarnation <= LIVES_MAX)
				r->p[p].life[head->incarnation - 1].rec = recs[i];
	}
}

static int64_t
last_k(const struct life *l)
{
	return l->rec ? rec_last_k(l->rec) : -1;
}

static void
check_last_frames(struct run *r)
{
	int64_t end = r->end_k;
	for (size_t i = 0; i < r->n_acted; i++)
		if (r->issued[i].msg.act == ACT_STOP && r->issued[i].s < end)
			end = r->issued[i].s;
	r->end_k = end;
	for (uint32_t p = 0; p < mesh_procs(r->topo); p++) {
		for (size_t i = 0; i < r->p[p].n; i++) {
			const struct life *l = &r->p[p].life[i];
			bool by_script = l->kill - 1 < end; /* INT64_MAX: not */
			int64_t want = by_script ? l->kill - 1 : end;
			if (l->rec && rec_last_k(l->rec) < rec_first_k(l->rec))
				continue; /* its start lay past the end, or it died first */
			if (!l->rec && (r->wild || l->start >= end))
				continue;
			if (!l->rec || (l->killed ? last_k(l) > end : last_k(l) != want))
				wrong(r, "%s.%zu: last frame %" PRId64 ", expected %" PRId64,
				      name(r, p), i + 1, last_k(l), want);
		}
	}
}

struct expected {
	int64_t k;
	uint32_t code;
	int32_t chan;
	double inc, rx; /* rx: of openings */
	bool seen;
};

/* What life y of proc q sees of life x of its peer on one channel, from the timeline alone. */
static size_t
expect_pair(const struct run *r, const struct life *x, uint32_t x_inc, const struct life *y,
            const struct slice *s, size_t chan, struct expected *e)
{
	bool link = s->chans[chan].kind == CHAN_LINK;
	int64_t n = link ? 1 : s->port_period, j = x->start > y->start ? x->start : y->start;
	int64_t last_step = y->kill == INT64_MAX ? r->end_k - 1 : y->kill - 2;
	int64_t x_last = x->kill == INT64_MAX ? r->end_k : x->kill - 1;
	size_t count = 0;

	if (x_last < j || last_step < j)
		return 0;
	if (j > 0)
		e[count++] = (struct expected){ .k = j,
			                        .chan = (int32_t)chan,
			                        .inc = x_inc,
			                        .code = link ? EV_LINK_CLOSE : EV_PORT_CLOSE };
	if (x->kill == INT64_MAX)
		return count;
	int64_t open = round_up(x->kill, n), rx;
	if (open > last_step)
		return count;
	if (link)
		rx = x->kill - 2; /* its last wave */
	else if (s->kind == PROC_MODULE)
		rx = (x->kill - 1) / n * n; /* offers up to K-1 */
	else
		rx = (x->kill - 1) / n * n - n; /* the last period that ended by K-1 */
	e[count++] = (struct expected){ .k = open,
		                        .chan = (int32_t)chan,
		                        .inc = x_inc,
		                        .rx = rx < j ? -1 : (double)rx,
		                        .code = link ? EV_LINK_OPEN : EV_PORT_OPEN };
	return count;
}

static void
compare_events(struct run *r, uint32_t q, size_t life, struct expected *e, size_t n)
{
	struct rec_file *f = NULL;
	struct err err = ERR_INIT;
	const struct life *y = &r->p[q].life[life];

	if (rec_file_of(y->rec, &f, &err) < 0) {
		wrong(r, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < rec_file_n_events(f); i++) {
		const struct core_event *ev = rec_file_event(f, i);
		bool open = ev->code == EV_LINK_OPEN || ev->code == EV_PORT_OPEN, found = false;
		if (!open && ev->code != EV_LINK_CLOSE && ev->code != EV_PORT_CLOSE)
			continue;
		for (size_t x = 0; x < n && !found; x++) {
			found = !e[x].seen && e[x].k == ev->k && e[x].code == ev->code &&
			        e[x].chan == ev->chan && e[x].inc == ev->a &&
			        (!open || e[x].rx == ev->b);
			e[x].seen |= found;
		}
		if (!found)
			wrong(r,
			      "%s.%zu: %s of channel %d, peer %g, rx %g at %" PRId64
			      " is not expected",
			      name(r, q), life + 1, event_name(ev->code), ev->chan, ev->a, ev->b,
			      ev->k);
	}
	for (size_t x = 0; x < n; x++)
		if (!e[x].seen)
			wrong(r, "%s.%zu: no %s of channel %d, peer %g, rx %g at %" PRId64,
			      name(r, q), life + 1, event_name(e[x].code), e[x].chan, e[x].inc,
			      e[x].rx, e[x].k);
	rec_file_close(&f);
}

static void
check_openings(struct run *r)
{
	struct expected e[EVENTS_MAX];
	for (uint32_t q = 0; q < mesh_procs(r->topo); q++) {
		struct slice *s = NULL;
		if (slice_from_topo(r->topo, q, &s, NULL) < 0)
			abort();
		for (size_t y = 0; y < r->p[q].n; y++) {
			size_t n = 0;
			for (size_t c = 0; c < s->n_chans; c++) {
				const struct proc_lives *p = &r->p[s->chans[c].peer];
				for (size_t x = 0; x < p->n; x++)
					if (n + 2 <= EVENTS_MAX)
						n += expect_pair(r, &p->life[x], (uint32_t)x + 1,
						                 &r->p[q].life[y], s, c, &e[n]);
			}
			compare_events(r, q, y, e, n);
		}
		slice_destroy(&s);
	}
}

/* ---- wild runs: what both ends say of each other
 * ---------------------------------------------------- */

static int64_t
event_k(struct rec *rec, bool joins, int32_t chan, uint32_t inc)
{
	struct rec_file *f = NULL;
	int64_t k = -1;
	if (!rec || rec_file_of(rec, &f, NULL) < 0)
		return -1;
	for (size_t i = 0; i < rec_file_n_events(f) && k < 0; i++) {
		const struct core_event *e = rec_file_event(f, i);
		bool hit = joins ? e->code == EV_LINK_CLOSE || e->code == EV_PORT_CLOSE
		                 : e->code == EV_LINK_OPEN || e->code == EV_PORT_OPEN;
		if (hit && e->chan == chan && e->a == inc)
			k = e->k;
	}
	rec_file_close(&f);
	return k;
}

static int32_t
chan_of(const struct slice *s, uint32_t edge)
{
	for (size_t c = 0; c < s->n_chans; c++)
		if (s->chans[c].edge == edge)
			return (int32_t)c;
	return -1;
}

/* One life of each end of one edge. */
static void
check_pair(struct run *r, const struct slice *a, const struct slice *b, uint32_t edge, size_t i,
           size_t j)
{
	const struct life *x = &r->p[a->index].life[i], *y = &r->p[b->index].life[j];
	int32_t ca = chan_of(a, edge), cb = chan_of(b, edge);
	uint32_t xi = (uint32_t)i + 1, yi = (uint32_t)j + 1;
	if (!x->rec || !y->rec || last_k(x) < rec_first_k(x->rec) ||
	    last_k(y) < rec_first_k(y->rec))
		return;
	bool first = i == 0 && j == 0;
	int64_t join_a = first ? 0 : event_k(x->rec, true, ca, yi);
	int64_t join_b = first ? 0 : event_k(y->rec, true, cb, xi);
	int64_t gone_a = event_k(x->rec, false, ca, yi), gone_b = event_k(y->rec, false, cb, xi);
	int64_t start = rec_first_k(x->rec) > rec_first_k(y->rec) ? rec_first_k(x->rec)
	                                                          : rec_first_k(y->rec);
	if ((join_a >= 0 && join_a != start) || (join_b >= 0 && join_b != start))
		wrong(r,
		      "edge %u, %s.%u and %s.%u: joined at %" PRId64 " and %" PRId64
		      ", they start together at %" PRId64,
		      edge, a->id, xi, b->id, yi, join_a, join_b, start);
	/* Both went to the end: they have joined, unless the end came first. */
	bool ends = last_k(x) == r->end_k && last_k(y) == r->end_k && start < r->end_k &&
	            !x->killed &&
	            !y->killed; /* even at the end, what is killed may lose messages */
	if (ends && (join_a < 0 || join_b < 0))
		wrong(r,
		      "edge %u: %s.%u and %s.%u live to the end and never joined (%" PRId64
		      ", %" PRId64 ")",
		      edge, a->id, xi, b->id, yi, join_a, join_b);
	if (ends && (gone_a >= 0 || gone_b >= 0))
		wrong(r, "edge %u: %s.%u and %s.%u live to the end but one is gone at %" PRId64,
		      edge, a->id, xi, b->id, yi, gone_a >= 0 ? gone_a : gone_b);
	/* GONE comes within a period of the dead one's last frame, or of J when it never got there.
	 */
	int64_t n = ca < (int32_t)a->n_chans && a->chans[ca].kind == CHAN_LINK ? 1 : a->port_period;
	int64_t latest = (start > last_k(y) ? round_up(start, n) : round_up(last_k(y) + 1, n)) + n;
	if (gone_a > latest)
		wrong(r,
		      "edge %u: %s.%u opens to %s.%u at %" PRId64 ", whose last frame is %" PRId64,
		      edge, a->id, xi, b->id, yi, gone_a, last_k(y));
	/* A life that outlasts its peer by a period and a step has opened. */
	if (join_a >= 0 && gone_a < 0 && last_k(x) > latest)
		wrong(r, "edge %u: %s.%u never opened to %s.%u, whose last frame is %" PRId64, edge,
		      a->id, xi, b->id, yi, last_k(y));
}

static void
check_edges(struct run *r)
{
	uint32_t procs = mesh_procs(r->topo);
	struct slice *s[PROCS_MAX] = { NULL };
	for (uint32_t i = 0; i < procs; i++)
		if (slice_from_topo(r->topo, i, &s[i], NULL) < 0)
			abort();
	for (uint32_t i = 0; i < procs; i++)
		for (size_t c = 0; c < s[i]->n_chans; c++)
			for (size_t x = 0; x < r->p[i].n; x++)
				for (size_t y = 0; y < r->p[s[i]->chans[c].peer].n; y++)
					check_pair(r, s[i], s[s[i]->chans[c].peer],
					           s[i]->chans[c].edge, x, y);
	for (uint32_t i = 0; i < procs; i++)
		slice_destroy(&s[i]);
}

static bool
has_fault(struct rec *rec, int64_t k, int32_t chan)
{
	struct rec_file *f = NULL;
	bool found = false;
	if (rec_file_of(rec, &f, NULL) < 0)
		return false;
	for (size_t i = 0; i < rec_file_n_events(f) && !found; i++) {
		const struct core_event *e = rec_file_event(f, i);
		found = e->code == EV_FAULT && e->k == k && e->chan == chan;
	}
	rec_file_close(&f);
	return found;
}

/* An agreed fault acts at S in every life that computes S, at the ends that it names. */
static void
check_faults(struct run *r)
{
	for (size_t i = 0; i < r->n_acted; i++) {
		const struct issued *c = &r->issued[i];
		if (c->msg.act != ACT_FAULT)
			continue;
		for (uint32_t p = 0; p < mesh_procs(r->topo); p++) {
			struct slice *s = NULL;
			if (slice_from_topo(r->topo, p, &s, NULL) < 0)
				abort();
			int32_t chan = c->msg.edge >= 0 ? chan_of(s, (uint32_t)c->msg.edge) : -1;
			bool mine = c->msg.edge >= 0 ? chan >= 0 : c->msg.proc == p;
			for (size_t l = 0; mine && l < r->p[p].n; l++) {
				const struct life *x = &r->p[p].life[l];
				if (x->rec && rec_first_k(x->rec) <= c->s && last_k(x) > c->s &&
				    !has_fault(x->rec, c->s, chan))
					wrong(r, "%s.%zu: no fault at the agreed step %" PRId64,
					      s->id, l + 1, c->s);
			}
			slice_destroy(&s);
		}
	}
}

/* ---- runs
 * --------------------------------------------------------------------------------------------- */

static void
take_trace(struct run *r)
{
	struct rec *const *recs;
	struct err err = ERR_INIT;
	size_t n = host_memory_recs(r->h, &recs);
	struct rec_file **files = calloc(n, sizeof(struct rec_file *));
	if (!files)
		abort();
	for (size_t i = 0; i < n; i++)
		if (rec_file_of(recs[i], &files[i], &err) < 0)
			wrong(r, "%s", err.text);
	if (!r->wrong[0] && rec_trace(files, n, r->trace, &err) < 0)
		wrong(r, "trace: %s", err.text);
	for (size_t i = 0; i < n; i++)
		rec_file_close(&files[i]);
	free((void *)files);
}

static void
one_run(struct run *r, uint64_t schedule)
{
	struct err err = ERR_INIT;
	struct memory_params par = { .topo = r->topo,
		                     .script = r->script,
		                     .ops = { &empty_node_ops, &empty_module_ops },
		                     .end_k = r->end_k,
		                     .seed = r->seed,
		                     .schedule = schedule };
	r->schedule = schedule;
	empty_core_reset();
	plan(r);
	if (host_memory_create(&par, &r->h, &err) < 0) {
		wrong(r, "%s", err.text);
		return;
	}
	host_memory_set_chaos(r->h, chaos, r);
	host_memory_set_acted(r->h, on_acted, r);
	if (host_memory_run(r->h, NULL, NULL, &err) < 0)
		wrong(r, "%s", err.text);
	const char *first;
	if (empty_core_violations(&first))
		wrong(r, "%s", first);
	if (host_memory_bad(r->h))
		wrong(r, "%" PRIu64 " messages were dropped", host_memory_bad(r->h));
	if (r->wrong[0])
		return;
	find_recs(r);
	check_last_frames(r);
	if (r->wrong[0])
		return;
	if (r->wild) {
		check_edges(r);
		check_faults(r);
	} else {
		check_openings(r);
		take_trace(r);
	}
}

static void
describe(const struct run *r)
{
	static const char *const kinds[] = { "kill", "stop", "start", "cont" };
	const struct topo *t = r->topo;
	printf("%zu nodes, %zu modules, port period %u, end %" PRId64 "; links", t->n_nodes,
	       t->n_modules, t->port_period, r->end_k);
	for (size_t i = 0; i < t->n_links; i++)
		printf(" %s-%s", t->nodes[t->links[i].a].id, t->nodes[t->links[i].b].id);
	printf("; ports");
	for (size_t i = 0; i < t->n_ports; i++)
		printf(" %s", t->ports[i].id);
	printf("\n");
	for (size_t i = 0; i < r->script->n; i++)
		printf("%s %s at %" PRId64 "\n", kinds[r->script->actions[i].kind],
		       name(r, r->script->actions[i].target), r->script->actions[i].k);
}

/* Returns false and prints how to see it again. */
static bool
scenario(uint64_t seed, bool wild, bool verbose)
{
	static struct run r;
	uint8_t trace[32] = { 0 };
	bool ok = true;

	for (uint64_t i = 0; ok && i < (wild ? 1 : SCHEDULES); i++) {
		begin(&r, seed, wild);
		r.verbose = verbose;
		if (verbose && i == 0)
			describe(&r);
		uint64_t schedule = !wild && i == 0 ? 0 : (seed << 8) + i + 1;
		one_run(&r, schedule);
		if (!wild && i == 0)
			memcpy(trace, r.trace, sizeof trace);
		else if (!wild && !r.wrong[0] && memcmp(trace, r.trace, sizeof trace) != 0)
			wrong(&r, "its trace differs from that of the round-robin schedule");
		ok = !r.wrong[0];
		if (!ok)
			printf("seed %" PRIu64 ", schedule %" PRIu64 ": %s\n"
			       "  again: VL_LIFE=%s:%" PRIu64 " tests/sim/test_life\n",
			       seed, schedule, r.wrong, wild ? "wild" : "scripted", seed);
		finish(&r);
	}
	fflush(stdout);
	return ok;
}

static void
many(bool wild, uint64_t n)
{
	uint64_t bad = 0;
	if (getenv("VL_NIGHTLY"))
		n *= NIGHTLY_FACTOR;
	for (uint64_t seed = 1; seed <= n && bad < 5; seed++)
		bad += !scenario(seed, wild, false);
	ck_assert_msg(!bad, "%s runs failed, see above", wild ? "wild" : "scripted");
	printf("%s: %" PRIu64 " meshes, %" PRIu64 " schedules\n", wild ? "wild" : "scripted", n,
	       n * (wild ? 1 : SCHEDULES));
	fflush(stdout);
}

START_TEST(test_scripted)
{
	many(false, SEEDS_SCRIPTED);
}
END_TEST

START_TEST(test_wild)
{
	many(true, SEEDS_WILD);
}
END_TEST

/* ---- single cases
 * ----------------------------------------------------------------------------------- */

struct small {
	int64_t stop_at; /* of process 0; -1: kill process 1 before the clock starts */
	bool done;
};

static void
small_chaos(void *arg, struct host_memory *h)
{
	struct small *c = arg;
	if (c->done)
		return;
	if (c->stop_at < 0 && host_memory_proc(h, 1)) {
		c->done = true;
		host_memory_kill(h, 1);
	} else if (c->stop_at >= 0 && host_memory_k(h, 0) >= c->stop_at) {
		c->done = host_memory_command(h, &(struct sup_msg){ .act = ACT_STOP, .edge = -1 },
		                              NULL) == 0;
	}
}

static int
small_run(struct topo *t, struct small *c, uint64_t schedule, struct host_memory **h,
          struct err *err)
{
	struct memory_params par = { .topo = t,
		                     .ops = { &empty_node_ops, &empty_module_ops },
		                     .end_k = INT64_MAX,
		                     .schedule = schedule };
	empty_core_reset();
	ck_assert_int_eq(host_memory_create(&par, h, err), 0);
	host_memory_set_chaos(*h, small_chaos, c);
	return host_memory_run(*h, NULL, NULL, err);
}

/* A process that dies before all were ready: the start has failed, and says who. */
START_TEST(test_death_at_start)
{
	struct topo *t = mesh_triangle(5);
	for (uint64_t schedule = 0; schedule < 200; schedule++) {
		struct host_memory *h = NULL;
		struct err err = ERR_INIT;
		struct small c = { .stop_at = -1 };
		ck_assert_int_eq(small_run(t, &c, schedule, &h, &err), ERR_PEER);
		ck_assert_msg(strstr(err.text, "n2 ended before"), "%s", err.text);
		host_memory_destroy(&h);
	}
	mesh_free(t);
}
END_TEST

/* The end is not known until somebody says stop: all end at one S. */
START_TEST(test_stop)
{
	struct topo *t = mesh_triangle(5);
	for (uint64_t schedule = 0; schedule < 200; schedule++) {
		struct host_memory *h = NULL;
		struct err err = ERR_INIT;
		struct small c = { .stop_at = 17 };
		struct rec *const *recs;
		ck_assert_msg(small_run(t, &c, schedule, &h, &err) == 0, "%s", err.text);
		size_t n = host_memory_recs(h, &recs);
		ck_assert_uint_eq(n, 4);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(rec_last_k(recs[i]), rec_last_k(recs[0]));
		ck_assert_int_gt(rec_last_k(recs[0]), 17);
		ck_assert_int_lt(rec_last_k(recs[0]), 60);
		ck_assert_uint_eq(empty_core_violations(NULL), 0);
		host_memory_destroy(&h);
	}
	mesh_free(t);
}
END_TEST

/* Rows that whole meshes do not take; tests/sim/test_link_fsm.c takes each of them directly. */
static const char *const untaken[] = {
	"out of order",  /* nothing is dropped in a whole run: see host_memory_bad() */
	"after the end", /* the socket is closed with the record */
	/* The loss of a life that never started would have to be seen after its successor has been
	 * greeted, held and agreed on: too rare for the seeds here. */
	"superseded, J unknown",
	/* A scripted successor at the very step in which a SIGKILL by hand is not known yet. */
	"older life undecided",
	NULL,
};

START_TEST(test_rows)
{
	for (uint64_t seed = 1; seed <= 300; seed++)
		ck_assert(scenario(seed, false, false));
	for (uint64_t seed = 1; seed <= 1500; seed++)
		ck_assert(scenario(seed, true, false));
	for (size_t i = 0; i < link_fsm_rows(); i++) {
		const char *what;
		uint64_t n = link_fsm_row_count(i, &what);
		bool never = false;
		for (size_t x = 0; untaken[x]; x++)
			never |= strcmp(untaken[x], what) == 0;
		if (getenv("VL_ROWS"))
			printf("%-28s %" PRIu64 "\n", what, n);
		ck_assert_msg(never || n > 0, "row \"%s\" was never taken", what);
	}
}
END_TEST

int
main(void)
{
	const char *one = getenv("VL_LIFE");
	if (one) {
		const char *colon = strchr(one, ':');
		return colon && scenario(strtoull(colon + 1, NULL, 10), one[0] == 'w', true) ? 0
		                                                                             : 1;
	}
	Suite *s = suite_create("life");
	TCase *t = tcase_create("life");
	tcase_set_timeout(t, getenv("VL_NIGHTLY") ? 3600 : 110);
	tcase_add_test(t, test_scripted);
	tcase_add_test(t, test_wild);
	tcase_add_test(t, test_death_at_start);
	tcase_add_test(t, test_stop);
	tcase_add_test(t, test_rows);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
