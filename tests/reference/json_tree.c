#include "json_tree.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *path, *p, *begin;
};

static void
die(const struct reader *r, const char *what)
{
	fprintf(stderr, "%s: byte %td: %s\n", r->path, r->p - r->begin, what);
	abort();
}

static char
peek(struct reader *r)
{
	while (isspace((unsigned char)*r->p))
		r->p++;
	return *r->p;
}

static void
expect(struct reader *r, char c)
{
	if (peek(r) != c)
		die(r, "unexpected character");
	r->p++;
}

/* Escapes do not occur in the descriptions, except \" which is kept as it is. */
static char *
string(struct reader *r)
{
	expect(r, '"');
	const char *begin = r->p;
	while (*r->p && *r->p != '"')
		r->p += r->p[0] == '\\' ? 2 : 1;
	char *s = strndup(begin, (size_t)(r->p - begin));
	expect(r, '"');
	return s;
}

static struct json *value(struct reader *r);

static void
children(struct reader *r, struct json *v, char close, int keyed)
{
	struct json **tail = &v->child;

	r->p++;
	while (peek(r) != close) {
		char *key = NULL;
		if (keyed) {
			key = string(r);
			expect(r, ':');
		}
		*tail = value(r);
		(*tail)->key = key;
		tail = &(*tail)->next;
		if (peek(r) == ',')
			r->p++;
		else if (peek(r) != close)
			die(r, "no comma");
	}
	r->p++;
}

static struct json *
value(struct reader *r)
{
	static const struct {
		const char *word;
		double num;
	} words[] = { { "null", NAN }, { "true", 1 }, { "false", 0 } };
	struct json *v = calloc(1, sizeof *v);
	char c = peek(r);

	if (!v)
		abort();
	if (c == '{' || c == '[') {
		children(r, v, c == '{' ? '}' : ']', c == '{');
		return v;
	}
	if (c == '"') {
		v->text = string(r);
		return v;
	}
	for (size_t i = 0; i < 3; i++)
		if (strncmp(r->p, words[i].word, strlen(words[i].word)) == 0) {
			v->num = words[i].num;
			r->p += strlen(words[i].word);
			return v;
		}
	char *end;
	v->num = strtod(r->p, &end);
	if (end == r->p)
		die(r, "no value");
	r->p = end;
	return v;
}

struct json *
json_read(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);
	struct reader r = { .path = path, .p = text, .begin = text };

	if (!f || !text || fread(text, 1, (1 << 20) - 1, f) == 0) {
		perror(path);
		abort();
	}
	fclose(f);
	struct json *v = value(&r);
	free(text);
	return v;
}

void
json_free(struct json *v)
{
	while (v) {
		struct json *next = v->next;
		json_free(v->child);
		free(v->key);
		free(v->text);
		free(v);
		v = next;
	}
}

const struct json *
json_get(const struct json *v, const char *key)
{
	for (v = v ? v->child : NULL; v; v = v->next)
		if (v->key && strcmp(v->key, key) == 0)
			return v;
	return NULL;
}

double
json_num(const struct json *v, const char *key, double otherwise)
{
	const struct json *c = json_get(v, key);

	return c ? c->num : otherwise;
}

const struct json *
json_at(const struct json *v, size_t i)
{
	for (v = v ? v->child : NULL; v && i > 0; i--)
		v = v->next;
	return v;
}

size_t
json_len(const struct json *v)
{
	size_t n = 0;

	for (v = v ? v->child : NULL; v; v = v->next)
		n++;
	return n;
}
