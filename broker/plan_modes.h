/* plan_modes.h - `voltloom plan --modes`: the modes of modes.h as a table or JSON. */
#ifndef VL_PLAN_MODES_H
#define VL_PLAN_MODES_H

#include <stdio.h>

#include "err.h"
#include "topo.h"

int plan_modes_print(const struct topo *, FILE *, struct err *);
int plan_modes_json(const struct topo *, FILE *, struct err *);

#endif
