/* export: samples of a run as CSV. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"
#include "runview.h"
#include "verb.h"

#define EXPORT_SIGNALS "node.*.v,link.*.i,feed.*.i" /* unless asked otherwise */

enum {
	EXPORT_DIR,
	EXPORT_SIGNALS_OPT,
	EXPORT_EVERY,
	EXPORT_FROM,
	EXPORT_TO,
	EXPORT_FORMAT,
	EXPORT_OUT
};
static const struct opt export_opts[] = {
	[EXPORT_DIR] = { "DIR|latest", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_FILE, "DIR",
	                 "a run directory, or 'latest'", UNIT_NONE },
	[EXPORT_SIGNALS_OPT] = { "signals", 's', OPT_TEXT, 0, "LIST",
	                         "comma-separated, * for any id (default " EXPORT_SIGNALS ")",
	                         UNIT_NONE },
	[EXPORT_EVERY] = { "every", 'e', OPT_TIME, 0, "1ms",
	                   "interval, a multiple of the step (default 1ms)", UNIT_NONE },
	[EXPORT_FROM] = { "from", 0, OPT_TIME, 0, "100ms", "begin here (default 0)", UNIT_NONE },
	[EXPORT_TO] = { "to", 0, OPT_TIME, 0, "500ms", "end here (default: the end)", UNIT_NONE },
	[EXPORT_FORMAT] = { "format", 'f', OPT_CHOICE, 0, "csv", "only csv", UNIT_NONE },
	[EXPORT_OUT] = { "out", 'o', OPT_TEXT, OPT_FILE, "FILE", "write there (default: stdout)",
	                 UNIT_NONE },
};

static int
export_to(struct verb_call *c, const struct runview *view, const struct export_params *p,
          struct err *err)
{
	const struct opt_value *out = &c->v[EXPORT_OUT];
	FILE *f = stdout;
	if (out->given) {
		f = fopen(out->text, "we");
		if (!f)
			return err_sys(err, ERR_IO, "cannot write %s", out->text);
	}
	int rc = export_csv(view, p, f, err);
	if (!out->given)
		return rc;
	/* Half a table is worse than none; but a device or a pipe is not ours to remove. */
	struct stat st;
	bool is_file = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
	if (fclose(f) && !rc)
		rc = err_sys(err, ERR_IO, "cannot write %s", out->text);
	if (rc && is_file)
		unlink(out->text);
	return rc;
}

static int
run_export(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	struct err err = ERR_INIT;
	struct runview *view = NULL;
	struct export_params p = {
		.signals =
			v[EXPORT_SIGNALS_OPT].given ? v[EXPORT_SIGNALS_OPT].text : EXPORT_SIGNALS,
		.every_ns = v[EXPORT_EVERY].given ? v[EXPORT_EVERY].ns : 1000000,
		.from_ns = v[EXPORT_FROM].given ? v[EXPORT_FROM].ns : 0,
		.to_ns = v[EXPORT_TO].given ? v[EXPORT_TO].ns : -1,
	};
	if (v[EXPORT_EVERY].given && p.every_ns == 0)
		return verb_usage(c, NULL, "--every: 0 is not an interval");
	int status = verb_open_run(c, v[EXPORT_DIR].text, &view);
	if (status)
		return status;
	int rc = export_to(c, view, &p, &err);
	if (!rc && runview_partial(view))
		term_note(c->talk,
		          "early frames were dropped while the mesh was up: their cells are empty");
	runview_close(&view);
	/* A reader that went away (a pipe to head) is told apart by main. */
	if (rc && !(rc == ERR_IO && !v[EXPORT_OUT].given && ferror(stdout)))
		return verb_fail(c, &err, NULL);
	return EXIT_OK;
}

const struct verb verb_export = {
	"export",
	GROUP_LOOK,
	"samples of a run as CSV",
	"voltloom export latest > run.csv\n"
	"voltloom export latest --signals 'node.*.v,link.l1.i' --every 100us\n"
	"voltloom export DIR --signals mesh.unserved_j --every 10ms --out u.csv\n",
	"Signals: node.ID.v, .v_min, .v_max, .v_sc; feed.NODE.i; link.ID.i, .open; module.ID.v_in, "
	".p and\n"
	"others; mesh.energy_residual, mesh.unserved_j. SI units, frame k is the state at t = kT.",
	export_opts,
	sizeof export_opts / sizeof *export_opts,
	run_export,
};
