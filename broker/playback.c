#include "playback.h"

#include <assert.h>

#include "core.h"

int
playback_run(struct playback *p, const struct memory_params *params,
             void (*progress)(void *arg, int64_t k), void *arg, struct err *err)
{
	struct memory_params own = *params;
	struct rec *const *recs;

	assert(!p->host && !p->view);
	own.ops[0] = &node_core_ops;
	own.ops[1] = &module_core_ops;
	int rc = host_memory_create(&own, &p->host, err);
	if (!rc)
		rc = host_memory_run(p->host, progress, arg, err);
	if (rc || params->rec_dir)
		return rc;
	size_t n = host_memory_recs(p->host, &recs);
	return runview_of(params->topo, recs, n, &p->view, err);
}

void
playback_end(struct playback *p)
{
	runview_close(&p->view);
	host_memory_destroy(&p->host);
}
