#include "books.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODE_SUMS = 8, CHANS_MAX = TOPO_DEGREE_MAX + TOPO_PORTS_MAX };

/* Fields that are summed, with their sign in "what came in". */
static const struct {
	const char *name;
	int sign;
} node_rows[] = { { "source_j", 1 }, { "useful_j", -1 }, { "loss_j", -1 },
	          { "fault_j", -1 }, { "line_j", -1 },   { "abandoned_j", -1 } },
  module_rows[] = { { "useful_j", -1 }, { "loss_j", -1 } };

struct end {
	uint32_t proc;
	int state_f, wave_f; /* fields */
	double pending_j;    /* wave of the last step, not yet taken in */
};

struct books_proc {
	bool node;
	uint32_t life;
	bool exists; /* has a frame now */
	bool steps;  /* made the last step */
	int stored_f, rows_f[NODE_SUMS], chan_f[CHANS_MAX];
	size_t n_chans; /* net_j of links and paid_j of ports, or taken_j */
	size_t n_links;
	double first_stored_j; /* of this life */
	double last_j[NODE_SUMS], last_chan_j[CHANS_MAX], last_stored_j;
	double last_balance_j;
};

struct books {
	const struct topo *t;
	struct solver_loop *l;
	uint32_t n_procs;
	struct books_proc *p;
	struct end (*ends)[2];
	struct books_sums past; /* of ended lives */
	double lost_j;          /* waves that nobody took in */
	double stored0_j, worst_core;
	bool finite;
};

static int
field(struct books *g, uint32_t proc, const char *fmt, const char *a)
{
	char name[80];

	snprintf(name, sizeof name, fmt, a);
	int f = solver_loop_field(g->l, proc, name);
	assert(f >= 0);
	return f;
}

static void
find_fields(struct books *g, uint32_t i)
{
	struct books_proc *p = &g->p[i];

	p->node = i < g->t->n_nodes;
	p->stored_f = field(g, i, "%s", "stored_j");
	if (p->node) {
		const struct topo_node *n = &g->t->nodes[i];
		for (size_t r = 0; r < sizeof node_rows / sizeof node_rows[0]; r++)
			p->rows_f[r] = field(g, i, "%s", node_rows[r].name);
		for (size_t c = 0; c < n->n_links; c++)
			p->chan_f[p->n_chans++] =
				field(g, i, "link.%s.net_j", g->t->links[n->links[c]].id);
		p->n_links = p->n_chans;
		for (size_t c = 0; c < n->n_ports; c++)
			p->chan_f[p->n_chans++] =
				field(g, i, "port.%s.paid_j",
			              g->t->modules[g->t->ports[n->ports[c]].module].id);
		return;
	}
	const struct topo_module *m = &g->t->modules[i - g->t->n_nodes];
	for (size_t r = 0; r < sizeof module_rows / sizeof module_rows[0]; r++)
		p->rows_f[r] = field(g, i, "%s", module_rows[r].name);
	for (size_t c = 0; c < m->n_feeds; c++)
		p->chan_f[p->n_chans++] = field(g, i, "in.%s.taken_j", g->t->nodes[m->feeds[c]].id);
}

static size_t
n_rows(const struct books_proc *p)
{
	return p->node ? sizeof node_rows / sizeof node_rows[0]
	               : sizeof module_rows / sizeof module_rows[0];
}

/* What the process got minus where it went; 0 when its own books close. */
static double
balance(const struct books_proc *p)
{
	double in = p->first_stored_j - p->last_stored_j;

	for (size_t r = 0; r < n_rows(p); r++)
		in += (p->node ? node_rows[r].sign : module_rows[r].sign) * p->last_j[r];
	for (size_t c = 0; c < p->n_chans; c++)
		in += p->node ? -p->last_chan_j[c] : p->last_chan_j[c];
	return in;
}

static void
read_frame(struct books *g, uint32_t i)
{
	struct books_proc *p = &g->p[i];
	const union rec_word *w = solver_loop_frame(g->l, i);

	p->last_stored_j = w[p->stored_f].f;
	for (size_t r = 0; r < n_rows(p); r++)
		p->last_j[r] = w[p->rows_f[r]].f;
	for (size_t c = 0; c < p->n_chans; c++)
		p->last_chan_j[c] = w[p->chan_f[c]].f;
	if (!isfinite(p->last_stored_j + balance(p)))
		g->finite = false;
}

struct books *
books_create(const struct topo *t, struct solver_loop *l)
{
	struct books *g = calloc(1, sizeof *g);

	assert(g);
	*g = (struct books){
		.t = t, .l = l, .n_procs = (uint32_t)(t->n_nodes + t->n_modules), .finite = true
	};
	g->p = calloc(g->n_procs, sizeof *g->p);
	g->ends = calloc(t->n_links + 1, sizeof *g->ends);
	assert(g->p && g->ends);
	for (uint32_t i = 0; i < g->n_procs; i++) {
		find_fields(g, i);
		g->p[i].life = 1;
		g->p[i].exists = true;
		read_frame(g, i);
		g->p[i].first_stored_j = g->p[i].last_stored_j;
		g->stored0_j += g->p[i].last_stored_j;
	}
	for (size_t k = 0; k < t->n_links; k++)
		for (int e = 0; e < 2; e++) {
			struct end *x = &g->ends[k][e];
			x->proc = e ? t->links[k].b : t->links[k].a;
			x->state_f = field(g, x->proc, "link.%s.state", t->links[k].id);
			x->wave_f = field(g, x->proc, "link.%s.wave_j", t->links[k].id);
			x->pending_j = solver_loop_frame(l, x->proc)[x->wave_f].f;
			g->stored0_j += x->pending_j;
		}
	return g;
}

void
books_destroy(struct books **g)
{
	if (!*g)
		return;
	free((*g)->p);
	free((*g)->ends);
	free(*g);
	*g = NULL;
}

static double
row(const struct books_proc *p, const char *name)
{
	for (size_t r = 0; r < n_rows(p); r++)
		if (strcmp(p->node ? node_rows[r].name : module_rows[r].name, name) == 0)
			return p->last_j[r];
	return 0;
}

/* Adds a life's books to the sums. */
static void
add_life(const struct books_proc *p, struct books_sums *s)
{
	s->source_j += row(p, "source_j");
	s->used_j += row(p, "useful_j") + row(p, "loss_j") + row(p, "fault_j");
	s->abandoned_j += row(p, "abandoned_j");
	for (size_t c = p->n_links; c < p->n_chans; c++)
		s->transit_j += p->node ? p->last_chan_j[c] : -p->last_chan_j[c];
}

/* A successor stands in its first frame: its predecessor's stored energy was abandoned, its own
 * comes from there. */
static void
new_life(struct books *g, uint32_t i)
{
	struct books_proc *p = &g->p[i];

	add_life(p, &g->past);
	g->past.abandoned_j += p->last_stored_j;
	p->life = solver_loop_life(g->l, i);
	memset(p->last_j, 0, sizeof p->last_j);
	memset(p->last_chan_j, 0, sizeof p->last_chan_j);
	read_frame(g, i);
	p->first_stored_j = p->last_stored_j;
	g->past.abandoned_j -= p->first_stored_j;
	p->last_balance_j = balance(p);
}

static double
scale(const struct books *g, double source_j)
{
	return fmax(1, fmax(source_j, g->stored0_j));
}

void
books_after(struct books *g)
{
	for (uint32_t i = 0; i < g->n_procs; i++) {
		struct books_proc *p = &g->p[i];
		p->exists = p->steps = solver_loop_alive(g->l, i);
		if (!p->exists)
			continue;
		if (solver_loop_life(g->l, i) != p->life) {
			new_life(g, i);
			p->steps = false;
			continue;
		}
		read_frame(g, i);
		double b = balance(p), d = fabs(b - p->last_balance_j) / scale(g, 0);
		if (d > g->worst_core)
			g->worst_core = d;
		p->last_balance_j = b;
	}
	for (size_t k = 0; k < g->t->n_links; k++) {
		double sent[2];
		for (int e = 0; e < 2; e++) {
			const struct end *x = &g->ends[k][e], *y = &g->ends[k][!e];
			const union rec_word *wy = solver_loop_frame(g->l, y->proc);
			bool took = g->p[y->proc].steps && wy[y->state_f].f != 0;
			if (!took)
				g->lost_j += x->pending_j;
			sent[e] = g->p[x->proc].steps
			                  ? solver_loop_frame(g->l, x->proc)[x->wave_f].f
			                  : 0;
		}
		g->ends[k][0].pending_j = sent[0];
		g->ends[k][1].pending_j = sent[1];
	}
}

struct books_sums
books_sums(const struct books *g)
{
	struct books_sums s = g->past;

	for (uint32_t i = 0; i < g->n_procs; i++) {
		const struct books_proc *p = &g->p[i];
		add_life(p, &s);
		if (p->exists)
			s.stored_j += p->last_stored_j;
		else
			s.abandoned_j += p->last_stored_j;
	}
	for (size_t k = 0; k < g->t->n_links; k++)
		s.flight_j += g->ends[k][0].pending_j + g->ends[k][1].pending_j;
	s.abandoned_j += g->lost_j;
	s.stored0_j = g->stored0_j;
	double out =
		s.used_j + (s.stored_j + s.flight_j - s.stored0_j) + s.transit_j + s.abandoned_j;
	s.residual = fabs(s.source_j - out) / scale(g, s.source_j);
	s.worst_core = g->worst_core;
	s.finite = g->finite;
	return s;
}
