#include "pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_BLOCK_BYTES = 16 * 1024 };

struct pool_block {
	struct pool_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

void *
pool_alloc(struct pool *p, size_t size)
{
	const size_t a = alignof(max_align_t);
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + a - 1) / a * a;
	struct pool_block *b = p->blocks;
	if (!b || b->size - b->used < size) {
		size_t want = size > POOL_BLOCK_BYTES ? size : POOL_BLOCK_BYTES;
		b = calloc(1, sizeof *b + want);
		if (!b)
			return NULL;
		b->size = want;
		b->next = p->blocks;
		p->blocks = b;
	}
	void *ret = b->data + b->used;
	b->used += size;
	return ret;
}

char *
pool_strdup(struct pool *p, const char *text, size_t len)
{
	char *s = pool_alloc(p, len + 1);
	if (s)
		memcpy(s, text, len);
	return s;
}

void
pool_free(struct pool *p)
{
	for (struct pool_block *b = p->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	p->blocks = NULL;
}
