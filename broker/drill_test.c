/* The operators of expectations, each over the frames of its window. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drill_eval_priv.h"
#include "drill_find.h"

void
drill_say(struct drill_item *it, const char *fmt, ...)
{
	size_t len = strlen(it->text);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(it->text + len, sizeof it->text - len, fmt, ap);
	va_end(ap);
}

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
say_observed(const struct drill_work *w, struct drill_item *it, const struct expr_sample *s)
{
	char value[48], bound[48], at[48];
	if (!it->has_value)
		return;
	drill_value(it->observed, it->unit, value);
	drill_value(it->bound, it->unit, bound);
	drill_time(w->topo, it->at_k, at);
	drill_say(it, "%.*s was %s%s%s%s at %s, bound %s %s", (int)s->what_length,
	          expr_text(it->expr) + s->what_at, value, it->who[0] ? " (" : "", it->who,
	          it->who[0] ? ")" : "", at, it->bound_op, bound);
}

int
drill_test_always(const struct drill_work *w, struct drill_item *it, bool negated)
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
		drill_say(it, "no sample in the window");
	} else {
		char first[48];
		say_observed(w, it, &worst);
		drill_time(w->topo, it->first_k, first);
		if (it->first_k >= 0 && it->first_k != it->at_k)
			drill_say(it, ", first broken at %s", first);
	}
	expr_unbind(&v);
	return 0;
}

int
drill_test_eventually(const struct drill_work *w, struct drill_item *it)
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
		drill_say(it, "no sample in the window");
	else
		drill_say(it, hit >= 0 ? "" : "never held; at best ");
	say_observed(w, it, &best);
	if (it->vacuous)
		drill_say(it, "; vacuous: it held in every sample");
	expr_unbind(&v);
	return 0;
}

int
drill_test_settles(const struct drill_work *w, struct drill_item *it, int64_t hold_k)
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
		drill_say(it, "no sample in the window");
	} else if (done >= 0) {
		drill_time(w->topo, done, at);
		drill_say(it, "settled at %s", at);
		if (it->has_value)
			drill_say(it, "; before, ");
		else
			it->at_k = done;
		say_observed(w, it, &last);
	} else {
		it->first_k = it->at_k;
		drill_say(it, "did not settle%s", it->has_value ? "; last, " : "");
		say_observed(w, it, &last);
	}
	expr_unbind(&v);
	return 0;
}

int
drill_test_metric(const struct drill_work *w, struct drill_item *it)
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
		drill_say(it, "no sample at the end of the window");
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
	drill_say(it, "%s was %s at %s, bound %s %s", expr_text(it->expr), value, at, it->bound_op,
	          bound);
	return 0;
}

int
drill_test_compare(const struct drill_work *w, struct drill_item *it)
{
	const struct drill_check *c = it->check;
	struct expr_eval *v = NULL;
	double lo, hi, other_lo, other_hi;
	char value[48], other[48], at[48];
	bool own_end = c->against == AGAINST_DRILL && c->until.kind == MOMENT_NONE;
	int rc = expr_bind(it->expr, w->view, &v, w->err);
	if (rc)
		return rc;
	it->from_k = it->at_k = it->to_k;
	it->has_value = expr_figure(v, it->to_k, &lo, &hi);
	it->n_samples = it->has_value;
	expr_unbind(&v);
	assert(w->other);
	rc = w->other(w->arg, c, own_end ? -1 : it->to_k, &it->has_reference, &other_lo, &other_hi,
	              w->err);
	if (rc)
		return rc;
	if (!it->has_value || !it->has_reference || !(other_lo >= 0)) {
		it->verdict = DRILL_INCONCLUSIVE;
		drill_say(it,
		          !it->has_value       ? "no sample at the end of the window"
		          : !it->has_reference ? "no sample in the run with %s"
		                               : "below zero in the run with %s: no ratio",
		          c->against_text);
		return 0;
	}
	it->unit = expr_unit(it->expr);
	it->observed = hi;
	it->reference = other_lo;
	it->bound = c->max_ratio * other_lo;
	it->bound_op = "<=";
	it->verdict = hi <= it->bound ? DRILL_PASS : DRILL_FAIL;
	if (it->verdict == DRILL_FAIL)
		it->first_k = it->at_k;
	drill_value(hi, it->unit, value);
	drill_value(other_lo, it->unit, other);
	drill_time(w->topo, it->at_k, at);
	drill_say(it, "%s was %s at %s, %s with %s, ratio ", expr_text(it->expr), value, at, other,
	          c->against_text);
	if (other_lo > 0)
		drill_say(it, "%.4g", hi / other_lo);
	else
		drill_say(it, "none");
	drill_say(it, ", bound <= %g", c->max_ratio);
	return 0;
}

void
drill_test_event(const struct drill_work *w, struct drill_item *it, const struct drill_window *r,
                 bool wanted)
{
	const struct drill_check *c = it->check;
	int64_t T = w->topo->step_ns;
	size_t at = 0;
	char text[EVENTS_TEXT_MAX], from[48], to[48], when[48];
	it->from_k = (r->from_ns + T - 1) / T;
	it->to_k = r->to_ns / T;
	int64_t k = drill_find_event(w->view, w->events, c->event, it->from_k, it->to_k, &at);
	it->n_samples = 1;
	it->at_k = k;
	it->verdict = (k >= 0) == wanted ? DRILL_PASS : DRILL_FAIL;
	drill_time(w->topo, it->from_k, from);
	drill_time(w->topo, it->to_k, to);
	if (k < 0) {
		drill_say(it, "no '%s' from %s to %s", c->event, from, to);
		return;
	}
	if (!wanted)
		it->first_k = k;
	events_text(w->events, at, text);
	drill_time(w->topo, k, when);
	drill_say(it, "%s by %s at %s, step %" PRId64, text,
	          runview_id(w->view, events_item(w->events, at)->proc), when, k);
	if (!wanted)
		drill_say(it, ", bound: none from %s to %s", from, to);
}
