#include "summary.h"

#include <math.h>
#include <string.h>

#include "core.h"
#include "runview.h"

#define RESIDUAL_LOOKS 1000 /* frames at which the ledger is formed */

static void
hex(const uint8_t hash[32], char text[65])
{
	for (int i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static void
scan_frames(struct summary *s, const struct rec_file *f, int v_min, int v_max)
{
	const char *id = rec_file_head(f)->id;
	for (int64_t k = rec_file_first_k(f); k <= rec_file_last_k(f); k++) {
		const union rec_word *w = rec_file_frame(f, k);
		if (!w)
			continue;
		if (w[v_min].f < s->min.v) {
			s->min.v = w[v_min].f;
			s->min.k = k;
			snprintf(s->min.id, sizeof s->min.id, "%s", id);
		}
		if (w[v_max].f > s->max.v) {
			s->max.v = w[v_max].f;
			s->max.k = k;
			snprintf(s->max.id, sizeof s->max.id, "%s", id);
		}
	}
}

static void
scan_events(struct summary *s, const struct rec_file *f)
{
	for (size_t i = 0; i < rec_file_n_events(f); i++) {
		const struct core_event *e = rec_file_event(f, i);
		int cause = e->a >= OPEN_DEATH && e->a <= OPEN_PRECHARGE ? (int)e->a : 0;
		if (e->code == EV_LINK_OPEN)
			s->n_open[cause]++;
		else if (e->code == EV_PORT_OPEN)
			s->n_port_open++;
	}
}

int
summary_make(const char *run_dir, struct summary *s, struct err *err)
{
	struct runview *view = NULL;
	int rc = runview_open(run_dir, &view, err);
	if (!rc)
		rc = summary_of(view, s, err);
	runview_close(&view);
	return rc;
}

int
summary_of(const struct runview *view, struct summary *s, struct err *err)
{
	int rc = summary_figures(view, s, err);
	return rc ? rc : summary_trace(view, s->trace, err);
}

int
summary_trace(const struct runview *view, char trace[65], struct err *err)
{
	uint8_t hash[32];
	int rc = runview_trace(view, hash, err);
	if (!rc)
		hex(hash, trace);
	return rc;
}

int
summary_figures(const struct runview *view, struct summary *s, struct err *err)
{
	memset(s, 0, sizeof *s);
	s->min.v = INFINITY;
	s->max.v = -INFINITY;
	s->last_k = runview_last_k(view);
	for (size_t p = 0; p < runview_n_procs(view); p++) {
		int v_min = runview_field(view, p, "v_min"),
		    v_max = runview_field(view, p, "v_max");
		for (size_t l = 0; l < runview_n_lives(view, p); l++) {
			const struct rec_file *f = runview_life(view, p, l);
			if (p < runview_topo(view)->n_nodes && v_min >= 0 && v_max >= 0)
				scan_frames(s, f, v_min, v_max);
			scan_events(s, f);
		}
	}
	int64_t every = s->last_k / RESIDUAL_LOOKS;
	return ledger_run(view, every > 0 ? every : 1, &s->ledger, &s->worst_residual, &s->worst_k,
	                  err);
}

void
summary_print(const struct summary *s, const struct topo *t, FILE *f)
{
	double step_s = topo_step_s(t);
	const struct ledger *l = &s->ledger;
	fprintf(f, "bus       %.3f V (%s at %.6g s) .. %.3f V (%s at %.6g s)\n", s->min.v,
	        s->min.id, (double)s->min.k * step_s, s->max.v, s->max.id,
	        (double)s->max.k * step_s);
	fprintf(f, "energy    %.6g J from feeds, %.6g J used, %.6g J lost, %.6g J unserved\n",
	        l->source_j, l->useful_j, l->loss_j, l->unserved_j);
	fprintf(f, "residual  %.2g of %.6g J\n", s->worst_residual, l->scale_j);
	fprintf(f, "openings  %u link ends by death, %u by cut", s->n_open[OPEN_DEATH],
	        s->n_open[OPEN_CUT]);
	if (s->n_open[OPEN_FUSE])
		fprintf(f, ", %u by fuse", s->n_open[OPEN_FUSE]);
	if (s->n_open[OPEN_PRECHARGE])
		fprintf(f, ", %u from pre-charge", s->n_open[OPEN_PRECHARGE]);
	fprintf(f, "; %u ports\n", s->n_port_open);
}

void
summary_json(const struct summary *s, const struct topo *t, struct json_out *j)
{
	double step_s = topo_step_s(t);
	const struct ledger *l = &s->ledger;
	json_out_int(j, "steps", s->last_k);
	json_out_real(j, "t_s", (double)s->last_k * step_s);
	json_out_real(j, "bus_min_v", s->min.v);
	json_out_text(j, "bus_min_node", s->min.id);
	json_out_real(j, "bus_min_t_s", (double)s->min.k * step_s);
	json_out_real(j, "bus_max_v", s->max.v);
	json_out_text(j, "bus_max_node", s->max.id);
	json_out_real(j, "bus_max_t_s", (double)s->max.k * step_s);
	json_out_real(j, "source_j", l->source_j);
	json_out_real(j, "useful_j", l->useful_j);
	json_out_real(j, "loss_j", l->loss_j);
	json_out_real(j, "fault_j", l->fault_j);
	json_out_real(j, "abandoned_j", ledger_abandoned_j(l));
	json_out_real(j, "unserved_j", l->unserved_j);
	json_out_real(j, "residual", l->residual);
	json_out_real(j, "worst_residual", s->worst_residual);
	json_out_int(j, "link_ends_opened_by_death", s->n_open[OPEN_DEATH]);
	json_out_int(j, "link_ends_opened_by_cut", s->n_open[OPEN_CUT]);
	json_out_int(j, "ports_opened", s->n_port_open);
	json_out_text(j, "trace", s->trace);
}
