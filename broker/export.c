#include "export.h"

#include <inttypes.h>
#include <string.h>

#include "signals.h"

void
export_time(int64_t ns, char buf[EXPORT_TIME_MAX])
{
	const int64_t s_ns = 1000000000;
	uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	snprintf(buf, EXPORT_TIME_MAX, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "",
	         u / (uint64_t)s_ns, u % (uint64_t)s_ns);
	char *end = buf + strlen(buf);
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
}

static void
put_row(FILE *out, struct signal_list *l, int64_t k, int64_t t_ns)
{
	char t[EXPORT_TIME_MAX];
	export_time(t_ns, t);
	fputs(t, out);
	for (size_t i = 0; i < signal_count(l); i++) {
		double x;
		fputc(',', out);
		if (signal_at(l, i, k, &x))
			fprintf(out, "%.9g", x == 0 ? 0 : x); /* no "-0" */
	}
	fputc('\n', out);
}

int
export_csv(const struct runview *view, const struct export_params *p, FILE *out, struct err *err)
{
	const int64_t step_ns = runview_topo(view)->step_ns, last_k = runview_last_k(view);
	int64_t every = p->every_ns ? p->every_ns / step_ns : 1;
	if (p->every_ns < 0 || p->every_ns % step_ns)
		return err_set(err, ERR_USAGE,
		               "interval of %" PRId64 " ns: not a multiple of the step, %" PRId64
		               " ns",
		               p->every_ns, step_ns);
	struct signal_list *l = NULL;
	int rc = signal_select(view, p->signals, &l, err);
	if (rc)
		return rc;
	if (!signal_count(l)) {
		rc = err_set(err, ERR_NOTFOUND, "signals '%s': this mesh has none of these",
		             p->signals);
		goto out;
	}
	fputs("t_s", out);
	for (size_t i = 0; i < signal_count(l); i++)
		fprintf(out, ",%s", signal_name(l, i));
	fputc('\n', out);
	int64_t from = p->from_ns > 0 ? (p->from_ns + step_ns - 1) / step_ns : 0;
	int64_t to = p->to_ns >= 0 && p->to_ns / step_ns < last_k ? p->to_ns / step_ns : last_k;
	from = (from + every - 1) / every * every;
	for (int64_t k = from; k <= to && !ferror(out); k += every)
		put_row(out, l, k, k * step_ns);
	if (fflush(out) || ferror(out))
		rc = err_sys(err, ERR_IO, "cannot write samples");
out:
	signal_destroy(&l);
	return rc;
}
