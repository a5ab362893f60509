/* libcrypto has a type of this name, which is also one of our error codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "sha256.h"

#include <assert.h>

int
sha256_begin(struct sha256 *s, struct err *err)
{
	s->ctx = EVP_MD_CTX_new();
	if (!s->ctx)
		return err_set(err, ERR_NOMEM, "SHA-256: out of memory");
	if (EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(s->ctx);
		s->ctx = NULL;
		return err_set(err, ERR_STATE, "SHA-256: libcrypto has no such digest");
	}
	return 0;
}

void
sha256_add(struct sha256 *s, const void *data, size_t n)
{
	int ok = EVP_DigestUpdate(s->ctx, data, n);
	assert(ok == 1);
	(void)ok;
}

void
sha256_end(struct sha256 *s, uint8_t out[SHA256_BYTES])
{
	if (out) {
		unsigned len = 0;
		int ok = EVP_DigestFinal_ex(s->ctx, out, &len);
		assert(ok == 1 && len == SHA256_BYTES);
		(void)ok;
	}
	EVP_MD_CTX_free(s->ctx);
	s->ctx = NULL;
}

int
sha256_of(const void *data, size_t n, uint8_t out[SHA256_BYTES], struct err *err)
{
	struct sha256 s;
	int rc = sha256_begin(&s, err);
	if (rc)
		return rc;
	sha256_add(&s, data, n);
	sha256_end(&s, out);
	return 0;
}

void
sha256_hex(const uint8_t sum[SHA256_BYTES], char out[SHA256_HEX])
{
	static const char digit[] = "0123456789abcdef";
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		out[2 * i] = digit[sum[i] >> 4];
		out[2 * i + 1] = digit[sum[i] & 15];
	}
	out[2 * SHA256_BYTES] = '\0';
}
