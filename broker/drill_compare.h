/*
 * drill_compare.h - the other runs of a case: what the figures of `compare` are held against.
 *
 * Each is played once, in memory, with the seed of the case, when a figure of it is asked for. A
 * run with another control, or without the timeline, is of the same file, combination and
 * parameters; another drill is taken as it is in its file.
 */
#ifndef VL_DRILL_COMPARE_H
#define VL_DRILL_COMPARE_H

#include "drill_case.h"

struct drill_compare;

/* Borrows both; the script of the unit has its times. */
int drill_compare_create(const struct drill_unit *, const struct drill_order *,
                         struct drill_compare **ret, struct err *);
void drill_compare_destroy(struct drill_compare **);
/* A drill_figure; `arg` is a struct drill_compare. ERR_INPUT: the other run cannot be. */
int drill_compare_figure(void *arg, const struct drill_check *, int64_t k, bool *has_value,
                         double *lo, double *hi, struct err *);

#endif
