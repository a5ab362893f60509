#!/usr/bin/python3
"""What a drill costs beside its run: kill-n3 over rack8, 3 s of plant time.

    drill.py [--out FILE] [--runs N] [--seeds N] [--jobs N] [--drill FILE] [--no-assert]

The drill itself says how long each part took (properties of its JUnit file): play (cores, channels,
recorder), trace (SHA-256 of the record, which `voltloom run` forms too), evaluate (every condition at
every frame, events, energy ledger), report (result.json, report.html). Shares are of one run, by CPU
time, because other processes of the machine disturb that least; wall times stand beside them.

Real processes are measured against bare_exchange over the same channels (see lockstep.py), each run
beside one of it.

VL_BIN: build folder, VL_SRC: checkout. Exit status 1 when a figure misses its limit.
"""
import argparse
import glob
import hashlib
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lockstep import BIN, SRC, STEP_S, Case, Report, bare, machine, spread  # noqa: E402

PARTS = ("play", "trace", "evaluate", "report")
SHARE_MAX = 0.10
PROCESSES_MAX = 3.0
SWEEP_SEEDS, SWEEP_MAX_S = 1000, 600
CORES_HAD_MIN = 0.8  # of the cores: below, the sweep is judged by its CPU time


def drill(path, tmp, *more):
    """One `voltloom drill`; the suites of its JUnit file as dicts of figures, wall and CPU seconds."""
    junit = f"{tmp}/junit.xml"
    env = dict(os.environ, XDG_STATE_HOME=f"{tmp}/s", XDG_RUNTIME_DIR=f"{tmp}/x")
    os.makedirs(f"{tmp}/x", mode=0o700, exist_ok=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([f"{BIN}/voltloom", "drill", path, "--quiet", "--junit", junit, *more], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env=env)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    suites = []
    for suite in ET.parse(junit).getroot().iter("testsuite"):
        props = {p.get("name"): p.get("value") for p in suite.iter("property")}
        suites.append({k: float(v) for k, v in props.items() if re.fullmatch(r"\w+_s", k)})
    for s in suites:
        s["rec_bytes"] = sum(os.path.getsize(f) for f in glob.glob(f"{tmp}/s/**/rec/*", recursive=True))
    subprocess.run(["rm", "-rf", f"{tmp}/s"], check=True)
    return suites, wall, cpu


def sha256_bytes_per_s():
    """What SHA-256 does here at best, by CPU time."""
    block, n = os.urandom(1 << 24), 16
    start = time.process_time()
    sha = hashlib.sha256()
    for _ in range(n):
        sha.update(block)
    return n * len(block) / (time.process_time() - start)


def row(rep, name, suites, limit=True):
    def mid(key):
        return statistics.median(s[key] for s in suites)

    shares = [(s["evaluate_cpu_s"] + s["report_cpu_s"]) / sum(s[f"{p}_cpu_s"] for p in PARTS)
              for s in suites]
    share = statistics.median(shares)
    verdict = (rep.limit(f"{name}: evaluation and reports", f"{share:.1%}", share <= SHARE_MAX,
                         f"<= {SHARE_MAX:.0%}") if limit else "")
    rep.add(f"| {name} | " + " | ".join(f"{1e3 * mid(p + '_cpu_s'):.0f} ({1e3 * mid(p + '_s'):.0f})"
                                        for p in PARTS) + f" | {share:.1%} | {verdict} |")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", help="write the table to this file, not to stdout")
    p.add_argument("--runs", type=int, default=7)
    p.add_argument("--seeds", type=int, default=100, help="of the sweep; the time is scaled to 1,000")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--drill", default=f"{SRC}/scripts/drills/kill-n3.yaml")
    p.add_argument("--topology", default=f"{SRC}/topologies/rack8.yaml")
    p.add_argument("--no-assert", action="store_true", help="exit 0 even when a limit is missed")
    opts = p.parse_args()
    rep = Report()
    rep.add("# What a drill costs", "",
            "Made by `make bench-drill`; see tests/bench/drill.py for what is measured and how. "
            "scripts/drills/kill-n3.yaml over rack8, 3 s of plant time, 12 expectations.", "",
            machine() + f"; load of the machine when it began: {os.getloadavg()[0]:.1f}.", "",
            "## Evaluation and reports", "",
            "CPU milliseconds, in brackets wall; medians. The share is evaluation and reports over "
            "all four.", "",
            "| run | play | trace | evaluate | report | share | limit |",
            "|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="vlb.") as tmp:
        suites, _, _ = drill(opts.drill, tmp, "--memory", "--seeds", f"1..{opts.runs}")
        row(rep, "in memory, a seed of a sweep", suites)
        kept = [drill(opts.drill, tmp, "--memory")[0][0] for _ in range(opts.runs)]
        row(rep, "in memory, with its evidence", kept)
        case = Case("rack8", path=opts.topology)
        case.prepare(tmp)
        real, ratios = [], []
        for _ in range(max(3, opts.runs // 2)):
            steps_per_s = bare(case, 2)["steps_per_s"]
            real.append(drill(opts.drill, tmp)[0][0])
            ratios.append(real[-1]["play_s"] / (3 / STEP_S / steps_per_s))
        row(rep, "real processes", real)
        whole = statistics.median(
            sum(s[f"{p}_cpu_s"] for p in PARTS[1:]) / sum(s[f"{p}_cpu_s"] for p in PARTS) for s in kept)
        size = statistics.median(s["rec_bytes"] for s in kept)
        spent = statistics.median(s["trace_cpu_s"] for s in kept)
        rep.add("", f"The trace is SHA-256 over the whole record, {size / 1e6:.0f} MB: "
                f"{size / spent / 1e9:.2f} GB/s, where this machine's SHA-256 does "
                f"{sha256_bytes_per_s() / 1e9:.2f} GB/s and nothing else. A seed of a sweep that passes has "
                f"none. Counted with evaluation and reports it makes {whole:.1%} of a run with its evidence.")
        mid = statistics.median(ratios)
        rep.add("", "## Real processes beside the bare exchange", "",
                f"Wall time of the run, from its start to its end, over that of the bare exchange for "
                f"30,000 steps: {spread(ratios)}, "
                + rep.limit("real processes over bare exchange", f"{mid:.2f}", mid <= PROCESSES_MAX,
                            f"<= {PROCESSES_MAX:g}") + ".", "",
                "## A thousand seeds", "")
        suites, wall, cpu = drill(opts.drill, tmp, "--memory", "--seeds", f"1..{opts.seeds}",
                                  "--jobs", str(opts.jobs))
        scale = SWEEP_SEEDS / len(suites)
        # Where others had the cores, wall time says nothing about us.
        had = cpu / (wall * opts.jobs)
        judged = wall * scale if had >= CORES_HAD_MIN else cpu * scale / opts.jobs
        rep.add(f"{len(suites)} seeds in memory with --jobs {opts.jobs}: {wall:.1f} s of wall time, "
                f"{cpu:.1f} s of CPU, {had:.0%} of {opts.jobs} cores. For {SWEEP_SEEDS} seeds "
                f"{judged:.0f} s"
                + ("" if had >= CORES_HAD_MIN else
                   f" (CPU over jobs: others had the cores; at this wall time {wall * scale:.0f} s)")
                + ", " + rep.limit(f"{SWEEP_SEEDS} seeds", f"{judged:.0f} s", judged <= SWEEP_MAX_S,
                                   f"<= {SWEEP_MAX_S} s") + ".", "")
    rep.add(*[f"Missed: {m}" for m in rep.missed])
    text = "\n".join(rep.lines).rstrip() + "\n"
    if opts.out:
        with open(opts.out, "w", encoding="utf-8") as f:
            f.write(text)
    print(text, end="")
    return 1 if rep.missed and not opts.no_assert else 0


if __name__ == "__main__":
    sys.exit(main())
