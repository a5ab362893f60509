/*
 * calib_table.h - what the nodes of a run knew of their current sensors at its end, as text and
 * JSON.
 */
#ifndef VL_CALIB_TABLE_H
#define VL_CALIB_TABLE_H

#include <stdio.h>

#include "json_out.h"
#include "runview.h"

/* Both do nothing when no node calibrates. A node says what its last frame has. */
void calib_table_print(FILE *, const struct runview *);
/* Array "calibration" of the object that is open. */
void calib_table_json(struct json_out *, const struct runview *);

#endif
