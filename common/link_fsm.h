/*
 * link_fsm.h - the life of a channel (link or port) between two processes, as one pure table.
 *
 * One record per (edge, incarnation of the peer). Links and ports differ in their row of
 * link_kind_table only: period, and the lag of what this end receives. Before a due step k the
 * receiver needs the message of step k - lag; the first due step is J + lag, J = the channel's
 * first step. docs/link-life.md explains the rows; tests/sim explores the table exhaustively and
 * at random.
 */
#ifndef VL_LINK_FSM_H
#define VL_LINK_FSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_state {
	LINK_NONE,
	LINK_GREETING, /* socket made, GREET sent, no GREETOK yet */
	LINK_READY,    /* GREETOK received, J unknown */
	LINK_LIVE,     /* J known */
	LINK_OPEN,     /* electrically open: no peer */
	LINK_STATES_
};

enum link_event {
	LE_ANNOUNCE,  /* the peer's incarnation is known: make the socket and greet */
	LE_START,     /* initial start: J = 0 */
	LE_GREET,
	LE_GREETOK,
	LE_AGREE,     /* arg.starts: one end starts at S, the other starts or runs; arg.k = J */
	LE_SCRIPTED,  /* a scripted start: arg.k = J, the later of both ends' first steps */
	LE_DATA,      /* wave, offer or answer of step arg.k */
	LE_PARK,      /* the peer sends nothing more; arg.k = its last frame */
	LE_PARKED,    /* the peer has seen our PARK */
	LE_DISCONNECTED, /* the transport lost the peer and its channel is empty */
	LE_DEATH,     /* the supervisor's word; counts only if the peer never connected its end */
	LE_NEED,      /* own step arg.k wants to be computed */
	LE_JOIN,      /* own step arg.k reached J of this record, once */
	LE_LATER,     /* own step arg.k reached J of a later record: this one has to end */
	LE_EVENTS_
};

/* What the caller does after a transition, bits. */
enum link_action {
	LA_SOCKET = 1 << 0,  /* make the socket of this record */
	LA_GREET = 1 << 1,   /* send GREET */
	LA_GREETOK = 1 << 2, /* send GREETOK */
	LA_PARKED = 1 << 3,  /* send PARKED */
	LA_TAKE = 1 << 4,    /* keep the payload, rx = step */
	LA_STASH = 1 << 5,   /* keep the payload until J is known */
	LA_BAD = 1 << 6,     /* count, name and drop */
	LA_READY = 1 << 7,   /* NEED: the step may be computed as far as this channel goes */
	LA_USE = 1 << 8,     /* NEED: with the message of step k - lag */
	LA_GONE = 1 << 9,    /* NEED: with GONE; rx is the last step received */
	LA_CLOSE = 1 << 10,  /* close the socket of this record */
	LA_JOIN = 1 << 11,   /* JOIN: tell the core */
};

enum link_kind { LINK_KIND_LINK, LINK_KIND_NODE_PORT, LINK_KIND_MODULE_PORT };

struct link_rec {
	enum link_state state;
	enum link_kind kind;
	uint32_t peer_inc;
	uint32_t port_period; /* T_p/T */
	int64_t j;            /* first step, -1: unknown */
	int64_t rx;           /* last step received, -1: none */
	int64_t park_k;       /* last frame of a peer that parks */
	bool connected;       /* the peer's end was there once */
	bool park, answered, gone;
	bool joined;          /* own step has reached J */
};

struct link_arg {
	int64_t k;
	bool starts; /* LE_AGREE: both ends' first steps are known */
};

/* Period of the channel and lag of what this end receives, in steps. */
int64_t link_period(const struct link_rec *);
int64_t link_lag(const struct link_rec *);
/* Step k wants a message on this channel (J known and reached). */
bool link_due(const struct link_rec *, int64_t k);

void link_rec_init(struct link_rec *, enum link_kind, uint32_t port_period, uint32_t peer_inc);
/* One transition; returns enum link_action bits. */
unsigned link_fsm(struct link_rec *, enum link_event, const struct link_arg *);

const char *link_state_name(enum link_state);
const char *link_event_name(enum link_event);
/* Times that each row of the table was taken in this process, for the coverage check of tests/sim. */
size_t link_fsm_rows(void);
uint64_t link_fsm_row_count(size_t row, const char **what);

#endif
