/*
 * spawn.h - starts one process of a mesh and says how it ended.
 */
#ifndef VL_SPAWN_H
#define VL_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum { SPAWN_ARGS_MAX = 24, SPAWN_FD = 3 /* the child's end of the control socket */ };

struct spawned {
	pid_t pid;
	int pidfd, fd; /* fd: our end of the control socket, -1 without one */
};

/* argv NULL-terminated; stdin is /dev/null, stdout and stderr go to log_path. In its own process group.
 * Call from the main thread only: the child's PDEATHSIG follows the thread. */
int spawn_process(const char *path, char *const argv[], const char *log_path, int control,
                  struct spawned *ret, struct err *err);

/* "exit 0", "SIGKILL", "exit 70, last lines of its log: ..." */
void spawn_name_exit(int wait_status, const char *log_path, char *buf, size_t size);

#endif
