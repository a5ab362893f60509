/*
 * expr_build.h - the tree of an expression, shared by its reader (expr_reader.c, expr_parse.c) and
 * its evaluation (expr.c). Not for users of expr.h.
 */
#ifndef VL_EXPR_BUILD_H
#define VL_EXPR_BUILD_H

#include "expr.h"

enum expr_op {
	OP_NUMBER,
	OP_SIGNAL,
	OP_NEGATE,
	OP_ABS,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MIN,
	OP_MAX,
	OP_MEAN,
	OP_SUM,
	OP_SPREAD,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_EQ,
	OP_NE,
	OP_AND,
	OP_OR,
	OP_NOT,
};

/* A unit that the table of units does not know (V*s); it goes with everything. */
#define EXPR_MIXED UNIT_END_

struct expr_node {
	enum expr_op op;
	enum unit unit;
	double value;      /* OP_NUMBER */
	int left, right;   /* operands; a fold's first argument; -1: none */
	int next;          /* of the arguments of a fold; -1: the last */
	int pattern;       /* of an argument: the node of its signal with `*`; -1: none */
	bool is_test;      /* has a truth, not a value */
	size_t at, length; /* in the text */
};

struct expr {
	char text[EXPR_TEXT_MAX];
	size_t n;
	struct expr_node nodes[EXPR_NODES_MAX];
	int root;
};

/* The text of a node, as it stands in the file. */
void expr_span(const struct expr *, int node, char *buf, size_t size);

#endif
