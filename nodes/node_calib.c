#include "node_calib.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "node_dense.h"
#include "node_rls.h"

/* Standard deviation of a uniform distribution over +-1. */
#define UNIFORM 0.57735026918962576
/* What the equations leave out (sampling of the bus voltage within a reading): current of a window.
 */
#define MODEL_A 2e-3
/* A window this many standard deviations off is not of this bus (a short, a sensor that broke). */
#define ODD 8.0
/* So many in a row are: the estimate is wrong, begin again. */
#define ODD_MAX 40
/* Standard deviations above the largest offset from which on a reading is current. */
#define CARRIED 10.0
/* A tie between two nodes is never taken to be surer than this: agreement would become slow, and it
 * is a fraction of CALIB_KNOWN. */
#define TIE_SIGMA 2.5e-4
/* Part of the way to the own solution per exchange; 1 would swing for ever between two nodes. */
#define RELAX 0.5

enum { LINK_N = 2, LINK_MEMORY = 2 * LINK_N * LINK_N + 3 * LINK_N };

struct calib_link {
	size_t terminal;
	bool known;   /* the neighbour has said its e since the link closed */
	double first; /* number of the first window that it was closed all through */
	double far_e, far_i_a, far_window;
	double done;         /* number of the last window that was observed */
	double tie;          /* 1/variance of e_here - e_there */
	double pull;         /* tie times its value */
	struct node_rls rls; /* (e_here - e_there, o') */
	double memory[LINK_MEMORY];
};

struct node_calib {
	struct calib_params p;
	bool *on_bus;
	bool *carried;                            /* current has been seen there */
	size_t n_bus;                             /* terminals on the bus */
	double prior[LINK_N], link_prior[LINK_N]; /* sigma of e and o; of their link */
	double sigma_a, link_sigma_a;             /* of what (1) and (2) leave, one window */
	double carried_a;                         /* a mean reading above it is current */
	int64_t window_k;
	/* this window */
	double begun; /* its number, that of its last frame over window_k */
	size_t periods;
	double *sum_a, slope_sum;
	/* the last window */
	double window, *mean_a;
	/* (1) */
	struct node_rls rls; /* n e, then o */
	double *phi;
	/* own part of the agreement: h e = f + what links add */
	bool stale;
	double *own, *f; /* n x n, n: of (1) and (3), without o */
	double *inverse; /* of own with the ties of the links */
	double *e, *e_new, *work;
	struct calib_link *links;
	struct calib_report report;
	uint64_t odd_run;
	double *memory;
};

/* ---- life --------------------------------------------------------------------------------------
 */

static double *
node_calib_part(double **at, size_t n)
{
	double *p = *at;
	*at += n;
	return p;
}

static void
node_calib_prior(const struct node_calib *c, double *sigma)
{
	for (size_t i = 0; i < c->p.n; i++)
		sigma[i] = c->prior[0];
	sigma[c->p.n] = c->prior[1];
}

static void
node_calib_sigmas(struct node_calib *c)
{
	const struct calib_params *p = &c->p;
	const double readings = CALIB_WINDOW_S / p->refresh_s;
	const double i_a = p->i_noise_a / sqrt(readings > 1 ? readings : 1);
	const double cap_a = p->c_bus_f * p->v_noise_v * sqrt(2) / CALIB_WINDOW_S;

	c->prior[0] = UNIFORM * p->i_gain;
	/* Nothing known exactly: an offset of zero would make the factor matrix singular. */
	c->prior[1] = sqrt((double)c->n_bus) * UNIFORM * p->i_offset_a + 1e-6;
	c->link_prior[0] = sqrt(2) * c->prior[0];
	c->link_prior[1] = sqrt(2) * UNIFORM * p->i_offset_a + 1e-6;
	c->carried_a = CARRIED * i_a + p->i_offset_a;
	c->sigma_a = sqrt((double)c->n_bus * i_a * i_a + cap_a * cap_a + MODEL_A * MODEL_A);
	c->link_sigma_a = sqrt(2 * i_a * i_a + MODEL_A * MODEL_A);
}

static void node_calib_derive(struct node_calib *);

int
node_calib_create(const struct calib_params *p, struct node_calib **ret, struct err *err)
{
	const size_t n = p->n;
	struct node_calib *c = calloc(1, sizeof *c);

	assert(n > 0 && n <= TOPO_DEGREE_MAX * 3 + TOPO_PORTS_MAX && p->i_gain > 0 &&
	       p->refresh_s > 0 && p->tc_s > 0 && p->keep > 0 && p->keep <= 1);
	if (!c)
		return err_set(err, ERR_NOMEM, "calibration: out of memory");
	c->p = *p;
	c->on_bus = calloc(2 * n, sizeof *c->on_bus);
	c->links = calloc(p->n_links + 1, sizeof *c->links);
	c->memory = calloc(node_rls_words(n + 1) + 2 * n * n + 9 * n + 2, sizeof *c->memory);
	if (!c->on_bus || !c->links || !c->memory) {
		node_calib_destroy(&c);
		return err_set(err, ERR_NOMEM, "calibration: out of memory");
	}
	c->carried = c->on_bus + n;
	double *at = c->memory;
	double *rls = node_calib_part(&at, node_rls_words(n + 1));
	c->own = node_calib_part(&at, n * n);
	c->inverse = node_calib_part(&at, n * n);
	c->sum_a = node_calib_part(&at, n);
	c->mean_a = node_calib_part(&at, n);
	c->phi = node_calib_part(&at, n + 1);
	c->f = node_calib_part(&at, n);
	c->e = node_calib_part(&at, n);
	c->e_new = node_calib_part(&at, n);
	c->work = node_calib_part(&at, n + 1);
	for (size_t i = 0; i < n; i++) {
		c->on_bus[i] = p->on_bus[i];
		c->n_bus += p->on_bus[i];
	}
	node_calib_sigmas(c);
	/* Whole control periods, at the same frames everywhere. */
	c->window_k = (int64_t)(CALIB_WINDOW_S / p->tc_s + 0.5) * p->period_k;
	if (c->window_k < p->period_k)
		c->window_k = p->period_k;
	node_calib_prior(c, c->work);
	node_rls_init(&c->rls, n + 1, c->work, rls);
	for (size_t l = 0; l < p->n_links; l++) {
		assert(p->terminal_of_link[l] < n);
		c->links[l].terminal = p->terminal_of_link[l];
		node_rls_init(&c->links[l].rls, LINK_N, c->link_prior, c->links[l].memory);
	}
	c->p.on_bus = NULL;
	c->p.terminal_of_link = NULL;
	c->begun = 1;
	c->report = (struct calib_report){ .feed = 1, .sigma = c->prior[0] };
	node_calib_derive(c);
	*ret = c;
	return 0;
}

void
node_calib_destroy(struct node_calib **pc)
{
	struct node_calib *c = *pc;

	if (!c)
		return;
	free(c->on_bus);
	free(c->links);
	free(c->memory);
	free(c);
	*pc = NULL;
}

/* ---- agreement ---------------------------------------------------------------------------------
 */

/* (1) and (3) without o: the Schur complement of the information on o. */
static void
node_calib_derive(struct node_calib *c)
{
	const size_t n = c->p.n, m = n + 1;
	const double *info = c->rls.info, o = info[n * m + n];

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++)
			c->own[i * n + j] = info[i * m + j] - info[i * m + n] * info[n * m + j] / o;
		c->f[i] = c->rls.b[i] - info[i * m + n] * c->rls.b[n] / o;
	}
	c->stale = true;
}

/* Standard deviation of the feed's e against the mean of the links' (without a feed: of a link's,
 * the largest), from (1) and (3) alone: how well the node hands its neighbours' scale on. */
static void
node_calib_spread(struct node_calib *c)
{
	const size_t n = c->p.n, links = c->p.n_links;
	double most = 0;

	/* The factor goes where the estimator keeps its own, which is made anew with each window.
	 */
	bool definite = node_dense_cholesky(n, c->own, c->rls.factor);
	assert(definite);
	for (size_t l = 0; l < (c->p.feed < n ? 1 : links); l++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			c->work[i] = 0;
		for (size_t i = 0; i < links; i++)
			c->work[c->links[i].terminal] = -1 / (double)links;
		c->work[c->p.feed < n ? c->p.feed : c->links[l].terminal] += 1;
		node_dense_forward(n, c->rls.factor, c->work, c->work);
		for (size_t i = 0; i < n; i++)
			sum += c->work[i] * c->work[i];
		most = sum > most ? sum : most;
	}
	c->report.sigma = sqrt(most);
}

/* Information on the e of this bus in n - 1 directions and more: those that beat CALIB_KNOWN. */
static void
node_calib_rank(struct node_calib *c)
{
	const size_t n = c->p.n;
	double *a = c->inverse; /* made anew before it is used */
	size_t carried = 0;

	for (size_t i = 0; i < n * n; i++)
		a[i] = c->own[i];
	node_dense_eigenvalues(n, a, c->work);
	c->report.rank = 0;
	for (size_t i = 0; i < n; i++)
		c->report.rank += c->work[i] > 1 / (CALIB_KNOWN * CALIB_KNOWN);
	for (size_t i = 0; i < n; i++)
		carried += c->on_bus[i] && c->carried[i];
	c->report.unknowns = carried > 0 ? carried - 1 : 0;
	c->report.observable = carried > 1 && c->report.rank >= c->report.unknowns;
	node_calib_spread(c);
	c->stale = true;
}

/* What (2) says of a link, beyond (3). */
static void
node_calib_tie(struct node_calib *c, struct calib_link *l)
{
	const double *info = l->rls.info, *b = l->rls.b;
	const double cap = 1 / (TIE_SIGMA * TIE_SIGMA);
	double tie =
		info[0] - info[1] * info[2] / info[3] - 1 / (c->link_prior[0] * c->link_prior[0]);

	c->stale = true;
	l->tie = l->pull = 0;
	if (!(tie > 0))
		return;
	l->tie = tie < cap ? tie : cap;
	l->pull = l->tie / tie * (b[0] - info[1] * b[1] / info[3]);
}

static void
node_calib_refresh(struct node_calib *c)
{
	const size_t n = c->p.n;
	double *a = c->inverse;

	for (size_t i = 0; i < n * n; i++)
		a[i] = c->own[i];
	for (size_t l = 0; l < c->p.n_links; l++)
		if (c->links[l].known)
			a[c->links[l].terminal * (n + 1)] += c->links[l].tie;
	bool definite = node_dense_cholesky(n, a, c->rls.factor);
	assert(definite);
	node_dense_inverse(n, c->rls.factor, a, c->work);
	c->stale = false;
}

void
node_calib_agree(struct node_calib *c)
{
	const size_t n = c->p.n;

	if (c->stale)
		node_calib_refresh(c);
	for (size_t i = 0; i < n; i++)
		c->work[i] = c->f[i];
	for (size_t l = 0; l < c->p.n_links; l++) {
		const struct calib_link *k = &c->links[l];
		if (k->known)
			c->work[k->terminal] += k->tie * k->far_e + k->pull;
	}
	for (size_t i = 0; i < n; i++) {
		double sum = 0;
		for (size_t j = 0; j < n; j++)
			sum += c->inverse[i * n + j] * c->work[j];
		c->e_new[i] = sum;
	}
	for (size_t i = 0; i < n; i++)
		c->e[i] += RELAX * (c->e_new[i] - c->e[i]);
}

/* ---- windows
 * ------------------------------------------------------------------------------------- */

static void
node_calib_restart(struct node_calib *c)
{
	node_calib_prior(c, c->work);
	for (size_t i = 0; i <= c->p.n; i++)
		c->phi[i] = c->work[i];
	node_rls_reset(&c->rls, c->phi);
	c->odd_run = 0;
}

/* Equation (1) of the window that ended. The part of phi that a common factor would explain is
 * taken out, so that (1) says nothing about it, as it must. */
static void
node_calib_bus(struct node_calib *c, double slope_v_s)
{
	const size_t n = c->p.n;
	double total = 0, mean;

	for (size_t i = 0; i < n; i++)
		total += c->on_bus[i] ? c->mean_a[i] : 0;
	mean = total / (double)c->n_bus;
	for (size_t i = 0; i < n; i++)
		c->phi[i] = c->on_bus[i] ? c->mean_a[i] - mean : 0;
	c->phi[n] = -1;
	double y = -(total + c->p.c_bus_f * slope_v_s);
	node_rls_solve(&c->rls);
	double variance = node_rls_variance(&c->rls, c->phi);
	double off = y - node_rls_predict(&c->rls, c->phi);

	c->report.excitation = variance / (c->sigma_a * c->sigma_a);
	if (fabs(off) > ODD * sqrt(variance + c->sigma_a * c->sigma_a)) {
		c->report.odd++;
		if (++c->odd_run < ODD_MAX)
			return;
		node_calib_restart(c);
	} else if (c->report.excitation < c->p.excited) {
		c->report.idle++;
		c->odd_run = 0;
		return;
	} else {
		node_rls_observe(&c->rls, c->phi, y, c->sigma_a, c->p.keep);
		c->report.used++;
		c->odd_run = 0;
	}
	node_calib_derive(c);
	node_calib_rank(c);
}

/* Equation (2), when both ends' readings of the same window are there. With u half of the
 * difference of the two, (e_a - e_b) u - o' = -(r_a + r_b) to second order in e. */
static void
node_calib_along(struct node_calib *c, struct calib_link *l)
{
	if (!(c->window > 0) || l->far_window != c->window || l->done == c->window)
		return;
	l->done = c->window;
	if (c->window < l->first)
		return;
	const double here_a = c->mean_a[l->terminal];
	const double phi[LINK_N] = { 0.5 * (here_a - l->far_i_a), -1 };
	const double y = -(here_a + l->far_i_a);
	node_rls_solve(&l->rls);
	double variance = node_rls_variance(&l->rls, phi);
	double off = y - node_rls_predict(&l->rls, phi);
	double noise = c->link_sigma_a * c->link_sigma_a;
	if (variance < c->p.excited * noise || fabs(off) > ODD * sqrt(variance + noise))
		return;
	node_rls_observe(&l->rls, phi, y, c->link_sigma_a, c->p.keep);
	node_calib_tie(c, l);
}

static void
node_calib_window(struct node_calib *c, int64_t k)
{
	const double q = 1 / (double)c->periods;

	c->begun = (double)(k / c->window_k);
	/* A life that began within this window has seen a part of it only. */
	if ((int64_t)c->periods * c->p.period_k != c->window_k) {
		c->window = 0;
		return;
	}
	c->window = c->begun;
	for (size_t i = 0; i < c->p.n; i++) {
		c->mean_a[i] = q * c->sum_a[i];
		c->carried[i] = c->carried[i] || fabs(c->mean_a[i]) > c->carried_a;
	}
	c->report.windows++;
	node_calib_bus(c, q * c->slope_sum);
	for (size_t l = 0; l < c->p.n_links; l++)
		node_calib_along(c, &c->links[l]);
}

static void
node_calib_next(struct node_calib *c)
{
	c->periods = 0;
	c->slope_sum = 0;
	for (size_t i = 0; i < c->p.n; i++)
		c->sum_a[i] = 0;
	c->begun++;
}

void
node_calib_period(struct node_calib *c, int64_t k, const double *mean_a, double slope_v_s)
{
	c->periods++;
	c->slope_sum += slope_v_s;
	for (size_t i = 0; i < c->p.n; i++)
		c->sum_a[i] += mean_a[i];
	if (k % c->window_k != 0)
		return;
	node_calib_window(c, k);
	node_calib_next(c);
}

/* ---- neighbours
 * ----------------------------------------------------------------------------------- */

void
node_calib_forget(struct node_calib *c, size_t l, bool reborn)
{
	struct calib_link *k = &c->links[l];

	if (k->known)
		c->stale = true;
	k->known = false;
	k->far_window = 0;
	if (!reborn)
		return;
	node_rls_reset(&k->rls, c->link_prior);
	k->tie = k->pull = 0;
}

void
node_calib_hear(struct node_calib *c, size_t l, const struct calib_word *w)
{
	struct calib_link *k = &c->links[l];

	if (!k->known) {
		c->stale = true;
		k->first = c->begun + 1;
	}
	k->known = true;
	k->far_e = w->e;
	k->far_i_a = w->i_a;
	k->far_window = w->window;
	node_calib_along(c, k);
}

void
node_calib_say(const struct node_calib *c, size_t l, struct calib_word *w)
{
	const size_t t = c->links[l].terminal;

	*w = (struct calib_word){ .window = c->window, .i_a = c->mean_a[t], .e = c->e[t] };
}

double
node_calib_factor(const struct node_calib *c, size_t terminal)
{
	assert(terminal < c->p.n);
	return 1 + c->e[terminal];
}

void
node_calib_report(const struct node_calib *c, struct calib_report *r)
{
	*r = c->report;
	if (c->p.feed < c->p.n)
		r->feed = node_calib_factor(c, c->p.feed);
}
