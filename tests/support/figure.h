/*
 * figure.h - figures of a recorded run, as drills write them, in tests.
 */
#ifndef VL_TESTS_FIGURE_H
#define VL_TESTS_FIGURE_H

#include <stdbool.h>
#include <stdint.h>

#include "runview.h"

/* The figure's highest or lowest value over the frames from .. to, within its sub-steps. Fails the
 * test when it is no figure, or a frame has none. */
double figure_extreme(const struct runview *, const char *figure, bool highest, int64_t from,
                      int64_t to);

#endif
