/* do: any action of a drill that is a command, by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "by_hand.h"
#include "verb.h"

enum { DO_ACTION, DO_TARGET, DO_FOR, DO_END, DO_TIMEOUT, DO_MESH, DO_WITH };
static const struct opt do_opts[] = {
	[DO_ACTION] = { "ACTION", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED, "ACTION",
	                "an action, see voltloom drill --actions", UNIT_NONE },
	[DO_TARGET] = { "TARGET", 0, OPT_TEXT, OPT_POSITIONAL | OPT_REQUIRED | OPT_ID, "TARGET",
	                "a node, module or link", UNIT_NONE },
	[DO_FOR] = { "for", 'f', OPT_TIME, 0, "5ms", "how long it lasts (short)", UNIT_NONE },
	[DO_END] = { "end", 'e', OPT_FLAG, 0, NULL, "end what was begun before", UNIT_NONE },
	[DO_TIMEOUT] = OPT_ROW_TIMEOUT,
	[DO_MESH] = OPT_ROW_MESH,
	[DO_WITH] = { "KEY=VALUE", 0, OPT_TEXT, OPT_POSITIONAL | OPT_MANY, "KEY=VALUE",
	              "parameters of the action", UNIT_NONE },
};

enum { WITH_MAX = 200 }; /* a request has room for 256 */

/* "a=1W b=2s" as "{ a: 1W, b: 2s }"; false: a word is none of that kind, or there are too many. */
static bool
with_text(struct verb_call *c, char text[WITH_MAX], int *status)
{
	const struct opt_value *v = &c->v[DO_WITH];
	size_t n = 0;
	text[0] = '\0';
	for (size_t i = 0; v->given && i < v->n; i++) {
		const char *eq = strchr(v->words[i], '=');
		if (!eq || eq == v->words[i] || !eq[1]) {
			*status = verb_usage(c, NULL, "'%s': KEY=VALUE is wanted, like power=400W",
			                     v->words[i]);
			return false;
		}
		int len = snprintf(text + n, WITH_MAX - n, "%s%.*s: %s", n ? ", " : "{ ",
		                   (int)(eq - v->words[i]), v->words[i], eq + 1);
		if (len < 0 || n + (size_t)len + 3 > WITH_MAX) {
			*status = verb_usage(c, NULL, "the parameters are too long");
			return false;
		}
		n += (size_t)len;
	}
	if (n)
		memcpy(text + n, " }", 3);
	return true;
}

static int
run_do(struct verb_call *c)
{
	const struct opt_value *v = c->v;
	const char *target = v[DO_TARGET].text, *action = v[DO_ACTION].text;
	char with[WITH_MAX];
	int status;
	if (!with_text(c, with, &status))
		return status;
	const struct client_arg args[] = {
		{ "target", target, 0 },
		{ "action", action, 0 },
		{ "with", with, 0 },
		{ "for_s", NULL, v[DO_FOR].given ? (double)v[DO_FOR].ns * 1e-9 : NAN },
		{ "end", NULL, v[DO_END].given ? 1 : NAN },
	};
	struct verb_mesh m;
	struct client_reply r;
	if (!verb_mesh_open(c, &v[DO_MESH], &m, &status))
		return status;
	status = verb_check_id(c, m.topo, target, ID_NODE | ID_MODULE | ID_LINK);
	if (!status && verb_mesh_ask(c, &m, "do", args, sizeof args / sizeof *args,
	                             verb_timeout_s(&v[DO_TIMEOUT]), &r, &status)) {
		term_say(c->talk, TERM_PLAIN, "%s: %s%s at step %lld\n", target,
		         v[DO_END].given ? "end of " : "", action,
		         (long long)client_reply_int(&r, "step", -1));
		client_reply_free(&r);
		verb_next(c, "Next: voltloom events --since 1s | voltloom top");
	}
	verb_mesh_close(&m);
	return status;
}

const struct verb verb_do = {
	"do",
	GROUP_BREAK,
	"do what a drill can do: faults, loads, plugs",
	"voltloom do hang m5                        # its firmware\n"
	"voltloom do hang m5 --end                  # reset by hand\n"
	"voltloom do surge m4 power=400W ramp=10ms\n"
	"voltloom do bias n3 v=0.5V\n"
	"voltloom do flood l3 rate=50Mbit toward=n4\n"
	"voltloom do unplug m8\n",
	"Actions and their parameters are those of drill files (voltloom drill --actions; docs/drills.md).\n"
	"kill, stop, cont and start have verbs of their own. What lasts until it is ended is ended with\n"
	"--end. `voltloom drill --from latest` then writes all of it down as a drill.",
	do_opts,
	sizeof do_opts / sizeof *do_opts,
	run_do,
};
