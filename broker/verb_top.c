/* top: hands over to voltloom-tui, which is a client like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "verb.h"

enum { TOP_ARGS };
static const struct opt top_opts[] = {
	[TOP_ARGS] = { "ARGS", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY | OPT_PASS, "ARGS",
	               "--once, --batch, --json and others: voltloom top --help", UNIT_NONE },
};

static int
run_top(struct verb_call *c)
{
	size_t n = c->v[TOP_ARGS].n;
	struct err err = ERR_INIT;
	char path[RUNDIR_PATH_MAX];
	char **argv = calloc(n + 2, sizeof *argv);
	if (!argv) {
		err_set(&err, ERR_NOMEM, "out of memory");
		return verb_fail(c, &err, NULL);
	}
	snprintf(path, sizeof path, "%s/voltloom-tui", c->bin_dir);
	argv[0] = path;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = c->v[TOP_ARGS].words[i];
	execv(path, argv);
	err_sys(&err, ERR_IO, "cannot start %s", path);
	free(argv);
	return verb_fail(c, &err, "it is part of voltloom: build or install it");
}

const struct verb verb_top = {
	"top", GROUP_LOOK, "the dashboard of a running mesh",
	"voltloom top\n"
	"voltloom top --once        # one screen as text\n"
	"voltloom top --json\n",
	"A client only: closing it changes nothing.", top_opts, sizeof top_opts / sizeof *top_opts, run_top,
};
