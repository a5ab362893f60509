#include "display.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "input.h"

enum { DISPLAY_ESC_MS = 25 }; /* how long an escape sequence may take to arrive */

static attr_t attrs[STYLE_END_];
static short pairs[STYLE_END_];
static bool is_open;

static void
display_crash(int signo)
{
	/* Not async-signal-safe, but the alternative is a terminal that nobody can use. */
	if (is_open)
		endwin();
	is_open = false;
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
display_styles(bool colour)
{
	static const struct {
		attr_t attr;
		short fg;       /* ANSI, -1: that of the terminal */
		attr_t without; /* when there are no colours */
	} looks[STYLE_END_] = {
		[STYLE_PLAIN] = { A_NORMAL, -1, A_NORMAL },
		[STYLE_DIM] = { A_DIM, -1, A_DIM },
		[STYLE_BOLD] = { A_BOLD, -1, A_BOLD },
		[STYLE_TITLE] = { A_BOLD, COLOR_CYAN, A_BOLD },
		[STYLE_GOOD] = { A_NORMAL, COLOR_GREEN, A_NORMAL },
		[STYLE_WARN] = { A_BOLD, COLOR_YELLOW, A_BOLD },
		[STYLE_BAD] = { A_BOLD, COLOR_RED, A_BOLD | A_UNDERLINE },
		[STYLE_INFO] = { A_NORMAL, COLOR_CYAN, A_NORMAL },
		[STYLE_SELECT] = { A_REVERSE, -1, A_REVERSE },
	};
	bool can = colour && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short s = 0; s < STYLE_END_; s++) {
		attrs[s] = can ? looks[s].attr : looks[s].without;
		pairs[s] = 0;
		if (can && looks[s].fg >= 0 && init_pair((short)(s + 1), looks[s].fg, -1) == OK)
			pairs[s] = (short)(s + 1);
	}
}

int
display_open(bool colour, struct err *err)
{
	const char *term = getenv("TERM");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, ERR_IO, "not a terminal (--once or --batch print plain text)");
	if (!term || !term[0] || strcmp(term, "dumb") == 0)
		return err_set(err, ERR_IO,
		               "TERM=%s can show no screen (--once or --batch print plain text)",
		               term ? term : "");
	/* newterm() returns where initscr() would exit. */
	SCREEN *screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return err_set(err, ERR_IO, "TERM=%s is not known here", term);
	is_open = true;
	static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
		signal(crashes[i], display_crash);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(DISPLAY_ESC_MS);
	curs_set(0);
	display_styles(colour);
	return 0;
}

void
display_close(void)
{
	if (is_open)
		endwin();
	is_open = false;
}

void
display_size(int *w, int *h)
{
	getmaxyx(stdscr, *h, *w);
}

void
display_show(const struct canvas *c)
{
	for (int y = 0; y < c->h; y++) {
		for (int x = 0; x < c->w; x++) {
			const struct cell *cell = &c->cells[(size_t)y * (size_t)c->w + (size_t)x];
			wchar_t text[2] = { (wchar_t)cell->ch, L'\0' };
			cchar_t wide;
			setcchar(&wide, text, attrs[cell->style], pairs[cell->style], NULL);
			mvadd_wch(y, x, &wide);
		}
	}
	refresh();
}

int
display_key(void)
{
	static const struct {
		int from, to;
	} keys[] = {
		{ KEY_UP, UI_KEY_UP },
		{ KEY_DOWN, UI_KEY_DOWN },
		{ KEY_LEFT, UI_KEY_LEFT },
		{ KEY_RIGHT, UI_KEY_RIGHT },
		{ KEY_HOME, UI_KEY_HOME },
		{ KEY_END, UI_KEY_END },
		{ KEY_PPAGE, UI_KEY_PAGE_UP },
		{ KEY_NPAGE, UI_KEY_PAGE_DOWN },
		{ KEY_BACKSPACE, UI_KEY_BACKSPACE },
		{ 0x7f, UI_KEY_BACKSPACE },
		{ '\b', UI_KEY_BACKSPACE },
		{ KEY_BTAB, UI_KEY_BACKTAB },
		{ KEY_F(1), UI_KEY_F1 },
		{ KEY_ENTER, '\r' },
		{ KEY_RESIZE, 0 },
	};
	for (;;) {
		int c = getch();
		if (c == ERR)
			return -1;
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
			if (keys[i].from == c)
				return keys[i].to;
		if (c > 0 && c < 0x7f)
			return c;
	}
}
