/*
 * module_class.h - what hangs behind a module's input, one row per class.
 *
 * A class turns time and input voltage into a demand: a constant power and a conductance for the
 * next sub-step. Classes whose load hangs on the input itself have that as their rail. A new class
 * is one file and one row of module_classes[].
 */
#ifndef VL_MODULE_CLASS_H
#define VL_MODULE_CLASS_H

#include "module_cpu.h"
#include "pwl.h"
#include "surge.h"
#include "topo.h"

enum module_phase { PHASE_COMPUTE, PHASE_MEMORY, PHASE_IDLE, PHASE_END_ };

struct module_load {
	/* results for the sub-step at hand */
	double p_w, g_s; /* drawn from the input */
	double useful;   /* part of p_w that is useful, the rest is loss */
	double demand_w; /* what it would take if it were served */
	bool rail_ok;    /* the rail is within its limits */
	double rail_v, rail_a;
	/* slow results */
	uint32_t phase;
	double temp_c, throughput, errors;
	/* classes */
	double level_w[TOPO_SUBSTEPS_MAX];
	struct pwl_track track;
	struct surge surge;
	struct module_cpu cpu;
};

struct module_class_ops {
	const char *name;
	bool at_input; /* rail = input; served by input voltage */
	void (*init)(struct module_load *, const struct module_params *, double dt_s,
	             bool restarted);
	/* Before the sub-steps of a step that begins at t_ns. */
	void (*begin)(struct module_load *, const struct module_params *, int64_t t_ns, double dt_s,
	              size_t n);
	/* Before sub-step s, input at v_in. */
	void (*demand)(struct module_load *, const struct module_params *, double v_in_v, size_t s);
	/* It was off and is switched on again; NULL: nothing to do. */
	void (*restart)(struct module_load *);
	/* CMD_LOAD, CMD_SURGE, CMD_UNSURGE; NULL: its load is not set from outside. */
	void (*command)(struct module_load *, const struct core_cmd *, int64_t step_ns);
	/* A reference for the rail from the owner; NULL: the class has none. */
	void (*reference)(struct module_load *, double v_ref_v);
	/* Its firmware stops, or begins again; and is reset meanwhile. NULL: the class has none. */
	void (*hang)(struct module_load *, bool hung);
	void (*reset)(struct module_load *, const struct module_params *);
};

/* NULL for an unknown class. */
const struct module_class_ops *module_class_of(enum module_class);

#endif
