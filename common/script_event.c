/* Patterns of events, and moments: times, actions, events. */
#include <stdio.h>
#include <string.h>

#include "script_build.h"

/* Names that drills know and this release does not record. */
static const char *const later[] = { "node.dead", "handback", "calibrated", "exit" };
static const char *const keys[] = { "subject", "link",  "port",  "module", "node",
	                            "channel", "cause", "rx",    "stage",  "kind",
	                            "to",      "epoch", "state", "reason", "incarnation",
	                            "by",      "only",  "limit", "sensor" };
enum { N_KEYS = sizeof keys / sizeof *keys, N_LATER = sizeof later / sizeof *later };

bool
script_event_starts(const char *text, size_t n)
{
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++)
		if (strlen(event_name(c)) == n && !strncmp(text, event_name(c), n))
			return true;
	for (size_t i = 0; i < N_LATER; i++)
		if (strlen(later[i]) == n && !strncmp(text, later[i], n))
			return true;
	return false;
}

static bool
check_event_name(struct script_build *b, const struct script_text *t, size_t at, size_t n)
{
	const char *names[EV_END_];
	char word[64], text[160];
	size_t known = 0;
	snprintf(word, sizeof word, "%.*s", (int)n, t->s + at);
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++) {
		names[known++] = event_name(c);
		if (!strcmp(event_name(c), word))
			return true;
	}
	bool is_later = false;
	for (size_t i = 0; i < N_LATER; i++)
		is_later = is_later || !strcmp(later[i], word);
	snprintf(text, sizeof text,
	         is_later ? "event '%s' is not recorded in this release" : "there is no event '%s'",
	         word);
	struct diag *g = script_text_error(b, t, at, n, text);
	decode_suggest(g, is_later ? "" : word, names, known, "events");
	return false;
}

/* Ids of what a key names; values of other keys are words of the recorder. */
static bool
check_event_value(struct script_build *b, const struct script_text *t, size_t at, const char *key,
                  const char *value)
{
	const struct topo *topo = b->topo;
	const char *names[TOPO_NODES_MAX + TOPO_MODULES_MAX + TOPO_LINKS_MAX];
	size_t n = 0, all = strlen(value);
	bool subject = !strcmp(key, "subject");
	if (subject || !strcmp(key, "node") || !strcmp(key, "to") || !strcmp(key, "by"))
		for (size_t i = 0; i < topo->n_nodes; i++)
			names[n++] = topo->nodes[i].id;
	if (subject || !strcmp(key, "module"))
		for (size_t i = 0; i < topo->n_modules; i++)
			names[n++] = topo->modules[i].id;
	if (!strcmp(key, "link"))
		for (size_t i = 0; i < topo->n_links; i++)
			names[n++] = topo->links[i].id;
	if (!strcmp(key, "cause")) {
		static const char *const causes[] = { "death", "cut", "fuse",     "ov",
			                      "uv",    "ot",  "watchdog", "hand" };
		for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
			names[n++] = causes[i];
	}
	if (!strcmp(key, "only")) {
		names[n++] = "power";
		names[n++] = "channel";
	}
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], value))
			return true;
	char text[200];
	snprintf(text, sizeof text, "%s: there is no '%.60s'", key, value);
	struct diag *g = script_text_error(b, t, at, all, text);
	decode_suggest(g, value, names, n, "names");
	return false;
}

static bool
check_event_word(struct script_build *b, const struct script_text *t, size_t at, size_t n)
{
	char word[DRILL_EVENT_MAX], text[DRILL_EVENT_MAX + 80];
	snprintf(word, sizeof word, "%.*s", (int)n, t->s + at);
	char *eq = strchr(word, '=');
	size_t value_at = eq ? (size_t)(eq - word) + 1 : 0;
	if (!eq || eq == word || !eq[1]) {
		snprintf(text, sizeof text, "'%s': key=value or key!=value is wanted", word);
		script_text_error(b, t, at, n, text);
		return false;
	}
	*eq = '\0';
	if (eq[-1] == '!')
		eq[-1] = '\0';
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i], word))
			return check_event_value(b, t, at + value_at, word, word + value_at);
	snprintf(text, sizeof text, "events have no key '%.60s'", word);
	decode_suggest(script_text_error(b, t, at, strlen(word), text), word, keys, N_KEYS, "keys");
	return false;
}

bool
script_event_read(struct script_build *b, const struct script_text *t, char ret[DRILL_EVENT_MAX])
{
	size_t len = 0, word = 0;
	bool good = true;
	for (const char *p = t->s + strspn(t->s, " "); *p; word++) {
		size_t n = strcspn(p, " "), at = (size_t)(p - t->s);
		if (len + n + 2 > DRILL_EVENT_MAX) {
			script_text_error(b, t, 0, t->n, "the pattern of an event is too long");
			return false;
		}
		good = (word ? check_event_word(b, t, at, n) : check_event_name(b, t, at, n)) &&
		       good;
		len += (size_t)snprintf(ret + len, DRILL_EVENT_MAX - len, "%s%.*s", word ? " " : "",
		                        (int)n, p);
		p += n + strspn(p + n, " ");
	}
	return good;
}

/* ---- moments ----------------------------------------------------------------------------------
 */

/* Begin of the first step in which an action of that name acts; false: no such action. */
static bool
action_time(const struct script_build *b, const char *id, int64_t *ns)
{
	bool found = false;
	for (size_t i = 0; b->timed && i < b->n_actions; i++) {
		int64_t t = b->actions[i].k * b->topo->step_ns;
		if (strcmp(b->actions[i].id, id) != 0 || (found && t >= *ns))
			continue;
		*ns = t;
		found = true;
	}
	/* With errors in the timeline only names are known. */
	for (size_t i = 0; !b->timed && i < b->n_entries; i++)
		if (!strcmp(b->entries[i].id, id)) {
			*ns = 0;
			found = true;
		}
	return found;
}

/* An action, or the end of one, that does not take place. */
static bool
never_acts(const struct script_build *b, const char *id)
{
	size_t n = strlen(id);
	size_t begin = n > 4 && !strcmp(id + n - 4, ".end") ? n - 4 : n;
	for (size_t i = 0; b->lenient && i < b->n_entries; i++) {
		const char *name = b->entries[i].id;
		if (!strcmp(name, id) || (strlen(name) == begin && !strncmp(name, id, begin)))
			return true;
	}
	return false;
}

static bool
unknown_moment(struct script_build *b, const struct script_text *t, const char *key,
               const char *word)
{
	const char *names[SCRIPT_ENTRIES_MAX + EV_END_];
	char text[200];
	size_t n = 0;
	for (size_t i = 0; i < b->n_entries; i++)
		names[n++] = b->entries[i].id;
	for (uint32_t c = EV_NONE_ + 1; c < EV_END_; c++)
		names[n++] = event_name(c);
	snprintf(text, sizeof text, "%s: there is no action and no event '%s'", key, word);
	decode_suggest(script_text_error(b, t, 0, strlen(word), text), word, names, n,
	               "actions and events");
	return false;
}

bool
script_event_moment(struct script_build *b, const struct yamldoc_node *v, const char *key,
                    struct drill_moment *m)
{
	struct script_text t;
	char word[TOPO_ID_MAX + 16], why[UNIT_WHY_MAX], text[UNIT_WHY_MAX + 80];
	if (!v)
		return true;
	if (!script_text_expand(b, v, key, &t))
		return false;
	snprintf(m->text, sizeof m->text, "%.*s", DRILL_EVENT_MAX - 1, t.s);
	m->kind = MOMENT_TIME;
	size_t n = strcspn(t.s, " +");
	if (t.s[0] >= '0' && t.s[0] <= '9') {
		if (!unit_parse_ns(t.s, &m->ns, why))
			return true;
		snprintf(text, sizeof text, "%s: %s", key, why);
		script_text_error(b, &t, 0, t.n, text);
		return false;
	}
	snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), t.s);
	m->found = b->n_whens > 0;
	if (!action_time(b, word, &m->ns)) {
		if (never_acts(b, word)) {
			m->kind = MOMENT_NEVER;
			return true;
		}
		if (!script_event_starts(t.s, n))
			return unknown_moment(b, &t, key, word);
		m->kind = MOMENT_EVENT;
		return script_event_read(b, &t, m->event);
	}
	const char *op = t.s + n + strspn(t.s + n, " ");
	int64_t offset = 0;
	if (*op && *op != '+' && *op != '-') {
		snprintf(text, sizeof text,
		         "%s: after '%s' comes '+' or '-' and a time, like %s + 50ms", key, word,
		         word);
		script_text_error(b, &t, (size_t)(op - t.s), 1, text);
		return false;
	}
	if (*op && unit_parse_ns(op + 1 + strspn(op + 1, " "), &offset, why)) {
		snprintf(text, sizeof text, "%s: %s", key, why);
		script_text_error(b, &t, (size_t)(op - t.s), strlen(op), text);
		return false;
	}
	m->ns += *op == '-' ? -offset : offset;
	return true;
}
