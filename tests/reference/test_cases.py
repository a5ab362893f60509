#!/usr/bin/env python3
"""The reference cases through the front door: topology and drill files made from the descriptions, a
run in memory, the export, against ngspice's waveforms. The solver itself is under test in
test_reference; this is about parser, units, commands, recorder and export."""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile

SRC = os.environ.get("VL_SRC", os.getcwd())
BIN = os.environ.get("VL_BIN", os.path.join(SRC, "build", "release"))
DATA = os.path.join(SRC, "tests", "reference", "data")
# name, export interval, bus limit max and rms in mV, link limit in A, limit of converter outputs in mV
CASES = [
    ("ref1_tri3_loadstep", "1ms", 1.5, 0.05, 0.2),
    ("ref5_tri3_buck48to12", "1ms", 1.5, 0.05, 0.2, 5),
    ("ref3_ring8_linkcut", "1ms", 1.5, 0.05, 0.5),
    ("ref9_tri3_dualfed_loadstep", "1ms", 16, 0.9, 0.4),
    ("own_death", "1ms", 1.5, 0.05, 0.5),
    ("own_close", "1ms", 8, 0.35, 0.4),
    ("own_short", "100us", 7, 1.7, 0.65),
    ("own_blackstart", "1ms", 1.5, 0.05, 0.2),
    ("own_fuse", "100us", 110, 6, 1.9),
    ("own_rejoin", "1ms", 64, 2.8, 1.5),
    ("own_restart", "1ms", 31, 2, 0.5),
    ("own_grid24", "1ms", 1.5, 0.05, 0.2),
    ("own_switching_buck", "100us", 1.5, 0.3, 0.2, 26),
    ("own_switching_boost", "100us", 1.5, 0.3, 0.2, 28),
    ("own_conv_boost", "1ms", 1.5, 0.1, 0.2, 5),
    ("own_conv_buckboost", "1ms", 1.5, 0.1, 0.2, 5),
    ("own_conv_link", "1ms", 3, 0.15, 0.2, 5),
    ("own_conv_reverse", "1ms", 1.5, 0.1, 0.2, 5),
]


def read(text):
    rows = list(csv.reader(text.splitlines()))
    return rows[0], rows[1:]


def tool(*args):
    p = subprocess.run(args, capture_output=True, text=True, timeout=120, check=False)
    if p.returncode:
        sys.exit(f"{' '.join(args)}: exit {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout


def near_event(case, link, t, every):
    """The sample next to an opening or closing of this link, or to the death of a node at its end."""
    for kind, index, at in (e[:3] for e in case["events"]):
        ends = (case["links"][link]["a"], case["links"][link]["b"])
        mine = index in ends if kind in ("kill", "start") else kind != "short" and index == link
        if mine and abs(t - at) <= every / 2 + 1e-9:
            return True
    return any(i == link and min(abs(t - at), abs(t - bypass)) <= every / 2 + 1e-9
               for i, at, _, bypass in case.get("closings", []))


def compare(case, got, want, limits):
    header, rows = want
    if len(got[1]) != len(rows):
        sys.exit(f"{case['name']}: {len(got[1])} rows, not {len(rows)}")
    every = float(rows[1][0]) - float(rows[0][0])
    columns = [i for i, c in enumerate(header) if c[0] in "vi" and c[1:].isdigit()]
    columns += [i for i, c in enumerate(header) if c.startswith(("vo", "vc"))]
    bus, links, outputs = [], [], []
    for g, w in zip(got[1], rows):
        for n, c in enumerate(columns):
            cell, t = g[n + 1], float(w[0])
            if header[c].startswith(("vo", "vc")):
                outputs.append(abs(float(cell) - float(w[c])) * 1e3)
            elif header[c][0] == "v":
                if cell:
                    bus.append(abs(float(cell) - float(w[c])) * 1e3)
            elif cell and not near_event(case, int(header[c][1:]), t, every):
                links.append(abs(float(cell) - float(w[c])))
    rms = math.sqrt(sum(x * x for x in bus) / len(bus))
    print(f"{case['name']}: bus {max(bus):.3f} mV max, {rms:.4f} mV rms, links {max(links):.3f} A"
          + (f", converter outputs {max(outputs):.3f} mV" if outputs else ""))
    return (max(bus) <= limits[0] and rms <= limits[1] and max(links) <= limits[2]
            and len(limits) == 3 + bool(outputs) and all(x <= limits[3] for x in outputs))


def run(name, every, limits, tmp):
    path = os.path.join(DATA, name + ".json")
    with open(path, encoding="utf-8") as f:
        case = json.load(f)
    tool(sys.executable, os.path.join(SRC, "tests", "reference", "refgen.py"), "topology", path, "-o", tmp)
    base, out = os.path.join(tmp, name), os.path.join(tmp, name + ".run")
    drill = ["--drill", base + ".drill.yaml"] if case["events"] else []
    voltloom = os.path.join(BIN, "voltloom")
    tool(voltloom, "run", base + ".yaml", *drill, "--for", f"{round(case['tend'] * 1000)}ms",
         "--speed", "max", "--memory", "--out", out)
    got = read(tool(voltloom, "export", out, "--signals", "node.*.v,link.*.i,conv.*.vo,link.*.conv_vo", "--every", every,
                    "--format", "csv"))
    with open(os.path.join(DATA, name + ".csv"), encoding="ascii") as f:
        want = read(f.read())
    return compare(case, got, want, limits)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        good = [run(name, every, limits, tmp) for name, every, *limits in CASES]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
