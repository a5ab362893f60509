/* Link flows as a list in columns: from -> to, weight of the arrow by |I| over the limit or the fuse rating. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pane.h"
#include "table.h"
#include "words.h"

enum {
	LINKS_ARROW = 5, /* columns of the arrow */
	LINKS_POWER = 7,
	LINKS_ID_MAX = 12, /* longer names are cut */
	LINKS_MORE = 9,    /* columns that current and load add when there is room */
	LINKS_SET = 9,     /* columns of a converter's set-point, instead of these */
};
/* The arrow is heavy above this fraction. */
#define LINKS_HEAVY 0.5

/* "====>" from left to right; the source of the flow is always on the left. */
static void
links_arrow(struct canvas *c, const struct area *a, int x, const struct shot_link *l)
{
	bool open = l->state == 0, known = l->state > 0 && !isnan(l->i_a);
	enum style style = open ? STYLE_BAD : l->fresh == FRESH_OK ? STYLE_INFO : STYLE_DIM;
	enum glyph line = open || !known              ? GLYPH_H_DASH
	                  : l->fraction > LINKS_HEAVY ? GLYPH_H_HEAVY
	                                              : GLYPH_H;
	int length =
		known ? 1 + (int)lround(fmin(l->fraction, 1) * (LINKS_ARROW - 2)) : LINKS_ARROW;
	for (int i = 0; i < length; i++)
		canvas_glyph(c, a, x + i, 0, line, style);
	if (known && fabs(l->i_a) > 0)
		canvas_glyph(c, a, x + length, 0, GLYPH_RIGHT, style);
	else if (open)
		canvas_glyph(c, a, x + LINKS_ARROW / 2, 0, GLYPH_DEAD, style);
}

static void
links_one(struct canvas *c, const struct area *a, const struct shot_link *l, int id_w)
{
	bool back = l->i_a < 0;
	const char *from = back ? l->b_id : l->a_id, *to = back ? l->a_id : l->b_id;
	char text[WORDS_MAX];
	enum style style = l->fresh == FRESH_OK ? STYLE_PLAIN : STYLE_DIM;
	if (!l->a_id[0] || !l->b_id[0]) {
		from = l->id;
		to = "";
	}
	struct area head = { a->x, a->y, id_w, 1 };
	canvas_text(c, &head, 0, 0, style, "%s", from);
	links_arrow(c, a, id_w + 1, l);
	head.x = a->x + id_w + LINKS_ARROW + 2;
	canvas_text(c, &head, 0, 0, style, "%s", to);
	int x = 2 * id_w + LINKS_ARROW + 2;
	if (l->state == 0) {
		canvas_text(c, a, x + LINKS_POWER - 4, 0, STYLE_BAD, "OPEN");
		return;
	}
	/* Behind the power, or where there is no room instead of it. */
	bool wide = a->w >= x + LINKS_POWER + LINKS_MORE;
	if (l->deaf)
		canvas_text(c, a, x + LINKS_POWER + (wide ? 1 : -4), 0, STYLE_WARN, "deaf");
	if (l->deaf && !wide)
		return;
	words_scaled(text, fabs(l->p_w), "W", 0);
	canvas_text(c, a, x + LINKS_POWER - (int)strlen(text), 0, style, "%s", text);
	if (l->deaf)
		return;
	if (l->state == 1)
		canvas_text(c, a, x, 0, STYLE_WARN, "pre");
	if (!isnan(l->conv_set_w) && a->w >= x + LINKS_POWER + LINKS_SET) {
		/* The set-point in the direction of the arrow. */
		words_scaled(text, back ? -l->conv_set_w : l->conv_set_w, "W", 0);
		canvas_text(c, a, x + LINKS_POWER + 1, 0, STYLE_DIM, "(%s)", text);
		return;
	}
	if (!wide)
		return;
	words_number(text, fabs(l->i_a), 1, 0);
	int n = (int)strlen(text);
	canvas_text(c, a, x + LINKS_POWER + 7 - n, 0, style, "%sA", text);
	if (a->w >= x + LINKS_POWER + LINKS_MORE + 6 && !isnan(l->i_max_a)) {
		words_percent(text, l->fraction);
		canvas_text(c, a, x + LINKS_POWER + LINKS_MORE + 4 - (int)strlen(text), 0,
		            l->fraction > 1 ? STYLE_BAD : style, "%s", text);
	}
}

void
pane_links_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
                bool active)
{
	const struct ui_pane *pane = &ui->pane[PANE_LINKS];
	int id_w = 2;
	for (size_t i = 0; i < s->n_links; i++) {
		int na = (int)strlen(s->links[i].a_id), nb = (int)strlen(s->links[i].b_id);
		id_w = na > id_w ? na : id_w;
		id_w = nb > id_w ? nb : id_w;
	}
	id_w = id_w > LINKS_ID_MAX ? LINKS_ID_MAX : id_w;
	int need = 2 * id_w + LINKS_ARROW + 2 + LINKS_POWER + 3;
	int room = a->w - 1;
	if (room < 1 || a->h < 1)
		return;
	int columns = room / need > 0 ? room / need : 1;
	/* No more columns than the rows need: the rest goes to current and load. */
	int least = (int)((pane->rows.n + (size_t)a->h - 1) / (size_t)a->h);
	columns = least > 0 && least < columns ? least : columns;
	int width = room / columns;
	size_t fit = (size_t)columns * (size_t)a->h, first = 0;
	if (pane->rows.n > fit && pane->cursor >= fit) {
		first = (pane->cursor - fit + (size_t)columns) / (size_t)columns * (size_t)columns;
	}
	int rows = (int)((pane->rows.n - first + (size_t)columns - 1) / (size_t)columns);
	rows = rows > a->h ? a->h : rows;
	for (size_t i = first; i < pane->rows.n && i - first < fit; i++) {
		/* Down, then right, as a list is read. */
		int at = (int)(i - first), col = at / rows, row = at % rows;
		if (col >= columns)
			break;
		struct area cell = { a->x + 1 + col * width, a->y + row, width - 2, 1 };
		links_one(c, &cell, &s->links[pane->rows.index[i]], id_w);
		if (active && i == pane->cursor) {
			struct area mark = { a->x + col * width, a->y + row, width - 1, 1 };
			canvas_text(c, &mark, 0, 0, STYLE_SELECT, ">");
			canvas_restyle(c, &mark, 0, 0, mark.w, STYLE_SELECT);
		}
	}
	if (pane->rows.n == 0)
		canvas_text(c, a, 1, 0, STYLE_DIM, "%s",
		            pane->filter[0] ? "nothing matches the filter" : "no link heard yet");
}
