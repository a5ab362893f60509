#include "node_comm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "slice.h"

/* HELLO every so often, never more than once a step; silence of so many is the end. */
#define HELLO_NS (500 * INT64_C(1000))
enum { MISSING = 6 };
/* Frames that leave per HELLO period at most: HELLO, and in every other one STATE, CALIB, OFFSET. */
enum { FRAMES_PER_HELLO = 3 };

const struct node_comm_field node_comm_fields[NODE_COMM_FIELDS] = {
	{ "frames_sent", "1" },    { "frames_delivered", "1" }, { "frames_lost", "1" },
	{ "frames_doubled", "1" }, { "frames_corrupt", "1" },   { "frames_late", "1" },
	{ "frames_pending", "1" }, { "frames_flood", "1" },     { "frames_wait", "s" },
	{ "adjacent", "1" },
};

/* ---- life ----------------------------------------------------------------------------------- */

static int64_t
to_ns(double s)
{
	return (int64_t)(s * 1e9 + 0.5);
}

static void
take(double *field, double value)
{
	if (!isnan(value))
		*field = value;
}

static void
take_ns(int64_t *field, double value_s)
{
	if (!isnan(value_s))
		*field = to_ns(value_s);
}

/* The parameters `p` after a command. */
static void
apply(struct channel_params *p, const struct channel_params *own, const struct core_cmd *cmd)
{
	switch (cmd->kind) {
	case CMD_DEGRADE:
		if (isnan(cmd->a) && isnan(cmd->b) && isnan(cmd->c) && isnan(cmd->d) &&
		    isnan(cmd->e) && isnan(cmd->f)) {
			p->loss = own->loss;
			p->delay_ns = own->delay_ns;
			p->jitter_ns = own->jitter_ns;
			p->rate_bit_s = own->rate_bit_s;
			p->burst_enter = own->burst_enter;
			p->burst_leave = own->burst_leave;
		}
		take(&p->loss, cmd->a);
		take_ns(&p->delay_ns, cmd->b);
		take_ns(&p->jitter_ns, cmd->c);
		take(&p->rate_bit_s, cmd->d);
		take(&p->burst_enter, cmd->e);
		take(&p->burst_leave, cmd->f);
		break;
	case CMD_CORRUPT:
		p->corrupt = isnan(cmd->a) ? own->corrupt : cmd->a;
		break;
	case CMD_DUPLICATE:
		p->duplicate = isnan(cmd->a) ? own->duplicate : cmd->a;
		break;
	case CMD_REORDER:
		p->reorder = isnan(cmd->a) ? own->reorder : cmd->a;
		p->reorder_ns = isnan(cmd->b) ? own->reorder_ns : to_ns(cmd->b);
		break;
	case CMD_FLOOD:
		p->flood_bit_s = isnan(cmd->a) ? own->flood_bit_s : cmd->a;
		p->flood_bytes = isnan(cmd->b) ? own->flood_bytes : cmd->b;
		break;
	default:
		break;
	}
}

/* The most that can be under way, of what the topology and the script set. */
static size_t
room(const struct node_comm *c, const struct slice *s)
{
	struct channel_params most = c->own;

	for (size_t i = 0; !s->chans[c->chan].uncounted && i < s->n_cmds; i++) {
		struct channel_params p = c->own;
		if (s->cmds[i].chan != c->chan)
			continue;
		apply(&p, &c->own, &s->cmds[i]);
		if (p.rate_bit_s > 0 && !(most.rate_bit_s < p.rate_bit_s && most.rate_bit_s > 0))
			most.rate_bit_s = p.rate_bit_s;
		if (p.delay_ns > most.delay_ns)
			most.delay_ns = p.delay_ns;
		if (p.jitter_ns > most.jitter_ns)
			most.jitter_ns = p.jitter_ns;
		if (p.reorder_ns > most.reorder_ns)
			most.reorder_ns = p.reorder_ns;
	}
	return channel_room(&most, FRAMES_PER_HELLO * 1e9 / (double)(c->hello_k * c->step_ns));
}

/* Where counters are recorded every frame is counted, also on an ideal channel. */
static void
set_emulates(struct node_comm *c)
{
	c->emulates = c->recorded || c->channel.cut || c->channel.pending > 0 ||
	              c->channel.p.flood_bit_s > 0 || !channel_is_ideal(&c->channel.p);
}

int
node_comm_init(struct node_comm *c, const struct slice *s, size_t chan, int64_t control_k,
               bool first_life)
{
	const struct slice_chan *ch = &s->chans[chan];

	*c = (struct node_comm){ .chan = (int32_t)chan,
		                 .step_ns = s->step_ns,
		                 .own = ch->link.channel,
		                 .recorded = ch->link.has_channel,
		                 .peer_inc = ch->peer_inc ? ch->peer_inc : 1,
		                 .up = first_life };
	c->hello_k = HELLO_NS / s->step_ns;
	if (c->hello_k < 1)
		c->hello_k = 1;
	c->down_k = s->start_k > 0 ? s->start_k : 0;
	c->silence_k = MISSING * c->hello_k;
	c->stale_k = MISSING * control_k;
	for (size_t i = 0; !ch->uncounted && i < s->n_cmds; i++)
		if (s->cmds[i].chan == c->chan && core_cmd_of_channel(&s->cmds[i]))
			c->recorded = true;
	if (channel_init(&c->channel, &c->own, room(c, s), s->seed, ch->id, s->incarnation,
	                 ch->is_a) < 0)
		return -1;
	set_emulates(c);
	return 0;
}

void
node_comm_free(struct node_comm *c)
{
	channel_free(&c->channel);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void
offer(struct node_comm *c, int64_t k, struct frame f)
{
	uint8_t bytes[FRAME_MAX];

	f.from_inc = c->peer_inc;
	f.seq = channel_next_seq(&c->channel);
	channel_offer(&c->channel, k * c->step_ns, bytes, frame_pack(&f, bytes));
}

void
node_comm_input(struct node_comm *c, int64_t k, const struct core_in *in)
{
	if (in->kind == CORE_IN_JOIN) {
		/* What its predecessor had under way is nobody's. */
		channel_flush(&c->channel);
		set_emulates(c);
		c->last_seq = c->channel.seq;
		c->peer_inc = in->peer_inc;
		if (!c->up && c->down_k == 0)
			c->down_k = k; /* a newcomer that was started by hand */
	}
	if (!c->emulates)
		return;
	channel_flood(&c->channel, k * c->step_ns);
	if (in->kind != CORE_IN_MSG)
		return;
	const struct wave *w = &in->msg->wave;
	if (k % c->hello_k == 0)
		offer(c, k, (struct frame){ .type = FRAME_HELLO });
	if (w->flags & WAVE_STATE)
		offer(c, k,
		      (struct frame){ .type = FRAME_STATE,
		                      .flags = w->flags & WAVE_STATE_ALL,
		                      .v_v = w->st_v_v,
		                      .dv_v = w->st_dv_v,
		                      .x = w->st_x });
	if (w->has_calib)
		offer(c, k,
		      (struct frame){ .type = FRAME_CALIB,
		                      .cal_window = w->cal_window,
		                      .cal_i_a = w->cal_i_a,
		                      .cal_e = w->cal_e });
	if (w->has_offset)
		offer(c, k,
		      (struct frame){ .type = FRAME_OFFSET,
		                      .offset = w->st_offset,
		                      .level = w->st_level });
}

const struct frame *
node_comm_next(struct node_comm *c, int64_t k)
{
	const struct channel_frame *f;
	struct err err = ERR_INIT;

	while ((f = channel_take(&c->channel, k * c->step_ns)) != NULL) {
		if (frame_unpack(f->bytes, f->len, &c->now, &err) < 0) {
			c->n.corrupt++;
			continue;
		}
		c->n.delivered++;
		if (c->now.from_inc != c->peer_inc || c->now.seq <= c->last_seq) {
			c->n.late++;
			continue;
		}
		c->last_seq = c->now.seq;
		node_comm_heard(c, k, c->now.type == FRAME_STATE);
		return &c->now;
	}
	set_emulates(c);
	return NULL;
}

bool
node_comm_judge(struct node_comm *c, int64_t k, struct core_events *ev)
{
	double step_s = (double)c->step_ns * 1e-9;
	bool heard = c->heard_k >= c->down_k && k - c->heard_k <= c->silence_k, lost = false;

	if (c->up && !heard) {
		core_event_add(ev, k, EV_ADJ_DOWN, c->chan, (double)(k - c->heard_k) * step_s, 0, 0,
		               0);
		c->up = false;
		c->down_k = k;
		lost = true;
	} else if (!c->up && heard && c->heard_k > c->down_k) {
		core_event_add(ev, k, EV_ADJ_UP, c->chan, (double)(k - c->down_k) * step_s, 0, 0,
		               0);
		c->up = true;
	}
	if (c->state_known && (lost || k - c->state_k > c->stale_k)) {
		c->state_known = false;
		lost = true;
	}
	c->regained = c->regained || lost;
	return !lost;
}

void
node_comm_command(struct node_comm *c, int64_t k, const struct core_cmd *cmd)
{
	struct channel_params p = c->channel.p;

	switch (cmd->kind) {
	case CMD_CUT:
		if (cmd->a == CUT_POWER)
			return;
		c->channel.cut = true;
		break;
	case CMD_HEAL:
		if (cmd->a == CUT_POWER)
			return;
		c->channel.cut = false;
		break;
	case CMD_CLOSE: /* ends a cut as well */
		c->channel.cut = false;
		break;
	default:
		apply(&p, &c->own, cmd);
		channel_change(&c->channel, &p, k * c->step_ns);
		break;
	}
	set_emulates(c);
}

void
node_comm_frame(const struct node_comm *c, int64_t k, double values[NODE_COMM_FIELDS])
{
	const struct channel_counts *n = &c->channel.n;
	const double v[NODE_COMM_FIELDS] = {
		(double)n->sent,
		(double)c->n.delivered,
		(double)n->lost,
		(double)n->doubled,
		(double)c->n.corrupt,
		(double)c->n.late,
		(double)c->channel.pending,
		(double)n->flooded,
		(double)channel_wait_ns(&c->channel, k * c->step_ns) * 1e-9,
		c->up,
	};

	memcpy(values, v, sizeof v);
}
