/* Values with units: the decimal text decides, to the last bit. */
#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

START_TEST(good)
{
	/* The compiler's own conversion of the same decimal number is the reference. */
	static const struct {
		const char *text;
		enum unit unit;
		double value;
	} rows[] = {
		{ "48V", UNIT_VOLT, 48 },
		{ "15.36mOhm", UNIT_OHM, 0.01536 },
		{ "15.359999999999999mOhm", UNIT_OHM, 0.015359999999999999 },
		{ "20mF", UNIT_FARAD, 0.02 },
		{ "2e-06H", UNIT_HENRY, 2e-06 },
		{ "4.8299999999999995e-06H", UNIT_HENRY, 4.8299999999999995e-06 },
		{ "300ms", UNIT_SECOND, 0.3 },
		{ "1kW", UNIT_WATT, 1000 },
		{ "1e3W", UNIT_WATT, 1000 },
		{ "-0.5V", UNIT_VOLT, -0.5 },
		{ "0V", UNIT_VOLT, 0 },
		{ "5%", UNIT_PERCENT, 0.05 },
		{ "0.1%", UNIT_PERCENT, 0.001 },
		{ "100Mbit", UNIT_BIT, 1e8 },
		{ "4.7uH", UNIT_HENRY, 4.7e-6 },
		{ "3pF", UNIT_FARAD, 3e-12 },
		{ "7nH", UNIT_HENRY, 7e-9 },
		{ "2GW", UNIT_WATT, 2e9 },
		{ "5kA2s", UNIT_A2S, 5000 },
		{ "200kHz", UNIT_HERTZ, 200e3 },
		{ "22ns", UNIT_SECOND, 22e-9 },
		{ "45000", UNIT_NONE, 45000 },
		{ "0.25", UNIT_NONE, 0.25 },
		{ "1m", UNIT_END_, 0 },
	};
	for (size_t i = 0; rows[i].unit != UNIT_END_; i++) {
		char why[UNIT_WHY_MAX] = "";
		double v = NAN;
		ck_assert_msg(unit_parse(rows[i].text, rows[i].unit, &v, why) == 0, "%s: %s",
		              rows[i].text, why);
		ck_assert_msg(v == rows[i].value, "%s: %.17g", rows[i].text, v);
	}
}
END_TEST

START_TEST(bad)
{
	static const struct {
		const char *text;
		enum unit unit;
		const char *part; /* of the reason */
	} rows[] = {
		{ "48", UNIT_VOLT, "has no unit: a voltage is wanted, like 48V" },
		{ "48A", UNIT_VOLT, "is a current; a voltage in V is wanted" },
		{ "48v", UNIT_VOLT, "'v' is not a unit" },
		{ "48 V", UNIT_VOLT, "has a space before its unit" },
		{ "1mm", UNIT_OHM, "'mm' is not a unit" },
		{ "10ohm", UNIT_OHM, "'ohm' is not a unit" },
		{ "20\xc2\xb5"
		  "F",
		  UNIT_FARAD, "write 'u' for micro" },
		{ "5m%", UNIT_PERCENT, "'m%' is not a unit" },
		{ "", UNIT_VOLT, "is not a number" },
		{ "V", UNIT_VOLT, "is not a number" },
		{ "nan", UNIT_VOLT, "is not a number" },
		{ ".nan", UNIT_VOLT, "is not a number" },
		{ "inf", UNIT_VOLT, "is not a number" },
		{ "+1V", UNIT_VOLT, "is not a number" },
		{ ".5V", UNIT_VOLT, "is not a number" },
		{ "0x10V", UNIT_VOLT, "'x10V' is not a unit" },
		{ "1,5V", UNIT_VOLT, "',5V' is not a unit" },
		{ "1e400V", UNIT_VOLT, "is too large for a number" },
		{ "1e99999999999999999999V", UNIT_VOLT, "is too large for a number" },
		{ "1V", UNIT_NONE, "a number without a unit is wanted" },
		{ "1111111111111111111111111111111111111111111111111111111111111111111111V",
		  UNIT_VOLT, "is too long" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char why[UNIT_WHY_MAX] = "";
		double v = 42;
		ck_assert_msg(unit_parse(rows[i].text, rows[i].unit, &v, why) != 0, "%s",
		              rows[i].text);
		ck_assert_msg(strstr(why, rows[i].part) != NULL, "%s: %s", rows[i].text, why);
		ck_assert_double_eq(v, 42);
	}
}
END_TEST

START_TEST(nanoseconds)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{ "300ms", 300000000 },
		{ "0.3s", 300000000 },
		{ "0.3000000000s", 300000000 },
		{ "400.5ms", 400500000 },
		{ "1ns", 1 },
		{ "1e-9s", 1 },
		{ "1000ps", 1 },
		{ "0.1us", 100 },
		{ "0s", 0 },
		{ "0.000ps", 0 },
		{ "-5ms", -5000000 },
		{ "999999999s", INT64_C(999999999000000000) },
		{ "1e6s", INT64_C(1000000000000000) },
		{ "00012us", 12000 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char why[UNIT_WHY_MAX] = "";
		int64_t ns = -1;
		ck_assert_msg(unit_parse_ns(rows[i].text, &ns, why) == 0, "%s: %s", rows[i].text,
		              why);
		ck_assert_msg(ns == rows[i].ns, "%s: %lld", rows[i].text, (long long)ns);
	}
	static const char *const wrong[] = { "0.5ns", "1ps", "0.1234567891s", "1e9s", "1e300s", "5",
		                             "5V",    "s" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char why[UNIT_WHY_MAX] = "";
		int64_t ns = 7;
		ck_assert_msg(unit_parse_ns(wrong[i], &ns, why) != 0, "%s", wrong[i]);
		ck_assert_int_eq(ns, 7);
		ck_assert_uint_gt(strlen(why), 0);
	}
}
END_TEST

START_TEST(format)
{
	static const struct {
		double value;
		enum unit unit;
		const char *text;
	} rows[] = {
		{ 48, UNIT_VOLT, "48V" },       { 0.01536, UNIT_OHM, "15.36mOhm" },
		{ 2e-6, UNIT_HENRY, "2uH" },    { 1000, UNIT_WATT, "1kW" },
		{ 0.05, UNIT_PERCENT, "5%" },   { 1e8, UNIT_BIT, "100Mbit" },
		{ 0, UNIT_AMPERE, "0A" },       { -0.25, UNIT_VOLT, "-250mV" },
		{ 1e-4, UNIT_SECOND, "100us" }, { 999.9, UNIT_WATT, "999.9W" },
		{ 0.02, UNIT_FARAD, "20mF" },   { 4e-10, UNIT_HENRY, "400pH" },
	};
	char buf[64];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_str_eq(unit_format(buf, sizeof buf, rows[i].value, rows[i].unit),
		                 rows[i].text);
}
END_TEST

START_TEST(round_trip)
{
	/* What is written is read back, to the six digits that are written, over the whole range.
	 */
	char buf[64], why[UNIT_WHY_MAX];
	for (int e = -11; e <= 11; e++)
		for (double m = 1; m < 9.9995; m += 0.3337)
			for (unsigned u = UNIT_NONE; u < UNIT_END_; u++) {
				double v = m * pow(10, e), back;
				unit_format(buf, sizeof buf, v, (enum unit)u);
				ck_assert_msg(unit_parse(buf, (enum unit)u, &back, why) == 0,
				              "%s: %s", buf, why);
				ck_assert_msg(fabs(back - v) <= 6e-6 * v, "%.9g -> %s -> %.9g", v,
				              buf, back);
			}
}
END_TEST

START_TEST(other_locale)
{
	char why[UNIT_WHY_MAX];
	double v;
	static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE" };
	for (size_t i = 0; i < 3; i++)
		setlocale(LC_ALL, names[i]);
	ck_assert_int_eq(unit_parse("15.36mOhm", UNIT_OHM, &v, why), 0);
	ck_assert(v == 0.01536);
	setlocale(LC_ALL, "C");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("unit");
	TCase *c = tcase_create("values");
	tcase_add_test(c, good);
	tcase_add_test(c, bad);
	tcase_add_test(c, nanoseconds);
	tcase_add_test(c, format);
	tcase_add_test(c, round_trip);
	tcase_add_test(c, other_locale);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
