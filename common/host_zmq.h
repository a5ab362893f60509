/*
 * host_zmq.h - one process of the mesh as one OS process: its sockets, its supervisor, its pace.
 *
 * One DEALER-DEALER pair per (edge, pair of incarnations), ipc://<dir>/c<edge>.<inc a>.<inc b>, or
 * tcp on loopback. Raw libzmq; while messages flow: send to all with DONTWAIT, then block on one
 * channel after the other. When one stays silent for 20 ms, the slow path looks at everything
 * (channels, their monitors, the supervisor) and drives WAIT and accusations.
 */
#ifndef VL_HOST_ZMQ_H
#define VL_HOST_ZMQ_H

#include "core.h"
#include "err.h"

/* The whole life of voltloom-node and voltloom-module: parses the supervisor's arguments, runs, and
 * returns the exit status (0; 64 usage; 70 failed; 75 retired; 76 the supervisor is gone). */
int host_zmq_main(int argc, char **argv, const struct core_ops *);

#endif
