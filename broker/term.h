/*
 * term.h - how the commands talk: colour, live lines and progress, as far as the stream allows.
 *
 * A stream is live when it is a terminal and TERM is neither unset nor "dumb"; it has colour when
 * it is live and NO_COLOR is unset or empty (https://no-color.org). On a stream that is not live a
 * progress prints one plain line per tenth of the way, and only for what takes longer than
 * PROGRESS_AFTER_S; nothing is ever overwritten there.
 */
#ifndef VL_TERM_H
#define VL_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_AFTER_S 2.0 /* what ends earlier needs no bar */

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };

struct term {
	FILE *f;
	bool tty, live, colour, quiet;
	bool line_open; /* a live line stands on the screen */
	double last_live_s;
};

void term_init(struct term *, FILE *);
unsigned term_width(const struct term *); /* columns; 80 when unknown */
double term_now_s(void);                  /* monotonic */

/* Prints in a style. A live line that is on the screen is erased before. */
void term_say(struct term *, enum term_style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "error: ...", "note: ..." with a newline; help may be NULL. */
void term_error(struct term *, const char *text, const char *help);
void term_note(struct term *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Replaces the live line; nothing on streams that are not live. */
void term_live(struct term *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void term_live_end(struct term *);

struct progress {
	struct term *term;
	const char *what;
	double start_s;
	int tenths; /* printed so far, when not live */
};
void progress_begin(struct progress *, struct term *, const char *what);
/* `done` in [0, 1], NaN: unknown. `detail` may be "". */
void progress_at(struct progress *, double done, const char *detail);
void progress_end(struct progress *);

/* Signals for the verbs that wait. After term_catch_signals() SIGINT, SIGTERM and SIGHUP only note
 * themselves; `also` (may be NULL) is called from the handler. */
void term_catch_signals(void (*also)(int signo));
int term_signal(void); /* the first one noted, 0: none */

#endif
