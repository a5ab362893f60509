#include "drill_compare.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "drill_rehearse.h"
#include "playback.h"

struct other {
	const struct drill_check *check; /* the first that asked for it */
	struct drill_unit u;
	bool own_topo, own_script;
	struct script *timed;
	struct script bare; /* of this drill, without its timeline */
	int64_t end_k;
	struct playback run;
};

struct drill_compare {
	const struct drill_unit *u;
	const struct drill_order *o;
	size_t n;
	struct other **others;
};

int
drill_compare_create(const struct drill_unit *u, const struct drill_order *o,
                     struct drill_compare **ret, struct err *err)
{
	struct drill_compare *c = calloc(1, sizeof *c);
	if (!c)
		return err_set(err, ERR_NOMEM, "compare: out of memory");
	c->u = u;
	c->o = o;
	*ret = c;
	return 0;
}

static void
other_free(struct other *r)
{
	playback_end(&r->run);
	script_destroy(&r->timed);
	if (r->own_script)
		script_destroy(&r->u.script);
	if (r->own_topo)
		topo_destroy(&r->u.topo);
	free(r->u.topology);
	free(r);
}

void
drill_compare_destroy(struct drill_compare **pc)
{
	struct drill_compare *c = *pc;
	if (!c)
		return;
	*pc = NULL;
	for (size_t i = 0; i < c->n; i++)
		other_free(c->others[i]);
	free(c->others);
	free(c);
}

/* ---- what the other run is ------------------------------------------------------------------ */

/* The first problem of a file that was refused. */
static int
refused(const struct diag_list *l, const char *file, int rc, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->d[i].level == DIAG_ERROR)
			return err_set(err, rc, "compare: %s:%u:%u: %s",
			               l->d[i].file ? l->d[i].file : file, l->d[i].line,
			               l->d[i].column, l->d[i].text);
	return rc;
}

static int
load(struct other *r, const char *file, const char *topology, const struct script_options *options,
     struct err *err)
{
	struct diag_list diags;
	diag_list_init(&diags);
	r->u.file = file;
	int rc = topo_load(topology, &diags, &r->u.topo, err);
	r->own_topo = !rc;
	if (!rc && r->check->against == AGAINST_CONTROL)
		for (size_t i = 0; i < r->u.topo->n_nodes; i++)
			r->u.topo->nodes[i].p.control =
				(enum control_kind)r->check->against_control;
	if (!rc) {
		rc = script_load_with(file, r->u.topo, options, &diags, &r->u.script, err);
		r->own_script = !rc;
	}
	if (rc)
		rc = refused(&diags, file, rc, err);
	diag_list_free(&diags);
	if (!rc && options->n_params == 0 && r->u.script->n_combinations > 1 &&
	    r->check->against == AGAINST_DRILL)
		rc = err_set(err, ERR_INPUT, "compare: %s has a matrix: which of its runs?", file);
	return rc;
}

static int
prepare(struct drill_compare *c, struct other *r, struct err *err)
{
	struct script_options options = { .drill = true };
	struct drill_order order = *c->o;
	int rc = 0;
	switch (r->check->against) {
	case AGAINST_TIMELINE:
		r->u = *c->u;
		r->u.topology = NULL; /* not this one's to free */
		r->bare = *c->u->script;
		r->bare.n = r->bare.n_whens = 0;
		r->u.script = &r->bare;
		break;
	case AGAINST_CONTROL:
		r->u.combination = options.combination = c->u->combination;
		options.n_params = c->o->n_params;
		options.params = c->o->params;
		rc = load(r, c->u->file, c->u->topology, &options, err);
		break;
	default:
		order.n_params = 0;
		rc = script_topology(r->check->against_path, &r->u.topology, err);
		if (!rc)
			rc = load(r, r->check->against_path, r->u.topology, &options, err);
	}
	if (rc)
		return rc;
	r->u.topo->seed = c->u->topo->seed;
	enum drill_verdict v = drill_rehearse(&r->u, &order, &r->timed, NULL, NULL, err);
	if (v != DRILL_PASS)
		return v == DRILL_ERROR ? err->code : ERR_INPUT;
	return 0;
}

static int
play(struct other *r, struct err *err)
{
	const struct script *s = r->timed ? r->timed : r->u.script;
	r->end_k = s->duration_ns / r->u.topo->step_ns;
	struct memory_params params = {
		.topo = r->u.topo,
		.script = s,
		.end_k = r->end_k,
		.seed = r->u.topo->seed,
	};
	return playback_run(&r->run, &params, NULL, NULL, err);
}

static bool
same_run(const struct drill_check *a, const struct drill_check *b)
{
	return a->against == b->against && a->against_control == b->against_control &&
	       !strcmp(a->against_path, b->against_path);
}

static int
other_of(struct drill_compare *c, const struct drill_check *check, struct other **ret,
         struct err *err)
{
	for (size_t i = 0; i < c->n; i++)
		if (same_run(c->others[i]->check, check)) {
			*ret = c->others[i];
			return 0;
		}
	struct other **list = realloc(c->others, (c->n + 1) * sizeof(struct other *));
	struct other *r = calloc(1, sizeof *r);
	if (list)
		c->others = list;
	if (!list || !r) {
		free(r);
		return err_set(err, ERR_NOMEM, "compare: out of memory");
	}
	r->check = check;
	c->others[c->n++] = r;
	int rc = prepare(c, r, err);
	if (!rc)
		rc = play(r, err);
	*ret = r;
	return rc;
}

int
drill_compare_figure(void *arg, const struct drill_check *check, int64_t k, bool *has_value,
                     double *lo, double *hi, struct err *err)
{
	struct other *r = NULL;
	struct expr *e = NULL;
	struct expr_eval *v = NULL;
	struct expr_fault fault = { 0 };
	int rc = other_of(arg, check, &r, err);
	if (rc)
		return rc;
	rc = expr_parse(check->text, EXPR_FIGURE, r->run.view, &e, &fault);
	if (rc)
		return err_set(err, rc, "compare: with %s: %s", check->against_text,
		               rc == ERR_INPUT ? fault.text : "out of memory");
	rc = expr_bind(e, r->run.view, &v, err);
	if (!rc)
		*has_value = k <= r->end_k && expr_figure(v, k < 0 ? r->end_k : k, lo, hi);
	expr_unbind(&v);
	expr_destroy(&e);
	return rc;
}
