/*
 * Silence on a simulated clock: a line n1 - n2 - n3 of which n3 stops answering. n2 is blocked and
 * says so; it accuses n3, and nobody accuses n2. Processes here are engines of proc.h with queues
 * between.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "tests/sim/empty_core.h"
#include "tests/sim/mesh.h"

enum { N = 3, QUEUE_MAX = 64 };
#define MS INT64_C(1000000)
#define TICK_NS (20 * MS)
#define STALL_NS (250 * MS)

struct mailbox {
	size_t n;
	struct {
		uint32_t from;
		struct link_msg m;
	} q[QUEUE_MAX];
};

struct node {
	struct proc *p;
	struct slice *s;
	struct mailbox box;
	size_t n_accused, n_waits, n_ready;
	uint32_t accused[8];
	bool silent; /* gone: what it is sent is lost */
	bool late;   /* does nothing for now */
};

static struct topo *topo;
static struct node nodes[N];
static int64_t now;

static void
io_nothing(void *arg, size_t chan, uint32_t inc)
{
	(void)arg, (void)chan, (void)inc;
}

static void
io_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct node *self = arg;
	struct node *to = &nodes[self->s->chans[chan].peer];
	(void)inc;
	self->n_waits += m->type == LM_WAIT;
	if (to->silent)
		return;
	ck_assert_uint_lt(to->box.n, QUEUE_MAX);
	to->box.q[to->box.n].from = self->s->index;
	to->box.q[to->box.n++].m = *m;
}

static void
io_report(void *arg, const struct sup_msg *m)
{
	struct node *self = arg;
	if (m->type == SM_ACCUSE && self->n_accused < 8)
		self->accused[self->n_accused++] = m->proc;
	self->n_ready += m->type == SM_READY;
}

static size_t
chan_to(const struct node *n, uint32_t peer)
{
	for (size_t c = 0; c < n->s->n_chans; c++)
		if (n->s->chans[c].peer == peer)
			return c;
	ck_abort_msg("no channel");
	return 0;
}

static void
work(struct node *n, int64_t steps)
{
	if (n->silent || n->late)
		return;
	struct err err = ERR_INIT;
	for (size_t i = 0; i < n->box.n; i++)
		proc_receive(n->p, chan_to(n, n->box.q[i].from), 1, &n->box.q[i].m);
	n->box.n = 0;
	ck_assert_int_ne((int)proc_run(n->p, steps, &err), (int)PROC_FAILED);
}

/* One tick of the clock for all. */
static void
tick(void)
{
	now += TICK_NS;
	for (int round = 0; round < 4; round++)
		for (int i = 0; i < N; i++)
			work(&nodes[i], 2);
	for (int i = 0; i < N; i++)
		if (!nodes[i].silent)
			proc_tick(nodes[i].p, now, STALL_NS);
}

static void
setup(void)
{
	topo = mesh_line(N, 1);
	now = 5;
	memset(nodes, 0, sizeof nodes);
	empty_core_reset();
	for (uint32_t i = 0; i < N; i++) {
		struct node *n = &nodes[i];
		struct proc_io io = { .arg = n,
			              .socket = io_nothing,
			              .close = io_nothing,
			              .send = io_send,
			              .report = io_report };
		ck_assert_int_eq(slice_from_topo(topo, i, &n->s, NULL), 0);
		n->s->start_k = 0;
		for (size_t c = 0; c < n->s->n_chans; c++)
			n->s->chans[c].peer_inc = 1;
		ck_assert_int_eq(proc_create(n->s, &empty_node_ops, &io, NULL, 0, &n->p, NULL), 0);
	}
	for (int i = 0; i < N; i++)
		proc_open(nodes[i].p);
	for (int i = 0; i < 5; i++)
		tick();
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(nodes[i].n_ready, 1);
		proc_supervisor(nodes[i].p, &(struct sup_msg){ .type = SM_START });
	}
}

static void
teardown(void)
{
	for (int i = 0; i < N; i++) {
		proc_destroy(&nodes[i].p);
		slice_destroy(&nodes[i].s);
	}
	mesh_free(topo);
	ck_assert_uint_eq(empty_core_violations(NULL), 0);
}

static void
ticks(int64_t ns)
{
	for (int64_t end = now + ns; now < end;)
		tick();
}

START_TEST(test_nobody)
{
	ticks(4 * STALL_NS);
	ck_assert_int_gt(proc_k(nodes[0].p), 100);
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(nodes[i].n_accused, 0);
		ck_assert_uint_eq(nodes[i].n_waits, 0);
	}
}
END_TEST

START_TEST(test_far_end_is_silent)
{
	ticks(STALL_NS);
	nodes[2].silent = true;
	ticks(STALL_NS / 5);
	ck_assert_uint_eq(nodes[0].n_waits + nodes[1].n_waits, 0);
	ticks(STALL_NS * 4 / 5 - 2 * TICK_NS);
	ck_assert_uint_eq(nodes[1].n_accused, 0); /* not before the stall is over */
	ticks(4 * STALL_NS);
	/* About one WAIT per fifth of a stall, to n1 only; n1 has nobody else to tell. */
	ck_assert_uint_ge(nodes[1].n_waits, 15);
	ck_assert_uint_le(nodes[1].n_waits, 26);
	ck_assert_uint_eq(nodes[0].n_waits, 0);
	ck_assert_uint_eq(nodes[0].n_accused, 0);
	ck_assert_uint_ge(nodes[1].n_accused, 1);
	ck_assert_uint_le(nodes[1].n_accused, 5); /* at most once per stall */
	for (size_t i = 0; i < nodes[1].n_accused; i++)
		ck_assert_uint_eq(nodes[1].accused[i], 2);
	/* It is killed for that; the rest goes on. */
	size_t accused = nodes[1].n_accused;
	proc_disconnected(nodes[1].p, chan_to(&nodes[1], 2), 1);
	int64_t k = proc_k(nodes[0].p);
	ticks(4 * STALL_NS);
	ck_assert_int_gt(proc_k(nodes[0].p), k + 100);
	ck_assert_uint_eq(nodes[1].n_accused, accused);
}
END_TEST

START_TEST(test_middle_is_silent)
{
	ticks(STALL_NS);
	nodes[1].silent = true;
	ticks(2 * STALL_NS);
	for (int i = 0; i < N; i += 2) {
		ck_assert_uint_ge(nodes[i].n_accused, 1);
		ck_assert_uint_eq(nodes[i].accused[0], 1);
	}
}
END_TEST

/* Held or paused, time does not count against anyone; who is held says so. */
START_TEST(test_held_and_paused)
{
	ticks(STALL_NS);
	for (int i = 0; i < N; i++)
		proc_supervisor(nodes[i].p, &(struct sup_msg){ .type = SM_HOLD, .cmd = 1 });
	ticks(4 * STALL_NS);
	int64_t s = 0;
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(nodes[i].n_accused, 0);
		ck_assert_uint_ge(nodes[i].n_waits, 10);
		s = proc_k(nodes[i].p) >= s ? proc_k(nodes[i].p) + 1 : s;
	}
	for (int i = 0; i < N; i++)
		proc_supervisor(
			nodes[i].p,
			&(struct sup_msg){
				.type = SM_AGREE, .act = ACT_PAUSE, .cmd = 1, .k = s, .edge = -1 });
	ticks(4 * STALL_NS);
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(nodes[i].n_accused, 0);
		ck_assert_int_eq(proc_k(nodes[i].p), s);
		ck_assert(proc_paused(nodes[i].p));
	}
}
END_TEST

/* One neighbour is held for long, the other is blocked on it: its WAITs keep it from being accused.
 */
START_TEST(test_held_neighbour)
{
	ticks(STALL_NS);
	proc_supervisor(nodes[2].p, &(struct sup_msg){ .type = SM_HOLD, .cmd = 1 });
	ticks(6 * STALL_NS);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(nodes[i].n_accused, 0);
}
END_TEST

/* The host freezes while somebody is late: what came meanwhile has not been looked at yet. */
START_TEST(test_frozen_host)
{
	ticks(STALL_NS);
	nodes[2].late = true;
	ticks(STALL_NS / 2);
	now += 3 * STALL_NS;
	for (int i = 0; i < N; i++)
		proc_tick(nodes[i].p, now, STALL_NS);
	nodes[2].late = false;
	int64_t k = proc_k(nodes[0].p);
	ticks(4 * STALL_NS);
	ck_assert_int_gt(proc_k(nodes[0].p), k + 100);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(nodes[i].n_accused, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stall");
	TCase *t = tcase_create("stall");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_nobody);
	tcase_add_test(t, test_far_end_is_silent);
	tcase_add_test(t, test_middle_is_silent);
	tcase_add_test(t, test_held_and_paused);
	tcase_add_test(t, test_held_neighbour);
	tcase_add_test(t, test_frozen_host);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
