#include "tests/sim/empty_core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

enum { FIXED_FIELDS = 3, CHAN_FIELDS = 3 };

struct tag {
	uint32_t index, inc, edge;
	int64_t step;
	uint32_t hash;
};

struct empty_chan {
	const struct slice_chan *c;
	uint32_t inc; /* of the peer that is live, 0: open */
	uint32_t last_inc;
	int64_t j, rx, join_k, gone_k;
};

struct empty_core {
	const struct slice *s;
	int64_t k; /* of the next step, -1: any */
	uint64_t hash;
	double v, v_2;
	size_t n_fields;
	struct rec_field *fields;
	struct empty_chan *chans;
};

/* ---- violations ----------------------------------------------------------------------------- */

static size_t n_violations;
static char first_violation[320];

static void __attribute__((format(printf, 3, 4)))
violation(const struct empty_core *e, const struct empty_chan *c, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (n_violations++)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(first_violation, sizeof first_violation, "%s.%u step %lld %s: %s", e->s->id,
	         e->s->incarnation, (long long)e->k, c ? c->c->id : "-", text);
}

size_t
empty_core_violations(const char **first)
{
	if (first)
		*first = first_violation;
	return n_violations;
}

void
empty_core_reset(void)
{
	n_violations = 0;
	first_violation[0] = 0;
}

/* ---- payloads ------------------------------------------------------------------------------- */

static void
put_wave(struct wave *w, const struct tag *t)
{
	w->v_v = t->index;
	w->c_r_f = t->inc;
	w->st_v_v = (double)t->step;
	w->st_dv_v = t->edge;
	w->st_x = t->hash;
	w->m[0] = 0;
}

static struct tag
get_wave(const struct wave *w)
{
	return (struct tag){ (uint32_t)w->v_v, (uint32_t)w->c_r_f, (uint32_t)w->st_dv_v,
		             (int64_t)w->st_v_v, (uint32_t)w->st_x };
}

static void
put_offer(struct offer *o, const struct tag *t)
{
	o->flags = t->index;
	o->epoch = t->inc;
	o->v_v = (double)t->step;
	o->i_max_a = t->edge;
	o->v_ref_v = t->hash;
}

static struct tag
get_offer(const struct offer *o)
{
	return (struct tag){ o->flags, o->epoch, (uint32_t)o->i_max_a, (int64_t)o->v_v,
		             (uint32_t)o->v_ref_v };
}

static void
put_answer(struct answer *a, const struct tag *t)
{
	*a = (struct answer){ .phase = t->index,
		              .flags = t->inc,
		              .energy_j = (double)t->step,
		              .v_in_v = t->edge,
		              .v_v = t->hash };
}

static struct tag
get_answer(const struct answer *a)
{
	return (struct tag){ a->phase, a->flags, (uint32_t)a->v_in_v, (int64_t)a->energy_j,
		             (uint32_t)a->v_v };
}

static struct tag
own_tag(const struct empty_core *e, size_t chan, int64_t step)
{
	return (struct tag){ e->s->index, e->s->incarnation, e->s->chans[chan].edge, step,
		             (uint32_t)e->hash };
}

static void
mix(struct empty_core *e, uint64_t x)
{
	/* FNV-1a, a word at a time. */
	e->hash = (e->hash ^ x) * 0x100000001b3u;
}

/* ---- creation ---------------------------------------------------------------------------------
 */

static void
field(struct empty_core *e, const char *chan, const char *name, char type)
{
	struct rec_field *f = &e->fields[e->n_fields++];
	snprintf(f->name, sizeof f->name, "%s%s%s", chan, *chan ? "." : "", name);
	strcpy(f->unit, "1");
	f->type = type;
}

static void
empty_destroy(void **core)
{
	struct empty_core *e = *core;
	if (e) {
		free(e->fields);
		free(e->chans);
	}
	free(e);
	*core = NULL;
}

static int
empty_create(const struct slice *s, void **core, struct err *err)
{
	struct empty_core *e = calloc(1, sizeof *e);
	void *p = e;
	if (!e)
		return err_set(err, ERR_NOMEM, "out of memory");
	e->s = s;
	e->k = s->start_k >= 0 ? s->start_k : -1;
	e->hash = 0xcbf29ce484222325u;
	e->v = s->restarted ? s->init_v_v : 0;
	e->v_2 = s->restarted ? s->init_v_sc_v : 0;
	e->fields = calloc(FIXED_FIELDS + CHAN_FIELDS * s->n_chans, sizeof *e->fields);
	e->chans = calloc(s->n_chans + 1, sizeof *e->chans);
	if (!e->fields || !e->chans) {
		empty_destroy(&p);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	field(e, "", s->kind == PROC_NODE ? "v" : "v_in", 'f');
	field(e, "", s->kind == PROC_NODE ? "v_sc" : "v_rail", 'f');
	field(e, "", "hash", 'i');
	for (size_t c = 0; c < s->n_chans; c++) {
		e->chans[c] = (struct empty_chan){
			.c = &s->chans[c], .j = 0, .rx = -1, .join_k = -1, .gone_k = -1
		};
		e->chans[c].inc = e->chans[c].last_inc = s->start_k == 0 ? 1 : 0;
		field(e, s->chans[c].id, "inc", 'i');
		field(e, s->chans[c].id, "join", 'i');
		field(e, s->chans[c].id, "gone", 'i');
	}
	*core = e;
	return 0;
}

static const struct rec_field *
empty_fields(const void *core, size_t *n)
{
	const struct empty_core *e = core;
	*n = e->n_fields;
	return e->fields;
}

static void
empty_frame(const void *core, union rec_word *w)
{
	const struct empty_core *e = core;
	(w++)->f = e->v;
	(w++)->f = e->v_2;
	(w++)->i = (int64_t)e->hash;
	for (size_t c = 0; c < e->s->n_chans; c++) {
		(w++)->i = e->chans[c].inc;
		(w++)->i = e->chans[c].join_k;
		(w++)->i = e->chans[c].gone_k;
	}
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static int64_t
period_of(const struct empty_core *e, size_t c)
{
	return e->s->chans[c].kind == CHAN_LINK ? 1 : e->s->port_period;
}

static int64_t
lag_of(const struct empty_core *e, size_t c)
{
	if (e->s->chans[c].kind == CHAN_LINK)
		return 1;
	return e->s->kind == PROC_NODE ? e->s->port_period : 0;
}

static bool
due(const struct empty_core *e, size_t c)
{
	const struct empty_chan *ch = &e->chans[c];
	return ch->inc && e->k >= ch->j + lag_of(e, c) && e->k % period_of(e, c) == 0;
}

static void
gone(struct empty_core *e, size_t c, uint32_t inc, int64_t rx, struct core_events *ev)
{
	struct empty_chan *ch = &e->chans[c];
	bool link = ch->c->kind == CHAN_LINK;

	if (!due(e, c))
		violation(e, ch, "GONE of %u, live %u since %lld, is not due", inc, ch->inc,
		          (long long)ch->j);
	if (rx != ch->rx)
		violation(e, ch, "GONE with rx %lld, received %lld", (long long)rx,
		          (long long)ch->rx);
	core_event_add(ev, e->k, link ? EV_LINK_OPEN : EV_PORT_OPEN, (int32_t)c, ch->inc,
	               (double)rx, 0, 0);
	mix(e, 0x601e + ch->inc);
	ch->inc = 0;
	ch->gone_k = e->k;
}

static void
join(struct empty_core *e, size_t c, const struct core_in *in, struct core_events *ev)
{
	struct empty_chan *ch = &e->chans[c];
	bool link = ch->c->kind == CHAN_LINK;

	if (ch->inc) /* predecessor and newcomer in one step */
		gone(e, c, ch->inc, in->rx, ev);
	if (in->peer_inc <= ch->last_inc)
		violation(e, ch, "JOIN of %u after %u", in->peer_inc, ch->last_inc);
	if (e->k % e->s->port_period)
		violation(e, ch, "JOIN between port steps");
	core_event_add(ev, e->k, link ? EV_LINK_CLOSE : EV_PORT_CLOSE, (int32_t)c, in->peer_inc, 0,
	               0, 0);
	mix(e, 0x101e + in->peer_inc);
	ch->inc = ch->last_inc = in->peer_inc;
	ch->j = ch->join_k = e->k;
	ch->rx = -1;
}

static void
message(struct empty_core *e, size_t c, const struct core_msg *m)
{
	struct empty_chan *ch = &e->chans[c];
	struct tag t = ch->c->kind == CHAN_LINK  ? get_wave(&m->wave)
	               : e->s->kind == PROC_NODE ? get_answer(&m->answer)
	                                         : get_offer(&m->offer);
	int64_t want = e->k - lag_of(e, c);

	if (!due(e, c))
		violation(e, ch, "a message of step %lld is not due", (long long)t.step);
	if (t.index != ch->c->peer || t.inc != ch->inc || t.edge != ch->c->edge || t.step != want)
		violation(e, ch, "got (process %u.%u edge %u step %lld), want (%u.%u %u %lld)",
		          t.index, t.inc, t.edge, (long long)t.step, ch->c->peer, ch->inc,
		          ch->c->edge, (long long)want);
	ch->rx = t.step;
	mix(e, t.hash);
	mix(e, (uint64_t)t.step);
}

static void
input(struct empty_core *e, size_t c, const struct core_in *in, struct core_events *ev)
{
	struct empty_chan *ch = &e->chans[c];
	bool module_port = e->s->kind == PROC_MODULE;

	if (in->kind != CORE_IN_IDLE && e->k % period_of(e, c))
		violation(e, ch, "input %d between port steps", in->kind);
	switch (in->kind) {
	case CORE_IN_IDLE:
		if (due(e, c))
			violation(e, ch, "nothing came, life %u since %lld", ch->inc,
			          (long long)ch->j);
		break;
	case CORE_IN_JOIN:
		if (module_port)
			violation(e, ch, "JOIN without the first offer");
		join(e, c, in, ev);
		break;
	case CORE_IN_MSG:
		if (in->peer_inc && !module_port)
			violation(e, ch, "message with JOIN");
		if (in->peer_inc)
			join(e, c, in, ev);
		message(e, c, in->msg);
		break;
	case CORE_IN_GONE:
		if (in->peer_inc != ch->inc)
			violation(e, ch, "GONE of %u, live is %u", in->peer_inc, ch->inc);
		gone(e, c, in->peer_inc, in->rx, ev);
		break;
	}
}

static void
empty_offer(const void *core, int64_t k, size_t chan, struct core_msg *out)
{
	const struct empty_core *e = core;
	struct tag t = own_tag(e, chan, k);
	if (e->k >= 0 && k != e->k)
		violation(e, &e->chans[chan], "offer of step %lld", (long long)k);
	if (k % e->s->port_period)
		violation(e, &e->chans[chan], "offer between port steps");
	put_offer(&out->offer, &t);
}

static void
empty_step(void *core, int64_t k, const struct core_in *in, struct core_msg *const *out,
           const struct core_cmd *cmds, size_t n_cmds, struct core_events *ev)
{
	struct empty_core *e = core;
	const struct slice *s = e->s;
	int64_t n = s->port_period;

	if (e->k >= 0 && k != e->k)
		violation(e, NULL, "step %lld", (long long)k);
	e->k = k;
	for (size_t i = 0; i < n_cmds; i++) {
		if (cmds[i].k != k)
			violation(e, NULL, "command of step %lld", (long long)cmds[i].k);
		core_event_add(ev, k, EV_FAULT, cmds[i].chan, cmds[i].kind, cmds[i].a, cmds[i].b,
		               0);
		mix(e, cmds[i].kind);
	}
	for (size_t c = 0; c < s->n_chans; c++)
		input(e, c, &in[c], ev);
	for (size_t c = 0; c < s->n_chans; c++) {
		struct tag t = own_tag(e, c, k);
		if (s->chans[c].kind == CHAN_LINK) {
			put_wave(&out[c]->wave, &t);
		} else if (s->kind == PROC_MODULE && (k + 1) % n == 0) {
			t.step = k + 1 - n;
			put_answer(&out[c]->answer, &t);
		}
	}
	e->v += 1;
	e->v_2 -= 1;
	e->k++;
}

const struct core_ops empty_node_ops = { "node",      empty_create, empty_destroy, empty_fields,
	                                 empty_frame, empty_offer,  empty_step };
const struct core_ops empty_module_ops = { "module",    empty_create, empty_destroy, empty_fields,
	                                   empty_frame, NULL,         empty_step };
