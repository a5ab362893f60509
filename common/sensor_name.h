/*
 * sensor_name.h - names of the sensors of a node, for faults of sensors.
 *
 *   v, i        bus voltage, feed current
 *   sc_v, temp  terminal voltage of a supercapacitor behind a converter; temperature
 *   load, sc, conv, link.<id>, link.<id>.conv, port.<module>
 *               current of a terminal out of the bus: built-in load, supercapacitor (or its
 *               converter), input of the node's own converter, a link, input of a link's converter,
 *               a port; only with `sensors: realistic`, else nothing is measured there
 */
#ifndef VL_SENSOR_NAME_H
#define VL_SENSOR_NAME_H

#include <stddef.h>

#include "core.h"
#include "topo.h"

#define SENSOR_NAME_MAX (TOPO_ID_MAX + 16)

/* Sensors that node `node` has at most; all their names. Returns how many. */
enum { SENSOR_NAMES_MAX = 8 + 2 * TOPO_DEGREE_MAX + TOPO_PORTS_MAX };
size_t sensor_names(const struct topo *, uint32_t node, char (*ret)[SENSOR_NAME_MAX]);
/* False: it has none of this name. */
bool sensor_find(const struct topo *, uint32_t node, const char *name, struct core_sensor *ret);
/* Returns buf. */
char *sensor_text(const struct topo *, uint32_t node, struct core_sensor,
                  char buf[SENSOR_NAME_MAX]);

#endif
