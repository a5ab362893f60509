/*
 * host_zmq_priv.h - what the files of host_zmq share: host_zmq.c (arguments, the loop, pace, what
 * is due by the wall clock) and host_zmq_sock.c (sockets, what waits for a peer, monitors, tcp).
 *
 * Nobody else includes this header.
 */
#ifndef VL_HOST_ZMQ_PRIV_H
#define VL_HOST_ZMQ_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "proc.h"
#include "slice.h"
#include "telem.h"
#include "wire.h"

enum {
	OUTBOX_MAX = 16,      /* messages kept while the transport has no peer yet */
	FAST_TIMEOUT_MS = 20, /* a channel that is silent this long sends us to the slow path */
};

static const int64_t MS_NS = 1000000;

struct sock {
	void *s, *mon;
	uint32_t inc;
	bool lost; /* DISCONNECTED seen */
	bool told; /* and handed to the engine */
	bool joined;
	size_t n_out;
	size_t out_len[OUTBOX_MAX];
	uint8_t (*out)[WIRE_MSG_MAX]; /* OUTBOX_MAX of them, made when first needed */
};

/* Lives of one peer that have a socket: usually one, while one joins two. */
struct channel {
	size_t n, cap;
	struct sock *sock;
};

struct host {
	struct slice *slice;
	struct proc *p;
	void *ctx;
	struct channel *chans;
	const char *dir, *rec_dir, *slice_path;
	int fd; /* to the supervisor */
	double speed;
	int64_t stall_ns;
	uint64_t keep;
	int cpu;
	pid_t parent;
	bool orphaned;
	/* pace */
	int64_t t0_ns, k0, speed_k;
	uint64_t overruns, late; /* late: since the speed in force was agreed */
	/* wall time */
	int64_t alive_ns, greet_ns;
	struct telem *telem;
	bool telemetry;
	int64_t paused_k; /* published last while paused */
	uint64_t bad_wire;
	double cpu0_s; /* at the start of the clock */
	struct err err;
};

/* The first failure is kept, and ends the loop. The system's reason (errno) goes with it. */
void host_zmq_fail(struct host *, int code, const char *what);

/* The socket to a peer's incarnation, NULL: none. */
struct sock *host_zmq_sock_find(struct host *, size_t chan, uint32_t inc);
/* Callbacks of the engine (struct proc_io): make and close a socket, send without waiting. */
void host_zmq_sock_make(void *arg, size_t chan, uint32_t inc);
void host_zmq_sock_drop(void *arg, size_t chan, uint32_t inc);
void host_zmq_sock_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *);
/* One message of a channel; wait: up to FAST_TIMEOUT_MS. False: nothing came. */
bool host_zmq_sock_receive(struct host *, size_t chan, struct sock *, bool wait);
/* Takes everything that the engine lets in, and looks who came and went. False: nothing was there.
 */
bool host_zmq_sock_drain_all(struct host *);
/* Greets again whoever has not answered; tries again what had no tcp endpoint yet. */
void host_zmq_sock_greet_again(struct host *);
/* Until something comes from anywhere, at most FAST_TIMEOUT_MS. */
void host_zmq_sock_sleep(struct host *, int64_t timeout_ns);
void host_zmq_sock_close_all(struct host *);

#endif
