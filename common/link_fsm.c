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
	if (r->j < 0 || k < r->j + link_lag(r))
		return false;
	return r->kind == LINK_KIND_LINK || k % link_period(r) == 0;
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

enum link_guard {
	ALWAYS,
	NEVER_CONNECTED,
	STARTS,
	IN_ORDER,
	NOT_DUE,
	RECEIVED,
	ENDED,
	NEVER_BEGAN,
	NOT_JOINED,
	ENDED_AND_DUE,
};

static bool
received(const struct link_rec *r, const struct link_arg *a)
{
	return r->rx >= a->k - link_lag(r);
}

/* One switch, not pointers to functions: this is asked a few times per channel and step. */
static inline bool
holds(enum link_guard guard, const struct link_rec *r, const struct link_arg *a)
{
	switch (guard) {
	case ALWAYS:
		return true;
	case NEVER_CONNECTED:
		return !r->connected;
	case STARTS:
		return a->starts;
	case IN_ORDER:
		return a->k == (r->rx < 0 ? r->j : r->rx + link_period(r));
	case NOT_DUE:
		return !link_due(r, a->k);
	case RECEIVED:
		return received(r, a);
	case ENDED:
		return r->park || r->gone;
	case NEVER_BEGAN:
		/* A peer that parks says how far it came; of one that was lost only its messages
		 * tell. */
		return r->park ? r->park_k < r->j : r->gone && r->rx < 0;
	case NOT_JOINED:
		return !r->joined;
	case ENDED_AND_DUE:
		return (r->park || r->gone) && link_due(r, a->k) && !received(r, a);
	}
	return false;
}

/* ---- the table --------------------------------------------------------------------------- */

enum { SET_PARK = 1, SET_ANSWERED = 2, SET_GONE = 4, SET_J = 8, SET_CONN = 16, SET_JOINED = 32 };

struct link_rule {
	unsigned states; /* bits of enum link_state */
	enum link_event event;
	enum link_guard guard;
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
	{ IN(LINK_LIVE), LE_JOIN, NEVER_BEGAN, 0, LA_CLOSE, LINK_OPEN, "ended before it began" },
	{ IN(LINK_LIVE), LE_JOIN, ALWAYS, SET_JOINED, LA_JOIN, SAME, "joins" },

	{ GREETING_READY, LE_LATER, ALWAYS, 0, LA_READY | LA_CLOSE, LINK_OPEN, "superseded, J unknown" },
	{ IN(LINK_LIVE), LE_LATER, NOT_JOINED, 0, LA_READY | LA_CLOSE, LINK_OPEN,
	  "superseded before it joined" },
	{ IN(LINK_LIVE), LE_LATER, ENDED_AND_DUE, 0, LA_READY | LA_GONE | LA_CLOSE, LINK_OPEN,
	  "older life has ended" },
	{ IN(LINK_LIVE), LE_LATER, ALWAYS, 0, 0, SAME, "older life undecided" },
	{ ANY, LE_LATER, ALWAYS, 0, LA_READY, SAME, "older life is open" },

	{ IN(LINK_LIVE), LE_NEED, NOT_DUE, 0, LA_READY, SAME, "not due" },
	{ IN(LINK_LIVE), LE_NEED, RECEIVED, 0, LA_READY | LA_USE, SAME, "received" },
	{ IN(LINK_LIVE), LE_NEED, ENDED, 0, LA_READY | LA_GONE | LA_CLOSE, LINK_OPEN, "peer is gone" },
	{ IN(LINK_LIVE), LE_NEED, ALWAYS, 0, 0, SAME, "wait" },
	{ ANY, LE_NEED, ALWAYS, 0, LA_READY, SAME, "no peer" },

	{ IN(LINK_LIVE), LE_DATA, IN_ORDER, SET_CONN, LA_TAKE, SAME, "in order" },
	{ IN(LINK_LIVE), LE_DATA, ALWAYS, 0, LA_BAD, SAME, "out of order" },
	{ GREETING_READY, LE_DATA, ALWAYS, SET_CONN, LA_STASH, SAME, "before J is known" },
	{ ANY, LE_DATA, ALWAYS, 0, LA_BAD, SAME, "after the end" },

	{ IN(LINK_NONE), LE_ANNOUNCE, ALWAYS, 0, LA_SOCKET | LA_GREET, LINK_GREETING, "announced" },

	{ GREETING_READY, LE_START, ALWAYS, SET_J | SET_JOINED, 0, LINK_LIVE, "initial start" },

	{ ANY_LIFE, LE_GREET, ALWAYS, SET_CONN, LA_GREETOK, SAME, "greeted" },

	{ IN(LINK_GREETING), LE_GREETOK, ALWAYS, SET_CONN, 0, LINK_READY, "greeting answered" },
	{ IN(LINK_READY) | IN(LINK_LIVE), LE_GREETOK, ALWAYS, SET_CONN, 0, SAME, "answered again" },

	{ GREETING_READY, LE_AGREE, STARTS, SET_J, 0, LINK_LIVE, "start agreed" },
	{ ANY, LE_AGREE, ALWAYS, 0, 0, SAME, "not concerned" },

	{ GREETING_READY, LE_SCRIPTED, ALWAYS, SET_J, 0, LINK_LIVE, "scripted start" },

	{ GREETING_READY, LE_PARK, ALWAYS, SET_PARK | SET_CONN, LA_PARKED | LA_CLOSE, LINK_OPEN,
	  "parks before J is known" },
	{ IN(LINK_LIVE), LE_PARK, ALWAYS, SET_PARK | SET_CONN, LA_PARKED, SAME, "parks" },

	{ ANY_LIFE, LE_PARKED, ALWAYS, SET_ANSWERED | SET_CONN, 0, SAME, "our park is answered" },

	{ GREETING_READY, LE_DISCONNECTED, ALWAYS, SET_GONE, LA_CLOSE, LINK_OPEN, "lost before J" },
	{ IN(LINK_LIVE), LE_DISCONNECTED, ALWAYS, SET_GONE, 0, SAME, "lost" },

	{ GREETING_READY, LE_DEATH, NEVER_CONNECTED, SET_GONE, LA_CLOSE, LINK_OPEN,
	  "died before it connected" },
	{ IN(LINK_LIVE), LE_DEATH, NEVER_CONNECTED, SET_GONE, 0, SAME, "died before it connected, live" },
	{ ANY, LE_DEATH, ALWAYS, 0, 0, SAME, "the transport will tell" },
};

enum { N_RULES = sizeof rules / sizeof *rules };

/* First row of each event and state, found once: the table is constant. */
static uint8_t first_row[LE_EVENTS_][LINK_STATES_];
static bool indexed;
static uint64_t row_counts[N_RULES];

static void
index_rules(void)
{
	for (int e = 0; e < LE_EVENTS_; e++)
		for (int s = 0; s < LINK_STATES_; s++) {
			first_row[e][s] = N_RULES;
			for (int i = N_RULES - 1; i >= 0; i--)
				if ((int)rules[i].event == e && rules[i].states & IN(s))
					first_row[e][s] = (uint8_t)i;
		}
	indexed = true;
}

static void
apply(struct link_rec *r, const struct link_rule *rule, const struct link_arg *a)
{
	if (rule->set & SET_CONN)
		r->connected = true;
	if (rule->actions & LA_TAKE)
		r->rx = a->k;
	if (rule->next != SAME)
		r->state = (enum link_state)rule->next;
	if (!(rule->set & ~(unsigned)SET_CONN)) /* as with every message */
		return;
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
}

unsigned
link_fsm(struct link_rec *r, enum link_event event, const struct link_arg *a)
{
	static const struct link_arg none = { 0 };

	if (!a)
		a = &none;
	if (!indexed)
		index_rules();
	for (int i = first_row[event][r->state]; i < N_RULES && rules[i].event == event; i++) {
		const struct link_rule *rule = &rules[i];
		if (!(rule->states & IN(r->state)) || !holds(rule->guard, r, a))
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
