/*
 * drill_search.h - looks for a timeline or a seed that breaks an expectation of a drill, and makes
 * what it finds as small as it gets.
 *
 * Everything is played in memory. Generations of timelines, each a neighbour of one that showed
 * something new: an event of a kind at a process that no run had, or a lower bus (coverage). A
 * generation is made before its first run and looked at when all of its runs are over, so the
 * search depends on its own seed only, not on the number of jobs. Then the first that failed is
 * shrunk: entries away in halves, quarters, one by one; times to rounder ones; durations and values
 * smaller; as long as the same expectation fails.
 */
#ifndef VL_DRILL_SEARCH_H
#define VL_DRILL_SEARCH_H

#include "drill_genes.h"

struct verb_call;

struct search_params {
	uint64_t seed;   /* of the search */
	uint64_t budget; /* timelines to be tried */
	double time_s;   /* wall time after which no new generation begins; 0: none */
	const char *out; /* the file for a finding; NULL: <name>-found.yaml */
};

/* The order has one unit; its seeds are those that the search may use. Exit status: 0 nothing
 * found, 1 found. */
int drill_search_verb(struct verb_call *, struct drill_order *, const struct search_params *);

#endif
