#include "meshes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"
#include "json_out.h"
#include "yamldoc.h"

/* A folder without mesh.json may be that of a mesh which is about to write it. */
#define ANNOUNCE_GRACE_S 10

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool
get_text(const struct yamldoc_node *map, const char *key, char *buf, size_t size)
{
	const struct yamldoc_node *v = yamldoc_get(map, key);
	return v && v->kind == YAMLDOC_SCALAR && (size_t)snprintf(buf, size, "%s", v->text) < size;
}

/* mesh.json is read as what every JSON text is: YAML. */
static bool
read_entry(struct mesh_entry *e)
{
	char path[RUNDIR_PATH_MAX + 16], pid[24], start[24];
	struct diag_list diags;
	struct yamldoc *doc = NULL;
	snprintf(path, sizeof path, "%s/mesh.json", e->sock_dir);
	diag_list_init(&diags);
	bool ok = yamldoc_load(path, &diags, &doc, NULL) == 0;
	const struct yamldoc_node *root = ok ? yamldoc_root(doc) : NULL;
	ok = root && root->kind == YAMLDOC_MAP && get_text(root, "mesh", e->name, sizeof e->name) &&
	     get_text(root, "run_dir", e->run_dir, sizeof e->run_dir) &&
	     get_text(root, "topology", e->topology, sizeof e->topology) &&
	     get_text(root, "pid", pid, sizeof pid) &&
	     get_text(root, "starttime", start, sizeof start);
	if (ok) {
		e->supervisor.pid = (pid_t)strtol(pid, NULL, 10);
		e->supervisor.starttime = strtoull(start, NULL, 10);
		e->alive = e->supervisor.pid > 0 && procfs_alive(&e->supervisor);
	}
	yamldoc_destroy(&doc);
	diag_list_free(&diags);
	return ok;
}

static bool
is_young(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && time(NULL) - st.st_mtime < ANNOUNCE_GRACE_S;
}

static int
append(struct mesh_list *l, const struct mesh_entry *e, struct err *err)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 8;
		struct mesh_entry *more = realloc(l->m, cap * sizeof *more);
		if (!more)
			return err_set(err, ERR_NOMEM, "out of memory");
		l->m = more;
		l->cap = cap;
	}
	l->m[l->n++] = *e;
	return 0;
}

static int
scan_root(struct mesh_list *l, const char *root, struct err *err)
{
	int rc = 0;
	DIR *d = sockdir_check_owner(root, NULL) ? NULL : opendir(root);
	struct dirent *de;
	while (d && !rc && (de = readdir(d))) {
		if (strlen(de->d_name) != 8 || strspn(de->d_name, "0123456789abcdef") != 8)
			continue;
		struct mesh_entry *e = calloc(1, sizeof *e);
		if (!e) {
			rc = err_set(err, ERR_NOMEM, "out of memory");
			break;
		}
		int n = snprintf(e->sock_dir, sizeof e->sock_dir, "%s/%s", root, de->d_name);
		if (n < (int)sizeof e->sock_dir && sockdir_check_owner(e->sock_dir, NULL) == 0 &&
		    (read_entry(e) || !is_young(e->sock_dir)))
			rc = append(l, e, err);
		free(e);
	}
	if (d)
		closedir(d);
	return rc;
}

static int
by_name(const void *va, const void *vb)
{
	const struct mesh_entry *a = va, *b = vb;
	int c = strcmp(a->name, b->name);
	return c ? c : strcmp(a->sock_dir, b->sock_dir);
}

int
mesh_list_scan(struct mesh_list *l, struct err *err)
{
	char roots[2][RUNDIR_PATH_MAX];
	size_t n = sockdir_roots(roots);
	int rc = 0;
	*l = (struct mesh_list){ .n = 0 };
	for (size_t i = 0; i < n && !rc; i++)
		rc = scan_root(l, roots[i], err);
	if (rc)
		mesh_list_free(l);
	else if (l->n > 1)
		qsort(l->m, l->n, sizeof *l->m, by_name);
	return rc;
}

void
mesh_list_free(struct mesh_list *l)
{
	free(l->m);
	*l = (struct mesh_list){ .n = 0 };
}

static void
name_them(const struct mesh_list *l, char *buf, size_t size)
{
	size_t at = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < l->n && at < size; i++) {
		if (l->m[i].alive)
			at += (size_t)snprintf(buf + at, size - at, "%s%s (%s)", at ? ", " : "",
			                       l->m[i].name, base_name(l->m[i].sock_dir));
	}
}

int
mesh_list_select(const struct mesh_list *l, const char *name, const struct mesh_entry **ret,
                 char help[256], struct err *err)
{
	const struct mesh_entry *found = NULL;
	const char *names[64];
	size_t n_alive = 0, n_found = 0;
	char text[256];
	help[0] = '\0';
	for (size_t i = 0; i < l->n; i++) {
		const struct mesh_entry *e = &l->m[i];
		if (!e->alive)
			continue;
		if (n_alive < sizeof names / sizeof *names)
			names[n_alive] = e->name;
		n_alive++;
		if (!name || strcmp(name, e->name) == 0 ||
		    strcmp(name, base_name(e->sock_dir)) == 0) {
			found = e;
			n_found++;
		}
	}
	if (n_alive == 0) {
		snprintf(help, 256, "start one: voltloom up --demo");
		return err_set(err, ERR_STATE, "no mesh is running");
	}
	name_them(l, text, sizeof text);
	if (n_found == 1) {
		*ret = found;
		return 0;
	}
	if (n_found > 1) {
		snprintf(help, 256, "choose one by its eight digits: --mesh %.8s",
		         base_name(found->sock_dir));
		return err_set(err, ERR_USAGE, "%zu meshes fit: %s", n_found, text);
	}
	const char *near =
		diag_nearest(name, names, n_alive < sizeof names / sizeof *names ? n_alive : 64);
	if (near)
		snprintf(help, 256, "did you mean '%s'?", near);
	return err_set(err, ERR_USAGE, "no mesh '%s' is running; there is %s", name, text);
}

int
mesh_announce(const char *sock_dir, const char *name, const char *run_dir, const char *topology,
              struct err *err)
{
	char path[RUNDIR_PATH_MAX + 16], part[RUNDIR_PATH_MAX + 16];
	struct json_out j;
	uint64_t starttime = 0;
	procfs_stat(getpid(), &starttime, NULL, NULL);
	snprintf(path, sizeof path, "%s/mesh.json", sock_dir);
	snprintf(part, sizeof part, "%s/mesh.part", sock_dir);
	FILE *f = fopen(part, "we");
	if (!f)
		return err_sys(err, ERR_IO, "cannot write %s", part);
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", name);
	json_out_int(&j, "pid", getpid());
	json_out_int(&j, "starttime", (int64_t)starttime);
	json_out_text(&j, "run_dir", run_dir);
	json_out_text(&j, "topology", topology);
	json_out_end(&j);
	int bad = ferror(f);
	if (fclose(f) || bad || rename(part, path))
		return err_sys(err, ERR_IO, "cannot write %s", path);
	return 0;
}

int
mesh_list_remove_stale(const struct mesh_list *l, size_t *ret_n, struct err *err)
{
	int rc = 0;
	*ret_n = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (l->m[i].alive)
			continue;
		int one = sockdir_remove(l->m[i].sock_dir, err);
		*ret_n += one == 0;
		rc = one ? one : rc;
	}
	return rc;
}
