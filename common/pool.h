/*
 * pool.h - memory that is freed all at once: what a loader builds and nobody changes later.
 */
#ifndef VL_POOL_H
#define VL_POOL_H

#include <stddef.h>

struct pool {
	struct pool_block *blocks;
};

/* Zeroed, aligned for every type; NULL without memory. */
void *pool_alloc(struct pool *, size_t size);
char *pool_strdup(struct pool *, const char *text, size_t len);
void pool_free(struct pool *);

#endif
