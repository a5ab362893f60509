/*
 * supchan.h - control messages (wire.h, struct sup_msg) over the SEQPACKET socketpair between the
 * supervisor and one process. Its end of file is the other side's death.
 */
#ifndef VL_SUPCHAN_H
#define VL_SUPCHAN_H

#include "wire.h"

/* 0 sent; -1 would block or the other side is gone. wait: block until there is room. */
int supchan_send(int fd, const struct sup_msg *, bool wait);
enum supchan_result { SUPCHAN_MSG, SUPCHAN_EMPTY, SUPCHAN_EOF, SUPCHAN_BAD };
/* Never blocks. */
enum supchan_result supchan_recv(int fd, struct sup_msg *);

#endif
