/*
 * link_limit.h - what re-dispatching the feeds does to the current of a limited link, and the gains
 * of the price that its end asks for it.
 *
 * docs/models/limit.md. A price w on link l from end a to end b moves the shares of the feeds by the
 * offsets p that solve, on the graph of the links that hold a voltage (closed, without converter),
 *   sum_j (p_i - p_j) + leak d_i p_i = w (e_b - e_a)_i                    d_i: links of node i   (1)
 * and with them its current by -w G, G = sum over the feeds of its island of I_rated psi (phi - mean phi),
 * where phi is p for w = 1, psi the fall of the link's current per ampere into a bus (that is taken out
 * of all of them) and the mean is weighted by I_rated.
 *
 * Gain: limit_gain_per_s = (5 1/s) limit/G, so that all limits are reached alike fast. Largest price:
 * what moves two feeds apart by 150 % of their ratings.
 */
#ifndef VL_LINK_LIMIT_H
#define VL_LINK_LIMIT_H

#include <stdbool.h>

#include "err.h"
#include "topo.h"

/* Part of its offset that a node gives up per exchange, and part of the difference to its neighbours
 * that it takes over (nodes/node_control.c, nodes/node_limit.c). */
#define LINK_LIMIT_LEAK 1e-4
#define LINK_LIMIT_RELAY 0.8
/* Largest offset of a feed's share, and largest difference of two that a price asks for. */
#define LINK_LIMIT_OFFSET_MAX 1.5

struct link_limit;

/* With all links that are closed and without a converter, and all feeds. */
int link_limit_create(const struct topo *, struct link_limit **ret, struct err *);
void link_limit_destroy(struct link_limit **);
/* Takes these links (per link) and feeds (per node) instead. ERR_INPUT: they have no load flow. */
int link_limit_set(struct link_limit *, const bool *links, const bool *feeds, struct err *);

/* Per node, until the next call: by how much its feed's share moves per unit of price on the link, phi -
 * mean phi; 0 where no feed takes part. All 0 for a link that does not. */
const double *link_limit_move(struct link_limit *, size_t link);
/* Per node, until the next call: psi. */
const double *link_limit_shift(struct link_limit *, size_t link);
/* G; 0 or less: no re-dispatch holds this link. */
double link_limit_response_a(struct link_limit *, size_t link);
/* Currents into the buses (their sum nothing in each island) become rises of their voltages. */
void link_limit_lift(const struct link_limit *, double *x);
/* Per node: number of its island, over the links that take part. */
const uint32_t *link_limit_islands(const struct link_limit *);

/* Fills in gains and largest prices of all limited links without a converter, and which nodes take
 * part in the exchange of offsets: all, if there is one such link. */
int link_limit_resolve(struct topo *, struct err *);

#endif
