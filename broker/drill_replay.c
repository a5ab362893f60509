/* drill --from: from a run directory to a drill file that has been tried. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "drill_from.h"
#include "playback.h"
#include "summary.h"
#include "verb.h"

struct replay {
	struct verb_call *c;
	struct runview *view;
	char dir[PATH_MAX], mesh[PATH_MAX + 16];
	struct drill_from from;
	char *text; /* of the file */
	size_t size;
};

/* A run that goes on, or one whose supervisor was killed, has ends that nobody agreed on. */
static int
check_ended(const struct replay *r, struct err *err)
{
	char path[PATH_MAX + 16], text[4096];
	snprintf(path, sizeof path, "%s/host.json", r->dir);
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(err, ERR_INPUT,
		               "%s: there is no host.json: the run goes on, or its supervisor was "
		               "killed",
		               r->dir);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	if (!strstr(text, "\"clean\":true"))
		return err_set(err, ERR_INPUT,
		               "%s: the run did not end in order, so where its processes ended was "
		               "nobody's decision, and no drill ends there",
		               r->dir);
	return 0;
}

/* Written beside its name first, and there only once it is whole. */
static int
write_out(const struct replay *r, const char *path, struct err *err)
{
	FILE *f = path ? fopen(path, "we") : stdout;
	if (!f)
		return err_sys(err, ERR_IO, "cannot write %s", path);
	fwrite(r->text, 1, r->size, f);
	int bad = ferror(f);
	if ((path ? fclose(f) : fflush(f)) || bad)
		return err_sys(err, ERR_IO, "cannot write %s", path ? path : "standard output");
	return 0;
}

/* Reads the file as a drill would. */
static int
load(const struct replay *r, struct script **ret, struct err *err)
{
	char path[] = "/tmp/vl-from-XXXXXX";
	const struct script_options options = { .drill = true };
	struct diag_list diags;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		err_sys(err, ERR_IO, "cannot make a temporary file");
		if (fd >= 0) {
			close(fd);
			unlink(path);
		}
		return err->code;
	}
	fwrite(r->text, 1, r->size, f);
	diag_list_init(&diags);
	int rc = fclose(f) ? err_sys(err, ERR_IO, "cannot write %s", path)
	                   : script_load_with(path, runview_topo(r->view), &options, &diags, ret,
	                                      err);
	unlink(path);
	for (size_t i = 0; rc && i < diags.n; i++)
		if (diags.d[i].level == DIAG_ERROR) {
			err_set(err, ERR_INPUT, "what was done cannot be scripted: %s",
			        diags.d[i].text);
			break;
		}
	diag_list_free(&diags);
	return rc;
}

static void
replay_at(void *arg, int64_t k)
{
	struct progress *p = ((void **)arg)[0];
	const int64_t *end_k = ((void **)arg)[1];
	progress_at(p, (double)k / (double)*end_k, "playing it in memory");
}

static int
trace_in_memory(const struct replay *r, const struct script *s, char trace[65], struct err *err)
{
	struct playback run = { 0 };
	struct progress progress;
	const struct topo *t = runview_topo(r->view);
	int64_t end_k = runview_last_k(r->view);
	struct memory_params params = { .topo = t,
		                        .script = s,
		                        .end_k = end_k,
		                        .seed = runview_seed(r->view) };
	progress_begin(&progress, r->c->talk, "replay");
	int rc = playback_run(&run, &params, replay_at, (void *[]){ &progress, &end_k }, err);
	progress_end(&progress);
	if (!rc)
		rc = summary_trace(run.view, trace, err);
	playback_end(&run);
	return rc;
}

static int
compare(struct replay *r, const struct script *s, struct err *err, bool *same)
{
	char was[65], is[65];
	int rc = summary_trace(r->view, was, err);
	if (!rc)
		rc = trace_in_memory(r, s, is, err);
	*same = !rc && !strcmp(was, is);
	return rc;
}

static int
make(struct replay *r, struct err *err)
{
	FILE *f = open_memstream(&r->text, &r->size);
	if (!f)
		return err_sys(err, ERR_IO, "drill");
	int rc = drill_from_write(r->view, r->dir, r->mesh, f, &r->from, err);
	if (fclose(f) && !rc)
		rc = err_set(err, ERR_NOMEM, "drill: out of memory");
	return rc;
}

static int
say(const struct replay *r, const char *out, bool same)
{
	struct term *talk = r->c->talk;
	if (r->from.partial)
		term_note(talk,
		          "%zu actions; early frames of the run were dropped, so traces cannot be "
		          "compared",
		          r->from.n_actions);
	else
		term_note(
			talk, "%zu actions, %zu of them deaths that nobody scripted: %s",
			r->from.n_actions, r->from.n_deaths,
			same ? "the same trace in memory"
			     : "NOT the same trace in memory; what the run did cannot be replayed "
			       "step for step");
	if (out && (same || r->from.partial))
		verb_next(r->c, "Next: voltloom drill %s | voltloom drill %s --memory", out, out);
	return same || r->from.partial ? EXIT_OK : EXIT_INCONCLUSIVE;
}

int
drill_from_verb(struct verb_call *c, const char *run, const char *out)
{
	struct replay r = { .c = c };
	struct script *s = NULL;
	struct err err = ERR_INIT;
	char latest[RUNDIR_PATH_MAX];
	bool same = false;
	if (!strcmp(run, "latest") && !rundir_latest(NULL, latest, &err))
		run = latest;
	int status = verb_open_run(c, run, &r.view);
	if (status)
		return status;
	int rc = 0;
	if (!realpath(run, r.dir))
		rc = err_sys(&err, ERR_IO, "%s", run);
	snprintf(r.mesh, sizeof r.mesh, "%s/mesh.yaml", r.dir);
	if (!rc)
		rc = check_ended(&r, &err);
	if (!rc)
		rc = make(&r, &err);
	if (!rc)
		rc = load(&r, &s, &err);
	if (!rc && !r.from.partial)
		rc = compare(&r, s, &err, &same);
	if (!rc)
		rc = write_out(&r, out, &err);
	status = rc ? verb_fail(c, &err, NULL) : say(&r, out, same);
	script_destroy(&s);
	runview_close(&r.view);
	free(r.text);
	return status;
}
