/* events: what was recorded as an event, of a running mesh or of a run that has ended. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "runview.h"
#include "verb.h"

#define LOOK_MS 50

enum { EVENTS_WANTED, EVENTS_SINCE, EVENTS_FOLLOW, EVENTS_RUN, EVENTS_JSON, EVENTS_MESH };
static const struct opt events_opts[] = {
	[EVENTS_WANTED] = { "FILTER", 0, OPT_TEXT, OPT_POSITIONAL, "FILTER",
	                    "only events with these words: 'link.open cause=death'", UNIT_NONE },
	[EVENTS_SINCE] = { "since", 's', OPT_TIME, 0, "10s", "only the last 10s of plant time",
	                   UNIT_NONE },
	[EVENTS_FOLLOW] = { "follow", 'f', OPT_FLAG, 0, NULL, "go on as they happen", UNIT_NONE },
	[EVENTS_RUN] = { "run", 0, OPT_TEXT, OPT_FILE, "DIR|latest", "of a run that has ended",
	                 UNIT_NONE },
	[EVENTS_JSON] = OPT_ROW_JSON,
	[EVENTS_MESH] = OPT_ROW_MESH,
};

/* How many events of each life were printed: a slow process' events may come after later ones of
 * others, so one position in the sorted list would not do. */
struct seen {
	size_t proc;
	uint32_t incarnation;
	size_t printed, now;
};

struct listing {
	struct seen *seen;
	size_t n, cap;
	int64_t from_k; /* earlier ones are passed over */
	const char *wanted;
	bool json;
};

static struct seen *
seen_of(struct listing *l, size_t proc, uint32_t incarnation)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->seen[i].proc == proc && l->seen[i].incarnation == incarnation)
			return &l->seen[i];
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct seen *more = realloc(l->seen, cap * sizeof *more);
		if (!more)
			return NULL;
		l->seen = more;
		l->cap = cap;
	}
	l->seen[l->n] = (struct seen){ proc, incarnation, 0, 0 };
	return &l->seen[l->n++];
}

/* Prints what is new. */
static int
print_new(struct listing *l, const struct runview *view, struct err *err)
{
	struct events *ev = NULL;
	int rc = events_collect(view, &ev, err);
	for (size_t i = 0; i < l->n; i++)
		l->seen[i].now = 0;
	for (size_t i = 0; !rc && i < events_count(ev) && !ferror(stdout); i++) {
		const struct events_item *it = events_item(ev, i);
		struct seen *s = seen_of(l, it->proc, it->incarnation);
		if (!s) {
			rc = err_set(err, ERR_NOMEM, "out of memory");
		} else if (s->now++ >= s->printed) {
			s->printed++;
			if (it->e.k >= l->from_k && (!l->wanted || events_match(ev, i, l->wanted)))
				events_put(ev, i, l->json, stdout);
		}
	}
	events_destroy(&ev);
	return rc;
}

static int
list(struct verb_call *c, const char *run_dir, const struct procfs_id *supervisor)
{
	const struct opt_value *v = c->v;
	struct listing l = { .from_k = INT64_MIN,
		             .json = v[EVENTS_JSON].given,
		             .wanted = v[EVENTS_WANTED].text };
	struct runview *view = NULL;
	struct err err = ERR_INIT;
	int rc = runview_open(run_dir, &view, &err);
	if (!rc && v[EVENTS_SINCE].given)
		l.from_k = runview_last_k(view) - v[EVENTS_SINCE].ns / runview_topo(view)->step_ns;
	while (!rc) {
		bool alive = supervisor && procfs_alive(supervisor);
		rc = print_new(&l, view, &err);
		if (fflush(stdout) || !v[EVENTS_FOLLOW].given || !alive)
			break; /* nobody reads, or nothing more will come */
		poll(NULL, 0, LOOK_MS);
		if (!rc)
			rc = runview_refresh(view, &err);
	}
	if (!rc && runview_partial(view) && !v[EVENTS_JSON].given)
		term_note(c->talk,
		          "frames before step %" PRId64
		          " were dropped (record.keep); events never are",
		          runview_first_k(view));
	runview_close(&view);
	free(l.seen);
	return rc ? verb_fail(c, &err, NULL) : EXIT_OK;
}

static int
run_events(struct verb_call *c)
{
	char run_dir[RUNDIR_PATH_MAX], help[256] = "";
	struct err err = ERR_INIT;
	const char *run = c->v[EVENTS_RUN].text;
	struct mesh_list meshes;
	const struct mesh_entry *e = NULL;
	if (run) {
		if (strcmp(run, "latest") == 0 ? rundir_latest(NULL, run_dir, &err) : 0)
			return verb_fail(c, &err, NULL);
		return list(c, strcmp(run, "latest") == 0 ? run_dir : run, NULL);
	}
	if (mesh_list_scan(&meshes, &err))
		return verb_fail(c, &err, NULL);
	int status;
	if (mesh_list_select(&meshes, c->v[EVENTS_MESH].text, &e, help, &err))
		status = verb_fail(c, &err,
		                   err.code == ERR_STATE
		                           ? "of the last run: voltloom events --run latest"
		                           : help);
	else
		status = list(c, e->run_dir, &e->supervisor);
	mesh_list_free(&meshes);
	return status;
}

const struct verb verb_events = {
	"events",
	GROUP_LOOK,
	"what happened: openings, deaths, joins, faults",
	"voltloom events --since 10s\n"
	"voltloom events 'link.open cause=death' --follow\n"
	"voltloom events --run latest --json\n",
	NULL,
	events_opts,
	sizeof events_opts / sizeof *events_opts,
	run_events,
};
