/* down: ends a mesh and proves that nothing is left of it. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostfile.h"
#include "json_out.h"
#include "verb.h"

#define ORDER_S 15.0 /* for an orderly stop, before SIGTERM to the supervisor */
#define TERM_S 5.0   /* after SIGTERM, before SIGKILL */
#define KILL_S 2.0   /* after SIGKILL: its children die with it within 1 s */
#define LOOK_MS 50
enum { PROCS_MAX = 8192 };

enum { DOWN_ALL, DOWN_TIMEOUT, DOWN_JSON, DOWN_MESH };
static const struct opt down_opts[] = {
	[DOWN_ALL] = { "all", 'a', OPT_FLAG, 0, NULL, "every mesh that runs", UNIT_NONE },
	[DOWN_TIMEOUT] = { "timeout", 0, OPT_TIME, 0, "15s",
	                   "how long an orderly stop may take (default 15s)", UNIT_NONE },
	[DOWN_JSON] = OPT_ROW_JSON,
	[DOWN_MESH] = OPT_ROW_MESH,
};

struct family {
	struct procfs_id supervisor;
	size_t n;
	struct procfs_id p[PROCS_MAX];
};

static size_t
left_of(const struct family *f)
{
	size_t n = procfs_alive(&f->supervisor);
	for (size_t i = 0; i < f->n; i++)
		n += procfs_alive(&f->p[i]);
	return n;
}

/* Waits until nothing is left or the time is over; returns what is left. */
static size_t
wait_gone(struct verb_call *c, const struct family *f, double seconds, const char *what)
{
	struct progress progress;
	double start = term_now_s();
	size_t left;
	progress_begin(&progress, c->talk, what);
	while ((left = left_of(f)) > 0 && term_now_s() - start < seconds) {
		char detail[64];
		snprintf(detail, sizeof detail, "%zu processes left", left);
		progress_at(&progress, 1 - (double)left / (double)(f->n + 1), detail);
		poll(NULL, 0, LOOK_MS);
	}
	progress_end(&progress);
	return left;
}

/* A signal by pidfd: the pid cannot be reused between the check and the signal. */
static void
signal_process(const struct procfs_id *id, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	if (fd < 0)
		return;
	if (procfs_alive(id))
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	close(fd);
}

/* The supervisor counted its processes by name, including those that died before; if it could not
 * any more, those are counted that were there when we came. */
static void
print_result(struct verb_call *c, const struct mesh_entry *e, const struct family *f, size_t left,
             bool forced)
{
	unsigned n = (unsigned)f->n, exited = (unsigned)(f->n - (left < f->n ? left : f->n)),
		 n_left;
	hostfile_counts(e->run_dir, &n, &exited, &n_left);
	if (c->v[DOWN_JSON].given) {
		struct json_out j;
		json_out_init(&j, stdout);
		json_out_object(&j, NULL);
		json_out_text(&j, "mesh", e->name);
		json_out_int(&j, "processes", n);
		json_out_int(&j, "exited", exited);
		json_out_int(&j, "left", (int64_t)left);
		json_out_bool(&j, "forced", forced);
		json_out_end(&j);
	} else {
		printf("%s stopped%s: %u/%u exited, %zu left behind\n", e->name,
		       forced ? " by force" : "", exited, n, left);
	}
}

static int
stop_one(struct verb_call *c, const struct mesh_entry *e)
{
	struct err err = ERR_INIT;
	struct client *client = NULL;
	struct client_reply r;
	bool forced = false;
	double order_s = c->v[DOWN_TIMEOUT].given ? verb_timeout_s(&c->v[DOWN_TIMEOUT]) : ORDER_S;
	struct family *f = calloc(1, sizeof *f);
	if (!f) {
		err_set(&err, ERR_NOMEM, "out of memory");
		return verb_fail(c, &err, NULL);
	}
	f->supervisor = e->supervisor;
	f->n = procfs_descendants(e->supervisor.pid, f->p, PROCS_MAX);
	f->n = f->n < PROCS_MAX ? f->n : PROCS_MAX;
	int rc = client_open(e->sock_dir, &e->supervisor, &client, &err);
	if (!rc)
		rc = client_ask(client, "down", NULL, 0, order_s, &r, &err);
	if (!rc && !r.ok)
		rc = err_set(&err, ERR_PEER, "%s", r.text);
	if (!rc)
		client_reply_free(&r);
	client_close(&client);
	size_t left = rc && rc != ERR_PEER ? left_of(f) : wait_gone(c, f, order_s, "stopping");
	if (left > 0) {
		term_note(c->talk, "%s does not stop in order%s%s: sending SIGTERM", e->name,
		          rc ? ": " : "", rc ? err.text : "");
		forced = true;
		signal_process(&f->supervisor, SIGTERM);
		left = wait_gone(c, f, TERM_S, "after SIGTERM");
	}
	if (left > 0) {
		term_note(c->talk, "%s: sending SIGKILL", e->name);
		signal_process(&f->supervisor, SIGKILL);
		for (size_t i = 0; i < f->n; i++)
			signal_process(&f->p[i], SIGKILL);
		left = wait_gone(c, f, KILL_S, "after SIGKILL");
	}
	err = (struct err)ERR_INIT;
	rc = left == 0 ? sockdir_remove(e->sock_dir, &err) : 0;
	print_result(c, e, f, left, forced);
	int status = left > 0 ? EXIT_INFRA : EXIT_OK;
	if (rc)
		status = verb_fail(c, &err, NULL);
	free(f);
	return status;
}

static int
run_down(struct verb_call *c)
{
	struct mesh_list list;
	const struct mesh_entry *e = NULL;
	struct err err = ERR_INIT;
	char help[256] = "";
	int status = EXIT_OK;
	if (mesh_list_scan(&list, &err))
		return verb_fail(c, &err, NULL);
	if (c->v[DOWN_ALL].given) {
		for (size_t i = 0; i < list.n; i++) {
			int one = list.m[i].alive ? stop_one(c, &list.m[i]) : EXIT_OK;
			status = one ? one : status;
		}
	} else if (mesh_list_select(&list, c->v[DOWN_MESH].given ? c->v[DOWN_MESH].text : NULL, &e,
	                            help, &err)) {
		status = verb_fail(c, &err, help);
	} else {
		status = stop_one(c, e);
		if (!status)
			verb_next(c, "Next: voltloom export latest | voltloom up --demo");
	}
	mesh_list_free(&list);
	return status;
}

const struct verb verb_down = {
	"down",
	GROUP_MESH,
	"stop a mesh and check that nothing is left of it",
	"voltloom down\n"
	"voltloom down --mesh rack8\n"
	"voltloom down --all\n",
	"First in order; a mesh that does not stop in time is ended by SIGTERM, then SIGKILL.",
	down_opts,
	sizeof down_opts / sizeof *down_opts,
	run_down,
};
