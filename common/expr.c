#include "expr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expr_build.h"
#include "signals.h"

/* The signals of one OP_SIGNAL node. */
struct bound_signal {
	struct signal_list *value, *lo, *hi; /* lo, hi: NULL without sub-step extremes */
	struct signal_list *open; /* of the same links; NULL: not a current of several links */
	struct signal_list *on;   /* state of the same feeds; NULL: not several feeds */
	bool several;             /* the name has a `*` */
};

struct expr_eval {
	const struct expr *e;
	struct bound_signal *s; /* by node */
	int64_t k;
	size_t element; /* of the pattern that a fold goes through */
};

/* [lo, hi], and the signal that it comes from. */
struct span {
	double lo, hi;
	const char *who;
};

/* ---- binding ----------------------------------------------------------------------------------
 */

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcmp(text + n - m, end);
}

static int
bind_one(struct expr_eval *v, size_t i, const struct runview *view, struct err *err)
{
	char name[EXPR_TEXT_MAX], other[EXPR_TEXT_MAX + 8];
	struct bound_signal *s = &v->s[i];
	expr_span(v->e, (int)i, name, sizeof name);
	int rc = signal_select(view, name, &s->value, err);
	s->several = strchr(name, '*') != NULL;
	bool node_v = !strncmp(name, "node.", 5) && ends_with(name, ".v");
	bool module_v = !strncmp(name, "module.", 7) && ends_with(name, ".v_in");
	if (!rc && (node_v || module_v)) {
		snprintf(other, sizeof other, "%s_min", name);
		rc = signal_select(view, other, &s->lo, err);
		snprintf(other, sizeof other, "%s_max", name);
		if (!rc)
			rc = signal_select(view, other, &s->hi, err);
	}
	char *dot = strrchr(name, '.');
	/* What an end receives over the channel counts also while the contactors are open. */
	bool link = !strncmp(name, "link.", 5) && strchr(name + 5, '.') == dot;
	if (!rc && link && s->several && !ends_with(name, ".open")) {
		*dot = '\0';
		snprintf(other, sizeof other, "%s.open", name);
		rc = signal_select(view, other, &s->open, err);
	}
	if (!rc && !strncmp(name, "feed.", 5) && s->several && !ends_with(name, ".state")) {
		*dot = '\0';
		snprintf(other, sizeof other, "%s.state", name);
		rc = signal_select(view, other, &s->on, err);
		if (rc == ERR_NOTFOUND) /* recorded before there was such a thing */
			rc = 0;
	}
	return rc;
}

int
expr_bind(const struct expr *e, const struct runview *view, struct expr_eval **ret, struct err *err)
{
	struct expr_eval *v = calloc(1, sizeof *v);
	if (v)
		v->s = calloc(e->n ? e->n : 1, sizeof *v->s);
	if (!v || !v->s) {
		free(v);
		return err_set(err, ERR_NOMEM, "expression: out of memory");
	}
	v->e = e;
	int rc = 0;
	for (size_t i = 0; !rc && i < e->n; i++)
		if (e->nodes[i].op == OP_SIGNAL)
			rc = bind_one(v, i, view, err);
	if (rc) {
		expr_unbind(&v);
		return rc;
	}
	*ret = v;
	return 0;
}

void
expr_unbind(struct expr_eval **pv)
{
	struct expr_eval *v = *pv;
	if (!v)
		return;
	*pv = NULL;
	for (size_t i = 0; i < v->e->n; i++) {
		signal_destroy(&v->s[i].value);
		signal_destroy(&v->s[i].lo);
		signal_destroy(&v->s[i].hi);
		signal_destroy(&v->s[i].open);
		signal_destroy(&v->s[i].on);
	}
	free(v->s);
	free(v);
}

/* ---- values -----------------------------------------------------------------------------------
 */

static bool eval(struct expr_eval *, int node, struct span *);

static bool
eval_signal(struct expr_eval *v, int i, struct span *ret)
{
	struct bound_signal *s = &v->s[i];
	size_t e = s->several ? v->element : 0;
	double open, on;
	if (e >= signal_count(s->value))
		return false;
	if (s->open && (!signal_at(s->open, e, v->k, &open) || open != 0))
		return false;
	if (s->on && (!signal_at(s->on, e, v->k, &on) || on == 0))
		return false;
	if (s->lo) {
		if (!signal_at(s->lo, e, v->k, &ret->lo) || !signal_at(s->hi, e, v->k, &ret->hi))
			return false;
	} else {
		if (!signal_at(s->value, e, v->k, &ret->lo))
			return false;
		ret->hi = ret->lo;
	}
	ret->who = signal_name(s->value, e);
	return !isnan(ret->lo) && !isnan(ret->hi);
}

static void
multiply(const struct span *a, const struct span *b, struct span *ret)
{
	double p[4] = { a->lo * b->lo, a->lo * b->hi, a->hi * b->lo, a->hi * b->hi };
	ret->lo = fmin(fmin(p[0], p[1]), fmin(p[2], p[3]));
	ret->hi = fmax(fmax(p[0], p[1]), fmax(p[2], p[3]));
}

static bool
eval_pair(struct expr_eval *v, const struct expr_node *n, struct span *ret)
{
	struct span a, b;
	if (!eval(v, n->left, &a) || !eval(v, n->right, &b))
		return false;
	ret->who = a.who && b.who ? NULL : a.who ? a.who : b.who;
	switch (n->op) {
	case OP_ADD:
		ret->lo = a.lo + b.lo;
		ret->hi = a.hi + b.hi;
		return true;
	case OP_SUB:
		ret->lo = a.lo - b.hi;
		ret->hi = a.hi - b.lo;
		return true;
	case OP_MUL:
		multiply(&a, &b, ret);
		return true;
	default:
		if (!(b.lo > 0 || b.hi < 0)) /* a divisor that may be 0 */
			return false;
		b = (struct span){ 1 / b.hi, 1 / b.lo, NULL };
		multiply(&a, &b, ret);
		return true;
	}
}

struct fold {
	size_t n;
	struct span min, max; /* of the values: [least lo, least hi], [greatest lo, greatest hi] */
	const char *min_who, *max_who;
	double sum_lo, sum_hi;
};

static void
fold_add(struct fold *f, const struct span *x)
{
	if (f->n == 0 || x->lo < f->min.lo)
		f->min_who = x->who;
	if (f->n == 0 || x->hi > f->max.hi)
		f->max_who = x->who;
	/* None is NaN. This is the hottest line of an evaluation: no calls of fmin(). */
	f->min.lo = f->n && f->min.lo < x->lo ? f->min.lo : x->lo;
	f->min.hi = f->n && f->min.hi < x->hi ? f->min.hi : x->hi;
	f->max.lo = f->n && f->max.lo > x->lo ? f->max.lo : x->lo;
	f->max.hi = f->n && f->max.hi > x->hi ? f->max.hi : x->hi;
	f->sum_lo += x->lo;
	f->sum_hi += x->hi;
	f->n++;
}

static bool
fold_end(const struct fold *f, enum expr_op op, struct span *ret)
{
	double n = (double)f->n;
	if (f->n == 0)
		return false;
	*ret = (struct span){ f->sum_lo, f->sum_hi, NULL };
	if (op == OP_MIN)
		*ret = (struct span){ f->min.lo, f->min.hi, f->min_who };
	else if (op == OP_MAX)
		*ret = (struct span){ f->max.lo, f->max.hi, f->max_who };
	else if (op == OP_MEAN)
		*ret = (struct span){ f->sum_lo / n, f->sum_hi / n, NULL };
	else if (op == OP_SPREAD) {
		double most = f->max.hi - f->min.lo, least = fmax(0, f->max.lo - f->min.hi);
		if (most == 0) {
			*ret = (struct span){ 0, 0, NULL };
			return true;
		}
		if (!(f->sum_lo > 0)) /* no share of nothing */
			return false;
		*ret = (struct span){ least / (f->sum_hi / n), most / (f->sum_lo / n), NULL };
	}
	return true;
}

static bool
eval_fold(struct expr_eval *v, const struct expr_node *n, struct span *ret)
{
	struct fold f = { 0 };
	size_t outer = v->element;
	for (int a = n->left; a >= 0; a = v->e->nodes[a].next) {
		int p = v->e->nodes[a].pattern;
		size_t count = p < 0 ? 1 : signal_count(v->s[p].value);
		for (size_t i = 0; i < count; i++) {
			struct span x;
			v->element = i;
			if (eval(v, a, &x))
				fold_add(&f, &x);
		}
	}
	v->element = outer;
	return fold_end(&f, n->op, ret);
}

static bool
eval(struct expr_eval *v, int i, struct span *ret)
{
	const struct expr_node *n = &v->e->nodes[i];
	struct span a;
	switch (n->op) {
	case OP_NUMBER:
		*ret = (struct span){ n->value, n->value, NULL };
		return true;
	case OP_SIGNAL:
		return eval_signal(v, i, ret);
	case OP_NEGATE:
		if (!eval(v, n->left, &a))
			return false;
		*ret = (struct span){ -a.hi, -a.lo, a.who };
		return true;
	case OP_ABS:
		if (!eval(v, n->left, &a))
			return false;
		ret->who = a.who;
		ret->lo = a.lo <= 0 && a.hi >= 0 ? 0 : fmin(fabs(a.lo), fabs(a.hi));
		ret->hi = fmax(fabs(a.lo), fabs(a.hi));
		return true;
	case OP_MIN:
	case OP_MAX:
	case OP_MEAN:
	case OP_SUM:
	case OP_SPREAD:
		return eval_fold(v, n, ret);
	default:
		return eval_pair(v, n, ret);
	}
}

bool
expr_figure(struct expr_eval *v, int64_t k, double *lo, double *hi)
{
	struct span s;
	v->k = k;
	if (!eval(v, v->e->root, &s))
		return false;
	*lo = s.lo;
	*hi = s.hi;
	return true;
}

/* ---- conditions -------------------------------------------------------------------------------
 */

/* What a comparison decided; kept small, the texts are made for the one that counts. */
struct verdict {
	enum expr_truth truth;
	double margin, left, right;
	enum expr_op op;
	int node;
	const char *left_who, *right_who;
};

static enum expr_op
opposite(enum expr_op op)
{
	switch (op) {
	case OP_LT:
		return OP_GE;
	case OP_LE:
		return OP_GT;
	case OP_GT:
		return OP_LE;
	case OP_GE:
		return OP_LT;
	case OP_EQ:
		return OP_NE;
	default:
		return OP_EQ;
	}
}

/* a < b and a <= b; the others are turned into these. */
static void
less(struct verdict *r, const struct span *a, const struct span *b, bool strict)
{
	double worst = b->lo - a->hi, best = b->hi - a->lo;
	bool sure = strict ? worst > 0 : worst >= 0, never = strict ? best <= 0 : best < 0;
	r->margin = worst;
	r->truth = sure ? EXPR_TRUE : never ? EXPR_FALSE : EXPR_MAYBE;
}

static void
equal(struct verdict *r, const struct span *a, const struct span *b, bool want)
{
	bool point = a->lo == a->hi && b->lo == b->hi;
	bool apart = a->hi < b->lo || b->hi < a->lo;
	bool same = point && a->lo == b->lo;
	double distance = fmax(fabs(a->hi - b->lo), fabs(b->hi - a->lo));
	r->truth = same == want && (same || apart) ? EXPR_TRUE
	           : same || apart                 ? EXPR_FALSE
	                                           : EXPR_MAYBE;
	r->margin = want ? -distance : r->truth == EXPR_TRUE ? distance : 0;
}

static void
compare(struct expr_eval *v, int i, bool negated, struct verdict *r)
{
	const struct expr_node *n = &v->e->nodes[i];
	enum expr_op op = negated ? opposite(n->op) : n->op;
	struct span a, b;
	*r = (struct verdict){ .truth = EXPR_NONE, .margin = NAN, .op = op, .node = i };
	if (!eval(v, n->left, &a) || !eval(v, n->right, &b))
		return;
	bool low = op == OP_GT || op == OP_GE; /* the low end of the left side is the worse */
	r->left = low ? a.lo : a.hi;
	r->right = low ? b.hi : b.lo;
	r->left_who = a.who;
	r->right_who = b.who;
	if (op == OP_EQ || op == OP_NE)
		equal(r, &a, &b, op == OP_EQ);
	else if (low)
		less(r, &b, &a, op == OP_GT);
	else
		less(r, &a, &b, op == OP_LT);
}

static void
test(struct expr_eval *v, int i, bool negated, struct verdict *r)
{
	const struct expr_node *n = &v->e->nodes[i];
	struct verdict a, b;
	if (n->op == OP_NOT) {
		test(v, n->left, !negated, r);
		return;
	}
	if (n->op != OP_AND && n->op != OP_OR) {
		compare(v, i, negated, r);
		return;
	}
	test(v, n->left, negated, &a);
	test(v, n->right, negated, &b);
	/* Kleene's logic. What is without a sample leaves the result open, unless the other side
	 * decides it alone. */
	bool both = (n->op == OP_AND) != negated;
	enum expr_truth decides = both ? EXPR_FALSE : EXPR_TRUE;
	if (a.truth == decides || b.truth == decides) {
		bool left = b.truth != decides ||
		            (a.truth == decides &&
		             (both ? a.margin <= b.margin : a.margin >= b.margin));
		*r = left ? a : b;
	} else if (a.truth == EXPR_NONE || b.truth == EXPR_NONE) {
		*r = a.truth == EXPR_NONE ? a : b;
	} else if (a.truth != b.truth) {
		*r = a.truth == EXPR_MAYBE ? a : b;
	} else {
		*r = (both ? a.margin <= b.margin : a.margin >= b.margin) ? a : b;
	}
}

static const char *
op_text(enum expr_op op)
{
	static const char *const texts[] = { [OP_LT] = "<",  [OP_LE] = "<=", [OP_GT] = ">",
		                             [OP_GE] = ">=", [OP_EQ] = "==", [OP_NE] = "!=" };
	return texts[op];
}

/* Seen from the other side: 5 <= x is x >= 5. */
static enum expr_op
mirrored(enum expr_op op)
{
	switch (op) {
	case OP_LT:
		return OP_GT;
	case OP_LE:
		return OP_GE;
	case OP_GT:
		return OP_LT;
	case OP_GE:
		return OP_LE;
	default:
		return op;
	}
}

static bool
is_constant(const struct expr *e, int i)
{
	const struct expr_node *n = &e->nodes[i];
	if (n->op == OP_SIGNAL)
		return false;
	for (int a = n->left; a >= 0;
	     a = n->op >= OP_MIN && n->op <= OP_SPREAD ? e->nodes[a].next : -1)
		if (!is_constant(e, a))
			return false;
	return n->right < 0 || is_constant(e, n->right);
}

void
expr_test(struct expr_eval *v, int64_t k, bool negated, struct expr_sample *ret)
{
	struct verdict r;
	v->k = k;
	test(v, v->e->root, negated, &r);
	const struct expr_node *n = &v->e->nodes[r.node];
	bool swap = is_constant(v->e, n->left) && !is_constant(v->e, n->right);
	int side = swap ? n->right : n->left;
	ret->truth = r.truth;
	ret->margin = r.margin;
	ret->observed = swap ? r.right : r.left;
	ret->bound = swap ? r.left : r.right;
	ret->op = op_text(swap ? mirrored(r.op) : r.op);
	ret->who = swap ? r.right_who : r.left_who;
	ret->unit = v->e->nodes[side].unit;
	ret->what_at = v->e->nodes[side].at;
	ret->what_length = v->e->nodes[side].length;
}

/* ---- bounds for pictures ----------------------------------------------------------------------
 */

/* The one signal, or pattern, that a side is about: "node.*.v", "min(node.*.v)", "abs(link.l1.i)".
 */
static bool
is_about(const struct expr *e, int i, const char *prefix, const char *suffix, bool *absolute)
{
	const struct expr_node *n = &e->nodes[i];
	if (n->op == OP_ABS)
		*absolute = true;
	if (n->op == OP_MIN || n->op == OP_MAX || n->op == OP_ABS)
		return n->left >= 0 && e->nodes[n->left].next < 0 &&
		       is_about(e, n->left, prefix, suffix, absolute);
	char name[EXPR_TEXT_MAX];
	if (n->op != OP_SIGNAL)
		return false;
	expr_span(e, i, name, sizeof name);
	return !strncmp(name, prefix, strlen(prefix)) && ends_with(name, suffix);
}

static bool
constant_value(const struct expr *e, int i, double *ret)
{
	const struct expr_node *n = &e->nodes[i];
	double v;
	if (n->op == OP_NUMBER) {
		*ret = n->value;
		return true;
	}
	if (n->op == OP_NEGATE && constant_value(e, n->left, &v)) {
		*ret = -v;
		return true;
	}
	return false;
}

static void
collect(const struct expr *e, int i, bool negated, const char *prefix, const char *suffix,
        double *lo, double *hi)
{
	const struct expr_node *n = &e->nodes[i];
	if (n->op == OP_NOT) {
		collect(e, n->left, !negated, prefix, suffix, lo, hi);
		return;
	}
	if ((n->op == OP_AND && !negated) || (n->op == OP_OR && negated)) {
		collect(e, n->left, negated, prefix, suffix, lo, hi);
		collect(e, n->right, negated, prefix, suffix, lo, hi);
		return;
	}
	if (n->op < OP_LT || n->op > OP_GE)
		return;
	enum expr_op op = negated ? opposite(n->op) : n->op;
	int side = n->left;
	double value;
	bool absolute = false;
	if (!constant_value(e, n->right, &value)) {
		if (!constant_value(e, n->left, &value))
			return;
		side = n->right;
		op = mirrored(op);
	}
	if (!is_about(e, side, prefix, suffix, &absolute))
		return;
	if (op == OP_LT || op == OP_LE) {
		*hi = isnan(*hi) ? value : fmin(*hi, value);
		if (absolute)
			*lo = isnan(*lo) ? -value : fmax(*lo, -value);
	} else if (!absolute) {
		*lo = isnan(*lo) ? value : fmax(*lo, value);
	}
}

bool
expr_bounds(const struct expr *e, bool negated, const char *prefix, const char *suffix, double *lo,
            double *hi)
{
	*lo = *hi = NAN;
	collect(e, e->root, negated, prefix, suffix, lo, hi);
	return !isnan(*lo) || !isnan(*hi);
}
