/* help version completion: made from the table of verbs. */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "json_out.h"
#include "topo_doc.h"
#include "verb.h"

static const char *const group_titles[] = {
	[GROUP_MESH] = "Run a mesh",
	[GROUP_LOOK] = "Look at it",
	[GROUP_BREAK] = "Break and mend it",
	[GROUP_TIME] = "Its clock",
	[GROUP_FILES] = "Files",
	[GROUP_OTHER] = "Other",
};
enum { N_GROUPS = sizeof group_titles / sizeof *group_titles };

/* ---- help ------------------------------------------------------------------------------- */

static void
print_overview(void)
{
	printf("voltloom %s: a power mesh of real processes on this machine\n\n"
	       "  voltloom up --demo --detach   # start a rack of 8 nodes\n"
	       "  voltloom top                  # watch it\n"
	       "  voltloom kill n3              # break something\n"
	       "  voltloom down                 # stop it\n",
	       VL_VERSION);
	for (int g = 0; g < N_GROUPS; g++) {
		printf("\n%s:\n", group_titles[g]);
		for (size_t i = 0; i < verb_table_n; i++) {
			if ((int)verb_table[i]->group == g)
				printf("  %-12s %s\n", verb_table[i]->name, verb_table[i]->line);
		}
	}
	printf("\nMore: voltloom VERB --help | voltloom help exit-codes | man voltloom\n");
}

static void
print_exit_codes(FILE *f)
{
	fprintf(f, "Exit status, the same for every verb:\n");
#define X(name, code, text) fprintf(f, "  %3d  %s\n", code, text);
	EXIT_TABLE(X)
#undef X
}

/* roff: a dot or quote at the start of a line, backslashes and hyphens are special. */
static void
roff(const char *s)
{
	bool start = true;
	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
		start = *s == '\n';
	}
}

static void
roff_option(const struct opt *o)
{
	printf(".TP\n");
	if (o->flags & OPT_POSITIONAL) {
		printf(".I ");
		roff(o->name);
	} else {
		printf(".B ");
		if (o->letter)
			printf("\\-%c, ", o->letter);
		printf("\\-\\-");
		roff(o->name);
		if (o->kind != OPT_FLAG) {
			printf(" \\fI");
			roff(o->arg);
			printf("\\fR");
		}
	}
	putchar('\n');
	roff(o->help);
	putchar('\n');
}

static void
print_man(void)
{
	printf(".TH VOLTLOOM 1 \"\" \"voltloom %s\" \"User Commands\"\n.SH NAME\nvoltloom \\- a "
	       "power mesh "
	       "of real processes\n.SH SYNOPSIS\n.B voltloom\n.I VERB\n[arguments]\n.SH "
	       "DESCRIPTION\n"
	       "One process per converter node and compute module, in lock\\-step over ZeroMQ, "
	       "from a "
	       "topology file to live power flow.\nData goes to stdout, talk to stderr.\n",
	       VL_VERSION);
	for (int g = 0; g < N_GROUPS; g++) {
		printf(".SH ");
		for (const char *p = group_titles[g]; *p; p++)
			putchar(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		putchar('\n');
		for (size_t i = 0; i < verb_table_n; i++) {
			const struct verb *v = verb_table[i];
			if ((int)v->group != g)
				continue;
			printf(".SS %s\n", v->name);
			roff(v->line);
			printf(".\n.PP\n.nf\n");
			roff(v->examples);
			printf(".fi\n");
			if (v->text) {
				printf(".PP\n");
				roff(v->text);
				putchar('\n');
			}
			for (size_t o = 0; o < v->n_opts; o++)
				roff_option(&v->opts[o]);
		}
	}
	printf(".SH EXIT STATUS\n");
#define X(name, code, text) printf(".TP\n.B %d\n%s\n", code, text);
	EXIT_TABLE(X)
#undef X
	printf(".SH ENVIRONMENT\n.TP\n.B XDG_STATE_HOME\nruns are kept in voltloom/runs below it "
	       "(default ~/.local/state)\n.TP\n.B XDG_RUNTIME_DIR, TMPDIR\nsockets live in vl/ "
	       "below the "
	       "first, else in vl\\-UID/ below the second\n.TP\n.B NO_COLOR\nno colours\n");
}

enum { HELP_TOPIC, HELP_MAN };
static const struct opt help_opts[] = {
	[HELP_TOPIC] = { "TOPIC", 0, OPT_TEXT, OPT_POSITIONAL, "TOPIC", "a verb, exit-codes, topology or drills",
	                 UNIT_NONE },
	[HELP_MAN] = { "man", 0, OPT_FLAG, 0, NULL, "the whole manual page, as roff", UNIT_NONE },
};

/* What can be asked for besides verbs. */
static const struct {
	const char *name;
	void (*print)(FILE *);
} pages[] = {
	{ "exit-codes", print_exit_codes },
	{ "topology", topo_print_reference },
	{ "drills", drill_print_reference },
};
enum { N_PAGES = sizeof pages / sizeof *pages };

static int
run_help(struct verb_call *c)
{
	const char *topic = c->v[HELP_TOPIC].text;
	if (c->v[HELP_MAN].given) {
		print_man();
		return EXIT_OK;
	}
	if (!topic) {
		print_overview();
		return EXIT_OK;
	}
	for (size_t i = 0; i < N_PAGES; i++) {
		if (strcmp(topic, pages[i].name) == 0) {
			pages[i].print(stdout);
			return EXIT_OK;
		}
	}
	const struct verb *v = verb_find(topic);
	if (v) {
		verb_help(v, stdout);
		return EXIT_OK;
	}
	const char *names[64];
	char help[256] = "";
	for (size_t i = 0; i < verb_table_n; i++)
		names[i] = verb_table[i]->name;
	for (size_t i = 0; i < N_PAGES; i++)
		names[verb_table_n + i] = pages[i].name;
	const char *near = diag_nearest(topic, names, verb_table_n + N_PAGES);
	if (near)
		snprintf(help, sizeof help, "did you mean '%s'?", near);
	return verb_usage(c, help, "no help about '%s'", topic);
}

const struct verb verb_help_verb = {
	"help",
	GROUP_OTHER,
	"what verbs there are, or one of them",
	"voltloom help\n"
	"voltloom help kill\n"
	"voltloom help exit-codes\n"
	"voltloom help --man | man -l -\n",
	NULL,
	help_opts,
	sizeof help_opts / sizeof *help_opts,
	run_help,
};

/* ---- version ---------------------------------------------------------------------------- */

enum { VERSION_JSON };
static const struct opt version_opts[] = { [VERSION_JSON] = OPT_ROW_JSON };

static int
run_version(struct verb_call *c)
{
	int major, minor, patch;
	zmq_version(&major, &minor, &patch);
	if (c->v[VERSION_JSON].given) {
		char zmq[32];
		struct json_out j;
		snprintf(zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
		json_out_init(&j, stdout);
		json_out_object(&j, NULL);
		json_out_text(&j, "voltloom", VL_VERSION);
		json_out_text(&j, "libzmq", zmq);
		json_out_text(&j, "compiler", __VERSION__);
		json_out_end(&j);
	} else {
		printf("voltloom %s (libzmq %d.%d.%d, compiler %s)\n", VL_VERSION, major, minor,
		       patch, __VERSION__);
	}
	return EXIT_OK;
}

const struct verb verb_version = {
	"version",
	GROUP_OTHER,
	"the version of voltloom and of what it is made with",
	"voltloom version\n",
	NULL,
	version_opts,
	sizeof version_opts / sizeof *version_opts,
	run_version,
};

/* ---- completion ------------------------------------------------------------------------- */

enum { COMPLETION_WHAT };
static const struct opt completion_opts[] = {
	[COMPLETION_WHAT] = { "WHAT", 0, OPT_CHOICE, OPT_POSITIONAL | OPT_REQUIRED,
	                      "bash|zsh|fish|ids|meshes",
	                      "a shell; or the names that its script asks for: ids, meshes",
	                      UNIT_NONE },
};

static void
print_words(const struct verb *v)
{
	for (size_t i = 0; i < v->n_opts; i++) {
		if (!(v->opts[i].flags & OPT_POSITIONAL))
			printf("--%s ", v->opts[i].name);
	}
	printf("--help");
}

static unsigned
positional_flags(const struct verb *v)
{
	unsigned flags = 0;
	for (size_t i = 0; i < v->n_opts; i++)
		flags |= v->opts[i].flags & OPT_POSITIONAL ? v->opts[i].flags : 0;
	return flags;
}

static void
print_bash(void)
{
	printf("# bash completion of voltloom: source <(voltloom completion bash)\n"
	       "_voltloom() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} opts= "
	       "words= files=\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < verb_table_n; i++)
		printf("%s%s", i ? " " : "", verb_table[i]->name);
	printf("' -- \"$cur\"))\n\t\treturn\n\tfi\n"
	       "\tcase $prev in\n"
	       "\t--mesh|-m) COMPREPLY=($(compgen -W \"$(voltloom completion meshes 2>/dev/null)\" "
	       "-- \"$cur\")); return ;;\n"
	       "\t--drill|--out) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	       "\tesac\n"
	       "\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < verb_table_n; i++) {
		const struct verb *v = verb_table[i];
		unsigned flags = positional_flags(v);
		printf("\t%s) opts='", v->name);
		print_words(v);
		printf("'");
		for (size_t o = 0; o < v->n_opts; o++) {
			if (v->opts[o].flags & OPT_POSITIONAL && v->opts[o].kind == OPT_CHOICE) {
				printf("; words='");
				for (const char *p = v->opts[o].arg; *p; p++)
					putchar(*p == '|' ? ' ' : *p);
				printf("'");
			}
		}
		if (v == &verb_help_verb) {
			printf("; words='exit-codes");
			for (size_t w = 0; w < verb_table_n; w++)
				printf(" %s", verb_table[w]->name);
			printf("'");
		}
		if (flags & OPT_ID)
			printf("; words=$(voltloom completion ids 2>/dev/null)");
		if (flags & OPT_FILE)
			printf("; files=y");
		printf(" ;;\n");
	}
	printf("\tesac\n"
	       "\tcase $cur in\n"
	       "\t-*) COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\")) ;;\n"
	       "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\t   [ -z \"$files\" ] || COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
	       "\tesac\n}\ncomplete -o filenames -F _voltloom voltloom\n");
}

static void
print_fish(void)
{
	printf("# fish completion of voltloom: voltloom completion fish | source\ncomplete -c "
	       "voltloom -f\n");
	for (size_t i = 0; i < verb_table_n; i++) {
		const struct verb *v = verb_table[i];
		unsigned flags = positional_flags(v);
		printf("complete -c voltloom -n __fish_use_subcommand -a %s -d \"%s\"\n", v->name,
		       v->line);
		if (flags & OPT_ID)
			printf("complete -c voltloom -n '__fish_seen_subcommand_from %s' -a "
			       "'(voltloom "
			       "completion ids 2>/dev/null)'\n",
			       v->name);
		if (flags & OPT_FILE)
			printf("complete -c voltloom -n '__fish_seen_subcommand_from %s' -F\n",
			       v->name);
		for (size_t o = 0; o < v->n_opts; o++) {
			const struct opt *p = &v->opts[o];
			if (p->flags & OPT_POSITIONAL)
				continue;
			printf("complete -c voltloom -n '__fish_seen_subcommand_from %s' -l %s%s",
			       v->name, p->name, p->kind == OPT_FLAG ? "" : " -r");
			if (p->flags & OPT_MESH)
				printf(" -a '(voltloom completion meshes 2>/dev/null)'");
			printf(" -d \"%s\"\n", p->help);
		}
	}
}

/* Names that a shell asks for while somebody types: silent when there are none. */
static int
print_ids(struct verb_call *c)
{
	static const struct opt_value any;
	struct verb_mesh m;
	int status;
	c->talk->f = fopen("/dev/null", "we");
	if (!c->talk->f || !verb_mesh_open(c, &any, &m, &status))
		return EXIT_OK;
	for (size_t i = 0; m.topo && i < m.topo->n_nodes; i++)
		puts(m.topo->nodes[i].id);
	for (size_t i = 0; m.topo && i < m.topo->n_modules; i++)
		puts(m.topo->modules[i].id);
	for (size_t i = 0; m.topo && i < m.topo->n_links; i++)
		puts(m.topo->links[i].id);
	verb_mesh_close(&m);
	return EXIT_OK;
}

static int
print_meshes(void)
{
	struct mesh_list list;
	if (mesh_list_scan(&list, NULL))
		return EXIT_OK;
	for (size_t i = 0; i < list.n; i++) {
		if (list.m[i].alive)
			puts(list.m[i].name);
	}
	mesh_list_free(&list);
	return EXIT_OK;
}

static int
run_completion(struct verb_call *c)
{
	switch (c->v[COMPLETION_WHAT].choice) {
	case 0:
		print_bash();
		return EXIT_OK;
	case 1:
		/* zsh runs bash completions after bashcompinit */
		printf("autoload -U +X bashcompinit && bashcompinit\n");
		print_bash();
		return EXIT_OK;
	case 2:
		print_fish();
		return EXIT_OK;
	case 3:
		return print_ids(c);
	default:
		return print_meshes();
	}
}

const struct verb verb_completion = {
	"completion",
	GROUP_OTHER,
	"a completion script for your shell",
	"source <(voltloom completion bash)\n"
	"voltloom completion fish | source\n",
	NULL,
	completion_opts,
	sizeof completion_opts / sizeof *completion_opts,
	run_completion,
};
