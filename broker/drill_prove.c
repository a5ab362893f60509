#include "drill_prove.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

/* What an action leaves behind in each process that it touches. */
struct trail {
	const struct runview *view;
	const struct events *events;
	const struct script_action *a;
};

/* The event of a process at step k, or within steps k..last. NULL: none. */
static const struct core_event *
find(const struct trail *t, size_t proc, uint32_t code, int64_t k, int64_t last, int32_t chan)
{
	/* Events are in the order of steps. */
	size_t lo = 0, hi = events_count(t->events);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (events_item(t->events, mid)->e.k < k)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i < events_count(t->events); i++) {
		const struct events_item *it = events_item(t->events, i);
		if (it->e.k > last)
			return NULL;
		if (it->proc == proc && it->e.code == code && (chan < 0 || it->e.chan == chan))
			return &it->e;
	}
	return NULL;
}

static int32_t
channel(const struct topo *t, uint32_t node, uint32_t link)
{
	const struct topo_node *n = &t->nodes[node];
	for (size_t i = 0; i < n->n_links; i++)
		if (n->links[i] == link)
			return (int32_t)i;
	return -1;
}

/* The life that ends with frame k; -1: none. */
static int64_t
life_ending(const struct runview *v, size_t proc, int64_t k)
{
	for (size_t l = 0; l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		if (rec_file_last_k(f) == k)
			return (int64_t)rec_file_head(f)->incarnation;
	}
	return -1;
}

static void
prove_death(const struct trail *t, struct drill_fault *f)
{
	int64_t k = t->a->k;
	int64_t life = life_ending(t->view, t->a->target, k - 1);
	bool parked = find(t, t->a->target, EV_PARK, k - 1, k - 1, -1) != NULL;
	f->proved = life >= 0 && parked;
	if (f->proved)
		snprintf(f->text, sizeof f->text, "life %" PRId64 " of %s ends with frame %" PRId64,
		         life, f->target, k - 1);
	else
		snprintf(f->text, sizeof f->text, "%s did not end with frame %" PRId64, f->target,
		         k - 1);
}

static void
prove_birth(const struct trail *t, struct drill_fault *f)
{
	const struct core_event *e = find(t, t->a->target, EV_JOINED, t->a->k, t->a->k, -1);
	f->proved = e != NULL;
	if (e)
		snprintf(f->text, sizeof f->text, "life %.0f of %s joined at step %" PRId64, e->a,
		         f->target, e->k);
	else
		snprintf(f->text, sizeof f->text, "%s did not join at step %" PRId64, f->target,
		         t->a->k);
}

/* Both ends: the command was heard, and the contactors moved. */
static void
prove_link(const struct trail *t, struct drill_fault *f)
{
	const struct topo *topo = runview_topo(t->view);
	const struct topo_link *l = &topo->links[t->a->target];
	bool cut = t->a->kind == SCRIPT_CUT;
	int64_t k = t->a->k, moved = -1;
	f->proved = true;
	for (int end = 0; end < 2; end++) {
		uint32_t node = end ? l->b : l->a;
		int32_t chan = channel(topo, node, t->a->target);
		const struct core_event *heard = find(t, node, EV_FAULT, k, k, chan);
		const struct core_event *move =
			cut ? find(t, node, EV_LINK_OPEN, k, k, chan)
			    : find(t, node, EV_LINK_CLOSE, k, runview_last_k(t->view), chan);
		if (heard && move) {
			moved = move->k;
			continue;
		}
		f->proved = false;
		snprintf(f->text, sizeof f->text, "the end of %s at %s did not %s%s", l->id,
		         topo->nodes[node].id, cut ? "open" : "close",
		         heard ? "" : ": it never heard the command");
		return;
	}
	snprintf(f->text, sizeof f->text, "both ends of %s %s at step %" PRId64, l->id,
	         cut ? "opened" : "closed from", moved);
}

static void
prove_bus(const struct trail *t, struct drill_fault *f)
{
	const struct core_event *e = find(t, t->a->target, EV_FAULT, t->a->k, t->a->k, -1);
	double want = t->a->kind == SCRIPT_LOAD ? t->a->level_w : t->a->r_ohm;
	double kind = t->a->kind == SCRIPT_LOAD ? CMD_LOAD : CMD_SHORT;
	f->proved = e && e->a == kind && e->b == want;
	if (f->proved)
		snprintf(f->text, sizeof f->text, "%s took it at step %" PRId64, f->target, e->k);
	else
		snprintf(f->text, sizeof f->text, "%s did not take it at step %" PRId64, f->target,
		         t->a->k);
}

void
drill_prove(const struct runview *view, const struct events *events, const struct script_action *a,
            struct drill_fault *f)
{
	struct trail t = { view, events, a };
	f->action = a;
	f->target = drill_target(runview_topo(view), a);
	f->heals = !strncmp(a->id, "heal.", 5);
	switch (a->kind) {
	case SCRIPT_KILL:
	case SCRIPT_STOP:
		prove_death(&t, f);
		break;
	case SCRIPT_START:
	case SCRIPT_CONT:
		prove_birth(&t, f);
		break;
	case SCRIPT_CUT:
	case SCRIPT_HEAL:
	case SCRIPT_CLOSE:
		prove_link(&t, f);
		break;
	case SCRIPT_LOAD:
	case SCRIPT_SHORT:
		prove_bus(&t, f);
		break;
	}
}
