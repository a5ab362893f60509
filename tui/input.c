#include "input.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"

enum {
	UI_PAGE = 10, /* rows of PageUp and PageDown */
	UI_BUS_SPANS = 3,
};

const struct ui_action ui_actions[] = {
	{ 'K', "kill", "Kill", "Kill %s with SIGKILL?", UI_TARGET_PROC, false, false },
	{ 'R', "start", "Restart", "Start %s again?", UI_TARGET_PROC, false, false },
	{ 'C', "cut", "Cut", "Open the contactors of link %s?", UI_TARGET_LINK, false, false },
	{ 'H', "heal", "Heal", "Close link %s again?", UI_TARGET_LINK, false, false },
	{ 'L', "load", "Set", "Set the built-in load of %s to", UI_TARGET_NODE, true, false },
	{ 'P', "pause", "Go", "Pause or resume the mesh?", UI_TARGET_NONE, false, false },
	{ 'N', "step", "Step", "Compute one step and pause again?", UI_TARGET_NONE, false, false },
	{ 'Q', "down", "Stop", "Stop the mesh and quit?", UI_TARGET_NONE, false, true },
};
const size_t ui_n_actions = sizeof ui_actions / sizeof *ui_actions;

int
ui_init(struct ui *ui, bool readonly, struct err *err)
{
	*ui = (struct ui){
		.active = PANE_NODES, .map = true, .tail = true, .readonly = readonly, .bus_span = 1
	};
	ui->routes = calloc(1, sizeof *ui->routes);
	return ui->routes ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

void
ui_free(struct ui *ui)
{
	for (int p = 0; p < PANE_END_; p++)
		free(ui->pane[p].rows.index);
	if (ui->routes)
		map_free(ui->routes);
	free(ui->routes);
	*ui = (struct ui){ .mode = UI_NORMAL };
}

void
ui_say(struct ui *ui, bool bad, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(ui->message, sizeof ui->message, fmt, ap);
	va_end(ap);
	ui->message_bad = bad;
	ui->message_sent = false;
}

/* ---- keys of the panes --------------------------------------------------------------------- */

static void
ui_move(struct ui *ui, int key)
{
	/* On the map the cursor is that of the nodes. */
	struct ui_pane *p = &ui->pane[ui->active == PANE_MAP ? PANE_NODES : ui->active];
	size_t last = p->rows.n ? p->rows.n - 1 : 0;
	switch (key) {
	case 'j':
	case UI_KEY_DOWN:
		p->cursor += p->cursor < last;
		break;
	case 'k':
	case UI_KEY_UP:
		p->cursor -= p->cursor > 0;
		break;
	case UI_KEY_PAGE_DOWN:
		p->cursor = p->cursor + UI_PAGE < last ? p->cursor + UI_PAGE : last;
		break;
	case UI_KEY_PAGE_UP:
		p->cursor = p->cursor > UI_PAGE ? p->cursor - UI_PAGE : 0;
		break;
	case 'g':
	case UI_KEY_HOME:
		p->cursor = 0;
		break;
	default:
		p->cursor = last;
		break;
	}
	if (ui->active == PANE_EVENTS)
		ui->tail = p->cursor == last;
}

static void
ui_next_pane(struct ui *ui, int by)
{
	/* Map and list show the same; only the one in use is in the ring. */
	do
		ui->active = (enum pane_id)(((int)ui->active + by + PANE_END_) % PANE_END_);
	while (ui->active == (ui->map ? PANE_LINKS : PANE_MAP));
}

static void
ui_toggle(struct ui *ui, int key)
{
	switch (key) {
	case '\t':
	case UI_KEY_RIGHT:
		ui_next_pane(ui, 1);
		break;
	case UI_KEY_BACKTAB:
	case UI_KEY_LEFT:
		ui_next_pane(ui, -1);
		break;
	case 'z':
	case '\r':
	case '\n':
		ui->zoom = !ui->zoom;
		break;
	case ' ':
		ui->freeze = !ui->freeze;
		break;
	case 's':
		ui->pane[ui->active].sort++;
		break;
	case '/':
		ui->mode = UI_FILTER;
		break;
	case '?':
	case UI_KEY_F1:
	case 'h':
		ui->mode = UI_HELP;
		break;
	case '+':
		ui->bus_span += ui->bus_span + 1 < UI_BUS_SPANS;
		break;
	case '-':
		ui->bus_span -= ui->bus_span > 0;
		break;
	case 'm':
	case 'f':
		ui->map = !ui->map;
		if (ui->active == PANE_LINKS || ui->active == PANE_MAP)
			ui->active = ui->map ? PANE_MAP : PANE_LINKS;
		break;
	default: /* Esc undoes, from the inside out */
		if (ui->message[0])
			ui->message[0] = '\0';
		else if (ui->pane[ui->active].filter[0])
			ui->pane[ui->active].filter[0] = '\0';
		else
			ui->zoom = false;
	}
}

static void
ui_choose_pane(struct ui *ui, int key)
{
	ui->active = (enum pane_id)(key - '1');
	if (ui->active == PANE_MAP || ui->active == PANE_LINKS)
		ui->map = ui->active == PANE_MAP;
}

/* ---- questions ----------------------------------------------------------------------------- */

static size_t
ui_n_targets(const struct shot *s, enum ui_target kind)
{
	switch (kind) {
	case UI_TARGET_PROC:
		return s->n_nodes + s->n_modules;
	case UI_TARGET_NODE:
		return s->n_nodes;
	case UI_TARGET_LINK:
		return s->n_links;
	default:
		return 0;
	}
}

const char *
ui_dialog_target(const struct ui *ui, const struct shot *s)
{
	size_t i = ui->dialog.target;
	enum ui_target kind = ui->dialog.action ? ui->dialog.action->target : UI_TARGET_NONE;
	if (i >= ui_n_targets(s, kind))
		return "";
	if (kind == UI_TARGET_LINK)
		return s->links[i].id;
	return i < s->n_nodes ? s->nodes[i].id : s->modules[i - s->n_nodes].id;
}

static size_t
ui_selected(const struct ui *ui, enum pane_id p)
{
	const struct ui_pane *pane = &ui->pane[p];
	return pane->cursor < pane->rows.n ? pane->rows.index[pane->cursor] : 0;
}

/* What the cursor is on, seen as a target of this kind. */
static size_t
ui_first_target(const struct ui *ui, const struct shot *s, enum ui_target kind)
{
	if (kind == UI_TARGET_PROC && ui->active == PANE_MODULES && s->n_modules)
		return s->n_nodes + ui_selected(ui, PANE_MODULES);
	if (kind != UI_TARGET_LINK)
		return ui_selected(ui, PANE_NODES);
	if (ui->active == PANE_LINKS)
		return ui_selected(ui, PANE_LINKS);
	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].a == (int)ui_selected(ui, PANE_NODES) ||
		    s->links[i].b == (int)ui_selected(ui, PANE_NODES))
			return i;
	return 0;
}

static void
ui_ask(struct ui *ui, const struct shot *s, const struct ui_action *a)
{
	if (ui->readonly) {
		ui_say(ui, true, "read-only: %c (%s) is off", a->key, a->verb);
		return;
	}
	if (a->target != UI_TARGET_NONE && ui_n_targets(s, a->target) == 0) {
		ui_say(ui, true, "%s: nothing there yet", a->verb);
		return;
	}
	ui->dialog = (struct ui_dialog){ .action = a,
		                         .verb = a->verb,
		                         .target = ui_first_target(ui, s, a->target) };
	if (a->key == 'P' && strcmp(s->head.state, "paused") == 0)
		ui->dialog.verb = "resume";
	ui->mode = UI_DIALOG;
}

static void
ui_dialog_cycle(struct ui *ui, const struct shot *s, bool forward)
{
	size_t n = ui_n_targets(s, ui->dialog.action->target);
	if (n)
		ui->dialog.target = (ui->dialog.target + (forward ? 1 : n - 1)) % n;
}

static enum ui_effect
ui_dialog_accept(struct ui *ui, const struct shot *s, struct ui_request *ret)
{
	const struct ui_action *a = ui->dialog.action;
	*ret = (struct ui_request){ .level_w = NAN, .then_quit = a->then_quit };
	snprintf(ret->verb, sizeof ret->verb, "%s", ui->dialog.verb);
	snprintf(ret->target, sizeof ret->target, "%s", ui_dialog_target(ui, s));
	if (a->level) {
		if (!ui->dialog.level[0]) {
			ui_say(ui, true, "%s: type a power in W first", a->verb);
			return UI_NONE;
		}
		ret->level_w = strtod(ui->dialog.level, NULL);
	}
	ui->mode = UI_NORMAL;
	ui_say(ui, false, "%s%s%s ...", ret->verb, ret->target[0] ? " " : "", ret->target);
	ui->message_sent = true;
	return UI_REQUEST;
}

static enum ui_effect
ui_dialog_key(struct ui *ui, const struct shot *s, int key, struct ui_request *ret)
{
	struct ui_dialog *d = &ui->dialog;
	size_t n = strlen(d->level);
	switch (key) {
	case UI_KEY_LEFT:
	case UI_KEY_RIGHT:
	case '\t':
	case UI_KEY_BACKTAB:
		d->accept = !d->accept;
		break;
	case UI_KEY_DOWN:
	case UI_KEY_UP:
		ui_dialog_cycle(ui, s, key == UI_KEY_DOWN);
		break;
	case 'y':
	case 'Y':
		return ui_dialog_accept(ui, s, ret);
	case '\r':
	case '\n':
		if (d->accept)
			return ui_dialog_accept(ui, s, ret);
		ui->mode = UI_NORMAL;
		break;
	case 'n':
	case 'N':
	case 'q':
	case UI_KEY_ESC:
		ui->mode = UI_NORMAL;
		break;
	case UI_KEY_BACKSPACE:
		d->level[n ? n - 1 : 0] = '\0';
		break;
	default:
		if (d->action->level && n + 1 < sizeof d->level &&
		    ((key >= '0' && key <= '9') || (key == '.' && !strchr(d->level, '.')))) {
			d->level[n] = (char)key;
			d->level[n + 1] = '\0';
		}
	}
	return UI_NONE;
}

static void
ui_filter_key(struct ui *ui, int key)
{
	char *filter = ui->pane[ui->active].filter;
	size_t n = strlen(filter);
	if (key == '\r' || key == '\n') {
		ui->mode = UI_NORMAL;
	} else if (key == UI_KEY_ESC) {
		filter[0] = '\0';
		ui->mode = UI_NORMAL;
	} else if (key == UI_KEY_BACKSPACE) {
		filter[n ? n - 1 : 0] = '\0';
	} else if (key > 0x20 && key < 0x7f && n + 1 < sizeof ui->pane->filter) {
		filter[n] = (char)key;
		filter[n + 1] = '\0';
	}
	ui->pane[ui->active].cursor = 0;
}

enum ui_effect
ui_key(struct ui *ui, const struct shot *s, int key, struct ui_request *ret)
{
	static const struct {
		const int keys[14];
		void (*act)(struct ui *, int key);
	} rows[] = {
		{ { 'j', 'k', 'g', 'G', UI_KEY_UP, UI_KEY_DOWN, UI_KEY_HOME, UI_KEY_END,
		    UI_KEY_PAGE_UP, UI_KEY_PAGE_DOWN },
		  ui_move },
		{ { '\t', UI_KEY_BACKTAB, UI_KEY_LEFT, UI_KEY_RIGHT, 'z', '\r', '\n', ' ', 's', '/',
		    'm', 'f' },
		  ui_toggle },
		{ { '?', UI_KEY_F1, 'h', '+', '-', UI_KEY_ESC }, ui_toggle },
		{ { '1', '2', '3', '4', '5', '6' }, ui_choose_pane },
	};
	switch (ui->mode) {
	case UI_DIALOG:
		return ui_dialog_key(ui, s, key, ret);
	case UI_FILTER:
		ui_filter_key(ui, key);
		return UI_NONE;
	case UI_HELP:
		ui->mode = UI_NORMAL;
		return UI_NONE;
	default:
		break;
	}
	if (key == 'q')
		return UI_QUIT;
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
		for (size_t i = 0; i < sizeof rows->keys / sizeof *rows->keys; i++)
			if (key && rows[r].keys[i] == key) {
				rows[r].act(ui, key);
				return UI_NONE;
			}
	for (size_t i = 0; i < ui_n_actions; i++)
		if (ui_actions[i].key == key)
			ui_ask(ui, s, &ui_actions[i]);
	return UI_NONE;
}
