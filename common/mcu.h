/*
 * mcu.h - whether the firmware of a node or a module runs: hang, watchdog, reset, boot.
 *
 * docs/models/hardware.md, module.md.  RUN -hang-> HUNG -watchdog or by hand-> BOOT -boot time->
 * RUN. Only in RUN does a node measure, control, shed, talk to neighbours or close links, and a
 * module compute, report and take orders; plant and hardware go on. A watchdog resets what has not
 * served it for its period; the reset takes the set-point of the feed, or the reference of the
 * rail, to its default. After booting the firmware begins as after a start.
 */
#ifndef VL_MCU_H
#define VL_MCU_H

#include "core.h"

enum mcu_state { MCU_RUN, MCU_HUNG, MCU_BOOT };

struct mcu {
	enum mcu_state state;
	int64_t watchdog_k, boot_k; /* steps; watchdog 0: none */
	int64_t next_k;             /* HUNG, BOOT: when that ends */
};

enum mcu_change { MCU_SAME, MCU_RESETS, MCU_STARTS };

void mcu_init(struct mcu *, const struct mcu_params *, int64_t step_ns);
/* CMD_HANG, CMD_UNHANG at step k: a reset by hand of one that is hung. */
enum mcu_change mcu_command(struct mcu *, const struct core_cmd *, struct core_events *);
/* Begins step k. */
enum mcu_change mcu_step(struct mcu *, int64_t k, struct core_events *);

static inline bool
mcu_runs(const struct mcu *m)
{
	return m->state == MCU_RUN;
}

#endif
