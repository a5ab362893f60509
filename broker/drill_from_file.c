/* What was done in a run, as the file of a drill. */
#include <inttypes.h>

#include "core.h"
#include "drill_from_priv.h"
#include "export.h"

/* Channel of process `proc` at an edge; -1: none. As the slice has them: links, then ports. */
static int32_t
channel(const struct topo *t, size_t proc, size_t edge)
{
	if (proc >= t->n_nodes) {
		const struct topo_module *m = &t->modules[proc - t->n_nodes];
		for (size_t i = 0; i < m->n_feeds; i++)
			if (t->n_links + m->ports[i] == edge)
				return (int32_t)i;
		return -1;
	}
	const struct topo_node *n = &t->nodes[proc];
	for (size_t i = 0; i < n->n_links; i++)
		if (n->links[i] == edge)
			return (int32_t)i;
	for (size_t i = 0; i < n->n_ports; i++)
		if (t->n_links + n->ports[i] == edge)
			return (int32_t)(n->n_links + i);
	return -1;
}

/* Last step that came through, as the other end noted it when it opened; false: it noted nothing.
 */
static bool
last_sent(const struct from *f, const struct deed *d, size_t peer, size_t edge, int64_t *ret)
{
	const struct rec_file *life = runview_life(f->view, d->proc, d->life);
	int64_t until = INT64_MAX;
	if (d->life + 1 < runview_n_lives(f->view, d->proc))
		until = rec_file_head(runview_life(f->view, d->proc, d->life + 1))->start_k;
	int32_t chan = channel(f->topo, peer, edge);
	for (size_t i = 0; i < events_count(f->events); i++) {
		const struct events_item *it = events_item(f->events, i);
		const struct core_event *e = &it->e;
		bool opens = e->code == EV_LINK_OPEN || e->code == EV_PORT_OPEN;
		if (it->proc != peer || !opens || e->chan != chan || e->a != OPEN_DEATH ||
		    e->k <= rec_file_head(life)->start_k || e->k > until)
			continue;
		*ret = (int64_t)e->b;
		return true;
	}
	return false;
}

static void
write_last_sent(const struct from *f, const struct deed *d, FILE *out)
{
	const struct topo *t = f->topo;
	bool any = false;
	int64_t step;
	fputs(", with: { last_sent: {", out);
	for (size_t e = 0; e < t->n_links + t->n_ports; e++) {
		bool link = e < t->n_links;
		const struct topo_port *p = link ? NULL : &t->ports[e - t->n_links];
		size_t a = link ? t->links[e].a : p->node,
		       b = link ? t->links[e].b : t->n_nodes + p->module;
		if ((a != d->proc && b != d->proc) ||
		    !last_sent(f, d, a == d->proc ? b : a, e, &step))
			continue;
		fprintf(out, "%s %s: %" PRId64, any ? "," : "", link ? t->links[e].id : p->id,
		        step);
		any = true;
	}
	fputs(" } }", out);
}

/* Links without `channel:` whose frames that run counted, because it had a script. */
static void
write_counted(const struct from *f, FILE *out)
{
	bool any = false;
	for (size_t i = 0; i < f->topo->n_links; i++) {
		const struct topo_link *l = &f->topo->links[i];
		char name[TOPO_ID_MAX + 24];
		snprintf(name, sizeof name, "link.%s.frames_sent", l->id);
		/* One end alone where the other was not meant. */
		if (l->p.has_channel || (runview_field(f->view, l->a, name) < 0 &&
		                         runview_field(f->view, l->b, name) < 0))
			continue;
		fprintf(out, "%s%s", any ? ", " : "", l->id);
		any = true;
	}
}

void
drill_from_head(const struct from *f, const char *run_dir, const char *topology, FILE *out)
{
	char at[EXPORT_TIME_MAX];
	uint8_t hash[32];
	struct err err = ERR_INIT;
	fprintf(out, "# What was done to %s in\n#   %s\n", f->topo->name, run_dir);
	if (runview_partial(f->view)) {
		fputs("# Early frames of that run were dropped: its trace cannot be compared.\n",
		      out);
	} else if (!runview_trace(f->view, hash, &err)) {
		fputs("# trace ", out);
		for (int i = 0; i < 32; i++)
			fprintf(out, "%02x", hash[i]);
		putc('\n', out);
	}
	export_time(runview_last_k(f->view) * f->topo->step_ns, at);
	fprintf(out,
	        "drill: 1\nname: %.20s-replay\ntopology: %s\nseed: %" PRIu64
	        "\ntime: { duration: %ss, heal: false }\nreplay: [",
	        f->topo->name, topology, runview_seed(f->view), at);
	write_counted(f, out);
	fputs("]\ntimeline:\n", out);
}

void
drill_from_deed(const struct from *f, const struct deed *d, FILE *out)
{
	char at[EXPORT_TIME_MAX];
	export_time(d->k * f->topo->step_ns, at);
	fprintf(out, "  - { at: %ss, do: %s, target: %s", at, script_action_name(d->kind),
	        d->target);
	if (d->proc != SIZE_MAX)
		write_last_sent(f, d, out);
	if (d->with[0])
		fprintf(out, ", with: { %s }", d->with);
	if (d->lease[0])
		fprintf(out, ", for: %s", d->lease);
	if (d->end)
		fputs(", end: true", out);
	fputs(" }\n", out);
}
