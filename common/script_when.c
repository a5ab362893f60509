/* `at: when CONDITION`: an action that waits for what the run shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_build.h"

static bool
put_when(struct script_build *b, struct script_entry *e)
{
	if (!b->whens)
		b->whens = calloc(SCRIPT_ENTRIES_MAX, sizeof *b->whens);
	if (!b->whens) {
		b->d.nomem = true;
		return false;
	}
	e->when = &b->whens[b->n_whens++];
	memcpy(e->when->id, e->id, sizeof e->id);
	e->when->entry = (size_t)(e - b->entries);
	return true;
}

void
script_when_read(struct script_build *b, struct script_entry *e, const struct yamldoc_node *raw)
{
	static const char word[] = "when";
	struct script_text t;
	bool waits = e->at && e->at->kind == YAMLDOC_SCALAR && !strncmp(e->at->text, word, 4) &&
	             strchr(" ", e->at->text[4]);
	if (!waits) {
		const struct yamldoc_node *place = e->within_place ? e->within_place : e->after;
		if (place)
			decode_error(&b->d, place,
			             "'%s' goes with a condition: at: when min(node.*.v) < 46V",
			             e->within_place ? "within" : "after");
		return;
	}
	if (!b->options->drill) {
		decode_error(&b->d, e->at,
		             "at: `run` knows no conditions; `voltloom drill` finds their times");
		e->at = NULL;
		return;
	}
	if (!e->within_place)
		decode_error(&b->d, e->at,
		             "at: 'within' is missing: how long it waits for its condition");
	if (!put_when(b, e) || !script_text_expand(b, yamldoc_get(raw, "at"), "at", &t))
		return;
	size_t skip = sizeof word - 1;
	skip += strspn(t.s + skip, " ");
	if (!t.s[skip]) {
		script_text_error(b, &t, 0, t.n, "at: after 'when' comes a condition or an event");
		return;
	}
	/* The text begins behind the word; places in it are still those in the file. */
	memmove(t.s, t.s + skip, t.n - skip + 1);
	memmove(t.from, t.from + skip, (t.n - skip + 1) * sizeof *t.from);
	t.n -= skip;
	if (script_event_starts(t.s, strcspn(t.s, " "))) {
		char event[DRILL_EVENT_MAX];
		if (script_event_read(b, &t, event))
			snprintf(e->when->text, sizeof e->when->text, "%s", event);
		return;
	}
	snprintf(e->when->text, sizeof e->when->text, "%s", t.s);
	e->when->expr = script_text_expr(b, b->names, &t, EXPR_CONDITION);
}

/* What the rehearsal said about this entry. */
static int64_t
fired(const struct script_build *b, const struct script_when *w)
{
	const struct script_options *o = b->options;
	return o->fired_ns && w->entry < o->n_fired ? o->fired_ns[w->entry] : SCRIPT_FIRED_OPEN;
}

enum script_at
script_when_resolve(struct script_build *b, struct script_entry *e, enum script_at from,
                    int64_t from_ns)
{
	struct script_when *w = e->when;
	int64_t T = b->topo->step_ns, ns = fired(b, w);
	if (from == AT_BAD || e->within_ns < 0)
		return AT_BAD;
	b->lenient |= ns < 0;
	w->state = ns == SCRIPT_FIRED_NEVER ? WHEN_NEVER : WHEN_OPEN;
	if (from != AT_KNOWN)
		return AT_OPEN;
	w->armed = true;
	w->from_ns = from_ns;
	w->until_ns = from_ns + e->within_ns;
	if (from_ns < b->settled_ns) {
		decode_error(&b->d, e->after ? e->after : e->at,
		             "the condition is looked at from %.9g s on, before the steady state "
		             "is over at %.9g s",
		             (double)from_ns * 1e-9, (double)b->settled_ns * 1e-9);
		return AT_BAD;
	}
	/* The action itself has to lie in the drill. */
	int64_t last_ns = b->duration_ns - 2 * T;
	if (w->until_ns > last_ns) {
		bool fixed = !e->after || (e->after->kind == YAMLDOC_SCALAR &&
		                           e->after->text[0] >= '0' && e->after->text[0] <= '9');
		if (fixed) {
			decode_error(&b->d, e->within_place,
			             "within: the condition is looked at until %.9g s; the drill "
			             "ends at %.9g s",
			             (double)w->until_ns * 1e-9, (double)b->duration_ns * 1e-9);
			return AT_BAD;
		}
		w->until_ns = last_ns;
	}
	if (ns < 0)
		return AT_OPEN;
	w->state = WHEN_FIRED;
	w->k = ns / T - 1;
	e->at_ns = ns;
	return AT_KNOWN;
}

void
script_when_why(const struct script_entry *e, char text[200])
{
	if (!e->when)
		snprintf(text, 200, "what it waits for did not fire");
	else if (!e->when->armed)
		snprintf(text, 200,
		         "its condition was never looked at: what it comes after did not fire");
	else
		snprintf(text, 200, "its condition did not hold from %.9g s to %.9g s",
		         (double)e->when->from_ns * 1e-9, (double)e->when->until_ns * 1e-9);
}

void
script_when_miss(struct script_build *b, const struct script_action *a, const char *why)
{
	struct script_missed *m = realloc(b->missed, (b->n_missed + 1) * sizeof *m);
	if (!m) {
		b->d.nomem = true;
		return;
	}
	b->missed = m;
	m = &b->missed[b->n_missed++];
	*m = (struct script_missed){ .action = *a };
	m->action.at_ns = m->action.k = -1;
	snprintf(m->text, sizeof m->text, "%s", why);
}
