/* What a solved load flow means, and how it is said. */
#include <math.h>
#include <stdio.h>

#include "loadflow.h"

static void
worst(struct loadflow_verdict *w, enum loadflow_problem problem, size_t at, double value)
{
	/* Problems are ordered by weight; of one kind the first that is told wins. */
	if (w->problem != LOADFLOW_OK && w->problem <= problem)
		return;
	w->problem = problem;
	w->at = (uint32_t)at;
	w->value = value;
}

static void
judge_supply(const struct loadflow *l, struct loadflow_verdict *w)
{
	const struct topo *t = l->topo;
	for (size_t i = 0; i < t->n_nodes; i++) {
		bool dead = l->fault == LOADFLOW_NODE && l->index == i; /* takes its own load with it */
		if (!loadflow_node_live(l, i) && !dead && l->load_w[i] > 0)
			worst(w, LOADFLOW_DARK, i, 0);
	}
	for (size_t i = 0; i < t->n_modules; i++)
		if (isnan(l->module_v[i]) && l->module_w[i] > 0)
			worst(w, LOADFLOW_MODULE_DARK, i, 0);
}

void
loadflow_judge(const struct loadflow *l, struct loadflow_verdict *w)
{
	const struct topo *t = l->topo;
	*w = (struct loadflow_verdict){ .v_min_v = INFINITY };
	if (!l->solved)
		worst(w, LOADFLOW_NO_SOLUTION, 0, 0);
	for (size_t i = 0; i < t->n_nodes; i++) {
		if (!loadflow_node_live(l, i))
			continue;
		if (l->v_v[i] < w->v_min_v) {
			w->v_min_v = l->v_v[i];
			w->v_min_at = (uint32_t)i;
		}
		double loading =
			t->nodes[i].p.has_feed ? l->feed_a[i] / t->nodes[i].p.feed.i_rated_a : 0;
		if (loading > w->loading) {
			w->loading = loading;
			w->loading_at = (uint32_t)i;
		}
	}
	judge_supply(l, w);
	if (w->v_min_v < LOADFLOW_V_MIN)
		worst(w, LOADFLOW_LOW, w->v_min_at, w->v_min_v);
	if (w->loading > LOADFLOW_LOADING_MAX)
		worst(w, LOADFLOW_OVERLOAD, w->loading_at, w->loading);
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].p.fuse_a > 0 && fabs(l->link_a[i]) > t->links[i].p.fuse_a)
			worst(w, LOADFLOW_FUSE, i, fabs(l->link_a[i]));
}

char *
loadflow_text(const struct loadflow *l, const struct loadflow_verdict *w, char *buf, size_t size)
{
	const struct topo *t = l->topo;
	switch (w->problem) {
	case LOADFLOW_OK:
		if (isinf(w->v_min_v))
			snprintf(buf, size, "carried, nothing is left to feed");
		else
			snprintf(buf, size, "carried, lowest bus %s %.2f V",
			         t->nodes[w->v_min_at].id, w->v_min_v);
		break;
	case LOADFLOW_NO_SOLUTION:
		snprintf(buf, size, "cannot be supplied: no steady state at node %s",
		         t->nodes[w->at].id);
		break;
	case LOADFLOW_DARK:
		snprintf(buf, size, "cannot be supplied: no feed reaches node %s",
		         t->nodes[w->at].id);
		break;
	case LOADFLOW_MODULE_DARK:
		snprintf(buf, size, "module %s loses its only input", t->modules[w->at].id);
		break;
	case LOADFLOW_LOW:
		snprintf(buf, size, "cannot be supplied: bus %s falls to %.2f V",
		         t->nodes[w->at].id, w->value);
		break;
	case LOADFLOW_OVERLOAD:
		snprintf(buf, size, "feed %s is loaded to %.0f %% of its rating",
		         t->nodes[w->at].id, w->value * 100);
		break;
	case LOADFLOW_FUSE:
		snprintf(buf, size, "link %s carries %.1f A, its fuse is %.4g A",
		         t->links[w->at].id, w->value, t->links[w->at].p.fuse_a);
		break;
	}
	return buf;
}
