#include "drill_genes.h"

#include <stdlib.h>
#include <string.h>

/* ---- changes ----------------------------------------------------------------------------------
 */

static uint64_t
rnd(uint64_t *s, uint64_t below)
{
	/* splitmix64 */
	uint64_t z = *s += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return below ? (z ^ z >> 31) % below : 0;
}

/* A time within the file's, near another action half of the time: what meets, hurts. */
static int64_t
random_time(const struct genes_file *f, const struct genes *g, uint64_t *rng)
{
	enum { NEAR_STEPS = 200, COARSE_NS = 1000000 };
	int64_t T = f->unit->topo->step_ns, span = f->to_ns - f->from_ns;
	if (g->n && rnd(rng, 2)) {
		int64_t near = g->g[rnd(rng, g->n)].at_ns;
		if (near == 0) /* it waits */
			near = f->from_ns;
		return near + ((int64_t)rnd(rng, 2 * NEAR_STEPS + 1) - NEAR_STEPS) * T;
	}
	return f->from_ns + (int64_t)rnd(rng, (uint64_t)(span / COARSE_NS + 1)) * COARSE_NS;
}

static void
set_value(struct gene *g, size_t i, double x)
{
	double shown = g->with[i].unit == UNIT_PERCENT ? x * 100 : x;
	g->with[i].value = x;
	snprintf(g->with[i].text, sizeof g->with[i].text, "%.3g%s", shown,
	         unit_symbol(g->with[i].unit));
}

static const char *
random_target(const struct topo *t, int on, uint64_t *rng)
{
	size_t n = (on & ON_NODE ? t->n_nodes : 0) + (on & ON_MODULE ? t->n_modules : 0) +
	           (on & ON_LINK ? t->n_links : 0);
	size_t i = rnd(rng, n);
	if (on & ON_NODE && i < t->n_nodes)
		return t->nodes[i].id;
	i -= on & ON_NODE ? t->n_nodes : 0;
	if (on & ON_MODULE && i < t->n_modules)
		return t->modules[i].id;
	i -= on & ON_MODULE ? t->n_modules : 0;
	return t->links[i].id;
}

static struct gene *
add_gene(struct genes *g, enum script_kind kind, const char *target, int64_t at_ns)
{
	size_t added = 0;
	for (size_t i = 0; i < g->n; i++)
		added += !g->g[i].given;
	if (g->n == GENES_MAX || added == GENES_ADDED_MAX)
		return NULL;
	struct gene *x = &g->g[g->n++];
	*x = (struct gene){ .kind = kind, .at_ns = at_ns, .for_ns = -1, .for_max_ns = -1 };
	snprintf(x->id, sizeof x->id, "x%zu", ++g->next_id);
	snprintf(x->target, sizeof x->target, "%s", target);
	return x;
}

/* A kind that the file uses, aimed elsewhere; or a kill, or a cut. */
static void
mutate_add(const struct genes_file *f, struct genes *g, uint64_t *rng)
{
	const struct topo *t = f->unit->topo;
	int64_t at = random_time(f, g, rng), span = f->to_ns - f->from_ns;
	size_t which = rnd(rng, 4 + f->base.n);
	if (which >= 4) {
		const struct gene *like = &f->base.g[which - 4];
		int on = action_table[like->kind].on &
		         ~(action_table[like->kind].on & ON_LINK ? ON_NODE : 0);
		if (!(on & (ON_NODE | ON_MODULE | ON_LINK)))
			return; /* what is no part of the plant breaks nothing in it */
		struct gene *x = add_gene(g, like->kind, random_target(t, on, rng), at);
		if (!x)
			return;
		x->n_with = like->n_with;
		memcpy(x->with, like->with, sizeof x->with);
		x->for_ns = x->for_max_ns = like->for_ns;
		return;
	}
	int on = which == 3 && t->n_links     ? ON_LINK
	         : which == 2 && t->n_modules ? ON_MODULE
	                                      : ON_NODE;
	const char *target = random_target(t, on, rng);
	struct gene *x = add_gene(g, on == ON_LINK ? SCRIPT_CUT : SCRIPT_KILL, target, at);
	if (!x)
		return;
	int64_t ms = 1 + (int64_t)rnd(rng, (uint64_t)(span / 2000000 + 1));
	if (on == ON_LINK)
		x->for_ns = x->for_max_ns = ms * 1000000;
	else if (rnd(rng, 2))
		add_gene(g, SCRIPT_START, target, at + ms * 1000000);
}

static void
remove_gene(struct genes *g, size_t i)
{
	memmove(&g->g[i], &g->g[i + 1], (g->n - i - 1) * sizeof g->g[0]);
	g->n--;
}

static void
mutate_one(const struct genes_file *f, struct genes *g, uint64_t *rng)
{
	if (g->n == 0 || rnd(rng, 4) == 0) {
		mutate_add(f, g, rng);
		return;
	}
	struct gene *x = &g->g[rnd(rng, g->n)];
	switch (rnd(rng, 5)) {
	case 0:
	case 1:
		if (!x->at_text[0])
			x->at_ns = random_time(f, g, rng);
		break;
	case 2:
		if (x->for_max_ns > 0)
			x->for_ns = 1 + (int64_t)rnd(rng, (uint64_t)x->for_max_ns);
		break;
	case 3:
		if (x->n_with) {
			size_t i = rnd(rng, x->n_with);
			if (x->with[i].number)
				set_value(x, i, x->with[i].max * (double)(1 + rnd(rng, 100)) / 100);
		}
		break;
	default:
		if (!x->given)
			remove_gene(g, (size_t)(x - g->g));
	}
}

void
genes_mutate(const struct genes_file *f, struct genes *g, uint64_t *rng)
{
	for (uint64_t n = 1 + rnd(rng, 3); n; n--)
		mutate_one(f, g, rng);
}

/* ---- simpler ----------------------------------------------------------------------------------
 */

/* Parts: first halves, quarters, ... of the entries away; then for each entry its time, its
 * duration and each of its numbers. */
enum { CHUNKS = 2 * GENES_MAX };

size_t
genes_parts(const struct genes *g)
{
	return CHUNKS + g->n * (2 + GENE_WITH_MAX);
}

static size_t
without_chunk(const struct genes *g, size_t nth, struct genes *out)
{
	size_t i = 0;
	for (size_t size = g->n; size > 0; size /= 2)
		for (size_t from = 0; from < g->n; from += size, i++) {
			if (i != nth)
				continue;
			*out = *g;
			size_t n = from + size > g->n ? g->n - from : size;
			for (size_t k = 0; k < n; k++)
				remove_gene(out, from);
			return 1;
		}
	return 0;
}

static size_t
rounder_time(const struct genes_file *f, const struct genes *g, size_t i, struct genes *out,
             size_t max)
{
	static const int64_t grids[] = { 1000000000, 100000000, 10000000, 1000000 };
	size_t n = 0;
	int64_t at = g->g[i].at_ns;
	for (size_t k = 0; k < sizeof grids / sizeof *grids && at % grids[k] && n + 2 <= max; k++) {
		for (int up = 0; up < 2; up++) {
			int64_t to = at / grids[k] * grids[k] + up * grids[k];
			if (to < f->from_ns || to >= f->to_ns)
				continue; /* not into the steady state */
			out[n] = *g;
			out[n++].g[i].at_ns = to;
		}
	}
	return n;
}

static size_t
shorter(const struct genes_file *f, const struct genes *g, size_t i, struct genes *out, size_t max)
{
	const int64_t least = f->unit->topo->step_ns;
	static const int64_t grids[] = { 1000000000, 100000000, 10000000, 1000000, 100000 };
	size_t n = 0;
	int64_t was = g->g[i].for_ns;
	for (int64_t d = 16; d >= 2 && n < max; d /= 4) {
		if (was / d < least)
			continue; /* no shorter */
		out[n] = *g;
		out[n++].g[i].for_ns = was / d;
	}
	for (size_t k = 0; was > 0 && k < sizeof grids / sizeof *grids && n < max; k++) {
		int64_t down = was / grids[k] * grids[k];
		if (down == 0 || down == was)
			continue;
		out[n] = *g;
		out[n++].g[i].for_ns = down;
	}
	return n;
}

static size_t
smaller(const struct genes *g, size_t i, size_t w, struct genes *out, size_t max)
{
	static const double parts[] = { 0.1, 0.5, 0.75, 0.9 };
	size_t n = 0;
	double x = g->g[i].with[w].value;
	for (size_t k = 0; k < sizeof parts / sizeof *parts && n < max; k++) {
		/* Two digits: round figures. */
		char text[32];
		snprintf(text, sizeof text, "%.2g", x * parts[k]);
		double y = strtod(text, NULL);
		/* Durations below a step, values below a thousandth of the file's: no simpler. */
		if (!(y < x) || y < g->g[i].with[w].max / 1000)
			continue;
		out[n] = *g;
		set_value(&out[n++].g[i], w, y);
	}
	return n;
}

size_t
genes_simpler(const struct genes_file *f, const struct genes *g, size_t part, struct genes *out,
              size_t max)
{
	if (part < CHUNKS)
		return without_chunk(g, part, out);
	part -= CHUNKS;
	size_t i = part / (2 + GENE_WITH_MAX), what = part % (2 + GENE_WITH_MAX);
	if (i >= g->n)
		return 0;
	if (what == 0)
		return g->g[i].at_text[0] ? 0 : rounder_time(f, g, i, out, max);
	if (what == 1)
		return shorter(f, g, i, out, max);
	return what - 2 < g->g[i].n_with && g->g[i].with[what - 2].number
	               ? smaller(g, i, what - 2, out, max)
	               : 0;
}
