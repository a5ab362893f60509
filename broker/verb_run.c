/* run: a mesh for a given plant time, recorded, in virtual time or paced. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "playback.h"
#include "launch.h"
#include "recsize.h"
#include "script.h"
#include "summary.h"
#include "verb.h"

enum {
	RUN_TOPOLOGY,
	RUN_DRILL,
	RUN_FOR,
	RUN_SPEED,
	RUN_MEMORY,
	RUN_OUT,
	RUN_SEED,
	RUN_NO_PIN,
	RUN_QUIET,
	RUN_JSON,
};
static const struct opt run_opts[] = {
	[RUN_TOPOLOGY] = { "TOPOLOGY", 0, OPT_TEXT, OPT_POSITIONAL | OPT_FILE, "FILE",
	                   "the topology file (default: the one that the drill names)", UNIT_NONE },
	[RUN_DRILL] = { "drill", 'd', OPT_TEXT, OPT_FILE, "FILE", "what happens, and when",
	                UNIT_NONE },
	[RUN_FOR] = { "for", 'f', OPT_TIME, 0, "600ms", "plant time, a whole number of steps",
	              UNIT_NONE },
	[RUN_SPEED] = { "speed", 0, OPT_SPEED, 0, "X", "plant seconds per second, or max (default)",
	                UNIT_NONE },
	[RUN_MEMORY] = { "memory", 0, OPT_FLAG, 0, NULL,
	                 "all in this one process; the same recorder bytes", UNIT_NONE },
	[RUN_OUT] = { "out", 'o', OPT_TEXT, OPT_FILE, "DIR", "the run directory, new or empty",
	              UNIT_NONE },
	[RUN_SEED] = { "seed", 's', OPT_COUNT, 0, "N",
	               "seed of everything random (default: the drill's, "
	               "else the topology's)",
	               UNIT_NONE },
	[RUN_NO_PIN] = { "no-pin", 0, OPT_FLAG, 0, NULL, "do not pin processes to cores",
	                 UNIT_NONE },
	[RUN_QUIET] = { "quiet", 'q', OPT_FLAG, 0, NULL, "only the line with the trace",
	                UNIT_NONE },
	[RUN_JSON] = OPT_ROW_JSON,
};

/* What was asked for, the command line over the drill over the topology. */
struct order {
	char topology[PATH_MAX];
	struct topo *topo;
	struct script *script; /* NULL: none */
	int64_t end_k;
	double speed;
	bool memory;
};

static void
order_free(struct order *p)
{
	script_destroy(&p->script);
	topo_destroy(&p->topo);
}

static int
find_topology(struct verb_call *c, struct order *p)
{
	const struct opt_value *v = c->v;
	struct err err = ERR_INIT;
	char *named = NULL;
	if (v[RUN_TOPOLOGY].given) {
		snprintf(p->topology, sizeof p->topology, "%s", v[RUN_TOPOLOGY].text);
		return EXIT_OK;
	}
	if (!v[RUN_DRILL].given)
		return verb_usage(c, "voltloom run mesh.yaml --for 600ms",
		                  "which mesh? give a topology file, or a drill that names one");
	if (script_topology(v[RUN_DRILL].text, &named, &err))
		return verb_fail(c, &err, NULL);
	if (!named)
		return verb_usage(c, "give the topology too: voltloom run TOPOLOGY --drill FILE",
		                  "%s names no topology", v[RUN_DRILL].text);
	snprintf(p->topology, sizeof p->topology, "%s", named);
	free(named);
	return EXIT_OK;
}

static int
load_drill(struct verb_call *c, struct order *p)
{
	const char *path = c->v[RUN_DRILL].text;
	struct diag_list diags;
	struct err err = ERR_INIT;
	int status = EXIT_OK;
	diag_list_init(&diags);
	int rc = script_load(path, p->topo, &diags, &p->script, &err);
	if (!c->talk->quiet || rc)
		diag_print(&diags, c->talk->f, DIAG_TEXT);
	if (rc)
		status = diags.n_errors ? err_exit_status(rc) : verb_fail(c, &err, NULL);
	diag_list_free(&diags);
	return status;
}

static int
choose_end(struct verb_call *c, struct order *p)
{
	const struct opt_value *given = &c->v[RUN_FOR];
	const struct script *s = p->script;
	if (!given->given && !(s && s->has_duration))
		return verb_usage(c, "voltloom run ... --for 600ms", "how long? --for is missing");
	int64_t ns = given->given ? given->ns : s->duration_ns, step = p->topo->step_ns;
	if (ns % step != 0 || ns == 0) {
		struct err err = ERR_INIT;
		err_set(&err, given->given ? ERR_USAGE : ERR_INPUT,
		        "%s: %.9g s is not a whole number of steps of %.9g s%s",
		        given->given ? "--for" : s->path, (double)ns * 1e-9, (double)step * 1e-9,
		        ns == 0 ? ", at least 1" : "");
		return verb_fail(c, &err, NULL);
	}
	p->end_k = ns / step;
	return EXIT_OK;
}

static int
make_order(struct verb_call *c, struct order *p)
{
	const struct opt_value *v = c->v;
	memset(p, 0, sizeof *p);
	int status = find_topology(c, p);
	if (status)
		return status;
	p->topo = verb_load_topo(c, p->topology, &status);
	if (!p->topo)
		return status;
	status = v[RUN_DRILL].given ? load_drill(c, p) : EXIT_OK;
	if (!status)
		status = choose_end(c, p);
	if (status)
		return status;
	if (v[RUN_SEED].given)
		p->topo->seed = v[RUN_SEED].count;
	else if (p->script && p->script->has_seed)
		p->topo->seed = p->script->seed;
	p->speed = v[RUN_SPEED].given                  ? v[RUN_SPEED].real
	           : p->script && p->script->has_speed ? p->script->speed
	                                               : 0;
	p->memory = v[RUN_MEMORY].given;
	if (p->memory && v[RUN_SPEED].given && p->speed > 0)
		term_note(c->talk, "--speed has no meaning with --memory");
	return EXIT_OK;
}

/* Says what will be written and refuses when it does not fit. */
static int
check_space(struct verb_call *c, const struct order *p, const char *run_dir, struct err *err)
{
	struct recsize size;
	char text[32];
	int rc = recsize_of(p->topo, &size, err);
	if (rc)
		return rc;
	uint64_t frames = size.frame_bytes * (uint64_t)(p->end_k + 1) + size.fixed_bytes;
	term_say(c->talk, TERM_DIM, "records %s to %s\n", recsize_text(frames, text, sizeof text),
	         run_dir);
	return recsize_check_disk(run_dir, recsize_total(&size, p->end_k), err);
}

/* ---- in memory -------------------------------------------------------------------------- */

struct memory_progress {
	struct progress progress;
	int64_t end_k;
	double step_s;
};

static void
memory_at(void *arg, int64_t k)
{
	struct memory_progress *m = arg;
	char detail[48];
	snprintf(detail, sizeof detail, "t %.3f s", (double)k * m->step_s);
	progress_at(&m->progress, (double)k / (double)m->end_k, detail);
}

static int
run_memory(struct verb_call *c, const struct order *p, const char *run_dir,
           struct supervisor_result *r, struct err *err)
{
	char rec_dir[RUNDIR_PATH_MAX + 8];
	struct memory_progress m = { .end_k = p->end_k, .step_s = topo_step_s(p->topo) };
	struct playback run = { 0 };
	double start = term_now_s();
	snprintf(rec_dir, sizeof rec_dir, "%s/rec", run_dir);
	struct memory_params params = {
		.topo = p->topo,
		.script = p->script,
		.end_k = p->end_k,
		.seed = p->topo->seed,
		.rec_dir = rec_dir,
	};
	progress_begin(&m.progress, c->talk, "run");
	int rc = playback_run(&run, &params, memory_at, &m, err);
	progress_end(&m.progress);
	playback_end(&run);
	*r = (struct supervisor_result){ .clean = rc == 0,
		                         .last_k = p->end_k,
		                         .wall_s = term_now_s() - start };
	r->n_procs = r->n_exited = (unsigned)(p->topo->n_nodes + p->topo->n_modules);
	return rc;
}

/* ---- the end ---------------------------------------------------------------------------- */

static void
result_json(FILE *f, const struct order *p, const struct launch *l, const struct summary *s,
            const struct supervisor_result *r)
{
	struct json_out j;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", p->topo->name);
	json_out_int(&j, "seed", (int64_t)p->topo->seed);
	json_out_text(&j, "host", p->memory ? "memory" : "processes");
	json_out_text(&j, "run_dir", l->run_dir);
	json_out_bool(&j, "clean", r->clean);
	json_out_real(&j, "wall_s", r->wall_s);
	json_out_int(&j, "overruns", (int64_t)r->overruns);
	summary_json(s, p->topo, &j);
	json_out_end(&j);
}

static int
write_result(const struct order *p, const struct launch *l, const struct summary *s,
             const struct supervisor_result *r, struct err *err)
{
	char path[RUNDIR_PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/result.json", l->run_dir);
	FILE *f = fopen(path, "we");
	if (!f)
		return err_sys(err, ERR_IO, "cannot write %s", path);
	result_json(f, p, l, s, r);
	int bad = ferror(f);
	if (fclose(f) || bad)
		return err_sys(err, ERR_IO, "cannot write %s", path);
	return 0;
}

static int
report(struct verb_call *c, const struct order *p, const struct launch *l,
       const struct supervisor_result *r)
{
	struct summary s;
	struct err err = ERR_INIT;
	double plant_s = (double)r->last_k * topo_step_s(p->topo);
	if (summary_make(l->run_dir, &s, &err) || write_result(p, l, &s, r, &err))
		return verb_fail(c, &err, NULL);
	if (c->v[RUN_JSON].given) {
		result_json(stdout, p, l, &s, r);
	} else {
		if (!c->v[RUN_QUIET].given) {
			printf("%s: %zu nodes, %zu links, %zu modules, seed %" PRIu64
			       ": %.6g s in %.3g s "
			       "(x%.3g)\n",
			       p->topo->name, p->topo->n_nodes, p->topo->n_links,
			       p->topo->n_modules, p->topo->seed, plant_s, r->wall_s,
			       r->wall_s > 0 ? plant_s / r->wall_s : 0);
			summary_print(&s, p->topo, stdout);
			printf("run       %s\n", l->run_dir);
		}
		printf("trace %s\n", s.trace);
	}
	if (r->overruns > 0)
		term_note(c->talk, "%" PRIu64 " steps were late", r->overruns);
	if (!r->clean || r->exit_status)
		return r->exit_status ? r->exit_status : EXIT_INFRA;
	if (!(s.worst_residual <= SUMMARY_RESIDUAL_MAX)) {
		char text[160];
		snprintf(text, sizeof text,
		         "the energy of the run does not add up: residual %.2g at %.6g s",
		         s.worst_residual, (double)s.worst_k * topo_step_s(p->topo));
		term_error(c->talk, text, NULL);
		return EXIT_FAILED;
	}
	verb_next(c, "Next: voltloom export %s --signals 'node.*.v' --every 1ms", l->run_dir);
	return EXIT_OK;
}

static int
execute(struct verb_call *c, const struct order *p, struct launch *l)
{
	struct err err = ERR_INIT, close_err = ERR_INIT;
	struct supervisor_result r;
	const char *out = c->v[RUN_OUT].given ? c->v[RUN_OUT].text : NULL;
	int rc = launch_open_run(l, out, &err);
	bool ran = false; /* r is filled */
	if (!rc)
		rc = check_space(c, p, l->run_dir, &err);
	if (!rc && p->memory) {
		ran = true;
		rc = run_memory(c, p, l->run_dir, &r, &err);
	} else if (!rc) {
		term_catch_signals(supervisor_interrupt);
		rc = launch_open_sockets(l, &err);
		ran = rc == 0;
		if (!rc)
			rc = launch_run(l, &r, &err);
	}
	int status = rc ? verb_fail(c, &err, NULL) : EXIT_OK;
	if (launch_close(l, ran ? &r : NULL, &close_err) && !status)
		status = verb_fail(c, &close_err, NULL);
	if (ran && !rc && r.text[0])
		term_error(c->talk, r.text, NULL);
	if (!status && (r.exit_status == EXIT_SIGINT || r.exit_status == EXIT_SIGTERM)) {
		term_note(c->talk,
		          "stopped at step %" PRId64 " of %" PRId64 "; what was recorded is in %s",
		          r.last_k, p->end_k, l->run_dir);
		status = r.exit_status;
	}
	return status ? status : report(c, p, l, &r);
}

static int
run_run(struct verb_call *c)
{
	struct order *p = calloc(1, sizeof *p);
	struct err err = ERR_INIT;
	if (!p) {
		err_set(&err, ERR_NOMEM, "out of memory");
		return verb_fail(c, &err, NULL);
	}
	c->talk->quiet = c->v[RUN_QUIET].given;
	int status = make_order(c, p);
	if (!status) {
		struct launch l = {
			.talk = c->talk,
			.how = "run",
			.bin_dir = c->bin_dir,
			.name = p->topo->name,
			.topo = p->topo,
			.topology = p->topology,
			.script = p->script,
			.end_k = p->end_k,
			.speed = p->speed,
			.pin = !c->v[RUN_NO_PIN].given,
			.seed = p->topo->seed,
			.ready_fd = -1,
		};
		status = execute(c, p, &l);
	}
	order_free(p);
	free(p);
	return status;
}

const struct verb verb_run = {
	"run",
	GROUP_MESH,
	"run a mesh for a given plant time, and record it",
	"voltloom run topologies/tri3.yaml --for 600ms\n"
	"voltloom run topologies/rack8.yaml --drill drill.yaml --out /tmp/r1\n"
	"voltloom run topologies/rack8.yaml --for 1s --memory --json\n",
	"The last line is `trace` with a hash over all recorder bytes: the same input gives the "
	"same\n"
	"line, over real processes or with --memory, at every speed. Exit status 1: the energy of "
	"the\n"
	"run does not add up.",
	run_opts,
	sizeof run_opts / sizeof *run_opts,
	run_run,
};
