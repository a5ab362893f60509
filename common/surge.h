/*
 * surge.h - power on top of a load for a while: rises to a level in a ramp, falls in the same ramp.
 *
 * For cores: CMD_SURGE and CMD_UNSURGE. All zero is a surge that has never been there.
 */
#ifndef VL_SURGE_H
#define VL_SURGE_H

#include "core.h"
#include "pwl.h"

struct surge {
	bool on; /* it has been there: its ramp may still fall */
	double ramp_ns;
	struct pwl_track power_w;
};

void surge_command(struct surge *, const struct core_cmd *, int64_t step_ns);
/* Adds its power at the midpoints of the n parts of [t_ns, t_ns + n part_ns]. */
void surge_add(struct surge *, int64_t t_ns, double part_ns, size_t n, double *level_w);

#endif
