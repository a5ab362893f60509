/* drill_prove.h - whether what a timeline did is in the recorder. */
#ifndef VL_DRILL_PROVE_H
#define VL_DRILL_PROVE_H

#include "drill_eval.h"
#include "events.h"

void drill_prove(const struct runview *, const struct events *, const struct script_action *,
                 struct drill_fault *ret);

#endif
