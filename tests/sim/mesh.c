#include "tests/sim/mesh.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t
mesh_rnd(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t
mesh_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(mesh_rnd(state) >> 32) % n;
}

static void *
grow(void *p, size_t n, size_t size)
{
	char *q = realloc(p, (n + 1) * size);
	if (!q)
		abort();
	memset(q + n * size, 0, size);
	return q;
}

struct topo *
mesh_nodes(size_t n, uint32_t port_period)
{
	struct topo *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	strcpy(t->name, "mesh");
	t->step_ns = 100000;
	t->substeps = 1;
	t->port_period = port_period;
	t->nominal_v = 48;
	for (size_t i = 0; i < n; i++) {
		t->nodes = grow(t->nodes, i, sizeof *t->nodes);
		snprintf(t->nodes[i].id, sizeof t->nodes[i].id, "n%zu", i + 1);
	}
	t->n_nodes = n;
	return t;
}

void
mesh_link(struct topo *t, uint32_t a, uint32_t b)
{
	uint32_t i = (uint32_t)t->n_links;
	assert(a != b && a < t->n_nodes && b < t->n_nodes);
	t->links = grow(t->links, i, sizeof *t->links);
	snprintf(t->links[i].id, sizeof t->links[i].id, "l%u", i + 1);
	t->links[i].a = a;
	t->links[i].b = b;
	t->n_links++;
	assert(t->nodes[a].n_links < TOPO_DEGREE_MAX && t->nodes[b].n_links < TOPO_DEGREE_MAX);
	t->nodes[a].links[t->nodes[a].n_links++] = i;
	t->nodes[b].links[t->nodes[b].n_links++] = i;
}

static void
add_port(struct topo *t, uint32_t module, uint32_t node)
{
	struct topo_module *m = &t->modules[module];
	uint32_t i = (uint32_t)t->n_ports;
	t->ports = grow(t->ports, i, sizeof *t->ports);
	struct topo_port *p = &t->ports[i];
	snprintf(p->id, sizeof p->id, "%.31s.%.31s", m->id, t->nodes[node].id);
	p->module = module;
	p->node = node;
	p->input = (uint32_t)m->n_feeds;
	m->feeds[m->n_feeds] = node;
	m->ports[m->n_feeds++] = i;
	t->nodes[node].ports[t->nodes[node].n_ports++] = i;
	t->n_ports++;
}

uint32_t
mesh_module(struct topo *t, uint32_t first, int second)
{
	uint32_t i = (uint32_t)t->n_modules;
	t->modules = grow(t->modules, i, sizeof *t->modules);
	snprintf(t->modules[i].id, sizeof t->modules[i].id, "m%u", i + 1);
	t->n_modules++;
	add_port(t, i, first);
	if (second >= 0 && (uint32_t)second != first)
		add_port(t, i, (uint32_t)second);
	return (uint32_t)t->n_nodes + i;
}

void
mesh_free(struct topo *t)
{
	free(t->nodes);
	free(t->links);
	free(t->modules);
	free(t->ports);
	free(t);
}

struct topo *
mesh_line(size_t n, uint32_t port_period)
{
	struct topo *t = mesh_nodes(n, port_period);
	for (uint32_t i = 0; i + 1 < n; i++)
		mesh_link(t, i, i + 1);
	return t;
}

struct topo *
mesh_ring(size_t n, uint32_t port_period)
{
	struct topo *t = mesh_line(n, port_period);
	if (n > 2)
		mesh_link(t, 0, (uint32_t)n - 1);
	return t;
}

struct topo *
mesh_torus(size_t w, size_t h, uint32_t port_period)
{
	struct topo *t = mesh_nodes(w * h, port_period);
	for (uint32_t y = 0; y < h; y++) {
		for (uint32_t x = 0; x < w; x++) {
			uint32_t i = y * (uint32_t)w + x;
			uint32_t right = y * (uint32_t)w + (x + 1) % (uint32_t)w;
			uint32_t down = (y + 1) % (uint32_t)h * (uint32_t)w + x;
			if (w > 2 || (w == 2 && x == 0))
				mesh_link(t, i, right);
			if (h > 2 || (h == 2 && y == 0))
				mesh_link(t, i, down);
		}
	}
	return t;
}

struct topo *
mesh_triangle(uint32_t port_period)
{
	struct topo *t = mesh_ring(3, port_period);
	mesh_module(t, 0, 1);
	return t;
}

static struct topo *
random_graph(uint64_t *rng, uint32_t port_period)
{
	size_t n = 3 + mesh_below(rng, 5);
	struct topo *t = mesh_nodes(n, port_period);
	for (uint32_t i = 1; i < n; i++)
		mesh_link(t, mesh_below(rng, i), i);
	for (uint32_t extra = mesh_below(rng, (uint32_t)n); extra; extra--) {
		uint32_t a = mesh_below(rng, (uint32_t)n), b = mesh_below(rng, (uint32_t)n);
		/* Two links between the same nodes are allowed. */
		if (a != b)
			mesh_link(t, a, b);
	}
	return t;
}

struct topo *
mesh_random(uint64_t seed)
{
	uint64_t rng = seed;
	uint32_t period = mesh_below(&rng, 2) ? 5 : 1;
	struct topo *t;
	switch (mesh_below(&rng, 5)) {
	case 0:
		t = mesh_line(2 + mesh_below(&rng, 5), period);
		break;
	case 1:
		t = mesh_ring(3 + mesh_below(&rng, 5), period);
		break;
	case 2:
		t = mesh_torus(2 + mesh_below(&rng, 2), 3, period);
		break;
	case 3:
		return mesh_triangle(period);
	default:
		t = random_graph(&rng, period);
	}
	for (uint32_t m = mesh_below(&rng, 4); m; m--) {
		uint32_t a = mesh_below(&rng, (uint32_t)t->n_nodes);
		uint32_t b = mesh_below(&rng, (uint32_t)t->n_nodes);
		mesh_module(t, a, mesh_below(&rng, 2) ? (int)b : -1);
	}
	return t;
}

uint32_t
mesh_procs(const struct topo *t)
{
	return (uint32_t)(t->n_nodes + t->n_modules);
}

size_t
mesh_neighbours(const struct topo *t, uint32_t proc, uint32_t *ret, size_t max)
{
	size_t n = 0;
	for (uint32_t i = 0; i < t->n_links && n < max; i++)
		if (t->links[i].a == proc || t->links[i].b == proc)
			ret[n++] = t->links[i].a == proc ? t->links[i].b : t->links[i].a;
	for (uint32_t i = 0; i < t->n_ports && n < max; i++) {
		uint32_t module = (uint32_t)t->n_nodes + t->ports[i].module;
		if (t->ports[i].node == proc || module == proc)
			ret[n++] = module == proc ? t->ports[i].node : module;
	}
	return n;
}

struct script *
mesh_script(void)
{
	struct script *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	return s;
}

void
mesh_script_add(struct script *s, enum script_kind kind, uint32_t proc, int64_t k)
{
	size_t i = s->n;
	s->actions = grow(s->actions, s->n++, sizeof *s->actions);
	for (; i > 0 && s->actions[i - 1].k > k; i--)
		s->actions[i] = s->actions[i - 1];
	s->actions[i] = (struct script_action){ .k = k,
		                                .at_ns = k * 100000,
		                                .kind = kind,
		                                .target_kind = TARGET_PROC,
		                                .target = proc,
		                                .sensor = -1 };
	snprintf(s->actions[i].id, sizeof s->actions[i].id, "a%zu", s->n);
}

void
mesh_script_free(struct script *s)
{
	free(s->actions);
	free(s);
}
