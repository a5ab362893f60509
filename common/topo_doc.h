/*
 * topo_doc.h - reference and JSON schema of the input files, written from the tables that also
 * check and decode them, so that they cannot say anything else.
 */
#ifndef VL_TOPO_DOC_H
#define VL_TOPO_DOC_H

#include <stdio.h>

/* docs/topology.md, as Markdown. */
void topo_print_reference(FILE *);
/* JSON Schema (draft 2020-12) of a topology file. */
void topo_print_json_schema(FILE *);
/* docs/drills.md: the timeline of a drill file, as Markdown. */
void drill_print_reference(FILE *);

#endif
