/* `last_sent:` of a kill: what an unscripted death had sent when it came. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "script_build.h"

/* The edge of a link or port of that process; -1: it has none of that name. */
static int64_t
edge_of(const struct topo *t, uint32_t proc, const char *id)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (!strcmp(t->links[i].id, id))
			return t->links[i].a == proc || t->links[i].b == proc ? (int64_t)i : -1;
	for (size_t i = 0; i < t->n_ports; i++) {
		const struct topo_port *p = &t->ports[i];
		bool own = p->node == proc || t->n_nodes + p->module == proc;
		if (own && !strcmp(p->id, id))
			return (int64_t)(t->n_links + i);
	}
	return -1;
}

static bool
add(struct script_build *b, const struct script_last *l)
{
	struct script_last *p = realloc(b->last, (b->n_last + 1) * sizeof *p);
	if (!p) {
		b->d.nomem = true;
		return false;
	}
	b->last = p;
	b->last[b->n_last++] = *l;
	return true;
}

void
script_by_hand_read(struct script_build *b, struct script_action *a)
{
	const struct yamldoc_node *map = a->with.last_sent;
	a->with.last_sent = NULL; /* the tree goes when the file is read */
	if (!map || a->k < 1)
		return;
	if (map->kind != YAMLDOC_MAP) {
		decode_error(&b->d, map,
		             "with.last_sent: a mapping like { l1: 4711, m5.n3: 4710 } is "
		             "wanted, not %s",
		             yamldoc_what(map));
		return;
	}
	a->by_hand = true;
	add(b, &(struct script_last){ .proc = a->target, .kill_k = a->k, .edge = -1 });
	for (size_t i = 0; i < map->n && !b->d.nomem; i++) {
		const struct yamldoc_node *key = map->pairs[i].key, *v = map->pairs[i].value;
		struct script_last l = { a->target, a->k, edge_of(b->topo, a->target, key->text),
			                 -1 };
		char *end = NULL;
		long long step = v->kind == YAMLDOC_SCALAR ? strtoll(v->text, &end, 10) : -1;
		if (l.edge < 0)
			decode_error(&b->d, key,
			             "with.last_sent: '%.60s' is no link or port of the target",
			             key->text);
		/* What comes later was never sent by anybody who dies with frame K-1. */
		else if (!end || end == v->text || *end || step < -1 || step >= a->k)
			decode_error(&b->d, v,
			             "with.last_sent: a step from -1 (nothing) to %" PRId64
			             " is wanted",
			             a->k - 1);
		else {
			l.step = step;
			add(b, &l);
		}
	}
}
