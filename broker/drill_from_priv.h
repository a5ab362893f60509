/*
 * drill_from_priv.h - what the files of `drill --from` share.
 *
 *   drill_from.c          deeds in the order of steps; deaths and births
 *   drill_from_faults.c   commands, with their parameters
 *   drill_from_file.c     the file
 *
 * Nobody else includes this header.
 */
#ifndef VL_DRILL_FROM_PRIV_H
#define VL_DRILL_FROM_PRIV_H

#include "action.h"
#include "drill_from.h"
#include "events.h"
#include "script.h"

enum { VALUE_MAX = 40, ARGS_MAX = 256 };

/* An action of the file to be, in the order of steps. */
struct deed {
	int64_t k;
	size_t nth; /* keeps the order of what was found */
	enum script_kind kind;
	const char *target;
	char with[ARGS_MAX], lease[VALUE_MAX];
	size_t proc, life; /* a death that nobody scripted: whose; else proc SIZE_MAX */
	/* a command */
	double words[ACTION_WORDS];
	bool end;          /* of a fault */
	int32_t link;      /* -1: none */
	int32_t sensor;    /* of bias, stuck: as chan of the command; else -1 */
	size_t by;         /* process that told it first */
	bool both;         /* both ends of the link told it */
};

/* A process told of a deed. */
struct telling {
	size_t proc, deed;
	bool placed;
};

struct from {
	const struct runview *view;
	const struct topo *topo;
	struct events *events;
	size_t n, cap;
	struct deed *deeds;
	size_t n_told, told_cap;
	struct telling *told; /* in the order of the events */
	struct err *err;
};

/* NULL: out of memory. */
struct deed *drill_from_add(struct from *, int64_t k, enum script_kind, const char *target);
void drill_from_when(const struct from *, int64_t k, char buf[48]);
/* The i-th event, a fault. */
int drill_from_fault(struct from *, size_t i);
/* After all faults: what was done to one end of a link alone; the order within a step. */
void drill_from_ends(struct from *);
void drill_from_order(struct from *);
void drill_from_head(const struct from *, const char *run_dir, const char *topology, FILE *);
void drill_from_deed(const struct from *, const struct deed *, FILE *);

#endif
