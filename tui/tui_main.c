/*
 * voltloom-tui: the dashboard, run as `voltloom top`.
 *
 *   feed.c      telemetry and answers from the relay, requests to it
 *   view*.c     what was heard, put together; a snapshot of it ("shot")
 *   arrange.c   rows of the panes: filter and sort        input.c     keys
 *   layout.c    places of the panes                       pane*.c     the panes, on a canvas
 *   map*.c      boxes and routed lines of the map         display.c   the canvas in the terminal
 *   batch.c     the same view as text or JSON
 *
 * Arguments, signals, topology, feed -> loop: take, sample, arrange, draw, keys -> terminal back.
 */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "diag.h"
#include "display.h"
#include "feed.h"
#include "pane.h"
#include "topo.h"
#include "view.h"

enum {
	EXIT_USAGE = 64,
	TUI_WIDTH = 100, /* columns of plain text when nobody says */
	TUI_WIDTH_MIN = 40,
	TUI_WIDTH_MAX = 500,
	TUI_SIZE_MAX = 4096, /* rows or columns of a terminal that are used */
	TUI_KEYS_MAX = 64,   /* keys between two screens */
};
/* At most four screens a second; a key is answered at once. */
#define TUI_FRAME_NS INT64_C(250000000)

static const char usage[] =
	"voltloom top                     watch the mesh that runs here\n"
	"voltloom top --once              one snapshot as plain text\n"
	"voltloom top --batch -n 10       ten snapshots, one a second\n"
	"voltloom top --batch --json      one JSON object per line, until stopped\n"
	"\n"
	"  --dir DIR          folder of the mesh's sockets\n"
	"  --topology FILE    names and places of nodes and links; without it they are learned\n"
	"  --readonly         no key acts on the mesh\n"
	"  --once             print one snapshot when every process has been heard\n"
	"  --batch            print snapshots\n"
	"  -n N               how many (0: until stopped, which is the default)\n"
	"  --interval S       wall seconds between them (1)\n"
	"  --json             as JSON, with --once or --batch\n"
	"  --width N          columns of plain text\n"
	"  --glyphs TIER      braille, block or ascii; --ascii is short for the last\n"
	"  --help\n"
	"\n"
	"NO_COLOR turns colours off. Inside: F1 or ? for help, q to quit (the mesh stays up).\n";

struct tui_args {
	const char *dir, *topology, *glyphs;
	bool readonly, once, batch, json, help;
	double interval_s;
	long n, width;
};

static volatile sig_atomic_t stopped_by;

static void
on_signal(int signo)
{
	stopped_by = signo;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static int
args_bad(const char *what, const char *value, const char *want)
{
	fprintf(stderr, "voltloom top: %s %s: %s\n", what, value, want);
	return EXIT_USAGE;
}

static int
args_long(const char *what, const char *text, long lo, long hi, long *ret)
{
	char *end, want[64];
	errno = 0;
	long x = strtol(text, &end, 10);
	if (errno || *end || end == text || x < lo || x > hi) {
		snprintf(want, sizeof want, "not a whole number in [%ld, %ld]", lo, hi);
		return args_bad(what, text, want);
	}
	*ret = x;
	return 0;
}

static int
args_read(int argc, char **argv, struct tui_args *a)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "topology", required_argument, NULL, 't' },
		{ "readonly", no_argument, NULL, 'r' },
		{ "once", no_argument, NULL, 'o' },
		{ "batch", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "interval", required_argument, NULL, 'i' },
		{ "width", required_argument, NULL, 'w' },
		{ "glyphs", required_argument, NULL, 'g' },
		{ "ascii", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	*a = (struct tui_args){ .interval_s = 1 };
	int rc = 0;
	char *end;
	for (int c; !rc && (c = getopt_long(argc, argv, "n:h", options, NULL)) != -1;) {
		switch (c) {
		case 'd':
			a->dir = optarg;
			break;
		case 't':
			a->topology = optarg;
			break;
		case 'r':
			a->readonly = true;
			break;
		case 'o':
			a->once = true;
			break;
		case 'b':
			a->batch = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'a':
			a->glyphs = "ascii";
			break;
		case 'g':
			a->glyphs = optarg;
			break;
		case 'h':
			a->help = true;
			break;
		case 'n':
			rc = args_long("-n", optarg, 0, INT_MAX, &a->n);
			break;
		case 'w':
			rc = args_long("--width", optarg, TUI_WIDTH_MIN, TUI_WIDTH_MAX, &a->width);
			break;
		case 'i':
			a->interval_s = strtod(optarg, &end);
			if (*end || end == optarg ||
			    !(a->interval_s >= 0.1 && a->interval_s <= 86400))
				rc = args_bad("--interval", optarg, "not in [0.1, 86400] s");
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (rc || a->help)
		return rc;
	if (optind < argc)
		return args_bad("argument", argv[optind], "nothing more is taken");
	if (!a->dir)
		return args_bad("--dir", "DIR", "is missing");
	if (a->json && !a->once && !a->batch)
		a->batch = true;
	return 0;
}

static int
args_tier(const struct tui_args *a, bool plain, enum glyph_tier *ret)
{
	static const char *const names[] = { "braille", "block", "ascii" };
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	const char *term = getenv("TERM");
	/* The console's font has no braille. */
	*ret = !utf8                                           ? GLYPH_ASCII
	       : plain || (term && strcmp(term, "linux") == 0) ? GLYPH_BLOCK
	                                                       : GLYPH_BRAILLE;
	if (!a->glyphs)
		return 0;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(a->glyphs, names[i]) == 0) {
			*ret = (enum glyph_tier)i;
			return 0;
		}
	return args_bad("--glyphs", a->glyphs, "not braille, block or ascii");
}

static int
args_columns(const struct tui_args *a)
{
	struct winsize size;
	if (a->width)
		return (int)a->width;
	const char *columns = getenv("COLUMNS");
	long n = columns ? strtol(columns, NULL, 10) : 0;
	if (n < 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	if (n < 1)
		n = TUI_WIDTH;
	return n < TUI_WIDTH_MIN ? TUI_WIDTH_MIN : n > TUI_WIDTH_MAX ? TUI_WIDTH_MAX : (int)n;
}

/* ---- the dashboard ------------------------------------------------------------------------- */

struct tui {
	struct feed *feed;
	struct view *view;
	struct ui ui;
	struct shot shot;
	struct canvas canvas;
	const char *dir;
	bool quit;
};

static int64_t
tui_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
tui_answers(struct tui *t, int64_t now)
{
	struct feed_answer a;
	if (!feed_answer(t->feed, now, &a))
		return;
	/* A text that names its subject needs no introduction. */
	bool named = a.text[0] && a.target[0] && strstr(a.text, a.target);
	ui_say(&t->ui, !a.ok, "%s%s%s%s%s", named ? "" : a.verb, named || !a.target[0] ? "" : " ",
	       named ? "" : a.target, named ? "" : ": ",
	       a.text[0] ? a.text
	       : a.ok    ? "done"
	                 : "failed");
	t->quit = t->quit || (a.then_quit && a.ok);
}

static int
tui_sample(struct tui *t, int64_t now, struct err *err)
{
	feed_take(t->feed, t->view, now);
	tui_answers(t, now);
	if (access(t->dir, F_OK) != 0 && !t->ui.message[0])
		ui_say(&t->ui, true, "the mesh has ended (q quits)");
	return t->ui.freeze ? 0 : view_sample(t->view, now, &t->shot, err);
}

static int
tui_draw(struct tui *t, struct err *err)
{
	int w, h;
	display_size(&w, &h);
	w = w > TUI_SIZE_MAX ? TUI_SIZE_MAX : w;
	h = h > TUI_SIZE_MAX ? TUI_SIZE_MAX : h;
	int rc = ui_arrange(&t->ui, &t->shot, err);
	if (!rc)
		rc = canvas_resize(&t->canvas, w, h, err);
	if (rc)
		return rc;
	screen_draw(&t->canvas, &t->shot, &t->ui);
	display_show(&t->canvas);
	return 0;
}

/* Returns true when a key or a new size wants a new screen. */
static bool
tui_keys(struct tui *t, int64_t now)
{
	bool any = false;
	for (int i = 0; i < TUI_KEYS_MAX && !t->quit; i++) {
		int key = display_key();
		if (key < 0)
			break;
		any = true;
		if (key == 0)
			continue;
		struct ui_request request;
		switch (ui_key(&t->ui, &t->shot, key, &request)) {
		case UI_QUIT:
			t->quit = true;
			break;
		case UI_REQUEST:
			if (!feed_request(t->feed, &request, now))
				ui_say(&t->ui, true, "the last request is not answered yet");
			break;
		default:
			break;
		}
	}
	return any;
}

static int
tui_loop(struct tui *t, struct err *err)
{
	int64_t next_ns = 0;
	int rc = 0;
	while (!rc && !t->quit && !stopped_by) {
		int64_t now = tui_now_ns();
		bool fresh = now >= next_ns;
		if (fresh) {
			rc = tui_sample(t, now, err);
			next_ns = now + TUI_FRAME_NS;
		}
		bool keys = tui_keys(t, now);
		if (!rc && (fresh || keys))
			rc = tui_draw(t, err);
		/* Telemetry waits in its queue until the next screen; only keys wake us before. */
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
		int64_t left_ms = (next_ns - tui_now_ns()) / 1000000 + 1;
		if (left_ms > 0 && poll(&in, 1, (int)left_ms) > 0 &&
		    (in.revents & (POLLHUP | POLLERR)))
			t->quit = true;
	}
	return rc;
}

static int
tui_run(struct feed *feed, struct view *view, const struct tui_args *a, enum glyph_tier tier,
        struct err *err)
{
	const char *no_color = getenv("NO_COLOR");
	struct tui t = { .feed = feed, .view = view, .dir = a->dir, .canvas.tier = tier };
	int rc = ui_init(&t.ui, a->readonly, err);
	if (!rc)
		rc = display_open(!(no_color && no_color[0]), err);
	if (!rc)
		rc = tui_loop(&t, err);
	display_close();
	canvas_free(&t.canvas);
	shot_free(&t.shot);
	ui_free(&t.ui);
	return rc;
}

/* ---- main ---------------------------------------------------------------------------------- */

static void
tui_signals(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_signal }; /* no SA_RESTART: it ends the wait */
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
		sigaction(stops[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Without the file everything still works; names are then learned. */
static struct topo *
tui_topo(const char *path)
{
	struct topo *topo = NULL;
	struct diag_list diags;
	struct err err = ERR_INIT;
	diag_list_init(&diags);
	if (path && topo_load(path, &diags, &topo, &err))
		fprintf(stderr, "voltloom top: %s: %s (names are learned from telemetry)\n", path,
		        err.text);
	diag_list_free(&diags);
	return topo;
}

int
main(int argc, char **argv)
{
	struct tui_args a;
	enum glyph_tier tier;
	struct err err = ERR_INIT;
	struct view *view = NULL;
	struct feed *feed = NULL;
	setlocale(LC_CTYPE, "");
	int rc = args_read(argc, argv, &a);
	if (!rc && a.help) {
		fputs(usage, stdout);
		return 0;
	}
	if (!rc)
		rc = args_tier(&a, a.once || a.batch, &tier);
	if (rc)
		return rc;
	tui_signals();
	struct topo *topo = tui_topo(a.topology);
	rc = view_create(topo, &view, &err);
	topo_destroy(&topo);
	if (!rc)
		rc = feed_open(a.dir, &feed, &err);
	if (!rc && (a.once || a.batch)) {
		struct batch_params p = {
			.n = a.once ? 1 : a.n,
			.interval_ns = (int64_t)(a.interval_s * 1e9),
			.json = a.json,
			.tier = tier,
			.width = args_columns(&a),
			.stop = &stopped_by,
		};
		rc = batch_run(feed, view, &p, &err);
	} else if (!rc) {
		rc = tui_run(feed, view, &a, tier, &err);
	}
	feed_close(&feed);
	view_destroy(&view);
	if (rc) {
		fprintf(stderr, "voltloom top: %s\n", err.text);
		return err_exit_status(err.code);
	}
	return stopped_by ? 128 + stopped_by : 0;
}
