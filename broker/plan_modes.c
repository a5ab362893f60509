#include "plan_modes.h"

#include <math.h>

#include "json_out.h"
#include "modes.h"

/* A table for people ends here; JSON has all. */
enum { PRINT_MAX = 40 };

static int
written(FILE *f, struct err *err)
{
	return ferror(f) ? err_set(err, ERR_IO, "cannot write the plan") : 0;
}

static const char *
time_text(double s, char *buf, size_t size)
{
	if (!isfinite(s))
		snprintf(buf, size, "-");
	else if (s >= 1)
		snprintf(buf, size, "%.3g s", s);
	else if (s >= 1e-3)
		snprintf(buf, size, "%.3g ms", s * 1e3);
	else
		snprintf(buf, size, "%.3g us", s * 1e6);
	return buf;
}

/* Damping over the distance from the origin: 1 for no oscillation. */
static double
damping_ratio(const struct mode *m)
{
	double w = 2 * M_PI * m->freq_hz;
	return m->damping_per_s / hypot(m->damping_per_s, w);
}

static void
print_mode(const struct modes *r, const struct mode *m, FILE *f)
{
	char time[32];
	if (m->conserved)
		fprintf(f, "%11s %11s %10s %7s  ", "conserved", "-", "-", "-");
	else
		fprintf(f, "%11.5g %11.5g %10s %7.3f  ", m->damping_per_s, m->freq_hz,
		        time_text(1 / fabs(m->damping_per_s), time, sizeof time), damping_ratio(m));
	for (size_t i = 0; i < m->n_top && m->part[i] >= 0.05; i++)
		fprintf(f, "%s%s %.0f %%", i ? ", " : "", r->names[m->top[i]], 100 * m->part[i]);
	fprintf(f, "%s\n", m->sampled ? "" : "  (plant)");
}

static void
print_verdict(const struct modes *r, FILE *f)
{
	char time[32];
	const struct mode *slow = NULL, *ring = NULL;
	for (size_t i = 0; i < r->n; i++) {
		const struct mode *m = &r->m[i];
		if (m->conserved)
			continue;
		if (!slow)
			slow = m;
		/* At half the sampling rate firmware alternates; nothing rings. */
		bool alternates = m->sampled && fabs(2 * m->freq_hz * r->tc_s - 1) < 1e-9;
		if (m->freq_hz > 0 && !alternates &&
		    (!ring || damping_ratio(m) < damping_ratio(ring)))
			ring = m;
	}
	if (r->n_growing)
		fprintf(f, "\nUNSTABLE: %zu mode%s grow%s\n", r->n_growing,
		        r->n_growing == 1 ? "" : "s", r->n_growing == 1 ? "s" : "");
	else if (slow)
		fprintf(f, "\nstable; slowest mode %s\n",
		        time_text(1 / slow->damping_per_s, time, sizeof time));
	if (ring)
		fprintf(f, "least damped: %.4g Hz, ratio %.3f\n", ring->freq_hz,
		        damping_ratio(ring));
	if (r->sharing >= 0)
		fprintf(f, "sharing of current settles with %.4g 1/s (%s)\n",
		        r->m[r->sharing].damping_per_s,
		        time_text(1 / r->m[r->sharing].damping_per_s, time, sizeof time));
}

int
plan_modes_print(const struct topo *t, FILE *f, struct err *err)
{
	struct modes *r = NULL;
	int rc = modes_create(t, &r, err);
	if (rc)
		return rc;
	fprintf(f,
	        "%s: %zu states (%zu of the plant, %zu of the control, sampled every %g ms), every "
	        "load at its highest%s\n\n",
	        t->name, r->n_states, r->n_plant, r->n_states - r->n_plant, r->tc_s * 1e3,
	        r->steady->plain ? ", voltages as by droop alone" : "");
	fprintf(f, "%11s %11s %10s %7s  %s\n", "damping 1/s", "freq Hz", "time", "ratio",
	        "states that take part");
	for (size_t i = 0; i < r->n && i < PRINT_MAX; i++)
		print_mode(r, &r->m[i], f);
	if (r->n > PRINT_MAX)
		fprintf(f, "and %zu faster ones (--json has all)\n", r->n - PRINT_MAX);
	print_verdict(r, f);
	modes_destroy(&r);
	return written(f, err);
}

int
plan_modes_json(const struct topo *t, FILE *f, struct err *err)
{
	struct modes *r = NULL;
	struct json_out j;
	int rc = modes_create(t, &r, err);
	if (rc)
		return rc;
	json_out_init(&j, f);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", t->name);
	json_out_real(&j, "control_period_s", r->tc_s);
	json_out_int(&j, "states", (int64_t)r->n_states);
	json_out_bool(&j, "stable", r->n_growing == 0);
	json_out_real(&j, "sharing_damping_per_s",
	              r->sharing >= 0 ? r->m[r->sharing].damping_per_s : NAN);
	json_out_array(&j, "modes");
	for (size_t i = 0; i < r->n; i++) {
		const struct mode *m = &r->m[i];
		json_out_object(&j, NULL);
		json_out_real(&j, "damping_per_s", m->damping_per_s);
		json_out_real(&j, "freq_hz", m->freq_hz);
		json_out_bool(&j, "conserved", m->conserved);
		json_out_bool(&j, "sampled", m->sampled);
		json_out_real(&j, "sharing", m->sharing);
		json_out_array(&j, "states");
		for (size_t k = 0; k < m->n_top; k++) {
			json_out_object(&j, NULL);
			json_out_text(&j, "id", r->names[m->top[k]]);
			json_out_real(&j, "part", m->part[k]);
			json_out_end(&j);
		}
		json_out_end(&j);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_end(&j);
	modes_destroy(&r);
	return written(f, err);
}
