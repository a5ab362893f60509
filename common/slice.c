#include "slice.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static int
copy_pwl(struct pwl *to, const struct pwl *from)
{
	*to = (struct pwl){ 0 };
	if (!from->n)
		return 0;
	to->p = malloc(from->n * sizeof *to->p);
	if (!to->p)
		return -1;
	memcpy(to->p, from->p, from->n * sizeof *to->p);
	to->n = from->n;
	return 0;
}

static int
copy_node(struct node_params *to, const struct node_params *from)
{
	*to = *from;
	to->load_w = to->conv.load_a = to->store.conv.load_a = (struct pwl){ 0 };
	return copy_pwl(&to->load_w, &from->load_w) ||
	       copy_pwl(&to->conv.load_a, &from->conv.load_a);
}

static int
copy_module(struct module_params *to, const struct module_params *from)
{
	*to = *from;
	to->load_w = (struct pwl){ 0 };
	to->n_phases = 0;
	to->phases = NULL;
	if (copy_pwl(&to->load_w, &from->load_w))
		return -1;
	if (!from->n_phases)
		return 0;
	to->phases = malloc(from->n_phases * sizeof *to->phases);
	if (!to->phases)
		return -1;
	memcpy(to->phases, from->phases, from->n_phases * sizeof *to->phases);
	to->n_phases = from->n_phases;
	return 0;
}

static void
chan_link(struct slice_chan *c, const struct topo *t, uint32_t link, uint32_t self)
{
	const struct topo_link *l = &t->links[link];
	c->kind = CHAN_LINK;
	strcpy(c->id, l->id);
	c->edge = link;
	c->is_a = l->a == self;
	c->peer = c->is_a ? l->b : l->a;
	strcpy(c->peer_id, t->nodes[c->peer].id);
	c->binds = self < c->peer;
	c->tcp = l->tcp;
	c->link = l->p;
	c->peer_v_init_v = t->nodes[c->peer].p.v_init_v;
}

/* Lower priority first, then the order of the file. */
static double
shed_rank(const struct topo *t, uint32_t module)
{
	const uint32_t priority = t->modules[module].p.priority;
	size_t before = 0;

	for (uint32_t i = 0; i < t->n_modules; i++)
		before += t->modules[i].p.priority < priority ||
		          (t->modules[i].p.priority == priority && i < module);
	return (double)before / (double)t->n_modules;
}

static double
feeds_w(const struct topo *t)
{
	double sum_w = 0;

	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].p.has_feed)
			sum_w += t->nominal_v * t->nodes[i].p.feed.i_rated_a;
	return sum_w;
}

/* What both ends of a port share. */
static void
chan_port(struct slice_chan *c, const struct topo *t, uint32_t port)
{
	const struct topo_port *p = &t->ports[port];
	c->kind = CHAN_PORT;
	strcpy(c->id, p->id);
	c->edge = (uint32_t)t->n_links + port;
	c->input = p->input;
	c->r_port_ohm = t->modules[p->module].p.r_port_ohm;
	c->p_init_w = p->p_init_w;
	c->owner = p->input == 0;
	c->priority = t->modules[p->module].p.priority;
	c->shed_rank = shed_rank(t, p->module);
}

/* The converters that this node has at its links. */
static int
fill_convs(struct slice *s, const struct topo *t, uint32_t self)
{
	const struct topo_node *n = &t->nodes[self];
	s->convs = calloc(n->n_links ? n->n_links : 1, sizeof *s->convs);
	if (!s->convs)
		return -1;
	for (size_t l = 0; l < n->n_links; l++) {
		const struct topo_link *k = &t->links[n->links[l]];
		if (!k->has_conv || k->conv.node != self)
			continue;
		struct slice_conv *c = &s->convs[s->n_convs++];
		c->chan = (uint32_t)l;
		c->conv = k->conv.conv;
		if (copy_pwl(&c->power_w, &k->conv.power_w))
			return -1;
		for (size_t i = 0; i < c->power_w.n && k->a != self; i++)
			c->power_w.p[i].level = 0 - c->power_w.p[i].level;
	}
	return 0;
}

static int
fill_node(struct slice *s, const struct topo *t, uint32_t i)
{
	const struct topo_node *n = &t->nodes[i];
	s->kind = PROC_NODE;
	strcpy(s->id, n->id);
	s->init_v_v = n->p.v_init_v;
	s->init_temp_c = n->p.thermal.ambient_c;
	s->feeds_w = feeds_w(t);
	s->init_v_sc_v = n->p.has_store ? n->p.store.v_init_v : n->p.has_sc ? n->p.v_init_v : 0;
	if (copy_node(&s->node, &n->p))
		return -1;
	s->chans = calloc(n->n_links + n->n_ports ? n->n_links + n->n_ports : 1, sizeof *s->chans);
	if (!s->chans)
		return -1;
	for (size_t l = 0; l < n->n_links; l++)
		chan_link(&s->chans[s->n_chans++], t, n->links[l], i);
	if (fill_convs(s, t, i))
		return -1;
	for (size_t p = 0; p < n->n_ports; p++) {
		struct slice_chan *c = &s->chans[s->n_chans++];
		uint32_t module = t->ports[n->ports[p]].module;
		chan_port(c, t, n->ports[p]);
		c->peer = (uint32_t)t->n_nodes + module;
		strcpy(c->peer_id, t->modules[module].id);
		c->binds = true;
	}
	return 0;
}

static int
fill_module(struct slice *s, const struct topo *t, uint32_t i)
{
	const struct topo_module *m = &t->modules[i];
	s->kind = PROC_MODULE;
	strcpy(s->id, m->id);
	if (copy_module(&s->module, &m->p))
		return -1;
	s->chans = calloc(m->n_feeds ? m->n_feeds : 1, sizeof *s->chans);
	if (!s->chans)
		return -1;
	for (size_t f = 0; f < m->n_feeds; f++) {
		struct slice_chan *c = &s->chans[s->n_chans++];
		const struct topo_node *peer = &t->nodes[m->feeds[f]];
		chan_port(c, t, m->ports[f]);
		assert(c->input == f);
		c->peer = m->feeds[f];
		strcpy(c->peer_id, peer->id);
		c->peer_v_init_v = peer->p.v_init_v;
		/* The input capacitor begins at the highest of the module's feeds. */
		s->init_v_v = fmax(s->init_v_v, peer->p.v_init_v);
	}
	if (m->p.v_init_v > 0)
		s->init_v_v = m->p.v_init_v;
	return 0;
}

int
slice_from_topo(const struct topo *t, uint32_t index, struct slice **ret, struct err *err)
{
	assert(index < t->n_nodes + t->n_modules);
	struct slice *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_NOMEM, "slice %u: out of memory", index);
	strcpy(s->mesh, t->name);
	s->index = index;
	s->incarnation = 1;
	memcpy(s->topo_hash, t->hash, sizeof s->topo_hash);
	s->seed = t->seed;
	s->step_ns = t->step_ns;
	s->substeps = t->substeps;
	s->port_period = t->port_period;
	s->end_k = s->kill_k = INT64_MAX;
	int rc = index < t->n_nodes ? fill_node(s, t, index)
	                            : fill_module(s, t, index - (uint32_t)t->n_nodes);
	for (size_t c = 0; c < s->n_chans; c++)
		s->chans[c].last_sent = INT64_MAX;
	if (rc) {
		slice_destroy(&s);
		return err_set(err, ERR_NOMEM, "slice %u: out of memory", index);
	}
	*ret = s;
	return 0;
}

void
slice_destroy(struct slice **ps)
{
	struct slice *s = *ps;
	if (!s)
		return;
	*ps = NULL;
	if (s->kind == PROC_NODE) {
		free(s->node.load_w.p);
		free(s->node.conv.load_a.p);
		free(s->node.store.conv.load_a.p);
	} else {
		free(s->module.load_w.p);
		free(s->module.phases);
	}
	for (size_t i = 0; i < s->n_convs; i++) {
		free(s->convs[i].conv.load_a.p);
		free(s->convs[i].power_w.p);
	}
	free(s->convs);
	free(s->chans);
	free(s->cmds);
	free(s->starts);
	free(s);
}

bool
slice_takes(const struct slice *s, const struct sup_msg *m, struct core_cmd *ret)
{
	*ret = (struct core_cmd){ .k = m->k, .kind = m->fault, .chan = -1, .a = m->a, .b = m->b,
		                  .c = m->c, .d = m->d,        .e = m->e,  .f = m->f };
	if (m->edge < 0) {
		ret->chan = m->edge;
		return m->proc == s->index;
	}
	for (size_t c = 0; c < s->n_chans; c++) {
		if (s->chans[c].edge != (uint32_t)m->edge)
			continue;
		ret->chan = (int32_t)c;
		if (ret->kind == CMD_CLOSE && !s->chans[c].is_a)
			ret->c = -ret->c;
		return !m->toward || m->toward == s->index + 1;
	}
	return false;
}

int
slice_tell(struct slice *s, const struct sup_msg *m, struct err *err)
{
	struct core_cmd cmd;
	size_t at = s->n_cmds;

	if (!slice_takes(s, m, &cmd))
		return 0;
	struct core_cmd *p = realloc(s->cmds, (s->n_cmds + 1) * sizeof *p);
	if (!p)
		return err_set(err, ERR_NOMEM, "%s: out of memory", s->id);
	s->cmds = p;
	bool scripted = false;
	for (size_t i = 0; i < s->n_cmds; i++)
		scripted = scripted || (p[i].chan == cmd.chan && core_cmd_of_channel(&p[i]));
	if (cmd.chan >= 0 && !scripted)
		s->chans[cmd.chan].uncounted = true;
	for (; at > 0 && p[at - 1].k > cmd.k; at--)
		p[at] = p[at - 1];
	p[at] = cmd;
	s->n_cmds++;
	return 0;
}
