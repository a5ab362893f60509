#include <stddef.h>

#include "topo_build.h"

/* Rows of the tables. `S` is the struct that the schema describes. */
#define NUMBER(S, k, m, u, l, h, d, text)                                                     \
	{                                                                                     \
		.key = k, .type = FIELD_NUMBER, .unit = u, .offset = offsetof(S, m), .lo = l, \
		.hi = h, .dflt = d, .doc = text                                               \
	}
#define TIME(S, k, m, l, h, d, text)                                                         \
	{                                                                                    \
		.key = k, .type = FIELD_TIME, .unit = UNIT_SECOND, .offset = offsetof(S, m), \
		.lo = (l)*1e9, .hi = (h)*1e9, .dflt = d, .doc = text                         \
	}
#define WHOLE(S, k, m, l, h, d, text)                                                      \
	{                                                                                  \
		.key = k, .type = FIELD_WHOLE, .offset = offsetof(S, m), .lo = l, .hi = h, \
		.dflt = d, .doc = text                                                     \
	}
#define WORD(S, k, m, w, d, text)                                                              \
	{                                                                                      \
		.key = k, .type = FIELD_WORD, .offset = offsetof(S, m), .words = w, .dflt = d, \
		.doc = text                                                                    \
	}
#define BOOL(S, k, m, d, text)                                                                 \
	{                                                                                      \
		.key = k, .type = FIELD_BOOL, .offset = offsetof(S, m), .dflt = d, .doc = text \
	}
#define SUB(S, k, m, s, text)                                                                 \
	{                                                                                     \
		.key = k, .type = FIELD_SUB, .offset = offsetof(S, m), .sub = &s, .doc = text \
	}
#define CUSTOM(k, fn, text)                                               \
	{                                                                 \
		.key = k, .type = FIELD_CUSTOM, .decode = fn, .doc = text \
	}

#define SCHEMA(name, w, text)                                          \
	const struct schema schema_##name = { .what = w,               \
		                              .doc = text,             \
		                              .fields = fields_##name, \
		                              .n = sizeof fields_##name / sizeof *fields_##name }

static const char *const switch_words[] = { "on", "off", NULL };
static const char *const control_words[] = { "none", "droop", "consensus", NULL };
static const char *const sensor_words[] = { "ideal", "realistic", NULL };
static const char *const calibration_words[] = { "off", "on", NULL };
static const char *const transport_words[] = { "ipc", "tcp", NULL };
static const char *const agent_words[] = { "q", "qs", "fit", "esc", "table", "static", NULL };
const char *const class_words[] = {
	"fixed", "resistive", "cpu", "gpu", "fpga", "asic", "mem", NULL
};

/* ---- mesh ------------------------------------------------------------------------------------ */

static const struct field fields_gains[] = {
	NUMBER(struct build_gains, "kv", kv, UNIT_NONE, 0, 1000, NULL,
	       "pull of the bus voltage to nominal, 1/s; 8"),
	NUMBER(struct build_gains, "kc", kc, UNIT_NONE, 0, 2000, NULL,
	       "agreement of the voltage corrections, 1/s; 400"),
	NUMBER(struct build_gains, "ki", ki, UNIT_NONE, 0, 2000, NULL,
	       "agreement of the loadings, V/s; 60"),
};
static SCHEMA(gains, "gains", "Gains of the distributed control, without units.");

static const struct field fields_record[] = {
	NUMBER(struct build_mesh, "keep", record_keep_s, UNIT_SECOND, 1, 86400, "30s",
	       "plant time that `up` keeps; `run` keeps everything"),
};
static SCHEMA(record, "record", "The flight recorder.");

#define SENSOR(k, m, u, l, h, d, text) NUMBER(struct sensor_params, k, m, u, l, h, d, text)
static const struct field fields_sensor[] = {
	SENSOR("voltage_gain", v_gain, UNIT_PERCENT, 0, 0.1, "0.1%", "largest error of a gain"),
	SENSOR("current_gain", i_gain, UNIT_PERCENT, 0, 0.5, "1%", "largest error of a gain"),
	SENSOR("voltage_offset", v_offset_v, UNIT_VOLT, 0, 1, "15.625mV", "largest offset"),
	SENSOR("current_offset", i_offset_a, UNIT_AMPERE, 0, 100, "125mA", "largest offset"),
	SENSOR("noise", noise_lsb, UNIT_NONE, 0, 100, "0.5",
	       "standard deviation, in steps of the converter"),
	SENSOR("current_range", i_range_a, UNIT_AMPERE, 1, 2000, "256A",
	       "currents are read within +- this, in 4096 steps"),
	TIME(struct sensor_params, "refresh", refresh_ns, 1e-6, 1, "500us",
	     "time between two readings; at least one step"),
	TIME(struct sensor_params, "auto_zero", zero_ns, 0, 10, "50ms",
	     "of currents: before a node begins, with everything open, the mean of the readings over this "
	     "time is taken as zero; 0s: never"),
};
static SCHEMA(sensor, "sensor_errors",
              "Errors of realistic sensors; gains and offsets are drawn within them, per sensor.");

static const struct field fields_mesh[] = {
	{ .key = "name",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct build_mesh, name),
	  .doc = "name of the mesh; without it the file's name" },
	TIME(struct build_mesh, "step", step_ns, 1e-6, 1e-3, "100us",
	     "macro step T; one message per link and step"),
	WHOLE(struct build_mesh, "substeps", substeps, 1, TOPO_SUBSTEPS_MAX, "10",
	      "sub-steps N per step"),
	WHOLE(struct build_mesh, "port_period", port_period, 1, 100, "1",
	      "steps between two messages of a port; more is faster and cruder"),
	{ .key = "seed",
	  .type = FIELD_SEED,
	  .offset = offsetof(struct build_mesh, seed),
	  .dflt = "1",
	  .doc = "seed of everything random" },
	NUMBER(struct build_mesh, "nominal", nominal_v, UNIT_VOLT, 40, 56, "48V",
	       "nominal bus voltage, set-point of the control"),
	WORD(struct build_mesh, "control", control, control_words, "consensus",
	     "control of the feeds: none (fixed droop), droop (own voltage correction), consensus "
	     "(with neighbours)"),
	WORD(struct build_mesh, "sensors", sensors, sensor_words, "ideal",
	     "what firmware sees: ideal, or realistic (12 bit, noise, gain and offset errors)"),
	SUB(struct build_mesh, "sensor_errors", sensor, schema_sensor,
	    "size of the errors of realistic sensors"),
	WORD(struct build_mesh, "calibration", calibration, calibration_words, "off",
	     "on: nodes estimate the gains of their current sensors from Kirchhoff's law, with their "
	     "neighbours; needs realistic sensors"),
	SUB(struct build_mesh, "gains", gains, schema_gains, "gains of the control"),
	WORD(struct build_mesh, "transport", transport, transport_words, "ipc",
	     "sockets of the links: ipc, or tcp on the loopback"),
	{ .key = "record", .type = FIELD_SUB, .sub = &schema_record, .doc = "the flight recorder" },
	TIME(struct build_mesh, "stall", stall_ns, 0.01, 3600, NULL,
	     "wall time after which a silent process is named; without it max(250 ms, 20 steps) "
	     "when paced, 10 s "
	     "free-running"),
	BOOL(struct build_mesh, "allow_l_inflation", allow_l_inflation, "false",
	     "a step too large for a node raises the inductance of its links, at most to twice"),
};
SCHEMA(mesh, "mesh", "What holds for the whole mesh.");

/* ---- nodes ----------------------------------------------------------------------------------- */

static const struct field fields_feed[] = {
	NUMBER(struct feed_params, "v0", v0_v, UNIT_VOLT, 36, 60, "48.5V", "voltage without load"),
	NUMBER(struct feed_params, "droop", r_d_ohm, UNIT_OHM, 1e-4, 10, NULL,
	       "droop resistance; without it 0.02 x 48 V / i_rated (2 % at the rating)"),
	NUMBER(struct feed_params, "i_rated", i_rated_a, UNIT_AMPERE, 0.1, 1000, NULL,
	       "rated current; required"),
	NUMBER(struct feed_params, "i_max", i_max_a, UNIT_AMPERE, 0.1, 2000, NULL,
	       "current limit; without it 1.25 i_rated"),
	NUMBER(struct feed_params, "tau", tau_s, UNIT_SECOND, 0, 1, "1ms",
	       "time constant of the current"),
};
static SCHEMA(
	feed, "feed",
	"A source on the bus: i follows clip((v0 - v)/droop, 0, i_max) with time constant tau.");

#define STORE(k, m, u, l, h, d, text) NUMBER(struct store_params, k, m, u, l, h, d, text)
static const struct field fields_store[] = {
	STORE("v_min", v_min_v, UNIT_VOLT, 5, 60, "20V", "not discharged below"),
	STORE("v_max", v_max_v, UNIT_VOLT, 5, 60, "48V", "not charged above"),
	STORE("target", target, UNIT_PERCENT, 0, 1, "80%",
	      "state of charge that it returns to: part of the energy between v_min and v_max"),
	STORE("initial", v_init_v, UNIT_VOLT, 0, 60, NULL,
	      "voltage at t = 0; without it that of the target"),
	STORE("p_max", p_max_w, UNIT_WATT, 1, 1e5, NULL,
	      "most power at the bus, either direction; without it what i_lim allows at v_min"),
	STORE("restore", restore_w, UNIT_WATT, 0, 1e5, NULL,
	      "most power spent on returning to the target; without it 5 % of p_max"),
	STORE("smooth", smooth_s, UNIT_SECOND, 0.01, 1e4, "20s",
	      "time constant with which the rest of the mesh takes over a changed load"),
	STORE("hold", hold_v, UNIT_VOLT, 40, 56, "46V", "holds the bus up below this voltage"),
	STORE("damp", damp_s, UNIT_NONE, 0, 1e4, NULL,
	      "A/V against changes of the bus voltage within 100 ms; without it "
	      "0.1 c_bus kc/l: 50 by default"),
	STORE("l", conv.l_h, UNIT_HENRY, 1e-8, 1e-3, "10uH", "inductance"),
	STORE("r", conv.r_ohm, UNIT_OHM, 0, 1, "16mOhm", "series resistance"),
	STORE("c_out", conv.c_out_f, UNIT_FARAD, 1e-6, 1, "2mF",
	      "capacitance at the supercapacitor"),
	STORE("kp", conv.kp, UNIT_NONE, 0, 1e4, "30", "voltage limits, A/V"),
	STORE("kc", conv.kc, UNIT_NONE, 1e-3, 100, "0.25", "current loop, V/A"),
	STORE("p_fixed", conv.p_fixed_w, UNIT_WATT, 0, 1000, "11W", "constant losses"),
	STORE("i_lim", conv.i_lim_a, UNIT_AMPERE, 0.1, 1000, "75A",
	      "limit of the inductor current, either direction"),
	STORE("k_sw", conv.k_sw_s, UNIT_SECOND, 0, 1e-6, "22ns", "as for a node's converter"),
	STORE("c_oss", conv.c_oss_f, UNIT_FARAD, 0, 1e-6, "4nF", "as for a node's converter"),
	STORE("f_sw", conv.f_sw_hz, UNIT_HERTZ, 1e3, 1e7, "200kHz", "switching frequency"),
};
static SCHEMA(store, "supercapacitor converter",
              "Converter between bus and supercapacitor, with charge management and peak shaving.");

static const struct field fields_supercap[] = {
	NUMBER(struct node_params, "c", c_sc_f, UNIT_FARAD, 1e-3, 1e4, "1F", "capacitance"),
	NUMBER(struct node_params, "esr", r_sc_ohm, UNIT_OHM, 1e-5, 10, "20mOhm",
	       "series resistance"),
	{ .key = "converter",
	  .type = FIELD_SUB,
	  .sub = &schema_store,
	  .offset = offsetof(struct node_params, store),
	  .may_be_none = true,
	  .has_offset = offsetof(struct node_params, has_store),
	  .doc = "bidirectional converter between it and the bus, or none (default): in parallel to "
	         "the bus" },
};
static SCHEMA(supercap, "supercap",
              "Supercapacitor in parallel to the bus, or behind a converter.");

static const struct field fields_conv[] = {
	NUMBER(struct conv_params, "l", l_h, UNIT_HENRY, 1e-8, 1e-3, "4.7uH", "inductance"),
	NUMBER(struct conv_params, "r", r_ohm, UNIT_OHM, 0, 1, "5mOhm", "series resistance"),
	NUMBER(struct conv_params, "c_out", c_out_f, UNIT_FARAD, 1e-6, 1, "2mF",
	       "output capacitance"),
	NUMBER(struct conv_params, "v_ref", v_ref_v, UNIT_VOLT, 0.5, 60, "12V", "output voltage"),
	NUMBER(struct conv_params, "kp", kp, UNIT_NONE, 0, 1e4, "30", "voltage loop, A/V"),
	NUMBER(struct conv_params, "ki", ki, UNIT_NONE, 0, 1e7, "45000", "voltage loop, A/(V s)"),
	NUMBER(struct conv_params, "kc", kc, UNIT_NONE, 0, 100, "0.25", "current loop, V/A"),
	NUMBER(struct conv_params, "p_fixed", p_fixed_w, UNIT_WATT, 0, 1000, "3.5W",
	       "constant losses"),
	NUMBER(struct conv_params, "i_lim", i_lim_a, UNIT_AMPERE, 0.1, 1000, "75A",
	       "limit of the inductor current, either direction"),
	NUMBER(struct conv_params, "k_sw", k_sw_s, UNIT_SECOND, 0, 1e-6, "0s",
	       "switching loss: time per period in which a switch has voltage and current"),
	NUMBER(struct conv_params, "c_oss", c_oss_f, UNIT_FARAD, 0, 1e-6, "0F",
	       "switching loss: capacitance that each period charges"),
	NUMBER(struct conv_params, "f_sw", f_sw_hz, UNIT_HERTZ, 1e3, 1e7, "200kHz",
	       "switching frequency"),
	{ .key = "load",
	  .type = FIELD_CURVE,
	  .unit = UNIT_AMPERE,
	  .offset = offsetof(struct conv_params, load_a),
	  .lo = -1000,
	  .hi = 1000,
	  .doc = "output current over time; negative: a source at the output" },
};
static SCHEMA(conv, "converter", "Averaged 4-switch converter with its own output and load.");

#define THERMAL(k, m, u, l, h, d, text) NUMBER(struct thermal_params, k, m, u, l, h, d, text)
static const struct field fields_thermal[] = {
	THERMAL("ambient", ambient_c, UNIT_CELSIUS, -40, 120, "25degC",
	        "of the air, and of everything at t = 0"),
	THERMAL("r_th", r_th_k_w, UNIT_K_PER_W, 1e-3, 100, NULL,
	        "power stages to air; without it 40 K with everything at its rating"),
	THERMAL("c_th", c_th_j_k, UNIT_J_PER_K, 1e-2, 1e6, NULL,
	        "of the power stages; without it 300 s / r_th"),
	THERMAL("derate", derate_c, UNIT_CELSIUS, -40, 200, "85degC",
	        "from here to max the current limits of feed and converters fall"),
	THERMAL("max", max_c, UNIT_CELSIUS, -40, 200, "105degC",
	        "feed and converters are switched off"),
	THERMAL("least", least, UNIT_PERCENT, 0, 1, "50%", "what is left of the limits at max"),
	THERMAL("restart", restart_c, UNIT_CELSIUS, -40, 200, "80degC",
	        "feed and converters are switched on again"),
};
static SCHEMA(thermal, "thermal", "Temperature of the power stages of a node.");

#define TRIP(k, m, l, h, d, text) NUMBER(struct trip_params, k, m, UNIT_VOLT, l, h, d, text)
static const struct field fields_trip[] = {
	TRIP("ov", ov_v, 50, 60, "57V", "above it feed and converters are switched off"),
	TIME(struct trip_params, "ov_delay", ov_delay_ns, 0, 1, "0s", "for this long"),
	TRIP("ov_clear", ov_clear_v, 45, 60, "54V", "below it they are switched on again"),
	TIME(struct trip_params, "restart", restart_ns, 0, 100, "100ms", "after this long below it"),
	TRIP("uv", uv_v, 20, 47, "36V", "below it converters are off"),
	TRIP("uv_clear", uv_clear_v, 20, 47.5, "40V", "above it they are on again"),
	TRIP("port_uv", port_uv_v, 20, 47, "36V", "below it ports neither offer nor pay"),
};
static SCHEMA(trip, "trips", "Comparators of a node that switch its power stages off.");

static const struct field fields_mcu[] = {
	TIME(struct mcu_params, "watchdog", watchdog_ns, 0, 3600, "100ms",
	     "resets a hung firmware after this time; 0s: nothing does"),
	TIME(struct mcu_params, "boot", boot_ns, 0, 60, "20ms", "from a reset to running firmware"),
};
static SCHEMA(mcu, "mcu", "The microcontroller of a node.");

#define NODE(m) offsetof(struct build_node, t.p.m)
static const struct field fields_node[] = {
	CUSTOM("id", NULL, "name of the node; required"),
	CUSTOM("at", decode_at, "[x, y], place on the dashboard map"),
	CUSTOM("initial", decode_initial,
	       "voltage of the bus and of a supercapacitor in parallel at t = 0, or steady (as the load flow "
	       "with the loads of t = 0); "
	       "without it nominal"),
	{ .key = "feed",
	  .type = FIELD_SUB,
	  .sub = &schema_feed,
	  .offset = NODE(feed),
	  .may_be_none = true,
	  .has_offset = NODE(has_feed),
	  .doc = "a source on this bus, or none (default)" },
	NUMBER(struct build_node, "c_bus", t.p.c_bus_f, UNIT_FARAD, 1e-5, 10, "20mF",
	       "bus capacitance"),
	{ .key = "supercap",
	  .type = FIELD_SUB,
	  .sub = &schema_supercap,
	  .offset = offsetof(struct build_node, t.p),
	  .may_be_none = true,
	  .has_offset = NODE(has_sc),
	  .doc = "supercapacitor, or none; 1 F with 20 mOhm by default" },
	{ .key = "load",
	  .type = FIELD_CURVE,
	  .unit = UNIT_WATT,
	  .offset = NODE(load_w),
	  .lo = 0,
	  .hi = 1e5,
	  .doc = "built-in load: constant power over time, points [at, level, ramp]" },
	{ .key = "converter",
	  .type = FIELD_SUB,
	  .sub = &schema_conv,
	  .offset = NODE(conv),
	  .may_be_none = true,
	  .has_offset = NODE(has_conv),
	  .doc = "converter with its own output and load" },
	WORD(struct build_node, "control", control, control_words, NULL,
	     "as mesh.control, for this node"),
	WORD(struct build_node, "shedding", t.p.shedding, switch_words, "on",
	     "off: it never sheds a module, however overloaded it is"),
	SUB(struct build_node, "gains", gains, schema_gains, "as mesh.gains, for this node"),
	SUB(struct build_node, "thermal", t.p.thermal, schema_thermal,
	    "temperature of the power stages, and derating"),
	SUB(struct build_node, "mcu", t.p.mcu, schema_mcu, "microcontroller: watchdog"),
	SUB(struct build_node, "trips", t.p.trip, schema_trip, "over- and under-voltage"),
	BOOL(struct build_node, "allow_l_inflation", allow_l_inflation, "false",
	     "as mesh.allow_l_inflation, for the links of this node"),
};
SCHEMA(node, "node", "A converter node: one process, one bus.");

/* ---- links ----------------------------------------------------------------------------------- */

static const struct field fields_burst[] = {
	NUMBER(struct channel_params, "enter", burst_enter, UNIT_PERCENT, 0, 1, "0%",
	       "chance per frame that a burst begins"),
	NUMBER(struct channel_params, "leave", burst_leave, UNIT_PERCENT, 1e-4, 1, "25%",
	       "chance per frame that it ends: 1/leave frames is its mean length"),
	NUMBER(struct channel_params, "loss", burst_loss, UNIT_PERCENT, 0, 1, "100%",
	       "share of frames that are lost in a burst"),
};
static SCHEMA(burst, "burst", "Losses in bursts (Gilbert, Elliott).");

static const struct field fields_channel[] = {
	{ .key = "rate",
	  .type = FIELD_NUMBER,
	  .unit = UNIT_BIT,
	  .offset = offsetof(struct channel_params, rate_bit_s),
	  .lo = 1e3,
	  .hi = 1e12,
	  .may_be_none = true,
	  .dflt = "100Mbit",
	  .doc = "bit rate per second, or none" },
	TIME(struct channel_params, "delay", delay_ns, 0, 10, "0s", "delay behind the sending"),
	TIME(struct channel_params, "jitter", jitter_ns, 0, 1, "0s",
	     "further delay, uniform from 0 to this; frames keep their order"),
	NUMBER(struct channel_params, "loss", loss, UNIT_PERCENT, 0, 1, "0%",
	       "share of frames that are lost, independent of each other"),
	{ .key = "burst", .type = FIELD_SUB, .sub = &schema_burst, .doc = "losses in bursts" },
	NUMBER(struct channel_params, "duplicate", duplicate, UNIT_PERCENT, 0, 1, "0%",
	       "share of frames that are sent twice"),
	NUMBER(struct channel_params, "reorder", reorder, UNIT_PERCENT, 0, 1, "0%",
	       "share of frames that are held back, so that later ones overtake them"),
	TIME(struct channel_params, "reorder_by", reorder_ns, 0, 1, "2ms",
	     "how long those are held back"),
	NUMBER(struct channel_params, "corrupt", corrupt, UNIT_PERCENT, 0, 1, "0%",
	       "share of frames in which bits are flipped; their checksum fails"),
	TIME(struct channel_params, "queue", queue_ns, 0, 1, "10ms",
	     "a frame that would wait longer than this for the line is dropped"),
};
static SCHEMA(channel, "channel",
              "The communication channel beside the cable, each direction alike, for the frames of "
              "the control.");

#define LINK_CONV(k, m, u, l, h, d, text) NUMBER(struct link_conv_params, k, conv.m, u, l, h, d, text)
static const struct field fields_link_conv[] = {
	CUSTOM("at", decode_conv_at, "the end that has it: one of the link's nodes; required"),
	{ .key = "power",
	  .type = FIELD_CURVE,
	  .unit = UNIT_WATT,
	  .offset = offsetof(struct link_conv_params, power_w),
	  .lo = -1e5,
	  .hi = 1e5,
	  .doc = "power through the link over time, positive from a to b; 0 without" },
	LINK_CONV("l", l_h, UNIT_HENRY, 1e-8, 1e-3, "10uH", "inductance"),
	LINK_CONV("r", r_ohm, UNIT_OHM, 0, 1, "16mOhm", "series resistance"),
	LINK_CONV("c_out", c_out_f, UNIT_FARAD, 1e-6, 1, "10mF",
	          "capacitance at the link; takes the line's part instead of the bus"),
	LINK_CONV("kp", kp, UNIT_NONE, 0, 1e4, "30",
	          "voltage limits, and voltage loop while the link is open, A/V"),
	LINK_CONV("kc", kc, UNIT_NONE, 0, 100, "0.25", "current loop, V/A"),
	LINK_CONV("p_fixed", p_fixed_w, UNIT_WATT, 0, 1000, "11W", "constant losses"),
	LINK_CONV("i_lim", i_lim_a, UNIT_AMPERE, 0.1, 1000, "60A",
	          "limit of the inductor current, either direction"),
	LINK_CONV("k_sw", k_sw_s, UNIT_SECOND, 0, 1e-6, "22ns", "as for a node's converter"),
	LINK_CONV("c_oss", c_oss_f, UNIT_FARAD, 0, 1e-6, "4nF", "as for a node's converter"),
	LINK_CONV("f_sw", f_sw_hz, UNIT_HERTZ, 1e3, 1e7, "200kHz", "switching frequency"),
};
static SCHEMA(link_conv, "link converter",
              "Converter at an end of a link: sets the power through it, in either direction.");

static const struct field fields_link[] = {
	CUSTOM("id", NULL, "name of the link; without it a-b, the lower node first"),
	CUSTOM("between", decode_between,
	       "[a, b], the two nodes; current is positive from a to b; required"),
	NUMBER(struct build_link, "r", t.p.r_ohm, UNIT_OHM, 1e-5, 100, "10mOhm",
	       "resistance, both conductors"),
	NUMBER(struct build_link, "l", t.p.l_h, UNIT_HENRY, 1e-8, 1e-2, "2uH",
	       "inductance, both conductors"),
	{ .key = "fuse",
	  .type = FIELD_NUMBER,
	  .unit = UNIT_AMPERE,
	  .offset = offsetof(struct build_link, t.p.fuse_a),
	  .lo = 0.1,
	  .hi = 5000,
	  .may_be_none = true,
	  .dflt = "150A",
	  .doc = "rating of the e-fuse at both ends, or none" },
	{ .key = "fuse_i2t",
	  .type = FIELD_NUMBER,
	  .unit = UNIT_A2S,
	  .offset = offsetof(struct build_link, t.p.fuse_i2t_a2s),
	  .lo = 0.1,
	  .hi = 1e9,
	  .doc = "curve of the e-fuse: it trips when the integral of i^2 - fuse^2 reaches this; "
	         "without it fuse^2 x 1 s" },
	{ .key = "limit",
	  .type = FIELD_NUMBER,
	  .unit = UNIT_AMPERE,
	  .offset = offsetof(struct build_link, t.p.limit_a),
	  .lo = 0.1,
	  .hi = 5000,
	  .may_be_none = true,
	  .dflt = "none",
	  .doc = "largest continuous current, either direction, below the fuse: held by the link's "
	         "converter where it has one, else by re-dispatching the feeds; or none" },
	NUMBER(struct build_link, "precharge", t.p.precharge_ohm, UNIT_OHM, 1e-3, 100, "0.5Ohm",
	       "pre-charge resistor when the link closes"),
	NUMBER(struct build_link, "precharge_time", t.p.precharge_s, UNIT_SECOND, 1e-3, 1e4, "10s",
	       "a pre-charge that has not come within 1 V by then is given up, and tried again "
	       "later"),
	NUMBER(struct build_link, "precharge_energy", t.p.precharge_j, UNIT_JOULE, 1, 1e7, "3kJ",
	       "energy that heats the pre-charge resistor to its limit; then it is given up too"),
	BOOL(struct build_link, "open", t.p.open, "false", "starts open"),
	WORD(struct build_link, "transport", transport, transport_words, NULL,
	     "as mesh.transport, for this link"),
	{ .key = "channel",
	  .type = FIELD_SUB,
	  .sub = &schema_channel,
	  .offset = offsetof(struct build_link, t.p.channel),
	  .may_be_none = true,
	  .has_offset = offsetof(struct build_link, t.p.has_channel),
	  .doc = "the communication channel, or none: ideal (default)" },
	{ .key = "converter",
	  .type = FIELD_SUB,
	  .sub = &schema_link_conv,
	  .offset = offsetof(struct build_link, t.conv),
	  .may_be_none = true,
	  .has_offset = offsetof(struct build_link, t.has_conv),
	  .doc = "converter at an end of the link, which sets the power through it, or none" },
};
SCHEMA(link, "link", "A cable between two nodes, with its channel.");

/* ---- modules --------------------------------------------------------------------------------- */

#define MODULE(m) offsetof(struct build_module, t.p.m)
static const struct field fields_module_mcu[] = {
	TIME(struct mcu_params, "watchdog", watchdog_ns, 0, 3600, "0s",
	     "resets a hung module after this time; 0s: nothing does"),
	TIME(struct mcu_params, "boot", boot_ns, 0, 60, "20ms", "from a reset to running firmware"),
};
static SCHEMA(module_mcu, "module mcu", "The firmware of a module of class cpu.");

static const struct field fields_module[] = {
	CUSTOM("id", NULL, "name of the module; required"),
	CUSTOM("class", decode_class,
	       "fixed, resistive or cpu; required (gpu, fpga, asic and mem come later)"),
	CUSTOM("feeds", decode_feeds,
	       "[a] or [a, b], the nodes that feed it; the first owns it; required"),
	WHOLE(struct build_module, "priority", t.p.priority, 0, 100, "5", "lowest is shed first"),
	NUMBER(struct build_module, "power", power_w, UNIT_WATT, 0, 1e5, NULL,
	       "class fixed: constant power at the input from t = 0"),
	{ .key = "load",
	  .type = FIELD_CURVE,
	  .unit = UNIT_WATT,
	  .offset = MODULE(load_w),
	  .lo = 0,
	  .hi = 1e5,
	  .doc = "class fixed: power at the input over time, points [at, level, ramp]" },
	NUMBER(struct build_module, "resistance", t.p.r_load_ohm, UNIT_OHM, 1e-2, 1e6, NULL,
	       "class resistive: the load at the input; required"),
	NUMBER(struct build_module, "c_in", t.p.c_in_f, UNIT_FARAD, 1e-6, 1, "1mF",
	       "input capacitance"),
	NUMBER(struct build_module, "r_port", t.p.r_port_ohm, UNIT_OHM, 1e-3, 10, "50mOhm",
	       "resistance of each input"),
	NUMBER(struct build_module, "v_uv", t.p.v_uv_v, UNIT_VOLT, 20, 40, "36V",
	       "under-voltage of the input: below it constant power is a conductance, and the "
	       "module starts anew when it is back"),
	NUMBER(struct build_module, "n_turns", t.p.n_turns, UNIT_NONE, 1, 48, "4",
	       "turns ratio of the port converter"),
	NUMBER(struct build_module, "v_ref", t.p.v_ref_v, UNIT_VOLT, 0.5, 1.15, NULL,
	       "class cpu: reference of the rail; without it 1 V"),
	CUSTOM("workload", decode_workload,
	       "class cpu: steady (compute, default) or { phases: [[compute, 5s], [idle, 1s]] }, "
	       "repeated"),
	{ .key = "agent",
	  .type = FIELD_WORD,
	  .offset = offsetof(struct build_module, agent),
	  .words = agent_words,
	  .doc = "learning agent of the port",
	  .effect = EFFECT_NOTE,
	  .effect_text =
	          "agents are parsed but do not act in this release: rails keep their reference" },
	{ .key = "plugged",
	  .type = FIELD_BOOL,
	  .offset = offsetof(struct build_module, t.p.plugged),
	  .dflt = "true",
	  .doc = "whether it is in its slot; drills plug and unplug it" },
	SUB(struct build_module, "mcu", t.p.mcu, schema_module_mcu, "class cpu: its firmware"),
	WORD(struct build_module, "oring", t.p.oring, switch_words, "on",
	     "off: its second input never feeds it"),
};
SCHEMA(module, "module", "A compute module: one process, one or two inputs.");

/* ---- the file -------------------------------------------------------------------------------- */

static const struct field fields_defaults[] = {
	{ .key = "node", .type = FIELD_SUB, .sub = &schema_node, .doc = "under every node" },
	{ .key = "link", .type = FIELD_SUB, .sub = &schema_link, .doc = "under every link" },
	{ .key = "module", .type = FIELD_SUB, .sub = &schema_module, .doc = "under every module" },
};
SCHEMA(defaults, "defaults", "Keys that every entry of a kind starts from.");

static const struct field fields_root[] = {
	CUSTOM("voltloom", NULL, "version of the schema: 1; required"),
	{ .key = "mesh",
	  .type = FIELD_SUB,
	  .sub = &schema_mesh,
	  .doc = "what holds for the whole mesh" },
	{ .key = "defaults",
	  .type = FIELD_SUB,
	  .sub = &schema_defaults,
	  .doc = "keys that every entry starts from" },
	CUSTOM("generate", NULL,
	       "one of ring: n, grid: [rows, columns], torus: [rows, columns], full: n; nodes "
	       "n1..nN, links named n1-n2"),
	CUSTOM("nodes", NULL, "list of nodes; required unless generated"),
	CUSTOM("links", NULL, "list of links"),
	CUSTOM("modules", NULL, "list of modules"),
};
SCHEMA(root, "topology", "A mesh of converter nodes, links and compute modules.");
