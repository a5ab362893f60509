#include "table.h"

#include <assert.h>
#include <string.h>

enum { TABLE_GAP = 1 };

size_t
table_first(const struct ui_pane *p, size_t fit)
{
	if (p->rows.n <= fit || fit == 0)
		return 0;
	size_t first = p->cursor >= fit ? p->cursor - fit + 1 : 0;
	return first + fit > p->rows.n ? p->rows.n - fit : first;
}

/* The longest text of a column, within its limits. */
static int
table_text_width(const struct table_column *col, const struct shot *s, const struct ui_pane *p)
{
	int width = -col->width;
	for (size_t i = 0; i < p->rows.n && width < TABLE_ID_MAX; i++) {
		char buf[TABLE_CELL_MAX] = "";
		enum style style = STYLE_PLAIN;
		col->text(s, p->rows.index[i], buf, &style);
		width = (int)strlen(buf) > width ? (int)strlen(buf) : width;
	}
	return width < TABLE_ID_MAX ? width : TABLE_ID_MAX;
}

/* Widths of the columns that stay; 0 for those that leave. */
static void
table_fit(const struct table *t, const struct shot *s, const struct ui_pane *p, int w,
          int widths[TABLE_COLUMNS_MAX])
{
	int used = 0, flex = -1, worst;
	for (size_t c = 0; c < t->n_columns; c++) {
		const struct table_column *col = &t->columns[c];
		widths[c] = col->width < 0 ? table_text_width(col, s, p)
		            : col->width   ? col->width
		                           : TABLE_FLEX_MIN;
		used += widths[c] + TABLE_GAP;
	}
	while (used - TABLE_GAP > w) {
		worst = -1;
		for (size_t c = 0; c < t->n_columns; c++)
			if (widths[c] &&
			    (worst < 0 || t->columns[c].rank >= t->columns[worst].rank))
				worst = (int)c;
		if (worst < 0 || t->columns[worst].rank == 0)
			break;
		used -= widths[worst] + TABLE_GAP;
		widths[worst] = 0;
	}
	for (size_t c = 0; c < t->n_columns; c++)
		if (widths[c] && !t->columns[c].width)
			flex = (int)c;
	if (flex >= 0 && used - TABLE_GAP < w)
		widths[flex] += w - (used - TABLE_GAP);
}

static void
table_cell(struct canvas *c, const struct area *a, int x, int y, int width, bool left,
           const char *text, enum style style)
{
	int n = (int)strlen(text);
	struct area cell = { a->x + x, a->y + y, x + width > a->w ? a->w - x : width, 1 };
	if (y < a->h)
		canvas_text(c, &cell, left || n > width ? 0 : width - n, 0, style, "%s", text);
}

static void
table_row(struct canvas *c, const struct area *a, const struct table *t, const struct shot *s,
          size_t row, int y, const int widths[TABLE_COLUMNS_MAX])
{
	enum style base = t->row_style(s, row);
	int x = 0;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct table_column *col = &t->columns[i];
		if (!widths[i])
			continue;
		struct area cell = { a->x + x, a->y + y,
			             x + widths[i] > a->w ? a->w - x : widths[i], 1 };
		if (col->paint) {
			col->paint(c, &cell, s, row, base);
		} else {
			char buf[TABLE_CELL_MAX] = "";
			enum style style = base;
			col->text(s, row, buf, &style);
			table_cell(c, a, x, y, widths[i], col->left, buf, style);
		}
		x += widths[i] + TABLE_GAP;
	}
}

void
table_draw(struct canvas *c, const struct area *area, const struct table *t, const struct shot *s,
           const struct ui_pane *pane, bool active)
{
	assert(t->n_columns <= TABLE_COLUMNS_MAX);
	if (area->w < 3 || area->h < 1)
		return;
	int widths[TABLE_COLUMNS_MAX];
	struct area a = { area->x + 2, area->y, area->w - 3, area->h };
	table_fit(t, s, pane, a.w, widths);
	int x = 0;
	for (size_t i = 0; i < t->n_columns; i++) {
		if (!widths[i])
			continue;
		table_cell(c, &a, x, 0, widths[i], t->columns[i].left, t->columns[i].title,
		           STYLE_BOLD);
		x += widths[i] + TABLE_GAP;
	}
	size_t fit = a.h > 1 ? (size_t)a.h - 1 : 0, first = table_first(pane, fit);
	for (size_t y = 0; y < fit && first + y < pane->rows.n; y++) {
		bool here = active && first + y == pane->cursor;
		table_row(c, &a, t, s, pane->rows.index[first + y], (int)y + 1, widths);
		if (here) {
			canvas_text(c, area, 0, (int)y + 1, STYLE_SELECT, ">");
			canvas_restyle(c, area, 0, (int)y + 1, area->w, STYLE_SELECT);
		}
	}
	if (pane->rows.n == 0)
		canvas_text(c, &a, 0, 1, STYLE_DIM, "%s",
		            pane->filter[0] ? "nothing matches the filter" : t->none);
}
