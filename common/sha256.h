/*
 * sha256.h - SHA-256, incremental. A thin wrapper over libcrypto, which uses the SHA instructions
 * of the CPU.
 *
 * The handle is heap memory of libcrypto: every sha256_begin() that returned 0 needs one
 * sha256_end(), which also frees it.
 */
#ifndef VL_SHA256_H
#define VL_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 /* with its NUL */ };

struct sha256 {
	void *ctx;
};

int sha256_begin(struct sha256 *, struct err *);
void sha256_add(struct sha256 *, const void *data, size_t n);
/* `out` may be NULL: only frees. */
void sha256_end(struct sha256 *, uint8_t out[SHA256_BYTES]);

int sha256_of(const void *data, size_t n, uint8_t out[SHA256_BYTES], struct err *);
/* Lower-case hexadecimal with a NUL. */
void sha256_hex(const uint8_t sum[SHA256_BYTES], char out[SHA256_HEX]);

#endif
