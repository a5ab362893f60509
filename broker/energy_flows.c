#include "energy_flows.h"

#include <math.h>
#include <stdlib.h>

enum end { END_LOADS, END_USEFUL, END_PORTS, END_CABLES, END_SHORT, END_STORED, END_LINES, N_ENDS };
static const struct {
	const char *name, *class_;
} ends[N_ENDS] = {
	[END_LOADS] = { "built-in loads", "useful" },
	[END_USEFUL] = { "modules, useful", "useful" },
	[END_PORTS] = { "ports and converters", "loss" },
	[END_CABLES] = { "cables, supercap ESR", "loss" },
	[END_SHORT] = { "shorts", "loss" },
	[END_STORED] = { "stored", "stored" },
	[END_LINES] = { "in lines, lost waves", "other" },
};

struct flows {
	const struct energy *e;
	struct sankey *s;
	bool detail;
	unsigned *layer; /* per node */
	unsigned depth;
	size_t *bus, *module; /* boxes */
	size_t end[N_ENDS];
	size_t stores, lines, owed, feeds; /* boxes that give */
	struct err *err;
	int rc;
};

/* Longest path from a bus that nothing enters; false: a circle. */
static bool
find_layers(struct flows *w)
{
	const struct topo *t = w->e->topo;
	w->depth = 0;
	for (size_t round = 0; round <= t->n_nodes; round++) {
		bool more = false;
		for (size_t i = 0; i < t->n_links; i++) {
			const struct energy_link *l = &w->e->links[i];
			bool forth = l->from_a_j > 0 && l->from_b_j < 0;
			bool back = l->from_b_j > 0 && l->from_a_j < 0;
			if (!forth && !back)
				continue;
			uint32_t from = forth ? t->links[i].a : t->links[i].b;
			uint32_t to = forth ? t->links[i].b : t->links[i].a;
			if (w->layer[to] > w->layer[from])
				continue;
			w->layer[to] = w->layer[from] + 1;
			w->depth = w->layer[to] > w->depth ? w->layer[to] : w->depth;
			more = true;
		}
		if (!more)
			return true;
	}
	return false;
}

static size_t
box(struct flows *w, const char *name, const char *class_, unsigned column)
{
	size_t i = 0;
	if (!w->rc)
		w->rc = sankey_add_box(w->s, name, class_, column, &i, w->err);
	return i;
}

static void
flow(struct flows *w, size_t from, size_t to, double value, const char *class_)
{
	if (!w->rc)
		w->rc = sankey_add_flow(w->s, from, to, value, class_, w->err);
}

static void
make_boxes(struct flows *w)
{
	const struct topo *t = w->e->topo;
	size_t all = 0;
	if (!w->detail)
		all = box(w, "buses", "bus", 1);
	for (size_t i = 0; i < t->n_nodes; i++)
		w->bus[i] = w->detail ? box(w, t->nodes[i].id, "bus", 1 + w->layer[i]) : all;
	unsigned column = w->detail ? w->depth + 2 : 2;
	if (!w->detail && t->n_modules)
		all = box(w, "modules", "other", column);
	for (size_t i = 0; i < t->n_modules; i++)
		w->module[i] = w->detail ? box(w, t->modules[i].id, "other", column) : all;
	column += t->n_modules > 0;
	for (int i = 0; i < N_ENDS; i++)
		w->end[i] = box(w, ends[i].name, ends[i].class_, column);
	w->stores = box(w, "from stores", "stored", 0);
	w->lines = box(w, "from lines", "other", 0);
	w->owed = box(w, "owed by buses", "other", 0);
	if (!w->detail)
		w->feeds = box(w, "feeds", "source", 0);
}

/* Both signs of a change: towards `to`, or out of `from`. */
static void
change(struct flows *w, size_t from, size_t at, size_t to, double value, const char *class_)
{
	flow(w, at, to, value, class_);
	flow(w, from, at, -value, class_);
}

static void
flows_of_node(struct flows *w, size_t i)
{
	const struct energy_node *n = &w->e->nodes[i];
	const struct topo *t = w->e->topo;
	size_t bus = w->bus[i];
	double links = 0;
	if (n->source_j > 0) {
		char name[TOPO_ID_MAX + 8];
		snprintf(name, sizeof name, "feed %s", t->nodes[i].id);
		flow(w, w->detail ? box(w, name, "source", 0) : w->feeds, bus, n->source_j,
		     "source");
	}
	flow(w, bus, w->end[END_LOADS], n->useful_j, "useful");
	flow(w, bus, w->end[END_CABLES], n->loss_j, "loss");
	flow(w, bus, w->end[END_SHORT], n->fault_j, "loss");
	change(w, w->stores, bus, w->end[END_STORED], n->stored_j, "stored");
	for (size_t l = 0; l < t->nodes[i].n_links; l++) {
		uint32_t k = t->nodes[i].links[l];
		links += t->links[k].a == i ? w->e->links[k].from_a_j : w->e->links[k].from_b_j;
	}
	/* What changed hands when links opened and closed. */
	change(w, w->lines, bus, w->end[END_LINES], n->booked_j + (n->to_links_j - links), "other");
}

static void
flows_of_link(struct flows *w, size_t i)
{
	const struct topo_link *k = &w->e->topo->links[i];
	double a = w->e->links[i].from_a_j, b = w->e->links[i].from_b_j;
	double forth = a > 0 && b < 0 ? fmin(a, -b) : 0, back = b > 0 && a < 0 ? fmin(b, -a) : 0;
	if (w->detail) {
		flow(w, w->bus[k->a], w->bus[k->b], forth, "bus");
		flow(w, w->bus[k->b], w->bus[k->a], back, "bus");
	}
	/* What is still in the line, or was lost in it. */
	change(w, w->lines, w->bus[k->a], w->end[END_LINES], a - forth + back, "other");
	change(w, w->lines, w->bus[k->b], w->end[END_LINES], b - back + forth, "other");
}

static void
flows_of_module(struct flows *w, size_t i)
{
	const struct topo_module *t = &w->e->topo->modules[i];
	const struct energy_module *m = &w->e->modules[i];
	for (size_t j = 0; j < t->n_feeds; j++)
		flow(w, w->bus[t->feeds[j]], w->module[i], w->e->port_paid_j[t->ports[j]], "other");
	/* Taken and not yet paid for: its bus still has it (and the other way round). */
	change(w, w->owed, w->module[i], w->end[END_LINES], m->paid_j - m->taken_j, "other");
	flow(w, w->module[i], w->end[END_USEFUL], m->useful_j, "useful");
	flow(w, w->module[i], w->end[END_PORTS], m->loss_j, "loss");
	change(w, w->stores, w->module[i], w->end[END_STORED], m->stored_j, "stored");
}

int
energy_flows(const struct energy *e, struct sankey *s, bool *detail, struct err *err)
{
	const struct topo *t = e->topo;
	struct flows w = { .e = e, .s = s, .err = err };
	w.layer = calloc(t->n_nodes + 1, sizeof *w.layer);
	w.bus = calloc(t->n_nodes + 1, sizeof *w.bus);
	w.module = calloc(t->n_modules + 1, sizeof *w.module);
	if (!w.layer || !w.bus || !w.module) {
		w.rc = err_set(err, ERR_NOMEM, "out of memory");
		goto out;
	}
	w.detail = t->n_nodes + t->n_modules <= FLOWS_DETAIL && find_layers(&w);
	make_boxes(&w);
	for (size_t i = 0; i < t->n_nodes; i++)
		flows_of_node(&w, i);
	for (size_t i = 0; i < t->n_links; i++)
		flows_of_link(&w, i);
	for (size_t i = 0; i < t->n_modules; i++)
		flows_of_module(&w, i);
	*detail = w.detail;
out:
	free(w.layer);
	free(w.bus);
	free(w.module);
	return w.rc;
}
