/*
 * opts.h - arguments of a verb, described by one table that drives parsing, help, man page and
 * completion.
 *
 * A row is an option (--seed N, -n N) or, with OPT_POSITIONAL, a word at its place. Options and
 * words mix freely; "--" ends the options; "--seed=N" and "-nN" work; one-letter flags can be
 * bundled. Values keep their spelling; numbers are decoded and checked here: OPT_COUNT  whole
 * number >= 0 OPT_REAL   finite number OPT_TIME   duration with its unit, exact in nanoseconds
 * ("600ms") OPT_VALUE  number with its unit ("200mOhm", "1kW"), see unit.h OPT_SPEED  a factor > 0,
 * or "max", which is 0 OPT_CHOICE one of the words in `arg`, separated by '|'; decoded to its index
 */
#ifndef VL_OPTS_H
#define VL_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "unit.h"

enum opt_kind {
	OPT_FLAG,
	OPT_TEXT,
	OPT_COUNT,
	OPT_REAL,
	OPT_TIME,
	OPT_VALUE,
	OPT_SPEED,
	OPT_CHOICE,
};

enum opt_flag {
	OPT_POSITIONAL = 1 << 0,
	OPT_REQUIRED = 1 << 1,
	OPT_MANY = 1 << 2, /* last positional: takes all further words; an option: may be given again */
	OPT_PASS = 1 << 3, /* with OPT_MANY: everything from here on, options too, is passed on */
	OPT_ID = 1 << 4,   /* completes to ids of the running mesh */
	OPT_FILE = 1 << 5, /* completes to files */
	OPT_MESH = 1 << 6, /* completes to running meshes */
	OPT_LONE = 1 << 7, /* OPT_TEXT: without a value (at the end, or before an option) it is "-" */
};

enum { OPTS_MAX = 24, OPTS_REPEAT_MAX = 32 };

struct opt {
	const char *name; /* "seed"; a positional's name is upper case: "TOPOLOGY" */
	char letter;      /* 0: none */
	enum opt_kind kind;
	unsigned flags;   /* enum opt_flag */
	const char *arg;  /* what the value is called, see above */
	const char *help; /* one line, lower case, no full stop */
	enum unit unit;   /* OPT_VALUE */
};

struct opt_value {
	bool given;
	const char *text; /* as spelled; borrowed from argv */
	union {
		uint64_t count;
		double real; /* OPT_REAL, OPT_VALUE in SI, OPT_SPEED */
		int64_t ns;  /* OPT_TIME */
		size_t choice;
	};
	size_t n; /* OPT_MANY: words, in `words`; of an option: in `list` */
	char *const *words;
	char *list[OPTS_REPEAT_MAX];
};

/* Decodes argv[0..argc) by the table into v[0..n_opts). Words of OPT_MANY must stand together (they
 * do, as argv is reordered: options first). Returns 0, OPTS_HELP when --help or -h was met, or
 * ERR_USAGE with a sentence; `help` gets the second line of a message ("did you mean ...") or "".
 */
enum { OPTS_HELP = 1 };
int opts_parse(const struct opt *, size_t n_opts, int argc, char **argv, struct opt_value *v,
               char help[256], struct err *);

#endif
