/*
 * A topology file: either there are diagnostics, or the mesh can be planned, and its cores make some
 * steps, with finite voltages.
 */
#include <math.h>
#include <stdlib.h>

#include "diag.h"
#include "fuzz_file.h"
#include "plan.h"
#include "solver_loop.h"
#include "steady.h"
#include "topo.h"

#define STEPS 12
#define PROCS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(const struct topo *t)
{
	struct solver_loop *loop = NULL;
	struct err err = ERR_INIT;

	if (solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err))
		return;
	for (int k = 0; k < STEPS; k++)
		solver_loop_step(loop);
	for (uint32_t n = 0; n < t->n_nodes; n++)
		if (!isfinite(solver_loop_get(loop, n, "v")))
			abort();
	solver_loop_destroy(&loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag_list diags;
	struct topo *t = NULL;
	struct plan *plan = NULL;
	struct err err = ERR_INIT;
	char path[64];
	int fd = fuzz_file_open(data, size, path);

	diag_list_init(&diags);
	int rc = topo_load(path, &diags, &t, &err);
	if (rc == 0 && t->n_nodes + t->n_modules <= PROCS_MAX) {
		if (plan_create(t, &plan, &err) == 0)
			plan_destroy(&plan);
		run(t);
	} else if (rc != 0 && t) {
		abort();
	}
	topo_destroy(&t);
	diag_list_free(&diags);
	close(fd);
	return 0;
}
