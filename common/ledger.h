/*
 * ledger.h - where the energy of a run went, over all processes and lives; it can be wrong, and
 * says so.
 *
 * At frame k (docs/recorder.md, "Energy"):
 *   source = useful + loss + fault + (stored - stored0) + (in_flight - in_flight0) + in_transit
 *            + abandoned
 * A dead life counts with its last frame.
 *
 *   in_flight   energy of the waves sent in step k-1 that the other end may still take in
 *   in_transit  -(what modules took and nodes have not yet paid): the account of each live port
 *               plus the answer that is under way; negative, for the bus still holds that energy.
 *               Its change since the start (`initial: steady` begins with such accounts)
 *   abandoned   booked by nodes (line capacitance moved)
 *               + waves that no end took in
 *               + stored in dead lives, less what their successors began with
 *               + debts of dead ports
 *
 * None of these is formed as a difference of the others: a wave is in flight, or abandoned, by its
 * own energy at the sender and by whether the other end's frame says that it had the link closed in
 * the next step; a port's debt is formed from the node's account and the module's meter. So a lost
 * or altered wave or answer shows as residual. Per link, sent minus received must be the change in
 * flight, and per port, taken = paid + account + under way; the worst of each is named.
 */
#ifndef VL_LEDGER_H
#define VL_LEDGER_H

#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "runview.h"

struct ledger {
	int64_t k;
	double source_j, useful_j, loss_j, fault_j;
	double stored_j, stored0_j; /* of the living; at the start */
	double in_flight_j, in_flight0_j;
	double in_transit_j;
	double abandoned_booked_j, abandoned_wave_j, abandoned_stored_j, abandoned_port_j;
	double unserved_j; /* demanded and not served, while alive */
	double residual_j; /* source minus all that it should be */
	double scale_j;    /* max(source, initially stored, 1 J) */
	double residual;   /* |residual_j| / scale_j */
	/* worst link and port, over scale_j; "" when there are none */
	double link_residual, port_residual;
	char link_id[TOPO_ID_MAX], port_id[2 * TOPO_ID_MAX];
};

static inline double
ledger_abandoned_j(const struct ledger *l)
{
	return l->abandoned_booked_j + l->abandoned_wave_j + l->abandoned_stored_j +
	       l->abandoned_port_j;
}

struct ledger_scan;

/* Borrows the view. ERR_STATE when early frames were dropped, ERR_INPUT when a field is missing. */
int ledger_create(const struct runview *, struct ledger_scan **ret, struct err *);
void ledger_destroy(struct ledger_scan **);
/* The ledger at frame k (0 <= k <= the last frame of the run). Ascending k is one pass over the
 * frames; a smaller k begins again. */
void ledger_at(struct ledger_scan *, int64_t k, struct ledger *ret);

/* Only the sums over processes (source_j, useful_j, loss_j, fault_j, stored, unserved_j), which need no
 * pass over the frames: the rest is 0. */
void ledger_sums_at(const struct ledger_scan *, int64_t k, struct ledger *ret);

/* The ledger at the end, and the worst residual (of the whole, a link or a port) and its frame over
 * all multiples of `every` steps and the end. */
int ledger_run(const struct runview *, int64_t every, struct ledger *end, double *worst,
               int64_t *worst_k, struct err *);

/* A table, one line per term. */
void ledger_print(FILE *, const struct ledger *);

#endif
