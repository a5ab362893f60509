/* blast_radius: what the timeline may do at most. */
#include <string.h>

#include "script_build.h"

#define CUSTOM(k, fn, text)                                               \
	{                                                                 \
		.key = k, .type = FIELD_CUSTOM, .decode = fn, .doc = text \
	}

struct blast {
	const struct yamldoc_node *max, *protect;
	uint32_t max_nodes_down;
};

static void
take_max_down(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct blast *r = target;
	if (decode_whole(d, f->key, v, 0, TOPO_NODES_MAX, &r->max_nodes_down))
		r->max = v;
}

static void
take_protect(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct blast *)target)->protect = v;
}

static const struct field fields_blast[] = {
	CUSTOM("max_nodes_down", take_max_down, "nodes that may be down at the same time"),
	CUSTOM("protect", take_protect, "ids that no action may be aimed at"),
};
const struct schema script_schema_blast = {
	"blast_radius", "What the timeline may do at most; checked before anything runs.",
	fields_blast, sizeof fields_blast / sizeof *fields_blast
};

static bool
is_target(const struct script_build *b, const struct script_action *a, const char *id)
{
	const struct topo *t = b->topo;
	if (a->target_kind == TARGET_RELAY)
		return false;
	if (a->target_kind == TARGET_LINK) {
		const struct topo_link *l = &t->links[a->target];
		return !strcmp(l->id, id);
	}
	return a->target < t->n_nodes ? !strcmp(t->nodes[a->target].id, id)
	                              : !strcmp(t->modules[a->target - t->n_nodes].id, id);
}

static void
check_protected(struct script_build *b, const struct yamldoc_node *v)
{
	const struct topo *t = b->topo;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "protect: an id is wanted, not %s", yamldoc_what(v));
		return;
	}
	if (topo_find_node(t, v->text) < 0 && topo_find_link(t, v->text) < 0 &&
	    topo_find_module(t, v->text) < 0) {
		decode_error(&b->d, v, "protect: there is no '%.60s' in mesh '%s'", v->text,
		             t->name);
		return;
	}
	for (size_t i = 0; b->timed && i < b->n_actions; i++)
		if (is_target(b, &b->actions[i], v->text)) {
			decode_error(&b->d, b->places[i],
			             "action '%s' is aimed at '%s', which "
			             "blast_radius protects",
			             b->actions[i].id, v->text);
			return;
		}
	for (size_t i = 0; i < b->n_missed; i++)
		if (is_target(b, &b->missed[i].action, v->text)) {
			decode_error(&b->d, v, "action '%s' is aimed at '%s'",
			             b->missed[i].action.id, v->text);
			return;
		}
}

static void
check_down(struct script_build *b, uint32_t most)
{
	uint32_t down = 0;
	for (size_t i = 0; b->timed && i < b->n_actions; i++) {
		const struct script_action *a = &b->actions[i];
		if (a->target_kind != TARGET_PROC || a->target >= b->topo->n_nodes)
			continue;
		if (a->kind == SCRIPT_START || a->kind == SCRIPT_CONT)
			down--;
		if (a->kind != SCRIPT_KILL && a->kind != SCRIPT_STOP)
			continue;
		if (++down <= most)
			continue;
		if (b->options->beyond_blast)
			*b->options->beyond_blast = true;
		decode_error(
			&b->d, b->places[i],
			"action '%s' takes down node %u at the same time; blast_radius allows %u",
			a->id, down, most);
		return;
	}
}

void
script_blast_read(struct script_build *b, const struct yamldoc_node *v)
{
	struct blast r = { .max_nodes_down = UINT32_MAX };
	if (!v)
		return;
	if (v->kind != YAMLDOC_MAP) {
		decode_error(&b->d, v, "blast_radius: a mapping is wanted, not %s",
		             yamldoc_what(v));
		return;
	}
	const struct yamldoc_node *x = script_build_expand(b, v);
	if (!x)
		return;
	decode_map(&b->d, &script_schema_blast, "blast_radius", x, &r);
	if (r.max)
		check_down(b, r.max_nodes_down);
	if (!r.protect)
		return;
	if (r.protect->kind != YAMLDOC_LIST)
		decode_error(&b->d, r.protect, "protect: a list of ids is wanted, not %s",
		             yamldoc_what(r.protect));
	for (size_t i = 0; r.protect->kind == YAMLDOC_LIST && i < r.protect->n; i++)
		check_protected(b, r.protect->items[i]);
}
