#include "node_plant.h"

#include <assert.h>
#include <math.h>

#include "node_conv.h"
#include "node_store.h"

/* Newton: a step this small leaves an error far below rounding (it converges quadratically). */
#define NEWTON_TOL_V 1e-6
#define NEWTON_MAX 40
/* Floor of the slope as a part of G: keeps Newton going where constant power makes it negative. */
#define SLOPE_FLOOR 0.05

void
node_plant_init(struct node_plant *p, const struct node_params *np, double dt_s, size_t n,
                double v_v, double v_sc_v)
{
	assert(n >= 1 && n <= TOPO_SUBSTEPS_MAX && dt_s > 0 && np->c_bus_f > 0);
	*p = (struct node_plant){ .n = n,
		                  .dt_s = dt_s,
		                  .c_bus_f = np->c_bus_f,
		                  .c_r_f = np->c_bus_f,
		                  .v_v = v_v,
		                  .v_min_v = v_v,
		                  .v_max_v = v_v,
		                  .served = true };
	node_feed_init(&p->feed, np->has_feed ? &np->feed : NULL, dt_s);
	if (np->has_sc) {
		p->c0_sc_f = p->c_sc_f = np->c_sc_f;
		p->r0_sc_ohm = p->r_sc_ohm = np->r_sc_ohm;
		p->v_sc_v = v_sc_v;
		node_plant_open_sc(p, false);
	}
}

void
node_plant_open_sc(struct node_plant *p, bool open)
{
	assert(p->c_sc_f > 0);
	p->sc_open = open;
	p->g_sc = open ? 0 : 1 / (p->r_sc_ohm + p->dt_s / (2 * p->c_sc_f));
}

double
node_plant_age_sc(struct node_plant *p, double c_part, double esr_part)
{
	const double half_v2 = 0.5 * p->v_sc_v * p->v_sc_v, was_f = p->c_sc_f;

	assert(!(c_part <= 0) && !(esr_part <= 0));
	if (!isnan(c_part))
		p->c_sc_f = c_part * p->c0_sc_f;
	if (!isnan(esr_part))
		p->r_sc_ohm = esr_part * p->r0_sc_ohm;
	node_plant_open_sc(p, p->sc_open);
	p->abandoned_j += (was_f - p->c_sc_f) * half_v2;
	return (was_f - p->c_sc_f) * half_v2;
}

/* Sets the nominal lent capacitance; energy that the floor of C_r creates or takes is booked. */
static void
node_plant_set_lent(struct node_plant *p, double lent_f)
{
	double before = p->c_r_f, nominal = lent_f - p->lent_f;

	p->lent_f = lent_f;
	p->c_r_f = p->c_bus_f - lent_f;
	if (p->c_r_f < NODE_C_MIN * p->c_bus_f)
		p->c_r_f = NODE_C_MIN * p->c_bus_f;
	p->abandoned_j += 0.5 * (before - p->c_r_f - nominal) * p->v_v * p->v_v;
}

double
node_plant_lend(struct node_plant *p, double c_f)
{
	node_plant_set_lent(p, p->lent_f + c_f);
	return 0.5 * c_f * p->v_v * p->v_v;
}

double
node_plant_unlend(struct node_plant *p, double c_f)
{
	double rest = p->lent_f - c_f;

	/* All lent parts are positive: what is left of the difference is rounding. */
	if (rest < 1e-12 * p->c_bus_f)
		rest = 0;
	node_plant_set_lent(p, rest);
	return 0.5 * c_f * p->v_v * p->v_v;
}

double
node_plant_stored_j(const struct node_plant *p)
{
	return 0.5 * p->c_r_f * p->v_v * p->v_v + 0.5 * p->c_sc_f * p->v_sc_v * p->v_sc_v;
}

void
node_plant_back(struct node_plant *p, const struct node_plant_mark *m)
{
	p->feed = m->feed;
	p->v_v = m->v_v;
	p->v_sc_v = m->v_sc_v;
	p->source_j = m->source_j;
	p->useful_j = m->useful_j;
	p->loss_j = m->loss_j;
	p->fault_j = m->fault_j;
	p->unserved_j = m->unserved_j;
}

/* Powers of the constant-power branches and their conductances below their thresholds. */
struct branches {
	double load_w, load_s, pay_w, pay_s;
};

/* Current of both branches at x; adds their slope. */
static inline double
branches_current(const struct branches *b, double x, double *slope)
{
	double i = 0, q;

	if (x >= NODE_V_UV_V) {
		q = 1 / x;
		i = (b->load_w + b->pay_w) * q;
		*slope -= i * q;
		return i;
	}
	i = b->load_s * x;
	*slope += b->load_s;
	if (x >= NODE_PAY_FLOOR_V) {
		q = b->pay_w / x;
		*slope -= q / x;
	} else {
		q = b->pay_s * x;
		*slope += b->pay_s;
	}
	return i + q;
}

/* The voltage at the midpoint. */
static inline double
node_plant_solve(const struct node_plant *p, double g, double j, const struct branches *b)
{
	double x = p->v_v, floor_s = SLOPE_FLOOR * g;

	for (int it = 0; it < NEWTON_MAX; it++) {
		double slope = 0, feed_s;
		double load_a = branches_current(b, x, &slope);
		double f = g * x - j - node_feed_mid(&p->feed, x, &feed_s) + load_a;

		slope += g + feed_s;
		if (slope < floor_s)
			slope = floor_s;
		double dx = f / slope;
		x -= dx;
		if (dx < NEWTON_TOL_V && dx > -NEWTON_TOL_V)
			return x;
	}
	assert(!"the bus solver did not converge");
	return x;
}

/* What the node's own load, ports and converters took in the sub-step with midpoint x. */
static double
node_plant_demand_w(const struct node_plant *p, const struct branches *b, double x)
{
	double slope = 0, i = branches_current(b, x, &slope);

	for (size_t k = 0; k < p->n_convs; k++)
		if (p->convs[k].kind == NODE_CONV_LOAD)
			i += p->convs[k].in_a;
	return i * x;
}

void
node_plant_step(struct node_plant *p, const double *gh, const double *load_w, double pay_w,
                double *vm)
{
	const double c2 = 2 * p->c_r_f / p->dt_s, dt = p->dt_s;
	const double g = c2 + p->g_sc + p->g_links + p->g_fault;
	const double q_sc = p->g_sc > 0 ? dt / p->c_sc_f : 0;
	const double load_k = 1 / (NODE_V_UV_V * NODE_V_UV_V);
	const double pay_k = 1 / (NODE_PAY_FLOOR_V * NODE_PAY_FLOOR_V);
	const double v_sc_was = p->v_sc_v;
	struct branches b = { .pay_w = pay_w, .pay_s = pay_w * pay_k };
	double source = 0, useful = 0, paid = 0, i2_sc = 0, v2 = 0, feed_sum = 0, lost = 0, slope;
	double v_min = 0, v_max = 0;

	p->served = true;
	for (size_t s = 0; s < p->n; s++) {
		b.load_w = load_w[s];
		b.load_s = load_w[s] * load_k;
		double gs = p->g_dark ? g - p->g_dark[s] : g;
		double js = c2 * p->v_v + p->g_sc * p->v_sc_v + gh[s];
		for (size_t i = 0; i < p->n_convs; i++)
			node_conv_begin(&p->convs[i], s, p->v_v, &gs, &js);
		if (p->store)
			node_store_begin(p->store, s, p->v_v, &gs, &js);
		double x = node_plant_solve(p, gs, js, &b);
		double feed_a = node_feed_mid(&p->feed, x, &slope);
		double sc_a = p->g_sc * (x - p->v_sc_v);

		vm[s] = x;
		for (size_t i = 0; i < p->n_convs; i++)
			node_conv_end(&p->convs[i], s, x);
		if (p->store) {
			node_store_end(p->store, s, x);
			p->store->demand_w = node_plant_demand_w(p, &b, x);
		}
		p->v_v = 2 * x - p->v_v;
		p->v_sc_v += sc_a * q_sc;
		node_feed_end(&p->feed, feed_a);
		source += feed_a * x;
		feed_sum += feed_a;
		i2_sc += sc_a * sc_a;
		v2 += x * x;
		useful += x >= NODE_V_UV_V ? b.load_w : b.load_s * x * x;
		paid += x >= NODE_PAY_FLOOR_V ? 1 : x * x * pay_k;
		if (s == 0 || p->v_v < v_min)
			v_min = p->v_v;
		if (s == 0 || p->v_v > v_max)
			v_max = p->v_v;
		if (b.load_w > 0 && p->v_v < NODE_V_SERVED_V) {
			p->served = false;
			lost += b.load_w;
		}
	}
	p->v_min_v = v_min;
	p->v_max_v = v_max;
	p->feed_avg_a = feed_sum / (double)p->n;
	p->sc_avg_a = p->c_sc_f * (p->v_sc_v - v_sc_was) / ((double)p->n * dt);
	p->load_p_w = b.load_w;
	p->paid_part = paid / (double)p->n;
	p->source_j += source * dt;
	p->useful_j += useful * dt;
	p->loss_j += i2_sc * p->r_sc_ohm * dt;
	p->fault_j += v2 * p->g_fault * dt;
	p->unserved_j += lost * dt;
}
