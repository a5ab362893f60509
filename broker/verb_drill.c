/* drill: scripted faults with a verdict. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drill_from.h"
#include "drill_jobs.h"
#include "drill_search.h"
#include "verb.h"

enum {
	DRILL_FILES,
	DRILL_SEED,
	DRILL_SEEDS,
	DRILL_JOBS,
	DRILL_MEMORY,
	DRILL_PARAM,
	DRILL_JUNIT,
	DRILL_JSON,
	DRILL_REPORT,
	DRILL_FORMAT,
	DRILL_STRICT,
	DRILL_KEEP,
	DRILL_OUT,
	DRILL_NO_PIN,
	DRILL_DRY_RUN,
	DRILL_ACTIONS,
	DRILL_FROM,
	DRILL_SEARCH,
	DRILL_BUDGET,
	DRILL_TIME,
	DRILL_SEARCH_SEED,
	DRILL_QUIET,
};
static const struct opt drill_opts[] = {
	[DRILL_FILES] = { "FILE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY | OPT_FILE, "FILE",
	                  "drill files", UNIT_NONE },
	[DRILL_SEED] = { "seed", 's', OPT_COUNT, 0, "N",
	                 "seed (default: the drill's, else the topology's)", UNIT_NONE },
	[DRILL_SEEDS] = { "seeds", 0, OPT_TEXT, 0, "A..B",
	                  "a run for each seed; what passes leaves no files", UNIT_NONE },
	[DRILL_JOBS] = { "jobs", 0, OPT_COUNT, 0, "N", "runs at the same time (default 1)",
	                 UNIT_NONE },
	[DRILL_MEMORY] = { "memory", 0, OPT_FLAG, 0, NULL,
	                   "without processes; the same recorder bytes and verdict", UNIT_NONE },
	[DRILL_PARAM] = { "param", 'p', OPT_TEXT, OPT_MANY, "NAME=VALUE",
	                  "over params and matrix of the file; may be given again", UNIT_NONE },
	[DRILL_JUNIT] = { "junit", 0, OPT_TEXT, OPT_FILE, "F", "write JUnit XML of all runs",
	                  UNIT_NONE },
	[DRILL_JSON] = { "json", 0, OPT_TEXT, OPT_FILE | OPT_LONE, "F",
	                 "write result.json of all runs, one per line (-, or nothing: stdout)",
	                 UNIT_NONE },
	[DRILL_REPORT] = { "report", 0, OPT_TEXT, OPT_FILE, "F", "copy report.html of a single run",
	                   UNIT_NONE },
	[DRILL_FORMAT] = { "format", 0, OPT_CHOICE, 0, "text|github",
	                   "github: annotations, and $GITHUB_STEP_SUMMARY", UNIT_NONE },
	[DRILL_STRICT] = { "strict", 0, OPT_FLAG, 0, NULL,
	                   "an 'eventually' that was true all along fails", UNIT_NONE },
	[DRILL_KEEP] = { "keep", 0, OPT_FLAG, 0, NULL,
	                 "keep the run directories of passing seeds too", UNIT_NONE },
	[DRILL_OUT] = { "out", 'o', OPT_TEXT, OPT_FILE, "DIR",
	                "the run directory of a single run, new or empty; of --from, --search: the file",
	                UNIT_NONE },
	[DRILL_NO_PIN] = { "no-pin", 0, OPT_FLAG, 0, NULL, "do not pin processes to cores",
	                   UNIT_NONE },
	[DRILL_DRY_RUN] = { "dry-run", 'n', OPT_FLAG, 0, NULL,
	                    "check the files and say what would happen", UNIT_NONE },
	[DRILL_ACTIONS] = { "actions", 0, OPT_FLAG, 0, NULL,
	                    "what a timeline can do; with --json for programs", UNIT_NONE },
	[DRILL_FROM] = { "from", 0, OPT_TEXT, OPT_FILE, "RUN",
	                 "write the drill (-o FILE) that does what was done in a run", UNIT_NONE },
	[DRILL_SEARCH] = { "search", 0, OPT_FLAG, 0, NULL,
	                   "look for a timeline or seed that breaks an expectation, in memory",
	                   UNIT_NONE },
	[DRILL_BUDGET] = { "budget", 0, OPT_COUNT, 0, "N",
	                   "timelines that --search tries (default 200)", UNIT_NONE },
	[DRILL_TIME] = { "time", 0, OPT_TIME, 0, "10min",
	                 "wall time after which --search begins nothing new", UNIT_NONE },
	[DRILL_SEARCH_SEED] = { "search-seed", 0, OPT_COUNT, 0, "N",
	                        "seed of the search itself (default 1)", UNIT_NONE },
	[DRILL_QUIET] = { "quiet", 'q', OPT_FLAG, 0, NULL, "only the verdicts", UNIT_NONE },
};

/* ---- files ------------------------------------------------------------------------------ */

static void
unit_free(struct drill_unit *u)
{
	script_destroy(&u->script);
	topo_destroy(&u->topo);
	free(u->topology);
}

/* One combination of one file. */
static int
load_unit(struct verb_call *c, const struct drill_order *o, const char *file, size_t combination,
          struct drill_unit *u)
{
	struct script_options options = { .drill = true,
		                          .combination = combination,
		                          .n_params = o->n_params,
		                          .params = o->params };
	struct diag_list diags;
	struct err err = ERR_INIT;
	int status = EXIT_OK;
	u->file = file;
	u->combination = combination;
	if (script_topology(file, &u->topology, &err))
		return verb_fail(c, &err, NULL);
	u->topo = verb_load_topo(c, u->topology, &status);
	if (!u->topo)
		return status;
	diag_list_init(&diags);
	int rc = script_load_with(file, u->topo, &options, &diags, &u->script, &err);
	enum diag_format format = c->v[DRILL_FORMAT].given && c->v[DRILL_FORMAT].choice == 1
	                                  ? DIAG_GITHUB
	                                  : DIAG_TEXT;
	if (rc || combination == 0)
		diag_print(&diags, format == DIAG_GITHUB ? stdout : c->talk->f, format);
	if (rc)
		status = diags.n_errors ? err_exit_status(rc) : verb_fail(c, &err, NULL);
	diag_list_free(&diags);
	return status;
}

static int
load_file(struct verb_call *c, struct drill_order *o, const char *file)
{
	size_t n = 1;
	for (size_t i = 0; i < n; i++) {
		struct drill_unit *units = realloc(o->units, (o->n_units + 1) * sizeof *units);
		if (!units) {
			struct err err = ERR_INIT;
			err_set(&err, ERR_NOMEM, "out of memory");
			return verb_fail(c, &err, NULL);
		}
		o->units = units;
		struct drill_unit *u = &units[o->n_units++];
		memset(u, 0, sizeof *u);
		int status = load_unit(c, o, file, i, u);
		if (status)
			return status;
		n = u->script->n_combinations;
	}
	return EXIT_OK;
}

static int
take_seeds(struct verb_call *c, struct drill_order *o)
{
	const struct opt_value *v = c->v;
	const uint64_t most = 10000000;
	o->n_seeds = 1;
	o->seed_given = v[DRILL_SEED].given;
	if (v[DRILL_SEED].given)
		o->first_seed = v[DRILL_SEED].count;
	if (!v[DRILL_SEEDS].given)
		return EXIT_OK;
	if (v[DRILL_SEED].given)
		return verb_usage(c, NULL, "--seed and --seeds are given");
	char *end = NULL, *end2 = NULL;
	const char *text = v[DRILL_SEEDS].text;
	errno = 0;
	unsigned long long a = strtoull(text, &end, 10), b = 0;
	bool good = text[0] >= '0' && text[0] <= '9' && !strncmp(end, "..", 2) && end[2] >= '0' &&
	            end[2] <= '9';
	if (good)
		b = strtoull(end + 2, &end2, 10);
	if (!good || *end2 || errno || b < a || b - a >= most)
		return verb_usage(c, "like --seeds 1..100", "--seeds: '%s' is not a range of seeds",
		                  text);
	o->sweep = true;
	o->first_seed = a;
	o->n_seeds = b - a + 1;
	return EXIT_OK;
}

static int
make_order(struct verb_call *c, struct drill_order *o)
{
	const struct opt_value *v = c->v;
	*o = (struct drill_order){ .memory = v[DRILL_MEMORY].given,
		                   .strict = v[DRILL_STRICT].given,
		                   .keep = v[DRILL_KEEP].given,
		                   .json = v[DRILL_JSON].given,
		                   .pin = !v[DRILL_NO_PIN].given,
		                   .jobs = v[DRILL_JOBS].given ? v[DRILL_JOBS].count : 1,
		                   .n_params = v[DRILL_PARAM].n,
		                   .params = v[DRILL_PARAM].list,
		                   .bin_dir = c->bin_dir,
		                   .out = v[DRILL_OUT].given ? v[DRILL_OUT].text : NULL };
	if (!v[DRILL_FILES].given)
		return verb_usage(c, "voltloom drill scripts/drills/kill-n3.yaml --memory",
		                  "which drill? give a file");
	if (o->jobs < 1 || o->jobs > 256)
		return verb_usage(c, NULL, "--jobs: 1 to 256");
	int status = take_seeds(c, o), one;
	for (size_t i = 0; !status && i < v[DRILL_FILES].n; i++) {
		/* All files are looked at, so that all errors are seen at once. */
		one = load_file(c, o, v[DRILL_FILES].words[i]);
		if (one && i + 1 < v[DRILL_FILES].n) {
			for (i++; i < v[DRILL_FILES].n; i++)
				load_file(c, o, v[DRILL_FILES].words[i]);
		}
		status = one;
	}
	if (status)
		return status;
	if (drill_order_cases(o) != 1 && !v[DRILL_SEARCH].given &&
	    (v[DRILL_REPORT].given || o->out))
		return verb_usage(c, "give one file, and --param for a matrix",
		                  "--%s is for a single run; these are %zu",
		                  o->out ? "out" : "report", drill_order_cases(o));
	return EXIT_OK;
}

/* ---- what is said ----------------------------------------------------------------------- */

struct teller {
	struct verb_call *c;
	const struct drill_order *o;
	FILE *junit, *json, *summary;
	bool github;
	size_t n[DRILL_INTERRUPTED + 1];
	enum drill_verdict worst;
	char last_dir[RUNDIR_PATH_MAX];
};

static const char *const shout[] = { "PASS",  "FAIL",  "INCONCLUSIVE", "INVALID",
	                             "ERROR", "ABORT", "INTERRUPTED" };

static void
take_worst(struct teller *t, enum drill_verdict v)
{
	static const int rank[] = {
		[DRILL_PASS] = 0,       [DRILL_INCONCLUSIVE] = 1, [DRILL_FAIL] = 2,
		[DRILL_ABORTED] = 3,    [DRILL_INVALID] = 4,      [DRILL_ERROR] = 5,
		[DRILL_INTERRUPTED] = 6
	};
	if (rank[v] > rank[t->worst])
		t->worst = v;
}

static void
on_done(void *arg, struct drill_record *r)
{
	struct teller *t = arg;
	bool many = drill_order_cases(t->o) > 1, good = r->verdict == DRILL_PASS;
	uint64_t seed = t->o->first_seed + r->index % t->o->n_seeds;
	t->n[r->verdict]++;
	take_worst(t, r->verdict);
	if (t->junit)
		fputs(r->parts[PART_JUNIT] ? r->parts[PART_JUNIT] : "", t->junit);
	if (t->json)
		fputs(r->parts[PART_JSON] ? r->parts[PART_JSON] : "", t->json);
	if (t->summary && r->parts[PART_ROW])
		fputs(r->parts[PART_ROW], t->summary);
	if (t->github && r->parts[PART_GITHUB])
		fputs(r->parts[PART_GITHUB], stdout);
	snprintf(t->last_dir, sizeof t->last_dir, "%s", r->run_dir);
	FILE *f = t->json == stdout ? t->c->talk->f : stdout;
	if (t->o->sweep && good && many)
		return;
	if ((!many && !t->c->talk->quiet) || !good)
		fputs(r->parts[PART_LINES] ? r->parts[PART_LINES] : "", f);
	fprintf(f, "%s %s", shout[r->verdict], r->parts[PART_TITLE] ? r->parts[PART_TITLE] : "");
	if (t->o->sweep)
		fprintf(f, " seed %" PRIu64, seed);
	fprintf(f, " (%zu expectations, %.6g s of plant time in %.2g s)", r->n_items, r->plant_s,
	        r->wall_s);
	if (r->run_dir[0])
		fprintf(f, "   report: %s/report.html", r->run_dir);
	putc('\n', f);
	if (!good && r->parts[PART_REPRODUCE])
		fprintf(f, "  reproduce: %s%s\n", r->parts[PART_REPRODUCE],
		        t->o->memory ? " --memory" : "");
	fflush(f);
}

static int
open_out(struct verb_call *c, const struct opt_value *v, FILE **f)
{
	struct err err = ERR_INIT;
	if (!v->given)
		return EXIT_OK;
	*f = strcmp(v->text, "-") ? fopen(v->text, "we") : stdout;
	if (*f)
		return EXIT_OK;
	err_sys(&err, ERR_IO, "cannot write %s", v->text);
	return verb_fail(c, &err, NULL);
}

static int
close_out(struct verb_call *c, FILE *f, const char *name)
{
	struct err err = ERR_INIT;
	if (!f || f == stdout)
		return EXIT_OK;
	int bad = ferror(f);
	if (!fclose(f) && !bad)
		return EXIT_OK;
	err_sys(&err, ERR_IO, "cannot write %s", name);
	return verb_fail(c, &err, NULL);
}

static int
open_all(struct teller *t)
{
	struct verb_call *c = t->c;
	int status = open_out(c, &c->v[DRILL_JUNIT], &t->junit);
	if (!status)
		status = open_out(c, &c->v[DRILL_JSON], &t->json);
	t->github = c->v[DRILL_FORMAT].given && c->v[DRILL_FORMAT].choice == 1;
	const char *path = getenv("GITHUB_STEP_SUMMARY");
	if (!status && t->github && path && *path && !(t->summary = fopen(path, "ae")))
		term_note(c->talk, "cannot write %s: %s", path, strerror(errno));
	if (t->junit)
		drill_junit_begin(t->junit);
	if (t->summary)
		fputs("### Drills\n\n| verdict | drill | seed | what | reproduce "
		      "|\n|---|---|---|---|---|\n",
		      t->summary);
	return status;
}

static int
close_all(struct teller *t)
{
	if (t->junit)
		drill_junit_end(t->junit);
	int a = close_out(t->c, t->junit, "the JUnit file");
	int b = close_out(t->c, t->json, "the JSON file");
	int s = close_out(t->c, t->summary, "the job summary");
	return a ? a : b ? b : s;
}

static int
copy_report(struct teller *t)
{
	struct err err = ERR_INIT;
	char from[RUNDIR_PATH_MAX + 16], dir[PATH_MAX];
	const char *to = t->c->v[DRILL_REPORT].text, *slash;
	if (!t->c->v[DRILL_REPORT].given || !t->last_dir[0])
		return EXIT_OK;
	snprintf(from, sizeof from, "%s/report.html", t->last_dir);
	if (access(from, R_OK)) {
		term_note(t->c->talk, "there is no report of a run that did not end");
		return EXIT_OK;
	}
	slash = strrchr(to, '/');
	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - to) : 1, slash ? to : ".");
	if (rundir_copy(from, dir[0] ? dir : "/", slash ? slash + 1 : to, &err))
		return verb_fail(t->c, &err, NULL);
	return EXIT_OK;
}

static int
exit_status(const struct teller *t)
{
	if (term_signal() == SIGINT)
		return EXIT_SIGINT;
	if (term_signal() || t->worst == DRILL_INTERRUPTED)
		return EXIT_SIGTERM;
	return (int)t->worst;
}

static int
run_order(struct verb_call *c, const struct drill_order *o)
{
	struct teller t = { .c = c, .o = o };
	struct err err = ERR_INIT;
	size_t cases = drill_order_cases(o);
	int status = open_all(&t);
	if (!status && drill_jobs_run(o, c->talk, on_done, &t, &err))
		status = verb_fail(c, &err, NULL);
	int closed = close_all(&t);
	status = status ? status : closed;
	if (!status)
		status = copy_report(&t);
	if (status)
		return status;
	if (cases > 1) {
		FILE *f = t.json == stdout ? c->talk->f : stdout;
		fprintf(f, "%zu runs:", cases);
		for (size_t i = 0; i <= DRILL_INTERRUPTED; i++)
			if (t.n[i])
				fprintf(f, " %zu %s", t.n[i],
				        drill_verdict_name((enum drill_verdict)i));
		putc('\n', f);
	}
	return exit_status(&t);
}

/* ---- without a run ---------------------------------------------------------------------- */

static void
say_plan(const struct drill_unit *u, const struct drill_order *o)
{
	char at[48];
	const struct script *s = u->script;
	struct drill_run r = { .topo = u->topo, .script = s };
	char title[400];
	drill_title(&r, false, title, sizeof title);
	printf("%s: %s, %zu actions, %.6g s", title, u->topo->name, s->n - s->n_heal,
	       (double)s->duration_ns * 1e-9);
	if (s->n_heal)
		printf(" + %.6g s after healing", (double)(s->end_ns - s->duration_ns) * 1e-9);
	printf(", %zu conditions of the steady state, %zu expectations, %" PRIu64 " run%s\n",
	       s->checks->n_gates, s->checks->n_checks, o->n_seeds, o->n_seeds == 1 ? "" : "s");
	for (size_t i = 0; i < s->n; i++) {
		const struct script_action *a = &s->actions[i];
		drill_time(u->topo, a->k, at);
		printf("  %-12s %-6s %-8s %s\n", at, script_action_name(a->kind),
		       drill_target(u->topo, a), a->id);
	}
	for (size_t i = 0; i < s->n_whens; i++)
		printf("  %s when %s\n", s->whens[i].id, s->whens[i].text);
	for (size_t i = 0; i < s->n_missed; i++)
		printf("  %-12s %-6s %-8s %s\n", "open",
		       script_action_name(s->missed[i].action.kind),
		       drill_target(u->topo, &s->missed[i].action), s->missed[i].action.id);
	for (size_t i = 0; i < s->checks->n_checks; i++)
		printf("  expect       %-10s %s: %s\n", drill_kind_name(s->checks->checks[i].kind),
		       s->checks->checks[i].id, s->checks->checks[i].text);
}

static int
run_search(struct verb_call *c, struct drill_order *o)
{
	const struct opt_value *v = c->v;
	struct search_params p = { .seed = v[DRILL_SEARCH_SEED].given ? v[DRILL_SEARCH_SEED].count : 1,
		                   .budget = v[DRILL_BUDGET].given ? v[DRILL_BUDGET].count : 200,
		                   .time_s = v[DRILL_TIME].given ? (double)v[DRILL_TIME].ns * 1e-9 : 0,
		                   .out = o->out };
	if (v[DRILL_TIME].given && !v[DRILL_BUDGET].given)
		p.budget = 10000000;
	if (p.budget < 1 || p.budget > 10000000)
		return verb_usage(c, NULL, "--budget: 1 to 10000000 timelines");
	return drill_search_verb(c, o, &p);
}

static int
run_drill(struct verb_call *c)
{
	struct drill_order o;
	c->talk->quiet = c->v[DRILL_QUIET].given;
	if (c->v[DRILL_ACTIONS].given) {
		if (c->v[DRILL_JSON].given)
			script_print_actions_json(stdout);
		else
			script_print_actions(stdout);
		return EXIT_OK;
	}
	if (c->v[DRILL_FROM].given)
		return drill_from_verb(c, c->v[DRILL_FROM].text,
		                       c->v[DRILL_OUT].given ? c->v[DRILL_OUT].text : NULL);
	int status = make_order(c, &o);
	if (!status && c->v[DRILL_SEARCH].given) {
		status = run_search(c, &o);
	} else if (!status && c->v[DRILL_DRY_RUN].given) {
		for (size_t i = 0; i < o.n_units; i++)
			say_plan(&o.units[i], &o);
	} else if (!status) {
		status = run_order(c, &o);
	}
	for (size_t i = 0; i < o.n_units; i++)
		unit_free(&o.units[i]);
	free(o.units);
	return status;
}

const struct verb verb_drill = {
	"drill",
	GROUP_MESH,
	"run scripted faults and judge what happened",
	"voltloom drill scripts/drills/kill-n3.yaml\n"
	"voltloom drill scripts/drills/*.yaml --memory --jobs 2 --junit drills.xml\n"
	"voltloom drill drill.yaml --seeds 1..1000 --memory --jobs 2\n"
	"voltloom drill drill.yaml --param victim=n5 --report report.html\n"
	"voltloom drill drill.yaml --dry-run\n"
	"voltloom drill --from latest -o what-i-did.yaml\n"
	"voltloom drill --search drill.yaml --budget 500 --jobs 2\n",
	"A verdict for each file, combination of its matrix, and seed. The run directory holds\n"
	"result.json, junit.xml, report.html and the flight recorder. The same seed gives the "
	"same\n"
	"verdict and the same bytes, over real processes or with --memory, with any --jobs.\n"
	"Exit status: 0 pass, 1 fail, 2 inconclusive (a fault did not fire, a bound never had a\n"
	"sample), 3 bad file, 4 error, 5 aborted by abort_if; of several runs the worst.",
	drill_opts,
	sizeof drill_opts / sizeof *drill_opts,
	run_drill,
};
