#include "shorts_conv.h"

#include <math.h>

#include "link_conv.h"
#include "topo_rules.h"

#define ON_V 40.0        /* after an under-voltage */
#define LOSS_KNEE_V 20.0 /* constant losses fall with the bus below */
#define HOLD_PART 0.25   /* of the current loop's bandwidth: docs/models/supercap.md, (4) */

static double
clip(double x, double lo, double hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

struct shorts_conv
shorts_conv_of_link(const struct link_conv_params *p, uint32_t link)
{
	return (struct shorts_conv){ .p = &p->conv, .bus = p->node, .link = link };
}

struct shorts_conv
shorts_conv_of_store(const struct store_params *p, uint32_t bus, double c_bus_f)
{
	return (struct shorts_conv){
		.p = &p->conv,
		.store = p,
		.bus = bus,
		.link = UINT32_MAX,
		.hold_s = HOLD_PART * c_bus_f * p->conv.kc / p->conv.l_h,
		.closed = true,
	};
}

void
shorts_conv_begin(struct shorts_conv *c, double bus_v, double vo_v, double i_a, double demand_w)
{
	c->on = bus_v >= ON_V;
	c->i_a = i_a;
	c->vo_v = vo_v;
	c->in_a = c->out_a = 0;
	if (!c->store)
		return;
	c->vo_v = c->sc_v = store_target_v(c->store);
	c->slow_v = fmax(bus_v, c->store->hold_v);
	c->slow_w = demand_w;
}

/* Reference of the current of a link's converter: its power within what both buses bear. */
static double
link_reference(const struct shorts_conv *c, double bus_v)
{
	const struct conv_params *p = c->p;
	double behind_v = fmax(fmin(bus_v - p->r_ohm * c->i_a, c->vo_v), LINK_CONV_KNEE_V);
	double hi = p->kp * fmax(0, fmin(LINK_CONV_HIGH_V - c->vo_v, bus_v - LINK_CONV_LOW_V));
	double lo = p->kp * fmax(0, fmin(LINK_CONV_HIGH_V - bus_v, c->vo_v - LINK_CONV_LOW_V));
	return clip(clip(c->set_w / behind_v, -lo, hi), -p->i_lim_a, p->i_lim_a);
}

/* The same of a supercapacitor's: what was drawn here beyond rest, damping, and holding the bus up.
 */
static double
store_reference(const struct shorts_conv *c, double bus_v, double demand_w)
{
	const struct store_params *s = c->store;
	double min2 = s->v_min_v * s->v_min_v;
	double left_j = 0.5 * s->c_f * (c->sc_v * c->sc_v - min2);
	double room_j = 0.5 * s->c_f * (s->v_max_v * s->v_max_v - c->sc_v * c->sc_v);
	double give_w = demand_w - c->slow_w + bus_v * s->damp_s * (c->slow_v - bus_v) +
	                bus_v * c->hold_s * fmax(0, s->hold_v - bus_v);
	double leg_v = fmax(fmin(c->vo_v + c->p->r_ohm * c->i_a, bus_v), LINK_CONV_KNEE_V);
	double switching_v = c->p->k_sw_s * c->p->f_sw_hz * bus_v;

	give_w = clip(give_w, -fmin(s->p_max_w, room_j / STORE_TAPER_S),
	              fmin(s->p_max_w, left_j / STORE_TAPER_S));
	give_w = clip(give_w, -bus_v * c->p->kp * fmax(0, bus_v - s->hold_v),
	              bus_v * c->p->kp * fmax(0, LINK_CONV_HIGH_V - bus_v));
	double i_a = -give_w / (leg_v + (give_w > 0 ? -switching_v : switching_v));
	i_a = clip(i_a, -c->p->kp * fmax(0, c->vo_v - s->v_min_v),
	           c->p->kp * fmax(0, s->v_max_v - c->vo_v));
	return clip(i_a, -c->p->i_lim_a, c->p->i_lim_a);
}

/* What switching and control take, beside the duty. At rest a supercapacitor's counts as load. */
static double
loss_a(const struct shorts_conv *c, double bus_v, bool boosts)
{
	const struct conv_params *p = c->p;
	double sw_v = boosts ? fmax(c->vo_v, bus_v) : bus_v;
	double a = p->f_sw_hz * p->k_sw_s * fabs(c->i_a);
	if (!c->store)
		a += p->p_fixed_w / fmax(bus_v, LOSS_KNEE_V) + 0.5 * p->f_sw_hz * p->c_oss_f * sw_v;
	return c->on ? a * fmin(1, fmax(0, bus_v) / LOSS_KNEE_V) : 0;
}

void
shorts_conv_step(struct shorts_conv *c, double dt, double bus_v, double vo_v, double demand_w)
{
	const struct conv_params *p = c->p;
	double ref_a = 0, before_a = c->i_a;

	if (!c->store)
		c->vo_v = vo_v;
	c->on = bus_v >= (c->on ? LINK_CONV_OFF_V : ON_V);
	if (c->on && c->closed)
		ref_a = c->store ? store_reference(c, bus_v, demand_w) : link_reference(c, bus_v);
	/* Voltage over the inductor and R that takes I where the loop has it after dt; the legs
	 * reach from -v_o to v_in. */
	double rise_a = (ref_a - before_a) * -expm1(-p->kc * dt / p->l_h);
	double over_v = p->l_h * rise_a / dt + p->r_ohm * (before_a + 0.5 * rise_a);
	over_v = clip(over_v, -fmax(0, c->vo_v), fmax(0, bus_v));
	c->i_a = (before_a * (p->l_h / dt - 0.5 * p->r_ohm) + over_v) /
	         (p->l_h / dt + 0.5 * p->r_ohm);
	double mean_a = 0.5 * (before_a + c->i_a), u = c->vo_v + over_v, w = bus_v - over_v;
	bool boosts = u > bus_v;
	double d1 = boosts ? 1 : u > 0 ? u / bus_v : 0;
	double d2 = !boosts ? 1 : w > 0 ? w / c->vo_v : 0;
	c->in_a = d1 * mean_a + loss_a(c, bus_v, boosts);
	c->out_a = d2 * mean_a;
	if (!c->store)
		return;
	double co = p->c_out_f / dt, g = 1 / (c->store->esr_ohm + 0.5 * dt / c->store->c_f);
	c->vo_v = (co * c->vo_v + c->out_a + g * c->sc_v) / (co + g);
	c->sc_v += g * (c->vo_v - c->sc_v) * dt / c->store->c_f;
	double steady_v = fmax(bus_v, c->store->hold_v);
	c->slow_v += (steady_v - c->slow_v) * -expm1(-dt / STORE_DAMP_TAU_S);
}
