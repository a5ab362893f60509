/* Whether an action finds at its target what it acts on, and says enough. */
#include <math.h>
#include <stdio.h>

#include "script.h"
#include "sensor_name.h"

static const char *
proc_id(const struct topo *t, uint32_t proc)
{
	return proc < t->n_nodes ? t->nodes[proc].id : t->modules[proc - t->n_nodes].id;
}

/* A load that follows a curve can be set; a module of class cpu takes what its workload takes. */
static bool
settable(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	if (a->target < t->n_nodes || t->modules[a->target - t->n_nodes].p.class == MODULE_FIXED)
		return true;
	snprintf(why, SCRIPT_WHY_MAX,
	         "%s: module '%s' is not of class fixed: it takes what its workload takes",
	         script_action_name(a->kind), proc_id(t, a->target));
	return false;
}

static bool
has_firmware(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	if (a->target < t->n_nodes || t->modules[a->target - t->n_nodes].p.class == MODULE_CPU)
		return true;
	snprintf(why, SCRIPT_WHY_MAX, "%s: module '%s' is not of class cpu: it has no firmware",
	         script_action_name(a->kind), proc_id(t, a->target));
	return false;
}

static bool
has_supercap(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	const struct topo_node *n = &t->nodes[a->target];
	if (!n->p.has_sc && !n->p.has_store)
		snprintf(why, SCRIPT_WHY_MAX, "%s: node '%s' has no supercapacitor",
		         script_action_name(a->kind), n->id);
	else if (a->kind == SCRIPT_AGE && isnan(a->with.c_part) && isnan(a->with.esr_part))
		snprintf(why, SCRIPT_WHY_MAX,
		         "'with: { c: ..., esr: ... }' is missing: what ages, and how much");
	else
		return true;
	return false;
}

static bool
has_feed(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	const struct topo_node *n = &t->nodes[a->target];
	if (n->p.has_feed)
		return true;
	snprintf(why, SCRIPT_WHY_MAX, "%s: node '%s' has no feed", script_action_name(a->kind),
	         n->id);
	return false;
}

/* A bias wants something that its sensor measures; without a sensor, v and i of the node. */
static bool
has_sensor(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	const struct action_with *w = &a->with;
	struct core_sensor s = { CORE_SENSOR_V, 0 };
	if (a->kind != SCRIPT_BIAS)
		return true;
	bool named = core_sensor_of(a->sensor, &s), temp = named && s.kind == CORE_SENSOR_TEMP;
	bool volts = named && (s.kind == CORE_SENSOR_V || s.kind == CORE_SENSOR_SC_V);
	bool v = !isnan(w->bias_v) && !temp, k = !isnan(w->bias_temp);
	bool amps = !isnan(w->bias_a) || !isnan(w->bias_part);
	if (!named && k) {
		snprintf(why, SCRIPT_WHY_MAX, "bias: 'temp' wants 'sensor: temp'");
		return false;
	}
	if (!named && !v && !amps) {
		snprintf(why, SCRIPT_WHY_MAX,
		         "'with: { v: ..., i: ..., gain: ... }' is missing: what is read");
		return false;
	}
	if (!named)
		return !amps || has_feed(t, a, why);
	if (!(temp ? !k || v || amps : volts ? !v || k || amps : !amps || v || k))
		return true;
	snprintf(why, SCRIPT_WHY_MAX, "bias: sensor '%s' wants %s, and nothing else", w->sensor,
	         temp    ? "'temp'"
	         : volts ? "'v'"
	                 : "'i', 'gain', or both");
	return false;
}

bool
script_sensor(const struct topo *t, struct script_action *a)
{
	bool stuck = a->kind == SCRIPT_STUCK;
	const char *name = a->with.sensor[0] ? a->with.sensor : stuck && !a->ends ? "v" : NULL;
	struct core_sensor s;
	a->sensor = -1;
	if ((a->kind != SCRIPT_BIAS && !stuck) || !name)
		return true;
	if (!sensor_find(t, a->target, name, &s))
		return false;
	a->sensor = core_sensor_chan(s);
	if (s.kind == CORE_SENSOR_TEMP)
		a->with.bias_v = a->with.bias_temp;
	return true;
}

static bool
derates(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	if (isnan(a->with.feed_part) && isnan(a->with.ambient_c)) {
		snprintf(why, SCRIPT_WHY_MAX,
		         "'with: { feed: ..., ambient: ... }' is missing: what is derated");
		return false;
	}
	return isnan(a->with.feed_part) || has_feed(t, a, why);
}

static bool
degrades(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	(void)t;
	for (size_t i = 0; i < ACTION_WORDS; i++)
		if (!isnan(action_word(a->kind, &a->with, a->for_s, i)))
			return true;
	snprintf(why, SCRIPT_WHY_MAX,
	         "degrade: 'with' names nothing that gets worse: loss, delay, jitter, rate or "
	         "burst");
	return false;
}

static bool
has_rate(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	const struct topo_link *l = &t->links[a->target];
	if (l->p.channel.rate_bit_s > 0)
		return true;
	snprintf(why, SCRIPT_WHY_MAX,
	         "flood: the channel of link '%s' has no rate that could be used up; give it one "
	         "in the topology, like channel: { rate: 100Mbit }",
	         l->id);
	return false;
}

bool
script_suits(const struct topo *t, const struct script_action *a, char why[SCRIPT_WHY_MAX])
{
	static bool (*const needs[SCRIPT_KINDS_])(const struct topo *, const struct script_action *,
	                                          char[SCRIPT_WHY_MAX]) = {
		[SCRIPT_AGE] = has_supercap,   [SCRIPT_BIAS] = has_sensor,
		[SCRIPT_BROWNOUT] = has_feed,  [SCRIPT_DEGRADE] = degrades,
		[SCRIPT_DERATE] = derates,     [SCRIPT_FEED_LOSS] = has_feed,
		[SCRIPT_FLOOD] = has_rate,     [SCRIPT_HANG] = has_firmware,
		[SCRIPT_LOAD] = settable,      [SCRIPT_RAMP] = settable,
		[SCRIPT_SAG] = has_feed,       [SCRIPT_SC_OPEN] = has_supercap,
		[SCRIPT_STUCK] = has_sensor,   [SCRIPT_SURGE] = settable,
	};
	return !needs[a->kind] || needs[a->kind](t, a, why);
}
