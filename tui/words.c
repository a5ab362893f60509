#include "words.h"

#include <math.h>
#include <stdio.h>

const char *
words_number(char buf[WORDS_MAX], double x, int digits, int sign)
{
	if (isnan(x))
		snprintf(buf, WORDS_MAX, "-");
	else if (fabs(x) >= 1e9)
		snprintf(buf, WORDS_MAX, "%.1e", x);
	else
		snprintf(buf, WORDS_MAX, sign ? "%+.*f" : "%.*f", digits, x);
	return buf;
}

const char *
words_scaled(char buf[WORDS_MAX], double x, const char *unit, int sign)
{
	static const struct {
		double from, by; /* rounded to the digits that are shown */
		int digits;
		const char *prefix;
	} rows[] = {
		{ 99.95e6, 1e6, 0, "M" }, { 9.995e6, 1e6, 1, "M" }, { 999.5e3, 1e6, 2, "M" },
		{ 99.95e3, 1e3, 0, "k" }, { 9.995e3, 1e3, 1, "k" }, { 999.5, 1e3, 2, "k" },
		{ 9.95, 1, 0, "" },       { 0.05, 1, 1, "" },       { 0, 1, 0, "" },
	};
	if (isnan(x)) {
		snprintf(buf, WORDS_MAX, "-");
		return buf;
	}
	if (fabs(x) >= 1e15) {
		snprintf(buf, WORDS_MAX, "%.0e%s", x, unit);
		return buf;
	}
	unsigned i = 0;
	while (fabs(x) < rows[i].from)
		i++;
	double shown = x / rows[i].by;
	if (rows[i].from == 0)
		shown = 0; /* no "-0" */
	snprintf(buf, WORDS_MAX, sign ? "%+.*f%s%s" : "%.*f%s%s", rows[i].digits, shown,
	         rows[i].prefix, unit);
	return buf;
}

const char *
words_percent(char buf[WORDS_MAX], double fraction)
{
	if (isnan(fraction))
		snprintf(buf, WORDS_MAX, "-");
	else
		snprintf(buf, WORDS_MAX, "%.0f%%", fmin(fmax(fraction, -9.99), 9.99) * 100);
	return buf;
}

const char *
words_time(char buf[WORDS_MAX], int64_t t_ns, int digits)
{
	int64_t ms = t_ns / 1000000;
	int n = snprintf(buf, WORDS_MAX, "%02lld:%02lld:%02lld.%03lld", (long long)(ms / 3600000),
	                 (long long)(ms / 60000 % 60), (long long)(ms / 1000 % 60),
	                 (long long)(ms % 1000));
	if (n > 0 && n < WORDS_MAX && digits < 3)
		buf[n - 3 + digits - (digits == 0)] = '\0';
	return buf;
}

const char *
words_speed(char buf[WORDS_MAX], double speed)
{
	if (isnan(speed))
		snprintf(buf, WORDS_MAX, "-");
	else if (speed == 0)
		snprintf(buf, WORDS_MAX, "max");
	else
		snprintf(buf, WORDS_MAX, speed < 0.095 ? "x%.2g" : "x%.1f", speed);
	return buf;
}
