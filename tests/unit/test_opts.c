/* Arguments of verbs: what is accepted, what is refused, and with which words. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "opts.h"

enum { O_ID, O_LEVEL, O_WAIT, O_SEED, O_SPEED, O_QUIET, O_FOR, O_REST, N_OPTS };
static const struct opt rows[N_OPTS] = {
	[O_ID] = { "ID", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED, "ID", "", UNIT_NONE },
	[O_LEVEL] = { "LEVEL", 0, OPT_VALUE, OPT_POSITIONAL, "1kW", "", UNIT_WATT },
	[O_WAIT] = { "wait", 'w', OPT_CHOICE, 0, "restored|never", "", UNIT_NONE },
	[O_SEED] = { "seed", 's', OPT_COUNT, 0, "N", "", UNIT_NONE },
	[O_SPEED] = { "speed", 0, OPT_SPEED, 0, "X", "", UNIT_NONE },
	[O_QUIET] = { "quiet", 'q', OPT_FLAG, 0, NULL, "", UNIT_NONE },
	[O_FOR] = { "for", 'f', OPT_TIME, 0, "600ms", "", UNIT_NONE },
	[O_REST] = { "REST", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY, "REST", "", UNIT_NONE },
};

enum { ARGS_MAX = 12 };
static struct opt_value v[N_OPTS];
static char help[256], line[256];
static char *argv[ARGS_MAX];
static struct err err;

static int
parse(const char *words)
{
	int argc = 0;
	char *save = NULL;
	snprintf(line, sizeof line, "%s", words);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ck_assert_int_lt(argc, ARGS_MAX);
		argv[argc++] = w;
	}
	err = (struct err)ERR_INIT;
	return opts_parse(rows, N_OPTS, argc, argv, v, help, &err);
}

START_TEST(test_forms)
{
	ck_assert_int_eq(parse("n3 --wait restored -s 7 -q --for=600ms 1kW"), 0);
	ck_assert_str_eq(v[O_ID].text, "n3");
	ck_assert(v[O_LEVEL].given && v[O_LEVEL].real == 1000.0);
	ck_assert(v[O_WAIT].given && v[O_WAIT].choice == 0);
	ck_assert(v[O_SEED].count == 7);
	ck_assert(v[O_QUIET].given);
	ck_assert(v[O_FOR].ns == 600000000);
	ck_assert(!v[O_SPEED].given && !v[O_REST].given);
	/* options before words, value stuck to its letter, bundled flags */
	ck_assert_int_eq(parse("-qs18446744073709551615 --wait=never n3"), 0);
	ck_assert(v[O_SEED].count == UINT64_MAX && v[O_QUIET].given && v[O_WAIT].choice == 1);
	/* what stands after "--" is a word */
	ck_assert_int_eq(parse("-- --seed"), 0);
	ck_assert_str_eq(v[O_ID].text, "--seed");
	ck_assert_int_eq(parse("n3 --help"), OPTS_HELP);
	ck_assert_int_eq(parse("-qh"), OPTS_HELP);
}
END_TEST

START_TEST(test_many)
{
	ck_assert_int_eq(parse("a 1W b -q c --seed 1 d"), 0);
	ck_assert_uint_eq(v[O_REST].n, 3);
	ck_assert_str_eq(v[O_REST].words[0], "b");
	ck_assert_str_eq(v[O_REST].words[1], "c");
	ck_assert_str_eq(v[O_REST].words[2], "d");
	ck_assert(v[O_QUIET].given && v[O_SEED].count == 1);
}
END_TEST

START_TEST(test_speed)
{
	ck_assert_int_eq(parse("a --speed max"), 0);
	ck_assert(v[O_SPEED].given && v[O_SPEED].real == 0);
	ck_assert_int_eq(parse("a --speed 0.1"), 0);
	ck_assert(v[O_SPEED].real == 0.1);
	ck_assert_int_eq(parse("a --speed 0"), ERR_USAGE);
	ck_assert_int_eq(parse("a --speed -1"), ERR_USAGE);
	ck_assert_int_eq(parse("a --speed nan"), ERR_USAGE);
	ck_assert_int_eq(parse("a --speed fast"), ERR_USAGE);
}
END_TEST

/* words, part of the sentence, part of the hint */
static const struct {
	const char *words, *says, *helps;
} refused[] = {
	{ "", "ID is missing", "" },
	{ "a --wiat restored", "unknown option '--wiat'", "did you mean '--wait'?" },
	{ "a -x", "unknown option '-x'", "" },
	{ "a --wait restord", "'restord' is none of restored|never", "did you mean 'restored'?" },
	{ "a --seed", "--seed needs a value (N)", "" },
	{ "a --seed --quiet", "--seed needs a value", "" },
	{ "a --seed 1 --seed 2", "--seed is given twice", "" },
	{ "a --seed -1", "'-1' is not a whole number", "" },
	{ "a --seed 1x", "'1x' is not a whole number", "" },
	{ "a --seed 18446744073709551616", "is not a whole number", "" },
	{ "a --quiet=yes", "--quiet takes no value", "" },
	{ "a 5", "LEVEL", "" },
	{ "a 5V", "LEVEL", "" },
	{ "a --for 600", "--for", "" },
	{ "a --for 0.1ns", "--for", "" },
	{ "a --for -1ms", "--for", "" },
};

START_TEST(test_refused)
{
	ck_assert_int_eq(parse(refused[_i].words), ERR_USAGE);
	ck_assert_msg(strstr(err.text, refused[_i].says), "%s: %s", refused[_i].words, err.text);
	ck_assert_str_eq(help, refused[_i].helps);
}
END_TEST

START_TEST(test_one_too_many)
{
	err = (struct err)ERR_INIT;
	char a[] = "a", b[] = "1W", c[] = "c", *words[] = { a, b, c };
	ck_assert_int_eq(opts_parse(rows, O_REST, 3, words, v, help, &err), ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "'c' is one word too many"));
}
END_TEST

/* A row that passes everything on leaves even --help alone. */
START_TEST(test_pass)
{
	static const struct opt pass[] = {
		{ "ARGS", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY | OPT_PASS, "ARGS", "", UNIT_NONE }
	};
	char a[] = "--help", b[] = "--", *words[] = { a, b };
	struct opt_value one;
	ck_assert_int_eq(opts_parse(pass, 1, 2, words, &one, help, &err), 0);
	ck_assert_uint_eq(one.n, 2);
	ck_assert_str_eq(one.words[0], "--help");
	ck_assert_int_eq(opts_parse(pass, 1, 0, words, &one, help, &err), 0);
	ck_assert_uint_eq(one.n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("opts");
	TCase *t = tcase_create("opts");
	tcase_add_test(t, test_forms);
	tcase_add_test(t, test_many);
	tcase_add_test(t, test_speed);
	tcase_add_loop_test(t, test_refused, 0, sizeof refused / sizeof *refused);
	tcase_add_test(t, test_one_too_many);
	tcase_add_test(t, test_pass);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
