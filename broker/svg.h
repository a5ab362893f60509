/*
 * svg.h - pictures as self-contained SVG 1.1 with one style for light and dark screens.
 *
 * Lengths in px, y down. Elements take class names of the style: text `t` (title), `h` (heading),
 * `l` (label), `s` (small), anchored start, middle or end; boxes and lines `node`, `feed`,
 * `module`, `link`, `open`, `ok`, `warn`, `bad`, and for flows `source`, `bus`, `useful`, `loss`,
 * `stored`. Texts are escaped. Errors stay in the stream.
 */
#ifndef VL_SVG_H
#define VL_SVG_H

#include <stdio.h>

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

/* Picture of w x h; `title` is also what a screen reader says. */
void svg_begin(FILE *, double w, double h, const char *title);
void svg_end(FILE *);
void svg_text(FILE *, double x, double y, enum svg_anchor, const char *class_, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* Rounded rectangle around its middle. */
void svg_box(FILE *, double x, double y, double w, double h, double round, const char *class_);
void svg_line(FILE *, double x1, double y1, double x2, double y2, double width, const char *class_);
/* Width of a text in the labels' size, roughly: for boxes around it. */
double svg_text_width(const char *text, double size);
void svg_escaped(FILE *, const char *text);

#endif
