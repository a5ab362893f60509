/*
 * unit.h - values with units, as people write them: 48V, 15.36mOhm, 2e-06H, 300ms, 5%, 100Mbit.
 *
 *   value  = [-] digits [. digits] [e [-] digits] [prefix] unit
 *   prefix = p n u m k M G          (none with %)
 *
 * The decimal text with its prefix is converted in one rounding: 15.36mOhm is the double nearest to
 * 0.01536. A bare number where a unit is due is an error, as is another unit, NaN and infinity.
 * The locale of the process does not matter.
 */
#ifndef VL_UNIT_H
#define VL_UNIT_H

#include <stddef.h>
#include <stdint.h>

enum unit {
	UNIT_NONE, /* a bare number */
	UNIT_VOLT,
	UNIT_AMPERE,
	UNIT_WATT,
	UNIT_OHM,
	UNIT_FARAD,
	UNIT_HENRY,
	UNIT_SECOND,
	UNIT_JOULE,
	UNIT_PERCENT, /* 5% is 0.05 */
	UNIT_BIT,     /* bit per second */
	UNIT_A2S,     /* A^2 s, the let-through of a fuse */
	UNIT_HERTZ,
	UNIT_CELSIUS, /* a temperature, degC */
	UNIT_K_PER_W, /* a thermal resistance */
	UNIT_J_PER_K, /* a heat capacity */
	UNIT_END_,
};

enum { UNIT_WHY_MAX = 200 };

/* Both return 0 with *ret set, or -1 with a sentence in `why` (UNIT_WHY_MAX bytes). */
int unit_parse(const char *text, enum unit, double *ret, char *why);
/* A time in whole nanoseconds, exact from the decimal text; what is not one is an error. */
int unit_parse_ns(const char *text, int64_t *ret, char *why);

const char *unit_symbol(enum unit);   /* "V"; "" for UNIT_NONE */
const char *unit_quantity(enum unit); /* "a voltage" */

/* Writes `value` with at most 6 significant digits, a prefix and the unit as unit_parse() reads it
 * ("15.36mOhm"). Returns buf. */
char *unit_format(char *buf, size_t size, double value, enum unit);

#endif
