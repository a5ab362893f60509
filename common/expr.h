/*
 * expr.h - conditions and figures over the signals of a run, as drill files write them.
 *
 *   or    = and { "or" and }          and = not { "and" not }       not = [ "not" ] test
 *   test  = sum [ ( < <= > >= == != ) sum ]
 *   sum   = term { ( + | - ) term }   term = factor { ( * | / ) factor }
 *   factor = [ - ] ( number-with-unit | signal | call "(" or { "," or } ")" | "(" or ")" )
 *   call  = min max mean sum spread (fold all values of their arguments), abs
 *
 * Signals: signals.h. A name with `*` stands for several and must be inside a fold; what is dead is
 * left out, and so are the currents of open links and feeds whose source is gone. A fold over nothing is no sample. spread is
 * (max - min)/mean. Units are checked: volts are not compared with amperes. A `-` behind a signal
 * wants a space before it, for ids may hold one.
 *
 * A sample is the interval [min, max] over the sub-steps where the recorder has them (node.*.v,
 * module.*.v_in), else a point. Arithmetic is that of intervals. A comparison is TRUE when it
 * holds for the whole interval, FALSE when for no part of it, else MAYBE.
 */
#ifndef VL_EXPR_H
#define VL_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "runview.h"
#include "unit.h"

enum {
	EXPR_TEXT_MAX = 512,  /* bytes of an expression with its NUL */
	EXPR_NODES_MAX = 256, /* numbers, names and operators of one */
	EXPR_DEPTH_MAX = 48,  /* of nested brackets */
};

enum expr_kind { EXPR_CONDITION, EXPR_FIGURE };
enum expr_truth { EXPR_FALSE, EXPR_MAYBE, EXPR_TRUE, EXPR_NONE /* no sample */ };

struct expr;

/* What is wrong, and where in the text. */
struct expr_fault {
	size_t at, length;
	char text[320], help[200];
};

/* Parses and checks names against the mesh of `names`, which may be a view without any record.
 * 0, ERR_INPUT with *fault filled, or ERR_NOMEM. */
int expr_parse(const char *text, enum expr_kind, const struct runview *names, struct expr **ret,
               struct expr_fault *fault);
void expr_destroy(struct expr **);
const char *expr_text(const struct expr *);
enum unit expr_unit(const struct expr *); /* of a figure */

/* What a comparison of the condition shows at one frame; of several the one that decides. */
struct expr_sample {
	enum expr_truth truth;
	double margin;               /* to the bound, >= 0: holds; in the unit of the comparison */
	double observed, bound;      /* worse ends of both sides */
	const char *op;              /* "<=": what has to hold */
	const char *who;             /* the signal that decided, NULL: several */
	size_t what_at, what_length; /* the observed side in the text */
	enum unit unit;
};

struct expr_eval;
/* Borrows both. */
int expr_bind(const struct expr *, const struct runview *, struct expr_eval **ret, struct err *);
void expr_unbind(struct expr_eval **);
/* A condition at frame k; `negated`: of "not (...)". Ascending k is fast. */
void expr_test(struct expr_eval *, int64_t k, bool negated, struct expr_sample *ret);
/* A figure at frame k: its interval; false: no sample. */
bool expr_figure(struct expr_eval *, int64_t k, double *lo, double *hi);

/* Bounds that a condition puts on signals of one kind ("node.*.v"), for pictures: comparisons with
 * a constant, joined by `and`. Returns how many were written to lo/hi (NaN: none on that side). */
bool expr_bounds(const struct expr *, bool negated, const char *prefix, const char *suffix,
                 double *lo, double *hi);

#endif
