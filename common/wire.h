/*
 * wire.h - what travels between processes: link messages between peers, control messages between a
 * process and its supervisor. Both hosts use the structs; host_zmq packs them.
 *
 * A link message on the wire is little-endian with a fixed layout per type:
 *   magic u16 | version u8 | type u8 | sender incarnation u32 | receiver incarnation u32 |
 *   flags u32 | step i64 | payload as in payload_table of wire.c
 * A wave whose sender calibrates its sensors has three more words at its end.
 * Control messages stay on one machine and in one build, over a SEQPACKET socketpair; magic, version
 * and size are checked all the same.
 */
#ifndef VL_WIRE_H
#define VL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "err.h"

enum link_msg_type {
	LM_NONE,
	LM_GREET,   /* hello {mesh hash, T, N, T_p} */
	LM_GREETOK,
	LM_PARK,    /* nothing more comes; step = the sender's last frame */
	LM_PARKED,
	LM_WAVE,
	LM_OFFER,
	LM_ANSWER,
	LM_WAIT,    /* sender is alive and waits in `step` */
	LM_TYPES_
};

/* GREET */
struct hello {
	uint8_t topo_hash[32];
	int64_t step_ns;
	uint32_t substeps, port_period;
};

struct link_msg {
	enum link_msg_type type;
	uint32_t from_inc, to_inc;
	int64_t step;
	union {
		struct core_msg core; /* LM_WAVE, LM_OFFER, LM_ANSWER */
		struct hello hello;
	};
};

enum { WIRE_MSG_MAX = 24 + 8 * 8 + 8 * TOPO_SUBSTEPS_MAX + 64 };

/* `substeps` values of a wave travel. Returns the length. */
size_t wire_pack(const struct link_msg *, uint32_t substeps, uint8_t buf[WIRE_MSG_MAX]);
/* ERR_PROTO with the field that is wrong; *ret is then undefined. */
int wire_unpack(const uint8_t *buf, size_t len, uint32_t substeps, struct link_msg *ret,
                struct err *);
const char *link_msg_name(enum link_msg_type);

/* ---- supervisor <-> process ---------------------------------------------------------------- */

enum sup_msg_type {
	SM_NONE,
	/* supervisor -> process */
	SM_START,    /* all are ready: clock starts, J = 0 */
	SM_ANNOUNCE, /* {proc, inc} of a newcomer next to you */
	SM_DEATH,    /* {proc, inc} has been reaped */
	SM_HOLD,     /* {cmd} stop between two steps, report HELD */
	SM_AGREE,    /* {cmd, k = S, act, ...} go on; act at S */
	SM_BYE,      /* all have ended: close and exit 0 */
	SM_RETIRE,   /* a parked process: exit 75 */
	/* process -> supervisor */
	SM_READY,
	SM_HELD,     /* {cmd, k}; k = -1: not started */
	SM_ACTED,    /* {cmd} */
	SM_PARKED,   /* {k = last frame} */
	SM_DONE,     /* {k, x = CPU seconds since its clock started} */
	SM_ACCUSE,   /* {proc, inc}: overdue and silent; k = own step */
	SM_ALIVE,    /* {k}: about every 100 ms of wall time */
	SM_REFUSED,  /* {proc}: greeting with another mesh */
	SM_FAILED,   /* {text}: the process ends for this reason; its log may be full */
	SM_TYPES_
};

enum sup_act {
	ACT_NONE,   /* resume */
	ACT_PAUSE,  /* wait at S for the next AGREE */
	ACT_SPEED,  /* x = factor, 0: max */
	ACT_STOP,   /* S is the end of the run */
	ACT_START,  /* starters */
	ACT_FAULT,  /* core command on an edge or a process */
};

enum { SUP_STARTERS_MAX = 32, SUP_TEXT_MAX = 192 };

struct sup_msg {
	uint16_t type;     /* enum sup_msg_type */
	uint16_t act;      /* enum sup_act */
	uint32_t cmd;      /* number of the command */
	uint32_t proc, inc;
	int64_t k;
	double x;
	/* ACT_FAULT: on an edge (>= 0) or on process `proc` (-1, or a sensor of it: as chan in core.h) */
	int32_t edge;
	uint32_t fault;    /* enum core_cmd_kind */
	uint32_t toward;   /* the one end of the edge that gets it, process index + 1; 0: both */
	double a, b, c;    /* as in struct core_cmd; CMD_CLOSE: c is seen from the link's end a */
	double d, e, f;
	uint64_t overruns; /* SM_ALIVE, SM_DONE: late steps */
	uint64_t late;     /* of these, since the speed in force was agreed */
	uint32_t n_starters;
	uint32_t starters[SUP_STARTERS_MAX];
	char text[SUP_TEXT_MAX]; /* SM_FAILED */
};
const char *sup_msg_name(unsigned type);

#endif
