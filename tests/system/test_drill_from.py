#!/usr/bin/python3
"""drill --from: what was done to a run by hand becomes a drill with the same trace, over processes and
in memory; what cannot be scripted is refused with a reason.
"""
import json
import os
import re
import signal

from vl import SRC, Home, Mesh, check, read, run_cases, until


def trace_of(r):
    return json.loads(r.out.splitlines()[0])["summary"]["trace"]


def trace_said(text):
    return re.search(r"^# trace (\w{64})$", text, re.M)[1]


def steps(mesh, n):
    """Lets plant time go on, by counting steps."""
    was = max(p.get("k") or 0 for p in mesh.ps().values() if p["pid"])
    until(lambda: max(p.get("k") or 0 for p in mesh.ps().values() if p["pid"]) >= was + n,
          f"{n} steps are made")


def by_hand():
    with Home() as home:
        mesh = Mesh(home, f"{SRC}/topologies/rack8.yaml")
        steps(mesh, 500)
        mesh.do("load", "n2", "600W")
        mesh.do("load", "n4", "333.3W", "--ramp", "7ms")
        mesh.signal("n3", signal.SIGKILL)
        mesh.until_dead("n3")
        mesh.do("start", "n3")
        steps(mesh, 200)
        mesh.do("cut", "l1")
        mesh.do("short", "n6", "--r", "2Ohm", "--for", "3ms")
        mesh.signal("n2", signal.SIGKILL)  # an end of the link that is cut
        mesh.until_dead("n2")
        mesh.do("pause")
        mesh.do("step")
        mesh.do("resume")
        mesh.do("speed", "0.5")
        mesh.do("stop", "n7")  # a hang: the supervisor ends it
        mesh.until_dead("n7")
        mesh.do("start", "n7")
        mesh.do("stop", "m1")  # a hang that ends in time does nothing
        mesh.do("cont", "m1")
        mesh.do("kill", "m2")
        mesh.until_dead("m2")
        mesh.do("start", "m2")
        steps(mesh, 200)
        mesh.do("down")
        path = f"{home.dir}/replay.yaml"
        home.ok("drill", "--from", "latest", "-o", path).wants(
            0, "4 of them deaths that nobody scripted", "the same trace in memory")
        text = read(path)
        want = trace_said(text)
        for words in ("do: load, target: n2, with: { level: 600W, ramp: 0.001s }", "do: cut, target: l1",
                      "do: start, target: n7", "do: short, target: n6, with: { r: 2Ohm }, for: 3000000ns",
                      "level: 333.3W, ramp: 0.007s", "last_sent: {"):
            check(words in text, f"'{words}' is not in\n{text}")
        for how in ((), ("--memory",)):
            r = home.ok("drill", path, "--json", "-", *how, timeout=170)
            check(trace_of(r) == want, lambda: f"{how}: another trace; {r}\n{text}")
        # What the neighbours had got matters: one message less is another run.
        less = re.sub(r"last_sent: \{ (\w+): (\d+)", lambda m: f"last_sent: {{ {m[1]}: {int(m[2]) - 1}",
                      text, count=1)
        check(less != text, text)
        r = home.ok("drill", home.file("less.yaml", less), "--memory", "--json", "-")
        check(trace_of(r) != want, "a message that was not sent changes nothing")


SCRIPT = f"""drill: 1
topology: {SRC}/topologies/rack8.yaml
timeline:
  - {{ at: 20ms, do: cut, target: l1, for: 10ms }}
  - {{ at: 30ms, do: kill, target: n3 }}
  - {{ at: 35ms, do: load, target: n4, with: {{ level: 250W, ramp: 3ms }}, for: 20ms }}
  - {{ at: 40ms, do: short, target: n6, with: {{ r: 1Ohm }}, for: 2ms }}
  - {{ at: 50ms, do: start, target: n3 }}
  - {{ at: 60ms, do: stop, target: n5 }}
  - {{ at: 70ms, do: cont, target: n5 }}
"""


def from_script():
    """A run with a timeline gives that timeline; and a drill of a drill is the same drill."""
    with Home() as home:
        home.ok("run", f"{SRC}/topologies/rack8.yaml", "--memory", "--for", "90ms", "--drill",
                home.file("s.yaml", SCRIPT))
        a, b = f"{home.dir}/a.yaml", f"{home.dir}/b.yaml"
        home.ok("drill", "--from", "latest", "-o", a).wants(
            0, "9 actions, 0 of them deaths that nobody scripted", "the same trace in memory")
        home.ok("drill", a, "--memory")
        home.ok("drill", "--from", "latest", "-o", b).wants(0, "the same trace in memory")
        strip = re.compile(r"^#.*\n|^topology.*\n|^name.*\n", re.M)
        check(strip.sub("", read(a)) == strip.sub("", read(b)), read(b))
        # To stdout, so that it can be looked at.
        home.ok("drill", "--from", "latest").wants(0, "heal: false", "do: start, target: n3")


def stopped_early():
    """A run that is told to end does not go on to a scripted start that lies ahead, and leaves no life
    that never was."""
    with Home() as home:
        timeline = ("drill: 1\ntimeline:\n  - { at: 50ms, do: kill, target: n3 }\n"
                    "  - { at: 300s, do: start, target: n3 }\n")
        out = f"{home.dir}/run"
        p = home.start("run", f"{SRC}/topologies/tri3.yaml", "--for", "400s", "--speed", "1", "--out", out,
                       "--drill", home.file("t.yaml", timeline))
        frames = f"{out}/rec/node.n3.2.frames"
        until(lambda: os.path.exists(frames), "the second life of n3 waits for its start")
        p.send_signal(signal.SIGTERM)
        r = home.end(p, 60).wants(143, "stopped at step")
        check(int(re.search(r"stopped at step (\d+)", r.out + r.err)[1]) < 3000000, r)
        check(not os.path.exists(frames), "n3 has a life that never was")
        home.ok("drill", "--from", out).wants(0, "the same trace in memory")


def refused():
    with Home() as home:
        home.vl("drill", "--from", f"{home.dir}/none").wants(3)
        mesh = Mesh(home, f"{SRC}/topologies/tri3.yaml")
        home.vl("drill", "--from", mesh.run_dir).wants(3, "the run goes on")
        mesh.signal("supervisor", signal.SIGKILL)
        home.check_no_process()
        home.vl("drill", "--from", mesh.run_dir).wants(3, "its supervisor was killed")
        home.vl("doctor", "--fix")
        # More than a drill may say: a load above its limit.
        mesh = Mesh(home, f"{SRC}/topologies/tri3.yaml")
        mesh.do("load", "n1", "200kW")
        mesh.do("down")
        home.vl("drill", "--from", "latest").wants(3, "cannot be scripted", "not in [0")


if __name__ == "__main__":
    run_cases([by_hand, from_script, stopped_early, refused])
