#include "node_link.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* The pre-charge resistor is bypassed when both buses are this close. */
#define BYPASS_DV_V 1.0
/* What a pulse resistor of this size gives off: it is as cold as it was a minute after 3 kJ. */
#define PRECHARGE_COOLING_W 50.0
/* The first pause after a pre-charge that was given up; it doubles, up to the longest. */
#define PAUSE_S 1.0
#define PAUSE_MAX_S 60.0

void
node_link_init(struct node_link *l, const struct link_params *p, int32_t chan, bool is_a, bool live,
               double dt_s, size_t n, double peer_v_v, struct node_plant *plant)
{
	const double t_s = dt_s * (double)n;

	assert(n >= 1 && n <= TOPO_SUBSTEPS_MAX && p->l_eff_h > 0 && p->r_ohm >= 0);
	*l = (struct node_link){
		.n = n,
		.dark_s = n,
		.chan = chan,
		.is_a = is_a,
		.dt_s = dt_s,
		.live = live,
		.cut = p->open,
		.zc_ohm = p->l_eff_h / t_s,
		.r_half_ohm = 0.5 * p->r_ohm,
		.dc_f = t_s * t_s / (2 * p->l_eff_h),
		.precharge_ohm = p->precharge_ohm,
		.precharge_s = p->precharge_s,
		.precharge_j = p->precharge_j,
		.closed_k = -1,
		.opened_k = -1,
		.peer_v_v = peer_v_v,
	};
	l->h = l->hbuf;
	node_fuse_init(&l->fuse, p, dt_s);
	if (!live || p->open)
		return;
	l->state = LINK_END_CLOSED;
	l->r_ohm = l->r_half_ohm;
	l->g_s = 1 / (l->zc_ohm + l->r_ohm);
	l->wave_j = node_plant_lend(plant, l->dc_f);
	for (size_t s = 0; s < n; s++)
		l->hbuf[s] = peer_v_v;
}

void
node_link_carry(struct node_link *l, double i_a, double v_v)
{
	if (l->state != LINK_END_CLOSED)
		return;
	double h = v_v - (l->zc_ohm + l->r_half_ohm) * i_a, m = h + 2 * l->zc_ohm * i_a;
	for (size_t s = 0; s < l->n; s++)
		l->hbuf[s] = h;
	l->wave_j = 0.5 * l->dc_f * m * m;
	l->i_a = l->i_avg_a = i_a;
}

static void
node_link_open(struct node_link *l, struct node_plant *p, int64_t k, enum open_cause cause,
               int64_t rx, struct core_events *ev)
{
	double booked_j = 0, wave_j = l->wave_j;

	if (l->state == LINK_END_PRECHARGE && l->closed_k == k) {
		/* Closed and opened in one step: as if nothing had been. */
		if (l->host)
			(void)node_plant_unlend(p, 2 * l->dc_f);
		p->line_j -= l->line_step_j;
		p->abandoned_j -= l->host ? l->line_step_j : -l->line_step_j;
	} else if (l->state == LINK_END_PRECHARGE && l->host) {
		booked_j = -node_plant_unlend(p, 2 * l->dc_f);
	} else if (l->state == LINK_END_CLOSED) {
		booked_j = -node_plant_unlend(p, l->dc_f);
	}
	p->abandoned_j += booked_j;
	l->state = LINK_END_OPEN;
	l->opened_k = k;
	l->closing = l->bypassing = l->host = l->tripped = l->gives_up = false;
	l->dark_s = l->n;
	l->fuse.heat_a2s = 0;
	l->g_s = 0;
	l->wave_j = 0;
	core_event_add(ev, k, EV_LINK_OPEN, l->chan, cause, (double)rx, wave_j, booked_j);
}

static int64_t
node_link_steps(const struct node_link *l, double time_s)
{
	return (int64_t)ceil(time_s / (l->dt_s * (double)l->n) - 1e-9);
}

/* How long the next try waits. */
static double
node_link_pause_s(int attempts)
{
	double pause_s = PAUSE_S;

	while (--attempts > 0 && pause_s < PAUSE_MAX_S)
		pause_s *= 2;
	return pause_s < PAUSE_MAX_S ? pause_s : PAUSE_MAX_S;
}

static void
node_link_give_up(struct node_link *l, struct node_plant *p, int64_t k, struct core_events *ev)
{
	double dv = p->v_v - l->peer_v_v, pause_s = node_link_pause_s(++l->attempts);

	if (l->gives_up)
		core_event_add(ev, k, EV_PRECHARGE, l->chan, k >= l->late_k ? 1 : 2, dv, l->heat_j,
		               pause_s);
	l->again_k = k + node_link_steps(l, pause_s);
	node_link_open(l, p, k, OPEN_PRECHARGE, -1, ev);
}

static void
node_link_close(struct node_link *l, struct node_plant *p, int64_t k, bool host,
                double precharge_ohm, double bypass_s, struct core_events *ev)
{
	double v_line_v = host ? p->v_v : l->peer_v_v;

	assert(l->state == LINK_END_OPEN);
	l->state = LINK_END_PRECHARGE;
	l->host = host;
	l->closing = l->joiner = false;
	l->closed_k = k;
	l->bypass_k = k;
	if (bypass_s > 0)
		l->bypass_k += node_link_steps(l, bypass_s);
	l->late_k = l->precharge_s > 0 ? l->bypass_k + node_link_steps(l, l->precharge_s)
	                               : INT64_MAX;
	l->r_ohm = l->r_half_ohm + (host ? 0 : precharge_ohm);
	l->g_s = 1 / (l->zc_ohm + l->r_ohm);
	if (host)
		(void)node_plant_lend(p, 2 * l->dc_f);
	/* The host puts two waves into the line, each end takes one in. Each books the one that it
	 * takes, and the other's as handed over, so that the books also close when only one end
	 * gets here. */
	l->line_step_j = 0.5 * l->dc_f * v_line_v * v_line_v;
	p->line_j += l->line_step_j;
	p->abandoned_j += host ? l->line_step_j : -l->line_step_j;
	for (size_t s = 0; s < l->n; s++)
		l->hbuf[s] = v_line_v;
	l->h = l->hbuf;
	core_event_add(ev, k, EV_LINK_CLOSE, l->chan, 1, host, 0, 0);
}

static void
node_link_bypass(struct node_link *l, struct node_plant *p, int64_t k, struct core_events *ev)
{
	assert(l->state == LINK_END_PRECHARGE);
	if (l->host)
		p->abandoned_j -= node_plant_unlend(p, l->dc_f);
	else
		p->abandoned_j += node_plant_lend(p, l->dc_f);
	l->state = LINK_END_CLOSED;
	l->host = l->bypassing = false;
	l->attempts = 0;
	l->r_ohm = l->r_half_ohm;
	l->g_s = 1 / (l->zc_ohm + l->r_ohm);
	core_event_add(ev, k, EV_LINK_CLOSE, l->chan, 2, 0, 0, 0);
}

static void
node_link_gone(struct node_link *l, struct node_plant *p, int64_t k, int64_t rx,
               struct core_events *ev)
{
	/* A blown fuse is still blown when the peer returns. */
	if (l->tripped)
		l->cut = true;
	node_link_open(l, p, k, OPEN_DEATH, rx, ev);
	l->live = l->heard = false;
	l->peer_flags = 0;
	l->attempts = 0;
	l->again_k = 0;
}

void
node_link_input(struct node_link *l, struct node_plant *p, int64_t k, bool first,
                const struct core_in *in, struct core_events *ev)
{
	switch (in->kind) {
	case CORE_IN_IDLE:
		break;
	case CORE_IN_GONE:
		node_link_gone(l, p, k, in->rx, ev);
		break;
	case CORE_IN_JOIN:
		/* A newcomer may take its predecessor's place in one step. */
		if (l->live)
			node_link_gone(l, p, k, in->rx, ev);
		l->live = true;
		l->heard = false;
		l->joiner = first;
		l->sent_flags = 0;
		break;
	case CORE_IN_MSG: {
		const struct wave *w = &in->msg->wave;
		/* The end that was there all along knows whether the link is to stay open. */
		if (!l->heard && l->joiner && !(w->flags & WAVE_JOINER))
			l->cut = w->flags & WAVE_CUT;
		l->heard = true;
		l->peer_flags = w->flags;
		l->peer_v_v = w->v_v;
		l->peer_c_r_f = w->c_r_f;
		if (l->state != LINK_END_OPEN)
			l->h = w->m;
		break;
	}
	}
}

/* Whether this end hosts the line of a close by rule; both ends get opposite answers. */
static bool
node_link_hosts(const struct node_link *l)
{
	bool peer_joiner = l->peer_flags & WAVE_JOINER, joiner = l->sent_flags & WAVE_JOINER;

	if (joiner != peer_joiner)
		return joiner;
	if (!l->heard || l->sent_c_r_f == l->peer_c_r_f)
		return l->is_a;
	return l->sent_c_r_f > l->peer_c_r_f;
}

void
node_link_command(struct node_link *l, struct node_plant *p, const struct core_cmd *cmd,
                  struct core_events *ev)
{
	/* A contactor that opens in this step does not close in it: it then closes by rule. */
	bool can_close = l->live && l->state == LINK_END_OPEN && (l->heard || cmd->k == 0) &&
	                 l->opened_k < cmd->k;

	core_event_fault(ev, cmd, 0);
	switch (cmd->kind) {
	case CMD_CUT:
		l->cut = true;
		l->closing = false;
		l->peer_flags &= ~(uint32_t)(WAVE_CLOSE | WAVE_BYPASS | WAVE_TRIP);
		if (l->state != LINK_END_OPEN)
			node_link_open(l, p, cmd->k, OPEN_CUT, -1, ev);
		break;
	case CMD_HEAL:
		/* The other end has the same command in this step. */
		l->cut = false;
		l->peer_flags &= ~(uint32_t)WAVE_CUT;
		break;
	case CMD_CLOSE:
		l->cut = false;
		l->peer_flags &= ~(uint32_t)WAVE_CUT;
		if (can_close) {
			bool host = isnan(cmd->c) ? node_link_hosts(l) : cmd->c < 0;
			l->peer_flags &= ~(uint32_t)(WAVE_CLOSE | WAVE_BYPASS);
			node_link_close(l, p, cmd->k, host,
			                isnan(cmd->a) ? l->precharge_ohm : cmd->a, cmd->b, ev);
		}
		break;
	default:
		break;
	}
}

void
node_link_announced(struct node_link *l, struct node_plant *p, int64_t k, struct core_events *ev)
{
	bool peer_gives_up = (l->peer_flags & WAVE_GIVE_UP) == WAVE_GIVE_UP;

	if (l->state == LINK_END_PRECHARGE && l->closed_k < k && (l->gives_up || peer_gives_up)) {
		node_link_give_up(l, p, k, ev);
	} else if (l->state != LINK_END_OPEN && (l->tripped || l->peer_flags & WAVE_TRIP)) {
		l->cut = true;
		node_link_open(l, p, k, OPEN_FUSE, -1, ev);
	} else if (l->state == LINK_END_OPEN && l->live && (l->closing || l->peer_flags & WAVE_CLOSE)) {
		/* The announcer hosts. */
		node_link_close(l, p, k, l->closing, l->precharge_ohm, 0, ev);
	} else if (l->state == LINK_END_PRECHARGE && l->closed_k < k &&
	           (l->bypassing || l->peer_flags & WAVE_BYPASS)) {
		node_link_bypass(l, p, k, ev);
	}
	l->closing = l->bypassing = l->gives_up = false;
}

void
node_link_wave(struct node_link *l, const double *vm, double v_end_v, double *m)
{
	double sum_i = 0, sum_ii = 0, sum_mm = 0, sum_hh = 0, i = 0;
	const double g = l->g_s, z2 = 2 * l->zc_ohm, *h = l->h;
	const size_t lit = l->dark_s;

	if (l->state == LINK_END_OPEN) {
		for (size_t s = 0; s < l->n; s++)
			m[s] = v_end_v;
		l->i_a = l->i_avg_a = l->wave_j = 0;
		l->sum_ii_a2 = l->loss_step_j = l->net_step_j = 0;
		return;
	}
	for (size_t s = 0; s < lit; s++) {
		i = g * (vm[s] - h[s]);
		m[s] = h[s] + z2 * i;
		sum_i += i;
		sum_ii += i * i;
		sum_mm += m[s] * m[s];
		sum_hh += h[s] * h[s];
	}
	/* An open line end gives back what it gets. */
	for (size_t s = lit; s < l->n; s++) {
		i = 0;
		m[s] = h[s];
		sum_mm += m[s] * m[s];
		sum_hh += h[s] * h[s];
	}
	const double q = l->dt_s / (2 * z2);
	l->i_a = i;
	l->i_avg_a = sum_i / (double)l->n;
	l->sum_ii_a2 = sum_ii;
	l->loss_step_j = l->r_ohm * sum_ii * l->dt_s;
	l->wave_j = sum_mm * q;
	l->net_step_j = (sum_mm - sum_hh) * q;
}

bool
node_link_trips(const struct node_link *l, const double *vm, size_t *s, enum fuse_element *element,
                double *i_a)
{
	const struct node_fuse_view view = { .vm = vm,
		                             .h = l->h,
		                             .g_s = l->g_s,
		                             .zc_ohm = l->zc_ohm,
		                             .r_ohm = l->r_half_ohm,
		                             .n = l->n };

	if (!node_link_may_trip(l))
		return false;
	*s = node_fuse_find(&l->fuse, &view, element, i_a);
	return *s < l->n;
}

void
node_link_trip(struct node_link *l, size_t s)
{
	assert(l->state != LINK_END_OPEN && !l->tripped && s < l->n);
	l->tripped = true;
	l->dark_s = s + 1;
}

/* Judged by both ends' messages of step k-1; peer_flags are those. */
static bool
node_link_initiates(const struct node_link *l, int64_t k)
{
	const uint32_t busy = WAVE_CUT | WAVE_CLOSE | WAVE_CLOSED;

	return l->state == LINK_END_OPEN && l->live && l->heard && !l->cut &&
	       !(l->peer_flags & busy) && k >= l->again_k && node_link_hosts(l);
}

/* The resistor takes its part of this end's loss and gives some off. */
static void
node_link_heat(struct node_link *l)
{
	if (l->state == LINK_END_PRECHARGE && !l->host)
		l->heat_j += (l->r_ohm - l->r_half_ohm) * l->sum_ii_a2 * l->dt_s;
	l->heat_j -= PRECHARGE_COOLING_W * l->dt_s * (double)l->n;
	if (l->heat_j < 0)
		l->heat_j = 0;
}

void
node_link_message(struct node_link *l, const struct node_plant *p, int64_t k, bool may_close,
                  struct wave *w)
{
	uint32_t flags = 0;

	if (l->state != LINK_END_OPEN)
		flags |= WAVE_CLOSED;
	if (l->cut)
		flags |= WAVE_CUT;
	if (l->tripped)
		flags |= WAVE_TRIP;
	if (may_close && node_link_initiates(l, k)) {
		flags |= WAVE_CLOSE;
		l->closing = true;
	}
	if (l->joiner)
		flags |= WAVE_JOINER;
	if (l->state == LINK_END_PRECHARGE && !l->host && l->heard && !l->tripped &&
	    k + 1 >= l->bypass_k) {
		double dv = p->v_v - l->peer_v_v;
		if (dv <= BYPASS_DV_V && dv >= -BYPASS_DV_V) {
			flags |= WAVE_BYPASS;
			l->bypassing = true;
		}
	}
	node_link_heat(l);
	if (l->state == LINK_END_PRECHARGE && !l->host && !l->bypassing && !l->tripped &&
	    (k + 1 >= l->late_k || (l->precharge_j > 0 && l->heat_j >= l->precharge_j))) {
		flags |= WAVE_GIVE_UP;
		l->gives_up = true;
	}
	w->flags = flags;
	w->v_v = p->v_v;
	w->c_r_f = p->c_r_f;
	l->sent_flags = flags;
	l->sent_c_r_f = p->c_r_f;
}
