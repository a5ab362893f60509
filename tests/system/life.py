"""What the life of processes and links must be like, held against what was recorded: not a test itself.

A Life is a mesh that is up, driven by hand, with a model beside it: who lives, in which incarnation,
what died and why, which link is cut. finish() compares: every death named and none besides, every
survivor of a peer recorded its opening and the last step that came, both ends of a link agree, the
living step on, the energy adds up, nothing is left.
"""
import re
import signal

from vl import Mesh, check, ends_of, topology, until

RESIDUAL_MAX = 1e-9  # of the energy of the run
# Longer than a busy machine silences a process, so that only who was stopped is accused.
STALL = "1500ms"
SPEED = "0.1"  # leaves the processors to those who look
# Part of a mesh that lost its feeds must come back through one resistor under full load: 1 V over
# the usual 0.5 Ohm carries less than 100 W.
PRECHARGE = "precharge: 20mOhm"
DEATH = re.compile(r"^\S+ (\w+): SIGKILL, (.*), step (-?\d+)$", re.M)


def shipped(name, **mesh):
    """A topology of the checkout, with weak pre-charge resistors."""
    return re.sub(r"(\bl: \d+uH)", rf"\1, {PRECHARGE}", topology(name, **{"stall": STALL, **mesh}))


class Life:
    """A mesh, and what its processes and links have been through."""

    def __init__(self, home, text, *args):
        self.mesh = Mesh(home, home.file("mesh.yaml", text), "--speed", SPEED, *args)
        self.nodes, self.links, modules = ends_of(text)
        self.ports = {f"{m}.{n}": (m, n) for m, on in modules.items() for n in on}
        self.channels = {**self.links, **self.ports}
        self.inc = {p: 1 for p in [*self.nodes, *modules]}
        self.dead, self.cut = set(), set()
        self.deaths = []  # [victim, incarnation, cause, {channel: [peer, its incarnation, it must tell]}]
        self.newcomers, self.unsure = set(), set()
        self.noticed = 0  # so many of the deaths have been noticed by all who lived on
        check(self.up() == set(self.mesh.alive()), "not all run that the file names")

    def up(self):
        return set(self.inc) - self.dead

    def died(self, victims, cause):
        """Who dies before it can have noticed the death of a peer may have recorded it, or not."""
        for v in victims:
            told = {}
            for c, (a, b) in self.channels.items():
                peer = b if v == a else a
                if v in (a, b) and peer not in self.dead:
                    told[c] = [peer, self.inc[peer], True]
            self.deaths.append([v, self.inc[v], cause, told])
        for death in self.deaths[self.noticed:]:
            for told in death[3].values():
                told[2] = told[2] and told[0] not in victims
        self.dead |= set(victims)
        # A living end remembers a cut; a newcomer must have heard of it from the other.
        for c in sorted(self.cut):
            living = set(self.links[c]) - self.dead
            if not living:
                self.cut.discard(c)
            elif set(self.links[c]) & set(victims) and living & self.newcomers:
                self.unsure.add(c)

    def check_steps(self):
        """The living step on, past any port step, so that they have noticed who is dead. Twice: what is
        reported first may be a step from before."""
        self.mesh.check_steps()
        self.mesh.check_steps(20)
        self.noticed = len(self.deaths)
        self.newcomers = set()

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
        self.newcomers.add(name)
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
            if set(ends) <= self.dead or link in self.unsure:
                continue
            want = "open" if link in self.cut or set(ends) & self.dead else "closed"
            got = [self.state_of(events, link, e) for e in ends if e not in self.dead]
            wrong += [] if got == [want] * len(got) else [f"{link} {got}, wanted {want}"]
        return wrong

    def settle(self):
        self.check_steps()
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
                           if told.get(c, [0, 0])[:2] == [end, life]]
                    sure = sum(must for _, _, must in due)
                    check(sure <= len(got) <= len(due),
                          lambda: f"{end}.{life} lost {due} on {c} and recorded {got}")
                    if len(got) == len(due):
                        for e, (v, inc, _) in zip(got, due):
                            self.check_opening(e, frames[v, inc])

    def check_opening(self, e, frame):
        """frame: the victim's last; what step k sends is in frame k+1, what a port offers before it in
        frame k. Peers are at most one step apart; the first step without a wave is two after that of
        the last: one of flight, one that misses it."""
        rx = e.get("rx")
        if rx is None or frame < 0:
            return
        check(rx < frame + ("port" in e), f"{e}: received what no frame has, the last was {frame}")
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


TRI3 = shipped("tri3")
RACK8 = shipped("rack8")
