#include "signals.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "ledger.h"

enum group { GROUP_NODE, GROUP_FEED, GROUP_CONV, GROUP_SC, GROUP_LINK, GROUP_MODULE, GROUP_MESH, N_GROUPS };
static const char *const group_names[N_GROUPS] = { "node", "feed", "conv", "sc", "link",
	                                             "module", "mesh" };
/* What the id in the second place is of. */
static const char *const group_ids[N_GROUPS] = { "node", "node", "node", "node", "link", "module",
	                                           NULL };

enum source { OF_FIELD, OF_INPUT, OF_LINK, OF_LINK_OPEN, OF_LINK_CONV, OF_LINK_END, OF_LINK_PRICE, OF_CALIB, OF_OFFSET,
	      OF_SHARE, OF_LEDGER };

static const struct row {
	enum group group;
	const char *name, *unit;
	enum source source;
	const char *field; /* of the frame; OF_INPUT, OF_LINK*: behind "in.<node>.", "link.<id>." */
	size_t off;        /* OF_LEDGER: of a double in struct ledger */
} rows[] = {
	{ GROUP_NODE, "v", "V", OF_FIELD, "v", 0 },
	{ GROUP_NODE, "v_min", "V", OF_FIELD, "v_min", 0 },
	{ GROUP_NODE, "v_max", "V", OF_FIELD, "v_max", 0 },
	{ GROUP_NODE, "v_sc", "V", OF_FIELD, "v_sc", 0 },
	{ GROUP_NODE, "v_meas", "V", OF_FIELD, "v_meas", 0 },
	{ GROUP_NODE, "temp", "degC", OF_FIELD, "temp", 0 },
	{ GROUP_NODE, "loading", "1", OF_FIELD, "loading", 0 },
	{ GROUP_NODE, "dv", "V", OF_FIELD, "dv", 0 },
	{ GROUP_NODE, "di", "V", OF_FIELD, "di", 0 },
	{ GROUP_NODE, "x", "1", OF_FIELD, "x", 0 },
	{ GROUP_NODE, "offset", "1", OF_OFFSET, "offset", 0 },
	{ GROUP_NODE, "calib_rank", "1", OF_CALIB, "calib_rank", 0 },
	{ GROUP_NODE, "calib_unknowns", "1", OF_CALIB, "calib_unknowns", 0 },
	{ GROUP_NODE, "calib_sigma", "1", OF_CALIB, "calib_sigma", 0 },
	{ GROUP_FEED, "calib", "1", OF_CALIB, "calib_feed", 0 },
	{ GROUP_FEED, "i", "A", OF_FIELD, "feed_i", 0 },
	{ GROUP_FEED, "loading", "1", OF_FIELD, "loading", 0 },
	{ GROUP_FEED, "available", "1", OF_FIELD, "available", 0 },
	{ GROUP_FEED, "i_meas", "A", OF_FIELD, "feed_i_meas", 0 },
	{ GROUP_FEED, "share", "1", OF_SHARE, "loading", 0 },
	{ GROUP_FEED, "state", "1", OF_FIELD, "feed_state", 0 },
	{ GROUP_CONV, "vo", "V", OF_FIELD, "conv_vo", 0 },
	{ GROUP_CONV, "i", "A", OF_FIELD, "conv_i", 0 },
	{ GROUP_CONV, "p", "W", OF_FIELD, "conv_p", 0 },
	{ GROUP_SC, "v", "V", OF_FIELD, "v_sc", 0 },
	{ GROUP_SC, "soc", "1", OF_FIELD, "sc_soc", 0 },
	{ GROUP_SC, "p", "W", OF_FIELD, "sc_p", 0 },
	{ GROUP_SC, "i", "A", OF_FIELD, "sc_i", 0 },
	{ GROUP_SC, "slow_p", "W", OF_FIELD, "sc_slow_p", 0 },
	{ GROUP_LINK, "i", "A", OF_LINK, "i", 0 },
	{ GROUP_LINK, "i_avg", "A", OF_LINK, "i_avg", 0 },
	{ GROUP_LINK, "open", "1", OF_LINK_OPEN, "state", 0 },
	{ GROUP_LINK, "price", "1", OF_LINK_PRICE, "price", 0 },
	{ GROUP_LINK, "conv_vo", "V", OF_LINK_CONV, "conv_vo", 0 },
	{ GROUP_LINK, "conv_i", "A", OF_LINK_CONV, "conv_i", 0 },
	{ GROUP_LINK, "conv_p", "W", OF_LINK_CONV, "conv_p", 0 },
	{ GROUP_LINK, "conv_set_p", "W", OF_LINK_CONV, "conv_set_p", 0 },
	{ GROUP_LINK, "frames_sent", "1", OF_LINK_END, "frames_sent", 0 },
	{ GROUP_LINK, "frames_delivered", "1", OF_LINK_END, "frames_delivered", 0 },
	{ GROUP_LINK, "frames_lost", "1", OF_LINK_END, "frames_lost", 0 },
	{ GROUP_LINK, "frames_doubled", "1", OF_LINK_END, "frames_doubled", 0 },
	{ GROUP_LINK, "frames_corrupt", "1", OF_LINK_END, "frames_corrupt", 0 },
	{ GROUP_LINK, "frames_late", "1", OF_LINK_END, "frames_late", 0 },
	{ GROUP_LINK, "frames_pending", "1", OF_LINK_END, "frames_pending", 0 },
	{ GROUP_LINK, "frames_flood", "1", OF_LINK_END, "frames_flood", 0 },
	{ GROUP_LINK, "frames_wait", "s", OF_LINK_END, "frames_wait", 0 },
	{ GROUP_LINK, "adjacent", "1", OF_LINK_END, "adjacent", 0 },
	{ GROUP_MODULE, "v_in", "V", OF_FIELD, "v_in", 0 },
	{ GROUP_MODULE, "v_in_min", "V", OF_FIELD, "v_in_min", 0 },
	{ GROUP_MODULE, "v_in_max", "V", OF_FIELD, "v_in_max", 0 },
	{ GROUP_MODULE, "v", "V", OF_FIELD, "v", 0 },
	{ GROUP_MODULE, "i", "A", OF_FIELD, "i", 0 },
	{ GROUP_MODULE, "p", "W", OF_FIELD, "p", 0 },
	{ GROUP_MODULE, "i_in", "A", OF_INPUT, "i", 0 },
	{ GROUP_MODULE, "owner", "1", OF_FIELD, "owner", 0 },
	{ GROUP_MODULE, "served", "1", OF_FIELD, "served", 0 },
	{ GROUP_MODULE, "shed", "1", OF_FIELD, "shed", 0 },
	{ GROUP_MODULE, "plugged", "1", OF_FIELD, "plugged", 0 },
	{ GROUP_MODULE, "phase", "1", OF_FIELD, "phase", 0 },
	{ GROUP_MODULE, "throughput", "1", OF_FIELD, "throughput", 0 },
	{ GROUP_MODULE, "errors", "1", OF_FIELD, "errors", 0 },
	{ GROUP_MODULE, "temp", "degC", OF_FIELD, "temp", 0 },
	{ GROUP_MESH, "energy_residual", "1", OF_LEDGER, NULL, offsetof(struct ledger, residual) },
	{ GROUP_MESH, "unserved_j", "J", OF_LEDGER, NULL, offsetof(struct ledger, unserved_j) },
	{ GROUP_MESH, "source_j", "J", OF_LEDGER, NULL, offsetof(struct ledger, source_j) },
	{ GROUP_MESH, "loss_j", "J", OF_LEDGER, NULL, offsetof(struct ledger, loss_j) },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

enum {
	NAME_MAX_ = 128, /* "module.<id>.i_in.<id>" with room */
	FIELD_MAX = 80,  /* struct rec_field's name */
	AHEAD_FRAMES = 8, /* that are fetched before they are asked for */
};

struct signal {
	const struct row *row;
	char name[NAME_MAX_];
	char field[FIELD_MAX];
	const char *state; /* OF_SHARE: field that says whether the feed controls; as end 1 */
	size_t proc[2]; /* OF_LINK: ends a and b; else the first */
	int index[2];   /* of the field; -1: not looked up yet */
	/* Where the last sample lay, and the next one probably lies: frames run_k.. of one block. */
	struct runview_run run[2];
	int64_t run_k[2];
	uint64_t generation[2];
	bool whole[2]; /* the field is an integer */
	int plugged;   /* of a module: the field that says whether it is in its slot */
};

struct signal_list {
	const struct runview *view;
	size_t n, cap;
	struct signal *s;
	struct ledger_scan *ledger; /* made when mesh.* is asked for */
	struct ledger now;          /* of frame now.k */
	bool has_now, now_all; /* all: not only the sums */
};

/* A name as it was given, in parts. */
struct wanted {
	char text[NAME_MAX_];
	char *part[4];
	size_t n;
};

static int
no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "signals: out of memory");
}

static bool
glob(const char *pattern, const char *text)
{
	for (; *pattern && *pattern != '*'; pattern++, text++)
		if (*pattern != *text)
			return false;
	if (!*pattern)
		return !*text;
	for (;; text++) {
		if (glob(pattern + 1, text))
			return true;
		if (!*text)
			return false;
	}
}

static int
unknown(const char *name, const char *what, const char *part, const char *const *known, size_t n,
        struct err *err)
{
	const char *near = n ? diag_nearest(part, known, n) : NULL;
	if (near)
		return err_set(err, ERR_NOTFOUND, "signal '%s': no %s '%s'; did you mean '%s'?",
		               name, what, part, near);
	return err_set(err, ERR_NOTFOUND, "signal '%s': no %s '%s'", name, what, part);
}

static int
add(struct signal_list *l, const struct signal *s, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->s[i].name, s->name))
			return 0;
	for (int end = 0; s->row->source != OF_LEDGER && end < 2; end++)
		if (runview_n_lives(l->view, s->proc[end]) &&
		    runview_field(l->view, s->proc[end], s->field) < 0)
			return err_set(err, ERR_NOTFOUND, "signal '%s': '%s' did not record '%s'",
			               s->name, runview_id(l->view, s->proc[end]), s->field);
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct signal *p = realloc(l->s, cap * sizeof *p);
		if (!p)
			return no_memory(err);
		l->s = p;
		l->cap = cap;
	}
	l->s[l->n++] = *s;
	return 0;
}

/* ---- what a group has -------------------------------------------------------------------------
 */

static size_t
n_ids(const struct topo *t, enum group g)
{
	switch (g) {
	case GROUP_NODE:
	case GROUP_FEED:
	case GROUP_CONV:
	case GROUP_SC:
		return t->n_nodes;
	case GROUP_LINK:
		return t->n_links;
	case GROUP_MODULE:
		return t->n_modules;
	default:
		return 0;
	}
}

static const char *
id_of(const struct topo *t, enum group g, size_t i)
{
	switch (g) {
	case GROUP_LINK:
		return t->links[i].id;
	case GROUP_MODULE:
		return t->modules[i].id;
	default:
		return t->nodes[i].id;
	}
}

static int
unknown_id(const struct topo *t, const struct wanted *w, const char *name, enum group g,
           struct err *err)
{
	size_t n = n_ids(t, g);
	const char **ids = malloc((n ? n : 1) * sizeof *ids);
	if (!ids)
		return no_memory(err);
	for (size_t i = 0; i < n; i++)
		ids[i] = id_of(t, g, i);
	int rc = unknown(name, group_ids[g], w->part[1], ids, n, err);
	free(ids);
	return rc;
}

static int
find_group(const struct wanted *w, const char *name, enum group *ret, struct err *err)
{
	for (int g = 0; g < N_GROUPS; g++) {
		if (!strcmp(w->part[0], group_names[g])) {
			*ret = (enum group)g;
			return 0;
		}
	}
	return unknown(name, "group", w->part[0], group_names, N_GROUPS, err);
}

static int
find_row(enum group g, const char *part, const char *name, const struct row **ret, struct err *err)
{
	const char *known[N_ROWS];
	size_t n = 0;
	for (size_t i = 0; i < N_ROWS; i++) {
		if (rows[i].group != g)
			continue;
		if (!strcmp(rows[i].name, part)) {
			*ret = &rows[i];
			return 0;
		}
		known[n++] = rows[i].name;
	}
	return unknown(name, "quantity", part, known, n, err);
}

/* ---- selecting --------------------------------------------------------------------------------
 */

static int
add_inputs(struct signal_list *l, const struct row *row, const struct topo_module *m, size_t proc,
           const char *node, bool *hit, struct err *err)
{
	const struct topo *t = runview_topo(l->view);
	for (size_t f = 0; f < m->n_feeds; f++) {
		const char *id = t->nodes[m->feeds[f]].id;
		if (!glob(node, id))
			continue;
		struct signal s = { .row = row, .proc = { proc, proc }, .index = { -1, -1 } };
		snprintf(s.name, sizeof s.name, "module.%s.%s.%s", m->id, row->name, id);
		snprintf(s.field, sizeof s.field, "in.%s.%s", id, row->field);
		*hit = true;
		int rc = add(l, &s, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* What the ends of a link that fit `node` receive over its channel. */
static int
add_ends(struct signal_list *l, const struct row *row, const struct topo_link *k, const char *node,
         bool *hit, struct err *err)
{
	const struct topo *t = runview_topo(l->view);
	const size_t procs[2] = { k->a, k->b };
	for (int end = 0; end < 2; end++) {
		const char *id = t->nodes[procs[end]].id;
		if (!glob(node, id))
			continue;
		struct signal s = { .row = row,
			            .proc = { procs[end], procs[end] },
			            .index = { -1, -1 } };
		snprintf(s.name, sizeof s.name, "link.%s.%s.%s", k->id, row->name, id);
		snprintf(s.field, sizeof s.field, "link.%s.%s", k->id, row->field);
		/* Links with an ideal channel count nothing: `*` passes them by. */
		if (runview_n_lives(l->view, procs[end]) &&
		    runview_field(l->view, procs[end], s.field) < 0 && strchr(node, '*'))
			continue;
		*hit = true;
		int rc = add(l, &s, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int
add_one(struct signal_list *l, const struct row *row, size_t i, struct err *err)
{
	const struct topo *t = runview_topo(l->view);
	const char *id = id_of(t, row->group, i);
	struct signal s = { .row = row, .index = { -1, -1 } };
	snprintf(s.name, sizeof s.name, "%s.%s.%s", group_names[row->group], id, row->name);
	if (row->group == GROUP_LINK) {
		s.proc[0] = t->links[i].a;
		s.proc[1] = t->links[i].b;
		if (row->source == OF_LINK_CONV)
			s.proc[0] = s.proc[1] = t->links[i].conv.node;
		if (row->source == OF_LINK_PRICE)
			s.proc[1] = s.proc[0];
		snprintf(s.field, sizeof s.field, "link.%s.%s", id, row->field);
	} else {
		s.proc[0] = s.proc[1] = i + (row->group == GROUP_MODULE ? t->n_nodes : 0);
		snprintf(s.field, sizeof s.field, "%s", row->field);
		s.state = row->source == OF_SHARE ? "feed_state" : NULL;
	}
	return add(l, &s, err);
}

static int
add_mesh(struct signal_list *l, const struct row *row, struct err *err)
{
	struct signal s = { .row = row, .index = { -1, -1 } };
	snprintf(s.name, sizeof s.name, "mesh.%s", row->name);
	/* A view without a record has names, but no ledger. */
	bool wanted = !l->ledger && runview_last_k(l->view) >= 0;
	int rc = wanted ? ledger_create(l->view, &l->ledger, err) : 0;
	return rc ? rc : add(l, &s, err);
}

static int
add_matches(struct signal_list *l, const struct row *row, const struct wanted *w, const char *name,
            struct err *err)
{
	const struct topo *t = runview_topo(l->view);
	const char *pattern = w->part[1];
	bool hit = !strcmp(pattern, "*"), any_id = hit;
	for (size_t i = 0; i < n_ids(t, row->group); i++) {
		int rc;
		if (!glob(pattern, id_of(t, row->group, i)))
			continue;
		any_id = true;
		if (row->group == GROUP_FEED && !t->nodes[i].p.has_feed)
			continue;
		if (row->group == GROUP_CONV && !t->nodes[i].p.has_conv)
			continue;
		if (row->group == GROUP_SC && !t->nodes[i].p.has_store)
			continue;
		if (row->source == OF_LINK_CONV && !t->links[i].has_conv)
			continue;
		if (row->source == OF_LINK_PRICE && !(t->links[i].p.limit_gain_per_s > 0))
			continue;
		if (row->source == OF_CALIB && !t->nodes[i].p.calibrates)
			continue;
		if (row->source == OF_OFFSET && !t->nodes[i].p.offsets)
			continue;
		if (row->source == OF_INPUT) {
			rc = add_inputs(l, row, &t->modules[i], t->n_nodes + i, w->part[3], &hit,
			                err);
		} else if (row->source == OF_LINK_END) {
			rc = add_ends(l, row, &t->links[i], w->part[3], &hit, err);
		} else {
			hit = true;
			rc = add_one(l, row, i, err);
		}
		if (rc)
			return rc;
	}
	if (!any_id)
		return unknown_id(t, w, name, row->group, err);
	if (!hit)
		return err_set(err, ERR_NOTFOUND,
		               row->source == OF_CALIB
		                       ? "signal '%s': this node has no feed, or 'calibration' is off"
		               : row->source == OF_OFFSET || row->source == OF_LINK_PRICE
		                       ? "signal '%s': no limit of a link is held by feeds here"
		               : row->group == GROUP_FEED
		                       ? "signal '%s': this node has no feed"
		               : row->group == GROUP_CONV
		                       ? "signal '%s': this node has no converter"
		               : row->group == GROUP_SC
		                       ? "signal '%s': this node has no supercapacitor with a converter"
		               : row->source == OF_LINK_CONV
		                       ? "signal '%s': this link has no converter"
		               : row->source == OF_LINK_END
		                       ? "signal '%s': this node is no end of the link, or its "
		                         "channel is ideal and counts nothing"
		                       : "signal '%s': this module is not fed by that node",
		               name);
	return 0;
}

static int
select_one(struct signal_list *l, const char *name, struct err *err)
{
	struct wanted w = { .n = 0 };
	if (strlen(name) >= sizeof w.text)
		return err_set(err, ERR_NOTFOUND, "signal '%.40s...': too long", name);
	strcpy(w.text, name);
	for (char *p = w.text; p; w.n++) {
		if (w.n == sizeof w.part / sizeof *w.part)
			return err_set(err, ERR_NOTFOUND, "signal '%s': too many parts", name);
		w.part[w.n] = p;
		p = strchr(p, '.');
		if (p)
			*p++ = '\0';
	}
	enum group g = N_GROUPS;
	const struct row *row = NULL;
	int rc = find_group(&w, name, &g, err);
	if (rc)
		return rc;
	size_t at = g == GROUP_MESH ? 1 : 2;
	if (w.n <= at)
		return err_set(err, ERR_NOTFOUND, "signal '%s': expected %s.%s<quantity>", name,
		               group_names[g], at == 2 ? "<id>." : "");
	rc = find_row(g, w.part[at], name, &row, err);
	if (rc)
		return rc;
	bool by_node = row->source == OF_INPUT || row->source == OF_LINK_END;
	if (w.n != at + 1 + by_node)
		return err_set(err, ERR_NOTFOUND, "signal '%s': expected %s.%s%s%s", name,
		               group_names[g], at == 2 ? "<id>." : "", row->name,
		               by_node ? ".<node>" : "");
	return g == GROUP_MESH ? add_mesh(l, row, err) : add_matches(l, row, &w, name, err);
}

int
signal_select(const struct runview *view, const char *names, struct signal_list **ret,
              struct err *err)
{
	int rc = 0;
	struct signal_list *l = calloc(1, sizeof *l);
	char *text = strdup(names);
	if (!l || !text) {
		rc = no_memory(err);
		goto out;
	}
	l->view = view;
	char *save = NULL;
	for (char *p = strtok_r(text, ", \t\n", &save); p && !rc;
	     p = strtok_r(NULL, ", \t\n", &save))
		rc = select_one(l, p, err);
	if (!rc) {
		*ret = l;
		l = NULL;
	}
out:
	free(text);
	signal_destroy(&l);
	return rc;
}

void
signal_destroy(struct signal_list **pl)
{
	struct signal_list *l = *pl;
	if (!l)
		return;
	*pl = NULL;
	ledger_destroy(&l->ledger);
	free(l->s);
	free(l);
}

/* ---- samples ----------------------------------------------------------------------------------
 */

size_t
signal_count(const struct signal_list *l)
{
	return l->n;
}

const char *
signal_name(const struct signal_list *l, size_t i)
{
	assert(i < l->n);
	return l->s[i].name;
}

const char *
signal_unit(const struct signal_list *l, size_t i)
{
	assert(i < l->n);
	return l->s[i].row->unit;
}

/* Finds the frames from k on. */
static bool
look_up(const struct signal_list *l, struct signal *s, int end, int64_t k)
{
	/* A process may get its first life after the list was made. */
	if (s->index[end] < 0)
		s->index[end] = runview_field(l->view, s->proc[end],
		                              end && s->state ? s->state : s->field);
	if (s->index[end] < 0)
		return false;
	size_t n;
	s->run[end] = runview_run(l->view, s->proc[end], k);
	s->run_k[end] = k;
	s->generation[end] = runview_generation(l->view);
	s->plugged = -1;
	if (s->row->group == GROUP_MODULE && strcmp(s->row->name, "plugged") != 0)
		s->plugged = runview_field(l->view, s->proc[end], "plugged");
	s->whole[end] = runview_fields(l->view, s->proc[end], &n)[s->index[end]].type == 'i';
	return true;
}

static bool
value(const struct signal_list *l, struct signal *s, int end, int64_t k, double *ret)
{
	bool near = k >= s->run_k[end] && k - s->run_k[end] < s->run[end].n &&
	            s->generation[end] == runview_generation(l->view);
	if (!near && !look_up(l, s, end, k))
		return false;
	const struct runview_run *r = &s->run[end];
	if (!r->w)
		return false;
	const union rec_word *frame = r->w + (size_t)(k - s->run_k[end]) * r->words;
	if (s->plugged >= 0 && frame[s->plugged].f == 0)
		return false;
	const union rec_word *w = frame + s->index[end];
	/* Frames are too far apart for the processor to foresee; k mostly ascends. */
	__builtin_prefetch(w + AHEAD_FRAMES * r->words);
	*ret = s->whole[end] ? (double)w->i : w->f;
	return true;
}

static bool
link_value(const struct signal_list *l, struct signal *s, int64_t k, double *ret)
{
	double a = 0, b = 0;
	bool has_a = value(l, s, 0, k, &a), has_b = value(l, s, 1, k, &b);
	if (s->row->source == OF_LINK_OPEN)
		*ret = !(has_a && has_b && a > 0 && b > 0);
	else if (has_a && has_b)
		*ret = (a - b) / 2;
	else
		*ret = has_a ? a : 0 - b; /* no -0 */
	return has_a || has_b;
}

static bool
share_value(const struct signal_list *l, struct signal *s, int64_t k, double *ret)
{
	double state;
	return value(l, s, 0, k, ret) && value(l, s, 1, k, &state) && state == 1;
}

static bool
mesh_value(struct signal_list *l, const struct signal *s, int64_t k, double *ret)
{
	if (!l->ledger || k < 0 || k > runview_last_k(l->view))
		return false;
	bool all = s->row->off == offsetof(struct ledger, residual);
	if (!l->has_now || l->now.k != k || (all && !l->now_all)) {
		if (all)
			ledger_at(l->ledger, k, &l->now);
		else
			ledger_sums_at(l->ledger, k, &l->now);
		l->now_all = all;
	}
	l->has_now = true;
	memcpy(ret, (const char *)&l->now + s->row->off, sizeof *ret);
	return true;
}

bool
signal_at(struct signal_list *l, size_t i, int64_t k, double *ret)
{
	assert(i < l->n);
	struct signal *s = &l->s[i];
	switch (s->row->source) {
	case OF_FIELD:
	case OF_INPUT:
	case OF_LINK_CONV:
	case OF_LINK_END:
	case OF_LINK_PRICE:
	case OF_CALIB:
	case OF_OFFSET:
		return value(l, s, 0, k, ret);
	case OF_LINK:
	case OF_LINK_OPEN:
		return link_value(l, s, k, ret);
	case OF_SHARE:
		return share_value(l, s, k, ret);
	case OF_LEDGER:
		return mesh_value(l, s, k, ret);
	}
	assert(!"source of a signal");
	return false;
}
