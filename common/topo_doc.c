#include "topo_doc.h"

#include <string.h>

#include "json_out.h"
#include "script_build.h"
#include "topo_build.h"

/* ---- Markdown -------------------------------------------------------------------------------- */

static void
put_words(FILE *f, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		fprintf(f, "%s`%s`", i ? ", " : "", words[i]);
}

static void
put_kind(FILE *f, const struct field *fd)
{
	switch (fd->type) {
	case FIELD_NUMBER:
		fprintf(f, "%s", unit_quantity(fd->unit) + (fd->unit == UNIT_NONE ? 2 : 0));
		break;
	case FIELD_TIME:
		fputs("a time", f);
		break;
	case FIELD_WHOLE:
	case FIELD_SEED:
		fputs("whole number", f);
		break;
	case FIELD_BOOL:
		fputs("`true`, `false`", f);
		break;
	case FIELD_WORD:
		put_words(f, fd->words);
		break;
	case FIELD_NAME:
		fputs("name", f);
		break;
	case FIELD_CURVE:
		fputs("curve", f);
		break;
	case FIELD_SUB:
		fprintf(f, "mapping, see %s", fd->sub->what);
		break;
	case FIELD_CUSTOM:
		break; /* the meaning says it */
	}
	if (fd->may_be_none)
		fputs(", or `none`", f);
}

static void
put_range(FILE *f, const struct field *fd)
{
	char a[32], b[32];
	if (fd->type == FIELD_NUMBER || fd->type == FIELD_CURVE)
		fprintf(f, "%s .. %s", unit_format(a, sizeof a, fd->lo, fd->unit),
		        unit_format(b, sizeof b, fd->hi, fd->unit));
	else if (fd->type == FIELD_TIME)
		fprintf(f, "%s .. %s", unit_format(a, sizeof a, fd->lo * 1e-9, UNIT_SECOND),
		        unit_format(b, sizeof b, fd->hi * 1e-9, UNIT_SECOND));
	else if (fd->type == FIELD_WHOLE)
		fprintf(f, "%.0f .. %.0f", fd->lo, fd->hi);
}

static void
put_table(FILE *f, const struct schema *s)
{
	fputs("| key | value | range | default | meaning |\n|---|---|---|---|---|\n", f);
	for (size_t i = 0; i < s->n; i++) {
		const struct field *fd = &s->fields[i];
		fprintf(f, "| `%s` | ", fd->key);
		put_kind(f, fd);
		fputs(" | ", f);
		put_range(f, fd);
		fprintf(f, " | %s%s%s | %s", fd->dflt ? "`" : "", fd->dflt ? fd->dflt : "",
		        fd->dflt ? "`" : "", fd->doc);
		if (fd->effect == EFFECT_NOTE)
			fprintf(f, " (%s)", fd->effect_text);
		else if (fd->effect == EFFECT_REFUSED)
			fputs(" (not available in this release)", f);
		fputs(" |\n", f);
	}
}

/* The table of a schema, then those of its mappings, each once. */
static void
put_schema(FILE *f, const struct schema *s, const struct schema **told, size_t *n_told, size_t max)
{
	for (size_t i = 0; i < *n_told; i++)
		if (told[i] == s)
			return;
	if (*n_told == max)
		return;
	told[(*n_told)++] = s;
	fprintf(f, "\n## %s\n%s\n\n", s->what, s->doc);
	put_table(f, s);
	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].type == FIELD_SUB)
			put_schema(f, s->fields[i].sub, told, n_told, max);
}

void
topo_print_reference(FILE *f)
{
	const struct schema *told[32];
	size_t n = 0;
	fputs("# The topology file\n\n"
	      "YAML 1.1, one document, UTF-8. This page is written by `voltloom help topology` "
	      "from the table that\n"
	      "the program checks files with.\n\n"
	      "Values carry units: `[-]digits[.digits][e[-]digits][prefix]unit`, prefix one of p n "
	      "u m k M G, like\n"
	      "`48V`, `15.36mOhm`, `2e-06H`, `5%`. A bare number where a unit is due is an error. "
	      "Times that schedule\n"
	      "something are whole nanoseconds. A curve is a list of points `[at, level, ramp]`: "
	      "from the previous\n"
	      "level at `at`, reach `level` after `ramp`; before the first point the level is "
	      "0.\n\n"
	      "Ids are unique over nodes, links and modules. An entry starts from the defaults "
	      "below, then takes\n"
	      "`defaults:` of its kind, then its own keys, field by field, also inside mappings. "
	      "An entry with the id\n"
	      "of a generated one overrides that one in the same way; others are added. `<<: "
	      "*anchor` merges.\n\n",
	      f);
	fprintf(f,
	        "Limits: %d bytes, %d levels, %d values, %d nodes, %d links, %d modules, %d links "
	        "and %d ports per node.\n",
	        YAMLDOC_BYTES_MAX, YAMLDOC_DEPTH_MAX, YAMLDOC_NODES_MAX, TOPO_NODES_MAX,
	        TOPO_LINKS_MAX, TOPO_MODULES_MAX, TOPO_DEGREE_MAX, TOPO_PORTS_MAX);
	put_schema(f, &schema_root, told, &n, sizeof told / sizeof *told);
}

void
drill_print_reference(FILE *f)
{
	script_print_preface(f);
	put_table(f, &script_schema_root);
	fputs("\n## time\n\n", f);
	put_table(f, &script_schema_time);
	fputs("\n## timeline entry\n\n", f);
	put_table(f, &script_schema_entry);
	fputs("\n## steady_state\n\n", f);
	put_table(f, &script_schema_gate);
	fputs("\n## blast_radius\n\n", f);
	put_table(f, &script_schema_blast);
	fputs("\n## expect\n\n", f);
	put_table(f, &script_schema_expect);
	fputs("\n## Actions\n\n", f);
	script_print_reference(f);
	fputs("\n`voltloom drill --actions` prints this list, `--actions --json` the same for "
	      "programs: one object with\n"
	      "`actions`, each with `name`, `doc`, `targets` (node, module, link, relay), `for`, "
	      "and `with`: `name`, `doc`,\n"
	      "`type`, `unit`, `min`, `max`, `words`, `default`, `required`. `relay_kill` is for real "
	      "processes: in memory there is no\n"
	      "relay, which a note says, and with `--strict` the verdict is inconclusive.\n",
	      f);
	fputs("\nWith `for:` an action ends by itself: a cut is healed, a load goes back to the "
	      "level that was in force\n"
	      "before it (without an earlier `load`: the level that the topology gives for that "
	      "time), a short is\n"
	      "removed. The end of a cut or load is an action of its own, named after it with "
	      "`.end`, and is dropped\n"
	      "when its node is down by then.\n\n"
	      "Refused, because it cannot happen: a second kill of what is down, a start of what "
	      "runs, a start in the\n"
	      "step of its kill, a kill within two steps of the start, a cut of an open link, a "
	      "heal without a cut, an\n"
	      "action on a dead node, a start of a node that has a link cut.\n\n",
	      f);
	script_print_meaning(f);
}

/* ---- JSON Schema ----------------------------------------------------------------------------- */

static void schema_object(struct json_out *, const char *key, const struct schema *);

static void
unit_pattern(struct json_out *j, enum unit u)
{
	char pattern[120];
	bool prefix = u != UNIT_PERCENT;
	snprintf(pattern, sizeof pattern, "^-?[0-9]+(\\.[0-9]+)?(e-?[0-9]+)?%s%s$",
	         prefix ? "[pnumkMG]?" : "", unit_symbol(u));
	json_out_text(j, "type", "string");
	json_out_text(j, "pattern", pattern);
}

static void
schema_number(struct json_out *j, const struct field *f)
{
	if (f->unit == UNIT_NONE) {
		json_out_text(j, "type", "number");
		json_out_real(j, "minimum", f->lo);
		json_out_real(j, "maximum", f->hi);
	} else if (f->may_be_none) {
		json_out_array(j, "anyOf");
		json_out_object(j, NULL);
		json_out_text(j, "const", "none");
		json_out_end(j);
		json_out_object(j, NULL);
		unit_pattern(j, f->unit);
		json_out_end(j);
		json_out_end(j);
	} else {
		unit_pattern(j, f->unit);
	}
}

static void
schema_curve(struct json_out *j, const struct field *f)
{
	const enum unit units[] = { UNIT_SECOND, f->unit, UNIT_SECOND };
	json_out_text(j, "type", "array");
	json_out_object(j, "items");
	json_out_text(j, "type", "array");
	json_out_array(j, "prefixItems");
	for (size_t i = 0; i < 3; i++) {
		json_out_object(j, NULL);
		unit_pattern(j, units[i]);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_int(j, "minItems", 3);
	json_out_int(j, "maxItems", 3);
	json_out_end(j);
}

static void
schema_words(struct json_out *j, const struct field *f)
{
	json_out_array(j, "enum");
	for (size_t i = 0; f->words[i]; i++)
		json_out_text(j, NULL, f->words[i]);
	json_out_end(j);
}

static void
schema_field(struct json_out *j, const struct field *f)
{
	if (f->type == FIELD_SUB && !f->may_be_none) {
		schema_object(j, f->key, f->sub);
		return;
	}
	json_out_object(j, f->key);
	json_out_text(j, "description", f->doc);
	if (f->dflt)
		json_out_text(j, "default", f->dflt);
	switch (f->type) {
	case FIELD_NUMBER:
		schema_number(j, f);
		break;
	case FIELD_TIME:
		unit_pattern(j, UNIT_SECOND);
		break;
	case FIELD_WHOLE:
	case FIELD_SEED:
		json_out_text(j, "type", "integer");
		json_out_int(j, "minimum", f->type == FIELD_WHOLE ? (int64_t)f->lo : 0);
		if (f->type == FIELD_WHOLE)
			json_out_int(j, "maximum", (int64_t)f->hi);
		break;
	case FIELD_BOOL:
		json_out_text(j, "type", "boolean");
		break;
	case FIELD_WORD:
		schema_words(j, f);
		break;
	case FIELD_NAME:
		json_out_text(j, "type", "string");
		break;
	case FIELD_CURVE:
		schema_curve(j, f);
		break;
	case FIELD_SUB:
		json_out_array(j, "anyOf");
		json_out_object(j, NULL);
		json_out_text(j, "const", "none");
		json_out_end(j);
		schema_object(j, NULL, f->sub);
		json_out_end(j);
		break;
	case FIELD_CUSTOM:
		break;
	}
	json_out_end(j);
}

static void
schema_object(struct json_out *j, const char *key, const struct schema *s)
{
	json_out_object(j, key);
	json_out_text(j, "type", "object");
	json_out_text(j, "description", s->doc);
	json_out_bool(j, "additionalProperties", false);
	json_out_object(j, "properties");
	for (size_t i = 0; i < s->n; i++)
		schema_field(j, &s->fields[i]);
	json_out_end(j);
	json_out_end(j);
}

static void
schema_list(struct json_out *j, const char *key, const struct schema *s)
{
	json_out_object(j, key);
	json_out_text(j, "type", "array");
	schema_object(j, "items", s);
	json_out_end(j);
}

void
topo_print_json_schema(FILE *f)
{
	struct json_out j;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_out_text(&j, "title", "Voltloom topology, schema version 1");
	json_out_text(&j, "type", "object");
	json_out_bool(&j, "additionalProperties", false);
	json_out_array(&j, "required");
	json_out_text(&j, NULL, "voltloom");
	json_out_end(&j);
	json_out_object(&j, "properties");
	json_out_object(&j, "voltloom");
	json_out_int(&j, "const", 1);
	json_out_end(&j);
	schema_object(&j, "mesh", &schema_mesh);
	schema_object(&j, "defaults", &schema_defaults);
	json_out_object(&j, "generate");
	json_out_text(&j, "type", "object");
	json_out_int(&j, "minProperties", 1);
	json_out_int(&j, "maxProperties", 1);
	json_out_end(&j);
	schema_list(&j, "nodes", &schema_node);
	schema_list(&j, "links", &schema_link);
	schema_list(&j, "modules", &schema_module);
	json_out_end(&j);
	json_out_end(&j);
}
