/*
 * drill_rehearse.h - finds the times of `at: when CONDITION`.
 *
 * Processes do not wait for anybody who looks at all of them, so a condition over the mesh cannot
 * be looked at while it runs without a barrier in each step. It need not be: the same seed gives
 * the same frames, in memory and with processes, and an action changes nothing before it acts. So
 * the drill is rehearsed in memory without the action; the first frame k in which the condition
 * holds is that of the real run, too, and the action is put into the timeline at step k + 1: one
 * step of lead, so that frame k is there for all, also for what the action kills. One rehearsal
 * more for each condition that holds. docs/decisions has the reasons.
 */
#ifndef VL_DRILL_REHEARSE_H
#define VL_DRILL_REHEARSE_H

#include "drill_case.h"

/* *ret: the script of the unit with its times, owned by the caller; NULL when it has no whens. On
 * failure it is as far as it came. `progress` may be NULL. What goes wrong is the verdict:
 * DRILL_PASS, or DRILL_ABORTED (beyond the blast radius), DRILL_INVALID (the timeline cannot be
 * with these times), DRILL_ERROR; then err says what. */
enum drill_verdict drill_rehearse(const struct drill_unit *, const struct drill_order *,
                                  struct script **ret, void (*progress)(void *arg, double done),
                                  void *arg, struct err *);

#endif
