/* drill_find.h - patterns of drill files ("link.open link=l1 cause!=cut") against recorded events.
 */
#ifndef VL_DRILL_FIND_H
#define VL_DRILL_FIND_H

#include "events.h"
#include "script.h"

/* The step of the first match at step from..to, and its index; -1: none. */
int64_t drill_find_event(const struct runview *, const struct events *, const char *pattern,
                         int64_t from, int64_t to, size_t *ret);
/* The first frame that shows what an armed `when` waits for; -1: none. */
int drill_find_when(const struct script_when *, const struct runview *, int64_t *ret, struct err *);

#endif
