#include "ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_STEPS = 128,
	AHEAD_FRAMES = 16, /* fetched before they are needed: too far apart to be foreseen */
};

enum term { SOURCE, USEFUL, LOSS, FAULT, STORED, UNSERVED, LINE, BOOKED, N_TERMS };

/* Modules have no source, fault, lines. */
static const struct {
	const char *name;
	bool module;
} terms[N_TERMS] = {
	[SOURCE] = { "source_j", false }, [USEFUL] = { "useful_j", true },
	[LOSS] = { "loss_j", true },      [FAULT] = { "fault_j", false },
	[STORED] = { "stored_j", true },  [UNSERVED] = { "unserved_j", true },
	[LINE] = { "line_j", false },     [BOOKED] = { "abandoned_j", false },
};

struct link_end {
	size_t proc;
	int state, wave, net;
};

struct link_scan {
	struct link_end end[2];
	double wave0_j;     /* in flight at frame 0 */
	double abandoned_j; /* waves of frames below k */
	double line_j;      /* first waves that the ends took when they closed */
};

struct port_scan {
	size_t node, module;
	int live, paid, account; /* node */
	int taken;               /* module */
	double account0_j;         /* owed at the start of the mesh */
	bool on;                 /* at frame k */
	double base_j;           /* debt that was there before */
};

struct ledger_scan {
	const struct runview *view;
	size_t n_procs, n_links, n_ports;
	int (*fields)[N_TERMS]; /* per process */
	struct link_scan *links;
	struct port_scan *ports;
	int64_t k; /* links and ports are those of frame k; -1: not begun */
};

/* ---- frames -----------------------------------------------------------------------------------
 */

static double
word(const struct rec_file *f, int64_t k, int field)
{
	const union rec_word *w = rec_file_frame(f, k);
	assert(w);
	return w[field].f;
}

/* Sum over the lives that began by frame k of a cumulative field, a dead life's last value. */
static double
total(const struct runview *v, size_t proc, int field, int64_t k)
{
	double sum = 0;
	for (size_t l = 0; l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		int64_t last = rec_file_last_k(f);
		if (rec_file_first_k(f) > k || last < rec_file_first_k(f))
			continue;
		sum += word(f, k < last ? k : last, field);
	}
	return sum;
}

static bool
at(const struct runview *v, size_t proc, int64_t k, int field, double *ret)
{
	int life = runview_life_at(v, proc, k);
	if (life < 0)
		return false;
	*ret = word(runview_life(v, proc, (size_t)life), k, field);
	return true;
}

/* First frame of the life that has frame k. */
static int64_t
born(const struct runview *v, size_t proc, int64_t k)
{
	int life = runview_life_at(v, proc, k);
	return life < 0 ? -1 : rec_file_first_k(runview_life(v, proc, (size_t)life));
}

/* ---- links ------------------------------------------------------------------------------------
 */

/* The end had the link closed during step k. False also when it has no frame k+1. */
static bool
closed_in(const struct runview *v, const struct link_end *e, int64_t k)
{
	double state;
	return at(v, e->proc, k + 1, e->state, &state) && state > 0;
}

static double
sent_before(const struct runview *v, const struct link_end *e, int64_t k)
{
	double wave = 0;
	return at(v, e->proc, k, e->wave, &wave) ? wave : 0;
}

/* The end closed in step k; then *half is the first wave that it took out of the new line. */
static bool
closes_in(const struct runview *v, const struct link_end *e, int64_t k, double *half)
{
	double was, net0, net1;
	int life = runview_life_at(v, e->proc, k + 1);
	if (!closed_in(v, e, k) || life != runview_life_at(v, e->proc, k) ||
	    !at(v, e->proc, k, e->state, &was) || was > 0 || !at(v, e->proc, k, e->net, &net0) ||
	    !at(v, e->proc, k + 1, e->net, &net1))
		return false;
	*half = sent_before(v, e, k + 1) - (net1 - net0);
	return true;
}

/* What the node booked for the lines that it closed in step k, less that of its other links. */
static void
link_closing(const struct ledger_scan *c, struct link_scan *s, int side, int64_t k)
{
	const struct runview *v = c->view;
	const struct link_end *e = &s->end[side];
	double half, line0 = 0, line1 = 0;
	if (!closes_in(v, e, k, &half))
		return;
	at(v, e->proc, k, c->fields[e->proc][LINE], &line0);
	at(v, e->proc, k + 1, c->fields[e->proc][LINE], &line1);
	s->line_j += line1 - line0;
	for (size_t i = 0; i < c->n_links; i++)
		for (int o = 0; o < 2; o++) {
			const struct link_end *other = &c->links[i].end[o];
			if (other != e && other->proc == e->proc && closes_in(v, other, k, &half))
				s->line_j -= half;
		}
}

/* From frame k to k+1: waves of frame k find a taker in step k, or none. */
static void
link_advance(const struct ledger_scan *c, struct link_scan *s, int64_t k)
{
	const struct runview *v = c->view;
	for (int side = 0; side < 2; side++) {
		double wave = sent_before(v, &s->end[side], k);
		if (wave != 0 && !closed_in(v, &s->end[!side], k))
			s->abandoned_j += wave;
		link_closing(c, s, side, k);
	}
}

/* How many of the `most` steps from k on book nothing: the link is closed at both ends in frames k
 * and k+1, or it carries nothing and is open (or its node dead) at both. Between two events of a
 * link that is all steps, and frames are read in order. */
static int64_t
link_quiet(const struct runview *v, const struct link_scan *s, int64_t k, int64_t most)
{
	struct runview_run r[2];
	for (int side = 0; side < 2; side++) {
		r[side] = runview_run(v, s->end[side].proc, k);
		most = r[side].n - 1 < most ? r[side].n - 1 : most;
	}
	int64_t i = 0;
	bool was_closed = false;
	for (; i <= most; i++) {
		bool closed = true, idle = true, carries = false;
		for (int side = 0; side < 2; side++) {
			if (!r[side].w) {
				closed = false;
				continue;
			}
			const union rec_word *w = r[side].w + (size_t)i * r[side].words;
			__builtin_prefetch(w + AHEAD_FRAMES * r[side].words + s->end[side].state);
			bool on = w[s->end[side].state].f > 0;
			closed = closed && on;
			idle = idle && !on;
			carries = carries || (!on && w[s->end[side].wave].f != 0);
		}
		/* Frame i ends step i-1, and begins step i. */
		if (i > 0 && !(was_closed ? closed : idle))
			return i - 1;
		if (!closed && !(idle && !carries))
			return i;
		was_closed = closed;
	}
	return most > 0 ? most : 0;
}

static void
link_block(const struct ledger_scan *c, struct link_scan *s, int64_t k, int64_t end_k)
{
	while (k < end_k) {
		int64_t quiet = link_quiet(c->view, s, k, end_k - k);
		if (!quiet)
			link_advance(c, s, k);
		k += quiet ? quiet : 1;
	}
}

/* In flight at frame k, and what of it the next frames show to be lost. */
static void
link_now(const struct ledger_scan *c, const struct link_scan *s, int64_t k, int64_t last_k,
         struct ledger *r)
{
	const struct runview *v = c->view;
	double flight = 0, lost = s->abandoned_j, net = 0;
	for (int side = 0; side < 2; side++) {
		double wave = sent_before(v, &s->end[side], k);
		if (k < last_k && !closed_in(v, &s->end[!side], k))
			lost += wave;
		else
			flight += wave;
		net += total(v, s->end[side].proc, s->end[side].net, k);
	}
	r->in_flight_j += flight;
	r->in_flight0_j += s->wave0_j;
	r->abandoned_wave_j += lost;
	double off = fabs(net + s->line_j - (flight - s->wave0_j) - lost);
	if (!(off <= r->link_residual) || !r->link_id[0]) {
		r->link_residual = off;
		strcpy(r->link_id, runview_topo(v)->links[s - c->links].id);
	}
}

/* ---- ports ------------------------------------------------------------------------------------
 */

static double
debt(const struct runview *v, const struct port_scan *p, int64_t k)
{
	return p->account0_j + total(v, p->module, p->taken, k) - total(v, p->node, p->paid, k);
}

/* Both sides live at frame k, in lives that have made a step. */
static bool
port_on(const struct runview *v, const struct port_scan *p, int64_t k)
{
	double live;
	return at(v, p->node, k, p->live, &live) && live > 0 && born(v, p->node, k) < k &&
	       born(v, p->module, k) >= 0 && born(v, p->module, k) < k;
}

/* From frame k to k+1. */
static void
port_advance(const struct runview *v, struct port_scan *p, int64_t k)
{
	bool on = port_on(v, p, k + 1);
	/* A new life may follow the old one without a gap: its first frame is not "on". */
	if (on && !p->on)
		p->base_j = debt(v, p, k);
	p->on = on;
}

/* How many of the `most` steps from k on leave the port as it is. */
static int64_t
port_quiet(const struct runview *v, const struct port_scan *p, int64_t k, int64_t most)
{
	struct runview_run node = runview_run(v, p->node, k), module = runview_run(v, p->module, k);
	most = node.n - 1 < most ? node.n - 1 : most;
	most = module.n - 1 < most ? module.n - 1 : most;
	int64_t i = 0;
	if (!node.w || !module.w)
		return p->on || most < 0 ? 0 : most;
	for (; i < most; i++) {
		const union rec_word *w = node.w + (size_t)(i + 1) * node.words + p->live;
		__builtin_prefetch(w + AHEAD_FRAMES * node.words);
		if ((w->f > 0) != p->on)
			break;
	}
	return i;
}

static void
port_block(const struct runview *v, struct port_scan *p, int64_t k, int64_t end_k)
{
	while (k < end_k) {
		int64_t quiet = port_quiet(v, p, k, end_k - k);
		if (!quiet)
			port_advance(v, p, k);
		k += quiet ? quiet : 1;
	}
}

static void
port_now(const struct ledger_scan *c, const struct port_scan *p, int64_t k, struct ledger *r)
{
	const struct runview *v = c->view;
	double owed = debt(v, p, k), off = 0;
	r->in_transit_j += p->account0_j;
	if (p->on) {
		/* Answers of periods that ended by the last port step below k have arrived; a port
		 * becomes live at a port step. */
		int64_t period = runview_topo(v)->port_period, heard = (k - 1) / period * period;
		double account = 0;
		at(v, p->node, k, p->account, &account);
		double under_way =
			total(v, p->module, p->taken, k) - total(v, p->module, p->taken, heard);
		r->in_transit_j -= account + under_way;
		r->abandoned_port_j -= p->base_j;
		off = fabs(owed - p->base_j - account - under_way);
	} else {
		r->abandoned_port_j -= owed;
	}
	if (!(off <= r->port_residual) || !r->port_id[0]) {
		r->port_residual = off;
		strcpy(r->port_id, runview_topo(v)->ports[p - c->ports].id);
	}
}

/* ---- processes --------------------------------------------------------------------------------
 */

static void
proc_now(const struct ledger_scan *c, size_t proc, int64_t k, struct ledger *r)
{
	const struct runview *v = c->view;
	const int *field = c->fields[proc];
	double sum[N_TERMS] = { 0 };
	for (int t = 0; t < N_TERMS; t++)
		if (field[t] >= 0 && t != STORED)
			sum[t] = total(v, proc, field[t], k);
	r->source_j += sum[SOURCE];
	r->useful_j += sum[USEFUL];
	r->loss_j += sum[LOSS];
	r->fault_j += sum[FAULT];
	r->unserved_j += sum[UNSERVED];
	r->abandoned_booked_j += sum[BOOKED];
	for (size_t l = 0; l < runview_n_lives(v, proc); l++) {
		const struct rec_file *f = runview_life(v, proc, l);
		int64_t first = rec_file_first_k(f), last = rec_file_last_k(f);
		if (first > k || last < first)
			continue;
		/* The first life's start is the mesh's; a later one took over what was abandoned.
		 */
		double begun = word(f, first, field[STORED]);
		if (l == 0)
			r->stored0_j += begun;
		else
			r->abandoned_stored_j -= begun;
		if (last < k)
			r->abandoned_stored_j += word(f, last, field[STORED]);
		else
			r->stored_j += word(f, k, field[STORED]);
	}
}

/* ---- the scan ---------------------------------------------------------------------------------
 */

static int
find_field(const struct runview *v, size_t proc, const char *name, int *ret, struct err *err)
{
	size_t n;
	const struct rec_field *f = runview_fields(v, proc, &n);
	*ret = runview_field(v, proc, name);
	if (*ret < 0)
		return err_set(err, ERR_INPUT, "%s: no field '%s' was recorded",
		               runview_id(v, proc), name);
	if (f[*ret].type != 'f')
		return err_set(err, ERR_INPUT, "%s: field '%s' is not a float", runview_id(v, proc),
		               name);
	return 0;
}

static int
find_chan_field(const struct runview *v, size_t proc, const char *group, const char *id,
                const char *name, int *ret, struct err *err)
{
	char text[sizeof((struct rec_field *)NULL)->name];
	snprintf(text, sizeof text, "%s.%s.%s", group, id, name);
	return find_field(v, proc, text, ret, err);
}

static int
find_procs(struct ledger_scan *c, struct err *err)
{
	size_t n_nodes = runview_topo(c->view)->n_nodes;
	for (size_t i = 0; i < c->n_procs; i++) {
		for (int t = 0; t < N_TERMS; t++) {
			c->fields[i][t] = -1;
			if (i >= n_nodes && !terms[t].module)
				continue;
			int rc = find_field(c->view, i, terms[t].name, &c->fields[i][t], err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int
find_links(struct ledger_scan *c, struct err *err)
{
	const struct topo *t = runview_topo(c->view);
	int rc = 0;
	for (size_t i = 0; !rc && i < c->n_links; i++) {
		c->links[i].end[0].proc = t->links[i].a;
		c->links[i].end[1].proc = t->links[i].b;
		for (int side = 0; !rc && side < 2; side++) {
			struct link_end *e = &c->links[i].end[side];
			const char *id = t->links[i].id;
			rc = find_chan_field(c->view, e->proc, "link", id, "state", &e->state, err);
			if (!rc)
				rc = find_chan_field(c->view, e->proc, "link", id, "wave_j",
				                     &e->wave, err);
			if (!rc)
				rc = find_chan_field(c->view, e->proc, "link", id, "net_j", &e->net,
				                     err);
		}
	}
	return rc;
}

static int
find_ports(struct ledger_scan *c, struct err *err)
{
	const struct topo *t = runview_topo(c->view);
	int rc = 0;
	for (size_t i = 0; !rc && i < c->n_ports; i++) {
		struct port_scan *p = &c->ports[i];
		const char *node = t->nodes[t->ports[i].node].id;
		const char *module = t->modules[t->ports[i].module].id;
		p->node = t->ports[i].node;
		p->module = t->n_nodes + t->ports[i].module;
		rc = find_chan_field(c->view, p->node, "port", module, "live", &p->live, err);
		if (!rc)
			rc = find_chan_field(c->view, p->node, "port", module, "paid_j", &p->paid,
			                     err);
		if (!rc)
			rc = find_chan_field(c->view, p->node, "port", module, "account_j",
			                     &p->account, err);
		if (!rc)
			rc = find_chan_field(c->view, p->module, "in", node, "taken_j", &p->taken,
			                     err);
	}
	return rc;
}

int
ledger_create(const struct runview *view, struct ledger_scan **ret, struct err *err)
{
	const struct topo *t = runview_topo(view);
	if (runview_partial(view))
		return err_set(err, ERR_STATE, "energy ledger: early frames were dropped");
	for (size_t i = 0; i < runview_n_procs(view); i++)
		if (!runview_n_lives(view, i))
			return err_set(err, ERR_INPUT,
			               "energy ledger: nothing was recorded of '%s'",
			               runview_id(view, i));
	if (runview_last_k(view) < 0)
		return err_set(err, ERR_INPUT, "energy ledger: no frames");
	struct ledger_scan *c = calloc(1, sizeof *c);
	if (!c)
		return err_set(err, ERR_NOMEM, "energy ledger: out of memory");
	c->view = view;
	c->n_procs = runview_n_procs(view);
	c->n_links = t->n_links;
	c->n_ports = t->n_ports;
	c->k = -1;
	c->fields = calloc(c->n_procs, sizeof *c->fields);
	c->links = calloc(c->n_links ? c->n_links : 1, sizeof *c->links);
	c->ports = calloc(c->n_ports ? c->n_ports : 1, sizeof *c->ports);
	int rc = !c->fields || !c->links || !c->ports
	                 ? err_set(err, ERR_NOMEM, "energy ledger: out of memory")
	                 : find_procs(c, err);
	if (!rc)
		rc = find_links(c, err);
	if (!rc)
		rc = find_ports(c, err);
	if (rc) {
		ledger_destroy(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void
ledger_destroy(struct ledger_scan **pc)
{
	struct ledger_scan *c = *pc;
	if (!c)
		return;
	*pc = NULL;
	free(c->fields);
	free(c->links);
	free(c->ports);
	free(c);
}

static void
scan_begin(struct ledger_scan *c)
{
	c->k = 0;
	for (size_t i = 0; i < c->n_links; i++) {
		struct link_scan *s = &c->links[i];
		s->abandoned_j = s->line_j = 0;
		s->wave0_j =
			sent_before(c->view, &s->end[0], 0) + sent_before(c->view, &s->end[1], 0);
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		struct port_scan *p = &c->ports[i];
		double account = 0;
		at(c->view, p->node, 0, p->account, &account);
		p->account0_j = account;
		p->on = account > 0;
		p->base_j = 0;
	}
}

void
ledger_at(struct ledger_scan *c, int64_t k, struct ledger *ret)
{
	int64_t last_k = runview_last_k(c->view);
	assert(k >= 0 && k <= last_k);
	if (c->k < 0 || k < c->k)
		scan_begin(c);
	/* In blocks whose frames stay in the cache while links and ports are gone through. */
	while (c->k < k) {
		int64_t end = k - c->k > BLOCK_STEPS ? c->k + BLOCK_STEPS : k;
		for (size_t i = 0; i < c->n_links; i++)
			link_block(c, &c->links[i], c->k, end);
		for (size_t i = 0; i < c->n_ports; i++)
			port_block(c->view, &c->ports[i], c->k, end);
		c->k = end;
	}
	struct ledger r = { .k = k };
	for (size_t i = 0; i < c->n_procs; i++)
		proc_now(c, i, k, &r);
	for (size_t i = 0; i < c->n_links; i++)
		link_now(c, &c->links[i], k, last_k, &r);
	for (size_t i = 0; i < c->n_ports; i++)
		port_now(c, &c->ports[i], k, &r);
	r.residual_j = r.source_j -
	               (r.useful_j + r.loss_j + r.fault_j + (r.stored_j - r.stored0_j) +
	                (r.in_flight_j - r.in_flight0_j) + r.in_transit_j + ledger_abandoned_j(&r));
	r.scale_j = fmax(fmax(r.source_j, r.stored0_j + r.in_flight0_j), 1);
	r.residual = fabs(r.residual_j) / r.scale_j;
	r.link_residual /= r.scale_j;
	r.port_residual /= r.scale_j;
	*ret = r;
}

void
ledger_sums_at(const struct ledger_scan *c, int64_t k, struct ledger *ret)
{
	assert(k >= 0 && k <= runview_last_k(c->view));
	*ret = (struct ledger){ .k = k };
	for (size_t i = 0; i < c->n_procs; i++)
		proc_now(c, i, k, ret);
}

/* Not fmax(): a NaN is the worst of all. */
static void
take_worst(double x, int64_t k, double *worst, int64_t *worst_k)
{
	if (isnan(*worst) || x <= *worst)
		return;
	*worst = x;
	*worst_k = k;
}

int
ledger_run(const struct runview *view, int64_t every, struct ledger *end, double *worst,
           int64_t *worst_k, struct err *err)
{
	struct ledger_scan *c = NULL;
	assert(every > 0);
	int rc = ledger_create(view, &c, err);
	if (rc)
		return rc;
	int64_t last = runview_last_k(view);
	*worst = -1;
	*worst_k = 0;
	for (int64_t k = 0; k <= last; k = k < last && k + every > last ? last : k + every) {
		ledger_at(c, k, end);
		take_worst(end->residual, k, worst, worst_k);
		take_worst(end->link_residual, k, worst, worst_k);
		take_worst(end->port_residual, k, worst, worst_k);
	}
	ledger_destroy(&c);
	return 0;
}

void
ledger_print(FILE *f, const struct ledger *l)
{
	const struct {
		const char *name;
		double joule;
	} rows[] = {
		{ "source", l->source_j },
		{ "useful", l->useful_j },
		{ "loss", l->loss_j },
		{ "fault", l->fault_j },
		{ "change of stored", l->stored_j - l->stored0_j },
		{ "change of in flight", l->in_flight_j - l->in_flight0_j },
		{ "in transit", l->in_transit_j },
		{ "abandoned: booked", l->abandoned_booked_j },
		{ "abandoned: waves", l->abandoned_wave_j },
		{ "abandoned: stored", l->abandoned_stored_j },
		{ "abandoned: ports", l->abandoned_port_j },
		{ "residual", l->residual_j },
		{ "unserved", l->unserved_j },
	};
	fprintf(f, "energy at frame %" PRId64 "\n", l->k);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		fprintf(f, "  %-20s %18.9g J\n", rows[i].name, rows[i].joule);
	fprintf(f, "  residual %.3g of %.9g J; worst link %s %.3g, worst port %s %.3g\n",
	        l->residual, l->scale_j, l->link_id[0] ? l->link_id : "-", l->link_residual,
	        l->port_id[0] ? l->port_id : "-", l->port_residual);
}
