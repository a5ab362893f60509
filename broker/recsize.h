/*
 * recsize.h - how much the flight recorder of a mesh will write, from its cores' own field tables.
 */
#ifndef VL_RECSIZE_H
#define VL_RECSIZE_H

#include <stdint.h>

#include "err.h"
#include "topo.h"

struct recsize {
	uint64_t frame_bytes; /* of one frame of every process together */
	uint64_t fixed_bytes; /* headers and event files */
	uint64_t ahead_bytes; /* taken in advance while the mesh runs */
};

int recsize_of(const struct topo *, struct recsize *, struct err *);
/* Frames 0..end_k of every process, while they are being written. */
uint64_t recsize_total(const struct recsize *, int64_t end_k);

/* "1.2 GB" */
char *recsize_text(uint64_t bytes, char *buf, size_t size);

/* Refuses with ERR_FULL when `path`'s disk has less than `need` bytes. */
int recsize_check_disk(const char *path, uint64_t need, struct err *);

#endif
