/*
 * words.h - numbers as people read them in a narrow column; NaN is "-".
 */
#ifndef VL_WORDS_H
#define VL_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum { WORDS_MAX = 24 };

/* "%.<digits>f", with a sign when `sign`. */
const char *words_number(char buf[WORDS_MAX], double x, int digits, int sign);
/* Watt or joule in a narrow column: "2.3W", "232W", "1.45kW"; with a sign when `sign`. */
const char *words_scaled(char buf[WORDS_MAX], double x, const char *unit, int sign);
const char *words_percent(char buf[WORDS_MAX], double fraction);
/* Plant time "00:01:12.402"; `digits` 0..3 behind the point. */
const char *words_time(char buf[WORDS_MAX], int64_t t_ns, int digits);
/* "x1.0", "max". */
const char *words_speed(char buf[WORDS_MAX], double speed);

#endif
