#include "node_trip.h"

#include <assert.h>

void
node_trip_init(struct node_trip *t, const struct node_params *p, int64_t step_ns, double v_v,
               bool tells_uv)
{
	assert(step_ns > 0 && p->trip.ov_clear_v < p->trip.ov_v &&
	       p->trip.uv_v < p->trip.uv_clear_v);
	*t = (struct node_trip){ .p = p->trip,
		                 .max_c = p->thermal.max_c,
		                 .restart_c = p->thermal.restart_c,
		                 .step_ns = step_ns,
		                 .uv = v_v < p->trip.uv_clear_v,
		                 .tells_uv = tells_uv };
}

static void
node_trip_tell(bool *state, bool now, int64_t k, enum trip_cause cause, double x,
               struct core_events *ev)
{
	*state = now;
	core_event_add(ev, k, now ? EV_TRIP : EV_TRIP_CLEAR, -1, cause, x, 0, 0);
}

static void
node_trip_over_voltage(struct node_trip *t, int64_t k, double v_max_v, struct core_events *ev)
{
	if (!t->ov) {
		t->over_ns = v_max_v > t->p.ov_v ? t->over_ns + t->step_ns : 0;
		t->calm_ns = 0;
		if (t->over_ns > 0 && t->over_ns >= t->p.ov_delay_ns)
			node_trip_tell(&t->ov, true, k, TRIP_OV, v_max_v, ev);
		return;
	}
	t->over_ns = 0;
	t->calm_ns = v_max_v < t->p.ov_clear_v ? t->calm_ns + t->step_ns : 0;
	if (t->calm_ns >= t->p.restart_ns && t->calm_ns > 0)
		node_trip_tell(&t->ov, false, k, TRIP_OV, v_max_v, ev);
}

void
node_trip_step(struct node_trip *t, int64_t k, double v_min_v, double v_max_v, double temp_c,
               struct core_events *ev)
{
	if (t->ov || v_max_v > t->p.ov_v || t->over_ns > 0)
		node_trip_over_voltage(t, k, v_max_v, ev);
	if (t->tells_uv && !t->uv && v_min_v < t->p.uv_v)
		node_trip_tell(&t->uv, true, k, TRIP_UV, v_min_v, ev);
	else if (t->tells_uv && t->uv && v_min_v >= t->p.uv_clear_v)
		node_trip_tell(&t->uv, false, k, TRIP_UV, v_min_v, ev);
	if (!t->ot && temp_c >= t->max_c)
		node_trip_tell(&t->ot, true, k, TRIP_OT, temp_c, ev);
	else if (t->ot && temp_c <= t->restart_c)
		node_trip_tell(&t->ot, false, k, TRIP_OT, temp_c, ev);
}
