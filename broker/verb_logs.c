/* logs: what a process of the mesh wrote. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verb.h"

#define LOOK_MS 100
#define LINES_DEFAULT 50

enum { LOGS_ID, LOGS_FOLLOW, LOGS_LINES, LOGS_INC, LOGS_RUN, LOGS_MESH };
static const struct opt logs_opts[] = {
	[LOGS_ID] = { "ID", 0, OPT_TEXT, OPT_POSITIONAL | OPT_ID, "ID",
	              "a node, a module, 'relay' or 'supervisor' (default: supervisor)",
	              UNIT_NONE },
	[LOGS_FOLLOW] = { "follow", 'f', OPT_FLAG, 0, NULL, "go on as it grows", UNIT_NONE },
	[LOGS_LINES] = { "lines", 'n', OPT_COUNT, 0, "N", "the last N lines (default 50)",
	                 UNIT_NONE },
	[LOGS_INC] = { "incarnation", 'i', OPT_COUNT, 0, "N", "of this life (default: the last)",
	               UNIT_NONE },
	[LOGS_RUN] = { "run", 0, OPT_TEXT, OPT_FILE, "DIR|latest", "of a run that has ended",
	               UNIT_NONE },
	[LOGS_MESH] = OPT_ROW_MESH,
};

/* Path of the log of `id`: log/<id>.<incarnation>.log, the highest one unless asked for. */
static int
find_log(const char *run_dir, const char *id, const struct opt_value *inc,
         char path[RUNDIR_PATH_MAX + 300], struct err *err)
{
	char dir[RUNDIR_PATH_MAX + 8];
	size_t len = strlen(id);
	unsigned long best = 0;
	bool found = false;
	if (strcmp(id, "supervisor") == 0) {
		snprintf(path, RUNDIR_PATH_MAX + 300, "%s/supervisor.log", run_dir);
		return 0;
	}
	snprintf(dir, sizeof dir, "%s/log", run_dir);
	DIR *d = opendir(dir);
	if (!d)
		return err_sys(err, ERR_IO, "cannot read %s", dir);
	struct dirent *e;
	while ((e = readdir(d))) {
		char *end;
		if (strncmp(e->d_name, id, len) != 0 || e->d_name[len] != '.')
			continue;
		unsigned long n = strtoul(e->d_name + len + 1, &end, 10);
		if (end == e->d_name + len + 1 || strcmp(end, ".log") != 0 ||
		    (inc->given && n != inc->count) || (found && n <= best))
			continue;
		best = n;
		found = true;
	}
	closedir(d);
	if (!found)
		return err_set(err, ERR_NOTFOUND, "%s has no log in %s", id, dir);
	snprintf(path, RUNDIR_PATH_MAX + 300, "%s/%.64s.%lu.log", dir, id, best);
	return 0;
}

/* Places f at its last n lines. */
static void
seek_lines(FILE *f, uint64_t n)
{
	fseek(f, 0, SEEK_END);
	long at = ftell(f);
	uint64_t seen = 0;
	for (; at > 0; at--) {
		fseek(f, at - 1, SEEK_SET);
		if (getc(f) == '\n' && ++seen > n)
			break;
	}
	fseek(f, at, SEEK_SET);
}

static int
show(struct verb_call *c, const char *path, const struct mesh_entry *alive)
{
	struct err err = ERR_INIT;
	char block[8192];
	FILE *f = fopen(path, "re");
	if (!f) {
		err_sys(&err, ERR_IO, "cannot read %s", path);
		return verb_fail(c, &err, NULL);
	}
	seek_lines(f, c->v[LOGS_LINES].given ? c->v[LOGS_LINES].count : LINES_DEFAULT);
	for (;;) {
		size_t n = fread(block, 1, sizeof block, f);
		fwrite(block, 1, n, stdout);
		if (fflush(stdout))
			break; /* nobody reads any more */
		if (n > 0)
			continue;
		if (!c->v[LOGS_FOLLOW].given || !alive || !procfs_alive(&alive->supervisor))
			break;
		clearerr(f);
		poll(NULL, 0, LOOK_MS);
	}
	fclose(f);
	return EXIT_OK;
}

static int
logs_of_run(struct verb_call *c, const char *id)
{
	struct err err = ERR_INIT;
	char run_dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX + 300];
	const char *run = c->v[LOGS_RUN].text;
	int rc = 0;
	if (strcmp(run, "latest") == 0)
		rc = rundir_latest(NULL, run_dir, &err);
	else
		snprintf(run_dir, sizeof run_dir, "%s", run);
	if (!rc)
		rc = find_log(run_dir, id, &c->v[LOGS_INC], path, &err);
	return rc ? verb_fail(c, &err, NULL) : show(c, path, NULL);
}

static int
run_logs(struct verb_call *c)
{
	const char *id = c->v[LOGS_ID].given ? c->v[LOGS_ID].text : "supervisor";
	char path[RUNDIR_PATH_MAX + 300];
	struct err err = ERR_INIT;
	struct verb_mesh m;
	int status;
	if (c->v[LOGS_RUN].given)
		return logs_of_run(c, id);
	if (!verb_mesh_open(c, &c->v[LOGS_MESH], &m, &status))
		return status;
	if (strcmp(id, "supervisor") != 0)
		status = verb_check_id(c, m.topo, id, ID_NODE | ID_MODULE | ID_RELAY);
	else
		status = EXIT_OK;
	if (!status && find_log(m.entry->run_dir, id, &c->v[LOGS_INC], path, &err))
		status = verb_fail(c, &err, NULL);
	else if (!status)
		status = show(c, path, m.entry);
	verb_mesh_close(&m);
	return status;
}

const struct verb verb_logs = {
	"logs",
	GROUP_LOOK,
	"what a process of the mesh wrote to its log",
	"voltloom logs                  # the supervisor: who started, who died and how\n"
	"voltloom logs n3 --follow\n"
	"voltloom logs n3 --run latest  # of a mesh that is no more\n",
	NULL,
	logs_opts,
	sizeof logs_opts / sizeof *logs_opts,
	run_logs,
};
