#include "canvas.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CANVAS_TEXT_MAX = 512 };

int
canvas_resize(struct canvas *c, int w, int h, struct err *err)
{
	assert(w >= 0 && h >= 0 && w < 1 << 15 && h < 1 << 15);
	size_t n = (size_t)w * (size_t)h;
	if (n > c->cap) {
		struct cell *cells = realloc(c->cells, n * sizeof *cells);
		if (!cells)
			return err_set(err, ERR_NOMEM, "screen of %dx%d: out of memory", w, h);
		c->cells = cells;
		c->cap = n;
	}
	c->w = w;
	c->h = h;
	for (size_t i = 0; i < n; i++)
		c->cells[i] = (struct cell){ .ch = ' ', .style = STYLE_PLAIN };
	return 0;
}

void
canvas_free(struct canvas *c)
{
	free(c->cells);
	*c = (struct canvas){ .tier = c->tier };
}

static struct cell *
canvas_cell(struct canvas *c, const struct area *a, int x, int y)
{
	if (x < 0 || y < 0 || x >= a->w || y >= a->h)
		return NULL;
	x += a->x;
	y += a->y;
	return x < 0 || y < 0 || x >= c->w || y >= c->h
	               ? NULL
	               : &c->cells[(size_t)y * (size_t)c->w + (size_t)x];
}

void
canvas_put(struct canvas *c, const struct area *a, int x, int y, uint32_t ch, enum style style)
{
	struct cell *cell = canvas_cell(c, a, x, y);
	if (cell)
		*cell = (struct cell){ .ch = ch, .style = (uint8_t)style };
}

void
canvas_glyph(struct canvas *c, const struct area *a, int x, int y, enum glyph g, enum style style)
{
	canvas_put(c, a, x, y, glyph(c->tier, g), style);
}

int
canvas_text(struct canvas *c, const struct area *a, int x, int y, enum style style, const char *fmt,
            ...)
{
	char text[CANVAS_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	int n = (int)strlen(text);
	for (int i = 0; i < n; i++)
		canvas_put(c, a, x + i, y,
		           text[i] >= 0x20 && text[i] < 0x7f ? (uint32_t)text[i] : '?', style);
	return n;
}

void
canvas_restyle(struct canvas *c, const struct area *a, int x, int y, int w, enum style style)
{
	for (int i = 0; i < w; i++) {
		struct cell *cell = canvas_cell(c, a, x + i, y);
		if (cell)
			cell->style = (uint8_t)style;
	}
}

struct area
canvas_box(struct canvas *c, const struct area *a, const char *title, const char *hint, bool active)
{
	enum style edge = active ? STYLE_TITLE : STYLE_DIM;
	for (int x = 0; x < a->w; x++) {
		canvas_glyph(c, a, x, 0, GLYPH_H, edge);
		canvas_glyph(c, a, x, a->h - 1, GLYPH_H, edge);
	}
	for (int y = 0; y < a->h; y++) {
		canvas_glyph(c, a, 0, y, GLYPH_V, edge);
		canvas_glyph(c, a, a->w - 1, y, GLYPH_V, edge);
	}
	canvas_glyph(c, a, 0, 0, GLYPH_TL, edge);
	canvas_glyph(c, a, a->w - 1, 0, GLYPH_TR, edge);
	canvas_glyph(c, a, 0, a->h - 1, GLYPH_BL, edge);
	canvas_glyph(c, a, a->w - 1, a->h - 1, GLYPH_BR, edge);
	struct area top = { a->x + 2, a->y, a->w - 4, 1 };
	int used = canvas_text(c, &top, 0, 0, edge, active ? "[%s]" : " %s ", title);
	int wants = (int)strlen(hint);
	if (wants && used + wants + 4 <= top.w)
		canvas_text(c, &top, top.w - wants - 2, 0, edge, " %s ", hint);
	return (struct area){ a->x + 1, a->y + 1, a->w > 2 ? a->w - 2 : 0,
		              a->h > 2 ? a->h - 2 : 0 };
}

void
canvas_print(const struct canvas *c, FILE *f)
{
	for (int y = 0; y < c->h; y++) {
		const struct cell *row = &c->cells[(size_t)y * (size_t)c->w];
		int end = c->w;
		while (end > 0 && row[end - 1].ch == ' ')
			end--;
		for (int x = 0; x < end; x++) {
			char utf8[5];
			glyph_utf8(row[x].ch, utf8);
			fputs(utf8, f);
		}
		fputc('\n', f);
	}
}
