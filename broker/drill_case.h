/*
 * drill_case.h - one run of one drill: launch, play, evaluate, write the evidence.
 *
 * A case is a file with one combination of its matrix and one seed. Run in a process of its own
 * (drill_jobs.h), so that it can be stopped from outside at any time.
 */
#ifndef VL_DRILL_CASE_H
#define VL_DRILL_CASE_H

#include "drill_result.h"
#include "rundir.h"
#include "term.h"

/* A file with one combination, read and checked. */
struct drill_unit {
	const char *file;
	char *topology; /* path */
	size_t combination;
	struct topo *topo;
	struct script *script;
};

/* What was asked for. */
struct drill_order {
	size_t n_units;
	struct drill_unit *units;
	bool seed_given,
		sweep; /* sweep: seeds first_seed.. of every unit; passing ones leave nothing */
	uint64_t first_seed, n_seeds;
	bool memory, strict, keep, pin;
	bool json; /* result.json of every run is wanted, also where no files are kept */
	size_t jobs;
	size_t n_params;
	char *const *params;
	const char *bin_dir;
	const char *out; /* NULL: the usual place */
};
size_t drill_order_cases(const struct drill_order *);

enum drill_part {
	PART_LINES,
	PART_JUNIT,
	PART_JSON,
	PART_GITHUB,
	PART_ROW,
	PART_TITLE,
	PART_REPRODUCE,
	PARTS_,
};

/* What is left of a case. */
struct drill_record {
	size_t index;
	enum drill_verdict verdict;
	double wall_s;
	size_t n_items;
	double plant_s;
	char run_dir[RUNDIR_PATH_MAX]; /* "": none */
	char *parts[PARTS_];           /* owned */
};
void drill_record_free(struct drill_record *);

/* Never fails: what goes wrong is the verdict `error`. `at` is told the progress in [0, 1]. */
void drill_case_run(const struct drill_order *, size_t index, struct term *talk,
                    void (*at)(void *arg, double done), void *arg, struct drill_record *);
/* The record of a case that did not come back: its process died, or was stopped. */
void drill_case_lost(const struct drill_order *, size_t index, enum drill_verdict, const char *why,
                     double wall_s, struct drill_record *);

#endif
