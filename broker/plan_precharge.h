/*
 * plan_precharge.h - nodes without a feed that a pre-charge cannot bring in with their loads.
 *
 * docs/models/link.md, "Given up". Behind the resistor R of a link (its pre-charge and its cable)
 * constant power P leaves v (V - v) = P R, below 36 V v = V/(1 + P R/36^2). The resistor is
 * bypassed within 1 V, which is P <= (V - 1 V) 1 V/R. With more the pre-charge is given up after
 * its time or by its heat, what the node can hold off is held off, and the next one, 1 s later,
 * comes through. A node's own converter cannot be held off: if that alone draws more, none ever
 * does.
 *
 * P: what the node itself draws at its highest: built-in load, converter, modules that only it
 * feeds (another input of a module is at a live bus). A supercapacitor with a converter of its own
 * holds the bus up, and its node is left out. V: nominal. Links with a converter are left out too.
 */
#ifndef VL_PLAN_PRECHARGE_H
#define VL_PLAN_PRECHARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "json_out.h"
#include "topo.h"

struct plan_precharge {
	uint32_t node, link; /* link: of the node's, the one with the largest resistor */
	double r_ohm;
	double power_w, conv_w; /* drawn; of it by the node's own converter */
	double limit_w;         /* what comes through */
	double stops_v;         /* bus behind the resistor */
	double given_up_s;      /* INFINITY: no limit is set */
};

/* False: this node comes in with its loads, or by no link. */
bool plan_precharge_of(const struct topo *, uint32_t node, struct plan_precharge *ret);

void plan_precharge_print(const struct topo *, FILE *);
void plan_precharge_json(const struct topo *, struct json_out *);

#endif
