#include "sankey.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "svg.h"

#define BOX_W 14.0
#define COLUMN_W 210.0
#define LABEL_W 215.0 /* right of the last column */
#define MARGIN 24.0
#define TOP 72.0
#define GAP 16.0
#define FLOWS_H 560.0 /* of the fullest column */
/* Smaller flows and boxes would not show: a fraction of a pixel. */
#define SHOWN 2e-4

/* Room for one more of n; the array moves to *p. */
static int
grow(void **p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return 0;
	size_t more = *cap ? 2 * *cap : 32;
	void *q = realloc(*p, more * size);
	if (!q)
		return ERR_NOMEM;
	*p = q;
	*cap = more;
	return 0;
}

int
sankey_add_box(struct sankey *s, const char *name, const char *class_, unsigned column, size_t *ret,
               struct err *err)
{
	void *p = s->boxes;
	int rc = grow(&p, s->n_boxes, &s->cap_boxes, sizeof *s->boxes);
	s->boxes = p;
	if (rc)
		return err_set(err, rc, "out of memory");
	struct sankey_box *b = &s->boxes[s->n_boxes];
	*b = (struct sankey_box){ .class_ = class_, .column = column };
	snprintf(b->name, sizeof b->name, "%s", name);
	*ret = s->n_boxes++;
	return 0;
}

int
sankey_add_flow(struct sankey *s, size_t from, size_t to, double value, const char *class_,
                struct err *err)
{
	if (!(value > 0))
		return 0;
	void *p = s->flows;
	int rc = grow(&p, s->n_flows, &s->cap_flows, sizeof *s->flows);
	s->flows = p;
	if (rc)
		return err_set(err, rc, "out of memory");
	assert(from < s->n_boxes && to < s->n_boxes);
	assert(s->boxes[from].column < s->boxes[to].column);
	s->flows[s->n_flows++] = (struct sankey_flow){ from, to, value, class_ };
	s->boxes[from].out += value;
	s->boxes[to].in += value;
	return 0;
}

void
sankey_free(struct sankey *s)
{
	free(s->boxes);
	free(s->flows);
	*s = (struct sankey){ 0 };
}

/* ---- places ---------------------------------------------------------------------------------- */

static double
amount(const struct sankey_box *b)
{
	return fmax(b->in, b->out);
}

static unsigned
last_column(const struct sankey *s)
{
	unsigned last = 0;
	for (size_t i = 0; i < s->n_boxes; i++)
		last = s->boxes[i].column > last ? s->boxes[i].column : last;
	return last;
}

/* Boxes of a column by `order`, ties by number, one below the other around the middle. */
static void
stack(struct sankey *s, unsigned column, double scale, size_t *list)
{
	size_t n = 0;
	double h = 0;
	for (size_t i = 0; i < s->n_boxes; i++) {
		struct sankey_box *b = &s->boxes[i];
		if (b->column != column || !(amount(b) > 0))
			continue;
		size_t at = n++;
		for (; at > 0 && s->boxes[list[at - 1]].order > b->order; at--)
			list[at] = list[at - 1];
		list[at] = i;
		b->h = fmax(amount(b) * scale, 1);
		h += b->h + GAP;
	}
	double y = TOP + fmax(0, (FLOWS_H + GAP * 6 - h) / 2);
	for (size_t i = 0; i < n; i++) {
		struct sankey_box *b = &s->boxes[list[i]];
		b->y = y;
		b->x = MARGIN + column * COLUMN_W;
		y += b->h + GAP;
	}
}

/* A box is drawn to the middle of what it is connected to, weighed by amounts. */
static void
pull(struct sankey *s)
{
	for (size_t i = 0; i < s->n_boxes; i++) {
		double sum = 0, weight = 0;
		for (size_t k = 0; k < s->n_flows; k++) {
			const struct sankey_flow *f = &s->flows[k];
			if (f->from != i && f->to != i)
				continue;
			const struct sankey_box *o = &s->boxes[f->from == i ? f->to : f->from];
			sum += f->value * (o->y + o->h / 2);
			weight += f->value;
		}
		if (weight > 0)
			s->boxes[i].order = sum / weight;
	}
}

static double
scale_of(const struct sankey *s)
{
	double most = 0;
	for (unsigned c = 0; c <= last_column(s); c++) {
		double sum = 0;
		for (size_t i = 0; i < s->n_boxes; i++)
			sum += s->boxes[i].column == c ? amount(&s->boxes[i]) : 0;
		most = fmax(most, sum);
	}
	return most > 0 ? FLOWS_H / most : 1;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void
draw_flow(struct sankey *s, FILE *f, const struct sankey_flow *w, double scale)
{
	struct sankey_box *a = &s->boxes[w->from], *b = &s->boxes[w->to];
	double h = w->value * scale, x1 = a->x + BOX_W, x2 = b->x;
	double y1 = a->y + a->used_out, y2 = b->y + b->used_in, m = (x1 + x2) / 2;
	a->used_out += h;
	b->used_in += h;
	fprintf(f,
	        "<path class=\"f %s\" d=\"M%.1f %.2fC%.1f %.2f %.1f %.2f %.1f %.2fL%.1f %.2fC%.1f "
	        "%.2f %.1f %.2f %.1f %.2fZ\"><title>",
	        w->class_, x1, y1, m, y1, m, y2, x2, y2, x2, y2 + h, m, y2 + h, m, y1 + h, x1,
	        y1 + h);
	svg_escaped(f, a->name);
	fputs(" to ", f);
	svg_escaped(f, b->name);
	fprintf(f, ": %.6g</title></path>\n", w->value);
}

static const char *
amount_text(double value, const char *unit, char *buf, size_t size)
{
	if (value >= 1e6)
		snprintf(buf, size, "%.4g M%s", value * 1e-6, unit);
	else if (value >= 1e3)
		snprintf(buf, size, "%.4g k%s", value * 1e-3, unit);
	else
		snprintf(buf, size, "%.4g %s", value, unit);
	return buf;
}

static void
draw_box(const struct sankey_box *b, FILE *f, const char *unit, double whole)
{
	char text[48];
	if (amount(b) < SHOWN * whole)
		return;
	fprintf(f,
	        "<rect class=\"b %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
	        "rx=\"2\"/>\n",
	        b->class_, b->x, b->y, BOX_W, b->h);
	double x = b->x + BOX_W + 6, y = b->y + b->h / 2;
	amount_text(amount(b), unit, text, sizeof text);
	if (b->h >= 26) {
		svg_text(f, x, y - 2, SVG_START, "h", "%s", b->name);
		svg_text(f, x, y + 12, SVG_START, "s", "%s, %.3g %%", text,
		         100 * amount(b) / whole);
		return;
	}
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\"><tspan class=\"h\">", x, y + 4);
	svg_escaped(f, b->name);
	fprintf(f, "</tspan><tspan class=\"s\" dx=\"6\">%s</tspan></text>\n", text);
}

/* Flows leave and enter a box in the order of where they go and come from. */
static int
by_places(const struct sankey *s, size_t p, size_t q)
{
	const struct sankey_flow *a = &s->flows[p], *b = &s->flows[q];
	double ya = s->boxes[a->from].y, yb = s->boxes[b->from].y;
	if (ya != yb)
		return ya < yb ? -1 : 1;
	ya = s->boxes[a->to].y;
	yb = s->boxes[b->to].y;
	return ya < yb ? -1 : ya > yb;
}

void
sankey_svg(struct sankey *s, FILE *f, const char *title, const char *line, const char *unit,
           double whole)
{
	const int rounds = 12;
	size_t *list = calloc(s->n_boxes + s->n_flows + 1, sizeof *list);
	double scale = scale_of(s), bottom = 0;
	unsigned last = last_column(s);
	if (!list)
		return;
	for (size_t i = 0; i < s->n_boxes; i++)
		s->boxes[i].order = (double)i;
	for (int r = 0; r <= rounds; r++) {
		for (unsigned c = 0; c <= last; c++)
			stack(s, c, scale, list);
		if (r < rounds)
			pull(s);
	}
	for (size_t i = 0; i < s->n_boxes; i++)
		bottom = fmax(bottom, s->boxes[i].y + s->boxes[i].h);
	svg_begin(f, 2 * MARGIN + last * COLUMN_W + BOX_W + LABEL_W, bottom + MARGIN, title);
	svg_text(f, MARGIN, 34, SVG_START, "t", "%s", title);
	svg_text(f, MARGIN, 53, SVG_START, "s", "%s", line);
	for (size_t i = 0; i < s->n_flows; i++) {
		size_t at = i;
		for (; at > 0 && by_places(s, list[at - 1], i) > 0; at--)
			list[at] = list[at - 1];
		list[at] = i;
	}
	for (size_t i = 0; i < s->n_flows; i++)
		if (s->flows[list[i]].value >= SHOWN * whole)
			draw_flow(s, f, &s->flows[list[i]], scale);
	fputs("<g class=\"halo\">\n", f);
	for (size_t i = 0; i < s->n_boxes; i++)
		if (amount(&s->boxes[i]) > 0)
			draw_box(&s->boxes[i], f, unit, whole);
	fputs("</g>\n", f);
	svg_end(f);
	free(list);
}
