/* Parameters of the actions of drills. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "action.h"
#include "decode.h"

#define NUMBER(k, m, u, l, h, d, text)                                                  \
	{                                                                               \
		.key = k, .type = FIELD_NUMBER, .unit = u,                              \
		.offset = offsetof(struct action_with, m), .lo = l, .hi = h, .dflt = d, \
		.doc = text                                                             \
	}

static const struct field with_age[] = {
	NUMBER("c", c_part, UNIT_PERCENT, 0.01, 1, NULL,
	       "capacitance, of that in the topology; without it as it is"),
	NUMBER("esr", esr_part, UNIT_NONE, 1, 1000, NULL,
	       "series resistance, times that in the topology; without it as it is"),
};

static const struct field with_brownout[] = {
	NUMBER("level", level_v, UNIT_VOLT, 0, 60, NULL,
	       "voltage that the source holds at most; required"),
	NUMBER("ramp", ramp_s, UNIT_SECOND, 0, 1000, "0s", "time to fall to it"),
};

static const struct field with_close[] = {
	NUMBER("precharge", precharge_ohm, UNIT_OHM, 1e-3, 100, NULL,
	       "resistor while the ends differ; without it the link's own"),
	{ .key = "at",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct action_with, end),
	  .doc = "the node at whose end the resistor is; without it the end with the smaller "
	         "capacitor" },
	NUMBER("bypass", bypass_s, UNIT_SECOND, 0, 100, NULL,
	       "the resistor is bypassed this long after closing and a difference of at most 1 V, "
	       "whichever is later"),
};

static void
decode_only(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	static const char *const words[] = { "power", "channel" };
	struct action_with *with = target;
	if (v->kind == YAMLDOC_SCALAR && !strcmp(v->text, "power")) {
		with->only = CUT_POWER;
	} else if (v->kind == YAMLDOC_SCALAR &&
	           (!strcmp(v->text, "channel") || !strcmp(v->text, "communication"))) {
		with->only = CUT_CHANNEL;
	} else {
		const char *text = v->kind == YAMLDOC_SCALAR ? v->text : yamldoc_what(v);
		struct diag *g = decode_error(d, v, "%s: '%.40s' is neither power nor channel",
		                              f->key, text);
		decode_suggest(g, text, words, 2, "values");
	}
}

#define TOWARD                                            \
	{                                                 \
		.key = "toward", .type = FIELD_NAME,      \
		.offset = offsetof(struct action_with, toward), \
		.doc = "only what this node receives"     \
	}

static const struct field with_corrupt[] = {
	NUMBER("share", share, UNIT_PERCENT, 0, 1, NULL, "of the frames; required"),
	TOWARD,
};

static const struct field with_cut[] = {
	{ .key = "only",
	  .type = FIELD_CUSTOM,
	  .offset = offsetof(struct action_with, only),
	  .decode = decode_only,
	  .doc = "power (the contactors) or channel (the communication; also: communication)" },
};

static const struct field with_degrade[] = {
	NUMBER("loss", loss, UNIT_PERCENT, 0, 1, NULL, "share of frames that are lost"),
	NUMBER("delay", delay_s, UNIT_SECOND, 0, 1, NULL, "delay behind the sending"),
	NUMBER("jitter", jitter_s, UNIT_SECOND, 0, 1, NULL, "further delay, uniform up to this"),
	NUMBER("rate", rate_bit_s, UNIT_BIT, 1e3, 1e12, NULL, "bit rate per second"),
	NUMBER("burst", burst_enter, UNIT_PERCENT, 0, 1, NULL,
	       "chance per frame that a burst of losses begins"),
	NUMBER("burst_leave", burst_leave, UNIT_PERCENT, 1e-4, 1, NULL,
	       "chance per frame that it ends"),
	TOWARD,
};

static const struct field with_duplicate[] = {
	NUMBER("share", share, UNIT_PERCENT, 0, 1, NULL, "of the frames; required"),
	TOWARD,
};

static const struct field with_flood[] = {
	NUMBER("rate", rate_bit_s, UNIT_BIT, 1e3, 1e9, NULL, "bits per second; required"),
	NUMBER("size", size, UNIT_NONE, 64, 1500, "400", "bytes per frame"),
	TOWARD,
};

static const struct field with_reorder[] = {
	NUMBER("share", share, UNIT_PERCENT, 0, 1, NULL, "of the frames; required"),
	NUMBER("by", by_s, UNIT_SECOND, 1e-6, 1, "2ms", "how long they are held back"),
	TOWARD,
};

static void
take_last_sent(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	(void)d, (void)f;
	((struct action_with *)target)->last_sent = v;
}

/* Whether the target has it is known later. */
static void
decode_sensor(struct decoder *d, const struct field *f, const struct yamldoc_node *v, void *target)
{
	struct action_with *with = target;
	if (v->kind != YAMLDOC_SCALAR || !v->text[0])
		decode_error(d, v, "%s: the name of a sensor is wanted, not %s", f->key,
		             yamldoc_what(v));
	else if (strlen(v->text) >= sizeof with->sensor)
		decode_error(d, v, "%s: '%.60s' is too long for a sensor", f->key, v->text);
	else
		snprintf(with->sensor, sizeof with->sensor, "%s", v->text);
}

static const struct field with_bias[] = {
	NUMBER("v", bias_v, UNIT_VOLT, -20, 20, NULL, "added to the reading of a voltage"),
	NUMBER("i", bias_a, UNIT_AMPERE, -500, 500, NULL, "added to the reading of a current"),
	NUMBER("gain", bias_part, UNIT_PERCENT, -1, 10, NULL,
	       "part of the current that its reading has too much"),
	NUMBER("temp", bias_temp, UNIT_CELSIUS, -200, 200, NULL,
	       "added to the reading of the temperature"),
	{ .key = "sensor",
	  .type = FIELD_CUSTOM,
	  .decode = decode_sensor,
	  .doc = "which one: v, i, sc_v, temp, load, sc, conv, link.ID, link.ID.conv, port.MODULE; "
	         "without it v and i, as they are named" },
};

static const struct field with_stuck[] = {
	{ .key = "sensor",
	  .type = FIELD_CUSTOM,
	  .decode = decode_sensor,
	  .doc = "which one, as for `bias`; without it v, the bus voltage" },
};

static const struct field with_derate[] = {
	NUMBER("feed", feed_part, UNIT_PERCENT, 0.01, 1, NULL, "part of the current limit that is left"),
	NUMBER("ambient", ambient_c, UNIT_CELSIUS, -40, 120, NULL, "temperature of the air"),
};

static const char *const signal_words[] = { "KILL", NULL };
static const struct field with_kill[] = {
	{ .key = "signal",
	  .type = FIELD_WORD,
	  .offset = offsetof(struct action_with, signal),
	  .words = signal_words,
	  .dflt = "KILL",
	  .doc = "the signal" },
	{ .key = "last_sent",
	  .type = FIELD_CUSTOM,
	  .decode = take_last_sent,
	  .doc = "replays a death that nobody scripted: last step that each link and port (m5.n3) "
	         "got; written by `drill --from`" },
};

static const struct field with_load[] = {
	NUMBER("level", level_w, UNIT_WATT, 0, 1e5, NULL, "new level; required"),
	NUMBER("ramp", ramp_s, UNIT_SECOND, 0, 1000, "0s", "time to reach it"),
};

static const struct field with_ramp[] = {
	NUMBER("level", level_w, UNIT_WATT, 0, 1e5, NULL, "where it ends; required"),
	NUMBER("time", ramp_s, UNIT_SECOND, 1e-6, 1000, NULL, "how long it takes; required"),
};

static const struct field with_sag[] = {
	NUMBER("level", level_v, UNIT_VOLT, 0, 60, NULL,
	       "voltage that is left of the source; required"),
};

static const struct field with_short[] = {
	NUMBER("r", r_ohm, UNIT_OHM, 1e-4, 1e3, NULL, "resistance of the fault; required"),
};

static const struct field with_surge[] = {
	NUMBER("power", power_w, UNIT_WATT, 0, 1e5, NULL, "what comes on top; required"),
	NUMBER("ramp", ramp_s, UNIT_SECOND, 0, 1000, "0s", "time to rise, and to fall at the end"),
};

static const struct field with_swap[] = {
	{ .key = "to",
	  .type = FIELD_NAME,
	  .offset = offsetof(struct action_with, to),
	  .doc = "the module that is put in; required" },
	NUMBER("gap", gap_s, UNIT_SECOND, 0, 1000, "20ms", "time between the two"),
};

static const struct schema schema_none = { .what = "with" };
#define WITH(name)                                                            \
	static const struct schema schema_##name = { "with", "", with_##name, \
		                                     sizeof with_##name / sizeof *with_##name }
WITH(age);
WITH(bias);
WITH(brownout);
WITH(close);
WITH(corrupt);
WITH(cut);
WITH(degrade);
WITH(duplicate);
WITH(flood);
WITH(derate);
WITH(kill);
WITH(load);
WITH(ramp);
WITH(reorder);
WITH(sag);
WITH(short);
WITH(stuck);
WITH(surge);
WITH(swap);

const struct action_params action_params[SCRIPT_KINDS_] = {
	[SCRIPT_AGE] = { .with = &schema_age,
	                 .words = { ACTION_OF(c_part), ACTION_OF(esr_part) } },
	[SCRIPT_BIAS] = { .with = &schema_bias,
	                  .words = { ACTION_OF(bias_v), ACTION_OF(bias_a), ACTION_OF(bias_part) } },
	[SCRIPT_BROWNOUT] = { .with = &schema_brownout,
	                      .needs = { { "level", "the voltage that is left" } },
	                      .words = { ACTION_OF(level_v), ACTION_OF(ramp_s) } },
	[SCRIPT_CLOSE] = { .with = &schema_close,
	                   .words = { ACTION_OF(precharge_ohm), ACTION_OF(bypass_s) } },
	[SCRIPT_CONT] = { .with = &schema_none },
	[SCRIPT_CORRUPT] = { .with = &schema_corrupt,
	                     .needs = { { "share", "which part of the frames" } },
	                     .words = { ACTION_OF(share) } },
	[SCRIPT_CUT] = { .with = &schema_cut, .words = { ACTION_OF(only) } },
	[SCRIPT_DEGRADE] = { .with = &schema_degrade,
	                     .words = { ACTION_OF(loss), ACTION_OF(delay_s), ACTION_OF(jitter_s),
	                                ACTION_OF(rate_bit_s), ACTION_OF(burst_enter),
	                                ACTION_OF(burst_leave) } },
	[SCRIPT_DUPLICATE] = { .with = &schema_duplicate,
	                       .needs = { { "share", "which part of the frames" } },
	                       .words = { ACTION_OF(share) } },
	[SCRIPT_FLOOD] = { .with = &schema_flood,
	                   .needs = { { "rate", "how many bits per second" } },
	                   .words = { ACTION_OF(rate_bit_s), ACTION_OF(size) } },
	[SCRIPT_DERATE] = { .with = &schema_derate,
	                    .words = { ACTION_OF(feed_part), ACTION_OF(ambient_c) } },
	[SCRIPT_HANG] = { .with = &schema_none },
	[SCRIPT_FEED_LOSS] = { .with = &schema_none },
	[SCRIPT_HEAL] = { .with = &schema_cut, .words = { ACTION_OF(only) } },
	[SCRIPT_KILL] = { .with = &schema_kill },
	[SCRIPT_LOAD] = { .with = &schema_load,
	                  .needs = { { "level", "the power to go to" } },
	                  .words = { ACTION_OF(level_w), ACTION_OF(ramp_s) } },
	[SCRIPT_RELAY_KILL] = { .with = &schema_none },
	[SCRIPT_SAG] = { .with = &schema_sag,
	                 .needs = { { "level", "the voltage that is left" } },
	                 .words = { ACTION_OF(level_v) } },
	[SCRIPT_SC_OPEN] = { .with = &schema_none },
	[SCRIPT_PLUG] = { .with = &schema_none },
	[SCRIPT_RAMP] = { .with = &schema_ramp,
	                  .needs = { { "level", "where the ramp ends" },
	                             { "time", "how long the ramp takes" } },
	                  .words = { ACTION_OF(level_w), ACTION_OF(ramp_s) } },
	[SCRIPT_PARTITION] = { .with = &schema_cut, .words = { ACTION_OF(only) } },
	[SCRIPT_REORDER] = { .with = &schema_reorder,
	                     .needs = { { "share", "which part of the frames" } },
	                     .words = { ACTION_OF(share), ACTION_OF(by_s) } },
	[SCRIPT_SHORT] = { .with = &schema_short,
	                   .needs = { { "r", "the resistance of the fault" } },
	                   .words = { ACTION_OF(r_ohm), ACTION_LEASE } },
	[SCRIPT_START] = { .with = &schema_none },
	[SCRIPT_STOP] = { .with = &schema_none },
	[SCRIPT_STUCK] = { .with = &schema_stuck },
	[SCRIPT_SURGE] = { .with = &schema_surge,
	                   .needs = { { "power", "what comes on top" } },
	                   .words = { ACTION_OF(power_w), ACTION_OF(ramp_s) } },
	[SCRIPT_SWAP] = { .with = &schema_swap,
	                  .needs = { { "to", "the module that is put in" } } },
	[SCRIPT_UNPLUG] = { .with = &schema_none },
};

const struct action action_table[SCRIPT_KINDS_] = {
#define X(kind, n, r, o, lease, cmd, end, text) \
	[SCRIPT_##kind] = { .name = n,          \
		            .rule = r,          \
		            .on = o,            \
		            .may_last = lease,  \
		            .command = cmd,     \
		            .undo = end,        \
		            .doc = text },
	ACTION_TABLE(X)
#undef X
};

const char *const action_later[] = {
	/* clang-format off */
	"agent_freeze",
	"agent_reset",
	NULL,
	/* clang-format on */
};

/* In the order of the members. */
const struct action_with action_no_with = {
	.ambient_c = NAN,
	.bias_v = NAN,
	.bias_a = NAN,
	.bias_part = NAN,
	.bias_temp = NAN,
	.burst_enter = NAN,
	.burst_leave = NAN,
	.by_s = NAN,
	.bypass_s = NAN,
	.c_part = NAN,
	.delay_s = NAN,
	.esr_part = NAN,
	.feed_part = NAN,
	.gap_s = NAN,
	.level_v = NAN,
	.jitter_s = NAN,
	.level_w = NAN,
	.loss = NAN,
	.only = NAN,
	.power_w = NAN,
	.precharge_ohm = NAN,
	.r_ohm = NAN,
	.ramp_s = NAN,
	.rate_bit_s = NAN,
	.share = NAN,
	.size = NAN,
};

double
action_word(enum script_kind kind, const struct action_with *with, double for_s, size_t i)
{
	size_t at = action_params[kind].words[i];
	double x;
	if (at == 0)
		return NAN;
	if (at == ACTION_LEASE)
		return for_s;
	if (at & ACTION_INT_) {
		int n;
		memcpy(&n, (const char *)with + (at & ~ACTION_INT_) - 1, sizeof n);
		return n;
	}
	memcpy(&x, (const char *)with + at - 1, sizeof x);
	return x;
}
