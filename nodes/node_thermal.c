#include "node_thermal.h"

#include <assert.h>

#include "topo_rules.h"

void
node_thermal_init(struct node_thermal *t, const struct node_params *p, double step_s, double temp_c)
{
	assert(step_s > 0 && p->thermal.r_th_k_w > 0 && p->thermal.c_th_j_k > 0);
	*t = (struct node_thermal){ .p = p->thermal, .step_s = step_s, .temp_c = temp_c };
	t->half_step = step_s / (2 * p->thermal.r_th_k_w * p->thermal.c_th_j_k);
	if (p->has_feed) {
		t->feed_rated_a = p->feed.i_rated_a;
		t->feed_w = THERMAL_FEED_V * p->feed.i_rated_a;
	}
}

/* The same rule without heat, steps times: q^steps by repeated squaring. */
void
node_thermal_cool(struct node_thermal *t, int64_t steps)
{
	const double a = t->step_s / (2 * t->p.r_th_k_w * t->p.c_th_j_k);
	double left = 1;

	assert(steps >= 0);
	for (double q = (1 - a) / (1 + a); steps > 0; steps >>= 1, q *= q)
		if (steps & 1)
			left *= q;
	t->temp_c = t->p.ambient_c + (t->temp_c - t->p.ambient_c) * left;
}

void
node_thermal_step(struct node_thermal *t, double lost_j, double feed_a, bool off)
{
	const double a = t->half_step;
	double heat_w = (lost_j - t->lost_j) / t->step_s, mid_c;

	t->lost_j = lost_j;
	if (t->feed_w > 0 && !off) {
		const double x = feed_a / t->feed_rated_a;
		heat_w += t->feed_w * (THERMAL_FEED_Q + x * (THERMAL_FEED_K + x * THERMAL_FEED_R));
	}
	t->heat_w = heat_w;
	mid_c = (t->temp_c + a * (t->p.ambient_c + t->p.r_th_k_w * heat_w)) / (1 + a);
	t->temp_c = 2 * mid_c - t->temp_c;
}
