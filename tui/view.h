/*
 * view.h - the view model: what telemetry, the topology and the supervisor's status say, put
 * together, and a snapshot ("shot") of it from which screens and JSON are made.
 *
 * The view has no clock and no socket: wall time is handed in (ns, monotonic). Names come from the
 * topology when there is one, else from telemetry as it arrives. Energies per time are the mean
 * over the plant time between the last two frames.
 *
 * Freshness: a value is stale VIEW_STALE_NS after the last message of its process, and shown as
 * "-" VIEW_LOST_NS after it. Processes publish every 100 ms also while blocked or paused.
 */
#ifndef VL_VIEW_H
#define VL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "telem.h"
#include "topo.h"

#define VIEW_STALE_NS INT64_C(1000000000) /* ten missing messages */
#define VIEW_LOST_NS INT64_C(3000000000)
#define VIEW_BUS_SLOT_NS INT64_C(500000000)

enum {
	VIEW_SPARK = 60,    /* seconds of the sparkline, one point each */
	VIEW_BUS = 120,     /* points of the bus history */
	VIEW_EVENTS = 1000, /* events that are kept */
	VIEW_OWNS_MAX = 64, /* bytes of the list of owned modules */
};

struct view;
struct shot;

/* `topo` may be NULL; what is needed of it is copied. */
int view_create(const struct topo *, struct view **ret, struct err *);
void view_destroy(struct view **);

/* ERR_LIMIT when it speaks of more nodes, links or modules than a mesh can have. */
int view_telem(struct view *, const struct telem_msg *, int64_t wall_ns, struct err *);
void view_bad(struct view *); /* a message that telem_parse() refused */
/* The `data` of a reply to `status` (docs/commands.md). */
int view_status(struct view *, const void *data, size_t len, int64_t wall_ns, struct err *);
/* True when every process that the topology or the supervisor names has been heard twice (so that
 * powers are known) or is dead. */
bool view_complete(const struct view *);

/* ---- snapshot ------------------------------------------------------------------------------ */

enum shot_fresh { FRESH_LOST, FRESH_STALE, FRESH_OK };

/* word, as shown */
#define PROC_STATE_TABLE(X)                                                  \
	X(PROC_UNKNOWN, "-") /* never heard of */                            \
	X(PROC_OK, "ok")                                                     \
	X(PROC_SUSPECT, "suspect") /* silent, nobody said that it is dead */ \
	X(PROC_ISLAND, "island")   /* a node all of whose links are open */  \
	X(PROC_JOINING, "joining")                                           \
	X(PROC_STOPPED, "stopped")                                           \
	X(PROC_DONE, "done")                                                 \
	X(PROC_DEAD, "dead")
enum shot_state {
#define X(code, text) code,
	PROC_STATE_TABLE(X)
#undef X
		PROC_STATE_END_
};
const char *shot_state_text(enum shot_state);

enum shot_severity { SEV_INFO, SEV_GOOD, SEV_WARN, SEV_BAD };

/* Numbers that are not known are NaN. */
struct shot_node {
	char id[TOPO_ID_MAX];
	enum shot_state state;
	enum shot_fresh fresh;
	uint32_t inc;
	bool has_at, has_feed;
	double at_x, at_y;
	double v_v, v_min_v, v_max_v;
	double i_a, p_w; /* net into the links, positive: gives */
	/* Supercapacitor: state of charge behind a converter, else its energy over that at the nominal
	 * voltage; its voltage; power of its converter into the bus. */
	double soc, sc_v, sc_p_w;
	double conv_v, conv_i_a, conv_p_w; /* its own converter: output, inductor, into its load; NaN: none */
	double feed_i_a, feed_p_w, loading;
	double load_w;
	double temp_c; /* of its power stages */
	double calib_rank, calib_unknowns; /* of the current sensors; NaN: the node does not calibrate */
	bool served;
	char owns[VIEW_OWNS_MAX];   /* "m1 m5", cut with "+n" */
	double spark_v[VIEW_SPARK]; /* oldest first */
};

struct shot_link {
	char id[TOPO_ID_MAX];
	int a, b; /* indices of shot nodes, -1: not known */
	char a_id[TOPO_ID_MAX], b_id[TOPO_ID_MAX];
	enum shot_fresh fresh;
	int state;       /* 0 open, 1 pre-charging, 2 closed, -1 not known */
	double i_a, p_w; /* positive: from a to b */
	/* Converter at an end: output, inductor current, power and set-point from a to b; NaN: none. */
	double conv_v, conv_i_a, conv_p_w, conv_set_w;
	/* Control frames over both directions so far, and those that were lost or damaged; NaN: the
	 * channel is ideal. deaf: an end does not hear the other. */
	double frames_sent, frames_lost;
	bool deaf;
	double i_max_a;  /* fuse rating; NaN: none or not known */
	double fraction; /* |i| over i_max, or over the highest |i| of the mesh when no fuse is
	                    known */
};

struct shot_module {
	char id[TOPO_ID_MAX];
	enum shot_state state;
	enum shot_fresh fresh;
	uint32_t inc;
	double v_in_v, v_v, p_w, demand_w, temp_degc;
	double throughput, errors;
	double phase, epoch;
	bool served;
	int owner; /* index of a shot node, -1: none or not known */
	char owner_id[TOPO_ID_MAX];
};

struct shot_event {
	int64_t t_ns, k;
	enum shot_severity severity;
	char proc[TOPO_ID_MAX];
	char what[24];
	char text[112];
};

struct shot_head {
	char mesh[TOPO_ID_MAX];
	char state[16]; /* "running", "paused", ...; "no data" */
	double speed;   /* 0: as fast as it goes; NaN: not known */
	double asked;   /* speed that was asked for, more if the host did not hold it; NaN: not known */
	double pace;    /* reached of late; 0, NaN: not known */
	bool has_seed;
	uint64_t seed;
	int64_t t_ns, k;
	double nominal_v;
	size_t nodes_up, links_closed, modules_served, procs_up, procs;
	double gen_w, load_w, loss_w, unserved_w, unserved_j;
	double v_min_v, v_max_v;
	int worst_link; /* by fraction of the fuse rating, -1: none */
	size_t islands;
	uint64_t messages, lost, bad;
	double messages_per_s;
	int64_t overruns; /* steps late at this speed, -1: not known */
};

struct shot {
	struct shot_head head;
	size_t n_nodes, n_links, n_modules, n_events;
	struct shot_node *nodes;
	struct shot_link *links;
	struct shot_module *modules;
	struct shot_event *events; /* oldest first */
	double bus_min_v[VIEW_BUS],
		bus_max_v[VIEW_BUS]; /* oldest first, one per VIEW_BUS_SLOT_NS */
	size_t cap_nodes, cap_links, cap_modules, cap_events;
};

/* Fills *ret, which starts all zero and keeps its memory from one call to the next. */
int view_sample(struct view *, int64_t wall_ns, struct shot *ret, struct err *);
void shot_free(struct shot *);

#endif
