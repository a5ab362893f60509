/* init: a small topology to start from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"

enum { INIT_NAME };
static const struct opt init_opts[] = {
	[INIT_NAME] = { "NAME", 0, OPT_TEXT, OPT_POSITIONAL, "NAME",
	                "name of the mesh and its file (default: mesh)", UNIT_NONE },
};

/* %s: the name of the mesh. Rated so that either feed carries all of it: 500 W at 48 V are 10.4 A.
 */
static const char skeleton[] =
	"# A mesh of four converter nodes in a ring, two of them with a feed, and two modules.\n"
	"# Check it: voltloom validate %s.yaml    Run it: voltloom up %s.yaml\n"
	"# Values carry their unit: 48V, 20mF, 10mOhm, 300ms, 1kW.\n"
	"voltloom: 1                 # version of this format\n"
	"mesh:\n"
	"  name: %s\n"
	"  step: 100us               # one message per link and step\n"
	"  substeps: 10              # integration steps in one step\n"
	"  seed: 1\n"
	"  nominal: 48V\n"
	"  control: consensus        # none | droop | consensus\n"
	"defaults:                   # merged under every entry of that kind\n"
	"  node: { initial: 48V, c_bus: 20mF, supercap: { c: 1F, esr: 20mOhm } }\n"
	"  link: { r: 10mOhm, l: 2uH }\n"
	"nodes:\n"
	"  - id: n1\n"
	"    at: [0, 0]              # place on the map of `voltloom top`\n"
	"    feed: { v0: 48.5V, droop: 15.36mOhm, i_rated: 62.5A, i_max: 78.125A, tau: 1ms }\n"
	"  - id: n2\n"
	"    at: [1, 0]\n"
	"    load: [[0ms, 100W, 10ms]]   # [at, level, ramp]: constant power on the bus\n"
	"  - id: n3\n"
	"    at: [1, 1]\n"
	"    feed: { v0: 48.5V, droop: 15.36mOhm, i_rated: 62.5A, i_max: 78.125A, tau: 1ms }\n"
	"  - { id: n4, at: [0, 1] }\n"
	"links:                      # current is positive from the first to the second\n"
	"  - { id: l1, between: [n1, n2] }\n"
	"  - { id: l2, between: [n2, n3] }\n"
	"  - { id: l3, between: [n3, n4] }\n"
	"  - { id: l4, between: [n4, n1] }\n"
	"modules:                    # fed by two nodes: one of them may die\n"
	"  - { id: m1, class: fixed, power: 250W, feeds: [n2, n4] }\n"
	"  - { id: m2, class: fixed, power: 150W, feeds: [n4, n3] }\n";

static int
run_init(struct verb_call *c)
{
	const char *name = c->v[INIT_NAME].given ? c->v[INIT_NAME].text : "mesh";
	char path[TOPO_ID_MAX + 16];
	struct err err = ERR_INIT;
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strlen(name);
	if (n == 0 || n >= TOPO_ID_MAX || !strchr(letters, name[0]) ||
	    strspn(name + 1, "0123456789_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
	            n - 1)
		return verb_usage(c, NULL,
		                  "'%s' is not a name: a letter, then letters, digits, _ and -, at "
		                  "most %d",
		                  name, TOPO_ID_MAX - 1);
	snprintf(path, sizeof path, "%s.yaml", name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		bool there = errno == EEXIST;
		err_sys(&err, ERR_IO, "cannot write %s", path);
		return verb_fail(c, &err,
		                 there ? "it is left as it is: choose another name" : NULL);
	}
	int bad = dprintf(fd, skeleton, name, name, name) < 0;
	if (bad)
		err_sys(&err, ERR_IO, "cannot write %s", path);
	if (close(fd) && !bad)
		bad = err_sys(&err, ERR_IO, "cannot write %s", path);
	if (bad) {
		unlink(path);
		return verb_fail(c, &err, NULL);
	}
	term_say(c->talk, TERM_PLAIN, "wrote %s\n", path);
	verb_next(c, "Next: voltloom validate %s | voltloom up %s", path, path);
	return EXIT_OK;
}

const struct verb verb_init = {
	"init",
	GROUP_FILES,
	"write a small commented topology to start from",
	"voltloom init            # mesh.yaml\n"
	"voltloom init my-rack    # my-rack.yaml\n",
	"A file that is there is never overwritten.",
	init_opts,
	sizeof init_opts / sizeof *init_opts,
	run_init,
};
