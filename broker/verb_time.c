/* The clock of a running mesh: pause resume step speed. */
#include <stdio.h>

#include "verb.h"

#define LIST(rows) rows, sizeof(rows) / sizeof *(rows)

enum { TIME_TIMEOUT, TIME_MESH };
static const struct opt time_opts[] = {
	[TIME_TIMEOUT] = OPT_ROW_TIMEOUT,
	[TIME_MESH] = OPT_ROW_MESH,
};

/* Sends a request of the whole mesh; true: done, at *step. */
static bool
agree(struct verb_call *c, const struct opt_value *mesh, const struct opt_value *timeout,
      const char *what, const struct client_arg *args, size_t n, int64_t *step, int *status)
{
	struct verb_mesh m;
	struct client_reply r;
	if (!verb_mesh_open(c, mesh, &m, status))
		return false;
	bool ok = verb_mesh_ask(c, &m, what, args, n, verb_timeout_s(timeout), &r, status);
	if (ok) {
		*step = client_reply_int(&r, "step", -1);
		client_reply_free(&r);
		*status = EXIT_OK;
	}
	verb_mesh_close(&m);
	return ok;
}

static void
say_step(struct verb_call *c, const char *what, int64_t step)
{
	if (step >= 0)
		term_say(c->talk, TERM_PLAIN, "%s at step %lld\n", what, (long long)step);
	else
		term_say(c->talk, TERM_PLAIN, "%s\n", what);
}

static int
run_pause(struct verb_call *c)
{
	int64_t step;
	int status;
	if (agree(c, &c->v[TIME_MESH], &c->v[TIME_TIMEOUT], "pause", NULL, 0, &step, &status)) {
		say_step(c, "paused", step);
		verb_next(c, "Next: voltloom step | voltloom resume");
	}
	return status;
}

static int
run_resume(struct verb_call *c)
{
	int64_t step;
	int status;
	if (agree(c, &c->v[TIME_MESH], &c->v[TIME_TIMEOUT], "resume", NULL, 0, &step, &status)) {
		say_step(c, "resumed", step);
		verb_next(c, "Next: voltloom top | voltloom pause");
	}
	return status;
}

const struct verb verb_pause = {
	"pause",
	GROUP_TIME,
	"stop the clock of the mesh between two steps",
	"voltloom pause\n",
	NULL,
	LIST(time_opts),
	run_pause,
};
const struct verb verb_resume = {
	"resume",        GROUP_TIME, "let a paused mesh go on", "voltloom resume\n", NULL,
	LIST(time_opts), run_resume,
};

enum { STEP_N, STEP_TIMEOUT, STEP_MESH };
static const struct opt step_opts[] = {
	[STEP_N] = { "N", 0, OPT_COUNT, OPT_POSITIONAL, "N", "how many steps (default 1)",
	             UNIT_NONE },
	[STEP_TIMEOUT] = OPT_ROW_TIMEOUT,
	[STEP_MESH] = OPT_ROW_MESH,
};

static int
run_step(struct verb_call *c)
{
	uint64_t n = c->v[STEP_N].given ? c->v[STEP_N].count : 1;
	int64_t step = -1;
	int status = EXIT_OK;
	for (uint64_t i = 0; i < n; i++) {
		if (!agree(c, &c->v[STEP_MESH], &c->v[STEP_TIMEOUT], "step", NULL, 0, &step,
		           &status))
			return status;
	}
	if (n > 0)
		say_step(c, "paused", step);
	verb_next(c, "Next: voltloom step | voltloom top --once | voltloom resume");
	return status;
}

const struct verb verb_step = {
	"step",
	GROUP_TIME,
	"advance a paused mesh by single steps",
	"voltloom step      # one macro step\n"
	"voltloom step 10\n",
	NULL,
	LIST(step_opts),
	run_step,
};

enum { SPEED_X, SPEED_TIMEOUT, SPEED_MESH };
static const struct opt speed_opts[] = {
	[SPEED_X] = { "X", 0, OPT_SPEED, OPT_POSITIONAL | OPT_REQUIRED, "X",
	              "1: real time, 0.1: slow motion, max: as fast as it goes", UNIT_NONE },
	[SPEED_TIMEOUT] = OPT_ROW_TIMEOUT,
	[SPEED_MESH] = OPT_ROW_MESH,
};

static int
run_speed(struct verb_call *c)
{
	const struct client_arg args[] = { { "factor", NULL, c->v[SPEED_X].real } };
	int64_t step;
	int status;
	if (agree(c, &c->v[SPEED_MESH], &c->v[SPEED_TIMEOUT], "speed", args, 1, &step, &status)) {
		char what[64];
		snprintf(what, sizeof what, "speed %.32s", c->v[SPEED_X].text);
		say_step(c, what, step);
		verb_next(c, "Next: voltloom top | voltloom speed 1");
	}
	return status;
}

const struct verb verb_speed = {
	"speed",
	GROUP_TIME,
	"how fast plant time runs",
	"voltloom speed 0.1   # slow motion\n"
	"voltloom speed 1     # real time\n"
	"voltloom speed max\n",
	"The plant computes the same bytes at every speed.",
	LIST(speed_opts),
	run_speed,
};
