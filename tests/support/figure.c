#include "tests/support/figure.h"

#include <check.h>
#include <math.h>

#include "expr.h"

double
figure_extreme(const struct runview *view, const char *figure, bool highest, int64_t from,
               int64_t to)
{
	struct expr *e = NULL;
	struct expr_eval *v = NULL;
	struct expr_fault fault;
	struct err err = ERR_INIT;
	double lo, hi, most = highest ? -INFINITY : INFINITY;

	ck_assert_msg(expr_parse(figure, EXPR_FIGURE, view, &e, &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(expr_bind(e, view, &v, &err), 0);
	for (int64_t k = from; k <= to; k++) {
		ck_assert(expr_figure(v, k, &lo, &hi));
		most = highest ? fmax(most, hi) : fmin(most, lo);
	}
	expr_unbind(&v);
	expr_destroy(&e);
	return most;
}
