/*
 * topo_build.h - the workshop of topo_load(): what its stages share. Not for users of topo.h.
 *
 *   topo_load.c      file -> entries, in the order mesh, defaults, generate, nodes, links, modules
 *   topo_entries.c   ids, entries of nodes, links and modules
 *   topo_schema.c    the table of all keys: type, unit, range, default, meaning
 *   topo_custom.c    fields that need more than the table
 *   topo_generate.c  ring, grid, torus, full
 *   topo_resolve.c   derived defaults, adjacency, ports
 *   topo_check.c     the rules of docs/models on the resolved mesh
 *   topo_hash.c      SHA-256 over the resolved mesh
 *   topo_doc.c       reference and JSON schema from the table
 *
 * An entry is a prototype (defaults of the table, then `defaults:` of the file) over which the keys
 * of the file are written; so entries merge field by field.
 */
#ifndef VL_TOPO_BUILD_H
#define VL_TOPO_BUILD_H

#include "decode.h"
#include "topo.h"

struct build;

extern const struct schema schema_root, schema_mesh, schema_defaults, schema_node, schema_link,
	schema_module;

struct build_gains {
	double kv, kc, ki; /* NaN: of the mesh */
};

struct build_mesh {
	char name[TOPO_ID_MAX];
	int64_t step_ns, stall_ns;
	uint32_t substeps, port_period;
	uint64_t seed;
	double nominal_v, record_keep_s;
	int control, sensors, calibration, transport;
	struct build_gains gains;
	struct sensor_params sensor;
	bool allow_l_inflation;
};

struct build_node {
	struct topo_node t;
	const struct yamldoc_node *place; /* NULL: nothing but generated */
	bool generated, bad;
	int control; /* -1: of the mesh */
	struct build_gains gains;
	bool allow_l_inflation;
	bool has_sc_conv;
};

struct build_link {
	struct topo_link t;
	const struct yamldoc_node *place, *fuse_place;
	bool generated, bad, connected;
	int transport; /* -1: of the mesh */
};

struct build_module {
	struct topo_module t;
	const struct yamldoc_node *place;
	bool bad;
	int class; /* of class_words, -1: not given */
	int agent;
	double power_w; /* NaN: not given */
	const struct yamldoc_node *load_place, *power_place;
};

enum { BUILD_IDS = 32768 }; /* hash slots: > 4 times the ids a mesh can have */

struct build {
	struct decoder d; /* first: the decoders of fields are given this */
	size_t errors_before;
	const struct yamldoc_node *generate_place;
	bool skip_islands;   /* a link, a node or a feed is in doubt */
	bool nodes_in_doubt; /* ids that are not known may be meant to exist */
	struct build_mesh mesh;
	struct build_node proto_node, *nodes;
	struct build_link proto_link, *links;
	struct build_module proto_module, *modules;
	size_t n_nodes, n_links, n_modules;
	struct topo_port *ports;
	size_t n_ports;
	uint32_t ids[BUILD_IDS]; /* 0: free, else kind and index + 1 */
};

enum build_kind { BUILD_NODE, BUILD_LINK, BUILD_MODULE };

enum build_class { CLASS_FIXED, CLASS_RESISTIVE, CLASS_CPU, CLASS_LATER_ };
extern const char *const class_words[];

/* topo_custom.c: fields with a decoder of their own */
void decode_at(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_initial(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_between(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_conv_at(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_feeds(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_class(struct decoder *, const struct field *, const struct yamldoc_node *, void *);
void decode_workload(struct decoder *, const struct field *, const struct yamldoc_node *, void *);

/* topo_entries.c */
bool build_id_ok(struct build *, const struct yamldoc_node *);
/* Finds an id; false: unknown. */
bool build_find(const struct build *, const char *id, enum build_kind *, uint32_t *index);
void build_id_add(struct build *, const char *id, enum build_kind, uint32_t index);
const char *build_id(const struct build *, enum build_kind, uint32_t index);
struct build_node *build_add_node(struct build *, const char *id, const struct yamldoc_node *at);
struct build_link *build_add_link(struct build *, const char *id, const struct yamldoc_node *at);
/* Index of the node that `ref` names, or -1 with an error. */
int build_ref_node(struct build *, const struct yamldoc_node *ref);

/* The stages; the first three take one entry of the file. */
void build_load_node(struct build *, const struct yamldoc_node *);
void build_load_link(struct build *, const struct yamldoc_node *);
void build_load_module(struct build *, const struct yamldoc_node *);
void build_generate(struct build *, const struct yamldoc_node *);
void build_resolve(struct build *);
void build_check(struct build *);
int topo_hash(struct topo *, struct err *);

#endif
