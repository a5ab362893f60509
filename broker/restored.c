#include "restored.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "rec.h"
#include "status.h"

#define ASK_TIMEOUT_S 5.0
#define STUCK_S 0.5 /* no new frame for so long: somebody else may have died */
#define LOOK_MS 5   /* between two looks at the recorder */

/* One living process. */
struct watched {
	struct rec_file *file;
	const char *id; /* in the topology */
	bool is_node, gone;
	uint32_t index;                /* node or module index */
	size_t n_events;               /* seen */
	int v, v_min, v_max, unserved; /* field indices, -1: none */
	double unserved_j;             /* at the death */
};

struct restored {
	struct client *client;
	const struct topo *topo;
	char victim[TOPO_ID_MAX];
	struct rec_file *victim_file;
	double lo_v, hi_v;
	size_t n;
	struct watched *w;
	int64_t death_k, k; /* last frame of the victim; next frame to look at */
	int64_t good_k;     /* in the band since, -1: not */
	double min_v;
	char min_id[TOPO_ID_MAX];
};

static int
open_file(const struct status *s, const struct status_proc *p, struct rec_file **ret,
          struct err *err)
{
	char path[RUNDIR_PATH_MAX + 128];
	snprintf(path, sizeof path, "%s/rec/%s.%s.%u.frames", s->run_dir, p->kind, p->id,
	         p->incarnation);
	return rec_file_open(path, ret, err);
}

static int
watch(struct restored *r, const struct status *s, const struct status_proc *p, struct err *err)
{
	struct watched *w = &r->w[r->n];
	int node = topo_find_node(r->topo, p->id), module = topo_find_module(r->topo, p->id);
	if (node < 0 && module < 0)
		return 0; /* the relay */
	int rc = open_file(s, p, &w->file, err);
	if (rc)
		return rc;
	w->is_node = node >= 0;
	w->index = (uint32_t)(node >= 0 ? node : module);
	w->id = node >= 0 ? r->topo->nodes[node].id : r->topo->modules[module].id;
	w->n_events = rec_file_n_events(w->file);
	w->v = rec_file_field(w->file, "v");
	w->v_min = rec_file_field(w->file, "v_min");
	w->v_max = rec_file_field(w->file, "v_max");
	w->unserved = rec_file_field(w->file, "unserved_j");
	r->n++;
	if (w->is_node && (w->v < 0 || w->v_min < 0 || w->v_max < 0))
		return err_set(err, ERR_PROTO, "the recorder of %s has no bus voltage", w->id);
	return 0;
}

static bool
has_ended(const struct status_proc *p)
{
	return strcmp(p->state, "dead") == 0 || strcmp(p->state, "parked") == 0;
}

int
restored_create(struct client *client, const struct topo *topo, const char *victim, double band,
                struct restored **ret, struct err *err)
{
	struct status *s = NULL;
	struct restored *r = NULL;
	bool found = false;
	if (!topo)
		return err_set(
			err, ERR_IO,
			"the topology of the mesh cannot be read, so nothing can be followed");
	int rc = status_ask(client, ASK_TIMEOUT_S, &s, err);
	if (rc)
		return rc;
	r = calloc(1, sizeof *r);
	if (r)
		r->w = calloc(s->n ? s->n : 1, sizeof *r->w);
	if (!r || !r->w) {
		rc = err_set(err, ERR_NOMEM, "out of memory");
		goto out;
	}
	r->client = client;
	r->topo = topo;
	r->good_k = -1;
	r->min_v = INFINITY;
	r->lo_v = topo->nominal_v * (1 - band);
	r->hi_v = topo->nominal_v * (1 + band);
	snprintf(r->victim, sizeof r->victim, "%s", victim);
	for (size_t i = 0; i < s->n && !rc; i++) {
		const struct status_proc *p = &s->procs[i];
		if (strcmp(p->id, victim) == 0 && !has_ended(p)) {
			found = true;
			rc = open_file(s, p, &r->victim_file, err);
		} else if (!has_ended(p)) {
			rc = watch(r, s, p, err);
		}
	}
	if (!rc && !found)
		rc = err_set(err, ERR_STATE, "%s is dead already", victim);
out:
	if (rc)
		restored_destroy(&r);
	else
		*ret = r;
	status_destroy(&s);
	return rc;
}

void
restored_destroy(struct restored **pr)
{
	struct restored *r = *pr;
	if (!r)
		return;
	for (size_t i = 0; i < r->n && r->w; i++)
		rec_file_close(&r->w[i].file);
	rec_file_close(&r->victim_file);
	free(r->w);
	free(r);
	*pr = NULL;
}

static double
after_death_ms(const struct restored *r, int64_t k)
{
	return (double)(k - r->death_k) * topo_step_s(r->topo) * 1e3;
}

/* The name of channel c of a process if the victim is at its other end, else NULL. */
static const char *
victim_channel(const struct restored *r, const struct watched *w, int32_t c)
{
	const struct topo *t = r->topo;
	uint32_t port;
	if (c < 0)
		return NULL;
	if (!w->is_node) {
		const struct topo_module *m = &t->modules[w->index];
		if ((size_t)c >= m->n_feeds || strcmp(t->nodes[m->feeds[c]].id, r->victim) != 0)
			return NULL;
		return t->ports[m->ports[c]].id;
	}
	const struct topo_node *n = &t->nodes[w->index];
	if ((size_t)c < n->n_links) {
		const struct topo_link *l = &t->links[n->links[c]];
		uint32_t peer = l->a == w->index ? l->b : l->a;
		return strcmp(t->nodes[peer].id, r->victim) == 0 ? l->id : NULL;
	}
	if ((size_t)c - n->n_links >= n->n_ports)
		return NULL;
	port = n->ports[(size_t)c - n->n_links];
	return strcmp(t->modules[t->ports[port].module].id, r->victim) == 0 ? t->ports[port].id
	                                                                    : NULL;
}

static bool
is_opening(const struct restored *r, const struct watched *w, const struct core_event *e)
{
	return (e->code == EV_LINK_OPEN || e->code == EV_PORT_OPEN) && (int)e->a == OPEN_DEATH &&
	       victim_channel(r, w, e->chan);
}

/* Step of the earliest opening that has not been printed, INT64_MAX: none. */
static int64_t
next_opening(const struct restored *r)
{
	int64_t k = INT64_MAX;
	for (size_t i = 0; i < r->n; i++) {
		const struct watched *w = &r->w[i];
		for (size_t at = w->n_events; at < rec_file_n_events(w->file); at++) {
			const struct core_event *e = rec_file_event(w->file, at);
			if (is_opening(r, w, e) && e->k < k)
				k = e->k;
		}
	}
	return k;
}

/* "  +0.1 ms  link.open  l2 (n2), l3 (n4)" */
static void
print_step(const struct restored *r, int64_t k, uint32_t code)
{
	unsigned n = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct watched *w = &r->w[i];
		for (size_t at = w->n_events; at < rec_file_n_events(w->file); at++) {
			const struct core_event *e = rec_file_event(w->file, at);
			if (!is_opening(r, w, e) || e->k != k || e->code != code)
				continue;
			if (n++ == 0)
				printf("  +%-7.4g ms  %-10s ", after_death_ms(r, k),
				       event_name(code));
			else
				printf(", ");
			printf("%s (%s)", victim_channel(r, w, e->chan), w->id);
		}
	}
	if (n > 0)
		printf("\n");
}

static void
print_openings(struct restored *r)
{
	int64_t k;
	while ((k = next_opening(r)) != INT64_MAX) {
		print_step(r, k, EV_LINK_OPEN);
		print_step(r, k, EV_PORT_OPEN);
		for (size_t i = 0; i < r->n; i++) {
			struct watched *w = &r->w[i];
			while (w->n_events < rec_file_n_events(w->file) &&
			       rec_file_event(w->file, w->n_events)->k <= k)
				w->n_events++;
		}
	}
}

/* Takes in what was recorded since; the frame up to which everybody living has come. */
static int
refresh(struct restored *r, int64_t *ret_k, struct err *err)
{
	int64_t k = INT64_MAX;
	for (size_t i = 0; i < r->n; i++) {
		struct watched *w = &r->w[i];
		if (w->gone)
			continue;
		int rc = rec_file_refresh(w->file, err);
		if (rc)
			return rc;
		int64_t last = rec_file_last_k(w->file);
		k = last < k ? last : k;
	}
	print_openings(r);
	fflush(stdout);
	*ret_k = k;
	return 0;
}

/* Frame k: every living bus within the band? Frames that are no longer kept do not count. */
static bool
all_in_band(struct restored *r, int64_t k)
{
	bool good = true;
	for (size_t i = 0; i < r->n; i++) {
		const struct watched *w = &r->w[i];
		const union rec_word *f =
			w->is_node && !w->gone ? rec_file_frame(w->file, k) : NULL;
		if (!f)
			continue;
		if (f[w->v_min].f < r->min_v) {
			r->min_v = f[w->v_min].f;
			snprintf(r->min_id, sizeof r->min_id, "%s", w->id);
		}
		good = good && f[w->v_min].f >= r->lo_v && f[w->v_max].f <= r->hi_v;
	}
	return good;
}

static void
mark_the_dead(struct restored *r)
{
	struct status *s = NULL;
	if (status_ask(r->client, ASK_TIMEOUT_S, &s, NULL))
		return;
	for (size_t i = 0; i < r->n; i++) {
		struct watched *w = &r->w[i];
		for (size_t j = 0; j < s->n; j++) {
			if (strcmp(s->procs[j].id, w->id) == 0 &&
			    (has_ended(&s->procs[j]) ||
			     s->procs[j].incarnation != rec_file_head(w->file)->incarnation))
				w->gone = true;
		}
	}
	status_destroy(&s);
}

static void
print_restored(const struct restored *r, int64_t end_k)
{
	double lo = INFINITY, hi = -INFINITY, unserved = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct watched *w = &r->w[i];
		const union rec_word *f = rec_file_frame(w->file, end_k);
		if (w->gone || !f)
			continue;
		if (w->is_node) {
			lo = fmin(lo, f[w->v].f);
			hi = fmax(hi, f[w->v].f);
		}
		if (w->unserved >= 0)
			unserved += f[w->unserved].f - w->unserved_j;
	}
	printf("  +%-7.4g ms  restored   bus %.1f..%.1f V, minimum %.1f V (%s), unserved %.3g J\n",
	       after_death_ms(r, r->good_k), lo, hi, r->min_v, r->min_id, unserved);
	fflush(stdout);
}

static int
find_death(struct restored *r, struct err *err)
{
	int rc = rec_file_refresh(r->victim_file, err);
	if (rc)
		return rc;
	r->death_k = rec_file_last_k(r->victim_file);
	r->k = r->death_k + 1;
	for (size_t i = 0; i < r->n; i++) {
		struct watched *w = &r->w[i];
		rc = rec_file_refresh(w->file, err);
		if (rc)
			return rc;
		/* A neighbour may be a step behind; frames only grow from here. */
		int64_t last = rec_file_last_k(w->file);
		const union rec_word *f =
			rec_file_frame(w->file, last < r->death_k ? last : r->death_k);
		w->unserved_j = f && w->unserved >= 0 ? f[w->unserved].f : 0;
	}
	return 0;
}

static int
give_up(const struct restored *r, struct term *talk, double timeout_s, bool moved)
{
	if (!moved) {
		term_error(talk, "the clock of the mesh stands still, so nothing can be said",
		           "is it paused? voltloom ps");
		return 2;
	}
	char text[256];
	snprintf(text, sizeof text,
	         "the voltages were not back within %.1f..%.1f V after %g s; the lowest "
	         "was %.1f V (%s)",
	         r->lo_v, r->hi_v, timeout_s, r->min_v, r->min_id);
	term_error(talk, text, "look at it: voltloom top --once");
	return 1;
}

int
restored_follow(struct restored *r, struct term *talk, double timeout_s)
{
	struct err err = ERR_INIT;
	struct progress progress;
	int64_t hold = (int64_t)ceil(RESTORED_HOLD_S / topo_step_s(r->topo));
	double start = term_now_s(), moved_s = start;
	bool moved = false;
	progress_begin(&progress, talk, "waiting for the voltages");
	int rc = find_death(r, &err);
	while (!rc) {
		int64_t last;
		rc = refresh(r, &last, &err);
		if (rc)
			break;
		double now = term_now_s();
		if (r->k <= last) {
			moved = true;
			moved_s = now;
		}
		for (; r->k <= last; r->k++) {
			if (!all_in_band(r, r->k))
				r->good_k = -1;
			else if (r->good_k < 0)
				r->good_k = r->k;
			if (r->good_k >= 0 && r->k - r->good_k >= hold) {
				progress_end(&progress);
				print_restored(r, r->k);
				return 0;
			}
		}
		progress_at(&progress, NAN, "");
		if (now - start > timeout_s) {
			progress_end(&progress);
			return give_up(r, talk, timeout_s, moved);
		}
		if (now - moved_s > STUCK_S) {
			mark_the_dead(r);
			moved_s = term_now_s();
		}
		poll(NULL, 0, LOOK_MS);
	}
	progress_end(&progress);
	term_error(talk, err.text, NULL);
	return err_exit_status(rc);
}
