/*
 * decode.h - from the tree of a YAML file into structs, driven by tables.
 *
 * A schema is a table of fields: key, type, unit, range, default, place in the struct, meaning. The
 * same table checks, decodes, and writes the reference and the JSON schema (topo_doc.c). Every
 * problem becomes a diagnostic at its place; decoding goes on with the next key.
 */
#ifndef VL_DECODE_H
#define VL_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "diag.h"
#include "pool.h"
#include "topo.h"
#include "unit.h"
#include "yamldoc.h"

struct schema;

enum { DECODE_NOTES = 32 };

struct decoder {
	const struct yamldoc *doc;
	struct diag_list *diags;
	struct pool *pool; /* of what is being made */
	bool nomem;
	char path[96];                   /* "feed." while the keys of a feed are decoded */
	const char *noted[DECODE_NOTES]; /* texts that were given once */
	size_t n_noted;
};

enum field_type {
	FIELD_NUMBER, /* double */
	FIELD_TIME,   /* int64_t, ns */
	FIELD_WHOLE,  /* uint32_t */
	FIELD_SEED,   /* uint64_t */
	FIELD_BOOL,   /* bool */
	FIELD_WORD,   /* int, index into words */
	FIELD_NAME,   /* char[TOPO_ID_MAX] */
	FIELD_CURVE,  /* struct pwl */
	FIELD_SUB,    /* a mapping of its own */
	FIELD_CUSTOM, /* decode() */
};

enum field_effect {
	EFFECT_ACTS,
	EFFECT_NOTE,    /* parsed, does nothing in this release */
	EFFECT_REFUSED, /* would change results: not accepted in this release */
};

struct field {
	const char *key;
	enum field_type type;
	enum unit unit;
	size_t offset;            /* in the struct that the schema describes */
	double lo, hi;            /* FIELD_TIME: ns */
	const char *const *words; /* FIELD_WORD, ended by NULL */
	const struct schema *sub;
	bool may_be_none;  /* `none` is 0, or for FIELD_SUB: it is not there */
	size_t has_offset; /* FIELD_SUB with may_be_none: a bool */
	void (*decode)(struct decoder *, const struct field *, const struct yamldoc_node *value,
	               void *target);
	const char *dflt; /* as written in a file; NULL: none, or derived as `doc` says */
	const char *doc;
	enum field_effect effect;
	const char *effect_text; /* "channels are ideal in this release ..." */
};

struct schema {
	const char *what; /* "node", "feed" */
	const char *doc;
	const struct field *fields;
	size_t n;
};

__attribute__((format(printf, 3, 4))) struct diag *decode_error(struct decoder *,
                                                                const struct yamldoc_node *at,
                                                                const char *fmt, ...);
/* A note that is given once per file, at the first place that asks for it. */
void decode_note_once(struct decoder *, const struct yamldoc_node *at, const char *text);
/* Lists `names` in the help of a diagnostic and says which one is near `word`. */
void decode_suggest(struct diag *, const char *word, const char *const *names, size_t n,
                    const char *plural);
void decode_defaults(struct decoder *, const struct schema *, void *target);
/* `owner` names the entry in messages: "node 'n2'". */
void decode_map(struct decoder *, const struct schema *, const char *owner,
                const struct yamldoc_node *map, void *target);
/* The value of one field; for tables elsewhere. */
bool decode_number(struct decoder *, const char *key, const struct yamldoc_node *, enum unit,
                   double lo, double hi, double *ret);
bool decode_time(struct decoder *, const char *key, const struct yamldoc_node *, int64_t lo,
                 int64_t hi, int64_t *ret);
bool decode_whole(struct decoder *, const char *key, const struct yamldoc_node *, uint32_t lo,
                  uint32_t hi, uint32_t *ret);

#endif
