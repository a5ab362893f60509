#include "node_sensor.h"

#include <assert.h>

#include "slice.h"

#define ADC_STEPS 4096.0 /* 12 bits */
#define REFRESH_NS 500000

static const struct {
	double lo, hi;           /* range of the converter, V or A */
	double gain, offset_lsb; /* largest errors: part, LSB */
	double noise_lsb;        /* standard deviation */
} kinds[SENSOR_KINDS_] = {
	[SENSOR_BUS_V] = { 0, 64, 1e-3, 1, 0.5 },
	[SENSOR_FEED_I] = { -256, 256, 10e-3, 1, 0.5 },
};

void
node_sensor_init(struct node_sensor *s, enum sensor_kind kind, const struct slice *slice, double x)
{
	struct rng trim;

	assert(kind < SENSOR_KINDS_ && slice->step_ns > 0);
	*s = (struct node_sensor){
		.ideal = !slice->node.sensors_realistic,
		.period_k = REFRESH_NS / slice->step_ns,
		.lsb = (kinds[kind].hi - kinds[kind].lo) / ADC_STEPS,
		.lo = kinds[kind].lo,
		.hi = kinds[kind].hi,
		.value = x,
	};
	if (s->period_k < 1)
		s->period_k = 1;
	rng_init(&trim, slice->seed, slice->id, slice->incarnation, RNG_SENSOR_TRIM, kind);
	s->gain = 1 + kinds[kind].gain * rng_sym(&trim);
	s->offset = kinds[kind].offset_lsb * s->lsb * rng_sym(&trim);
	s->noise = kinds[kind].noise_lsb * s->lsb;
	rng_init(&s->rng, slice->seed, slice->id, slice->incarnation, RNG_SENSOR_NOISE, kind);
}

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

double
node_sensor_read(struct node_sensor *s, int64_t k, double x)
{
	if (s->ideal)
		s->value = x;
	else if (k % s->period_k == 0)
		s->value = node_sensor_convert(s, s->gain * x + s->offset +
		                                          s->noise * rng_normal(&s->rng));
	return s->value;
}
