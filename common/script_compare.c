/* `against:` of `compare`: which other run a figure is held against. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "script_build.h"

static const char *const forms[] = { [AGAINST_AGENT] = "agent",
	                             [AGAINST_CONTROL] = "control",
	                             [AGAINST_DRILL] = "drill",
	                             [AGAINST_TIMELINE] = "timeline" };
enum { N_FORMS = sizeof forms / sizeof *forms };

static void
read_control(struct script_build *b, const struct script_text *t, struct drill_check *c)
{
	static const char *const kinds[] = { [CONTROL_NONE] = "none",
		                             [CONTROL_DROOP] = "droop",
		                             [CONTROL_CONSENSUS] = "consensus" };
	char text[EXPR_TEXT_MAX + 40];
	for (int i = 0; i < 3; i++)
		if (!strcmp(kinds[i], t->s)) {
			c->against_control = i;
			return;
		}
	snprintf(text, sizeof text, "control: there is no '%.60s'", t->s);
	decode_suggest(script_text_error(b, t, 0, t->n, text), t->s, kinds, 3, "kinds");
}

static void
read_drill(struct script_build *b, const struct script_text *t, const char *path,
           struct drill_check *c)
{
	const char *slash = strrchr(path, '/');
	int dir = slash && t->s[0] != '/' ? (int)(slash - path) + 1 : 0;
	int n = snprintf(c->against_path, sizeof c->against_path, "%.*s%s", dir, path, t->s);
	if (n < 0 || (size_t)n >= sizeof c->against_path)
		script_text_error(b, t, 0, t->n, "drill: the path is too long");
	else if (access(c->against_path, R_OK))
		decode_error(&b->d, t->node, "drill: cannot read '%.200s': %s", c->against_path,
		             strerror(errno));
}

void
script_compare_read(struct script_build *b, const struct yamldoc_node *v, const char *path,
                    struct drill_check *c)
{
	struct script_text t;
	const struct yamldoc_node *value = NULL;
	if (v->kind != YAMLDOC_MAP || v->n != 1) {
		struct diag *g = decode_error(&b->d, v,
		                              "against: one other run is wanted, like { control: "
		                              "droop } or { timeline: none }");
		decode_suggest(g, "", forms, N_FORMS, "runs");
		return;
	}
	const struct yamldoc_node *key = v->pairs[0].key;
	c->against = AGAINST_NOTHING;
	for (int i = 0; i < N_FORMS; i++)
		if (!strcmp(forms[i], key->text)) {
			c->against = (enum drill_against)i;
			value = v->pairs[0].value;
		}
	if (!value) {
		struct diag *g =
			decode_error(&b->d, key, "against: there is no '%.60s'", key->text);
		decode_suggest(g, key->text, forms, N_FORMS, "runs");
		return;
	}
	if (c->against == AGAINST_AGENT) {
		decode_error(
			&b->d, key,
			"against: comparing agents is not available in this release: agents do "
			"not act yet");
		return;
	}
	if (!script_text_expand(b, value, key->text, &t))
		return;
	snprintf(c->against_text, sizeof c->against_text, "%s: %.80s", key->text, t.s);
	if (c->against == AGAINST_CONTROL)
		read_control(b, &t, c);
	else if (c->against == AGAINST_DRILL)
		read_drill(b, &t, path, c);
	else if (strcmp(t.s, "none") != 0)
		script_text_error(
			b, &t, 0, t.n,
			"timeline: only 'none' is known: the same drill without its actions");
}
