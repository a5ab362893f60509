#include "plan_shorts.h"

#include <math.h>
#include <stdlib.h>

#include "json_out.h"
#include "shorts.h"
#include "unit.h"

/* What a converter brings to its bus counts from here. */
#define SOURCE_LEAST_A 0.5

struct bus_short {
	uint32_t node;
	struct shorts_result held, acted;
	double rest_a;
	size_t at_limit, n_open_links; /* links of this bus that were closed before */
	bool cleared, selective;
	double cleared_s;
	const struct shorts_link *strongest; /* of the bus's own links; NULL: none */
};

struct plan_shorts {
	const struct topo *t;
	struct shorts *s;
	double r_ohm;
	struct shorts_link *links;     /* room for one bus: held, then acted */
	struct shorts_source *sources; /* with fuses holding */
};

static bool
of_bus(const struct topo *t, size_t link, uint32_t node)
{
	return !t->links[link].p.open && (t->links[link].a == node || t->links[link].b == node);
}

/* What the converter of a link brings to its bus in the end. */
static double
source_end_a(const struct plan_shorts *p, size_t link)
{
	size_t n, i = 0;
	const struct shorts_conv *c = shorts_convs(p->s, &n);
	while (i < n && c[i].link != link)
		i++;
	return i < n ? p->sources[i].end_a : 0;
}

static void
short_bus(struct plan_shorts *p, uint32_t node, struct bus_short *b)
{
	const struct topo *t = p->t;
	*b = (struct bus_short){ .node = node, .selective = true };
	b->held.links = p->links;
	b->acted.links = p->links + t->n_links;
	b->held.sources = p->sources;
	shorts_run(p->s, node, p->r_ohm, false, &b->held);
	shorts_run(p->s, node, p->r_ohm, true, &b->acted);
	b->rest_a = shorts_at_rest(p->s, node, p->r_ohm, &b->at_limit);
	b->cleared = true;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct shorts_link *a = &b->acted.links[i];
		if (!of_bus(t, i, node)) {
			b->selective = b->selective && a->trip == SHORTS_HOLDS;
			continue;
		}
		/* A converter at this bus that gives it nothing feeds no fault. */
		bool feeds = !t->links[i].has_conv || t->links[i].conv.node != node ||
		             !(source_end_a(p, i) < SOURCE_LEAST_A);
		b->cleared = b->cleared && (a->trip != SHORTS_HOLDS || !feeds);
		b->cleared_s = fmax(b->cleared_s, a->trip_s);
		if (!b->strongest || b->held.links[i].peak_a > b->strongest->peak_a)
			b->strongest = &b->held.links[i];
	}
}

static int
shorts_plan(const struct topo *t, double r_ohm, struct plan_shorts *p, struct err *err)
{
	*p = (struct plan_shorts){ .t = t, .r_ohm = r_ohm };
	p->links = calloc(2 * t->n_links + 1, sizeof *p->links);
	p->sources = calloc(t->n_links + t->n_nodes + 1, sizeof *p->sources);
	if (!p->links || !p->sources)
		return err_set(err, ERR_NOMEM, "out of memory");
	return shorts_create(t, &p->s, err);
}

static int
shorts_end(struct plan_shorts *p, FILE *f, int rc, struct err *err)
{
	shorts_destroy(&p->s);
	free(p->links);
	free(p->sources);
	if (rc)
		return rc;
	return ferror(f) ? err_set(err, ERR_IO, "cannot write the plan") : 0;
}

static const char *
trip_name(enum shorts_trip t)
{
	return t == SHORTS_FAST ? "fast" : t == SHORTS_I2T ? "I2t" : NULL;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void
print_links(const struct plan_shorts *p, const struct bus_short *b, FILE *f)
{
	const struct topo *t = p->t;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		const struct shorts_link *h = &b->held.links[i], *a = &b->acted.links[i];
		char fuse[32] = "no fuse", what[64] = "holds";
		if (!of_bus(t, i, b->node) && a->trip == SHORTS_HOLDS)
			continue;
		if (k->p.fuse_a > 0)
			snprintf(fuse, sizeof fuse, "fuse %.4g A", k->p.fuse_a);
		if (a->trip != SHORTS_HOLDS)
			snprintf(what, sizeof what, "trips at %.3f ms, %.0f A (%s)",
			         a->trip_s * 1e3, fabs(a->trip_a), trip_name(a->trip));
		fprintf(f, "  %-14s %8.1f A at %6.2f ms %10.4g A2s  %-12s %s%s\n", k->id, h->peak_a,
		        h->peak_at_s * 1e3, h->i2t_a2s, fuse, k->p.fuse_a > 0 ? what : "",
		        of_bus(t, i, b->node) ? "" : "  (not of this bus)");
	}
}

/* Converters that do bring something to their buses. */
static void
print_sources(const struct plan_shorts *p, const struct bus_short *b, FILE *f)
{
	const struct topo *t = p->t;
	size_t n;
	const struct shorts_conv *c = shorts_convs(p->s, &n);
	for (size_t i = 0; i < n; i++) {
		const struct shorts_source *q = &b->held.sources[i];
		if (q->peak_a < SOURCE_LEAST_A)
			continue;
		fprintf(f,
		        "  %-14s %8.1f A at %6.2f ms, %.1f A after %g ms, its converter into bus "
		        "%s\n",
		        c[i].store ? "supercap" : t->links[c[i].link].id, q->peak_a,
		        q->peak_at_s * 1e3, q->end_a, SHORTS_WINDOW_S * 1e3, t->nodes[c[i].bus].id);
	}
}

static void
print_bus(const struct plan_shorts *p, const struct bus_short *b, FILE *f)
{
	const struct topo *t = p->t;
	fprintf(f, "\n%s: %.0f A from its own capacitor at once, ", t->nodes[b->node].id,
	        b->held.fault_peak_a);
	if (b->strongest)
		fprintf(f, "%.0f A through its links at %.2f ms, ", b->held.links_peak_a,
		        b->held.links_peak_s * 1e3);
	fprintf(f,
	        "%.1f A after %g ms, %.1f A at rest (%zu feed%s at the limit); %.4g A2s in %g ms\n",
	        b->held.fault_end_a, SHORTS_WINDOW_S * 1e3, b->rest_a, b->at_limit,
	        b->at_limit == 1 ? "" : "s", b->held.fault_i2t_a2s, SHORTS_WINDOW_S * 1e3);
	print_links(p, b, f);
	print_sources(p, b, f);
	if (!b->strongest)
		fprintf(f, "  no links: nothing to clear\n");
	else if (!b->cleared)
		fprintf(f, "  NOT cleared by fuses within %g ms\n", SHORTS_WINDOW_S * 1e3);
	else
		fprintf(f, "  cleared after %.2f ms%s; lowest other bus after %g ms: %.2f V\n",
		        b->cleared_s * 1e3, b->selective ? "" : ", NOT selective",
		        SHORTS_WINDOW_S * 1e3, b->acted.v_min_v);
}

int
plan_shorts_print(const struct topo *t, double r_ohm, FILE *f, struct err *err)
{
	struct plan_shorts p;
	char r[32];
	size_t cleared = 0, selective = 0;
	int rc = shorts_plan(t, r_ohm, &p, err);
	if (rc)
		return shorts_end(&p, f, rc, err);
	fprintf(f,
	        "%s: a short of %s at each bus in turn, every load at its highest\n"
	        "links: largest current and I2t with fuses holding; then what the fuses do\n",
	        t->name, unit_format(r, sizeof r, r_ohm, UNIT_OHM));
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		struct bus_short b;
		short_bus(&p, i, &b);
		print_bus(&p, &b, f);
		cleared += b.cleared;
		selective += b.cleared && b.selective;
	}
	fprintf(f, "\n%zu of %zu shorts are cleared by fuses, %zu of them selectively\n", cleared,
	        t->n_nodes, selective);
	return shorts_end(&p, f, 0, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void
json_links(const struct plan_shorts *p, const struct bus_short *b, struct json_out *j)
{
	const struct topo *t = p->t;
	json_out_array(j, "links");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct shorts_link *h = &b->held.links[i], *a = &b->acted.links[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", t->links[i].id);
		json_out_bool(j, "of_bus", of_bus(t, i, b->node));
		json_out_real(j, "peak_a", h->peak_a);
		json_out_real(j, "peak_at_s", h->peak_at_s);
		json_out_real(j, "i2t_a2s", h->i2t_a2s);
		json_out_real(j, "end_a", h->end_a);
		json_out_real(j, "fuse_a", t->links[i].p.fuse_a > 0 ? t->links[i].p.fuse_a : NAN);
		json_out_text(j, "trips", trip_name(a->trip));
		if (a->trip != SHORTS_HOLDS) {
			json_out_real(j, "trips_at_s", a->trip_s);
			json_out_real(j, "trips_at_a", fabs(a->trip_a));
		}
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_sources(const struct plan_shorts *p, const struct bus_short *b, struct json_out *j)
{
	size_t n;
	const struct shorts_conv *c = shorts_convs(p->s, &n);
	json_out_array(j, "converters");
	for (size_t i = 0; i < n; i++) {
		json_out_object(j, NULL);
		json_out_text(j, "node", p->t->nodes[c[i].bus].id);
		json_out_text(j, "link", c[i].store ? NULL : p->t->links[c[i].link].id);
		json_out_real(j, "peak_a", b->held.sources[i].peak_a);
		json_out_real(j, "peak_at_s", b->held.sources[i].peak_at_s);
		json_out_real(j, "end_a", b->held.sources[i].end_a);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_bus(const struct plan_shorts *p, const struct bus_short *b, struct json_out *j)
{
	json_out_object(j, NULL);
	json_out_text(j, "id", p->t->nodes[b->node].id);
	json_out_real(j, "capacitor_peak_a", b->held.fault_peak_a);
	json_out_real(j, "links_peak_a", b->held.links_peak_a);
	json_out_real(j, "links_peak_at_s", b->held.links_peak_s);
	json_out_real(j, "end_a", b->held.fault_end_a);
	json_out_real(j, "rest_a", b->rest_a);
	json_out_int(j, "feeds_at_limit", (int64_t)b->at_limit);
	json_out_real(j, "i2t_a2s", b->held.fault_i2t_a2s);
	json_out_bool(j, "cleared", b->cleared);
	json_out_bool(j, "selective", b->selective);
	json_out_real(j, "cleared_at_s", b->cleared ? b->cleared_s : NAN);
	json_out_real(j, "others_v_min_v", b->acted.v_min_v);
	json_links(p, b, j);
	json_sources(p, b, j);
	json_out_end(j);
}

int
plan_shorts_json(const struct topo *t, double r_ohm, FILE *f, struct err *err)
{
	struct plan_shorts p;
	struct json_out j;
	int rc = shorts_plan(t, r_ohm, &p, err);
	if (rc)
		return shorts_end(&p, f, rc, err);
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", t->name);
	json_out_real(&j, "r_ohm", r_ohm);
	json_out_real(&j, "window_s", SHORTS_WINDOW_S);
	json_out_array(&j, "buses");
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		struct bus_short b;
		short_bus(&p, i, &b);
		json_bus(&p, &b, &j);
	}
	json_out_end(&j);
	json_out_end(&j);
	return shorts_end(&p, f, 0, err);
}
