/* A drill file, with its expressions, against a mesh of three nodes and a module. */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "fuzz_file.h"
#include "script.h"
#include "topo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mesh[] =
	"voltloom: 1\n"
	"mesh: { name: tri }\n"
	"nodes:\n"
	"  - { id: n1, feed: { i_rated: 40A }, load: [[0ms, 100W, 1ms]] }\n"
	"  - { id: n2, load: [[0ms, 100W, 1ms]] }\n"
	"  - { id: n3, feed: { i_rated: 40A } }\n"
	"links:\n"
	"  - { id: l1, between: [n1, n2] }\n"
	"  - { id: l2, between: [n2, n3], channel: { rate: 100Mbit, delay: 1us } }\n"
	"  - { id: l3, between: [n3, n1], open: true }\n"
	"modules:\n"
	"  - { id: m1, class: cpu, feeds: [n1, n2] }\n"
	"  - { id: m2, class: fixed, power: 100W, feeds: [n3], plugged: false }\n";

static const struct topo *
tri(void)
{
	static struct topo *t;
	struct diag_list diags;
	struct err err = ERR_INIT;
	char path[64];

	if (t)
		return t;
	int fd = fuzz_file_open((const uint8_t *)mesh, strlen(mesh), path);
	diag_list_init(&diags);
	if (topo_load(path, &diags, &t, &err))
		abort();
	diag_list_free(&diags);
	close(fd);
	return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct script_options options = { .drill = true };
	struct diag_list diags;
	struct script *s = NULL;
	struct err err = ERR_INIT;
	char path[64];
	int fd = fuzz_file_open(data, size, path);

	diag_list_init(&diags);
	if (script_load_with(path, tri(), &options, &diags, &s, &err) && s)
		abort();
	script_destroy(&s);
	diag_list_free(&diags);
	close(fd);
	return 0;
}
