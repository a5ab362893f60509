/*
 * drill_jobs.h - runs the cases of an order, each in a worker process.
 *
 * Workers take cases in order and send a record of each through a pipe. They die with this process
 * (PDEATHSIG), and their meshes with them. A worker that dies, or works longer on a case than its
 * watchdog allows, costs that case only. On SIGINT and SIGTERM every worker ends its mesh in order.
 */
#ifndef VL_DRILL_JOBS_H
#define VL_DRILL_JOBS_H

#include "drill_case.h"

/* Called once per case, in the order of the cases; may keep the record's parts by taking them. */
typedef void drill_done(void *arg, struct drill_record *);

/* 0 also after a signal: see term_signal(). */
int drill_jobs_run(const struct drill_order *, struct term *talk, drill_done *, void *arg,
                   struct err *);

#endif
