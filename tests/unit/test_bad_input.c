/*
 * Faulty input files and what is said about each, to the character: tests/bad/topologies and
 * tests/bad/drills hold NAME.yaml with NAME.expected. Files that cannot be kept in a repository
 * (too large, unreadable, a folder) are made here.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "script.h"
#include "topo.h"
#include "yamldoc.h"

static char dir[256];

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-bad-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static char *
print(const struct diag_list *l)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(f);
	diag_print(l, f, DIAG_TEXT);
	fclose(f);
	return text;
}

static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	char *text = NULL, buf[4096];
	size_t size, n;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	while ((n = fread(buf, 1, sizeof buf, f)) > 0)
		fwrite(buf, 1, n, out);
	fclose(out);
	fclose(f);
	return text;
}

static int
is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);
	return n > 5 && !strcmp(e->d_name + n - 5, ".yaml");
}

/* `mesh` NULL: topologies, else drills against that mesh. Messages name files as they were given,
 * so this goes to their folder. */
static int
check_folder(const char *folder, const struct topo *mesh)
{
	char cwd[4096], path[4200];
	struct dirent **e;
	int wrong = 0;
	const char *src = getenv("VL_SRC");
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
	snprintf(path, sizeof path, "%s/tests/bad/%s", src ? src : ".", folder);
	ck_assert_msg(chdir(path) == 0, "%s: %s", path, strerror(errno));
	int n = scandir(".", &e, is_yaml, alphasort);
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		struct diag_list l;
		struct topo *t = NULL;
		struct script *s = NULL;
		struct err err = ERR_INIT;
		char name[300];
		diag_list_init(&l);
		/* judged-*: as `voltloom drill` reads it, with all that is expected. */
		struct script_options options = { .drill = !strncmp(e[i]->d_name, "judged-", 7) };
		int rc = mesh ? script_load_with(e[i]->d_name, mesh, &options, &l, &s, &err)
		              : topo_load(e[i]->d_name, &l, &t, &err);
		snprintf(name, sizeof name, "%.*s.expected", (int)strlen(e[i]->d_name) - 5,
		         e[i]->d_name);
		char *want = slurp(name), *got = print(&l);
		if (strcmp(want, got)) {
			printf("%s/%s: wanted\n%sgot\n%s", folder, e[i]->d_name, want, got);
			wrong++;
		}
		ck_assert_msg(rc == ERR_INPUT, "%s is accepted", e[i]->d_name);
		ck_assert(t == NULL && s == NULL);
		ck_assert_uint_ge(l.n_errors, 1);
		free(want);
		free(got);
		free(e[i]);
		diag_list_free(&l);
	}
	free(e);
	ck_assert_int_eq(chdir(cwd), 0);
	ck_assert_int_eq(wrong, 0);
	return n;
}

START_TEST(topologies)
{
	ck_assert_int_ge(check_folder("topologies", NULL), 45);
}
END_TEST

START_TEST(drills)
{
	char path[4200];
	const char *src = getenv("VL_SRC");
	struct diag_list l;
	struct topo *mesh = NULL;
	struct err err = ERR_INIT;
	diag_list_init(&l);
	snprintf(path, sizeof path, "%s/tests/bad/drill-mesh.yaml", src ? src : ".");
	ck_assert_msg(topo_load(path, &l, &mesh, &err) == 0, "%s", err.text);
	diag_list_free(&l);
	ck_assert_int_ge(check_folder("drills", mesh), 75);
	topo_destroy(&mesh);
}
END_TEST

/* Loads a file as a topology, wants exactly one error and gives its text. */
static char *
only_error(const char *path)
{
	struct diag_list l;
	struct topo *t = NULL;
	struct err err = ERR_INIT;
	diag_list_init(&l);
	ck_assert_int_eq(topo_load(path, &l, &t, &err), ERR_INPUT);
	ck_assert_ptr_null(t);
	ck_assert_uint_eq(l.n_errors, 1);
	ck_assert_str_eq(l.d[0].file, path);
	char *text = strdup(l.d[0].text);
	ck_assert_ptr_nonnull(text);
	diag_list_free(&l);
	return text;
}

static void
make(char *path, size_t size, const char *head, size_t fill)
{
	snprintf(path, size, "%s/t.yaml", dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(head, f);
	for (size_t i = 0; i < fill; i++)
		fputc(i % 80 == 79 ? '\n' : '#', f);
	fputc('\n', f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(too_large)
{
	char path[300];
	make(path, sizeof path, "voltloom: 1\n#", 10 * 1000 * 1000);
	char *text = only_error(path);
	ck_assert_str_eq(text, "the file is larger than 1048576 bytes");
	free(text);
	unlink(path);
}
END_TEST

START_TEST(largest)
{
	/* One byte less than too large is read, and says what is really wrong with it. */
	char path[300];
	const char *head = "voltloom: 1\n#";
	make(path, sizeof path, head, YAMLDOC_BYTES_MAX - strlen(head) - 1);
	char *text = only_error(path);
	ck_assert_str_eq(text, "the mesh has no nodes");
	free(text);
	unlink(path);
}
END_TEST

START_TEST(folder)
{
	char *text = only_error(dir);
	ck_assert_str_eq(text, "cannot read the file: Is a directory");
	free(text);
}
END_TEST

START_TEST(missing)
{
	char path[300];
	snprintf(path, sizeof path, "%s/none.yaml", dir);
	char *text = only_error(path);
	ck_assert_str_eq(text, "cannot read the file: No such file or directory");
	free(text);
}
END_TEST

START_TEST(unreadable)
{
	char path[300];
	make(path, sizeof path, "voltloom: 1\n", 0);
	ck_assert_int_eq(chmod(path, 0), 0);
	if (access(path, R_OK)) { /* root reads everything */
		char *text = only_error(path);
		ck_assert_str_eq(text, "cannot read the file: Permission denied");
		free(text);
	}
	unlink(path);
}
END_TEST

START_TEST(endless)
{
	char *text = only_error("/dev/zero");
	ck_assert_str_eq(text, "the file is larger than 1048576 bytes");
	free(text);
}
END_TEST

START_TEST(very_deep)
{
	/* 500,000 brackets: the limit is met long before any stack is. */
	char path[300];
	snprintf(path, sizeof path, "%s/t.yaml", dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("nodes: ", f);
	for (int i = 0; i < 500000; i++)
		fputc('[', f);
	ck_assert_int_eq(fclose(f), 0);
	char *text = only_error(path);
	ck_assert_str_eq(text, "nested deeper than 32 levels");
	free(text);
	unlink(path);
}
END_TEST

START_TEST(many_keys)
{
	char path[300];
	snprintf(path, sizeof path, "%s/t.yaml", dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i <= YAMLDOC_KEYS_MAX; i++)
		fprintf(f, "k%d: 1\n", i);
	ck_assert_int_eq(fclose(f), 0);
	char *text = only_error(path);
	ck_assert_str_eq(text, "more than 512 keys in one mapping");
	free(text);
	unlink(path);
}
END_TEST

START_TEST(flood)
{
	/* More mistakes than anyone reads: the list is bounded and says how many are left out. */
	char path[300];
	enum { WRONG = 400 };
	struct diag_list l;
	struct topo *t = NULL;
	struct err err = ERR_INIT;
	snprintf(path, sizeof path, "%s/t.yaml", dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("voltloom: 1\nnodes:\n  - { id: n0, feed: { i_rated: 1A } }\n", f);
	for (int i = 0; i < WRONG; i++)
		fprintf(f, "  - { id: x%d, c_bus: 1 }\n", i);
	ck_assert_int_eq(fclose(f), 0);
	diag_list_init(&l);
	ck_assert_int_eq(topo_load(path, &l, &t, &err), ERR_INPUT);
	ck_assert_uint_eq(l.n_errors, WRONG);
	ck_assert_uint_eq(l.n, DIAG_MAX);
	ck_assert_uint_eq(l.suppressed, WRONG - DIAG_MAX);
	diag_list_free(&l);
	unlink(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bad input");
	TCase *c = tcase_create("files");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, topologies);
	tcase_add_test(c, drills);
	tcase_add_test(c, too_large);
	tcase_add_test(c, largest);
	tcase_add_test(c, folder);
	tcase_add_test(c, missing);
	tcase_add_test(c, unreadable);
	tcase_add_test(c, endless);
	tcase_add_test(c, very_deep);
	tcase_add_test(c, many_keys);
	tcase_add_test(c, flood);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
