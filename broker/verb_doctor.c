/* doctor: whether this machine and this account can run a mesh, and what earlier ones left. */
#include <dirent.h>
#include <errno.h>
#include <msgpack.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>
#include <zmq.h>

#include "json_out.h"
#include "recsize.h"
#include "verb.h"

#define DISK_WARN_BYTES 1000000000ull /* rack8 records about 1 GB in half an hour of `up` */
#define FILES_WANTED 1024             /* two descriptors per process of a 500-process mesh */
#define PROCS_WANTED 512

enum { DOCTOR_FIX, DOCTOR_JSON };
static const struct opt doctor_opts[] = {
	[DOCTOR_FIX] = { "fix", 0, OPT_FLAG, 0, NULL, "remove what dead meshes left behind",
	                 UNIT_NONE },
	[DOCTOR_JSON] = OPT_ROW_JSON,
};

enum verdict { GOOD, WARN, BAD };

struct exam {
	struct verb_call *c;
	unsigned n[3];
};

static void find(struct exam *, enum verdict, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void
find(struct exam *x, enum verdict verdict, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warning", "FAIL" };
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	x->n[verdict]++;
	if (x->c->v[DOCTOR_JSON].given) {
		struct json_out j;
		json_out_init(&j, stdout);
		json_out_object(&j, NULL);
		json_out_text(&j, "check", what);
		json_out_text(&j, "verdict", verdict == BAD ? "fail" : words[verdict]);
		json_out_text(&j, "text", text);
		json_out_end(&j);
	} else {
		printf("%-8s %-12s %s\n", words[verdict], what, text);
	}
}

static void
check_cores(struct exam *x)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
	if (n >= 2)
		find(x, GOOD, "cores", "%d that we may use", n);
	else
		find(x, WARN, "cores",
		     "%d: every message between processes changes the process that runs", n);
}

static void
check_limit(struct exam *x, const char *what, int resource, uint64_t wanted)
{
	struct rlimit lim;
	if (getrlimit(resource, &lim))
		find(x, WARN, what, "the limit cannot be read: %s", strerror(errno));
	else if (lim.rlim_max == RLIM_INFINITY)
		find(x, GOOD, what, "no limit");
	else
		find(x, lim.rlim_max >= wanted ? GOOD : WARN, what,
		     "%llu may be used (%llu are enough for a "
		     "mesh of 500 processes)",
		     (unsigned long long)lim.rlim_max, (unsigned long long)wanted);
}

static void
check_libraries(struct exam *x)
{
	int major, minor, patch;
	zmq_version(&major, &minor, &patch);
	bool good = zmq_has("ipc") && (major > 4 || (major == 4 && minor >= 3));
	find(x, good ? GOOD : BAD, "libraries",
	     "voltloom %s, libzmq %d.%d.%d%s, msgpack %s, libyaml %s", VL_VERSION, major, minor,
	     patch, zmq_has("ipc") ? "" : " without ipc", msgpack_version(),
	     yaml_get_version_string());
}

static void
check_programs(struct exam *x)
{
	static const char *const names[] = { "voltloom-node", "voltloom-module", "voltloom-relay",
		                             "voltloom-tui" };
	char missing[256] = "";
	size_t at = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[RUNDIR_PATH_MAX];
		snprintf(path, sizeof path, "%s/%s", x->c->bin_dir, names[i]);
		if (access(path, X_OK))
			at += (size_t)snprintf(missing + at, sizeof missing - at, " %s", names[i]);
	}
	if (missing[0])
		find(x, BAD, "programs", "missing in %s:%s", x->c->bin_dir, missing);
	else
		find(x, GOOD, "programs", "%s", x->c->bin_dir);
}

static void
check_sockets(struct exam *x)
{
	char roots[2][RUNDIR_PATH_MAX];
	struct err err = ERR_INIT;
	struct stat st;
	sockdir_roots(roots);
	if (sockdir_check_length(roots[0], &err)) {
		find(x, BAD, "sockets", "%s", err.text);
		return;
	}
	char *slash = strrchr(roots[0], '/');
	if (lstat(roots[0], &st) == 0) {
		if (sockdir_check_owner(roots[0], &err))
			find(x, BAD, "sockets", "%s", err.text);
		else
			find(x, GOOD, "sockets", "%s", roots[0]);
		return;
	}
	*slash = '\0';
	bool may = access(roots[0], W_OK | X_OK) == 0;
	*slash = '/';
	find(x, may ? GOOD : BAD, "sockets", may ? "%s can be made" : "%s cannot be made",
	     roots[0]);
}

static void
check_runs(struct exam *x)
{
	char root[RUNDIR_PATH_MAX], latest[RUNDIR_PATH_MAX], text[32], at[RUNDIR_PATH_MAX];
	struct err err = ERR_INIT;
	uint64_t free_bytes;
	if (rundir_root(root, &err) || rundir_free_bytes(root, &free_bytes, &err)) {
		find(x, BAD, "runs", "%s", err.text);
		return;
	}
	snprintf(at, sizeof at, "%s", root);
	while (access(at, F_OK) && strrchr(at, '/') > at)
		*strrchr(at, '/') = '\0';
	if (access(at, W_OK | X_OK)) {
		find(x, BAD, "runs", "%s cannot be written: %s", at, strerror(errno));
		return;
	}
	find(x, free_bytes >= DISK_WARN_BYTES ? GOOD : WARN, "runs", "%s, %s free%s%s", root,
	     recsize_text(free_bytes, text, sizeof text),
	     rundir_latest(NULL, latest, NULL) ? "" : ", latest ",
	     rundir_latest(NULL, latest, NULL) ? "" : latest + strlen(root) + 1);
}

static void
check_meshes(struct exam *x)
{
	struct mesh_list list;
	struct err err = ERR_INIT;
	size_t n_alive = 0, n_removed = 0;
	if (mesh_list_scan(&list, &err)) {
		find(x, BAD, "meshes", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		n_alive += list.m[i].alive;
	size_t n_stale = list.n - n_alive;
	find(x, GOOD, "meshes", "%zu running", n_alive);
	if (n_stale == 0)
		find(x, GOOD, "leftovers", "no stale socket directory");
	else if (!x->c->v[DOCTOR_FIX].given)
		find(x, WARN, "leftovers",
		     "%zu stale socket director%s, first %s: voltloom doctor --fix", n_stale,
		     n_stale == 1 ? "y" : "ies",
		     list.m[0].alive ? "of a dead mesh" : list.m[0].sock_dir);
	else if (mesh_list_remove_stale(&list, &n_removed, &err))
		find(x, BAD, "leftovers", "%s", err.text);
	else
		find(x, GOOD, "leftovers", "%zu stale socket director%s removed", n_removed,
		     n_removed == 1 ? "y" : "ies");
	mesh_list_free(&list);
}

static bool
comm_of(pid_t pid, char comm[32])
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(comm, 32, f);
	if (f)
		fclose(f);
	if (ok)
		comm[strcspn(comm, "\n")] = '\0';
	return ok;
}

/* A process of a mesh whose parent is no supervisor: it should have died with it. */
static void
check_orphans(struct exam *x)
{
	char pids[256] = "", comm[32];
	size_t n = 0, at = 0;
	DIR *d = opendir("/proc");
	struct dirent *e;
	while (d && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10), ppid;
		char state;
		if (pid <= 0 || !comm_of(pid, comm) ||
		    !(strcmp(comm, "voltloom-node") == 0 || strcmp(comm, "voltloom-module") == 0 ||
		      strcmp(comm, "voltloom-relay") == 0))
			continue;
		if (!procfs_stat(pid, NULL, &ppid, &state) || state == 'Z' ||
		    (comm_of(ppid, comm) && strcmp(comm, "voltloom") == 0))
			continue;
		n++;
		if (at < sizeof pids)
			at += (size_t)snprintf(pids + at, sizeof pids - at, " %ld", (long)pid);
	}
	if (d)
		closedir(d);
	if (n > 0)
		find(x, WARN, "orphans", "%zu processes without a supervisor:%s", n, pids);
	else
		find(x, GOOD, "orphans", "no process without its supervisor");
}

static int
run_doctor(struct verb_call *c)
{
	struct exam x = { .c = c };
	check_cores(&x);
	check_limit(&x, "files", RLIMIT_NOFILE, FILES_WANTED);
	check_limit(&x, "processes", RLIMIT_NPROC, PROCS_WANTED);
	check_libraries(&x);
	check_programs(&x);
	check_sockets(&x);
	check_runs(&x);
	check_meshes(&x);
	check_orphans(&x);
	if (x.n[BAD])
		term_say(c->talk, TERM_RED, "%u of %u checks failed\n", x.n[BAD],
		         x.n[GOOD] + x.n[WARN] + x.n[BAD]);
	else
		verb_next(c, "Next: voltloom up --demo --detach");
	return x.n[BAD] ? EXIT_INFRA : EXIT_OK;
}

const struct verb verb_doctor = {
	"doctor",
	GROUP_OTHER,
	"check this machine, and what dead meshes left behind",
	"voltloom doctor\n"
	"voltloom doctor --fix    # remove stale socket directories\n",
	"Exit status 4 when something would keep a mesh from starting.",
	doctor_opts,
	sizeof doctor_opts / sizeof *doctor_opts,
	run_doctor,
};
