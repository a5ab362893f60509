/*
 * yamldoc.h - one YAML 1.1 document as a tree in which every node knows its place.
 *
 * Read through libyaml. Aliases point at the node of their anchor (shared, never copied); merge
 * keys
 * (`<<: *base`) are resolved: keys that are there win. Explicit tags are refused.
 * A tree is immutable; yamldoc_destroy() frees all of it. Limits, each named in its error text:
 * YAMLDOC_*_MAX. Errors of syntax go to a diag_list with the place.
 */
#ifndef VL_YAMLDOC_H
#define VL_YAMLDOC_H

#include <stdbool.h>
#include <stddef.h>

#include "diag.h"
#include "err.h"

enum {
	YAMLDOC_BYTES_MAX = 1 << 20, /* of a file */
	YAMLDOC_DEPTH_MAX = 32,      /* of nested lists and mappings */
	YAMLDOC_NODES_MAX = 200000,  /* values, those behind aliases counted at each use */
	YAMLDOC_KEYS_MAX = 512,      /* of one mapping */
};

enum yamldoc_kind { YAMLDOC_SCALAR, YAMLDOC_LIST, YAMLDOC_MAP };

struct yamldoc_pair;

struct yamldoc_node {
	enum yamldoc_kind kind;
	unsigned line, column, length; /* from 1, in characters; length: what to underline */
	bool quoted;                   /* scalar in quotes */
	const char *text;              /* scalar */
	size_t n;                      /* items of a list, pairs of a map */
	const struct yamldoc_node **items;
	const struct yamldoc_pair *pairs;
	size_t weight; /* nodes below and this, aliases expanded */
};

struct yamldoc_pair {
	const struct yamldoc_node *key, *value; /* key: a scalar */
};

struct yamldoc;

/* On a syntax error: diagnostics, ERR_INPUT. A file that cannot be read, is a folder or too large:
 * also. */
int yamldoc_load(const char *path, struct diag_list *, struct yamldoc **ret, struct err *);
/* The same from memory; `name` stands for the file in messages. */
int yamldoc_parse(const char *name, const char *data, size_t size, struct diag_list *,
                  struct yamldoc **ret, struct err *);
void yamldoc_destroy(struct yamldoc **);

const struct yamldoc_node *yamldoc_root(const struct yamldoc *);
const char *yamldoc_name(const struct yamldoc *);
/* Value of a key of a map, or NULL. */
const struct yamldoc_node *yamldoc_get(const struct yamldoc_node *map, const char *key);
/* "a list", "a mapping", "'text'": for messages. */
const char *yamldoc_what(const struct yamldoc_node *);

/* A diagnostic at a node, with its line. `at` may be NULL: about the file as a whole. */
struct diag *yamldoc_diag(const struct yamldoc *, struct diag_list *, enum diag_level,
                          const struct yamldoc_node *at, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
