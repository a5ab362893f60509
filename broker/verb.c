#include "verb.h"
#include "rundir.h"
#include "runview.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order of `voltloom help`. */
const struct verb *const verb_table[] = {
	&verb_init,   &verb_validate,   &verb_plan,      &verb_up,      &verb_run,    &verb_drill,
	&verb_down,
	&verb_ps,     &verb_top,        &verb_logs,      &verb_events,  &verb_export, &verb_report,
	&verb_kill,
	&verb_start,  &verb_stop,       &verb_cont,      &verb_cut,     &verb_heal,   &verb_close,
	&verb_degrade,
	&verb_load,   &verb_short, &verb_do,      &verb_pause,     &verb_resume,  &verb_step,   &verb_speed,
	&verb_doctor, &verb_completion, &verb_help_verb, &verb_version,
};
const size_t verb_table_n = sizeof verb_table / sizeof *verb_table;

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < verb_table_n; i++) {
		if (strcmp(verb_table[i]->name, name) == 0)
			return verb_table[i];
	}
	return NULL;
}

int
verb_fail(struct verb_call *c, const struct err *err, const char *help)
{
	term_error(c->talk, err->text, help);
	return err_exit_status(err->code);
}

int
verb_usage(struct verb_call *c, const char *help, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	term_error(c->talk, text, help);
	return EXIT_USAGE;
}

void
verb_next(struct verb_call *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* Where both go to one place, the answer stands before what comes next. */
	fflush(stdout);
	term_say(c->talk, TERM_DIM, "%s\n", text);
}

double
verb_timeout_s(const struct opt_value *timeout)
{
	return timeout->given ? (double)timeout->ns * 1e-9 : VERB_TIMEOUT_S;
}

/* ---- help ------------------------------------------------------------------------------- */

void
verb_synopsis(const struct verb *v, FILE *f)
{
	fprintf(f, "voltloom %s", v->name);
	for (int words = 1; words >= 0; words--) {
		for (size_t i = 0; i < v->n_opts; i++) {
			const struct opt *o = &v->opts[i];
			bool word = (o->flags & OPT_POSITIONAL) != 0;
			if (word != (words == 1))
				continue;
			fputs(o->flags & OPT_REQUIRED ? " " : " [", f);
			fprintf(f, word ? "%s" : "--%s", o->name);
			if (!word && o->kind != OPT_FLAG)
				fprintf(f, " %s", o->arg);
			fputs(o->flags & OPT_MANY ? "..." : "", f);
			fputs(o->flags & OPT_REQUIRED ? "" : "]", f);
		}
	}
	putc('\n', f);
}

void
verb_help(const struct verb *v, FILE *f)
{
	fprintf(f, "Examples:\n");
	for (const char *p = v->examples; *p;) {
		size_t n = strcspn(p, "\n");
		fprintf(f, "  %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
	fprintf(f, "\nUsage: ");
	verb_synopsis(v, f);
	fprintf(f, "  %s\n", v->line);
	if (v->text)
		fprintf(f, "\n%s\n", v->text);
	fprintf(f, "\nArguments:\n");
	for (size_t i = 0; i < v->n_opts; i++) {
		const struct opt *o = &v->opts[i];
		char left[64], letter[8] = "    ";
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		if (o->flags & OPT_POSITIONAL)
			snprintf(left, sizeof left, "%s", o->name);
		else
			snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name,
			         o->kind == OPT_FLAG ? "" : " ", o->kind == OPT_FLAG ? "" : o->arg);
		fprintf(f, "  %-26s %s\n", left, o->help);
	}
	fprintf(f, "  %-26s %s\n", "-h, --help", "this text");
}

/* ---- a running mesh --------------------------------------------------------------------- */

bool
verb_mesh_open(struct verb_call *c, const struct opt_value *name, struct verb_mesh *m, int *status)
{
	struct err err = ERR_INIT;
	char help[256] = "", path[RUNDIR_PATH_MAX + 16];
	memset(m, 0, sizeof *m);
	int rc = mesh_list_scan(&m->list, &err);
	if (!rc)
		rc = mesh_list_select(&m->list, name->given ? name->text : NULL, &m->entry, help,
		                      &err);
	if (!rc)
		rc = client_open(m->entry->sock_dir, &m->entry->supervisor, &m->client, &err);
	if (rc) {
		*status = verb_fail(c, &err, help);
		verb_mesh_close(m);
		return false;
	}
	/* Only for names: without it the supervisor checks them. */
	struct diag_list diags;
	diag_list_init(&diags);
	if (topo_load(m->entry->topology, &diags, &m->topo, NULL)) {
		snprintf(path, sizeof path, "%s/mesh.yaml", m->entry->run_dir);
		if (topo_load(path, &diags, &m->topo, NULL))
			m->topo = NULL;
	}
	diag_list_free(&diags);
	return true;
}

void
verb_mesh_close(struct verb_mesh *m)
{
	client_close(&m->client);
	topo_destroy(&m->topo);
	mesh_list_free(&m->list);
	m->entry = NULL;
}

bool
verb_mesh_ask(struct verb_call *c, struct verb_mesh *m, const char *what,
              const struct client_arg *args, size_t n_args, double timeout_s,
              struct client_reply *r, int *status)
{
	struct err err = ERR_INIT;
	if (client_ask(m->client, what, args, n_args, timeout_s, r, &err)) {
		*status = verb_fail(c, &err,
		                    err.code == ERR_TIMEOUT ? "see what it is doing: voltloom ps"
		                                            : NULL);
		return false;
	}
	if (!r->ok) {
		term_error(c->talk, r->text, NULL);
		*status = r->code ? r->code : EXIT_INFRA;
		client_reply_free(r);
		return false;
	}
	return true;
}

/* ---- names ------------------------------------------------------------------------------ */

static const char *
kinds_text(unsigned kinds)
{
	if (kinds & ID_LINK)
		return "link";
	return kinds & ID_MODULE ? "node or module" : "node";
}

static bool
is_known(const struct topo *t, const char *id, unsigned kinds)
{
	return (kinds & ID_NODE && topo_find_node(t, id) >= 0) ||
	       (kinds & ID_MODULE && topo_find_module(t, id) >= 0) ||
	       (kinds & ID_LINK && topo_find_link(t, id) >= 0) ||
	       (kinds & ID_RELAY && strcmp(id, "relay") == 0);
}

int
verb_check_id(struct verb_call *c, const struct topo *t, const char *id, unsigned kinds)
{
	char help[256] = "";
	if (!t || is_known(t, id, kinds))
		return EXIT_OK;
	unsigned all = ID_NODE | ID_MODULE | ID_LINK;
	if (is_known(t, id, all))
		return verb_usage(c, NULL, "'%s' is a %s; this needs a %s", id,
		                  topo_find_link(t, id) >= 0   ? "link"
		                  : topo_find_node(t, id) >= 0 ? "node"
		                                               : "module",
		                  kinds_text(kinds));
	const char **names = calloc(t->n_nodes + t->n_modules + t->n_links + 1, sizeof *names);
	size_t n = 0;
	for (size_t i = 0; names && kinds & ID_NODE && i < t->n_nodes; i++)
		names[n++] = t->nodes[i].id;
	for (size_t i = 0; names && kinds & ID_MODULE && i < t->n_modules; i++)
		names[n++] = t->modules[i].id;
	for (size_t i = 0; names && kinds & ID_LINK && i < t->n_links; i++)
		names[n++] = t->links[i].id;
	const char *near = names ? diag_nearest(id, names, n) : NULL;
	if (near)
		snprintf(help, sizeof help, "did you mean '%s'?", near);
	else if (n > 0)
		snprintf(help, sizeof help, "there are %s ... %s", names[0], names[n - 1]);
	free(names);
	return verb_usage(c, help, "%s has no %s '%s'", t->name, kinds_text(kinds), id);
}

/* ---- input files ------------------------------------------------------------------------ */

/* Notes are for `validate`: here they would be said at every start. */
static void
print_problems(const struct diag_list *all, FILE *f)
{
	struct diag_list shown = *all;
	shown.d = calloc(all->n ? all->n : 1, sizeof *shown.d);
	shown.n = 0;
	for (size_t i = 0; shown.d && i < all->n; i++) {
		if (all->d[i].level != DIAG_NOTE)
			shown.d[shown.n++] = all->d[i];
	}
	diag_print(&shown, f, DIAG_TEXT);
	free(shown.d);
}

struct topo *
verb_load_topo(struct verb_call *c, const char *path, int *status)
{
	struct diag_list diags;
	struct topo *t = NULL;
	struct err err = ERR_INIT;
	diag_list_init(&diags);
	int rc = topo_load(path, &diags, &t, &err);
	if (!c->talk->quiet || rc)
		print_problems(&diags, c->talk->f);
	if (rc && diags.n_errors == 0)
		*status = verb_fail(c, &err, NULL);
	else if (rc)
		*status = err_exit_status(rc);
	diag_list_free(&diags);
	return rc ? NULL : t;
}

int
verb_data_file(const struct verb_call *c, const char *folder, const char *name,
               char path[RUNDIR_PATH_MAX], struct err *err)
{
	int n = snprintf(path, RUNDIR_PATH_MAX, "%s/%s/%s.yaml", c->data_dir, folder, name);
	if (n >= RUNDIR_PATH_MAX || access(path, R_OK))
		return err_sys(err, ERR_IO, "%s, which comes with voltloom, is not there", path);
	return 0;
}

int
verb_open_run(struct verb_call *c, const char *dir, struct runview **ret)
{
	char latest[RUNDIR_PATH_MAX];
	struct err err = ERR_INIT;
	if (strcmp(dir, "latest") == 0) {
		if (rundir_latest(NULL, latest, &err))
			return verb_fail(c, &err, "make one: voltloom run TOPOLOGY --for 600ms");
		dir = latest;
	}
	return runview_open(dir, ret, &err) ? verb_fail(c, &err, NULL) : EXIT_OK;
}
