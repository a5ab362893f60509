/* Ids, and the entries of nodes:, links: and modules:. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "topo_build.h"

/* ---- ids ------------------------------------------------------------------------------------- */

static uint32_t
hash(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

const char *
build_id(const struct build *b, enum build_kind kind, uint32_t i)
{
	return kind == BUILD_NODE   ? b->nodes[i].t.id
	       : kind == BUILD_LINK ? b->links[i].t.id
	                            : b->modules[i].t.id;
}

bool
build_find(const struct build *b, const char *id, enum build_kind *kind, uint32_t *index)
{
	for (uint32_t h = hash(id) % BUILD_IDS; b->ids[h]; h = (h + 1) % BUILD_IDS) {
		uint32_t e = b->ids[h] - 1;
		*kind = (enum build_kind)(e % 3);
		*index = e / 3;
		if (!strcmp(build_id(b, *kind, *index), id))
			return true;
	}
	return false;
}

void
build_id_add(struct build *b, const char *id, enum build_kind kind, uint32_t index)
{
	uint32_t h = hash(id) % BUILD_IDS;
	while (b->ids[h])
		h = (h + 1) % BUILD_IDS;
	b->ids[h] = 3 * index + (uint32_t)kind + 1;
}

bool
build_id_ok(struct build *b, const struct yamldoc_node *v)
{
	bool ok = v->kind == YAMLDOC_SCALAR && v->text[0];
	for (const char *p = ok ? v->text : ""; *p && ok; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		ok = letter ||
		     (p > v->text && ((*p >= '0' && *p <= '9') || *p == '-' || *p == '_'));
	}
	if (ok && strlen(v->text) < TOPO_ID_MAX)
		return true;
	decode_error(
		&b->d, v,
		"id: '%.60s' is not a name: a letter, then letters, digits, '-' or '_', at most %d",
		v->kind == YAMLDOC_SCALAR ? v->text : yamldoc_what(v), TOPO_ID_MAX - 1);
	return false;
}

int
build_ref_node(struct build *b, const struct yamldoc_node *ref)
{
	static const char *const kinds[] = { "node", "link", "module" };
	enum build_kind kind;
	uint32_t index;
	if (ref->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, ref, "the id of a node is wanted, not %s", yamldoc_what(ref));
		return -1;
	}
	bool found = build_find(b, ref->text, &kind, &index);
	if (found && kind == BUILD_NODE)
		return (int)index;
	/* A node that is written but not understood would make every link to it an error. */
	if (!found && b->nodes_in_doubt)
		return -1;
	struct diag *d;
	if (found)
		d = decode_error(&b->d, ref, "'%s' is a %s, not a node", ref->text, kinds[kind]);
	else
		d = decode_error(&b->d, ref, "there is no node '%.60s'", ref->text);
	const char *names[TOPO_NODES_MAX];
	for (size_t i = 0; i < b->n_nodes; i++)
		names[i] = b->nodes[i].t.id;
	decode_suggest(d, ref->text, names, b->n_nodes, "nodes");
	return -1;
}

/* ---- new entries ----------------------------------------------------------------------------- */

static bool
room(struct build *b, const struct yamldoc_node *at, size_t n, size_t max, const char *what)
{
	if (n < max)
		return true;
	decode_error(&b->d, at, "more than %zu %s", max, what);
	return false;
}

struct build_node *
build_add_node(struct build *b, const char *id, const struct yamldoc_node *at)
{
	if (!room(b, at, b->n_nodes, TOPO_NODES_MAX, "nodes"))
		return NULL;
	struct build_node *n = &b->nodes[b->n_nodes];
	*n = b->proto_node;
	snprintf(n->t.id, sizeof n->t.id, "%s", id);
	n->place = at;
	build_id_add(b, n->t.id, BUILD_NODE, (uint32_t)b->n_nodes++);
	return n;
}

struct build_link *
build_add_link(struct build *b, const char *id, const struct yamldoc_node *at)
{
	if (!room(b, at, b->n_links, TOPO_LINKS_MAX, "links"))
		return NULL;
	struct build_link *l = &b->links[b->n_links];
	*l = b->proto_link;
	snprintf(l->t.id, sizeof l->t.id, "%s", id);
	l->place = at;
	build_id_add(b, l->t.id, BUILD_LINK, (uint32_t)b->n_links++);
	return l;
}

static struct build_module *
add_module(struct build *b, const char *id, const struct yamldoc_node *at)
{
	if (!room(b, at, b->n_modules, TOPO_MODULES_MAX, "modules"))
		return NULL;
	struct build_module *m = &b->modules[b->n_modules];
	*m = b->proto_module;
	snprintf(m->t.id, sizeof m->t.id, "%s", id);
	m->place = at;
	build_id_add(b, m->t.id, BUILD_MODULE, (uint32_t)b->n_modules++);
	return m;
}

/* Complains when `id` is taken by anything but a generated entry of this kind, which is given back.
 */
static bool
id_free(struct build *b, const char *id, const struct yamldoc_node *at, enum build_kind kind,
        int *generated)
{
	enum build_kind other;
	uint32_t index;
	*generated = -1;
	if (!build_find(b, id, &other, &index))
		return true;
	const struct yamldoc_node *first = other == BUILD_NODE   ? b->nodes[index].place
	                                   : other == BUILD_LINK ? b->links[index].place
	                                                         : b->modules[index].place;
	bool gen = (other == BUILD_NODE && b->nodes[index].generated) ||
	           (other == BUILD_LINK && b->links[index].generated);
	if (gen && other == kind && first == b->generate_place) {
		*generated = (int)index;
		return true;
	}
	static const char *const kinds[] = { "node", "link", "module" };
	decode_error(&b->d, at, "id '%s' is there twice, first as a %s in line %u", id,
	             kinds[other], first ? first->line : 0);
	return false;
}

static const struct yamldoc_node *
entry_id(struct build *b, const struct yamldoc_node *entry, const char *what)
{
	if (entry->kind != YAMLDOC_MAP) {
		decode_error(&b->d, entry, "a %s is a mapping, like { id: ... }, not %s", what,
		             yamldoc_what(entry));
		return NULL;
	}
	const struct yamldoc_node *id = yamldoc_get(entry, "id");
	if (!id)
		decode_error(&b->d, entry, "'id' is missing in a %s", what);
	return id;
}

/* ---- entries of the file --------------------------------------------------------------------- */

void
build_load_node(struct build *b, const struct yamldoc_node *entry)
{
	struct build_node scratch = b->proto_node, *n = NULL;
	char owner[TOPO_ID_MAX + 16] = "a node";
	size_t before = b->d.diags->n_errors;
	const struct yamldoc_node *id = entry_id(b, entry, "node");
	int gen = -1;
	if (id && build_id_ok(b, id)) {
		snprintf(owner, sizeof owner, "node '%s'", id->text);
		if (id_free(b, id->text, id, BUILD_NODE, &gen))
			n = gen >= 0 ? &b->nodes[gen] : build_add_node(b, id->text, id);
	}
	if (!n) {
		n = &scratch;
		b->nodes_in_doubt = true;
	}
	n->place = id ? id : entry;
	if (entry->kind == YAMLDOC_MAP)
		decode_map(&b->d, &schema_node, owner, entry, n);
	if (n->t.p.has_feed && !(n->t.p.feed.i_rated_a > 0) && b->d.diags->n_errors == before)
		decode_error(&b->d, n->place, "'feed.i_rated' is missing in %s", owner);
	n->bad = b->d.diags->n_errors != before;
	b->skip_islands |= n->bad;
}

/* Generated links and those without an id are called a-b, the lower node first. */
static bool
default_link_id(struct build *b, const struct yamldoc_node *entry, char *ret, size_t size)
{
	const struct yamldoc_node *v = yamldoc_get(entry, "between");
	enum build_kind kind[2];
	uint32_t i[2];
	if (!v || v->kind != YAMLDOC_LIST || v->n != 2)
		return false;
	for (size_t j = 0; j < 2; j++)
		if (v->items[j]->kind != YAMLDOC_SCALAR ||
		    !build_find(b, v->items[j]->text, &kind[j], &i[j]) || kind[j] != BUILD_NODE)
			return false;
	uint32_t lo = i[0] < i[1] ? i[0] : i[1], hi = i[0] < i[1] ? i[1] : i[0];
	int len = snprintf(ret, size, "%s-%s", b->nodes[lo].t.id, b->nodes[hi].t.id);
	if (len > 0 && (size_t)len < size)
		return true;
	decode_error(&b->d, entry, "this link needs an 'id': '%s-%s' is longer than %zu",
	             b->nodes[lo].t.id, b->nodes[hi].t.id, size - 1);
	return false;
}

void
build_load_link(struct build *b, const struct yamldoc_node *entry)
{
	struct build_link scratch = b->proto_link, *l = NULL;
	char name[TOPO_ID_MAX] = "", owner[TOPO_ID_MAX + 16] = "a link";
	size_t before = b->d.diags->n_errors;
	bool map = entry->kind == YAMLDOC_MAP;
	const struct yamldoc_node *id = map ? yamldoc_get(entry, "id") : NULL;
	int gen;
	if (!map)
		decode_error(&b->d, entry,
		             "a link is a mapping, like { between: [n1, n2] }, not %s",
		             yamldoc_what(entry));
	else if (!id)
		default_link_id(b, entry, name, sizeof name);
	else if (build_id_ok(b, id))
		snprintf(name, sizeof name, "%s", id->text);
	const struct yamldoc_node *place = id ? id : entry;
	if (*name && id_free(b, name, place, BUILD_LINK, &gen))
		l = gen >= 0 ? &b->links[gen] : build_add_link(b, name, place);
	if (*name)
		snprintf(owner, sizeof owner, "link '%s'", name);
	if (!l)
		l = &scratch;
	l->place = place;
	if (map)
		decode_map(&b->d, &schema_link, owner, entry, l);
	if (map && !l->connected && !yamldoc_get(entry, "between"))
		decode_error(&b->d, place, "'between' is missing in %s", owner);
	l->bad = b->d.diags->n_errors != before;
	b->skip_islands |= l->bad;
}

static void
check_module_keys(struct build *b, const struct build_module *m, const char *owner,
                  const struct yamldoc_node *entry)
{
	static const struct {
		const char *key;
		int class;
	} rows[] = { { "power", CLASS_FIXED },
		     { "load", CLASS_FIXED },
		     { "resistance", CLASS_RESISTIVE },
		     { "workload", CLASS_CPU },
		     { "mcu", CLASS_CPU },
		     { "v_ref", CLASS_CPU } };
	if (m->class < 0) {
		if (!yamldoc_get(entry, "class"))
			decode_error(&b->d, m->place, "'class' is missing in %s", owner);
		return;
	}
	for (size_t i = 0; i < entry->n && m->class < CLASS_LATER_; i++)
		for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
			if (!strcmp(entry->pairs[i].key->text, rows[j].key) &&
			    rows[j].class != m->class)
				decode_error(&b->d, entry->pairs[i].key,
				             "'%s' belongs to class %s, %s is of class %s",
				             rows[j].key, class_words[rows[j].class], owner,
				             class_words[m->class]);
	if (m->class == CLASS_FIXED && isnan(m->power_w) && !m->t.p.load_w.p &&
	    !yamldoc_get(entry, "load") && !yamldoc_get(entry, "power"))
		decode_error(&b->d, m->place, "'power' or 'load' is missing in %s of class fixed",
		             owner);
	if (m->class == CLASS_RESISTIVE && isnan(m->t.p.r_load_ohm) &&
	    !yamldoc_get(entry, "resistance"))
		decode_error(&b->d, m->place, "'resistance' is missing in %s of class resistive",
		             owner);
}

void
build_load_module(struct build *b, const struct yamldoc_node *entry)
{
	struct build_module scratch = b->proto_module, *m = NULL;
	char owner[TOPO_ID_MAX + 16] = "a module";
	size_t before = b->d.diags->n_errors;
	const struct yamldoc_node *id = entry_id(b, entry, "module");
	int gen;
	if (id && build_id_ok(b, id)) {
		snprintf(owner, sizeof owner, "module '%s'", id->text);
		if (id_free(b, id->text, id, BUILD_MODULE, &gen))
			m = add_module(b, id->text, id);
	}
	if (!m)
		m = &scratch;
	m->place = id ? id : entry;
	if (entry->kind == YAMLDOC_MAP) {
		const struct yamldoc_node *power = yamldoc_get(entry, "power"),
					  *load = yamldoc_get(entry, "load");
		if (power && load)
			decode_error(&b->d, load, "%s has both 'power' and 'load'; give one",
			             owner);
		if (power)
			m->t.p.load_w = (struct pwl){ 0 };
		if (load)
			m->power_w = NAN;
		decode_map(&b->d, &schema_module, owner, entry, m);
		check_module_keys(b, m, owner, entry);
		if (!yamldoc_get(entry, "feeds"))
			decode_error(&b->d, m->place, "'feeds' is missing in %s", owner);
	}
	m->bad = b->d.diags->n_errors != before;
}
