/*
 * restart.h - a restarted process begins with the voltages of its predecessor's last frame: its
 * capacitors were isolated and kept their charge.
 */
#ifndef VL_RESTART_H
#define VL_RESTART_H

#include "rec.h"
#include "slice.h"

/* Fills restarted, init_v_v and init_v_sc_v from the last frame of `predecessor`. ERR_NOTFOUND when it
 * has no frame. */
int restart_from(struct slice *, const struct rec_file *predecessor, struct err *);

#endif
