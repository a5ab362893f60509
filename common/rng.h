/*
 * rng.h - random numbers by counter: the n-th of a stream depends on its key and n only.
 *
 * The key is made of the seed of the mesh, an id, an incarnation and a purpose, so that streams are
 * independent of each other, of the order in which they are used, and of where they run. No global
 * state. Mixing: the finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014) over key + n phi.
 * Only integer arithmetic and exact conversions: the same bits everywhere.
 */
#ifndef VL_RNG_H
#define VL_RNG_H

#include <stdint.h>

/* What a stream is for; numbers must not change, for traces depend on them. */
enum rng_purpose { RNG_SENSOR_TRIM = 1, RNG_SENSOR_NOISE = 2, RNG_SENSOR_ZERO = 3, RNG_CHANNEL = 8 };

struct rng {
	uint64_t key, n;
};

/* `part` tells streams of one purpose apart. */
void rng_init(struct rng *, uint64_t seed, const char *id, uint32_t incarnation, enum rng_purpose,
              uint32_t part);
uint64_t rng_u64(struct rng *);
/* Uniform in [0, 1), 53 bits. */
double rng_unit(struct rng *);
/* Uniform in [-1, 1). */
double rng_sym(struct rng *);
/* Mean 0, variance 1, within +-6: the sum of twelve uniform ones. */
double rng_normal(struct rng *);

#endif
