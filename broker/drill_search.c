#include "drill_search.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag.h"
#include "drill_compare.h"
#include "drill_rehearse.h"
#include "events.h"
#include "playback.h"
#include "verb.h"

enum {
	GENERATION = 16,
	TRIES_MAX = 40, /* for a neighbour that the file's rules allow */
	CORPUS_MAX = 256,
	COVER_BITS = 8192,
	COVER_WORDS = COVER_BITS / 64,
	SHRINK_RUNS_MAX = 150,
	MEMO_MAX = 4096,
	SLACK_MS = 50, /* for which a simpler timeline may take longer to fail, beside a fifth */
	LINE_MAX_ = 400,
};
#define COVER_VOLT 0.5 /* a bus that sags by so much more is something new */

/* What a run showed; in memory that is shared with the process that played it. */
struct shown {
	bool done;
	enum drill_verdict verdict;
	char id[TOPO_ID_MAX + 8], text[DRILL_TEXT_MAX]; /* of the first item that failed */
	int64_t known_k; /* frame at which that was known */
	uint64_t cover[COVER_WORDS];
};

struct candidate {
	struct genes genes;
	struct script *script; /* NULL: not allowed */
	struct shown *shown;
	int64_t until_k;       /* played up to this step; 0: to its end */
};

struct search {
	struct verb_call *c;
	const struct drill_order *o;
	struct genes_file *file;
	struct candidate batch[GENERATION];
	struct shown *shared;
	size_t n_corpus;
	struct genes *corpus;
	uint64_t rng, n_tried, n_shrunk;
	const char *only;    /* while shrinking: the condition that is looked at; NULL: all */
	size_t n_memo;
	uint64_t *memo;      /* timelines that were tried while shrinking */
	uint64_t cover[COVER_WORDS];
	char dir[64];
	struct progress progress;
	struct err *err;
};

/* ---- one run, in a process of its own ---------------------------------------------------------
 */

static void
cover(struct shown *s, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t h = (a * 0x9e3779b97f4a7c15u ^ b) * 0xbf58476d1ce4e5b9u ^ c * 0x94d049bb133111ebu;
	h = (h ^ h >> 31) % COVER_BITS;
	s->cover[h / 64] |= UINT64_C(1) << h % 64;
}

/* When it is certain that it failed. */
static int64_t
known_at(const struct drill_item *it, int64_t step_ns)
{
	if (it->first_k >= 0)
		return it->first_k;
	int64_t hold_ns = it->check && it->check->hold_ns > 0 ? it->check->hold_ns : 0;
	return it->to_k + hold_ns / step_ns + 1;
}

static void
note_item(struct shown *s, const struct drill_item *it, int64_t step_ns)
{
	snprintf(s->id, sizeof s->id, "%s", it->id);
	snprintf(s->text, sizeof s->text, "%s", it->text);
	s->known_k = known_at(it, step_ns);
}

static int
look(struct shown *s, const struct runview *view, const struct drill_outcome *o, struct err *err)
{
	struct events *ev = NULL;
	int rc = events_collect(view, &ev, err);
	for (size_t i = 0; !rc && i < events_count(ev); i++) {
		const struct events_item *it = events_item(ev, i);
		cover(s, it->e.code, it->proc, it->e.code == EV_LINK_OPEN ? (uint64_t)it->e.a : 0);
	}
	events_destroy(&ev);
	if (isfinite(o->summary.min.v))
		cover(s, 1000, (uint64_t)(fmax(o->summary.min.v, 0) / COVER_VOLT), 0);
	s->verdict = o->verdict;
	for (size_t i = 0; i < o->n_items; i++) {
		const struct drill_item *it = &o->items[i];
		if (it->verdict != DRILL_FAIL && it->verdict != DRILL_ABORTED)
			continue;
		note_item(s, it, runview_topo(view)->step_ns);
		break;
	}
	return rc;
}

static int
judge(const struct search *s, struct drill_unit *u, struct script *script, const struct runview *view,
      struct shown *shown, struct err *err)
{
	struct drill_compare *other = NULL;
	struct drill_outcome *o = NULL;
	struct drill_item item;
	u->script = script;
	int rc = drill_compare_create(u, s->o, &other, err);
	if (!rc && s->only) {
		rc = drill_eval_item(script, view, s->o->strict, drill_compare_figure, other,
		                     s->only, &item, err);
		shown->verdict = item.verdict;
		if (!rc && item.verdict != DRILL_INCONCLUSIVE)
			note_item(shown, &item, u->topo->step_ns);
	} else if (!rc) {
		rc = drill_eval(script, view, s->o->strict, drill_compare_figure, other, &o, err);
		if (!rc)
			rc = look(shown, view, o, err);
	}
	drill_outcome_destroy(&o);
	drill_compare_destroy(&other);
	return rc;
}

static void
play(const struct search *s, const struct candidate *c)
{
	struct topo *topo = s->o->units[0].topo;
	struct script *timed = NULL;
	struct drill_unit u = s->o->units[0];
	struct err err = ERR_INIT;
	char path[sizeof s->dir + 32];
	snprintf(path, sizeof path, "%s/%zu.yaml", s->dir, (size_t)(c - s->batch));
	topo->seed = c->genes.seed;
	u.file = path;
	u.script = c->script;
	enum drill_verdict v = drill_rehearse(&u, s->o, &timed, NULL, NULL, &err);
	struct script *script = timed ? timed : c->script;
	struct memory_params params = { .topo = topo,
		                        .script = script,
		                        .end_k = script->end_ns / topo->step_ns,
		                        .seed = topo->seed };
	struct playback run = { 0 };
	if (c->until_k > 0 && c->until_k < params.end_k)
		params.end_k = c->until_k;
	/* Beyond the blast radius, or impossible, with the times that its conditions gave. */
	c->shown->verdict = v == DRILL_ERROR ? v : DRILL_INCONCLUSIVE;
	int rc = v == DRILL_ERROR ? err.code : 0;
	if (v == DRILL_PASS)
		rc = playback_run(&run, &params, NULL, NULL, &err);
	if (run.view && !rc)
		rc = judge(s, &u, script, run.view, c->shown, &err);
	if (rc) {
		c->shown->verdict = DRILL_ERROR;
		snprintf(c->shown->id, sizeof c->shown->id, "run");
		snprintf(c->shown->text, sizeof c->shown->text, "%.*s", DRILL_TEXT_MAX - 1,
		         err.text);
	}
	c->shown->done = true;
}

static pid_t
start(const struct search *s, const struct candidate *c)
{
	pid_t parent = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	setpgid(0, 0); /* Ctrl-C is for the parent */
	play(s, c);
	_exit(0);
}

/* ---- batches ----------------------------------------------------------------------------------
 */

static bool
failed(const struct candidate *c)
{
	enum drill_verdict v = c->shown->verdict;
	return c->script && (v == DRILL_FAIL || v == DRILL_ABORTED || v == DRILL_ERROR);
}

/* Whether this text was tried while shrinking; notes it. */
static bool
tried(struct search *s, const char *text)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	for (size_t i = 0; i < s->n_memo; i++)
		if (s->memo[i] == h)
			return true;
	if (s->n_memo < MEMO_MAX)
		s->memo[s->n_memo++] = h;
	return false;
}

/* Writes the file of a candidate and reads it as a drill would; false: it is not allowed, or nothing new
 * while shrinking. */
static bool
allowed(struct search *s, struct candidate *c)
{
	char path[sizeof s->dir + 32];
	const struct drill_unit *u = &s->o->units[0];
	struct script_options options = { .drill = true,
		                          .combination = u->combination,
		                          .n_params = s->o->n_params,
		                          .params = s->o->params };
	struct diag_list diags;
	struct err err = ERR_INIT;
	script_destroy(&c->script);
	snprintf(path, sizeof path, "%s/%zu.yaml", s->dir, (size_t)(c - s->batch));
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size), *out = NULL;
	if (!f)
		return false;
	genes_write(s->file, &c->genes, NULL, f);
	bool good = !fclose(f) && text && !(s->only && tried(s, text)) &&
	            (out = fopen(path, "we")) != NULL;
	if (good)
		good = fputs(text, out) >= 0;
	free(text);
	if ((out && fclose(out)) || !good)
		return false;
	diag_list_init(&diags);
	int rc = script_load_with(path, u->topo, &options, &diags, &c->script, &err);
	diag_list_free(&diags);
	return rc == 0;
}

/* Plays the first n of the batch that have a script, at most `jobs` at a time, up to the first hit:
 * what comes behind it may be played or not, and nobody looks at it. `id` NULL: any failure is a
 * hit. ERR_STATE: a signal. */
static int
run_batch(struct search *s, size_t n, const char *id, size_t *hit)
{
	*hit = n;
	pid_t pids[GENERATION] = { 0 };
	size_t next = 0, alive = 0;
	memset(s->shared, 0, GENERATION * sizeof *s->shared);
	while ((next < n && next < *hit) || alive) {
		for (; next < n && next < *hit && alive < s->o->jobs && !term_signal(); next++) {
			if (!s->batch[next].script)
				continue;
			fflush(NULL);
			pids[next] = start(s, &s->batch[next]);
			if (pids[next] < 0)
				return err_sys(s->err, ERR_IO, "search: cannot start a process");
			alive++;
		}
		if (term_signal()) {
			for (size_t i = 0; i < n; i++)
				if (pids[i] > 0)
					kill(pids[i], SIGKILL);
			next = n;
		}
		if (!alive)
			continue;
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno == EINTR)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			alive--;
			if (!s->shared[i].done) {
				s->shared[i].verdict = DRILL_ERROR;
				snprintf(s->shared[i].id, sizeof s->shared[i].id, "run");
				snprintf(s->shared[i].text, sizeof s->shared[i].text,
				         "the process that ran it died");
			}
			if (i < *hit && failed(&s->batch[i]) &&
			    (!id || !strcmp(s->shared[i].id, id)))
				*hit = i;
		}
	}
	return term_signal() ? err_set(s->err, ERR_STATE, "interrupted") : 0;
}

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
		if (allowed(s, c))
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
		int rc = run_batch(s, n, NULL, &hit);
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

/* ---- shrinking --------------------------------------------------------------------------------
 */

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
		any |= allowed(s, &s->batch[i]);
	}
	if (!any)
		return 0;
	size_t hit;
	int rc = run_batch(s, n, want->id, &hit);
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
static int
shrink(struct search *s, struct genes *g, struct shown *want)
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
	if (allowed(s, &s->batch[0]))
		rc = run_batch(s, 1, id, &hit);
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
	int rc = shrink(s, &g, &w);
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
