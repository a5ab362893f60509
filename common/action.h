/*
 * action.h - the registry of what a timeline can do.
 *
 * A new action is a row of ACTION_TABLE, its parameters (members of struct action_with, fields and
 * row in action_params.c), and where a core has to do it a row of CORE_CMD_TABLE (core.h). What may
 * precede what, leases, healing, the way to the processes, the proof and the report follow from the
 * columns. All lists are in alphabetical order.
 *
 *   rule      RULE_*: how the order of actions is checked, how it is proved
 *   on        what may be its target; with ON_LINK, a node stands for all its links
 *   command   the core is told, at the step of the action; 0: it is not
 *   undo      a RULE_FAULT: the command that ends it, at the end of `for:` or of the drill; 0: the
 *             core ends it by itself after `for:`, which it is told
 */
#ifndef VL_ACTION_H
#define VL_ACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "core.h"

struct schema;
struct yamldoc_node;

enum action_on { ON_NODE = 1, ON_MODULE = 2, ON_LINK = 4, ON_RELAY = 8 };

enum action_rule {
	RULE_BEGIN_LIFE, /* of a process that was ended before; at a port step */
	RULE_END_LIFE,   /* of a process that runs */
	RULE_FAULT,      /* of a process that runs or of a link; one of a kind at a time */
	RULE_LEVEL,      /* load of a node or of a fixed module; the lease ends at the level before */
	RULE_LINK,       /* contactors of a link */
	RULE_PLUG,       /* contacts of a module; one that is there is not plugged again */
	RULE_RELAY,      /* of the relay: no part of the plant, and not in the recorder */
};

/* clang-format off */
/*        KIND   name     rule             on                   for:   command    undo  what it does */
#define ACTION_TABLE(X)                                                                                     \
	X(AGE,   "age",   RULE_FAULT,      ON_NODE,             true,  CMD_AGE,   CMD_UNAGE,                \
	  "a supercapacitor loses capacitance and gains resistance, at its voltage")                       \
	X(BIAS,  "bias",  RULE_FAULT,      ON_NODE,             true,  CMD_BIAS,  CMD_UNBIAS,               \
	  "sensors of a node read too much or too little")                                                   \
	X(BROWNOUT, "brownout", RULE_FAULT, ON_NODE,            true,  CMD_BROWNOUT, CMD_UNBROWNOUT,       \
	  "the source of a feed holds less than its set-point")                                            \
	X(CLOSE, "close", RULE_LINK,       ON_LINK,             false, CMD_CLOSE, 0,                        \
	  "closes a link that is open")                                                                     \
	X(CONT,  "cont",  RULE_BEGIN_LIFE, ON_NODE | ON_MODULE, false, 0,         0,                        \
	  "ends a stop; acts like a start")                                                                 \
	X(CORRUPT, "corrupt", RULE_FAULT,  ON_LINK | ON_NODE,   true,  CMD_CORRUPT, CMD_CORRUPT,            \
	  "flips bits in frames of the channel")                                                            \
	X(CUT,   "cut",   RULE_LINK,       ON_LINK | ON_NODE,   true,  CMD_CUT,   0,                        \
	  "opens a link at both ends and silences its channel; on a node: all its closed links")            \
	X(DEGRADE, "degrade", RULE_FAULT,  ON_LINK | ON_NODE,   true,  CMD_DEGRADE, CMD_DEGRADE,            \
	  "makes the channel worse")                                                                        \
	X(DUPLICATE, "duplicate", RULE_FAULT, ON_LINK | ON_NODE, true, CMD_DUPLICATE, CMD_DUPLICATE,        \
	  "sends frames of the channel twice")                                                              \
	X(FLOOD, "flood", RULE_FAULT,      ON_LINK | ON_NODE,   true,  CMD_FLOOD, CMD_FLOOD,                \
	  "foreign traffic takes a part of the channel's rate")                                             \
	X(DERATE, "derate", RULE_FAULT,    ON_NODE,             true,  CMD_DERATE, CMD_UNDERATE,            \
	  "lowers the current limit of a node's feed, or heats its air")                                     \
	X(HANG,  "hang",  RULE_FAULT,      ON_NODE | ON_MODULE, true,  CMD_HANG,  CMD_UNHANG,               \
	  "the firmware of a node or of a cpu module stops, until its watchdog resets it or `for:` ends")                            \
	X(FEED_LOSS, "feed_loss", RULE_FAULT, ON_NODE,          true,  CMD_FEED_LOSS, CMD_FEED_BACK,       \
	  "the source of a feed is gone: no current from that step on, while its node lives")              \
	X(HEAL,  "heal",  RULE_LINK,       ON_LINK | ON_NODE,   false, CMD_HEAL,  0,                        \
	  "ends a cut; on a node: of all its links")                                       \
	X(KILL,  "kill",  RULE_END_LIFE,   ON_NODE | ON_MODULE, false, 0,         0,                        \
	  "SIGKILL; from step K on every neighbour's link is open")                                         \
	X(LOAD,  "load",  RULE_LEVEL,      ON_NODE | ON_MODULE, true,  CMD_LOAD,  0,                        \
	  "takes a node's built-in load, or a module of class fixed, to a level")                            \
	X(PARTITION, "partition", RULE_LINK, ON_NODE,           true,  CMD_CUT,   0,                        \
	  "cuts the closed links between groups of nodes: [n1, n2] from all others, or [[n1, n2], [n3]] "   \
	  "also from each other")                                                                           \
	X(PLUG,  "plug",  RULE_PLUG,       ON_MODULE,           true,  CMD_PLUG,  0,                        \
	  "puts a module that was pulled, or began with `plugged: false`, into its slot")                  \
	X(RAMP,  "ramp",  RULE_LEVEL,      ON_NODE | ON_MODULE, false, CMD_LOAD,  0,                        \
	  "takes a load to a level in a straight line")                                                     \
	X(RELAY_KILL, "relay_kill", RULE_RELAY, ON_RELAY,       false, 0,         0,                        \
	  "SIGKILL to the relay; it comes back, and no step takes notice")                                 \
	X(REORDER, "reorder", RULE_FAULT,  ON_LINK | ON_NODE,   true,  CMD_REORDER, CMD_REORDER,            \
	  "holds frames of the channel back, so that later ones overtake them")                             \
	X(SAG,   "sag",   RULE_FAULT,      ON_NODE,             true,  CMD_SAG,   CMD_UNSAG,                \
	  "a dip of a feed's source, at once and for a time; wants `for:`")                                \
	X(SC_OPEN, "sc_open", RULE_FAULT,  ON_NODE,             true,  CMD_SC_OPEN, CMD_SC_CLOSE,           \
	  "the string of a supercapacitor opens; it keeps its charge")                                     \
	X(SHORT, "short", RULE_FAULT,      ON_NODE,             true,  CMD_SHORT, 0,                        \
	  "a resistance from the bus to ground")                                                            \
	X(START, "start", RULE_BEGIN_LIFE, ON_NODE | ON_MODULE, false, 0,         0,                        \
	  "a new incarnation of what was killed or stopped")                                                \
	X(STOP,  "stop",  RULE_END_LIFE,   ON_NODE | ON_MODULE, false, 0,         0,                        \
	  "to its peers like a kill, then SIGSTOP")                                                         \
	X(STUCK, "stuck", RULE_FAULT,      ON_NODE,             true,  CMD_STUCK, CMD_UNSTUCK,              \
	  "a sensor of a node stays at its reading")                                                         \
	X(SURGE, "surge", RULE_FAULT,      ON_NODE | ON_MODULE, true,  CMD_SURGE, CMD_UNSURGE,              \
	  "power on top of a load")                                                                         \
	X(SWAP,  "swap",  RULE_PLUG,       ON_MODULE,           false, 0,         0,                        \
	  "an unplug of this module, then a plug of another one")                                           \
	X(UNPLUG, "unplug", RULE_PLUG,     ON_MODULE,           true,  CMD_UNPLUG, 0,                       \
	  "pulls a module out of its slot")
/* clang-format on */

enum script_kind {
#define X(kind, name, rule, on, lease, command, undo, doc) SCRIPT_##kind,
	ACTION_TABLE(X)
#undef X
		SCRIPT_KINDS_
};

struct action {
	const char *name;
	enum action_rule rule;
	int on;
	bool may_last;
	unsigned command, undo;
	const char *doc;
};
extern const struct action action_table[SCRIPT_KINDS_];

/* Actions that drills know and this release does not run; ended by NULL. */
extern const char *const action_later[];

enum { ACTION_SENSOR_MAX = TOPO_ID_MAX + 16 };

/* `with:` of any action; what was not given is NaN, "" or 0. */
struct action_with {
	double ambient_c;                /* derate */
	double bias_v;                   /* bias */
	double bias_a;                   /* bias */
	double bias_part;                /* bias */
	double bias_temp;                /* bias: K */
	double burst_enter, burst_leave; /* degrade */
	double by_s;                     /* reorder */
	double bypass_s;                 /* close */
	double c_part;                   /* age */
	double delay_s;                  /* degrade */
	double esr_part;                 /* age */
	double feed_part;                /* derate */
	double gap_s;                    /* swap */
	double jitter_s;                 /* degrade */
	double level_v;                  /* brownout, sag */
	double level_w;                  /* load */
	double loss;                     /* degrade */
	double only;                     /* cut, heal: enum cut_only */
	double power_w;                  /* surge */
	double precharge_ohm;            /* close */
	double r_ohm;                    /* short */
	double ramp_s;                   /* brownout, load, ramp, surge */
	double rate_bit_s;               /* degrade, flood */
	double share;                    /* corrupt, duplicate, reorder */
	double size;                     /* flood: B */
	int signal;                      /* kill */
	char to[TOPO_ID_MAX];            /* swap: the module that comes */
	const struct yamldoc_node *last_sent; /* kill: while the file is read */
	char end[TOPO_ID_MAX];           /* close: at which end the resistor is */
	char toward[TOPO_ID_MAX];        /* channel: the node that receives */
	char sensor[ACTION_SENSOR_MAX];    /* bias, stuck: as in sensor_name.h */
};

enum { ACTION_NEEDS_MAX = 2, ACTION_WORDS = 6 };

/* How an action takes its parameters. */
struct action_params {
	const struct schema *with;
	struct {
		const char *key, *what; /* "level", "the power to go to": an error without it */
	} needs[ACTION_NEEDS_MAX];
	/* a to f of the command: ACTION_OF(member of struct action_with), ACTION_LEASE, or 0: NaN
	 */
	size_t words[ACTION_WORDS];
};
extern const struct action_params action_params[SCRIPT_KINDS_];
extern const struct action_with action_no_with; /* nothing is given */

#define ACTION_OF(member) (offsetof(struct action_with, member) + 1)
#define ACTION_LEASE ((size_t)-1) /* `for:` in seconds, NaN: without end */

#define ACTION_INT_ ((size_t)1 << 31)
#define ACTION_INT(member) (ACTION_OF(member) | ACTION_INT_) /* of an int */

/* Word i of the command. */
double action_word(enum script_kind, const struct action_with *, double for_s, size_t i);

#endif
