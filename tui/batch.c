#include "batch.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "json_out.h"
#include "pane.h"

enum {
	BATCH_EVENTS = 20, /* newest events that are printed */
	BATCH_HEADER_H = 2,
	BATCH_LINKS_W = 34, /* columns of one link */
	BATCH_POLL_MS = 50,
};
/* How long a complete view waits for the supervisor's status. */
#define BATCH_STATUS_NS INT64_C(500000000)

static int64_t
batch_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- text ---------------------------------------------------------------------------------- */

static int
batch_pane_rows(enum pane_id p, const struct ui *ui, int width)
{
	int rows = (int)ui->pane[p].rows.n,
	    columns = width / BATCH_LINKS_W > 0 ? width / BATCH_LINKS_W : 1;
	if (rows == 0)
		return p == PANE_NODES || p == PANE_MODULES ? 2 : 1;
	switch (p) {
	case PANE_LINKS:
		return (rows + columns - 1) / columns;
	case PANE_EVENTS:
		return rows < BATCH_EVENTS ? rows : BATCH_EVENTS;
	default:
		return rows + 1;
	}
}

static int
batch_text(const struct shot *s, const struct batch_params *p, FILE *f, struct err *err)
{
	static const enum pane_id order[] = { PANE_NODES, PANE_LINKS, PANE_MODULES, PANE_EVENTS };
	enum { N = sizeof order / sizeof *order };
	struct ui ui;
	struct canvas c = { .tier = p->tier };
	int rc = ui_init(&ui, true, err);
	if (!rc)
		rc = ui_arrange(&ui, s, err);
	int h = BATCH_HEADER_H;
	for (int i = 0; !rc && i < N; i++)
		h += 2 + batch_pane_rows(order[i], &ui, p->width);
	if (!rc)
		rc = canvas_resize(&c, p->width, h, err);
	if (!rc) {
		struct area a = { 0, 0, p->width, BATCH_HEADER_H };
		pane_header_draw(&c, &a, s, &ui);
		for (int i = 0; i < N; i++) {
			a = (struct area){ 0, a.y + a.h + 1, p->width, 1 };
			canvas_text(&c, &a, 1, 0, STYLE_BOLD, "%s %zu", panes[order[i]].name,
			            ui.pane[order[i]].rows.n);
			a = (struct area){ 0, a.y + 1, p->width,
				           batch_pane_rows(order[i], &ui, p->width) };
			panes[order[i]].draw(&c, &a, s, &ui, false);
		}
		canvas_print(&c, f);
	}
	canvas_free(&c);
	ui_free(&ui);
	return rc;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static const char *
fresh_text(enum shot_fresh fresh)
{
	return fresh == FRESH_OK ? "live" : fresh == FRESH_STALE ? "stale" : "lost";
}

static void
json_head(struct json_out *j, const struct shot *s)
{
	const struct shot_head *h = &s->head;
	json_out_text(j, "mesh", h->mesh);
	json_out_text(j, "state", h->state);
	json_out_real(j, "speed", h->speed);
	if (h->has_seed)
		json_out_int(j, "seed", (int64_t)h->seed);
	json_out_int(j, "t_ns", h->t_ns);
	json_out_int(j, "k", h->k);
	json_out_int(j, "nodes_up", (int64_t)h->nodes_up);
	json_out_int(j, "links_closed", (int64_t)h->links_closed);
	json_out_int(j, "modules_served", (int64_t)h->modules_served);
	json_out_int(j, "islands", (int64_t)h->islands);
	json_out_real(j, "source_w", h->gen_w);
	json_out_real(j, "load_w", h->load_w);
	json_out_real(j, "loss_w", h->loss_w);
	json_out_real(j, "unserved_w", h->unserved_w);
	json_out_real(j, "unserved_j", h->unserved_j);
	json_out_real(j, "v_min_v", h->v_min_v);
	json_out_real(j, "v_max_v", h->v_max_v);
	json_out_int(j, "messages", (int64_t)h->messages);
	json_out_int(j, "lost", (int64_t)h->lost);
	json_out_int(j, "bad", (int64_t)h->bad);
}

static void
json_nodes(struct json_out *j, const struct shot *s)
{
	json_out_array(j, "nodes");
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct shot_node *n = &s->nodes[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", n->id);
		json_out_text(j, "state", shot_state_text(n->state));
		json_out_text(j, "fresh", fresh_text(n->fresh));
		json_out_int(j, "inc", n->inc);
		json_out_real(j, "v_v", n->v_v);
		json_out_real(j, "v_min_v", n->v_min_v);
		json_out_real(j, "v_max_v", n->v_max_v);
		json_out_real(j, "i_a", n->i_a);
		json_out_real(j, "p_w", n->p_w);
		json_out_real(j, "soc", n->soc);
		json_out_real(j, "sc_v", n->sc_v);
		json_out_real(j, "sc_p_w", n->sc_p_w);
		json_out_real(j, "conv_v", n->conv_v);
		json_out_real(j, "conv_i_a", n->conv_i_a);
		json_out_real(j, "conv_p_w", n->conv_p_w);
		json_out_real(j, "feed_i_a", n->feed_i_a);
		json_out_real(j, "loading", n->loading);
		json_out_real(j, "load_w", n->load_w);
		json_out_real(j, "temp_degc", n->temp_c);
		if (!isnan(n->calib_rank)) {
			json_out_real(j, "calib_rank", n->calib_rank);
			json_out_real(j, "calib_unknowns", n->calib_unknowns);
		}
		json_out_bool(j, "served", n->served);
		json_out_text(j, "owns", n->owns);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_links(struct json_out *j, const struct shot *s)
{
	static const char *const states[] = { "open", "precharge", "closed" };
	json_out_array(j, "links");
	for (size_t i = 0; i < s->n_links; i++) {
		const struct shot_link *l = &s->links[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", l->id);
		json_out_text(j, "a", l->a_id[0] ? l->a_id : NULL);
		json_out_text(j, "b", l->b_id[0] ? l->b_id : NULL);
		json_out_text(j, "state", l->state >= 0 && l->state < 3 ? states[l->state] : NULL);
		json_out_text(j, "fresh", fresh_text(l->fresh));
		json_out_real(j, "i_a", l->i_a);
		json_out_real(j, "p_w", l->p_w);
		json_out_real(j, "i_max_a", l->i_max_a);
		json_out_real(j, "conv_v", l->conv_v);
		json_out_real(j, "conv_i_a", l->conv_i_a);
		json_out_real(j, "conv_p_w", l->conv_p_w);
		json_out_real(j, "conv_set_w", l->conv_set_w);
		json_out_real(j, "frames_sent", l->frames_sent);
		json_out_real(j, "frames_lost", l->frames_lost);
		json_out_bool(j, "deaf", l->deaf);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_modules(struct json_out *j, const struct shot *s)
{
	json_out_array(j, "modules");
	for (size_t i = 0; i < s->n_modules; i++) {
		const struct shot_module *m = &s->modules[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", m->id);
		json_out_text(j, "state", shot_state_text(m->state));
		json_out_text(j, "fresh", fresh_text(m->fresh));
		json_out_int(j, "inc", m->inc);
		json_out_text(j, "owner", m->owner_id[0] ? m->owner_id : NULL);
		json_out_bool(j, "served", m->served);
		json_out_real(j, "v_in_v", m->v_in_v);
		json_out_real(j, "v_v", m->v_v);
		json_out_real(j, "p_w", m->p_w);
		json_out_real(j, "demand_w", m->demand_w);
		json_out_real(j, "throughput", m->throughput);
		json_out_real(j, "errors", m->errors);
		json_out_real(j, "epoch", m->epoch);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_events(struct json_out *j, const struct shot *s)
{
	size_t first = s->n_events > BATCH_EVENTS ? s->n_events - BATCH_EVENTS : 0;
	json_out_array(j, "events");
	for (size_t i = first; i < s->n_events; i++) {
		const struct shot_event *e = &s->events[i];
		json_out_object(j, NULL);
		json_out_int(j, "t_ns", e->t_ns);
		json_out_int(j, "k", e->k);
		json_out_text(j, "proc", e->proc);
		json_out_text(j, "event", e->what);
		json_out_text(j, "text", e->text);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
batch_json(const struct shot *s, FILE *f)
{
	struct json_out j;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_head(&j, s);
	json_nodes(&j, s);
	json_links(&j, s);
	json_modules(&j, s);
	json_events(&j, s);
	json_out_end(&j);
}

/* ---- loop ---------------------------------------------------------------------------------- */

/* Takes in what comes until `until_ns`, or until the view is complete. */
static void
batch_collect(struct feed *f, struct view *v, const struct batch_params *p, int64_t until_ns,
              bool complete)
{
	int64_t start_ns = batch_now_ns();
	for (int64_t now = start_ns; now < until_ns && !*p->stop; now = batch_now_ns()) {
		feed_take(f, v, now);
		if (complete && view_complete(v) &&
		    (feed_has_status(f) || now - start_ns > BATCH_STATUS_NS))
			return;
		int64_t left_ms = (until_ns - now) / 1000000 + 1;
		feed_wait(f, left_ms < BATCH_POLL_MS ? (int)left_ms : BATCH_POLL_MS);
	}
}

int
batch_run(struct feed *f, struct view *v, const struct batch_params *p, struct err *err)
{
	struct shot shot = { .n_nodes = 0 };
	int rc = 0;
	int64_t next_ns = batch_now_ns() + BATCH_PATIENCE_NS;
	for (int64_t i = 0; !rc && !*p->stop && (p->n == 0 || i < p->n); i++) {
		batch_collect(f, v, p, next_ns, i == 0);
		if (*p->stop)
			break;
		int64_t now = batch_now_ns();
		next_ns = now + p->interval_ns;
		rc = view_sample(v, now, &shot, err);
		if (!rc && i == 0 && shot.head.messages == 0 && !feed_has_status(f)) {
			rc = err_set(err, ERR_TIMEOUT,
			             "no telemetry within %.1f s: does the mesh run?",
			             (double)BATCH_PATIENCE_NS * 1e-9);
			break;
		}
		if (!rc && p->json)
			batch_json(&shot, stdout);
		else if (!rc)
			rc = batch_text(&shot, p, stdout, err);
		if (!rc && !p->json && p->n != 1)
			fputc('\n', stdout);
		/* A reader that has gone is no failure. */
		if (!rc && (fflush(stdout) || ferror(stdout))) {
			rc = errno == EPIPE ? 0 : err_sys(err, ERR_IO, "stdout");
			break;
		}
	}
	shot_free(&shot);
	return rc;
}
