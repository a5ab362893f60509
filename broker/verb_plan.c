/* plan: what can be said about a mesh without running it. */
#include "plan.h"

#include <stdio.h>

#include "verb.h"

enum { PLAN_FILE, PLAN_JSON };
static const struct opt plan_opts[] = {
	[PLAN_FILE] = { "FILE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_FILE, "FILE",
	                "a topology file", UNIT_NONE },
	[PLAN_JSON] = OPT_ROW_JSON,
};

static int
run_plan(struct verb_call *c)
{
	struct err err = ERR_INIT;
	int status;
	struct topo *t = verb_load_topo(c, c->v[PLAN_FILE].text, &status);
	if (!t)
		return status;
	int rc = c->v[PLAN_JSON].given ? plan_json(t, stdout, &err) : plan_print(t, stdout, &err);
	status = rc ? verb_fail(c, &err, NULL) : EXIT_OK;
	if (!status)
		verb_next(c, "Next: voltloom up %s | voltloom run %s --for 1s",
		          c->v[PLAN_FILE].text, c->v[PLAN_FILE].text);
	topo_destroy(&t);
	return status;
}

const struct verb verb_plan = {
	"plan",
	GROUP_FILES,
	"the resolved mesh: kappa, hold-up times, which single failures it carries",
	"voltloom plan topologies/rack8.yaml\n"
	"voltloom plan topologies/rack8.yaml --json\n",
	NULL,
	plan_opts,
	sizeof plan_opts / sizeof *plan_opts,
	run_plan,
};
