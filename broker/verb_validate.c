/* validate: everything that is wrong with topology files. */
#include <stdio.h>

#include "plan.h"
#include "verb.h"

enum { VALIDATE_FORMAT, VALIDATE_FILES };
static const struct opt validate_opts[] = {
	[VALIDATE_FORMAT] = { "format", 'f', OPT_CHOICE, 0, "text|github|json",
	                      "how to print problems (default text)", UNIT_NONE },
	[VALIDATE_FILES] = { "FILE", 0, OPT_TEXT,
	                     OPT_POSITIONAL | OPT_REQUIRED | OPT_MANY | OPT_FILE, "FILE",
	                     "topology files", UNIT_NONE },
};

static int
validate_one(struct verb_call *c, const char *path, enum diag_format format)
{
	struct diag_list diags;
	struct topo *t = NULL;
	struct err err = ERR_INIT;
	int status = EXIT_OK;
	diag_list_init(&diags);
	int rc = topo_load(path, &diags, &t, &err);
	if (!rc)
		rc = plan_check(t, &diags, &err);
	/* The list of problems is what was asked for: data. */
	diag_print(&diags, stdout, format);
	if (rc) {
		status = err_exit_status(rc);
		if (diags.n_errors == 0)
			verb_fail(c, &err, NULL);
		else
			term_say(c->talk, TERM_RED, "%s: %zu error%s\n", path,
			         diags.n_errors + diags.suppressed,
			         diags.n_errors + diags.suppressed == 1 ? "" : "s");
	} else {
		term_say(c->talk, TERM_GREEN, "%s: ok", path);
		term_say(c->talk, TERM_PLAIN, ", %s: %zu nodes, %zu links, %zu modules\n", t->name,
		         t->n_nodes, t->n_links, t->n_modules);
	}
	topo_destroy(&t);
	diag_list_free(&diags);
	return status;
}

static int
run_validate(struct verb_call *c)
{
	const struct opt_value *files = &c->v[VALIDATE_FILES];
	enum diag_format format = c->v[VALIDATE_FORMAT].given
	                                  ? (enum diag_format)c->v[VALIDATE_FORMAT].choice
	                                  : DIAG_TEXT;
	int status = EXIT_OK;
	for (size_t i = 0; i < files->n; i++) {
		int one = validate_one(c, files->words[i], format);
		status = one > status ? one : status; /* 4 (cannot check) over 3 (is wrong) */
	}
	if (!status)
		verb_next(c, "Next: voltloom plan %s | voltloom up %s", files->words[0],
		          files->words[0]);
	return status;
}

const struct verb verb_validate = {
	"validate",
	GROUP_FILES,
	"check topology files; all problems at once",
	"voltloom validate topologies/rack8.yaml\n"
	"voltloom validate --format github topologies/*.yaml    # annotations in CI\n",
	"Exit status 3 when a file is wrong.",
	validate_opts,
	sizeof validate_opts / sizeof *validate_opts,
	run_validate,
};
_Static_assert(DIAG_TEXT == 0 && DIAG_GITHUB == 1 && DIAG_JSON == 2, "order of --format");
