/*
 * A slice as a MessagePack map. One table of fields is used both ways; every field must be there
 * once, with its own type, and nothing else.
 */
#include "slice.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mpread.h"

enum {
	FILE_MAX = 16 << 20, /* B; the largest load curve is below 1 MB */
	CMDS_MAX = 1 << 20,  /* scripted commands of one process */
	FIELDS_MAX = 64,     /* of one table: bits of the mask of those seen */
	WHERE_MAX = 160,     /* B of "chans[3].link_r_ohm" */
};

enum type { STR, BYTES, BOOL, U32, I32, U64, I64, F64, ENUM, MAP, LIST };

struct field {
	const char *name;
	enum type type;
	size_t off;
	size_t size;             /* STR, BYTES: of the array; LIST: of one element */
	uint32_t max;            /* ENUM: greatest value; LIST: greatest length */
	size_t off_n;            /* LIST: its size_t length */
	const struct table *sub; /* MAP, LIST */
};

struct table {
	size_t n;
	const struct field *f;
};

#define TABLE(rows)                              \
	{                                        \
		sizeof rows / sizeof *rows, rows \
	}

#define ROW(T, type_, member)                                                     \
	{                                                                         \
		.name = #member, .type = type_, .off = offsetof(struct T, member) \
	}
#define ROW_AS(T, name_, type_, member)                                         \
	{                                                                       \
		.name = name_, .type = type_, .off = offsetof(struct T, member) \
	}
#define ROW_ENUM(T, member, max_)                                                             \
	{                                                                                     \
		.name = #member, .type = ENUM, .off = offsetof(struct T, member), .max = max_ \
	}
#define ROW_ARRAY(T, type_, member)                                                \
	{                                                                          \
		.name = #member, .type = type_, .off = offsetof(struct T, member), \
		.size = sizeof((struct T *)NULL)->member                           \
	}
#define ROW_MAP(T, member, table_)                                                              \
	{                                                                                       \
		.name = #member, .type = MAP, .off = offsetof(struct T, member), .sub = &table_ \
	}
#define ROW_LIST(T, name_, pointer, length, max_, table_)                        \
	{                                                                        \
		.name = name_, .type = LIST, .off = offsetof(struct T, pointer), \
		.size = sizeof *((struct T *)NULL)->pointer, .max = max_,        \
		.off_n = offsetof(struct T, length), .sub = &table_              \
	}

static const struct field pwl_rows[] = {
	ROW(pwl_point, I64, at_ns),
	ROW(pwl_point, I64, ramp_ns),
	ROW(pwl_point, F64, level),
};
static const struct table pwl_table = TABLE(pwl_rows);

static const struct field phase_rows[] = {
	ROW(workload_phase, U32, phase),
	ROW(workload_phase, I64, for_ns),
};
static const struct table phase_table = TABLE(phase_rows);

static const struct field feed_rows[] = {
	ROW(feed_params, F64, v0_v),      ROW(feed_params, F64, r_d_ohm),
	ROW(feed_params, F64, i_rated_a), ROW(feed_params, F64, i_max_a),
	ROW(feed_params, F64, tau_s),
};
static const struct table feed_table = TABLE(feed_rows);

static const struct field conv_rows[] = {
	ROW(conv_params, F64, l_h),
	ROW(conv_params, F64, r_ohm),
	ROW(conv_params, F64, c_out_f),
	ROW(conv_params, F64, v_ref_v),
	ROW(conv_params, F64, kp),
	ROW(conv_params, F64, ki),
	ROW(conv_params, F64, kc),
	ROW(conv_params, F64, p_fixed_w),
	ROW(conv_params, F64, i_lim_a),
	ROW(conv_params, F64, k_sw_s),
	ROW(conv_params, F64, c_oss_f),
	ROW(conv_params, F64, f_sw_hz),
	ROW_LIST(conv_params, "load_a", load_a.p, load_a.n, TOPO_PWL_MAX, pwl_table),
};
static const struct table conv_table = TABLE(conv_rows);

static const struct field sensor_rows[] = {
	ROW(sensor_params, F64, v_gain),     ROW(sensor_params, F64, i_gain),
	ROW(sensor_params, F64, v_offset_v), ROW(sensor_params, F64, i_offset_a),
	ROW(sensor_params, F64, noise_lsb),  ROW(sensor_params, F64, i_range_a),
	ROW(sensor_params, I64, refresh_ns), ROW(sensor_params, I64, zero_ns),
};
static const struct table sensor_table = TABLE(sensor_rows);

static const struct field store_rows[] = {
	ROW(store_params, F64, c_f),      ROW(store_params, F64, esr_ohm),
	ROW_MAP(store_params, conv, conv_table),
	ROW(store_params, F64, v_min_v),  ROW(store_params, F64, v_max_v),
	ROW(store_params, F64, target),   ROW(store_params, F64, v_init_v),
	ROW(store_params, F64, p_max_w),  ROW(store_params, F64, restore_w),
	ROW(store_params, F64, smooth_s), ROW(store_params, F64, hold_v),
	ROW(store_params, F64, damp_s),
};
static const struct table store_table = TABLE(store_rows);

static const struct field thermal_rows[] = {
	ROW(thermal_params, F64, ambient_c), ROW(thermal_params, F64, r_th_k_w),
	ROW(thermal_params, F64, c_th_j_k),  ROW(thermal_params, F64, derate_c),
	ROW(thermal_params, F64, max_c),     ROW(thermal_params, F64, least),
	ROW(thermal_params, F64, restart_c),
};
static const struct table thermal_table = TABLE(thermal_rows);

static const struct field mcu_rows[] = {
	ROW(mcu_params, I64, watchdog_ns),
	ROW(mcu_params, I64, boot_ns),
};
static const struct table mcu_table = TABLE(mcu_rows);

static const struct field trip_rows[] = {
	ROW(trip_params, F64, ov_v),        ROW(trip_params, F64, ov_clear_v),
	ROW(trip_params, F64, uv_v),        ROW(trip_params, F64, uv_clear_v),
	ROW(trip_params, F64, port_uv_v),
	ROW(trip_params, I64, ov_delay_ns), ROW(trip_params, I64, restart_ns),
};
static const struct table trip_table = TABLE(trip_rows);

static const struct field node_rows[] = {
	ROW(node_params, F64, v_init_v),
	ROW(node_params, BOOL, steady),
	ROW(node_params, F64, feed_init_a),
	ROW(node_params, F64, dv_init_v),
	ROW(node_params, F64, di_init_v),
	ROW(node_params, F64, x_init),
	ROW(node_params, F64, c_bus_f),
	ROW(node_params, BOOL, has_sc),
	ROW(node_params, F64, c_sc_f),
	ROW(node_params, F64, r_sc_ohm),
	ROW(node_params, BOOL, has_store),
	ROW_MAP(node_params, store, store_table),
	ROW(node_params, BOOL, has_feed),
	ROW_MAP(node_params, feed, feed_table),
	ROW_ENUM(node_params, control, CONTROL_CONSENSUS),
	ROW_ENUM(node_params, shedding, SWITCH_OFF),
	ROW(node_params, F64, kv_per_s),
	ROW(node_params, F64, kc_per_s),
	ROW(node_params, F64, ki_v_per_s),
	ROW(node_params, F64, v_nom_v),
	ROW(node_params, BOOL, sensors_realistic),
	ROW_MAP(node_params, sensor, sensor_table),
	ROW(node_params, BOOL, calibrates),
	ROW_MAP(node_params, thermal, thermal_table),
	ROW(node_params, BOOL, offsets),
	ROW_MAP(node_params, trip, trip_table),
	ROW_MAP(node_params, mcu, mcu_table),
	ROW_LIST(node_params, "load_w", load_w.p, load_w.n, TOPO_PWL_MAX, pwl_table),
	ROW(node_params, BOOL, has_conv),
	ROW_MAP(node_params, conv, conv_table),
};
static const struct table node_table = TABLE(node_rows);

static const struct field module_rows[] = {
	ROW_ENUM(module_params, class, MODULE_RESISTIVE),
	ROW_LIST(module_params, "load_w", load_w.p, load_w.n, TOPO_PWL_MAX, pwl_table),
	ROW(module_params, F64, r_load_ohm),
	ROW(module_params, F64, v_init_v),
	ROW(module_params, F64, c_in_f),
	ROW(module_params, F64, v_uv_v),
	ROW(module_params, F64, r_port_ohm),
	ROW(module_params, F64, n_turns),
	ROW(module_params, F64, v_ref_v),
	ROW(module_params, U32, priority),
	ROW(module_params, BOOL, plugged),
	ROW_MAP(module_params, mcu, mcu_table),
	ROW_ENUM(module_params, oring, SWITCH_OFF),
	ROW_LIST(module_params, "phases", phases, n_phases, TOPO_PHASES_MAX, phase_table),
};
static const struct table module_table = TABLE(module_rows);

static const struct field channel_rows[] = {
	ROW(channel_params, F64, rate_bit_s),  ROW(channel_params, I64, delay_ns),
	ROW(channel_params, I64, jitter_ns),   ROW(channel_params, F64, loss),
	ROW(channel_params, F64, burst_enter), ROW(channel_params, F64, burst_leave),
	ROW(channel_params, F64, burst_loss),  ROW(channel_params, F64, duplicate),
	ROW(channel_params, F64, reorder),     ROW(channel_params, I64, reorder_ns),
	ROW(channel_params, F64, corrupt),     ROW(channel_params, I64, queue_ns),
	ROW(channel_params, F64, flood_bit_s), ROW(channel_params, F64, flood_bytes),
};
static const struct table channel_table = TABLE(channel_rows);

static const struct field chan_rows[] = {
	ROW_ENUM(slice_chan, kind, CHAN_PORT),
	ROW_ARRAY(slice_chan, STR, id),
	ROW(slice_chan, U32, edge),
	ROW(slice_chan, U32, peer),
	ROW_ARRAY(slice_chan, STR, peer_id),
	ROW(slice_chan, BOOL, binds),
	ROW(slice_chan, U32, peer_inc),
	ROW(slice_chan, BOOL, peer_runs),
	ROW(slice_chan, BOOL, tcp),
	ROW(slice_chan, I64, last_sent),
	ROW(slice_chan, BOOL, is_a),
	ROW_AS(slice_chan, "link_r_ohm", F64, link.r_ohm),
	ROW_AS(slice_chan, "link_l_h", F64, link.l_h),
	ROW_AS(slice_chan, "link_l_eff_h", F64, link.l_eff_h),
	ROW_AS(slice_chan, "link_fuse_a", F64, link.fuse_a),
	ROW_AS(slice_chan, "link_fuse_i2t_a2s", F64, link.fuse_i2t_a2s),
	ROW_AS(slice_chan, "link_limit_a", F64, link.limit_a),
	ROW_AS(slice_chan, "link_limit_gain_per_s", F64, link.limit_gain_per_s),
	ROW_AS(slice_chan, "link_limit_max", F64, link.limit_max),
	ROW_AS(slice_chan, "link_precharge_ohm", F64, link.precharge_ohm),
	ROW_AS(slice_chan, "link_precharge_s", F64, link.precharge_s),
	ROW_AS(slice_chan, "link_precharge_j", F64, link.precharge_j),
	ROW_AS(slice_chan, "link_i_init_a", F64, link.i_init_a),
	ROW_AS(slice_chan, "link_open", BOOL, link.open),
	ROW_AS(slice_chan, "has_channel", BOOL, link.has_channel),
	{ .name = "channel",
	  .type = MAP,
	  .off = offsetof(struct slice_chan, link.channel),
	  .sub = &channel_table },
	ROW(slice_chan, F64, peer_v_init_v),
	ROW(slice_chan, BOOL, uncounted),
	ROW(slice_chan, U32, input),
	ROW(slice_chan, F64, r_port_ohm),
	ROW(slice_chan, F64, p_init_w),
	ROW(slice_chan, BOOL, owner),
	ROW(slice_chan, U32, priority),
	ROW(slice_chan, F64, shed_rank),
};
static const struct table chan_table = TABLE(chan_rows);

static const struct field cmd_rows[] = {
	ROW(core_cmd, I64, k),    ROW_ENUM(core_cmd, kind, CMD_END_ - 1),
	ROW(core_cmd, I32, chan), ROW(core_cmd, F64, a),
	ROW(core_cmd, F64, b),    ROW(core_cmd, F64, c),
	ROW(core_cmd, F64, d),    ROW(core_cmd, F64, e),
	ROW(core_cmd, F64, f),
};
static const struct table cmd_table = TABLE(cmd_rows);

static const struct field start_rows[] = {
	ROW(slice_start, U32, chan),
	ROW(slice_start, U32, peer_inc),
	ROW(slice_start, I64, j),
};
static const struct table start_table = TABLE(start_rows);

#define SLICE_ROWS                                                                                 \
	ROW_ENUM(slice, kind, PROC_MODULE), ROW_ARRAY(slice, STR, id),                             \
		ROW_ARRAY(slice, STR, mesh), ROW(slice, U32, index), ROW(slice, U32, incarnation), \
		ROW_ARRAY(slice, BYTES, topo_hash), ROW(slice, U64, seed),                         \
		ROW(slice, I64, step_ns), ROW(slice, U32, substeps), ROW(slice, U32, port_period), \
		ROW(slice, I64, start_k), ROW(slice, I64, end_k), ROW(slice, BOOL, restarted),     \
		ROW(slice, F64, init_v_v), ROW(slice, F64, init_v_sc_v),                           \
		ROW(slice, F64, init_temp_c),                                              \
		ROW(slice, I64, init_temp_k),                                              \
		ROW(slice, F64, feeds_w),                                                  \
		ROW_LIST(slice, "chans", chans, n_chans, TOPO_DEGREE_MAX + TOPO_PORTS_MAX,         \
	                 chan_table),                                                              \
		ROW_LIST(slice, "cmds", cmds, n_cmds, CMDS_MAX, cmd_table),                        \
		ROW(slice, I64, kill_k), ROW(slice, BOOL, by_hand),                                \
		ROW_LIST(slice, "starts", starts, n_starts, CMDS_MAX, start_table),                \
		ROW(slice, I64, stall_ns)

static const struct field slice_conv_rows[] = {
	ROW(slice_conv, U32, chan),
	ROW_MAP(slice_conv, conv, conv_table),
	ROW_LIST(slice_conv, "power_w", power_w.p, power_w.n, TOPO_PWL_MAX, pwl_table),
};
static const struct table slice_conv_table = TABLE(slice_conv_rows);

static const struct field node_slice_rows[] = {
	SLICE_ROWS,
	ROW_MAP(slice, node, node_table),
	ROW_LIST(slice, "convs", convs, n_convs, TOPO_DEGREE_MAX, slice_conv_table),
};
static const struct field module_slice_rows[] = { SLICE_ROWS,
	                                          ROW_MAP(slice, module, module_table) };
static const struct table slice_tables[] = {
	[PROC_NODE] = TABLE(node_slice_rows),
	[PROC_MODULE] = TABLE(module_slice_rows),
};

/* ---- writing ----------------------------------------------------------------------------------
 */

/* The buffer grows by allocation; its first failure is kept for the end. */
struct out {
	msgpack_sbuffer buf;
	bool failed;
};

static int
out_write(void *data, const char *bytes, size_t n)
{
	struct out *o = data;
	if (!o->failed && msgpack_sbuffer_write(&o->buf, bytes, n))
		o->failed = true;
	return 0;
}

static void
pack_str(msgpack_packer *pk, const char *s, size_t n)
{
	msgpack_pack_str(pk, n);
	msgpack_pack_str_body(pk, s, n);
}

static void pack_table(msgpack_packer *pk, const struct table *t, const char *base);

static void
pack_value(msgpack_packer *pk, const struct field *f, const char *base)
{
	const void *p = base + f->off;
	switch (f->type) {
	case STR:
		pack_str(pk, p, strnlen(p, f->size - 1));
		break;
	case BYTES:
		msgpack_pack_bin(pk, f->size);
		msgpack_pack_bin_body(pk, p, f->size);
		break;
	case BOOL:
		*(const bool *)p ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
		break;
	case U32:
		msgpack_pack_uint32(pk, *(const uint32_t *)p);
		break;
	case ENUM:
		msgpack_pack_uint32(pk, *(const uint32_t *)p);
		break;
	case I32:
		msgpack_pack_int32(pk, *(const int32_t *)p);
		break;
	case U64:
		msgpack_pack_uint64(pk, *(const uint64_t *)p);
		break;
	case I64:
		msgpack_pack_int64(pk, *(const int64_t *)p);
		break;
	case F64:
		msgpack_pack_double(pk, *(const double *)p);
		break;
	case MAP:
		pack_table(pk, f->sub, p);
		break;
	case LIST: {
		const char *element;
		size_t n = *(const size_t *)(const void *)(base + f->off_n);
		memcpy(&element, p, sizeof element);
		msgpack_pack_array(pk, n);
		for (size_t i = 0; i < n; i++)
			pack_table(pk, f->sub, element + i * f->size);
		break;
	}
	}
}

static void
pack_table(msgpack_packer *pk, const struct table *t, const char *base)
{
	msgpack_pack_map(pk, t->n);
	for (size_t i = 0; i < t->n; i++) {
		pack_str(pk, t->f[i].name, strlen(t->f[i].name));
		pack_value(pk, &t->f[i], base);
	}
}

static int
put_file(const char *path, const char *p, size_t n, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, ERR_IO, "%s", path);
	int rc = 0;
	for (size_t done = 0; done < n && !rc;) {
		ssize_t w = write(fd, p + done, n - done);
		if (w >= 0)
			done += (size_t)w;
		else if (errno != EINTR)
			rc = err_sys(err, ERR_IO, "%s: cannot write %zu bytes", path, n);
	}
	if (close(fd) && !rc)
		rc = err_sys(err, ERR_IO, "%s: cannot write %zu bytes", path, n);
	if (rc)
		unlink(path);
	return rc;
}

int
slice_write(const struct slice *s, const char *path, struct err *err)
{
	struct out o = { .failed = false };
	msgpack_packer pk;
	msgpack_sbuffer_init(&o.buf);
	msgpack_packer_init(&pk, &o, out_write);
	pack_table(&pk, &slice_tables[s->kind], (const char *)s);
	int rc = o.failed ? err_set(err, ERR_NOMEM, "%s: out of memory", path)
	                  : put_file(path, o.buf.data, o.buf.size, err);
	msgpack_sbuffer_destroy(&o.buf);
	return rc;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

struct in {
	const char *path;
	char where[WHERE_MAX];
	size_t len;
	struct err *err;
};

/* Appends to where; returns the length before, for where_back(). A name that is too long is cut. */
static size_t where_add(struct in *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static size_t
where_add(struct in *in, const char *fmt, ...)
{
	size_t was = in->len;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(in->where + was, sizeof in->where - was, fmt, ap);
	va_end(ap);
	if (n > 0)
		in->len =
			was + (size_t)n < sizeof in->where ? was + (size_t)n : sizeof in->where - 1;
	return was;
}

static void
where_back(struct in *in, size_t len)
{
	in->len = len;
	in->where[len] = '\0';
}

static int
in_bad(struct in *in, const char *what)
{
	return err_set(in->err, ERR_INPUT, "%s: field %s: %s", in->path,
	               in->len ? in->where : "(all)", what);
}

/* Any integer, as its sign and magnitude would not fit elsewhere: into [lo, hi]. */
static int
get_int(struct in *in, const msgpack_object *o, int64_t lo, int64_t hi, int64_t *ret)
{
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
	    o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return in_bad(in, "not an integer");
	if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 > INT64_MAX)
		return in_bad(in, "out of range");
	int64_t v = o->via.i64;
	if (v < lo || v > hi)
		return in_bad(in, "out of range");
	*ret = v;
	return 0;
}

static int
get_text(struct in *in, const struct field *f, const msgpack_object *o, char *to)
{
	if (f->type == BYTES) {
		if (o->type != MSGPACK_OBJECT_BIN || o->via.bin.size != f->size)
			return in_bad(in, "not bytes of the right length");
		memcpy(to, o->via.bin.ptr, f->size);
		return 0;
	}
	if (o->type != MSGPACK_OBJECT_STR)
		return in_bad(in, "not a string");
	if (o->via.str.size >= f->size || memchr(o->via.str.ptr, '\0', o->via.str.size))
		return in_bad(in, "too long, or with a NUL");
	memcpy(to, o->via.str.ptr, o->via.str.size);
	to[o->via.str.size] = '\0';
	return 0;
}

static int get_table(struct in *in, const struct table *t, const msgpack_object *o, char *base);

static int
get_list(struct in *in, const struct field *f, const msgpack_object *o, char *base)
{
	if (o->type != MSGPACK_OBJECT_ARRAY)
		return in_bad(in, "not a list");
	size_t n = o->via.array.size;
	if (n > f->max)
		return in_bad(in, "too long");
	char *p = n ? calloc(n, f->size) : NULL;
	if (n && !p)
		return err_set(in->err, ERR_NOMEM, "%s: out of memory", in->path);
	memcpy(base + f->off, &p, sizeof p);
	memcpy(base + f->off_n, &n, sizeof n);
	for (size_t i = 0; i < n; i++) {
		size_t was = where_add(in, "[%zu]", i);
		int rc = get_table(in, f->sub, &o->via.array.ptr[i], p + i * f->size);
		if (rc)
			return rc;
		where_back(in, was);
	}
	return 0;
}

static int
get_value(struct in *in, const struct field *f, const msgpack_object *o, char *base)
{
	void *p = base + f->off;
	int64_t v = 0;
	int rc = 0;
	switch (f->type) {
	case STR:
	case BYTES:
		return get_text(in, f, o, p);
	case BOOL:
		if (o->type != MSGPACK_OBJECT_BOOLEAN)
			return in_bad(in, "not a boolean");
		*(bool *)p = o->via.boolean;
		return 0;
	case ENUM:
	case U32:
		rc = get_int(in, o, 0, f->type == ENUM ? f->max : UINT32_MAX, &v);
		*(uint32_t *)p = (uint32_t)v;
		return rc;
	case I32:
		rc = get_int(in, o, INT32_MIN, INT32_MAX, &v);
		*(int32_t *)p = (int32_t)v;
		return rc;
	case I64:
		rc = get_int(in, o, INT64_MIN, INT64_MAX, &v);
		*(int64_t *)p = v;
		return rc;
	case U64:
		if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
			return in_bad(in, "not a non-negative integer");
		*(uint64_t *)p = o->via.u64;
		return 0;
	case F64:
		if (o->type != MSGPACK_OBJECT_FLOAT64)
			return in_bad(in, "not a float");
		*(double *)p = o->via.f64;
		return 0;
	case MAP:
		return get_table(in, f->sub, o, p);
	case LIST:
		return get_list(in, f, o, base);
	}
	assert(!"type of a field");
	return 0;
}

static const struct field *
find(const struct table *t, const msgpack_object *key)
{
	if (key->type != MSGPACK_OBJECT_STR)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->f[i].name) == key->via.str.size &&
		    !memcmp(t->f[i].name, key->via.str.ptr, key->via.str.size))
			return &t->f[i];
	return NULL;
}

static int
get_table(struct in *in, const struct table *t, const msgpack_object *o, char *base)
{
	assert(t->n <= FIELDS_MAX);
	if (o->type != MSGPACK_OBJECT_MAP)
		return in_bad(in, "not a map");
	uint64_t seen = 0;
	const char *dot = in->len ? "." : "";
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];
		const struct field *f = find(t, &kv->key);
		if (!f && kv->key.type == MSGPACK_OBJECT_STR) {
			size_t n = kv->key.via.str.size;
			where_add(in, "%s%.*s", dot, (int)(n < 40 ? n : 40), kv->key.via.str.ptr);
			return in_bad(in, "unknown");
		}
		if (!f)
			return in_bad(in, "a key that is not a string");
		size_t was = where_add(in, "%s%s", dot, f->name);
		uint64_t bit = UINT64_C(1) << (f - t->f);
		if (seen & bit)
			return in_bad(in, "given twice");
		seen |= bit;
		int rc = get_value(in, f, &kv->val, base);
		if (rc)
			return rc;
		where_back(in, was);
	}
	for (size_t i = 0; i < t->n; i++) {
		if (!(seen >> i & 1)) {
			where_add(in, "%s%s", dot, t->f[i].name);
			return in_bad(in, "missing");
		}
	}
	return 0;
}

/* What a core relies on, beyond the types. */
static int
check(const struct slice *s, const char *path, struct err *err)
{
	const char *what = NULL;
	size_t n_links = 0;
	if (!s->id[0] || !s->incarnation)
		what = "id, incarnation";
	if (s->step_ns <= 0 || !(s->substeps >= 1 && s->substeps <= TOPO_SUBSTEPS_MAX) ||
	    !s->port_period)
		what = "step_ns, substeps, port_period";
	if (s->start_k < -1 || s->end_k < 0 || s->kill_k < 0)
		what = "start_k, end_k, kill_k";
	for (size_t c = 0; c < s->n_chans; c++) {
		const struct slice_chan *ch = &s->chans[c];
		if (!ch->id[0] || !ch->peer_id[0] || ch->peer == s->index)
			what = "chans: id, peer";
		if (ch->kind == CHAN_LINK && c > n_links++)
			what = "chans: a link after a port";
		if (ch->kind == CHAN_PORT && ch->input >= TOPO_FEEDS_MAX)
			what = "chans: input";
		if (s->kind == PROC_MODULE && (ch->kind != CHAN_PORT || ch->input != c))
			what = "chans: the inputs of a module, in order";
	}
	if (n_links > TOPO_DEGREE_MAX || s->n_chans - n_links > TOPO_PORTS_MAX)
		what = "chans: too many of a kind";
	for (size_t i = 0; i < s->n_convs; i++) {
		const struct slice_conv *c = &s->convs[i];
		if (c->chan >= n_links || (i && c->chan <= c[-1].chan) ||
		    !(c->conv.l_h > 0 && c->conv.c_out_f > 0))
			what = "convs: chan, conv";
	}
	if (s->kind == PROC_NODE && s->node.has_store) {
		const struct store_params *o = &s->node.store;
		if (!(o->c_f > 0 && o->esr_ohm > 0 && o->v_min_v > 0 && o->v_max_v > o->v_min_v &&
		      o->smooth_s > 0 && o->conv.l_h > 0 && o->conv.c_out_f > 0))
			what = "node: store";
	}
	for (size_t i = 0; i < s->n_cmds; i++) {
		const struct core_cmd *c = &s->cmds[i];
		struct core_sensor at = { CORE_SENSOR_V, 0 };
		bool sensor = core_sensor_of(c->chan, &at);
		if ((sensor && at.index >= s->n_chans && at.kind >= CORE_SENSOR_LINK) ||
		    c->chan >= (int64_t)s->n_chans || (i && c->k < c[-1].k))
			what = "cmds: chan, k";
	}
	return what ? err_set(err, ERR_INPUT, "%s: field %s: out of range", path, what) : 0;
}

static int
decode(struct in *in, const msgpack_object *o, struct slice **ret)
{
	/* The kind says which table to use. */
	int64_t kind = -1;
	for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];
		const struct field *f = find(&slice_tables[PROC_NODE], &kv->key);
		if (f && f->type == ENUM && get_int(in, &kv->val, 0, f->max, &kind))
			return in_bad(in, "kind");
	}
	if (kind < 0)
		return in_bad(in, o->type == MSGPACK_OBJECT_MAP ? "kind: missing" : "not a map");
	struct slice *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(in->err, ERR_NOMEM, "%s: out of memory", in->path);
	s->kind = (enum proc_kind)kind;
	int rc = get_table(in, &slice_tables[kind], o, (char *)s);
	if (!rc)
		rc = check(s, in->path, in->err);
	if (rc) {
		slice_destroy(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

static int
get_file(const char *path, char **ret, size_t *len, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, ERR_IO, "%s", path);
	struct stat st;
	char *p = NULL;
	int rc = 0;
	if (fstat(fd, &st)) {
		rc = err_sys(err, ERR_IO, "%s", path);
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		rc = err_set(err, ERR_INPUT, "%s: not a regular file below %d bytes", path,
		             FILE_MAX);
	} else if (!(p = malloc((size_t)st.st_size + 1))) {
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	}
	size_t n = 0;
	while (!rc && n < (size_t)st.st_size) {
		ssize_t r = read(fd, p + n, (size_t)st.st_size - n);
		if (r == 0)
			break;
		if (r > 0)
			n += (size_t)r;
		else if (errno != EINTR)
			rc = err_sys(err, ERR_IO, "%s", path);
	}
	close(fd);
	if (rc) {
		free(p);
		return rc;
	}
	*ret = p;
	*len = n;
	return 0;
}

int
slice_read(const char *path, struct slice **ret, struct err *err)
{
	char *p = NULL;
	size_t n = 0, off = 0;
	int rc = get_file(path, &p, &n, err);
	if (rc)
		return rc;
	struct in in = { .path = path, .err = err };
	/* libmsgpack takes memory for any length that is announced: first see that it is there. */
	struct mpread scan;
	mpread_init(&scan, p, n);
	if (mpread_skip(&scan)) {
		free(p);
		return err_set(err, ERR_INPUT, "%s: not MessagePack, or cut short", path);
	}
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	msgpack_unpack_return got = msgpack_unpack_next(&u, p, n, &off);
	if (got == MSGPACK_UNPACK_NOMEM_ERROR)
		rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
	else if (got != MSGPACK_UNPACK_SUCCESS)
		rc = err_set(err, ERR_INPUT, "%s: not MessagePack, or cut short", path);
	else if (off != n)
		rc = err_set(err, ERR_INPUT, "%s: %zu bytes after the end", path, n - off);
	else
		rc = decode(&in, &u.data, ret);
	msgpack_unpacked_destroy(&u);
	free(p);
	return rc;
}
