#include "spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int
child_setup(posix_spawn_file_actions_t *fa, posix_spawnattr_t *at, const char *log_path, int fd)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 1, log_path,
		                                      O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(fa, 1, 2);
	if (rc == 0 && fd >= 0)
		rc = posix_spawn_file_actions_adddup2(fa, fd, SPAWN_FD);
	if (rc == 0)
		rc = posix_spawnattr_setflags(at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
		                                          POSIX_SPAWN_SETSIGDEF);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(at, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(at, &all);
	return rc;
}

/* Both ends above SPAWN_FD, so that dup2() onto it really duplicates. */
static int
control_pair(int sv[2])
{
	int raw[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, raw) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		sv[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, SPAWN_FD + 1);
		close(raw[i]);
	}
	if (sv[0] >= 0 && sv[1] >= 0)
		return 0;
	if (sv[0] >= 0)
		close(sv[0]);
	if (sv[1] >= 0)
		close(sv[1]);
	return -1;
}

int
spawn_process(const char *path, char *const argv[], const char *log_path, int control,
              struct spawned *ret, struct err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int sv[2] = { -1, -1 }, rc;
	pid_t pid = -1;

	if (control && control_pair(sv) < 0)
		return err_sys(err, ERR_IO, "control socket of %s", path);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	rc = child_setup(&fa, &at, log_path, sv[1]);
	if (rc == 0)
		rc = posix_spawn(&pid, path, &fa, &at, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	if (sv[1] >= 0)
		close(sv[1]);
	if (rc != 0) {
		if (sv[0] >= 0)
			close(sv[0]);
		return err_set(err, ERR_IO, "cannot start %s: %s", path, strerror(rc));
	}
	*ret = (struct spawned){ .pid = pid, .pidfd = pidfd_open(pid, 0), .fd = sv[0] };
	if (ret->pidfd < 0) {
		rc = err_sys(err, ERR_IO, "pidfd of %s", path);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (sv[0] >= 0)
			close(sv[0]);
		return rc;
	}
	return 0;
}

static void
last_line(const char *path, char *buf, size_t size)
{
	char text[512];
	FILE *f = fopen(path, "re");
	buf[0] = 0;
	if (!f)
		return;
	if (fseek(f, -(long)(sizeof text - 1), SEEK_END) < 0)
		rewind(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	char *start = strrchr(text, '\n');
	snprintf(buf, size, "%.*s", (int)size - 1, start ? start + 1 : text);
}

void
spawn_name_exit(int status, const char *log_path, char *buf, size_t size)
{
	char line[160];
	if (WIFSIGNALED(status)) {
		const char *abbrev = sigabbrev_np(WTERMSIG(status));
		snprintf(buf, size, "SIG%s", abbrev ? abbrev : "?");
		if (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM)
			return;
	} else {
		snprintf(buf, size, "exit %d", WEXITSTATUS(status));
		if (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 75)
			return;
	}
	last_line(log_path, line, sizeof line);
	size_t n = strlen(buf);
	if (line[0])
		snprintf(buf + n, size - n, ", last line of its log: %s", line);
}
