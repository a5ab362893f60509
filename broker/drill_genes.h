/*
 * drill_genes.h - the timeline of a drill file as something that can be changed and written again.
 *
 * The rest of the file is kept as it stands, so parameters, conditions and comments outside of the
 * timeline survive. A gene is one entry. Those of the file keep their id and target (expectations
 * speak of them); those that were added have an id "x<n>".
 *
 * What a change may do lies within the file: at most max_nodes_down nodes (where the file does not say: as
 * many as it takes down itself, and one at least), nothing protected (both checked by script_load_with() on
 * the file that is written), numbers and durations of at most the
 * size that the file gives, and kinds of actions that the file uses, with kill, start, cut and load
 * of their own.
 */
#ifndef VL_DRILL_GENES_H
#define VL_DRILL_GENES_H

#include "drill_case.h"

enum {
	GENES_MAX = 32,      /* entries of a timeline */
	GENES_ADDED_MAX = 6, /* of them added by a search */
	GENE_WITH_MAX = 4,
	GENE_TEXT_MAX = 96,
};

struct gene {
	char id[TOPO_ID_MAX];
	bool given; /* stands in the file */
	enum script_kind kind;
	char target[4 * GENE_TEXT_MAX];  /* as written: "n3", "[n2, n4]" */
	char at_text[2 * GENE_TEXT_MAX]; /* "": at_ns; else as written (when ...) */
	char more[2 * GENE_TEXT_MAX];    /* further keys as written: ", within: 300ms" */
	int64_t at_ns, for_ns;           /* for: -1 none */
	int64_t for_max_ns;
	size_t n_with;
	struct {
		char key[24], text[GENE_TEXT_MAX];
		bool number;
		enum unit unit;
		double value, max;
	} with[GENE_WITH_MAX];
};

struct genes {
	uint64_t seed;
	size_t n, next_id;
	struct gene g[GENES_MAX];
};

/* What all timelines of a search share. */
struct genes_file {
	const struct drill_unit *unit;
	char *head, *tail;      /* the file before and behind its timeline, without `seed:` and
	                           `topology:` */
	char topology[4096];    /* absolute */
	int64_t from_ns, to_ns; /* where actions may stand */
	char blast[512];        /* `blast_radius:` where the file's says nothing about nodes; else "" */
	size_t nodes_down;      /* in it */
	struct genes base;
};

/* ERR_INPUT with a sentence: the file cannot be taken apart. */
int genes_read(const struct drill_unit *, struct genes_file **ret, struct err *);
void genes_free(struct genes_file **);
/* The file with this timeline. `note`: a comment for its first lines, without '#'; may be NULL. */
void genes_write(const struct genes_file *, const struct genes *, const char *note, FILE *);

/* A neighbour of *g, by random numbers from *rng. May be invalid: script_load_with() decides. */
void genes_mutate(const struct genes_file *, struct genes *g, uint64_t *rng);

/* Simpler variants of *g, simplest first: how many were written to out[0..max). `part` counts from
 * 0: what is simplified; returns 0 when there is no such part. */
size_t genes_simpler(const struct genes_file *, const struct genes *, size_t part,
                     struct genes *out, size_t max);
size_t genes_parts(const struct genes *);

#endif
