/*
 * A node whose bus is in a short, while its process lives: the fuses of its links clear it, and the
 * modules that it owns live on their other input. They are not shed, however little its bus has and
 * whatever its feed carries; a module that hangs on that bus alone is off for that reason only.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "core.h"
#include "tests/support/books.h"
#include "tests/support/mesh_text.h"
#include "tests/support/solver_loop.h"

static struct topo *t;
static struct solver_loop *loop;
static struct books *books;
static unsigned sheds;

static void
teardown(void)
{
	books_destroy(&books);
	solver_loop_destroy(&loop);
	topo_destroy(&t);
}

static void
run_to(double at_s)
{
	while ((double)solver_loop_k(loop) * topo_step_s(t) < at_s - 1e-9) {
		solver_loop_step(loop);
		books_after(books);
		for (uint32_t i = 0; i < t->n_modules; i++) {
			const struct core_events *ev =
				solver_loop_events(loop, (uint32_t)t->n_nodes + i);
			for (size_t e = 0; e < ev->n; e++)
				sheds += ev->e[e].code == EV_SHED;
		}
	}
}

static double
of_module(size_t i, const char *field)
{
	return solver_loop_get(loop, (uint32_t)(t->n_nodes + i), field);
}

static const struct {
	const char *victim;
	double r_ohm;
} shorts[] = { { "n4", 5e-3 }, { "n3", 5e-3 }, { "n1", 2e-3 }, { "n7", 5e-3 } };

START_TEST(owner_in_a_short)
{
	struct err err = ERR_INIT;

	sheds = 0;
	t = mesh_file("rack8");
	uint32_t victim = (uint32_t)topo_find_node(t, shorts[_i].victim);
	ck_assert_int_eq(solver_loop_create(t, &node_core_ops, &module_core_ops, &loop, &err), 0);
	books = books_create(t, loop);
	run_to(0.5);
	struct core_cmd cmd = { .kind = CMD_SHORT, .chan = -1, .a = shorts[_i].r_ohm, .b = NAN };
	solver_loop_command(loop, victim, solver_loop_k(loop), cmd);
	run_to(2.5);
	/* The short is there, and the rest of the mesh is rid of it. */
	ck_assert_double_lt(solver_loop_get(loop, victim, "v"), 36);
	for (uint32_t i = 0; i < t->n_nodes; i++)
		if (i != victim)
			ck_assert_double_ge(solver_loop_get(loop, i, "v"), 46);
	ck_assert_uint_eq(sheds, 0);
	unsigned owned = 0;
	for (size_t i = 0; i < t->n_modules; i++) {
		owned += t->modules[i].feeds[0] == victim;
		ck_assert_double_eq(of_module(i, "served"), 1);
		ck_assert_double_eq(of_module(i, "shed"), 0);
		ck_assert_double_ge(of_module(i, "v_in"), 45);
		/* While the fuses cleared it, at most. */
		ck_assert_double_le(of_module(i, "unserved_j"), 0.02 * of_module(i, "demand"));
	}
	ck_assert_uint_ge(owned, 1);
	ck_assert_double_le(books_sums(books).residual, 1e-9);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dead_bus");
	TCase *c = tcase_create("dead_bus");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_loop_test(c, owner_in_a_short, 0, (int)(sizeof shorts / sizeof *shorts));
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
