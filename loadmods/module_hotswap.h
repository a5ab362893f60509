/*
 * module_hotswap.h - the switch in front of a module: lets its input capacitor fill up slowly, then
 * switches the load on.
 *
 * docs/models/protection.md. A module that is switched on again (restored), or whose inputs come up
 * while its capacitor is below V_uv, starts: the current of all its inputs together is limited to
 * 1.5 times its rated current, reached in a ramp of 10 ms; the load waits until the ramp is over
 * and the capacitor within 1 V of the highest offer. Later the limit is that of the offers.
 */
#ifndef VL_MODULE_HOTSWAP_H
#define VL_MODULE_HOTSWAP_H

#include <stdbool.h>

#include "module_input.h"

struct module_hotswap {
	double i_rated_a, dt_s;
	bool starting;
	bool ordered; /* until it is served: by order, so what it does not get it did not ask for */
	double on_s;  /* since the start */
};

void module_hotswap_init(struct module_hotswap *, const struct module_params *, double dt_s);
/* The module is switched on by order. */
void module_hotswap_order(struct module_hotswap *);
/* Before the sub-steps of a step of a module that is on, when the inputs are known. */
void module_hotswap_begin(struct module_hotswap *, struct module_input *);
/* Before each sub-step of a start: sets the limits of the inputs; true: it is over. */
bool module_hotswap_start(struct module_hotswap *, struct module_input *);

#endif
