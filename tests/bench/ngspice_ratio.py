#!/usr/bin/env python3
"""Wall time of Voltloom over that of ngspice at equal accuracy, on the same networks, in the same script.

Error: rms of all bus voltages at the samples, against the fine waveforms (2 us, reltol 1e-5). ngspice
runs with several largest steps and tolerances; of those that no other beats in both time and error
(its own best) the time at Voltloom's error is interpolated, in logarithms. Medians of several runs.
"""
import csv
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

SRC, BIN = os.environ["VL_SRC"], os.environ["VL_BIN"]
sys.path.insert(0, os.path.join(SRC, "tests", "reference"))
import refgen  # noqa: E402

CASES = ["ref1_tri3_loadstep", "ref5_tri3_buck48to12", "ref9_tri3_dualfed_loadstep", "own_conv_link", "own_grid24"]
STEPS = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4]
RELTOLS = [1e-3, 1e-4]
RUNS = 5
TIMEOUT = 120
SOLVER_S = "0.5"

HEAD = ("| case | error mV rms | ngspice at that error s | its step us, reltol | voltloom run --memory s | ratio | "
        "solver alone s | ratio |\n|---|---|---|---|---|---|---|---|\n")


def buses(names):
    return [i for i, c in enumerate(names) if re.fullmatch(r"v\d+", c)]


def rms(rows, want, columns):
    d = [(a[c] - b[c]) ** 2 for a, b in zip(rows, want) for c in columns]
    return 1e3 * math.sqrt(sum(d) / len(d))


def timed(args, cwd):
    begin = time.monotonic()
    p = subprocess.run(args, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return time.monotonic() - begin, p


def spice(case, tmp, times, want, columns):
    """(seconds, error, step, reltol) of each setting that comes to an end."""
    out = []
    for reltol in RELTOLS:
        for step in STEPS:
            name = os.path.join(tmp, "r.cir")
            raw = os.path.join(tmp, "raw.txt")
            trial = dict(case, spice_step=step, reltol=reltol)
            with open(name, "w", encoding="ascii") as f:
                f.write(refgen.netlist(trial, raw))
            try:
                timed(["ngspice", "-b", name], tmp)
                rows = refgen.sample(raw, times)
            except (subprocess.TimeoutExpired, OSError):
                continue
            if not rows:
                continue
            with open(name, encoding="ascii") as f:  # for the clock: nothing is written
                text = re.sub(r"^wrdata .*\n", "", f.read(), flags=re.M).replace(".control", ".save v(n0)\n.control")
            with open(name, "w", encoding="ascii") as f:
                f.write(text)
            seconds = statistics.median(timed(["ngspice", "-b", name], tmp)[0] for _ in range(RUNS))
            out.append((seconds, rms(rows, [w[1:] for w in want], [c - 1 for c in columns]), step, reltol))
    return out


def at_error(points, error):
    """Time at this error on the front of the settings, the setting next to it, and whether the
    error lies between two of them."""
    front = [p for p in points if not any(q[0] < p[0] and q[1] <= p[1] for q in points)]
    front.sort(key=lambda p: p[1])
    good = [p for p in front if p[1] <= error]
    bad = [p for p in front if p[1] > error]
    if not good:
        return bad[0][0], bad[0], False
    if not bad:
        return good[-1][0], good[-1], False
    a, b = good[-1], bad[0]
    q = math.log(error / a[1]) / math.log(b[1] / a[1])
    return math.exp(math.log(a[0]) + q * math.log(b[0] / a[0])), a, True


def voltloom(case, tmp, want, columns):
    """(seconds of a run in memory, seconds of the solver alone, error)."""
    base = os.path.join(tmp, case["name"])
    with open(base + ".yaml", "w", encoding="ascii") as f:
        f.write(refgen.topology(case))
    exe, out = os.path.join(BIN, "voltloom"), os.path.join(tmp, "run")
    args = [exe, "run", base + ".yaml", "--for", f"{round(case['tend'] * 1000)}ms", "--speed", "max", "--memory"]
    runs = []
    for i in range(RUNS):
        seconds, p = timed(args + ["--out", f"{out}{i}"], tmp)
        if p.returncode:
            sys.exit(p.stderr)
        runs.append(seconds)
    every = f"{round(case.get('sample', 1e-3) * 1e6)}us"
    _, p = timed([exe, "export", out + "0", "--signals", "node.*.v", "--every", every, "--format", "csv"], tmp)
    rows = [[float(x) for x in r] for r in list(csv.reader(p.stdout.splitlines()))[1:]]
    n = len(columns)
    error = rms([r[1:] for r in rows], [[w[c] for c in columns] for w in want], range(n))
    _, p = timed([os.path.join(BIN, "tests", "bench", "bare_solver"), "--seconds", SOLVER_S, base + ".yaml"], tmp)
    rate = float(re.search(r"steps_per_s (\S+)", p.stdout).group(1))
    return statistics.median(runs), case["tend"] / case.get("T", 1e-4) / rate, error


def table(data):
    out = HEAD
    for name in CASES:
        with open(os.path.join(data, name + ".json"), encoding="utf-8") as f:
            case = json.load(f)
        with open(os.path.join(data, name + ".csv"), encoding="ascii") as f:
            rows = list(csv.reader(f))
        want = [[float(x) for x in r] for r in rows[1:]]
        columns = buses(rows[0])
        with tempfile.TemporaryDirectory() as tmp:
            run_s, solver_s, error = voltloom(case, tmp, want, columns)
            points = spice(case, tmp, [w[0] for w in want], want, columns)
        if not points:
            out += f"| {name} | {error:.4f} | no setting comes to an end | | {run_s:.3f} | | {solver_s:.4f} | |\n"
            continue
        seconds, best, between = at_error(points, error)
        mark = "" if between else f" (at {best[1]:.4f} mV)"
        out += (f"| {name} | {error:.4f} | {seconds:.3f}{mark} | {best[2] * 1e6:.0f}, {best[3]:g} | {run_s:.3f} | "
                f"{run_s / seconds:.2g} | {solver_s:.4f} | {solver_s / seconds:.2g} |\n")
        print(out.splitlines()[-1], flush=True)
    return out


if __name__ == "__main__":
    table(os.path.join(SRC, "tests", "reference", "data"))
