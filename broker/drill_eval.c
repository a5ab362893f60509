#include "drill_eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "drill_prove.h"
#include "events.h"
#include "export.h"

struct work {
	const struct script *s;
	const struct runview *view;
	const struct topo *topo;
	struct events *events;
	bool strict;
	int64_t end_k; /* of the duration: where windows end */
	struct err *err;
};

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
	if (a->target_kind == TARGET_LINK)
		return t->links[a->target].id;
	return a->target < t->n_nodes ? t->nodes[a->target].id
	                              : t->modules[a->target - t->n_nodes].id;
}

__attribute__((format(printf, 2, 3))) static void
say(struct drill_item *it, const char *fmt, ...)
{
	size_t len = strlen(it->text);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(it->text + len, sizeof it->text - len, fmt, ap);
	va_end(ap);
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* The value of `key=` in an event's text; NULL: it has none. */
static const char *
value_of(const char *text, const char *key, size_t n, size_t *length)
{
	for (const char *p = text; *p;) {
		size_t word = strcspn(p, " ");
		if (word > n && !strncmp(p, key, n) && p[n] == '=') {
			*length = word - n - 1;
			return p + n + 1;
		}
		p += word + strspn(p + word, " ");
	}
	return NULL;
}

static bool
word_matches(const char *text, const char *subject, const char *word, size_t n)
{
	const char *eq = memchr(word, '=', n);
	if (!eq)
		return false; /* every word after the name is a pair */
	bool differs = eq > word && eq[-1] == '!';
	size_t key = (size_t)(eq - word) - differs, want = n - (size_t)(eq - word) - 1, length = 0;
	const char *got = value_of(text, word, key, &length);
	bool is_subject = key == 7 && !strncmp(word, "subject", key);
	if (!got && is_subject) {
		got = subject;
		length = strlen(subject);
	}
	bool same = got && length == want && !strncmp(got, eq + 1, want);
	return got && same != differs;
}

static bool
event_matches(const struct work *w, size_t i, const char *pattern)
{
	char text[EVENTS_TEXT_MAX];
	const struct events_item *it = events_item(w->events, i);
	const char *name = event_name(it->e.code);
	size_t first = strcspn(pattern, " ");
	if (strlen(name) != first || strncmp(name, pattern, first) != 0)
		return false;
	events_text(w->events, i, text);
	for (const char *p = pattern + first + strspn(pattern + first, " "); *p;) {
		size_t n = strcspn(p, " ");
		if (!word_matches(text, runview_id(w->view, it->proc), p, n))
			return false;
		p += n + strspn(p + n, " ");
	}
	return true;
}

/* The first match at step from..to; -1: none. */
static int64_t
find_event(const struct work *w, const char *pattern, int64_t from, int64_t to, size_t *ret)
{
	for (size_t i = 0; i < events_count(w->events); i++) {
		int64_t k = events_item(w->events, i)->e.k;
		if (k < from || k > to || !event_matches(w, i, pattern))
			continue;
		*ret = i;
		return k;
	}
	return -1;
}

/* ---- windows ----------------------------------------------------------------------------------
 */

struct window {
	int64_t from_ns, to_ns;
	bool began, cut; /* cut: the drill ends before it */
};

static bool
moment(const struct work *w, const struct drill_moment *m, int64_t after_ns, int64_t *ns)
{
	size_t at;
	int64_t T = w->topo->step_ns;
	if (m->kind == MOMENT_EVENT) {
		int64_t k = find_event(w, m->event, (after_ns + T - 1) / T, w->end_k, &at);
		*ns = k * T + m->ns;
		return k >= 0;
	}
	*ns = m->ns;
	return true;
}

static struct window
window_of(const struct work *w, const struct drill_check *c)
{
	struct window r = { .began = true };
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
frames_of(const struct work *w, const struct window *r, struct drill_item *it)
{
	int64_t T = w->topo->step_ns;
	it->from_k = r->from_ns == 0 ? 0 : (r->from_ns + T - 1) / T + 1;
	it->to_k = r->to_ns / T;
}

/* ---- conditions -------------------------------------------------------------------------------
 */

static void
observe(struct drill_item *it, const struct expr_sample *s, int64_t k)
{
	it->has_value = true;
	it->at_k = k;
	it->observed = s->observed;
	it->bound = s->bound;
	it->bound_op = s->op;
	it->unit = s->unit;
	snprintf(it->who, sizeof it->who, "%s", s->who ? s->who : "");
}

/* "min(node.*.v) was 42.3V (node.n4.v) at 0.7 s, bound >= 45V" */
static void
say_observed(const struct work *w, struct drill_item *it, const struct expr_sample *s)
{
	char value[48], bound[48], at[48];
	if (!it->has_value)
		return;
	drill_value(it->observed, it->unit, value);
	drill_value(it->bound, it->unit, bound);
	drill_time(w->topo, it->at_k, at);
	say(it, "%.*s was %s%s%s%s at %s, bound %s %s", (int)s->what_length,
	    expr_text(it->expr) + s->what_at, value, it->who[0] ? " (" : "", it->who,
	    it->who[0] ? ")" : "", at, it->bound_op, bound);
}

/* Holds in every sample from it->from_k to it->to_k? Fills all of the item. */
static int
test_always(const struct work *w, struct drill_item *it, bool negated)
{
	struct expr_eval *v = NULL;
	struct expr_sample s, worst = { .truth = EXPR_NONE };
	int rc = expr_bind(it->expr, w->view, &v, w->err);
	if (rc)
		return rc;
	for (int64_t k = it->from_k; k <= it->to_k; k++) {
		expr_test(v, k, negated, &s);
		if (s.truth == EXPR_NONE)
			continue;
		bool bad = s.truth != EXPR_TRUE, was_bad = it->first_k >= 0;
		if (bad && !was_bad)
			it->first_k = k;
		if (it->n_samples++ == 0 || (bad && !was_bad) ||
		    (bad == was_bad && s.margin < worst.margin)) {
			worst = s;
			observe(it, &s, k);
		}
	}
	it->verdict = it->n_samples == 0 ? DRILL_INCONCLUSIVE
	              : it->first_k >= 0 ? DRILL_FAIL
	                                 : DRILL_PASS;
	if (it->n_samples == 0) {
		say(it, "no sample in the window");
	} else {
		char first[48];
		say_observed(w, it, &worst);
		drill_time(w->topo, it->first_k, first);
		if (it->first_k >= 0 && it->first_k != it->at_k)
			say(it, ", first broken at %s", first);
	}
	expr_unbind(&v);
	return 0;
}

static int
test_eventually(const struct work *w, struct drill_item *it)
{
	struct expr_eval *v = NULL;
	struct expr_sample s, best = { .truth = EXPR_NONE };
	int64_t hit = -1, n_true = 0;
	int rc = expr_bind(it->expr, w->view, &v, w->err);
	if (rc)
		return rc;
	for (int64_t k = it->from_k; k <= it->to_k; k++) {
		expr_test(v, k, false, &s);
		if (s.truth == EXPR_NONE)
			continue;
		n_true += s.truth == EXPR_TRUE;
		bool first_hit = s.truth == EXPR_TRUE && hit < 0;
		if (it->n_samples++ == 0 || first_hit || (hit < 0 && s.margin > best.margin)) {
			best = s;
			observe(it, &s, k);
		}
		if (first_hit)
			hit = k;
	}
	it->verdict = it->n_samples == 0 ? DRILL_INCONCLUSIVE : hit >= 0 ? DRILL_PASS : DRILL_FAIL;
	it->vacuous = hit >= 0 && n_true == it->n_samples;
	if (it->n_samples == 0)
		say(it, "no sample in the window");
	else
		say(it, hit >= 0 ? "" : "never held; at best ");
	say_observed(w, it, &best);
	if (it->vacuous)
		say(it, "; vacuous: it held in every sample");
	expr_unbind(&v);
	return 0;
}

static int
test_settles(const struct work *w, struct drill_item *it, int64_t hold_k)
{
	struct expr_eval *v = NULL;
	struct expr_sample s, last = { .truth = EXPR_NONE };
	int64_t since = -1, done = -1;
	int64_t stop = hold_k >= 0 ? it->to_k + hold_k : w->end_k;
	int rc = expr_bind(it->expr, w->view, &v, w->err);
	if (rc)
		return rc;
	stop = stop > w->end_k ? w->end_k : stop;
	for (int64_t k = it->from_k; k <= stop && done < 0; k++) {
		expr_test(v, k, false, &s);
		it->n_samples += s.truth != EXPR_NONE;
		if (s.truth == EXPR_TRUE) {
			since = since < 0 ? k : since;
		} else {
			since = -1;
			if (s.truth != EXPR_NONE) {
				last = s;
				observe(it, &s, k);
			}
		}
		if (since >= 0 && since <= it->to_k && hold_k >= 0 && k - since >= hold_k)
			done = since;
		if (since < 0 && k > it->to_k)
			break;
	}
	if (done < 0 && hold_k < 0 && since >= 0 && since <= it->to_k)
		done = since;
	char at[48];
	it->verdict = it->n_samples == 0 ? DRILL_INCONCLUSIVE : done >= 0 ? DRILL_PASS : DRILL_FAIL;
	if (it->n_samples == 0) {
		say(it, "no sample in the window");
	} else if (done >= 0) {
		drill_time(w->topo, done, at);
		say(it, "settled at %s", at);
		if (it->has_value)
			say(it, "; before, ");
		else
			it->at_k = done;
		say_observed(w, it, &last);
	} else {
		it->first_k = it->at_k;
		say(it, "did not settle%s", it->has_value ? "; last, " : "");
		say_observed(w, it, &last);
	}
	expr_unbind(&v);
	return 0;
}

static int
test_metric(const struct work *w, struct drill_item *it)
{
	const struct drill_check *c = it->check;
	struct expr_eval *v = NULL;
	double lo, hi;
	char value[48], bound[48], at[48];
	int rc = expr_bind(it->expr, w->view, &v, w->err);
	if (rc)
		return rc;
	it->from_k = it->to_k;
	it->at_k = it->to_k;
	it->has_value = expr_figure(v, it->to_k, &lo, &hi);
	it->n_samples = it->has_value;
	expr_unbind(&v);
	if (!it->has_value) {
		it->verdict = DRILL_INCONCLUSIVE;
		say(it, "no sample at the end of the window");
		return 0;
	}
	bool low = !isnan(c->min) && !(lo >= c->min), high = !isnan(c->max) && !(hi <= c->max);
	bool show_min = low || (!high && isnan(c->max));
	it->unit = expr_unit(it->expr);
	it->observed = show_min ? lo : hi;
	it->bound = show_min ? c->min : c->max;
	it->bound_op = show_min ? ">=" : "<=";
	it->verdict = low || high ? DRILL_FAIL : DRILL_PASS;
	if (low || high)
		it->first_k = it->at_k;
	drill_value(it->observed, it->unit, value);
	drill_value(it->bound, it->unit, bound);
	drill_time(w->topo, it->at_k, at);
	say(it, "%s was %s at %s, bound %s %s", expr_text(it->expr), value, at, it->bound_op,
	    bound);
	return 0;
}

static void
test_event(const struct work *w, struct drill_item *it, const struct window *r, bool wanted)
{
	const struct drill_check *c = it->check;
	int64_t T = w->topo->step_ns;
	size_t at = 0;
	char text[EVENTS_TEXT_MAX], from[48], to[48], when[48];
	it->from_k = (r->from_ns + T - 1) / T;
	it->to_k = r->to_ns / T;
	int64_t k = find_event(w, c->event, it->from_k, it->to_k, &at);
	it->n_samples = 1;
	it->at_k = k;
	it->verdict = (k >= 0) == wanted ? DRILL_PASS : DRILL_FAIL;
	drill_time(w->topo, it->from_k, from);
	drill_time(w->topo, it->to_k, to);
	if (k < 0) {
		say(it, "no '%s' from %s to %s", c->event, from, to);
		return;
	}
	if (!wanted)
		it->first_k = k;
	events_text(w->events, at, text);
	drill_time(w->topo, k, when);
	say(it, "%s by %s at %s, step %" PRId64, text,
	    runview_id(w->view, events_item(w->events, at)->proc), when, k);
	if (!wanted)
		say(it, ", bound: none from %s to %s", from, to);
}

/* ---- items ------------------------------------------------------------------------------------
 */

static int
do_check(const struct work *w, const struct drill_check *c, struct drill_item *it)
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
	struct window r = window_of(w, c);
	if (!r.began) {
		it->verdict = DRILL_INCONCLUSIVE;
		say(it, "the window never began: no '%s'", c->from.event);
		return 0;
	}
	frames_of(w, &r, it);
	int rc = 0;
	if (!c->expr)
		test_event(w, it, &r, c->kind == DRILL_EVENT);
	else if (c->kind == DRILL_ALWAYS || c->kind == DRILL_NEVER)
		rc = test_always(w, it, c->kind == DRILL_NEVER);
	else if (c->kind == DRILL_EVENTUALLY)
		rc = test_eventually(w, it);
	else if (c->kind == DRILL_SETTLES)
		rc = test_settles(w, it, c->hold_ns < 0 ? -1 : (c->hold_ns + T - 1) / T);
	else
		rc = test_metric(w, it);
	bool none = c->kind == DRILL_ALWAYS || c->kind == DRILL_NEVER;
	if (r.cut && it->verdict == (none ? DRILL_PASS : DRILL_FAIL)) {
		it->verdict = DRILL_INCONCLUSIVE;
		say(it, "; the drill ends before the window does");
	}
	if (it->vacuous && w->strict)
		it->verdict = DRILL_FAIL;
	return rc;
}

static int
do_gate(const struct work *w, const struct drill_gate *g, bool before, struct drill_item *it)
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
	return test_always(w, it, false);
}

static int
do_abort(const struct work *w, struct drill_item *it)
{
	*it = (struct drill_item){ .kind = ITEM_ABORT,
		                   .expr = w->s->checks->abort_if,
		                   .op = "abort_if",
		                   .at_k = -1,
		                   .first_k = -1,
		                   .to_k = runview_last_k(w->view) };
	snprintf(it->id, sizeof it->id, "abort-if");
	int rc = test_always(w, it, true);
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

static int
do_all(struct work *w, struct drill_outcome *o)
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
		o->n_proved += f->proved;
		take_verdict(o, f->proved ? DRILL_PASS : DRILL_INCONCLUSIVE);
	}
	for (size_t i = 0; i < o->n_items; i++)
		take_verdict(o, o->items[i].verdict);
	return rc;
}

int
drill_eval(const struct script *s, const struct runview *view, bool strict,
           struct drill_outcome **ret, struct err *err)
{
	const struct drill_checks *c = s->checks;
	struct work w = {
		.s = s, .view = view, .topo = runview_topo(view), .strict = strict, .err = err
	};
	struct drill_outcome *o = calloc(1, sizeof *o);
	if (o) {
		o->items = calloc(2 * c->n_gates + c->n_checks + 1, sizeof *o->items);
		o->faults = calloc(s->n + 1, sizeof *o->faults);
	}
	int rc = o && o->items && o->faults ? 0 : err_set(err, ERR_NOMEM, "drill: out of memory");
	w.end_k = s->duration_ns / w.topo->step_ns;
	if (!rc)
		rc = events_collect(view, &w.events, err);
	if (!rc)
		rc = do_all(&w, o);
	if (!rc)
		rc = summary_of(view, &o->summary, err);
	events_destroy(&w.events);
	if (rc) {
		drill_outcome_destroy(&o);
		return rc;
	}
	o->last_k = runview_last_k(view);
	*ret = o;
	return 0;
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
