/*
 * shorts_conv.h - a converter in the time domain of shorts.h: at the end of a link, or between a
 * bus and a supercapacitor.
 *
 * docs/models/converter.md, (1) to (3) and (10), and docs/models/supercap.md, (1), (3), (7),
 * averaged and with the same limits: i_lim, what both buses bear, off below 36 V at its bus and on
 * again above 40 V. Of the current loop, kc (i_ref - I) over L, the exact exponential over a step,
 * as far as the duties reach, so a step may be longer than the loop is fast. Management that takes
 * longer than a short is left out: the string begins at its target, `slow` stays what was drawn at
 * rest. Once its link is open, the converter lets its current go.
 */
#ifndef VL_SHORTS_CONV_H
#define VL_SHORTS_CONV_H

#include <stdbool.h>
#include <stdint.h>

#include "topo.h"

struct shorts_conv {
	const struct conv_params *p;
	const struct store_params *store; /* NULL: at an end of a link */
	uint32_t bus, link;               /* link: UINT32_MAX behind which is a supercapacitor */
	double set_w;                     /* link: into it */
	double hold_s, slow_w;            /* supercapacitor */
	bool closed, on;
	double i_a;  /* inductor, from the bus to the output */
	double vo_v; /* output; of a link given from outside */
	double sc_v, slow_v;
	double in_a, out_a; /* means of the last step: out of the bus, into the output capacitor */
};

struct shorts_conv shorts_conv_of_link(const struct link_conv_params *, uint32_t link);
struct shorts_conv shorts_conv_of_store(const struct store_params *, uint32_t bus, double c_bus_f);
/* At rest: bus_v at its bus, what it carries there; demand_w: drawn at its node without links. */
void shorts_conv_begin(struct shorts_conv *, double bus_v, double vo_v, double i_a,
                       double demand_w);
/* Moves on by dt from these voltages; *vo_v of a link's is its output capacitor's, not changed. */
void shorts_conv_step(struct shorts_conv *, double dt, double bus_v, double vo_v, double demand_w);

#endif
