/*
 * status.h - what a running mesh says about itself (`status` in docs/commands.md).
 */
#ifndef VL_STATUS_H
#define VL_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client.h"
#include "err.h"
#include "rundir.h"
#include "topo.h"

struct status_proc {
	char id[TOPO_ID_MAX], kind[16], state[16], exit[192];
	pid_t pid;
	uint32_t incarnation;
	int64_t k;
};

struct status {
	char mesh[TOPO_ID_MAX], state[16];
	char topology[RUNDIR_PATH_MAX], run_dir[RUNDIR_PATH_MAX];
	pid_t pid;
	uint64_t seed;
	uint64_t overruns; /* late steps since the speed in force was agreed */
	int64_t k, t_ns, step_ns, end_k;
	double speed, asked; /* in force, asked for; 0: max */
	double pace;         /* reached of late, 0: not known */
	size_t n;
	struct status_proc *procs;
};

int status_ask(struct client *, double timeout_s, struct status **ret, struct err *);
void status_destroy(struct status **);

#endif
