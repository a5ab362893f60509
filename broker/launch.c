#include "launch.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostfile.h"
#include "meshes.h"

int
launch_open_run(struct launch *l, const char *out, struct err *err)
{
	char path[RUNDIR_PATH_MAX + 32];
	int rc = rundir_create(l->name, l->seed, out, l->run_dir, err);
	if (rc)
		l->run_dir[0] = '\0'; /* not ours */
	if (!rc)
		rc = rundir_copy(l->topology, l->run_dir, "mesh.yaml", err);
	if (!rc && l->script)
		rc = rundir_copy(l->script->path, l->run_dir, "drill.yaml", err);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/supervisor.log", l->run_dir);
	l->log = fopen(path, "ae");
	return l->log ? 0 : err_sys(err, ERR_IO, "cannot write %s", path);
}

int
launch_open_sockets(struct launch *l, struct err *err)
{
	char full[PATH_MAX];
	int rc = sockdir_create(l->sock_dir, err);
	if (rc) {
		l->sock_dir[0] = '\0';
		return rc;
	}
	return mesh_announce(l->sock_dir, l->name, l->run_dir,
	                     realpath(l->topology, full) ? full : l->topology, err);
}

static void to_parent(const struct launch *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
to_parent(const struct launch *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	if (l->ready_fd < 0 || l->is_ready)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	n = n < (int)sizeof text ? n : (int)sizeof text - 1;
	/* A parent that is gone does not matter to the mesh. */
	while (n > 0 && write(l->ready_fd, text, (size_t)n) < 0 && errno == EINTR)
		;
}

static void
on_ready(void *arg, unsigned ready, unsigned total, double seconds)
{
	struct launch *l = arg;
	to_parent(l, "R %u %u %.6f\n", ready, total, seconds);
	l->is_ready = true;
	l->ready = ready;
	l->total = total;
	l->ready_s = seconds;
	if (l->ready_fd < 0 && l->live) {
		struct busview_now now;
		char line[256];
		busview_look(l->bus, &now);
		launch_ready_line(l, &now, line, sizeof line);
		term_say(l->talk, TERM_BOLD, "%s\n", line);
		term_say(l->talk, TERM_DIM,
		         "Watch: voltloom top    Break something: voltloom kill %s    Stop: "
		         "Ctrl-C\n",
		         l->topo->nodes[l->topo->n_nodes > 2 ? 2 : 0].id);
	}
}

static void
on_line(void *arg, const char *line)
{
	struct launch *l = arg;
	char now[32];
	struct tm tm;
	time_t wall = time(NULL);
	strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&wall, &tm));
	fprintf(l->log, "%s %s\n", now, line);
	fflush(l->log);
	if (l->ready_fd >= 0)
		to_parent(l, "L %s\n", line);
	else
		term_say(l->talk, TERM_PLAIN, "%s\n", line);
}

static void
on_progress(void *arg, int64_t k, int64_t end_k, double speed, bool paused)
{
	struct launch *l = arg;
	double t_s = (double)k * topo_step_s(l->topo);
	if (l->ready_fd >= 0)
		return;
	if (!l->live) {
		char detail[64];
		snprintf(detail, sizeof detail, "t %.3f s%s", t_s, paused ? ", paused" : "");
		progress_at(&l->progress, end_k > 0 ? (double)k / (double)end_k : NAN, detail);
		return;
	}
	struct busview_now now;
	if (!l->talk->live)
		return;
	busview_look(l->bus, &now);
	term_live(l->talk, "%s  t %.1f s  x%g%s  bus %.1f..%.1f V", l->name, t_s, speed,
	          paused ? "  paused" : "", now.lo_v, now.hi_v);
}

void
launch_ready_line(const struct launch *l, const struct busview_now *now, char *buf, size_t size)
{
	char bus[64] = "";
	if (now->n > 0 && !isnan(now->lo_v))
		snprintf(bus, sizeof bus, "bus %.1f..%.1f V, ", now->lo_v, now->hi_v);
	snprintf(buf, size,
	         "%s: %zu nodes, %zu links, %zu modules, seed %" PRIu64
	         ": %u/%u ready, %sup in %.1f s",
	         l->name, l->topo->n_nodes, l->topo->n_links, l->topo->n_modules, l->seed, l->ready,
	         l->total, bus, l->ready_s);
}

int
launch_run(struct launch *l, struct supervisor_result *r, struct err *err)
{
	struct supervisor_params p = {
		.topo = l->topo,
		.script = l->script,
		.end_k = l->end_k,
		.speed = l->speed,
		.adapt_speed = l->adapt,
		.pin = l->pin,
		.relay = true,
		.keep_frames = l->keep_frames,
		.seed = l->seed,
		.run_dir = l->run_dir,
		.sock_dir = l->sock_dir,
		.bin_dir = l->bin_dir,
		.on_ready = on_ready,
		.on_line = on_line,
		.on_progress = on_progress,
		.arg = l,
	};
	*r = (struct supervisor_result){ .exit_status = 4, .last_k = -1 };
	int rc = busview_create(l->topo, l->run_dir, &l->bus, err);
	if (rc)
		return rc;
	if (term_signal()) /* it came before the supervisor could hear it */
		return err_set(err, ERR_STATE, "stopped by signal %d before the start",
		               term_signal());
	progress_begin(&l->progress, l->talk, l->how);
	rc = supervisor_run(&p, r, err);
	progress_end(&l->progress);
	return rc;
}

int
launch_close(struct launch *l, const struct supervisor_result *r, struct err *err)
{
	int rc = 0, one;
	busview_destroy(&l->bus);
	if (r && l->run_dir[0])
		rc = hostfile_write(l->run_dir, l->topo, l->how, r, err);
	if (l->sock_dir[0]) {
		one = sockdir_remove(l->sock_dir, rc ? NULL : err);
		rc = rc ? rc : one;
	}
	if (l->log) {
		int bad = ferror(l->log);
		if ((fclose(l->log) || bad) && !rc)
			rc = err_sys(err, ERR_IO, "cannot write %s/supervisor.log", l->run_dir);
		l->log = NULL;
	}
	if (!r && l->run_dir[0])
		rundir_discard(l->run_dir);
	return rc;
}
