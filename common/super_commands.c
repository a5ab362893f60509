/* Two-phase commands: HOLD to all, then AGREE{S}. docs/link-life.md, "Commands". */
#include "super_priv.h"

#include <string.h>

static bool
touches_channel(const struct sup_msg *m)
{
	return m->act == ACT_START || m->act == ACT_FAULT;
}

static void
hold(struct super *s)
{
	s->cur = s->queue[0];
	memmove(&s->queue[0], &s->queue[1], --s->n_queue * sizeof s->queue[0]);
	s->cur.msg.cmd = ++s->next_cmd;
	s->phase = HOLDING;
	for (uint32_t i = 0; i < s->n; i++) {
		struct member *m = &s->m[i];
		m->held_k = -1;
		m->held_due = super_takes_part(m);
		m->acted_due = false;
		if (m->held_due)
			s->io.send(s->io.arg, i,
			           &(struct sup_msg){ .type = SM_HOLD, .cmd = s->cur.msg.cmd });
	}
}

/* It has begun its clock at a scripted start, made the step that needs nobody, and waits there for
 * the others, who are below. Of no account when the mesh stops: it was never there (proc_words.c).
 */
static bool
waits_ahead(const struct super *s, const struct member *m)
{
	return s->cur.msg.act == ACT_STOP && m->inc > 1 && m->held_k <= m->start_k + 1;
}

static int64_t
agreed_step(struct super *s)
{
	int64_t high = s->last_s, period = s->topo->port_period;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct member *m = &s->m[i];
		if (m->last_frame > high) /* of the dead too: no life begins in what is past */
			high = m->last_frame;
		if (m->status == SUPER_RUNNING && m->held_k > high && !waits_ahead(s, m))
			high = m->held_k;
	}
	for (uint32_t i = 0; i < s->n; i++) { /* whom the others have reached does count */
		const struct member *m = &s->m[i];
		if (m->status == SUPER_RUNNING && m->held_k > high && m->start_k <= high + 1)
			high = m->held_k;
	}
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		/* Every neighbour has opened its end to the predecessor by then. One step more: a
		 * process can be killed between its last message and the frame that goes with it.
		 */
		const struct member *m = &s->m[s->cur.msg.starters[i]];
		int64_t f = (m->last_frame > m->floor_k ? m->last_frame : m->floor_k) + period + 1;
		if (f > high)
			high = f;
	}
	int64_t step = high + 1;
	if (touches_channel(&s->cur.msg))
		step = (step + period - 1) / period * period;
	return step;
}

static void
gather_starters(struct super *s)
{
	struct sup_msg *m = &s->cur.msg;
	m->n_starters = 0;
	for (uint32_t i = 0; i < s->n && m->n_starters < SUP_STARTERS_MAX; i++)
		if (s->m[i].status == SUPER_READY && !super_lives_of(s, i, s->m[i].inc))
			m->starters[m->n_starters++] = i;
}

static void
agree(struct super *s)
{
	if (s->cur.msg.act == ACT_START)
		gather_starters(s);
	s->phase = AGREED;
	s->cur_s = s->last_s = agreed_step(s);
	s->cur.msg.type = SM_AGREE;
	s->cur.msg.k = s->cur_s;
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		struct member *m = &s->m[s->cur.msg.starters[i]];
		m->status = SUPER_RUNNING;
		m->start_k = s->cur_s;
		/* Should it die before its first frame, its successor starts above S all the same.
		 */
		m->floor_k = s->cur_s;
	}
	if (s->cur.msg.act == ACT_STOP) {
		s->stopping = true;
		if (s->cur_s < s->end_k)
			s->end_k = s->cur_s;
	}
	if (s->cur.msg.act == ACT_PAUSE)
		s->paused = true;
	if (s->cur.msg.act == ACT_NONE || s->cur.msg.act == ACT_STOP || s->cur_s >= s->end_k)
		s->paused = false;
	for (uint32_t i = 0; i < s->n; i++) {
		s->m[i].acted_due = super_takes_part(&s->m[i]);
		if (super_alive(&s->m[i]))
			s->io.send(s->io.arg, i, &s->cur.msg);
	}
}

/* A scripted life that begins at S or before and has not been spawned yet: it is to act, too. */
static bool
life_ahead(const struct super *s, uint32_t proc)
{
	const struct member *m = &s->m[proc];
	const struct life *next = super_lives_of(s, proc, m->inc + 1);
	return next && m->status >= SUPER_PARKED && next->start_k < s->end_k &&
	       next->start_k <= s->cur_s;
}

static bool
any_due(const struct super *s, bool acted)
{
	for (uint32_t i = 0; acted && i < s->n; i++)
		if (life_ahead(s, i))
			return true;
	for (uint32_t i = 0; i < s->n; i++)
		if (super_takes_part(&s->m[i]) && (acted ? s->m[i].acted_due : s->m[i].held_due))
			return true;
	return false;
}

static void
finish_command(struct super *s)
{
	s->phase = IDLE;
	if (!s->io.acted)
		return;
	if (s->cur.token)
		s->io.acted(s->io.arg, s->cur.token, s->cur_s);
	for (uint32_t i = 0; i < s->cur.msg.n_starters; i++) {
		struct member *m = &s->m[s->cur.msg.starters[i]];
		uint64_t token = m->start_token;
		m->start_token = 0;
		if (token)
			s->io.acted(s->io.arg, token, s->cur_s);
	}
}

static bool
queue_start(struct super *s)
{
	for (size_t i = 0; i < s->n_queue; i++)
		if (s->queue[i].msg.act == ACT_START)
			return true;
	if (s->n_queue == COMMANDS_MAX)
		return false;
	s->queue[s->n_queue++] = (struct queued){ .msg = { .act = ACT_START, .edge = -1 } };
	return true;
}

static bool
newcomer_waits(const struct super *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->m[i].status == SUPER_READY && !super_lives_of(s, i, s->m[i].inc))
			return true;
	return false;
}

void
super_commands_progress(struct super *s)
{
	if (s->phase == HOLDING && !any_due(s, false))
		agree(s);
	if (s->phase == AGREED && !any_due(s, true))
		finish_command(s);
	if (s->phase == IDLE && newcomer_waits(s))
		queue_start(s);
	if (s->phase == IDLE && s->n_queue) {
		hold(s);
		s->again = true;
	}
}
