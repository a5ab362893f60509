/*
 * topo.h - a checked, immutable mesh: what a topology file says, with every default filled in.
 *
 * Grammar and meaning of the file: docs/topology.md (generated from the schema table in topo.c).
 * All values are SI. Times that schedule something are integers in nanoseconds. The object owns
 * everything that it points to; ids are NUL-terminated, at most TOPO_ID_MAX - 1 bytes, and match
 * [A-Za-z][A-Za-z0-9_-]*; they are unique over nodes, links and modules together.
 *
 * The *_params structs are plain data: a slice (slice.h) carries copies of them to a process.
 */
#ifndef VL_TOPO_H
#define VL_TOPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum {
	TOPO_ID_MAX = 32,         /* bytes of an id with its NUL */
	TOPO_SUBSTEPS_MAX = 32,   /* N */
	TOPO_NODES_MAX = 1024,
	TOPO_LINKS_MAX = 4096,
	TOPO_MODULES_MAX = 2048,
	TOPO_DEGREE_MAX = 24,     /* links of one node */
	TOPO_PORTS_MAX = 24,      /* ports of one node */
	TOPO_FEEDS_MAX = 2,       /* inputs of one module */
	TOPO_PWL_MAX = 4096,      /* points of one load curve */
	TOPO_PHASES_MAX = 64,     /* phases of one workload */
};

/* Piecewise-linear level over time: from the previous level at `at`, reach `level` after `ramp`.
 * Before the first point the level is 0. */
struct pwl_point {
	int64_t at_ns, ramp_ns;
	double level; /* W for powers, A for output currents */
};
struct pwl {
	size_t n;
	struct pwl_point *p; /* ascending at_ns */
};

/* A protection that can be left out, to see what the mesh does without it. */
enum topo_switch { SWITCH_ON, SWITCH_OFF };
enum control_kind { CONTROL_NONE, CONTROL_DROOP, CONTROL_CONSENSUS };

struct feed_params {
	double v0_v, r_d_ohm, i_rated_a, i_max_a, tau_s;
};

/* Errors of the sensors of a node (docs/models/sensors.md): largest gain errors as a part, largest
 * offsets, standard deviation of the noise in steps of the 12-bit converter. */
struct sensor_params {
	double v_gain, i_gain, v_offset_v, i_offset_a, noise_lsb;
	double i_range_a;          /* currents within +-this */
	int64_t refresh_ns;
	int64_t zero_ns;           /* currents: zero taken over this time before anything is closed; 0: not */
};

/* Temperature of a node's power stages (docs/models/hardware.md). */
struct thermal_params {
	double ambient_c, r_th_k_w, c_th_j_k;
	double derate_c, max_c;    /* current limits fall between these, to `least` of them */
	double least, restart_c;
};

/* The microcontroller of a node or a module. */
struct mcu_params {
	int64_t watchdog_ns;       /* 0: none */
	int64_t boot_ns;
};

/* Comparators that switch the power stages off. */
struct trip_params {
	double ov_v, ov_clear_v, uv_v, uv_clear_v;
	double port_uv_v;          /* below it its ports neither offer nor pay */
	int64_t ov_delay_ns, restart_ns;
};

/* Averaged 4-switch converter with its own output and load (docs/models/converter.md). */
struct conv_params {
	double l_h, r_ohm, c_out_f, v_ref_v, kp, ki, kc, p_fixed_w, i_lim_a;
	double k_sw_s, c_oss_f, f_sw_hz; /* switching losses */
	struct pwl load_a;                /* negative: a source at the output */
};

/* The same converter at an end of a link, where it sets the power through it. */
struct link_conv_params {
	uint32_t node;       /* the end that has it; TOPO_NODES_MAX: not said */
	struct conv_params conv; /* without load, v_ref and ki */
	struct pwl power_w;  /* set-point, positive from end a to end b */
};

/* A supercapacitor behind a converter of its own, with its charge management
 * (docs/models/supercap.md). */
struct store_params {
	double c_f, esr_ohm;
	struct conv_params conv;   /* without load, v_ref and ki; kp: voltage limits */
	double v_min_v, v_max_v;   /* range of use */
	double target;             /* state of charge that it returns to, part of the usable energy */
	double v_init_v;           /* at t = 0 */
	double p_max_w;            /* at the bus, either direction */
	double restore_w;          /* most power spent on returning to the target */
	double smooth_s;           /* in which the rest of the mesh takes over a changed load */
	double hold_v;             /* bus voltage below which it is held up */
	double damp_s;             /* A/V against changes of the bus voltage */
};

struct node_params {
	double v_init_v;           /* bus and supercapacitor in parallel at t = 0 */
	bool steady;               /* `initial: steady`: v_init_v and these are of the load flow */
	double feed_init_a, dv_init_v, di_init_v, x_init;
	double c_bus_f;
	bool has_sc;               /* a supercapacitor in parallel to the bus */
	double c_sc_f, r_sc_ohm;
	bool has_store;            /* a supercapacitor behind a converter; has_sc is false then */
	struct store_params store;
	bool has_feed;
	struct feed_params feed;
	enum control_kind control;
	enum topo_switch shedding; /* of modules, when it is overloaded */
	double kv_per_s, kc_per_s, ki_v_per_s; /* gains of the distributed control */
	double v_nom_v;            /* set-point of the distributed control */
	bool sensors_realistic;    /* what its firmware sees: 12 bits, noise, gain and offset errors */
	struct sensor_params sensor;
	bool offsets;              /* exchanges offsets of shares: feeds hold limits of links (link_limit.h) */
	bool calibrates;           /* estimates the gains of its current sensors (docs/models/calibration.md) */
	struct thermal_params thermal;
	struct trip_params trip;
	struct mcu_params mcu;
	struct pwl load_w;         /* built-in constant-power load; n = 0: none */
	bool has_conv;
	struct conv_params conv;
};

/* Emulated communication channel, each direction of a link alike (docs/models/channel.md). */
struct channel_params {
	double rate_bit_s;         /* 0: no limit */
	int64_t delay_ns, jitter_ns;
	double loss;               /* share of frames, while the channel is in its good state */
	double burst_enter, burst_leave, burst_loss; /* per frame: into and out of the bad state; lost there */
	double duplicate;          /* share of frames that arrive twice */
	double reorder;            /* share of frames that are held back by reorder_ns */
	int64_t reorder_ns;
	double corrupt;            /* share of frames with flipped bits */
	int64_t queue_ns;          /* a frame that would wait longer for the line is dropped */
	double flood_bit_s, flood_bytes; /* foreign traffic; 0: none */
};

struct link_params {
	double r_ohm, l_h;         /* cable, both conductors */
	double l_eff_h;            /* inductance used by the line model (>= l_h), see allow_l_inflation */
	double fuse_a;             /* 0: none */
	double fuse_i2t_a2s;       /* let-through above the rating */
	double limit_a;            /* largest continuous current, either direction; 0: none */
	double limit_gain_per_s, limit_max; /* of the price that holds it (link_limit.h); 0: by its converter */
	double precharge_ohm;
	double precharge_s;        /* given up after this time; 0: never */
	double precharge_j;        /* what its resistor bears before it has to cool; 0: anything */
	double i_init_a;           /* a -> b at t = 0 */
	bool open;                 /* contactors open at t = 0 */
	bool has_channel;          /* false: the channel is ideal */
	struct channel_params channel;
};

enum module_class { MODULE_FIXED, MODULE_CPU, MODULE_RESISTIVE };

struct workload_phase {
	uint32_t phase;            /* enum module_phase of loadmods/ : 0 compute, 1 memory, 2 idle */
	int64_t for_ns;
};

struct module_params {
	enum module_class class;
	struct pwl load_w;         /* class fixed: power at the module's input; `power: 250W` is one point at 0 */
	double r_load_ohm;         /* class resistive */
	double v_init_v;           /* input capacitor at t = 0; 0: as the highest of its feeds */
	double c_in_f, r_port_ohm;
	double v_uv_v;             /* below it constant power is a conductance, and the module starts anew */
	double n_turns;            /* V_rail = duty v_in / n_turns */
	double v_ref_v;            /* class cpu: constant reference of the rail; NaN: nominal of the class */
	uint32_t priority;
	bool plugged;
	struct mcu_params mcu;
	enum topo_switch oring;    /* off: only the first input feeds it */
	size_t n_phases;           /* class cpu: the workload, repeated for ever; 0: compute all the time */
	struct workload_phase *phases;
};

struct topo_node {
	char id[TOPO_ID_MAX];
	bool has_at;
	double at_x, at_y;         /* place on the dashboard map */
	struct node_params p;
	size_t n_links, n_ports;
	uint32_t links[TOPO_DEGREE_MAX]; /* indices of its links, ascending */
	uint32_t ports[TOPO_PORTS_MAX];  /* indices into topo.ports, ascending */
};

struct topo_link {
	char id[TOPO_ID_MAX];
	uint32_t a, b;             /* node indices; current is positive a -> b */
	bool tcp;                  /* transport of its channel: ipc (default) or tcp on loopback */
	struct link_params p;
	bool has_conv;
	struct link_conv_params conv;
};

struct topo_module {
	char id[TOPO_ID_MAX];
	size_t n_feeds;
	uint32_t feeds[TOPO_FEEDS_MAX]; /* node indices in the order of `feeds:`; the first owns it */
	uint32_t ports[TOPO_FEEDS_MAX]; /* the matching indices into topo.ports */
	struct module_params p;
};

/* One row per (module, feed), modules in file order, feeds in the order of the file. */
struct topo_port {
	char id[2 * TOPO_ID_MAX];  /* "<module>.<node>" */
	uint32_t module, node;
	uint32_t input;            /* which of the module's inputs */
	double p_init_w;           /* what the module draws from it at t = 0 */
};

struct topo {
	char name[TOPO_ID_MAX];
	char *path;                /* file that it came from */
	int64_t step_ns;           /* T */
	uint32_t substeps;         /* N; the sub-step dt = T/N */
	uint32_t port_period;      /* T_p/T in steps */
	uint64_t seed;
	double nominal_v;
	bool sensors_realistic;
	double record_keep_s;      /* `up` keeps this much of the recorder */
	int64_t stall_ns;          /* 0: the default of docs/architecture.md */
	size_t n_nodes, n_links, n_modules, n_ports;
	struct topo_node *nodes;
	struct topo_link *links;
	struct topo_module *modules;
	struct topo_port *ports;
	uint8_t hash[32];          /* SHA-256 over the resolved mesh, independent of spelling and path; without the seed */
};

struct diag_list; /* diag.h: diagnostics with file:line:column */

/* Reads and checks a topology file. Every problem found goes to `diags` (errors, notes); on any
 * error returns ERR_INPUT and leaves *ret untouched. */
int topo_load(const char *path, struct diag_list *diags, struct topo **ret, struct err *err);
void topo_destroy(struct topo **);

/* Index of a node, link or module by id, or -1. */
int topo_find_node(const struct topo *, const char *id);
int topo_find_link(const struct topo *, const char *id);
int topo_find_module(const struct topo *, const char *id);

static inline double
topo_step_s(const struct topo *t)
{
	return (double)t->step_ns * 1e-9;
}

#endif
