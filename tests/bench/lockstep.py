#!/usr/bin/python3
"""The lock-step speed table: Voltloom beside the bare exchange, in alternating pairs.

    lockstep.py [--out FILE] [--pairs N] [--seconds S] [--only CASE[,CASE...]] [--no-assert]

Each pair is one `voltloom run --speed max` and one bare_exchange over the same channels with the same
message sizes (mesh_graph reads both from the topology), one after the other, order alternating. What
counts is the median of the ratios of pairs, with quartiles.

VL_BIN: build folder, VL_SRC: checkout. Exit status 1 when a figure misses its limit.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("VL_BIN", "build/release")
SRC = os.environ.get("VL_SRC", ".")
STEP_S = 1e-4

# HELICS 3.7 federation doing the same exchange, ring, steps/s, on two cores.
HELICS_RING = {2: 3500, 8: 730, 32: 170}


def run(args, **kwargs):
    return subprocess.run(args, check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **kwargs).stdout


def fields(line):
    """"a 1 b 2.5" -> {"a": 1.0, "b": 2.5}"""
    words = line.split()
    return dict(zip(words[::2], map(float, words[1::2])))


# ---- topologies ----

def mesh_text(name, n, links):
    """A mesh in which each fourth node feeds itself and three others; well inside its ratings."""
    rows = ["voltloom: 1",
            f"mesh: {{ name: {name}, step: 100us, substeps: 10, seed: 1, nominal: 48V, "
            "control: consensus }",
            "defaults:",
            "  node: { c_bus: 20mF, supercap: { c: 1F, esr: 20mOhm } }",
            "  link: { r: 10mOhm, l: 2uH }",
            "nodes:"]
    for i in range(n):
        feed = (", feed: { v0: 48.5V, droop: 15.36mOhm, i_rated: 62.5A, i_max: 78.125A, tau: 1ms }"
                if i % 4 == 0 else "")
        rows.append(f"  - {{ id: n{i + 1}, initial: 48V{feed}, load: [[0ms, 300W, 1ms]] }}")
    rows.append("links:")
    for k, (a, b) in enumerate(links):
        rows.append(f"  - {{ id: l{k + 1}, between: [n{a + 1}, n{b + 1}] }}")
    return "\n".join(rows) + "\n"


def torus(rows, cols):
    links = set()
    for r in range(rows):
        for c in range(cols):
            i = r * cols + c
            for j in (r * cols + (c + 1) % cols, (r + 1) % rows * cols + c):
                if i != j:
                    links.add((min(i, j), max(i, j)))
    return rows * cols, sorted(links)


def ring(n):
    return n, sorted({(min(i, (i + 1) % n), max(i, (i + 1) % n)) for i in range(n)})


def chords(n):
    """Degree 4 on few nodes, where a torus would need parallel links: neighbours at 1 and 2."""
    return n, sorted({tuple(sorted((i, (i + d) % n))) for i in range(n) for d in (1, 2)})


# ---- one run of each ----

class Case:
    def __init__(self, name, graph=None, path=None, floor=None, note=""):
        self.name, self.floor, self.note = name, floor, note
        self.graph, self.path, self.channels = graph, path, None
        self.steps_per_s = None  # guess, for the length of runs

    def prepare(self, tmp):
        if self.path is None:
            self.path = f"{tmp}/{self.name}.yaml"
            with open(self.path, "w", encoding="utf-8") as f:
                f.write(mesh_text(self.name, *self.graph))
        self.channels = f"{tmp}/{self.name}.graph"
        with open(self.channels, "w", encoding="utf-8") as f:
            f.write(run([f"{BIN}/tests/bench/mesh_graph", self.path]))


def one_run(case, tmp, steps, *more):
    out = f"{tmp}/run"
    shutil.rmtree(out, ignore_errors=True)
    run([f"{BIN}/voltloom", "run", case.path, "--for", f"{steps * 100}us", "--speed", "max", "--quiet",
         "--out", out, *more])
    with open(f"{out}/host.json", encoding="utf-8") as f:
        host = json.load(f)
    shutil.rmtree(out)
    return host


def voltloom(case, tmp, seconds, *more):
    """The difference of a long and a short run, so that start, exec, connecting and stopping are in
    neither figure. CPU is what wait4 says of the processes of the mesh (cpu_s of host.json)."""
    steps = max(400, int(case.steps_per_s * seconds))
    short, long = (one_run(case, tmp, n, *more) for n in (steps // 4, steps))
    n, procs = long["steps"] - short["steps"], long["processes"]
    figures = {"procs": procs, "steps_per_s": n / (long["wall_s"] - short["wall_s"])}
    if "--memory" not in more:
        figures["cpu_us_per_step"] = 1e6 * (long["cpu_s"] - short["cpu_s"]) / n / procs
    return figures


def bare(case, seconds, *more):
    return fields(run([f"{BIN}/tests/bench/bare_exchange", "--seconds", str(seconds), *more,
                       case.channels]))


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    q = statistics.quantiles(values, n=4, method="inclusive")
    return q[1], q[0], q[2]


def spread(values, digits=2):
    mid, lo, hi = quartiles(values)
    return f"{mid:.{digits}f} ({lo:.{digits}f}..{hi:.{digits}f})"


def pairs_of(case, tmp, opts):
    case.steps_per_s = bare(case, min(0.3, opts.seconds))["steps_per_s"] * 0.8
    pairs = []
    for i in range(opts.pairs):
        if i % 2:
            b = bare(case, opts.seconds)
            v = voltloom(case, tmp, opts.seconds)
        else:
            v = voltloom(case, tmp, opts.seconds)
            b = bare(case, opts.seconds)
        pairs.append((v, b))
        print(f"  {case.name}: {v['steps_per_s']:.0f} / {b['steps_per_s']:.0f} steps/s",
              file=sys.stderr)
    return pairs


# ---- tables ----

class Report:
    def __init__(self):
        self.lines, self.missed = [], []

    def add(self, *lines):
        self.lines += lines

    def limit(self, what, value, ok, limit):
        if not ok:
            self.missed.append(f"{what}: {value}, limit {limit}")
        return f"{limit} {'met' if ok else '**missed**'}"


def lockstep_table(cases, tmp, opts, rep):
    rep.add("## Lock-step over ZeroMQ", "",
            "Steps of the mesh per second of wall time, free-running, real processes with plant, "
            "control and recorder; and CPU time per process and step (all threads, user and system).",
            "`ratio` is Voltloom over bare exchange, `added` is Voltloom minus bare exchange.", "",
            "| mesh | processes | Voltloom steps/s | bare steps/s | ratio | limit | "
            "Voltloom CPU us | bare CPU us | added CPU us |",
            "|---|---|---|---|---|---|---|---|---|")
    for case in cases:
        pairs = pairs_of(case, tmp, opts)
        ratios = [v["steps_per_s"] / b["steps_per_s"] for v, b in pairs]
        added = [v["cpu_us_per_step"] - b["cpu_us_per_step"] for v, b in pairs]
        mid = statistics.median(ratios)
        limit = ""
        if case.floor:
            limit = rep.limit(f"{case.name} ratio", f"{mid:.2f}", mid >= case.floor,
                              f">= {case.floor}")
        med = {k: [statistics.median(p[i][k] for p in pairs) for i in (0, 1)]
               for k in ("steps_per_s", "cpu_us_per_step")}
        case.steps_per_s = med["steps_per_s"][0]
        rep.add(f"| {case.name} | {pairs[0][0]['procs']} | {med['steps_per_s'][0]:.0f} | "
                f"{med['steps_per_s'][1]:.0f} | {spread(ratios)} | {limit} | "
                f"{med['cpu_us_per_step'][0]:.1f} | {med['cpu_us_per_step'][1]:.1f} | "
                f"{spread(added, 1)} |")
        extra = []
        if case.name.startswith("ring"):
            n = int(case.name[4:])
            if n in HELICS_RING:
                extra.append(f"{case.name}: {case.steps_per_s / HELICS_RING[n]:.1f} times a HELICS "
                             f"3.7 federation of the same exchange ({HELICS_RING[n]} steps/s)")
        case.note = "; ".join(extra)
    rep.add("")
    for case in cases:
        if case.note:
            rep.add(f"- {case.note}")
        if case.name == "rack8":
            rep.add(f"- rack8, all processes: {case.steps_per_s * STEP_S:.2f} of real time")
    rep.add("")


def check_of_the_check(cases, opts, rep):
    rep.add("## The bare exchange itself", "",
            "The same program over Unix SEQPACKET socket pairs, alternating.", "",
            "| mesh | ZeroMQ steps/s | SEQPACKET steps/s | ratio of pairs |", "|---|---|---|---|")
    for case in cases:
        z, s = [], []
        for _ in range(opts.pairs):
            z.append(bare(case, opts.seconds / 2)["steps_per_s"])
            s.append(bare(case, opts.seconds / 2, "--seqpacket")["steps_per_s"])
        rep.add(f"| {case.name} | {statistics.median(z):.0f} | {statistics.median(s):.0f} | "
                f"{spread([a / b for a, b in zip(z, s)])} |")
    rep.add("")


def solver(case, seconds, *more):
    return fields(run([f"{BIN}/tests/bench/bare_solver", "--seconds", str(seconds), *more,
                       case.path]))


def in_memory_table(cases, tmp, opts, rep):
    rep.add("## In one process", "",
            "The bare solver loop calls the cores over arrays and does nothing else. `--memory` adds "
            "engine, channels, frames and recorder.", "",
            "| mesh | --memory steps/s | of real time | bare loop steps/s | ratio | limit | "
            "core us per process and step | with frame and recorder |",
            "|---|---|---|---|---|---|---|---|")
    for case in cases:
        case.steps_per_s = solver(case, 0.3)["steps_per_s"] / 2
        mem, loop, rec = [], [], []
        for _ in range(opts.pairs):
            mem.append(voltloom(case, tmp, opts.seconds, "--memory")["steps_per_s"])
            loop.append(solver(case, opts.seconds / 2))
            rec_dir = f"{tmp}/rec"
            os.mkdir(rec_dir)
            rec.append(solver(case, opts.seconds / 2, "--record", rec_dir)["cpu_us_per_step"])
            shutil.rmtree(rec_dir)
        ratios = [m / l["steps_per_s"] for m, l in zip(mem, loop)]
        mid = statistics.median(ratios)
        limit = rep.limit(f"{case.name} --memory over bare loop", f"{mid:.2f}", mid >= 1 / 3,
                          ">= 0.33")
        cost = statistics.median(rec)
        shown = f"{cost:.2f}"
        if case.name.startswith("torus"):
            shown += ", " + rep.limit(f"{case.name} plant + control + recorder", f"{cost:.2f} us",
                                      cost <= 3, "<= 3 us")
        rep.add(f"| {case.name} | {statistics.median(mem):.0f} | "
                f"{statistics.median(mem) * STEP_S:.2f} | "
                f"{statistics.median(l['steps_per_s'] for l in loop):.0f} | {spread(ratios)} | "
                f"{limit} | {statistics.median(l['cpu_us_per_step'] for l in loop):.2f} | {shown} |")
    rep.add("")


def private_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        text = f.read()
    return {k: sum(map(int, re.findall(rf"^{k}:\s+(\d+) kB", text, re.M)))
            for k in ("Private_Dirty", "Private_Clean", "Anonymous")}


def life_table(cases, tmp, opts, rep):
    rep.add("## Start and memory", "",
            "`up --detach` until it returns, which is after all processes are ready and the clock "
            "has started; median of the runs. Memory of the largest node or module process, a "
            "second later: private pages (with those of the mapped recorder segments) and "
            "anonymous pages.", "",
            "| mesh | processes | up s | limit | private MB | limit | anonymous MB |",
            "|---|---|---|---|---|---|---|")
    env = dict(os.environ, XDG_RUNTIME_DIR=f"{tmp}/x", XDG_STATE_HOME=f"{tmp}/s")
    os.makedirs(f"{tmp}/x", mode=0o700, exist_ok=True)
    for case, limit_s in cases:
        took, private, anonymous, n = [], [], [], 0
        for _ in range(max(1, opts.pairs // 2 + 1)):
            start = time.monotonic()
            run([f"{BIN}/voltloom", "up", case.path, "--detach"], env=env)
            took.append(time.monotonic() - start)
            try:
                time.sleep(1)
                rows = json_rows(run([f"{BIN}/voltloom", "ps", "--json"], env=env))
                sizes = [private_kb(p["pid"]) for p in rows if p.get("kind") in ("node", "module")]
                n = len(sizes)
                private.append(max(s["Private_Dirty"] + s["Private_Clean"] for s in sizes) / 1024)
                anonymous.append(max(s["Anonymous"] for s in sizes) / 1024)
            finally:
                run([f"{BIN}/voltloom", "down"], env=env)
        t, p, a = map(statistics.median, (took, private, anonymous))
        rep.add(f"| {case.name} | {n} | {t:.2f} | "
                f"{rep.limit(f'{case.name} up', f'{t:.2f} s', t <= limit_s, f'<= {limit_s} s')} | "
                f"{p:.1f} | {rep.limit(f'{case.name} private', f'{p:.1f} MB', p <= 8, '<= 8 MB')} | "
                f"{a:.1f} |")
    rep.add("")


def json_rows(text):
    """Rows of `ps --json`: one object per line, or one object with a list of processes."""
    rows = []
    for line in text.splitlines():
        value = json.loads(line)
        rows += value["processes"] if "processes" in value else [value]
    return rows


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return (f"{len(os.sched_getaffinity(0))} cores, {model.group(1) if model else 'unknown CPU'}, "
            f"Linux {os.uname().release}, {run(['gcc', '--version']).splitlines()[0]}")


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", help="write the table to this file, not to stdout")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--seconds", type=float, default=3.0)
    p.add_argument("--only", default="", help="comma-separated names of meshes")
    p.add_argument("--no-assert", action="store_true", help="exit 0 even when a limit is missed")
    return p.parse_args()


def main():
    opts = arguments()
    rack8 = Case("rack8", path=f"{SRC}/topologies/rack8.yaml", floor=0.75)
    ring200 = Case("ring200", path=f"{SRC}/topologies/ring200.yaml")
    lock = [Case("ring2", ring(2)), Case("ring8", ring(8)), Case("ring32", ring(32)),
            Case("torus8", chords(8), floor=0.75), Case("torus32", torus(4, 8), floor=0.85),
            Case("torus100", torus(10, 10), floor=0.85), rack8, ring200]
    only = [w for w in opts.only.split(",") if w]

    def wanted(cases):
        return [c for c in cases if not only or c.name in only]

    rep = Report()
    rep.add("# Lock-step speed", "",
            "Made by `make bench-lockstep`; see tests/bench/lockstep.py for what is measured and how. "
            "Medians; in brackets the quartiles of pairs.", "",
            f"{machine()}; {opts.pairs} pairs of {opts.seconds:g} s; step 100 us, 10 sub-steps. "
            "torus8 is the ring of 8 with chords, degree 4.", "")
    with tempfile.TemporaryDirectory(prefix="vlb.") as tmp:
        for case in wanted(lock):
            case.prepare(tmp)
        lockstep_table(wanted(lock), tmp, opts, rep)
        check_of_the_check(wanted(lock[3:6]), opts, rep)
        in_memory_table(wanted([lock[5], rack8]), tmp, opts, rep)
        life_table([(c, s) for c, s in ((rack8, 1), (ring200, 6)) if c in wanted(lock)],
                   tmp, opts, rep)
    rep.add(*[f"Missed: {m}" for m in rep.missed])
    text = "\n".join(rep.lines).rstrip() + "\n"
    if opts.out:
        with open(opts.out, "w", encoding="utf-8") as f:
            f.write(text)
    print(text, end="")
    return 1 if rep.missed and not opts.no_assert else 0


if __name__ == "__main__":
    sys.exit(main())
