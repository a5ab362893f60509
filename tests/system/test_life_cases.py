#!/usr/bin/python3
"""The life of processes and links, real ones, in the cases that have a name: who is killed, hung or
restarted when, and what must be seen.

    test_life_cases.py [CASE...]
"""
import os
import re
import signal
import socket
import time

from life import RACK8, SPEED, TRI3, Life, shipped
from vl import (BIN, GONE_S, Home, Mesh, Programs, check, ends_of, read, run_cases, signal_marked,
                topology, until)

def supervisor_killed():
    """Its processes die with it, whatever they are doing; the next `up` tidies."""
    with Home() as home:
        path = home.file("mesh.yaml", RACK8)
        for doing in ("run", "pause", "stop"):
            mesh = Mesh(home, path, "--speed", SPEED)
            if doing == "pause":
                mesh.do("pause")
            if doing == "stop":
                mesh.do("stop", "n4")
            mesh.signal("supervisor", signal.SIGKILL)
            home.check_no_process(GONE_S)
            check(os.path.exists(mesh.sock_dir), "who removed the socket directory?")
        home.ok("up", path, "--detach").wants(0, "removed 1 socket directory")
        home.ok("down")


def relay_listens(sock_dir):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(f"{sock_dir}/relay.sub")
        return True
    except OSError:
        return False
    finally:
        s.close()


def trace_of(result):
    found = re.search(r"^trace ([0-9a-f]{64})$", result.out, re.M)
    check(found, lambda: f"no trace: {result}")
    return found.group(1)


def relay_killed():
    """No volt changes, and it comes back."""
    with Home() as home:
        path = home.file("mesh.yaml", TRI3)
        want = trace_of(home.ok("run", path, "--for", "400ms", "--memory"))
        p = home.start("run", path, "--for", "400ms", "--speed", "0.02", "--out", f"{home.dir}/o")
        log = f"{home.dir}/o/supervisor.log"
        look = until(lambda: [m for m in home.vl("ps", "--json").json() if m["state"] == "running"],
                     "the run runs")[0]
        for i in range(1, 4):
            until(lambda: relay_listens(look["sock_dir"]), "the relay listens")
            home.ok("kill", "relay")
            until(lambda i=i: read(log).count("relay: SIGKILL; it comes back") == i,
                  "the death of the relay is named")
        until(lambda: relay_listens(look["sock_dir"]), "the relay is back")
        home.ok("speed", "max")
        check(trace_of(home.end(p).wants(0)) == want, "the trace differs when the relay is killed")


def side_by_side():
    """What happens to one mesh is nothing to the other."""
    with Home() as home:
        a = Mesh(home, home.file("a.yaml", TRI3), "--speed", SPEED, "--name", "a")
        b = Mesh(home, home.file("b.yaml", RACK8), "--speed", SPEED, "--name", "b")
        was = {n: p["pid"] for n, p in b.ps().items()}
        a.do("kill", "n1")
        a.do("pause")
        b.check_steps()
        a.do("resume")
        a.do("start", "n1")
        a.check_steps()
        a.signal("supervisor", signal.SIGKILL)
        b.check_steps()
        check({n: p["pid"] for n, p in b.ps().items()} == was, "processes of the other mesh changed")
        check("SIGKILL" not in b.lines(), b.lines())
        b.down()
        home.ok("doctor", "--fix")


def drill(home, text, *rows, name="drill.yaml"):
    home.file("mesh.yaml", text)
    return home.file(name, "drill: 1\ntopology: mesh.yaml\ntimeline:\n" +
                     "".join(f"  - {{ {r} }}\n" for r in rows))


def run_drill(home, path, plant, *words):
    """Over processes and in memory; returns the events and the log of the run over processes."""
    out = f"{home.dir}/out"
    r = home.ok("run", "--drill", path, "--for", plant, "--out", out)
    r.wants(0, *words)
    want = trace_of(home.ok("run", "--drill", path, "--for", plant, "--memory"))
    check(trace_of(r) == want, "the trace over processes is not that in memory")
    return home.ok("events", "--run", out, "--json").json(), read(f"{out}/supervisor.log")


def opened_at(events, victims, k, channels):
    """Every survivor's channel to a victim opens at exactly step k; link waves up to k-2 came."""
    got = sorted((e.get("link") or e["port"], e["proc"], e["step"]) for e in events
                 if e["event"] in ("link.open", "port.open") and e["proc"] not in victims
                 and e["step"] <= k + 1)
    want = sorted((c, b if a in victims else a, k) for c, (a, b) in channels.items()
                  if (a in victims) != (b in victims))
    check(got == want, f"opened {got}, wanted {want}")
    check(all(e["rx"] == k - 2 for e in events if e["event"] == "link.open" and e["step"] == k),
          "the last wave was not that of step K-2")


def rack8_channels():
    _, links, modules = ends_of(RACK8)
    return {**links, **{f"{m}.{n}": (m, n) for m, on in modules.items() for n in on}}


def neighbours_killed_together():
    """Two that share a link and a module, in the same step of a drill, and from outside."""
    with Home() as home:
        path = drill(home, RACK8, "at: 20ms, do: kill, target: [n3, n4]",
                     "at: 60ms, do: start, target: [n3, n4]")
        events, log = run_drill(home, path, "80ms")
        for n in ("n3", "n4"):
            check(f"{n}: SIGKILL, scripted, step 200" in log, log)
        opened_at(events, {"n3", "n4"}, 200, rack8_channels())
        joined = {(e["proc"], e["step"]) for e in events if e["event"] == "joined"}
        check(joined == {("n3", 600), ("n4", 600)}, f"joined: {joined}")
    with Home() as home:
        life = Life(home, RACK8)
        life.kill_outside(["n3", "n4"])
        life.check_steps()
        life.start("n4")
        life.start("n3")
        life.finish()


def hang_named_paced():
    """Killed after the stall, named with its accuser; the clock of the mesh is not slowed for good."""
    with Home() as home:
        life = Life(home, shipped("tri3", stall="600ms"))
        life.hang("n3")
        check(re.search(r"n3: SIGKILL, stalled, accused by (n1|n2|the supervisor), step \d+",
                        life.mesh.lines()), life.mesh.lines())
        life.start("n3")
        life.finish()
        check("speed lowered" not in life.mesh.lines(), life.mesh.lines())


def host_frozen():
    """The supervisor and a node stand still for longer than the stall: words that lie unread are no silence."""
    with Home() as home:
        life = Life(home, shipped("tri3", stall="300ms"))
        pids = [life.mesh.up["pid"], life.mesh.ps()["n3"]["pid"]]
        for pid in pids:
            check(signal_marked(pid, home.mark, signal.SIGSTOP), f"{pid} is not ours")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.9, "three times the stall")
        had = sleeps(pids[1])
        for pid in reversed(pids):
            check(signal_marked(pid, home.mark, signal.SIGCONT), f"{pid} is not ours")
            # n3 has reported before the supervisor reads what its neighbours say.
            until(lambda: sleeps(pids[1]) > had + 20, "n3 goes on")
        life.check_steps()
        check("stalled" not in life.mesh.lines(), life.mesh.lines())
        life.finish()


def sleeps(pid):
    """How often it has gone to sleep by itself."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))


def hang_named_free():
    """Free-running: the verdict is an error with the culprit's name."""
    with Home() as home:
        path = home.file("mesh.yaml", topology("tri3", stall="600ms"))
        p = home.start("run", path, "--for", "100s")
        def running():
            return [m for m in home.vl("ps", "--json").json()
                    if m["state"] == "running" and m["k"] > 0]
        look = until(running, "the run runs")
        home.ok("stop", look[0]["processes"][1]["id"])
        home.end(p).wants(4, "n2 hangs: silent for ", "accused by ")


def restarted_at_once():
    """Five times in a row, a node and a module."""
    with Home() as home:
        life = Life(home, RACK8)
        for _ in range(5):
            life.kill("n2")
            life.start("n2")
        for _ in range(5):
            life.kill("m5")
            life.start("m5")
        life.finish()
        check(life.inc["n2"] == life.inc["m5"] == 6, life.inc)


def module_killed():
    with Home() as home:
        life = Life(home, RACK8)
        life.kill("m6")
        life.check_steps()
        opened = sorted(e["proc"] for e in life.mesh.events("port.open cause=death"))
        check(opened == ["n2", "n3"], f"ports opened at {opened}")
        life.start("m6")
        life.finish()


def scripted_stop_cont():
    """To its peers a stop is a kill; cont brings a new incarnation."""
    with Home() as home:
        path = drill(home, RACK8, "at: 20ms, do: stop, target: n3", "at: 50ms, do: cont, target: n3",
                     "at: 20ms, do: stop, target: m9", "at: 55ms, do: cont, target: m9")
        events, log = run_drill(home, path, "80ms")
        check("n3: SIGSTOP, scripted, step 200" in log, log)
        opened_at(events, {"n3", "m9"}, 200, rack8_channels())
        joined = {(e["proc"], e["step"], e["incarnation"]) for e in events if e["event"] == "joined"}
        check(joined == {("n3", 500, 2), ("m9", 550, 2)}, f"joined: {joined}")


def killed_while_paused():
    with Home() as home:
        life = Life(home, RACK8)
        life.mesh.do("pause")
        at = life.mesh.look()["k"]
        life.kill("n3")
        life.kill_outside(["m7"])
        look = life.mesh.look()
        check(look["state"] == "paused" and look["k"] == at, f"it went on: {look}")
        life.mesh.do("resume")
        life.settle()
        life.mesh.do("pause")
        life.start("n3")
        check(life.mesh.look()["state"] == "paused", "a start resumed it")
        life.mesh.do("resume")
        life.finish()


def down_while():
    """Paused; with a stopped process; both; with everybody dead; while it holds for a command."""
    with Home() as home:
        path = home.file("mesh.yaml", topology("tri3", stall="300ms"))
        for doing in (["pause"], ["stop n2"], ["pause", "stop n2"], ["kill n1", "kill n2", "kill n3"],
                      ["kill n1", "pause", "kill n3"]):
            mesh = Mesh(home, path, "--speed", SPEED)
            for verb in doing:
                mesh.do(*verb.split())
            mesh.down()
            if "stop n2" in doing:
                check("n2: SIGKILL, stalled, accused by " in mesh.lines(), mesh.lines())


def interrupted():
    """Ctrl-C goes to the group of the terminal: all end, in order."""
    with Home() as home:
        path = home.file("mesh.yaml", RACK8)
        for signo, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            p = home.start("up", path, prefix=["setsid"])
            until(lambda p=p: "18/18 ready" in read(p.vl_err), lambda p=p: f"ready: {read(p.vl_err)}")
            check(os.getpgid(p.pid) == p.pid, "not a group of its own")
            os.killpg(p.pid, signo)
            home.end(p).wants(status, "18/18 exited, 0 left behind")
            home.check_empty(GONE_S)


def killed_during_start():
    """SIGKILL of the supervisor when so many processes are there; of a process before it is ready."""
    with Home() as home:
        path = home.file("mesh.yaml", RACK8)
        for n in (1, 2, 5, 12, 19, 20):
            p = home.start("up", path)
            until(lambda n=n, p=p: len(home.marked()) >= n or "ready" in read(p.vl_err), f"{n} processes")
            p.kill()
            p.wait()
            home.check_no_process(GONE_S)
        check(home.sockets(), "who removed the socket directories?")
        home.ok("doctor", "--fix")
        check(not home.sockets(), lambda: f"doctor --fix left {home.sockets()}")
        home.ok("up", path, "--detach").wants(0, "18/18 ready")
        home.ok("down")
    with dying_node("n5.1.slice") as programs, Home(programs) as home:
        path = home.file("mesh.yaml", RACK8)
        for how in (["--detach"], []):
            home.vl("up", path, *how).wants(4, "n5", "SIGKILL", "before the mesh started")
        home.vl("run", path, "--for", "1s").wants(4, "n5", "SIGKILL", "before the mesh started")


def newcomer_dies():
    """A newcomer that dies before it is ready: the mesh goes on without it, and the next one lives."""
    with dying_node("n2.2.slice") as programs, Home(programs) as home:
        mesh = Mesh(home, home.file("mesh.yaml", TRI3), "--speed", SPEED)
        mesh.do("kill", "n2")
        mesh.vl("start", "n2").wants(4, "SIGKILL")
        mesh.check_steps()
        mesh.do("start", "n2")
        mesh.check_steps()
        check(mesh.ps()["n2"]["incarnation"] == 3, mesh.ps()["n2"])
        mesh.down()


def dying_node(slice_name):
    """Programs with a node that dies of SIGKILL when it begins with this slice."""
    return Programs("voltloom-node", f"""#!/bin/sh
case "$*" in */{slice_name}*) kill -KILL $$ ;; esac
exec {BIN}/voltloom-node "$@"
""")


CASES = [supervisor_killed, relay_killed, side_by_side, neighbours_killed_together, hang_named_paced,
         host_frozen, hang_named_free, restarted_at_once, module_killed, scripted_stop_cont, killed_while_paused,
         down_while, interrupted, killed_during_start, newcomer_dies]

if __name__ == "__main__":
    run_cases(CASES)
