/*
 * meshes.h - which meshes run here: every socket directory with its mesh.json.
 *
 * mesh.json is {mesh, pid, starttime, run_dir, topology}, written by the supervisor's process
 * before it starts anything. A mesh is alive while that process (pid and start time) is; its
 * children do not outlive it. A socket directory of a dead mesh is stale and may be removed by
 * anybody's `up`.
 */
#ifndef VL_MESHES_H
#define VL_MESHES_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "procfs.h"
#include "rundir.h"
#include "topo.h"

struct mesh_entry {
	char name[TOPO_ID_MAX];
	char sock_dir[RUNDIR_PATH_MAX], run_dir[RUNDIR_PATH_MAX], topology[RUNDIR_PATH_MAX];
	struct procfs_id supervisor;
	bool alive;
};

struct mesh_list {
	size_t n, cap;
	struct mesh_entry *m; /* sorted by name, then socket directory */
};

/* Living and stale ones. Folders that are not ours are passed over. */
int mesh_list_scan(struct mesh_list *, struct err *);
void mesh_list_free(struct mesh_list *);

/* The living mesh that `name` means (a mesh's name, or the name of its socket directory); NULL: the
 * only one. ERR_STATE: none runs. ERR_USAGE: unknown or ambiguous name. `help` gets a hint or "".
 */
int mesh_list_select(const struct mesh_list *, const char *name, const struct mesh_entry **ret,
                     char help[256], struct err *);

/* Writes mesh.json for this very process. */
int mesh_announce(const char *sock_dir, const char *name, const char *run_dir, const char *topology,
                  struct err *);

/* Removes the socket directories of dead meshes; *ret_n: how many. */
int mesh_list_remove_stale(const struct mesh_list *, size_t *ret_n, struct err *);

#endif
