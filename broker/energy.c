#include "energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Last value of a cumulative field, over all lives; NaN: there is no such field. */
static double
energy_total(const struct runview *v, size_t proc, const char *name)
{
	int field = runview_field(v, proc, name);
	double sum = 0;
	if (field < 0)
		return NAN;
	for (size_t l = 0; l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		const union rec_word *w = rec_file_frame(f, rec_file_last_k(f));
		sum += w ? w[field].f : 0;
	}
	return sum;
}

/* Last value minus first value, over all lives. */
static double
energy_change(const struct runview *v, size_t proc, const char *name)
{
	int field = runview_field(v, proc, name);
	double sum = 0;
	for (size_t l = 0; field >= 0 && l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		const union rec_word *first = rec_file_frame(f, rec_file_first_k(f));
		const union rec_word *last = rec_file_frame(f, rec_file_last_k(f));
		if (first && last)
			sum += last[field].f - first[field].f;
	}
	return sum;
}

/* The least and the greatest value over all lives; the last one is returned. */
static double
energy_extremes(const struct runview *v, size_t proc, const char *name, double *least, double *most)
{
	int field = runview_field(v, proc, name);
	double last = NAN;
	*least = *most = NAN;
	for (size_t l = 0; field >= 0 && l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		for (int64_t k = rec_file_first_k(f); k <= rec_file_last_k(f); k++) {
			last = rec_file_frame(f, k)[field].f;
			*least = fmin(*least, last);
			*most = fmax(*most, last);
		}
	}
	return last;
}

static void
energy_of_stores(const struct runview *v, struct energy *e)
{
	for (size_t i = 0; i < e->topo->n_nodes; i++) {
		struct energy_store *s = &e->stores[i];
		double least, most;
		s->there = e->topo->nodes[i].p.has_store && runview_field(v, i, "sc_soc") >= 0;
		if (!s->there)
			continue;
		s->soc = energy_extremes(v, i, "sc_soc", &s->soc_least, &s->soc_most);
		runview_value(v, i, runview_field(v, i, "sc_soc"), 0, &s->soc0);
		s->v_v = energy_extremes(v, i, "v_sc", &least, &most);
		energy_extremes(v, i, "sc_p", &s->p_least_w, &s->p_most_w);
		s->stored_j = energy_change(v, i, "sc_stored_j");
		s->loss_j = energy_total(v, i, "sc_loss_j");
	}
}

static double
energy_chan(const struct runview *v, size_t proc, const char *group, const char *id,
            const char *name)
{
	char field[sizeof((struct rec_field *)NULL)->name];
	snprintf(field, sizeof field, "%s.%s.%s", group, id, name);
	return energy_total(v, proc, field);
}

static void
energy_of_links(const struct runview *v, struct energy *e)
{
	const struct topo *t = e->topo;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		struct energy_link *l = &e->links[i];
		l->from_a_j = energy_chan(v, k->a, "link", k->id, "net_j");
		l->from_b_j = energy_chan(v, k->b, "link", k->id, "net_j");
		l->loss_j = energy_chan(v, k->a, "link", k->id, "loss_j") +
		            energy_chan(v, k->b, "link", k->id, "loss_j");
		e->nodes[k->a].to_links_j += l->from_a_j;
		e->nodes[k->b].to_links_j += l->from_b_j;
	}
}

static void
energy_of_ports(const struct runview *v, struct energy *e)
{
	const struct topo *t = e->topo;
	for (size_t i = 0; i < t->n_ports; i++) {
		const struct topo_port *p = &t->ports[i];
		const char *module = t->modules[p->module].id, *node = t->nodes[p->node].id;
		e->port_paid_j[i] = energy_chan(v, p->node, "port", module, "paid_j");
		e->nodes[p->node].to_ports_j += e->port_paid_j[i];
		e->modules[p->module].paid_j += e->port_paid_j[i];
		e->modules[p->module].taken_j +=
			energy_chan(v, t->n_nodes + p->module, "in", node, "taken_j");
	}
}

static void
energy_of_procs(const struct runview *v, struct energy *e)
{
	const struct topo *t = e->topo;
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct energy_node *n = &e->nodes[i];
		n->source_j = energy_total(v, i, "source_j");
		n->useful_j = energy_total(v, i, "useful_j");
		n->loss_j = energy_total(v, i, "loss_j");
		n->fault_j = energy_total(v, i, "fault_j");
		n->stored_j = energy_change(v, i, "stored_j");
		n->booked_j = energy_total(v, i, "abandoned_j");
		n->unserved_j = energy_total(v, i, "unserved_j");
		/* First waves that came with a link as it closed count to the links. */
		n->to_links_j += energy_total(v, i, "line_j");
		n->residual_j = n->source_j - n->useful_j - n->loss_j - n->fault_j - n->stored_j -
		                n->to_links_j - n->to_ports_j - n->booked_j;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		struct energy_module *m = &e->modules[i];
		size_t proc = t->n_nodes + i;
		m->useful_j = energy_total(v, proc, "useful_j");
		m->loss_j = energy_total(v, proc, "loss_j");
		m->stored_j = energy_change(v, proc, "stored_j");
		m->unserved_j = energy_total(v, proc, "unserved_j");
		m->residual_j = m->taken_j - m->useful_j - m->loss_j - m->stored_j;
	}
}

int
energy_create(const struct runview *v, struct energy **ret, struct err *err)
{
	const struct topo *t = runview_topo(v);
	struct energy *e = calloc(1, sizeof *e);
	if (!e)
		return err_set(err, ERR_NOMEM, "out of memory");
	e->topo = t;
	e->nodes = calloc(t->n_nodes + 1, sizeof *e->nodes);
	e->stores = calloc(t->n_nodes + 1, sizeof *e->stores);
	e->links = calloc(t->n_links + 1, sizeof *e->links);
	e->modules = calloc(t->n_modules + 1, sizeof *e->modules);
	e->port_paid_j = calloc(t->n_ports + 1, sizeof *e->port_paid_j);
	int rc = 0;
	if (!e->nodes || !e->stores || !e->links || !e->modules || !e->port_paid_j)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	/* Residuals are looked at where they would have grown: a hundred times, and at the end. */
	int64_t every = runview_last_k(v) / 100;
	if (!rc)
		rc = ledger_run(v, every > 0 ? every : 1, &e->mesh, &e->worst, &e->worst_k, err);
	if (rc) {
		energy_destroy(&e);
		return rc;
	}
	energy_of_links(v, e);
	energy_of_ports(v, e);
	energy_of_procs(v, e);
	energy_of_stores(v, e);
	*ret = e;
	return 0;
}

void
energy_destroy(struct energy **pe)
{
	struct energy *e = *pe;
	if (!e)
		return;
	*pe = NULL;
	free(e->nodes);
	free(e->stores);
	free(e->links);
	free(e->modules);
	free(e->port_paid_j);
	free(e);
}
