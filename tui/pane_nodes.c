/* One row per node. I and P are net into the links: positive gives, negative takes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pane.h"
#include "table.h"
#include "words.h"

/* The sparkline reaches this far below and above the nominal voltage. */
#define NODES_SPARK_SPAN (1.5 / 48)

enum { NODES_SOC_BAR = 5 };

static void
nodes_glyph(struct canvas *c, const struct area *a, const struct shot *s, size_t row,
            enum style base)
{
	(void)base;
	const struct shot_node *n = &s->nodes[row];
	canvas_glyph(c, a, 0, 0, pane_state_glyph(n->state), pane_state_style(n->state, n->fresh));
}

static void
nodes_id(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	snprintf(buf, TABLE_CELL_MAX, "%s", s->nodes[row].id);
}

static void
nodes_state(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	const struct shot_node *n = &s->nodes[row];
	bool dark = !n->served && n->fresh != FRESH_LOST;
	snprintf(buf, TABLE_CELL_MAX, "%s", dark ? "UNSERVED" : shot_state_text(n->state));
	*style = dark ? STYLE_BAD : pane_state_style(n->state, n->fresh);
}

static void
nodes_v(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	words_number(buf, s->nodes[row].v_v, 2, 0);
}

static void
nodes_i(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	words_number(buf, s->nodes[row].i_a, 1, 1);
}

#define NODES_SCALED(name, field, unit, sign)                                                \
	static void nodes_##name(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], \
	                         enum style *style)                                          \
	{                                                                                    \
		(void)style;                                                                 \
		words_scaled(buf, s->nodes[row].field, unit, sign);                          \
	}
NODES_SCALED(p, p_w, "W", 1)
NODES_SCALED(sc_v, sc_v, "V", 0)
NODES_SCALED(sc_p, sc_p_w, "W", 1)
NODES_SCALED(conv_v, conv_v, "V", 0)
NODES_SCALED(conv_p, conv_p_w, "W", 1)
NODES_SCALED(load, load_w, "W", 0)

static void
nodes_soc(struct canvas *c, const struct area *a, const struct shot *s, size_t row, enum style base)
{
	double soc = s->nodes[row].soc;
	char text[WORDS_MAX];
	words_percent(text, soc);
	canvas_text(c, a, 4 - (int)strlen(text), 0, base, "%s", text);
}

static void
nodes_soc_bar(struct canvas *c, const struct area *a, const struct shot *s, size_t row,
              enum style base)
{
	double soc = s->nodes[row].soc;
	for (int i = 0; !isnan(soc) && i < NODES_SOC_BAR; i++)
		canvas_put(c, a, i, 0, glyph_bar(c->tier, soc, i, NODES_SOC_BAR), base);
}

static void
nodes_feed(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	const struct shot_node *n = &s->nodes[row];
	if (isnan(n->feed_i_a)) {
		snprintf(buf, TABLE_CELL_MAX, "-");
		return;
	}
	snprintf(buf, TABLE_CELL_MAX, "%.0fA %3.0f%%", n->feed_i_a, fmin(n->loading, 9.99) * 100);
	if (n->loading > 1)
		*style = STYLE_BAD;
}

static void
nodes_temp(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	double temp_c = s->nodes[row].temp_c;

	(void)style;
	if (isnan(temp_c))
		snprintf(buf, TABLE_CELL_MAX, "-");
	else
		snprintf(buf, TABLE_CELL_MAX, "%.0fC", temp_c);
}

/* Rank of what is known of the current sensors, of the unknowns. */
static void
nodes_calib(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	const struct shot_node *n = &s->nodes[row];
	if (isnan(n->calib_rank))
		return;
	snprintf(buf, TABLE_CELL_MAX, "%.0f/%.0f", n->calib_rank, n->calib_unknowns);
	if (n->calib_rank < n->calib_unknowns || n->calib_unknowns < 1)
		*style = STYLE_WARN;
}

static void
nodes_owns(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	snprintf(buf, TABLE_CELL_MAX, "%s", s->nodes[row].owns);
}

static void
nodes_inc(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	if (s->nodes[row].inc)
		snprintf(buf, TABLE_CELL_MAX, "%u", s->nodes[row].inc);
}

static void
nodes_spark(struct canvas *c, const struct area *a, const struct shot *s, size_t row,
            enum style base)
{
	const struct shot_node *n = &s->nodes[row];
	double lo_v = s->head.nominal_v * (1 - NODES_SPARK_SPAN),
	       width_v = 2 * s->head.nominal_v * NODES_SPARK_SPAN;
	int points = a->w < VIEW_SPARK ? a->w : VIEW_SPARK;
	for (int x = 0; x < points; x++) {
		double sum = 0;
		int from = x * VIEW_SPARK / points, to = (x + 1) * VIEW_SPARK / points, seen = 0;
		for (int i = from; i < to; i++) {
			if (isnan(n->spark_v[i]))
				continue;
			sum += n->spark_v[i];
			seen++;
		}
		double level = seen ? (sum / seen - lo_v) / width_v : NAN;
		canvas_put(c, a, x, 0, glyph_spark(c->tier, level),
		           base == STYLE_PLAIN ? STYLE_INFO : base);
	}
}

static enum style
nodes_row_style(const struct shot *s, size_t row)
{
	return s->nodes[row].fresh == FRESH_OK ? STYLE_PLAIN : STYLE_DIM;
}

static const struct table_column columns[] = {
	{ "", 1, true, 0, NULL, nodes_glyph },
	{ "NODE", -4, true, 0, nodes_id, NULL },
	{ "STATE", 8, true, 4, nodes_state, NULL },
	{ "V", 5, false, 1, nodes_v, NULL },
	{ "I+-", 6, false, 2, nodes_i, NULL },
	{ "P+-", 7, false, 3, nodes_p, NULL },
	{ " SoC", 4, true, 7, NULL, nodes_soc },
	{ "", NODES_SOC_BAR, true, 12, NULL, nodes_soc_bar },
	{ "SC V", 6, false, 14, nodes_sc_v, NULL },
	{ "SC P", 7, false, 13, nodes_sc_p, NULL },
	{ "CV", 6, false, 16, nodes_conv_v, NULL },
	{ "CP", 7, false, 15, nodes_conv_p, NULL },
	{ "FEED", 9, false, 5, nodes_feed, NULL },
	{ "LOAD", 6, false, 10, nodes_load, NULL },
	{ "T", 4, false, 9, nodes_temp, NULL },
	{ "OWNS", 8, true, 6, nodes_owns, NULL },
	{ "INC", 3, false, 11, nodes_inc, NULL },
	{ "CAL", 5, false, 13, nodes_calib, NULL },
	{ "V 60 s", 0, true, 8, NULL, nodes_spark },
};

static const struct table table = {
	columns,
	sizeof columns / sizeof *columns,
	nodes_row_style,
	"no node heard yet",
};

void
pane_nodes_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
                bool active)
{
	table_draw(c, a, &table, s, &ui->pane[PANE_NODES], active);
}
