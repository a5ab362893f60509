/*
 * hostfile.h - host.json of a run directory: what is true of this machine and this time only.
 *
 * Plant facts are in the recorder; wall time, speed, overruns, host and how the processes ended are
 * here, so that recorder bytes do not depend on them.
 */
#ifndef VL_HOSTFILE_H
#define VL_HOSTFILE_H

#include "err.h"
#include "supervisor.h"
#include "topo.h"

int hostfile_write(const char *run_dir, const struct topo *, const char *how,
                   const struct supervisor_result *, struct err *);
/* The counts of processes at the end; false when there is no (whole) file. */
bool hostfile_counts(const char *run_dir, unsigned *n_procs, unsigned *n_exited, unsigned *n_left);

#endif
