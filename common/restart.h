/*
 * restart.h - a restarted process begins with the voltages of its predecessor's last frame: its
 * capacitors were isolated and kept their charge. Its temperature is that of this frame, and the core
 * cools it for as long as nobody was there.
 */
#ifndef VL_RESTART_H
#define VL_RESTART_H

#include "rec.h"
#include "slice.h"

/* Fills restarted, init_v_v, init_v_sc_v, init_temp_c and init_temp_k from the last frame of `predecessor`. ERR_NOTFOUND when it
 * has no frame. */
int restart_from(struct slice *, const struct rec_file *predecessor, struct err *);

#endif
