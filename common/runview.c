#include "runview.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

struct proc_view {
	size_t n, cap;
	struct rec_file **lives; /* by incarnation */
};

struct runview {
	const struct topo *topo;
	struct topo *own; /* when it was loaded here */
	char *rec_dir;    /* NULL: memory */
	size_t n_procs;
	struct proc_view *procs;
	uint64_t generation;
};

static int
runview_no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "recorder files: out of memory");
}

/* The topology and the file must speak of the same mesh; finds the process. */
static int
check_file(const struct runview *v, const struct rec_file *f, const char *name, size_t *proc,
           struct err *err)
{
	const struct rec_head *h = rec_file_head(f);
	const struct topo *t = v->topo;
	bool node = !strcmp(h->kind, "node");
	if (!node && strcmp(h->kind, "module"))
		return err_set(err, ERR_INPUT, "%s: unknown kind '%s'", name, h->kind);
	int i = node ? topo_find_node(t, h->id) : topo_find_module(t, h->id);
	if (i < 0)
		return err_set(err, ERR_INPUT, "%s: the mesh has no %s '%s'", name, h->kind, h->id);
	if (memcmp(h->topo_hash, t->hash, sizeof h->topo_hash))
		return err_set(err, ERR_INPUT, "%s: recorded with another topology", name);
	if (h->step_ns != t->step_ns || h->substeps != t->substeps ||
	    h->port_period != t->port_period)
		return err_set(err, ERR_INPUT,
		               "%s: step, substeps or port_period differ from the topology", name);
	*proc = (size_t)i + (node ? 0 : t->n_nodes);
	return 0;
}

static bool
same_fields(const struct rec_file *a, const struct rec_file *b)
{
	size_t n, m;
	const struct rec_field *p = rec_file_fields(a, &n), *q = rec_file_fields(b, &m);
	return n == m && !memcmp(p, q, n * sizeof *p);
}

/* Takes over the file, also when it fails. */
static int
add_file(struct runview *v, struct rec_file *f, const char *name, struct err *err)
{
	size_t proc = 0;
	int rc = check_file(v, f, name, &proc, err);
	if (rc)
		goto fail;
	struct proc_view *p = &v->procs[proc];
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 2;
		struct rec_file **lives = realloc(p->lives, cap * sizeof *lives);
		if (!lives) {
			rc = runview_no_memory(err);
			goto fail;
		}
		p->lives = lives;
		p->cap = cap;
	}
	uint32_t inc = rec_file_head(f)->incarnation;
	size_t at = p->n;
	while (at && rec_file_head(p->lives[at - 1])->incarnation > inc)
		at--;
	if (at && rec_file_head(p->lives[at - 1])->incarnation == inc) {
		rc = err_set(err, ERR_INPUT, "%s: incarnation %" PRIu32 " is there twice", name,
		             inc);
		goto fail;
	}
	if (p->n && !same_fields(p->lives[0], f)) {
		rc = err_set(err, ERR_INPUT, "%s: other fields than in another incarnation", name);
		goto fail;
	}
	memmove(p->lives + at + 1, p->lives + at, (p->n - at) * sizeof *p->lives);
	p->lives[at] = f;
	p->n++;
	return 0;
fail:
	rec_file_close(&f);
	return rc;
}

static int
check_order(const struct runview *v, struct err *err)
{
	for (size_t i = 0; i < v->n_procs; i++) {
		const struct proc_view *p = &v->procs[i];
		for (size_t l = 1; l < p->n; l++)
			if (rec_file_head(p->lives[l])->start_k <= rec_file_last_k(p->lives[l - 1]))
				return err_set(err, ERR_INPUT,
				               "%s: incarnation %" PRIu32
				               " begins before the end of the one before",
				               runview_id(v, i),
				               rec_file_head(p->lives[l])->incarnation);
	}
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the frame files, in byte order, so that the first error is always the same. */
static int
list_files(const char *dir, char ***ret, size_t *n, struct err *err)
{
	static const char suffix[] = ".frames";
	DIR *d = opendir(dir);
	if (!d)
		return err_sys(err, ERR_IO, "%s", dir);
	char **names = NULL;
	size_t count = 0, cap = 0;
	int rc = 0;
	const struct dirent *e;
	while (!rc && (e = readdir(d))) {
		size_t len = strlen(e->d_name), m = sizeof suffix - 1;
		if (len <= m || strcmp(e->d_name + len - m, suffix))
			continue;
		if (count == cap) {
			cap = cap ? 2 * cap : 64;
			char **p = realloc(names, cap * sizeof *p);
			if (!p) {
				rc = runview_no_memory(err);
				break;
			}
			names = p;
		}
		names[count] = strdup(e->d_name);
		if (!names[count])
			rc = runview_no_memory(err);
		else
			count++;
	}
	closedir(d);
	if (!rc) {
		if (count)
			qsort(names, count, sizeof *names, by_name);
		*ret = names;
		*n = count;
		return 0;
	}
	while (count)
		free(names[--count]);
	free(names);
	return rc;
}

/* "node.n1.2.frames" of a life that is open already. */
static bool
is_open(const struct runview *v, const char *name)
{
	for (size_t i = 0; i < v->n_procs; i++) {
		for (size_t l = 0; l < v->procs[i].n; l++) {
			const struct rec_head *h = rec_file_head(v->procs[i].lives[l]);
			char known[128];
			snprintf(known, sizeof known, "%s.%s.%" PRIu32 ".frames", h->kind, h->id,
			         h->incarnation);
			if (!strcmp(known, name))
				return true;
		}
	}
	return false;
}

static int
scan(struct runview *v, struct err *err)
{
	char **names = NULL;
	size_t n = 0;
	int rc = list_files(v->rec_dir, &names, &n, err);
	for (size_t i = 0; i < n; i++) {
		char *path = NULL;
		struct rec_file *f = NULL;
		if (!rc && !is_open(v, names[i])) {
			if (asprintf(&path, "%s/%s", v->rec_dir, names[i]) < 0) {
				path = NULL;
				rc = runview_no_memory(err);
			}
			if (!rc)
				rc = rec_file_open(path, &f, err);
			if (!rc)
				rc = add_file(v, f, path, err);
		}
		free(path);
		free(names[i]);
	}
	free(names);
	return rc ? rc : check_order(v, err);
}

static int
make(const struct topo *topo, struct runview **ret, struct err *err)
{
	struct runview *v = calloc(1, sizeof *v);
	if (!v)
		return runview_no_memory(err);
	v->topo = topo;
	v->n_procs = topo->n_nodes + topo->n_modules;
	v->procs = calloc(v->n_procs, sizeof *v->procs);
	if (!v->procs) {
		free(v);
		return runview_no_memory(err);
	}
	*ret = v;
	return 0;
}

static int
load_topo(const char *run_dir, struct topo **ret, struct err *err)
{
	char *path = NULL;
	struct diag_list diags;
	if (asprintf(&path, "%s/mesh.yaml", run_dir) < 0)
		return runview_no_memory(err);
	diag_list_init(&diags);
	int rc = topo_load(path, &diags, ret, err);
	for (size_t i = 0; rc && i < diags.n; i++) {
		if (diags.d[i].level == DIAG_ERROR) {
			rc = err_set(err, rc, "%s:%u:%u: %s", path, diags.d[i].line,
			             diags.d[i].column, diags.d[i].text);
			break;
		}
	}
	diag_list_free(&diags);
	free(path);
	return rc;
}

int
runview_open(const char *run_dir, struct runview **ret, struct err *err)
{
	struct topo *topo = NULL;
	struct runview *v = NULL;
	int rc = load_topo(run_dir, &topo, err);
	if (rc)
		return rc;
	rc = make(topo, &v, err);
	if (rc) {
		topo_destroy(&topo);
		return rc;
	}
	v->own = topo;
	if (asprintf(&v->rec_dir, "%s/rec", run_dir) < 0) {
		v->rec_dir = NULL;
		rc = runview_no_memory(err);
	}
	if (!rc)
		rc = scan(v, err);
	if (!rc && runview_last_k(v) < 0)
		rc = err_set(err, ERR_INPUT, "%s: nothing was recorded", v->rec_dir);
	if (rc) {
		runview_close(&v);
		return rc;
	}
	*ret = v;
	return 0;
}

int
runview_of(const struct topo *topo, struct rec *const *recs, size_t n, struct runview **ret,
           struct err *err)
{
	struct runview *v = NULL;
	int rc = make(topo, &v, err);
	for (size_t i = 0; !rc && i < n; i++) {
		struct rec_file *f = NULL;
		rc = rec_file_of(recs[i], &f, err);
		if (!rc)
			rc = add_file(v, f, rec_head(recs[i])->id, err);
	}
	if (!rc)
		rc = check_order(v, err);
	if (rc) {
		runview_close(&v);
		return rc;
	}
	*ret = v;
	return 0;
}

void
runview_close(struct runview **pv)
{
	struct runview *v = *pv;
	if (!v)
		return;
	*pv = NULL;
	for (size_t i = 0; i < v->n_procs; i++) {
		for (size_t l = 0; l < v->procs[i].n; l++)
			rec_file_close(&v->procs[i].lives[l]);
		free(v->procs[i].lives);
	}
	free(v->procs);
	free(v->rec_dir);
	topo_destroy(&v->own);
	free(v);
}

int
runview_refresh(struct runview *v, struct err *err)
{
	v->generation++;
	for (size_t i = 0; i < v->n_procs; i++) {
		for (size_t l = 0; l < v->procs[i].n; l++) {
			int rc = rec_file_refresh(v->procs[i].lives[l], err);
			if (rc)
				return rc;
		}
	}
	return v->rec_dir ? scan(v, err) : check_order(v, err);
}

const struct topo *
runview_topo(const struct runview *v)
{
	return v->topo;
}

uint64_t
runview_seed(const struct runview *v)
{
	for (size_t i = 0; i < v->n_procs; i++)
		if (v->procs[i].n)
			return rec_file_head(v->procs[i].lives[0])->seed;
	return v->topo->seed;
}

bool
runview_partial(const struct runview *v)
{
	for (size_t i = 0; i < v->n_procs; i++)
		for (size_t l = 0; l < v->procs[i].n; l++)
			if (rec_file_partial(v->procs[i].lives[l]))
				return true;
	return false;
}

int64_t
runview_first_k(const struct runview *v)
{
	int64_t k = INT64_MAX;
	for (size_t i = 0; i < v->n_procs; i++)
		for (size_t l = 0; l < v->procs[i].n; l++) {
			const struct rec_file *f = v->procs[i].lives[l];
			if (rec_file_last_k(f) >= rec_file_first_k(f) && rec_file_first_k(f) < k)
				k = rec_file_first_k(f);
		}
	return k == INT64_MAX ? 0 : k;
}

int64_t
runview_last_k(const struct runview *v)
{
	int64_t k = -1;
	for (size_t i = 0; i < v->n_procs; i++)
		for (size_t l = 0; l < v->procs[i].n; l++) {
			const struct rec_file *f = v->procs[i].lives[l];
			if (rec_file_last_k(f) >= rec_file_first_k(f) && rec_file_last_k(f) > k)
				k = rec_file_last_k(f);
		}
	return k;
}

size_t
runview_n_procs(const struct runview *v)
{
	return v->n_procs;
}

const char *
runview_id(const struct runview *v, size_t proc)
{
	assert(proc < v->n_procs);
	return proc < v->topo->n_nodes ? v->topo->nodes[proc].id
	                               : v->topo->modules[proc - v->topo->n_nodes].id;
}

int
runview_find(const struct runview *v, const char *id)
{
	int i = topo_find_node(v->topo, id);
	if (i >= 0)
		return i;
	i = topo_find_module(v->topo, id);
	return i < 0 ? -1 : i + (int)v->topo->n_nodes;
}

size_t
runview_n_lives(const struct runview *v, size_t proc)
{
	assert(proc < v->n_procs);
	return v->procs[proc].n;
}

struct rec_file *
runview_life(const struct runview *v, size_t proc, size_t life)
{
	assert(proc < v->n_procs && life < v->procs[proc].n);
	return v->procs[proc].lives[life];
}

int
runview_life_at(const struct runview *v, size_t proc, int64_t k)
{
	assert(proc < v->n_procs);
	const struct proc_view *p = &v->procs[proc];
	for (size_t l = p->n; l-- > 0;)
		if (rec_file_first_k(p->lives[l]) <= k)
			return k <= rec_file_last_k(p->lives[l]) ? (int)l : -1;
	return -1;
}

bool
runview_value(const struct runview *v, size_t proc, int field, int64_t k, double *ret)
{
	int life = field < 0 ? -1 : runview_life_at(v, proc, k);
	if (life < 0)
		return false;
	const struct rec_file *f = v->procs[proc].lives[life];
	const union rec_word *w = rec_file_frame(f, k);
	size_t n;
	const struct rec_field *fields = rec_file_fields(f, &n);
	assert((size_t)field < n);
	if (!w)
		return false;
	*ret = fields[field].type == 'i' ? (double)w[field].i : w[field].f;
	return true;
}

struct runview_run
runview_run(const struct runview *v, size_t proc, int64_t k)
{
	struct runview_run r = { .n = INT64_MAX };
	int life = runview_life_at(v, proc, k);
	const struct proc_view *p = &v->procs[proc];
	if (life >= 0) {
		const struct rec_file *f = p->lives[life];
		rec_file_fields(f, &r.words);
		r.w = rec_file_run(f, k, &r.n);
		return r;
	}
	/* Until the next life begins, one that has frames. */
	for (size_t l = 0; l < p->n; l++) {
		int64_t first = rec_file_first_k(p->lives[l]);
		if (first > k && first <= rec_file_last_k(p->lives[l]) && first - k < r.n)
			r.n = first - k;
	}
	return r;
}

uint64_t
runview_generation(const struct runview *v)
{
	return v->generation;
}

int
runview_field(const struct runview *v, size_t proc, const char *name)
{
	assert(proc < v->n_procs);
	return v->procs[proc].n ? rec_file_field(v->procs[proc].lives[0], name) : -1;
}

const struct rec_field *
runview_fields(const struct runview *v, size_t proc, size_t *n)
{
	assert(proc < v->n_procs);
	*n = 0;
	return v->procs[proc].n ? rec_file_fields(v->procs[proc].lives[0], n) : NULL;
}

int
runview_trace(const struct runview *v, uint8_t out[32], struct err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < v->n_procs; i++)
		n += v->procs[i].n;
	struct rec_file **all = malloc((n ? n : 1) * sizeof *all);
	if (!all)
		return runview_no_memory(err);
	n = 0;
	for (size_t i = 0; i < v->n_procs; i++)
		for (size_t l = 0; l < v->procs[i].n; l++)
			all[n++] = v->procs[i].lives[l];
	int rc = rec_trace(all, n, out, err);
	free(all);
	return rc;
}
