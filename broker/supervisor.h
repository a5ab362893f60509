/*
 * supervisor.h - spawns the processes of a mesh, runs commands over them, reaps them by name.
 *
 * One call is one run: supervisor_run() returns when every process has ended. It must be called
 * from the main thread of a process that has no other children (PDEATHSIG and subreaper). Its
 * pure half (who may start, two-phase commands, incarnations) is common/super_fsm.
 *
 * Requests come as MessagePack maps over <sock_dir>/sup.cmd (ROUTER, bound here; the relay connects
 * to it, and a client may, when there is no relay): see docs/commands.md.
 */
#ifndef VL_SUPERVISOR_H
#define VL_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "script.h"
#include "topo.h"

struct supervisor_params {
	const struct topo *topo;
	const struct script *script; /* NULL: none */
	int64_t end_k;               /* INT64_MAX: until told to stop */
	double speed;                /* 0: max (virtual time); else paced at this factor */
	bool adapt_speed;            /* `up`: lower the factor to what the host holds */
	bool pin;
	bool relay;                  /* spawn the relay */
	uint64_t keep_frames;        /* 0: all */
	uint64_t seed;
	const char *run_dir, *sock_dir; /* exist */
	const char *bin_dir;         /* folder of voltloom-node and the others */
	/* Called once, when every process is ready and the clock starts. May be NULL. */
	void (*on_ready)(void *arg, unsigned ready, unsigned total, double seconds);
	/* One line per thing that happens to a process ("n3: SIGKILL, scripted, step 5000"). May be NULL. */
	void (*on_line)(void *arg, const char *line);
	/* About every 250 ms of wall time: progress. May be NULL. */
	void (*on_progress)(void *arg, int64_t k, int64_t end_k, double speed, bool paused);
	void *arg;
};

struct supervisor_result {
	bool clean;           /* every process ended as planned */
	int exit_status;      /* exit code table: 0, 4, 130, 143 */
	int64_t last_k;       /* highest frame of the mesh */
	unsigned n_procs, n_exited, n_left; /* of the last incarnations; left: must be 0 */
	unsigned relay_kills; /* scripted, done */
	uint64_t overruns;    /* late steps of a paced run, of the process with the most */
	double ready_s, wall_s; /* to the start of the clock; from there to the end */
	double loop_s;            /* from the start of the clock until every process is done */
	double cpu_s, cpu_node_s; /* CPU of all processes, of the converter nodes; whole lives */
	double cpu_loop_s, cpu_node_loop_s; /* the same from the clock's start to the last step */
	char text[256];       /* what went wrong first, or "" */
};

int supervisor_run(const struct supervisor_params *, struct supervisor_result *, struct err *);

/* Makes the running supervisor_run() end the mesh in order; async-signal-safe. */
void supervisor_interrupt(int signo);

#endif
