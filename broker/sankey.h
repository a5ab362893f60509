/*
 * sankey.h - flows between boxes in columns, drawn so that widths are amounts.
 *
 * Boxes of one column are stacked in an order that keeps flows short; heights are the larger of
 * what goes in and what goes out. A flow goes from a lower to a higher column.
 */
#ifndef VL_SANKEY_H
#define VL_SANKEY_H

#include <stddef.h>
#include <stdio.h>

#include "err.h"

struct sankey_box {
	char name[80];
	const char *class_; /* of svg.h: source, bus, useful, loss, stored, other */
	unsigned column;
	double in, out;
	double x, y, h; /* px; top left; set when drawn */
	double used_in, used_out, order;
};

struct sankey_flow {
	size_t from, to;
	double value;
	const char *class_;
};

struct sankey {
	size_t n_boxes, cap_boxes, n_flows, cap_flows;
	struct sankey_box *boxes;
	struct sankey_flow *flows;
};

/* Index of the new box in *ret. */
int sankey_add_box(struct sankey *, const char *name, const char *class_, unsigned column,
                   size_t *ret, struct err *);
/* Nothing for a value that is not positive. */
int sankey_add_flow(struct sankey *, size_t from, size_t to, double value, const char *class_,
                    struct err *);
void sankey_free(struct sankey *);

/* Amounts are labelled in `unit` with prefixes k and M, and as shares of `whole`. */
void sankey_svg(struct sankey *, FILE *, const char *title, const char *line, const char *unit,
                double whole);

#endif
