#include "rec.h"

#include <stdlib.h>
#include <string.h>

#include "sha256.h"

static int
compare(const void *pa, const void *pb)
{
	const struct rec_head *a = rec_file_head(*(struct rec_file *const *)pa);
	const struct rec_head *b = rec_file_head(*(struct rec_file *const *)pb);
	bool na = !strcmp(a->kind, "node"), nb = !strcmp(b->kind, "node");
	if (na != nb)
		return na ? -1 : 1;
	int c = strcmp(a->id, b->id);
	if (c)
		return c;
	return a->incarnation < b->incarnation ? -1 : a->incarnation > b->incarnation;
}

int
rec_trace(struct rec_file *const *files, size_t n, uint8_t out[32], struct err *err)
{
	struct sha256 sha = { 0 };
	int rc;
	struct rec_file **sorted = malloc((n ? n : 1) * sizeof *sorted);
	if (!sorted)
		return err_set(err, ERR_NOMEM, "trace: out of memory");
	if (n)
		memcpy(sorted, files, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare);
	/* Equal keys would make the order, and so the hash, depend on the order of `files`. */
	for (size_t i = 1; i < n; i++) {
		if (!compare(&sorted[i - 1], &sorted[i])) {
			const struct rec_head *h = rec_file_head(sorted[i]);
			rc = err_set(err, ERR_INPUT, "trace: %s %s has incarnation %u twice",
			             h->kind, h->id, h->incarnation);
			goto out;
		}
	}
	rc = sha256_begin(&sha, err);
	if (rc)
		goto out;
	for (size_t i = 0; i < n; i++) {
		for (int events = 0; events <= 1; events++) {
			uint8_t sum[SHA256_BYTES];
			rc = rec_file_sha256(sorted[i], events, sum, err);
			if (rc)
				goto out;
			sha256_add(&sha, sum, sizeof sum);
		}
	}
	sha256_end(&sha, out);
out:
	if (sha.ctx)
		sha256_end(&sha, NULL);
	free(sorted);
	return rc;
}
