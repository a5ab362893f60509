#include "link_conv.h"

#include <math.h>

/* I that carries this power through the inductor, when its output leg switches. */
static double
boosting_a(const struct conv_params *c, double in_v, double power_w)
{
	double d = in_v * in_v - 4 * c->r_ohm * power_w;

	/* 2 P/(v + sqrt(v^2 - 4 R P)), which also stands without R. */
	return 2 * power_w / (in_v + sqrt(d > 0 ? d : 0));
}

/* Current into a cable that takes this power at its near end. */
static double
cable_a(double cable_ohm, double far_v, double power_w)
{
	double d = far_v * far_v + 4 * cable_ohm * power_w;

	return 2 * power_w / (far_v + sqrt(d > 0 ? d : 0));
}

static double
clip(const struct conv_params *c, double x, double in_v, double out_v, bool *limited)
{
	double hi = c->kp * fmax(0, fmin(LINK_CONV_HIGH_V - out_v, in_v - LINK_CONV_LOW_V));
	double lo = -c->kp * fmax(0, fmin(LINK_CONV_HIGH_V - in_v, out_v - LINK_CONV_LOW_V));

	hi = fmin(hi, c->i_lim_a);
	lo = fmax(lo, -c->i_lim_a);
	*limited = x > hi || x < lo;
	return x > hi ? hi : x < lo ? lo : x;
}

/* The power that the link's limit leaves of a set-point. */
static double
within_limit(const struct link_params *l, double far_v, double set_w)
{
	double most_a = l->limit_a, i = cable_a(l->r_ohm, far_v, set_w);

	if (!(most_a > 0) || fabs(i) <= most_a)
		return set_w;
	i = i > 0 ? most_a : -most_a;
	return i * (far_v + l->r_ohm * i);
}

/* Output, link current and inductor current that this set-point leads to. */
static void
follow(const struct conv_params *c, const struct link_params *l, double set_w, double in_v,
       struct link_conv_state *s)
{
	enum { ROUNDS = 60 }; /* the limits contract by kp cable_ohm, 0.3 for 10 mOhm */
	double far_v = s->out_v, cable_ohm = l->r_ohm, may_w = within_limit(l, far_v, set_w);
	bool beyond = may_w != set_w;
	double set_a = may_w / LINK_CONV_KNEE_V;

	set_w = may_w;
	if (far_v > LINK_CONV_KNEE_V && in_v > LINK_CONV_KNEE_V) {
		double i = cable_a(cable_ohm, far_v, set_w), out_v = far_v + cable_ohm * i;
		set_a = out_v + c->r_ohm * i <= in_v ? i : boosting_a(c, in_v, set_w);
	}
	for (int k = 0; k < ROUNDS; k++) {
		double a = s->inductor_a = clip(c, set_a, in_v, s->out_v, &s->limited);
		s->link_a = a;
		s->out_v = far_v + cable_ohm * a;
		if (s->out_v + c->r_ohm * a > in_v) {
			s->link_a = cable_a(cable_ohm, far_v, a * (in_v - c->r_ohm * a));
			s->out_v = far_v + cable_ohm * s->link_a;
		}
	}
	s->limited = s->limited || beyond;
}

struct link_conv_state
link_conv_at(const struct conv_params *c, const struct link_params *l, double set_w, bool closed,
             double in_v, double far_v)
{
	struct link_conv_state s = { .out_v = far_v };

	if (!(in_v >= LINK_CONV_OFF_V))
		return s;
	if (closed && far_v > 0)
		follow(c, l, set_w, in_v, &s);
	/* Beyond this the output leg switches too. */
	bool boosts = s.out_v + c->r_ohm * s.inductor_a > in_v;
	double sw_v = boosts && s.out_v > in_v ? s.out_v : in_v;
	double switching_a =
		c->f_sw_hz * (c->k_sw_s * fabs(s.inductor_a) + 0.5 * c->c_oss_f * sw_v);
	s.in_w = s.out_v * s.link_a + c->r_ohm * s.inductor_a * s.inductor_a + c->p_fixed_w +
	         switching_a * in_v;
	return s;
}
