#include "pane.h"

#include <stdio.h>
#include <string.h>

const struct pane panes[PANE_END_] = {
	[PANE_NODES] = { "Nodes", pane_nodes_draw, "s sort  / filter" },
	[PANE_LINKS] = { "Links", pane_links_draw, "m map" },
	[PANE_MODULES] = { "Modules", pane_modules_draw, "s sort  / filter" },
	[PANE_EVENTS] = { "Events", pane_events_draw, "/ filter  G newest" },
	[PANE_BUS] = { "Bus V, last 60 s", pane_bus_draw, "+ - scale" },
	[PANE_MAP] = { "Map", pane_map_draw, "m list" },
};

enum glyph
pane_state_glyph(enum shot_state state)
{
	static const enum glyph glyphs[PROC_STATE_END_] = {
		[PROC_UNKNOWN] = GLYPH_DOT,     [PROC_OK] = GLYPH_OK,
		[PROC_SUSPECT] = GLYPH_SUSPECT, [PROC_ISLAND] = GLYPH_OFF,
		[PROC_JOINING] = GLYPH_JOIN,    [PROC_STOPPED] = GLYPH_PAUSE,
		[PROC_DONE] = GLYPH_DONE,       [PROC_DEAD] = GLYPH_DEAD,
	};
	return glyphs[state];
}

enum style
pane_state_style(enum shot_state state, enum shot_fresh fresh)
{
	switch (state) {
	case PROC_DEAD:
		return STYLE_BAD;
	case PROC_SUSPECT:
	case PROC_STOPPED:
	case PROC_ISLAND:
		return STYLE_WARN;
	case PROC_JOINING:
		return STYLE_INFO;
	case PROC_OK:
		return fresh == FRESH_OK ? STYLE_GOOD : STYLE_DIM;
	default:
		return STYLE_DIM;
	}
}

static void
screen_pane(struct canvas *c, const struct area *a, enum pane_id p, const struct shot *s,
            const struct ui *ui)
{
	const struct ui_pane *pane = &ui->pane[p];
	char title[96];
	int n = snprintf(title, sizeof title, "%d %s", (int)p + 1, panes[p].name);
	if (p != PANE_BUS && p != PANE_MAP && n > 0)
		n += snprintf(title + n, sizeof title - (size_t)n, " %zu", pane->rows.n);
	if (pane->filter[0] && (size_t)n < sizeof title)
		n += snprintf(title + n, sizeof title - (size_t)n, " /%s", pane->filter);
	if (pane->sort && ui_sort_name(ui, p)[0] && strcmp(ui_sort_name(ui, p), "file") != 0 &&
	    (size_t)n < sizeof title)
		snprintf(title + n, sizeof title - (size_t)n, " by %s", ui_sort_name(ui, p));
	bool active = p == ui->active;
	struct area inside = canvas_box(c, a, title, panes[p].hint, active);
	panes[p].draw(c, &inside, s, ui, active);
}

void
screen_draw(struct canvas *c, const struct shot *s, const struct ui *ui)
{
	struct area all = { 0, 0, c->w, c->h };
	struct layout_content content = {
		.n_nodes = s->n_nodes,
		.n_links = s->n_links,
		.n_modules = s->n_modules,
		.active = ui->active,
		.zoom = ui->zoom,
	};
	for (size_t i = 0; i < s->n_nodes; i++)
		content.map = content.map || (ui->map && s->nodes[i].has_at);
	struct layout l;
	layout_make(c->w, c->h, &content, &l);
	if (l.too_small) {
		canvas_text(c, &all, 0, 0, STYLE_WARN, "window too small:");
		canvas_text(c, &all, 0, 1, STYLE_PLAIN, "%dx%d, needs %dx%d", c->w, c->h,
		            (int)LAYOUT_MIN_W, (int)LAYOUT_MIN_H);
		return;
	}
	pane_header_draw(c, &l.header, s, ui);
	for (int p = 0; p < PANE_END_; p++)
		if (l.pane[p].w > 0 && l.pane[p].h > 0)
			screen_pane(c, &l.pane[p], (enum pane_id)p, s, ui);
	pane_footer_draw(c, &l.footer, s, ui);
	if (ui->mode == UI_DIALOG)
		pane_dialog_draw(c, s, ui);
	if (ui->mode == UI_HELP)
		pane_help_draw(c);
}
