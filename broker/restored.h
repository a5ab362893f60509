/*
 * restored.h - what a death does to the mesh, read from the flight recorder while it goes on.
 *
 * Times are plant time after the victim's last frame. A bus is within the band when v_min and v_max
 * of a step both are; the mesh is restored at the first frame from which on every living bus stays
 * within the band for RESTORED_HOLD_S.
 */
#ifndef VL_RESTORED_H
#define VL_RESTORED_H

#include "client.h"
#include "err.h"
#include "term.h"
#include "topo.h"

#define RESTORED_BAND 0.02    /* 1, of the nominal voltage */
#define RESTORED_HOLD_S 0.050 /* s of plant time */

struct restored;

/* Before the kill: remembers who lives and what has been recorded so far. Borrows client and topo.
 */
int restored_create(struct client *, const struct topo *, const char *victim, double band,
                    struct restored **ret, struct err *);
/* After the kill: prints openings and the recovery on stdout. Exit status: 0 restored, 1 not in
 * time, 2 the clock of the mesh stood still, 4 the recorder cannot be read. */
int restored_follow(struct restored *, struct term *talk, double timeout_s);
void restored_destroy(struct restored **);

#endif
