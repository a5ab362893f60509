/*
 * SHA-256 over the resolved mesh: everything that influences the physics, in one canonical order of
 * 8-byte little-endian words and NUL-terminated ids. Not in it: name, path, seed, map places,
 * transports, how much is recorded, stall.
 */
#include <math.h>
#include <string.h>

#include "sha256.h"
#include "topo_build.h"

static void
add_u64(struct sha256 *h, uint64_t v)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	sha256_add(h, bytes, sizeof bytes);
}

static void
add_real(struct sha256 *h, double v)
{
	uint64_t bits = 0x7ff8000000000000; /* one NaN, one zero */
	v += 0.0;
	if (!isnan(v))
		memcpy(&bits, &v, sizeof bits);
	add_u64(h, bits);
}

static void
add_text(struct sha256 *h, const char *s)
{
	sha256_add(h, s, strlen(s) + 1);
}

static void
add_curve(struct sha256 *h, const struct pwl *c)
{
	add_u64(h, c->n);
	for (size_t i = 0; i < c->n; i++) {
		add_u64(h, (uint64_t)c->p[i].at_ns);
		add_u64(h, (uint64_t)c->p[i].ramp_ns);
		add_real(h, c->p[i].level);
	}
}

static void
add_conv(struct sha256 *h, const struct conv_params *c)
{
	const double reals[] = { c->l_h,     c->r_ohm,  c->c_out_f, c->v_ref_v,
		                 c->kp,      c->ki,     c->kc,      c->p_fixed_w,
		                 c->i_lim_a, c->k_sw_s, c->c_oss_f, c->f_sw_hz };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_curve(h, &c->load_a);
}

static void
add_sensor(struct sha256 *h, const struct sensor_params *s)
{
	const double reals[] = { s->v_gain,     s->i_gain,    s->v_offset_v,
		                 s->i_offset_a, s->noise_lsb, s->i_range_a };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_u64(h, (uint64_t)s->refresh_ns);
	add_u64(h, (uint64_t)s->zero_ns);
}

static void
add_hardware(struct sha256 *h, const struct node_params *p)
{
	const struct thermal_params *t = &p->thermal;
	const struct trip_params *r = &p->trip;
	const double reals[] = { t->ambient_c, t->r_th_k_w,  t->c_th_j_k, t->derate_c,
		                 t->max_c,     t->least,     t->restart_c, r->ov_v,
		                 r->ov_clear_v, r->uv_v,     r->uv_clear_v,
		                 r->port_uv_v };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_u64(h, (uint64_t)r->ov_delay_ns);
	add_u64(h, (uint64_t)r->restart_ns);
	add_u64(h, (uint64_t)p->mcu.watchdog_ns);
	add_u64(h, (uint64_t)p->mcu.boot_ns);
}

static void
add_node(struct sha256 *h, const struct topo_node *n)
{
	const struct node_params *p = &n->p;
	add_text(h, n->id);
	const double reals[] = { p->v_init_v,   p->c_bus_f,      p->c_sc_f,         p->r_sc_ohm,
		                 p->feed.v0_v,  p->feed.r_d_ohm, p->feed.i_rated_a, p->feed.i_max_a,
		                 p->feed.tau_s, p->kv_per_s,     p->kc_per_s,       p->ki_v_per_s,
		                 p->v_nom_v };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_u64(h, (uint64_t)p->has_sc | (uint64_t)p->has_feed << 1 | (uint64_t)p->has_conv << 2);
	add_u64(h, (uint64_t)p->control << 1 | p->shedding);
	add_curve(h, &p->load_w);
	if (p->has_conv)
		add_conv(h, &p->conv);
	add_hardware(h, p);
	if (p->sensors_realistic)
		add_sensor(h, &p->sensor);
	if (p->has_store) {
		const struct store_params *o = &p->store;
		const double stores[] = { o->c_f,       o->esr_ohm,  o->v_min_v, o->v_max_v,
			                  o->target,    o->v_init_v, o->p_max_w, o->restore_w,
			                  o->smooth_s,  o->hold_v,   o->damp_s };
		add_text(h, "store");
		for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
			add_real(h, stores[i]);
		add_conv(h, &o->conv);
	}
	if (p->calibrates)
		add_text(h, "calibration");
	if (p->steady)
		add_text(h, "steady"); /* what follows from it is made of the rest */
}

static void
add_channel(struct sha256 *h, const struct channel_params *c)
{
	const double reals[] = { c->rate_bit_s, c->loss,      c->burst_enter, c->burst_leave,
		                 c->burst_loss, c->duplicate, c->reorder,     c->corrupt };
	const int64_t times[] = { c->delay_ns, c->jitter_ns, c->reorder_ns, c->queue_ns };
	add_text(h, "channel");
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		add_u64(h, (uint64_t)times[i]);
}

static void
add_link(struct sha256 *h, const struct topo_link *l)
{
	const struct link_params *p = &l->p;
	add_text(h, l->id);
	add_u64(h, l->a);
	add_u64(h, l->b);
	const double reals[] = { p->r_ohm,  p->l_h,          p->l_eff_h,
		                 p->fuse_a, p->fuse_i2t_a2s, p->precharge_ohm,
		                 p->precharge_s, p->precharge_j };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_u64(h, p->open);
	if (p->limit_a > 0) {
		add_text(h, "limit");
		add_real(h, p->limit_a);
	}
	if (p->has_channel)
		add_channel(h, &p->channel);
	if (l->has_conv) {
		add_u64(h, l->conv.node);
		add_conv(h, &l->conv.conv);
		add_curve(h, &l->conv.power_w);
	}
}

static void
add_module(struct sha256 *h, const struct topo_module *m)
{
	const struct module_params *p = &m->p;
	add_text(h, m->id);
	add_u64(h, m->n_feeds);
	for (size_t i = 0; i < m->n_feeds; i++)
		add_u64(h, m->feeds[i]);
	add_u64(h, (uint64_t)p->class);
	add_u64(h, (uint64_t)p->priority << 2 | (uint64_t)p->oring << 1 | p->plugged);
	const double reals[] = { p->r_load_ohm, p->c_in_f, p->r_port_ohm, p->n_turns, p->v_ref_v,
		                 p->v_uv_v };
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		add_real(h, reals[i]);
	add_u64(h, (uint64_t)p->mcu.watchdog_ns);
	add_u64(h, (uint64_t)p->mcu.boot_ns);
	add_curve(h, &p->load_w);
	add_u64(h, p->n_phases);
	for (size_t i = 0; i < p->n_phases; i++) {
		add_u64(h, p->phases[i].phase);
		add_u64(h, (uint64_t)p->phases[i].for_ns);
	}
}

int
topo_hash(struct topo *t, struct err *err)
{
	struct sha256 h;
	int rc = sha256_begin(&h, err);
	if (rc)
		return rc;
	add_text(&h, "voltloom mesh 1");
	add_u64(&h, (uint64_t)t->step_ns);
	add_u64(&h, t->substeps);
	add_u64(&h, t->port_period);
	add_real(&h, t->nominal_v);
	add_u64(&h, t->sensors_realistic);
	add_u64(&h, t->n_nodes);
	for (size_t i = 0; i < t->n_nodes; i++)
		add_node(&h, &t->nodes[i]);
	add_u64(&h, t->n_links);
	for (size_t i = 0; i < t->n_links; i++)
		add_link(&h, &t->links[i]);
	add_u64(&h, t->n_modules);
	for (size_t i = 0; i < t->n_modules; i++)
		add_module(&h, &t->modules[i]);
	sha256_end(&h, t->hash);
	return 0;
}
