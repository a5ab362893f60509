/*
 * launch.h - what `up` and `run` share: the folders of a run, supervisor_run() with its talk, the
 * end.
 *
 *   launch_open    run directory with copies of the input files, socket directory with mesh.json
 *   launch_run     supervisor_run(); writes supervisor.log, keeps a live line
 *   launch_close   host.json, removes the socket directory
 *
 * With `ready_fd` nobody looks at this process: lines go to that pipe until the mesh is ready, see
 * verb_up.c.
 */
#ifndef VL_LAUNCH_H
#define VL_LAUNCH_H

#include <stdio.h>

#include "busview.h"
#include "rundir.h"
#include "script.h"
#include "supervisor.h"
#include "term.h"
#include "topo.h"

struct launch {
	/* given */
	struct term *talk;
	const char *how; /* "up", "run" */
	const char *bin_dir, *name;
	const struct topo *topo;
	const char *topology;        /* path as given */
	const struct script *script; /* NULL: none */
	int64_t end_k;
	double speed;          /* 0: max */
	bool adapt, pin, live; /* live: show volts and pace, not a bar */
	uint64_t keep_frames, seed;
	int ready_fd; /* -1: none */
	/* made */
	char run_dir[RUNDIR_PATH_MAX], sock_dir[RUNDIR_PATH_MAX];
	FILE *log;
	struct busview *bus;
	struct progress progress;
	double start_s;
	bool is_ready;
	unsigned ready, total; /* processes */
	double ready_s;
};

/* The run directory only: `out` as in rundir_create(). */
int launch_open_run(struct launch *, const char *out, struct err *);
int launch_open_sockets(struct launch *, struct err *);
int launch_run(struct launch *, struct supervisor_result *, struct err *);
/* `result` NULL: nothing ran, and an empty run directory goes. Goes on after errors, reports the
 * first. */
int launch_close(struct launch *, const struct supervisor_result *result, struct err *);

/* "rack8: 8 nodes, 12 links, 10 modules, seed 42: 18/18 ready, bus 47.9..48.2 V, up in 0.4 s" */
void launch_ready_line(const struct launch *, const struct busview_now *, char *buf, size_t size);

#endif
