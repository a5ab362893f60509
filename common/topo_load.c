/* The file in its order: mesh, defaults, generate, nodes, links, modules; then the later stages. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "link_limit.h"
#include "topo_build.h"
#include "topo_steady.h"

/* What topo_load() returns: the public object with the memory that its curves live in. */
struct topo_owner {
	struct topo t;
	struct pool pool;
};

/* ---- lists ----------------------------------------------------------------------------------- */

static void
load_list(struct build *b, const struct yamldoc_node *root, const char *key,
          void (*load)(struct build *, const struct yamldoc_node *))
{
	const struct yamldoc_node *list = yamldoc_get(root, key);
	if (!list)
		return;
	if (list->kind != YAMLDOC_LIST) {
		if (list->kind == YAMLDOC_SCALAR && !list->text[0])
			return; /* "links:" with nothing behind it */
		decode_error(&b->d, list, "%s: a list is wanted, not %s", key, yamldoc_what(list));
		b->nodes_in_doubt = b->skip_islands = true;
		return;
	}
	for (size_t i = 0; i < list->n && !b->d.nomem; i++)
		load(b, list->items[i]);
}

/* ---- the head of the file -------------------------------------------------------------------- */

static void
load_defaults(struct build *b, const struct yamldoc_node *map)
{
	static const char *const names[] = { "node", "link", "module" };
	if (map->kind != YAMLDOC_MAP) {
		decode_error(&b->d, map, "defaults: a mapping is wanted, not %s",
		             yamldoc_what(map));
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct yamldoc_node *key = map->pairs[i].key, *v = map->pairs[i].value;
		const struct yamldoc_node *id = yamldoc_get(v, "id");
		if (id)
			decode_error(&b->d, id, "id: this cannot be a default");
		if (!strcmp(key->text, "node")) {
			decode_map(&b->d, &schema_node, "defaults.node", v, &b->proto_node);
		} else if (!strcmp(key->text, "link")) {
			decode_map(&b->d, &schema_link, "defaults.link", v, &b->proto_link);
		} else if (!strcmp(key->text, "module")) {
			decode_map(&b->d, &schema_module, "defaults.module", v, &b->proto_module);
		} else {
			struct diag *d = decode_error(&b->d, key, "unknown key '%.60s' in defaults",
			                              key->text);
			decode_suggest(d, key->text, names, 3, "keys");
		}
	}
}

static void
init_protos(struct build *b)
{
	const struct build_gains unset = { NAN, NAN, NAN };
	size_t before = b->d.diags->n_errors;
	decode_defaults(&b->d, &schema_mesh, &b->mesh);
	b->mesh.gains = unset;
	decode_defaults(&b->d, &schema_node, &b->proto_node);
	b->proto_node.t.p.has_sc = true;
	b->proto_node.t.p.v_init_v = NAN;
	b->proto_node.t.p.store.v_init_v = NAN;
	b->proto_node.t.p.store.p_max_w = NAN;
	b->proto_node.t.p.store.restore_w = NAN;
	b->proto_node.t.p.store.damp_s = NAN;
	b->proto_node.t.p.thermal.r_th_k_w = NAN;
	b->proto_node.t.p.thermal.c_th_j_k = NAN;
	b->proto_node.t.p.feed.r_d_ohm = NAN;
	b->proto_node.t.p.feed.i_rated_a = NAN;
	b->proto_node.t.p.feed.i_max_a = NAN;
	b->proto_node.control = -1;
	b->proto_node.gains = unset;
	decode_defaults(&b->d, &schema_link, &b->proto_link);
	b->proto_link.transport = -1;
	b->proto_link.t.conv.node = TOPO_NODES_MAX;
	b->proto_link.t.p.fuse_i2t_a2s = NAN;
	decode_defaults(&b->d, &schema_module, &b->proto_module);
	b->proto_module.class = -1;
	b->proto_module.power_w = NAN;
	b->proto_module.t.p.r_load_ohm = NAN;
	b->proto_module.t.p.v_ref_v = NAN;
	b->proto_module.t.p.plugged = true;
	assert(b->d.diags->n_errors == before);
}

/* Without mesh.name: the file's name, as far as it is a name. */
static void
name_from_path(struct build *b, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n = 0;
	for (const char *p = base ? base + 1 : path; *p && *p != '.' && n + 1 < TOPO_ID_MAX; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (letter || (n > 0 && ((*p >= '0' && *p <= '9') || *p == '-' || *p == '_')))
			b->mesh.name[n++] = *p;
	}
	b->mesh.name[n] = '\0';
	if (!n)
		snprintf(b->mesh.name, sizeof b->mesh.name, "mesh");
}

static bool
check_version(struct build *b, const struct yamldoc_node *root)
{
	if (root->kind != YAMLDOC_MAP) {
		decode_error(&b->d, root,
		             "a topology is a mapping that starts with 'voltloom: 1', not %s",
		             yamldoc_what(root));
		return false;
	}
	const struct yamldoc_node *v = yamldoc_get(root, "voltloom");
	if (!v && yamldoc_get(root, "drill")) {
		decode_error(&b->d, root,
		             "this is a drill, not a topology ('voltloom: 1' is missing)");
		return false;
	}
	if (!v)
		decode_error(&b->d, root, "'voltloom: 1', the version of the schema, is missing");
	else if (v->kind != YAMLDOC_SCALAR || strcmp(v->text, "1"))
		decode_error(&b->d, v, "voltloom: this program reads version 1 of the schema");
	return true;
}

static void
check_root_keys(struct build *b, const struct yamldoc_node *root)
{
	const char *names[16];
	size_t n = 0;
	for (; n < schema_root.n; n++)
		names[n] = schema_root.fields[n].key;
	for (size_t i = 0; i < root->n; i++) {
		const struct yamldoc_node *key = root->pairs[i].key;
		bool known = false;
		for (size_t j = 0; j < n; j++)
			known |= !strcmp(names[j], key->text);
		if (known)
			continue;
		b->nodes_in_doubt = b->skip_islands =
			true; /* it may have been meant to hold some */
		struct diag *d = decode_error(
			&b->d, key, "unknown key '%.60s' at the top of the file", key->text);
		decode_suggest(d, key->text, names, n, "keys");
	}
}

static void
check_mesh(struct build *b, const struct yamldoc_node *root)
{
	const int64_t control_ns = 1000000; /* the distributed control runs every 1 ms */
	const struct build_mesh *m = &b->mesh;
	const struct yamldoc_node *mesh = yamldoc_get(root, "mesh");
	const struct yamldoc_node *at = mesh ? yamldoc_get(mesh, "step") : NULL;
	if (mesh && yamldoc_get(mesh, "substeps"))
		at = yamldoc_get(mesh, "substeps");
	if (m->step_ns % m->substeps)
		decode_error(&b->d, at,
		             "mesh: %lld ns in %u sub-steps is not a whole number of ns each",
		             (long long)m->step_ns, m->substeps);
	if (m->control != CONTROL_NONE && control_ns % m->step_ns)
		decode_error(&b->d, mesh ? yamldoc_get(mesh, "step") : NULL,
		             "mesh.step: the control runs every 1 ms, which is not a multiple of "
		             "%lld ns",
		             (long long)m->step_ns);
	const struct yamldoc_node *errors = mesh ? yamldoc_get(mesh, "sensor_errors") : NULL;
	if (errors && m->sensors == 0)
		yamldoc_diag(b->d.doc, b->d.diags, DIAG_NOTE, errors,
		             "mesh.sensor_errors: without 'sensors: realistic' they do not act");
	if (m->calibration == 1 && m->sensors == 0)
		decode_error(&b->d, mesh ? yamldoc_get(mesh, "calibration") : NULL,
		             "mesh.calibration: ideal sensors have nothing to calibrate; it needs "
		             "'sensors: realistic'");
	if (m->calibration == 1 && m->control == CONTROL_NONE)
		decode_error(&b->d, mesh ? yamldoc_get(mesh, "calibration") : NULL,
		             "mesh.calibration: with 'control: none' nodes say nothing to each other; it "
		             "needs 'droop' or 'consensus'");
}

static void
load_all(struct build *b, const struct yamldoc_node *root)
{
	if (!check_version(b, root))
		return;
	check_root_keys(b, root);
	const struct yamldoc_node *v = yamldoc_get(root, "mesh");
	if (v)
		decode_map(&b->d, &schema_mesh, "mesh", v, &b->mesh);
	check_mesh(b, root);
	if ((v = yamldoc_get(root, "defaults")))
		load_defaults(b, v);
	if ((v = yamldoc_get(root, "generate")))
		build_generate(b, v);
	load_list(b, root, "nodes", build_load_node);
	load_list(b, root, "links", build_load_link);
	load_list(b, root, "modules", build_load_module);
	if (!b->n_nodes && b->d.diags->n_errors == b->errors_before)
		decode_error(&b->d, root, "the mesh has no nodes");
	if (b->d.nomem)
		return;
	build_resolve(b);
	build_check(b);
}

/* ---- the result ------------------------------------------------------------------------------ */

static int
hand_over(struct build *b, struct topo *t)
{
	t->nodes = calloc(b->n_nodes + 1, sizeof *t->nodes);
	t->links = calloc(b->n_links + 1, sizeof *t->links);
	t->modules = calloc(b->n_modules + 1, sizeof *t->modules);
	t->path = strdup(yamldoc_name(b->d.doc));
	if (!t->nodes || !t->links || !t->modules || !t->path)
		return ERR_NOMEM;
	for (size_t i = 0; i < b->n_nodes; i++)
		t->nodes[i] = b->nodes[i].t;
	for (size_t i = 0; i < b->n_links; i++)
		t->links[i] = b->links[i].t;
	for (size_t i = 0; i < b->n_modules; i++)
		t->modules[i] = b->modules[i].t;
	t->ports = b->ports;
	b->ports = NULL;
	t->n_nodes = b->n_nodes;
	t->n_links = b->n_links;
	t->n_modules = b->n_modules;
	t->n_ports = b->n_ports;
	const struct build_mesh *m = &b->mesh;
	memcpy(t->name, m->name, sizeof t->name);
	t->step_ns = m->step_ns;
	t->substeps = m->substeps;
	t->port_period = m->port_period;
	t->seed = m->seed;
	t->nominal_v = m->nominal_v;
	t->sensors_realistic = m->sensors == 1;
	t->record_keep_s = m->record_keep_s;
	t->stall_ns = m->stall_ns;
	return 0;
}

static void
build_free(struct build *b)
{
	if (!b)
		return;
	free(b->nodes);
	free(b->links);
	free(b->modules);
	free(b->ports);
	free(b);
}

static struct build *
build_new(const struct yamldoc *doc, struct diag_list *diags, struct pool *pool)
{
	struct build *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->d.doc = doc;
	b->d.diags = diags;
	b->errors_before = diags->n_errors;
	b->d.pool = pool;
	b->nodes = calloc(TOPO_NODES_MAX, sizeof *b->nodes);
	b->links = calloc(TOPO_LINKS_MAX, sizeof *b->links);
	b->modules = calloc(TOPO_MODULES_MAX, sizeof *b->modules);
	if (!b->nodes || !b->links || !b->modules) {
		build_free(b);
		return NULL;
	}
	return b;
}

static int
bad_input(struct err *err, const char *path, const struct diag_list *diags, size_t before)
{
	size_t n = diags->n_errors - before;
	return err_set(err, ERR_INPUT, "%s: %zu error%s", path, n, n == 1 ? "" : "s");
}

int
topo_load(const char *path, struct diag_list *diags, struct topo **ret, struct err *err)
{
	size_t before = diags->n_errors, first = diags->n;
	struct yamldoc *doc = NULL;
	int rc = yamldoc_load(path, diags, &doc, err);
	if (rc)
		return rc == ERR_INPUT ? bad_input(err, path, diags, before) : rc;
	struct topo_owner *o = calloc(1, sizeof *o);
	struct build *b = o ? build_new(doc, diags, &o->pool) : NULL;
	struct topo *t = o ? &o->t : NULL;
	if (!b) {
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
		goto out;
	}
	b->errors_before = before;
	init_protos(b);
	name_from_path(b, path);
	load_all(b, yamldoc_root(doc));
	diag_list_sort(diags, first);
	if (b->d.nomem)
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else if (diags->n_errors != before)
		rc = bad_input(err, path, diags, before);
	else if (hand_over(b, t))
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else
		rc = link_limit_resolve(t, err);
	if (!rc)
		rc = topo_steady(t, diags, err);
	if (!rc)
		rc = topo_hash(t, err);
out:
	build_free(b);
	yamldoc_destroy(&doc);
	if (rc)
		topo_destroy(&t);
	else
		*ret = t;
	return rc;
}

void
topo_destroy(struct topo **t)
{
	if (!*t)
		return;
	struct topo_owner *o = (struct topo_owner *)*t; /* first member */
	free(o->t.nodes);
	free(o->t.links);
	free(o->t.modules);
	free(o->t.ports);
	free(o->t.path);
	pool_free(&o->pool);
	free(o);
	*t = NULL;
}

int
topo_find_node(const struct topo *t, const char *id)
{
	for (size_t i = 0; i < t->n_nodes; i++)
		if (!strcmp(t->nodes[i].id, id))
			return (int)i;
	return -1;
}

int
topo_find_link(const struct topo *t, const char *id)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (!strcmp(t->links[i].id, id))
			return (int)i;
	return -1;
}

int
topo_find_module(const struct topo *t, const char *id)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (!strcmp(t->modules[i].id, id))
			return (int)i;
	return -1;
}
