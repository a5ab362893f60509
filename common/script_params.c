/* ${name} in an entry of the timeline: values from `params`, or the single one of a `matrix` row.
 */
#include <string.h>

#include "script_build.h"

/* The value that was given from outside, or NULL. */
static const char *
given(const struct script_options *o, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < o->n_params; i++)
		if (!strncmp(o->params[i], name, len) && o->params[i][len] == '=')
			return o->params[i] + len + 1;
	return NULL;
}

/* Which value of a row of the matrix the combination takes: the last row changes fastest. */
static const struct yamldoc_node *
chosen(const struct script_build *b, size_t row)
{
	size_t left = b->options->combination;
	for (size_t i = b->matrix->n; i-- > row + 1;)
		if (!given(b->options, b->matrix->pairs[i].key->text))
			left /= b->matrix->pairs[i].value->n ? b->matrix->pairs[i].value->n : 1;
	const struct yamldoc_node *v = b->matrix->pairs[row].value;
	return v->kind == YAMLDOC_LIST && v->n ? v->items[left % v->n] : NULL;
}

static const struct yamldoc_node *
from_matrix(const struct script_build *b, const char *name, size_t *n)
{
	*n = 0;
	for (size_t i = 0; b->matrix && i < b->matrix->n; i++) {
		if (strcmp(b->matrix->pairs[i].key->text, name) != 0)
			continue;
		*n = b->matrix->pairs[i].value->n;
		return chosen(b, i);
	}
	return NULL;
}

const char *
script_build_parameter(struct script_build *b, const struct yamldoc_node *at, const char *name)
{
	size_t n;
	const char *text = given(b->options, name);
	const struct yamldoc_node *v = b->params ? yamldoc_get(b->params, name) : NULL;
	const struct yamldoc_node *m = from_matrix(b, name, &n);
	if (text)
		return text;
	if (v && v->kind == YAMLDOC_SCALAR)
		return v->text;
	if (m && m->kind == YAMLDOC_SCALAR && (n == 1 || b->options->drill))
		return m->text;
	if (n)
		decode_error(&b->d, at, "'${%s}' has %zu values in 'matrix'; one run takes one",
		             name, n);
	else
		decode_error(&b->d, at, "'${%s}' is neither in 'params' nor in 'matrix'", name);
	return NULL;
}

static void
check_given(struct script_build *b)
{
	for (size_t i = 0; i < b->options->n_params; i++) {
		const char *p = b->options->params[i], *eq = strchr(p, '=');
		char name[TOPO_ID_MAX];
		snprintf(name, sizeof name, "%.*s", (int)(eq ? eq - p : 0), p);
		bool known = eq && ((b->params && yamldoc_get(b->params, name)) ||
		                    (b->matrix && yamldoc_get(b->matrix, name)));
		if (!known)
			decode_error(&b->d, NULL, "--param %s: %s", p,
			             eq ? "neither 'params' nor 'matrix' has that name"
			                : "name=value is wanted");
	}
}

void
script_build_matrix(struct script_build *b, struct script *s)
{
	const size_t most = 1000000;
	s->n_combinations = 1;
	check_given(b);
	for (size_t i = 0; b->matrix && b->matrix->kind == YAMLDOC_MAP && i < b->matrix->n; i++) {
		const char *name = b->matrix->pairs[i].key->text;
		const struct yamldoc_node *v = b->matrix->pairs[i].value;
		bool good = v->kind == YAMLDOC_LIST && v->n > 0;
		for (size_t j = 0; good && j < v->n; j++)
			good = v->items[j]->kind == YAMLDOC_SCALAR;
		if (!good) {
			decode_error(&b->d, v,
			             "matrix.%s: a list of values is wanted, like [n3, n5]", name);
			continue;
		}
		const char *own = given(b->options, name);
		if (!own && s->n_combinations * v->n > most)
			decode_error(&b->d, v, "matrix: more than %zu combinations", most);
		else if (!own)
			s->n_combinations *= v->n;
		size_t len = strlen(s->chosen);
		snprintf(s->chosen + len, sizeof s->chosen - len, "%s%s=%s", len ? " " : "", name,
		         own ? own : chosen(b, i)->text);
	}
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
			if (!(add = script_build_parameter(b, v, name)))
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
