#include "node_store.h"

#include <assert.h>
#include <math.h>

#include "topo_rules.h"

/* In which the management believes that the mesh carries what the string was refused to give, and
 * that it does not carry what had to be held up: a short is over before that. */
#define REFUSED_TAU_S 0.05
#define HELD_TAU_S 0.5
/* Filter of the voltage behind the ESR: keeps an ESR that is not what the firmware thinks out of
 * the loop over the limits. */
#define SENSE_TAU_S 0.05
/* Part of the time constant of handing over that is left when the string is empty or full. */
#define SMOOTH_LEAST 0.05
/* Restoring fades out within so much above hold_v. */
#define RESTORE_BAND_V 0.5
/* The bus is not pushed above this (as by a converter at a link), nor pulled below hold_v. */
#define BUS_HIGH_V 54.0
/* Powers stand for currents down to this voltage. */
#define KNEE_V 10.0
/* Bandwidth of the hold-up loop as a part of that of the current loop: damped also when lines have
 * half of C_bus. */
#define HOLD_PART 0.25

static double
clip(double x, double lo, double hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

static void
node_store_string(struct node_store *s, double c_f, double r_ohm)
{
	s->c_f = c_f;
	s->r_ohm = r_ohm;
	s->g_s = s->open ? 0 : 1 / (r_ohm + s->dt_s / (2 * c_f));
}

/* Limits of the power from what is in the string. */
static void
node_store_taper(struct node_store *s, double left_j)
{
	s->give_max_w = clip(left_j / STORE_TAPER_S, 0, s->p_max_w);
	s->take_max_w = clip((s->full_j - left_j) / STORE_TAPER_S, 0, s->p_max_w);
}

void
node_store_init(struct node_store *s, const struct store_params *p, double dt_s, size_t n,
                double c_bus_f, double bus_v, double v_sc_v)
{
	assert(p->c_f > 0 && p->esr_ohm > 0 && p->v_max_v > p->v_min_v && p->v_min_v > 0);
	*s = (struct node_store){
		.dt_s = dt_s,
		.c0_f = p->c_f,
		.r0_ohm = p->esr_ohm,
		.v_min_v = p->v_min_v,
		.v_max_v = p->v_max_v,
		.p_max_w = p->p_max_w,
		.restore_max_w = p->restore_w,
		.smooth_s = p->smooth_s,
		.hold_v = p->hold_v,
		.hold_s = HOLD_PART * c_bus_f * p->conv.kc / p->conv.l_h,
		.damp_s = p->damp_s,
		.v_v = v_sc_v,
		.slow_v = bus_v > p->hold_v ? bus_v : p->hold_v,
		.sense_v = v_sc_v,
	};
	s->full_j = 0.5 * p->c_f * (p->v_max_v * p->v_max_v - p->v_min_v * p->v_min_v);
	s->target_j = p->target * s->full_j;
	node_conv_init(&s->conv, NODE_CONV_STORE, &p->conv, dt_s, n, v_sc_v);
	node_store_string(s, p->c_f, p->esr_ohm);
	node_store_taper(s, 0.5 * p->c_f * (v_sc_v * v_sc_v - p->v_min_v * p->v_min_v));
}

void
node_store_settle(struct node_store *s, double demand_w)
{
	s->slow_w = s->demand_w = demand_w;
	s->age_s = s->smooth_s;
}

/* What the bus would like to be given, before restoring; *hold_w: the part that keeps it up. */
static double
node_store_wants(const struct node_store *s, double bus_v, double *hold_w)
{
	double under_v = s->hold_v - bus_v;

	*hold_w = under_v > 0 ? bus_v * s->hold_s * under_v : 0;
	return s->demand_w - s->slow_w + bus_v * s->damp_s * (s->slow_v - bus_v) + *hold_w;
}

/* Power at the bus per ampere of I: the input leg's mean voltage and what switching takes. */
static double
node_store_volts(const struct node_store *s, double give_w, double bus_v)
{
	const struct node_conv *c = &s->conv;
	double leg_v = c->out.v_v + c->r_ohm * c->i_a, sw_v = c->k_sw * bus_v;

	leg_v = leg_v < bus_v ? leg_v : bus_v;
	leg_v = leg_v > KNEE_V ? leg_v : KNEE_V;
	return give_w > 0 ? leg_v - sw_v : leg_v + sw_v;
}

/* For the management: of the fast part of the demand what was not given, and what was given to hold
 * the bus up. */
static void
node_store_account(struct node_store *s, double want_w, double hold_w, double give_w)
{
	double fast_w = s->demand_w - s->slow_w, over_w = want_w - give_w;
	double miss_w = fast_w - give_w;

	if (over_w > 0 && miss_w > 0)
		s->refused_sum_w += over_w < miss_w ? over_w : miss_w;
	else if (over_w < 0 && miss_w < 0)
		s->refused_sum_w += over_w > miss_w ? over_w : miss_w;
	s->held_sum_w += clip(give_w - (fast_w > 0 ? fast_w : 0), 0, hold_w);
}

/* Reference of the current for this sub-step, within all limits. */
static void
node_store_refer(struct node_store *s, double bus_v)
{
	struct node_conv *c = &s->conv;
	const double vo = c->out.v_v, high_v = BUS_HIGH_V - bus_v, low_v = bus_v - s->hold_v;
	double hold_w, want_w = node_store_wants(s, bus_v, &hold_w);
	/* Restoring goes on while the tapers hold the rest. */
	double give_w = clip(want_w, -s->take_max_w, s->give_max_w) - s->restore_w;

	want_w -= s->restore_w;
	give_w = clip(give_w, -s->p_max_w, s->p_max_w);
	give_w = clip(give_w, low_v > 0 ? -bus_v * c->kp_s * low_v : 0,
	              high_v > 0 ? bus_v * c->kp_s * high_v : 0);
	const double volts = node_store_volts(s, give_w, bus_v);
	double most_a = c->kp_s * (s->v_max_v - vo), least_a = -c->kp_s * (vo - s->v_min_v);
	double i_a = clip(-give_w / volts, least_a < 0 ? least_a : 0, most_a > 0 ? most_a : 0);

	i_a = clip(i_a, -c->i_lim_a, c->i_lim_a);
	c->i_ref_a = s->open ? 0 : i_a;
	s->demand_sum_w += s->demand_w;
	s->n_sum++;
	if (c->on)
		node_store_account(s, want_w, hold_w, -c->i_ref_a * volts);
}

void
node_store_begin(struct node_store *s, size_t sub, double bus_v, double *g_s, double *j_a)
{
	if (sub == 0)
		s->give_w = s->string_a = 0;
	s->conv.line_s[sub] = s->g_s;
	s->conv.load_a[sub] = -s->g_s * s->v_v;
	node_store_refer(s, bus_v);
	node_conv_begin(&s->conv, sub, bus_v, g_s, j_a);
}

void
node_store_end(struct node_store *s, size_t sub, double vm_v)
{
	const double part = 1 / (double)s->conv.out.n;

	node_conv_end(&s->conv, sub, vm_v);
	double i_a = s->g_s * (s->conv.vo_m[sub] - s->v_v);
	s->v_v += i_a * s->dt_s / s->c_f;
	s->loss_j += s->r_ohm * i_a * i_a * s->dt_s;
	/* A bus that comes back from below hold_v is not a disturbance to be damped. */
	double steady_v = vm_v > s->hold_v ? vm_v : s->hold_v;
	s->slow_v += (steady_v - s->slow_v) * (s->dt_s / STORE_DAMP_TAU_S);
	s->give_w -= part * s->conv.in_a * vm_v;
	s->string_a += part * i_a;
}

/* Time constant of handing over: shorter while the string is young, and as what is left, or room,
 * is used up by the part that is being handed over. */
static double
node_store_smooth_s(const struct node_store *s, double fast_w, double left_j)
{
	double whole_j = fast_w > 0 ? s->target_j : s->full_j - s->target_j;
	double rest_j = fast_w > 0 ? left_j : s->full_j - left_j;
	double share = rest_j < whole_j ? rest_j / whole_j : 1;
	double tau_s = s->smooth_s * clip(share, SMOOTH_LEAST, 1);

	return s->age_s < tau_s ? s->age_s : tau_s;
}

void
node_store_manage(struct node_store *s, double period_s, double bus_v, double terminal_v)
{
	double q = s->n_sum ? 1 / (double)s->n_sum : 0, demand_w = q * s->demand_sum_w;
	double tau_s, v_v, left_j;

	if (s->open)
		terminal_v = s->sense_v;
	v_v = terminal_v - s->r0_ohm * s->string_a;
	s->sense_v += (v_v - s->sense_v) * clip(period_s / SENSE_TAU_S, 0, 1);
	left_j = 0.5 * s->c0_f * (s->sense_v * s->sense_v - s->v_min_v * s->v_min_v);
	node_store_taper(s, left_j);
	/* A young node learns its demand as the mean since its start. */
	s->age_s += period_s;
	tau_s = node_store_smooth_s(s, demand_w - s->slow_w, left_j);
	s->slow_w += (demand_w - s->slow_w) * clip(period_s / tau_s, 0, 1);
	/* What the string could not give the mesh carries already; what had to be held up the mesh
	 * does not. */
	s->slow_w += q * s->refused_sum_w * clip(period_s / REFUSED_TAU_S, 0, 1);
	s->slow_w -= q * s->held_sum_w * clip(period_s / HELD_TAU_S, 0, 1);
	s->slow_w = clip(s->slow_w, demand_w - s->p_max_w, demand_w + s->p_max_w);
	s->restore_w = clip((s->target_j - left_j) / STORE_RESTORE_TAU_S, -s->restore_max_w,
	                    s->restore_max_w);
	if (s->restore_w > 0)
		s->restore_w *= clip((bus_v - s->hold_v) / RESTORE_BAND_V, 0, 1);
	if (s->open)
		s->restore_w = 0;
	s->demand_sum_w = s->refused_sum_w = s->held_sum_w = 0;
	s->n_sum = 0;
}

void
node_store_open(struct node_store *s, bool open)
{
	s->open = open;
	node_store_string(s, s->c_f, s->r_ohm);
}

double
node_store_age(struct node_store *s, double c_part, double esr_part)
{
	double before_j = 0.5 * s->c_f * s->v_v * s->v_v;

	assert(!(c_part <= 0) && !(esr_part <= 0));
	node_store_string(s, isnan(c_part) ? s->c_f : c_part * s->c0_f,
	                  isnan(esr_part) ? s->r_ohm : esr_part * s->r0_ohm);
	double gone_j = before_j - 0.5 * s->c_f * s->v_v * s->v_v;
	s->abandoned_j += gone_j;
	return gone_j;
}

double
node_store_stored_j(const struct node_store *s)
{
	return node_conv_stored_j(&s->conv) + 0.5 * s->c_f * s->v_v * s->v_v;
}

double
node_store_loss_j(const struct node_store *s)
{
	return s->loss_j + s->conv.loss_j;
}

double
node_store_soc(const struct node_store *s)
{
	double min2 = s->v_min_v * s->v_min_v;

	return (s->v_v * s->v_v - min2) / (s->v_max_v * s->v_max_v - min2);
}
