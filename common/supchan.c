#include "supchan.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { SUPCHAN_MAGIC = 0x564c5331 }; /* "VLS1" */

/* What is on the wire; the size is checked, so two builds do not misread each other. */
struct packet {
	uint32_t magic, size;
	struct sup_msg msg;
};

int
supchan_send(int fd, const struct sup_msg *m, bool wait)
{
	struct packet p = { .magic = SUPCHAN_MAGIC, .size = sizeof p, .msg = *m };
	ssize_t n;
	do
		n = send(fd, &p, sizeof p, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof p ? 0 : -1;
}

enum supchan_result
supchan_recv(int fd, struct sup_msg *m)
{
	struct packet p;
	ssize_t n;
	do
		n = recv(fd, &p, sizeof p, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? SUPCHAN_EMPTY : SUPCHAN_EOF;
	if (n == 0)
		return SUPCHAN_EOF;
	if (n != (ssize_t)sizeof p || p.magic != SUPCHAN_MAGIC || p.size != sizeof p ||
	    p.msg.type >= SM_TYPES_ || p.msg.n_starters > SUP_STARTERS_MAX)
		return SUPCHAN_BAD;
	*m = p.msg;
	m->text[SUP_TEXT_MAX - 1] = 0;
	return SUPCHAN_MSG;
}
