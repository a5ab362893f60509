/*
 * pane.h - the panes of the dashboard: one file and one row of the table each, and the screen that
 * puts them together. Drawing reads a snapshot and the user's state, and writes to a canvas.
 */
#ifndef VL_PANE_H
#define VL_PANE_H

#include "canvas.h"
#include "input.h"
#include "layout.h"
#include "view.h"

struct pane {
	const char *name;
	/* What is inside of the box. */
	void (*draw)(struct canvas *, const struct area *, const struct shot *, const struct ui *,
	             bool active);
	const char *hint; /* keys, on the right of the title */
};
extern const struct pane panes[PANE_END_];

void pane_nodes_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                     bool active);
void pane_links_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                     bool active);
void pane_modules_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                       bool active);
void pane_events_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                      bool active);
void pane_bus_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                   bool active);
void pane_map_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *,
                   bool active);

void pane_header_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *);
void pane_footer_draw(struct canvas *, const struct area *, const struct shot *, const struct ui *);
void pane_dialog_draw(struct canvas *, const struct shot *, const struct ui *);
void pane_help_draw(struct canvas *);

/* Glyph and style of a state; both say the same. */
enum glyph pane_state_glyph(enum shot_state);
enum style pane_state_style(enum shot_state, enum shot_fresh);

/* The whole screen on a canvas of any size. */
void screen_draw(struct canvas *, const struct shot *, const struct ui *);

#endif
