#include "hostfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"
#include "json_out.h"
#include "rundir.h"
#include "yamldoc.h"

static void
write_all(struct json_out *j, const struct topo *t, const char *how,
          const struct supervisor_result *r)
{
	struct utsname un;
	char now[32];
	struct tm tm;
	time_t wall = time(NULL);
	double plant_s = (double)r->last_k * topo_step_s(t);
	strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&wall, &tm));
	json_out_object(j, NULL);
	json_out_text(j, "voltloom", VL_VERSION);
	json_out_text(j, "how", how);
	json_out_text(j, "ended", now);
	json_out_real(j, "wall_s", r->wall_s);
	json_out_real(j, "ready_s", r->ready_s);
	json_out_int(j, "steps", r->last_k);
	json_out_real(j, "speed", r->wall_s > 0 ? plant_s / r->wall_s : 0);
	json_out_real(j, "cpu_s", r->cpu_s);
	json_out_real(j, "cpu_node_s", r->cpu_node_s);
	json_out_real(j, "loop_s", r->loop_s);
	json_out_real(j, "cpu_loop_s", r->cpu_loop_s);
	json_out_real(j, "cpu_node_loop_s", r->cpu_node_loop_s);
	json_out_int(j, "overruns", (int64_t)r->overruns);
	json_out_int(j, "relay_kills", r->relay_kills);
	json_out_bool(j, "clean", r->clean);
	json_out_int(j, "exit_status", r->exit_status);
	json_out_text(j, "text", r->text);
	json_out_int(j, "processes", r->n_procs);
	json_out_int(j, "exited", r->n_exited);
	json_out_int(j, "left", r->n_left);
	if (uname(&un) == 0) {
		json_out_text(j, "host", un.nodename);
		json_out_text(j, "kernel", un.release);
		json_out_text(j, "machine", un.machine);
	}
	json_out_int(j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_out_end(j);
}

int
hostfile_write(const char *run_dir, const struct topo *t, const char *how,
               const struct supervisor_result *r, struct err *err)
{
	char path[RUNDIR_PATH_MAX + 16], part[RUNDIR_PATH_MAX + 16];
	struct json_out j;
	snprintf(path, sizeof path, "%s/host.json", run_dir);
	snprintf(part, sizeof part, "%s/host.part", run_dir);
	FILE *f = fopen(part, "we");
	if (!f)
		return err_sys(err, ERR_IO, "cannot write %s", part);
	json_out_init(&j, f);
	write_all(&j, t, how, r);
	int bad = ferror(f);
	if (fclose(f) || bad || rename(part, path))
		return err_sys(err, ERR_IO, "cannot write %s", path);
	return 0;
}

static bool
get_count(const struct yamldoc_node *map, const char *key, unsigned *ret)
{
	const struct yamldoc_node *v = yamldoc_get(map, key);
	if (!v || v->kind != YAMLDOC_SCALAR)
		return false;
	*ret = (unsigned)strtoul(v->text, NULL, 10);
	return true;
}

bool
hostfile_counts(const char *run_dir, unsigned *n_procs, unsigned *n_exited, unsigned *n_left)
{
	char path[RUNDIR_PATH_MAX + 16];
	struct diag_list diags;
	struct yamldoc *doc = NULL;
	snprintf(path, sizeof path, "%s/host.json", run_dir);
	diag_list_init(&diags);
	bool ok = yamldoc_load(path, &diags, &doc, NULL) == 0;
	const struct yamldoc_node *root = ok ? yamldoc_root(doc) : NULL;
	ok = root && root->kind == YAMLDOC_MAP && get_count(root, "processes", n_procs) &&
	     get_count(root, "exited", n_exited) && get_count(root, "left", n_left);
	yamldoc_destroy(&doc);
	diag_list_free(&diags);
	return ok;
}
