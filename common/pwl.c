#include "pwl.h"

#include <assert.h>

void
pwl_track_init(struct pwl_track *t, const struct pwl *curve)
{
	*t = (struct pwl_track){ .curve = curve && curve->n > 0 ? curve : NULL };
}

static double
pwl_track_segment(const struct pwl_track *t, int64_t t_ns, double frac_ns)
{
	double x = (double)(t_ns - t->at_ns) + frac_ns;

	if (x >= t->ramp_ns)
		return t->to;
	return t->from + (t->to - t->from) * (x / t->ramp_ns);
}

static void
pwl_track_begin(struct pwl_track *t, int64_t at_ns, double level, double ramp_ns)
{
	t->from = pwl_track_segment(t, at_ns, 0);
	t->to = level;
	t->at_ns = at_ns;
	t->ramp_ns = ramp_ns;
}

double
pwl_track_level(struct pwl_track *t, int64_t t_ns, double frac_ns)
{
	while (t->curve && t->next < t->curve->n) {
		const struct pwl_point *p = &t->curve->p[t->next];

		if ((double)(p->at_ns - t_ns) > frac_ns)
			break;
		pwl_track_begin(t, p->at_ns, p->level, (double)p->ramp_ns);
		t->next++;
	}
	return pwl_track_segment(t, t_ns, frac_ns);
}

void
pwl_track_set(struct pwl_track *t, int64_t t_ns, double level, double ramp_ns)
{
	assert(ramp_ns >= 0);
	(void)pwl_track_level(t, t_ns, 0);
	pwl_track_begin(t, t_ns, level, ramp_ns);
}

void
pwl_track_fill(struct pwl_track *t, int64_t t_ns, double part_ns, size_t n, double *levels)
{
	double end_ns = part_ns * (double)n;
	bool still = (double)(t_ns - t->at_ns) >= t->ramp_ns;

	if (still && t->curve && t->next < t->curve->n)
		still = (double)(t->curve->p[t->next].at_ns - t_ns) > end_ns;
	for (size_t s = 0; s < n; s++)
		levels[s] = still ? t->to : pwl_track_level(t, t_ns, ((double)s + 0.5) * part_ns);
}
