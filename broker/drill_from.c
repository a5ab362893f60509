#include "drill_from.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "drill_from_priv.h"
#include "export.h"

struct deed *
drill_from_add(struct from *f, int64_t k, enum script_kind kind, const char *target)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct deed *p = realloc(f->deeds, cap * sizeof *p);
		if (!p) {
			err_set(f->err, ERR_NOMEM, "drill: out of memory");
			return NULL;
		}
		f->deeds = p;
		f->cap = cap;
	}
	struct deed *d = &f->deeds[f->n];
	*d = (struct deed){
		.k = k, .nth = f->n, .kind = kind, .target = target, .proc = SIZE_MAX, .link = -1,
		.sensor = -1
	};
	f->n++;
	return d;
}

void
drill_from_when(const struct from *f, int64_t k, char buf[48])
{
	char s[EXPORT_TIME_MAX];
	export_time(k * f->topo->step_ns, s);
	snprintf(buf, 48, "%s s", s);
}

/* ---- lives ------------------------------------------------------------------------------------
 */

static int
take_death(struct from *f, size_t proc, size_t l)
{
	const struct rec_file *life = runview_life(f->view, proc, l);
	int64_t last = rec_file_last_k(life);
	size_t n = rec_file_n_events(life);
	const struct core_event *e = n ? rec_file_event(life, n - 1) : NULL;
	const char *id = runview_id(f->view, proc);
	char at[48];
	drill_from_when(f, last, at);
	if (e && e->code != EV_PARK && e->k >= last && e->k > rec_file_head(life)->start_k)
		return err_set(
			f->err, ERR_INPUT,
			"%s died in the middle of step %" PRId64
			" (%s): events of it are recorded and its frame is not. No drill does "
			"that",
			id, last, at);
	struct deed *d = drill_from_add(f, last + 1, SCRIPT_KILL, id);
	if (!d)
		return f->err->code;
	if (!e || e->code != EV_PARK) {
		d->proc = proc;
		d->life = l;
	}
	return 0;
}

static int
take_lives(struct from *f)
{
	int64_t end = runview_last_k(f->view);
	for (size_t p = 0; p < runview_n_procs(f->view); p++) {
		for (size_t l = 0; l < runview_n_lives(f->view, p); l++) {
			const struct rec_file *life = runview_life(f->view, p, l);
			int64_t start = rec_file_head(life)->start_k;
			if (l > 0 && !drill_from_add(f, start, SCRIPT_START, runview_id(f->view, p)))
				return f->err->code;
			if (rec_file_last_k(life) < end) {
				int rc = take_death(f, p, l);
				if (rc)
					return rc;
			}
		}
	}
	return 0;
}

static int
by_step(const void *pa, const void *pb)
{
	const struct deed *a = pa, *b = pb;
	if (a->k != b->k)
		return a->k < b->k ? -1 : 1;
	return a->nth < b->nth ? -1 : a->nth > b->nth;
}

int
drill_from_write(const struct runview *view, const char *run_dir, const char *topology, FILE *out,
                 struct drill_from *ret, struct err *err)
{
	struct from f = { .view = view, .topo = runview_topo(view), .err = err };
	int rc = events_collect(view, &f.events, err);
	for (size_t i = 0; !rc && i < events_count(f.events); i++)
		if (events_item(f.events, i)->e.code == EV_FAULT)
			rc = drill_from_fault(&f, i);
	if (!rc)
		rc = take_lives(&f);
	if (!rc) {
		drill_from_ends(&f);
		drill_from_order(&f);
		*ret = (struct drill_from){ .n_actions = f.n, .partial = runview_partial(view) };
		if (f.n)
			qsort(f.deeds, f.n, sizeof *f.deeds, by_step);
		drill_from_head(&f, run_dir, topology, out);
		for (size_t i = 0; i < f.n; i++) {
			drill_from_deed(&f, &f.deeds[i], out);
			ret->n_deaths += f.deeds[i].proc != SIZE_MAX;
		}
	}
	events_destroy(&f.events);
	free(f.deeds);
	free(f.told);
	return rc;
}
