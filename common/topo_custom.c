/* Fields of the table that need more than a type and a range. */
#include <math.h>
#include <string.h>

#include "topo_build.h"

void
decode_at(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct build_node *n = target;
	if (v->kind != YAMLDOC_LIST || v->n != 2) {
		decode_error(d, v, "at: a place is [x, y], two numbers");
		return;
	}
	bool ok = decode_number(d, f->key, v->items[0], UNIT_NONE, -1e6, 1e6, &n->t.at_x);
	ok = decode_number(d, f->key, v->items[1], UNIT_NONE, -1e6, 1e6, &n->t.at_y) && ok;
	n->t.has_at = ok;
}

void
decode_initial(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	const double hi_v = 60; /* SELV limit; nothing here stands more */
	struct build_node *n = target;
	if (v->kind == YAMLDOC_SCALAR && !strcmp(v->text, "steady")) {
		n->t.p.steady = true;
		n->t.p.v_init_v = NAN;
		return;
	}
	n->t.p.steady = false;
	decode_number(d, f->key, v, UNIT_VOLT, 0, hi_v, &n->t.p.v_init_v);
}

void
decode_between(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct build *b = (struct build *)d;
	struct build_link *l = target;
	(void)f;
	if (l == &b->proto_link) {
		decode_error(d, v, "between: this cannot be a default");
		return;
	}
	if (v->kind != YAMLDOC_LIST || v->n != 2) {
		decode_error(d, v, "between: two nodes are wanted, like [n1, n2]");
		return;
	}
	int ia = build_ref_node(b, v->items[0]), ib = build_ref_node(b, v->items[1]);
	if (ia < 0 || ib < 0)
		return;
	if (ia == ib) {
		decode_error(d, v, "between: the link joins '%s' with itself", v->items[0]->text);
		return;
	}
	bool same = (l->t.a == (uint32_t)ia && l->t.b == (uint32_t)ib) ||
	            (l->t.a == (uint32_t)ib && l->t.b == (uint32_t)ia);
	if (l->generated && !same) {
		decode_error(d, v, "between: the generated link '%s' joins '%s' and '%s'", l->t.id,
		             b->nodes[l->t.a].t.id, b->nodes[l->t.b].t.id);
		return;
	}
	l->t.a = (uint32_t)ia;
	l->t.b = (uint32_t)ib;
	l->connected = true;
}

/* The end of a link that has its converter; whether it is an end is known when the link is. */
void
decode_conv_at(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct link_conv_params *c = target;
	int node = build_ref_node((struct build *)d, v);
	(void)f;
	if (node >= 0)
		c->node = (uint32_t)node;
}

void
decode_feeds(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct build *b = (struct build *)d;
	struct build_module *m = target;
	(void)f;
	if (m == &b->proto_module) {
		decode_error(d, v, "feeds: this cannot be a default");
		return;
	}
	if (v->kind != YAMLDOC_LIST || v->n < 1 || v->n > TOPO_FEEDS_MAX) {
		decode_error(d, v, "feeds: one or two nodes are wanted, like [n1, n2]");
		return;
	}
	uint32_t feeds[TOPO_FEEDS_MAX];
	for (size_t i = 0; i < v->n; i++) {
		int n = build_ref_node(b, v->items[i]);
		if (n < 0)
			return;
		feeds[i] = (uint32_t)n;
	}
	if (v->n == 2 && feeds[0] == feeds[1]) {
		decode_error(d, v->items[1], "feeds: both inputs are at '%s'", v->items[1]->text);
		return;
	}
	memcpy(m->t.feeds, feeds, v->n * sizeof *feeds);
	m->t.n_feeds = v->n;
}

void
decode_class(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct build_module *m = target;
	size_t n = 0, words = 0;
	while (class_words[words])
		words++;
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(d, v, "%s: a word is wanted, not %s", f->key, yamldoc_what(v));
		return;
	}
	while (n < words && strcmp(class_words[n], v->text))
		n++;
	if (n == words) {
		struct diag *g = decode_error(d, v, "class: '%.40s' is not known", v->text);
		decode_suggest(g, v->text, class_words, CLASS_LATER_, "classes");
		return;
	}
	if (n >= CLASS_LATER_)
		decode_error(d, v,
		             "class '%s' is not available in this release (fixed, resistive, cpu)",
		             v->text);
	m->class = (int)n;
}

static bool
decode_phase(struct decoder *d, const struct yamldoc_node *v, struct workload_phase *p)
{
	static const char *const words[] = { "compute", "memory", "idle" };
	const size_t n_words = sizeof words / sizeof *words;
	if (v->kind != YAMLDOC_LIST || v->n != 2 || v->items[0]->kind != YAMLDOC_SCALAR) {
		decode_error(d, v, "workload.phases: a phase is [name, time], like [compute, 5s]");
		return false;
	}
	size_t i = 0;
	while (i < n_words && strcmp(words[i], v->items[0]->text))
		i++;
	if (i == n_words) {
		struct diag *g = decode_error(
			d, v->items[0], "workload.phases: '%.40s' is not known", v->items[0]->text);
		decode_suggest(g, v->items[0]->text, words, n_words, "phases");
		return false;
	}
	p->phase = (uint32_t)i;
	return decode_time(d, "workload.phases", v->items[1], 1000, INT64_C(1000000000000000),
	                   &p->for_ns);
}

static void
decode_phases(struct decoder *d, const struct yamldoc_node *v, struct build_module *m)
{
	if (v->kind != YAMLDOC_LIST || v->n < 1 || v->n > TOPO_PHASES_MAX) {
		decode_error(d, v,
		             "workload.phases: a list of 1 to %d phases is wanted, like [[compute, "
		             "5s], [idle, 1s]]",
		             TOPO_PHASES_MAX);
		return;
	}
	struct workload_phase *p = pool_alloc(d->pool, v->n * sizeof *p);
	if (!p) {
		d->nomem = true;
		return;
	}
	bool ok = true;
	for (size_t i = 0; i < v->n; i++)
		ok = decode_phase(d, v->items[i], &p[i]) && ok;
	if (ok) {
		m->t.p.phases = p;
		m->t.p.n_phases = v->n;
	}
}

void
decode_workload(struct decoder *d, const struct field *f, const struct yamldoc_node *v,
                void *target)
{
	static const char *const keys[] = { "phases" };
	struct build_module *m = target;
	if (v->kind == YAMLDOC_SCALAR) {
		if (!strcmp(v->text, "steady")) {
			m->t.p.n_phases = 0;
			return;
		}
		struct diag *g = decode_error(d, v, "%s: '%.40s' is not available in this release",
		                              f->key, v->text);
		diag_help(g, "write steady, or { phases: [[compute, 5s], [idle, 1s]] }");
		return;
	}
	if (v->kind != YAMLDOC_MAP) {
		decode_error(d, v, "%s: a name or { phases: [...] } is wanted", f->key);
		return;
	}
	const struct yamldoc_node *phases = NULL;
	for (size_t i = 0; i < v->n; i++) {
		const struct yamldoc_node *key = v->pairs[i].key;
		if (!strcmp(key->text, "phases")) {
			phases = v->pairs[i].value;
			continue;
		}
		struct diag *g = decode_error(d, key, "unknown key '%.60s' in workload", key->text);
		decode_suggest(g, key->text, keys, 1, "keys");
	}
	if (phases)
		decode_phases(d, phases, m);
	else
		decode_error(d, v, "%s: 'phases' is missing", f->key);
}
