/*
 * core.h - what a core is: data in, data out, one step at a time.
 *
 * A core (a converter node or a compute module) owns plant and firmware of one process. It has no
 * clock, no socket, no log and no global state; the same inputs give the same bits. The process
 * engine (proc.h) calls it, driven by one of two hosts (host_zmq, host_memory), which know cores
 * only through struct core_ops.
 *
 * Time. Step k takes the core from t = kT to (k+1)T. Frame k is the state at t = kT, before step k,
 * with minima and maxima over step k-1; the first frame of an incarnation that starts at J is
 * frame J. core_ops.frame() is called once after create() and once after every step().
 *
 * Channels. Index c counts the slice's channels: links first (topology order), then ports. Per
 * step each channel hands in one struct core_in and takes out one payload:
 *   link        in: peer's wave of step k-1            out: wave of step k
 *   node port   in: module's answer of the period that ended at k (only at port steps)
 *               out: offer(), made from frame k before anything is waited for (only at port steps)
 *   module port in: node's offer of step k (only at port steps)    out: answer, at period ends
 * Port steps are the k divisible by port_period.
 *
 * In-kinds, in the order in which a channel can see them:
 *   CORE_IN_IDLE  nothing is due (channel not live, not a port step, first step of a life)
 *   CORE_IN_JOIN  the channel becomes live in this step (J of this life); nothing has arrived yet.
 *                 Not given to channels that are live from step 0 of the mesh.
 *   CORE_IN_MSG   the payload that is due
 *   CORE_IN_GONE  the peer is dead: from this very step on the channel is open. Once per life.
 */
#ifndef VL_CORE_H
#define VL_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rec.h"
#include "topo.h"

struct slice;

/* ---- payloads ---------------------------------------------------------------------------- */

enum wave_flag {
	WAVE_CLOSED = 1 << 0, /* the sender's end carried current in this step */
	WAVE_CLOSE = 1 << 1,  /* both ends close at the next step (sender hosts the line) */
	WAVE_BYPASS = 1 << 2, /* both ends bypass the pre-charge at the next step */
	WAVE_TRIP = 1 << 3,   /* the sender's fuse tripped in this step: both open at the next */
	WAVE_STATE = 1 << 4,  /* the STATE frame is present */
	WAVE_JOINER = 1 << 5, /* the sender's life began with this link and it has not closed it yet */
	WAVE_LIMIT = 1 << 6,  /* STATE: sender's feed is off, at its limit or clipped, or it has none */
	/* Together, of an end with a pre-charge resistor: it gives up, both open at the next step. */
	WAVE_GIVE_UP = WAVE_BYPASS | WAVE_TRIP,
	WAVE_CUT = 1 << 7,    /* the sender's end is kept open by a cut or by the topology */
	/* Bits 8 to 15, STATE: control periods since a live feed was heard of, 255: none known. */
	WAVE_AGE_SHIFT = 8,
	WAVE_AGE_MASK = 0xff << 8,
	/* Bits 16 to 30, STATE: whose turn it is to shed or to restore (nodes/node_protect.h): least key,
	 * and how many links away. Bit 31: to restore. */
	WAVE_TURN_SHIFT = 16,
	WAVE_TURN_MASK = 0x3ff << 16,
	WAVE_TURN_HOPS_SHIFT = 26,
	WAVE_TURN_HOPS_MASK = 0x1f << 26,
};

#define WAVE_TURN_RESTORE (UINT32_C(1) << 31)

/* What travels in a STATE frame; the other flags are between the two contactors. */
#define WAVE_STATE_ALL                                                                             \
	((uint32_t)(WAVE_STATE | WAVE_LIMIT | WAVE_AGE_MASK | WAVE_TURN_MASK |                     \
	            WAVE_TURN_HOPS_MASK) | WAVE_TURN_RESTORE)

/* One link, one direction, one step. An open end sends its own bus voltage in m[]. */
struct wave {
	uint32_t flags;
	double v_v;   /* sender's bus voltage after the step (frame k+1) */
	double c_r_f; /* sender's remaining bus capacitance, for the close rule */
	double st_v_v, st_dv_v, st_x; /* STATE {v, dv, x}, every 1 ms, if WAVE_STATE */
	/* STATE of a node that calibrates its sensors (nodes/node_calib.h): last window, mean reading of
	 * this link's end in it, what is known of its gain. */
	bool has_calib;
	double cal_window, cal_i_a, cal_e;
	/* STATE of a mesh with limited links (nodes/node_limit.h): offset of the sender's share, with the
	 * price of this link, and its share less the offset. */
	bool has_offset;
	double st_offset, st_level;
	double m[TOPO_SUBSTEPS_MAX];  /* V, one per sub-step, `substeps` of them are used */
};

enum offer_flag {
	OFFER_ON = 1 << 0,
	OFFER_OWNER = 1 << 1,
	OFFER_SHED = 1 << 2,    /* order of the owner: switch the module off, at both inputs */
	OFFER_RESTORE = 1 << 3, /* order of the owner: switch it on again */
};
struct offer {
	uint32_t flags, epoch;
	double v_v, i_max_a;
	double v_ref_v; /* reference of the rail, if owner; NaN: keep */
};

enum answer_flag {
	ANSWER_SERVED = 1 << 0,
	ANSWER_SHED = 1 << 1,   /* the module is shed */
	ANSWER_OUT = 1 << 3,    /* it is unplugged: nothing to shed or to restore */
	ANSWER_ORPHAN = 1 << 2, /* it has no owner: any of its nodes may give orders */
};
struct answer {
	uint32_t phase, flags;
	double energy_j; /* taken from this input during the period that ended, at the offered voltage */
	double v_in_v, v_v, i_a, p_w; /* p: of a module that is shed what it would take */
	double throughput, errors;
};

struct core_msg {
	union {
		struct wave wave;
		struct offer offer;
		struct answer answer;
	};
};

enum core_in_kind { CORE_IN_IDLE, CORE_IN_JOIN, CORE_IN_MSG, CORE_IN_GONE };

struct core_in {
	enum core_in_kind kind;
	const struct core_msg *msg; /* CORE_IN_MSG; valid during the call */
	int64_t rx;                 /* CORE_IN_GONE: last step received from the dead peer, -1: none */
	uint32_t peer_inc;          /* CORE_IN_JOIN, CORE_IN_GONE */
};

/* ---- commands and events ----------------------------------------------------------------- */

/* What a drill or a hand does to a core at a step. Parameters that were not given are NaN. The commands
 * of the channel act on what this end receives over it: what is NaN stays as it is; all NaN: what the
 * command can set goes back to the link's own. */
/* clang-format off */
/* kind, number (recorded: it stays), name, names of the parameters a and b (NULL: not shown), unit of
 * a for people. In alphabetical order. */
#define CORE_CMD_TABLE(X)                                                                          \
	X(CMD_AGE,     40, "age",     "c_part", "esr_part", NULL) /* supercapacitor: parts of what it is in the topology; NaN: stays */ \
	X(CMD_BIAS,    32, "bias",    "v", "i", NULL) /* chan: core_sensor_chan(); a: offset in V or K, b: in A, c: part on top of a current; NaN: none. chan -1: of bus voltage and feed current */ \
	X(CMD_BROWNOUT, 60, "brownout", "level_v", "ramp_s", "V") /* the feed's source holds at most a V */ \
	X(CMD_CLOSE,    3, "close",   "precharge_ohm", "bypass_s", NULL) /* b after closing; c = +1 resistor here, -1 at the peer */ \
	X(CMD_CORRUPT, 81, "corrupt",   "share", NULL, NULL)     /* channel: of the frames */            \
	X(CMD_CUT,      1, "cut",     NULL, NULL, NULL) /* link `chan` (the other end gets the same command): contactors open, no frame comes through; a = enum cut_only, NaN: both */ \
	X(CMD_DEGRADE, 80, "degrade",   "loss", "delay_s", NULL) /* channel; c = jitter s, d = rate bit/s, e, f = burst enter, leave */ \
	X(CMD_DERATE,  36, "derate",  "feed_part", "ambient_degc", NULL) /* of the feed's current limit; NaN: stays */ \
	X(CMD_DUPLICATE, 82, "duplicate", "share", NULL, NULL)     /* channel: of the frames */            \
	X(CMD_FLOOD, 84, "flood",     "rate_bit_s", "size", "bit/s") /* channel: foreign traffic, in frames of b bytes */ \
	X(CMD_HANG,    30, "hang",    NULL, NULL, NULL) /* the firmware stops */                            \
	X(CMD_FEED_BACK, 61, "feed_back", NULL, NULL, NULL)                                                 \
	X(CMD_FEED_LOSS, 62, "feed_loss", NULL, NULL, NULL) /* the feed gives no current from this step on */ \
	X(CMD_HEAL,     2, "heal",    NULL, NULL, NULL) /* ends a cut; contactors by the rule of docs/models (pre-charge, then bypass) */ \
	X(CMD_LOAD,     4, "load",    "level_w", "ramp_s", "W") /* built-in load */                        \
	X(CMD_PLUG,    50, "plug",    NULL, NULL, NULL) /* of a module: its contacts close */              \
	X(CMD_REORDER, 83, "reorder",   "share", "by_s", NULL)   /* channel: of the frames, held back for b */ \
	X(CMD_SAG,     63, "sag",     "level_v", NULL, "V") /* a brownout at once */                        \
	X(CMD_SC_CLOSE, 41, "sc_close", NULL, NULL, NULL) /* its string */                                  \
	X(CMD_SC_OPEN,  42, "sc_open", NULL, NULL, NULL)                                                    \
	X(CMD_SHORT,    5, "short",   "r_ohm", "for_s", "Ohm")  /* fault on the bus; b NaN: until CMD_UNSHORT */ \
	X(CMD_STUCK,   34, "stuck",   NULL, NULL, NULL) /* chan: core_sensor_chan() */                   \
	X(CMD_SURGE,   51, "surge",   "power_w", "ramp_s", "W") /* on top of a load; until CMD_UNSURGE */  \
	X(CMD_UNAGE,   43, "unage",   NULL, NULL, NULL)                                                    \
	X(CMD_UNBIAS,  33, "unbias",  NULL, NULL, NULL)                                                    \
	X(CMD_UNDERATE, 37, "underate", NULL, NULL, NULL)                                                  \
	X(CMD_UNHANG,  31, "unhang",  NULL, NULL, NULL) /* a reset by hand, if it is still hung */          \
	X(CMD_UNBROWNOUT, 64, "unbrownout", NULL, NULL, NULL)                                              \
	X(CMD_UNPLUG,  52, "unplug",  NULL, NULL, NULL) /* of a module: its contacts open */              \
	X(CMD_UNSAG,   65, "unsag",   NULL, NULL, NULL)                                                   \
	X(CMD_UNSHORT,  6, "unshort", NULL, NULL, NULL)                                                   \
	X(CMD_UNSTUCK, 35, "unstuck", NULL, NULL, NULL)                                                    \
	X(CMD_UNSURGE, 53, "unsurge", NULL, NULL, NULL) /* falls in the ramp in which it rose */
/* clang-format on */

enum core_cmd_kind {
#define X(kind, number, name, a, b, unit) kind = (number),
	CORE_CMD_TABLE(X)
#undef X
	CMD_END_ = 128,
};

/* Sensors of a node. From LINK on there may be several of a kind: by the node's own order. */
enum core_sensor_kind {
	CORE_SENSOR_V,
	CORE_SENSOR_FEED,
	CORE_SENSOR_SC_V,
	CORE_SENSOR_TEMP,
	CORE_SENSOR_LOAD,
	CORE_SENSOR_SC,
	CORE_SENSOR_CONV,
	CORE_SENSOR_LINK,
	CORE_SENSOR_LINK_CONV,
	CORE_SENSOR_PORT,
	CORE_SENSORS_
};
struct core_sensor {
	enum core_sensor_kind kind;
	uint32_t index;
};

/* As the channel of a command or an event of a node. */
static inline int32_t
core_sensor_chan(struct core_sensor s)
{
	return -2 - (int32_t)(s.kind + CORE_SENSORS_ * s.index);
}

/* False: this channel is none. */
static inline bool
core_sensor_of(int32_t chan, struct core_sensor *ret)
{
	if (chan > -2)
		return false;
	uint32_t code = (uint32_t)(-2 - (int64_t)chan);
	*ret = (struct core_sensor){ (enum core_sensor_kind)(code % CORE_SENSORS_),
		                     code / CORE_SENSORS_ };
	return true;
}

enum cut_only { CUT_POWER = 1, CUT_CHANNEL = 2 };
struct core_cmd {
	int64_t k;
	uint32_t kind; /* enum core_cmd_kind */
	int32_t chan;  /* own channel index, -1: the bus, less: a sensor, see core_sensor_chan() */
	double a, b, c, d, e, f;
};

/* A command of the channel of a link alone. */
static inline bool
core_cmd_of_channel(const struct core_cmd *cmd)
{
	return (cmd->kind >= CMD_DEGRADE && cmd->kind <= CMD_FLOOD) ||
	       ((cmd->kind == CMD_CUT || cmd->kind == CMD_HEAL) && cmd->a == CUT_CHANNEL);
}

/* Events of a core and of its process engine, recorded as frames of the event file. */
#define EVENT_TABLE(X)                                                                             \
	X(EV_LINK_OPEN, "link.open", "link")    /* a: enum open_cause, b: rx (-1: none), c: wave_j of step k-1, d: booked_j */ \
	X(EV_LINK_CLOSE, "link.close", "link")  /* a: 1 pre-charging, 2 bypassed (fully closed) */         \
	X(EV_PORT_OPEN, "port.open", "port")    /* a: enum open_cause, b: rx */                            \
	X(EV_PORT_CLOSE, "port.close", "port")  /* a port (re)joined */                                    \
	X(EV_JOINED, "joined", "subject")       /* this process starts at J > 0; a: incarnation */         \
	X(EV_FAULT, "fault.fired", "fault")     /* a: enum core_cmd_kind, b: parameter a, c: parameter b, d: energy booked as abandoned */ \
	X(EV_FAULT_MORE, "fault.more", "fault") /* behind a fault.fired: parameters c to f of its command */ \
	X(EV_PARK, "park", "subject")           /* scripted kill: last frame is k */                       \
	X(EV_OWNER, "takeover", "module")       /* module: a: new owner's input, b: epoch */               \
	X(EV_UNSERVED, "unserved", "subject")   /* a: 1 begins, 0 ends */                                  \
	X(EV_BAD_MSG, "message.bad", "channel") /* a: reason; counted, named, dropped */                   \
	X(EV_FUSE, "fuse.trip", "link")         /* a: 1 fast, 2 I2t, b: current A, c: sub-step */           \
	X(EV_PRECHARGE, "precharge.stuck", "link") /* given up, by the end with the resistor; a: 1 time, 2 heat, b: V between the ends, c: J in the resistor, d: s until the next try */ \
	X(EV_SHED, "shed", "module")            /* module: switched off for lack of power; a: its priority */ \
	X(EV_RESTORED, "restored", "module")    /* module: switched on again */                            \
	X(EV_ADJ_DOWN, "adjacency.down", "link") /* no frame of the neighbour; a: since how long, s */     \
	X(EV_ADJ_UP, "adjacency.up", "link")    /* frames again; a: after how long, s */ \
	X(EV_CALIBRATION, "calibration", "subject") /* a: 1 observable, 0 not; b: rank, c: unknowns, d: sigma */ \
	X(EV_TRIP, "trip", "node")              /* power stages off; a: enum trip_cause, b: what was measured */ \
	X(EV_TRIP_CLEAR, "trip.clear", "node")  /* and on again; the same */                               \
	X(EV_HANG, "mcu.hang", "node")          /* its firmware stops */                                   \
	X(EV_WATCHDOG, "watchdog.reset", "node") /* a: 1 the watchdog, 0 by hand */                        \
	X(EV_MCU_UP, "mcu.up", "node")          /* its firmware runs again */                              \
	X(EV_DERATED, "derated", "node")        /* a: 1 begins, 0 ends, b: part of the current limits that is left */ \
	X(EV_LINK_LIMITED, "link.limited", "link") /* feeds are re-dispatched for its limit; a: 1 begins, 0 ends, b: current, c: limit A, d: price */ \
	X(EV_LINK_OVER, "link.over", "link")    /* over its limit all the same; a: 1 begins, 0 ends, b: current, c: limit A, d: price */

enum event_code {
	EV_NONE_,
#define X(code, name, key) code,
	EVENT_TABLE(X)
#undef X
	EV_END_
};
enum trip_cause { TRIP_OV = 1, TRIP_UV = 2, TRIP_OT = 3 };
enum open_cause { OPEN_DEATH = 1, OPEN_CUT = 2, OPEN_FUSE = 3, OPEN_PRECHARGE = 4 };

struct core_event {
	int64_t k;     /* step in which it acts */
	uint32_t code; /* enum event_code */
	int32_t chan;  /* own channel index, -1: the process itself */
	double a, b, c, d;
};
const char *event_name(uint32_t code); /* "link.open" */
const char *event_key(uint32_t code);  /* "link": what chan names */

enum { CORE_EVENTS_MAX = 64 };
struct core_events {
	size_t n, lost;
	struct core_event e[CORE_EVENTS_MAX];
};
/* Appends one event; counts it as lost when the list of this step is full. */
void core_event_add(struct core_events *, int64_t k, uint32_t code, int32_t chan, double a, double b,
                    double c, double d);
/* A command acts: EV_FAULT with its first parameters and `d`, and EV_FAULT_MORE where it has more. */
void core_event_fault(struct core_events *, const struct core_cmd *, double d);

/* ---- operations -------------------------------------------------------------------------- */

struct core_ops {
	const char *kind; /* "node", "module" */
	int (*create)(const struct slice *, void **core, struct err *);
	void (*destroy)(void **core);
	/* The fixed layout of a frame; see docs/recorder.md for the names. Owned by the core. */
	const struct rec_field *(*fields)(const void *core, size_t *n);
	/* Fills n_fields 8-byte words with frame k. */
	void (*frame)(const void *core, union rec_word *words);
	/* Node only, at port steps, for port channels that are live: offer from frame k. */
	void (*offer)(const void *core, int64_t k, size_t chan, struct core_msg *out);
	/* Advances one step. in[c], out[c] per channel; cmds act at this k, in this order. out[c] is
	 * filled for links, and by modules for ports whose period ends with this step. */
	void (*step)(void *core, int64_t k, const struct core_in *in, struct core_msg *const *out,
	             const struct core_cmd *cmds, size_t n_cmds, struct core_events *);
};

extern const struct core_ops node_core_ops;   /* nodes/node_core.c */
extern const struct core_ops module_core_ops; /* loadmods/module_core.c */

#endif
