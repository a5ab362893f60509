#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *text;
	int status;
} table[] = {
#define X(code, status, text) { #code, text, status },
	ERR_TABLE(X)
#undef X
};

static int
row(int code)
{
	int i = code - ERR_BASE_ - 1;
	return i >= 0 && i < (int)(sizeof table / sizeof *table) ? i : -1;
}

int
err_set(struct err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		err->code = code;
	}
	return code;
}

int
err_sys(struct err *err, int code, const char *fmt, ...)
{
	int saved = errno;
	if (saved == ENOSPC || saved == EDQUOT)
		code = ERR_FULL;
	else if (saved == ENOMEM)
		code = ERR_NOMEM;
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof err->text)
			snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(saved));
		err->code = code;
	}
	return code;
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
	if (!err)
		return ERR_IO;
	char old[sizeof err->text];
	memcpy(old, err->text, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->text)
		snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
	return err->code;
}

const char *
err_name(int code)
{
	int i = row(code);
	return i < 0 ? "ERR_OK" : table[i].name;
}

const char *
err_default_text(int code)
{
	int i = row(code);
	return i < 0 ? "no error" : table[i].text;
}

int
err_exit_status(int code)
{
	int i = row(code);
	return i < 0 ? 0 : table[i].status;
}
