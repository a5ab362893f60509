/*
 * books.h - the energy ledger of docs/recorder.md, kept from the frames of a solver_loop.
 *
 * source = useful + loss + fault + change of stored + in flight + in transit + abandoned, over all
 * processes and incarnations. Which waves are lost is worked out here from who made which step with
 * the link closed, not from what the cores say they abandoned.
 */
#ifndef VL_BOOKS_H
#define VL_BOOKS_H

#include "tests/support/solver_loop.h"

struct books;

struct books *books_create(const struct topo *, struct solver_loop *);
void books_destroy(struct books **);
/* After each solver_loop_step(). */
void books_after(struct books *);

struct books_sums {
	double source_j, used_j; /* used: useful, loss, fault */
	double stored_j, flight_j, transit_j, abandoned_j;
	double stored0_j;  /* stored and in flight at the start */
	double residual;   /* over max(source, stored0, 1 J) */
	double worst_core; /* worst residual of one process and step, same scale */
	bool finite;
};
struct books_sums books_sums(const struct books *);

#endif
