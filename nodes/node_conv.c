#include "node_conv.h"

#include <assert.h>

#include "link_conv.h"

/* Input under-voltage lock-out: off below the lower end of the 48 V range, on again well above. */
#define OFF_V LINK_CONV_OFF_V
#define ON_V 40.0
/* Constant losses fall with the bus below this voltage, so that an empty bus is not drawn from. */
#define LOSS_KNEE_V 20.0
/* A load on an output below this part of its reference is a conductance. */
#define LOAD_FOLD 0.5
/* A source at the output stops above this part of its reference. */
#define SOURCE_STOP 1.2

void
node_conv_init(struct node_conv *c, enum node_conv_kind kind, const struct conv_params *p,
               double dt_s, size_t n, double vo_v)
{
	const struct node_params out = { .c_bus_f = p->c_out_f };

	assert(p->l_h > 0 && p->c_out_f > 0 && dt_s > 0);
	*c = (struct node_conv){
		.kind = kind,
		.dt_s = dt_s,
		.l_h = p->l_h,
		.r_ohm = p->r_ohm,
		.kp_s = p->kp,
		.ki = p->ki,
		.kc_ohm = p->kc,
		.i_lim_a = p->i_lim_a,
		.i_full_a = p->i_lim_a,
		.off_v = OFF_V,
		.on_v = ON_V,
		.p_fixed_w = p->p_fixed_w,
		.k_sw = p->k_sw_s * p->f_sw_hz,
		.c_sw = 0.5 * p->c_oss_f * p->f_sw_hz,
		.v_ref_v = p->v_ref_v,
		.served = true,
	};
	node_plant_init(&c->out, &out, dt_s, n, vo_v, 0);
}

double
node_conv_stored_j(const struct node_conv *c)
{
	return 0.5 * c->l_h * c->i_a * c->i_a + node_plant_stored_j(&c->out);
}

double
node_conv_out_w(const struct node_conv *c)
{
	return (c->face_a + c->face_s * c->out.v_v) * c->out.v_v;
}

/* The load as face_a + face_s v_o. */
static void
node_conv_face(struct node_conv *c, double load_a)
{
	const double vo = c->out.v_v, fold_v = LOAD_FOLD * c->v_ref_v;

	c->demand_w = load_a > 0 ? load_a * c->v_ref_v : 0;
	c->face_a = load_a;
	c->face_s = 0;
	if (load_a > 0 && vo < fold_v) {
		c->face_a = 0;
		c->face_s = load_a / fold_v;
	} else if (load_a < 0 && vo > SOURCE_STOP * c->v_ref_v) {
		c->face_a = 0;
	}
}

/* Reference of the current, by the voltage loop. The integrator holds where it would only push
 * further into the limit. What comes back from the output does not lift the bus above its limit. */
static double
node_conv_regulate(struct node_conv *c, double bus_v)
{
	double e = c->v_ref_v - c->out.v_v, x = c->kp_s * e + c->q_a;
	double room_a = bus_v < LINK_CONV_HIGH_V ? c->kp_s * (LINK_CONV_HIGH_V - bus_v) : 0;
	double lo = room_a < c->i_lim_a ? -room_a : -c->i_lim_a;
	bool high = x > c->i_lim_a, low = x < lo;

	if (!(high && e > 0) && !(low && e < 0))
		c->q_a += c->dt_s * c->ki * e;
	return high ? c->i_lim_a : low ? lo : x;
}

/* Reference of the current from the set-point, within what both buses bear. */
static double
node_conv_follow(const struct node_conv *c, double power_w, double bus_v)
{
	const double vo = c->out.v_v;
	const double most_w = c->link_limit_a * (vo > 0 ? vo : 0);
	/* Behind the inductor: d2 v_o in the steady state. */
	double behind_v = bus_v - c->r_ohm * c->i_a, hi, lo, x;

	if (c->link_limit_a > 0)
		power_w = power_w > most_w ? most_w : power_w < -most_w ? -most_w : power_w;
	behind_v = vo < behind_v ? vo : behind_v;
	x = power_w / (behind_v > LINK_CONV_KNEE_V ? behind_v : LINK_CONV_KNEE_V);
	hi = LINK_CONV_HIGH_V - vo < bus_v - LINK_CONV_LOW_V ? LINK_CONV_HIGH_V - vo : bus_v - LINK_CONV_LOW_V;
	lo = LINK_CONV_HIGH_V - bus_v < vo - LINK_CONV_LOW_V ? LINK_CONV_HIGH_V - bus_v : vo - LINK_CONV_LOW_V;
	hi = hi > 0 ? c->kp_s * hi : 0;
	lo = lo > 0 ? -c->kp_s * lo : 0;
	x = x > hi ? hi : x < lo ? lo : x;
	return x > c->i_lim_a ? c->i_lim_a : x < -c->i_lim_a ? -c->i_lim_a : x;
}

/* Duties that drive I to i_ref: first the input leg, beyond it the output leg. */
static void
node_conv_duties(struct node_conv *c, double i_ref_a, double bus_v)
{
	const double vo = c->out.v_v;
	double over_l = c->kc_ohm * (i_ref_a - c->i_a) + c->r_ohm * c->i_a;
	double u = vo + over_l, w = bus_v - over_l;

	c->d1 = u <= 0 ? 0 : u >= bus_v ? 1 : u / bus_v;
	c->d2 = u <= bus_v ? 1 : w <= 0 ? 0 : w >= vo ? 1 : w / vo;
}

/* Input current beside d1 I. */
static double
node_conv_loss_a(const struct node_conv *c, double bus_v)
{
	double v_sw = c->d2 < 1 && c->out.v_v > bus_v ? c->out.v_v : bus_v;
	double i = c->i_a < 0 ? -c->i_a : c->i_a;
	double switching_a = c->k_sw * i + c->c_sw * v_sw;

	if (bus_v >= LOSS_KNEE_V)
		return c->p_fixed_w / bus_v + switching_a;
	return (c->p_fixed_w / LOSS_KNEE_V + switching_a) * (bus_v / LOSS_KNEE_V);
}

void
node_conv_begin(struct node_conv *c, size_t s, double bus_v, double *g_s, double *j_a)
{
	const double kk = c->dt_s / (2 * c->l_h), co = c->dt_s / (2 * c->out.c_r_f);

	if (s == 0) {
		c->served = true;
		c->in_avg_a = 0;
	}
	c->on = bus_v >= (c->on ? c->off_v : c->on_v) && !c->tripped;
	if (c->kind != NODE_CONV_LOAD) {
		c->face_a = c->load_a[s];
		c->face_s = c->line_s[s];
	} else {
		node_conv_face(c, c->load_a[s]);
	}
	if (!c->on)
		c->q_a = 0;
	double i_ref_a = 0;
	if (c->on && c->kind == NODE_CONV_STORE)
		i_ref_a = c->i_ref_a;
	else if (c->on)
		i_ref_a = c->closed ? node_conv_follow(c, c->power_w[s], bus_v)
		                    : node_conv_regulate(c, bus_v);
	node_conv_duties(c, i_ref_a, bus_v);
	c->loss_a = c->on ? node_conv_loss_a(c, bus_v) : 0;

	const double share = 1 / (1 + co * c->face_s);
	c->vo0_v = (c->out.v_v - co * c->face_a) * share;
	c->ci_ohm = co * c->d2 * share;
	const double q = 1 / (1 + kk * (c->r_ohm + c->d2 * c->ci_ohm));
	c->at0_a = q * (c->i_a - kk * c->d2 * c->vo0_v);
	c->per_v_s = q * kk * c->d1;
	*g_s += c->d1 * c->per_v_s;
	*j_a -= c->d1 * c->at0_a + c->loss_a;
}

void
node_conv_end(struct node_conv *c, size_t s, double vm_v)
{
	double i_m = c->at0_a + c->per_v_s * vm_v, vo_m = c->vo0_v + c->ci_ohm * i_m;
	double out_j = (c->face_a + c->face_s * vo_m) * vo_m * c->dt_s;

	c->i_a = 2 * i_m - c->i_a;
	c->out.v_v = 2 * vo_m - c->out.v_v;
	c->vo_m[s] = vo_m;
	c->in_a = c->d1 * i_m + c->loss_a;
	c->in_avg_a += c->in_a / (double)c->out.n;
	c->loss_j += (c->r_ohm * i_m * i_m + c->loss_a * vm_v) * c->dt_s;
	if (c->kind != NODE_CONV_LOAD)
		return; /* the link, or the store, books what goes into it */
	if (out_j >= 0)
		c->useful_j += out_j;
	else
		c->source_j -= out_j;
	if (c->demand_w > 0 && !(c->out.v_v >= NODE_CONV_LOW * c->v_ref_v &&
	                         c->out.v_v <= NODE_CONV_HIGH * c->v_ref_v)) {
		c->served = false;
		c->unserved_j += c->demand_w * c->dt_s;
	}
}
