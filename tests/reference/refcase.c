#include "refcase.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_tree.h"
#include "tests/support/small_mesh.h"

static _Noreturn void
die(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	abort();
}

static int64_t
to_ns(double s)
{
	return (int64_t)llround(s * 1e9);
}

static void
read_load(struct pwl *to, const struct json *load)
{
	to->n = json_len(load);
	to->p = calloc(to->n + 1, sizeof *to->p);
	for (size_t i = 0; i < to->n; i++) {
		const struct json *row = json_at(load, i);
		to->p[i] = (struct pwl_point){ .at_ns = to_ns(json_at(row, 0)->num),
			                       .level = json_at(row, 1)->num,
			                       .ramp_ns = to_ns(json_at(row, 2)->num) };
	}
}

static void
read_conv(struct node_params *p, const struct json *j)
{
	p->has_conv = j != NULL;
	if (!j)
		return;
	p->conv = (struct conv_params){ .l_h = json_num(j, "L", 0),
		                        .r_ohm = json_num(j, "R", 0),
		                        .c_out_f = json_num(j, "Co", 0),
		                        .v_ref_v = json_num(j, "vref", 0),
		                        .kp = json_num(j, "kp", 0),
		                        .ki = json_num(j, "ki", 0),
		                        .kc = json_num(j, "kc", 0),
		                        .p_fixed_w = json_num(j, "Pq", 0),
		                        .i_lim_a = json_num(j, "ilim", 0),
		                        .k_sw_s = json_num(j, "Ksw", 0),
		                        .c_oss_f = json_num(j, "Coss", 0),
		                        .f_sw_hz = json_num(j, "fsw", 200e3) };
	p->conv.load_a = (struct pwl){ 0 };
	if (json_get(j, "iload"))
		read_load(&p->conv.load_a, json_get(j, "iload"));
}

static void
read_store(struct node_params *p, const struct json *j)
{
	struct node_params of;

	p->has_store = j != NULL;
	if (!j)
		return;
	read_conv(&of, j);
	p->store = (struct store_params){ .c_f = json_num(j, "Csc", 0),
		                          .esr_ohm = json_num(j, "Rsc", 0),
		                          .conv = of.conv,
		                          .v_min_v = json_num(j, "vmin", 0),
		                          .v_max_v = json_num(j, "vmax", 0),
		                          .target = json_num(j, "target", 0),
		                          .v_init_v = json_num(j, "v0", 0),
		                          .p_max_w = json_num(j, "pmax", 0),
		                          .restore_w = json_num(j, "restore", 0),
		                          .smooth_s = json_num(j, "smooth", 0),
		                          .hold_v = json_num(j, "hold", 0),
		                          .damp_s = json_num(j, "damp", 0) };
}

static void
read_node(struct topo_node *n, size_t i, const struct json *j, double v_init)
{
	const struct json *f = json_get(j, "feed");

	snprintf(n->id, sizeof n->id, "n%zu", i);
	n->p = (struct node_params){
		.v_init_v = json_num(j, "v0", v_init),
		.c_bus_f = json_num(j, "C", 0),
		.has_sc = json_get(j, "Csc") && json_get(j, "Csc")->num > 0,
		.c_sc_f = json_num(j, "Csc", 0),
		.r_sc_ohm = json_num(j, "Rsc", 0),
		.has_feed = f != NULL,
		.control = CONTROL_NONE,
		.v_nom_v = 48,
		SMALL_MESH_HARDWARE,
	};
	if (f)
		n->p.feed = (struct feed_params){
			.v0_v = json_num(f, "V0", 0),
			.r_d_ohm = json_num(f, "Rd", 0),
			.i_max_a = json_num(f, "Imax", 0),
			.i_rated_a = json_num(f, "Imax", 0) / 1.25,
			.tau_s = json_num(f, "tau", 0),
		};
	read_load(&n->p.load_w, json_get(j, "load"));
	read_conv(&n->p, json_get(j, "conv"));
	read_store(&n->p, json_get(j, "store"));
}

/* Of end a. */
static void
read_link_conv(struct topo_link *l, const struct json *j)
{
	struct node_params p;

	l->has_conv = j != NULL;
	if (!j)
		return;
	read_conv(&p, j);
	l->conv = (struct link_conv_params){ .node = l->a, .conv = p.conv };
	l->conv.conv.load_a = (struct pwl){ 0 };
	read_load(&l->conv.power_w, json_get(j, "power"));
}

static void
read_links(struct topo *t, const struct json *links)
{
	t->n_links = json_len(links);
	t->links = calloc(t->n_links + 1, sizeof *t->links);
	for (size_t i = 0; i < t->n_links; i++) {
		const struct json *j = json_at(links, i);
		struct topo_link *l = &t->links[i];
		snprintf(l->id, sizeof l->id, "l%zu", i);
		l->a = (uint32_t)json_num(j, "a", 0);
		l->b = (uint32_t)json_num(j, "b", 0);
		l->p = (struct link_params){ .r_ohm = json_num(j, "R", 0),
			                     .l_h = json_num(j, "L", 0),
			                     .l_eff_h = json_num(j, "L", 0),
			                     .fuse_a = json_num(j, "fuse", 0),
			                     .fuse_i2t_a2s = pow(json_num(j, "fuse", 0), 2),
			                     .precharge_ohm = 0.5,
			                     .open = json_num(j, "open", 0) != 0 };
		read_link_conv(l, json_get(j, "conv"));
		for (int end = 0; end < 2; end++) {
			struct topo_node *n = &t->nodes[end == 0 ? l->a : l->b];
			n->links[n->n_links++] = (uint32_t)i;
		}
	}
}

static void
read_modules(struct topo *t, const struct json *modules)
{
	t->n_modules = json_len(modules);
	t->modules = calloc(t->n_modules + 1, sizeof *t->modules);
	t->ports = calloc(2 * t->n_modules + 1, sizeof *t->ports);
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct json *j = json_at(modules, i), *in = json_get(j, "inputs");
		struct topo_module *m = &t->modules[i];
		snprintf(m->id, sizeof m->id, "m%zu", i);
		m->n_feeds = json_len(in);
		m->p = (struct module_params){ .class = MODULE_FIXED,
			                       .c_in_f = json_num(j, "C_in", 0),
.v_uv_v = 36,
			                       .r_port_ohm = json_num(j, "R_port", 0),
			                       .n_turns = 4,
			                       .v_ref_v = NAN,
			                       .plugged = true };
		read_load(&m->p.load_w, json_get(j, "load"));
		for (size_t f = 0; f < m->n_feeds; f++) {
			struct topo_port *p = &t->ports[t->n_ports];
			struct topo_node *n;
			m->feeds[f] = (uint32_t)json_at(in, f)->num;
			n = &t->nodes[m->feeds[f]];
			snprintf(p->id, sizeof p->id, "%s.%s", m->id, n->id);
			p->module = (uint32_t)i;
			p->node = m->feeds[f];
			p->input = (uint32_t)f;
			m->ports[f] = (uint32_t)t->n_ports;
			n->ports[n->n_ports++] = (uint32_t)t->n_ports++;
		}
	}
}

static void
read_events(struct refcase *r, const struct json *events)
{
	r->n_events = json_len(events);
	if (r->n_events > REFCASE_EVENTS_MAX)
		die(r->name, "too many events");
	for (size_t i = 0; i < r->n_events; i++) {
		const struct json *j = json_at(events, i);
		struct refcase_event *e = &r->events[i];
		snprintf(e->kind, sizeof e->kind, "%s", json_at(j, 0)->text);
		e->index = (uint32_t)json_at(j, 1)->num;
		e->at_s = json_at(j, 2)->num;
		for (size_t a = 0; a < 3; a++)
			e->arg[a] = json_at(j, 3 + a) ? json_at(j, 3 + a)->num : NAN;
	}
}

static void
read_closings(struct refcase *r, const struct json *closings)
{
	r->n_closings = json_len(closings);
	if (r->n_closings > REFCASE_EVENTS_MAX)
		die(r->name, "too many closings");
	for (size_t i = 0; i < r->n_closings; i++) {
		const struct json *j = json_at(closings, i);
		r->closings[i] = (struct refcase_closing){
			.link = (uint32_t)json_at(j, 0)->num,
			.at_k = to_ns(json_at(j, 1)->num) / r->topo.step_ns,
			.bypass_k = to_ns(json_at(j, 3)->num) / r->topo.step_ns,
		};
	}
}

static void
read_csv(struct refcase *r, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096], *save;
	size_t cap = 0;

	if (!f || !fgets(line, sizeof line, f))
		die(path, "cannot be read");
	r->cols = calloc(128, sizeof *r->cols);
	for (char *w = strtok_r(line, ",\n", &save); w; w = strtok_r(NULL, ",\n", &save))
		snprintf(r->cols[r->n_cols++], sizeof r->cols[0], "%s", w);
	while (fgets(line, sizeof line, f)) {
		size_t c = 0;
		if (r->n_rows == cap) {
			cap = cap ? 2 * cap : 256;
			r->cells = realloc(r->cells, cap * r->n_cols * sizeof *r->cells);
		}
		for (char *w = strtok_r(line, ",\n", &save); w; w = strtok_r(NULL, ",\n", &save))
			r->cells[r->n_rows * r->n_cols + c++] = strtod(w, NULL);
		if (c != r->n_cols)
			die(path, "a row has another number of cells");
		r->n_rows++;
	}
	fclose(f);
}

struct refcase *
refcase_read(const char *dir, const char *name, double step_s, uint32_t substeps)
{
	struct refcase *r = calloc(1, sizeof *r);
	char path[512];

	snprintf(r->name, sizeof r->name, "%s", name);
	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	struct json *j = json_read(path);
	struct topo *t = &r->topo;
	snprintf(t->name, sizeof t->name, "ref");
	t->step_ns = to_ns(step_s);
	t->substeps = substeps;
	t->port_period = 1;
	t->nominal_v = 48;
	r->tend_s = json_num(j, "tend", 0);
	const struct json *nodes = json_get(j, "nodes");
	t->n_nodes = json_len(nodes);
	t->nodes = calloc(t->n_nodes + 1, sizeof *t->nodes);
	for (size_t i = 0; i < t->n_nodes; i++)
		read_node(&t->nodes[i], i, json_at(nodes, i), json_num(j, "v_init_default", 48));
	read_links(t, json_get(j, "links"));
	read_modules(t, json_get(j, "modules"));
	read_events(r, json_get(j, "events"));
	read_closings(r, json_get(j, "closings"));
	r->from_s = -INFINITY;
	r->to_s = INFINITY;
	json_free(j);
	snprintf(path, sizeof path, "%s/%s.csv", dir, name);
	read_csv(r, path);
	return r;
}

void
refcase_destroy(struct refcase **pr)
{
	struct refcase *r = *pr;

	if (!r)
		return;
	for (size_t i = 0; i < r->topo.n_nodes; i++) {
		free(r->topo.nodes[i].p.load_w.p);
		free(r->topo.nodes[i].p.conv.load_a.p);
	}
	for (size_t i = 0; i < r->topo.n_links; i++)
		free(r->topo.links[i].conv.power_w.p);
	for (size_t i = 0; i < r->topo.n_modules; i++)
		free(r->topo.modules[i].p.load_w.p);
	free(r->topo.nodes);
	free(r->topo.links);
	free(r->topo.modules);
	free(r->topo.ports);
	free(r->cols);
	free(r->cells);
	free(r);
	*pr = NULL;
}

double
refcase_cell(const struct refcase *r, size_t row, size_t col)
{
	return r->cells[row * r->n_cols + col];
}

void
refcase_script(const struct refcase *r, struct solver_loop *l)
{
	for (size_t i = 0; i < r->n_events; i++) {
		const struct refcase_event *e = &r->events[i];
		int64_t k = to_ns(e->at_s) / r->topo.step_ns;
		struct core_cmd cmd = { .chan = -1, .a = e->arg[0], .b = NAN, .c = NAN };

		if (strcmp(e->kind, "cut") == 0) {
			cmd.kind = CMD_CUT;
			solver_loop_link_command(l, e->index, k, cmd, 0);
		} else if (strcmp(e->kind, "close") == 0) {
			cmd.kind = CMD_CLOSE;
			cmd.b = e->arg[2];
			solver_loop_link_command(l, e->index, k, cmd, e->arg[1] == 0 ? 1 : 2);
		} else if (strcmp(e->kind, "short") == 0) {
			cmd.kind = CMD_SHORT;
			cmd.b = e->arg[1];
			solver_loop_command(l, e->index, k, cmd);
		} else if (strcmp(e->kind, "kill") == 0) {
			solver_loop_kill(l, e->index, k);
		} else if (strcmp(e->kind, "start") == 0) {
			solver_loop_start(l, e->index, k);
		} else if (strcmp(e->kind, "heal") == 0) {
			cmd = (struct core_cmd){
				.kind = CMD_HEAL, .chan = -1, .a = NAN, .b = NAN, .c = NAN
			};
			solver_loop_link_command(l, e->index, k, cmd, 0);
		} else {
			die(r->name, "unknown event");
		}
	}
}

/* ---- comparison ---------------------------------------------------------------------------- */

static double
column_value(struct solver_loop *l, const struct topo *t, const char *col,
             struct refcase_result *res, struct refcase_error **group, int32_t *link)
{
	unsigned a, b;
	char name[80];

	*link = -1;
	if (sscanf(col, "vin%u", &a) == 1) {
		*group = &res->vin;
		return solver_loop_get(l, (uint32_t)t->n_nodes + a, "v_in");
	}
	if (sscanf(col, "vo%u", &a) == 1) {
		*group = &res->vo;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "conv_vo") : NAN;
	}
	if (sscanf(col, "vc%u", &a) == 1 || sscanf(col, "ic%u", &a) == 1) {
		uint32_t node = t->links[a].conv.node;
		bool is_v = col[0] == 'v';
		*group = is_v ? &res->vo : &res->il;
		snprintf(name, sizeof name, "link.l%u.%s", a, is_v ? "conv_vo" : "conv_i");
		return solver_loop_alive(l, node) ? solver_loop_get(l, node, name) : NAN;
	}
	if (sscanf(col, "vs%u", &a) == 1) {
		*group = &res->vo;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "v_sc") : NAN;
	}
	if (sscanf(col, "is%u", &a) == 1) {
		*group = &res->il;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "sc_i") : NAN;
	}
	if (sscanf(col, "iL%u", &a) == 1) {
		*group = &res->il;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "conv_i") : NAN;
	}
	if (sscanf(col, "v%u", &a) == 1) {
		*group = &res->bus;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "v") : NAN;
	}
	if (sscanf(col, "iin%u_%u", &a, &b) == 2) {
		*group = &res->iin;
		snprintf(name, sizeof name, "in.n%u.i", t->modules[a].feeds[b]);
		return solver_loop_get(l, (uint32_t)t->n_nodes + a, name);
	}
	if (sscanf(col, "ifeed%u", &a) == 1) {
		*group = &res->feed;
		return solver_loop_alive(l, a) ? solver_loop_get(l, a, "feed_i") : NAN;
	}
	if (sscanf(col, "i%u", &a) == 1) {
		const struct topo_link *k = &t->links[a];
		bool la = solver_loop_alive(l, k->a), lb = solver_loop_alive(l, k->b);
		*group = &res->link;
		*link = (int32_t)a;
		snprintf(name, sizeof name, "link.l%u.i", a);
		double ia = la ? solver_loop_get(l, k->a, name) : 0;
		double ib = lb ? solver_loop_get(l, k->b, name) : 0;
		return la && lb ? 0.5 * (ia - ib) : la ? ia : -ib;
	}
	return NAN;
}

/* The sample next to an event of this link, or of a node at its end. */
static bool
skipped(const struct refcase *r, int32_t link, double t_s, double sample_s)
{
	for (size_t i = 0; link >= 0 && i < r->n_events; i++) {
		const struct refcase_event *e = &r->events[i];
		const struct topo_link *l = &r->topo.links[link];
		bool of_node = strcmp(e->kind, "kill") == 0 || strcmp(e->kind, "start") == 0;
		bool mine = of_node ? e->index == l->a || e->index == l->b
		                    : e->index == (uint32_t)link;
		if (mine && fabs(t_s - e->at_s) <= 0.5 * sample_s + 1e-9)
			return true;
	}
	for (size_t i = 0; link >= 0 && i < r->n_closings; i++) {
		const struct refcase_closing *c = &r->closings[i];
		double step_s = (double)r->topo.step_ns * 1e-9;
		bool near = fabs(t_s - (double)c->at_k * step_s) <= 0.5 * sample_s + 1e-9 ||
		            fabs(t_s - (double)c->bypass_k * step_s) <= 0.5 * sample_s + 1e-9;
		if (c->link == (uint32_t)link && near)
			return true;
	}
	return false;
}

/* After the step in which a link has to change: it has, and had not before. */
static unsigned
untimely(const struct refcase *r, struct solver_loop *l)
{
	unsigned n = 0;
	char name[80];

	for (size_t i = 0; i < r->n_closings; i++) {
		const struct refcase_closing *c = &r->closings[i];
		int64_t k = solver_loop_k(l);
		snprintf(name, sizeof name, "link.l%u.state", c->link);
		if (k < c->at_k || k > c->bypass_k + 1)
			continue;
		double want = k == c->at_k ? 0 : k <= c->bypass_k ? 1 : 2;
		n += solver_loop_get(l, r->topo.links[c->link].a, name) != want;
		n += solver_loop_get(l, r->topo.links[c->link].b, name) != want;
	}
	return n;
}

static void
compare_row(const struct refcase *r, struct solver_loop *l, size_t row, struct refcase_result *res)
{
	double t_s = refcase_cell(r, row, 0),
	       sample_s = refcase_cell(r, 1, 0) - refcase_cell(r, 0, 0);

	for (size_t c = 1; c < r->n_cols; c++) {
		struct refcase_error *g = NULL;
		int32_t link;
		double v = column_value(l, &r->topo, r->cols[c], res, &g, &link);
		double d = fabs(v - refcase_cell(r, row, c));
		if (!g)
			die(r->name, "unknown column");
		if (isnan(v) || skipped(r, link, t_s, sample_s))
			continue;
		g->n++;
		g->rms += d * d;
		if (d > g->max) {
			g->max = d;
			g->at_s = t_s;
		}
		if (g == &res->bus && row == r->n_rows - 1 && d > res->v_end_error)
			res->v_end_error = d;
	}
}

struct refcase_result
refcase_run(const struct refcase *r, const struct core_ops *node_ops,
            const struct core_ops *module_ops)
{
	struct refcase_result res = { 0 };
	struct solver_loop *l = NULL;
	struct err err = ERR_INIT;
	size_t row = 0;

	if (solver_loop_create(&r->topo, node_ops, module_ops, &l, &err) < 0)
		die(r->name, err.text);
	refcase_script(r, l);
	while (row < r->n_rows) {
		int64_t k = to_ns(refcase_cell(r, row, 0)) / r->topo.step_ns;
		while (solver_loop_k(l) < k) {
			solver_loop_step(l);
			res.n_untimely += untimely(r, l);
		}
		double t_s = refcase_cell(r, row, 0);
		if (t_s >= r->from_s && t_s <= r->to_s)
			compare_row(r, l, row, &res);
		row++;
	}
	solver_loop_destroy(&l);
	struct refcase_error *g[] = { &res.bus,  &res.link, &res.vin, &res.iin,
		                      &res.feed, &res.vo,   &res.il };
	for (size_t i = 0; i < sizeof g / sizeof g[0]; i++)
		g[i]->rms = g[i]->n ? sqrt(g[i]->rms / (double)g[i]->n) : 0;
	return res;
}
