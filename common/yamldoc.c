#include "yamldoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "pool.h"

enum { LINE_MAX_BYTES = 4096 }; /* of a source line that goes into a diagnostic */

struct yamldoc {
	struct pool pool;
	char *name;
	char *data; /* the file, NUL-terminated, without a byte order mark */
	size_t size;
	const struct yamldoc_node *root;
};

struct anchor {
	struct anchor *next;
	const char *name;
	const struct yamldoc_node *node;
};

/* A list or mapping that is being read; its children wait on the value stack from `first` on. */
struct frame {
	struct yamldoc_node *node;
	const char *anchor;
	size_t first;
};

struct reader {
	struct yamldoc *doc;
	struct diag_list *diags;
	yaml_parser_t parser;
	struct anchor *anchors;
	struct frame frames[YAMLDOC_DEPTH_MAX];
	size_t depth;
	const struct yamldoc_node **values;
	size_t n_values, cap_values, n_nodes;
};

/* ---- places ---------------------------------------------------------------------------------- */

/* Bytes of the line break at p, 0: none. The ones that libyaml counts. */
static size_t
line_break(const char *p, const char *end)
{
	if (*p == '\n')
		return 1;
	if (*p == '\r')
		return p + 1 < end && p[1] == '\n' ? 2 : 1;
	if (end - p >= 2 && !memcmp(p, "\xc2\x85", 2))
		return 2;
	if (end - p >= 3 && (!memcmp(p, "\xe2\x80\xa8", 3) || !memcmp(p, "\xe2\x80\xa9", 3)))
		return 3;
	return 0;
}

static void
source_line(const struct yamldoc *doc, unsigned line, char *buf, size_t size)
{
	const char *p = doc->data, *end = doc->data + doc->size;
	for (unsigned n = 1; p < end && n < line;) {
		size_t b = line_break(p, end);
		n += b > 0;
		p += b ? b : 1;
	}
	size_t len = 0;
	while (p < end && !line_break(p, end) && len + 1 < size)
		buf[len++] = *p++;
	buf[len] = '\0';
}

__attribute__((format(printf, 7, 0))) static struct diag *
diag_at(const struct yamldoc *doc, struct diag_list *l, enum diag_level level, unsigned line,
        unsigned column, unsigned length, const char *fmt, va_list ap)
{
	char text[1024], source[LINE_MAX_BYTES];
	vsnprintf(text, sizeof text, fmt, ap);
	if (line)
		source_line(doc, line, source, sizeof source);
	return diag_add(l, level, doc->name, line, column, length, line ? source : NULL, "%s",
	                text);
}

struct diag *
yamldoc_diag(const struct yamldoc *doc, struct diag_list *l, enum diag_level level,
             const struct yamldoc_node *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct diag *d = diag_at(doc, l, level, at ? at->line : 0, at ? at->column : 0,
	                         at ? at->length : 0, fmt, ap);
	va_end(ap);
	return d;
}

__attribute__((format(printf, 4, 5))) static int
syntax(struct reader *r, const yaml_mark_t *start, unsigned length, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	diag_at(r->doc, r->diags, DIAG_ERROR, (unsigned)start->line + 1,
	        (unsigned)start->column + 1, length, fmt, ap);
	va_end(ap);
	return ERR_INPUT;
}

static unsigned
span(const yaml_event_t *e)
{
	if (e->start_mark.line != e->end_mark.line || e->end_mark.column <= e->start_mark.column)
		return 1;
	return (unsigned)(e->end_mark.column - e->start_mark.column);
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* Bytes of the well-formed character at p (RFC 3629), 0: none. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool over = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool high = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return over || high ? 0 : len;
}

static int
check_text(struct reader *r)
{
	const struct yamldoc *doc = r->doc;
	yaml_mark_t m = { 0 };
	const char *end = doc->data + doc->size;
	for (const char *p = doc->data; p < end;) {
		size_t b = line_break(p, end);
		size_t len = utf8_len((const unsigned char *)p, (size_t)(end - p));
		if (!len)
			return syntax(r, &m, 1, "byte 0x%02x is not UTF-8", (unsigned char)*p);
		if (((unsigned char)*p < 0x20 && !b && *p != '\t') || *p == 0x7f)
			return syntax(r, &m, 1, "control character 0x%02x is not allowed",
			              (unsigned char)*p);
		if (b) {
			m.line++;
			m.column = 0;
			p += b;
		} else {
			m.column++;
			p += len;
		}
	}
	return 0;
}

/* ---- building -------------------------------------------------------------------------------- */

static struct yamldoc_node *
new_node(struct reader *r, enum yamldoc_kind kind, const yaml_event_t *e)
{
	struct yamldoc_node *n = pool_alloc(&r->doc->pool, sizeof *n);
	if (!n)
		return NULL;
	n->kind = kind;
	n->line = (unsigned)e->start_mark.line + 1;
	n->column = (unsigned)e->start_mark.column + 1;
	n->length = span(e);
	n->weight = 1;
	return n;
}

static int
push_value(struct reader *r, const struct yamldoc_node *n)
{
	if (r->n_values == r->cap_values) {
		size_t cap = r->cap_values ? 2 * r->cap_values : 64;
		const struct yamldoc_node **v = realloc(r->values, cap * sizeof *v);
		if (!v)
			return ERR_NOMEM;
		r->values = v;
		r->cap_values = cap;
	}
	r->values[r->n_values++] = n;
	return 0;
}

static int
add_anchor(struct reader *r, const char *name, const struct yamldoc_node *node)
{
	struct anchor *a = pool_alloc(&r->doc->pool, sizeof *a);
	if (!a)
		return ERR_NOMEM;
	*a = (struct anchor){ r->anchors, name, node };
	r->anchors = a;
	return 0;
}

static int
count_node(struct reader *r, const yaml_event_t *e, size_t weight)
{
	r->n_nodes += weight;
	if (r->n_nodes > YAMLDOC_NODES_MAX)
		return syntax(r, &e->start_mark, span(e),
		              "more than %d values (those behind aliases count at each use)",
		              YAMLDOC_NODES_MAX);
	return 0;
}

static int
on_scalar(struct reader *r, const yaml_event_t *e)
{
	if (e->data.scalar.tag)
		return syntax(r, &e->start_mark, span(e),
		              "tags like '%.40s' are not used in this file",
		              (const char *)e->data.scalar.tag);
	int rc = count_node(r, e, 1);
	if (rc)
		return rc;
	struct yamldoc_node *n = new_node(r, YAMLDOC_SCALAR, e);
	if (!n)
		return ERR_NOMEM;
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->text = pool_strdup(&r->doc->pool, (const char *)e->data.scalar.value,
	                      e->data.scalar.length);
	if (!n->text)
		return ERR_NOMEM;
	if (e->data.scalar.anchor) {
		const char *name = (const char *)e->data.scalar.anchor;
		name = pool_strdup(&r->doc->pool, name, strlen(name));
		if (!name || add_anchor(r, name, n))
			return ERR_NOMEM;
	}
	return push_value(r, n);
}

static int
on_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	for (const struct anchor *a = r->anchors; a; a = a->next)
		if (!strcmp(a->name, name)) {
			int rc = count_node(r, e, a->node->weight);
			return rc ? rc : push_value(r, a->node);
		}
	return syntax(r, &e->start_mark, span(e), "alias '*%.40s' has no anchor before it", name);
}

static int
on_start(struct reader *r, const yaml_event_t *e)
{
	bool map = e->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag = map ? e->data.mapping_start.tag : e->data.sequence_start.tag;
	const yaml_char_t *anchor =
		map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	if (tag)
		return syntax(r, &e->start_mark, 1, "tags like '%.40s' are not used in this file",
		              (const char *)tag);
	if (r->depth == YAMLDOC_DEPTH_MAX)
		return syntax(r, &e->start_mark, 1, "nested deeper than %d levels",
		              YAMLDOC_DEPTH_MAX);
	int rc = count_node(r, e, 1);
	if (rc)
		return rc;
	struct frame *f = &r->frames[r->depth];
	*f = (struct frame){ .first = r->n_values };
	f->node = new_node(r, map ? YAMLDOC_MAP : YAMLDOC_LIST, e);
	if (!f->node)
		return ERR_NOMEM;
	if (anchor) {
		f->anchor = pool_strdup(&r->doc->pool, (const char *)anchor,
		                        strlen((const char *)anchor));
		if (!f->anchor)
			return ERR_NOMEM;
	}
	r->depth++;
	return 0;
}

static const struct yamldoc_node *
find(const struct yamldoc_pair *pairs, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(pairs[i].key->text, key))
			return pairs[i].key;
	return NULL;
}

/* Appends the pairs of `from` whose keys are not there yet. */
static size_t
merge(struct yamldoc_pair *pairs, size_t n, size_t cap, const struct yamldoc_node *from)
{
	for (size_t i = 0; i < from->n && n < cap; i++)
		if (!find(pairs, n, from->pairs[i].key->text))
			pairs[n++] = from->pairs[i];
	return n;
}

static bool
is_merge(const struct yamldoc_node *key)
{
	return !key->quoted && !strcmp(key->text, "<<");
}

/* Room for the pairs of a mapping: its own and those that come from `<<`, up to the limit. */
static size_t
pairs_wanted(const struct yamldoc_node *const *v, size_t n)
{
	size_t cap = n / 2;
	for (size_t i = 0; i < n && cap < YAMLDOC_KEYS_MAX; i += 2)
		if (v[i]->kind == YAMLDOC_SCALAR && is_merge(v[i]))
			cap += v[i + 1]->weight;
	return cap < YAMLDOC_KEYS_MAX ? cap : YAMLDOC_KEYS_MAX;
}

static int
merge_all(struct reader *r, struct yamldoc_node *map, struct yamldoc_pair *pairs, size_t cap,
          const struct yamldoc_node *const *v, size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		if (v[i]->kind != YAMLDOC_SCALAR || !is_merge(v[i]))
			continue;
		const struct yamldoc_node *const *from =
			v[i + 1]->kind == YAMLDOC_LIST ? v[i + 1]->items : &v[i + 1];
		size_t m = v[i + 1]->kind == YAMLDOC_LIST ? v[i + 1]->n : 1;
		for (size_t j = 0; j < m; j++) {
			if (from[j]->kind != YAMLDOC_MAP) {
				yamldoc_diag(r->doc, r->diags, DIAG_ERROR, v[i],
				             "'<<' takes a mapping or a list of mappings");
				break;
			}
			map->n = merge(pairs, map->n, cap, from[j]);
		}
	}
	return 0;
}

static int
end_map(struct reader *r, struct yamldoc_node *map, const struct yamldoc_node *const *v, size_t n)
{
	size_t cap = pairs_wanted(v, n);
	struct yamldoc_pair *pairs = pool_alloc(&r->doc->pool, (cap ? cap : 1) * sizeof *pairs);
	if (!pairs)
		return ERR_NOMEM;
	map->pairs = pairs;
	for (size_t i = 0; i < n; i += 2) {
		if (v[i]->kind != YAMLDOC_SCALAR) {
			yamldoc_diag(r->doc, r->diags, DIAG_ERROR, v[i],
			             "a key must be a word, not %s", yamldoc_what(v[i]));
			continue;
		}
		if (is_merge(v[i]))
			continue;
		const struct yamldoc_node *first = find(pairs, map->n, v[i]->text);
		if (first) {
			yamldoc_diag(r->doc, r->diags, DIAG_ERROR, v[i],
			             "key '%.60s' is there twice, first in line %u", v[i]->text,
			             first->line);
			continue;
		}
		if (map->n == YAMLDOC_KEYS_MAX) {
			yamldoc_diag(r->doc, r->diags, DIAG_ERROR, v[i],
			             "more than %d keys in one mapping", YAMLDOC_KEYS_MAX);
			return ERR_INPUT;
		}
		pairs[map->n++] = (struct yamldoc_pair){ v[i], v[i + 1] };
	}
	return merge_all(r, map, pairs, cap, v, n);
}

static int
on_end(struct reader *r, const yaml_event_t *e)
{
	struct frame *f = &r->frames[--r->depth];
	struct yamldoc_node *node = f->node;
	const struct yamldoc_node **v = r->values + f->first;
	size_t n = r->n_values - f->first;
	for (size_t i = 0; i < n; i++)
		node->weight += v[i]->weight;
	if (e->start_mark.line + 1 == node->line && e->end_mark.column > node->column)
		node->length = (unsigned)e->end_mark.column - node->column + 1;
	if (node->kind == YAMLDOC_MAP) {
		int rc = end_map(r, node, v, n - n % 2);
		if (rc)
			return rc;
	} else {
		node->items = pool_alloc(&r->doc->pool, (n ? n : 1) * sizeof *node->items);
		if (!node->items)
			return ERR_NOMEM;
		if (n)
			memcpy(node->items, v, n * sizeof *v);
		node->n = n;
	}
	r->n_values = f->first;
	if (f->anchor && add_anchor(r, f->anchor, node))
		return ERR_NOMEM;
	return push_value(r, node);
}

static int
on_problem(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_MEMORY_ERROR)
		return ERR_NOMEM;
	const char *problem = p->problem ? p->problem : "not YAML";
	char context[160] = "";
	if (p->context && p->context_mark.line != p->problem_mark.line)
		snprintf(context, sizeof context, ", %.100s that begins in line %zu", p->context,
		         p->context_mark.line + 1);
	else if (p->context)
		snprintf(context, sizeof context, ", %.100s", p->context);
	size_t n = r->diags->n;
	int rc = syntax(r, &p->problem_mark, 1, "%s%s", problem, context);
	char source[2];
	source_line(r->doc, (unsigned)p->problem_mark.line + 1, source, sizeof source);
	if (source[0] == '\t' && r->diags->n > n)
		diag_help(&r->diags->d[n], "YAML is indented with spaces, not with tabs");
	return rc;
}

static int
on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_ALIAS_EVENT:
		return on_alias(r, e);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return on_start(r, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r, e);
	case YAML_DOCUMENT_START_EVENT:
		if (r->n_values)
			return syntax(r, &e->start_mark, 1,
			              "a second document; one file holds one");
		return 0;
	default:
		return 0;
	}
}

static int
read_events(struct reader *r)
{
	if (!yaml_parser_initialize(&r->parser))
		return ERR_NOMEM;
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->doc->data, r->doc->size);
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	int rc = 0;
	for (bool end = false; !rc && !end;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r->parser, &e)) {
			rc = on_problem(r);
			break;
		}
		end = e.type == YAML_STREAM_END_EVENT;
		rc = on_event(r, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&r->parser);
	if (!rc && !r->n_values) {
		yamldoc_diag(r->doc, r->diags, DIAG_ERROR, NULL, "the file is empty");
		rc = ERR_INPUT;
	}
	if (!rc)
		r->doc->root = r->values[0];
	return rc;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int
parse(struct yamldoc *doc, struct diag_list *diags, struct err *err)
{
	size_t before = diags->n_errors;
	struct reader *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(err, ERR_NOMEM, "out of memory");
	r->doc = doc;
	r->diags = diags;
	int rc = check_text(r);
	if (!rc)
		rc = read_events(r);
	free(r->values);
	free(r);
	if (rc == ERR_NOMEM)
		return err_set(err, ERR_NOMEM, "%s: out of memory", doc->name);
	/* Duplicate keys and the like do not stop the reader: the tree is there, for more findings.
	 */
	if (rc || !doc->root)
		return err_set(err, ERR_INPUT, "%s: %zu errors", doc->name,
		               diags->n_errors - before);
	return 0;
}

static struct yamldoc *
new_doc(const char *name)
{
	struct yamldoc *doc = calloc(1, sizeof *doc);
	if (doc && !(doc->name = strdup(name)))
		yamldoc_destroy(&doc);
	return doc;
}

int
yamldoc_parse(const char *name, const char *data, size_t size, struct diag_list *diags,
              struct yamldoc **ret, struct err *err)
{
	struct yamldoc *doc = new_doc(name);
	if (!doc)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3)) {
		data += 3;
		size -= 3;
	}
	int rc;
	if (size > YAMLDOC_BYTES_MAX) {
		yamldoc_diag(doc, diags, DIAG_ERROR, NULL, "the file is larger than %d bytes",
		             YAMLDOC_BYTES_MAX);
		rc = err_set(err, ERR_INPUT, "%s: the file is larger than %d bytes", name,
		             YAMLDOC_BYTES_MAX);
	} else if (!(doc->data = malloc(size + 1))) {
		rc = err_set(err, ERR_NOMEM, "out of memory");
	} else {
		if (size)
			memcpy(doc->data, data, size);
		doc->data[size] = '\0';
		doc->size = size;
		rc = parse(doc, diags, err);
	}
	if (rc)
		yamldoc_destroy(&doc);
	else
		*ret = doc;
	return rc;
}

/* Reads up to one byte more than the limit. Returns the size, or -1 with errno. */
static ssize_t
read_up_to(int fd, char *buf, size_t max)
{
	size_t n = 0;
	while (n < max) {
		ssize_t got = read(fd, buf + n, max - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int
cannot_read(const char *path, struct diag_list *diags, struct err *err)
{
	int e = errno;
	diag_add(diags, DIAG_ERROR, path, 0, 0, 0, NULL, "cannot read the file: %s", strerror(e));
	return err_set(err, ERR_INPUT, "%s: cannot read the file: %s", path, strerror(e));
}

int
yamldoc_load(const char *path, struct diag_list *diags, struct yamldoc **ret, struct err *err)
{
	enum { MORE = 4 }; /* a byte order mark, and one byte over the limit */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot_read(path, diags, err);
	int rc;
	char *buf = malloc(YAMLDOC_BYTES_MAX + MORE);
	ssize_t n = buf ? read_up_to(fd, buf, YAMLDOC_BYTES_MAX + MORE) : 0;
	if (!buf)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	else if (n < 0)
		rc = cannot_read(path, diags, err);
	else
		rc = yamldoc_parse(path, buf, (size_t)n, diags, ret, err);
	free(buf);
	close(fd);
	return rc;
}

void
yamldoc_destroy(struct yamldoc **d)
{
	if (!*d)
		return;
	pool_free(&(*d)->pool);
	free((*d)->name);
	free((*d)->data);
	free(*d);
	*d = NULL;
}

const struct yamldoc_node *
yamldoc_root(const struct yamldoc *d)
{
	return d->root;
}

const char *
yamldoc_name(const struct yamldoc *d)
{
	return d->name;
}

const struct yamldoc_node *
yamldoc_get(const struct yamldoc_node *map, const char *key)
{
	for (size_t i = 0; map->kind == YAMLDOC_MAP && i < map->n; i++)
		if (!strcmp(map->pairs[i].key->text, key))
			return map->pairs[i].value;
	return NULL;
}

const char *
yamldoc_what(const struct yamldoc_node *n)
{
	return n->kind == YAMLDOC_MAP ? "a mapping" : n->kind == YAMLDOC_LIST ? "a list" : "a word";
}
