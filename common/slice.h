/*
 * slice.h - what one process knows of the mesh: its own parameters and its channels.
 *
 * The supervisor writes one slice per process into the run directory (MessagePack, one table of
 * fields); host_memory makes the same structs directly. Nothing else reaches a core.
 */
#ifndef VL_SLICE_H
#define VL_SLICE_H

#include "core.h"
#include "topo.h"

enum proc_kind { PROC_NODE, PROC_MODULE };
enum chan_kind { CHAN_LINK, CHAN_PORT };

struct slice_chan {
	enum chan_kind kind;
	char id[2 * TOPO_ID_MAX];     /* link id, or "<module>.<node>" */
	uint32_t edge;                /* index over the mesh: links, then ports */
	uint32_t peer;                /* process index: nodes, then modules */
	char peer_id[TOPO_ID_MAX];
	bool binds;                   /* this end binds the socket (lower process index) */
	uint32_t peer_inc;            /* the peer's incarnation when this process is spawned; 0: dead */
	bool peer_runs;               /* the peer had started when this process was spawned */
	bool tcp;
	int64_t last_sent;            /* step after which nothing is sent; INT64_MAX: no such */
	/* links */
	bool is_a;                    /* this node is the link's end `a` */
	struct link_params link;
	double peer_v_init_v;         /* peer's bus at t = 0 */
	bool uncounted;               /* its frames are not counted for the sake of the script */
	/* ports */
	uint32_t input;               /* input of the module */
	double r_port_ohm;
	double p_init_w;              /* node: what the module draws at t = 0 */
	bool owner;                   /* the node owns the module at the start (epoch 1) */
	uint32_t priority;            /* of the module: lowest is shed first */
	double shed_rank;             /* part of the modules of the mesh that are shed before it */
};

/* A scripted start of a neighbour: this process waits at step j for it. */
struct slice_start {
	uint32_t chan, peer_inc;
	int64_t j;
};

/* A converter of this node at a link. */
struct slice_conv {
	uint32_t chan;
	struct conv_params conv;
	struct pwl power_w;           /* into the link */
};

struct slice {
	enum proc_kind kind;
	char id[TOPO_ID_MAX], mesh[TOPO_ID_MAX];
	uint32_t index;               /* process index: nodes, then modules */
	uint32_t incarnation;         /* 1 for the first life */
	uint8_t topo_hash[32];
	uint64_t seed;
	int64_t step_ns;
	uint32_t substeps, port_period;
	int64_t start_k, end_k;       /* J (-1: by command) and END (INT64_MAX: until told) */
	/* A restarted process begins with the voltages of its predecessor's last frame. */
	bool restarted;
	double init_v_v, init_v_sc_v; /* node: bus, supercapacitor; module: input capacitor, unused */
	double init_temp_c;           /* node: its power stages, at frame init_temp_k */
	int64_t init_temp_k;
	double feeds_w;               /* node: rated power of all feeds of the mesh */
	size_t n_chans;
	struct slice_chan *chans;     /* links in topology order, then ports */
	union {
		struct node_params node;
		struct module_params module;
	};
	size_t n_convs;               /* node only */
	struct slice_conv *convs;
	size_t n_cmds;
	struct core_cmd *cmds;        /* scripted commands, ascending k */
	int64_t kill_k;               /* scripted kill at K (last frame K-1), INT64_MAX: none */
	bool by_hand;                 /* the kill was not scripted when it came: it leaves no mark in the
	                               * events, and channels have their last_sent */
	size_t n_starts;
	struct slice_start *starts;   /* scripted starts of neighbours, ascending j */
	int64_t stall_ns;             /* 0: the default */
};

/* The slice of process `index` at its first life; *ret owns all its memory. */
int slice_from_topo(const struct topo *, uint32_t index, struct slice **ret, struct err *);
void slice_destroy(struct slice **);

struct sup_msg;
/* An agreed fault (ACT_FAULT) as a command of this process; false: it does not concern it. */
bool slice_takes(const struct slice *, const struct sup_msg *, struct core_cmd *ret);
/* Something done by hand before this life began: among the commands of the script, for those who want to
 * know what was before them. ERR_NOMEM. */
int slice_tell(struct slice *, const struct sup_msg *, struct err *);

int slice_write(const struct slice *, const char *path, struct err *);
int slice_read(const char *path, struct slice **ret, struct err *);

#endif
