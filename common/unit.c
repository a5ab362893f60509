#include "unit.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *symbol, *quantity, *example;
	bool prefix;
} units[UNIT_END_] = {
	[UNIT_NONE] = { "", "a number", "1", false },
	[UNIT_VOLT] = { "V", "a voltage", "48V", true },
	[UNIT_AMPERE] = { "A", "a current", "62.5A", true },
	[UNIT_WATT] = { "W", "a power", "1kW", true },
	[UNIT_OHM] = { "Ohm", "a resistance", "15.36mOhm", true },
	[UNIT_FARAD] = { "F", "a capacitance", "20mF", true },
	[UNIT_HENRY] = { "H", "an inductance", "2uH", true },
	[UNIT_SECOND] = { "s", "a time", "300ms", true },
	[UNIT_JOULE] = { "J", "an energy", "5J", true },
	[UNIT_PERCENT] = { "%", "a percentage", "5%", false },
	[UNIT_BIT] = { "bit", "a bit rate", "100Mbit", true },
	[UNIT_A2S] = { "A2s", "an I2t", "5000A2s", true },
	[UNIT_CELSIUS] = { "degC", "a temperature", "25degC", false },
	[UNIT_K_PER_W] = { "K/W", "a thermal resistance", "500mK/W", true },
	[UNIT_J_PER_K] = { "J/K", "a heat capacity", "500J/K", true },
	[UNIT_HERTZ] = { "Hz", "a frequency", "200kHz", true },
};

static const struct {
	char letter;
	int exponent;
} prefixes[] = { { 'p', -12 }, { 'n', -9 }, { 'u', -6 }, { 'm', -3 },
	         { 'k', 3 },   { 'M', 6 },  { 'G', 9 } };

enum {
	UNIT_TEXT_MAX = 63, /* characters of a value */
	UNIT_EXP_MAX = 400, /* an exponent beyond this is out of every range */
	NS_DIGITS_MAX = 18, /* decimal digits that always fit an int64_t */
};

/* A value taken apart: -DIGITS.DIGITS e EXP, prefix and unit. */
struct parts {
	bool negative;
	char digits[UNIT_TEXT_MAX + 1]; /* all digits, without the point */
	size_t n;
	int exponent;     /* of the last digit, without the prefix */
	const char *rest; /* prefix and unit */
};

const char *
unit_symbol(enum unit u)
{
	return units[u].symbol;
}

const char *
unit_quantity(enum unit u)
{
	return units[u].quantity;
}

static int
why_not(char *why, const char *text, const char *reason)
{
	snprintf(why, UNIT_WHY_MAX, "'%.*s' %s", UNIT_TEXT_MAX, text, reason);
	return -1;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
take_apart(const char *text, struct parts *p)
{
	const char *s = text;
	memset(p, 0, sizeof *p);
	if (strlen(text) > UNIT_TEXT_MAX)
		return -1;
	p->negative = *s == '-';
	s += p->negative;
	if (!is_digit(*s))
		return -1;
	while (is_digit(*s))
		p->digits[p->n++] = *s++;
	if (*s == '.' && is_digit(s[1]))
		for (s++; is_digit(*s); p->exponent--)
			p->digits[p->n++] = *s++;
	if (*s == 'e' && (is_digit(s[1]) || (s[1] == '-' && is_digit(s[2])))) {
		bool neg = s[1] == '-';
		int e = 0;
		for (s += 1 + neg; is_digit(*s); s++)
			if (e <= UNIT_EXP_MAX)
				e = 10 * e + (*s - '0');
		p->exponent += neg ? -e : e;
	}
	p->rest = s;
	return 0;
}

/* The unit that `rest` spells, with its prefix exponent; UNIT_END_ when it is none. */
static enum unit
spelled(const char *rest, int *exponent)
{
	*exponent = 0;
	for (unsigned u = 0; u < UNIT_END_; u++)
		if (!strcmp(rest, units[u].symbol))
			return (enum unit)u;
	for (size_t i = 0; *rest && i < sizeof prefixes / sizeof *prefixes; i++) {
		if (*rest != prefixes[i].letter)
			continue;
		for (unsigned u = 1; u < UNIT_END_; u++)
			if (units[u].prefix && !strcmp(rest + 1, units[u].symbol)) {
				*exponent = prefixes[i].exponent;
				return (enum unit)u;
			}
	}
	return UNIT_END_;
}

static int
wrong_unit(const char *text, const struct parts *p, enum unit got, enum unit want, char *why)
{
	if (got == UNIT_NONE)
		snprintf(why, UNIT_WHY_MAX, "'%s' has no unit: %s is wanted, like %s", text,
		         units[want].quantity, units[want].example);
	else if (got != UNIT_END_ && want == UNIT_NONE)
		snprintf(why, UNIT_WHY_MAX, "'%s' is %s; a number without a unit is wanted", text,
		         units[got].quantity);
	else if (got != UNIT_END_)
		snprintf(why, UNIT_WHY_MAX, "'%s' is %s; %s in %s is wanted, like %s", text,
		         units[got].quantity, units[want].quantity, units[want].symbol,
		         units[want].example);
	else if (*p->rest == ' ')
		snprintf(why, UNIT_WHY_MAX, "'%s' has a space before its unit; write it like %s",
		         text, units[want].example);
	else if (!strncmp(p->rest, "\xc2\xb5", 2) || !strncmp(p->rest, "\xce\xbc", 2))
		snprintf(why, UNIT_WHY_MAX, "'%s': write 'u' for micro", text);
	else if (want == UNIT_NONE)
		snprintf(why, UNIT_WHY_MAX, "'%s' is not a number", text);
	else
		snprintf(why, UNIT_WHY_MAX, "'%s': '%s' is not a unit; %s in %s is wanted, like %s",
		         text, p->rest, units[want].quantity, units[want].symbol,
		         units[want].example);
	return -1;
}

static int
parse_parts(const char *text, enum unit want, struct parts *p, char *why)
{
	if (take_apart(text, p)) {
		const char *reason = strlen(text) > UNIT_TEXT_MAX ? "is too long for a value"
		                                                  : "is not a number";
		why_not(why, text, reason);
		if (want != UNIT_NONE && strlen(text) <= UNIT_TEXT_MAX)
			snprintf(why + strlen(why), UNIT_WHY_MAX - strlen(why),
			         "; %s in %s is wanted, like %s", units[want].quantity,
			         units[want].symbol, units[want].example);
		return -1;
	}
	int prefix;
	enum unit got = spelled(p->rest, &prefix);
	if (got != want)
		return wrong_unit(text, p, got, want, why);
	p->exponent += prefix - (want == UNIT_PERCENT ? 2 : 0);
	return 0;
}

int
unit_parse(const char *text, enum unit want, double *ret, char *why)
{
	struct parts p;
	if (parse_parts(text, want, &p, why))
		return -1;
	char buf[UNIT_TEXT_MAX + 16];
	snprintf(buf, sizeof buf, "%s%se%d", p.negative ? "-" : "", p.digits, p.exponent);
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return why_not(why, text, "cannot be read: out of memory");
	double v = strtod_l(buf, NULL, c);
	freelocale(c);
	if (!isfinite(v))
		return why_not(why, text, "is too large for a number");
	*ret = v;
	return 0;
}

int
unit_parse_ns(const char *text, int64_t *ret, char *why)
{
	struct parts p;
	if (parse_parts(text, UNIT_SECOND, &p, why))
		return -1;
	int e = p.exponent + 9;
	const char *d = p.digits;
	size_t n = p.n;
	while (n && *d == '0')
		d++, n--;
	for (; n && d[n - 1] == '0'; n--)
		e++;
	if (!n) {
		*ret = 0;
		return 0;
	}
	if (e < 0)
		return why_not(why, text, "is not a whole number of nanoseconds");
	if ((int)n + e > NS_DIGITS_MAX)
		return why_not(why, text, "is longer than a time can be (999999999 s)");
	int64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = 10 * v + (d[i] - '0');
	for (; e > 0; e--)
		v *= 10;
	*ret = p.negative ? -v : v;
	return 0;
}

char *
unit_format(char *buf, size_t size, double value, enum unit u)
{
	double scale = 1;
	char letter[2] = "";
	if (u == UNIT_PERCENT) {
		scale = 100;
	} else if (units[u].prefix && value != 0 && isfinite(value) &&
	           !(fabs(value) >= 0.9999999 && fabs(value) < 999.9999)) {
		for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
			double s = pow(10, -prefixes[i].exponent);
			if (fabs(value) * s < 0.9999999 && i > 0)
				continue;
			if (prefixes[i].exponent > 0 && fabs(value) < 999.9999)
				continue;
			scale = s;
			letter[0] = prefixes[i].letter;
			if (fabs(value) * s < 999.9999)
				break;
		}
	}
	/* %g would write an exponent from 1e6 on; the grammar takes "e" only with '-' or digits. */
	snprintf(buf, size, "%.6g%s%s", value * scale, letter, units[u].symbol);
	char *plus = strstr(buf, "e+");
	if (plus)
		memmove(plus + 1, plus + 2, strlen(plus + 2) + 1);
	return buf;
}
