/*
 * energy.h - where the energy of a run went: per node, link and module, beside the ledger of the
 * whole (common/ledger.h), all from the same frames (docs/recorder.md, "Energy").
 *
 *   node    source = useful + loss + fault + stored + to_links + to_ports + booked
 *   module  taken = useful + loss + stored
 *   link    from_a + from_b = change in flight + lost waves - first waves: small, and not zero
 *
 * "stored" is the change within the lives of the process. Sums over nodes and modules are the
 * ledger's terms.
 */
#ifndef VL_ENERGY_H
#define VL_ENERGY_H

#include "err.h"
#include "ledger.h"
#include "runview.h"

struct energy_node {
	double source_j, useful_j, loss_j, fault_j, stored_j, to_links_j, to_ports_j, booked_j;
	double unserved_j;
	double residual_j; /* source minus the rest */
};

/* A supercapacitor behind a converter. */
struct energy_store {
	bool there;
	double soc0, soc_least, soc_most, soc; /* at the start, extremes, at the end */
	double v_v;                            /* at the end */
	double p_least_w, p_most_w;            /* into the bus */
	double stored_j, loss_j;               /* change within its lives; part of the node's */
};

struct energy_link {
	double from_a_j, from_b_j; /* sent minus received at each end: what that bus gave */
	double loss_j;             /* cable and contactors, in both ends; NaN: not recorded */
};

struct energy_module {
	double taken_j, paid_j; /* at its inputs; by its nodes */
	double useful_j, loss_j, stored_j, unserved_j;
	double residual_j;
};

struct energy {
	const struct topo *topo;
	struct ledger mesh; /* at the end */
	double worst;       /* residual over the run, and when */
	int64_t worst_k;
	struct energy_node *nodes;
	struct energy_store *stores; /* per node */
	struct energy_link *links;
	struct energy_module *modules;
	double *port_paid_j; /* per port of the topology */
};

/* At the end of the run; the view must outlive it. ERR_STATE, ERR_INPUT as ledger_create(). */
int energy_create(const struct runview *, struct energy **ret, struct err *);
void energy_destroy(struct energy **);

#endif
