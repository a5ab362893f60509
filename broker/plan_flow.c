#include "plan_flow.h"

#include <math.h>
#include <stdlib.h>

#include "json_out.h"
#include "unit.h"

const char *
plan_fault_kind(enum loadflow_fault k)
{
	return k == LOADFLOW_NODE   ? "node"
	       : k == LOADFLOW_LINK ? "link"
	       : k == LOADFLOW_FEED ? "feed"
	                            : "base";
}

const char *
plan_fault_name(const struct topo *t, enum loadflow_fault kind, uint32_t index)
{
	return kind == LOADFLOW_LINK ? t->links[index].id : t->nodes[index].id;
}

/* The link that is nearest to its fuse; without any fuse, the one with the largest current. */
static void
worst_link(const struct loadflow *l, struct plan_flow_case *c)
{
	double most = -1;
	c->link_a = 0;
	c->link_part = NAN;
	for (size_t i = 0; i < l->topo->n_links; i++) {
		double a = fabs(l->link_a[i]), fuse = l->topo->links[i].p.fuse_a;
		double part = fuse > 0 ? a / fuse : 0;
		/* Whatever has a fuse counts by it; 1e-9/A orders the rest behind. */
		double rank = fuse > 0 ? part : a * 1e-9;
		if (rank <= most)
			continue;
		most = rank;
		c->link_at = (uint32_t)i;
		c->link_a = l->link_a[i];
		c->link_part = fuse > 0 ? part : NAN;
	}
}

static int
flow_case(struct plan_flow *p, struct loadflow *plain, enum loadflow_fault kind, size_t index,
          struct plan_flow_case *c, struct err *err)
{
	c->kind = kind;
	c->index = (uint32_t)index;
	loadflow_solve(plain, kind, c->index, &c->at_once);
	steady_solve(p->steady, kind, c->index, &c->at_rest);
	worst_link(p->steady->solved ? p->steady->flow : plain, c);
	int rc = plan_limit_solve(p->limit, p->steady, &c->limits, err);
	c->carried = c->at_once.problem == LOADFLOW_OK && c->at_rest.problem == LOADFLOW_OK &&
	             !c->limits.n_unheld;
	return rc;
}

static int
flow_fault(struct plan_flow *p, struct loadflow *plain, enum loadflow_fault kind, size_t index,
           struct err *err)
{
	struct plan_flow_case *c = &p->cases[p->n_cases++];
	int rc = flow_case(p, plain, kind, index, c, err);
	p->n_carried += c->carried;
	return rc;
}

/* Every single failure, then nothing. */
static int
flow_cases(struct plan_flow *p, struct loadflow *plain, struct err *err)
{
	const struct topo *t = p->topo;
	int rc = 0;
	for (size_t i = 0; !rc && i < t->n_nodes; i++)
		rc = flow_fault(p, plain, LOADFLOW_NODE, i, err);
	for (size_t i = 0; !rc && i < t->n_links; i++)
		if (!t->links[i].p.open)
			rc = flow_fault(p, plain, LOADFLOW_LINK, i, err);
	for (size_t i = 0; !rc && i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			rc = flow_fault(p, plain, LOADFLOW_FEED, i, err);
	return rc ? rc : flow_case(p, plain, LOADFLOW_BASE, 0, &p->base, err);
}

static void
flow_sums(struct plan_flow *p)
{
	const struct topo *t = p->topo;
	const struct loadflow *l = p->steady->flow;
	for (size_t i = 0; i < t->n_nodes; i++) {
		if (isnan(l->v_v[i]))
			continue;
		p->feed_w += l->feed_a[i] * l->v_v[i];
		p->load_w += l->load_w[i];
	}
	for (size_t i = 0; i < t->n_links; i++) {
		p->cable_w += l->link_a[i] * l->link_a[i] * t->links[i].p.r_ohm;
		p->conv_w += l->conv[i].in_w - l->conv[i].out_v * l->conv[i].link_a;
	}
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		for (size_t j = 0; j < m->n_feeds; j++) {
			double a = l->port_a[m->ports[j]];
			p->port_w += a * a * m->p.r_port_ohm;
			p->module_w += isnan(l->module_v[i]) ? 0 : a * l->module_v[i];
		}
	}
}

int
plan_flow_create(const struct topo *t, struct plan_flow **ret, struct err *err)
{
	struct loadflow *plain = NULL;
	struct plan_flow *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory");
	p->topo = t;
	p->cases = calloc(2 * t->n_nodes + t->n_links + 1, sizeof *p->cases);
	int rc = p->cases ? steady_create(t, &p->steady, err)
	                  : err_set(err, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = plan_limit_create(t, &p->limit, err);
	if (!rc)
		rc = loadflow_create(t, &plain, err);
	if (!rc)
		rc = flow_cases(p, plain, err);
	loadflow_destroy(&plain);
	if (rc) {
		plan_flow_destroy(&p);
		return rc;
	}
	flow_sums(p);
	*ret = p;
	return 0;
}

void
plan_flow_destroy(struct plan_flow **pp)
{
	struct plan_flow *p = *pp;
	if (!p)
		return;
	*pp = NULL;
	steady_destroy(&p->steady);
	plan_limit_destroy(&p->limit);
	free(p->cases);
	free(p);
}

/* "; feeds hold t2 at 15.0 A of 22.4 A", or that they cannot; "" where nothing is over. */
static const char *
limit_text(const struct plan_flow *p, const struct plan_flow_case *c, char *buf, size_t size)
{
	const struct plan_limit_result *r = &c->limits;
	const struct topo_link *k = &p->topo->links[r->link];
	if (r->n_unheld)
		snprintf(buf, size, "link %s carries %.1f A of its limit of %.4g A, which feeds cannot hold",
		         k->id, fabs(r->after_a), k->p.limit_a);
	else if (r->n_over)
		snprintf(buf, size, "feeds hold %s at %.1f A of %.1f A", k->id, fabs(r->after_a),
		         fabs(r->before_a));
	else
		snprintf(buf, size, "%s", "");
	return buf;
}

static const char *
flow_text(const struct plan_flow *p, const struct plan_flow_case *c, char *buf, size_t size)
{
	bool fine = c->at_once.problem == LOADFLOW_OK && c->at_rest.problem == LOADFLOW_OK;
	if (fine && c->limits.n_unheld)
		return limit_text(p, c, buf, size);
	bool at_once = c->at_once.problem != LOADFLOW_OK;
	return loadflow_text(p->steady->flow, at_once ? &c->at_once : &c->at_rest, buf, size);
}

static int
written(FILE *f, struct err *err)
{
	return ferror(f) ? err_set(err, ERR_IO, "cannot write the plan") : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void
print_buses(const struct plan_flow *p, FILE *f)
{
	const struct topo *t = p->topo;
	const struct steady *s = p->steady;
	fprintf(f, "%-12s %9s %9s %10s %9s %9s %8s\n", "bus", "at rest", "load", "feed", "power",
	        "loading", "set");
	for (size_t i = 0; i < t->n_nodes; i++) {
		double v = s->flow->v_v[i];
		if (isnan(v)) {
			fprintf(f, "%-12s %9s\n", t->nodes[i].id, "dark");
			continue;
		}
		fprintf(f, "%-12s %7.3f V %7.1f W", t->nodes[i].id, v, s->flow->load_w[i]);
		if (t->nodes[i].p.has_feed)
			fprintf(f, " %8.2f A %7.1f W %7.1f %% %6.2f V%s", s->flow->feed_a[i],
			        s->flow->feed_a[i] * v,
			        100 * s->flow->feed_a[i] / t->nodes[i].p.feed.i_rated_a,
			        s->flow->v_set_v[i],
			        s->feed[i] == STEADY_CONTROLS ? ""
			        : s->feed[i] == STEADY_IDLE   ? "  idle: more comes over converters"
			                                      : "  limited");
		fputc('\n', f);
	}
}

/* What the converter of a link does. */
static void
print_conv(const struct plan_flow *p, size_t link, FILE *f)
{
	const struct topo *t = p->topo;
	const struct topo_link *k = &t->links[link];
	const struct link_conv_state *c = &p->steady->flow->conv[link];
	if (!k->has_conv)
		return;
	fprintf(f, "   converter at %s: %.1f W of %.1f W%s, %.2f V, loses %.2f W",
	        t->nodes[k->conv.node].id,
	        c->out_v * c->link_a * (k->conv.node == k->a ? 1 : -1),
	        p->steady->flow->conv_w[link], c->limited ? " (limited)" : "", c->out_v,
	        c->in_w - c->out_v * c->link_a);
}

static bool
has_limits(const struct topo *t)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (t->links[i].p.limit_a > 0)
			return true;
	return false;
}

static void
print_limit(const struct plan_flow *p, size_t link, FILE *f)
{
	const struct topo_link *k = &p->topo->links[link];
	const struct plan_limit_result *r = &p->base.limits;
	double part = fabs(p->steady->flow->link_a[link]) / k->p.limit_a;
	if (!has_limits(p->topo))
		return;
	if (!(k->p.limit_a > 0)) {
		fprintf(f, " %9s", "-");
		return;
	}
	fprintf(f, " %7.1f %%", 100 * part);
	if (part > 1 + PLAN_LIMIT_SLACK)
		fprintf(f, "  %s", r->n_unheld ? "not held" : "feeds hold it");
}

static void
print_links(const struct plan_flow *p, FILE *f)
{
	const struct topo *t = p->topo;
	const struct loadflow *l = p->steady->flow;
	fprintf(f, "\n%-16s %-20s %10s %9s %9s", "link", "between", "current", "of fuse", "loss");
	fprintf(f, "%s\n", has_limits(t) ? "  of limit" : "");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		char between[2 * TOPO_ID_MAX + 8], part[32] = "-";
		snprintf(between, sizeof between, "%s -> %s", t->nodes[k->a].id, t->nodes[k->b].id);
		if (k->p.open) {
			fprintf(f, "%-16s %-20s %10s\n", k->id, between, "open");
			continue;
		}
		if (k->p.fuse_a > 0)
			snprintf(part, sizeof part, "%.1f %%",
			         100 * fabs(l->link_a[i]) / k->p.fuse_a);
		fprintf(f, "%-16s %-20s %8.2f A %9s %7.2f W", k->id, between, l->link_a[i], part,
		        l->link_a[i] * l->link_a[i] * k->p.r_ohm);
		print_limit(p, i, f);
		print_conv(p, i, f);
		fprintf(f, "\n");
	}
}

static void
print_sums(const struct plan_flow *p, FILE *f)
{
	double loss = p->cable_w + p->port_w + p->conv_w;
	fprintf(f,
	        "\nfeeds %.1f W = built-in loads %.1f W + modules %.1f W + cables %.2f W (%.2f %%) "
	        "+ ports %.2f W (%.2f %%)",
	        p->feed_w, p->load_w, p->module_w, p->cable_w, 100 * p->cable_w / p->feed_w,
	        p->port_w, 100 * p->port_w / p->feed_w);
	if (p->conv_w > 0)
		fprintf(f, " + link converters %.2f W (%.2f %%)", p->conv_w,
		        100 * p->conv_w / p->feed_w);
	fprintf(f, "\n");
	if (!(p->feed_w > 0))
		return;
	fprintf(f, "delivered %.2f %%\n", 100 * (1 - loss / p->feed_w));
}

/* "45.12 V n7", or "-" where there is none. */
static const char *
bus_cell(const struct topo *t, const struct loadflow_verdict *w, char *buf, size_t size)
{
	if (w->problem == LOADFLOW_NO_SOLUTION || !isfinite(w->v_min_v))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.2f V %s", w->v_min_v, t->nodes[w->v_min_at].id);
	return buf;
}

static const char *
feed_cell(const struct topo *t, const struct loadflow_verdict *w, char *buf, size_t size)
{
	if (w->problem == LOADFLOW_NO_SOLUTION || !(w->loading > 0))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.0f %% %s", 100 * w->loading, t->nodes[w->loading_at].id);
	return buf;
}

static void
print_case(const struct plan_flow *p, const struct plan_flow_case *c, FILE *f)
{
	const struct topo *t = p->topo;
	char name[TOPO_ID_MAX + 8], a[5][48], text[160], limit[160];
	if (c->kind == LOADFLOW_BASE)
		snprintf(name, sizeof name, "nothing");
	else
		snprintf(name, sizeof name, "%s %s", plan_fault_kind(c->kind),
		         plan_fault_name(t, c->kind, c->index));
	snprintf(a[4], sizeof a[4], "-");
	if (t->n_links && c->link_a != 0)
		snprintf(a[4], sizeof a[4], "%.1f A %s", fabs(c->link_a), t->links[c->link_at].id);
	fprintf(f, "%-16s %-14s %-14s %-12s %-12s %-14s %s%s%s\n", name,
	        bus_cell(t, &c->at_once, a[0], sizeof a[0]),
	        bus_cell(t, &c->at_rest, a[1], sizeof a[1]),
	        feed_cell(t, &c->at_once, a[2], sizeof a[2]),
	        feed_cell(t, &c->at_rest, a[3], sizeof a[3]), a[4],
	        c->carried ? "carried" : flow_text(p, c, text, sizeof text),
	        c->carried && c->limits.n_over ? "; " : "",
	        c->carried ? limit_text(p, c, limit, sizeof limit) : "");
}

int
plan_flow_print(const struct topo *t, FILE *f, struct err *err)
{
	struct plan_flow *p = NULL;
	int rc = plan_flow_create(t, &p, err);
	if (rc)
		return rc;
	fprintf(f, "%s: load flow with every load at its highest, control at rest%s\n\n", t->name,
	        p->steady->plain ? " (droop only: an island mixes kinds of control)" : "");
	print_buses(p, f);
	print_links(p, f);
	print_sums(p, f);
	fprintf(f, "\n%-16s %-14s %-14s %-12s %-12s %-14s\n", "", "lowest bus", "", "highest feed",
	        "", "worst link");
	fprintf(f, "%-16s %-14s %-14s %-12s %-12s %-14s %s\n", "without", "at once", "at rest",
	        "at once", "at rest", "at rest", "verdict");
	print_case(p, &p->base, f);
	for (size_t i = 0; i < p->n_cases; i++)
		print_case(p, &p->cases[i], f);
	fprintf(f, "\nsingle failures: %zu of %zu carried (bus >= %g V, feeds <= %.0f %%, fuses%s)\n",
	        p->n_carried, p->n_cases, LOADFLOW_V_MIN, 100 * LOADFLOW_LOADING_MAX,
	        has_limits(t) ? ", limits" : "");
	plan_flow_destroy(&p);
	return written(f, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void
json_conv(const struct loadflow *l, size_t link, struct json_out *j)
{
	const struct link_conv_state *c = &l->conv[link];
	json_out_object(j, "converter");
	json_out_text(j, "at", l->topo->nodes[l->topo->links[link].conv.node].id);
	json_out_real(j, "set_w", l->conv_w[link]);
	json_out_bool(j, "limited", c->limited);
	json_out_real(j, "out_v", c->out_v);
	json_out_real(j, "inductor_a", c->inductor_a);
	json_out_real(j, "loss_w", c->in_w - c->out_v * c->link_a);
	json_out_end(j);
}

static void
json_buses(const struct plan_flow *p, struct json_out *j)
{
	const struct topo *t = p->topo;
	const struct steady *s = p->steady;
	json_out_array(j, "buses");
	for (size_t i = 0; i < t->n_nodes; i++) {
		json_out_object(j, NULL);
		json_out_text(j, "id", t->nodes[i].id);
		json_out_real(j, "v_v", s->flow->v_v[i]);
		json_out_real(j, "load_w", s->flow->load_w[i]);
		if (t->nodes[i].p.has_feed) {
			json_out_real(j, "feed_a", s->flow->feed_a[i]);
			json_out_real(j, "loading",
			              s->flow->feed_a[i] / t->nodes[i].p.feed.i_rated_a);
			json_out_real(j, "v_set_v", s->flow->v_set_v[i]);
			json_out_bool(j, "limited", s->feed[i] != STEADY_CONTROLS);
			json_out_bool(j, "idle", s->feed[i] == STEADY_IDLE);
		}
		json_out_end(j);
	}
	json_out_end(j);
	json_out_array(j, "links");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", k->id);
		json_out_text(j, "a", t->nodes[k->a].id);
		json_out_text(j, "b", t->nodes[k->b].id);
		json_out_bool(j, "open", k->p.open);
		json_out_real(j, "i_a", s->flow->link_a[i]);
		json_out_real(j, "fuse_a", k->p.fuse_a > 0 ? k->p.fuse_a : NAN);
		json_out_real(j, "limit_a", k->p.limit_a > 0 ? k->p.limit_a : NAN);
		if (k->p.limit_a > 0)
			json_out_text(j, "limit_by", plan_limit_by_feeds(k) ? "feeds" : "converter");
		json_out_real(j, "loss_w", s->flow->link_a[i] * s->flow->link_a[i] * k->p.r_ohm);
		if (k->has_conv)
			json_conv(s->flow, i, j);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_state(const struct topo *t, const char *key, const struct loadflow_verdict *w,
           struct json_out *j)
{
	json_out_object(j, key);
	json_out_bool(j, "ok", w->problem == LOADFLOW_OK);
	json_out_real(j, "v_min_v", w->v_min_v);
	json_out_text(j, "v_min_at", isfinite(w->v_min_v) ? t->nodes[w->v_min_at].id : NULL);
	json_out_real(j, "loading", w->loading);
	json_out_text(j, "loading_at", w->loading > 0 ? t->nodes[w->loading_at].id : NULL);
	json_out_end(j);
}

static void
json_limits(const struct topo *t, const struct plan_limit_result *r, struct json_out *j)
{
	json_out_object(j, "limits");
	json_out_int(j, "over", r->n_over);
	json_out_int(j, "not_held", r->n_unheld);
	json_out_text(j, "link", r->n_over ? t->links[r->link].id : NULL);
	json_out_real(j, "before_a", r->n_over ? r->before_a : NAN);
	json_out_real(j, "after_a", r->n_over ? r->after_a : NAN);
	json_out_real(j, "v_min_v", r->v_min_v);
	json_out_real(j, "loading", r->loading);
	json_out_end(j);
}

static void
json_case(const struct plan_flow *p, const char *key, const struct plan_flow_case *c,
          struct json_out *j)
{
	const struct topo *t = p->topo;
	char text[160];
	json_out_object(j, key);
	if (c->kind != LOADFLOW_BASE) {
		json_out_text(j, "kind", plan_fault_kind(c->kind));
		json_out_text(j, "id", plan_fault_name(t, c->kind, c->index));
	}
	json_out_bool(j, "carried", c->carried);
	json_out_text(j, "text", flow_text(p, c, text, sizeof text));
	json_state(t, "at_once", &c->at_once, j);
	json_state(t, "at_rest", &c->at_rest, j);
	if (t->n_links) {
		json_out_text(j, "worst_link", t->links[c->link_at].id);
		json_out_real(j, "worst_link_a", c->link_a);
		json_out_real(j, "worst_link_of_fuse", c->link_part);
	}
	if (has_limits(t))
		json_limits(t, &c->limits, j);
	json_out_end(j);
}

int
plan_flow_json(const struct topo *t, FILE *f, struct err *err)
{
	struct plan_flow *p = NULL;
	struct json_out j;
	int rc = plan_flow_create(t, &p, err);
	if (rc)
		return rc;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", t->name);
	json_out_bool(&j, "plain", p->steady->plain);
	json_buses(p, &j);
	json_out_object(&j, "power");
	json_out_real(&j, "feeds_w", p->feed_w);
	json_out_real(&j, "loads_w", p->load_w);
	json_out_real(&j, "modules_w", p->module_w);
	json_out_real(&j, "cables_w", p->cable_w);
	json_out_real(&j, "ports_w", p->port_w);
	json_out_real(&j, "link_converters_w", p->conv_w);
	json_out_end(&j);
	json_case(p, "base", &p->base, &j);
	json_out_array(&j, "single_failures");
	for (size_t i = 0; i < p->n_cases; i++)
		json_case(p, NULL, &p->cases[i], &j);
	json_out_end(&j);
	json_out_end(&j);
	plan_flow_destroy(&p);
	return written(f, err);
}
