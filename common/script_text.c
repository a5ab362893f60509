/* Scalars with their parameters put in: where each character stands in the file, errors inside. */
#include <stdio.h>
#include <string.h>

#include "script_build.h"

static bool
put(struct script_build *b, struct script_text *t, const char *s, size_t n, size_t from, bool moves)
{
	for (size_t i = 0; i < n; i++) {
		if (t->n + 1 >= sizeof t->s) {
			decode_error(&b->d, t->node,
			             "longer than %d characters with its parameters",
			             EXPR_TEXT_MAX - 1);
			return false;
		}
		t->from[t->n] = from + (moves ? i : 0);
		t->s[t->n++] = s[i];
	}
	t->s[t->n] = '\0';
	t->from[t->n] = from + (moves ? n : 0);
	return true;
}

bool
script_text_expand(struct script_build *b, const struct yamldoc_node *v, const char *key,
                   struct script_text *t)
{
	*t = (struct script_text){ .node = v };
	if (v->kind != YAMLDOC_SCALAR) {
		decode_error(&b->d, v, "%s: a text is wanted, not %s", key, yamldoc_what(v));
		return false;
	}
	for (const char *p = v->text; *p;) {
		const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
		char name[TOPO_ID_MAX];
		size_t from = (size_t)(p - v->text);
		if (end && (size_t)(end - p - 2) < sizeof name) {
			snprintf(name, sizeof name, "%.*s", (int)(end - p - 2), p + 2);
			const char *value = script_build_parameter(b, v, name);
			if (!value || !put(b, t, value, strlen(value), from, false))
				return false;
			p = end + 1;
		} else if (put(b, t, p, 1, from, true)) {
			p++;
		} else {
			return false;
		}
	}
	if (t->n == 0) {
		decode_error(&b->d, v, "%s: nothing is there", key);
		return false;
	}
	return true;
}

/* Length in characters, or 0 when the text is not in the file as it is here (folded, escapes). */
static size_t
plain_length(const struct yamldoc_node *v)
{
	size_t n = 0;
	for (const char *p = v->text; *p; p++) {
		if (*p == '\n')
			return 0;
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	return n + (v->quoted ? 2 : 0) == v->length ? n : 0;
}

struct diag *
script_text_error(struct script_build *b, const struct script_text *t, size_t at, size_t length,
                  const char *text)
{
	struct yamldoc_node n = *t->node;
	at = at < t->n ? at : t->n;
	size_t end = at + length < t->n ? at + length : t->n;
	if (plain_length(t->node)) {
		unsigned column = 0, wide = 0;
		for (size_t i = 0; i < t->from[end] || i < t->from[at] + 1; i++) {
			bool starts = ((unsigned char)t->node->text[i] & 0xc0) != 0x80;
			column += i < t->from[at] && starts;
			wide += i >= t->from[at] && starts;
			if (!t->node->text[i])
				break;
		}
		n.column += column + (t->node->quoted ? 1 : 0);
		n.length = wide ? wide : 1;
	}
	return decode_error(&b->d, &n, "%s", text);
}

struct expr *
script_text_expr(struct script_build *b, const struct runview *names, const struct script_text *t,
                 enum expr_kind kind)
{
	struct expr *e = NULL;
	struct expr_fault fault = { 0 };
	int rc = expr_parse(t->s, kind, names, &e, &fault);
	if (rc == ERR_NOMEM)
		b->d.nomem = true;
	if (rc != ERR_INPUT)
		return e;
	struct diag *g = script_text_error(b, t, fault.at, fault.length, fault.text);
	if (g && fault.help[0])
		diag_help(g, "%s", fault.help);
	return NULL;
}
