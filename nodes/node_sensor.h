/*
 * node_sensor.h - what the firmware of a node can see: a quantity through gain, offset, noise and a
 * converter of 12 bits, refreshed now and then.
 *
 * docs/models/sensors.md. reading = LSB round((gain x + offset + noise)/LSB) within its range,
 * taken every refresh period and held. Gain and offset are drawn once per life of the process, the
 * noise with each reading. An ideal sensor reads x.
 */
#ifndef VL_NODE_SENSOR_H
#define VL_NODE_SENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "rng.h"

/* Order is that of the random streams. */
enum sensor_kind { SENSOR_BUS_V, SENSOR_FEED_I, SENSOR_KINDS_ };

struct node_sensor {
	bool ideal;
	int64_t period_k; /* steps between two readings */
	double gain, offset, noise, lsb, lo, hi;
	struct rng rng;
	double value; /* last reading */
};

struct slice;

void node_sensor_init(struct node_sensor *, enum sensor_kind, const struct slice *, double x);

/* Frame k: x is the true value. Returns the reading. */
double node_sensor_read(struct node_sensor *, int64_t k, double x);

#endif
