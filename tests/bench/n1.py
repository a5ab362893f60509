#!/usr/bin/env python3
"""Every single failure of a mesh, judged: buses, modules, sharing.

    n1.py [--voltloom PROGRAM] [--out docs/bench-n1.md] [--jobs N] [TOPOLOGY...]

For each node (killed), each link (cut) and each feed (lost while its node lives) a drill in memory: the failure is at
1 s and stays. No bus may fall below 45 V and no module go without power whose other feed lives; the
spread of loading, (max - min)/mean over the feeds that are on and control, may be 6 % at any time
from the failure on, 3 % from 500 ms after it, 1 % from 1 s after it. A workload with phases steps its load all the
time, and each step is a disturbance of its own: such a mesh runs twice, as it is, and with its modules in their
first phase for ever; the last bound counts there.

The table holds the worst that the drills saw. Exit 1: a bound is broken.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

# id, what has to hold, from when; shown as
ALWAYS = (
    ("bus", "min(node.*.v) >= 45V", "fault"),
    ("peak", "spread(feed.*.share) <= 6%", "fault"),
    ("half", "spread(feed.*.share) <= 3%", "fault + 500ms"),
    ("late", "spread(feed.*.share) <= 1%", "fault + 1s"),
)
CHECKS = [c[0] for c in ALWAYS] + ["unserved"]
KINDS = (("node", "kill"), ("link", "cut"), ("feed", "feed_loss"))


def single_failures(voltloom, topology):
    """Ids of nodes, links and feeds, from the resolved mesh."""
    out = subprocess.run([voltloom, "plan", topology, "--json"], capture_output=True, text=True, check=True)
    mesh = json.loads(out.stdout.splitlines()[0])
    return {
        "node": [n["id"] for n in mesh["nodes"]],
        "link": [l["id"] for l in mesh["links"]],
        "feed": [n["id"] for n in mesh["nodes"] if n.get("feed")],
    }


def standing_still(text):
    """The same mesh without phases in its workloads."""
    return re.sub(r",?\s*workload:\s*\{\s*phases:\s*\[(\[[^\]]*\],?\s*)*\]\s*\}", "", text)


def drill(topology, mesh, action, victims, checks):
    lines = [
        "drill: 1",
        f"name: n1-{mesh}-{action.replace('_', '-')}",
        f"topology: {topology}",
        f"matrix: {{ victim: [{', '.join(victims)}] }}",
        "time: { duration: 2500ms, settle: 900ms }",
        "timeline:",
        f"  - {{ id: fault, at: 1s, do: {action}, target: '${{victim}}' }}",
        "expect:",
    ]
    for name, holds, begin in ALWAYS:
        if name in checks:
            lines.append(f"  - {{ id: {name}, always: '{holds}', from: {begin} }}")
    if "unserved" in checks:
        lines.append("  - { id: unserved, metric: mesh.unserved_j, max: 0J }")
    return "\n".join(lines) + "\n"


def run(voltloom, path, jobs, where):
    result = os.path.join(where, "result.jsonl")
    command = [voltloom, "drill", path, "--memory", "--quiet", "--jobs", str(jobs), "--json", result,
               "--seeds", "1..1"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XDG_STATE_HOME": where})
    if done.returncode not in (0, 1):
        sys.exit(f"{path}: voltloom drill ended with {done.returncode}\n{done.stdout}{done.stderr}")
    with open(result, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def measure(voltloom, topology, jobs, kinds, where):
    """rows: (kind, victim, {check: (observed, verdict)})"""
    with open(topology, encoding="utf-8") as f:
        text = f.read()
    mesh = os.path.splitext(os.path.basename(topology))[0]
    still = standing_still(text)
    passes = [(os.path.abspath(topology), CHECKS)]
    if still != text:
        path = os.path.join(where, mesh + ".yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(still)
        passes = [(os.path.abspath(topology), [c for c in CHECKS if c != "late"]), (path, ["late"])]
    victims = single_failures(voltloom, topology)
    rows = []
    for kind, action in KINDS:
        if kind not in kinds:
            continue
        found = {v: {} for v in victims[kind]}
        for path, checks in passes:
            file = os.path.join(where, f"{mesh}-{action}.yaml")
            with open(file, "w", encoding="utf-8") as f:
                f.write(drill(path, mesh, action, victims[kind], checks))
            for result in run(voltloom, file, jobs, where):
                if not all(f["proved"] for f in result["faults"]):
                    sys.exit(f"{file}: a fault did not fire: {result['reproduce']}")
                for e in result["expectations"]:
                    if e["id"] in checks:
                        found[result["parameters"]["victim"]][e["id"]] = (e["observed"], e["verdict"])
        rows += [(kind, v, found[v]) for v in victims[kind]]
    return mesh, still != text, rows


def worst(rows, check):
    return (min if check == "bus" else max)(r[2][check][0] for r in rows)


def cell(check, value, good):
    text = f"{value:.2f} V" if check == "bus" else f"{value:g} J" if check == "unserved" else f"{100 * value:.2f} %"
    return text if good else f"**{text}**"


def page(measured):
    lines = [
        "# Every single failure",
        "",
        "Made by `make bench-n1` (tests/bench/n1.py says what is measured and how); in memory, so the same on every",
        "machine. Each failure is at 1 s and stays for 1.5 s. Spread: (max - min)/mean of the loading of the feeds that are on",
        "and control. Bold: a bound is broken.",
        "",
        "| bound | bus >= 45 V | unserved 0 J | spread <= 6 % | <= 3 % from 500 ms | <= 1 % from 1 s |",
        "|---|---|---|---|---|---|",
    ]
    for mesh, phases, rows in measured:
        for kind, _ in KINDS:
            some = [r for r in rows if r[0] == kind]
            if some:
                bad = [c for c in CHECKS if any(r[2][c][1] != "pass" for r in some)]
                cells = [cell(c, worst(some, c), c not in bad) for c in ("bus", "unserved", "peak", "half", "late")]
                lines.append(f"| {mesh}: worst of {len(some)} {kind}s | " + " | ".join(cells) + " |")
    for mesh, phases, rows in measured:
        lines += ["", f"## {mesh}", ""]
        if phases:
            lines += ["The last column is measured with the modules in their first phase for ever: the phases of their workloads",
                      "are load steps, each a disturbance of its own.", ""]
        lines += ["| lost | bus | unserved | spread | from 500 ms | from 1 s |", "|---|---|---|---|---|---|"]
        for kind, victim, found in rows:
            cells = [cell(c, found[c][0], found[c][1] == "pass") for c in ("bus", "unserved", "peak", "half", "late")]
            lines.append(f"| {kind} {victim} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--voltloom", default=os.path.join(root, "build", "release", "voltloom"))
    p.add_argument("--out", help="write the table there")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--only", default="node,link,feed", help="kinds of failures")
    p.add_argument("topologies", nargs="*",
                   default=[os.path.join(root, "topologies", m + ".yaml") for m in ("rack8", "grid24")])
    a = p.parse_args()
    measured = []
    with tempfile.TemporaryDirectory(prefix="vl-n1-") as where:
        for t in a.topologies:
            measured.append(measure(a.voltloom, t, a.jobs, a.only.split(","), where))
    text = page(measured)
    if a.out:
        with open(a.out, "w", encoding="utf-8") as f:
            f.write(text)
    else:
        sys.stdout.write(text)
    broken = [f"{mesh}: {kind} {victim}: {c} {cell(c, found[c][0], True)}"
              for mesh, _, rows in measured for kind, victim, found in rows
              for c in CHECKS if found[c][1] != "pass"]
    for b in broken:
        print("broken: " + b, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
