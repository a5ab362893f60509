/*
 * node_mcu.h - whether the firmware of a node runs: hang, watchdog, reset, boot.
 *
 * docs/models/hardware.md.  RUN -hang-> HUNG -watchdog or by hand-> BOOT -boot time-> RUN. Only in
 * RUN is anything measured, controlled, shed, told to neighbours or closed; the plant and the
 * hardware go on. A watchdog resets what has not served it for its period; the reset takes the
 * set-point of the feed to its default. After booting the firmware begins as after a start.
 */
#ifndef VL_NODE_MCU_H
#define VL_NODE_MCU_H

#include "core.h"

enum node_mcu_state { MCU_RUN, MCU_HUNG, MCU_BOOT };

struct node_mcu {
	enum node_mcu_state state;
	int64_t watchdog_k, boot_k; /* steps; watchdog 0: none */
	int64_t next_k;             /* HUNG, BOOT: when that ends */
};

enum node_mcu_change { MCU_SAME, MCU_RESETS, MCU_STARTS };

void node_mcu_init(struct node_mcu *, const struct mcu_params *, int64_t step_ns);
/* CMD_HANG, CMD_UNHANG at step k: a reset by hand of one that is hung. */
enum node_mcu_change node_mcu_command(struct node_mcu *, const struct core_cmd *,
                                      struct core_events *);
/* Begins step k. */
enum node_mcu_change node_mcu_step(struct node_mcu *, int64_t k, struct core_events *);

static inline bool
node_mcu_runs(const struct node_mcu *m)
{
	return m->state == MCU_RUN;
}

#endif
