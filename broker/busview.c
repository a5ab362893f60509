#include "busview.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rec.h"
#include "rundir.h"

/* A living node is at most its distance in links behind another, a dead one stays behind. */
#define BEHIND_S 1.0

struct bus {
	struct rec_file *file; /* NULL: none yet */
	uint32_t incarnation;  /* of file; 0: none yet */
	int v;
};

struct busview {
	const struct topo *topo;
	char rec_dir[RUNDIR_PATH_MAX];
	struct bus *bus;
};

int
busview_create(const struct topo *topo, const char *run_dir, struct busview **ret, struct err *err)
{
	struct busview *b = calloc(1, sizeof *b);
	if (b)
		b->bus = calloc(topo->n_nodes, sizeof *b->bus);
	if (!b || !b->bus) {
		busview_destroy(&b);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	b->topo = topo;
	if (snprintf(b->rec_dir, sizeof b->rec_dir, "%s/rec", run_dir) >= (int)sizeof b->rec_dir) {
		busview_destroy(&b);
		return err_set(err, ERR_IO, "%s: the path is too long", run_dir);
	}
	*ret = b;
	return 0;
}

void
busview_destroy(struct busview **pb)
{
	struct busview *b = *pb;
	if (!b)
		return;
	for (size_t i = 0; b->bus && i < b->topo->n_nodes; i++)
		rec_file_close(&b->bus[i].file);
	free(b->bus);
	free(b);
	*pb = NULL;
}

/* Goes on to the next incarnation when there is one. */
static void
follow(struct busview *b, size_t i)
{
	struct bus *bus = &b->bus[i];
	for (;;) {
		char path[RUNDIR_PATH_MAX + 64];
		struct rec_file *file = NULL;
		snprintf(path, sizeof path, "%s/node.%s.%u.frames", b->rec_dir,
		         b->topo->nodes[i].id, bus->incarnation + 1);
		if (access(path, R_OK) || rec_file_open(path, &file, NULL))
			return;
		rec_file_close(&bus->file);
		bus->file = file;
		bus->incarnation++;
		bus->v = rec_file_field(file, "v");
	}
}

void
busview_look(struct busview *b, struct busview_now *now)
{
	int64_t behind = (int64_t)(BEHIND_S / topo_step_s(b->topo));
	*now = (struct busview_now){ 0, -1, -1, NAN, NAN };
	for (size_t i = 0; i < b->topo->n_nodes; i++) {
		struct bus *bus = &b->bus[i];
		follow(b, i);
		if (!bus->file || rec_file_refresh(bus->file, NULL))
			continue;
		int64_t k = rec_file_last_k(bus->file);
		if (!rec_file_frame(bus->file, k))
			continue;
		now->min_k = now->n == 0 || k < now->min_k ? k : now->min_k;
		now->max_k = k > now->max_k ? k : now->max_k;
		now->n++;
	}
	for (size_t i = 0; i < b->topo->n_nodes; i++) {
		const struct bus *bus = &b->bus[i];
		if (!bus->file || bus->v < 0 || rec_file_last_k(bus->file) < now->max_k - behind)
			continue;
		const union rec_word *f = rec_file_frame(bus->file, rec_file_last_k(bus->file));
		if (f) {
			now->lo_v = fmin(now->lo_v, f[bus->v].f);
			now->hi_v = fmax(now->hi_v, f[bus->v].f);
		}
	}
}
