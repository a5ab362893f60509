#include "drill_from.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "core.h"
#include "decode.h"
#include "events.h"
#include "export.h"
#include "script.h"

enum { VALUE_MAX = 40, ARGS_MAX = 256 };

/* An action of the file to be, in the order of steps. */
struct deed {
	int64_t k;
	size_t nth; /* keeps the order of what was found */
	enum script_kind kind;
	const char *target;
	char with[ARGS_MAX], lease[VALUE_MAX];
	size_t proc, life; /* a death that nobody scripted: whose; else proc SIZE_MAX */
	bool open;         /* a fault whose end has not been found */
};

struct from {
	const struct runview *view;
	const struct topo *topo;
	struct events *events;
	size_t n, cap;
	struct deed *deeds;
	struct err *err;
};

static struct deed *
add(struct from *f, int64_t k, enum script_kind kind, const char *target)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct deed *p = realloc(f->deeds, cap * sizeof *p);
		if (!p) {
			err_set(f->err, ERR_NOMEM, "drill: out of memory");
			return NULL;
		}
		f->deeds = p;
		f->cap = cap;
	}
	struct deed *d = &f->deeds[f->n];
	*d = (struct deed){ .k = k, .nth = f->n, .kind = kind, .target = target, .proc = SIZE_MAX };
	f->n++;
	return d;
}

static void
when(const struct from *f, int64_t k, char buf[48])
{
	char s[EXPORT_TIME_MAX];
	export_time(k * f->topo->step_ns, s);
	snprintf(buf, 48, "%s s", s);
}

/* ---- faults -----------------------------------------------------------------------------------
 */

/* The shortest text that is read back as the same number; false: there is none. */
static bool
value_text(double x, enum unit u, char buf[VALUE_MAX])
{
	char why[UNIT_WHY_MAX];
	double back, shown = u == UNIT_PERCENT ? x * 100 : x;
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, VALUE_MAX, "%.*g%s", digits, shown, unit_symbol(u));
		if (!unit_parse(buf, u, &back, why) && back == x)
			return true;
	}
	return false;
}

static const struct field *
param_at(const struct action_params *p, size_t offset)
{
	for (size_t i = 0; i < p->with->n; i++)
		if (p->with->fields[i].type == FIELD_NUMBER && p->with->fields[i].offset == offset)
			return &p->with->fields[i];
	return NULL;
}

/* The parameters of a fault from the words of its command. The record has two of three. */
static int
take_words(struct from *f, struct deed *d, const struct core_event *e)
{
	const struct action_params *p = &action_params[d->kind];
	const double words[] = { e->b, e->c };
	char at[48], value[VALUE_MAX];
	for (size_t i = 0; i < ACTION_WORDS; i++) {
		size_t of = p->words[i];
		if (of == 0 || (i < 2 && isnan(words[i])))
			continue;
		when(f, e->k, at);
		if (i >= 2)
			return err_set(
				f->err, ERR_INPUT,
				"'%s' of %s at %s cannot be scripted: the record has not all of "
				"its parameters",
				script_action_name(d->kind), d->target, at);
		if (of == ACTION_LEASE) {
			int64_t ns = (int64_t)(words[i] * 1e9 + 0.5);
			if ((double)ns * 1e-9 != words[i])
				return err_set(
					f->err, ERR_INPUT,
					"'%s' of %s at %s cannot be scripted: %.17g s is not "
					"a whole number of nanoseconds",
					script_action_name(d->kind), d->target, at, words[i]);
			snprintf(d->lease, sizeof d->lease, "%" PRId64 "ns", ns);
			continue;
		}
		const struct field *w = param_at(p, of - 1);
		if (!w || !value_text(words[i], w->unit, value))
			return err_set(
				f->err, ERR_INPUT,
				"'%s' of %s at %s cannot be scripted: %.17g cannot be written "
				"as a value of the file",
				script_action_name(d->kind), d->target, at, words[i]);
		size_t n = strlen(d->with);
		snprintf(d->with + n, sizeof d->with - n, "%s%s: %s", n ? ", " : "", w->key, value);
	}
	return 0;
}

/* The action whose begin (or end: *undo) a command is; -1: none. */
static int
kind_of(int command, bool *undo)
{
	for (int i = 0; i < SCRIPT_KINDS_; i++) {
		*undo = false;
		if ((int)action_table[i].command == command)
			return i;
		*undo = action_table[i].undo && (int)action_table[i].undo == command;
		if (*undo)
			return i;
	}
	return -1;
}

/* A fault that lasted until it was ended by a command: a lease of that length. */
static int
take_undo(struct from *f, enum script_kind kind, const char *target, int64_t k)
{
	for (size_t i = f->n; i-- > 0;) {
		struct deed *d = &f->deeds[i];
		if (d->kind != kind || !d->open || strcmp(d->target, target) != 0)
			continue;
		d->open = false;
		snprintf(d->lease, sizeof d->lease, "%" PRId64 "ns", (k - d->k) * f->topo->step_ns);
		return 0;
	}
	char at[48];
	when(f, k, at);
	return err_set(f->err, ERR_INPUT, "the end of '%s' of %s at %s has no begin",
	               script_action_name(kind), target, at);
}

static int
take_fault(struct from *f, const struct events_item *it)
{
	const struct topo *t = f->topo;
	const struct core_event *e = &it->e;
	const char *target = runview_id(f->view, it->proc);
	bool undo;
	int kind = kind_of((int)e->a, &undo);
	char at[48];
	when(f, e->k, at);
	if (kind < 0)
		return err_set(f->err, ERR_INPUT,
		               "command %g of %s at %s: no action of a drill does that", e->a,
		               target, at);
	if (action_table[kind].rule == RULE_LINK) {
		if (it->proc >= t->n_nodes || e->chan < 0 ||
		    (size_t)e->chan >= t->nodes[it->proc].n_links)
			return err_set(f->err, ERR_INPUT, "%s at %s: an event without its link",
			               target, at);
		target = t->links[t->nodes[it->proc].links[e->chan]].id;
		/* Both ends report it. */
		for (size_t i = f->n; i-- > 0 && f->deeds[i].k == e->k;)
			if ((int)f->deeds[i].kind == kind && f->deeds[i].target == target)
				return 0;
	}
	if (undo)
		return take_undo(f, (enum script_kind)kind, target, e->k);
	struct deed *d = add(f, e->k, (enum script_kind)kind, target);
	if (!d)
		return f->err->code;
	d->open = action_table[kind].undo != 0;
	return take_words(f, d, e);
}

/* ---- lives ------------------------------------------------------------------------------------
 */

static int
take_death(struct from *f, size_t proc, size_t l)
{
	const struct rec_file *life = runview_life(f->view, proc, l);
	int64_t last = rec_file_last_k(life);
	size_t n = rec_file_n_events(life);
	const struct core_event *e = n ? rec_file_event(life, n - 1) : NULL;
	const char *id = runview_id(f->view, proc);
	char at[48];
	when(f, last, at);
	if (e && e->code != EV_PARK && e->k >= last && e->k > rec_file_head(life)->start_k)
		return err_set(
			f->err, ERR_INPUT,
			"%s died in the middle of step %" PRId64
			" (%s): events of it are recorded and its frame is not. No drill does "
			"that",
			id, last, at);
	struct deed *d = add(f, last + 1, SCRIPT_KILL, id);
	if (!d)
		return f->err->code;
	if (!e || e->code != EV_PARK) {
		d->proc = proc;
		d->life = l;
	}
	return 0;
}

static int
take_lives(struct from *f)
{
	int64_t end = runview_last_k(f->view);
	for (size_t p = 0; p < runview_n_procs(f->view); p++) {
		for (size_t l = 0; l < runview_n_lives(f->view, p); l++) {
			const struct rec_file *life = runview_life(f->view, p, l);
			int64_t start = rec_file_head(life)->start_k;
			if (l > 0 && !add(f, start, SCRIPT_START, runview_id(f->view, p)))
				return f->err->code;
			if (rec_file_last_k(life) < end) {
				int rc = take_death(f, p, l);
				if (rc)
					return rc;
			}
		}
	}
	return 0;
}

/* ---- what the dead had sent -------------------------------------------------------------------
 */

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

/* ---- the file ---------------------------------------------------------------------------------
 */

static int
by_step(const void *pa, const void *pb)
{
	const struct deed *a = pa, *b = pb;
	if (a->k != b->k)
		return a->k < b->k ? -1 : 1;
	return a->nth < b->nth ? -1 : a->nth > b->nth;
}

static void
write_head(const struct from *f, const char *run_dir, const char *topology, FILE *out)
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
	        "\ntime: { duration: %ss, heal: false }\ntimeline:\n",
	        f->topo->name, topology, runview_seed(f->view), at);
}

static void
write_deed(const struct from *f, const struct deed *d, FILE *out)
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
	fputs(" }\n", out);
}

int
drill_from_write(const struct runview *view, const char *run_dir, const char *topology, FILE *out,
                 struct drill_from *ret, struct err *err)
{
	struct from f = { .view = view, .topo = runview_topo(view), .err = err };
	int rc = events_collect(view, &f.events, err);
	for (size_t i = 0; !rc && i < events_count(f.events); i++)
		if (events_item(f.events, i)->e.code == EV_FAULT)
			rc = take_fault(&f, events_item(f.events, i));
	if (!rc)
		rc = take_lives(&f);
	if (!rc) {
		*ret = (struct drill_from){ .n_actions = f.n, .partial = runview_partial(view) };
		if (f.n)
			qsort(f.deeds, f.n, sizeof *f.deeds, by_step);
		write_head(&f, run_dir, topology, out);
		for (size_t i = 0; i < f.n; i++) {
			write_deed(&f, &f.deeds[i], out);
			ret->n_deaths += f.deeds[i].proc != SIZE_MAX;
		}
	}
	events_destroy(&f.events);
	free(f.deeds);
	return rc;
}
