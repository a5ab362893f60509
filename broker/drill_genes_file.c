/* Timelines of a search: taken from a drill file, and written again. */
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
