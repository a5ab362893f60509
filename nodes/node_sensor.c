#include "node_sensor.h"

#include <assert.h>

#include "slice.h"

#define ADC_STEPS 4096.0 /* 12 bits */
#define BUS_RANGE_V 64.0
/* Streams: voltage and feed current are 0 and 1, the other terminals follow. */
#define FIRST_TERMINAL 16

/* Nearest multiple of the LSB within the range; the top code is one LSB below its end. */
static double
node_sensor_convert(const struct node_sensor *s, double x)
{
	double code = (x - s->lo) / s->lsb + 0.5;

	if (!(code >= 0))
		code = 0;
	if (code > ADC_STEPS - 1)
		code = ADC_STEPS - 1;
	return s->lo + s->lsb * (double)(int32_t)code;
}

/* Mean of n readings while nothing flows. */
static double
node_sensor_zero(const struct node_sensor *s, struct rng *r, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += node_sensor_convert(s, s->offset + s->noise * rng_normal(r));
	return n > 0 ? sum / (double)n : 0;
}

void
node_sensor_init(struct node_sensor *s, enum sensor_kind kind, uint32_t part,
                 const struct slice *slice, double x)
{
	const struct sensor_params *p = &slice->node.sensor;
	const bool volts = kind == SENSOR_BUS_V || kind == SENSOR_SC_V;
	const uint32_t stream = kind == SENSOR_TERMINAL_I ? FIRST_TERMINAL + part : (uint32_t)kind;
	struct rng trim;

	assert(kind < SENSOR_KINDS_ && slice->step_ns > 0);
	*s = (struct node_sensor){
		.ideal = !slice->node.sensors_realistic,
		.integrates = !volts,
		.period_k = p->refresh_ns / slice->step_ns,
		.lo = volts ? 0 : -p->i_range_a,
		.hi = volts ? BUS_RANGE_V : p->i_range_a,
		.value = x,
	};
	if (s->period_k < 1)
		s->period_k = 1;
	s->lsb = (s->hi - s->lo) / ADC_STEPS;
	rng_init(&trim, slice->seed, slice->id, slice->incarnation, RNG_SENSOR_TRIM, stream);
	s->gain = 1 + (volts ? p->v_gain : p->i_gain) * rng_sym(&trim);
	s->offset = (volts ? p->v_offset_v : p->i_offset_a) * rng_sym(&trim);
	s->noise = p->noise_lsb * s->lsb;
	rng_init(&s->rng, slice->seed, slice->id, slice->incarnation, RNG_SENSOR_NOISE, stream);
	if (volts || s->ideal)
		return;
	rng_init(&trim, slice->seed, slice->id, slice->incarnation, RNG_SENSOR_ZERO, stream);
	s->zero = node_sensor_zero(s, &trim, p->zero_ns / (s->period_k * slice->step_ns));
}

void
node_sensor_bias(struct node_sensor *s, double offset, double part)
{
	s->bias = offset;
	s->bias_part = part;
}

double
node_sensor_read(struct node_sensor *s, int64_t k, double x)
{
	if (s->stuck)
		return s->value;
	if (s->bias != 0 || s->bias_part != 0)
		x = x * (1 + s->bias_part) + s->bias;
	if (s->ideal) {
		s->value = x;
		return x;
	}
	if (s->integrates) {
		s->sum += x;
		s->n++;
	}
	if (k % s->period_k != 0)
		return s->value;
	if (s->integrates) {
		x = s->sum / (double)s->n;
		s->sum = 0;
		s->n = 0;
	}
	s->value = node_sensor_convert(s, s->gain * x + s->offset + s->noise * rng_normal(&s->rng)) -
	           s->zero;
	return s->value;
}
