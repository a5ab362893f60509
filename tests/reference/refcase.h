/*
 * refcase.h - a reference network: its description (JSON), the mesh made of it, ngspice's
 * waveforms.
 *
 * The description is the one tests/reference/refgen.py makes netlists from. Objects own their memory.
 */
#ifndef VL_REFCASE_H
#define VL_REFCASE_H

#include "tests/support/solver_loop.h"
#include "topo.h"

enum { REFCASE_EVENTS_MAX = 16 };

struct refcase_event {
	char kind[12];
	uint32_t index;
	double at_s;
	double arg[3]; /* close: ohm, end with the resistor, bypass s; short: ohm, duration s */
};

/* A link that closes by rule in this step, and is bypassed in that one. */
struct refcase_closing {
	uint32_t link;
	int64_t at_k, bypass_k;
};

struct refcase {
	char name[64];
	struct topo topo;
	double tend_s;
	size_t n_events;
	struct refcase_event events[REFCASE_EVENTS_MAX];
	size_t n_closings;
	struct refcase_closing closings[REFCASE_EVENTS_MAX];
	double from_s, to_s; /* samples that are compared; all until changed */
	size_t n_cols, n_rows;
	char (*cols)[16];
	double *cells; /* n_rows x n_cols */
};

/* Reads <dir>/<name>.json and <dir>/<name>.csv; T in seconds, N sub-steps. Aborts with a message on
 * any fault: the files are part of the tests. */
struct refcase *refcase_read(const char *dir, const char *name, double step_s, uint32_t substeps);
void refcase_destroy(struct refcase **);
double refcase_cell(const struct refcase *, size_t row, size_t col);
/* Puts the events into the loop. */
void refcase_script(const struct refcase *, struct solver_loop *);

/* Errors against the waveforms at every sample, worst and rms; of a link or input that opens or
 * closes the sample nearest to that is left out, and so is what belongs to a dead node. */
struct refcase_error {
	double max, rms, at_s; /* SI; when the worst was */
	size_t n;
};
struct refcase_result {
	struct refcase_error bus, link, vin, iin, feed, vo, il; /* vo, il: converter output, inductor */
	double v_end_error;   /* worst bus error of the last sample */
	unsigned n_untimely;  /* closings that were not in their steps */
};
/* Runs the case with these cores and compares. */
struct refcase_result refcase_run(const struct refcase *, const struct core_ops *node_ops,
                                  const struct core_ops *module_ops);

#endif
