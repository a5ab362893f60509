/* The YAML tree: places, aliases, merges, limits. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "yamldoc.h"

static struct diag_list l;
static struct yamldoc *doc;

static void
setup(void)
{
	diag_list_init(&l);
	doc = NULL;
}

static void
teardown(void)
{
	yamldoc_destroy(&doc);
	diag_list_free(&l);
}

static const struct yamldoc_node *
read_ok(const char *text)
{
	struct err err = ERR_INIT;
	yamldoc_destroy(&doc);
	int rc = yamldoc_parse("t", text, strlen(text), &l, &doc, &err);
	ck_assert_msg(rc == 0, "%s: %s", text, l.n ? l.d[0].text : err.text);
	return yamldoc_root(doc);
}

static void
read_bad(const char *text, unsigned line, unsigned column, const char *part)
{
	struct err err = ERR_INIT;
	struct yamldoc *d = NULL;
	diag_list_free(&l);
	int rc = yamldoc_parse("t", text, strlen(text), &l, &d, &err);
	yamldoc_destroy(&d);
	ck_assert_uint_ge(l.n_errors, 1);
	ck_assert_msg(rc == 0 || rc == ERR_INPUT, "%s", text);
	ck_assert_msg(strstr(l.d[0].text, part) != NULL, "%s: %s", text, l.d[0].text);
	ck_assert_uint_eq(l.d[0].line, line);
	ck_assert_uint_eq(l.d[0].column, column);
}

static void
place(const struct yamldoc_node *n, unsigned line, unsigned column, unsigned length)
{
	ck_assert_ptr_nonnull(n);
	ck_assert_uint_eq(n->line, line);
	ck_assert_uint_eq(n->column, column);
	ck_assert_uint_eq(n->length, length);
}

START_TEST(places)
{
	const struct yamldoc_node *r = read_ok("a: 1\nlist:\n  - x\n  - { k: vv, q: \"w w\" }\n");
	ck_assert_int_eq(r->kind, YAMLDOC_MAP);
	place(yamldoc_get(r, "a"), 1, 4, 1);
	const struct yamldoc_node *list = yamldoc_get(r, "list");
	ck_assert_int_eq(list->kind, YAMLDOC_LIST);
	ck_assert_uint_eq(list->n, 2);
	place(list->items[0], 3, 5, 1);
	place(list->items[1], 4, 5, 19);
	place(yamldoc_get(list->items[1], "k"), 4, 10, 2);
	const struct yamldoc_node *q = yamldoc_get(list->items[1], "q");
	place(q, 4, 17, 5);
	ck_assert(q->quoted);
	ck_assert_str_eq(q->text, "w w");
	ck_assert_ptr_null(yamldoc_get(r, "none"));
	ck_assert_ptr_null(yamldoc_get(list, "a"));
}
END_TEST

START_TEST(characters)
{
	/* Columns count characters; a byte order mark and CR LF do not shift anything. */
	const struct yamldoc_node *r =
		read_ok("\xef\xbb\xbf\xc3\xa4: { \xe2\x82\xac: 1 }\r\nb: 2\r\n");
	place(yamldoc_get(yamldoc_get(r, "\xc3\xa4"), "\xe2\x82\xac"), 1, 9, 1);
	place(yamldoc_get(r, "b"), 2, 4, 1);
	struct diag *d = yamldoc_diag(doc, &l, DIAG_NOTE, yamldoc_get(r, "b"), "x");
	ck_assert_str_eq(d->source, "b: 2");
}
END_TEST

START_TEST(aliases)
{
	const struct yamldoc_node *r = read_ok("a: &x { k: 1 }\nb: *x\nc: [*x, *x]\n");
	ck_assert_ptr_eq(yamldoc_get(r, "a"), yamldoc_get(r, "b"));
	ck_assert_ptr_eq(yamldoc_get(r, "a"), yamldoc_get(r, "c")->items[1]);
	/* An anchor that is given again counts from there on. */
	r = read_ok("a: &x 1\nb: &x 2\nc: *x\n");
	ck_assert_str_eq(yamldoc_get(r, "c")->text, "2");
	read_bad("a: *x\n", 1, 4, "has no anchor before it");
	read_bad("a: &x [*x]\n", 1, 8, "has no anchor before it");
}
END_TEST

START_TEST(merges)
{
	const struct yamldoc_node *r = read_ok("a: &a { k: 1, m: 2 }\nb: &b { m: 3, o: 4 }\n"
	                                       "c: { <<: [*a, *b], k: 9 }\nd: { <<: *b }\n");
	const struct yamldoc_node *c = yamldoc_get(r, "c");
	ck_assert_uint_eq(c->n, 3);
	ck_assert_str_eq(yamldoc_get(c, "k")->text, "9"); /* its own */
	ck_assert_str_eq(yamldoc_get(c, "m")->text, "2"); /* the first of the list */
	ck_assert_str_eq(yamldoc_get(c, "o")->text, "4");
	ck_assert_str_eq(yamldoc_get(yamldoc_get(r, "d"), "m")->text, "3");
	r = read_ok("a: { \"<<\": 1 }\n"); /* in quotes it is a key like any other */
	ck_assert_str_eq(yamldoc_get(yamldoc_get(r, "a"), "<<")->text, "1");
}
END_TEST

START_TEST(refused)
{
	read_bad("", 0, 0, "empty");
	read_bad("# c\n", 0, 0, "empty");
	read_bad("a: 1\n---\nb: 2\n", 2, 1, "second document");
	read_bad("a: 1\na: 2\n", 2, 1, "twice, first in line 1");
	read_bad("a: !x 1\n", 1, 4, "tags");
	read_bad("? [a]\n: 1\n", 1, 3, "a key must be a word");
	read_bad("a: \"\\q\"\n", 1, 5, "unknown escape");
	read_bad("a: \xff\n", 1, 4, "not UTF-8");
	read_bad("a: \xc0\xaf\n", 1, 4, "not UTF-8");         /* overlong */
	read_bad("a: \xed\xa0\x80\n", 1, 4, "not UTF-8");     /* surrogate */
	read_bad("a: \xf4\x90\x80\x80\n", 1, 4, "not UTF-8"); /* above U+10FFFF */
	read_bad("a: \xe2\x82", 1, 4, "not UTF-8");           /* cut off */
	read_bad("a: 1\n\tb: 2\n", 2, 1, "tab character");
}
END_TEST

START_TEST(duplicates_do_not_stop)
{
	struct err err = ERR_INIT;
	const char *text = "a: 1\na: 2\nb: { c: 1, c: 2, c: 3 }\n";
	ck_assert_int_eq(yamldoc_parse("t", text, strlen(text), &l, &doc, &err), 0);
	ck_assert_uint_eq(l.n_errors, 3);
	ck_assert_str_eq(yamldoc_get(yamldoc_root(doc), "a")->text, "1");
}
END_TEST

START_TEST(depth)
{
	char text[2 * YAMLDOC_DEPTH_MAX + 3] = "";
	memset(text, '[', YAMLDOC_DEPTH_MAX);
	memset(text + YAMLDOC_DEPTH_MAX, ']', YAMLDOC_DEPTH_MAX);
	read_ok(text);
	memset(text, '[', YAMLDOC_DEPTH_MAX + 1);
	memset(text + YAMLDOC_DEPTH_MAX + 1, ']', YAMLDOC_DEPTH_MAX + 1);
	read_bad(text, 1, YAMLDOC_DEPTH_MAX + 1, "nested deeper than 32 levels");
}
END_TEST

START_TEST(prefixes)
{
	/* Every beginning of a file is read or refused, never more; run under the sanitizers. */
	static const char text[] = "voltloom: 1\na: &x { k: [1, 'q', \"\\u00e4\"], <<: {z: 1} "
	                           "}\nb: *x\n? c\n: |\n  t\n";
	for (size_t i = 0; i < sizeof text; i++) {
		struct err err = ERR_INIT;
		struct yamldoc *d = NULL;
		int rc = yamldoc_parse("t", text, i, &l, &d, &err);
		ck_assert(rc == 0 || (rc == ERR_INPUT && d == NULL));
		yamldoc_destroy(&d);
		diag_list_free(&l);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("yamldoc");
	TCase *c = tcase_create("documents");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, places);
	tcase_add_test(c, characters);
	tcase_add_test(c, aliases);
	tcase_add_test(c, merges);
	tcase_add_test(c, refused);
	tcase_add_test(c, duplicates_do_not_stop);
	tcase_add_test(c, depth);
	tcase_add_test(c, prefixes);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
