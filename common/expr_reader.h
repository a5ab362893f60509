/*
 * expr_reader.h - what the grammar (expr_parse.c) stands on: tokens, nodes, checks of units
 * (expr_reader.c). Not for users of expr.h.
 *
 * Functions that make or check something return a node's index, or -1 after an error; the first
 * error is kept.
 */
#ifndef VL_EXPR_READER_H
#define VL_EXPR_READER_H

#include "expr_build.h"

struct expr_reader {
	struct expr *e;
	const struct runview *names;
	const char *text;
	size_t at; /* of the next token */
	size_t length;
	unsigned depth;
	struct expr_fault *fault;
	bool bad;
};

/* The first error; later ones are left out. Returns -1. */
__attribute__((format(printf, 4, 5))) int expr_reader_fail(struct expr_reader *, size_t at,
                                                           size_t length, const char *fmt, ...);
/* The token at hand is not what is wanted. */
int expr_reader_unexpected(struct expr_reader *, const char *wanted);
/* Finds the token at `at` or behind it; length 0: the end. */
void expr_reader_look(struct expr_reader *);
/* Goes on to the next token. */
void expr_reader_take(struct expr_reader *);
bool expr_reader_at_number(const struct expr_reader *);
bool expr_reader_at_word(const struct expr_reader *);
bool expr_reader_is(const struct expr_reader *, const char *token);

/* A node whose text begins at `from` and ends before the token at hand. */
int expr_reader_add(struct expr_reader *, enum expr_op, int left, int right, size_t from);
struct expr_node *expr_reader_node(struct expr_reader *, int i);
int expr_reader_want_value(struct expr_reader *, int i);
int expr_reader_want_test(struct expr_reader *, int i);
/* `what`: "adds", "compares". */
int expr_reader_same_unit(struct expr_reader *, int a, int b, const char *what);
enum unit expr_reader_product(enum unit a, enum unit b);
enum unit expr_reader_quotient(enum unit a, enum unit b);

#endif
