#include "node_port.h"

#include <math.h>

/* Ownership epoch of the topology; take-overs count up from it. */
#define FIRST_EPOCH 1

void
node_port_init(struct node_port *p, int32_t chan, bool owner, bool live, double uv_v)
{
	*p = (struct node_port){ .chan = chan, .owner = owner, .live = live, .uv_v = uv_v };
}

void
node_port_offer(const struct node_port *p, double bus_v, struct offer *o)
{
	*o = (struct offer){
		.flags = (bus_v >= p->uv_v ? OFFER_ON : 0u) | (p->owner ? OFFER_OWNER : 0u) |
		         p->order,
		.epoch = p->owner ? FIRST_EPOCH : 0,
		.v_v = bus_v,
		.i_max_a = NODE_PORT_I_MAX_A,
		.v_ref_v = NAN,
	};
}

static void
node_port_hear(struct node_port *p, const struct answer *a)
{
	p->shed = a->flags & ANSWER_SHED;
	p->orphan = a->flags & ANSWER_ORPHAN;
	p->out = a->flags & ANSWER_OUT;
	p->v_in_v = a->v_in_v;
	p->wants_w = a->p_w;
	if (p->order == (p->shed ? OFFER_SHED : OFFER_RESTORE))
		p->order = 0;
}

static void
node_port_open(struct node_port *p, int64_t k, int64_t rx, struct core_events *ev)
{
	p->live = p->shed = p->orphan = p->out = false;
	p->order = 0;
	p->pay_w = p->v_in_v = p->wants_w = 0;
	core_event_add(ev, k, EV_PORT_OPEN, p->chan, OPEN_DEATH, (double)rx, 0, 0);
}

void
node_port_input(struct node_port *p, int64_t k, const struct core_in *in, double bus_v,
                double period_s, struct core_events *ev)
{
	switch (in->kind) {
	case CORE_IN_IDLE:
		break;
	case CORE_IN_GONE:
		node_port_open(p, k, in->rx, ev);
		break;
	case CORE_IN_JOIN:
		if (p->live)
			node_port_open(p, k, in->rx, ev);
		/* What the last module was still owed stays unpaid. */
		p->live = true;
		p->account_j = 0;
		core_event_add(ev, k, EV_PORT_CLOSE, p->chan, 0, 0, 0, 0);
		break;
	case CORE_IN_MSG:
		p->account_j += in->msg->answer.energy_j;
		node_port_hear(p, &in->msg->answer);
		break;
	}
	p->pay_w = p->live && bus_v >= p->uv_v ? p->account_j / period_s : 0;
}

void
node_port_pay(struct node_port *p, double part, double step_s)
{
	double paid_j = p->pay_w * part * step_s;

	p->p_w = p->pay_w * part;
	p->paid_j += paid_j;
	p->account_j -= paid_j;
}
