/*
 * relay.h - forwards telemetry and requests of one mesh; holds no state.
 *
 *   processes -> XSUB <dir>/relay.pub      XPUB <dir>/relay.sub -> clients
 *   clients  <-> ROUTER <dir>/relay.cmd    DEALER <dir>/sup.cmd <-> supervisor
 * Telemetry is dropped where a reader is slow; a request is dropped when the supervisor is not
 * there (the client asks again). A request travels as [client][request]: the supervisor's ROUTER
 * sees one more routing frame in front and answers with every frame before the last one unchanged.
 *
 * It may be killed at any time and started again at the same paths: libzmq replaces a stale socket
 * file on bind, and both sides reconnect by themselves. Socket files stay behind when it ends; who
 * made the folder removes them with it.
 */
#ifndef VL_RELAY_H
#define VL_RELAY_H

#include "err.h"

/* Forwards until `stop_fd` becomes readable (a signalfd, a pipe). */
int relay_run(const char *dir, int stop_fd, struct err *);

#endif
