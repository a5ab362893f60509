/* voltloom-module: one compute module. Everything is in host_zmq (process) and module_core (the model). */
#include "core.h"
#include "host_zmq.h"

int
main(int argc, char **argv)
{
	return host_zmq_main(argc, argv, &module_core_ops);
}
