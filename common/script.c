#include "script.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drill.h"
#include "script_build.h"

/* The head of the file: what is not an action. */
struct head {
	char name[TOPO_ID_MAX];
	uint64_t seed;
	int64_t duration_ns, settle_ns, recover_ns, watchdog_ns;
	double speed;
	bool heal;
	const struct yamldoc_node *replay;
};

static void
take_replay(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct head *)target)->replay = v;
}

static void
decode_speed(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct head *h = target;
	if (v->kind == YAMLDOC_SCALAR && !strcmp(v->text, "max"))
		h->speed = 0;
	else
		decode_number(d, f->key, v, UNIT_NONE, 1e-3, 1e3, &h->speed);
}

#define TIME(k, m, lo_s, hi_s, text)                                                    \
	{                                                                               \
		.key = k, .type = FIELD_TIME, .unit = UNIT_SECOND,                      \
		.offset = offsetof(struct head, m), .lo = (lo_s)*1e9, .hi = (hi_s)*1e9, \
		.doc = text                                                             \
	}
#define CUSTOM(k, fn, text)                                               \
	{                                                                 \
		.key = k, .type = FIELD_CUSTOM, .decode = fn, .doc = text \
	}

static const struct field fields_time[] = {
	TIME("duration", duration_ns, 1e-6, 1e6, "plant time up to the healing; `run --for` wins"),
	TIME("settle", settle_ns, 0, 1e6, "plant time before the steady-state gate"),
	TIME("recover", recover_ns, 1e-6, 1e6,
	     "plant time from the healing at the end to the last look at the steady state "
	     "(default: settle, at least 500ms)"),
	{ .key = "heal",
	  .type = FIELD_BOOL,
	  .offset = offsetof(struct head, heal),
	  .dflt = "true",
	  .doc = "false: what the timeline left broken stays so, and the drill ends with its duration" },
	CUSTOM("speed", decode_speed, "max (default), or a factor to real time"),
	TIME("watchdog", watchdog_ns, 1e-3, 1e6, "wall time after which the drill is given up"),
};
const struct schema script_schema_time = { "time", "When the drill begins, ends and is given up.",
	                                   fields_time, sizeof fields_time / sizeof *fields_time };

static const struct field fields_root[] = {
	CUSTOM("drill", NULL, "version of the grammar: 1; required"),
	{ .key = "name",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct head, name),
	  .doc = "name of the drill" },
	CUSTOM("topology", NULL, "path of the mesh, relative to this file"),
	{ .key = "seed",
	  .type = FIELD_SEED,
	  .offset = offsetof(struct head, seed),
	  .doc = "seed of the run" },
	CUSTOM("params", NULL, "values for ${name} in the timeline and the conditions"),
	CUSTOM("matrix", NULL, "lists of values for ${name}: one verdict per combination"),
	{ .key = "time",
	  .type = FIELD_SUB,
	  .sub = &script_schema_time,
	  .doc = "duration and speed" },
	CUSTOM("replay", take_replay,
	       "written by `drill --from`: the file repeats a run, also what does nothing; a list of the "
	       "links whose frames that run counted"),
	CUSTOM("steady_state", NULL, "list of conditions, see steady_state"),
	CUSTOM("blast_radius", NULL, "bounds on what the timeline may take down, see blast_radius"),
	CUSTOM("abort_if", NULL,
	       "condition that makes the verdict `aborted` when it holds at any time"),
	CUSTOM("timeline", NULL, "list of actions"),
	CUSTOM("expect", NULL, "list of expectations, see expect"),
};
const struct schema script_schema_root = { "drill", "A scripted run.", fields_root,
	                                   sizeof fields_root / sizeof *fields_root };

static bool
check_version(struct decoder *d, const struct yamldoc_node *root)
{
	if (root->kind != YAMLDOC_MAP) {
		decode_error(d, root, "a drill is a mapping that starts with 'drill: 1', not %s",
		             yamldoc_what(root));
		return false;
	}
	const struct yamldoc_node *v = yamldoc_get(root, "drill");
	if (!v && yamldoc_get(root, "voltloom")) {
		decode_error(d, root, "this is a topology, not a drill ('drill: 1' is missing)");
		return false;
	}
	if (!v)
		decode_error(d, root, "'drill: 1', the version of the grammar, is missing");
	else if (v->kind != YAMLDOC_SCALAR || strcmp(v->text, "1"))
		decode_error(d, v, "drill: this program reads version 1 of the grammar");
	return true;
}

/* What a drill asks for and a plain run does not do: said once, in one sentence. */
static void
note_ignored(struct decoder *d, const struct yamldoc_node *root)
{
	static const char *const keys[] = { "steady_state", "blast_radius", "abort_if", "expect" };
	char list[100] = "";
	const struct yamldoc_node *first = NULL;
	for (size_t i = 0; i < root->n; i++)
		for (size_t j = 0; j < sizeof keys / sizeof *keys; j++)
			if (!strcmp(root->pairs[i].key->text, keys[j])) {
				size_t len = strlen(list);
				snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "",
				         keys[j]);
				first = first ? first : root->pairs[i].key;
			}
	if (first)
		yamldoc_diag(d->doc, d->diags, DIAG_NOTE, first,
		             "`run` plays the timeline and does not evaluate: %s", list);
}

/* `path` as seen from the folder of the drill file. */
static char *
beside(const char *drill, const char *path)
{
	const char *slash = strrchr(drill, '/');
	size_t dir = slash && path[0] != '/' ? (size_t)(slash - drill) + 1 : 0;
	char *s = malloc(dir + strlen(path) + 1);
	if (s) {
		memcpy(s, drill, dir);
		strcpy(s + dir, path);
	}
	return s;
}

static void
take_topology(struct script_build *b, const struct yamldoc_node *v, const char *path,
              struct script *s)
{
	struct stat mine, given;
	if (!v)
		return;
	if (v->kind != YAMLDOC_SCALAR || !v->text[0]) {
		decode_error(&b->d, v, "topology: the path of a file is wanted, not %s",
		             yamldoc_what(v));
		return;
	}
	s->topology = beside(path, v->text);
	if (!s->topology) {
		b->d.nomem = true;
		return;
	}
	if (b->topo->path && !stat(s->topology, &mine) && !stat(b->topo->path, &given) &&
	    (mine.st_dev != given.st_dev || mine.st_ino != given.st_ino))
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_NOTE, v,
		             "topology: '%s' is used, not this one", b->topo->path);
}

static void
check_steps(struct script_build *b, const struct yamldoc_node *time, const struct script *s)
{
	const struct yamldoc_node *at[] = { yamldoc_get(time, "duration"),
		                            yamldoc_get(time, "recover") };
	const int64_t ns[] = { s->duration_ns, b->recover_ns };
	for (size_t i = 0; i < 2; i++)
		if (ns[i] % b->topo->step_ns && at[i])
			decode_error(&b->d, at[i],
			             "%.9g s is not a whole number of steps of %.9g s",
			             (double)ns[i] * 1e-9, topo_step_s(b->topo));
}

static void
take_counted(struct script_build *b, const struct yamldoc_node *list, struct script *s)
{
	if (!list)
		return;
	b->replay = s->replay = true;
	if (list->kind != YAMLDOC_LIST) {
		decode_error(&b->d, list, "replay: a list of links is wanted, like [] or [l1], not %s",
		             yamldoc_what(list));
		return;
	}
	s->counted = calloc(list->n + 1, sizeof *s->counted);
	if (!s->counted) {
		b->d.nomem = true;
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct yamldoc_node *v = list->items[i];
		int link = v->kind == YAMLDOC_SCALAR ? topo_find_link(b->topo, v->text) : -1;
		if (link < 0)
			decode_error(&b->d, v, "replay: there is no link '%.60s' in mesh '%s'",
			             v->kind == YAMLDOC_SCALAR ? v->text : yamldoc_what(v),
			             b->topo->name);
		else
			s->counted[s->n_counted++] = (uint32_t)link;
	}
}

static void
load_head(struct script_build *b, const struct yamldoc_node *root, const char *path,
          struct script *s)
{
	enum { RECOVER_LEAST_NS = 500 * 1000 * 1000 }; /* some time constants of the control */
	struct head h = { .duration_ns = -1, .recover_ns = -1, .heal = true };
	decode_map(&b->d, &script_schema_root, "a drill", root, &h);
	const struct yamldoc_node *time = yamldoc_get(root, "time");
	s->has_seed = yamldoc_get(root, "seed") != NULL;
	s->seed = h.seed;
	s->has_duration = h.duration_ns >= 0;
	s->duration_ns = h.duration_ns;
	s->settle_ns = h.settle_ns;
	s->watchdog_ns = h.watchdog_ns;
	b->unhealed = !h.heal;
	take_counted(b, h.replay, s);
	b->duration_ns = s->has_duration ? s->duration_ns : INT64_MAX;
	b->recover_ns = h.recover_ns >= 0                ? h.recover_ns
	                : h.settle_ns > RECOVER_LEAST_NS ? h.settle_ns
	                                                 : RECOVER_LEAST_NS;
	s->has_speed = time && yamldoc_get(time, "speed");
	s->speed = h.speed;
	snprintf(s->name, sizeof s->name, "%s", h.name[0] ? h.name : "drill");
	take_topology(b, yamldoc_get(root, "topology"), path, s);
	const struct yamldoc_node *maps[] = { yamldoc_get(root, "params"),
		                              yamldoc_get(root, "matrix") };
	for (size_t i = 0; i < 2; i++)
		if (maps[i] && maps[i]->kind != YAMLDOC_MAP)
			decode_error(&b->d, maps[i], "%s: a mapping of names to values is wanted",
			             i ? "matrix" : "params");
	b->params = maps[0];
	b->matrix = maps[1];
	script_build_matrix(b, s);
	if (!b->options->drill) {
		note_ignored(&b->d, root);
		return;
	}
	if (!s->has_duration)
		decode_error(&b->d, time ? time : root,
		             "'time: { duration: ... }' is missing: how long "
		             "the drill takes");
	else
		check_steps(b, time, s);
}

static int
take_actions(struct script_build *b, const char *path, struct script *s)
{
	s->path = strdup(path);
	s->actions = calloc(b->n_actions + 1, sizeof *s->actions);
	if (!s->path || !s->actions)
		return ERR_NOMEM;
	memcpy(s->actions, b->actions, b->n_actions * sizeof *s->actions);
	s->n = b->n_actions;
	for (size_t i = 0; i < s->n; i++)
		s->actions[i].again = b->replay;
	s->whens = b->whens;
	s->n_whens = b->n_whens;
	s->missed = b->missed;
	s->n_missed = b->n_missed;
	s->last = b->last;
	s->n_last = b->n_last;
	b->last = NULL;
	b->whens = NULL;
	b->missed = NULL;
	b->n_whens = 0;
	return 0;
}

/* The longest `for` in steady_state, as far as it can be read before the timeline. */
static int64_t
longest_gate(const struct yamldoc_node *list)
{
	int64_t longest = 0, ns;
	char why[UNIT_WHY_MAX];
	for (size_t i = 0; list && list->kind == YAMLDOC_LIST && i < list->n; i++) {
		const struct yamldoc_node *v = yamldoc_get(list->items[i], "for");
		if (v && v->kind == YAMLDOC_SCALAR && !unit_parse_ns(v->text, &ns, why) &&
		    ns > longest)
			longest = ns;
	}
	return longest;
}

static void
load_all(struct script_build *b, const struct yamldoc_node *root, const char *path,
         struct script *s)
{
	if (!check_version(&b->d, root))
		return;
	load_head(b, root, path, s);
	const struct yamldoc_node *timeline = yamldoc_get(root, "timeline");
	b->settled_ns = s->settle_ns + longest_gate(yamldoc_get(root, "steady_state"));
	size_t before = b->d.diags->n_errors;
	if (timeline)
		script_build_timeline(b, timeline);
	/* The order of actions says something only when all of them are understood. */
	b->timed = !b->d.nomem && b->d.diags->n_errors == before;
	if (b->timed)
		script_build_check(b);
	for (size_t i = 0; i < b->n_actions; i++)
		s->n_heal += (b->flags[i] & SCRIPT_HEALS) != 0;
	s->end_ns = s->duration_ns + (s->n_heal ? b->recover_ns : 0);
	script_build_expect(b, root, s);
}

static int
bad_input(struct err *err, const char *path, size_t n)
{
	return err_set(err, ERR_INPUT, "%s: %zu error%s", path, n, n == 1 ? "" : "s");
}

int
script_load(const char *path, const struct topo *topo, struct diag_list *diags, struct script **ret,
            struct err *err)
{
	const struct script_options options = { .drill = false };
	return script_load_with(path, topo, &options, diags, ret, err);
}

int
script_load_with(const char *path, const struct topo *topo, const struct script_options *options,
                 struct diag_list *diags, struct script **ret, struct err *err)
{
	size_t before = diags->n_errors, first = diags->n;
	struct yamldoc *doc = NULL;
	struct pool pool = { NULL };
	struct runview *names = NULL;
	int rc = yamldoc_load(path, diags, &doc, err);
	if (rc)
		return rc == ERR_INPUT ? bad_input(err, path, diags->n_errors - before) : rc;
	struct script *s = calloc(1, sizeof *s);
	struct script_build *b = calloc(1, sizeof *b);
	if (!s || !b) {
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
		goto out;
	}
	b->d = (struct decoder){ .doc = doc, .diags = diags, .pool = &pool };
	b->topo = topo;
	b->options = options;
	if (options->drill && runview_of(topo, NULL, 0, &names, err)) {
		rc = err->code;
		goto out;
	}
	b->names = names;
	b->path = path;
	load_all(b, yamldoc_root(doc), path, s);
	diag_list_sort(diags, first);
	size_t n = diags->n_errors - before;
	if (b->d.nomem)
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else if (n)
		rc = bad_input(err, path, n);
	else if (take_actions(b, path, s))
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
out:
	for (size_t i = 0; b && i < b->n_whens; i++)
		expr_destroy(&b->whens[i].expr);
	free(b ? b->whens : NULL);
	free(b ? b->missed : NULL);
	free(b ? b->last : NULL);
	free(b);
	runview_close(&names);
	pool_free(&pool);
	yamldoc_destroy(&doc);
	if (rc)
		script_destroy(&s);
	else
		*ret = s;
	return rc;
}

int
script_topology(const char *path, char **ret, struct err *err)
{
	struct diag_list diags;
	struct yamldoc *doc = NULL;
	diag_list_init(&diags);
	int rc = yamldoc_load(path, &diags, &doc, err);
	if (!rc) {
		const struct yamldoc_node *v = yamldoc_get(yamldoc_root(doc), "topology");
		if (!v || v->kind != YAMLDOC_SCALAR || !v->text[0])
			rc = err_set(err, ERR_INPUT,
			             "%s: 'topology:', the path of the mesh, is missing", path);
		else if (!(*ret = beside(path, v->text)))
			rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	} else if (diags.n && diags.d[0].text) {
		const struct diag *d = &diags.d[0];
		if (d->line)
			err_set(err, rc, "%s:%u:%u: %s", path, d->line, d->column, d->text);
		else
			err_set(err, rc, "%s: %s", path, d->text);
	}
	yamldoc_destroy(&doc);
	diag_list_free(&diags);
	return rc;
}

void
script_destroy(struct script **s)
{
	if (!*s)
		return;
	free((*s)->path);
	free((*s)->topology);
	free((*s)->actions);
	for (size_t i = 0; i < (*s)->n_whens; i++)
		expr_destroy(&(*s)->whens[i].expr);
	free((*s)->whens);
	free((*s)->missed);
	free((*s)->last);
	free((*s)->counted);
	drill_checks_destroy(&(*s)->checks);
	free(*s);
	*s = NULL;
}
