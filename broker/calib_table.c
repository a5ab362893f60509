#include "calib_table.h"

#include <math.h>

struct calib_row {
	double rank, unknowns, sigma, feed;
	bool observable;
};

static double
calib_row_value(const struct runview *v, size_t node, const char *field)
{
	size_t lives = runview_n_lives(v, node);
	int index = lives ? runview_field(v, node, field) : -1;
	double x;

	/* A dead node's last word is that of its last frame. */
	for (int64_t k = runview_last_k(v); index >= 0 && k >= 0; k--)
		if (runview_value(v, node, index, k, &x))
			return x;
	return NAN;
}

/* false: the node does not calibrate. */
static bool
calib_row_of(const struct runview *v, size_t node, struct calib_row *r)
{
	if (!runview_topo(v)->nodes[node].p.calibrates)
		return false;
	r->rank = calib_row_value(v, node, "calib_rank");
	r->unknowns = calib_row_value(v, node, "calib_unknowns");
	r->sigma = calib_row_value(v, node, "calib_sigma");
	r->feed = calib_row_value(v, node, "calib_feed");
	r->observable = r->unknowns > 0 && r->rank >= r->unknowns;
	return true;
}

void
calib_table_print(FILE *f, const struct runview *v)
{
	const struct topo *t = runview_topo(v);
	struct calib_row r;
	bool head = false;

	for (size_t i = 0; i < t->n_nodes; i++) {
		if (!calib_row_of(v, i, &r))
			continue;
		if (!head)
			fprintf(f, "\n%-14s %11s %9s %11s\n", "calibration", "rank", "sigma %",
			        "feed 1/g");
		head = true;
		fprintf(f, "%-14s %6.0f of %1.0f %9.3f ", t->nodes[i].id, r.rank, r.unknowns,
		        100 * r.sigma);
		if (t->nodes[i].p.has_feed)
			fprintf(f, "%11.5f", r.feed);
		else
			fprintf(f, "%11s", "-");
		fprintf(f, "%s\n", r.observable ? "" : "  not observable");
	}
}

void
calib_table_json(struct json_out *j, const struct runview *v)
{
	const struct topo *t = runview_topo(v);
	struct calib_row r;
	bool head = false;

	for (size_t i = 0; i < t->n_nodes; i++) {
		if (!calib_row_of(v, i, &r))
			continue;
		if (!head)
			json_out_array(j, "calibration");
		head = true;
		json_out_object(j, NULL);
		json_out_text(j, "id", t->nodes[i].id);
		json_out_real(j, "rank", r.rank);
		json_out_real(j, "unknowns", r.unknowns);
		json_out_bool(j, "observable", r.observable);
		json_out_real(j, "sigma", r.sigma);
		if (t->nodes[i].p.has_feed)
			json_out_real(j, "feed", r.feed);
		json_out_end(j);
	}
	if (head)
		json_out_end(j);
}
