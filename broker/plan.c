#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "plan_precharge.h"
#include "sha256.h"
#include "topo_rules.h"
#include "unit.h"

/* Power into the string's converter, from the string, per ampere; 0: it cannot. */
static double
store_volts(const struct store_params *o, double v, double power_w)
{
	const struct conv_params *c = &o->conv;
	const double bus_v = 48, r = o->esr_ohm + c->r_ohm;
	double e = v - c->k_sw_s * c->f_sw_hz * bus_v, root = e * e - 4 * r * power_w;
	return root > 0 && e > 0 ? (e + sqrt(root)) / 2 : 0;
}

/* What a string at its target can give at this power: down to where its limits taper. */
static double
store_joule(const struct store_params *o, double power_w)
{
	enum { PARTS = 64 };
	double taper = o->v_min_v * o->v_min_v + 2 * power_w * STORE_TAPER_S / o->c_f;
	double from = store_target_v(o), to = sqrt(taper), sum = 0;
	if (!(power_w <= o->p_max_w) || !(to < from))
		return 0;
	/* Midpoints of C v dv per coulomb: di = C dv, each ampere gives store_volts(). */
	for (int i = 0; i < PARTS; i++) {
		double v = to + (from - to) * (i + 0.5) / PARTS;
		double per_a = store_volts(o, v, power_w);
		if (per_a > 0 && power_w / per_a <= o->conv.i_lim_a)
			sum += o->c_f * (from - to) / PARTS * per_a;
	}
	return sum;
}

double
plan_holdup_s(const struct node_params *p, double power_w)
{
	const double from = 48, to = 0.9 * 48; /* V; -10 % */
	if (!(power_w > 0))
		return INFINITY;
	double joule2 = p->c_bus_f * (from * from - to * to);
	/* At the end the supercapacitor stands above the bus by what its ESR drops. */
	double end = to + power_w * p->r_sc_ohm / to;
	if (p->has_sc && end < from)
		joule2 += p->c_sc_f * (from * from - end * end);
	if (p->has_store)
		joule2 += 2 * store_joule(&p->store, power_w);
	return joule2 / (2 * power_w);
}

static void
plan_nodes(struct plan *p)
{
	const struct topo *t = p->topo;
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct plan_node *n = &p->nodes[i];
		n->kappa = topo_kappa(t, i, &n->kappa_join);
		n->power_w = p->flow->load_w[i];
	}
	for (size_t i = 0; i < t->n_modules; i++)
		p->nodes[t->modules[i].feeds[0]].power_w += p->flow->module_w[i];
	for (size_t i = 0; i < t->n_nodes; i++)
		p->nodes[i].holdup_s = plan_holdup_s(&t->nodes[i].p, p->nodes[i].power_w);
}

static void
plan_fault_add(struct plan *p, enum loadflow_fault kind, size_t index)
{
	struct plan_fault *f = &p->faults[p->n_faults++];
	f->kind = kind;
	f->index = (uint32_t)index;
	loadflow_solve(p->flow, kind, f->index, &f->verdict);
	p->n_not_carried += f->verdict.problem != LOADFLOW_OK;
}

static void
plan_faults(struct plan *p)
{
	const struct topo *t = p->topo;
	for (size_t i = 0; i < t->n_nodes; i++)
		plan_fault_add(p, LOADFLOW_NODE, i);
	for (size_t i = 0; i < t->n_links; i++)
		if (!t->links[i].p.open)
			plan_fault_add(p, LOADFLOW_LINK, i);
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			plan_fault_add(p, LOADFLOW_FEED, i);
}

int
plan_create(const struct topo *t, struct plan **ret, struct err *err)
{
	struct plan *p = calloc(1, sizeof *p);
	int rc = ERR_NOMEM;
	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory");
	p->topo = t;
	p->nodes = calloc(t->n_nodes + 1, sizeof *p->nodes);
	p->faults = calloc(2 * t->n_nodes + t->n_links + 1, sizeof *p->faults);
	if (!p->nodes || !p->faults)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	else
		rc = loadflow_create(t, &p->flow, err);
	if (rc) {
		plan_destroy(&p);
		return rc;
	}
	plan_nodes(p);
	plan_faults(p);
	loadflow_solve(p->flow, LOADFLOW_BASE, 0, &p->base);
	*ret = p;
	return 0;
}

void
plan_destroy(struct plan **pp)
{
	struct plan *p = *pp;
	if (!p)
		return;
	loadflow_destroy(&p->flow);
	free(p->nodes);
	free(p->faults);
	free(p);
	*pp = NULL;
}

/* ---- text ------------------------------------------------------------------------------------ */

static const char *
control_name(enum control_kind c)
{
	return c == CONTROL_NONE ? "none" : c == CONTROL_DROOP ? "droop" : "consensus";
}

static const char *
class_name(enum module_class c)
{
	return c == MODULE_FIXED ? "fixed" : c == MODULE_CPU ? "cpu" : "resistive";
}

static const char *
fault_name(enum loadflow_fault k)
{
	return k == LOADFLOW_NODE ? "node" : k == LOADFLOW_LINK ? "link" : "feed";
}

static const char *
fault_id(const struct topo *t, const struct plan_fault *f)
{
	return f->kind == LOADFLOW_LINK ? t->links[f->index].id : t->nodes[f->index].id;
}

static void
print_head(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	char hash[SHA256_HEX], step[32];
	size_t feeds = 0;
	double power = 0;
	for (size_t i = 0; i < t->n_nodes; i++) {
		feeds += t->nodes[i].p.has_feed;
		power += p->flow->load_w[i];
	}
	for (size_t i = 0; i < t->n_modules; i++)
		power += p->flow->module_w[i];
	sha256_hex(t->hash, hash);
	fprintf(f,
	        "%s: %zu nodes, %zu links, %zu feeds, %zu modules, step %s x %u sub-steps, seed "
	        "%llu\n",
	        t->name, t->n_nodes, t->n_links, feeds, t->n_modules,
	        unit_format(step, sizeof step, topo_step_s(t), UNIT_SECOND), t->substeps,
	        (unsigned long long)t->seed);
	fprintf(f, "mesh %.16s, nominal %g V, highest load %.4g kW in all\n\n", hash, t->nominal_v,
	        power * 1e-3);
}

static const char *
cell(char *buf, size_t size, bool there, double value, enum unit u)
{
	return there ? unit_format(buf, size, value, u) : "-";
}

/* "+": behind a converter. */
static const char *
supercap_cell(char *buf, size_t size, const struct node_params *n)
{
	char text[32];
	if (!n->has_store)
		return cell(buf, size, n->has_sc, n->c_sc_f, UNIT_FARAD);
	snprintf(buf, size, "%s+", unit_format(text, sizeof text, n->store.c_f, UNIT_FARAD));
	return buf;
}

static void
print_nodes(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	char a[4][32];
	fprintf(f, "%-12s %5s %6s %9s %9s %10s %10s %9s %8s %8s  %s\n", "node", "kappa", "(join)",
	        "c_bus", "supercap", "feed", "power", "hold-up", "bus", "loading", "control");
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *n = &t->nodes[i].p;
		const struct plan_node *q = &p->nodes[i];
		char loading[32] = "-", bus[32] = "-", holdup[32] = "-";
		if (n->has_feed)
			snprintf(loading, sizeof loading, "%.1f %%",
			         100 * p->flow->feed_a[i] / n->feed.i_rated_a);
		if (!isnan(p->flow->v_v[i]))
			snprintf(bus, sizeof bus, "%.2f V", p->flow->v_v[i]);
		if (isfinite(q->holdup_s))
			snprintf(holdup, sizeof holdup, "%.0f ms", q->holdup_s * 1e3);
		fprintf(f, "%-12s %5.2f %6.2f %9s %9s %10s %8.1f W %9s %8s %8s  %s\n",
		        t->nodes[i].id, q->kappa, q->kappa_join,
		        unit_format(a[0], sizeof a[0], n->c_bus_f, UNIT_FARAD),
		        supercap_cell(a[1], sizeof a[1], n),
		        cell(a[2], sizeof a[2], n->has_feed, n->feed.i_rated_a, UNIT_AMPERE),
		        q->power_w, holdup, bus, loading, control_name(n->control));
	}
}

static void
print_stores(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	char a[3][32];
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct store_params *o = &t->nodes[i].p.store;
		if (!t->nodes[i].p.has_store)
			continue;
		double min2 = o->v_min_v * o->v_min_v;
		double full_j = 0.5 * o->c_f * (o->v_max_v * o->v_max_v - min2);
		fprintf(f,
		        "%-12s supercap behind a converter: %g to %g V, %s usable, target %.0f %%, "
		        "at most %s, restores with %s\n",
		        t->nodes[i].id, o->v_min_v, o->v_max_v,
		        unit_format(a[0], sizeof a[0], full_j, UNIT_JOULE), 100 * o->target,
		        unit_format(a[1], sizeof a[1], o->p_max_w, UNIT_WATT),
		        unit_format(a[2], sizeof a[2], o->restore_w, UNIT_WATT));
	}
}

static void
print_links(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	char a[5][32];
	bool limits = false;
	for (size_t i = 0; i < t->n_links; i++)
		limits = limits || t->links[i].p.limit_a > 0;
	fprintf(f, "\n%-16s %-24s %9s %9s %9s %8s ", "link", "between", "r", "l", "l_eff", "fuse");
	if (limits)
		fprintf(f, "%8s ", "limit");
	fprintf(f, "%10s\n", "current");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *l = &t->links[i];
		char between[2 * TOPO_ID_MAX + 8];
		snprintf(between, sizeof between, "%s -> %s", t->nodes[l->a].id, t->nodes[l->b].id);
		fprintf(f, "%-16s %-24s %9s %9s %9s %8s ", l->id, between,
		        unit_format(a[0], sizeof a[0], l->p.r_ohm, UNIT_OHM),
		        unit_format(a[1], sizeof a[1], l->p.l_h, UNIT_HENRY),
		        unit_format(a[2], sizeof a[2], l->p.l_eff_h, UNIT_HENRY),
		        cell(a[3], sizeof a[3], l->p.fuse_a > 0, l->p.fuse_a, UNIT_AMPERE));
		if (limits)
			fprintf(f, "%8s ", cell(a[4], sizeof a[4], l->p.limit_a > 0, l->p.limit_a, UNIT_AMPERE));
		if (l->p.open)
			fprintf(f, "%10s\n", "open");
		else
			fprintf(f, "%8.2f A\n", p->flow->link_a[i]);
	}
}

static void
print_modules(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	if (!t->n_modules)
		return;
	fprintf(f, "\n%-12s %-10s %3s %10s %9s  %s\n", "module", "class", "pri", "power", "input",
	        "from");
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		fprintf(f, "%-12s %-10s %3u %8.1f W %7.2f V ", m->id, class_name(m->p.class),
		        m->p.priority, p->flow->module_w[i], p->flow->module_v[i]);
		for (size_t j = 0; j < m->n_feeds; j++)
			fprintf(f, "%s %s%s %.2f A", j ? "," : "", t->nodes[m->feeds[j]].id,
			        j ? "" : " (owner)", p->flow->port_a[m->ports[j]]);
		fputc('\n', f);
	}
}

static void
print_faults(const struct plan *p, FILE *f)
{
	const struct topo *t = p->topo;
	char text[160];
	fprintf(f, "\nbase case: %s; highest loading %s %.0f %%\n",
	        loadflow_text(p->flow, &p->base, text, sizeof text),
	        t->nodes[p->base.loading_at].id, 100 * p->base.loading);
	const struct plan_fault *low = NULL;
	for (size_t i = 0; i < p->n_faults; i++) {
		const struct plan_fault *q = &p->faults[i];
		if (q->verdict.problem != LOADFLOW_OK)
			fprintf(f, "without %s %s: %s\n", fault_name(q->kind), fault_id(t, q),
			        loadflow_text(p->flow, &q->verdict, text, sizeof text));
		else if (!low || q->verdict.v_min_v < low->verdict.v_min_v)
			low = q;
	}
	fprintf(f, "single failures: %zu of %zu carried", p->n_faults - p->n_not_carried,
	        p->n_faults);
	if (low && isfinite(low->verdict.v_min_v))
		fprintf(f,
		        " (bus >= %g V, feeds <= %.0f %%); the hardest of them: %s %s, bus %.2f V",
		        LOADFLOW_V_MIN, 100 * LOADFLOW_LOADING_MAX, fault_name(low->kind),
		        fault_id(t, low), low->verdict.v_min_v);
	fputc('\n', f);
}

static int
written(FILE *f, struct err *err)
{
	return ferror(f) ? err_set(err, ERR_IO, "cannot write the plan") : 0;
}

int
plan_print(const struct topo *t, FILE *f, struct err *err)
{
	struct plan *p = NULL;
	int rc = plan_create(t, &p, err);
	if (rc)
		return rc;
	print_head(p, f);
	print_nodes(p, f);
	print_stores(p, f);
	print_links(p, f);
	print_modules(p, f);
	print_faults(p, f);
	plan_precharge_print(t, f);
	plan_destroy(&p);
	return written(f, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void
json_nodes(const struct plan *p, struct json_out *j)
{
	const struct topo *t = p->topo;
	json_out_array(j, "nodes");
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct node_params *n = &t->nodes[i].p;
		json_out_object(j, NULL);
		json_out_text(j, "id", t->nodes[i].id);
		json_out_real(j, "kappa", p->nodes[i].kappa);
		json_out_real(j, "kappa_join", p->nodes[i].kappa_join);
		json_out_real(j, "c_bus_f", n->c_bus_f);
		json_out_real(j, "c_sc_f", n->has_store ? n->store.c_f : n->c_sc_f);
		json_out_real(j, "r_sc_ohm", n->has_store ? n->store.esr_ohm : n->r_sc_ohm);
		json_out_bool(j, "sc_converter", n->has_store);
		if (n->has_store) {
			json_out_real(j, "sc_v_min_v", n->store.v_min_v);
			json_out_real(j, "sc_v_max_v", n->store.v_max_v);
			json_out_real(j, "sc_target", n->store.target);
			json_out_real(j, "sc_p_max_w", n->store.p_max_w);
		}
		json_out_real(j, "v_init_v", n->v_init_v);
		json_out_text(j, "control", control_name(n->control));
		json_out_real(j, "power_w", p->nodes[i].power_w);
		json_out_real(j, "holdup_s", p->nodes[i].holdup_s);
		json_out_real(j, "v_v", p->flow->v_v[i]);
		if (n->has_feed) {
			json_out_object(j, "feed");
			json_out_real(j, "v0_v", n->feed.v0_v);
			json_out_real(j, "r_d_ohm", n->feed.r_d_ohm);
			json_out_real(j, "i_rated_a", n->feed.i_rated_a);
			json_out_real(j, "i_max_a", n->feed.i_max_a);
			json_out_real(j, "tau_s", n->feed.tau_s);
			json_out_real(j, "i_a", p->flow->feed_a[i]);
			json_out_end(j);
		}
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_links(const struct plan *p, struct json_out *j)
{
	const struct topo *t = p->topo;
	json_out_array(j, "links");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *l = &t->links[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", l->id);
		json_out_text(j, "a", t->nodes[l->a].id);
		json_out_text(j, "b", t->nodes[l->b].id);
		json_out_real(j, "r_ohm", l->p.r_ohm);
		json_out_real(j, "l_h", l->p.l_h);
		json_out_real(j, "l_eff_h", l->p.l_eff_h);
		json_out_real(j, "fuse_a", l->p.fuse_a > 0 ? l->p.fuse_a : NAN);
		json_out_real(j, "limit_a", l->p.limit_a > 0 ? l->p.limit_a : NAN);
		json_out_bool(j, "open", l->p.open);
		json_out_real(j, "i_a", p->flow->link_a[i]);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_modules(const struct plan *p, struct json_out *j)
{
	const struct topo *t = p->topo;
	json_out_array(j, "modules");
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct topo_module *m = &t->modules[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", m->id);
		json_out_text(j, "class", class_name(m->p.class));
		json_out_int(j, "priority", m->p.priority);
		json_out_real(j, "power_w", p->flow->module_w[i]);
		json_out_real(j, "v_in_v", p->flow->module_v[i]);
		json_out_array(j, "feeds");
		for (size_t k = 0; k < m->n_feeds; k++) {
			json_out_object(j, NULL);
			json_out_text(j, "node", t->nodes[m->feeds[k]].id);
			json_out_real(j, "i_a", p->flow->port_a[m->ports[k]]);
			json_out_end(j);
		}
		json_out_end(j);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_faults(const struct plan *p, struct json_out *j)
{
	char text[160];
	json_out_object(j, "base");
	json_out_bool(j, "carried", p->base.problem == LOADFLOW_OK);
	json_out_text(j, "text", loadflow_text(p->flow, &p->base, text, sizeof text));
	json_out_real(j, "v_min_v", p->base.v_min_v);
	json_out_real(j, "loading", p->base.loading);
	json_out_end(j);
	json_out_array(j, "single_failures");
	for (size_t i = 0; i < p->n_faults; i++) {
		const struct plan_fault *q = &p->faults[i];
		json_out_object(j, NULL);
		json_out_text(j, "kind", fault_name(q->kind));
		json_out_text(j, "id", fault_id(p->topo, q));
		json_out_bool(j, "carried", q->verdict.problem == LOADFLOW_OK);
		json_out_text(j, "text", loadflow_text(p->flow, &q->verdict, text, sizeof text));
		json_out_real(j, "v_min_v", q->verdict.v_min_v);
		json_out_real(j, "loading", q->verdict.loading);
		json_out_end(j);
	}
	json_out_end(j);
}

int
plan_json(const struct topo *t, FILE *f, struct err *err)
{
	struct plan *p = NULL;
	int rc = plan_create(t, &p, err);
	if (rc)
		return rc;
	struct json_out j;
	char hash[SHA256_HEX];
	sha256_hex(t->hash, hash);
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", t->name);
	json_out_text(&j, "hash", hash);
	json_out_int(&j, "step_ns", t->step_ns);
	json_out_int(&j, "substeps", t->substeps);
	json_out_int(&j, "port_period", t->port_period);
	json_out_real(&j, "nominal_v", t->nominal_v);
	json_nodes(p, &j);
	json_links(p, &j);
	json_modules(p, &j);
	json_faults(p, &j);
	plan_precharge_json(t, &j);
	json_out_end(&j);
	plan_destroy(&p);
	return written(f, err);
}

/* ---- validate -------------------------------------------------------------------------------- */

int
plan_check(const struct topo *t, struct diag_list *diags, struct err *err)
{
	struct loadflow *l = NULL;
	struct loadflow_verdict w;
	char text[160];
	int rc = loadflow_create(t, &l, err);
	if (rc)
		return rc;
	loadflow_solve(l, LOADFLOW_BASE, 0, &w);
	if (w.problem != LOADFLOW_OK)
		diag_add(diags, DIAG_WARNING, t->path, 0, 0, 0, NULL,
		         "with every load at its highest: %s",
		         loadflow_text(l, &w, text, sizeof text));
	loadflow_destroy(&l);
	return 0;
}
