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
 * Who closes by rule (announces, and hosts the line): the one end whose life began with the link;
 * otherwise the end with the larger remaining capacitance, in a tie end a. Both ends judge by what
 * they told each other in the step before, so they agree. One link of a node after another.
 */
#ifndef VL_NODE_LINK_H
#define VL_NODE_LINK_H

#include "core.h"
#include "node_plant.h"

enum node_link_state { LINK_END_OPEN, LINK_END_PRECHARGE, LINK_END_CLOSED };

struct node_link {
	/* fixed */
	size_t n;
	int32_t chan;
	bool is_a;
	double zc_ohm, r_half_ohm, dc_f, dt_s, precharge_ohm;
	/* contactor */
	enum node_link_state state;
	bool live;               /* the channel has a living peer */
	bool heard;              /* a message of this peer has arrived */
	bool cut;                /* kept open by a command or by the topology */
	bool joiner;             /* this end's life began with this link; until it has closed */
	bool host;               /* PRECHARGE: this end lent 2 dC, the other has the resistor */
	bool closing, bypassing; /* announced in this end's last message */
	int64_t closed_k;        /* step in which it last left OPEN */
	int64_t opened_k;        /* step in which it last opened */
	int64_t bypass_k;        /* PRECHARGE: bypass not before this step */
	/* peer's last message */
	uint32_t peer_flags;
	double peer_v_v, peer_c_r_f;
	/* own last message */
	uint32_t sent_flags;
	double sent_c_r_f;
	/* line */
	double g_s, r_ohm; /* of this end, while not OPEN */
	const double *h;   /* received wave of this step, n values */
	double hbuf[TOPO_SUBSTEPS_MAX];
	/* of the last step */
	double i_a, i_avg_a, wave_j;
	double loss_step_j;
	double line_step_j; /* first wave, when it last closed */
	/* cumulative */
	double net_j;
};

/* peer_v_v: the peer's bus at t = 0. `live`: from step 0 on; else the end begins open. */
void node_link_init(struct node_link *, const struct link_params *, int32_t chan, bool is_a,
                    bool live, double dt_s, size_t n, double peer_v_v, struct node_plant *);

/* What the channel hands in at step k; first: it is this process's first step. */
void node_link_input(struct node_link *, struct node_plant *, int64_t k, bool first,
                     const struct core_in *, struct core_events *);
/* CMD_CUT, CMD_HEAL or CMD_CLOSE at step k, after node_link_input(). */
void node_link_command(struct node_link *, struct node_plant *, const struct core_cmd *,
                       struct core_events *);
/* Carries out at step k what either end announced in its last message; after the commands. */
void node_link_announced(struct node_link *, struct node_plant *, int64_t k, struct core_events *);

/* The wave of this step from the bus voltages; fills m and books energies. */
void node_link_wave(struct node_link *, const double *vm, double v_end_v, double *m);

/* After the plant step k: decides what this end announces. `may_close`: no other link of this node
 * is being closed. Returns the flags of the message (without STATE) and fills it but for m. */
void node_link_message(struct node_link *, const struct node_plant *, int64_t k, bool may_close,
                       struct wave *);

static inline bool
node_link_is_closing(const struct node_link *l)
{
	return l->closing || (l->state == LINK_END_PRECHARGE && l->host);
}

#endif
