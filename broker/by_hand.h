/*
 * by_hand.h - an action by hand: its name, target and parameters, as a drill file has them, made into a
 * command that the processes agree on.
 *
 * Actions that are no command of a core (kill, start, ...), or several (partition, swap), have verbs of
 * their own or are done one by one.
 */
#ifndef VL_BY_HAND_H
#define VL_BY_HAND_H

#include "script.h"
#include "topo.h"
#include "wire.h"

enum { BY_HAND_WHY_MAX = 400 };

/* What a channel has room for when no script asks for more (channel_room()). */
#define BY_HAND_DELAY_MAX_S 0.05

/* What is asked for. */
struct by_hand {
	const char *action, *target;
	const char *with; /* "{ power: 400W }"; "": nothing */
	double for_s;     /* NaN: not given */
	bool end;         /* of such a fault that was begun before */
};

/* Whether there is such an action by hand. */
bool by_hand_can(enum script_kind);
/* Fills *ret (act, fault, edge or proc, words). False: `why`, one sentence. */
bool by_hand_command(const struct topo *, const struct by_hand *, struct sup_msg *ret,
                     char why[BY_HAND_WHY_MAX]);

#endif
