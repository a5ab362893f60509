#include "diag.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"

enum {
	DIAG_TEXT_MAX = 1024,  /* bytes of one reason */
	DIAG_SOURCE_MAX = 160, /* characters of a source line that are shown */
	DIAG_WORD_MAX = 63,    /* longer words have no nearest name */
};

void
diag_list_init(struct diag_list *l)
{
	memset(l, 0, sizeof *l);
}

void
diag_list_free(struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->d[i].file);
		free(l->d[i].text);
		free(l->d[i].help);
		free(l->d[i].source);
	}
	free(l->d);
	diag_list_init(l);
}

void
diag_list_cut(struct diag_list *l, size_t from)
{
	while (l->n > from) {
		struct diag *d = &l->d[--l->n];
		l->n_errors -= d->level == DIAG_ERROR;
		free(d->file);
		free(d->text);
		free(d->help);
		free(d->source);
	}
}

static char *
format(const char *fmt, va_list ap)
{
	char buf[DIAG_TEXT_MAX];
	vsnprintf(buf, sizeof buf, fmt, ap);
	/* A text comes from a file that may hold anything: no line breaks, no terminal controls. */
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return strdup(buf);
}

struct diag *
diag_add(struct diag_list *l, enum diag_level level, const char *file, unsigned line,
         unsigned column, unsigned length, const char *source, const char *fmt, ...)
{
	if (level == DIAG_ERROR)
		l->n_errors++;
	if (l->n >= DIAG_MAX) {
		l->suppressed++;
		return NULL;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 8;
		struct diag *d = realloc(l->d, cap * sizeof *d);
		if (!d) {
			l->suppressed++;
			return NULL;
		}
		l->d = d;
		l->cap = cap;
	}
	struct diag *d = &l->d[l->n++];
	*d = (struct diag){ .level = level, .line = line, .column = column, .length = length };
	va_list ap;
	va_start(ap, fmt);
	d->text = format(fmt, ap);
	va_end(ap);
	d->file = file ? strdup(file) : NULL;
	d->source = source ? strdup(source) : NULL;
	return d;
}

void
diag_help(struct diag *d, const char *fmt, ...)
{
	if (!d)
		return;
	va_list ap;
	va_start(ap, fmt);
	free(d->help);
	d->help = format(fmt, ap);
	va_end(ap);
}

static bool
before(const struct diag *a, const struct diag *b)
{
	/* What has no place comes last. */
	uint64_t ka = a->line ? (uint64_t)a->line << 32 | a->column : UINT64_MAX;
	uint64_t kb = b->line ? (uint64_t)b->line << 32 | b->column : UINT64_MAX;
	return ka < kb;
}

void
diag_list_sort(struct diag_list *l, size_t from)
{
	for (size_t i = from + 1; i < l->n; i++) {
		struct diag d = l->d[i];
		size_t j = i;
		for (; j > from && before(&d, &l->d[j - 1]); j--)
			l->d[j] = l->d[j - 1];
		l->d[j] = d;
	}
}

/* Bytes of the UTF-8 character at p; what is not UTF-8 counts as one. */
static size_t
char_len(const char *p)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

/* Prints at most `max` characters of `s` from character `skip` on, blanks for all of them if
 * `blank`. */
static unsigned
put_chars(FILE *f, const char *s, unsigned skip, unsigned max, bool blank)
{
	unsigned n = 0;
	for (; *s && skip; skip--)
		s += char_len(s);
	for (; *s && n < max; n++) {
		size_t len = char_len(s);
		if (*s == '\t')
			fputc('\t', f);
		else if (blank)
			fputc(' ', f);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			fputc('?', f);
		else
			fwrite(s, 1, len, f);
		s += len;
	}
	return n;
}

static void
print_source(const struct diag *d, FILE *f)
{
	/* Of a very long line, the part around the caret is shown. */
	unsigned skip = d->column > DIAG_SOURCE_MAX - 40 ? d->column - 40 : 0;
	fprintf(f, "%5u | ", d->line);
	put_chars(f, d->source, skip, DIAG_SOURCE_MAX, false);
	fputc('\n', f);
	if (!d->column)
		return;
	fputs("      | ", f);
	unsigned col = put_chars(f, d->source, skip, d->column - 1 - skip, true);
	for (; col < d->column - 1 - skip; col++)
		fputc(' ', f);
	fputc('^', f);
	for (unsigned i = 1; i < d->length && i < DIAG_SOURCE_MAX - col; i++)
		fputc('~', f);
	fputc('\n', f);
}

static const char *const level_names[] = { "error", "warning", "note" };

static void
print_text(const struct diag *d, FILE *f)
{
	if (d->file && d->line)
		fprintf(f, "%s:%u:%u: ", d->file, d->line, d->column);
	else if (d->file)
		fprintf(f, "%s: ", d->file);
	fprintf(f, "%s: %s\n", level_names[d->level], d->text ? d->text : "out of memory");
	if (d->source && d->line)
		print_source(d, f);
	if (d->help)
		fprintf(f, "      = help: %s\n", d->help);
}

/* Workflow commands: the message ends at a line break, properties also at ',' and ':'. */
static void
put_github(FILE *f, const char *s, bool property)
{
	for (; *s; s++) {
		if (*s == '%' || *s == '\n' || *s == '\r' || (property && (*s == ',' || *s == ':')))
			fprintf(f, "%%%02X", (unsigned char)*s);
		else
			fputc(*s, f);
	}
}

static void
print_github(const struct diag *d, FILE *f)
{
	static const char *const names[] = { "error", "warning", "notice" };
	fprintf(f, "::%s ", names[d->level]);
	if (d->file) {
		fputs("file=", f);
		put_github(f, d->file, true);
		if (d->line)
			fprintf(f, ",line=%u,col=%u", d->line, d->column);
	}
	fputs("::", f);
	put_github(f, d->text ? d->text : "out of memory", false);
	if (d->help) {
		fputs(" - ", f);
		put_github(f, d->help, false);
	}
	fputc('\n', f);
}

static void
print_json(const struct diag *d, FILE *f)
{
	struct json_out j;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "level", level_names[d->level]);
	json_out_text(&j, "file", d->file);
	json_out_int(&j, "line", d->line);
	json_out_int(&j, "column", d->column);
	json_out_int(&j, "length", d->length);
	json_out_text(&j, "text", d->text);
	json_out_text(&j, "help", d->help);
	json_out_end(&j);
}

void
diag_print(const struct diag_list *l, FILE *f, enum diag_format fmt)
{
	for (size_t i = 0; i < l->n; i++) {
		if (fmt == DIAG_JSON)
			print_json(&l->d[i], f);
		else if (fmt == DIAG_GITHUB)
			print_github(&l->d[i], f);
		else
			print_text(&l->d[i], f);
	}
	if (l->suppressed && fmt == DIAG_TEXT)
		fprintf(f, "and %zu more (the first %d are shown)\n", l->suppressed, DIAG_MAX);
}

/* Edits to make a from b: insert, delete, replace, swap two neighbours, each 1. */
static unsigned
distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned row[3][DIAG_WORD_MAX + 1];
	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (unsigned)j;
	unsigned *prev2 = row[2], *prev = row[0], *cur = row[1];
	for (size_t i = 1; i <= na; i++) {
		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned d = prev[j - 1] + (a[i - 1] != b[j - 1]);
			if (prev[j] + 1 < d)
				d = prev[j] + 1;
			if (cur[j - 1] + 1 < d)
				d = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    prev2[j - 2] + 1 < d)
				d = prev2[j - 2] + 1;
			cur[j] = d;
		}
		unsigned *t = prev2;
		prev2 = prev;
		prev = cur;
		cur = t;
	}
	return prev[nb];
}

const char *
diag_nearest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word);
	if (len == 0 || len > DIAG_WORD_MAX)
		return NULL;
	/* A third of the word may be wrong; a two-letter name may differ in one letter. */
	unsigned best = (unsigned)(len < 3 ? 1 : (len + 1) / 3) + 1;
	const char *ret = NULL;
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i]) > DIAG_WORD_MAX)
			continue;
		unsigned d = distance(word, names[i]);
		/* A name of which nothing is left is not near. */
		if (d < best && d < strlen(names[i])) {
			best = d;
			ret = names[i];
		}
	}
	return ret;
}
