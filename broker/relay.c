#include "relay.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/un.h>
#include <zmq.h>

enum {
	RELAY_HWM = 4096,  /* messages per peer: one second of a mesh of 100 nodes of degree 4 */
	RELAY_BATCH = 256, /* messages from one socket before the others have their turn */
	RELAY_RECONNECT_MS = 100,
	RELAY_MESSAGE_MAX = 1 << 20, /* bytes */
};

enum relay_end { RELAY_PUB, RELAY_SUB, RELAY_CMD, RELAY_SUP, RELAY_ENDS };

static const struct {
	const char *file;
	int type;
	bool binds;
} ends[RELAY_ENDS] = {
	[RELAY_PUB] = { "relay.pub", ZMQ_XSUB, true },
	[RELAY_SUB] = { "relay.sub", ZMQ_XPUB, true },
	[RELAY_CMD] = { "relay.cmd", ZMQ_ROUTER, true },
	[RELAY_SUP] = { "sup.cmd", ZMQ_DEALER, false },
};

/* What comes in at one end goes out at the other. */
static const enum relay_end other_end[RELAY_ENDS] = {
	[RELAY_PUB] = RELAY_SUB,
	[RELAY_SUB] = RELAY_PUB,
	[RELAY_CMD] = RELAY_SUP,
	[RELAY_SUP] = RELAY_CMD,
};

static int
relay_open(void *ctx, const char *dir, enum relay_end e, void **ret, struct err *err)
{
	char endpoint[sizeof((struct sockaddr_un *)0)->sun_path + sizeof "ipc://"];
	int n = snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", dir, ends[e].file);
	if (n < 0 || (size_t)n >= sizeof endpoint)
		return err_set(err, ERR_LIMIT,
		               "%s/%s: longer than the %zu bytes of a Unix socket's path", dir,
		               ends[e].file, sizeof((struct sockaddr_un *)0)->sun_path - 1);
	void *sock = zmq_socket(ctx, ends[e].type);
	if (!sock)
		return err_set(err, ERR_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
	*ret = sock;
	const struct {
		int name, value;
	} options[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_SNDHWM, RELAY_HWM },
		{ ZMQ_RCVHWM, RELAY_HWM },
		{ ZMQ_RECONNECT_IVL, RELAY_RECONNECT_MS },
	};
	int64_t max = RELAY_MESSAGE_MAX;
	bool bad = zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &max, sizeof max);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		bad = bad || zmq_setsockopt(sock, options[i].name, &options[i].value, sizeof(int));
	bad = bad || (ends[e].binds ? zmq_bind(sock, endpoint) : zmq_connect(sock, endpoint));
	return bad ? err_set(err, ERR_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno())) : 0;
}

/* One whole message; false when there is none. What cannot be sent at once is dropped, all of it.
 */
static bool
relay_forward(void *from, void *to)
{
	bool more = true, drop = false;
	for (bool first = true; more; first = false) {
		zmq_msg_t msg;
		zmq_msg_init(&msg);
		if (zmq_msg_recv(&msg, from, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&msg);
			return !first;
		}
		more = zmq_msg_more(&msg);
		if (drop || zmq_msg_send(&msg, to, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0) {
			drop = true;
			zmq_msg_close(&msg);
		}
	}
	return true;
}

static int
relay_loop(void *socks[RELAY_ENDS], int stop_fd, struct err *err)
{
	zmq_pollitem_t items[RELAY_ENDS + 1];
	for (int e = 0; e < RELAY_ENDS; e++)
		items[e] = (zmq_pollitem_t){ .socket = socks[e], .events = ZMQ_POLLIN };
	items[RELAY_ENDS] = (zmq_pollitem_t){ .fd = stop_fd, .events = ZMQ_POLLIN };
	for (;;) {
		if (zmq_poll(items, RELAY_ENDS + 1, -1) < 0) {
			if (zmq_errno() == EINTR)
				continue;
			return err_set(err, ERR_IO, "relay: %s", zmq_strerror(zmq_errno()));
		}
		if (items[RELAY_ENDS].revents)
			return 0;
		for (int e = 0; e < RELAY_ENDS; e++)
			for (int i = 0; (items[e].revents & ZMQ_POLLIN) && i < RELAY_BATCH; i++)
				if (!relay_forward(socks[e], socks[other_end[e]]))
					break;
	}
}

int
relay_run(const char *dir, int stop_fd, struct err *err)
{
	void *socks[RELAY_ENDS] = { NULL };
	void *ctx = zmq_ctx_new();
	if (!ctx)
		return err_set(err, ERR_NOMEM, "relay: %s", zmq_strerror(zmq_errno()));
	int rc = 0;
	for (int e = 0; !rc && e < RELAY_ENDS; e++)
		rc = relay_open(ctx, dir, e, &socks[e], err);
	if (!rc)
		rc = relay_loop(socks, stop_fd, err);
	for (int e = 0; e < RELAY_ENDS; e++)
		if (socks[e])
			zmq_close(socks[e]);
	zmq_ctx_term(ctx);
	return rc;
}
