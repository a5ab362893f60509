/* ring, grid, torus, full: nodes n1..nN, laid out on the map, links named n1-n2. */
#include <math.h>
#include <string.h>

#include "topo_build.h"

static void
gen_node(struct build *b, const struct yamldoc_node *at, double x, double y)
{
	const double grain = 1e3; /* places are kept to three decimals */
	char id[TOPO_ID_MAX];
	snprintf(id, sizeof id, "n%zu", b->n_nodes + 1);
	struct build_node *n = build_add_node(b, id, at);
	if (!n)
		return;
	n->generated = true;
	n->t.has_at = true;
	n->t.at_x = round(x * grain) / grain;
	n->t.at_y = round(y * grain) / grain;
}

static void
gen_link(struct build *b, const struct yamldoc_node *at, size_t i, size_t j)
{
	uint32_t lo = (uint32_t)(i < j ? i : j), hi = (uint32_t)(i < j ? j : i);
	char id[TOPO_ID_MAX];
	snprintf(id, sizeof id, "n%u-n%u", lo + 1, hi + 1);
	struct build_link *l = build_add_link(b, id, at);
	if (!l)
		return;
	l->generated = true;
	l->connected = true;
	l->t.a = lo;
	l->t.b = hi;
}

static bool
gen_ring(struct build *b, const struct yamldoc_node *v, bool full)
{
	const double pi = 3.14159265358979323846;
	uint32_t n, max = full ? TOPO_DEGREE_MAX + 1 : TOPO_NODES_MAX;
	if (!decode_whole(&b->d, full ? "full" : "ring", v, full ? 2 : 3, max, &n))
		return false;
	/* Neighbours one unit apart along the circle. */
	double radius = n / (2 * pi);
	for (uint32_t i = 0; i < n; i++)
		gen_node(b, v, radius * (1 + sin(2 * pi * i / n)),
		         radius * (1 - cos(2 * pi * i / n)));
	if (full) {
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = i + 1; j < n; j++)
				gen_link(b, v, i, j);
	} else {
		for (uint32_t i = 0; i < n; i++)
			gen_link(b, v, i, (i + 1) % n);
	}
	return true;
}

static bool
gen_grid(struct build *b, const struct yamldoc_node *v, bool torus)
{
	const char *key = torus ? "torus" : "grid";
	uint32_t rows, cols;
	if (v->kind != YAMLDOC_LIST || v->n != 2) {
		decode_error(&b->d, v, "generate.%s: [rows, columns] is wanted, like [4, 4]", key);
		return false;
	}
	if (!decode_whole(&b->d, key, v->items[0], 1, TOPO_NODES_MAX, &rows) ||
	    !decode_whole(&b->d, key, v->items[1], 1, TOPO_NODES_MAX, &cols))
		return false;
	if ((uint64_t)rows * cols > TOPO_NODES_MAX) {
		decode_error(&b->d, v, "generate.%s: %u x %u nodes are more than %d", key, rows,
		             cols, TOPO_NODES_MAX);
		return false;
	}
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t c = 0; c < cols; c++)
			gen_node(b, v, c, r);
	/* A way round two nodes would be a second link between them. */
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t c = 0; c < cols; c++) {
			if (c + 1 < cols || (torus && cols > 2))
				gen_link(b, v, r * cols + c, r * cols + (c + 1) % cols);
			if (r + 1 < rows || (torus && rows > 2))
				gen_link(b, v, r * cols + c, (r + 1) % rows * cols + c);
		}
	return true;
}

void
build_generate(struct build *b, const struct yamldoc_node *v)
{
	static const char *const names[] = { "ring", "grid", "torus", "full" };
	if (v->kind != YAMLDOC_MAP || v->n != 1) {
		decode_error(
			&b->d, v,
			"generate: one of ring: n, grid: [r, c], torus: [r, c], full: n is wanted");
		b->skip_islands = b->nodes_in_doubt = true;
		return;
	}
	const struct yamldoc_node *key = v->pairs[0].key, *value = v->pairs[0].value;
	b->generate_place = value;
	size_t kind = 0;
	while (kind < 4 && strcmp(names[kind], key->text))
		kind++;
	bool ok = false;
	snprintf(b->d.path, sizeof b->d.path, "generate.");
	if (kind == 4) {
		struct diag *d =
			decode_error(&b->d, key, "generate: '%.40s' is not known", key->text);
		decode_suggest(d, key->text, names, 4, "known");
	} else if (kind == 1 || kind == 2) {
		ok = gen_grid(b, value, kind == 2);
	} else {
		ok = gen_ring(b, value, kind == 3);
	}
	b->d.path[0] = '\0';
	b->skip_islands |= !ok;
	b->nodes_in_doubt |= !ok;
}
