#!/usr/bin/python3
"""voltloom do, and all other commands by hand: each comes back from `drill --from` and replays the trace over
processes and in memory, also where it does nothing; what a drill file would not take is refused.
"""
import json
import re

from test_drill_from import steps, trace_of, trace_said
from vl import SRC, Home, Mesh, check, read, run_cases

MESH = """voltloom: 1
mesh: { name: four, seed: 3, nominal: 48V, control: consensus }
defaults:
  node: { c_bus: 20mF, supercap: { c: 1F, esr: 20mOhm }, load: [[0ms, 60W, 1ms]] }
  link: { r: 10mOhm, l: 2uH, fuse: 150A }
nodes:
  - { id: n1, feed: { i_rated: 31.25A } }
  - { id: n2 }
  - { id: n3, feed: { i_rated: 31.25A } }
  - { id: n4 }
links:
  - { id: l1, between: [n1, n2] }
  - { id: l2, between: [n2, n3] }
  - { id: l3, between: [n3, n4] }
  - { id: l4, between: [n4, n1] }
  - { id: l5, between: [n1, n3] }
  - { id: l6, between: [n2, n4] }
modules:
  - { id: m1, class: cpu, feeds: [n1, n2] }
  - { id: m2, class: fixed, power: 100W, feeds: [n2, n3] }
  - { id: m3, class: cpu, feeds: [n3, n4] }
  - { id: m4, class: fixed, power: 100W, feeds: [n4, n1] }
"""

# Each verb and action by hand that changes a running mesh, and what stands for it in the file.
DEEDS = [
    ("cut l1 --only channel", "do: cut, target: l1, with: { only: channel }"),
    ("cut l1 --only power", "do: cut, target: l1, with: { only: power }"),
    ("heal l1 --only power", "do: heal, target: l1, with: { only: power }"),
    ("cut l1", "do: cut, target: l1 }"),  # half of it is cut already
    ("heal l1", "do: heal, target: l1 }"),
    ("heal l1", "do: heal, target: l1 }"),  # of what is whole
    ("degrade l2 --loss 5% --delay 2ms", "do: degrade, target: l2, with: { loss: 5%, delay: 0.002s }"),
    ("degrade l2 --jitter 500us", "do: degrade, target: l2, with: { jitter: 0.0005s }"),
    ("degrade l2", "do: degrade, target: l2, end: true"),
    ("degrade l2", "do: degrade, target: l2, end: true"),
    ("do degrade l4 rate=10Mbit burst=1% burst_leave=20% loss=1% toward=n4",
     "do: degrade, target: l4, with: { loss: 1%, rate: 10000000bit, burst: 1%, burst_leave: 20%, toward: n4 }"),
    ("do corrupt l5 share=2%", "do: corrupt, target: l5, with: { share: 2% }"),
    ("do duplicate l6 share=2%", "do: duplicate, target: l6, with: { share: 2% }"),
    ("do reorder l3 share=5% by=3ms", "do: reorder, target: l3, with: { share: 5%, by: 0.003s }"),
    ("do corrupt l5 --end", "do: corrupt, target: l5, end: true"),
    ("do surge m4 power=50W ramp=2ms", "do: surge, target: m4, with: { power: 50W, ramp: 0.002s }"),
    ("do surge m4 --end", "do: surge, target: m4, end: true"),
    ("do load m2 level=120W", "do: load, target: m2, with: { level: 120W, ramp: 0s }"),
    ("do ramp n2 level=80W time=5ms", "do: load, target: n2, with: { level: 80W, ramp: 0.005s }"),
    ("load n4 333.3W --ramp 7ms", "do: load, target: n4, with: { level: 333.3W, ramp: 0.007s }"),
    ("short n3 --r 2Ohm --for 3ms", "do: short, target: n3, with: { r: 2Ohm }, for: 3000000ns"),
    ("do short n2 r=3Ohm --for 2ms", "do: short, target: n2, with: { r: 3Ohm }, for: 2000000ns"),
    ("do hang m1", "do: hang, target: m1 }"),
    ("do hang m1 --end", "do: hang, target: m1, end: true"),
    ("do hang n3", "do: hang, target: n3 }"),
    ("do bias n1 v=0.2V gain=3%", "do: bias, target: n1, with: { v: 0.2V, gain: 3% }"),
    ("do bias n1 i=1A", "do: bias, target: n1, with: { i: 1A }"),
    ("do stuck n2 sensor=v", "do: stuck, target: n2, with: { sensor: v }"),
    ("do stuck n3 sensor=i", "do: stuck, target: n3, with: { sensor: i }"),
    ("do stuck n3 --end", "do: stuck, target: n3, end: true"),
    ("do derate n3 feed=80%", "do: derate, target: n3, with: { feed: 80% }"),
    ("do brownout n1 level=47V ramp=1ms", "do: brownout, target: n1, with: { level: 47V, ramp: 0.001s }"),
    ("do sag n1 level=46V", "do: sag, target: n1, with: { level: 46V }"),  # takes the place of the other
    ("do sag n1 --end", "do: sag, target: n1, end: true"),
    ("do feed_loss n3", "do: feed_loss, target: n3 }"),
    ("do feed_loss n3 --end", "do: feed_loss, target: n3, end: true"),
    ("do age n4 c=80% esr=2", "do: age, target: n4, with: { c: 80%, esr: 2 }"),
    ("do sc_open n4", "do: sc_open, target: n4 }"),
    ("do sc_open n4 --end", "do: sc_open, target: n4, end: true"),
    ("do unplug m3", "do: unplug, target: m3 }"),
    ("do unplug m3", "do: unplug, target: m3 }"),
    ("do plug m3", "do: plug, target: m3 }"),
    ("do plug m3", "do: plug, target: m3 }"),
    ("do unplug m4", "do: unplug, target: m4 }"),
    ("cut l5", "do: cut, target: l5 }"),
    ("close l5 --precharge 0.4Ohm --bypass 20ms",
     "do: close, target: l5, with: { precharge: 0.4Ohm, bypass: 0.02s }"),
    ("cut l6", "do: cut, target: l6 }"),
    ("do close l6 precharge=0.3Ohm at=n4", "do: close, target: l6, with: { precharge: 0.3Ohm, at: n4 }"),
]


def every_deed():
    """Everything that can be done by hand, also what does nothing, comes back and replays the trace."""
    with Home() as home:
        mesh = Mesh(home, home.file("four.yaml", MESH))
        steps(mesh, 100)
        for deed, _ in DEEDS:
            mesh.do(*deed.split())
        mesh.do("kill", "m4")  # it is not in its slot
        mesh.until_dead("m4")
        mesh.do("start", "m4")
        mesh.do("kill", "n4")
        mesh.until_dead("n4")
        mesh.do("start", "n4")
        mesh.do("do", "hang", "n4")
        steps(mesh, 50)
        mesh.do("down")
        path = f"{home.dir}/replay.yaml"
        home.ok("drill", "--from", "latest", "-o", path, timeout=170).wants(0, "the same trace in memory")
        text = read(path)
        done = re.findall(r"^  - \{ at: \S+, (.*)$", text, re.M)
        at = 0
        for deed, words in DEEDS:
            while at < len(done) and words not in done[at]:
                at += 1
            check(at < len(done), f"'{deed}' is not '{words}' in its place in\n{text}")
            at += 1
        check("replay: []" in text, text)
        r = home.ok("drill", path, "--json", "-", timeout=170)
        check(trace_of(r) == trace_said(text), lambda: f"another trace over processes; {r}\n{text}")
        known = {a["name"] for a in json.loads(home.ok("drill", "--actions", "--json").out)["actions"]}
        tried = set(re.findall(r"do: (\w+)", text)) | {"ramp"}
        # These have verbs of their own, are several commands, or need a topology of their own.
        missing = known - tried - {"cont", "stop", "partition", "swap", "relay_kill", "flood"}
        check(not missing, f"never tried by hand: {missing}")


def refused_deeds():
    """What a drill file would not take is not taken by hand."""
    with Home() as home:
        mesh = Mesh(home, f"{SRC}/topologies/rack8.yaml")
        for deed, words in [
                ("hangg m5", "did you mean 'hang'?"), ("kill n3", "a verb of its own"),
                ("partition n1", "one by one"), ("swap m1 to=m2", "an unplug, then a plug"),
                ("hang m4", "not of class cpu"), ("hang m5 power=1W", "takes no parameters"),
                ("hang l1", "no node or module 'l1'"), ("surge m4", "'power=' is missing"),
                ("surge m4 power=1", "has no unit"), ("surge m4 power=1MW", "is not in [0, 100000]"),
                ("surge m4 pwer=1W", "unknown key 'pwer'"), ("surge m4 power", "KEY=VALUE is wanted"),
                ("degrade l1 delay=100ms", "at most 0.05 s"), ("degrade l1 loss=1% toward=n7", "not an end of"),
                ("flood l1 rate=1Mbit", "has no rate"), ("feed_loss n2", "has no feed"),
                ("short n1 r=1Ohm", "how long?"), ("hang n1 --for 1s", "does not end by itself"),
                ("load n1 --end", "has no end"), ("hang n1 x=1 --end", "takes no parameters")]:
            home.vl("do", *deed.split()).wants(64, words)
        mesh.do("kill", "n5")
        mesh.until_dead("n5")
        home.vl("do", "hang", "n5").wants(64, "n5 is dead")
        mesh.do("down")


if __name__ == "__main__":
    run_cases([every_deed, refused_deeds])
