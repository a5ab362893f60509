/*
 * node_core.h - a converter node as one value; private to the files that make up its core:
 * node_core.c (the step), node_create.c, node_command.c and node_record.c (frames).
 */
#ifndef VL_NODE_CORE_H
#define VL_NODE_CORE_H

#include "core.h"
#include "node_comm.h"
#include "node_control.h"
#include "node_conv.h"
#include "node_hw.h"
#include "node_limit.h"
#include "node_link.h"
#include "mcu.h"
#include "node_plant.h"
#include "node_port.h"
#include "node_protect.h"
#include "node_sense.h"
#include "node_store.h"
#include "node_trim.h"
#include "pwl.h"
#include "slice.h"
#include "surge.h"
#include "topo_rules.h"

struct node_core {
	const struct slice *slice;
	double step_s, dt_s, dt_ns;
	bool started;        /* a step has been made */
	int64_t k;           /* of the frame */
	int64_t hello_k;     /* steps between two HELLO */
	bool unserved;       /* EV_UNSERVED 1 was the last one */
	int64_t fault_end_k; /* the fault clears itself in this step */
	size_t n_links, n_ports;
	struct node_plant plant;
	struct node_hw hw;
	struct mcu mcu;
	struct node_control control;
	struct node_protect protect;
	struct node_trim *trim; /* NULL: sensors are taken as they are */
	struct node_sense sense; /* all that the firmware sees of the plant */
	struct pwl_track load, conv_load, ceil;
	bool brownout; /* `ceil` acts on the feed */
	bool held;     /* loads are off until a link is bypassed */
	struct surge surge;
	bool own_conv; /* the last of convs has the node's own output and load */
	struct node_conv **ends;  /* n_links; NULL: this link ends at the bus */
	struct pwl_track *powers; /* n_links: set-point of the converter at its end */
	struct node_conv *convs;  /* plant.n_convs */
	struct node_store store;  /* if plant.store */
	struct node_sensor sense_sc; /* its converter's output */
	bool fused; /* a fuse may trip within a step, which is then made anew: from these and a mark */
	struct node_conv *convs_before; /* plant.n_convs */
	struct node_store store_before;
	struct node_link *links;
	struct node_comm *comms; /* n_links */
	struct node_limit *limits; /* n_links */
	struct node_port *ports;
	size_t n_fields;
	struct rec_field *fields;
};

/* The bus at which a link ends: the node's, or its converter's output. */
static inline struct node_plant *
node_core_bus(struct node_core *c, size_t link)
{
	return c->ends[link] ? &c->ends[link]->out : &c->plant;
}

/* What its sensors look at; vm, load_w: of this step, or NULL before the first. */
static inline struct node_sense_view
node_core_view(const struct node_core *c, const double *vm, const double *load_w)
{
	return (struct node_sense_view){ .plant = &c->plant,
		                         .convs = c->convs,
		                         .links = c->links,
		                         .n_links = c->n_links,
		                         .ports = c->ports,
		                         .n_ports = c->n_ports,
		                         .vm = vm,
		                         .load_w = load_w };
}

/* core_ops.create and .destroy. The slice must outlive the core. */
int node_create(const struct slice *, void **core, struct err *);
void node_destroy(void **core);

/* Lays out the fields of the frame, the last thing of create(); -1: out of memory. */
int node_record_init(struct node_core *);
/* core_ops.fields and .frame. */
const struct rec_field *node_record_fields(const void *core, size_t *n);
void node_record_frame(const void *core, union rec_word *);

/* In its first step k a newcomer learns what the script did to its links before it was born. */
void node_command_catch_up(struct node_core *, int64_t k);
/* Commands to the node and to the end of one of its links. */
void node_command_bus(struct node_core *, const struct core_cmd *, struct core_events *);
void node_command_link(struct node_core *, const struct core_cmd *, struct core_events *);
/* Follows a change of its MCU. */
void node_command_mcu(struct node_core *, enum mcu_change);

#endif
