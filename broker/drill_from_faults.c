/* Commands in the record of a run, as actions of a drill. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "decode.h"
#include "drill_from_priv.h"
#include "sensor_name.h"

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
	drill_from_when(f, d->k, at);
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

int
drill_from_fault(struct from *f, size_t i)
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
	drill_from_when(f, e->k, at);
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
	struct deed *new = drill_from_add(f, d.k, d.kind, d.target);
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

void
drill_from_order(struct from *f)
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
void
drill_from_ends(struct from *f)
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
