/* The mesh where the topology places it: boxes, flows with direction and weight. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "map.h"
#include "pane.h"
#include "words.h"

/* Lines are heavy above this part of the limit, or of the fuse rating. */
#define MAP_HEAVY 0.5

static bool
map_straight(const struct map_step *p, bool across)
{
	unsigned sides = p->from | p->to;
	return sides == (across ? GLYPH_SIDE_E | GLYPH_SIDE_W : GLYPH_SIDE_N | GLYPH_SIDE_S);
}

/* The longest straight run of a line that crosses no other; returns its length. */
static size_t
map_run(const struct map *m, size_t first, size_t last, bool across, size_t *from)
{
	size_t best = 0, run = 0;
	for (size_t i = first; i < last; i++) {
		const struct map_step *p = &m->steps[i];
		bool alone = (m->cells[(size_t)p->y * (size_t)m->w + (size_t)p->x] & 15) ==
		             (p->from | p->to);
		run = alone && map_straight(p, across) ? run + 1 : 0;
		if (run > best) {
			best = run;
			*from = i + 1 - run;
		}
	}
	return best;
}

static enum glyph
map_arrow(const struct map_step *p, bool forward)
{
	switch (forward ? p->to : p->from) {
	case GLYPH_SIDE_N:
		return GLYPH_UP;
	case GLYPH_SIDE_E:
		return GLYPH_RIGHT;
	case GLYPH_SIDE_S:
		return GLYPH_DOWN;
	default:
		return GLYPH_LEFT;
	}
}

static bool
map_blank(const struct canvas *c, const struct area *a, int x, int y, int n)
{
	for (int i = 0; i < n; i++)
		if (x + i < 0 || x + i >= a->w || y < 0 || y >= a->h ||
		    c->cells[(size_t)(a->y + y) * (size_t)c->w + (size_t)(a->x + x + i)].ch != ' ')
			return false;
	return true;
}

static enum style
map_style(const struct shot_link *l)
{
	if (l->fresh != FRESH_OK)
		return STYLE_DIM;
	if (l->state == 0)
		return STYLE_BAD;
	return l->fraction > 1 ? STYLE_BAD : l->fraction > 0.8 ? STYLE_WARN : STYLE_INFO;
}

static void
map_line(struct canvas *c, const struct area *a, const struct map *m, size_t i,
         const struct shot_link *l)
{
	bool up = l->state > 0 && l->fresh != FRESH_LOST;
	enum glyph_weight weight = !up                       ? GLYPH_DASHED
	                           : l->fraction > MAP_HEAVY ? GLYPH_HEAVY
	                                                     : GLYPH_LIGHT;
	for (size_t p = m->first[i]; p < m->first[i + 1]; p++) {
		const struct map_step *step = &m->steps[p];
		unsigned own = step->from | step->to;
		unsigned all = m->cells[(size_t)step->y * (size_t)m->w + (size_t)step->x] & 15;
		canvas_put(c, a, step->x, step->y,
		           glyph_line(c->tier, all, all == own ? weight : GLYPH_LIGHT),
		           map_style(l));
	}
}

/* Direction and power: on the line where it runs across, else beside it. */
static void
map_label(struct canvas *c, const struct area *a, const struct map *m, size_t i,
          const struct shot_link *l)
{
	size_t across_at = 0, down_at = 0;
	size_t across = map_run(m, m->first[i], m->first[i + 1], true, &across_at);
	size_t down = map_run(m, m->first[i], m->first[i + 1], false, &down_at);
	enum style style = map_style(l);
	char text[WORDS_MAX] = "";
	bool open = l->state == 0, forward = l->i_a > 0;
	if (!across && !down)
		return;
	if (!open)
		words_scaled(text, fabs(l->p_w), "W", 0);
	int n = (int)strlen(text);
	size_t mid = across > 0 && (int)across >= (down ? n + 3 : 1) ? across_at + across / 2
	                                                             : down_at + down / 2;
	if (!down)
		mid = across_at + across / 2;
	const struct map_step *p = &m->steps[mid];
	bool on_line = map_straight(p, true);
	enum glyph mark = open ? GLYPH_DEAD : map_arrow(p, forward);
	int x = p->x;
	if (on_line && (int)across >= n + 3) {
		/* The label is read in the direction of the flow. */
		x -= (n + 1) / 2;
		if (mark == GLYPH_LEFT)
			canvas_glyph(c, a, x++, p->y, mark, style);
		x += canvas_text(c, a, x, p->y, style == STYLE_INFO ? STYLE_PLAIN : style, "%s",
		                 text);
		if (mark != GLYPH_LEFT)
			canvas_glyph(c, a, x, p->y, mark, style);
		return;
	}
	if (isnan(l->i_a) && !open)
		return;
	canvas_glyph(c, a, x, p->y, mark, style);
	if (on_line)
		return;
	if (map_blank(c, a, x + 1, p->y, n + 1))
		canvas_text(c, a, x + 1, p->y, style == STYLE_INFO ? STYLE_PLAIN : style, "%s",
		            text);
	else if (map_blank(c, a, x - n - 1, p->y, n + 1))
		canvas_text(c, a, x - n, p->y, style == STYLE_INFO ? STYLE_PLAIN : style, "%s",
		            text);
}

static void
map_node(struct canvas *c, const struct area *a, const struct map_box *b, const struct shot_node *n,
         bool here)
{
	struct area box = { a->x + b->x, a->y + b->y, b->w, b->h };
	enum style style = pane_state_style(n->state, n->fresh),
		   text = here ? STYLE_SELECT : STYLE_PLAIN;
	char p[WORDS_MAX];
	words_scaled(p, n->p_w, "W", 1);
	if (b->h >= 3) {
		struct area in = canvas_box(c, &box, "", "", here);
		for (int x = 1; x < b->w - 1; x++) /* the box without its empty title */
			canvas_glyph(c, &box, x, 0, GLYPH_H, here ? STYLE_TITLE : STYLE_DIM);
		for (int y = 0; y < in.h; y++)
			canvas_text(c, &in, 0, y, STYLE_PLAIN, "%*s", in.w, "");
		canvas_glyph(c, &in, 0, 0, pane_state_glyph(n->state), style);
		canvas_text(c, &in, 1, 0, text, "%.*s", in.w - 1, n->id);
		bool beside = in.h == 1 && in.w - 2 - (int)strlen(n->id) >= (int)strlen(p);
		if (in.h > 1 || beside)
			canvas_text(c, &in, in.w - (int)strlen(p), in.h > 1 ? 1 : 0, text, "%s",
			            n->state == PROC_DEAD ? (in.h > 1 ? "DEAD" : "") : p);
	} else {
		canvas_text(c, &box, 0, 0, STYLE_PLAIN, "%*s", b->w, "");
		canvas_glyph(c, &box, 0, 0, pane_state_glyph(n->state), style);
		canvas_text(c, &box, 1, 0, text, "%.*s", b->w - 1, n->id);
	}
}

/* Where a line meets the frame of a box. */
static void
map_tee(struct canvas *c, const struct area *a, const struct map_step *p, uint8_t side,
        enum style style)
{
	static const struct {
		uint8_t side;
		int dx, dy;
	} sides[] = { { GLYPH_SIDE_N, 0, -1 },
		      { GLYPH_SIDE_E, 1, 0 },
		      { GLYPH_SIDE_S, 0, 1 },
		      { GLYPH_SIDE_W, -1, 0 } };
	for (int i = 0; i < 4; i++) {
		if (sides[i].side != side)
			continue;
		unsigned frame = side & (GLYPH_SIDE_N | GLYPH_SIDE_S) ? GLYPH_SIDE_E | GLYPH_SIDE_W
		                                                      : GLYPH_SIDE_N | GLYPH_SIDE_S;
		unsigned back = sides[(i + 2) % 4].side;
		canvas_put(c, a, p->x + sides[i].dx, p->y + sides[i].dy,
		           glyph_line(c->tier, frame | back, GLYPH_LIGHT), style);
	}
}

void
pane_map_draw(struct canvas *c, const struct area *a, const struct shot *s, const struct ui *ui,
              bool active)
{
	struct map *m = ui->routes;
	struct err err = ERR_INIT;
	if (a->w < 1 || a->h < 1)
		return;
	if (map_make(m, s, a->w, a->h, &err)) {
		canvas_text(c, a, 1, 0, STYLE_BAD, "%s", err.text);
		return;
	}
	if (!m->fits) {
		canvas_text(c, a, 1, 0, STYLE_DIM,
		            "no room for the map here: z zooms, m shows the list");
		return;
	}
	for (size_t i = 0; i < s->n_links; i++)
		map_line(c, a, m, i, &s->links[i]);
	const struct ui_pane *nodes = &ui->pane[PANE_NODES];
	size_t here = active && nodes->cursor < nodes->rows.n ? nodes->rows.index[nodes->cursor]
	                                                      : SIZE_MAX;
	for (size_t i = 0; i < s->n_nodes; i++)
		if (m->boxes[i].w)
			map_node(c, a, &m->boxes[i], &s->nodes[i], i == here);
	for (size_t i = 0; i < s->n_links; i++) {
		map_label(c, a, m, i, &s->links[i]);
		if (m->first[i] == m->first[i + 1] || m->boxes[s->links[i].a].h < 3)
			continue;
		const struct map_step *first = &m->steps[m->first[i]],
				      *last = &m->steps[m->first[i + 1] - 1];
		map_tee(c, a, first, first->from,
		        s->links[i].a == (int)here ? STYLE_TITLE : STYLE_DIM);
		map_tee(c, a, last, last->to, s->links[i].b == (int)here ? STYLE_TITLE : STYLE_DIM);
	}
}
