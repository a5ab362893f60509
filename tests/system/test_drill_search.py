#!/usr/bin/python3
"""drill --search: a weakness that was planted is found within the blast radius and shrunk to what it needs;
the same search finds the same, at any --jobs; nothing to find is said.
"""
import re
import shlex

from vl import Home, check, read, run_cases

# Two feeds, each enough alone: the mesh stands the loss of one of them, and not of both.
MESH = """voltloom: 1
mesh: { name: pair, seed: 1, nominal: 48V, control: droop }
defaults:
  node: { c_bus: 20mF, initial: 48V, supercap: none }
  link: { r: 10mOhm, l: 2uH }
nodes:
  - { id: n1, feed: { v0: 48.5V, droop: 15mOhm, i_rated: 40A, i_max: 50A, tau: 1ms } }
  - { id: n2, load: [[0ms, 300W, 1ms]] }
  - { id: n3, feed: { v0: 48.5V, droop: 15mOhm, i_rated: 40A, i_max: 50A, tau: 1ms } }
  - { id: n4, load: [[0ms, 300W, 1ms]] }
links:
  - { id: l1, between: [n1, n2] }
  - { id: l2, between: [n2, n3] }
  - { id: l3, between: [n3, n4] }
  - { id: l4, between: [n4, n1] }
"""
DRILL = """# A remark that stays.
drill: 1
name: pair
topology: pair.yaml
seed: 7
params: { vmin: 40V }
time: { duration: 200ms, settle: 20ms, recover: 20ms }
blast_radius: { max_nodes_down: %d, protect: [l1, l2, l3, l4] }
timeline:
  - { id: up, at: 60ms, do: load, target: n2, with: { level: 400W }, for: 30ms }
  - { id: again, at: up + 50ms, do: load, target: n4, with: { level: 350W, ramp: 2ms }, for: 20ms }
expect:
  - { id: holds, always: "min(node.*.v) >= ${vmin}" }
"""


def search(home, text, *args, name="d"):
    home.file("pair.yaml", MESH)
    return home.vl("drill", "--search", home.file(f"{name}.yaml", text), *args, timeout=170)


def actions(text):
    return re.findall(r"do: (\w+), target: (\w+)", text)


def found_and_shrunk():
    with Home() as home:
        out = f"{home.dir}/found.yaml"
        r = search(home, DRILL % 2, "--budget", "600", "--jobs", "2", "-o", out)
        r.wants(1, "FOUND pair: holds", "shrunk to 2", "reproduce: voltloom drill")
        text = read(out)
        check(sorted(actions(text)) == [("kill", "n1"), ("kill", "n3")],
              f"both feeds and nothing else:\n{text}")
        check("# A remark that stays." in text and "reproduce: voltloom drill" in text, text)
        times = re.findall(r"at: ([\d.]+)s", text)
        check(all(float(t) * 1000 % 1 < 1e-6 for t in times), f"round times: {times}")
        line = re.search(r"reproduce: (.*)", r.out)[1]
        again = home.vl(*shlex.split(line)[1:])
        again.wants(1, "FAIL pair", "min(node.*.v) was")
        # One of the two alone is no finding: it is minimal.
        for i in range(2):
            one = re.sub(r"^  - \{ id.*\n", lambda m, n=iter(range(9)): m[0] if next(n) == i else "",
                         text, flags=re.M)
            check(len(actions(one)) == 1, one)
            home.ok("drill", home.file("one.yaml", one), "--memory")


def nothing_to_find():
    with Home() as home:
        r = search(home, DRILL % 1, "--budget", "80", "--jobs", "2", "--seeds", "1..3")
        r.wants(0, "nothing found: 80 timelines over 3 seeds")
        check(not [n for n in home.marked()], "processes are left")


def same_search():
    with Home() as home:
        texts = []
        for jobs in ("1", "3"):
            out = f"{home.dir}/same.yaml"
            r = search(home, DRILL % 2, "--budget", "600", "--jobs", jobs, "--search-seed", "5", "-o", out)
            texts.append((r.wants(1).out, read(out)))
        check(texts[0] == texts[1], f"{texts[0][0]}\n{texts[1][0]}")


def smaller_values():
    """A bound that is too tight for the surge in the file: less of it breaks it, too."""
    with Home() as home:
        out = f"{home.dir}/small.yaml"
        tight = (DRILL % 1).replace("vmin: 40V", "vmin: 47.98V").replace("level: 400W", "level: 1.5kW")
        r = search(home, tight, "--budget", "40", "-o", out)
        r.wants(1, "FOUND pair: holds")
        text = read(out)
        level, lease = re.search(r"level: ([\d.]+)(k?)W", text), re.search(r"for: ([\d.]+)s", text)
        check(actions(text) == [("load", "n2")], f"one action is enough:\n{text}")
        watt = float(level[1]) * (1000 if level[2] else 1)
        check(watt <= 1500 and float(lease[1]) < 0.01, f"less of it, or shorter:\n{text}")
        # An entry that the file does not allow, or a value above the file's, is not tried.
        check("max_nodes_down: 1" in text and watt > 100, text)
        home.vl("drill", out, "--memory").wants(1)


def what_waits():
    """An entry that waits for a condition goes through the search as it is, rehearsed each time."""
    with Home() as home:
        out = f"{home.dir}/waits.yaml"
        text = (DRILL % 2).replace("timeline:\n", "timeline:\n  - { id: hit, at: when node.n2.v < 48.3V, "
                                   "after: up, within: 40ms, do: kill, target: n1 }\n").replace(
                                       "level: 400W", "level: 1kW")
        home.file("pair.yaml", MESH)
        home.ok("drill", home.file("plain.yaml", text), "--memory")
        search(home, text, "--budget", "600", "--jobs", "2", "-o", out).wants(1, "FOUND pair: holds")
        found = read(out)
        check("at: when node.n2.v < 48.3V" in found and "within: 40ms" in found, found)
        check(("kill", "n3") in actions(found) and len(actions(found)) == 3,
              f"what waits, what it waits for, and the other feed:\n{found}")
        home.vl("drill", out, "--memory").wants(1, "FAIL pair")


def own_blast_radius():
    """Without max_nodes_down: as many as the file takes down itself, and one at least; it is written down."""
    with Home() as home:
        bare = re.sub("max_nodes_down: 1, ", "", DRILL % 1)
        r = search(home, bare, "--budget", "60", "--jobs", "2")
        r.wants(0, "names no max_nodes_down: at most 1 node down", "nothing found")
        two = re.sub("blast_radius.*\n", "", DRILL % 1)
        two = re.sub(r"(?s)timeline:.*expect:", "timeline:\n  - { id: a, at: 50ms, do: kill, target: n2 }\n"
                     "  - { id: b, at: 51ms, do: kill, target: n4 }\nexpect:", two)
        out = f"{home.dir}/two.yaml"
        r = search(home, two, "--budget", "300", "--jobs", "2", "-o", out)
        r.wants(1, "at most 2 nodes down")
        check(read(out).count("blast_radius: { max_nodes_down: 2, protect: [] }") == 1, read(out))
        home.vl("drill", out, "--memory").wants(1, "FAIL pair")


def refused():
    with Home() as home:
        search(home, re.sub(r"expect:\n.*\n", "", DRILL % 1)).wants(3, "nothing is expected")
        search(home, DRILL % 1, "--budget", "0").wants(64, "--budget")


if __name__ == "__main__":
    run_cases([found_and_shrunk, nothing_to_find, same_search, smaller_values, what_waits, own_blast_radius, refused])
