/*
 * bare_exchange - the reference of the lock-step speed figures: processes that exchange messages
 * over raw libzmq as Voltloom does, and compute nothing. No line of Voltloom is in here.
 *
 *   bare_exchange [options] GRAPH
 *   GRAPH        ring:N | torus:ROWSxCOLS | path of a graph file
 *   --bytes B    size of a link message (default 64), for ring and torus
 *   --seconds S  length of the timed loop (default 2)
 *   --no-pin     leave placement to the scheduler
 *   --seqpacket  Unix SEQPACKET socket pairs instead of ZeroMQ: the check of the check
 *
 * Graph file, one line each:
 *   link A B BYTES                             both send each step, then receive from each other
 *   port A B OFFER_BYTES ANSWER_BYTES PERIOD   at steps divisible by PERIOD A sends the offer and
 *                                              takes the answer of the period before; B takes the
 *                                              offer and answers in the last step of the period
 * with process numbers from 0.
 *
 * Each process: send to all neighbours without waiting, then a blocking receive from each in turn.
 * One DEALER-DEALER ipc pair per edge, high-water mark 64, linger 0, one I/O thread. Processes are
 * pinned in contiguous blocks inside the set that sched_getaffinity allows. All start together when
 * all are connected; only the loop is timed, and CPU is getrusage over the loop, I/O threads
 * included. Prints one line:
 *   procs P steps K seconds S steps_per_s X cpu_us_per_step Y
 * where Y is CPU time over processes and steps.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

enum {
	PROCS_MAX = 1024,
	EDGES_MAX = 8192,
	DEGREE_MAX = 64,
	BYTES_MAX = 4096,
	HWM = 64,
	RCVTIMEO_MS = 20,   /* as the fast path of a node: the wait is cut into pieces */
	READY_S = 60,       /* until all are connected */
	WARMUP_STEPS = 200, /* before the clock starts */
};

struct edge {
	int a, b;             /* processes */
	int a_bytes, b_bytes; /* size of what a sends, what b sends */
	int period;           /* 1: link */
	bool port;
	int fds[2]; /* SEQPACKET: ends of a and b */
};

/* One end of an edge, as its process sees it. */
struct end {
	void *socket; /* ZeroMQ */
	int fd;       /* SEQPACKET */
	int tx_bytes, rx_bytes, period;
	bool port, offers; /* port: this end sends the offer */
};

struct figures { /* of one process, written by it */
	int64_t start_ns, end_ns;
	double cpu_s;
};
struct shared {
	_Atomic int64_t stop_k; /* the loop ends before this step; set once by process 0 */
	struct figures proc[PROCS_MAX];
};

static struct edge edges[EDGES_MAX];
static int n_edges, n_procs, period_max = 1;
static struct shared *shared;
static double seconds = 2;
static bool pin = true, seqpacket;
static char dir[64];
static int ready_pipe[2], go_pipe[2];

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bare_exchange: %s%s%s\n", what, errno ? ": " : "",
	        errno ? strerror(errno) : "");
	exit(4);
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static double
cpu_s(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

/* ---- graph ---- */

static void
edge_add(int a, int b, int a_bytes, int b_bytes, int period, bool port)
{
	errno = 0;
	if (n_edges == EDGES_MAX)
		die("too many edges");
	if (a < 0 || b < 0 || a >= PROCS_MAX || b >= PROCS_MAX || a == b)
		die("an edge names an impossible process");
	if (a_bytes < 1 || b_bytes < 1 || a_bytes > BYTES_MAX || b_bytes > BYTES_MAX || period < 1)
		die("an edge has an impossible size or period");
	edges[n_edges++] = (struct edge){ a, b, a_bytes, b_bytes, period, port, { -1, -1 } };
	if (a >= n_procs)
		n_procs = a + 1;
	if (b >= n_procs)
		n_procs = b + 1;
	if (period > period_max)
		period_max = period;
}

static void
graph_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[200];

	if (!f)
		die(path);
	while (fgets(line, sizeof line, f)) {
		int a, b, ab, bb, period;

		if (sscanf(line, "link %d %d %d", &a, &b, &ab) == 3) {
			edge_add(a, b, ab, ab, 1, false);
		} else if (sscanf(line, "port %d %d %d %d %d", &a, &b, &ab, &bb, &period) == 5) {
			edge_add(a, b, ab, bb, period, true);
		} else if (line[0] != '#' && line[0] != '\n') {
			errno = 0;
			die("a line of the graph file is neither a link nor a port");
		}
	}
	fclose(f);
}

static void
graph_make(const char *graph, int bytes)
{
	int n, rows, cols;

	if (sscanf(graph, "ring:%d", &n) == 1) {
		/* a ring of two is one edge, not two */
		for (int i = 0; i < (n == 2 ? 1 : n); i++)
			edge_add(i, (i + 1) % n, bytes, bytes, 1, false);
	} else if (sscanf(graph, "torus:%dx%d", &rows, &cols) == 2) {
		for (int r = 0; r < rows; r++) {
			for (int c = 0; c < cols; c++) {
				int i = r * cols + c;

				if (cols > 2 || c == 0)
					edge_add(i, r * cols + (c + 1) % cols, bytes, bytes, 1,
					         false);
				if (rows > 2 || r == 0)
					edge_add(i, (r + 1) % rows * cols + c, bytes, bytes, 1,
					         false);
			}
		}
	} else {
		graph_read(graph);
	}
	errno = 0;
	if (n_procs < 2)
		die("a graph needs two processes");
}

/* ---- one process ---- */

static void
pin_to_block(int me)
{
	cpu_set_t allowed, one;
	int n, want, cpu;

	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		die("sched_getaffinity");
	n = CPU_COUNT(&allowed);
	want = (int)((long)me * n / n_procs);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && want-- == 0)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof one, &one) < 0)
		die("sched_setaffinity");
}

static void *
socket_open(void *ctx, int edge, bool bind)
{
	void *s = zmq_socket(ctx, ZMQ_DEALER);
	int hwm = HWM, linger = 0, timeo = RCVTIMEO_MS, immediate = 1, ivl = 5;
	char name[100];

	if (!s)
		die("zmq_socket");
	zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm);
	zmq_setsockopt(s, ZMQ_RCVHWM, &hwm, sizeof hwm);
	zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
	zmq_setsockopt(s, ZMQ_RCVTIMEO, &timeo, sizeof timeo);
	zmq_setsockopt(s, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
	zmq_setsockopt(s, ZMQ_RECONNECT_IVL, &ivl, sizeof ivl);
	snprintf(name, sizeof name, "ipc://%s/%d", dir, edge);
	if ((bind ? zmq_bind(s, name) : zmq_connect(s, name)) < 0)
		die(name);
	return s;
}

static int
ends_open(int me, void *ctx, struct end *ends)
{
	int n = 0;

	for (int e = 0; e < n_edges; e++) {
		const struct edge *edge = &edges[e];
		int side = edge->a == me ? 0 : 1;

		if (edge->a != me && edge->b != me)
			continue;
		errno = 0;
		if (n == DEGREE_MAX)
			die("a process has too many edges");
		ends[n] = (struct end){ .fd = edge->fds[side],
			                .tx_bytes = side ? edge->b_bytes : edge->a_bytes,
			                .rx_bytes = side ? edge->a_bytes : edge->b_bytes,
			                .period = edge->period,
			                .port = edge->port,
			                .offers = side == 0 };
		if (seqpacket)
			close(edge->fds[!side]);
		else
			ends[n].socket = socket_open(ctx, e, side == 0);
		n++;
	}
	return n;
}

static void
tx(const struct end *end, char *buf)
{
	ssize_t n = seqpacket ? send(end->fd, buf, (size_t)end->tx_bytes, MSG_DONTWAIT)
	                      : zmq_send(end->socket, buf, (size_t)end->tx_bytes, ZMQ_DONTWAIT);

	if (n != end->tx_bytes)
		die("send");
}

static void
rx(const struct end *end, char *buf)
{
	ssize_t n;

	do {
		n = seqpacket ? recv(end->fd, buf, BYTES_MAX, 0)
		              : zmq_recv(end->socket, buf, BYTES_MAX, 0);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n != end->rx_bytes)
		die("receive");
}

/* All edges carry a message in both directions once, so that connecting is not timed. */
static void
hello(struct end *ends, int n, char *buf)
{
	for (int i = 0; i < n; i++)
		while (!seqpacket &&
		       zmq_send(ends[i].socket, buf, (size_t)ends[i].tx_bytes, ZMQ_DONTWAIT) < 0) {
			if (errno != EAGAIN)
				die("hello");
			poll(NULL, 0, 1);
		}
	for (int i = 0; i < n && !seqpacket; i++)
		rx(&ends[i], buf);
}

static void
step(struct end *ends, int n, int64_t k, char *buf)
{
	memcpy(buf, &k, sizeof k);
	for (int i = 0; i < n; i++)
		if (!ends[i].port || (ends[i].offers && k % ends[i].period == 0))
			tx(&ends[i], buf);
	for (int i = 0; i < n; i++) {
		bool due = !ends[i].port || k % ends[i].period == 0;
		bool first_answer = ends[i].port && ends[i].offers && k == 0;

		if (due && !first_answer)
			rx(&ends[i], buf);
	}
	memcpy(buf, &k, sizeof k);
	for (int i = 0; i < n; i++)
		if (ends[i].port && !ends[i].offers && k % ends[i].period == ends[i].period - 1)
			tx(&ends[i], buf);
}

static void
child(int me)
{
	static char buf[BYTES_MAX];
	struct end ends[DEGREE_MAX];
	struct figures *fig = &shared->proc[me];
	void *ctx = seqpacket ? NULL : zmq_ctx_new();
	int n;
	char byte = 0;

	if (pin)
		pin_to_block(me);
	if (!seqpacket && !ctx)
		die("zmq_ctx_new");
	n = ends_open(me, ctx, ends);
	hello(ends, n, buf);
	if (write(ready_pipe[1], &byte, 1) != 1 || read(go_pipe[0], &byte, 1) != 0)
		die("barrier");
	double cpu0 = 0;
	for (int64_t k = 0; k < atomic_load_explicit(&shared->stop_k, memory_order_acquire); k++) {
		if (k == WARMUP_STEPS) {
			fig->start_ns = now_ns();
			cpu0 = cpu_s();
		}
		step(ends, n, k, buf);
		/* No process is further ahead of this one than its distance times a period. */
		if (me == 0 && k > WARMUP_STEPS && k % 16 == 0 && shared->stop_k == INT64_MAX &&
		    (double)(now_ns() - fig->start_ns) >= seconds * 1e9)
			atomic_store_explicit(&shared->stop_k,
			                      k + (int64_t)n_procs * (period_max + 1),
			                      memory_order_release);
	}
	fig->end_ns = now_ns();
	fig->cpu_s = cpu_s() - cpu0;
	/* Stay until all have finished: an end that closes early would stop its neighbours. */
	if (write(ready_pipe[1], &byte, 1) != 1)
		die("barrier");
	pause();
}

/* ---- parent ---- */

/* Waits for one byte from each process; a death or silence is the end. */
static void
barrier(int timeout_s)
{
	struct pollfd p = { .fd = ready_pipe[0], .events = POLLIN };
	int64_t end = now_ns() + (int64_t)timeout_s * 1000000000;

	for (int got = 0; got < n_procs;) {
		char bytes[PROCS_MAX];
		int status;

		if (poll(&p, 1, 100) > 0) {
			ssize_t n = read(ready_pipe[0], bytes, (size_t)(n_procs - got));

			if (n <= 0)
				die("barrier");
			got += (int)n;
			continue;
		}
		errno = 0;
		if (waitpid(-1, &status, WNOHANG) > 0)
			die("a process died");
		if (now_ns() > end)
			die("not all processes are connected");
	}
}

static void
report(void)
{
	int64_t start = INT64_MAX, end = 0, k = shared->stop_k - WARMUP_STEPS;
	double cpu = 0, s;

	for (int i = 0; i < n_procs; i++) {
		const struct figures *f = &shared->proc[i];

		start = f->start_ns < start ? f->start_ns : start;
		end = f->end_ns > end ? f->end_ns : end;
		cpu += f->cpu_s;
	}
	s = 1e-9 * (double)(end - start);
	printf("procs %d steps %lld seconds %.4f steps_per_s %.1f cpu_us_per_step %.3f\n", n_procs,
	       (long long)k, s, (double)k / s, 1e6 * cpu / (double)k / n_procs);
}

static void
prepare(void)
{
	const char *tmp = getenv("XDG_RUNTIME_DIR");
	struct rlimit rl;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	              0);
	if (shared == MAP_FAILED || pipe(ready_pipe) < 0 || pipe(go_pipe) < 0)
		die("set-up");
	shared->stop_k = INT64_MAX;
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	for (int e = 0; e < n_edges && seqpacket; e++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, edges[e].fds) < 0)
			die("socketpair");
	/* short: the path of a Unix socket has 107 bytes */
	if (snprintf(dir, sizeof dir, "%s/bare.XXXXXX", tmp ? tmp : "/tmp") >= (int)sizeof dir)
		snprintf(dir, sizeof dir, "/tmp/bare.XXXXXX");
	if (!mkdtemp(dir))
		die(dir);
}

static void
tidy(void)
{
	for (int e = 0; e < n_edges; e++) {
		char name[100];

		snprintf(name, sizeof name, "%s/%d", dir, e);
		unlink(name);
	}
	rmdir(dir);
}

static void
usage(void)
{
	fputs("usage: bare_exchange [--bytes B] [--seconds S] [--no-pin] [--seqpacket] "
	      "ring:N|torus:RxC|FILE\n",
	      stderr);
	exit(64);
}

static const char *
arguments(int argc, char **argv, int *bytes)
{
	const char *graph = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--bytes") && i + 1 < argc)
			*bytes = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = atof(argv[++i]);
		else if (!strcmp(argv[i], "--no-pin"))
			pin = false;
		else if (!strcmp(argv[i], "--seqpacket"))
			seqpacket = true;
		else if (argv[i][0] != '-' && !graph)
			graph = argv[i];
		else
			usage();
	}
	if (!graph || !(seconds > 0 && seconds <= 3600))
		usage();
	return graph;
}

int
main(int argc, char **argv)
{
	pid_t pids[PROCS_MAX] = { 0 }, me = getpid();
	int bytes = 64;
	const char *graph = arguments(argc, argv, &bytes);

	graph_make(graph, bytes);
	prepare();
	atexit(tidy);
	for (int i = 0; i < n_procs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != me)
				_exit(4);
			close(go_pipe[1]);
			child(i);
			_exit(0);
		}
	}
	barrier(READY_S);
	close(go_pipe[1]);
	barrier((int)seconds + READY_S);
	report();
	for (int i = 0; i < n_procs; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < n_procs; i++)
		waitpid(pids[i], NULL, 0);
	return 0;
}
