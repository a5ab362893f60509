/* Which rows a pane shows, in which order: filter and sort of input.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

/* Negative: row i comes before row j. */
typedef double (*arrange_less)(const struct shot *, uint32_t i, uint32_t j);

static double
descending(double a, double b)
{
	/* NaN last */
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return b - a;
}

static double
node_name(const struct shot *s, uint32_t i, uint32_t j)
{
	return strverscmp(s->nodes[i].id, s->nodes[j].id);
}

static double
node_v(const struct shot *s, uint32_t i, uint32_t j)
{
	return -descending(s->nodes[i].v_v, s->nodes[j].v_v);
}

static double
node_p(const struct shot *s, uint32_t i, uint32_t j)
{
	return descending(s->nodes[i].p_w, s->nodes[j].p_w);
}

static double
node_loading(const struct shot *s, uint32_t i, uint32_t j)
{
	return descending(s->nodes[i].loading, s->nodes[j].loading);
}

static double
node_state(const struct shot *s, uint32_t i, uint32_t j)
{
	return (double)s->nodes[j].state - s->nodes[i].state;
}

static double
link_name(const struct shot *s, uint32_t i, uint32_t j)
{
	return strverscmp(s->links[i].id, s->links[j].id);
}

static double
link_i(const struct shot *s, uint32_t i, uint32_t j)
{
	return descending(fabs(s->links[i].i_a), fabs(s->links[j].i_a));
}

static double
link_state(const struct shot *s, uint32_t i, uint32_t j)
{
	return s->links[i].state - s->links[j].state;
}

static double
module_name(const struct shot *s, uint32_t i, uint32_t j)
{
	return strverscmp(s->modules[i].id, s->modules[j].id);
}

static double
module_p(const struct shot *s, uint32_t i, uint32_t j)
{
	return descending(s->modules[i].p_w, s->modules[j].p_w);
}

static double
module_owner(const struct shot *s, uint32_t i, uint32_t j)
{
	return strverscmp(s->modules[i].owner_id, s->modules[j].owner_id);
}

static double
module_served(const struct shot *s, uint32_t i, uint32_t j)
{
	return s->modules[i].served - s->modules[j].served;
}

enum { SORTS_MAX = 6 };
static const struct {
	const char *name;
	arrange_less less; /* NULL: the order of the topology file, or of arrival */
} sorts[PANE_END_][SORTS_MAX] = {
	[PANE_NODES] = { { "file", NULL },
	                 { "name", node_name },
	                 { "V", node_v },
	                 { "P", node_p },
	                 { "feed", node_loading },
	                 { "state", node_state } },
	[PANE_LINKS] = { { "file", NULL },
	                 { "name", link_name },
	                 { "|I|", link_i },
	                 { "state", link_state } },
	[PANE_MODULES] = { { "file", NULL },
	                   { "name", module_name },
	                   { "P", module_p },
	                   { "owner", module_owner },
	                   { "served", module_served } },
	[PANE_EVENTS] = { { "time", NULL } },
	[PANE_BUS] = { { "", NULL } },
	[PANE_MAP] = { { "", NULL } },
};

static unsigned
arrange_sort(const struct ui *ui, enum pane_id p)
{
	unsigned n = 0;
	while (n < SORTS_MAX && sorts[p][n].name)
		n++;
	return ui->pane[p].sort % n;
}

const char *
ui_sort_name(const struct ui *ui, enum pane_id p)
{
	return sorts[p][arrange_sort(ui, p)].name;
}

static bool
arrange_shows(const struct shot *s, enum pane_id p, size_t i, const char *filter)
{
	if (!filter[0])
		return true;
	switch (p) {
	case PANE_NODES:
		return strstr(s->nodes[i].id, filter) ||
		       strstr(shot_state_text(s->nodes[i].state), filter);
	case PANE_LINKS:
		return strstr(s->links[i].id, filter) || strstr(s->links[i].a_id, filter) ||
		       strstr(s->links[i].b_id, filter);
	case PANE_MODULES:
		return strstr(s->modules[i].id, filter) || strstr(s->modules[i].owner_id, filter) ||
		       strstr(shot_state_text(s->modules[i].state), filter);
	case PANE_EVENTS:
		return strstr(s->events[i].proc, filter) || strstr(s->events[i].what, filter) ||
		       strstr(s->events[i].text, filter);
	default:
		return true;
	}
}

/* Merge sort: stable, so that rows that compare equal never jump. */
static void
arrange_merge(const struct shot *s, uint32_t *v, uint32_t *tmp, size_t n, arrange_less less)
{
	if (n < 2)
		return;
	size_t half = n / 2, a = 0, b = half, o = 0;
	arrange_merge(s, v, tmp, half, less);
	arrange_merge(s, v + half, tmp, n - half, less);
	while (a < half || b < n)
		tmp[o++] = b >= n || (a < half && !(less(s, v[b], v[a]) < 0)) ? v[a++] : v[b++];
	memcpy(v, tmp, n * sizeof *v);
}

static int
arrange_pane(struct ui *ui, const struct shot *s, enum pane_id p, size_t n, struct err *err)
{
	struct ui_pane *pane = &ui->pane[p];
	struct ui_rows *rows = &pane->rows;
	if (2 * n > rows->cap) { /* the second half is for merging */
		uint32_t *index = realloc(rows->index, 2 * n * sizeof *index);
		if (!index)
			return err_set(err, ERR_NOMEM, "out of memory");
		rows->index = index;
		rows->cap = 2 * n;
	}
	rows->n = 0;
	for (size_t i = 0; i < n; i++)
		if (arrange_shows(s, p, i, pane->filter))
			rows->index[rows->n++] = (uint32_t)i;
	arrange_less less = sorts[p][arrange_sort(ui, p)].less;
	if (less)
		arrange_merge(s, rows->index, rows->index + n, rows->n, less);
	if (pane->cursor >= rows->n)
		pane->cursor = rows->n ? rows->n - 1 : 0;
	return 0;
}

int
ui_arrange(struct ui *ui, const struct shot *s, struct err *err)
{
	const size_t n[PANE_END_] = {
		[PANE_NODES] = s->n_nodes,
		[PANE_LINKS] = s->n_links,
		[PANE_MODULES] = s->n_modules,
		[PANE_EVENTS] = s->n_events,
	};
	for (int p = 0; p < PANE_END_; p++) {
		int rc = arrange_pane(ui, s, (enum pane_id)p, n[p], err);
		if (rc)
			return rc;
	}
	if (ui->tail && ui->pane[PANE_EVENTS].rows.n)
		ui->pane[PANE_EVENTS].cursor = ui->pane[PANE_EVENTS].rows.n - 1;
	return 0;
}
