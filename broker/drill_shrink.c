/* A timeline that failed, made as small as it gets. */
#include <string.h>

#include "drill_search_priv.h"

enum {
	SHRINK_RUNS_MAX = 150,
	SLACK_MS = 50, /* for which a simpler timeline may take longer to fail, beside a fifth */
};

/* How far a simpler timeline is played: a little longer than the one at hand took to fail, and by as much
 * longer as its actions come later. */
static int64_t
play_until(const struct search *s, const struct genes *was, const struct genes *now, int64_t known_k)
{
	int64_t T = s->o->units[0].topo->step_ns, later_ns = 0;
	for (size_t i = 0; i < now->n && now->n == was->n; i++)
		if (now->g[i].at_ns - was->g[i].at_ns > later_ns)
			later_ns = now->g[i].at_ns - was->g[i].at_ns;
	return known_k + known_k / 5 + (SLACK_MS * INT64_C(1000000) + later_ns) / T + 1;
}

/* Takes the simplest variant of *g that fails in the same way. */
static int
shrink_part(struct search *s, struct genes *g, size_t part, struct shown *want, bool *better)
{
	struct genes out[GENERATION];
	size_t n = genes_simpler(s->file, g, part, out, GENERATION);
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		s->batch[i].genes = out[i];
		s->batch[i].until_k = s->only ? play_until(s, g, &out[i], want->known_k) : 0;
		any |= drill_search_allowed(s, &s->batch[i]);
	}
	if (!any)
		return 0;
	size_t hit;
	int rc = drill_search_batch(s, n, want->id, &hit);
	for (size_t i = 0; !rc && i < n && i <= hit; i++)
		s->n_shrunk += s->batch[i].script != NULL;
	if (!rc && hit < n) {
		*g = s->batch[hit].genes;
		*want = *s->batch[hit].shown;
		*better = true;
	}
	return rc;
}

static int
shrink_all(struct search *s, struct genes *g, struct shown *want)
{
	bool better = true;
	while (better && s->n_shrunk < SHRINK_RUNS_MAX) {
		better = false;
		for (size_t part = 0; part < genes_parts(g) && s->n_shrunk < SHRINK_RUNS_MAX;) {
			bool now = false;
			int rc = shrink_part(s, g, part, want, &now);
			if (rc)
				return rc;
			/* Fewer entries make other chunks: from the first again. */
			size_t next = now && part < 2 * GENES_MAX ? 0 : part + 1;
			better |= now;
			part = next;
			progress_at(&s->progress, (double)s->n_shrunk / (double)SHRINK_RUNS_MAX,
			            "shrinking");
		}
	}
	return 0;
}

/* Simpler timelines are played up to where they should fail, and looked at for that alone; what is left in the
 * end is judged whole. */
int
drill_shrink(struct search *s, struct genes *g, struct shown *want)
{
	struct genes whole = *g;
	struct shown was = *want;
	size_t hit = 0;
	char id[sizeof want->id];
	snprintf(id, sizeof id, "%s", want->id);
	s->only = strcmp(id, "run") ? id : NULL;
	int rc = shrink_all(s, g, want);
	if (rc || !s->only) {
		s->only = NULL;
		return rc;
	}
	s->n_memo = 0;
	s->batch[0].genes = *g;
	s->batch[0].until_k = 0;
	if (drill_search_allowed(s, &s->batch[0]))
		rc = drill_search_batch(s, 1, id, &hit);
	s->only = NULL;
	s->n_shrunk++;
	if (!rc && s->batch[0].script && hit == 0) {
		*want = *s->batch[0].shown;
	} else if (!rc) {
		*g = whole;
		*want = was;
	}
	return rc;
}
