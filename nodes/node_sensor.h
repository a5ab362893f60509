/*
 * node_sensor.h - what the firmware of a node can see: a quantity through gain, offset, noise and a
 * converter of 12 bits, refreshed now and then.
 *
 * docs/models/sensors.md. reading = LSB round((gain x + offset + noise)/LSB) within its range,
 * taken every refresh period and held. A voltage is sampled at that moment, of a current x is the
 * mean since the last reading (an integrating converter behind a shunt). Gain and offset are drawn
 * once per life of the process, the noise with each reading. A current sensor takes its zero before
 * the node begins, while everything is open: the mean of its readings of nothing, which is taken off
 * later ones (auto_zero). An ideal sensor reads x.
 */
#ifndef VL_NODE_SENSOR_H
#define VL_NODE_SENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "rng.h"

/* Order is that of the random streams. */
enum sensor_kind { SENSOR_BUS_V, SENSOR_FEED_I, SENSOR_TERMINAL_I, SENSOR_SC_V, SENSOR_KINDS_ };

struct node_sensor {
	bool ideal, integrates;
	int64_t period_k; /* steps between two readings */
	double gain, offset, noise, lsb, lo, hi;
	double zero; /* what it read while nothing flowed; taken off every reading */
	struct rng rng;
	bool stuck;                 /* a fault: stays at its reading */
	double bias, bias_part;     /* a fault: on top of x, and per x */
	double sum;   /* of x since the last reading */
	int64_t n;    /* how many */
	double value; /* last reading */
};

struct slice;

/* `part` tells the sensors of one kind apart; x is the first reading. */
void node_sensor_init(struct node_sensor *, enum sensor_kind, uint32_t part, const struct slice *,
                      double x);

/* Frame k: x is the true value, of a current its mean over step k-1. Returns the reading. */
double node_sensor_read(struct node_sensor *, int64_t k, double x);

/* A fault: reads x (1 + part) + offset instead of x; both 0: none. */
void node_sensor_bias(struct node_sensor *, double offset, double part);

/* Frame k brings a new reading. */
static inline bool
node_sensor_due(const struct node_sensor *s, int64_t k)
{
	return s->ideal || k % s->period_k == 0;
}

#endif
