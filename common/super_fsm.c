/* Rules: docs/link-life.md. Every input ends in progress(), which does all that has become
 * possible. */
#include "super_fsm.h"

#include <assert.h>
#include <stdlib.h>

#include "super_priv.h"

/* ---- names --------------------------------------------------------------------------------- */

const char *
super_proc_id(const struct topo *t, uint32_t proc)
{
	return proc < t->n_nodes ? t->nodes[proc].id : t->modules[proc - t->n_nodes].id;
}

int
super_find(const struct topo *t, const char *id)
{
	int i = topo_find_node(t, id);
	if (i >= 0)
		return i;
	i = topo_find_module(t, id);
	return i < 0 ? -1 : i + (int)t->n_nodes;
}

const char *
super_status_name(enum super_status s)
{
	static const char *const names[] = { "none", "spawned", "ready",   "running",
		                             "done", "parked",  "stopped", "dead" };
	return names[s];
}

/* ---- progress ------------------------------------------------------------------------------ */

static void
check_start(struct super *s)
{
	if (s->started)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->m[i].status != SUPER_READY)
			return;
	s->started = true;
	for (uint32_t i = 0; i < s->n; i++) {
		s->m[i].status = SUPER_RUNNING;
		s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_START });
	}
	if (s->io.started)
		s->io.started(s->io.arg);
}

static void
check_end(struct super *s)
{
	bool finite = s->stopping || s->end_k != INT64_MAX;
	if (s->bye || !s->started || !finite || s->phase != IDLE || s->n_queue)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (super_takes_part(&s->m[i]) || s->m[i].status == SUPER_PARKED ||
		    super_lives_start_is_due(s, i))
			return;
	s->bye = true;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->m[i].status == SUPER_DONE)
			s->io.send(s->io.arg, i, &(struct sup_msg){ .type = SM_BYE });
		else if (s->m[i].status == SUPER_STOPPED)
			s->io.signal(s->io.arg, i, SUPER_SIGKILL);
	}
}

static void
progress_once(struct super *s)
{
	check_start(s);
	if (!s->started)
		return;
	super_commands_progress(s);
	super_lives_scripted_starts(s);
	check_end(s);
}

static void
progress(struct super *s)
{
	s->again = true;
	if (s->busy)
		return;
	s->busy = true;
	while (s->again) {
		s->again = false;
		progress_once(s);
	}
	s->busy = false;
}

/* ---- inputs -------------------------------------------------------------------------------- */

int
super_create(const struct topo *topo, const struct script *script, int64_t end_k, uint64_t seed,
             const struct super_io *io, struct super **ret, struct err *err)
{
	struct super *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "supervisor: out of memory");
	s->topo = topo;
	s->script = script;
	s->end_k = end_k;
	s->last_s = -1;
	s->seed = seed;
	s->io = *io;
	s->n = (uint32_t)(topo->n_nodes + topo->n_modules);
	s->m = calloc(s->n, sizeof *s->m);
	int rc = s->m ? super_lives_plan(s, err)
	              : err_set(err, ERR_NOMEM, "supervisor: out of memory");
	if (rc < 0) {
		super_destroy(&s);
		return rc;
	}
	for (uint32_t i = 0; i < s->n; i++)
		s->m[i].last_frame = s->m[i].floor_k = -1;
	*ret = s;
	return 0;
}

void
super_destroy(struct super **sp)
{
	struct super *s = *sp;
	if (!s)
		return;
	for (uint32_t i = 0; s->m && i < s->n; i++)
		free(s->m[i].lives);
	free(s->m);
	free(s);
	*sp = NULL;
}

int
super_begin(struct super *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n; i++) {
		int rc = super_lives_spawn(s, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
super_report(struct super *s, uint32_t proc, uint32_t inc, const struct sup_msg *msg)
{
	struct member *m = &s->m[proc];
	if (m->inc != inc || !super_alive(m))
		return;
	switch (msg->type) {
	case SM_READY:
		m->status = SUPER_READY;
		if (s->started && super_lives_of(s, proc, inc))
			m->status = SUPER_RUNNING;
		break;
	case SM_HELD:
		if (s->phase == HOLDING && msg->cmd == s->cur.msg.cmd) {
			m->held_due = false;
			m->held_k = msg->k;
		}
		break;
	case SM_ACTED:
		if (msg->cmd == s->cur.msg.cmd)
			m->acted_due = false;
		break;
	case SM_PARKED: {
		const struct life *l = super_lives_of(s, proc, inc);
		bool stop = l && l->stop;
		m->status = stop ? SUPER_STOPPED : SUPER_PARKED;
		m->last_frame = msg->k;
		s->io.signal(s->io.arg, proc, stop ? SUPER_SIGSTOP : SUPER_SIGKILL);
		if (stop) /* for its peers it is dead */
			super_lives_tell_death(s, proc);
		break;
	}
	case SM_DONE:
		m->status = SUPER_DONE;
		m->last_frame = msg->k;
		break;
	default:
		return;
	}
	progress(s);
}

void
super_death(struct super *s, uint32_t proc, int64_t last_frame)
{
	struct member *m = &s->m[proc];
	assert(m->status != SUPER_NONE && m->status != SUPER_DEAD);
	m->status = SUPER_DEAD;
	if (last_frame > m->last_frame)
		m->last_frame = last_frame;
	super_lives_tell_death(s, proc);
	progress(s);
}

int
super_command(struct super *s, const struct sup_msg *cmd, uint64_t token, struct err *err)
{
	if (!s->started)
		return err_set(err, ERR_STATE, "the mesh has not started yet");
	if (s->stopping || s->bye)
		return err_set(err, ERR_STATE, "the mesh is stopping");
	if (s->n_queue == COMMANDS_MAX)
		return err_set(err, ERR_LIMIT, "%d commands are waiting already", COMMANDS_MAX);
	s->queue[s->n_queue++] = (struct queued){ .msg = *cmd, .token = token };
	progress(s);
	return 0;
}

int
super_start(struct super *s, uint32_t proc, uint64_t token, struct err *err)
{
	struct member *m = &s->m[proc];
	const char *id = super_proc_id(s->topo, proc);
	if (!s->started || s->stopping || s->bye)
		return err_set(err, ERR_STATE, "%s: the mesh is not running", id);
	if (m->status != SUPER_DEAD)
		return err_set(err, ERR_STATE, "%s is %s: only a dead process can be started", id,
		               super_status_name(m->status));
	for (uint32_t i = 0; i < s->n; i++)
		if (super_lives_start_is_due(s, i))
			return err_set(err, ERR_STATE,
			               "%s: first the drill starts %s, at step %lld", id,
			               super_proc_id(s->topo, i),
			               (long long)super_lives_of(s, i, s->m[i].inc + 1)->start_k);
	int rc = super_lives_spawn(s, proc, err);
	if (rc == 0)
		m->start_token = token;
	progress(s);
	return rc;
}

/* ---- what the host wants to know ----------------------------------------------------------- */

enum super_status
super_status(const struct super *s, uint32_t proc)
{
	return s->m[proc].status;
}

uint32_t
super_incarnation(const struct super *s, uint32_t proc)
{
	return s->m[proc].inc;
}

int64_t
super_last_frame(const struct super *s, uint32_t proc)
{
	return s->m[proc].last_frame;
}

bool
super_started(const struct super *s)
{
	return s->started;
}

bool
super_paused(const struct super *s)
{
	return s->paused && s->phase == IDLE;
}

bool
super_holding(const struct super *s)
{
	return s->phase != IDLE;
}

bool
super_death_is_scripted(const struct super *s, uint32_t proc)
{
	return s->m[proc].status == SUPER_PARKED || s->m[proc].status == SUPER_STOPPED;
}

bool
super_ended(const struct super *s)
{
	return s->bye;
}

int
super_blocker(const struct super *s, const char **what)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct member *m = &s->m[i];
		*what = !s->started && m->status == SUPER_SPAWNED ? "is not ready"
		        : s->phase == HOLDING && super_takes_part(m) && m->held_due
		                ? "does not answer HOLD"
		        : s->phase == AGREED && super_takes_part(m) && m->acted_due
		                ? "has not acted"
		                : NULL;
		if (*what)
			return (int)i;
	}
	return -1;
}

uint32_t
super_n_procs(const struct super *s)
{
	return s->n;
}
