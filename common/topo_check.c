/* The rules on the resolved mesh: docs/models/electrical.md, "What is checked". */
#include <math.h>
#include <string.h>

#include "topo_build.h"
#include "topo_rules.h"

static const struct yamldoc_node *
place_of(const struct build *b, const struct build_node *n)
{
	return n->place ? n->place : b->generate_place;
}

/* ---- the step against the node's capacitor --------------------------------------------------- */

static double
node_kappa(const struct build *b, const struct build_node *n, double *join, bool *opens, bool *bad)
{
	double sum = 0, max = 0;
	*opens = *bad = false;
	for (size_t i = 0; i < n->t.n_links; i++) {
		const struct build_link *l = &b->links[n->t.links[i]];
		double dc = topo_line_c_f(b->mesh.step_ns, l->t.p.l_eff_h);
		*opens |= l->t.p.open;
		*bad |= l->bad;
		sum += dc;
		max = dc > max ? dc : max;
	}
	*join = (sum + max) / n->t.p.c_bus_f;
	return sum / n->t.p.c_bus_f;
}

static bool
may_inflate(const struct build *b, const struct build_node *n)
{
	return n->allow_l_inflation || b->mesh.allow_l_inflation;
}

/* Raises L_eff of the node's links until its kappa is at the limit. Raising never hurts a
 * neighbour. */
static void
inflate(struct build *b, struct build_node *n)
{
	const double max_inflation = 2;
	double join;
	bool opens, bad;
	double kappa = node_kappa(b, n, &join, &opens, &bad), factor = kappa / TOPO_KAPPA_MAX;
	if (bad || n->bad || kappa <= TOPO_KAPPA_MAX * (1 + TOPO_RULE_SLACK))
		return;
	for (size_t i = 0; i < n->t.n_links; i++) {
		const struct topo_link *l = &b->links[n->t.links[i]].t;
		double inflation = factor * l->p.l_eff_h / l->p.l_h;
		if (inflation > max_inflation * (1 + TOPO_RULE_SLACK)) {
			decode_error(&b->d, place_of(b, n),
			             "node '%s': allow_l_inflation would need %.3g times the "
			             "inductance of link '%s', "
			             "at most %g",
			             n->t.id, inflation, l->id, max_inflation);
			return;
		}
	}
	for (size_t i = 0; i < n->t.n_links; i++)
		b->links[n->t.links[i]].t.p.l_eff_h *= factor;
	yamldoc_diag(b->d.doc, b->d.diags, DIAG_NOTE, place_of(b, n),
	             "node '%s': inductance of its links raised by %.3g to fit the step", n->t.id,
	             factor);
}

static void
check_kappa(struct build *b, struct build_node *n)
{
	double join;
	bool opens, bad;
	double kappa = node_kappa(b, n, &join, &opens, &bad);
	const double max = TOPO_KAPPA_MAX * (1 + TOPO_RULE_SLACK);
	const struct yamldoc_node *at = place_of(b, n);
	if (bad || n->bad || n->t.n_links == 0)
		return;
	if (kappa > max && may_inflate(b, n))
		return; /* inflate() has said why not */
	if (kappa > max) {
		double need_f = kappa * n->t.p.c_bus_f / TOPO_KAPPA_GOOD;
		double step = (double)b->mesh.step_ns * sqrt(TOPO_KAPPA_MAX / kappa);
		struct diag *d = decode_error(
			&b->d, at,
			"node '%s': the step is too large for its links: kappa %.3g is above %g",
			n->t.id, kappa, TOPO_KAPPA_MAX);
		diag_help(d,
		          "step of at most %.0f us, c_bus of %.3g mF (kappa 0.5), or "
		          "allow_l_inflation: true",
		          floor(step * 1e-3), need_f * 1e3);
		return;
	}
	if (opens && join > max) {
		struct diag *d = decode_error(
			&b->d, at,
			"node '%s': a link that starts open cannot be closed: kappa_join %.3g is "
			"above %g",
			n->t.id, join, TOPO_KAPPA_MAX);
		diag_help(d, "a smaller step, or a larger c_bus");
	} else if (kappa > TOPO_KAPPA_GOOD * (1 + TOPO_RULE_SLACK)) {
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_NOTE, at,
		             "node '%s': kappa %.3g, good is at most %g%s", n->t.id, kappa,
		             TOPO_KAPPA_GOOD,
		             join > max ? "; its links cannot be closed again once open" : "");
	}
}

/* ---- ports ----------------------------------------------------------------------------------- */

static void
check_ports(struct build *b, struct build_node *n)
{
	double t_p = (double)b->mesh.step_ns * 1e-9 * b->mesh.port_period, chatter = 0, c_in = 0;
	for (size_t i = 0; i < n->t.n_ports; i++) {
		const struct build_module *m = &b->modules[b->ports[n->t.ports[i]].module];
		if (m->bad)
			return;
		c_in += m->t.p.c_in_f;
		if (m->t.n_feeds > 1)
			chatter += t_p / (n->t.p.c_bus_f * m->t.p.r_port_ohm);
	}
	if (n->bad)
		return;
	bool tight = b->mesh.port_period > 1 && !n->t.p.has_sc;
	double limit = tight ? 0.25 : 0.5;
	const struct yamldoc_node *at = place_of(b, n);
	if (chatter > limit * (1 + TOPO_RULE_SLACK)) {
		struct diag *d = decode_error(
			&b->d, at,
			"node '%s': its dual-fed ports would chatter: sum of T_p/(c_bus r_port) "
			"%.3g is above %g",
			n->t.id, chatter, limit);
		diag_help(d,
		          "fewer dual-fed modules here, a larger c_bus or r_port, a smaller step%s",
		          tight ? " or port_period, or a supercap" : "");
	}
	const double c_in_max = 0.5; /* of the bus capacitor */
	if (c_in > c_in_max * n->t.p.c_bus_f * (1 + TOPO_RULE_SLACK))
		decode_error(&b->d, at,
		             "node '%s': the input capacitors of its ports, %.3g mF, are more than "
		             "half of c_bus, %.3g mF",
		             n->t.id, c_in * 1e3, n->t.p.c_bus_f * 1e3);
}

static void
check_module(struct build *b, const struct build_module *m)
{
	double dt = (double)b->mesh.step_ns * 1e-9 / b->mesh.substeps;
	double min = (double)m->t.n_feeds * dt / (2 * m->t.p.c_in_f);
	if (m->bad || m->t.p.r_port_ohm >= min * (1 - TOPO_RULE_SLACK))
		return;
	struct diag *d = decode_error(
		&b->d, m->place,
		"module '%s': r_port %.3g mOhm is below n_inputs dt/(2 c_in) = %.3g mOhm", m->t.id,
		m->t.p.r_port_ohm * 1e3, min * 1e3);
	diag_help(d, "a larger r_port or c_in, more substeps, or a smaller step");
}

/* ---- constant power -------------------------------------------------------------------------- */

static double
node_peak_w(const struct build *b, const struct build_node *n)
{
	double p = pwl_peak(&n->t.p.load_w);
	/* A dual-fed module counts in full at both: it may have to live from this one. */
	for (size_t i = 0; i < n->t.n_ports; i++) {
		const struct build_module *m = &b->modules[b->ports[n->t.ports[i]].module];
		if (m->t.p.class != MODULE_RESISTIVE && !m->bad && m->class < CLASS_LATER_)
			p += module_peak_w(&m->t.p, b->mesh.nominal_v);
	}
	return p;
}

static void
check_constant_power(struct build *b, const struct build_node *n)
{
	const double margin = 2;
	const struct node_params *p = &n->t.p;
	double power = node_peak_w(b, n), v2 = b->mesh.nominal_v * b->mesh.nominal_v;
	/* The supercapacitor's branch damps more than the load's negative conductance P/V^2
	 * excites. */
	if (n->bad || power <= 0 || (p->has_sc && 1 / p->r_sc_ohm > margin * power / v2))
		return;
	if (p->has_feed && p->feed.tau_s > 0) {
		double limit = p->c_bus_f * v2 / p->feed.tau_s;
		if (margin * power > limit)
			yamldoc_diag(b->d.doc, b->d.diags, DIAG_WARNING, place_of(b, n),
			             "node '%s': %.4g W of constant power on its feed; stable "
			             "below c_bus V^2/tau = %.4g W, "
			             "wanted half of that",
			             n->t.id, power, limit);
	}
	for (size_t i = 0; i < n->t.n_links && !p->has_feed; i++) {
		const struct build_link *l = &b->links[n->t.links[i]];
		double limit = l->t.p.r_ohm * p->c_bus_f * v2 / l->t.p.l_h;
		double over_r = v2 / l->t.p.r_ohm;
		limit = over_r < limit ? over_r : limit;
		if (!l->bad && margin * power > limit)
			yamldoc_diag(b->d.doc, b->d.diags, DIAG_WARNING, place_of(b, n),
			             "node '%s': %.4g W of constant power over link '%s' alone; "
			             "stable below %.4g W, wanted "
			             "half of that",
			             n->t.id, power, l->t.id, limit);
	}
}

/* ---- islands --------------------------------------------------------------------------------- */

static uint32_t
find_root(uint32_t *up, uint32_t i)
{
	while (up[i] != i) {
		up[i] = up[up[i]];
		i = up[i];
	}
	return i;
}

/* Marks in `fed` which nodes reach a feed over links; with_open: also over those that start open.
 */
static void
reach_feed(const struct build *b, bool with_open, bool *fed, uint32_t *up)
{
	for (uint32_t i = 0; i < b->n_nodes; i++)
		up[i] = i;
	for (size_t i = 0; i < b->n_links; i++) {
		const struct build_link *l = &b->links[i];
		if (!l->connected || (l->t.p.open && !with_open))
			continue;
		uint32_t a = find_root(up, l->t.a), z = find_root(up, l->t.b);
		up[a > z ? a : z] = a > z ? z : a;
	}
	memset(fed, 0, b->n_nodes * sizeof *fed);
	for (uint32_t i = 0; i < b->n_nodes; i++)
		if (b->nodes[i].t.p.has_feed)
			fed[find_root(up, i)] = true;
	for (uint32_t i = 0; i < b->n_nodes; i++)
		fed[i] = fed[find_root(up, i)];
}

static void
check_islands(struct build *b)
{
	bool fed[TOPO_NODES_MAX], fed_later[TOPO_NODES_MAX], told[TOPO_NODES_MAX] = { false };
	uint32_t up[TOPO_NODES_MAX];
	reach_feed(b, false, fed, up);
	reach_feed(b, true, fed_later, up);
	for (uint32_t i = 0; i < b->n_nodes; i++) {
		uint32_t root = find_root(up, i);
		if (fed[i] || told[root])
			continue;
		told[root] = true;
		size_t n = 0;
		for (uint32_t j = 0; j < b->n_nodes; j++)
			n += find_root(up, j) == root && !fed[j];
		char more[40] = "";
		if (n > 1)
			snprintf(more, sizeof more, " and %zu more", n - 1);
		const struct yamldoc_node *at = place_of(b, &b->nodes[i]);
		if (fed_later[i])
			yamldoc_diag(b->d.doc, b->d.diags, DIAG_WARNING, at,
			             "node '%s'%s: no feed until a link that starts open is closed",
			             b->nodes[i].t.id, more);
		else
			decode_error(&b->d, at, "node '%s'%s: an island without a feed",
			             b->nodes[i].t.id, more);
	}
}

static void
note_fuses(struct build *b)
{
	for (size_t i = 0; i < b->n_links; i++)
		if (b->links[i].t.p.fuse_a > 0) {
			decode_note_once(&b->d, NULL,
			                 "fuses are parsed but do not act in this release");
			return;
		}
}

void
build_check(struct build *b)
{
	if (b->d.nomem)
		return;
	for (size_t i = 0; i < b->n_nodes; i++)
		if (may_inflate(b, &b->nodes[i]))
			inflate(b, &b->nodes[i]);
	for (size_t i = 0; i < b->n_nodes; i++) {
		check_kappa(b, &b->nodes[i]);
		check_ports(b, &b->nodes[i]);
		check_constant_power(b, &b->nodes[i]);
	}
	for (size_t i = 0; i < b->n_modules; i++)
		check_module(b, &b->modules[i]);
	if (!b->skip_islands)
		check_islands(b);
	if (b->d.diags->n_errors == b->errors_before)
		note_fuses(b);
}
