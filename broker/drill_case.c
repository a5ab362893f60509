#include "drill_case.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "drill_compare.h"
#include "drill_rehearse.h"
#include "drill_report.h"
#include "launch.h"
#include "playback.h"
#include "recsize.h"
#include "verb.h"

size_t
drill_order_cases(const struct drill_order *o)
{
	return o->n_units * (size_t)o->n_seeds;
}

void
drill_record_free(struct drill_record *r)
{
	for (int i = 0; i < PARTS_; i++) {
		free(r->parts[i]);
		r->parts[i] = NULL;
	}
}

/* ---- one run ----------------------------------------------------------------------------------
 */

struct one {
	const struct drill_order *o;
	struct drill_unit *u;
	struct script *loaded; /* its script; in its place is `timed` when that is there */
	struct script *timed;
	struct term *talk;
	void (*at)(void *arg, double done);
	void *arg;
	int64_t end_k;
	bool files; /* keep a run directory */
	struct launch l;
	struct supervisor_result result;
	struct playback run; /* its view is also that of the files of real processes */
	struct drill_outcome *outcome;
	enum drill_verdict verdict;
	char why[sizeof((struct err *)0)->text];
	double wall_s;
	struct drill_time play, trace, evaluate, report;
};

/* ---- time -------------------------------------------------------------------------------------
 */

static double
rusage_s(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* Of this process with its threads, and of the processes it has reaped. */
static struct drill_time
now(void)
{
	return (struct drill_time){ term_now_s(),
		                    rusage_s(RUSAGE_SELF) + rusage_s(RUSAGE_CHILDREN) };
}

static double
thread_cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct drill_time
since(struct drill_time t)
{
	struct drill_time n = now();
	return (struct drill_time){ n.wall_s - t.wall_s, n.cpu_s - t.cpu_s };
}

/* ---- playing ----------------------------------------------------------------------------------
 */

static void
memory_at(void *arg, int64_t k)
{
	struct one *c = arg;
	c->at(c->arg, (double)k / (double)c->end_k);
}

static int
play_memory(struct one *c, struct err *err)
{
	char rec_dir[RUNDIR_PATH_MAX + 8];
	snprintf(rec_dir, sizeof rec_dir, "%s/rec", c->l.run_dir);
	struct memory_params params = {
		.topo = c->u->topo,
		.script = c->u->script,
		.end_k = c->end_k,
		.seed = c->u->topo->seed,
		.rec_dir = c->files ? rec_dir : NULL,
	};
	int rc = playback_run(&c->run, &params, memory_at, c, err);
	c->result = (struct supervisor_result){ .clean = rc == 0, .last_k = c->end_k };
	c->result.n_procs = c->result.n_exited =
		(unsigned)(c->u->topo->n_nodes + c->u->topo->n_modules);
	return rc;
}

static int
play_processes(struct one *c, struct err *err)
{
	struct recsize size;
	int rc = recsize_of(c->u->topo, &size, err);
	if (!rc)
		rc = recsize_check_disk(c->l.run_dir, recsize_total(&size, c->end_k), err);
	term_catch_signals(supervisor_interrupt);
	if (!rc)
		rc = launch_open_sockets(&c->l, err);
	if (!rc)
		rc = launch_run(&c->l, &c->result, err);
	return rc;
}

/* What a run says about itself, before its recorder is read. */
static void
look_at_result(struct one *c)
{
	const struct supervisor_result *r = &c->result;
	if (r->exit_status == EXIT_SIGINT || r->exit_status == EXIT_SIGTERM) {
		c->verdict = DRILL_INTERRUPTED;
		snprintf(c->why, sizeof c->why, "interrupted at step %" PRId64 " of %" PRId64,
		         r->last_k, c->end_k);
	} else if (r->exit_status || !r->clean || r->last_k != c->end_k) {
		c->verdict = DRILL_ERROR;
		snprintf(c->why, sizeof c->why, "%s",
		         r->text[0] ? r->text : "the run did not end as planned");
	}
}

static void
play(struct one *c)
{
	struct err err = ERR_INIT, close_err = ERR_INIT;
	struct script *s = c->u->script;
	bool ran = false;
	c->l = (struct launch){
		.talk = c->talk,
		.how = "drill",
		.bin_dir = c->o->bin_dir,
		.name = c->u->topo->name,
		.topo = c->u->topo,
		.topology = c->u->topology,
		.script = s,
		.end_k = c->end_k,
		.speed = s->has_speed ? s->speed : 0,
		.pin = c->o->pin,
		.seed = c->u->topo->seed,
		.ready_fd = -1,
	};
	struct drill_time start = now();
	int rc = c->files ? launch_open_run(&c->l, c->o->out, &err) : 0;
	if (!rc) {
		ran = true;
		rc = c->o->memory ? play_memory(c, &err) : play_processes(c, &err);
	}
	c->play = since(start);
	c->wall_s = c->play.wall_s;
	c->result.wall_s = c->result.wall_s > 0 ? c->result.wall_s : c->wall_s;
	if (c->files)
		host_memory_destroy(&c->run.host);
	if (launch_close(&c->l, ran && c->files ? &c->result : NULL, &close_err) && !rc) {
		rc = close_err.code;
		err = close_err;
	}
	if (!rc)
		look_at_result(c);
	if (!rc && c->verdict == DRILL_PASS && c->files)
		rc = runview_open(c->l.run_dir, &c->run.view, &err);
	if (rc && c->verdict == DRILL_PASS) {
		c->verdict = DRILL_ERROR;
		snprintf(c->why, sizeof c->why, "%s", err.text);
	}
}

/* The times of what waits for conditions; they may differ from seed to seed. */
static void
rehearse(struct one *c)
{
	struct err err = ERR_INIT;
	c->verdict = drill_rehearse(c->u, c->o, &c->timed, c->at, c->arg, &err);
	if (c->timed)
		c->u->script = c->timed;
	if (c->verdict != DRILL_PASS)
		snprintf(c->why, sizeof c->why, "%s", err.text);
}

/* The trace is formed while the rest is judged: it takes longer, and is wanted only for evidence.
 */
struct trace_job {
	const struct runview *view;
	char trace[65];
	struct err err;
	int rc;
	struct drill_time took;
};

static void *
trace_job_run(void *arg)
{
	struct trace_job *j = arg;
	double start = term_now_s(), cpu = thread_cpu_s();
	j->rc = summary_trace(j->view, j->trace, &j->err);
	j->took = (struct drill_time){ term_now_s() - start, thread_cpu_s() - cpu };
	return NULL;
}

static void
judge(struct one *c)
{
	struct err err = ERR_INIT;
	struct trace_job job = { .view = c->run.view, .err = ERR_INIT };
	pthread_t thread;
	if (c->verdict != DRILL_PASS)
		return;
	struct drill_time start = now();
	bool wanted = c->files || c->o->json;
	bool beside = wanted && !pthread_create(&thread, NULL, trace_job_run, &job);
	if (wanted && !beside)
		trace_job_run(&job);
	struct drill_compare *other = NULL;
	int rc = drill_compare_create(c->u, c->o, &other, &err);
	if (!rc)
		rc = drill_eval(c->u->script, c->run.view, c->o->strict, drill_compare_figure, other,
		                &c->outcome, &err);
	drill_compare_destroy(&other);
	if (beside)
		pthread_join(thread, NULL);
	c->trace = job.took;
	c->evaluate = since(start);
	c->evaluate.cpu_s -= c->trace.cpu_s;
	if (rc || job.rc) {
		c->verdict = rc == ERR_INPUT ? DRILL_INVALID : DRILL_ERROR;
		snprintf(c->why, sizeof c->why, "%s", rc ? err.text : job.err.text);
		return;
	}
	memcpy(c->outcome->summary.trace, job.trace, sizeof job.trace);
	c->verdict = c->outcome->verdict;
	if (!(c->outcome->summary.worst_residual <= SUMMARY_RESIDUAL_MAX)) {
		c->verdict = DRILL_ERROR;
		snprintf(c->why, sizeof c->why,
		         "the energy of the run does not add up: residual %.2g",
		         c->outcome->summary.worst_residual);
	}
}

/* ---- the evidence -----------------------------------------------------------------------------
 */

static struct drill_run
run_of(const struct one *c)
{
	bool usable = c->outcome && c->verdict != DRILL_ERROR;
	return (struct drill_run){
		.file = c->u->file,
		.topo = c->u->topo,
		.script = c->u->script,
		.seed = c->u->topo->seed,
		.strict = c->o->strict,
		.n_params = c->o->n_params,
		.params = c->o->params,
		.outcome = usable ? c->outcome : NULL,
		.verdict = c->verdict,
		.wall_s = c->wall_s,
		.play = c->play,
		.trace = c->trace,
		.evaluate = c->evaluate,
		.report = c->report,
		.error = c->why,
	};
}

static void
put_part(const struct drill_run *r, enum drill_part part, bool all, FILE *f)
{
	char title[1024];
	switch (part) {
	case PART_LINES:
		drill_lines(r, all, f);
		break;
	case PART_JUNIT:
		drill_junit_suite(r, f);
		break;
	case PART_JSON:
		drill_result_json(r, f);
		break;
	case PART_GITHUB:
		drill_github(r, f);
		break;
	case PART_ROW:
		drill_summary_row(r, f);
		break;
	case PART_TITLE:
		drill_title(r, false, title, sizeof title);
		fputs(title, f);
		break;
	case PART_REPRODUCE:
		drill_reproduce(r, title, sizeof title);
		fputs(title, f);
		break;
	case PARTS_:
		break;
	}
}

static int
write_file(const char *dir, const char *name, void (*write)(const struct drill_run *, FILE *),
           const struct drill_run *r, struct err *err)
{
	char path[RUNDIR_PATH_MAX + 32];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	if (!f)
		return err_sys(err, ERR_IO, "cannot write %s", path);
	write(r, f);
	int bad = ferror(f);
	if (fclose(f) || bad)
		return err_sys(err, ERR_IO, "cannot write %s", path);
	return 0;
}

static void
write_junit(const struct drill_run *r, FILE *f)
{
	drill_junit_begin(f);
	drill_junit_suite(r, f);
	drill_junit_end(f);
}

static void
write_evidence(struct one *c)
{
	struct err err = ERR_INIT;
	char path[RUNDIR_PATH_MAX + 32];
	struct drill_run r = run_of(c);
	if (!c->l.run_dir[0] || access(c->l.run_dir, F_OK))
		return;
	struct drill_time start = now();
	int rc = write_file(c->l.run_dir, "result.json", drill_result_json, &r, &err);
	if (!rc && r.outcome) {
		snprintf(path, sizeof path, "%s/report.html", c->l.run_dir);
		rc = drill_report_write(&r, c->run.view, path, &err);
	}
	c->report = r.report = since(start);
	if (!rc)
		rc = write_file(c->l.run_dir, "junit.xml", write_junit, &r, &err);
	if (rc) {
		c->verdict = DRILL_ERROR;
		snprintf(c->why, sizeof c->why, "%s", err.text);
	}
}

/* A line of what the host did, not the plant: result.json does not know it. */
__attribute__((format(printf, 3, 4))) static void
add_line(struct drill_record *rec, const char *mark, const char *fmt, ...)
{
	char line[160], *lines = NULL;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (asprintf(&lines, "%s  %-5s host                 %s\n",
	             rec->parts[PART_LINES] ? rec->parts[PART_LINES] : "", mark, line) < 0)
		return;
	free(rec->parts[PART_LINES]);
	rec->parts[PART_LINES] = lines;
}

/* A paced run that the host did not hold says nothing about timing, and a relay that lived on
 * nothing about its death. */
static void
look_at_host(const struct one *c, struct drill_record *rec)
{
	const struct script *s = c->u->script;
	bool paced = !c->o->memory && s->has_speed && s->speed > 0;
	unsigned kills = 0;
	for (size_t i = 0; i < s->n; i++)
		kills += s->actions[i].target_kind == TARGET_RELAY;
	if (rec->verdict != DRILL_PASS)
		return;
	if (kills && c->o->memory) {
		if (c->o->strict)
			rec->verdict = DRILL_INCONCLUSIVE;
		add_line(rec, c->o->strict ? "?" : "note",
		         "in memory there is no relay: it was not killed, and no bound depends on it");
	}
	if (kills > c->result.relay_kills && !c->o->memory) {
		rec->verdict = DRILL_INCONCLUSIVE;
		add_line(rec, "?", "the relay was killed %u times, not %u",
		         c->result.relay_kills, kills);
	}
	if (paced && c->result.overruns) {
		rec->verdict = DRILL_INCONCLUSIVE;
		add_line(rec, "?", "%" PRIu64 " steps were late at speed %g", c->result.overruns,
		         s->speed);
	}
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void
one_free(struct one *c)
{
	drill_outcome_destroy(&c->outcome);
	playback_end(&c->run);
}

void
drill_case_run(const struct drill_order *o, size_t index, struct term *talk,
               void (*at)(void *arg, double done), void *arg, struct drill_record *rec)
{
	enum { OPEN_FILES = 16 };
	size_t unit = index / (size_t)o->n_seeds, nth = index % (size_t)o->n_seeds;
	struct one c = { .o = o, .u = &o->units[unit], .talk = talk, .at = at, .arg = arg };
	struct script *s = c.loaded = c.u->script;
	if (o->sweep)
		c.u->topo->seed = o->first_seed + nth;
	else if (o->seed_given)
		c.u->topo->seed = o->first_seed;
	else if (s->has_seed)
		c.u->topo->seed = s->seed;
	c.files = !o->memory || !o->sweep || o->keep;
	rehearse(&c);
	s = c.u->script;
	c.end_k = s->end_ns / c.u->topo->step_ns;
	if (c.verdict == DRILL_PASS)
		play(&c);
	judge(&c);
	if (!c.files && c.outcome && c.verdict != DRILL_PASS) {
		/* Once more, with files: the same seed gives the same run. */
		one_free(&c);
		c.files = true;
		c.verdict = DRILL_PASS;
		play(&c);
		judge(&c);
	}
	write_evidence(&c);
	struct drill_run r = run_of(&c);
	*rec = (struct drill_record){ .index = index,
		                      .verdict = c.verdict,
		                      .wall_s = c.wall_s,
		                      .n_items = c.outcome ? c.outcome->n_items : 0,
		                      .plant_s = (double)s->end_ns * 1e-9 };
	for (int i = 0; i < PARTS_; i++) {
		size_t size;
		FILE *f = open_memstream(&rec->parts[i], &size);
		if (!f)
			continue;
		put_part(&r, (enum drill_part)i, drill_order_cases(o) == 1, f);
		fclose(f);
	}
	look_at_host(&c, rec);
	if (o->sweep && !o->keep && c.verdict == DRILL_PASS && c.l.run_dir[0])
		nftw(c.l.run_dir, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS);
	else if (c.files)
		snprintf(rec->run_dir, sizeof rec->run_dir, "%s", c.l.run_dir);
	one_free(&c);
	c.u->script = c.loaded;
	script_destroy(&c.timed);
}

void
drill_case_lost(const struct drill_order *o, size_t index, enum drill_verdict verdict,
                const char *why, double wall_s, struct drill_record *rec)
{
	size_t unit = index / (size_t)o->n_seeds;
	struct one c = { .o = o, .u = &o->units[unit], .verdict = verdict, .wall_s = wall_s };
	const struct script *s = c.u->script;
	uint64_t kept = c.u->topo->seed;
	if (o->sweep || o->seed_given)
		c.u->topo->seed = o->first_seed + (o->sweep ? index % (size_t)o->n_seeds : 0);
	else if (s->has_seed)
		c.u->topo->seed = s->seed;
	snprintf(c.why, sizeof c.why, "%s", why);
	struct drill_run r = run_of(&c);
	*rec = (struct drill_record){ .index = index,
		                      .verdict = verdict,
		                      .wall_s = wall_s,
		                      .plant_s = (double)s->end_ns * 1e-9 };
	for (int i = 0; i < PARTS_; i++) {
		size_t size;
		FILE *f = open_memstream(&rec->parts[i], &size);
		if (!f)
			continue;
		put_part(&r, (enum drill_part)i, true, f);
		fclose(f);
	}
	c.u->topo->seed = kept;
}
