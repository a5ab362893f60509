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
#include "sensor_name.h"

enum { VALUE_MAX = 40, ARGS_MAX = 256 };

/* An action of the file to be, in the order of steps. */
struct deed {
	int64_t k;
	size_t nth; /* keeps the order of what was found */
	enum script_kind kind;
	const char *target;
	char with[ARGS_MAX], lease[VALUE_MAX];
	size_t proc, life; /* a death that nobody scripted: whose; else proc SIZE_MAX */
	/* a command */
	double words[ACTION_WORDS];
	bool end;          /* of a fault */
	int32_t link;      /* -1: none */
	int32_t sensor;    /* of bias, stuck: as chan of the command; else -1 */
	size_t by;         /* process that told it first */
	bool both;         /* both ends of the link told it */
};

/* A process told of a deed. */
struct telling {
	size_t proc, deed;
	bool placed;
};

struct from {
	const struct runview *view;
	const struct topo *topo;
	struct events *events;
	size_t n, cap;
	struct deed *deeds;
	size_t n_told, told_cap;
	struct telling *told; /* in the order of the events */
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
	*d = (struct deed){
		.k = k, .nth = f->n, .kind = kind, .target = target, .proc = SIZE_MAX, .link = -1,
		.sensor = -1
	};
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
	for (size_t i = 0; i < p->with->n; i++) {
		const struct field *w = &p->with->fields[i];
		bool value = w->type == FIELD_NUMBER || w->type == FIELD_WORD ||
		             (w->type == FIELD_CUSTOM && w->offset);
		if (value && w->offset == offset)
			return w;
	}
	return NULL;
}

static int
cannot(struct from *f, const struct deed *d, const char *why)
{
	char at[48];
	when(f, d->k, at);
	return err_set(f->err, ERR_INPUT, "'%s' of %s at %s cannot be scripted: %s",
	               script_action_name(d->kind), d->target, at, why);
}

static void
append(struct deed *d, const char *key, const char *value)
{
	size_t n = strlen(d->with);
	snprintf(d->with + n, sizeof d->with - n, "%s%s: %s", n ? ", " : "", key, value);
}

/* One parameter as the file has it. */
static int
take_word(struct from *f, struct deed *d, size_t of, double x)
{
	const struct field *w = param_at(&action_params[d->kind], (of & ~ACTION_INT_) - 1);
	char value[VALUE_MAX], why[100];
	if (of == ACTION_LEASE) {
		int64_t ns = (int64_t)(x * 1e9 + 0.5);
		snprintf(d->lease, sizeof d->lease, "%" PRId64 "ns", ns);
		snprintf(why, sizeof why, "%.17g s is not a whole number of nanoseconds", x);
		return (double)ns * 1e-9 == x ? 0 : cannot(f, d, why);
	}
	if (w && w->type == FIELD_WORD && x >= 0 && x < 100) {
		append(d, w->key, w->words[(size_t)x]);
	} else if (w && w->type == FIELD_CUSTOM) {
		append(d, w->key, x == CUT_POWER ? "power" : "channel");
	} else if (w && w->type == FIELD_NUMBER && value_text(x, w->unit, value)) {
		append(d, w->key, value);
	} else {
		snprintf(why, sizeof why, "%.17g cannot be written as a value of the file", x);
		return cannot(f, d, why);
	}
	return 0;
}

/* Which sensor; its temperature has a key of its own. */
static void
take_sensor(const struct from *f, struct deed *d)
{
	char name[SENSOR_NAME_MAX], value[VALUE_MAX];
	struct core_sensor s;
	int node = topo_find_node(f->topo, d->target);
	if (node < 0 || !core_sensor_of(d->sensor, &s))
		return;
	append(d, "sensor", sensor_text(f->topo, (uint32_t)node, s, name));
	if (s.kind != CORE_SENSOR_TEMP || isnan(d->words[0]) ||
	    !value_text(d->words[0], UNIT_CELSIUS, value))
		return;
	append(d, "temp", value);
	d->words[0] = NAN;
}

static int
take_words(struct from *f, struct deed *d)
{
	for (size_t i = 0; i < ACTION_WORDS; i++) {
		size_t of = action_params[d->kind].words[i];
		if (of && !isnan(d->words[i]) && take_word(f, d, of, d->words[i]))
			return f->err->code;
	}
	return 0;
}

/* The action whose begin (or end: *undo) a command is; -1: none. */
static int
kind_of(int command, bool empty, bool *undo)
{
	for (int i = 0; i < SCRIPT_KINDS_; i++) {
		const struct action *r = &action_table[i];
		bool begin = (int)r->command == command, end = r->undo && (int)r->undo == command;
		/* A command of a channel that names nothing takes back what the others did. */
		*undo = end && (!begin || empty);
		if (begin || end)
			return i;
	}
	return -1;
}

/* The other end of a link has reported this already. */
static struct deed *
told_before(struct from *f, const struct deed *d)
{
	for (size_t i = f->n; i-- > 0 && f->deeds[i].k == d->k;) {
		struct deed *o = &f->deeds[i];
		bool same = o->kind == d->kind && o->target == d->target && o->end == d->end &&
		            o->by != d->by && !o->both;
		for (size_t w = 0; w < ACTION_WORDS; w++) {
			bool sign = d->kind == SCRIPT_CLOSE && w == 2; /* seen from each end */
			double x = sign ? -o->words[w] : o->words[w];
			same = same &&
			       (x == d->words[w] || (isnan(x) && isnan(d->words[w])));
		}
		if (same)
			return o;
	}
	return NULL;
}

static int
tell(struct from *f, size_t proc, size_t deed)
{
	if (f->n_told == f->told_cap) {
		size_t cap = f->told_cap ? 2 * f->told_cap : 64;
		struct telling *p = realloc(f->told, cap * sizeof *p);
		if (!p)
			return err_set(f->err, ERR_NOMEM, "drill: out of memory");
		f->told = p;
		f->told_cap = cap;
	}
	f->told[f->n_told++] = (struct telling){ proc, deed, false };
	return 0;
}

/* Words of the i-th event, and of the one behind it that has the rest. */
static void
gather(const struct from *f, size_t i, double words[ACTION_WORDS])
{
	const struct events_item *it = events_item(f->events, i), *more = NULL;
	if (i + 1 < events_count(f->events))
		more = events_item(f->events, i + 1);
	bool has = more && more->e.code == EV_FAULT_MORE && more->proc == it->proc &&
	           more->e.k == it->e.k && more->e.chan == it->e.chan;
	words[0] = it->e.b;
	words[1] = it->e.c;
	words[2] = has ? more->e.a : NAN;
	words[3] = has ? more->e.b : NAN;
	words[4] = has ? more->e.c : NAN;
	words[5] = has ? more->e.d : NAN;
}

static int
take_fault(struct from *f, size_t i)
{
	const struct events_item *it = events_item(f->events, i);
	const struct topo *t = f->topo;
	const struct core_event *e = &it->e;
	const char *target = runview_id(f->view, it->proc);
	struct deed d = { .k = e->k, .target = target, .by = it->proc };
	bool empty = true;
	char at[48];
	gather(f, i, d.words);
	for (size_t w = 0; w < ACTION_WORDS; w++)
		empty = empty && isnan(d.words[w]);
	int kind = kind_of((int)e->a, empty, &d.end);
	when(f, e->k, at);
	if (kind < 0)
		return err_set(f->err, ERR_INPUT,
		               "command %g of %s at %s: no action of a drill does that", e->a,
		               target, at);
	d.kind = (enum script_kind)kind;
	if (e->chan >= 0) {
		if (it->proc >= t->n_nodes || (size_t)e->chan >= t->nodes[it->proc].n_links)
			return err_set(f->err, ERR_INPUT, "%s at %s: an event without its link",
			               target, at);
		d.link = (int32_t)t->nodes[it->proc].links[e->chan];
		d.target = t->links[d.link].id;
		struct deed *told = told_before(f, &d);
		if (told) {
			told->both = true;
			return tell(f, it->proc, (size_t)(told - f->deeds));
		}
	}
	struct deed *new = add(f, d.k, d.kind, d.target);
	if (!new)
		return f->err->code;
	new->by = d.by;
	new->end = d.end;
	new->link = e->chan >= 0 ? d.link : -1;
	new->sensor = e->chan < -1 ? e->chan : -1;
	memcpy(new->words, d.words, sizeof d.words);
	take_sensor(f, new);
	if (tell(f, it->proc, f->n - 1))
		return f->err->code;
	return d.end ? 0 : take_words(f, new);
}

/* Whether each process that tells of the deed within [from, to) has told of all that it has before. */
static bool
is_next(const struct from *f, size_t from, size_t to, size_t deed)
{
	for (size_t t = from; t < to; t++)
		for (size_t i = from; f->told[t].deed == deed && i < t; i++)
			if (f->told[i].proc == f->told[t].proc && !f->told[i].placed)
				return false;
	return true;
}

/* The deeds of one step, [from, to), in an order that is that of every process: each tells of its own. */
static void
order_step(struct from *f, size_t from, size_t to, size_t *nth)
{
	for (size_t left = to - from; left > 0;) {
		size_t first = to, pick = to;
		for (size_t t = from; t < to && pick == to; t++) {
			if (f->told[t].placed)
				continue;
			first = first == to ? t : first;
			if (is_next(f, from, to, f->told[t].deed))
				pick = t;
		}
		size_t deed = f->told[pick < to ? pick : first].deed;
		f->deeds[deed].nth = (*nth)++;
		for (size_t t = from; t < to; t++)
			if (f->told[t].deed == deed && !f->told[t].placed) {
				f->told[t].placed = true;
				left--;
			}
	}
}

static void
order_tellings(struct from *f)
{
	size_t nth = 0;
	for (size_t from = 0, to; from < f->n_told; from = to) {
		int64_t k = f->deeds[f->told[from].deed].k;
		for (to = from; to < f->n_told && f->deeds[f->told[to].deed].k == k; to++)
			;
		order_step(f, from, to, &nth);
	}
	for (size_t i = 0; i < f->n; i++)
		if (!action_table[f->deeds[i].kind].command)
			f->deeds[i].nth += nth; /* lives, as they came */
}

/* What was done to one end of a link alone. */
static void
take_ends(struct from *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct deed *d = &f->deeds[i];
		if (d->link < 0)
			continue;
		const struct topo_link *l = &f->topo->links[d->link];
		uint32_t other = l->a == d->by ? l->b : l->a;
		if (d->kind == SCRIPT_CLOSE && !isnan(d->words[2]))
			append(d, "at", f->topo->nodes[d->words[2] > 0 ? d->by : other].id);
		bool alone = !d->both && runview_life_at(f->view, other, d->k) >= 0;
		if (alone && action_table[d->kind].rule == RULE_FAULT)
			append(d, "toward", f->topo->nodes[d->by].id);
	}
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
	        "\ntime: { duration: %ss, heal: false }\nreplay: [",
	        f->topo->name, topology, runview_seed(f->view), at);
	write_counted(f, out);
	fputs("]\ntimeline:\n", out);
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
	if (d->end)
		fputs(", end: true", out);
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
			rc = take_fault(&f, i);
	if (!rc)
		rc = take_lives(&f);
	if (!rc) {
		take_ends(&f);
		order_tellings(&f);
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
	free(f.told);
	return rc;
}
