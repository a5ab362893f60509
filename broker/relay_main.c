/*
 * voltloom-relay: forwards telemetry and requests of one mesh (relay.h).
 *
 *   voltloom-relay --dir SOCK_DIR [--ppid PID]
 *
 * Arguments, tie to the parent, signals -> relay_run() until SIGTERM. Started by the supervisor;
 * dies with it.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "relay.h"

enum { EXIT_USAGE = 64 };

static const char usage[] =
	"voltloom-relay --dir /run/user/1000/vl/1a2b3c4d\n"
	"\n"
	"Forwards telemetry and requests of one mesh. `voltloom up` starts it.\n"
	"  --dir DIR    folder of the mesh's sockets\n"
	"  --ppid PID   end at once when PID is not the parent; die with it\n"
	"  --help\n";

static const struct option options[] = {
	{ "dir", required_argument, NULL, 'd' },
	{ "ppid", required_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* The death signal is set first, then the parent is looked at: it may have died in between. */
static int
relay_tie(const char *arg)
{
	char *end;
	errno = 0;
	long ppid = strtol(arg, &end, 10);
	if (errno || *end || ppid <= 0 || ppid > INT_MAX) {
		fprintf(stderr, "voltloom-relay: --ppid %s: not a process id\n", arg);
		return EXIT_USAGE;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL)) {
		perror("voltloom-relay: PR_SET_PDEATHSIG");
		return err_exit_status(ERR_IO);
	}
	if (getppid() != (pid_t)ppid) {
		fprintf(stderr, "voltloom-relay: process %ld is gone\n", ppid);
		return err_exit_status(ERR_PEER);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const char *dir = NULL, *ppid = NULL;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'p':
			ppid = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (!dir || optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	int rc = ppid ? relay_tie(ppid) : 0;
	if (rc)
		return rc;
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	int fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		perror("voltloom-relay: signalfd");
		return err_exit_status(ERR_IO);
	}
	struct err err = ERR_INIT;
	if (relay_run(dir, fd, &err)) {
		fprintf(stderr, "voltloom-relay: %s\n", err.text);
		return err_exit_status(err.code);
	}
	return 0;
}
