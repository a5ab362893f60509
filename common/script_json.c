/* The registry of actions for programs: `voltloom drill --actions --json`, docs/drills.md. */
#include <stdio.h>
#include <string.h>

#include "json_out.h"
#include "script_build.h"

static const char *
type_name(const struct field *w)
{
	switch (w->type) {
	case FIELD_NUMBER:
		return "number";
	case FIELD_TIME:
		return "time";
	case FIELD_WHOLE:
	case FIELD_SEED:
		return "integer";
	case FIELD_BOOL:
		return "boolean";
	case FIELD_WORD:
		return "word";
	case FIELD_NAME:
		return "id";
	default:
		return "map";
	}
}

static bool
needed(const struct action_params *p, const char *key)
{
	for (size_t i = 0; i < ACTION_NEEDS_MAX; i++)
		if (p->needs[i].key && !strcmp(p->needs[i].key, key))
			return true;
	return false;
}

static void
put_param(struct json_out *j, const struct action_params *p, const struct field *w)
{
	json_out_object(j, NULL);
	json_out_text(j, "name", w->key);
	json_out_text(j, "type", type_name(w));
	json_out_bool(j, "required", needed(p, w->key));
	json_out_text(j, "default", w->dflt);
	if (w->type == FIELD_NUMBER || w->type == FIELD_TIME) {
		/* Limits are in the unit that is written: 1 to 100 %. */
		double scale = w->type == FIELD_TIME ? 1e-9 : w->unit == UNIT_PERCENT ? 100 : 1;
		json_out_text(j, "unit",
		              unit_symbol(w->type == FIELD_TIME ? UNIT_SECOND : w->unit));
		json_out_real(j, "min", w->lo * scale);
		json_out_real(j, "max", w->hi * scale);
	}
	if (w->type == FIELD_WHOLE) {
		json_out_real(j, "min", w->lo);
		json_out_real(j, "max", w->hi);
	}
	if (w->type == FIELD_WORD) {
		json_out_array(j, "words");
		for (const char *const *word = w->words; *word; word++)
			json_out_text(j, NULL, *word);
		json_out_end(j);
	}
	json_out_text(j, "doc", w->doc);
	json_out_end(j);
}

void
script_print_actions_json(FILE *f)
{
	static const struct {
		int on;
		const char *name;
	} targets[] = { { ON_NODE, "node" },
		        { ON_MODULE, "module" },
		        { ON_LINK, "link" },
		        { ON_RELAY, "relay" } };
	struct json_out j;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_array(&j, "actions");
	for (size_t i = 0; i < SCRIPT_KINDS_; i++) {
		const struct action *r = &action_table[i];
		const struct action_params *p = &action_params[i];
		json_out_object(&j, NULL);
		json_out_text(&j, "name", r->name);
		json_out_array(&j, "targets");
		for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
			if (r->on & targets[t].on)
				json_out_text(&j, NULL, targets[t].name);
		json_out_end(&j);
		json_out_bool(&j, "for", r->may_last);
		json_out_array(&j, "with");
		for (size_t k = 0; k < p->with->n; k++)
			if (p->with->fields[k].effect == EFFECT_ACTS)
				put_param(&j, p, &p->with->fields[k]);
		json_out_end(&j);
		json_out_text(&j, "doc", r->doc);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_end(&j);
}
