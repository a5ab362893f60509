/*
 * sharing - one line per seed of what tests/support/sharing.h measures.
 *
 *   sharing TOPOLOGY FIRST LAST on|off VARYING_S OFFSET_A ZERO_S
 *
 * Prints: seed gain_spread first spread v_mean_part rank unknowns sigma
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "sharing.h"

static int
usage(void)
{
	fputs("usage: sharing TOPOLOGY FIRST LAST on|off VARYING_S OFFSET_A ZERO_S\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	struct diag_list diags;
	struct topo *t;
	struct err err = ERR_INIT;

	if (argc != 8 || (strcmp(argv[4], "on") != 0 && strcmp(argv[4], "off") != 0))
		return usage();
	diag_list_init(&diags);
	if (topo_load(argv[1], &diags, &t, &err) < 0) {
		fprintf(stderr, "sharing: %s\n", err.text);
		return 1;
	}
	diag_list_free(&diags);
	for (long seed = atol(argv[2]); seed <= atol(argv[3]); seed++) {
		struct sharing_case c = { .seed = (uint64_t)seed,
			                  .calibrates = strcmp(argv[4], "on") == 0,
			                  .varying_s = atof(argv[5]),
			                  .current_gain = 0.01,
			                  .current_offset_a = atof(argv[6]),
			                  .zero_s = atof(argv[7]) };
		struct sharing_result r;
		sharing_run(t, &c, &r);
		printf("%ld %.6g %.6g %.6g %.6g %g %g %.4g\n", seed, r.gain_spread, r.first,
		       r.spread, r.v_mean_part, r.rank, r.unknowns, r.sigma);
		fflush(stdout);
	}
	topo_destroy(&t);
	return 0;
}
