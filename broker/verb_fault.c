/* Things done to a running mesh by hand: kill stop cont start cut heal close degrade load short. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "restored.h"
#include "verb.h"

#define LIST(rows) rows, sizeof(rows) / sizeof *(rows)

/* One request with one target; prints what happened. `done` says it in the past tense. */
static int
act(struct verb_call *c, const struct opt_value *mesh, const struct opt_value *timeout,
    const char *what, unsigned kinds, const struct client_arg *args, size_t n, const char *done)
{
	struct verb_mesh m;
	struct client_reply r;
	int status;
	if (!verb_mesh_open(c, mesh, &m, &status))
		return status;
	status = verb_check_id(c, m.topo, args[0].text, kinds);
	if (!status && verb_mesh_ask(c, &m, what, args, n, verb_timeout_s(timeout), &r, &status)) {
		int64_t step = client_reply_int(&r, "step", -1);
		if (step >= 0)
			term_say(c->talk, TERM_PLAIN, "%s: %s at step %lld\n", args[0].text, done,
			         (long long)step);
		else
			term_say(c->talk, TERM_PLAIN, "%s: %s\n", args[0].text, done);
		client_reply_free(&r);
	}
	verb_mesh_close(&m);
	return status;
}

/* ---- kill ------------------------------------------------------------------------------- */

enum { KILL_ID, KILL_WAIT, KILL_SIGNAL, KILL_BAND, KILL_TIMEOUT, KILL_MESH };
static const struct opt kill_opts[] = {
	[KILL_ID] = { "ID", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "ID",
	              "a node, a module, or 'relay'", UNIT_NONE },
	[KILL_WAIT] = { "wait", 'w', OPT_CHOICE, 0, "restored",
	                "follow the mesh until its voltages are back", UNIT_NONE },
	[KILL_SIGNAL] = { "signal", 's', OPT_CHOICE, 0, "KILL", "the signal (only KILL)",
	                  UNIT_NONE },
	[KILL_BAND] = { "band", 0, OPT_VALUE, 0, "2%",
	                "what counts as back: nominal +- this (default 2%)", UNIT_PERCENT },
	[KILL_TIMEOUT] = OPT_ROW_TIMEOUT,
	[KILL_MESH] = OPT_ROW_MESH,
};

static int
run_kill(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	const char *id = v[KILL_ID].text;
	const struct client_arg args[] = { { "target", id, 0 } };
	struct restored *watch = NULL;
	struct err err = ERR_INIT;
	struct verb_mesh m;
	struct client_reply r;
	int status;
	double timeout_s = verb_timeout_s(&v[KILL_TIMEOUT]);
	if (!verb_mesh_open(c, &v[KILL_MESH], &m, &status))
		return status;
	status = verb_check_id(c, m.topo, id, ID_NODE | ID_MODULE | ID_RELAY);
	if (status)
		goto out;
	if (v[KILL_WAIT].given) {
		double band = v[KILL_BAND].given ? v[KILL_BAND].real : RESTORED_BAND;
		if (strcmp(id, "relay") == 0)
			status = verb_usage(c, NULL,
			                    "the relay carries no power: nothing to wait for");
		else if (restored_create(m.client, m.topo, id, band, &watch, &err))
			status = verb_fail(c, &err, NULL);
		if (status)
			goto out;
	}
	if (!verb_mesh_ask(c, &m, "kill", args, 1, timeout_s, &r, &status))
		goto out;
	if (!watch)
		term_say(c->talk, TERM_PLAIN, "%s: %s\n", id,
		         strcmp(id, "relay") == 0 ? "SIGKILL" : r.text);
	client_reply_free(&r);
	if (watch)
		status = restored_follow(watch, c->talk, timeout_s);
	if (strcmp(id, "relay") != 0)
		verb_next(c, "Next: voltloom start %s | voltloom events --since 10s | voltloom top",
		          id);
out:
	restored_destroy(&watch);
	verb_mesh_close(&m);
	return status;
}

const struct verb verb_kill = {
	"kill",
	GROUP_BREAK,
	"kill a process of the mesh with SIGKILL",
	"voltloom kill n3 --wait restored   # and follow the voltages until they are back\n"
	"voltloom kill m5                   # a compute module\n"
	"voltloom kill relay                # telemetry only: no volt changes, and it comes back\n",
	"With --wait restored the link openings are printed in plant time after the victim's last\n"
	"frame, then the time at which every living bus was back within the band for good (50 ms), "
	"the\n"
	"lowest voltage on the way and the energy that loads went without. Exit status 1: not back "
	"in\n"
	"time.",
	LIST(kill_opts),
	run_kill,
};

/* ---- stop, cont, start ------------------------------------------------------------------ */

enum { PROC_ID, PROC_TIMEOUT, PROC_MESH };
static const struct opt proc_opts[] = {
	[PROC_ID] = { "ID", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "ID",
	              "a node or a module", UNIT_NONE },
	[PROC_TIMEOUT] = OPT_ROW_TIMEOUT,
	[PROC_MESH] = OPT_ROW_MESH,
};

static int
act_on_process(struct verb_call *c, const char *what, const char *done)
{
	const struct client_arg args[] = { { "target", c->v[PROC_ID].text, 0 } };
	return act(c, &c->v[PROC_MESH], &c->v[PROC_TIMEOUT], what, ID_NODE | ID_MODULE, args, 1,
	           done);
}

static int
run_stop(struct verb_call *c)
{
	int status = act_on_process(c, "stop", "SIGSTOP sent");
	if (!status)
		verb_next(c, "Next: voltloom cont %s | voltloom ps", c->v[PROC_ID].text);
	return status;
}

static int
run_cont(struct verb_call *c)
{
	int status = act_on_process(c, "cont", "SIGCONT sent");
	if (!status)
		verb_next(c, "Next: voltloom ps | voltloom events --since 10s");
	return status;
}

static int
run_start(struct verb_call *c)
{
	int status = act_on_process(c, "start", "started");
	if (!status)
		verb_next(c, "Next: voltloom events --since 10s | voltloom top");
	return status;
}

const struct verb verb_stop = {
	"stop",
	GROUP_BREAK,
	"hang a process: SIGSTOP",
	"voltloom stop n3   # the mesh notices, names it and goes on without it\n",
	"A process that stays silent longer than the stall time is killed by the supervisor.",
	LIST(proc_opts),
	run_stop,
};
const struct verb verb_cont = {
	"cont",
	GROUP_BREAK,
	"let a stopped process go on: SIGCONT",
	"voltloom cont n3\n",
	NULL,
	LIST(proc_opts),
	run_cont,
};
const struct verb verb_start = {
	"start",
	GROUP_BREAK,
	"start a dead process again, as a new incarnation",
	"voltloom start n3\n",
	"It begins with the voltages of its predecessor's last frame and closes its links by "
	"itself.",
	LIST(proc_opts),
	run_start,
};

/* ---- cut, heal, close ------------------------------------------------------------------- */

enum { LINK_ID, LINK_ONLY, LINK_TIMEOUT, LINK_MESH };
static const struct opt link_opts[] = {
	[LINK_ID] = { "LINK", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "LINK", "a link",
	              UNIT_NONE },
	[LINK_ONLY] = { "only", 'o', OPT_CHOICE, 0, "power|channel",
	                "the contactors alone, or the communication alone", UNIT_NONE },
	[LINK_TIMEOUT] = OPT_ROW_TIMEOUT,
	[LINK_MESH] = OPT_ROW_MESH,
};

static int
act_on_link(struct verb_call *c, const char *what, const char *done)
{
	const struct opt_value *v = c->v;
	/* enum cut_only, in the order of the choices */
	const struct client_arg args[] = {
		{ "target", v[LINK_ID].text, 0 },
		{ "only", NULL, v[LINK_ONLY].given ? (double)v[LINK_ONLY].choice + 1 : NAN },
	};
	return act(c, &v[LINK_MESH], &v[LINK_TIMEOUT], what, ID_LINK, args, 2, done);
}

static int
run_cut(struct verb_call *c)
{
	const struct opt_value *only = &c->v[LINK_ONLY];
	int status = act_on_link(c, "cut", only->given && only->choice == 1 ? "silent" : "open");
	if (!status)
		verb_next(c, "Next: voltloom heal %s | voltloom top", c->v[LINK_ID].text);
	return status;
}

static int
run_heal(struct verb_call *c)
{
	int status = act_on_link(c, "heal", "healing");
	if (!status)
		verb_next(c, "Next: voltloom events --since 1s | voltloom top");
	return status;
}

const struct verb verb_cut = {
	"cut",
	GROUP_BREAK,
	"open the contactors of a link, and silence its channel",
	"voltloom cut n1-n2\n"
	"voltloom cut n1-n2 --only channel   # power flows on, the control is deaf\n",
	NULL,
	LIST(link_opts),
	run_cut,
};
const struct verb verb_heal = {
	"heal",
	GROUP_BREAK,
	"close a link that was cut, through its pre-charge resistor",
	"voltloom heal n1-n2\n",
	NULL,
	LIST(link_opts),
	run_heal,
};

enum { DEGRADE_ID, DEGRADE_LOSS, DEGRADE_DELAY, DEGRADE_JITTER, DEGRADE_TIMEOUT, DEGRADE_MESH };
static const struct opt degrade_opts[] = {
	[DEGRADE_ID] = { "LINK", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "LINK",
	                 "a link", UNIT_NONE },
	[DEGRADE_LOSS] = { "loss", 'l', OPT_VALUE, 0, "5%", "share of frames that are lost",
	                   UNIT_PERCENT },
	[DEGRADE_DELAY] = { "delay", 'd', OPT_TIME, 0, "2ms", "delay, up to 50ms", UNIT_NONE },
	[DEGRADE_JITTER] = { "jitter", 'j', OPT_TIME, 0, "500us", "further delay up to this",
	                     UNIT_NONE },
	[DEGRADE_TIMEOUT] = OPT_ROW_TIMEOUT,
	[DEGRADE_MESH] = OPT_ROW_MESH,
};

static int
run_degrade(struct verb_call *c)
{
	const struct opt_value *v = c->v, *delay = &v[DEGRADE_DELAY], *jitter = &v[DEGRADE_JITTER];
	const struct client_arg args[] = {
		{ "target", v[DEGRADE_ID].text, 0 },
		{ "loss", NULL, v[DEGRADE_LOSS].given ? v[DEGRADE_LOSS].real : NAN },
		{ "delay_s", NULL, delay->given ? (double)delay->ns * 1e-9 : NAN },
		{ "jitter_s", NULL, jitter->given ? (double)jitter->ns * 1e-9 : NAN },
	};
	bool any = v[DEGRADE_LOSS].given || delay->given || jitter->given;
	int status = act(c, &v[DEGRADE_MESH], &v[DEGRADE_TIMEOUT], "degrade", ID_LINK, args, 4,
	                 any ? "channel changed" : "channel as in the topology");
	if (!status)
		verb_next(c, "Next: voltloom events --since 1s | voltloom degrade %s",
		          v[DEGRADE_ID].text);
	return status;
}

const struct verb verb_degrade = {
	"degrade",
	GROUP_BREAK,
	"make the channel of a link worse",
	"voltloom degrade l3 --loss 5% --delay 2ms\n"
	"voltloom degrade l3                        # as in the topology again\n",
	"What is not named stays as it is. The channel carries the frames of the control, not the "
	"power\n"
	"(docs/models/channel.md). Drills know more: voltloom drill --actions.",
	LIST(degrade_opts),
	run_degrade,
};

enum { CLOSE_ID, CLOSE_PRECHARGE, CLOSE_BYPASS, CLOSE_TIMEOUT, CLOSE_MESH };
static const struct opt close_opts[] = {
	[CLOSE_ID] = { "LINK", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "LINK",
	               "a link that is open", UNIT_NONE },
	[CLOSE_PRECHARGE] = { "precharge", 0, OPT_VALUE, 0, "0.5Ohm", "pre-charge resistor",
	                      UNIT_OHM },
	[CLOSE_BYPASS] = { "bypass", 0, OPT_TIME, 0, "400ms",
	                   "bypass the resistor this long after closing", UNIT_NONE },
	[CLOSE_TIMEOUT] = OPT_ROW_TIMEOUT,
	[CLOSE_MESH] = OPT_ROW_MESH,
};

static int
run_close(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	const struct client_arg args[] = {
		{ "target", v[CLOSE_ID].text, 0 },
		{ "precharge_ohm", NULL, v[CLOSE_PRECHARGE].given ? v[CLOSE_PRECHARGE].real : NAN },
		{ "bypass_s", NULL,
		  v[CLOSE_BYPASS].given ? (double)v[CLOSE_BYPASS].ns * 1e-9 : NAN },
	};
	if (v[CLOSE_PRECHARGE].given && !(v[CLOSE_PRECHARGE].real > 0))
		return verb_usage(c, NULL, "--precharge: %s is not a positive resistance",
		                  v[CLOSE_PRECHARGE].text);
	int status =
		act(c, &v[CLOSE_MESH], &v[CLOSE_TIMEOUT], "close", ID_LINK, args, 3, "closing");
	if (!status)
		verb_next(c, "Next: voltloom cut %s | voltloom events --since 1s",
		          v[CLOSE_ID].text);
	return status;
}

const struct verb verb_close = {
	"close",
	GROUP_BREAK,
	"close a link that is open",
	"voltloom close l3\n"
	"voltloom close l3 --precharge 0.5Ohm --bypass 400ms\n",
	"Without options pre-charge and bypass follow the rule of the model (docs/models).",
	LIST(close_opts),
	run_close,
};

/* ---- load, short ------------------------------------------------------------------------ */

enum { LOAD_ID, LOAD_LEVEL, LOAD_RAMP, LOAD_TIMEOUT, LOAD_MESH };
static const struct opt load_opts[] = {
	[LOAD_ID] = { "NODE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "NODE", "a node",
	              UNIT_NONE },
	[LOAD_LEVEL] = { "LEVEL", 0, OPT_VALUE, OPT_POSITIONAL | OPT_REQUIRED, "1kW",
	                 "power of its built-in load, like 1kW", UNIT_WATT },
	[LOAD_RAMP] = { "ramp", 'r', OPT_TIME, 0, "10ms",
	                "take this long to get there (default 1ms)", UNIT_NONE },
	[LOAD_TIMEOUT] = OPT_ROW_TIMEOUT,
	[LOAD_MESH] = OPT_ROW_MESH,
};

static int
run_load(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	const struct client_arg args[] = {
		{ "target", v[LOAD_ID].text, 0 },
		{ "level_w", NULL, v[LOAD_LEVEL].real },
		{ "ramp_s", NULL, v[LOAD_RAMP].given ? (double)v[LOAD_RAMP].ns * 1e-9 : NAN },
	};
	if (!(v[LOAD_LEVEL].real >= 0))
		return verb_usage(c, NULL, "LEVEL: %s is negative", v[LOAD_LEVEL].text);
	int status =
		act(c, &v[LOAD_MESH], &v[LOAD_TIMEOUT], "load", ID_NODE, args, 3, "load changed");
	if (!status)
		verb_next(c, "Next: voltloom top | voltloom events --since 10s");
	return status;
}

const struct verb verb_load = {
	"load",
	GROUP_BREAK,
	"change the built-in load of a node",
	"voltloom load n4 1kW\n"
	"voltloom load n4 250W --ramp 100ms\n",
	NULL,
	LIST(load_opts),
	run_load,
};

enum { SHORT_ID, SHORT_R, SHORT_FOR, SHORT_TIMEOUT, SHORT_MESH };
static const struct opt short_opts[] = {
	[SHORT_ID] = { "NODE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "NODE",
	               "a node", UNIT_NONE },
	[SHORT_R] = { "r", 'r', OPT_VALUE, OPT_REQUIRED, "200mOhm", "resistance of the short",
	              UNIT_OHM },
	[SHORT_FOR] = { "for", 'f', OPT_TIME, OPT_REQUIRED, "5ms", "how long it lasts", UNIT_NONE },
	[SHORT_TIMEOUT] = OPT_ROW_TIMEOUT,
	[SHORT_MESH] = OPT_ROW_MESH,
};

static int
run_short(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	const struct client_arg args[] = {
		{ "target", v[SHORT_ID].text, 0 },
		{ "r_ohm", NULL, v[SHORT_R].real },
		{ "for_s", NULL, (double)v[SHORT_FOR].ns * 1e-9 },
	};
	if (!(v[SHORT_R].real > 0))
		return verb_usage(c, NULL, "--r: %s is not a positive resistance", v[SHORT_R].text);
	int status =
		act(c, &v[SHORT_MESH], &v[SHORT_TIMEOUT], "short", ID_NODE, args, 3, "bus shorted");
	if (!status)
		verb_next(c, "Next: voltloom events --since 1s | voltloom top");
	return status;
}

const struct verb verb_short = {
	"short",
	GROUP_BREAK,
	"short the bus of a node for a while",
	"voltloom short n2 --r 200mOhm --for 5ms\n",
	NULL,
	LIST(short_opts),
	run_short,
};
