#include "link_fsm.h"

#include <assert.h>

/* Lag of what this end receives: waves of the step before, offers of this very step, answers of the
 * period that ended. */
int64_t
link_period(const struct link_rec *r)
{
	return r->kind == LINK_KIND_LINK ? 1 : r->port_period;
}

int64_t
link_lag(const struct link_rec *r)
{
	switch (r->kind) {
	case LINK_KIND_LINK:
		return 1;
	case LINK_KIND_MODULE_PORT:
		return 0;
	case LINK_KIND_NODE_PORT:
		return r->port_period;
	}
	return 1;
}

bool
link_due(const struct link_rec *r, int64_t k)
{
	return r->j >= 0 && k >= r->j + link_lag(r) && (k % link_period(r)) == 0;
}

void
link_rec_init(struct link_rec *r, enum link_kind kind, uint32_t port_period, uint32_t peer_inc)
{
	*r = (struct link_rec){ .state = LINK_NONE,
		                .kind = kind,
		                .port_period = port_period ? port_period : 1,
		                .peer_inc = peer_inc,
		                .j = -1,
		                .rx = -1,
		                .park_k = -1 };
}

/* ---- guards ------------------------------------------------------------------------------ */

typedef bool link_guard(const struct link_rec *, const struct link_arg *);

static bool
always(const struct link_rec *r, const struct link_arg *a)
{
	(void)r, (void)a;
	return true;
}

static bool
never_connected(const struct link_rec *r, const struct link_arg *a)
{
	(void)a;
	return !r->connected;
}

static bool
starts(const struct link_rec *r, const struct link_arg *a)
{
	(void)r;
	return a->starts;
}

static bool
in_order(const struct link_rec *r, const struct link_arg *a)
{
	return a->k == (r->rx < 0 ? r->j : r->rx + link_period(r));
}

static bool
not_due(const struct link_rec *r, const struct link_arg *a)
{
	return !link_due(r, a->k);
}

static bool
received(const struct link_rec *r, const struct link_arg *a)
{
	return r->rx >= a->k - link_lag(r);
}

static bool
ended(const struct link_rec *r, const struct link_arg *a)
{
	(void)a;
	return r->park || r->gone;
}

/* A peer that parks says how far it came; of one that was lost only its messages tell. */
static bool
never_began(const struct link_rec *r, const struct link_arg *a)
{
	(void)a;
	return r->park ? r->park_k < r->j : r->gone && r->rx < 0;
}

static bool
not_joined(const struct link_rec *r, const struct link_arg *a)
{
	(void)a;
	return !r->joined;
}

static bool
ended_and_due(const struct link_rec *r, const struct link_arg *a)
{
	return ended(r, a) && link_due(r, a->k) && !received(r, a);
}

/* ---- the table --------------------------------------------------------------------------- */

enum { SET_PARK = 1, SET_ANSWERED = 2, SET_GONE = 4, SET_J = 8, SET_CONN = 16, SET_JOINED = 32 };

struct link_rule {
	unsigned states; /* bits of enum link_state */
	enum link_event event;
	link_guard *guard;
	unsigned set;
	unsigned actions;
	int next; /* -1: same */
	const char *what;
};

#define IN(s) (1u << (s))
#define GREETING_READY (IN(LINK_GREETING) | IN(LINK_READY))
#define ANY_LIFE (GREETING_READY | IN(LINK_LIVE))
#define ANY (ANY_LIFE | IN(LINK_NONE) | IN(LINK_OPEN))
#define SAME (-1)

/* Rows of one event stand together; the first row whose state and guard match is taken. */
static const struct link_rule rules[] = {
	{ IN(LINK_LIVE), LE_JOIN, never_began, 0, LA_CLOSE, LINK_OPEN, "ended before it began" },
	{ IN(LINK_LIVE), LE_JOIN, always, SET_JOINED, LA_JOIN, SAME, "joins" },

	{ GREETING_READY, LE_LATER, always, 0, LA_READY | LA_CLOSE, LINK_OPEN, "superseded, J unknown" },
	{ IN(LINK_LIVE), LE_LATER, not_joined, 0, LA_READY | LA_CLOSE, LINK_OPEN,
	  "superseded before it joined" },
	{ IN(LINK_LIVE), LE_LATER, ended_and_due, 0, LA_READY | LA_GONE | LA_CLOSE, LINK_OPEN,
	  "older life has ended" },
	{ IN(LINK_LIVE), LE_LATER, always, 0, 0, SAME, "older life undecided" },
	{ ANY, LE_LATER, always, 0, LA_READY, SAME, "older life is open" },

	{ IN(LINK_LIVE), LE_NEED, not_due, 0, LA_READY, SAME, "not due" },
	{ IN(LINK_LIVE), LE_NEED, received, 0, LA_READY | LA_USE, SAME, "received" },
	{ IN(LINK_LIVE), LE_NEED, ended, 0, LA_READY | LA_GONE | LA_CLOSE, LINK_OPEN, "peer is gone" },
	{ IN(LINK_LIVE), LE_NEED, always, 0, 0, SAME, "wait" },
	{ ANY, LE_NEED, always, 0, LA_READY, SAME, "no peer" },

	{ IN(LINK_LIVE), LE_DATA, in_order, SET_CONN, LA_TAKE, SAME, "in order" },
	{ IN(LINK_LIVE), LE_DATA, always, 0, LA_BAD, SAME, "out of order" },
	{ GREETING_READY, LE_DATA, always, SET_CONN, LA_STASH, SAME, "before J is known" },
	{ ANY, LE_DATA, always, 0, LA_BAD, SAME, "after the end" },

	{ IN(LINK_NONE), LE_ANNOUNCE, always, 0, LA_SOCKET | LA_GREET, LINK_GREETING, "announced" },

	{ GREETING_READY, LE_START, always, SET_J | SET_JOINED, 0, LINK_LIVE, "initial start" },

	{ ANY_LIFE, LE_GREET, always, SET_CONN, LA_GREETOK, SAME, "greeted" },

	{ IN(LINK_GREETING), LE_GREETOK, always, SET_CONN, 0, LINK_READY, "greeting answered" },
	{ IN(LINK_READY) | IN(LINK_LIVE), LE_GREETOK, always, SET_CONN, 0, SAME, "answered again" },

	{ GREETING_READY, LE_AGREE, starts, SET_J, 0, LINK_LIVE, "start agreed" },
	{ ANY, LE_AGREE, always, 0, 0, SAME, "not concerned" },

	{ GREETING_READY, LE_SCRIPTED, always, SET_J, 0, LINK_LIVE, "scripted start" },

	{ GREETING_READY, LE_PARK, always, SET_PARK | SET_CONN, LA_PARKED | LA_CLOSE, LINK_OPEN,
	  "parks before J is known" },
	{ IN(LINK_LIVE), LE_PARK, always, SET_PARK | SET_CONN, LA_PARKED, SAME, "parks" },

	{ ANY_LIFE, LE_PARKED, always, SET_ANSWERED | SET_CONN, 0, SAME, "our park is answered" },

	{ GREETING_READY, LE_DISCONNECTED, always, SET_GONE, LA_CLOSE, LINK_OPEN, "lost before J" },
	{ IN(LINK_LIVE), LE_DISCONNECTED, always, SET_GONE, 0, SAME, "lost" },

	{ GREETING_READY, LE_DEATH, never_connected, SET_GONE, LA_CLOSE, LINK_OPEN,
	  "died before it connected" },
	{ IN(LINK_LIVE), LE_DEATH, never_connected, SET_GONE, 0, SAME, "died before it connected, live" },
	{ ANY, LE_DEATH, always, 0, 0, SAME, "the transport will tell" },
};

enum { N_RULES = sizeof rules / sizeof *rules };

/* First row of each event, found once: the table is constant. */
static uint8_t first_row[LE_EVENTS_];
static bool indexed;
static uint64_t row_counts[N_RULES];

static void
index_rules(void)
{
	for (int e = 0; e < LE_EVENTS_; e++) {
		first_row[e] = N_RULES;
		for (int i = N_RULES - 1; i >= 0; i--)
			if ((int)rules[i].event == e)
				first_row[e] = (uint8_t)i;
	}
	indexed = true;
}

static void
apply(struct link_rec *r, const struct link_rule *rule, const struct link_arg *a)
{
	if (rule->set & SET_CONN)
		r->connected = true;
	if (rule->set & SET_PARK) {
		r->park = true;
		r->park_k = a->k;
	}
	if (rule->set & SET_ANSWERED)
		r->answered = true;
	if (rule->set & SET_GONE)
		r->gone = true;
	if (rule->set & SET_JOINED)
		r->joined = true;
	if (rule->set & SET_J)
		r->j = a->k;
	if (rule->actions & LA_TAKE)
		r->rx = a->k;
	if (rule->next != SAME)
		r->state = (enum link_state)rule->next;
}

unsigned
link_fsm(struct link_rec *r, enum link_event event, const struct link_arg *a)
{
	static const struct link_arg none = { 0 };

	if (!a)
		a = &none;
	if (!indexed)
		index_rules();
	for (int i = first_row[event]; i < N_RULES && rules[i].event == event; i++) {
		const struct link_rule *rule = &rules[i];
		if (!(rule->states & IN(r->state)) || !rule->guard(r, a))
			continue;
		row_counts[i]++;
		apply(r, rule, a);
		return rule->actions;
	}
	return 0;
}

static const char *const state_names[LINK_STATES_] = { "none", "greeting", "ready", "live", "open" };
static const char *const event_names[LE_EVENTS_] = { "announce", "start", "greet", "greetok",
	                                             "agree", "scripted", "data", "park", "parked",
	                                             "disconnected", "death", "need", "join", "later" };

const char *
link_state_name(enum link_state s)
{
	assert(s < LINK_STATES_);
	return state_names[s];
}

const char *
link_event_name(enum link_event e)
{
	assert(e < LE_EVENTS_);
	return event_names[e];
}

size_t
link_fsm_rows(void)
{
	return N_RULES;
}

uint64_t
link_fsm_row_count(size_t row, const char **what)
{
	assert(row < N_RULES);
	if (what)
		*what = rules[row].what;
	return row_counts[row];
}
