#include "node_fuse.h"

#include <assert.h>

#include "node_plant.h"

void
node_fuse_init(struct node_fuse *f, const struct link_params *p, double dt_s)
{
	assert(dt_s > 0 && p->fuse_a >= 0);
	assert(!(p->fuse_a > 0) || p->fuse_i2t_a2s > 0);
	*f = (struct node_fuse){
		.i_n_a = p->fuse_a,
		.i_n2_a2 = p->fuse_a * p->fuse_a,
		.i2t_a2s = p->fuse_i2t_a2s,
		.dt_s = dt_s,
	};
}

/* Voltage of the side that the current flows to. */
static double
node_fuse_sink_v(const struct node_fuse_view *v, size_t s, double i)
{
	return i < 0 ? v->vm[s] : v->h[s] + i * (v->zc_ohm - v->r_ohm);
}

size_t
node_fuse_find(const struct node_fuse *f, const struct node_fuse_view *v,
               enum fuse_element *element, double *i_a)
{
	double heat = f->heat_a2s;

	*element = FUSE_NONE;
	for (size_t s = 0; s < v->n && f->i_n_a > 0; s++) {
		double i = v->g_s * (v->vm[s] - v->h[s]);
		heat += (i * i - f->i_n2_a2) * f->dt_s;
		if (heat < 0)
			heat = 0;
		if (i * i > f->i_n2_a2 && node_fuse_sink_v(v, s, i) < NODE_V_UV_V)
			*element = FUSE_FAST;
		else if (heat >= f->i2t_a2s)
			*element = FUSE_I2T;
		if (*element != FUSE_NONE) {
			*i_a = i;
			return s;
		}
	}
	return v->n;
}
