/*
 * up: starts a mesh and stays with it, or leaves it behind with --detach.
 *
 * Detached: the child of one fork becomes the supervisor in its own session; the parent reads a
 * pipe until the mesh is ready or has failed. Lines in the pipe: "L <text>" something happened, "R
 * <ready> <total> <seconds>" ready, "F <status> <text>" failed. EOF without R or F: it died.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_out.h"
#include "launch.h"
#include "recsize.h"
#include "verb.h"

#define UP_RECORD_MAX_BYTES (2ull << 30) /* per run, however long it is up */
#define UP_SETTLE_S 0.02                 /* plant time after which the first voltages are shown */
#define UP_SETTLE_WALL_S 0.5

enum { UP_TOPOLOGY, UP_DEMO, UP_DETACH, UP_SEED, UP_SPEED, UP_NO_PIN, UP_NAME, UP_JSON };
static const struct opt up_opts[] = {
	[UP_TOPOLOGY] = { "TOPOLOGY", 0, OPT_TEXT, OPT_POSITIONAL | OPT_FILE, "FILE",
	                  "the topology file", UNIT_NONE },
	[UP_DEMO] = { "demo", 0, OPT_FLAG, 0, NULL, "the rack of 8 nodes that comes with voltloom",
	              UNIT_NONE },
	[UP_DETACH] = { "detach", 'd', OPT_FLAG, 0, NULL,
	                "return when the mesh is ready, and leave it running", UNIT_NONE },
	[UP_SEED] = { "seed", 's', OPT_COUNT, 0, "N",
	              "seed of everything random (default: the file's)", UNIT_NONE },
	[UP_SPEED] = { "speed", 0, OPT_SPEED, 0, "X",
	               "plant seconds per second at most (default 1)", UNIT_NONE },
	[UP_NO_PIN] = { "no-pin", 0, OPT_FLAG, 0, NULL, "do not pin processes to cores",
	                UNIT_NONE },
	[UP_NAME] = { "name", 'n', OPT_TEXT, 0, "NAME",
	              "call the mesh so (default: the file's name)", UNIT_NONE },
	[UP_JSON] = OPT_ROW_JSON,
};

/* ---- the child's side, and the foreground ----------------------------------------------- */

/* Runs the mesh to its end. Returns the exit status. */
static int
run_mesh(struct verb_call *c, struct launch *l)
{
	struct err err = ERR_INIT;
	struct supervisor_result r = { .exit_status = EXIT_INFRA };
	int status;
	term_catch_signals(supervisor_interrupt);
	int rc = launch_open_run(l, NULL, &err);
	if (!rc)
		rc = launch_open_sockets(l, &err);
	bool opened = rc == 0;
	if (!rc)
		rc = launch_run(l, &r, &err);
	if (rc) {
		status = err_exit_status(rc);
		if (l->ready_fd >= 0 && !l->is_ready)
			dprintf(l->ready_fd, "F %d %s\n", status, err.text);
		else
			verb_fail(c, &err, NULL);
	} else {
		status = r.exit_status;
		if (r.text[0] && l->ready_fd >= 0 && !l->is_ready)
			dprintf(l->ready_fd, "F %d %s\n", status ? status : EXIT_INFRA, r.text);
		else if (r.text[0])
			term_error(c->talk, r.text, NULL);
		if (l->ready_fd < 0)
			term_say(c->talk, TERM_PLAIN, "%s stopped: %u/%u exited, %u left behind\n",
			         l->name, r.n_exited, r.n_procs, r.n_left);
	}
	struct err close_err = ERR_INIT;
	if (launch_close(l, opened ? &r : NULL, &close_err)) {
		int failed = verb_fail(c, &close_err, NULL);
		status = status ? status : failed;
	}
	return status;
}

/* The detached child: own session, nothing of the terminal is held. */
static int
become_daemon(struct verb_call *c, struct launch *l)
{
	setsid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO); /* what it says goes to the pipe and to supervisor.log */
		close(null);
	}
	c->talk->tty = c->talk->live = c->talk->colour = false;
	return run_mesh(c, l);
}

/* ---- the parent's side ------------------------------------------------------------------ */

static void
forward_signal(pid_t child)
{
	static int forwarded;
	int signo = term_signal();
	if (signo && !forwarded) {
		forwarded = signo;
		kill(child, signo);
	}
}

/* Reads one line; false at EOF. */
static bool
read_line(int fd, pid_t child, char *buf, size_t size)
{
	size_t n = 0;
	for (;;) {
		char ch;
		ssize_t got = read(fd, &ch, 1);
		if (got < 0 && errno == EINTR) {
			forward_signal(child);
			continue;
		}
		if (got <= 0)
			return false;
		if (ch == '\n')
			break;
		if (n + 1 < size)
			buf[n++] = ch;
	}
	buf[n] = '\0';
	return true;
}

static int
died_silently(struct verb_call *c, pid_t child)
{
	int st = 0;
	char text[96] = "the supervisor ended before the mesh was ready";
	waitpid(child, &st, 0);
	if (WIFSIGNALED(st))
		snprintf(text, sizeof text,
		         "the supervisor died of signal %d before the mesh was ready",
		         WTERMSIG(st));
	term_error(c->talk, text, NULL);
	return WIFEXITED(st) && WEXITSTATUS(st) ? WEXITSTATUS(st) : EXIT_INFRA;
}

/* The child writes to the recorder now: look until the voltages mean something. */
static void
look_at_bus(const struct launch *l, struct busview_now *now)
{
	struct busview *bus = NULL;
	double start = term_now_s();
	*now = (struct busview_now){ 0, -1, -1, NAN, NAN };
	if (busview_create(l->topo, l->run_dir, &bus, NULL))
		return;
	do {
		busview_look(bus, now);
		if (now->n == l->topo->n_nodes &&
		    (double)now->min_k * topo_step_s(l->topo) >= UP_SETTLE_S)
			break;
		poll(NULL, 0, 5);
	} while (term_now_s() - start < UP_SETTLE_WALL_S);
	busview_destroy(&bus);
}

/* The child made the folders: find out which. */
static void
find_folders(struct launch *l, pid_t child)
{
	struct mesh_list list;
	if (mesh_list_scan(&list, NULL))
		return;
	for (size_t i = 0; i < list.n; i++) {
		if (list.m[i].supervisor.pid == child && list.m[i].alive) {
			memcpy(l->run_dir, list.m[i].run_dir, sizeof l->run_dir);
			memcpy(l->sock_dir, list.m[i].sock_dir, sizeof l->sock_dir);
		}
	}
	mesh_list_free(&list);
}

static void
print_ready(struct verb_call *c, struct launch *l, pid_t child)
{
	struct busview_now now;
	char line[256];
	find_folders(l, child);
	look_at_bus(l, &now);
	launch_ready_line(l, &now, line, sizeof line);
	if (c->v[UP_JSON].given) {
		struct json_out j;
		json_out_init(&j, stdout);
		json_out_object(&j, NULL);
		json_out_text(&j, "mesh", l->name);
		json_out_int(&j, "pid", child);
		json_out_int(&j, "seed", (int64_t)l->seed);
		json_out_int(&j, "ready", l->ready);
		json_out_int(&j, "total", l->total);
		json_out_real(&j, "ready_s", l->ready_s);
		json_out_real(&j, "bus_min_v", now.lo_v);
		json_out_real(&j, "bus_max_v", now.hi_v);
		json_out_text(&j, "run_dir", l->run_dir);
		json_out_text(&j, "sock_dir", l->sock_dir);
		json_out_end(&j);
	} else {
		printf("%s\n", line);
	}
	verb_next(c,
	          "Watch: voltloom top    Break something: voltloom kill %s    Stop: voltloom down",
	          l->topo->nodes[l->topo->n_nodes > 2 ? 2 : 0].id);
}

static int
wait_ready(struct verb_call *c, struct launch *l, int fd, pid_t child)
{
	char line[1024];
	while (read_line(fd, child, line, sizeof line)) {
		if (line[0] == 'L') {
			term_say(c->talk, TERM_PLAIN, "%s\n", line + 2);
		} else if (line[0] == 'F') {
			char *end;
			int status = (int)strtol(line + 2, &end, 10);
			term_error(c->talk, *end ? end + 1 : "failed", NULL);
			waitpid(child, NULL, 0);
			return status;
		} else if (sscanf(line, "R %u %u %lf", &l->ready, &l->total, &l->ready_s) == 3) {
			print_ready(c, l, child);
			return EXIT_OK;
		}
	}
	return died_silently(c, child);
}

static int
detach(struct verb_call *c, struct launch *l)
{
	int fds[2];
	struct err err = ERR_INIT;
	if (pipe2(fds, O_CLOEXEC)) {
		err_sys(&err, ERR_IO, "cannot make a pipe");
		return verb_fail(c, &err, NULL);
	}
	fflush(NULL);
	pid_t child = fork();
	if (child < 0) {
		err_sys(&err, ERR_IO, "cannot fork");
		return verb_fail(c, &err, NULL);
	}
	if (child == 0) {
		close(fds[0]);
		l->ready_fd = fds[1];
		exit(become_daemon(c, l));
	}
	close(fds[1]);
	term_catch_signals(NULL);
	int status = wait_ready(c, l, fds[0], child);
	close(fds[0]);
	return status;
}

/* ---- before the start ------------------------------------------------------------------- */

static int
tidy_and_check_name(struct verb_call *c, const char *name)
{
	struct mesh_list list;
	struct err err = ERR_INIT;
	size_t n_stale;
	int status = EXIT_OK;
	if (mesh_list_scan(&list, &err))
		return verb_fail(c, &err, NULL);
	for (size_t i = 0; i < list.n && !status; i++) {
		if (list.m[i].alive && strcmp(list.m[i].name, name) == 0) {
			err_set(&err, ERR_STATE, "%s is running already (pid %ld)", name,
			        (long)list.m[i].supervisor.pid);
			status = verb_fail(
				c, &err,
				"stop it with 'voltloom down', or start a second one with "
				"--name");
		}
	}
	if (!status && mesh_list_remove_stale(&list, &n_stale, &err))
		term_note(c->talk, "%s", err.text);
	else if (!status && n_stale > 0)
		term_note(c->talk, "removed %zu socket director%s of meshes that are gone", n_stale,
		          n_stale == 1 ? "y" : "ies");
	mesh_list_free(&list);
	return status;
}

/* `up` runs for an unknown time, so it keeps the last record.keep seconds, and never more than a
 * limit. */
static int
choose_keep(struct launch *l, struct err *err)
{
	struct recsize size;
	char root[RUNDIR_PATH_MAX];
	int rc = recsize_of(l->topo, &size, err);
	if (rc)
		return rc;
	double frames = ceil(l->topo->record_keep_s / topo_step_s(l->topo));
	double most =
		(double)UP_RECORD_MAX_BYTES / (double)(size.frame_bytes ? size.frame_bytes : 1);
	l->keep_frames = (uint64_t)fmax(1, fmin(frames, most));
	rc = rundir_root(root, err);
	return rc ? rc
	          : recsize_check_disk(root, recsize_total(&size, (int64_t)l->keep_frames), err);
}

static int
check_name(struct verb_call *c, const char *name)
{
	size_t n = strlen(name);
	if (n == 0 || n >= TOPO_ID_MAX ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                 "0123456789_-") != n ||
	    name[0] == '-')
		return verb_usage(
			c, NULL,
			"--name: '%s' is not a name of at most %d letters, digits, _ and -", name,
			TOPO_ID_MAX - 1);
	return EXIT_OK;
}

static int
find_topology(struct verb_call *c, char path[RUNDIR_PATH_MAX])
{
	struct err err = ERR_INIT;
	const struct opt_value *v = c->v;
	if (v[UP_DEMO].given == v[UP_TOPOLOGY].given)
		return verb_usage(c, "voltloom up --demo",
		                  v[UP_DEMO].given
		                          ? "--demo is a topology of its own: leave %s out"
		                          : "which mesh? give a topology file, or --demo%s",
		                  v[UP_DEMO].given ? v[UP_TOPOLOGY].text : "");
	if (v[UP_DEMO].given)
		return verb_data_file(c, "topologies", "rack8", path, &err)
		               ? verb_fail(c, &err, NULL)
		               : 0;
	snprintf(path, RUNDIR_PATH_MAX, "%s", v[UP_TOPOLOGY].text);
	return EXIT_OK;
}

static int
run_up(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	char path[RUNDIR_PATH_MAX];
	struct err err = ERR_INIT;
	int status = find_topology(c, path);
	if (!status && v[UP_NAME].given)
		status = check_name(c, v[UP_NAME].text);
	if (!status && v[UP_SPEED].given && v[UP_SPEED].real == 0)
		status = verb_usage(c, "for virtual time: voltloom run TOPOLOGY --for 1s",
		                    "--speed: a mesh that is up is paced; there is no max");
	if (status)
		return status;
	struct topo *topo = verb_load_topo(c, path, &status);
	if (!topo)
		return status;
	if (v[UP_SEED].given)
		topo->seed = v[UP_SEED].count;
	struct launch l = {
		.talk = c->talk,
		.how = "up",
		.bin_dir = c->bin_dir,
		.name = v[UP_NAME].given ? v[UP_NAME].text : topo->name,
		.topo = topo,
		.topology = path,
		.end_k = INT64_MAX,
		.speed = v[UP_SPEED].given ? v[UP_SPEED].real : 1,
		.adapt = true,
		.pin = !v[UP_NO_PIN].given,
		.live = true,
		.seed = topo->seed,
		.ready_fd = -1,
	};
	status = tidy_and_check_name(c, l.name);
	if (!status && choose_keep(&l, &err))
		status = verb_fail(c, &err, NULL);
	if (!status)
		status = v[UP_DETACH].given ? detach(c, &l) : run_mesh(c, &l);
	topo_destroy(&topo);
	return status;
}

const struct verb verb_up = {
	"up",
	GROUP_MESH,
	"start a mesh in real time",
	"voltloom up --demo --detach          # the rack of 8 nodes, in the background\n"
	"voltloom up my.yaml                  # in the foreground, Ctrl-C stops it\n"
	"voltloom up my.yaml --name second    # beside another one\n",
	"The mesh runs paced at real time; when this machine cannot hold that, slower, and says "
	"so.\n"
	"What happens is recorded (the last record.keep of it): see voltloom export.",
	up_opts,
	sizeof up_opts / sizeof *up_opts,
	run_up,
};
