/* The view model: sums by Kirchhoff and by energy, freshness, lives and deaths, words of events;
 * and what keys ask of the mesh. */
#include <check.h>
#include <math.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "input.h"
#include "view.h"
#include "words.h"

#define S INT64_C(1000000000) /* ns */

static struct view *view;
static struct shot shot;
static struct err err;

/* ---- a mesh of three nodes in a row, one module on two of them ------------------------------- */

static struct topo_node nodes[3];
static struct topo_link links[2];
static struct topo_module modules[1];
static struct topo topo = { .name = "row",
	                    .nominal_v = 48,
	                    .n_nodes = 3,
	                    .n_links = 2,
	                    .n_modules = 1,
	                    .nodes = nodes,
	                    .links = links,
	                    .modules = modules };

static void
setup(void)
{
	static const char *const ids[] = { "a", "b", "c" };
	memset(nodes, 0, sizeof nodes);
	memset(links, 0, sizeof links);
	memset(modules, 0, sizeof modules);
	for (unsigned i = 0; i < 3; i++)
		strcpy(nodes[i].id, ids[i]);
	nodes[0].p.has_feed = true;
	nodes[1].p.has_sc = true;
	nodes[2].p.has_store = true;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(links[i].id, sizeof links[i].id, "l%u", i + 1);
		links[i].a = i;
		links[i].b = i + 1;
	}
	links[0].p.fuse_a = 20;
	strcpy(modules[0].id, "m");
	modules[0].n_feeds = 2;
	modules[0].feeds[0] = 2;
	modules[0].feeds[1] = 1;
	ck_assert_int_eq(view_create(&topo, &view, &err), 0);
}

static void
teardown(void)
{
	view_destroy(&view);
	shot_free(&shot);
}

/* Names and numbers, ended by END. */
#define END ((const char *)NULL)
static void
hear(enum telem_kind kind, const char *id, uint32_t inc, int64_t k, int64_t seq, int64_t wall_ns,
     enum telem_state state, ...)
{
	static struct telem_msg m;
	va_list ap;
	m = (struct telem_msg){ .kind = kind,
		                .k = k,
		                .t_ns = k * 100000,
		                .seq = seq,
		                .inc = inc,
		                .speed = 1,
		                .state = state };
	snprintf(m.id, sizeof m.id, "%s", id);
	va_start(ap, state);
	for (const char *key; (key = va_arg(ap, const char *));) {
		struct telem_value *v = &m.v[m.n++];
		snprintf(v->key, sizeof v->key, "%s", key);
		const char *text = strcmp(key, "end") == 0 || strcmp(key, "event") == 0 ||
		                                   strcmp(key, "proc") == 0 ||
		                                   strcmp(key, "name") == 0 ||
		                                   strcmp(key, "key") == 0
		                           ? va_arg(ap, const char *)
		                           : NULL;
		v->type = text ? 's' : 'f';
		if (text)
			snprintf(v->s, sizeof v->s, "%s", text);
		else
			v->f = va_arg(ap, double);
	}
	va_end(ap);
	ck_assert_int_eq(view_telem(view, &m, wall_ns, &err), 0);
}

static void
sample(int64_t wall_ns)
{
	ck_assert_int_eq(view_sample(view, wall_ns, &shot, &err), 0);
}

/* All that lives, at one moment: 10 A from a to b, 4 A from b to c. */
static void
hear_all(int64_t k, int64_t seq, int64_t wall_ns)
{
	double t_s = (double)k * 1e-4;
	hear(TELEM_NODE, "a", 1, k, seq, wall_ns, TELEM_RUNNING, "v_v", 48.4, "v_min_v", 48.3,
	     "v_max_v", 48.5, "feed_i_avg_a", 10.0, "loading", 0.25, "load_p_w", 0.0, "source_j",
	     1000 + 484 * t_s, "useful_j", 0.0, "loss_j", 2 * t_s, "unserved_j", 0.0, END);
	hear(TELEM_NODE, "b", 1, k, seq, wall_ns, TELEM_RUNNING, "v_v", 48.0, "v_min_v", 47.0,
	     "v_max_v", 48.1, "v_sc_v", 24.0, "temp_degc", 61.5, "load_p_w", 288.0, "source_j", 0.0, "useful_j",
	     288 * t_s, "loss_j", 1 * t_s, "unserved_j", 0.0, END);
	hear(TELEM_NODE, "c", 1, k, seq, wall_ns, TELEM_RUNNING, "v_v", 47.8, "load_p_w", 0.0,
	     "v_sc_v", 40.0, "sc_soc", 0.6, "sc_p_w", 120.0,
	     "source_j", 0.0, "useful_j", 0.0, "loss_j", 0.0, "unserved_j", 3.0, END);
	hear(TELEM_LINK, "l1", 1, k, seq, wall_ns, TELEM_RUNNING, "end", "a", "i_avg_a", 10.0,
	     "p_w", 484.0, "link_state", 2.0, END);
	hear(TELEM_LINK, "l1", 1, k, seq, wall_ns, TELEM_RUNNING, "end", "b", "i_avg_a", -10.0,
	     "p_w", -480.0, "link_state", 2.0, END);
	hear(TELEM_LINK, "l2", 1, k, seq, wall_ns, TELEM_RUNNING, "end", "b", "i_avg_a", 4.0, "p_w",
	     192.0, "link_state", 2.0, END);
	hear(TELEM_LINK, "l2", 1, k, seq, wall_ns, TELEM_RUNNING, "end", "c", "i_avg_a", -4.0,
	     "p_w", -191.2, "link_state", 2.0, END);
	hear(TELEM_MODULE, "m", 1, k, seq, wall_ns, TELEM_RUNNING, "v_in_v", 47.7, "v_v", 0.8,
	     "p_w", 190.0, "demand_w", 190.0, "served", 1.0, "owner", 0.0, "useful_j", 180 * t_s,
	     "loss_j", 10 * t_s, "unserved_j", 0.0, END);
}

START_TEST(sums)
{
	ck_assert(!view_complete(view));
	hear_all(1000, 1, 10 * S);
	ck_assert(!view_complete(view)); /* once is not enough for powers */
	hear_all(2000, 2, 10 * S + S / 10);
	ck_assert(view_complete(view));
	sample(10 * S + S / 5);
	ck_assert_uint_eq(shot.n_nodes, 3);
	ck_assert_uint_eq(shot.n_links, 2);
	/* what leaves a node into its links */
	ck_assert_double_eq_tol(shot.nodes[0].i_a, 10, 1e-12);
	ck_assert_double_eq_tol(shot.nodes[1].i_a, -6, 1e-12);
	ck_assert_double_eq_tol(shot.nodes[2].i_a, -4, 1e-12);
	ck_assert_double_eq_tol(shot.nodes[1].p_w, -288, 1e-9);
	/* (24/48)^2 */
	ck_assert_double_eq_tol(shot.nodes[1].soc, 0.25, 1e-12);
	/* Behind a converter it is what the node says. */
	ck_assert(shot.nodes[2].soc == 0.6 && shot.nodes[2].sc_v == 40 &&
	          shot.nodes[2].sc_p_w == 120);
	ck_assert(isnan(shot.nodes[0].soc) && isnan(shot.nodes[1].loading));
	ck_assert_double_eq_tol(shot.nodes[0].feed_p_w, 484, 1e-9);
	ck_assert_str_eq(shot.nodes[2].owns, "m");
	ck_assert_str_eq(shot.modules[0].owner_id, "c");
	/* energies over 0.1 s of plant time */
	ck_assert_double_eq_tol(shot.head.gen_w, 484, 1e-6);
	ck_assert_double_eq(shot.nodes[1].temp_c, 61.5);
	ck_assert(isnan(shot.nodes[0].temp_c));
	ck_assert_double_eq_tol(shot.head.load_w, 288 + 180, 1e-6);
	ck_assert_double_eq_tol(shot.head.loss_w, 2 + 1 + 10, 1e-6);
	ck_assert_double_eq_tol(shot.head.unserved_j, 3, 1e-12);
	ck_assert_double_eq_tol(shot.head.unserved_w, 0, 1e-12);
	ck_assert(shot.head.v_min_v == 47 && shot.head.v_max_v == 48.5);
	ck_assert(shot.head.nodes_up == 3 && shot.head.links_closed == 2 &&
	          shot.head.modules_served == 1);
	ck_assert(shot.head.islands == 1 && shot.head.t_ns == S / 5 && shot.head.k == 2000);
	ck_assert_str_eq(shot.head.state, "running");
	ck_assert_int_eq(shot.head.worst_link, 0);
	ck_assert_double_eq_tol(shot.links[0].fraction, 0.5, 1e-12); /* 10 A of 20 A */
	ck_assert_double_eq_tol(shot.links[1].fraction, 0.4, 1e-12); /* of the highest current */
	ck_assert_double_eq_tol(shot.links[0].p_w, 484, 1e-12);
}
END_TEST

/* A converter of a node and one at end b of a link: everything of a link counts from a to b. */
START_TEST(converters)
{
	hear_all(1000, 1, 10 * S);
	sample(10 * S);
	ck_assert(isnan(shot.nodes[1].conv_v) && isnan(shot.nodes[1].conv_p_w));
	ck_assert(isnan(shot.links[0].conv_v) && isnan(shot.links[0].conv_set_w));
	hear(TELEM_NODE, "b", 1, 1100, 2, 10 * S, TELEM_RUNNING, "v_v", 48.0, "conv_vo_v", 12.0,
	     "conv_i_a", 20.5, "conv_p_w", 240.0, END);
	hear(TELEM_LINK, "l1", 1, 1100, 2, 10 * S, TELEM_RUNNING, "end", "b", "i_avg_a", -10.0,
	     "p_w", -480.0, "link_state", 2.0, "conv_vo_v", 47.0, "conv_i_a", -10.2, "conv_p_w",
	     -480.0, "conv_set_p_w", -500.0, END);
	sample(10 * S);
	ck_assert(shot.nodes[1].conv_v == 12 && shot.nodes[1].conv_i_a == 20.5);
	ck_assert(shot.nodes[1].conv_p_w == 240 && isnan(shot.nodes[0].conv_p_w));
	ck_assert(shot.links[0].conv_v == 47 && shot.links[0].conv_i_a == 10.2);
	ck_assert(shot.links[0].conv_p_w == 480 && shot.links[0].conv_set_w == 500);
	ck_assert(isnan(shot.links[1].conv_set_w));
	sample(20 * S); /* too old */
	ck_assert(isnan(shot.nodes[1].conv_v) && isnan(shot.links[0].conv_set_w));
}
END_TEST

START_TEST(freshness)
{
	hear_all(1000, 1, 10 * S);
	sample(11 * S);
	ck_assert(shot.nodes[0].fresh == FRESH_OK && shot.nodes[0].state == PROC_OK);
	sample(11 * S + 1);
	ck_assert(shot.nodes[0].fresh == FRESH_STALE && shot.nodes[0].state == PROC_SUSPECT);
	ck_assert(shot.nodes[0].v_v == 48.4);
	sample(13 * S);
	ck_assert(shot.links[0].fresh == FRESH_STALE && shot.links[0].i_a == 10);
	sample(13 * S + 1);
	ck_assert(shot.nodes[0].fresh == FRESH_LOST && isnan(shot.nodes[0].v_v) &&
	          isnan(shot.nodes[0].i_a));
	ck_assert(shot.links[0].fresh == FRESH_LOST && isnan(shot.links[0].i_a));
	ck_assert(isnan(shot.modules[0].p_w) && shot.modules[0].owner == -1);
	ck_assert(isnan(shot.head.gen_w) && shot.head.nodes_up == 0 && shot.head.links_closed == 0);
	ck_assert_str_eq(shot.head.state, "no data");
	ck_assert_str_eq(shot.nodes[2].owns, "");
}
END_TEST

/* One end of a link is enough, seen from the other side. */
START_TEST(one_end)
{
	hear(TELEM_NODE, "b", 1, 10, 1, S, TELEM_RUNNING, "v_v", 48.0, END);
	hear(TELEM_LINK, "l1", 1, 10, 1, S, TELEM_RUNNING, "end", "b", "i_avg_a", -7.0, "p_w",
	     -336.0, "link_state", 2.0, END);
	sample(S);
	ck_assert(shot.links[0].i_a == 7 && shot.links[0].p_w == 336 && shot.links[0].state == 2);
	ck_assert(shot.nodes[1].i_a == -7);
	static struct telem_msg m = { .kind = TELEM_LINK,
		                      .id = "l1",
		                      .n = 1,
		                      .v[0] = { .key = "end", .type = 's', .s = "z" } };
	ck_assert_int_eq(view_telem(view, &m, S, &err), ERR_PROTO);
}
END_TEST

START_TEST(lives)
{
	hear(TELEM_NODE, "a", 2, 500, 1, S, TELEM_RUNNING, "v_v", 48.0, "source_j", 100.0, END);
	hear(TELEM_NODE, "a", 1, 900, 7, S, TELEM_RUNNING, "v_v", 10.0,
	     END); /* late word of the dead */
	sample(S);
	ck_assert(shot.nodes[0].v_v == 48 && shot.nodes[0].inc == 2);
	/* A new life counts its energy from zero: no power across the two. */
	hear(TELEM_NODE, "a", 3, 1500, 1, S + 1, TELEM_READY, "v_v", 47.0, "source_j", 0.0, END);
	sample(S + 2);
	ck_assert(shot.nodes[0].inc == 3 && isnan(shot.head.gen_w));
	ck_assert(shot.nodes[0].state == PROC_JOINING);
	hear(TELEM_NODE, "a", 3, 2500, 4, S + 3, TELEM_RUNNING, "v_v", 47.0, "source_j", 50.0, END);
	sample(S + 4);
	ck_assert_double_eq_tol(shot.head.gen_w, 500, 1e-9); /* 50 J in 0.1 s */
	ck_assert_uint_eq(shot.head.lost, 2);                /* 2 and 3 did not come */
}
END_TEST

static void
pack_str(msgpack_packer *pk, const char *s)
{
	msgpack_pack_str(pk, strlen(s));
	msgpack_pack_str_body(pk, s, strlen(s));
}

static size_t status_size; /* of the last one, uncut */

/* A status with one node. */
static int
status(const char *id, const char *state, uint32_t inc, int64_t k, const char *exit,
       int64_t wall_ns, size_t cut)
{
	msgpack_sbuffer b;
	msgpack_packer pk;
	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 5);
	pack_str(&pk, "processes");
	msgpack_pack_array(&pk, 1);
	msgpack_pack_map(&pk, 6);
	const char *const texts[][2] = {
		{ "id", id }, { "kind", "node" }, { "state", state }, { "exit", exit }
	};
	for (int i = 0; i < 4; i++) {
		pack_str(&pk, texts[i][0]);
		pack_str(&pk, texts[i][1]);
	}
	pack_str(&pk, "incarnation");
	msgpack_pack_uint32(&pk, inc);
	pack_str(&pk, "k");
	msgpack_pack_int64(&pk, k);
	pack_str(&pk, "step_ns"); /* behind the processes that need it */
	msgpack_pack_int64(&pk, 100000);
	pack_str(&pk, "mesh");
	pack_str(&pk, "row");
	pack_str(&pk, "state");
	pack_str(&pk, "paused");
	pack_str(&pk, "seed");
	msgpack_pack_uint64(&pk, UINT64_MAX);
	status_size = b.size;
	int rc = view_status(view, b.data, cut < b.size ? cut : b.size, wall_ns, &err);
	msgpack_sbuffer_destroy(&b);
	return rc;
}

START_TEST(deaths)
{
	hear_all(1000, 1, 10 * S);
	ck_assert_int_eq(
		status("b", "dead", 1, 1200, "SIGKILL, scripted, step 1200", 10 * S, SIZE_MAX), 0);
	sample(10 * S);
	ck_assert(shot.nodes[1].state == PROC_DEAD && shot.nodes[1].fresh == FRESH_LOST &&
	          isnan(shot.nodes[1].v_v));
	ck_assert_uint_eq(shot.head.nodes_up, 2);
	ck_assert_uint_eq(shot.n_events, 1);
	ck_assert_str_eq(shot.events[0].text, "SIGKILL, scripted, step 1200");
	ck_assert(shot.events[0].t_ns == 120000000 && shot.events[0].severity == SEV_BAD);
	ck_assert_str_eq(shot.head.state, "paused");
	ck_assert(shot.head.has_seed && shot.head.seed == UINT64_MAX);
	/* Said once, however often it is asked for. */
	ck_assert_int_eq(status("b", "dead", 1, 1200, "SIGKILL", 11 * S, SIZE_MAX), 0);
	sample(11 * S);
	ck_assert_uint_eq(shot.n_events, 1);
	/* The word about incarnation 1 says nothing about 2. */
	hear(TELEM_NODE, "b", 2, 3000, 1, 11 * S, TELEM_RUNNING, "v_v", 48.0, END);
	sample(11 * S);
	ck_assert(shot.nodes[1].state == PROC_OK && shot.nodes[1].v_v == 48);
	ck_assert_int_eq(status("b", "ready", 3, 0, "", 12 * S, SIZE_MAX), 0);
	sample(12 * S);
	ck_assert(shot.nodes[1].state == PROC_JOINING);
}
END_TEST

START_TEST(status_cut)
{
	ck_assert_int_eq(status("b", "running", 1, 1200, "", S, SIZE_MAX), 0);
	for (size_t n = 0; n < status_size; n++)
		ck_assert_int_eq(status("b", "running", 1, 1200, "", S, n), ERR_PROTO);
}
END_TEST

START_TEST(islands)
{
	hear_all(1000, 1, 10 * S);
	hear(TELEM_LINK, "l2", 1, 1001, 2, 10 * S, TELEM_RUNNING, "end", "b", "i_avg_a", 0.0, "p_w",
	     0.0, "link_state", 0.0, END);
	hear(TELEM_LINK, "l2", 1, 1001, 2, 10 * S, TELEM_RUNNING, "end", "c", "i_avg_a", 0.0, "p_w",
	     0.0, "link_state", 0.0, END);
	sample(10 * S);
	ck_assert_uint_eq(shot.head.islands, 2);
	ck_assert_uint_eq(shot.head.links_closed, 1);
	ck_assert(shot.nodes[2].state == PROC_ISLAND && shot.nodes[1].state == PROC_OK);
}
END_TEST

START_TEST(sparkline)
{
	for (int i = 0; i < 4; i++)
		hear(TELEM_NODE, "a", 1, 10 + i, 1 + i, 100 * S + i * S / 2, TELEM_RUNNING, "v_v",
		     40.0 + i, END);
	sample(103 * S);
	const double *v = shot.nodes[0].spark_v;
	ck_assert(isnan(v[VIEW_SPARK - 1]) && isnan(v[VIEW_SPARK - 2]) && isnan(v[0]));
	ck_assert_double_eq(v[VIEW_SPARK - 3], 42.5); /* second 101: 42 and 43 */
	ck_assert_double_eq(v[VIEW_SPARK - 4], 40.5);
	sample(100 * S + (VIEW_SPARK + 5) * S);
	for (int i = 0; i < VIEW_SPARK; i++)
		ck_assert(isnan(shot.nodes[0].spark_v[i]));
	sample(103 * S);
	ck_assert(shot.bus_min_v[VIEW_BUS - 1 - 6] == 40 && shot.bus_max_v[VIEW_BUS - 1 - 3] == 43);
}
END_TEST

START_TEST(events)
{
	hear(TELEM_EVENT, "", 1, 5000, 1, S, TELEM_RUNNING, "event", "link.open", "proc", "b",
	     "key", "link", "name", "l2", "a", (double)OPEN_CUT, "b", 4999.0, END);
	hear(TELEM_EVENT, "", 1, 5001, 1, S, TELEM_RUNNING, "event", "takeover", "proc", "m", "key",
	     "module", "name", "", "a", 1.0, "b", 2.0, END);
	hear(TELEM_EVENT, "", 1, 5002, 2, S, TELEM_RUNNING, "event", "fault.fired", "proc", "a",
	     "key", "fault", "name", "", "a", (double)CMD_LOAD, "b", 500.0, END);
	sample(S);
	ck_assert_uint_eq(shot.n_events, 3);
	ck_assert_str_eq(shot.events[0].text, "link l2: cut");
	ck_assert(shot.events[0].t_ns == 500000000);
	ck_assert_str_eq(shot.events[1].text, "fed by b, epoch 2"); /* input 1 of m */
	ck_assert_str_eq(shot.events[2].text, "load 500 W");
	for (int i = 0; i < VIEW_EVENTS; i++) /* the ring keeps the newest */
		hear(TELEM_EVENT, "", 1, i, 3, S, TELEM_RUNNING, "event", "joined", "proc", "a",
		     "a", 1.0, END);
	sample(S);
	ck_assert_uint_eq(shot.n_events, VIEW_EVENTS);
	ck_assert(shot.events[0].k == 0 && shot.events[VIEW_EVENTS - 1].k == VIEW_EVENTS - 1);
}
END_TEST

/* Without a topology everything is learned, and there is a limit. */
START_TEST(learns)
{
	view_destroy(&view);
	ck_assert_int_eq(view_create(NULL, &view, &err), 0);
	hear(TELEM_LINK, "x", 1, 1, 1, S, TELEM_RUNNING, "end", "n10", "i_avg_a", -2.0, "p_w",
	     -96.0, "link_state", 2.0, END);
	hear(TELEM_LINK, "x", 1, 1, 1, S, TELEM_RUNNING, "end", "n9", "i_avg_a", 3.0, "p_w", 144.0,
	     "link_state", 2.0, END);
	hear(TELEM_NODE, "n9", 1, 1, 1, S, TELEM_RUNNING, "v_v", 48.0, END);
	hear(TELEM_MODULE, "m", 1, 1, 1, S, TELEM_RUNNING, "in.n10.live", 1.0, "in.n9.live", 1.0,
	     "owner", 1.0, END);
	sample(S);
	ck_assert_str_eq(shot.links[0].a_id, "n9"); /* 9 is before 10 */
	ck_assert_str_eq(shot.links[0].b_id, "n10");
	ck_assert(shot.links[0].i_a == 3 && shot.links[0].a == 0 && shot.links[0].b == -1);
	ck_assert_str_eq(shot.modules[0].owner_id, "n9");
	static struct telem_msg m = { .kind = TELEM_NODE };
	for (int i = 1; i < TOPO_NODES_MAX; i++) {
		snprintf(m.id, sizeof m.id, "k%d", i);
		ck_assert_int_eq(view_telem(view, &m, S, &err), 0);
	}
	strcpy(m.id, "one-too-many");
	ck_assert_int_eq(view_telem(view, &m, S, &err), ERR_LIMIT);
}
END_TEST

/* ---- keys ---------------------------------------------------------------------------------- */

static struct ui ui;
static struct ui_request request;

static void
ui_setup(void)
{
	setup();
	hear_all(1000, 1, 10 * S);
	hear_all(2000, 2, 10 * S);
	sample(10 * S);
	ck_assert_int_eq(ui_init(&ui, false, &err), 0);
	ck_assert_int_eq(ui_arrange(&ui, &shot, &err), 0);
}

static void
ui_teardown(void)
{
	ui_free(&ui);
	teardown();
}

/* Types, and arranges as the loop does; the effect of the last key. */
static enum ui_effect
type(const int *keys, size_t n)
{
	enum ui_effect e = UI_NONE;
	for (size_t i = 0; i < n; i++) {
		e = ui_key(&ui, &shot, keys[i], &request);
		ck_assert_int_eq(ui_arrange(&ui, &shot, &err), 0);
	}
	return e;
}
#define TYPE(...) \
	type((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

START_TEST(asks_first)
{
	static const char capitals[] = "KRCHLPNQ";
	for (size_t i = 0; capitals[i]; i++) {
		ck_assert(TYPE(capitals[i]) == UI_NONE);
		ck_assert(ui.mode == UI_DIALOG);
		ck_assert(TYPE('\r') == UI_NONE); /* the default is Cancel */
		ck_assert(ui.mode == UI_NORMAL);
		ck_assert(TYPE(capitals[i], UI_KEY_ESC) == UI_NONE);
		ck_assert(ui.mode == UI_NORMAL);
	}
	ck_assert(TYPE('j', 'K', UI_KEY_RIGHT, '\r') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "kill");
	ck_assert_str_eq(request.target, "b");
	ck_assert(isnan(request.level_w) && !request.then_quit);
	ck_assert(TYPE('K', UI_KEY_DOWN, UI_KEY_DOWN, 'y') == UI_REQUEST);
	ck_assert_str_eq(request.target, "m"); /* b, c, then the module */
	ck_assert(TYPE('3', 'R', 'y') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "start");
	ck_assert_str_eq(request.target, "m");
	ck_assert(TYPE('2', 'j', 'C', 'y') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "cut");
	ck_assert_str_eq(request.target, "l2");
	ck_assert(TYPE('Q', UI_KEY_LEFT, '\r') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "down");
	ck_assert(request.then_quit && request.target[0] == '\0');
}
END_TEST

START_TEST(asks_for_a_power)
{
	ck_assert(TYPE('L', 'y') == UI_NONE); /* how much? */
	ck_assert(TYPE('1', '2', 'x', '.', '.', '5', '9', UI_KEY_BACKSPACE, 'y') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "load");
	ck_assert_str_eq(request.target, "a");
	ck_assert_double_eq(request.level_w, 12.5);
}
END_TEST

START_TEST(pause_or_resume)
{
	ck_assert(TYPE('P', 'y') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "pause");
	strcpy(shot.head.state, "paused");
	ck_assert(TYPE('P', 'y') == UI_REQUEST);
	ck_assert_str_eq(request.verb, "resume");
}
END_TEST

START_TEST(readonly)
{
	ui.readonly = true;
	ck_assert(TYPE('K', UI_KEY_RIGHT, '\r', 'y') == UI_NONE);
	ck_assert(ui.mode == UI_NORMAL && ui.message_bad);
	ck_assert(TYPE('q') == UI_QUIT);
}
END_TEST

START_TEST(sorts_and_filters)
{
	ck_assert(TYPE('s', 's', 's') == UI_NONE); /* file, name, V, P */
	ck_assert_str_eq(ui_sort_name(&ui, PANE_NODES), "P");
	const struct ui_rows *rows = &ui.pane[PANE_NODES].rows;
	ck_assert(rows->n == 3 && rows->index[0] == 0 && rows->index[1] == 2 &&
	          rows->index[2] == 1);
	TYPE('s', 's', 's');
	ck_assert_str_eq(ui_sort_name(&ui, PANE_NODES), "file");
	TYPE('/', 'b', '\r');
	ck_assert(rows->n == 1 && rows->index[0] == 1 && ui.mode == UI_NORMAL);
	TYPE('/', UI_KEY_ESC);
	ck_assert(rows->n == 3);
	TYPE('G', 'j');
	ck_assert_uint_eq(ui.pane[PANE_NODES].cursor, 2);
	TYPE('g', 'k');
	ck_assert_uint_eq(ui.pane[PANE_NODES].cursor, 0);
	TYPE('/', 'z', 'z', '\r', 'j', 'G', 'K', '\r'); /* nothing to stand on */
	ck_assert(rows->n == 0 && ui.mode == UI_NORMAL);
	TYPE('\t', UI_KEY_BACKTAB, 'z', ' ', 'm', '?', 'x');
	ck_assert(ui.active == PANE_NODES && ui.zoom && ui.freeze && !ui.map &&
	          ui.mode == UI_NORMAL);
}
END_TEST

/* ---- words --------------------------------------------------------------------------------- */

START_TEST(numbers)
{
	char b[WORDS_MAX];
	ck_assert_str_eq(words_scaled(b, 232.4, "W", 0), "232W");
	ck_assert_str_eq(words_scaled(b, -771, "W", 1), "-771W");
	ck_assert_str_eq(words_scaled(b, 999.4, "W", 0), "999W");
	ck_assert_str_eq(words_scaled(b, 999.6, "W", 0), "1.00kW");
	ck_assert_str_eq(words_scaled(b, 12345, "W", 1), "+12.3kW");
	ck_assert_str_eq(words_scaled(b, 3.21, "J", 0), "3.2J");
	ck_assert_str_eq(words_scaled(b, -0.01, "W", 1), "+0W");
	ck_assert_str_eq(words_scaled(b, 2.5e6, "W", 0), "2.50MW");
	ck_assert_str_eq(words_scaled(b, NAN, "W", 0), "-");
	ck_assert_str_eq(words_number(b, NAN, 2, 1), "-");
	ck_assert_str_eq(words_number(b, 6.25, 1, 1), "+6.2");
	ck_assert_str_eq(words_percent(b, 0.814), "81%");
	ck_assert_str_eq(words_time(b, INT64_C(3723004999999), 3), "01:02:03.004");
	ck_assert_str_eq(words_time(b, INT64_C(3723904999999), 1), "01:02:03.9");
	ck_assert_str_eq(words_time(b, INT64_C(3723904999999), 0), "01:02:03");
	ck_assert_str_eq(words_speed(b, 0), "max");
	ck_assert_str_eq(words_speed(b, 0.05), "x0.05");
	ck_assert_str_eq(words_speed(b, 1), "x1.0");
	/* Nothing is longer than the buffer that it is made for. */
	const double big[] = { 1e300, -1e300, INFINITY, -INFINITY, 1e-300 };
	for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
		ck_assert_uint_lt(strlen(words_scaled(b, big[i], "W", 1)), 16);
		ck_assert_uint_lt(strlen(words_number(b, big[i], 3, 1)), 16);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tui_view");
	TCase *model = tcase_create("model"), *keys = tcase_create("keys"),
	      *text = tcase_create("words");
	const TTest *const model_tests[] = { sums,       freshness, one_end,   lives,  deaths,
		                             status_cut, islands,   sparkline, events, learns,
		                             converters };
	const TTest *const key_tests[] = { asks_first, asks_for_a_power, pause_or_resume, readonly,
		                           sorts_and_filters };
	tcase_add_checked_fixture(model, setup, teardown);
	tcase_add_checked_fixture(keys, ui_setup, ui_teardown);
	for (size_t i = 0; i < sizeof model_tests / sizeof *model_tests; i++)
		tcase_add_test(model, model_tests[i]);
	for (size_t i = 0; i < sizeof key_tests / sizeof *key_tests; i++)
		tcase_add_test(keys, key_tests[i]);
	tcase_add_test(text, numbers);
	suite_add_tcase(s, model);
	suite_add_tcase(s, keys);
	suite_add_tcase(s, text);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
