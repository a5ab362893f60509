/*
 * node_link.h - one end of a link: contactor, pre-charge and half of a travelling-wave line.
 *
 * Line (docs/models/link.md): Zc = L_eff/T, dC = T^2/(2 L_eff). With h the received wave and v_m
 * the bus at the sub-step's midpoint: i = g (v_m - h), g = 1/(Zc + R/2 + r), m = h + 2 Zc i; r is
 * the pre-charge resistor at the end that has it. i is positive out of the node.
 *
 * Contactor. OPEN -> PRECHARGE -> CLOSED, and back to OPEN by a cut or the peer's death. Both ends
 * change in the same step: a close by rule and the bypass are announced in message k and act at
 * k+1; a command reaches both ends at its step. While it pre-charges, the host has lent 2 dC to the
 * line; at the bypass dC moves to the other end.
 *
 * The end with the resistor gives a pre-charge up (WAVE_GIVE_UP) after precharge_s, or when the
 * resistor has taken precharge_j more than it gives off; both ends open in the next step, and the
 * link may close by rule again 1, 2, 4 .. 60 s later.
 *
 * Who closes by rule (announces, and hosts the line): the one end whose life began with the link;
 * otherwise the end with the larger remaining capacitance, in a tie end a. Both ends judge by what
 * they told each other in the step before, so they agree. One link of a node after another.
 *
 * Fuse (node_fuse.h). From the sub-step after the one that trips it to the end of the step i = 0 and
 * m = h; the message says so (WAVE_TRIP), and both ends open in the next step. They stay open, like
 * after a cut, until a command heals or closes the link.
 */
#ifndef VL_NODE_LINK_H
#define VL_NODE_LINK_H

#include "core.h"
#include "node_fuse.h"
#include "node_plant.h"

enum node_link_state { LINK_END_OPEN, LINK_END_PRECHARGE, LINK_END_CLOSED };

struct node_link {
	/* fixed */
	size_t n;
	int32_t chan;
	bool is_a;
	double zc_ohm, r_half_ohm, dc_f, dt_s, precharge_ohm, precharge_s, precharge_j;
	/* contactor */
	enum node_link_state state;
	bool live;               /* the channel has a living peer */
	bool heard;              /* a message of this peer has arrived */
	bool cut;                /* kept open by a command or by the topology */
	bool joiner;             /* this end's life began with this link; until it has closed */
	bool host;               /* PRECHARGE: this end lent 2 dC, the other has the resistor */
	bool closing, bypassing; /* announced in this end's last message */
	bool tripped;            /* the fuse tripped in this step or, before the commands, in the last */
	size_t dark_s;           /* first sub-step of this step without current; n: none */
	int64_t closed_k;        /* step in which it last left OPEN */
	int64_t opened_k;        /* step in which it last opened */
	int64_t bypass_k;        /* PRECHARGE: bypass not before this step */
	int64_t late_k;          /* PRECHARGE: given up in this step */
	int64_t again_k;         /* not closed by rule before this step */
	int attempts;            /* pre-charges that were given up, one after another */
	bool gives_up;           /* announced in this end's last message */
	double heat_j;           /* in the pre-charge resistor */
	/* peer's last message */
	uint32_t peer_flags;
	double peer_v_v, peer_c_r_f;
	/* own last message */
	uint32_t sent_flags;
	double sent_c_r_f;
	/* line */
	double g_s, r_ohm; /* of this end, while not OPEN */
	const double *h;   /* received wave of this step, n values */
	/* of the last step */
	double i_a, i_avg_a, wave_j;
	double sum_ii_a2; /* of i^2 over the sub-steps */
	double loss_step_j, net_step_j;
	double loss_j; /* cumulative: cable and pre-charge of this end */
	double line_step_j; /* first wave, when it last closed */
	/* cumulative */
	double net_j;
	struct node_fuse fuse;
	double hbuf[TOPO_SUBSTEPS_MAX]; /* of an end that has just closed */
};

/* peer_v_v: the peer's bus at t = 0. `live`: from step 0 on; else the end begins open. */
void node_link_init(struct node_link *, const struct link_params *, int32_t chan, bool is_a,
                    bool live, double dt_s, size_t n, double peer_v_v, struct node_plant *);

/* At t = 0 the closed link carries i_a out of this node, whose bus is at v_v: the waves under way
 * are those of the steady state, h = v - (Zc + R/2) i and m = h + 2 Zc i. */
void node_link_carry(struct node_link *, double i_a, double v_v);

/* What the channel hands in at step k; first: it is this process's first step. */
void node_link_input(struct node_link *, struct node_plant *, int64_t k, bool first,
                     const struct core_in *, struct core_events *);
/* CMD_CUT, CMD_HEAL or CMD_CLOSE at step k, after node_link_input(). */
void node_link_command(struct node_link *, struct node_plant *, const struct core_cmd *,
                       struct core_events *);
/* Carries out at step k what either end announced in its last message, or that its fuse tripped;
 * after the commands. */
void node_link_announced(struct node_link *, struct node_plant *, int64_t k, struct core_events *);

/* The wave of this step from the bus voltages; fills m and the sums of the step. May be repeated
 * with other voltages. */
void node_link_wave(struct node_link *, const double *vm, double v_end_v, double *m);
/* Whether the last wave can have tripped the fuse at all. */
static inline bool
node_link_may_trip(const struct node_link *l)
{
	return node_fuse_may(&l->fuse, l->sum_ii_a2) && !l->tripped && l->state != LINK_END_OPEN;
}
/* Whether these voltages trip the fuse; *s is the sub-step that shows it. */
bool node_link_trips(const struct node_link *, const double *vm, size_t *s,
                     enum fuse_element *element, double *i_a);
/* Trips it: no current after sub-step s. The plant and the wave of this step are then made anew. */
void node_link_trip(struct node_link *, size_t s);
/* Takes the step's sums into the books and the fuse. */
static inline void
node_link_end(struct node_link *l)
{
	l->net_j += l->net_step_j;
	node_fuse_end(&l->fuse, l->sum_ii_a2, l->n);
}

/* After the plant step k: decides what this end announces. `may_close`: no other link of this node
 * is being closed. Returns the flags of the message (without STATE) and fills it but for m. */
void node_link_message(struct node_link *, const struct node_plant *, int64_t k, bool may_close,
                       struct wave *);

/* Its last pre-charge was given up, and none has come through since. */
static inline bool
node_link_is_stuck(const struct node_link *l)
{
	return l->attempts > 0 && l->state != LINK_END_CLOSED;
}

static inline bool
node_link_is_closing(const struct node_link *l)
{
	return l->closing || (l->state == LINK_END_PRECHARGE && l->host);
}

#endif
