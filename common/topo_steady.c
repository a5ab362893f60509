#include "topo_steady.h"

#include <math.h>

#include "diag.h"
#include "steady.h"
#include "topo_rules.h"

static void
loads_at_start(const struct topo *t, struct loadflow *l)
{
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *p = &t->nodes[i].p;
		l->load_w[i] = pwl_at(&p->load_w, 0);
		if (p->has_conv)
			l->load_w[i] +=
				conv_input_w(&p->conv, t->nominal_v, pwl_at(&p->conv.load_a, 0));
		if (p->has_store)
			l->load_w[i] += conv_input_w(&p->store.conv, t->nominal_v, 0);
	}
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].has_conv)
			l->conv_w[i] = pwl_at(&t->links[i].conv.power_w, 0);
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct module_params *p = &t->modules[i].p;
		if (p->class == MODULE_FIXED)
			l->module_w[i] = p->plugged ? pwl_at(&p->load_w, 0) : 0;
	}
}

static void
take_node(struct topo_node *n, const struct steady *s, size_t i)
{
	struct node_params *p = &n->p;
	if (!p->steady)
		return;
	/* A node that no feed reaches begins at nominal, as without `steady`. */
	if (isnan(s->flow->v_v[i]))
		return;
	p->v_init_v = s->flow->v_v[i];
	p->feed_init_a = s->flow->feed_a[i];
	p->dv_init_v = s->dv_v[i];
	p->di_init_v = s->di_v[i];
	p->x_init = s->x[i];
}

static void
take(struct topo *t, const struct steady *s)
{
	const struct loadflow *l = s->flow;
	for (size_t i = 0; i < t->n_nodes; i++)
		take_node(&t->nodes[i], s, i);
	for (size_t i = 0; i < t->n_links; i++) {
		struct topo_link *k = &t->links[i];
		if (t->nodes[k->a].p.steady && t->nodes[k->b].p.steady)
			k->p.i_init_a = l->link_a[i];
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		struct topo_module *m = &t->modules[i];
		bool all = !isnan(l->module_v[i]) && m->p.plugged;
		for (size_t j = 0; j < m->n_feeds; j++)
			all = all && t->nodes[m->feeds[j]].p.steady;
		if (!all)
			continue;
		m->p.v_init_v = l->module_v[i];
		for (size_t j = 0; j < m->n_feeds; j++)
			t->ports[m->ports[j]].p_init_w =
				l->port_a[m->ports[j]] * l->v_v[m->feeds[j]];
	}
}

int
topo_steady(struct topo *t, struct diag_list *diags, struct err *err)
{
	struct steady *s = NULL;
	struct loadflow_verdict w;
	char text[160];
	bool any = false;
	for (size_t i = 0; i < t->n_nodes; i++)
		any = any || t->nodes[i].p.steady;
	if (!any)
		return 0;
	int rc = steady_create(t, &s, err);
	if (rc)
		return rc;
	loads_at_start(t, s->flow);
	steady_solve(s, LOADFLOW_BASE, 0, &w);
	if (!s->solved || w.problem == LOADFLOW_LOW) {
		diag_add(diags, DIAG_ERROR, t->path, 0, 0, 0, NULL,
		         "initial: steady: with the loads of t = 0 %s",
		         loadflow_text(s->flow, &w, text, sizeof text));
		rc = err_set(err, ERR_INPUT, "%s: 1 error", t->path);
	} else {
		take(t, s);
	}
	steady_destroy(&s);
	return rc;
}
