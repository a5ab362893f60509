#include "opts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* ---- values ----------------------------------------------------------------------------- */

static int
decode_choice(const char *choices, const char *text, size_t *ret, char help[256], struct err *err)
{
	char copy[128], *save = NULL;
	const char *names[16];
	size_t n = 0;
	snprintf(copy, sizeof copy, "%s", choices);
	for (char *w = strtok_r(copy, "|", &save); w && n < 16; w = strtok_r(NULL, "|", &save))
		names[n++] = w;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	const char *near = diag_nearest(text, names, n);
	if (near)
		snprintf(help, 256, "did you mean '%s'?", near);
	return err_set(err, ERR_USAGE, "'%s' is none of %s", text, choices);
}

static int
decode_number(const char *text, enum opt_kind kind, struct opt_value *v, struct err *err)
{
	char *end;
	errno = 0;
	if (kind == OPT_COUNT) {
		unsigned long long u = strtoull(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end || errno)
			return err_set(err, ERR_USAGE, "'%s' is not a whole number >= 0", text);
		v->count = u;
		return 0;
	}
	if (kind == OPT_SPEED && strcmp(text, "max") == 0) {
		v->real = 0;
		return 0;
	}
	char why[UNIT_WHY_MAX];
	if (unit_parse(text, UNIT_NONE, &v->real, why))
		return err_set(err, ERR_USAGE, "%s", why);
	if (kind == OPT_SPEED && !(v->real > 0))
		return err_set(err, ERR_USAGE, "%s is not a speed: give a factor > 0 or 'max'",
		               text);
	return 0;
}

static int
decode(const struct opt *o, const char *text, struct opt_value *v, char help[256], struct err *err)
{
	char why[UNIT_WHY_MAX];
	int rc = 0;
	switch (o->kind) {
	case OPT_FLAG:
	case OPT_TEXT:
		break;
	case OPT_COUNT:
	case OPT_REAL:
	case OPT_SPEED:
		rc = decode_number(text, o->kind, v, err);
		break;
	case OPT_TIME:
		if (unit_parse_ns(text, &v->ns, why))
			rc = err_set(err, ERR_USAGE, "%s", why);
		else if (v->ns < 0)
			rc = err_set(err, ERR_USAGE, "'%s' is negative", text);
		break;
	case OPT_VALUE:
		if (unit_parse(text, o->unit, &v->real, why))
			rc = err_set(err, ERR_USAGE, "%s", why);
		break;
	case OPT_CHOICE:
		rc = decode_choice(o->arg, text, &v->choice, help, err);
		break;
	}
	if (rc)
		return err_wrap(err, o->flags & OPT_POSITIONAL ? "%s" : "--%s", o->name);
	v->given = true;
	v->text = text;
	return 0;
}

/* ---- the walk over argv ----------------------------------------------------------------- */

struct walk {
	const struct opt *opts;
	size_t n_opts;
	int argc;
	char **argv;
	int at;
	struct opt_value *v;
	char *help;
	struct err *err;
};

static int
unknown_option(struct walk *w, const char *name, size_t len)
{
	const char *names[OPTS_MAX + 1];
	size_t n = 0;
	char word[64];
	snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), name);
	for (size_t i = 0; i < w->n_opts; i++) {
		if (!(w->opts[i].flags & OPT_POSITIONAL))
			names[n++] = w->opts[i].name;
	}
	names[n++] = "help";
	const char *near = diag_nearest(word, names, n);
	if (near)
		snprintf(w->help, 256, "did you mean '--%s'?", near);
	return err_set(w->err, ERR_USAGE, "unknown option '--%s'", word);
}

static int
take_value(struct walk *w, size_t i, char *inline_value)
{
	const struct opt *o = &w->opts[i];
	bool many = (o->flags & OPT_MANY) != 0;
	if (many && w->v[i].n == OPTS_REPEAT_MAX)
		return err_set(w->err, ERR_USAGE, "--%s is given more than %d times", o->name,
		               OPTS_REPEAT_MAX);
	if (w->v[i].given && !many)
		return err_set(w->err, ERR_USAGE, "--%s is given twice", o->name);
	bool lone = w->at + 1 >= w->argc || strncmp(w->argv[w->at + 1], "--", 2) == 0;
	static char dash[] = "-";
	if (!inline_value && lone && o->flags & OPT_LONE)
		inline_value = dash;
	if (!inline_value) {
		if (lone)
			return err_set(w->err, ERR_USAGE, "--%s needs a value (%s)", o->name,
			               o->arg);
		inline_value = w->argv[++w->at];
	}
	if (many)
		w->v[i].list[w->v[i].n++] = inline_value;
	return decode(o, inline_value, &w->v[i], w->help, w->err);
}

static int
long_option(struct walk *w)
{
	char *name = w->argv[w->at] + 2;
	size_t len = strcspn(name, "=");
	char *value = name[len] == '=' ? name + len + 1 : NULL;
	if (len == 4 && strncmp(name, "help", 4) == 0)
		return OPTS_HELP;
	for (size_t i = 0; i < w->n_opts; i++) {
		const struct opt *o = &w->opts[i];
		if (o->flags & OPT_POSITIONAL || strlen(o->name) != len ||
		    strncmp(o->name, name, len) != 0)
			continue;
		if (o->kind != OPT_FLAG)
			return take_value(w, i, value);
		if (value)
			return err_set(w->err, ERR_USAGE, "--%s takes no value", o->name);
		w->v[i].given = true;
		return 0;
	}
	return unknown_option(w, name, len);
}

static int
letter_options(struct walk *w)
{
	for (char *p = w->argv[w->at] + 1; *p; p++) {
		if (*p == 'h')
			return OPTS_HELP;
		size_t i = 0;
		while (i < w->n_opts &&
		       (w->opts[i].flags & OPT_POSITIONAL || w->opts[i].letter != *p))
			i++;
		if (i == w->n_opts)
			return err_set(w->err, ERR_USAGE, "unknown option '-%c'", *p);
		if (w->opts[i].kind != OPT_FLAG)
			return take_value(w, i, p[1] ? p + 1 : NULL);
		w->v[i].given = true;
	}
	return 0;
}

static int
take_word(struct walk *w, char **slot)
{
	const char *word = *slot;
	for (size_t i = 0; i < w->n_opts; i++) {
		const struct opt *o = &w->opts[i];
		if (!(o->flags & OPT_POSITIONAL) || (w->v[i].given && !(o->flags & OPT_MANY)))
			continue;
		if (!(o->flags & OPT_MANY))
			return decode(o, word, &w->v[i], w->help, w->err);
		if (!w->v[i].given) {
			w->v[i].given = true;
			w->v[i].text = word;
			w->v[i].words = slot;
		}
		w->v[i].n++;
		return 0;
	}
	return err_set(w->err, ERR_USAGE, "'%s' is one word too many", word);
}

/* True when the next word goes to a row that takes everything that follows unread. */
static bool
passes_on(const struct walk *w)
{
	for (size_t i = 0; i < w->n_opts; i++) {
		const struct opt *o = &w->opts[i];
		if (o->flags & OPT_POSITIONAL && !w->v[i].given)
			return (o->flags & OPT_PASS) != 0;
	}
	return false;
}

int
opts_parse(const struct opt *opts, size_t n_opts, int argc, char **argv, struct opt_value *v,
           char help[256], struct err *err)
{
	assert(n_opts <= OPTS_MAX);
	struct walk w = { opts, n_opts, argc, argv, 0, v, help, err };
	int n_words = 0;
	help[0] = '\0';
	memset(v, 0, n_opts * sizeof *v);
	if (passes_on(&w)) {
		assert(n_opts == 1);
		v[0] = (struct opt_value){ .given = argc > 0,
			                   .text = argc > 0 ? argv[0] : NULL,
			                   .n = (size_t)argc,
			                   .words = argv };
		return 0;
	}
	bool options = true;
	for (; w.at < argc; w.at++) {
		char *a = argv[w.at];
		int rc = 0;
		if (options && strcmp(a, "--") == 0)
			options = false;
		else if (options && a[0] == '-' && a[1] == '-')
			rc = long_option(&w);
		else if (options && a[0] == '-' && a[1] && !(a[1] >= '0' && a[1] <= '9'))
			rc = letter_options(&w);
		else
			argv[n_words++] = a; /* behind w.at, so nothing unread is lost */
		if (rc)
			return rc;
	}
	for (int i = 0; i < n_words; i++) {
		int rc = take_word(&w, &argv[i]);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < n_opts; i++) {
		if (opts[i].flags & OPT_REQUIRED && !v[i].given)
			return err_set(err, ERR_USAGE, "%s%s is missing",
			               opts[i].flags & OPT_POSITIONAL ? "" : "--", opts[i].name);
	}
	return 0;
}
