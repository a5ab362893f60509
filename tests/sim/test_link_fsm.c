/*
 * Every interleaving of small meshes over the real table of link_fsm: an explicit-state explorer.
 *
 * The processes here are abstract: a step counter, a place in the cycle (offer, gather, send),
 * records of link_fsm, one queue per direction. Each send, each delivery, each need is a transition
 * of its own, so a SIGKILL can fall between any two of them, and what a dead process sent last can
 * be lost. No transition left means the end: all that live are done, or it is a deadlock.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_fsm.h"

enum { P_MAX = 3, C_MAX = 2, FIFO_MAX = 6, WORDS_MAX = 4, PERIOD = 2, NEVER = 100 };
enum { RUN, NEW, PARKING, PARKED, DEAD, DONE };
enum { ARRIVE, GATHER, SEND, PARK_SEND };
enum { M_GREET, M_GREETOK, M_DATA, M_PARK, M_PARKED };
enum { W_ANNOUNCE, W_HOLD, W_AGREE };
enum { S_GREETS, S_HOLDS, S_DONE };

struct crec {
	int8_t state, j, rx, park_k;
	uint8_t flags; /* connected, park, answered, gone, joined */
};

struct fifo {
	uint8_t n;
	struct {
		uint8_t type;
		int8_t step;
	} m[FIFO_MAX];
};

struct abs_proc {
	int8_t k, st, phase, c, held;
	int8_t opened[C_MAX], rx[C_MAX]; /* step of GONE, and what had been received */
	int8_t joined[C_MAX];
	uint8_t told_lost, told_death; /* bits of channels */
	uint8_t n_words;
	struct {
		uint8_t type;
		int8_t k;
	} words[WORDS_MAX];
	struct crec rec[C_MAX];
	struct fifo in[C_MAX];
};

struct state {
	struct abs_proc p[P_MAX];
	int8_t kills_left, super, s, held_k[P_MAX];
};

/* One scenario: who is next to whom, and what happens. */
struct config {
	const char *name;
	int n, end;
	int n_chans[P_MAX];
	struct {
		int peer, chan; /* the other end */
		enum link_kind kind;
	} at[P_MAX][C_MAX];
	int kill_k[P_MAX]; /* scripted, NEVER: none */
	int kills;         /* SIGKILLs at any moment, of anyone in `mortal` */
	unsigned mortal;
	int newcomer; /* -1: none */
	const char *wrong;
};

/* ---- the set of states --------------------------------------------------------------------------
 */

static struct state *states;
static size_t n_states, cap_states;
static uint32_t *table;
static size_t table_size;
static unsigned enabled; /* transitions of the state under work, SIGKILLs by hand aside */

static uint64_t
hash(const struct state *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < sizeof *s; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static void
grow_table(void)
{
	table_size = table_size ? 2 * table_size : 1 << 16;
	free(table);
	table = calloc(table_size, sizeof *table);
	if (!table)
		abort();
	for (size_t i = 0; i < n_states; i++) {
		size_t at = hash(&states[i]) & (table_size - 1);
		while (table[at])
			at = (at + 1) & (table_size - 1);
		table[at] = (uint32_t)i + 1;
	}
}

static void
add(const struct state *s)
{
	enabled++;
	if (2 * n_states >= table_size)
		grow_table();
	size_t at = hash(s) & (table_size - 1);
	for (; table[at]; at = (at + 1) & (table_size - 1))
		if (memcmp(&states[table[at] - 1], s, sizeof *s) == 0)
			return;
	if (n_states == cap_states) {
		cap_states = cap_states ? 2 * cap_states : 1024;
		states = realloc(states, cap_states * sizeof *states);
		if (!states)
			abort();
	}
	states[n_states++] = *s;
	table[at] = (uint32_t)n_states;
}

/* ---- the table under test
 * ------------------------------------------------------------------------- */

static struct link_rec
unpack(const struct config *cf, const struct state *s, int p, int c)
{
	const struct crec *x = &s->p[p].rec[c];
	struct link_rec r;
	link_rec_init(&r, cf->at[p][c].kind, PERIOD, 1);
	r.state = (enum link_state)x->state;
	r.j = x->j;
	r.rx = x->rx;
	r.park_k = x->park_k;
	r.connected = x->flags & 1;
	r.park = x->flags & 2;
	r.answered = x->flags & 4;
	r.gone = x->flags & 8;
	r.joined = x->flags & 16;
	return r;
}

static void
pack(struct state *s, int p, int c, const struct link_rec *r)
{
	s->p[p].rec[c] =
		(struct crec){ (int8_t)r->state, (int8_t)r->j, (int8_t)r->rx, (int8_t)r->park_k,
		               (uint8_t)(r->connected | r->park << 1 | r->answered << 2 |
		                         r->gone << 3 | r->joined << 4) };
}

static void
broken(struct config *cf, const char *what)
{
	if (!cf->wrong)
		cf->wrong = what;
}

static void
put(const struct config *cf, struct state *s, int p, int c, uint8_t type, int8_t step)
{
	int to = cf->at[p][c].peer;
	struct fifo *f = &s->p[to].in[cf->at[p][c].chan];
	if (s->p[to].st == DEAD)
		return;
	if (f->n == FIFO_MAX)
		abort();
	f->m[f->n].type = type;
	f->m[f->n++].step = step;
}

/* One event; the answers that the table asks for go out. */
static unsigned
event(struct config *cf, struct state *s, int p, int c, enum link_event e, int k, bool starts)
{
	struct link_rec r = unpack(cf, s, p, c);
	unsigned actions = link_fsm(&r, e, &(struct link_arg){ .k = k, .starts = starts });
	pack(s, p, c, &r);
	if (actions & LA_BAD)
		broken(cf, "a message is out of order");
	if (actions & LA_GREET)
		put(cf, s, p, c, M_GREET, 0);
	if (actions & LA_GREETOK)
		put(cf, s, p, c, M_GREETOK, 0);
	if (actions & LA_PARKED)
		put(cf, s, p, c, M_PARKED, 0);
	if (actions & LA_CLOSE)
		memset(&s->p[p].in[c], 0, sizeof s->p[p].in[c]);
	return actions;
}

/* ---- a process goes on
 * ------------------------------------------------------------------------------ */

static bool
live_at(const struct state *s, int p, int c, int k)
{
	const struct crec *r = &s->p[p].rec[c];
	return r->state == LINK_LIVE && k >= r->j;
}

static void
next_phase(struct config *cf, struct state *s, int p)
{
	struct abs_proc *q = &s->p[p];
	q->c = 0;
	switch (q->phase) {
	case ARRIVE:
		q->phase = q->k == cf->kill_k[p] - 1 ? PARK_SEND : GATHER;
		break;
	case GATHER:
		q->phase = SEND;
		break;
	case SEND:
		q->phase = ARRIVE;
		q->k++;
		if (q->k == cf->end)
			q->st = DONE;
		break;
	default:
		q->st = PARKING;
	}
}

static void
arrive(struct config *cf, struct state *s, int p, int c)
{
	struct abs_proc *q = &s->p[p];
	if (live_at(s, p, c, q->k) && !(q->rec[c].flags & 16) &&
	    (event(cf, s, p, c, LE_JOIN, q->k, false) & LA_JOIN))
		q->joined[c] = q->k;
	if (cf->at[p][c].kind == LINK_KIND_NODE_PORT && live_at(s, p, c, q->k) &&
	    q->k % PERIOD == 0)
		put(cf, s, p, c, M_DATA, q->k);
}

static bool
gather(struct config *cf, struct state *s, int p, int c)
{
	struct abs_proc *q = &s->p[p];
	if (q->rec[c].state != LINK_LIVE)
		return true;
	unsigned a = event(cf, s, p, c, LE_NEED, q->k, false);
	if (a & LA_GONE) {
		q->opened[c] = q->k;
		q->rx[c] = q->rec[c].rx;
	}
	return a & LA_READY;
}

static void
send_result(struct config *cf, struct state *s, int p, int c)
{
	int k = s->p[p].k, answer = k + 1 - PERIOD;
	if (!live_at(s, p, c, k))
		return;
	if (cf->at[p][c].kind == LINK_KIND_LINK)
		put(cf, s, p, c, M_DATA, (int8_t)k);
	else if (cf->at[p][c].kind == LINK_KIND_MODULE_PORT && (k + 1) % PERIOD == 0 &&
	         answer >= s->p[p].rec[c].j)
		put(cf, s, p, c, M_DATA, (int8_t)answer);
}

static void
advance(struct config *cf, const struct state *from, int p)
{
	struct state s = *from;
	struct abs_proc *q = &s.p[p];
	if (q->st != RUN || (q->held && q->phase <= GATHER))
		return;
	switch (q->phase) {
	case ARRIVE:
		arrive(cf, &s, p, q->c);
		break;
	case GATHER:
		if (!gather(cf, &s, p, q->c))
			return;
		break;
	case SEND:
		send_result(cf, &s, p, q->c);
		break;
	default:
		if (q->rec[q->c].state != LINK_OPEN && q->rec[q->c].state != LINK_NONE)
			put(cf, &s, p, q->c, M_PARK, q->k);
	}
	if (++q->c == cf->n_chans[p])
		next_phase(cf, &s, p);
	add(&s);
}

static void
park(struct config *cf, const struct state *from, int p)
{
	struct state s = *from;
	for (int c = 0; c < cf->n_chans[p]; c++)
		if (s.p[p].rec[c].state == LINK_LIVE && !(s.p[p].rec[c].flags & (2 | 4 | 8)))
			return;
	s.p[p].st = PARKED;
	add(&s);
}

/* ---- the world
 * -------------------------------------------------------------------------------------- */

static void
die(const struct config *cf, const struct state *from, int p, bool by_hand)
{
	struct state s = *from;
	s.kills_left = (int8_t)(s.kills_left - by_hand);
	s.p[p].st = DEAD;
	s.p[p].n_words = 0;
	memset(s.p[p].words, 0, sizeof s.p[p].words);
	for (int c = 0; c < cf->n_chans[p]; c++)
		memset(&s.p[p].in[c], 0, sizeof s.p[p].in[c]);
	if (p == cf->newcomer && s.super != S_DONE && s.super != S_HOLDS)
		s.super = S_DONE;
	add(&s);
}

static bool
connected(const struct config *cf, const struct state *s, int p, int c)
{
	int peer = cf->at[p][c].peer, chan = cf->at[p][c].chan;
	return s->p[p].rec[c].state != LINK_NONE && s->p[peer].rec[chan].state != LINK_NONE;
}

static void
deliver(struct config *cf, const struct state *from, int p, int c)
{
	static const enum link_event events[] = { LE_GREET, LE_GREETOK, LE_DATA, LE_PARK,
		                                  LE_PARKED };
	struct state s = *from;
	struct fifo *f = &s.p[p].in[c];
	if (!f->n || !connected(cf, &s, p, c) || s.p[p].st == DEAD)
		return;
	uint8_t type = f->m[0].type;
	int8_t step = f->m[0].step;
	memmove(&f->m[0], &f->m[1], sizeof f->m - sizeof f->m[0]);
	memset(&f->m[FIFO_MAX - 1], 0, sizeof f->m[0]);
	f->n--;
	unsigned a = event(cf, &s, p, c, events[type], step, false);
	/* Before J is known data stays in the channel: row "before J is known". */
	if (a & LA_STASH)
		return;
	add(&s);
}

/* The last message of a dead process may be lost; then its end is seen, when nothing is left. */
static void
losses(struct config *cf, const struct state *from, int p, int c)
{
	struct state s = *from;
	struct abs_proc *q = &s.p[p];
	const uint8_t bit = (uint8_t)(1u << c);
	if (s.p[cf->at[p][c].peer].st != DEAD || q->st == DEAD || q->rec[c].state == LINK_NONE)
		return;
	bool joined = connected(cf, &s, p, c), unscripted = cf->kill_k[cf->at[p][c].peer] == NEVER;
	if (q->in[c].n && (unscripted || !joined)) {
		q->in[c].n--;
		memset(&q->in[c].m[q->in[c].n], 0, sizeof q->in[c].m[0]);
		add(&s);
		s = *from;
	}
	if (!q->in[c].n && joined && !(q->told_lost & bit)) {
		q->told_lost |= bit;
		event(cf, &s, p, c, LE_DISCONNECTED, 0, false);
		add(&s);
		s = *from;
	}
	if (!(q->told_death & bit)) {
		q->told_death |= bit;
		/* The host tells what the transport knows before it hands on the word. */
		if (joined)
			q->rec[c].flags |= 1;
		uint8_t gone = q->rec[c].flags & 8;
		event(cf, &s, p, c, LE_DEATH, 0, false);
		if (q->in[c].n && joined && !gone && (q->rec[c].flags & 8))
			broken(cf, "a word of death overtakes data");
		add(&s);
	}
}

static void
word(struct config *cf, const struct state *from, int p)
{
	struct state s = *from;
	struct abs_proc *q = &s.p[p];
	/* Words are taken between two steps, or while it waits; sends are not interrupted. */
	if (!q->n_words || q->st == DEAD || (q->st == RUN && q->phase >= SEND))
		return;
	uint8_t type = q->words[0].type;
	int8_t k = q->words[0].k;
	memmove(&q->words[0], &q->words[1], sizeof q->words - sizeof q->words[0]);
	memset(&q->words[WORDS_MAX - 1], 0, sizeof q->words[0]);
	q->n_words--;
	bool parks = q->st == PARKING || q->st == PARKED || q->phase == PARK_SEND;
	for (int c = 0; c < cf->n_chans[p]; c++) {
		bool near = cf->at[p][c].peer == cf->newcomer || p == cf->newcomer;
		if (type == W_ANNOUNCE && near && !parks)
			event(cf, &s, p, c, LE_ANNOUNCE, 0, false);
		if (type == W_AGREE && near && !parks)
			event(cf, &s, p, c, LE_AGREE, k, k < cf->end && q->st != DONE);
	}
	if (type == W_HOLD && !parks && q->st != DONE) {
		q->held = 1;
		s.held_k[p] = q->st == NEW ? -1 : q->k;
	}
	if (type == W_AGREE) {
		q->held = 0;
		if (q->st == RUN && k <= q->k && k < cf->end)
			broken(cf, "S lies in the past");
		if (q->st == NEW) {
			q->k = k;
			q->st = k < cf->end ? RUN : DONE;
		}
	}
	add(&s);
}

static void
tell(struct state *s, int p, uint8_t type, int8_t k)
{
	struct abs_proc *q = &s->p[p];
	if (q->st == DEAD)
		return;
	if (q->n_words == WORDS_MAX)
		abort();
	q->words[q->n_words].type = type;
	q->words[q->n_words++].k = k;
}

/* HOLD when the newcomer is ready, AGREE{S} when all that can have answered. */
static void
supervise(struct config *cf, const struct state *from)
{
	struct state s = *from;
	struct abs_proc *nc = cf->newcomer < 0 ? NULL : &s.p[cf->newcomer];
	if (!nc || s.super == S_DONE)
		return;
	if (s.super == S_GREETS) {
		for (int c = 0; c < cf->n_chans[cf->newcomer]; c++)
			if (nc->rec[c].state == LINK_GREETING)
				return;
		for (int p = 0; p < cf->n; p++) {
			s.held_k[p] = NEVER;
			tell(&s, p, W_HOLD, 0);
		}
		s.super = S_HOLDS;
		add(&s);
		return;
	}
	int high = -1;
	for (int p = 0; p < cf->n; p++) {
		const struct abs_proc *q = &s.p[p];
		if (q->st == DEAD || q->st == PARKED)
			continue;
		if (q->st == DONE)
			high = cf->end;
		else if (s.held_k[p] == NEVER)
			return;
		else if (s.held_k[p] > high)
			high = s.held_k[p];
	}
	s.s = (int8_t)((high + PERIOD) / PERIOD * PERIOD);
	for (int p = 0; p < cf->n; p++)
		tell(&s, p, W_AGREE, s.s);
	s.super = S_DONE;
	add(&s);
}

/* ---- what has to hold
 * --------------------------------------------------------------------------------- */

static void
check_state(struct config *cf, const struct state *s)
{
	for (int p = 0; p < cf->n; p++) {
		for (int c = 0; c < cf->n_chans[p]; c++) {
			int o = cf->at[p][c].peer, oc = cf->at[p][c].chan;
			int period = cf->at[p][c].kind == LINK_KIND_LINK ? 1 : PERIOD;
			const struct crec *a = &s->p[p].rec[c], *b = &s->p[o].rec[oc];
			if (a->state != LINK_LIVE || b->state != LINK_LIVE)
				continue;
			if (a->j != b->j)
				broken(cf, "the ends have a different J");
			/* Who sends has computed its step. */
			int ka = s->p[p].k, kb = s->p[o].k + (s->p[o].phase == SEND);
			if (kb < a->j)
				kb = a->j;
			if (s->p[p].st == RUN && s->p[o].st == RUN && ka - kb > period)
				broken(cf, "neighbours are more than one period apart");
		}
	}
}

static void
check_end(struct config *cf, const struct state *s)
{
	for (int p = 0; p < cf->n; p++) {
		const struct abs_proc *q = &s->p[p];
		if (q->st != DEAD && q->st != DONE)
			broken(cf, "deadlock");
		if (q->st == DEAD && cf->kill_k[p] != NEVER && !cf->kills &&
		    q->k != cf->kill_k[p] - 1)
			broken(cf, "the last frame of a victim is not K-1");
		for (int c = 0; c < cf->n_chans[p]; c++) {
			int o = cf->at[p][c].peer, kill = cf->kill_k[o];
			if (kill == NEVER || cf->kills || q->st == DEAD || p == cf->newcomer)
				continue;
			bool link = cf->at[p][c].kind == LINK_KIND_LINK;
			int at = link ? kill : (kill + PERIOD - 1) / PERIOD * PERIOD;
			if (at < cf->end && q->opened[c] != at)
				broken(cf, "a scripted opening is not at K");
			if (link && at < cf->end && q->rx[c] != kill - 2)
				broken(cf, "the last wave of a victim is not that of K-2");
		}
	}
}

static void
expand(struct config *cf, size_t i)
{
	struct state s = states[i];
	enabled = 0;
	check_state(cf, &s);
	supervise(cf, &s);
	for (int p = 0; p < cf->n; p++) {
		if (s.p[p].st == DEAD)
			continue;
		advance(cf, &s, p);
		word(cf, &s, p);
		if (s.p[p].st == PARKING)
			park(cf, &s, p);
		if (s.p[p].st == PARKED)
			die(cf, &s, p, false);
		if (s.kills_left && (cf->mortal >> p & 1)) {
			die(cf, &s, p, true);
			enabled--; /* a choice, not a way out */
		}
		for (int c = 0; c < cf->n_chans[p]; c++) {
			deliver(cf, &s, p, c);
			losses(cf, &s, p, c);
		}
	}
}

static void
join_ends(struct config *cf, int p, int c, int q, int d, bool port)
{
	cf->at[p][c].peer = q;
	cf->at[p][c].chan = d;
	cf->at[p][c].kind = port ? LINK_KIND_NODE_PORT : LINK_KIND_LINK;
	cf->at[q][d].peer = p;
	cf->at[q][d].chan = c;
	cf->at[q][d].kind = port ? LINK_KIND_MODULE_PORT : LINK_KIND_LINK;
	cf->n_chans[p] = cf->n_chans[p] > c ? cf->n_chans[p] : c + 1;
	cf->n_chans[q] = cf->n_chans[q] > d ? cf->n_chans[q] : d + 1;
}

static struct config
blank(const char *name, int n, int end)
{
	struct config cf;
	memset(&cf, 0, sizeof cf);
	cf.name = name;
	cf.n = n;
	cf.end = end;
	cf.newcomer = -1;
	for (int p = 0; p < P_MAX; p++)
		cf.kill_k[p] = NEVER;
	return cf;
}

static struct state
initial(struct config *cf)
{
	struct state s;
	memset(&s, 0, sizeof s);
	s.kills_left = (int8_t)cf->kills;
	for (int p = 0; p < cf->n; p++) {
		struct abs_proc *q = &s.p[p];
		q->st = p == cf->newcomer ? NEW : RUN;
		for (int c = 0; c < cf->n_chans[p]; c++) {
			struct link_rec r;
			link_rec_init(&r, cf->at[p][c].kind, PERIOD, 1);
			q->opened[c] = q->joined[c] = -1;
			pack(&s, p, c, &r);
		}
	}
	for (int p = 0; p < cf->n; p++)
		for (int c = 0; c < cf->n_chans[p]; c++) {
			bool late = p == cf->newcomer || cf->at[p][c].peer == cf->newcomer;
			if (late)
				continue;
			event(cf, &s, p, c, LE_ANNOUNCE, 0, false);
			event(cf, &s, p, c, LE_START, 0, false);
		}
	/* Greetings that began before the clock did may still be under way. */
	for (int p = 0; p < cf->n; p++) {
		if (cf->newcomer >= 0)
			tell(&s, p, W_ANNOUNCE, 0);
		for (int c = 0; cf->newcomer < 0 && c < cf->n_chans[p]; c++)
			memset(&s.p[p].in[c], 0, sizeof s.p[p].in[c]);
	}
	return s;
}

static void
explore(struct config cf)
{
	n_states = 0;
	memset(table, 0, table_size * sizeof *table);
	struct state s = initial(&cf);
	add(&s);
	size_t ends = 0;
	for (size_t i = 0; i < n_states && !cf.wrong; i++) {
		expand(&cf, i);
		if (!enabled) {
			ends++;
			check_end(&cf, &states[i]);
		}
	}
	printf("%-34s %8zu states, %zu ends\n", cf.name, n_states, ends);
	fflush(stdout);
	ck_assert_msg(!cf.wrong, "%s: %s", cf.name, cf.wrong);
	ck_assert_uint_gt(ends, 0);
}

static struct config
pair(const char *name, int end)
{
	struct config cf = blank(name, 2, end);
	join_ends(&cf, 0, 0, 1, 0, false);
	return cf;
}

static struct config
line(const char *name, int end)
{
	struct config cf = pair(name, end);
	cf.n = 3;
	join_ends(&cf, 1, 1, 2, 0, false);
	return cf;
}

static struct config
triangle(const char *name, int end)
{
	struct config cf = line(name, end);
	join_ends(&cf, 0, 1, 2, 1, false);
	return cf;
}

/* Two nodes and a module that both feed. */
static struct config
dual_fed(const char *name, int end)
{
	struct config cf = pair(name, end);
	cf.n = 3;
	join_ends(&cf, 0, 1, 2, 0, true);
	join_ends(&cf, 1, 1, 2, 1, true);
	return cf;
}

static void
setup(void)
{
	grow_table();
}

static void
teardown(void)
{
	free(states);
	free(table);
	states = NULL;
	table = NULL;
	n_states = cap_states = table_size = 0;
}

START_TEST(test_plain)
{
	explore(triangle("plain, triangle", 4));
	explore(dual_fed("plain, dual-fed module", 4));
}
END_TEST

START_TEST(test_scripted)
{
	for (int k = 2; k <= 4; k++) {
		struct config cf = triangle("scripted kill, triangle", 6);
		cf.kill_k[1] = k;
		explore(cf);
		cf = dual_fed("scripted kill of a node, module", 6);
		cf.kill_k[0] = k;
		explore(cf);
		cf = dual_fed("scripted kill of a module", 6);
		cf.kill_k[2] = k;
		explore(cf);
	}
	for (int second = 2; second <= 4; second++) {
		struct config cf = triangle("two scripted kills, K and K..K+2", 5);
		cf.kill_k[0] = 2;
		cf.kill_k[1] = second;
		explore(cf);
	}
}
END_TEST

START_TEST(test_unscripted)
{
	struct config cf = line("unscripted kill, line", 4);
	cf.kills = 1;
	cf.mortal = 7;
	explore(cf);
	cf = triangle("unscripted kill, triangle", 3);
	cf.kills = 1;
	cf.mortal = 2;
	explore(cf);
	cf = dual_fed("unscripted kill, module", 3);
	cf.kills = 1;
	cf.mortal = 5;
	explore(cf);
	cf = line("kill of a neighbour that parks", 4);
	cf.kill_k[1] = 3;
	cf.kills = 1;
	cf.mortal = 7;
	explore(cf);
}
END_TEST

START_TEST(test_join)
{
	struct config cf = pair("join, pair", 5);
	cf.newcomer = 1;
	explore(cf);
	bool nightly = getenv("VL_NIGHTLY");
	cf = line("join in a line", nightly ? 5 : 4);
	cf.newcomer = 1;
	explore(cf);
	cf = pair("join, newcomer or neighbour dies", 5);
	cf.newcomer = 1;
	cf.kills = 1;
	cf.mortal = 3;
	explore(cf);
	cf = nightly ? line("join at the end, newcomer dies", 4)
	             : pair("join at the end, newcomer dies", 3);
	cf.newcomer = cf.n - 1;
	cf.kills = 1;
	cf.mortal = 1u << cf.newcomer;
	explore(cf);
	cf = pair("join next to a scripted victim", 6);
	cf.newcomer = 1;
	cf.kill_k[0] = 3;
	explore(cf);
}
END_TEST

/* ---- rows that no right host takes
 * ------------------------------------------------------------------ */

START_TEST(test_table)
{
	struct link_rec r;
	struct link_arg at = { .k = 3, .starts = true };
	link_rec_init(&r, LINK_KIND_LINK, PERIOD, 2);
	ck_assert_uint_eq(link_fsm(&r, LE_GREET, NULL), 0); /* no row: nothing */
	ck_assert_uint_eq(link_fsm(&r, LE_ANNOUNCE, NULL), LA_SOCKET | LA_GREET);
	ck_assert_uint_eq(link_fsm(&r, LE_GREETOK, NULL), 0);
	ck_assert_int_eq(r.state, LINK_READY);
	struct link_rec ready = r;
	ck_assert_uint_eq(link_fsm(&r, LE_LATER, &at),
	                  LA_READY | LA_CLOSE); /* superseded, J unknown */
	ck_assert_int_eq(r.state, LINK_OPEN);
	ck_assert_uint_eq(link_fsm(&r, LE_DATA, &at), LA_BAD); /* after the end */
	r = ready;
	link_fsm(&r, LE_AGREE, &at);
	ck_assert(r.state == LINK_LIVE && r.j == 3);
	for (int k = 0; k < 6; k++) { /* only J is in order */
		struct link_rec x = r;
		unsigned a = link_fsm(&x, LE_DATA, &(struct link_arg){ .k = k });
		ck_assert_uint_eq(a, k == 3 ? LA_TAKE : LA_BAD);
		ck_assert_int_eq(x.rx, k == 3 ? 3 : -1);
	}
	link_fsm(&r, LE_DATA, &at);
	for (int k = 0; k < 8; k++) { /* then only the next */
		struct link_rec x = r;
		ck_assert_uint_eq(link_fsm(&x, LE_DATA, &(struct link_arg){ .k = k }),
		                  k == 4 ? LA_TAKE : LA_BAD);
	}
	/* A later life may not take the place of one that joined before its end is known. */
	ck_assert_uint_eq(link_fsm(&r, LE_JOIN, &at), LA_JOIN);
	at.k = 5;
	ck_assert_uint_eq(link_fsm(&r, LE_LATER, &at), 0); /* older life undecided */
	ck_assert_int_eq(r.state, LINK_LIVE);
	link_fsm(&r, LE_DISCONNECTED, NULL);
	ck_assert_uint_eq(link_fsm(&r, LE_LATER, &at), LA_READY | LA_GONE | LA_CLOSE);
	ck_assert_int_eq(r.rx, 3);
	for (int e = 0; e < LE_EVENTS_; e++)
		for (int f = 0; f < e; f++)
			ck_assert_str_ne(link_event_name((enum link_event)e),
			                 link_event_name((enum link_event)f));
	ck_assert_str_eq(link_state_name(LINK_OPEN), "open");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("link_fsm");
	TCase *t = tcase_create("explorer");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 300);
	tcase_add_test(t, test_table);
	tcase_add_test(t, test_plain);
	tcase_add_test(t, test_scripted);
	tcase_add_test(t, test_unscripted);
	tcase_add_test(t, test_join);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
