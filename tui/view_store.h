/*
 * view_store.h - inside of the view: what was last heard of each process and link. Only for
 * view*.c.
 */
#ifndef VL_VIEW_STORE_H
#define VL_VIEW_STORE_H

#include "view.h"

/* From an id to an index; open addressing, never more than 3/4 full. */
struct view_index {
	size_t cap;
	struct {
		char id[TOPO_ID_MAX];
		uint32_t value; /* index + 1, 0: free */
	} * slots;
};

/* A cumulative energy and its mean power between the last two frames. */
struct view_energy {
	double j, w;
};

enum view_account { ACCOUNT_SOURCE, ACCOUNT_USEFUL, ACCOUNT_LOSS, ACCOUNT_UNSERVED, ACCOUNT_END_ };

/* Of a node or a module. */
struct view_proc {
	char id[TOPO_ID_MAX];
	bool in_topo, heard_twice;
	int64_t wall_ns; /* of the last message, INT64_MIN: never */
	uint32_t inc;
	int64_t t_ns, k, seq;
	double speed;
	enum telem_state state;
	struct view_energy account[ACCOUNT_END_];
	char status[12]; /* the supervisor's word, "": none */
	uint32_t status_inc;
	int64_t status_wall_ns;
};

struct view_spark {
	int64_t slot;         /* of the newest point, INT64_MIN: none yet */
	double v[VIEW_SPARK]; /* mean of each second, ring by slot */
	unsigned n;           /* samples in the newest point */
};

struct view_node {
	struct view_proc proc;
	bool has_at, has_feed, has_sc;
	double at_x, at_y, nominal_v;
	double v_v, v_min_v, v_max_v, v_sc_v, sc_p_w, sc_soc, conv_v, conv_i_a, conv_p_w, feed_i_a, loading, load_w,
		temp_c;
	double calib_rank, calib_unknowns;
	bool served;
	struct view_spark spark;
};

struct view_end {
	int64_t wall_ns;
	uint32_t inc;
	double i_a, p_w;
	double conv_v, conv_i_a, conv_p_w, conv_set_w; /* NaN: no converter at this end */
	/* Of the channel that this end receives over, cumulative; NaN: it is ideal. */
	double frames_sent, frames_lost, adjacent;
	int state;
};

struct view_link {
	char id[TOPO_ID_MAX];
	char end_id[2][TOPO_ID_MAX]; /* a, b; "": not known */
	double i_max_a;
	struct view_end end[2];
};

struct view_module {
	struct view_proc proc;
	size_t n_inputs;
	char input[TOPO_FEEDS_MAX][TOPO_ID_MAX]; /* nodes */
	double v_in_v, v_v, p_w, demand_w, temp_degc, throughput, errors, phase, epoch;
	bool served;
	int owner; /* input, -1: none */
};

struct view {
	bool has_topo;
	char mesh[TOPO_ID_MAX];
	double nominal_v;
	size_t n_nodes, n_links, n_modules;
	size_t cap_nodes, cap_links, cap_modules;
	struct view_node *nodes;
	struct view_link *links;
	struct view_module *modules;
	struct view_index node_of, link_of, module_of;
	size_t first_event, n_events; /* ring */
	struct shot_event events[VIEW_EVENTS];
	int64_t bus_slot;                                /* newest point of the bus history */
	double bus_min_v[VIEW_BUS], bus_max_v[VIEW_BUS]; /* ring by slot */
	uint64_t messages, lost, bad;
	uint64_t rate_messages; /* messages at rate_wall_ns */
	int64_t rate_wall_ns;
	double rate_per_s; /* NaN: not known yet */
	/* the supervisor's word */
	int64_t status_wall_ns; /* INT64_MIN: none yet */
	char status[16];
	double status_speed, status_asked, status_pace; /* NaN: not known */
	int64_t step_ns; /* T, 0: not known */
	bool has_seed;
	uint64_t seed;
	int64_t overruns;
};

struct view_node *view_node_get(struct view *, const char *id, struct err *);
struct view_link *view_link_get(struct view *, const char *id, struct err *);
struct view_module *view_module_get(struct view *, const char *id, struct err *);
int view_find(const struct view_index *, const char *id); /* -1 */

void view_event(struct view *, const struct shot_event *);
/* Words for an event message. */
void view_event_text(const struct view *, const struct telem_msg *, struct shot_event *ret);

#endif
