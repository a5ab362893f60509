/*
 * rundir.h - the two folders of a run: what is kept (run directory) and where it can be reached
 * (socket directory).
 *
 * Run directory: $XDG_STATE_HOME/voltloom/runs/<name>/<utc>-<seed> (~/.local/state when unset), or
 * the folder that was asked for. Socket directory: $XDG_RUNTIME_DIR/vl/<8 hex>, else
 * vl-<uid>/<8 hex> in the temporary directory; mode 0700, owned by us. It holds mesh.json (see
 * meshes.h) and the sockets, and is removed when the mesh has ended.
 */
#ifndef VL_RUNDIR_H
#define VL_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum {
	RUNDIR_PATH_MAX = 1024, /* bytes of a path with its NUL */
	RUNDIR_SOCKET_MAX =
		107, /* bytes of a Unix socket's path, unix(7): sun_path without its NUL */
	RUNDIR_SOCKET_NAME_MAX = 24, /* "c<edge>.<incarnation>.<incarnation>" */
};

/* mkdir -p with `mode` for the last part; an existing folder is fine. */
int rundir_mkdirs(const char *path, unsigned mode, struct err *);

/* Folder of all runs; exists or not. */
int rundir_root(char path[RUNDIR_PATH_MAX], struct err *);
/* Makes the run directory with slices/, rec/ and log/. `out` NULL: under rundir_root(). A folder
 * that holds a run already is refused. path is absolute. */
int rundir_create(const char *name, uint64_t seed, const char *out, char path[RUNDIR_PATH_MAX],
                  struct err *);
/* Takes back what rundir_create() and rundir_copy() made, when nothing was recorded. What is not
 * empty stays. */
void rundir_discard(const char *path);
/* Newest run under rundir_root(), of mesh `name` or of any (NULL). ERR_NOTFOUND: none. */
int rundir_latest(const char *name, char path[RUNDIR_PATH_MAX], struct err *);
/* Copies a file into a folder under `name`. */
int rundir_copy(const char *from, const char *dir, const char *name, struct err *);

/* The places under which socket directories are made, best first; returns how many (1 or 2). */
size_t sockdir_roots(char roots[2][RUNDIR_PATH_MAX]);
/* Says whether sockets fit into a folder of that root; no side effect. */
int sockdir_check_length(const char *root, struct err *);
/* Refuses a folder that is a symbolic link, not ours, or open to others. */
int sockdir_check_owner(const char *path, struct err *);
int sockdir_create(char path[RUNDIR_PATH_MAX], struct err *);
/* Removes the folder and what is in it (files and sockets, no folders). A missing one is fine. */
int sockdir_remove(const char *path, struct err *);

/* Bytes that are free for us where `path` (or its nearest existing parent) lives. */
int rundir_free_bytes(const char *path, uint64_t *ret, struct err *);

#endif
