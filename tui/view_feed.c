/* What telemetry and the supervisor's status change in the view. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "mpread.h"
#include "view_store.h"

static const char *const account_keys[ACCOUNT_END_] = {
	[ACCOUNT_SOURCE] = "source_j",
	[ACCOUNT_USEFUL] = "useful_j",
	[ACCOUNT_LOSS] = "loss_j",
	[ACCOUNT_UNSERVED] = "unserved_j",
};

/* Returns false for a frame of an incarnation that is older than the one already heard. */
static bool
view_proc_feed(struct view *v, struct view_proc *p, const struct telem_msg *m, int64_t wall_ns)
{
	bool known = p->wall_ns != INT64_MIN;
	if (known && m->inc < p->inc)
		return false;
	bool same_life = known && m->inc == p->inc && m->k >= p->k;
	if (same_life && m->seq > p->seq + 1)
		v->lost += (uint64_t)(m->seq - p->seq - 1);
	p->heard_twice = p->heard_twice || known;
	double dt = (double)(m->t_ns - p->t_ns) * 1e-9;
	for (int i = 0; i < ACCOUNT_END_; i++) {
		struct view_energy *e = &p->account[i];
		double j = telem_number(m, account_keys[i], NAN);
		if (!same_life)
			e->w = NAN;
		else if (dt > 0)
			e->w = (j - e->j) / dt;
		e->j = j;
	}
	p->wall_ns = wall_ns;
	p->inc = m->inc;
	p->t_ns = m->t_ns;
	p->k = m->k;
	p->seq = m->seq;
	p->speed = m->speed;
	p->state = m->state;
	return true;
}

static size_t
view_ring(int64_t slot, size_t n)
{
	return (size_t)(((slot % (int64_t)n) + (int64_t)n) % (int64_t)n);
}

static void
view_spark_feed(struct view_spark *s, int64_t wall_ns, double v_v)
{
	int64_t slot = wall_ns / 1000000000;
	if (s->slot == INT64_MIN || slot - s->slot >= VIEW_SPARK) {
		for (int i = 0; i < VIEW_SPARK; i++)
			s->v[i] = NAN;
		s->slot = slot;
		s->n = 0;
	}
	while (s->slot < slot) {
		s->slot++;
		s->v[view_ring(s->slot, VIEW_SPARK)] = NAN;
		s->n = 0;
	}
	double *p = &s->v[view_ring(s->slot, VIEW_SPARK)];
	*p = s->n ? (*p * s->n + v_v) / (s->n + 1) : v_v;
	s->n++;
}

static void
view_bus_feed(struct view *v, int64_t wall_ns, double min_v, double max_v)
{
	int64_t slot = wall_ns / VIEW_BUS_SLOT_NS;
	if (v->bus_slot == INT64_MIN || slot - v->bus_slot >= VIEW_BUS)
		v->bus_slot = slot - VIEW_BUS;
	while (v->bus_slot < slot) {
		v->bus_slot++;
		size_t i = view_ring(v->bus_slot, VIEW_BUS);
		v->bus_min_v[i] = v->bus_max_v[i] = NAN;
	}
	size_t i = view_ring(v->bus_slot, VIEW_BUS);
	v->bus_min_v[i] = fmin(v->bus_min_v[i], min_v); /* fmin and fmax pass over NaN */
	v->bus_max_v[i] = fmax(v->bus_max_v[i], max_v);
}

static int
view_node_feed(struct view *v, const struct telem_msg *m, int64_t wall_ns, struct err *err)
{
	struct view_node *n = view_node_get(v, m->id, err);
	if (!n)
		return err ? err->code : ERR_LIMIT;
	if (!view_proc_feed(v, &n->proc, m, wall_ns))
		return 0;
	if (!v->mesh[0])
		snprintf(v->mesh, sizeof v->mesh, "%.*s", (int)sizeof v->mesh - 1,
		         telem_text(m, "mesh"));
	n->v_v = telem_number(m, "v_v", NAN);
	n->v_min_v = telem_number(m, "v_min_v", n->v_v);
	n->v_max_v = telem_number(m, "v_max_v", n->v_v);
	n->v_sc_v = telem_number(m, "v_sc_v", NAN);
	n->sc_p_w = telem_number(m, "sc_p_w", NAN);
	n->sc_soc = telem_number(m, "sc_soc", NAN);
	n->conv_v = telem_number(m, "conv_vo_v", NAN);
	n->conv_i_a = telem_number(m, "conv_i_a", NAN);
	n->conv_p_w = telem_number(m, "conv_p_w", NAN);
	n->feed_i_a = telem_number(m, "feed_i_avg_a", telem_number(m, "feed_i_a", NAN));
	n->loading = telem_number(m, "loading", NAN);
	n->load_w = telem_number(m, "load_p_w", NAN);
	n->temp_c = telem_number(m, "temp_degc", NAN);
	n->calib_rank = telem_number(m, "calib_rank", NAN);
	n->calib_unknowns = telem_number(m, "calib_unknowns", NAN);
	n->served = telem_number(m, "served", 1) != 0;
	if (!v->has_topo) {
		/* A feed at exactly zero and a bare bus cannot be told from none. */
		n->has_feed = n->has_feed || n->loading > 0 || n->feed_i_a > 0;
		n->has_sc = n->has_sc || n->v_sc_v > 0;
	}
	if (!isnan(n->v_v)) {
		view_spark_feed(&n->spark, wall_ns, n->v_v);
		view_bus_feed(v, wall_ns, n->v_min_v, n->v_max_v);
	}
	return 0;
}

/* Which end of the link the sender is; -1 when it is neither. */
static int
view_link_end(struct view *v, struct view_link *l, const char *id)
{
	for (int e = 0; e < 2; e++)
		if (strcmp(l->end_id[e], id) == 0)
			return e;
	if (v->has_topo || !id[0] || strlen(id) >= TOPO_ID_MAX)
		return -1;
	/* Learned: the lower name is end a, as the usual order of a topology file has it. */
	int e = !l->end_id[0][0] ? 0 : !l->end_id[1][0] ? 1 : -1;
	if (e < 0)
		return -1;
	snprintf(l->end_id[e], sizeof l->end_id[e], "%.*s", (int)sizeof l->end_id[e] - 1, id);
	if (e == 1 && strverscmp(l->end_id[0], l->end_id[1]) > 0) {
		char name[TOPO_ID_MAX];
		memcpy(name, l->end_id[0], sizeof name);
		memcpy(l->end_id[0], l->end_id[1], sizeof name);
		memcpy(l->end_id[1], name, sizeof name);
		l->end[1] = l->end[0];
		e = 0;
	}
	return e;
}

static int
view_link_feed(struct view *v, const struct telem_msg *m, int64_t wall_ns, struct err *err)
{
	struct view_link *l = view_link_get(v, m->id, err);
	if (!l)
		return err ? err->code : ERR_LIMIT;
	int e = view_link_end(v, l, telem_text(m, "end"));
	if (e < 0)
		return err_set(err, ERR_PROTO,
		               "telemetry of link %s from a node that is not its end", l->id);
	if (l->end[e].wall_ns != INT64_MIN && m->inc < l->end[e].inc)
		return 0;
	l->end[e] = (struct view_end){
		.wall_ns = wall_ns,
		.inc = m->inc,
		.i_a = telem_number(m, "i_avg_a", telem_number(m, "i_a", NAN)),
		.p_w = telem_number(m, "p_w", NAN),
		.conv_v = telem_number(m, "conv_vo_v", NAN),
		.conv_i_a = telem_number(m, "conv_i_a", NAN),
		.conv_p_w = telem_number(m, "conv_p_w", NAN),
		.conv_set_w = telem_number(m, "conv_set_p_w", NAN),
		.frames_sent = telem_number(m, "frames_sent", NAN),
		.frames_lost = telem_number(m, "frames_lost", NAN) +
		               telem_number(m, "frames_corrupt", NAN),
		.adjacent = telem_number(m, "adjacent", NAN),
		.state = (int)telem_number(m, "link_state", -1),
	};
	return 0;
}

/* Without a topology: the inputs in the order of their fields. */
static void
view_learn_inputs(struct view_module *mod, const struct telem_msg *m)
{
	for (size_t i = 0; i < m->n && mod->n_inputs < TOPO_FEEDS_MAX; i++) {
		const char *key = m->v[i].key, *dot = strrchr(key, '.');
		if (strncmp(key, "in.", 3) != 0 || !dot || strcmp(dot, ".live") != 0)
			continue;
		size_t n = (size_t)(dot - key) - 3;
		if (n == 0 || n >= TOPO_ID_MAX)
			continue;
		memcpy(mod->input[mod->n_inputs], key + 3, n);
		mod->input[mod->n_inputs++][n] = '\0';
	}
}

static int
view_module_feed(struct view *v, const struct telem_msg *m, int64_t wall_ns, struct err *err)
{
	struct view_module *mod = view_module_get(v, m->id, err);
	if (!mod)
		return err ? err->code : ERR_LIMIT;
	if (!view_proc_feed(v, &mod->proc, m, wall_ns))
		return 0;
	if (mod->n_inputs == 0)
		view_learn_inputs(mod, m);
	const struct {
		const char *key;
		double *value;
	} numbers[] = {
		{ "v_in_v", &mod->v_in_v },
		{ "v_v", &mod->v_v },
		{ "p_w", &mod->p_w },
		{ "demand_w", &mod->demand_w },
		{ "temp_degc", &mod->temp_degc },
		{ "throughput", &mod->throughput },
		{ "errors", &mod->errors },
		{ "phase", &mod->phase },
		{ "epoch", &mod->epoch },
	};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		*numbers[i].value = telem_number(m, numbers[i].key, NAN);
	mod->served = telem_number(m, "served", 1) != 0;
	double owner = telem_number(m, "owner", -1);
	mod->owner = owner >= 0 && owner < (double)mod->n_inputs ? (int)owner : -1;
	return 0;
}

int
view_telem(struct view *v, const struct telem_msg *m, int64_t wall_ns, struct err *err)
{
	struct shot_event e;
	v->messages++;
	switch (m->kind) {
	case TELEM_NODE:
		return view_node_feed(v, m, wall_ns, err);
	case TELEM_MODULE:
		return view_module_feed(v, m, wall_ns, err);
	case TELEM_LINK:
		return view_link_feed(v, m, wall_ns, err);
	case TELEM_EVENT:
		view_event_text(v, m, &e);
		view_event(v, &e);
		return 0;
	}
	return err_set(err, ERR_PROTO, "telemetry of an unknown kind");
}

/* ---- events -------------------------------------------------------------------------------- */

static const char *
open_cause_text(double cause)
{
	return cause == OPEN_DEATH  ? "peer died"
	       : cause == OPEN_CUT  ? "cut"
	       : cause == OPEN_FUSE ? "fuse"
	       : cause == OPEN_PRECHARGE ? "pre-charge given up"
	                            : "open";
}

/* The node behind an input of a module. */
static const char *
view_input_name(const struct view *v, const char *module, double input)
{
	int i = view_find(&v->module_of, module);
	if (i < 0 || !(input >= 0 && input < (double)v->modules[i].n_inputs))
		return "nobody";
	return v->modules[i].input[(int)input];
}

/* What a command does; `b` is its first parameter. */
static void
view_fault_text(double kind, double b, const char *link, char *text, size_t size)
{
	static const struct {
		const char *word, *unit;
	} words[CMD_END_] = {
#define X(cmd, number, name, first, second, dim) [cmd] = { name, dim },
		CORE_CMD_TABLE(X)
#undef X
	};
	bool known = kind >= 0 && kind < CMD_END_ && words[(int)kind].word;
	int n = snprintf(text, size, "%s%s%s", known ? words[(int)kind].word : "command",
	                 link[0] ? " " : "", link);
	if (known && words[(int)kind].unit && !isnan(b))
		snprintf(text + n, size - (size_t)n, " %.6g %s", b, words[(int)kind].unit);
}

void
view_event_text(const struct view *v, const struct telem_msg *m, struct shot_event *ret)
{
	const char *event = telem_text(m, "event"), *name = telem_text(m, "name"),
		   *key = telem_text(m, "key");
	double a = telem_number(m, "a", NAN), b = telem_number(m, "b", NAN);
	*ret = (struct shot_event){ .t_ns = m->t_ns, .k = m->k };
	snprintf(ret->proc, sizeof ret->proc, "%.*s", (int)sizeof ret->proc - 1,
	         telem_text(m, "proc"));
	snprintf(ret->what, sizeof ret->what, "%.*s", (int)sizeof ret->what - 1, event);
	char *text = ret->text;
	size_t size = sizeof ret->text;
	if (strcmp(event, "link.open") == 0 || strcmp(event, "port.open") == 0) {
		ret->severity = a == OPEN_DEATH ? SEV_BAD : SEV_WARN;
		snprintf(text, size, "%s %s: %s, last step heard %.0f", key, name,
		         open_cause_text(a), b);
		if (a != OPEN_DEATH)
			snprintf(text, size, "%s %s: %s", key, name, open_cause_text(a));
	} else if (strcmp(event, "link.close") == 0) {
		ret->severity = SEV_GOOD;
		snprintf(text, size, "link %s: %s", name, a == 1 ? "pre-charging" : "closed");
	} else if (strcmp(event, "port.close") == 0) {
		ret->severity = SEV_GOOD;
		snprintf(text, size, "port %s: live", name);
	} else if (strcmp(event, "joined") == 0) {
		ret->severity = SEV_GOOD;
		snprintf(text, size, "incarnation %.0f starts", a);
	} else if (strcmp(event, "takeover") == 0) {
		ret->severity = SEV_WARN;
		snprintf(text, size, "fed by %s, epoch %.0f", view_input_name(v, ret->proc, a), b);
	} else if (strcmp(event, "fault.fired") == 0) {
		ret->severity = SEV_WARN;
		view_fault_text(a, b, name, text, size);
	} else if (strcmp(event, "unserved") == 0) {
		ret->severity = a == 1 ? SEV_BAD : SEV_GOOD;
		snprintf(text, size, "%s", a == 1 ? "load not served" : "load served again");
	} else if (strcmp(event, "fuse.trip") == 0) {
		ret->severity = SEV_BAD;
		snprintf(text, size, "link %s: fuse, %.0f A", name, b);
	} else if (strcmp(event, "link.limited") == 0) {
		ret->severity = a == 1 ? SEV_WARN : SEV_GOOD;
		snprintf(text, size, "link %s: %s", name,
		         a == 1 ? "at its limit, feeds are re-dispatched" : "within its limit");
	} else if (strcmp(event, "link.over") == 0) {
		ret->severity = a == 1 ? SEV_BAD : SEV_GOOD;
		snprintf(text, size, "link %s: %.1f A%s", name, fabs(b),
		         a == 1 ? ", over its limit" : ", limit held");
	} else if (strcmp(event, "shed") == 0 || strcmp(event, "restored") == 0) {
		ret->severity = strcmp(event, "shed") == 0 ? SEV_WARN : SEV_GOOD;
		snprintf(text, size, "%s, priority %.0f", event, a);
	} else if (strcmp(event, "adjacency.down") == 0) {
		ret->severity = SEV_WARN;
		snprintf(text, size, "link %s: neighbour not heard for %.1f ms", name, a * 1e3);
	} else if (strcmp(event, "adjacency.up") == 0) {
		ret->severity = SEV_GOOD;
		snprintf(text, size, "link %s: neighbour heard", name);
	} else if (strcmp(event, "calibration") == 0) {
		ret->severity = a == 1 ? SEV_GOOD : SEV_INFO;
		snprintf(text, size, "gains of the sensors %sobservable, rank %.0f of %.0f",
		         a == 1 ? "" : "not ", b, telem_number(m, "c", NAN));
	} else if (strcmp(event, "park") == 0) {
		ret->severity = SEV_WARN;
		snprintf(text, size, "scripted kill: last frame %lld", (long long)m->k);
	} else {
		ret->severity = strcmp(event, "message.bad") == 0 ? SEV_WARN : SEV_INFO;
		snprintf(text, size, "%s%s%s", key, name[0] ? " " : "", name);
	}
}

/* ---- status -------------------------------------------------------------------------------- */

struct status_proc {
	char id[TOPO_ID_MAX], kind[8], state[12], exit[96];
	uint32_t inc;
	int64_t k;
};

static int
status_proc_read(struct mpread *r, struct status_proc *p)
{
	struct mp_token map, key, value;
	*p = (struct status_proc){ .k = -1 };
	if (mpread_next(r, &map) || map.type != MP_MAP)
		return -1;
	for (uint32_t i = 0; i < map.n; i++) {
		if (mpread_next(r, &key) || mpread_next(r, &value) || mpread_skip_rest(r, &value))
			return -1;
		if (mp_is(&key, "id"))
			mp_text(&value, p->id, sizeof p->id);
		else if (mp_is(&key, "kind"))
			mp_text(&value, p->kind, sizeof p->kind);
		else if (mp_is(&key, "state"))
			mp_text(&value, p->state, sizeof p->state);
		else if (mp_is(&key, "exit"))
			mp_text(&value, p->exit, sizeof p->exit);
		else if (mp_is(&key, "incarnation"))
			p->inc = (uint32_t)mp_int(&value, 0);
		else if (mp_is(&key, "k"))
			p->k = mp_int(&value, -1);
	}
	return 0;
}

static int
view_status_proc(struct view *v, const struct status_proc *s, int64_t wall_ns, struct err *err)
{
	struct view_proc *p = NULL;
	if (strcmp(s->kind, "node") == 0) {
		struct view_node *n = view_node_get(v, s->id, err);
		p = n ? &n->proc : NULL;
	} else if (strcmp(s->kind, "module") == 0) {
		struct view_module *m = view_module_get(v, s->id, err);
		p = m ? &m->proc : NULL;
	} else {
		return 0; /* the relay */
	}
	if (!p)
		return err ? err->code : ERR_LIMIT;
	bool was_dead = strcmp(p->status, "dead") == 0 && p->status_inc == s->inc;
	if (strcmp(s->state, "dead") == 0 && !was_dead) {
		struct shot_event e = { .t_ns = p->t_ns, .k = p->k, .severity = SEV_BAD };
		if (s->k >= 0 && v->step_ns > 0 && s->k < INT64_MAX / v->step_ns) {
			e.k = s->k;
			e.t_ns = s->k * v->step_ns;
		}
		snprintf(e.proc, sizeof e.proc, "%s", s->id);
		snprintf(e.what, sizeof e.what, "exit");
		snprintf(e.text, sizeof e.text, "%s", s->exit[0] ? s->exit : "gone");
		view_event(v, &e);
	}
	snprintf(p->status, sizeof p->status, "%s", s->state);
	p->status_inc = s->inc;
	p->status_wall_ns = wall_ns;
	return 0;
}

static int
view_status_procs(struct view *v, struct mpread *r, const struct mp_token *array, int64_t wall_ns,
                  struct err *err)
{
	struct status_proc p;
	if (array->type != MP_ARRAY)
		return mpread_skip_rest(r, array) ? ERR_PROTO : 0;
	for (uint32_t i = 0; i < array->n; i++) {
		if (status_proc_read(r, &p))
			return err_set(err, ERR_PROTO, "malformed status of a process");
		int rc = p.id[0] ? view_status_proc(v, &p, wall_ns, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* One key of the status that is no list. */
static void
view_status_key(struct view *v, const struct mp_token *key, const struct mp_token *value)
{
	if (mp_is(key, "mesh")) {
		mp_text(value, v->mesh, sizeof v->mesh);
	} else if (mp_is(key, "state")) {
		mp_text(value, v->status, sizeof v->status);
	} else if (mp_is(key, "speed")) {
		v->status_speed = mp_number(value, NAN);
	} else if (mp_is(key, "asked")) {
		v->status_asked = mp_number(value, NAN);
	} else if (mp_is(key, "pace")) {
		v->status_pace = mp_number(value, NAN);
	} else if (mp_is(key, "overruns")) {
		v->overruns = mp_int(value, -1);
	} else if (mp_is(key, "step_ns")) {
		v->step_ns = mp_int(value, 0);
	} else if (mp_is(key, "seed") && (value->type == MP_INT || value->type == MP_UINT)) {
		v->has_seed = true;
		v->seed = value->type == MP_UINT ? value->u : (uint64_t)value->i;
	}
}

int
view_status(struct view *v, const void *data, size_t len, int64_t wall_ns, struct err *err)
{
	/* Twice: the processes need what may stand behind them. */
	for (int pass = 0; pass < 2; pass++) {
		struct mpread r;
		struct mp_token map, key, value;
		mpread_init(&r, data, len);
		if (mpread_next(&r, &map) || map.type != MP_MAP)
			return err_set(err, ERR_PROTO, "status that is no MessagePack map");
		for (uint32_t i = 0; i < map.n; i++) {
			if (mpread_next(&r, &key) || mpread_next(&r, &value))
				return err_set(err, ERR_PROTO, "malformed status");
			if (pass == 1 && mp_is(&key, "processes")) {
				int rc = view_status_procs(v, &r, &value, wall_ns, err);
				if (rc)
					return rc;
				continue;
			}
			if (mpread_skip_rest(&r, &value))
				return err_set(err, ERR_PROTO, "malformed status");
			if (pass == 0)
				view_status_key(v, &key, &value);
		}
	}
	v->status_wall_ns = wall_ns;
	return 0;
}
