/* One row per module. */
#include <math.h>
#include <stdio.h>

#include "pane.h"
#include "table.h"
#include "words.h"

static void
modules_glyph(struct canvas *c, const struct area *a, const struct shot *s, size_t row,
              enum style base)
{
	(void)base;
	const struct shot_module *m = &s->modules[row];
	canvas_glyph(c, a, 0, 0, pane_state_glyph(m->state), pane_state_style(m->state, m->fresh));
}

static void
modules_id(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	snprintf(buf, TABLE_CELL_MAX, "%s", s->modules[row].id);
}

static void
modules_state(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	const struct shot_module *m = &s->modules[row];
	bool dark = !m->served && m->fresh != FRESH_LOST;
	snprintf(buf, TABLE_CELL_MAX, "%s",
	         dark                  ? "UNSERVED"
	         : m->state == PROC_OK ? "served"
	                               : shot_state_text(m->state));
	*style = dark ? STYLE_BAD : pane_state_style(m->state, m->fresh);
}

static void
modules_owner(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	const struct shot_module *m = &s->modules[row];
	snprintf(buf, TABLE_CELL_MAX, "%s", m->owner_id[0] ? m->owner_id : "-");
}

#define MODULES_NUMBER(name, field, digits)                                                    \
	static void modules_##name(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], \
	                           enum style *style)                                          \
	{                                                                                      \
		(void)style;                                                                   \
		words_number(buf, s->modules[row].field, digits, 0);                           \
	}
MODULES_NUMBER(v_in, v_in_v, 2)
MODULES_NUMBER(v, v_v, 3)
MODULES_NUMBER(epoch, epoch, 0)
MODULES_NUMBER(phase, phase, 0)
MODULES_NUMBER(throughput, throughput, 3)

static void
modules_p(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	words_scaled(buf, s->modules[row].p_w, "W", 0);
}

static void
modules_demand(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	words_scaled(buf, s->modules[row].demand_w, "W", 0);
}

static void
modules_errors(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	double per_op = s->modules[row].errors;
	if (isnan(per_op) || per_op == 0)
		words_number(buf, per_op, 0, 0);
	else
		snprintf(buf, TABLE_CELL_MAX, "%.1e", per_op);
	if (per_op > 0)
		*style = STYLE_WARN;
}

static void
modules_temp(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)style;
	/* Classes without a silicon model report 0. */
	double temp = s->modules[row].temp_degc;
	if (isnan(temp) || temp == 0)
		snprintf(buf, TABLE_CELL_MAX, "-");
	else
		snprintf(buf, TABLE_CELL_MAX, "%.0fC", temp);
}

static enum style
modules_row_style(const struct shot *s, size_t row)
{
	return s->modules[row].fresh == FRESH_OK ? STYLE_PLAIN : STYLE_DIM;
}

static const struct table_column columns[] = {
	{ "", 1, true, 0, NULL, modules_glyph },
	{ "MODULE", -6, true, 0, modules_id, NULL },
	{ "STATE", 8, true, 3, modules_state, NULL },
	{ "ON", -4, true, 2, modules_owner, NULL },
	{ "V_in", 6, false, 1, modules_v_in, NULL },
	{ "V", 6, false, 5, modules_v, NULL },
	{ "P", 6, false, 1, modules_p, NULL },
	{ "DEMAND", 6, false, 6, modules_demand, NULL },
	{ "THRU", 6, false, 4, modules_throughput, NULL },
	{ "ERR/op", 7, false, 8, modules_errors, NULL },
	{ "EPOCH", 5, false, 7, modules_epoch, NULL },
	{ "PHASE", 5, false, 9, modules_phase, NULL },
	{ "T", 4, false, 10, modules_temp, NULL },
};

static const struct table table = {
	columns,
	sizeof columns / sizeof *columns,
	modules_row_style,
	"no module heard yet",
};

void
pane_modules_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
                  bool active)
{
	table_draw(c, a, &table, s, &ui->pane[PANE_MODULES], active);
}
