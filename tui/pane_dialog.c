/* What lies over the panes: a question, and the help. */
#include <stdio.h>
#include <string.h>

#include "pane.h"

enum { DIALOG_W = 56, DIALOG_H = 7 };

static struct area
dialog_window(struct canvas *c, int w, int h, const char *title, const char *hint)
{
	w = w < c->w ? w : c->w;
	h = h < c->h ? h : c->h;
	struct area a = { (c->w - w) / 2, (c->h - h) / 2, w, h };
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			canvas_put(c, &a, x, y, ' ', STYLE_PLAIN);
	return canvas_box(c, &a, title, hint, true);
}

void
pane_dialog_draw(struct canvas *c, const struct shot *s, const struct ui *ui)
{
	const struct ui_dialog *d = &ui->dialog;
	const struct ui_action *a = d->action;
	struct area in = dialog_window(c, DIALOG_W, DIALOG_H, d->verb, "");
	char text[128];
	const char *at = strstr(a->ask, "%s");
	if (at)
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - a->ask), a->ask,
		         ui_dialog_target(ui, s), at + 2);
	else
		snprintf(text, sizeof text, "%s", a->ask);
	int n = canvas_text(c, &in, 2, 1, STYLE_BOLD, "%s", text);
	if (a->level)
		canvas_text(c, &in, n + 3, 1, STYLE_TITLE, "%s_ W", d->level);
	if (a->target != UI_TARGET_NONE)
		canvas_text(c, &in, 2, 2, STYLE_DIM, "Up/Down: another one%s",
		            a->level ? "; digits: the power" : "");
	canvas_text(c, &in, 8, 4, d->accept ? STYLE_PLAIN : STYLE_SELECT,
	            d->accept ? "  Cancel  " : "[ Cancel ]");
	snprintf(text, sizeof text, d->accept ? "[ %s ]" : "  %s  ", a->button);
	canvas_text(c, &in, 26, 4, d->accept ? STYLE_SELECT : STYLE_PLAIN, "%s", text);
}

void
pane_help_draw(struct canvas *c)
{
	static const char *const lines[] = {
		"Tab 1-6      pane          j k g G PgUp PgDn  move",
		"s /          sort, filter  z Enter            zoom",
		"m            map or list   + -                bus scale",
		"Space        freeze        q                  quit (mesh stays up)",
		"",
		"These act on the mesh and always ask first:",
		"K R          kill (SIGKILL), restart a node or module",
		"C H          cut, heal a link",
		"L            set a node's built-in load",
		"P N          pause or resume, one step",
		"Q            stop the mesh and quit",
		"",
		"I+- P+-: into the links, + gives, - takes. SoC: energy of the",
		"supercapacitor over that at nominal voltage, behind a converter",
		"over its range. SC P: + gives to the bus. A dim value is 1 s old,",
		"- is older than 3 s or not known.",
	};
	enum { N = sizeof lines / sizeof *lines };
	struct area in = dialog_window(c, 70, N + 2, "voltloom top", "any key closes");
	for (int i = 0; i < N; i++)
		canvas_text(c, &in, 1, i, i == 5 ? STYLE_BOLD : STYLE_PLAIN, "%s", lines[i]);
}
