#!/usr/bin/env python3
"""Random networks against ngspice, at several steps.

    convergence.py [--out docs/bench-convergence.md] [--seeds N] [--jobs N]

Each kind of network is drawn from seeds: 2 to 7 nodes, cables of 2 to 6 uH, some nodes without a supercapacitor, feeds
of 25 to 80 A, load steps with ramps of 10 us to 3 ms, and what the kind is about. A mesh that `validate` refuses at the
largest step is not counted. What is compared and how: docs/models/accuracy.md.

Exit 1: in a network the error at the smallest step is neither under 0.6 of that at the middle one (0.4 is what the first order
promises) nor under the floor.
"""

import argparse
import concurrent.futures
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile

SRC, BIN = os.environ["VL_SRC"], os.environ["VL_BIN"]
sys.path.insert(0, os.path.join(SRC, "tests", "reference"))
import refgen  # noqa: E402
import test_cases  # noqa: E402

STEPS_S = (1e-4, 5e-5, 2e-5)
# Below these no order is asked for: ngspice's own tolerance, and what its open switches leak.
FLOOR_BUS_MV, FLOOR_OUT_MV = 0.25, 0.5
FALLS_TO = 0.6
V_INIT = 48.0
REFGEN = [sys.executable, os.path.join(SRC, "tests", "reference", "refgen.py")]
NODE_2KW = {"L": 10e-6, "R": 16e-3, "Co": 2e-3, "kp": 15.0, "ki": 10000.0, "kc": 0.25, "Pq": 11.0, "Ksw": 22e-9,
            "Coss": 4e-9, "ilim": 60.0}
TEXT = """# Random networks against ngspice

Made by `make bench-convergence`; see tests/bench/convergence.py for how they are drawn. {seeds} seeds of each kind, 300 ms, samples every
1 ms. Largest difference of any bus or converter output in mV, median / worst of the networks. Order: binary logarithm of what
going from 100 to 50 us divides the error by, median. Not counted: networks that `validate` refuses at 100 us, those where an
island has no feed, and what ngspice gives up.

{table}
Buses and cables are of second order. Converters hold their duties, and modules their powers, for a sub-step or a step: first
order. Worst: {worst}.

Ramps are as short as 10 us here (100 us in the reference cases), and without a supercapacitor a bus of 15 mF swings against a cable
of 2 uH with a period of 1 ms, of which a step of 100 us resolves what it can; where that matters, `step: 50us`.
"""



def loads(r, nodes, feed_w):
    share = [r.uniform(0.2, 1) for _ in nodes]
    for node, part in zip(nodes, share):
        power = 0.35 * feed_w * part / sum(share)
        node["load"], t = [[0.0, round(power * 0.3), 0.001]], 0.05
        for _ in range(r.randint(0, 3)):
            t += r.uniform(0.01, 0.06)
            ramp = 10 ** r.uniform(-5, -2.5)
            node["load"].append([round(t, 5), round(power * r.uniform(0.1, 1.6)), round(ramp, 6)])
            t += ramp


def links(r, n):
    pairs = {(r.randrange(i), i) for i in range(1, n)}
    for _ in range(r.randint(0, n)):
        pairs.add(tuple(sorted(r.sample(range(n), 2))))
    return [{"a": a, "b": b, "R": round(r.uniform(0.005, 0.05), 4), "L": round(r.uniform(2e-6, 6e-6), 8)}
            for a, b in sorted(pairs)]


def network(r):
    n = r.randint(2, 7)
    nodes = []
    for _ in range(n):
        node = {"C": round(r.uniform(0.015, 0.03), 4)}
        if r.random() < 0.75:
            node.update(Csc=round(r.uniform(0.3, 2), 2), Rsc=round(r.uniform(0.01, 0.05), 4))
        nodes.append(node)
    feed_w = 0
    for i in r.sample(range(n), r.randint(1, (n + 1) // 2)):
        rated = round(r.uniform(25, 80), 1)
        nodes[i]["feed"] = {"V0": round(r.uniform(47.5, 49), 2), "Rd": round(r.uniform(0.02, 0.06) * 48 / rated, 5),
                            "Imax": 1.25 * rated, "tau": round(r.uniform(0.5e-3, 3e-3), 5)}
        feed_w += 1.25 * rated * 48
    loads(r, nodes, feed_w)
    return {"tend": 0.3, "nodes": nodes, "links": links(r, n), "events": [], "Vuv": refgen.V_UV,
            "v_init_default": V_INIT, "spice_step": 2e-6}


def steps(r, first, second):
    """A profile: a third of `first`, `first`, `second`."""
    return [[0.0, round(first / 3, 2), 0.001], [round(r.uniform(0.08, 0.14), 5), round(first, 2), 1e-5],
            [round(r.uniform(0.18, 0.25), 5), round(second, 2), 1e-5]]


def with_converter(r, case):
    v_ref = r.choice([5.0, 12.0, 24.0, 48.0, 56.0])
    amps = r.uniform(50, 900) / v_ref
    node = r.choice(case["nodes"])
    # A source at the output that is given no time to turn lifts it to where it stops (converter.md).
    node["conv"] = dict(NODE_2KW, vref=v_ref, ilim=round(max(60, 2.5 * amps)), iload=steps(r, amps, 0.4 * amps))


def with_link_converter(r, case):
    power = r.uniform(100, 800)
    conv = dict(NODE_2KW, Co=0.01, kp=30.0, power=steps(r, power, -power * r.uniform(0.5, 1)))
    del conv["ki"]
    r.choice(case["links"])["conv"] = conv


def with_modules(r, case):
    n, case["modules"] = len(case["nodes"]), []
    for _ in range(r.randint(1, 3)):
        power = r.uniform(50, 600)
        case["modules"].append({
            "inputs": r.sample(range(n), min(n, r.choice([1, 2, 2]))), "C_in": 0.001, "R_port": 0.05,
            "load": [[0.0, round(power * 0.1), 0.001], [round(r.uniform(0.08, 0.2), 5), round(power), 1e-4]]})


def with_cut(r, case):
    case["events"] = [["cut", r.randrange(len(case["links"])), round(r.randrange(1000, 2500) * 1e-4, 6)]]
    case["open_log"] = 4.0


def with_death(r, case):
    victim = r.randrange(len(case["nodes"]))
    case["events"] = [["kill", victim, round(r.randrange(1000, 2500) * 1e-4, 6)]]
    case["open_log"] = 4.0
    del case["nodes"][victim]["load"][1:]


KINDS = {"loads": lambda r, case: None, "converter": with_converter, "link converter": with_link_converter,
         "modules": with_modules, "cut": with_cut, "death": with_death}


def all_fed(case):
    """No bus hangs on the leakage of an open switch: every island after the event has a feed."""
    dead = {e[1] for e in case["events"] if e[0] == "kill"}
    cut = {e[1] for e in case["events"] if e[0] == "cut"}
    island = {i: i for i in range(len(case["nodes"])) if i not in dead}
    for _ in case["nodes"]:
        for k, link in enumerate(case["links"]):
            a, b = link["a"], link["b"]
            if k not in cut and "conv" not in link and a in island and b in island:
                island[a] = island[b] = min(island[a], island[b])
    fed = {island[i] for i in island if case["nodes"][i].get("feed")}
    return set(island.values()) == fed


def accepted(case, base):
    """Writes the network's files; whether `validate` takes it."""
    with open(base + ".json", "w", encoding="utf-8") as f:
        json.dump(case, f)
    test_cases.tool(*REFGEN, "topology", base + ".json", "-o", os.path.dirname(base))
    p = subprocess.run([os.path.join(BIN, "voltloom"), "validate", base + ".yaml"], capture_output=True, check=False)
    return p.returncode == 0


def errors(case, base):
    """Largest differences of buses and of outputs, mV."""
    program, out = os.path.join(BIN, "voltloom"), f"{base}.{case['T']}.run"
    drill = ["--drill", base + ".drill.yaml"] if case["events"] else []
    test_cases.tool(program, "run", base + ".yaml", *drill, "--for", f"{case['tend']}s", "--speed", "max", "--memory", "--out", out)
    header, rows = test_cases.read(test_cases.tool(program, "export", out, "--signals",
                                                   "node.*.v,conv.*.vo,link.*.conv_vo", "--every", "1ms"))
    with open(base + ".csv", encoding="ascii") as f:
        names, want = test_cases.read(f.read())
    columns = [i for i, c in enumerate(names) if c[0] == "v" and c[1:].isdigit()]
    columns += [i for i, c in enumerate(names) if c.startswith(("vo", "vc"))]
    assert len(columns) == len(header) - 1 and len(rows) == len(want)
    worst = {True: 0.0, False: 0.0}
    for got, ref in zip(rows, want):
        for cell, c in zip(got[1:], columns):
            if cell:  # else its node is dead
                is_bus = names[c][1:].isdigit()
                worst[is_bus] = max(worst[is_bus], abs(float(cell) - float(ref[c])) * 1e3)
    return worst[True], worst[False]


def one(kind, seed):
    """Name and errors at each step; None: not counted."""
    r = random.Random(f"{kind} {seed}")
    case = network(r)
    KINDS[kind](r, case)
    case.update(name=f"{kind.replace(' ', '-')}-{seed}", T=STEPS_S[0])
    if not all_fed(case):
        return None
    with tempfile.TemporaryDirectory() as tmp:
        base, got = os.path.join(tmp, case["name"]), []
        if not accepted(case, base):
            return None
        if subprocess.run(REFGEN + ["run", base + ".json"], capture_output=True, check=False).returncode:
            return None
        for step in STEPS_S:
            case["T"] = step
            accepted(case, base)
            got.append(errors(case, base))
        return case["name"], got


def broken(got):
    """Whether an error did not fall with the step."""
    return any(got[-1][q] > max(floor, FALLS_TO * got[-2][q]) for q, floor in enumerate((FLOOR_BUS_MV, FLOOR_OUT_MV)))


def cell(values):
    return f"{statistics.median(values):.2f} / {max(values):.2f}" if values else "-"


def rows_of(kind, runs):
    for q, what in enumerate(("bus", "output")):
        if q and not any(got[0][1] for _, got in runs):
            continue
        floor = (FLOOR_BUS_MV, FLOOR_OUT_MV)[q]
        orders = [math.log2(got[0][q] / got[1][q]) for _, got in runs if got[1][q] > floor]
        yield (f"| {kind} | {what} | {len(runs)} | " + " | ".join(cell([got[s][q] for _, got in runs]) for s in range(len(STEPS_S)))
               + (f" | {statistics.median(orders):.1f} |" if orders else " | - |"))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out")
    ap.add_argument("--seeds", type=int, default=20)
    ap.add_argument("--jobs", type=int, default=2)
    args = ap.parse_args()
    table = ["| kind | what | networks | " + " | ".join(f"{s * 1e6:.0f} us" for s in STEPS_S) + " | order |", "|---" * (len(STEPS_S) + 4) + "|"]
    bad, every = [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for kind in KINDS:
            runs = [x for x in pool.map(lambda s, k=kind: one(k, s), range(args.seeds)) if x]
            table += rows_of(kind, runs)
            every += runs
            bad += [f"{name}: " + ", ".join(f"{b:.3f}/{o:.3f} mV" for b, o in got) for name, got in runs if broken(got)]
            print("\n".join(table[-2:]), flush=True)
    every.sort(key=lambda x: -x[1][0][0])
    worst = ", ".join(f"{name} {got[0][0]:.1f} mV" for name, got in every[:3])
    if args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            f.write(TEXT.format(seeds=args.seeds, table="\n".join(table) + "\n", worst=worst))
    for line in bad:
        print("does not converge: " + line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
