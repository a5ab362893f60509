#include "rng.h"

#define PHI UINT64_C(0x9e3779b97f4a7c15)

static uint64_t
rng_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Takes one more word into a key. */
static uint64_t
rng_absorb(uint64_t key, uint64_t word)
{
	return rng_mix((key ^ rng_mix(word + PHI)) + PHI);
}

void
rng_init(struct rng *r, uint64_t seed, const char *id, uint32_t incarnation,
         enum rng_purpose purpose, uint32_t part)
{
	uint64_t key = rng_absorb(0, seed);

	for (; *id; id++)
		key = rng_absorb(key, (unsigned char)*id);
	key = rng_absorb(key, UINT64_C(1) << 32 | incarnation);
	key = rng_absorb(key, (uint64_t)purpose << 32 | part);
	*r = (struct rng){ .key = key };
}

uint64_t
rng_u64(struct rng *r)
{
	return rng_mix(r->key + PHI * ++r->n);
}

double
rng_unit(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double
rng_sym(struct rng *r)
{
	return 2 * rng_unit(r) - 1;
}

double
rng_normal(struct rng *r)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += rng_unit(r);
	return sum;
}
