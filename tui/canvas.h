/*
 * canvas.h - a grid of cells that panes draw on; shown by ncurses or printed as text.
 *
 * Drawing is clipped to the area that is given, and that to the canvas: no pane can draw outside
 * its place, whatever the size.
 */
#ifndef VL_CANVAS_H
#define VL_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "glyph.h"

/* What a cell means; screen.c says how it looks. Beside every colour there is a glyph or a word. */
enum style {
	STYLE_PLAIN,
	STYLE_DIM, /* stale, or frame work */
	STYLE_BOLD,
	STYLE_TITLE,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_INFO,
	STYLE_SELECT, /* the row that keys act on */
	STYLE_END_
};

struct cell {
	uint32_t ch; /* code point, one column wide */
	uint8_t style;
};

struct area {
	int x, y, w, h; /* columns and rows; w or h 0: not shown */
};

struct canvas {
	int w, h;
	enum glyph_tier tier;
	struct cell *cells;
	size_t cap;
};

/* Sets the size and clears all cells. A canvas that is all zero is an empty one. */
int canvas_resize(struct canvas *, int w, int h, struct err *);
void canvas_free(struct canvas *);

/* x, y count from the area's corner. */
void canvas_put(struct canvas *, const struct area *, int x, int y, uint32_t ch, enum style);
void canvas_glyph(struct canvas *, const struct area *, int x, int y, enum glyph, enum style);
/* ASCII text (other bytes become '?'); returns the columns that it takes, clipped or not. */
int canvas_text(struct canvas *, const struct area *, int x, int y, enum style, const char *fmt,
                ...) __attribute__((format(printf, 6, 7)));
/* A row in one style, from x on: shows the selection. */
void canvas_restyle(struct canvas *, const struct area *, int x, int y, int w, enum style);
/* A frame with a title on the left and a hint on the right; returns what is inside. */
struct area canvas_box(struct canvas *, const struct area *, const char *title, const char *hint,
                       bool active);

/* Rows as UTF-8 lines, without blanks at their ends. */
void canvas_print(const struct canvas *, FILE *);

#endif
