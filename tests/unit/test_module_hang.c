/*
 * A module whose firmware hangs: what it draws by its equations, that it holds its rail, obeys nobody,
 * counts as not served, and comes back by watchdog or by hand; and that its node sheds the next one.
 */
#include "common/core.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "loadmods/module_class.h"
#include "nodes/node_protect.h"
#include "slice.h"
#include "tests/support/small_mesh.h"
#include "tests/support/solver_loop.h"

#define STEP_S 1e-4

static struct small_mesh m;
static struct solver_loop *loop;
static struct core_ops node_ops;
static double v_ref_v;     /* what the owner asks for */
static uint32_t order;     /* and orders */

static void
offer(const void *core, int64_t k, size_t chan, struct core_msg *out)
{
	node_core_ops.offer(core, k, chan, out);
	if (!(out->offer.flags & OFFER_OWNER))
		return;
	out->offer.v_ref_v = v_ref_v;
	out->offer.flags |= order;
}

/* Two nodes with a feed each, a module of class cpu on both: process 2. */
static void
begin(int64_t watchdog_ns)
{
	struct err err = ERR_INIT;

	v_ref_v = NAN;
	order = 0;
	node_ops = node_core_ops;
	node_ops.offer = offer;
	small_mesh_init(&m, 2);
	small_mesh_link(&m, 0, 1);
	small_mesh_feed(&m, 0, 20);
	small_mesh_feed(&m, 1, 20);
	uint32_t i = small_mesh_module(&m, 0, 0, 1);
	m.modules[i].p.class = MODULE_CPU;
	m.modules[i].p.n_turns = 4;
	m.modules[i].p.v_ref_v = NAN;
	m.modules[i].p.mcu =
		(struct mcu_params){ .watchdog_ns = watchdog_ns, .boot_ns = 20000000 };
	ck_assert_int_eq(solver_loop_create(&m.topo, &node_ops, &module_core_ops, &loop, &err), 0);
}

static double
get(const char *name)
{
	return solver_loop_get(loop, 2, name);
}

static void
tell(int64_t k, uint32_t kind)
{
	const struct core_cmd cmd = { .kind = kind, .chan = -1, .a = NAN, .b = NAN, .c = NAN };

	solver_loop_command(loop, 2, k, cmd);
}

/* Steps to `until`; the step of the last event of that kind, -1: none; `a` of it. */
static int64_t
run(int64_t until, uint32_t code, double *a)
{
	int64_t at = -1;

	while (solver_loop_k(loop) < until) {
		int64_t k = solver_loop_k(loop);
		solver_loop_step(loop);
		const struct core_events *ev = solver_loop_events(loop, 2);
		for (size_t i = 0; i < ev->n; i++) {
			if (ev->e[i].code != code)
				continue;
			ck_assert_int_eq(at, -1);
			ck_assert_int_eq(ev->e[i].k, k);
			at = k;
			*a = ev->e[i].a;
		}
	}
	return at;
}

START_TEST(test_hang_and_reset_by_hand)
{
	double a = NAN;

	begin(0);
	run(2000, 0, &a);
	double demand_w = get("demand"), before_w = get("p"), temp_c = get("temp");
	ck_assert(get("served") == 1 && get("throughput") > 0.9 && get("unserved_j") == 0);
	tell(2000, CMD_HANG);
	ck_assert_int_eq(run(2001, EV_HANG, &a), 2000);
	ck_assert(get("served") == 0 && get("throughput") == 0);
	tell(6000, CMD_UNHANG);
	ck_assert_int_eq(run(6000, EV_UNSERVED, &a), -1); /* it was in step 2000 */
	/* The rail holds: a step of the duty, and the load line's 0.1 mOhm that is not there. */
	ck_assert_double_eq_tol(get("v"), 1, 48.0 / 4 / 4096 + 0.1e-3 * 140);
	/* Pdyn = act Ceff V^2 f with the activity of idle, 0.12 of 105 W; the rest is leakage (at most its
	 * value before, it cools), 6 W (0.3 + 0.7 act) and the losses of the converter. */
	double i = get("i"), ve = get("v") - 1.5e-4 * i, leak_w = 20 * exp(2.5 * (ve - 1)) * ve *
	                                                          exp(0.02 * (get("temp") - 60));
	double want_w = 0.12 * 3e-8 * ve * ve * 3.5e9 + leak_w + 6 * (0.3 + 0.7 * 0.12);
	double loss_w = 0.8 + 0.03 * i + 1e-4 * i * i;
	ck_assert_double_eq_tol(get("p"), want_w + loss_w, 0.01 * want_w);
	ck_assert_double_lt(get("p"), 0.5 * before_w);
	ck_assert_double_lt(get("temp"), temp_c + 10);
	ck_assert_int_eq(run(6001, EV_WATCHDOG, &a), 6000);
	ck_assert_double_eq(a, 0);
	ck_assert_int_eq(run(6201, EV_MCU_UP, &a), 6200);
	ck_assert(get("served") == 1);
	/* All that it would have taken for 4200 steps, with the smaller drop of a smaller current. */
	ck_assert_double_ge(get("unserved_j"), demand_w * 4200 * STEP_S);
	ck_assert_double_le(get("unserved_j"), 1.05 * demand_w * 4200 * STEP_S);
	run(6400, 0, &a);
	ck_assert_double_eq_tol(get("p"), before_w, 0.03 * before_w);
	ck_assert_double_gt(get("throughput"), 0.9);
	solver_loop_destroy(&loop);
}
END_TEST

START_TEST(test_unserved_is_an_event)
{
	double a = NAN;

	begin(50000000);
	tell(1000, CMD_HANG);
	ck_assert_int_eq(run(1500, EV_UNSERVED, &a), 1000);
	ck_assert_double_eq(a, 1);
	ck_assert_int_eq(run(1600, EV_WATCHDOG, &a), 1500); /* 50 ms after */
	ck_assert_double_eq(a, 1);
	ck_assert_int_eq(run(2000, EV_UNSERVED, &a), 1700); /* and 20 ms of boot */
	ck_assert_double_eq(a, 0);
	solver_loop_destroy(&loop);
}
END_TEST

/* Reference and orders of the owner count again when it has booted; the reset takes the reference to
 * nominal, which its owner corrects with its next offer. */
START_TEST(test_obeys_nobody)
{
	double a;

	begin(0);
	v_ref_v = 0.9;
	run(1000, 0, &a);
	ck_assert_double_eq_tol(get("v"), 0.9, 48.0 / 4 / 4096 + 0.02);
	tell(1000, CMD_HANG);
	run(1001, 0, &a);
	v_ref_v = 1.1;
	order = OFFER_SHED;
	run(2000, 0, &a);
	ck_assert_double_eq_tol(get("v"), 0.9, 48.0 / 4 / 4096 + 0.02);
	ck_assert(get("shed") == 0);
	tell(2000, CMD_UNHANG);
	run(2199, 0, &a);
	ck_assert_double_eq_tol(get("v"), 1, 48.0 / 4 / 4096 + 0.02);
	ck_assert(get("shed") == 0);
	order = 0;
	run(2400, 0, &a);
	ck_assert_double_eq_tol(get("v"), 1.1, 48.0 / 4 / 4096 + 0.02);
	order = OFFER_SHED;
	run(2402, 0, &a);
	ck_assert(get("shed") == 1);
	solver_loop_destroy(&loop);
}
END_TEST

/* Pulled and put back it is as new; the end of the lease then finds nothing. */
START_TEST(test_without_power_nothing_hangs)
{
	double a;

	begin(0);
	tell(1000, CMD_HANG);
	tell(2000, CMD_UNPLUG);
	tell(5000, CMD_PLUG);
	tell(8000, CMD_UNHANG);
	run(4999, 0, &a);
	ck_assert(get("plugged") == 0 && get("served") == 0 && get("demand") == 0);
	double unserved_j = get("unserved_j");
	ck_assert_int_eq(run(5100, EV_MCU_UP, &a), 5000);
	ck_assert_int_eq(run(9000, EV_WATCHDOG, &a), -1);
	ck_assert(get("served") == 1 && get("throughput") > 0.9);
	ck_assert_double_eq(get("unserved_j"), unserved_j);
	solver_loop_destroy(&loop);
}
END_TEST

/* The one with the lowest priority does not do what it is told: after 50 ms the turn changes, and all wait
 * for what that does to the bus as ever; it is asked again after a second. */
START_TEST(test_the_next_is_shed)
{
	static const uint32_t priority[] = { 7, 3, 5 };
	struct node_protect p;
	struct node_port ports[3];
	int first_ms[3] = { -1, -1, -1 }, asked = 0;

	/* Their stages of under-voltage are lower than this bus. */
	struct slice_chan chans[4] = { { .kind = CHAN_LINK } };
	for (size_t i = 0; i < 3; i++) {
		chans[1 + i] = (struct slice_chan){ .kind = CHAN_PORT,
			                            .priority = priority[i],
			                            .shed_rank = 1 };
		node_port_init(&ports[i], (int32_t)i, true, true, 36);
	}
	const struct slice s = { .n_chans = 4, .chans = chans };
	node_protect_init(&p, &s, 1000000, 48);
	for (int t = 1; t <= 3000; t++) {
		uint32_t was = ports[1].order;
		node_protect_step(&p, ports, 43, 1.3);
		asked += ports[1].order && !was;
		for (int i = 0; i < 3; i++) {
			if (!ports[i].order)
				continue;
			ck_assert_uint_eq(ports[i].order, OFFER_SHED);
			if (first_ms[i] < 0)
				first_ms[i] = t;
			if (i == 1)
				continue; /* it hangs */
			ports[i].shed = true;
			ports[i].order = 0;
		}
	}
	ck_assert_int_eq(first_ms[1], 2);
	ck_assert_int_ge(first_ms[2], 102);
	ck_assert_int_le(first_ms[2], 104);
	ck_assert_int_ge(first_ms[0], 152);
	ck_assert_int_le(first_ms[0], 157);
	ck_assert_int_eq(asked, 3); /* at 2, at about 1050 and 2100 ms */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module_hang");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_hang_and_reset_by_hand);
	tcase_add_test(tc, test_unserved_is_an_event);
	tcase_add_test(tc, test_obeys_nobody);
	tcase_add_test(tc, test_without_power_nothing_hangs);
	tcase_add_test(tc, test_the_next_is_shed);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
