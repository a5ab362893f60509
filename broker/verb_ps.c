/* ps: which meshes run, and the processes of one. */
#include <stdio.h>
#include <string.h>

#include "json_out.h"
#include "status.h"
#include "verb.h"

#define PS_TIMEOUT_S 2.0 /* a mesh that does not answer is shown without its processes */

enum { PS_ALL, PS_JSON, PS_MESH };
static const struct opt ps_opts[] = {
	[PS_ALL] = { "meshes", 'a', OPT_FLAG, 0, NULL, "only the meshes, without their processes",
	             UNIT_NONE },
	[PS_JSON] = OPT_ROW_JSON,
	[PS_MESH] = OPT_ROW_MESH,
};

static struct status *
ask(const struct mesh_entry *e, char *why, size_t size)
{
	struct client *client = NULL;
	struct status *s = NULL;
	struct err err = ERR_INIT;
	if (client_open(e->sock_dir, &e->supervisor, &client, &err) ||
	    status_ask(client, PS_TIMEOUT_S, &s, &err))
		snprintf(why, size, "%.*s", (int)size - 1, err.text);
	client_close(&client);
	return s;
}

static void
print_json(const struct mesh_entry *e, const struct status *s, bool procs)
{
	struct json_out j;
	json_out_init(&j, stdout);
	json_out_object(&j, NULL);
	json_out_text(&j, "mesh", e->name);
	json_out_int(&j, "pid", e->supervisor.pid);
	json_out_text(&j, "run_dir", e->run_dir);
	json_out_text(&j, "sock_dir", e->sock_dir);
	json_out_text(&j, "topology", e->topology);
	json_out_text(&j, "state", s ? s->state : NULL);
	if (s) {
		json_out_int(&j, "seed", (int64_t)s->seed);
		json_out_int(&j, "k", s->k);
		json_out_int(&j, "t_ns", s->t_ns);
		json_out_real(&j, "speed", s->speed);
		json_out_real(&j, "asked", s->asked);
		json_out_real(&j, "pace", s->pace);
		json_out_int(&j, "overruns", (int64_t)s->overruns);
	}
	if (s && procs) {
		json_out_array(&j, "processes");
		for (size_t i = 0; i < s->n; i++) {
			const struct status_proc *p = &s->procs[i];
			json_out_object(&j, NULL);
			json_out_text(&j, "id", p->id);
			json_out_text(&j, "kind", p->kind);
			json_out_int(&j, "pid", p->pid);
			json_out_int(&j, "incarnation", p->incarnation);
			json_out_text(&j, "state", p->state);
			json_out_int(&j, "k", p->k);
			json_out_text(&j, "exit", p->exit);
			json_out_end(&j);
		}
		json_out_end(&j);
	}
	json_out_end(&j);
}

static void
print_text(const struct mesh_entry *e, const struct status *s, const char *why, bool procs)
{
	const char *dir = strrchr(e->sock_dir, '/') + 1;
	if (!s) {
		printf("%s (%s)  pid %ld  does not answer: %s\n", e->name, dir,
		       (long)e->supervisor.pid, why);
		return;
	}
	char speed[64];
	int n = snprintf(speed, sizeof speed, s->speed > 0 ? "x%g" : "max", s->speed);
	if (s->asked > s->speed && s->speed > 0)
		n += snprintf(speed + n, sizeof speed - (size_t)n, " of x%g", s->asked);
	if (s->pace > 0)
		snprintf(speed + n, sizeof speed - (size_t)n, " (reaches x%.2g)", s->pace);
	printf("%s (%s)  %s  t %.3f s  speed %s  seed %llu  pid %ld  %s\n", e->name, dir, s->state,
	       (double)s->t_ns * 1e-9, speed, (unsigned long long)s->seed, (long)e->supervisor.pid,
	       e->run_dir);
	if (!procs)
		return;
	printf("  %-16s %-8s %8s %4s %-8s %12s  %s\n", "ID", "KIND", "PID", "INC", "STATE", "STEP",
	       "EXIT");
	for (size_t i = 0; i < s->n; i++) {
		const struct status_proc *p = &s->procs[i];
		printf("  %-16s %-8s %8ld %4u %-8s %12lld  %s\n", p->id, p->kind, (long)p->pid,
		       p->incarnation, p->state, (long long)p->k, p->exit);
	}
}

static int
run_ps(struct verb_call *c)
{
	struct mesh_list list;
	const struct mesh_entry *only = NULL;
	struct err err = ERR_INIT;
	char help[256] = "";
	size_t shown = 0;
	if (mesh_list_scan(&list, &err))
		return verb_fail(c, &err, NULL);
	if (c->v[PS_MESH].given && mesh_list_select(&list, c->v[PS_MESH].text, &only, help, &err)) {
		mesh_list_free(&list);
		return verb_fail(c, &err, help);
	}
	for (size_t i = 0; i < list.n; i++) {
		const struct mesh_entry *e = &list.m[i];
		if (!e->alive || (only && e != only))
			continue;
		char why[256] = "";
		struct status *s = ask(e, why, sizeof why);
		if (c->v[PS_JSON].given)
			print_json(e, s, !c->v[PS_ALL].given);
		else
			print_text(e, s, why, !c->v[PS_ALL].given);
		status_destroy(&s);
		shown++;
	}
	if (shown == 0)
		verb_next(c, "no mesh is running; start one: voltloom up --demo");
	else
		verb_next(c, "Next: voltloom top | voltloom logs ID | voltloom down");
	mesh_list_free(&list);
	return EXIT_OK;
}

const struct verb verb_ps = {
	"ps",
	GROUP_LOOK,
	"list the meshes that run, and their processes",
	"voltloom ps\n"
	"voltloom ps --json | jq .processes[].pid\n"
	"voltloom ps --meshes\n",
	NULL,
	ps_opts,
	sizeof ps_opts / sizeof *ps_opts,
	run_ps,
};
