/* Places of panes at every size; screens at every size; tables, plots and routed lines on a canvas.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canvas.h"
#include "layout.h"
#include "map.h"
#include "pane.h"
#include "table.h"

enum { W_MAX = 300, H_MAX = 100 };

static struct err err;

static bool
apart(const struct area *a, const struct area *b)
{
	return a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y ||
	       b->y + b->h <= a->y;
}

/* What is wrong with it, NULL: nothing. (No assertion per area: each costs a system call.) */
static const char *
layout_fault(int w, int h, const struct layout_content *c)
{
	struct layout l;
	const struct area *all[PANE_END_ + 2];
	size_t n = 0;
	int cells = 0;
	layout_make(w, h, c, &l);
	if (w < LAYOUT_MIN_W || h < LAYOUT_MIN_H)
		return l.too_small ? NULL : "is too small and does not say so";
	if (l.too_small)
		return "is large enough and says no";
	all[n++] = &l.header;
	all[n++] = &l.footer;
	for (int p = 0; p < PANE_END_; p++)
		if (l.pane[p].w || l.pane[p].h)
			all[n++] = &l.pane[p];
	for (size_t i = 0; i < n; i++) {
		const struct area *a = all[i];
		if (a->x < 0 || a->y < 0 || a->w <= 0 || a->h <= 0 || a->x + a->w > w ||
		    a->y + a->h > h)
			return "has an area outside";
		for (size_t j = 0; j < i; j++)
			if (!apart(a, all[j]))
				return "has areas that overlap";
		if (i >= 2 && (a->h < 4 || a->w < 20))
			return "has a pane with nothing to read";
		cells += a->w * a->h;
	}
	if (cells != w * h)
		return "leaves something empty";
	return l.pane[c->active].w > 0 ? NULL : "does not show the active pane";
}

START_TEST(every_size)
{
	static const struct {
		size_t nodes, links, modules;
	} meshes[] = { { 0, 0, 0 }, { 8, 12, 10 }, { 200, 200, 400 } };
	for (size_t m = 0; m < sizeof meshes / sizeof *meshes; m++)
		for (int variant = 0; variant < PANE_END_ * 4; variant++) {
			struct layout_content c = {
				.n_nodes = meshes[m].nodes,
				.n_links = meshes[m].links,
				.n_modules = meshes[m].modules,
				.active = (enum pane_id)(variant / 4),
				.map = variant & 1,
				.zoom = variant & 2,
			};
			for (int h = 1; h <= H_MAX; h++)
				for (int w = 1; w <= W_MAX; w++) {
					const char *fault = layout_fault(w, h, &c);
					if (fault)
						ck_abort_msg("mesh %zu, variant %d: %dx%d %s", m,
						             variant, w, h, fault);
				}
		}
}
END_TEST

/* ---- screens ------------------------------------------------------------------------------- */

enum { N_NODES = 9, N_LINKS = 14, N_MODULES = 5, N_EVENTS = 30 };
static struct shot_node nodes[N_NODES];
static struct shot_link links[N_LINKS];
static struct shot_module modules[N_MODULES];
static struct shot_event events[N_EVENTS];
static struct shot shot;
static struct ui ui;
static struct canvas canvas;

/* A 3 x 3 grid with two diagonals; one node dead, one link open, one of everything odd. */
static void
setup(void)
{
	shot = (struct shot){ .n_nodes = N_NODES,
		              .n_links = N_LINKS,
		              .n_modules = N_MODULES,
		              .n_events = N_EVENTS,
		              .nodes = nodes,
		              .links = links,
		              .modules = modules,
		              .events = events };
	shot.head = (struct shot_head){ .mesh = "grid",
		                        .state = "running",
		                        .speed = 1,
		                        .nominal_v = 48,
		                        .t_ns = 72402000000,
		                        .gen_w = 1453,
		                        .load_w = 1375,
		                        .loss_w = 78,
		                        .unserved_w = 0,
		                        .unserved_j = 0,
		                        .v_min_v = 47.6,
		                        .v_max_v = 48.3,
		                        .worst_link = 1,
		                        .islands = 1,
		                        .nodes_up = 8,
		                        .links_closed = 13,
		                        .modules_served = 5,
		                        .overruns = 3 };
	for (int i = 0; i < N_NODES; i++) {
		nodes[i] = (struct shot_node){ .state = i == 2 ? PROC_DEAD : PROC_OK,
			                       .fresh = i == 2 ? FRESH_LOST : FRESH_OK,
			                       .has_at = true,
			                       .at_x = i % 3,
			                       .at_y = i / 3,
			                       .v_v = 47.5 + 0.1 * i,
			                       .i_a = i - 4,
			                       .p_w = 48 * (i - 4),
			                       .soc = i / 8.0,
			                       .feed_i_a = NAN,
			                       .loading = NAN,
			                       .load_w = 100,
			                       .served = i != 3,
			                       .inc = 1 };
		snprintf(nodes[i].id, sizeof nodes[i].id,
		         i == 8 ? "a-node-with-a-long-name-of-31-b" : "n%d", i + 1);
		strcpy(nodes[i].owns, i == 0 ? "m1 m2 m3 m4 +9" : "");
		for (int t = 0; t < VIEW_SPARK; t++)
			nodes[i].spark_v[t] = t < 10 ? NAN : 48 + sin(t);
	}
	static const int ends[N_LINKS][2] = { { 0, 1 }, { 1, 2 }, { 3, 4 }, { 4, 5 }, { 6, 7 },
		                              { 7, 8 }, { 0, 3 }, { 3, 6 }, { 1, 4 }, { 4, 7 },
		                              { 2, 5 }, { 5, 8 }, { 0, 4 }, { 4, 8 } };
	for (int i = 0; i < N_LINKS; i++) {
		links[i] = (struct shot_link){ .a = ends[i][0],
			                       .b = ends[i][1],
			                       .fresh = FRESH_OK,
			                       .state = i == 1 ? 0 : 2,
			                       .i_a = i - 6,
			                       .p_w = 48 * (i - 6),
			                       .i_max_a = 10,
			                       .fraction = fabs(i - 6.0) / 10 };
		snprintf(links[i].id, sizeof links[i].id, "l%d", i + 1);
		strcpy(links[i].a_id, nodes[ends[i][0]].id);
		strcpy(links[i].b_id, nodes[ends[i][1]].id);
	}
	for (int i = 0; i < N_MODULES; i++) {
		modules[i] = (struct shot_module){ .state = PROC_OK,
			                           .fresh = FRESH_OK,
			                           .v_in_v = 48,
			                           .v_v = 0.8,
			                           .p_w = 190,
			                           .demand_w = 200,
			                           .temp_degc = 50,
			                           .throughput = 1,
			                           .errors = 1e-9,
			                           .phase = 1,
			                           .epoch = 2,
			                           .served = i != 1,
			                           .owner = 0 };
		snprintf(modules[i].id, sizeof modules[i].id, "m%d", i + 1);
		strcpy(modules[i].owner_id, "n1");
	}
	for (int i = 0; i < N_EVENTS; i++) {
		events[i] = (struct shot_event){ .t_ns = i * 1000000,
			                         .k = i * 10,
			                         .severity = (enum shot_severity)(i % 4) };
		strcpy(events[i].proc, "n3");
		strcpy(events[i].what, "link.open");
		snprintf(events[i].text, sizeof events[i].text, "event number %d", i);
	}
	for (int i = 0; i < VIEW_BUS; i++) {
		shot.bus_min_v[i] = i < 20 ? NAN : 47.5;
		shot.bus_max_v[i] = i < 20 ? NAN : 48.5;
	}
	ck_assert_int_eq(ui_init(&ui, false, &err), 0);
	ck_assert_int_eq(ui_arrange(&ui, &shot, &err), 0);
}

static void
teardown(void)
{
	ui_free(&ui);
	canvas_free(&canvas);
}

/* The screen as one string of lines. */
static char *
draw(int w, int h)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(canvas_resize(&canvas, w, h, &err), 0);
	screen_draw(&canvas, &shot, &ui);
	canvas_print(&canvas, f);
	fclose(f);
	return text;
}

static bool
drawn(int w, int h, const char *what)
{
	char *text = draw(w, h);
	bool found = strstr(text, what) != NULL;
	free(text);
	return found;
}

START_TEST(every_screen)
{
	for (int tier = GLYPH_BRAILLE; tier <= GLYPH_ASCII; tier++) {
		canvas.tier = (enum glyph_tier)tier;
		for (int h = 1; h <= H_MAX; h += h < 30 ? 1 : 14)
			for (int w = 1; w <= W_MAX; w += w < 60 ? 1 : 23) {
				ui.active = (enum pane_id)((w + h) % PANE_END_);
				ui.mode = (w + h) % 11 == 0 ? UI_HELP : UI_NORMAL;
				free(draw(w, h));
				for (size_t i = 0; tier == GLYPH_ASCII && i < (size_t)w * (size_t)h;
				     i++)
					if (canvas.cells[i].ch < 0x20 || canvas.cells[i].ch >= 0x7f)
						ck_abort_msg("%dx%d: U+%04X", w, h,
						             canvas.cells[i].ch);
			}
	}
}
END_TEST

START_TEST(says_too_small)
{
	ck_assert(drawn(39, 24, "39x24, needs 40x8"));
	ck_assert(drawn(80, 7, "80x7, needs 40x8"));
	ck_assert(drawn(40, 8, "grid"));
	ck_assert(!drawn(40, 8, "needs"));
}
END_TEST

START_TEST(shows_state_beside_colour)
{
	canvas.tier = GLYPH_ASCII;
	ck_assert(drawn(80, 24, "X n3"));
	ck_assert(drawn(80, 24, "dead"));
	ck_assert(drawn(80, 24, "UNSERVED"));
	ck_assert(drawn(80, 24, "8/9 nodes"));
	ck_assert(drawn(80, 24, "gen 1.45kW  load 1.38kW  loss 78W"));
	ck_assert(drawn(120, 40, "loss 78W (5.4%)"));
	ui.map = false;
	ui.active = PANE_LINKS;
	ck_assert(drawn(80, 40, "OPEN"));
	/* l1: -6 A from n1 to n2 is 6 A from n2 to n1, more than half of 10 A */
	ck_assert(drawn(80, 40, "n2           ===>  n1"));
	ui.active = PANE_EVENTS;
	ck_assert(drawn(80, 24, "event number 29")); /* the newest */
	ck_assert(!drawn(80, 24, "event number 0"));
	ck_assert(ui_key(&ui, &shot, 'g', NULL) == UI_NONE);
	ck_assert_int_eq(ui_arrange(&ui, &shot, &err), 0);
	ck_assert(drawn(80, 24, "event number 0"));
}
END_TEST

START_TEST(shows_the_speed_that_is_reached)
{
	shot.head.speed = shot.head.asked = 0.5;
	shot.head.pace = 0.46; /* more than nine tenths: held */
	ck_assert(drawn(120, 40, "running x0.5  "));
	ck_assert(drawn(160, 40, "3 late steps"));
	shot.head.pace = 0.4;
	ck_assert(drawn(120, 40, "running x0.4 of x0.5"));
	shot.head.asked = 1; /* the supervisor has lowered it */
	ck_assert(drawn(120, 40, "running x0.4 of x1.0"));
	shot.head.pace = 0;
	ck_assert(drawn(120, 40, "running x0.5 of x1.0"));
	shot.head.asked = NAN;
	ck_assert(drawn(120, 40, "running x0.5  "));
	shot.head.speed = 0;
	ck_assert(drawn(120, 40, "running max  "));
	shot.head.pace = 2.3;
	ck_assert(drawn(120, 40, "running max x2.3"));
}
END_TEST

START_TEST(asks_on_top)
{
	struct ui_request r;
	ui_key(&ui, &shot, 'K', &r);
	ck_assert(drawn(80, 24, "Kill n1 with SIGKILL?"));
	ck_assert(drawn(80, 24, "[ Cancel ]"));
	ui_key(&ui, &shot, UI_KEY_RIGHT, &r);
	ck_assert(drawn(80, 24, "[ Kill ]"));
	ck_assert(!drawn(80, 24, "[ Cancel ]"));
	free(draw(40, 8));
}
END_TEST

/* ---- table --------------------------------------------------------------------------------- */

static void
cell_one(const struct shot *s, size_t row, char buf[TABLE_CELL_MAX], enum style *style)
{
	(void)s;
	(void)style;
	snprintf(buf, TABLE_CELL_MAX, "r%zu", row);
}

static enum style
plain(const struct shot *s, size_t row)
{
	(void)s;
	(void)row;
	return STYLE_PLAIN;
}

START_TEST(tables)
{
	static const struct table_column columns[] = {
		{ "FIRST", 6, true, 0, cell_one, NULL },
		{ "SECOND", 6, false, 1, cell_one, NULL },
		{ "THIRD", 6, false, 2, cell_one, NULL },
	};
	static const struct table table = { columns, 3, plain, "none" };
	uint32_t index[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct ui_pane pane = { .rows = { 9, 9, index }, .cursor = 8 };
	struct area a = { 0, 0, 24, 4 };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	ck_assert_int_eq(canvas_resize(&canvas, 24, 4, &err), 0);
	table_draw(&canvas, &a, &table, &shot, &pane, true);
	canvas_print(&canvas, f);
	fclose(f);
	ck_assert_str_eq(text, "  FIRST  SECOND  THIRD\n"
	                       "  r6         r6     r6\n"
	                       "  r7         r7     r7\n"
	                       "> r8         r8     r8\n"); /* the cursor is in sight */
	free(text);
	a.w = 18;
	a.h = 2; /* room for two: the highest rank has gone */
	f = open_memstream(&text, &n);
	ck_assert_int_eq(canvas_resize(&canvas, 24, 2, &err), 0);
	table_draw(&canvas, &a, &table, &shot, &pane, false);
	canvas_print(&canvas, f);
	fclose(f);
	ck_assert_str_eq(text, "  FIRST  SECOND\n  r8         r8\n");
	free(text);
	ck_assert_uint_eq(table_first(&pane, 0), 0);
	ck_assert_uint_eq(table_first(&pane, 9), 0);
}
END_TEST

/* ---- map ----------------------------------------------------------------------------------- */

static int
step_dx(uint8_t side)
{
	return side == GLYPH_SIDE_E ? 1 : side == GLYPH_SIDE_W ? -1 : 0;
}

static int
step_dy(uint8_t side)
{
	return side == GLYPH_SIDE_S ? 1 : side == GLYPH_SIDE_N ? -1 : 0;
}

static bool
inside(const struct map_box *b, int x, int y)
{
	return x >= b->x && x < b->x + b->w && y >= b->y && y < b->y + b->h;
}

/* Every line is a connected way from one box to the other that passes through none. */
static bool
line_joins(const struct map *m, size_t i)
{
	if (m->first[i] >= m->first[i + 1])
		return false;
	const struct map_step *p = &m->steps[m->first[i]], *end = &m->steps[m->first[i + 1]];
	if (!inside(&m->boxes[links[i].a], p->x + step_dx(p->from), p->y + step_dy(p->from)))
		return false;
	for (; p < end; p++) {
		int x = p->x + step_dx(p->to), y = p->y + step_dy(p->to);
		if (p->x < 0 || p->y < 0 || p->x >= m->w || p->y >= m->h)
			return false;
		for (size_t n = 0; n < shot.n_nodes; n++)
			if (inside(&m->boxes[n], p->x, p->y))
				return false;
		if (p + 1 == end)
			return inside(&m->boxes[links[i].b], x, y);
		if (p[1].x != x || p[1].y != y || step_dx(p[1].from) != -step_dx(p->to) ||
		    step_dy(p[1].from) != -step_dy(p->to))
			return false;
	}
	return false;
}

static void
check_map(const struct map *m)
{
	for (size_t i = 0; i < shot.n_links; i++)
		ck_assert_msg(line_joins(m, i), "%dx%d: line %zu", m->w, m->h, i);
	for (size_t a = 0; a < shot.n_nodes; a++)
		for (size_t b = 0; b < a; b++) {
			const struct area x = { m->boxes[a].x, m->boxes[a].y, m->boxes[a].w,
				                m->boxes[a].h };
			const struct area y = { m->boxes[b].x, m->boxes[b].y, m->boxes[b].w,
				                m->boxes[b].h };
			ck_assert(apart(&x, &y));
		}
}

START_TEST(maps)
{
	struct map m = { .fits = false };
	int fitted = 0;
	for (int h = 1; h < 50; h += 3)
		for (int w = 1; w < 200; w += 13) {
			ck_assert_int_eq(map_make(&m, &shot, w, h, &err), 0);
			if (!m.fits)
				continue;
			fitted++;
			check_map(&m);
		}
	ck_assert_int_gt(fitted, 50);
	ck_assert_int_eq(map_make(&m, &shot, 60, 20, &err), 0);
	ck_assert(m.fits);
	/* A straight neighbour is joined by a straight line. */
	for (size_t p = m.first[2]; p < m.first[3]; p++) /* l3: n4 - n5, side by side */
		ck_assert(m.steps[p].y == m.steps[m.first[2]].y);
	const struct map_step *before = m.steps;
	ck_assert_int_eq(map_make(&m, &shot, 60, 20, &err), 0);
	ck_assert_ptr_eq(m.steps, before); /* nothing changed: nothing is made again */
	links[0].b = 8;
	ck_assert_int_eq(map_make(&m, &shot, 60, 20, &err), 0);
	check_map(&m);
	map_free(&m);
}
END_TEST

/* ---- glyphs -------------------------------------------------------------------------------- */

START_TEST(glyphs)
{
	char utf8[5];
	ck_assert_uint_eq(glyph_utf8(0x25b6, utf8), 3);
	ck_assert_str_eq(utf8, "\xe2\x96\xb6");
	ck_assert_uint_eq(glyph_utf8(0xb7, utf8), 2);
	ck_assert_str_eq(utf8, "\xc2\xb7");
	/* Unicode, block Braille Patterns: dots 1 and 8 are the upper left and the lower right */
	ck_assert_uint_eq(glyph_plot(GLYPH_BRAILLE, 1u << 0 | 1u << 7), 0x2881);
	ck_assert_uint_eq(glyph_plot(GLYPH_BRAILLE, 0xff), 0x28ff);
	ck_assert_uint_eq(glyph_line(GLYPH_BLOCK, GLYPH_SIDE_N | GLYPH_SIDE_E, GLYPH_LIGHT),
	                  0x2514);
	ck_assert_uint_eq(glyph_line(GLYPH_BLOCK, GLYPH_SIDE_E | GLYPH_SIDE_W, GLYPH_HEAVY),
	                  0x2501);
	ck_assert_uint_eq(glyph_spark(GLYPH_BLOCK, -3), 0x2581);
	ck_assert_uint_eq(glyph_spark(GLYPH_BLOCK, 7), 0x2588);
	ck_assert_uint_eq(glyph_spark(GLYPH_BLOCK, NAN), ' ');
	ck_assert_uint_eq(glyph_bar(GLYPH_BLOCK, 0.5, 0, 1), 0x258c); /* left half block */
	for (int g = 0; g < GLYPH_END_; g++)
		ck_assert(glyph(GLYPH_ASCII, (enum glyph)g) < 0x7f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tui_layout");
	TCase *sizes = tcase_create("sizes"), *screens = tcase_create("screens");
	tcase_add_test(sizes, every_size);
	tcase_add_test(sizes, glyphs);
	tcase_set_timeout(sizes, 60);
	tcase_add_checked_fixture(screens, setup, teardown);
	tcase_set_timeout(screens, 60);
	tcase_add_test(screens, every_screen);
	tcase_add_test(screens, says_too_small);
	tcase_add_test(screens, shows_state_beside_colour);
	tcase_add_test(screens, shows_the_speed_that_is_reached);
	tcase_add_test(screens, asks_on_top);
	tcase_add_test(screens, tables);
	tcase_add_test(screens, maps);
	suite_add_tcase(s, sizes);
	suite_add_tcase(s, screens);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
