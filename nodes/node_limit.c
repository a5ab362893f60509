#include "node_limit.h"

#include <assert.h>
#include <math.h>

/* Low-pass of the current: what a limit guards is warm for longer. */
#define SMOOTH_S 0.02
/* Zero of the price over its integral: lead for the exchange through the mesh. */
#define ZERO_PER_S 10.0
#define OVER_HOLD_S 2.0
#define OVER_CLEAR_S 0.2
#define IDLE_S 1.0

const struct node_limit_field node_limit_fields[NODE_LIMIT_FIELDS] = { { "price", "1" } };

void
node_limit_init(struct node_limit *l, const struct link_params *p, int32_t chan, bool is_a)
{
	assert(!(p->limit_gain_per_s > 0) || (p->limit_a > 0 && p->limit_max > 0));
	*l = (struct node_limit){ .chan = chan,
		                  .limit_a = p->limit_a,
		                  .gain_per_s = is_a ? p->limit_gain_per_s : 0,
		                  .max = p->limit_max };
}

static void
node_limit_tell(struct node_limit *l, int64_t k, bool *told, bool now, uint32_t code,
                struct core_events *ev)
{
	if (*told == now)
		return;
	*told = now;
	core_event_add(ev, k, code, l->chan, now, l->i_a, l->limit_a, l->w);
}

void
node_limit_forget(struct node_limit *l, int64_t k, struct core_events *ev)
{
	if (!node_limit_acts(l))
		return;
	l->seen = false;
	l->i_a = l->sign = l->q = l->w = l->over_s = l->idle_s = 0;
	node_limit_tell(l, k, &l->over, false, EV_LINK_OVER, ev);
	node_limit_tell(l, k, &l->limited, false, EV_LINK_LIMITED, ev);
}

static double
node_limit_clip(const struct node_limit *l, double q)
{
	return q > l->max ? l->max : q > 0 ? q : 0;
}

static void
node_limit_price(struct node_limit *l, double tc_s)
{
	if (l->sign == 0)
		l->sign = l->i_a < 0 ? -1 : 1;
	double e = (l->sign * l->i_a - l->limit_a) / l->limit_a;
	l->q = node_limit_clip(l, l->q + tc_s * l->gain_per_s * e);
	double w = node_limit_clip(l, l->q + l->gain_per_s / ZERO_PER_S * e);
	l->w = l->sign * w;
	if (!(w > 0) && !(l->q > 0))
		l->sign = 0;
}

static void
node_limit_judge(struct node_limit *l, int64_t k, double tc_s, struct core_events *ev)
{
	bool over = fabs(l->i_a) > NODE_LIMIT_OVER * l->limit_a;

	l->over_s = over != l->over ? l->over_s + tc_s : 0;
	if (l->over_s >= (over ? OVER_HOLD_S : OVER_CLEAR_S)) {
		l->over_s = 0;
		node_limit_tell(l, k, &l->over, over, EV_LINK_OVER, ev);
	}
	l->idle_s = l->w == 0 ? l->idle_s + tc_s : 0;
	if (l->w != 0)
		node_limit_tell(l, k, &l->limited, true, EV_LINK_LIMITED, ev);
	else if (l->idle_s >= IDLE_S)
		node_limit_tell(l, k, &l->limited, false, EV_LINK_LIMITED, ev);
}

void
node_limit_step(struct node_limit *l, int64_t k, double tc_s, double i_a, bool holds,
                struct core_events *ev)
{
	if (!node_limit_acts(l))
		return;
	l->i_a = l->seen ? l->i_a + tc_s / SMOOTH_S * (i_a - l->i_a) : i_a;
	l->seen = true;
	if (!holds)
		node_limit_price(l, tc_s);
	node_limit_judge(l, k, tc_s, ev);
}
