/* plan: what can be said about a mesh without running it. */
#include "plan.h"

#include <stdio.h>

#include "plan_flow.h"
#include "plan_graph.h"
#include "plan_modes.h"
#include "plan_shorts.h"
#include "verb.h"

enum { PLAN_FILE, PLAN_FLOW, PLAN_MODES, PLAN_FAULTS, PLAN_GRAPH, PLAN_FORMAT, PLAN_R, PLAN_JSON };
static const struct opt plan_opts[] = {
	[PLAN_FILE] = { "FILE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_FILE, "FILE",
	                "a topology file", UNIT_NONE },
	[PLAN_FLOW] = { "flow", 0, OPT_FLAG, 0, NULL,
	                "load flow, and every node, link and feed lost in turn", UNIT_NONE },
	[PLAN_MODES] = { "modes", 0, OPT_FLAG, 0, NULL,
	                 "how fast and how well damped disturbances die out (eigenvalues)",
	                 UNIT_NONE },
	[PLAN_FAULTS] = { "faults", 0, OPT_FLAG, 0, NULL,
	                  "a short at every bus: currents, and which fuses clear it", UNIT_NONE },
	[PLAN_GRAPH] = { "graph", 0, OPT_FLAG, 0, NULL, "a drawing of the mesh, see --format",
	                 UNIT_NONE },
	[PLAN_FORMAT] = { "format", 'f', OPT_CHOICE, 0, "svg|dot",
	                  "with --graph: a picture (default) or Graphviz text", UNIT_NONE },
	[PLAN_R] = { "r", 0, OPT_VALUE, 0, "10mOhm",
	             "with --faults: resistance of the short (default 10mOhm)", UNIT_OHM },
	[PLAN_JSON] = OPT_ROW_JSON,
};

/* One question at a time. */
static int
check_plan(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	int n = v[PLAN_FLOW].given + v[PLAN_MODES].given + v[PLAN_FAULTS].given +
	        v[PLAN_GRAPH].given;
	if (n > 1)
		return verb_usage(c, NULL, "give one of --flow, --modes, --faults and --graph");
	if (v[PLAN_FORMAT].given && !v[PLAN_GRAPH].given)
		return verb_usage(c, "voltloom plan FILE --graph --format dot",
		                  "--format belongs to --graph");
	if (v[PLAN_R].given && !v[PLAN_FAULTS].given)
		return verb_usage(c, "voltloom plan FILE --faults --r 10mOhm",
		                  "--r belongs to --faults");
	if (v[PLAN_R].given && !(v[PLAN_R].real >= PLAN_SHORTS_R_MIN && v[PLAN_R].real <= 1000))
		return verb_usage(c, NULL, "--r: %s is not in [0.1mOhm, 1kOhm]", v[PLAN_R].text);
	if (v[PLAN_JSON].given && v[PLAN_GRAPH].given)
		return verb_usage(c, NULL, "--graph draws: it has no --json");
	return EXIT_OK;
}

static int
print_plan(struct verb_call *c, const struct topo *t, struct err *err)
{
	const struct opt_value *v = c->v;
	bool json = v[PLAN_JSON].given;
	if (v[PLAN_FLOW].given)
		return json ? plan_flow_json(t, stdout, err) : plan_flow_print(t, stdout, err);
	if (v[PLAN_MODES].given)
		return json ? plan_modes_json(t, stdout, err) : plan_modes_print(t, stdout, err);
	if (v[PLAN_FAULTS].given) {
		double r = v[PLAN_R].given ? v[PLAN_R].real : PLAN_SHORTS_R;
		return json ? plan_shorts_json(t, r, stdout, err)
		            : plan_shorts_print(t, r, stdout, err);
	}
	if (v[PLAN_GRAPH].given)
		return v[PLAN_FORMAT].given && v[PLAN_FORMAT].choice == 1
		               ? plan_graph_dot(t, stdout, err)
		               : plan_graph_svg(t, stdout, err);
	return json ? plan_json(t, stdout, err) : plan_print(t, stdout, err);
}

static int
run_plan(struct verb_call *c)
{
	struct err err = ERR_INIT;
	const char *file = c->v[PLAN_FILE].text;
	int status = check_plan(c);
	if (status)
		return status;
	struct topo *t = verb_load_topo(c, file, &status);
	if (!t)
		return status;
	status = print_plan(c, t, &err) ? verb_fail(c, &err, NULL) : EXIT_OK;
	if (!status && c->v[PLAN_GRAPH].given)
		verb_next(c, "Next: voltloom plan %s --flow", file);
	else if (!status)
		verb_next(c, "Next: voltloom up %s | voltloom run %s --for 1s", file, file);
	topo_destroy(&t);
	return status;
}

const struct verb verb_plan = {
	"plan",
	GROUP_FILES,
	"the resolved mesh: load flow, single failures, eigenvalues, shorts, a drawing",
	"voltloom plan topologies/rack8.yaml\n"
	"voltloom plan topologies/rack8.yaml --flow       # what flows, and without each part\n"
	"voltloom plan topologies/rack8.yaml --modes      # is it stable, and how fast\n"
	"voltloom plan topologies/rack8.yaml --faults     # a short at each bus\n"
	"voltloom plan topologies/rack8.yaml --graph > rack8.svg\n"
	"voltloom plan topologies/rack8.yaml --graph --format dot | dot -Tpdf > rack8.pdf\n"
	"voltloom plan topologies/rack8.yaml --json\n",
	"Every load counts at its highest. What is computed how: docs/plan.md.",
	plan_opts,
	sizeof plan_opts / sizeof *plan_opts,
	run_plan,
};
