#include "drill_search.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drill_search_priv.h"

enum {
	TRIES_MAX = 40, /* for a neighbour that the file's rules allow */
	CORPUS_MAX = 256,
	LINE_MAX_ = 400,
};

/* ---- looking ----------------------------------------------------------------------------------
 */

/* Keeps what shows something new. */
static void
learn(struct search *s, const struct candidate *c)
{
	bool fresh = false;
	for (size_t w = 0; w < COVER_WORDS; w++) {
		fresh |= (c->shown->cover[w] & ~s->cover[w]) != 0;
		s->cover[w] |= c->shown->cover[w];
	}
	if (fresh && s->n_corpus < CORPUS_MAX)
		s->corpus[s->n_corpus++] = c->genes;
}

static uint64_t
next_random(uint64_t *z)
{
	uint64_t x = *z += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 29;
}

/* Candidate nth of the search: first the file as it is, over all seeds, then neighbours. */
static bool
make(struct search *s, struct candidate *c, uint64_t nth)
{
	const struct drill_order *o = s->o;
	for (int i = 0; i < TRIES_MAX; i++) {
		bool plain = nth < o->n_seeds;
		c->genes = plain || !s->n_corpus ? s->file->base
		                                 : s->corpus[next_random(&s->rng) % s->n_corpus];
		if (o->sweep)
			c->genes.seed = o->first_seed + nth % o->n_seeds;
		if (!plain)
			genes_mutate(s->file, &c->genes, &s->rng);
		if (drill_search_allowed(s, c))
			return true;
		if (plain)
			return false;
	}
	return false;
}

/* The first that fails, or NULL. */
static int
look_for(struct search *s, const struct search_params *p, struct candidate **ret)
{
	double began = term_now_s();
	char detail[80];
	*ret = NULL;
	while (s->n_tried < p->budget) {
		size_t n = p->budget - s->n_tried < GENERATION ? (size_t)(p->budget - s->n_tried)
		                                               : GENERATION;
		double spent = term_now_s() - began;
		if (p->time_s > 0 && spent > p->time_s)
			break;
		for (size_t i = 0; i < n; i++)
			if (!make(s, &s->batch[i], s->n_tried + i))
				script_destroy(&s->batch[i].script);
		size_t hit;
		int rc = drill_search_batch(s, n, NULL, &hit);
		if (rc)
			return rc;
		s->n_tried += hit < n ? hit + 1 : n;
		if (hit < n) {
			*ret = &s->batch[hit];
			return 0;
		}
		for (size_t i = 0; i < n; i++)
			if (s->batch[i].script)
				learn(s, &s->batch[i]);
		snprintf(detail, sizeof detail,
		         "%" PRIu64 " timelines, %zu that showed something new", s->n_tried,
		         s->n_corpus);
		double done = (double)s->n_tried / (double)p->budget;
		if (p->time_s > 0)
			done = fmax(done, fmin(spent / p->time_s, 1));
		progress_at(&s->progress, done, detail);
	}
	return 0;
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

static int
write_finding(struct search *s, const char *path, const struct genes *g, const struct shown *w)
{
	char note[DRILL_TEXT_MAX + 4 * LINE_MAX_];
	size_t n = (size_t)snprintf(
		note, sizeof note,
		"Found by a search from %s: %s\n  %s\nreproduce: voltloom drill %s --memory",
		s->o->units[0].file, w->id, w->text, path);
	for (size_t i = 0; i < s->o->n_params && n < sizeof note; i++)
		n += (size_t)snprintf(note + n, sizeof note - n, " --param %s", s->o->params[i]);
	FILE *f = fopen(path, "we");
	if (!f)
		return err_sys(s->err, ERR_IO, "cannot write %s", path);
	genes_write(s->file, g, note, f);
	int bad = ferror(f);
	return fclose(f) || bad ? err_sys(s->err, ERR_IO, "cannot write %s", path) : 0;
}

static int
tell(struct search *s, const struct search_params *p, struct candidate *c)
{
	struct genes g = c->genes;
	struct shown w = *c->shown;
	char path[RUNDIR_PATH_MAX];
	size_t was = g.n;
	uint64_t tried = s->n_tried;
	int rc = drill_shrink(s, &g, &w);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s", p->out ? p->out : "");
	if (!p->out)
		snprintf(path, sizeof path, "%s-found.yaml", s->o->units[0].script->name);
	rc = write_finding(s, path, &g, &w);
	if (rc)
		return rc;
	progress_end(&s->progress);
	printf("FOUND %s: %s: %s\n", s->o->units[0].script->name, w.id, w.text);
	printf("  after %" PRIu64 " timelines; %zu actions shrunk to %zu in %" PRIu64
	       " runs: %s\n  reproduce: voltloom drill %s --memory",
	       tried, was, g.n, s->n_shrunk, path, path);
	for (size_t i = 0; i < s->o->n_params; i++)
		printf(" --param %s", s->o->params[i]);
	putchar('\n');
	return 0;
}

static void
free_all(struct search *s)
{
	char path[sizeof s->dir + 32];
	for (size_t i = 0; i < GENERATION; i++) {
		script_destroy(&s->batch[i].script);
		snprintf(path, sizeof path, "%s/%zu.yaml", s->dir, i);
		if (s->dir[0])
			unlink(path);
	}
	if (s->dir[0])
		rmdir(s->dir);
	if (s->shared)
		munmap(s->shared, GENERATION * sizeof *s->shared);
	free(s->corpus);
	free(s->memo);
	genes_free(&s->file);
}

static int
prepare(struct search *s, const struct search_params *p)
{
	const struct drill_order *o = s->o;
	if (o->n_units != 1)
		return err_set(s->err, ERR_INPUT,
		               "a search is over one drill and one combination; these are %zu",
		               o->n_units);
	if (o->units[0].script->checks->n_checks + o->units[0].script->checks->n_gates == 0)
		return err_set(s->err, ERR_INPUT,
		               "%s: nothing is expected, so there is nothing to be broken",
		               o->units[0].file);
	int rc = genes_read(&o->units[0], &s->file, s->err);
	if (rc)
		return rc;
	if (s->file->blast[0])
		term_say(s->c->talk, TERM_DIM,
		         "note: %s names no max_nodes_down: at most %zu node%s down at a time\n",
		         o->units[0].file, s->file->nodes_down, s->file->nodes_down == 1 ? "" : "s");
	if (o->seed_given)
		s->file->base.seed = o->first_seed;
	else if (o->units[0].script->has_seed)
		s->file->base.seed = o->units[0].script->seed;
	s->rng = p->seed;
	s->corpus = calloc(CORPUS_MAX, sizeof *s->corpus);
	s->shared = mmap(NULL, GENERATION * sizeof *s->shared, PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED)
		s->shared = NULL;
	s->memo = calloc(MEMO_MAX, sizeof *s->memo);
	if (!s->corpus || !s->shared || !s->memo)
		return err_set(s->err, ERR_NOMEM, "search: out of memory");
	for (size_t i = 0; i < GENERATION; i++)
		s->batch[i].shown = &s->shared[i];
	const char *tmp = getenv("TMPDIR");
	snprintf(s->dir, sizeof s->dir, "%.30s/vl-search-XXXXXX",
	         tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	if (!mkdtemp(s->dir)) {
		rc = err_sys(s->err, ERR_IO, "%s", s->dir);
		s->dir[0] = '\0';
	}
	return rc;
}

int
drill_search_verb(struct verb_call *c, struct drill_order *o, const struct search_params *p)
{
	struct err err = ERR_INIT;
	struct search *s = calloc(1, sizeof *s);
	struct candidate *hit = NULL;
	int status = EXIT_OK;
	if (!s) {
		err_set(&err, ERR_NOMEM, "search: out of memory");
		return verb_fail(c, &err, NULL);
	}
	s->c = c;
	s->o = o;
	s->err = &err;
	term_catch_signals(NULL);
	progress_begin(&s->progress, c->talk, "search");
	int rc = prepare(s, p);
	if (!rc)
		rc = look_for(s, p, &hit);
	if (!rc && hit) {
		status = EXIT_FAILED;
		rc = tell(s, p, hit);
	}
	progress_end(&s->progress);
	if (!rc && !hit)
		printf("nothing found: %" PRIu64 " timelines over %" PRIu64
		       " seed%s, %zu that showed something new\n",
		       s->n_tried, o->n_seeds, o->n_seeds == 1 ? "" : "s", s->n_corpus);
	if (term_signal())
		status = term_signal() == SIGINT ? EXIT_SIGINT : EXIT_SIGTERM;
	else if (rc)
		status = verb_fail(c, &err, NULL);
	free_all(s);
	free(s);
	return status;
}
