/*
 * export.h - samples of a run as CSV (RFC 4180, with a header line).
 *
 *   t_s,node.n1.v,link.l1.i
 *   0,48,0
 *   0.001,47.9912345,12.3456789
 *
 * Samples are taken at exact multiples of the interval, from 0 to the end of the run (frame k is
 * the state at kT); no value is interpolated. t_s is exact, values have 9 significant digits, a
 * cell is empty where a process is dead or its frames were dropped. Columns as signal_select()
 * orders them.
 */
#ifndef VL_EXPORT_H
#define VL_EXPORT_H

#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "runview.h"

struct export_params {
	const char *signals;    /* "node.*.v,link.*.i"; see signals.h */
	int64_t every_ns;       /* multiple of the step; 0: every step */
	int64_t from_ns, to_ns; /* range of t, both included; to_ns < 0: the end */
};

/* ERR_NOTFOUND: a signal; ERR_USAGE: the interval; ERR_IO, ERR_FULL: writing to `out`. */
int export_csv(const struct runview *, const struct export_params *, FILE *out, struct err *);

/* A time in ns as exact seconds: "0", "0.0001", "12.5". */
enum { EXPORT_TIME_MAX = 32 };
void export_time(int64_t ns, char buf[EXPORT_TIME_MAX]);

#endif
