/* report: where the energy of a run went. */
#include <math.h>
#include <stdio.h>

#include "calib_table.h"
#include "energy.h"
#include "energy_flows.h"
#include "json_out.h"
#include "summary.h"
#include "verb.h"

enum { REPORT_RUN, REPORT_SANKEY, REPORT_JSON };
static const struct opt report_opts[] = {
	[REPORT_RUN] = { "DIR|latest", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_FILE, "DIR",
	                 "a run directory, or 'latest'", UNIT_NONE },
	[REPORT_SANKEY] = { "sankey", 0, OPT_TEXT, OPT_FILE, "FILE.svg",
	                    "draw the flows of energy as a Sankey diagram", UNIT_NONE },
	[REPORT_JSON] = OPT_ROW_JSON,
};

/* ---- text -------------------------------------------------------------------------------- */

static void
print_nodes(const struct energy *e)
{
	const struct topo *t = e->topo;
	struct energy_node s = { 0 };
	printf("\n%-10s %11s %11s %9s %9s %10s %11s %11s %10s %9s\n", "node J", "source", "useful",
	       "loss", "shorts", "stored", "to links", "to ports", "booked", "residual");
	for (size_t i = 0; i <= t->n_nodes; i++) {
		const struct energy_node *n = i < t->n_nodes ? &e->nodes[i] : &s;
		printf("%-10s %11.3f %11.3f %9.3f %9.3f %10.3f %11.3f %11.3f %10.3f %9.1e\n",
		       i < t->n_nodes ? t->nodes[i].id : "all", n->source_j, n->useful_j, n->loss_j,
		       n->fault_j, n->stored_j, n->to_links_j, n->to_ports_j, n->booked_j,
		       n->residual_j);
		s.source_j += n->source_j;
		s.useful_j += n->useful_j;
		s.loss_j += n->loss_j;
		s.fault_j += n->fault_j;
		s.stored_j += n->stored_j;
		s.to_links_j += n->to_links_j;
		s.to_ports_j += n->to_ports_j;
		s.booked_j += n->booked_j;
		s.residual_j += n->residual_j;
	}
}

static void
print_stores(const struct energy *e)
{
	bool any = false;
	for (size_t i = 0; i < e->topo->n_nodes; i++) {
		const struct energy_store *s = &e->stores[i];
		if (!s->there)
			continue;
		if (!any)
			printf("\n%-10s %8s %8s %8s %8s %9s %10s %10s %11s %10s\n", "supercap",
			       "start", "least", "most", "end", "end V", "takes W", "gives W",
			       "stored J", "lost J");
		any = true;
		printf("%-10s %6.1f %% %6.1f %% %6.1f %% %6.1f %% %9.3f %10.1f %10.1f %11.3f "
		       "%10.3f\n",
		       e->topo->nodes[i].id, 100 * s->soc0, 100 * s->soc_least, 100 * s->soc_most,
		       100 * s->soc, s->v_v, fmax(-s->p_least_w, 0), fmax(s->p_most_w, 0),
		       s->stored_j, s->loss_j);
	}
}

static void
print_links(const struct energy *e)
{
	const struct topo *t = e->topo;
	if (!t->n_links)
		return;
	printf("\n%-12s %-20s %11s %11s %10s\n", "link J", "between", "from a", "from b", "cable");
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topo_link *k = &t->links[i];
		const struct energy_link *l = &e->links[i];
		char between[2 * TOPO_ID_MAX + 8], loss[32] = "-";
		snprintf(between, sizeof between, "%s - %s", t->nodes[k->a].id, t->nodes[k->b].id);
		if (!isnan(l->loss_j))
			snprintf(loss, sizeof loss, "%.3f", l->loss_j);
		printf("%-12s %-20s %11.3f %11.3f %10s\n", k->id, between, l->from_a_j, l->from_b_j,
		       loss);
	}
}

static void
print_modules(const struct energy *e)
{
	const struct topo *t = e->topo;
	struct energy_module s = { 0 };
	if (!t->n_modules)
		return;
	printf("\n%-10s %11s %11s %11s %10s %10s %10s %9s\n", "module J", "taken", "paid", "useful",
	       "loss", "stored", "unserved", "residual");
	for (size_t i = 0; i <= t->n_modules; i++) {
		const struct energy_module *m = i < t->n_modules ? &e->modules[i] : &s;
		printf("%-10s %11.3f %11.3f %11.3f %10.3f %10.3f %10.3f %9.1e\n",
		       i < t->n_modules ? t->modules[i].id : "all", m->taken_j, m->paid_j,
		       m->useful_j, m->loss_j, m->stored_j, m->unserved_j, m->residual_j);
		s.taken_j += m->taken_j;
		s.paid_j += m->paid_j;
		s.useful_j += m->useful_j;
		s.loss_j += m->loss_j;
		s.stored_j += m->stored_j;
		s.unserved_j += m->unserved_j;
		s.residual_j += m->residual_j;
	}
}

static void
print_report(const struct energy *e, const struct runview *view)
{
	double step_s = topo_step_s(e->topo);
	printf("%s: energy of %.6g s\n\n", e->topo->name, (double)e->mesh.k * step_s);
	ledger_print(stdout, &e->mesh);
	print_nodes(e);
	print_stores(e);
	print_links(e);
	print_modules(e);
	calib_table_print(stdout, view);
	printf("\nworst residual %.2g at %.6g s\n", e->worst, (double)e->worst_k * step_s);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void
json_mesh(const struct energy *e, struct json_out *j)
{
	const struct ledger *l = &e->mesh;
	json_out_object(j, "energy");
	json_out_real(j, "source_j", l->source_j);
	json_out_real(j, "useful_j", l->useful_j);
	json_out_real(j, "loss_j", l->loss_j);
	json_out_real(j, "fault_j", l->fault_j);
	json_out_real(j, "stored_change_j", l->stored_j - l->stored0_j);
	json_out_real(j, "in_flight_change_j", l->in_flight_j - l->in_flight0_j);
	json_out_real(j, "in_transit_j", l->in_transit_j);
	json_out_real(j, "abandoned_j", ledger_abandoned_j(l));
	json_out_real(j, "unserved_j", l->unserved_j);
	json_out_real(j, "residual", l->residual);
	json_out_real(j, "worst_residual", e->worst);
	json_out_end(j);
}

static void
json_store(const struct energy_store *s, struct json_out *j)
{
	json_out_object(j, "supercap");
	json_out_real(j, "soc_start", s->soc0);
	json_out_real(j, "soc_least", s->soc_least);
	json_out_real(j, "soc_most", s->soc_most);
	json_out_real(j, "soc_end", s->soc);
	json_out_real(j, "v_v", s->v_v);
	json_out_real(j, "p_least_w", s->p_least_w);
	json_out_real(j, "p_most_w", s->p_most_w);
	json_out_real(j, "stored_j", s->stored_j);
	json_out_real(j, "loss_j", s->loss_j);
	json_out_end(j);
}

static void
json_parts(const struct energy *e, struct json_out *j)
{
	const struct topo *t = e->topo;
	json_out_array(j, "nodes");
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct energy_node *n = &e->nodes[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", t->nodes[i].id);
		json_out_real(j, "source_j", n->source_j);
		json_out_real(j, "useful_j", n->useful_j);
		json_out_real(j, "loss_j", n->loss_j);
		json_out_real(j, "fault_j", n->fault_j);
		json_out_real(j, "stored_j", n->stored_j);
		json_out_real(j, "to_links_j", n->to_links_j);
		json_out_real(j, "to_ports_j", n->to_ports_j);
		json_out_real(j, "booked_j", n->booked_j);
		json_out_real(j, "residual_j", n->residual_j);
		if (e->stores[i].there)
			json_store(&e->stores[i], j);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_array(j, "links");
	for (size_t i = 0; i < t->n_links; i++) {
		json_out_object(j, NULL);
		json_out_text(j, "id", t->links[i].id);
		json_out_real(j, "from_a_j", e->links[i].from_a_j);
		json_out_real(j, "from_b_j", e->links[i].from_b_j);
		json_out_real(j, "loss_j", e->links[i].loss_j);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_array(j, "modules");
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct energy_module *m = &e->modules[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", t->modules[i].id);
		json_out_real(j, "taken_j", m->taken_j);
		json_out_real(j, "paid_j", m->paid_j);
		json_out_real(j, "useful_j", m->useful_j);
		json_out_real(j, "loss_j", m->loss_j);
		json_out_real(j, "stored_j", m->stored_j);
		json_out_real(j, "unserved_j", m->unserved_j);
		json_out_real(j, "residual_j", m->residual_j);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_report(const struct energy *e, const struct runview *view)
{
	struct json_out j;
	json_out_init(&j, stdout);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", e->topo->name);
	json_out_real(&j, "time_s", (double)e->mesh.k * topo_step_s(e->topo));
	json_mesh(e, &j);
	json_parts(e, &j);
	calib_table_json(&j, view);
	json_out_end(&j);
}

/* ---- picture ----------------------------------------------------------------------------- */

static int
draw(const struct energy *e, const char *path, struct err *err)
{
	struct sankey s = { 0 };
	bool detail;
	char title[96], line[160];
	int rc = energy_flows(e, &s, &detail, err);
	if (rc)
		goto out;
	double whole = 0;
	for (size_t i = 0; i < s.n_boxes; i++)
		whole += s.boxes[i].column == 0 ? s.boxes[i].out : 0;
	snprintf(title, sizeof title, "%s: where the energy went", e->topo->name);
	snprintf(line, sizeof line, "%.6g s of plant time, %.4g kJ in all%s; residual %.1g",
	         (double)e->mesh.k * topo_step_s(e->topo), whole * 1e-3,
	         detail ? "" : ", buses as one", e->mesh.residual);
	FILE *f = fopen(path, "we");
	if (!f) {
		rc = err_sys(err, ERR_IO, "cannot write %s", path);
		goto out;
	}
	sankey_svg(&s, f, title, line, "J", whole);
	int bad = ferror(f);
	if (fclose(f) || bad)
		rc = err_sys(err, ERR_IO, "cannot write %s", path);
out:
	sankey_free(&s);
	return rc;
}

static int
run_report(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	struct err err = ERR_INIT;
	struct runview *view = NULL;
	struct energy *e = NULL;
	int status = verb_open_run(c, v[REPORT_RUN].text, &view);
	if (status)
		return status;
	int rc = energy_create(view, &e, &err);
	if (!rc && v[REPORT_SANKEY].given)
		rc = draw(e, v[REPORT_SANKEY].text, &err);
	if (rc) {
		status = verb_fail(c, &err, NULL);
	} else {
		if (v[REPORT_JSON].given)
			json_report(e, view);
		else
			print_report(e, view);
		if (!(e->worst <= SUMMARY_RESIDUAL_MAX)) {
			term_error(c->talk, "the energy of the run does not add up", NULL);
			status = EXIT_FAILED;
		} else if (!v[REPORT_SANKEY].given) {
			verb_next(c, "Next: voltloom report %s --sankey energy.svg",
			          v[REPORT_RUN].text);
		}
	}
	energy_destroy(&e);
	runview_close(&view);
	return status;
}

const struct verb verb_report = {
	"report",
	GROUP_LOOK,
	"where the energy of a run went: per node, link, module and mesh",
	"voltloom report latest\n"
	"voltloom report latest --sankey energy.svg\n"
	"voltloom report DIR --json\n",
	"Exit status 1: the energy of the run does not add up. A run of `up` that was kept only "
	"in\n"
	"part (record.keep) has no ledger.",
	report_opts,
	sizeof report_opts / sizeof *report_opts,
	run_report,
};
