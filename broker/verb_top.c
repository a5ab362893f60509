/* top: finds the mesh and hands over to voltloom-tui, which is a client like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"

enum { TOP_ARGS };
static const struct opt top_opts[] = {
	[TOP_ARGS] = { "ARGS", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY | OPT_PASS, "ARGS",
	               "--mesh NAME, --once, --batch, --json and others: voltloom top --help",
	               UNIT_NONE },
};

struct handover {
	char **argv; /* for voltloom-tui: borrowed words */
	size_t n;
	struct opt_value mesh;
	bool placed; /* --dir or --help is given: nothing to find */
};

/* Takes --mesh out of the words; everything else is the dashboard's. */
static int
sort_words(struct verb_call *c, struct handover *h)
{
	const struct opt_value *args = &c->v[TOP_ARGS];
	for (size_t i = 0; i < args->n; i++) {
		char *w = args->words[i];
		bool is_mesh = strcmp(w, "--mesh") == 0 || strcmp(w, "-m") == 0;
		if (is_mesh && i + 1 == args->n)
			return verb_usage(c, NULL, "voltloom top: --mesh needs a value (NAME)");
		if (is_mesh || strncmp(w, "--mesh=", 7) == 0) {
			h->mesh.given = true;
			h->mesh.text = is_mesh ? args->words[++i] : w + 7;
			continue;
		}
		h->placed = h->placed || strcmp(w, "--dir") == 0 || strncmp(w, "--dir=", 6) == 0 ||
		            strcmp(w, "--help") == 0 || strcmp(w, "-h") == 0;
		h->argv[h->n++] = w;
	}
	return EXIT_OK;
}

static int
run_top(struct verb_call *c)
{
	static char dir_word[] = "--dir", topology_word[] = "--topology";
	char path[RUNDIR_PATH_MAX], topology[RUNDIR_PATH_MAX + 16];
	char dir[RUNDIR_PATH_MAX], help[256] = "";
	struct err err = ERR_INIT;
	struct mesh_list list = { .n = 0 };
	const struct mesh_entry *e = NULL;
	struct handover h = { .argv = calloc(c->v[TOP_ARGS].n + 6, sizeof *h.argv) };
	if (!h.argv) {
		err_set(&err, ERR_NOMEM, "out of memory");
		return verb_fail(c, &err, NULL);
	}
	snprintf(path, sizeof path, "%s/voltloom-tui", c->bin_dir);
	h.argv[h.n++] = path;
	int status = sort_words(c, &h);
	if (!status && !h.placed) {
		if (mesh_list_scan(&list, &err) ||
		    mesh_list_select(&list, h.mesh.given ? h.mesh.text : NULL, &e, help, &err)) {
			status = verb_fail(c, &err, help);
		} else {
			snprintf(dir, sizeof dir, "%s", e->sock_dir);
			snprintf(topology, sizeof topology, "%s/mesh.yaml", e->run_dir);
			h.argv[h.n++] = dir_word;
			h.argv[h.n++] = dir;
			h.argv[h.n++] = topology_word;
			h.argv[h.n++] = topology;
		}
	}
	mesh_list_free(&list);
	if (!status) {
		execv(path, h.argv);
		err_sys(&err, ERR_IO, "cannot start %s", path);
		status = verb_fail(c, &err, "it is part of voltloom: build or install it");
	}
	free(h.argv);
	return status;
}

const struct verb verb_top = {
	"top",
	GROUP_LOOK,
	"the dashboard of a running mesh",
	"voltloom top\n"
	"voltloom top --once        # one screen as text\n"
	"voltloom top --json\n",
	"A client only: closing it changes nothing.",
	top_opts,
	sizeof top_opts / sizeof *top_opts,
	run_top,
};
