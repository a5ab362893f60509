/* ${name} in an entry of the timeline: values from `params`, or the single one of a `matrix` row.
 */
#include <string.h>

#include "script_build.h"

static const char *
parameter(struct script_build *b, const struct yamldoc_node *at, const char *name)
{
	const struct yamldoc_node *v = b->params ? yamldoc_get(b->params, name) : NULL;
	const struct yamldoc_node *m = b->matrix ? yamldoc_get(b->matrix, name) : NULL;
	if (v && v->kind == YAMLDOC_SCALAR)
		return v->text;
	if (m && m->kind == YAMLDOC_LIST && m->n == 1 && m->items[0]->kind == YAMLDOC_SCALAR)
		return m->items[0]->text;
	if (m)
		decode_error(&b->d, at, "'${%s}' has %zu values in 'matrix'; one run takes one",
		             name, m->n);
	else
		decode_error(&b->d, at, "'${%s}' is neither in 'params' nor in 'matrix'", name);
	return NULL;
}

/* The scalar with its ${names} replaced; NULL after an error. */
static const struct yamldoc_node *
expand_scalar(struct script_build *b, const struct yamldoc_node *v)
{
	char out[SCRIPT_TEXT_MAX];
	size_t len = 0;
	for (const char *p = v->text; *p;) {
		const char *add = p, *end = strchr(p, '}');
		size_t n = 1;
		char name[TOPO_ID_MAX];
		if (p[0] == '$' && p[1] == '{' && end && (size_t)(end - p - 2) < sizeof name) {
			memcpy(name, p + 2, (size_t)(end - p - 2));
			name[end - p - 2] = '\0';
			if (!(add = parameter(b, v, name)))
				return NULL;
			n = strlen(add);
			p = end;
		}
		if (len + n >= sizeof out) {
			decode_error(&b->d, v, "longer than %d characters with its parameters",
			             SCRIPT_TEXT_MAX - 1);
			return NULL;
		}
		memcpy(out + len, add, n);
		len += n;
		p++;
	}
	struct yamldoc_node *n = pool_alloc(b->d.pool, sizeof *n);
	char *text = pool_strdup(b->d.pool, out, len);
	if (!n || !text) {
		b->d.nomem = true;
		return NULL;
	}
	*n = *v;
	n->text = text;
	return n;
}

const struct yamldoc_node *
script_build_expand(struct script_build *b, const struct yamldoc_node *v)
{
	if (v->kind == YAMLDOC_SCALAR)
		return strstr(v->text, "${") ? expand_scalar(b, v) : v;
	struct yamldoc_node *n = pool_alloc(b->d.pool, sizeof *n);
	size_t size = v->n ? v->n : 1;
	struct yamldoc_pair *pairs = pool_alloc(b->d.pool, size * sizeof *pairs);
	const struct yamldoc_node **items = pool_alloc(b->d.pool, size * sizeof *items);
	if (!n || !pairs || !items) {
		b->d.nomem = true;
		return NULL;
	}
	*n = *v;
	for (size_t i = 0; i < v->n; i++) {
		bool map = v->kind == YAMLDOC_MAP;
		const struct yamldoc_node *e =
			script_build_expand(b, map ? v->pairs[i].value : v->items[i]);
		if (!e)
			return NULL;
		items[i] = e;
		if (map)
			pairs[i] = (struct yamldoc_pair){ v->pairs[i].key, e };
	}
	n->items = items;
	n->pairs = pairs;
	return n;
}
