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
        mesh.do("do", "bias", "n1", "sensor=v", "v=-300mV")
        mesh.do("do", "bias", "n1", "sensor=i", "gain=12.5%")
        mesh.do("do", "stuck", "n1", "sensor=temp")
        mesh.do("do", "bias", "n6", "sensor=temp", "temp=40degC")
        mesh.do("do", "bias", "n1", "sensor=v", "--end")
        mesh.do("do", "stuck", "n1", "sensor=temp", "--end")
        home.vl("do", "bias", "n1", "sensor=tmp", "v=1V").wants(64, "no sensor 'tmp'", "did you mean 'temp'")
        home.vl("do", "bias", "n1", "sensor=v", "gain=5%").wants(64, "sensor 'v' wants 'v', and nothing else")
        home.vl("do", "bias", "n1", "sensor=v", "v=25V").wants(64, "not in [-20, 20]")
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
                      "level: 333.3W, ramp: 0.007s", "last_sent: {",
                      "do: bias, target: n1, with: { sensor: v, v: -0.3V } }",
                      "do: bias, target: n1, with: { sensor: i, gain: 12.5% } }",
                      "do: bias, target: n6, with: { sensor: temp, temp: 40degC } }",
                      "do: stuck, target: n1, with: { sensor: temp }, end: true }"):
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


MORE = f"""drill: 1
topology: {SRC}/topologies/rack8.yaml
timeline:
  - {{ at: 20ms, do: degrade, target: l1, with: {{ loss: 5%, delay: 2ms, jitter: 1ms, rate: 10Mbit, burst: 1%, burst_leave: 20%, toward: n2 }}, for: 30ms }}
  - {{ at: 22ms, do: reorder, target: [l1, l2], with: {{ share: 5% }}, for: 20ms }}
  - {{ at: 24ms, do: partition, target: [n4, n5], with: {{ only: channel }}, for: 9ms }}
  - {{ at: 26ms, do: bias, target: n3, with: {{ v: 100mV, i: -1A, gain: 2% }}, for: 20ms }}
  - {{ at: 27ms, do: stuck, target: n1, with: {{ sensor: i }} }}
  - {{ at: 28ms, do: hang, target: m5, for: 15ms }}
  - {{ at: 30ms, do: surge, target: m4, with: {{ power: 50W, ramp: 2ms }}, for: 20ms }}
  - {{ at: 31ms, do: sag, target: n6, with: {{ level: 46V }}, for: 7ms }}
  - {{ at: 32ms, do: swap, target: m8, with: {{ to: m10, gap: 10ms }} }}
  - {{ at: 30ms, do: unplug, target: m10 }}
  - {{ at: 33ms, do: kill, target: n2 }}
  - {{ at: 40ms, do: start, target: n2 }}
  - {{ at: 45ms, do: cut, target: l12 }}
  - {{ at: 50ms, do: close, target: l12, with: {{ precharge: 400mOhm, bypass: 9ms, at: n8 }} }}
"""


def from_more():
    """A timeline with every kind of parameter, in which links are counted because of it."""
    with Home() as home:
        home.ok("run", f"{SRC}/topologies/rack8.yaml", "--memory", "--for", "90ms", "--drill",
                home.file("s.yaml", MORE))
        path = f"{home.dir}/a.yaml"
        home.ok("drill", "--from", "latest", "-o", path).wants(0, "the same trace in memory")
        text = read(path)
        for words in ("replay: [l1, l2, l3, l5, l9, l12]", "toward: n2", "gain: 2%", "sensor: i",
                      "rate: 10000000bit", "at: n8", "do: sag, target: n6, end: true"):
            check(words in text, f"'{words}' is not in\n{text}")
        r = home.ok("drill", path, "--json", "-", timeout=170)
        check(trace_of(r) == trace_said(text), lambda: f"another trace over processes; {r}\n{text}")


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
    run_cases([by_hand, from_script, from_more, stopped_early, refused])
