#include "drill_find.h"

#include <string.h>

/* The value of `key=` in an event's text; NULL: it has none. */
static const char *
value_of(const char *text, const char *key, size_t n, size_t *length)
{
	for (const char *p = text; *p;) {
		size_t word = strcspn(p, " ");
		if (word > n && !strncmp(p, key, n) && p[n] == '=') {
			*length = word - n - 1;
			return p + n + 1;
		}
		p += word + strspn(p + word, " ");
	}
	return NULL;
}

static bool
word_matches(const char *text, const char *subject, const char *word, size_t n)
{
	const char *eq = memchr(word, '=', n);
	if (!eq)
		return false; /* every word after the name is a pair */
	bool differs = eq > word && eq[-1] == '!';
	size_t key = (size_t)(eq - word) - differs, want = n - (size_t)(eq - word) - 1, length = 0;
	const char *got = value_of(text, word, key, &length);
	bool is_subject = key == 7 && !strncmp(word, "subject", key);
	if (!got && is_subject) {
		got = subject;
		length = strlen(subject);
	}
	bool same = got && length == want && !strncmp(got, eq + 1, want);
	return got && same != differs;
}

static bool
event_matches(const struct runview *view, const struct events *events, size_t i,
              const char *pattern)
{
	char text[EVENTS_TEXT_MAX];
	const struct events_item *it = events_item(events, i);
	const char *name = event_name(it->e.code);
	size_t first = strcspn(pattern, " ");
	if (strlen(name) != first || strncmp(name, pattern, first) != 0)
		return false;
	events_text(events, i, text);
	for (const char *p = pattern + first + strspn(pattern + first, " "); *p;) {
		size_t n = strcspn(p, " ");
		if (!word_matches(text, runview_id(view, it->proc), p, n))
			return false;
		p += n + strspn(p + n, " ");
	}
	return true;
}

int64_t
drill_find_event(const struct runview *view, const struct events *events, const char *pattern,
                 int64_t from, int64_t to, size_t *ret)
{
	for (size_t i = 0; i < events_count(events); i++) {
		int64_t k = events_item(events, i)->e.k;
		if (k < from || k > to || !event_matches(view, events, i, pattern))
			continue;
		*ret = i;
		return k;
	}
	return -1;
}

/* Frames whose samples lie in the time in which a condition is looked at. */
static void
frames(const struct script_when *w, int64_t step_ns, int64_t *from, int64_t *to)
{
	*from = w->from_ns == 0 ? 0 : (w->from_ns + step_ns - 1) / step_ns + 1;
	*to = w->until_ns / step_ns;
}

int
drill_find_when(const struct script_when *w, const struct runview *view, int64_t *ret,
                struct err *err)
{
	int64_t from, to;
	int rc;
	*ret = -1;
	frames(w, runview_topo(view)->step_ns, &from, &to);
	if (!w->expr) {
		struct events *events = NULL;
		size_t at;
		rc = events_collect(view, &events, err);
		if (rc)
			return rc;
		/* What happens in step k is seen with frame k + 1. */
		int64_t k = drill_find_event(view, events, w->text, from > 0 ? from - 1 : 0, to - 1,
		                             &at);
		*ret = k < 0 ? -1 : k + 1;
		events_destroy(&events);
		return 0;
	}
	struct expr_eval *v = NULL;
	struct expr_sample s;
	rc = expr_bind(w->expr, view, &v, err);
	for (int64_t k = from; !rc && k <= to && *ret < 0; k++) {
		expr_test(v, k, false, &s);
		if (s.truth == EXPR_TRUE)
			*ret = k;
	}
	expr_unbind(&v);
	return rc;
}
