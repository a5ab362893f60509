/* node_command.c - what commands do to a node: to its bus, hardware and sensors, and to its links. */
#include <assert.h>
#include <math.h>

#include "node_core.h"

/* A newcomer learns what the script did to its links before it was born; what was done by hand its
 * peers tell it. */
void
node_command_catch_up(struct node_core *c, int64_t k)
{
	for (size_t i = 0; i < c->slice->n_cmds && c->slice->cmds[i].k < k; i++) {
		const struct core_cmd *cmd = &c->slice->cmds[i];
		if (cmd->chan < 0 || (size_t)cmd->chan >= c->n_links)
			continue;
		node_comm_command(&c->comms[cmd->chan], k, cmd);
		if (core_cmd_of_channel(cmd))
			continue;
		if (cmd->kind == CMD_CUT)
			c->links[cmd->chan].cut = true;
		else if (cmd->kind == CMD_HEAL || cmd->kind == CMD_CLOSE)
			c->links[cmd->chan].cut = false;
	}
}

/* What a command does to the supercapacitor, in parallel or behind its converter; returns the energy
 * that is booked as abandoned. */
static double
node_command_supercap(struct node_core *c, const struct core_cmd *cmd)
{
	struct node_store *s = c->plant.store;
	bool opens = cmd->kind == CMD_SC_OPEN, ages = cmd->kind == CMD_AGE;

	if (!s && !(c->plant.c_sc_f > 0))
		return 0;
	if (ages || cmd->kind == CMD_UNAGE) {
		double c_part = ages ? cmd->a : 1, esr_part = ages ? cmd->b : 1;
		return s ? node_store_age(s, c_part, esr_part)
		         : node_plant_age_sc(&c->plant, c_part, esr_part);
	}
	if (s)
		node_store_open(s, opens);
	else
		node_plant_open_sc(&c->plant, opens);
	return 0;
}

/* A reset takes the set-point to its default; firmware that starts knows nothing of before, and takes
 * up with its neighbours like that of a node that returns. */
void
node_command_mcu(struct node_core *c, enum mcu_change change)
{
	const struct slice *s = c->slice;

	if (change == MCU_RESETS)
		c->plant.feed.v_set_v = c->plant.feed.v0_v;
	if (change != MCU_STARTS)
		return;
	node_control_init(&c->control, &s->node, c->n_links, c->step_s, true);
	for (size_t i = 0; i < c->n_links; i++)
		node_limit_init(&c->limits[i], &s->chans[i].link, (int32_t)i, s->chans[i].is_a);
	node_protect_init(&c->protect, s, c->control.period_k * s->step_ns, c->plant.v_v);
	for (size_t p = 0; p < c->n_ports; p++)
		c->ports[p].order = 0;
}

/* The sensor of a terminal; NULL: there is none. */
static struct node_sensor *
node_command_terminal(struct node_core *c, enum node_terminal_kind kind, size_t index)
{
	for (size_t i = 0; i < c->sense.n; i++)
		if (c->sense.terminals[i].kind == kind && c->sense.terminals[i].index == index)
			return &c->sense.terminals[i].sensor;
	return NULL;
}

static struct node_sensor *
node_command_sensor_at(struct node_core *c, struct core_sensor at)
{
	const bool behind = at.index < c->n_links && c->ends[at.index];

	switch (at.kind) {
	case CORE_SENSOR_V:
		return &c->sense.v;
	case CORE_SENSOR_FEED:
		return node_sense_feed(&c->sense);
	case CORE_SENSOR_SC_V:
		return c->plant.store ? &c->sense_sc : NULL;
	case CORE_SENSOR_TEMP:
		return &c->hw.temp;
	case CORE_SENSOR_LOAD:
		return node_command_terminal(c, TERMINAL_LOAD, 0);
	case CORE_SENSOR_SC:
		return node_command_terminal(c, TERMINAL_SUPERCAP, 0);
	case CORE_SENSOR_CONV: /* behind those of links */
		return c->own_conv ? node_command_terminal(c, TERMINAL_CONV, c->plant.n_convs - 1)
		                   : NULL;
	case CORE_SENSOR_LINK:
		return node_command_terminal(c, TERMINAL_LINK, at.index);
	case CORE_SENSOR_LINK_CONV:
		return behind ? node_command_terminal(c, TERMINAL_CONV,
		                                      (size_t)(c->ends[at.index] - c->convs))
		              : NULL;
	case CORE_SENSOR_PORT:
		return node_command_terminal(c, TERMINAL_PORT, at.index);
	default:
		return NULL;
	}
}

/* CMD_BIAS, CMD_STUCK and their ends, at one sensor. */
static void
node_command_one_sensor(struct node_core *c, const struct core_cmd *cmd, struct core_sensor at)
{
	const bool volts = at.kind == CORE_SENSOR_V || at.kind == CORE_SENSOR_SC_V;
	const double by = volts || at.kind == CORE_SENSOR_TEMP ? cmd->a : cmd->b;
	struct node_sensor *s = node_command_sensor_at(c, at);

	if (!s)
		return;
	if (cmd->kind == CMD_STUCK || cmd->kind == CMD_UNSTUCK)
		s->stuck = cmd->kind == CMD_STUCK;
	else if (cmd->kind == CMD_UNBIAS)
		node_sensor_bias(s, 0, 0);
	else
		node_sensor_bias(s, isnan(by) ? 0 : by, isnan(cmd->c) ? 0 : cmd->c);
}

/* The end of all. */
static void
node_command_all_sensors(struct node_core *c, const struct core_cmd *cmd)
{
	for (uint32_t i = 0; i < CORE_SENSORS_; i++) {
		size_t n = i >= CORE_SENSOR_PORT ? c->n_ports : i >= CORE_SENSOR_LINK ? c->n_links : 1;
		for (uint32_t nth = 0; nth < n; nth++)
			node_command_one_sensor(c, cmd, (struct core_sensor){ i, nth });
	}
}

/* CMD_BIAS, CMD_STUCK and their ends. */
static void
node_command_sensor(struct node_core *c, const struct core_cmd *cmd)
{
	const bool begins = cmd->kind == CMD_BIAS || cmd->kind == CMD_STUCK;
	struct node_sensor *feed = node_sense_feed(&c->sense);
	struct core_sensor at;

	if (core_sensor_of(cmd->chan, &at)) {
		node_command_one_sensor(c, cmd, at);
		return;
	}
	if (!begins)
		node_command_all_sensors(c, cmd);
	if (cmd->kind == CMD_BIAS || cmd->kind == CMD_UNBIAS) {
		node_sensor_bias(&c->sense.v, begins && !isnan(cmd->a) ? cmd->a : 0, 0);
		if (feed)
			node_sensor_bias(feed, begins && !isnan(cmd->b) ? cmd->b : 0,
			                 begins && !isnan(cmd->c) ? cmd->c : 0);
		return;
	}
	c->sense.v.stuck = begins && !(cmd->a == 1);
	if (feed)
		feed->stuck = begins && cmd->a == 1;
}

static void
node_command_feed(struct node_core *c, const struct core_cmd *cmd)
{
	struct node_feed *f = &c->plant.feed;
	const int64_t at_ns = cmd->k * c->slice->step_ns;

	c->brownout = cmd->kind == CMD_BROWNOUT || cmd->kind == CMD_SAG;
	f->ceil_v = INFINITY;
	if (cmd->kind == CMD_FEED_LOSS) {
		node_feed_lose(f);
	} else if (c->brownout) {
		pwl_track_set(&c->ceil, at_ns, f->v_set_v, 0);
		pwl_track_set(&c->ceil, at_ns, cmd->a, cmd->b > 0 ? cmd->b * 1e9 : 0);
	}
}

void
node_command_bus(struct node_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	double booked_j = 0;

	switch (cmd->kind) {
	case CMD_AGE:
	case CMD_SC_CLOSE:
	case CMD_SC_OPEN:
	case CMD_UNAGE:
		booked_j = node_command_supercap(c, cmd);
		break;
	case CMD_BIAS:
	case CMD_STUCK:
	case CMD_UNBIAS:
	case CMD_UNSTUCK:
		node_command_sensor(c, cmd);
		break;
	case CMD_HANG:
	case CMD_UNHANG:
		node_command_mcu(c, mcu_command(&c->mcu, cmd, ev));
		break;
	case CMD_DERATE:
	case CMD_UNDERATE:
		node_hw_command(&c->hw, cmd);
		break;
	case CMD_LOAD:
		pwl_track_set(&c->load, cmd->k * c->slice->step_ns, cmd->a,
		              cmd->b > 0 ? cmd->b * 1e9 : 0);
		break;
	case CMD_SURGE:
	case CMD_UNSURGE:
		surge_command(&c->surge, cmd, c->slice->step_ns);
		break;
	case CMD_SHORT:
		assert(cmd->a > 0);
		c->plant.g_fault = 1 / cmd->a;
		c->fault_end_k = INT64_MAX;
		if (cmd->b > 0) {
			int64_t steps = (int64_t)(cmd->b / c->step_s + 0.5);
			c->fault_end_k = cmd->k + (steps > 0 ? steps : 1);
		}
		break;
	case CMD_UNSHORT:
		c->plant.g_fault = 0;
		c->fault_end_k = INT64_MAX;
		break;
	case CMD_BROWNOUT:
	case CMD_FEED_BACK:
	case CMD_FEED_LOSS:
	case CMD_SAG:
	case CMD_UNBROWNOUT:
	case CMD_UNSAG:
		node_command_feed(c, cmd);
		break;
	default:
		break;
	}
	core_event_fault(ev, cmd, booked_j);
}

/* The contactors of a link, its channel, or both. */
void
node_command_link(struct node_core *c, const struct core_cmd *cmd, struct core_events *ev)
{
	size_t l = (size_t)cmd->chan;

	if (core_cmd_of_channel(cmd))
		core_event_fault(ev, cmd, 0);
	else
		node_link_command(&c->links[l], node_core_bus(c, l), cmd, ev);
	node_comm_command(&c->comms[l], cmd->k, cmd);
}
