#include "sensor_name.h"

#include <stdio.h>
#include <string.h>

static const char *const words[CORE_SENSORS_] = {
	[CORE_SENSOR_V] = "v",       [CORE_SENSOR_FEED] = "i",    [CORE_SENSOR_SC_V] = "sc_v",
	[CORE_SENSOR_TEMP] = "temp", [CORE_SENSOR_LOAD] = "load", [CORE_SENSOR_SC] = "sc",
	[CORE_SENSOR_CONV] = "conv",
};

/* Sensor number `nth` of all that a node could have, counted through kinds and indices. */
static bool
nth_sensor(const struct topo *t, uint32_t node, size_t nth, struct core_sensor *s)
{
	const struct topo_node *n = &t->nodes[node];
	if (nth < CORE_SENSOR_LINK) {
		*s = (struct core_sensor){ (enum core_sensor_kind)nth, 0 };
		return true;
	}
	nth -= CORE_SENSOR_LINK;
	if (nth < 2 * n->n_links) {
		*s = (struct core_sensor){ nth % 2 ? CORE_SENSOR_LINK_CONV : CORE_SENSOR_LINK,
			                   (uint32_t)nth / 2 };
		return true;
	}
	nth -= 2 * n->n_links;
	*s = (struct core_sensor){ CORE_SENSOR_PORT, (uint32_t)nth };
	return nth < n->n_ports;
}

static bool
there_is(const struct topo *t, uint32_t node, const struct core_sensor *s)
{
	const struct topo_node *n = &t->nodes[node];
	switch (s->kind) {
	case CORE_SENSOR_V:
	case CORE_SENSOR_TEMP:
		return true;
	case CORE_SENSOR_FEED:
		return n->p.has_feed;
	case CORE_SENSOR_SC_V:
		return n->p.has_store;
	case CORE_SENSOR_SC:
		return n->p.sensors_realistic && (n->p.has_sc || n->p.has_store);
	case CORE_SENSOR_CONV:
		return n->p.sensors_realistic && n->p.has_conv;
	case CORE_SENSOR_LINK_CONV: {
		const struct topo_link *l = &t->links[n->links[s->index]];
		return n->p.sensors_realistic && l->has_conv && l->conv.node == node;
	}
	default:
		return n->p.sensors_realistic;
	}
}

char *
sensor_text(const struct topo *t, uint32_t node, struct core_sensor s, char buf[SENSOR_NAME_MAX])
{
	const struct topo_node *n = &t->nodes[node];
	const bool port = s.kind == CORE_SENSOR_PORT;
	if (s.kind < CORE_SENSOR_LINK)
		snprintf(buf, SENSOR_NAME_MAX, "%s", words[s.kind]);
	else if (port ? s.index >= n->n_ports : s.index >= n->n_links)
		snprintf(buf, SENSOR_NAME_MAX, "unknown");
	else if (port)
		snprintf(buf, SENSOR_NAME_MAX, "port.%s",
		         t->modules[t->ports[n->ports[s.index]].module].id);
	else
		snprintf(buf, SENSOR_NAME_MAX, "link.%s%s", t->links[n->links[s.index]].id,
		         s.kind == CORE_SENSOR_LINK_CONV ? ".conv" : "");
	return buf;
}

size_t
sensor_names(const struct topo *t, uint32_t node, char (*ret)[SENSOR_NAME_MAX])
{
	struct core_sensor s;
	size_t n = 0;
	for (size_t i = 0; nth_sensor(t, node, i, &s) && n < SENSOR_NAMES_MAX; i++)
		if (there_is(t, node, &s))
			sensor_text(t, node, s, ret[n++]);
	return n;
}

bool
sensor_find(const struct topo *t, uint32_t node, const char *name, struct core_sensor *ret)
{
	char text[SENSOR_NAME_MAX];
	struct core_sensor s;
	for (size_t i = 0; nth_sensor(t, node, i, &s); i++)
		if (there_is(t, node, &s) && !strcmp(sensor_text(t, node, s, text), name)) {
			*ret = s;
			return true;
		}
	return false;
}
