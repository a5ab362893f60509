/*
 * drill_search_priv.h - what the files of a search share.
 *
 *   drill_search.c       looking for a timeline that fails, and the verb
 *   drill_search_run.c   timelines as files, played in processes of their own
 *   drill_shrink.c       what was found, as small as it gets
 *
 * Nobody else includes this header.
 */
#ifndef VL_DRILL_SEARCH_PRIV_H
#define VL_DRILL_SEARCH_PRIV_H

#include "drill_search.h"
#include "verb.h"

enum {
	GENERATION = 16,
	COVER_BITS = 8192,
	COVER_WORDS = COVER_BITS / 64,
	MEMO_MAX = 4096,
};


/* What a run showed; in memory that is shared with the process that played it. */
struct shown {
	bool done;
	enum drill_verdict verdict;
	char id[TOPO_ID_MAX + 8], text[DRILL_TEXT_MAX]; /* of the first item that failed */
	int64_t known_k; /* frame at which that was known */
	uint64_t cover[COVER_WORDS];
};

struct candidate {
	struct genes genes;
	struct script *script; /* NULL: not allowed */
	struct shown *shown;
	int64_t until_k;       /* played up to this step; 0: to its end */
};

struct search {
	struct verb_call *c;
	const struct drill_order *o;
	struct genes_file *file;
	struct candidate batch[GENERATION];
	struct shown *shared;
	size_t n_corpus;
	struct genes *corpus;
	uint64_t rng, n_tried, n_shrunk;
	const char *only;    /* while shrinking: the condition that is looked at; NULL: all */
	size_t n_memo;
	uint64_t *memo;      /* timelines that were tried while shrinking */
	uint64_t cover[COVER_WORDS];
	char dir[64];
	struct progress progress;
	struct err *err;
};

/* Writes the file of a candidate and reads it as a drill would; false: it is not allowed, or nothing new
 * while shrinking. */
bool drill_search_allowed(struct search *, struct candidate *);
/* Plays the first n of the batch that have a script, at most `jobs` at a time, up to the first hit: what
 * comes behind it may be played or not, and nobody looks at it. `id` NULL: any failure is a hit. ERR_STATE: a
 * signal. */
int drill_search_batch(struct search *, size_t n, const char *id, size_t *hit);
/* Makes *g, which failed as *want says, smaller while it fails in the same way. */
int drill_shrink(struct search *, struct genes *g, struct shown *want);

#endif
