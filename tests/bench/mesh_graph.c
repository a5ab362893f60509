/*
 * mesh_graph - the channels of a topology as a graph file of bare_exchange, with the sizes that
 * Voltloom's messages have on the wire. Processes are numbered as in a run: nodes, then modules.
 *
 *   mesh_graph TOPOLOGY
 */
#include <stdio.h>
#include <string.h>

#include "diag.h"
#include "topo.h"
#include "wire.h"

static size_t
bytes_of(enum link_msg_type type, uint32_t substeps)
{
	static struct link_msg m;
	uint8_t buf[WIRE_MSG_MAX];

	memset(&m, 0, sizeof m);
	m.type = type;
	return wire_pack(&m, substeps, buf);
}

int
main(int argc, char **argv)
{
	struct diag_list diags;
	struct topo *t = NULL;
	struct err err = ERR_INIT;

	if (argc != 2) {
		fputs("usage: mesh_graph TOPOLOGY\n", stderr);
		return 64;
	}
	diag_list_init(&diags);
	if (topo_load(argv[1], &diags, &t, &err) < 0) {
		diag_print(&diags, stderr, DIAG_TEXT);
		fprintf(stderr, "mesh_graph: %s\n", err.text);
		return err_exit_status(err.code);
	}
	for (size_t i = 0; i < t->n_links; i++)
		printf("link %u %u %zu\n", t->links[i].a, t->links[i].b,
		       bytes_of(LM_WAVE, t->substeps));
	for (size_t i = 0; i < t->n_ports; i++)
		printf("port %u %zu %zu %zu %u\n", t->ports[i].node,
		       t->n_nodes + t->ports[i].module, bytes_of(LM_OFFER, t->substeps),
		       bytes_of(LM_ANSWER, t->substeps), t->port_period);
	topo_destroy(&t);
	diag_list_free(&diags);
	return 0;
}
