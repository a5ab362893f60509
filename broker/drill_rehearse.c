#include "drill_rehearse.h"

#include <stdlib.h>

#include "diag.h"
#include "drill_find.h"
#include "playback.h"

struct rehearsal {
	const struct drill_unit *u;
	const struct drill_order *o;
	const struct script *script; /* that of the unit, then *own */
	struct script **own;
	void (*progress)(void *arg, double done);
	void *arg;
	int64_t end_k;
	size_t n_fired;
	int64_t *fired_ns; /* per entry of the timeline */
	bool beyond_blast;
	struct err *err;
};

static void
on_step(void *arg, int64_t k)
{
	struct rehearsal *r = arg;
	if (r->progress)
		r->progress(r->arg, (double)k / (double)r->end_k);
}

/* Notes what fires first in a run; false: nothing does. */
static int
look(struct rehearsal *r, const struct runview *view, bool *any)
{
	const struct script *s = r->script;
	int64_t first = INT64_MAX, k;
	*any = false;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < s->n_whens; i++) {
			const struct script_when *w = &s->whens[i];
			if (w->state != WHEN_OPEN || !w->armed)
				continue;
			int rc = drill_find_when(w, view, &k, r->err);
			if (rc)
				return rc;
			if (round == 0 && k >= 0 && k < first)
				first = k;
			if (round == 1 && k == first) {
				r->fired_ns[w->entry] = (k + 1) * r->u->topo->step_ns;
				*any = true;
			}
		}
	}
	return 0;
}

static int
play(struct rehearsal *r, bool *any)
{
	struct playback run = { 0 };
	struct memory_params params = {
		.topo = r->u->topo,
		.script = r->script,
		.end_k = r->end_k,
		.seed = r->u->topo->seed,
	};
	int rc = playback_run(&run, &params, on_step, r, r->err);
	if (!rc)
		rc = look(r, run.view, any);
	playback_end(&run);
	return rc;
}

/* Steps up to the last frame in which an open condition is looked at; 0: none is. */
static int64_t
steps_wanted(const struct script *s, int64_t step_ns)
{
	int64_t last = 0;
	for (size_t i = 0; i < s->n_whens; i++) {
		int64_t to = s->whens[i].until_ns / step_ns + 1;
		if (s->whens[i].state == WHEN_OPEN && s->whens[i].armed && to > last)
			last = to;
	}
	return last;
}

static enum drill_verdict
reload(struct rehearsal *r)
{
	struct script_options options = { .drill = true,
		                          .combination = r->u->combination,
		                          .n_params = r->o->n_params,
		                          .params = r->o->params,
		                          .fired_ns = r->fired_ns,
		                          .n_fired = r->n_fired,
		                          .beyond_blast = &r->beyond_blast };
	struct diag_list diags;
	struct script *s = NULL;
	diag_list_init(&diags);
	int rc = script_load_with(r->u->file, r->u->topo, &options, &diags, &s, r->err);
	for (size_t i = 0; rc && i < diags.n; i++) {
		if (diags.d[i].level != DIAG_ERROR)
			continue;
		err_set(r->err, rc, "with the times that the conditions gave: %s", diags.d[i].text);
		break;
	}
	diag_list_free(&diags);
	if (!rc) {
		script_destroy(r->own);
		r->script = *r->own = s;
		return DRILL_PASS;
	}
	if (rc != ERR_INPUT)
		return DRILL_ERROR;
	return r->beyond_blast ? DRILL_ABORTED : DRILL_INVALID;
}

enum drill_verdict
drill_rehearse(const struct drill_unit *u, const struct drill_order *o, struct script **ret,
               void (*progress)(void *arg, double done), void *arg, struct err *err)
{
	struct rehearsal r = { .u = u,
		               .o = o,
		               .script = u->script,
		               .own = ret,
		               .progress = progress,
		               .arg = arg,
		               .err = err };
	enum drill_verdict v = DRILL_PASS;
	*ret = NULL;
	for (size_t i = 0; i < u->script->n_whens; i++)
		if (u->script->whens[i].entry >= r.n_fired)
			r.n_fired = u->script->whens[i].entry + 1;
	if (r.n_fired == 0)
		return v;
	r.fired_ns = calloc(r.n_fired, sizeof *r.fired_ns);
	if (!r.fired_ns) {
		err_set(err, ERR_NOMEM, "rehearsal: out of memory");
		return DRILL_ERROR;
	}
	for (size_t i = 0; i < r.n_fired; i++)
		r.fired_ns[i] = SCRIPT_FIRED_OPEN;
	while (v == DRILL_PASS && (r.end_k = steps_wanted(r.script, u->topo->step_ns)) > 0) {
		bool any;
		if (play(&r, &any)) {
			v = DRILL_ERROR;
			break;
		}
		for (size_t i = 0; !any && i < r.script->n_whens; i++) {
			const struct script_when *w = &r.script->whens[i];
			if (w->state == WHEN_OPEN && w->armed)
				r.fired_ns[w->entry] = SCRIPT_FIRED_NEVER;
		}
		v = reload(&r);
	}
	free(r.fired_ns);
	return v;
}
