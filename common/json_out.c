#include "json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void
json_out_init(struct json_out *j, FILE *f)
{
	memset(j, 0, sizeof *j);
	j->f = f;
}

/* Length of the UTF-8 character at s (Unicode table 3-7), 0 if there is none. */
static size_t
utf8_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return s[1] >> 6 == 2 ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		unsigned char lo = s[0] == 0xe0 ? 0xa0 : 0x80, hi = s[0] == 0xed ? 0x9f : 0xbf;
		return s[1] >= lo && s[1] <= hi && s[2] >> 6 == 2 ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		unsigned char lo = s[0] == 0xf0 ? 0x90 : 0x80, hi = s[0] == 0xf4 ? 0x8f : 0xbf;
		return s[1] >= lo && s[1] <= hi && s[2] >> 6 == 2 && s[3] >> 6 == 2 ? 4 : 0;
	}
	return 0;
}

static void
put_string(FILE *f, const char *text)
{
	putc('"', f);
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		size_t n = utf8_length(s);
		if (n == 0) {
			fputs("\xef\xbf\xbd", f);
			s++;
		} else if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s++);
		} else if (*s == '\n' || *s == '\t') {
			fputs(*s++ == '\n' ? "\\n" : "\\t", f);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(f, "\\u%04x", *s++);
		} else {
			fwrite(s, 1, n, f);
			s += n;
		}
	}
	putc('"', f);
}

static void
put_key(struct json_out *j, const char *key)
{
	if (j->depth > 0) {
		assert((key != NULL) == (j->close[j->depth - 1] == '}'));
		if (j->filled[j->depth - 1])
			putc(',', j->f);
		j->filled[j->depth - 1] = true;
	}
	if (key) {
		put_string(j->f, key);
		putc(':', j->f);
	}
}

static void
open_level(struct json_out *j, const char *key, const char *brackets)
{
	assert(j->depth < JSON_OUT_DEPTH_MAX);
	put_key(j, key);
	putc(brackets[0], j->f);
	j->close[j->depth] = brackets[1];
	j->filled[j->depth++] = false;
}

void
json_out_object(struct json_out *j, const char *key)
{
	open_level(j, key, "{}");
}

void
json_out_array(struct json_out *j, const char *key)
{
	open_level(j, key, "[]");
}

void
json_out_end(struct json_out *j)
{
	assert(j->depth > 0);
	putc(j->close[--j->depth], j->f);
	if (j->depth == 0)
		putc('\n', j->f);
}

void
json_out_text(struct json_out *j, const char *key, const char *text)
{
	put_key(j, key);
	if (text)
		put_string(j->f, text);
	else
		fputs("null", j->f);
}

void
json_out_int(struct json_out *j, const char *key, int64_t v)
{
	put_key(j, key);
	fprintf(j->f, "%" PRId64, v);
}

void
json_out_real(struct json_out *j, const char *key, double v)
{
	put_key(j, key);
	if (!isfinite(v)) {
		fputs("null", j->f);
		return;
	}
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	fputs(text, j->f);
}

void
json_out_bool(struct json_out *j, const char *key, bool v)
{
	put_key(j, key);
	fputs(v ? "true" : "false", j->f);
}
