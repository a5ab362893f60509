#include "drill_result.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "json_out.h"
#include "script.h"

static double
seconds(const struct drill_run *r, int64_t k)
{
	/* In whole nanoseconds first, so that the digits are those of the decimal time. */
	return (double)(k * r->topo->step_ns) / 1e9;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static size_t
quoted(char *buf, size_t size, size_t len, const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "_-./=:,+@%";
	bool plain = word[0] && strspn(word, safe) == strlen(word);
	int n = plain ? snprintf(buf + len, size - len, " %s", word)
	              : snprintf(buf + len, size - len, " '");
	len += n > 0 ? (size_t)n : 0;
	for (const char *p = word; !plain && *p && len + 6 < size; p++)
		len += (size_t)snprintf(buf + len, size - len, *p == '\'' ? "'\\''" : "%c", *p);
	if (!plain && len + 2 < size)
		len += (size_t)snprintf(buf + len, size - len, "'");
	return len < size ? len : size - 1;
}

static bool
is_given(const struct drill_run *r, const char *word, size_t n)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (!strncmp(r->params[i], word, n) && r->params[i][n] == '=')
			return true;
	return false;
}

void
drill_reproduce(const struct drill_run *r, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "voltloom drill");
	len = quoted(buf, size, len, r->file);
	len += (size_t)snprintf(buf + len, size - len, " --seed %" PRIu64, r->seed);
	for (size_t i = 0; i < r->n_params && len + 10 < size; i++) {
		len += (size_t)snprintf(buf + len, size - len, " --param");
		len = quoted(buf, size, len, r->params[i]);
	}
	/* The combination of the matrix. */
	char copy[256], *save = NULL;
	snprintf(copy, sizeof copy, "%s", r->script->chosen);
	for (char *p = strtok_r(copy, " ", &save); p && len + 10 < size;
	     p = strtok_r(NULL, " ", &save)) {
		if (is_given(r, p, strcspn(p, "=")))
			continue;
		len += (size_t)snprintf(buf + len, size - len, " --param");
		len = quoted(buf, size, len, p);
	}
	if (r->strict && len + 10 < size)
		snprintf(buf + len, size - len, " --strict");
}

void
drill_title(const struct drill_run *r, bool seed, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "%s", r->script->name);
	if (r->script->chosen[0] && len < size)
		len += (size_t)snprintf(buf + len, size - len, " [%s]", r->script->chosen);
	if (seed && len < size)
		snprintf(buf + len, size - len, " seed %" PRIu64, r->seed);
}

/* The condition or event of an item. */
static const char *
item_text(const struct drill_item *it)
{
	return it->check ? it->check->text : expr_text(it->expr);
}

static unsigned
item_line(const struct drill_run *r, size_t i)
{
	const struct drill_checks *c = r->script->checks;
	const struct drill_item *it = &r->outcome->items[i];
	if (it->check)
		return it->check->line;
	for (size_t g = 0; g < c->n_gates; g++)
		if (c->gates[g].expr == it->expr)
			return c->gates[g].line;
	return 1;
}

/* ---- result.json ------------------------------------------------------------------------------
 */

static void
json_time(struct json_out *j, const struct drill_run *r, const char *key, int64_t k)
{
	json_out_real(j, key, k < 0 ? NAN : seconds(r, k));
}

static void
json_faults(struct json_out *j, const struct drill_run *r)
{
	json_out_array(j, "faults");
	for (size_t i = 0; i < r->outcome->n_faults; i++) {
		const struct drill_fault *f = &r->outcome->faults[i];
		json_out_object(j, NULL);
		json_out_text(j, "id", f->action->id);
		json_out_text(j, "action", script_action_name(f->action->kind));
		json_out_text(j, "target", f->target);
		json_out_text(j, "when", f->when);
		if (f->action->k < 0)
			json_out_real(j, "step", NAN);
		else
			json_out_int(j, "step", f->action->k);
		json_time(j, r, "t_s", f->action->k);
		json_out_bool(j, "heals", f->heals);
		json_out_bool(j, "proved", f->proved);
		json_out_text(j, "evidence", f->text);
		json_out_end(j);
	}
	json_out_end(j);
}

static void
json_item(struct json_out *j, const struct drill_run *r, const struct drill_item *it)
{
	json_out_object(j, NULL);
	json_out_text(j, "id", it->id);
	json_out_text(j, "operator", it->op);
	json_out_text(j, "expects", item_text(it));
	json_out_text(j, "verdict", drill_verdict_name(it->verdict));
	json_out_bool(j, "vacuous", it->vacuous);
	bool began = it->to_k >= it->from_k;
	json_time(j, r, "from_s", began ? it->from_k : -1);
	json_time(j, r, "to_s", began ? it->to_k : -1);
	json_out_int(j, "samples", it->n_samples);
	json_out_real(j, "observed", it->has_value ? it->observed : NAN);
	json_out_text(j, "relation", it->has_value ? it->bound_op : NULL);
	json_out_real(j, "bound", it->has_value ? it->bound : NAN);
	json_out_real(j, "reference", it->has_reference ? it->reference : NAN);
	json_out_text(j, "unit",
	              !it->has_value || it->unit >= UNIT_END_ ? NULL : unit_symbol(it->unit));
	json_out_text(j, "signal", it->who[0] ? it->who : NULL);
	json_time(j, r, "t_s", it->at_k);
	json_time(j, r, "first_violation_s", it->first_k);
	json_out_text(j, "text", it->text);
	json_out_end(j);
}

static void
json_params(struct json_out *j, const struct drill_run *r)
{
	char copy[256], *save = NULL;
	json_out_object(j, "parameters");
	for (size_t i = 0; i < r->n_params; i++) {
		snprintf(copy, sizeof copy, "%.*s", (int)strcspn(r->params[i], "="), r->params[i]);
		json_out_text(j, copy, r->params[i] + strcspn(r->params[i], "=") + 1);
	}
	snprintf(copy, sizeof copy, "%s", r->script->chosen);
	for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(p, '=');
		if (!eq || is_given(r, p, (size_t)(eq - p)))
			continue;
		*eq = '\0';
		json_out_text(j, p, eq + 1);
	}
	json_out_end(j);
}

void
drill_result_json(const struct drill_run *r, FILE *f)
{
	struct json_out j;
	char line[1024];
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_int(&j, "result", 1);
	json_out_text(&j, "drill", r->script->name);
	json_out_text(&j, "mesh", r->topo->name);
	json_out_int(&j, "seed", (int64_t)r->seed);
	json_params(&j, r);
	json_out_text(&j, "verdict", drill_verdict_name(r->verdict));
	json_out_int(&j, "exit_status", (int)r->verdict);
	json_out_bool(&j, "strict", r->strict);
	json_out_real(&j, "step_s", (double)r->topo->step_ns / 1e9);
	json_out_real(&j, "duration_s", (double)r->script->duration_ns / 1e9);
	json_out_real(&j, "end_s", (double)r->script->end_ns / 1e9);
	drill_reproduce(r, line, sizeof line);
	json_out_text(&j, "reproduce", line);
	json_out_text(&j, "error", r->error && r->error[0] ? r->error : NULL);
	if (r->outcome) {
		json_faults(&j, r);
		json_out_array(&j, "expectations");
		for (size_t i = 0; i < r->outcome->n_items; i++)
			json_item(&j, r, &r->outcome->items[i]);
		json_out_end(&j);
		json_out_object(&j, "summary");
		summary_json(&r->outcome->summary, r->topo, &j);
		json_out_end(&j);
	}
	json_out_end(&j);
}

/* ---- JUnit ------------------------------------------------------------------------------------
 */

void
drill_xml_text(FILE *f, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '&')
			fputs("&amp;", f);
		else if (*p == '<')
			fputs("&lt;", f);
		else if (*p == '>')
			fputs("&gt;", f);
		else if (*p == '"')
			fputs("&quot;", f);
		else if (*p == '\'')
			fputs("&#39;", f);
		else if (*p < 0x20 && *p != '\n' && *p != '\t')
			fputs("\xef\xbf\xbd", f);
		else
			putc(*p, f);
	}
}

static void
attribute(FILE *f, const char *name, const char *value)
{
	fprintf(f, " %s=\"", name);
	drill_xml_text(f, value);
	putc('"', f);
}

void
drill_junit_begin(FILE *f)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", f);
}

void
drill_junit_end(FILE *f)
{
	fputs("</testsuites>\n", f);
}

static void
junit_case(FILE *f, const struct drill_run *r, const char *name, const char *class,
           enum drill_verdict v, const char *text)
{
	char line[1024];
	fputs("    <testcase", f);
	attribute(f, "name", name);
	attribute(f, "classname", class);
	fputs(" time=\"0\"", f);
	if (v == DRILL_PASS) {
		fputs("/>\n", f);
		return;
	}
	bool failure = v == DRILL_FAIL || v == DRILL_ABORTED;
	fprintf(f, ">\n      <%s", failure ? "failure" : "error");
	attribute(f, "message", text);
	attribute(f, "type", drill_verdict_name(v));
	putc('>', f);
	drill_xml_text(f, text);
	drill_reproduce(r, line, sizeof line);
	fputs("\nreproduce: ", f);
	drill_xml_text(f, line);
	fprintf(f, "</%s>\n    </testcase>\n", failure ? "failure" : "error");
}

static void
count(enum drill_verdict v, unsigned *failures, unsigned *errors)
{
	if (v == DRILL_FAIL || v == DRILL_ABORTED)
		++*failures;
	else if (v != DRILL_PASS)
		++*errors;
}

/* The faults together are one case: they are the ground on which the others stand. */
static void
junit_faults(FILE *f, const struct drill_run *r, const char *class)
{
	const struct drill_outcome *o = r->outcome;
	char text[DRILL_LINE_MAX + TOPO_ID_MAX + 40] = "";
	enum drill_verdict v = o->n_proved == o->n_faults ? DRILL_PASS : DRILL_INCONCLUSIVE;
	for (size_t i = o->n_faults; i-- > 0;)
		if (!o->faults[i].proved)
			snprintf(text, sizeof text, "not proved: %s: %s", o->faults[i].action->id,
			         o->faults[i].text);
	junit_case(f, r, "faults fired", class, v, text);
}

static void
junit_time(FILE *f, const char *what, const struct drill_time *t)
{
	fprintf(f,
	        "      <property name=\"%s_s\" value=\"%.6f\"/>\n"
	        "      <property name=\"%s_cpu_s\" value=\"%.6f\"/>\n",
	        what, t->wall_s, what, t->cpu_s);
}

void
drill_junit_suite(const struct drill_run *r, FILE *f)
{
	const struct drill_outcome *o = r->outcome;
	unsigned failures = 0, errors = 0;
	char class[400], name[TOPO_ID_MAX + 40], text[32];
	drill_title(r, true, class, sizeof class);
	for (size_t i = 0; o && i < o->n_items; i++)
		count(o->items[i].verdict, &failures, &errors);
	if (!o)
		errors++;
	else if (o->n_proved < o->n_faults)
		errors++;
	fputs("  <testsuite", f);
	attribute(f, "name", class);
	fprintf(f, " tests=\"%zu\" failures=\"%u\" errors=\"%u\" skipped=\"0\" time=\"%.3f\">\n",
	        o ? o->n_items + 1 : 1, failures, errors, r->wall_s);
	fputs("    <properties>\n      <property", f);
	attribute(f, "name", "seed");
	snprintf(text, sizeof text, "%" PRIu64, r->seed);
	attribute(f, "value", text);
	fputs("/>\n      <property", f);
	attribute(f, "name", "mesh");
	attribute(f, "value", r->topo->name);
	fputs("/>\n", f);
	junit_time(f, "play", &r->play);
	junit_time(f, "trace", &r->trace);
	junit_time(f, "evaluate", &r->evaluate);
	junit_time(f, "report", &r->report);
	fputs("    </properties>\n", f);
	if (!o)
		junit_case(f, r, "run", class, DRILL_ERROR, r->error ? r->error : "");
	else
		junit_faults(f, r, class);
	for (size_t i = 0; o && i < o->n_items; i++) {
		const struct drill_item *it = &o->items[i];
		snprintf(name, sizeof name, "%s%s", it->id,
		         it->kind == ITEM_BEFORE  ? " (before)"
		         : it->kind == ITEM_AFTER ? " (after healing)"
		                                  : "");
		junit_case(f, r, name, class, it->verdict, it->text);
	}
	fputs("  </testsuite>\n", f);
}

/* ---- GitHub -----------------------------------------------------------------------------------
 */

/* Workflow commands: % and line breaks are escaped, in properties also : and , */
static void
github_text(FILE *f, const char *text, bool property)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\n' || *text == '\r' ||
		    (property && (*text == ':' || *text == ',')))
			fprintf(f, "%%%02X", (unsigned char)*text);
		else
			putc(*text, f);
	}
}

static void
annotation(FILE *f, const struct drill_run *r, unsigned line, const char *id, const char *text)
{
	char title[400];
	drill_title(r, true, title, sizeof title);
	fputs("::error file=", f);
	github_text(f, r->file, true);
	fprintf(f, ",line=%u,title=", line ? line : 1);
	github_text(f, title, true);
	fputs("::", f);
	github_text(f, id, false);
	fputs(": ", f);
	github_text(f, text, false);
	putc('\n', f);
}

void
drill_github(const struct drill_run *r, FILE *f)
{
	const struct drill_outcome *o = r->outcome;
	if (!o)
		annotation(f, r, 1, drill_verdict_name(r->verdict), r->error ? r->error : "");
	for (size_t i = 0; o && i < o->n_faults; i++)
		if (!o->faults[i].proved)
			annotation(f, r, o->faults[i].action->line, o->faults[i].action->id,
			           o->faults[i].text);
	for (size_t i = 0; o && i < o->n_items; i++)
		if (o->items[i].verdict != DRILL_PASS)
			annotation(f, r, item_line(r, i), o->items[i].id, o->items[i].text);
}

/* Text in a cell of a Markdown table. */
static void
cell(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (strchr("|\\`*_<>[]", *text))
			putc('\\', f);
		putc(*text == '\n' ? ' ' : *text, f);
	}
}

void
drill_summary_row(const struct drill_run *r, FILE *f)
{
	char title[400], line[1024];
	const struct drill_outcome *o = r->outcome;
	drill_title(r, false, title, sizeof title);
	fprintf(f, "| %s | ", drill_verdict_name(r->verdict));
	cell(f, title);
	fprintf(f, " | %" PRIu64 " | ", r->seed);
	bool first = true;
	for (size_t i = 0; o && i < o->n_items; i++) {
		if (o->items[i].verdict == DRILL_PASS)
			continue;
		fputs(first ? "" : "; ", f);
		first = false;
		cell(f, o->items[i].id);
		fputs(": ", f);
		cell(f, o->items[i].text);
	}
	if (!o)
		cell(f, r->error ? r->error : "");
	if (r->verdict != DRILL_PASS) {
		drill_reproduce(r, line, sizeof line);
		fputs(" | `", f);
		for (const char *p = line; *p; p++)
			if (*p == '|')
				fputs("\\|", f);
			else if (*p != '`')
				putc(*p, f);
		fputs("` |\n", f);
	} else {
		fputs(" |  |\n", f);
	}
}

/* ---- people -----------------------------------------------------------------------------------
 */

void
drill_lines(const struct drill_run *r, bool all, FILE *f)
{
	static const char *const words[] = { [DRILL_PASS] = "ok",
		                             [DRILL_FAIL] = "FAIL",
		                             [DRILL_INCONCLUSIVE] = "?",
		                             [DRILL_ABORTED] = "ABORT" };
	const struct drill_outcome *o = r->outcome;
	if (!o) {
		fprintf(f, "  %s\n", r->error ? r->error : "");
		return;
	}
	for (size_t i = 0; i < o->n_faults; i++)
		if (!o->faults[i].proved)
			fprintf(f, "  %-5s %-20s not proved: %s\n", "?", o->faults[i].action->id,
			        o->faults[i].text);
	for (size_t i = 0; i < o->n_items; i++) {
		const struct drill_item *it = &o->items[i];
		if (!all && it->verdict == DRILL_PASS)
			continue;
		fprintf(f, "  %-5s %-20s %s: %s\n", words[it->verdict], it->id, it->op, it->text);
	}
}
