#!/usr/bin/python3
"""Drills guard something: without failover, fuses, shedding or control, the drills that are there for it
fail, and with the expectation that names it. Each mesh is the shipped one with a few keys changed.
"""
import json
import re

from vl import SRC, Home, check, read, run_cases

# What is taken away: keys of the topology's defaults (or its head) that are put in, and per drill the
# expectations that have to fail, and no others of its list.
MUTATIONS = {
    "control": ([(r"control: consensus", "control: none")],
                {"kill-n3": {"sharing", "shared-again"}, "partition-and-heal": {"sharing", "shared-again"}}),
    "failover": ([(r"node: \{ c_bus: 20mF, supercap: \{[^}]*\}", "node: { c_bus: 20mF, supercap: none"),
                  (r"module: \{ class: cpu,", "module: { class: cpu, oring: off,")],
                 {"kill-n3": {"nothing-unserved"}, "rolling-restart": {"all-served"}}),
    "fuses": ([(r"fuse: 150A", "fuse: none")],
              {"fuses-clear-short": {"l6-trips", "l7-trips", "l11-trips", "others-hold"}}),
    "limits": ([(r"limit: 15A", "limit: none")],
               {"link-limit": {"acts", "held", "free-again"}}),
    "peak shaving": ([(r"converter: \{ ", "converter: { smooth: 10ms, ")],
                     {"peak-shaving": {"feeds-see-nothing", "goes-down"}}),
    "shedding": ([(r"node: \{ c_bus", "node: { shedding: off, c_bus")],
                 {"shed-by-priority": {"lowest-first", "relieved"}}),
}


def judge(home, name, changes):
    """The drill over the changed mesh, in memory: its verdict, and what failed of it."""
    drill = read(f"{SRC}/scripts/drills/{name}.yaml")
    path = re.search(r"^topology: \.\./\.\./(.*)$", drill, re.M).group(1)
    mesh = read(f"{SRC}/{path}")
    for pattern, to in changes:
        mesh, n = re.subn(pattern, to, mesh)
        check(n >= 1, f"{path} has no {pattern}")
    drill = re.sub(r"^topology: .*$", f"topology: {home.file('mesh.yaml', mesh)}", drill, flags=re.M)
    r = home.vl("drill", home.file(f"{name}.yaml", drill), "--memory", "--json", f"{home.dir}/out.json",
                timeout=100)
    result = json.loads(read(f"{home.dir}/out.json").splitlines()[0])
    failed = {e["id"]: e for e in result["expectations"] if e["verdict"] == "fail"}
    return r, result, failed


def mutation(name):
    """Unchanged, the drills pass (test_drill.py); changed, each fails where it should."""
    changes, drills = MUTATIONS[name]
    with Home() as home:
        for drill, wanted in drills.items():
            r, result, failed = judge(home, drill, changes)
            check(result["verdict"] == "fail" and r.status == 1,
                  lambda: f"{drill} without {name}: {result['verdict']}\n{r}")
            check(wanted <= set(failed), f"{drill} without {name}: {sorted(failed)}, wanted {wanted}")
            check(all(e["text"] for e in failed.values()), failed)


def control():
    mutation("control")


def failover():
    mutation("failover")


def fuses():
    mutation("fuses")


def limits():
    mutation("limits")


def peak_shaving():
    mutation("peak shaving")


def shedding():
    mutation("shedding")


def nothing_changed():
    """The method itself changes nothing: with the mesh copied as it is, all of them pass."""
    with Home() as home:
        for name in sorted({d for _, drills in MUTATIONS.values() for d in drills}):
            r, result, failed = judge(home, name, [])
            check(result["verdict"] == "pass" and not failed, lambda: f"{name}: {r}")


run_cases([nothing_changed, control, failover, fuses, limits, peak_shaving, shedding])
