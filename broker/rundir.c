#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int
join(char path[RUNDIR_PATH_MAX], const char *dir, const char *name, struct err *err)
{
	int n = snprintf(path, RUNDIR_PATH_MAX, "%s/%s", dir, name);
	if (n < 0 || n >= RUNDIR_PATH_MAX)
		return err_set(err, ERR_IO, "%s/%s: the path is longer than %d bytes", dir, name,
		               RUNDIR_PATH_MAX - 1);
	return 0;
}

int
rundir_mkdirs(const char *path, unsigned mode, struct err *err)
{
	char part[RUNDIR_PATH_MAX];
	if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
		return err_set(err, ERR_IO, "%s: the path is too long", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return err_sys(err, ERR_IO, "cannot make %s", part);
		*p = '/';
	}
	struct stat st;
	if (mkdir(part, mode) && errno != EEXIST)
		return err_sys(err, ERR_IO, "cannot make %s", part);
	if (stat(part, &st))
		return err_sys(err, ERR_IO, "cannot make %s", part);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s is not a folder", part);
	return 0;
}

/* ---- run directory ---------------------------------------------------------------------- */

int
rundir_root(char path[RUNDIR_PATH_MAX], struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	/* The XDG base directory specification: relative paths are invalid and to be ignored. */
	if (state && state[0] == '/')
		return join(path, state, "voltloom/runs", err);
	if (home && home[0] == '/')
		return join(path, home, ".local/state/voltloom/runs", err);
	return err_set(err, ERR_IO, "neither XDG_STATE_HOME nor HOME is set: nowhere to keep runs");
}

/* "20260131T235959.123456Z-<seed>": sorts by time. */
static void
stamp(uint64_t seed, char *buf, size_t size)
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	size_t n = strftime(buf, size, "%Y%m%dT%H%M%S", &tm);
	snprintf(buf + n, size - n, ".%06ldZ-%" PRIu64, ts.tv_nsec / 1000, seed);
}

static int
make_unique(const char *parent, uint64_t seed, char path[RUNDIR_PATH_MAX], struct err *err)
{
	for (;;) {
		char name[64];
		stamp(seed, name, sizeof name);
		int rc = join(path, parent, name, err);
		if (rc)
			return rc;
		if (mkdir(path, 0777) == 0)
			return 0;
		if (errno != EEXIST) /* taken in this microsecond: the next one is near */
			return err_sys(err, ERR_IO, "cannot make the run directory %s", path);
	}
}

static bool
holds_a_run(const char *path)
{
	char rec[RUNDIR_PATH_MAX];
	struct stat st;
	return join(rec, path, "rec", NULL) == 0 && stat(rec, &st) == 0;
}

/* rec/ first: what has records in it is never taken apart. */
static const char *const parts[] = { "rec", "slices", "log" };

static bool
is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = d != NULL;
	while (d && (e = readdir(d)))
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	if (d)
		closedir(d);
	return empty;
}

int
rundir_create(const char *name, uint64_t seed, const char *out, char path[RUNDIR_PATH_MAX],
              struct err *err)
{
	char parent[RUNDIR_PATH_MAX], full[PATH_MAX];
	int rc;
	if (out) {
		rc = rundir_mkdirs(out, 0777, err);
		if (rc)
			return err_wrap(err, "cannot make the run directory");
		if (!realpath(out, full))
			return err_sys(err, ERR_IO, "%s", out);
		if (snprintf(path, RUNDIR_PATH_MAX, "%s", full) >= RUNDIR_PATH_MAX)
			return err_set(err, ERR_IO, "%s: the path is too long", out);
		if (holds_a_run(path))
			return err_set(err, ERR_STATE, "%s holds a run already", path);
		if (!is_empty(path)) /* our file names could be somebody's there */
			return err_set(err, ERR_STATE,
			               "%s is not empty: a run wants its own folder", path);
	} else {
		char root[RUNDIR_PATH_MAX];
		rc = rundir_root(root, err);
		if (!rc)
			rc = join(parent, root, name, err);
		if (!rc)
			rc = rundir_mkdirs(parent, 0777, err);
		if (rc)
			return err_wrap(err, "cannot make the run directory");
		rc = make_unique(parent, seed, path, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char sub[RUNDIR_PATH_MAX];
		rc = join(sub, path, parts[i], err);
		if (rc)
			return rc;
		if (mkdir(sub, 0777) && errno != EEXIST)
			return err_sys(err, ERR_IO, "cannot make %s", sub);
	}
	return 0;
}

void
rundir_discard(const char *path)
{
	static const char *const files[] = { "mesh.yaml", "drill.yaml", "supervisor.log" };
	char at[RUNDIR_PATH_MAX];
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (join(at, path, parts[i], NULL) || (rmdir(at) && errno != ENOENT))
			return; /* something was written: all of it stays */
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (join(at, path, files[i], NULL) == 0)
			unlink(at);
	}
	rmdir(path);
}

/* The name in `dir` that sorts last among folders with rec/ in them; false: none. */
static bool
newest_in(const char *dir, char name[256])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	name[0] = '\0';
	while (d && (e = readdir(d))) {
		char run[RUNDIR_PATH_MAX];
		if (e->d_name[0] != '.' && strcmp(e->d_name, name) > 0 &&
		    join(run, dir, e->d_name, NULL) == 0 && holds_a_run(run))
			snprintf(name, 256, "%s", e->d_name);
	}
	if (d)
		closedir(d);
	return name[0] != '\0';
}

int
rundir_latest(const char *name, char path[RUNDIR_PATH_MAX], struct err *err)
{
	char root[RUNDIR_PATH_MAX], best[256] = "";
	int rc = rundir_root(root, err);
	if (rc)
		return rc;
	DIR *d = opendir(root);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char parent[RUNDIR_PATH_MAX], found[256];
		if (e->d_name[0] == '.' || (name && strcmp(name, e->d_name) != 0))
			continue;
		if (join(parent, root, e->d_name, NULL) || !newest_in(parent, found) ||
		    strcmp(found, best) <= 0)
			continue;
		if (join(path, parent, found, NULL) == 0)
			snprintf(best, sizeof best, "%s", found);
	}
	if (d)
		closedir(d);
	if (!best[0])
		return err_set(err, ERR_NOTFOUND, "no run%s%s is kept in %s", name ? " of " : "",
		               name ? name : "", root);
	return 0;
}

int
rundir_copy(const char *from, const char *dir, const char *name, struct err *err)
{
	char to[RUNDIR_PATH_MAX], block[16384];
	int rc = join(to, dir, name, err);
	if (rc)
		return rc;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	if (in < 0)
		return err_sys(err, ERR_IO, "cannot read %s", from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out < 0) {
		rc = err_sys(err, ERR_IO, "cannot write %s", to);
		goto out;
	}
	for (;;) {
		ssize_t n = read(in, block, sizeof block);
		if (n < 0)
			rc = err_sys(err, ERR_IO, "cannot read %s", from);
		if (n <= 0)
			break;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(out, block + done, (size_t)(n - done));
			if (w < 0) {
				rc = err_sys(err, ERR_IO, "cannot write %s", to);
				goto out;
			}
			done += w;
		}
	}
out:
	close(in);
	if (out >= 0 && close(out) && !rc)
		rc = err_sys(err, ERR_IO, "cannot write %s", to);
	return rc;
}

int
rundir_free_bytes(const char *path, uint64_t *ret, struct err *err)
{
	char at[RUNDIR_PATH_MAX];
	struct statvfs st;
	snprintf(at, sizeof at, "%s", path);
	while (statvfs(at, &st)) {
		char *slash = strrchr(at, '/');
		if (errno != ENOENT || !slash)
			return err_sys(err, ERR_IO, "%s", path);
		slash[slash == at] = '\0'; /* "/" stays */
	}
	*ret = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

/* ---- socket directory ------------------------------------------------------------------- */

size_t
sockdir_roots(char roots[2][RUNDIR_PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
	struct stat st;
	size_t n = 0;
	if (runtime && runtime[0] == '/' && stat(runtime, &st) == 0 && S_ISDIR(st.st_mode) &&
	    snprintf(roots[n], RUNDIR_PATH_MAX, "%s/vl", runtime) < RUNDIR_PATH_MAX)
		n++;
	if (!(tmp && tmp[0] == '/') || snprintf(roots[n], RUNDIR_PATH_MAX, "%s/vl-%ld", tmp,
	                                        (long)geteuid()) >= RUNDIR_PATH_MAX)
		snprintf(roots[n], RUNDIR_PATH_MAX, "/tmp/vl-%ld", (long)geteuid());
	return n + 1;
}

int
sockdir_check_length(const char *root, struct err *err)
{
	size_t n = strlen(root) + strlen("/01234567/") + RUNDIR_SOCKET_NAME_MAX;
	if (n > RUNDIR_SOCKET_MAX)
		return err_set(
			err, ERR_IO,
			"%s is too long for sockets: %zu bytes with the longest socket name, "
			"and a Unix socket has %d (set XDG_RUNTIME_DIR or TMPDIR to a shorter "
			"path)",
			root, n, RUNDIR_SOCKET_MAX);
	return 0;
}

int
sockdir_check_owner(const char *path, struct err *err)
{
	struct stat st;
	if (lstat(path, &st))
		return err_sys(err, ERR_IO, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s is not a folder: refusing to put sockets there",
		               path);
	if (st.st_uid != geteuid())
		return err_set(err, ERR_IO, "%s belongs to user %ld, not to us: refusing to use it",
		               path, (long)st.st_uid);
	if (st.st_mode & 077)
		return err_set(err, ERR_IO, "%s is open to other users (mode %03o, wanted 700)",
		               path, (unsigned)st.st_mode & 0777);
	return 0;
}

int
sockdir_create(char path[RUNDIR_PATH_MAX], struct err *err)
{
	char roots[2][RUNDIR_PATH_MAX];
	sockdir_roots(roots);
	const char *root = roots[0];
	int rc = sockdir_check_length(root, err);
	if (rc)
		return rc;
	if (mkdir(root, 0700) && errno != EEXIST)
		return err_sys(err, ERR_IO, "cannot make the socket directory %s", root);
	rc = sockdir_check_owner(root, err);
	if (rc)
		return rc;
	for (;;) {
		uint32_t r;
		if (getrandom(&r, sizeof r, 0) != sizeof r)
			return err_sys(err, ERR_IO, "no random number for a socket directory");
		char name[16];
		snprintf(name, sizeof name, "%08" PRIx32, r);
		rc = join(path, root, name, err);
		if (rc)
			return rc;
		if (mkdir(path, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(err, ERR_IO, "cannot make the socket directory %s", path);
	}
}

int
sockdir_remove(const char *path, struct err *err)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(err, ERR_IO, "cannot remove %s", path);
	struct dirent *e;
	int rc = 0;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) && errno != ENOENT)
			rc = err_sys(err, ERR_IO, "cannot remove %s/%s", path, e->d_name);
	}
	closedir(d);
	if (rmdir(path) && errno != ENOENT && !rc)
		rc = err_sys(err, ERR_IO, "cannot remove %s", path);
	return rc;
}
