/* voltloom-node: one converter node. Everything is in host_zmq (process) and node_core (physics, firmware). */
#include "core.h"
#include "host_zmq.h"

int
main(int argc, char **argv)
{
	return host_zmq_main(argc, argv, &node_core_ops);
}
