/*
 * drill_result.h - an outcome as text: result.json, JUnit, GitHub annotations, lines for people.
 *
 * result.json is the source of the rest (docs/result.schema.json): plant facts only, the same
 * bytes for the same seed, over real processes and in memory.
 */
#ifndef VL_DRILL_RESULT_H
#define VL_DRILL_RESULT_H

#include <stdio.h>

#include "drill_eval.h"

/* Wall and CPU time of what a case does; CPU of the mesh's processes too. */
struct drill_time {
	double wall_s, cpu_s;
};

/* One run of one drill. */
struct drill_run {
	const char *file; /* as given */
	const struct topo *topo;
	const struct script *script;
	uint64_t seed;
	bool strict;
	size_t n_params; /* from outside: "name=value" */
	char *const *params;
	const struct drill_outcome *outcome; /* NULL: it did not come to that */
	enum drill_verdict verdict;
	double wall_s;
	/* evaluate without the trace, which is formed beside it; report: what was written before JUnit */
	struct drill_time play, trace, evaluate, report;
	const char *error; /* what went wrong when there is no outcome */
};

/* "voltloom drill FILE --seed 7 --param victim=n3" */
void drill_reproduce(const struct drill_run *, char *buf, size_t size);
/* "kill-n3", "kill-n3 [victim=n5]", with the seed when `seed` */
void drill_title(const struct drill_run *, bool seed, char *buf, size_t size);

void drill_result_json(const struct drill_run *, FILE *);
/* A <testsuite>; drill_junit_begin/end make a file of them. */
void drill_junit_begin(FILE *);
void drill_junit_suite(const struct drill_run *, FILE *);
void drill_junit_end(FILE *);
/* "::error file=...,line=...::..." for what is not good. */
void drill_github(const struct drill_run *, FILE *);
/* A row of the table of the job summary, and what follows it for a run that is not good. */
void drill_summary_row(const struct drill_run *, FILE *);
/* The table of expectations; `all` false: only what is not good. */
void drill_lines(const struct drill_run *, bool all, FILE *);

/* Text with & < > " ' escaped; bytes that XML 1.0 has not are replaced. */
void drill_xml_text(FILE *, const char *text);

#endif
