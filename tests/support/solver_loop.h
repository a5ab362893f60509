/*
 * solver_loop.h - the bare solver: all cores of a mesh stepped in turn, messages passed by pointer.
 *
 * No host, no link state machine, no recorder: what is measured and tested here is the plant and
 * the firmware alone. Deaths and starts follow the rules of docs/architecture.md: a process killed
 * at K makes steps up to K-2, its last frame is K-1, its peers' first step without it is K.
 */
#ifndef VL_SOLVER_LOOP_H
#define VL_SOLVER_LOOP_H

#include "core.h"
#include "topo.h"

struct solver_loop;

/* `topo` must outlive the loop. Process index: nodes, then modules. */
int solver_loop_create(const struct topo *topo, const struct core_ops *node_ops,
                       const struct core_ops *module_ops, struct solver_loop **ret,
                       struct err *err);
void solver_loop_destroy(struct solver_loop **);

int64_t solver_loop_k(const struct solver_loop *); /* steps made = number of the current frame */
/* cmd.k is set; cmd.chan is the process's own channel index. Acts at step k >= the current one. */
void solver_loop_command(struct solver_loop *, uint32_t proc, int64_t k, struct core_cmd cmd);
/* A command for both ends of a link. `resistor_end`: 0 none given, 1 end a, 2 end b. */
void solver_loop_link_command(struct solver_loop *, uint32_t link, int64_t k, struct core_cmd cmd,
                              int resistor_end);
void solver_loop_kill(struct solver_loop *, uint32_t proc, int64_t k);
void solver_loop_start(struct solver_loop *, uint32_t proc, int64_t j);

void solver_loop_step(struct solver_loop *);

bool solver_loop_alive(const struct solver_loop *, uint32_t proc); /* has a frame solver_loop_k() */
bool solver_loop_made_step(const struct solver_loop *,
                           uint32_t proc);                            /* step solver_loop_k() - 1 */
uint32_t solver_loop_life(const struct solver_loop *, uint32_t proc); /* incarnation */
/* Fills the current frame of a process (of a dead one: its last) and returns it. */
const union rec_word *solver_loop_frame(struct solver_loop *, uint32_t proc);
const struct rec_field *solver_loop_fields(const struct solver_loop *, uint32_t proc, size_t *n);
int solver_loop_field(const struct solver_loop *, uint32_t proc, const char *name);
/* Field by name; asserts that it exists. */
double solver_loop_get(struct solver_loop *, uint32_t proc, const char *name);
/* Events of the last step of a process. */
const struct core_events *solver_loop_events(const struct solver_loop *, uint32_t proc);

#endif
