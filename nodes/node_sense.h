/*
 * node_sense.h - all that the firmware of a node sees of its plant: bus voltage, and with realistic
 * sensors the current of every terminal of the bus.
 *
 * docs/models/sensors.md. Terminals: feed, supercapacitor, built-in load, converters, links, ports;
 * those whose current flows out of the bus obey, over a control period Tc, with true currents
 *   sum of i over the terminals on the bus + C_bus (v(t) - v(t - Tc))/Tc = 0
 * as long as no fault is on the bus. The current at a link's end contains what charges the end's
 * half dC of the line; the firmware takes dC dv/dt off again, with the voltage that it sees.
 *
 * With ideal sensors nothing is kept for terminals (there are none): what is sensed is the plant.
 */
#ifndef VL_NODE_SENSE_H
#define VL_NODE_SENSE_H

#include <stddef.h>

#include "node_link.h"
#include "node_plant.h"
#include "node_port.h"
#include "node_sensor.h"

enum node_terminal_kind {
	TERMINAL_FEED,
	TERMINAL_SUPERCAP, /* in parallel, or its converter */
	TERMINAL_LOAD,
	TERMINAL_CONV, /* input of a converter; index: in plant.convs */
	TERMINAL_LINK, /* index: of the node's links */
	TERMINAL_PORT, /* index: of its ports */
};

struct node_terminal {
	enum node_terminal_kind kind;
	size_t index;
	bool on_bus;               /* false: a link behind its converter */
	double dc_f;               /* links: capacitance of the line at this end */
	struct node_sensor sensor; /* A, out of the bus; of a feed into it */
	double sum_a;              /* of the readings in this control period */
	uint32_t n;                /* how many */
	double mean_a; /* over the last control period, out of the bus, without dC dv/dt */
};

struct node_sense {
	int64_t period_k; /* control period, steps */
	double tc_s;
	struct node_sensor v;
	struct node_sensor feed; /* ideal; a realistic one is that of the terminal */
	double feed_a;    /* into the bus, last reading */
	double v_was_v;   /* reading at the end of the last control period */
	double slope_v_s; /* its rise over the last control period */
	int64_t periods;  /* control periods that have ended in this life */
	size_t n;         /* 0: ideal sensors */
	struct node_terminal *terminals;
};

/* The parts of a node that have terminals, and what the last step did. */
struct node_sense_view {
	const struct node_plant *plant;
	const struct node_conv *convs; /* plant->n_convs; those of links first */
	const struct node_link *links;
	size_t n_links;
	const struct node_port *ports;
	size_t n_ports;
	const double *vm, *load_w; /* per sub-step of the last step */
};

/* -1: out of memory. `behind[l]`: link l ends at a converter. */
int node_sense_init(struct node_sense *, const struct slice *, int64_t period_k,
                    const struct node_sense_view *, const bool *behind);
void node_sense_free(struct node_sense *);

/* Frame k, after step k-1. */
void node_sense_step(struct node_sense *, int64_t k, const struct node_sense_view *);

/* The sensor of the feed current; NULL: there is no feed. */
struct node_sensor *node_sense_feed(struct node_sense *);

/* What terminal t carries: mean of the readings over the last control period, A out of the bus. */
static inline double
node_sensor_current(const struct node_sense *s, size_t t)
{
	return s->terminals[t].mean_a;
}

#endif
