/*
 * table.h - rows in columns, with titles, a cursor and scrolling; columns leave by rank when the
 * pane is narrow.
 */
#ifndef VL_TABLE_H
#define VL_TABLE_H

#include "canvas.h"
#include "input.h"
#include "view.h"

enum { TABLE_COLUMNS_MAX = 24, TABLE_CELL_MAX = 80 };

struct table_column {
	const char *title;
	int width; /* columns; 0: what is left, at least TABLE_FLEX_MIN; -n: as the texts need,
	              n..TABLE_ID_MAX */
	bool left; /* aligned left */
	int rank;  /* the highest goes first when there is no room */
	/* The text of a cell and its style (preset to that of the row). */
	void (*text)(const struct shot *, size_t row, char buf[TABLE_CELL_MAX], enum style *);
	/* Instead of text: draws the cell itself. */
	void (*paint)(struct canvas *, const struct area *, const struct shot *, size_t row,
	              enum style);
};
enum { TABLE_FLEX_MIN = 9, TABLE_ID_MAX = 16 };

struct table {
	const struct table_column *columns;
	size_t n_columns;
	enum style (*row_style)(const struct shot *, size_t row);
	const char *none; /* said when there are no rows */
};

/* `rows` says which rows, in which order; `cursor` is highlighted when the pane is active. */
void table_draw(struct canvas *, const struct area *, const struct table *, const struct shot *,
                const struct ui_pane *, bool active);
/* The first row that is shown so that the cursor is in sight, for `fit` rows. */
size_t table_first(const struct ui_pane *, size_t fit);

#endif
