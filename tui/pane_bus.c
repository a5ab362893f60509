/* Lowest and highest bus of the mesh over the last minute, in a fixed band with its limits. */
#include <math.h>

#include "pane.h"

enum { BUS_LABEL = 6 }; /* columns of the voltage at the left */

/* Below and above the nominal voltage of 48 V; scaled with it. */
static const struct {
	double below, above;
} spans[] = { { 9.0 / 48, 5.0 / 48 }, { 3.0 / 48, 2.0 / 48 }, { 1.0 / 48, 1.0 / 48 } };

/* A load is served down to 40 V of a 48 V bus. */
#define BUS_SERVED (40.0 / 48)

struct bus_plot {
	double lo_v, hi_v;
	int w, h;          /* cells */
	int columns, rows; /* dots per cell */
};

/* Row of dots of a voltage, from the top; clamped into the plot. */
static int
bus_row(const struct bus_plot *p, double v)
{
	double f = (p->hi_v - v) / (p->hi_v - p->lo_v);
	int last = p->h * p->rows - 1;
	return (int)lround(fmin(fmax(f, 0), 1) * last);
}

static void
bus_axis(struct canvas *c, const struct area *a, const struct bus_plot *p, double nominal_v)
{
	for (int y = 0; y < p->h; y++)
		canvas_glyph(c, a, BUS_LABEL, y, GLYPH_V, STYLE_DIM);
	const double marks[] = { p->hi_v, nominal_v, p->lo_v };
	for (int i = 0; i < 3; i++)
		canvas_text(c, a, 0, bus_row(p, marks[i]) / p->rows, STYLE_DIM, "%5.1f", marks[i]);
	double limit_v = nominal_v * BUS_SERVED;
	const double lines[] = { nominal_v, limit_v };
	for (int i = 0; i < 2; i++) {
		if (lines[i] < p->lo_v)
			continue;
		int y = bus_row(p, lines[i]) / p->rows;
		for (int x = 0; x < p->w; x++)
			canvas_glyph(c, a, BUS_LABEL + 1 + x, y, GLYPH_LIMIT,
			             i ? STYLE_WARN : STYLE_DIM);
		if (i)
			canvas_text(c, a, BUS_LABEL + 2, y, STYLE_WARN, "limit %.1f", limit_v);
	}
}

void
pane_bus_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
              bool active)
{
	(void)active;
	double nominal_v = s->head.nominal_v;
	struct bus_plot p = {
		nominal_v * (1 - spans[ui->bus_span].below),
		nominal_v * (1 + spans[ui->bus_span].above),
		a->w - BUS_LABEL - 2,
		a->h,
		0,
		0,
	};
	glyph_plot_size(c->tier, &p.columns, &p.rows);
	if (p.w < 1 || p.h < 1)
		return;
	bus_axis(c, a, &p, nominal_v);
	int dots = p.w * p.columns;
	for (int x = 0; x < p.w; x++) {
		for (int y = 0; y < p.h; y++) {
			unsigned cell = 0;
			for (int d = 0; d < p.columns; d++) {
				int at = (int)((int64_t)(x * p.columns + d) * VIEW_BUS / dots);
				double min_v = s->bus_min_v[at], max_v = s->bus_max_v[at];
				if (isnan(min_v))
					continue;
				int top = bus_row(&p, max_v), bottom = bus_row(&p, min_v);
				for (int r = 0; r < p.rows; r++)
					if (y * p.rows + r >= top && y * p.rows + r <= bottom)
						cell |= 1u << (d * p.rows + r);
			}
			if (cell)
				canvas_put(c, a, BUS_LABEL + 1 + x, y, glyph_plot(c->tier, cell),
				           STYLE_INFO);
		}
	}
}
