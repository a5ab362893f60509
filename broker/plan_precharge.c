#include "plan_precharge.h"

#include <math.h>

#include "topo_rules.h"
#include "unit.h"

#define V_UV 36.0      /* below it constant power is a conductance */
#define BYPASS_V 1.0   /* docs/models/link.md */
#define COOLS_W 50.0   /* what the resistor gives off */
#define NEXT_TRY_S 1.0 /* the first pause */
#define LINES_MAX 8    /* of text */

/* A dark node that sheds has shed them before the bus is up. */
static double
modules_w(const struct topo *t, uint32_t node)
{
	double w = 0;
	if (t->nodes[node].p.shedding == SWITCH_ON)
		return 0;
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->modules[i].n_feeds == 1 && t->modules[i].feeds[0] == node)
			w += module_peak_w(&t->modules[i].p, t->nominal_v);
	return w;
}

/* Bus behind the resistor, coming from 0 V. */
static double
stops_at(double v, double r_ohm, double power_w)
{
	double low = v / (1 + r_ohm * power_w / (V_UV * V_UV));
	double root = v * v - 4 * r_ohm * power_w;
	if (low < V_UV || !(root >= 0))
		return low;
	return (v + sqrt(root)) / 2;
}

static double
given_up_after(const struct link_params *l, double amps)
{
	double s = l->precharge_s > 0 ? l->precharge_s : INFINITY;
	double heats_w = l->precharge_ohm * amps * amps - COOLS_W;
	if (l->precharge_j > 0 && heats_w > 0)
		s = fmin(s, l->precharge_j / heats_w);
	return s;
}

bool
plan_precharge_of(const struct topo *t, uint32_t node, struct plan_precharge *ret)
{
	const struct topo_node *n = &t->nodes[node];
	struct plan_precharge p = { .node = node };
	for (size_t i = 0; i < n->n_links; i++) {
		const struct topo_link *k = &t->links[n->links[i]];
		double r = k->p.precharge_ohm + k->p.r_ohm;
		if (k->has_conv || r <= p.r_ohm)
			continue;
		p.r_ohm = r;
		p.link = n->links[i];
	}
	if (!(p.r_ohm > 0) || n->p.has_feed || n->p.has_store)
		return false;
	p.power_w = pwl_peak(&n->p.load_w) + modules_w(t, node);
	if (n->p.has_conv)
		p.power_w += conv_input_w(&n->p.conv, t->nominal_v, pwl_peak(&n->p.conv.load_a));
	p.limit_w = (t->nominal_v - BYPASS_V) * BYPASS_V / p.r_ohm;
	if (p.power_w <= p.limit_w)
		return false;
	p.stops_v = stops_at(t->nominal_v, p.r_ohm, p.power_w);
	p.given_up_s = given_up_after(&t->links[p.link].p, (t->nominal_v - p.stops_v) / p.r_ohm);
	*ret = p;
	return true;
}

static void
print_line(const struct topo *t, const struct plan_precharge *p, FILE *f)
{
	fprintf(f, "%-12s %.0f W where %.0f W come through (%s, %.3g Ohm): stops at %.1f V, ",
	        t->nodes[p->node].id, p->power_w, p->limit_w, t->links[p->link].id, p->r_ohm,
	        p->stops_v);
	if (isinf(p->given_up_s))
		fputs("and stays there: neither precharge_time nor precharge_energy\n", f);
	else
		fprintf(f, "given up after %.2g s, comes in without them %g s later\n",
		        p->given_up_s, NEXT_TRY_S);
}

void
plan_precharge_print(const struct topo *t, FILE *f)
{
	struct plan_precharge p;
	size_t n = 0;
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (!plan_precharge_of(t, i, &p))
			continue;
		if (n == 0)
			fputs("\nnote: a node without a feed that comes back from dark with its "
			      "loads "
			      "on; limit of the pre-charge:\n",
			      f);
		if (n++ < LINES_MAX)
			print_line(t, &p, f);
	}
	if (n > LINES_MAX)
		fprintf(f, "... and %zu more (--json has all)\n", n - LINES_MAX);
}

void
plan_precharge_json(const struct topo *t, struct json_out *j)
{
	struct plan_precharge p;
	json_out_array(j, "precharge_stops");
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (!plan_precharge_of(t, i, &p))
			continue;
		json_out_object(j, NULL);
		json_out_text(j, "node", t->nodes[i].id);
		json_out_text(j, "link", t->links[p.link].id);
		json_out_real(j, "r_ohm", p.r_ohm);
		json_out_real(j, "power_w", p.power_w);
		json_out_real(j, "limit_w", p.limit_w);
		json_out_real(j, "stops_v", p.stops_v);
		json_out_real(j, "given_up_s", isinf(p.given_up_s) ? NAN : p.given_up_s);
		json_out_end(j);
	}
	json_out_end(j);
}
