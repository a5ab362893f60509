#include "recsize.h"

#include <stdio.h>

#include "core.h"
#include "rec_stream.h"
#include "rundir.h"
#include "slice.h"

static int
add_process(const struct topo *t, uint32_t index, struct recsize *s, struct err *err)
{
	const struct core_ops *ops = index < t->n_nodes ? &node_core_ops : &module_core_ops;
	struct slice *slice = NULL;
	void *core = NULL;
	int rc = slice_from_topo(t, index, &slice, err);
	if (!rc)
		rc = ops->create(slice, &core, err);
	if (!rc) {
		size_t n;
		ops->fields(core, &n);
		s->frame_bytes += n * sizeof(union rec_word);
		s->fixed_bytes +=
			rec_head_bytes(n) + rec_head_bytes(REC_EVENT_WORDS) + REC_SEGMENT_EVENTS;
		/* The rest of the current segment and the next one. */
		s->ahead_bytes += 2 * REC_SEGMENT_FRAMES + REC_SEGMENT_EVENTS;
	}
	if (core)
		ops->destroy(&core);
	slice_destroy(&slice);
	return rc;
}

int
recsize_of(const struct topo *t, struct recsize *s, struct err *err)
{
	*s = (struct recsize){ 0, 0, 0 };
	for (uint32_t i = 0; i < t->n_nodes + t->n_modules; i++) {
		int rc = add_process(t, i, s, err);
		if (rc)
			return rc;
	}
	return 0;
}

uint64_t
recsize_total(const struct recsize *s, int64_t end_k)
{
	uint64_t frames, sum;
	if (__builtin_mul_overflow(s->frame_bytes, (uint64_t)end_k + 1, &frames) ||
	    __builtin_add_overflow(frames, s->fixed_bytes + s->ahead_bytes, &sum))
		return UINT64_MAX;
	return sum;
}

char *
recsize_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t u = 0;
	for (; v >= 999.5 && u + 1 < sizeof units / sizeof *units; u++)
		v /= 1000;
	snprintf(buf, size, "%.3g %s", v, units[u]);
	return buf;
}

int
recsize_check_disk(const char *path, uint64_t need, struct err *err)
{
	uint64_t free_bytes;
	char a[32], b[32];
	int rc = rundir_free_bytes(path, &free_bytes, err);
	if (!rc && free_bytes < need)
		rc = err_set(err, ERR_FULL, "%s: the recorder needs %s and the disk has %s free",
		             path, recsize_text(need, a, sizeof a),
		             recsize_text(free_bytes, b, sizeof b));
	return rc;
}
