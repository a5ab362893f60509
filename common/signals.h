/*
 * signals.h - quantities of a run by name, in SI units.
 *
 *   node.<id>.{v,v_min,v_max,v_sc,loading,dv,di,x}      feed.<node>.{i,loading,share,state}
 *   with `calibration: on` node.<id>.{calib_rank,calib_unknowns,calib_sigma}, feed.<node>.calib
 *   where links have limits that feeds hold node.<id>.offset, link.<id>.price of these links
 *   conv.<node>.{vo,i,p}    (i: of the inductor, from the bus to the output; p: into its load)
 *   sc.<node>.{v,soc,p,i,slow_p}  supercapacitor behind a converter (p: into the bus, i: into it)
 *   link.<id>.{i,i_avg,open}, with a converter link.<id>.{conv_vo,conv_i,conv_p,conv_set_p} as recorded
 *   module.<id>.{v_in,v_in_min,v_in_max,v,i,p,owner,served,phase,throughput,errors,temp}, module.<id>.i_in.<node>
 *   mesh.{energy_residual,unserved_j,source_j,loss_j}
 *
 * A `*` in the place of an id matches any characters. A dead process has no samples. A link's
 * current is positive from its end a to its end b: (i_a - i_b)/2 of both ends; with one end dead
 * that of the other, with both dead none. It is 0 while open. open is 1 unless both ends are
 * closed. A feed's state is 0 where its source is gone, 1 while it controls, 2 at a limit; share is
 * its loading while it controls.
 */
#ifndef VL_SIGNALS_H
#define VL_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "runview.h"

struct signal_list;

/* `names`: signals, separated by commas; spaces around them are ignored. Patterns keep the order in
 * which they were given; what one matches comes in the order of the topology; nothing comes twice.
 * Borrows the view. Unknown names: ERR_NOTFOUND, with the nearest one. "*" may match nothing. */
int signal_select(const struct runview *, const char *names, struct signal_list **ret,
                  struct err *);
void signal_destroy(struct signal_list **);

size_t signal_count(const struct signal_list *);
const char *signal_name(const struct signal_list *, size_t i); /* "node.n1.v" */
const char *signal_unit(const struct signal_list *, size_t i); /* "V", "1" for ratios and states */
/* The sample at frame k, or false. Ascending k is fast for all, any order for all but mesh.*. */
bool signal_at(struct signal_list *, size_t i, int64_t k, double *ret);

#endif
