/*
 * glyph.h - what is drawn with: our own borders, arrows, bars and graphs in three tiers.
 *
 * Braille needs a font with U+2800..28FF, block one with box drawing and block elements; ASCII
 * needs nothing. Every glyph is one column wide.
 */
#ifndef VL_GLYPH_H
#define VL_GLYPH_H

#include <stddef.h>
#include <stdint.h>

enum glyph_tier { GLYPH_BRAILLE, GLYPH_BLOCK, GLYPH_ASCII };

/* name, with box drawing, in ASCII */
#define GLYPH_TABLE(X)                  \
	X(GLYPH_H, 0x2500, '-')         \
	X(GLYPH_V, 0x2502, '|')         \
	X(GLYPH_TL, 0x250c, '+')        \
	X(GLYPH_TR, 0x2510, '+')        \
	X(GLYPH_BL, 0x2514, '+')        \
	X(GLYPH_BR, 0x2518, '+')        \
	X(GLYPH_H_HEAVY, 0x2501, '=')   \
	X(GLYPH_H_DASH, 0x254c, '.')    \
	X(GLYPH_RIGHT, 0x25b6, '>')     \
	X(GLYPH_LEFT, 0x25c0, '<')      \
	X(GLYPH_UP, 0x25b2, '^')        \
	X(GLYPH_DOWN, 0x25bc, 'v')      \
	X(GLYPH_OK, 0x25cf, '*')        \
	X(GLYPH_OFF, 0x25cb, 'o')       \
	X(GLYPH_DEAD, 0x2717, 'X')      \
	X(GLYPH_DONE, 0x25a0, '#')      \
	X(GLYPH_PAUSE, 0x2016, '"')     \
	X(GLYPH_JOIN, '+', '+')         \
	X(GLYPH_SUSPECT, '?', '?')      \
	X(GLYPH_WARN, '!', '!')         \
	X(GLYPH_DOT, 0x00b7, '.')       \
	X(GLYPH_CUT, 0x2702, '%')       \
	X(GLYPH_BAR_FULL, 0x2588, '#')  \
	X(GLYPH_BAR_EMPTY, 0x2581, '_') \
	X(GLYPH_LIMIT, 0x2504, '-')

enum glyph {
#define X(name, box, ascii) name,
	GLYPH_TABLE(X)
#undef X
		GLYPH_END_
};
uint32_t glyph(enum glyph_tier, enum glyph);

enum glyph_weight { GLYPH_LIGHT, GLYPH_HEAVY, GLYPH_DASHED };
/* The line that joins the sides of a cell; sides are a set of these bits. */
enum { GLYPH_SIDE_N = 1, GLYPH_SIDE_E = 2, GLYPH_SIDE_S = 4, GLYPH_SIDE_W = 8 };
uint32_t glyph_line(enum glyph_tier, unsigned sides, enum glyph_weight);

/* A column of a sparkline; level in 0..1, outside is clamped, NaN is a blank. */
uint32_t glyph_spark(enum glyph_tier, double level);
/* Cell `i` of a bar of `n` cells filled to `fraction`. */
uint32_t glyph_bar(enum glyph_tier, double fraction, int i, int n);
/* Dots per cell of a plot, and the cell with the given dots (bit = column * rows + row from the
 * top). */
void glyph_plot_size(enum glyph_tier, int *columns, int *rows);
uint32_t glyph_plot(enum glyph_tier, unsigned dots);

/* UTF-8 of a code point, NUL-terminated; returns its bytes. */
size_t glyph_utf8(uint32_t, char out[5]);

#endif
