/*
 * link_conv.h - the converter at an end of a link, settled: what it takes from its bus and gives into
 * the link.
 *
 * Model: docs/models/converter.md, equations (1) to (3) and (10) with all derivatives nothing. With P
 * the set-point into the link, v_in its bus, v_f the far one, R_l the cable:
 *   v_o i = P, v_o = v_f + R_l i
 *   v_o + R I <= v_in:  I = i;  else I (v_in - R I) = P
 *   p_in = P + R I^2 + P_q + v_in (K_sw f |I| + C_oss v_sw f/2)
 * and |i| within the link's limit, I within its own; then P is what they make of it.
 */
#ifndef VL_LINK_CONV_H
#define VL_LINK_CONV_H

#include "topo.h"

/* Neither bus of a link's converter is pushed above or pulled below these. */
#define LINK_CONV_HIGH_V 54.0
#define LINK_CONV_LOW_V 44.0
/* Its power stands for a current down to this voltage. */
#define LINK_CONV_KNEE_V 10.0
/* Off below this bus voltage. */
#define LINK_CONV_OFF_V 36.0

struct link_conv_state {
	double in_w;       /* from its bus; negative: into it */
	double out_v;      /* at its output */
	double inductor_a; /* from the bus to the output */
	double link_a;     /* out of the output into the link */
	bool limited;      /* gives less than its set-point */
};

/* Of the link its cable and its limit. set_w: into the link. `closed`: else the output is at far_v and carries nothing. */
struct link_conv_state link_conv_at(const struct conv_params *, const struct link_params *,
                                    double set_w, bool closed, double in_v, double far_v);

#endif
