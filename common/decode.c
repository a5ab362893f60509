#include "decode.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct diag *
decode_error(struct decoder *dc, const struct yamldoc_node *at, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return yamldoc_diag(dc->doc, dc->diags, DIAG_ERROR, at, "%s", text);
}

void
decode_suggest(struct diag *d, const char *word, const char *const *names, size_t n,
               const char *plural)
{
	char list[400] = "";
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		int add = snprintf(list + len, sizeof list - len, "%s%s", i ? " " : "", names[i]);
		if (add < 0 || len + (size_t)add > sizeof list - 8) {
			snprintf(list + len, sizeof list - len, " ...");
			break;
		}
		len += (size_t)add;
	}
	if (!n)
		return;
	const char *near = diag_nearest(word, names, n);
	if (near)
		diag_help(d, "did you mean '%s'? (%s: %s)", near, plural, list);
	else
		diag_help(d, "%s: %s", plural, list);
}

static bool
is_word(const struct yamldoc_node *v, const char *word)
{
	return v->kind == YAMLDOC_SCALAR && !strcmp(v->text, word);
}

/* ---- single values --------------------------------------------------------------------------- */

static bool
want_scalar(struct decoder *dc, const char *key, const struct yamldoc_node *v, const char *wanted)
{
	if (v->kind == YAMLDOC_SCALAR)
		return true;
	decode_error(dc, v, "%s%s: %s is wanted, not %s", dc->path, key, wanted, yamldoc_what(v));
	return false;
}

static void
put_range(struct decoder *dc, const char *key, const struct yamldoc_node *v, double value,
          double lo, double hi, enum unit u)
{
	/* Percentages are shown as such. */
	double scale = u == UNIT_PERCENT ? 100 : 1;
	const char *sep = u == UNIT_NONE ? "" : " ";
	decode_error(dc, v, "%s%s: %.9g%s%s is not in [%g, %g]%s%s", dc->path, key, value * scale,
	             sep, unit_symbol(u), lo * scale, hi * scale, sep, unit_symbol(u));
}

bool
decode_number(struct decoder *dc, const char *key, const struct yamldoc_node *v, enum unit u,
              double lo, double hi, double *ret)
{
	char why[UNIT_WHY_MAX];
	double value;
	if (!want_scalar(dc, key, v, unit_quantity(u)))
		return false;
	if (unit_parse(v->text, u, &value, why)) {
		decode_error(dc, v, "%s%s: %s", dc->path, key, why);
		return false;
	}
	if (!(value >= lo && value <= hi)) {
		put_range(dc, key, v, value, lo, hi, u);
		return false;
	}
	*ret = value;
	return true;
}

bool
decode_time(struct decoder *dc, const char *key, const struct yamldoc_node *v, int64_t lo,
            int64_t hi, int64_t *ret)
{
	char why[UNIT_WHY_MAX];
	int64_t value;
	if (!want_scalar(dc, key, v, unit_quantity(UNIT_SECOND)))
		return false;
	if (unit_parse_ns(v->text, &value, why)) {
		decode_error(dc, v, "%s%s: %s", dc->path, key, why);
		return false;
	}
	if (value < lo || value > hi) {
		put_range(dc, key, v, (double)value * 1e-9, (double)lo * 1e-9, (double)hi * 1e-9,
		          UNIT_SECOND);
		return false;
	}
	*ret = value;
	return true;
}

bool
decode_whole(struct decoder *dc, const char *key, const struct yamldoc_node *v, uint32_t lo,
             uint32_t hi, uint32_t *ret)
{
	double value;
	if (!decode_number(dc, key, v, UNIT_NONE, lo, hi, &value))
		return false;
	if (value != floor(value)) {
		decode_error(dc, v, "%s%s: %s is not a whole number", dc->path, key, v->text);
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static bool
decode_seed(struct decoder *dc, const char *key, const struct yamldoc_node *v, uint64_t *ret)
{
	if (!want_scalar(dc, key, v, "a whole number"))
		return false;
	char *end;
	errno = 0;
	unsigned long long n = strtoull(v->text, &end, 10);
	if (v->text[0] < '0' || v->text[0] > '9' || *end || errno) {
		decode_error(dc, v,
		             "%s%s: '%.40s' is not a whole number in [0, 18446744073709551615]",
		             dc->path, key, v->text);
		return false;
	}
	*ret = n;
	return true;
}

static bool
decode_bool(struct decoder *dc, const char *key, const struct yamldoc_node *v, bool *ret)
{
	if (is_word(v, "true") || is_word(v, "yes"))
		*ret = true;
	else if (is_word(v, "false") || is_word(v, "no"))
		*ret = false;
	else {
		decode_error(dc, v, "%s%s: true or false is wanted, not %s%.40s%s", dc->path, key,
		             v->kind == YAMLDOC_SCALAR ? "'" : "",
		             v->kind == YAMLDOC_SCALAR ? v->text : yamldoc_what(v),
		             v->kind == YAMLDOC_SCALAR ? "'" : "");
		return false;
	}
	return true;
}

static bool
decode_word(struct decoder *dc, const struct field *f, const struct yamldoc_node *v, int *ret)
{
	size_t n = 0;
	if (!want_scalar(dc, f->key, v, "a word"))
		return false;
	for (; f->words[n]; n++)
		if (!strcmp(f->words[n], v->text)) {
			*ret = (int)n;
			return true;
		}
	struct diag *d =
		decode_error(dc, v, "%s%s: '%.40s' is not known", dc->path, f->key, v->text);
	decode_suggest(d, v->text, f->words, n, "known");
	return false;
}

static bool
decode_name(struct decoder *dc, const char *key, const struct yamldoc_node *v, char *ret)
{
	if (!want_scalar(dc, key, v, "a name"))
		return false;
	size_t len = strlen(v->text);
	bool ok = len > 0 && len < TOPO_ID_MAX;
	for (size_t i = 0; i < len && ok; i++) {
		char c = v->text[i];
		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		     (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '_'));
	}
	if (!ok) {
		decode_error(dc, v,
		             "%s%s: '%.60s' is not a name: a letter, then letters, digits, '-' or "
		             "'_', at most %d",
		             dc->path, key, v->text, TOPO_ID_MAX - 1);
		return false;
	}
	memcpy(ret, v->text, len + 1);
	return true;
}

/* ---- curves ---------------------------------------------------------------------------------- */

static bool
decode_point(struct decoder *dc, const struct field *f, const struct yamldoc_node *v,
             struct pwl_point *p)
{
	const int64_t max_ns = INT64_C(1000000) * 1000000000; /* 11 days of plant time */
	if (v->kind != YAMLDOC_LIST || v->n != 3) {
		decode_error(dc, v, "%s%s: a point is [at, level, ramp], like [300ms, %s, 100us]",
		             dc->path, f->key, f->unit == UNIT_WATT ? "1kW" : "10A");
		return false;
	}
	bool ok = decode_time(dc, f->key, v->items[0], 0, max_ns, &p->at_ns);
	ok = decode_number(dc, f->key, v->items[1], f->unit, f->lo, f->hi, &p->level) && ok;
	return decode_time(dc, f->key, v->items[2], 0, max_ns, &p->ramp_ns) && ok;
}

static void
decode_curve(struct decoder *dc, const struct field *f, const struct yamldoc_node *v,
             struct pwl *ret)
{
	if (v->kind != YAMLDOC_LIST) {
		bool csv = v->kind == YAMLDOC_SCALAR && strstr(v->text, ".csv");
		decode_error(dc, v, "%s%s: %s", dc->path, f->key,
		             csv ? "curves from CSV files are not available in this release"
		                 : "a list of points [at, level, ramp] is wanted, like [[0ms, "
		                   "100W, 1ms]]");
		return;
	}
	if (v->n > TOPO_PWL_MAX) {
		decode_error(dc, v, "%s%s: %zu points, at most %d", dc->path, f->key, v->n,
		             TOPO_PWL_MAX);
		return;
	}
	struct pwl_point *p = pool_alloc(dc->pool, (v->n ? v->n : 1) * sizeof *p);
	if (!p) {
		dc->nomem = true;
		return;
	}
	bool ok = true;
	for (size_t i = 0; i < v->n; i++) {
		bool good = decode_point(dc, f, v->items[i], &p[i]);
		if (good && ok && i > 0 && p[i].at_ns < p[i - 1].at_ns + p[i - 1].ramp_ns) {
			decode_error(dc, v->items[i],
			             "%s%s: a point at %.9g s, before the ramp of the point before "
			             "it ends at %.9g s",
			             dc->path, f->key, (double)p[i].at_ns * 1e-9,
			             (double)(p[i - 1].at_ns + p[i - 1].ramp_ns) * 1e-9);
			good = false;
		}
		if (good && ok && i > 0 && p[i].at_ns == p[i - 1].at_ns) {
			decode_error(dc, v->items[i], "%s%s: two points at %.9g s", dc->path,
			             f->key, (double)p[i].at_ns * 1e-9);
			good = false;
		}
		ok = ok && good;
	}
	if (ok)
		*ret = (struct pwl){ v->n, p };
}

/* ---- mappings -------------------------------------------------------------------------------- */

static void
decode_sub(struct decoder *dc, const struct field *f, const char *owner,
           const struct yamldoc_node *v, char *target)
{
	if (f->may_be_none && is_word(v, "none")) {
		*(bool *)(target + f->has_offset) = false;
		return;
	}
	if (v->kind != YAMLDOC_MAP) {
		decode_error(dc, v, "%s%s: a mapping%s is wanted, not %s", dc->path, f->key,
		             f->may_be_none ? " or 'none'" : "", yamldoc_what(v));
		return;
	}
	size_t len = strlen(dc->path);
	int add = snprintf(dc->path + len, sizeof dc->path - len, "%s.", f->key);
	assert(add > 0 && len + (size_t)add < sizeof dc->path);
	if (f->may_be_none)
		*(bool *)(target + f->has_offset) = true;
	decode_map(dc, f->sub, owner, v, target + f->offset);
	dc->path[len] = '\0';
}

static void
decode_field(struct decoder *dc, const struct field *f, const char *owner,
             const struct yamldoc_node *v, void *target)
{
	char *at = (char *)target + f->offset;
	if (f->may_be_none && f->type == FIELD_NUMBER && is_word(v, "none")) {
		*(double *)at = 0;
		return;
	}
	switch (f->type) {
	case FIELD_NUMBER:
		decode_number(dc, f->key, v, f->unit, f->lo, f->hi, (double *)at);
		break;
	case FIELD_TIME:
		decode_time(dc, f->key, v, (int64_t)f->lo, (int64_t)f->hi, (int64_t *)at);
		break;
	case FIELD_WHOLE:
		decode_whole(dc, f->key, v, (uint32_t)f->lo, (uint32_t)f->hi, (uint32_t *)at);
		break;
	case FIELD_SEED:
		decode_seed(dc, f->key, v, (uint64_t *)at);
		break;
	case FIELD_BOOL:
		decode_bool(dc, f->key, v, (bool *)at);
		break;
	case FIELD_WORD:
		decode_word(dc, f, v, (int *)at);
		break;
	case FIELD_NAME:
		decode_name(dc, f->key, v, at);
		break;
	case FIELD_CURVE:
		decode_curve(dc, f, v, (struct pwl *)at);
		break;
	case FIELD_SUB:
		decode_sub(dc, f, owner, v, target);
		break;
	case FIELD_CUSTOM:
		if (f->decode)
			f->decode(dc, f, v, target);
		break;
	}
}

void
decode_note_once(struct decoder *dc, const struct yamldoc_node *at, const char *text)
{
	for (size_t i = 0; i < dc->n_noted; i++)
		if (!strcmp(dc->noted[i], text))
			return;
	if (dc->n_noted < DECODE_NOTES)
		dc->noted[dc->n_noted++] = text;
	yamldoc_diag(dc->doc, dc->diags, DIAG_NOTE, at, "%s", text);
}

static void
unknown_key(struct decoder *dc, const struct schema *s, const char *owner,
            const struct yamldoc_node *key)
{
	const char *names[64];
	size_t n = 0;
	for (; n < s->n && n < sizeof names / sizeof *names; n++)
		names[n] = s->fields[n].key;
	size_t len = strlen(dc->path);
	struct diag *d;
	if (len)
		d = decode_error(dc, key, "unknown key '%.60s' in %.*s of %s", key->text,
		                 (int)len - 1, dc->path, owner);
	else
		d = decode_error(dc, key, "unknown key '%.60s' in %s", key->text, owner);
	decode_suggest(d, key->text, names, n, "keys");
}

void
decode_map(struct decoder *dc, const struct schema *s, const char *owner,
           const struct yamldoc_node *map, void *target)
{
	if (map->kind != YAMLDOC_MAP) {
		decode_error(dc, map, "%s: a mapping is wanted, not %s", owner, yamldoc_what(map));
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct yamldoc_node *key = map->pairs[i].key, *v = map->pairs[i].value;
		const struct field *f = NULL;
		for (size_t j = 0; j < s->n && !f; j++)
			if (!strcmp(s->fields[j].key, key->text))
				f = &s->fields[j];
		if (!f) {
			unknown_key(dc, s, owner, key);
			continue;
		}
		bool off = is_word(v, "none") && f->may_be_none;
		if (f->effect == EFFECT_REFUSED && !off)
			decode_error(dc, key, "%s%s: %s", dc->path, f->key, f->effect_text);
		else if (f->effect == EFFECT_NOTE && !off)
			decode_note_once(dc, key, f->effect_text);
		decode_field(dc, f, owner, v, target);
	}
}

void
decode_defaults(struct decoder *dc, const struct schema *s, void *target)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];
		if (f->type == FIELD_SUB && f->dflt == NULL)
			decode_defaults(dc, f->sub, (char *)target + f->offset);
		if (!f->dflt)
			continue;
		/* Defaults go through the same decoder, so the reference cannot say anything else.
		 */
		const struct yamldoc_node v = { .kind = YAMLDOC_SCALAR, .text = f->dflt };
		decode_field(dc, f, s->what, &v, target);
	}
}
