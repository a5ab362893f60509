/*
 * summary.h - the figures with which a run ends, from its flight recorder alone.
 */
#ifndef VL_SUMMARY_H
#define VL_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "json_out.h"
#include "ledger.h"
#include "runview.h"
#include "topo.h"

#define SUMMARY_RESIDUAL_MAX 1e-9 /* more than this is a defect of the model, docs/recorder.md */

struct summary_bus {
	double v;
	int64_t k;
	char id[TOPO_ID_MAX];
};

struct summary {
	int64_t last_k;
	struct summary_bus min, max; /* over all nodes and frames, while alive */
	unsigned n_open[5];          /* link openings by enum open_cause */
	unsigned n_port_open;
	struct ledger ledger;
	double worst_residual; /* of the whole, any link or any port, at any time */
	int64_t worst_k;
	char trace[65]; /* hexadecimal */
};

int summary_of(const struct runview *, struct summary *, struct err *);
/* The two parts of it: all but the trace, which is left "", and the trace, which takes as long as all
 * the rest and may be formed by another thread. */
int summary_figures(const struct runview *, struct summary *, struct err *);
int summary_trace(const struct runview *, char trace[65], struct err *);
int summary_make(const char *run_dir, struct summary *, struct err *);
void summary_print(const struct summary *, const struct topo *, FILE *);
/* The members of an object that is open. */
void summary_json(const struct summary *, const struct topo *, struct json_out *);

#endif
