/*
 * diag.h - everything that is wrong with an input file, each with its place.
 *
 * Printed as
 *   file:line:column: error: reason
 *       6 |     inital: 48V
 *         |     ^~~~~~
 *         = help: did you mean 'initial'?
 */
#ifndef VL_DIAG_H
#define VL_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };
enum diag_format { DIAG_TEXT, DIAG_GITHUB, DIAG_JSON };

struct diag {
	enum diag_level level;
	char *file;            /* NULL: no place */
	unsigned line, column; /* from 1; 0: none */
	unsigned length;       /* columns to underline */
	char *text, *help;     /* help may be NULL */
	char *source;          /* the line itself, may be NULL */
};

struct diag_list {
	size_t n, cap, n_errors;
	struct diag *d;
	size_t suppressed; /* above the limit of DIAG_MAX */
};

enum { DIAG_MAX = 200 };

void diag_list_init(struct diag_list *);
void diag_list_free(struct diag_list *);
/* Forgets the entries from index `from` on, which are in the order in which they were added. */
void diag_list_cut(struct diag_list *, size_t from);
struct diag *diag_add(struct diag_list *, enum diag_level, const char *file, unsigned line,
                      unsigned column, unsigned length, const char *source, const char *fmt, ...)
	__attribute__((format(printf, 8, 9)));
void diag_help(struct diag *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Orders the entries from index `from` on by line and column (stable); those without a place last. */
void diag_list_sort(struct diag_list *, size_t from);
void diag_print(const struct diag_list *, FILE *, enum diag_format);

/* The name in `names` (n of them) nearest to `word` by edit distance, or NULL when none is near. */
const char *diag_nearest(const char *word, const char *const *names, size_t n);

#endif
