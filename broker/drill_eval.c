#include "drill_eval.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "drill_eval_priv.h"
#include "drill_find.h"
#include "drill_prove.h"
#include "export.h"

const char *
drill_verdict_name(enum drill_verdict v)
{
	static const char *const names[] = { "pass",  "fail",    "inconclusive", "invalid",
		                             "error", "aborted", "interrupted" };
	return names[v];
}

void
drill_value(double value, enum unit u, char buf[48])
{
	if (u < UNIT_END_ && u != UNIT_NONE)
		unit_format(buf, 48, value, u);
	else
		snprintf(buf, 48, "%.6g", value);
}

void
drill_time(const struct topo *t, int64_t k, char buf[48])
{
	char s[EXPORT_TIME_MAX];
	export_time(k * t->step_ns, s);
	snprintf(buf, 48, "%s s", s);
}

const char *
drill_target(const struct topo *t, const struct script_action *a)
{
	if (a->target_kind == TARGET_RELAY)
		return "relay";
	if (a->target_kind == TARGET_LINK)
		return t->links[a->target].id;
	return a->target < t->n_nodes ? t->nodes[a->target].id
	                              : t->modules[a->target - t->n_nodes].id;
}

/* ---- windows ----------------------------------------------------------------------------------
 */

static bool
moment(const struct drill_work *w, const struct drill_moment *m, int64_t after_ns, int64_t *ns)
{
	size_t at;
	int64_t T = w->topo->step_ns;
	if (m->kind == MOMENT_EVENT) {
		int64_t k = drill_find_event(w->view, w->events, m->event, (after_ns + T - 1) / T,
		                             w->end_k, &at);
		*ns = k * T + m->ns;
		return k >= 0;
	}
	*ns = m->ns;
	return m->kind != MOMENT_NEVER;
}

static struct drill_window
window_of(const struct drill_work *w, const struct drill_check *c)
{
	struct drill_window r = { .began = true };
	int64_t end_ns = w->end_k * w->topo->step_ns;
	if (c->from.kind != MOMENT_NONE)
		r.began = moment(w, &c->from, 0, &r.from_ns);
	r.to_ns = end_ns;
	if (!r.began)
		return r;
	if (c->until.kind != MOMENT_NONE) {
		/* An event that never comes does not end the window. */
		if (!moment(w, &c->until, r.from_ns, &r.to_ns))
			r.to_ns = end_ns;
	} else if (c->within_ns >= 0) {
		r.to_ns = r.from_ns + c->within_ns;
	}
	int64_t last = r.to_ns + (c->hold_ns > 0 ? c->hold_ns : 0);
	r.cut = last > end_ns;
	r.to_ns = r.to_ns > end_ns ? end_ns : r.to_ns;
	return r;
}

/* The frames whose samples lie in the window. */
static void
frames_of(const struct drill_work *w, const struct drill_window *r, struct drill_item *it)
{
	int64_t T = w->topo->step_ns;
	it->from_k = r->from_ns == 0 ? 0 : (r->from_ns + T - 1) / T + 1;
	it->to_k = r->to_ns / T;
}

/* ---- items ------------------------------------------------------------------------------------
 */

static int
do_check(const struct drill_work *w, const struct drill_check *c, struct drill_item *it)
{
	int64_t T = w->topo->step_ns;
	*it = (struct drill_item){ .kind = ITEM_CHECK,
		                   .check = c,
		                   .expr = c->expr,
		                   .op = drill_kind_name(c->kind),
		                   .at_k = -1,
		                   .first_k = -1,
		                   .to_k = -1 };
	snprintf(it->id, sizeof it->id, "%s", c->id);
	struct drill_window r = window_of(w, c);
	if (!r.began) {
		it->verdict = DRILL_INCONCLUSIVE;
		drill_say(it, "the window never began: no '%s'", c->from.text);
		return 0;
	}
	frames_of(w, &r, it);
	int rc = 0;
	if (!c->expr)
		drill_test_event(w, it, &r, c->kind == DRILL_EVENT);
	else if (c->kind == DRILL_ALWAYS || c->kind == DRILL_NEVER)
		rc = drill_test_always(w, it, c->kind == DRILL_NEVER);
	else if (c->kind == DRILL_EVENTUALLY)
		rc = drill_test_eventually(w, it);
	else if (c->kind == DRILL_SETTLES)
		rc = drill_test_settles(w, it, c->hold_ns < 0 ? -1 : (c->hold_ns + T - 1) / T);
	else if (c->kind == DRILL_COMPARE)
		rc = drill_test_compare(w, it);
	else
		rc = drill_test_metric(w, it);
	bool none = c->kind == DRILL_ALWAYS || c->kind == DRILL_NEVER;
	if (r.cut && it->verdict == (none ? DRILL_PASS : DRILL_FAIL)) {
		it->verdict = DRILL_INCONCLUSIVE;
		drill_say(it, "; the drill ends before the window does");
	}
	if (it->vacuous && w->strict)
		it->verdict = DRILL_FAIL;
	return rc;
}

static int
do_gate(const struct drill_work *w, const struct drill_gate *g, bool before, struct drill_item *it)
{
	int64_t T = w->topo->step_ns;
	int64_t last = runview_last_k(w->view);
	int64_t hold = (g->for_ns + T - 1) / T, settle = (w->s->settle_ns + T - 1) / T;
	*it = (struct drill_item){ .kind = before ? ITEM_BEFORE : ITEM_AFTER,
		                   .expr = g->expr,
		                   .op = before ? "steady state before" : "steady state after",
		                   .at_k = -1,
		                   .first_k = -1 };
	snprintf(it->id, sizeof it->id, "%s", g->id);
	it->to_k = before ? settle + hold : last;
	it->from_k = hold ? it->to_k - hold + 1 : it->to_k;
	return drill_test_always(w, it, false);
}

static int
do_abort(const struct drill_work *w, struct drill_item *it)
{
	*it = (struct drill_item){ .kind = ITEM_ABORT,
		                   .expr = w->s->checks->abort_if,
		                   .op = "abort_if",
		                   .at_k = -1,
		                   .first_k = -1,
		                   .to_k = runview_last_k(w->view) };
	snprintf(it->id, sizeof it->id, "abort-if");
	int rc = drill_test_always(w, it, true);
	/* Nothing to compare is nothing to abort for. */
	it->verdict = it->verdict == DRILL_FAIL ? DRILL_ABORTED : DRILL_PASS;
	return rc;
}

/* Aborted over fail over inconclusive. */
static void
take_verdict(struct drill_outcome *o, enum drill_verdict v)
{
	static const int rank[] = {
		[DRILL_PASS] = 0,       [DRILL_INCONCLUSIVE] = 1, [DRILL_FAIL] = 2,
		[DRILL_ABORTED] = 3,    [DRILL_INVALID] = 4,      [DRILL_ERROR] = 5,
		[DRILL_INTERRUPTED] = 6
	};
	if (rank[v] > rank[o->verdict])
		o->verdict = v;
}

static const struct script_when *
when_of(const struct script *s, const struct script_action *a)
{
	for (size_t i = 0; i < s->n_whens; i++)
		if (!strcmp(s->whens[i].id, a->id))
			return &s->whens[i];
	return NULL;
}

/* The condition of an action held first in the frame that the rehearsal found. */
static int
prove_condition(const struct drill_work *w, struct drill_fault *f)
{
	const struct script_when *wait = when_of(w->s, f->action);
	char text[DRILL_LINE_MAX];
	int64_t k;
	if (!wait)
		return 0;
	f->when = wait->text;
	int rc = drill_find_when(wait, w->view, &k, w->err);
	if (rc)
		return rc;
	memcpy(text, f->text, sizeof text);
	f->proved = f->proved && k == wait->k;
	if (k == wait->k)
		snprintf(f->text, sizeof f->text, "%.200s; %.150s held in frame %" PRId64, text,
		         wait->text, k);
	else
		snprintf(f->text, sizeof f->text,
		         "%.150s held first in frame %" PRId64 ", not in frame %" PRId64,
		         wait->text, k, wait->k);
	return 0;
}

static int
do_all(struct drill_work *w, struct drill_outcome *o)
{
	const struct drill_checks *c = w->s->checks;
	int rc = 0;
	for (size_t i = 0; !rc && i < c->n_gates; i++)
		rc = do_gate(w, &c->gates[i], true, &o->items[o->n_items++]);
	for (size_t i = 0; !rc && i < c->n_checks; i++)
		rc = do_check(w, &c->checks[i], &o->items[o->n_items++]);
	for (size_t i = 0; !rc && i < c->n_gates; i++)
		rc = do_gate(w, &c->gates[i], false, &o->items[o->n_items++]);
	if (!rc && c->abort_if)
		rc = do_abort(w, &o->items[o->n_items++]);
	for (size_t i = 0; i < w->s->n; i++) {
		struct drill_fault *f = &o->faults[o->n_faults++];
		drill_prove(w->view, w->events, &w->s->actions[i], f);
		rc = rc ? rc : prove_condition(w, f);
		o->n_proved += f->proved;
		take_verdict(o, f->proved ? DRILL_PASS : DRILL_INCONCLUSIVE);
	}
	for (size_t i = 0; i < w->s->n_missed; i++) {
		const struct script_missed *m = &w->s->missed[i];
		struct drill_fault *f = &o->faults[o->n_faults++];
		*f = (struct drill_fault){ .action = &m->action,
			                   .target = drill_target(w->topo, &m->action) };
		const struct script_when *wait = when_of(w->s, &m->action);
		f->when = wait ? wait->text : NULL;
		snprintf(f->text, sizeof f->text, "%s", m->text);
		take_verdict(o, DRILL_INCONCLUSIVE);
	}
	for (size_t i = 0; i < o->n_items; i++)
		take_verdict(o, o->items[i].verdict);
	return rc;
}

int
drill_eval(const struct script *s, const struct runview *view, bool strict, drill_figure *other,
           void *arg, struct drill_outcome **ret, struct err *err)
{
	const struct drill_checks *c = s->checks;
	struct drill_work w = { .s = s,
		                .view = view,
		                .topo = runview_topo(view),
		                .strict = strict,
		                .other = other,
		                .arg = arg,
		                .err = err };
	struct drill_outcome *o = calloc(1, sizeof *o);
	if (o) {
		o->items = calloc(2 * c->n_gates + c->n_checks + 1, sizeof *o->items);
		o->faults = calloc(s->n + s->n_missed + 1, sizeof *o->faults);
	}
	int rc = o && o->items && o->faults ? 0 : err_set(err, ERR_NOMEM, "drill: out of memory");
	w.end_k = s->duration_ns / w.topo->step_ns;
	if (!rc)
		rc = events_collect(view, &w.events, err);
	if (!rc)
		rc = do_all(&w, o);
	if (!rc)
		rc = summary_figures(view, &o->summary, err);
	events_destroy(&w.events);
	if (rc) {
		drill_outcome_destroy(&o);
		return rc;
	}
	o->last_k = runview_last_k(view);
	*ret = o;
	return 0;
}

/* Whether the window of a check ends where the view does, whatever the check says. */
static bool
open_ended(const struct drill_check *c)
{
	bool always = c->kind == DRILL_ALWAYS || c->kind == DRILL_NEVER;
	return !always && c->until.kind == MOMENT_NONE && c->within_ns < 0;
}

static int
do_item(const struct drill_work *w, const char *id, bool whole, struct drill_item *it)
{
	const struct drill_checks *c = w->s->checks;
	int rc = 0;
	for (size_t i = 0; !rc && i < 2 * c->n_gates; i++) {
		const struct drill_gate *g = &c->gates[i / 2];
		if (strcmp(g->id, id) != 0 || (i % 2 && !whole))
			continue;
		rc = do_gate(w, g, i % 2 == 0, it);
		if (it->verdict == DRILL_FAIL)
			return rc;
	}
	for (size_t i = 0; !rc && i < c->n_checks; i++)
		if (!strcmp(c->checks[i].id, id)) {
			rc = do_check(w, &c->checks[i], it);
			if (!whole && open_ended(&c->checks[i]))
				it->verdict = DRILL_INCONCLUSIVE;
		}
	if (!rc && c->abort_if && !strcmp(id, "abort-if"))
		rc = do_abort(w, it);
	return rc;
}

int
drill_eval_item(const struct script *s, const struct runview *view, bool strict, drill_figure *other,
                void *arg, const char *id, struct drill_item *ret, struct err *err)
{
	int64_t step_ns = runview_topo(view)->step_ns, last = runview_last_k(view);
	bool whole = last >= s->end_ns / step_ns;
	struct drill_work w = { .s = s,
		                .view = view,
		                .topo = runview_topo(view),
		                .strict = strict,
		                .other = other,
		                .arg = arg,
		                .err = err };
	w.end_k = s->duration_ns / step_ns;
	w.end_k = last < w.end_k ? last : w.end_k;
	*ret = (struct drill_item){ .verdict = DRILL_INCONCLUSIVE };
	int rc = events_collect(view, &w.events, err);
	if (!rc)
		rc = do_item(&w, id, whole, ret);
	events_destroy(&w.events);
	return rc;
}

void
drill_outcome_destroy(struct drill_outcome **po)
{
	struct drill_outcome *o = *po;
	if (!o)
		return;
	*po = NULL;
	free(o->items);
	free(o->faults);
	free(o);
}
