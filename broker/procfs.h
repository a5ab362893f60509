/*
 * procfs.h - what /proc says about processes. A pid alone names nothing, as pids are reused; a pid
 * with its start time does.
 */
#ifndef VL_PROCFS_H
#define VL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs_id {
	pid_t pid;
	uint64_t starttime; /* clock ticks after boot, field 22 of /proc/<pid>/stat */
};

/* False when there is no such process. ppid and state may be NULL. */
bool procfs_stat(pid_t pid, uint64_t *starttime, pid_t *ppid, char *state);
/* The process is there, is the same one, and has not ended (a zombie has). */
bool procfs_alive(const struct procfs_id *);
/* All descendants of a process, at most `max`; returns how many were found (may be above max). */
size_t procfs_descendants(pid_t root, struct procfs_id *ret, size_t max);

#endif
