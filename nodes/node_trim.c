#include "node_trim.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "node_calib.h"
#include "slice.h"

#define ADC_STEPS 4096.0 /* 12 bits */
#define BUS_RANGE_V 64.0
/* Noise of so many steps of a converter makes its rounding as good as random. */
#define DITHER_LSB 0.3

const struct node_trim_field node_trim_fields[NODE_TRIM_FIELDS] = {
	{ "calib_rank", "1" },  { "calib_unknowns", "1" },   { "calib_feed", "1" },
	{ "calib_sigma", "1" }, { "calib_excitation", "1" },
};

struct node_trim {
	struct node_calib *calib;
	size_t n; /* terminals */
	size_t feed;
	double *mean_a;
	bool told, observable; /* the last event */
};

/* One reading: noise and rounding. Without noise rounding does not average out; a whole step then
 * stands for the error of a mean. */
static double
node_trim_noise(double lsb, double noise_lsb, double readings)
{
	double rounding = noise_lsb < DITHER_LSB ? readings : 1;

	return lsb * sqrt(noise_lsb * noise_lsb + rounding / 12);
}

/* Largest offset that zeroing leaves: that of a uniform one with the error of the mean. */
static double
node_trim_offset(const struct sensor_params *e, double lsb, double refresh_s)
{
	double n = floor((double)e->zero_ns * 1e-9 / refresh_s + 1e-9), left_a;

	if (!(n >= 1))
		return e->i_offset_a;
	left_a = sqrt(3 / n) * node_trim_noise(lsb, e->noise_lsb, n);
	return left_a < e->i_offset_a ? left_a : e->i_offset_a;
}

static void
node_trim_params(const struct slice *s, const struct node_sense *sense, struct calib_params *p)
{
	const struct sensor_params *e = &s->node.sensor;

	p->refresh_s = (double)e->refresh_ns * 1e-9;
	if (e->refresh_ns < s->step_ns)
		p->refresh_s = (double)s->step_ns * 1e-9;
	double readings = CALIB_WINDOW_S / p->refresh_s;
	/* What is exact needs no calibration, but the estimator needs some room. */
	p->i_gain = e->i_gain > 1e-4 ? e->i_gain : 1e-4;
	p->i_offset_a = node_trim_offset(e, 2 * e->i_range_a / ADC_STEPS, p->refresh_s);
	p->i_noise_a = node_trim_noise(2 * e->i_range_a / ADC_STEPS, e->noise_lsb, readings);
	p->v_noise_v = node_trim_noise(BUS_RANGE_V / ADC_STEPS, e->noise_lsb, 1);
	p->c_bus_f = s->node.c_bus_f;
	p->tc_s = sense->tc_s;
	p->period_k = sense->period_k;
	p->excited = CALIB_EXCITED;
	p->keep = CALIB_KEEP;
	p->n = sense->n;
	p->feed = sense->n;
}

int
node_trim_create(const struct slice *s, const struct node_sense *sense, size_t n_links,
                 struct node_trim **ret, struct err *err)
{
	bool on_bus[TOPO_DEGREE_MAX * 2 + TOPO_PORTS_MAX + 4];
	size_t of_link[TOPO_DEGREE_MAX];
	struct calib_params p = { .n_links = n_links,
		                  .on_bus = on_bus,
		                  .terminal_of_link = of_link };

	*ret = NULL;
	if (!s->node.calibrates || sense->n == 0)
		return 0;
	assert(sense->n <= sizeof on_bus / sizeof *on_bus);
	node_trim_params(s, sense, &p);
	for (size_t i = 0; i < sense->n; i++) {
		const struct node_terminal *t = &sense->terminals[i];
		on_bus[i] = t->on_bus;
		if (t->kind == TERMINAL_LINK)
			of_link[t->index] = i;
		else if (t->kind == TERMINAL_FEED)
			p.feed = i;
	}
	struct node_trim *t = calloc(1, sizeof *t);
	if (t)
		t->mean_a = calloc(sense->n, sizeof *t->mean_a);
	int rc = t && t->mean_a ? node_calib_create(&p, &t->calib, err)
	                        : err_set(err, ERR_NOMEM, "calibration: out of memory");
	if (rc < 0) {
		node_trim_destroy(&t);
		return rc;
	}
	t->n = sense->n;
	t->feed = p.feed;
	*ret = t;
	return 0;
}

void
node_trim_destroy(struct node_trim **pt)
{
	struct node_trim *t = *pt;

	if (!t)
		return;
	node_calib_destroy(&t->calib);
	free(t->mean_a);
	free(t);
	*pt = NULL;
}

void
node_trim_step(struct node_trim *t, int64_t k, const struct node_sense *sense,
               struct core_events *ev)
{
	struct calib_report r;

	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		t->mean_a[i] = node_sensor_current(sense, i);
	node_calib_period(t->calib, k, t->mean_a, sense->slope_v_s);
	node_calib_agree(t->calib);
	node_calib_report(t->calib, &r);
	if (r.windows == 0 || (t->told && t->observable == r.observable))
		return;
	t->told = true;
	t->observable = r.observable;
	core_event_add(ev, k, EV_CALIBRATION, -1, r.observable, (double)r.rank, (double)r.unknowns,
	               r.sigma);
}

void
node_trim_hear(struct node_trim *t, size_t l, const struct wave *w)
{
	if (t && w->has_calib)
		node_calib_hear(t->calib, l,
		                &(struct calib_word){ .window = w->cal_window,
		                                      .i_a = w->cal_i_a,
		                                      .e = w->cal_e });
}

void
node_trim_forget(struct node_trim *t, size_t l)
{
	if (t)
		node_calib_forget(t->calib, l, false);
}

void
node_trim_reborn(struct node_trim *t, size_t l)
{
	if (t)
		node_calib_forget(t->calib, l, true);
}

void
node_trim_say(const struct node_trim *t, size_t l, struct wave *w)
{
	struct calib_word word;

	if (!t)
		return;
	node_calib_say(t->calib, l, &word);
	w->has_calib = true;
	w->cal_window = word.window;
	w->cal_i_a = word.i_a;
	w->cal_e = word.e;
}

double
node_trim_feed(const struct node_trim *t)
{
	return t && t->feed < t->n ? node_calib_factor(t->calib, t->feed) : 1;
}

void
node_trim_frame(const struct node_trim *t, double values[NODE_TRIM_FIELDS])
{
	struct calib_report r;

	node_calib_report(t->calib, &r);
	values[0] = (double)r.rank;
	values[1] = (double)r.unknowns;
	values[2] = r.feed;
	values[3] = r.sigma;
	values[4] = r.excitation;
}
