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

/* The first event of a process at step k, or within steps k..last, behind `after` (NULL: any).
 * NULL: none. */
static const struct core_event *
find_after(const struct trail *t, size_t proc, uint32_t code, int64_t k, int64_t last, int32_t chan,
           const struct core_event *after)
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
		if (after) {
			after = &it->e == after ? NULL : after;
			continue;
		}
		if (it->proc == proc && it->e.code == code && (chan < 0 || it->e.chan == chan))
			return &it->e;
	}
	return NULL;
}

static const struct core_event *
find(const struct trail *t, size_t proc, uint32_t code, int64_t k, int64_t last, int32_t chan)
{
	return find_after(t, proc, code, k, last, chan, NULL);
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
	bool parked = t->a->by_hand || find(t, t->a->target, EV_PARK, k - 1, k - 1, -1) != NULL;
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

/* The process `proc`, at its channel `chan`, heard the command with its parameters. */
static bool
heard(const struct trail *t, uint32_t proc, int32_t chan)
{
	const struct script_action *a = t->a;
	const struct action *r = &action_table[a->kind];
	const struct core_event *e = NULL;
	double want = a->ends ? NAN : action_word(a->kind, &a->with, a->for_s, 0);
	/* Several commands may act in one step. */
	while ((e = find_after(t, proc, EV_FAULT, a->k, a->k, chan, e))) {
		bool same = e->b == want || (isnan(want) && isnan(e->b));
		if (e->a == (double)(a->ends ? r->undo : r->command) && same)
			return true;
	}
	return false;
}

static bool
lives_at(const struct trail *t, uint32_t proc, int64_t k)
{
	return runview_life_at(t->view, proc, k) >= 0;
}

/* The channel's ends that live heard of a cut or a heal of it alone. */
static void
prove_silence(const struct trail *t, struct drill_fault *f)
{
	const struct topo *topo = runview_topo(t->view);
	const struct topo_link *l = &topo->links[t->a->target];
	int n = 0;
	f->proved = true;
	for (int end = 0; end < 2; end++) {
		uint32_t node = end ? l->b : l->a;
		if (!lives_at(t, node, t->a->k))
			continue;
		n++;
		f->proved = f->proved && heard(t, node, channel(topo, node, t->a->target));
	}
	f->proved = f->proved && n > 0;
	snprintf(f->text, sizeof f->text, "the channel of %s %s at step %" PRId64, l->id,
	         !f->proved                 ? "did not take it"
	         : t->a->kind == SCRIPT_CUT ? "fell silent"
	                                    : "is open again",
	         t->a->k);
}

/* In a file that repeats a run, a command may do nothing, as it did then: whoever lives has heard it. */
static void
prove_again(const struct trail *t, struct drill_fault *f)
{
	const struct script_action *a = t->a;
	const struct topo *topo = runview_topo(t->view);
	if (a->target_kind == TARGET_LINK) {
		const struct topo_link *l = &topo->links[a->target];
		f->proved = true;
		for (int end = 0; end < 2; end++) {
			uint32_t node = end ? l->b : l->a;
			if (lives_at(t, node, a->k) && (!a->toward || a->toward == node + 1))
				f->proved = f->proved &&
				            heard(t, node, channel(topo, node, a->target));
		}
	} else {
		f->proved = heard(t, a->target, a->sensor);
	}
	snprintf(f->text, sizeof f->text, "%s %s it at step %" PRId64, f->target,
	         f->proved ? "took" : "did not take", a->k);
}

/* Both ends: the command was heard, and the contactors moved. */
static void
prove_link(const struct trail *t, struct drill_fault *f)
{
	const struct topo *topo = runview_topo(t->view);
	const struct topo_link *l = &topo->links[t->a->target];
	bool cut = t->a->kind == SCRIPT_CUT;
	int64_t k = t->a->k, moved = -1;
	if (t->a->with.only == CUT_CHANNEL) {
		prove_silence(t, f);
		return;
	}
	f->proved = true;
	for (int end = 0; end < 2; end++) {
		uint32_t node = end ? l->b : l->a;
		int32_t chan = channel(topo, node, t->a->target);
		bool told = heard(t, node, chan);
		const struct core_event *move =
			cut ? find(t, node, EV_LINK_OPEN, k, k, chan)
			    : find(t, node, EV_LINK_CLOSE, k, runview_last_k(t->view), chan);
		if (told && move) {
			moved = move->k;
			continue;
		}
		f->proved = false;
		snprintf(f->text, sizeof f->text, "the end of %s at %s did not %s%s", l->id,
		         topo->nodes[node].id, cut ? "open" : "close",
		         told ? "" : ": it never heard the command");
		return;
	}
	snprintf(f->text, sizeof f->text, "both ends of %s %s at step %" PRId64, l->id,
	         cut ? "opened" : "closed from", moved);
}

/* By how much a counter of one end rose from step k to `last`, within one life; NaN: not recorded.
 */
static double
rise(const struct trail *t, uint32_t proc, const char *name, int64_t k, int64_t last)
{
	char field[2 * TOPO_ID_MAX + 32];
	const char *link = runview_topo(t->view)->links[t->a->target].id;
	snprintf(field, sizeof field, "link.%s.%s", link, name);
	int life = runview_life_at(t->view, proc, k), at = runview_field(t->view, proc, field);
	if (life < 0 || at < 0)
		return NAN;
	const struct rec_file *r = runview_life(t->view, proc, (size_t)life);
	int64_t end = rec_file_last_k(r) < last ? rec_file_last_k(r) : last;
	return rec_file_frame(r, end)[at].f - rec_file_frame(r, k)[at].f;
}

/* A fault of a channel: the ends that live took it, and frames went through it while it was there.
 * That one of them was lost is not asked for: a share of 1 % of ten frames may well spare all. */
static void
prove_channel(const struct trail *t, struct drill_fault *f)
{
	static const struct {
		const char *field, *what;
	} effects[] = { { "frames_lost", "lost" },
		        { "frames_doubled", "doubled" },
		        { "frames_corrupt", "corrupt" },
		        { "frames_late", "late" },
		        { "frames_flood", "foreign" } };
	const struct script_action *a = t->a;
	const struct topo *topo = runview_topo(t->view);
	const struct topo_link *l = &topo->links[a->target];
	int64_t last = runview_last_k(t->view);
	double sent = 0, more[5] = { 0 };
	int n = 0;
	if (!isnan(a->for_s) && a->k + (int64_t)(a->for_s / topo_step_s(topo)) < last)
		last = a->k + (int64_t)(a->for_s / topo_step_s(topo));
	f->proved = true;
	for (int end = 0; end < 2; end++) {
		uint32_t node = end ? l->b : l->a;
		if (!lives_at(t, node, a->k) || (a->toward && a->toward != node + 1))
			continue;
		n++;
		f->proved = f->proved && heard(t, node, channel(topo, node, a->target));
		sent += rise(t, node, "frames_sent", a->k, last);
		for (int i = 0; i < 5; i++)
			more[i] += rise(t, node, effects[i].field, a->k, last);
	}
	f->proved = f->proved && n > 0 && (a->ends || sent > 0);
	int len = snprintf(f->text, sizeof f->text, "%s %s it at step %" PRId64, f->target,
	                   f->proved ? "took" : "did not take", a->k);
	if (a->ends || n == 0)
		return;
	if (!(sent > 0))
		snprintf(f->text, sizeof f->text, "no frame went through the channel of %s",
		         f->target);
	for (int i = -1; sent > 0 && i < 5; i++)
		if ((i < 0 || more[i] > 0) && len > 0 && (size_t)len < sizeof f->text)
			len += snprintf(f->text + len, sizeof f->text - (size_t)len, ", %.0f %s",
			                i < 0 ? sent : more[i], i < 0 ? "frames" : effects[i].what);
}

static void
prove_command(const struct trail *t, struct drill_fault *f)
{
	const struct script_action *a = t->a;
	if (a->target_kind == TARGET_LINK) {
		prove_channel(t, f);
		return;
	}
	f->proved = heard(t, a->target, a->sensor);
	snprintf(f->text, sizeof f->text, "%s %s it at step %" PRId64, f->target,
	         f->proved ? "took" : "did not take", a->k);
}

void
drill_prove(const struct runview *view, const struct events *events, const struct script_action *a,
            struct drill_fault *f)
{
	struct trail t = { view, events, a };
	f->action = a;
	f->target = drill_target(runview_topo(view), a);
	f->heals = !strncmp(a->id, "heal.", 5);
	if (a->again && action_table[a->kind].command) {
		prove_again(&t, f);
		return;
	}
	switch (action_table[a->kind].rule) {
	case RULE_END_LIFE:
		prove_death(&t, f);
		break;
	case RULE_BEGIN_LIFE:
		prove_birth(&t, f);
		break;
	case RULE_LINK:
		prove_link(&t, f);
		break;
	case RULE_RELAY:
		f->proved = true; /* as far as the plant goes; drill_case looks at the host */
		snprintf(f->text, sizeof f->text, "no part of the plant; host.json counts it");
		break;
	case RULE_FAULT:
	case RULE_LEVEL:
	case RULE_PLUG:
		prove_command(&t, f);
		break;
	}
}
