/*
 * mesh_text.h - a mesh from the text of a topology file, as tests write them; and the files that
 * come with the program.
 */
#ifndef VL_MESH_TEXT_H
#define VL_MESH_TEXT_H

#include "topo.h"

/* Owned by the caller (topo_destroy). Fails the test when the text is not a mesh. */
struct topo *mesh_text(const char *text);
/* topologies/<name>.yaml of the checkout. */
struct topo *mesh_file(const char *name);

#endif
