/*
 * playback.h - a whole mesh played in this process from its start to its end, and what it recorded.
 */
#ifndef VL_PLAYBACK_H
#define VL_PLAYBACK_H

#include "host_memory.h"
#include "runview.h"

/* All NULL to begin with. The view reads the recorders of the host. */
struct playback {
	struct host_memory *host;
	struct runview *view; /* NULL when it recorded to files (params->rec_dir) */
};

/* Plays it; `ops` of the parameters are filled in here. The topology and the script must outlive
 * the playback. `progress` may be NULL. After an error there is no view; end it all the same. */
int playback_run(struct playback *, const struct memory_params *,
                 void (*progress)(void *arg, int64_t k), void *arg, struct err *);
void playback_end(struct playback *);

#endif
