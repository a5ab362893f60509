/*
 * drill_report.h - the evidence of a drill as one HTML page: no script, no other file, inline SVG.
 *
 * Fault timeline, bus voltages, link currents and loadings with the bounds shaded, service of the
 * modules, energy, events, expectations, seed and the line that reproduces it. Plant facts only.
 */
#ifndef VL_DRILL_REPORT_H
#define VL_DRILL_REPORT_H

#include "drill_result.h"

int drill_report_write(const struct drill_run *, const struct runview *, const char *path,
                       struct err *);

#endif
