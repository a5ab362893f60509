/*
 * overload - one line per seed of what tests/support/overload.h measures.
 *
 *   overload TOPOLOGY step|ramp|feeds FACTOR on|off FIRST LAST
 *
 * Prints: seed least_v highest_v over_w modules shed restored off most_sheds wrong_own wrong_mesh
 *         shed_s restored_s shed_j unserved_j residual
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "overload.h"

static int
usage(void)
{
	fputs("usage: overload TOPOLOGY step|ramp|feeds FACTOR on|off FIRST LAST\n", stderr);
	return 2;
}

static struct topo *
load(const char *path)
{
	struct diag_list diags;
	struct topo *t = NULL;
	struct err err = ERR_INIT;

	diag_list_init(&diags);
	if (topo_load(path, &diags, &t, &err) < 0)
		fprintf(stderr, "overload: %s\n", err.text);
	diag_list_free(&diags);
	return t;
}

int
main(int argc, char **argv)
{
	static const char *const ways[] = { "step", "ramp", "feeds" };
	size_t how = 0;

	while (argc == 7 && how < 3 && strcmp(argv[2], ways[how]) != 0)
		how++;
	if (argc != 7 || how == 3 || (strcmp(argv[4], "on") != 0 && strcmp(argv[4], "off") != 0))
		return usage();
	for (long seed = atol(argv[5]); seed <= atol(argv[6]); seed++) {
		struct overload_case c = { .how = (enum overload_how)how,
			                   .factor = atof(argv[3]),
			                   .supercap = strcmp(argv[4], "on") == 0,
			                   .seed = (uint64_t)seed };
		struct overload_result r;
		struct topo *t = load(argv[1]);
		if (!t)
			return 1;
		overload_run(t, &c, &r);
		printf("%ld %.3f %.3f %.0f %u %u %u %u %u %u %u %.4f %.3f %.6g %.6g %.2g\n", seed,
		       r.least_v, r.highest_v, r.over_w, r.n_modules, r.n_shed, r.n_restored, r.off,
		       r.most_sheds, r.wrong_own, r.wrong_mesh, r.shed_s, r.restored_s, r.shed_j,
		       r.unserved_j, r.residual);
		fflush(stdout);
		topo_destroy(&t);
	}
	return 0;
}
