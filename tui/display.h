/*
 * display.h - the terminal through ncursesw: shows a canvas, gives keys. The terminal is put back
 * by display_close() and, when the program dies of a programming mistake, by a handler.
 */
#ifndef VL_DISPLAY_H
#define VL_DISPLAY_H

#include <stdbool.h>

#include "canvas.h"

/* ERR_IO when there is no terminal that could show anything. */
int display_open(bool colour, struct err *);
void display_close(void);
void display_size(int *w, int *h);
void display_show(const struct canvas *);
/* The next key as in input.h, 0: the size has changed, -1: none. */
int display_key(void);

#endif
