/*
 * input.h - what keys do: cursor, sort, filter, zoom, and requests to the mesh, which always ask.
 *
 * Pure: keys and a snapshot in, effects out. A capital letter opens a question whose default is
 * Cancel; only an explicit choice makes a request. With `readonly` it makes none.
 */
#ifndef VL_INPUT_H
#define VL_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "layout.h"
#include "view.h"

struct map;

/* Keys that are no ASCII character. */
enum ui_key_code {
	UI_KEY_ESC = 27,
	UI_KEY_UP = 0x100,
	UI_KEY_DOWN,
	UI_KEY_LEFT,
	UI_KEY_RIGHT,
	UI_KEY_HOME,
	UI_KEY_END,
	UI_KEY_PAGE_UP,
	UI_KEY_PAGE_DOWN,
	UI_KEY_BACKSPACE,
	UI_KEY_BACKTAB,
	UI_KEY_F1,
};

enum ui_mode { UI_NORMAL, UI_FILTER, UI_DIALOG, UI_HELP };
enum ui_effect { UI_NONE, UI_REQUEST, UI_QUIT };
enum ui_target { UI_TARGET_NONE, UI_TARGET_PROC, UI_TARGET_LINK, UI_TARGET_NODE };

/* A request of docs/commands.md. */
struct ui_request {
	char verb[12];
	char target[TOPO_ID_MAX]; /* "": none */
	double level_w;           /* NaN: none */
	bool then_quit;
};

/* One row per capital letter. */
struct ui_action {
	char key;
	const char *verb;
	const char *button, *ask; /* "%s" in ask: the target */
	enum ui_target target;
	bool level, then_quit;
};
extern const struct ui_action ui_actions[];
extern const size_t ui_n_actions;

struct ui_dialog {
	const struct ui_action *action;
	const char *verb; /* of the action, or what the state of the mesh makes of it */
	size_t target;    /* index among the targets of its kind */
	bool accept;      /* the button that Enter presses; false: Cancel */
	char level[12];   /* as typed, W */
};

/* Rows of a pane after filter and sort. */
struct ui_rows {
	size_t n, cap;
	uint32_t *index;
};

struct ui_pane {
	size_t cursor; /* in rows */
	unsigned sort;
	char filter[TOPO_ID_MAX];
	struct ui_rows rows;
};

struct ui {
	enum ui_mode mode;
	enum pane_id active;
	bool map, zoom, freeze, readonly;
	bool tail;         /* events: the newest stays in sight */
	unsigned bus_span; /* which of the scales of the bus plot */
	struct ui_pane pane[PANE_END_];
	struct ui_dialog dialog;
	char message[160]; /* the last answer, "": none */
	bool message_bad;
	bool message_sent;  /* an answer is waited for */
	struct map *routes; /* of the map pane; made anew when size or mesh change */
};

int ui_init(struct ui *, bool readonly, struct err *);
void ui_free(struct ui *);

/* Rows of every pane for this snapshot; cursors stay inside. */
int ui_arrange(struct ui *, const struct shot *, struct err *);
const char *ui_sort_name(const struct ui *, enum pane_id);
enum ui_effect ui_key(struct ui *, const struct shot *, int key, struct ui_request *ret);
/* The target that the open question speaks of, "" when there is none. */
const char *ui_dialog_target(const struct ui *, const struct shot *);
void ui_say(struct ui *, bool bad, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
