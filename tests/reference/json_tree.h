/*
 * json_tree.h - a JSON file as a tree, for descriptions that belong to the tests: aborts on faults.
 */
#ifndef VL_JSON_TREE_H
#define VL_JSON_TREE_H

#include <stddef.h>

struct json {
	char *key;  /* in an object */
	char *text; /* strings */
	double num; /* numbers; null: NaN; true, false: 1, 0 */
	struct json *child, *next;
};

struct json *json_read(const char *path);
void json_free(struct json *);
const struct json *json_get(const struct json *, const char *key); /* NULL: not there */
double json_num(const struct json *, const char *key, double otherwise);
const struct json *json_at(const struct json *, size_t i);
size_t json_len(const struct json *);

#endif
