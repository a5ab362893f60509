/*
 * voltloom - the one command, with verbs.
 *
 *   verb.[ch]      the table of verbs, what they share        opts.[ch]    their arguments
 *   verb_*.c       one verb or family each                    term.[ch]    colour, live lines,
 * progress rundir.[ch]    run and socket directories                 meshes.[ch]  which meshes run
 * here client.[ch]    requests to a running mesh                 status.[ch]  its answer to
 * `status` supervisor.h   the processes of a mesh (up, run)          procfs.[ch]  who a pid is
 *
 * Stages: the verb is found, its arguments are decoded, it runs, stdout is closed. A reader that
 * goes away (SIGPIPE) is a normal end; a stdout that cannot be written is not.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"

static void
nothing(int signo)
{
	(void)signo;
}

/* A reader that goes away and a file that grows too large are errors of the call, no deaths. A
 * handler, not SIG_IGN: programs that we start must not inherit it. */
static void
disarm_signals(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	sigemptyset(&sa.sa_mask);
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGXFSZ, &sa, NULL);
}

static void
find_data(const char *bin, char data[PATH_MAX + 32])
{
	snprintf(data, PATH_MAX + 32, "%s/../share/voltloom", bin);
	char *real =
		realpath(data, NULL); /* shorter in messages; a missing folder is found out later */
	if (real)
		snprintf(data, PATH_MAX + 32, "%s", real);
	free(real);
}

/* Beside voltloom itself in a build folder, in ../libexec/voltloom when installed. */
static void
find_helpers(char bin[PATH_MAX])
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof path, "%s/voltloom-node", bin);
	if (access(path, X_OK) == 0)
		return;
	snprintf(path, sizeof path, "%s/../libexec/voltloom", bin);
	char *real = realpath(path, NULL);
	if (real && strlen(real) < PATH_MAX)
		memcpy(bin, real, strlen(real) + 1);
	free(real);
}

static int
find_folders(char bin[PATH_MAX], char data[PATH_MAX + 32], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", bin, PATH_MAX - 1);
	if (n <= 0)
		return err_sys(err, ERR_IO, "cannot tell where voltloom is: /proc/self/exe");
	bin[n] = '\0';
	char *slash = strrchr(bin, '/');
	slash[slash == bin] = '\0';
	find_data(bin, data);
	find_helpers(bin);
	return 0;
}

static int
unknown_verb(struct verb_call *c, const char *word)
{
	const char *names[64];
	char help[256];
	for (size_t i = 0; i < verb_table_n; i++)
		names[i] = verb_table[i]->name;
	const char *near = diag_nearest(word, names, verb_table_n);
	if (near)
		snprintf(help, sizeof help, "did you mean 'voltloom %s'?", near);
	else
		snprintf(help, sizeof help, "all verbs: voltloom help");
	return verb_usage(c, help, "unknown verb '%s'", word);
}

static int
run_verb(struct verb_call *c, int argc, char **argv)
{
	struct opt_value values[OPTS_MAX];
	struct err err = ERR_INIT;
	char help[256];
	int rc = opts_parse(c->verb->opts, c->verb->n_opts, argc, argv, values, help, &err);
	if (rc == OPTS_HELP) {
		verb_help(c->verb, stdout);
		return EXIT_OK;
	}
	if (rc) {
		err_wrap(&err, "voltloom %s", c->verb->name);
		int status = verb_fail(c, &err, help);
		fputs("Usage: ", c->talk->f);
		verb_synopsis(c->verb, c->talk->f);
		return status;
	}
	c->v = values;
	return c->verb->run(c);
}

/* What was printed has to arrive, unless nobody reads any more. */
static int
close_stdout(struct verb_call *c, int status)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO };
	bool gone = poll(&pfd, 1, 0) > 0 && pfd.revents & (POLLERR | POLLHUP | POLLNVAL);
	bool bad = ferror(stdout);
	errno = EIO; /* when an earlier write failed nobody knows why any more */
	if ((fclose(stdout) || bad) && !gone) {
		struct err err = ERR_INIT;
		err_sys(&err, ERR_IO, "cannot write to stdout");
		int failed = verb_fail(c, &err, NULL);
		return status ? status : failed;
	}
	return status;
}

int
main(int argc, char **argv)
{
	static char bin[PATH_MAX], data[PATH_MAX + 32];
	struct term talk;
	struct err err = ERR_INIT;
	struct verb_call c = { .talk = &talk, .bin_dir = bin, .data_dir = data };
	int status;
	disarm_signals();
	term_init(&talk, stderr);
	if (find_folders(bin, data, &err))
		return verb_fail(&c, &err, NULL);
	if (argc < 2) {
		c.verb = &verb_help_verb;
		run_verb(&c, 0, argv + argc);
		return EXIT_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		word = "help";
	else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		word = "version";
	c.verb = verb_find(word);
	status = c.verb ? run_verb(&c, argc - 2, argv + 2) : unknown_verb(&c, word);
	return close_stdout(&c, status);
}
