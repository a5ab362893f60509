#include "procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
procfs_stat(pid_t pid, uint64_t *starttime, pid_t *ppid, char *state)
{
	char path[64], text[1024], st;
	long parent;
	unsigned long long start;
	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name in field 2 may hold anything, also ')': the last one ends it. */
	char *p = strrchr(text, ')');
	if (!p || sscanf(p + 1,
	                 " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
	                 "%*s %*s %*s %llu",
	                 &st, &parent, &start) != 3)
		return false;
	if (starttime)
		*starttime = start;
	if (ppid)
		*ppid = (pid_t)parent;
	if (state)
		*state = st;
	return true;
}

bool
procfs_alive(const struct procfs_id *id)
{
	uint64_t start;
	char state;
	return procfs_stat(id->pid, &start, NULL, &state) && start == id->starttime &&
	       state != 'Z' && state != 'X';
}

struct row {
	pid_t pid, ppid;
	uint64_t starttime;
	bool in;
};

static struct row *
all_processes(size_t *ret_n)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct row *rows = NULL;
	size_t n = 0, cap = 0;
	while (d && (e = readdir(d))) {
		struct row r = { .pid = (pid_t)strtol(e->d_name, NULL, 10) };
		if (r.pid <= 0 || !procfs_stat(r.pid, &r.starttime, &r.ppid, NULL))
			continue;
		if (n == cap) {
			struct row *more = realloc(rows, (cap + 256) * sizeof *rows);
			if (!more)
				break;
			rows = more;
			cap += 256;
		}
		rows[n++] = r;
	}
	if (d)
		closedir(d);
	*ret_n = n;
	return rows;
}

size_t
procfs_descendants(pid_t root, struct procfs_id *ret, size_t max)
{
	size_t n_rows, n = 0;
	struct row *rows = all_processes(&n_rows);
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n_rows; i++) {
			bool child = rows[i].ppid == root;
			for (size_t j = 0; j < n_rows && !child; j++)
				child = rows[j].in && rows[j].pid == rows[i].ppid;
			if (!child || rows[i].in)
				continue;
			rows[i].in = more = true;
			if (n < max)
				ret[n] = (struct procfs_id){ rows[i].pid, rows[i].starttime };
			n++;
		}
	}
	free(rows);
	return n;
}
