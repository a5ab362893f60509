#include "mesh_text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"

static struct topo *
load(const char *path)
{
	struct diag_list d;
	struct err err = ERR_INIT;
	struct topo *t = NULL;
	diag_list_init(&d);
	ck_assert_msg(topo_load(path, &d, &t, &err) == 0, "%s: %s", err.text,
	              d.n ? d.d[0].text : "");
	diag_list_free(&d);
	return t;
}

struct topo *
mesh_text(const char *text)
{
	char path[512];
	const char *tmp = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/vl-mesh-XXXXXX", tmp ? tmp : "/tmp");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct topo *t = load(path);
	unlink(path);
	return t;
}

struct topo *
mesh_file(const char *name)
{
	char path[4300];
	const char *src = getenv("VL_SRC");
	snprintf(path, sizeof path, "%s/topologies/%s.yaml", src ? src : ".", name);
	return load(path);
}
