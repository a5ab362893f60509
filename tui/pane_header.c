/* First and last lines of the screen: how the mesh is, and what keys do. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pane.h"
#include "words.h"

enum {
	HEADER_GAP = 2,
	/* columns of the voltage bar, odd: the nominal voltage is in the middle */
	HEADER_BAR = 17,
	HEADER_BAR_SHORT = 9,
	HEADER_SHORT = 100, /* a window that is narrower says less */
};
/* The bar reaches this far below and above the nominal voltage. */
#define HEADER_BAR_SPAN (4.0 / 48)
/* A speed counts as reached from this part on. */
#define HEADER_HELD 0.9

/* Text at *x unless it does not fit any more; moves *x behind it. */
static void
header_item(struct canvas *c, const struct area *a, int *x, int y, enum style style,
            const char *text)
{
	int n = (int)strlen(text);
	if (n == 0 || *x + n > a->w)
		return;
	canvas_text(c, a, *x, y, style, "%s", text);
	*x += n + HEADER_GAP;
}

/* "x0.05", "x0.03 of x1.0" when what is reached is less than what was asked for, "max x2.3". */
static void
header_speed(char *text, size_t size, const struct shot_head *h)
{
	char now[WORDS_MAX], goal[WORDS_MAX];
	const bool known = h->pace > 0;
	const double reached = known && h->pace < HEADER_HELD * h->speed ? h->pace : h->speed;
	const double asked = h->asked > h->speed ? h->asked : h->speed;

	words_speed(now, reached);
	if (h->speed == 0 && known)
		snprintf(text, size, "max %s", words_speed(now, h->pace));
	else if (h->speed > 0 && reached < HEADER_HELD * asked)
		snprintf(text, size, "%s of %s", now, words_speed(goal, asked));
	else
		snprintf(text, size, "%s", now);
}

static void
header_state(struct canvas *c, const struct area *a, int *x, const struct shot_head *h, bool frozen)
{
	char text[2 * WORDS_MAX + 24], speed[2 * WORDS_MAX + 8];
	bool running = strcmp(h->state, "running") == 0;
	header_speed(speed, sizeof speed, h);
	snprintf(text, sizeof text, "%s %s", h->state, speed);
	canvas_glyph(c, a, *x, 0,
	             running                           ? GLYPH_OK
	             : strcmp(h->state, "paused") == 0 ? GLYPH_PAUSE
	                                               : GLYPH_WARN,
	             running ? STYLE_GOOD : STYLE_WARN);
	*x += 2;
	header_item(c, a, x, 0, running ? STYLE_GOOD : STYLE_WARN, text);
	if (frozen)
		header_item(c, a, x, 0, STYLE_WARN, "FROZEN");
}

/* "[----===|===-----]": where minimum and maximum of all buses are around the nominal voltage. */
static void
header_bar(struct canvas *c, const struct area *a, int *x, int y, const struct shot_head *h)
{
	int n = a->w < HEADER_SHORT ? HEADER_BAR_SHORT : HEADER_BAR;
	if (*x + n + 2 > a->w || isnan(h->v_min_v))
		return;
	double lo_v = h->nominal_v * (1 - HEADER_BAR_SPAN),
	       width_v = 2 * h->nominal_v * HEADER_BAR_SPAN;
	int from = (int)floor(fmin(fmax((h->v_min_v - lo_v) / width_v, 0), 0.999) * n);
	int to = (int)floor(fmin(fmax((h->v_max_v - lo_v) / width_v, 0), 0.999) * n);
	bool out = h->v_min_v < lo_v || h->v_max_v > lo_v + width_v;
	canvas_text(c, a, *x, y, STYLE_DIM, "[");
	for (int i = 0; i < n; i++) {
		bool in = i >= from && i <= to;
		canvas_glyph(c, a, *x + 1 + i, y,
		             in           ? GLYPH_H_HEAVY
		             : i == n / 2 ? GLYPH_V
		                          : GLYPH_DOT,
		             !in   ? STYLE_DIM
		             : out ? STYLE_BAD
		                   : STYLE_GOOD);
	}
	canvas_text(c, a, *x + 1 + n, y, STYLE_DIM, "]");
	*x += n + 2 + HEADER_GAP;
}

static void
header_power(struct canvas *c, const struct area *a, int *x, const struct shot_head *h)
{
	char text[64], w[WORDS_MAX];
	snprintf(text, sizeof text, "gen %s", words_scaled(w, h->gen_w, "W", 0));
	header_item(c, a, x, 1, STYLE_PLAIN, text);
	snprintf(text, sizeof text, "load %s", words_scaled(w, h->load_w, "W", 0));
	header_item(c, a, x, 1, STYLE_PLAIN, text);
	int n = snprintf(text, sizeof text, "loss %s", words_scaled(w, h->loss_w, "W", 0));
	if (a->w >= HEADER_SHORT && h->gen_w > 0 && !isnan(h->loss_w) && n > 0)
		snprintf(text + n, sizeof text - (size_t)n, " (%.1f%%)",
		         100 * h->loss_w / h->gen_w);
	header_item(c, a, x, 1, STYLE_PLAIN, text);
}

static void
header_rest(struct canvas *c, const struct area *a, int *x, const struct shot *s)
{
	const struct shot_head *h = &s->head;
	char text[96], w[WORDS_MAX], j[WORDS_MAX];
	bool short_of = h->unserved_w > 0;
	bool both = short_of || a->w >= HEADER_SHORT;
	snprintf(text, sizeof text, "%sunserved %s%s%s", short_of ? "! " : "",
	         both ? words_scaled(w, h->unserved_w, "W", 0) : "", both ? " " : "",
	         words_scaled(j, h->unserved_j, "J", 0));
	header_item(c, a, x, 1, short_of ? STYLE_BAD : STYLE_PLAIN, text);
	if (h->worst_link >= 0) {
		const struct shot_link *l = &s->links[h->worst_link];
		snprintf(text, sizeof text, "worst link %s %s", l->id,
		         words_percent(w, l->fraction));
		header_item(c, a, x, 1,
		            l->fraction > 1     ? STYLE_BAD
		            : l->fraction > 0.8 ? STYLE_WARN
		                                : STYLE_PLAIN,
		            text);
	}
	snprintf(text, sizeof text, "%s%zu island%s", h->islands > 1 ? "! " : "", h->islands,
	         h->islands == 1 ? "" : "s");
	if (h->nodes_up)
		header_item(c, a, x, 1, h->islands > 1 ? STYLE_WARN : STYLE_PLAIN, text);
}

void
pane_header_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui)
{
	const struct shot_head *h = &s->head;
	char text[96], t[WORDS_MAX];
	int x = 1;
	header_item(c, a, &x, 0, STYLE_TITLE, h->mesh[0] ? h->mesh : "(no mesh yet)");
	header_state(c, a, &x, h, ui->freeze);
	snprintf(text, sizeof text, "t=%s", words_time(t, h->t_ns, a->w < HEADER_SHORT ? 1 : 3));
	header_item(c, a, &x, 0, STYLE_BOLD, text);
	snprintf(text, sizeof text, "%zu/%zu nodes", h->nodes_up, s->n_nodes);
	header_item(c, a, &x, 0, h->nodes_up < s->n_nodes ? STYLE_WARN : STYLE_PLAIN, text);
	snprintf(text, sizeof text, "%zu/%zu links", h->links_closed, s->n_links);
	header_item(c, a, &x, 0, h->links_closed < s->n_links ? STYLE_WARN : STYLE_PLAIN, text);
	snprintf(text, sizeof text, "%zu/%zu served", h->modules_served, s->n_modules);
	if (s->n_modules)
		header_item(c, a, &x, 0,
		            h->modules_served < s->n_modules ? STYLE_WARN : STYLE_PLAIN, text);
	if (h->has_seed) {
		snprintf(text, sizeof text, "seed %llu", (unsigned long long)h->seed);
		header_item(c, a, &x, 0, STYLE_DIM, text);
	}
	if (h->overruns > 0) {
		snprintf(text, sizeof text, "%lld late steps", (long long)h->overruns);
		header_item(c, a, &x, 0, STYLE_WARN, text);
	}
	if (isnan(h->messages_per_s))
		text[0] = '\0';
	else
		snprintf(text, sizeof text, "%.0f msg/s, lost %llu, bad %llu", h->messages_per_s,
		         (unsigned long long)h->lost, (unsigned long long)h->bad);
	header_item(c, a, &x, 0, STYLE_DIM, text);
	x = 1;
	if (!isnan(h->v_min_v)) {
		snprintf(text, sizeof text,
		         a->w < HEADER_SHORT ? "bus %.1f..%.1fV" : "bus %.2f..%.2fV", h->v_min_v,
		         h->v_max_v);
		canvas_text(c, a, x, 1, STYLE_BOLD, "%s", text);
		x += (int)strlen(text) + 1;
		header_bar(c, a, &x, 1, h);
	}
	header_power(c, a, &x, h);
	header_rest(c, a, &x, s);
}

void
pane_footer_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui)
{
	static const struct {
		const char *key, *what;
		bool acts;
	} keys[] = {
		{ "F1", "help", false },  { "Tab", "pane", false }, { "s", "sort", false },
		{ "/", "filter", false }, { "z", "zoom", false },   { "Space", "freeze", false },
		{ "q", "quit", false },   { "K", "kill", true },    { "R", "restart", true },
		{ "C", "cut", true },     { "H", "heal", true },    { "L", "load", true },
		{ "P", "pause", true },   { "N", "step", true },    { "Q", "down", true },
	};
	(void)s;
	int x = 1;
	if (ui->mode == UI_FILTER) {
		canvas_text(c, a, x, 0, STYLE_BOLD,
		            "filter %s: %s_   (Enter keeps it, Esc clears it)",
		            panes[ui->active].name, ui->pane[ui->active].filter);
		return;
	}
	if (ui->message[0]) {
		canvas_text(c, a, x, 0, ui->message_bad ? STYLE_BAD : STYLE_GOOD, "%s%s",
		            ui->message_bad ? "! " : "", ui->message);
		return;
	}
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		int n = (int)(strlen(keys[i].key) + strlen(keys[i].what)) + 1;
		if ((keys[i].acts && ui->readonly) || x + n > a->w)
			continue;
		x += canvas_text(c, a, x, 0, STYLE_TITLE, "%s", keys[i].key) + 1;
		x += canvas_text(c, a, x, 0, STYLE_PLAIN, "%s", keys[i].what) + HEADER_GAP - 1;
	}
}
