/*
 * bare_solver - what the physics and the control of a mesh cost, without hosts, engines, channels
 * with a life, or processes: the loop of tests/support/solver_loop.h against the clock.
 *
 *   bare_solver [--seconds S] [--frames] [--record DIR] TOPOLOGY
 *   --frames      also make the frame of each step
 *   --record DIR  also write it to flight recorders in DIR
 *
 * Prints one line:
 *   procs P nodes N steps K seconds S steps_per_s X cpu_us_per_step Y
 * where Y is CPU time over processes and steps.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "diag.h"
#include "rec.h"
#include "slice.h"
#include "solver_loop.h"

enum { LOOK_EVERY = 64 /* steps, at the clock */ };

struct bench {
	struct topo *topo;
	struct solver_loop *loop;
	uint32_t n;
	bool frames;
	const char *rec_dir;
	double seconds;
	struct rec **recs;
	size_t *n_fields;
};

static _Noreturn void
die(const struct err *err)
{
	fprintf(stderr, "bare_solver: %s\n", err->text);
	exit(err_exit_status(err->code));
}

static double
clock_s(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* The layout of frames is the core's to tell, so one is made for the question. */
static void
record_open(struct bench *b, uint32_t i)
{
	struct err err = ERR_INIT;
	struct slice *s;
	void *core;

	if (slice_from_topo(b->topo, i, &s, &err) < 0)
		die(&err);
	const struct core_ops *ops = s->kind == PROC_NODE ? &node_core_ops : &module_core_ops;
	if (ops->create(s, &core, &err) < 0)
		die(&err);
	struct rec_head head = { .incarnation = 1,
		                 .substeps = s->substeps,
		                 .port_period = s->port_period,
		                 .step_ns = s->step_ns,
		                 .seed = s->seed };
	snprintf(head.kind, sizeof head.kind, "%s", ops->kind);
	memcpy(head.id, s->id, sizeof head.id);
	memcpy(head.mesh, s->mesh, sizeof head.mesh);
	memcpy(head.topo_hash, s->topo_hash, sizeof head.topo_hash);
	const struct rec_field *fields = ops->fields(core, &b->n_fields[i]);
	if (rec_create(b->rec_dir, &head, fields, b->n_fields[i], 0, &b->recs[i], &err) < 0)
		die(&err);
	ops->destroy(&core);
	slice_destroy(&s);
}

static void
frame(struct bench *b, uint32_t i)
{
	struct err err = ERR_INIT;

	if (b->rec_dir) {
		memcpy(rec_next(b->recs[i]), solver_loop_frame(b->loop, i),
		       b->n_fields[i] * sizeof(union rec_word));
		if (rec_commit(b->recs[i], &err) < 0)
			die(&err);
	} else if (b->frames) {
		solver_loop_frame(b->loop, i);
	}
}

static void
bench_open(struct bench *b, const char *path)
{
	struct diag_list diags;
	struct err err = ERR_INIT;

	diag_list_init(&diags);
	if (topo_load(path, &diags, &b->topo, &err) < 0) {
		diag_print(&diags, stderr, DIAG_TEXT);
		die(&err);
	}
	diag_list_free(&diags);
	b->n = (uint32_t)(b->topo->n_nodes + b->topo->n_modules);
	if (solver_loop_create(b->topo, &node_core_ops, &module_core_ops, &b->loop, &err) < 0)
		die(&err);
	b->recs = calloc(b->n, sizeof *b->recs);
	b->n_fields = calloc(b->n, sizeof *b->n_fields);
	if (!b->recs || !b->n_fields) {
		err_set(&err, ERR_NOMEM, "out of memory");
		die(&err);
	}
	for (uint32_t i = 0; i < b->n && b->rec_dir; i++)
		record_open(b, i);
}

static void
bench_close(struct bench *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		rec_destroy(&b->recs[i]);
	free(b->recs);
	free(b->n_fields);
	solver_loop_destroy(&b->loop);
	topo_destroy(&b->topo);
}

static void
bench_run(struct bench *b)
{
	double wall0 = clock_s(CLOCK_MONOTONIC), cpu0 = clock_s(CLOCK_PROCESS_CPUTIME_ID), wall;

	do {
		for (int s = 0; s < LOOK_EVERY; s++) {
			solver_loop_step(b->loop);
			for (uint32_t i = 0; i < b->n; i++)
				frame(b, i);
		}
		wall = clock_s(CLOCK_MONOTONIC) - wall0;
	} while (wall < b->seconds);
	double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
	double steps = (double)solver_loop_k(b->loop);

	printf("procs %u nodes %zu steps %.0f seconds %.4f steps_per_s %.1f cpu_us_per_step %.3f\n",
	       b->n, b->topo->n_nodes, steps, wall, steps / wall, 1e6 * cpu / steps / b->n);
}

int
main(int argc, char **argv)
{
	struct bench b = { .seconds = 2 };
	const char *path = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			b.seconds = atof(argv[++i]);
		else if (!strcmp(argv[i], "--frames"))
			b.frames = true;
		else if (!strcmp(argv[i], "--record") && i + 1 < argc)
			b.rec_dir = argv[++i];
		else
			path = argv[i];
	}
	if (!path || !(b.seconds > 0)) {
		fputs("usage: bare_solver [--seconds S] [--frames] [--record DIR] TOPOLOGY\n",
		      stderr);
		return 64;
	}
	bench_open(&b, path);
	bench_run(&b);
	bench_close(&b);
	return 0;
}
