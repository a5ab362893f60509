#include "surge.h"

#include <assert.h>

void
surge_command(struct surge *s, const struct core_cmd *cmd, int64_t step_ns)
{
	bool rises = cmd->kind == CMD_SURGE;

	assert(rises || cmd->kind == CMD_UNSURGE);
	if (rises) {
		s->on = true;
		s->ramp_ns = cmd->b > 0 ? cmd->b * 1e9 : 0;
	}
	pwl_track_set(&s->power_w, cmd->k * step_ns, rises ? cmd->a : 0, s->ramp_ns);
}

void
surge_add(struct surge *s, int64_t t_ns, double part_ns, size_t n, double *level_w)
{
	double power_w[TOPO_SUBSTEPS_MAX];

	pwl_track_fill(&s->power_w, t_ns, part_ns, n, power_w);
	for (size_t i = 0; i < n; i++)
		level_w[i] += power_w[i];
}
