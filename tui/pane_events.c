/* The tail of the events. */
#include <stdio.h>

#include "pane.h"
#include "table.h"
#include "words.h"

static const struct {
	enum glyph glyph;
	enum style style;
} severities[] = {
	[SEV_INFO] = { GLYPH_DOT, STYLE_PLAIN },
	[SEV_GOOD] = { GLYPH_OK, STYLE_GOOD },
	[SEV_WARN] = { GLYPH_WARN, STYLE_WARN },
	[SEV_BAD] = { GLYPH_DEAD, STYLE_BAD },
};

void
pane_events_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
                 bool active)
{
	const struct ui_pane *pane = &ui->pane[PANE_EVENTS];
	size_t fit = a->h > 0 ? (size_t)a->h : 0, first = table_first(pane, fit);
	for (size_t y = 0; y < fit && first + y < pane->rows.n; y++) {
		const struct shot_event *e = &s->events[pane->rows.index[first + y]];
		char t[WORDS_MAX];
		enum style style = severities[e->severity].style;
		int x = 1 +
		        canvas_text(c, a, 1, (int)y, STYLE_DIM, "%s", words_time(t, e->t_ns, 3)) +
		        1;
		canvas_glyph(c, a, x, (int)y, severities[e->severity].glyph, style);
		canvas_text(c, a, x + 2, (int)y, STYLE_BOLD, "%-6s", e->proc);
		canvas_text(c, a, x + 9, (int)y, style, "%-12s %s", e->what, e->text);
		if (active && first + y == pane->cursor)
			canvas_restyle(c, a, 0, (int)y, a->w, STYLE_SELECT);
	}
	if (pane->rows.n == 0)
		canvas_text(c, a, 1, 0, STYLE_DIM, "%s",
		            pane->filter[0] ? "nothing matches the filter"
		                            : "nothing happened yet");
}
