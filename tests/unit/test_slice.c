/* Slices: what a process is told of its mesh, and that a file says exactly the same. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slice.h"
#include "tests/support/sample.h"

static struct topo *topo;
static char dir[256], path[512], other[512];

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/vl-slice-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a.slice", dir);
	snprintf(other, sizeof other, "%s/b.slice", dir);
	topo = sample_topo();
}

static void
teardown(void)
{
	sample_topo_free(topo);
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct slice *
make(uint32_t index)
{
	struct slice *s = NULL;
	ck_assert_int_eq(slice_from_topo(topo, index, &s, NULL), 0);
	return s;
}

START_TEST(test_node)
{
	struct slice *s = make(1); /* n2: l1 to n1, l2 to n3, second input of m1 */
	ck_assert_int_eq(s->kind, PROC_NODE);
	ck_assert_str_eq(s->id, "n2");
	ck_assert_str_eq(s->mesh, "sample");
	ck_assert_uint_eq(s->index, 1);
	ck_assert_uint_eq(s->incarnation, 1);
	ck_assert_int_eq(s->start_k, 0);
	ck_assert(s->end_k == INT64_MAX && s->kill_k == INT64_MAX);
	ck_assert_int_eq(memcmp(s->topo_hash, topo->hash, 32), 0);
	ck_assert_uint_eq(s->n_chans, 3);
	const struct slice_chan *c = s->chans;
	ck_assert_str_eq(c[0].id, "l1");
	ck_assert(c[0].kind == CHAN_LINK && c[0].edge == 0 && c[0].peer == 0 && !c[0].is_a);
	ck_assert(!c[0].binds && c[0].peer_v_init_v == 48 && !c[0].tcp);
	ck_assert_str_eq(c[0].peer_id, "n1");
	ck_assert_str_eq(c[1].id, "l2");
	ck_assert(c[1].edge == 1 && c[1].peer == 2 && c[1].is_a && c[1].binds && c[1].tcp);
	ck_assert(c[1].peer_v_init_v == 47 && c[1].link.r_ohm == 11e-3);
	ck_assert_str_eq(c[2].id, "m1.n2");
	ck_assert(c[2].kind == CHAN_PORT && c[2].edge == 4 && c[2].peer == 3 && c[2].binds);
	ck_assert(c[2].input == 1 && !c[2].owner && c[2].r_port_ohm == 50e-3);
	ck_assert_str_eq(c[2].peer_id, "m1");
	slice_destroy(&s);
	ck_assert_ptr_null(s);
	slice_destroy(&s);
}
END_TEST

START_TEST(test_module)
{
	struct slice *s = make(3); /* m1: n1 (owner), n2 */
	ck_assert_int_eq(s->kind, PROC_MODULE);
	ck_assert_str_eq(s->id, "m1");
	ck_assert_uint_eq(s->n_chans, 2);
	ck_assert(s->init_v_v == 48); /* the higher of 48 V and 47.5 V */
	ck_assert(s->chans[0].peer == 0 && s->chans[0].owner && s->chans[0].input == 0);
	ck_assert(s->chans[1].peer == 1 && !s->chans[1].owner && s->chans[1].input == 1);
	ck_assert(!s->chans[0].binds && s->chans[0].edge == 3 && s->chans[1].edge == 4);
	ck_assert(s->chans[1].peer_v_init_v == 47.5);
	/* Deep copies: the slice outlives the mesh. */
	ck_assert(s->module.load_w.p != topo->modules[0].p.load_w.p && s->module.load_w.n == 2);
	slice_destroy(&s);
}
END_TEST

/* Both ends of every channel agree on what they share. */
START_TEST(test_both_ends)
{
	struct slice *all[5];
	size_t seen = 0;
	for (uint32_t i = 0; i < 5; i++)
		all[i] = make(i);
	for (uint32_t i = 0; i < 5; i++) {
		for (size_t a = 0; a < all[i]->n_chans; a++) {
			const struct slice_chan *x = &all[i]->chans[a];
			for (size_t b = 0; b < all[x->peer]->n_chans; b++) {
				const struct slice_chan *y = &all[x->peer]->chans[b];
				if (y->edge != x->edge)
					continue;
				seen++;
				ck_assert_str_eq(x->id, y->id);
				ck_assert_uint_eq(y->peer, i);
				ck_assert(x->binds != y->binds);
				ck_assert(x->kind == CHAN_PORT || x->is_a != y->is_a);
				ck_assert(x->input == y->input && x->owner == y->owner);
			}
		}
	}
	ck_assert_uint_eq(seen, 12); /* 3 links and 3 ports, seen from both ends */
	for (uint32_t i = 0; i < 5; i++)
		slice_destroy(&all[i]);
}
END_TEST

static char *
slurp(const char *name, size_t *n)
{
	FILE *fp = fopen(name, "rb");
	ck_assert_ptr_nonnull(fp);
	char *p = malloc(1 << 20);
	ck_assert_ptr_nonnull(p);
	*n = fread(p, 1, 1 << 20, fp);
	fclose(fp);
	return p;
}

static void
spill(const char *name, const char *p, size_t n)
{
	FILE *fp = fopen(name, "wb");
	ck_assert_ptr_nonnull(fp);
	ck_assert_uint_eq(fwrite(p, 1, n, fp), n);
	ck_assert_int_eq(fclose(fp), 0);
}

static void
check_pwl(const struct pwl *a, const struct pwl *b)
{
	ck_assert_uint_eq(a->n, b->n);
	ck_assert(!a->n || !memcmp(a->p, b->p, a->n * sizeof *a->p));
}

START_TEST(test_round_trip)
{
	struct err err = ERR_INIT;
	for (uint32_t i = 0; i < 5; i++) {
		struct slice *s = make(i), *r = NULL;
		s->start_k = -1;
		s->restarted = i % 2;
		s->kill_k = 4711;
		s->n_cmds = 2;
		s->cmds = calloc(2, sizeof *s->cmds);
		ck_assert_ptr_nonnull(s->cmds);
		s->cmds[0] = (struct core_cmd){ 5, CMD_CUT, 0, NAN, NAN, NAN, NAN, NAN, NAN };
		s->cmds[1] = (struct core_cmd){ 5, CMD_SHORT, -1, 0.1, 1.0 / 3, -0.0, NAN, NAN, NAN };
		ck_assert_msg(slice_write(s, path, &err) == 0, "%s", err.text);
		ck_assert_msg(slice_read(path, &r, &err) == 0, "%s", err.text);
		/* Written again it is the same file, so every field in the table came through. */
		ck_assert_int_eq(slice_write(r, other, &err), 0);
		size_t n, m;
		char *a = slurp(path, &n), *b = slurp(other, &m);
		ck_assert(n == m && !memcmp(a, b, n));
		free(a);
		free(b);
		/* And nothing is missing in the table: the structs, pointers aside, are equal. */
		ck_assert_uint_eq(r->n_chans, s->n_chans);
		ck_assert_int_eq(memcmp(r->chans, s->chans, s->n_chans * sizeof *s->chans), 0);
		ck_assert_int_eq(memcmp(&r->cmds[0].k, &s->cmds[0].k, sizeof s->cmds[0].k), 0);
		ck_assert(isnan(r->cmds[0].a) && r->cmds[1].b == 1.0 / 3 && signbit(r->cmds[1].c));
		struct slice x, y;
		memcpy(&x, s, sizeof x); /* with the padding, which is zero */
		memcpy(&y, r, sizeof y);
		x.chans = y.chans = NULL;
		x.cmds = y.cmds = NULL;
		ck_assert_uint_eq(s->n_convs, r->n_convs);
		for (size_t c = 0; c < s->n_convs; c++) {
			struct slice_conv *a_conv = &s->convs[c], *b_conv = &r->convs[c];
			struct pwl p = a_conv->power_w, q = b_conv->power_w;
			check_pwl(&p, &q);
			ck_assert_uint_eq(a_conv->chan, b_conv->chan);
			ck_assert_int_eq(memcmp(&a_conv->conv, &b_conv->conv,
			                        offsetof(struct conv_params, load_a)),
			                 0);
		}
		x.convs = y.convs = NULL;
		if (s->kind == PROC_NODE) {
			check_pwl(&s->node.load_w, &r->node.load_w);
			check_pwl(&s->node.conv.load_a, &r->node.conv.load_a);
			x.node.load_w.p = y.node.load_w.p = NULL;
			x.node.conv.load_a.p = y.node.conv.load_a.p = NULL;
		} else {
			check_pwl(&s->module.load_w, &r->module.load_w);
			ck_assert(!s->module.n_phases ||
			          !memcmp(s->module.phases, r->module.phases,
			                  s->module.n_phases * sizeof *s->module.phases));
			x.module.load_w.p = y.module.load_w.p = NULL;
			x.module.phases = y.module.phases = NULL;
		}
		ck_assert_int_eq(memcmp(&x, &y, sizeof x), 0);
		slice_destroy(&s);
		slice_destroy(&r);
	}
}
END_TEST

/* Copies the top-level map of `path` to `other`; the value of `key` becomes a new type. */
enum change { DROP, TWICE, RENAME, AS_STRING, AS_INT };

static void
change_key(const char *key, enum change how)
{
	size_t n, off = 0;
	char *p = slurp(path, &n);
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	ck_assert_int_eq(msgpack_unpack_next(&u, p, n, &off), MSGPACK_UNPACK_SUCCESS);
	msgpack_sbuffer buf;
	msgpack_sbuffer_init(&buf);
	msgpack_packer pk;
	msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, u.data.via.map.size + (how == TWICE) - (how == DROP));
	for (uint32_t i = 0; i < u.data.via.map.size; i++) {
		msgpack_object_kv *kv = &u.data.via.map.ptr[i];
		bool hit = strlen(key) == kv->key.via.str.size &&
		           !memcmp(key, kv->key.via.str.ptr, strlen(key));
		if (hit && how == DROP)
			continue;
		for (int times = hit && how == TWICE ? 2 : 1; times; times--) {
			if (hit && how == RENAME) {
				msgpack_pack_str(&pk, 5);
				msgpack_pack_str_body(&pk, "other", 5);
			} else {
				msgpack_pack_object(&pk, kv->key);
			}
			if (hit && how == AS_STRING) {
				msgpack_pack_str(&pk, 1);
				msgpack_pack_str_body(&pk, "x", 1);
			} else if (hit && how == AS_INT) {
				msgpack_pack_int(&pk, -7);
			} else {
				msgpack_pack_object(&pk, kv->val);
			}
		}
	}
	spill(other, buf.data, buf.size);
	msgpack_sbuffer_destroy(&buf);
	msgpack_unpacked_destroy(&u);
	free(p);
}

static void
refused(const char *says)
{
	struct err err = ERR_INIT;
	struct slice *r = NULL;
	ck_assert_msg(slice_read(other, &r, &err) == ERR_INPUT, "%s", says);
	ck_assert_ptr_null(r);
	ck_assert_msg(strstr(err.text, says) && strstr(err.text, "b.slice"), "%s", err.text);
}

START_TEST(test_refused)
{
	struct slice *s = make(0);
	struct err err = ERR_INIT;
	ck_assert_int_eq(slice_write(s, path, &err), 0);
	change_key("seed", DROP);
	refused("field seed: missing");
	change_key("kind", DROP);
	refused("kind: missing");
	change_key("seed", TWICE);
	refused("field seed: given twice");
	change_key("seed", RENAME);
	refused("field other: unknown");
	change_key("init_v_v", AS_INT);
	refused("field init_v_v: not a float");
	change_key("id", AS_INT);
	refused("field id: not a string");
	change_key("substeps", AS_STRING);
	refused("field substeps: not an integer");
	change_key("substeps", AS_INT);
	refused("field substeps: out of range");
	change_key("seed", AS_INT);
	refused("field seed: not a non-negative integer");
	change_key("restarted", AS_INT);
	refused("field restarted: not a boolean");
	change_key("topo_hash", AS_STRING);
	refused("field topo_hash: not bytes");
	change_key("chans", AS_INT);
	refused("field chans: not a list");
	change_key("node", AS_INT);
	refused("field node: not a map");
	/* What no type shows. */
	struct slice *m = make(4);
	m->substeps = 33;
	ck_assert_int_eq(slice_write(m, other, &err), 0);
	refused("substeps");
	m->substeps = 10;
	m->chans[0].input = 1;
	ck_assert_int_eq(slice_write(m, other, &err), 0);
	refused("inputs of a module");
	slice_destroy(&m);
	s->chans[0].kind = CHAN_PORT;
	ck_assert_int_eq(slice_write(s, other, &err), 0);
	refused("link after a port");
	s->chans[0].kind = CHAN_LINK;
	s->chans[2].kind = (enum chan_kind)9;
	ck_assert_int_eq(slice_write(s, other, &err), 0);
	refused("field chans[2].kind: out of range");
	slice_destroy(&s);
	ck_assert_int_lt(slice_read(dir, &s, &err), 0);
	unlink(other);
	ck_assert_int_eq(slice_read(other, &s, &err), ERR_IO);
	s = make(0);
	snprintf(other, sizeof other, "%s/none/x", dir);
	ck_assert_int_eq(slice_write(s, other, &err), ERR_IO);
	slice_destroy(&s);
}
END_TEST

/* Cut anywhere, or any byte changed: an error or a slice, never a crash. */
START_TEST(test_damage)
{
	struct slice *s = make(0), *r = NULL;
	struct err err = ERR_INIT;
	ck_assert_int_eq(slice_write(s, path, &err), 0);
	slice_destroy(&s);
	size_t n;
	char *p = slurp(path, &n);
	for (size_t len = 0; len < n; len++) {
		spill(other, p, len);
		if (slice_read(other, &r, &err) != ERR_INPUT)
			ck_abort_msg("%zu bytes are accepted", len);
	}
	int fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	static const unsigned char values[] = { 0xff, 0xc1, 0xdd, 0xdf, 0x00 };
	for (size_t at = 0; at < n; at++) {
		for (size_t i = 0; i < sizeof values; i++) {
			if (pwrite(fd, &values[i], 1, (off_t)at) != 1)
				ck_abort_msg("pwrite");
			slice_read(path, &r, &err);
			slice_destroy(&r);
		}
		if (pwrite(fd, p + at, 1, (off_t)at) != 1)
			ck_abort_msg("pwrite");
	}
	close(fd);
	ck_assert_int_eq(slice_read(path, &r, &err), 0);
	slice_destroy(&r);
	free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slice");
	TCase *t = tcase_create("slice");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_node);
	tcase_add_test(t, test_module);
	tcase_add_test(t, test_both_ends);
	tcase_add_test(t, test_round_trip);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_damage);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
