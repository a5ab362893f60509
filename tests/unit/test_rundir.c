/* Run and socket directories, and which meshes are alive. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meshes.h"
#include "procfs.h"
#include "rundir.h"

static char dir[200], buf[RUNDIR_PATH_MAX];
static struct err err;

static const char *
in_dir(const char *name)
{
	snprintf(buf, sizeof buf, "%s/%s", dir, name);
	return buf;
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-rd-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	err = (struct err)ERR_INIT;
	setenv("XDG_STATE_HOME", in_dir("state"), 1);
	setenv("XDG_RUNTIME_DIR", dir, 1);
}

static void
teardown(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void
touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(test_run_directory)
{
	char a[RUNDIR_PATH_MAX], b[RUNDIR_PATH_MAX], latest[RUNDIR_PATH_MAX], want[RUNDIR_PATH_MAX];
	struct stat st;
	ck_assert_int_eq(rundir_latest(NULL, latest, &err), ERR_NOTFOUND);
	ck_assert_int_eq(rundir_create("rack8", 42, NULL, a, &err), 0);
	snprintf(want, sizeof want, "%s/state/voltloom/runs/rack8/", dir);
	ck_assert_int_eq(strncmp(a, want, strlen(want)), 0);
	ck_assert_str_eq(a + strlen(a) - 3, "-42");
	snprintf(want, sizeof want, "%s/rec", a);
	ck_assert(stat(want, &st) == 0 && S_ISDIR(st.st_mode));
	/* the same name and seed again: another folder, and it is the latest */
	ck_assert_int_eq(rundir_create("rack8", 42, NULL, b, &err), 0);
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(rundir_latest(NULL, latest, &err), 0);
	ck_assert_str_eq(latest, b);
	ck_assert_int_eq(rundir_create("tri3", 1, NULL, a, &err), 0);
	ck_assert_int_eq(rundir_latest(NULL, latest, &err), 0);
	ck_assert_str_eq(latest, a);
	ck_assert_int_eq(rundir_latest("rack8", latest, &err), 0);
	ck_assert_str_eq(latest, b);
}
END_TEST

START_TEST(test_out)
{
	char a[RUNDIR_PATH_MAX], b[RUNDIR_PATH_MAX];
	char out[RUNDIR_PATH_MAX];
	snprintf(out, sizeof out, "%s/x/y", dir);
	ck_assert_int_eq(rundir_create("m", 1, out, a, &err), 0);
	ck_assert_str_eq(a, out);
	ck_assert_int_eq(rundir_create("m", 1, out, b, &err), ERR_STATE);
	ck_assert_ptr_nonnull(strstr(err.text, "holds a run already"));
	/* a run is never taken apart, what never ran is */
	char file[RUNDIR_PATH_MAX + 32];
	snprintf(file, sizeof file, "%s/mesh.yaml", out);
	touch(file);
	snprintf(file, sizeof file, "%s/rec/node.n1.1.frames", out);
	touch(file);
	rundir_discard(out);
	ck_assert_int_eq(access(file, F_OK), 0);
	snprintf(file, sizeof file, "%s/slices", out);
	ck_assert_int_eq(access(file, F_OK), 0);
	snprintf(file, sizeof file, "%s/rec/node.n1.1.frames", out);
	ck_assert_int_eq(unlink(file), 0);
	rundir_discard(out);
	ck_assert_int_ne(access(out, F_OK), 0);
	/* somebody's own files are left alone */
	touch(in_dir("file"));
	ck_assert_int_eq(rundir_create("m", 1, dir, b, &err), ERR_STATE);
	ck_assert_ptr_nonnull(strstr(err.text, "is not empty"));
	ck_assert_int_eq(rundir_create("m", 1, in_dir("file"), b, &err), ERR_IO);
	snprintf(out, sizeof out, "%s/file/z", dir);
	ck_assert_int_eq(rundir_create("m", 1, out, b, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "file"));
}
END_TEST

START_TEST(test_socket_directory)
{
	char a[RUNDIR_PATH_MAX], b[RUNDIR_PATH_MAX], want[RUNDIR_PATH_MAX];
	struct stat st;
	ck_assert_int_eq(sockdir_create(a, &err), 0);
	ck_assert_int_eq(sockdir_create(b, &err), 0);
	ck_assert_str_ne(a, b);
	snprintf(want, sizeof want, "%s/vl/", dir);
	ck_assert_int_eq(strncmp(a, want, strlen(want)), 0);
	ck_assert_uint_eq(strlen(a), strlen(want) + 8);
	ck_assert(stat(a, &st) == 0 && (st.st_mode & 0777) == 0700);
	snprintf(want, sizeof want, "%s/c1.1.1", a);
	touch(want);
	ck_assert_int_eq(sockdir_remove(a, &err), 0);
	ck_assert_int_ne(stat(a, &st), 0);
	ck_assert_int_eq(sockdir_remove(a, &err), 0);
}
END_TEST

/* Without XDG_RUNTIME_DIR: vl-<uid> in TMPDIR. */
START_TEST(test_temporary)
{
	char roots[2][RUNDIR_PATH_MAX], want[RUNDIR_PATH_MAX];
	unsetenv("XDG_RUNTIME_DIR");
	setenv("TMPDIR", dir, 1);
	snprintf(want, sizeof want, "%s/vl-%ld", dir, (long)geteuid());
	ck_assert_uint_eq(sockdir_roots(roots), 1);
	ck_assert_str_eq(roots[0], want);
	setenv("XDG_RUNTIME_DIR", in_dir("is-not-there"), 1);
	ck_assert_uint_eq(sockdir_roots(roots), 1);
}
END_TEST

/* unix(7): 108 bytes with the NUL. The longest name below <root>/<8 hex>/ is 24 bytes. */
START_TEST(test_length)
{
	char root[RUNDIR_PATH_MAX];
	size_t fits = 107 - 1 - 8 - 1 - 24;
	memset(root, 'a', sizeof root);
	root[0] = '/';
	root[fits] = '\0';
	ck_assert_int_eq(sockdir_check_length(root, &err), 0);
	root[fits] = 'a';
	root[fits + 1] = '\0';
	ck_assert_int_eq(sockdir_check_length(root, &err), ERR_IO);
	/* and nothing is made there */
	char deep[RUNDIR_PATH_MAX], made[RUNDIR_PATH_MAX];
	int n = snprintf(deep, sizeof deep, "%s/", dir);
	memset(deep + n, 'b', 107);
	deep[n + 107] = '\0';
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	ck_assert_int_eq(sockdir_create(made, &err), ERR_IO);
	ck_assert_int_eq(rmdir(deep), 0);
}
END_TEST

START_TEST(test_owner)
{
	char a[RUNDIR_PATH_MAX], root[RUNDIR_PATH_MAX];
	snprintf(root, sizeof root, "%s/vl", dir);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	ck_assert_int_eq(chmod(root, 0755), 0);
	ck_assert_int_eq(sockdir_create(a, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "open to other users"));
	ck_assert_int_eq(rmdir(root), 0);
	ck_assert_int_eq(mkdir(in_dir("real"), 0700), 0);
	ck_assert_int_eq(symlink(in_dir("real"), root), 0);
	ck_assert_int_eq(sockdir_create(a, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "not a folder"));
	if (geteuid() == 0) {
		ck_assert_int_eq(unlink(root), 0);
		ck_assert_int_eq(mkdir(root, 0700), 0);
		ck_assert_int_eq(chown(root, 65534, 65534), 0);
		ck_assert_int_eq(sockdir_create(a, &err), ERR_IO);
		ck_assert_ptr_nonnull(strstr(err.text, "belongs to user 65534"));
	}
}
END_TEST

START_TEST(test_copy)
{
	char to[RUNDIR_PATH_MAX], text[8] = "";
	FILE *f = fopen(in_dir("from"), "w");
	ck_assert(f && fputs("hello", f) >= 0 && fclose(f) == 0);
	ck_assert_int_eq(rundir_copy(in_dir("from"), dir, "to", &err), 0);
	snprintf(to, sizeof to, "%s/to", dir);
	f = fopen(to, "r");
	ck_assert(f && fgets(text, sizeof text, f) && fclose(f) == 0);
	ck_assert_str_eq(text, "hello");
	ck_assert_int_eq(rundir_copy(in_dir("missing"), dir, "to", &err), ERR_IO);
	ck_assert_int_eq(rundir_copy(in_dir("from"), "/proc/self", "to", &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "/proc/self/to"));
	if (access("/dev/full", W_OK) == 0) {
		ck_assert_int_eq(symlink("/dev/full", in_dir("full")), 0);
		char from[RUNDIR_PATH_MAX];
		snprintf(from, sizeof from, "%s/from", dir);
		ck_assert_int_eq(rundir_copy(from, dir, "full", &err), ERR_FULL);
	}
}
END_TEST

/* A process that lives, is a zombie, is gone; a pid that is another process' now. */
START_TEST(test_procfs)
{
	struct procfs_id me = { .pid = getpid() }, found[64], child;
	pid_t ppid;
	char state;
	int fds[2];
	ck_assert(procfs_stat(me.pid, &me.starttime, &ppid, &state));
	ck_assert_int_eq(ppid, getppid());
	ck_assert_int_eq(state, 'R');
	ck_assert(procfs_alive(&me));
	struct procfs_id other = { me.pid, me.starttime + 1 };
	ck_assert(!procfs_alive(&other));
	ck_assert_int_eq(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		close(fds[1]);
		_exit((int)read(fds[0], &c, 1));
	}
	close(fds[0]);
	child.pid = pid;
	ck_assert(procfs_stat(pid, &child.starttime, NULL, NULL));
	ck_assert(procfs_alive(&child));
	ck_assert_uint_eq(procfs_descendants(me.pid, found, 64), 1);
	ck_assert_int_eq(found[0].pid, pid);
	close(fds[1]);
	siginfo_t si;
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	ck_assert(!procfs_alive(&child)); /* a zombie has ended */
	waitpid(pid, NULL, 0);
	ck_assert(!procfs_alive(&child));
}
END_TEST

START_TEST(test_meshes)
{
	char a[RUNDIR_PATH_MAX], b[RUNDIR_PATH_MAX], help[256], path[RUNDIR_PATH_MAX + 16];
	struct mesh_list l;
	const struct mesh_entry *e = NULL;
	size_t n;
	ck_assert_int_eq(mesh_list_scan(&l, &err), 0);
	ck_assert_uint_eq(l.n, 0);
	ck_assert_int_eq(mesh_list_select(&l, NULL, &e, help, &err), ERR_STATE);
	ck_assert_str_eq(help, "start one: voltloom up --demo");
	mesh_list_free(&l);

	/* ours, with a name that JSON has to escape in its paths, and one of a process that is gone
	 */
	ck_assert_int_eq(sockdir_create(a, &err), 0);
	ck_assert_int_eq(sockdir_create(b, &err), 0);
	ck_assert_int_eq(mesh_announce(a, "rack8", "/run \"dir\"\\\t\303\251", "/t.yaml", &err), 0);
	snprintf(path, sizeof path, "%s/mesh.json", b);
	FILE *f = fopen(path, "w");
	ck_assert(f &&
	          fputs("{\"mesh\":\"old\",\"pid\":1,\"starttime\":1,\"run_dir\":\"/"
	                "r\",\"topology\":\"/t\"}\n",
	                f) >= 0 &&
	          fclose(f) == 0);
	ck_assert_int_eq(mesh_list_scan(&l, &err), 0);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_str_eq(l.m[0].name, "old");
	ck_assert(!l.m[0].alive);
	ck_assert(l.m[1].alive);
	ck_assert_int_eq(l.m[1].supervisor.pid, getpid());
	ck_assert_str_eq(l.m[1].run_dir, "/run \"dir\"\\\t\303\251");
	ck_assert_int_eq(mesh_list_select(&l, NULL, &e, help, &err), 0);
	ck_assert_str_eq(e->name, "rack8");
	ck_assert_int_eq(mesh_list_select(&l, strrchr(a, '/') + 1, &e, help, &err), 0);
	ck_assert_int_eq(mesh_list_select(&l, "rack", &e, help, &err), ERR_USAGE);
	ck_assert_str_eq(help, "did you mean 'rack8'?");
	ck_assert_int_eq(mesh_list_select(&l, "old", &e, help, &err), ERR_USAGE);
	ck_assert_int_eq(mesh_list_remove_stale(&l, &n, &err), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_ne(access(b, F_OK), 0);
	ck_assert_int_eq(access(a, F_OK), 0);
	mesh_list_free(&l);

	/* two of one name need their digits */
	ck_assert_int_eq(sockdir_create(b, &err), 0);
	ck_assert_int_eq(mesh_announce(b, "rack8", "/r", "/t", &err), 0);
	ck_assert_int_eq(mesh_list_scan(&l, &err), 0);
	ck_assert_int_eq(mesh_list_select(&l, NULL, &e, help, &err), ERR_USAGE);
	ck_assert_int_eq(mesh_list_select(&l, "rack8", &e, help, &err), ERR_USAGE);
	ck_assert_int_eq(mesh_list_select(&l, strrchr(b, '/') + 1, &e, help, &err), 0);
	mesh_list_free(&l);
}
END_TEST

/* Damaged mesh.json: passed over while young (it may be on its way), never a crash. */
START_TEST(test_damaged)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"mesh\":[]}",
		"{\"mesh\":\"a\",\"pid\":\"x\"}",
		"{\"mesh\":\"a\",\"pid\":-1,\"starttime\":0,\"run_dir\":\"\"}",
	};
	char a[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX + 16];
	struct mesh_list l;
	ck_assert_int_eq(sockdir_create(a, &err), 0);
	snprintf(path, sizeof path, "%s/mesh.json", a);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		FILE *f = fopen(path, "w");
		ck_assert(f && fputs(texts[i], f) >= 0 && fclose(f) == 0);
		ck_assert_int_eq(mesh_list_scan(&l, &err), 0);
		for (size_t j = 0; j < l.n; j++)
			ck_assert(!l.m[j].alive);
		mesh_list_free(&l);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rundir");
	TCase *t = tcase_create("rundir");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_run_directory);
	tcase_add_test(t, test_out);
	tcase_add_test(t, test_socket_directory);
	tcase_add_test(t, test_temporary);
	tcase_add_test(t, test_length);
	tcase_add_test(t, test_owner);
	tcase_add_test(t, test_copy);
	tcase_add_test(t, test_procfs);
	tcase_add_test(t, test_meshes);
	tcase_add_test(t, test_damaged);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
