#include "drill_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "drill_plot.h"
#include "events.h"

enum { EVENTS_SHOWN = 200, MARKS_MAX = 200, BOUNDS_MAX = 64 };

struct page {
	const struct drill_run *r;
	const struct runview *view;
	const struct topo *t;
	FILE *f;
	size_t n_marks;
	struct plot_mark marks[MARKS_MAX];
	struct err *err;
};

/* ---- head -------------------------------------------------------------------------------------
 */

static const char style[] =
	":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d5dbe1;"
	"--soft:#f4f6f8;--bad:#b3261e;--good:#156f3b;--warn:#8a5a00;--shade:#d1344a2e;"
	"--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a8487f;--c4:#8a6d00;--c5:#2c8fc4;--c6:#"
	"5b4db1;"
	"--c7:#4d4d4d}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e4e8ec;--dim:#9aa5b1;"
	"--line:#333b44;--soft:#1c2229;--bad:#ff8a80;--good:#6fd39a;--warn:#f2c14e;"
	"--shade:#ff5c6c38;--c0:#56b4e9;--c1:#ff9d5c;--c2:#3ecfa4;--c3:#e79ac7;--c4:#f0e442;"
	"--c5:#9fd4f5;--c6:#b3a8ff;--c7:#c9d1d9}}\n"
	"@media "
	"print{:root{color-scheme:light;--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#fff;"
	"--bad:#900;--good:#060;--warn:#640;--shade:#d1344a2e;--c0:#0072b2;--c1:#d55e00;--c2:#"
	"009e73;"
	"--c3:#a8487f;--c4:#8a6d00;--c5:#2c8fc4;--c6:#5b4db1;--c7:#4d4d4d}section{break-inside:"
	"avoid}"
	"svg{min-width:0!important}body{max-width:none}}\n"
	"*{box-sizing:border-box}body{margin:0 "
	"auto;padding:1rem;max-width:60rem;background:var(--bg);"
	"color:var(--fg);font:15px/1.45 system-ui,sans-serif}h1{font-size:1.4rem;margin:.2rem 0}"
	"h2{font-size:1.05rem;margin:1.4rem 0 .3rem}small{color:var(--dim);font-weight:400}"
	"p{margin:.3rem "
	"0}.w{overflow-x:auto}svg{display:block;width:100%;min-width:36rem;height:auto;"
	"font:12px system-ui,sans-serif}svg text{fill:var(--dim)}svg "
	".n{fill:var(--fg)}.t{text-anchor:"
	"middle}.v{text-anchor:end}.g{stroke:var(--line);stroke-width:.7;fill:none}"
	".s{fill:none;stroke-width:1.3;stroke-linejoin:round}.b{fill:var(--shade)}.l{stroke:var(--"
	"bad);"
	"stroke-width:1;stroke-dasharray:5 3;fill:none}.m{stroke:var(--fg);stroke-width:.8;"
	"stroke-dasharray:2 3;fill:none;opacity:.65}\n"
	".c0{stroke:var(--c0);--k:var(--c0)}.c1{stroke:var(--c1);--k:var(--c1)}.c2{stroke:var(--c2)"
	";"
	"--k:var(--c2)}.c3{stroke:var(--c3);--k:var(--c3)}.c4{stroke:var(--c4);--k:var(--c4)}"
	".c5{stroke:var(--c5);--k:var(--c5)}.c6{stroke:var(--c6);--k:var(--c6)}.c7{stroke:var(--c7)"
	";"
	"--k:var(--c7)}.k{color:var(--dim);font-size:.85rem}.k span{margin-right:.8rem;"
	"white-space:nowrap}.k i{display:inline-block;width:1.1em;height:.28em;margin-right:.35em;"
	"vertical-align:middle;background:var(--k)}\n"
	"table{border-collapse:collapse;width:100%;font-size:.88rem}td,th{text-align:left;padding:."
	"25rem "
	".5rem;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--dim);"
	"font-weight:500}td.r{text-align:right;font-variant-numeric:tabular-nums;white-space:"
	"nowrap}"
	"code,pre{font:12.5px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}pre{background:"
	"var(--soft);padding:.5rem .7rem;white-space:pre-wrap;margin:.4rem "
	"0}.pass{color:var(--good)}"
	".fail,.aborted,.error{color:var(--bad)}.inconclusive{color:var(--warn)}b.verdict{font-"
	"size:"
	"1.1rem;text-transform:uppercase;letter-spacing:.03em}.on{fill:var(--c2)}.off{fill:var(--"
	"bad)}"
	".bar{fill:var(--c1);opacity:.8}\n"
	"@media(max-width:40rem){.e tr{display:block;padding:.4rem 0;border-bottom:1px solid "
	"var(--line)}"
	".e td{display:inline-block;border:0;padding:0 .6rem .1rem 0}.e "
	"tr:first-child{display:none}"
	".e td:nth-child(n+4){display:block}}\n";

static void
text(struct page *p, const char *s)
{
	drill_xml_text(p->f, s);
}

static void
write_head(struct page *p)
{
	const struct drill_run *r = p->r;
	char title[400], line[1024];
	drill_title(r, false, title, sizeof title);
	fputs("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
	      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>",
	      p->f);
	text(p, title);
	fprintf(p->f, ": %s</title>\n<style>\n%s</style></head>\n<body>\n<h1>",
	        drill_verdict_name(r->verdict), style);
	text(p, title);
	fprintf(p->f, "</h1>\n<p><b class=\"verdict %s\">%s</b> on mesh ",
	        drill_verdict_name(r->verdict), drill_verdict_name(r->verdict));
	text(p, p->t->name);
	fprintf(p->f,
	        ": %zu nodes, %zu links, %zu modules; %.9g s of plant time in steps of %.6g us; "
	        "seed <b>%" PRIu64 "</b></p>\n<pre>",
	        p->t->n_nodes, p->t->n_links, p->t->n_modules, (double)r->script->end_ns / 1e9,
	        (double)p->t->step_ns / 1e3, r->seed);
	drill_reproduce(r, line, sizeof line);
	text(p, line);
	fprintf(p->f, "</pre>\n<p class=k>trace <code>%s</code></p>\n", r->outcome->summary.trace);
}

/* ---- expectations -----------------------------------------------------------------------------
 */

static void
write_expectations(struct page *p)
{
	const struct drill_outcome *o = p->r->outcome;
	fputs("<section><h2>Expectations</h2>\n<div class=w><table "
	      "class=e><tr><th>verdict<th>name<th>operator"
	      "<th>expected<th>observed</tr>\n",
	      p->f);
	for (size_t i = 0; i < o->n_items; i++) {
		const struct drill_item *it = &o->items[i];
		const char *v = drill_verdict_name(it->verdict);
		fprintf(p->f, "<tr><td class=%s>%s<td>", v, v);
		text(p, it->id);
		fputs("<td>", p->f);
		text(p, it->op);
		fputs("<td><code>", p->f);
		text(p, it->check ? it->check->text : expr_text(it->expr));
		fputs("</code><td>", p->f);
		text(p, it->text);
		fputs("</tr>\n", p->f);
	}
	fputs("</table></div></section>\n", p->f);
}

/* ---- timeline ---------------------------------------------------------------------------------
 */

static bool
ends(const struct script_action *a, const struct script_action *b)
{
	if (a->target_kind != b->target_kind || a->target != b->target || b->k <= a->k)
		return false;
	enum action_rule rule = action_table[a->kind].rule;
	switch (rule) {
	case RULE_END_LIFE:
		return action_table[b->kind].rule == RULE_BEGIN_LIFE;
	case RULE_LINK:
		return b->kind == SCRIPT_HEAL || b->kind == SCRIPT_CLOSE;
	case RULE_LEVEL:
		return b->kind == a->kind;
	case RULE_FAULT:
		return (b->kind == a->kind && b->ends) ||
		       action_table[b->kind].rule == RULE_END_LIFE;
	case RULE_PLUG:
		return b->kind == (a->kind == SCRIPT_PLUG ? SCRIPT_UNPLUG : SCRIPT_PLUG);
	case RULE_BEGIN_LIFE:
	case RULE_RELAY:
		break;
	}
	return false;
}

/* The step in which the effect of an action ends; its own for what only ends something. */
static int64_t
end_of(const struct page *p, size_t i)
{
	const struct script *s = p->r->script;
	const struct script_action *a = &s->actions[i];
	const struct action *r = &action_table[a->kind];
	if (r->rule == RULE_BEGIN_LIFE || r->rule == RULE_RELAY || a->kind == SCRIPT_HEAL ||
	    a->kind == SCRIPT_CLOSE || a->ends)
		return a->k;
	int64_t last = runview_last_k(p->view);
	if (r->rule == RULE_FAULT && !r->undo && !isnan(a->for_s))
		last = a->k + (int64_t)ceil(a->for_s / topo_step_s(p->t));
	for (size_t j = i + 1; j < s->n && s->actions[j].k < last; j++)
		if (ends(a, &s->actions[j]))
			return s->actions[j].k;
	return last;
}

static void
write_timeline(struct page *p)
{
	enum { ROW = 22, TOP = 6 };
	const struct script *s = p->r->script;
	if (s->n == 0)
		return;
	double bottom = TOP + (double)(ROW * s->n);
	fprintf(p->f,
	        "<section><h2>Faults <small>%zu of %zu proved</small></h2>\n<div class=w><svg "
	        "viewBox=\"0 0 %d %.0f\" role=img aria-label=\"fault timeline\">\n",
	        p->r->outcome->n_proved, p->r->outcome->n_faults, PLOT_WIDTH, bottom + 22);
	plot_time_axis(p->view, TOP, bottom, p->f);
	for (size_t i = 0; i < s->n; i++) {
		const struct script_action *a = &s->actions[i];
		double x = plot_x(p->view, a->k), w = plot_x(p->view, end_of(p, i)) - x;
		double y = TOP + (double)(ROW * i), width = w > 2 ? w : 2;
		char label[160];
		const struct drill_fault *fault = &p->r->outcome->faults[i];
		snprintf(label, sizeof label, "%s %s (%s)%s%.60s%s", script_action_name(a->kind),
		         drill_target(p->t, a), a->id, fault->when ? " when " : "",
		         fault->when ? fault->when : "", fault->proved ? "" : " not proved");
		bool left = x > 0.7 * PLOT_WIDTH;
		fprintf(p->f,
		        "<rect class=bar x=%.1f y=%.1f width=%.1f height=7 rx=1 /><text "
		        "class=\"n%s\" "
		        "x=%.1f y=%.1f>",
		        x, y + 14, width, left ? " v" : "", left ? x + width : x, y + 11);
		text(p, label);
		fputs("</text>\n", p->f);
	}
	fputs("</svg></div></section>\n", p->f);
}

/* ---- curves -----------------------------------------------------------------------------------
 */

static size_t
find_bounds(const struct page *p, const char *prefix, const char *suffix, struct plot_bound *b)
{
	const struct drill_outcome *o = p->r->outcome;
	size_t n = 0;
	for (size_t i = 0; i < o->n_items && n < BOUNDS_MAX; i++) {
		const struct drill_item *it = &o->items[i];
		bool check = it->kind == ITEM_CHECK && it->expr &&
		             (it->check->kind == DRILL_ALWAYS || it->check->kind == DRILL_NEVER);
		bool negated = it->kind == ITEM_ABORT || (check && it->check->kind == DRILL_NEVER);
		if (!it->expr || (it->kind == ITEM_CHECK && !check) || it->to_k < it->from_k)
			continue;
		if (expr_bounds(it->expr, negated, prefix, suffix, &b[n].lo, &b[n].hi)) {
			b[n].from_k = it->from_k;
			b[n++].to_k = it->to_k;
		}
	}
	return n;
}

/* The curves that say most: the widest apart from each other. Keeps the order of the topology. */
static size_t
choose(struct plot_series *s, size_t n)
{
	while (n > PLOT_SERIES_MAX) {
		size_t dull = 0;
		for (size_t i = 1; i < n; i++)
			if (s[i].greatest - s[i].least < s[dull].greatest - s[dull].least)
				dull = i;
		memmove(s + dull, s + dull + 1, (n - dull - 1) * sizeof *s);
		n--;
	}
	return n;
}

static void
write_curves(struct page *p, const char *title, const char *unit, const char *prefix,
             const char *suffix, struct plot_series *s, size_t n)
{
	struct plot_bound bounds[BOUNDS_MAX];
	char note[120] = "";
	if (n == 0)
		return;
	size_t shown = choose(s, n);
	if (shown < n)
		snprintf(note, sizeof note, "the %zu of %zu that moved most", shown, n);
	struct plot plot = { .title = title,
		             .unit = unit,
		             .note = note[0] ? note : NULL,
		             .view = p->view,
		             .n_series = shown,
		             .series = s,
		             .n_bounds = find_bounds(p, prefix, suffix, bounds),
		             .bounds = bounds,
		             .n_marks = p->n_marks,
		             .marks = p->marks };
	plot_write(&plot, p->f);
}

static void
node_curve(const struct page *p, struct plot_series *s, size_t node, const char *lo, const char *hi)
{
	*s = (struct plot_series){ .from = { { (int)node, runview_field(p->view, node, lo),
		                               runview_field(p->view, node, hi), 1 },
		                             { .proc = -1 } } };
	snprintf(s->name, sizeof s->name, "%s", p->t->nodes[node].id);
}

static void
link_curve(const struct page *p, struct plot_series *s, size_t link)
{
	const struct topo_link *l = &p->t->links[link];
	char field[80];
	snprintf(field, sizeof field, "link.%s.i", l->id);
	int a = runview_field(p->view, l->a, field), b = runview_field(p->view, l->b, field);
	*s = (struct plot_series){ .from = { { (int)l->a, a, a, 1 }, { (int)l->b, b, b, -1 } } };
	snprintf(s->name, sizeof s->name, "%.12s %.12s-%.12s", l->id, p->t->nodes[l->a].id,
	         p->t->nodes[l->b].id);
}

static int
write_all_curves(struct page *p)
{
	const struct topo *t = p->t;
	size_t n = 4 * t->n_nodes + t->n_links, feeds = 0, stores = 0;
	struct plot_series *s = calloc(n, sizeof *s);
	if (!s)
		return err_set(p->err, ERR_NOMEM, "report: out of memory");
	struct plot_series *links = s + t->n_nodes, *feed = links + t->n_links;
	for (size_t i = 0; i < t->n_nodes; i++)
		node_curve(p, &s[i], i, "v_min", "v_max");
	for (size_t i = 0; i < t->n_links; i++)
		link_curve(p, &links[i], i);
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			node_curve(p, &feed[feeds++], i, "loading", "loading");
	struct plot_series *store = feed + feeds;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_store)
			node_curve(p, &store[stores++], i, "sc_soc", "sc_soc");
	struct plot_series *give = store + stores;
	stores = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_store)
			node_curve(p, &give[stores++], i, "sc_p", "sc_p");
	plot_scan(p->view, s, t->n_nodes + t->n_links + feeds + 2 * stores);
	write_curves(p, "Bus voltages", "V", "node.", ".v", s, t->n_nodes);
	write_curves(p, "Link currents", "A, positive from the first end to the second", "link.",
	             ".i", links, t->n_links);
	write_curves(p, "Feed loading", "of the rating", "feed.", ".loading", feed, feeds);
	write_curves(p, "Charge of supercapacitors behind converters", "of the usable energy",
	             "sc.", ".soc", store, stores);
	write_curves(p, "Their power", "W, positive into the bus", "sc.", ".p", give, stores);
	free(s);
	return 0;
}

/* ---- modules ----------------------------------------------------------------------------------
 */

static void
put_service(struct page *p, double y, int64_t from, int64_t to, double served)
{
	double x = plot_x(p->view, from), w = plot_x(p->view, to) - x;
	if (isnan(served))
		return;
	fprintf(p->f, "<rect class=%s x=%.1f y=%.1f width=%.2f height=9 />",
	        served != 0 ? "on" : "off", x, y, w > 0.5 ? w : 0.5);
}

static void
write_service_row(struct page *p, size_t proc, double y)
{
	int field = runview_field(p->view, proc, "served");
	for (size_t l = 0; field >= 0 && l < runview_n_lives(p->view, proc); l++) {
		const struct rec_file *life = runview_life(p->view, proc, l);
		int64_t from = rec_file_first_k(life), last = rec_file_last_k(life);
		double now = NAN;
		for (int64_t k = from; k <= last; k++) {
			const union rec_word *w = rec_file_frame(life, k);
			double v = w ? w[field].f : NAN;
			if (v == now || (isnan(v) && isnan(now)))
				continue;
			put_service(p, y, from, k, now);
			from = k;
			now = v;
		}
		put_service(p, y, from, last + 1, now);
	}
	fputs("\n", p->f);
}

static void
write_service(struct page *p)
{
	enum { ROW = 16, TOP = 6 };
	const struct topo *t = p->t;
	if (t->n_modules == 0)
		return;
	double bottom = TOP + (double)(ROW * t->n_modules);
	fprintf(p->f,
	        "<section><h2>Module service <small>served, not served, or (blank) "
	        "dead</small></h2>\n"
	        "<div class=w><svg viewBox=\"0 0 %d %.0f\" role=img aria-label=\"module "
	        "service\">\n",
	        PLOT_WIDTH, bottom + 22);
	plot_time_axis(p->view, TOP, bottom, p->f);
	for (size_t i = 0; i < t->n_modules; i++) {
		double y = TOP + (double)(ROW * i) + 3;
		fprintf(p->f, "<text class=v x=%d y=%.1f>", PLOT_LEFT - 6, y + 9);
		text(p, t->modules[i].id);
		fputs("</text>", p->f);
		write_service_row(p, t->n_nodes + i, y);
	}
	fputs("</svg></div><p class=k><span><i style=\"background:var(--c2)\"></i>served</span> "
	      "<span><i style=\"background:var(--bad)\"></i>not served</span></p></section>\n",
	      p->f);
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void
write_energy(struct page *p)
{
	const struct summary *s = &p->r->outcome->summary;
	const struct ledger *l = &s->ledger;
	const struct {
		const char *name;
		double joule;
	} rows[] = { { "delivered by feeds", l->source_j },
		     { "used by loads", l->useful_j },
		     { "lost in resistances and converters", l->loss_j },
		     { "burnt in faults", l->fault_j },
		     { "change of what is stored", l->stored_j - l->stored0_j },
		     { "change of what is in flight on lines", l->in_flight_j - l->in_flight0_j },
		     { "in transit to modules", l->in_transit_j },
		     { "abandoned with what died or opened", ledger_abandoned_j(l) },
		     { "demanded and not served", l->unserved_j } };
	fputs("<section><h2>Energy</h2>\n<div class=w><table>\n", p->f);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		fprintf(p->f, "<tr><td>%s<td class=r>%.6g J</tr>\n", rows[i].name, rows[i].joule);
	fprintf(p->f, "<tr><td>does not add up by, at most<td class=r>%.2g of %.6g J</tr>\n",
	        s->worst_residual, l->scale_j);
	fputs("</table></div></section>\n", p->f);
}

static int
write_events(struct page *p)
{
	struct events *ev = NULL;
	char line[EVENTS_TEXT_MAX], at[48];
	int rc = events_collect(p->view, &ev, p->err);
	if (rc)
		return rc;
	size_t n = events_count(ev), shown = n < EVENTS_SHOWN ? n : EVENTS_SHOWN;
	fprintf(p->f,
	        "<section><h2>Events <small>%zu%s</small></h2>\n<div "
	        "class=w><table><tr><th>time<th>"
	        "step<th>by<th>event</tr>\n",
	        n, shown < n ? ", the first of them" : "");
	for (size_t i = 0; i < shown; i++) {
		const struct events_item *it = events_item(ev, i);
		events_text(ev, i, line);
		drill_time(p->t, it->e.k, at);
		fprintf(p->f, "<tr><td class=r>%s<td class=r>%" PRId64 "<td>", at, it->e.k);
		text(p, runview_id(p->view, it->proc));
		fprintf(p->f, ".%" PRIu32 "<td><code>", it->incarnation);
		text(p, line);
		fputs("</code></tr>\n", p->f);
	}
	fputs("</table></div></section>\n", p->f);
	events_destroy(&ev);
	return 0;
}

/* ---- the page ---------------------------------------------------------------------------------
 */

static int
write_page(struct page *p)
{
	const struct script *s = p->r->script;
	for (size_t i = 0; i < s->n && p->n_marks < MARKS_MAX; i++)
		p->marks[p->n_marks++] = (struct plot_mark){ s->actions[i].k, s->actions[i].id };
	write_head(p);
	write_expectations(p);
	write_timeline(p);
	int rc = write_all_curves(p);
	if (rc)
		return rc;
	write_service(p);
	write_energy(p);
	rc = write_events(p);
	fputs("</body></html>\n", p->f);
	return rc;
}

int
drill_report_write(const struct drill_run *r, const struct runview *view, const char *path,
                   struct err *err)
{
	struct page *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(err, ERR_NOMEM, "report: out of memory");
	*p = (struct page){ .r = r, .view = view, .t = runview_topo(view), .err = err };
	p->f = fopen(path, "we");
	int rc = p->f ? write_page(p) : err_sys(err, ERR_IO, "cannot write %s", path);
	if (p->f) {
		int bad = ferror(p->f);
		if ((fclose(p->f) || bad) && !rc)
			rc = err_sys(err, ERR_IO, "cannot write %s", path);
	}
	free(p);
	return rc;
}
