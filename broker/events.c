#include "events.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "json_out.h"
#include "sensor_name.h"

struct events {
	const struct runview *view;
	size_t n;
	struct events_item *items;
};

/* ---- what the numbers of an event mean --------------------------------------------------------
 */

enum how {
	NOTHING,
	NUMBER,  /* left out when NaN */
	STEP,    /* left out when negative */
	CAUSE,   /* enum open_cause */
	STAGE,   /* of a closing link */
	LIMIT,   /* of a pre-charge */
	ELEMENT, /* of a fuse */
	RESETTER, /* of a microcontroller */
	TRIP,    /* enum trip_cause */
	BEGINS,  /* 1, 0 */
	KNOWN,   /* 1, 0 */
	COMMAND, /* enum core_cmd_kind */
	INPUT,   /* of a module: the node there */
};

static const struct argument {
	const char *key;
	enum how how;
} arguments[EV_END_][4] = {
	[EV_LINK_OPEN] = { { "cause", CAUSE },
	                   { "rx", STEP },
	                   { "wave_j", NUMBER },
	                   { "booked_j", NUMBER } },
	[EV_LINK_CLOSE] = { { "stage", STAGE } },
	[EV_PORT_OPEN] = { { "cause", CAUSE }, { "rx", STEP } },
	[EV_JOINED] = { { "incarnation", NUMBER } },
	[EV_FAULT] = { { "kind", COMMAND } },
	[EV_FAULT_MORE] = { { "c", NUMBER }, { "d", NUMBER }, { "e", NUMBER }, { "f", NUMBER } },
	[EV_OWNER] = { { "to", INPUT }, { "epoch", NUMBER } },
	[EV_UNSERVED] = { { "state", BEGINS } },
	[EV_BAD_MSG] = { { "reason", NUMBER } },
	[EV_SHED] = { { "priority", NUMBER } },
	[EV_RESTORED] = { { "priority", NUMBER } },
	[EV_ADJ_DOWN] = { { "silent_s", NUMBER } },
	[EV_ADJ_UP] = { { "after_s", NUMBER } },
	[EV_CALIBRATION] = { { "state", KNOWN },
	                     { "rank", NUMBER },
	                     { "unknowns", NUMBER },
	                     { "sigma", NUMBER } },
	[EV_TRIP] = { { "cause", TRIP }, { "at", NUMBER } },
	[EV_TRIP_CLEAR] = { { "cause", TRIP }, { "at", NUMBER } },
	[EV_WATCHDOG] = { { "cause", RESETTER } },
	[EV_LINK_LIMITED] = { { "state", BEGINS },
	                      { "i_a", NUMBER },
	                      { "limit_a", NUMBER },
	                      { "price", NUMBER } },
	[EV_LINK_OVER] = { { "state", BEGINS },
	                   { "i_a", NUMBER },
	                   { "limit_a", NUMBER },
	                   { "price", NUMBER } },
	[EV_DERATED] = { { "state", BEGINS }, { "part", NUMBER } },
	[EV_PRECHARGE] = { { "limit", LIMIT },
	                   { "dv_v", NUMBER },
	                   { "resistor_j", NUMBER },
	                   { "again_s", NUMBER } },
	[EV_FUSE] = { { "element", ELEMENT }, { "i_a", NUMBER }, { "substep", NUMBER } },
};

/* Names of the parameters of a command, as in a drill file. */
static const struct command {
	const char *name, *a, *b;
} commands[CMD_END_] = {
#define X(kind, number, name, a, b, unit) [kind] = { name, a, b },
	CORE_CMD_TABLE(X)
#undef X
};

static const char *
cause_name(double x)
{
	if (x == OPEN_DEATH)
		return "death";
	if (x == OPEN_CUT)
		return "cut";
	if (x == OPEN_PRECHARGE)
		return "precharge";
	return x == OPEN_FUSE ? "fuse" : "unknown";
}

/* Id of a process' channel: links in topology order, then ports. */
static const char *
chan_id(const struct topo *t, size_t proc, int32_t chan)
{
	size_t c = (size_t)chan;
	if (chan < 0)
		return NULL;
	if (proc >= t->n_nodes) {
		const struct topo_module *m = &t->modules[proc - t->n_nodes];
		return c < m->n_feeds ? t->ports[m->ports[c]].id : NULL;
	}
	const struct topo_node *n = &t->nodes[proc];
	if (c < n->n_links)
		return t->links[n->links[c]].id;
	c -= n->n_links;
	return c < n->n_ports ? t->ports[n->ports[c]].id : NULL;
}

/* The process behind a link of a node. */
static const char *
neighbour(const struct topo *t, size_t proc, int32_t chan)
{
	const struct topo_link *l = &t->links[t->nodes[proc].links[chan]];
	return t->nodes[l->a == proc ? l->b : l->a].id;
}

static const char *
input_node(const struct topo *t, size_t proc, double input)
{
	if (proc < t->n_nodes)
		return "none";
	const struct topo_module *m = &t->modules[proc - t->n_nodes];
	return input >= 0 && input < (double)m->n_feeds ? t->nodes[m->feeds[(size_t)input]].id
	                                                : "none";
}

/* One argument: a word in `text`, or NULL and a number in `number`, or false: to be left out. */
static bool
argument(const struct topo *t, size_t proc, enum how how, double x, const char **text,
         double *number)
{
	*text = NULL;
	*number = x;
	switch (how) {
	case NOTHING:
		return false;
	case NUMBER:
		return !isnan(x);
	case STEP:
		return x >= 0;
	case CAUSE:
		*text = cause_name(x);
		return true;
	case STAGE:
		*text = x == 1 ? "precharge" : "closed";
		return true;
	case LIMIT:
		*text = x == 1 ? "time" : "heat";
		return true;
	case ELEMENT:
		*text = x == 1 ? "fast" : "i2t";
		return true;
	case BEGINS:
		*text = x == 1 ? "begins" : "ends";
		return true;
	case KNOWN:
		*text = x == 1 ? "observable" : "not_observable";
		return true;
	case INPUT:
		*text = input_node(t, proc, x);
		return true;
	case RESETTER:
		*text = x == 1 ? "watchdog" : "hand";
		return true;
	case TRIP:
		*text = x == TRIP_OV ? "ov" : x == TRIP_UV ? "uv" : x == TRIP_OT ? "ot" : "unknown";
		return true;
	case COMMAND:
		*text = x >= 0 && x < CMD_END_ && commands[(size_t)x].name
		                ? commands[(size_t)x].name
		                : "unknown";
		return true;
	}
	return false;
}

/* Calls `put` for every key of an event, first that of its subject. */
static void
each_argument(const struct events *ev, const struct events_item *it,
              void (*put)(void *arg, const char *key, const char *text, double number), void *arg)
{
	const struct topo *t = runview_topo(ev->view);
	const char *id = chan_id(t, it->proc, it->e.chan), *key = event_key(it->e.code);
	const double x[4] = { it->e.a, it->e.b, it->e.c, it->e.d };
	const char *text;
	double number;
	/* A fault is on a link or on the bus; other events name their own kind of channel, or none.
	 */
	bool adjacency = it->e.code == EV_ADJ_DOWN || it->e.code == EV_ADJ_UP;
	if (adjacency && id && it->proc < t->n_nodes) {
		put(arg, "subject", neighbour(t, it->proc, it->e.chan), 0);
		put(arg, "by", runview_id(ev->view, it->proc), 0);
	}
	bool module = it->proc >= t->n_nodes;
	if (it->e.code == EV_FAULT || it->e.code == EV_FAULT_MORE)
		put(arg, id ? "link" : module ? "module" : "node",
		    id ? id : runview_id(ev->view, it->proc), 0);
	else if (module && !id && !strcmp(key, "node"))
		put(arg, "module", runview_id(ev->view, it->proc), 0);
	else
		put(arg, key, id ? id : runview_id(ev->view, it->proc), 0);
	for (int i = 0; i < 4; i++) {
		const struct argument *a = &arguments[it->e.code][i];
		if (argument(t, it->proc, a->how, x[i], &text, &number))
			put(arg, a->key, text, number);
	}
	if (it->e.code != EV_FAULT || !(x[0] >= 0 && x[0] < CMD_END_))
		return;
	if ((x[0] == CMD_CUT || x[0] == CMD_HEAL) && x[1] > 0)
		put(arg, "only", x[1] == CUT_POWER ? "power" : "channel", 0);
	const struct command *c = &commands[(size_t)x[0]];
	char name[SENSOR_NAME_MAX];
	struct core_sensor at;
	if (!module && core_sensor_of(it->e.chan, &at)) {
		put(arg, "sensor", sensor_text(t, (uint32_t)it->proc, at, name), 0);
		if (!isnan(x[1]) || !isnan(x[2]))
			put(arg, "by", NULL, isnan(x[1]) ? x[2] : x[1]);
		return;
	}
	if (c->a && !isnan(x[1]))
		put(arg, c->a, NULL, x[1]);
	if (c->b && !isnan(x[2]))
		put(arg, c->b, NULL, x[2]);
	if (x[0] == CMD_AGE || x[0] == CMD_UNAGE)
		put(arg, "booked_j", NULL, x[3]);
}

/* ---- collecting -------------------------------------------------------------------------------
 */

/* Stable: equal steps keep the order of the files, which is that of processes and incarnations. */
static void
merge_sort(struct events_item *a, struct events_item *tmp, size_t n)
{
	if (n < 2)
		return;
	size_t h = n / 2, i = 0, j = h, o = 0;
	merge_sort(a, tmp, h);
	merge_sort(a + h, tmp, n - h);
	memcpy(tmp, a, n * sizeof *a);
	while (i < h || j < n)
		a[o++] = j == n || (i < h && tmp[i].e.k <= tmp[j].e.k) ? tmp[i++] : tmp[j++];
}

int
events_collect(const struct runview *view, struct events **ret, struct err *err)
{
	size_t n = 0;
	for (size_t p = 0; p < runview_n_procs(view); p++)
		for (size_t l = 0; l < runview_n_lives(view, p); l++)
			n += rec_file_n_events(runview_life(view, p, l));
	struct events *ev = calloc(1, sizeof *ev);
	struct events_item *tmp = malloc((n ? n : 1) * sizeof *tmp);
	if (ev)
		ev->items = malloc((n ? n : 1) * sizeof *ev->items);
	if (!ev || !tmp || !ev->items) {
		free(tmp);
		events_destroy(&ev);
		return err_set(err, ERR_NOMEM, "events: out of memory");
	}
	ev->view = view;
	for (size_t p = 0; p < runview_n_procs(view); p++) {
		for (size_t l = 0; l < runview_n_lives(view, p); l++) {
			const struct rec_file *f = runview_life(view, p, l);
			for (size_t i = 0; i < rec_file_n_events(f); i++)
				ev->items[ev->n++] = (struct events_item){
					p,
					rec_file_head(f)->incarnation,
					*rec_file_event(f, i),
				};
		}
	}
	merge_sort(ev->items, tmp, ev->n);
	free(tmp);
	*ret = ev;
	return 0;
}

void
events_destroy(struct events **pev)
{
	struct events *ev = *pev;
	if (!ev)
		return;
	*pev = NULL;
	free(ev->items);
	free(ev);
}

size_t
events_count(const struct events *ev)
{
	return ev->n;
}

const struct events_item *
events_item(const struct events *ev, size_t i)
{
	assert(i < ev->n);
	return &ev->items[i];
}

/* ---- writing ----------------------------------------------------------------------------------
 */

struct text {
	char *buf;
	size_t len;
};

static void
put_text(void *arg, const char *key, const char *text, double number)
{
	struct text *t = arg;
	int n = text ? snprintf(t->buf + t->len, EVENTS_TEXT_MAX - t->len, " %s=%s", key, text)
	             : snprintf(t->buf + t->len, EVENTS_TEXT_MAX - t->len, " %s=%.9g", key, number);
	if (n > 0 && t->len + (size_t)n < EVENTS_TEXT_MAX)
		t->len += (size_t)n;
}

void
events_text(const struct events *ev, size_t i, char buf[EVENTS_TEXT_MAX])
{
	const struct events_item *it = events_item(ev, i);
	int n = snprintf(buf, EVENTS_TEXT_MAX, "%s", event_name(it->e.code));
	struct text t = { buf, n > 0 ? (size_t)n : 0 };
	each_argument(ev, it, put_text, &t);
}

static bool
has_word(const char *text, const char *word, size_t len)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");
		if (n == len && !strncmp(p, word, len))
			return true;
		p += n + strspn(p + n, " ");
	}
	return false;
}

bool
events_match(const struct events *ev, size_t i, const char *wanted)
{
	char text[EVENTS_TEXT_MAX], subject[TOPO_ID_MAX + 16];
	events_text(ev, i, text);
	snprintf(subject, sizeof subject, "subject=%s", runview_id(ev->view, ev->items[i].proc));
	for (const char *p = wanted + strspn(wanted, " "); *p;) {
		size_t n = strcspn(p, " ");
		if (!has_word(text, p, n) && !has_word(subject, p, n))
			return false;
		p += n + strspn(p + n, " ");
	}
	return true;
}

static void
put_json(void *arg, const char *key, const char *text, double number)
{
	if (text)
		json_out_text(arg, key, text);
	else
		json_out_real(arg, key, number);
}

static void
print_json(const struct events *ev, const struct events_item *it, FILE *out)
{
	struct json_out j;
	json_out_init(&j, out);
	json_out_object(&j, NULL);
	json_out_int(&j, "t_ns", it->e.k * runview_topo(ev->view)->step_ns);
	json_out_int(&j, "step", it->e.k);
	json_out_text(&j, "proc", runview_id(ev->view, it->proc));
	json_out_int(&j, "life", it->incarnation);
	json_out_text(&j, "event", event_name(it->e.code));
	each_argument(ev, it, put_json, &j);
	json_out_end(&j);
}

void
events_put(const struct events *ev, size_t i, bool json, FILE *out)
{
	const struct events_item *it = &ev->items[i];
	char text[EVENTS_TEXT_MAX], t[EXPORT_TIME_MAX];
	if (json) {
		print_json(ev, it, out);
		return;
	}
	events_text(ev, i, text);
	export_time(it->e.k * runview_topo(ev->view)->step_ns, t);
	fprintf(out, "%s s  step %" PRId64 "  %s.%" PRIu32 "  %s\n", t, it->e.k,
	        runview_id(ev->view, it->proc), it->incarnation, text);
}

int
events_print(const struct events *ev, size_t from, const char *wanted, bool json, FILE *out,
             struct err *err)
{
	for (size_t i = from; i < ev->n && !ferror(out); i++) {
		if (!wanted || events_match(ev, i, wanted))
			events_put(ev, i, json, out);
	}
	if (fflush(out) || ferror(out))
		return err_sys(err, ERR_IO, "cannot write events");
	return 0;
}
