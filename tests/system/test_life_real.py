#!/usr/bin/python3
"""The life of links with real processes: random schedules of SIGKILL, SIGSTOP, restart, cut, heal, pause,
and the cases that have a name. Every death is named, the living step on, both ends of every channel
recorded what happened, the energy adds up, nothing is left.

    test_life_real.py [CASE...]
    VL_SEED=17 VL_COUNT=1 test_life_real.py schedules     one schedule again
"""
# run-tests: serial
import os
import random
import re
import signal
import socket

from vl import (BIN, GONE_S, NIGHTLY, Failure, Home, Mesh, Programs, check, ends_of, read, run_cases,
                topology, until)

COUNT = int(os.environ.get("VL_COUNT") or (200 if NIGHTLY else 12))
SEED = int(os.environ.get("VL_SEED") or 1)
RESIDUAL_MAX = 1e-9  # of the energy of the run
# Longer than a busy machine silences a process, so that only who was stopped is accused.
STALL = "1500ms"
DEATH = re.compile(r"^\S+ (\w+): SIGKILL, (.*), step (-?\d+)$", re.M)


# ---- meshes and what must be true of them ----------------------------------------------------------

def generated(rng):
    """A line or a ring of 3 to 5 nodes with feeds at two of them, and modules with one or two feeds."""
    n, ring = rng.randint(3, 5), rng.random() < 0.5
    feeds = {1, rng.randint(2, n)}
    rows = [f"mesh: {{ name: {'ring' if ring else 'line'}{n}, stall: {STALL}, "
            f"port_period: {rng.choice([1, 2, 5])}, seed: {rng.randint(1, 999)}, "
            f"control: {rng.choice(['none', 'droop', 'consensus'])} }}", "nodes:"]
    for i in range(1, n + 1):
        feed = "feed: { i_rated: 31.25A }, " if i in feeds else ""
        rows.append(f"  - {{ id: n{i}, {feed}load: [[0ms, {rng.randint(20, 200)}W, 1ms]] }}")
    rows.append("links:")
    for i in range(1, n + ring):
        rows.append(f"  - {{ id: l{i}, between: [n{i}, n{i % n + 1}], r: 15mOhm, l: 2uH }}")
    rows.append("modules:")
    for i in range(1, rng.randint(2, 4)):
        on = rng.sample([f"n{j}" for j in range(1, n + 1)], rng.randint(1, 2))
        kind = rng.choice(["class: fixed, power: 150W", "class: cpu"])
        rows.append(f"  - {{ id: m{i}, {kind}, feeds: [{', '.join(on)}] }}")
    return "voltloom: 1\n" + "\n".join(rows) + "\n"


class Life:
    """A mesh, and what its processes and links have been through."""

    def __init__(self, home, text, *args):
        self.mesh = Mesh(home, home.file("mesh.yaml", text), *args)
        self.nodes, self.links, modules = ends_of(text)
        self.ports = {f"{m}.{n}": (m, n) for m, on in modules.items() for n in on}
        self.channels = {**self.links, **self.ports}
        self.inc = {p: 1 for p in [*self.nodes, *modules]}
        self.dead, self.cut = set(), set()
        self.deaths = []  # (victim, incarnation, cause, {channel: (peer, its incarnation, it must tell)})
        check(self.up() == set(self.mesh.alive()), "not all run that the file names")

    def up(self):
        return set(self.inc) - self.dead

    def died(self, victims, cause):
        """These died together: of two peers that died together neither must have noticed the other."""
        for v in victims:
            told = {}
            for c, (a, b) in self.channels.items():
                peer = b if v == a else a
                if v in (a, b) and peer not in self.dead:
                    told[c] = (peer, self.inc[peer], peer not in victims)
            self.deaths.append((v, self.inc[v], cause, told))
        self.dead |= set(victims)
        self.cut -= {c for c in self.cut if set(self.links[c]) & self.dead}

    def kill(self, name):
        self.mesh.do("kill", name).wants(0, f"{name}: SIGKILL, by hand, step ")
        self.died([name], "by hand")

    def kill_outside(self, names):
        pids = self.mesh.ps()
        check(all(pids[n]["pid"] > 1 for n in names), f"{names} do not all live")
        for n in names:
            self.mesh.signal(n, signal.SIGKILL)
        for n in names:
            self.mesh.until_dead(n)
        self.died(names, "from outside")

    def start(self, name):
        self.inc[name] += 1
        self.mesh.do("start", name)
        self.dead.discard(name)
        got = self.mesh.ps()[name]
        check(got["pid"] > 1 and got["incarnation"] == self.inc[name], f"{name} did not start: {got}")

    def hang(self, name):
        """Stopped until it is accused and killed."""
        self.mesh.signal(name, signal.SIGSTOP)
        self.mesh.until_dead(name)
        self.died([name], "stalled, accused by ")

    # ---- what was recorded ---------------------------------------------------------------------

    def state_of(self, events, link, end):
        """open, precharge or closed, as this end recorded it last."""
        state = "closed" if self.inc[end] == 1 else "open"
        for e in events:
            if e["proc"] == end and e["life"] == self.inc[end] and e.get("link") == link:
                state = {"link.open": "open"}.get(e["event"], e.get("stage", state))
        return state

    def unsettled(self):
        """Links of which an end is not in the state that it must come to."""
        events, wrong = self.mesh.events(), []
        for link, ends in self.links.items():
            if set(ends) & self.dead and set(ends) <= self.dead:
                continue
            want = "open" if link in self.cut or set(ends) & self.dead else "closed"
            got = [self.state_of(events, link, e) for e in ends if e not in self.dead]
            wrong += [] if got == [want] * len(got) else [f"{link} {got}, wanted {want}"]
        return wrong

    def settle(self):
        self.mesh.check_steps()
        until(lambda: not self.unsettled(),
              lambda: f"links come to rest: {self.unsettled()}\n{self.mesh.lines()}")

    def check_names(self):
        """Exactly those died that were killed, each with its reason, in ps and in the log."""
        said = [m.groups() for m in DEATH.finditer(self.mesh.lines())]
        want = [(v, cause) for v, _, cause, _ in self.deaths]
        check(sorted(v for v, _, _ in said) == sorted(v for v, _ in want),
              lambda: f"deaths {said}, wanted {want}\n{self.mesh.lines()}")
        frames, rest = {}, list(said)
        for v, inc, cause, _ in self.deaths:
            found = next((s for s in rest if s[0] == v), None)
            check(found[1].startswith(cause), f"{found}, wanted '{cause}'")
            rest.remove(found)
            frames[v, inc] = int(found[2])
        for name, p in self.mesh.ps().items():
            check((p["pid"] == 0) == (name in self.dead), f"{name} is {p}, dead are {self.dead}")
            check((p["state"] == "dead") == (name in self.dead), f"{name} is {p}")
            check(p["exit"].startswith("SIGKILL, ") == (name in self.dead), f"{name} is {p}")
        return frames

    def check_openings(self, frames):
        """Whoever outlived a peer recorded when its channel opened, and what came last."""
        opened = [e for e in self.mesh.events() if e["event"] in ("link.open", "port.open")
                  and e["cause"] == "death"]
        for c, ends in self.channels.items():
            for end in ends:
                for life in range(1, self.inc[end] + 1):
                    got = [e for e in opened if e["proc"] == end and e["life"] == life
                           and c in (e.get("link"), e.get("port"))]
                    due = [(v, inc, told[c][2]) for v, inc, _, told in self.deaths
                           if told.get(c, (0, 0, 0))[:2] == (end, life)]
                    sure = sum(must for _, _, must in due)
                    check(sure <= len(got) <= len(due),
                          lambda: f"{end}.{life} lost {due} on {c} and recorded {got}")
                    if len(got) == len(due):
                        for e, (v, inc, _) in zip(got, due):
                            self.check_opening(e, frames[v, inc])

    def check_opening(self, e, frame):
        """frame: the victim's last. Peers are at most one step apart; the first step without a wave is
        two after that of the last wave: one step of flight, one that misses it."""
        rx = e.get("rx")
        if rx is None or frame < 0:
            return
        check(rx <= frame, f"{e}: received more than there was, the last frame was {frame}")
        if "link" in e:
            check(rx >= frame - 3, f"{e}: the last frame was {frame}")
            check(e["step"] == rx + 2, f"{e}: not the first step without its wave")

    def check_pairs(self):
        """Cuts and closings act at both ends in the same step."""
        events = self.mesh.events()
        for link, ends in self.links.items():
            for end, other in (ends, ends[::-1]):
                mine = [e for e in events if e["proc"] == end and e.get("link") == link]
                steps = {e["step"] for e in events if e["proc"] == other and e.get("link") == link}
                for e in mine:
                    both = e.get("cause") == "cut" or e.get("stage") == "closed"
                    check(not both or e["step"] in steps or self.died_about(other, e["step"]),
                          lambda e=e: f"{e}: the end at {other} did not act then")

    def died_about(self, name, step):
        return any(v == name and abs(frame - step) <= 3 for (v, _), frame in self.frames.items())

    def finish(self):
        self.settle()
        self.frames = self.check_names()
        self.check_openings(self.frames)
        self.check_pairs()
        self.mesh.down()
        host = self.mesh.host()
        check(host["clean"] and host["exit_status"] == 0 and host["left"] == 0, f"host.json: {host}")
        check_energy(self.mesh.home, self.mesh.run_dir)


def check_energy(home, run_dir):
    table = home.ok("export", run_dir, "--signals", "mesh.energy_residual", "--every", "10ms").out
    rows = [line.split(",") for line in table.splitlines()[1:]]
    check(rows, "no row of mesh.energy_residual")
    bad = [r for r in rows if not abs(float(r[1])) <= RESIDUAL_MAX]
    check(not bad, f"energy does not add up, t_s and residual: {bad[:3]}")


# ---- random schedules --------------------------------------------------------------------------------

def op_kill(life, rng):
    life.kill(rng.choice(sorted(life.up())))


def op_kill_outside(life, rng):
    life.kill_outside([rng.choice(sorted(life.up()))])


def op_kill_two(life, rng):
    """Two that share a channel, so that each dies while it may be telling the other."""
    pairs = [e for e in life.channels.values() if not set(e) & life.dead]
    if pairs and len(life.up()) > 2:
        life.kill_outside(list(rng.choice(pairs)))


def op_start(life, rng):
    if life.dead:
        life.start(rng.choice(sorted(life.dead)))


def op_restart(life, rng):
    name = rng.choice(sorted(life.up()))
    life.kill(name)
    life.start(name)


def op_stop_cont(life, rng):
    name = rng.choice(sorted(life.up()))
    life.mesh.do("stop", name)
    check(life.mesh.ps()[name]["state"] == "stopped", f"{name} is not shown as stopped")
    life.mesh.do("cont", name)


def op_hang(life, rng):
    if not any(cause.startswith("stalled") for _, _, cause, _ in life.deaths):  # once: it takes time
        life.hang(rng.choice(sorted(life.up())))


def op_cut(life, rng):
    life.settle()
    able = sorted(c for c, e in life.links.items() if c not in life.cut and not set(e) & life.dead)
    if able:
        link = rng.choice(able)
        step = life.mesh.do("cut", link).wants(0, f"{link}: open at step ").err
        life.cut.add(link)
        life.mesh.check_steps()
        at = int(re.search(r"at step (\d+)", step).group(1))
        ends = sorted(e["proc"] for e in life.mesh.events(f"link.open cause=cut link={link}")
                      if e["step"] == at)
        check(ends == sorted(life.links[link]), f"{link} was cut at step {at}, which {ends} recorded")


def op_heal(life, rng):
    if life.cut:
        link = rng.choice(sorted(life.cut))
        life.mesh.do("heal", link)
        life.cut.discard(link)


def op_paused(life, rng):
    """What dies while the clock stands is noticed when it goes on."""
    life.mesh.do("pause")
    if rng.random() < 0.6 and len(life.up()) > 1:
        op_kill(life, rng)
    if rng.random() < 0.3:
        life.mesh.do("step", "2")
    if rng.random() < 0.3:
        op_start(life, rng)
    life.mesh.do("resume")


def op_relay(life, _):
    life.mesh.do("kill", "relay")


OPS = [(op_kill, 4), (op_kill_outside, 3), (op_kill_two, 3), (op_start, 8), (op_restart, 3),
       (op_stop_cont, 2), (op_hang, 1), (op_cut, 2), (op_heal, 2), (op_paused, 2), (op_relay, 1)]
KILLS = (op_kill, op_kill_outside, op_kill_two, op_restart, op_hang)


def one_schedule(seed):
    rng = random.Random(seed)
    shape = seed % 4
    text = (topology("tri3", stall=STALL) if shape == 1 else
            topology("rack8", stall=STALL) if shape == 3 else generated(rng))
    done = []
    with Home() as home:
        try:
            life = Life(home, text, *(["--no-pin"] if rng.random() < 0.3 else []))
            for _ in range(rng.randint(5, 10)):
                op = rng.choices([o for o, _ in OPS], [w for _, w in OPS])[0]
                if op in KILLS and len(life.up()) < 2:
                    continue
                done.append(op.__name__)
                op(life, rng)
                if rng.random() < 0.5:
                    life.mesh.check_steps()
            life.finish()
        except Failure as e:
            raise Failure(f"seed {seed} ({' '.join(done)}): {e}\nagain: VL_SEED={seed} VL_COUNT=1 "
                          f"VL_BIN={BIN} VL_SRC=... tests/system/test_life_real.py schedules") from None
    return len(life.deaths)


def schedules():
    deaths = sum(one_schedule(SEED + i) for i in range(COUNT))
    return f"{COUNT} schedules from seed {SEED}, {deaths} deaths"


# ---- cases with a name -----------------------------------------------------------------------------

TRI3 = topology("tri3", stall=STALL)
RACK8 = topology("rack8", stall=STALL)


def supervisor_killed():
    """Its processes die with it, whatever they are doing; the next `up` tidies."""
    with Home() as home:
        path = home.file("mesh.yaml", RACK8)
        for doing in ("run", "pause", "stop"):
            mesh = Mesh(home, path)
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
        path = home.file("mesh.yaml", topology("tri3"))
        want = trace_of(home.ok("run", path, "--for", "400ms", "--memory"))
        p = home.start("run", path, "--for", "400ms", "--speed", "0.4", "--out", f"{home.dir}/o")
        log = f"{home.dir}/o/supervisor.log"
        look = until(lambda: [m for m in home.vl("ps", "--json").json() if m["state"] == "running"],
                     "the run runs")[0]
        for i in range(1, 4):
            until(lambda: relay_listens(look["sock_dir"]), "the relay listens")
            home.ok("kill", "relay")
            until(lambda i=i: read(log).count("relay: SIGKILL; it comes back") == i,
                  "the death of the relay is named")
        until(lambda: relay_listens(look["sock_dir"]), "the relay is back")
        check(p.poll() is None, "the run ended before the relay was killed three times")
        check(trace_of(home.end(p).wants(0)) == want, "the trace differs when the relay is killed")


def side_by_side():
    """What happens to one mesh is nothing to the other."""
    with Home() as home:
        a = Mesh(home, home.file("a.yaml", TRI3), "--name", "a")
        b = Mesh(home, home.file("b.yaml", RACK8), "--name", "b")
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
        life.mesh.check_steps()
        life.start("n4")
        life.start("n3")
        life.finish()


def hang_named_paced():
    """Killed after the stall, named with its accuser; the clock of the mesh is not slowed for good."""
    with Home() as home:
        life = Life(home, topology("tri3", stall="600ms"), "--speed", "0.2")
        life.hang("n3")
        check(re.search(r"n3: SIGKILL, stalled, accused by (n1|n2|the supervisor), step \d+",
                        life.mesh.lines()), life.mesh.lines())
        life.start("n3")
        life.finish()
        check("speed lowered" not in life.mesh.lines(), life.mesh.lines())


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
        life.mesh.check_steps()
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
            mesh = Mesh(home, path)
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
        mesh = Mesh(home, home.file("mesh.yaml", TRI3))
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
         hang_named_free, restarted_at_once, module_killed, scripted_stop_cont, killed_while_paused,
         down_while, interrupted, killed_during_start, newcomer_dies, schedules]

if __name__ == "__main__":
    run_cases(CASES)
