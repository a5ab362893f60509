/* The rules on the resolved mesh: docs/models/bus.md, link.md and port.md. */
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
		if (l->t.has_conv && l->t.conv.node == (size_t)(n - b->nodes))
			continue; /* its capacitor is checked in check_link_conv() */
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
	if (n->t.p.has_conv)
		p += conv_input_w(&n->t.p.conv, b->mesh.nominal_v, pwl_peak(&n->t.p.conv.load_a));
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

/* ---- converters ------------------------------------------------------------------------------ */

/* The controller acts once per sub-step: both loops must be slow against that. `owner`: node or
 * link with its id. */
static bool
check_loops(struct build *b, const struct conv_params *c, double c_out_f,
            const struct yamldoc_node *at, const char *owner)
{
	double dt = (double)b->mesh.step_ns * 1e-9 / b->mesh.substeps;
	double inner = c->kc * dt / c->l_h, outer = c->kp * dt / c_out_f;
	if (inner > 1 + TOPO_RULE_SLACK || outer > 1 + TOPO_RULE_SLACK) {
		struct diag *d = decode_error(
			&b->d, at,
			"%s: its converter's %s loop is too fast for the sub-step: %s %.3g is "
			"above 1",
			owner, inner > outer ? "current" : "voltage",
			inner > outer ? "kc dt/l" : "kp dt/c_out", inner > outer ? inner : outer);
		diag_help(d, "a smaller %s, a larger %s, more substeps, or a smaller step",
		          inner > outer ? "kc" : "kp", inner > outer ? "l" : "c_out");
		return false;
	}
	/* Two poles with damping 0.5 sqrt(ratio of the loops). */
	if (c->kp / c_out_f > c->kc / c->l_h)
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_WARNING, at,
		             "%s: its converter's voltage loop, kp/c_out = %.3g 1/s, is faster "
		             "than its current loop, kc/l = %.3g 1/s: it will ring",
		             owner, c->kp / c_out_f, c->kc / c->l_h);
	return true;
}

static void
check_limit(struct build *b, const struct build_link *l)
{
	const struct link_params *p = &l->t.p;
	if (l->bad || !(p->limit_a > 0))
		return;
	bool held = l->t.has_conv;
	for (size_t i = 0; i < b->n_nodes; i++)
		held = held || (b->nodes[i].t.p.has_feed && b->nodes[i].t.p.control == CONTROL_CONSENSUS);
	if (!held)
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_NOTE, l->place,
		             "link '%s': nobody holds its limit: feeds are re-dispatched under 'control: "
		             "consensus' only",
		             l->t.id);
	if (!(p->fuse_a > 0) || p->limit_a < p->fuse_a)
		return;
	struct diag *d = decode_error(
		&b->d, l->place, "link '%s': limit %.4g A is not below the rating of its fuse, %.4g A",
		l->t.id, p->limit_a, p->fuse_a);
	diag_help(d, "a smaller limit, a larger fuse, or fuse: none");
}

/* As check_kappa(), for the capacitor that such a link has instead of the bus. */
static void
check_link_conv(struct build *b, const struct build_link *l)
{
	const struct conv_params *c = &l->t.conv.conv;
	char owner[TOPO_ID_MAX + 8];
	if (l->bad || !l->t.has_conv || b->d.diags->n_errors != b->errors_before)
		return;
	snprintf(owner, sizeof owner, "link '%s'", l->t.id);
	double dc = topo_line_c_f(b->mesh.step_ns, l->t.p.l_eff_h), kappa = dc / c->c_out_f;
	/* A link that closes hangs its whole capacitance on one end. */
	double most = 2 * kappa;
	if (most > TOPO_KAPPA_MAX * (1 + TOPO_RULE_SLACK)) {
		struct diag *d = decode_error(
			&b->d, l->place,
			"link '%s': the step is too large for its converter: twice the line's "
			"%.3g mF of c_out, %.3g mF, is above %g",
			l->t.id, dc * 1e3, c->c_out_f * 1e3, TOPO_KAPPA_MAX);
		diag_help(d, "a smaller step, or a larger converter.c_out");
		return;
	}
	if (check_loops(b, c, c->c_out_f - dc, l->place, owner))
		decode_note_once(
			&b->d, l->place,
			"a link with a converter carries its power and holds no voltage: each "
			"side has to stand without it");
}

static void
check_conv(struct build *b, const struct build_node *n)
{
	const struct conv_params *c = &n->t.p.conv;
	const struct yamldoc_node *at = place_of(b, n);
	char owner[TOPO_ID_MAX + 8];
	if (n->bad || !n->t.p.has_conv)
		return;
	snprintf(owner, sizeof owner, "node '%s'", n->t.id);
	if (!check_loops(b, c, c->c_out_f, at, owner))
		return;
	double need_a = conv_inductor_a(c, b->mesh.nominal_v, pwl_peak(&c->load_a));
	if (need_a > c->i_lim_a)
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_WARNING, at,
		             "node '%s': its converter's load needs %.4g A in the inductor, "
		             "i_lim is %.4g A",
		             n->t.id, need_a, c->i_lim_a);
}

/* Voltages and powers that a supercapacitor's converter cannot have, and loops against the sub-step
 * and each other. */
static void
check_store(struct build *b, const struct build_node *n)
{
	const struct store_params *o = &n->t.p.store;
	const struct yamldoc_node *at = place_of(b, n);
	char owner[TOPO_ID_MAX + 32];
	size_t before = b->d.diags->n_errors;
	if (n->bad || !n->t.p.has_store)
		return;
	if (o->v_min_v >= o->v_max_v)
		decode_error(&b->d, at,
		             "node '%s': supercap.converter.v_min %g V is not below v_max %g V",
		             n->t.id, o->v_min_v, o->v_max_v);
	else if (!(o->v_init_v >= o->v_min_v && o->v_init_v <= o->v_max_v))
		decode_error(
			&b->d, at,
			"node '%s': supercap.converter.initial %g V is not in [%g, %g] V, v_min to "
			"v_max",
			n->t.id, o->v_init_v, o->v_min_v, o->v_max_v);
	else if (o->p_max_w > o->conv.i_lim_a * o->v_max_v * (1 + TOPO_RULE_SLACK))
		decode_error(
			&b->d, at,
			"node '%s': supercap.converter.p_max %g W is more than i_lim carries even "
			"at v_max: %g W",
			n->t.id, o->p_max_w, o->conv.i_lim_a * o->v_max_v);
	if (o->restore_w > o->p_max_w)
		decode_error(&b->d, at,
		             "node '%s': supercap.converter.restore %g W is above p_max %g W",
		             n->t.id, o->restore_w, o->p_max_w);
	if (o->hold_v >= b->mesh.nominal_v)
		decode_error(
			&b->d, at,
			"node '%s': supercap.converter.hold %g V is not below mesh.nominal %g V",
			n->t.id, o->hold_v, b->mesh.nominal_v);
	if (b->d.diags->n_errors != before)
		return;
	snprintf(owner, sizeof owner, "node '%s': supercap", n->t.id);
	if (!check_loops(b, &o->conv, o->conv.c_out_f, at, owner))
		return;
	const double part = 0.25; /* of the current loop: damping 1 */
	double damp = o->damp_s / n->t.p.c_bus_f, loop = o->conv.kc / o->conv.l_h;
	if (damp > part * loop * (1 + TOPO_RULE_SLACK))
		decode_error(
			&b->d, at,
			"node '%s': supercap.converter.damp %g A/V is too fast for its current "
			"loop: damp/c_bus %.3g 1/s is above %g kc/l = %.3g 1/s",
			n->t.id, o->damp_s, damp, part, part * loop);
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

/* Marks in `fed` which nodes reach a feed over links that hold a voltage: those without a
 * converter; with_open: also over those that start open. */
static void
reach_feed(const struct build *b, bool with_open, bool *fed, uint32_t *up)
{
	for (uint32_t i = 0; i < b->n_nodes; i++)
		up[i] = i;
	for (size_t i = 0; i < b->n_links; i++) {
		const struct build_link *l = &b->links[i];
		if (!l->connected || l->t.has_conv || (l->t.p.open && !with_open))
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
		check_conv(b, &b->nodes[i]);
		check_store(b, &b->nodes[i]);
	}
	for (size_t i = 0; i < b->n_links; i++) {
		check_limit(b, &b->links[i]);
		check_link_conv(b, &b->links[i]);
	}
	for (size_t i = 0; i < b->n_modules; i++)
		check_module(b, &b->modules[i]);
	if (!b->skip_islands)
		check_islands(b);
}
