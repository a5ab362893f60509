/*
 * verb.h - the verbs of `voltloom`: one const row each, one small file per verb or family.
 *
 * A row drives parsing, --help, the man page and completion. Data goes to stdout, talk to `talk`
 * (stderr). A verb returns its exit status, see EXIT_TABLE; errors are said with verb_fail().
 */
#ifndef VL_VERB_H
#define VL_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"
#include "diag.h"
#include "err.h"
#include "meshes.h"
#include "opts.h"
#include "term.h"
#include "topo.h"

/* The exit statuses, the same for every verb. */
#define EXIT_TABLE(X)                                                                     \
	X(EXIT_OK, 0, "success")                                                          \
	X(EXIT_FAILED, 1, "an expectation failed")                                        \
	X(EXIT_INCONCLUSIVE, 2, "inconclusive: the run says neither yes nor no")          \
	X(EXIT_INPUT, 3, "an input file is bad")                                          \
	X(EXIT_INFRA, 4, "infrastructure: a process, a file, a socket or a limit failed") \
	X(EXIT_ABORTED, 5, "aborted on request")                                          \
	X(EXIT_USAGE, 64, "wrong arguments: unknown verb, option or name")                \
	X(EXIT_SIGINT, 130, "ended by SIGINT (Ctrl-C)")                                   \
	X(EXIT_SIGTERM, 143, "ended by SIGTERM")

enum exit_code {
#define X(name, code, text) name = code,
	EXIT_TABLE(X)
#undef X
};

enum verb_group { GROUP_MESH, GROUP_LOOK, GROUP_BREAK, GROUP_TIME, GROUP_FILES, GROUP_OTHER };

struct runview;
struct verb_call;

struct verb {
	const char *name;
	enum verb_group group;
	const char *line;     /* one line, lower case, no full stop */
	const char *examples; /* lines "command   # remark" */
	const char *text;     /* what else there is to say; may be NULL */
	const struct opt *opts;
	size_t n_opts;
	int (*run)(struct verb_call *);
};

struct verb_call {
	const struct verb *verb;
	const struct opt_value *v; /* by row of verb->opts */
	struct term *talk;         /* stderr */
	const char *bin_dir;       /* folder of voltloom and its helpers */
	const char *data_dir;      /* topologies/ and drills/ */
};

extern const struct verb *const verb_table[];
extern const size_t verb_table_n;
const struct verb *verb_find(const char *name);

/* Says the error and returns its exit status. help may be NULL or "". */
int verb_fail(struct verb_call *, const struct err *, const char *help);
int verb_usage(struct verb_call *, const char *help, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "Next: ..." on stderr, for people only. */
void verb_next(struct verb_call *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints the synopsis of a verb: "voltloom kill ID [--wait restored] ..." */
void verb_synopsis(const struct verb *, FILE *);
void verb_help(const struct verb *, FILE *);

/* The rows that all verbs share which talk to a running mesh. */
#define OPT_ROW_MESH                                                                               \
	{                                                                                          \
		"mesh", 'm', OPT_TEXT, OPT_MESH, "NAME", "which mesh, when several run", UNIT_NONE \
	}
#define OPT_ROW_TIMEOUT                                                                     \
	{                                                                                   \
		"timeout", 0, OPT_TIME, 0, "30s", "how long to wait at most (default 30s)", \
			UNIT_NONE                                                           \
	}
#define OPT_ROW_JSON                                                                         \
	{                                                                                    \
		"json", 'j', OPT_FLAG, 0, NULL, "print JSON, one object per line", UNIT_NONE \
	}
#define VERB_TIMEOUT_S 30.0

double verb_timeout_s(const struct opt_value *timeout);

/* ---- a running mesh --------------------------------------------------------------------- */

struct verb_mesh {
	struct mesh_list list;
	const struct mesh_entry *entry;
	struct client *client;
	struct topo *topo; /* NULL when its file cannot be read */
};
/* Finds the mesh and connects; on failure says why and returns false with *status set. */
bool verb_mesh_open(struct verb_call *, const struct opt_value *name, struct verb_mesh *,
                    int *status);
void verb_mesh_close(struct verb_mesh *);
/* Sends a request; says what went wrong. True: *reply is good and the caller frees it. */
bool verb_mesh_ask(struct verb_call *, struct verb_mesh *, const char *what,
                   const struct client_arg *, size_t n_args, double timeout_s,
                   struct client_reply *, int *status);

/* The run that an argument names, "latest" too. On failure says why and returns the exit status. */
int verb_open_run(struct verb_call *, const char *dir, struct runview **ret);

/* What an id may name. */
enum verb_id { ID_NODE = 1, ID_MODULE = 2, ID_LINK = 4, ID_RELAY = 8 };
/* Refuses an id that the mesh does not have, with the nearest that would do; EXIT_OK or EXIT_USAGE.
 */
int verb_check_id(struct verb_call *, const struct topo *, const char *id, unsigned kinds);

/* ---- input files ------------------------------------------------------------------------ */

/* Loads a topology and prints its diagnostics (on stderr, text). NULL: *status is set. */
struct topo *verb_load_topo(struct verb_call *, const char *path, int *status);

/* Path of a topology that comes with the program, by name ("rack8"). */
int verb_data_file(const struct verb_call *, const char *folder, const char *name,
                   char path[RUNDIR_PATH_MAX], struct err *);

extern const struct verb verb_init, verb_validate, verb_plan, verb_up, verb_down, verb_ps, verb_top,
	verb_logs, verb_events, verb_kill, verb_stop, verb_cont, verb_start, verb_cut, verb_heal, verb_degrade,
	verb_close, verb_load, verb_short, verb_do, verb_pause, verb_resume, verb_step, verb_speed, verb_run,
	verb_drill,
	verb_export, verb_report, verb_doctor, verb_completion, verb_help_verb, verb_version;

#endif
