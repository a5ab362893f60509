/* Diagnostics: layout to the character, order, nearest names. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

static struct diag_list l;

static void
setup(void)
{
	diag_list_init(&l);
}

static void
teardown(void)
{
	diag_list_free(&l);
}

static void
expect(enum diag_format fmt, const char *want)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(f);
	diag_print(&l, f, fmt);
	fclose(f);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(layout)
{
	struct diag *d = diag_add(&l, DIAG_ERROR, "topologies/bad.yaml", 6, 5, 6, "    inital: 48V",
	                          "unknown key '%s' in node '%s'", "inital", "n2");
	diag_help(d, "did you mean '%s'?", "initial");
	expect(DIAG_TEXT, "topologies/bad.yaml:6:5: error: unknown key 'inital' in node 'n2'\n"
	                  "    6 |     inital: 48V\n"
	                  "      |     ^~~~~~\n"
	                  "      = help: did you mean 'initial'?\n");
	ck_assert_uint_eq(l.n_errors, 1);
}
END_TEST

START_TEST(characters)
{
	/* Columns are characters, not bytes; a tab stays a tab so that the caret is below its
	 * place. */
	diag_add(&l, DIAG_NOTE, "f", 12, 4, 2, "\t\xc3\xa4\xc3\xb6xy", "here");
	expect(DIAG_TEXT, "f:12:4: note: here\n"
	                  "   12 | \t\xc3\xa4\xc3\xb6xy\n"
	                  "      | \t  ^~\n");
}
END_TEST

START_TEST(no_place)
{
	diag_add(&l, DIAG_WARNING, "f", 0, 0, 0, NULL, "as a whole");
	diag_add(&l, DIAG_ERROR, NULL, 0, 0, 0, NULL, "nowhere");
	expect(DIAG_TEXT, "f: warning: as a whole\nerror: nowhere\n");
}
END_TEST

START_TEST(terminal_controls)
{
	/* A file must not be able to write to the terminal of who reads about it. */
	diag_add(&l, DIAG_ERROR, "f", 1, 1, 1, "a\x1b[31mb", "bad '%s'", "\x1b[2J\n");
	expect(DIAG_TEXT, "f:1:1: error: bad '?[2J?'\n"
	                  "    1 | a?[31mb\n"
	                  "      | ^\n");
}
END_TEST

START_TEST(long_line)
{
	char line[4001];
	memset(line, 'x', 4000);
	line[4000] = '\0';
	line[2999] = 'Y';
	diag_add(&l, DIAG_ERROR, "f", 1, 3000, 1, line, "there");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	diag_print(&l, f, DIAG_TEXT);
	fclose(f);
	ck_assert_uint_lt(size, 500);
	char *y = strchr(strchr(text, '\n') + 1, 'Y'), *row = strchr(text, '\n') + 1;
	char *caret = strchr(y, '^'), *row2 = strchr(row, '\n') + 1;
	ck_assert_ptr_nonnull(caret);
	ck_assert_int_eq(y - row, caret - row2);
	free(text);
}
END_TEST

START_TEST(github)
{
	struct diag *d = diag_add(&l, DIAG_ERROR, "a,b:c.yaml", 3, 7, 1, "x", "50%% off");
	diag_help(d, "why");
	diag_add(&l, DIAG_NOTE, NULL, 0, 0, 0, NULL, "n");
	expect(DIAG_GITHUB,
	       "::error file=a%2Cb%3Ac.yaml,line=3,col=7::50%25 off - why\n::notice ::n\n");
}
END_TEST

START_TEST(json)
{
	diag_add(&l, DIAG_ERROR, "a\"b", 3, 7, 2, "x", "t");
	expect(DIAG_JSON, "{\"level\":\"error\",\"file\":\"a\\\"b\",\"line\":3,\"column\":7,"
	                  "\"length\":2,\"text\":\"t\","
	                  "\"help\":null}\n");
}
END_TEST

START_TEST(order)
{
	static const unsigned places[][2] = { { 5, 1 }, { 0, 0 }, { 2, 9 },
		                              { 2, 3 }, { 5, 1 }, { 1, 1 } };
	static const int wanted[] = { 5, 3, 2, 0, 4, 1 };
	for (int i = 0; i < 6; i++)
		diag_add(&l, DIAG_ERROR, "f", places[i][0], places[i][1], 1, NULL, "%d", i);
	diag_list_sort(&l, 0);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(atoi(l.d[i].text), wanted[i]);
}
END_TEST

START_TEST(limit)
{
	for (int i = 0; i < DIAG_MAX + 7; i++)
		diag_help(diag_add(&l, DIAG_ERROR, "f", 1, 1, 1, NULL, "e"), "h");
	ck_assert_uint_eq(l.n, DIAG_MAX);
	ck_assert_uint_eq(l.suppressed, 7);
	ck_assert_uint_eq(l.n_errors, DIAG_MAX + 7);
}
END_TEST

START_TEST(nearest)
{
	static const char *const names[] = { "initial", "c_bus", "supercap", "feed", "load",
		                             "at",      "id",    "n1",       "n12" };
	const size_t n = sizeof names / sizeof *names;
	static const struct {
		const char *word, *near;
	} rows[] = {
		{ "inital", "initial" }, { "intiial", "initial" },
		{ "cbus", "c_bus" },     { "super_cap", "supercap" },
		{ "fede", "feed" },      { "laod", "load" },
		{ "ta", "at" },          { "n2", "n1" },
		{ "converter", NULL },   { "", NULL },
		{ "zzzz", NULL },        { "n13", "n1" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *near = diag_nearest(rows[i].word, names, n);
		if (rows[i].near)
			ck_assert_msg(near && !strcmp(near, rows[i].near), "%s -> %s", rows[i].word,
			              near ? near : "-");
		else
			ck_assert_msg(near == NULL, "%s -> %s", rows[i].word, near);
	}
	char huge[500];
	memset(huge, 'a', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	ck_assert_ptr_null(diag_nearest(huge, names, n));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("diag");
	TCase *c = tcase_create("diagnostics");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, layout);
	tcase_add_test(c, characters);
	tcase_add_test(c, no_place);
	tcase_add_test(c, terminal_controls);
	tcase_add_test(c, long_line);
	tcase_add_test(c, github);
	tcase_add_test(c, json);
	tcase_add_test(c, order);
	tcase_add_test(c, limit);
	tcase_add_test(c, nearest);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
