/*
 * loadflow.h - static load flow of a mesh: bus voltages and currents once everything has settled.
 *
 * Solves Y v = i_feed(v) - i_load(v) for all buses, with
 *   feeds     i = clip((v0 - v)/R_d, 0, I_max), without the corrections of the distributed control;
 *   loads     at their highest level over time: P/v, below 36 V P v/36^2;
 *   modules   at their highest power, drawn through r_port from each input whose bus is higher than
 *             the module's input capacitor (ideal diodes), so a dead input's share moves to the
 *             other;
 *   links     r; links that start open carry nothing;
 *   converters at link ends carry their set-point (link_conv.h). They hold no voltage: without its own
 *             feed a part of the mesh behind one is dark.
 * Only a stable solution counts (Jacobian positive definite): the one that the mesh would settle
 * in. Supercapacitors carry no static current. With the corrections of the control: steady.h.
 */
#ifndef VL_LOADFLOW_H
#define VL_LOADFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "link_conv.h"
#include "topo.h"

enum loadflow_fault { LOADFLOW_BASE, LOADFLOW_NODE, LOADFLOW_LINK, LOADFLOW_FEED };

struct loadflow {
	const struct topo *topo;
	/* Of the last solve. */
	bool solved;
	enum loadflow_fault fault;
	uint32_t index;
	double *v_v;      /* per node; NaN: dead, or no feed reaches it */
	double *feed_a;   /* per node, 0 without a feed */
	double *link_a;   /* per link, a -> b */
	struct link_conv_state *conv; /* per link: its converter's; in_w is drawn even while it is open */
	double *port_a;   /* per port, into the module */
	double *module_v; /* per module: its input; NaN: no live input */
	double *load_w;   /* per node: built-in load at its highest level */
	/* Given; loads at their highest until changed. */
	double *conv_w;    /* per link with a converter: set-point, a -> b; where its curve is largest */
	double *module_w;  /* per module: power; class resistive: at nominal, its r_load counts */
	double *v_set_v;   /* per node: set-point of its feed, v0 until changed */
	double *fault_g_s; /* per node: conductance of a short, 0 until changed */
	struct loadflow_matrix *m;
};

/* Bounds of a verdict. */
#define LOADFLOW_V_MIN 45.0      /* V; below it a mesh counts as not supplied */
#define LOADFLOW_LOADING_MAX 1.1 /* of a feed's rating; above it modules are shed */

enum loadflow_problem {
	LOADFLOW_OK,
	LOADFLOW_NO_SOLUTION, /* voltage collapse */
	LOADFLOW_DARK,        /* a node with a load that no feed reaches */
	LOADFLOW_MODULE_DARK, /* a module that has no live input left */
	LOADFLOW_LOW,      /* a bus, or a module's input by more than its port drops, below V_MIN */
	LOADFLOW_OVERLOAD, /* a feed above LOADING_MAX */
	LOADFLOW_FUSE,     /* a link above its fuse */
};

struct loadflow_verdict {
	enum loadflow_problem problem;
	uint32_t at;    /* node, module or link that is worst; of no solution: a node of that part */
	double value;   /* V, loading (1), or A */
	double v_min_v; /* lowest live bus */
	uint32_t v_min_at;
	double loading; /* highest */
	uint32_t loading_at;
};

int loadflow_create(const struct topo *, struct loadflow **ret, struct err *);
/* `index`: node or link; LOADFLOW_FEED: the node whose feed is lost. */
void loadflow_solve(struct loadflow *, enum loadflow_fault, uint32_t index,
                    struct loadflow_verdict *);
/* Of what the last solve found; loadflow_solve() does it. */
void loadflow_judge(const struct loadflow *, struct loadflow_verdict *);
/* Set-points back to v0, no shorts. */
void loadflow_reset(struct loadflow *);
/* Linearised, around the solution (it must be one): change of all bus voltages per ampere into
 * `node`, V/A. */
void loadflow_respond(struct loadflow *, uint32_t node, double *dv);
/* Who took part in the last solve. A link with a converter is not live: it holds no voltage. */
bool loadflow_link_live(const struct loadflow *, size_t link);
bool loadflow_feed_live(const struct loadflow *, size_t node);
bool loadflow_node_live(const struct loadflow *, size_t node); /* a feed reaches it */
void loadflow_destroy(struct loadflow **);

/* "bus n4 falls to 44.1 V". Returns buf. */
char *loadflow_text(const struct loadflow *, const struct loadflow_verdict *, char *buf,
                    size_t size);

#endif
