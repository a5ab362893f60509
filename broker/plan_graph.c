#include "plan_graph.h"

#include <math.h>
#include <string.h>

#include "graph_layout.h"
#include "steady.h"
#include "svg.h"

/* Share of the fuse from which a link is drawn as busy, and as too busy. */
#define WARN_AT 0.5
#define BAD_AT 1.0

struct drawing {
	const struct topo *t;
	struct steady *s;
	struct graph_layout *g;
	FILE *f;
};

static int
begin(const struct topo *t, FILE *f, struct drawing *d, struct err *err)
{
	struct loadflow_verdict w;
	*d = (struct drawing){ .t = t, .f = f };
	int rc = steady_create(t, &d->s, err);
	if (!rc)
		steady_solve(d->s, LOADFLOW_BASE, 0, &w);
	return rc;
}

static int
finish(struct drawing *d, int rc, struct err *err)
{
	steady_destroy(&d->s);
	graph_layout_destroy(&d->g);
	if (rc)
		return rc;
	return ferror(d->f) ? err_set(err, ERR_IO, "cannot write the drawing") : 0;
}

static const char *
class_name(enum module_class c)
{
	return c == MODULE_FIXED ? "fixed" : c == MODULE_CPU ? "cpu" : "resistive";
}

/* ---- Graphviz -------------------------------------------------------------------------------- */

static void
dot_node(const struct drawing *d, size_t i)
{
	const struct topo_node *n = &d->t->nodes[i];
	fprintf(d->f, "\t\"%s\" [shape=box, label=\"%s\\n%.2f V\"", n->id, n->id,
	        d->s->flow->v_v[i]);
	if (n->has_at) /* the map's y goes down */
		fprintf(d->f, ", pos=\"%g,%g!\"", 2 * n->at_x, -2 * n->at_y);
	fprintf(d->f, "];\n");
	if (n->p.has_feed)
		fprintf(d->f,
		        "\t\"feed:%s\" [shape=ellipse, color=\"#009e73\", label=\"feed %.4g "
		        "A\\n%.1f "
		        "A\"];\n\t\"feed:%s\" -> \"%s\" [color=\"#009e73\"];\n",
		        n->id, n->p.feed.i_rated_a, d->s->flow->feed_a[i], n->id, n->id);
}

static void
dot_link(const struct drawing *d, size_t i)
{
	const struct topo_link *k = &d->t->links[i];
	double a = d->s->flow->link_a[i];
	const struct topo_node *from = &d->t->nodes[a < 0 ? k->b : k->a];
	const struct topo_node *to = &d->t->nodes[a < 0 ? k->a : k->b];
	fprintf(d->f, "\t\"%s\" -> \"%s\" [label=\"%s", from->id, to->id, k->id);
	if (k->p.open)
		fprintf(d->f, " (open)\", style=dashed, arrowhead=none");
	else
		fprintf(d->f, "\\n%.1f A\", penwidth=%.2f", fabs(a), 1 + fmin(fabs(a) / 10, 5));
	if (k->p.fuse_a > 0)
		fprintf(d->f, ", tooltip=\"fuse %.4g A\"", k->p.fuse_a);
	fprintf(d->f, "];\n");
}

int
plan_graph_dot(const struct topo *t, FILE *f, struct err *err)
{
	struct drawing d;
	int rc = begin(t, f, &d, err);
	if (rc)
		return finish(&d, rc, err);
	fprintf(f,
	        "// neato -n2 keeps the places of `at:`; dot makes its own\n"
	        "digraph \"%s\" {\n\tgraph [layout=neato, overlap=false, splines=true, "
	        "label=\"%s: load flow with every load at its highest\"];\n\tnode "
	        "[fontname=\"sans-serif\", fontsize=10];\n\tedge [fontname=\"sans-serif\", "
	        "fontsize=9, color=\"#0072b2\"];\n",
	        t->name, t->name);
	for (size_t i = 0; i < t->n_nodes; i++)
		dot_node(&d, i);
	for (size_t i = 0; i < t->n_links; i++)
		dot_link(&d, i);
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		fprintf(f,
		        "\t\"%s\" [shape=box, style=rounded, color=\"#cc79a7\", label=\"%s\\n%s "
		        "%.0f W\"];\n",
		        m->id, m->id, class_name(m->p.class), d.s->flow->module_w[i]);
		for (size_t j = 0; j < m->n_feeds; j++)
			fprintf(f, "\t\"%s\" -> \"%s\" [color=\"#cc79a7\"%s, label=\"%.1f A\"];\n",
			        t->nodes[m->feeds[j]].id, m->id, j ? ", style=dashed" : "",
			        d.s->flow->port_a[m->ports[j]]);
	}
	fprintf(f, "}\n");
	return finish(&d, 0, err);
}

/* ---- SVG ------------------------------------------------------------------------------------- */

static const char *
link_class(const struct drawing *d, size_t i)
{
	const struct link_params *p = &d->t->links[i].p;
	double part = p->fuse_a > 0 ? fabs(d->s->flow->link_a[i]) / p->fuse_a : 0;
	if (p->open)
		return "open";
	return part > BAD_AT ? "bad" : part > WARN_AT ? "warn" : "link";
}

static double
link_width(double a)
{
	return 1.6 + fmin(fabs(a) / 8, 7);
}

/* An arrow head beside the label, in the direction of the current. */
static void
svg_arrow(const struct drawing *d, size_t i)
{
	double x1, y1, x2, y2, a = d->s->flow->link_a[i];
	const struct graph_box *b = &d->g->labels[i];
	graph_layout_link(d->g, i, &x1, &y1, &x2, &y2);
	if (a < 0) {
		double x = x1, y = y1;
		x1 = x2;
		y1 = y2;
		x2 = x;
		y2 = y;
	}
	double len = hypot(x2 - x1, y2 - y1), ux = (x2 - x1) / len, uy = (y2 - y1) / len;
	/* Where the label is on the link, behind it, seen along the current. */
	double off = (b->x - x1) * uy - (b->y - y1) * ux, t = (b->x - x1) * ux + (b->y - y1) * uy;
	double clear = fmin(b->w / 2 / fmax(fabs(ux), 1e-9), b->h / 2 / fmax(fabs(uy), 1e-9)) + 4;
	double s = 5 + link_width(a) * 0.7;
	t += s * 0.8 + (fabs(off) < 1 ? clear + s * 0.8 : 0);
	double x = x1 + ux * t, y = y1 + uy * t;
	fprintf(d->f, "<path class=\"arrow %s\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n",
	        link_class(d, i), x, y, x - ux * s * 1.6 - uy * s, y - uy * s * 1.6 + ux * s,
	        x - ux * s * 1.6 + uy * s, y - uy * s * 1.6 - ux * s);
}

static void
svg_links(const struct drawing *d)
{
	const struct topo *t = d->t;
	for (size_t i = 0; i < t->n_links; i++) {
		double x1, y1, x2, y2;
		graph_layout_link(d->g, i, &x1, &y1, &x2, &y2);
		svg_line(d->f, x1, y1, x2, y2, link_width(d->s->flow->link_a[i]), link_class(d, i));
	}
	for (size_t i = 0; i < t->n_links; i++)
		if (fabs(d->s->flow->link_a[i]) >= 0.05)
			svg_arrow(d, i);
}

static void
svg_labels(const struct drawing *d)
{
	const struct topo_node *nodes = d->t->nodes;
	for (size_t i = 0; i < d->t->n_links; i++) {
		const struct topo_link *k = &d->t->links[i];
		const struct graph_box *b = &d->g->labels[i];
		char text[96], ends[2 * TOPO_ID_MAX];
		/* "n1-n2" says nothing that the picture does not show. */
		snprintf(ends, sizeof ends, "%s-%s", nodes[k->a].id, nodes[k->b].id);
		const char *id = strcmp(ends, k->id) ? k->id : "", *gap = *id ? "  " : "";
		if (k->p.open)
			snprintf(text, sizeof text, "%s%sopen", id, gap);
		else if (k->p.fuse_a > 0)
			snprintf(text, sizeof text, "%s%s%.1f / %.4g A", id, gap,
			         fabs(d->s->flow->link_a[i]), k->p.fuse_a);
		else
			snprintf(text, sizeof text, "%s%s%.1f A", id, gap,
			         fabs(d->s->flow->link_a[i]));
		svg_box(d->f, b->x, b->y, svg_text_width(text, 11) + 4, b->h - 2, 4, "tag");
		svg_text(d->f, b->x, b->y + 4, SVG_MIDDLE, "s", "%s", text);
	}
}

static void
svg_wires(const struct drawing *d)
{
	const struct topo *t = d->t;
	const struct graph_layout *g = d->g;
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		for (size_t j = 0; j < m->n_feeds; j++)
			svg_line(d->f, g->modules[i].x, g->modules[i].y, g->nodes[m->feeds[j]].x,
			         g->nodes[m->feeds[j]].y, 1.4, j ? "port2" : "port");
	}
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			svg_line(d->f, g->feeds[i].x, g->feeds[i].y, g->nodes[i].x, g->nodes[i].y,
			         3, "wire");
}

static void
svg_parts(const struct drawing *d)
{
	const struct topo *t = d->t;
	const struct loadflow *l = d->s->flow;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct graph_box *b = &d->g->nodes[i], *e = &d->g->feeds[i];
		const struct feed_params *p = &t->nodes[i].p.feed;
		svg_box(d->f, b->x, b->y, b->w, b->h, 8, "node");
		svg_text(d->f, b->x, b->y - 3, SVG_MIDDLE, "h", "%s", t->nodes[i].id);
		if (isnan(l->v_v[i]))
			svg_text(d->f, b->x, b->y + 13, SVG_MIDDLE, "s", "dark");
		else if (l->load_w[i] > 0)
			svg_text(d->f, b->x, b->y + 13, SVG_MIDDLE, "s", "%.2f V  %.0f W",
			         l->v_v[i], l->load_w[i]);
		else
			svg_text(d->f, b->x, b->y + 13, SVG_MIDDLE, "s", "%.2f V", l->v_v[i]);
		if (!t->nodes[i].p.has_feed)
			continue;
		svg_box(d->f, e->x, e->y, e->w, e->h, e->h / 2, "feed");
		svg_text(d->f, e->x, e->y - 2, SVG_MIDDLE, "l", "feed %.4g A", p->i_rated_a);
		svg_text(d->f, e->x, e->y + 12, SVG_MIDDLE, "s", "%.1f A  %.0f %%", l->feed_a[i],
		         100 * l->feed_a[i] / p->i_rated_a);
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct graph_box *b = &d->g->modules[i];
		svg_box(d->f, b->x, b->y, b->w, b->h, 5, "module");
		svg_text(d->f, b->x, b->y - 2, SVG_MIDDLE, "l", "%s", t->modules[i].id);
		svg_text(d->f, b->x, b->y + 12, SVG_MIDDLE, "s", "%s %.0f W",
		         class_name(t->modules[i].p.class), l->module_w[i]);
	}
}

static void
svg_legend(const struct drawing *d)
{
	double y = d->g->h - 20, x = 24;
	svg_line(d->f, x, y - 4, x + 26, y - 4, 5, "link");
	svg_text(d->f, x + 32, y, SVG_START, "s", "link: id, current / fuse");
	x += 178;
	svg_line(d->f, x, y - 4, x + 26, y - 4, 5, "warn");
	svg_text(d->f, x + 32, y, SVG_START, "s", "above half its fuse");
	x += 148;
	svg_line(d->f, x, y - 4, x + 26, y - 4, 3, "wire");
	svg_text(d->f, x + 32, y, SVG_START, "s", "feed");
	x += 74;
	svg_line(d->f, x, y - 4, x + 26, y - 4, 1.4, "port");
	svg_text(d->f, x + 32, y, SVG_START, "s", "owner");
	x += 80;
	svg_line(d->f, x, y - 4, x + 26, y - 4, 1.4, "port2");
	svg_text(d->f, x + 32, y, SVG_START, "s", "other input");
}

int
plan_graph_svg(const struct topo *t, FILE *f, struct err *err)
{
	struct drawing d;
	char title[96];
	int rc = begin(t, f, &d, err);
	if (!rc)
		rc = graph_layout_create(t, 48, 30, &d.g, err);
	if (rc)
		return finish(&d, rc, err);
	snprintf(title, sizeof title, "Mesh %s", t->name);
	svg_begin(f, d.g->w, d.g->h, title);
	svg_text(f, 24, 34, SVG_START, "t", "%s", t->name);
	svg_text(f, 24, 53, SVG_START, "s", "%zu nodes, %zu links, %zu modules; %s", t->n_nodes,
	         t->n_links, t->n_modules,
	         d.s->solved ? "every load at its highest, control at rest"
	                     : "no state of rest: currents mean nothing");
	svg_links(&d);
	svg_wires(&d);
	svg_labels(&d);
	svg_parts(&d);
	svg_legend(&d);
	svg_end(f);
	return finish(&d, 0, err);
}
