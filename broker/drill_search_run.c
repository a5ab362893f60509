/* Timelines of a search as files, each played in a process of its own. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag.h"
#include "drill_compare.h"
#include "drill_rehearse.h"
#include "drill_search_priv.h"
#include "events.h"
#include "playback.h"

#define COVER_VOLT 0.5 /* a bus that sags by so much more is something new */

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
bool
drill_search_allowed(struct search *s, struct candidate *c)
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
int
drill_search_batch(struct search *s, size_t n, const char *id, size_t *hit)
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
