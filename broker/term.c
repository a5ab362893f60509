#include "term.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LIVE_PERIOD_S 0.1 /* a live line is redrawn at most ten times a second */

void
term_init(struct term *t, FILE *f)
{
	const char *type = getenv("TERM"), *no_color = getenv("NO_COLOR");
	memset(t, 0, sizeof *t);
	t->f = f;
	t->tty = isatty(fileno(f));
	t->live = t->tty && type && *type && strcmp(type, "dumb") != 0;
	t->colour = t->live && !(no_color && *no_color);
}

unsigned
term_width(const struct term *t)
{
	struct winsize w;
	if (t->tty && ioctl(fileno(t->f), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return w.ws_col;
	return 80;
}

double
term_now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static const char *
style_code(enum term_style style)
{
	static const char *const codes[] = {
		[TERM_PLAIN] = "",       [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
		[TERM_RED] = "\033[31m", [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
	};
	return codes[style];
}

void
term_live_end(struct term *t)
{
	if (t->line_open) {
		fputs("\r\033[K", t->f);
		fflush(t->f);
		t->line_open = false;
	}
	t->last_live_s = 0;
}

void
term_say(struct term *t, enum term_style style, const char *fmt, ...)
{
	if (t->quiet)
		return;
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	term_live_end(t);
	if (t->colour && style != TERM_PLAIN) {
		/* The style ends before the line does. */
		bool line = n > 0 && text[n - 1] == '\n';
		fprintf(t->f, "%s%.*s\033[0m%s", style_code(style), n - line, text,
		        line ? "\n" : "");
	} else {
		fputs(text, t->f);
	}
	fflush(t->f);
	free(text);
}

void
term_error(struct term *t, const char *text, const char *help)
{
	bool quiet = t->quiet;
	t->quiet = false; /* errors are never quiet */
	term_say(t, TERM_RED, "error:");
	term_say(t, TERM_PLAIN, " %s\n", text);
	if (help && *help)
		term_say(t, TERM_PLAIN, "  = help: %s\n", help);
	t->quiet = quiet;
}

void
term_note(struct term *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	term_say(t, TERM_YELLOW, "note:");
	term_say(t, TERM_PLAIN, " %s\n", text);
}

void
term_live(struct term *t, const char *fmt, ...)
{
	double now = term_now_s();
	if (!t->live || t->quiet || now - t->last_live_s < LIVE_PERIOD_S)
		return;
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* One column is left free: a full line would wrap and could not be erased. */
	fprintf(t->f, "\r%.*s\033[K", (int)term_width(t) - 1, text);
	fflush(t->f);
	t->line_open = true;
	t->last_live_s = now;
}

void
progress_begin(struct progress *p, struct term *t, const char *what)
{
	*p = (struct progress){ .term = t, .what = what, .start_s = term_now_s() };
}

static void
eta_text(double spent_s, double done, char *buf, size_t size)
{
	double left = done > 0 ? spent_s * (1 - done) / done : NAN;
	if (!(left < 360000)) /* 100 h: no use in a number */
		snprintf(buf, size, "ETA --:--");
	else if (left < 60)
		snprintf(buf, size, "ETA %.0f s", ceil(left));
	else
		snprintf(buf, size, "ETA %d:%02d:%02d", (int)(left / 3600), (int)(left / 60) % 60,
		         (int)left % 60);
}

void
progress_at(struct progress *p, double done, const char *detail)
{
	enum { CELLS = 24 };
	double spent = term_now_s() - p->start_s;
	if (spent < PROGRESS_AFTER_S || p->term->quiet)
		return;
	const char *gap = *detail ? "  " : "";
	if (isnan(done)) {
		term_live(p->term, "%s  %.0f s%s%s", p->what, spent, gap, detail);
		return;
	}
	done = fmin(fmax(done, 0), 1);
	char eta[32];
	eta_text(spent, done, eta, sizeof eta);
	if (p->term->live) {
		char bar[CELLS + 1];
		for (int i = 0; i < CELLS; i++)
			bar[i] = i < (int)(done * CELLS) ? '#' : '-';
		bar[CELLS] = '\0';
		term_live(p->term, "%s [%s] %3.0f %%  %s%s%s", p->what, bar, floor(100 * done), eta,
		          gap, detail);
	} else if ((int)(done * 10) > p->tenths) {
		p->tenths = (int)(done * 10);
		term_say(p->term, TERM_PLAIN, "%s %d %%, %s%s%s\n", p->what, 10 * p->tenths, eta,
		         gap, detail);
	}
}

void
progress_end(struct progress *p)
{
	term_live_end(p->term);
}

static volatile sig_atomic_t noted;
static void (*also_call)(int signo);

static void
note_signal(int signo)
{
	if (signo == SIGHUP) /* the terminal went away: an end in order */
		signo = SIGTERM;
	if (!noted)
		noted = signo;
	if (also_call)
		also_call(signo);
}

void
term_catch_signals(void (*also)(int signo))
{
	struct sigaction sa = { .sa_handler = note_signal };
	sigemptyset(&sa.sa_mask);
	also_call = also;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

int
term_signal(void)
{
	return noted;
}
