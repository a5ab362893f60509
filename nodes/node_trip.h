/*
 * node_trip.h - comparators of a node that switch its power stages off, and on again.
 *
 * docs/models/hardware.md. Hardware: works without firmware, sees the plant. Judged after each step
 * with the extremes of its sub-steps:
 *   over-voltage    v_max > ov for ov_delay: feed and converters off from the next step; on again
 * when v_max < ov_clear for `restart` over-temperature T >= T_max: the same, until T <= T_restart
 *   under-voltage   v_min < uv: converters off (they judge every sub-step, node_conv.h, and ports
 * stop below V_uv); on above uv_clear. Only told from here. Contactors stay as they are: a bus
 * without own power is fed by its neighbours.
 */
#ifndef VL_NODE_TRIP_H
#define VL_NODE_TRIP_H

#include "core.h"

struct node_trip {
	struct trip_params p;
	double max_c, restart_c;
	int64_t step_ns, over_ns, calm_ns;
	bool ov, uv, ot;
	bool tells_uv; /* there is something that under-voltage switches off */
};

/* v_v: the bus; one that begins below uv_clear counts as tripped. */
void node_trip_init(struct node_trip *, const struct node_params *, int64_t step_ns, double v_v,
                    bool tells_uv);
/* After step k. Says every trip and recovery. */
void node_trip_step(struct node_trip *, int64_t k, double v_min_v, double v_max_v, double temp_c,
                    struct core_events *);
/* The power stages are off. */
static inline bool
node_trip_off(const struct node_trip *t)
{
	return t->ov || t->ot;
}

#endif
