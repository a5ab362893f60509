/*
 * energy_flows.h - the energies of a run (energy.h) as flows for a picture (sankey.h): feeds and
 * stores that gave, buses in the order in which energy passed through them, modules, and where it
 * ended. Every box gives what it takes. A mesh of more than FLOWS_DETAIL nodes and modules, or one
 * in which energy went round in a circle, is drawn with all its buses as one.
 */
#ifndef VL_ENERGY_FLOWS_H
#define VL_ENERGY_FLOWS_H

#include <stdbool.h>

#include "energy.h"
#include "sankey.h"

enum { FLOWS_DETAIL = 40 };

/* Fills an empty `s`, which the caller frees also when it fails. *detail: buses are drawn one by
 * one. */
int energy_flows(const struct energy *, struct sankey *s, bool *detail, struct err *);

#endif
