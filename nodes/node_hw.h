/*
 * node_hw.h - the hardware of a node that needs no firmware: temperature, derating and trips, and
 * what they do to feed and converters.
 *
 * docs/models/hardware.md. After each step temperature and comparators move on; limits act from the
 * next step. Derating goes by a sensor, which may be wrong; the trip is a thermostat of its own. Feed: the part that the temperature leaves times what a drill leaves of it;
 * converters: the part of the temperature.
 */
#ifndef VL_NODE_HW_H
#define VL_NODE_HW_H

#include "core.h"
#include "node_link.h"
#include "node_plant.h"
#include "node_sensor.h"
#include "node_thermal.h"
#include "node_trip.h"

struct node_hw {
	struct node_thermal thermal;
	struct node_trip trip;
	double ambient_c;   /* of the topology */
	double feed_part;   /* that a drill leaves */
	bool derated;       /* EV_DERATED 1 was the last one */
	struct node_sensor temp; /* of the heat sink: derating goes by it, the trip does not */
	double precharge_j; /* lost in the resistors of this node's link ends */
};

/* What it looks after. */
struct node_hw_parts {
	struct node_plant *plant;
	const struct node_link *links;
	size_t n_links;
};

struct slice;

void node_hw_init(struct node_hw *, const struct slice *, const struct node_hw_parts *);
/* CMD_DERATE, CMD_UNDERATE. */
void node_hw_command(struct node_hw *, const struct core_cmd *);
/* After step k. */
void node_hw_step(struct node_hw *, int64_t k, const struct node_hw_parts *, struct core_events *);

#endif
