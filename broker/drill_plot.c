#include "drill_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drill_result.h"

enum { TOP = 8, BOTTOM = 24, HEIGHT = 210, TICKS = 6 };
enum { AHEAD_FRAMES = 8, WORDS_LINE = 8 /* of 8 bytes, in a cache line */ };
enum { NEAR = 3 }; /* a bound further off than this, in ranges of the data, is only named */

/* ---- columns ----------------------------------------------------------------------------------
 */

static void
scan_life(const struct rec_file *f, int64_t last, struct plot_series **s,
          const struct plot_source **from, size_t n)
{
	size_t words;
	rec_file_fields(f, &words);
	for (int64_t k = rec_file_first_k(f); k <= rec_file_last_k(f); k++) {
		const union rec_word *w = rec_file_frame(f, k);
		size_t c = (size_t)(k * PLOT_COLUMNS / (last + 1));
		/* Too far apart for the processor to foresee. */
		for (size_t b = 0; w && b < words; b += WORDS_LINE)
			__builtin_prefetch(w + AHEAD_FRAMES * words + b);
		for (size_t i = 0; w && i < n; i++) {
			double a = from[i]->sign * w[from[i]->lo].f,
			       b = from[i]->sign * w[from[i]->hi].f;
			double lo = a < b ? a : b, hi = a < b ? b : a;
			if (!(s[i]->lo[c] <= lo))
				s[i]->lo[c] = lo;
			if (!(s[i]->hi[c] >= hi))
				s[i]->hi[c] = hi;
		}
	}
}

static void
scan_proc(const struct runview *v, size_t proc, struct plot_series *all, size_t n, int pass,
          struct plot_series **s, const struct plot_source **from)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i].from[pass].proc != (int)proc)
			continue;
		s[m] = &all[i];
		from[m++] = &all[i].from[pass];
	}
	for (size_t l = 0; m && l < runview_n_lives(v, proc); l++)
		scan_life(runview_life(v, proc, l), runview_last_k(v), s, from, m);
}

/* The other end counts only where the first was dead all the time. */
static void
fill_gaps(struct plot_series *s, const struct plot_series *other)
{
	for (int c = 0; c < PLOT_COLUMNS; c++)
		if (isnan(s->lo[c])) {
			s->lo[c] = other->lo[c];
			s->hi[c] = other->hi[c];
		}
}

static void
clear(struct plot_series *s)
{
	for (int c = 0; c < PLOT_COLUMNS; c++)
		s->lo[c] = s->hi[c] = NAN;
}

void
plot_scan(const struct runview *v, struct plot_series *all, size_t n)
{
	struct plot_series **s = calloc(n ? n : 1, sizeof *s),
			   *second = calloc(n ? n : 1, sizeof *second);
	const struct plot_source **from = calloc(n ? n : 1, sizeof *from);
	for (size_t i = 0; i < n; i++)
		clear(&all[i]);
	for (size_t p = 0; s && from && second && p < runview_n_procs(v); p++)
		scan_proc(v, p, all, n, 0, s, from);
	for (size_t i = 0; second && i < n; i++) {
		second[i] = all[i];
		clear(&second[i]);
	}
	for (size_t p = 0; s && from && second && p < runview_n_procs(v); p++)
		scan_proc(v, p, second, n, 1, s, from);
	for (size_t i = 0; i < n; i++) {
		if (second)
			fill_gaps(&all[i], &second[i]);
		all[i].least = INFINITY;
		all[i].greatest = -INFINITY;
		for (int c = 0; c < PLOT_COLUMNS; c++) {
			all[i].least = fmin(all[i].least, all[i].lo[c]);
			all[i].greatest = fmax(all[i].greatest, all[i].hi[c]);
		}
	}
	free(s);
	free(second);
	free(from);
}

/* ---- axes -------------------------------------------------------------------------------------
 */

double
plot_x(const struct runview *v, int64_t k)
{
	return PLOT_LEFT +
	       (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT) * (double)k / (double)(runview_last_k(v) + 1);
}

/* The least of 1, 2, 5 times a power of ten with at most `most` steps over the range. */
static double
nice_step(double range, int most)
{
	double p = pow(10, floor(log10(range / most)));
	static const double factors[] = { 1, 2, 5, 10 };
	for (int i = 0; i < 4; i++)
		if (range / (p * factors[i]) <= most)
			return p * factors[i];
	return p * 10;
}

void
plot_time_axis(const struct runview *v, double top, double bottom, FILE *f)
{
	double step_s = topo_step_s(runview_topo(v)), end = (double)runview_last_k(v) * step_s;
	double step = nice_step(end > 0 ? end : 1, 8);
	for (int i = 0; i * step <= end * (1 + 1e-9); i++) {
		double x = plot_x(v, (int64_t)(i * step / step_s + 0.5));
		fprintf(f,
		        "<path class=g d=\"M%.1f %.1fV%.1f\"/><text class=t x=%.1f "
		        "y=%.1f>%.6g%s</text>\n",
		        x, top, bottom, x, bottom + 15, i * step, i ? "" : " s");
	}
}

struct scale {
	double lo, hi, top, bottom;
};

static double
y_of(const struct scale *s, double v)
{
	double y = s->bottom - (s->bottom - s->top) * (v - s->lo) / (s->hi - s->lo);
	return fmin(fmax(y, s->top), s->bottom);
}

/* The data, and the bounds that are not far from it. */
static struct scale
scale_of(const struct plot *p)
{
	struct scale s = { INFINITY, -INFINITY, TOP, HEIGHT - BOTTOM };
	for (size_t i = 0; i < p->n_series; i++) {
		s.lo = fmin(s.lo, p->series[i].least);
		s.hi = fmax(s.hi, p->series[i].greatest);
	}
	if (!(s.lo <= s.hi))
		s.lo = s.hi = 0;
	double near = NEAR * (s.hi - s.lo) + 1e-9, lo = s.lo, hi = s.hi;
	for (size_t i = 0; i < p->n_bounds; i++) {
		if (p->bounds[i].lo >= lo - near)
			s.lo = fmin(s.lo, p->bounds[i].lo);
		if (p->bounds[i].hi <= hi + near)
			s.hi = fmax(s.hi, p->bounds[i].hi);
	}
	double pad = s.hi > s.lo ? 0.06 * (s.hi - s.lo) : fmax(fabs(s.hi) * 0.05, 0.5);
	s.lo -= pad;
	s.hi += pad;
	return s;
}

static void
write_values(const struct scale *s, FILE *f)
{
	double step = nice_step(s->hi - s->lo, TICKS);
	for (double i = ceil(s->lo / step); i * step <= s->hi; i++) {
		double v = i * step, y = y_of(s, v);
		if (fabs(v) < step / 2)
			v = 0;
		fprintf(f,
		        "<path class=g d=\"M%d %.1fH%d\"/><text class=v x=%d y=%.1f>%.6g</text>\n",
		        PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, PLOT_LEFT - 6, y + 4, v);
	}
}

static void
write_bounds(const struct plot *p, const struct scale *s, FILE *f)
{
	for (size_t i = 0; i < p->n_bounds; i++) {
		const struct plot_bound *b = &p->bounds[i];
		double x = plot_x(p->view, b->from_k), w = plot_x(p->view, b->to_k) - x;
		if (!(w >= 1))
			w = 1;
		if (b->hi < s->hi) {
			double y = y_of(s, b->hi);
			fprintf(f,
			        "<rect class=b x=%.1f y=%.1f width=%.1f height=%.1f />"
			        "<path class=l d=\"M%.1f %.1fh%.1f\"/>\n",
			        x, s->top, w, y - s->top, x, y, w);
		}
		if (b->lo > s->lo) {
			double y = y_of(s, b->lo);
			fprintf(f,
			        "<rect class=b x=%.1f y=%.1f width=%.1f height=%.1f />"
			        "<path class=l d=\"M%.1f %.1fh%.1f\"/>\n",
			        x, y, w, s->bottom - y, x, y, w);
		}
	}
}

/* What lies outside the picture; each value once. */
static void
write_far_bounds(const struct plot *p, const struct scale *s, FILE *f)
{
	for (size_t i = 0; i < 2 * p->n_bounds; i++) {
		bool high = i % 2;
		const struct plot_bound *b = &p->bounds[i / 2];
		double v = high ? b->hi : b->lo;
		bool seen = isnan(v) || (v >= s->lo && v <= s->hi);
		for (size_t j = high; !seen && j < i; j += 2)
			seen = (high ? p->bounds[j / 2].hi : p->bounds[j / 2].lo) == v;
		if (!seen)
			fprintf(f, "<span>bound %s %.6g</span> ", high ? "&lt;=" : "&gt;=", v);
	}
}

static void
write_series(const struct plot_series *r, size_t colour, const struct scale *s, FILE *f)
{
	const double wide = (double)(PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT) / PLOT_COLUMNS;
	bool pen = false;
	fprintf(f, "<path class=\"s c%zu\" d=\"", colour);
	for (int c = 0; c < PLOT_COLUMNS; c++) {
		if (isnan(r->lo[c])) {
			pen = false;
			continue;
		}
		double x = PLOT_LEFT + (c + 0.5) * wide, a = y_of(s, r->lo[c]),
		       b = y_of(s, r->hi[c]);
		fprintf(f, "%c%.1f %.1f", pen ? 'L' : 'M', x, a);
		if (fabs(a - b) >= 0.1)
			fprintf(f, "V%.1f", b);
		else if (!pen)
			fputs("h.1", f);
		pen = true;
	}
	fputs("\"/>\n", f);
}

void
plot_write(const struct plot *p, FILE *f)
{
	struct scale s = scale_of(p);
	fputs("<section><h2>", f);
	drill_xml_text(f, p->title);
	fprintf(f,
	        " <small>%s</small></h2>\n<div class=w><svg viewBox=\"0 0 %d %d\" role=img "
	        "aria-label=\"",
	        p->unit, PLOT_WIDTH, HEIGHT);
	drill_xml_text(f, p->title);
	fputs("\">\n", f);
	write_bounds(p, &s, f);
	write_values(&s, f);
	plot_time_axis(p->view, s.top, s.bottom, f);
	for (size_t i = 0; i < p->n_marks; i++)
		fprintf(f, "<path class=m d=\"M%.1f %.1fV%.1f\"/>\n",
		        plot_x(p->view, p->marks[i].k), s.top, s.bottom);
	for (size_t i = 0; i < p->n_series; i++)
		write_series(&p->series[i], i % PLOT_SERIES_MAX, &s, f);
	fputs("</svg></div>\n<p class=k>", f);
	write_far_bounds(p, &s, f);
	for (size_t i = 0; i < p->n_series; i++) {
		fprintf(f, "<span><i class=\"c%zu\"></i>", i % PLOT_SERIES_MAX);
		drill_xml_text(f, p->series[i].name);
		fputs("</span> ", f);
	}
	if (p->note) {
		fputs("<em>", f);
		drill_xml_text(f, p->note);
		fputs("</em>", f);
	}
	fputs("</p></section>\n", f);
}
