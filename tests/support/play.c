#include "tests/support/play.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "tests/support/sample.h"

enum { FIELDS_MAX = 64 };

/* Lent to one half of a line. */
#define HALF_J 0.03

enum own_field {
	V,
	V_MIN,
	V_MAX,
	V_SC,
	DV,
	DI,
	X,
	FEED_I,
	FEED_I_AVG,
	LOADING,
	LOAD_P,
	SERVED,
	FAULT_G,
	SOURCE,
	USEFUL,
	LOSS,
	FAULT,
	STORED,
	LINE,
	BOOKED,
	UNSERVED,
	N_OWN,
	LINK_STATE = 0,
	LINK_I,
	LINK_I_AVG,
	LINK_NET,
	LINK_WAVE,
	N_LINK,
	PORT_LIVE = 0,
	PORT_P,
	PORT_PAID,
	PORT_ACCOUNT,
	N_PORT,
	M_V_IN = 0,
	M_V_IN_MIN,
	M_V_IN_MAX,
	M_V,
	M_I,
	M_P,
	M_DEMAND,
	M_SERVED,
	M_OWNER,
	M_EPOCH,
	M_PHASE,
	M_TEMP,
	M_THROUGHPUT,
	M_ERRORS,
	M_USEFUL,
	M_LOSS,
	M_STORED,
	M_UNSERVED,
	N_MODULE,
	IN_LIVE = 0,
	IN_I,
	IN_TAKEN,
	N_IN,
};
static const char *const own_names[N_OWN] = {
	"v",        "v_min",      "v_max",   "v_sc",     "dv",     "di",          "x",
	"feed_i",   "feed_i_avg", "loading", "load_p",   "served", "fault_g",     "source_j",
	"useful_j", "loss_j",     "fault_j", "stored_j", "line_j", "abandoned_j", "unserved_j",
};
static const char *const link_names[N_LINK] = { "state", "i", "i_avg", "net_j", "wave_j" };
static const char *const port_names[N_PORT] = { "live", "p", "paid_j", "account_j" };
static const char *const module_names[N_MODULE] = {
	"v_in",       "v_in_min", "v_in_max", "v",      "i",        "p",
	"demand",     "served",   "owner",    "epoch",  "phase",    "temp",
	"throughput", "errors",   "useful_j", "loss_j", "stored_j", "unserved_j",
};
static const char *const in_names[N_IN] = { "live", "i", "taken_j" };

struct proc {
	bool alive, module;
	int64_t born_k, last_k;
	uint32_t incarnation;
	double own[N_OWN > N_MODULE ? N_OWN : N_MODULE];
	struct rec *rec;
};

struct end {
	int proc;
	double f[N_LINK],
		h_j; /* h_j: what it takes in in the next step, when the line was just filled */
	bool filled;
};

struct link {
	struct end end[2];
	double lost_j;
};

struct port {
	int node, module;
	bool node_live, module_live;
	double n[N_PORT], m[N_IN];
	double reported_j; /* taken_j of the module's last answer */
};

struct play {
	struct topo *topo;
	char *dir;
	int64_t k;
	uint64_t random;
	enum play_cheat cheat;
	struct proc procs[PLAY_PROCS];
	struct link links[PLAY_LINKS];
	struct port ports[PLAY_PORTS];
	struct rec *recs[PLAY_RECS_MAX];
	size_t n_recs;
	double buried_j;
};

/* In [lo, hi); multiples of no round number, so that sums round. */
static double
deal(struct play *p, double lo, double hi)
{
	p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return lo + (hi - lo) * ((double)(p->random >> 11) * 0x1p-53);
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static void
add_fields(struct rec_field *f, size_t *n, const char *group, const char *id,
           const char *const *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++, ++*n) {
		ck_assert_uint_lt(*n, FIELDS_MAX);
		snprintf(f[*n].name, sizeof f[*n].name, "%s%s%s%s%s", group, *group ? "." : "", id,
		         *group ? "." : "", names[i]);
		f[*n].type = 'f';
	}
}

static size_t
fields_of(const struct play *p, int proc, struct rec_field *f)
{
	size_t n = 0;
	const struct topo *t = p->topo;
	memset(f, 0, FIELDS_MAX * sizeof *f);
	if (p->procs[proc].module)
		add_fields(f, &n, "", "", module_names, N_MODULE);
	else
		add_fields(f, &n, "", "", own_names, N_OWN);
	for (int l = 0; l < PLAY_LINKS; l++)
		if (p->links[l].end[0].proc == proc || p->links[l].end[1].proc == proc)
			add_fields(f, &n, "link", t->links[l].id, link_names, N_LINK);
	for (int o = 0; o < PLAY_PORTS; o++) {
		if (p->ports[o].node == proc)
			add_fields(f, &n, "port", t->modules[t->ports[o].module].id, port_names,
			           N_PORT);
		if (p->ports[o].module == proc)
			add_fields(f, &n, "in", t->nodes[t->ports[o].node].id, in_names, N_IN);
	}
	return n;
}

static union rec_word *
put(union rec_word *w, const double *x, size_t n)
{
	memcpy(w, x, n * sizeof *x);
	return w + n;
}

static void
record(struct play *p, int proc)
{
	const struct proc *x = &p->procs[proc];
	struct err err = ERR_INIT;
	union rec_word *w = rec_next(x->rec);
	w = put(w, x->own, x->module ? N_MODULE : N_OWN);
	for (int l = 0; l < PLAY_LINKS; l++)
		for (int side = 0; side < 2; side++)
			if (p->links[l].end[side].proc == proc)
				w = put(w, p->links[l].end[side].f, N_LINK);
	for (int o = 0; o < PLAY_PORTS; o++) {
		if (p->ports[o].node == proc)
			w = put(w, p->ports[o].n, N_PORT);
		if (p->ports[o].module == proc)
			w = put(w, p->ports[o].m, N_IN);
	}
	if (rec_commit(x->rec, &err))
		ck_abort_msg("%s", err.text);
}

static void
give_birth(struct play *p, int proc)
{
	struct proc *x = &p->procs[proc];
	struct rec_field f[FIELDS_MAX];
	struct err err = ERR_INIT;
	struct rec_head h = { .incarnation = ++x->incarnation,
		              .substeps = p->topo->substeps,
		              .port_period = p->topo->port_period,
		              .step_ns = p->topo->step_ns,
		              .start_k = p->k,
		              .seed = p->topo->seed };
	strcpy(h.kind, x->module ? "module" : "node");
	strcpy(h.id, x->module ? p->topo->modules[proc - 3].id : p->topo->nodes[proc].id);
	strcpy(h.mesh, p->topo->name);
	memcpy(h.topo_hash, p->topo->hash, sizeof h.topo_hash);
	size_t n = fields_of(p, proc, f);
	ck_assert_uint_lt(p->n_recs, PLAY_RECS_MAX);
	ck_assert_msg(!rec_create(p->dir, &h, f, n, 0, &x->rec, &err), "%s", err.text);
	p->recs[p->n_recs++] = x->rec;
	x->alive = true;
	x->born_k = x->last_k = p->k;
	record(p, proc);
}

/* ---- a step -----------------------------------------------------------------------------------
 */

/* In step k the wave of frame k arrives, also from one whose last frame that is. */
static bool
arrives(const struct play *p, int from)
{
	return p->procs[from].alive || p->procs[from].last_k == p->k;
}

static void
open_end(struct play *p, struct end *e)
{
	struct proc *x = &p->procs[e->proc];
	if (!e->f[LINK_STATE])
		return;
	x->own[STORED] += HALF_J;
	x->own[BOOKED] -= HALF_J;
	e->f[LINK_STATE] = e->f[LINK_I] = e->f[LINK_I_AVG] = 0;
	e->filled = false;
}

/* Openings by death, before anything is computed. */
static void
open_links(struct play *p)
{
	for (int l = 0; l < PLAY_LINKS; l++)
		for (int side = 0; side < 2; side++) {
			struct end *e = &p->links[l].end[side];
			if (p->procs[e->proc].alive && !arrives(p, p->links[l].end[!side].proc))
				open_end(p, e);
		}
}

/* Waves that nobody takes in in this step; then both ends' new waves. Returns net energy sent by
 * proc. */
static void
move_waves(struct play *p, double sent[PLAY_PROCS])
{
	for (int l = 0; l < PLAY_LINKS; l++) {
		struct link *x = &p->links[l];
		double old[2];
		for (int side = 0; side < 2; side++) {
			int proc = x->end[side].proc;
			old[side] = arrives(p, proc) ? x->end[side].f[LINK_WAVE] : 0;
			const struct end *to = &x->end[!side];
			if (!p->procs[to->proc].alive || !to->f[LINK_STATE])
				x->lost_j += old[side];
		}
		for (int side = 0; side < 2; side++) {
			struct end *e = &x->end[side];
			if (!p->procs[e->proc].alive) {
				/* Sent before it died, counted just now. */
				e->f[LINK_WAVE] = 0;
				continue;
			}
			if (!e->f[LINK_STATE]) {
				e->f[LINK_WAVE] = 0;
				continue;
			}
			double in = e->filled ? e->h_j : old[!side], out = deal(p, 0.01, 0.02);
			if (e->proc == 1 && l == 0 && p->cheat == PLAY_LOSE_WAVE)
				in = 0;
			if (e->proc == 1 && l == 0 && p->cheat == PLAY_TWICE_WAVE)
				in *= 2;
			e->filled = false;
			e->f[LINK_NET] += out - in;
			e->f[LINK_WAVE] = out;
			e->f[LINK_I] = deal(p, -50, 50);
			e->f[LINK_I_AVG] = deal(p, -50, 50);
			sent[e->proc] += out - in;
		}
	}
}

static bool
port_step(const struct play *p)
{
	return p->k % p->topo->port_period == 0;
}

/* Answers and openings at port steps, then payment; returns what nodes pay and modules take. */
static void
move_ports(struct play *p, double paid[PLAY_PROCS], double taken[PLAY_PROCS])
{
	for (int o = 0; o < PLAY_PORTS; o++) {
		struct port *x = &p->ports[o];
		const struct proc *node = &p->procs[x->node], *module = &p->procs[x->module];
		if (port_step(p)) {
			/* The answer of the last period was sent before the module died. */
			double due = x->m[IN_TAKEN] - x->reported_j;
			if (x->node_live && arrives(p, x->module)) {
				if (!(o == 0 && p->cheat == PLAY_LOSE_ANSWER))
					x->n[PORT_ACCOUNT] += due;
				x->reported_j = x->m[IN_TAKEN];
			} else {
				x->node_live = false;
			}
			if (!arrives(p, x->node))
				x->module_live = false;
		}
		x->n[PORT_LIVE] = x->node_live;
		x->m[IN_LIVE] = x->module_live;
		if (node->alive && x->node_live) {
			double pay = x->n[PORT_ACCOUNT] * deal(p, 0.3, 0.9);
			x->n[PORT_ACCOUNT] -= pay;
			x->n[PORT_PAID] += pay;
			x->n[PORT_P] = pay;
			paid[x->node] += pay;
			if (o == 0 && p->cheat == PLAY_ALTER_PAID)
				paid[x->node] += PLAY_CHEAT_J;
		}
		if (module->alive && x->module_live) {
			double take = deal(p, 0.01, 0.05);
			x->m[IN_TAKEN] += take;
			taken[x->module] += take;
			if (o == 0 && p->cheat == PLAY_ALTER_TAKEN)
				x->m[IN_TAKEN] += PLAY_CHEAT_J;
		}
	}
}

static void
step_proc(struct play *p, int proc, double in_j)
{
	struct proc *x = &p->procs[proc];
	double *f = x->own;
	double use = deal(p, 0, 0.04), lose = deal(p, 0, 0.01), burn = 0,
	       unserved = deal(p, 0, 0.001);
	if (!x->module) {
		double source = proc == 1 ? 0 : deal(p, 0, 0.2);
		burn = deal(p, 0, 0.01);
		in_j += source;
		f[SOURCE] +=
			source + (proc == 1 && p->cheat == PLAY_ALTER_SOURCE ? PLAY_CHEAT_J : 0);
		f[FAULT] += burn;
		f[V] = deal(p, 45, 50);
		f[FEED_I] = deal(p, 0, 60);
	} else {
		f[M_V_IN] = deal(p, 45, 50);
	}
	f[x->module ? M_USEFUL : USEFUL] += use;
	f[x->module ? M_LOSS : LOSS] += lose;
	f[x->module ? M_UNSERVED : UNSERVED] += unserved;
	f[x->module ? M_STORED : STORED] += in_j - use - lose - burn;
}

static void
step(struct play *p)
{
	double sent[PLAY_PROCS] = { 0 }, paid[PLAY_PROCS] = { 0 }, taken[PLAY_PROCS] = { 0 };
	open_links(p);
	move_waves(p, sent);
	move_ports(p, paid, taken);
	for (int i = 0; i < PLAY_PROCS; i++)
		if (p->procs[i].alive)
			step_proc(p, i, taken[i] - sent[i] - paid[i]);
	p->k++;
	struct end *e = &p->links[0].end[1];
	if (p->cheat == PLAY_ALTER_WAVE)
		e->f[LINK_WAVE] += PLAY_CHEAT_J;
	for (int i = 0; i < PLAY_PROCS; i++) {
		if (!p->procs[i].alive)
			continue;
		p->procs[i].last_k = p->k;
		record(p, i);
	}
	if (p->cheat == PLAY_ALTER_WAVE)
		e->f[LINK_WAVE] -= PLAY_CHEAT_J;
	p->cheat = PLAY_FAIR;
}

/* ---- interface --------------------------------------------------------------------------------
 */

static void
init_links(struct play *p)
{
	for (int l = 0; l < PLAY_LINKS; l++) {
		for (int side = 0; side < 2; side++) {
			struct end *e = &p->links[l].end[side];
			e->proc = (int)(side ? p->topo->links[l].b : p->topo->links[l].a);
			if (p->topo->links[l].p.open)
				continue;
			e->f[LINK_STATE] = 2;
			e->f[LINK_WAVE] = HALF_J;
		}
	}
}

struct play *
play_create(const char *dir, uint32_t port_period)
{
	struct play *p = calloc(1, sizeof *p);
	ck_assert_ptr_nonnull(p);
	p->topo = sample_topo();
	p->topo->port_period = port_period;
	p->dir = dir ? strdup(dir) : NULL;
	p->random = 1;
	init_links(p);
	for (int o = 0; o < PLAY_PORTS; o++) {
		p->ports[o].node = (int)p->topo->ports[o].node;
		p->ports[o].module = (int)p->topo->ports[o].module + 3;
		p->ports[o].node_live = p->ports[o].module_live = true;
	}
	for (int i = 0; i < PLAY_PROCS; i++) {
		p->procs[i].module = i >= 3;
		p->procs[i].own[i >= 3 ? M_STORED : STORED] = deal(p, 20, 30);
		p->procs[i].own[V] = 48;
		give_birth(p, i);
	}
	return p;
}

void
play_destroy(struct play *p)
{
	for (size_t i = 0; i < p->n_recs; i++)
		rec_destroy(&p->recs[i]);
	sample_topo_free(p->topo);
	free(p->dir);
	free(p);
}

const struct topo *
play_topo(const struct play *p)
{
	return p->topo;
}

struct topo *
play_topo_rw(struct play *p)
{
	return p->topo;
}

int64_t
play_k(const struct play *p)
{
	return p->k;
}

size_t
play_recs(const struct play *p, struct rec *const **ret)
{
	*ret = p->recs;
	return p->n_recs;
}

void
play_to(struct play *p, int64_t k)
{
	while (p->k < k)
		step(p);
}

void
play_cheat(struct play *p, enum play_cheat cheat)
{
	p->cheat = cheat;
}

void
play_kill(struct play *p, int proc)
{
	struct proc *x = &p->procs[proc];
	ck_assert(x->alive);
	x->alive = false;
	p->buried_j += x->own[x->module ? M_STORED : STORED];
}

void
play_restart(struct play *p, int proc)
{
	struct proc *x = &p->procs[proc];
	double stored = x->own[x->module ? M_STORED : STORED];
	ck_assert(!x->alive && p->k > x->last_k && port_step(p));
	memset(x->own, 0, sizeof x->own);
	x->own[x->module ? M_STORED : STORED] = stored;
	p->buried_j -= stored;
	for (int l = 0; l < PLAY_LINKS; l++)
		for (int side = 0; side < 2; side++)
			if (p->links[l].end[side].proc == proc)
				p->links[l].end[side] = (struct end){ .proc = proc };
	for (int o = 0; o < PLAY_PORTS; o++) {
		struct port *q = &p->ports[o];
		if (q->node != proc && q->module != proc)
			continue;
		if (q->node == proc)
			memset(q->n, 0, sizeof q->n);
		else
			memset(q->m, 0, sizeof q->m);
		if (!p->procs[q->node == proc ? q->module : q->node].alive)
			continue;
		q->n[PORT_ACCOUNT] = 0; /* what the last module was owed stays unpaid */
		q->node_live = q->module_live = true;
		q->reported_j = q->m[IN_TAKEN];
	}
	give_birth(p, proc);
}

void
play_cut(struct play *p, int link)
{
	for (int side = 0; side < 2; side++)
		if (p->procs[p->links[link].end[side].proc].alive)
			open_end(p, &p->links[link].end[side]);
}

void
play_close(struct play *p, int link, int host_side, enum play_who who)
{
	for (int i = 0; i < 2; i++) {
		bool host = i == host_side;
		struct end *e = &p->links[link].end[i];
		struct proc *x = &p->procs[e->proc];
		if (who == (host ? PLAY_OTHER_ONLY : PLAY_HOST_ONLY))
			continue;
		ck_assert(x->alive && !e->f[LINK_STATE]);
		e->f[LINK_STATE] = 2;
		e->filled = true;
		e->h_j = HALF_J;
		/* The host lends both halves. Each end takes a wave out, and the host hands one
		 * over. */
		x->own[STORED] -= host ? 2 * HALF_J : 0;
		x->own[LINE] += HALF_J;
		x->own[BOOKED] += host ? HALF_J : -HALF_J;
		/* At once half of the capacitance moves to the other end. */
		x->own[STORED] += host ? HALF_J : -HALF_J;
		x->own[BOOKED] += host ? -HALF_J : HALF_J;
	}
}

double
play_lost_j(const struct play *p)
{
	double sum = 0;
	for (int l = 0; l < PLAY_LINKS; l++)
		sum += p->links[l].lost_j;
	return sum;
}

double
play_flight_j(const struct play *p)
{
	double sum = 0;
	for (int l = 0; l < PLAY_LINKS; l++)
		for (int side = 0; side < 2; side++)
			if (arrives(p, p->links[l].end[side].proc))
				sum += p->links[l].end[side].f[LINK_WAVE];
	return sum;
}

double
play_stored_j(const struct play *p)
{
	double sum = 0;
	for (int i = 0; i < PLAY_PROCS; i++)
		if (p->procs[i].alive)
			sum += p->procs[i].own[i >= 3 ? M_STORED : STORED];
	return sum;
}

double
play_buried_j(const struct play *p)
{
	return p->buried_j;
}

double
play_owed_j(const struct play *p, bool live)
{
	double sum = 0;
	for (int o = 0; o < PLAY_PORTS; o++) {
		const struct port *q = &p->ports[o];
		bool on = q->node_live && q->module_live && p->procs[q->node].alive &&
		          p->procs[q->module].alive;
		if (on == live)
			sum += q->m[IN_TAKEN] - q->n[PORT_PAID];
	}
	return sum;
}
