/* The transport of host_memory: queues, and pairs of sockets that carry them. */
#include "host_memory_priv.h"

#include <stdlib.h>
#include <string.h>

void *
memory_fifo_put(struct host_memory *h, struct fifo *f, const void *item)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 8;
		char *mem = malloc(cap * f->item);
		if (!mem) {
			host_memory_fail(h, ERR_NOMEM, "memory host: out of memory");
			return NULL;
		}
		for (size_t i = 0; i < f->n; i++)
			memcpy(mem + i * f->item, f->mem + (f->head + i) % f->cap * f->item,
			       f->item);
		free(f->mem);
		f->mem = mem;
		f->cap = cap;
		f->head = 0;
	}
	void *slot = f->mem + (f->head + f->n++) % f->cap * f->item;
	memcpy(slot, item, f->item);
	h->moved = true;
	return slot;
}

/* ---- socket pairs --------------------------------------------------------------------------- */

static int
side_of(uint32_t self, uint32_t peer)
{
	return self < peer ? 0 : 1;
}

static struct pair *
pair_get(struct host_memory *h, uint32_t proc, size_t chan, uint32_t peer_inc)
{
	struct mem_proc *mp = &h->procs[proc];
	const struct slice_chan *c = &mp->slice->chans[chan];
	int side = side_of(proc, c->peer);
	uint32_t inc[2];
	inc[side] = mp->slice->incarnation;
	inc[1 - side] = peer_inc;
	struct pair **list = h->pairs[c->edge];
	size_t n = h->n_pairs[c->edge];
	for (size_t i = n; i-- > 0;)
		if (list[i]->inc[0] == inc[0] && list[i]->inc[1] == inc[1])
			return list[i];
	struct pair *p = calloc(1, sizeof *p);
	list = realloc(list, (n + 1) * sizeof(struct pair *));
	if (list)
		h->pairs[c->edge] = list;
	if (!p || !list) {
		free(p);
		host_memory_fail(h, ERR_NOMEM, "memory host: out of memory");
		return NULL;
	}
	p->edge = c->edge;
	p->inc[0] = inc[0];
	p->inc[1] = inc[1];
	p->to[0].item = p->to[1].item = sizeof(struct link_msg);
	list[n] = p;
	h->n_pairs[c->edge]++;
	return p;
}

void
host_memory_pair_socket(void *arg, size_t chan, uint32_t inc)
{
	struct io_arg *a = arg;
	struct pair *p = pair_get(a->h, a->proc, chan, inc);
	if (!p)
		return;
	int side = side_of(a->proc, a->h->procs[a->proc].slice->chans[chan].peer);
	p->open[side] = true;
	p->chan[side] = (uint32_t)chan;
	if (p->open[1 - side] && !p->dead[1 - side])
		p->joined = true;
	a->h->moved = true;
}

void
host_memory_pair_close(void *arg, size_t chan, uint32_t inc)
{
	struct io_arg *a = arg;
	struct pair *p = pair_get(a->h, a->proc, chan, inc);
	if (!p)
		return;
	int side = side_of(a->proc, a->h->procs[a->proc].slice->chans[chan].peer);
	p->dead[side] = true;
	p->to[side].n = 0;
	a->h->moved = true;
}

static struct outlet *
outlet_of(struct io_arg *a, size_t chan, uint32_t inc)
{
	struct outlet *o = &a->outlets[chan];
	const uint32_t peer = a->h->procs[a->proc].slice->chans[chan].peer;

	*o = (struct outlet){ .pair = pair_get(a->h, a->proc, chan, inc),
		              .inc = inc,
		              .to = 1 - side_of(a->proc, peer),
		              .peer = &a->h->procs[peer] };
	return o->pair ? o : NULL;
}

/* NULL: out of memory, which has failed the run. */
static inline struct outlet *
outlet_get(struct io_arg *a, size_t chan, uint32_t inc)
{
	struct outlet *o = &a->outlets[chan];
	return o->pair && o->inc == inc ? o : outlet_of(a, chan, inc);
}

/* Round robin: the peer is not running, its inbox takes data at once. */
static inline bool
outlet_is_direct(const struct outlet *o)
{
	return o->pair->open[o->to] && !o->pair->dead[o->to] && o->pair->to[o->to].n == 0;
}

struct core_msg *
host_memory_pair_room(void *arg, size_t chan, uint32_t inc)
{
	struct outlet *o = outlet_get(arg, chan, inc);
	if (!o || !outlet_is_direct(o))
		return NULL;
	struct core_msg *m = proc_room(o->peer->p, o->pair->chan[o->to], o->pair->inc[1 - o->to]);
	o->placed = m != NULL;
	return m;
}

void
host_memory_pair_send(void *arg, size_t chan, uint32_t inc, const struct link_msg *m)
{
	struct io_arg *a = arg;
	struct host_memory *h = a->h;
	struct outlet *o = outlet_get(a, chan, inc);
	if (!o)
		return;
	struct pair *p = o->pair;
	const int to = o->to;
	const bool placed = o->placed && m->type == LM_WAVE;
	o->placed = false;
	if (placed) {
		proc_receive_placed(o->peer->p, p->chan[to], p->inc[1 - to], m);
		h->moved = true;
		return;
	}
	if (p->dead[to])
		return;
	if (h->par.schedule == 0 && m->type >= LM_WAVE && m->type <= LM_ANSWER &&
	    outlet_is_direct(o) &&
	    proc_try_receive(o->peer->p, p->chan[to], p->inc[1 - to], m)) {
		h->moved = true;
		return;
	}
	memory_fifo_put(h, &p->to[to], m);
}

void
host_memory_pair_end(struct host_memory *h, uint32_t proc, bool lossy)
{
	const struct mem_proc *mp = &h->procs[proc];
	for (size_t c = 0; c < mp->slice->n_chans; c++) {
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, mp->slice->chans[c].peer);
		for (size_t i = 0; i < h->n_pairs[edge]; i++) {
			struct pair *p = h->pairs[edge][i];
			if (p->inc[side] != mp->slice->incarnation)
				continue;
			p->dead[side] = true;
			struct fifo *f = &p->to[1 - side];
			if (lossy && f->n)
				f->n = (size_t)(host_memory_rnd(h) % (f->n + 1));
			if (!p->joined)
				f->n = 0;
		}
	}
}

void
host_memory_pair_free_all(struct host_memory *h)
{
	for (size_t e = 0; h->pairs && h->n_pairs && e < h->n_edges; e++) {
		for (size_t i = 0; i < h->n_pairs[e]; i++) {
			free(h->pairs[e][i]->to[0].mem);
			free(h->pairs[e][i]->to[1].mem);
			free(h->pairs[e][i]);
		}
		free((void *)h->pairs[e]);
	}
	free((void *)h->pairs);
	free(h->n_pairs);
}

/* ---- deliveries -------------------------------------------------------------------------------
 */

/* The word of death must not overtake what the transport knows: see proc_supervisor(). */
void
host_memory_pair_tell_connected(struct host_memory *h, uint32_t proc, const struct sup_msg *m)
{
	struct mem_proc *mp = &h->procs[proc];
	for (size_t c = 0; c < mp->slice->n_chans; c++) {
		if (mp->slice->chans[c].peer != m->proc)
			continue;
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, m->proc);
		for (size_t i = 0; i < h->n_pairs[edge]; i++) {
			const struct pair *p = h->pairs[edge][i];
			if (p->joined && p->inc[side] == mp->slice->incarnation &&
			    p->inc[1 - side] == m->inc)
				proc_connected(mp->p, c, m->inc);
		}
	}
}

static bool
deliver_link(struct host_memory *h, struct pair *p, int side, uint32_t proc, size_t chan)
{
	struct mem_proc *mp = &h->procs[proc];
	uint32_t peer_inc = p->inc[1 - side];

	if (!mp->alive || mp->stopped || !p->open[side] || p->dead[side] ||
	    mp->slice->incarnation != p->inc[side] || p->told[side])
		return false;
	struct link_msg *m = memory_fifo_peek(&p->to[side]);
	if (m) {
		if (!p->joined || !proc_can_receive(mp->p, chan, peer_inc))
			return false;
		struct link_msg copy = *m;
		memory_fifo_drop(&p->to[side]);
		proc_receive(mp->p, chan, peer_inc, &copy);
		return true;
	}
	if (!p->joined || !p->dead[1 - side])
		return false;
	p->told[side] = true;
	proc_connected(mp->p, chan, peer_inc);
	proc_disconnected(mp->p, chan, peer_inc);
	return true;
}

bool
host_memory_pair_deliver(struct host_memory *h, uint32_t proc, bool one, uint64_t pick)
{
	struct mem_proc *mp = &h->procs[proc];
	bool any = false;
	size_t n = mp->alive ? mp->slice->n_chans : 0;
	for (size_t i = 0; i < n; i++) {
		size_t c = (i + pick) % n;
		uint32_t edge = mp->slice->chans[c].edge;
		int side = side_of(proc, mp->slice->chans[c].peer);
		size_t n_pairs = h->n_pairs[edge],
		       first = n_pairs ? pick / (n ? n : 1) % n_pairs : 0;
		for (size_t j = 0; j < n_pairs; j++)
			while (deliver_link(h, h->pairs[edge][(j + first) % n_pairs], side, proc,
			                    c)) {
				any = true;
				if (one)
					return true;
			}
	}
	return any;
}
