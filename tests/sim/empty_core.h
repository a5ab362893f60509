/*
 * empty_core.h - cores without a plant, which check what the process engine hands them.
 *
 * A payload says who sent it: process, incarnation, edge, step, and a running hash of everything
 * its sender consumed before. step() checks against the contract of core.h: each payload comes from
 * the expected life and step, in-kinds come in their order, port inputs only at port steps, nothing
 * that is due is missing. What is wrong goes to one list of this program, which tests assert to be
 * empty.
 *
 * Frames: v (grows by one per step; a restarted process goes on from its predecessor's), v_sc or
 * v_in, hash, and per channel inc (the life that is live, 0: open), join and gone (last k of each).
 * Events: link.close / port.close for JOIN (a: incarnation), link.open / port.open for GONE
 * (a: incarnation, b: rx), fault.fired for commands (a: kind).
 */
#ifndef VL_TESTS_EMPTY_CORE_H
#define VL_TESTS_EMPTY_CORE_H

#include "core.h"

extern const struct core_ops empty_node_ops, empty_module_ops;

/* Violations since the last reset; the text of the first. */
size_t empty_core_violations(const char **first);
void empty_core_reset(void);

#endif
