/* Requests of clients: docs/commands.md. Commands of the mesh are answered when they act. */
#include "supervisor_priv.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "by_hand.h"

enum { CODE_USAGE = 64 };
#define LOAD_RAMP_S 1e-3 /* where the request names none; recorded, so that a drill can say it */

/* ---- under way --------------------------------------------------------------------------------
 */

static struct pending *
pend(struct supervisor *s, const struct request *r, int proc)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (p->used)
			continue;
		*p = (struct pending){
			.used = true, .token = ++s->next_token, .req = *r, .proc = proc
		};
		return p;
	}
	return NULL;
}

struct step_data {
	int64_t step;
	uint32_t inc;
};

static void
pack_key(msgpack_packer *pk, const char *key)
{
	msgpack_pack_str(pk, strlen(key));
	msgpack_pack_str_body(pk, key, strlen(key));
}

static void
pack_step(void *arg, msgpack_packer *pk)
{
	const struct step_data *d = arg;
	msgpack_pack_map(pk, d->inc ? 2 : 1);
	pack_key(pk, "step");
	msgpack_pack_int64(pk, d->step);
	if (d->inc) {
		pack_key(pk, "incarnation");
		msgpack_pack_uint32(pk, d->inc);
	}
}

/* What was done by hand to links and plugs: a newcomer is told. */
static void
remember(struct supervisor *s, const struct sup_msg *m, int64_t step)
{
	if (m->act != ACT_FAULT)
		return;
	struct sup_msg *p = realloc(s->done, (s->n_done + 1) * sizeof *p);
	if (!p) {
		supervisor_blame(s, "out of memory: later newcomers do not know of step %" PRId64,
		                 step);
		return;
	}
	s->done = p;
	p[s->n_done] = *m;
	p[s->n_done++].k = step;
	if (m->fault == CMD_PLUG || m->fault == CMD_UNPLUG)
		s->children[m->proc].plug = m->fault;
}

void
supervisor_request_acted(void *arg, uint64_t token, int64_t step)
{
	struct supervisor *s = arg;
	char text[96];
	s->disturbed = true; /* the clock stood still for it */
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (!p->used || p->token != token)
			continue;
		p->used = false;
		remember(s, &p->msg, step);
		struct step_data d = { .step = step };
		if (strcmp(p->req.verb, "start") == 0 && p->proc >= 0) {
			d.inc = super_incarnation(s->super, (uint32_t)p->proc);
			supervisor_say(s, "%s: incarnation %" PRIu32 " starts, step %" PRId64,
			               p->req.target, d.inc, step);
		}
		if (strcmp(p->req.verb, "speed") == 0) {
			s->speed = s->asked = p->req.factor;
			s->pace = 0;
		}
		snprintf(text, sizeof text, "%s %s: step %" PRId64, p->req.verb, p->req.target,
		         step);
		request_answer(s->box, &p->req, true, 0, text, pack_step, &d);
	}
}

/* A process died: who waited for that, or for its start, hears it. */
void
supervisor_request_death(struct supervisor *s, uint32_t proc, int64_t last_frame)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (!p->used || p->proc != (int)proc)
			continue;
		p->used = false;
		bool kill = strcmp(p->req.verb, "kill") == 0;
		struct step_data d = { .step = last_frame };
		request_answer(s->box, &p->req, kill, kill ? 0 : EXIT_INFRASTRUCTURE,
		               s->children[proc].exit, pack_step, &d);
	}
}

/* ---- status -----------------------------------------------------------------------------------
 */

static void
pack_text(msgpack_packer *pk, const char *key, const char *text)
{
	pack_key(pk, key);
	pack_key(pk, text);
}

static void
pack_integer(msgpack_packer *pk, const char *key, int64_t v)
{
	pack_key(pk, key);
	msgpack_pack_int64(pk, v);
}

static const char *
state_text(const struct supervisor *s)
{
	return !super_started(s->super)  ? "starting"
	       : s->stopping             ? "stopping"
	       : super_holding(s->super) ? "held"
	       : super_paused(s->super)  ? "paused"
	                                 : "running";
}

static void
pack_process(const struct supervisor *s, msgpack_packer *pk, uint32_t i)
{
	const struct child *c = &s->children[i];
	enum super_status st = super_status(s->super, i);
	msgpack_pack_map(pk, 7);
	pack_text(pk, "id", supervisor_id(s, i));
	pack_text(pk, "kind", i < s->par->topo->n_nodes ? "node" : "module");
	pack_integer(pk, "pid", c->up ? c->at.pid : 0);
	pack_integer(pk, "incarnation", c->inc);
	pack_text(pk, "state", c->up && c->stopped ? "stopped" : super_status_name(st));
	pack_integer(pk, "k", c->k);
	pack_text(pk, "exit", c->up ? "" : c->exit);
}

static void
pack_status(void *arg, msgpack_packer *pk)
{
	const struct supervisor *s = arg;
	const struct topo *t = s->par->topo;
	uint64_t late = 0;
	int64_t k = supervisor_mesh_k(s, false);

	for (uint32_t i = 0; i < s->n; i++)
		if (s->children[i].up && s->children[i].late > late)
			late = s->children[i].late;
	msgpack_pack_map(pk, 15);
	pack_text(pk, "mesh", t->name);
	pack_key(pk, "seed");
	msgpack_pack_uint64(pk, s->par->seed);
	pack_text(pk, "topology", t->path ? t->path : "");
	pack_text(pk, "run_dir", s->par->run_dir);
	pack_integer(pk, "pid", getpid());
	pack_integer(pk, "k", k);
	pack_integer(pk, "t_ns", k < 0 ? 0 : k * t->step_ns);
	pack_integer(pk, "step_ns", t->step_ns);
	pack_integer(pk, "end_k", s->par->end_k);
	pack_key(pk, "speed");
	msgpack_pack_double(pk, s->speed);
	pack_key(pk, "asked");
	msgpack_pack_double(pk, s->asked);
	pack_key(pk, "pace");
	msgpack_pack_double(pk, super_paused(s->super) ? 0 : s->pace);
	pack_text(pk, "state", state_text(s));
	pack_integer(pk, "overruns", (int64_t)late);
	pack_key(pk, "processes");
	msgpack_pack_array(pk, s->n);
	for (uint32_t i = 0; i < s->n; i++)
		pack_process(s, pk, i);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static void refuse(struct supervisor *s, const struct request *r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
refuse(struct supervisor *s, const struct request *r, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	request_answer(s->box, r, false, CODE_USAGE, text, NULL, NULL);
}

/* Commands that all processes agree on. */
static void
command(struct supervisor *s, const struct request *r, struct sup_msg m)
{
	struct err err = ERR_INIT;
	struct pending *p = pend(s, r, -1);
	if (!p) {
		refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		return;
	}
	p->msg = m;
	if (super_command(s->super, &m, p->token, &err) < 0) {
		p->used = false;
		refuse(s, r, "%s", err.text);
	}
}

static bool
outside(double x, double hi)
{
	return !isnan(x) && !(x >= 0 && x <= hi);
}

/* Words of a fault on the channel; false: refused. */
static bool
channel_words(struct supervisor *s, const struct request *r, struct sup_msg *m)
{
	/* What the receiver has room for when the script asks for nothing (channel_room()). */
	const double most_s = 0.05;
	if (m->fault != CMD_DEGRADE) {
		m->a = r->only;
		if (isnan(r->only) || r->only == CUT_POWER || r->only == CUT_CHANNEL)
			return true;
		refuse(s, r, "%s: only is neither 1 (power) nor 2 (channel)", r->verb);
		return false;
	}
	m->a = r->loss;
	m->b = r->delay_s;
	m->c = r->jitter_s;
	if (outside(r->loss, 1))
		refuse(s, r, "degrade: loss is not in [0, 1]");
	else if (outside(r->delay_s, most_s) || outside(r->jitter_s, most_s))
		refuse(s, r, "degrade: delay_s or jitter_s is not in [0, %g] s", most_s);
	else
		return true;
	return false;
}

static void
request_fault(struct supervisor *s, const struct request *r)
{
	static const struct {
		const char *verb;
		bool link;
		uint32_t kind;
	} table[] = { { "cut", true, CMD_CUT },
		      { "heal", true, CMD_HEAL },
		      { "close", true, CMD_CLOSE },
		      { "degrade", true, CMD_DEGRADE },
		      { "load", false, CMD_LOAD },
		      { "short", false, CMD_SHORT } };
	const struct topo *t = s->par->topo;
	struct sup_msg m = { .act = ACT_FAULT, .edge = -1, .a = NAN, .b = NAN, .c = NAN,
		             .d = NAN, .e = NAN, .f = NAN };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(r->verb, table[i].verb) != 0)
			continue;
		int target =
			table[i].link ? topo_find_link(t, r->target) : topo_find_node(t, r->target);
		if (target < 0) {
			refuse(s, r, "no %s '%s' in %s", table[i].link ? "link" : "node", r->target,
			       t->name);
			return;
		}
		m.fault = table[i].kind;
		if (table[i].link)
			m.edge = target;
		else
			m.proc = (uint32_t)target;
	}
	m.a = m.fault == CMD_CLOSE ? r->precharge_ohm : m.fault == CMD_LOAD ? r->level_w : r->r_ohm;
	m.b = m.fault == CMD_CLOSE ? r->bypass_s : m.fault == CMD_LOAD ? r->ramp_s : r->for_s;
	if (m.fault == CMD_LOAD && isnan(m.b))
		m.b = LOAD_RAMP_S;
	bool channel = m.fault == CMD_CUT || m.fault == CMD_HEAL || m.fault == CMD_DEGRADE;
	if (channel && !channel_words(s, r, &m))
		return;
	if (m.fault == CMD_LOAD && !(r->level_w >= 0 && r->level_w <= 1e6))
		refuse(s, r, "load: level_w is not in [0, 1e6] W");
	else if (m.fault == CMD_SHORT && !(r->r_ohm >= 1e-6 && r->r_ohm <= 1e6))
		refuse(s, r, "short: r_ohm is not in [1e-6, 1e6] Ohm");
	else
		command(s, r, m);
}

/* Any action of the registry that is a command. */
static void
request_do(struct supervisor *s, const struct request *r)
{
	const struct by_hand h = {
		.action = r->action,
		.target = r->target,
		.with = r->with,
		.for_s = r->for_s,
		.end = r->end > 0,
	};
	char why[BY_HAND_WHY_MAX];
	struct sup_msg m;
	if (!by_hand_command(s->par->topo, &h, &m, why)) {
		refuse(s, r, "%s", why);
		return;
	}
	if (m.edge < 0 && !s->children[m.proc].up) {
		refuse(s, r, "%s is dead: %s", r->target, s->children[m.proc].exit);
		return;
	}
	command(s, r, m);
}

static void
request_process(struct supervisor *s, const struct request *r)
{
	int proc = super_find(s->par->topo, r->target);
	struct err err = ERR_INIT;

	if (strcmp(r->verb, "kill") == 0 && strcmp(r->target, "relay") == 0 && s->par->relay) {
		if (s->relay.up)
			pidfd_send_signal(s->relay.at.pidfd, SIGKILL, NULL, 0);
		request_answer(s->box, r, true, 0, "relay: SIGKILL", NULL, NULL);
		return;
	}
	if (proc < 0) {
		refuse(s, r, "no node or module '%s' in %s", r->target, s->par->topo->name);
		return;
	}
	struct child *c = &s->children[proc];
	if (strcmp(r->verb, "start") == 0) {
		struct pending *p = pend(s, r, proc);
		if (!p)
			refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		else if (super_start(s->super, (uint32_t)proc, p->token, &err) < 0) {
			p->used = false;
			refuse(s, r, "%s", err.text);
		}
		return;
	}
	if (!c->up) {
		refuse(s, r, "%s is dead: %s", r->target, c->exit);
		return;
	}
	if (strcmp(r->verb, "kill") == 0) {
		if (pend(s, r, proc))
			supervisor_child_kill(s, (uint32_t)proc, SIGKILL, "by hand");
		else
			refuse(s, r, "too many requests are under way (%d)", PENDING_MAX);
		return;
	}
	c->stopped = strcmp(r->verb, "stop") == 0;
	supervisor_child_kill(s, (uint32_t)proc, c->stopped ? SIGSTOP : SIGCONT, "");
	supervisor_say(s, "%s: %s by hand, step %" PRId64, r->target,
	               c->stopped ? "SIGSTOP" : "SIGCONT", c->k);
	request_answer(s->box, r, true, 0, c->stopped ? "stopped" : "continued", NULL, NULL);
}

static void
request_status(struct supervisor *s, const struct request *r)
{
	request_answer(s->box, r, true, 0, state_text(s), pack_status, s);
}

static void
request_down(struct supervisor *s, const struct request *r)
{
	supervisor_clock_stop(s);
	request_answer(s->box, r, true, 0, "stopping", NULL, NULL);
}

static void
request_time(struct supervisor *s, const struct request *r)
{
	struct sup_msg m = { .act = ACT_NONE, .edge = -1 };
	bool paused = super_paused(s->super);

	if (strcmp(r->verb, "speed") == 0) {
		m.act = ACT_SPEED;
		m.x = r->factor;
		if (!(r->factor >= 0 && r->factor <= 1000)) {
			refuse(s, r, "speed: the factor is not in [0, 1000]");
			return;
		}
	} else if (strcmp(r->verb, "resume") != 0) {
		m.act = ACT_PAUSE;
		bool step = strcmp(r->verb, "step") == 0;
		if (step != paused) {
			refuse(s, r, step ? "step: pause first" : "the mesh is paused already");
			return;
		}
	} else if (!paused) {
		refuse(s, r, "the mesh is not paused");
		return;
	}
	command(s, r, m);
}

void
supervisor_request_serve(struct supervisor *s)
{
	static const struct {
		const char *verb;
		void (*fn)(struct supervisor *, const struct request *);
	} table[] = {
		{ "status", request_status }, { "kill", request_process },
		{ "start", request_process }, { "stop", request_process },
		{ "cont", request_process },  { "cut", request_fault },
		{ "heal", request_fault },    { "close", request_fault },
		{ "degrade", request_fault }, { "do", request_do },
		{ "load", request_fault },    { "short", request_fault },
		{ "pause", request_time },    { "resume", request_time },
		{ "step", request_time },     { "speed", request_time },
		{ "down", request_down },
	};
	struct request r;
	while (request_next(s->box, &r)) {
		bool known = false;
		for (size_t i = 0; !known && i < sizeof table / sizeof *table; i++) {
			known = strcmp(r.verb, table[i].verb) == 0;
			if (known)
				table[i].fn(s, &r);
		}
		if (!known)
			refuse(s, &r, "unknown request '%s'", r.verb);
	}
}
