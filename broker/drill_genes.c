#include "drill_genes.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "export.h"
#include "yamldoc.h"

/* ---- taking the file apart --------------------------------------------------------------------
 */

static int
no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "search: out of memory");
}

static char *
slurp(const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *s = NULL;
	size_t n = 0, cap = 0;
	if (!f) {
		err_sys(err, ERR_IO, "%s", path);
		return NULL;
	}
	do {
		char *p = realloc(s, cap + 65536);
		if (!p) {
			no_memory(err);
			free(s);
			fclose(f);
			return NULL;
		}
		s = p;
		cap += 65536;
		n += fread(s + n, 1, cap - n - 1, f);
	} while (n == cap - 1);
	s[n] = '\0';
	fclose(f);
	return s;
}

/* Appends lines [from, to) of a text; lines count from 1. */
static void
copy_lines(const char *text, unsigned from, unsigned to, FILE *f)
{
	for (unsigned line = 1; *text && line < to; line++) {
		size_t n = strcspn(text, "\n");
		n += text[n] == '\n';
		if (line >= from)
			fwrite(text, 1, n, f);
		text += n;
	}
}

/* Keys at the top own the lines from their own to that of the next key. */
static int
split(struct genes_file *g, const struct yamldoc_node *root, const char *text, struct err *err)
{
	size_t size;
	FILE *head = open_memstream(&g->head, &size), *tail = open_memstream(&g->tail, &size);
	FILE *to = head;
	int rc = head && tail ? 0 : no_memory(err);
	bool first = true;
	for (size_t i = 0; !rc && i < root->n; i++) {
		const struct yamldoc_node *key = root->pairs[i].key;
		unsigned end = i + 1 < root->n ? root->pairs[i + 1].key->line : UINT_MAX;
		if (key->column != 1 || end == key->line) {
			rc = err_set(
				err, ERR_INPUT,
				"%s:%u: a search wants each key of the drill on a line of its own",
				g->unit->file, key->line);
			break;
		}
		if (!strcmp(key->text, "timeline")) {
			to = tail;
			continue;
		}
		bool own = !strcmp(key->text, "seed") || !strcmp(key->text, "topology") ||
		           (g->blast[0] && !strcmp(key->text, "blast_radius"));
		if (!own)
			copy_lines(text, first ? 1 : key->line, end, to);
		first = false;
	}
	if (head)
		fclose(head);
	if (tail)
		fclose(tail);
	return rc || (g->head && g->tail) ? rc : no_memory(err);
}

/* ---- genes of the file ------------------------------------------------------------------------
 */

static bool
put_text(char *to, size_t size, const struct yamldoc_node *v)
{
	size_t n = 0;
	if (v->kind == YAMLDOC_SCALAR)
		n = (size_t)snprintf(to, size, v->quoted ? "\"%s\"" : "%s", v->text);
	else if (v->kind == YAMLDOC_LIST) {
		n = (size_t)snprintf(to, size, "[");
		for (size_t i = 0; i < v->n && n < size; i++)
			n += (size_t)snprintf(
				to + n, size - n, "%s%s", i ? ", " : "",
				v->items[i]->kind == YAMLDOC_SCALAR ? v->items[i]->text : "?");
		if (n < size)
			n += (size_t)snprintf(to + n, size - n, "]");
	}
	return n > 0 && n < size;
}

static void
take_with(struct gene *g, const struct yamldoc_node *map, bool *ok)
{
	const struct schema *s = action_params[g->kind].with;
	for (size_t i = 0; i < map->n; i++) {
		const struct yamldoc_pair *p = &map->pairs[i];
		if (g->n_with == GENE_WITH_MAX || p->value->kind != YAMLDOC_SCALAR ||
		    strlen(p->key->text) >= sizeof g->with->key ||
		    strlen(p->value->text) >= sizeof g->with->text) {
			*ok = false;
			return;
		}
		char why[UNIT_WHY_MAX];
		size_t n = g->n_with++;
		strcpy(g->with[n].key, p->key->text);
		strcpy(g->with[n].text, p->value->text);
		for (size_t k = 0; k < s->n; k++)
			if (!strcmp(s->fields[k].key, p->key->text) &&
			    s->fields[k].type == FIELD_NUMBER &&
			    !unit_parse(p->value->text, s->fields[k].unit, &g->with[n].value,
			                why)) {
				g->with[n].number = true;
				g->with[n].unit = s->fields[k].unit;
				g->with[n].max = g->with[n].value;
			}
	}
}

/* The time of an entry as it was resolved; false: it waits for something. */
static bool
resolved(const struct script *s, const char *id, int64_t *ns)
{
	for (size_t i = 0; i < s->n_whens; i++)
		if (!strcmp(s->whens[i].id, id))
			return false;
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->actions[i].id, id)) {
			*ns = s->actions[i].at_ns;
			return true;
		}
	return false;
}

/* ", within: 300ms" */
static bool
take_more(struct gene *g, const struct yamldoc_node *entry)
{
	static const char *const keys[] = { "within", "after", "end" };
	char text[GENE_TEXT_MAX];
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const struct yamldoc_node *v = yamldoc_get(entry, keys[i]);
		size_t n = strlen(g->more);
		if (!v)
			continue;
		if (!put_text(text, sizeof text, v) ||
		    n + strlen(keys[i]) + strlen(text) + 5 > sizeof g->more)
			return false;
		snprintf(g->more + n, sizeof g->more - n, ", %s: %s", keys[i], text);
	}
	return true;
}

static bool
take_entry(struct genes_file *f, const struct yamldoc_node *e, size_t nth)
{
	struct gene *g = &f->base.g[f->base.n];
	const struct yamldoc_node *id = yamldoc_get(e, "id"), *at = yamldoc_get(e, "at"),
				  *act = yamldoc_get(e, "do"), *target = yamldoc_get(e, "target"),
				  *with = yamldoc_get(e, "with"), *lease = yamldoc_get(e, "for");
	char why[UNIT_WHY_MAX];
	bool ok = true;
	*g = (struct gene){ .given = true, .for_ns = -1, .for_max_ns = -1 };
	snprintf(g->id, sizeof g->id, "a%zu", nth + 1);
	if (id)
		snprintf(g->id, sizeof g->id, "%s", id->text);
	if (!act || !at || !target || act->kind != YAMLDOC_SCALAR || !take_more(g, e))
		return false;
	for (int k = 0; k < SCRIPT_KINDS_; k++)
		if (!strcmp(action_table[k].name, act->text))
			g->kind = (enum script_kind)k;
	if (strcmp(action_table[g->kind].name, act->text) != 0 ||
	    !put_text(g->target, sizeof g->target, target))
		return false;
	if (!resolved(f->unit->script, g->id, &g->at_ns) &&
	    !put_text(g->at_text, sizeof g->at_text, at))
		return false;
	if (lease && (lease->kind != YAMLDOC_SCALAR || unit_parse_ns(lease->text, &g->for_ns, why)))
		return false;
	g->for_max_ns = g->for_ns;
	if (with)
		take_with(g, with, &ok);
	f->base.n += ok;
	return ok;
}

static int
take_timeline(struct genes_file *f, const struct yamldoc_node *root, struct err *err)
{
	const struct yamldoc_node *list = yamldoc_get(root, "timeline");
	for (size_t i = 0; list && list->kind == YAMLDOC_LIST && i < list->n; i++)
		if (f->base.n + GENES_ADDED_MAX >= GENES_MAX || !take_entry(f, list->items[i], i))
			return err_set(
				err, ERR_INPUT,
				"%s:%u: a search cannot change a timeline with this entry (more "
				"than %d, or a value that is no plain word)",
				f->unit->file, list->items[i]->line, GENES_MAX - GENES_ADDED_MAX);
	return 0;
}

/* The most nodes that are down at a time, by the file's own timeline. */
static size_t
most_down(const struct script *s, const struct topo *t)
{
	size_t now = 0, most = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct script_action *a = &s->actions[i];
		if (a->target_kind != TARGET_PROC || a->target >= t->n_nodes)
			continue;
		now += action_table[a->kind].rule == RULE_END_LIFE;
		now -= action_table[a->kind].rule == RULE_BEGIN_LIFE;
		most = now > most ? now : most;
	}
	for (size_t i = 0; i < s->n_missed; i++) /* what waits */
		if (action_table[s->missed[i].action.kind].rule == RULE_END_LIFE)
			most++;
	return most;
}

/* How much a search may break, where the file does not say. */
static bool
take_blast(struct genes_file *f, const struct yamldoc_node *blast)
{
	const struct yamldoc_node *protect = blast ? yamldoc_get(blast, "protect") : NULL;
	char text[400] = "[]";
	if (blast && yamldoc_get(blast, "max_nodes_down"))
		return true;
	if (protect && !put_text(text, sizeof text, protect))
		return false;
	f->nodes_down = most_down(f->unit->script, f->unit->topo);
	if (f->nodes_down == 0)
		f->nodes_down = 1;
	snprintf(f->blast, sizeof f->blast, "blast_radius: { max_nodes_down: %zu, protect: %s }\n",
	         f->nodes_down, text);
	return true;
}

int
genes_read(const struct drill_unit *u, struct genes_file **ret, struct err *err)
{
	struct genes_file *f = calloc(1, sizeof *f);
	struct diag_list diags;
	struct yamldoc *doc = NULL;
	const struct script *s = u->script;
	char real[PATH_MAX];
	if (!f)
		return no_memory(err);
	f->unit = u;
	f->base.seed = u->topo->seed;
	f->from_ns = s->settle_ns;
	for (size_t i = 0; i < s->checks->n_gates; i++)
		if (s->settle_ns + s->checks->gates[i].for_ns > f->from_ns)
			f->from_ns = s->settle_ns + s->checks->gates[i].for_ns;
	f->from_ns += 2 * u->topo->step_ns;
	f->to_ns = s->duration_ns;
	snprintf(f->topology, sizeof f->topology, "%s",
	         realpath(u->topology, real) ? real : u->topology);
	diag_list_init(&diags);
	char *text = slurp(u->file, err);
	int rc = text ? yamldoc_load(u->file, &diags, &doc, err) : err->code;
	if (!rc && !take_blast(f, yamldoc_get(yamldoc_root(doc), "blast_radius")))
		rc = err_set(err, ERR_INPUT, "%s: blast_radius.protect is too long for a search",
		             u->file);
	if (!rc && f->to_ns <= f->from_ns)
		rc = err_set(err, ERR_INPUT,
		             "%s: there is no time for actions behind the steady state", u->file);
	if (!rc)
		rc = split(f, yamldoc_root(doc), text, err);
	if (!rc)
		rc = take_timeline(f, yamldoc_root(doc), err);
	yamldoc_destroy(&doc);
	diag_list_free(&diags);
	free(text);
	if (rc)
		genes_free(&f);
	else
		*ret = f;
	return rc;
}

void
genes_free(struct genes_file **pf)
{
	if (!*pf)
		return;
	free((*pf)->head);
	free((*pf)->tail);
	free(*pf);
	*pf = NULL;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void
write_gene(const struct gene *g, FILE *f)
{
	char at[EXPORT_TIME_MAX];
	export_time(g->at_ns, at);
	fprintf(f, "  - { id: %s, at: %s%s, do: %s, target: %s", g->id,
	        g->at_text[0] ? g->at_text : at, g->at_text[0] ? "" : "s",
	        action_table[g->kind].name, g->target);
	for (size_t i = 0; i < g->n_with; i++)
		fprintf(f, "%s%s: %s", i ? ", " : ", with: { ", g->with[i].key, g->with[i].text);
	if (g->n_with)
		fputs(" }", f);
	if (g->for_ns >= 0) {
		export_time(g->for_ns, at);
		fprintf(f, ", for: %ss", at);
	}
	fprintf(f, "%s }\n", g->more);
}

void
genes_write(const struct genes_file *file, const struct genes *g, const char *note, FILE *f)
{
	if (note)
		for (const char *p = note; *p; p += strcspn(p, "\n"), p += *p == '\n')
			fprintf(f, "# %.*s\n", (int)strcspn(p, "\n"), p);
	fputs(file->head, f);
	fprintf(f, "topology: %s\nseed: %" PRIu64 "\n%stimeline:%s\n", file->topology, g->seed,
	        file->blast, g->n ? "" : " []");
	for (size_t i = 0; i < g->n; i++)
		write_gene(&g->g[i], f);
	fputs(file->tail, f);
}

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
