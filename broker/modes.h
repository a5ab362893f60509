/*
 * modes.h - small-signal modes of a mesh: eigenvalues of the plant together with the sampled
 * distributed control.
 *
 * Operating point: common/steady.h with every load at its highest. Continuous states: bus voltages
 * (the whole C_bus), supercapacitors (behind a converter: what it damps with, and their energy), feed
 * currents (tau > 0), link currents (R, L_eff), module inputs that conduct; constant power is a
 * negative conductance P/v^2. Over one control period T_c
 * they go by z' = exp(A T_c) z + integral exp(A s) ds B (dv + di); then the firmware acts
 * (docs/models/control.md) on what its neighbours said a period ago. An eigenvalue q of that map is
 * the pole s = ln(q)/T_c; which branch of the logarithm, when a cable rings above 1/(2 T_c), is
 * told by the mode's own Rayleigh quotient in A. What dies within a period (|q| < MODES_FAST) is
 * below the rounding of the map; such modes are taken from A alone.
 *
 * Left out: what the travelling-wave line differs from its R and L by (dC = T^2/(2 L) is moved from
 * the bus into the line: exact in sum), and the sampling of ports (T_p).
 */
#ifndef VL_MODES_H
#define VL_MODES_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "steady.h"
#include "topo.h"

enum { MODES_TOP = 3, MODES_STATES_MAX = 3000 };
#define MODES_FAST 1e-6
/* Sharing is judged so many control periods after a load step: what was faster is gone. */
#define MODES_SHARING_PERIODS 10
#define MODES_SHARING 0.2

struct mode {
	double damping_per_s; /* negative: grows */
	double freq_hz;       /* 0: no oscillation */
	bool conserved;       /* neither grows nor decays: a sum that the control never changes */
	bool sampled;         /* of the sampled loop; else of the plant alone */
	double sharing; /* part in what is left of unequal sharing MODES_SHARING_PERIODS after a
	                 * load step at the worst bus; 1: the largest part of all */
	size_t n_top;
	size_t top[MODES_TOP]; /* states that take part most */
	double part[MODES_TOP];
};

struct modes {
	const struct topo *topo;
	struct steady *steady;
	double tc_s;
	size_t n_states, n_plant; /* plant states first */
	char (*names)[TOPO_ID_MAX + 8];
	size_t n;
	struct mode *m; /* slowest first, a conjugate pair once; growing ones before all */
	size_t n_growing;
	int sharing; /* the slowest mode with MODES_SHARING of it or more; -1: nothing is shared */
};

/* `topo` must outlive it. ERR_INPUT: no operating point, or too many states. */
int modes_create(const struct topo *, struct modes **ret, struct err *);
void modes_destroy(struct modes **);

#endif
