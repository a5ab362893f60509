/* What follows from what the file says: derived defaults, adjacency, ports, inductance inflation.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "topo_build.h"
#include "topo_rules.h"

/* Gains of the distributed control where the file gives none. */
static const struct build_gains gains_default = { .kv = 8, .kc = 400, .ki = 60 };

/* Let-through of a fuse over the square of its rating: that of bolted 48 V automotive fuses of 100
 * to 200 A. */
#define FUSE_I2T_S 1.0

/* Channels that are not in the file, for drills that make use of them: the defaults of the table.
 */
#define CHANNEL_BURST_LEAVE 0.25
#define CHANNEL_REORDER_NS (2 * INT64_C(1000000))
#define CHANNEL_QUEUE_NS (10 * INT64_C(1000000))

static double
first_of(double a, double b, double c)
{
	return !isnan(a) ? a : !isnan(b) ? b : c;
}

static void
resolve_feed(struct build *b, struct build_node *n)
{
	const double droop_at_rating = 0.02, droop_of_v = 48; /* 2 % of 48 V at the rated current */
	const double limit_over_rating = 1.25;
	struct feed_params *f = &n->t.p.feed;
	if (!n->t.p.has_feed || !(f->i_rated_a > 0))
		return;
	if (isnan(f->r_d_ohm))
		f->r_d_ohm = droop_at_rating * droop_of_v / f->i_rated_a;
	if (isnan(f->i_max_a))
		f->i_max_a = limit_over_rating * f->i_rated_a;
	if (f->i_max_a < f->i_rated_a)
		decode_error(&b->d, n->place,
		             "node '%s': feed.i_max %g A is below feed.i_rated %g A", n->t.id,
		             f->i_max_a, f->i_rated_a);
}

/* What the file leaves open of a supercapacitor's converter. */
static void
resolve_store(struct node_params *p)
{
	const double restore_of_p_max = 0.05, damp_of_current_loop = 0.1;
	struct store_params *o = &p->store;
	o->c_f = p->c_sc_f;
	o->esr_ohm = p->r_sc_ohm;
	if (isnan(o->p_max_w))
		o->p_max_w = o->conv.i_lim_a * o->v_min_v;
	if (isnan(o->restore_w))
		o->restore_w = restore_of_p_max * o->p_max_w;
	if (isnan(o->damp_s))
		o->damp_s = damp_of_current_loop * p->c_bus_f * o->conv.kc / o->conv.l_h;
	if (isnan(o->v_init_v))
		o->v_init_v = store_target_v(o);
	o->conv.v_ref_v = o->v_max_v;
}

static void
resolve_node(struct build *b, struct build_node *n)
{
	struct node_params *p = &n->t.p;
	const struct build_gains *m = &b->mesh.gains;
	if (isnan(p->v_init_v))
		p->v_init_v = b->mesh.nominal_v;
	p->control = (enum control_kind)(n->control >= 0 ? n->control : b->mesh.control);
	p->kv_per_s = first_of(n->gains.kv, m->kv, gains_default.kv);
	p->kc_per_s = first_of(n->gains.kc, m->kc, gains_default.kc);
	p->ki_v_per_s = first_of(n->gains.ki, m->ki, gains_default.ki);
	p->v_nom_v = b->mesh.nominal_v;
	p->sensors_realistic = b->mesh.sensors == 1;
	p->sensor = b->mesh.sensor;
	p->has_store = p->has_store && p->has_sc;
	if (p->has_store)
		resolve_store(p);
	else
		memset(&p->store, 0, sizeof p->store);
	p->has_sc = p->has_sc && !p->has_store;
	p->calibrates = b->mesh.calibration == 1;
	if (!p->has_sc)
		p->c_sc_f = p->r_sc_ohm = 0;
	if (!p->has_feed)
		memset(&p->feed, 0, sizeof p->feed);
	else
		resolve_feed(b, n);
	if (!p->has_conv)
		memset(&p->conv, 0, sizeof p->conv);
}

/* Losses with everything at its rating. */
static double
full_loss_w(const struct build *b, const struct build_node *node, uint32_t index)
{
	const struct topo_node *n = &node->t;
	double w = 0;
	if (n->p.has_feed)
		w += THERMAL_FEED_V * n->p.feed.i_rated_a *
		     (THERMAL_FEED_Q + THERMAL_FEED_K + THERMAL_FEED_R);
	if (n->p.has_conv)
		w += conv_full_loss_w(&n->p.conv);
	if (n->p.has_store)
		w += conv_full_loss_w(&n->p.store.conv);
	for (size_t i = 0; i < n->n_links; i++) {
		const struct topo_link *l = &b->links[n->links[i]].t;
		if (l->has_conv && l->conv.node == index)
			w += conv_full_loss_w(&l->conv.conv);
	}
	return w > THERMAL_LEAST_W ? w : THERMAL_LEAST_W;
}

static void
resolve_hardware(struct build *b, uint32_t index)
{
	struct build_node *n = &b->nodes[index];
	struct thermal_params *t = &n->t.p.thermal;
	const struct trip_params *r = &n->t.p.trip;
	if (isnan(t->r_th_k_w))
		t->r_th_k_w = THERMAL_RISE_K / full_loss_w(b, n, index);
	if (isnan(t->c_th_j_k))
		t->c_th_j_k = THERMAL_TAU_S / t->r_th_k_w;
	if (!(t->derate_c < t->max_c))
		decode_error(&b->d, n->place,
		             "node '%s': thermal.derate %g degC is not below thermal.max %g degC",
		             n->t.id, t->derate_c, t->max_c);
	if (!(t->restart_c < t->max_c))
		decode_error(&b->d, n->place,
		             "node '%s': thermal.restart %g degC is not below thermal.max %g degC",
		             n->t.id, t->restart_c, t->max_c);
	if (!(r->ov_clear_v < r->ov_v))
		decode_error(&b->d, n->place,
		             "node '%s': trips.ov_clear %g V is not below trips.ov %g V", n->t.id,
		             r->ov_clear_v, r->ov_v);
	if (!(r->uv_v < r->uv_clear_v))
		decode_error(&b->d, n->place,
		             "node '%s': trips.uv %g V is not below trips.uv_clear %g V", n->t.id,
		             r->uv_v, r->uv_clear_v);
	if (!(r->port_uv_v < n->t.p.v_nom_v))
		decode_error(&b->d, n->place,
		             "node '%s': trips.port_uv %g V is not below the nominal voltage %g V",
		             n->t.id, r->port_uv_v, n->t.p.v_nom_v);
}

static void
too_many(struct build *b, const struct yamldoc_node *place, const char *id, const char *what,
         int max)
{
	decode_error(&b->d, place, "node '%s' has more than %d %s", id, max, what);
}

static void
resolve_link_conv(struct build *b, struct build_link *l)
{
	struct link_conv_params *c = &l->t.conv;
	if (!l->t.has_conv) {
		memset(c, 0, sizeof *c);
		return;
	}
	if (l->bad || c->node == l->t.a || c->node == l->t.b)
		return;
	if (c->node == TOPO_NODES_MAX)
		decode_error(&b->d, l->place, "'converter.at' is missing in link '%s'", l->t.id);
	else
		decode_error(&b->d, l->place,
		             "link '%s': converter.at: node '%s' is not one of its ends", l->t.id,
		             b->nodes[c->node].t.id);
}

/* An ideal channel keeps what only drills make use of. */
static void
resolve_channel(struct build_link *l)
{
	struct channel_params *c = &l->t.p.channel;
	if (l->t.p.has_channel)
		return;
	*c = (struct channel_params){ .burst_leave = CHANNEL_BURST_LEAVE,
		                      .burst_loss = 1,
		                      .reorder_ns = CHANNEL_REORDER_NS,
		                      .queue_ns = CHANNEL_QUEUE_NS };
}

static void
resolve_link(struct build *b, uint32_t index)
{
	struct build_link *l = &b->links[index];
	l->t.p.l_eff_h = l->t.p.l_h;
	if (!(l->t.p.fuse_a > 0))
		l->t.p.fuse_i2t_a2s = 0;
	else if (isnan(l->t.p.fuse_i2t_a2s))
		l->t.p.fuse_i2t_a2s = FUSE_I2T_S * l->t.p.fuse_a * l->t.p.fuse_a;
	resolve_channel(l);
	l->t.tcp = (l->transport >= 0 ? l->transport : b->mesh.transport) == 1;
	if (!l->connected)
		return;
	resolve_link_conv(b, l);
	struct build_node *ends[2] = { &b->nodes[l->t.a], &b->nodes[l->t.b] };
	for (size_t i = 0; i < 2; i++) {
		struct topo_node *n = &ends[i]->t;
		if (n->n_links == TOPO_DEGREE_MAX)
			too_many(b, l->place, n->id, "links", TOPO_DEGREE_MAX);
		else
			n->links[n->n_links++] = index;
	}
}

static void
resolve_module(struct build *b, uint32_t index)
{
	static const enum module_class classes[] = { MODULE_FIXED, MODULE_RESISTIVE, MODULE_CPU };
	struct build_module *m = &b->modules[index];
	if (m->class >= 0 && m->class < CLASS_LATER_)
		m->t.p.class = classes[m->class];
	if (!isnan(m->power_w)) {
		struct pwl_point *p = pool_alloc(b->d.pool, sizeof *p);
		if (!p) {
			b->d.nomem = true;
			return;
		}
		p->level = m->power_w;
		m->t.p.load_w = (struct pwl){ 1, p };
	}
	if (m->class != CLASS_RESISTIVE)
		m->t.p.r_load_ohm = 0;
	for (uint32_t i = 0; i < m->t.n_feeds; i++) {
		struct topo_node *n = &b->nodes[m->t.feeds[i]].t;
		uint32_t port = (uint32_t)b->n_ports++;
		struct topo_port *p = &b->ports[port];
		*p = (struct topo_port){ .module = index, .node = m->t.feeds[i], .input = i };
		snprintf(p->id, sizeof p->id, "%s.%s", m->t.id, n->id);
		m->t.ports[i] = port;
		if (n->n_ports == TOPO_PORTS_MAX)
			too_many(b, m->place, n->id, "ports", TOPO_PORTS_MAX);
		else
			n->ports[n->n_ports++] = port;
	}
}

void
build_resolve(struct build *b)
{
	b->ports = calloc(TOPO_FEEDS_MAX * b->n_modules + 1, sizeof *b->ports);
	if (!b->ports) {
		b->d.nomem = true;
		return;
	}
	for (size_t i = 0; i < b->n_nodes; i++)
		resolve_node(b, &b->nodes[i]);
	for (size_t i = 0; i < b->n_links; i++)
		resolve_link(b, (uint32_t)i);
	for (size_t i = 0; i < b->n_nodes; i++)
		resolve_hardware(b, (uint32_t)i);
	for (size_t i = 0; i < b->n_modules && !b->d.nomem; i++)
		resolve_module(b, (uint32_t)i);
}
