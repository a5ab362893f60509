/*
 * sample.h - a mesh of three nodes and two modules as a struct topo, made without a file.
 *
 *   n1 --l1-- n2 --l2-- n3 --l3-- n1      m1: n1, n2      m2: n3
 *
 * Every kind of list has entries, every number is different from its neighbours. Padding is zero,
 * so that copies can be compared as bytes.
 */
#ifndef VL_TESTS_SAMPLE_H
#define VL_TESTS_SAMPLE_H

#include "topo.h"

/* Owned by the caller; freed with sample_topo_free(). Aborts when there is no memory. */
struct topo *sample_topo(void);
void sample_topo_free(struct topo *);

#endif
