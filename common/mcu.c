#include "mcu.h"

#include <assert.h>

static int64_t
mcu_steps(int64_t ns, int64_t step_ns)
{
	return (ns + step_ns - 1) / step_ns;
}

void
mcu_init(struct mcu *m, const struct mcu_params *p, int64_t step_ns)
{
	assert(step_ns > 0 && p->watchdog_ns >= 0 && p->boot_ns >= 0);
	*m = (struct mcu){ .state = MCU_RUN,
		                .watchdog_k = mcu_steps(p->watchdog_ns, step_ns),
		                .boot_k = mcu_steps(p->boot_ns, step_ns),
		                .next_k = INT64_MAX };
}

static enum mcu_change
mcu_reset(struct mcu *m, int64_t k, bool by_watchdog, struct core_events *ev)
{
	m->state = MCU_BOOT;
	m->next_k = k + m->boot_k;
	core_event_add(ev, k, EV_WATCHDOG, -1, by_watchdog, 0, 0, 0);
	return MCU_RESETS;
}

enum mcu_change
mcu_command(struct mcu *m, const struct core_cmd *cmd, struct core_events *ev)
{
	if (cmd->kind == CMD_UNHANG)
		return m->state == MCU_HUNG ? mcu_reset(m, cmd->k, false, ev) : MCU_SAME;
	if (m->state == MCU_HUNG)
		return MCU_SAME;
	m->state = MCU_HUNG;
	m->next_k = m->watchdog_k > 0 ? cmd->k + m->watchdog_k : INT64_MAX;
	core_event_add(ev, cmd->k, EV_HANG, -1, 0, 0, 0, 0);
	return MCU_SAME;
}

enum mcu_change
mcu_step(struct mcu *m, int64_t k, struct core_events *ev)
{
	if (m->state == MCU_RUN || k < m->next_k)
		return MCU_SAME;
	if (m->state == MCU_HUNG)
		return mcu_reset(m, k, true, ev);
	m->state = MCU_RUN;
	m->next_k = INT64_MAX;
	core_event_add(ev, k, EV_MCU_UP, -1, 0, 0, 0, 0);
	return MCU_STARTS;
}
