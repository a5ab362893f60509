/*
 * drill_plot.h - curves of a run as inline SVG: every frame counts, a column of the picture shows
 * the least and the greatest of what falls into it.
 */
#ifndef VL_DRILL_PLOT_H
#define VL_DRILL_PLOT_H

#include <stdio.h>

#include "runview.h"

enum { PLOT_COLUMNS = 420, PLOT_SERIES_MAX = 8 };

/* Where a curve comes from: fields of a process, or of another where that one is dead. */
struct plot_source {
	int proc, lo, hi; /* field indices; proc -1: none */
	double sign;
};
struct plot_series {
	char name[40];
	struct plot_source from[2];
	double lo[PLOT_COLUMNS], hi[PLOT_COLUMNS]; /* NaN: dead all the time */
	double least, greatest;
};

struct plot_bound {
	double lo, hi; /* NaN: none */
	int64_t from_k, to_k;
};
struct plot_mark {
	int64_t k;
	const char *name;
};

struct plot {
	const char *title, *unit, *note;
	const struct runview *view;
	size_t n_series;
	struct plot_series *series; /* owned by the caller */
	size_t n_bounds, n_marks;
	const struct plot_bound *bounds;
	const struct plot_mark *marks;
};

/* Fills the columns of all series in one pass over the frames of each process. */
void plot_scan(const struct runview *, struct plot_series *, size_t n);
void plot_write(const struct plot *, FILE *);

/* Geometry that other pictures of the page share, in units of the view box. */
enum { PLOT_WIDTH = 860, PLOT_LEFT = 56, PLOT_RIGHT = 10 };
double plot_x(const struct runview *, int64_t k);
void plot_time_axis(const struct runview *, double top, double bottom, FILE *);

#endif
