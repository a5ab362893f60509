/* JSON that is written: commas, escapes, bad UTF-8, numbers that read back. Texts from RFC 8259. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"

static char *out;
static size_t len;
static FILE *f;
static struct json_out j;

static void
setup(void)
{
	f = open_memstream(&out, &len);
	ck_assert_ptr_nonnull(f);
	json_out_init(&j, f);
}

static void
teardown(void)
{
	free(out);
	out = NULL;
}

START_TEST(test_nesting)
{
	json_out_object(&j, NULL);
	json_out_int(&j, "a", -1);
	json_out_array(&j, "b");
	json_out_end(&j);
	json_out_array(&j, "c");
	json_out_bool(&j, NULL, true);
	json_out_object(&j, NULL);
	json_out_end(&j);
	json_out_text(&j, NULL, NULL);
	json_out_end(&j);
	json_out_text(&j, "d", "x");
	json_out_end(&j);
	fclose(f);
	ck_assert_str_eq(out, "{\"a\":-1,\"b\":[],\"c\":[true,{},null],\"d\":\"x\"}\n");
}
END_TEST

static const struct {
	const char *text, *json;
} strings[] = {
	{ "", "\"\"" },
	{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
	{ "\n\t\r\001\177", "\"\\n\\t\\u000d\\u0001\\u007f\"" },
	{ "\303\251 \342\202\254 \360\235\204\236", "\"\303\251 \342\202\254 \360\235\204\236\"" },
	/* lone continuation, overlong, surrogate, above U+10FFFF, cut */
	{ "\200", "\"\357\277\275\"" },
	{ "\300\200", "\"\357\277\275\357\277\275\"" },
	{ "\355\240\200", "\"\357\277\275\357\277\275\357\277\275\"" },
	{ "\364\220\200\200", "\"\357\277\275\357\277\275\357\277\275\357\277\275\"" },
	{ "\342\202", "\"\357\277\275\357\277\275\"" },
	{ "\303", "\"\357\277\275\"" },
};

START_TEST(test_strings)
{
	char want[64];
	json_out_array(&j, NULL);
	json_out_text(&j, NULL, strings[_i].text);
	json_out_end(&j);
	fclose(f);
	snprintf(want, sizeof want, "[%s]\n", strings[_i].json);
	ck_assert_str_eq(out, want);
}
END_TEST

START_TEST(test_numbers)
{
	static const double values[] = { 0.1,
		                         1.0 / 3,
		                         48,
		                         -2.5e-300,
		                         1.7976931348623157e308,
		                         4.9406564584124654e-324,
		                         123456789.12345679 };
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		json_out_array(&j, NULL);
		json_out_real(&j, NULL, values[i]);
		json_out_end(&j);
		fclose(f);
		ck_assert(strtod(out + 1, NULL) == values[i]);
		teardown();
		setup();
	}
	json_out_array(&j, NULL);
	json_out_real(&j, NULL, NAN);
	json_out_real(&j, NULL, -INFINITY);
	json_out_real(&j, NULL, 0.1);
	json_out_int(&j, NULL, INT64_MIN);
	json_out_end(&j);
	fclose(f);
	ck_assert_str_eq(out, "[null,null,0.1,-9223372036854775808]\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("json_out");
	TCase *t = tcase_create("json_out");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_nesting);
	tcase_add_loop_test(t, test_strings, 0, sizeof strings / sizeof *strings);
	tcase_add_test(t, test_numbers);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
